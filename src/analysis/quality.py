"""Checks of the raw figures: numbered rules that report in Danish and never change a figure."""

from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis import accounts, areas
from analysis.danish import listed, number

Severity = Literal["ERROR", "WARNING", "INFO"]


class Finding(BaseModel):
    """One thing a rule found: which rule, how serious, in which table, and a Danish sentence."""

    model_config = ConfigDict(frozen=True)

    rule: str
    severity: Severity
    table: str
    text: str


def unmapped_groupings(expenditure: pd.DataFrame) -> list[Finding]:
    """REGK-01: groupings that accounts.csv does not know, by name and size."""
    unknown = accounts.unknown_groupings(expenditure)
    if unknown.empty:
        return []
    sized = expenditure.merge(unknown, on=["year", "function", "grouping"])
    sized = sized.groupby(["function", "grouping"]).agg(
        amount=("value", "sum"), first=("year", "min"), last=("year", "max")
    )
    return [
        Finding(
            rule="REGK-01",
            severity="WARNING",
            table="REGK100",
            text=f"Funktion {accounts.printed_number(function)} gruppering {grouping} er ny i kontoplanen "
            f"({row.first}-{row.last}, {_thousands(row.amount)} t.kr. i alt) og er talt med uden for rapportens "
            "afgrænsning; tilføj den i accounts.csv.",
        )
        for (function, grouping), row in sized.iterrows()
    ]


def absent_functions(expenditure: pd.DataFrame) -> list[Finding]:
    """REGK-03: functions of the account plan without a single row in a year."""
    present = expenditure.groupby("year")["function"].agg(set)
    findings = []
    for year, seen in present.items():
        absent = sorted(accounts.functions() - seen)
        if absent:
            listed = ", ".join(accounts.printed_number(function) for function in absent)
            findings.append(
                Finding(
                    rule="REGK-03",
                    severity="WARNING",
                    table="REGK100",
                    text=f"Ingen kommune har beløb på funktion {listed} i {year}; de tæller som 0.",
                )
            )
    return findings


def absent_municipalities(table: str, present: pd.DataFrame, years: list[int]) -> list[Finding]:
    """DAEK-01: municipalities without any row in a year (columns area_code, year)."""
    findings = []
    for year in years:
        absent = sorted(set(areas.municipalities()) - set(present.loc[present["year"] == year, "area_code"]))
        if absent:
            findings.append(
                Finding(
                    rule="DAEK-01",
                    severity="WARNING",
                    table=table,
                    text=f"{listed([areas.name(code) for code in absent])} mangler i {year}; summer, som "
                    "kommunerne indgår i, vises som manglende.",
                )
            )
    return findings


def function_totals(expenditure: pd.DataFrame, control: pd.DataFrame) -> list[Finding]:
    """REGK-02: REGK100 added up against REGK31, by function and municipality.

    `expenditure`: year, area_code, function, value (kr.). `control`: the same with `tolerance` (kr.), the rounding
    that REGK31 itself carries. Functions that only one of the tables holds are not compared.
    """
    keys = ["year", "area_code", "function"]
    added = expenditure.groupby(keys)["value"].sum(min_count=1).rename("added")
    both = control.set_index(keys).join(added, how="inner").dropna(subset=["value", "added"]).reset_index()
    both["difference"] = both["added"] - both["value"]
    wrong = both[both["difference"].abs() > both["tolerance"]].sort_values("difference", key=abs, ascending=False)
    return [
        Finding(
            rule="REGK-02",
            severity="WARNING",
            table="REGK100",
            text=f"{areas.name(row.area_code)} {row.year}, funktion {accounts.printed_number(row.function)}: "
            f"grupperingerne giver {_thousands(row.added)} t.kr., REGK31 har {_thousands(row.value)} t.kr. "
            f"(forskel {_thousands(row.difference)} t.kr.).",
        )
        for row in wrong.itertuples()
    ]


def area_totals(table: str, frame: pd.DataFrame, keys: list[str], label: str) -> list[Finding]:
    """OMR-01: a source's own region and country rows against the sum of the municipalities.

    `frame`: area_code (all kinds), `keys`, value. Own rows never count; where they disagree by more than a tenth
    of a percent they are named. Only areas whose every municipality is there are compared.
    """
    own = frame[frame["area_code"].isin(areas.aggregates())]
    municipal = frame[frame["area_code"].isin(areas.municipalities())]
    findings = []
    for area_code, rows in own.groupby("area_code"):
        inside = municipal[municipal["area_code"].isin(areas.members(area_code))]
        if inside["area_code"].nunique() < len(areas.members(area_code)):
            continue
        added = inside.groupby(keys)["value"].sum(min_count=1)
        given = rows.groupby(keys)["value"].sum(min_count=1)
        compared = pd.concat([added.rename("added"), given.rename("given")], axis=1).fillna({"added": 0}).dropna()
        wrong = compared[(compared["added"] - compared["given"]).abs() > 0.001 * compared["given"].abs() + 0.5]
        for key, row in wrong.iterrows():
            named = " ".join(map(str, key if isinstance(key, tuple) else (key,)))
            findings.append(
                Finding(
                    rule="OMR-01",
                    severity="WARNING",
                    table=table,
                    text=f"Rækken {areas.name(area_code)} ({named}) viser {_thousands(row.given, 1)} {label}, "
                    f"kommunerne giver {_thousands(row.added, 1)}; kommunernes sum er brugt.",
                )
            )
    return findings


def age_totals(population: pd.DataFrame) -> list[Finding]:
    """FOLK-01: single years of age against the total of the same municipality and quarter.

    `population`: area_code, quarter, total (NaN where the table has none), ages (NaN where it has none).
    """
    both = population.dropna(subset=["total", "ages"])
    wrong = both[both["total"] != both["ages"]]
    return [
        Finding(
            rule="FOLK-01",
            severity="WARNING",
            table="FOLK1A",
            text=f"{areas.name(row.area_code)} {row.quarter}: aldrene giver {_thousands(row.ages, 1)}, i alt er "
            f"{_thousands(row.total, 1)}.",
        )
        for row in wrong.itertuples()
    ]


def series_break(table: str, label: str, year: int, text: str) -> Finding:
    """BRUD-01: what a category counts changed in a year; a growth across it is not a growth of the same thing."""
    return Finding(
        rule="BRUD-01",
        severity="INFO",
        table=table,
        text=f"{label}: {text}. Tal før og efter {year} kan ikke sammenlignes.",
    )


def table_not_delivered(table: str) -> Finding:
    """DAEK-02: a table of the edition that is not in the raw folder; what rests on it is not computed."""
    return Finding(
        rule="DAEK-02",
        severity="WARNING",
        table=table,
        text=f"{table} findes ikke i mappen med rådata; det, der bygger på tabellen, er ikke beregnet.",
    )


def _thousands(amount: float, divisor: int = 1000) -> str:
    return number(amount / divisor)
