"""Region-level expenditure by function and category: prior, rules and the years between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from reconstruction.accounts_fit import Fit, FitSettings, LinearBounds, fit
from reconstruction.noise import lognormal
from reconstruction.population import band_population
from reconstruction.reference import OUTSIDE_SCOPE, Reference
from reconstruction.rounding import round_to_total
from reconstruction.targets import Cell, TargetBuilder, published_targets

THOUSANDS_PER_MIO = 1000.0
KRONER_PER_MIO = 1_000_000


class RegionAccounts:
    """Fits the first and last account year to the targets and fills the years between."""

    def __init__(
        self, reference: Reference, assumptions: dict[str, Any], ages: pd.DataFrame, genuine: pd.DataFrame
    ) -> None:
        """Take the reference, the assumptions, ages (K4) and the genuine totals (REGK31 in 1.000 kr.)."""
        self.reference = reference
        self.assumptions = assumptions
        self.years = assumptions["account_years"]
        self.regions = sorted(set(reference.region_of.values()))
        self.bands = {
            group: self._population_by_region(ages, band) for group, band in assumptions["age_band_of_group"].items()
        }
        self.ages = ages
        towns = genuine[genuine["TID"].astype(int).isin(self.years)]
        region = towns["OMRÅDE"].map(reference.region_of)
        self.genuine = towns.groupby([region, towns["TID"].astype(int), towns["FUNKTION"]])["INDHOLD"].sum()
        self.genuine_functions = sorted(towns["FUNKTION"].unique())
        self.parts = (
            reference.accounts[["function", "category", "population_group"]]
            .drop_duplicates()
            .sort_values(["function", "category"])
            .to_records(index=False)
        )

    def deflator(self, year: int) -> float:
        """Factor from the prices of a year to those of the last account year."""
        prices = self.reference.price_index
        return float(prices[self.years[-1]] / prices[year])

    def fit_end_years(self) -> tuple[list[Cell], Fit]:
        """Amounts of the first and last year, mio. kr. in the prices of the last year."""
        cells = [
            Cell(region, year, function, category, group)
            for region in self.regions
            for year in (self.years[0], self.years[-1])
            for function, category, group in self.parts
        ]
        prior = self._prior(cells)
        rows = published_targets(
            self.reference.published, [item["id"] for item in self.assumptions["contradictory_rows"]]
        )
        builder = TargetBuilder(
            cells,
            self.reference,
            self.reference.subtotals,
            self._population_of,
            {band: group for group, band in self.assumptions["age_band_of_group"].items()},
            self.deflator,
        )
        targets = builder.constraints([*rows, *self.assumptions["targets"]])
        settings = FitSettings(**self.assumptions["fit"], seed=self.assumptions["seed"])
        return cells, fit(prior, targets, self._rules(cells), settings)

    def nominal_by_year(self, cells: list[Cell], amounts: np.ndarray) -> pd.DataFrame:
        """All account years in whole 1.000 kr., nominal; genuine function totals are met exactly.

        Returns region, year, function, category, population_group, amount.
        """
        value = {(c.region, c.year, c.function, c.category): a for c, a in zip(cells, amounts, strict=True)}
        rows = []
        for region in self.regions:
            for year in self.years:
                for function, category, group in self.parts:
                    first = value[region, self.years[0], function, category]
                    last = value[region, self.years[-1], function, category]
                    amount = self._between(region, year, function, category, group, first, last)
                    rows.append((region, year, function, category, group, amount / self.deflator(year)))
        names = ["region", "year", "function", "category", "population_group", "amount"]
        table = self._at_printed_levels(pd.DataFrame(rows, columns=names))
        table["amount"] *= THOUSANDS_PER_MIO
        pieces = []
        for (region, year, function), part in table.groupby(["region", "year", "function"], sort=True):
            total = self.genuine.get((region, year, function))
            if total is None:
                total = round(float(part["amount"].round(3).sum()))
            scaled = part["amount"].to_numpy() * (total / part["amount"].sum())
            pieces.append(part.assign(amount=round_to_total(scaled, int(total))))
        return pd.concat(pieces, ignore_index=True)

    def _between(
        self, region: str, year: int, function: str, category: str, group: str, first: float, last: float
    ) -> float:
        """Smooth path with small waves; the end years are left as fitted."""
        if year in (self.years[0], self.years[-1]):
            return first if year == self.years[0] else last
        own = self.assumptions["share_of_growth_reached"].get(category, {})
        share = own.get(year, (year - self.years[0]) / (self.years[-1] - self.years[0]))
        path = first * (last / first) ** share
        noise, seed = self.assumptions["noise"], self.assumptions["seed"]
        return (
            path
            * lognormal(seed, noise["years_between_group"], "between", group, year)
            * lognormal(seed, noise["years_between_region"], "between", region, group, year)
            * lognormal(seed, noise["years_between_category"], "between", region, function, category, year)
        )

    def _at_printed_levels(self, table: pd.DataFrame) -> pd.DataFrame:
        """Nominal mio. kr. with the years between at the levels printed of them, in their order.

        A level is of whole functions, in mio. kr. or in kr. per inhabitant of the group's age band. Genuine functions
        stay, and so do regions that an earlier level has set: the country's comes out by the others.
        """
        keys = [table["region"], table["year"], table["function"]]
        shares = table["amount"] / table.groupby(["region", "year", "function"])["amount"].transform("sum")
        genuine = pd.Series([self.genuine.get(key) for key in zip(*keys, strict=True)], index=table.index, dtype=float)
        amount = (genuine / THOUSANDS_PER_MIO * shares).fillna(table["amount"])
        settled = genuine.notna()
        for level in self.assumptions["levels_between"]:
            year, group, regions = level["year"], level["population_group"], self.reference.regions_in(level["area"])
            printed = level.get("mio_kr")
            if printed is None:
                people = sum(self.bands[group][region, year] for region in regions)
                printed = level["kr_per_inhabitant"] * people / KRONER_PER_MIO
            here = table["region"].isin(regions) & (table["year"] == year) & (table["population_group"] == group)
            here &= ~table["function"].isin(level.get("functions_left_out", ()))
            wanted = printed * self.deflator(level["price_year"]) / self.deflator(year)
            free = here & ~settled
            amount[free] *= (wanted - amount[here & settled].sum()) / amount[free].sum()
            settled |= here
        return table.assign(amount=amount)

    def _population_by_region(self, ages: pd.DataFrame, band: str) -> pd.Series:
        """Persons of a band on 1 October, indexed by region and year."""
        persons = band_population(ages[ages["TID"].str.endswith("K4")], band).reset_index()
        persons["region"] = persons["OMRÅDE"].map(self.reference.region_of)
        persons["year"] = persons["TID"].str[:4].astype(int)
        return persons.groupby(["region", "year"])["INDHOLD"].sum()

    def _population_of(self, regions: list[str], year: int, band: str) -> float:
        return float(sum(self._population_by_region(self.ages, band)[region, year] for region in regions))

    def _prior(self, cells: list[Cell]) -> np.ndarray:
        """Believable amounts before any target is looked at, mio. kr."""
        amounts = np.array([self._prior_of(cell) for cell in cells])
        for function in self.genuine_functions:
            for region in self.regions:
                for year in (self.years[0], self.years[-1]):
                    here = [
                        i for i, c in enumerate(cells) if (c.region, c.year, c.function) == (region, year, function)
                    ]
                    amounts[here] *= self._genuine_mio(region, year, function) / amounts[here].sum()
        return amounts

    def _prior_of(self, cell: Cell) -> float:
        """The home region's amount per inhabitant, carried to the region's population and level."""
        home = self.assumptions["home_region"]
        prior = self.assumptions["prior"][cell.category if cell.category != OUTSIDE_SCOPE else cell.function]
        elsewhere = cell.region != home
        growth = prior["growth_elsewhere_pct"] if elsewhere else prior["growth_pct"]
        amount = prior["mio_kr"] * self._share_of_function(cell)
        if cell.year != self.years[-1]:
            amount /= 1 + growth / 100
        if not elsewhere:
            return amount
        people = self.bands[cell.population_group]
        return amount * prior["level_elsewhere"] * people[cell.region, cell.year] / people[home, cell.year]

    def _share_of_function(self, cell: Cell) -> float:
        """How much of a category lies on this function, when it is spread over several."""
        shares: Mapping[str, float] = self.assumptions["function_shares"].get(cell.category, {})
        return float(shares.get(cell.function, 1.0))

    def _genuine_mio(self, region: str, year: int, function: str) -> float:
        return float(self.genuine[region, year, function]) * self.deflator(year) / THOUSANDS_PER_MIO

    def _rules(self, cells: list[Cell]) -> LinearBounds:
        """Genuine function totals hold exactly; what lies outside the report's scope stays within limits."""
        equal, equal_to, below, below_bound = [], [], [], []
        limits = self.assumptions["outside_scope_share_of_function"]
        for region in self.regions:
            for year in (self.years[0], self.years[-1]):
                for function in sorted({cell.function for cell in cells}):
                    here = np.array(
                        [(c.region, c.year, c.function) == (region, year, function) for c in cells], dtype=float
                    )
                    outside = here * np.array([c.category == OUTSIDE_SCOPE for c in cells])
                    if function in self.genuine_functions:
                        equal.append(here)
                        equal_to.append(self._genuine_mio(region, year, function))
                    if function in limits:
                        low, high = limits[function]
                        below += [low * here - outside, outside - high * here]
                        below_bound += [0.0, 0.0]
        return LinearBounds(np.array(equal), np.array(equal_to), np.array(below), np.array(below_bound))
