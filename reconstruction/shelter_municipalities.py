"""Herberger by municipality and year: homelessness, expenditure and the adult population to come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.population import band_population
from reconstruction.reference import Reference
from reconstruction.rounding import half_away_from_zero, round_to_total, share_out

ADULTS = "18-200"
THOUSANDS_PER_MIO = 1000.0


def homelessness(numbers: dict[str, Any], weights: dict[str, int], reference: Reference) -> pd.DataFrame:
    """Municipality, year, homeless, in_shelter and rough_sleepers in each year of the count.

    `weights`: the homeless of the last count by municipality; an earlier one differs by noise and is fitted to its
    published total and to the published figure of the largest city.
    """
    rules, published, seed = numbers["homelessness"], numbers["published"], numbers["seed"]
    towns = reference.municipalities
    last = max(published["homeless"])
    city = np.array([town == rules["largest_city"] for town in towns])
    parts = {"in_shelter": published["in_shelter"], "rough_sleepers": rules["rough_sleepers"]["total"]}
    frames = []
    for year, total in published["homeless"].items():
        deviation = 0.0 if year == last else rules["deviation"]
        drawn = np.array([weights[town] * lognormal(seed, deviation, "homeless", town, year) for town in towns])
        homeless = np.where(city, published["homeless_koebenhavn"][year], 0)
        homeless[~city] = share_out(drawn[~city], total - homeless.sum())
        frame = pd.DataFrame({"municipality": towns, "year": year, "homeless": homeless})
        left = homeless
        for field, totals in parts.items():
            likely = homeless * _likely(field, year, towns, numbers, reference)
            frame[field] = round_to_total(likely / likely.sum() * totals[year], totals[year], left)
            left = left - frame[field].to_numpy()
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def expenditure(accounts: pd.DataFrame, numbers: dict[str, Any], reference: Reference) -> pd.DataFrame:
    """Municipality, year and thousand_kroner in current prices: the accounts, and years before them looked back to.

    Requires REGK100. An earlier year has the national total that is published or chosen, in the prices it is in.
    """
    rules, published, prices = numbers["expenditure"], numbers["published"]["expenditure"], reference.price_index
    own = accounts[(accounts["FUNKTION"] == rules["function"]) & (accounts["GRUPPERING"] == rules["grouping"])]
    sums = own.groupby(["OMRÅDE", own["TID"].astype(int)])["INDHOLD"].sum()
    years, towns = sorted(sums.index.unique(level="TID")), reference.municipalities
    table = pd.DataFrame(
        {year: [sums.get((town, year), 0) for town in towns] for year in years},
        index=pd.Index(towns, name="municipality"),
    )
    home = np.array([reference.region_of[town] == numbers["home_region"] for town in towns])
    for year, total in {**rules["national"], **published["mio_kr"]}.items():
        if year in years:
            continue
        noise = [lognormal(numbers["seed"], rules["deviation"], "expenditure", town, year) for town in towns]
        weights = table[years[0]] * noise * np.where(home, rules["home_region_relative"][year], 1.0)
        nominal = total * THOUSANDS_PER_MIO * prices[year] / prices[published["price_year"]]
        table[year] = share_out(weights.to_numpy(), int(half_away_from_zero(np.array([nominal]))[0]))
    rows = table.reset_index().melt("municipality", var_name="year", value_name="thousand_kroner")
    return rows.sort_values(["municipality", "year"], ignore_index=True)


def projection(ages: pd.DataFrame, numbers: dict[str, Any]) -> pd.DataFrame:
    """Municipality, year and adults: the last 1 January of the population, and its own trend continued from there.

    Requires FOLK1A by single ages. Every municipality keeps a share of its yearly growth until then, within limits.
    """
    rules = numbers["projection"]
    adults = band_population(ages[ages["TID"].str.endswith("K1")], ADULTS).unstack("TID")
    start, since = min(rules["years"]), rules["trend_from"]
    growth = (adults[f"{start}K1"] / adults[f"{since}K1"]) ** (rules["growth_kept"] / (start - since))
    growth = growth.clip(*rules["growth_limits"])
    frames = [
        pd.DataFrame(
            {
                "municipality": adults.index,
                "year": year,
                "adults": half_away_from_zero((adults[f"{start}K1"] * growth ** (year - start)).to_numpy()),
            }
        )
        for year in rules["years"]
    ]
    return pd.concat(frames).sort_values(["municipality", "year"], ignore_index=True)


def _likely(field: str, year: int, towns: list[str], numbers: dict[str, Any], reference: Reference) -> np.ndarray:
    """How likely a homeless person is to be in a group, by municipality: the level of its landsdel and noise."""
    rules = numbers["homelessness"]
    landsdel = reference.areas.set_index("area_code")["landsdel_code"]
    weights = rules[field]["weight"]
    return np.array(
        [
            weights.get(landsdel[town], weights["other"])
            * lognormal(numbers["seed"], rules["deviation"], field, town, year)
            for town in towns
        ]
    )
