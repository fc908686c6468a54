"""Forecasts: intervals that hold what they promise, a fair backtest, and a reason where there is no forecast."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis.errors import InputError
from analysis.herberg import forecast, sentences

# Nothing of statsmodels may leak: a warning is a failed test.
pytestmark = pytest.mark.filterwarnings("error")

FIRST = {"Y": "2001", "Q": "2015Q1", "M": "2016-01"}
PER_YEAR = {"Y": 1, "Q": 4, "M": 12}


def series(values, frequency="M"):
    periods = pd.period_range(FIRST[frequency], periods=len(values), freq=frequency)
    return pd.Series(np.asarray(values, dtype=float), index=periods)


def wandering(generator, length, frequency="M", slope=0.0, season=8.0):
    """A level around 100 that wanders a little, with scatter, and a season where there are months or quarters."""
    months = np.arange(length)
    level = 100 + slope * months + np.cumsum(generator.normal(0, 1, length)) + generator.normal(0, 3, length)
    per_year = PER_YEAR[frequency]
    return series(level + (season * np.sin(2 * np.pi * months / per_year) if per_year > 1 else 0), frequency)


def arrivals(generator, length, mean=40.0, growth=0.0, frequency="M", dispersion=2.0):
    """Overdispersed counts with a season and an even yearly growth."""
    years = np.arange(length) / PER_YEAR[frequency]
    expected = mean * np.exp(growth * years + 0.3 * np.sin(2 * np.pi * years))
    return series(generator.negative_binomial(expected / (dispersion - 1), 1 / dispersion), frequency)


def covered(draws, horizon, coverage=0.8, **kwargs):
    """The share of unseen figures inside the interval, one figure per drawn series."""
    shares = []
    for drawn in draws:
        rows = forecast.forecast(drawn.iloc[:-horizon], horizon, coverage=coverage, **kwargs).rows.set_index("period")
        shares.append(drawn.iloc[-horizon:].between(rows["low"], rows["high"]).mean())
    return np.array(shares)


def holds(shares, coverage):
    """Whether the coverage drawn is the one promised within two standard errors, and two points for so few data."""
    return abs(shares.mean() - coverage) < 2 * shares.std(ddof=1) / math.sqrt(len(shares)) + 0.02


@pytest.mark.parametrize(("frequency", "length", "horizon"), [("Y", 18, 4), ("Q", 28, 6), ("M", 60, 12)])
@pytest.mark.long
def test_intervals_of_levels_hold_what_they_promise(frequency, length, horizon):
    generator = np.random.default_rng(2028)
    draws = [wandering(generator, length, frequency) for _ in range(60)]
    assert holds(covered(draws, horizon), 0.8)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
@pytest.mark.long
def test_intervals_of_counts_hold_what_they_promise(coverage):
    generator = np.random.default_rng(2031)
    # Hundreds, since whole numbers make the interval of a few wider than asked for.
    draws = [arrivals(generator, 60, mean=400, growth=0.03) for _ in range(100)]
    shares = covered(draws, 12, coverage, counts=True)
    assert holds(shares, coverage)
    # The measure itself: what is promised must not pass for what is not.
    assert not holds(shares, coverage - 0.15)


def test_small_counts_hold_at_least_what_they_promise():
    generator = np.random.default_rng(3)
    draws = [arrivals(generator, 60, mean=1.5, dispersion=1.01) for _ in range(60)]
    assert covered(draws, 12, counts=True).mean() > 0.8


def test_poisson_counts_are_not_taken_for_exact():
    generator = np.random.default_rng(4)
    draws = [series(generator.poisson(50, 48)) for _ in range(60)]
    assert holds(covered(draws, 12, counts=True), 0.82)


@pytest.mark.parametrize("counts", [True, False])
def test_a_known_season_and_level_are_found(counts):
    generator = np.random.default_rng(5)
    rows = forecast.forecast(arrivals(generator, 96, mean=200, dispersion=1.2), 12, counts=counts).rows
    expected = 200 * np.exp(0.3 * np.sin(2 * np.pi * np.arange(96, 108) / 12))
    assert (rows["mean"] / expected).between(0.85, 1.15).all()
    assert rows["mean"].idxmax() in (2, 3, 4)


def test_names_of_methods_say_whether_there_is_a_season():
    generator = np.random.default_rng(6)
    assert forecast.forecast(wandering(generator, 36), 3).method == "niveau med dæmpet udvikling og sæson"
    assert forecast.forecast(wandering(generator, 9, "Y"), 3).method == "niveau med dæmpet udvikling"
    many, few = arrivals(generator, 36, mean=20), arrivals(generator, 36, mean=2)
    assert forecast.forecast(many, 3, counts=True).method == "Poisson-regression med dæmpet udvikling og sæson"
    assert forecast.forecast(few, 3, counts=True).method == "Poisson-regression med dæmpet udvikling"


def test_a_month_without_events_does_not_stop_the_counts():
    values = np.tile([30.0] * 6 + [0.0] + [30.0] * 5, 4)
    found = forecast.forecast(series(values), 12, counts=True)
    assert found.usable
    assert found.method == "Poisson-regression med dæmpet udvikling"
    assert found.rows["mean"].to_numpy() == pytest.approx(27.5, abs=3)


@pytest.mark.parametrize("counts", [True, False])
def test_an_even_growth_goes_on_but_dies_away(counts):
    growing = 1000 + 100 * np.arange(14) if not counts else np.round(1000 * 1.05 ** np.arange(14))
    rows = forecast.forecast(series(growing, "Y"), 30, counts=counts).rows
    steps = np.diff(np.r_[growing[-1], rows["mean"]])
    assert (steps > 0).all()
    assert steps[-1] < steps[0] / 20
    last = growing[-1] - growing[-2]
    # A geometric series: never more than five or six years of the development that was.
    assert rows["mean"].iloc[-1] - growing[-1] < 1.5 * last * forecast.DAMPING / (1 - forecast.DAMPING)


def test_a_month_is_damped_as_a_twelfth_of_a_year():
    monthly = forecast._damped(12, forecast.RHYTHMS["M"])
    assert monthly[-1] / 12 == pytest.approx(np.mean(forecast.DAMPING ** (np.arange(1, 13) / 12)))
    assert forecast._damped(1, forecast.RHYTHMS["Y"])[0] == forecast.DAMPING


@pytest.mark.parametrize("counts", [True, False])
def test_intervals_widen_with_the_horizon(counts):
    generator = np.random.default_rng(8)
    level = series(generator.poisson(400, 60)) if counts else wandering(generator, 60)
    rows = forecast.forecast(level, 36, counts=counts).rows
    # Whole years, so that season plays no part.
    by_year = (rows["high"] - rows["low"]).to_numpy().reshape(3, 12).mean(axis=1)
    assert by_year[0] < by_year[1] < by_year[2]


@pytest.mark.parametrize("counts", [True, False])
def test_a_higher_coverage_is_a_wider_interval(counts):
    drawn = arrivals(np.random.default_rng(9), 48)
    narrow, wide = (forecast.forecast(drawn, 6, coverage=share, counts=counts) for share in (0.5, 0.95))
    assert (narrow.coverage, wide.coverage) == (0.5, 0.95)
    assert (wide.rows["low"] < narrow.rows["low"]).all()
    assert (wide.rows["high"] > narrow.rows["high"]).all()
    assert wide.rows["mean"].tolist() == narrow.rows["mean"].tolist()


@pytest.mark.parametrize("counts", [True, False])
def test_the_same_series_gives_the_same_forecast_in_any_order(counts):
    drawn = arrivals(np.random.default_rng(10), 40)
    one, other = (forecast.forecast(rows, 8, counts=counts).rows for rows in (drawn, drawn.sample(frac=1)))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    "frequency_and_next", [("Y", "2013", 12), ("Q", "2018Q1", 12), ("M", "2019-01", 36)], ids=lambda case: case[0]
)
def test_the_periods_follow_the_series(frequency_and_next):
    frequency, following, length = frequency_and_next
    rows = forecast.forecast(wandering(np.random.default_rng(11), length, frequency), 3).rows
    assert rows.columns.tolist() == ["period", "mean", "low", "high"]
    assert rows["period"].tolist() == [pd.Period(following, frequency) + ahead for ahead in range(3)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", [True, False])
def test_huge_figures_are_figures(counts, seed):
    huge = (wandering(np.random.default_rng(seed), 48) * 1e9).round()
    rows = forecast.forecast(huge, 6, counts=counts).rows
    assert len(rows) == 6
    assert rows["mean"].between(huge.min() * 0.8, huge.max() * 1.2).all()
    assert (rows["high"] - rows["low"] > 2e9).all()


def test_the_unit_of_a_level_does_not_matter():
    drawn = wandering(np.random.default_rng(13), 40)
    small, large = (forecast.forecast(drawn * unit, 6).rows.set_index("period") / unit for unit in (1, 1e9))
    pd.testing.assert_frame_equal(small, large, rtol=1e-4)


@pytest.mark.parametrize("frequency", ["Y", "Q", "M"])
@pytest.mark.parametrize("level", [0.0, 7.0, 1e9])
def test_a_constant_level_goes_on(frequency, level):
    found = forecast.forecast(series([level] * 40, frequency), 5)
    assert found.usable
    assert (found.rows[["mean", "low", "high"]] == level).all(axis=None)


def test_constant_counts_are_still_counts():
    rows = forecast.forecast(series([9.0] * 40), 5, counts=True).rows
    assert rows["mean"].to_numpy() == pytest.approx(9)
    assert (rows["low"] < 7).all()
    assert (rows["high"] > 11).all()


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize(
    "values",
    [
        [40.0] * 20 + [0.0] * 20,
        [0.0, 0.0, 3.0, 1.0] * 10,
        np.maximum(60 - 2 * np.arange(40), 0),
        [5.0] * 39 + [6.0],
        [1000.0 if month == 17 else 1.0 for month in range(40)],
    ],
    ids=["stops", "many zeros", "falls to zero", "nearly constant", "one spike"],
)
def test_no_figure_falls_below_zero_or_outside_its_interval(values, counts):
    found = forecast.forecast(series(values), 24, counts=counts)
    assert found.usable
    assert (found.rows["low"] >= 0).all()
    assert (found.rows["low"] <= found.rows["mean"]).all()
    assert (found.rows["mean"] <= found.rows["high"]).all()
    assert np.isfinite(found.rows[["mean", "low", "high"]]).all(axis=None)


def without(position, length=40):
    return series(range(length)).drop(series(range(length)).index[position])


@pytest.mark.parametrize(
    ("rows", "counts", "reason"),
    [
        (series([]), False, "der er ingen tal"),
        (series([1.0], "Y"), False, "der er kun tal for 1 år, og der skal mindst 8 til"),
        (series([1.0, 2.0], "Y"), False, "der er kun tal for 2 år, og der skal mindst 8 til"),
        (series(range(8), "Q"), False, "der er kun tal for 8 kvartaler, og der skal mindst 12 til"),
        (series(range(24)), False, "der er kun tal for 24 måneder, og der skal mindst 36 til"),
        (series(range(24)), True, "der er kun tal for 24 måneder, og der skal mindst 36 til"),
        (series([1.0]), True, "der er kun tal for 1 måned, og der skal mindst 36 til"),
        (without(14), False, "der mangler tal for marts 2017"),
        (without([14, 15]), False, "der mangler tal for marts 2017 og 1 måned mere"),
        (without([14, 15, 20]), True, "der mangler tal for marts 2017 og 2 måneder mere"),
        (series([1.0, math.nan] + [1.0] * 12, "Q"), False, "der mangler tal for 2. kvartal 2015"),
        (series([1.0, math.inf] + [1.0] * 12, "Y"), False, "der mangler tal for 2002"),
        (series([1.0, -2.0] + [1.0] * 12, "Y"), False, "tallet er negativt i 2002"),
        (series([1.0, 2.5] + [1.0] * 12, "Y"), True, "antallet er ikke et helt tal i 2002"),
        (series([0.0] * 40), True, "der er ingen tilfælde i nogen af perioderne"),
        (series([1.0] + [0.0] * 39), True, "der er kun 1 tilfælde i alt, og der skal mindst 20 til"),
        (series([0.0] * 33 + [40.0] * 3), True, "udviklingen i tallene er for voldsom til at føre videre"),
        (series([300.0] + [0.0] * 11, "Y"), True, "beregningen finder ingen løsning for disse tal"),
    ],
)
def test_where_there_is_no_forecast_the_reason_is_said(rows, counts, reason):
    found = forecast.forecast(rows, 4, counts=counts)
    assert not found.usable
    assert found.reason == reason
    assert found.rows.empty
    assert found.rows.columns.tolist() == ["period", "mean", "low", "high"]
    assert forecast.backtest(rows, 4, counts=counts).empty


def test_a_search_without_an_end_is_a_reason_and_not_a_warning(monkeypatch):
    monkeypatch.setattr(forecast, "MOST_ITERATIONS", 1)
    found = forecast.forecast(wandering(np.random.default_rng(14), 40), 4)
    assert not found.usable
    assert found.reason == "beregningen finder ingen løsning for disse tal"


@pytest.mark.parametrize(
    ("rows", "horizon", "coverage", "message"),
    [
        (pd.Series(range(2010, 2025), index=range(2010, 2025)), 3, 0.8, "PeriodIndex"),
        (pd.Series(1.0, index=pd.period_range("2020-01-01", periods=99, freq="D")), 3, 0.8, "PeriodIndex"),
        (pd.concat([series(range(40)), series(range(1))]), 3, 0.8, "2016-01 is twice"),
        (series(range(40)), 0, 0.8, "horizon"),
        (series(range(40)), 3, 80, "coverage must lie between 0 and 1: 80"),
    ],
)
def test_what_makes_no_sense_is_an_error(rows, horizon, coverage, message):
    for function in (forecast.forecast, forecast.backtest):
        with pytest.raises(InputError, match=message):
            function(rows, horizon, coverage=coverage)


def test_the_backtest_is_what_one_would_have_done_at_each_origin():
    drawn = wandering(np.random.default_rng(15), 13, "Y", slope=4)
    tested = forecast.backtest(drawn, 3).set_index("method")
    errors, inside, naive_errors = [], [], []
    for origin in (8, 9, 10):
        rows, actual = forecast.forecast(drawn.iloc[:origin], 3).rows, drawn.iloc[origin : origin + 3].to_numpy()
        errors += (rows["mean"] - actual).abs().tolist()
        inside += [low <= figure <= high for low, figure, high in zip(rows["low"], actual, rows["high"], strict=True)]
        naive_errors += abs(actual - drawn.iloc[origin - 1]).tolist()
    own, naive = tested.loc["niveau med dæmpet udvikling"], tested.loc["naiv: som det seneste år"]
    assert own["mean_absolute_error"] == pytest.approx(np.mean(errors))
    assert naive["mean_absolute_error"] == pytest.approx(np.mean(naive_errors))
    assert own["relative_to_naive"] == pytest.approx(np.mean(errors) / np.mean(naive_errors))
    assert naive["relative_to_naive"] == 1
    assert own["covered"] == pytest.approx(np.mean(inside) * 100)
    assert (tested[["horizon", "origins"]] == 3).all(axis=None)
    assert (tested["expected_coverage"] == 80).all()


def test_the_naive_forecast_is_the_same_month_last_year_with_its_own_errors():
    known = series(np.r_[np.arange(36.0), np.arange(36.0, 48.0) + 5])
    rows = forecast._naive(known.iloc[:-12], known.iloc[-12:], 0.8)
    assert rows["mean"].tolist() == list(range(24, 36))
    assert (rows["high"] - rows["mean"] == 12).all()
    two_years = forecast._naive(known.iloc[:-24], known.iloc[-24:], 0.8)
    assert two_years["mean"].tolist() == [*range(12, 24)] * 2
    assert (two_years["high"] - two_years["mean"]).iloc[-1] == pytest.approx(12 * math.sqrt(2))


@pytest.mark.parametrize(("frequency", "length", "horizon"), [("Y", 16, 3), ("Q", 32, 4), ("M", 72, 12)])
def test_a_development_beats_the_naive_forecast(frequency, length, horizon):
    slope = {"Y": 6.0, "Q": 1.5, "M": 1.0}[frequency]
    tested = forecast.backtest(wandering(np.random.default_rng(16), length, frequency, slope), horizon)
    assert tested["relative_to_naive"].iloc[0] < 0.8
    assert tested["relative_to_naive"].iloc[1] == 1


def test_growing_counts_beat_the_naive_forecast():
    tested = forecast.backtest(arrivals(np.random.default_rng(17), 72, mean=100, growth=0.1), 12, counts=True)
    assert tested["method"].tolist() == [
        "Poisson-regression med dæmpet udvikling og sæson",
        "naiv: som samme måned året før",
    ]
    assert tested["relative_to_naive"].iloc[0] < 0.8


@pytest.mark.long
def test_a_pure_random_walk_is_not_said_to_be_beaten():
    generator = np.random.default_rng(18)
    walks = [series(1000 + np.cumsum(generator.normal(0, 10, 24)), "Y") for _ in range(6)]
    ratios = [forecast.backtest(walk, 3)["relative_to_naive"].iloc[0] for walk in walks]
    assert 0.9 < np.mean(ratios) < 1.3


def test_long_series_are_tested_at_a_stride_that_holds_the_latest_origin():
    drawn = arrivals(np.random.default_rng(19), 91)
    tested = forecast.backtest(drawn, 12, counts=True)
    assert tested["origins"].iloc[0] == 22
    spoiled = drawn.where(drawn.index < drawn.index[-1], 100_000)
    assert forecast.backtest(spoiled, 12, counts=True)["mean_absolute_error"].iloc[1] > 300


def test_too_few_origins_are_no_backtest():
    drawn = wandering(np.random.default_rng(20), 12, "Y")
    assert forecast.backtest(drawn, 2)["origins"].tolist() == [3, 3]
    empty = forecast.backtest(drawn, 3)
    assert empty.empty
    assert empty.columns.tolist() == forecast.BACKTEST
    assert empty["covered"].dtype == "float64"


def frame_with(relative, covers, origins=12):
    shared = {"horizon": 12, "origins": origins, "mean_absolute_error": 1.0, "expected_coverage": 80.0}
    return pd.DataFrame(
        [
            {"method": "naiv: som samme måned året før", **shared, "relative_to_naive": 1.0, "covered": 70.0},
            {"method": forecast.LEVEL, **shared, "relative_to_naive": relative, "covered": covers},
        ]
    )


@pytest.mark.parametrize(
    ("relative", "words"),
    [
        (0.75, "ramte metoden bedre end den naive fremskrivning: fejlen var 25\u00a0pct. mindre."),
        (0.97, "ramte metoden omtrent lige så godt som den naive fremskrivning."),
        (1.04, "ramte metoden omtrent lige så godt som den naive fremskrivning."),
        (1.306, "ramte metoden dårligere end den naive fremskrivning: fejlen var 31\u00a0pct. større."),
    ],
)
def test_words_on_the_error(relative, words):
    assert sentences.tried(frame_with(relative, 80)).startswith(
        f"Afprøvet fra 12 tidspunkter i fortiden {words} Intervallet"
    )


@pytest.mark.parametrize(
    ("covers", "words"),
    [
        (62.4, "indeholdt 62\u00a0pct. af de faktiske tal og skulle indeholde 80\u00a0pct.: det er for smalt, og"),
        (74.0, "indeholdt 74\u00a0pct. af de faktiske tal og skulle indeholde 80\u00a0pct.: det holder omtrent, hvad"),
        (98.0, "indeholdt 98\u00a0pct. af de faktiske tal og skulle indeholde 80\u00a0pct.: det er for bredt, og"),
    ],
)
def test_words_on_the_interval(covers, words):
    said = sentences.tried(frame_with(0.9, covers))
    assert words in said
    assert "så få" not in said


def test_words_on_little_and_on_nothing():
    assert sentences.tried(frame_with(0.9, 80, origins=4)).endswith(
        "Med så få tidspunkter er afprøvningen selv usikker."
    )
    assert "kan ikke afprøves" in sentences.tried(forecast.backtest(series(range(20)), 12))
    assert "er de samme" in sentences.tried(forecast.backtest(series([5.0] * 60), 12))


# A forecast as the years of a scenario


def test_a_path_by_year_begins_with_the_latest_whole_year_and_ends_flat():
    months = pd.period_range("2020-01", "2024-06", freq="M")
    series = pd.Series(100 + np.arange(len(months)) % 12, index=months, dtype=float)
    found = forecast.forecast(series, forecast.periods_until(series, 2026))
    assert len(found.rows) == 30, "through December 2026"
    path = forecast.yearly_path(series, found, 2028)
    assert list(path["year"]) == [2023, 2024, 2025, 2026, 2027, 2028]
    first = path.iloc[0]
    assert first["low"] == first["mean"] == first["high"] == pytest.approx(series["2023"].mean())
    # Half of 2024 is seen and certain, half is forecast.
    ahead = found.rows[found.rows["period"].dt.year == 2024]
    assert path["high"].iloc[1] == pytest.approx((series["2024"].sum() + ahead["high"].sum()) / 12)
    assert path.iloc[4][["low", "mean", "high"]].tolist() == path.iloc[3][["low", "mean", "high"]].tolist()


def test_there_is_no_path_without_a_forecast():
    months = pd.period_range("2023-01", "2024-12", freq="M")
    series = pd.Series(100.0, index=months)
    found = forecast.forecast(series, 12)
    assert not found.usable
    assert "2 års tal" in found.reason or "24 måneder" in found.reason, found.reason
    assert forecast.yearly_path(series, found, 2031) is None


def test_a_forecast_reaches_at_least_a_year():
    quarters = pd.Series(1.0, index=pd.period_range("2020Q1", "2024Q4", freq="Q"))
    assert forecast.periods_until(quarters, 2028) == 16
    assert forecast.periods_until(quarters, 2024) == 4
    assert forecast.periods_until(quarters.head(0), 2024) == 4
