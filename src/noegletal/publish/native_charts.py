"""Charts of a slide as PowerPoint draws them: native, with the figures in a sheet of their own, in the house style."""

import datetime
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import IO

from pptx.chart.axis import _BaseAxis
from pptx.chart.chart import Chart
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.chart.datalabel import DataLabels
from pptx.chart.series import _BaseSeries
from pptx.chart.xlsx import CategoryWorkbookWriter, XyWorkbookWriter
from pptx.dml.color import RGBColor
from pptx.enum.chart import (
    XL_CHART_TYPE,
    XL_LABEL_POSITION,
    XL_LEGEND_POSITION,
    XL_MARKER_STYLE,
    XL_TICK_LABEL_POSITION,
)
from pptx.enum.dml import MSO_LINE
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls
from pptx.oxml.xmlchemy import OxmlElement
from pptx.shapes.graphfrm import GraphicFrame
from pptx.slide import Slide
from pptx.util import Length, Pt
from xlsxwriter import Workbook

from analysis.charts.contents import Contents, Series, shortened
from analysis.charts.style import (
    CONTEXT,
    GRID,
    HIGHLIGHT,
    INK,
    MUTED,
    OFFICE_FONT,
    PAPER,
    REFERENCE,
    SLIDE_TEXT,
    SLIDE_VALUE,
)
from noegletal.publish.office import LANGUAGE, TEXT_STAYS_TEXT, number_format, readable

KINDS = {
    "lines": XL_CHART_TYPE.LINE_MARKERS,
    "marks": XL_CHART_TYPE.LINE_MARKERS,
    "stacked_columns": XL_CHART_TYPE.COLUMN_STACKED,
    "columns": XL_CHART_TYPE.COLUMN_CLUSTERED,
    "bars": XL_CHART_TYPE.BAR_CLUSTERED,
    "deviations": XL_CHART_TYPE.BAR_CLUSTERED,
    "points": XL_CHART_TYPE.XY_SCATTER,
}
# From so many values on, those at the marks are written smaller; so many names stand below upright marks.
MANY_VALUES, MANY_NAMES = 24, 14
# Values written beside each other must be so far apart, as a share of the axis; a part of a column must be so high.
APART, HIGH_ENOUGH = 0.06, 0.07
DASHES = (MSO_LINE.DASH, MSO_LINE.ROUND_DOT, MSO_LINE.LONG_DASH, MSO_LINE.DASH_DOT)
# A line with so many points has no marker at each.
MOST_MARKERS = 60
# The sheet behind a chart has no date of its own, and must not take that of the clock.
NO_DATE = datetime.datetime(2000, 1, 1)
_RANKS = {HIGHLIGHT: 0, REFERENCE: 1}
BROAD, NARROW = Pt(2.25), Pt(1.25)


class _Workbook:
    """Opens the sheet behind a chart without a clock in it, and so that no text of the data becomes a formula."""

    @contextmanager
    def _open_worksheet(self, stream: IO[bytes]) -> Iterator[tuple[Workbook, object]]:
        with Workbook(stream, TEXT_STAYS_TEXT) as book:
            book.set_properties({"created": NO_DATE})
            yield book, book.add_worksheet()


class _CategoryWriter(_Workbook, CategoryWorkbookWriter):
    pass


class _PointWriter(_Workbook, XyWorkbookWriter):
    pass


class _CategoryData(CategoryChartData):
    @property
    def _workbook_writer(self) -> _CategoryWriter:
        return _CategoryWriter(self)


class _PointData(XyChartData):
    @property
    def _workbook_writer(self) -> _PointWriter:
        return _PointWriter(self)


def add_chart(slide: Slide, contents: Contents, place: tuple[Length, Length, Length, Length]) -> GraphicFrame:
    """Draw a chart on a slide at left, top, width and height; every kind but a matrix, which is a table."""
    data = _point_data(contents) if contents.kind == "points" else _category_data(contents)
    frame = slide.shapes.add_chart(KINDS[contents.kind], *place, data)
    chart = frame.chart
    chart.font.size, chart.font.name = Pt(SLIDE_TEXT), OFFICE_FONT
    chart.font.color.rgb = colour(INK)
    chart.has_title = False
    # Else PowerPoint names a chart of one series after it.
    chart._chartSpace.chart.get_or_add_autoTitleDeleted().set("val", "1")
    _danish(chart)
    totals = [place for place, one in enumerate(contents.series) if one.look == "total"]
    if totals:
        _totals_as_marks(chart, totals[0])
    drawn = [series for plot in chart.plots for series in plot.series]
    dashes = cycle(DASHES)
    for series, one in zip(drawn, contents.series, strict=True):
        _drawn(series, one, contents, next(dashes) if one.look == "dashes" else None)
    _axes(chart, contents)
    _bars(chart, contents)
    _labels(drawn, contents)
    chart.has_legend = len(contents.series) > 1
    if chart.has_legend:
        unnamed = [place for place, one in enumerate(contents.series) if one in background(contents)]
        _leave_out_of_legend(chart, unnamed)
        chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.TOP, False
        chart.legend.font.size = Pt(SLIDE_VALUE)
    return frame


def background(contents: Contents) -> list[Series]:
    """Series of marks that all look the same and only show what is usual; a legend cannot tell them apart."""
    alike = [one for one in contents.series if contents.kind == "marks" and one.colour == CONTEXT and not one.valued]
    return alike if len(alike) > 1 else []


def _leave_out_of_legend(chart: Chart, places: Sequence[int]) -> None:
    legend = chart._chartSpace.chart.find("{*}legend")
    for place in places:
        entry = parse_xml(f'<c:legendEntry {nsdecls("c")}><c:idx val="{place}"/><c:delete val="1"/></c:legendEntry>')
        legend.insert(len(legend.findall("{*}legendPos")) + len(legend.findall("{*}legendEntry")), entry)


def named_in_chart(name: str) -> str:
    """A name as a native chart shows it."""
    return shortened(readable(name))


def colour(text: str) -> RGBColor:
    """A colour of the house style as PowerPoint takes it."""
    return RGBColor.from_string(text.removeprefix("#").upper())


def _category_data(contents: Contents) -> CategoryChartData:
    data = _CategoryData(number_format=number_format(contents.decimals))
    named = [datetime.date.fromisoformat(day) for day in contents.categories] if contents.dates else contents.categories
    # A chart without a category cannot be opened.
    data.categories = (named if contents.dates else [named_in_chart(name) for name in named]) or [""]
    for one in contents.series:
        data.add_series(named_in_chart(one.name), one.values)
    if not contents.series:
        data.add_series("", [None] * max(1, len(named)))
    return data


def _point_data(contents: Contents) -> XyChartData:
    data = _PointData(number_format=number_format(contents.decimals))
    for one in contents.series:
        series = data.add_series(named_in_chart(one.name))
        for place, value in zip(one.places, one.values, strict=True):
            if value is not None:
                series.add_data_point(place, value)
    return data


def _danish(chart: Chart) -> None:
    """The language of the texts of a chart; the library leaves it out."""
    space = chart._chartSpace
    language = OxmlElement("c:lang")
    language.set("val", LANGUAGE)
    before = space.find("{*}roundedCorners")
    position = 1 if space.find("{*}date1904") is not None else 0
    space.insert(position if before is None else list(space).index(before), language)


def _totals_as_marks(chart: Chart, place: int) -> None:
    """Take the series of totals out of the stack and draw it as marks on the same axes; the library has no such mix."""
    bars = chart._chartSpace.chart.plotArea.find("{*}barChart")
    series = bars.findall("{*}ser")[place]
    lines = OxmlElement("c:lineChart")
    for tag, value in (("c:grouping", "standard"), ("c:varyColors", "0")):
        element = OxmlElement(tag)
        element.set("val", value)
        lines.append(element)
    for left in series.findall("{*}invertIfNegative"):
        series.remove(left)
    lines.append(series)
    marker = OxmlElement("c:marker")
    marker.set("val", "1")
    lines.append(marker)
    for axis in bars.findall("{*}axId"):
        same = OxmlElement("c:axId")
        same.set("val", axis.get("val"))
        lines.append(same)
    bars.addnext(lines)


def _drawn(series: _BaseSeries, one: Series, contents: Contents, dashes: MSO_LINE | None) -> None:
    """Colour, line and marker of a series after its look."""
    tone = colour(one.colour)
    if one.look == "bars":
        series.format.fill.solid()
        series.format.fill.fore_color.rgb = tone
        series.invert_if_negative = False
        return
    series.smooth = False
    marked = one.look in ("dots", "total") or (one.look == "line" and len(one.values) <= MOST_MARKERS)
    if one.look in ("dots", "total"):
        series.format.line.fill.background()
    else:
        series.format.line.color.rgb = tone
        series.format.line.width = BROAD if one.look == "line" else NARROW
        if dashes is not None:
            # The limits of a funnel belong together.
            series.format.line.dash_style = MSO_LINE.DASH if contents.kind == "points" else dashes
    series.marker.style = (
        XL_MARKER_STYLE.NONE
        if not marked
        else XL_MARKER_STYLE.DIAMOND
        if one.look == "total"
        else XL_MARKER_STYLE.CIRCLE
    )
    if marked:
        series.marker.size = 9 if contents.kind == "marks" else 7
        series.marker.format.fill.solid()
        series.marker.format.fill.fore_color.rgb = tone
        series.marker.format.line.color.rgb = tone


def _axes(chart: Chart, contents: Contents) -> None:
    values, names = chart.value_axis, chart.category_axis
    for axis in (values, names):
        axis.tick_labels.font.size = Pt(SLIDE_VALUE)
        axis.format.line.color.rgb = colour(GRID)
        axis.has_major_gridlines = axis is values
    values.major_gridlines.format.line.color.rgb = colour(GRID)
    values.format.line.fill.background()
    _numbers(values, _tick_decimals(contents))
    _titled(values, contents.unit)
    names.tick_label_position = XL_TICK_LABEL_POSITION.LOW
    if contents.kind == "points":
        _titled(names, contents.across)
        _point_axis(chart, names, contents)
    elif contents.kind in ("bars", "deviations"):
        # The first name at the top, as it is read.
        names.reverse_order = True
        values.tick_label_position = XL_TICK_LABEL_POSITION.HIGH
    if contents.dates:
        names.tick_labels.number_format, names.tick_labels.number_format_is_linked = "[$-406]mmm yyyy", False
        _months_between(chart, contents)
    if contents.kind == "marks" and len(contents.categories) > MANY_NAMES:
        names.tick_labels.font.size = Pt(SLIDE_VALUE - 2)
    floor = 0.0 if contents.kind in ("stacked_columns", "columns", "bars") else contents.floor
    if floor is not None and all(value >= floor for value in _known(contents)):
        values.minimum_scale = floor
    if contents.base is not None:
        _crossing_at(chart, contents.base)
        values.minimum_scale, values.maximum_scale = _round_limits([contents.base, *_known(contents)])


def _titled(axis: _BaseAxis, text: str) -> None:
    if not text:
        return
    axis.has_title = True
    frame = axis.axis_title.text_frame
    frame.text = readable(text)
    font = frame.paragraphs[0].runs[0].font
    font.size, font.bold, font.name = Pt(SLIDE_VALUE), False, OFFICE_FONT
    font.color.rgb = colour(MUTED)


def _numbers(axis: _BaseAxis, decimals: int) -> None:
    axis.tick_labels.number_format, axis.tick_labels.number_format_is_linked = number_format(decimals), False


def _known(contents: Contents) -> list[float]:
    return [value for one in contents.series for value in one.values if value is not None]


def _tick_decimals(contents: Contents) -> int:
    """Whole numbers where the values span enough for the axis to count in them."""
    known = [0.0, *_known(contents)]
    span = max(known) - min(known)
    return 0 if span >= 10 else 1 if span >= 1 else 2


def _round_limits(values: Sequence[float]) -> tuple[float, float]:
    """Round limits around values that leave room for texts to both sides."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span)) / 2
    return math.floor((low - 0.3 * span) / step) * step, math.ceil((high + 0.3 * span) / step) * step


def _point_axis(chart: Chart, axis: _BaseAxis, contents: Contents) -> None:
    places = [place for one in contents.series for place in one.places]
    years = not contents.across
    axis.tick_labels.number_format_is_linked = False
    axis.tick_labels.number_format = "0" if years else number_format(0)
    if contents.logarithmic:
        base = OxmlElement("c:logBase")
        base.set("val", "10")
        axis._element.find("{*}scaling").insert(0, base)
        if places:
            axis.minimum_scale, axis.maximum_scale = _step_below(min(places)), 2 * _step_below(max(places) * 1.25)
    elif years and places:
        axis.minimum_scale, axis.maximum_scale, axis.major_unit = min(places) - 1, max(places) + 1, 1


def _step_below(value: float) -> float:
    """The greatest of 1, 2 and 5 times a power of ten that is not above a value."""
    power = 10 ** math.floor(math.log10(max(value, 1)))
    return float(max(step * power for step in (1, 2, 5) if step * power <= max(value, 1)))


def _months_between(chart: Chart, contents: Contents) -> None:
    """So many months between two names on an axis of days that there is room for them."""
    axis = chart._chartSpace.chart.plotArea.find("{*}dateAx")
    days = [datetime.date.fromisoformat(day) for day in contents.categories]
    if axis is None or not days:
        return
    months = (max(days) - min(days)).days / 30.4
    step = next((step for step in (1, 2, 3, 6, 12, 24, 60) if months / step <= 12), 120)
    for tag, value in (("c:baseTimeUnit", "days"), ("c:majorUnit", str(step)), ("c:majorTimeUnit", "months")):
        for old in axis.findall(tag.replace("c:", "{*}")):
            axis.remove(old)
        element = OxmlElement(tag)
        element.set("val", value)
        axis.append(element)


def _crossing_at(chart: Chart, base: float) -> None:
    """Let the bars begin at a base other than zero."""
    axis = chart._chartSpace.chart.plotArea.find("{*}catAx")
    new = OxmlElement("c:crossesAt")
    new.set("val", repr(base))
    axis.replace(axis.find("{*}crosses"), new)
    for plot in chart.plots:
        plot.overlap = 100


def _bars(chart: Chart, contents: Contents) -> None:
    if contents.kind not in ("stacked_columns", "columns", "bars", "deviations"):
        return
    plot = chart.plots[0]
    plot.gap_width = 55
    if contents.kind in ("columns", "bars"):
        plot.overlap = 0


def _labels(drawn: list[_BaseSeries], contents: Contents) -> None:
    """The values at the marks, as numbers that follow the sheet, where there is room; of a line only the last."""
    shown = _places_with_room(contents)
    size = SLIDE_VALUE - 2 if sum(map(len, shown)) > MANY_VALUES else SLIDE_VALUE
    spread = contents.kind == "stacked_columns" and any(value < 0 for value in _known(contents))
    for series, one, places in zip(drawn, contents.series, shown, strict=False):
        if one.texts:
            _texts(series, one, contents)
        elif not places:
            continue
        elif contents.kind in ("lines", "points"):
            _value_at(series, max(places), one, contents)
        else:
            labels = series.data_labels
            labels.show_value, labels.number_format_is_linked = True, False
            labels.number_format = number_format(contents.decimals)
            labels.font.size, labels.font.bold = Pt(size), one.look == "total"
            labels.position = _beside(one, contents)
            if contents.kind == "stacked_columns" and one.look == "bars":
                labels.font.color.rgb = colour("#FFFFFF" if _dark(one.colour) else INK)
            if spread and one.look == "total":
                _on_paper(labels)
            for place in range(len(one.values)):
                if place not in places:
                    _without_label(series, place)


def _beside(one: Series, contents: Contents) -> XL_LABEL_POSITION:
    if one.look == "total":
        return XL_LABEL_POSITION.ABOVE
    if contents.kind == "stacked_columns":
        return XL_LABEL_POSITION.CENTER
    if contents.kind == "marks":
        few = len(contents.categories) <= MANY_NAMES
        return XL_LABEL_POSITION.RIGHT if few else XL_LABEL_POSITION.ABOVE
    return XL_LABEL_POSITION.OUTSIDE_END


def _places_with_room(contents: Contents) -> list[set[int]]:
    """For each series the places whose values are written: those that stand out first, others where they are apart."""
    known = _stacked_ends(contents) if contents.kind == "stacked_columns" else _known(contents)
    span = (max([0.0, *known]) - min([0.0, *known])) or 1.0
    shown: list[set[int]] = [set() for _ in contents.series]
    taken: dict[int, list[float]] = {}
    # What the report is about, then the country, then the others.
    order = sorted(range(len(shown)), key=lambda row: _RANKS.get(contents.series[row].colour, 2))
    for row in order:
        one = contents.series[row]
        places = [place for place, value in enumerate(one.values) if value is not None]
        if not one.valued or one.texts or not places or (contents.kind in ("lines", "points") and one.look == "dots"):
            continue
        if contents.kind in ("lines", "points"):
            places = [] if one.look == "dashes" and contents.kind == "points" else places[-1:]
        for place in places:
            value = one.values[place]
            if contents.kind == "stacked_columns":
                fits = one.look == "total" or (
                    abs(value) > HIGH_ENOUGH * span and not _under_total(contents, row, place, APART * span)
                )
            elif contents.kind in ("columns", "bars"):
                fits = True
            else:
                others = taken.setdefault(-1 if contents.kind == "points" else place, [])
                fits = all(abs(value - other) > APART * span for other in others)
                others += [value] if fits else []
            if fits:
                shown[row].add(place)
    return shown


def _under_total(contents: Contents, row: int, place: int, near: float) -> bool:
    """Whether the middle of a part of a stack lies where the total of parts to both sides of zero is written."""
    parts = [one.values[place] or 0.0 for one in contents.series if one.look != "total"]
    totals = [one.values[place] for one in contents.series if one.look == "total"]
    if min(parts) >= 0 or not totals or totals[0] is None:
        return False
    start = sum(part for part in parts[:row] if (part < 0) == (parts[row] < 0))
    # The total is written above its mark.
    return -near / 2 <= start + parts[row] / 2 - totals[0] < 2.5 * near


def _stacked_ends(contents: Contents) -> list[float]:
    """How far the parts of each column reach, those above zero together and those below."""
    parts = [one.values for one in contents.series if one.look != "total"]
    columns = [[value for value in column if value is not None] for column in zip(*parts, strict=True)]
    return [sum(value for value in column if (value < 0) == below) for column in columns for below in (True, False)]


def _without_label(series: _BaseSeries, place: int) -> None:
    """Leave out the value at one point; the library can only write one."""
    label = series.points[place].data_label._get_or_add_dLbl()
    for part in list(label)[1:]:
        label.remove(part)
    gone = OxmlElement("c:delete")
    gone.set("val", "1")
    label.append(gone)


def _on_paper(labels: DataLabels) -> None:
    """White behind values that may stand on a column; the library has no background of labels."""
    background = parse_xml(
        f'<c:spPr {nsdecls("c", "a")}><a:solidFill><a:srgbClr val="{PAPER.removeprefix("#")}"/></a:solidFill></c:spPr>'
    )
    labels._element.find("{*}numFmt").addnext(background)


def _dark(tone: str) -> bool:
    red, green, blue = colour(tone)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 153


def _value_at(series: _BaseSeries, place: int, one: Series, contents: Contents) -> None:
    """The value at one point; a label of the library would take its format from the axis."""
    label = series.points[place].data_label
    shown = OxmlElement("c:numFmt")
    shown.set("formatCode", number_format(contents.decimals))
    shown.set("sourceLinked", "0")
    label._get_or_add_dLbl().insert(1, shown)
    label.position = XL_LABEL_POSITION.RIGHT if not contents.dates else XL_LABEL_POSITION.ABOVE
    label.font.size, label.font.bold = Pt(SLIDE_VALUE), True
    label.font.color.rgb = colour(one.colour)


def _texts(series: _BaseSeries, one: Series, contents: Contents) -> None:
    position = XL_LABEL_POSITION.OUTSIDE_END if contents.kind == "deviations" else XL_LABEL_POSITION.RIGHT
    for place, (text, value) in enumerate(zip(one.texts, one.values, strict=True)):
        if text and value is not None:
            label = series.points[place].data_label
            label.text_frame.text = named_in_chart(text)
            label.text_frame.paragraphs[0].runs[0].font.size = Pt(SLIDE_VALUE - 1)
            label.position = position
