"""Charts that show a figure together with how far it can be off: intervals, tornado and fan."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.text import Annotation

from analysis.charts import layout
from analysis.charts.contents import Contents, Gap, Series, by_category, figures, level
from analysis.charts.frames import Drawn, drawn, said
from analysis.charts.sheet import STYLE, Drawing, canvas, redrawn, upright, width
from analysis.charts.style import HIGHLIGHT, INK, REFERENCE
from analysis.danish import in_words, number, period, span
from analysis.errors import InputError
from analysis.rows import MISSING

# Inches; one column alone would else be as wide as the page.
WIDEST_COLUMN = 0.9


@redrawn
def intervals(
    rows: pd.DataFrame, *, x: str = "value", y: str = "name", low: str = "low", high: str = "high",
    reference: tuple[str, float] | None = None, unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """A range per name from `low` to `high` with a mark at `x` and all three numbers, such as the need by four methods.

    `reference`: the name and the value of a vertical line. A row that lacks one of its numbers shows only its symbol.
    The axis need not begin at zero.
    """
    given = drawn("intervals", rows, place=y, value=x, hue=None, unit=unit, decimals=decimals)
    table = given.table.assign(low=given.also(low), high=given.also(high))
    known, decimals = table.dropna(subset=["low", "value", "high"]), given.decimals
    turned = known[(known["low"] > known["value"]) | (known["value"] > known["high"])]
    if len(turned):
        raise InputError(
            f"herberg.uncertainty.intervals: {low}, {x} and {high} of {turned['place'].iloc[0]} are not in order"
        )
    with mpl.rc_context(STYLE):
        names = layout.wrapped_names(table["place"], 26)
        figure, axes = canvas(height=1.3 + layout.row_height(names, 0.66) * len(names))
        axes.barh(known.index, known["high"] - known["low"], 0.26, left=known["low"], color="#9CC3DC")
        axes.scatter(known["value"], known.index, s=70, color=HIGHLIGHT, edgecolor="white", linewidth=1.2, zorder=4)
        ends = [
            layout.at_end(axes, value, row.Index, number(value, decimals), side)
            for row in known.itertuples()
            for value, side in ((row.low, -1), (row.high, 1))
        ]
        above = {"ha": "center", "va": "bottom", "weight": "bold"}
        middles = [
            layout.pinned(axes, row.value, row.Index, number(row.value, decimals), (0, 7), **above)
            for row in known.itertuples()
        ]
        layout.absent(axes, table.index.difference(known.index))
        layout.rows_named(axes, names)
        values = [*known[["low", "high"]].to_numpy().ravel(), *([reference[1]] if reference else [])]
        layout.make_room(axes, values, ends + middles)
        if reference:
            layout.named_upright(axes, reference[1], f"{reference[0]} {number(reference[1], decimals)}", REFERENCE)
        layout.numbers_across(axes, given.unit)
    contents = _between(given, known, {"Lavest": "low", "Midt": "value", "Højest": "high"})
    if reference:
        contents.series.append(level(f"{reference[0]} {number(reference[1], decimals)}", reference[1], len(table)))
    spans = [f"{row.place} {_span(row, decimals)}, midten {number(row.value, decimals)}" for row in known.itertuples()]
    return said(figure, given, contents, in_words("Intervaller", given.unit, spans))


@redrawn
def tornado(
    rows: pd.DataFrame, *, y: str = "name", base: str = "value", low: str = "low", high: str = "high",
    unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """Bars from a base to the outcome at the low and at the high value of one assumption at a time.

    Requires also low_label, high_label (the values of the assumption, as text); `base` is the same in all rows. Rows
    are drawn in the order of the frame. Each end says which value of the assumption it is and what comes out; when both
    outcomes lie on the same side of the base, the text of the nearer one stands on the other side.
    """
    given = drawn("tornado", rows, place=y, value=base, hue=None, unit=unit, decimals=decimals)
    texts = {name: given.column(name).astype(str).to_numpy() for name in ("low_label", "high_label")}
    table = given.table.assign(low=given.also(low), high=given.also(high), **texts)
    known, decimals, start = table.dropna(subset=["low", "high"]), given.decimals, table["value"].iloc[0]
    with mpl.rc_context(STYLE):
        names = layout.wrapped_names(table["place"], 24)
        figure, axes = canvas(height=1.65 + layout.row_height(names, 0.56) * len(names))
        ends = []
        for row in known.itertuples():
            bars = [(row.low, row.low_label, HIGHLIGHT), (row.high, row.high_label, REFERENCE)]
            # The longer bar goes behind, so that both are seen when they lie on the same side.
            for value, _, colour in sorted(bars, key=lambda bar: -abs(bar[0] - start)):
                axes.barh(row.Index, value - start, 0.5, left=start, color=colour, edgecolor="white", linewidth=0.6)
            for (value, label, colour), side in zip(sorted(bars, key=lambda bar: bar[0]), (-1, 1), strict=True):
                text = f"{textwrap.fill(label, 22)}\n{number(value, decimals)}"
                ends.append(
                    layout.at_end(axes, min(value, start) if side < 0 else max(value, start), row.Index, text, side)
                )
                ends[-1].set_color(colour)
        layout.absent(axes, table.index.difference(known.index))
        layout.rows_named(axes, names)
        layout.make_room(axes, [start, *known[["low", "high"]].to_numpy().ravel()], ends)
        layout.named_upright(axes, start, f"udgangspunkt {number(start, decimals)}", INK)
        layout.numbers_across(axes, given.unit)
        handles = [Patch(color=colour) for colour in (HIGHLIGHT, REFERENCE)]
        layout.legend(axes, handles, ["lav værdi af antagelsen", "høj værdi af antagelsen"], raised=True)
    contents = _between(given, known, {"Lav værdi af antagelsen": "low", "Høj værdi af antagelsen": "high"})
    spans = [f"{row.place} {_span(row, decimals)}" for row in known.itertuples()]
    return said(figure, given, contents, in_words("Søjler om udgangspunktet", given.unit, spans))


def _span(row: NamedTuple, decimals: int) -> str:
    return span(*sorted((row.low, row.high)), decimals=decimals)


def _between(given: Drawn, known: pd.DataFrame, ends: Mapping[str, str]) -> Contents:
    """What ranges say: a series for each of their ends, column by name; rows that are not known are gaps."""
    places = given.table["place"].astype(str)
    shown, absent = known.reindex(places.index), places.drop(known.index)
    series = [Series(name, figures(shown[end])) for name, end in ends.items()]
    return Contents("table", given.unit, given.decimals, [*places], series, [Gap(name, "", MISSING) for name in absent])


@redrawn
def fan(
    history: pd.DataFrame, forecast: pd.DataFrame | None = None, *, x: str = "period", y: str = "value",
    coverage: str = "", references: Mapping[str, float] | None = None, unit: str | None = None,
    decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """A line up to now, and from there the expected course with its interval, named where they end.

    `x`: a date, a period, its first day, or a month or quarter as StatBank writes it. `forecast` requires period, mean,
    low, high in the unit shown, and may be empty. `coverage`: what the interval is called. `references`: named
    horizontal lines.
    """
    given = drawn("fan", history, place=x, value=y, hue=None, unit=unit, decimals=decimals)
    decimals, references = given.decimals, references or {}
    if forecast is not None and not {"period", "mean", "low", "high"} <= set(getattr(forecast, "columns", ())):
        raise InputError("herberg.uncertainty.fan: a forecast is a frame with period, mean, low and high")
    past = given.table[["place", "value"]].assign(date=layout.first_days(given.table["place"])).sort_values("date")
    last, ahead = past.dropna().tail(1), pd.DataFrame()
    with mpl.rc_context(STYLE):
        figure, axes = canvas()
        axes.plot(past["date"], past["value"], color=HIGHLIGHT, linewidth=2.2)
        axes.plot(last["date"], last["value"], marker="o", color=HIGHLIGHT)
        names, dates, values = [], past["date"], past["value"]
        if forecast is None or forecast.empty:
            names = [(number(value, decimals), value, HIGHLIGHT) for value in last["value"]]
        else:
            ahead = forecast.assign(date=layout.first_days(forecast["period"]), place=forecast["period"])
            ahead = ahead[["place", "date", "mean", "low", "high"]].sort_values("date")
            start = last.rename(columns={"value": "mean"}).assign(low=last["value"], high=last["value"])
            ahead = pd.concat([start, ahead], ignore_index=True)
            axes.fill_between(ahead["date"], ahead["low"], ahead["high"], color=REFERENCE, alpha=0.2, linewidth=0)
            axes.plot(ahead["date"], ahead["mean"], color=REFERENCE, linewidth=2.2, linestyle=(0, (3, 1.6)))
            end = ahead.iloc[-1]
            names = [
                (f"{textwrap.fill(coverage, 22)}\n{_span(end, decimals)}", end["high"], "#8A5A3C"),
                (f"forventet {number(end['mean'], decimals)}", end["mean"], REFERENCE),
            ]
            for row in last.itertuples():
                beside = {"ha": "right", "va": "bottom", "weight": "bold"}
                now = layout.pinned(axes, row.date, row.value, number(row.value, decimals), (-2, 9), **beside)
                now.set_color(HIGHLIGHT)
            dates = pd.concat([dates, ahead["date"]])
            values = pd.concat([values, ahead["low"], ahead["high"]])
        for name, value in references.items():
            axes.axhline(value, color=INK, linewidth=1.1, linestyle=":")
            names.append((textwrap.fill(f"{name} {number(value, decimals)}", 22), value, INK))
        layout.over_time(axes, dates, [*values, *references.values()], names, given.unit)
    courses = {"Opgjort": past.set_index("date")["value"]}
    if not ahead.empty:
        course = ahead.set_index("date")
        courses["Forventet"] = course["mean"]
        courses[f"{coverage}, nedre"] = course["low"]
        courses[f"{coverage}, øvre"] = course["high"]
    contents = over_days(courses, references, given.unit, decimals)
    points = [(f"fra {number(row.value, decimals)}", row.place) for row in past.dropna().head(1).itertuples()]
    points += [(f"til {number(row.value, decimals)}", row.place) for row in last.itertuples()]
    points += [
        (f"videre mod {number(row.mean, decimals)} ({coverage.lower()}: {_span(row, decimals)})", row.place)
        for row in ahead.tail(1).itertuples(index=False)
    ]
    course = " ".join(
        f"{text} i {period(pd.Period(place, 'M') if isinstance(place, pd.Timestamp) else place)}"
        for text, place in points
    )
    levels = [f"{name} {number(value, decimals)}" for name, value in references.items()]
    return said(figure, given, contents, in_words("Linje", given.unit, [course, *levels]))


@redrawn
def grouped_columns(
    rows: pd.DataFrame, *, x: str = "label", y: str = "value", hue: str | None = None,
    palette: Mapping[str, str] | None = None, unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """A group of columns side by side with their values, such as places per cluster under several criteria.

    Groups stand as the rows do, series as in the palette. The columns lie down when names or values would not fit side
    by side; a value that is missing shows its symbol.
    """
    given = drawn("grouped_columns", rows, place=x, value=y, hue=hue, palette=palette, unit=unit, decimals=decimals)
    table, groups, colours = given.table, given.places, given.colours
    with mpl.rc_context(STYLE):
        room = (width() - 0.9) / len(groups)
        lying = not _side_by_side(groups, table["value"], given.decimals, room, len(colours))
        breadth = 0.84 if lying else min(0.84, WIDEST_COLUMN * len(colours) / room)
        figure, axes = canvas(height=0.95 + 0.27 * len(groups) * (len(colours) + 0.7) if lying else None)
        x, y = ("value", "place") if lying else ("place", "value")
        sns.barplot(
            data=table, x=x, y=y, orient="h" if lying else "v", hue="series",
            hue_order=list(colours), order=groups, palette=colours, saturation=1, width=breadth, ax=axes, legend=False,
            errorbar=None,
        )  # fmt: skip
        texts = _column_values(axes, given, breadth, lying)
        values = [0, *table["value"].dropna()]
        # Without a single column the axis still begins at zero.
        values += [] if any(values) else [1]
        if lying:
            layout.rows_named(axes, layout.wrapped_names(groups, 26))
            layout.make_room(axes, values, texts, least=0)
            layout.numbers_across(axes, given.unit)
        else:
            axes.set_xticks(range(len(groups)), layout.wrapped_names(groups, int(room / layout.INCH_PER_CHARACTER)))
            axes.set_xlim(-0.5, len(groups) - 0.5)
            layout.make_room(axes, values, texts, axis=1, least=0)
            upright(axes, given.unit)
        if min(values) < 0:
            (axes.axvline if lying else axes.axhline)(0, color=INK, linewidth=0.9)
        if len(colours) > 1:
            layout.legend(axes, [Patch(color=colour) for colour in colours.values()], list(colours))
    kind = "bars" if lying else "columns"
    contents = Contents(kind, given.unit, given.decimals, *by_category(table, "place", colours))
    return said(figure, given, contents, given.reading_by_place("Søjler", hue))


def _column_values(axes: Axes, given: Drawn, breadth: float, lying: bool) -> list[Annotation]:
    """The values outside the ends of the columns, also where a missing value leaves no column."""
    texts, series = [], list(given.colours)
    for row in given.table.itertuples():
        place = given.places.index(row.place) + ((series.index(row.series) + 0.5) / len(series) - 0.5) * breadth
        end, side = np.nan_to_num(row.value), -1 if row.value < 0 else 1
        text = number(row.value, given.decimals, row.status)
        texts.append(layout.at_end(axes, end, place, text, side) if lying else _on_top(axes, place, end, text, side))
    return texts


def _side_by_side(groups: Sequence[str], values: pd.Series, decimals: int, room: float, series: int) -> bool:
    """Whether upright columns have room, in inches per group, for their values on top and for names below."""
    longest = max(len(number(value, decimals)) for value in values)
    names = layout.wrapped_names(groups, int(room / layout.INCH_PER_CHARACTER))
    lines = [line for name in names for line in name.split("\n")]
    names_fit = max(map(len, lines)) * layout.INCH_PER_CHARACTER <= room and max(name.count("\n") for name in names) < 2
    return names_fit and (longest + 0.6) * layout.INCH_PER_CHARACTER <= 0.84 * room / series


def _on_top(axes: Axes, x: float, y: float, text: str, side: int) -> Annotation:
    """A text outside the end of an upright bar: below it with side -1, above with 1."""
    return layout.pinned(axes, x, y, text, (0, 3 * side), ha="center", va="top" if side < 0 else "bottom")


def over_days(courses: dict[str, pd.Series], levels: dict[str, float], unit: str, decimals: int) -> Contents:
    """Lines over days, each a series by date, and levels that are the same for all days."""
    days = sorted({day for course in courses.values() for day in course.index})
    series = [Series(name, figures(own.reindex(days))) for name, own in courses.items()]
    series += [
        level(f"{name} {number(value, decimals)}", value, len(days))
        for name, value in levels.items()
        if not np.isnan(value)
    ]
    return Contents("table", unit, decimals, [day.date().isoformat() for day in days], series)
