"""What chains are drawn from: key figures, facts, and raw rows grouped by the figure that each counts in."""

import json
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis import accounts, areas
from analysis.catalogue import CountedTable, catalogue
from analysis.edition import FACTS, KEY_FIGURES, SOURCES, Edition
from analysis.rows import COLUMNS, KEYS, SUPPRESSED
from noegletal.facts import population
from noegletal.facts.expenditure import NET_OPERATING
from noegletal.sources.corrections import read_corrected
from noegletal.sources.deliveries import read_form
from noegletal.sources.snapshot import MISSING, TIME, table_shapes

# Columns of raw rows that are not codes of the source.
NOT_CODES = {"file", "sheet", "line", "value", "origin", "status", "correction", "removed"}


class Question(NamedTuple):
    """The key figure asked about: the key of its row."""

    indicator: str
    area_code: str
    population_group: str
    category: str
    year: int
    variant: str


class RawTable:
    """Raw rows of a source as read: file, line, value, correction, removed, codes (and sheet for workbooks).

    Its columns are numbered once, however many groupings are made of them: numbers sort, add up and cut much faster
    than texts do.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        """Take rows as `read_corrected` gives them with `removed`; a table without corrections gets empty ones."""
        self.frame = frame if "removed" in frame.columns else frame.assign(correction="", removed=False)
        self.codes = [name for name in self.frame.columns if name not in NOT_CODES]
        self.corrected = bool((self.frame["correction"] != "").any())
        self._numbered: dict[str, Numbered] = {}

    def numbered(self, name: str) -> "Numbered":
        """A column as the number of each row's text, and the texts."""
        if name not in self._numbered:
            column = self.frame[name]
            # Files are in alphabetical order, whatever order they were read in.
            column = column.astype("str") if column.dtype == "category" else column
            numbers, labels = pd.factorize(column, sort=name == "file")
            self._numbered[name] = Numbered(numbers, np.asarray(labels, dtype=object))
        return self._numbered[name]


class Numbered(NamedTuple):
    """A column as numbers and what each number stands for."""

    numbers: np.ndarray
    labels: np.ndarray

    def at(self, positions: np.ndarray) -> "Numbered":
        """The column of some of the rows."""
        return Numbered(self.numbers[positions], self.labels)

    def named(self, names: Sequence[Hashable]) -> "Numbered":
        """The column with other labels, which may make rows alike that were not."""
        listed = np.empty(len(names), dtype=object)
        listed[:] = names
        numbers, labels = pd.factorize(listed)
        return Numbered(numbers[self.numbers], labels)


class Groups:
    """The rows of a raw table in groups, each the rows of one figure by file and line, and added up."""

    def __init__(self, raw: RawTable, keys: Sequence[Numbered], positions: np.ndarray) -> None:
        """Sort the rows at `positions` by their `keys`; a row that is in several groups stands there several times."""
        files, lines = raw.numbered("file").numbers, raw.frame["line"].to_numpy()
        order = np.lexsort((lines[positions], files[positions], *(key.numbers for key in reversed(keys))))
        self.raw, self._positions = raw, positions[order]
        sorted_keys = [key.at(order) for key in keys]
        starts = np.flatnonzero(_changes([key.numbers for key in sorted_keys], len(order)))
        removed = raw.frame["removed"].to_numpy(dtype=bool)[self._positions]
        values = np.where(removed, 0.0, raw.frame["value"].to_numpy(dtype=float)[self._positions])
        self._starts = starts.tolist()
        self._ends = [*self._starts[1:], len(order)]
        # A missing value makes its group missing.
        self._values = np.add.reduceat(values, starts).tolist() if len(order) else []
        self._counted = np.add.reduceat(~removed, starts, dtype=int).tolist() if len(order) else []
        names = zip(*(key.labels[key.numbers[starts]].tolist() for key in sorted_keys), strict=True)
        self._places = {name: place for place, name in enumerate(names)}
        self._made: dict[tuple, Rows] = {}
        self._columns: dict[str, list] = {}

    def rows(self, *key: object) -> "Rows | None":
        """The rows of a group; the same object each time it is asked for, and none where there is no row."""
        if key not in self._made and key in self._places:
            place = self._places[key]
            self._made[key] = Rows(
                self, self._starts[place], self._ends[place], self._values[place], self._counted[place]
            )
        return self._made.get(key)

    def counts(self, *beginning: object) -> bool:
        """Whether a row counts in any group whose key begins like this."""
        return beginning in self._beginnings

    @cached_property
    def _beginnings(self) -> set[tuple]:
        counted = [key for key, place in self._places.items() if self._counted[place]]
        return {key[:length] for key in counted for length in range(1, len(key) + 1)}

    def frame(self, start: int, end: int) -> pd.DataFrame:
        """Some of the rows in order, with all their columns."""
        return self.raw.frame.iloc[self._positions[start:end]]

    def column(self, name: str) -> list:
        """A column in order, as a list; `sheet` is empty outside workbooks."""
        if name not in self._columns:
            if name not in self.raw.frame.columns:
                self._columns[name] = [""] * len(self._positions)
            elif self.raw.frame[name].dtype.kind in "if":
                self._columns[name] = self.raw.frame[name].to_numpy()[self._positions].tolist()
            else:
                numbers, labels = self.raw.numbered(name).at(self._positions)
                self._columns[name] = labels[numbers].tolist()
        return self._columns[name]

    @cached_property
    def texts(self) -> list[str]:
        """The values as a Danish file has them, so that a line can be found and compared as it stands."""
        texts = {value: f"{value:.15g}".replace(".", ",") for value in set(self.column("value"))}
        return [MISSING if math.isnan(value) else texts[value] for value in self.column("value")]

    @cached_property
    def varying(self) -> list[str]:
        """The columns of codes that differ between rows of the same group."""
        inside = np.ones(len(self._positions), dtype=bool)
        inside[self._starts] = False
        numbers = {name: self.raw.numbered(name).at(self._positions).numbers for name in self.raw.codes}
        return [name for name, codes in numbers.items() if (_changes([codes], len(codes)) & inside).any()]

    @cached_property
    def fixed(self) -> dict[int, tuple[tuple[str, str], ...]]:
        """The codes that all rows of a group have, each with its name, by where the group starts."""
        heads = self._positions[self._starts]
        columns = []
        for name in self.raw.codes:
            if name not in self.varying:
                numbers, labels = self.raw.numbered(name).at(heads)
                pairs = [(name, str(label)) for label in labels]
                columns.append([pairs[number] for number in numbers.tolist()])
        codes = zip(*columns, strict=True) if columns else [()] * len(self._starts)
        return dict(zip(self._starts, codes, strict=True))


def _changes(columns: list[np.ndarray], length: int) -> np.ndarray:
    """Where a row differs from the one before it in any column; the first row always does."""
    changed = np.zeros(length, dtype=bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return changed


@dataclass(frozen=True, eq=False)
class Rows:
    """The raw rows of one figure; `value` is the sum of the `counted` ones, those that no correction removed."""

    groups: Groups
    start: int
    end: int
    value: float
    counted: int

    def __len__(self) -> int:
        """How many rows, removed ones included."""
        return self.end - self.start

    @property
    def frame(self) -> pd.DataFrame:
        """The rows with all their columns."""
        return self.groups.frame(self.start, self.end)

    @property
    def codes(self) -> list[str]:
        """The columns that hold codes of the source."""
        return self.groups.raw.codes

    def column(self, name: str) -> list:
        """One column of the rows."""
        return self.groups.column(name)[self.start : self.end]

    @property
    def sheets(self) -> list[str]:
        """The sheets that the rows stand in; none outside workbooks."""
        inside = "sheet" in self.groups.raw.frame.columns
        return list(dict.fromkeys(self.column("sheet"))) if inside else []

    @property
    def fixed(self) -> tuple[tuple[str, str], ...]:
        """The codes that all the rows have, each with its name."""
        return self.groups.fixed[self.start]

    @property
    def varying(self) -> list[str]:
        """The columns of codes in which rows of such groups differ."""
        return self.groups.varying

    def lines(self) -> Iterator[tuple[str, ...]]:
        """The rows as texts: line, the codes that differ between rows, value."""
        columns = [map(str, self.column("line")), *(self.column(name) for name in self.varying)]
        return zip(*columns, self.groups.texts[self.start : self.end], strict=True)

    @cached_property
    def places(self) -> frozenset[tuple[str, str, int]]:
        """Where the rows stand: file, sheet of a workbook or empty, line."""
        return frozenset(zip(self.column("file"), self.column("sheet"), self.column("line"), strict=True))

    @cached_property
    def files(self) -> frozenset[str]:
        """The files that the rows stand in."""
        return frozenset(self.column("file"))

    @cached_property
    def corrected(self) -> bool:
        """Whether a correction changed one of the rows."""
        return self.groups.raw.corrected and any(self.column("correction"))


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
    def places(self) -> dict[Question, int]:
        """Where each key figure stands in the table."""
        keys = zip(*(self._column(name) for name in KEYS), strict=True)
        return {key: place for place, key in enumerate(keys)}

    def figure(self, question: Question) -> dict[str, Any]:
        """The value of a key figure and what is said of it: value, unit, status, origin, note."""
        place = self.places[question]
        return {name: self._column(name)[place] for name in COLUMNS if name not in KEYS}

    def _column(self, name: str) -> list:
        def listed() -> list:
            numbers, labels = pd.factorize(self.key_figures[name], use_na_sentinel=False)
            return np.asarray(labels)[numbers].tolist()

        return self.once(("column", name), listed)

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

    def facts(self, name: str) -> pd.DataFrame:
        """A table of facts, as the build wrote it."""
        return self.once(("facts", name), lambda: pd.read_parquet(self.processed / FACTS / f"{name}.parquet"))

    def fact_values(self, name: str, keys: tuple[str, ...]) -> dict[tuple, float]:
        """Values of a table of facts by key."""
        frame = self.facts(name)
        return self.once(
            ("values", name, keys),
            lambda: dict(zip(zip(*(frame[key] for key in keys), strict=True), frame["value"], strict=True)),
        )

    def delivered(self, table: str, form: str, sheet: str, value: str, keys: tuple[str, ...]) -> Groups:
        """The cells of a column of a delivered workbook, each by the codes of its row."""

        def cells() -> Groups:
            file = self.sources[self.sources["table"] == table]["file"].iloc[0]
            sheets = self.once(("form", table), lambda: read_form(self.raw / file, form))
            rows = sheets[sheet].rename(columns={value: "value", "row": "line"})
            rows = rows.assign(file=file, correction="", removed=False)
            raw = RawTable(rows[["file", "sheet", "line", *keys, "value", "correction", "removed"]])
            return Groups(raw, [raw.numbered(key) for key in keys], np.arange(len(rows)))

        return self.once(("cells", table, sheet, value), cells)

    def rows(self, table: str, select: Mapping[str, Set[str]], members: Iterable[str], period: str) -> Groups:
        """Raw rows with some codes by period and area; removed ones are there, marked."""

        def grouped() -> Groups:
            raw = self._read(table, select, members, period)
            area = table_shapes()[table].area
            return Groups(raw, [raw.numbered(TIME), raw.numbered(area)], np.arange(len(raw.frame)))

        return self._kept_for(("rows", table, _key(select)), members, period, grouped)

    def persons(self, band: str, members: Iterable[str], quarter: str) -> Groups:
        """Raw rows of the population by quarter and municipality, limited to an age band."""

        def grouped() -> Groups:
            raw = self._read("FOLK1A", population.BOTH_SEXES, members, quarter)
            positions = np.flatnonzero(_in_band(raw, band))
            keys = [raw.numbered(name).at(positions) for name in (TIME, "OMRÅDE")]
            return Groups(raw, keys, positions)

        return self._kept_for(("persons", band), members, quarter, grouped)

    def counts(self, counted: CountedTable, category: str, members: Iterable[str], period: str) -> Groups:
        """Raw rows that a table counts, by period, area and category."""

        def grouped() -> Groups:
            categories = counted.categories if self.many else {category: counted.categories[category]}
            codes = {code: name for name, listed in categories.items() for code in listed}
            select = {variable: frozenset({code}) for variable, code in counted.select.items()}
            raw = self._read(counted.table, select | {counted.variable: frozenset(codes)}, members, period)
            found = raw.numbered(counted.variable)
            named = found.named([codes[code] for code in found.labels])
            keys = [raw.numbered(TIME), raw.numbered(table_shapes()[counted.table].area), named]
            return Groups(raw, keys, np.arange(len(raw.frame)))

        key = ("counts", counted.table, counted.variable, _key(counted.select), *counted.categories)
        return self._kept_for(key if self.many else (*key, category), members, period, grouped)

    def accounts(self, question: Question, variant: str, only: frozenset[str] | None) -> Groups:
        """Accounts by municipality, year, and population group with category; a row twice where it counts twice.

        `only` limits the accounts to some functions.
        """
        members, period = areas.members(question.area_code), str(question.year)

        def grouped() -> Groups:
            raw, kinds, of_row = self._kept_for(("kinds",), members, period, lambda: self._kinds(members, period))
            found = self._kept_for(("in", variant), members, period, lambda: _in_categories(kinds, variant))
            found = found if only is None else found[found["function"].isin(only)]
            leaves = list(zip(found["population_group"], found["category"], strict=True))
            pairs = pd.DataFrame({"kind": found["kind"].to_numpy(), "leaf": np.arange(len(found))})
            rows = pd.DataFrame({"kind": of_row, "position": np.arange(len(of_row))}).merge(pairs, on="kind")
            positions = rows["position"].to_numpy()
            leaf = Numbered(rows["leaf"].to_numpy(), np.arange(len(found))).named(leaves)
            years = raw.numbered(TIME).named([int(year) for year in raw.numbered(TIME).labels])
            return Groups(raw, [raw.numbered("OMRÅDE").at(positions), years.at(positions), leaf], positions)

        return self._kept_for(("accounts", variant, only), members, period, grouped)

    def _kinds(self, members: Iterable[str], period: str) -> tuple[RawTable, pd.DataFrame, np.ndarray]:
        """The accounts, what kinds there are (year, function, grouping), and of which kind each row is.

        Which categories an account is in is asked once for each kind.
        """
        select = NET_OPERATING | {"FUNKTION": frozenset(accounts.functions())}
        raw = self._read("REGK100", select, members, period)
        years, functions, groupings = (raw.numbered(name) for name in (TIME, "FUNKTION", "GRUPPERING"))
        number = (years.numbers * len(functions.labels) + functions.numbers) * len(groupings.labels) + groupings.numbers
        _, first, of_row = np.unique(number, return_index=True, return_inverse=True)
        columns = {"year": years, "function": functions, "grouping": groupings}
        kinds = pd.DataFrame({name: column.labels[column.numbers[first]] for name, column in columns.items()})
        return raw, kinds.assign(kind=range(len(kinds)), year=kinds["year"].astype(int)), of_row

    def _read(self, table: str, select: Mapping[str, Set[str]], members: Iterable[str], period: str) -> RawTable:
        """Rows with some codes: of all areas and periods for many chains, else of those asked for."""

        def read() -> RawTable:
            alone = {table_shapes()[table].area: frozenset(members), TIME: frozenset({period})}
            wanted = dict(select) if self.many else select | alone
            return RawTable(read_corrected(self.raw, table, self.edition, wanted, removed=True)[0])

        return self._kept_for(("read", table, _key(select)), members, period, read)

    def _kept_for(self, key: tuple, members: Iterable[str], period: str, made: Callable[[], Any]) -> Any:
        return self.once(key if self.many else (*key, period, *members), made)

    def once(self, key: tuple, made: Callable[[], Any]) -> Any:
        """What `made` gives, made once for each key."""
        if key not in self._kept:
            self._kept[key] = made()
        return self._kept[key]


def _in_categories(kinds: pd.DataFrame, variant: str) -> pd.DataFrame:
    empty = kinds.assign(population_group="", category="")
    return accounts.categorised(kinds, variant) if len(kinds) else empty


def _key(select: Mapping[str, object]) -> tuple:
    return tuple((name, tuple(sorted(codes))) for name, codes in sorted(select.items()))


def _in_band(raw: RawTable, band: str) -> np.ndarray:
    """Which rows are of an age band; of everybody the source's own total, or every age where it has none."""
    ages, labels = raw.numbered("ALDER")
    total = (labels == population.TOTAL)[ages]
    if band == accounts.TOTAL:
        cells = pd.MultiIndex.from_frame(raw.frame[["OMRÅDE", TIME]])
        return total | ~cells.isin(cells[total & ~raw.frame["removed"].to_numpy()])
    limits = catalogue().age_bands[band]
    return np.array([age != population.TOTAL and limits.first <= int(age) <= limits.last for age in labels])[ages]
