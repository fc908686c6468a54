"""The report on paper: tagged, paginated, whole, the same twice, and unmoved by what it is given."""

import base64
import copy
import html
import re
import shutil
import subprocess
import sys
import urllib.request
import zlib

import nbformat
import numpy as np
import pytest
from conftest import require
from PIL import Image

from analysis import areas
from analysis.catalogue import catalogue
from analysis.edition import load_edition
from analysis.errors import InputError
from noegletal import front
from noegletal.publish import pdf
from noegletal.publish.manifest import published_sections, read_manifest

SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt" viewBox="0 0 72 36">{}</svg>'


def poppler(command, *arguments):
    require("poppler")
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def texts_of_pages(path):
    """What stands on each page, on one line, in the order it is read."""
    pages = poppler("pdftotext", path, "-").split("\f")[:-1]
    return [" ".join(page.split()) for page in pages]


def destinations(path):
    """The page of each place that a link or the contents can lead to."""
    return {
        name: int(page)
        for page, name in re.findall(r'^ *(\d+) \[.*\] "(.*)"$', poppler("pdfinfo", "-dests", path), re.M)
    }


def objects(path):
    """The objects of a PDF as text, those in compressed streams too."""
    content = path.read_bytes()
    streams = re.findall(rb"/ObjStm.*?stream\r?\n(.*?)endstream", content, re.DOTALL)
    return b"\n".join([content, *(zlib.decompressobj().decompress(stream) for stream in streams)])


def alternatives(path):
    """The alternative texts of the images."""
    found = re.findall(rb"/Alt *(?:<([0-9a-fA-F]+)>|\((.*?)(?<!\\)\))", objects(path), re.DOTALL)
    return {
        bytes.fromhex(coded.decode()).decode("utf-16") if coded else plain.decode("latin-1") for coded, plain in found
    }


def printed_copy(report, processed, folder, change=lambda sections: None):
    """The PDF of what a report holds, written in a folder of its own; `change` may spoil the folder's sections."""
    for part in ("notebooks", "data"):
        shutil.copytree(report / part, folder / part)
    sections = copy.deepcopy(published_sections(report))
    change(sections)
    code = areas.find_area(read_manifest(report)["area"])
    return pdf.write_pdf(folder, load_edition("2025"), code, sections, processed)


@pytest.fixture(scope="session")
def printed(reports, processed, tmp_path_factory):
    """Makes the PDF of one of the reports, each once."""
    require("pango")
    made = {}

    def of(area):
        if area not in made:
            there = reports / area / pdf.PDF
            made[area] = there if there.is_file() else printed_copy(
                reports / area, processed, tmp_path_factory.mktemp("pdf") / area
            )  # fmt: skip
        return made[area]

    return of


def test_the_document_says_what_it_is(printed):
    path = printed("fanoe")
    facts = dict(re.findall(r"^(.*?): +(.*)$", poppler("pdfinfo", path), re.M))
    assert facts["Title"] == "Nøgletalsrapport 2025: Fanø"
    assert facts["Tagged"] == "yes"
    assert facts["Page size"].endswith("(A4)")
    assert not any(name.endswith("Date") for name in facts), "no clock in the file"
    assert 'pdfuaid:part="1"' in poppler("pdfinfo", "-meta", path)
    assert re.search(rb"/Lang *\(da\)", objects(path))
    fonts = poppler("pdffonts", path).splitlines()[2:]
    assert len(fonts) >= 2
    assert all(re.search(r" yes yes (yes|no) +\d", font) for font in fonts), "embedded, and only what is used"


def wrong_page_numbers(contents, pages):
    """Entries of the contents (title, page) that do not stand on that page."""
    return [title for title, page in contents if title not in pages[page - 1]]


def contents_of(path):
    """The entries of the contents and the pages they name, in their order; section titles may take two lines."""
    layout = poppler("pdftotext", "-f", 2, "-l", 2, path, "-")
    text = " ".join(layout.split()).split("Indhold ")[-1].partition("Mærket ved")[0].partition("Hvordan tallene")[0]
    return [(title.strip(" ."), int(page)) for title, page in re.findall(r"(\D+?)(?:[ .]*\.\.[ .]*| )(\d+)", text)]


def test_the_contents_name_the_pages_where_sections_start(printed, edition):
    path = printed("fanoe")
    pages, found = texts_of_pages(path), contents_of(path)
    assert len(found) > 35
    assert {plan.title for plan in edition.sections} <= {title for title, _ in found}
    assert wrong_page_numbers(found, pages) == []
    there = destinations(path)
    for plan in edition.sections:
        assert (plan.title, there[f"afsnit-{plan.notebook}"]) in found
    spoiled = [(title, page - 1) for title, page in found]
    assert len(wrong_page_numbers(spoiled, pages)) > 20, "the check can fail"


@pytest.mark.long
def test_a_report_of_the_home_area_is_at_most_forty_pages_and_begins_with_its_results(printed, reports):
    pages = texts_of_pages(printed("hovedstaden"))
    assert len(pages) <= 40
    assert "Hovedresultater" in pages[0] and "Indhold" not in pages[0]
    sections = published_sections(reports / "hovedstaden")
    answers = [one["sentence"] or one["title"] for one in front.main_findings(sections)]
    assert len(answers) > 3
    first = squeezed(" ".join(pages[:2]))
    assert [text for text in answers if squeezed(text) not in first] == []


def pages_as_images(path, folder):
    """Each page between its head and its foot, as a table of shades."""
    poppler("pdftoppm", "-r", 20, "-gray", "-png", path, folder / "side")
    shades = [np.asarray(Image.open(file).convert("L")) for file in sorted(folder.glob("side-*.png"))]
    return [page[round(len(page) * 0.065) : round(len(page) * 0.94)] for page in shades]


def emptiest(page):
    """How much of a page its largest band without ink takes up."""
    bands = "".join("x" if row.any() else " " for row in page < 200).split("x")
    return max(map(len, bands)) / len(page)


@pytest.mark.long
def test_no_page_of_the_home_area_is_more_than_half_empty(printed, tmp_path):
    pages = pages_as_images(printed("hovedstaden"), tmp_path)
    assert len(pages) > 20
    # The last page ends where the report does.
    assert [number for number, page in enumerate(pages[:-1], 1) if emptiest(page) > 0.5] == []
    spoiled = pages[2].copy()
    spoiled[len(spoiled) * 2 // 5 :] = 255
    assert emptiest(spoiled) > 0.5, "the check can fail"


def test_every_figure_is_printed_with_its_alternative_text(printed, reports):
    outputs = [output for record in published_sections(reports / "fanoe").values() for output in record["outputs"]]
    figures = {output["alt"] for output in outputs if output["output"].startswith("figur") and not output["left_out"]}
    found = {" ".join(text.split()) for text in alternatives(printed("fanoe"))}
    assert len(figures) > 40
    assert {" ".join(text.split()) for text in figures} == found
    structure = poppler("pdfinfo", "-struct", printed("fanoe"))
    assert len(re.findall(r"^ *Figure", structure, re.M)) == len(figures)
    assert len(re.findall(r"^ *H1\b", structure, re.M)) == 1
    for tag in ("H2", "H3", "TH", "TD", "THead", "L", "LI", "Caption", "Link"):
        assert re.search(rf"^ *{tag}\b", structure, re.M), tag


def torn_apart(pages, figures):
    """Figures (title, last line below) of which not both stand on one page, the line after the title."""
    pages = [squeezed(page) for page in pages]
    return [
        title
        for title, words in (map(squeezed, figure) for figure in figures)
        if not any(title in page and words in page.split(title)[1] for page in pages)
    ]


def squeezed(text):
    """A text without what the end of a line adds or takes: spaces, and hyphens within words."""
    return re.sub(r"[\s-]", "", text)


def test_figures_stay_with_their_captions(printed, reports):
    pages = texts_of_pages(printed("fanoe"))
    figures = [
        (output["title"], output["below"][-1])
        for record in published_sections(reports / "fanoe").values()
        for output in record["outputs"]
        if output["output"].startswith("figur") and not output["left_out"]
    ]
    assert torn_apart(pages, figures) == []
    halves = [half for page in pages for half in (page[: len(page) // 3], page[len(page) // 3 :])]
    assert len(torn_apart(halves, figures)) > 5, "the check can fail"


def test_a_long_table_has_its_headings_on_every_page(printed):
    pages = texts_of_pages(printed("fanoe"))
    heads = [number for number, page in enumerate(pages) if "Fil Indhold Oprindelse Stand Hentet Kontrolsum" in page]
    rows = [number for number, page in enumerate(pages) if re.search(r"\.csv\.gz .* endelig 20", page)]
    assert len(rows) > 1, "the table is on more than one page"
    assert set(rows) <= set(heads)


def misplaced(notes, pages, titles):
    """Notes (number, page) that do not stand on that page, or not on that of a title with their number behind it."""
    caveats = [squeezed(text) for text in catalogue().caveats.values()]
    return [
        number
        for number, page in notes.items()
        if not any(f"{number}{text}" in squeezed(pages[page - 1]) for text in caveats)
        or not any(re.search(rf"{re.escape(title)}\d*{number}", squeezed(pages[page - 1])) for title in titles)
    ]


def test_caveats_stand_at_the_foot_of_the_page_of_the_first_figure_they_concern(printed, reports):
    path = printed("fanoe")
    pages = texts_of_pages(path)
    notes = {int(name[5:]): page for name, page in destinations(path).items() if name.startswith("note-")}
    assert len(notes) > 20
    assert sorted(notes) == list(range(1, max(notes) + 1))
    outputs = [output for record in published_sections(reports / "fanoe").values() for output in record["outputs"]]
    titles = [squeezed(output["title"]) for output in outputs]
    assert misplaced(notes, pages, titles) == []
    assert len(misplaced({number: page + 1 for number, page in notes.items()}, pages, titles)) > 20
    named = re.findall(r"note ([\d, og]+) \(side (\d+)\)", " ".join(pages))
    assert len(named) > 20
    for numbers, page in named:
        assert {notes[int(number)] for number in re.findall(r"\d+", numbers)} == {int(page)}


# A report of one section made by hand


def chart(content='<path d="M 0 0 L 72 0 L 72 36 z" style="fill: #0a5c8f"/>'):
    return "data:image/svg+xml;base64," + base64.b64encode(SQUARE.format(content).encode()).decode()


def figure(title="Et fund", alt="Søjler", source=None, below=""):
    return (
        f'<figure id="figur-01"><figcaption>{title}</figcaption><img alt="{alt}" src="{source or chart()}">'
        f'<div class="below"><p>Kilde: Prøve.</p>{below}</div></figure>'
    )


@pytest.fixture
def by_hand(processed, edition, tmp_path):
    """Prints a report whose first section shows the given outputs, and returns its path and its text."""
    require("pango")

    def write(*outputs, record=None, out="out"):
        folder = tmp_path / out
        (folder / "notebooks").mkdir(parents=True)
        shown = [nbformat.v4.new_output("display_data", {"text/html": output}) for output in outputs]
        cells = [nbformat.v4.new_markdown_cell("# Prøve\n\n## Et emne")]
        cells += [nbformat.v4.new_code_cell("hemmelig = 1", outputs=[output]) for output in shown]
        name = edition.sections[0].notebook
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebooks" / f"{name}.ipynb")
        given = {name: record or {"made": "2026-11-20T10:00:00+00:00", "failed": "", "outputs": []}}
        return pdf.write_pdf(folder, edition, "563", given, processed)

    return write


def test_two_runs_write_the_same_bytes(by_hand):
    assert by_hand(figure(), out="a").read_bytes() == by_hand(figure(), out="b").read_bytes()


def test_code_and_what_is_for_screens_are_left_out(by_hand):
    below = (
        '<p class="downloads">Hent <a href="data/x.csv">data</a></p><ul class="links"><li>Koden bag</li></ul>'
        "<details><summary>Tal som tabel</summary>skjult</details>"
    )
    text = " ".join(texts_of_pages(by_hand(figure(below=below) + '<p>Efter.</p><a href="spor.html">Spor</a>')))
    assert "Et fund" in text
    assert "Efter. Spor" in text, "what follows stays; a link to a page of the site is text"
    for gone in ("Hent", "Koden bag", "Tal som tabel", "skjult", "hemmelig"):
        assert gone not in text


def test_a_picture_is_printed_as_vectors(by_hand):
    picture = (
        f'<figure id="figur-01"><figcaption>Fund</figcaption><picture><source type="image/svg+xml" srcset="{chart()}">'
        '<img alt="Søjler" src="figurer/figur_01.png"></picture></figure>'
    )
    path = by_hand(picture)
    assert alternatives(path) == {"Søjler"}
    assert poppler("pdfimages", "-list", path).count("\n") == 2, "no pixels"


def test_texts_of_charts_can_be_searched():
    outlined = (
        '<!-- 12,5 &amp; mere -->\n<g style="fill: #1d2b36" transform="translate(1 2) rotate(-90) scale(0.115 -0.115)">'
        '<defs><path id="DejaVuSans-Bold-15" d=""/></defs><use xlink:href="#DejaVuSans-Bold-15"/></g>'
        '<!--  -->\n<g style="fill: #1d2b36" transform="translate(1 2) scale(0.1 -0.1)"/>'
    )
    drawn = base64.b64decode(pdf._with_texts(chart(outlined)).partition(",")[2]).decode()
    assert 'transform="translate(1 2) rotate(-90)"' in drawn
    assert "font-weight: bold; font-size: 11.5px" in drawn
    assert ">12,5 &amp; mere</text>" in drawn
    assert "<use" not in drawn
    half = outlined + '<use xlink:href="#DejaVuSans-Bold-15"/>'
    assert pdf._with_texts(chart(half)) == chart(half), "an outline that is still used keeps its definition"


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        '<script>alert("x")</script><style>* { display: none }</style>',
        "=HYPERLINK(1) \"'\n& <b",
        "\u202eKøbenhavn\u202c \u2067tal\u2069",
        "x" * 300,
        "Et langt navn " * 22,
    ],
    ids=["markup", "quotes", "direction", "unbroken", "long"],
)
def test_a_hostile_name_is_text_and_breaks_nothing(by_hand, monkeypatch, name):
    monkeypatch.setattr(areas, "name", lambda code: name)
    monkeypatch.setattr(urllib.request.OpenerDirector, "open", refused)
    rows = "".join(f"<tr><th scope='row'>{html.escape(name)}</th><td>1</td></tr>" for _ in range(3))
    table = f"<figure class='table' id='tabel-01'><figcaption>Tabel</figcaption><table><tbody>{rows}</table></figure>"
    path = by_hand(figure(title=html.escape(name)) + table)
    pages = texts_of_pages(path)
    assert len(pages) <= 12
    read = re.sub(r"\W", "", " ".join(pages))
    for word in re.findall(r"\w{3,}", name):
        assert word in read or word[::-1] in read, word
    for line in re.findall(r'xMin="([\d.]+)".*?xMax="([\d.]+)"', poppler("pdftotext", "-bbox", path, "-")):
        assert float(line[0]) >= 0
        assert float(line[1]) <= 596, "within the page"


def refused(self, request, *arguments, **options):
    address = getattr(request, "full_url", request)
    assert address.startswith("data:"), f"a request to {address}"
    return AS_IT_WAS(self, request, *arguments, **options)


AS_IT_WAS = urllib.request.OpenerDirector.open


@pytest.mark.parametrize(
    "markup",
    [
        '<script>fetch("http://example.org")</script><p>Her.</p>',
        '<img alt="x" src="http://example.org/x.png"><p>Her.</p>',
        '<img alt="x" src="file:///etc/hostname"><p>Her.</p>',
        '<link rel="stylesheet" href="http://example.org/x.css"><style>@import "http://example.org/y.css";</style><p>Her.</p>',
        '<base href="http://example.org/"><iframe src="x"></iframe><object data="x">y</object><p>Her.</p>',
        '<p style="background: url(http://example.org/x)" onclick="x()">Her.</p>',
    ],
)  # fmt: skip
def test_nothing_is_ever_fetched(by_hand, monkeypatch, markup):
    monkeypatch.setattr(urllib.request.OpenerDirector, "open", refused)
    assert "Her." in " ".join(texts_of_pages(by_hand(markup)))


@pytest.mark.parametrize(
    ("markup", "complaint"),
    [
        (figure(source="data:image/svg+xml;base64," + base64.b64encode(b"<svg").decode()), "image"),
        (figure(source=chart('<image href="http://example.org/x.png" width="9" height="9"/>')), "disallowed protocol"),
        (figure(alt=""), "alt"),
    ],
    ids=["an image that cannot be drawn", "an image that fetches another", "an image without words"],
)
def test_a_report_that_would_not_be_whole_is_refused(by_hand, markup, complaint):
    with pytest.raises(InputError, match=f"rapport.pdf would not be whole: .*{complaint}"):
        by_hand(markup)


def test_a_section_that_is_not_there_is_named(by_hand, edition):
    text = " ".join(texts_of_pages(by_hand("<p>Her.</p>")))
    assert text.count("Afsnittet er ikke med: det er ikke dannet endnu.") == len(edition.sections) - 1


def test_a_failed_section_says_so(by_hand):
    gone = {"failed": "tabellen mangler", "outputs": []}
    text = " ".join(texts_of_pages(by_hand("<p>Her.</p>", record=gone, out="a")))
    assert "Afsnittet er ikke med: tabellen mangler." in text
    assert "Her." not in text
    last_good = {"failed": "tabellen mangler", "made": "2026-11-20T10:00:00+00:00", "outputs": []}
    text = " ".join(texts_of_pages(by_hand("<p>Her.</p>", record=last_good, out="b")))
    assert (
        "kunne ikke dannes i seneste kørsel: tabellen mangler. Det er vist, som det var den 20. november 2026." in text
    )
    assert "Her." in text


def test_without_pango_the_message_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "weasyprint.py").write_text("raise OSError(\"cannot load library 'libpango-1.0-0'\")", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(pdf.PdfUnavailableError, match=r"libpango-1.0-0.*install libpango-1.0-0 and libpangoft2-1.0-0"):
        pdf._printer.__wrapped__()


def test_printing_is_loaded_only_when_it_is_asked_for():
    code = "import sys, noegletal.publish.pdf; sys.exit('weasyprint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
