"""Chooses region-level expenditure inside all printed intervals, by linear programming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, hstack, identity, vstack

from reconstruction.noise import lognormal
from reconstruction.targets import HalfConstraint

# Violations and multipliers below this (mio. kr.) are the solver's own inaccuracy.
_NEGLIGIBLE = 1e-6


class InfeasibleTargetsError(ValueError):
    """The targets cannot hold together; the message names the rows that clash."""


@dataclass(frozen=True)
class LinearBounds:
    """Rules besides the targets: equalities and inequalities (`matrix @ cells <= bound`), mio. kr."""

    equal: np.ndarray
    equal_to: np.ndarray
    below: np.ndarray
    below_bound: np.ndarray


@dataclass(frozen=True)
class Fit:
    """The chosen amounts (mio. kr.) and the slack of every target, smallest first."""

    amounts: np.ndarray
    slack: list[tuple[str, float]]


@dataclass(frozen=True)
class FitSettings:
    """How much of the widest margins to keep, and what moving away from the prior costs.

    `costs` has one price more than `steps`: up to each step (share of the prior) and beyond the last.
    """

    share_of_margin_kept: float
    share_of_half_interval_wanted: float
    share_of_prior_at_least: float
    steps: Sequence[float]
    costs: Sequence[float]
    seed: int
    tie_break: float


def fit(prior: np.ndarray, targets: list[HalfConstraint], bounds: LinearBounds, settings: FitSettings) -> Fit:
    """Amounts that meet all targets with the widest margins, then as near the prior as that allows.

    Four programmes: the widest smallest margin in kroner; the widest smallest margin relative to the
    intervals; wide margins for all rows that have room; and, with (nearly) all of these kept, the smallest
    movement from the prior.
    """
    matrix = np.vstack([target.coefficients for target in targets])
    bound = np.array([target.bound for target in targets])
    lowest = prior * settings.share_of_prior_at_least
    # A target in pct. has its interval in pct.: what it is worth in kroner follows from the prior.
    worth = np.array([_interval_in_kroner(targets[i], targets[i ^ 1], prior) for i in range(len(targets))])
    in_kroner = _widest(matrix, bound, np.ones(len(bound)), np.zeros(len(bound)), bounds, lowest)
    if in_kroner is None or in_kroner <= 0:  # the upper limits themselves no longer round to the figure
        raise InfeasibleTargetsError(_clash(targets, matrix, bound, bounds, lowest))
    floor = np.full(len(bound), in_kroner * settings.share_of_margin_kept)
    relative = _widest(matrix, bound, worth / 2, floor, bounds, lowest) or 0.0
    floor = np.maximum(floor, relative * settings.share_of_margin_kept * worth / 2)
    margins = _wide_where_possible(matrix, bound, worth / 2, floor, bounds, lowest, settings)
    floor = np.maximum(floor, margins * settings.share_of_margin_kept)
    amounts = _nearest(prior, matrix, bound + floor, bounds, lowest, settings)
    slack = matrix @ amounts - bound
    return Fit(amounts, sorted(zip([t.row_id for t in targets], slack.tolist(), strict=True), key=lambda r: r[1]))


def _interval_in_kroner(one: HalfConstraint, other: HalfConstraint, prior: np.ndarray) -> float:
    """Width of a target's interval in mio. kr. at the prior: what the two sides leave between them."""
    return float((one.coefficients + other.coefficients) @ prior - one.bound - other.bound)


def _widest(
    matrix: np.ndarray,
    bound: np.ndarray,
    scale: np.ndarray,
    floor: np.ndarray,
    bounds: LinearBounds,
    lowest: np.ndarray,
) -> float | None:
    """Largest t with slack >= floor and slack >= t x scale for all targets; None if there is none."""
    cells = matrix.shape[1]
    upper = np.vstack(
        [
            np.column_stack([-matrix, scale]),
            np.column_stack([-matrix, np.zeros(len(bound))]),
            np.column_stack([bounds.below, np.zeros(len(bounds.below))]),
        ]
    )
    result = linprog(
        c=np.append(np.zeros(cells), -1.0),
        A_ub=upper,
        b_ub=np.concatenate([-bound, -bound - floor, bounds.below_bound]),
        A_eq=np.column_stack([bounds.equal, np.zeros(len(bounds.equal))]),
        b_eq=bounds.equal_to,
        bounds=[*((low, None) for low in lowest), (None, None)],
        method="highs",
    )
    return float(result.x[-1]) if result.status == 0 else None


def _wide_where_possible(
    matrix: np.ndarray,
    bound: np.ndarray,
    half_interval: np.ndarray,
    floor: np.ndarray,
    bounds: LinearBounds,
    lowest: np.ndarray,
    settings: FitSettings,
) -> np.ndarray:
    """Margins (mio. kr.) that are wide in as many rows as can be, with none below its floor.

    A row counts up to the wanted share of its half interval; more is of no use to it.
    """
    cells, rows = matrix.shape[1], len(bound)
    own = np.array([lognormal(settings.seed, settings.tie_break, "margin", row) for row in range(rows)])
    result = linprog(
        c=np.concatenate([np.zeros(cells), -own]),
        A_ub=np.vstack(
            [
                np.column_stack([-matrix, np.diag(half_interval)]),
                np.column_stack([-matrix, np.zeros((rows, rows))]),
                np.column_stack([bounds.below, np.zeros((len(bounds.below), rows))]),
            ]
        ),
        b_ub=np.concatenate([-bound, -bound - floor, bounds.below_bound]),
        A_eq=np.column_stack([bounds.equal, np.zeros((len(bounds.equal), rows))]),
        b_eq=bounds.equal_to,
        bounds=[*((low, None) for low in lowest), *((0, settings.share_of_half_interval_wanted),) * rows],
        method="highs",
    )
    return result.x[cells:] * half_interval if result.status == 0 else floor


def _nearest(
    prior: np.ndarray,
    matrix: np.ndarray,
    bound: np.ndarray,
    bounds: LinearBounds,
    lowest: np.ndarray,
    settings: FitSettings,
) -> np.ndarray:
    """Amounts nearest the prior: moving costs more the further a cell moves relative to its size."""
    cells = len(prior)
    widths = np.append(np.diff([0.0, *settings.steps]), np.inf)
    # A little of its own for every cell, so that there is one best solution on every machine.
    own = np.array([lognormal(settings.seed, settings.tie_break, "tie", cell) for cell in range(cells)])
    cost = np.concatenate([own * price / prior for price in settings.costs])
    up = hstack([identity(cells)] * len(widths))
    moves = csr_matrix(hstack([up, -up]))
    target_rows = csr_matrix(-matrix) @ moves
    rule_rows = csr_matrix(bounds.below) @ moves
    result = linprog(
        c=np.concatenate([cost, cost]),
        A_ub=vstack([target_rows, rule_rows, -moves]),
        b_ub=np.concatenate([-bound + matrix @ prior, bounds.below_bound - bounds.below @ prior, prior - lowest]),
        A_eq=csr_matrix(bounds.equal) @ moves,
        b_eq=bounds.equal_to - bounds.equal @ prior,
        bounds=[(0, width * size) for _ in range(2) for width in widths for size in prior],
        method="highs",
    )
    if result.status != 0:
        raise InfeasibleTargetsError(f"The nearest solution was not found: {result.message}")
    return prior + moves @ result.x


def _clash(
    targets: list[HalfConstraint],
    matrix: np.ndarray,
    bound: np.ndarray,
    bounds: LinearBounds,
    lowest: np.ndarray,
) -> str:
    """Name the rows that cannot hold together: the smallest violation, and what it presses against."""
    cells, rows = matrix.shape[1], len(bound)
    result = linprog(
        c=np.concatenate([np.zeros(cells), np.ones(rows)]),
        A_ub=np.vstack(
            [
                np.column_stack([-matrix, -np.eye(rows)]),
                np.column_stack([bounds.below, np.zeros((len(bounds.below), rows))]),
            ]
        ),
        b_ub=np.concatenate([-bound, bounds.below_bound]),
        A_eq=np.column_stack([bounds.equal, np.zeros((len(bounds.equal), rows))]),
        b_eq=bounds.equal_to,
        bounds=[*((low, None) for low in lowest), *((0, None),) * rows],
        method="highs",
    )
    if result.status != 0:
        return "The genuine function totals and the rules of the assumptions cannot hold together"
    violation = result.x[cells:]
    pressed = np.abs(result.ineqlin.marginals[:rows])
    broken = _names(targets, violation)
    against = [name for name in _names(targets, pressed) if name not in broken]
    return (
        f"The targets cannot hold together. Cannot be met: {', '.join(broken)}. "
        f"They clash with: {', '.join(against) or 'the genuine totals alone'}. "
        "Correct a row, or leave it out in the assumptions with its reason"
    )


def _names(targets: list[HalfConstraint], size: np.ndarray) -> list[str]:
    """Ids of the rows whose value is not negligible, each once."""
    return list(dict.fromkeys(t.row_id for t, s in zip(targets, size, strict=True) if s > _NEGLIGIBLE))
