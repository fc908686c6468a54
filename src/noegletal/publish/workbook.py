"""A report as one Excel workbook: a sheet per figure and table, the key figures with filters, the definitions."""

import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from analysis import accounts, areas
from analysis.catalogue import catalogue, source_line
from analysis.charts.contents import Contents
from analysis.charts.style import GRID, HIGHLIGHT, INK, MUTED, OFFICE_FONT, SHEET_HEADING, SHEET_TEXT, SOFT
from analysis.danish import STATUS_SYMBOLS
from analysis.edition import KEY_FIGURES, Edition
from analysis.errors import InputError
from analysis.prices import STATUS_NAMES as PRICE_STATUS_NAMES
from analysis.rows import EVIDENCE, evidence, labels
from analysis.tables import read_coded, with_danish_names, with_labels
from noegletal import front
from noegletal.figures.freshness import areas_within
from noegletal.publish.manifest import FORMATS
from noegletal.publish.office import (
    TEXT_STAYS_TEXT,
    author,
    fixed_date,
    from_facts,
    lines_below,
    number_format,
    readable,
)

WORKBOOK = FORMATS["workbook"]
CONTENTS, MATRIX, FIGURES, DEFINITIONS = "Indhold", "Matrix", "Nøgletal", "Definitioner"
# What Excel takes: characters in the name of a sheet and in a cell.
LONGEST_NAME, LONGEST_TEXT = 31, 32767
NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\']")
WIDEST, NARROWEST = 46, 9
DANISH_NUMBER = re.compile(r"^\u2212?\d{1,3}(\.\d{3})*(,\d+)?$|^\u2212?\d+(,\d+)?$")
YEARS = ("år", "year")
# Excel is not to warn about codes, which are texts, also those of digits alone.
EVERYWHERE = "A1:XFD1048576"
# Figures and their heads stand to the right, with room before the text of the next column.
SPACE_BEHIND, FIGURES_HEAD = "_-", {"align": "right", "indent": 1}
# The height of a line of text, and room for signs, points and the empty space beside a text, in characters.
LINE_HEIGHT, MARGIN = 1.4 * SHEET_TEXT, 3
MOST_DECIMALS = 4

Cell = str | float | None


class Listed(NamedTuple):
    """A sheet that the contents lead to, or an output that was left out and why."""

    section: str
    number: str
    title: str
    sheet: str
    left_out: str


def write_workbook(
    folder: Path, edition: Edition, area_code: str, sections: dict[str, dict[str, Any]], processed: Path
) -> Path:
    """Write `noegletal.xlsx` into the folder of a report from its published data and the key figures of its areas.

    `sections`: as in the manifest. Numbers are numbers and texts are texts: nothing in a cell is a formula or a link
    that data could have made. What is missing or protected is an empty cell with its status beside it. Errors: a folder
    that cannot be written to.
    """
    title = f"{edition.title}, {areas.name(area_code)}"
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, TEXT_STAYS_TEXT) as book:
        book.set_properties({"title": title, "author": author(edition), "created": fixed_date(edition)})
        writer = _Writer(book)
        contents = book.add_worksheet(CONTENTS)
        listed, sheets = [], {}
        for record in sections.values():
            for facts in record.get("outputs", []):
                sheet = "" if facts.get("left_out") else writer.output(folder, record, facts)
                reason = facts.get("left_out", "")
                listed.append(Listed(record["title"], facts.get("number", ""), facts["title"], sheet, reason))
                sheets[facts["output"].replace("_", "-")] = sheet
        compared = areas_within(edition, area_code, ["compared"])
        around = list(dict.fromkeys([*compared, *areas_within(edition, area_code, ["peers"])]))
        rows = with_labels(pd.read_parquet(processed / KEY_FIGURES, filters=[("area_code", "in", around)]))
        writer.matrix(rows[rows["variant"] == accounts.STANDARD])
        writer.key_figures(rows[rows["area_code"].isin(compared)])
        writer.definitions(edition)
        numbers = [
            (one, sheets.get(one.href.partition("#")[2], "")) for one in front.key_numbers(edition, area_code, rows)
        ]
        writer.contents(contents, title, edition.provisional, numbers, listed)
    path = folder / WORKBOOK
    try:
        # The library writes its parts without a date of the clock.
        path.write_bytes(stream.getvalue())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return path


class _Writer:
    """Writes sheets in the house style, each under a name of its own."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        book.formats[0].set_font_name(OFFICE_FONT)
        book.formats[0].set_font_size(SHEET_TEXT)
        book.formats[0].set_align("top")
        self._formats: dict[int | None, Format] = {}
        self._names = {name.casefold() for name in (CONTENTS, MATRIX, FIGURES, DEFINITIONS, "history")}
        self._heading = self._style(bold=True, font_size=SHEET_HEADING, font_color=INK)
        self._quiet = self._style(font_color=MUTED)
        self._part = self._style(bold=True, font_color=HIGHLIGHT)
        head = {"bold": True, "bg_color": SOFT, "bottom": 1, "bottom_color": GRID, "text_wrap": True, "valign": "top"}
        self._head, self._figure_head = self._style(**head), self._style(**head | FIGURES_HEAD)
        self._wrapped = self._style(text_wrap=True, valign="top")
        self._link = self._style(font_color=HIGHLIGHT, underline=1)

    def _style(self, **properties: object) -> Format:
        return self._book.add_format({"font_name": OFFICE_FONT, "font_size": SHEET_TEXT, **properties})

    def _number(self, decimals: int | None) -> Format:
        """The format of a number; one without decimals given is a year, without points between thousands."""
        if decimals not in self._formats:
            signs = ("0" if decimals is None else number_format(decimals)).split(";")
            shown = ";".join(sign + SPACE_BEHIND for sign in signs)
            self._formats[decimals] = self._style(num_format=shown, valign="top")
        return self._formats[decimals]

    def output(self, folder: Path, record: dict[str, Any], facts: dict[str, Any]) -> str:
        """A sheet with a figure or table as it is shown, and the figures behind it; returns its name."""
        sheet = self._book.add_worksheet(self._sheet_name(facts))
        published = _published(folder, facts["output"])
        unit = facts.get("unit") or ", ".join(dict.fromkeys(published.units))
        sheet.write_string(0, 0, _text(facts["title"]), self._heading)
        about = [text for text in (facts.get("number"), f"Enhed: {unit}" if unit else "") if text]
        sheet.write_url(1, 0, f"internal:'{CONTENTS}'!A1", self._link, "Til indhold")
        sheet.write_string(1, 1, _text(" · ".join([record["title"], *about])), self._quiet)
        row = 2
        symbols = [f"{symbol} {labels().statuses[status]}" for status, symbol in STATUS_SYMBOLS.items()]
        for line in [*lines_below(record, facts), f"Tegn: {'; '.join(symbols)}."]:
            sheet.write_string(row, 0, _text(line), self._quiet)
            row += 1
        widths: dict[int, int] = {}
        if facts.get("chart"):
            drawn = from_facts(facts["chart"])
            alike = drawn.kind != "points"
            row = self._block(sheet, row + 1, "Som vist i figuren", *_drawn(drawn), widths, alike=alike)
        elif facts.get("table"):
            row = self._block(sheet, row + 1, "Som vist i tabellen", *_shown(facts["table"]), widths)
        self._block(sheet, row + 1, "Tallene bag, i fuld præcision", published.columns, published.rows, widths)
        for column, width in widths.items():
            sheet.set_column(column, column, width)
        sheet.freeze_panes(2, 1)
        sheet.hide_gridlines(2)
        sheet.ignore_errors({"number_stored_as_text": EVERYWHERE})
        _one_page_wide(sheet)
        return sheet.get_name()

    def _block(
        self,
        sheet: Worksheet,
        row: int,
        name: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        widths: dict[int, int],
        *,
        alike: bool = False,
    ) -> int:
        """Write a table with a name above it, its figures with `alike` decimals; returns the row after it."""
        known = [cell for cells in rows for cell in cells if isinstance(cell, float)]
        shared = _decimals("", known) if alike else None
        sheet.write_string(row, 0, name, self._part)
        row += 1
        for place, column in enumerate(columns):
            cells = [cells[place] for cells in rows]
            figures = any(isinstance(cell, float) for cell in cells)
            sheet.write_string(row, place, _text(column), self._figure_head if figures else self._head)
            longest = max(len(column), self._column(sheet, row + 1, place, column, cells, shared))
            widths[place] = max(widths.get(place, NARROWEST), min(longest + MARGIN, WIDEST))
        for offset, cells in enumerate(rows, row + 1):
            longest = max((len(cell) for cell in cells if isinstance(cell, str)), default=0)
            if longest > WIDEST:
                sheet.set_row(offset, LINE_HEIGHT * math.ceil(longest / WIDEST))
        return row + 1 + len(rows)

    def _column(
        self, sheet: Worksheet, row: int, place: int, name: str, cells: Sequence[Cell], shared: int | None
    ) -> int:
        """Write the cells of a column; returns how many characters the longest of them has."""
        known = [cell for cell in cells if isinstance(cell, float)]
        decimals = _decimals(name, known) if shared is None else shared
        style, longest = self._number(decimals), 0
        for offset, cell in enumerate(cells):
            if isinstance(cell, float):
                sheet.write_number(row + offset, place, cell, style)
                longest = max(longest, len(f"{cell:,.{decimals or 0}f}"))
            elif cell:
                sheet.write_string(row + offset, place, cell, self._wrapped if len(cell) > WIDEST else None)
                longest = max(longest, len(cell))
        return longest

    def matrix(self, rows: pd.DataFrame) -> None:
        """Each area and key figure as a row with its years side by side, under one heading, fit for pivots.

        A figure that is missing or hidden is an empty cell, and a row of these alone is left out. How well a row is
        known is what holds for all its years.
        """
        sheet = self._book.add_worksheet(MATRIX)
        entries = catalogue().indicators
        known = rows.assign(known=evidence(rows).map(EVIDENCE.index))
        keys = ["area", "area_code", "indicator", "population_group", "category", "label", "unit"]
        groups = known.groupby(keys, sort=False, observed=True, dropna=False)["known"].max()
        years = sorted(rows["year"].unique().tolist())
        table = known.pivot_table(
            index=keys, columns="year", values="value", aggfunc="first", sort=False, observed=True, dropna=True
        ).reindex(columns=years)
        heads = ["Område", "Områdekode", "Nøgletal", "Gruppe", "Kategori", "Enhed", "Kendskab", *map(str, years)]
        longest = [*map(len, heads[: -len(years) or None]), *[NARROWEST] * len(years)]
        for row, (key, values) in enumerate(zip(table.index, table.to_numpy().tolist(), strict=True), 1):
            area, code, name, group, _, label, unit = key
            texts = [
                area,
                code,
                entries[name].name if name in entries else name,
                labels().groups.get(group, group),
                label,
                labels().unit_names.get(unit, unit),
                labels().evidence[EVIDENCE[groups[key]]].mark,
            ]
            for place, text in enumerate(map(_text, texts)):
                sheet.write_string(row, place, text)
                longest[place] = max(longest[place], len(text))
            style = self._number(entries[name].decimals if name in entries else None)
            for place, value in enumerate(values, len(texts)):
                if value == value:
                    sheet.write_number(row, place, value, style)
                    longest[place] = max(longest[place], len(f"{value:,.2f}"))
        for place, width in enumerate(longest):
            sheet.set_column(place, place, max(NARROWEST, min(width + MARGIN, WIDEST)))
        for place, head in enumerate(heads):
            sheet.write_string(0, place, head, self._figure_head if head.isdigit() else self._head)
        sheet.autofilter(0, 0, max(len(table), 1), len(heads) - 1)
        sheet.ignore_errors({"number_stored_as_text": EVERYWHERE})
        sheet.freeze_panes(1, 3)
        sheet.repeat_rows(0)
        _one_page_wide(sheet)

    def key_figures(self, rows: pd.DataFrame) -> None:
        """The key figures as an Excel table that can be filtered."""
        sheet = self._book.add_worksheet(FIGURES)
        entries = catalogue().indicators
        indicators, units = rows["indicator"].tolist(), rows["unit"].tolist()
        values = rows["value"].tolist()
        texts = {
            "Nøgletal": [entries[name].name if name in entries else name for name in indicators],
            "Område": rows["area"].tolist(),
            "Områdekode": rows["area_code"].tolist(),
            "Gruppe": [labels().groups.get(group, group) for group in rows["population_group"].tolist()],
            "Kategori": rows["label"].tolist(),
            "År": None,
            "Variant": [labels().variants.get(variant, variant) for variant in rows["variant"].tolist()],
            "Værdi": None,
            "Enhed": [labels().unit_names.get(unit, unit) for unit in units],
            "Status": [_status(status) for status in rows["status"].tolist()],
            "Oprindelse": [labels().origins.get(origin, origin) for origin in rows["origin"].tolist()],
            "Note": rows["note"].tolist(),
        }
        headings = list(texts)
        for place, (heading, column) in enumerate(texts.items()):
            sheet.write_string(0, place, heading, self._figure_head if column is None else self._head)
            if column is not None:
                write = sheet.write_string
                for row, text in enumerate(map(_text, column), 1):
                    if text:
                        write(row, place, text)
            shown = [f"{value:,.2f}" for value in values if value == value] if heading == "Værdi" else column or []
            longest = max(map(len, [heading, *shown]))
            sheet.set_column(place, place, max(NARROWEST, min(longest + MARGIN, WIDEST)))
        year, plain = headings.index("År"), self._number(None)
        for row, figure in enumerate(rows["year"].tolist(), 1):
            sheet.write_number(row, year, figure, plain)
        place = headings.index("Værdi")
        styles = {name: self._number(entries[name].decimals) for name in set(indicators) if name in entries}
        for row, (name, value) in enumerate(zip(indicators, values, strict=True), 1):
            if value == value:
                sheet.write_number(row, place, value, styles.get(name, plain))
        sheet.ignore_errors({"number_stored_as_text": EVERYWHERE})
        if len(rows):
            header = [
                {"header": name, "header_format": self._figure_head if column is None else self._head}
                for name, column in texts.items()
            ]
            looks = {"name": "Noegletal", "style": "Table Style Light 1", "columns": header}
            sheet.add_table(0, 0, len(rows), len(headings) - 1, looks)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        _one_page_wide(sheet)

    def definitions(self, edition: Edition) -> None:
        """What each key figure of the catalogue is, how it is averaged, where it is from and what it cannot say."""
        sheet = self._book.add_worksheet(DEFINITIONS)
        widths = {"Nøgletal": 34, "Enhed": 18, "Definition": 70, "Gennemsnit": 44, "Kilde": 36, "Forbehold": 80}
        sheet.write_row(0, 0, list(widths), self._head)
        for place, width in enumerate(widths.values()):
            sheet.set_column(place, place, width)
        for row, (name, entry) in enumerate(catalogue().indicators.items(), 1):
            caveats = " ".join(catalogue().caveats[caveat] for caveat in entry.caveats)
            unit = labels().unit_names.get(entry.unit, entry.unit)
            texts = [entry.name, unit, entry.definition, entry.averaging, source_line(name, edition), caveats]
            for place, text in enumerate(texts):
                sheet.write_string(row, place, _text(text), self._wrapped)
            lines = [math.ceil(len(text) / width) for text, width in zip(texts, widths.values(), strict=True)]
            sheet.set_row(row, LINE_HEIGHT * max(lines))
        sheet.freeze_panes(1, 1)
        sheet.repeat_rows(0)
        _one_page_wide(sheet)

    def contents(
        self,
        sheet: Worksheet,
        title: str,
        notice: str,
        numbers: Sequence[tuple[front.KeyNumber, str]],
        listed: Iterable[Listed],
    ) -> None:
        """The key numbers, each with the sheet that shows it, and every sheet with its title as a link.

        The links are made here, never of what data say.
        """
        widths = (12, 100, 46, 60)
        sheet.write_string(0, 0, _text(title), self._heading)
        if notice:
            sheet.merge_range(1, 0, 1, len(widths) - 1, "", self._wrapped)
            sheet.write_string(1, 0, _text(notice), self._wrapped)
            sheet.set_row(1, LINE_HEIGHT * math.ceil(len(notice) / sum(widths)))
        top = 2
        if numbers:
            sheet.write_row(top, 0, ["", "De vigtigste tal", "Seneste år", "Udvikling og kendskab"], self._head)
            for row, (one, shown) in enumerate(numbers, top + 1):
                if shown:
                    sheet.write_url(row, 1, f"internal:'{shown}'!A1", self._link, _text(one.name)[:255])
                else:
                    sheet.write_string(row, 1, _text(one.name))
                sheet.write_string(row, 2, _text(one.value))
                sheet.write_string(row, 3, _text(" · ".join(filter(None, (one.growth, one.mark)))), self._quiet)
            top += len(numbers) + 2
        sheet.write_row(top, 0, ["Nr.", "Titel", "Afsnit", "Bemærkning"], self._head)
        entries = [
            Listed("", "", "Alle nøgletal år for år, område for område, til filtre og pivottabeller", MATRIX, ""),
            Listed("", "", "Nøgletal for området og dem, det sammenlignes med, med status og kilde", FIGURES, ""),
            Listed("", "", "Definitioner af nøgletallene", DEFINITIONS, ""),
            *listed,
        ]
        for row, entry in enumerate(entries, top + 1):
            sheet.write_string(row, 0, _text(entry.number))
            if entry.sheet:
                # Excel takes no text longer than this in a link; the sheet itself has all of it.
                sheet.write_url(row, 1, f"internal:'{entry.sheet}'!A1", self._link, _text(entry.title)[:255])
            else:
                sheet.write_string(row, 1, _text(entry.title))
            sheet.write_string(row, 2, _text(entry.section))
            sheet.write_string(row, 3, f"Vises ikke: {_text(entry.left_out)}" if entry.left_out else "", self._quiet)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)
        sheet.freeze_panes(1, 0)
        sheet.hide_gridlines(2)
        _one_page_wide(sheet)
        sheet.activate()

    def _sheet_name(self, facts: dict[str, Any]) -> str:
        """A name that Excel takes and no other sheet has: the printed number, else what the output is called."""
        wanted = facts.get("number") or facts["output"].replace("_", " ").capitalize()
        wanted = " ".join(NOT_IN_NAMES.sub(" ", readable(wanted)).split())[:LONGEST_NAME].strip() or "Ark"
        name, copy = wanted, 1
        while name.casefold() in self._names:
            copy += 1
            end = f" ({copy})"
            name = wanted[: LONGEST_NAME - len(end)] + end
        self._names.add(name.casefold())
        return name


def _one_page_wide(sheet: Worksheet) -> None:
    """Print on A4, landscape, as many pages high as it takes."""
    sheet.set_paper(9)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


class _Published(NamedTuple):
    columns: list[str]
    rows: list[list[Cell]]
    units: list[str]


def _published(folder: Path, output: str) -> _Published:
    """The rows behind an output: numbers as numbers, codes and statuses in words, no column twice."""
    rows = read_coded(folder, output)
    units = [labels().unit_names.get(unit, unit) for unit in rows.get("unit", ())]
    cells: dict[str, list[Cell]] = {}
    if "indicator" in rows.columns:
        known = catalogue().indicators
        cells["nøgletal"] = [_text(known[one].name if one in known else one) for one in rows.pop("indicator")]
    # The code of what stands in words beside it.
    rows = rows.drop(columns="category") if {"category", "label"} <= set(rows.columns) else rows
    named = {"name", "series"} & set(rows.columns)
    if named and "variant" in rows.columns and not set(rows["variant"]) <= set(labels().variants):
        rows = rows.drop(columns="variant")
    table = with_danish_names(rows)
    cells |= {name: _cells(name, table[name]) for name in table.columns}
    return _Published(list(cells), [list(row) for row in zip(*cells.values(), strict=True)], units)


def _cells(name: str, column: pd.Series) -> list[Cell]:
    if pd.api.types.is_numeric_dtype(column):
        return [None if pd.isna(value) else float(value) for value in column]
    texts = ["" if pd.isna(value) else str(value) for value in column]
    known = labels()
    coded = {"enhed": known.unit_names, "oprindelse": known.origins, "gruppe": known.groups, "variant": known.variants}
    if name in coded:
        return [_text(coded[name].get(text, text)) for text in texts]
    return [_status(text) if name == "status" else _text(text) for text in texts]


def _status(status: str) -> str:
    symbol = STATUS_SYMBOLS.get(status)
    name = (labels().statuses | PRICE_STATUS_NAMES).get(status, status)
    return f"{symbol} {name}" if symbol else _text(name)


def _drawn(contents: Contents) -> tuple[list[str], list[list[Cell]]]:
    """What a chart draws as a table, in the unit shown, each number rounded by its format alone."""
    if contents.kind == "points":
        head = ["serie", contents.across or "år", contents.unit]
        points = [
            [_text(one.name), float(place), value]
            for one in contents.series
            for place, value in zip(one.places, one.values, strict=True)
        ]
        return head, points
    names = [_text(one.name) for one in contents.series]
    by_series = zip(*[list(one.values) for one in contents.series], strict=True)
    rows = [[_text(name), *row] for name, row in zip(contents.categories, by_series, strict=False)]
    return ["", *names], rows


def _shown(table: dict[str, Any]) -> tuple[list[str], list[list[Cell]]]:
    """A table as the page shows it; the texts of its columns of figures become the numbers that they print."""
    head = [table["heading"], *table["columns"][1:]]
    numeric = [name in table["numeric"] for name in table["columns"]]
    rows = [
        [_printed(text) if figure else _text(text) for text, figure in zip(row, numeric, strict=True)]
        for row in table["rows"]
    ]
    return head, rows


def _printed(text: str) -> Cell:
    if not DANISH_NUMBER.match(text):
        return _text(text)
    return float(text.replace(".", "").replace(",", ".").replace("\u2212", "-"))


def _decimals(name: str, values: Sequence[float]) -> int | None:
    """As many decimals as a column needs to be read; a year has no points between its thousands."""
    if name.casefold() in YEARS:
        return None
    largest = max(map(abs, values), default=0.0)
    most = 2 if largest >= 2 else MOST_DECIMALS
    exact = (decimals for decimals in range(most) if all(round(value, decimals) == value for value in values))
    return next(exact, 0 if largest >= 10_000 else most)


def _text(text: str) -> str:
    return readable(text)[:LONGEST_TEXT]
