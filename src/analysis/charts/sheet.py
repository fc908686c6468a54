"""The sheet that every chart is drawn on: its size and style, axes, and the images made of it."""

import io
import math
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy.optimize import isotonic_regression

from analysis.charts.contents import Contents
from analysis.charts.style import FOOTER, HEADING, MUTED, PAGE, PAPER, PHONE, Size
from analysis.danish import number

# Of the stored PNG.
DPI = 160
# What the title of a stored image is called in it.
TITLE = "titel"
# A stamp: how it slopes, how much of the chart it spans, and how strong: seen at once, and every number still read.
STAMP_SLOPE, STAMP_SHARE, STAMP_STRENGTH = 20, 0.75, 0.12
# How wide a bold capital is, of its height.
BOLD_CAPITAL = 0.78
WHOLE = (0.0, 0.0, 1.0, 1.0)
# Where a legend goes when series cannot be named directly: above the axes, to the left.
ABOVE = {"loc": "lower left", "bbox_to_anchor": (-0.01, 1.0), "borderaxespad": 0.2, "handlelength": 1.2, "title": None}
STYLE = mpl.rc_params_from_file(Path(__file__).with_name("style.mplstyle"), use_default_template=False)


class Drawing(Figure):
    """A figure that knows what it says, the rows it was drawn from, and how it reads; one drawn by hand does not.

    `hollow`: what shows that marks are of example data, with how it looks where a stamp says it of the whole figure.
    """

    contents: Contents | None = None
    rows: pd.DataFrame | None = None
    reading: str = ""
    hollow: tuple[tuple[Artist, dict[str, object]], ...] = ()
    # Draws it once more, for another place.
    again: "Callable[[], Drawing] | None" = None


_size = ContextVar("size", default=PAGE)


@contextmanager
def drawn_for(size: Size) -> Iterator[None]:
    """Draw the charts made inside for another place than the page, such as a phone."""
    before = _size.set(size)
    try:
        yield
    finally:
        _size.reset(before)


def redrawn(draw: Callable[..., Drawing]) -> Callable[..., Drawing]:
    """A kind of chart whose drawings know how they were made."""

    @wraps(draw)
    def remembering(*given: object, **named: object) -> Drawing:
        figure = draw(*given, **named)
        figure.again = partial(draw, *given, **named)
        return figure

    return remembering


def for_phone(figure: Figure, *, stamp: str = "") -> bytes:
    """A chart as SVG once more, drawn for a phone; empty for one drawn by hand."""
    with drawn_for(PHONE):
        return vector(figure.again(), stamp=stamp) if getattr(figure, "again", None) else b""


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


def columns(most: int) -> int:
    """Of a legend, where a figure is narrower than the page."""
    return max(1, int(most * width() / PAGE.width))


def numbers_on(axis: mpl.axis.Axis, decimals: int) -> None:
    """Danish numbers at the ticks of an axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, decimals)))


def tick_decimals(axes: Axes, axis: str = "y") -> int:
    """As many decimals as the ticks need to differ."""
    ticks = np.asarray(axes.get_yticks() if axis == "y" else axes.get_xticks())
    step = np.diff(ticks).min() if len(ticks) > 1 else 1
    return next((decimals for decimals in range(3) if round(step, decimals) == round(step, 6)), 2)


def upright(axes: Axes, unit: str) -> None:
    """Values in a unit up the axes, with lines across at their ticks."""
    axes.set(xlabel="", ylabel=unit)
    axes.grid(visible=False, axis="x")
    numbers_on(axes.yaxis, tick_decimals(axes))


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


class Images(NamedTuple):
    """A figure as the page shows it, without title, and as it is stored, with title and source lines.

    `margins`: how much of the stored figure its title and its lines take up, as shares of its height.
    """

    page: bytes
    vector: bytes
    pixels: bytes
    margins: tuple[float, float]


def images(figure: Figure, title: str, lines_below: Sequence[str], *, stamp: str = "") -> Images:
    """A figure as SVG for the page, and as SVG and PNG to stand alone; laid out once, the SVG drawn once.

    `stamp`: a word across the picture, such as EKSEMPELDATA.
    """
    standalone(figure, title, lines_below)
    _, bottom, _, height = figure.get_layout_engine().get()["rect"]
    svg = vector(figure, stamp=stamp)
    # The fastest compression: the file is a fifth larger and written in half the time.
    png = _saved(figure, "png", metadata={"Software": None}, pil_kwargs={"compress_level": 1})
    top = 1 - bottom - height
    return Images(_cut_out(svg, top, height), svg, png, (top, bottom))


def vector(figure: Figure, *, stamp: str = "") -> bytes:
    """A figure as SVG, the same bytes in two runs; `stamp` as in `images`."""
    if stamp:
        _stamped(figure, stamp)
    # No date and no program version.
    return _saved(figure, "svg", metadata={"Date": None, "Creator": None})


def _stamped(figure: Figure, stamp: str) -> None:
    """Write a word across the chart, and fill what was hollow: the word says the same of all there is."""
    for mark, filled in getattr(figure, "hollow", ()):
        mark.set(**filled)
    engine = figure.get_layout_engine()
    _, bottom, _, share = engine.get().get("rect", WHOLE) if engine else WHOLE
    width, height = figure.get_size_inches()
    figure.axes[-1].text(
        0.5, bottom + share / 2, stamp, transform=figure.transFigure, rotation=STAMP_SLOPE, rotation_mode="anchor",
        ha="center", va="center", fontsize=stamp_size(stamp, width, height * share), fontweight="bold", color=MUTED,
        # On white the edge is not seen; it is what shows on dark columns.
        alpha=STAMP_STRENGTH, path_effects=[patheffects.withStroke(linewidth=3, foreground=PAPER)],
        # Over columns and lines, and under the numbers and names that are written on them.
        zorder=2.5, in_layout=False,
    )  # fmt: skip


def stamp_size(stamp: str, width: float, height: float) -> float:
    """The points in which a stamp is as large as a chart of so many inches leaves room for."""
    # In heights of a letter, at its slope.
    length, slope = len(stamp) * BOLD_CAPITAL, math.radians(STAMP_SLOPE)
    across, up = length * math.cos(slope) + math.sin(slope), length * math.sin(slope) + math.cos(slope)
    return 72 * STAMP_SHARE * min(width / across, height / up)


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
        if figure.get_layout_engine() is None:
            # Drawn by hand: it was laid out for itself alone.
            figure.set_layout_engine("constrained")
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
