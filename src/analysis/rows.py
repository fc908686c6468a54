"""Rows of key figures: their columns, what can stand in them, and what it is called for readers."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis.declared import read_declared
from analysis.edition import reference_folder
from analysis.errors import InputError

KEYS = ["indicator", "area_code", "population_group", "category", "year", "variant"]
CELL_KEYS = ["population_group", "category", "year", "variant"]
COLUMNS = [*KEYS, "value", "unit", "status", "origin", "note", "coverage", "evidence", "printed"]
STATUSES = ("final", "provisional", "partial", "missing", "suppressed", "not_applicable")
FINAL, PROVISIONAL, MISSING, NOT_APPLICABLE = "final", "provisional", "missing", "not_applicable"
# Of an area some of whose municipalities have no figure; and the reading of the same municipalities in every year.
PARTIAL, PANEL = "partial", "panel"
SUPPRESSED = "suppressed"
UNITS = ("kr", "kr_pr_indbygger", "antal", "pct", "pr_1000")
# Weakest last: what is computed from several figures has the origin of the weakest of them.
ORIGINS = ("statbank", "delivery", "transcribed", "derived", "reconstruction")
# What measures.py makes of key figures, and where it says so: of which kind, and since or with which year as base.
LEVEL, GROWTH, CHANGE, SHARE, INDEX, CONTRIBUTION = "level", "growth", "change", "share", "index", "contribution"
MEASURE, SINCE = "measure", "since"
# How well a value is known, the weakest last: measured; not measured but printed; neither.
GENUINE, FITTED, EXAMPLE = EVIDENCE = ("genuine", "fitted", "example")
Evidence = Literal["genuine", "fitted", "example"]
Severity = Literal["FATAL", "ERROR", "WARNING", "INFO"]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UnitName(_Declared):
    """A unit as it stands alone or on an axis, after a number in a sentence, and beside one in a chain."""

    name: str
    counted: str
    beside: str


class SeverityName(_Declared):
    """What readers see of a severity: its name, and what it means for the figures."""

    name: str
    meaning: str


class EvidenceName(_Declared):
    """What readers see of how well figures are known: a mark at each of them, and once a page what it means."""

    mark: str
    meaning: str


class Columns(_Declared):
    """Danish names of the columns of key figures, in their order, and of those that sections add."""

    key_figures: dict[str, str]
    added: dict[str, str]


class Labels(_Declared):
    """What codes are called for readers, as declared in `data/reference/labels.yml`."""

    columns: Columns
    units: dict[str, UnitName]
    evidence: dict[Evidence, EvidenceName]
    origins: dict[str, str]
    statuses: dict[str, str]
    severities: dict[Severity, SeverityName]
    groups: dict[str, str]
    variants: dict[str, str]

    @property
    def all_columns(self) -> dict[str, str]:
        """The Danish name of every column that has one."""
        return self.columns.key_figures | self.columns.added

    @property
    def units_beside(self) -> dict[str, str]:
        """The units by code, as they stand beside a number in a chain."""
        return {code: unit.beside for code, unit in self.units.items()}

    @property
    def unit_names(self) -> dict[str, str]:
        """The units by code, as they stand alone."""
        return {code: unit.name for code, unit in self.units.items()}


@lru_cache
def labels() -> Labels:
    """The names that readers see. Errors name the entry of labels.yml that is wrong."""
    return read_declared(reference_folder() / "labels.yml", Labels)


def require(rows: pd.DataFrame, columns: Iterable[str], by: str) -> None:
    """Refuse rows that lack a column, such as an analyst's own frame with the years side by side."""
    if not isinstance(rows, pd.DataFrame):
        raise InputError(f"{by}: rows are a DataFrame, not {type(rows).__name__}")
    for name in columns:
        if not isinstance(name, str) or name not in rows.columns:
            there = ", ".join(map(str, rows.columns))
            raise InputError(f"{by}: no column {name!r} in the rows; they have {there}")


def weakest(origins: Iterable[str]) -> str:
    """The weakest of some origins, which is that of what is computed from them; empty without any."""
    return max(origins, key=ORIGINS.index, default="")


def made(measure: str, since: float) -> str:
    """How a measure of a key figure is written in `printed`: level, share, growth:2020."""
    return f"{measure}:{since:.0f}" if measure in (GROWTH, CHANGE) else measure


def evidence(rows: pd.DataFrame) -> pd.Series:
    """How well each value is known, one of `EVIDENCE`; empty for rows that are no key figures but an analyst's own.

    Of what rests on a reconstruction only the very measure that is printed is fitted; an index is the growth it shows.
    """
    if not {"indicator", "origin"} <= set(rows.columns):
        return pd.Series("", rows.index, dtype="str")
    absent = {"printed": "", MEASURE: LEVEL, SINCE: 0, "year": 0}
    of = rows.assign(**{name: usual for name, usual in absent.items() if name not in rows.columns})
    return pd.Series(
        [
            GENUINE if origin != "reconstruction" else FITTED if _is_printed(*row) else EXAMPLE
            for origin, *row in of[["origin", *absent]].itertuples(index=False)
        ],
        rows.index,
        dtype="str",
    )


def _is_printed(printed: object, measure: object, since: float, year: int) -> bool:
    """Whether a measure is one of those printed; an index is the growth it shows, and begins where it was set."""
    measure = GROWTH if measure == INDEX else measure if isinstance(measure, str) else LEVEL
    of_base = measure == GROWTH and since == year
    return of_base or (isinstance(printed, str) and made(measure, since) in printed.split())
