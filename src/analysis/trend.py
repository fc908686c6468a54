"""Whether a change is more than chance: trends with statsmodels, said in plain Danish.

Accounts and counts of a whole municipality are no sample; "chance" here is the scatter of the single years around an
even development. Funnel limits (Spiegelhalter, Funnel plots for comparing institutional performance, Statistics in
Medicine 2005) do the same for many areas in one year.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

from analysis.danish import listed, number, reservation, sentence
from analysis.errors import InputError
from analysis.measures import IDENTITY
from analysis.rows import require

Kind = Literal["log_linear", "poisson", "quasi_poisson"]
Distribution = Literal["poisson", "binomial"]
FEWEST_YEARS = 4
# Pearson dispersion above which counts scatter too much for Poisson.
OVERDISPERSED = 1.5
# A trend below this, in pct. per year, is the rounding of the machine and not a change.
NO_CHANGE = 1e-9
WINSORISED = 0.1
# Municipalities that a line is laid through at least.
FEWEST_AREAS = 8
# With all but one alike, the line goes through that one whatever its figure is.
FEWEST_VALUES = 3


@dataclass(frozen=True)
class Trend:
    """An even yearly change: `rate` in pct. per year with its 95 pct. interval from `low` to `high`.

    `beyond_chance` when the interval leaves out zero. When not `usable`, the figures are nan and `reason` says why, in
    Danish.
    """

    kind: Kind
    years: tuple[int, ...]
    rate: float
    low: float
    high: float
    beyond_chance: bool
    usable: bool = True
    reason: str = ""


def amount_trend(rows: pd.DataFrame) -> Trend:
    """The even yearly growth of an amount or a rate: least squares on its logarithm.

    Requires key-figure rows of one series (year, value). Errors: rows of several series, a year twice.
    """
    series = _one_series(rows)
    reason = _unusable(series)
    if not reason and (series <= 0).any():
        years = listed([str(year) for year in series.index[series <= 0]])
        reason = f"tallet er nul eller negativt i {years}"
    if reason:
        return _not_judged("log_linear", series, reason)
    # HC3, not HC1: in 1.500 draws of 4-11 years without a trend HC1 found one in 7-10 pct. of them, HC3 in 2-4 pct.,
    # also when the scatter differed between the years. With so few years it is better to say too little.
    result = sm.OLS(np.log(series.to_numpy()), _design(series)).fit(cov_type="HC3", use_t=True)
    return _judged("log_linear", series, result)


def count_trend(rows: pd.DataFrame, population: pd.DataFrame) -> Trend:
    """The even yearly change of a count per inhabitant: Poisson, with a free scale when the years scatter more.

    Requires key-figure rows of one series of counts (year, value) and of the persons they are counted among (year,
    value). Errors as for `amount_trend`.
    """
    series = _one_series(rows)
    persons = _one_series(population).reindex(series.index)
    reason = _unusable(series)
    if not reason and not (persons > 0).all():
        reason = f"der mangler folketal for {listed([str(year) for year in series.index[~(persons > 0)]])}"
    if not reason and (series < 0).any():
        reason = f"antallet er negativt i {listed([str(year) for year in series.index[series < 0]])}"
    if not reason and (series == 0).all():
        reason = "der er ingen tilfælde i nogen af årene"
    # With cases in a single year at the end, the likelihood has no maximum.
    if not reason and (series > 0).sum() == 1:
        reason = "der er kun tilfælde i ét af årene"
    if reason:
        return _not_judged("poisson", series, reason)
    model = sm.GLM(
        series.to_numpy(), _design(series), family=sm.families.Poisson(), offset=np.log(persons.to_numpy(dtype=float))
    )
    with warnings.catch_warnings():
        # Counts that lie exactly on the trend are a good fit, not a failed one.
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        result = model.fit()
        kind = "quasi_poisson" if result.pearson_chi2 / result.df_resid > OVERDISPERSED else "poisson"
        if kind == "quasi_poisson":
            # A scale from the data with t-based limits, not a negative binomial: in 300 draws of 5-11 years without a
            # trend the maximum likelihood of the latter failed in up to 59 pct. of them and otherwise found a trend in
            # up to 23 pct., because one parameter more from five points takes no uncertainty of its own along.
            result = model.fit(scale="X2", use_t=True)
    if not result.converged or not np.isfinite(result.bse).all():
        return _not_judged(kind, series, "tallene er for få til en beregning")
    return _judged(kind, series, result)


class Relation(NamedTuple):
    """A straight line through municipalities: what one more along the axis goes with, `low` to `high` 95 pct.

    `line`: x, mean, low, high along the axis. `explained`: pct. of the differences upright. When not `usable` there are
    too few municipalities, or they do not differ; the figures are nan then, and the line has no rows.
    """

    slope: float
    low: float
    high: float
    explained: float
    line: pd.DataFrame
    beyond_chance: bool = False
    usable: bool = False


def relation(across: pd.Series, upright: pd.Series) -> Relation:
    """Least squares of one figure on another, both by area; areas without one of them are left out.

    It says that figures go together, neither why nor anything of the persons behind them.
    """
    both = pd.DataFrame({"x": across, "y": upright}).dropna()
    none = Relation(*[math.nan] * 4, pd.DataFrame(columns=["x", "mean", "low", "high"], dtype=float))
    if len(both) < FEWEST_AREAS or both.nunique().min() < FEWEST_VALUES:
        return none
    # HC3: small municipalities scatter more than large ones.
    result = sm.OLS(both["y"], sm.add_constant(both["x"])).fit(cov_type="HC3", use_t=True)
    low, high = map(float, result.conf_int(alpha=0.05).loc["x"])
    places = np.linspace(both["x"].min(), both["x"].max())
    ends = result.get_prediction(sm.add_constant(places)).summary_frame(alpha=0.05)
    line = ends.rename(columns={"mean_ci_lower": "low", "mean_ci_upper": "high"}).assign(x=places)
    return Relation(result.params["x"], low, high, result.rsquared * 100, line, not low <= 0 <= high, usable=True)


def wording(trend: Trend, subject: str) -> str:
    """One Danish sentence on whether a trend is more than chance; `subject` is definite, as `antallet af børn`."""
    if not trend.usable:
        return sentence(
            f"Om {subject} har ændret sig mere, end tilfældige udsving kan forklare, kan ikke vurderes: {trend.reason}"
        )
    if not trend.beyond_chance:
        return f"Ændringen i {subject} er ikke større end, hvad tilfældige udsving fra år til år kan forklare."
    direction = "Stigningen" if trend.rate > 0 else "Faldet"
    return f"{direction} i {subject} er større end, hvad tilfældige udsving fra år til år forklarer."


def control_limits(
    events: pd.Series,
    exposure: pd.Series,
    overall_rate: float,
    coverage: Sequence[float] = (0.95, 0.998),
    *,
    per: float = 1.0,
    distribution: Distribution = "poisson",
    overdispersed: bool = False,
) -> pd.DataFrame:
    """Funnel limits of areas around an overall rate, and where each area lies.

    `events` and `exposure` (persons, places ...) by area; `overall_rate` is events per `per` of exposure.
    `distribution`: binomial when a person counts at most once, Poisson otherwise. With `overdispersed` the limits are
    widened by `dispersion` of these areas. Returns, indexed as `events`: exposure, rate, low_95, high_95, low_998,
    high_998 (named after `coverage`), rates on the scale of `overall_rate`, nan where a figure is missing.
    Errors: other areas in exposure than in events, figures that the distribution does not allow.
    """
    unmatched = events.index.symmetric_difference(exposure.index)
    if len(unmatched) or events.index.has_duplicates:
        raise InputError(
            f"events and exposure must hold the same areas, each once: {', '.join(map(str, unmatched)) or 'repeated'}"
        )
    persons = exposure.reindex(events.index).astype(float)
    cases = events.astype(float)
    wrong = (cases < 0) | ((cases > persons) & (distribution == "binomial"))
    if wrong.any():
        raise InputError(f"{cases.index[wrong][0]} has {cases[wrong].iloc[0]:g} events of {persons[wrong].iloc[0]:g}")
    factor = dispersion(cases, persons, overall_rate, per=per, distribution=distribution) if overdispersed else 1.0
    frame = limits(persons, overall_rate, coverage, per=per, distribution=distribution, factor=factor)
    frame.insert(1, "rate", cases / persons.where(persons > 0) * per)
    return frame


class Funnel(NamedTuple):
    """Limits around the rate of all areas under one (`control_limits`), and the areas that lie outside.

    `reservation`: what a sentence on them must add where some areas are missing.
    """

    limits: pd.DataFrame
    rate: float
    outside: list[str]
    reservation: str


def funnel(counts: pd.DataFrame, people: pd.DataFrame, per: float) -> Funnel | None:
    """Where areas lie around their common rate, persons counted at most once, widened by how far areas lie apart.

    Requires of both area, value of one year; an area that lacks either is left out. None where nobody is counted.
    """
    known = pd.DataFrame({"counts": counts.set_index("area")["value"], "people": people.set_index("area")["value"]})
    whole = known.loc[counts["area"]]
    known = whole.dropna()
    if not known["counts"].sum():
        return None
    rate = per * known["counts"].sum() / known["people"].sum()
    frame = control_limits(known["counts"], known["people"], rate, per=per, distribution="binomial", overdispersed=True)
    return Funnel(frame, rate, outside(frame).index.tolist(), reservation(whole.sum(axis=1, skipna=False)))


def limits(
    exposure: pd.Series,
    overall_rate: float,
    coverage: Sequence[float] = (0.95, 0.998),
    *,
    per: float = 1.0,
    distribution: Distribution = "poisson",
    factor: float = 1.0,
) -> pd.DataFrame:
    """Funnel limits at any exposure, such as a fine grid to draw as lines; columns as `control_limits`, without rate.

    Exact quantiles, interpolated between whole events as Spiegelhalter (2005, appendix A.1.1) does, so that the lines
    do not step. `factor` above 1 moves each limit away from the overall rate by its square root.
    """
    target = overall_rate / per
    if not target > 0 or (distribution == "binomial" and target >= 1):
        raise InputError(f"the overall rate must be above zero, and below {per:g} for persons: {overall_rate:g}")
    persons = exposure.astype(float).where(exposure > 0)
    if distribution == "binomial" and (persons.dropna() % 1 != 0).any():
        raise InputError("exposure must be whole persons when the limits are binomial")
    counts = stats.binom(persons, target) if distribution == "binomial" else stats.poisson(persons * target)
    frame = pd.DataFrame({"exposure": persons})
    for share in coverage:
        if not 0 < share < 1:
            raise InputError(f"coverage must lie between 0 and 1: {share:g}")
        name = f"{share:g}".removeprefix("0.")
        for side, probability in (("low", (1 - share) / 2), ("high", (1 + share) / 2)):
            whole = counts.ppf(probability)
            events = whole - (counts.cdf(whole) - probability) / counts.pmf(whole)
            rate = target + (events / persons - target) * math.sqrt(max(factor, 1.0))
            frame[f"{side}_{name}"] = rate.clip(0, 1 if distribution == "binomial" else None) * per
    return frame


def dispersion(
    events: pd.Series,
    exposure: pd.Series,
    overall_rate: float,
    *,
    per: float = 1.0,
    distribution: Distribution = "poisson",
) -> float:
    """How much more areas vary than chance alone lets them: the mean of squared z-scores, at least 1.

    The lowest and highest tenth of the z-scores are pulled in to the next (winsorised), so that the areas one is
    looking for do not hide themselves by widening the limits.
    """
    target = overall_rate / per
    expected = exposure * target
    variance = expected * (1 - target) if distribution == "binomial" else expected
    scores = ((events - expected) / np.sqrt(variance.where(variance > 0))).dropna()
    if scores.empty:
        return 1.0
    pulled_in = np.asarray(stats.mstats.winsorize(scores.to_numpy(), limits=(WINSORISED, WINSORISED)))
    return max(1.0, float(np.mean(pulled_in**2)))


def outside(frame: pd.DataFrame) -> pd.Series:
    """The areas beyond the outermost limits of `control_limits`: area to `over` or `under`, as the frame is ordered."""
    over = frame["rate"] > frame.filter(like="high_").max(axis=1)
    under = frame["rate"] < frame.filter(like="low_").min(axis=1)
    return pd.Series(np.where(over, "over", "under"), index=frame.index, dtype="str")[over | under]


def _one_series(rows: pd.DataFrame) -> pd.Series:
    """Values by year of rows that are one series."""
    require(rows, ["year", "value"], "a trend")
    for column in IDENTITY:
        held = rows[column].unique() if column in rows.columns else []
        if len(held) > 1:
            raise InputError(f"a trend is of one series; the rows hold {column} {', '.join(held)}")
    if rows["year"].duplicated().any():
        raise InputError(
            f"a trend needs each year once; {rows.loc[rows['year'].duplicated(), 'year'].iloc[0]} is twice"
        )
    return rows.set_index("year")["value"].sort_index().astype(float)


def _unusable(series: pd.Series) -> str:
    """Why a series cannot be judged whatever it counts, or nothing."""
    if series.empty:
        return "der er ingen tal"
    whole = range(int(series.index.min()), int(series.index.max()) + 1)
    absent = [str(year) for year in whole if year not in series.index or math.isnan(series[year])]
    if absent:
        return f"der mangler tal for {listed(absent)}"
    if len(series) < FEWEST_YEARS:
        return f"der er kun tal for {number(len(series))} år, og der skal mindst {number(FEWEST_YEARS)} til"
    return ""


def _design(series: pd.Series) -> np.ndarray:
    # Centred years: 2024 to the power of anything costs precision.
    years = series.index.to_numpy(dtype=float)
    return sm.add_constant(years - years.mean())


def _judged(kind: Kind, series: pd.Series, result: object) -> Trend:
    low, high = np.expm1(result.conf_int(alpha=0.05)[1]) * 100
    rate = math.expm1(result.params[1]) * 100
    beyond = (low > NO_CHANGE or high < -NO_CHANGE) and abs(rate) > NO_CHANGE
    return Trend(kind, _years(series), rate, float(low), float(high), bool(beyond))


def _not_judged(kind: Kind, series: pd.Series, reason: str) -> Trend:
    return Trend(kind, _years(series), math.nan, math.nan, math.nan, beyond_chance=False, usable=False, reason=reason)


def _years(series: pd.Series) -> tuple[int, ...]:
    return tuple(int(year) for year in series.index)
