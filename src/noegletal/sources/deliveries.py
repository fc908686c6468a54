"""Deliveries: filled-in workbooks, read whole or not at all."""

import contextlib
import datetime
import difflib
import io
import math
import re
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
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
# What may be a CPR number, in any column, is never repeated.
LIKE_CPR = re.compile(r"[0-9]{5,6}[^0-9A-Za-z]{0,3}[0-9]{4}")
# How alike the names of two sheets must be for one to be taken for the other.
SIMILAR_SHEET = 0.6
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
    found = list(found)
    _refuse(line for sheet in load_form(form).sheets for line in _said(path.name, sheet, found))


def _said(file: str, sheet: FormSheet, found: Iterable[Wrong]) -> list[str]:
    """What is wrong with a sheet, each with its place, in the order of rows and columns."""
    fields = ["", *(column.field for column in sheet.columns)]
    # What concerns a whole column or sheet comes after its rows.
    own = sorted(
        (wrong for wrong in found if wrong.sheet == sheet.name),
        key=lambda wrong: (wrong.row or sys.maxsize, fields.index(wrong.field)),
    )
    return [
        f"{file}, ark {sheet.name}"
        + (f", række {wrong.row}" if wrong.row else "")
        + (f", kolonne {sheet.column(wrong.field).heading}" if wrong.field else "")
        + f": {wrong.text}"
        for wrong in own
    ]


def _refuse(lines: Iterable[str]) -> None:
    """Raise everything found as one error with a line for each."""
    if said := "\n".join(dict.fromkeys(lines)):
        raise _refusal(said)


def _refusal(text: str) -> InputError:
    return InputError(text, rule="LEV-01")


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
        raise _refusal(f"{path.name}: filen findes ikke i {path.parent}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path.name) from error
    sheets = _sheets(path.name, content, form, load_form(form).model_dump_json())
    return {name: frame.copy() for name, frame in sheets.items()}


# A run reads a delivery for the facts, for the trace and for the checks, and a workbook takes seconds to parse.
@lru_cache(maxsize=8)
def _sheets(file: str, content: bytes, form: str, declared: str) -> dict[str, pd.DataFrame]:
    """The sheets of a workbook by name; `declared` is the form as it is declared now, so that a change is read anew."""
    plan = load_form(form)
    entered = _opened(file, content, computed=False)
    # Without formulas what was typed is what is shown, and a large workbook is opened once only.
    shown = _opened(file, content, computed=True) if _has_formulas(entered) else entered
    titles = [page.title for page in shown.worksheets]
    names = {fold(title): title for title in titles}
    left_out = tuple(sheet.name for sheet in plan.sheets if not sheet.required and fold(sheet.name) not in names)
    rows: dict[str, list[dict[str, object]]] = {}
    said: list[str] = []
    for sheet in plan.sheets:
        name = names.pop(fold(sheet.name), None)
        rows[sheet.name] = []
        if name is not None:
            reader = _SheetReader(sheet, shown[name], entered[name])
            rows[sheet.name] = reader.rows()
            said += _said(file, sheet, reader.wrong)
        elif sheet.required:
            near = nearest(sheet.name, tuple(names.values()), SIMILAR_SHEET)
            hint = f"er det arket '{near}'?" if near else f"bogen har: {', '.join(titles)}"
            said.append(f"{file}: arket '{sheet.name}' mangler; {hint}")
    for name in names.values():
        if name != GUIDANCE and _filled(shown[name]):
            # It may be a sheet that was taken for left out.
            near = nearest(name, left_out, SIMILAR_SHEET)
            hint = f"skal det hedde '{near}'?" if near else "flyt indholdet, eller slet arket"
            said.append(f"{file}: arket '{name}' er ikke i formularen; {hint}")
    _refuse(said)
    return {sheet.name: _frame(sheet, rows[sheet.name]) for sheet in plan.sheets}


def no_rows(form: str) -> dict[str, pd.DataFrame]:
    """The sheets of a form that was not delivered: what `read_form` gives, without rows."""
    return {sheet.name: _frame(sheet, []) for sheet in load_form(form).sheets}


def _has_formulas(book: Workbook) -> bool:
    return any(cell.data_type == "f" for page in book.worksheets for cell in page._cells.values())


def open_workbook(content: bytes, *, computed: bool) -> Workbook:
    """The workbook that some bytes are, with values or formulas. Errors: ValueError when they are none that is read."""
    # SyntaxError is what XML that is not well formed raises, whichever parser openpyxl finds.
    broken = (InvalidFileException, zipfile.BadZipFile, zlib.error, SyntaxError, KeyError, TypeError, EOFError, OSError)
    try:
        with warnings.catch_warnings(action="ignore"):
            # As a stream, because a path is judged by its name only.
            book = load_workbook(io.BytesIO(content), data_only=computed)
    except broken as error:
        raise ValueError(str(error)) from error
    # Of Strict Open XML openpyxl sees no sheet.
    if not book.worksheets:
        raise ValueError("no sheets")
    return book


def _opened(file: str, content: bytes, *, computed: bool) -> Workbook:
    try:
        return open_workbook(content, computed=computed)
    except ValueError as error:
        raise _unreadable(file) from error


def _unreadable(file: str) -> InputError:
    return _refusal(
        f"{file}: filen kan ikke læses som en Excel-projektmappe; gem den som .xlsx uden adgangskode (en almindelig "
        "projektmappe, ikke Strict Open XML)"
    )


class _SheetReader:
    """Reads one sheet; `wrong` is what it finds wrong."""

    def __init__(self, plan: FormSheet, shown: Worksheet, entered: Worksheet) -> None:
        """`shown` holds the computed values, `entered` what was typed, formulas included."""
        self.plan = plan
        self.merged = shown.merged_cells.ranges
        self.all_shown, self.all_entered = shown._cells, entered._cells
        self.shown = _filled(shown)
        self.entered = self.shown if entered is shown else _filled(entered)
        self.wrong: list[Wrong] = []

    def rows(self) -> list[dict[str, object]]:
        """The rows of the sheet as far as they could be read."""
        if not self.shown and not self.entered:
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

    def _wrong(self, text: str, row: int = 0, column: FormColumn | None = None) -> None:
        self.wrong.append(Wrong(text, self.plan.name, row, column.field if column else ""))

    def _check_merged(self) -> None:
        for merged in self.merged:
            if merged.max_row >= self.plan.header_row:
                first = self.plan.columns[merged.min_col - 1 : merged.min_col]
                text = f"cellerne {merged.coord} er flettet; ophæv fletningen, og skriv værdien i hver celle"
                self._wrong(text, max(merged.min_row, self.plan.header_row), *first)

    def _header_in_place(self) -> bool:
        """Whether every heading stands where it must; what is missing, moved or too much is reported."""
        header_row = self.plan.header_row
        in_row = {cell.coordinate: cell for (row, _), cell in self.shown.items() if row == header_row}
        # Where each text stands, in the row of headings first.
        places: dict[str, list[str]] = {}
        for cell in chain(in_row.values(), self.shown.values()):
            if isinstance(cell.value, str):
                places.setdefault(fold(cell.value), []).append(cell.coordinate)
        known: set[str] = set()
        sound = True
        for position, column in enumerate(self.plan.columns, start=1):
            wanted = f"{get_column_letter(position)}{header_row}"
            found = places.get(fold(column.heading), [])
            known.update(found)
            if wanted in found:
                twice = [place for place in found if place in in_row and place != wanted]
                if twice:
                    self._wrong(f"overskriften står også i celle {twice[0]}; slet den ene kolonne", header_row, column)
                continue
            sound = False
            if found:
                text = f"overskriften står i celle {found[0]}, men skal stå i {wanted}"
            else:
                known.add(wanted)
                text = f"overskriften mangler; den skal stå i celle {wanted}"
                text += f", hvor der står {_quoted(in_row[wanted].value)}" if wanted in in_row else ""
            self._wrong(text, header_row, column)
        for place, cell in in_row.items():
            if place not in known:
                text = f"kolonnen {_quoted(cell.value)} i celle {place} er ikke i formularen; slet den"
                self._wrong(text, header_row)
        return sound

    def _parsed_rows(self) -> list[dict[str, object]]:
        width, header_row = len(self.plan.columns), self.plan.header_row
        filled = {row for row, place in chain(self.shown, self.entered) if row > header_row and place <= width}
        rows = [
            {"row": number}
            | {column.field: self._read(number, place, column) for place, column in enumerate(self.plan.columns, 1)}
            for number in sorted(filled)
        ]
        for (row, place), cell in self.entered.items():
            if row > header_row and place > width and (header_row, place) not in self.shown:
                # Its content may be a name.
                text = f"celle {cell.coordinate} ligger uden for tabellens kolonner; slet den"
                self._wrong(text, row)
        return rows

    def _read(self, row: int, place: int, column: FormColumn) -> object:
        """What a cell means in its column; what cannot be read is reported."""
        cell, typed = self.all_shown.get((row, place)), self.all_entered.get((row, place))
        # That cells are merged has been said.
        if isinstance(cell, MergedCell):
            return _UNREADABLE
        try:
            return _value(cell, typed is not None and typed.data_type == "f", column)
        except _WrongCellError as error:
            self._wrong(str(error), row, column)
            return _UNREADABLE

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
        # By whose it is, the spell before that lasts longest.
        longest: dict[object, dict[str, object]] = {}
        readable = [row for row in rows if _UNREADABLE not in (row[rule.start], row[rule.end], row[rule.of])]
        for spell in sorted(
            readable, key=lambda row: (row[rule.start], row[rule.end] or datetime.date.max, row["row"])
        ):
            if spell[rule.end] is not None and spell[rule.end] < spell[rule.start]:
                ended, began = day_in_danish(spell[rule.end]), day_in_danish(spell[rule.start])
                self._wrong(f"{ended} er før {start.heading} {began}", spell["row"], end)
                continue
            before = longest.setdefault(spell[rule.of], spell)
            if before is spell:
                continue
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
            longest[spell[rule.of]] = spell

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


def _filled(sheet: Worksheet) -> dict[tuple[int, int], Cell]:
    """The cells with content by row and column, row by row.

    Straight from openpyxl's own store: its public iterators create every cell up to the last one, and one stray
    cell in row 1.048.576 would then fill the memory.
    """
    filled = {place: cell for place, cell in sheet._cells.items() if not _is_blank(cell.value)}
    return dict(sorted(filled.items()))


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _value(cell: Cell | None, formula: bool, column: FormColumn) -> object:
    """What a cell means in its column; `formula` is whether one was typed."""
    value = None if cell is None else cell.value
    if formula and value is None:
        raise _WrongCellError("formlen har ingen beregnet værdi; åbn og gem bogen i Excel, eller skriv værdien selv")
    if _is_blank(value) or (isinstance(value, str) and value.strip() == MISSING):
        if column.required:
            what = "cellen er tom" if _is_blank(value) else "'..' (mangler) kan ikke bruges her"
            raise _WrongCellError(f"{what}; den skal udfyldes")
        return math.nan if column.type in NUMERIC else None if column.type == "date" else ""
    if cell.data_type == "e":
        raise _WrongCellError(f"{value} er en fejl i Excel")
    if isinstance(value, bool):
        raise _WrongCellError(f"{'SAND' if value else 'FALSK'} kan ikke bruges her")
    if column.type == "date":
        return _date(value)
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


def _mistaken(number: float, column: FormColumn) -> str:
    """What a number above the limits looks like, where it would lie inside them after a division."""
    low, high = column.limits
    meant = {name: number / factor for name, factor in column.mistakes.items() if low <= number / factor <= high}
    if not meant or number <= high:
        return ""
    # Where several mistakes fit, the one that gives the most ordinary number.
    name = min(meant, key=lambda name: abs(math.log(meant[name] / math.sqrt(max(low, 1) * high))))
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
    if (known := folded.get(column.fold(text))) is not None:
        return column.spellings[known]
    near = nearest(text, tuple(column.spellings))
    hint = f"; mente du '{near}'?" if near else f"; skriv {one_of(column)}"
    raise _WrongCellError(f"{_quoted(text)} kendes ikke{hint}")


@lru_cache(maxsize=4096)
def nearest(text: str, spellings: tuple[str, ...], similar: float = 0.5) -> str | None:
    """The spelling that a misspelt text comes nearest to, if any is `similar` (0-1) enough."""
    folded = {fold(spelling): spelling for spelling in spellings}
    near = difflib.get_close_matches(fold(text), list(folded), n=1, cutoff=similar)
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
    if LIKE_CPR.search(text):
        return "indholdet"
    return f"'{text if len(text) <= 60 else text[:57] + '...'}'"
