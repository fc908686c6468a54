"""Spreads region amounts to municipalities, groupings and ownership, in whole 1.000 kr."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.population import band_population
from reconstruction.reference import ALL_GROUPINGS, Reference
from reconstruction.rounding import round_rows_exactly, round_to_total, share_out

_IPF_ROUNDS = 500
_IPF_CLOSE_ENOUGH = 1e-9


class Spreader:
    """Makes REGK100 from region amounts and the genuine municipal totals of some functions."""

    def __init__(
        self, reference: Reference, assumptions: dict[str, Any], ages: pd.DataFrame, genuine: pd.DataFrame
    ) -> None:
        """Take the reference, the assumptions, ages (K4) and the genuine totals (REGK31 in 1.000 kr.)."""
        self.reference = reference
        self.assumptions = assumptions
        self.seed = assumptions["seed"]
        self.noise = assumptions["noise"]
        october = ages[ages["TID"].str.endswith("K4")]
        self.people = {
            group: band_population(october, band) for group, band in assumptions["age_band_of_group"].items()
        }
        totals = genuine.set_index(["FUNKTION", "OMRÅDE", "TID"])["INDHOLD"]
        self.genuine = {key: int(value) for key, value in totals.items()}
        self.genuine_functions = set(genuine["FUNKTION"])
        self.need = self._need(genuine)
        self.groupings = self._groupings()

    def spread(self, amounts: pd.DataFrame) -> pd.DataFrame:
        """Rows of REGK100: requires region, year, function, category, population_group, amount."""
        rows: list[tuple[str, str, str, str, str, int]] = []
        for (region, year, function), part in amounts.groupby(["region", "year", "function"], sort=True):
            towns = [t for t in self.reference.municipalities if self.reference.region_of[t] == region]
            columns = self.groupings[function]
            target = part.set_index("category")["amount"]
            whole = self._matrix(towns, int(year), str(function), columns, target)
            for i, town in enumerate(towns):
                for j, (grouping, _, _, _) in enumerate(columns):
                    for owner, amount in self._by_owner(town, int(year), str(function), grouping, whole[i, j]):
                        rows.append((town, str(function), owner, grouping, str(year), amount))
        table = pd.DataFrame(rows, columns=["OMRÅDE", "FUNKTION", "EJER", "GRUPPERING", "TID", "INDHOLD"])
        table = table.assign(DRANST="1", ART="TOT", PRISENHED="LOBM")
        order = ["OMRÅDE", "FUNKTION", "DRANST", "EJER", "GRUPPERING", "ART", "PRISENHED", "TID", "INDHOLD"]
        return table[order]

    def _matrix(
        self,
        towns: list[str],
        year: int,
        function: str,
        columns: list[tuple[str, str, str, float]],
        target: pd.Series,
    ) -> np.ndarray:
        """Whole amounts by municipality and grouping."""
        seed = np.array([[self._weight(town, year, function, *column) for column in columns] for town in towns])
        category = [column[1] for column in columns]
        groups = [np.array([c == name for c in category]) for name in target.index]
        if function not in self.genuine_functions:
            return _spread_columns(seed, groups, target.to_numpy())
        totals = np.array([self.genuine.get((function, town, str(year)), 0) for town in towns])
        fixed = np.zeros(seed.shape, dtype=np.int64)
        # A negative total cannot be spread: it is put in one grouping, and the others fit around it.
        held = [column[0] for column in columns].index(self.assumptions["grouping_of_negative_total"][function])
        fixed[totals < 0, held] = totals[totals < 0]
        left = np.where(totals < 0, 0, totals)
        wanted = target.to_numpy() - np.array([fixed[:, group].sum() for group in groups])
        fitted = _fit_rows_and_groups(seed, left, groups, wanted)
        return fixed + round_rows_exactly(fitted, left)

    def _weight(
        self, town: str, year: int, function: str, grouping: str, category: str, group: str, weight: float
    ) -> float:
        """Expected relative size of a cell: people, need and lasting and yearly peculiarities.

        A category with weights of its own follows these instead; only the yearly peculiarities are left.
        """
        noise, seed = self.noise, self.seed
        own = self.assumptions["weights_of_municipalities"].get(category)
        if own:
            return own[town] * lognormal(seed, noise["municipality_year"], "year", town, function, grouping, year)
        return (
            weight
            * float(self.people[group][town, f"{year}K4"])
            * self.need[group][town]
            * lognormal(seed, noise["municipality_group"], "town", town, group)
            * lognormal(seed, noise["municipality_category"], "category", town, category)
            * lognormal(seed, noise["municipality_grouping"], "grouping", town, function, grouping)
            * lognormal(seed, noise["municipality_year"], "year", town, function, grouping, year)
        )

    def _by_owner(self, town: str, year: int, function: str, grouping: str, amount: int) -> list[tuple[str, int]]:
        """Split a cell over ownership (EJER); a negative cell stays whole."""
        profiles = self.assumptions["ownership"]
        profile: Mapping[str, float] = profiles.get(function, profiles["default"])
        owners = sorted(profile)
        if amount < 0:
            return [(max(owners, key=lambda owner: profile[owner]), int(amount))]
        weights = [
            profile[owner] * lognormal(self.seed, self.noise["ownership"], "owner", town, function, grouping, owner)
            for owner in owners
        ]
        parts = share_out(np.array(weights), int(amount))
        return [(owner, int(part)) for owner, part in zip(owners, parts, strict=True) if part]

    def _groupings(self) -> dict[str, list[tuple[str, str, str, float]]]:
        """Per function: grouping as StatBank writes it, category, population group and weight."""
        settings = self.assumptions["groupings"]
        result: dict[str, list[tuple[str, str, str, float]]] = {}
        for row in self.reference.accounts.itertuples():
            weights = settings["weights"].get(row.function, {})
            if row.grouping == ALL_GROUPINGS:
                chosen = weights or settings["of_whole_functions"]
            else:
                code = str(int(row.grouping))
                default = settings["default_weight"].get(code, settings["default_weight"]["other"])
                chosen = {code: weights.get(code, default)}
            result.setdefault(row.function, []).extend(
                (str(code), row.category, row.population_group, float(weight)) for code, weight in chosen.items()
            )
        return result

    def _need(self, genuine: pd.DataFrame) -> dict[str, dict[str, float]]:
        """Municipal level by population group, from genuine amounts per inhabitant relative to all."""
        result = {}
        for group, rule in self.assumptions["need"].items():
            spent = genuine[genuine["FUNKTION"] == rule["function"]].groupby("OMRÅDE")["INDHOLD"].sum()
            people = self.people[group].groupby(level="OMRÅDE").mean()
            per_head = spent / people[spent.index]
            relative = (per_head / (spent.sum() / people[spent.index].sum())).clip(*rule["limits"])
            own = {str(town): 1.0 for town in self.reference.municipalities}
            own.update({str(town): float(factor) for town, factor in rule.get("municipalities", {}).items()})
            result[group] = {
                town: round(float(relative[town]) ** rule["power"] * own[town], 9)
                for town in self.reference.municipalities
            }
        return result


def _spread_columns(seed: np.ndarray, groups: list[np.ndarray], targets: np.ndarray) -> np.ndarray:
    """Share each category's amount over its cells; every category adds exactly."""
    whole = np.zeros(seed.shape, dtype=np.int64)
    for group, target in zip(groups, targets, strict=True):
        cells = seed[:, group]
        values = cells / cells.sum() * target
        whole[:, group] = round_to_total(values.ravel(), int(target)).reshape(cells.shape)
    return whole


def _fit_rows_and_groups(
    seed: np.ndarray, row_totals: np.ndarray, groups: list[np.ndarray], targets: np.ndarray
) -> np.ndarray:
    """Iterative proportional fitting to municipal totals and to category totals."""
    table = seed * (row_totals > 0)[:, None]
    for _ in range(_IPF_ROUNDS):
        for group, target in zip(groups, targets, strict=True):
            table[:, group] *= target / table[:, group].sum()
        sums = table.sum(axis=1)
        factor = np.divide(row_totals, sums, out=np.zeros(len(sums)), where=sums > 0)
        table *= factor[:, None]
        if np.abs(factor[row_totals > 0] - 1).max() < _IPF_CLOSE_ENOUGH:
            return table
    raise ValueError("Municipal totals and category totals could not be fitted to each other")
