"""Printed growths that counts are made to meet, and the check that a result prints as the report does."""

from __future__ import annotations

from reconstruction.reference import Reference
from reconstruction.targets import interval_of


class PrintedRowError(ValueError):
    """A reconstructed count cannot print as the report does; the message names the row."""


def printed_growth(reference: Reference, row_id: str) -> float:
    """Growth factor of a printed row in pct. (40,8 gives 1.408)."""
    return 1 + float(_row(reference, row_id)["value"]) / 100


def require_growth(reference: Reference, row_id: str, first: float, last: float) -> None:
    """Stop if the growth from first to last does not print as the row says."""
    growth = 100 * (last / first - 1)
    interval = interval_of(_row(reference, row_id))
    if not interval.low < growth < interval.high:
        raise PrintedRowError(
            f"{row_id} is printed as {interval.low:g} to {interval.high:g} pct., but the assumptions give "
            f"{growth:.2f} pct.: change the growth of expenditure or of recipients in the assumptions"
        )


def _row(reference: Reference, row_id: str) -> dict[str, str]:
    rows = reference.published[reference.published["id"] == row_id]
    if len(rows) != 1:
        raise PrintedRowError(f"The assumptions name the printed row {row_id}, which is not published")
    return rows.iloc[0].to_dict()
