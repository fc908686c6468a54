"""Lineage of facts: from which raw rows each of them is made, declared beside the code that makes it."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from analysis.edition import Edition
from analysis.rows import MISSING
from noegletal.sources.corrections import read_corrected
from noegletal.sources.snapshot import TIME, table_shapes

AREA, YEAR = "area_code", "year"


@dataclass(frozen=True)
class Lineage:
    """The condition over raw codes from which a table of facts is made, and what becomes of a raw row.

    `columns`: each column of the facts and the raw variable it is. `codes`: what the codes of a column become, where
    they do not stay. `factor`: what a raw value is multiplied by; `unit` is that of the raw value.
    """

    table: str
    select: Mapping[str, Set[str]]
    columns: Mapping[str, str]
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    factor: float = 1.0
    unit: str = ""
    how: str = "summen af rækkerne"
    # Whether a raw cell is itself what is published, so that to show it tells nothing more.
    published: bool = False

    @property
    def reading(self) -> tuple[Hashable, ...]:
        """What is read, the same for all facts that are made of the same rows."""
        return (self.table, *sorted((variable, *sorted(codes)) for variable, codes in self.select.items()))

    def read(
        self,
        raw: Path,
        edition: Edition,
        areas: Iterable[str] = (),
        periods: Iterable[str] = (),
        *,
        removed: bool = False,
    ) -> pd.DataFrame:
        """The raw rows that facts are made of, corrected; all of them, or those of some areas and periods.

        With `removed` those that a correction takes out as well (`read_corrected`).
        """
        limits = {table_shapes()[self.table].area: frozenset(areas), TIME: frozenset(periods)}
        select = {**self.select, **{variable: codes for variable, codes in limits.items() if codes}}
        return read_corrected(raw, self.table, edition, select, removed=removed)[0]

    def facts(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Raw rows as facts, one for each: the columns, value, status and origin."""
        return self.values(rows).assign(
            status=rows["status"].astype("str").mask(rows["value"].isna(), MISSING), origin=rows["origin"].astype("str")
        )

    def values(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The same without status and origin."""
        named = {name: self._named(name, rows[variable]) for name, variable in self.columns.items()}
        return pd.DataFrame({**named, "value": rows["value"] * self.factor})

    def _named(self, name: str, codes: pd.Series) -> pd.Series:
        if name in self.codes:
            return codes.map(self.codes[name])
        return codes.astype(int) if name == YEAR else codes


def chosen(select: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """One code of each of some variables, as `select` takes them."""
    return {variable: frozenset({code}) for variable, code in select.items()}


def _unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class Cells:
    """Facts as figures take them: those of a table by `keys`, the first of which are the area and the period.

    `taken` gives facts of the table, or raw rows as facts, the keys; it may leave out rows and repeat them.
    """

    name: tuple[Hashable, ...]
    facts: str
    lineage: Lineage
    keys: tuple[str, ...]
    taken: Callable[[pd.DataFrame], pd.DataFrame] = _unchanged
