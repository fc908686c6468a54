"""The few kinds of chart the report uses; every chart takes a frame and returns a figure that knows what it says."""

import io
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from scipy.optimize import isotonic_regression

from analysis import accounts
from analysis.charts.contents import Contents, Gap, Kind, Series, at_places, by_category, figures, shortened, wrapped
from analysis.charts.style import (
    AREAS,
    CONTEXT,
    FACTORS,
    FOOTER,
    GRID,
    HEADING,
    HIGHLIGHT,
    INK,
    LABEL,
    MUTED,
    PAGE,
    PAPER,
    PICTURE_FONT,
    REFERENCE,
    SERIES,
    SMALL,
    TEXT,
    VALUE,
    Size,
)
from analysis.danish import number
from analysis.errors import InputError
from analysis.rows import MISSING, SUPPRESSED

# Notebooks take their colours from here.
__all__ = ["CONTEXT", "FACTORS", "HIGHLIGHT", "REFERENCE"]

# Of the stored PNG.
DPI = 160
# What the title of a stored image is called in it.
TITLE = "titel"
# Where a legend goes when series cannot be named directly: above the axes, to the left.
ABOVE = {"loc": "lower left", "bbox_to_anchor": (-0.01, 1.0), "borderaxespad": 0.2, "handlelength": 1.2, "title": None}
STYLE = {
    "font.family": PICTURE_FONT,
    "font.size": TEXT,
    "axes.labelsize": LABEL,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": TEXT,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.bottom": False,
    "ytick.left": False,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "svg.fonttype": "path",
    # A fixed salt makes two runs write the same SVG.
    "svg.hashsalt": "noegletal",
    # A dollar sign in a text is a dollar sign, and no text is looked through for formulas.
    "text.parse_math": False,
    "text.hinting": "no_hinting",
}


def colours_of(rows: pd.DataFrame) -> dict[str, str]:
    """Colour by Danish label, in the order of categories.csv; a category without a colour is an error."""
    table = accounts.categories()
    known = dict(zip(zip(table["population_group"], table["category"], strict=True), table["colour"], strict=True))
    pairs = rows[["population_group", "category", "label"]].drop_duplicates()
    labels = {(row.population_group, row.category): row.label for row in pairs.itertuples()}
    colours = {labels[pair]: known[pair] for pair in labels}
    order = [labels[pair] for pair in known if pair in labels]
    return {label: colours[label] for label in order}


def palette(names: Iterable[str]) -> dict[str, str]:
    """Colours for series without one of their own, each name once in the order given; safe for the colour-blind."""
    unique = list(dict.fromkeys(names))
    if len(unique) > len(SERIES):
        raise InputError(f"{len(unique)} series are too many to tell apart by colour; show at most {len(SERIES)}")
    return dict(zip(unique, SERIES, strict=False))


def area_colours(names: Sequence[str], own: str) -> dict[str, str]:
    """Colour by area name: the report's own area stands out, the last name (the country) is the reference."""
    tones = {name: AREAS[position % len(AREAS)] for position, name in enumerate(names)}
    return tones | {names[-1]: REFERENCE, own: HIGHLIGHT}


class Drawing(Figure):
    """A figure that knows what it says; one drawn by hand does not."""

    contents: Contents | None = None


_size = ContextVar("size", default=PAGE)


@contextmanager
def drawn_for(size: Size) -> Iterator[None]:
    """Draw the charts made inside for another place than the page, such as a phone."""
    before = _size.set(size)
    try:
        yield
    finally:
        _size.reset(before)


def width() -> float:
    """How wide figures are drawn, in inches."""
    return _size.get().width


def canvas(height: float | None = None) -> tuple[Drawing, Axes]:
    """An empty figure, by default of the page's size, and its axes; `height` in inches."""
    with mpl.rc_context(STYLE):
        figure = Drawing(figsize=(width(), height or _size.get().height), layout="constrained")
        # Without a canvas of its own a figure gets a new one, which knows no text, each time something is measured.
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        # They lie on the edge of the axes and are costly to measure.
        axes.spines[:].set_in_layout(False)
    return figure, axes


def _columns(most: int) -> int:
    """Of a legend, where a figure is narrower than the page."""
    return max(1, int(most * width() / PAGE.width))


def is_dark(colour: str) -> bool:
    """Whether white text reads better on a colour than ink."""
    red, green, blue = mpl.colors.to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.6


def _gaps(data: pd.DataFrame, *columns: str) -> dict[tuple, str]:
    """Why there is no figure, by the columns: suppressed where any of the rows is (needs status), else missing."""
    hidden = data[data["status"] == SUPPRESSED] if "status" in data.columns else data.head(0)
    cells = hidden[list(columns)].itertuples(index=False, name=None)
    return defaultdict(lambda: MISSING, dict.fromkeys(cells, SUPPRESSED))


def numbers_on(axis: mpl.axis.Axis, decimals: int) -> None:
    """Danish numbers at the ticks of an axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, decimals)))


def tick_decimals(axes: Axes, axis: str = "y") -> int:
    """As many decimals as the ticks need to differ."""
    ticks = np.asarray(axes.get_yticks() if axis == "y" else axes.get_xticks())
    step = np.diff(ticks).min() if len(ticks) > 1 else 1
    return next((decimals for decimals in range(3) if round(step, decimals) == round(step, 6)), 2)


def spaced(positions: Sequence[float], gap: float | Sequence[float], low: float, high: float) -> np.ndarray:
    """Positions moved apart, as little as possible, in the same order and between the limits.

    `gap` is the room that a position takes up, one for all or one for each.
    """
    if not len(positions):
        return np.empty(0)
    order = np.argsort(positions, kind="stable")
    room = np.broadcast_to(gap, len(positions))[order]
    # Less the room before it, each position only has to be no lower than the one before: isotonic regression.
    before = np.concatenate([[0.0], np.cumsum((room[1:] + room[:-1]) / 2)])
    apart = isotonic_regression(np.asarray(positions, dtype=float)[order] - before).x
    result = np.empty(len(order))
    result[order] = np.clip(apart, low, max(low, high - before[-1])) + before
    return result


def lines(data: pd.DataFrame, colours: dict[str, str], *, unit: str, decimals: int = 1, zero: bool = True) -> Drawing:
    """A line per series over the years, named at its end with the last value.

    Requires year, series, value (already in the unit shown). `colours` by series; a series without one is an error.
    """
    with mpl.rc_context(STYLE):
        figure, axes = canvas()
        sns.lineplot(
            # seaborn cannot take frames that were put together and kept their old row labels.
            data=data.reset_index(drop=True).assign(run=_runs),
            x="year",
            y="value",
            hue="series",
            units="run",
            palette=colours,
            marker="o",
            linewidth=2.4,
            legend=False,
            # One value a year: nothing to average, and no interval to draw.
            estimator=None,
            ax=axes,
        )
        last = data.dropna(subset="value").sort_values("year").drop_duplicates("series", keep="last")
        if zero:
            axes.set_ylim(bottom=0, top=_largest(data["value"]) * 1.08)
        low, high = axes.get_ylim()
        labels = [
            textwrap.fill(f"{shortened(row.series)} {number(row.value, decimals)}", 24) for row in last.itertuples()
        ]
        gap = (high - low) * 0.07 * max((label.count("\n") + 1 for label in labels), default=1)
        spots = spaced(last["value"].tolist(), gap, low, high - 0.02 * (high - low))
        for row, label, spot in zip(last.itertuples(), labels, spots, strict=True):
            axes.annotate(
                label,
                (row.year, spot),
                xytext=(9, 0),
                textcoords="offset points",
                va="center",
                color=colours[row.series],
                fontweight="bold",
                annotation_clip=False,
            )
        _year_axis(axes, data["year"])
        axes.set(xlabel="", ylabel=unit)
        axes.grid(visible=False, axis="x")
        numbers_on(axes.yaxis, tick_decimals(axes))
    years, series, gaps = by_category(data, "year", colours, ordered=True)
    figure.contents = Contents("lines", unit, decimals, years, series, gaps, zero=zero)
    return figure


def _runs(data: pd.DataFrame) -> pd.Series:
    """For each row which unbroken run of years of its series it belongs to: no line is drawn over a missing figure."""
    missing = data.sort_values("year")["value"].isna()
    return missing.groupby(data["series"]).cumsum()


def _year_axis(axes: Axes, years: pd.Series) -> None:
    shown = np.arange(years.max(), years.min() - 1, -np.ceil(years.nunique() / 7))[::-1]
    axes.set_xticks(shown, [f"{year:.0f}" for year in shown])
    axes.set_xlim(years.min() - 0.2, years.max() + 0.2)


def stacked_columns(data: pd.DataFrame, colours: dict[str, str], *, unit: str, decimals: int) -> Drawing:
    """A column per year, stacked by series in the order of `colours`, with the parts and the total written on it.

    Requires year, series, value. Negative values are stacked below zero; a year with a missing part has no column.
    """
    with mpl.rc_context(STYLE):
        figure, axes = canvas()
        wide = data.pivot(index="year", columns="series", values="value")[list(colours)]
        absent = wide.isna().any(axis=1)
        wide = wide.mask(absent, 0.0)
        positions = np.arange(len(wide))
        above, below = np.zeros(len(wide)), np.zeros(len(wide))
        span = wide.clip(lower=0).sum(axis=1).max() or 1.0
        for series, colour in colours.items():
            values = wide[series].to_numpy()
            bottom = np.where(values >= 0, above, below)
            axes.bar(
                positions, values, 0.62, bottom=bottom, color=colour, label=series, edgecolor="white", linewidth=0.8
            )
            for position, value, start in zip(positions, values, bottom, strict=True):
                if abs(value) > 0.07 * span and len(colours) > 1:
                    axes.text(
                        position, start + value / 2, number(value, decimals), ha="center", va="center",
                        color="white" if is_dark(colour) else INK,
                    )  # fmt: skip
            above += values.clip(min=0)
            below += values.clip(max=0)
        totals = wide.sum(axis=1).mask(absent)
        gaps = _gaps(data, "year")
        for position, year, total, top in zip(positions, wide.index, totals, above, strict=True):
            label = number(total, decimals, gaps[year,])
            axes.text(position, top + 0.015 * span, label, ha="center", va="bottom", fontweight="bold")
        axes.set_xticks(positions, [str(year) for year in wide.index])
        axes.set(xlabel="", ylabel=unit, ylim=(below.min() * 1.1, _largest(above) * 1.12))
        axes.grid(visible=False, axis="x")
        handles, labels = axes.get_legend_handles_labels()
        if len(labels) > 1:
            axes.legend(handles[::-1], labels[::-1], ncols=_columns(2 if sum(map(len, labels)) > 60 else 3), **ABOVE)
        numbers_on(axes.yaxis, tick_decimals(axes))
    # To both sides of zero the total is no longer the end of the column, and only the picture tells them apart.
    kind = "table" if below.min() < 0 else "stacked_columns"
    figure.contents = _stacked(kind, wide.mask(absent), totals, colours, gaps, unit, decimals)
    return figure


def _stacked(
    kind: Kind,
    wide: pd.DataFrame,
    totals: pd.Series,
    colours: dict[str, str],
    gaps: dict[tuple, str],
    unit: str,
    decimals: int,
) -> Contents:
    """Columns by series, stacked for each row of the frame, and the total of each where there are several series."""
    series = [Series(str(name), figures(wide[name]), colour) for name, colour in colours.items()]
    if len(series) > 1:
        series.append(Series("I alt", figures(totals), INK, total=True))
    absent = [Gap(str(name), "", gaps[name,]) for name in totals.index[totals.isna()]]
    return Contents(kind, unit, decimals, [str(name) for name in wide.index], series, absent)


def paired_bars(
    data: pd.DataFrame, colours: dict[str, str], *, unit: str, decimals: int = 1, emphasised: Sequence[str] = ()
) -> Drawing:
    """Horizontal bars, a group per name and a bar per series, with the value at the end of each.

    Requires name, series, value; names are drawn in the order of the frame, `emphasised` ones in bold.
    """
    with mpl.rc_context(STYLE):
        names = list(dict.fromkeys(data["name"]))
        figure, axes = canvas(height=max(2.4, 0.85 + 0.27 * len(names) * (len(colours) + 0.7)))
        breadth = 0.8 / len(colours)
        first = {series: (place + 0.5) * breadth - 0.4 for place, series in enumerate(colours)}
        rows = data.assign(spot=data["name"].map(names.index) + data["series"].map(first))
        for series, colour in colours.items():
            own = rows[rows["series"] == series]
            axes.barh(own["spot"], own["value"], breadth, color=colour, label=series)
        low, high = min(np.nan_to_num(data["value"].min()), 0), max(np.nan_to_num(data["value"].max()), 0)
        span = (high - low) or 1.0
        for row in rows.itertuples():
            # What has no figure has no bar either; its symbol stands where the bar would be.
            value, text = np.nan_to_num(row.value), number(row.value, decimals, getattr(row, "status", MISSING))
            end, side = (value - 0.012 * span, "right") if value < 0 else (value + 0.012 * span, "left")
            axes.text(end, row.spot, text, ha=side, va="center", fontsize=VALUE)
        axes.set_xlim(low - (0.12 * span if low < 0 else 0), high + 0.12 * span)
        axes.set_yticks(range(len(names)), [wrapped(name, 26) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        for label, name in zip(axes.get_yticklabels(), names, strict=True):
            label.set_fontweight("bold" if name in emphasised else "normal")
        axes.set(xlabel=unit, ylabel="")
        axes.grid(visible=False, axis="y")
        numbers_on(axes.xaxis, tick_decimals(axes, "x"))
        if len(colours) > 1:
            handles, labels = axes.get_legend_handles_labels()
            axes.legend(handles, labels, ncols=min(len(labels), 3), **ABOVE)
    categories, series, absent = by_category(data, "name", colours)
    figure.contents = Contents("bars", unit, decimals, categories, series, absent)
    return figure


def contributions(data: pd.DataFrame, colours: dict[str, str], *, unit: str, decimals: int = 1) -> Drawing:
    """Horizontal bars of contributions, stacked to both sides of zero, with the total as a diamond and a number.

    Requires name, series, value; a name without contributions shows only its symbol.
    """
    with mpl.rc_context(STYLE):
        wide = data.pivot(index="name", columns="series", values="value")[list(colours)]
        wide = wide.reindex(dict.fromkeys(data["name"]))
        figure, axes = canvas(height=1.5 + 0.5 * len(wide))
        rows = np.arange(len(wide))
        above, below = np.zeros(len(wide)), np.zeros(len(wide))
        for series, colour in colours.items():
            values = np.nan_to_num(wide[series].to_numpy())
            axes.barh(rows, values, 0.6, left=np.where(values >= 0, above, below), color=colour, label=series)
            above += values.clip(min=0)
            below += values.clip(max=0)
        span = (above.max() - below.min()) or 1.0
        gaps = _gaps(data, "name")
        for row, name, total, end in zip(rows, wide.index, wide.sum(axis=1, skipna=False), above, strict=True):
            label = number(total, decimals, gaps[name,])
            axes.text(end + 0.02 * span, row, label, va="center", fontweight="bold", fontsize=VALUE)
            axes.scatter([total], [row], marker="D", s=34, color="white", edgecolor=INK, zorder=3)
        axes.axvline(0, color=INK, linewidth=0.9)
        axes.set_yticks(rows, [wrapped(name, 26) for name in wide.index])
        axes.set_ylim(len(wide) - 0.45, -0.55)
        axes.set_xlim(below.min() - 0.05 * span, above.max() + 0.14 * span)
        axes.set(xlabel=unit, ylabel="")
        axes.grid(visible=False, axis="y")
        numbers_on(axes.xaxis, tick_decimals(axes, "x"))
        axes.legend(ncols=_columns(2), **ABOVE)
    figure.contents = _stacked("table", wide, wide.sum(axis=1, skipna=False), colours, gaps, unit, decimals)
    return figure


def spread(data: pd.DataFrame, references: dict[str, tuple[str, str]], *, unit: str, decimals: int = 1) -> Drawing:
    """A dot per municipality and year, with a named line for each reference area.

    Requires year, series, value; series in `references` (series -> colour, line style) are drawn as lines, all
    others as dots.
    """
    with mpl.rc_context(STYLE):
        figure, axes = canvas(height=4.3)
        data = data.reset_index(drop=True)
        dots = data[~data["series"].isin(list(references))]
        sns.scatterplot(
            data=dots, x="year", y="value", color=CONTEXT, alpha=0.65, s=30, linewidth=0, legend=False, ax=axes
        )
        ends = []
        for series, (colour, dashes) in references.items():
            line = data[data["series"] == series].sort_values("year")
            if line["value"].isna().all():
                continue
            sns.lineplot(
                data=line.assign(run=_runs), x="year", y="value", units="run", color=colour, linestyle=dashes,
                # A year between two missing ones is a point, not a line.
                marker="o" if line["value"].isna().any() else None, linewidth=2.6, estimator=None, ax=axes,
            )  # fmt: skip
            line = line.dropna(subset="value")
            if len(line):
                ends.append((series, colour, line["year"].iloc[-1], line["value"].iloc[-1]))
        axes.set_ylim(bottom=0, top=_largest(data["value"]) * 1.06)
        top = axes.get_ylim()[1]
        spots = spaced([value for *_, value in ends], top * 0.07, 0, top * 0.98)
        for (series, colour, year, value), spot in zip(ends, spots, strict=True):
            axes.annotate(
                f"{series} {number(value, decimals)}", (year, spot), xytext=(12, 0), textcoords="offset points",
                va="center", color=colour, fontweight="bold", annotation_clip=False,
            )  # fmt: skip
        _year_axis(axes, data["year"])
        axes.set(xlabel="", ylabel=unit)
        axes.grid(visible=False, axis="x")
        numbers_on(axes.yaxis, tick_decimals(axes))
    figure.contents = _spread_contents(dots, data, references, unit, decimals)
    return figure


def _largest(values: pd.Series) -> float:
    """The largest of some values, and one where none is known or above zero: an axis needs a length."""
    largest = values.max()
    return float(largest) if largest > 0 else 1.0


def _spread_contents(
    dots: pd.DataFrame, data: pd.DataFrame, references: dict[str, tuple[str, str]], unit: str, decimals: int
) -> Contents:
    known = dots.dropna(subset="value")
    series = [at_places("Kommunerne hver for sig", known["year"], known["value"])]
    for name in references:
        course = data[data["series"] == name].dropna(subset="value").sort_values("year")
        series.append(at_places(name, course["year"], course["value"]))
    return Contents("points", unit, decimals, [], series)


def ranked_dots(
    data: pd.DataFrame, *, unit: str, decimals: int, emphasised: Sequence[str], years: tuple[int, int]
) -> Drawing:
    """A row per name with its value in two years joined by a line, the latest at the end; for comparing many areas.

    Requires name, year, value. Rows are drawn in the order of the frame, `emphasised` ones in bold and colour.
    """
    with mpl.rc_context(STYLE):
        names = list(dict.fromkeys(data["name"]))
        figure, axes = canvas(height=1.0 + 0.235 * len(names))
        wide = data.pivot(index="name", columns="year", values="value").reindex(names)
        first, last = wide[years[0]].to_numpy(), wide[years[1]].to_numpy()
        rows = np.arange(len(names))
        tones = [HIGHLIGHT if name in emphasised else MUTED for name in names]
        axes.hlines(rows, first, last, color=GRID, linewidth=2.5)
        axes.scatter(
            first, rows, s=26, facecolor="white", edgecolor=tones, linewidth=1.4, label=str(years[0]), zorder=3
        )
        axes.scatter(last, rows, s=34, color=tones, label=str(years[1]), zorder=3)
        top = _largest(data["value"])
        for row, value, other in zip(rows, last, first, strict=True):
            if not np.isnan(value):
                axes.text(
                    np.nanmax([value, other]) + 0.015 * top, row, number(value, decimals), va="center", fontsize=VALUE
                )
        axes.set_yticks(rows, map(shortened, names), fontsize=VALUE)
        for label, name in zip(axes.get_yticklabels(), names, strict=True):
            label.set_fontweight("bold" if name in emphasised else "normal")
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, top * 1.1)
        axes.set(xlabel=unit, ylabel="")
        axes.grid(visible=False, axis="y")
        numbers_on(axes.xaxis, tick_decimals(axes, "x"))
        axes.legend(ncols=2, **ABOVE)
    tones = dict(zip(map(str, years), (CONTEXT, HIGHLIGHT), strict=True))
    two = data.assign(series=data["year"].astype(str))
    figure.contents = Contents("table", unit, decimals, *by_category(two, "name", tones))
    return figure


def funnel(limits: pd.DataFrame, *, unit: str, across: str, own: str, named: Sequence[str], overall: float) -> Drawing:
    """Rates of areas against their size, with the limits that chance sets as lines; `named` areas get their name.

    Requires, indexed by area name: exposure, rate, low_95, high_95, low_998, high_998. `own` is drawn in colour;
    `overall` is the rate that the limits lie around. The limits of the smallest areas may run off the top.
    """
    with mpl.rc_context(STYLE):
        figure, axes = canvas(height=4.4)
        ordered = limits.dropna(subset="exposure").sort_values("exposure")
        for inner, dashes, label in (("95", "--", "95 pct."), ("998", "-", "99,8 pct.")):
            for side, name in (("low", None), ("high", label)):
                axes.plot(
                    ordered["exposure"], ordered[f"{side}_{inner}"], color=MUTED, linestyle=dashes, linewidth=1.2,
                    label=name,
                )  # fmt: skip
        axes.axhline(overall, color=MUTED, linewidth=0.9, linestyle=":", label="under ét")
        dots = limits.dropna(subset=["exposure", "rate"])
        tones = [HIGHLIGHT if name == own else REFERENCE if name in set(named) else CONTEXT for name in dots.index]
        axes.scatter(dots["exposure"], dots["rate"], color=tones, s=34, zorder=3)
        for name in dots.index.intersection([own, *named]):
            axes.annotate(
                name, tuple(dots.loc[name, ["exposure", "rate"]]), xytext=(6, 0), textcoords="offset points",
                va="center", fontsize=SMALL, color=HIGHLIGHT if name == own else INK,
            )  # fmt: skip
        highest = dots["rate"].max()
        axes.set_ylim(0, max(min(ordered["high_998"].max(), 1.4 * highest), highest) * 1.08)
        axes.set_xscale("log")
        axes.set_xlim(ordered["exposure"].min() * 0.85, ordered["exposure"].max() * 1.4)
        axes.set(xlabel=across, ylabel=unit)
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        numbers_on(axes.xaxis, 0)
        numbers_on(axes.yaxis, tick_decimals(axes))
        axes.legend(ncols=3, **ABOVE)
    figure.contents = _funnel_contents(ordered, dots, unit, across, own, named, overall)
    return figure


def _funnel_contents(
    ordered: pd.DataFrame, dots: pd.DataFrame, unit: str, across: str, own: str, named: Sequence[str], overall: float
) -> Contents:
    ends = ordered["exposure"].iloc[[0, -1]] if len(ordered) else []
    series = [at_places("Under ét", ends, [overall] * len(ends))]
    for inner, label in (("95", "95 pct."), ("998", "99,8 pct.")):
        for side, name in (("low", "nedre"), ("high", "øvre")):
            series.append(at_places(f"{label}, {name}", ordered["exposure"], ordered[f"{side}_{inner}"]))
    kind = [own if name == own else "Uden for grænserne" if name in set(named) else "Øvrige" for name in dots.index]
    for name in ("Øvrige", "Uden for grænserne", own):
        points = dots[[one == name for one in kind]]
        series.append(at_places(name, points["exposure"], points["rate"]))
    return Contents("points", unit, 1, [], [one for one in series if one.places], across=across)


def dot_rows(data: pd.DataFrame, marks: dict[str, str], *, unit: str, decimals: int = 0) -> Drawing:
    """A row per name with a dot per series: those in `marks` (series -> colour) named in the legend, others grey.

    Requires name, series, value. The first series in `marks` also has its value written.
    """
    with mpl.rc_context(STYLE):
        names = list(dict.fromkeys(data["name"]))
        figure, axes = canvas(height=1.3 + 0.42 * len(names))
        places = data["name"].map({name: row for row, name in enumerate(names)})
        others = ~data["series"].isin(list(marks))
        axes.hlines(range(len(names)), data["value"].min(), data["value"].max(), color=GRID, linewidth=1)
        axes.scatter(data["value"][others], places[others], color=CONTEXT, s=46, label="Øvrige regioner", zorder=3)
        for series, colour in marks.items():
            own = data["series"] == series
            axes.scatter(data["value"][own], places[own], color=colour, s=78, label=series, zorder=4)
        first = data[data["series"] == next(iter(marks))]
        for row in first.itertuples():
            axes.annotate(
                number(row.value, decimals, getattr(row, "status", MISSING)),
                (0 if np.isnan(row.value) else row.value, names.index(row.name)),
                xytext=(0, 8), textcoords="offset points", ha="center", fontsize=VALUE, fontweight="bold",
            )  # fmt: skip
        if data["value"].min() < 0:
            axes.axvline(0, color=INK, linewidth=0.9)
        axes.set_yticks(range(len(names)), [wrapped(name, 26) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.6)
        axes.set(xlabel=unit, ylabel="")
        axes.grid(visible=False, axis="y")
        numbers_on(axes.xaxis, tick_decimals(axes, "x"))
        axes.legend(ncols=3, **ABOVE)
    tones = dict.fromkeys(data["series"][others], CONTEXT) | marks
    figure.contents = Contents("table", unit, decimals, *by_category(data, "name", tones))
    return figure


class Images(NamedTuple):
    """A figure as the page shows it, without title, and as it is stored, with title and source lines.

    `margins`: how much of the stored figure its title and its lines take up, as shares of its height.
    """

    page: bytes
    vector: bytes
    pixels: bytes
    margins: tuple[float, float]


def images(figure: Figure, title: str, lines_below: Sequence[str]) -> Images:
    """A figure as SVG for the page, and as SVG and PNG to stand alone; laid out once, the SVG drawn once."""
    standalone(figure, title, lines_below)
    _, bottom, _, height = figure.get_layout_engine().get()["rect"]
    svg = vector(figure)
    # The fastest compression: the file is a fifth larger and written in half the time.
    png = _saved(figure, "png", metadata={"Software": None}, pil_kwargs={"compress_level": 1})
    top = 1 - bottom - height
    return Images(_cut_out(svg, top, height), svg, png, (top, bottom))


def vector(figure: Figure) -> bytes:
    """A figure as SVG, the same bytes in two runs."""
    # No date and no program version.
    return _saved(figure, "svg", metadata={"Date": None, "Creator": None})


def _saved(figure: Figure, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    with mpl.rc_context(STYLE):
        _lay_out(figure)
        figure.savefig(stream, format=kind, dpi=DPI, **options)
    return stream.getvalue()


def _lay_out(figure: Figure) -> None:
    """Lay a figure out, once and for good; it would else be for every image."""
    engine = figure.get_layout_engine()
    if engine is None:
        return
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if not axis.get_label_text()):
        # Else all tick labels are measured to find the place of a label without a text.
        axis.set_label_coords(0, 0)
    # The texts that are measured now need not be again when the PNG is drawn.
    figure.set_dpi(DPI)
    engine.execute(figure)
    figure.set_layout_engine(None)


def _cut_out(svg: bytes, top: float, height: float) -> bytes:
    """The chart of a standalone SVG, from `top` and of `height` as shares of the whole, without title and lines."""
    text = svg.decode("utf-8")
    # The texts of a figure are drawn after its axes, the title first, and end with the figure.
    first = text.index(f'  <g id="{TITLE}">')
    text = text[:first] + text[text.index("\n </g>\n", first) + 1 :]
    width, full = re.search(r'viewBox="0 0 (\S+) (\S+)"', text).groups()
    size, start = float(full) * height, float(full) * top
    text = text.replace(f'height="{full}pt"', f'height="{size:.6g}pt"', 1)
    text = text.replace(f'viewBox="0 0 {width} {full}"', f'viewBox="0 {start:.6g} {width} {size:.6g}"', 1)
    return text.encode("utf-8")


def standalone(figure: Figure, title: str, lines_below: Sequence[str]) -> Figure:
    """The same figure with its title above and source lines below, for use outside the page."""
    with mpl.rc_context(STYLE):
        share = figure.get_figwidth() / PAGE.width
        heading = textwrap.wrap(title, int(66 * share))
        footer = [part for line in lines_below for part in textwrap.wrap(line, int(108 * share))]
        width, height = figure.get_size_inches()
        top, bottom = 0.12 + 0.24 * len(heading), 0.10 + 0.165 * len(footer)
        full = height + top + bottom
        figure.set_size_inches(width, full)
        figure.get_layout_engine().set(rect=(0, bottom / full, 1, height / full))
        figure.text(
            0.012, 1 - 0.07 / full, "\n".join(heading), va="top", fontsize=HEADING, fontweight="bold", linespacing=1.3,
            gid=TITLE,
        )  # fmt: skip
        figure.text(0.012, 0.06 / full, "\n".join(footer), va="bottom", fontsize=FOOTER, color=MUTED, linespacing=1.35)
    return figure
