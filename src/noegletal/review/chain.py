"""The chain of a key figure: its formula applied again, from the raw rows up, and what of each step may be shown.

The texts are Danish, because the same chain stands in the report.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analysis import accounts, areas, danish
from analysis.rows import PANEL, labels
from noegletal.figures.formulas import Cell, Constant, Figure, Formula, Question, category_name
from noegletal.figures.kinds import indicators
from noegletal.review.evidence import Evidence, Rows

PROTECTED = "Beskyttet: tallet bygger på få personer, så hverken tallet eller rækkerne bag det vises."
PARTLY_PROTECTED = "Rækkerne vises ikke, fordi et andet tal for samme område og år er beskyttet."
PERSON_ROWS = "Rækkerne vises ikke: leverancen holder personer."
NO_ROWS = "Ingen rækker: det, som kilden udelader, tæller som 0."
NOT_DELIVERED = "Ingen rækker: kilden har ingen tal for kommunen."
TOO_FEW = "Kommunerne med tal har under {share} af områdets personer."
SENSELESS = "En pris på nul eller derunder giver ikke mening."
NO_UNIT = ""


class Step(NamedTuple):
    """One step of a chain: a value, how it came about, and the steps or raw rows that it came from.

    A protected step holds neither value, steps nor rows. `source` is where a figure of the reference data is from, in
    that file's language.
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


class Part(NamedTuple):
    """What a part contributes: the value to compute with, and the step that may be shown of it."""

    value: float
    step: Step


def chain(evidence: Evidence, question: Question) -> Step:
    """The chain of a key figure, computed from raw rows; its value is what the rows give (NaN where that is nothing).

    Nothing in it tells a suppressed key figure: such a part is there without value and rows. Errors: whatever is wrong
    with the raw files.
    """
    kind, members = indicators()[question.indicator], areas.members(question.area_code)
    if question.variant == PANEL:
        series = (question.indicator, question.area_code, question.population_group, question.category)
        members = [code for code in members if code not in evidence.left_out[series]]
    asked = question._replace(variant=accounts.STANDARD) if question.variant == PANEL else question
    formula = kind.operands(asked, evidence.tables)
    made = _Evaluator(evidence, question).made(formula, question.area_code, members)
    step = made.step._replace(text=title(question), value=made.value, unit=kind.unit)
    if evidence.figure(question)["coverage"] >= evidence.edition.coverage or math.isnan(made.value):
        return step
    share = danish.percent(100 * evidence.edition.coverage)
    return step._replace(value=math.nan, note=" ".join([step.note, TOO_FEW.format(share=share)]).strip())


class _Evaluator:
    """The formulas applied for one question, which decides what has to be protected."""

    def __init__(self, evidence: Evidence, question: Question) -> None:
        self.evidence, self.question = evidence, question
        self.asked = areas.members(question.area_code)

    def made(self, formula: Formula, where: str, members: Sequence[str]) -> Part:
        """A formula applied to the figures of an area, or of one of its municipalities."""
        match formula.kind:
            case "quotient":
                return self._quotient(formula, where, members)
            case "mean":
                return self._mean(formula, where, members)
            case "product":
                return self._product(formula, where, members)
            case "sum":
                (figure,) = formula.of
                return self._total(figure, where, members)

    def _total(self, operand: Figure | Formula | Constant, where: str, members: Sequence[str]) -> Part:
        """A figure of an area: its own, or the sum over members."""
        if isinstance(operand, Constant):
            step = Step(operand.text, operand.value, NO_UNIT, operand.how, operand.note, source=operand.source)
            return Part(operand.value, step)
        if isinstance(operand, Formula):
            return self.made(operand, where, members)
        text = f"{operand.text}, {areas.name(where)}"
        if operand.whole or list(members) == [where]:
            value, step = self._at(operand, where)
            return Part(value, step._replace(text=text))
        parts = [self._at(operand, member) for member in members]
        absent = [member for member, part in zip(members, parts, strict=True) if math.isnan(part.value)]
        known = [part.value for part in parts if not math.isnan(part.value)]
        value = float(np.sum(known)) if known else math.nan
        step = Step(
            text=text,
            value=value,
            unit=operand.unit,
            how=f"summen af {len(known) or len(members)} kommuner",
            note=f"Uden: {_listed(absent)}" if absent else "",
            steps=tuple(part.step for part in parts),
        )
        return Part(value, self._allowed(operand.indicator, where, step))

    def _product(self, formula: Formula, where: str, members: Sequence[str]) -> Part:
        parts = [self._total(operand, where, members) for operand in formula.of]
        value = math.prod(part.value for part in parts) * formula.scale
        hidden = any(part.step.note == PROTECTED for part in parts)
        step = Step(
            text=f"{formula.text}, {areas.name(where)}",
            value=math.nan if hidden else value,
            unit=_figure(formula).unit,
            how=formula.how,
            note=PROTECTED if hidden else "",
            steps=tuple(part.step for part in parts),
        )
        return Part(value, step)

    def _quotient(self, formula: Formula, where: str, members: Sequence[str]) -> Part:
        """Sum over sum of the members that have both; of whole areas where a source has no municipalities."""
        figures = [_figure(operand) for operand in formula.of]
        chosen, absent = [members, members], []
        if any(figure.whole for figure in figures):
            chosen = [[where] if figure.whole else members for figure in figures]
        else:
            both = self._having(figures, members)
            # Without a single member that has both, all are shown, so that a reader sees which side is missing.
            if both:
                chosen, absent = [both, both], [member for member in members if member not in both]
        above, below = (self._total(one, where, some) for one, some in zip(formula.of, chosen, strict=True))
        value = above.value / below.value * formula.scale if below.value > 0 else math.nan
        senseless = formula.positive and value <= 0
        notes = [f"Uden: {_listed(absent)}" if absent else "", formula.note, SENSELESS if senseless else ""]
        value = math.nan if senseless else value
        step = Step(
            text=areas.name(where),
            value=value,
            unit=NO_UNIT,
            how="tæller / nævner" + (f" × {danish.number(formula.scale)}" if formula.scale != 1 else ""),
            note=" ".join(note for note in notes if note),
            steps=(above.step, below.step),
        )
        return Part(value, step)

    def _mean(self, formula: Formula, where: str, members: Sequence[str]) -> Part:
        """The figures of members weighted with others; a single one stands for itself."""
        rate, weight = formula.of
        if list(members) == [where]:
            return self._at(rate, where)
        both, steps, weighted, weights = self._having([rate, weight], members), [], 0.0, 0.0
        for member in both:
            value, weighing = self._total(rate, member, [member]), self._total(weight, member, [member])
            weighted, weights = weighted + value.value * weighing.value, weights + weighing.value
            hidden = PROTECTED in (value.step.note, weighing.step.note)
            step = Step(
                text=areas.name(member),
                value=math.nan if hidden else value.value,
                unit=rate.unit,
                how="" if hidden else f"vægt: {danish.number(weighing.value)} personer",
                note=PROTECTED if hidden else "",
                steps=(value.step, weighing.step),
            )
            steps.append(step)
        absent = [member for member in members if member not in both]
        value = weighted / weights if weights > 0 else math.nan
        note = f"Uden: {_listed(absent)}" if absent else ""
        return Part(value, Step(areas.name(where), value, rate.unit, formula.how, note, tuple(steps)))

    def _having(self, figures: Sequence[Figure], members: Sequence[str]) -> list[str]:
        """The members that have all of some figures."""
        return [
            member for member in members if not any(math.isnan(self._at(figure, member).value) for figure in figures)
        ]

    def _at(self, figure: Figure, area: str) -> Part:
        """A figure of one area; the same whatever chain it stands in, unless something of the area is protected."""
        hidden = self.evidence.suppressed.get((area, self.question.year))
        about = (self.question.indicator, *self.question[2:]) if hidden else ()

        def made() -> Part:
            operand = figure.of(area)
            if isinstance(operand, Cell):
                step = self._cell(operand, figure)
            elif isinstance(operand.of[0], Cell):
                step = self._cells(operand, figure)
            else:
                step = self.made(operand, area, [area]).step
            step = step._replace(text=areas.name(area), unit=figure.unit)
            return Part(step.value, self._allowed(figure.indicator, area, step))

        return self.evidence.once(("figure", *figure.name, area, *about), made)

    def _cells(self, formula: Formula, figure: Figure) -> Step:
        """The sum of several cells of a municipality; those without rows are left out where it has others."""
        steps = [self._cell(cell, figure) for cell in formula.of]
        value = float(np.sum([step.value for step in steps]))
        shown = tuple(step for step in steps if step.rows is not None)
        if not any(step.rows.counted for step in shown):
            return Step("", value, figure.unit, note=steps[0].note, steps=shown)
        return Step("", value, figure.unit, formula.how, steps=shown)

    def _cell(self, cell: Cell, figure: Figure) -> Step:
        """What the raw rows of a cell give, or what the facts count where there are none."""
        lineage, rows = cell.cells.lineage, self.evidence.rows(cell, () if figure.whole else self.asked)
        guarded = self.evidence.edition.disclosure.sources.get(lineage.table) == "persons" and not lineage.published
        shown = None if guarded else rows
        if rows is None or not rows.counted:
            value = self.evidence.without_rows(cell)
            note = NOT_DELIVERED if math.isnan(value) else NO_ROWS
            return Step(cell.text, value, figure.unit, note=note, rows=shown)
        how = lineage.how if lineage.published or len(rows) > 1 else "rækken selv"
        how += f" × {danish.number(lineage.factor)}" if lineage.factor != 1 else ""
        note = PERSON_ROWS if guarded else ""
        return Step(cell.text, rows.value, figure.unit, how, note, rows=shown, row_unit=cell.row_unit)

    def _allowed(self, indicator: str, area: str, step: Step) -> Step:
        """A step without what a suppressed key figure of the same area and year protects."""
        asked = self.question
        suppressed = self.evidence.suppressed.get((area, asked.year), ())
        hidden = {key for key in suppressed if key[0] in (asked.indicator, indicator)}
        if not hidden:
            return step
        if any(key[1:] == (asked.population_group, asked.category) for key in hidden):
            return Step(step.text, math.nan, step.unit, note=PROTECTED)
        return step._replace(how="", note=PARTLY_PROTECTED, steps=(), rows=None)


def _figure(operand: Figure | Formula) -> Figure:
    """The figure that has to be there for an operand to be."""
    return operand if isinstance(operand, Figure) else operand.of[0]


def title(question: Question) -> str:
    """The key figure in words: what, which category, where and when."""
    return f"{series_title(question)}, {question.year}"


def series_title(question: Question) -> str:
    """The key figure in words, whatever the year."""
    variant = f", {labels().variants[question.variant]}" if question.variant != accounts.STANDARD else ""
    category = category_name(question.population_group, question.category)
    return f"{indicators()[question.indicator].name}: {category}, {areas.name(question.area_code)}{variant}"


def _listed(members: Sequence[str]) -> str:
    return danish.listed(sorted((areas.name(code) for code in members), key=areas.collation_key))
