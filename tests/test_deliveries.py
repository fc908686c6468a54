"""Deliveries: every mistake is named in Danish with its sheet, row and column, and a faulty workbook gives nothing."""

import datetime
import hashlib
import re
import shutil
import sys
import zipfile
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml
from openpyxl import Workbook, load_workbook
from pydantic import ValidationError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from analysis import areas, danish
from analysis.edition import load_edition, raw_folder
from analysis.errors import InputError
from noegletal.facts import diagnoses
from noegletal.sources import blank_forms, deliveries
from noegletal.sources.blank_forms import write_form
from noegletal.sources.deliveries import delivered, read_form
from noegletal.sources.forms import Form, load_form
from reconstruction import komponent
from reconstruction.reference import load_yaml

NUMBERS = load_yaml(ROOT / "reconstruction" / "komponent_2025.yml")
ANY, SINGLE = "F-diagnose", "Diagnoser"
SHARE = "Andel med F-diagnose, pct."
SUPPORT = "Andel med F-diagnose, der modtager en indsats, pct."


@pytest.fixture
def path(tmp_path):
    """The embedded delivery in a folder of its own, to spoil."""
    return Path(shutil.copy(raw_folder("2025") / "KOMPONENT.xlsx", tmp_path))


def spoil(path, change):
    book = load_workbook(path)
    change(book)
    book.save(path)
    return path


def put(path, sheet, cell, value, number_format=None):
    def change(book):
        book[sheet][cell].value = value
        if number_format:
            book[sheet][cell].number_format = number_format

    return spoil(path, change)


def refused(path, form="komponent"):
    """The lines of the one error that reading gives; reading anything at all is a failure."""
    with pytest.raises(InputError) as caught:
        read_form(path, form)
    assert caught.value.rule == "LEV-01"
    return str(caught.value).splitlines()


def place(sheet, row=None, column=None):
    parts = [f"KOMPONENT.xlsx, ark {sheet}"]
    parts += [f"række {row}"] if row else []
    parts += [f"kolonne {column}"] if column else []
    return ", ".join(parts) + ": "


# What is right


def test_a_filled_form_reads_back_as_it_was_written(path):
    rows = komponent.sheets(NUMBERS)
    write_form("komponent", path, rows)
    read = read_form(path, "komponent")
    assert list(read) == [ANY, SINGLE]
    for name, frame in read.items():
        fields = [column for column in frame.columns if column not in ("sheet", "row")]
        pd.testing.assert_frame_equal(frame[fields], rows[name][fields], check_dtype=False)
        assert frame["row"].tolist() == list(range(4, 4 + len(frame)))
        assert set(frame["sheet"]) == {name}
    assert read[ANY]["year"].dtype == int
    assert read[ANY]["share"].dtype == float


def test_a_workbook_that_changes_is_read_again(path):
    first = read_form(path, "komponent")[ANY]
    first["share"] = 0.0
    assert (read_form(path, "komponent")[ANY]["share"] > 0).any(), "what one reader does is not seen by the next"
    put(path, ANY, "D6", 5.4)
    assert read_form(path, "komponent")[ANY]["share"].iloc[2] == 5.4
    put(path, ANY, "D6", "fem")
    assert refused(path)


@pytest.mark.parametrize(
    ("value", "number_format"),
    [
        (5.4, None),
        ("5,4", None),
        ("5,4 %", None),
        ("5,4%", None),
        (" 5,4\u00a0% ", None),
        (0.054, "0.0%"),
        (0.054, "0%"),
        (0.054, "#,##0.00\\ %"),
        (5.4, '0.0" %"'),
        (5.4, "0.0\\%"),
    ],
)
def test_spellings_of_the_same_percentage(path, value, number_format):
    put(path, ANY, "D6", value, number_format)
    assert read_form(path, "komponent")[ANY]["share"].iloc[2] == 5.4


def test_a_whole_column_of_percentage_cells(path):
    def change(book):
        for (cell,) in book[ANY].iter_rows(min_row=4, min_col=4, max_col=4):
            cell.value, cell.number_format = cell.value / 100, "0.0%"

    wanted = read_form(path, "komponent")
    pd.testing.assert_frame_equal(read_form(spoil(path, change), "komponent")[ANY], wanted[ANY])


@pytest.mark.parametrize(
    ("cell", "value", "field", "code"),
    [
        ("B4", "  region   NORDJYLLAND ", "area", "081"),
        ("A4", " 0-17 ", "age_group", "boern_og_unge"),
        ("C4", "2020", "year", 2020),
        ("C4", 2020.0, "year", 2020),
    ],
)
def test_spaces_and_letter_case_are_forgiven(path, cell, value, field, code):
    assert read_form(put(path, ANY, cell, value), "komponent")[ANY][field].iloc[0] == code


def test_sheets_and_headings_in_other_letter_case_and_broken_lines(path):
    def change(book):
        book[ANY].title = "f-DIAGNOSE "
        book["f-DIAGNOSE "]["D3"].value = "Andel med\nF-diagnose,  PCT."

    assert len(read_form(spoil(path, change), "komponent")[ANY]) == 50


@pytest.mark.parametrize("value", [None, "..", " .. ", "  "])
def test_what_may_be_missing_is_missing(path, value):
    read = read_form(put(path, SINGLE, "F7", value), "komponent")[SINGLE]
    assert read["support_share"].isna().tolist() == [row == 7 for row in read["row"]]


def test_blank_rows_are_read_past(path):
    spoil(path, lambda book: book[ANY].insert_rows(10))
    read = read_form(path, "komponent")[ANY]
    assert len(read) == 50
    assert 10 not in read["row"].tolist()


def test_a_formula_that_excel_has_computed_counts_as_its_value(path):
    """Written into the XML, because openpyxl itself never stores what a formula gives."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode("utf-8")
    typed, count = re.subn(r'(<c r="D7"[^>]*>)<v>[^<]*</v>', r"\1<f>10+2.5</f><v>12.5</v>", sheet)
    assert count == 1
    with zipfile.ZipFile(path, "w") as book:
        for name, content in (parts | {"xl/worksheets/sheet1.xml": typed.encode("utf-8")}).items():
            book.writestr(name, content)
    assert read_form(path, "komponent")[ANY]["share"].iloc[3] == 12.5


def test_the_country_may_be_delivered(path):
    spoil(path, lambda book: book[ANY].append(["18+", "Hele landet", 2024, 7.3, 13.1]))
    assert read_form(path, "komponent")[ANY]["area"].iloc[-1] == "000"


# What is wrong, cell by cell


@pytest.mark.parametrize(
    ("sheet", "cell", "value", "message"),
    [
        (ANY, "D7", "5,4x", place(ANY, 7, SHARE) + "'5,4x' er ikke et tal"),
        (ANY, "D7", "5.4", place(ANY, 7, SHARE) + "'5.4' er ikke et tal; skriv 5,4"),
        (ANY, "D7", "5 4", place(ANY, 7, SHARE) + "'5 4' er ikke et tal"),
        (ANY, "D7", "-", place(ANY, 7, SHARE) + "'-' er ikke et tal"),
        (ANY, "D7", True, place(ANY, 7, SHARE) + "SAND kan ikke bruges her"),
        (ANY, "D7", "#DIV/0!", place(ANY, 7, SHARE) + "#DIV/0! er en fejl i Excel"),
        (ANY, "D7", None, place(ANY, 7, SHARE) + "cellen er tom; den skal udfyldes"),
        (ANY, "D7", "..", place(ANY, 7, SHARE) + "'..' (mangler) kan ikke bruges her; den skal udfyldes"),
        (ANY, "D7", 0.054, place(ANY, 7, SHARE) + "0,054 ser ud som en andel; skriv 5,4"),
        (ANY, "D7", "0,054", place(ANY, 7, SHARE) + "0,054 ser ud som en andel; skriv 5,4"),
        (ANY, "D7", 54, place(ANY, 7, SHARE) + "54 er for stort; højst 25"),
        (ANY, "D7", -5.4, place(ANY, 7, SHARE) + "-5,4 er for lille; mindst 1"),
        (ANY, "E9", 0.5, place(ANY, 9, SUPPORT) + "0,5 ser ud som en andel; skriv 50"),
        (ANY, "C7", "24", place(ANY, 7, "År") + "24 er for lille; mindst 1990"),
        (ANY, "C7", 2023.5, place(ANY, 7, "År") + "'2023,5' er ikke et helt tal"),
        (ANY, "B7", "Hovedstad", place(ANY, 7, "Område") + "'Hovedstad' kendes ikke; mente du 'Region Hovedstaden'?"),
        (ANY, "B7", "Sjæland", place(ANY, 7, "Område") + "'Sjæland' kendes ikke; mente du 'Region Sjælland'?"),
        (ANY, "A7", 18, place(ANY, 7, "Aldersgruppe") + "'18' kendes ikke; mente du '18+'?"),
        (ANY, "A7", "xyz", place(ANY, 7, "Aldersgruppe") + "'xyz' kendes ikke; skriv en af: 0-17, 18+"),
        (ANY, "A7", None, place(ANY, 7, "Aldersgruppe") + "cellen er tom; den skal udfyldes"),
        (SINGLE, "D5", "Adhd.", place(SINGLE, 5, "Diagnose") + "'Adhd.' kendes ikke; mente du 'ADHD'?"),
        (SINGLE, "F5", "n/a", place(SINGLE, 5, "Andel, der modtager en indsats, pct.") + "'n/a' er ikke et tal"),
        (SINGLE, "E5", 15.1, place(SINGLE, 5, "Andel, pct.") + "15,1 er for stort; højst 15"),
        (ANY, "G7", "ny", place(ANY, 7) + "celle G7 ligger uden for tabellens kolonner; slet den"),
    ],
)  # fmt: skip
def test_one_wrong_cell_is_one_line(path, sheet, cell, value, message):
    assert refused(put(path, sheet, cell, value)) == [message]


def test_a_date_in_place_of_text_and_of_a_number(path):
    put(path, ANY, "A5", datetime.datetime(2017, 1, 1))
    put(path, ANY, "D7", datetime.date(2024, 4, 5))
    first, second = refused(path)
    assert first.startswith(place(ANY, 5, "Aldersgruppe") + "Excel har gjort værdien til en dato (2017-01-01")
    assert second.startswith(place(ANY, 7, SHARE) + "Excel har gjort værdien til en dato (2024-04-05")


def test_a_formula_that_was_never_computed(path):
    assert refused(put(path, ANY, "E8", "=1+30")) == [
        place(ANY, 8, SUPPORT) + "formlen har ingen beregnet værdi; åbn og gem bogen i Excel, eller skriv værdien selv"
    ]


def test_a_column_of_fractions_is_never_scaled(path):
    def change(book):
        for (cell,) in book[ANY].iter_rows(min_row=4, min_col=4, max_col=4):
            cell.value = round(cell.value / 100, 4)

    lines = refused(spoil(path, change))
    assert len(lines) == 50
    assert lines[4] == place(ANY, 8, SHARE) + "0,06 ser ud som en andel; skriv 6"
    assert lines[-1] == place(ANY, 53, SHARE) + "0,078 ser ud som en andel; skriv 7,8"


def test_fractions_in_a_column_where_small_shares_are_plausible(path):
    """Single diagnoses may lie below one per cent, so it is the whole column that gives fractions away."""

    def change(book):
        for (cell,) in book[SINGLE].iter_rows(min_row=4, min_col=5, max_col=5):
            cell.value = round(cell.value / 100, 6)

    lines = refused(spoil(path, change))
    assert len(lines) == 200
    assert lines[1] == place(SINGLE, 5, "Andel, pct.") + "0,0264 ser ud som en andel; skriv 2,64"


def test_a_column_of_zeros(path):
    def change(book):
        for (cell,) in book[SINGLE].iter_rows(min_row=4, min_col=5, max_col=5):
            cell.value = 0

    assert refused(spoil(path, change)) == [
        place(SINGLE, column="Andel, pct.") + "den største værdi er 0; den skal være mindst 1"
    ]


# What is wrong with the table


def test_a_header_in_another_row(path):
    lines = refused(spoil(path, lambda book: book[ANY].insert_rows(1)))
    assert len(lines) == 5
    assert lines[0] == place(ANY, 3, "Aldersgruppe") + "overskriften står i celle A4, men skal stå i A3"
    assert lines[4] == place(ANY, 3, SUPPORT) + "overskriften står i celle E4, men skal stå i E3"


def test_columns_that_changed_places(path):
    def change(book):
        for row in book[ANY].iter_rows(min_row=3, min_col=4, max_col=5):
            row[0].value, row[1].value = row[1].value, row[0].value

    assert refused(spoil(path, change)) == [
        place(ANY, 3, SHARE) + "overskriften står i celle E3, men skal stå i D3",
        place(ANY, 3, SUPPORT) + "overskriften står i celle D3, men skal stå i E3",
    ]


def test_an_extra_column_at_the_end_and_in_between(path):
    put(path, ANY, "F3", "Antal")
    assert refused(path) == [place(ANY, 3) + "kolonnen 'Antal' i celle F3 er ikke i formularen; slet den"]
    spoil(path, lambda book: book[ANY].insert_cols(2))
    lines = refused(put(path, ANY, "B3", "Køn"))
    # What stands where a heading belongs is named; the rest of the columns are said to be moved.
    assert lines[0] == place(ANY, 3) + "kolonnen 'Køn' i celle B3 er ikke i formularen; slet den"
    assert place(ANY, 3, "Område") + "overskriften står i celle C3, men skal stå i B3" in lines


def test_a_missing_column(path):
    assert refused(spoil(path, lambda book: book[ANY].delete_cols(5))) == [
        place(ANY, 3, SUPPORT) + "overskriften mangler; den skal stå i celle E3"
    ]


def test_a_heading_of_another_name(path):
    assert refused(put(path, ANY, "D3", "Andel F")) == [
        place(ANY, 3, SHARE) + "overskriften mangler; den skal stå i celle D3, hvor der står 'Andel F'"
    ]


def test_a_heading_that_stands_twice(path):
    assert refused(put(path, ANY, "H3", SHARE)) == [
        place(ANY, 3, SHARE) + "overskriften står også i celle H3; slet den ene kolonne"
    ]


def test_merged_cells_in_the_table_but_not_in_the_title(path):
    spoil(path, lambda book: book[ANY].merge_cells("A1:E1"))
    assert len(read_form(path, "komponent")[ANY]) == 50
    spoil(path, lambda book: book[ANY].merge_cells("B4:B8"))
    assert refused(path) == [
        place(ANY, 4, "Område") + "cellerne B4:B8 er flettet; ophæv fletningen, og skriv værdien i hver celle"
    ]


def test_a_stray_cell_in_the_last_row_of_excel(path):
    put(path, ANY, "D1048576", 5)
    lines = refused(path)
    assert len(lines) == 4
    assert lines[0] == place(ANY, 1048576, "Aldersgruppe") + "cellen er tom; den skal udfyldes"


def test_a_row_that_stands_twice(path):
    spoil(path, lambda book: book[ANY].append(["0-17", "region nordjylland", 2021, 5.3, 31.6]))
    assert refused(path) == [
        place(ANY, 54) + "0-17, Region Nordjylland, 2021 står også i række 5 "
        "(kolonne Aldersgruppe, Område, År); slet den ene"
    ]


def test_a_missing_region_in_one_year(path):
    assert refused(spoil(path, lambda book: book[ANY].delete_rows(5))) == [
        place(ANY, column="Område") + "Region Nordjylland mangler for 0-17, 2021"
    ]


def test_a_missing_region_an_age_group_and_a_diagnosis(path):
    def change(book):
        for sheet in (ANY, SINGLE):
            for row in range(book[sheet].max_row, 3, -1):
                group, region = book[sheet].cell(row, 1).value, book[sheet].cell(row, 2).value
                wanted = {ANY: (group, region) == ("18+", "Region Sjælland"), SINGLE: group == "18+"}
                single = sheet == SINGLE and book[sheet].cell(row, 4).value == "Angst"
                if wanted[sheet] or single:
                    book[sheet].delete_rows(row)

    lines = refused(spoil(path, change))
    assert lines[:5] == [
        place(ANY, column="Område") + f"Region Sjælland mangler for 18+, {year}" for year in range(2020, 2025)
    ]
    assert lines[5:] == [
        *(place(SINGLE, column="Aldersgruppe") + f"18+ mangler for {year}" for year in (2020, 2024)),
        *(place(SINGLE, column="Diagnose") + f"Angst mangler for 0-17, {year}" for year in (2020, 2024)),
    ]


@pytest.mark.parametrize("keep_header", [True, False])
def test_an_empty_sheet(path, keep_header):
    def change(book):
        book[ANY].delete_rows(4 if keep_header else 1, 100)

    assert refused(spoil(path, change)) == [
        place(ANY) + ("der er ingen rækker under overskriften i række 3" if keep_header else "arket er tomt")
    ]


def test_a_missing_sheet_and_one_too_many(path):
    def change(book):
        book[SINGLE].title = "Diagnose"
        book.create_sheet("Ark1")

    assert refused(spoil(path, change)) == [
        "KOMPONENT.xlsx: arket 'Diagnoser' mangler; er det arket 'Diagnose'?",
        "KOMPONENT.xlsx: arket 'Diagnose' er ikke i formularen; flyt indholdet, eller slet arket",
    ]
    spoil(path, lambda book: book.remove(book["Diagnose"]))
    assert refused(path) == [
        "KOMPONENT.xlsx: arket 'Diagnoser' mangler; bogen har: F-diagnose, Vejledning, Ark1",
    ]


@pytest.mark.parametrize("content", [b"", b"Aldersgruppe;2024\n", b"PK\x03\x04 cut off", b"\xd0\xcf\x11\xe0" * 200])
def test_a_file_that_is_no_workbook(tmp_path, content):
    (tmp_path / "KOMPONENT.xlsx").write_bytes(content)
    assert refused(tmp_path / "KOMPONENT.xlsx") == [
        "KOMPONENT.xlsx: filen kan ikke læses som en Excel-projektmappe; gem den som .xlsx uden adgangskode (en "
        "almindelig projektmappe, ikke Strict Open XML)"
    ]


def test_a_workbook_cut_short_and_one_that_is_not_there(path, tmp_path):
    path.write_bytes(path.read_bytes()[:-2000])
    assert refused(path)[0].startswith("KOMPONENT.xlsx: filen kan ikke læses")
    assert refused(tmp_path / "andet.xlsx")[0].startswith("andet.xlsx: filen findes ikke")


def test_a_workbook_of_something_else(tmp_path):
    book = Workbook()
    book.active.append(["Helt", "andet"])
    book.save(tmp_path / "KOMPONENT.xlsx")
    assert refused(tmp_path / "KOMPONENT.xlsx") == [
        "KOMPONENT.xlsx: arket 'F-diagnose' mangler; bogen har: Sheet",
        "KOMPONENT.xlsx: arket 'Diagnoser' mangler; bogen har: Sheet",
        "KOMPONENT.xlsx: arket 'Sheet' er ikke i formularen; flyt indholdet, eller slet arket",
    ]


def test_everything_wrong_comes_at_once_in_the_order_of_the_workbook(path):
    put(path, SINGLE, "E5", "meget")
    put(path, ANY, "D7", "5,4x")
    put(path, ANY, "C9", "tyve")
    put(path, ANY, "B12", "Midtjylland")
    put(path, ANY, "E3", "Indsats")
    assert refused(path) == [
        place(ANY, 3, SUPPORT) + "overskriften mangler; den skal stå i celle E3, hvor der står 'Indsats'",
        place(SINGLE, 5, "Andel, pct.") + "'meget' er ikke et tal",
    ]
    put(path, ANY, "E3", SUPPORT)
    # A region that cannot be read is not reported once more as missing.
    assert refused(path) == [
        place(ANY, 7, SHARE) + "'5,4x' er ikke et tal",
        place(ANY, 9, "År") + "'tyve' er ikke et tal",
        place(ANY, 12, "Område") + "'Midtjylland' kendes ikke; mente du 'Region Midtjylland'?",
        place(SINGLE, 5, "Andel, pct.") + "'meget' er ikke et tal",
    ]


# Forms


FORM = {
    "table": "PROEVE",
    "title": "Prøve",
    "sheets": [
        {
            "name": "Pladser",
            "header_row": 1,
            "key": ["area"],
            "columns": [
                {"heading": "Kommune", "field": "area", "type": "area", "areas": ["municipality"]},
                {"heading": "Pladser", "field": "places", "type": "whole", "minimum": 0},
                {"heading": "Pris", "field": "price", "type": "decimal", "required": False, "maximum": 5000},
                {"heading": "Ejer", "field": "owner", "type": "text", "allowed": ["kommune", "region"]},
                {"heading": "Note", "field": "note", "type": "text", "required": False},
            ],
        }
    ],
}
ROWS = [
    {"area": "101", "places": 12, "price": 1234.5, "owner": "kommune", "note": "=HYPERLINK(1)"},
    {"area": "411", "places": 0, "price": float("nan"), "owner": "region", "note": ""},
]


@pytest.fixture
def form(monkeypatch):
    for module in (deliveries, blank_forms):
        monkeypatch.setattr(module, "load_form", lambda name: Form(**FORM))


def municipal(tmp_path, *changes):
    rows = pd.DataFrame(ROWS).assign(area=["101", "147"])
    write_form("proeve", tmp_path / "PROEVE.xlsx", {"Pladser": rows})
    for cell, value in changes:
        put(tmp_path / "PROEVE.xlsx", "Pladser", cell, value)
    return tmp_path / "PROEVE.xlsx"


def test_every_kind_of_column_survives_the_way_there_and_back(form, tmp_path):
    read = read_form(municipal(tmp_path), "proeve")["Pladser"]
    assert read["area"].tolist() == ["101", "147"]
    assert read["places"].tolist() == [12, 0]
    assert read["price"].iloc[0] == 1234.5
    assert read["price"].isna().tolist() == [False, True]
    assert read["note"].tolist() == ["=HYPERLINK(1)", ""]


@pytest.mark.parametrize("name", ["kobenhavn", "Københavns Kommune", "KØBENHAVN ", "Koebenhavn"])
def test_areas_as_people_write_them(form, tmp_path, name):
    assert read_form(municipal(tmp_path, ("A2", name)), "proeve")["Pladser"]["area"].tolist() == ["101", "147"]


def test_text_is_never_written_as_a_formula(form, tmp_path):
    cell = load_workbook(municipal(tmp_path))["Pladser"]["E2"]
    assert (cell.value, cell.data_type) == ("=HYPERLINK(1)", "s")


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("B2", "12,5", "række 2, kolonne Pladser: '12,5' er ikke et helt tal"),
        ("B2", "1.234", "række 2, kolonne Pladser: '1.234' er ikke et tal"),
        ("B2", "5 %", "række 2, kolonne Pladser: '5 %' er ikke et tal"),
        ("B2", -1, "række 2, kolonne Pladser: -1 er for lille; mindst 0"),
        ("C2", 5000.5, "række 2, kolonne Pris: 5000,5 er for stort; højst 5000"),
        ("D2", "privat", "række 2, kolonne Ejer: 'privat' kendes ikke; skriv en af: kommune, region"),
        ("A2", "Xyz", "række 2, kolonne Kommune: 'Xyz' kendes ikke; skriv en af: København, Frederiksberg"),
        ("A2", "Købnhavn", "række 2, kolonne Kommune: 'Købnhavn' kendes ikke; mente du 'København'?"),
    ],
)
def test_wrong_cells_of_other_kinds(form, tmp_path, cell, value, message):
    (line,) = refused(municipal(tmp_path, (cell, value)), "proeve")
    assert line.startswith(f"PROEVE.xlsx, ark Pladser, {message}")


def test_an_empty_form_has_headings_a_title_and_guidance(tmp_path):
    write_form("komponent", tmp_path / "tom.xlsx")
    book = load_workbook(tmp_path / "tom.xlsx")
    assert book.sheetnames == [ANY, SINGLE, "Vejledning"]
    assert [cell.value for cell in book[ANY][3]] == ["Aldersgruppe", "Område", "År", SHARE, SUPPORT]
    assert book[ANY]["A1"].value == load_form("komponent").title
    guidance = [[cell.value for cell in row] for row in book["Vejledning"].iter_rows(min_row=5)]
    assert len(guidance) == 11
    assert guidance[1][2].startswith("en af: Hele landet, Region Nordjylland")
    assert guidance[3][2] == "procent skrevet som 5,4 (ikke 0,054), 1 til 25"
    assert guidance[-1][3].startswith("nej; tom eller ..")
    assert all(text for row in guidance for text in row)
    assert refused(tmp_path / "tom.xlsx") == [
        f"tom.xlsx, ark {sheet}: der er ingen rækker under overskriften i række 3" for sheet in (ANY, SINGLE)
    ]


def test_rows_that_do_not_fit_the_form_are_not_written(tmp_path):
    rows = komponent.sheets(NUMBERS)
    for wrong, message in (
        ({"Andet": rows[ANY]}, "no sheet Andet"),
        ({ANY: rows[ANY].drop(columns="year")}, "F-diagnose lack year"),
        ({ANY: rows[ANY].assign(area="999")}, "Område has no code '999'"),
    ):
        with pytest.raises(InputError, match=message):
            write_form("komponent", tmp_path / "x.xlsx", wrong)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"type": "area"}, "areas"),
        ({"type": "percent", "codes": {"a": "b"}}, "codes"),
        ({"type": "text", "minimum": 1}, "only numbers"),
        ({"type": "text", "field": "row"}, "taken"),
        ({"type": "text", "field": "area"}, "field stands twice"),
        ({"type": "text", "heading": "KOMMUNE"}, "heading stands twice"),
        ({"type": "text", "hjælp": "x"}, "hjælp"),
    ],
)
def test_a_form_is_checked_too(column, message):
    sheet = FORM["sheets"][0]
    wrong = {"heading": "Ny", "field": "new"} | column
    with pytest.raises(ValidationError, match=message):
        Form(**{**FORM, "sheets": [{**sheet, "columns": [*sheet["columns"], wrong]}]})


@pytest.mark.parametrize(
    "rule", [{"key": ["nowhere"]}, {"key": ["price"]}, {"coverage": [{"column": "area", "codes": ["999"]}]}]
)
def test_keys_and_coverage_of_a_form_must_exist(rule):
    with pytest.raises(ValidationError, match="Pladser"):
        Form(**{**FORM, "sheets": [FORM["sheets"][0] | rule]})


def test_an_unknown_form_names_those_there_are():
    with pytest.raises(InputError, match=r"'komponnt' does not exist; forms/ has: .*komponent"):
        load_form("komponnt")


# The raw folder


def test_a_delivery_is_verified_against_its_sidecar(tmp_path):
    assert delivered(tmp_path, "KOMPONENT") is None
    assert delivered(tmp_path / "nowhere", "KOMPONENT") is None
    komponent.write_delivery(tmp_path, NUMBERS)
    file = delivered(tmp_path, "KOMPONENT")
    assert (file.path.name, file.sidecar.origin) == ("KOMPONENT.xlsx", "reconstruction")
    put(file.path, ANY, "D7", 5.5)
    for _ in ("other bytes", "no sidecar"):
        with pytest.raises(InputError, match=r"KOMPONENT\.xlsx .* KOMPONENT\.yml") as refused:
            delivered(tmp_path, "KOMPONENT")
        assert refused.value.rule == "FIL-01"
        (tmp_path / "KOMPONENT.yml").unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["KOMPONENT.xls", "Komponent.xlsx", "KOMPONENT.XLSX"])
def test_a_delivery_under_another_name_is_not_overlooked(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"save it as KOMPONENT\.xlsx") as refused:
        delivered(tmp_path, "KOMPONENT")
    assert refused.value.rule == "FIL-01"


# Facts


@pytest.fixture(scope="module")
def facts():
    return diagnoses.build(raw_folder("2025"), load_edition("2025"))[0]


def chosen(facts, **choice):
    for column, wanted in choice.items():
        facts = facts[facts[column] == wanted]
    return facts


def test_facts_hold_every_region_and_hovedstaden_as_its_region(facts):
    assert set(facts["area_code"]) == {"081", "082", "083", "084", "085", "hovedstaden"}
    pair = [chosen(facts, area_code=code).drop(columns="area_code") for code in ("084", "hovedstaden")]
    pd.testing.assert_frame_equal(*(half.reset_index(drop=True) for half in pair))
    assert set(facts["category"]) == {"mindst_en_f_diagnose", *diagnoses.diagnoses()}
    assert set(facts["origin"]) == {"reconstruction"}
    assert len(facts) == 6 * 2 * 2 * (5 + 2 * 10)


def test_no_workbook_is_no_facts(tmp_path):
    empty, findings = diagnoses.build(tmp_path, load_edition("2025"))
    assert empty.empty
    assert findings == []
    assert list(empty.columns) == [*diagnoses.KEYS, "value", "status", "origin"]


def delivery(tmp_path, change, **sidecar):
    numbers = {**NUMBERS, "sidecar": {**NUMBERS["sidecar"], **sidecar}}
    komponent.write_delivery(tmp_path, numbers)
    spoil(tmp_path / "KOMPONENT.xlsx", change)
    data = (tmp_path / "KOMPONENT.xlsx").read_bytes()
    described = yaml.safe_load((tmp_path / "KOMPONENT.yml").read_text(encoding="utf-8"))
    described |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (tmp_path / "KOMPONENT.yml").write_text(yaml.safe_dump(described), encoding="utf-8")
    return diagnoses.build(tmp_path, load_edition("2025"))[0]


def test_a_missing_figure_the_country_and_a_provisional_delivery(tmp_path):
    def change(book):
        book[SINGLE]["F5"].value = ".."
        book[ANY].append(["18+", "Hele landet", 2024, 7.3, 13.1])

    table = delivery(tmp_path, change, status="provisional", origin="delivery")
    assert set(table["status"]) == {"provisional", "missing"}
    assert set(table["origin"]) == {"delivery"}
    missing = table[table["value"].isna()]
    assert missing[["indicator", "area_code", "status"]].to_numpy().tolist() == [
        ["diagnosis_support_share", "081", "missing"]
    ]
    country = chosen(table, area_code="000")
    assert sorted(country["value"]) == [7.3, 13.1]


def test_a_year_of_the_edition_must_be_there(tmp_path):
    def change(book):
        for row in range(book[ANY].max_row, 3, -1):
            if book[ANY].cell(row, 3).value == 2022:
                book[ANY].delete_rows(row)

    with pytest.raises(
        InputError, match=r"KOMPONENT\.xlsx, ark F-diagnose, kolonne År: 2022 mangler.* 2020-2024"
    ) as refused:
        delivery(tmp_path, change)
    assert refused.value.rule == "DAEK-04"


# The embedded delivery


def cells(path):
    return {
        (page.title, cell.coordinate): (cell.value, cell.data_type)
        for page in load_workbook(path).worksheets
        for row in page.iter_rows()
        for cell in row
        if cell.value is not None
    }


def test_the_shipped_workbook_is_what_the_script_makes(tmp_path):
    komponent.write_delivery(tmp_path, NUMBERS)
    shipped = delivered(raw_folder("2025"), "KOMPONENT")
    assert cells(shipped.path) == cells(tmp_path / "KOMPONENT.xlsx")
    made = yaml.safe_load((tmp_path / "KOMPONENT.yml").read_text(encoding="utf-8"))
    kept = yaml.safe_load((raw_folder("2025") / "KOMPONENT.yml").read_text(encoding="utf-8"))
    volatile = {"sha256", "bytes"}
    assert {key: made[key] for key in made if key not in volatile} == {
        key: kept[key] for key in kept if key not in volatile
    }


def test_writing_twice_gives_the_same_cells(tmp_path):
    for name in ("a", "b"):
        assert komponent.main(["--out", str(tmp_path / name)]) == 0
    assert cells(tmp_path / "a" / "KOMPONENT.xlsx") == cells(tmp_path / "b" / "KOMPONENT.xlsx")


ALL = ["081", "082", "083", "hovedstaden", "085"]


def values(facts, indicator, group, category="mindst_en_f_diagnose"):
    """Printed values, area by year."""
    rows = chosen(facts, indicator=indicator, population_group=group, category=category)
    rows = rows[rows["area_code"].isin(ALL)]
    return rows.pivot(index="area_code", columns="year", values="value").map(lambda x: float(danish.rounded(x, 1)))


def test_printed_sentences_on_children_come_true(facts):
    share = values(facts, "diagnosis_share", "boern_og_unge")
    assert share.loc["hovedstaden", [2020, 2024]].tolist() == [4.6, 5.4]
    assert (share[2024].min(), share[2024].max(), share[2024].idxmin()) == (5.4, 6.0, "hovedstaden")
    assert (share[2024] == 5.4).sum() == 1
    support = values(facts, "diagnosis_support_share", "boern_og_unge")
    assert support.loc["hovedstaden", [2020, 2024]].tolist() == [30.1, 34.2]
    assert (support[2024].min(), support[2024].max()) == (28.9, 37.9)
    for year in (2020, 2024):
        single = {code: values(facts, "diagnosis_share", "boern_og_unge", code)[year] for code in diagnoses.diagnoses()}
        single = pd.DataFrame(single)
        for area in ALL:
            assert set(single.loc[area].nlargest(2).index) == {"adhd", "autismespektrumforstyrrelser"}
    assert above_every_other_region(single) == {"depression", "spiseforstyrrelser"}


def above_every_other_region(single):
    others = single.drop(index="hovedstaden").max()
    return set(others.index[single.loc["hovedstaden"] > others])


def test_printed_sentences_on_adults_come_true(facts):
    share = values(facts, "diagnosis_share", "voksne")
    assert share.loc["hovedstaden", [2020, 2024]].tolist() == [7.7, 6.9]
    assert all((share[after] < share[before]).all() for before, after in pairwise(sorted(share.columns)))
    assert set(share.idxmax()) == {"083"}
    assert set(share.idxmin()) == {"082"}
    assert (share.loc["083", 2024], share.loc["082", 2024]) == (8.4, 6.0)
    single = pd.DataFrame(
        {code: values(facts, "diagnosis_share", "voksne", code)[2024] for code in diagnoses.diagnoses()}
    )
    largest = single.loc["hovedstaden"].nlargest(4)
    assert largest.to_dict() == {"belastningsreaktioner": 1.7, "depression": 1.7, "adhd": 1.5, "misbrug": 1.4}
    assert single.loc["hovedstaden"].nlargest(5).iloc[-1] < 1.4
    assert above_every_other_region(single) == {"psykotiske_lidelser", "spiseforstyrrelser"}
    support = pd.DataFrame(
        {code: values(facts, "diagnosis_support_share", "voksne", code)[2024] for code in diagnoses.diagnoses()}
    )
    top = support.loc["hovedstaden"].nlargest(2)
    assert top.to_dict() == {"psykotiske_lidelser": 23.2, "autismespektrumforstyrrelser": 22.8}
    assert support["psykotiske_lidelser"].idxmin() == "hovedstaden"
    assert (support["psykotiske_lidelser"] == 23.2).sum() == 1


def test_no_single_diagnosis_is_more_common_than_any_and_all_together_reach_it(facts):
    """A person with several diagnoses counts under each: one may not exceed any, their sum may not fall short."""
    share = chosen(facts, indicator="diagnosis_share")
    for (_, _, year), rows in share.groupby(["area_code", "population_group", "year"]):
        whole = chosen(rows, category="mindst_en_f_diagnose")["value"].item()
        single = rows.loc[rows["category"] != "mindst_en_f_diagnose", "value"]
        assert single.empty == (year in (2021, 2022, 2023))
        assert single.empty or single.max() < whole < single.sum()


def test_regions_of_the_form_are_those_of_the_project():
    codes = load_form("komponent").sheets[0].column("area").spellings
    assert set(codes.values()) == {"000", "081", "082", "083", "084", "085"}
    assert codes == {areas.name(code): code for code in codes.values()}
