"""Rounding to whole numbers that keeps totals exact."""

from __future__ import annotations

import numpy as np

# Values are cut to this many decimals before they are compared, so that the last bits of a floating point
# result (which differ between processors) cannot decide which cell is rounded up.
COMPARED_DECIMALS = 6


def half_away_from_zero(values: np.ndarray) -> np.ndarray:
    """Round to whole numbers, halves away from zero."""
    values = np.round(np.asarray(values, dtype=float), COMPARED_DECIMALS)
    return (np.sign(values) * np.floor(np.abs(values) + 0.5)).astype(np.int64)


def share_out(weights: np.ndarray, total: int) -> np.ndarray:
    """Split a whole total in proportion to the weights by largest remainder; the parts add to it exactly."""
    weights = np.asarray(weights, dtype=float)
    if total == 0 or len(weights) == 0:
        return np.zeros(len(weights), dtype=np.int64)
    if weights.sum() <= 0:
        weights = np.ones(len(weights))
    return round_to_total(weights / weights.sum() * total, total)


def round_to_total(values: np.ndarray, total: int, upper: np.ndarray | None = None) -> np.ndarray:
    """Round non-negative values so that they add to a whole total, optionally each at most `upper`.

    Units go first to the largest remainders; equal remainders go in the order of the values.
    """
    values = np.round(np.maximum(np.asarray(values, dtype=float), 0.0), COMPARED_DECIMALS)
    if not np.isfinite(values).all():
        raise ValueError(f"Values that are not numbers cannot be rounded to the total {total}")
    whole = np.floor(values).astype(np.int64)
    if upper is not None:
        whole = np.minimum(whole, upper)
    missing = int(total) - int(whole.sum())
    step = 1 if missing > 0 else -1
    while missing:
        room = (whole < upper) if step > 0 and upper is not None else np.full(len(whole), True)
        if step < 0:
            room = whole > 0
        order = np.argsort(-step * (values - whole), kind="stable")
        chosen = [position for position in order if room[position]][: abs(missing)]
        if not chosen:
            raise ValueError(f"The total {total} cannot be reached: every cell is at its limit")
        whole[chosen] += step
        missing -= step * len(chosen)
    return whole


def round_rows_exactly(values: np.ndarray, row_totals: np.ndarray) -> np.ndarray:
    """Round a non-negative matrix so that every row adds exactly and the columns stay within a few units.

    The rounding error of a column is carried to the next row (error diffusion), so it does not build up.
    """
    rounded = np.zeros(values.shape, dtype=np.int64)
    carried = np.zeros(values.shape[1])
    for row, total in enumerate(row_totals):
        wanted = np.where(values[row] > 0, values[row] + carried, 0.0)
        rounded[row] = round_to_total(wanted, int(total)) if total else 0
        carried += values[row] - rounded[row]
    return rounded
