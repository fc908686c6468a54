"""The catalogue of key figures: what each is, how it is made and what is said of it."""

from functools import lru_cache
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from analysis import accounts, danish
from analysis.danish import MoneyUnit, money_unit
from analysis.declared import read_declared
from analysis.edition import Edition, reference_folder
from analysis.rows import labels

DECLARED_IN = "indicators.yml"
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


class Indicator(BaseModel):
    """What is said of a key figure, whatever its kind; the other fields of its entry say how its kind makes it.

    Each kind is a class in `noegletal.figures.kinds`, which also declares those fields. `source_lines`: of population
    groups that come from some of the sources. `adds_up`: whether an area's
    figure is the sum of its municipalities'; amounts and counts do unless their entry says otherwise. `axis`: what the
    axis of a chart says instead of the unit, and `axis_per`: how much of the unit it counts as one.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    name: str
    unit: Literal["kr", "kr_pr_indbygger", "antal", "pct", "pr_1000", "kr_pr_doegn", "doegn"]
    decimals: int
    definition: Text
    averaging: Text
    sources: list[str]
    source_line: str
    source_lines: dict[str, str] = {}
    caveats: list[str]
    axis: str = ""
    axis_per: float = 1
    adds_up: bool = Field(default_factory=lambda entry: entry.get("unit") in ("kr", "antal"))


class Catalogue(_Declared):
    """Everything declared in `data/reference/indicators.yml`."""

    age_bands: dict[str, AgeBand]
    indicators: dict[str, Indicator]
    caveats: dict[str, Text]


@lru_cache
def catalogue() -> Catalogue:
    """The catalogue of indicators; errors name the entry and the field."""
    return read_declared(reference_folder() / DECLARED_IN, Catalogue)


def source_line(indicator: str, edition: Edition, group: str = "") -> str:
    """Where an indicator (of a population group) comes from as a reader is told, with the level of fixed prices."""
    entry = catalogue().indicators[indicator]
    line = entry.source_lines.get(group, entry.source_line)
    return f"{line}, {edition.price_level}-pl" if "faste priser" in line else line


def subject(rows: pd.DataFrame) -> str:
    """What labelled rows of one indicator and category are about: `Udgifter pr. indbygger (Botilbud)`."""
    first = rows.iloc[0]
    return f"{catalogue().indicators[first['indicator']].name} ({first['label']})"


def shown(rows: pd.DataFrame) -> str:
    """What rows of key figures show, without finding anything in it: Udgifter i faste priser (voksne), 2020-2024."""
    if rows.empty or not {"indicator", "population_group", "category", "year"} <= set(rows.columns):
        return "Egne tal"
    names = [catalogue().indicators[name].name for name in dict.fromkeys(rows["indicator"])]
    said = danish.listed([names[0], *(danish.running(name) for name in names[1:])])
    cells = rows[["population_group", "category"]].drop_duplicates()
    groups = set(cells["population_group"]) - {accounts.ALL_GROUPS}
    if len(cells) == 1 and cells["category"].iloc[0] != accounts.TOTAL and len(names) == 1:
        said += f" ({danish.running(accounts.label(*cells.iloc[0]))})"
    elif len(groups) == 1:
        said += f" ({labels().groups[groups.pop()]})"
    if "measure" in rows.columns and rows["measure"].isin(["growth", "change"]).all():
        said = f"Ændring: {danish.running(said)}"
        years = sorted({int(rows["since"].min()), rows["year"].max()})
    else:
        years = sorted({rows["year"].min(), rows["year"].max()})
    return f"{said}, {'-'.join(map(str, years))}"


def shown_unit(indicator: str, values: pd.Series) -> MoneyUnit:
    """What figures of an indicator read well in: large amounts as `danish.money_unit`, everything else as it is."""
    entry = catalogue().indicators[indicator]
    if entry.unit == "kr" and values.abs().max() >= LARGE_AMOUNT:
        return money_unit(values)
    return MoneyUnit(1.0, labels().units[entry.unit].counted, entry.decimals)


def adds_up(indicator: str) -> bool:
    """Whether an area's figure is the sum of its municipalities, so that areas of different size do not compare."""
    return catalogue().indicators[indicator].adds_up
