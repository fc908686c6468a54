"""Tables for readers: Danish text in accessible HTML, and the same figures as CSV for spreadsheets."""

import re
from collections.abc import Sequence

import great_tables as gt
import pandas as pd

from analysis import accounts, areas
from analysis.danish import MoneyUnit, number

CSV_LABELS = {
    "indicator": "indikator",
    "area_code": "områdekode",
    "area": "område",
    "population_group": "gruppe",
    "category": "kategorikode",
    "label": "kategori",
    "year": "år",
    "variant": "variant",
    "value": "værdi",
    "unit": "enhed",
    "status": "status",
    "origin": "oprindelse",
    "note": "note",
}
FORMULA_START = ("=", "+", "-", "@", "\t", "\r")


def with_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Key-figure rows with the Danish names of their area (`area`) and category (`label`)."""
    labels = accounts.categories()[["population_group", "category", "label"]]
    named = rows.merge(labels, on=["population_group", "category"], how="left")
    named["label"] = named["label"].fillna(named["category"])
    named["area"] = named["area_code"].map(areas.names())
    return named


def two_years(rows: pd.DataFrame, growth: pd.DataFrame, years: tuple[int, int], unit: MoneyUnit) -> pd.DataFrame:
    """Key-figure rows of two years and their growth as Danish texts: label, a column a year, `Ændring, pct.`.

    The rows stand in the order of categories.csv.
    """
    order = accounts.categories()[["population_group", "category", "label"]]
    wide = rows.pivot(index=["population_group", "category"], columns="year", values=["value", "status"])
    change = growth.set_index(["population_group", "category"])
    lines = []
    for row in order.itertuples():
        key = (row.population_group, row.category)
        if key not in wide.index:
            continue
        cells = {
            str(year): number(
                wide.loc[key, ("value", year)] / unit.divisor, unit.decimals, wide.loc[key, ("status", year)]
            )
            for year in years
        }
        change_text = number(change.loc[key, "value"], 0, change.loc[key, "status"])
        lines.append({"Indsats": row.label} | cells | {"Ændring, pct.": change_text})
    return pd.DataFrame(lines)


def html(
    frame: pd.DataFrame, *, identifier: str, heading: str, numeric: Sequence[str], strong: Sequence[str] = ()
) -> str:
    """A table of ready Danish texts as HTML: `heading` names the row headers, `numeric` columns stand to the right.

    Text is escaped. Rows whose header is in `strong` are marked as sums.
    """
    header = frame.columns[0]
    table = gt.GT(frame, rowname_col=header, id=identifier).tab_stubhead(label=heading)
    table = table.cols_align("right", columns=list(numeric)).cols_align(
        "left", columns=[column for column in frame.columns[1:] if column not in numeric]
    )
    markup = table.as_raw_html()
    # The page's own style sheet dresses every table alike, on screen, on paper and in the dark.
    markup = re.sub(r"<style>.*?</style>", "", markup, flags=re.DOTALL)
    for row, name in enumerate(frame[header], start=1):
        if name in strong:
            markup = re.sub(rf'<tr>(\s*<th scope="row" id="{identifier}-stub-{row}")', r'<tr class="sum">\1', markup)
    return f'<div class="table-scroll" tabindex="0" role="region" aria-label="{identifier}">{markup}</div>'


def spreadsheet_csv(rows: pd.DataFrame) -> bytes:
    """Key-figure rows as a CSV that a Danish spreadsheet opens: semicolon, decimal comma, UTF-8 with BOM.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    columns = [column for column in CSV_LABELS if column in rows.columns]
    columns += [column for column in rows.columns if column not in CSV_LABELS]
    table = rows[columns].rename(columns=CSV_LABELS)
    for column in table.select_dtypes(include=["object", "str", "category"]):
        table[column] = table[column].map(_harmless)
    return table.to_csv(sep=";", decimal=",", index=False, lineterminator="\n").encode("utf-8-sig")


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_START) else cell
