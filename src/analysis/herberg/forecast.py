"""Forecasts of a series with intervals, and how well they would have done: never a single figure without its doubt.

Two models, one idea: the development of the data goes on and dies away. Levels (places in use, nights, kroner) get an
unobserved components model, counts of events (arrivals, stays) a Poisson regression. Neither knows of decisions to
come: a new law or a closed herberg belongs in a scenario.
"""

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning
from statsmodels.tsa.statespace.structural import UnobservedComponents

from analysis.danish import number, period
from analysis.errors import InputError


class Rhythm(NamedTuple):
    """What a frequency of periods means: periods a year, fewest periods to forecast from, and Danish names."""

    per_year: int
    fewest: int
    one: str
    several: str
    naive: str


RHYTHMS = {
    "Y": Rhythm(1, 8, "år", "år", "naiv: som det seneste år"),
    "Q": Rhythm(4, 12, "kvartal", "kvartaler", "naiv: som samme kvartal året før"),
    "M": Rhythm(12, 36, "måned", "måneder", "naiv: som samme måned året før"),
}
LEVEL, LEVEL_WITH_SEASON = "niveau med dæmpet udvikling", "niveau med dæmpet udvikling og sæson"
COUNT, COUNT_WITH_SEASON = "Poisson-regression med dæmpet udvikling", "Poisson-regression med dæmpet udvikling og sæson"
# How much of the development of one year is left in the next: a judgement, in the middle of what is usual. On genuine
# municipal series 0.8-0.9 made no difference to speak of; growing ones lose a little by it, wandering ones gain.
DAMPING = 0.85
# The usual rule of thumb for a regression; in simulations month effects began to pay at 100-200 events.
EVENTS_PER_PARAMETER = 10
# A middle this many times the largest figure seen is a model running away, not a forecast.
FARTHEST = 10
MOST_ITERATIONS = 500
FEWEST_ORIGINS, MOST_ORIGINS = 3, 24
BACKTEST = ["method", "horizon", "origins", "mean_absolute_error", "relative_to_naive", "covered", "expected_coverage"]


@dataclass(frozen=True, eq=False)
class Forecast:
    """A forecast by period: `rows` with period, mean, low and high, and the Danish name of the `method`.

    Figures are in the unit of the series; `mean` is the middle of what is likely, never below zero, nor is `low`.
    `coverage` is the share of the actual figures that should fall from low to high. When not `usable`, `rows` is empty
    and `reason` says why, in Danish, without a full stop; scenarios must then do.
    """

    rows: pd.DataFrame
    method: str
    coverage: float
    usable: bool = True
    reason: str = ""


def forecast(series: pd.Series, horizon: int, *, coverage: float = 0.8, counts: bool = False) -> Forecast:
    """The next `horizon` periods of a series of levels, or of `counts` of events.

    Requires numbers by a PeriodIndex of years, quarters or months, none missing and none below zero; counts are whole.
    Too little data, a gap, a negative figure or a failed fit gives a forecast that is not usable, with its reason.
    Season is always part of a monthly or quarterly level, and of counts with events enough to tell the months apart. A
    series that has never changed gets an interval without width: the data hold nothing else.
    Errors: an index that is not of periods or has a period twice, a horizon below 1, a coverage outside 0-1.
    """
    rhythm = _rhythm(series, horizon, coverage)
    ordered = series.sort_index().astype(float)
    reason = _unusable(ordered, rhythm, counts=counts)
    if reason:
        return _none(ordered, coverage, reason)
    return (_count_forecast if counts else _level_forecast)(ordered, horizon, coverage, rhythm)


def backtest(series: pd.Series, horizon: int, *, coverage: float = 0.8, counts: bool = False) -> pd.DataFrame:
    """How `forecast` and the naive forecast would have done on this series, from one origin after another.

    Requires and errors as `forecast`. At each origin only the periods before it are known, at least as many as a
    forecast needs; all `horizon` periods after it are compared. With more than `MOST_ORIGINS` of them only every
    second, third ... is used, the latest always. The naive forecast repeats the latest year, and its interval is what
    its own errors within the known periods were, growing with the root of the years ahead.
    Returns a row per method: method, horizon (periods), origins, mean_absolute_error (unit of the series),
    relative_to_naive (1 is as good as naive, lower is better; nan when naive never errs), covered and expected_coverage
    (pct. of the actual figures inside the interval). Origins overlap, so they tell less than their number says. Empty
    when the series is unusable or has fewer than `FEWEST_ORIGINS` origins.
    """
    rhythm = _rhythm(series, horizon, coverage)
    ordered = series.sort_index().astype(float)
    if _unusable(ordered, rhythm, counts=counts):
        return _tested([])
    possible = range(rhythm.fewest, len(ordered) - horizon + 1)
    stride = max(1, math.ceil(len(possible) / MOST_ORIGINS))
    pairs = []
    # Backwards, so that the latest origin is in whatever the stride.
    for origin in possible[::-1][::stride]:
        known, actual = ordered.iloc[:origin], ordered.iloc[origin : origin + horizon]
        found = forecast(known, horizon, coverage=coverage, counts=counts)
        # Both methods are judged on the same origins, those where the model gave a forecast.
        if found.usable:
            pairs.append((found.method, _errors(found.rows, actual), _errors(_naive(known, actual, coverage), actual)))
    if len(pairs) < FEWEST_ORIGINS:
        return _tested([])
    own, naive = (pd.concat([pair[position] for pair in pairs]) for position in (1, 2))
    shared = {"horizon": horizon, "origins": len(pairs), "expected_coverage": coverage * 100}
    return _tested(
        [
            {"method": method, **shared, **_summary(errors, naive)}
            for method, errors in ((pairs[0][0], own), (rhythm.naive, naive))
        ]
    )


def periods_until(series: pd.Series, year: int) -> int:
    """How many periods a forecast must reach ahead to hold the whole of a year, at least one year of them."""
    per_year = RHYTHMS[_letter(series.index)].per_year
    if series.empty:
        return per_year
    end = pd.Period(str(year), "Y").asfreq(series.index.freq, how="end")
    return max(per_year, (end - series.index[-1]).n)


def yearly_path(series: pd.Series, found: Forecast, last_year: int) -> pd.DataFrame | None:
    """A forecast as a path by year for scenarios: year, low, mean, high, from the latest whole year seen.

    Years beyond the forecast stay as its last whole year: what is not forecast is not let grow. Low and high of a year
    are the means of its periods' limits, which is wider than the year itself would be. None when it is not usable.
    """
    if not found.usable:
        return None
    per_year = RHYTHMS[_letter(series.index)].per_year
    seen = pd.DataFrame({side: series.to_numpy() for side in ("low", "mean", "high")}, index=series.index)
    ahead = found.rows.set_index("period")[["low", "mean", "high"]]
    by_year = pd.concat([seen, ahead]).groupby(lambda one: one.year)
    whole = by_year.mean()[by_year.size() == per_year]
    base = max(year for year in whole.index if pd.Period(str(year), "Y").end_time <= series.index[-1].end_time)
    return whole.reindex(range(base, last_year + 1)).ffill().rename_axis("year").reset_index()


def _level_forecast(series: pd.Series, horizon: int, coverage: float, rhythm: Rhythm) -> Forecast:
    """A level that wanders, an even development and a fixed season, in square roots.

    Chosen against damped exponential smoothing (ETSModel AAdN, AAdA with season) and a local level alone. In 420
    simulated series of 10 years an 80 pct. interval of this model held 77 pct. of the next four figures, that of
    smoothing 42 (62 with t-limits), which takes its level, development and weights as known; in 150 series of 36 months
    it was 81 against 55. On BU43 and on children with a notification (98 municipalities, 8 years known, 3 ahead) it was
    77 and 78 against 34 and 25, with smaller errors. Square roots, so that growth may be in pct. or in kroner, zeros
    are allowed and no limit falls below zero; the middle is therefore the median.
    """
    method = LEVEL_WITH_SEASON if rhythm.per_year > 1 else LEVEL
    if (series == series.iloc[0]).all():
        # Without any scatter there is no likelihood to maximise.
        same = np.full(horizon, series.iloc[0])
        return Forecast(_rows(series, same, same, same), method, coverage)
    roots = np.sqrt(series.to_numpy())
    # In units of the scatter from year to year, since the search for a solution stops short in units far from it.
    centre, unit = roots.mean(), max(np.std(roots[rhythm.per_year :] - roots[: -rhythm.per_year]), np.std(roots) / 100)
    model = UnobservedComponents(
        (roots - centre) / unit,
        level="lldtrend",
        seasonal=rhythm.per_year if rhythm.per_year > 1 else None,
        stochastic_seasonal=False,
        use_exact_diffuse=True,
    )
    with warnings.catch_warnings():
        # Read from the result below, and given as a reason.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Two variances only; a search by gradient gives up now and then where one of them is nearly zero.
        result = model.fit(method="nm", disp=False, maxiter=MOST_ITERATIONS, cov_type="none")
    prediction = result.get_forecast(horizon)
    # The middle is damped, the variance not: how far the development reaches is itself unsure.
    ahead = np.arange(1, horizon + 1)
    middle = prediction.predicted_mean + result.trend.filtered[-1] * (_damped(horizon, rhythm) - ahead)
    # The likelihood counts neither the states nor the variances as estimated, which tells with few years.
    free = len(series) - model.k_states - (len(result.params) - 1)
    spread = np.sqrt(prediction.var_pred_mean * (len(series) - model.k_states) / free)
    width = stats.t.ppf((1 + coverage) / 2, free) * spread
    if not (result.mle_retvals["converged"] and np.isfinite(middle).all() and np.isfinite(width).all()):
        return _none(series, coverage, "beregningen finder ingen løsning for disse tal")
    scaled = (middle, middle - width, middle + width)
    mean, low, high = (np.maximum(root * unit + centre, 0) ** 2 for root in scaled)
    return _within_reason(Forecast(_rows(series, mean, low, high), method, coverage), series)


def _count_forecast(series: pd.Series, horizon: int, coverage: float, rhythm: Rhythm) -> Forecast:
    """A Poisson regression with log link on time and month (or quarter), its scale free above 1 (quasi-Poisson).

    Time runs evenly through the data and ever slower beyond them. The interval is of a negative binomial with the
    variance of single counts (scale x mean) plus that of the estimated mean, which grows with the distance from the
    data. With small counts it holds more than promised, as whole numbers cannot be cut finer. Where the level itself
    wanders (a random walk), it holds less: see `backtest`.
    """
    seasons = _season(series, rhythm)
    method = COUNT_WITH_SEASON if seasons else COUNT
    design = _count_design(len(series), horizon, rhythm, seasons)
    known, ahead = design[: len(series)], design[len(series) :]
    model = sm.GLM(series.to_numpy(), known, family=sm.families.Poisson())
    with warnings.catch_warnings():
        # Counts that lie exactly on the trend are a good fit, not a failed one.
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        # Relative, since the deviance of large counts is itself large.
        result = model.fit(rtol=1e-10)
    if not result.converged or not np.isfinite(result.normalized_cov_params).all():
        return _none(series, coverage, "beregningen finder ingen løsning for disse tal")
    scale = max(1.0, result.pearson_chi2 / result.df_resid)
    mean = np.exp(ahead @ result.params)
    uncertain = np.einsum("ij,jk,ik->i", ahead, result.normalized_cov_params * scale, ahead)
    # As wide as a t-interval would be against a normal one, the scale being estimated too.
    quantile = (1 + coverage) / 2
    wider = (stats.t.ppf(quantile, result.df_resid) / stats.norm.ppf(quantile)) ** 2
    variance = (scale * mean + mean**2 * uncertain) * wider
    distribution = stats.nbinom(mean**2 / (variance - mean), mean / variance)
    # Where nearly all of the distribution is at zero, the mean lies above both quantiles.
    low, high = distribution.ppf(1 - quantile), np.maximum(distribution.ppf(quantile), mean)
    rows = _rows(series, mean, low, high)
    return _within_reason(Forecast(rows, method, coverage), series)


def _damped(horizon: int, rhythm: Rhythm) -> np.ndarray:
    """How many periods of development each period ahead holds, when less and less is left."""
    return np.cumsum(DAMPING ** (np.arange(1, horizon + 1) / rhythm.per_year))


def _season(series: pd.Series, rhythm: Rhythm) -> int:
    """How many months or quarters to tell apart in counts, 0 for none."""
    if rhythm.per_year == 1:
        return 0
    position = np.arange(len(series)) % rhythm.per_year
    enough = series.sum() >= EVENTS_PER_PARAMETER * (rhythm.per_year + 1)
    # A month without any event has no logarithm.
    return rhythm.per_year if enough and (series.groupby(position).sum() > 0).all() else 0


def _count_design(known: int, horizon: int, rhythm: Rhythm, seasons: int) -> np.ndarray:
    # Centred years: time counted from the middle of the data is all but unrelated to the level.
    time = np.arange(known) - (known - 1) / 2
    years = np.concatenate([time, time[-1] + _damped(horizon, rhythm)]) / rhythm.per_year
    columns = [np.ones(known + horizon), years]
    position = np.arange(known + horizon) % max(seasons, 1)
    columns += [(position == season).astype(float) for season in range(1, seasons)]
    return np.column_stack(columns)


def _naive(known: pd.Series, actual: pd.Series, coverage: float) -> pd.DataFrame:
    """The latest year again, with the limits that its own errors so far ask for."""
    per_year = RHYTHMS[_letter(known.index)].per_year
    ahead = np.arange(len(actual))
    middle = known.to_numpy()[-per_year:][ahead % per_year]
    width = known.diff(per_year).abs().quantile(coverage) * np.sqrt(ahead // per_year + 1)
    return _rows(known, middle, np.maximum(middle - width, 0), middle + width)


def _errors(rows: pd.DataFrame, actual: pd.Series) -> pd.DataFrame:
    by_period = rows.set_index("period")
    return pd.DataFrame(
        {"error": (actual - by_period["mean"]).abs(), "inside": actual.between(by_period["low"], by_period["high"])}
    )


def _summary(errors: pd.DataFrame, naive: pd.DataFrame) -> dict[str, float]:
    error, reference = errors["error"].mean(), naive["error"].mean()
    relative = error / reference if reference > 0 else math.nan
    return {"mean_absolute_error": error, "relative_to_naive": relative, "covered": errors["inside"].mean() * 100}


def _rhythm(series: pd.Series, horizon: int, coverage: float) -> Rhythm:
    """What the periods of a series are, once what the caller asks for is seen to make sense."""
    if not isinstance(series.index, pd.PeriodIndex) or _letter(series.index) not in RHYTHMS:
        raise InputError("a forecast needs a series by a PeriodIndex of years (Y), quarters (Q) or months (M)")
    if series.index.has_duplicates:
        twice = series.index[series.index.duplicated()][0]
        raise InputError(f"a forecast needs each period once; {twice} is twice")
    if horizon < 1:
        raise InputError(f"the horizon must be at least one period: {horizon}")
    if not 0 < coverage < 1:
        raise InputError(f"coverage must lie between 0 and 1: {coverage:g}")
    return RHYTHMS[_letter(series.index)]


def _letter(periods: pd.PeriodIndex | pd.arrays.PeriodArray) -> str:
    return periods.freqstr.split("-")[0]


def _unusable(series: pd.Series, rhythm: Rhythm, *, counts: bool) -> str:
    """Why a series cannot be forecast, or nothing."""
    if series.empty:
        return "der er ingen tal"
    whole = series.reindex(pd.period_range(series.index[0], series.index[-1], freq=series.index.freq))
    for wrong, words in (
        (~np.isfinite(whole), "der mangler tal for"),
        (whole < 0, "tallet er negativt i"),
        (counts & (whole % 1 != 0), "antallet er ikke et helt tal i"),
    ):
        if wrong.any():
            return f"{words} {_named(whole.index[wrong])}"
    if len(series) < rhythm.fewest:
        unit = rhythm.one if len(series) == 1 else rhythm.several
        return f"der er kun tal for {number(len(series))} {unit}, og der skal mindst {number(rhythm.fewest)} til"
    if counts and not series.any():
        return "der er ingen tilfælde i nogen af perioderne"
    # Level and development are two parameters.
    fewest = 2 * EVENTS_PER_PARAMETER
    if counts and series.sum() < fewest:
        return f"der er kun {number(series.sum())} tilfælde i alt, og der skal mindst {number(fewest)} til"
    return ""


def _named(periods: pd.PeriodIndex) -> str:
    """The first of some periods in Danish, and how many more there are."""
    name, others, unit = period(periods[0]), len(periods) - 1, RHYTHMS[_letter(periods)]
    return f"{name} og {number(others)} {unit.one if others == 1 else unit.several} mere" if others else name


def _within_reason(found: Forecast, series: pd.Series) -> Forecast:
    bounded = np.isfinite(found.rows[["low", "high"]]).all(axis=None)
    if not bounded or found.rows["mean"].max() > FARTHEST * series.max():
        return _none(series, found.coverage, "udviklingen i tallene er for voldsom til at føre videre")
    return found


def _none(series: pd.Series, coverage: float, reason: str) -> Forecast:
    nothing = np.empty(0)
    return Forecast(_rows(series, nothing, nothing, nothing), "", coverage, usable=False, reason=reason)


def _rows(series: pd.Series, mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> pd.DataFrame:
    """Figures of the periods that follow a series."""
    ahead = len(mean)
    # A series without any periods has no last one to go on from.
    periods = (
        pd.period_range(series.index[-1] + 1, periods=ahead) if ahead else pd.PeriodIndex([], freq=series.index.freq)
    )
    return pd.DataFrame({"period": periods, "mean": mean, "low": low, "high": high})


def _tested(rows: list[dict[str, object]]) -> pd.DataFrame:
    kinds = dict.fromkeys(BACKTEST, "float64") | {"method": "str", "horizon": "int64", "origins": "int64"}
    return pd.DataFrame(rows, columns=BACKTEST).astype(kinds)
