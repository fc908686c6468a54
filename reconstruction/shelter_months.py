"""Herberger by month and year: registrations of those who come and go by region, and national figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.rounding import half_away_from_zero, share_out


def months_of_stays(stays: pd.DataFrame, first: pd.Timestamp, days: int) -> pd.DataFrame:
    """Arrivals, departures and nights by region (area) and month (period) of the year that the stays are from.

    Requires region, arrived and left as day numbers counted from `first`.
    """
    month = (first + pd.to_timedelta(np.arange(days), unit="D")).strftime("%YM%m")
    frames = []
    for region, own in stays.groupby("region"):
        arrived, left = own["arrived"].to_numpy(), own["left"].to_numpy()
        change = np.bincount(arrived.clip(0), minlength=days)[:days] - np.bincount(left, minlength=days)[:days]
        frames.append(
            pd.DataFrame(
                {
                    "area": region,
                    "period": month,
                    "arrivals": np.bincount(arrived[arrived >= 0], minlength=days)[:days],
                    "departures": np.bincount(left, minlength=days)[:days],
                    "nights": change.cumsum(),
                }
            )
        )
    return pd.concat(frames).groupby(["area", "period"], as_index=False).sum()


def months_before(known: pd.DataFrame, there_before: pd.Series, numbers: dict[str, Any]) -> pd.DataFrame:
    """Arrivals, departures and nights by region and month of the years before the stays.

    Requires the months of the stays, and by region how many were there on the night before them. Nights and arrivals
    follow the chosen yearly totals; departures make up for the change in those who are there, to the last person.
    """
    periods = pd.period_range(
        f"{min(numbers['months']['nights'])}-01", f"{max(numbers['months']['nights'])}-12", freq="M"
    )
    wide = {field: _by_month(field, known, periods, numbers) for field in ("nights", "arrivals")}
    frames = []
    for region in there_before.index:
        nights, arrivals = wide["nights"][region].to_numpy(), wide["arrivals"][region].to_numpy()
        there = nights / periods.days_in_month
        at_end = np.append(half_away_from_zero((there[:-1] + there[1:]) / 2), there_before[region])
        at_start = np.append(half_away_from_zero(there[:1]), at_end[:-1])
        frames.append(
            pd.DataFrame(
                {
                    "area": region,
                    "period": periods.strftime("%YM%m"),
                    "arrivals": arrivals,
                    "departures": arrivals - (at_end - at_start),
                    "nights": nights,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def national(numbers: dict[str, Any], months: pd.DataFrame) -> pd.DataFrame:
    """Year, persons, stays, nights and refusals of the country; nights are the sum of the months."""
    rules, published = numbers["national"], numbers["published"]
    nights = months.groupby(months["period"].str[:4].astype(int))["nights"].sum()
    persons = {**rules["persons"], **published["persons"]}
    stays = {**rules["stays"], **published["stays"]}
    years = sorted(persons)
    return pd.DataFrame(
        {
            "year": years,
            "persons": [persons[year] for year in years],
            "stays": [stays.get(year, float("nan")) for year in years],
            "nights": [nights[year] for year in years],
            "refusals": [published["refusals"].get(year, float("nan")) for year in years],
        }
    )


def _by_month(field: str, known: pd.DataFrame, periods: pd.PeriodIndex, numbers: dict[str, Any]) -> pd.DataFrame:
    """Whole numbers by month (rows) and region (columns) that add to the chosen total of each year."""
    rules, totals = numbers["months"], numbers["months"][field]
    share = known.groupby("area")[field].sum() / known[field].sum()
    years = np.array(sorted(totals))
    # A little trend inside the years, so that a new year does not begin with a jump.
    level = np.interp(periods.year + (periods.month - 0.5) / 12, years + 0.5, [totals[year] for year in years])
    level *= np.array(rules["season"][field])[periods.month - 1]
    level *= np.array([rules["covid"][field].get(str(period), 1.0) for period in periods])
    if field == "nights":
        level = level * periods.days_in_month.to_numpy()
    # A region that was larger or smaller at first comes evenly to the share that it has in the year of the stays.
    left_to_go = 1 - np.arange(len(periods)) / len(periods)
    values = pd.DataFrame(
        {
            region: share[region]
            * level
            * (1 + (rules["first_year_share"][region] - 1) * left_to_go)
            * [lognormal(numbers["seed"], rules["deviation"][field], field, region, period) for period in periods]
            for region in sorted(share.index)
        },
        index=periods,
    )
    whole = np.zeros(values.shape, dtype=np.int64)
    for year in years:
        rows = periods.year == year
        whole[rows] = share_out(values[rows].to_numpy().ravel(), totals[year]).reshape(-1, values.shape[1])
    return pd.DataFrame(whole, index=periods, columns=values.columns)
