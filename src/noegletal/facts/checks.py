"""Checks of raw figures against the declared rules: what each finds, in a sentence."""

from itertools import pairwise

import pandas as pd

from analysis import accounts, areas
from analysis.danish import listed, number
from noegletal.rules import Finding, Size, UnitShift, catalogue, found, of_largest


def unmapped_groupings(expenditure: pd.DataFrame) -> list[Finding]:
    """REGK-01: groupings that accounts.csv does not know, by name and size."""
    unknown = unknown_groupings(expenditure)
    if unknown.empty:
        return []
    sized = expenditure.merge(unknown, on=["year", "function", "grouping"])
    sized = sized.groupby(["function", "grouping"]).agg(
        amount=("value", "sum"), first=("year", "min"), last=("year", "max")
    )
    return [
        found(
            "REGK-01",
            "REGK100",
            f"Funktion {accounts.printed_number(function)} gruppering {grouping} er ny i kontoplanen "
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
            functions = ", ".join(accounts.printed_number(function) for function in absent)
            text = f"Ingen kommune har beløb på funktion {functions} i {year}; de tæller som 0."
            findings.append(found("REGK-03", "REGK100", text))
    return findings


def absent_municipalities(table: str, present: pd.DataFrame, years: list[int]) -> list[Finding]:
    """DAEK-01: municipalities without any row in a year (columns area_code, year)."""
    findings = []
    for year in years:
        absent = sorted(set(areas.municipalities()) - set(present.loc[present["year"] == year, "area_code"]))
        if absent:
            names = listed([areas.name(code) for code in absent])
            text = f"{names} mangler i {year}; summer, som kommunerne indgår i, vises som manglende."
            findings.append(found("DAEK-01", table, text))
    return findings


def function_totals(expenditure: pd.DataFrame, control: pd.DataFrame) -> list[Finding]:
    """REGK-02, ENHED-01: REGK100 added up against REGK31, by function and municipality.

    `expenditure`: year, area_code, function, value (kr.). `control`: the same with `tolerance` (kr.), the rounding
    that REGK31 itself carries. Functions that only one of the tables holds are not compared.
    """
    keys = ["year", "area_code", "function"]
    added = expenditure.groupby(keys)["value"].sum(min_count=1).rename("added")
    both = control.set_index(keys).join(added, how="inner").dropna(subset=["value", "added"]).reset_index()
    limit = catalogue().thresholds.units["amount"]
    if _apart(both["added"].sum(), both["value"].sum(), limit):
        text = (
            f"Kommunernes udgifter er {_thousands(both['added'].sum())} t.kr., og REGK31 har "
            f"{_thousands(both['value'].sum())} t.kr. for de samme funktioner; en af tabellerne har en forkert enhed."
        )
        return [found("ENHED-01", "REGK100", text)]
    both["difference"] = both["added"] - both["value"]
    wrong = both[both["difference"].abs() > both["tolerance"]].sort_values("difference", key=abs, ascending=False)
    return [
        found(
            "REGK-02",
            "REGK100",
            f"{areas.name(row.area_code)} {row.year}, funktion {accounts.printed_number(row.function)}: "
            f"grupperingerne giver {_thousands(row.added)} t.kr., REGK31 har {_thousands(row.value)} t.kr. "
            f"(forskel {_thousands(row.difference)} t.kr.).",
        )
        for row in wrong.itertuples()
    ]


def area_totals(table: str, frame: pd.DataFrame, keys: list[str], label: str) -> list[Finding]:
    """OMR-01: a source's own region and country rows against the sum of the municipalities.

    `frame`: area_code (all kinds), `keys`, value. Own rows never count; where they disagree by more than
    rounding they are named. Only areas whose every municipality is there are compared.
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
        allowed = catalogue().thresholds.own_rows_share * compared["given"].abs() + 0.5
        wrong = compared[(compared["added"] - compared["given"]).abs() > allowed]
        for key, row in wrong.iterrows():
            named = " ".join(map(str, key if isinstance(key, tuple) else (key,)))
            text = (
                f"Rækken {areas.name(area_code)} ({named}) viser {number(row.given)} {label}, kommunerne giver "
                f"{number(row.added)}; kommunernes sum er brugt."
            )
            findings.append(found("OMR-01", table, text))
    return findings


def age_totals(population: pd.DataFrame) -> list[Finding]:
    """FOLK-01: single years of age against the total of the same municipality and quarter.

    `population`: area_code, quarter, total (NaN where the table has none), ages (NaN where it has none).
    """
    both = population.dropna(subset=["total", "ages"])
    wrong = both[both["total"] != both["ages"]]
    return [
        found(
            "FOLK-01",
            "FOLK1A",
            f"{areas.name(row.area_code)} {row.quarter}: aldrene giver {number(row.ages)}, i alt er "
            f"{number(row.total)}.",
        )
        for row in wrong.itertuples()
    ]


def series_break(table: str, label: str, year: int, text: str) -> Finding:
    """BRUD-01: what a category counts changed in a year; a growth across it is not a growth of the same thing."""
    return found("BRUD-01", table, f"{label}: {text}. Tal før og efter {year} kan ikke sammenlignes.")


def table_not_delivered(table: str) -> Finding:
    """DAEK-02: a table of the edition that is not in the raw folder; what rests on it is not computed."""
    text = f"{table} findes ikke i mappen med rådata; det, der bygger på tabellen, er ikke beregnet."
    return found("DAEK-02", table, text)


def foreign_areas(table: str, codes: pd.Series) -> list[Finding]:
    """OMR-02: areas of a table that are neither municipalities nor summed from them, nor expected beside them."""
    known = {*areas.municipalities(), *areas.aggregates(), *catalogue().expected_areas}
    foreign = sorted(set(codes.unique()) - known)
    if not foreign:
        return []
    names = of_largest([f"{areas.name(code)} ({code})" for code in foreign])
    return [found("OMR-02", table, f"Tabellen har rækker for {names}; de er ikke talt med.")]


def unit_shift(table: str, size: Size, rows: pd.DataFrame) -> list[Finding]:
    """ENHED-01, ENHED-02: totals so many times larger or smaller than the period before that the unit must be wrong.

    `rows`: area_code, year (or another period that sorts), value. Only municipalities with a figure in both periods
    are compared; the whole table first, then each municipality of some size.
    """
    limit = catalogue().thresholds.units[size]
    municipal = rows[rows["area_code"].isin(areas.municipalities())]
    totals = municipal.groupby(["area_code", "year"])["value"].sum(min_count=1).unstack("year")
    findings = []
    for before, now in pairwise(totals.columns):
        both = totals[[before, now]].dropna()
        if _apart(both[before].sum(), both[now].sum(), limit):
            text = (
                f"Kommunernes samlede tal går fra {number(both[before].sum())} i {before} til "
                f"{number(both[now].sum())} i {now}; enheden må være forkert i et af årene."
            )
            findings.append(found("ENHED-01", table, text))
            continue
        wrong = [row for row in both.itertuples() if _apart(row[1], row[2], limit)]
        if wrong:
            wrong.sort(key=lambda row: -max(abs(row[1]), abs(row[2])))
            named = of_largest([f"{areas.name(row[0])} (fra {number(row[1])} til {number(row[2])})" for row in wrong])
            text = f"Det samlede tal fra {before} til {now} kan ikke være rigtigt for {named}."
            findings.append(found("ENHED-02", table, text))
    return findings


def ownerships(rows: pd.DataFrame) -> list[Finding]:
    """EJER-01: ownerships of some weight that have no amounts at all in a year (columns year, ownership, value)."""
    limit = catalogue().thresholds.ownership_share
    sums = rows.groupby(["ownership", "year"])["value"].sum().unstack("year", fill_value=0.0)
    shares = sums.abs() / sums.abs().sum()
    return [
        found(
            "EJER-01",
            "REGK100",
            f"Ejerform {code} har ingen beløb i {year}, men op til {number(100 * shares.loc[code].max(), 1)} pct. af "
            "udgifterne i andre år; årets udgifter er for lave.",
        )
        for code in shares.index
        for year in shares.columns
        if sums.loc[code, year] == 0 and shares.loc[code].max() >= limit
    ]


def unauthorised(expenditure: pd.DataFrame) -> list[Finding]:
    """GODK-01: municipalities with much of their expenditure on the grouping without authority.

    `expenditure`: area_code, year, grouping, value (kr.).
    """
    limit = catalogue().thresholds.unauthorised
    keys = ["year", "area_code"]
    whole = expenditure.groupby(keys)["value"].sum()
    part = expenditure[expenditure["grouping"] == limit.grouping].groupby(keys)["value"].sum()
    both = pd.concat([part.rename("part"), whole.rename("whole")], axis=1, join="inner")
    high = both[both["part"].abs() > limit.share * both["whole"].abs()].sort_values("part", key=abs, ascending=False)
    findings = []
    for year, rows in high.groupby("year"):
        named = of_largest(
            [f"{areas.name(row.Index[1])} ({number(100 * row.part / row.whole, 1)} pct.)" for row in rows.itertuples()]
        )
        text = f"Gruppering {limit.grouping} (ikke-autoriseret) har en stor del af udgifterne i {year}: {named}."
        findings.append(found("GODK-01", "REGK100", text))
    return findings


def kinds_not_checked(reason: str) -> Finding:
    """ART-03: the kinds that no key figure uses cannot be checked; the build goes on without."""
    return found("ART-03", "REGK100", f"Bruttoudgifter, indtægter og hovedarter er ikke kontrolleret: {reason}")


def kind_totals(expenditure: pd.DataFrame, others: pd.DataFrame) -> list[Finding]:
    """ART-01, ART-02, FORT-02: gross expenditure, income and main kinds against the net, where the table holds them.

    `expenditure`: year, area_code, function, value (net, kr.). `others`: the same by `kind`. No key figure uses them.
    """
    declared = catalogue().kinds
    keys = ["year", "area_code", "function"]
    kinds = others.groupby([*keys, "kind"])["value"].sum().unstack("kind")
    if kinds.empty:
        return []
    net = expenditure.groupby(keys)["value"].sum(min_count=1).reindex(kinds.index)
    sides = kinds.reindex(columns=[declared.gross, declared.income])
    both_sides = sides.sum(axis=1, min_count=1)
    main = kinds.reindex(columns=list(declared.main)).sum(axis=1, min_count=1)
    size = kinds.abs().max(axis=1)
    allowed = declared.tolerance_kroner + declared.tolerance_share * size
    findings = _kinds_apart("ART-01", "Bruttoudgifter og indtægter", both_sides, "nettoudgiften", net, allowed)
    findings += _kinds_apart("ART-02", "Hovedarterne", main, "udgifter og indtægter", both_sides.fillna(net), allowed)
    positive = sides[declared.income][sides[declared.income] > declared.tolerance_kroner]
    if len(positive):
        text = f"Indtægter skal være negative, men er positive: {_largest_accounts(positive)}."
        findings.append(found("FORT-02", "REGK100", text))
    return findings


def _apart(one: float, other: float, limit: UnitShift) -> bool:
    """Two totals that differ by at least the factor, of which the larger counts for something."""
    small, large = sorted([abs(one), abs(other)])
    return small > 0 and large >= limit.factor * small and large >= limit.at_least


def _kinds_apart(
    rule: str, label: str, added: pd.Series, other_label: str, given: pd.Series, allowed: pd.Series
) -> list[Finding]:
    difference = (added - given).dropna()
    wrong = difference[difference.abs() > allowed.reindex(difference.index)]
    if wrong.empty:
        return []
    text = f"{label} giver ikke {other_label}; forskellen er størst for {_largest_accounts(wrong)}."
    return [found(rule, "REGK100", text)]


def _largest_accounts(amounts: pd.Series) -> str:
    """The largest amounts (kr.) by year, area and function, with their size."""
    return of_largest(
        [
            f"{areas.name(area_code)} {year} funktion {accounts.printed_number(function)} ({_thousands(amount)} t.kr.)"
            for (year, area_code, function), amount in amounts.sort_values(key=abs, ascending=False).items()
        ]
    )


def _thousands(amount: float) -> str:
    return number(amount / 1000)


def unknown_groupings(expenditure: pd.DataFrame) -> pd.DataFrame:
    """Function, grouping and year of accounts that no rule names; they are counted outside the report's scope."""
    seen = expenditure[["year", "function", "grouping"]].drop_duplicates()
    unknown = []
    for year, rows in seen.groupby("year"):
        rules = accounts.rules_of_year(int(year))
        anything = rules.loc[rules["grouping"] == accounts.ANY_GROUPING, "function"]
        pairs = pd.MultiIndex.from_frame(rules[["function", "grouping"]])
        known = rows["function"].isin(anything) | pd.MultiIndex.from_frame(rows[["function", "grouping"]]).isin(pairs)
        unknown.append(rows[~known])
    return pd.concat(unknown, ignore_index=True)
