"""The rules that look at the data: their declarations, what they found, and the checks of the raw figures.

Rules report in Danish and never change a figure. FATAL and ERROR stop the build, WARNING and INFO do not.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from analysis.danish import STATUS_SYMBOLS, listed, missing, number
from analysis.declared import read_declared
from analysis.edition import reference_folder
from analysis.errors import DeclaredError, InputError
from analysis.rows import Severity

BLOCKING = ("FATAL", "ERROR")
# The rule of a refusal that no other rule is about.
ANY_REFUSAL = "AFVIST-01"
# Of a list in an error.
NAMED = 8
Size = Literal["amount", "count", "population", "rate"]


class Finding(BaseModel):
    """One thing a rule found: which rule, how serious, in which table, and a Danish sentence.

    `about`: the municipalities, categories (empty: all of the table) and years whose key figures it is about. `origin`:
    that of the table; what is found in reconstructed figures says nothing of a municipality.
    """

    model_config = ConfigDict(frozen=True)

    rule: str
    severity: Severity
    table: str
    text: str
    about: tuple[tuple[str, str, int], ...] = ()
    origin: str = ""


class BlockedError(InputError):
    """Rules found what would make a key figure wrong; `findings` holds everything that the checks found."""

    def __init__(self, findings: list[Finding]) -> None:
        """Say the first finding that stops the build, and how many more there are."""
        self.findings = findings
        stopping = [finding for finding in findings if finding.severity in BLOCKING]
        first = stopping[0]
        more = f" (and {len(stopping) - 1} more: run `noegletal quality`)" if len(stopping) > 1 else ""
        super().__init__(f"{first.rule} {first.table}: {first.text}{more}", rule=first.rule)


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Rule(_Declared):
    """A rule: how serious, where it looks, what it says and what that means.

    `mark`: what is said of a municipality in the note of each key figure that a finding is about.
    """

    severity: Severity
    scope: str
    what: str
    explanation: str
    mark: str = ""


class Kinds(_Declared):
    """The kinds of REGK100 beside the net, and how far they may be from adding up."""

    gross: str
    income: str
    main: tuple[str, ...]
    tolerance_kroner: float
    tolerance_share: float
    largest_file_bytes: int


class UnitShift(_Declared):
    """How many times larger or smaller than the year before a total may be, for a municipality of some size."""

    factor: float = Field(gt=1)
    at_least: float


class Jump(_Declared):
    """A change that is named: by at least this factor and this much.

    `order`: how alike (rank correlation) the municipalities' order must be in two years, for what has no size.
    """

    rule: str
    indicators: tuple[str, ...]
    factor: float = Field(gt=1)
    amount: float
    order: float = 0


class PriceStep(_Declared):
    """How many per cent a price index may change in a year."""

    lowest: float
    highest: float


class Unauthorised(_Declared):
    """The grouping for accounts without authority, and the share of a municipality's expenditure it may have."""

    grouping: str
    share: float


class Range(_Declared):
    """What an indicator usually is, by category: as it is, or per person of an age band (`per`) times `scale`.

    `ready`: the figure is that rate itself. `at_least`: what the amount, or the lowest it could be, must come to before
    it is looked at. `apart`: which share of a category may lie in other areas than the inhabitants do.
    """

    indicator: str
    population_group: str
    per: str = ""
    scale: float = Field(default=1, gt=0)
    ready: bool = False
    at_least: float
    usual: dict[str, tuple[float, float]]
    apart: dict[str, float] = {}

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        wrong = [category for category, (low, high) in self.usual.items() if not 0 <= low < high]
        if wrong:
            raise ValueError(f"usual.{wrong[0]} must be [lowest, highest]")
        return self


class Gap(_Declared):
    """Which share of an area's total, and how much, may be absent for a year: beyond it a warning, or an error."""

    warning: float
    error: float
    at_least: float


class Identity(_Declared):
    """What codes of one variable of a raw table must add up to, or must each lie below (`each`).

    Without `parts` every other code is one. `tolerance`: the share of the whole that rounding may move.
    """

    table: str
    over: str
    whole: str
    parts: frozenset[str] = frozenset()
    relation: Literal["sum", "each"]
    tolerance: float


class Order(_Declared):
    """An indicator's category that is at least another's, or at least each of its own other categories."""

    indicator: str
    category: str
    at_least: str


class Control(_Declared):
    """How far REGK100 may be from REGK31 before a figure would be wrong, as a share and in kroner."""

    share: float
    kroner: float


class Vintage(_Declared):
    """How far the same cells may be from those of the last vintage: a municipality by a factor, a table by a share."""

    factor: float = Field(gt=1)
    share: float


class Thresholds(_Declared):
    """How much is too much, with the reasons in quality.yml."""

    own_rows_share: float
    control: Control
    # By table the municipalities that are left out all the same, with the years.
    every_municipality: dict[str, dict[str, tuple[int, ...]]]
    gaps: dict[str, Gap]
    widespread: float
    vintage: Vintage
    identities: tuple[Identity, ...]
    orders: tuple[Order, ...]
    ranges: tuple[Range, ...]
    range_factor: float = Field(gt=1)
    jumping_share: float
    price_step: PriceStep
    units: dict[Size, UnitShift]
    ownership_share: float
    unauthorised: Unauthorised
    negative_after_kroner: float
    jumps: tuple[Jump, ...]
    cost_without_recipients_kroner: float
    few_recipients: float
    revisions: tuple[Jump, ...]
    named: int


class Catalogue(_Declared):
    """Everything declared in `data/reference/quality.yml`."""

    rules: dict[str, Rule]
    expected_areas: frozenset[str]
    units: dict[str, tuple[str, ...]]
    official_municipalities: str
    kinds: Kinds
    thresholds: Thresholds

    @model_validator(mode="after")
    def _complete(self) -> "Catalogue":
        unknown = {jump.rule for jump in (*self.thresholds.jumps, *self.thresholds.revisions)} - set(self.rules)
        if unknown:
            raise ValueError(f"thresholds name a rule that is not declared: {', '.join(sorted(unknown))}")
        absent = set(get_args(Size)) - set(self.thresholds.units)
        if absent:
            raise ValueError(f"thresholds.units lacks {', '.join(sorted(absent))}")
        if ANY_REFUSAL not in self.rules:
            raise ValueError(f"rules lacks {ANY_REFUSAL}")
        return self


@lru_cache
def catalogue() -> Catalogue:
    """The rules and their thresholds; errors name the entry and the field."""
    path = reference_folder() / "quality.yml"
    return read_declared(path, Catalogue)


def found(rule: str, table: str, text: str, about: Iterable[tuple[str, str, int]] = ()) -> Finding:
    """A finding with the severity that quality.yml gives its rule. Errors: it gives none."""
    rules = catalogue().rules
    if rule not in rules:
        raise DeclaredError(f"quality.yml: rule {rule} is not declared: add it with severity and text ({text})")
    return Finding(rule=rule, severity=rules[rule].severity, table=table, text=text, about=tuple(about))


def refusal(error: InputError) -> Finding:
    """A refusal to read or compute as a finding of the rule that it names."""
    return found(error.rule or ANY_REFUSAL, "", str(error))


def require_sound(findings: list[Finding]) -> None:
    """Stop a build whose figures would be wrong. Errors: a FATAL or ERROR finding; a rule that is not declared."""
    rules = catalogue().rules
    for finding in findings:
        if finding.rule not in rules:
            raise InputError(f"rule {finding.rule} is not declared in quality.yml: add it with severity and text")
    if any(finding.severity in BLOCKING for finding in findings):
        raise BlockedError(findings)


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The findings with the most serious first, otherwise in the order they were found."""
    order = get_args(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def of_largest(texts: list[str]) -> str:
    """What is named of a list sorted by size: the first few, and how many more there are."""
    named = catalogue().thresholds.named
    return listed(texts[:named] + ([f"{number(len(texts) - named)} andre"] if len(texts) > named else []))


def few(items: Sequence[str], separator: str = ", ") -> str:
    """The first items of a list, and how many more there are."""
    shown = separator.join(items[:NAMED])
    return shown if len(items) <= NAMED else f"{shown} and {len(items) - NAMED} more"


def exact(value: float | None) -> str:
    """A figure with as many decimals as it has, at most six, such as 12,5; a missing one is its symbol."""
    if missing(value):
        return STATUS_SYMBOLS["missing"]
    return number(value, len(f"{value:.6f}".rstrip("0").partition(".")[2]))
