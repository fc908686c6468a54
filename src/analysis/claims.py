"""What may be said of figures: the one place that decides it, from what a title or a sentence rests on."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal, Protocol

import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis import areas, danish, measures
from analysis.catalogue import catalogue, shown
from analysis.declared import read_declared
from analysis.edition import reference_folder
from analysis.errors import InputError
from analysis.rows import CONTRIBUTION, EVIDENCE, EXAMPLE, GROWTH, evidence, weakest

# What a claim can find, the strongest first.
KINDS = ("growth", "comparison", "extreme", "rank", "share", "level", "test")
# What a few people more or less move.
SWINGING = ("growth", "comparison", "extreme", "rank")
# What became of a section's claims, beside its outputs.
CLAIMS = "facts/claims.json"
Outcome = Literal["stated", "softened", "example", "withheld"]
# At the end of a sentence, but for that of an abbreviation.
FULL_STOP = re.compile(r"(?<!\bpct)(?<!\bkr)(?<!\bmi[ao])\.$")
# What a text may hold that rests on nothing: years, ages and laws are names.
NAMES = re.compile(r"(?:19|20)\d\d|\d+-\d+(?:-årig\w*|\s+år)|pr\.\s1\.000|§+\s\d+\w?")
# A figure, or a word that compares.
FINDS = re.compile(
    r"\d|\b(?:steget|faldet|stiger|falder|uændrede?|højere|lavere|(?:høj|lav|stør|mind|dyr|fl|færr)e?ste?|flere|færre)\b",
    re.I,
)


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reason(_Declared):
    """Why a claim is not stated as it is written: its name for readers, and the words that soften it, if any do."""

    name: str
    words: str = ""


class ClaimRules(_Declared):
    """What `data/reference/claims.yml` declares."""

    smallest_base: int
    largest_contribution: float
    even_within: float
    turned_by: float
    few_inhabitants: list[str]
    outcomes: dict[Outcome, str]
    reasons: dict[str, Reason]


class _Mark(BaseModel):
    mark: str = ""


class _Marks(BaseModel):
    rules: dict[str, _Mark]


class Judged(Protocol):
    """A test whether a change is more than chance, such as `trend.Trend`."""

    beyond_chance: bool
    usable: bool


@lru_cache
def claim_rules() -> ClaimRules:
    """The limits, and the words for what lies outside them. Errors name the entry of claims.yml that is wrong."""
    return read_declared(reference_folder() / "claims.yml", ClaimRules)


@lru_cache
def _marks() -> tuple[str, ...]:
    """What the note of a key figure says of a municipality about which there is an open finding."""
    declared = read_declared(reference_folder() / "quality.yml", _Marks)
    return tuple({rule.mark for rule in declared.rules.values() if rule.mark})


class Claim(str):
    """What is said of some rows, and why it is said so: outcome, reasons, evidence, kind and origin.

    A claim that is withheld holds no text.
    """

    __slots__ = ("evidence", "kind", "origin", "outcome", "reasons", "rows")

    def __new__(
        cls, text: str, rests_on: pd.DataFrame, kind: str, *, series: pd.DataFrame | None = None,
        chance: Judged | None = None,
    ) -> "Claim":  # fmt: skip
        """Judge a text; `series`: the key figures that its growths are taken from, `chance`: a test of its change."""
        if not isinstance(rests_on, pd.DataFrame) or kind not in KINDS:
            raise InputError(f"a claim rests on rows of a DataFrame and finds one of {', '.join(KINDS)}, not {kind!r}")
        known = max(evidence(rests_on), key=("", *EVIDENCE).index, default="")
        reasons = list(_withholding(text, rests_on, known)) if text else []
        if reasons:
            text = ""
        elif text:
            softened = list(_softening(text, rests_on, kind, series, chance))
            if known == EXAMPLE:
                softened.append(("example", {}))
            for reason, words in softened:
                ending = "." if FULL_STOP.search(text) else ""
                text = claim_rules().reasons[reason].words.format(claim=FULL_STOP.sub("", text), **words) + ending
            reasons = [reason for reason, _ in softened]
        claim = super().__new__(cls, text)
        claim.kind, claim.rows, claim.evidence, claim.reasons = kind, len(rests_on), known, tuple(reasons)
        claim.origin = weakest(rests_on["origin"]) if "origin" in rests_on.columns else ""
        claim.outcome = _outcome(text, claim.reasons)
        return claim

    @property
    def facts(self) -> dict[str, object]:
        """What is recorded of it."""
        names = ("kind", "outcome", "evidence", "origin", "rows")
        return {name: getattr(self, name) for name in names} | {"reasons": list(self.reasons)}


def finds(text: str) -> str:
    """What makes a text a finding, its first figure or comparing word; empty for one that only says what is shown."""
    found = FINDS.search(NAMES.sub("", text))
    return found[0] if found else ""


def _outcome(text: str, reasons: tuple[str, ...]) -> Outcome:
    if not text:
        return "withheld"
    return "example" if "example" in reasons else "softened" if reasons else "stated"


def _withholding(text: str, rows: pd.DataFrame, known: str) -> Iterator[str]:
    """Why nothing may be said, if that is so."""
    codes = set(rows["area_code"]) if "area_code" in rows.columns else set()
    if known == EXAMPLE:
        unknown = set(rows.loc[evidence(rows) == EXAMPLE, "area_code"]) if codes else set()
        if not unknown.isdisjoint(areas.municipalities()):
            yield "example_municipality"
        elif _named(text, areas.municipalities()):
            yield "example_names_municipality"
    if len(codes - {areas.COUNTRY}) == 1 and _marked(rows):
        yield "finding"
    measured = rows[rows["measure"] == CONTRIBUTION] if "measure" in rows.columns else rows[:0]
    if len(measured) and (measured["pct"].abs() > claim_rules().largest_contribution).any():
        yield "large_contribution"
    if len(rows) > 1 and _from_few(rows).any():
        yield "small_bases"


def _softening(
    text: str, rows: pd.DataFrame, kind: str, series: pd.DataFrame | None, chance: Judged | None
) -> Iterator[tuple[str, dict[str, str]]]:
    """What must be added to a claim, with the words to fill in."""
    if danish.GAP.search(text):
        yield "missing", {}
    if _from_few(rows).any():
        row = rows.iloc[0]
        now = row["base"] * (1 + row["value"] / 100)
        told = {"base": danish.number(row["base"]), "value": danish.number(now), "since": f"{row['since']:.0f}"}
        of = shown(rows.drop(columns="measure")).rpartition(", ")[0]
        told |= {"subject": f"{of} {areas.locative(row['area_code'])}", "year": str(row["year"])}
        if told["base"] == told["value"]:
            yield "small_base_same", told
        else:
            yield "small_base", told
    elif kind in SWINGING and (few := _few_inhabitants(text, rows)):
        yield "few_inhabitants", {"where": danish.listed(few)}
    if names := _marked(rows):
        yield "other_finding", {"names": danish.listed(names)}
    if of := measures.lacking(rows):
        yield "partial", {"of": of}
    if kind == "growth" and chance is not None and chance.usable and not chance.beyond_chance:
        yield "chance", {}
    if kind == "growth" and series is not None and len(rows) == 1:
        yield from ((reason, {}) for reason in _shape(rows.iloc[0], series))


def _marked(rows: pd.DataFrame) -> list[str]:
    """The municipalities among some rows about whose own figures the checks have an open finding."""
    if not {"note", "area_code"} <= set(rows.columns):
        return []
    noted = rows[rows["note"].fillna("") != ""]
    return sorted(
        {
            areas.name(row.area_code)
            for row in noted.itertuples()
            if any(f"{areas.name(row.area_code)} {mark}" in row.note for mark in _marks())
        }
    )


def _few_inhabitants(text: str, rows: pd.DataFrame) -> list[str]:
    """Where a claim is about municipalities so small that a single person moves their figures."""
    codes = set(rows["area_code"]) if "area_code" in rows.columns else set()
    small = [code for code in claim_rules().few_inhabitants if code in codes]
    alone = len(codes - {areas.COUNTRY}) == 1
    return [areas.locative(code) for code in small] if alone else _named(text, small)


def _named(text: str, codes: Iterable[str]) -> list[str]:
    """Those of some areas that a text names, as they stand in it: på Fanø, i Solrød."""
    return [place for place in map(areas.locative, codes) if re.search(rf"\b{re.escape(place)}\b", text)]


def _from_few(rows: pd.DataFrame) -> pd.Series:
    """Which rows are growths of a count that was small."""
    if not {"base", "measure", "indicator"} <= set(rows.columns):
        return pd.Series(False, rows.index)
    counts = {name for name, entry in catalogue().indicators.items() if entry.unit == "antal"}
    grown = rows["measure"].isin([GROWTH]) & rows["indicator"].isin(counts)
    return grown & rows["value"].notna() & (rows["base"] < claim_rules().smallest_base)


def _shape(row: pd.Series, series: pd.DataFrame) -> Iterator[str]:
    """What the ends of a series do not show of it: that it swung, or turned in the last year."""
    values = series.sort_values("year").set_index("year")["value"].loc[row["since"] : row["year"]].dropna()
    if len(values) < 3 or values.iloc[0] <= 0 or values.iloc[-2] <= 0:
        return
    whole, last = row["value"], (values.iloc[-1] / values.iloc[-2] - 1) * 100
    if danish.rounded(whole) == 0:
        if (values / values.iloc[0] - 1).abs().max() * 100 > claim_rules().even_within:
            yield "uneven"
    elif abs(last) >= claim_rules().turned_by and last * whole < 0:
        yield "rose" if last > 0 else "fell"
