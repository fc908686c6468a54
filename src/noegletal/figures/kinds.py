"""The kinds of key figures, one class each: how a figure is computed, what it is made of, whom it tells of."""

import datetime
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args

import pandas as pd
import pandera.pandas as pa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from analysis import accounts, areas, danish
from analysis.catalogue import DECLARED_IN, Catalogue, Indicator, catalogue
from analysis.declared import read_declared
from analysis.edition import Edition, reference_folder
from analysis.errors import DeclaredError, InputError
from analysis.prices import STATUS_NAMES as PRICE_STATUS_NAMES
from analysis.rows import CELL_KEYS, COLUMNS, EVIDENCE, KEYS, ORIGINS, PANEL, STATUSES, UNITS, labels, weakest
from noegletal import account_rules
from noegletal.facts import counts, diagnoses, expenditure, functions, population, rates
from noegletal.facts.counts import CountedTable
from noegletal.facts.rates import PER
from noegletal.facts.sums import rates as rates_of
from noegletal.facts.sums import whole_areas, with_summed_areas
from noegletal.figures import coverage
from noegletal.figures.formulas import Cell, Constant, Figure, Formula, Question, category_name
from noegletal.figures.printed import with_evidence
from noegletal.figures.tables import Tables, area_rates, direct, with_breaks
from noegletal.rules import Finding


def _of_every_year(day: str) -> str:
    # 2023 is no leap year.
    datetime.date.fromisoformat(f"2023-{day}")
    return day


MonthDay = Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{2}$"), AfterValidator(_of_every_year)]


class Kind(Indicator):
    """An indicator with how its kind is made; each kind is a subclass that says `kind: Literal[...]`.

    Entries of indicators.yml are read as the subclass of their kind. `code` is the name of the entry.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    registered: ClassVar[dict[str, type["Kind"]]] = {}
    # Whether figures are computed when a notebook asks, so that there are no rows among the key figures.
    modelled: ClassVar[bool] = False
    # Whether the categories are those of the account plan, some of them sums of others.
    adds_categories: ClassVar[bool] = False
    # Whether what a share is of may itself be few persons.
    of_few: ClassVar[bool] = False

    unit: Literal["kr", "kr_pr_indbygger", "antal", "pct", "pr_1000"]
    code: str = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Make the kind known under its name."""
        (kind,) = get_args(cls.model_fields["kind"].annotation)
        Kind.registered[kind] = cls

    def facts(self, raw: Path, edition: Edition, delivered: set[str]) -> tuple[pd.DataFrame | None, list[Finding]]:
        """The facts that belong to this indicator alone, and what the checks found; None without its table."""
        del raw, edition, delivered
        return None, []

    def base(self, tables: Tables, only: frozenset[str] | None = None) -> pd.DataFrame | None:
        """The figures of municipalities that others divide, with their variant; of some functions or of all.

        None where the facts were not delivered.
        """
        raise NotImplementedError

    def compute(self, tables: Tables) -> pd.DataFrame | None:
        """Rows of the indicator without its name and unit; None where what it is made from was not delivered."""
        raise NotImplementedError

    def operands(self, question: Question, tables: Tables) -> Formula:
        """The formula of one key figure, and the figures and facts that it is applied to."""
        raise NotImplementedError

    def figure(self, question: Question, tables: Tables, only: frozenset[str] | None = None) -> Figure | Formula:
        """This indicator as a part of another's formula."""
        raise NotImplementedError

    def made_of(self) -> dict[str, list[str]]:
        """The indicators whose figures this one's are made of, by the field that names them."""
        return {}

    def weighed_by(self, group: str, category: str) -> str:
        """The age band that a figure is about: of most the one that people of the group are divided by."""
        del category
        rates = (entry.denominators[accounts.STANDARD] for entry in indicators().values() if isinstance(entry, Rate))
        return next((bands[group] for bands in rates if group in bands), accounts.TOTAL)

    def persons(self) -> list[str]:
        """Indicators that may count the persons behind a figure, the best first; none where it tells of no persons."""
        return []

    @property
    def share_told(self) -> str:
        """The share whose persons this indicator counts; empty for others."""
        return ""

    @property
    def whole(self) -> Mapping[str, str] | str | None:
        """What a share or rate is of: an age band, one by population group, or another share; None for others."""
        return None

    @property
    def bands(self) -> set[str]:
        """The age bands that a figure is divided by."""
        return set()

    @property
    def ready_made(self) -> bool:
        """Whether the source gives the figure itself, so that it tells its count whoever delivered that."""
        return False


@lru_cache
def indicators() -> dict[str, Kind]:
    """Every indicator of indicators.yml as its kind.

    Errors name the entry and the field: what its kind does not know, and an indicator that nothing can be made of.
    """
    kinds = Annotated[Union[tuple(Kind.registered.values())], Field(discriminator="kind")]  # noqa: UP007
    model = create_model("Catalogue", __base__=Catalogue, indicators=(dict[str, kinds], ...))
    entries = read_declared(reference_folder() / DECLARED_IN, model).indicators
    for name, entry in entries.items():
        for field, others in entry.made_of().items():
            wrong = [other for other in others if other not in entries or type(entries[other]).figure is Kind.figure]
            if wrong:
                raise DeclaredError(
                    f"{DECLARED_IN}: indicators.{name}.{field}: {wrong[0]!r} is not an indicator that others "
                    "are made of"
                )
    return {name: entry.model_copy(update={"code": name}) for name, entry in entries.items()}


class Amount(Kind):
    """Kroner by category, in current prices or in those of the edition.

    In current prices they are of the categories of the account plan, or of whole `functions`, by category. In fixed
    prices they are those of the amount that `current` names.
    """

    adds_categories: ClassVar[bool] = True

    kind: Literal["amount"]
    unit: Literal["kr"]
    prices: Literal["current", "fixed"]
    current: str = ""
    functions: dict[str, str] = Field(default_factory=dict)

    def facts(self, raw: Path, edition: Edition, delivered: set[str]) -> tuple[pd.DataFrame | None, list[Finding]]:
        """The amounts of whole functions; those of the account plan are facts already."""
        if not self.functions or functions.TABLE not in delivered:
            return None, []
        return functions.build(raw, edition, self.functions)

    def base(self, tables: Tables, only: frozenset[str] | None = None) -> pd.DataFrame | None:
        """Expenditure by category, of the account plan in every variant, in these prices."""
        if self.prices == "current":
            return self._of_functions(tables) if self.functions else tables.amounts(only)
        current = indicators()[self.current].base(tables, only)
        if current is None:
            return None
        # A genuine amount in prices of a year is no better than the index that turns it into those.
        origin = current["origin"].mask(current["year"].isin(tables.assumed_factors), weakest(ORIGINS))
        return current.assign(value=current["value"] * current["year"].map(tables.deflators), origin=origin)

    def _of_functions(self, tables: Tables) -> pd.DataFrame | None:
        if self.code not in tables.facts:
            return None
        rows = functions.categorised(tables.facts[self.code], self.functions).drop(columns="function")
        return rows.assign(variant=accounts.STANDARD)

    def compute(self, tables: Tables) -> pd.DataFrame | None:
        """Municipalities and the areas summed from them."""
        rows = self.base(tables)
        return None if rows is None else with_summed_areas(rows, CELL_KEYS)

    def operands(self, question: Question, tables: Tables) -> Formula:
        """The accounts of the municipalities, in fixed prices times the factor of the year."""
        made = self.figure(question, tables)
        return made if isinstance(made, Formula) else Formula("sum", (made,))

    def figure(self, question: Question, tables: Tables, only: frozenset[str] | None = None) -> Figure | Formula:
        """The same, of some functions or of all."""
        _, _, group, category, year, variant = question
        if self.prices == "fixed":
            accounted = indicators()[self.current].figure(question, tables, only)
            factor = tables.once(("deflator", year), lambda: _deflator(tables, year))
            return Formula("product", (accounted, factor), text=self.name, how="løbende priser × omregning")
        if self.functions:
            cells, leaves = functions.cells(self.code, self.functions), ((group, category),)
        else:
            cells, leaves = expenditure.cells(variant, only), _leaves(group, category)

        def of(area: str) -> Formula | Cell:
            parts = tuple(Cell(cells, (area, year, *leaf), category_name(*leaf), cells.lineage.unit) for leaf in leaves)
            return parts[0] if len(parts) == 1 else Formula("sum", parts, how="summen af kategorierne")

        return Figure((self.code, variant, only, group, category, year), self.code, self.name, "kr", of)

    def made_of(self) -> dict[str, list[str]]:
        """The amount in current prices."""
        return {"current": [self.current] if self.current else []}


@lru_cache
def _leaves(group: str, category: str) -> tuple[tuple[str, str], ...]:
    """The population groups and categories of single accounts that a category is the sum of, in table order."""
    if group == accounts.ALL_GROUPS:
        groups = dict.fromkeys(accounts.categories()["population_group"])
        return tuple(leaf for other in groups if other != group for leaf in _leaves(other, category))
    parts = accounts.children(group, category)
    return tuple(leaf for part in parts for leaf in _leaves(group, part)) if parts else ((group, category),)


def _deflator(tables: Tables, year: int) -> Constant:
    """The factor to the price level of the edition, with the index values it is made of and what they rest on."""
    edition, index = tables.edition, tables.facts["price_index"]
    used = index[index["year"].isin([year, edition.price_level])]
    values = [
        f"{row.year} = {danish.number(row.value, 6)} ({PRICE_STATUS_NAMES[row.status]})" for row in used.itertuples()
    ]
    return Constant(
        text=f"Omregning fra {year}-priser til {edition.price_level}-priser",
        value=float(tables.deflators[year]),
        how=f"indeks {edition.price_level} / indeks {year}",
        note=f"Indeks {edition.price_index}: {'; '.join(values)}.",
        source="; ".join(dict.fromkeys(used["source"])),
    )


class Population(Kind):
    """Persons by age band."""

    kind: Literal["population"]
    unit: Literal["antal"]

    def compute(self, tables: Tables) -> pd.DataFrame:
        """Persons on 1 October by municipality and area."""
        return with_summed_areas(tables.october, CELL_KEYS)

    def weighed_by(self, group: str, category: str) -> str:
        """The band whose persons are counted."""
        del group
        return category

    def operands(self, question: Question, tables: Tables) -> Formula:
        """The persons of the municipalities."""
        return Formula("sum", (persons_on(tables, question, question.category),))


def persons_on(tables: Tables, question: Question, band: str, date: str = "") -> Figure:
    """Persons of an age band on 1 October of a year, or in the quarter nearest to a date (month-day) of it."""
    year, members = question.year, areas.members(question.area_code)
    if date:
        quarters = tables.once(("quarters", band, date, year), lambda: _quarters(tables, band, date, year))
    else:
        quarters = dict.fromkeys(members, f"{year}{population.OCTOBER}")
    limits = catalogue().age_bands.get(band)
    cells = population.cells(band, *((limits.first, limits.last) if limits else ()))
    spoken = "alle" if band == accounts.TOTAL else f"{band}-årige"
    when = danish.listed(sorted({quarters[member] for member in members if member in quarters}))

    def of(area: str) -> Cell:
        return Cell(cells, (area, quarters.get(area, "")), areas.name(area))

    return Figure(("population", band, date, year), "population", f"Folketal, {spoken}, {when}", "antal", of)


def _quarters(tables: Tables, band: str, date: str, year: int) -> dict[str, str]:
    near = tables.nearest(band, date, [year])
    return dict(zip(near["area_code"], near["quarter"], strict=True))


class Count(Kind):
    """Persons, services or notifications counted by the codes of one or more tables."""

    kind: Literal["count"]
    unit: Literal["antal"]
    counts: list[CountedTable]

    def facts(self, raw: Path, edition: Edition, delivered: set[str]) -> tuple[pd.DataFrame | None, list[Finding]]:
        """The counts of every table that was delivered."""
        made = [counts.build(raw, edition, table) for table in self.counts if table.table in delivered]
        findings = [finding for _, found in made for finding in found]
        return (pd.concat([rows for rows, _ in made], ignore_index=True) if made else None), findings

    def base(self, tables: Tables, only: frozenset[str] | None = None) -> pd.DataFrame | None:
        """The counts as they were made."""
        del only
        return tables.facts[self.code].assign(variant=accounts.STANDARD) if self.code in tables.facts else None

    def compute(self, tables: Tables) -> pd.DataFrame | None:
        """Counts with their sums; figures that a source has only by region stand as they are."""
        rows = self.base(tables)
        if rows is None:
            return None
        local = rows["area_code"].isin(areas.municipalities())
        summed = with_summed_areas(rows[local].drop(columns="note"), CELL_KEYS)
        return pd.concat([with_breaks(summed, rows), rows[~local]], ignore_index=True)

    def operands(self, question: Question, tables: Tables) -> Formula:
        """The counts of the municipalities, or the area's own."""
        return Formula("sum", (self.figure(question, tables),))

    def figure(self, question: Question, tables: Tables, only: frozenset[str] | None = None) -> Figure:
        """The same as a part."""
        del tables, only
        group, category, year = question.population_group, question.category, question.year
        counted = self.counting(group, category)
        if counted is None:
            raise InputError(f"{self.code!r} counts no {category!r} of {group!r}")
        cells = counts.cells(self.code, counted)
        return Figure(
            name=(self.code, group, category, year),
            indicator=self.code,
            text=self.name,
            unit="antal",
            of=lambda area: Cell(cells, (area, year, group, category), areas.name(area)),
            whole=counted.level == "region",
        )

    def counting(self, group: str, category: str) -> CountedTable | None:
        """The table that a category is counted in."""
        listed = (one for one in self.counts if one.population_group == group and category in one.categories)
        return next(listed, None)

    def persons(self) -> list[str]:
        """The counts themselves."""
        return [self.code]


class Rate(Kind):
    """An amount or count over the persons of an age band or all, by variant and population group.

    Persons are those of 1 October, or with `date` (month-day) of the quarter nearest to it.
    """

    kind: Literal["rate"]
    unit: Literal["kr_pr_indbygger", "pct", "pr_1000"]
    numerator: str
    denominators: dict[str, dict[str, str]]
    date: MonthDay | Literal[""] = ""

    def compute(self, tables: Tables) -> pd.DataFrame | None:
        """Numerator over persons; areas as sum over sum."""
        numerator = indicators()[self.numerator].base(tables)
        if numerator is None:
            return None
        parts = []
        for denominator, band_of_group in self.denominators.items():
            for group, band in band_of_group.items():
                below = tables.people(band, self.date, numerator["year"])
                above = numerator[numerator["population_group"] == group]
                if denominator != accounts.STANDARD:
                    above = above[above["variant"] == accounts.STANDARD]
                rows = area_rates(above, below, self.scale)
                parts.append(rows if denominator == accounts.STANDARD else rows.assign(variant=denominator))
        table = pd.concat(parts, ignore_index=True)
        return with_breaks(table, numerator) if "note" in numerator.columns else table

    def operands(self, question: Question, tables: Tables) -> Formula:
        """The numerator, in the variant of the account plan, over the persons of the variant's age band."""
        own = question.variant in self.denominators and question.variant != accounts.STANDARD
        bands = self.denominators[question.variant if own else accounts.STANDARD]
        counted = question._replace(variant=accounts.STANDARD) if own else question
        above = indicators()[self.numerator].figure(counted, tables)
        below = persons_on(tables, question, bands[question.population_group], self.date)
        return Formula("quotient", (above, below), self.scale)

    def made_of(self) -> dict[str, list[str]]:
        """What is above the line."""
        return {"numerator": [self.numerator]}

    def persons(self) -> list[str]:
        """Who is counted above the line; amounts count nobody."""
        return [self.numerator] if indicators()[self.numerator].persons() else []

    @property
    def scale(self) -> float:
        """How many persons the unit is per."""
        return PER.get(self.unit, 1.0)

    @property
    def bands(self) -> set[str]:
        """The age bands of the standard reading."""
        return set(self.denominators[accounts.STANDARD].values()) & set(catalogue().age_bands)


class UnitCost(Kind):
    """Expenditure per recipient; `leave_out` are functions, by category, that have no recipients in the source."""

    kind: Literal["unit_cost"]
    unit: Literal["kr"]
    numerator: str
    denominators: list[str]
    leave_out: dict[str, list[str]]

    def compute(self, tables: Tables) -> pd.DataFrame:
        """Fixed-price expenditure per recipient; not applicable where either is zero or less."""
        numerator = indicators()[self.numerator]
        amounts = numerator.base(tables)
        for category in self.leave_out:
            only = self._counted_functions(category)
            amounts = amounts[amounts["category"] != category]
            if tables.facts["expenditure"]["function"].isin(only).any():
                narrowed = numerator.base(tables, only)
                amounts = pd.concat([amounts, narrowed[narrowed["category"] == category]], ignore_index=True)
        amounts = amounts[amounts["variant"] == accounts.STANDARD]
        parts = [amounts.head(0).assign(note="")]
        for people in (indicators()[name].base(tables) for name in self.denominators):
            if people is None:
                continue
            local = people["area_code"].isin(areas.municipalities())
            cells = people[["area_code", *CELL_KEYS, "value", "status", "origin"]]
            rows = [rates_of(amounts, cells[local], CELL_KEYS)]
            if not local.all():
                whole = whole_areas(amounts, CELL_KEYS)
                rows.append(direct(whole.merge(cells[~local], on=["area_code", *CELL_KEYS], suffixes=("", "_below"))))
            parts += [with_breaks(part, people) for part in rows]
        table = pd.concat(parts, ignore_index=True)
        senseless = (table["value"] <= 0).to_numpy()
        status = table["status"].mask(senseless, "not_applicable")
        return table.assign(value=table["value"].mask(senseless), status=status)

    def _counted_functions(self, category: str) -> frozenset[str]:
        """The functions of a category that have recipients in the source."""
        return frozenset(account_rules.functions_of(category) - set(self.leave_out[category]))

    def operands(self, question: Question, tables: Tables) -> Formula:
        """Expenditure over the recipients of the first source that counts the category."""
        left_out = self.leave_out.get(question.category, [])
        only = self._counted_functions(question.category) if left_out else None
        above = indicators()[self.numerator].figure(question, tables, only)
        counting = (indicators()[name] for name in self.denominators)
        recipients = next(one for one in counting if one.counting(question.population_group, question.category))
        functions = danish.listed([account_rules.printed_number(function) for function in left_out])
        note = f"Uden funktion {functions}, som ikke har modtagere i kilden." if left_out else ""
        return Formula("quotient", (above, recipients.figure(question, tables)), note=note, positive=True)

    def made_of(self) -> dict[str, list[str]]:
        """The expenditure and the recipients."""
        return {"numerator": [self.numerator], "denominators": self.denominators}

    def persons(self) -> list[str]:
        """The recipients."""
        return self.denominators


class Weight(BaseModel):
    """The age band and the date (month-day) whose persons weigh the municipalities of an area."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    age_band: str
    date: MonthDay


class GivenRate(Kind):
    """A rate that the source delivers ready-made by municipality."""

    kind: Literal["given_rate"]
    unit: Literal["pct", "pr_1000"]
    table: str
    select: dict[str, str]
    weight: Weight
    prefer: str = ""

    def facts(self, raw: Path, edition: Edition, delivered: set[str]) -> tuple[pd.DataFrame | None, list[Finding]]:
        """The rates of the table."""
        return rates.build(raw, edition, self.table, self.select) if self.table in delivered else (None, [])

    def compute(self, tables: Tables) -> pd.DataFrame | None:
        """Rates by municipality as the source has them, and by area weighted with the persons nearest the date."""
        rows = self._by_municipality(tables)
        if rows is None:
            return None
        weights = tables.nearest(self.weight.age_band, self.weight.date, rows["year"]).drop(columns="quarter")
        below = rows[["area_code", "year", "origin"]].merge(
            weights, on=["area_code", "year"], how="left", suffixes=("_", "")
        )
        below["status"] = below["status"].fillna("missing")
        below["origin"] = below["origin"].fillna(below.pop("origin_"))
        above = rows.assign(value=rows["value"] * below["value"].to_numpy())
        areal = rates_of(above, below, ["year"])
        areal = areal[areal["area_code"].isin(areas.aggregates())]
        table = pd.concat([rows.assign(note=""), areal], ignore_index=True)
        group = catalogue().age_bands[self.weight.age_band].population_group
        return table.assign(population_group=group, category=accounts.TOTAL, variant=accounts.STANDARD)

    def _by_municipality(self, tables: Tables) -> pd.DataFrame | None:
        """The given rates, replaced by counts over persons in the years that have those; counts alone without rates."""
        given, counted = tables.facts.get(self.code), self._better_counts(tables)
        if counted is None:
            return given
        below = tables.nearest(self.weight.age_band, self.weight.date, counted["year"]).drop(columns="quarter")
        computed = rates_of(counted, below, ["year"], PER[self.unit]).drop(columns="note")
        computed = computed[computed["area_code"].isin(areas.municipalities())]
        if given is None:
            return computed.reset_index(drop=True)
        return pd.concat([computed, given[~given["year"].isin(computed["year"])]], ignore_index=True)

    def _better_counts(self, tables: Tables) -> pd.DataFrame | None:
        """The counts that give the same rate, where they rest on figures at least as good as the given ones."""
        if self.prefer not in tables.facts:
            return None
        counted = tables.facts[self.prefer]
        counted = counted[counted["category"] == accounts.TOTAL][["area_code", "year", "value", "status", "origin"]]
        given = tables.facts.get(self.code)
        worse = given is not None and (
            counted["origin"].map(ORIGINS.index).max() > given["origin"].map(ORIGINS.index).max()
        )
        return None if worse else counted

    def weighed_by(self, group: str, category: str) -> str:
        """The band that weighs the municipalities."""
        del group, category
        return self.weight.age_band

    def operands(self, question: Question, tables: Tables) -> Formula:
        """The municipalities' rates, each the source's own or counts over persons, weighted with persons."""
        band = self.weight.age_band
        how = f"kommunernes tal vægtet med antal {band}-årige: sum af tal × personer / sum af personer"
        given = question.year not in tables.once(("counted years", self.code), lambda: self._counted_years(tables))
        people = persons_on(tables, question, band, self.weight.date)
        rate = self.figure(question, tables) if given else self._counted_figure(question, tables, people)
        return Formula("mean", (rate, people), how=how)

    def _counted_years(self, tables: Tables) -> set[int]:
        counted = self._better_counts(tables)
        return set() if counted is None else set(counted["year"].tolist())

    def figure(self, question: Question, tables: Tables, only: frozenset[str] | None = None) -> Figure:
        """The rates as the source has them."""
        del tables, only
        cells = rates.cells(self.code, self.table, self.select)

        def of(area: str) -> Cell:
            return Cell(cells, (area, question.year), areas.name(area), labels().units_beside[self.unit])

        return Figure((self.code, "given", question.year), self.code, self.name, self.unit, of)

    def _counted_figure(self, question: Question, tables: Tables, people: Figure) -> Figure:
        counted = indicators()[self.prefer].figure(question._replace(category=accounts.TOTAL), tables)
        made = Formula("quotient", (counted, people), PER[self.unit])
        return Figure((self.code, "counted", question.year), self.prefer, self.name, self.unit, lambda _: made)

    def made_of(self) -> dict[str, list[str]]:
        """The counts that may replace the rate."""
        return {"prefer": [self.prefer] if self.prefer else []}

    def persons(self) -> list[str]:
        """Counts that the rate tells, before the rate itself."""
        shares = [name for name, entry in indicators().items() if entry.share_told == self.code]
        return [*([self.prefer] if self.prefer else []), *shares, self.code]

    @property
    def whole(self) -> str:
        """The age band that the rate is of."""
        return self.weight.age_band

    @property
    def ready_made(self) -> bool:
        """The source gives it."""
        return True


class ShareOfPopulation(Kind):
    """Persons as a share in per cent times an age band at a date (month-day)."""

    kind: Literal["share_of_population"]
    unit: Literal["antal"]
    share: str
    age_band: str
    date: MonthDay

    def compute(self, tables: Tables) -> pd.DataFrame | None:
        """Persons by municipality and area."""
        if self.share not in tables.facts:
            return None
        share = tables.facts[self.share]
        people = tables.nearest(self.age_band, self.date, share["year"]).drop(columns="quarter")
        both = share.merge(people, on=["area_code", "year"], suffixes=("", "_people"))
        origins = zip(both["origin"], both["origin_people"], strict=True)
        rows = both[["area_code", "year", "status"]].assign(
            value=both["value"] * both["value_people"] / PER["pct"],
            origin=[weakest(pair) for pair in origins],
            population_group=catalogue().age_bands[self.age_band].population_group,
            category=accounts.TOTAL,
            variant=accounts.STANDARD,
        )
        return with_summed_areas(rows, CELL_KEYS)

    def weighed_by(self, group: str, category: str) -> str:
        """The band that the share is of."""
        del group, category
        return self.age_band

    def operands(self, question: Question, tables: Tables) -> Formula:
        """The persons of the municipalities, each its share times its persons."""
        of_share = indicators()[self.share]
        people = persons_on(tables, question, self.age_band, self.date)
        share = of_share.figure(question, tables)
        made = Formula("product", (share, people), 1 / PER["pct"], how="andel × personer / 100")
        name = (self.code, question.year)
        return Formula("sum", (Figure(name, self.share, self.name, self.unit, lambda _: made),))

    def made_of(self) -> dict[str, list[str]]:
        """The share."""
        return {"share": [self.share]}

    def persons(self) -> list[str]:
        """These persons."""
        return [self.code]

    @property
    def share_told(self) -> str:
        """The share that they are counted from."""
        return self.share


class Delivered(Kind):
    """Shares by region that a delivery holds ready-made, of an age band by population group or of another share."""

    of_few: ClassVar[bool] = True

    kind: Literal["delivered"]
    unit: Literal["pct"]
    table: str
    share_of: dict[str, str] | str

    def compute(self, tables: Tables) -> pd.DataFrame:
        """The figures as they were delivered."""
        rows = tables.facts["diagnoses"]
        rows = rows[rows["indicator"] == self.code].drop(columns="indicator")
        return rows.assign(variant=accounts.STANDARD, note="")

    def operands(self, question: Question, tables: Tables) -> Formula:
        """The cell of the workbook that the figure stands in."""
        del tables
        cells, own = diagnoses.cells(self.code), (question.year, question.population_group, question.category)

        def of(area: str) -> Cell:
            return Cell(cells, (area, *own), areas.name(area), labels().units_beside[self.unit])

        return Formula("sum", (Figure((self.code, *own), self.code, self.name, self.unit, of, whole=True),))

    def persons(self) -> list[str]:
        """Those that the share is."""
        return [self.code]

    @property
    def whole(self) -> Mapping[str, str] | str:
        """What the share is of."""
        return self.share_of


class Modelled(Kind):
    """Figures of the shelter model: computed from facts when a notebook asks, no rows among the key figures."""

    modelled: ClassVar[bool] = True

    kind: Literal["modelled"]
    population_group: str
    category: str
    unit: Literal["kr", "antal", "pct", "kr_pr_doegn", "doegn"]

    def compute(self, tables: Tables) -> None:
        """No rows."""
        del tables


schema = pa.DataFrameSchema(
    {
        "indicator": pa.Column(str, pa.Check(lambda names: names.isin(indicators()))),
        "area_code": pa.Column(str, pa.Check(lambda codes: codes.isin(areas.reported_areas()))),
        "population_group": pa.Column(str, pa.Check.isin(["boern_og_unge", "voksne", "alle"])),
        "category": pa.Column(str),
        "year": pa.Column(int),
        "variant": pa.Column(str),
        "value": pa.Column(float, nullable=True),
        "unit": pa.Column(str, pa.Check.isin(UNITS)),
        "status": pa.Column(str, pa.Check.isin(STATUSES)),
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
        "note": pa.Column(str),
        "coverage": pa.Column(float, pa.Check.in_range(0, 1)),
        "evidence": pa.Column(str, pa.Check.isin(EVIDENCE)),
        "printed": pa.Column(str),
    },
    unique=KEYS,
    strict=True,
    ordered=True,
)


def key_figures(edition: Edition, facts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All key figures of an edition: one row per indicator, area, population group, category, year and variant.

    `facts`: as `Tables` takes them. Returns the contract's columns; `note` names municipalities that an area lacks and
    breaks in a series. Series of areas that lack some are there as `panel` too: the same municipalities every year.
    """
    tables = Tables(edition, facts)
    standard = _computed(tables, list(indicators()))
    sizes = coverage.Sizes(standard)
    parts = [coverage.told(standard, sizes, edition.coverage)]
    for left_out, series in coverage.panels(parts[0]).items():
        rows = _computed(tables.without(left_out), sorted(set(series["indicator"])))
        rows = coverage.told(rows, sizes, edition.coverage)
        rows = rows[rows["variant"] == accounts.STANDARD].merge(series, on=coverage.SERIES)
        parts.append(rows.assign(variant=PANEL))
    table = with_evidence(pd.concat(parts, ignore_index=True), edition)[COLUMNS].sort_values(KEYS, ignore_index=True)
    text = [column for column in COLUMNS if column not in ("year", "value", "coverage")]
    return schema.validate(table.astype(dict.fromkeys(text, "str")))


def _computed(tables: Tables, names: list[str]) -> pd.DataFrame:
    """The rows of some indicators, before anything is said of how much of an area they are of."""
    parts = []
    for name in names:
        kind = indicators()[name]
        rows = kind.compute(tables)
        if rows is not None:
            cells = rows[["population_group", "category"]].drop_duplicates()
            bands = {cell: kind.weighed_by(*cell) for cell in cells.itertuples(index=False, name=None)}
            of = [bands[cell] for cell in zip(rows["population_group"], rows["category"], strict=True)]
            parts.append(rows.assign(indicator=name, unit=kind.unit, band=of))
    return pd.concat(parts, ignore_index=True)
