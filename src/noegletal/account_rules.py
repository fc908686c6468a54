"""The rules of accounts.csv: which category a function and grouping belongs to in a year, and what functions hold."""

from functools import lru_cache

import pandas as pd

from analysis import accounts
from analysis.declared import read_rows
from analysis.edition import reference_folder
from analysis.errors import InputError

ANY_GROUPING = "*"
RULE_COLUMNS = (
    "function", "grouping", "population_group", "category", "variant", "valid_from", "valid_to", "law", "label",
    "source", "note",
)  # fmt: skip


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


def functions_of(category: str) -> set[str]:
    """The functions that hold accounts of a category or of its parts."""
    tree, rules = accounts.categories(), account_rules()
    parts = {category, *tree.loc[tree["parent"] == category, "category"]}
    return set(rules.loc[rules["category"].isin(parts), "function"])


def printed_number(function: str) -> str:
    """A function the way the account plan prints it: 52821 becomes 5.28.21."""
    return f"{function[0]}.{function[1:3]}.{function[3:]}"


def siblings(population_group: str, category: str) -> list[str]:
    """The categories that share a parent with a category, itself included, in table order."""
    table = accounts.categories()
    table = table[table["population_group"] == population_group]
    parent = table.loc[table["category"] == category, "parent"].item()
    return table.loc[table["parent"] == parent, "category"].tolist()


def variants() -> list[str]:
    """The readings of the account plan: the standard one and those that accounts.csv names."""
    return [accounts.STANDARD, *sorted(set(account_rules()["variant"]) - {""})]


def functions() -> set[str]:
    """Every function that the report draws on."""
    return set(account_rules()["function"])
