"""HAND05: full-year services to adults, from expenditure and unit costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.population import band_population
from reconstruction.printed import printed_growth, require_growth
from reconstruction.raw_files import MISSING
from reconstruction.reference import Reference
from reconstruction.rounding import half_away_from_zero, round_to_total
from reconstruction.series import geometric_path

_TENTHS = 10


class AdultServices:
    """Full-year recipients by municipality and type, such that the unit costs come out as printed."""

    def __init__(
        self, reference: Reference, assumptions: dict[str, Any], ages: pd.DataFrame, expenditure: pd.DataFrame
    ) -> None:
        """Take the reference, the assumptions, ages (K4) and expenditure in fixed prices."""
        self.reference = reference
        self.settings = assumptions["adult_services"]
        self.noise = assumptions["noise"]
        self.seed = assumptions["seed"]
        self.years = assumptions["account_years"]
        self.home = assumptions["home_region"]
        october = ages[ages["TID"].str.endswith("K4")]
        self.people = band_population(october, assumptions["age_band_of_group"]["voksne"])
        counted = expenditure[~expenditure["function"].isin(self.settings["functions_without_recipients"])]
        self.spent = counted.groupby(["category", "OMRÅDE", "year"])["kroner"].sum()
        self.spent_in_region = counted.groupby(["category", "region", "year"])["kroner"].sum()
        self.regions = sorted(set(reference.region_of.values()))
        self.without = {(item["municipality"], item["type"]) for item in self.settings["without_data"]}
        self.not_approved = {(item["municipality"], item["year"]) for item in self.settings["not_approved"]}

    def table(self) -> pd.DataFrame:
        """Rows of HAND05 with one decimal; what a municipality has not approved is missing."""
        rows: list[tuple[str, str, int, int]] = []
        for region in self.regions:
            towns = [t for t in self.reference.municipalities if self.reference.region_of[t] == region]
            for category, rule in self.settings["categories"].items():
                for year, recipients in self._recipients(category, rule, region).items():
                    weights = np.array(
                        [
                            max(self.spent.get((category, town, year), 0.0), 0.0)
                            * lognormal(self.seed, self.noise["unit_cost_town"], "unit cost", town, category)
                            for town in towns
                        ]
                    )
                    rows += self._spread(towns, year, rule["types"], weights, recipients)
            for kind, rule in self.settings["others_per_1000"].items():
                for year in self.years:
                    people = np.array([self.people[town, f"{year}K4"] for town in towns], dtype=float)
                    recipients = rule[self.years.index(year)] * people.sum() / 1000
                    rows += self._spread(towns, year, {kind: [1.0] * len(self.years)}, people, recipients)
        table = pd.DataFrame(rows, columns=["OMRÅDE", "YDELSESTYPE", "TID", "tenths"])
        gone = [(town, year) in self.not_approved for town, year in zip(table["OMRÅDE"], table["TID"], strict=True)]
        values = [f"{number // _TENTHS},{number % _TENTHS}" for number in table["tenths"]]
        return table.assign(INDHOLD=np.where(gone, MISSING, values)).drop(columns="tenths")

    def _recipients(self, category: str, rule: dict[str, Any], region: str) -> dict[int, float]:
        """Recipients of a region by year: expenditure over unit cost in the end years, an even path between."""
        first_year, last_year = self.years[0], self.years[-1]
        spent = {year: self.spent_in_region[category, region, year] for year in (first_year, last_year)}
        at_home = region == self.home
        last = rule["unit_cost"] * (1.0 if at_home else rule["level_elsewhere"])
        if not at_home:
            growth = 1 + rule["growth_elsewhere_pct"] / 100
        elif "printed_recipients" in rule:  # the printed number of recipients decides, and the cost follows
            growth = spent[last_year] / spent[first_year] / printed_growth(self.reference, rule["printed_recipients"])
        elif "printed_unit_cost" in rule:
            growth = printed_growth(self.reference, rule["printed_unit_cost"])
        else:
            growth = 1 + rule["growth_pct"] / 100
        if at_home and "printed_unit_cost" in rule:
            require_growth(self.reference, rule["printed_unit_cost"], 1.0, growth)
        ends = spent[first_year] / (last / growth), spent[last_year] / last
        return geometric_path(
            *ends, self.years, self.seed, self.noise["years_between_group"], "recipients", category, region
        )

    def _spread(
        self, towns: list[str], year: int, types: dict[str, list[float]], weights: np.ndarray, recipients: float
    ) -> list[tuple[str, str, int, int]]:
        """Tenths of a full year by municipality and type; the region adds exactly."""
        position = self.years.index(year)
        kinds = [kind for kind, share in types.items() if share[position]]
        own = np.array(
            [
                [
                    types[kind][position] * lognormal(self.seed, self.noise["service_type"], "service", town, kind)
                    if (town, kind) not in self.without
                    else 0.0
                    for kind in kinds
                ]
                for town in towns
            ]
        )
        values = weights[:, None] * own / own.sum(axis=1, keepdims=True)
        total = int(half_away_from_zero(np.array([recipients * _TENTHS]))[0])
        whole = round_to_total((values / values.sum() * total).ravel(), total).reshape(values.shape)
        return [
            (town, kind, year, int(whole[i, j]))
            for i, town in enumerate(towns)
            for j, kind in enumerate(kinds)
            if (town, kind) not in self.without
        ]
