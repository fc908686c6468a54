"""Persons, services and notifications by municipality or region, as the codes of a table count them."""

import re
from pathlib import Path
from typing import Literal

import pandas as pd
import pandera.pandas as pa
from pydantic import BaseModel, ConfigDict

from analysis import accounts, areas
from analysis.danish import listed
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.rows import ORIGINS, weakest
from noegletal.facts import checks
from noegletal.facts.lineage import Cells, Lineage, chosen
from noegletal.facts.sums import added
from noegletal.rules import Finding
from noegletal.sources.snapshot import TIME, refuse_rows, require_years, table_shapes


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Break(_Declared):
    """A year in which what a category counts was widened or narrowed."""

    category: str
    year: int
    text: str


class CountedTable(_Declared):
    """How a table's codes become counts: which variable holds the codes, and which codes make which category."""

    table: str
    level: Literal["municipality", "region"]
    population_group: str
    variable: str
    categories: dict[str, list[str]]
    select: dict[str, str] = {}
    breaks: list[Break] = []


# A municipality that never reaches this in a year may really have none in another; a larger one has not delivered.
PLAUSIBLE_ZERO = 25
# A code with this share of its category does not begin in the middle of a series unless the break is declared.
LARGE_CODE = 0.1
# The law that a label of StatBank ends with: (§ 82 c i Serviceloven).
PARAGRAPH = re.compile(r"\((§ \d+(?: [a-z])?) i ")
KEYS = ["area_code", "population_group", "category", "year"]

schema = pa.DataFrameSchema(
    {
        "area_code": pa.Column(str, pa.Check(lambda codes: codes.isin(areas.reported_areas()))),
        "population_group": pa.Column(str),
        "category": pa.Column(str),
        "year": pa.Column(int, pa.Check.in_range(2000, 2100)),
        "value": pa.Column(float, pa.Check.ge(0), nullable=True),
        "status": pa.Column(str, pa.Check.isin(["final", "provisional", "missing"])),
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
        "note": pa.Column(str),
    },
    unique=KEYS,
    strict=True,
)


def lineage(counted: CountedTable) -> Lineage:
    """From which raw rows the counts of a table are made."""
    codes = {code: category for category, listed in counted.categories.items() for code in listed}
    return Lineage(
        table=counted.table,
        select=chosen(counted.select) | {counted.variable: frozenset(codes)},
        columns={"area_code": table_shapes()[counted.table].area, "year": TIME, "category": counted.variable},
        codes={"category": codes},
    )


def cells(name: str, counted: CountedTable) -> Cells:
    """The counts of a table, which are facts of the indicator `name`, by area, year and category."""
    keys = ("area_code", "year", "population_group", "category")

    def taken(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.assign(population_group=counted.population_group)
        return frame if counted.level == "municipality" else _with_groups(frame)

    return Cells((name, counted.table, counted.population_group), name, lineage(counted), keys, taken)


def build(raw: Path, edition: Edition, counted: CountedTable) -> tuple[pd.DataFrame, list[Finding]]:
    """Counts by area, category and year of one table, and what the checks found.

    Columns: area_code (municipalities; regions, their groups and the country where the source has no municipalities),
    population_group, category, year, value (NaN missing), status, origin, note (breaks in the series). A code that a
    delivered municipality leaves out counts as zero. A whole year that a municipality leaves out is zero where its
    other years are small enough for that (below 25 in all), else it is missing.
    Errors: a year of the edition without rows, no rows at all for the codes, a negative count.
    """
    table, area = counted.table, table_shapes()[counted.table].area
    years = edition.tables[table].years.all
    source = lineage(counted)
    rows = source.read(raw, edition)
    if rows.empty:
        raise InputError(
            f"{table} holds no rows with {counted.variable} {', '.join(source.codes['category'])}", rule="DAEK-04"
        )
    require_years(rows, table, years)
    refuse_rows(rows[rows["value"] < 0], "FORT-03", "a count cannot be negative ({value:g})")
    cells = source.facts(rows).assign(population_group=counted.population_group, code=rows[counted.variable])
    cells = cells[cells["year"].isin(years)]
    if counted.level == "municipality":
        findings = checks.area_totals(table, cells, ["year", "category"], "i alt")
        cells = cells[cells["area_code"].isin(areas.municipalities())]
        cells = _with_small_years(cells, years)
        findings += checks.absent_municipalities(table, cells, years)
        findings += checks.gaps(table, cells, counted.variable)
        facts = _with_zeros(added(cells, KEYS), cells, counted, years)
    else:
        findings = checks.absent_regions(table, cells, years)
        facts = _with_groups(added(cells[cells["area_code"].isin(areas.aggregates())], KEYS))
    findings += checks.foreign_areas(table, rows[area])
    findings += checks.unit_shift(table, "count", facts)
    findings += checks.codes_gone(table, cells, _expected(cells, counted, years), counted.variable)
    # One in the first year may lie within it; of those before it the series shows nothing.
    breaks = [one for one in (*counted.breaks, *_new_codes(cells, counted, years)) if one.year >= years[0]]
    findings += [
        checks.series_break(table, accounts.label(counted.population_group, found.category), found.year, found.text)
        for found in breaks
    ]
    facts["note"] = ""
    for found in breaks:
        hit = (facts["category"] == found.category) & (facts["year"] == found.year)
        facts.loc[hit, "note"] = (facts.loc[hit, "note"] + f"; Databrud: {found.text}").str.removeprefix("; ")
    return schema.validate(facts.astype({"status": "str", "origin": "str", "note": "str"})), findings


def _with_small_years(cells: pd.DataFrame, years: list[int]) -> pd.DataFrame:
    """The cells with a zero for each year that a municipality of small counts leaves out altogether."""
    usual = cells.groupby(["area_code", "year"])["value"].sum().groupby("area_code").max()
    small = usual[usual < PLAUSIBLE_ZERO].index
    seen = set(zip(cells["area_code"], cells["year"], strict=True))
    absent = [(area, year) for area in small for year in years if (area, year) not in seen]
    patterns = cells.drop_duplicates("area_code").set_index("area_code")
    zeros = [patterns.loc[area].to_dict() | {"area_code": area, "year": year, "value": 0.0} for area, year in absent]
    return pd.concat([cells, pd.DataFrame(zeros, columns=cells.columns)], ignore_index=True) if zeros else cells


def _with_zeros(facts: pd.DataFrame, cells: pd.DataFrame, counted: CountedTable, years: list[int]) -> pd.DataFrame:
    grid = pd.MultiIndex.from_product(
        [areas.municipalities(), [counted.population_group], counted.categories, years], names=KEYS
    ).to_frame(index=False)
    full = grid.merge(facts, on=KEYS, how="left")
    delivered = pd.MultiIndex.from_frame(cells[["area_code", "year"]])
    present = pd.MultiIndex.from_frame(full[["area_code", "year"]]).isin(delivered)
    absent = full["status"].isna()
    full["value"] = full["value"].mask(absent & present, table_shapes()[counted.table].suppressed_value)
    full["status"] = full["status"].mask(absent, "final").mask(absent & ~present, "missing")
    full["origin"] = full["origin"].fillna(weakest(cells["origin"].unique()))
    return full


def _with_groups(facts: pd.DataFrame) -> pd.DataFrame:
    """Regions, and the groups that are the same municipalities as a region."""
    parts = [facts]
    for group in areas.aggregates():
        twin = [code for code in facts["area_code"].unique() if areas.members(code) == areas.members(group)]
        if twin and group not in set(facts["area_code"]):
            parts.append(facts[facts["area_code"] == twin[0]].assign(area_code=group))
    return pd.concat(parts, ignore_index=True)


def _expected(cells: pd.DataFrame, counted: CountedTable, years: list[int]) -> dict[int, set[str]]:
    """The codes that each year must have: those of earlier years, and all that weigh much or are nowhere.

    A small code that begins later widens what is counted, and so does any in the year of a declared break.
    """
    begun = cells[cells["value"] > 0].groupby("code")["year"].min()
    sizes = cells.groupby(["category", "code"])["value"].sum()
    shares = sizes / sizes.groupby("category").transform("sum")
    large = set(shares[shares >= LARGE_CODE].index.get_level_values("code"))
    broken = {(found.category, found.year) for found in counted.breaks}
    expected: dict[int, set[str]] = {year: set() for year in years}
    for category, codes in counted.categories.items():
        for code in codes:
            first = begun.get(code, years[0])
            free = first > years[0] and (code not in large or (category, first) in broken)
            for year in years:
                if year >= first or not free:
                    expected[year].add(code)
    return expected


def _new_codes(cells: pd.DataFrame, counted: CountedTable, years: list[int]) -> list[Break]:
    """Codes without a single figure in the first years of the series: what is counted has been widened."""
    begun = cells[cells["value"] > 0].groupby("code")["year"].min()
    found = []
    for category, codes in counted.categories.items():
        late = {code: int(begun[code]) for code in codes if code in begun.index and begun[code] > years[0]}
        for year in sorted(set(late.values())):
            named = [_law(counted, code) for code, first in late.items() if first == year]
            text = f"nye ydelser fra {year} ({listed(list(dict.fromkeys(named)))})"
            found.append(Break(category=category, year=year, text=text))
    return found


def _law(counted: CountedTable, code: str) -> str:
    """The paragraph that the label of a code ends with; a code whose label has none, as itself."""
    paragraphs = PARAGRAPH.findall(table_shapes()[counted.table].labels.get(counted.variable, {}).get(code, ""))
    return f"SEL {paragraphs[-1]}" if paragraphs else f"kode {code}"
