"""The Erlang loss formula: closed forms, exact fractions, published tables, properties, and a simulation of stays."""

import heapq
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import gammaln, softmax, xlogy

from analysis.errors import InputError
from analysis.herberg.queueing import blocking, offered_load, places_needed

steady = settings(derandomize=True, deadline=None, database=None)

loads = st.floats(0.01, 400)
counts = st.integers(0, 400)
refusals = st.floats(1e-6, 0.99)


def exact(offered, places):
    """B(c, a) from its definition, without rounding."""
    a = Fraction(offered)
    # a^k / k! times the common c! q^c, where a = p / q: whole numbers, last term first.
    common, terms = 1, []
    for k in range(places, -1, -1):
        terms.append(common * a.numerator**k)
        common *= k * a.denominator
    return Fraction(terms[0], sum(terms))


def cut_off_poisson(offered, places):
    """The share of time with 0, 1 ... places occupied; in logarithms, since a float is too short far from the load."""
    occupied = np.arange(places + 1)
    return softmax(xlogy(occupied, offered) - gammaln(occupied + 1))


# Closed forms and tables


@pytest.mark.parametrize("offered", [0.0, 0.01, 0.5, 1.0, 3.7, 90.0, 1e6])
def test_blocking_agrees_with_the_closed_forms_of_few_places(offered):
    a = offered
    assert blocking(a, 0) == 1
    assert blocking(a, 1) == pytest.approx(a / (1 + a), rel=1e-14)
    assert blocking(a, 2) == pytest.approx(a**2 / 2 / (1 + a + a**2 / 2), rel=1e-14)
    assert blocking(a, 3) == pytest.approx(a**3 / 6 / (1 + a + a**2 / 2 + a**3 / 6), rel=1e-14)


@pytest.mark.parametrize(
    ("offered", "places"), [(1, 1), (10, 15), (10, 10), (Fraction(1, 8), 4), (90, 60), (200, 230), (1000, 40)]
)
def test_blocking_agrees_with_exact_fractions(offered, places):
    assert blocking(float(offered), places) == pytest.approx(float(exact(offered, places)), rel=1e-13)


def test_the_exact_fractions_agree_with_hand_calculation():
    # 2^2/2 of 1 + 2 + 2, and 1/6 of 1 + 1 + 1/2 + 1/6.
    assert exact(2, 2) == Fraction(2, 5)
    assert exact(1, 3) == Fraction(1, 16)


# Erlang-B tables print the load that a number of lines carries at a given share of refusals.
@pytest.mark.parametrize(
    ("places", "refusal", "printed"),
    [
        (1, 0.01, 0.0101),
        (5, 0.01, 1.36),
        (10, 0.01, 4.46),
        (10, 0.05, 6.22),
        (20, 0.01, 12.0),
        (50, 0.01, 37.9),
        (100, 0.01, 84.1),
        (100, 0.02, 88.0),
    ],
)
def test_published_tables_are_met(places, refusal, printed):
    slack = 0.005 * printed
    assert blocking(printed - slack, places) < refusal < blocking(printed + slack, places)
    assert places_needed(printed - slack, refusal) == places
    assert places_needed(printed + slack, refusal) == places + 1


def test_ten_erlang_on_fifteen_places_refuse_the_known_share():
    assert round(blocking(10, 15), 4) == 0.0365


# Size


def test_a_whole_country_is_computed_without_losing_digits():
    assert blocking(3000, 3029) == pytest.approx(float(exact(3000, 3029)), rel=1e-12)
    assert blocking(3000, 3029) == pytest.approx(
        stats.poisson.pmf(3029, 3000) / stats.poisson.cdf(3029, 3000), rel=1e-9
    )
    assert cut_off_poisson(3000, 3029).sum() == pytest.approx(1)
    assert offered_load(3000 * (1 - blocking(3000, 3029)), 3029) == pytest.approx(3000, rel=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("offered", "places"), [(1e9, 100), (1e300, 3), (1e-300, 3), (1.0, 5000), (0.0, 7)])
def test_extremes_give_a_probability_and_no_warning(offered, places):
    found = cut_off_poisson(offered, places)
    assert 0 <= blocking(offered, places) <= 1
    assert found.sum() == pytest.approx(1)
    assert found[-1] == pytest.approx(blocking(offered, places), rel=1e-9)


def test_the_formula_of_the_library_would_fail_at_overload():
    # Why the recursion is our own: this is 0 / 0 there.
    assert stats.poisson.pmf(100, 1e5) == stats.poisson.cdf(100, 1e5) == 0
    assert blocking(1e5, 100) == pytest.approx(1 - 100 / 1e5, rel=1e-6)


# Properties


@steady
@given(loads, counts)
def test_one_more_place_refuses_fewer(offered, places):
    assume(blocking(offered, places) > 0)
    assert blocking(offered, places + 1) < blocking(offered, places)


@steady
@given(loads, st.integers(1, 400), st.floats(1.001, 3))
def test_more_load_refuses_more(offered, places, factor):
    assume(blocking(offered, places) > 0)
    assert blocking(offered * factor, places) > blocking(offered, places)


@steady
@given(loads, refusals)
def test_places_needed_is_the_smallest_number_that_is_enough(offered, refusal):
    needed = places_needed(offered, refusal)
    assert blocking(offered, needed) <= refusal < blocking(offered, needed - 1)


@steady
@given(loads, counts)
def test_places_needed_undoes_blocking(offered, places):
    share = blocking(offered, places)
    assume(1e-300 < share < 1)
    assert places_needed(offered, share) == places


@steady
@given(loads, loads, refusals)
def test_two_pools_never_need_fewer_places_than_one(one, other, refusal):
    assert places_needed(one + other, refusal) <= places_needed(one, refusal) + places_needed(other, refusal)


@steady
@given(st.floats(0.01, 0.999), st.integers(1, 400))
def test_offered_load_undoes_what_is_carried(share, places):
    found = offered_load(share * places, places)
    assert found >= share * places * (1 - 1e-12)
    assert found * (1 - blocking(found, places)) == pytest.approx(share * places, rel=1e-9)


@steady
@given(st.floats(0.01, 0.99), st.integers(1, 400))
def test_offered_load_is_found_again(blocked, places):
    # Loads from the places themselves up to a hundred times as many.
    offered = places / (1 - blocked)
    assert offered_load(offered * (1 - blocking(offered, places)), places) == pytest.approx(offered, rel=1e-6)


@steady
@given(loads, counts)
def test_the_distribution_is_the_cut_off_poisson(offered, places):
    found = cut_off_poisson(offered, places)
    assert found.shape == (places + 1,)
    assert found.sum() == pytest.approx(1)
    assert found[-1] == pytest.approx(blocking(offered, places), rel=1e-9)
    assert found @ np.arange(places + 1) == pytest.approx(offered * (1 - blocking(offered, places)), rel=1e-9)
    # Balance: as many go from k to k + 1 as come back.
    up, down = found[:-1] * offered, found[1:] * np.arange(1, places + 1)
    np.testing.assert_allclose(up, down, rtol=1e-9, atol=1e-290)


# Edges


def test_edges_are_what_common_sense_says():
    assert places_needed(0, 0.01) == 0
    assert places_needed(1e-9, 0.01) == 1
    assert places_needed(1, 0.5) == 1
    assert offered_load(0, 12) == 0
    assert offered_load(0.5, 1) == pytest.approx(1)
    assert math.isfinite(offered_load(math.nextafter(5, 0), 5))


def test_whole_numbers_of_any_type_are_places():
    expected = blocking(10, 15)
    assert blocking(np.float64(10), np.int64(15)) == blocking(10, 15.0) == expected
    assert offered_load(7, np.float64(9)) == offered_load(7, 9)


def test_results_are_plain_numbers():
    assert type(blocking(np.float64(3), np.int64(4))) is float
    assert type(places_needed(np.float64(3), 0.1)) is int
    assert type(offered_load(np.float64(3), np.int64(4))) is float


@pytest.mark.parametrize("offered", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize(
    "ask",
    [lambda load: blocking(load, 3), lambda load: places_needed(load, 0.1)],
)
def test_an_impossible_load_is_refused(ask, offered):
    with pytest.raises(InputError, match=rf"offered load .*: {offered};"):
        ask(offered)


@pytest.mark.parametrize("places", [-1, 2.5, math.nan, math.inf])
@pytest.mark.parametrize("ask", [lambda n: blocking(1, n), lambda n: offered_load(0, n)])
def test_impossible_places_are_refused(ask, places):
    with pytest.raises(InputError, match=rf"places must be a whole number of zero or more: {places}$"):
        ask(places)


@pytest.mark.parametrize("refusal", [0, 1, -0.05, 5, math.nan])
def test_a_refusal_that_is_no_share_is_refused(refusal):
    with pytest.raises(InputError, match=rf"refusal must be a share .*: {refusal}$"):
        places_needed(10, refusal)


@pytest.mark.parametrize(("carried", "places"), [(12, 12), (12.5, 12), (0, 0), (-1, 12), (math.nan, 12)])
def test_occupancy_at_or_above_the_places_is_refused(carried, places):
    with pytest.raises(InputError, match=rf"below the {places} places.*: {carried};"):
        offered_load(carried, places)


# Simulation

PLACES, LOAD, MEAN_STAY = 12, 10.0, 60.0
BATCHES, PER_BATCH = 60, 4000


def exponential(generator, size):
    return generator.exponential(MEAN_STAY, size)


def lognormal(generator, size):
    # Many short stays and a long tail: the standard deviation is almost twice the mean.
    spread = 1.2
    return generator.lognormal(math.log(MEAN_STAY) - spread**2 / 2, spread, size)


def simulated(stays, seed):
    """Refused share, mean occupied and time at each level in each batch of arrivals, after a batch to warm up."""
    generator = np.random.default_rng(seed)
    total = (BATCHES + 1) * PER_BATCH
    arrivals = np.cumsum(generator.exponential(MEAN_STAY / LOAD, total)).tolist()
    lengths = stays(generator, total).tolist()
    departures, now = [], 0.0
    refused = np.zeros(BATCHES + 1)
    time_at = np.zeros((BATCHES + 1, PLACES + 1))
    for number, (arrived, length) in enumerate(zip(arrivals, lengths, strict=True)):
        batch = number // PER_BATCH
        while departures and departures[0] <= arrived:
            left = heapq.heappop(departures)
            time_at[batch, len(departures) + 1] += left - now
            now = left
        time_at[batch, len(departures)] += arrived - now
        now = arrived
        if len(departures) == PLACES:
            refused[batch] += 1
        else:
            heapq.heappush(departures, arrived + length)
    shares = time_at[1:] / time_at[1:].sum(axis=1, keepdims=True)
    return refused[1:] / PER_BATCH, shares @ np.arange(PLACES + 1), shares


def distance(batches, expected):
    """How many standard errors the mean of the batches is from what is expected."""
    return (batches.mean() - expected) / (batches.std(ddof=1) / math.sqrt(len(batches)))


@pytest.mark.parametrize("stays", [exponential, lognormal])
@pytest.mark.long
def test_a_simulation_of_stays_meets_the_formula(stays):
    refused, occupied, shares = simulated(stays, seed=1917)
    expected = blocking(LOAD, PLACES)
    assert abs(distance(refused, expected)) < 3.5
    assert abs(distance(occupied, LOAD * (1 - expected))) < 3.5
    assert np.abs(shares.mean(axis=0) - cut_off_poisson(LOAD, PLACES)).max() < 0.005
    assert offered_load(occupied.mean(), PLACES) == pytest.approx(LOAD, rel=0.03)
    # The simulation is sharp enough to tell one place, or 3 pct. of load, from the truth.
    for wrong in (blocking(LOAD, PLACES + 1), blocking(LOAD, PLACES - 1), blocking(LOAD * 1.03, PLACES)):
        assert abs(distance(refused, wrong)) > 3.5
