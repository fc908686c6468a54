"""The workbook of a report: real numbers, the same as published, and no text of the data that becomes anything else."""

import csv
import math
import shutil
import subprocess
import zipfile

import openpyxl
import pytest
from office_reports import HOSTILE, hostile_sections
from test_slides import read_report

from analysis import areas
from analysis.catalogue import catalogue
from analysis.edition import load_edition
from analysis.errors import InputError
from analysis.rows import labels
from analysis.tables import FORMULA_START, with_labels
from noegletal import front
from noegletal.figures.freshness import areas_within
from noegletal.publish.office import readable
from noegletal.publish.workbook import CONTENTS, DEFINITIONS, FIGURES, MATRIX, write_workbook

BEHIND = "Tallene bag, i fuld præcision"
# Variants that are words: the scenario of a table, and the choices of one.
SHOWN_VARIANTS = ("basis", "Laveste metode", "Laveste ud fra egen brug", "Højeste metode", "Som i dag")


@pytest.fixture(scope="module")
def books(reports, processed, tmp_path_factory):
    """Folders with workbooks of the small municipality and of a report that wants to do harm, with their sections."""
    small, hostile = (tmp_path_factory.mktemp(name) for name in ("fanoe", "hostile"))
    edition, area_code, sections = read_report(reports / "fanoe")
    shutil.copytree(reports / "fanoe" / "data", small / "data")
    shutil.copy(reports / "fanoe" / "noegletal.xlsx", small)
    wanted = hostile_sections(hostile)
    # Sheets may be called alike, and what a sheet is called may be too long or not allowed.
    for facts, number in zip(
        wanted["01_ond"]["outputs"], ["Figur 1", "FIGUR 1", "x" * 40, "x" * 40, "[a]:*?/\\'"], strict=False
    ):
        facts["number"] = number
    write_workbook(hostile, edition, area_code, wanted, processed)
    return {"small": (small, sections), "hostile": (hostile, wanted)}


@pytest.fixture(scope="module")
def opened(books):
    """The workbooks as openpyxl reads them, once."""
    return {name: openpyxl.load_workbook(folder / "noegletal.xlsx") for name, (folder, _) in books.items()}


@pytest.fixture(params=["small", "hostile"])
def book(request, books, opened):
    folder, sections = books[request.param]
    outputs = [facts for record in sections.values() for facts in record["outputs"]]
    return opened[request.param], folder, outputs


def sheets_by_output(workbook, outputs):
    shown = [facts for facts in outputs if not facts["left_out"]]
    names = [name for name in workbook.sheetnames if name not in (CONTENTS, MATRIX, FIGURES, DEFINITIONS)]
    return list(zip(shown, [workbook[name] for name in names], strict=True))


def printed_sheet(workbook, number):
    """The sheet of what the printed report has as a number."""
    return next(sheet for sheet in workbook if sheet.title.endswith(f"(trykt {number})"))


def rows_below(sheet, heading):
    """The rows of the block under a heading: what stands below it until an empty row."""
    rows = iter(sheet.iter_rows(values_only=True))
    for row in rows:
        if row[0] == heading:
            break
    names = [name for name in next(rows) if name is not None]
    block = []
    for row in rows:
        if all(cell is None for cell in row):
            break
        block.append(dict(zip(names, row, strict=False)))
    return block


def differing(sheet, path):
    """The rows whose figure in a sheet is not that of the published CSV; text cells where a figure should be too."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        published = list(csv.DictReader(file, delimiter=";"))
    if not published or "værdi" not in published[0]:
        return []
    wanted = [float(row["værdi"].replace(",", ".")) if row["værdi"] else None for row in published]
    shown = [row["værdi"] for row in rows_below(sheet, BEHIND)]
    assert len(shown) == len(wanted)
    return [place for place, pair in enumerate(zip(shown, wanted, strict=True)) if not same(*pair)]


def same(shown, wanted):
    """Whether a cell holds a figure, to the sixteen digits that the file keeps; or nothing where there is none."""
    if wanted is None or not isinstance(shown, int | float):
        return shown is wanted
    return math.isclose(shown, wanted, rel_tol=1e-14)


def test_every_output_has_a_sheet_with_its_title_unit_source_and_symbols(book):
    workbook, _, outputs = book
    for facts, sheet in sheets_by_output(workbook, outputs):
        texts = [row[0] for row in sheet.iter_rows(max_row=12, max_col=1, values_only=True)]
        assert sheet["A1"].value == readable(facts["title"])
        assert {readable(line) for line in facts["below"]} <= set(texts)
        assert any(str(text).startswith("Tegn: .. mangler; •") for text in texts)
        if facts["unit"]:
            assert f"Enhed: {readable(facts['unit'])}" in sheet["B2"].value
        assert sheet.freeze_panes == "B3"


def test_figures_are_numbers_and_those_that_are_published(book):
    workbook, folder, outputs = book
    compared = 0
    for facts, sheet in sheets_by_output(workbook, outputs):
        path = folder / "data" / f"{facts['output']}.csv"
        assert differing(sheet, path) == [], facts["output"]
        compared += 1
        for one in (facts["chart"] or {}).get("series", []):
            shown = rows_below(sheet, "Som vist i figuren")
            held = [value for row in shown for value in row.values() if isinstance(value, int | float)]
            for value in one["values"]:
                assert value is None or any(same(cell, value) for cell in held), (facts["output"], one["name"])
    assert compared > 15


def test_the_comparison_of_figures_can_fail(books, opened):
    folder, sections = books["small"]
    outputs = [facts for record in sections.values() for facts in record["outputs"]]
    pairs = sheets_by_output(opened["small"], outputs)
    facts, sheet = next(pair for pair in pairs if pair[0]["number"].endswith("(trykt Figur 1)"))
    path = folder / "data" / f"{facts['output']}.csv"
    cell = next(
        cell for row in sheet.iter_rows() for cell in row if cell.value == rows_below(sheet, BEHIND)[2]["værdi"]
    )
    kept = cell.value
    for wrong in (kept + 0.01, str(kept), None):
        cell.value = wrong
        assert differing(sheet, path) == [2]
    cell.value = kept


@pytest.mark.long
def test_nothing_is_a_formula_or_a_link_that_we_did_not_make(book):
    workbook, folder, outputs = book
    texts = set()
    for sheet in workbook:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", (sheet.title, cell.coordinate)
                if cell.hyperlink:
                    assert cell.hyperlink.target is None
                    assert cell.hyperlink.location.rpartition("!")[0].strip("'") in workbook.sheetnames
                if isinstance(cell.value, str) and cell.value.startswith(FORMULA_START):
                    texts.add(cell.value)
    with zipfile.ZipFile(folder / "noegletal.xlsx") as parts:
        assert not [name for name in parts.namelist() if "externalLink" in name or "vba" in name.lower()]
        assert not any(
            b"<f>" in parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets/sheet")
        )
    if outputs[-1]["output"] == "figur_gammel":
        assert {HOSTILE["command"], HOSTILE["formula"]} <= texts, "the check saw the texts that could be formulas"


def test_hostile_names_are_shown_as_text(opened):
    held = {cell for sheet in opened["hostile"] for row in sheet.iter_rows(values_only=True) for cell in row}
    for name, text in HOSTILE.items():
        assert readable(text) in held, name


def test_readers_meet_danish_names_of_columns_and_no_codes(books, opened):
    folder, sections = books["small"]
    for path in sorted((folder / "data").glob("*.csv")):
        heads = path.read_text(encoding="utf-8-sig").partition("\n")[0].split(";")
        assert set(heads) <= set(labels().all_columns.values()), path.name
    outputs = [facts for record in sections.values() for facts in record["outputs"]]
    for facts, sheet in sheets_by_output(opened["small"], outputs):
        for row in rows_below(sheet, BEHIND):
            assert "kategorikode" not in row, facts["output"]
            assert str(row.get("variant", "standard")) in {*labels().variants.values(), *SHOWN_VARIANTS}, facts[
                "output"
            ]
            assert row.get("kan_beregnes", "ja") in ("ja", "nej")


def test_the_contents_lead_to_every_sheet_and_say_what_was_left_out(opened):
    for workbook in opened.values():
        sheet = workbook[CONTENTS]
        assert workbook.active.title == CONTENTS
        links = [cell.hyperlink.location for row in sheet.iter_rows() for cell in row if cell.hyperlink]
        assert {link.rpartition("!")[0].strip("'") for link in links} == set(workbook.sheetnames) - {CONTENTS}
    remarks = [row[3] for row in opened["hostile"][CONTENTS].iter_rows(values_only=True)]
    assert f"Vises ikke: {HOSTILE['script']}" in remarks


def test_names_of_sheets_are_such_as_excel_takes(opened):
    for workbook in opened.values():
        names = workbook.sheetnames
        assert len({name.casefold() for name in names}) == len(names)
        for name in names:
            assert 0 < len(name) <= 31
            assert not set(name) & set("[]:*?/\\'")


def test_key_figures_are_a_table_with_filters_and_those_of_the_build(opened, key_figures, edition):
    sheet = opened["small"][FIGURES]
    (table,) = sheet.tables.values()
    assert table.autoFilter is not None
    assert sheet.freeze_panes == "A2"
    code = areas.find_area("Fanø")
    wanted = key_figures[key_figures["area_code"].isin(areas_within(edition, code, ["compared"]))]
    rows = list(sheet.iter_rows(min_row=2, values_only=True))
    assert table.ref == f"A1:L{len(rows) + 1}"
    value, year, area = ([cell.value for cell in sheet[1]].index(name) for name in ("Værdi", "År", "Områdekode"))
    known = [None if figure != figure else figure for figure in wanted["value"].tolist()]
    assert [(row[area], row[year]) for row in rows] == list(zip(wanted["area_code"], wanted["year"], strict=True))
    assert all(same(row[value], figure) for row, figure in zip(rows, known, strict=True))
    formats = {cell.number_format for cell in sheet["H"][1:500] if cell.value is not None}
    assert formats
    assert all("#,##0" in pattern for pattern in formats)


def differing_cells(sheet, wanted):
    """Cells of the matrix (area, key figure, group, category, year) that do not hold what the build has."""
    heads, *rows = sheet.iter_rows(values_only=True)
    shown = {
        (row[1], *row[2:5], int(head)): value
        for row in rows
        for head, value in zip(heads, row, strict=True)
        if head.isdigit() and value is not None
    }
    return [key for key in {**wanted, **shown} if not same(shown.get(key), wanted.get(key))]


def test_the_matrix_has_each_figure_once_under_one_heading_and_can_be_filtered(opened, key_figures, edition):
    sheet = opened["small"][MATRIX]
    around = areas_within(edition, areas.find_area("Fanø"), ["compared", "peers"])
    rows = key_figures[key_figures["area_code"].isin(around) & (key_figures["variant"] == "standard")]
    rows = with_labels(rows.dropna(subset="value"))
    names = {name: entry.name for name, entry in catalogue().indicators.items()}
    keys = zip(
        rows["area_code"], rows["indicator"].map(names), rows["population_group"].map(labels().groups), rows["label"],
        rows["year"], strict=True,
    )  # fmt: skip
    wanted = dict(zip(keys, rows["value"], strict=True))
    assert len(wanted) == len(rows) > 1000
    assert differing_cells(sheet, wanted) == []
    spoiled = next(iter(wanted))
    assert differing_cells(sheet, wanted | {spoiled: wanted[spoiled] + 1}) == [spoiled], "the check can fail"
    assert differing_cells(sheet, {key: value for key, value in wanted.items() if key != spoiled}) == [spoiled]
    assert sheet.auto_filter.ref == sheet.dimensions
    assert sheet.freeze_panes == "D2"
    assert not sheet.merged_cells.ranges
    assert {cell.data_type for row in sheet.iter_rows(min_row=2, min_col=8) for cell in row} == {"n"}
    assert {row[6] for row in sheet.iter_rows(min_row=2, values_only=True)} <= {
        said.mark for said in labels().evidence.values()
    }


def test_the_first_sheet_has_the_key_numbers_with_the_sheets_that_show_them(
    books, key_figures, edition, processed, tmp_path
):
    folder, sections = books["small"]
    shutil.copytree(folder / "data", tmp_path / "data")
    workbook = openpyxl.load_workbook(write_workbook(tmp_path, edition, "hovedstaden", sections, processed))
    numbers = front.key_numbers(edition, "hovedstaden", key_figures)
    assert len(numbers) == 6
    rows = {row[1].value: row for row in workbook[CONTENTS].iter_rows(min_row=3) if row[1].value}
    for one in numbers:
        _, name, value, growth = rows[readable(one.name)]
        assert value.value == readable(one.value)
        assert one.mark in growth.value
        assert name.hyperlink.location.rpartition("!")[0].strip("'") in workbook.sheetnames


def test_definitions_are_those_of_the_catalogue(opened):
    rows = list(opened["small"][DEFINITIONS].iter_rows(min_row=2, values_only=True))
    assert [(row[0], row[2]) for row in rows] == [
        (entry.name, entry.definition) for entry in catalogue().indicators.values()
    ]


def too_narrow(sheet):
    """The cells of a sheet whose figure, as it is shown, has more characters than its column is wide."""
    widths = {}
    for dimension in sheet.column_dimensions.values():
        widths |= dict.fromkeys(range(dimension.min, dimension.max + 1), dimension.width)
    found = []
    for row in sheet.iter_rows():
        for cell in row:
            if isinstance(cell.value, int | float):
                shown = cell.number_format.split(";")[0]
                decimals = shown.partition(".")[2].count("0")
                length = len(f"{cell.value:,.{decimals}f}" if "#" in shown else f"{cell.value:.0f}")
                found += [cell.coordinate] if length + 1 > widths.get(cell.column, 8) else []
    return found


def test_columns_are_as_wide_as_what_they_hold(book):
    workbook, _, _ = book
    for sheet in workbook:
        assert too_narrow(sheet) == [], sheet.title
        for column, dimension in sheet.column_dimensions.items():
            assert 9 <= dimension.width <= 101, (sheet.title, column)


def test_a_column_that_is_too_narrow_is_found(opened):
    sheet = printed_sheet(opened["small"], "Figur 3")
    place = next(cell for row in sheet.iter_rows() for cell in row if cell.value == "værdi").column_letter
    kept = sheet.column_dimensions[place].width
    sheet.column_dimensions[place].width = 12
    assert too_narrow(sheet)
    sheet.column_dimensions[place].width = kept


def test_long_texts_are_wrapped_in_rows_that_hold_them(opened):
    wrapped = 0
    for sheet in opened["small"].worksheets[1:]:
        for row in sheet.iter_rows(min_row=8):
            for cell in row:
                if isinstance(cell.value, str) and len(cell.value) > 100 and sheet.title != FIGURES:
                    assert cell.alignment.wrap_text, (sheet.title, cell.coordinate)
                    assert sheet.row_dimensions[cell.row].height >= 2 * 10, (sheet.title, cell.coordinate)
                    wrapped += 1
    assert wrapped > 20


def test_figures_of_a_chart_have_the_same_decimals_and_codes_are_texts(opened):
    for name in ("Figur 1", "Figur 26"):
        shown = printed_sheet(opened["small"], name)
        heading = next(cell.row for cell in shown["A"] if cell.value == "Som vist i figuren")
        formats = {cell.number_format for cell in shown[heading + 2][1:4]}
        assert formats == {'[$-406]#,##0.00_-;[$-406]"\u2212"#,##0.00_-'}
    shown = printed_sheet(opened["small"], "Figur 1")
    assert {row["områdekode"] for row in rows_below(shown, BEHIND)} == {"563"}
    prices = next(sheet for sheet in opened["small"] if sheet["A1"].value.startswith("Indekset"))
    index = rows_below(prices, "Som vist i tabellen")
    assert (index[0]["Indeks"], index[0]["Stand"]) == (0.9621, "antaget")


def test_the_workbook_is_dated_and_the_same_twice(books, opened, processed, tmp_path):
    folder, sections = books["hostile"]
    about = opened["hostile"].properties
    assert (about.title, about.creator) == ("Nøgletalsrapport 2025, Fanø", "KKR Hovedstaden")
    shutil.copytree(folder / "data", tmp_path / "data")
    again = write_workbook(tmp_path, load_edition("2025"), areas.find_area("Fanø"), sections, processed)
    assert again.read_bytes() == (folder / "noegletal.xlsx").read_bytes()


def test_a_folder_that_cannot_be_written_is_one_sentence(processed, tmp_path):
    (tmp_path / "fil").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot write .*noegletal\.xlsx"):
        write_workbook(tmp_path / "fil", load_edition("2025"), "084", {}, processed)


@pytest.mark.needs("soffice")
@pytest.mark.long
def test_libreoffice_opens_the_workbook_that_wants_to_do_harm(books, opened, tmp_path):
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    shutil.copy(books["hostile"][0] / "noegletal.xlsx", tmp_path / "ond.xlsx")
    command = ["soffice", profile, "--headless", "--convert-to", "ods", "--outdir", tmp_path, tmp_path / "ond.xlsx"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    with zipfile.ZipFile(tmp_path / "ond.ods") as parts:
        content = parts.read("content.xml").decode("utf-8")
    assert content.count("<table:table ") == len(opened["hostile"].sheetnames)
    assert "table:formula" not in content
    assert "=HYPERLINK(&quot;http://ondt.example/" in content
