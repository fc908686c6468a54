"""The catalogue of key figures and the one long table they stand in."""

import datetime
from dataclasses import dataclass

import pandas as pd
import pandera.pandas as pa

from analysis import accounts, areas
from analysis.catalogue import (
    Amount,
    Count,
    Delivered,
    GivenRate,
    Population,
    Rate,
    ShareOfPopulation,
    UnitCost,
    catalogue,
)
from analysis.edition import Edition
from analysis.prices import deflators
from analysis.rows import CELL_KEYS, COLUMNS, KEYS, ORIGINS, STATUSES, UNITS
from noegletal.facts import population
from noegletal.facts.sums import added, rates, with_summed_areas

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


@dataclass(frozen=True)
class Facts:
    """What key figures are made from: accounts, persons, and by indicator the given rates, counts and deliveries."""

    expenditure: pd.DataFrame
    population: pd.DataFrame
    given_rates: dict[str, pd.DataFrame]
    counts: dict[str, pd.DataFrame]
    delivered: pd.DataFrame


def key_figures(edition: Edition, facts: Facts) -> pd.DataFrame:
    """All key figures of an edition: one row per indicator, area, population group, category, year and variant.

    Returns the contract's columns and `note`, which names municipalities that an area lacks and breaks in a series.
    """
    persons = _persons(facts.population)
    october = _october(persons, edition)
    current = _amounts(edition, facts.expenditure)
    bases = {
        name: _in_prices(current, indicator.prices, edition)
        for name, indicator in catalogue().indicators.items()
        if isinstance(indicator, Amount)
    } | {name: rows.assign(variant=accounts.STANDARD) for name, rows in facts.counts.items()}
    parts = []
    for name, indicator in catalogue().indicators.items():
        match indicator:
            case Amount():
                rows = with_summed_areas(bases[name], CELL_KEYS)
            case Count() if name in bases:
                rows = _counted(bases[name])
            case Population():
                rows = with_summed_areas(october, CELL_KEYS)
            case Rate() if indicator.numerator in bases:
                rows = _rate(indicator, bases[indicator.numerator], october)
            case UnitCost():
                rows = _unit_cost(edition, indicator, facts, bases)
            case GivenRate() if name in facts.given_rates or indicator.prefer in facts.counts:
                rows = _given(indicator, _preferred(indicator, facts, persons, name), persons)
            case ShareOfPopulation() if indicator.share in facts.given_rates:
                rows = _persons_of_share(indicator, facts.given_rates[indicator.share], persons)
            case Delivered():
                rows = facts.delivered[facts.delivered["indicator"] == name].drop(columns="indicator")
                rows = rows.assign(variant=accounts.STANDARD, note="")
            case _:
                continue
        parts.append(rows.assign(indicator=name, unit=indicator.unit))
    table = pd.concat(parts, ignore_index=True)[COLUMNS].sort_values(KEYS, ignore_index=True)
    text = [column for column in COLUMNS if column not in ("year", "value")]
    return schema.validate(table.astype(dict.fromkeys(text, "str")))


def _counted(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts with their sums; figures that a source has only by region stand as they are."""
    local = rows["area_code"].isin(areas.municipalities())
    summed = with_summed_areas(rows[local].drop(columns="note"), CELL_KEYS)
    return pd.concat([_with_breaks(summed, rows), rows[~local]], ignore_index=True)


def _with_breaks(rows: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Rows whose note also says where what is counted has changed."""
    keys = ["population_group", "category", "year"]
    found = counts.drop_duplicates(keys).set_index(keys)["note"].to_dict()
    cells = zip(rows["note"], *(rows[key] for key in keys), strict=True)
    return rows.assign(note=[_joined(note, found.get(tuple(cell), "")) for note, *cell in cells])


def _joined(*notes: str) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _in_prices(current: pd.DataFrame, prices: str, edition: Edition) -> pd.DataFrame:
    """Amounts in current prices, or turned into those of the edition."""
    if prices == "current":
        return current
    return current.assign(value=current["value"] * current["year"].map(deflators(edition)))


def _amounts(edition: Edition, expenditure: pd.DataFrame) -> pd.DataFrame:
    """Municipal expenditure by category with subtotals and totals, in every reading of the account plan."""
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
    return pd.concat(parts, ignore_index=True)


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
            rows = _area_rates(above, below, indicator.scale)
            parts.append(rows if denominator == accounts.STANDARD else rows.assign(variant=denominator))
    table = pd.concat(parts, ignore_index=True)
    return _with_breaks(table, numerator) if "note" in numerator.columns else table


def _area_rates(above: pd.DataFrame, below: pd.DataFrame, scale: float) -> pd.DataFrame:
    """Rates of municipalities and their sums, and of regions directly where the numerator has no municipalities.

    `above`: area_code (municipalities or regions) and cells; `below`: persons by municipality and year.
    """
    local = above["area_code"].isin(areas.municipalities())
    cells = above.loc[local, ["area_code", *CELL_KEYS]].merge(below, on=["area_code", "year"])
    rows = rates(above[local], cells, CELL_KEYS, scale)
    if local.all():
        return rows
    whole = with_summed_areas(below, ["year"])
    return pd.concat(
        [rows, _direct(above[~local].merge(whole, on=["area_code", "year"], suffixes=("", "_below")), scale)]
    )


def _direct(pairs: pd.DataFrame, scale: float = 1.0) -> pd.DataFrame:
    """Rates of areas that have both figures themselves (value, value_below, origin, origin_below)."""
    value = pairs["value"] / pairs["value_below"].where(pairs["value_below"] > 0) * scale
    return pairs[["area_code", *CELL_KEYS]].assign(
        value=value,
        status=pairs["status"].mask(value.isna(), "missing"),
        origin=[max(pair, key=ORIGINS.index) for pair in zip(pairs["origin"], pairs["origin_below"], strict=True)],
        note="",
    )


def _unit_cost(edition: Edition, indicator: UnitCost, facts: Facts, bases: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Fixed-price expenditure per recipient; not applicable where either is zero or less."""
    amounts = bases[indicator.numerator]
    for category, functions in indicator.leave_out.items():
        others = facts.expenditure["function"].isin(accounts.functions_of(category) - set(functions))
        amounts = amounts[amounts["category"] != category]
        if others.any():
            narrowed = _amounts(edition, facts.expenditure[others])
            narrowed = _in_prices(narrowed, catalogue().indicators[indicator.numerator].prices, edition)
            amounts = pd.concat([amounts, narrowed[narrowed["category"] == category]], ignore_index=True)
    amounts = amounts[amounts["variant"] == accounts.STANDARD]
    parts = [amounts.head(0).assign(note="")]
    for people in (bases[name] for name in indicator.denominators if name in bases):
        local = people["area_code"].isin(areas.municipalities())
        cells = people[["area_code", *CELL_KEYS, "value", "status", "origin"]]
        rows = [rates(amounts, cells[local], CELL_KEYS)]
        if not local.all():
            whole = with_summed_areas(amounts, CELL_KEYS)
            rows.append(_direct(whole.merge(cells[~local], on=["area_code", *CELL_KEYS], suffixes=("", "_below"))))
        parts += [_with_breaks(part, people) for part in rows]
    table = pd.concat(parts, ignore_index=True)
    senseless = (table["value"] <= 0).to_numpy()
    return table.assign(value=table["value"].mask(senseless), status=table["status"].mask(senseless, "not_applicable"))


def _preferred(indicator: GivenRate, facts: Facts, persons: pd.DataFrame, name: str) -> pd.DataFrame:
    """The given rates, replaced by counts over persons in the years where those rest on figures at least as good.

    Counts alone where no rates were given.
    """
    given = facts.given_rates.get(name)
    if indicator.prefer not in facts.counts:
        return given
    counts = facts.counts[indicator.prefer]
    counts = counts[counts["category"] == accounts.TOTAL][["area_code", "year", "value", "status", "origin"]]
    band = persons[persons["category"] == indicator.weight.age_band]
    below = _nearest(band, counts["year"], indicator.weight.date)
    if given is not None and counts["origin"].map(ORIGINS.index).max() > given["origin"].map(ORIGINS.index).max():
        return given
    scale = {"pr_1000": 1000.0, "pct": 100.0}[indicator.unit]
    computed = rates(counts, below, ["year"], scale).drop(columns="note")
    computed = computed[computed["area_code"].isin(areas.municipalities())]
    if given is None:
        return computed.reset_index(drop=True)
    return pd.concat([computed, given[~given["year"].isin(computed["year"])]], ignore_index=True)


def _persons_of_share(indicator: ShareOfPopulation, share: pd.DataFrame, persons: pd.DataFrame) -> pd.DataFrame:
    band = catalogue().age_bands[indicator.age_band]
    people = _nearest(persons[persons["category"] == indicator.age_band], share["year"], indicator.date)
    both = share.merge(people, on=["area_code", "year"], suffixes=("", "_people"))
    origins = zip(both["origin"], both["origin_people"], strict=True)
    rows = both[["area_code", "year", "status"]].assign(
        value=both["value"] * both["value_people"] / 100,
        origin=[max(pair, key=ORIGINS.index) for pair in origins],
        population_group=band.population_group,
        category=accounts.TOTAL,
        variant=accounts.STANDARD,
    )
    return with_summed_areas(rows, CELL_KEYS)


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
