"""The account plan of a new report year beside the last one: what a person must decide on, and a proposal."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import pandas as pd

from analysis import accounts, areas
from analysis.declared import SEPARATORS, text_of
from analysis.edition import Edition, reference_folder
from analysis.errors import InputError
from noegletal import account_rules
from noegletal.facts import expenditure
from noegletal.sources.sidecar import stored_labels
from noegletal.sources.snapshot import TIME, raw_files, table_shapes

FILE = "accounts.csv"
FUNCTIONS, GROUPINGS = "FUNKTION", "GRUPPERING"
# How much alike two labels are, from 0 to 1, before the category of one is proposed for the other.
ALIKE = 0.6
ACCOUNT = ["function", "grouping"]


@dataclass(frozen=True)
class Change:
    """A grouping that is not what it was the year before, or with no grouping a function that is called otherwise.

    `label`, `before`: what the source calls it now and called it then; empty where it gives no text. `amount`,
    `amount_home`: net kr. of the year it was last there, of all municipalities and of those of the edition's home
    area. `category`, `why`: the proposal. `row`: the line to add to accounts.csv; none where a rule holds already.
    """

    kind: Literal["new", "vanished", "renamed"]
    function: str
    grouping: str
    label: str
    before: str
    amount: float
    amount_home: float
    category: str
    why: str
    row: dict[str, str] | None


def reviewed(plan: Edition, earlier: Edition, raw: Path, earlier_raw: Path) -> list[Change]:
    """The groupings of the listed functions that are new, gone or called otherwise in the last year of an edition.

    After them the listed functions that are called otherwise: of those only somebody who knows says what it means.

    Compared with the last year of the earlier edition, both as the new raw table has them, by codes; by names where
    the sidecars of both raw folders keep those of the source. A function of which one rule takes every grouping needs
    no decision and is left out. Nothing is adopted. Errors: the raw table is not there, or lacks one of the years.
    """
    table = expenditure.lineage().table
    if not raw.is_dir() or not raw_files(raw, table):
        raise InputError(f"{raw} has no {table} yet: `noegletal fetch --edition {plan.name}` first, then review")
    year, last = plan.period.last, earlier.period.last
    now, then = (_amounts(raw, plan, of_year) for of_year in (year, last))
    rules = account_rules.rules_of_year(year)
    whole = set(rules.loc[rules["grouping"] == account_rules.ANY_GROUPING, "function"])
    names, names_then = (names_of_source(folder, GROUPINGS) for folder in (raw, earlier_raw))
    ruled = set(rules[ACCOUNT].itertuples(index=False, name=None))
    changes = []
    for function, grouping in sorted({*now.index, *then.index}):
        called, before = names.get(grouping, ""), names_then.get(grouping, "")
        kind = _kind((function, grouping), now, then, ruled, bool(called and before and called != before))
        if function in whole or not kind:
            continue
        sums = (then if kind == "vanished" else now).loc[(function, grouping)]
        category, why = _proposal(function, grouping, called, year)
        known = (function, grouping) in ruled
        row = None
        if kind == "renamed" or (kind == "new" and not known):
            row = _row(function, grouping, category, called, year, why)
        changes.append(Change(kind, function, grouping, called, before, sums["all"], sums["home"], category, why, row))
    order = ("new", "renamed", "vanished")
    changes.sort(key=lambda change: (order.index(change.kind), -abs(change.amount)))
    return [*changes, *_renamed_functions(now, raw, earlier_raw)]


def _renamed_functions(now: pd.DataFrame, raw: Path, earlier_raw: Path) -> Iterator[Change]:
    names, before = (names_of_source(folder, FUNCTIONS) for folder in (raw, earlier_raw))
    for function, sums in now.groupby("function")[["all", "home"]].sum().iterrows():
        called, then = names.get(function, ""), before.get(function, "")
        if called and then and called != then:
            why = "kun navnet er nyt: se, om indholdet er det samme"
            yield Change("renamed", function, "", called, then, sums["all"], sums["home"], "", why, None)


def names_of_source(raw: Path, variable: str) -> dict[str, str]:
    """What the source calls each code of a variable, without it in front; a name that says no more than it is none.

    By codes as accounts.csv has them, which StatBank writes without zeros. Empty where the table was not fetched.
    """
    table = expenditure.lineage().table
    # StatBank writes 3 where this project has 003.
    width = table_shapes()[table].padding.get(variable, 0)
    labels = {code.zfill(width): text for code, text in stored_labels(raw, table).get(variable, {}).items()}
    # And 5.28.21 where it has 52821.
    texts = {
        code: re.sub(rf"^0*{'[.]?'.join(map(re.escape, code.lstrip('0')))}\b[\s.:-]*", "", text)
        for code, text in labels.items()
    }
    return {code: text.strip() for code, text in texts.items() if re.search(r"[^\W\d_]", text)}


def lines(changes: Iterable[Change]) -> str:
    """The proposed rows as lines of accounts.csv, in its columns and with its separator."""
    header = text_of(reference_folder() / FILE).partition("\n")[0].strip()
    separator = max(SEPARATORS, key=header.count)
    text = io.StringIO()
    writer = csv.DictWriter(text, header.split(separator), delimiter=separator, restval="", lineterminator="\n")
    writer.writerows(change.row for change in changes if change.row)
    return text.getvalue()


def _amounts(raw: Path, plan: Edition, year: int) -> pd.DataFrame:
    """Net kroner of a year by function and grouping: `all` municipalities, and those of the `home` area."""
    source = expenditure.lineage()
    rows = source.read(raw, plan, periods=[str(year)])
    if rows.empty:
        raise InputError(f"{source.table} in {raw} has no {year}, which the review compares: {TIME} must hold it")
    values = source.values(rows)
    values = values[values["area_code"].isin(areas.municipalities())]
    home = values["value"].where(values["area_code"].isin(areas.members(plan.home_area)), 0.0)
    return values.assign(all=values["value"], home=home).groupby(ACCOUNT)[["all", "home"]].sum()


def _kind(
    account: tuple[str, str], now: pd.DataFrame, then: pd.DataFrame, ruled: set[tuple[str, str]], renamed: bool
) -> Literal["new", "vanished", "renamed", ""]:
    if account not in now.index:
        return "vanished"
    if account not in then.index or account not in ruled:
        return "new"
    return "renamed" if renamed else ""


def _proposal(function: str, grouping: str, called: str, year: int) -> tuple[str, str]:
    """The category of the rule that a grouping has or had, else of the most similar label, else outside; and why."""
    rules = account_rules.account_rules()
    rules = rules[(rules["function"] == function) & (rules["variant"] == "")]
    own = rules[rules["grouping"] == grouping].sort_values("valid_from")
    if len(own):
        return own.iloc[-1]["category"], f"som i linje {own.iloc[-1]['line']}"
    folded = {label.casefold(): place for place, label in rules["label"].items() if label}
    for near in get_close_matches(called.casefold(), folded, n=1, cutoff=ALIKE):
        rule = rules.loc[folded[near]]
        return rule["category"], f"navnet ligner {rule['label']} i linje {rule['line']}"
    return accounts.OUTSIDE, "intet navn at gå efter" if not called else "intet navn ligner"


def _row(function: str, grouping: str, category: str, called: str, year: int, why: str) -> dict[str, str]:
    rules = account_rules.account_rules()
    return {
        "function": function,
        "grouping": grouping,
        "population_group": rules.loc[rules["function"] == function, "population_group"].iloc[0],
        "category": category,
        "valid_from": str(year),
        "label": called,
        "source": f"{expenditure.lineage().table} {year}",
        "note": f"Forslag, der skal tages stilling til: {why}",
    }


def closed_first(changes: Iterable[Change], year: int) -> Iterator[str]:
    """Which rules in force in a year have to be closed by hand: those of what is gone or called otherwise."""
    rules = account_rules.rules_of_year(year)
    for change in changes:
        held = rules[(rules["function"] == change.function) & (rules["grouping"] == change.grouping)]
        if change.kind != "new" and len(held):
            numbers = ", ".join(map(str, held["line"]))
            yield f"{FILE} line {numbers} ({change.kind}): close it with valid_to {year - 1} if it is another account"
