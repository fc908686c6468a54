"""What a chart says, apart from how it is drawn: enough for a slide to draw it again as a chart that can be edited."""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pandas as pd

from analysis.rows import SUPPRESSED

# A chart has no room for longer names; the table beside it has them whole.
LONGEST_NAME = 72
# The last three only a picture shows well: series over categories, the same with the symbols of its gaps in it, and
# series at places of their own.
Kind = Literal["lines", "stacked_columns", "columns", "bars", "table", "matrix", "points"]


@dataclass(frozen=True)
class Series:
    """One series: a value for each category, or for each of its own `places` along the other axis.

    What is missing or suppressed is None. `colour`: where a slide draws it again; `total`: the sum of the others.
    """

    name: str
    values: list[float | None]
    colour: str = ""
    places: list[float] = field(default_factory=list)
    total: bool = False


@dataclass(frozen=True)
class Gap:
    """A value that is not there, and its status; without a series the category has none at all."""

    category: str
    series: str
    status: str


@dataclass(frozen=True)
class Contents:
    """The kind of a chart, its categories (names, years or days as ISO text) and its series.

    Values are in the unit shown. `across`: what the other axis is of points; `zero`: whether the axis begins there.
    """

    kind: Kind
    unit: str
    decimals: int
    categories: list[str]
    series: list[Series]
    gaps: list[Gap] = field(default_factory=list)
    across: str = ""
    zero: bool = True

    def facts(self) -> dict[str, Any]:
        """The same as what JSON holds."""
        return asdict(self)


def shortened(name: object) -> str:
    """A name as a chart has room for it."""
    text = str(name)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1].rstrip()}…"


def wrapped(name: object, characters: int) -> str:
    """A name over several lines; a word is broken only where it is longer than any Danish one."""
    text = shortened(name)
    endless = max(map(len, text.split()), default=0) > 2 * max(characters, 20)
    return textwrap.fill(text, characters, break_long_words=endless)


def figures(values: Iterable[float]) -> list[float | None]:
    """Values as JSON holds them: one that is missing is None."""
    return [float(value) if value == value else None for value in values]


def by_category(
    data: pd.DataFrame, across: str, colours: Mapping[str, str], *, ordered: bool = False
) -> tuple[list[str], list[Series], list[Gap]]:
    """Categories, series and gaps of rows with series, value and status for each category in `across`.

    The series are those of `colours`, in that order, that have rows. `ordered`: by category, not as the frame stands.
    """
    found = list(dict.fromkeys(data[across]))
    values = data["value"].mask(data["status"] == SUPPRESSED)
    wide = data.assign(value=values).pivot(index=across, columns="series", values="value")
    wide = wide.reindex(sorted(found) if ordered else found)
    drawn = [Series(str(name), figures(wide[name]), colour) for name, colour in colours.items() if name in wide]
    absent = data[values.isna()]
    gaps = [Gap(*map(str, row)) for row in absent[[across, "series", "status"]].itertuples(index=False)]
    return [str(category) for category in wide.index], drawn, gaps


def level(name: str, value: float, count: int) -> Series:
    """A level that is the same for all categories; its name says which."""
    return Series(name, [float(value)] * count)


def at_places(name: str, places: Iterable[float], values: Iterable[float]) -> Series:
    """Values at places of their own."""
    return Series(name, figures(values), places=[float(place) for place in places])
