"""What chains are drawn from: key figures, facts, and the raw rows of each cell of facts."""

import json
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.edition import FACTS, KEY_FIGURES, SOURCES, Edition
from analysis.rows import COLUMNS, KEYS, SUPPRESSED
from noegletal.facts.lineage import Cells, Lineage
from noegletal.figures import coverage
from noegletal.figures.formulas import Cell, Question
from noegletal.figures.tables import StoredFacts, Tables

# Columns of raw rows that are not codes of the source.
NOT_CODES = {"file", "sheet", "line", "value", "origin", "status", "correction", "removed"}


@dataclass(frozen=True, eq=False)
class Rows:
    """The raw rows of one cell of facts; `value` is that of the `counted` ones, those that no correction removed.

    `table` has all the rows that were read, of which they stand at `positions`, by file and line.
    """

    table: pd.DataFrame
    positions: np.ndarray
    value: float
    counted: int

    def __len__(self) -> int:
        """How many rows, removed ones included."""
        return len(self.positions)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows with all their columns."""
        return self.table.iloc[self.positions]

    def place(self, number: int) -> tuple[str, str, int]:
        """Where one of the rows stands: file, sheet of a workbook or empty, line."""
        position, table = self.positions[number], self.table
        sheet = table["sheet"].iloc[position] if "sheet" in table.columns else ""
        return table["file"].iloc[position], sheet, table["line"].iloc[position]


@dataclass
class Evidence:
    """What chains are drawn from: key figures, facts and raw rows; `many` reads whole tables, for more chains."""

    edition: Edition
    raw: Path
    processed: Path
    many: bool = False
    _kept: dict[tuple, Any] = field(default_factory=dict)

    @cached_property
    def key_figures(self) -> pd.DataFrame:
        """The whole table of key figures."""
        return pd.read_parquet(self.processed / KEY_FIGURES)

    @cached_property
    def places(self) -> dict[tuple[str | int, ...], int]:
        """Where each key figure stands in the table, by its key (a `Question`, or the same as a plain tuple)."""
        keys = zip(*(self.key_figures[name].tolist() for name in KEYS), strict=True)
        return {key: place for place, key in enumerate(keys)}

    def figure(self, question: Question) -> dict[str, Any]:
        """The value of a key figure and what is said of it: value, unit, status, origin, note."""
        place = self.places[question]
        return {name: values[place] for name, values in self._said.items()}

    @cached_property
    def left_out(self) -> dict[tuple[str, str, str, str], frozenset[str]]:
        """The municipalities that the panel of a series leaves out."""
        return coverage.left_out(self.key_figures)

    @cached_property
    def _said(self) -> dict[str, list]:
        return {name: self.key_figures[name].tolist() for name in COLUMNS if name not in KEYS}

    @cached_property
    def sources(self) -> pd.DataFrame:
        """Every raw file with its sidecar."""
        return pd.DataFrame(json.loads((self.processed / SOURCES).read_text(encoding="utf-8")))

    @cached_property
    def suppressed(self) -> dict[tuple[str, int], set[tuple[str, str, str]]]:
        """The key figures that are not shown, by area and year: indicator, population group and category."""
        hidden = self.key_figures[self.key_figures["status"] == SUPPRESSED]
        found: dict[tuple[str, int], set[tuple[str, str, str]]] = {}
        for row in hidden.itertuples():
            found.setdefault((row.area_code, row.year), set()).add((row.indicator, row.population_group, row.category))
        return found

    @cached_property
    def tables(self) -> Tables:
        """The facts as the build wrote them."""
        return Tables(self.edition, StoredFacts(self.processed / FACTS))

    def rows(self, cell: Cell, areas: Sequence[str]) -> Rows | None:
        """The raw rows of a cell, the same object each time; None where there are none.

        `areas`: those that the chain is about, which is all that is read for a single chain (none: every area).
        """
        limits = () if self.many else (tuple(areas), cell.period)
        return self.once(("rows", *cell.cells.name, *limits), lambda: self._grouped(cell, *limits)).get(cell.key)

    def _grouped(self, cell: Cell, areas: Sequence[str] = (), period: str = "") -> dict[tuple[Hashable, ...], Rows]:
        """The rows of every cell that facts of one making have."""
        lineage = cell.cells.lineage
        table = self.once(("read", lineage.reading, areas, period), lambda: self._read(lineage, areas, period))
        facts = lineage.values(table).assign(row=np.arange(len(table)))
        removed = table["removed"].to_numpy(dtype=bool)
        # A row that was removed decides nothing about the others.
        found = pd.concat([cell.cells.taken(facts[part]) for part in (~removed, removed) if part.any()] or [facts])
        positions = found["row"].to_numpy(dtype=int)
        groups = found.groupby(list(cell.cells.keys), sort=False).ngroup().to_numpy() if len(found) else positions
        files, _ = pd.factorize(table["file"].astype("str"), sort=True)
        order = np.lexsort((table["line"].to_numpy()[positions], files[positions], groups))
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        ends = [*starts[1:], len(order)]
        positions, out = positions[order], removed[positions[order]]
        values = np.where(out, 0.0, found["value"].to_numpy(dtype=float)[order])
        heads = found.iloc[order[starts]]
        names = zip(*(heads[key].tolist() for key in cell.cells.keys), strict=True)
        # A missing value makes its cell missing.
        sums = np.add.reduceat(values, starts) if len(starts) else values
        counted = np.add.reduceat(~out, starts, dtype=int) if len(starts) else out
        return {
            name: Rows(table, positions[start:end], float(value), int(count))
            for name, start, end, value, count in zip(names, starts, ends, sums, counted, strict=True)
        }

    def _read(self, lineage: Lineage, areas: Sequence[str], period: str) -> pd.DataFrame:
        table = lineage.read(self.raw, self.edition, areas, [period] if period else (), removed=True)
        return table if "removed" in table.columns else table.assign(correction="", removed=False)

    def without_rows(self, cell: Cell) -> float:
        """What the facts count for a cell without raw rows: nothing known (NaN), or what the source leaves out.

        An area that has other facts of the period has delivered, and then what is not there is nothing.
        """
        values, delivered = self.once(("facts", *cell.cells.name), lambda: self._facts(cell.cells))
        return values.get(cell.key, 0.0 if cell.key[:2] in delivered else math.nan)

    def _facts(self, cells: Cells) -> tuple[dict[tuple[Hashable, ...], float], set[tuple[Hashable, ...]]]:
        if cells.facts not in self.tables.facts:
            return {}, set()
        found = cells.taken(self.tables.facts[cells.facts])
        values = found.groupby(list(cells.keys), sort=False)["value"].sum(skipna=False).to_dict()
        return values, {key[:2] for key in values}

    def once(self, key: tuple, made: Callable[[], Any]) -> Any:
        """What `made` gives, made once for each key."""
        if key not in self._kept:
            self._kept[key] = made()
        return self._kept[key]
