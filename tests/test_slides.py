"""The slides of a report: findings as titles, charts with the figures of the report, no way in for data."""

import copy
import io
import json
import math
import re
import shutil
import subprocess

import openpyxl
import pytest
from chart_examples import EXAMPLES
from office_reports import HOSTILE, hostile_sections, negative_shares
from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE
from pptx.util import Inches

from analysis.charts.contents import Contents, Series
from analysis.charts.style import HIGHLIGHT, REFERENCE
from analysis.edition import load_edition
from analysis.errors import InputError
from analysis.rows import EXAMPLE
from noegletal import front
from noegletal.publish.native_charts import KINDS, add_chart, named_in_chart
from noegletal.publish.office import from_facts, readable
from noegletal.publish.slides import APPENDIX, PARTS, STAMP_ALPHA, _main_figure, shown_outputs, write_slides


def read_report(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return load_edition(manifest["edition"]), manifest["area_code"], manifest["sections"]


@pytest.fixture(scope="module")
def decks(reports, processed, tmp_path_factory):
    """Folders with the slides of the small municipality and of a report that wants to do harm, and their sections."""
    small, hostile = (tmp_path_factory.mktemp(name) for name in ("fanoe", "hostile"))
    edition, area_code, sections = read_report(reports / "fanoe")
    shutil.copy(reports / "fanoe" / "rapport.pptx", small)
    shutil.copytree(reports / "fanoe" / "figurer", small / "figurer")
    wanted = hostile_sections(hostile)
    write_slides(hostile, edition, area_code, wanted, processed)
    return {"small": (small, sections), "hostile": (hostile, wanted)}


@pytest.fixture(params=["small", "hostile"])
def deck(request, decks):
    folder, sections = decks[request.param]
    return Presentation(folder / "rapport.pptx"), [shown.facts for shown in shown_outputs(sections)], folder


def title_of(slide):
    return slide.shapes.title.text_frame.text


def appendix(presentation):
    """The slides after the one that ends the deck for a meeting."""
    slides = list(presentation.slides)
    return slides[[title_of(slide) for slide in slides].index(APPENDIX) + 1 :]


def slides_by_output(presentation, outputs):
    """The slides of each output: as many as carry its title, one after the other."""
    slides = appendix(presentation)
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


def pictures_on(slide):
    return [shape for shape in slide.shapes if shape.shape_type == MSO_SHAPE_TYPE.PICTURE]


def has_values(contents):
    return any(value is not None for one in contents.series for value in one.values)


def empty_slide():
    deck = Presentation()
    return deck.slides.add_slide(deck.slide_layouts[6])


def differing(chart, contents):
    """The series whose name or figures in a native chart are not those of the contents."""
    drawn = [series for plot in chart.plots for series in plot.series]
    wanted = {named_in_chart(one.name): [value for value in one.values if value is not None] for one in contents.series}
    shown = {series.name: [value for value in series.values if value is not None] for series in drawn}
    return [name for name in {**wanted, **shown} if wanted.get(name) != shown.get(name)]


def test_every_output_has_a_slide_with_its_finding_in_the_order_of_the_report(deck):
    presentation, outputs, _ = deck
    assert outputs
    assert all(slides for _, slides in slides_by_output(presentation, outputs))
    numbers = [tuple(map(int, re.findall(r"\d+", facts["number"].partition("(")[0]))) for facts in outputs]
    figures = [number for number, facts in zip(numbers, outputs, strict=True) if facts["number"].startswith("Figur")]
    assert figures == sorted(figures)


def test_the_deck_for_a_meeting_says_what_the_sections_answer_with_a_figure_each(decks):
    folder, sections = decks["small"]
    slides = list(Presentation(folder / "rapport.pptx").slides)
    meeting = slides[: len(slides) - len(appendix(Presentation(folder / "rapport.pptx")))]
    found = front.main_findings(sections)
    assert found and len(found) + 2 <= len(meeting) <= 12
    said = "\n".join(shape.text_frame.text for slide in meeting for shape in slide.shapes if shape.has_text_frame)
    for one in found:
        for text in (one["section"]["title"], one["title"], one["sentence"], one["why"]):
            assert readable(text) in said
    assert "Eksempel:" not in said
    facts = {one.facts["number"] or one.facts["output"]: one.facts for one in shown_outputs(sections)}
    names = [[shape.name for shape in (*charts_on(slide), *pictures_on(slide))] for slide in meeting]
    assert sum(map(len, names)) >= 1
    for name in (name for on_slide in names for name in on_slide):
        assert facts[name]["evidence"] != EXAMPLE, "no example stands beside what is stated"
    assert max(map(len, names)) == 1


def parts_of(presentation):
    """The named parts of a deck with the slides in each, by their place from 1."""
    order = [one.get("id") for one in presentation.slides._sldIdLst]
    parts = presentation.part._element.findall(f".//{{{PARTS}}}section")
    return [(part.get("name"), [order.index(one.get("id")) + 1 for one in part.iter(f"{{{PARTS}}}sldId")])
            for part in parts]  # fmt: skip


def test_the_appendix_is_a_part_of_its_own_and_every_slide_is_in_one(deck):
    presentation, _, _ = deck
    (_, meeting), (name, rest) = parts_of(presentation)
    assert name == APPENDIX
    assert [*meeting, *rest] == list(range(1, len(presentation.slides) + 1))
    assert title_of(presentation.slides[rest[0] - 1]) == APPENDIX
    assert len(rest) == len(appendix(presentation)) + 1


def test_the_figure_of_a_theme_is_its_own_else_the_first_that_is_no_example():
    def found(anchor, *evidence):
        outputs = [
            {"output": f"figur_{place}", "alt": "Søjler", "evidence": known} for place, known in enumerate(evidence)
        ]
        return _main_figure({"anchor": anchor, "section": {"outputs": [{"output": "tabel", "table": {}}, *outputs]}})

    assert found("figur-1", "genuine", "fitted")["output"] == "figur_1"
    assert found("saetning-1", "example", "fitted")["output"] == "figur_1"
    assert found("saetning-1", "example") is None


def test_the_ground_of_the_report_comes_last(decks):
    order = [shown.record["title"] for shown in shown_outputs(decks["small"][1])]
    assert order[0] != "Datagrundlag"
    assert order[-1] == "Datagrundlag"


def test_charts_are_native_with_the_figures_of_the_report(deck):
    presentation, outputs, _ = deck
    compared = 0
    for facts, slides in slides_by_output(presentation, outputs):
        contents = from_facts(facts["chart"]) if facts["chart"] else None
        if contents is None or contents.kind not in KINDS or not has_values(contents):
            assert charts_on(slides[0]) == [], facts["output"]
            continue
        (frame,) = charts_on(slides[0])
        assert differing(frame.chart, contents) == [], facts["output"]
        if contents.kind != "lines":
            drawn = [str(series.format.fill.fore_color.rgb) for series in frame.chart.plots[0].series]
            assert drawn == [one.colour.upper().strip("#") for one in contents.series if not one.total]
        assert pictures_on(slides[0]) == []
        compared += 1
    assert compared > 5


def test_a_native_chart_carries_the_stamp_of_its_figure(processed, tmp_path):
    sections = hostile_sections(tmp_path)
    for stamp in ("", "EKSEMPELDATA"):
        for facts in (facts for record in sections.values() for facts in record["outputs"]):
            facts["stamp"] = stamp
        write_slides(tmp_path, load_edition("2025"), "563", sections, processed)
        slides = [slide for slide in Presentation(tmp_path / "rapport.pptx").slides if charts_on(slide)]
        assert len(slides) >= len(KINDS)
        for slide in slides:
            (chart,), named = charts_on(slide), [shape for shape in slide.shapes if shape.name == "EKSEMPELDATA"]
            assert [shape.text_frame.text for shape in named] == [stamp] * bool(stamp)
            for word in named:
                assert (word.left, word.top, word.width, word.height) == (
                    chart.left, chart.top, chart.width, chart.height
                )  # fmt: skip
                assert word._element.find(".//{*}alpha").get("val") == STAMP_ALPHA, "what is behind it can be read"


def test_every_other_figure_is_its_stored_picture_undistorted_and_without_title_and_lines(deck):
    presentation, outputs, folder = deck
    compared = 0
    for facts, slides in slides_by_output(presentation, outputs):
        contents = from_facts(facts["chart"]) if facts["chart"] else None
        if facts["table"] or (contents and (contents.kind in KINDS or not has_values(contents))):
            continue
        (picture,) = pictures_on(slides[0])
        stored = (folder / "figurer" / f"{facts['output']}.png").read_bytes()
        assert picture.image.blob == stored
        assert [picture.crop_top, picture.crop_bottom] == pytest.approx(facts["margins"], abs=1e-4)
        across, upright = picture.image.size
        shown = upright * (1 - picture.crop_top - picture.crop_bottom)
        assert picture.width / picture.height == pytest.approx(across / shown, rel=1e-3)
        assert picture.left >= 0
        assert picture.left + picture.width <= presentation.slide_width
        below = [shape.top for shape in slides[0].shapes if shape.has_text_frame and shape.top > picture.top]
        assert slides[0].shapes.title.top < picture.top
        assert picture.top + picture.height <= min(below), "the lines below stand clear of it"
        compared += 1
    assert compared > 10


def test_a_figure_drawn_by_hand_is_shown_as_its_picture(decks, processed, tmp_path):
    folder, sections = decks["hostile"]
    facts = next(facts for facts in sections["01_ond"]["outputs"] if facts["output"] == "figur_lines")
    by_hand = sections["01_ond"] | {"outputs": [facts | {"chart": None, "unit": ""}]}
    shutil.copytree(folder / "figurer", tmp_path / "figurer")
    write_slides(tmp_path, load_edition("2025"), "563", {"01_ond": by_hand}, processed)
    slide = appendix(Presentation(tmp_path / "rapport.pptx"))[0]
    assert len(pictures_on(slide)) == 1
    assert charts_on(slide) == []


def test_a_picture_that_is_gone_is_one_sentence(decks, processed, tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*figur_\w+\.png: No such file.*; run its section again$"):
        write_slides(tmp_path, load_edition("2025"), "563", decks["hostile"][1], processed)
    assert not (tmp_path / "rapport.pptx").exists()


def test_the_comparison_of_figures_can_fail(decks):
    folder, sections = decks["small"]
    presentation = Presentation(folder / "rapport.pptx")
    shown = next(
        facts for facts in (one.facts for one in shown_outputs(sections)) if facts["number"].startswith("Figur 1.1")
    )
    frame = charts_on(appendix(presentation)[0])[0]
    spoiled = copy.deepcopy(shown["chart"])
    assert differing(frame.chart, from_facts(spoiled)) == []
    spoiled["series"][0]["values"][0] += 1e-6
    assert differing(frame.chart, from_facts(spoiled)) == [spoiled["series"][0]["name"]]


def written_on(slide):
    """The places whose value a native chart writes, by series."""
    drawn = [series for plot in charts_on(slide)[0].chart.plots for series in plot.series]
    labels = {series.name: series._element.dLbls for series in drawn}
    gone = "c:dLbl[c:delete/@val='1']/c:idx/@val"
    return {name: None if label is None else label.xpath(gone) for name, label in labels.items()}


def test_a_part_of_a_column_is_written_only_where_it_has_room():
    parts = [Series("Stor", [90.0, 90.0], "#332288"), Series("Lille", [10.0, 1.0], "#44AA99")]
    total = Series("I alt", [100.0, 91.0], "#17202A", total=True)
    contents = Contents("stacked_columns", "pct.", 1, ["2023", "2024"], [*parts, total])
    slide = empty_slide()
    add_chart(slide, contents, (0, 0, Inches(8), Inches(4)))
    assert written_on(slide) == {"Stor": [], "Lille": ["1"], "I alt": []}


def test_the_values_at_the_ends_of_lines_are_not_written_over_each_other():
    colours = {"Andre": "#6F7F8A", "Hele landet": REFERENCE, "Fanø": HIGHLIGHT}
    ends = {"Andre": 10.1, "Hele landet": 5.0, "Fanø": 10.0}
    series = [Series(name, [4.0, ends[name]], tone) for name, tone in colours.items()]
    slide = empty_slide()
    add_chart(slide, Contents("lines", "pct.", 1, ["2023", "2024"], series), (0, 0, Inches(8), Inches(4)))
    assert [name for name, gone in written_on(slide).items() if gone is not None] == ["Hele landet", "Fanø"]


def test_a_column_to_both_sides_of_zero_is_a_picture():
    """Its total would be written over one of its parts."""
    assert EXAMPLES["contributions"]().contents.kind == "table"
    assert negative_shares().contents.kind == "table"
    assert EXAMPLES["stacked_columns"]().contents.kind == "stacked_columns"


def test_every_chart_and_table_says_what_it_shows_and_where_it_is_from(deck):
    presentation, outputs, _ = deck
    for facts, slides in slides_by_output(presentation, outputs):
        for slide in slides:
            graphics = [shape for shape in slide.shapes if shape.has_chart or shape.has_table] + pictures_on(slide)
            for shape in graphics:
                said = shape._element.xpath("./*/p:cNvPr/@descr")
                assert said == [readable(facts["alt"] or facts["title"])]
            texts = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
            if facts["below"]:
                assert any(readable(facts["below"][0]) in text for text in texts), facts["output"]
                assert readable(facts["below"][-1]) in slide.notes_slide.notes_text_frame.text
            said = {"fitted": "Afstemt med tryk", "example": "Eksempeldata"}.get(facts["evidence"])
            if said:
                (mark,) = [shape for shape in slide.shapes if shape.name == said]
                assert mark.text_frame.text == mark.name
                # The text of other shapes is white in the theme of the library.
                assert mark.shape_type == MSO_SHAPE_TYPE.TEXT_BOX
            if facts["reading"]:
                assert readable(facts["reading"]) in slide.notes_slide.notes_text_frame.text


def test_tables_are_native_whole_and_repeat_their_heading(deck):
    presentation, outputs, _ = deck
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
    outputs = [shown.facts for shown in shown_outputs(sections)]
    slides = {facts["output"]: own[0] for facts, own in slides_by_output(presentation, outputs)}
    text = "\n".join(shape.text_frame.text for shape in slides["figur_bars"].shapes if shape.has_text_frame)
    assert "Uden tal:" in text
    assert "(•)" in text
    assert "• vises ikke af hensyn til få personer." in text
    matrix = "\n".join(shape.text_frame.text for shape in slides["figur_flow_matrix"].shapes if shape.has_text_frame)
    assert "• vises ikke af hensyn til få personer." in matrix
    assert "Uden tal:" not in matrix, "its picture shows the symbols where they belong"
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


def test_the_deck_is_danish_dated_and_the_same_twice(decks, processed, tmp_path):
    folder, sections = decks["hostile"]
    about = Presentation(folder / "rapport.pptx").core_properties
    assert (about.language, about.title, about.author) == ("da-DK", "Nøgletalsrapport 2025, Fanø", "KKR Hovedstaden")
    edition = load_edition("2025")
    shutil.copytree(folder / "figurer", tmp_path / "figurer")
    again = write_slides(tmp_path, edition, "563", sections, processed).read_bytes()
    assert again == (folder / "rapport.pptx").read_bytes()


def test_a_folder_that_cannot_be_written_is_one_sentence(processed, tmp_path):
    (tmp_path / "fil").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot write .*rapport\.pptx"):
        write_slides(tmp_path / "fil", load_edition("2025"), "084", {}, processed)


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
