"""Deliveries: filled-in workbooks, read whole or not at all."""

import contextlib
import datetime
import difflib
import io
import math
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell, MergedCell
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.worksheet import Worksheet

from analysis.errors import InputError
from noegletal.sources.forms import (
    FIRST_DAY,
    GUIDANCE,
    LAST_DAY,
    NUMERIC,
    Coverage,
    Form,
    FormColumn,
    FormSheet,
    Spells,
    day_in_danish,
    fold,
    in_danish,
    load_form,
    one_of,
    spelling_of,
)
from noegletal.sources.snapshot import MISSING, RawFile, verified

WORKBOOK = ".xlsx"
# What a delivery is often saved as by mistake; overlooking it would look like no delivery at all.
OTHER_SUFFIXES = (".xls", ".xlsm", ".xlsb", ".ods")
# Text takes the decimal comma only: a point may be a thousands mark or an English decimal, so it is never guessed.
NUMBER = re.compile(r"^-?[0-9]+(,[0-9]+)?$")
DATE_FORMATS = ("%d-%m-%Y", "%Y-%m-%d")
# In a number format only a bare % multiplies by 100; one that is quoted, escaped or in brackets is mere text.
FORMAT_TEXT = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')


def delivered(folder: Path, table: str) -> RawFile | None:
    """The workbook `<TABLE>.xlsx` of a raw folder, its bytes verified against `<TABLE>.yml`; None when there is none.

    Errors: a workbook without sidecar, other bytes than the sidecar's, a delivery under another name or format.
    """
    wanted = f"{table}{WORKBOOK}"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name != wanted and path.stem.upper() == table and path.suffix.lower() in (WORKBOOK, *OTHER_SUFFIXES):
            raise InputError(
                f"{path.name} in {folder} is not read: save it as {wanted} and give it a sidecar", rule="FIL-01"
            )
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
            raise InputError("\n".join(dict.fromkeys(lines)), rule="LEV-01")


class _WrongCellError(Exception):
    """What is wrong with one cell, as the end of a Danish sentence."""


class Wrong(NamedTuple):
    """Something wrong with the rows of a form that was read: a Danish text, and the sheet, row and field it is of."""

    text: str
    sheet: str
    row: int = 0
    field: str = ""


def refuse(path: Path, form: str, found: Iterable[Wrong]) -> None:
    """Raise all that is wrong beyond what a form can declare as one error, said and ordered as `read_form` does."""
    problems = _Problems(path.name)
    sheets = {sheet.name: (order, sheet) for order, sheet in enumerate(load_form(form).sheets)}
    for wrong in found:
        order, sheet = sheets[wrong.sheet]
        problems.add(wrong.text, sheet, order, wrong.row, sheet.column(wrong.field) if wrong.field else None)
    problems.refuse()


# Stands where a cell could not be read, so that one mistake is not reported again as a missing or double row.
_UNREADABLE = object()


def read_form(path: Path, form: str) -> dict[str, pd.DataFrame]:
    """The sheets of a filled-in form by name, each a frame with the form's fields plus `sheet` and `row` (in Excel).

    Codes replace spellings (area codes for areas); percentages are 0-100; year and whole numbers are integers, or
    floats where the column is not required; dates are datetime64[ns]; a missing number is NaN, a missing date NaT, a
    missing text empty. A sheet that may be left out has no rows then. Errors: everything that is wrong, in Danish, a
    line each with file, sheet, row and column, as one InputError; then nothing is read.
    """
    if not path.is_file():
        raise InputError(f"{path.name}: filen findes ikke i {path.parent}", rule="LEV-01")
    plan = load_form(form)
    sheets = _sheets(path.name, _content(path), form, plan.model_dump_json())
    return {name: frame.copy() for name, frame in sheets.items()}


# A run reads a delivery for the facts, for the trace and for the checks, and a workbook takes seconds to parse.
@lru_cache(maxsize=8)
def _sheets(file: str, content: bytes, form: str, declared: str) -> dict[str, pd.DataFrame]:
    """The sheets of a workbook by name; `declared` is the form as it is declared now, so that a change is read anew."""
    plan = load_form(form)
    problems = _Problems(file)
    entered = _opened(file, content, computed=False)
    # Without formulas what was typed is what is shown, and a large workbook is opened once only.
    shown = _opened(file, content, computed=True) if _has_formulas(entered) else entered
    names = {fold(page.title): page.title for page in shown.worksheets}
    rows: dict[str, list[dict[str, object]]] = {}
    for order, sheet in enumerate(plan.sheets):
        name = names.pop(fold(sheet.name), None)
        if name is None and not sheet.required:
            rows[sheet.name] = []
        elif name is None:
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
            problems.add(f"arket '{name}' er ikke i formularen; {_meant(name, plan, shown)}", order=len(plan.sheets))
    problems.refuse()
    return {sheet.name: _frame(sheet, rows[sheet.name]) for sheet in plan.sheets}


def no_rows(form: str) -> dict[str, pd.DataFrame]:
    """The sheets of a form that was not delivered: what `read_form` gives, without rows."""
    return {sheet.name: _frame(sheet, []) for sheet in load_form(form).sheets}


def _meant(name: str, plan: Form, book: Workbook) -> str:
    """What to do about a sheet of an unknown name: it may be one that was taken for left out."""
    there = {fold(page.title) for page in book.worksheets}
    left_out = {fold(sheet.name): sheet.name for sheet in plan.sheets if not sheet.required}
    near = difflib.get_close_matches(fold(name), [folded for folded in left_out if folded not in there], n=1)
    return f"skal det hedde '{left_out[near[0]]}'?" if near else "flyt indholdet, eller slet arket"


def _has_formulas(book: Workbook) -> bool:
    return any(cell.data_type == "f" for page in book.worksheets for cell in page._cells.values())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path.name) from error


def _opened(file: str, content: bytes, *, computed: bool) -> Workbook:
    # SyntaxError is what XML that is not well formed raises, whichever parser openpyxl finds.
    broken = (
        InvalidFileException, zipfile.BadZipFile, zlib.error, SyntaxError, KeyError, ValueError, TypeError, EOFError,
        OSError,
    )  # fmt: skip
    try:
        # As a stream, because a path is judged by its name only.
        book = load_workbook(io.BytesIO(content), data_only=computed)
    except broken as error:
        raise _unreadable(file) from error
    if not book.worksheets:
        raise InputError(f"{file}: projektmappen har ingen ark med celler", rule="LEV-01")
    return book


def _unreadable(file: str) -> InputError:
    return InputError(
        f"{file}: filen kan ikke læses som en Excel-projektmappe; gem den som .xlsx uden adgangskode", rule="LEV-01"
    )


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
        if not self._shown_cells and not self._entered_cells:
            if self.plan.required:
                self._wrong("arket er tomt")
            return []
        self._check_merged()
        if not self._header_in_place():
            return []
        rows = self._parsed_rows()
        if not rows and self.plan.required:
            self._wrong(f"der er ingen rækker under overskriften i række {self.plan.header_row}")
        if rows and self.plan.rows not in (None, len(rows)):
            self._wrong(f"der står {len(rows)} rækker under overskriften; der skal stå {self.plan.rows}")
        for column in self.plan.columns:
            if column.type in NUMERIC:
                self._check_range(rows, column)
        different = self._check_keys(rows)
        if self.plan.spells:
            self._check_spells(different, self.plan.spells)
        for rule in self.plan.coverage if rows else ():
            self._check_coverage(rows, rule)
        return rows

    @cached_property
    def _shown_cells(self) -> list[Cell]:
        return list(_filled(self.shown))

    @cached_property
    def _entered_cells(self) -> list[Cell]:
        return self._shown_cells if self.entered is self.shown else list(_filled(self.entered))

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
        for cell in self._shown_cells:
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
        filled = (cell for cells in (self._shown_cells, self._entered_cells) for cell in cells)
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
        for cell in self._entered_cells:
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
                problem = f"{in_danish(number)} er for {limit}{_mistaken(number, column)}"
            else:
                continue
            row[column.field] = _UNREADABLE
            self._wrong(problem, row["row"], column)
        if all_small and not named:
            text = (
                f"den største værdi er {in_danish(largest)}; den skal være mindst {in_danish(column.largest_at_least)}"
            )
            self._wrong(text, column=column)

    def _check_keys(self, rows: list[dict[str, object]]) -> list[dict[str, object]]:
        """The rows that do not stand higher up already."""
        seen: dict[tuple[object, ...], int] = {}
        different = []
        headings = ", ".join(self.plan.column(name).heading for name in self.plan.key)
        for row in rows:
            key = tuple(row[name] for name in self.plan.key)
            if _UNREADABLE not in key and key in seen:
                said = self._said(dict(zip(self.plan.key, key, strict=True)))
                self._wrong(f"{said} står også i række {seen[key]} (kolonne {headings}); slet den ene", row["row"])
                continue
            different.append(row)
            if _UNREADABLE not in key:
                seen[key] = row["row"]
        return different

    def _check_spells(self, rows: list[dict[str, object]], rule: Spells) -> None:
        """Spells that end before they start, and those that overlap another one of the same."""
        start, end = self.plan.column(rule.start), self.plan.column(rule.end)
        spells: dict[object, list[dict[str, object]]] = {}
        for row in rows:
            began, ended, whose = (row[name] for name in (rule.start, rule.end, rule.of))
            if _UNREADABLE in (began, ended, whose):
                continue
            if ended is not None and ended < began:
                self._wrong(f"{day_in_danish(ended)} er før {start.heading} {day_in_danish(began)}", row["row"], end)
            else:
                spells.setdefault(whose, []).append(row)
        for of_one in spells.values():
            self._check_overlaps(of_one, rule)

    def _check_overlaps(self, spells: list[dict[str, object]], rule: Spells) -> None:
        """Spells of one and the same, each against the one before it that lasts longest."""
        start, end = self.plan.column(rule.start), self.plan.column(rule.end)
        in_order = sorted(spells, key=lambda row: (row[rule.start], row[rule.end] or datetime.date.max, row["row"]))
        before = in_order[0]
        for spell in in_order[1:]:
            whose = f"{self.plan.column(rule.of).heading} {self._said({rule.of: spell[rule.of]})}"
            began, last = day_in_danish(spell[rule.start]), before[rule.end]
            if last is None:
                text = f"cellen er tom, men {whose} har også række {spell['row']} fra {began}; udfyld datoen"
                self._wrong(text, before["row"], end)
            elif spell[rule.start] < last:
                span = f"{day_in_danish(before[rule.start])} til {day_in_danish(last)}"
                text = f"{began} ligger inden for række {before['row']} for {whose} ({span}); de må ikke overlappe"
                self._wrong(text, spell["row"], start)
                if spell[rule.end] is not None and spell[rule.end] <= last:
                    continue
            before = spell

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
    filled = [place for place, cell in sheet._cells.items() if not _is_blank(cell.value)]
    return (sheet._cells[place] for place in sorted(filled))


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
        return _missing(column)
    if isinstance(value, bool):
        raise _WrongCellError(f"{'SAND' if value else 'FALSK'} kan ikke bruges her")
    if column.type == "date":
        return _date(value)
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        raise _WrongCellError(
            f"Excel har gjort værdien til en dato ({value}); formatér cellen som tekst, og skriv igen"
        )
    return _number(value, cell.number_format, column) if column.type in NUMERIC else _text(value, column)


def _missing(column: FormColumn) -> float | str | None:
    if column.type in NUMERIC:
        return math.nan
    return None if column.type == "date" else ""


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


def _mistaken(number: float, column: FormColumn) -> str:
    """What a number outside the limits looks like, where it would lie inside them after a division."""
    low, high = column.limits
    meant = {name: number / factor for name, factor in column.mistakes.items() if low <= number / factor <= high}
    if not meant:
        return ""
    # Where several mistakes fit, the one that gives the most ordinary number.
    name = min(meant, key=lambda name: abs(math.log(meant[name] / math.sqrt(low * high))))
    factor = column.mistakes[name]
    return f"; ser ud som {name} ({in_danish(number)} / {in_danish(factor)} = {in_danish(round(meant[name], 2))})"


def _date(value: object) -> datetime.date:
    if isinstance(value, datetime.datetime):
        if value.time() != datetime.time():
            raise _WrongCellError(f"{value:%d-%m-%Y %H:%M} har et klokkeslæt; skriv kun datoen")
        day = value.date()
    elif isinstance(value, datetime.date):
        day = value
    elif isinstance(value, (datetime.time, datetime.timedelta)):
        raise _WrongCellError(f"{value} er et klokkeslæt; skriv en dato som dd-mm-åååå")
    elif isinstance(value, str):
        day = _written_date(value)
    else:
        raise _WrongCellError(f"{_quoted(value)} er et tal; formatér cellen som dato, eller skriv dd-mm-åååå")
    if not FIRST_DAY <= day <= LAST_DAY:
        early = f"er for tidlig; tidligst {day_in_danish(FIRST_DAY)}"
        late = f"er for sen; senest {day_in_danish(LAST_DAY)}"
        raise _WrongCellError(f"{day_in_danish(day)} {early if day < FIRST_DAY else late}")
    return day


def _written_date(text: str) -> datetime.date:
    for form in DATE_FORMATS:
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text.strip(), form).date()
    raise _WrongCellError(f"{_quoted(text)} er ikke en dato; skriv dd-mm-åååå")


def _text(value: object, column: FormColumn) -> str:
    text = " ".join((value if isinstance(value, str) else in_danish(value)).split())
    if column.pattern and not re.fullmatch(column.pattern, text):
        # Not quoted: what must not stand in a column, such as a CPR number, must not be repeated in a message.
        raise _WrongCellError(f"indholdet kan ikke bruges; skriv {column.example}")
    folded = column.folded_spellings
    if not folded:
        return text
    if fold(text) in folded:
        return column.spellings[folded[fold(text)]]
    near = nearest(text, tuple(column.spellings))
    hint = f"; mente du '{near}'?" if near else f"; skriv {one_of(column)}"
    raise _WrongCellError(f"{_quoted(text)} kendes ikke{hint}")


@lru_cache(maxsize=4096)
def nearest(text: str, spellings: tuple[str, ...]) -> str | None:
    """The spelling that a misspelt text comes nearest to, if any does."""
    folded = {fold(spelling): spelling for spelling in spellings}
    near = difflib.get_close_matches(fold(text), list(folded), n=1, cutoff=0.5)
    return folded[near[0]] if near else None


def _frame(sheet: FormSheet, rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*(column.field for column in sheet.columns), "row"])
    for column in sheet.columns:
        if column.type == "date":
            frame[column.field] = pd.to_datetime(frame[column.field]).astype("datetime64[ns]")
            continue
        whole = column.type in ("year", "whole") and column.required
        kind = "str" if column.type not in NUMERIC else int if whole else float
        frame[column.field] = frame[column.field].astype(kind)
    frame = frame.assign(sheet=sheet.name).astype({"sheet": "str", "row": int})
    return frame[[*(column.field for column in sheet.columns), "sheet", "row"]]


def _quoted(value: object) -> str:
    text = " ".join(in_danish(value).split())
    return f"'{text if len(text) <= 60 else text[:57] + '...'}'"
