"""A report as slides: a deck for a meeting, and as its appendix a slide for each figure and table of the report."""

import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pandas as pd
from lxml import etree
from pptx import Presentation
from pptx.enum.lang import MSO_LANGUAGE_ID
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.oxml.ns import qn
from pptx.presentation import Presentation as Deck
from pptx.shapes.autoshape import Shape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.picture import Picture
from pptx.slide import Slide
from pptx.table import _Cell
from pptx.text.text import TextFrame
from pptx.util import Inches, Pt

from analysis import areas
from analysis.charts import style
from analysis.charts.contents import Contents
from analysis.charts.sheet import STAMP_SLOPE, stamp_size
from analysis.danish import STATUS_SYMBOLS, listed, number
from analysis.edition import KEY_FIGURES, Edition
from analysis.errors import InputError
from analysis.rows import EXAMPLE, FITTED, GENUINE, labels
from noegletal import front
from noegletal.commentary import Commentary, commentaries
from noegletal.publish.definitions import marks
from noegletal.publish.manifest import FORMATS
from noegletal.publish.native_charts import KINDS, add_chart, colour, element
from noegletal.publish.office import (
    LANGUAGE,
    author,
    fixed_date,
    from_facts,
    lines_below,
    readable,
    symbols,
    without_clock,
)

SLIDES = FORMATS["slides"]
MARGIN, (PAPER_WIDTH, PAPER_HEIGHT) = style.SLIDE_MARGIN, style.SLIDE_PAPER
WIDTH = PAPER_WIDTH - 2 * MARGIN
KICKER_TOP, TITLE_TOP, TITLE_HEIGHT, BODY_TOP = 0.32, 0.62, 1.0, 1.72
FOOT_TOP, FOOT_HEIGHT = 7.08, 0.28
# Left, top, width and height in inches.
Place = tuple[float, float, float, float]
# Where the placeholders are; others are not used.
PLACES: dict[PP_PLACEHOLDER, Place] = {
    PP_PLACEHOLDER.TITLE: (MARGIN, TITLE_TOP, WIDTH, TITLE_HEIGHT),
    PP_PLACEHOLDER.CENTER_TITLE: (MARGIN, 2.2, WIDTH, 1.5),
    PP_PLACEHOLDER.SUBTITLE: (MARGIN, 3.85, WIDTH, 2.4),
    PP_PLACEHOLDER.BODY: (MARGIN, 3.85, WIDTH, 2.4),
    PP_PLACEHOLDER.SLIDE_NUMBER: (PAPER_WIDTH - MARGIN - 1, FOOT_TOP, 1, FOOT_HEIGHT),
    PP_PLACEHOLDER.FOOTER: (MARGIN, FOOT_TOP, 9, FOOT_HEIGHT),
}
# Inches that a character of a point takes up on average, and that a line does.
CHARACTER, LINE = 0.0076, 0.0167
# More text than this below a chart would leave it no room; the whole text is in the notes of the speaker.
MOST_LINES = 7
# So many missing values are named; the rest are counted.
MOST_NAMED = 8
CELL_MARGIN, ROW_PADDING = 0.08, 0.09
# The style of PowerPoint without colours and lines: headings and sums are shaded here.
PLAIN_TABLE = "{2D5ABB26-0587-4C30-8999-92F81FD0307C}"
TABLE_SIZES = (16, 14, 12, 11, 10)
COVER, FINDING = 0, 5
# How strong the word across a native chart is, of 100.000.
STAMP_ALPHA = "20000"
APPENDIX = "Bilag"
TEXT_SIZES = (22, 20, 18, 16, 14, 12)
ROOM = FOOT_TOP - BODY_TOP - 0.2
# How much of a slide's width its text has beside a figure, and the space between them.
TEXT_SHARE, GAP = 0.42, 0.3
# Named parts of a deck are an extension of Office's XML.
PARTS = "http://schemas.microsoft.com/office/powerpoint/2010/main"
PARTS_EXTENSION = "{521415D9-36F7-43E2-AB2F-B90AF26B5E84}"


class Shown(NamedTuple):
    """An output with the record of the section that it belongs to."""

    record: dict[str, Any]
    facts: dict[str, Any]


def write_slides(
    folder: Path, edition: Edition, area_code: str, sections: dict[str, dict[str, Any]], processed: Path
) -> Path:
    """Write `rapport.pptx` into the folder of a report: a deck for a meeting, and as its appendix all it is made from.

    `sections`: as in the manifest. The meeting has the key numbers, what each section answers and what is next; the
    appendix a slide for each figure and table that its facts describe, of a long table several. Errors: a folder that
    cannot be written to.
    """
    deck = _empty_deck(edition, area_code)
    outputs = list(shown_outputs(sections))
    _cover(deck, edition, area_code, outputs)
    footer = f"{edition.title}, {areas.name(area_code)}"
    numbers = front.key_numbers(edition, area_code, pd.read_parquet(processed / KEY_FIGURES))
    for slide in _meeting(deck, folder, edition, sections, numbers, commentaries(edition, processed, area_code)):
        _foot(slide, footer, len(deck.slides))
    meeting = len(deck.slides) - 1
    for output in outputs:
        for slide in _slides_of(deck, folder, output):
            _foot(slide, footer, len(deck.slides))
    _in_parts(deck, {edition.title: meeting, APPENDIX: len(deck.slides) - meeting})
    stream = io.BytesIO()
    deck.save(stream)
    path = folder / SLIDES
    try:
        without_clock(stream.getvalue(), path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def shown_outputs(sections: dict[str, dict[str, Any]]) -> Iterator[Shown]:
    """The outputs that are shown, in the order of the report."""
    for record in sections.values():
        yield from (Shown(record, facts) for facts in record.get("outputs", []) if not facts.get("left_out"))


def _meeting(
    deck: Deck,
    folder: Path,
    edition: Edition,
    sections: dict[str, dict[str, Any]],
    numbers: Sequence[front.KeyNumber],
    said: Mapping[str, Commentary],
) -> Iterator[Slide]:
    """The slides for a meeting: key numbers, what each section answers and why with its main figure, what is next."""
    if numbers:
        said_of = [(f"{one.name}: {one.value}", f"({one.growth})" if one.growth else "", one.mark) for one in numbers]
        lines = [" ".join(filter(None, parts)) for parts in said_of]
        yield _text_slide(deck, "Nøgletal", lines)
    for found in front.main_findings(sections):
        why = f"Hvorfor? {found['why']}" if found["why"] else ""
        lines = [text for text in (found["title"], found["sentence"], why) if text]
        facts = _main_figure(found)
        slide = _text_slide(deck, found["section"]["title"], lines, WIDTH * (TEXT_SHARE if facts else 1))
        if facts:
            left = MARGIN + WIDTH * TEXT_SHARE + GAP
            _figure(slide, folder, facts, (left, BODY_TOP, PAPER_WIDTH - MARGIN - left, ROOM))
            if facts.get("evidence") == FITTED:
                _mark(slide, labels().evidence[FITTED].mark)
        yield slide
    advice = [f"{one.text} ({one.status})" for text in said.values() for one in text.recommendations]
    decisions = [f"Der mangler {decision.text} ({decision.who})" for decision in edition.open_decisions.values()]
    if advice or decisions:
        yield _text_slide(deck, "Hvad nu", [*advice, *decisions])
    yield _text_slide(deck, APPENDIX, ["Alle figurer og tabeller, som de står i rapporten."])


def _main_figure(found: dict[str, Any]) -> dict[str, Any] | None:
    """The figure that a finding of `front` is shown with: its own, else the first of the section that is no example."""
    figures = [
        facts
        for facts in found["section"].get("outputs", [])
        if facts.get("alt")
        and not facts.get("table")
        and not facts.get("left_out")
        and facts.get("evidence") != EXAMPLE
    ]
    own = [facts for facts in figures if facts["output"].replace("_", "-") == found["anchor"]]
    return next(iter([*own, *figures]), None)


def _text_slide(deck: Deck, title: str, lines: Sequence[str], width: float = WIDTH) -> Slide:
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    _write(slide.shapes.title.text_frame, [readable(title)], style.SLIDE_HEADINGS[0], bold=True)
    heights = {size: sum(_lines(line, width, size) for line in lines) * size * LINE for size in TEXT_SIZES}
    size = next((size for size, height in heights.items() if height < ROOM), TEXT_SIZES[-1])
    _box(slide, (MARGIN, BODY_TOP, width, ROOM), lines, size)
    slide.notes_slide.notes_text_frame.text = "\n".join(map(readable, lines))
    return slide


def _in_parts(deck: Deck, parts: Mapping[str, int]) -> None:
    """Divide the slides into named parts, as PowerPoint lists them beside the slides: so many slides each, in order."""
    numbers = iter([one.get("id") for one in deck.slides._sldIdLst])
    listed = etree.Element(f"{{{PARTS}}}sectionLst", nsmap={"p14": PARTS})
    for place, (name, many) in enumerate(parts.items(), 1):
        # The id is that of the place, so that two runs write the same.
        part = etree.SubElement(listed, f"{{{PARTS}}}section", name=name, id=f"{{{UUID(int=place)}}}".upper())
        slides = etree.SubElement(part, f"{{{PARTS}}}sldIdLst")
        for one in islice(numbers, many):
            etree.SubElement(slides, f"{{{PARTS}}}sldId", id=one)
    extension = element("p:ext", uri=PARTS_EXTENSION)
    extension.append(listed)
    root = deck.part._element
    known = root.find(qn("p:extLst"))
    if known is None:
        known = element("p:extLst")
        root.append(known)
    known.append(extension)


def _empty_deck(edition: Edition, area_code: str) -> Deck:
    """A deck without slides whose layouts, fonts and colours are ours, so that what a reader adds looks the same."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(PAPER_WIDTH), Inches(PAPER_HEIGHT)
    kept = [deck.slide_layouts[COVER], deck.slide_layouts[FINDING]]
    for layout in list(deck.slide_layouts):
        if layout not in kept:
            deck.slide_layouts.remove(layout)
    _house_theme(deck)
    for shapes in (deck.slide_master, *kept):
        for shape in list(shapes.placeholders):
            _placed(shape)
    about = deck.core_properties
    about.title, about.author, about.language = f"{edition.title}, {areas.name(area_code)}", author(edition), LANGUAGE
    about.last_modified_by, about.revision, about.subject = about.author, 1, areas.name(area_code)
    about.created = about.modified = fixed_date(edition)
    return deck


def _placed(shape: Any) -> None:
    """Put a placeholder of master or layout where it belongs on wide paper; dates are not used."""
    kind = shape.placeholder_format.type
    if kind not in PLACES:
        shape._element.getparent().remove(shape._element)
        return
    shape.left, shape.top, shape.width, shape.height = map(Inches, PLACES[kind])
    if kind is PP_PLACEHOLDER.TITLE:
        shape.text_frame.vertical_anchor = MSO_ANCHOR.TOP
    elif kind is PP_PLACEHOLDER.CENTER_TITLE:
        shape.text_frame.vertical_anchor = MSO_ANCHOR.BOTTOM


def _house_theme(deck: Deck) -> None:
    """Fonts and colours of the theme; the library leaves them as they come."""
    theme = deck.slide_master.part.part_related_by(RELATIONSHIP_TYPE.THEME)
    text = theme.blob.decode("utf-8")
    text = re.sub(r'(<a:(?:major|minor)Font>\s*<a:latin typeface=")[^"]*', rf"\g<1>{style.OFFICE_FONT}", text)
    tones = {"dk1": style.INK, "dk2": style.INK, "lt2": style.SOFT, "hlink": style.HIGHLIGHT}
    tones |= {f"accent{place}": tone for place, tone in enumerate((style.HIGHLIGHT, *style.SERIES[:5]), 1)}
    for name, tone in tones.items():
        shade = f'<a:{name}><a:srgbClr val="{tone.removeprefix("#")}"/></a:{name}>'
        text = re.sub(rf"<a:{name}>.*?</a:{name}>", shade, text, flags=re.DOTALL)
    theme.blob = text.encode("utf-8")


def _cover(deck: Deck, edition: Edition, area_code: str, outputs: Sequence[Shown]) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[0])
    _write(slide.shapes.title.text_frame, [edition.title], 40, bold=True)
    lines = [
        areas.name(area_code),
        f"Regnskab {edition.period.first}-{edition.period.last}. Faste priser er i {edition.price_level}-priser.",
    ]
    borne = marks(output.facts for output in outputs)
    lines += [f"{mark.mark}: {mark.meaning}" for mark in borne if mark != labels().evidence[GENUINE]]
    frame = slide.placeholders[1].text_frame
    _write(frame, lines, 20, tone=style.MUTED)
    frame.paragraphs[0].runs[0].font.size = Pt(28)
    if edition.provisional:
        # Above the title, where there is room for many.
        _box(slide, (MARGIN, MARGIN, WIDTH, PLACES[PP_PLACEHOLDER.CENTER_TITLE][1] - MARGIN), [edition.provisional], 16)
    band = slide.shapes.add_shape(1, 0, 0, Inches(0.22), Inches(PAPER_HEIGHT))
    band.fill.solid()
    band.fill.fore_color.rgb = colour(style.HIGHLIGHT)
    band.line.fill.background()
    # It says nothing: a screen reader passes it by.
    _described(band._element.nvSpPr.cNvPr, "", "")


def _slides_of(deck: Deck, folder: Path, output: Shown) -> Iterator[Slide]:
    """The slides of an output: one for a figure, as many as its rows need for a table."""
    facts = output.facts
    below = lines_below(output.record, facts)
    contents = from_facts(facts["chart"]) if facts.get("chart") else None
    if contents:
        below = list(dict.fromkeys([*_in_words(contents), *below]))
    room = FOOT_TOP - BODY_TOP - _height_below(below)
    if facts.get("table"):
        widths, size, pages = _laid_out(facts["table"], room)
        for page, rows in enumerate(pages, 1):
            slide = _finding(deck, output, below, f" ({page} af {len(pages)})" if len(pages) > 1 else "")
            frame = _table(slide, facts["table"], rows, widths, size)
            _described(frame._element.nvGraphicFramePr.cNvPr, _name(facts), facts.get("alt") or facts["title"])
            yield slide
        return
    slide = _finding(deck, output, below, "")
    place = (MARGIN, BODY_TOP, WIDTH, room - 0.1)
    _figure(slide, folder, facts, place)
    yield slide


def _figure(slide: Slide, folder: Path, facts: dict[str, Any], place: Place) -> None:
    """Show a figure at its place: as a chart to edit where its kind has one, else as its stored picture."""
    contents = from_facts(facts["chart"]) if facts.get("chart") else None
    if contents and all(value is None for one in contents.series for value in one.values):  # noqa: PD011
        _box(slide, place, ["Der er ingen tal at vise."], style.SLIDE_TEXT + 3)
    elif contents and contents.kind in KINDS:
        frame = add_chart(slide, contents, tuple(map(Inches, place)))
        if facts.get("stamp"):
            _stamp(slide, facts["stamp"], place)
        _described(frame._element.nvGraphicFramePr.cNvPr, _name(facts), facts["alt"])
    else:
        picture = _picture(slide, folder / f"figurer/{facts['output']}.png", facts.get("margins") or (0, 0), place)
        _described(picture._element.nvPicPr.cNvPr, _name(facts), facts["alt"])


def _picture(slide: Slide, path: Path, margins: tuple[float, float], place: Place) -> Picture:
    """Show a stored figure as large as its place allows, without the title and lines that the slide has of its own."""
    left, top, width, height = map(Inches, place)
    try:
        picture = slide.shapes.add_picture(str(path), left, top)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; run its section again") from error
    picture.crop_top, picture.crop_bottom = margins
    shown = picture.height * (1 - sum(margins))
    scale = min(width / picture.width, height / shown)
    picture.width, picture.height = round(picture.width * scale), round(shown * scale)
    picture.left = left + (width - picture.width) // 2
    return picture


def _name(facts: dict[str, Any]) -> str:
    return facts.get("number") or facts["output"]


def _finding(deck: Deck, output: Shown, below: Sequence[str], part: str) -> Slide:
    """A slide with the finding as its title, the section above it, sources and notes below, all of it in the notes."""
    facts = output.facts
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    title = readable(facts["title"]) + part
    _write(slide.shapes.title.text_frame, [title], _heading_size(title), bold=True)
    kicker = " · ".join(text for text in (output.record["title"], facts.get("number")) if text)
    place = (MARGIN, KICKER_TOP, WIDTH - 3.3, 0.32)
    _box(slide, place, [kicker], style.SLIDE_KICKER, tone=style.HIGHLIGHT, bold=True)
    if facts.get("evidence") in (FITTED, EXAMPLE):
        _mark(slide, labels().evidence[facts["evidence"]].mark)
    if below:
        height = _height_below(below)
        place = (MARGIN, FOOT_TOP - height, WIDTH, height)
        _box(slide, place, _fitting(below), style.SLIDE_FOOTER, tone=style.MUTED)
    spoken = [facts.get("reading") or "", *below]
    slide.notes_slide.notes_text_frame.text = "\n".join(readable(line) for line in spoken if line)
    return slide


def _heading_size(title: str) -> int:
    """The largest size that the title fits in, over as many lines as its box holds."""
    for size in style.SLIDE_HEADINGS:
        if _lines(title, WIDTH - 0.2, size * 1.08) * size * LINE <= TITLE_HEIGHT - 0.1:
            return size
    return style.SLIDE_HEADINGS[-1]


def _lines(text: str, width: float, size: float) -> int:
    """How many lines a text takes up, a little more rather than less."""
    return len(textwrap.wrap(text, max(4, int(width / (CHARACTER * size))), break_on_hyphens=False)) or 1


def _height_below(below: Sequence[str]) -> float:
    lines = sum(_lines(line, WIDTH, style.SLIDE_FOOTER) for line in _fitting(below))
    return lines * style.SLIDE_FOOTER * LINE + 0.12 if lines else 0.0


def _fitting(below: Sequence[str]) -> list[str]:
    """The lines below that there is room for; where some are left out, the last says where they stand."""
    kept, used = [], 0
    for line in map(readable, below):
        used += _lines(line, WIDTH, style.SLIDE_FOOTER)
        if used > MOST_LINES:
            return [*kept, "Flere bemærkninger står i noterne til siden."]
        kept.append(line)
    return kept


def _in_words(contents: Contents) -> list[str]:
    """The values that are not there, which most charts cannot show, and what their symbols stand for."""
    if not contents.gaps:
        return []
    meanings = symbols({gap.status if gap.status in STATUS_SYMBOLS else "missing" for gap in contents.gaps})
    if contents.kind == "matrix":
        return meanings
    several = len(contents.series) > 1
    named = list(
        dict.fromkeys(
            readable(f"{gap.series} {gap.category}" if gap.series and several else gap.category)
            + f" ({STATUS_SYMBOLS.get(gap.status, STATUS_SYMBOLS['missing'])})"
            for gap in contents.gaps
        )
    )
    shown = named if len(named) <= MOST_NAMED else [*named[:MOST_NAMED], f"{number(len(named) - MOST_NAMED)} mere"]
    return [f"Uden tal: {listed(shown)}.", *meanings]


def _mark(slide: Slide, text: str) -> None:
    place = (PAPER_WIDTH - MARGIN - 3.1, KICKER_TOP, 3.1, 0.3)
    box = _box(slide, place, [text], style.SLIDE_VALUE, align=PP_ALIGN.CENTER)
    box.name = text
    box.fill.solid()
    box.fill.fore_color.rgb, box.line.color.rgb = colour(style.WARNING), colour(style.WARNING_LINE)
    box.line.width, box.text_frame.margin_top, box.text_frame.margin_bottom = Pt(0.75), Inches(0.04), Inches(0.04)


def _stamp(slide: Slide, stamp: str, place: Place) -> None:
    """The word across a native chart that a picture carries in itself: light, so that what is behind it can be read."""
    size = stamp_size(stamp, *place[2:])
    box = _box(slide, place, [stamp], size, tone=style.MUTED, bold=True, align=PP_ALIGN.CENTER)
    box.name, box.rotation = stamp, -STAMP_SLOPE
    box.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE
    tone = box.text_frame._txBody.find(".//{*}srgbClr")
    tone.append(element("a:alpha", val=STAMP_ALPHA))


def _box(slide: Slide, place: Place, lines: Sequence[str], size: float, **look: Any) -> Shape:
    """A box with lines of text."""
    box = slide.shapes.add_textbox(*map(Inches, place))
    _write(box.text_frame, lines, size, **look)
    return box


def _write(
    frame: TextFrame,
    lines: Sequence[str],
    size: float,
    *,
    tone: str = style.INK,
    bold: bool = False,
    align: PP_ALIGN = PP_ALIGN.LEFT,
) -> None:
    """Write lines as paragraphs of a text frame: Danish, wrapped, without the margins of the library."""
    frame.word_wrap = True
    for place, line in enumerate(lines):
        paragraph = frame.paragraphs[0] if place == 0 else frame.add_paragraph()
        run = paragraph.add_run()
        run.text = readable(line)
        font = run.font
        font.size, font.language_id = Pt(size), MSO_LANGUAGE_ID.DANISH
        if bold:
            font.bold = True
        if tone != style.INK:
            # Ink is what the theme writes with.
            font.color.rgb = colour(tone)
        paragraph.alignment = align


def _described(properties: Any, name: str, text: str) -> None:
    """The text that a screen reader says of a shape."""
    if name:
        properties.set("name", readable(name))
    properties.set("descr", readable(text))


def _foot(slide: Slide, text: str, page: int) -> None:
    """The report and the number of the slide; placeholders of a layout are not copied to its slides."""
    _box(slide, PLACES[PP_PLACEHOLDER.FOOTER], [text], style.SLIDE_FOOTER, tone=style.MUTED)
    place = PLACES[PP_PLACEHOLDER.SLIDE_NUMBER]
    _box(slide, place, [str(page)], style.SLIDE_FOOTER, tone=style.MUTED, align=PP_ALIGN.RIGHT)


def _laid_out(table: dict[str, Any], room: float) -> tuple[list[float], int, list[list[list[str]]]]:
    """Widths of the columns, text size and the rows of each slide: the fewest slides, at the largest size for them."""
    equal = [WIDTH / len(table["columns"])] * len(table["columns"])
    tried = [
        (widths, size, _pages(table, widths, size, room))
        for size in TABLE_SIZES
        if (widths := _column_widths(table, size) or (equal if size == TABLE_SIZES[-1] else None))
    ]
    # The first of those with the fewest slides is the largest.
    return min(tried, key=lambda one: len(one[2]))


def _column_widths(table: dict[str, Any], size: int) -> list[float] | None:
    """Inches for each column after what it holds; none where not even its longest words would fit."""
    heads = [table["heading"], *table["columns"][1:]]
    columns = list(zip(heads, *table["rows"], strict=True)) if table["rows"] else [(head,) for head in heads]
    words = [max((len(word) for text in column for word in str(text).split()), default=1) for column in columns]
    wanted = [max(map(len, map(str, column))) for column in columns]
    least = [min(word, 24) * CHARACTER * size * 1.3 + 2 * CELL_MARGIN + 0.05 for word in words]
    ideal = [
        max(low, min(length, 80) * CHARACTER * size * 1.1 + 2 * CELL_MARGIN)
        for low, length in zip(least, wanted, strict=True)
    ]
    if sum(ideal) <= WIDTH:
        # Some of what is left over goes to the names; the rest would only tear names and figures apart.
        return [ideal[0] + min(WIDTH - sum(ideal), 1.5), *ideal[1:]]
    room, asked = WIDTH - sum(least), sum(ideal) - sum(least)
    if room <= 0:
        return None
    return [low + (most - low) * room / asked for low, most in zip(least, ideal, strict=True)]


def _row_height(texts: Sequence[str], widths: Sequence[float], size: int) -> float:
    lines = max(
        _lines(str(text), width - 2 * CELL_MARGIN, size * 1.05) for text, width in zip(texts, widths, strict=True)
    )
    return lines * size * LINE + ROW_PADDING


def _pages(table: dict[str, Any], widths: Sequence[float], size: int, room: float) -> list[list[list[str]]]:
    """The rows of a table in parts that fit on a slide with the heading, equally high where there are several."""
    heading = _row_height([table["heading"], *table["columns"][1:]], widths, size)
    heights = [_row_height(row, widths, size) for row in table["rows"]]
    room -= heading + 0.1
    pages = _filled(table["rows"], heights, room)
    even = sum(heights) / len(pages) + max(heights, default=0) / 2
    balanced = _filled(table["rows"], heights, min(room, even))
    return balanced if len(balanced) == len(pages) else pages


def _filled(rows: Sequence[list[str]], heights: Sequence[float], room: float) -> list[list[list[str]]]:
    pages, used = [[]], 0.0
    for row, height in zip(rows, heights, strict=True):
        if pages[-1] and used + height > room:
            pages.append([])
            used = 0.0
        pages[-1].append(row)
        used += height
    return pages


def _table(
    slide: Slide, table: dict[str, Any], rows: Sequence[Sequence[str]], widths: Sequence[float], size: int
) -> GraphicFrame:
    columns = [table["heading"], *table["columns"][1:]]
    heights = [_row_height(row, widths, size) for row in (columns, *rows)]
    place = (MARGIN, BODY_TOP, sum(widths), sum(heights))
    frame = slide.shapes.add_table(len(rows) + 1, len(columns), *map(Inches, place))
    grid = frame.table
    frame._element.graphic.graphicData.tbl.tblPr.find("{*}tableStyleId").text = PLAIN_TABLE
    for column, width in enumerate(widths):
        grid.columns[column].width = Inches(width)
    for row, height in enumerate(heights):
        grid.rows[row].height = Inches(height)
    right = [name in table["numeric"] for name in table["columns"]]
    for place, texts in enumerate((columns, *rows)):
        strong = place == 0 or texts[0] in table["strong"]
        for column, text in enumerate(texts):
            cell = grid.cell(place, column)
            _cell(cell, text, size, strong, right=right[column] and column > 0)
    return frame


def _cell(cell: _Cell, text: str, size: int, strong: bool, *, right: bool) -> None:
    if strong:
        cell.fill.solid()
        cell.fill.fore_color.rgb = colour(style.SOFT)
    cell.margin_left = cell.margin_right = Inches(CELL_MARGIN)
    cell.margin_top = cell.margin_bottom = Inches(ROW_PADDING / 2)
    cell.vertical_anchor = MSO_ANCHOR.MIDDLE
    _write(cell.text_frame, [text], size, bold=strong, align=PP_ALIGN.RIGHT if right else PP_ALIGN.LEFT)
