"""Smooth series between two years, and the expenditure that counts are measured against."""

from __future__ import annotations

import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.reference import ALL_GROUPINGS, Reference


def geometric_path(
    first: float, last: float, years: list[int], seed: int, deviation: float, *keys: object
) -> dict[int, float]:
    """From first to last at an even rate with small waves; the end years are exact."""
    result = {}
    for year in years:
        share = (year - years[0]) / (years[-1] - years[0])
        wave = 1.0 if share in (0, 1) else lognormal(seed, deviation, "path", *keys, year)
        result[year] = first * (last / first) ** share * wave
    return result


def linear_path(first: float, last: float, years: list[int]) -> dict[int, float]:
    """From first to last by equal steps."""
    return {year: first + (last - first) * (year - years[0]) / (years[-1] - years[0]) for year in years}


def fixed_price_expenditure(accounts: pd.DataFrame, reference: Reference, base_year: int) -> pd.DataFrame:
    """Accounts by category in the prices of a year.

    Requires the columns of REGK100; returns OMRÅDE, region, year, function, category, kroner.
    """
    category_of = reference.accounts.set_index(["function", "grouping"])["category"].to_dict()
    keys = zip(accounts["FUNKTION"], accounts["GRUPPERING"].str.zfill(3), strict=True)
    year = accounts["TID"].astype(int)
    prices = reference.price_index
    return pd.DataFrame(
        {
            "OMRÅDE": accounts["OMRÅDE"],
            "region": accounts["OMRÅDE"].map(reference.region_of),
            "year": year,
            "function": accounts["FUNKTION"],
            "category": [category_of.get((f, ALL_GROUPINGS)) or category_of[f, g] for f, g in keys],
            "kroner": accounts["INDHOLD"] * 1000.0 * prices[base_year] / year.map(prices),
        }
    )
