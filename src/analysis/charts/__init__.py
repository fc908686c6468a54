"""Charts of the house: the basic kinds, and those of what is uncertain; those of herberger are `herberg.charts`."""

from analysis.charts.basic import bars, contributions, dot_rows, funnel, lines, ranked_dots, spread, stacked_columns
from analysis.charts.frames import area_colours, colours_of
from analysis.charts.sheet import STYLE, canvas, images, numbers_on, tick_decimals, upright, vector, width
from analysis.charts.style import FACTORS, HIGHLIGHT, REFERENCE
from analysis.charts.uncertainty import fan, grouped_columns, intervals, tornado
