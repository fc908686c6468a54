"""What every form of a report begins with: the answers of its sections, and its key numbers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, RootModel

from analysis import accounts, areas, danish, measures
from analysis.catalogue import catalogue, shown_unit
from analysis.claims import KINDS
from analysis.declared import read_declared
from analysis.edition import Edition, reference_folder
from analysis.errors import DeclaredError
from analysis.rows import EXAMPLE, evidence, labels

DECLARED_IN = "front.yml"
# Outcomes of claims that may stand in front, the best first.
PASSED = ("stated", "softened")
# Of a trend line, in units of its drawing.
WIDE, HIGH, EDGE = 120, 32, 3


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    indicator: str
    population_group: str
    category: str
    output: str


@dataclass(frozen=True)
class KeyNumber:
    """A number in front: its name, value and growth in words, its mark, where it is shown, and its course.

    `points`: the course as a line of a drawing that is WIDE and HIGH; `course`: the same in words.
    """

    name: str
    value: str
    growth: str
    mark: str
    href: str
    points: str
    course: str


def key_numbers(edition: Edition, area_code: str, key_figures: pd.DataFrame) -> list[KeyNumber]:
    """The key numbers of an area; one that is missing, or example data about a municipality, is left out.

    Errors: an entry of front.yml that names an indicator or a figure that there is not.
    """
    own = key_figures[(key_figures["area_code"] == area_code) & (key_figures["variant"] == accounts.STANDARD)]
    panels = key_figures[key_figures["area_code"] == area_code]
    found = []
    for entry in read_declared(reference_folder() / DECLARED_IN, RootModel[list[_Declared]]).root:
        if entry.indicator not in catalogue().indicators:
            raise DeclaredError(f"{DECLARED_IN}: {entry.indicator!r} is no indicator of indicators.yml")
        place = next((plan.notebook for plan in edition.sections if entry.output in plan.outputs), "")
        rows = own
        for name in ("indicator", "population_group", "category"):
            rows = rows[rows[name] == getattr(entry, name)]
        rows = rows[rows["year"].between(edition.period.first, edition.period.last)].sort_values("year")
        if not place or rows.empty or danish.missing(rows["value"].iloc[-1]):
            continue
        number = _number(entry, measures.with_panel(rows, panels), f"{place}.html#{entry.output.replace('_', '-')}")
        if number.mark != labels().evidence[EXAMPLE].mark or area_code not in areas.municipalities():
            found.append(number)
    return found


def _number(entry: _Declared, rows: pd.DataFrame, href: str) -> KeyNumber:
    unit = shown_unit(entry.indicator, rows["value"])
    name = "" if catalogue().indicators[entry.indicator].unit == "antal" else unit.name
    first, last = rows["year"].iloc[[0, -1]]
    grown = measures.growth(rows, first, last)
    growth = grown["value"].iloc[0] if first < last else float("nan")
    shown = [danish.number(row.value / unit.divisor, unit.decimals, row.status) for row in rows.itertuples()]
    known = max([*evidence(rows.tail(1)), *evidence(grown)], key=("", *labels().evidence).index)
    label = accounts.label(entry.population_group, entry.category)
    return KeyNumber(
        name=f"{catalogue().indicators[entry.indicator].name}, {danish.running(label)}",
        value=danish.with_unit(shown[-1], name) if name else shown[-1],
        growth="" if danish.missing(growth) else f"{danish.change(growth)} siden {first}",
        mark=labels().evidence[known].mark if known else "",
        href=href,
        points=_points(rows["value"]),
        course=danish.listed([f"{value} i {year}" for value, year in zip(shown, rows["year"], strict=True)]),
    )


def _points(values: pd.Series) -> str:
    """A line through values from left to right, the lowest at the bottom; one that is missing is passed over."""
    low, spread = values.min(), values.max() - values.min()
    step = (WIDE - 2 * EDGE) / max(len(values) - 1, 1)
    return " ".join(
        f"{EDGE + place * step:.1f},{HIGH - EDGE - (HIGH - 2 * EDGE) * ((value - low) / spread if spread else 0.5):.1f}"
        for place, value in enumerate(values)
        if not danish.missing(value)
    )


def main_findings(sections: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What each section answers and why, as far as it may be stated; else its strongest title, and what follows it.

    What is said without reservation goes before what is said with one, growth before what only compares or counts.
    """
    return [found for notebook, section in sections.items() if (found := _main_finding(notebook, section))]


def _main_finding(notebook: str, section: dict[str, Any]) -> dict[str, Any] | None:
    claims = {claim["place"]: claim for claim in section.get("claims", [])}
    stated = {place for place, claim in claims.items() if claim["outcome"] in PASSED and claim["evidence"]}
    said = {one.get("role", ""): one for one in section.get("findings", []) if one["anchor"] in stated}
    found = {"notebook": notebook, "section": section}
    if "answer" in said:
        why = said["why"]["text"] if "why" in said else ""
        return found | {"anchor": said["answer"]["anchor"], "title": "", "sentence": said["answer"]["text"], "why": why}
    titles = [
        (PASSED.index(claims[place]["outcome"]), KINDS.index(claims[place]["kind"]), number, place)
        for number, place in enumerate(claims)
        if place in stated and not place.startswith("saetning")
    ]
    if not titles:
        return None
    anchor = min(titles)[-1]
    output = next(out for out in section["outputs"] if out["output"].replace("_", "-") == anchor)
    clear = {place for place, claim in claims.items() if claim["outcome"] == "stated"}
    follows = (one["text"] for one in section["findings"] if one["after"] == anchor and one["anchor"] in clear)
    return found | {"anchor": anchor, "title": output["title"], "sentence": next(follows, ""), "why": ""}
