"""How each kind of key figure is made from raw rows, computed again on its own and kept as a chain of steps."""

import datetime
import math
from collections.abc import Sequence

import numpy as np

from analysis import accounts, areas, danish
from analysis.catalogue import (
    Amount,
    Count,
    Delivered,
    GivenRate,
    Population,
    Rate,
    ShareOfPopulation,
    UnitCost,
    catalogue,
)
from analysis.edition import FACTS
from analysis.errors import InputError
from analysis.rows import ORIGINS
from noegletal.facts import diagnoses, population
from noegletal.review.trace_evidence import Evidence, Question
from noegletal.review.trace_steps import (
    PROTECTED,
    UNIT_NAMES,
    Operand,
    Part,
    Place,
    Step,
    allowed,
    category_code,
    category_name,
    contribution,
    title,
)
from noegletal.review.trace_sums import amounts, counts, persons, without_rows


def chain(evidence: Evidence, question: Question) -> Step:
    """The chain of a key figure, computed from raw rows; its value is what the rows give (NaN where that is nothing).

    Nothing in it tells a suppressed key figure: such a part is there without value and rows. Errors: an indicator
    without key figures, and whatever is wrong with the raw files.
    """
    indicator = catalogue().indicators[question.indicator]
    match indicator:
        case Amount():
            operand = amounts(evidence, question, question.indicator)
            return _shown_total(evidence, question, operand, areas.members(question.area_code))
        case Population():
            operand = persons(evidence, question, question.category)
            return _shown_total(evidence, question, operand, areas.members(question.area_code))
        case Count():
            operand = counts(evidence, question, question.indicator)
            return _shown_total(evidence, question, operand, areas.members(question.area_code))
        case Rate():
            return _rate(evidence, question, indicator)
        case UnitCost():
            return _unit_cost(evidence, question, indicator)
        case GivenRate():
            return _given(evidence, question, indicator)
        case ShareOfPopulation():
            return _persons_of_share(evidence, question, indicator)
        case Delivered():
            return _delivered(evidence, question, indicator)
    raise InputError(f"{question.indicator!r} has no rows among the key figures")


# Quotients


def _rate(evidence: Evidence, question: Question, indicator: Rate) -> Step:
    plain = question.variant in indicator.denominators and question.variant != accounts.STANDARD
    bands = indicator.denominators[question.variant if plain else accounts.STANDARD]
    variant = accounts.STANDARD if plain else question.variant
    below = persons(evidence, question, bands[question.population_group])
    return _quotient(
        evidence, question, _base(evidence, question, indicator.numerator, variant), below, indicator.scale
    )


def _base(evidence: Evidence, question: Question, name: str, variant: str) -> Operand:
    if isinstance(catalogue().indicators[name], Amount):
        return amounts(evidence, question, name, variant=variant)
    return counts(evidence, question, name)


def _unit_cost(evidence: Evidence, question: Question, indicator: UnitCost) -> Step:
    left_out = indicator.leave_out.get(question.category)
    only = None
    if left_out is not None:
        only = frozenset(accounts.functions_of(question.category) - set(left_out))
    above = amounts(evidence, question, indicator.numerator, only)
    name = next(
        name
        for name in indicator.denominators
        for counted in catalogue().indicators[name].counts
        if counted.population_group == question.population_group and question.category in counted.categories
    )
    step = _quotient(evidence, question, above, counts(evidence, question, name), 1.0)
    if left_out:
        functions = danish.listed([accounts.printed_number(function) for function in left_out])
        step = step._replace(note=_joined(step.note, f"Uden funktion {functions}, som ikke har modtagere i kilden."))
    if step.value <= 0:
        note = _joined(step.note, "En pris på nul eller derunder giver ikke mening.")
        step = step._replace(value=math.nan, note=note)
    return step


def _quotient(evidence: Evidence, question: Question, above: Operand, below: Operand, scale: float) -> Step:
    """Sum over sum of the members that have both; of whole areas where a source has no municipalities."""
    if above.regional or below.regional:
        usable = {True: [question.area_code], False: areas.members(question.area_code)}
        sides = [(side, usable[side.regional]) for side in (above, below)]
        absent = []
    else:
        both = [
            member
            for member in areas.members(question.area_code)
            if not (math.isnan(above.parts[member].value) or math.isnan(below.parts[member].value))
        ]
        # Without a single member that has both, all are shown, so that a reader sees which side is missing.
        sides = [(side, both or areas.members(question.area_code)) for side in (above, below)]
        absent = [member for member in areas.members(question.area_code) if member not in both] if both else []
    (numerator, top), (denominator, bottom) = (_total(evidence, question, side, members) for side, members in sides)
    value = top / bottom * scale if bottom > 0 else math.nan
    how = "tæller / nævner" + (f" × {danish.number(scale)}" if scale != 1 else "")
    return Step(
        text=title(question),
        value=value,
        unit=catalogue().indicators[question.indicator].unit,
        how=how,
        note=f"Uden: {_listed(absent)}" if absent else "",
        steps=(numerator, denominator),
    )


def _total(evidence: Evidence, question: Question, operand: Operand, members: Sequence[str]) -> tuple[Step, float]:
    """The sum of an operand over members, in fixed prices where it has a factor: the step to show, and the value."""
    where = areas.name(question.area_code)
    text = f"{operand.text}, {where}"
    if list(members) == [question.area_code]:
        part = operand.parts[question.area_code]
        step, value = part.step._replace(text=text), part.value
    else:
        value = float(np.sum([operand.parts[member].value for member in members]))
        absent = [member for member in members if math.isnan(operand.parts[member].value)]
        step = Step(
            text=text,
            value=value,
            unit=operand.unit,
            how=f"summen af {len(members)} kommuner",
            note=f"Mangler: {_listed(absent)}" if absent else "",
            steps=tuple(operand.parts[member].step for member in members),
        )
        step = allowed(evidence, question, operand.names, question.area_code, step)
    if operand.factor is not None:
        value *= operand.factor.value
        hidden = step.note == PROTECTED
        step = Step(
            text=f"{operand.fixed_text}, {where}",
            value=math.nan if hidden else value,
            unit=operand.unit,
            how="løbende priser × omregning",
            note=PROTECTED if hidden else "",
            steps=(step, operand.factor),
        )
    return step, value


def _shown_total(evidence: Evidence, question: Question, operand: Operand, members: Sequence[str]) -> Step:
    step, value = _total(evidence, question, operand, [question.area_code] if operand.regional else members)
    return step._replace(text=title(question), value=value, unit=catalogue().indicators[question.indicator].unit)


# Rates that a source gives


def _given(evidence: Evidence, question: Question, indicator: GivenRate) -> Step:
    rates = _given_parts(evidence, question, indicator)
    if list(rates) == [question.area_code]:
        return rates[question.area_code].step._replace(text=title(question))
    weight = indicator.weight
    people = persons(evidence, question, weight.age_band, _quarters(evidence, question, weight.age_band, weight.date))
    steps, weighted, weights, absent = [], 0.0, 0.0, []
    for member, rate in rates.items():
        part = people.parts[member]
        if math.isnan(rate.value) or math.isnan(part.value):
            absent.append(member)
            continue
        weighted, weights = weighted + rate.value * part.value, weights + part.value
        hidden = PROTECTED in (rate.step.note, part.step.note)
        given = rate.step._replace(text=f"Kildens tal, {areas.name(member)}")
        weighing = part.step._replace(text=f"{people.text}, {areas.name(member)}")
        steps.append(
            Step(
                text=areas.name(member),
                value=math.nan if hidden else rate.value,
                unit=indicator.unit,
                how=f"vægt: {danish.number(part.value)} personer" if not hidden else "",
                note=PROTECTED if hidden else "",
                steps=(given, weighing),
            )
        )
    return Step(
        text=title(question),
        value=weighted / weights if weights > 0 else math.nan,
        unit=indicator.unit,
        how=f"kommunernes tal vægtet med antal {weight.age_band}-årige: sum af tal × personer / sum af personer",
        note=f"Uden: {_listed(absent)}" if absent else "",
        steps=tuple(steps),
    )


def _given_parts(
    evidence: Evidence, question: Question, indicator: GivenRate, name: str = "", *, as_given: bool = False
) -> dict[str, Part]:
    """The rate of each municipality: the source's own row, or counts over persons where those are better founded."""
    name = name or question.indicator
    if not as_given and _counts_are_better(evidence, question, indicator):
        return _computed_parts(evidence, question, indicator)
    members = areas.members(question.area_code)

    def given(member: str) -> Step:
        fixed = {variable: frozenset({code}) for variable, code in indicator.select.items()}
        rows = evidence.rows(indicator.table, fixed, members, str(question.year)).rows(str(question.year), member)
        text, place = areas.name(member), Place(member, indicator.table, indicator.name, str(question.year))
        if rows is None or not rows.counted:
            fact = evidence.fact_values(name, ("area_code", "year")).get((member, question.year), math.nan)
            value, note = without_rows(indicator.table, fact)
            return Step(text, value, indicator.unit, note=note, rows=rows, place=place if rows else None)
        return Step(
            text, rows.value, indicator.unit, "rækken selv", rows=rows, row_unit=UNIT_NAMES[indicator.unit], place=place
        )

    parts = {}
    for member in members:
        step = evidence.once(("given", name, question.year, member), lambda member=member: given(member))
        parts[member] = contribution(evidence, question, name, member, step)
    return parts


def _counts_are_better(evidence: Evidence, question: Question, indicator: GivenRate) -> bool:
    """Whether the build replaced the given rates of a year by counts (`prefer` in indicators.yml)."""
    if not indicator.prefer or not (evidence.processed / FACTS / f"{indicator.prefer}.parquet").is_file():
        return False

    def better() -> set[int]:
        counted = evidence.facts(indicator.prefer)
        counted = counted[counted["category"] == accounts.TOTAL]
        if not (evidence.processed / FACTS / f"{question.indicator}.parquet").is_file():
            return set(counted["year"])
        given = evidence.facts(question.indicator)
        ranks = [rows["origin"].map(ORIGINS.index).max() for rows in (counted, given)]
        return set(counted["year"]) if ranks[0] <= ranks[1] else set()

    return question.year in evidence.once(("better counted", question.indicator), better)


def _computed_parts(evidence: Evidence, question: Question, indicator: GivenRate) -> dict[str, Part]:
    counting = question._replace(category=accounts.TOTAL)
    counted = counts(evidence, counting, indicator.prefer)
    weight = indicator.weight
    people = persons(evidence, question, weight.age_band, _quarters(evidence, question, weight.age_band, weight.date))
    scale = {"pr_1000": 1000.0, "pct": 100.0}[indicator.unit]
    parts = {}
    for member in areas.members(question.area_code):
        above, below = counted.parts[member], people.parts[member]
        value = above.value / below.value * scale if below.value > 0 else math.nan
        steps = (
            above.step._replace(text=f"{counted.text}, {areas.name(member)}"),
            below.step._replace(text=f"{people.text}, {areas.name(member)}"),
        )
        step = Step(
            areas.name(member), value, indicator.unit, f"tæller / nævner × {danish.number(scale)}", steps=steps,
            place=_place(question, indicator, member),
        )  # fmt: skip
        names = (question.indicator, indicator.prefer)
        parts[member] = Part(value, allowed(evidence, question, names, member, step))
    return parts


def _persons_of_share(evidence: Evidence, question: Question, indicator: ShareOfPopulation) -> Step:
    share = catalogue().indicators[indicator.share]
    rates = _given_parts(evidence, question, share, indicator.share, as_given=True)
    people = persons(
        evidence, question, indicator.age_band, _quarters(evidence, question, indicator.age_band, indicator.date)
    )
    parts = {}
    for member, rate in rates.items():
        part = people.parts[member]
        value = rate.value * part.value / 100
        steps = (
            rate.step._replace(text=f"{share.name}, {areas.name(member)}"),
            part.step._replace(text=f"{people.text}, {areas.name(member)}"),
        )
        place = _place(question, indicator, member)
        step = Step(areas.name(member), value, indicator.unit, "andel × personer / 100", steps=steps, place=place)
        step = allowed(evidence, question, (question.indicator, indicator.share), member, step)
        parts[member] = Part(value, step)
    operand = Operand(indicator.name, indicator.unit, (question.indicator,), parts)
    return _shown_total(evidence, question, operand, areas.members(question.area_code))


def _quarters(evidence: Evidence, question: Question, band: str, date: str) -> dict[str, str]:
    """The quarter nearest to a date of the year, at most a year away, by municipality that has persons in it."""
    limits = catalogue().age_bands[band]

    def known() -> dict[str, list[str]]:
        people = evidence.facts("population")
        ages = [age for age in people["age"].unique() if age != population.TOTAL]
        inside = [age for age in ages if limits.first <= int(age) <= limits.last]
        cells = people[people["age"].isin(inside)].groupby(["area_code", "quarter"])["value"].agg(["size", "count"])
        found: dict[str, list[str]] = {}
        for member, quarter in cells.index[cells["size"] == cells["count"]]:
            found.setdefault(member, []).append(quarter)
        return found

    def nearest() -> dict[str, str]:
        month, day = map(int, date.split("-"))
        wanted = datetime.date(question.year, month, day)
        by_municipality = evidence.once(("quarters", band), known)
        starts = {quarter: _first_day(quarter) for quarter in set().union(*by_municipality.values())}
        away = {quarter: abs((start - wanted).days) for quarter, start in starts.items()}
        found = {member: min(listed, key=away.__getitem__) for member, listed in by_municipality.items()}
        return {member: quarter for member, quarter in found.items() if away[quarter] <= 366}

    of_all = evidence.once(("nearest", band, date, question.year), nearest)
    return {member: of_all[member] for member in areas.members(question.area_code) if member in of_all}


def _first_day(quarter: str) -> datetime.date:
    return datetime.date(int(quarter[:4]), int(quarter[5:]) * 3 - 2, 1)


def _delivered(evidence: Evidence, question: Question, indicator: Delivered) -> Step:
    """The cell of a delivered workbook that a figure stands in."""
    of_field = {name: column for column, name in diagnoses.INDICATORS.items()}[question.indicator]
    single = question.category != diagnoses.ANY_DIAGNOSIS
    sheet = diagnoses.SINGLE_SHEET if single else diagnoses.ANY_SHEET
    keys = ("area", "age_group", "year", *(["diagnosis"] if single else []))
    cells = evidence.delivered(indicator.table, diagnoses.FORM, sheet, of_field, keys)
    members, wanted = areas.members(question.area_code), (question.population_group, question.year)
    owners = dict.fromkeys(cells.column("area"))
    owner = next((code for code in owners if areas.members(code) == members), "")
    rows = cells.rows(owner, *wanted, *([question.category] if single else []))
    named = f"{indicator.name}: {category_name(question.population_group, question.category)}"
    code = f"{question.indicator}-{category_code(question.population_group, question.category)}"
    return Step(
        text=title(question),
        value=rows.value if rows else math.nan,
        unit=indicator.unit,
        how="cellen i leverancen",
        rows=rows,
        row_unit=UNIT_NAMES[indicator.unit],
        place=Place(question.area_code, code, named, str(question.year)) if rows else None,
    )


def _place(question: Question, indicator: GivenRate | ShareOfPopulation, area_code: str) -> Place:
    code = indicator.table if isinstance(indicator, GivenRate) else question.indicator
    return Place(area_code, code, indicator.name, str(question.year))


def _listed(members: Sequence[str]) -> str:
    return danish.listed(sorted((areas.name(code) for code in members), key=areas.collation_key))


def _joined(*notes: str) -> str:
    return " ".join(note for note in notes if note)
