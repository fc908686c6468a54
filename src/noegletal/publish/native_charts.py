"""Charts of a slide as PowerPoint draws them: native, with the figures in a sheet of their own, in the house style."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from pptx.chart.axis import _BaseAxis
from pptx.chart.chart import Chart
from pptx.chart.data import CategoryChartData
from pptx.chart.series import _BaseSeries
from pptx.chart.xlsx import CategoryWorkbookWriter
from pptx.dml.color import RGBColor
from pptx.enum.chart import (
    XL_CHART_TYPE,
    XL_LABEL_POSITION,
    XL_LEGEND_POSITION,
    XL_MARKER_STYLE,
    XL_TICK_LABEL_POSITION,
)
from pptx.oxml.xmlchemy import OxmlElement
from pptx.shapes.graphfrm import GraphicFrame
from pptx.slide import Slide
from pptx.util import Length, Pt
from xlsxwriter import Workbook

from analysis.charts import style
from analysis.charts.basic import is_dark
from analysis.charts.contents import Contents, Series, shortened
from noegletal.publish.office import LANGUAGE, TEXT_STAYS_TEXT, number_format, readable

# The kinds that PowerPoint draws as we do; as native charts the others would lose their design.
KINDS = {
    "lines": XL_CHART_TYPE.LINE_MARKERS,
    "stacked_columns": XL_CHART_TYPE.COLUMN_STACKED,
    "columns": XL_CHART_TYPE.COLUMN_CLUSTERED,
    "bars": XL_CHART_TYPE.BAR_CLUSTERED,
}
# From so many values on, those at the marks are written smaller.
MANY_VALUES = 24
# Values written beside each other must be so far apart, as a share of the axis; a part of a column must be so high.
APART, HIGH_ENOUGH = 0.06, 0.07
# The sheet behind a chart has no date of its own, and must not take that of the clock.
NO_DATE = datetime.datetime(2000, 1, 1)


class _Writer(CategoryWorkbookWriter):
    """Opens the sheet behind a chart without a clock in it, and so that no text of the data becomes a formula."""

    @contextmanager
    def _open_worksheet(self, stream: IO[bytes]) -> Iterator[tuple[Workbook, object]]:
        with Workbook(stream, TEXT_STAYS_TEXT) as book:
            book.set_properties({"created": NO_DATE})
            yield book, book.add_worksheet()


class _Data(CategoryChartData):
    @property
    def _workbook_writer(self) -> _Writer:
        return _Writer(self)


def add_chart(slide: Slide, contents: Contents, place: tuple[Length, Length, Length, Length]) -> GraphicFrame:
    """Draw a chart of one of `KINDS` on a slide at left, top, width and height."""
    data = _Data(number_format=number_format(contents.decimals))
    data.categories = [named_in_chart(name) for name in contents.categories]
    for one in contents.series:
        data.add_series(named_in_chart(one.name), one.values)
    frame = slide.shapes.add_chart(KINDS[contents.kind], *place, data)
    chart = frame.chart
    chart.font.size, chart.font.name = Pt(style.SLIDE_TEXT), style.OFFICE_FONT
    chart.font.color.rgb = colour(style.INK)
    chart.has_title = False
    # Else PowerPoint names a chart of one series after it.
    chart._chartSpace.chart.get_or_add_autoTitleDeleted().set("val", "1")
    _danish(chart)
    totals = [place for place, one in enumerate(contents.series) if one.total]
    if totals:
        _totals_as_marks(chart, totals[0])
    _axes(chart, contents)
    if contents.kind != "lines":
        bars = chart.plots[0]
        bars.gap_width, bars.overlap = 55, 100 if contents.kind == "stacked_columns" else 0
    drawn = [series for plot in chart.plots for series in plot.series]
    shown = _places_with_room(contents)
    size = Pt(style.SLIDE_VALUE - 2 if sum(map(len, shown)) > MANY_VALUES else style.SLIDE_VALUE)
    for series, one, places in zip(drawn, contents.series, shown, strict=True):
        _drawn(series, one, contents)
        if places and contents.kind == "lines":
            _value_at(series, max(places), one, contents)
        elif places:
            _values(series, one, contents, places, size)
    chart.has_legend = len(contents.series) > 1
    if chart.has_legend:
        chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.TOP, False
        chart.legend.font.size = Pt(style.SLIDE_VALUE)
    return frame


def named_in_chart(name: str) -> str:
    """A name as a native chart shows it."""
    return shortened(readable(name))


def colour(text: str) -> RGBColor:
    """A colour of the house style as PowerPoint takes it."""
    return RGBColor.from_string(text.removeprefix("#").upper())


def element(tag: str, **attributes: str) -> OxmlElement:
    """An element of Office's XML that the library has no word for."""
    element = OxmlElement(tag)
    for name, value in attributes.items():
        element.set(name, value)
    return element


def _danish(chart: Chart) -> None:
    """The language of the texts of a chart; the library leaves it out."""
    space = chart._chartSpace
    before = space.find("{*}roundedCorners")
    position = 1 if space.find("{*}date1904") is not None else 0
    space.insert(position if before is None else list(space).index(before), element("c:lang", val=LANGUAGE))


def _totals_as_marks(chart: Chart, place: int) -> None:
    """Take the series of totals out of the stack and draw it as marks on the same axes; the library has no such mix."""
    bars = chart._chartSpace.chart.plotArea.find("{*}barChart")
    series = bars.findall("{*}ser")[place]
    for left in series.findall("{*}invertIfNegative"):
        series.remove(left)
    axes = [element("c:axId", val=axis.get("val")) for axis in bars.findall("{*}axId")]
    lines = element("c:lineChart")
    lines.extend([element("c:grouping", val="standard"), element("c:varyColors", val="0"), series])
    lines.extend([element("c:marker", val="1"), *axes])
    bars.addnext(lines)


def _drawn(series: _BaseSeries, one: Series, contents: Contents) -> None:
    """Colour, line and marker of a series."""
    tone = colour(one.colour)
    if contents.kind != "lines" and not one.total:
        series.format.fill.solid()
        series.format.fill.fore_color.rgb = tone
        series.invert_if_negative = False
        return
    series.smooth = False
    if one.total:
        series.format.line.fill.background()
    else:
        series.format.line.color.rgb, series.format.line.width = tone, Pt(2.25)
    series.marker.style, series.marker.size = XL_MARKER_STYLE.DIAMOND if one.total else XL_MARKER_STYLE.CIRCLE, 7
    series.marker.format.fill.solid()
    series.marker.format.fill.fore_color.rgb = series.marker.format.line.color.rgb = tone


def _axes(chart: Chart, contents: Contents) -> None:
    values, names = chart.value_axis, chart.category_axis
    for axis in (values, names):
        axis.tick_labels.font.size = Pt(style.SLIDE_VALUE)
        axis.format.line.color.rgb = colour(style.GRID)
        axis.has_major_gridlines = axis is values
    values.major_gridlines.format.line.color.rgb = colour(style.GRID)
    values.format.line.fill.background()
    names.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    if contents.kind == "bars":
        # The first name at the top, as it is read.
        names.reverse_order = True
        values.tick_label_position = XL_TICK_LABEL_POSITION.HIGH
    known = [0.0, *_known(contents)]
    span = max(known) - min(known)
    # Whole numbers where the values span enough for the axis to count in them.
    decimals = 0 if span >= 10 else 1 if span >= 1 else 2
    values.tick_labels.number_format, values.tick_labels.number_format_is_linked = number_format(decimals), False
    if contents.zero and min(known) >= 0:
        values.minimum_scale = 0.0
    if contents.unit:
        _titled(values, contents.unit)


def _titled(axis: _BaseAxis, text: str) -> None:
    axis.has_title = True
    frame = axis.axis_title.text_frame
    frame.text = readable(text)
    font = frame.paragraphs[0].runs[0].font
    font.size, font.bold, font.name = Pt(style.SLIDE_VALUE), False, style.OFFICE_FONT
    font.color.rgb = colour(style.MUTED)


def _known(contents: Contents) -> list[float]:
    return [value for one in contents.series for value in one.values if value is not None]


def _places_with_room(contents: Contents) -> list[set[int]]:
    """For each series the places whose values are written: of a line the last, of a column the parts with room."""
    known = [[place for place, value in enumerate(one.values) if value is not None] for one in contents.series]
    if contents.kind == "lines":
        return _ends_apart(contents, [set(places[-1:]) for places in known])
    if contents.kind != "stacked_columns":
        return [set(places) for places in known]
    parts = [one.values for one in contents.series if not one.total]
    highest = max(sum(value or 0.0 for value in column) for column in zip(*parts, strict=True))
    return [
        {place for place in places if one.total or one.values[place] > HIGH_ENOUGH * highest}
        for one, places in zip(contents.series, known, strict=True)
    ]


def _ends_apart(contents: Contents, ends: list[set[int]]) -> list[set[int]]:
    """The ends of lines that are far enough apart: what the report is about first, then the country, then others."""
    known = [0.0, *_known(contents)]
    least = APART * (max(known) - min(known))
    ranks = {style.HIGHLIGHT: 0, style.REFERENCE: 1}
    shown: list[set[int]] = [set() for _ in ends]
    taken: list[tuple[int, float]] = []
    for row in sorted(range(len(ends)), key=lambda row: ranks.get(contents.series[row].colour, 2)):
        for place in ends[row]:
            value = contents.series[row].values[place]
            if all(place != other or abs(value - beside) > least for other, beside in taken):
                shown[row].add(place)
                taken.append((place, value))
    return shown


def _values(series: _BaseSeries, one: Series, contents: Contents, places: set[int], size: Length) -> None:
    """The values at columns and bars, as numbers that follow the sheet, at the places where there is room."""
    labels = series.data_labels
    labels.show_value, labels.number_format_is_linked = True, False
    labels.number_format = number_format(contents.decimals)
    labels.font.size, labels.font.bold = size, one.total
    labels.position = XL_LABEL_POSITION.ABOVE if one.total else XL_LABEL_POSITION.OUTSIDE_END
    if contents.kind == "stacked_columns" and not one.total:
        labels.position = XL_LABEL_POSITION.CENTER
        labels.font.color.rgb = colour(style.PAPER if is_dark(one.colour) else style.INK)
    for place in set(range(len(one.values))) - places:
        # Leave out the value; the library can only write one.
        label = series.points[place].data_label._get_or_add_dLbl()
        for part in list(label)[1:]:
            label.remove(part)
        label.append(element("c:delete", val="1"))


def _value_at(series: _BaseSeries, place: int, one: Series, contents: Contents) -> None:
    """The value at one point; a label of the library would take its format from the axis."""
    label = series.points[place].data_label
    shown = element("c:numFmt", formatCode=number_format(contents.decimals), sourceLinked="0")
    label._get_or_add_dLbl().insert(1, shown)
    label.position = XL_LABEL_POSITION.RIGHT
    label.font.size, label.font.bold = Pt(style.SLIDE_VALUE), True
    label.font.color.rgb = colour(one.colour)
