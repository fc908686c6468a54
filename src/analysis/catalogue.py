"""The catalogue of key figures: what each is, how it is made and what is said of it."""

from functools import lru_cache
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from analysis import danish
from analysis.danish import MoneyUnit, money_unit
from analysis.declared import read_declared
from analysis.edition import Edition, reference_folder
from analysis.rows import labels

# Kroner below this are shown in full, so that a price per person does not become 0,4 mio. kr.
LARGE_AMOUNT = 1e7

# What is declared for readers is set as all else they read.
Text = Annotated[str, AfterValidator(danish.held)]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AgeBand(_Declared):
    """Ages from first to last, both included."""

    first: int
    last: int
    population_group: str


class _Described(_Declared):
    name: str
    unit: Literal["kr", "kr_pr_indbygger", "antal", "pct", "pr_1000"]
    decimals: int
    definition: Text
    averaging: Text
    sources: list[str]
    source_line: str
    caveats: list[str]


class Amount(_Described):
    """Kroner by category, in current prices or in those of the edition."""

    kind: Literal["amount"]
    prices: Literal["current", "fixed"]


class Population(_Described):
    """Persons by age band."""

    kind: Literal["population"]


class Rate(_Described):
    """An amount or count over the persons of an age band, by variant and population group."""

    kind: Literal["rate"]
    numerator: str
    denominators: dict[str, dict[str, str]]
    scale: float = 1.0


class Break(_Declared):
    """A year in which what a category counts was widened or narrowed."""

    category: str
    year: int
    text: str


class CountedTable(_Declared):
    """How a table's codes become counts: which variable holds the codes, and which codes make which category."""

    table: str
    level: Literal["municipality", "region"]
    population_group: str
    variable: str
    categories: dict[str, list[str]]
    select: dict[str, str] = {}
    breaks: list[Break] = []


class Count(_Described):
    """Persons, services or notifications counted by the codes of one or more tables."""

    kind: Literal["count"]
    counts: list[CountedTable]


class UnitCost(_Described):
    """Expenditure per recipient; `leave_out` are functions, by category, that have no recipients in the source."""

    kind: Literal["unit_cost"]
    numerator: str
    denominators: list[str]
    leave_out: dict[str, list[str]]


class ShareOfPopulation(_Described):
    """Persons as a share in per cent times an age band at a date (month-day)."""

    kind: Literal["share_of_population"]
    share: str
    age_band: str
    date: str = Field(pattern=r"^[0-9]{2}-[0-9]{2}$")


class Delivered(_Described):
    """Shares by region that a delivery holds ready-made, of an age band by population group or of another share."""

    kind: Literal["delivered"]
    table: str
    share_of: dict[str, str] | str


class Modelled(_Described):
    """Figures of the shelter model: computed from facts when a notebook asks, no rows among the key figures."""

    kind: Literal["modelled"]
    population_group: str
    category: str
    unit: Literal["kr", "antal", "pct", "kr_pr_doegn", "doegn"]


class Weight(_Declared):
    """The age band and the date (month-day) whose persons weigh the municipalities of an area."""

    age_band: str
    date: str = Field(pattern=r"^[0-9]{2}-[0-9]{2}$")


class GivenRate(_Described):
    """A rate that the source delivers ready-made by municipality."""

    kind: Literal["given_rate"]
    table: str
    select: dict[str, str]
    weight: Weight
    ceiling: float
    prefer: str = ""


Indicator = Annotated[
    Amount | Population | Rate | GivenRate | Count | UnitCost | ShareOfPopulation | Delivered | Modelled,
    Field(discriminator="kind"),
]


class Catalogue(_Declared):
    """Everything declared in `data/reference/indicators.yml`."""

    age_bands: dict[str, AgeBand]
    indicators: dict[str, Indicator]
    caveats: dict[str, Text]


@lru_cache
def catalogue() -> Catalogue:
    """The catalogue of indicators; errors name the entry and the field."""
    path = reference_folder() / "indicators.yml"
    return read_declared(path, Catalogue)


def source_line(indicator: str, edition: Edition) -> str:
    """Where an indicator comes from as a reader is told: its source, with the price level of fixed prices."""
    line = catalogue().indicators[indicator].source_line
    return f"{line}, {edition.price_level}-pl" if "faste priser" in line else line


def subject(rows: pd.DataFrame) -> str:
    """What labelled rows of one indicator and category are about: `Udgifter pr. indbygger (Botilbud)`."""
    first = rows.iloc[0]
    return f"{catalogue().indicators[first['indicator']].name} ({first['label']})"


def shown_unit(indicator: str, values: pd.Series) -> MoneyUnit:
    """What figures of an indicator read well in: large amounts as `danish.money_unit`, everything else as it is."""
    entry = catalogue().indicators[indicator]
    if entry.unit == "kr" and values.abs().max() >= LARGE_AMOUNT:
        return money_unit(values)
    return MoneyUnit(1.0, labels().units[entry.unit].counted, entry.decimals)


def adds_up(indicator: str) -> bool:
    """Whether an area's figure is the sum of its municipalities, so that areas of different size do not compare."""
    entry = catalogue().indicators[indicator]
    return entry.unit in ("kr", "antal") and entry.kind != "unit_cost"
