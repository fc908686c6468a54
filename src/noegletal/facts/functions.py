"""Net operating expenditure of whole functions by municipality, as REGK31 publishes it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from analysis import areas
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.rows import FINAL, MISSING, ORIGINS, weakest
from noegletal import account_rules
from noegletal.facts import checks
from noegletal.facts.lineage import Cells, Lineage
from noegletal.rules import Finding
from noegletal.sources.snapshot import TIME, require_years, table_shapes

TABLE = "REGK31"
THOUSAND = 1000
# Operating accounts only (no state refund, no investment), all kinds net of income, current prices.
NET_OPERATING = {"DRANST": frozenset({"1"}), "ART": frozenset({"TOT"}), "PRISENHED": frozenset({"LOBM"})}
KEYS = ["area_code", "year", "function"]

schema = pa.DataFrameSchema(
    {
        "area_code": pa.Column(str, pa.Check(lambda codes: codes.isin(areas.municipalities()))),
        "year": pa.Column(int, pa.Check.in_range(2007, 2100)),
        "function": pa.Column(str, pa.Check.str_matches(r"^[0-9]{5}$")),
        "value": pa.Column(float, nullable=True),
        "status": pa.Column(str, pa.Check.isin(["final", "provisional", "missing"])),
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
    },
    unique=KEYS,
    strict=True,
)


def lineage(functions: Iterable[str]) -> Lineage:
    """From which raw rows the amounts of some functions are made."""
    return Lineage(
        table=TABLE,
        select=NET_OPERATING | {"FUNKTION": frozenset(functions)},
        columns={"area_code": "OMRÅDE", "year": TIME, "function": "FUNKTION"},
        factor=THOUSAND,
        unit="t.kr.",
    )


def cells(name: str, functions: Mapping[str, str]) -> Cells:
    """The amounts of functions (by category), which are facts of the indicator `name`."""
    keys = ("area_code", "year", "population_group", "category")
    return Cells((name,), name, lineage(functions.values()), keys, lambda frame: categorised(frame, functions))


def categorised(facts: pd.DataFrame, functions: Mapping[str, str]) -> pd.DataFrame:
    """Amounts of functions with their category, and the population group that accounts.csv gives the function to."""
    groups = account_rules.account_rules().drop_duplicates("function").set_index("function")["population_group"]
    category = {function: category for category, function in functions.items()}
    return facts.assign(population_group=facts["function"].map(groups), category=facts["function"].map(category))


def build(raw: Path, edition: Edition, functions: Mapping[str, str]) -> tuple[pd.DataFrame, list[Finding]]:
    """Expenditure of functions (by category) in current kroner, and what the checks found.

    Columns: area_code (municipalities), year (those the edition has of REGK31), function, value (kr., NaN missing),
    status, origin. A function that a delivered municipality leaves out is zero; a municipality left out is missing.
    """
    years = edition.tables[TABLE].years.all
    source = lineage(functions.values())
    rows = source.read(raw, edition)
    if rows.empty:
        raise InputError(
            f"{TABLE} holds no net operating expenditure in current prices (DRANST 1, ART TOT, PRISENHED LOBM) of "
            f"{', '.join(functions.values())}",
            rule="DAEK-04",
        )
    require_years(rows, TABLE, years)
    given = source.facts(rows).astype({"status": str, "origin": str})
    given = given[given["year"].isin(years)]
    coded = given.assign(code=given["function"])
    findings = checks.area_totals(TABLE, coded, ["year", "function"], "kr.")
    findings += checks.foreign_areas(TABLE, coded["area_code"])
    coded = coded[coded["area_code"].isin(areas.municipalities())]
    findings += checks.absent_municipalities(TABLE, coded, years)
    expected = {year: set(functions.values()) for year in years}
    findings += checks.codes_gone(TABLE, coded, expected, "funktion")
    findings += checks.gaps(TABLE, coded, "funktion")
    facts = _complete(coded.drop(columns="code"), functions.values(), years)
    findings += checks.unit_shift(TABLE, "amount", facts)
    return schema.validate(facts), findings


def _complete(given: pd.DataFrame, functions: Iterable[str], years: list[int]) -> pd.DataFrame:
    """A row for each municipality, year and function."""
    grid = pd.MultiIndex.from_product([areas.municipalities(), years, list(functions)], names=KEYS)
    full = grid.to_frame(index=False).merge(given, how="left")
    delivered = pd.MultiIndex.from_frame(given[KEYS[:2]])
    absent, present = full["status"].isna(), pd.MultiIndex.from_frame(full[KEYS[:2]]).isin(delivered)
    full["value"] = full["value"].mask(absent & present, table_shapes()[TABLE].suppressed_value)
    full["status"] = full["status"].mask(absent & present, FINAL).mask(absent & ~present, MISSING)
    return full.fillna({"origin": weakest(given["origin"].unique())})
