"""From rows and the names of their columns to what a chart draws: series, unit, scale, decimals, colours and words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist, getp
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from analysis import accounts, danish
from analysis.catalogue import catalogue
from analysis.charts.contents import Contents
from analysis.charts.sheet import Drawing
from analysis.charts.style import AREAS, CONTEXT, FACTORS, HIGHLIGHT, INK, PAPER, REFERENCE, SERIES
from analysis.danish import MoneyUnit
from analysis.errors import InputError
from analysis.rows import (
    CONTRIBUTION,
    EXAMPLE,
    GROWTH,
    INDEX,
    LEVEL,
    MEASURE,
    MISSING,
    SHARE,
    SINCE,
    evidence,
    labels,
    require,
)

YEAR = "year"
# What rows rest on, where they say so themselves and not by their origin.
EVIDENCE = "evidence"


@dataclass(frozen=True)
class Drawn:
    """What a chart draws of an analyst's rows.

    `table` has place, series, value (in the unit shown), status and example (whether it is example data), a row for
    each row given, and year where they have one. `colours` by series, in the order in which series stand.
    """

    rows: pd.DataFrame
    table: pd.DataFrame
    colours: dict[str, str]
    unit: str
    decimals: int
    divisor: float
    chart: str

    @property
    def places(self) -> list:
        """The places along the axis of categories, each once, in the order in which they are drawn."""
        return list(dict.fromkeys(self.table["place"]))

    def also(self, column: str) -> np.ndarray:
        """Another column of the rows in the unit shown, such as the ends of an interval."""
        return _numbers(self.chart, column, self.column(column)).to_numpy() / self.divisor

    def column(self, name: str) -> pd.Series:
        """A column of the rows as it stands. Errors: it is not there."""
        return _column(self.chart, self.rows, name)

    def reading(self, kind: str, named: pd.Series | None = None) -> str:
        """The chart in words, for those who cannot see it; `named`: what a row is called, by default its series."""
        series = self.table["series"] if named is None else named
        return danish.described(kind, self.table.assign(series=series), self.unit, self.decimals)

    def reading_by_place(self, kind: str, hue: str | None) -> str:
        """The chart in words, by place; by place and series where there are several that are no years."""
        names = self.table["place"].astype(str)
        named = names if hue == YEAR or len(self.colours) < 2 else names + ", " + self.table["series"]
        # A place such as `Hovedstaden 2020` says its year by itself.
        said = YEAR in self.table and all(map(str.__contains__, names, self.table[YEAR].astype(str)))
        table = self.table.drop(columns=YEAR) if said else self.table
        return danish.described(kind, table.assign(series=named), self.unit, self.decimals)


def drawn(
    chart: str, rows: pd.DataFrame, *, place: str, value: str, hue: str | None,
    palette: Mapping[str, str] | None = None, others: bool = False, order: Iterable[str] | None = None,
    unit: str | None = None, decimals: int | None = None, stacked: bool = False, several: bool = False,
    years: bool = False,
) -> Drawn:  # fmt: skip
    """What `chart` draws of rows: `place` along its axis, `value` as its length or height, a series for each `hue`.

    Unit, scale, decimals and colours come from the rows unless they are given; what is given is drawn as it stands.
    `order`: the places first to last; others follow as they stand. `others`: series without a colour are drawn too.
    `stacked`: amounts are read by the height of a whole stack. `several`: a spot may hold many rows. `years`: places
    are numbers along an axis. Errors: no rows, a column that is not there, text where numbers belong, two rows at one
    spot, figures that share no unit, a palette that is none, a series without a colour, more series than colours.
    """
    if not isinstance(rows, pd.DataFrame):
        raise InputError(f"charts.{chart} draws rows of a DataFrame, not a {type(rows).__name__}")
    names = {"place": place, "value": value} | ({"series": hue} if hue else {})
    for name in names.values():
        _column(chart, rows, name)
    if rows.empty:
        raise InputError(f"charts.{chart}: there are no rows to draw; see what the rows were chosen by")
    if palette is not None and not (isinstance(palette, Mapping) and all(map(is_color_like, palette.values()))):
        raise InputError(f"charts.{chart}: a palette is a colour by name, such as afsnit.palette, not {palette!r}")
    table = pd.DataFrame({own: rows[name] for own, name in names.items()}).reset_index(drop=True)
    table["value"] = _numbers(chart, value, table["value"])
    if years:
        _numbers(chart, place, table["place"])
    for name, own in ((place, "place"), (hue, "series")):
        if own in table.columns and table[own].isna().any():
            raise InputError(f"charts.{chart}: a row has no {name}")
    if hue:
        table["series"] = table["series"].astype(str)
    else:
        table["series"] = _name(rows)
    table["status"] = rows["status"].to_numpy() if "status" in rows.columns else MISSING
    table["example"] = (rows[EVIDENCE] if EVIDENCE in rows.columns else evidence(rows)).eq(EXAMPLE).to_numpy()
    if YEAR in rows.columns:
        table[YEAR] = rows[YEAR].to_numpy()
    twice = table[table.duplicated(["place", "series"])]
    if len(twice) and not several:
        place_name, series = twice.iloc[0][["place", "series"]]
        alike = rows[((table["place"] == place_name) & (table["series"] == series)).to_numpy()]
        differ = [name for name in alike.columns if name not in {value, "note"} and len(alike[name].unique()) > 1]
        raise InputError(
            f"charts.{chart}: several rows for {place_name}, {series}, where one is drawn; they differ in "
            f"{', '.join(map(str, differ)) or 'nothing'}: choose one of each, or another hue"
        )
    colours = dict(palette) if palette else _colours(chart, rows, hue, table["series"])
    without = [name for name in dict.fromkeys(table["series"]) if name not in colours]
    if without and not others:
        raise InputError(f"charts.{chart}: no colour for {without[0]!r} in the palette")
    known = set(table["series"])
    shown = MoneyUnit(1.0, unit or "", _decimals(table))
    if unit is None:
        shown = _shown(chart, rows, value, table, stacked=stacked)
    table["value"] = table["value"] / shown.divisor
    if order is not None:
        steps = {name: step for step, name in enumerate(dict.fromkeys(order))}
        table = table.sort_values("place", key=lambda names: names.map(steps).fillna(len(steps)), kind="stable")
    return Drawn(
        rows,
        table,
        {name: colour for name, colour in colours.items() if name in known},
        shown.name,
        shown.decimals if decimals is None else decimals,
        shown.divisor,
        chart,
    )


def hollow_points(
    axes: Axes, given: Drawn, across: pd.Series, upright: pd.Series, tones: pd.Series, size: float = 42
) -> None:
    """Rings in place of the points of example data; places and tones are those of all rows of the table."""
    own = given.table["example"] & given.table["value"].notna()
    if own.any():
        rings = axes.scatter(
            across[own], upright[own], s=size, facecolor=PAPER, edgecolor=tones[own], linewidth=1.6, zorder=5,
            visible=False,
        )  # fmt: skip
        _hollow(axes, rings, visible=True)
        _explained(axes, "punkter")


def hollow_bars(
    axes: Axes, given: Drawn, bars: Mapping[tuple, Rectangle], texts: Mapping[tuple, Text] | None = None
) -> None:
    """Outlines in place of the bars of example data; bars, and texts within them, by place and series."""
    own = [row for row in given.table[given.table["example"]].itertuples() if (row.place, row.series) in bars]
    for row in own:
        tone = given.colours[row.series]
        _hollow(axes, bars[row.place, row.series], facecolor=PAPER, edgecolor=tone, linewidth=1.6)
        if texts:
            _hollow(axes, texts[row.place, row.series], color=INK)
    if own:
        _explained(axes, "søjler")


def _hollow(axes: Axes, mark: Artist, **look: object) -> None:
    """Give a mark another look, and keep the one it has for a figure with a stamp."""
    axes.figure.hollow += ((mark, {name: getp(mark, name) for name in look}),)
    mark.set(**look)


def _explained(axes: Axes, marks: str) -> None:
    """What hollow marks are, below the axes, where nothing else can stand."""
    known = axes.get_xlabel()
    _hollow(axes, axes.xaxis.label, text=f"{known}\n" * bool(known) + f"Hule {marks}: eksempeldata")


def said(figure: Drawing, given: Drawn, contents: Contents, reading: str) -> Drawing:
    """A figure with what it says, the rows behind it, and how it reads."""
    figure.contents, figure.rows, figure.reading = contents, given.rows, reading
    return figure


def _column(chart: str, rows: pd.DataFrame, name: str) -> pd.Series:
    require(rows, [name], f"charts.{chart}")
    return rows[name]


def _numbers(chart: str, name: str, values: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    texts = values[numbers.isna() & values.notna()]
    if len(texts):
        raise InputError(f"charts.{chart}: column {name!r} holds {texts.iloc[0]!r} where a number belongs")
    return numbers.astype(float)


def _name(rows: pd.DataFrame) -> str:
    """What rows without a hue are called: their key figure, a change of it, or the axis says what they are."""
    if MEASURE in rows.columns and (rows[MEASURE] == GROWTH).all():
        return "Ændring"
    known = rows["indicator"].unique() if "indicator" in rows.columns else []
    return catalogue().indicators[known[0]].name if len(known) == 1 else "Værdi"


def _decimals(table: pd.DataFrame) -> int:
    """Of figures in a unit that the analyst gives: whole numbers where they are whole or large, else one decimal."""
    values = table["value"].dropna().abs()
    return 0 if values.empty or (values == values.round()).all() or values.max() >= 1000 else 1


def _shown(chart: str, rows: pd.DataFrame, value: str, table: pd.DataFrame, *, stacked: bool) -> MoneyUnit:
    """The unit that rows of key figures, or of what `measures` makes of them, read well in."""
    if not {"indicator", "unit"} <= set(rows.columns):
        return MoneyUnit(1.0, "", _decimals(table))
    measure = rows[MEASURE].iloc[0] if MEASURE in rows.columns else LEVEL
    since = f"{rows[SINCE].iloc[0]:.0f}" if SINCE in rows.columns and pd.notna(rows[SINCE].iloc[0]) else ""
    if measure in (GROWTH, SHARE):
        return MoneyUnit(1.0, labels().units["pct"].name, 1)
    if measure == INDEX:
        return MoneyUnit(1.0, f"indeks, {since} = 100", 0)
    if measure == CONTRIBUTION and value != "value":
        return MoneyUnit(1.0, f"bidrag til væksten {since}-{rows[YEAR].iloc[0]}, pct.-point", 1)
    first, *others = rows["indicator"].unique()
    if others:
        raise InputError(f"charts.{chart}: {first} and {others[0]} in one chart; choose one, or say a common `unit`")
    entry = catalogue().indicators[first]
    if entry.axis:
        return MoneyUnit(entry.axis_per, entry.axis, entry.decimals)
    if entry.unit == "kr":
        amounts = table.groupby("place")["value"].sum() if stacked else table["value"]
        return danish.money_unit(amounts)
    return MoneyUnit(1.0, labels().units[entry.unit].name, entry.decimals)


def _colours(chart: str, rows: pd.DataFrame, hue: str | None, series: pd.Series) -> dict[str, str]:
    names = list(dict.fromkeys(series))
    if hue is None:
        return dict.fromkeys(names, HIGHLIGHT)
    if hue == "label" and {"population_group", "category"} <= set(rows.columns):
        return colours_of(rows)
    if hue == YEAR and len(names) == 2:
        return dict(zip(sorted(names), (CONTEXT, HIGHLIGHT), strict=True))
    if set(names) <= set(FACTORS):
        return dict(FACTORS)
    return palette(names, f"charts.{chart}")


def colours_of(rows: pd.DataFrame) -> dict[str, str]:
    """Colour by Danish label, in the order of categories.csv. Errors: a category without a colour there."""
    table = accounts.categories()
    known = dict(zip(zip(table["population_group"], table["category"], strict=True), table["colour"], strict=True))
    require(rows, wanted := ["population_group", "category", "label"], "charts.colours_of")
    pairs = rows[wanted].drop_duplicates()
    names = {(row.population_group, row.category): row.label for row in pairs.itertuples()}
    without = [category for group, category in names if (group, category) not in known]
    if without:
        raise InputError(f"categories.csv has no colour for {without[0]!r}; give the chart a palette")
    return {names[pair]: colour for pair, colour in known.items() if pair in names}


def palette(names: Iterable[str], chart: str) -> dict[str, str]:
    """Colours for series without one of their own, each name once in the order given; safe for the colour-blind."""
    unique = list(dict.fromkeys(names))
    if len(unique) > len(SERIES):
        raise InputError(
            f"{chart}: {len(unique)} series are too many to tell apart by colour; show at most {len(SERIES)}, or give "
            "a palette, such as afsnit.palette for areas"
        )
    return dict(zip(unique, SERIES, strict=False))


def area_colours(names: Iterable[str], own: str) -> dict[str, str]:
    """Colour by area name: the report's own area stands out, the last name (the country) is the reference."""
    listed = list(names)
    tones = {name: AREAS[position % len(AREAS)] for position, name in enumerate(listed)}
    return tones | {listed[-1]: REFERENCE, own: HIGHLIGHT}


def runs(table: pd.DataFrame) -> pd.Series:
    """For each row which unbroken run of places of its series it belongs to: nothing is drawn over a missing figure."""
    missing = table.sort_values("place")["value"].isna()
    return missing.groupby(table["series"]).cumsum()


def largest(values: Iterable[float]) -> float:
    """The largest of some values, and one where none is known or above zero: an axis needs a length."""
    top = np.nanmax([*values, -np.inf])
    return float(top) if top > 0 and np.isfinite(top) else 1.0
