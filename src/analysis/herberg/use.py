"""How herberg places are used: night by night from single stays, by month or quarter from registrations.

A stay covers the nights from `arrived` to the night before `left`; one without `left` still runs on the last day of
the extract. Nights outside the extract's window (`first` to `last`, both included) are never counted.
"""

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from analysis import areas
from analysis.danish import listed
from analysis.errors import InputError

# The middle 80 pct. of the nights lies between the quiet and the busy ones; the same coverage as the forecasts.
QUIET, BUSY = 0.1, 0.9
RARE = 0.99
ONE_YEAR = pd.DateOffset(years=1)
LONGEST_MONTH, SHORTEST_QUARTER = 31, 90
FIGURES = ["arrivals", "departures", "nights", "refusals"]


class Window(NamedTuple):
    """The days an extract of stays covers, both included."""

    first: pd.Timestamp
    last: pd.Timestamp

    @property
    def days(self) -> int:
        """How many days that is."""
        return (self.last - self.first).days + 1


class Level(NamedTuple):
    """Occupied places in the latest year known: `mean`, on `quiet` and on `busy` nights (10th, 90th percentile).

    `first` and `last` are the days it covers, `days` how many of them have figures, and `source` is `stays` or
    `registrations`.
    """

    mean: float
    quiet: float
    busy: float
    first: pd.Timestamp
    last: pd.Timestamp
    days: int
    source: Literal["stays", "registrations"]


def window(stays: pd.DataFrame) -> Window:
    """The days that an extract covers. Requires first, last. Errors: no stays, or stays of several extracts."""
    periods = stays[["first", "last"]].drop_duplicates()
    if len(periods) != 1:
        raise InputError(f"stays must come from one extract with one period; these have {len(periods)}")
    return Window(periods["first"].iloc[0], periods["last"].iloc[0])


def spans(stays: pd.DataFrame) -> pd.DataFrame:
    """Each stay in whole days from the first day of the window (day 0), indexed as `stays`.

    Requires arrived, left, first, last. Returns arrived (negative before the window), start and end (the nights inside
    the window are start..end-1), nights, and departed: whether `left` lies within the days the extract covers. Errors:
    a stay that ends before it starts.
    """
    covered = window(stays)
    arrived = (stays["arrived"] - covered.first).dt.days
    left = (stays["left"] - covered.first).dt.days.fillna(covered.days)
    if (left < arrived).any():
        wrong = stays[left < arrived].iloc[0]
        raise InputError(
            f"Borger {wrong['person']}: opholdet slutter {wrong['left']:%d.%m.%Y}, før det begynder "
            f"{wrong['arrived']:%d.%m.%Y}; ret datoerne i leverancen."
        )
    start = arrived.clip(0, covered.days)
    end = left.clip(0, covered.days)
    spanned = {"arrived": arrived, "start": start, "end": end, "nights": end - start}
    return pd.DataFrame(spanned).astype(int).assign(departed=left < covered.days)


def covers(stays: pd.DataFrame, kkr: str) -> bool:
    """Whether an extract holds the herberger of a KKR; a KKR without a single stay counts as not delivered."""
    return bool((stays["host_kkr"] == kkr).any())


def cluster_order(stays: pd.DataFrame, kkr: str) -> list[str]:
    """The clusters of a KKR that the stays name as host or home, by their lowest municipality code."""
    named = [
        stays.loc[stays[f"{side}_kkr"] == kkr, [f"{side}_cluster", side]].set_axis(["cluster", "municipality"], axis=1)
        for side in ("host", "home")
    ]
    return pd.concat(named).groupby("cluster")["municipality"].min().sort_values(kind="stable").index.tolist()


def census(stays: pd.DataFrame, kkr: str, by: Literal["kkr", "cluster"] = "kkr") -> pd.DataFrame:
    """Occupied places each night of the window at the herberger of a KKR, also nights when nobody was there.

    Requires person, host_kkr, host_cluster, host, home, home_kkr, home_cluster, arrived, left, first, last. Returns
    date, cluster (with by="cluster": those with at least one stay), occupied. Empty when the extract does not cover
    the KKR.
    """
    columns = ["date", "cluster", "occupied"] if by == "cluster" else ["date", "occupied"]
    hosted = stays[stays["host_kkr"] == kkr]
    if hosted.empty:
        kinds = {"date": "datetime64[us]", "cluster": "str", "occupied": int}
        return pd.DataFrame({name: pd.Series(dtype=kinds[name]) for name in columns})
    covered = window(hosted)
    clusters = [one for one in cluster_order(hosted, kkr) if (hosted["host_cluster"] == one).any()]
    if by == "kkr":
        group = np.zeros(len(hosted), dtype=int)
    else:
        group = pd.Categorical(hosted["host_cluster"], categories=clusters).codes.astype(int)
    nights = spans(hosted)
    steps = np.zeros((group.max() + 1, covered.days + 1), dtype=int)
    np.add.at(steps, (group, nights["start"].to_numpy()), 1)
    np.add.at(steps, (group, nights["end"].to_numpy()), -1)
    occupied = steps.cumsum(axis=1)[:, :-1]
    dates = pd.date_range(covered.first, covered.last, name="date")
    if by == "kkr":
        return pd.DataFrame({"date": dates, "occupied": occupied[0]})
    wide = pd.DataFrame(occupied.T, index=dates, columns=pd.Index(clusters, name="cluster", dtype="str"))
    return wide.unstack().rename("occupied").reset_index()[columns]


def occupancy(occupied: pd.Series, places: int) -> pd.Series:
    """How full the places were: mean, p90, p99, max (places), the same with `_pct` (of places), days, days_above.

    `occupied`: places taken on each day. p90 is the lowest number that was not exceeded on 90 pct. of the days. More
    taken than there are places is no error; `days_above` counts those days. Errors: no places.
    """
    if not places > 0:
        raise InputError(f"occupancy needs a number of places above zero: {places}")
    measures = {
        "mean": occupied.mean(),
        "p90": _percentile(occupied, BUSY),
        "p99": _percentile(occupied, RARE),
        "max": float(occupied.max()),
    }
    shares = {f"{name}_pct": value / places * 100 for name, value in measures.items()}
    counts = {"days": len(occupied), "days_above": int((occupied > places).sum())}
    return pd.Series({**measures, **shares, **counts}, dtype=float)


def monthly_use(registrations: pd.DataFrame, kkr: str) -> pd.DataFrame:
    """Use by registered month or quarter, for when there are no single stays, and for following up.

    Requires kkr, area, period, first, days, arrivals, departures, nights, refusals. Returns period, first, days,
    occupied (nights / days), arrivals, departures, mean_stay (nights / arrivals: the mean length of stay when use is
    steady), refusals (NaN unless all that registered gave it), absent. Where some register months and others the
    quarter, the quarter is shown. A municipality that has registered before and is not there, or lacks a month of the
    quarter, makes the period's figures NaN and is named in `absent` (Danish); a closed herberg is registered with 0.
    """
    own = _in_common_periods(registrations[registrations["kkr"] == kkr])
    summed = own.groupby(["first", "period", "days"])[FIGURES].sum(skipna=False).astype(float)
    use = summed.reset_index()
    use["absent"] = pd.Series(_absent(own, use), index=use.index, dtype="str")
    use[FIGURES] = use[FIGURES].where(use["absent"] == "")
    use["occupied"] = use["nights"] / use["days"]
    use["mean_stay"] = use["nights"] / use["arrivals"].where(use["arrivals"] > 0)
    return use[["period", "first", "days", "occupied", "arrivals", "departures", "mean_stay", "refusals", "absent"]]


def occupied_series(use: pd.DataFrame) -> pd.Series:
    """Occupied places by month, or by quarter as soon as some of it is registered by quarter, as a time series.

    Requires first, days, occupied as `monthly_use` returns them. Periods between the first and the last that are not
    there are NaN; so is a quarter that lacks a month.
    """
    quarterly = (use["days"] > LONGEST_MONTH).any()
    periods = pd.PeriodIndex(use["first"], freq="Q" if quarterly else "M")
    by_period = use.assign(nights=use["occupied"] * use["days"]).groupby(periods)
    days = by_period["days"].sum()
    series = by_period["nights"].sum(skipna=False) / days.where(days >= (SHORTEST_QUARTER if quarterly else 1))
    if len(series):
        series = series.reindex(pd.period_range(series.index[0], series.index[-1], freq=series.index.freq))
    return series.rename("occupied")


def level(stays: pd.DataFrame, registrations: pd.DataFrame, kkr: str) -> Level | None:
    """Occupied places in the latest year that stays or registrations tell of, or None when neither covers the KKR.

    Of the two the one that ends last, stays when they end together. Months and quarters count with their days; their
    quiet and busy nights are those of the quiet and busy periods, which is a narrower span than that of single nights.
    """
    nightly = census(stays, kkr)
    periods = monthly_use(registrations, kkr).dropna(subset=["occupied"])
    stays_end = nightly["date"].max()
    periods_end = (periods["first"] + pd.to_timedelta(periods["days"], unit="D")).max() - pd.Timedelta(days=1)
    if not nightly.empty and not periods_end > stays_end:
        latest = nightly[nightly["date"] > stays_end - ONE_YEAR]
        return _level(latest["occupied"], latest["date"].min(), stays_end, "stays")
    if periods.empty:
        return None
    latest = periods[periods["first"] > periods_end - ONE_YEAR]
    return _level(latest["occupied"].repeat(latest["days"]), latest["first"].min(), periods_end, "registrations")


def follow_up(registrations: pd.DataFrame, decisions: pd.DataFrame, kkr: str) -> pd.DataFrame:
    """Registered use against the capacity decided, one row per month or quarter.

    Requires registrations as `monthly_use`; decisions with kkr, cluster, first_year, public_places, other_places.
    Returns period, first, days, occupied, planned, use_pct (of planned), arrivals, departures, refusals, absent.
    A decision holds from its `first_year` until the next one of the cluster; `planned` is NaN until each cluster that
    is decided on has one in force.
    """
    use = monthly_use(registrations, kkr)
    own = decisions[decisions["kkr"] == kkr]
    planned = pd.Series([_planned(own, year) for year in use["first"].dt.year], index=use.index, dtype=float)
    use = use.assign(planned=planned, use_pct=use["occupied"] / planned.where(planned > 0) * 100)
    return use[
        ["period", "first", "days", "occupied", "planned", "use_pct", "arrivals", "departures", "refusals", "absent"]
    ]


def _percentile(occupied: pd.Series, share: float) -> float:
    # A number of places that really were taken, not one interpolated between two nights.
    return float(np.quantile(occupied, share, method="inverted_cdf")) if len(occupied) else float("nan")


def _level(
    occupied: pd.Series, first: pd.Timestamp, last: pd.Timestamp, source: Literal["stays", "registrations"]
) -> Level:
    quiet, busy = _percentile(occupied, QUIET), _percentile(occupied, BUSY)
    return Level(float(occupied.mean()), quiet, busy, first, last, len(occupied), source)


def _in_common_periods(own: pd.DataFrame) -> pd.DataFrame:
    """Registrations with months added up to the quarter where another area has registered that quarter as one.

    A quarter of which an area has not all three months has NaN figures.
    """
    quarter = own["first"].dt.to_period("Q")
    quarterly = own["period"].str.contains("K")
    mixed = ~quarterly & quarter.isin(quarter[quarterly])
    if not mixed.any():
        return own
    groups = own[mixed].groupby(["area", quarter[mixed].rename("quarter")])
    merged = groups[FIGURES].sum(skipna=False).astype(float)
    merged[FIGURES] = merged[FIGURES].where(groups.size() == 3)
    merged = merged.reset_index()
    merged["first"] = merged["quarter"].dt.start_time
    merged["days"] = (merged["quarter"].dt.end_time.dt.normalize() - merged["first"]).dt.days + 1
    merged["period"] = merged["quarter"].dt.strftime("%YK%q")
    return pd.concat([own[~mixed], merged[["area", "period", "first", "days", *FIGURES]]], ignore_index=True)


def _absent(own: pd.DataFrame, use: pd.DataFrame) -> list[str]:
    """For each period the municipalities that it lacks although they have registered, as a Danish list."""
    # A region row stands for all its municipalities, so nobody is absent from it and it does not count as one.
    municipal = own[~own["area"].isin(areas.regions())]
    registered = municipal.groupby("period")["area"].agg(set)
    complete = municipal.dropna(subset=["nights"]).groupby("period")["area"].agg(set)
    seen: set[str] = set()
    named = []
    for period in use["period"]:
        seen |= registered.get(period, set())
        lacking = seen - complete.get(period, set()) if period in registered.index else set()
        named.append(listed([areas.name(code) for code in sorted(lacking)]))
    return named


def _planned(own: pd.DataFrame, year: int) -> float:
    in_force = own[own["first_year"] <= year].sort_values("first_year").groupby("cluster").tail(1)
    if in_force.empty or set(in_force["cluster"]) != set(own["cluster"]):
        return float("nan")
    return float((in_force["public_places"] + in_force["other_places"]).sum())
