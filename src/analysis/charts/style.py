"""The house style, once: colours, type scale and sizes of everything a reader gets; the style sheet is tested on it.

Colours are hexadecimal, text sizes are points, sizes of figures are inches.
"""

from typing import NamedTuple

# The same names as the variables of the style sheet: text, what is said beside it, lines, paper, what links and leads.
INK, MUTED, GRID, PAPER = "#1D2B36", "#55636E", "#D9DEE2", "#FFFFFF"
HIGHLIGHT, CONTEXT, REFERENCE = "#0A5C8F", "#A9B4BC", "#B5521B"
# Behind sums and headings in slides and workbook, and behind what a reader must not miss.
SOFT, WARNING, WARNING_LINE = "#F3F6F8", "#FFF4D6", "#B07A00"
# Of series without a colour of their own, and of the areas beside the report's own; safe for the colour-blind.
SERIES = ("#332288", "#44AA99", "#CC8A00", "#882255", "#88CCEE", "#6F7F8A")
AREAS = ("#6F7F8A", "#44AA99", "#999933", "#882255", "#332288")
FACTORS = {
    "Befolkning": "#6BAED6",
    "Modtagere pr. indbygger": "#117733",
    "Enhedspris": "#882255",
    "Prisniveau": "#B9B9B9",
}

# Pictures carry their letters as outlines; slides and workbook name a font that every office has.
PICTURE_FONT, OFFICE_FONT = "DejaVu Sans", "Arial"
HEADING, TEXT, LABEL, VALUE, SMALL, FOOTER = 13, 11.5, 11, 10.5, 9.5, 8.5
SLIDE_HEADINGS = (26, 24, 22, 20, 18, 16, 14, 12)
SLIDE_KICKER, SLIDE_TEXT, SLIDE_VALUE, SLIDE_FOOTER = 13, 13, 12, 10
SHEET_HEADING, SHEET_TEXT = 14, 10


class Size(NamedTuple):
    """How large a figure is drawn, in inches; with the type scale above it is readable where it is shown."""

    width: float
    height: float


# Drawn smaller than a slide and enlarged to fill it, and larger than a phone and shrunk to it.
PAGE, SLIDE, PHONE = Size(7.2, 4.0), Size(9.6, 4.4), Size(4.6, 4.0)
# A whole slide, 16:9, and its margin.
SLIDE_PAPER, SLIDE_MARGIN = Size(13.333, 7.5), 0.55
