"""UND2 and UND1: children with a notification by number of notifications, and notifications."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.population import band_population
from reconstruction.printed import printed_growth, require_growth
from reconstruction.raw_files import MISSING
from reconstruction.reference import Reference
from reconstruction.rounding import half_away_from_zero, round_rows_exactly, round_to_total

ALL_AGES, BOTH_SEXES = "00", "0"
TOTAL_OF_CHILDREN, TOTAL_OF_NOTIFIERS = "00", "0"


class Notifications:
    """Counts behind the genuine rates: children by class (1, 2 .. n or more) and their notifications."""

    def __init__(self, reference: Reference, assumptions: dict[str, Any], ages: pd.DataFrame) -> None:
        """Take the reference, the assumptions and ages (K1)."""
        self.reference = reference
        self.settings = assumptions["notifications"]
        self.noise = assumptions["noise"]
        self.seed = assumptions["seed"]
        self.account_years = assumptions["account_years"]
        self.home = assumptions["home_region"]
        january = ages[ages["TID"].str.endswith("K1")]
        self.people = band_population(january, self.settings["age_band"])
        shares = self.settings["class_shares"]
        self.classes = len(next(iter(shares.values())))
        self.share_years = sorted(shares)
        self.shares = np.array([shares[year] for year in self.share_years])

    def tables(self, rates: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """UND2 and UND1 from UND2_PR_1000 (children with a notification per 1.000)."""
        given = rates.set_index(["ADMKOM", "TID"])["INDHOLD"]
        years = [year for year in sorted(rates["TID"].astype(int).unique()) if year <= self.account_years[-1]]
        children: list[tuple[str, str, int, object]] = []
        notices: list[tuple[str, str, int, object]] = []
        first_at_home = 0
        for year in years:
            for region in sorted(set(self.reference.region_of.values())):
                towns = [t for t in self.reference.municipalities if self.reference.region_of[t] == region]
                # A row that the source leaves out is a zero; a row that says `..` has no value.
                rate = np.array([given.get((town, str(year)), 0.0) for town in towns], dtype=float)
                known = np.isfinite(rate)
                people = np.array([self.people[town, f"{year}K1"] for town in towns])
                totals = half_away_from_zero(np.where(known, rate, 0.0) * people / 1000)
                by_class = self._by_class(towns, year, totals)
                wanted = None
                if region == self.home and year == self.account_years[-1]:
                    wanted = first_at_home * printed_growth(self.reference, self.settings["printed_growth"])
                number = self._notifications(towns, region, year, by_class, wanted)
                if region == self.home and year == self.account_years[0]:
                    first_at_home = int(number.sum())
                if wanted is not None:
                    require_growth(self.reference, self.settings["printed_growth"], first_at_home, number.sum())
                for i, town in enumerate(towns):
                    cells = [totals[i], *by_class[i]]
                    children += [
                        (town, f"{code:02d}", year, cell if known[i] else MISSING) for code, cell in enumerate(cells)
                    ]
                    notices.append((town, TOTAL_OF_NOTIFIERS, year, number[i] if known[i] else MISSING))
        return {"UND2": self._table(children, "UNDERRET"), "UND1": self._table(notices, "UNDERRETERE")}

    def _by_class(self, towns: list[str], year: int, totals: np.ndarray) -> np.ndarray:
        """Children by class, municipalities x classes; every municipality adds exactly."""
        common = [np.interp(year, self.share_years, self.shares[:, i]) for i in range(self.classes)]
        own = np.array(
            [
                [lognormal(self.seed, self.noise["notification_class"], "class", t, i) for i in range(self.classes)]
                for t in towns
            ]
        )
        weights = own * common
        return round_rows_exactly(weights / weights.sum(axis=1, keepdims=True) * totals[:, None], totals)

    def _notifications(
        self, towns: list[str], region: str, year: int, by_class: np.ndarray, wanted: float | None
    ) -> np.ndarray:
        """Notifications: the class times its number; the open class has a mean of its own."""
        at_least = by_class @ np.arange(1, self.classes + 1)
        last = by_class[:, -1]
        low, high = self.settings["mean_of_last_class_limits"]
        mean = self.settings["mean_of_last_class"]
        mean *= lognormal(self.seed, self.noise["notification_mean"], "mean", region, year)
        if wanted is not None:
            mean = self.classes + (wanted - at_least.sum()) / last.sum()
        if not low <= mean <= high:
            raise ValueError(
                f"Children with {self.classes} or more notifications would have {mean:.2f} each in {region} in {year}, "
                f"outside {low} to {high}: change class_shares in the assumptions"
            )
        extra = int(half_away_from_zero(np.array([last.sum() * (mean - self.classes)]))[0])
        own = np.array([lognormal(self.seed, self.noise["notification_town"], "extra", t, year) for t in towns])
        weights = own * last
        return at_least + round_to_total(weights / weights.sum() * extra, extra)

    @staticmethod
    def _table(rows: list[tuple[str, str, int, object]], variable: str) -> pd.DataFrame:
        table = pd.DataFrame(rows, columns=["ADMKOM", variable, "TID", "INDHOLD"])
        table = table.assign(ALDER1=ALL_AGES, KØN=BOTH_SEXES)
        return table[["ADMKOM", variable, "ALDER1", "KØN", "TID", "INDHOLD"]]
