"""A report as one PDF to print and to send: the published parts of its executed notebooks, tagged and paginated."""

import base64
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import matplotlib as mpl
import pandas as pd
from markupsafe import Markup
from nbconvert.filters import markdown2html

from analysis import areas, danish
from analysis.catalogue import catalogue
from analysis.edition import KEY_FIGURES, SOURCES, Edition
from analysis.errors import InputError
from analysis.tables import read_coded
from noegletal import front
from noegletal.commentary import Commentary, commentaries
from noegletal.publish.definitions import marks
from noegletal.publish.manifest import FORMATS
from noegletal.publish.pages import TEMPLATES, environment

PDF = FORMATS["pdf"]
TEMPLATE, STYLE = "rapport.html.j2", "pdf.css"
SAID = "vurdering.html.j2"
# The typeface of the charts, which comes with the library that draws them: the same on every machine.
TYPEFACES = {
    ("Rapport", "normal"): "DejaVuSans.ttf",
    ("Rapport", "bold"): "DejaVuSans-Bold.ttf",
    ("Rapport Mono", "normal"): "DejaVuSansMono.ttf",
}
# What of a published output stands on paper; any other element is left out with everything in it.
ON_PAPER = {
    *("h1", "h2", "h3", "h4", "p", "div", "figure", "figcaption", "img", "footer", "blockquote", "pre", "hr"),
    *("ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
    *("a", "b", "bdi", "br", "code", "em", "i", "small", "span", "strong", "sub", "sup"),
}
KEPT_ATTRIBUTES = {"alt", "class", "colspan", "href", "rowspan", "scope", "src"}
# Elements that are referred to; what else has a name within its section may have the same in another.
NAMED = ("figure", "div")
# The raw files stand once, in the section on them.
ON_SCREEN_ONLY = {"anchor", "anchor-link", "downloads", "links", "provenance", "trail", "unseen"}
IMAGES = ("data:image/svg+xml;base64,", "data:image/png;base64,")
# As many caveats stand at the foot of the page of one figure.
MOST_NOTES = 3
NOTED = "Forbeholdene står som noter under de figurer og tabeller, som de gælder."
# A table with more rows than this may be cut between pages, with its headings again on the next.
LONG = 18
# Letters of a cell that is not cut, and of a word that must be.
SHORT, ENDLESS = 11, 22
# A text in a chart as matplotlib writes it, as outlines of its letters: colour, place, turn, size, letters.
OUTLINED = re.compile(
    r'<!-- ((?:(?!-->).)*) -->\s*<g style="([^"]*)" transform="(translate\([-\d. ]+\)(?: rotate\([-\d. ]+\))?)'
    r' scale\(([\d.]+) -[\d.]+\)"(?:/>|>(.*?)</g>)',
    re.DOTALL,
)


class PdfUnavailableError(InputError):
    """A library of the system that the PDF needs is missing; everything else of a report can be made without."""


def write_pdf(
    folder: Path, edition: Edition, area_code: str, sections: dict[str, dict[str, Any]], processed: Path
) -> Path:
    """Write `rapport.pdf` of the report in `folder` from its executed notebooks and published data.

    `sections`: what the manifest keeps of each section, by notebook. A section that was never made is named with the
    reason; a failed one is printed as it last was, and says so. Two runs on the same report write the same bytes.
    Errors: `PdfUnavailableError` without Pango; an image that cannot be drawn.
    """
    weasyprint, style, fonts = _printer()
    text = _composed(folder, edition, area_code, sections, processed)
    # Every image stands in the page itself, so nothing is ever fetched.
    fetcher = weasyprint.URLFetcher(allowed_protocols={"data"})
    document = weasyprint.HTML(string=text, url_fetcher=fetcher)
    _for_paper(document.etree_element, folder)
    with _no_complaints():
        content = document.write_pdf(stylesheets=[style], font_config=fonts, pdf_variant="pdf/ua-1")
    path = folder / PDF
    path.write_bytes(content)
    return path


@lru_cache(maxsize=1)
def _printer() -> tuple[Any, Any, Any]:
    """WeasyPrint, the style sheet, and the typefaces: read once by a process however many reports it prints."""
    try:
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration
    except OSError as error:
        raise PdfUnavailableError(
            f"{PDF} cannot be made because a library of the system is missing ({error}): install libpango-1.0-0 and "
            "libpangoft2-1.0-0 (Debian, Ubuntu), pango (conda-forge) or pango (`brew install pango`, macOS) and run "
            "again; the rest of the report is made without"
        ) from error
    fonts = FontConfiguration()
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    faces = "".join(
        f"@font-face {{ font-family: {family}; font-weight: {weight}; src: url({(folder / file).as_uri()}) }}\n"
        for (family, weight), file in TYPEFACES.items()
    )
    fetcher = weasyprint.URLFetcher(allowed_protocols={"file"})
    text = faces + (TEMPLATES / STYLE).read_text(encoding="utf-8")
    return weasyprint, weasyprint.CSS(string=text, font_config=fonts, url_fetcher=fetcher), fonts


@contextmanager
def _no_complaints() -> Iterator[None]:
    """An error where WeasyPrint would only log that something, such as an image, could not be printed."""
    heard: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: heard.append(record.getMessage())
    logger = logging.getLogger("weasyprint")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    if heard:
        raise InputError(f"{PDF} would not be whole: {heard[0][:300]}; run the section again or correct its output")


# The document as HTML


def _composed(
    folder: Path, edition: Edition, area_code: str, sections: dict[str, dict[str, Any]], processed: Path
) -> str:
    """The title page, the contents and the sections as one page, not yet cleaned for paper."""
    sources = json.loads((processed / SOURCES).read_text(encoding="utf-8"))
    retrieved = max((source["retrieved"] for source in sources), default="")
    outputs = [output for record in sections.values() for output in record.get("outputs", [])]
    said = commentaries(edition, processed, area_code)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            edition=edition,
            area=areas.name(area_code),
            chapters=[
                _chapter(folder, plan.notebook, plan.title, sections.get(plan.notebook, {}), said.get(plan.notebook))
                for plan in edition.sections
            ],
            marks=marks(outputs),
            main_findings=front.main_findings(sections),
            key_numbers=front.key_numbers(edition, area_code, pd.read_parquet(processed / KEY_FIGURES)),
            retrieved=danish.day(retrieved) if retrieved else "",
        )
    )


def _chapter(
    folder: Path, notebook: str, title: str, record: dict[str, Any], said: Commentary | None
) -> dict[str, Any]:
    """A section as the template wants it; one that is not there has no parts, and a notice that says why."""
    executed = folder / "notebooks" / f"{notebook}.ipynb"
    failed, made = record.get("failed", ""), record.get("made", "")
    there = bool(made) and executed.is_file()
    notice = ""
    if not there:
        notice = f"Afsnittet er ikke med: {failed or 'det er ikke dannet endnu'}"
    elif failed:
        day = danish.day(made)
        notice = f"Afsnittet kunne ikke dannes i seneste kørsel: {failed}. Det er vist, som det var den {day}"
    return {
        "notebook": notebook,
        "anchor": f"afsnit-{notebook}",
        "title": title,
        "notice": danish.sentence(notice) if notice else "",
        "parts": [*_parts(executed), *_said(said)] if there else [],
    }


def _said(commentary: Commentary | None) -> list[Markup]:
    """The assessment of the working group on a section, if it wrote one."""
    if commentary is None:
        return []
    return [Markup(environment().get_template(SAID).render(commentary=commentary))]  # noqa: S704


def _parts(executed: Path) -> Iterator[Markup]:
    """What an executed notebook shows its readers: texts and outputs, without code."""
    for cell in json.loads(executed.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield Markup(markdown2html("".join(cell["source"])))  # noqa: S704
        for output in cell.get("outputs", []):
            yield Markup("".join(output.get("data", {}).get("text/html", "")))  # noqa: S704


# The page as it stands on paper


def _for_paper(page: Element, folder: Path) -> None:
    """Change the parsed page: clean what notebooks gave, number caveats, list headings in the contents."""
    body = page.find("body")
    contents = body.find("section[@class='contents']")
    entries = {entry.find("a").get("href"): entry for entry in contents.find("ol")}
    chapters = body.findall("section[@class='chapter']")
    note = 1
    for chapter in chapters:
        _clean(chapter)
        _headings(chapter, entries[f"#{chapter.get('id')}"])
        note = _notes(chapter, folder, note)
    _halve(contents)
    anchors = {element.get("id") for element in body.iter() if element.get("id")}
    for link in body.iter("a"):
        _lead(link, anchors)
    for image in body.iter("img"):
        image.set("src", _with_texts(image.get("src")))


def _clean(parent: Element) -> None:
    """Leave only what is known and meant for paper, whatever else an output may hold."""
    for child in list(parent):
        if child.tag == "picture":
            _as_image(child)
        classes = (child.get("class") or "").split()
        unknown_image = child.tag == "img" and not (child.get("src") or "").startswith(IMAGES)
        if child.tag not in ON_PAPER or not ON_SCREEN_ONLY.isdisjoint(classes) or unknown_image:
            _remove(parent, child)
            continue
        for name in set(child.attrib) - KEPT_ATTRIBUTES - ({"id"} if child.tag in NAMED else set()):
            del child.attrib[name]
        kind = _kind(child)
        if kind:
            child.set("class", f"{child.get('class', '')} {kind}".strip())
        _clean(child)


def _as_image(picture: Element) -> None:
    """Make an image of a picture that a browser chooses a form of: the vector one."""
    # The last is the one that is not of a phone.
    source, image = picture.findall("source")[-1], picture.find("img")
    picture.tag = "img"
    picture.attrib = {"alt": image.get("alt", ""), "src": source.get("srcset", "")}
    picture[:] = []


def _kind(element: Element) -> str:
    """What the style sheet must know of an element that no selector can say."""
    if element.tag == "figure":
        return "long" if len(element.findall(".//tr")) > LONG else ""
    if element.tag in ("td", "th"):
        text = "".join(element.itertext())
        # A code or a date is not cut; a word that no column is wide enough for is.
        return "short" if len(text) <= SHORT else "endless" if max(map(len, text.split())) > ENDLESS else ""
    return ""


def _remove(parent: Element, child: Element) -> None:
    """Take an element away and leave the text that follows it."""
    before = list(parent).index(child) - 1
    if before >= 0:
        parent[before].tail = (parent[before].tail or "") + (child.tail or "")
    else:
        parent.text = (parent.text or "") + (child.tail or "")
    parent.remove(child)


def _headings(chapter: Element, entry: Element) -> None:
    """Set the headings of a section one level down, below the title page's, and list them under its entry."""
    listed = None
    for number, element in enumerate([element for element in chapter.iter() if element.tag in ("h1", "h2", "h3")]):
        element.tag = f"h{int(element.tag[1]) + 1}"
        element.set("id", f"{chapter.get('id')}-{number}")
        if element.tag == "h3":
            listed = SubElement(entry, "ol") if listed is None else listed
            link = SubElement(SubElement(listed, "li"), "a", {"href": f"#{element.get('id')}"})
            link.text = "".join(element.itertext())


def _halve(contents: Element) -> None:
    """Set the list of contents in two columns, which as columns of the style sheet take a quarter of the layout."""
    first = contents.find("ol")
    second = Element("ol")
    contents.insert(list(contents).index(first) + 1, second)
    lines = {entry: len(list(entry.iter("li"))) + 1 for entry in first}
    for entry in reversed(list(first)):
        if sum(lines[moved] for moved in second) + lines[entry] / 2 > sum(lines.values()) / 2:
            break
        first.remove(entry)
        second.insert(0, entry)


def _notes(chapter: Element, folder: Path, first: int) -> int:
    """Set the caveats of a section as footnotes, numbered from `first`, and returns the next number.

    A caveat stands at the foot of the page of the first figure or table that it concerns, at most three of each; those
    after it name the note and its page. The others stay in the list of the section, which else says where all are.
    """
    listings = [element for element in chapter.iter("ul") if element.get("class") == "caveats"]
    listed = {"".join(item.itertext()) for listing in listings for item in listing}
    numbers: dict[str, int] = {}
    # The notes of each figure so far that has any: they stand on one page.
    together: list[list[int]] = []
    for figure in chapter.iter("figure"):
        caption, below = figure.find("figcaption"), figure.find("div[@class='below']")
        concerned = [text for text in _caveats(folder, figure.get("id", "")) if text in listed]
        if caption is None or below is None or not concerned:
            continue
        told = {numbers[text] for text in concerned if text in numbers}
        if told:
            _name(SubElement(below, "p"), "Forbehold:", told, together)
        new = [text for text in concerned if text not in numbers][:MOST_NOTES]
        numbers |= {text: first + len(numbers) + place for place, text in enumerate(new)}
        _footnotes(caption, {numbers[text]: text for text in new})
        together.append([numbers[text] for text in new])
    for listing in listings:
        moved = {"".join(item.itertext()): item for item in listing if "".join(item.itertext()) in numbers}
        for item in moved.values():
            listing.remove(item)
        if moved and not len(listing):
            listing.tag, listing.text = "p", NOTED
    return first + len(numbers)


def _footnotes(caption: Element, notes: dict[int, str]) -> None:
    """Put notes by number into a caption, behind its title and before a mark."""
    marks = [element for element in caption if "mark" in (element.get("class") or "").split()]
    place = list(caption).index(marks[0]) if marks else len(caption)
    if place:
        caption[place - 1].tail = (caption[place - 1].tail or "").rstrip()
    else:
        caption.text = (caption.text or "").rstrip()
    for number, text in notes.items():
        # What is referred to stands where the note is called: the note itself may be laid out on several pages in turn.
        called = Element("span", {"id": f"note-{number}"})
        SubElement(called, "span", {"class": "footnote", "data-number": str(number)}).text = text
        caption.insert(place, called)
        place += 1


def _name(line: Element, lead: str, numbers: set[int], together: list[list[int]]) -> None:
    """Name notes as links, after those that stand together the page that they stand on."""
    groups = [known for known in ([note for note in notes if note in numbers] for notes in together) if known]
    line.text = f"{lead} note{danish.NO_BREAK}"
    for group in groups:
        for number in group:
            link = SubElement(line, "a", {"href": f"#note-{number}"})
            link.text = str(number)
            link.tail = ", " if number in group[:-2] else " og " if number in group[:-1] else ""
        # The style sheet fills in the page.
        link.set("class", "earlier")
        link.tail = "." if group is groups[-1] else " og " if group is groups[-2] else ", "


def _caveats(folder: Path, anchor: str) -> list[str]:
    """The caveats of the key figures that an output shows."""
    rows = read_coded(folder, anchor.replace("-", "_"))
    shown = dict.fromkeys(rows.get("indicator", ()))
    known = catalogue()
    names = [caveat for name in shown if name in known.indicators for caveat in known.indicators[name].caveats]
    return [known.caveats[name] for name in dict.fromkeys(names)]


def _lead(link: Element, anchors: set[str]) -> None:
    """Lead a link to its place on paper; one that has none becomes text."""
    page, _, anchor = link.get("href", "").partition("#")
    chapter = f"afsnit-{page.removesuffix('.html')}"
    if page.startswith(("https://", "http://")):
        return
    if anchor in anchors:
        link.set("href", f"#{anchor}")
    elif chapter in anchors:
        link.set("href", f"#{chapter}")
    else:
        link.tag = "span"
        link.attrib.pop("href", None)


# Charts


def _with_texts(source: str) -> str:
    """A chart with its texts as text: searchable, in the typeface of the document, and much quicker to print.

    Charts hold outlines of letters, so that they look alike in any browser, with the text as a comment beside them.
    """
    if not source.startswith(IMAGES[0]):
        return source
    drawn = base64.b64decode(source.removeprefix(IMAGES[0])).decode("utf-8")
    texts = OUTLINED.sub(_as_text, drawn)
    # An outline that is still used must keep its definition, which may stand in a text that was replaced.
    if re.search(r'xlink:href="#DejaVu', texts):
        texts = drawn
    return IMAGES[0] + base64.b64encode(texts.encode("utf-8")).decode("ascii")


def _as_text(outlined: re.Match[str]) -> str:
    text, colour, place, size, letters = outlined.groups()
    if not letters:
        return ""
    weight = "bold" if "#DejaVuSans-Bold" in letters else "normal"
    # The size of outlines is given in hundredths.
    font = f"font-family: Rapport; font-weight: {weight}; font-size: {float(size) * 100:g}px"
    return f'<text transform="{place}" style="{colour}; {font}">{text}</text>'
