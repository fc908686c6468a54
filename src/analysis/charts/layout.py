"""What stands about a chart: names, texts, limits, days and legends, placed so that no text lies on another."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from babel.dates import format_date
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from analysis.charts.contents import wrapped
from analysis.charts.sheet import ABOVE, numbers_on, spaced, tick_decimals, upright, width
from analysis.charts.style import PAGE, VALUE
from analysis.danish import LOCALE, STATUS_SYMBOLS, number
from analysis.errors import InputError

# A light edge keeps a text readable where a line runs behind it.
HALO = (patheffects.withStroke(linewidth=3, foreground="white"),)
# Inches that a character takes up at most.
INCH_PER_CHARACTER = 0.092


def wrapped_names(names: Sequence[str], characters: int) -> list[str]:
    """Names over several lines each."""
    return [wrapped(name, characters) for name in names]


def row_height(names: Sequence[str], least: float) -> float:
    """Inches that a row needs for its wrapped name."""
    return max([least, *(0.2 * (name.count("\n") + 1) + 0.12 for name in names)])


def rows_named(axes: Axes, names: Sequence[str]) -> None:
    """A row per name, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.grid(visible=False, axis="y")


def pinned(
    axes: Axes, x: float, y: float, text: str, offset: tuple[float, float], *, ha: str, va: str, weight: str = "normal"
) -> Annotation:
    """A text at a point of the axes, moved by an offset in points."""
    return axes.annotate(
        text, (x, y), xytext=offset, textcoords="offset points", ha=ha, va=va, fontsize=VALUE, fontweight=weight,
        path_effects=HALO, linespacing=1.1, annotation_clip=False, zorder=6,
    )  # fmt: skip


def at_end(axes: Axes, x: float, y: float, text: str, side: int) -> Annotation:
    """A text outside the end of a lying bar: to the left of it with side -1, to the right with 1."""
    return pinned(axes, x, y, text, (5 * side, 0), ha="right" if side < 0 else "left", va="center")


def absent(axes: Axes, rows: Sequence[int]) -> None:
    """The symbol of what is missing in rows without a figure."""
    for row in rows:
        axes.annotate(
            STATUS_SYMBOLS["missing"], (0, row), xycoords=("axes fraction", "data"), xytext=(6, 0),
            textcoords="offset points", va="center", fontweight="bold",
        )  # fmt: skip


def make_room(
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


def numbers_across(axes: Axes, unit: str) -> None:
    """Danish numbers in a unit below the axes, no more than there is room for."""
    axes.set(xlabel=unit, ylabel="")
    widest = max(len(number(limit, 1)) for limit in axes.get_xlim()) * INCH_PER_CHARACTER + 0.2
    axes.xaxis.set_major_locator(MaxNLocator(max(1, min(7, int(_width(axes) / widest))), steps=[1, 2, 2.5, 5, 10]))
    numbers_on(axes.xaxis, tick_decimals(axes, "x"))


def _width(axes: Axes) -> float:
    """Inches across the axes, as laid out when last drawn."""
    return axes.bbox.width / axes.figure.dpi


def named_upright(axes: Axes, value: float, name: str, colour: str) -> None:
    """A vertical line with its name above the axes, turned inwards where it stands near an edge."""
    axes.axvline(value, color=colour, linewidth=1.6, zorder=2)
    low, high = axes.get_xlim()
    share = (value - low) / (high - low)
    axes.annotate(
        name, (value, 1), xycoords=("data", "axes fraction"), xytext=(0, 4), textcoords="offset points", va="bottom",
        ha="left" if share < 0.3 else "right" if share > 0.7 else "center", color=colour, fontweight="bold",
        fontsize=VALUE,
    )  # fmt: skip


def legend(axes: Axes, handles: Sequence[Artist], labels: Sequence[str], *, raised: bool = False) -> None:
    """A legend above the axes, no wider than they are; above the name of a vertical line when `raised`."""
    place = axes.transAxes + ScaledTranslation(0, 19 / 72 if raised else 0, axes.figure.dpi_scale_trans)
    for columns in range(len(labels), 0, -1):
        legend = axes.legend(handles, labels, ncols=columns, bbox_transform=place, **ABOVE)
        if legend.get_window_extent().width <= axes.bbox.width:
            return


def over_time(
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


def first_days(periods: pd.Series) -> pd.Series:
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
    """The months at the smallest step that leaves no more than eight, on a phone four, counted from January."""
    counted, most = months.year * 12 + months.month - 1, 8 if width() >= PAGE.width else 4
    return next((few for step in steps if len(few := months[counted % step == 0]) <= most), months[:1])
