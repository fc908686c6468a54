"""How each kind of key figure is made from raw rows, computed again on its own and kept as a chain of steps.

The texts of a chain are Danish, because the same chain stands in the report.
"""

import datetime
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import accounts, areas, danish
from analysis.aggregation import SUPPRESSED
from analysis.build import FACTS, KEY_FIGURES, SOURCES
from analysis.corrections import read_corrected
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.facts import diagnoses, population
from analysis.facts.counts import CountedTable
from analysis.facts.expenditure import NET_OPERATING, THOUSAND
from analysis.indicators import (
    KEYS,
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
from analysis.prices import deflators, price_index
from analysis.sources.deliveries import read_form
from analysis.sources.snapshot import ORIGINS, TIME, table_shapes

PROTECTED = "Beskyttet: tallet bygger på få personer, så hverken tallet eller rækkerne bag det vises."
PARTLY_PROTECTED = "Rækkerne vises ikke, fordi et andet tal for samme område og år er beskyttet."
PERSON_ROWS = "Rækkerne vises ikke: leverancen holder personer."
NO_ROWS = "Ingen rækker: det, som kilden udelader, tæller som 0."
NOT_DELIVERED = "Ingen rækker: kilden har ingen tal for kommunen."
UNIT_NAMES = {"kr": "kr.", "kr_pr_indbygger": "kr. pr. indbygger", "antal": "", "pct": "pct.", "pr_1000": "pr. 1.000"}
THOUSANDS, FACTOR = "t.kr.", ""


@dataclass(frozen=True)
class Question:
    """The key figure asked about: the key of its row."""

    indicator: str
    area_code: str
    population_group: str
    category: str
    year: int
    variant: str


@dataclass(frozen=True)
class Step:
    """One step of a chain: a value, how it came about, and the steps or raw rows that it came from.

    `rows`: file, line (or sheet and row of a workbook), the row's codes, value, correction. A protected step holds
    neither value, steps nor rows. `source` is where a figure of the reference data is from, in that file's language.
    """

    text: str
    value: float
    unit: str
    how: str = ""
    note: str = ""
    steps: tuple["Step", ...] = ()
    rows: pd.DataFrame | None = None
    row_unit: str = ""
    source: str = ""


@dataclass(frozen=True)
class Part:
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


@dataclass
class Evidence:
    """What chains are drawn from: key figures, facts and raw rows; `many` keeps the tables for the next chain."""

    edition: Edition
    raw: Path
    processed: Path
    many: bool = False
    _kept: dict[tuple, object] = field(default_factory=dict)

    @cached_property
    def key_figures(self) -> pd.DataFrame:
        """The whole table of key figures."""
        return pd.read_parquet(self.processed / KEY_FIGURES)

    @cached_property
    def places(self) -> dict[Question, int]:
        """Where each key figure stands in the table."""
        keys = zip(*(self.key_figures[column] for column in KEYS), strict=True)
        return {Question(*key): place for place, key in enumerate(keys)}

    @cached_property
    def sources(self) -> pd.DataFrame:
        """Every raw file with its sidecar."""
        return pd.DataFrame(json.loads((self.processed / SOURCES).read_text(encoding="utf-8")))

    @cached_property
    def suppressed(self) -> pd.DataFrame:
        """The key figures that are not shown."""
        return self.key_figures[self.key_figures["status"] == SUPPRESSED]

    def facts(self, name: str) -> pd.DataFrame:
        """A table of facts, as the build wrote it."""
        return self.once(("facts", name), lambda: pd.read_parquet(self.processed / FACTS / f"{name}.parquet"))

    def fact_values(self, name: str, keys: tuple[str, ...]) -> dict[tuple, float]:
        """Values of a table of facts by key."""
        frame = self.facts(name)
        return self.once(
            ("values", name, keys),
            lambda: dict(zip(zip(*(frame[key] for key in keys), strict=True), frame["value"], strict=True)),
        )

    def form(self, table: str, form: str) -> tuple[dict[str, pd.DataFrame], str]:
        """The sheets of a delivered workbook, and its file name."""
        file = self.sources[self.sources["table"] == table]["file"].iloc[0]
        return self.once(("form", table), lambda: read_form(self.raw / file, form)), file

    def rows(
        self, table: str, fixed: dict[str, frozenset[str]], members: Iterable[str], period: str, band: str = ""
    ) -> dict[str, pd.DataFrame]:
        """Raw rows of a period by area, removed ones included (`removed`), limited to codes, areas and an age band."""
        area, members = table_shapes()[table].area, list(members)
        if not self.many:
            select = fixed | {area: frozenset(members), TIME: frozenset({period})}
            frame, _ = read_corrected(self.raw, table, self.edition, select, removed=True)
            return _by_area(_of_band(_marked(frame), band), area)
        codes = tuple(sorted((variable, tuple(sorted(listed))) for variable, listed in fixed.items()))
        places = self.once((table, codes, band, period), lambda: self._kept_rows(table, fixed, codes, band, period))
        return {member: places[member] for member in members if member in places}

    def accounts(
        self, question: Question, variant: str, only: frozenset[str] | None
    ) -> tuple[dict[str, pd.DataFrame], set[str]]:
        """Accounts of a category by municipality, a row twice where it counts twice, and who delivered any at all.

        `only` limits the accounts to some functions.
        """
        members = areas.municipalities() if self.many else areas.members(question.area_code)
        key = (variant, question.year, question.population_group, question.category, only)
        return self.once(("accounts", *key, *members), lambda: self._categorised(members, question, variant, only))

    def _categorised(
        self, members: Iterable[str], question: Question, variant: str, only: frozenset[str] | None
    ) -> tuple[dict[str, pd.DataFrame], set[str]]:
        def whole_year() -> pd.DataFrame:
            fixed = NET_OPERATING | {"FUNKTION": frozenset(accounts.functions())}
            found = self.rows("REGK100", fixed, members, str(question.year))
            if not found:
                return pd.DataFrame()
            rows = pd.concat(found.values(), ignore_index=True)
            rows = rows.assign(year=question.year, function=rows["FUNKTION"], grouping=rows["GRUPPERING"])
            return accounts.categorised(rows, variant)

        rows = self.once(("categorised", variant, question.year, *members), whole_year)
        if rows.empty:
            return {}, set()
        rows = rows if only is None else rows[rows["function"].isin(only)]
        leaves = _leaves(question.population_group, question.category)
        pairs = zip(rows["population_group"].tolist(), rows["category"].tolist(), strict=True)
        inside = [pair in leaves for pair in pairs]
        return _by_area(rows[inside], "OMRÅDE"), set(rows.loc[~rows["removed"], "OMRÅDE"])

    def _kept_rows(
        self, table: str, fixed: dict[str, frozenset[str]], codes: tuple, band: str, period: str
    ) -> dict[str, pd.DataFrame]:
        def by_period() -> dict[str, pd.DataFrame]:
            frame, _ = read_corrected(self.raw, table, self.edition, fixed, removed=True)
            return _by_area(_of_band(_marked(frame), band), TIME)

        periods = self.once((table, codes, band), by_period)
        return _by_area(periods[period], table_shapes()[table].area) if period in periods else {}

    def once(self, key: tuple, made: Callable[[], object]) -> object:
        """What `made` gives, made once for each key."""
        if key not in self._kept:
            self._kept[key] = made()
        return self._kept[key]


def chain(evidence: Evidence, question: Question) -> Step:
    """The chain of a key figure, computed from raw rows; its value is what the rows give (NaN where that is nothing).

    Nothing in it tells a suppressed key figure: such a part is there without value and rows. Errors: an indicator
    without key figures, and whatever is wrong with the raw files.
    """
    indicator = catalogue().indicators[question.indicator]
    match indicator:
        case Amount():
            operand = _amounts(evidence, question, question.indicator)
            return _shown_total(evidence, question, operand, _members(question))
        case Population():
            operand = _persons(evidence, question, question.category)
            return _shown_total(evidence, question, operand, _members(question))
        case Count():
            operand = _counts(evidence, question, question.indicator)
            return _shown_total(evidence, question, operand, _members(question))
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


# Sums


def _amounts(
    evidence: Evidence, question: Question, name: str, only: frozenset[str] | None = None, variant: str = ""
) -> Operand:
    """Accounts of the municipalities; `only` limits them to some functions."""
    variant = variant or question.variant
    found, delivered = evidence.accounts(question, variant, only)
    parts = {}
    for member in _members(question):
        rows = found.get(member)
        if member not in delivered:
            part = _part(evidence, question, name, member, math.nan, "kr", note=NOT_DELIVERED, rows=rows)
        elif rows is None:
            part = _part(evidence, question, name, member, 0.0, "kr", note=NO_ROWS)
        else:
            part = _part(
                evidence, question, name, member, _added(rows) * THOUSAND, "kr", how="summen af rækkerne × 1.000",
                rows=rows, row_unit=THOUSANDS,
            )  # fmt: skip
        parts[member] = part
    kinds = [entry for entry in catalogue().indicators.values() if isinstance(entry, Amount)]
    fixed = catalogue().indicators[name].prices == "fixed"
    return Operand(
        text=next(entry.name for entry in kinds if entry.prices == "current"),
        unit="kr",
        names=(question.indicator, name),
        parts=parts,
        factor=evidence.once(("deflator", question.year), lambda: _deflator(evidence.edition, question.year))
        if fixed
        else None,
        fixed_text=catalogue().indicators[name].name if fixed else "",
    )


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


def _leaves(group: str, category: str) -> set[tuple[str, str]]:
    """The population groups and categories of single accounts that a category is the sum of."""
    if group == accounts.ALL_GROUPS:
        groups = set(accounts.categories()["population_group"]) - {group}
        return set().union(*(_leaves(other, category) for other in groups))
    parts = accounts.children(group, category)
    return set().union(*(_leaves(group, part) for part in parts)) if parts else {(group, category)}


def _persons(evidence: Evidence, question: Question, band: str, quarters: dict[str, str] | None = None) -> Operand:
    """Persons of an age band on 1 October, or by municipality in the quarter given."""
    members = _members(question)
    october = f"{question.year}{population.OCTOBER}"
    wanted = dict.fromkeys(members, october) if quarters is None else quarters
    found: dict[str, pd.DataFrame] = {}
    for quarter in sorted(set(wanted.values())):
        inside = [member for member in members if wanted.get(member) == quarter]
        found |= evidence.rows("FOLK1A", population.BOTH_SEXES, inside, quarter, band)
    parts = {}
    for member in members:
        rows = found.get(member)
        if rows is None or rows["removed"].all():
            parts[member] = _part(evidence, question, "population", member, math.nan, "antal", note=NOT_DELIVERED)
        else:
            parts[member] = _part(
                evidence, question, "population", member, _added(rows), "antal", how="summen af rækkerne", rows=rows
            )
    spoken = "alle" if band == accounts.TOTAL else f"{band}-årige"
    when = danish.listed(sorted(set(wanted.values())))
    return Operand(
        text=f"Folketal, {spoken}, {when}", unit="antal", names=(question.indicator, "population"), parts=parts
    )


def _of_band(rows: pd.DataFrame, band: str) -> pd.DataFrame:
    """The rows of an age band; of everybody the source's own total, or every age where it has none."""
    if not band:
        return rows
    total = rows["ALDER"] == population.TOTAL
    if band == accounts.TOTAL:
        cells = pd.MultiIndex.from_frame(rows[["OMRÅDE", TIME]])
        return rows[total | ~cells.isin(cells[total & ~rows["removed"]])]
    ages = rows[~total]
    limits = catalogue().age_bands[band]
    return ages[ages["ALDER"].astype(int).between(limits.first, limits.last)]


def _counts(evidence: Evidence, question: Question, name: str) -> Operand:
    """Persons or services that a table counts, by municipality, or by region where it has no municipalities."""
    counted = _counted_table(name, question)
    codes = counted.categories[question.category]
    fixed = {variable: frozenset({code}) for variable, code in counted.select.items()}
    fixed |= {counted.variable: frozenset(codes)}
    regional = counted.level == "region"
    persons = evidence.edition.disclosure.sources.get(counted.table) == "persons"
    owners = {question.area_code: _region_of(evidence, name, question.area_code)} if regional else {}
    members = list(owners) if regional else _members(question)
    asked = [owners.get(member, member) for member in members]
    found = evidence.rows(counted.table, fixed, asked, str(question.year))
    values = evidence.fact_values(name, ("area_code", "population_group", "category", "year"))
    parts = {}
    for member in members:
        rows = found.get(owners.get(member, member))
        fact = values.get((member, question.population_group, question.category, question.year), math.nan)
        if rows is None or rows["removed"].all():
            value, note = _without_rows(counted.table, fact)
            parts[member] = _part(evidence, question, name, member, value, "antal", note=note, rows=rows)
        else:
            parts[member] = _part(
                evidence, question, name, member, _added(rows), "antal", how="summen af rækkerne",
                note=PERSON_ROWS if persons else "", rows=None if persons else rows,
            )  # fmt: skip
    return Operand(
        text=catalogue().indicators[name].name,
        unit="antal",
        names=(question.indicator, name),
        parts=parts,
        regional=regional,
    )


def _counted_table(name: str, question: Question) -> CountedTable:
    for counted in catalogue().indicators[name].counts:
        if counted.population_group == question.population_group and question.category in counted.categories:
            return counted
    raise InputError(f"{name!r} counts no {question.category!r} of {question.population_group!r}")


def _region_of(evidence: Evidence, name: str, area_code: str) -> str:
    """The area whose own row a group of municipalities takes its figure from: itself, or the region it equals."""
    kinds = areas.area_table().set_index("area_code")["type"]
    if kinds[area_code] != "group":
        return area_code
    return next((region for region in areas.regions() if areas.members(region) == areas.members(area_code)), area_code)


# Quotients


def _rate(evidence: Evidence, question: Question, indicator: Rate) -> Step:
    plain = question.variant in indicator.denominators and question.variant != accounts.STANDARD
    bands = indicator.denominators[question.variant if plain else accounts.STANDARD]
    variant = accounts.STANDARD if plain else question.variant
    below = _persons(evidence, question, bands[question.population_group])
    return _quotient(
        evidence, question, _base(evidence, question, indicator.numerator, variant), below, indicator.scale
    )


def _base(evidence: Evidence, question: Question, name: str, variant: str) -> Operand:
    if isinstance(catalogue().indicators[name], Amount):
        return _amounts(evidence, question, name, variant=variant)
    return _counts(evidence, question, name)


def _unit_cost(evidence: Evidence, question: Question, indicator: UnitCost) -> Step:
    left_out = indicator.leave_out.get(question.category)
    only = None
    if left_out is not None:
        only = frozenset(accounts.functions_of(question.category) - set(left_out))
    above = _amounts(evidence, question, indicator.numerator, only)
    name = next(
        name
        for name in indicator.denominators
        for counted in catalogue().indicators[name].counts
        if counted.population_group == question.population_group and question.category in counted.categories
    )
    step = _quotient(evidence, question, above, _counts(evidence, question, name), 1.0)
    if left_out:
        functions = danish.listed([accounts.printed_number(function) for function in left_out])
        step = replace(step, note=_joined(step.note, f"Uden funktion {functions}, som ikke har modtagere i kilden."))
    if step.value <= 0:
        note = _joined(step.note, "En pris på nul eller derunder giver ikke mening.")
        step = replace(step, value=math.nan, note=note)
    return step


def _quotient(evidence: Evidence, question: Question, above: Operand, below: Operand, scale: float) -> Step:
    """Sum over sum of the members that have both; of whole areas where a source has no municipalities."""
    if above.regional or below.regional:
        usable = {True: [question.area_code], False: _members(question)}
        sides = [(side, usable[side.regional]) for side in (above, below)]
        absent = []
    else:
        both = [
            member
            for member in _members(question)
            if not (math.isnan(above.parts[member].value) or math.isnan(below.parts[member].value))
        ]
        # Without a single member that has both, all are shown, so that a reader sees which side is missing.
        sides = [(side, both or _members(question)) for side in (above, below)]
        absent = [member for member in _members(question) if member not in both] if both else []
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


def _total(evidence: Evidence, question: Question, operand: Operand, members: list[str]) -> tuple[Step, float]:
    """The sum of an operand over members, in fixed prices where it has a factor: the step to show, and the value."""
    where = areas.name(question.area_code)
    text = f"{operand.text}, {where}"
    if list(members) == [question.area_code]:
        part = operand.parts[question.area_code]
        step, value = replace(part.step, text=text), part.value
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
        step = _allowed(evidence, question, operand.names, question.area_code, step)
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


def _shown_total(evidence: Evidence, question: Question, operand: Operand, members: list[str]) -> Step:
    step, value = _total(evidence, question, operand, [question.area_code] if operand.regional else members)
    return replace(step, text=title(question), value=value, unit=catalogue().indicators[question.indicator].unit)


# Rates that a source gives


def _given(evidence: Evidence, question: Question, indicator: GivenRate) -> Step:
    rates = _given_parts(evidence, question, indicator)
    if list(rates) == [question.area_code]:
        return replace(rates[question.area_code].step, text=title(question))
    weight = indicator.weight
    people = _persons(evidence, question, weight.age_band, _quarters(evidence, question, weight.age_band, weight.date))
    steps, weighted, weights, absent = [], 0.0, 0.0, []
    for member, rate in rates.items():
        part = people.parts[member]
        if math.isnan(rate.value) or math.isnan(part.value):
            absent.append(member)
            continue
        weighted, weights = weighted + rate.value * part.value, weights + part.value
        hidden = PROTECTED in (rate.step.note, part.step.note)
        given = replace(rate.step, text=f"Kildens tal, {areas.name(member)}")
        weighing = replace(part.step, text=f"{people.text}, {areas.name(member)}")
        steps.append(
            Step(
                text=areas.name(member),
                value=math.nan if hidden else rate.value,
                unit=indicator.unit,
                how=f"vægt: {_figure(part.value)} personer" if not hidden else "",
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
    fixed = {variable: frozenset({code}) for variable, code in indicator.select.items()}
    found = evidence.rows(indicator.table, fixed, _members(question), str(question.year))
    values = evidence.fact_values(name, ("area_code", "year"))
    parts = {}
    for member in _members(question):
        rows = found.get(member)
        if rows is None or rows["removed"].all():
            value, note = _without_rows(indicator.table, values.get((member, question.year), math.nan))
            parts[member] = _part(evidence, question, name, member, value, indicator.unit, note=note, rows=rows)
        else:
            parts[member] = _part(
                evidence, question, name, member, _added(rows), indicator.unit, how="rækken selv", rows=rows,
                row_unit=UNIT_NAMES[indicator.unit],
            )  # fmt: skip
    return parts


def _counts_are_better(evidence: Evidence, question: Question, indicator: GivenRate) -> bool:
    """Whether the build replaced the given rates of a year by counts (`prefer` in indicators.yml)."""
    if not indicator.prefer or not (evidence.processed / FACTS / f"{indicator.prefer}.parquet").is_file():
        return False
    counts = evidence.facts(indicator.prefer)
    counts = counts[counts["category"] == accounts.TOTAL]
    given = evidence.facts(question.indicator)
    ranks = [rows["origin"].map(ORIGINS.index).max() for rows in (counts, given)]
    return ranks[0] <= ranks[1] and question.year in set(counts["year"])


def _computed_parts(evidence: Evidence, question: Question, indicator: GivenRate) -> dict[str, Part]:
    counting = replace(question, category=accounts.TOTAL)
    counts = _counts(evidence, counting, indicator.prefer)
    weight = indicator.weight
    people = _persons(evidence, question, weight.age_band, _quarters(evidence, question, weight.age_band, weight.date))
    scale = {"pr_1000": 1000.0, "pct": 100.0}[indicator.unit]
    parts = {}
    for member in _members(question):
        above, below = counts.parts[member], people.parts[member]
        value = above.value / below.value * scale if below.value > 0 else math.nan
        steps = (
            replace(above.step, text=f"{counts.text}, {areas.name(member)}"),
            replace(below.step, text=f"{people.text}, {areas.name(member)}"),
        )
        step = Step(areas.name(member), value, indicator.unit, f"tæller / nævner × {danish.number(scale)}", steps=steps)
        names = (question.indicator, indicator.prefer)
        parts[member] = Part(value, _allowed(evidence, question, names, member, step))
    return parts


def _persons_of_share(evidence: Evidence, question: Question, indicator: ShareOfPopulation) -> Step:
    share = catalogue().indicators[indicator.share]
    rates = _given_parts(evidence, question, share, indicator.share, as_given=True)
    people = _persons(
        evidence, question, indicator.age_band, _quarters(evidence, question, indicator.age_band, indicator.date)
    )
    parts = {}
    for member, rate in rates.items():
        part = people.parts[member]
        value = rate.value * part.value / 100
        steps = (
            replace(rate.step, text=f"{share.name}, {areas.name(member)}"),
            replace(part.step, text=f"{people.text}, {areas.name(member)}"),
        )
        step = Step(areas.name(member), value, indicator.unit, "andel × personer / 100", steps=steps)
        step = _allowed(evidence, question, (question.indicator, indicator.share), member, step)
        parts[member] = Part(value, step)
    operand = Operand(indicator.name, indicator.unit, (question.indicator,), parts)
    return _shown_total(evidence, question, operand, _members(question))


def _quarters(evidence: Evidence, question: Question, band: str, date: str) -> dict[str, str]:
    """The quarter nearest to a date of the year, at most a year away, by municipality that has persons in it."""
    limits = catalogue().age_bands[band]

    def known() -> dict[str, list[str]]:
        persons = population.band(evidence.facts("population"), limits.first, limits.last)
        return persons[persons["value"].notna()].groupby("area_code")["quarter"].agg(list).to_dict()

    quarters = evidence.once(("quarters", band), known)
    month, day = map(int, date.split("-"))
    wanted = datetime.date(question.year, month, day)

    def distance(quarter: str) -> int:
        return abs((datetime.date(int(quarter[:4]), int(quarter[5:]) * 3 - 2, 1) - wanted).days)

    nearest = {member: min(quarters[member], key=distance) for member in _members(question) if member in quarters}
    return {member: quarter for member, quarter in nearest.items() if distance(quarter) <= 366}


def _delivered(evidence: Evidence, question: Question, indicator: Delivered) -> Step:
    """The cell of a delivered workbook that a figure stands in."""
    sheets, file = evidence.form(indicator.table, diagnoses.FORM)
    of_field = {name: column for column, name in diagnoses.INDICATORS.items()}[question.indicator]
    single = question.category != diagnoses.ANY_DIAGNOSIS
    rows = sheets[diagnoses.SINGLE_SHEET if single else diagnoses.ANY_SHEET]
    owner = next(
        (code for code in rows["area"].unique() if areas.members(code) == areas.members(question.area_code)), ""
    )
    hit = (rows["area"] == owner) & (rows["age_group"] == question.population_group) & (rows["year"] == question.year)
    if single:
        hit &= rows["diagnosis"] == question.category
    found = rows[hit].rename(columns={of_field: "value", "row": "line"}).assign(file=file, correction="", removed=False)
    codes = ["area", "age_group", "year", *(["diagnosis"] if single else [])]
    return Step(
        text=title(question),
        value=float(found["value"].iloc[0]) if len(found) else math.nan,
        unit=indicator.unit,
        how="cellen i leverancen",
        rows=found[["file", "sheet", "line", *codes, "value", "correction", "removed"]],
        row_unit=UNIT_NAMES[indicator.unit],
    )


# What may be shown


def _part(
    evidence: Evidence,
    question: Question,
    name: str,
    area_code: str,
    value: float,
    unit: str,
    *,
    how: str = "",
    note: str = "",
    rows: pd.DataFrame | None = None,
    row_unit: str = "",
) -> Part:
    step = Step(areas.name(area_code), value, unit, how, note, rows=rows, row_unit=row_unit)
    return Part(value, _allowed(evidence, question, (question.indicator, name), area_code, step))


def _allowed(evidence: Evidence, question: Question, names: tuple[str, ...], area_code: str, step: Step) -> Step:
    """A step without what a suppressed key figure of the same area and year protects."""
    hidden = evidence.suppressed
    if hidden.empty:
        return step
    hidden = hidden[
        hidden["indicator"].isin(names) & (hidden["area_code"] == area_code) & (hidden["year"] == question.year)
    ]
    if hidden.empty:
        return step
    own = (hidden["population_group"] == question.population_group) & (hidden["category"] == question.category)
    if own.any():
        return Step(step.text, math.nan, step.unit, note=PROTECTED)
    return replace(step, how="", note=PARTLY_PROTECTED, steps=(), rows=None)


# Words and frames


def title(question: Question) -> str:
    """The key figure in words: what, which category, where and when."""
    category = category_name(question.population_group, question.category)
    return (
        f"{catalogue().indicators[question.indicator].name}: {category}, {areas.name(question.area_code)}, "
        f"{question.year}"
    )


def category_name(group: str, category: str) -> str:
    """The Danish name of a category, or its code where categories.csv has none."""
    return _category_names().get((group, category), category)


@lru_cache
def _category_names() -> dict[tuple[str, str], str]:
    table = accounts.categories()
    return dict(zip(zip(table["population_group"], table["category"], strict=True), table["label"], strict=True))


def _members(question: Question) -> list[str]:
    return list(areas.members(question.area_code))


def _without_rows(table: str, fact: float) -> tuple[float, str]:
    """What a municipality without rows counts as: nothing known, or the value that the table leaves out."""
    if math.isnan(fact):
        return math.nan, NOT_DELIVERED
    return table_shapes()[table].suppressed_value, NO_ROWS


def _added(rows: pd.DataFrame) -> float:
    """The sum of the rows that count; one that is missing makes it missing."""
    return float(rows.loc[~rows["removed"], "value"].sum(skipna=False))


def _by_area(frame: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """Rows by the code of a column; slices of one sorted frame, because a copy of each would take most of the time."""
    ordered = frame.sort_values([column, "file", "line"], ignore_index=True)
    codes = ordered[column].to_numpy(dtype=object)
    starts = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1)] if len(codes) else []
    ends = [*starts[1:], len(codes)]
    return {codes[start]: ordered.iloc[start:end] for start, end in zip(starts, ends, strict=False)}


def _marked(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if "removed" in frame.columns else frame.assign(correction="", removed=False)


def _listed(members: list[str]) -> str:
    return danish.listed(sorted((areas.name(code) for code in members), key=areas.collation_key))


def _joined(*notes: str) -> str:
    return " ".join(note for note in notes if note)


def _figure(value: float) -> str:
    return danish.number(value)
