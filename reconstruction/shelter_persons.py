"""Who the stays at herberger belong to: persons with one stay or several, and the municipality each comes from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reconstruction.shelter_stays import nights

_FITTING_ROUNDS = 300


def with_persons(
    stays: pd.DataFrame, persons: int, regions: dict[str, str], rules: dict[str, Any], seed: int
) -> pd.DataFrame:
    """The stays with a column person (1, 2 ..), such that nobody is in two places and `persons` have a stay.

    Requires host, arrived, left. Whoever is there on the first day is a person of her own; of those who arrive later,
    the right number have been there before, mostly at the same place and not long ago.
    """
    random = np.random.default_rng(seed)
    ordered = stays.sort_values(["arrived", "host", "left"], kind="stable").reset_index(drop=True)
    wanted = _chosen_to_return(ordered["arrived"].to_numpy(), len(ordered) - persons, rules["days_until_usual"], random)
    ways_out: dict[int, list[int]] = {}
    for row, left in enumerate(ordered["left"]):
        ways_out.setdefault(int(left), []).append(row)
    hosts = ordered["host"].tolist()
    outside: dict[str, list[int]] = {host: [] for host in sorted(set(hosts))}
    person = np.zeros(len(ordered), dtype=np.int64)
    number, owed, day = 0, 0, 0
    for row, (host, arrived) in enumerate(zip(hosts, ordered["arrived"], strict=True)):
        # One night at least lies between two stays of a person.
        while day < arrived:
            for gone in ways_out.get(day, []):
                outside[hosts[gone]].append(gone)
            day += 1
        owed += wanted[row]
        before = _someone(outside, host, arrived, ordered["left"], regions, rules, random) if owed > 0 else None
        if before is None:
            number += 1
            person[row] = number
        else:
            owed -= 1
            person[row] = person[before]
    if number != persons:
        raise ValueError(f"The stays became {number} persons, not {persons}: let more of them come back in the rules")
    return ordered.assign(person=person)


def with_homes(
    stays: pd.DataFrame, shares: pd.Series, places: pd.DataFrame, rules: dict[str, Any], days: int, seed: int
) -> pd.DataFrame:
    """The stays with a column home: the municipality that pays, empty for a few.

    Requires person and host; `shares`: use of herberger by municipality of origin; `places`: region and landsdel by
    municipality. Persons are drawn from flows that fit both the use at home and the nights at the host.
    """
    spent = stays.assign(nights=nights(stays, days)).groupby(["person", "host"])["nights"].sum().reset_index()
    main = spent.sort_values(["person", "nights", "host"], ascending=[True, False, True]).drop_duplicates("person")
    flows = _flows(shares, spent.groupby("host")["nights"].sum(), places, rules["attraction"])
    random = np.random.default_rng(seed)
    draws, unknown = random.random(len(main)), random.random(len(main)) < rules["unknown_home_share"]
    cumulated = (flows / flows.sum()).cumsum()
    homes = [
        "" if hidden else shares.index[np.searchsorted(cumulated[host].to_numpy()[:-1], draw, side="right")]
        for host, draw, hidden in zip(main["host"], draws, unknown, strict=True)
    ]
    return stays.assign(home=stays["person"].map(dict(zip(main["person"], homes, strict=True))))


def pseudonyms(persons: pd.Series, seed: int) -> pd.Series:
    """A running number for each person that says nothing about when or where she came."""
    numbers = np.sort(persons.unique())
    mixed = np.argsort(np.random.default_rng(seed).random(len(numbers)), kind="stable") + 1
    return persons.map(dict(zip(numbers, [f"B{place:05d}" for place in mixed], strict=True)))


def _chosen_to_return(arrived: np.ndarray, number: int, usual: float, random: np.random.Generator) -> np.ndarray:
    """Marks the arrivals that are to be returns: a weighted draw, as few can have been there before at first."""
    weight = np.where(arrived > 0, 1 - np.exp(-np.maximum(arrived, 0) / usual), 0.0)
    key = np.log(random.random(len(arrived))) / np.maximum(weight, 1e-12)
    marked = np.zeros(len(arrived), dtype=np.int64)
    marked[np.argsort(-key, kind="stable")[:number]] = 1
    return marked


def _someone(
    outside: dict[str, list[int]],
    host: str,
    day: int,
    left: pd.Series,
    regions: dict[str, str],
    rules: dict[str, Any],
    random: np.random.Generator,
) -> int | None:
    """Takes a former resident from those outside: the row of her last stay; None if there is nobody to take."""
    others = [place for place in outside if place != host and regions[place] == regions[host] and outside[place]]
    pool = outside[host]
    if others and (not pool or random.random() > rules["same_host_share"]):
        sizes = np.array([len(outside[place]) for place in others])
        pool = outside[others[int(np.searchsorted(np.cumsum(sizes), random.random() * sizes.sum(), side="right"))]]
    if not pool:
        return None
    likely = np.cumsum(np.exp(-(day - left.to_numpy()[pool]) / rules["usual_gap"]))
    return pool.pop(int(np.searchsorted(likely, random.random() * likely[-1], side="right")))


def _flows(shares: pd.Series, hosted: pd.Series, places: pd.DataFrame, attraction: dict[str, float]) -> pd.DataFrame:
    """Nights by home (rows) and host (columns), nearer hosts being more likely, fitted to both margins."""
    home, host = places.loc[shares.index], places.loc[hosted.index]
    same_region = home["region"].to_numpy()[:, None] == host["region"].to_numpy()
    same_landsdel = home["landsdel"].to_numpy()[:, None] == host["landsdel"].to_numpy()
    own = shares.index.to_numpy()[:, None] == hosted.index.to_numpy()
    near = np.select(
        [own, same_landsdel, same_region],
        [attraction["own"], attraction["landsdel"], attraction["region"]],
        attraction["elsewhere"],
    )
    table = shares.to_numpy(dtype=float)[:, None] * hosted.to_numpy(dtype=float) * near
    wanted = shares.to_numpy(dtype=float) / shares.sum() * hosted.sum()
    for _ in range(_FITTING_ROUNDS):
        table *= (wanted / table.sum(axis=1))[:, None]
        table *= hosted.to_numpy() / table.sum(axis=0)
    return pd.DataFrame(table, index=shares.index, columns=hosted.index)
