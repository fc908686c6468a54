"""Adding figures up so that what is missing, provisional or reconstructed follows them into the sum."""

import numpy as np
import pandas as pd

from analysis import areas
from analysis.rows import FINAL, MISSING, NOT_APPLICABLE, ORIGINS, PROVISIONAL


def added(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sums of `value` over `keys`; a sum with a missing member is missing, and origin is the weakest.

    Requires value, status, origin; returns keys with value, status, origin.
    """
    absent = frame["value"].isna()
    work = frame[keys].assign(
        value=frame["value"].fillna(0.0),
        absent=absent,
        provisional=frame["status"].astype("str") == PROVISIONAL,
        weakest=_origin_rank(frame["origin"]),
    )
    # Not by `agg` with a name each, which takes twice as long, and a build adds up forty times.
    grouped = work.groupby(keys, observed=True, sort=True)
    sums = grouped[["absent", "provisional", "weakest"]].max()
    sums["value"] = grouped["value"].sum().mask(sums["absent"])
    sums["status"] = _status(sums["absent"], sums["provisional"])
    sums["origin"] = np.asarray(ORIGINS, dtype=object)[sums["weakest"]]
    return sums.reset_index()[[*keys, "value", "status", "origin"]]


def with_summed_areas(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Municipal amounts together with the country, groups and regions summed from those of them that have one.

    Requires area_code, `keys`, value, status, origin, one row per municipality and key; returns the same with an empty
    `note`. How much of an area its sum is of, `figures.coverage` tells.
    """
    inside = _inside(frame)
    sums = added(inside[inside["value"].notna()], ["area_code", *keys])
    nobody = added(inside[inside["value"].isna()], ["area_code", *keys])
    sums = pd.concat([sums, nobody]).drop_duplicates(["area_code", *keys])
    return pd.concat([frame, sums.sort_values(["area_code", *keys])], ignore_index=True).assign(note="")


def whole_areas(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The sums of areas alone; one with a missing member is missing, for what is only had of the whole area."""
    return added(_inside(frame), ["area_code", *keys])


def rates(numerator: pd.DataFrame, denominator: pd.DataFrame, keys: list[str], scale: float = 1.0) -> pd.DataFrame:
    """Rates of municipalities and of areas as the sum over the sum of the members that have both.

    Both frames: area_code (municipalities), `keys`, value, status, origin. Returns area_code, keys, value, status,
    origin and an empty note. A denominator of zero is not applicable.
    """
    pairs = numerator.merge(denominator, on=["area_code", *keys], suffixes=("", "_below"))
    own = pairs.assign(aggregate=pairs["area_code"])
    work = pd.concat([own, pairs.merge(_membership(), on="area_code")], ignore_index=True)
    usable = work["value"].notna() & work["value_below"].notna()
    ranks = np.maximum(_origin_rank(work["origin"]), _origin_rank(work["origin_below"]))
    provisional = (work[["status", "status_below"]].astype("str") == PROVISIONAL).any(axis=1)
    work = work.assign(
        above=work["value"].where(usable),
        below=work["value_below"].where(usable),
        usable=usable,
        # A member left out does not decide what the others rest on.
        weakest=np.where(usable, ranks, 0),
        weakest_of_all=ranks,
        provisional=provisional & usable,
    )
    grouped = work.groupby(["aggregate", *keys], observed=True)
    sums = grouped[["above", "below"]].sum()
    sums = sums.join(grouped[["usable", "provisional", "weakest", "weakest_of_all"]].max())
    sums["value"] = (sums["above"] / sums["below"].where(sums["below"] > 0) * scale).where(sums["usable"])
    sums["status"] = _status(~sums["usable"], sums["provisional"])
    sums.loc[sums["usable"] & (sums["below"] <= 0), "status"] = NOT_APPLICABLE
    sums["origin"] = np.asarray(ORIGINS, dtype=object)[sums["weakest"].where(sums["usable"], sums["weakest_of_all"])]
    sums = sums.reset_index().rename(columns={"aggregate": "area_code"}).assign(note="")
    return sums[["area_code", *keys, "value", "status", "origin", "note"]]


def _inside(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of municipalities under the code of each area that they are in."""
    inside = frame.merge(_membership(), on="area_code")
    return inside.assign(area_code=inside["aggregate"]).drop(columns="aggregate")


def _membership() -> pd.DataFrame:
    pairs = [(member, area) for area in areas.aggregates() for member in areas.members(area)]
    return pd.DataFrame(pairs, columns=["area_code", "aggregate"])


def _origin_rank(origin: pd.Series) -> np.ndarray:
    return pd.Categorical(origin, categories=ORIGINS).codes


def _status(absent: pd.Series, provisional: pd.Series) -> np.ndarray:
    return np.select([absent, provisional], [MISSING, PROVISIONAL], default=FINAL)
