"""ANBAAR12 and ISBU02: placements on 31 December, and children with a supportive measure during the year."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.population import band_population
from reconstruction.printed import printed_growth, require_growth
from reconstruction.reference import Reference
from reconstruction.rounding import half_away_from_zero, round_to_total, share_out
from reconstruction.series import geometric_path, linear_path

# BU43 has one decimal: the share may be this much (pct. point) lower than it says.
_HALF_DECIMAL = 0.05


class SupportedChildren:
    """Counts that fit inside the genuine share of children with support (BU43)."""

    def __init__(
        self, reference: Reference, assumptions: dict[str, Any], ages: pd.DataFrame, expenditure: pd.DataFrame
    ) -> None:
        """Take the reference, the assumptions, ages (K1) and expenditure in fixed prices."""
        self.reference = reference
        self.placements = assumptions["placements"]
        self.measures = assumptions["supportive_measures"]
        self.noise = assumptions["noise"]
        self.seed = assumptions["seed"]
        self.years = assumptions["account_years"]
        self.home = assumptions["home_region"]
        january = ages[ages["TID"].str.endswith("K1")]
        self.people = band_population(january, assumptions["age_band_of_group"]["boern_og_unge"])
        categories = reference.subtotals[self.placements["category"]]
        spent = expenditure[expenditure["category"].isin(categories)]
        first = spent[spent["year"] == self.years[0]]
        self.spent_by_region = first.groupby("region")["kroner"].sum()
        self.spent_by_town = spent.groupby("OMRÅDE")["kroner"].sum()
        self.towns_of = {
            region: [t for t in reference.municipalities if reference.region_of[t] == region]
            for region in sorted(set(reference.region_of.values()))
        }

    def tables(self, shares: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """ANBAAR12 and ISBU02 from BU43 (pct. with support on 31 December)."""
        share = shares.set_index(["OMRÅDE", "TID"])["INDHOLD"].unstack()
        share = share.sort_index(axis=1).interpolate(axis=1, limit_area="inside")
        placed_rows: list[tuple[str, str, int, int]] = []
        measure_rows: list[tuple[str, str, int, int]] = []
        for region, towns in self.towns_of.items():
            supported, at_most = {}, {}
            for year in self.years:
                people = np.array([self.people[town, f"{year + 1}K1"] for town in towns])
                pct = share.loc[towns, str(year)].to_numpy()
                supported[year] = pct / 100 * people
                surely = np.maximum(pct - _HALF_DECIMAL, 0) / 100 * people
                at_most[year] = np.floor(surely * self.placements["share_of_supported_at_most"]).astype(np.int64)
            placed = self._placed(region, towns, supported, at_most)
            stock = {year: supported[year] - placed[year] for year in self.years}
            for year in self.years:
                for town, number in zip(towns, placed[year], strict=True):
                    placed_rows += self._by_place(town, year, int(number))
            for year, numbers in self._during_year(region, towns, stock).items():
                for town, number in zip(towns, numbers, strict=True):
                    measure_rows += self._by_measure(town, year, int(number))
        return {
            "ANBAAR12": pd.DataFrame(placed_rows, columns=["ADMKOM", "ANBRINGELSE", "TID", "INDHOLD"]),
            "ISBU02": pd.DataFrame(measure_rows, columns=["KOMMUNEDK", "INDSATSER", "TID", "INDHOLD"]),
        }

    def _placed(
        self, region: str, towns: list[str], supported: dict[int, np.ndarray], at_most: dict[int, np.ndarray]
    ) -> dict[int, np.ndarray]:
        """Placements by year in the municipalities of a region."""
        rule = self.placements
        first = round(rule["country_first_year"] * self.spent_by_region[region] / self.spent_by_region.sum())
        at_home = region == self.home
        growth = printed_growth(self.reference, rule["printed_growth"]) if at_home else rule["growth_elsewhere"]
        path = geometric_path(
            first, first * growth, self.years, self.seed, self.noise["years_between_category"], "placed", region
        )
        spent = np.array([max(self.spent_by_town[town], 1.0) for town in towns])
        own = np.array([lognormal(self.seed, self.noise["municipality_category"], "placed", town) for town in towns])
        result = {}
        for year in self.years:
            yearly = np.array(
                [lognormal(self.seed, self.noise["municipality_year"], "placed", town, year) for town in towns]
            )
            weights = np.sqrt(spent * supported[year]) * own * yearly
            total = int(half_away_from_zero(np.array([path[year]]))[0])
            result[year] = round_to_total(weights / weights.sum() * total, total, upper=at_most[year])
        if at_home:
            ends = [result[year].sum() for year in (self.years[0], self.years[-1])]
            require_growth(self.reference, rule["printed_growth"], *ends)
        return result

    def _by_place(self, town: str, year: int, number: int) -> list[tuple[str, str, int, int]]:
        """The total and the kinds of place, which add to it."""
        position = self.years.index(year)
        kinds = {kind: share[position] for kind, share in self.placements["kinds"].items() if share[position]}
        weights = [
            share * lognormal(self.seed, self.noise["municipality_grouping"], "place", town, kind)
            for kind, share in kinds.items()
        ]
        parts = share_out(np.array(weights), number)
        total = (town, self.placements["total_code"], year, number)
        return [total, *((town, kind, year, int(part)) for kind, part in zip(kinds, parts, strict=True))]

    def _during_year(self, region: str, towns: list[str], stock: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """Children with a measure during the year: more than on 31 December, and also early prevention."""
        rule = self.measures
        first_year, last_year = self.years[0], self.years[-1]
        per_stock = rule["per_child_on_31_december"]
        first = round(per_stock["first_year"] * stock[first_year].sum())
        at_home = region == self.home
        last = per_stock["last_year_elsewhere"] * stock[last_year].sum()
        if at_home:
            last = first * printed_growth(self.reference, rule["printed_growth"])
        ratio = geometric_path(
            first / stock[first_year].sum(),
            last / stock[last_year].sum(),
            self.years,
            self.seed,
            self.noise["years_between_group"],
            "measures",
            region,
        )
        own = np.array([lognormal(self.seed, self.noise["measures_town"], "measures", town) for town in towns])
        result = {}
        for year in self.years:
            total = int(half_away_from_zero(np.array([ratio[year] * stock[year].sum()]))[0])
            weights = stock[year] * own
            result[year] = round_to_total(weights / weights.sum() * total, total)
        if at_home:
            ends = [result[year].sum() for year in (first_year, last_year)]
            require_growth(self.reference, rule["printed_growth"], *ends)
        return result

    def _by_measure(self, town: str, year: int, number: int) -> list[tuple[str, str, int, int]]:
        """The total and its overlapping parts: a child counts once in the total, and in each part it has."""
        codes, rule = self.measures["codes"], self.measures

        def children(name: str) -> int:
            share = linear_path(*rule[name], self.years)[year]
            share *= lognormal(self.seed, self.noise["measures_part"], name, town)
            return int(half_away_from_zero(np.array([number * min(share, 1.0)]))[0])

        ordinary = children("ordinary_share")
        early = min(number - ordinary + children("ordinary_and_early_share"), number)
        crime = min(children("crime_share"), ordinary)
        counts = {"total": number, "early": early, "ordinary": ordinary, "crime": crime}
        return [(town, codes[name], year, count) for name, count in counts.items()]
