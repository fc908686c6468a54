"""Turns printed figures and assumed figures into linear constraints on region-level expenditure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reconstruction.reference import BOTH_GROUPS, GRAND_TOTAL, OUTSIDE_SCOPE, WHOLE_FUNCTIONS, Reference

MIO_PER_MIA = 1000.0
JUST_UNDER = "knap"  # a note that opens with this word says that the printed value is an upper limit
FITTED_MEASURES = ("expenditure", "growth", "share", "expenditure_change", "per_capita_growth")


@dataclass(frozen=True)
class Cell:
    """One unknown: mio. kr. in the edition's prices of a function's part of a category in a region and year."""

    region: str
    year: int
    function: str
    category: str
    population_group: str


@dataclass(frozen=True)
class HalfConstraint:
    """`coefficients @ cells >= bound` in mio. kr., one side of the interval of the row `row_id`."""

    row_id: str
    coefficients: np.ndarray
    bound: float
    width: float


@dataclass(frozen=True)
class Interval:
    """The values that print as a given figure."""

    low: float
    high: float


class TargetBuilder:
    """Builds constraints for rows with area, measure, category and period.

    An expenditure may be in the prices of a `price_year` of its own; without it the edition's price level is meant.
    """

    def __init__(
        self,
        cells: list[Cell],
        reference: Reference,
        subtotals: Mapping[str, list[str]],
        population: Callable[[list[str], int, str], float],
        group_of_ages: Mapping[str, str],
        deflator: Callable[[int], float],
    ) -> None:
        """Remember the unknowns, the area list, the subtotals and how to look up a population and a price level."""
        self.cells = cells
        self.reference = reference
        self.subtotals = subtotals
        self.population = population
        self.group_of_ages = group_of_ages
        self.deflator = deflator

    def constraints(self, rows: Iterable[Mapping[str, Any]]) -> list[HalfConstraint]:
        """Both sides of every row; a row of another measure is an error that names it."""
        return [half for row in rows for half in self._halves(row)]

    def _halves(self, row: Mapping[str, Any]) -> list[HalfConstraint]:
        measure = row["measure"]
        if measure not in FITTED_MEASURES:
            raise ValueError(f"Target {row['id']}: measure {measure} is not one of {', '.join(FITTED_MEASURES)}")
        interval = interval_of(row)
        regions = self.reference.regions_in(row["area"])
        start, end = int(row["period_start"]), int(row["period_end"])
        ages = row["population_group"]
        group = self.group_of_ages.get(ages, ages)
        left_out = row.get("functions_left_out", ())
        first = self._sum(regions, start, group, row["category"], left_out)
        last = self._sum(regions, end, group, row["category"], left_out)
        if measure == "expenditure":
            unit = MIO_PER_MIA * (self.deflator(int(row["price_year"])) if "price_year" in row else 1.0)
            return self._sides(row, last, np.zeros_like(last), scaled(interval, unit), additive=True)
        if measure == "expenditure_change":
            return self._sides(row, last - first, first * 0, scaled(interval, MIO_PER_MIA), additive=True)
        if measure == "share":
            whole = self._sum(regions, end, group, GRAND_TOTAL, left_out)
            return self._sides(row, last, whole, scaled(interval, 0.01), additive=False)
        per_head = 1.0
        if measure == "per_capita_growth":
            per_head = self.population(regions, end, ages) / self.population(regions, start, ages)
        ratio = Interval((1 + interval.low / 100) * per_head, (1 + interval.high / 100) * per_head)
        return self._sides(row, last, first, ratio, additive=False)

    def _sum(self, regions: list[str], year: int, group: str, category: str, left_out: Collection[str]) -> np.ndarray:
        """Indicator vector of the cells that add to a category or subtotal, less the functions left out."""
        members = set(self.subtotals.get(category, [category]))
        outside = {GRAND_TOTAL: {OUTSIDE_SCOPE}, WHOLE_FUNCTIONS: set()}.get(category)
        chosen = [
            cell.region in regions
            and cell.year == year
            and cell.function not in left_out
            and (group in (BOTH_GROUPS, cell.population_group))
            and (cell.category in members if outside is None else cell.category not in outside)
            for cell in self.cells
        ]
        if not any(chosen):
            raise ValueError(f"No account maps to category {category} of {group} in {year}")
        return np.array(chosen, dtype=float)

    @staticmethod
    def _sides(
        row: Mapping[str, Any], value: np.ndarray, base: np.ndarray, interval: Interval, additive: bool
    ) -> list[HalfConstraint]:
        """Lower and upper side: a fixed amount (additive) or a multiple of another sum."""
        row_id = str(row["id"])
        width = interval.high - interval.low
        if additive:
            return [
                HalfConstraint(row_id, value, interval.low, width),
                HalfConstraint(row_id, -value, -interval.high, width),
            ]
        return [
            HalfConstraint(row_id, value - interval.low * base, 0.0, width),
            HalfConstraint(row_id, interval.high * base - value, 0.0, width),
        ]


def interval_of(row: Mapping[str, Any]) -> Interval:
    """Values that round (half away from zero) to the printed figure, or the limits `low` and `high`.

    "Knap" in the note means just under: the printed value is then the upper limit.
    """
    if row.get("low") not in (None, ""):
        return Interval(float(row["low"]), float(row["high"]))
    value, half = float(row["value"]), 0.5 * 10.0 ** -int(row["decimals_printed"])
    if str(row.get("note", "")).lstrip('"').lower().startswith(JUST_UNDER):
        return Interval(value - half, value)
    return Interval(value - half, value + half)


def scaled(interval: Interval, factor: float) -> Interval:
    """The interval in another unit."""
    return Interval(interval.low * factor, interval.high * factor)


def published_targets(published: pd.DataFrame, excluded: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of the published figures that are to hold: expenditure measures less the contradictory ones."""
    left_out = set(excluded)
    unknown = left_out - set(published["id"])
    if unknown:
        raise ValueError(f"The assumptions leave out rows that are not published: {', '.join(sorted(unknown))}")
    chosen = published[published["measure"].isin(FITTED_MEASURES) & ~published["id"].isin(left_out)]
    return chosen.to_dict("records")
