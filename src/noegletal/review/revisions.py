"""What differs between two vintages: raw rows, key figures, and printed numbers that would come out otherwise.

Both vintages are built with today's reference data and code, so a difference is one of the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis import accounts, areas
from analysis.catalogue import adds_up
from analysis.danish import rounded
from analysis.edition import KEY_FIGURES, Edition
from analysis.errors import InputError, find
from analysis.rows import KEYS, PANEL
from noegletal.figures.kinds import indicators
from noegletal.figures.printed import published
from noegletal.review.reconcile import Comparison, compare
from noegletal.review.vintage_figures import CURRENT, Vintage, built, same_files, vintage
from noegletal.sources.snapshot import TIME, RawFile, raw_files, read_table, table_shapes
from noegletal.sources.vintages import kept_vintages, vintages_folder

# Sums of the same amounts in another order differ by less; a revision of the smallest unit of a source by more.
RELATIVE_NOISE, ABSOLUTE_NOISE = 1e-10, 1e-6
AREA_ORDER = {"country": 0, "group": 1, "region": 2, "municipality": 3}
FACTS = ("value", "status", "origin")
CHANGE_COLUMNS = [
    *KEYS, "kind", "unit", "value_before", "value_after", "change", "change_pct",
    "status_before", "status_after", "origin_before", "origin_after",
]  # fmt: skip
KINDS = ("revised", "appeared", "disappeared", "status", "origin", "new_year", "gone_year", "new", "gone")


class TableChange(BaseModel):
    """A raw table in two vintages; rows are counted by key, None of a workbook or a table that no fact is made from."""

    model_config = ConfigDict(frozen=True)

    table: str
    same: bool
    files_before: list[str]
    files_after: list[str]
    origins_before: list[str]
    origins_after: list[str]
    rows_added: int | None
    rows_removed: int | None
    rows_changed: int | None


class YearChange(BaseModel):
    """Years of an indicator that only one of the vintages has."""

    model_config = ConfigDict(frozen=True)

    indicator: str
    new: list[int]
    gone: list[int]


class PrintedChange(BaseModel):
    """A printed number whose status, or whose computed figure at the printed precision, is not the same in both."""

    model_config = ConfigDict(frozen=True)

    id: str
    section: str
    place: str
    unit: str
    decimals: int
    printed: float
    computed_before: float | None
    computed_after: float | None
    status_before: str
    status_after: str


@dataclass(frozen=True)
class Revisions:
    """What differs between two vintages.

    `changes`: one row per key figure that differs, largest effects first (`differences`). `before_figures` and
    `after_figures`: the key figures of each.
    """

    edition: Edition
    before: Vintage
    after: Vintage
    tables: list[TableChange]
    changes: pd.DataFrame
    printed: list[PrintedChange]
    before_figures: pd.DataFrame
    after_figures: pd.DataFrame

    @property
    def none(self) -> bool:
        """Whether the vintages are alike: the same raw rows and the same key figures."""
        return self.changes.empty and all(table.same for table in self.tables)


@dataclass(frozen=True)
class NotCompared:
    """An earlier vintage that could not be read or built with today's reference data, and why."""

    name: str
    cause: str


def since_earlier(edition: Edition, raw: Path, processed: Path) -> Revisions | NotCompared | None:
    """What differs from the newest kept vintage whose files are others than those of `raw`; None without one.

    A vintage that cannot be compared is no reason not to make a report, so its error is returned.
    """
    for path in reversed(kept_vintages(vintages_folder(edition.name, raw))):
        try:
            if same_files(path, raw):
                continue
            before, after = vintage(path.name, path, edition), vintage(CURRENT, raw, edition)
            return compare_vintages(edition, before, after, processed)
        except InputError as error:
            return NotCompared(path.name, str(error))
    return None


def compare_vintages(edition: Edition, before: Vintage, after: Vintage, processed: Path | None = None) -> Revisions:
    """Build both vintages where needed and find what differs; errors as for a build, naming the vintage's files."""
    tables = table_changes(before.raw, after.raw)
    first = built(before, edition, processed)
    alike = before.plan == after.plan and same_files(before.raw, after.raw)
    second = first if alike else built(after, edition, processed)
    old, new = (pd.read_parquet(folder / KEY_FIGURES) for folder in (first, second))
    # The same municipalities every year are others when one comes to it: the standard reading says what changed.
    old, new = (table[table["variant"] != PANEL] for table in (old, new))
    changes = differences(old, new)
    printed = [] if changes.empty else printed_changes(edition, compare(edition, first), compare(edition, second))
    return Revisions(edition, before, after, tables, changes, printed, old, new)


def table_changes(before: Path, after: Path) -> list[TableChange]:
    """The raw tables of two folders, those that differ with the number of rows added, removed and changed."""
    old, new = _by_table(before), _by_table(after)
    changes = []
    for table in sorted({*old, *new}):
        pair = old.get(table, []), new.get(table, [])
        same = [(file.path.name, file.sidecar.sha256) for file in pair[0]] == [
            (file.path.name, file.sidecar.sha256) for file in pair[1]
        ]
        added, removed, changed = (0, 0, 0) if same else _counted_rows(table, before, after, *pair)
        files = [[file.path.name for file in part] for part in pair]
        origins = [sorted({file.sidecar.origin for file in part}) for part in pair]
        changes.append(
            TableChange(
                table=table,
                same=same,
                files_before=files[0],
                files_after=files[1],
                origins_before=origins[0],
                origins_after=origins[1],
                rows_added=added,
                rows_removed=removed,
                rows_changed=changed,
            )
        )
    return changes


def _by_table(folder: Path) -> dict[str, list[RawFile]]:
    tables: dict[str, list[RawFile]] = {}
    for file in raw_files(folder):
        tables.setdefault(file.sidecar.table, []).append(file)
    return tables


def _counted_rows(
    table: str, before: Path, after: Path, old: list[RawFile], new: list[RawFile]
) -> tuple[int | None, int | None, int | None]:
    if table not in table_shapes() or any(".csv" not in file.path.suffixes for file in (*old, *new)):
        return None, None, None
    keys = [*table_shapes()[table].variables, TIME]
    frames = [
        read_table(folder, table)[0][[*keys, "value"]] if files else pd.DataFrame(columns=[*keys, "value"])
        for folder, files in ((before, old), (after, new))
    ]
    both = frames[0].merge(frames[1], on=keys, how="outer", suffixes=("_before", "_after"), indicator="found")
    added, removed = both["found"] == "right_only", both["found"] == "left_only"
    alike = (both["value_before"] == both["value_after"]) | both[["value_before", "value_after"]].isna().all(axis=1)
    return int(added.sum()), int(removed.sum()), int((~added & ~removed & ~alike).sum())


def differences(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The key figures that differ between two tables, one row each.

    Returns the keys, `kind` (revised, appeared: missing before, disappeared: missing after, status, origin, new_year
    and gone_year: the indicator has the year in one table only, new, gone), unit, value, status and origin before and
    after, change in the unit, and change_pct of the value before (NaN where that is zero). A figure that is suppressed
    in either table shows no value of the other: it could be what is to be hidden.

    Order: indicators by their largest relative change; within one, amounts and counts by absolute change, other
    figures by relative change; then country, groups, regions, municipalities, and the order of categories.csv.
    """
    columns = [*KEYS, "unit", *FACTS]
    both = before[columns].merge(
        after[columns], on=KEYS, how="outer", suffixes=("_before", "_after"), indicator="found", validate="one_to_one"
    )
    hidden = (both[["status_before", "status_after"]] == "suppressed").any(axis=1)
    for column in ("value_before", "value_after"):
        both[column] = both[column].mask(hidden)
    old, new = both["value_before"], both["value_after"]
    there = both["found"] == "both"
    close = (new - old).abs() <= np.maximum(RELATIVE_NOISE * np.maximum(old.abs(), new.abs()), ABSOLUTE_NOISE)
    pairs = pd.MultiIndex.from_frame(both[["indicator", "year"]])
    known = [pd.MultiIndex.from_frame(table[["indicator", "year"]].drop_duplicates()) for table in (before, after)]
    new_year, gone_year = (~pairs.isin(years) for years in known)
    both["kind"] = np.select(
        [
            new_year,
            gone_year,
            both["found"] == "right_only",
            both["found"] == "left_only",
            ~hidden & old.isna() & new.notna(),
            ~hidden & old.notna() & new.isna(),
            old.notna() & new.notna() & ~close,
            there & (both["status_before"] != both["status_after"]),
            there & (both["origin_before"] != both["origin_after"]),
        ],
        ["new_year", "gone_year", "new", "gone", "appeared", "disappeared", "revised", "status", "origin"],
        default="",
    )
    both["unit"] = both["unit_after"].fillna(both["unit_before"])
    both["change"] = (new - old).where(both["kind"] == "revised")
    both["change_pct"] = both["change"] / old.abs().where(old != 0) * 100
    return _ranked(both[both["kind"] != ""][CHANGE_COLUMNS])


def _ranked(changes: pd.DataFrame) -> pd.DataFrame:
    # A figure that was zero has no relative change; nothing is larger.
    relative = changes["change_pct"].abs().mask(changes["change"].notna() & changes["change_pct"].isna(), np.inf)
    # Amounts and counts are ranked by how much they move, everything else by how many per cent.
    by_amount = {name: adds_up(name) for name in changes["indicator"].unique()}
    amounts = changes["indicator"].map(by_amount).astype(bool)
    effect = changes["change"].abs().where(amounts, relative)
    known = accounts.categories()
    places = {pair: row for row, pair in enumerate(zip(known["population_group"], known["category"], strict=True))}
    cells = zip(changes["population_group"], changes["category"], strict=True)
    area_kinds = areas.area_table().set_index("area_code")["type"].map(AREA_ORDER)
    ranks = pd.DataFrame(
        {
            "indicator": -relative.groupby(changes["indicator"]).transform("max").fillna(-1),
            "name": changes["indicator"],
            "kind": changes["kind"].map(KINDS.index),
            "effect": -effect.fillna(-1),
            "area": changes["area_code"].map(area_kinds),
            "area_code": changes["area_code"],
            "category": [places.get(cell, len(places)) for cell in cells],
            "category_name": changes["category"],
            "variant": changes["variant"].map(lambda name: "" if name == accounts.STANDARD else name),
            "year": -changes["year"],
        },
        index=changes.index,
    )
    # Sums carry the same change as what they are made of, but for the last bits; those must not decide the order.
    ranks["effect"] = [float(f"{effect:.9e}") for effect in ranks["effect"]]
    return changes.loc[ranks.sort_values(list(ranks.columns)).index].reset_index(drop=True)


def printed_changes(edition: Edition, before: list[Comparison], after: list[Comparison]) -> list[PrintedChange]:
    """The printed numbers that fare differently with two sets of key figures, in the order of the printed rows."""
    printed = published(edition).set_index("id")
    earlier = {comparison.id: comparison for comparison in before}
    changes = []
    for comparison in after:
        old, row = earlier[comparison.id], printed.loc[comparison.id]
        decimals = int(row["decimals_printed"])
        figures = [None if one.computed is None else rounded(one.computed, decimals) for one in (old, comparison)]
        if old.status == comparison.status and figures[0] == figures[1]:
            continue
        changes.append(
            PrintedChange(
                id=comparison.id,
                section=row["notebook"],
                place=row["section"] if row["figure_or_table"] == "tekst" else row["figure_or_table"],
                unit=row["unit"],
                decimals=decimals,
                printed=comparison.printed,
                computed_before=old.computed,
                computed_after=comparison.computed,
                status_before=old.status,
                status_after=comparison.status,
            )
        )
    return changes


def year_changes(revisions: Revisions) -> list[YearChange]:
    """The years that an indicator has in one vintage only, by indicator."""
    changes = revisions.changes
    found = []
    for name, rows in changes[changes["kind"].isin(["new_year", "gone_year"])].groupby("indicator"):
        years = {
            kind: sorted(int(year) for year in rows.loc[rows["kind"] == kind, "year"].unique())
            for kind in ("new_year", "gone_year")
        }
        found.append(YearChange(indicator=str(name), new=years["new_year"], gone=years["gone_year"]))
    return found


def by_indicator(changes: pd.DataFrame) -> pd.DataFrame:
    """How many key figures of each indicator differ in which way, in the order of `changes`.

    Columns: indicator, a count per kind, largest_pct (relative change, NaN without one) and largest_change.
    """
    return _summed(changes, ["indicator"])


def by_area(changes: pd.DataFrame) -> pd.DataFrame:
    """The same by indicator and area, the areas of an indicator with the largest effects first."""
    return _summed(changes, ["indicator", "area_code"])


def _summed(changes: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    grouped = changes.groupby(keys, sort=False)
    largest = grouped.agg(
        largest_change=("change", lambda values: _furthest(values)),
        largest_pct=("change_pct", lambda values: _furthest(values)),
    )
    counted = changes.groupby([*keys, "kind"], sort=False).size().unstack(fill_value=0)
    table = counted.reindex(columns=list(KINDS), fill_value=0).join(largest)
    return table.loc[largest.index].reset_index()


def _furthest(values: pd.Series) -> float:
    values = values.dropna()
    return float(values.loc[values.abs().idxmax()]) if len(values) else float("nan")


def known_indicators(names: Sequence[str]) -> list[str]:
    """The indicators that are meant by codes or Danish names; one without key figures is an error that lists those."""
    known = {name: entry.name for name, entry in indicators().items() if not entry.modelled}
    those = ", ".join(known)
    return [find(name, known, f"indicator {name!r} has no key figures; these have: {those}") for name in names]


def chosen(revisions: Revisions, indicators: Sequence[str] = (), area_codes: Sequence[str] = ()) -> pd.DataFrame:
    """The changes of some indicators and areas, or of all."""
    changes = revisions.changes
    if indicators:
        changes = changes[changes["indicator"].isin(indicators)]
    if area_codes:
        changes = changes[changes["area_code"].isin(area_codes)]
    return changes


def record(revisions: Revisions, changes: pd.DataFrame, limit: int | None = None) -> dict[str, Any]:
    """What differs as plain data for JSON; `limit` rows of each indicator and kind, all without one."""
    shown = changes if limit is None else changes.groupby(["indicator", "kind"], sort=False).head(limit)
    values = shown.astype(object).where(shown.notna(), None)
    areas_shown = by_area(changes)
    return {
        "edition": revisions.edition.name,
        "before": _described(revisions.before),
        "after": _described(revisions.after),
        "tables": [table.model_dump() for table in revisions.tables],
        "years": [year.model_dump() for year in year_changes(revisions)],
        "indicators": _plain(by_indicator(changes)),
        "areas": _plain(areas_shown),
        "changes": values.to_dict("records"),
        "printed": [printed.model_dump() for printed in revisions.printed],
    }


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _described(vintage: Vintage) -> dict[str, Any]:
    days = sorted(str(file.sidecar.retrieved)[:10] for file in raw_files(vintage.raw))
    return {"name": vintage.name, "retrieved_from": days[0], "retrieved_to": days[-1]}
