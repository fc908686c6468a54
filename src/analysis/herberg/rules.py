"""The rules, dates and assumptions of the shelter model, as declared in `data/reference/shelter_rules.yml`.

Shares and growth are in pct. (0-100). Texts are Danish: a reader of the report sees them.
"""

import datetime
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from analysis.declared import read_declared
from analysis.edition import reference_folder
from analysis.errors import InputError

Side = Literal["low", "mean", "high"]
Share = Annotated[float, Field(ge=0, le=100)]
Growth = Annotated[float, Field(gt=-50, lt=50)]
Text = Annotated[str, Field(min_length=1)]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ceiling(_Declared):
    """The highest takst per døgn, in the prices of a year."""

    rate: float = Field(gt=0)
    price_year: int
    source: Text
    reason: Text


class PriceYear(_Declared):
    """Days that a place in use all year is paid for."""

    days: int = Field(ge=360, le=366)
    source: Text


class Limit(_Declared):
    """The days per running year that the state refunds, from a date on."""

    from_date: datetime.date = Field(alias="from")
    days: int = Field(ge=0, le=366)


class Refund(_Declared):
    """The state's share of the cost of the first days, and the limits on them by date."""

    share: Share
    limits: tuple[Limit, ...] = Field(min_length=1)
    source: Text

    @model_validator(mode="after")
    def _in_order(self) -> "Refund":
        dates = [limit.from_date for limit in self.limits]
        if dates != sorted(set(dates)):
            raise ValueError("limits must be ordered by `from`, each date once")
        return self


class Event(_Declared):
    """A step on the way to the new model, worded in Danish."""

    date: datetime.date
    text: Text
    source: Text


class Timeline(_Declared):
    """From information to contracts; the decision and the contracts also time the price path."""

    informed: Event
    task: Event
    decision: Event
    tender: Event
    contracts: Event

    @model_validator(mode="after")
    def _in_order(self) -> "Timeline":
        if self.decision.date.year >= self.contracts.date.year:
            raise ValueError("contracts must begin in a year after the decision")
        return self


class Horizon(_Declared):
    """The last year of the scenarios."""

    last_year: int
    reason: Text


class Need(_Declared):
    """A side of the forecast, and the growth per year where there is no forecast."""

    forecast: Side
    yearly_growth: Growth
    reason: Text


class LengthOfStay(_Declared):
    """A change of the mean stay that is complete in the year `by`."""

    change: float = Field(gt=-100, lt=100)
    by: int
    reason: Text


class PricePath(_Declared):
    """Real growth of takster per year, and the share of the way to the ceiling when the contracts begin."""

    yearly_growth: Growth
    ceiling_share: Share
    reason: Text


class Scenario(_Declared):
    """One set of assumptions about need, stays and prices."""

    label: Text
    need: Need
    length_of_stay: LengthOfStay
    price: PricePath


class Assumption(_Declared):
    """What holds in every scenario, and where it is from."""

    text: Text
    source: Text


class Span(_Declared):
    """The low and the high value of a variable."""

    label: Text
    unit: Text
    low: float
    high: float
    reason: Text

    @model_validator(mode="after")
    def _in_order(self) -> "Span":
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        return self


class ShareSpan(Span):
    """A span of shares."""

    low: Share
    high: Share


class OccupancySpan(ShareSpan):
    """A span of occupancies; no place is never in use."""

    low: float = Field(gt=0, le=100)


class DaySpan(Span):
    """A span of days in a year."""

    low: int = Field(ge=0, le=366)
    high: int = Field(ge=0, le=366)


class Variables(_Declared):
    """The spans of the sensitivity analysis; ties keep this order."""

    need: Span
    length_of_stay: Span
    rate: Span
    ceiling_share: ShareSpan
    refund_days: DaySpan
    occupancy: OccupancySpan


class Sensitivity(_Declared):
    """The scenario in the middle and the spans around it."""

    scenario: str
    variables: Variables


class Guess(_Declared):
    """A low, middle and high value that no delivery replaces yet."""

    low: float = Field(ge=0)
    middle: float
    high: float
    reason: Text

    @model_validator(mode="after")
    def _in_order(self) -> "Guess":
        if not self.low <= self.middle <= self.high:
            raise ValueError("low, middle and high must be in order")
        return self


class ShareGuess(Guess):
    """A guess at a share."""

    high: Share


class StayLimits(_Declared):
    """The share of citizens that leave when the refunded days are used."""

    leaving: ShareGuess


class SupportRefund(_Declared):
    """The state's share of support in the citizen's own home, and for how many years."""

    share: Share
    years: int = Field(ge=0)
    source: Text


class HousingFirst(_Declared):
    """Who moves to a home of their own, who stays there, and what the support costs in kroner per year."""

    uptake: ShareGuess
    staying: ShareGuess
    support_cost: Guess
    support_refund: SupportRefund


class Rules(_Declared):
    """Everything declared in `data/reference/shelter_rules.yml`."""

    ceiling: Ceiling
    days_in_price_year: PriceYear
    refund: Refund
    timeline: Timeline
    horizon: Horizon
    scenarios: dict[str, Scenario] = Field(min_length=1)
    assumptions: tuple[Assumption, ...] = Field(min_length=1)
    sensitivity: Sensitivity
    stay_limits: StayLimits
    housing_first: HousingFirst

    @model_validator(mode="after")
    def _known_scenario(self) -> "Rules":
        if self.sensitivity.scenario not in self.scenarios:
            raise ValueError(
                f"sensitivity.scenario {self.sensitivity.scenario!r} is not among {', '.join(self.scenarios)}"
            )
        return self


@lru_cache
def rules() -> Rules:
    """The rules and assumptions; errors name the file and the field."""
    path = reference_folder() / "shelter_rules.yml"
    return read_declared(path, Rules)


def scenario(name: str) -> Scenario:
    """A scenario by its name; an unknown one is an error that lists those there are."""
    if name not in rules().scenarios:
        raise InputError(f"scenario {name!r} is not in shelter_rules.yml; it has: {', '.join(rules().scenarios)}")
    return rules().scenarios[name]
