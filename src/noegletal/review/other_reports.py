"""Numbers of other printed reports beside ours: those that share a definition, and those that do not, with why."""

import re
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis import accounts, areas
from analysis.danish import rounded
from analysis.edition import FACTS, KEY_FIGURES, Edition
from analysis.errors import InputError
from analysis.prices import index_factor
from analysis.rows import weakest
from noegletal.figures.printed import declarations, printed_elsewhere

# A figure is terms of key figures by indicator and category, added and subtracted.
TERM = re.compile(r"([+-]?)\s*(\w+)/([\w+-]+)\s*")
PRICES = re.compile(r"(\d{4})-pl")
MONEY = ("mia_kr", "mio_kr", "kr")
# What a printed unit is of the same figure as it is computed.
SCALES = {"mia_kr": 1e9, "mio_kr": 1e6, "kr": 1.0, "antal": 1.0, "pct": 0.01, "per_1000": 0.001}


class OtherComparison(BaseModel):
    """A number of another printed report and ours; `computed` is None where the edition lacks what it needs."""

    model_config = ConfigDict(frozen=True)

    id: str
    role: Literal["anchor", "other_definition"]
    printed: float
    computed: float | None
    agrees: bool
    origin: str


def other_comparisons(edition: Edition, processed: Path) -> list[OtherComparison]:
    """Every number of the other printed reports that the edition names, against the key figures in `processed`."""
    printed = printed_elsewhere(edition)
    if printed.empty:
        return []
    table = pd.read_parquet(processed / KEY_FIGURES)
    table = table[table["variant"] == accounts.STANDARD]
    index = pd.read_parquet(processed / FACTS / "price_index.parquet")
    return [_compared(row, edition.price_level, index, table) for _, row in printed.iterrows()]


def _compared(row: pd.Series, price_level: int, index: pd.DataFrame, table: pd.DataFrame) -> OtherComparison:
    decimals, printed = int(row["decimals_printed"]), float(row["value"])
    used: list[pd.Series] = []
    value = _figure(row, table, used)
    if prices := PRICES.fullmatch(row["price_level"]) if row["unit"] in MONEY else None:
        value *= index_factor(index, price_level, int(prices[1]))
    computed = None if pd.isna(value) else float(value) / SCALES[row["unit"]]
    return OtherComparison(
        id=row["id"],
        role=row["role"],
        printed=printed,
        computed=computed,
        agrees=computed is not None and rounded(computed, decimals) == rounded(printed, decimals),
        origin=weakest([part["origin"] for part in used]) if used else "",
    )


def _figure(row: pd.Series, table: pd.DataFrame, used: list[pd.Series]) -> float:
    """The figure a row prints: of its year in our prices, as a growth, or over the country's; NaN where it cannot."""
    area, measure = areas.find_area(row["area"]), row["measure"]
    first, last = int(row["period_start"]), int(row["period_end"])

    def at(code: str, year: int) -> float:
        rows = table[(table["area_code"] == code) & (table["year"] == year)]
        below = _sum(row, "below", rows, used) if row["below"] else 1.0
        return _over(_sum(row, "above", rows, used), below)

    if measure.endswith("growth"):
        return _over(at(area, last), at(area, first)) - 1
    if measure.endswith("_vs_national"):
        return _over(at(area, last), at(areas.COUNTRY, last)) - 1
    return at(area, last)


def _over(above: float, below: float) -> float:
    return above / below if below else float("nan")


def _sum(row: pd.Series, column: str, rows: pd.DataFrame, used: list[pd.Series]) -> float:
    """The terms of a column added up; errors name the row and what is no sum of terms."""
    if TERM.sub("", row[column]):
        raise InputError(f"{row['id']}: {column} {row[column]!r} is not a sum of indicator/category")
    group, _ = declarations().group(row["population_group"])
    total = 0.0
    for sign, indicator, category in TERM.findall(row[column]):
        found = rows[(rows["indicator"] == indicator) & (rows["category"] == category)]
        # Both groups together have no categories of their own.
        own = found[found["population_group"] == group]
        chosen = own if len(own) else found
        if len(chosen) != 1:
            return float("nan")
        used.append(chosen.iloc[0])
        total += float(chosen["value"].iloc[0]) * (-1 if sign == "-" else 1)
    return total
