"""Trends and funnel limits: known series, false alarms at the promised rate, and wording for every branch."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import sentences, trend
from analysis.errors import InputError


def series(values, first=2020, **identity):
    years = range(first, first + len(values))
    return pd.DataFrame({"year": list(years), "value": [float(value) for value in values]}).assign(**identity)


def noise(generator, years, scatter=0.03):
    return series(1e6 * np.exp(generator.normal(0, scatter, years)))


def test_an_exact_exponential_gives_its_rate():
    found = trend.amount_trend(series([100 * 1.05**year for year in range(5)]))
    assert found.usable
    assert found.beyond_chance
    assert (found.rate, found.low, found.high) == pytest.approx((5, 5, 5))
    assert found.years == (2020, 2021, 2022, 2023, 2024)
    assert found.kind == "log_linear"


def test_the_order_of_rows_does_not_matter():
    rows = series([100, 103, 110, 112, 119])
    assert trend.amount_trend(rows.sample(frac=1, random_state=1)) == trend.amount_trend(rows)


@pytest.mark.parametrize("years", [5, 11])
def test_noise_is_rarely_taken_for_a_trend(years):
    generator = np.random.default_rng(2025)
    kept = [not trend.amount_trend(noise(generator, years)).beyond_chance for _ in range(300)]
    assert 0.90 <= np.mean(kept) <= 0.99


def test_a_strong_trend_in_noise_is_found():
    generator = np.random.default_rng(7)
    growing = 1.06 ** np.arange(8)
    found = [
        trend.amount_trend(noise(generator, 8).assign(value=lambda rows: rows["value"] * growing)) for _ in range(50)
    ]
    assert np.mean([one.beyond_chance and one.rate > 0 for one in found]) > 0.95
    assert np.mean([one.low < 6 < one.high for one in found]) > 0.85


def test_no_change_at_all_is_no_trend():
    found = trend.amount_trend(series([100.0] * 5))
    assert found.usable
    assert found.rate == pytest.approx(0)
    assert not found.beyond_chance


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "der er ingen tal"),
        ([100, 101, 102], "der er kun tal for 3 år, og der skal mindst 4 til"),
        ([100, math.nan, 102, 103, 104], "der mangler tal for 2021"),
        ([100, math.nan, math.nan, 103, 104], "der mangler tal for 2021 og 2022"),
        ([100, 0, 102, -3, 104], "tallet er nul eller negativt i 2021 og 2023"),
    ],
)
def test_amounts_that_cannot_be_judged(values, reason):
    found = trend.amount_trend(series(values))
    assert not found.usable
    assert not found.beyond_chance
    assert math.isnan(found.rate)
    assert found.reason == reason


def test_a_year_that_is_not_there_is_missing():
    rows = series([100, 101, 102, 103, 104])
    assert trend.amount_trend(rows[rows["year"] != 2022]).reason == "der mangler tal for 2022"


def test_rows_of_several_series_are_refused():
    mixed = pd.concat([series([1, 2, 3, 4], area_code="101"), series([1, 2, 3, 4], area_code="147")])
    with pytest.raises(InputError, match="of one series; the rows hold area_code 101, 147"):
        trend.amount_trend(mixed)
    with pytest.raises(InputError, match="each year once; 2020 is twice"):
        trend.amount_trend(mixed.drop(columns="area_code"))


# Counts


def people(count, years, growth=1.0):
    return series([count * growth**year for year in range(years)])


def counts(generator, mean, years, dispersion=0.0):
    scatter = generator.gamma(1 / dispersion, dispersion, years) if dispersion else np.ones(years)
    return series(generator.poisson(mean * scatter))


@pytest.mark.parametrize("base", [20, 50_000], ids=["small", "large"])
def test_counts_that_follow_a_trend(base):
    rows = series(np.round(base * 1.1 ** np.arange(11)))
    found = trend.count_trend(rows, people(100_000, 11))
    assert found.kind == "poisson"
    assert found.beyond_chance
    assert found.rate == pytest.approx(10, abs=0.5)
    assert found.low < found.rate < found.high


def test_small_counts_say_little_where_large_ones_are_sure():
    growing = 1.03 ** np.arange(5)
    small = trend.count_trend(series(np.round(10 * growing)), people(1000, 5))
    large = trend.count_trend(series(np.round(100_000 * growing)), people(10_000_000, 5))
    assert not small.beyond_chance
    assert large.beyond_chance
    assert small.high - small.low > 20 * (large.high - large.low)


def test_counts_that_grow_with_the_population_have_no_trend():
    population = people(100_000, 8, growth=1.04)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = trend.count_trend(population.assign(value=lambda rows: rows["value"] / 100), population)
    assert found.usable
    assert found.rate == pytest.approx(0, abs=1e-6)
    assert not found.beyond_chance


def test_overdispersed_counts_get_a_scale_of_their_own():
    rows = series([400, 520, 380, 560, 410, 590, 430, 610])
    wide = trend.count_trend(rows, people(20_000, 8))
    assert wide.kind == "quasi_poisson"
    assert wide.usable
    assert not wide.beyond_chance, "Poisson alone would take this scatter for a trend"


@pytest.mark.parametrize(("mean", "dispersion"), [(8, 0.0), (400, 0.0), (400, 0.05)])
def test_counts_without_a_trend_are_rarely_taken_for_one(mean, dispersion):
    generator = np.random.default_rng(11)
    found = [trend.count_trend(counts(generator, mean, 8, dispersion), people(20_000, 8)) for _ in range(300)]
    judged = [one for one in found if one.usable]
    assert len(judged) == 300
    assert 0.90 <= np.mean([not one.beyond_chance for one in judged]) <= 0.99


@pytest.mark.parametrize(
    ("values", "persons", "reason"),
    [
        ([0] * 5, [1000] * 5, "der er ingen tilfælde i nogen af årene"),
        ([0, 0, 0, 0, 9], [1000] * 5, "der er kun tilfælde i ét af årene"),
        ([4, 5, 6], [1000] * 3, "der er kun tal for 3 år, og der skal mindst 4 til"),
        ([4, 5, math.nan, 6], [1000] * 4, "der mangler tal for 2022"),
        ([4, 5, -1, 6], [1000] * 4, "antallet er negativt i 2022"),
        ([4, 5, 6, 7], [1000, 0, math.nan, 1000], "der mangler folketal for 2021 og 2022"),
        ([4, 5, 6, 7], [1000, 1000, 1000], "der mangler folketal for 2023"),
    ],
)
def test_counts_that_cannot_be_judged(values, persons, reason):
    found = trend.count_trend(series(values), series(persons))
    assert not found.usable
    assert found.reason == reason


@pytest.mark.parametrize("values", [[0, 0, 0, 1, 1], [1, 0, 0, 0, 1], [0, 0, 0, 2, 300], [3, 0, 0, 0, 0, 0, 1]])
def test_counts_with_many_zeros_end_in_figures_or_a_reason(values):
    found = trend.count_trend(series(values), series([5000] * len(values)))
    assert found.usable == (found.reason == "")
    if found.usable:
        assert all(map(math.isfinite, (found.rate, found.low, found.high)))


# Wording


@pytest.mark.parametrize(
    ("rate", "beyond", "text"),
    [
        (2.0, True, "Stigningen i udgifterne er større end, hvad tilfældige udsving fra år til år forklarer."),
        (-2.0, True, "Faldet i udgifterne er større end, hvad tilfældige udsving fra år til år forklarer."),
        (2.0, False, "Ændringen i udgifterne er ikke større end, hvad tilfældige udsving fra år til år kan forklare."),
        (-2.0, False, "Ændringen i udgifterne er ikke større end, hvad tilfældige udsving fra år til år kan forklare."),
    ],
)
def test_wording_of_a_judged_trend(rate, beyond, text):
    found = trend.Trend("log_linear", (2020, 2021, 2022, 2023), rate, rate - 1, rate + 1, beyond)
    assert trend.wording(found, "udgifterne") == text


def test_wording_of_what_cannot_be_judged():
    found = trend.amount_trend(series([1, 2, 3]))
    assert trend.wording(found, "udgifterne") == (
        "Om udgifterne har ændret sig mere, end tilfældige udsving kan forklare, kan ikke vurderes: "
        "der er kun tal for 3 år, og der skal mindst 4 til."
    )


def test_wording_follows_the_data():
    assert trend.wording(trend.amount_trend(series([100, 90, 81, 73])), "antallet").startswith("Faldet i antallet")


def test_key_figures_of_the_edition_can_be_judged(key_figures):
    rows = key_figures.query(
        "indicator == 'expenditure' and population_group == 'voksne' and category == 'i_alt' and variant == 'standard'"
    )
    found = [trend.amount_trend(one) for _, one in rows.groupby("area_code")]
    assert len(found) == rows["area_code"].nunique()
    assert all(one.usable for one in found)


# Funnel limits


def areas(values):
    return pd.Series(values, index=[f"kommune {number}" for number in range(len(values))], dtype=float)


@pytest.mark.parametrize("distribution", ["poisson", "binomial"])
def test_limits_lie_between_the_whole_quantiles_of_scipy(distribution):
    persons = areas([200, 1000, 5000, 60_000, 600_000])
    frame = trend.limits(persons, 25.0, per=1000, distribution=distribution)
    assert list(frame.columns) == ["exposure", "low_95", "high_95", "low_998", "high_998"]
    for column, probability in {"low_95": 0.025, "high_95": 0.975, "low_998": 0.001, "high_998": 0.999}.items():
        exact = (
            stats.binom.ppf(probability, persons, 0.025)
            if distribution == "binomial"
            else stats.poisson.ppf(probability, persons * 0.025)
        )
        counted = frame[column] / 1000 * persons
        assert (counted <= exact + 1e-9).all()
        assert (counted >= np.maximum(exact - 1, 0) - 1e-9).all()


def test_limits_interpolate_as_spiegelhalter():
    frame = trend.limits(areas([100]), 0.05)
    whole = stats.poisson.ppf(0.975, 5)
    step = stats.poisson.pmf(whole, 5)
    expected = whole - (stats.poisson.cdf(whole, 5) - 0.975) / step
    assert frame["high_95"].iloc[0] * 100 == pytest.approx(expected)


def test_limits_narrow_smoothly_and_meet_the_normal_ones():
    grid = pd.Series(np.arange(500, 200_000, 250.0))
    frame = trend.limits(grid, 25.0, per=1000)
    assert (frame["high_998"].diff().dropna() < 0).all()
    assert (frame["low_95"].diff().dropna() > 0).all()
    assert ((frame["low_998"] < frame["low_95"]) & (frame["high_95"] < frame["high_998"])).all()
    far = frame.iloc[-1]
    assert far["high_95"] == pytest.approx(25 + 1.96 * math.sqrt(25 * 1000 / far["exposure"]), rel=0.002)


def test_areas_by_chance_alone_lie_inside():
    generator = np.random.default_rng(3)
    persons = areas(generator.integers(2000, 100_000, 5000))
    events = pd.Series(generator.binomial(persons.astype(int), 0.05), index=persons.index)
    frame = trend.control_limits(events, persons, 0.05, distribution="binomial")
    inside = frame["rate"].between(frame["low_95"], frame["high_95"])
    assert inside.mean() == pytest.approx(0.95, abs=0.01)
    assert len(trend.outside(frame)) / 5000 == pytest.approx(0.002, abs=0.002)


def test_areas_outside_are_named():
    persons = areas([10_000, 10_000, 10_000, 10_000])
    frame = trend.control_limits(areas([250, 400, 120, 290]), persons, 25.0, per=1000)
    assert frame.columns[:2].tolist() == ["exposure", "rate"]
    assert frame["rate"].tolist() == [25, 40, 12, 29]
    assert trend.outside(frame).to_dict() == {"kommune 1": "over", "kommune 2": "under"}
    assert frame.loc["kommune 3", "rate"] > frame.loc["kommune 3", "high_95"], "29 lies between the two limits"


def test_a_missing_figure_is_never_outside():
    frame = trend.control_limits(areas([250, math.nan, 9, 9]), areas([10_000, 10_000, 0, math.nan]), 25.0, per=1000)
    assert frame["rate"].isna().tolist() == [False, True, True, True]
    assert frame["high_998"].isna().tolist() == [False, False, True, True]
    assert trend.outside(frame).empty


def test_no_events_in_a_small_area_is_not_outside():
    frame = trend.control_limits(areas([0]), areas([50]), 25.0, per=1000)
    assert frame[["low_95", "low_998"]].to_numpy().tolist() == [[0, 0]]
    assert trend.outside(frame).empty


def test_overdispersion_widens_the_limits():
    generator = np.random.default_rng(5)
    persons = areas(generator.integers(5000, 50_000, 98))
    rates = 0.05 * generator.gamma(20, 1 / 20, 98)
    events = pd.Series(generator.poisson(persons * rates), index=persons.index)
    plain = trend.control_limits(events, persons, 50.0, per=1000)
    wide = trend.control_limits(events, persons, 50.0, per=1000, overdispersed=True)
    factor = trend.dispersion(events, persons, 50.0, per=1000)
    assert factor > 5
    widened = (wide["high_95"] - 50) / (plain["high_95"] - 50)
    assert widened.to_numpy() == pytest.approx(math.sqrt(factor))
    assert len(trend.outside(plain)) > 20 > 5 > len(trend.outside(wide))


def test_the_factor_is_the_winsorised_mean_of_squared_scores():
    scores = np.array([-8.0, -2, -1.5, -1, 0.5, 1, 1.5, 2, 2.5, 9])
    persons = areas([10_000] * 10)
    events = 100 + 10 * pd.Series(scores, index=persons.index)
    pulled_in = np.clip(scores, -2, 2.5)
    assert trend.dispersion(events, persons, 0.01) == pytest.approx(np.mean(pulled_in**2))


def test_less_than_chance_does_not_narrow_the_limits():
    persons = areas([10_000] * 20)
    events = areas([250.0] * 20)
    assert trend.dispersion(events, persons, 25.0, per=1000) == 1
    assert trend.dispersion(events * math.nan, persons, 25.0, per=1000) == 1
    pd.testing.assert_frame_equal(
        trend.control_limits(events, persons, 25.0, per=1000, overdispersed=True),
        trend.control_limits(events, persons, 25.0, per=1000),
    )


@pytest.mark.parametrize(
    ("events", "persons", "rate", "options", "message"),
    [
        ([5], [10], 0.0, {}, "overall rate must be above zero"),
        ([5], [10], math.nan, {}, "overall rate must be above zero"),
        ([-1], [10], 0.5, {}, "kommune 0 has -1 events of 10"),
        ([11], [10], 0.5, {"distribution": "binomial"}, "kommune 0 has 11 events of 10"),
        ([5], [10], 1.5, {"distribution": "binomial"}, "overall rate must be above zero, and below 1 for persons"),
        ([5], [10.5], 0.5, {"distribution": "binomial"}, "whole persons"),
        ([5], [10], 0.5, {"coverage": (0.95, 1.0)}, "coverage must lie between 0 and 1: 1"),
        ([5], [10, 20], 0.5, {}, "same areas, each once: kommune 1"),
    ],
)
def test_limits_that_make_no_sense(events, persons, rate, options, message):
    with pytest.raises(InputError, match=message):
        trend.control_limits(areas(events), areas(persons), rate, **options)


def test_a_rate_above_one_is_allowed_for_events():
    frame = trend.control_limits(areas([30]), areas([10]), 2.5)
    assert frame["rate"].tolist() == [3]
    assert trend.outside(frame).empty


def test_a_funnel_leaves_out_areas_without_figures_and_says_so():
    names = [f"Kommune {letter}" for letter in "ABCDEF"]
    counts = pd.DataFrame({"area": names, "value": [50.0, 55.0, 48.0, 52.0, 51.0, math.nan]})
    people = pd.DataFrame({"area": names[::-1], "value": [5000.0] * 6})
    lying = trend.funnel(counts, people, per=1000)
    assert lying.limits.index.tolist() == names[:5]
    assert lying.rate == pytest.approx(1000 * 256 / 25_000)
    assert lying.outside == []
    said = "Ingen af 5 kommuner (blandt dem, der er tal for) ligger længere fra gennemsnittet"
    assert sentences.far_from_average(lying).startswith(said)
    whole = trend.funnel(counts.fillna({"value": 400.0}), people, per=1000)._replace(outside=names[5:])
    assert sentences.far_from_average(whole).startswith("1 af 6 kommuner ligger længere fra gennemsnittet")
    assert trend.funnel(counts.assign(value=math.nan), people, per=1000) is None


def spread_over(count, slope, scatter, seed=1):
    generator = np.random.default_rng(seed)
    names = [f"{place:03}" for place in range(count)]
    across = pd.Series(generator.uniform(1, 9, count), names)
    return across, 3 + slope * across + generator.normal(0, scatter, count)


def test_a_line_through_municipalities_gives_back_what_made_them():
    exact = trend.relation(*spread_over(20, 2, 0))
    assert (exact.slope, exact.low, exact.high, exact.explained) == pytest.approx((2, 2, 2, 100))
    assert (exact.line["mean"] - 3 - 2 * exact.line["x"]).abs().max() < 1e-9
    across, upright = spread_over(98, -1.5, 1)
    found = trend.relation(across, upright)
    assert found.usable and found.beyond_chance
    assert found.low < -1.5 < found.high < 0
    assert found.explained == pytest.approx(across.corr(upright) ** 2 * 100)
    assert ((found.line["low"] < found.line["mean"]) & (found.line["mean"] < found.line["high"])).all()
    turned = trend.relation(across, upright.sample(frac=1, random_state=2))
    assert turned.slope == pytest.approx(found.slope), "by area, however the rows stand"


def test_figures_that_have_nothing_to_do_with_each_other_are_seldom_found_together():
    found = [trend.relation(*spread_over(30, 0, 1, seed)).beyond_chance for seed in range(200)]
    assert sum(found) / len(found) < 0.08


def test_a_line_through_too_few_municipalities_or_none_that_differ_is_not_drawn():
    across, upright = spread_over(20, 2, 1)
    some = across.where(across.index < f"{trend.FEWEST_AREAS:03}")
    assert trend.relation(some, upright).usable
    few = across.where(across.index < f"{trend.FEWEST_AREAS - 1:03}")
    alike, one_other = across * 0, across.mask(across.index > "000", 5.0)
    for spoilt in (few, alike, one_other, across * np.nan):
        found = trend.relation(spoilt, upright)
        assert not found.usable and not found.beyond_chance
        assert math.isnan(found.slope) and found.line.empty
