"""What the page Ændringer says: two vintages of the data beside each other, in Danish."""

from typing import Any

import numpy as np
import pandas as pd

from analysis import accounts, areas, danish
from analysis.catalogue import catalogue
from analysis.rows import SUPPRESSED
from analysis.tables import with_labels
from noegletal.review.affected import AffectedOutput, sections_to_rerun
from noegletal.review.revisions import NotCompared, Revisions, TableChange, by_area, by_indicator, chosen, year_changes

PAGE = "aendringer.html"
# Rows shown of each indicator; the command shows the rest.
SHOWN = 20
KIND_NAMES = {
    "appeared": "manglede, er nu opgjort",
    "disappeared": "var opgjort, mangler nu",
    "status": "anden status",
    "origin": "anden oprindelse",
    "new": "ny",
    "gone": "bortfaldet",
}
EFFECT_NAMES = {"changes": "ændres", "may_change": "kan ændre sig"}


def page_context(revisions: Revisions | NotCompared, area_code: str, outputs: list[AffectedOutput]) -> dict[str, Any]:
    """What the page shows: all that differs, and the figures of one area one by one."""
    if isinstance(revisions, NotCompared):
        return {"before": revisions.name, "cause": revisions.cause}
    changes = revisions.changes
    own = chosen(revisions, area_codes=[area_code])
    return {
        "before": revisions.before.name,
        "after": revisions.after.name,
        "cause": "",
        "alike": revisions.none,
        "same_tables": sum(table.same for table in revisions.tables),
        "tables": [_table(table) for table in revisions.tables if not table.same],
        "years": [
            {"name": _indicator(years.indicator), "new": _years(years.new), "gone": _years(years.gone)}
            for years in year_changes(revisions)
        ],
        "indicators": [_counted(row) for row in by_indicator(changes).to_dict("records")],
        "own": change_rows(own[own["kind"] == "revised"], SHOWN),
        "own_statuses": change_rows(own[own["kind"].isin(list(KIND_NAMES))], SHOWN),
        "by_area": _areas(changes),
        "outputs": [output.model_dump() | {"effect_name": EFFECT_NAMES[output.effect]} for output in outputs],
        "rerun": sections_to_rerun(outputs),
        "shown": SHOWN,
    }


def vintage_name(since: Revisions | NotCompared | None) -> str:
    """The name of the earlier vintage; empty without one."""
    if since is None:
        return ""
    return since.before.name if isinstance(since, Revisions) else since.name


def change_rows(changes: pd.DataFrame, limit: int | None = None) -> list[dict[str, str]]:
    """Changes as texts: indicator, name, area, category, year, before, after, change, pct and what has happened.

    At most `limit` of each indicator. A figure that is suppressed in either vintage shows its symbol in both.
    """
    rows = changes if limit is None else changes.groupby("indicator", sort=False).head(limit)
    return [_row(row) for row in with_labels(rows).to_dict("records")]


def _row(row: dict[str, Any]) -> dict[str, str]:
    decimals = catalogue().indicators[row["indicator"]].decimals
    hidden = SUPPRESSED in (row["status_before"], row["status_after"])
    values = [
        danish.STATUS_SYMBOLS[SUPPRESSED]
        if hidden
        else ""
        if pd.isna(status)
        else danish.number(value, decimals, status)
        for value, status in (
            (row["value_before"], row["status_before"]),
            (row["value_after"], row["status_after"]),
        )
    ]
    variant = "" if row["variant"] == accounts.STANDARD else f" ({row['variant']})"
    return {
        "indicator": row["indicator"],
        "name": _indicator(row["indicator"]),
        "area": row["area"],
        "category": f"{row['label']}{variant}",
        "category_code": f"{row['category']}{variant}",
        "group": accounts.label(row["population_group"], accounts.TOTAL).removesuffix(" i alt"),
        "year": str(row["year"]),
        "before": values[0],
        "after": values[1],
        "change": signed(row["change"], decimals),
        "pct": signed(row["change_pct"], 2),
        "what": KIND_NAMES.get(row["kind"], ""),
    }


def signed(value: float, decimals: int) -> str:
    """A change with its sign; one that is too small to show is less than the last decimal; nothing without one."""
    if pd.isna(value) or np.isinf(value):
        return ""
    if danish.rounded(value, decimals) == 0:
        return f"{'<' if value > 0 else '>'} {danish.number(np.sign(value) * 10**-decimals, decimals)}"
    return f"{'+' if value > 0 else ''}{danish.number(value, decimals)}"


def _indicator(name: str) -> str:
    return catalogue().indicators[name].name


def _years(years: list[int]) -> str:
    return ", ".join(map(str, years))


def _table(table: TableChange) -> dict[str, str]:
    counts = {"added": table.rows_added, "removed": table.rows_removed, "changed": table.rows_changed}
    what = "ændret"
    if not table.files_before or not table.files_after:
        what = "ny tabel" if not table.files_before else "ikke leveret længere"
    elif table.origins_before != table.origins_after:
        what = "anden oprindelse"
    elif set(counts.values()) == {0}:
        what = "samme tal, anden fil"
    return {"table": table.table, "what": what} | {
        name: "" if count is None else danish.number(count) for name, count in counts.items()
    }


def _counted(row: dict[str, Any]) -> dict[str, str]:
    return {
        "name": _indicator(row["indicator"]),
        "largest": signed(row["largest_pct"], 2),
        "revised": danish.number(row["revised"]),
        "came": danish.number(row["appeared"] + row["disappeared"] + row["status"]),
        "origin": danish.number(row["origin"]),
        "new": danish.number(row["new_year"] + row["new"]),
        "gone": danish.number(row["gone_year"] + row["gone"]),
    }


def _areas(changes: pd.DataFrame) -> list[dict[str, str]]:
    """The areas with the largest effects of each indicator, with how many figures are revised in each."""
    revised = by_area(changes[changes["kind"] == "revised"])
    rows = revised.groupby("indicator", sort=False).head(SHOWN)
    return [
        {
            "name": _indicator(row.indicator),
            "area": areas.name(row.area_code),
            "revised": danish.number(row.revised),
            "change": signed(row.largest_change, catalogue().indicators[row.indicator].decimals),
            "pct": signed(row.largest_pct, 2),
        }
        for row in rows.itertuples()
    ]
