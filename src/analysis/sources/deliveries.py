"""Deliveries: filled-in workbooks, read whole or not at all."""

import datetime
import difflib
import math
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError

import pandas as pd
from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell, MergedCell
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from analysis.errors import InputError
from analysis.sources.forms import (
    GUIDANCE,
    NUMERIC,
    Coverage,
    FormColumn,
    FormSheet,
    fold,
    in_danish,
    load_form,
    one_of,
    spelling_of,
)
from analysis.sources.snapshot import MISSING, RawFile, verified

WORKBOOK = ".xlsx"
# What a delivery is often saved as by mistake; overlooking it would look like no delivery at all.
OTHER_SUFFIXES = (".xls", ".xlsm", ".xlsb", ".ods")
# Text takes the decimal comma only: a point may be a thousands mark or an English decimal, so it is never guessed.
NUMBER = re.compile(r"^-?[0-9]+(,[0-9]+)?$")
# In a number format only a bare % multiplies by 100; one that is quoted, escaped or in brackets is mere text.
FORMAT_TEXT = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')


def delivered(folder: Path, table: str) -> RawFile | None:
    """The workbook `<TABLE>.xlsx` of a raw folder, its bytes verified against `<TABLE>.yml`; None when there is none.

    Errors: a workbook without sidecar, other bytes than the sidecar's, a delivery under another name or format.
    """
    wanted = f"{table}{WORKBOOK}"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name != wanted and path.stem.upper() == table and path.suffix.lower() in (WORKBOOK, *OTHER_SUFFIXES):
            raise InputError(f"{path.name} in {folder} is not read: save it as {wanted} and give it a sidecar")
    path = folder / wanted
    return verified(path, folder / f"{table}.yml") if path.is_file() else None


@dataclass
class _Problems:
    """Everything found wrong with a workbook, said in the order of its sheets, rows and columns."""

    file: str
    found: list[tuple[int, int, int, str]] = field(default_factory=list)

    def add(
        self, text: str, sheet: FormSheet | None = None, order: int = -1, row: int = 0, column: FormColumn | None = None
    ) -> None:
        place = [self.file]
        place += [f"ark {sheet.name}"] if sheet else []
        place += [f"række {row}"] if row else []
        place += [f"kolonne {column.heading}"] if column else []
        position = sheet.columns.index(column) + 1 if sheet and column else 0
        # What concerns a whole column or sheet comes after its rows.
        self.found.append((order, row or sys.maxsize, position, f"{', '.join(place)}: {text}"))

    def refuse(self) -> None:
        """Raise everything found as one error with a line for each."""
        if self.found:
            lines = [text for *_, text in sorted(self.found, key=lambda problem: problem[:3])]
            raise InputError("\n".join(dict.fromkeys(lines)))


class _WrongCellError(Exception):
    """What is wrong with one cell, as the end of a Danish sentence."""


# Stands where a cell could not be read, so that one mistake is not reported again as a missing or double row.
_UNREADABLE = object()


def read_form(path: Path, form: str) -> dict[str, pd.DataFrame]:
    """The sheets of a filled-in form by name, each a frame with the form's fields plus `sheet` and `row` (in Excel).

    Codes replace spellings (area codes for areas); percentages are 0-100; year and whole numbers are integers, or
    floats where the column is not required; a missing number is NaN, a missing text is empty. Errors: everything
    that is wrong, in Danish, a line each with file, sheet, row and column, as one InputError; then nothing is read.
    """
    plan = load_form(form)
    problems = _Problems(path.name)
    shown, entered = _opened(path, computed=True), _opened(path, computed=False)
    names = {fold(page.title): page.title for page in shown.worksheets}
    rows: dict[str, list[dict[str, object]]] = {}
    for order, sheet in enumerate(plan.sheets):
        name = names.pop(fold(sheet.name), None)
        if name is None:
            near = difflib.get_close_matches(fold(sheet.name), list(names), n=1)
            hint = (
                f"; er det arket '{names[near[0]]}'?"
                if near
                else f"; bogen har: {', '.join(page.title for page in shown.worksheets)}"
            )
            problems.add(f"arket '{sheet.name}' mangler{hint}", order=order)
        else:
            rows[sheet.name] = _SheetReader(sheet, order, shown[name], entered[name], problems).rows()
    for name in names.values():
        if name != GUIDANCE and any(True for _ in _filled(shown[name])):
            problems.add(
                f"arket '{name}' er ikke i formularen; flyt indholdet, eller slet arket", order=len(plan.sheets)
            )
    problems.refuse()
    return {sheet.name: _frame(sheet, rows[sheet.name]) for sheet in plan.sheets}


def _opened(path: Path, *, computed: bool) -> Workbook:
    if not path.is_file():
        raise InputError(f"{path.name}: filen findes ikke i {path.parent}")
    broken = (
        InvalidFileException, zipfile.BadZipFile, zlib.error, ParseError, KeyError, ValueError, TypeError, EOFError,
        OSError,
    )  # fmt: skip
    try:
        # As a stream, because a path is judged by its name only.
        with path.open("rb") as stream:
            book = load_workbook(stream, data_only=computed)
    except broken as error:
        raise InputError(
            f"{path.name}: filen kan ikke læses som en Excel-projektmappe; gem den som .xlsx uden adgangskode"
        ) from error
    if not book.worksheets:
        raise InputError(f"{path.name}: projektmappen har ingen ark med celler")
    return book


@dataclass
class _SheetReader:
    """Reads one sheet: `shown` holds the computed values, `entered` what was typed, formulas included."""

    plan: FormSheet
    order: int
    shown: Worksheet
    entered: Worksheet
    problems: _Problems

    def rows(self) -> list[dict[str, object]]:
        """The rows of the sheet, with what is wrong added to the problems."""
        if not any(True for _ in _filled(self.shown)) and not any(True for _ in _filled(self.entered)):
            self._wrong("arket er tomt")
            return []
        self._check_merged()
        if not self._header_in_place():
            return []
        rows = self._parsed_rows()
        if not rows:
            self._wrong(f"der er ingen rækker under overskriften i række {self.plan.header_row}")
        for column in self.plan.columns:
            if column.type in NUMERIC:
                self._check_range(rows, column)
        self._check_keys(rows)
        for rule in self.plan.coverage if rows else ():
            self._check_coverage(rows, rule)
        return rows

    def _wrong(self, text: str, row: int = 0, column: FormColumn | None = None) -> None:
        self.problems.add(text, self.plan, self.order, row, column)

    def _check_merged(self) -> None:
        for merged in self.shown.merged_cells.ranges:
            if merged.max_row >= self.plan.header_row:
                places = range(merged.min_col, min(merged.max_col, len(self.plan.columns)) + 1)
                column = self.plan.columns[places[0] - 1] if places else None
                text = f"cellerne {merged.coord} er flettet; ophæv fletningen, og skriv værdien i hver celle"
                self._wrong(text, max(merged.min_row, self.plan.header_row), column)

    def _header_in_place(self) -> bool:
        """Whether every heading stands where it must; what is missing, moved or too much is reported."""
        header_row = self.plan.header_row
        places: dict[str, list[Cell]] = {}
        for cell in _filled(self.shown):
            if isinstance(cell.value, str):
                places.setdefault(fold(cell.value), []).append(cell)
        accounted = set()
        sound = True
        for position, column in enumerate(self.plan.columns, start=1):
            wanted = f"{get_column_letter(position)}{header_row}"
            found = sorted(places.get(fold(column.heading), []), key=lambda cell: cell.row != header_row)
            accounted |= {cell.coordinate for cell in found}
            if wanted in [cell.coordinate for cell in found]:
                twice = [cell.coordinate for cell in found if cell.row == header_row and cell.coordinate != wanted]
                if twice:
                    self._wrong(f"overskriften står også i celle {twice[0]}; slet den ene kolonne", header_row, column)
                continue
            sound = False
            if found:
                text = f"overskriften står i celle {found[0].coordinate}, men skal stå i {wanted}"
            else:
                accounted.add(wanted)
                there = self.shown[wanted].value
                text = f"overskriften mangler; den skal stå i celle {wanted}"
                text += f", hvor der står {_quoted(there)}" if not _is_blank(there) else ""
            self._wrong(text, header_row, column)
        for cell in self.shown[header_row]:
            if not _is_blank(cell.value) and cell.coordinate not in accounted:
                text = f"kolonnen {_quoted(cell.value)} i celle {cell.coordinate} er ikke i formularen; slet den"
                self._wrong(text, header_row)
        return sound

    def _parsed_rows(self) -> list[dict[str, object]]:
        width, header_row = len(self.plan.columns), self.plan.header_row
        headed = {cell.column for cell in self.shown[header_row] if not _is_blank(cell.value)}
        rows = []
        filled = [cell for page in (self.shown, self.entered) for cell in _filled(page)]
        for number in sorted({cell.row for cell in filled if cell.row > header_row and cell.column <= width}):
            cells = [
                (self.shown.cell(number, place), self.entered.cell(number, place)) for place in range(1, width + 1)
            ]
            row: dict[str, object] = {"row": number}
            for column, (cell, typed) in zip(self.plan.columns, cells, strict=True):
                if isinstance(cell, MergedCell):
                    row[column.field] = _UNREADABLE
                    continue
                try:
                    row[column.field] = _value(cell, typed, column)
                except _WrongCellError as error:
                    row[column.field] = _UNREADABLE
                    self._wrong(str(error), number, column)
            rows.append(row)
        for cell in _filled(self.entered):
            if cell.row > header_row and cell.column > width and cell.column not in headed:
                text = f"celle {cell.coordinate} ({_quoted(cell.value)}) ligger uden for tabellens kolonner; slet den"
                self._wrong(text, cell.row)
        return rows

    def _check_range(self, rows: list[dict[str, object]], column: FormColumn) -> None:
        """Numbers outside what is plausible; a percentage written as a fraction is named as one, never scaled."""
        usable = [row for row in rows if row[column.field] is not _UNREADABLE and not math.isnan(row[column.field])]
        if not usable:
            return
        low, high = column.limits
        largest = max(row[column.field] for row in usable)
        all_small = column.largest_at_least is not None and largest < column.largest_at_least
        named = False
        for row in usable:
            number = row[column.field]
            percent = round(number * 100, 10)
            a_fraction = column.type == "percent" and 0 < number < 1 and (all_small or number < low)
            if a_fraction and low <= percent <= high:
                named = True
                problem = f"{in_danish(number)} ser ud som en andel; skriv {in_danish(percent)}"
            elif not low <= number <= high:
                limit = f"lille; mindst {in_danish(low)}" if number < low else f"stort; højst {in_danish(high)}"
                problem = f"{in_danish(number)} er for {limit}"
            else:
                continue
            row[column.field] = _UNREADABLE
            self._wrong(problem, row["row"], column)
        if all_small and not named:
            text = (
                f"den største værdi er {in_danish(largest)}; den skal være mindst {in_danish(column.largest_at_least)}"
            )
            self._wrong(text, column=column)

    def _check_keys(self, rows: list[dict[str, object]]) -> None:
        seen: dict[tuple[object, ...], int] = {}
        headings = ", ".join(self.plan.column(name).heading for name in self.plan.key)
        for row in rows:
            key = tuple(row[name] for name in self.plan.key)
            if _UNREADABLE in key:
                continue
            if key in seen:
                said = self._said(dict(zip(self.plan.key, key, strict=True)))
                self._wrong(f"{said} står også i række {seen[key]} (kolonne {headings}); slet den ene", row["row"])
            seen.setdefault(key, row["row"])

    def _check_coverage(self, rows: list[dict[str, object]], rule: Coverage) -> None:
        column = self.plan.column(rule.column)
        wanted = rule.codes or tuple(column.spellings.values())
        groups = dict.fromkeys(tuple(row[name] for name in rule.within) for row in rows)
        for group in groups:
            if _UNREADABLE in group:
                continue
            present, unreadable = set(), 0
            for row in rows:
                own = tuple(row[name] for name in rule.within)
                fits = all(mine in (_UNREADABLE, wanted_one) for mine, wanted_one in zip(own, group, strict=True))
                if fits and (_UNREADABLE in own or row[rule.column] is _UNREADABLE):
                    unreadable += 1
                elif fits:
                    present.add(row[rule.column])
            absent = [code for code in wanted if code not in present]
            # Rows that could not be read are reported already and may be the ones that seem to be missing.
            if len(absent) > unreadable:
                names = ", ".join(spelling_of(column, code) for code in absent)
                said = self._said(dict(zip(rule.within, group, strict=True)))
                self._wrong(f"{names} mangler" + (f" for {said}" if said else ""), column=column)

    def _said(self, codes: dict[str, object]) -> str:
        return ", ".join(spelling_of(self.plan.column(name), code) for name, code in codes.items())


def _filled(sheet: Worksheet) -> Iterator[Cell]:
    """The cells with content, row by row.

    Straight from openpyxl's own store: its public iterators create every cell up to the last one, and one stray
    cell in row 1.048.576 would then fill the memory.
    """
    return (cell for _, cell in sorted(sheet._cells.items(), key=lambda item: item[0]) if not _is_blank(cell.value))


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _value(cell: Cell, typed: Cell, column: FormColumn) -> object:
    """What a cell means in its column."""
    value = cell.value
    if typed.data_type == "f" and value is None:
        raise _WrongCellError("formlen har ingen beregnet værdi; åbn og gem bogen i Excel, eller skriv værdien selv")
    if cell.data_type == "e":
        raise _WrongCellError(f"{value} er en fejl i Excel")
    if _is_blank(value) or (isinstance(value, str) and value.strip() == MISSING):
        if column.required:
            what = "cellen er tom" if _is_blank(value) else "'..' (mangler) kan ikke bruges her"
            raise _WrongCellError(f"{what}; den skal udfyldes")
        return math.nan if column.type in NUMERIC else ""
    if isinstance(value, bool):
        raise _WrongCellError(f"{'SAND' if value else 'FALSK'} kan ikke bruges her")
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        raise _WrongCellError(
            f"Excel har gjort værdien til en dato ({value}); formatér cellen som tekst, og skriv igen"
        )
    return _number(value, cell.number_format, column) if column.type in NUMERIC else _text(value, column)


def _number(value: object, number_format: str, column: FormColumn) -> float | int:
    percent = column.type == "percent"
    if isinstance(value, str):
        text = value.strip().replace("\u2212", "-")
        text = text.removesuffix("%").rstrip() if percent else text
        if not NUMBER.match(text):
            hint = f"; skriv {text.replace('.', ',')}" if re.match(r"^-?[0-9]+\.[0-9]{1,2}$", text) else ""
            raise _WrongCellError(f"{_quoted(value)} er ikke et tal{hint}")
        number = float(text.replace(",", "."))
    else:
        number = float(value)
        if percent and "%" in FORMAT_TEXT.sub("", number_format or ""):
            # The digits that the cell holds, without the noise of binary multiplication.
            number = round(number * 100, 10)
    if column.type in ("year", "whole"):
        if not number.is_integer():
            raise _WrongCellError(f"{_quoted(value)} er ikke et helt tal")
        return int(number)
    return number


def _text(value: object, column: FormColumn) -> str:
    text = " ".join((value if isinstance(value, str) else in_danish(value)).split())
    if not column.spellings:
        return text
    folded = {fold(spelling): spelling for spelling in column.spellings}
    if fold(text) in folded:
        return column.spellings[folded[fold(text)]]
    near = difflib.get_close_matches(fold(text), list(folded), n=1, cutoff=0.5)
    hint = f"; mente du '{folded[near[0]]}'?" if near else f"; skriv {one_of(column)}"
    raise _WrongCellError(f"{_quoted(text)} kendes ikke{hint}")


def _frame(sheet: FormSheet, rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*(column.field for column in sheet.columns), "row"])
    for column in sheet.columns:
        whole = column.type in ("year", "whole") and column.required
        kind = "str" if column.type not in NUMERIC else int if whole else float
        frame[column.field] = frame[column.field].astype(kind)
    return frame.assign(sheet=sheet.name)[[*(column.field for column in sheet.columns), "sheet", "row"]]


def _quoted(value: object) -> str:
    text = " ".join(in_danish(value).split())
    return f"'{text if len(text) <= 60 else text[:57] + '...'}'"
