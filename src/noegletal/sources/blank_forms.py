"""Workbooks to send out: a form written empty, or filled with rows, with a sheet that explains each column."""

import datetime
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from analysis.errors import InputError
from noegletal.sources.forms import GUIDANCE, NUMERIC, Form, FormColumn, FormSheet, load_form, one_of, spelling_of
from noegletal.sources.snapshot import MISSING

DATE_FORMAT = "dd-mm-yyyy"


def write_form(form: str, path: Path, rows: Mapping[str, pd.DataFrame] | None = None) -> None:
    """Write a form as a workbook, empty or filled with `rows`, and a sheet `Vejledning` that explains each column.

    `rows`: by sheet name, frames with the form's fields holding codes (other columns are ignored); NaN is written as
    `..`, a missing date or text as an empty cell; a sheet without rows gets its headings. Errors: a sheet or a code
    that the form does not have, a field that a frame lacks.
    """
    plan = load_form(form)
    given = dict(rows or {})
    unknown = set(given) - {sheet.name for sheet in plan.sheets}
    if unknown:
        raise InputError(f"form {form} has no sheet {', '.join(sorted(unknown))}")
    book = Workbook()
    book.remove(book.active)
    for sheet in plan.sheets:
        _write_sheet(book.create_sheet(sheet.name), plan, sheet, given.get(sheet.name))
    _write_guidance(book.create_sheet(GUIDANCE), plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f"{path.name}.tmp")
    book.save(staged)
    staged.replace(path)


def _write_sheet(page: Worksheet, plan: Form, sheet: FormSheet, rows: pd.DataFrame | None) -> None:
    if sheet.header_row > 1:
        _put(page, 1, 1, plan.title).font = Font(bold=True, size=14)
    for place, column in enumerate(sheet.columns, start=1):
        _put_heading(page, sheet.header_row, place, column.heading)
        longest = max([len(spelling) for spelling in column.spellings] + [len(column.heading) // 2, 10])
        page.column_dimensions[get_column_letter(place)].width = min(longest + 3, 45)
    page.freeze_panes = page.cell(sheet.header_row + 1, 1)
    if rows is None:
        return
    absent = [column.field for column in sheet.columns if column.field not in rows.columns]
    if absent:
        raise InputError(f"rows for sheet {sheet.name} lack {', '.join(absent)}")
    for number, row in enumerate(rows.to_dict("records"), start=sheet.header_row + 1):
        for place, column in enumerate(sheet.columns, start=1):
            cell = _put(page, number, place, _written(column, row[column.field]))
            if column.type == "date":
                cell.number_format = DATE_FORMAT


def _written(column: FormColumn, code: object) -> str | float | int | datetime.date | None:
    if column.type == "date":
        return None if pd.isna(code) else pd.Timestamp(code).date()
    if pd.isna(code) or code == "":
        return MISSING if column.type in NUMERIC else ""
    if column.type in NUMERIC:
        return int(code) if column.type in ("year", "whole") else float(code)
    if column.spellings and code not in column.spellings.values():
        raise InputError(f"column {column.heading} has no code {code!r}")
    return spelling_of(column, code)


def _write_guidance(page: Worksheet, plan: Form) -> None:
    _put(page, 1, 1, plan.title).font = Font(bold=True, size=14)
    _put(
        page,
        2,
        1,
        "Overskrifterne skal blive stående, hvor de står. Én række for hver kombination, ingen flettede celler.",
    )
    headings = {"Ark": 16, "Kolonne": 34, "Udfyldes med": 60, "Skal udfyldes": 16, "Forklaring": 60}
    for place, (heading, width) in enumerate(headings.items(), start=1):
        _put_heading(page, 4, place, heading)
        page.column_dimensions[get_column_letter(place)].width = width
    lines = [(sheet, column) for sheet in plan.sheets for column in sheet.columns]
    for number, (sheet, column) in enumerate(lines, start=5):
        missing = "tallet" if column.type in NUMERIC else "oplysningen"
        required = "ja" if column.required else f"nej; tom eller .. betyder, at {missing} mangler"
        name = sheet.name if sheet.required else f"{sheet.name} (kan udelades)"
        for place, text in enumerate((name, column.heading, one_of(column), required, column.help), start=1):
            _put(page, number, place, text).alignment = Alignment(wrap_text=True, vertical="top")


def _put(page: Worksheet, row: int, place: int, value: str | float | int | datetime.date | None) -> Cell:
    cell = page.cell(row, place, value)
    if isinstance(value, str):
        # Without this a text that begins with = would be written as a formula.
        cell.data_type = "s"
        cell.number_format = "@"
    return cell


def _put_heading(page: Worksheet, row: int, place: int, heading: str) -> None:
    cell = _put(page, row, place, heading)
    cell.font = Font(bold=True)
    cell.fill = PatternFill("solid", fgColor="D9DEE2")
    cell.alignment = Alignment(wrap_text=True, vertical="top")
