"""Tables saved by hand from statistikbanken.dk: CSV, XLSX and PX files, with labels or codes, become rows of codes.

The layout is found from the periods: a column TID (one observation a row), or periods across (a matrix with labels to
the left, outer ones written once). Every other direction of the table is taken for the variable that all of its labels
belong to; where two would do and it matters, the file is refused. No label and no number is ever guessed.
"""

import csv
import datetime
import io
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from openpyxl.utils import get_column_letter

from analysis.areas import area_table, folded
from analysis.declared import text_of
from analysis.errors import InputError
from noegletal.sources.deliveries import FORMAT_TEXT, nearest, open_workbook
from noegletal.sources.forms import EXCEL_DIGITS, FIRST_YEAR, LAST_YEAR, fold
from noegletal.sources.px import PxFile, read_px, unreadable
from noegletal.sources.snapshot import MISSING, PERIOD_PATTERN, TIME, VALUE, ExactCodes, TableShape, table_shapes

CSV_SUFFIXES, XLSX_SUFFIX, PX_SUFFIX = (".csv", ".txt"), ".xlsx", ".px"
DELIMITERS = ";\t,"
# What statistikbanken.dk shows instead of a number: nothing at all is a zero, dots are not known or not possible.
ZERO, NOT_KNOWN = "-", re.compile(r"\.{1,6}")
PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)([.,][0-9]+)?")
# 1.234 is a thousand in Danish and not in English; 1,234 the other way round.
PERHAPS_GROUPED = re.compile(r"-?[1-9][0-9]{0,2}[.,][0-9]{3}")
MOST_CELLS = 5_000_000
# The name of a table, with which that of a sheet, or a title with a colon, may begin; Ark1, Sheet1 and Data are none.
TABLE_NAME = r"([A-ZÆØÅ]{2,}[0-9]+[A-Z0-9]*)(?![a-zæøå])"
TITLED = re.compile(rf"{TABLE_NAME}: *")
UNIT = re.compile(r"enhed: *(.*)", re.IGNORECASE)
# Units that say nothing of the scale of the numbers.
ANY_UNIT = {"", "-", "antal"}
# What only stands in a file that was saved with StatBank in English.
ENGLISH = re.compile(
    r"units?:.*|.*\bby\b.*\band time|total|age, total|all denmark|copenhagen|[0-9]{4}Q[1-4]", re.IGNORECASE
)
# A label may end with the periods it was in use.
IN_USE = re.compile(r"\s*\((?:[0-9]{4}(?:K[1-4])?)?-(?:[0-9]{4}(?:K[1-4])?)?\)$")
NUMBERED = {
    "account": re.compile(r"(?P<code>[0-9]\.[0-9]{2}\.[0-9]{2})(?: .*)?|(?P<bare>[0-9]{4,5})"),
    "grouping": re.compile(r"(?P<code>[0-9]{3})(?: .*)?|(?P<bare>[0-9]{1,2})"),
    "age": re.compile(r"(?P<code>[0-9]{1,3}) år|(?P<bare>[0-9]{1,3})"),
}
SAVE_AGAIN = "save the table again as PX, where numbers cannot be misread"


@dataclass(frozen=True)
class Download:
    """A table that was saved by hand: its rows as they stand in a raw file, and what it says of itself.

    `rows`: codes, TID and INDHOLD, all text. `labels`: variable -> code -> label, of variables that are neither areas
    nor ages.
    """

    rows: pd.DataFrame
    title: str
    notes: str
    labels: dict[str, dict[str, str]]


class _Label(NamedTuple):
    """A label as it stands in the file, with the code that a PX file gives for it."""

    text: str
    code: str | None = None


@dataclass(frozen=True)
class _Axis:
    """A direction of the table: its different labels, which of them each observation has, and its heading if any."""

    place: str
    name: str
    labels: list[_Label]
    positions: np.ndarray

    @classmethod
    def of(cls, place: str, name: str, texts: list[str]) -> "_Axis":
        positions, distinct = pd.factorize(pd.Series(texts, dtype="str"))
        return cls(place, name, [_Label(text) for text in distinct], positions)


@dataclass(frozen=True)
class _Says:
    """What a file says of itself: the name of its table, title and unit, each empty where it does not."""

    name: str
    title: str
    unit: str


@dataclass(frozen=True)
class _Observations:
    """What a file holds, before its labels are understood: a number as it is written in a raw file per observation."""

    axes: list[_Axis]
    numbers: list[str]
    notes: str = ""


@dataclass(frozen=True)
class _Grid:
    """The cells of a CSV or XLSX file, row by row, all of one width; blank ones are None."""

    file: str
    rows: list[list[object]]
    lines: list[int]
    kind: str
    sheet: str = ""

    def place(self, row: int, column: int) -> str:
        """Where a cell is, the way a person finds it."""
        if self.kind == XLSX_SUFFIX:
            return f"{self.file} cell {get_column_letter(column + 1)}{self.lines[row]}"
        return f"{self.file} line {self.lines[row]} field {column + 1}"


@dataclass(frozen=True)
class _Vocabulary:
    """The codes of a variable and everything that may be written for them."""

    variable: str
    names: frozenset[str]
    spellings: tuple[str, ...]
    codes: frozenset[str]
    labels: dict[str, frozenset[str]]
    width: int
    numbered: str = ""
    areas: bool = False

    def meanings(self, label: _Label) -> frozenset[str]:
        """The codes that a label may stand for: none is not known, two are not certain."""
        found = self._meanings(" ".join(label.text.split()))
        if label.code is None:
            return found
        own = frozenset({label.code, self.padded(label.code)})
        if found:
            return found & own
        exact = own if self.areas else frozenset({label.code})
        return exact & self.codes

    def padded(self, code: str) -> str:
        """A code with the zeros that the raw-table reader puts before it."""
        return code.zfill(self.width) if code.isdecimal() else code

    def own_code(self, label: _Label) -> str | None:
        """The code a PX file gives for a label this project does not know, unless it would be read as another one."""
        if label.code is None or (self.padded(label.code) != label.code and self.padded(label.code) in self.codes):
            return None
        return label.code if not self.numbered and re.fullmatch(r"[^;\"\s]+", label.code) else None

    def _meanings(self, text: str) -> frozenset[str]:
        found = {text, self.padded(text) if self.areas else text} & self.codes
        found |= self._labelled(text)
        found |= self._number(text)
        code, _, rest = text.partition(" ")
        found |= {code, self.padded(code)} & self._labelled(rest)
        found |= self._number(code) & self._number(rest)
        return frozenset(found)

    def _number(self, text: str) -> frozenset[str]:
        """The code that a label holds as a number."""
        number = re.fullmatch(NUMBERED[self.numbered], text) if self.numbered else None
        if number is None:
            return frozenset()
        digits = (number["code"] or number["bare"]).replace(".", "")
        return frozenset({digits.zfill(self.width) if self.numbered == "grouping" else str(int(digits))})

    def _labelled(self, text: str) -> frozenset[str]:
        found = (self.labels.get(key, frozenset()) for key in _keys(text, areas=self.areas))
        return frozenset().union(*found)


def read_downloads(
    paths: Sequence[Path], table: str, stored: Mapping[str, Mapping[str, str]] | None = None
) -> Download:
    """As `read_download`, of a table that was saved in several files, such as one a year.

    Errors besides: two files that have different numbers for the same, a combination of codes that none of them has.
    """
    parts = [read_download(path, table, stored) for path in paths]
    if len(parts) == 1:
        return parts[0]
    rows = pd.concat([part.rows.assign(file=path.name) for path, part in zip(paths, parts, strict=True)])
    rows["number"] = pd.to_numeric(rows[VALUE].str.replace(",", "."), errors="coerce")
    keys = [*table_shapes()[table].variables, TIME]
    different = rows.drop_duplicates([*keys, "number"])
    twice = different[different.duplicated(keys, keep=False)].sort_values(keys, kind="stable")
    if len(twice):
        one, other = twice.iloc[0], twice.iloc[1]
        raise InputError(
            f"{one['file']} has {one[VALUE]} and {other['file']} {other[VALUE]} for {_said(keys, one[keys])}; leave "
            "out one of them, or save both again",
            rule="NOEGLE-01",
        )
    rows = rows.drop_duplicates(keys)[[*keys, VALUE]].reset_index(drop=True)
    _require_whole(rows, ", ".join(path.name for path in paths))
    labels = {variable: {} for variable in parts[0].labels}
    for part in parts:
        for variable, names in part.labels.items():
            labels[variable] |= names
    notes = dict.fromkeys(part.notes for part in parts if part.notes)
    return Download(rows, parts[0].title, " ".join(notes), labels)


def read_download(path: Path, table: str, stored: Mapping[str, Mapping[str, str]] | None = None) -> Download:
    """The rows of a table that was saved by hand, every label turned into its code.

    `stored` are labels known from elsewhere (variable -> code -> label), beside those of tables.yml and areas.csv.
    Errors: a file of another kind or another table, a layout that cannot be told, labels that are not known (all of
    them in one error), a cell that is no number or may be two, an observation that is missing.
    """
    shape = table_shapes().get(table)
    if shape is None:
        raise InputError(f"table {table} is not in tables.yml; it has {', '.join(table_shapes())}")
    if not path.is_file():
        raise unreadable(f"{path} does not exist")
    suffix = path.suffix.lower()
    if suffix == PX_SUFFIX:
        px = read_px(path)
        says = _Says(px.matrix.strip().upper(), px.title, px.unit)
        _require_danish([px.title, *(label for variable in px.variables for label in variable.labels)], path.name)
        _require_own(says, path.name, table)
        seen = _px_observations(px, path.name)
    elif suffix in (*CSV_SUFFIXES, XLSX_SUFFIX):
        grid = _xlsx_grid(path) if suffix == XLSX_SUFFIX else _csv_grid(path)
        says = _grid_says(grid)
        _require_danish({cell for row in grid.rows for cell in row if isinstance(cell, str)}, path.name)
        _require_own(says, path.name, table)
        seen = _grid_observations(grid, table, shape)
    else:
        raise unreadable(f"{path.name} is not a CSV, XLSX or PX file; save the table as one of these")
    return _coded(seen, says.title, path.name, table, shape, stored or {})


# Which table it is


def _require_danish(texts: Iterable[str], file: str) -> None:
    if any(ENGLISH.fullmatch(text.strip()) for text in texts):
        raise unreadable(f"{file} was saved with StatBank in English; choose Danish there, and save the table again")


def _require_own(says: _Says, file: str, table: str) -> None:
    """Refuse a file that says it is another table: by its name, its title or its unit."""
    shapes = table_shapes()
    shape = shapes[table]
    if says.name not in ("", table):
        raise unreadable(
            f"{file} says that it is table {says.name}, not {table}: choose {table} in StatBank, and save that"
        )
    titles = {name: [other.title, *([other.shown.title] if other.shown else [])] for name, other in shapes.items()}
    known = [name for name in titles if _head(says.title) in map(_head, titles[name])]
    if says.title and table not in known:
        raise unreadable(
            f"{file} has the title {says.title!r}"
            + (f" of {known[0]}, not of {table}" if known else f", not that of {table}")
            + f": {titles[table][-1]!r}. Save {table} itself; when StatBank has given it a new title, write that under "
            "`shown` in tables.yml"
        )
    if shape.shown and fold(says.unit) not in {fold(shape.shown.unit), *ANY_UNIT}:
        raise unreadable(
            f"{file} is in {says.unit!r}, {table} in {shape.shown.unit!r}. Save {table} itself; when StatBank has "
            "given it a new unit, the figures made of it must be looked at before `shown` in tables.yml says so"
        )


def _head(title: str) -> str:
    """What a table is called, without the variables that it was saved by."""
    return fold(title).partition(" efter ")[0].strip(" -,")


def _grid_says(grid: _Grid) -> _Says:
    """What stands alone in the first column above the table, and the name of the sheet where it is that of a table."""
    above = []
    for row in grid.rows:
        if any(cell is not None for cell in row[1:]):
            break
        above += [_text(cell) for cell in row[:1] if cell is not None]
    units = [match[1] for text in above if (match := UNIT.fullmatch(text))]
    title = next((text for text in above if not UNIT.fullmatch(text)), "")
    titled = TITLED.match(title)
    named = titled or re.match(TABLE_NAME, grid.sheet)
    return _Says(named[1] if named else "", title[titled.end() if titled else 0 :], "".join(units))


# Numbers


def written_number(value: object) -> str:
    """A cell as it is written in a raw file: decimal comma, `..` missing, `-` as 0. ValueError says what is wrong."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("is empty" if value is None else "is no number")
    if not isinstance(value, str):
        number = Decimal(f"{value:.{EXCEL_DIGITS}g}")
        if not number.is_finite():
            raise ValueError("is no number")
        # Excel makes 1.234 of a Danish thousand when it opens a CSV file, so a number cell is no proof either.
        text = f"{number:f}"
    else:
        text = value.strip()
    if text == ZERO:
        return "0"
    if NOT_KNOWN.fullmatch(text):
        return MISSING
    if PERHAPS_GROUPED.fullmatch(text):
        raise ValueError(f"may be a decimal number or thousands; {SAVE_AGAIN}")
    if not PLAIN_NUMBER.fullmatch(text):
        raise ValueError(f"is no plain number; {SAVE_AGAIN}")
    return text.replace(".", ",")


def _numbers(cells: list[tuple[object, str]], file: str) -> list[str]:
    """All cells as numbers; what is wrong with them is one error."""
    found, wrong, marks = [], [], {}
    for value, place in cells:
        try:
            found.append(written_number(value))
        except ValueError as error:
            wrong.append(f"{place}: {'the cell' if value is None else repr(value)} {error}")
            continue
        if isinstance(value, str):
            marks |= {mark: place for mark in ".," if mark in value and not NOT_KNOWN.fullmatch(value.strip())}
    if wrong:
        raise InputError(wrong[0] + (f" (and {len(wrong) - 1} more cells)" if len(wrong) > 1 else ""), rule="VAERDI-01")
    if len(marks) > 1:
        raise InputError(
            f"{file} has decimals after a comma ({marks[',']}) and a point ({marks['.']}); {SAVE_AGAIN}",
            rule="VAERDI-01",
        )
    return found


# PX


def _px_observations(px: PxFile, file: str) -> _Observations:
    sizes = [len(variable.labels) for variable in px.variables]
    positions = np.unravel_index(np.arange(len(px.cells)), sizes)
    axes = [
        _Axis(
            f"variable {variable.name!r}",
            variable.name,
            [_Label(*both) for both in itertools.zip_longest(variable.labels, variable.codes)],
            position,
        )
        for variable, position in zip(px.variables, positions, strict=True)
    ]
    numbers = [_px_number(value, file) for value in px.cells]
    return _Observations(axes, numbers, px.notes)


def _px_number(text: str, file: str) -> str:
    if text == ZERO or NOT_KNOWN.fullmatch(text):
        return written_number(text)
    # No thousands marks in a PX file: 1.234 is a decimal number there.
    if "," in text or not PLAIN_NUMBER.fullmatch(text):
        raise InputError(
            f"{file}: {text!r} in DATA is no number of a PX file, which has a decimal point; save the table again",
            rule="VAERDI-01",
        )
    return text.replace(".", ",")


# CSV and XLSX as cells


def _csv_grid(path: Path) -> _Grid:
    try:
        text = text_of(path)
    except InputError as error:
        raise unreadable(str(error)) from error
    readings = {}
    for delimiter in DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            readings[delimiter] = [([cell.strip() or None for cell in row], reader.line_num) for row in reader]
        except csv.Error:
            continue
    if not readings:
        raise unreadable(f"{path.name}: a quotation mark is not closed; save the table again")
    read = max(readings.values(), key=_table_cells)
    last = next((row for row, _ in reversed(read) if any(row)), [])
    if len([cell for cell in last if cell]) > 1 and not text.endswith(("\n", "\r")):
        raise unreadable(f"{path.name} ends in the middle of a line of data, so it may be cut; save the table again")
    width = max((len(row) for row, _ in read), default=0)
    rows = [row + [None] * (width - len(row)) for row, _ in read]
    return _Grid(path.name, rows, [line for _, line in read], ".csv")


def _table_cells(rows: list[tuple[list[object], int]]) -> int:
    """How many cells stand in rows of the most usual width, so that the right delimiter gives the most."""
    widths = [len(row) for row, _ in rows if len(row) > 1]
    return max((width * widths.count(width) for width in set(widths)), default=0)


def _xlsx_grid(path: Path) -> _Grid:
    try:
        book = open_workbook(path.read_bytes(), computed=True)
    except (ValueError, OSError) as error:
        raise unreadable(
            f"{path.name} cannot be read as an Excel workbook; save the table again as an ordinary workbook (.xlsx, "
            "not Strict Open XML, no password)"
        ) from error
    filled = [sheet for sheet in book.worksheets if any(cell.value is not None for cell in sheet._cells.values())]
    if len(filled) != 1:
        sheets = ", ".join(sheet.title for sheet in filled) or "none"
        raise unreadable(f"{path.name} must hold one sheet with cells; it has {sheets}: leave only the table")
    sheet = filled[0]
    if sheet.max_row * sheet.max_column > MOST_CELLS:
        raise unreadable(
            f"{path.name} has a cell in row {sheet.max_row}, far from the table; save the table again as PX"
        )
    rows = []
    for cells in sheet.iter_rows():
        for cell in cells:
            if not isinstance(cell.value, str) and "%" in FORMAT_TEXT.sub("", cell.number_format or ""):
                raise unreadable(
                    f"{path.name} cell {cell.coordinate} is shown as a percentage; save the table again from StatBank"
                )
        rows.append([(cell.value.strip() or None) if isinstance(cell.value, str) else cell.value for cell in cells])
    return _Grid(path.name, rows, list(range(1, len(rows) + 1)), XLSX_SUFFIX, sheet.title)


# From cells to observations


def _grid_observations(grid: _Grid, table: str, shape: TableShape) -> _Observations:
    for number, row in enumerate(grid.rows):
        if any(isinstance(cell, str) and fold(cell) == fold(TIME) for cell in row):
            return _long(grid, number, table, shape)
    for number, row in enumerate(grid.rows):
        first = _first_period(row, shape)
        if first:
            return _matrix(grid, number, first, table, shape)
    if any(_is_number(cell) for cell in next(filter(any, grid.rows), [])):
        raise unreadable(
            f"{grid.file} begins with numbers and has no headings, so nothing says which {shape.period}s they are of; "
            "save the table again with headings"
        )
    kind = "years such as 2024" if shape.period == "year" else "quarters such as 2024K4"
    raise unreadable(
        f"{grid.file} has neither a column TID nor a row with {kind} above the numbers, as {table} must have; "
        "save the table with the time across"
    )


def _long(grid: _Grid, header: int, table: str, shape: TableShape) -> _Observations:
    """One observation a row, under a row of headings; the numbers stand in INDHOLD or the last column."""
    names = [_text(cell) for cell in grid.rows[header]]
    while names and not names[-1]:
        names.pop()
    width = len(shape.variables) + 2
    if len(names) != width or not all(names):
        raise unreadable(
            f"{grid.place(header, 0)}: the columns are {', '.join(filter(None, names))}; {table} must have "
            f"{', '.join(shape.variables)}, {TIME} and the number, each once"
        )
    folded = [fold(name) for name in names]
    number_column = folded.index(fold(VALUE)) if fold(VALUE) in folded else width - 1
    if folded[number_column] == fold(TIME):
        raise unreadable(f"{grid.file}: the numbers must stand in the last column or in {VALUE}")
    rows = []
    for row in range(header + 1, len(grid.rows)):
        filled = [column for column, cell in enumerate(grid.rows[row]) if cell is not None]
        if len(filled) <= 1 or not any(_is_number(grid.rows[row][column]) for column in filled):
            break
        if filled != list(range(width)):
            raise unreadable(f"{grid.place(row, 0)}: the row has {len(filled)} cells and must have {width}")
        rows.append(row)
    _require_only_notes(grid, header + 1 + len(rows), 1)
    axes = [
        _Axis.of(f"column {name}", name, [_text(grid.rows[row][column]) for row in rows])
        for column, name in enumerate(names)
        if column != number_column
    ]
    cells = [(grid.rows[row][number_column], grid.place(row, number_column)) for row in rows]
    return _finished(grid, header + 1 + len(rows), axes, cells)


def _matrix(grid: _Grid, time_row: int, stubs: int, table: str, shape: TableShape) -> _Observations:
    """Labels in the first columns, the periods above the others, with further variables above or below the periods."""
    first, last = time_row, time_row
    while first > 0 and _is_heading(grid.rows[first - 1], stubs):
        first -= 1
    while last + 1 < len(grid.rows) and _is_heading(grid.rows[last + 1], stubs):
        last += 1
    headings = range(first, last + 1)
    if stubs + len(headings) != len(shape.variables) + 1:
        raise unreadable(
            f"{grid.file} has {stubs} columns of labels and {len(headings)} rows of headings; {table} has "
            f"{', '.join(shape.variables)} and {TIME}: choose a value of every one of them in StatBank, and save again"
        )
    width = max(column for column, cell in enumerate(grid.rows[last]) if cell is not None) + 1
    across = [_repeated_across(grid, row, stubs, width, innermost=row == last) for row in headings]
    rows, labels = [], []
    outer: list[str] = [""] * stubs
    row = last + 1
    while row < len(grid.rows):
        own, numbers, beyond = grid.rows[row][:stubs], grid.rows[row][stubs:width], grid.rows[row][width:]
        numbered = any(cell is not None for cell in numbers)
        if not numbered and not _leads_to_numbers(grid, row, stubs, width):
            break
        outer = _repeated_down(grid, row, own, outer)
        if numbered:
            if any(cell is not None for cell in beyond):
                raise unreadable(
                    f"{grid.place(row, width)}: the cell stands to the right of the headings; {SAVE_AGAIN}"
                )
            if own[-1] is None or not all(outer):
                raise unreadable(f"{grid.place(row, stubs - 1)}: the row has numbers and no label")
            rows.append(row)
            labels.append(outer)
        row += 1
    _require_only_notes(grid, row, stubs)
    columns = range(stubs, width)
    axes = [
        _Axis.of(f"column {stub + 1}", _text(heading), [own[stub] for own in labels for _ in columns])
        for stub, heading in enumerate(grid.rows[time_row][:stubs])
    ]
    axes += [
        _Axis.of(f"row {grid.lines[heading]}", "", texts * len(rows))
        for heading, texts in zip(headings, across, strict=True)
    ]
    cells = [(grid.rows[numbers][column], grid.place(numbers, column)) for numbers in rows for column in columns]
    return _finished(grid, row, axes, cells)


def _finished(grid: _Grid, after: int, axes: list[_Axis], cells: list[tuple[object, str]]) -> _Observations:
    if not cells:
        raise unreadable(f"{grid.file} holds headings but no numbers")
    below = [_text(cell) for row in grid.rows[after:] for cell in row if cell is not None]
    return _Observations(axes, _numbers(cells, grid.file), " ".join(below))


def _first_period(row: list[object], shape: TableShape) -> int:
    """The column from which on a row holds periods and nothing else; 0 where it does not."""
    filled = [column for column, cell in enumerate(row) if cell is not None]
    periods = [column for column in filled if _is_period(row[column], shape)]
    if not periods or filled[filled.index(periods[0]) :] != periods:
        return 0
    # Codes to the left would make it a row of data whose number looks like a year.
    return 0 if any(_is_number(row[column]) for column in range(periods[0])) else periods[0]


def _is_period(cell: object, shape: TableShape) -> bool:
    text = _text(cell)
    return bool(re.match(PERIOD_PATTERN[shape.period], text)) and FIRST_YEAR <= int(text[:4]) <= LAST_YEAR


def _is_heading(row: list[object], stubs: int) -> bool:
    return all(cell is None for cell in row[:stubs]) and any(cell is not None for cell in row[stubs:])


def _leads_to_numbers(grid: _Grid, row: int, stubs: int, width: int) -> bool:
    """Whether a row of labels alone is an outer label of the numbers below it, and not a note or the end of the table.

    Each such row that follows begins further to the right, as an inner label does, until the numbers come.
    """
    start = -1
    for cells in grid.rows[row : row + stubs]:
        if any(cell is not None for cell in cells[stubs:width]):
            return start >= 0
        first = next((column for column, cell in enumerate(cells[:stubs]) if cell is not None), start)
        if first <= start:
            return False
        start = first
    return False


def _repeated_across(grid: _Grid, row: int, stubs: int, width: int, *, innermost: bool) -> list[str]:
    """The headings of a row, an outer one repeated over the columns it is written once above."""
    texts = []
    cells = grid.rows[row]
    for column in range(stubs, width):
        text = _text(cells[column]) or (texts[-1] if texts and not innermost else "")
        if not text:
            raise unreadable(f"{grid.place(row, column)}: the column has no heading")
        texts.append(text)
    if any(cell is not None for cell in cells[width:]):
        raise unreadable(f"{grid.place(row, width)}: the heading stands to the right of the table's columns")
    return texts


def _repeated_down(grid: _Grid, row: int, own: list[object], outer: list[str]) -> list[str]:
    """The labels of a row, outer ones written once above; a new one begins anew all that stand to its right."""
    filled = [_text(cell) for cell in own]
    start = next((column for column, text in enumerate(filled) if text), len(own))
    gap = next((column for column in range(start, len(own)) if not filled[column]), len(own))
    if any(filled[gap:]):
        raise unreadable(f"{grid.place(row, gap)}: a label is missing to the right of a new one")
    return [*outer[:start], *filled[start:]]


def _require_only_notes(grid: _Grid, after: int, stubs: int) -> None:
    """Refuse numbers below the end of the table: they would be left out."""
    for row in range(after, len(grid.rows)):
        numbers = [column for column, cell in enumerate(grid.rows[row]) if column >= stubs and _is_number(cell)]
        if numbers:
            raise unreadable(
                f"{grid.place(row, numbers[0])}: there is a number below the end of the table, which ends before line "
                f"{grid.lines[after]}; save the table again as PX, whose layout cannot be misread"
            )


def _is_number(cell: object) -> bool:
    """Whether a cell would be a number of the table, also where it cannot be read as one."""
    try:
        return bool(written_number(cell))
    except ValueError:
        return bool(re.fullmatch(r"[-0-9 .,']*[0-9][-0-9 .,']*", str(cell)))


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, (datetime.date, datetime.time)) else " ".join(str(cell).split())


# From labels to codes


def _coded(
    seen: _Observations, title: str, file: str, table: str, shape: TableShape, stored: Mapping[str, Mapping[str, str]]
) -> Download:
    words = {variable: _vocabulary(shape, variable, stored.get(variable, {})) for variable in shape.variables}
    times = [axis for axis in seen.axes if all(_is_period(label.text, shape) for label in axis.labels)]
    named = [axis for axis in times if fold(axis.name) == fold(TIME)]
    if len(seen.axes) != len(words) + 1 or len(named or times) != 1:
        raise unreadable(
            f"{file} has {', '.join(axis.name or axis.place for axis in seen.axes)}; {table} has "
            f"{', '.join(shape.variables)} and {TIME} in {shape.period}s: choose a value of each of them in StatBank"
        )
    time = (named or times)[0]
    axes = [axis for axis in seen.axes if axis is not time]
    known = frozenset().union(*(one.names for one in words.values()))
    foreign = [axis.name for axis in axes if axis.name and fold(axis.name) not in known]
    if foreign:
        raise unreadable(
            f"{file} has {', '.join(foreign)}, which is no variable of {table} ({', '.join(sorted(known))}): it may be "
            f"another table. Save {table} itself; when StatBank has renamed a variable, write that under `shown` in "
            "tables.yml"
        )
    taken = _taken_for(axes, words, file)
    codes, unknown = {}, []
    for variable, axis in taken.items():
        own = [_code(label, words[variable]) for label in axis.labels]
        codes[variable] = own
        unknown += [(words[variable], label) for label, code in zip(axis.labels, own, strict=True) if code is None]
    if unknown:
        raise InputError(_unknown(unknown, file), rule="KODE-02")
    rows = pd.DataFrame(
        {variable: np.array(codes[variable], dtype=object)[axis.positions] for variable, axis in taken.items()}
        | {TIME: np.array([label.text for label in time.labels], dtype=object)[time.positions], VALUE: seen.numbers}
    )[[*shape.variables, TIME, VALUE]]
    _require_whole(rows, file)
    labels = {
        variable: {code: " ".join(label.text.split()) for label, code in zip(axis.labels, codes[variable], strict=True)}
        for variable, axis in taken.items()
        if variable != shape.area and shape.numbered.get(variable) != "age"
    }
    return Download(rows, " ".join(title.split()), " ".join(seen.notes.split()), labels)


def _vocabulary(shape: TableShape, variable: str, stored: Mapping[str, str]) -> _Vocabulary:
    declared = shape.labels.get(variable, {})
    pairs = [*declared.items(), *stored.items()]
    asked = (shape.fetch or {}).get(variable, ())
    listed = asked.exactly if isinstance(asked, ExactCodes) else asked if isinstance(asked, tuple) else ()
    if variable == shape.area:
        table = area_table()
        table = table[table["type"].isin(["country", "region", "municipality", "outside"])]
        pairs += zip(table["area_code"], table["name"], strict=True)
    labels: dict[str, frozenset[str]] = {}
    for code, label in pairs:
        for text in _keys(label, areas=variable == shape.area):
            labels[text] = labels.get(text, frozenset()) | {code}
    shown = shape.shown.variables if shape.shown else {}
    return _Vocabulary(
        variable=variable,
        names=frozenset({fold(variable), fold(shown.get(variable, variable))}),
        spellings=tuple(label for _, label in pairs),
        codes=frozenset([*(code for code, _ in pairs), *listed]),
        labels=labels,
        width=shape.padding.get(variable, 0),
        numbered=shape.numbered.get(variable, ""),
        areas=variable == shape.area,
    )


@lru_cache(maxsize=4096)
def _keys(label: str, *, areas: bool) -> frozenset[str]:
    """What a label is known by: itself and without the periods it was in use, but for what does not count in it."""
    alike = folded if areas else fold
    return frozenset({alike(label), alike(IN_USE.sub("", label))})


def _taken_for(axes: list[_Axis], words: dict[str, _Vocabulary], file: str) -> dict[str, _Axis]:
    """The direction of the table that is each variable: by its heading, else by the labels that stand in it.

    Where several ways fit best, they must give the same rows, as three variables that are all `I alt` do.
    """
    variables = list(words)
    fits = [
        [sum(len(words[variable].meanings(label)) == 1 for label in axis.labels) for variable in variables]
        for axis in axes
    ]
    by_name = {name: position for position, one in enumerate(words.values()) for name in one.names}
    fixed = {place: by_name[fold(axis.name)] for place, axis in enumerate(axes) if fold(axis.name) in by_name}
    ways = [
        way
        for way in itertools.permutations(range(len(variables)))
        if all(way[place] == position for place, position in fixed.items())
    ]
    if not ways:
        raise unreadable(f"{file}: a variable stands twice among {', '.join(axis.name for axis in axes)}")
    scores = [sum(fits[place][position] for place, position in enumerate(way)) for way in ways]
    best = [way for way, score in zip(ways, scores, strict=True) if score == max(scores)]
    meant = {_rows_of(way, axes, [words[variable] for variable in variables]) for way in best}
    if len(meant) > 1 and any(all(None not in codes for _, codes, _ in read) for read in meant):
        places = ", ".join(axis.place for axis in axes)
        raise unreadable(
            f"{file}: it cannot be told which of {places} is which of {', '.join(variables)}; write the variable above "
            "each column of labels, or save the table as PX"
        )
    return {variables[position]: axes[place] for place, position in enumerate(best[0])}


def _rows_of(way: tuple[int, ...], axes: list[_Axis], words: list[_Vocabulary]) -> tuple[object, ...]:
    """What tells apart two ways of reading the directions: the codes, and where they stand unless all have the same."""
    read = []
    for position, place in sorted((position, place) for place, position in enumerate(way)):
        codes = tuple(_code(label, words[position]) for label in axes[place].labels)
        read.append((position, codes, place if len(codes) > 1 else None))
    return tuple(read)


def _code(label: _Label, words: _Vocabulary) -> str | None:
    meanings = words.meanings(label)
    return next(iter(meanings)) if len(meanings) == 1 else words.own_code(label) if not meanings else None


def _unknown(unknown: list[tuple[_Vocabulary, _Label]], file: str) -> str:
    said = []
    for words, label in unknown:
        near = nearest(label.text, words.spellings)
        own = f" (code {label.code!r})" if label.code is not None else ""
        said.append(
            f"{words.variable} {' '.join(label.text.split())!r}{own}" + (f" (nearest: {near!r})" if near else "")
        )
    return (
        f"{file}: {len(said)} labels are not known: {'; '.join(said)}; leave out in StatBank what is not needed, save "
        "the table as PX, which says the codes too, or add the labels to `labels` in tables.yml"
    )


def _require_whole(rows: pd.DataFrame, file: str) -> None:
    """Refuse a table in which a combination of its own codes is missing: the file may be cut, and would count as 0."""
    keys = [column for column in rows.columns if column != VALUE]
    wanted = pd.MultiIndex.from_product([rows[key].unique() for key in keys], names=keys)
    absent = wanted.difference(pd.MultiIndex.from_frame(rows[keys]))
    if len(absent):
        raise InputError(
            f"{file} lacks {len(absent)} of {len(wanted)} combinations, such as {_said(keys, absent[0])}; it may be "
            "cut: save the table again with all cells, also empty ones",
            rule="DAEK-04",
        )


def _said(keys: Iterable[str], codes: Iterable[str]) -> str:
    return ", ".join(f"{key}={code}" for key, code in zip(keys, codes, strict=True))
