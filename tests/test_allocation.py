"""Whole places by largest remainders: by hand, as properties, and against every possible allocation."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.errors import InputError
from analysis.herberg.allocation import largest_remainder

steady = settings(derandomize=True, deadline=None, database=None)

totals = st.integers(0, 3500)
weight_lists = st.lists(st.floats(0, 1e6), min_size=1, max_size=12).filter(lambda drawn: sum(drawn) > 1e-3)
different_weights = st.lists(st.integers(0, 1_000_000), min_size=2, max_size=12, unique=True)


def named(values):
    return pd.Series(values, index=[f"klynge {number}" for number in range(1, len(values) + 1)])


def shared(total, values, minimum=0):
    return largest_remainder(total, named(values), minimum).tolist()


def allocations(total, parts):
    """Every way of sharing out a total in whole numbers."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in allocations(total - first, parts - 1):
            yield (first, *rest)


# By hand


def test_the_textbook_example():
    # Quotas of 10 among 100.000 voters: 4,7 - 1,6 - 1,58 - 1,2 - 0,61 - 0,31. Rounded down they take 7; the other
    # three go to the remainders 0,7 - 0,61 - 0,6.
    votes = [47_000, 16_000, 15_800, 12_000, 6_100, 3_100]
    assert shared(10, votes) == [5, 2, 1, 1, 1, 0]


def test_a_minimum_comes_first_and_the_rest_by_weight():
    # 3 x 2 first; 14 left with quotas 8,4 - 4,2 - 1,4 take 13; of the equal remainders the larger weight gets the last.
    assert shared(20, [60, 30, 10], 2) == [2 + 9, 2 + 4, 2 + 1]


def test_a_minimum_may_differ_between_clusters():
    # Given in another order than the weights.
    minimum = named([0, 0, 5])[::-1]
    assert shared(25, [3, 1, 0], minimum) == [15, 5, 5]
    assert shared(5, [3, 1, 0], minimum) == [0, 0, 5]


def test_one_place_more_can_cost_a_cluster_a_place():
    # The Alabama paradox, known and stated in the docstring: quotas 4,286 - 4,286 - 1,429 of 10 and 4,714 - 4,714 -
    # 1,571 of 11.
    assert shared(10, [6, 6, 2]) == [4, 4, 2]
    assert shared(11, [6, 6, 2]) == [5, 5, 1]


def test_weight_zero_gets_its_minimum_only():
    assert shared(7, [0, 1, 1]) == [0, 4, 3]
    assert shared(9, [0, 1, 1], 1) == [1, 4, 4]


def test_ties_go_to_the_larger_weight_and_then_to_the_first():
    # Remainders all one half: quotas 2,5 - 1,5 - 0,5 - 0,5.
    assert shared(5, [5, 3, 1, 1]) == [3, 2, 0, 0]
    assert shared(5, [1, 1, 3, 5]) == [0, 0, 2, 3]
    assert shared(2, [1, 1, 1]) == [1, 1, 0]
    # 0.1 + 0.2 is not 0.3 to a float, and must not decide who gets the place.
    assert shared(1, [0.3, 0.1 + 0.2, 0.3]) == [1, 0, 0]


def test_whole_quotas_are_given_as_they_are():
    assert shared(3000, [0.1, 0.2, 0.7]) == [300, 600, 2100]
    assert shared(30, [1e-3, 2e-3, 3e-3]) == [5, 10, 15]


def test_the_result_is_indexed_as_the_weights():
    weights = pd.Series([2.0, 1.0], index=pd.Index(["Byen København", "Bornholm"], name="cluster"), name="homeless")
    found = largest_remainder(np.int64(9), weights)
    pd.testing.assert_series_equal(found, pd.Series([6, 3], index=weights.index, name="places"))
    pd.testing.assert_series_equal(weights, pd.Series([2.0, 1.0], index=weights.index, name="homeless"))


def test_nothing_to_share_out_needs_no_weight():
    assert shared(0, [0, 0]) == [0, 0]
    assert shared(6, [0, 0], 3) == [3, 3]
    assert largest_remainder(0, pd.Series(dtype=float)).empty


# Properties


@steady
@given(totals, weight_lists)
def test_the_total_is_kept_and_each_is_its_quota_rounded_up_or_down(total, weights):
    found = np.array(shared(total, weights))
    quotas = total * (np.array(weights) / sum(weights))
    assert found.sum() == total
    assert (found >= np.floor(quotas - 1e-6)).all()
    assert (found <= np.ceil(quotas + 1e-6)).all()
    assert (found[np.array(weights) == 0] == 0).all()


@steady
@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 40)), min_size=1, max_size=12), st.integers(0, 2000))
def test_each_gets_its_minimum_and_the_total_is_kept(clusters, extra):
    weights, minimum = map(list, zip(*clusters, strict=True))
    assume(sum(weights) > 1e-3)
    found = np.array(shared(sum(minimum) + extra, weights, named(minimum)))
    assert found.sum() == sum(minimum) + extra
    assert (found >= minimum).all()
    np.testing.assert_array_equal(found - minimum, shared(extra, weights))


@steady
@given(totals, different_weights)
def test_more_weight_never_gets_fewer(total, weights):
    found = shared(total, sorted(weights))
    assert found == sorted(found)


@steady
@given(totals, different_weights, st.randoms(use_true_random=False))
def test_the_order_of_clusters_matters_only_in_ties(total, weights, shuffler):
    given_order = named(weights)
    other_order = list(given_order.index)
    shuffler.shuffle(other_order)
    found = largest_remainder(total, given_order.loc[other_order])
    pd.testing.assert_series_equal(found.loc[given_order.index], largest_remainder(total, given_order))


@steady
@given(totals, st.lists(st.integers(0, 10_000), min_size=1, max_size=12), st.sampled_from([0.5, 4, 1024]))
def test_the_unit_of_the_weights_does_not_matter(total, weights, factor):
    assume(sum(weights) > 0)
    assert shared(total, weights) == shared(total, [weight * factor for weight in weights])


@pytest.mark.parametrize("seed", range(25))
def test_no_other_allocation_lies_closer_to_the_quotas(seed):
    generator = np.random.default_rng(seed)
    parts, total = int(generator.integers(2, 5)), int(generator.integers(1, 13))
    weights = generator.integers(0, 30, parts) + np.eye(parts, dtype=int)[0]
    quotas = total * weights / weights.sum()
    everything = np.array(list(allocations(total, parts)))
    distances = np.abs(everything - quotas).sum(axis=1)
    found = np.array(shared(total, weights.tolist()))
    assert len(everything) == math.comb(total + parts - 1, parts - 1)
    assert np.abs(found - quotas).sum() == pytest.approx(distances.min(), abs=1e-9)


# Wrong input


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_is_no_weight_names_its_cluster(weight):
    with pytest.raises(InputError, match=rf"^klynge 2: the weight must .* not {weight:g}$"):
        shared(5, [1, weight, 1])


def test_a_missing_weight_of_any_type_names_its_cluster():
    with pytest.raises(InputError, match="^klynge 2: the weight"):
        largest_remainder(5, named([1, pd.NA]).astype("Int64"))


def test_a_minimum_above_the_total_names_both():
    assert shared(12, [1, 1, 1], 4) == [4, 4, 4]
    with pytest.raises(InputError, match="add up to 12 places, more than the total of 11"):
        shared(11, [1, 1, 1], 4)


@pytest.mark.parametrize("values", [[0, 0], [0.0]])
def test_places_left_without_any_weight_are_refused(values):
    with pytest.raises(InputError, match=rf"^{8 - len(values)} places are left .* no cluster has a weight above zero"):
        shared(8, values, 1)


def test_places_without_clusters_are_refused():
    with pytest.raises(InputError, match="^3 places are left"):
        largest_remainder(3, pd.Series(dtype=float))


@pytest.mark.parametrize("total", [-1, 2.5, math.nan, math.inf])
def test_a_total_that_cannot_be_shared_out_is_refused(total):
    with pytest.raises(InputError, match=rf"^the total must be a whole number .*: {total}$"):
        shared(total, [1, 1])


@pytest.mark.parametrize(
    ("minimum", "message"),
    [
        (-1, "klynge 1: the minimum must be a number of zero or more, not -1"),
        (1.5, "klynge 1: the minimum must be a whole number, not 1.5"),
        (named([1, math.nan]), "klynge 2: the minimum must be a number of zero or more, not nan"),
        (named([1]), "minimum must hold the clusters of the weights, each once: klynge 2"),
        (named([1, 1, 1]), "minimum must hold the clusters of the weights, each once: klynge 3"),
        (named([1, 1]).iloc[[0, 1, 1]], "minimum must hold the clusters of the weights, each once: klynge 2"),
    ],
)
def test_a_wrong_minimum_is_named(minimum, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        shared(10, [1, 1], minimum)


def test_a_cluster_twice_is_refused():
    with pytest.raises(InputError, match="^klynge 2 has more than one weight"):
        largest_remainder(5, named([1, 2]).iloc[[0, 1, 1]])
