"""Population by municipality, quarter and single year of age, from FOLK1A."""

from functools import partial
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from analysis import areas
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.rows import ORIGINS
from noegletal.facts import checks
from noegletal.facts.lineage import Cells, Lineage
from noegletal.facts.sums import added
from noegletal.rules import Finding
from noegletal.sources.snapshot import TIME, refuse_rows

TOTAL = "IALT"
AGE = r"^(IALT|[0-9]{1,3})$"
OCTOBER = "K4"
BOTH_SEXES = {"KØN": frozenset({"TOT"}), "CIVILSTAND": frozenset({"TOT"})}
KEYS = ["area_code", "quarter", "age"]

schema = pa.DataFrameSchema(
    {
        "area_code": pa.Column(str, pa.Check(lambda codes: codes.isin(areas.municipalities()))),
        "quarter": pa.Column(str, pa.Check.str_matches(r"^[0-9]{4}K[1-4]$")),
        "age": pa.Column(str, pa.Check.str_matches(AGE)),
        "value": pa.Column(float, pa.Check.ge(0), nullable=True),
        "status": pa.Column(str, pa.Check.isin(["final", "provisional", "missing"])),
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
    },
    unique=KEYS,
    strict=True,
)


def lineage() -> Lineage:
    """From which raw rows the population is made."""
    return Lineage("FOLK1A", BOTH_SEXES, {"area_code": "OMRÅDE", "quarter": TIME, "age": "ALDER"})


def cells(name: str, first: int | None = None, last: int | None = None) -> Cells:
    """Persons of an age band, or all, by municipality and quarter."""
    everybody = first is None or last is None
    taken = everyone if everybody else partial(of_ages, first=first, last=last)
    return Cells(("population", name), "population", lineage(), ("area_code", "quarter"), taken)


def build(raw: Path, edition: Edition) -> tuple[pd.DataFrame, list[Finding]]:
    """Persons by municipality, quarter and age (`IALT` or a single year), and what the checks found.

    Columns: area_code, quarter (2024K4 is 1 October), age, value (persons, NaN missing), status, origin.
    Source: FOLK1A, both sexes, all marital statuses. Errors: a year of the period without 1 October.
    """
    rows = lineage().read(raw, edition)
    if rows.empty:
        raise InputError(
            "FOLK1A holds no rows for both sexes and all marital statuses (KØN TOT, CIVILSTAND TOT)", rule="DAEK-04"
        )
    quarters = set(rows[TIME])
    absent = [f"{year}{OCTOBER}" for year in edition.period.all if f"{year}{OCTOBER}" not in quarters]
    if absent:
        raise InputError(
            f"FOLK1A holds no rows for {', '.join(absent)} (1 October); the edition needs them", rule="DAEK-04"
        )
    refuse_rows(rows[rows["value"] < 0], "FORT-03", "a population cannot be negative ({value:g})")
    refuse_rows(rows[~rows["ALDER"].str.match(AGE)], "KODE-02", "ALDER {ALDER!r} is neither IALT nor an age")
    facts = lineage().facts(rows)
    municipal = facts[facts["area_code"].isin(areas.municipalities())].reset_index(drop=True)
    total = municipal["age"] == TOTAL
    both = pd.concat(
        [
            municipal[total].groupby(["area_code", "quarter"])["value"].sum(min_count=1).rename("total"),
            municipal[~total].groupby(["area_code", "quarter"])["value"].sum(min_count=1).rename("ages"),
        ],
        axis=1,
    )
    findings = checks.age_totals(both.reset_index())
    findings += checks.foreign_areas("FOLK1A", facts["area_code"])
    persons = both["total"].fillna(both["ages"]).rename("value").rename_axis(["area_code", "year"]).reset_index()
    findings += checks.unit_shift("FOLK1A", "population", persons)
    october = municipal[municipal["quarter"].str.endswith(OCTOBER)]
    present = october.assign(year=october["quarter"].str[:4].astype(int))
    findings += checks.absent_municipalities("FOLK1A", present, edition.period.all)
    findings += checks.cohorts(municipal)
    # The region row holds Christiansø, so regions agree only to about a hundred persons.
    return schema.validate(municipal), findings


def band(facts: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Persons of an age band (both ends included) by municipality and quarter.

    Returns area_code, quarter, value, status, origin. An age that a quarter leaves out counts as zero; a quarter
    without single years of age has no band.
    """
    return added(of_ages(facts, first, last), ["area_code", "quarter"])


def total(facts: pd.DataFrame) -> pd.DataFrame:
    """All persons by municipality and quarter: the table's own total, or the sum of the ages where it has none."""
    return added(everyone(facts), ["area_code", "quarter"])


def of_ages(facts: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """The facts of single years of age, both ends included."""
    wanted = [age for age in facts["age"].unique() if age != TOTAL and first <= int(age) <= last]
    return facts[facts["age"].isin(wanted)]


def everyone(facts: pd.DataFrame) -> pd.DataFrame:
    """The facts that together are everybody: the table's own total, or every age where it has none."""
    cells = pd.MultiIndex.from_frame(facts[["area_code", "quarter"]])
    own = facts["age"] == TOTAL
    return facts[own | ~cells.isin(cells[own])]
