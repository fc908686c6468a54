"""Fixed prices: the municipal price and wage index and what rests on it."""

import re

import pandas as pd

from analysis.declared import read_rows
from analysis.edition import Edition, reference_folder
from analysis.errors import DeclaredError

YEAR, VALUE = re.compile(r"\d{4}"), re.compile(r"(?!0+(\.0*)?$)\d+(\.\d+)?")
COLUMNS = ("index", "year", "value", "status", "source", "reason")
STATUS_NAMES = {"assumed": "antaget", "published": "offentliggjort"}


def price_index() -> pd.DataFrame:
    """Index values by year with their status and reason, from `data/reference/price_index.csv`.

    Columns: index, year, value, status (published, assumed), source, reason. Errors name the line: a year, a value or
    a status that is none, and a year that stands twice.
    """
    rows = read_rows(reference_folder() / "price_index.csv", COLUMNS)
    for line, row in enumerate(rows, 2):
        if not YEAR.fullmatch(row["year"]) or not VALUE.fullmatch(row["value"]) or row["status"] not in STATUS_NAMES:
            raise DeclaredError(
                f"price_index.csv line {line}: year {row['year']!r}, value {row['value']!r} and status "
                f"{row['status']!r} must be a year, a positive number with a decimal point and one of "
                f"{', '.join(STATUS_NAMES)}"
            )
    table = pd.DataFrame(rows, dtype=str).astype({"year": int, "value": float})
    repeated = table[table.duplicated(["index", "year"])]
    if len(repeated):
        raise DeclaredError(f"price_index.csv: {repeated.iloc[0]['index']} {repeated.iloc[0]['year']} stands twice")
    return table


def deflators(edition: Edition, index: pd.DataFrame | None = None) -> pd.Series:
    """Factor by year that turns current prices into the price level of the edition.

    `index`: the rows that a build used, by default those declared. Errors: a year of the period, or the price level
    itself, that the index lacks is named.
    """
    table, name = price_index() if index is None else index, edition.price_index
    values = _values(table[table["index"] == name], name, {*edition.period.all, edition.price_level})
    return (values[edition.price_level] / values).rename("deflator")


def index_factor(index: pd.DataFrame, from_year: int, to_year: int) -> float:
    """Factor that turns kroner of one year into those of another by the rows of an index; errors as for `deflators`."""
    values = _values(index, "".join(index["index"].unique()), {from_year, to_year})
    return float(values[to_year] / values[from_year])


def _values(index: pd.DataFrame, name: str, needed: set[int]) -> pd.Series:
    """Values of an index by year, all there are, once the years needed are among them."""
    values = index.set_index("year")["value"]
    if absent := sorted(needed - set(values.index)):
        raise DeclaredError(f"price_index.csv: index {name!r} lacks {', '.join(map(str, absent))}; add a row for it")
    return values
