"""The catalogue of key figures and the one long table they stand in."""

import datetime
from functools import lru_cache
from typing import Annotated, Literal

import pandas as pd
import pandera.pandas as pa
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis import accounts, areas
from analysis.aggregation import added, rates, with_summed_areas
from analysis.edition import Edition, reference_folder
from analysis.errors import InputError
from analysis.facts import population
from analysis.prices import deflators
from analysis.sources.snapshot import ORIGINS

KEYS = ["indicator", "area_code", "population_group", "category", "year", "variant"]
CELL_KEYS = ["population_group", "category", "year", "variant"]
COLUMNS = [*KEYS, "value", "unit", "status", "origin", "note"]
STATUSES = ("final", "provisional", "missing", "suppressed", "not_applicable")
UNITS = ("kr", "kr_pr_indbygger", "antal", "pct", "pr_1000")

schema = pa.DataFrameSchema(
    {
        "indicator": pa.Column(str, pa.Check(lambda names: names.isin(catalogue().indicators))),
        "area_code": pa.Column(str, pa.Check(lambda codes: codes.isin(areas.reported_areas()))),
        "population_group": pa.Column(str, pa.Check.isin(["boern_og_unge", "voksne", "alle"])),
        "category": pa.Column(str),
        "year": pa.Column(int),
        "variant": pa.Column(str),
        "value": pa.Column(float, nullable=True),
        "unit": pa.Column(str, pa.Check.isin(UNITS)),
        "status": pa.Column(str, pa.Check.isin(STATUSES)),
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
        "note": pa.Column(str),
    },
    unique=KEYS,
    strict=True,
    ordered=True,
)


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AgeBand(_Declared):
    """Ages from first to last, both included."""

    first: int
    last: int
    population_group: str


class _Described(_Declared):
    name: str
    unit: Literal["kr", "kr_pr_indbygger", "antal", "pct", "pr_1000"]
    decimals: int
    definition: str
    averaging: str
    sources: list[str]
    source_line: str
    caveats: list[str]


class Amount(_Described):
    """Kroner by category, in current prices or in those of the edition."""

    kind: Literal["amount"]
    prices: Literal["current", "fixed"]


class Population(_Described):
    """Persons by age band."""

    kind: Literal["population"]


class Rate(_Described):
    """An amount over the persons of an age band, by variant and population group."""

    kind: Literal["rate"]
    numerator: str
    denominators: dict[str, dict[str, str]]


class Weight(_Declared):
    """The age band and the date (month-day) whose persons weigh the municipalities of an area."""

    age_band: str
    date: str = Field(pattern=r"^[0-9]{2}-[0-9]{2}$")


class GivenRate(_Described):
    """A rate that the source delivers ready-made by municipality."""

    kind: Literal["given_rate"]
    table: str
    select: dict[str, str]
    weight: Weight
    ceiling: float


Indicator = Annotated[Amount | Population | Rate | GivenRate, Field(discriminator="kind")]


class Catalogue(_Declared):
    """Everything declared in `data/reference/indicators.yml`."""

    age_bands: dict[str, AgeBand]
    indicators: dict[str, Indicator]
    caveats: dict[str, str]


@lru_cache
def catalogue() -> Catalogue:
    """The catalogue of indicators; errors name the entry and the field."""
    path = reference_folder() / "indicators.yml"
    try:
        return Catalogue(**yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{path.name}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error


def key_figures(
    edition: Edition, expenditure: pd.DataFrame, people: pd.DataFrame, given_rates: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    """All key figures of an edition: one row per indicator, area, population group, category, year and variant.

    `expenditure` and `people` are the facts of those names, `given_rates` the facts by indicator. Returns the
    contract's columns and `note`, which names municipalities that an area lacks.
    """
    persons = _persons(people)
    amounts = {
        name: _amounts(edition, expenditure, prices=indicator.prices)
        for name, indicator in catalogue().indicators.items()
        if indicator.kind == "amount"
    }
    parts = []
    for name, indicator in catalogue().indicators.items():
        match indicator:
            case Amount():
                rows = with_summed_areas(amounts[name], CELL_KEYS)
            case Population():
                rows = with_summed_areas(
                    _october(persons, edition), ["population_group", "category", "year", "variant"]
                )
            case Rate():
                rows = _rate(indicator, amounts[indicator.numerator], _october(persons, edition))
            case GivenRate() if name in given_rates:
                rows = _given(indicator, given_rates[name], persons)
            case _:
                continue
        parts.append(rows.assign(indicator=name, unit=indicator.unit))
    table = pd.concat(parts, ignore_index=True)[COLUMNS].sort_values(KEYS, ignore_index=True)
    text = [column for column in COLUMNS if column not in ("year", "value")]
    return schema.validate(table.astype(dict.fromkeys(text, "str")))


def _amounts(edition: Edition, expenditure: pd.DataFrame, prices: str) -> pd.DataFrame:
    """Municipal expenditure by category with subtotals and totals, in every reading of the account plan."""
    factor = deflators(edition)
    parts = []
    for variant in accounts.variants():
        leaves = accounts.categorised(expenditure, variant)
        keys = ["area_code", "population_group", "category", "year"]
        rows = _with_delivered_zeros(added(leaves, keys), expenditure, edition)
        rows = _with_totals(rows)
        if variant != accounts.STANDARD:
            touched = set(accounts.account_rules().query("variant == @variant")["population_group"])
            rows = rows[rows["population_group"].isin({*touched, accounts.ALL_GROUPS})]
        parts.append(rows.assign(variant=variant))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(value=table["value"] * table["year"].map(factor)) if prices == "fixed" else table


def _with_delivered_zeros(rows: pd.DataFrame, expenditure: pd.DataFrame, edition: Edition) -> pd.DataFrame:
    """A row per municipality, year and category that exists: zero where accounts were delivered, else missing."""
    existing = pd.concat(
        [
            accounts.rules_of_year(year)[["population_group", "category", "function"]].assign(year=year)
            for year in edition.period.all
        ]
    )
    existing = existing[existing["function"].isin(expenditure["function"])]
    groups = existing["population_group"].unique()
    outside = pd.MultiIndex.from_product([groups, [accounts.OUTSIDE], edition.period.all]).to_frame(index=False)
    outside.columns = ["population_group", "category", "year"]
    cells = pd.concat([existing[["population_group", "category", "year"]], outside]).drop_duplicates()
    grid = cells.merge(pd.DataFrame({"area_code": areas.municipalities()}), how="cross")
    full = grid.merge(rows, on=["area_code", "population_group", "category", "year"], how="left")
    delivered = pd.MultiIndex.from_frame(full[["area_code", "year"]]).isin(
        pd.MultiIndex.from_frame(expenditure[["area_code", "year"]].drop_duplicates())
    )
    absent = full["status"].isna()
    weakest = max(expenditure["origin"].unique(), key=ORIGINS.index)
    full["value"] = full["value"].mask(absent & delivered, 0.0)
    full["status"] = full["status"].mask(absent & delivered, "final").mask(absent & ~delivered, "missing")
    full["origin"] = full["origin"].mask(absent, weakest)
    return full


def _with_totals(rows: pd.DataFrame) -> pd.DataFrame:
    """Categories with the sums they are part of, and both population groups together."""
    tree = accounts.categories()
    parents = tree[["population_group", "category", "parent"]]
    parts, level = [rows], rows
    while True:
        level = level.merge(parents, on=["population_group", "category"])
        level = level[level["parent"] != ""].assign(category=lambda frame: frame["parent"]).drop(columns="parent")
        if level.empty:
            break
        level = added(level, ["area_code", "population_group", "category", "year"])
        parts.append(level)
    table = added(pd.concat(parts, ignore_index=True), ["area_code", "population_group", "category", "year"])
    top = table[table["category"].isin([accounts.TOTAL, accounts.OUTSIDE])]
    if set(top["population_group"]) == set(tree["population_group"]) - {accounts.ALL_GROUPS}:
        everyone = added(top, ["area_code", "category", "year"]).assign(population_group=accounts.ALL_GROUPS)
        table = pd.concat([table, everyone], ignore_index=True)
    return table


def _persons(people: pd.DataFrame) -> pd.DataFrame:
    """Persons by municipality, quarter and age band: area_code, quarter, category (the band), value, status, origin."""
    bands = [
        population.band(people, band.first, band.last).assign(category=name, population_group=band.population_group)
        for name, band in catalogue().age_bands.items()
    ]
    everyone = population.total(people).assign(category=accounts.TOTAL, population_group=accounts.ALL_GROUPS)
    return pd.concat([*bands, everyone], ignore_index=True)


def _october(persons: pd.DataFrame, edition: Edition) -> pd.DataFrame:
    """Persons on 1 October of each year of the period; a municipality that is not there is missing."""
    rows = persons[persons["quarter"].str.endswith(population.OCTOBER)]
    rows = rows.assign(year=rows["quarter"].str[:4].astype(int)).drop(columns="quarter")
    cells = persons[["population_group", "category"]].drop_duplicates()
    grid = cells.merge(pd.DataFrame({"area_code": areas.municipalities()}), how="cross").merge(
        pd.DataFrame({"year": edition.period.all}), how="cross"
    )
    full = grid.merge(rows, on=["population_group", "category", "area_code", "year"], how="left")
    weakest = max(persons["origin"].unique(), key=ORIGINS.index)
    return full.fillna({"status": "missing", "origin": weakest}).assign(variant=accounts.STANDARD)


def _rate(indicator: Rate, numerator: pd.DataFrame, persons: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for denominator, band_of_group in indicator.denominators.items():
        for group, band in band_of_group.items():
            below = persons[persons["category"] == band][["area_code", "year", "value", "status", "origin"]]
            above = numerator[numerator["population_group"] == group]
            if denominator != accounts.STANDARD:
                above = above[above["variant"] == accounts.STANDARD]
            cells = above[["area_code", *CELL_KEYS]].merge(below, on=["area_code", "year"])
            rows = rates(above, cells, CELL_KEYS)
            parts.append(rows if denominator == accounts.STANDARD else rows.assign(variant=denominator))
    return pd.concat(parts, ignore_index=True)


def _given(indicator: GivenRate, rows: pd.DataFrame, persons: pd.DataFrame) -> pd.DataFrame:
    """Rates by municipality as the source has them, and by area weighted with the persons nearest the date."""
    band = catalogue().age_bands[indicator.weight.age_band]
    weights = _nearest(persons[persons["category"] == indicator.weight.age_band], rows["year"], indicator.weight.date)
    below = rows[["area_code", "year", "origin"]].merge(
        weights, on=["area_code", "year"], how="left", suffixes=("_", "")
    )
    below["status"] = below["status"].fillna("missing")
    below["origin"] = below["origin"].fillna(below.pop("origin_"))
    above = rows.assign(value=rows["value"] * below["value"].to_numpy())
    areal = rates(above, below, ["year"])
    areal = areal[areal["area_code"].isin(areas.aggregates())]
    table = pd.concat([rows.assign(note=""), areal], ignore_index=True)
    return table.assign(population_group=band.population_group, category=accounts.TOTAL, variant=accounts.STANDARD)


def _nearest(persons: pd.DataFrame, years: pd.Series, date: str) -> pd.DataFrame:
    """Persons of the quarter nearest to a date of each year, at most a year away: area_code, year, value, origin."""
    starts = pd.PeriodIndex(persons["quarter"].str.replace("K", "Q"), freq="Q").start_time
    parts = []
    for year in sorted(years.unique()):
        month, day = map(int, date.split("-"))
        wanted = pd.Timestamp(datetime.date(int(year), month, day))
        distance = pd.Series(abs((starts - wanted).days), index=persons.index)
        near = persons.assign(distance=distance)[(distance <= 366) & persons["value"].notna()]
        parts.append(near.sort_values("distance").drop_duplicates("area_code").assign(year=year))
    return pd.concat(parts)[["area_code", "year", "value", "status", "origin"]]
