"""Fixed prices: the municipal price and wage index and what rests on it."""

import pandas as pd

from analysis.edition import Edition, reference_folder
from analysis.errors import InputError


def price_index() -> pd.DataFrame:
    """Index values by year with their status and reason, from `data/reference/price_index.csv`.

    Columns: index, year, value, status (published, assumed), source, reason.
    """
    table = pd.read_csv(reference_folder() / "price_index.csv", dtype={"index": str, "year": int, "value": float})
    repeated = table[table.duplicated(["index", "year"])]
    if len(repeated):
        raise InputError(f"price_index.csv: {repeated.iloc[0]['index']} {repeated.iloc[0]['year']} stands twice")
    return table


def deflators(edition: Edition) -> pd.Series:
    """Factor by year that turns current prices into the price level of the edition.

    Errors: a year of the period, or the price level itself, that the index lacks is named.
    """
    values = _values(edition.price_index, {*edition.period.all, edition.price_level})
    return (values[edition.price_level] / values).rename("deflator")


def index_factor(index: str, from_year: int, to_year: int) -> float:
    """Factor that turns kroner of one year into kroner of another; errors as for `deflators`."""
    values = _values(index, {from_year, to_year})
    return float(values[to_year] / values[from_year])


def _values(index: str, needed: set[int]) -> pd.Series:
    """Values of an index by year, all there are, once the years needed are among them."""
    table = price_index()
    values = table[table["index"] == index].set_index("year")["value"]
    absent = sorted(needed - set(values.index))
    if absent:
        raise InputError(f"price_index.csv: index {index!r} lacks {', '.join(map(str, absent))}")
    return values
