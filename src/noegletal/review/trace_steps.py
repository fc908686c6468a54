"""What a chain consists of: steps with their words and places, and what of them may be shown.

The texts are Danish, because the same chain stands in the report.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from analysis import accounts, areas
from analysis.catalogue import catalogue
from noegletal.review.trace_evidence import Evidence, Question, Rows

PROTECTED = "Beskyttet: tallet bygger på få personer, så hverken tallet eller rækkerne bag det vises."
PARTLY_PROTECTED = "Rækkerne vises ikke, fordi et andet tal for samme område og år er beskyttet."
PERSON_ROWS = "Rækkerne vises ikke: leverancen holder personer."
NO_ROWS = "Ingen rækker: det, som kilden udelader, tæller som 0."
NOT_DELIVERED = "Ingen rækker: kilden har ingen tal for kommunen."
UNIT_NAMES = {"kr": "kr.", "kr_pr_indbygger": "kr. pr. indbygger", "antal": "", "pct": "pct.", "pr_1000": "pr. 1.000"}
GROUP_NAMES = {"boern_og_unge": "børn og unge", "voksne": "voksne", accounts.ALL_GROUPS: "børn og voksne"}


class Place(NamedTuple):
    """Which figure of an area a step is, whatever chain it stands in: a code for links, a heading and a period."""

    area_code: str
    code: str
    heading: str
    period: str


class Step(NamedTuple):
    """One step of a chain: a value, how it came about, and the steps or raw rows that it came from.

    A protected step holds neither value, steps, rows nor place. `source` is where a figure of the reference data is
    from, in that file's language.
    """

    text: str
    value: float
    unit: str
    how: str = ""
    note: str = ""
    steps: tuple["Step", ...] = ()
    rows: Rows | None = None
    row_unit: str = ""
    source: str = ""
    place: Place | None = None


class Part(NamedTuple):
    """What one area contributes: the value to compute with, and the step that may be shown of it."""

    value: float
    step: Step


@dataclass(frozen=True)
class Operand:
    """One side of a quotient: its parts by area, and whether the source has it only for whole regions."""

    text: str
    unit: str
    names: tuple[str, ...]
    parts: dict[str, Part]
    regional: bool = False
    factor: Step | None = None
    fixed_text: str = ""


def contribution(evidence: Evidence, question: Question, name: str, area_code: str, step: Step) -> Part:
    """What an area contributes of the figure `name` to a key figure, its step as it may be shown there."""
    return Part(step.value, allowed(evidence, question, (question.indicator, name), area_code, step))


def allowed(evidence: Evidence, question: Question, names: tuple[str, ...], area_code: str, step: Step) -> Step:
    """A step without what a suppressed key figure of the same area and year protects."""
    hidden = {key for key in evidence.suppressed.get((area_code, question.year), ()) if key[0] in names}
    if not hidden:
        return step
    if any(key[1:] == (question.population_group, question.category) for key in hidden):
        return Step(step.text, math.nan, step.unit, note=PROTECTED)
    return step._replace(how="", note=PARTLY_PROTECTED, steps=(), rows=None, place=None)


def title(question: Question) -> str:
    """The key figure in words: what, which category, where and when."""
    return f"{series_title(question)}, {question.year}"


def series_title(question: Question) -> str:
    """The key figure in words, whatever the year."""
    variant = f", variant {question.variant}" if question.variant != accounts.STANDARD else ""
    category = category_name(question.population_group, question.category)
    return f"{catalogue().indicators[question.indicator].name}: {category}, {areas.name(question.area_code)}{variant}"


@lru_cache
def category_name(group: str, category: str) -> str:
    """The Danish name of a category, or its code where categories.csv has none; with the group where it needs one."""
    labels = _category_names()
    label = labels.get((group, category), category)
    shared = sum(other == label for other in labels.values()) > 1
    return f"{label} ({GROUP_NAMES.get(group, group)})" if shared else label


@lru_cache
def category_code(group: str, category: str) -> str:
    """A category as a part of a link: short, with the population group where several have the category."""
    groups = {other for other, code in _category_names() if code == category}
    return category if len(groups) == 1 else f"{category}-{group}"


@lru_cache
def _category_names() -> dict[tuple[str, str], str]:
    table = accounts.categories()
    return dict(zip(zip(table["population_group"], table["category"], strict=True), table["label"], strict=True))
