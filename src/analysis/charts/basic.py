"""The few kinds of chart the report uses: rows and the names of their columns in, a figure that knows what it says out.

What the keywords `x`, `y`, `hue`, `palette` and `order` mean is what they mean in seaborn. Unit, scale, decimals and
colours come from the rows (see frames.py); `unit` and `decimals` say them of rows that are not key figures.
"""

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator

from analysis.charts.contents import Contents, Gap, Kind, Series, at_places, by_category, figures, shortened, wrapped
from analysis.charts.frames import Drawn, drawn, hollow_bars, hollow_points, largest, runs, said
from analysis.charts.sheet import (
    ABOVE,
    STYLE,
    Drawing,
    canvas,
    columns,
    numbers_on,
    spaced,
    tick_decimals,
    upright,
    width,
)
from analysis.charts.style import CONTEXT, GRID, HIGHLIGHT, INK, MUTED, PAGE, REFERENCE, SMALL, VALUE
from analysis.danish import listed, number
from analysis.errors import InputError
from analysis.rows import MISSING, SUPPRESSED

if TYPE_CHECKING:
    # statsmodels takes a second to load, and most sections do without.
    from analysis.trend import Funnel


def lines(
    rows: pd.DataFrame, *, x: str = "year", y: str = "value", hue: str | None = None,
    palette: Mapping[str, str] | None = None, unit: str | None = None, decimals: int | None = None, zero: bool = True,
) -> Drawing:  # fmt: skip
    """A line per series over the years, named at its end with the last value; `zero`: the axis holds zero."""
    given = drawn(
        "lines", rows, place=x, value=y, hue=hue, palette=palette, unit=unit, decimals=decimals, years=True
    )  # fmt: skip
    table = given.table
    with mpl.rc_context(STYLE):
        figure, axes = canvas()
        _courses(axes, table, hue="series", palette=given.colours, marker="o", linewidth=2.4, legend=False)
        last = table.dropna(subset="value").sort_values("place").drop_duplicates("series", keep="last")
        if zero:
            axes.set_ylim(bottom=min(0, np.nan_to_num(table["value"].min())) * 1.08, top=largest(table["value"]) * 1.08)
        low, high = axes.get_ylim()
        names = [
            textwrap.fill(f"{shortened(row.series)} {number(row.value, given.decimals)}", 24)
            for row in last.itertuples()
        ]
        gap = (high - low) * 0.07 * max((name.count("\n") + 1 for name in names), default=1)
        spots = spaced(last["value"].tolist(), gap, low, high - 0.02 * (high - low))
        for row, name, spot in zip(last.itertuples(), names, spots, strict=True):
            _at_end(axes, name, (row.place, spot), given.colours[row.series], 9)
        _year_axis(axes, table["place"])
        upright(axes, given.unit)
        hollow_points(axes, given, table["place"], table["value"], table["series"].map(given.colours))
    years, series, gaps = by_category(table, "place", given.colours, ordered=True)
    contents = Contents("lines", given.unit, given.decimals, years, series, gaps, zero=zero)
    return said(figure, given, contents, given.reading("Linjer"))


def stacked_columns(
    rows: pd.DataFrame, *, x: str = "year", y: str = "value", hue: str | None = None,
    palette: Mapping[str, str] | None = None, unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """A column per year, stacked by series, with the parts and the total written on it.

    Negative values are stacked below zero; a year with a missing part has no column.
    """
    given = drawn(
        "stacked_columns", rows, place=x, value=y, hue=hue, palette=palette, unit=unit, decimals=decimals, stacked=True
    )
    wide = given.table.pivot(index="place", columns="series", values="value")[list(given.colours)]
    absent = wide.isna().any(axis=1)
    totals = wide.sum(axis=1).mask(absent)
    kept = wide.mask(absent, 0.0)
    span = largest(kept.clip(lower=0).sum(axis=1))
    gaps = _gaps(given.table)
    with mpl.rc_context(STYLE):
        figure, axes = canvas()
        kept.plot.bar(
            stacked=True, color=given.colours, width=0.62, edgecolor="white", linewidth=0.8, rot=0, legend=False,
            ax=axes,
        )  # fmt: skip
        parts, inside = _parts(axes, kept), {}
        if len(given.colours) > 1:
            for bars, (series, colour) in zip(axes.containers, given.colours.items(), strict=True):
                heights = (bar.get_height() for bar in bars)
                texts = [number(height, given.decimals) if abs(height) > 0.07 * span else "" for height in heights]
                texts = axes.bar_label(bars, texts, label_type="center", color="white" if is_dark(colour) else INK)
                inside |= {(place, series): text for place, text in zip(kept.index, texts, strict=True)}
        tops = kept.clip(lower=0).sum(axis=1)
        for place, (year, total) in enumerate(totals.items()):
            label = number(total, given.decimals, gaps[year])
            axes.text(place, tops[year] + 0.015 * span, label, ha="center", va="bottom", fontweight="bold")
        deepest = kept.clip(upper=0).sum(axis=1).min()
        axes.set(xlabel="", ylim=(deepest * 1.1, largest(tops) * 1.12))
        handles, names = axes.get_legend_handles_labels()
        if len(names) > 1:
            axes.legend(handles[::-1], names[::-1], ncols=columns(2 if sum(map(len, names)) > 60 else 3), **ABOVE)
        upright(axes, given.unit)
        hollow_bars(axes, given, parts, inside)
    # To both sides of zero the total is no longer the end of the column, and only the picture tells them apart.
    kind = "table" if deepest < 0 else "stacked_columns"
    name = "Stablede søjler" if len(given.colours) > 1 else "Søjler"
    return said(figure, given, _stacked(kind, wide.mask(absent), totals, given, gaps), given.reading(name))


def bars(
    rows: pd.DataFrame, *, x: str = "value", y: str, hue: str | None = None, palette: Mapping[str, str] | None = None,
    order: Iterable[str] | None = None, emphasised: Sequence[str] = (), unit: str | None = None,
    decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """Horizontal bars, a group per name and a bar per series, with the value at the end of each.

    Names stand in `order`, else as the rows do; `emphasised` ones in bold.
    """
    given = drawn("bars", rows, place=y, value=x, hue=hue, palette=palette, order=order, unit=unit, decimals=decimals)
    table, names = given.table, given.places
    with mpl.rc_context(STYLE):
        figure, axes = canvas(height=max(2.4, 0.85 + 0.27 * len(names) * (len(given.colours) + 0.7)))
        sns.barplot(
            data=table, x="value", y="place", hue="series", order=names, palette=given.colours, saturation=1,
            hue_order=list(given.colours), errorbar=None, legend=len(given.colours) > 1, orient="h", ax=axes,
        )  # fmt: skip
        low, high = min(np.nan_to_num(table["value"].min()), 0), max(np.nan_to_num(table["value"].max()), 0)
        span = (high - low) or 1.0
        breadth = 0.8 / max(len(given.colours), 1)
        first = {series: (place + 0.5) * breadth - 0.4 for place, series in enumerate(given.colours)}
        for row in table.itertuples():
            # What has no figure has no bar either; its symbol stands where the bar would be.
            value, text = np.nan_to_num(row.value), number(row.value, given.decimals, row.status)
            end, side = (value - 0.012 * span, "right") if value < 0 else (value + 0.012 * span, "left")
            axes.text(end, names.index(row.place) + first[row.series], text, ha=side, va="center", fontsize=VALUE)
        axes.set_xlim(low - (0.12 * span if low < 0 else 0), high + 0.12 * span)
        _names(axes, names, emphasised)
        axes.set_ylim(len(names) - 0.5, -0.5)
        _across(axes, given.unit)
        if len(given.colours) > 1:
            handles, labels = axes.get_legend_handles_labels()
            axes.legend(handles, labels, ncols=columns(min(len(labels), 3)), **ABOVE)
        middles = {round(bar.get_y() + bar.get_height() / 2, 6): bar for bar in axes.patches}
        known = table.dropna(subset="value")[["place", "series"]].itertuples(index=False, name=None)
        spots = {(place, series): round(names.index(place) + first[series], 6) for place, series in known}
        hollow_bars(axes, given, {key: middles[spot] for key, spot in spots.items()})
    contents = Contents("bars", given.unit, given.decimals, *by_category(table, "place", given.colours))
    return said(figure, given, contents, given.reading_by_place("Liggende søjler", hue))


def contributions(
    rows: pd.DataFrame, *, x: str = "pct", y: str = "label", hue: str = "factor",
    palette: Mapping[str, str] | None = None, unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """Horizontal bars of contributions, stacked to both sides of zero, with the total as a diamond and a number.

    A name without contributions shows only its symbol.
    """
    given = drawn("contributions", rows, place=y, value=x, hue=hue, palette=palette, unit=unit, decimals=decimals)
    wide = given.table.pivot(index="place", columns="series", values="value")[list(given.colours)]
    wide = wide.reindex(given.places)
    totals, gaps = wide.sum(axis=1, skipna=False), _gaps(given.table)
    ends = wide.clip(lower=0).sum(axis=1)
    low, high = wide.clip(upper=0).sum(axis=1).min(), ends.max()
    span = (high - low) or 1.0
    with mpl.rc_context(STYLE):
        figure, axes = canvas(height=1.5 + 0.5 * len(wide))
        wide.fillna(0.0).plot.barh(stacked=True, color=given.colours, width=0.6, legend=False, ax=axes)
        for row, (name, total) in enumerate(totals.items()):
            label = number(total, given.decimals, gaps[name])
            axes.text(ends[name] + 0.02 * span, row, label, va="center", fontweight="bold", fontsize=VALUE)
        axes.scatter(totals, range(len(wide)), marker="D", s=34, color="white", edgecolor=INK, zorder=3)
        axes.axvline(0, color=INK, linewidth=0.9)
        _names(axes, given.places)
        axes.set_ylim(len(wide) - 0.45, -0.55)
        axes.set_xlim(low - 0.05 * span, high + 0.14 * span)
        _across(axes, given.unit)
        axes.legend(ncols=columns(2), **ABOVE)
        hollow_bars(axes, given, _parts(axes, wide.fillna(0.0)))
    contents = _stacked("table", wide, totals, given, gaps)
    return said(figure, given, contents, given.reading_by_place("Stablede søjler", hue))


def spread(
    rows: pd.DataFrame, *, x: str = "year", y: str = "value", hue: str = "area",
    references: Mapping[str, tuple[str, str]], unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """A dot per municipality and year, with a named line for each of the `references` (name -> colour, line style)."""
    if not isinstance(references, Mapping) or not all(len(line) == 2 for line in references.values()):
        raise InputError("charts.spread: references are (colour, line style) by name, such as afsnit.references")
    tones = {name: colour for name, (colour, _) in references.items()}
    given = drawn(
        "spread", rows, place=x, value=y, hue=hue, palette=tones, others=True, unit=unit, decimals=decimals, years=True
    )  # fmt: skip
    table = given.table
    dots, named = table[~table["series"].isin(tones)], table[table["series"].isin(tones)]
    with mpl.rc_context(STYLE):
        figure, axes = canvas(height=4.3)
        sns.scatterplot(
            data=dots, x="place", y="value", color=CONTEXT, alpha=0.65, s=30, linewidth=0, legend=False, ax=axes
        )
        ends = []
        for series, (colour, dashes) in references.items():
            line = named[named["series"] == series].sort_values("place")
            if line["value"].isna().all():
                continue
            # A year between two missing ones is a point, not a line.
            marker = "o" if line["value"].isna().any() else None
            _courses(axes, line, color=colour, linestyle=dashes, marker=marker, linewidth=2.6)
            last = line.dropna(subset="value").iloc[-1]
            ends.append((series, colour, last["place"], last["value"]))
        bottom, top = min(0, np.nan_to_num(table["value"].min())) * 1.06, largest(table["value"]) * 1.06
        axes.set_ylim(bottom, top)
        spots = spaced([value for *_, value in ends], (top - bottom) * 0.07, bottom, top * 0.98)
        for (series, colour, year, value), spot in zip(ends, spots, strict=True):
            _at_end(axes, f"{series} {number(value, given.decimals)}", (year, spot), colour, 12)
        _year_axis(axes, table["place"])
        upright(axes, given.unit)
        hollow_points(axes, given, table["place"], table["value"], table["series"].map(tones).fillna(CONTEXT))
    known = dots.dropna(subset="value")
    series = [at_places("Kommunerne hver for sig", known["place"], known["value"])]
    for name in references:
        course = named[named["series"] == name].dropna(subset="value").sort_values("place")
        series.append(at_places(name, course["place"], course["value"]))
    contents = Contents("points", given.unit, given.decimals, [], series)
    reading = replace(given, table=named, colours=tones).reading("En prik for hver kommune og linjer")
    return said(figure, given, contents, reading)


def ranked_dots(
    rows: pd.DataFrame, *, x: str = "value", y: str = "area", hue: str = "year", order: Iterable[str] | None = None,
    emphasised: Sequence[str] = (), unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """A row per name with its value in two years joined by a line, the latest at the end; for comparing many areas.

    Names stand in `order`, else as the rows do; `emphasised` ones in bold and colour.
    """
    given = drawn("ranked_dots", rows, place=y, value=x, hue=hue, order=order, unit=unit, decimals=decimals)
    names = given.places
    years = sorted(given.colours)
    if len(years) != 2:
        raise InputError(f"charts.ranked_dots joins two values of each name; column {hue!r} holds {len(years)}")
    wide = given.table.pivot(index="place", columns="series", values="value").reindex(names)
    first, last = wide[years[0]].to_numpy(), wide[years[-1]].to_numpy()
    places = np.arange(len(names))
    tones = [HIGHLIGHT if name in emphasised else MUTED for name in names]
    top = largest(given.table["value"])
    with mpl.rc_context(STYLE):
        figure, axes = canvas(height=1.0 + 0.235 * len(names))
        axes.hlines(places, first, last, color=GRID, linewidth=2.5)
        # The first year is hollow, unless that is what example data are.
        inner = CONTEXT if given.table["example"].any() else "white"
        axes.scatter(first, places, s=26, facecolor=inner, edgecolor=tones, linewidth=1.4, label=years[0], zorder=3)
        axes.scatter(last, places, s=34, color=tones, label=years[-1], zorder=3)
        for row, value, other in zip(places, last, first, strict=True):
            if not np.isnan(value):
                end = np.nanmax([value, other]) + 0.015 * top
                axes.text(end, row, number(value, given.decimals), va="center", fontsize=VALUE)
        axes.set_yticks(places, map(shortened, names), fontsize=VALUE)
        _embolden(axes, names, emphasised)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, top * 1.1)
        _across(axes, given.unit)
        axes.legend(ncols=columns(2), **ABOVE)
        own = given.table
        edges = own["place"].map(dict(zip(names, tones, strict=True))).where(own["series"] != years[0], CONTEXT)
        hollow_points(axes, given, own["value"], own["place"].map(names.index), edges, 34)
    tones = dict(zip(years, (CONTEXT, HIGHLIGHT), strict=False))
    contents = Contents("table", given.unit, given.decimals, *by_category(given.table, "place", tones))
    return said(figure, given, contents, given.reading("Prikker for to år", given.table["place"]))


def funnel(lying: "Funnel", *, unit: str, across: str, own: str) -> Drawing:
    """Rates of areas against their size, with the limits that chance sets as lines; those outside get their name.

    `lying`: of `trend.funnel`. `own` is drawn in colour. The limits of the smallest areas may run off the top.
    """
    if not hasattr(lying, "limits"):
        raise InputError("charts.funnel draws what trend.funnel(counts, people, per) returns")
    limits, overall, named = lying.limits, lying.rate, lying.outside
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
        axes.legend(ncols=columns(3), **ABOVE)
    figure.contents = _funnel_contents(ordered, dots, unit, across, own, named, overall)
    outside = f"Uden for grænserne ligger {listed(list(named)) if len(named) else 'ingen kommuner'}."
    figure.reading = f"Tragtdiagram. {outside}"
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


def dot_rows(
    rows: pd.DataFrame, *, x: str = "value", y: str = "label", hue: str = "area", palette: Mapping[str, str],
    order: Iterable[str] | None = None, unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """A row per name with a dot per series: those of the `palette` named in the legend, others grey.

    The first series of the palette also has its value written.
    """
    given = drawn(
        "dot_rows", rows, place=y, value=x, hue=hue, palette=palette, others=True, order=order, unit=unit,
        decimals=decimals,
    )  # fmt: skip
    table, names = given.table, given.places
    table["row"] = table["place"].map({name: row for row, name in enumerate(names)})
    others = ~table["series"].isin(list(palette))
    with mpl.rc_context(STYLE):
        figure, axes = canvas(height=1.3 + 0.42 * len(names))
        axes.hlines(range(len(names)), table["value"].min(), table["value"].max(), color=GRID, linewidth=1)
        axes.scatter(
            table["value"][others], table["row"][others], color=CONTEXT, s=46, label="Øvrige regioner", zorder=3
        )
        for series, colour in given.colours.items():
            own = table[table["series"] == series]
            axes.scatter(own["value"], own["row"], color=colour, s=78, label=series, zorder=4)
        for row in table[table["series"] == next(iter(palette))].itertuples():
            axes.annotate(
                number(row.value, given.decimals, row.status),
                (0 if np.isnan(row.value) else row.value, row.row),
                xytext=(0, 8), textcoords="offset points", ha="center", fontsize=VALUE, fontweight="bold",
            )  # fmt: skip
        if table["value"].min() < 0:
            axes.axvline(0, color=INK, linewidth=0.9)
        _names(axes, names)
        axes.set_ylim(len(names) - 0.5, -0.6)
        _across(axes, given.unit)
        axes.legend(ncols=columns(3), **ABOVE)
        edges = table["series"].map(given.colours).fillna(CONTEXT)
        hollow_points(axes, given, table["value"], table["row"], edges, 62)
    tones = dict.fromkeys(table["series"][others], CONTEXT) | given.colours
    contents = Contents("table", given.unit, given.decimals, *by_category(table, "place", tones))
    return said(figure, given, contents, given.reading("Prikker", table["place"] + ", " + table["series"]))


def _parts(axes: Axes, wide: pd.DataFrame) -> dict[tuple, Rectangle]:
    """The parts of stacks drawn from a frame, by place and series, but for those without a length."""
    return {
        (place, series): bar
        for bars, series in zip(axes.containers, wide.columns, strict=True)
        for place, bar in zip(wide.index, bars, strict=True)
        if wide.loc[place, series]
    }


def _stacked(kind: Kind, wide: pd.DataFrame, totals: pd.Series, given: Drawn, gaps: dict[object, str]) -> Contents:
    """Columns by series, stacked for each row of the frame, and the total of each where there are several series."""
    series = [Series(str(name), figures(wide[name]), colour) for name, colour in given.colours.items()]
    if len(series) > 1:
        series.append(Series("I alt", figures(totals), INK, total=True))
    absent = [Gap(str(name), "", gaps[name]) for name in totals.index[totals.isna()]]
    return Contents(kind, given.unit, given.decimals, [str(name) for name in wide.index], series, absent)


def _gaps(table: pd.DataFrame) -> dict[object, str]:
    """Why there is no figure, by place: suppressed where any of its rows is, else missing."""
    hidden = table.loc[table["status"] == SUPPRESSED, "place"]
    return defaultdict(lambda: MISSING, dict.fromkeys(hidden, SUPPRESSED))


def is_dark(colour: str) -> bool:
    """Whether white text reads better on a colour than ink."""
    red, green, blue = mpl.colors.to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.6


def _courses(axes: Axes, table: pd.DataFrame, **style: object) -> None:
    """Lines over places, with one value at each: nothing to average, and no interval to draw."""
    sns.lineplot(data=table.assign(run=runs), x="place", y="value", units="run", estimator=None, ax=axes, **style)


def _at_end(axes: Axes, text: str, spot: tuple[float, float], colour: str, away: int) -> None:
    """The name of a line at its end, `away` points from it."""
    axes.annotate(
        text, spot, xytext=(away, 0), textcoords="offset points", va="center", color=colour, fontweight="bold",
        annotation_clip=False,
    )  # fmt: skip


def _year_axis(axes: Axes, years: pd.Series) -> None:
    most = 7 if width() >= PAGE.width else 3
    shown = np.arange(years.max(), years.min() - 1, -np.ceil(years.nunique() / most))[::-1]
    axes.set_xticks(shown, [f"{year:.0f}" for year in shown])
    axes.set_xlim(years.min() - 0.2, years.max() + 0.2)


def _across(axes: Axes, unit: str) -> None:
    axes.set(xlabel=unit, ylabel="")
    axes.grid(visible=False, axis="y")
    numbers_on(axes.xaxis, tick_decimals(axes, "x"))


def _names(axes: Axes, names: Sequence[object], emphasised: Sequence[str] = ()) -> None:
    axes.set_yticks(range(len(names)), [wrapped(name, 26) for name in names])
    _embolden(axes, names, emphasised)


def _embolden(axes: Axes, names: Sequence[object], emphasised: Sequence[str]) -> None:
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if name in emphasised else "normal")
