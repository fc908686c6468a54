"""The list of herberger and their places, from the tilbud chosen in herberg_<edition>.yml."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.reference import Reference
from reconstruction.rounding import half_away_from_zero

EVERYBODY = "alle"


def place_list(numbers: dict[str, Any], names: dict[str, str]) -> pd.DataFrame:
    """Year, provider, municipality, ownership, places, veteran_places and target_group."""
    first, last = numbers["years"]["places"]
    rows, opened = [], dict.fromkeys(names, 0)
    for tilbud in numbers["providers"]:
        opened[tilbud["in"]] += 1
        name = f"Herberg {names[tilbud['in']]} {opened[tilbud['in']]}"
        start, end = max(min(tilbud["places"]), first), min(tilbud.get("gone", last + 1), last + 1)
        for year in range(start, end):
            rows.append(
                {
                    "year": year,
                    "provider": name,
                    "municipality": tilbud["in"],
                    "ownership": tilbud["owner"],
                    "places": _in_force(tilbud["places"], year),
                    "veteran_places": _in_force(tilbud.get("veterans", {}), year),
                    "target_group": tilbud.get("for", EVERYBODY),
                }
            )
    return pd.DataFrame(rows).sort_values(["year", "municipality", "provider"], kind="stable", ignore_index=True)


def with_rates(
    places: pd.DataFrame, mean: float, year: int, numbers: dict[str, Any], reference: Reference
) -> pd.DataFrame:
    """The place list with rate (whole kr. per døgn) and price_year, NaN outside the years that have rates.

    `mean` is what a place costs on average in `year`; other years follow the price index.
    """
    first, last = numbers["years"]["rates"]
    rated = places[places["year"].between(first, last)]
    own = pd.Series([_level(row, year, numbers, reference) for row in rated.itertuples()], index=rated.index)
    weights = rated.loc[rated["year"] == year, "places"]
    scale = mean * weights.sum() / (own * weights).sum()
    prices = rated["year"].map(reference.price_index) / reference.price_index[year]
    rates = pd.Series(half_away_from_zero((own * scale * prices).to_numpy()), index=rated.index)
    return places.assign(rate=rates.astype(float), price_year=rated["year"].astype(float))


def smallest(places: pd.DataFrame, years: list[int]) -> pd.Series:
    """Places by municipality that are there in all of the years."""
    table = places[places["year"].isin(years)].pivot_table(
        index="municipality", columns="year", values="places", aggfunc="sum", fill_value=0
    )
    least = table.min(axis=1).astype(int)
    return least[least > 0]


def _level(tilbud: Any, year: int, numbers: dict[str, Any], reference: Reference) -> float:
    """The price of a tilbud relative to others: by owner and region, lasting noise, and a little in other years."""
    rules, seed = numbers["rates"], numbers["seed"]
    at_home = reference.region_of[tilbud.municipality] == numbers["home_region"]
    return (
        rules["level"][tilbud.ownership]
        * (rules["home_region_level"] if at_home else 1.0)
        * lognormal(seed, rules["deviation"], "rate", tilbud.provider)
        * lognormal(seed, rules["yearly_deviation"] * (tilbud.year != year), "rate", tilbud.provider, tilbud.year)
    )


def _in_force(steps: dict[int, int], year: int) -> int:
    """The value of the last step that has come, zero before the first."""
    come = [start for start in steps if start <= year]
    return steps[max(come)] if come else 0
