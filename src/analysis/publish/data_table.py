"""The rows of a figure as a table beside it: those of its CSV, in Danish, laid out to be read."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import pandas as pd

from analysis import danish
from analysis.aggregation import FINAL, PROVISIONAL
from analysis.indicators import catalogue
from analysis.tables import CSV_LABELS, UNIT_NAMES

# Rows shown; the rest are in the CSV. A page must stay light enough to be sent by mail.
SHOWN = 60
# What names a row, in the order it is tried: a column stands in the table only when it tells rows apart that those
# before it do not, so that a series is not named twice.
NAMES = (
    "area",
    "label",
    "series",
    "name",
    "cluster",
    "ownership",
    "home_cluster",
    "host_cluster",
    "factor",
    "date",
    "period",
    "year",
    "indicator",
)
# Numbers that stand beside the value in the figures of a model, and their decimals (none: those of the value).
NUMBERS = {"low": None, "high": None, "places": 0, "planned": 0, "arrivals": 0, "departures": 0, "pct": 1}
# Of figures that are not in the unit of their indicator, such as a growth.
DECIMALS = {"pct": 1, "pr_1000": 1, "indeks": 1}


class Layout(NamedTuple):
    """A table as texts: headings of the columns, how many of them name the row, and the lines."""

    headings: list[str]
    naming: int
    lines: list[list[str]]


def html(data: pd.DataFrame, *, label: str, download: str) -> str:
    """A folded table of the rows of a figure; `label` names the figure, `download` is the path of its CSV.

    Requires indicator and value; without unit or status they are those of the indicator and of final figures. Years
    stand side by side when a row has nothing else that varies.
    """
    data = _complete(data)
    about = f'<details class="data"><summary>Tal som tabel<span class="unseen">: {escape(label)}</span></summary>'
    if data.empty:
        return f"{about}<p>Figuren har ingen tal.</p></details>"
    headings, naming, lines = layout(data)
    kinds = ["", *[""] * (naming - 1), *[' class="n"'] * (len(headings) - naming)]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(headings, kinds, strict=True))
    body = "\n".join(_line(line, kinds) for line in lines[:SHOWN])
    below = ""
    if len(lines) > SHOWN:
        shown, whole = danish.number(SHOWN), danish.number(len(lines))
        below = (
            f'<p>Tabellen viser de første {shown} af {whole} rækker; alle er i <a href="{download}" download>CSV-filen'
            "</a>.</p>"
        )
    if (data["status"] == PROVISIONAL).any():
        below += "<p>* foreløbigt tal.</p>"
    return (
        f'{about}<div class="table-scroll" tabindex="0" role="region" aria-label="Tal: {escape(label)}"><table>'
        f"<caption>{escape(_caption(data))}</caption><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
        f"{below}</details>"
    )


def _complete(data: pd.DataFrame) -> pd.DataFrame:
    units = [catalogue().indicators[name].unit for name in data["indicator"]]
    absent = {"unit": units, "status": FINAL}
    return data.assign(**{name: value for name, value in absent.items() if name not in data.columns})


def layout(data: pd.DataFrame) -> Layout:
    """The rows of a figure as texts, all of them, in their order."""
    data = _complete(data)
    columns = {name: data[name].tolist() for name in data.columns}
    naming = _naming(columns, len(data))
    values = _values(columns)
    numbers = [name for name in NUMBERS if name in columns and name != "value"]
    if "year" in naming and not numbers:
        wide = _years_side_by_side(columns, naming, values)
        if wide:
            return wide
    unit = " og ".join(UNIT_NAMES.get(unit, unit) for unit in dict.fromkeys(columns["unit"]))
    headings = [*map(heading, naming), unit[:1].upper() + unit[1:], *map(heading, numbers)]
    texts = [[_text(name, value) for value in columns[name]] for name in naming]
    beside = [_beside(columns, name) for name in numbers]
    return Layout(headings, len(naming), [list(line) for line in zip(*texts, values, *beside, strict=True)])


def _naming(columns: dict[str, list], rows: int) -> list[str]:
    """The columns that tell the rows apart, or the first there is when one row or none can be told apart."""
    known = [name for name in NAMES if name in columns]
    chosen: list[str] = []
    told_apart = 1
    for name in known:
        different = len(set(zip(*(columns[other] for other in [*chosen, name]), strict=True)))
        if different > told_apart:
            chosen.append(name)
            told_apart = different
        if told_apart == rows:
            break
    return chosen or known[:1]


def _years_side_by_side(columns: dict[str, list], naming: list[str], values: list[str]) -> Layout | None:
    """A row for each thing and a column for each year; None where a row would hold two figures of a year."""
    others = [name for name in naming if name != "year"] or [name for name in NAMES if name in columns][:1]
    years = sorted(set(columns["year"]))
    cells: dict[tuple, dict[int, str]] = {}
    for *key, year, value in zip(*(columns[name] for name in others), columns["year"], values, strict=True):
        line = cells.setdefault(tuple(key), {})
        if year in line:
            return None
        line[year] = value
    lines = [
        [*(_text(name, part) for name, part in zip(others, key, strict=True)), *(line.get(year, "") for year in years)]
        for key, line in cells.items()
    ]
    return Layout([*map(heading, others), *map(str, years)], len(others), lines)


def heading(column: str) -> str:
    """A column's name in the CSV, as a page writes it; in place of the code of a key figure stands its name."""
    words = "nøgletal" if column == "indicator" else CSV_LABELS[column].replace("_", " ")
    return words[:1].upper() + words[1:]


def _values(columns: dict[str, list]) -> list[str]:
    rows = zip(columns["indicator"], columns["unit"], columns["value"], columns["status"], strict=True)
    return [
        danish.number(value, decimals(indicator, unit), status) + (" *" if status == PROVISIONAL else "")
        for indicator, unit, value, status in rows
    ]


def decimals(indicator: str, unit: str) -> int:
    """How many decimals a figure is shown with: those of its indicator, or of what is computed from it."""
    entry = catalogue().indicators[indicator]
    return entry.decimals if unit == entry.unit else DECIMALS.get(unit, 0)


def _beside(columns: dict[str, list], name: str) -> list[str]:
    own = NUMBERS[name]
    rows = zip(columns["indicator"], columns["unit"], columns[name], columns["status"], strict=True)
    return [
        danish.number(value, decimals(indicator, unit) if own is None else own, status)
        for indicator, unit, value, status in rows
    ]


def _text(name: str, value: object) -> str:
    if name == "indicator":
        return catalogue().indicators[value].name
    if name == "date":
        year, month, day = str(value)[:10].split("-")
        return f"{day}.{month}.{year}"
    if name == "period":
        return danish.period(str(value))
    return str(value)


def _caption(data: pd.DataFrame) -> str:
    """What is the same in all the rows: the key figures, their unit, and the area where there is one."""
    indicators, units = list(dict.fromkeys(data["indicator"])), list(dict.fromkeys(data["unit"]))
    names = danish.listed([catalogue().indicators[name].name for name in indicators])
    if any(catalogue().indicators[name].unit not in units for name in indicators):
        names = f"Beregnet af {names[:1].lower()}{names[1:]}"
    units = danish.listed([UNIT_NAMES.get(unit, unit) for unit in units])
    areas = list(dict.fromkeys(data["area"])) if "area" in data.columns else []
    return ", ".join([names, units, *(areas if len(areas) == 1 else [])])


def _line(line: Sequence[str], kinds: Sequence[str]) -> str:
    name, *cells = line
    texts = "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(cells, kinds[1:], strict=True))
    return f'<tr><th scope="row">{escape(name)}</th>{texts}</tr>'
