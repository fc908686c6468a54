"""Charts of the house, the basic kinds; those of herberger and of what is uncertain are in `herberg`."""

from analysis.charts import basic
from analysis.charts.frames import area_colours, colours_of
from analysis.charts.sheet import (
    STYLE,
    canvas,
    for_phone,
    images,
    numbers_on,
    redrawn,
    tick_decimals,
    upright,
    vector,
    width,
)  # fmt: skip
from analysis.charts.style import FACTORS, HIGHLIGHT, REFERENCE

bars, contributions, dot_rows, funnel = map(redrawn, (basic.bars, basic.contributions, basic.dot_rows, basic.funnel))
lines, ranked_dots, spread = map(redrawn, (basic.lines, basic.ranked_dots, basic.spread))
stacked_columns = redrawn(basic.stacked_columns)
