"""Tables for readers: Danish text in accessible HTML, and the same figures as CSV for spreadsheets."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis import accounts, areas
from analysis.catalogue import catalogue
from analysis.danish import MoneyUnit, held, listed, number, period
from analysis.errors import InputError
from analysis.rows import FINAL, LEVEL, MEASURE, PROVISIONAL, SINCE, labels, require

TRUTH = {True: "ja", False: "nej"}
FORMULA_START = ("=", "+", "-", "@", "\t", "\r")


def with_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Key-figure rows with the Danish names of their area (`area`) and category (`label`), numbered from 0."""
    require(rows, ["area_code", "population_group", "category"], "tables.with_labels")
    known, names = accounts.labels(), areas.names()
    pairs = zip(rows["population_group"], rows["category"], strict=True)
    return rows.reset_index(drop=True).assign(
        label=pd.Series([known.get(pair, pair[1]) for pair in pairs], dtype="str"),
        area=pd.Series([names.get(code) for code in rows["area_code"]], dtype="str"),
    )


def two_years(rows: pd.DataFrame, growth: pd.DataFrame, years: tuple[int, int], unit: MoneyUnit) -> pd.DataFrame:
    """Key-figure rows of two years and their growth as Danish texts: label, a column a year, `Ændring, pct.`.

    The rows stand in the order of categories.csv.
    """
    wide = rows.pivot(index=["population_group", "category"], columns="year", values=["value", "status"])
    change = growth.set_index(["population_group", "category"])
    lines = []
    for pair in filter(wide.index.__contains__, accounts.labels()):
        values, statuses = wide.loc[pair, "value"] / unit.divisor, wide.loc[pair, "status"]
        cells = {str(year): number(values[year], unit.decimals, statuses[year]) for year in years}
        change_text = number(change.loc[pair, "value"], 0, change.loc[pair, "status"])
        lines.append({"Indsats": accounts.label(*pair)} | cells | {"Ændring, pct.": change_text})
    return pd.DataFrame(lines)


@lru_cache
def _parts() -> Any:
    """The template of outputs; what it is given is escaped, and numbers are held to their units."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, finalize=lambda value: held(value) if type(value) is str else value,
    )  # fmt: skip
    return environment.get_template("output.html.j2").module


def markup(part: str, **facts: object) -> Markup:
    """A part of an output as HTML: a macro of output.html.j2 and the facts that it shows."""
    return getattr(_parts(), part)(**facts)


def html(
    frame: pd.DataFrame, *, identifier: str, heading: str, numeric: Sequence[str], strong: Sequence[str] = ()
) -> Markup:
    """A table of ready Danish texts as HTML: `heading` names the row headers, `numeric` columns stand to the right.

    The first column holds the row headers. Text is escaped. Rows whose header is in `strong` are marked as sums.
    """
    columns, lines = frame.columns[1:].tolist(), frame.itertuples(index=False, name=None)
    facts = {"heading": heading, "columns": columns, "numeric": numeric, "lines": lines, "strong": strong}
    return markup("texts", identifier=identifier, **facts)


def with_danish_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Key-figure rows with Danish names of columns, those of key figures first; what is true or false is ja or nej."""
    first = [column for column in labels().columns.key_figures if column in rows.columns]
    others = [column for column in rows.columns if column not in (*first, MEASURE, SINCE)]
    table = rows[[*first, *others]].rename(columns=labels().all_columns)
    return table.assign(**{column: table[column].map(TRUTH) for column in table.select_dtypes(include="bool")})


def spreadsheet_csv(rows: pd.DataFrame) -> bytes:
    """Key-figure rows as a CSV that a Danish spreadsheet opens: semicolon, decimal comma, UTF-8 with BOM.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    table = with_danish_names(rows)
    for column in table.select_dtypes(include=["object", "str", "category"]):
        table[column] = table[column].map(_harmless)
    return table.to_csv(sep=";", decimal=",", index=False, lineterminator="\n").encode("utf-8-sig")


def coded(rows: pd.DataFrame) -> bytes:
    """The rows behind an output as Parquet for other programs: codes, and of key figures how each was made.

    `measure` is level where a row is a key figure as it stands; `since` is the year that it is measured from.
    """
    table = rows.reset_index(drop=True)
    if "indicator" in table.columns:
        level, nowhere = pd.Series(LEVEL, table.index, dtype="str"), pd.Series(pd.NA, table.index, dtype="Int64")
        made = table.get(MEASURE, level).astype("str").fillna(LEVEL)
        table = table.assign(measure=made, since=table.get(SINCE, nowhere).astype("Int64"))
    # A column of the analyst's own may hold anything.
    mixed = table.select_dtypes(include="object", exclude="str").columns
    return table.astype(dict.fromkeys(mixed, "str")).to_parquet(index=False)


def read_coded(folder: Path, output: str) -> pd.DataFrame:
    """The coded rows of an output of the report in a folder; none where it has none. Errors: another kind of file."""
    path = folder / "data" / f"{output}.parquet"
    try:
        return pd.read_parquet(path) if path.is_file() else pd.DataFrame()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not of the report: {error}; run `noegletal report` again") from error


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_START) else cell


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


def figure_rows(data: pd.DataFrame, *, label: str, download: str) -> Markup:
    """A folded table of the rows of a figure; `label` names the figure, `download` is the path of its CSV.

    Requires indicator and value; without unit or status they are those of the indicator and of final figures. Years
    stand side by side when a row has nothing else that varies.
    """
    data = _complete(data)
    headings, naming, lines = Layout([], 0, []) if data.empty else layout(data)
    return markup(
        "numbers", label=label, caption=_caption(data), headings=headings, naming=naming, lines=lines[:SHOWN],
        whole=number(len(lines)) if len(lines) > SHOWN else "", download=download,
        provisional=(data["status"] == PROVISIONAL).any(),
    )  # fmt: skip


def _complete(data: pd.DataFrame) -> pd.DataFrame:
    units = [catalogue().indicators[name].unit for name in data["indicator"]]
    absent = {"unit": units, "status": FINAL}
    return data.assign(**{name: value for name, value in absent.items() if name not in data.columns})


def layout(data: pd.DataFrame) -> Layout:
    """The rows of a figure as texts, all of them, in their order."""
    data = _complete(data)
    columns = {name: data[name].tolist() for name in data.columns}
    naming = _naming(columns, len(data))
    marks = [" *" if status == PROVISIONAL else "" for status in columns["status"]]
    values = list(map(str.__add__, _numbers(columns, "value"), marks))
    numbers = [name for name in NUMBERS if name in columns]
    if "year" in naming and not numbers:
        wide = _years_side_by_side(columns, naming, values)
        if wide:
            return wide
    unit = " og ".join(labels().unit_names.get(unit, unit) for unit in dict.fromkeys(columns["unit"]))
    headings = [*map(heading, naming), unit[:1].upper() + unit[1:], *map(heading, numbers)]
    texts = [[_text(name, value) for value in columns[name]] for name in naming]
    beside = [_numbers(columns, name) for name in numbers]
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
    words = "nøgletal" if column == "indicator" else labels().all_columns[column].replace("_", " ")
    return words[:1].upper() + words[1:]


def decimals(indicator: str, unit: str) -> int:
    """How many decimals a figure is shown with: those of its indicator, or of what is computed from it."""
    entry = catalogue().indicators[indicator]
    return entry.decimals if unit == entry.unit else DECIMALS.get(unit, 0)


def _numbers(columns: dict[str, list], name: str) -> list[str]:
    own = NUMBERS.get(name)
    rows = zip(columns["indicator"], columns["unit"], columns[name], columns["status"], strict=True)
    return [
        number(value, decimals(indicator, unit) if own is None else own, status)
        for indicator, unit, value, status in rows
    ]


def _text(name: str, value: object) -> str:
    if name == "indicator":
        return catalogue().indicators[value].name
    if name == "date":
        year, month, day = str(value)[:10].split("-")
        return f"{day}.{month}.{year}"
    if name == "period":
        return period(str(value))
    return str(value)


def _caption(data: pd.DataFrame) -> str:
    """What is the same in all the rows: the key figures, their unit, and the area where there is one."""
    indicators, units = list(dict.fromkeys(data["indicator"])), list(dict.fromkeys(data["unit"]))
    names = listed([catalogue().indicators[name].name for name in indicators])
    if any(catalogue().indicators[name].unit not in units for name in indicators):
        names = f"Beregnet af {names[:1].lower()}{names[1:]}"
    units = listed([labels().unit_names.get(unit, unit) for unit in units])
    areas = list(dict.fromkeys(data["area"])) if "area" in data.columns else []
    return ", ".join([names, units, *(areas if len(areas) == 1 else [])])
