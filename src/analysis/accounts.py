"""The account plan: which category a function and grouping belongs to, and how categories add up."""

from functools import lru_cache

import pandas as pd

from analysis.declared import read_rows
from analysis.edition import reference_folder

STANDARD = "standard"
TOTAL = "i_alt"
OUTSIDE = "uden_for_afgraensning"
ALL_GROUPS = "alle"
CATEGORY_COLUMNS = ("population_group", "category", "parent", "label", "colour", "used_for")


@lru_cache
def categories() -> pd.DataFrame:
    """Categories with their sums and names, from `data/reference/categories.csv`.

    Columns: population_group, category, parent (the category it is part of, or empty), label, colour, used_for
    (expenditure, notifications, population, diagnosis). The row order is the order in tables and legends.
    """
    return pd.DataFrame(read_rows(reference_folder() / "categories.csv", CATEGORY_COLUMNS), dtype=str)


@lru_cache
def labels() -> dict[tuple[str, str], str]:
    """Danish name by population group and category, in the order of categories.csv."""
    table = categories()
    return dict(zip(zip(table["population_group"], table["category"], strict=True), table["label"], strict=True))


def children(population_group: str, category: str) -> list[str]:
    """The categories that a category is the sum of, in table order."""
    table = categories()
    return table.loc[
        (table["population_group"] == population_group) & (table["parent"] == category), "category"
    ].tolist()


def label(population_group: str, category: str) -> str:
    """The Danish name of a category."""
    return labels()[population_group, category]
