"""How long people stay at herberger, and what limits on stays and Housing First would free.

Lengths are in nights and of single stays; a limit counts the nights of a citizen over all stays in a running year.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from statsmodels.duration.survfunc import SurvfuncRight

from analysis.errors import InputError
from analysis.herberg.use import BUSY, ONE_YEAR, QUIET, covers, spans, window

# The refund counts nights within a year from an admission and begins again after it.
RUNNING_YEAR = 365
DRAWS = 200
SEED = 110
CASES = ("low", "middle", "high")


class LengthOfStay(NamedTuple):
    """Mean length of stay in nights, followed for at most `horizon` nights; `open_share` (0-1) last longer than that.

    `departures` is the number of stays seen to end.
    """

    mean: float
    horizon: float
    open_share: float
    departures: int


class SteadyState(NamedTuple):
    """Places occupied in the long run if arrivals and lengths of stay go on as in the extract.

    `occupied` = `arrivals_per_day` x `length.mean`; `low` and `high` are its 10th and 90th percentile over redrawn
    citizens.
    """

    occupied: float
    low: float
    high: float
    arrivals_per_day: float
    length: LengthOfStay


class _Followed(NamedTuple):
    """Stays as a survival model takes them: nights stayed, whether that was the end, nights before being followed."""

    duration: np.ndarray
    ended: np.ndarray
    entry: np.ndarray
    person: np.ndarray
    recent: np.ndarray


class _Curve(NamedTuple):
    """The share of stays that last longer than each of `times`, known up to `horizon`."""

    times: np.ndarray
    share: np.ndarray
    horizon: float

    def area(self, start: float = 0.0) -> float:
        """Mean nights per stay that fall between `start` and the horizon."""
        edges = np.concatenate(([0.0], self.times, [self.horizon])).clip(start, max(start, self.horizon))
        return float(np.diff(edges) @ np.concatenate(([1.0], self.share)))

    def beyond(self, nights: float) -> float:
        """The share that last longer than so many nights."""
        passed = int(np.searchsorted(self.times, nights, side="right"))
        return float(self.share[passed - 1]) if passed else 1.0


def length_of_stay(stays: pd.DataFrame, kkr: str) -> LengthOfStay | None:
    """Mean length of stay at the herberger of a KKR, or None when the extract does not cover it.

    Requires person, host_kkr, arrived, left, first, last. Kaplan-Meier with delayed entry: a stay that began before
    the window counts only from the night it is first seen (otherwise long stays, which are more often caught, would
    weigh too much), and one still running on the last day counts as lasting longer than seen. The mean is the area
    under the curve up to the longest stay followed, or up to where nobody is left to follow (restricted mean).
    Source: D. Klein and M. Moeschberger, Survival Analysis, 2003, sections 4.5-4.6.
    """
    if not covers(stays, kkr):
        return None
    followed = _followed(stays, kkr)
    return _length(_curve(followed), followed) if len(followed.duration) else None


def steady_state(stays: pd.DataFrame, kkr: str) -> SteadyState | None:
    """Arrivals per day in the latest year x mean length of stay (Little's law), or None when not covered.

    Requires as `length_of_stay`. The interval redraws the citizens with their stays (Poisson bootstrap, fixed seed),
    so that both the number of arrivals and the lengths vary and a citizen's stays are kept together.
    """
    if not covers(stays, kkr):
        return None
    followed = _followed(stays, kkr)
    if not len(followed.duration):
        return None
    covered = window(stays)
    days = min(covered.days, (covered.last - (covered.last - ONE_YEAR)).days)
    length = _length(_curve(followed), followed)
    arrivals = float(followed.recent.sum()) / days
    redrawn = np.random.default_rng(SEED).poisson(1, (DRAWS, followed.person.max() + 1))
    occupied = []
    for draw in redrawn:
        weights = draw[followed.person]
        if weights.any():
            occupied.append((weights * followed.recent).sum() / days * _curve(followed, weights).area())
    low, high = np.quantile(occupied, [QUIET, BUSY])
    return SteadyState(arrivals * length.mean, float(low), float(high), arrivals, length)


def freed_places(
    stays: pd.DataFrame, kkr: str, limits: Sequence[int], leaving: tuple[float, float, float]
) -> pd.DataFrame:
    """Places taken by nights beyond a limit on stays, and the part freed if some of those citizens leave.

    Requires person, host_kkr, arrived, left, first, last. Per citizen a year runs from the first admission known, and
    the first admission or night after its end starts the next; nights are numbered within it over all herberger in
    the extract, also those before the window of a stay that runs into it. Stays that ended before the window are not
    known, so nights beyond a limit are counted too low in the first part of it. Only nights inside the window at
    herberger in the KKR are added up: upper bound = nights beyond the limit / days.

    `leaving`: low, middle and high share (0-1) of those nights that would not be stayed. Returns limit, case
    (upper_bound, low, middle, high), share, places (not rounded); empty when the extract does not cover the KKR.
    Errors: a limit below one day, shares outside 0-1 or not rising.
    """
    if not all(limit >= 1 for limit in limits):
        raise InputError(f"limits must be whole days of at least 1: {', '.join(map(str, limits))}")
    if not (0 <= leaving[0] <= leaving[1] <= leaving[2] <= 1):
        raise InputError(f"leaving must be three rising shares between 0 and 1: {leaving}")
    cases = {"upper_bound": 1.0, **dict(zip(CASES, leaving, strict=True))}
    rows = []
    if covers(stays, kkr):
        hosted = (stays["host_kkr"] == kkr).to_numpy()
        for limit in limits:
            taken = nights_beyond(stays, limit).to_numpy()[hosted].sum() / window(stays).days
            rows += [(limit, case, share, taken * share) for case, share in cases.items()]
    return pd.DataFrame(rows, columns=["limit", "case", "share", "places"]).astype(
        {"limit": int, "case": "str", "share": float, "places": float}
    )


def citizens_beyond(stays: pd.DataFrame, kkr: str, limit: int) -> int:
    """Citizens with nights beyond a limit at herberger in a KKR; requires and counts as `freed_places`."""
    beyond = nights_beyond(stays, limit)
    return int(stays.loc[(beyond > 0) & (stays["host_kkr"] == kkr), "person"].nunique())


def nights_beyond(stays: pd.DataFrame, limit: int) -> pd.Series:
    """The nights of each stay inside the window that lie beyond a limit per citizen and running year.

    Requires and counts as `freed_places`; indexed as `stays`.
    """
    days = window(stays).days
    spanned = spans(stays)
    # The end of the window is the end of what is known; the start is not, since an admission date reaches behind it.
    whole = spanned.assign(person=stays["person"], position=np.arange(len(stays)))
    whole = whole.sort_values(["person", "arrived"], kind="stable")
    beyond = np.zeros(len(stays), dtype=int)
    citizen, year_end, used = None, 0, 0
    for row in whole.itertuples():
        night = row.arrived
        if row.person != citizen:
            citizen, year_end = row.person, night
        while night < row.end:
            if night >= year_end:
                year_end, used = night + RUNNING_YEAR, 0
            until = min(row.end, year_end)
            first_beyond = night + max(limit - used, 0)
            beyond[row.position] += max(0, min(until, days) - max(first_beyond, 0))
            used += until - night
            night = until
    return pd.Series(beyond, index=stays.index, name="nights")


def housing_first(stays: pd.DataFrame, kkr: str, moved_per_year: Sequence[float], limit: int) -> pd.DataFrame:
    """Places freed when so many citizens a year move to a home of their own once a stay has lasted `limit` nights.

    Requires as `length_of_stay`. Freed = moved x remaining mean stay / 365, where the remaining mean stay is that of
    the stays that pass the limit; never more than the places that such stays take after the limit (`long_stay`).
    Assumes that those who move would else have stayed as long as others past the limit, and do not come back.
    Returns moved, limit, remaining (nights, NaN when no stay passes the limit), long_stay (places, mean), places (not
    rounded), capped (bool), one row per number moved; empty when the extract does not cover the KKR.
    Errors: a negative number moved, a limit below one day.
    """
    if limit < 1 or any(moved < 0 for moved in moved_per_year):
        raise InputError(f"housing_first needs a limit of at least 1 day ({limit}) and no negative number moved")
    kinds = {"moved": float, "limit": int, "remaining": float, "long_stay": float, "places": float, "capped": bool}
    rows = []
    if covers(stays, kkr):
        remaining = _remaining(stays, kkr, limit)
        long_stay = _long_stay(stays, kkr, limit)
        for moved in moved_per_year:
            freed = moved * remaining / RUNNING_YEAR if moved and long_stay else 0.0
            rows.append((moved, limit, remaining, long_stay, min(freed, long_stay), freed > long_stay))
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def _followed(stays: pd.DataFrame, kkr: str) -> _Followed:
    hosted = stays[stays["host_kkr"] == kkr]
    covered = window(hosted)
    nights = spans(hosted)
    recent = (hosted["arrived"] >= covered.first) & (hosted["arrived"] > covered.last - ONE_YEAR)
    left = (hosted["left"] - hosted["arrived"]).dt.days
    # Present on the last day means that no departure was seen up to and with that day.
    duration = left.where(nights["departed"], covered.days - 1 - nights["arrived"]).astype(int)
    # One before zero: who is seen from arrival can also leave the same day.
    entry = (-nights["arrived"]).where(nights["arrived"] < 0, -1)
    kept = (duration > entry).to_numpy()
    person = pd.factorize(hosted["person"][kept])[0]
    parts = (duration[kept], nights["departed"][kept].astype(int), entry[kept])
    return _Followed(*(part.to_numpy() for part in parts), person, recent[kept].to_numpy(dtype=int))


def _curve(followed: _Followed, weights: np.ndarray | None = None) -> _Curve:
    drawn = np.ones(len(followed.duration), dtype=bool) if weights is None else weights > 0
    fit = SurvfuncRight(
        followed.duration[drawn],
        followed.ended[drawn],
        entry=followed.entry[drawn],
        freq_weights=None if weights is None else weights[drawn],
    )
    longest = followed.duration[drawn].max()
    emptied = np.flatnonzero(fit.n_risk == fit.n_events)
    # Delayed entry can leave nobody to follow for a while: what comes after is not known, and not zero.
    if emptied.size and fit.surv_times[emptied[0]] < longest:
        end = emptied[0]
        return _Curve(fit.surv_times[:end], fit.surv_prob[:end], float(fit.surv_times[end]))
    return _Curve(fit.surv_times, fit.surv_prob, float(longest))


def _length(curve: _Curve, followed: _Followed) -> LengthOfStay:
    return LengthOfStay(curve.area(), curve.horizon, curve.beyond(curve.horizon), int(followed.ended.sum()))


def _remaining(stays: pd.DataFrame, kkr: str, limit: int) -> float:
    followed = _followed(stays, kkr)
    if not len(followed.duration):
        return float("nan")
    curve = _curve(followed)
    past = curve.beyond(limit) if limit < curve.horizon else 0.0
    return curve.area(limit) / past if past else float("nan")


def _long_stay(stays: pd.DataFrame, kkr: str, limit: int) -> float:
    """Places taken, as a mean over the window, by stays that have lasted `limit` nights or more."""
    hosted = stays[stays["host_kkr"] == kkr]
    nights = spans(hosted)
    from_limit = nights["start"].clip(lower=nights["arrived"] + limit)
    return float((nights["end"] - from_limit).clip(lower=0).sum() / window(hosted).days)
