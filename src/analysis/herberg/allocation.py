"""Whole places shared out over clusters so that the total is kept."""

import numpy as np
import pandas as pd

from analysis.errors import InputError

# Quotas are floats: remainders that agree to so many decimals are a tie and not a difference.
DECIMALS = 9


def largest_remainder(total: int, weights: pd.Series, minimum: pd.Series | int = 0) -> pd.Series:
    """Share out `total` places by weight in whole numbers: the method of largest remainders (Hamilton, Hare quota).

    Each cluster first gets its `minimum` (one number for all, or by the index of `weights`). What is left is shared by
    weight: quota = left x weight / sum of weights, rounded down, and the places still over go one by one to the
    largest remainders; equal remainders to the larger weight, then to the one first in the index. So a minimum is given
    on top of and not within the share by weight, and weight zero gets the minimum only. Without a minimum, no other
    whole allocation of the total lies closer to the quotas; but one place more in total can cost a cluster a place.

    Returns whole `places` indexed as `weights`, with the sum `total`.
    Errors: a total or minimum that is not whole or is negative, a weight that is negative or no number, a cluster
    twice, other clusters in `minimum`, minimums above the total, places left with no weight to share them by.
    Source: M. Balinski and H. P. Young, Fair Representation, 1982.
    """
    if not (total >= 0 and float(total).is_integer()):
        raise InputError(f"the total must be a whole number of places of zero or more: {total}")
    if weights.index.has_duplicates:
        raise InputError(f"{weights.index[weights.index.duplicated()][0]} has more than one weight; give each one")
    shares = _amounts(weights, "weight")
    least = _minimums(minimum, weights.index)
    left = int(total) - int(least.sum())
    if left < 0:
        raise InputError(
            f"the minimums add up to {least.sum()} places, more than the total of {total}: "
            "lower the minimums or raise the total"
        )
    if left == 0:
        return least
    if not (shares > 0).any():
        raise InputError(
            f"{left} places are left to share out and no cluster has a weight above zero: choose another weight"
        )
    return least + _by_remainder(left, shares)


def _by_remainder(total: int, weights: pd.Series) -> pd.Series:
    quotas = (total * (weights / weights.sum())).round(DECIMALS)
    whole = np.floor(quotas)
    # By quota and not by weight: weights that differ only by the rounding of a sum are equal too.
    order = pd.DataFrame({"remainder": (quotas - whole).round(DECIMALS), "quota": quotas}).reset_index(drop=True)
    first = order.sort_values(["remainder", "quota"], ascending=False, kind="stable").index
    places = whole.astype("int64").to_numpy(copy=True)
    places[first[: total - places.sum()]] += 1
    return pd.Series(places, index=weights.index, name="places")


def _minimums(minimum: pd.Series | int, clusters: pd.Index) -> pd.Series:
    least = minimum if isinstance(minimum, pd.Series) else pd.Series(minimum, index=clusters)
    unmatched = least.index.symmetric_difference(clusters)
    if len(unmatched) or least.index.has_duplicates:
        raise InputError(
            "minimum must hold the clusters of the weights, each once: "
            f"{', '.join(map(str, unmatched)) or least.index[least.index.duplicated()][0]}"
        )
    amounts = _amounts(least, "minimum").reindex(clusters)
    broken = amounts % 1 != 0
    if broken.any():
        raise InputError(
            f"{amounts.index[broken][0]}: the minimum must be a whole number, not {amounts[broken].iloc[0]:g}"
        )
    return amounts.astype("int64").rename("places")


def _amounts(values: pd.Series, what: str) -> pd.Series:
    """Values as numbers, once it is certain that each is finite and not negative."""
    amounts = values.astype(float)
    wrong = ~((amounts >= 0) & (amounts < np.inf))
    if wrong.any():
        raise InputError(
            f"{amounts.index[wrong][0]}: the {what} must be a number of zero or more, not {amounts[wrong].iloc[0]:g}"
        )
    return amounts
