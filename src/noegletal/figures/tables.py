"""What key figures are computed from: facts, and what several kinds make of them first."""

import datetime
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import accounts, areas
from analysis.catalogue import catalogue
from analysis.edition import Edition
from analysis.prices import deflators
from analysis.rows import CELL_KEYS, weakest
from noegletal import account_rules
from noegletal.facts import population
from noegletal.facts.expenditure import categorised
from noegletal.facts.sums import added, rates, whole_areas

CELL = ["area_code", "population_group", "category", "year"]
# As far from a date as persons may be counted and still weigh the figures of that date.
YEAR_DAYS = 366


class StoredFacts(Mapping[str, pd.DataFrame]):
    """The tables of facts in a folder of a build, each read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        """Look at the folder; nothing is read yet."""
        self._paths = {path.stem: path for path in sorted(folder.glob("*.parquet"))}
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """A table of facts, as the build wrote it."""
        if name not in self._read:
            self._read[name] = pd.read_parquet(self._paths[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        """The names of the tables."""
        return iter(self._paths)

    def __len__(self) -> int:
        """How many tables there are."""
        return len(self._paths)

    def __contains__(self, name: object) -> bool:
        """Whether the build made a table."""
        return name in self._paths


class Tables:
    """Facts of an edition by name, with the amounts and persons that are made of them once for all kinds."""

    def __init__(self, edition: Edition, facts: Mapping[str, pd.DataFrame]) -> None:
        """Take facts: `price_index`, `expenditure`, `population`, `diagnoses`, and those of indicators by name."""
        self.edition, self.facts = edition, facts
        self._kept: dict[tuple[Hashable, ...], Any] = {}

    def without(self, left_out: frozenset[str]) -> "Tables":
        """The same as if some municipalities had delivered nothing; what was made by municipality is not made again."""

        def others(value: Any) -> Any:
            by_area = isinstance(value, pd.DataFrame) and "area_code" in value.columns
            return value[~value["area_code"].isin(left_out)] if by_area else value

        same = Tables(self.edition, {name: others(self.facts[name]) for name in self.facts})
        same._kept = {key: others(value) for key, value in self._kept.items()}
        same.persons, same.october = others(self.persons), others(self.october)
        return same

    def once(self, key: tuple[Hashable, ...], made: Callable[[], Any]) -> Any:
        """What `made` gives, made once for each key."""
        if key not in self._kept:
            self._kept[key] = made()
        return self._kept[key]

    def amounts(self, only: frozenset[str] | None = None) -> pd.DataFrame:
        """Municipal expenditure in current prices by category, subtotal and total, of some functions or of all."""
        facts = self.facts["expenditure"]
        chosen = facts if only is None else facts[facts["function"].isin(only)]
        return self.once(("amounts", only), lambda: _amounts(self.edition, chosen))

    @cached_property
    def deflators(self) -> pd.Series:
        """Factor by year from current prices to those of the edition, by the index that the build uses."""
        return deflators(self.edition, self.facts["price_index"])

    @cached_property
    def assumed_factors(self) -> set[int]:
        """The years whose factor rests on an index value that is assumed; that of the price level itself is 1."""
        index = self.facts["price_index"]
        assumed = set(index.loc[index["status"] == "assumed", "year"])
        level = self.edition.price_level
        return {year for year in self.deflators.index if year != level and {year, level} & assumed}

    @cached_property
    def persons(self) -> pd.DataFrame:
        """Persons by municipality, quarter and age band.

        Columns: area_code, quarter, category (the band), value, status, origin.
        """
        return pd.concat(map(self.band, [*catalogue().age_bands, accounts.TOTAL]), ignore_index=True)

    def band(self, name: str) -> pd.DataFrame:
        """The same of one age band, or of all."""
        return self.once(("band", name), lambda: _band(self.facts["population"], name))

    @cached_property
    def october(self) -> pd.DataFrame:
        """Persons on 1 October of each year of the period; a municipality that is not there is missing."""
        rows = self.persons[self.persons["quarter"].str.endswith(population.OCTOBER)]
        rows = rows.assign(year=rows["quarter"].str[:4].astype(int)).drop(columns="quarter")
        cells = self.persons[["population_group", "category"]].drop_duplicates()
        grid = cells.merge(pd.DataFrame({"area_code": areas.municipalities()}), how="cross").merge(
            pd.DataFrame({"year": self.edition.period.all}), how="cross"
        )
        full = grid.merge(rows, on=["population_group", "category", "area_code", "year"], how="left")
        origin = weakest(self.persons["origin"].unique())
        return full.fillna({"status": "missing", "origin": origin}).assign(variant=accounts.STANDARD)

    def people(self, band: str, date: str, years: Iterable[int]) -> pd.DataFrame:
        """Persons that something is divided by: on 1 October, or in the quarter nearest to a date.

        Columns: area_code, year, value, status, origin; a municipality without persons is missing.
        """
        columns = ["area_code", "year", "value", "status", "origin"]
        if not date:
            return self.october.loc[self.october["category"] == band, columns]
        grid = pd.MultiIndex.from_product([areas.municipalities(), sorted(set(years))], names=columns[:2])
        full = grid.to_frame(index=False).merge(self.nearest(band, date, years)[columns], how="left")
        return full.fillna({"status": "missing", "origin": weakest(self.persons["origin"].unique())})

    def nearest(self, band: str, date: str, years: Iterable[int]) -> pd.DataFrame:
        """Persons of the quarter nearest to a date of each year, at most a year away.

        Columns: area_code, year, quarter, value, status, origin.
        """
        return pd.concat(
            [
                self.once(("nearest", band, date, year), lambda year=year: self._nearest(band, date, year))
                for year in sorted(map(int, set(years)))
            ]
        )

    def _nearest(self, band: str, date: str, year: int) -> pd.DataFrame:
        persons = self.band(band)
        wanted = datetime.date.fromisoformat(f"{year}-{date}")
        away = {quarter: abs((_first_day(quarter) - wanted).days) for quarter in persons["quarter"].unique()}
        distance = persons["quarter"].map(away)
        near = persons.assign(distance=distance)[(distance <= YEAR_DAYS) & persons["value"].notna()]
        near = near.sort_values("distance").drop_duplicates("area_code").assign(year=year)
        return near[["area_code", "year", "quarter", "value", "status", "origin"]]


def _band(facts: pd.DataFrame, name: str) -> pd.DataFrame:
    if name == accounts.TOTAL:
        return population.total(facts).assign(category=name, population_group=accounts.ALL_GROUPS)
    limits = catalogue().age_bands[name]
    persons = population.band(facts, limits.first, limits.last)
    return persons.assign(category=name, population_group=limits.population_group)


def _first_day(quarter: str) -> datetime.date:
    return datetime.date(int(quarter[:4]), int(quarter[5:]) * 3 - 2, 1)


def _amounts(edition: Edition, expenditure: pd.DataFrame) -> pd.DataFrame:
    """Municipal expenditure by category with subtotals and totals, in every reading of the account plan."""
    parts = []
    for variant in account_rules.variants():
        leaves = categorised(expenditure, variant)
        keys = ["area_code", "population_group", "category", "year"]
        rows = _with_delivered_zeros(added(leaves, keys), expenditure, edition)
        rows = _with_totals(rows)
        if variant != accounts.STANDARD:
            touched = set(account_rules.account_rules().query("variant == @variant")["population_group"])
            rows = rows[rows["population_group"].isin({*touched, accounts.ALL_GROUPS})]
        parts.append(rows.assign(variant=variant))
    return pd.concat(parts, ignore_index=True)


def _with_delivered_zeros(rows: pd.DataFrame, expenditure: pd.DataFrame, edition: Edition) -> pd.DataFrame:
    """A row per municipality, year and category that exists: zero where accounts were delivered, else missing."""
    existing = pd.concat(
        [
            account_rules.rules_of_year(year)[["population_group", "category", "function"]].assign(year=year)
            for year in edition.period.all
        ]
    )
    existing = existing[existing["function"].isin(expenditure["function"].unique())]
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
    origin = weakest(expenditure["origin"].unique())
    full["value"] = full["value"].mask(absent & delivered, 0.0)
    full["status"] = full["status"].mask(absent & delivered, "final").mask(absent & ~delivered, "missing")
    full["origin"] = full["origin"].mask(absent, origin)
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


# What several kinds do with figures


def with_breaks(rows: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Rows whose note also says where what is counted has changed."""
    keys = ["population_group", "category", "year"]
    found = counts.drop_duplicates(keys).set_index(keys)["note"].to_dict()
    cells = zip(rows["note"], *(rows[key] for key in keys), strict=True)
    return rows.assign(note=[_joined(note, found.get(tuple(cell), "")) for note, *cell in cells])


def _joined(*notes: str) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))


def area_rates(above: pd.DataFrame, below: pd.DataFrame, scale: float) -> pd.DataFrame:
    """Rates of municipalities and their sums, and of regions directly where the numerator has no municipalities.

    `above`: area_code (municipalities or regions) and cells; `below`: persons by municipality and year.
    """
    local = above["area_code"].isin(areas.municipalities())
    cells = above.loc[local, ["area_code", *CELL_KEYS]].merge(below, on=["area_code", "year"])
    rows = rates(above[local], cells, CELL_KEYS, scale)
    if local.all():
        return rows
    whole = whole_areas(below, ["year"])
    return pd.concat(
        [rows, direct(above[~local].merge(whole, on=["area_code", "year"], suffixes=("", "_below")), scale)]
    )


def direct(pairs: pd.DataFrame, scale: float = 1.0) -> pd.DataFrame:
    """Rates of areas that have both figures themselves (value, value_below, origin, origin_below)."""
    value = pairs["value"] / pairs["value_below"].where(pairs["value_below"] > 0) * scale
    return pairs[["area_code", *CELL_KEYS]].assign(
        value=value,
        status=pairs["status"].mask(value.isna(), "missing"),
        origin=[weakest(pair) for pair in zip(pairs["origin"], pairs["origin_below"], strict=True)],
        note="",
    )
