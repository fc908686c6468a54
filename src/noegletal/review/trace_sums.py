"""What each area contributes to a sum: its accounts, its persons, and what a table counts in it."""

import math
from functools import lru_cache

import numpy as np

from analysis import accounts, areas, danish
from analysis.catalogue import Amount, CountedTable, catalogue
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.prices import deflators, price_index
from noegletal.facts import population
from noegletal.facts.expenditure import THOUSAND
from noegletal.review.trace_evidence import Evidence, Question
from noegletal.review.trace_steps import (
    NO_ROWS,
    NOT_DELIVERED,
    PERSON_ROWS,
    Operand,
    Place,
    Step,
    category_code,
    category_name,
    contribution,
)
from noegletal.sources.snapshot import table_shapes

THOUSANDS, FACTOR = "t.kr.", ""


def amounts(
    evidence: Evidence, question: Question, name: str, only: frozenset[str] | None = None, variant: str = ""
) -> Operand:
    """Accounts of the municipalities; `only` limits them to some functions."""
    variant = variant or question.variant
    parts = {}
    for member in areas.members(question.area_code):
        key = ("amount", variant, only, question.population_group, question.category, question.year, member)
        step = evidence.once(key, lambda member=member: _amount(evidence, question, variant, only, member))
        parts[member] = contribution(evidence, question, name, member, step)
    fixed = catalogue().indicators[name].prices == "fixed"
    return Operand(
        text=catalogue().indicators[_current_amount()].name,
        unit="kr",
        names=(question.indicator, name),
        parts=parts,
        factor=evidence.once(("deflator", question.year), lambda: _deflator(evidence.edition, question.year))
        if fixed
        else None,
        fixed_text=catalogue().indicators[name].name if fixed else "",
    )


def _amount(evidence: Evidence, question: Question, variant: str, only: frozenset[str] | None, member: str) -> Step:
    """The accounts of a municipality in a category: its rows, or the categories that it is the sum of."""
    group, category, name = question.population_group, question.category, areas.name(member)
    leaves = _leaves(group, category)
    steps = [
        step for leaf in leaves if (step := _accounts(evidence, question, leaf, _read_as(variant, *leaf), only, member))
    ]
    if not evidence.accounts(question, variant, only).counts(member, question.year):
        return Step(name, math.nan, "kr", note=NOT_DELIVERED, steps=tuple(steps))
    if not steps:
        return Step(name, 0.0, "kr", note=NO_ROWS)
    if len(leaves) == 1:
        return steps[0]._replace(text=name)
    value = float(np.sum([step.value for step in steps]))
    place = Place(member, *_named_amount(group, category, variant, only), str(question.year))
    return Step(name, value, "kr", "summen af kategorierne", steps=tuple(steps), place=place)


def _accounts(
    evidence: Evidence,
    question: Question,
    leaf: tuple[str, str],
    variant: str,
    only: frozenset[str] | None,
    member: str,
) -> Step | None:
    """The accounts of a municipality in a category that is not a sum of others; none without rows."""
    rows = evidence.accounts(question, variant, only).rows(member, question.year, leaf)
    if rows is None:
        return None
    how = "summen af rækkerne × 1.000" if rows.counted else ""
    place = Place(member, *_named_amount(*leaf, variant, only), str(question.year))
    return Step(category_name(*leaf), rows.value * THOUSAND, "kr", how, rows=rows, row_unit=THOUSANDS, place=place)


@lru_cache
def _read_as(variant: str, group: str, category: str) -> str:
    """The variant, or the standard reading where that has the same accounts in the category."""
    rules = accounts.account_rules()
    changed = set(rules.loc[(rules["variant"] == variant) & (rules["population_group"] == group), "category"])
    return variant if category in changed | {accounts.OUTSIDE} else accounts.STANDARD


@lru_cache
def _named_amount(group: str, category: str, variant: str, only: frozenset[str] | None) -> tuple[str, str]:
    """The code and heading of accounts of a category, as read in a variant and limited to some functions."""
    functions = sorted(only or ())
    words = [f"variant {variant}"] if variant != accounts.STANDARD else []
    words += [f"kun {danish.listed([accounts.printed_number(function) for function in functions])}"] if only else []
    heading = f"{catalogue().indicators[_current_amount()].name}: {category_name(group, category)}"
    marks = [*([variant] if variant != accounts.STANDARD else []), *functions]
    return "-".join((category_code(group, category), *marks)), heading + (f" ({'; '.join(words)})" if words else "")


@lru_cache
def _current_amount() -> str:
    kinds = catalogue().indicators.items()
    return next(name for name, entry in kinds if isinstance(entry, Amount) and entry.prices == "current")


def _deflator(edition: Edition, year: int) -> Step:
    """The factor to the price level of the edition, with the index values it is made of and what they rest on."""
    index = price_index()
    used = index[(index["index"] == edition.price_index) & index["year"].isin([year, edition.price_level])]
    stands = {"assumed": "antaget", "published": "offentliggjort"}
    values = [f"{row.year} = {danish.number(row.value, 6)} ({stands[row.status]})" for row in used.itertuples()]
    return Step(
        text=f"Omregning fra {year}-priser til {edition.price_level}-priser",
        value=float(deflators(edition)[year]),
        unit=FACTOR,
        how=f"indeks {edition.price_level} / indeks {year}",
        note=f"Indeks {edition.price_index} i price_index.csv: {'; '.join(values)}.",
        source="; ".join(dict.fromkeys(used["source"])),
    )


@lru_cache
def _leaves(group: str, category: str) -> tuple[tuple[str, str], ...]:
    """The population groups and categories of single accounts that a category is the sum of, in table order."""
    if group == accounts.ALL_GROUPS:
        groups = dict.fromkeys(accounts.categories()["population_group"])
        return tuple(leaf for other in groups if other != group for leaf in _leaves(other, category))
    parts = accounts.children(group, category)
    return tuple(leaf for part in parts for leaf in _leaves(group, part)) if parts else ((group, category),)


def persons(evidence: Evidence, question: Question, band: str, quarters: dict[str, str] | None = None) -> Operand:
    """Persons of an age band on 1 October, or by municipality in the quarter given."""
    october = f"{question.year}{population.OCTOBER}"
    wanted = dict.fromkeys(areas.members(question.area_code), october) if quarters is None else quarters
    spoken = "alle" if band == accounts.TOTAL else f"{band}-årige"
    inside: dict[str, list[str]] = {}
    for member, quarter in wanted.items():
        inside.setdefault(quarter, []).append(member)

    def counted(member: str, quarter: str) -> Step:
        rows = evidence.persons(band, inside[quarter], quarter).rows(quarter, member) if quarter else None
        if rows is None or not rows.counted:
            return Step(areas.name(member), math.nan, "antal", note=NOT_DELIVERED)
        place = Place(member, band, f"Folketal, {spoken}", quarter)
        return Step(areas.name(member), rows.value, "antal", "summen af rækkerne", rows=rows, place=place)

    parts = {}
    for member in areas.members(question.area_code):
        quarter = wanted.get(member, "")
        step = evidence.once(("persons", band, quarter, member), lambda key=(member, quarter): counted(*key))
        parts[member] = contribution(evidence, question, "population", member, step)
    when = danish.listed(sorted(set(wanted.values())))
    return Operand(
        text=f"Folketal, {spoken}, {when}", unit="antal", names=(question.indicator, "population"), parts=parts
    )


def counts(evidence: Evidence, question: Question, name: str) -> Operand:
    """Persons or services that a table counts, by municipality, or by region where it has no municipalities."""
    counted = _counted_table(name, question)
    regional = counted.level == "region"
    owners = {question.area_code: _region_of(question.area_code)} if regional else {}
    members = tuple(owners) if regional else areas.members(question.area_code)
    asked = [owners.get(member, member) for member in members]
    key = ("count", name, question.population_group, question.category, question.year)
    parts = {}
    for member, owner in zip(members, asked, strict=True):
        step = evidence.once(
            (*key, member),
            lambda member=member, owner=owner: _count(evidence, question, name, counted, member, owner, asked),
        )
        parts[member] = contribution(evidence, question, name, member, step)
    return Operand(
        text=catalogue().indicators[name].name,
        unit="antal",
        names=(question.indicator, name),
        parts=parts,
        regional=regional,
    )


def _count(
    evidence: Evidence, question: Question, name: str, counted: CountedTable, member: str, owner: str, asked: list[str]
) -> Step:
    """What a table counts of an area; `owner` is the area that its rows stand under, `asked` all that are read."""
    groups = evidence.counts(counted, question.category, asked, str(question.year))
    rows = groups.rows(str(question.year), owner, question.category)
    group, category, text = question.population_group, question.category, areas.name(member)
    place = Place(
        member,
        f"{name}-{category_code(group, category)}",
        f"{catalogue().indicators[name].name}: {category_name(group, category)}",
        str(question.year),
    )
    shown = None if evidence.edition.disclosure.sources.get(counted.table) == "persons" else rows
    if rows is None or not rows.counted:
        values = evidence.fact_values(name, ("area_code", "population_group", "category", "year"))
        value, how = values.get((member, group, category, question.year), math.nan), ""
        value, note = without_rows(counted.table, value)
    else:
        value, how, note = rows.value, "summen af rækkerne", "" if shown else PERSON_ROWS
    return Step(text, value, "antal", how, note, rows=shown, place=place if shown else None)


def _counted_table(name: str, question: Question) -> CountedTable:
    for counted in catalogue().indicators[name].counts:
        if counted.population_group == question.population_group and question.category in counted.categories:
            return counted
    raise InputError(f"{name!r} counts no {question.category!r} of {question.population_group!r}")


def _region_of(area_code: str) -> str:
    """The area whose own row a group of municipalities takes its figure from: itself, or the region it equals."""
    kinds = areas.area_table().set_index("area_code")["type"]
    if kinds[area_code] != "group":
        return area_code
    return next((region for region in areas.regions() if areas.members(region) == areas.members(area_code)), area_code)


def without_rows(table: str, fact: float) -> tuple[float, str]:
    """What a municipality without rows counts as: nothing known, or the value that the table leaves out."""
    if math.isnan(fact):
        return math.nan, NOT_DELIVERED
    return table_shapes()[table].suppressed_value, NO_ROWS
