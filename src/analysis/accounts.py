"""The account plan: which category a function and grouping belongs to, and how categories add up."""

from collections.abc import Sequence
from functools import lru_cache

import pandas as pd

from analysis.declared import read_rows
from analysis.edition import reference_folder
from analysis.errors import InputError

STANDARD = "standard"
TOTAL = "i_alt"
OUTSIDE = "uden_for_afgraensning"
ALL_GROUPS = "alle"
ANY_GROUPING = "*"
CATEGORY_COLUMNS = ("population_group", "category", "parent", "label", "colour", "used_for")
RULE_COLUMNS = (
    "function", "grouping", "population_group", "category", "variant", "valid_from", "valid_to", "law", "label",
    "source", "note",
)  # fmt: skip


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


@lru_cache
def account_rules() -> pd.DataFrame:
    """The rules of `data/reference/accounts.csv`, one row per function, grouping, category and variant.

    Columns: function, grouping (`*` is every grouping), population_group, category, variant (empty: counted in
    every variant; a name: counted once more in that variant only), valid_from, valid_to (years or empty), law,
    label, source, note, line. What stands in a row is held by `noegletal.figures.reference`.
    """
    rules = pd.DataFrame(read_rows(reference_folder() / "accounts.csv", RULE_COLUMNS), dtype=str)
    return rules.assign(line=rules.index + 2)


@lru_cache
def rules_of_year(year: int) -> pd.DataFrame:
    """The rules in force in a year; a function and grouping in two categories of the standard reading is an error."""
    rules = account_rules()
    begun = (rules["valid_from"] == "") | (rules["valid_from"].replace("", "0").astype(int) <= year)
    ongoing = (rules["valid_to"] == "") | (rules["valid_to"].replace("", "9999").astype(int) >= year)
    valid = rules[begun & ongoing]
    standard = valid[valid["variant"] == ""]
    for function, rows in standard.groupby("function"):
        repeated = rows[rows.duplicated("grouping", keep=False)]
        if ANY_GROUPING in set(rows["grouping"]) and len(rows) > 1:
            repeated = rows
        if len(repeated):
            lines = ", ".join(map(str, repeated["line"].tolist()[:2]))
            raise InputError(
                f"accounts.csv lines {lines}: function {function} grouping {repeated.iloc[0]['grouping']} "
                f"belongs to more than one category in {year}",
                rule="KONT-01",
            )
    return valid


def of_other_years(years: Sequence[int]) -> set[str]:
    """The categories of accounts that no rule of these years has: they begin later, or have ended."""
    return set(account_rules()["category"]).difference(*(rules_of_year(year)["category"] for year in years))


def variants() -> list[str]:
    """The readings of the account plan: the standard one and those that accounts.csv names."""
    return [STANDARD, *sorted(set(account_rules()["variant"]) - {""})]


def functions() -> set[str]:
    """Every function that the report draws on."""
    return set(account_rules()["function"])


def functions_of(category: str) -> set[str]:
    """The functions that hold accounts of a category or of its parts."""
    tree, rules = categories(), account_rules()
    parts = {category, *tree.loc[tree["parent"] == category, "category"]}
    return set(rules.loc[rules["category"].isin(parts), "function"])


def printed_number(function: str) -> str:
    """A function the way the account plan prints it: 52821 becomes 5.28.21."""
    return f"{function[0]}.{function[1:3]}.{function[3:]}"


def siblings(population_group: str, category: str) -> list[str]:
    """The categories that share a parent with a category, itself included, in table order."""
    table = categories()
    table = table[table["population_group"] == population_group]
    parent = table.loc[table["category"] == category, "parent"].item()
    return table.loc[table["parent"] == parent, "category"].tolist()


def children(population_group: str, category: str) -> list[str]:
    """The categories that a category is the sum of, in table order."""
    table = categories()
    return table.loc[
        (table["population_group"] == population_group) & (table["parent"] == category), "category"
    ].tolist()


def label(population_group: str, category: str) -> str:
    """The Danish name of a category."""
    return labels()[population_group, category]
