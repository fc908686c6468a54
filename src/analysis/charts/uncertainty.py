"""Charts that show a figure together with how far it can be off: intervals, tornado, fan, use against capacity."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from babel.dates import format_date
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from analysis.charts.contents import Contents, Gap, Series, at_places, by_category, figures, level, wrapped
from analysis.charts.frames import Drawn, drawn, said
from analysis.charts.sheet import ABOVE, STYLE, Drawing, canvas, numbers_on, spaced, tick_decimals, upright, width
from analysis.charts.style import CONTEXT, GRID, HIGHLIGHT, INK, LABEL, MUTED, REFERENCE, VALUE
from analysis.danish import LOCALE, STATUS_SYMBOLS, in_words, listed, number, period, span
from analysis.errors import InputError
from analysis.rows import MISSING, SUPPRESSED

# Light enough for ink to be read on every shade.
SHADES = sns.light_palette("#6BAED6", as_cmap=True)
# A light edge keeps a text readable where a line runs behind it.
HALO = (patheffects.withStroke(linewidth=3, foreground="white"),)
# Inches that a character takes up at most.
INCH_PER_CHARACTER = 0.092
LARGEST_DOT = 420
# Inches; one column alone would else be as wide as the page.
WIDEST_COLUMN = 0.9
DASHES = ((0, (6, 2)), (0, (3, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


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
        raise InputError(f"charts.intervals: {low}, {x} and {high} of {turned['place'].iloc[0]} are not in order")
    with mpl.rc_context(STYLE):
        names = _wrapped(table["place"], 26)
        figure, axes = canvas(height=1.3 + _row_height(names, 0.66) * len(names))
        axes.barh(known.index, known["high"] - known["low"], 0.26, left=known["low"], color="#9CC3DC")
        axes.scatter(known["value"], known.index, s=70, color=HIGHLIGHT, edgecolor="white", linewidth=1.2, zorder=4)
        ends = [
            _at_end(axes, value, row.Index, number(value, decimals), side)
            for row in known.itertuples()
            for value, side in ((row.low, -1), (row.high, 1))
        ]
        above = {"ha": "center", "va": "bottom", "weight": "bold"}
        middles = [
            _text(axes, row.value, row.Index, number(row.value, decimals), (0, 7), **above)
            for row in known.itertuples()
        ]
        _absent(axes, table.index.difference(known.index))
        _rows(axes, names)
        values = [*known[["low", "high"]].to_numpy().ravel(), *([reference[1]] if reference else [])]
        _make_room(axes, values, ends + middles)
        if reference:
            _named_upright(axes, reference[1], f"{reference[0]} {number(reference[1], decimals)}", REFERENCE)
        _numbers_across(axes, given.unit)
    contents = _between(given, known, {"Lavest": "low", "Midt": "value", "Højest": "high"})
    if reference:
        contents.series.append(level(f"{reference[0]} {number(reference[1], decimals)}", reference[1], len(table)))
    spans = [f"{row.place} {_span(row, decimals)}, midten {number(row.value, decimals)}" for row in known.itertuples()]
    return said(figure, given, contents, in_words("Intervaller", given.unit, spans))


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
        names = _wrapped(table["place"], 24)
        figure, axes = canvas(height=1.65 + _row_height(names, 0.56) * len(names))
        ends = []
        for row in known.itertuples():
            bars = [(row.low, row.low_label, HIGHLIGHT), (row.high, row.high_label, REFERENCE)]
            # The longer bar goes behind, so that both are seen when they lie on the same side.
            for value, _, colour in sorted(bars, key=lambda bar: -abs(bar[0] - start)):
                axes.barh(row.Index, value - start, 0.5, left=start, color=colour, edgecolor="white", linewidth=0.6)
            for (value, label, colour), side in zip(sorted(bars, key=lambda bar: bar[0]), (-1, 1), strict=True):
                text = f"{textwrap.fill(label, 22)}\n{number(value, decimals)}"
                ends.append(_at_end(axes, min(value, start) if side < 0 else max(value, start), row.Index, text, side))
                ends[-1].set_color(colour)
        _absent(axes, table.index.difference(known.index))
        _rows(axes, names)
        _make_room(axes, [start, *known[["low", "high"]].to_numpy().ravel()], ends)
        _named_upright(axes, start, f"udgangspunkt {number(start, decimals)}", INK)
        _numbers_across(axes, given.unit)
        handles = [Patch(color=colour) for colour in (HIGHLIGHT, REFERENCE)]
        _legend(axes, handles, ["lav værdi af antagelsen", "høj værdi af antagelsen"], raised=True)
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
        raise InputError("charts.fan: a forecast is a frame with period, mean, low and high")
    past = given.table[["place", "value"]].assign(date=_dates(given.table["place"])).sort_values("date")
    last, ahead = past.dropna().tail(1), pd.DataFrame()
    with mpl.rc_context(STYLE):
        figure, axes = canvas()
        axes.plot(past["date"], past["value"], color=HIGHLIGHT, linewidth=2.2)
        axes.plot(last["date"], last["value"], marker="o", color=HIGHLIGHT)
        names, dates, values = [], past["date"], past["value"]
        if forecast is None or forecast.empty:
            names = [(number(value, decimals), value, HIGHLIGHT) for value in last["value"]]
        else:
            ahead = forecast.assign(date=_dates(forecast["period"]), place=forecast["period"])
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
                _text(axes, row.date, row.value, number(row.value, decimals), (-2, 9), **beside).set_color(HIGHLIGHT)
            dates = pd.concat([dates, ahead["date"]])
            values = pd.concat([values, ahead["low"], ahead["high"]])
        for name, value in references.items():
            axes.axhline(value, color=INK, linewidth=1.1, linestyle=":")
            names.append((textwrap.fill(f"{name} {number(value, decimals)}", 22), value, INK))
        _over_time(axes, dates, [*values, *references.values()], names, given.unit)
    courses = {"Opgjort": past.set_index("date")["value"]}
    if not ahead.empty:
        course = ahead.set_index("date")
        courses["Forventet"] = course["mean"]
        courses[f"{coverage}, nedre"] = course["low"]
        courses[f"{coverage}, øvre"] = course["high"]
    contents = _over_days(courses, references, given.unit, decimals)
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


def _over_days(courses: dict[str, pd.Series], levels: dict[str, float], unit: str, decimals: int) -> Contents:
    """Lines over days, each a series by date, and levels that are the same for all days."""
    days = sorted({day for course in courses.values() for day in course.index})
    series = [Series(name, figures(own.reindex(days))) for name, own in courses.items()]
    series += [
        level(f"{name} {number(value, decimals)}", value, len(days))
        for name, value in levels.items()
        if not np.isnan(value)
    ]
    return Contents("table", unit, decimals, [day.date().isoformat() for day in days], series)


def flow_matrix(
    rows: pd.DataFrame, *, x: str = "host_cluster", y: str = "home_cluster", value: str = "value",
    unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """From where to where: a shaded table with a row per home (`y`) and a column per host (`x`), as the rows stand.

    A cell without a figure shows the symbol of its status; a pair that the rows lack is missing.
    """
    hosts = rows[x].astype(str) if isinstance(rows, pd.DataFrame) and x in rows.columns else []
    tones = dict.fromkeys(hosts, HIGHLIGHT) or None
    given = drawn("flow_matrix", rows, place=y, value=value, hue=x, palette=tones, unit=unit, decimals=decimals)
    table, homes, hosts, decimals = given.table, given.places, list(given.colours), given.decimals
    with mpl.rc_context(STYLE):
        wide = table.pivot(index="place", columns="series", values=["value", "status"]).reindex(homes)
        values = wide["value"][hosts].astype(float)
        texts = [
            [number(value, decimals, status) for value, status in zip(*pair, strict=True)]
            for pair in zip(values.to_numpy(), wide["status"][hosts].to_numpy(), strict=True)
        ]
        rows = _wrapped(homes, 24)
        characters = int((width() - 2.2) / len(hosts) / INCH_PER_CHARACTER)
        columns = _level(_wrapped(hosts, max(characters, 9)))
        figure, axes = canvas(height=1.25 + _row_height(rows, 0.46) * len(rows))
        known = values.to_numpy()[values.notna()]
        sns.heatmap(
            values, cmap=SHADES, vmin=min([0, *known]), vmax=max(known, default=1), cbar=False,
            linewidths=1.5, linecolor="white", ax=axes,
        )  # fmt: skip
        axes.patch.set(facecolor="white", edgecolor=GRID, hatch="////", linewidth=0)
        for row, column in np.ndindex(values.shape):
            halo = HALO if np.isnan(values.iloc[row, column]) else None
            spot = {"ha": "center", "va": "center", "fontsize": VALUE, "path_effects": halo}
            axes.text(column + 0.5, row + 0.5, texts[row][column], **spot)
        axes.set_xticks(np.arange(len(hosts)) + 0.5, columns, rotation=0)
        axes.set_yticks(np.arange(len(homes)) + 0.5, rows, rotation=0)
        if max(len(line) for name in columns for line in name.split("\n")) > characters:
            axes.tick_params(axis="x", labelrotation=90)
        axes.set(xlabel="Herbergets sted", ylabel="Hjemsted")
        axes.grid(visible=False)
        hidden = f"; {STATUS_SYMBOLS['suppressed']} er skjult for at beskytte få personer"
        note = given.unit + (hidden if (table["status"] == SUPPRESSED).any() else "")
        axes.annotate(
            note, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points", fontsize=LABEL,
            color=MUTED,
        )  # fmt: skip
    contents = Contents("matrix", given.unit, decimals, *by_category(table, "place", dict.fromkeys(hosts, "")))
    parts = [
        f"{host} " + listed([f"{texts[row][column]} fra {home}" for row, home in enumerate(homes)])
        for column, host in enumerate(hosts)
    ]
    return said(figure, given, contents, in_words("Skema over herbergets sted og hjemsted", given.unit, parts))


def occupancy_curve(
    rows: pd.DataFrame, *, x: str = "date", y: str = "value", places: int, marks: Mapping[str, float],
    unit: str | None = None,
) -> Drawing:  # fmt: skip
    """Places taken night by night against the places there are, with named levels such as the mean and p90.

    `marks`: level in places by its name. The places that were free are shaded, and in another colour those taken beyond
    what there are.
    """
    given = drawn("occupancy_curve", rows, place=x, value=y, hue=None, unit=unit, decimals=0)
    nights = given.table.assign(place=_dates(given.table["place"])).sort_values("place", ignore_index=True)
    with mpl.rc_context(STYLE):
        figure, axes = canvas()
        free, beyond = nights["value"] <= places, nights["value"] > places
        shades = {"ledige pladser": (free, CONTEXT, 0.3), "belagt ud over pladserne": (beyond, REFERENCE, 0.45)}
        for name, (where, colour, strength) in shades.items():
            if where.any():
                axes.fill_between(
                    nights["place"], nights["value"], places, where=where, interpolate=True, color=colour,
                    alpha=strength, linewidth=0, label=name,
                )  # fmt: skip
        sns.lineplot(data=nights, x="place", y="value", color=HIGHLIGHT, linewidth=1.3, errorbar=None, ax=axes)
        axes.axhline(places, color=REFERENCE, linewidth=2)
        names = [(f"{number(places)} pladser", float(places), REFERENCE)]
        for (name, level), dashes in zip(marks.items(), cycle(DASHES), strict=False):
            axes.axhline(level, color=INK, linewidth=1.2, linestyle=dashes)
            names.append((textwrap.fill(f"{name} {number(level)}", 22), level, INK))
        _over_time(axes, nights["place"], [*nights["value"], places, *marks.values()], names, given.unit)
        _legend(axes, *axes.get_legend_handles_labels())
    levels = {"Pladser": float(places), **marks}
    taken = nights.set_index("place")["value"]
    contents = _over_days({given.unit.capitalize(): taken}, levels, given.unit, 0)
    known = [f"{name} {number(level)}" for name, level in levels.items()]
    reading = in_words("Linje over nætterne", given.unit, [*known, f"Flest {number(taken.max())}"])
    return said(figure, given, contents, reading)


def prices(
    rows: pd.DataFrame, *, x: str = "value", y: str = "group", size: str = "places", ceiling: float,
    ceiling_label: str, unit: str | None = None,
) -> Drawing:  # fmt: skip
    """A dot per tilbud at its takst, as large as its places, in a row per ownership, against the ceiling.

    A tilbud without a takst is left out, also of the mean, which is weighted with places; a group where no tilbud has
    one shows only the symbol.
    """
    given = drawn("prices", rows, place=y, value=x, hue=None, several=True, unit=unit, decimals=0)
    groups, table = given.places, given.table.assign(places=given.column(size).to_numpy())
    with mpl.rc_context(STYLE):
        names = _wrapped(groups, 22)
        figure, axes = canvas(height=1.7 + 0.9 * len(groups))
        known = table.assign(row=[groups.index(group) for group in table["place"]])
        known = known.dropna(subset=["value", "places"]).sort_values("value", kind="stable")
        # Neighbours in price are moved apart in a fixed pattern, so that two runs give the same picture.
        turn = known.groupby("place").cumcount().to_numpy() % 5
        height = known["row"] + np.array([0.0, 0.15, -0.15, 0.075, -0.075])[turn] + 0.06
        scale, dot = LARGEST_DOT / max([1, *known["places"]]), {"color": HIGHLIGHT, "alpha": 0.5, "edgecolor": "white"}
        axes.scatter(known["value"], height, s=known["places"] * scale, zorder=3, **dot)
        means = []
        for row, own in known.groupby("row"):
            mean = np.average(own["value"], weights=own["places"])
            axes.vlines(mean, row - 0.27, row + 0.36, color=INK, linewidth=2.6, zorder=4)
            means.append(_text(axes, mean, row - 0.28, number(mean), (0, 1), ha="center", va="bottom", weight="bold"))
        _absent(axes, [row for row in range(len(groups)) if row not in set(known["row"])])
        _rows(axes, names)
        _make_room(axes, [ceiling, *known["value"]], means, least=0.06)
        _named_upright(axes, ceiling, f"{ceiling_label} {number(ceiling)}", REFERENCE)
        _numbers_across(axes, given.unit)
        axes.plot([], [], color=INK, linewidth=2.6, label="gennemsnit vægtet med pladser")
        for places in sorted({int(known["places"].median()), int(known["places"].max())} if len(known) else ()):
            axes.scatter([], [], s=places * scale, label=f"{number(places)} pladser", **dot)
        _legend(axes, *axes.get_legend_handles_labels(), raised=True)
    means = {group: np.average(own["value"], weights=own["places"]) for group, own in known.groupby("place")}
    highest = known.groupby("place")["value"].max()
    parts = [f"{group} i gennemsnit {number(mean)}, højest {number(highest[group])}" for group, mean in means.items()]
    parts.append(f"{ceiling_label} {number(ceiling)}")
    contents = _price_contents(known, groups, means, (f"{ceiling_label} {number(ceiling)}", ceiling), given.unit)
    return said(figure, given, contents, in_words("En prik for hvert tilbud", given.unit, parts))


def _price_contents(
    known: pd.DataFrame, groups: Sequence[str], means: Mapping[str, float], ceiling: tuple[str, float], unit: str
) -> Contents:
    """Each tilbud at its places and its takst, a series per group whose name tells the mean, and the ceiling."""
    series = []
    for group in (group for group in groups if group in means):
        own = known[known["place"] == group]
        series.append(at_places(f"{group} (gennemsnit {number(means[group])})", own["places"], own["value"]))
    widest = [0.0, float(known["places"].max())] if len(known) else [0.0, 1.0]
    series.append(at_places(ceiling[0], widest, [ceiling[1]] * 2))
    gaps = [Gap(str(group), "", MISSING) for group in groups if group not in means]
    return Contents("points", unit, 0, [], series, gaps, across="pladser i tilbuddet")


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
            _rows(axes, _wrapped(groups, 26))
            _make_room(axes, values, texts, least=0)
            _numbers_across(axes, given.unit)
        else:
            axes.set_xticks(range(len(groups)), _wrapped(groups, int(room / INCH_PER_CHARACTER)))
            axes.set_xlim(-0.5, len(groups) - 0.5)
            _make_room(axes, values, texts, axis=1, least=0)
            upright(axes, given.unit)
        if min(values) < 0:
            (axes.axvline if lying else axes.axhline)(0, color=INK, linewidth=0.9)
        if len(colours) > 1:
            _legend(axes, [Patch(color=colour) for colour in colours.values()], list(colours))
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
        texts.append(_at_end(axes, end, place, text, side) if lying else _on_top(axes, place, end, text, side))
    return texts


def _side_by_side(groups: Sequence[str], values: pd.Series, decimals: int, room: float, series: int) -> bool:
    """Whether upright columns have room, in inches per group, for their values on top and for names below."""
    longest = max(len(number(value, decimals)) for value in values)
    names = _wrapped(groups, int(room / INCH_PER_CHARACTER))
    lines = [line for name in names for line in name.split("\n")]
    names_fit = max(map(len, lines)) * INCH_PER_CHARACTER <= room and max(name.count("\n") for name in names) < 2
    return names_fit and (longest + 0.6) * INCH_PER_CHARACTER <= 0.84 * room / series


def _wrapped(names: Sequence[str], characters: int) -> list[str]:
    return [wrapped(name, characters) for name in names]


def _level(names: Sequence[str]) -> list[str]:
    """Names of equally many lines: those below the axes else start at different heights."""
    lines = max(name.count("\n") for name in names)
    return [name + "\n" * (lines - name.count("\n")) for name in names]


def _row_height(names: Sequence[str], least: float) -> float:
    """Inches that a row needs for its wrapped name."""
    return max([least, *(0.2 * (name.count("\n") + 1) + 0.12 for name in names)])


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.grid(visible=False, axis="y")


def _text(
    axes: Axes, x: float, y: float, text: str, offset: tuple[float, float], *, ha: str, va: str, weight: str = "normal"
) -> Annotation:
    return axes.annotate(
        text, (x, y), xytext=offset, textcoords="offset points", ha=ha, va=va, fontsize=VALUE, fontweight=weight,
        path_effects=HALO, linespacing=1.1, annotation_clip=False, zorder=6,
    )  # fmt: skip


def _at_end(axes: Axes, x: float, y: float, text: str, side: int) -> Annotation:
    """A text outside the end of a lying bar: to the left of it with side -1, to the right with 1."""
    return _text(axes, x, y, text, (5 * side, 0), ha="right" if side < 0 else "left", va="center")


def _on_top(axes: Axes, x: float, y: float, text: str, side: int) -> Annotation:
    """A text outside the end of an upright bar: below it with side -1, above with 1."""
    return _text(axes, x, y, text, (0, 3 * side), ha="center", va="top" if side < 0 else "bottom")


def _absent(axes: Axes, rows: Sequence[int]) -> None:
    for row in rows:
        axes.annotate(
            STATUS_SYMBOLS["missing"], (0, row), xycoords=("axes fraction", "data"), xytext=(6, 0),
            textcoords="offset points", va="center", fontweight="bold",
        )  # fmt: skip


def _make_room(
    axes: Axes, values: Sequence[float], texts: Sequence[Annotation], *, axis: int = 0, least: float = 0.02
) -> None:
    """Limits of an axis (0 across, 1 upright) that hold the values and the texts pinned to them.

    Texts keep their size when the scale changes, so that they are measured once and the limits then moved until all of
    them fit. `least`: the margin to both sides as a share of the span.
    """
    known = [value for value in values if not np.isnan(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if low == high:
        low, high = low - max(abs(low), 1) * 0.05, high + max(abs(high), 1) * 0.05
    low, high = low - least * (high - low), high + least * (high - low)
    set_limits = axes.set_ylim if axis else axes.set_xlim
    set_limits(low, high)
    for text in texts:
        # Else the room outside the axes that the layout makes for a text would be counted as well.
        text.set_in_layout(False)
    axes.figure.get_layout_engine().execute(axes.figure)
    length = axes.bbox.size[axis]
    boxes = [text.get_window_extent() for text in texts]
    pins = [text.xy[axis] for text in texts]
    at = [axes.transData.transform(text.xy)[axis] for text in texts]
    before = [place - box.min[axis] + 3 for place, box in zip(at, boxes, strict=True)]
    after = [box.max[axis] - place + 3 for place, box in zip(at, boxes, strict=True)]
    bottom, top = low, high
    for _ in range(30):
        scale = (top - bottom) / length
        bottom = min([low, *(pin - room * scale for pin, room in zip(pins, before, strict=True))])
        top = max([high, *(pin + room * scale for pin, room in zip(pins, after, strict=True))])
    set_limits(bottom, top)


def _numbers_across(axes: Axes, unit: str) -> None:
    """Danish numbers in a unit below the axes, no more than there is room for."""
    axes.set(xlabel=unit, ylabel="")
    widest = max(len(number(limit, 1)) for limit in axes.get_xlim()) * INCH_PER_CHARACTER + 0.2
    axes.xaxis.set_major_locator(MaxNLocator(max(1, min(7, int(_width(axes) / widest))), steps=[1, 2, 2.5, 5, 10]))
    numbers_on(axes.xaxis, tick_decimals(axes, "x"))


def _width(axes: Axes) -> float:
    """Inches across the axes, as laid out when last drawn."""
    return axes.bbox.width / axes.figure.dpi


def _named_upright(axes: Axes, value: float, name: str, colour: str) -> None:
    """A vertical line with its name above the axes, turned inwards where it stands near an edge."""
    axes.axvline(value, color=colour, linewidth=1.6, zorder=2)
    low, high = axes.get_xlim()
    share = (value - low) / (high - low)
    axes.annotate(
        name, (value, 1), xycoords=("data", "axes fraction"), xytext=(0, 4), textcoords="offset points", va="bottom",
        ha="left" if share < 0.3 else "right" if share > 0.7 else "center", color=colour, fontweight="bold",
        fontsize=VALUE,
    )  # fmt: skip


def _legend(axes: Axes, handles: Sequence[Artist], labels: Sequence[str], *, raised: bool = False) -> None:
    """A legend above the axes, no wider than they are; above the name of a vertical line when `raised`."""
    place = axes.transAxes + ScaledTranslation(0, 19 / 72 if raised else 0, axes.figure.dpi_scale_trans)
    for columns in range(len(labels), 0, -1):
        legend = axes.legend(handles, labels, ncols=columns, bbox_transform=place, **ABOVE)
        if legend.get_window_extent().width <= axes.bbox.width:
            return


def _over_time(
    axes: Axes, dates: pd.Series, values: Sequence[float], names: Sequence[tuple[str, float, str]], unit: str
) -> None:
    """The axes of a course over dates, with limits that hold the values, and names to the right (`_named_at_right`)."""
    _upright_limits(axes, values)
    _date_axis(axes, dates)
    _named_at_right(axes, names)
    upright(axes, unit)


def _upright_limits(axes: Axes, values: Sequence[float]) -> None:
    """From zero, unless what the chart is about would then be pressed flat at the top of it."""
    known = [value for value in values if not np.isnan(value)] or [0.0]
    low, high = min(known), max(known)
    if 0 <= low <= high / 2 or low == high:
        low = min(low, 0)
    span = (high - low) or 1.0
    axes.set_ylim(low - (0.08 * span if low else 0), high + 0.08 * span)


def _named_at_right(axes: Axes, names: Sequence[tuple[str, float, str]]) -> None:
    """Names to the right of the axes at their values (text, value, colour), moved apart where they would overlap."""
    texts = [
        axes.annotate(
            text, (1, value), xycoords=("axes fraction", "data"), xytext=(7, 0), textcoords="offset points",
            va="center", color=colour, fontweight="bold", fontsize=VALUE, linespacing=1.1,
        )
        for text, value, colour in names
        if not np.isnan(value)
    ]  # fmt: skip
    axes.figure.get_layout_engine().execute(axes.figure)
    low, high = axes.get_ylim()
    heights = [(text.get_window_extent().height + 4) / axes.bbox.height * (high - low) for text in texts]
    for text, spot in zip(texts, spaced([text.xy[1] for text in texts], heights, low, high), strict=True):
        text.xy = (1, spot)


def _dates(periods: pd.Series) -> pd.Series:
    """The first day of each period."""
    if isinstance(periods.dtype, pd.PeriodDtype):
        return periods.dt.to_timestamp()
    dates = periods
    if pd.api.types.is_string_dtype(periods):
        # Quarters as StatBank writes them by their first month, the way that months are.
        months = periods.str.replace(r"^(\d{4})K(\d)$", lambda of: f"{of[1]}M{3 * int(of[2]) - 2:02}", regex=True)
        dates = pd.to_datetime(months.str.replace("M", "-"), errors="coerce", format="ISO8601")
    # A year as a number would be drawn in 1970.
    if not pd.api.types.is_datetime64_any_dtype(dates) or dates.isna().any():
        raise InputError(f"dates or periods belong along the axis of this chart, not {periods.iloc[0]}")
    return dates.dt.normalize()


def _date_axis(axes: Axes, dates: pd.Series) -> None:
    """Danish days, months or years, whichever the dates span, at no more than eight places."""
    first, last = dates.min(), dates.max()
    months = pd.date_range(first, last, freq="MS", normalize=True)
    if (dates.dt.day_of_year == 1).all():
        ticks, pattern = _each(months, [12, 24, 36, 60, 120, 240]), "y"
    elif len(months) < 3:
        ticks, pattern = pd.date_range(first, last, freq=f"{(last - first).days // 8 + 1}D"), "d. MMM"
    else:
        ticks = _each(months, [1, 2, 3, 6, 12, 24, 60, 120])
        pattern = "y" if len(months) / len(ticks) >= 10 else "MMM"
    labels = [format_date(tick, pattern, LOCALE) for tick in ticks]
    if pattern != "y":
        # The year below the first of its months.
        labels = [
            f"{label}\n{'' if known else tick.year}"
            for label, tick, known in zip(labels, ticks, ticks.year.duplicated(), strict=True)
        ]
    axes.set_xticks(ticks, labels)
    margin = max((last - first) * 0.015, pd.Timedelta(days=1))
    axes.set_xlim(first - margin, last + margin)


def _each(months: pd.DatetimeIndex, steps: Sequence[int]) -> pd.DatetimeIndex:
    """The months at the smallest step that leaves no more than eight, counted from January."""
    counted = months.year * 12 + months.month - 1
    return next((few for step in steps if len(few := months[counted % step == 0]) <= 8), months[:1])
