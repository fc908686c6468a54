"""Stays at herberger in one year: a loss system in each municipality, then trimmed to the published totals.

Only uniform numbers are drawn; all else is computed from them, so that the stays do not depend on how a version of
numpy makes its distributions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import poisson

# The offered load is sought up to this many times the places; more would keep practically all of them occupied.
_MOST_OFFERED = 2.0


def simulate(places: pd.Series, rules: dict[str, Any], days: int, seed: int) -> pd.DataFrame:
    """Stays with at least one night in the days 0 .. days-1, from the places of each municipality.

    Returns host, arrived, left (day numbers; arrived may be negative, and left is at least `days` when the stay goes
    on). Nobody is taken in where all places are occupied. Source: the rules, chosen to agree with published totals.
    """
    rows = [
        pd.DataFrame(_of_one_host(int(number), rules, days, np.random.default_rng([seed, int(str(host))]))).assign(
            host=host
        )
        for host, number in places.items()
    ]
    stays = pd.concat(rows, ignore_index=True)
    return stays[["host", "arrived", "left"]]


def with_total(stays: pd.DataFrame, total: int, rules: dict[str, Any], night: int, seed: int) -> pd.DataFrame:
    """The stays less some short ones, drawn at random, so that `total` are left; none that covers `night` goes."""
    excess = len(stays) - total
    short = (stays["left"] - stays["arrived"]) <= rules["short_nights"]
    covers = (stays["arrived"] <= night) & (stays["left"] > night)
    spare = np.flatnonzero(short & ~covers & (stays["arrived"] >= 0))
    if not 0 <= excess <= len(spare):
        raise ValueError(
            f"The rules give {len(stays)} stays, and {total} cannot be reached: change mean_nights or occupancy"
        )
    gone = spare[np.argsort(np.random.default_rng(seed).random(len(spare)), kind="stable")[:excess]]
    return stays.drop(index=stays.index[gone]).reset_index(drop=True)


def with_census(stays: pd.DataFrame, night: int, occupied: int, places: pd.Series) -> pd.DataFrame:
    """The stays with some arrivals moved by one day, so that `occupied` persons are there on `night`."""
    there = (stays["arrived"] <= night) & (stays["left"] > night)
    excess = int(there.sum()) - occupied
    moved = stays.copy()
    if excess > 0:
        late = stays.index[(stays["arrived"] == night) & (stays["left"] > night + 1)]
        chosen = list(late[:excess])
        moved.loc[chosen, "arrived"] = night + 1
    else:
        early = stays[stays["arrived"] == night + 1]
        room = places.sub(stays[there].groupby("host").size(), fill_value=0)
        fits = early.groupby("host").cumcount().to_numpy() < room.reindex(early["host"]).to_numpy()
        chosen = list(early.index[fits][:-excess])
        moved.loc[chosen, "arrived"] = night
    if len(chosen) != abs(excess):
        raise ValueError(f"The census of the night differs by {excess} persons, more than arrivals can make up for")
    return moved


def occupied(stays: pd.DataFrame, days: int) -> pd.DataFrame:
    """Persons on each night, by host and day 0 .. days-1."""
    change = np.zeros((stays["host"].nunique(), days + 1), dtype=np.int64)
    codes, hosts = pd.factorize(stays["host"], sort=True)
    np.add.at(change, (codes, stays["arrived"].clip(0, days)), 1)
    np.add.at(change, (codes, stays["left"].clip(0, days)), -1)
    return pd.DataFrame(change.cumsum(axis=1)[:, :days], index=pd.Index(hosts, name="host"))


def nights(stays: pd.DataFrame, days: int) -> pd.Series:
    """Nights of each stay inside the days 0 .. days-1."""
    return stays["left"].clip(upper=days) - stays["arrived"].clip(lower=0)


def _of_one_host(places: int, rules: dict[str, Any], days: int, random: np.random.Generator) -> dict[str, list[int]]:
    """Stays at the herberger of one municipality: who is there on day 0, then arrivals as long as there is room."""
    lengths, level = rules["lengths"], _occupancy(places, rules["occupancy"]) * places
    means = np.array([kind["mean_nights"] for kind in lengths], dtype=float)
    shares = np.array([kind["share"] for kind in lengths], dtype=float)
    season = 1 + rules["season"]["amplitude"] * np.cos(2 * np.pi * (np.arange(days) - rules["season"]["peak"]) / days)
    rates = _offered(level, places) / (shares @ means) * season
    arriving = poisson.ppf(random.random(days), rates).astype(int)
    # Who is there on a given day is there in proportion to the length of the stay.
    present = min(places, round(level * rules["first_day"]))
    there = _pick(shares * means, random.random(present))
    arrived = [-1 - _exponential(means[kind], random) for kind in there]
    left = [1 + _exponential(means[kind], random) for kind in there]
    for day in range(days):
        free = places - sum(1 for leaving in left if leaving > day)
        for kind in _pick(shares, random.random(arriving[day]))[: max(free, 0)]:
            arrived.append(day)
            left.append(day + 1 + _exponential(means[kind], random))
    return {"arrived": arrived, "left": left}


def _occupancy(places: int, rules: dict[str, float]) -> float:
    """Mean share of the places that are occupied: higher where there are more to share."""
    return min(rules["of_30_places"] + rules["per_doubling"] * float(np.log2(places / 30)), rules["at_most"])


def _offered(carried: float, places: int) -> float:
    """The load (arrivals a day x mean nights) that keeps this many places occupied, by Erlang's loss formula."""

    def short_of(load: float) -> float:
        refused = poisson.pmf(places, load) / poisson.cdf(places, load)
        return load * (1 - refused) - carried

    return float(brentq(short_of, carried, _MOST_OFFERED * places))


def _pick(weights: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.cumsum(weights / weights.sum())[:-1], uniform, side="right")


def _exponential(mean: float, random: np.random.Generator) -> int:
    """Whole nights, exponentially distributed."""
    return int(-mean * np.log1p(-random.random()))
