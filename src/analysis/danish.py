"""Danish numbers and sentences: the only place where a figure becomes text."""

import datetime
import math
import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import NamedTuple

import pandas as pd
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_decimal

LOCALE = "da_DK"
NO_BREAK = "\u00a0"
# What a cell shows where there is no figure to show.
STATUS_SYMBOLS = {"missing": "..", "suppressed": "•", "not_applicable": "."}
# What is said instead of a direction, and what is added to a rank or an extreme, where figures are missing.
NOT_COMPARABLE = "ikke sammenlignelig med"
NOT_KNOWN = "kan ikke opgøres, fordi tal mangler"
OF_KNOWN = " (blandt dem, der er tal for)"
# A missing figure within a text.
GAP = re.compile(r"(?<![^\s(])\.\.(?=[\s),;:.]|$)")

# Spaces at which no line may end: after a number and before its unit, and in mio. kr. and mia. kr.
BEFORE_UNIT = re.compile(
    r"(?<=\d) (?=(?:pct\.|procent|promille|kr\.|mio\.|mia\.|pladser\b|plads\b|døgn\b|dage\b|timer\b))"
)
WITHIN_UNIT = re.compile(r"\b(mio\.|mia\.) kr\.")


def rounded(value: float, decimals: int = 0) -> Decimal:
    """A figure rounded half away from zero, the way a printed report rounds."""
    step = Decimal(1).scaleb(-decimals)
    # repr gives the shortest decimal that is the float: 2.675 rounds as written, not as stored in binary.
    return Decimal(repr(float(value))).quantize(step, rounding=ROUND_HALF_UP)


def number(value: float, decimals: int = 0, status: str = "final") -> str:
    """A Danish number such as 1.234,5; a missing one is shown by the symbol of its status."""
    if missing(value):
        return STATUS_SYMBOLS.get(status, STATUS_SYMBOLS["missing"])
    return _number(float(value), decimals)


@lru_cache(maxsize=4096)
def _number(value: float, decimals: int) -> str:
    """Remembered because a chart asks for the numbers at its ticks each time it is measured or drawn."""
    figure = rounded(value, decimals)
    if figure == 0:
        figure = abs(figure)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return format_decimal(figure, format=pattern, locale=LOCALE).replace("-", "\u2212")


def with_unit(text: str, unit: str) -> str:
    """A number and its unit, held together by a non-breaking space."""
    return f"{text}{NO_BREAK}{unit.replace(' ', NO_BREAK)}"


def held(text: str) -> str:
    """A text in which no line can end between a number and its unit, nor within a unit of two words."""
    return WITHIN_UNIT.sub(rf"\1{NO_BREAK}kr.", BEFORE_UNIT.sub(NO_BREAK, text))


def percent(value: float, decimals: int = 0) -> str:
    """A share or a growth such as 12,3 pct."""
    return with_unit(number(value, decimals), "pct.")


def kroner(value: float) -> str:
    """Whole kroner such as 7.115 kr."""
    return with_unit(number(value), "kr.")


def amount(value: float) -> str:
    """Kroner in the unit that a reader would choose: mia., mio. or kr."""
    if abs(value) >= 1e9:
        return with_unit(number(value / 1e9, 1), "mia. kr.")
    if abs(value) >= 1e6:
        return with_unit(number(value / 1e6, 0 if abs(value) >= 1e8 else 1), "mio. kr.")
    return kroner(value)


def span(low: float, high: float, unit: str = "", decimals: int = 0) -> str:
    """From one figure to another, such as 1.200 til 1.400 pladser; a single one where they print alike."""
    ends = [number(low, decimals), number(high, decimals)]
    text = " til ".join(dict.fromkeys(ends))
    return with_unit(text, unit) if unit else text


def period(text: str | pd.Period) -> str:
    """A month or quarter of StatBank in words: 2024M03 is marts 2024, 2028K1 is 1. kvartal 2028; a year is itself."""
    if isinstance(text, pd.Period):
        text = text.strftime({"Q": "%FK%q", "M": "%YM%m"}.get(text.freqstr[0], "%Y"))
    if len(text) == 4:
        return text
    year, mark, part = text[:4], text[4], int(text[5:])
    if mark == "K":
        return f"{part}. kvartal {year}"
    return format_date(datetime.date(int(year), part, 1), "MMMM y", locale=LOCALE)


def day(date: datetime.date | str) -> str:
    """A date in words, such as 20. november 2026; also of a text as files keep it: a date, or a moment."""
    if isinstance(date, str):
        date = datetime.datetime.fromisoformat(date)
    return format_date(date, "long", locale=LOCALE).replace(" ", NO_BREAK)


class MoneyUnit(NamedTuple):
    """A unit that a set of amounts reads well in: kroner per unit, its name, and decimals to show."""

    divisor: float
    name: str
    decimals: int


def money_unit(amounts: pd.Series) -> MoneyUnit:
    """Billions for what runs into billions, else millions; one unit for all the amounts of a figure or table."""
    return MoneyUnit(1e9, "mia. kr.", 2) if amounts.abs().max() >= 1e9 else MoneyUnit(1e6, "mio. kr.", 1)


def listed(items: list[str]) -> str:
    """Items as a Danish list: a, b og c."""
    return format_list(items, style="standard", locale=LOCALE)


def sentence(text: str) -> str:
    """A text with a capital first, and one full stop at its end and at each abbreviation that ends a sentence."""
    text = held(re.sub(r"\b(kr|pct|mia|mio)\.\.", r"\1.", text))
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def running(label: str) -> str:
    """A label inside a sentence: Angst is written angst, and ADHD stays."""
    return label if label.isupper() else label[:1].lower() + label[1:]


def missing(value: float | None) -> bool:
    """Whether there is no figure, of which no direction, rank or extreme can be said."""
    return value is None or math.isnan(value)


def without_gaps(text: str) -> str:
    """A text without the sentences that a missing figure stands in."""
    return " ".join(part for part in re.split(r"(?<=[.!?]) (?=[A-ZÆØÅ])", text) if not GAP.search(part))


def reservation(values: Iterable[float]) -> str:
    """What a rank, an extreme or a count among figures must add where some of them are missing; else nothing."""
    return OF_KNOWN if any(missing(value) for value in values) else ""


def change(value: float, decimals: int = 0, *, plural: bool = False) -> str:
    """How much something has changed: steget 17 pct., faldet 7 pct., or uændret (of several things: uændrede)."""
    if missing(value):
        return "uden opgjort ændring"
    if rounded(value, decimals) == 0:
        return "uændrede" if plural else "uændret"
    return f"{'steget' if value > 0 else 'faldet'} {percent(abs(value), decimals)}"


def compared(value: float, other: float, decimals: int = 0) -> str:
    """How one figure stands to another at printed precision: højere end, lavere end, på niveau med."""
    if missing(value) or missing(other):
        return NOT_COMPARABLE
    difference = rounded(value, decimals) - rounded(other, decimals)
    if difference == 0:
        return "på niveau med"
    return "højere end" if difference > 0 else "lavere end"


def against(value: float, before: float, year: int, decimals: int = 0) -> str:
    """What a share was, after what it is: mod 48 pct. i 2020, or ligesom i 2020 where the two print alike."""
    alike = rounded(value, decimals) == rounded(before, decimals)
    return f"ligesom i {year}" if alike else f"mod {percent(before, decimals)} i {year}"


def split_by_comparison(
    names: list[str], values: list[float], others: list[float], decimals: int = 0
) -> dict[str, str]:
    """Names listed by how their value stands to another: `højere end`, `lavere end`, `på niveau med`."""
    groups: dict[str, list[str]] = {}
    for name, value, other in zip(names, values, others, strict=True):
        groups.setdefault(compared(value, other, decimals), []).append(name)
    return {relation: listed(members) for relation, members in groups.items()}


def largest_change(name: str, value: float, growths: Iterable[float]) -> str:
    """What a growth is that leads the others: størst vækst i dagbehandling, or størst fald."""
    if missing(value):
        return f"ændringen {NOT_KNOWN}"
    if rounded(value) == 0:
        return f"ingen ændring på en hel procent{reservation(growths)}"
    return f"størst {'vækst' if value > 0 else 'fald'} i {name}{reservation(growths)}"


def falling(names: Sequence[str], growths: Sequence[float], kind: str) -> str:
    """Which of some things fall: fald i opholdssteder, or ingen typer falder (`kind`)."""
    if all(map(missing, growths)):
        return f"ændringen {NOT_KNOWN}"
    fallen = [name for name, growth in zip(names, growths, strict=True) if not missing(growth) and rounded(growth) < 0]
    return (f"fald i {listed(fallen)}" if fallen else f"ingen {kind} falder") + reservation(growths)


def risen(growths: Iterable[float], kind: str) -> str:
    """In how many of some things (`kind`) a figure has risen: steget i alle grupper, steget i 3 af 5 grupper."""
    all_of_them = list(growths)
    known = [growth for growth in all_of_them if not missing(growth)]
    if not known:
        return f"uden opgjort ændring i {kind}"
    up = sum(growth > 0 for growth in known)
    if up == len(all_of_them):
        return f"steget i alle {kind}"
    return f"steget i {number(up)} af {number(len(known))} {kind}{reservation(all_of_them)}"


def rank(value: float, others: Iterable[float], of: str = "") -> str:
    """The place of a figure among others: den højeste, den laveste (af regionerne), or nr. 2 af 5."""
    among = list(others)
    known = [other for other in among if not missing(other)]
    if missing(value) or not known:
        return "uden plads i rækken"
    if all(value > other for other in known):
        return f"den højeste{of}{reservation(among)}"
    if all(value < other for other in known):
        return f"den laveste{of}{reservation(among)}"
    above = sum(other > value for other in known)
    return f"nr. {above + 1} af {len(known) + 1} regnet fra den højeste{reservation(among)}"


def described(kind: str, data: pd.DataFrame, unit: str, decimals: int = 1) -> str:
    """What a chart shows in words, for its text alternative: each series with its first and last value.

    Requires series and value (in the unit shown), and status where some are suppressed; one year only gives one value a
    series, and without a year all values of a series are said.
    """
    statuses = data["status"] if "status" in data.columns else ["final"] * len(data)
    courses: dict[str, list[tuple[int, float, str]]] = {}
    years = data["year"] if "year" in data.columns else [None] * len(data)
    for series, *point in zip(data["series"], years, data["value"], statuses, strict=True):
        courses.setdefault(series, []).append(tuple(point))
    parts = []
    for series, course in courses.items():
        if "year" in data.columns:
            course.sort(key=lambda point: point[0])
            course = [course[0], course[-1]] if len(course) > 1 else course
        values = [f"{number(value, decimals, status)}{f' i {year}' if year else ''}" for year, value, status in course]
        parts.append(f"{series} {listed(values)}")
    return in_words(kind, unit, parts)


def in_words(kind: str, unit: str, parts: Iterable[str]) -> str:
    """What a chart of a kind shows, part by part, for its text alternative."""
    return held(f"{kind}, {unit}: {'; '.join(parts)}.")
