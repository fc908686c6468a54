"""How much of an area a figure is of, where a table lacks some of its municipalities.

A figure of the others stands as `partial`, with its share of the area's persons and the absent by name; below the share
that the edition declares it is missing. What is compared over time is made of the same municipalities: see `panels`.
"""

from collections import defaultdict
from collections.abc import Iterator

import pandas as pd

from analysis import accounts, areas
from analysis.danish import listed
from analysis.rows import FINAL, MISSING, PARTIAL, PROVISIONAL

SERIES = ["indicator", "area_code", "population_group", "category"]
CELL = ["indicator", "population_group", "category", "variant"]


class Sizes:
    """Persons of the municipalities by age band and year; of a year without persons those of the year next to it."""

    def __init__(self, table: pd.DataFrame) -> None:
        """Take them from key figures."""
        people = table[(table["indicator"] == "population") & table["area_code"].isin(areas.municipalities())]
        wide = people.pivot(index=["category", "area_code"], columns="year", values="value").astype(float)
        wide = wide.ffill(axis=1).bfill(axis=1)
        self._first, self._last = wide.columns.min(), wide.columns.max()
        self._of: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
        known = wide.reset_index().melt(id_vars=["category", "area_code"]).dropna()
        for band, area, year, persons in known.itertuples(index=False, name=None):
            self._of[band, year][area] = persons

    def share(self, members: list[str], present: list[str], band: str, year: int) -> float:
        """The share of the persons of an age band that live in the municipalities present; 0 where that is unknown."""
        sizes = self._of[band, min(max(year, self._first), self._last)]
        if not sizes.keys() >= set(members):
            return 0.0
        return sum(sizes[code] for code in present) / (sum(sizes[code] for code in members) or 1.0)


def told(table: pd.DataFrame, sizes: Sizes, least: float) -> pd.DataFrame:
    """Key figures with their `coverage`, and what status and note say of the municipalities that an area lacks.

    Requires the columns of key figures but for coverage, and `band`, the age band that a figure is about. A figure of
    less than the share `least` has no value.
    """
    table = table.reset_index(drop=True)
    table["coverage"] = (table["status"] != MISSING).astype(float)
    changes = {}
    for place, row, members, present in _incomplete(table):
        share = sizes.share(members, present, row.band, row.year)
        value, status, notes = row.value, row.status, [_in_words(row.area_code, members, present), row.note]
        if share < least:
            value, status = float("nan"), MISSING
            notes[0] = f"Kun {notes[0]}" if present else f"Ingen kommuner {areas.locative(row.area_code)} har tal"
        elif status in (FINAL, PROVISIONAL):
            notes.insert(1, "foreløbigt tal" if status == PROVISIONAL else "")
            status = PARTIAL
        changes[place] = (value, status, "; ".join(note for note in notes if note), share)
    if changes:
        columns = ["value", "status", "note", "coverage"]
        table.loc[list(changes), columns] = pd.DataFrame(list(changes.values()), columns=columns).to_numpy()
    return table.astype({"value": float, "coverage": float})


def panels(table: pd.DataFrame) -> dict[frozenset[str], pd.DataFrame]:
    """The series of areas that lack municipalities in some year, by those to leave out of every year of them.

    A series leaves out whoever lacks a year that the area has a figure of. Requires what `told` gives.
    """
    found = left_out(table)
    by_set: dict[frozenset[str], list[tuple]] = defaultdict(list)
    for (indicator, area, *cell), absent in found.items():
        of_country = found.get((indicator, areas.COUNTRY, *cell), frozenset())
        # One computation serves all areas that leave out the same ones of theirs.
        together = of_country & set(areas.members(area)) == absent
        by_set[of_country if together else absent].append((indicator, area, *cell))
    return {absent: pd.DataFrame(series, columns=SERIES) for absent, series in by_set.items()}


def left_out(table: pd.DataFrame) -> dict[tuple[str, str, str, str], frozenset[str]]:
    """By series (indicator, area, population group, category), the municipalities that its panel leaves out."""
    standard = table[table["variant"] == accounts.STANDARD].reset_index(drop=True)
    found: dict[tuple[str, str, str, str], frozenset[str]] = defaultdict(frozenset)
    for _, row, members, present in _incomplete(standard):
        if row.status != MISSING:
            found[row.indicator, row.area_code, row.population_group, row.category] |= set(members) - set(present)
    return dict(found)


def _incomplete(table: pd.DataFrame) -> Iterator[tuple[int, tuple, list[str], list[str]]]:
    """Rows of areas that lack municipalities: place, row, the members, and those of them that have a figure.

    Of figures that a source has for whole areas there are no municipalities, and nothing is lacking.
    """
    local = table["area_code"].isin(areas.municipalities())
    keys = [*CELL, "year"]
    by_cell = table.loc[local & (table["status"] != MISSING)].groupby(keys)["area_code"]
    counted = table.loc[local, keys].drop_duplicates().set_index(keys).index
    have = by_cell.nunique().reindex(counted, fill_value=0)
    short = have.index[have < len(areas.municipalities())]
    there = by_cell.agg(set).to_dict() if len(short) else {}
    rows = table[~local & pd.MultiIndex.from_frame(table[keys]).isin(short)]
    for row in rows.itertuples():
        present = there.get(tuple(getattr(row, key) for key in keys), set())
        members = areas.members(row.area_code)
        if not present.issuperset(members):
            yield row.Index, row, members, [code for code in members if code in present]


def _in_words(area: str, members: list[str], present: list[str]) -> str:
    """How many municipalities of an area there are figures of, and which there are none of."""
    absent = [areas.name(code) for code in members if code not in present]
    names = listed(sorted(absent, key=areas.collation_key))
    return f"{len(present)} af {len(members)} kommuner {areas.locative(area)}, uden {names}"
