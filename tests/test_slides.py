"""The slides of a report: findings as titles, native charts with the figures of the report, and no way in for data."""

import copy
import io
import json
import math
import re
import shutil
import subprocess

import openpyxl
import pytest
from office_reports import HOSTILE, hostile_sections
from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE
from pptx.util import Inches

from analysis.charts.contents import Contents, Series, from_facts
from analysis.edition import load_edition
from analysis.errors import InputError
from noegletal.publish.native_charts import add_chart, named_in_chart
from noegletal.publish.office import readable
from noegletal.publish.slides import in_printed_order, write_slides

pytestmark = pytest.mark.xdist_group("report")


def read_report(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return load_edition(manifest["edition"]), manifest["area_code"], manifest["sections"]


@pytest.fixture(scope="module")
def decks(reports, tmp_path_factory):
    """Folders with the slides of the small municipality and of a report that wants to do harm, and their sections."""
    small, hostile = (tmp_path_factory.mktemp(name) for name in ("fanoe", "hostile"))
    edition, area_code, sections = read_report(reports / "fanoe")
    shutil.copy(reports / "fanoe" / "rapport.pptx", small)
    wanted = hostile_sections(hostile)
    write_slides(hostile, edition, area_code, wanted, hostile)
    return {"small": (small, sections), "hostile": (hostile, wanted)}


@pytest.fixture(params=["small", "hostile"])
def deck(request, decks):
    folder, sections = decks[request.param]
    return Presentation(folder / "rapport.pptx"), [shown.facts for shown in in_printed_order(sections)]


def title_of(slide):
    return slide.shapes.title.text_frame.text


def slides_by_output(presentation, outputs):
    """The slides of each output: as many as carry its title, one after the other."""
    slides = list(presentation.slides)[1:]
    found = []
    for facts in outputs:
        title = readable(facts["title"])
        own = [slides.pop(0)]
        assert title_of(own[0]).startswith(title), facts["output"]
        part = re.search(r" \(1 af (\d+)\)$", title_of(own[0]).removeprefix(title))
        own += [slides.pop(0) for _ in range(int(part[1]) - 1 if part else 0)]
        found.append((facts, own))
    assert slides == []
    return found


def charts_on(slide):
    return [shape for shape in slide.shapes if shape.has_chart]


def differing(chart, contents):
    """The series whose name or figures in a native chart are not those of the contents."""
    drawn = [series for plot in chart.plots for series in plot.series]
    wanted = {named_in_chart(one.name): [value for value in one.values if value is not None] for one in contents.series}
    shown = {series.name: [value for value in series.values if value is not None] for series in drawn}
    return [name for name in {**wanted, **shown} if wanted.get(name) != shown.get(name)]


def test_every_output_has_a_slide_with_its_finding_in_the_printed_order(deck):
    presentation, outputs = deck
    assert outputs
    assert all(slides for _, slides in slides_by_output(presentation, outputs))
    printed = [int(facts["number"].split()[1]) for facts in outputs if facts["number"].startswith("Figur")]
    assert printed == sorted(printed)


def test_the_ground_of_the_report_comes_last(decks):
    order = [shown.record["title"] for shown in in_printed_order(decks["small"][1])]
    assert order[0] != "Datagrundlag"
    assert order[-1] == "Datagrundlag"


def test_charts_are_native_with_the_figures_of_the_report(deck):
    presentation, outputs = deck
    compared = 0
    for facts, slides in slides_by_output(presentation, outputs):
        contents = from_facts(facts["chart"]) if facts["chart"] else None
        if contents is None or contents.kind == "matrix":
            assert all(any(shape.has_table for shape in slide.shapes) for slide in slides), facts["output"]
            continue
        if not any(value is not None for one in contents.series for value in one.values):
            assert charts_on(slides[0]) == []
            continue
        (frame,) = charts_on(slides[0])
        assert differing(frame.chart, contents) == [], facts["output"]
        if contents.kind in ("stacked_columns", "columns", "bars", "deviations"):
            drawn = [str(series.format.fill.fore_color.rgb) for series in frame.chart.plots[0].series]
            assert drawn == [one.colour.upper().strip("#") for one in contents.series if one.look == "bars"]
        compared += 1
    assert compared > 15
    kinds = {shape.shape_type for slide in presentation.slides for shape in slide.shapes}
    assert MSO_SHAPE_TYPE.PICTURE not in kinds


def test_the_comparison_of_figures_can_fail(decks):
    folder, sections = decks["small"]
    presentation = Presentation(folder / "rapport.pptx")
    shown = next(facts for facts in (one.facts for one in in_printed_order(sections)) if facts["number"] == "Figur 1")
    frame = charts_on(list(presentation.slides)[1])[0]
    spoiled = copy.deepcopy(shown["chart"])
    assert differing(frame.chart, from_facts(spoiled)) == []
    spoiled["series"][0]["values"][0] += 1e-6
    assert differing(frame.chart, from_facts(spoiled)) == [spoiled["series"][0]["name"]]


def labelled(price_level):
    """The parts of the first of two columns of drivers, and its total, whose values are written on a slide."""
    columns = [(-9.5, 9.5, -4.0, price_level), (-10.2, 34.8, -13.8, 12.7)]
    names = ["Befolkning", "Modtagere", "Enhedspris", "Prisniveau"]
    parts = [
        Series(name, "#332288", list(values)) for name, values in zip(names, zip(*columns, strict=True), strict=True)
    ]
    total = Series("I alt", "#17202A", [sum(column) for column in columns], "total")
    contents = Contents("stacked_columns", "pct.", 1, ["Assistance", "Bostøtte"], [*parts, total])
    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    frame = add_chart(slide, contents, (0, 0, Inches(8), Inches(4)))
    removed = "c:dLbls/c:dLbl[c:idx/@val='0']/c:delete[@val='1']"
    drawn = [one for plot in frame.chart.plots for one in plot.series]
    return [one.name for one in drawn if one._element.dLbls is not None and not one._element.xpath(removed)]


def test_the_total_of_a_column_is_not_written_over_one_of_its_parts():
    assert labelled(11.9) == ["Befolkning", "Modtagere", "I alt"]
    assert labelled(60.0) == ["Befolkning", "Modtagere", "Prisniveau", "I alt"]


def test_every_chart_and_table_says_what_it_shows_and_where_it_is_from(deck):
    presentation, outputs = deck
    for facts, slides in slides_by_output(presentation, outputs):
        for slide in slides:
            graphics = [shape for shape in slide.shapes if shape.has_chart or shape.has_table]
            for shape in graphics:
                said = shape._element.nvGraphicFramePr.cNvPr.get("descr")
                assert said == readable(facts["alt"] or facts["title"])
            texts = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
            if facts["below"]:
                assert any(readable(facts["below"][0]) in text for text in texts), facts["output"]
                assert readable(facts["below"][-1]) in slide.notes_slide.notes_text_frame.text
            if facts["origin"] == "reconstruction":
                (mark,) = [shape for shape in slide.shapes if shape.name == "Bygger på rekonstruerede data"]
                assert mark.text_frame.text == mark.name
                # The text of other shapes is white in the theme of the library.
                assert mark.shape_type == MSO_SHAPE_TYPE.TEXT_BOX
            if facts["reading"]:
                assert readable(facts["reading"]) in slide.notes_slide.notes_text_frame.text


def test_tables_are_native_whole_and_repeat_their_heading(deck):
    presentation, outputs = deck
    for facts, slides in slides_by_output(presentation, outputs):
        if not facts["table"]:
            continue
        shown = [shape.table for slide in slides for shape in slide.shapes if shape.has_table]
        rows = [[cell.text for cell in row.cells] for table in shown for row in list(table.rows)[1:]]
        assert rows == [[readable(text) for text in row] for row in facts["table"]["rows"]]
        headings = {tuple(cell.text for cell in table.rows[0].cells) for table in shown}
        assert headings == {
            tuple(readable(text) for text in [facts["table"]["heading"], *facts["table"]["columns"][1:]])
        }
        bottoms = [shape.top + shape.height for slide in slides for shape in slide.shapes if shape.has_table]
        assert max(bottoms) < presentation.slide_height


def test_what_is_suppressed_is_named_and_not_drawn(decks):
    folder, sections = decks["hostile"]
    presentation = Presentation(folder / "rapport.pptx")
    outputs = [shown.facts for shown in in_printed_order(sections)]
    slides = {facts["output"]: own[0] for facts, own in slides_by_output(presentation, outputs)}
    text = "\n".join(shape.text_frame.text for shape in slides["figur_paired_bars"].shapes if shape.has_text_frame)
    assert "Uden tal:" in text
    assert "(•)" in text
    assert "• vises ikke af hensyn til få personer." in text
    matrix = next(shape.table for shape in slides["figur_flow_matrix"].shapes if shape.has_table)
    assert "•" in [cell.text for row in matrix.rows for cell in row.cells]
    old = "\n".join(shape.text_frame.text for shape in slides["figur_gammel"].shapes if shape.has_text_frame)
    assert "dette er fra kørslen den 21. november 2026" in old.replace("\u00a0", " ")


def test_nothing_in_the_sheets_behind_charts_is_a_formula(decks):
    seen = set()
    for slide in Presentation(decks["hostile"][0] / "rapport.pptx").slides:
        for frame in charts_on(slide):
            book = openpyxl.load_workbook(io.BytesIO(frame.chart.part.chart_workbook.xlsx_part.blob))
            cells = [cell for row in book.active.iter_rows() for cell in row if cell.value is not None]
            assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
            assert not any(cell.hyperlink for cell in cells)
            seen |= {cell.value for cell in cells if cell.data_type == "s"}
    assert HOSTILE["formula"] in seen, "the check saw the text"


def test_titles_fit_their_box(decks):
    presentation = Presentation(decks["hostile"][0] / "rapport.pptx")
    for slide in list(presentation.slides)[1:]:
        run = slide.shapes.title.text_frame.paragraphs[0].runs[0]
        across = slide.shapes.title.width / 12700 / (run.font.size.pt * 0.5)
        lines = math.ceil(len(run.text) / across)
        assert lines * run.font.size.pt * 1.2 * 12700 < slide.shapes.title.height


def test_the_deck_is_danish_dated_and_the_same_twice(decks, tmp_path):
    folder, sections = decks["hostile"]
    about = Presentation(folder / "rapport.pptx").core_properties
    assert (about.language, about.title, about.author) == ("da-DK", "Nøgletalsrapport 2025, Fanø", "KKR Hovedstaden")
    edition = load_edition("2025")
    again = write_slides(tmp_path, edition, "563", sections, tmp_path).read_bytes()
    assert again == (folder / "rapport.pptx").read_bytes()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "fil").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot write .*rapport\.pptx"):
        write_slides(tmp_path / "fil", load_edition("2025"), "084", {}, tmp_path)


@pytest.mark.needs("soffice", "poppler")
@pytest.mark.long
def test_libreoffice_opens_the_decks_with_every_slide_and_title(decks, tmp_path):
    files = []
    for name, (folder, _) in decks.items():
        files.append(tmp_path / f"{name}.pptx")
        shutil.copy(folder / "rapport.pptx", files[-1])
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", tmp_path, *files]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    for file in files:
        pages = subprocess.run(
            ["pdftotext", file.with_suffix(".pdf"), "-"], check=True, capture_output=True, text=True, timeout=60
        ).stdout.split("\f")[:-1]
        slides = list(Presentation(file).slides)
        assert len(pages) == len(slides)
        for page, slide in zip(pages, slides, strict=True):
            # Lines are broken anywhere and letters may be joined or turned; most of the words must be there.
            words = [word for word in re.findall(r"[\wæøåÆØÅ]{4,}", title_of(slide)) if len(word) < 30]
            shown = sum(word in page for word in words)
            assert shown >= 0.8 * len(words), title_of(slide)
