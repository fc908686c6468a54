"""Herberger as delivered: forms with dates, spells and optional sheets, every mistake in Danish, and the facts."""

import datetime

import pandas as pd
import pytest
from conftest import write_raw
from openpyxl import load_workbook
from pydantic import ValidationError

from analysis import areas
from analysis.edition import TableNeed, Years
from analysis.errors import InputError
from noegletal.facts import shelters
from noegletal.sources import blank_forms, deliveries
from noegletal.sources.blank_forms import write_form
from noegletal.sources.deliveries import no_rows, read_form
from noegletal.sources.forms import Form, load_form, one_of

NAN = float("nan")
RATE = "Takst, kr. pr. døgn"
PERSON = "B0001"
NO_CPR = (
    "indholdet kan ikke bruges; skriv et løbenummer som B00017 (et stort bogstav og højst syv cifre), ikke et "
    "CPR-nummer eller et navn"
)


def frame(columns, *rows):
    table = pd.DataFrame(rows, columns=columns.split())
    return table.astype(dict.fromkeys(table.select_dtypes("datetime").columns, "datetime64[ns]"))


def day(text):
    return pd.Timestamp(text) if text else pd.NaT


def places():
    return frame(
        "year provider municipality ownership places veteran_places target_group rate price_year",
        (2024, "Havnen", "101", "kommunal", 60, 5.0, "alle", 1500.5, 2024),
        (2025, "Havnen", "101", "kommunal", 60, 5.0, "alle", 1550.0, 2025),
        (2025, "Skoven", "147", "privat", 20, NAN, "kvinder", NAN, NAN),
        (2025, "Bakken", "259", "selvejende", 15, 0.0, "unge", 1800.0, 2024),
        (2025, "Fjorden", "851", "regional", 10, NAN, "veteraner", 2322.0, 2024),
        (2025, "Åen", "461", "kommunal", 8, NAN, "maend", 1400.0, 2025),
        (2025, "Broen", "751", "kommunal", 9, NAN, "alle", 1400.0, 2025),
    )


def clusters(kkr="084"):
    return pd.DataFrame(
        {"kkr": kkr, "municipality": code, "cluster": "Øst" if code < "200" else "Vest"} for code in areas.members(kkr)
    )


def full_book():
    return {
        "Pladser": places(),
        "Registrering": frame(
            "area period arrivals departures nights refusals",
            ("101", "2025M01", 40, 38, 1700, 12.0),
            ("101", "2025K2", 110, 105, 5200, NAN),
            ("147", "2025K1", 20, 21, 1500, NAN),
            ("085", "2025K1", 9, 8, 1000, 3.0),
        ),
        "Hjemløshed": frame(
            "municipality year homeless in_shelter rough_sleepers",
            ("101", 2024, 1378.0, 500.0, 300.0),
            ("259", 2024, NAN, 12.0, NAN),
        ),
        "Landstal": frame("year persons stays nights refusals", (2024, 7346, 11243.0, NAN, NAN)),
        "Udgifter": frame("municipality year thousand_kroner", ("101", 2024, 250000.5), ("259", 2024, -12.0)),
        "Befolkning": frame("municipality year adults", ("101", 2028, 560000), ("259", 2028, 50000)),
        "Klynger": clusters(),
        "Beslutning": frame(
            "kkr cluster first_year public_places other_places veteran_places",
            ("084", "  øst ", 2028, 60, 20, 5.0),
            ("084", "Vest", 2028, 0, 0, NAN),
            ("085", "Østsjælland", 2028, 4, 15, NAN),
        ),
    }


def window(first="2024-01-01", last="2024-12-31"):
    return frame("first last", (day(first), day(last)))


def stays(*rows):
    rows = rows or (
        (PERSON, "101", "101", "2023-12-20", "2024-02-01"),
        (PERSON, "147", "101", "2024-02-01", "2024-02-01"),
        (PERSON, "101", "101", "2024-02-01", "2024-03-01"),
        ("B0002", "259", "", "2024-05-01", None),
        ("B0003", "101", "147", "2024-12-31", None),
    )
    dated = [(*who, day(arrived), day(left)) for *who, arrived, left in rows]
    return frame("person host home arrived left", *dated)


def stays_book(*rows, **limits):
    return {"Periode": window(**limits), "Ophold": stays(*rows)}


def written(tmp_path, form, sheets, *changes):
    """The workbook of a form, and then cells of it (sheet, cell, value) written over."""
    path = tmp_path / f"{form.upper()}.xlsx"
    write_form(form, path, sheets)
    if changes:
        book = load_workbook(path)
        for sheet, cell, value in changes:
            book[sheet][cell].value = value
        book.save(path)
    return path


def delivered(tmp_path, *, book=None, stays=None, changes=()):
    """A raw folder with what is given as deliveries."""
    for form, sheets in (("herberg", book), ("herberg_ophold", stays)):
        if sheets is not None:
            own = [change for change in changes if change[0] in {sheet.name for sheet in load_form(form).sheets}]
            path = written(tmp_path / "made", form, sheets, *own)
            write_raw(tmp_path / "raw", form.upper(), path.read_bytes(), suffix=".xlsx", origin="delivery")
    return tmp_path / "raw"


def refused(tmp_path, edition, **delivery):
    """The lines of the one error that building gives."""
    raw = delivered(tmp_path, **delivery)
    with pytest.raises(InputError) as caught:
        shelters.build(raw, edition)
    return str(caught.value).splitlines()


def built(tmp_path, edition, **delivery):
    return shelters.build(delivered(tmp_path, **delivery), edition)


def place(sheet, row=None, column=None, file="HERBERG"):
    parts = [f"{file}.xlsx, ark {sheet}"]
    parts += [f"række {row}"] if row else []
    parts += [f"kolonne {column}"] if column else []
    return ", ".join(parts) + ": "


def stay(row, column, sheet="Ophold"):
    return place(sheet, row, column, "HERBERG_OPHOLD")


# What is right


@pytest.mark.parametrize(("form", "sheets"), [("herberg", full_book()), ("herberg_ophold", stays_book())])
def test_a_filled_form_reads_back_as_it_was_written(tmp_path, form, sheets):
    read = read_form(written(tmp_path, form, sheets), form)
    assert list(read) == list(sheets)
    for name, rows in sheets.items():
        wanted = rows.map(lambda value: " ".join(value.split()) if isinstance(value, str) else value)
        pd.testing.assert_frame_equal(read[name][list(rows.columns)], wanted, check_dtype=False)
        assert read[name]["row"].tolist() == list(range(4, 4 + len(rows)))
        assert set(read[name]["sheet"]) == {name}


def test_types_of_what_is_read(tmp_path):
    read = read_form(written(tmp_path, "herberg_ophold", stays_book()), "herberg_ophold")
    assert read["Ophold"].dtypes.astype(str).to_dict() == {
        "person": "str", "host": "str", "home": "str", "arrived": "datetime64[ns]", "left": "datetime64[ns]",
        "sheet": "str", "row": "int64",
    }  # fmt: skip
    assert read["Ophold"]["left"].isna().tolist() == [False, False, False, True, True]
    book = read_form(written(tmp_path, "herberg", full_book()), "herberg")
    assert book["Pladser"]["places"].dtype == int
    assert book["Pladser"]["price_year"].dtype == float


def test_dates_are_written_as_dates_that_excel_shows_the_danish_way(tmp_path):
    page = load_workbook(written(tmp_path, "herberg_ophold", stays_book()))["Ophold"]
    assert (page["D4"].value, page["D4"].number_format) == (datetime.datetime(2023, 12, 20), "dd-mm-yyyy")
    assert (page["E7"].value, page["E7"].number_format) == (None, "dd-mm-yyyy")


@pytest.mark.parametrize("value", ["05-01-2024", " 2024-01-05 ", "5-1-2024", datetime.date(2024, 1, 5)])
def test_spellings_of_the_same_date(tmp_path, value):
    path = written(tmp_path, "herberg_ophold", stays_book(), ("Ophold", "D4", value))
    assert read_form(path, "herberg_ophold")["Ophold"]["arrived"].iloc[0] == pd.Timestamp(2024, 1, 5)


@pytest.mark.parametrize("value", [None, "..", "  "])
def test_a_date_that_may_be_missing_is_missing(tmp_path, value):
    path = written(tmp_path, "herberg_ophold", stays_book(), ("Ophold", "E6", value))
    assert read_form(path, "herberg_ophold")["Ophold"]["left"].isna().tolist() == [False, False, True, True, True]


def test_long_numbers_that_are_texts_stay_different(tmp_path):
    """Ten digits of each would make the two places one, which stands twice."""
    changes = [("Pladser", "B4", 123456789012345), ("Pladser", "B5", 123456789012346)]
    path = written(tmp_path, "herberg", {"Pladser": places()}, *changes)
    providers = read_form(path, "herberg")["Pladser"]["provider"].tolist()
    assert providers[:2] == ["123456789012345", "123456789012346"]


@pytest.mark.parametrize("how", ["headings only", "absent", "blank"])
def test_a_sheet_that_may_be_left_out_has_no_rows_but_its_columns(tmp_path, how):
    path = written(tmp_path, "herberg", {"Pladser": places()})
    book = load_workbook(path)
    assert [cell.value for cell in book["Klynger"][3]] == ["KKR", "Kommune", "Klynge"]
    for sheet in book.sheetnames[1:-1]:
        if how == "absent":
            del book[sheet]
        if how == "blank":
            book[sheet].delete_rows(1, 10)
    book.save(path)
    read = read_form(path, "herberg")
    for name, rows in no_rows("herberg").items():
        if name != "Pladser":
            pd.testing.assert_frame_equal(read[name], rows)
    assert read["Registrering"].dtypes.astype(str).to_dict() == {
        "area": "str", "period": "str", "arrivals": "int64", "departures": "int64", "nights": "int64",
        "refusals": "float64", "sheet": "str", "row": "int64",
    }  # fmt: skip


@pytest.mark.parametrize(("typed", "opened"), [(1550, 1), ("=1500+50", 2)])
def test_a_workbook_is_opened_again_only_for_its_formulas(tmp_path, monkeypatch, typed, opened):
    path = written(tmp_path, "herberg", {"Pladser": places()}, ("Pladser", "H5", typed))
    # A book of another test, written in the same second, has the same bytes and would have been read already.
    deliveries._sheets.cache_clear()
    calls = []
    monkeypatch.setattr(
        deliveries, "load_workbook", lambda *given, **how: calls.append(how) or load_workbook(*given, **how)
    )
    if opened == 1:
        read_form(path, "herberg")
    else:
        with pytest.raises(InputError, match="formlen har ingen beregnet værdi"):
            read_form(path, "herberg")
    assert len(calls) == opened


def test_guidance_says_what_may_be_left_out_and_how_dates_are_written(tmp_path):
    for form in ("herberg", "herberg_ophold"):
        write_form(form, tmp_path / f"{form}.xlsx")
    lines = [
        [cell.value for cell in row]
        for form in ("herberg", "herberg_ophold")
        for row in load_workbook(tmp_path / f"{form}.xlsx")["Vejledning"].iter_rows(min_row=5)
    ]
    assert all(text for line in lines for text in line)
    known = {(line[0], line[1]): line for line in lines}
    assert known["Pladser", RATE][2:4] == [
        "tal med komma, fx 5,4, 500 til 6000",
        "nej; tom eller .. betyder, at tallet mangler",
    ]
    assert known["Registrering (kan udelades)", "Periode"][2] == "2028K1 for et kvartal eller 2028M03 for en måned"
    assert known["Ophold", "Udskrevet"][2:4] == [
        "dato som dd-mm-åååå",
        "nej; tom eller .. betyder, at oplysningen mangler",
    ]
    assert one_of(load_form("herberg_ophold").sheets[1].column("person")).startswith("et løbenummer")


# What is wrong in one cell


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ("E5", 0, place("Pladser", 5, "Pladser") + "0 er for lille; mindst 1"),
        ("E5", 12.5, place("Pladser", 5, "Pladser") + "'12,5' er ikke et helt tal"),
        ("E5", "mange", place("Pladser", 5, "Pladser") + "'mange' er ikke et tal"),
        (
            "H5", 232200,
            place("Pladser", 5, RATE) + "232200 er for stort; højst 6000; ser ud som en takst i øre "
            "(232200 / 100 = 2322)",
        ),
        (
            "H5", "70588,8",
            place("Pladser", 5, RATE) + "70588,8 er for stort; højst 6000; ser ud som en takst pr. måned "
            "(70588,8 / 30,4 = 2322)",
        ),
        (
            "H5", 847530,
            place("Pladser", 5, RATE) + "847530 er for stort; højst 6000; ser ud som en takst pr. år "
            "(847530 / 365 = 2322)",
        ),
        ("H5", 9000000, place("Pladser", 5, RATE) + "9000000 er for stort; højst 6000"),
        ("H5", 23.22, place("Pladser", 5, RATE) + "23,22 er for lille; mindst 500"),
        ("I5", 24, place("Pladser", 5, "Takstens prisår") + "24 er for lille; mindst 1990"),
        (
            "D5", "Fond",
            place("Pladser", 5, "Ejerforhold") + "'Fond' kendes ikke; skriv en af: Kommunal, Regional, Selvejende, "
            "Privat",
        ),
        ("D5", "Selvejet", place("Pladser", 5, "Ejerforhold") + "'Selvejet' kendes ikke; mente du 'Selvejende'?"),
        ("D5", None, place("Pladser", 5, "Ejerforhold") + "cellen er tom; den skal udfyldes"),
        ("G5", "Veteran", place("Pladser", 5, "Målgruppe") + "'Veteran' kendes ikke; mente du 'Veteraner'?"),
        ("C5", "Københvn", place("Pladser", 5, "Kommune") + "'Københvn' kendes ikke; mente du 'København'?"),
        ("F5", 61, place("Pladser", 5, "Heraf til veteraner") + "61 er flere end Pladser (60)"),
        (
            "I5", None,
            place("Pladser", 5, "Takstens prisår") + f"cellen er tom, men {RATE} er udfyldt; udfyld begge eller ingen "
            "af dem",
        ),
        (
            "H5", "..",
            place("Pladser", 5, RATE) + "cellen er tom, men Takstens prisår er udfyldt; udfyld begge eller ingen af "
            "dem",
        ),
        (
            "B5", "Skoven",
            place("Pladser", 6) + "2025, Skoven står også i række 5 (kolonne År, Tilbud); slet den ene",
        ),
    ],
)  # fmt: skip
def test_a_wrong_cell_of_the_place_list(tmp_path, edition, cell, value, message):
    assert refused(tmp_path, edition, book={"Pladser": places()}, changes=[("Pladser", cell, value)]) == [message]


@pytest.mark.parametrize(
    ("cell", "value", "column", "message"),
    [
        ("D5", "31-02-2024", "Indskrevet", "'31-02-2024' er ikke en dato; skriv dd-mm-åååå"),
        ("D5", "5/2 2024", "Indskrevet", "'5/2 2024' er ikke en dato; skriv dd-mm-åååå"),
        ("D5", "01-02-24", "Indskrevet", "'01-02-24' er ikke en dato; skriv dd-mm-åååå"),
        ("D5", True, "Indskrevet", "SAND kan ikke bruges her"),
        ("D5", None, "Indskrevet", "cellen er tom; den skal udfyldes"),
        ("D5", "..", "Indskrevet", "'..' (mangler) kan ikke bruges her; den skal udfyldes"),
        ("D5", datetime.date(1924, 2, 1), "Indskrevet", "01-02-1924 er for tidlig; tidligst 01-01-1990"),
        ("E7", datetime.date(9999, 12, 31), "Udskrevet", "31-12-9999 er for sen; senest 31-12-2100"),
        ("D5", datetime.datetime(2024, 2, 1, 13, 45), "Indskrevet",
         "01-02-2024 13:45 har et klokkeslæt; skriv kun datoen"),
        ("D5", datetime.time(13, 45), "Indskrevet", "13:45:00 er et klokkeslæt; skriv en dato som dd-mm-åååå"),
        ("A5", "010190-1234", "Borger", NO_CPR),
        ("A5", 1012901234, "Borger", NO_CPR),
        ("B5", "Kbh", "Herbergets kommune", "'Kbh' kendes ikke; mente du 'København'?"),
    ],
)  # fmt: skip
def test_a_wrong_cell_of_the_stays(tmp_path, cell, value, column, message):
    path = written(tmp_path, "herberg_ophold", stays_book(), ("Ophold", cell, value))
    with pytest.raises(InputError) as caught:
        read_form(path, "herberg_ophold")
    assert str(caught.value) == stay(int(cell[1:]), column) + message


def test_a_date_that_excel_shows_as_a_number(tmp_path):
    path = written(tmp_path, "herberg_ophold", stays_book())
    book = load_workbook(path)
    book["Ophold"]["D5"].value, book["Ophold"]["D5"].number_format = 45352, "General"
    book.save(path)
    with pytest.raises(InputError) as caught:
        read_form(path, "herberg_ophold")
    wanted = "'45352' er et tal; formatér cellen som dato, eller skriv dd-mm-åååå"
    assert str(caught.value) == stay(5, "Indskrevet") + wanted


@pytest.mark.parametrize("period", ["2025M13", "2025K5", "2025-01", "2025", "2025k1", "1025K1", "25K1"])
def test_a_period_that_is_neither_a_month_nor_a_quarter(tmp_path, edition, period):
    lines = refused(tmp_path, edition, book=full_book(), changes=[("Registrering", "B4", period)])
    assert lines == [
        place("Registrering", 4, "Periode")
        + "indholdet kan ikke bruges; skriv 2028K1 for et kvartal eller 2028M03 for en måned"
    ]


def test_a_negative_count_in_an_optional_sheet(tmp_path, edition):
    lines = refused(tmp_path, edition, book=full_book(), changes=[("Registrering", "E4", -3)])
    assert lines == [place("Registrering", 4, "Døgn") + "-3 er for lille; mindst 0"]


# What is wrong with a table


def test_a_misspelt_sheet_is_not_taken_for_left_out(tmp_path):
    path = written(tmp_path, "herberg", full_book())
    book = load_workbook(path)
    book["Registrering"].title = "Registreringer"
    book["Klynger"].title = "Ark7"
    book.save(path)
    with pytest.raises(InputError) as caught:
        read_form(path, "herberg")
    assert str(caught.value).splitlines() == [
        "HERBERG.xlsx: arket 'Registreringer' er ikke i formularen; skal det hedde 'Registrering'?",
        "HERBERG.xlsx: arket 'Ark7' er ikke i formularen; flyt indholdet, eller slet arket",
    ]


def test_the_place_list_itself_must_be_there(tmp_path, edition):
    lines = refused(tmp_path, edition, book={"Landstal": full_book()["Landstal"]})
    assert lines == [place("Pladser") + "der er ingen rækker under overskriften i række 3"]


def test_headings_of_an_optional_sheet_must_stand_where_they_belong(tmp_path, edition):
    lines = refused(tmp_path, edition, book={"Pladser": places()}, changes=[("Landstal", "B3", "Borgere")])
    assert lines == [
        place("Landstal", 3, "Personer") + "overskriften mangler; den skal stå i celle B3, hvor der står 'Borgere'"
    ]


def test_exactly_one_period(tmp_path, edition):
    two = {**stays_book(), "Periode": pd.concat([window(), window(first="2024-02-01")])}
    assert refused(tmp_path, edition, stays=two) == [
        place("Periode", file="HERBERG_OPHOLD") + "der står 2 rækker under overskriften; der skal stå 1"
    ]
    none = {**stays_book(), "Periode": window().head(0)}
    assert refused(tmp_path, edition, stays=none) == [
        place("Periode", file="HERBERG_OPHOLD") + "der er ingen rækker under overskriften i række 3"
    ]


# What is wrong with stays


def test_a_stay_that_ends_before_it_starts(tmp_path, edition):
    rows = [("B1", "101", "101", "2024-03-05", "2024-03-01"), ("B1", "101", "101", "2024-03-02", "2024-03-04")]
    # A stay that runs backwards is not also said to overlap.
    assert refused(tmp_path, edition, stays=stays_book(*rows)) == [
        stay(4, "Udskrevet") + "01-03-2024 er før Indskrevet 05-03-2024"
    ]


def test_stays_that_overlap(tmp_path, edition):
    rows = [
        ("B1", "101", "101", "2024-03-20", "2024-03-25"),
        ("B1", "101", "101", "2024-03-01", "2024-03-31"),
        ("B2", "101", "101", "2024-03-01", "2024-03-31"),
        ("B1", "147", "101", "2024-03-30", "2024-04-10"),
    ]
    # Both are inside the long stay, although the one in row 4 lies between.
    assert refused(tmp_path, edition, stays=stays_book(*rows)) == [
        stay(4, "Indskrevet")
        + "20-03-2024 ligger inden for række 5 for Borger B1 (01-03-2024 til 31-03-2024); de må ikke overlappe",
        stay(7, "Indskrevet")
        + "30-03-2024 ligger inden for række 5 for Borger B1 (01-03-2024 til 31-03-2024); de må ikke overlappe",
    ]


def test_two_stays_of_one_person_from_the_same_day(tmp_path, edition):
    rows = [("B1", "101", "101", "2024-03-01", "2024-03-09"), ("B1", "147", "101", "2024-03-01", "2024-03-05")]
    assert refused(tmp_path, edition, stays=stays_book(*rows)) == [
        stay(4, "Indskrevet")
        + "01-03-2024 ligger inden for række 5 for Borger B1 (01-03-2024 til 05-03-2024); de må ikke overlappe"
    ]


def test_leaving_and_arriving_the_same_day_is_no_overlap(tmp_path, edition):
    facts, _ = built(tmp_path, edition, stays=stays_book())
    assert len(facts["shelter_stays"]) == 5


def test_an_open_stay_with_a_later_one(tmp_path, edition):
    rows = [
        ("B1", "101", "101", "2024-06-05", None),
        ("B1", "101", "101", "2024-03-01", None),
        ("B2", "101", "101", "2024-03-01", "2024-04-01"),
        ("B2", "101", "101", "2024-05-01", None),
    ]
    assert refused(tmp_path, edition, stays=stays_book(*rows)) == [
        stay(5, "Udskrevet") + "cellen er tom, men Borger B1 har også række 4 fra 05-06-2024; udfyld datoen"
    ]


def test_a_stay_that_stands_twice_is_not_also_an_overlap(tmp_path, edition):
    row = ("B1", "101", "101", "2024-03-01", "2024-03-05")
    assert refused(tmp_path, edition, stays=stays_book(row, row)) == [
        place("Ophold", 5, file="HERBERG_OPHOLD")
        + "B1, København, 01-03-2024 står også i række 4 (kolonne Borger, Herbergets kommune, Indskrevet); slet den ene"
    ]


def test_a_date_that_cannot_be_read_gives_no_other_mistakes(tmp_path, edition):
    rows = [("B1", "101", "101", "2024-03-01", "2024-03-31"), ("B1", "101", "101", "2024-03-05", "2024-04-05")]
    lines = refused(tmp_path, edition, stays=stays_book(*rows), changes=[("Ophold", "E4", "31/3")])
    assert lines == [stay(4, "Udskrevet") + "'31/3' er ikke en dato; skriv dd-mm-åååå"]


def test_stays_outside_the_period(tmp_path, edition):
    rows = [
        ("B1", "101", "101", "2025-01-01", None),
        ("B2", "101", "101", "2024-12-30", "2025-01-02"),
        ("B3", "101", "101", "2023-11-01", "2023-12-31"),
        ("B4", "101", "101", "2023-11-01", "2024-01-01"),
        ("B5", "101", "101", "2025-01-05", "2025-01-06"),
    ]
    assert refused(tmp_path, edition, stays=stays_book(*rows)) == [
        stay(4, "Indskrevet") + "01-01-2025 er efter periodens sidste dag 31-12-2024; slet rækken",
        stay(5, "Udskrevet")
        + "02-01-2025 er efter periodens sidste dag 31-12-2024; lad cellen stå tom, når opholdet varer ud over "
        "perioden",
        stay(6, "Udskrevet") + "31-12-2023 er før periodens første dag 01-01-2024; slet rækken",
        stay(8, "Indskrevet") + "05-01-2025 er efter periodens sidste dag 31-12-2024; slet rækken",
    ]


def test_a_period_that_ends_before_it_begins(tmp_path, edition):
    assert refused(tmp_path, edition, stays=stays_book(first="2025-01-01")) == [
        stay(4, "Til og med", "Periode") + "31-12-2024 er før Fra og med 01-01-2025"
    ]


# What does not fit together in the place workbook


def test_a_municipality_outside_the_kkr_and_those_left_out(tmp_path, edition):
    chosen = clusters()
    chosen.loc[chosen["municipality"] == "400", "municipality"] = "259"
    assert refused(tmp_path, edition, book={**full_book(), "Klynger": chosen}) == [
        place("Klynger", 32, "Kommune") + "Køge ligger ikke i Region Hovedstaden; ret KKR eller kommune",
        place("Klynger", column="Kommune")
        + "Bornholm mangler; når Region Hovedstaden står i arket, skal alle dets kommuner være med",
    ]


def test_a_decision_for_an_unknown_cluster(tmp_path, edition):
    decisions = full_book()["Beslutning"].assign(cluster=["Nord", "Vestt", "Byen København"])
    assert refused(tmp_path, edition, book={**full_book(), "Beslutning": decisions}) == [
        place("Beslutning", 4, "Klynge") + "'Nord' er ikke en klynge i Region Hovedstaden; skriv en af: Øst, Vest",
        place("Beslutning", 5, "Klynge") + "'Vestt' er ikke en klynge i Region Hovedstaden; mente du 'Vest'?",
        place("Beslutning", 6, "Klynge")
        + "'Byen København' er ikke en klynge i Region Sjælland; skriv en af: Østsjælland, Vest- og Sydsjælland",
    ]


def test_a_decision_that_stands_twice_and_one_with_too_many_veterans(tmp_path, edition):
    decisions = full_book()["Beslutning"].assign(cluster=["Øst", "øst", "Østsjælland"], veteran_places=[81, NAN, 0])
    assert refused(tmp_path, edition, book={**full_book(), "Beslutning": decisions}) == [
        place("Beslutning", 4, "Heraf til veteraner")
        + "81 er flere end Offentlige pladser og Ikke-offentlige pladser tilsammen (80)",
        place("Beslutning", 5) + "øst fra 2028 står også i række 4; slet den ene",
    ]


def test_the_same_days_registered_twice(tmp_path, edition):
    registered = frame(
        "area period arrivals departures nights refusals",
        ("101", "2025K1", 1, 1, 1, NAN),
        ("101", "2025M03", 1, 1, 1, NAN),
        ("084", "2025M02", 1, 1, 1, NAN),
        ("147", "2025K1", 1, 1, 1, NAN),
        ("259", "2025K1", 1, 1, 1, NAN),
        ("084", "2025K2", 1, 1, 1, NAN),
    )
    either = "skriv enten hele KKR-området eller dets kommuner"
    assert refused(tmp_path, edition, book={**full_book(), "Registrering": registered}) == [
        place("Registrering", 5, "Periode") + "2025M03 dækker dage, der også er talt i række 4 (2025K1); slet den ene",
        place("Registrering", 6, "Område")
        + f"Region Hovedstaden i 2025M02 er også talt i række 4 (København); {either}",
        place("Registrering", 7, "Område")
        + f"Frederiksberg i 2025K1 er også talt i række 6 (Region Hovedstaden); {either}",
    ]


def test_more_at_herberger_than_there_are_homeless(tmp_path, edition):
    homeless = frame(
        "municipality year homeless in_shelter rough_sleepers",
        ("101", 2024, 100.0, 101.0, 2.0),
        ("147", 2024, 100.0, 60.0, 50.0),
        ("259", 2024, 100.0, NAN, 1500.0),
        ("400", 2024, 100.0, 60.0, 40.0),
    )
    assert refused(tmp_path, edition, book={**full_book(), "Hjemløshed": homeless}) == [
        place("Hjemløshed", 4, "Heraf på herberg") + "101 er flere end Hjemløse (100)",
        place("Hjemløshed", 5, "Hjemløse")
        + "Heraf på herberg (60) og Heraf på gaden og natcafé (50) er tilsammen flere end Hjemløse (100)",
        place("Hjemløshed", 6, "Heraf på gaden og natcafé") + "1.500 er flere end Hjemløse (100)",
    ]


def test_everything_wrong_in_both_workbooks_comes_at_once(tmp_path, edition):
    changes = [("Pladser", "E5", 0), ("Landstal", "B4", 0), ("Ophold", "E4", datetime.date(2023, 1, 1))]
    assert refused(tmp_path, edition, book=full_book(), stays=stays_book(), changes=changes) == [
        place("Pladser", 5, "Pladser") + "0 er for lille; mindst 1",
        place("Landstal", 4, "Personer") + "0 er for lille; mindst 1",
        stay(4, "Udskrevet") + "01-01-2023 er før Indskrevet 20-12-2023",
    ]


# Facts


def columns_of(name):
    return list(shelters.SCHEMAS[name].columns)


def test_no_workbook_is_no_facts(tmp_path, edition):
    facts, findings = shelters.build(tmp_path, edition)
    assert findings == []
    assert list(facts) == [*shelters.SCHEMAS, "shelter_clusters"]
    for name in shelters.SCHEMAS:
        assert facts[name].empty
        assert list(facts[name].columns) == columns_of(name)
    assert facts["shelter_clusters"]["municipality"].tolist() == list(areas.municipalities())
    assert facts["shelter_stays"]["left"].dtype == "datetime64[ns]"
    assert facts["shelter_places"]["places"].dtype == int


def test_types_do_not_depend_on_what_is_delivered(tmp_path, edition):
    none, _ = shelters.build(tmp_path, edition)
    full, _ = built(tmp_path, edition, book=full_book(), stays=stays_book())
    for name, rows in full.items():
        assert not rows.empty
        assert rows.dtypes.to_dict() == none[name].dtypes.to_dict()
        rows.to_parquet(tmp_path / f"{name}.parquet", index=False)
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), rows, check_dtype=False)


def test_every_place_has_its_kkr_and_klynge(tmp_path, edition):
    facts, _ = built(tmp_path, edition, book={"Pladser": places()})
    found = facts["shelter_places"].set_index(["year", "provider"])[["municipality", "kkr", "cluster"]]
    assert found.loc[(2025, "Havnen")].tolist() == ["101", "084", "Byen København"]
    assert found.loc[(2025, "Bakken")].tolist() == ["259", "085", "Østsjælland"]
    own, _ = built(tmp_path, edition, book=full_book())
    assert set(own["shelter_places"].set_index("provider")["cluster"]) == {
        "Øst", "Østsjælland", "Landsdel Nordjylland", "Fyn", "Østjylland",
    }  # fmt: skip
    assert set(own["shelter_places"]["origin"]) == {"delivery"}
    assert own["shelter_places"].loc[0, ["file", "sheet", "row"]].tolist() == ["HERBERG.xlsx", "Pladser", 4]


def test_klynger_are_one_however_their_case_is_written(tmp_path, edition):
    chosen = clusters()
    chosen.loc[chosen["municipality"] == "147", "cluster"] = "ØST"
    facts, _ = built(tmp_path, edition, book={**full_book(), "Klynger": chosen})
    assert set(facts["shelter_places"].loc[facts["shelter_places"]["kkr"] == "084", "cluster"]) == {"Øst"}
    assert facts["shelter_decisions"]["cluster"].tolist() == ["Vest", "Øst", "Østsjælland"]


def test_registrations_know_their_days(tmp_path, edition):
    facts, _ = built(tmp_path, edition, book=full_book())
    rows = facts["shelter_registrations"].set_index(["area", "period"])
    assert rows["days"].to_dict() == {
        ("085", "2025K1"): 90, ("101", "2025K2"): 91, ("101", "2025M01"): 31, ("147", "2025K1"): 90,
    }  # fmt: skip
    assert rows.loc[("101", "2025K2"), "first"] == pd.Timestamp(2025, 4, 1)
    assert rows["cluster"].to_dict()["085", "2025K1"] == ""
    assert rows["kkr"].tolist() == ["085", "084", "084", "084"]


def test_money_homelessness_and_projection(tmp_path, edition):
    facts, _ = built(tmp_path, edition, book=full_book())
    assert facts["shelter_expenditure"]["kroner"].tolist() == [250000500.0, -12000.0]
    assert facts["shelter_homeless"]["homeless"].isna().tolist() == [False, True]
    assert facts["shelter_projection"]["adults"].tolist() == [560000, 50000]
    assert facts["shelter_national"].loc[0, ["persons", "stays"]].tolist() == [7346, 11243]


def test_stays_know_host_home_and_window(tmp_path, edition):
    facts, _ = built(tmp_path, edition, stays=stays_book())
    rows = facts["shelter_stays"].set_index("person")
    assert rows.loc["B0002", ["host", "host_kkr", "host_cluster", "home", "home_kkr", "home_cluster"]].tolist() == [
        "259", "085", "Østsjælland", "", "", "",
    ]  # fmt: skip
    assert rows.loc["B0003", ["home", "home_kkr", "home_cluster"]].tolist() == ["147", "084", "Byen København"]
    assert set(rows["first"]) == {pd.Timestamp(2024, 1, 1)}
    assert set(rows["last"]) == {pd.Timestamp(2024, 12, 31)}
    own, _ = built(tmp_path, edition, book=full_book(), stays=stays_book())
    assert own["shelter_stays"].set_index("person").loc["B0003", "home_cluster"] == "Øst"


# Findings


def said(findings, rule):
    return [(finding.severity, finding.table, finding.text) for finding in findings if finding.rule == rule]


@pytest.mark.parametrize(("threshold", "still", "unknown"), [(2, "2", "Færre end 2"), (5, *["Færre end 5"] * 2)])
def test_open_stays_and_unknown_homes_are_counted(tmp_path, edition, threshold, still, unknown):
    policy = edition.disclosure.model_copy(update={"threshold": threshold})
    _, findings = built(tmp_path, edition.model_copy(update={"disclosure": policy}), stays=stays_book())
    assert said(findings, "HERB-01") == [
        (
            "INFO",
            "HERBERG_OPHOLD",
            f"{still} af 5 ophold er ikke afsluttet; de er talt med til og med 31-12-2024.",
        )
    ]
    assert said(findings, "HERB-06") == [
        (
            "INFO",
            "HERBERG_OPHOLD",
            f"{unknown} af 5 ophold har ingen hjemkommune; de tæller med i belægningen, men ikke i strømmene "
            "mellem kommuner.",
        )
    ]


def test_a_full_delivery_without_gaps_has_nothing_to_say(tmp_path, edition):
    book = {**full_book(), "Klynger": pd.concat([clusters(code) for code in areas.regions()])}
    book["Beslutning"] = full_book()["Beslutning"].head(2)
    book["Pladser"] = places().fillna({"rate": 1500, "price_year": 2025})
    closed = stays((PERSON, "101", "101", "2024-01-01", "2024-02-01"))
    _, findings = built(tmp_path, edition, book=book, stays={"Periode": window(), "Ophold": closed})
    assert findings == []


def test_what_is_left_out_is_said_with_what_it_costs(tmp_path, edition):
    _, findings = built(tmp_path, edition, book={"Pladser": places()})
    texts = [text for _, _, text in said(findings, "HERB-02")]
    assert texts == [
        "HERBERG_OPHOLD er ikke leveret; belægning dag for dag, strømme mellem kommuner og virkningen af "
        "opholdsgrænser beregnes ikke.",
        *(f"Arket {sheet} er ikke udfyldt; {without}." for sheet, without in shelters.WITHOUT_SHEET.items()),
    ]
    assert {severity for severity, _, _ in said(findings, "HERB-02")} == {"INFO"}
    optional = {sheet.name for sheet in load_form("herberg").sheets if not sheet.required}
    assert set(shelters.WITHOUT_SHEET) == optional


def test_stays_without_a_place_list(tmp_path, edition):
    facts, findings = built(tmp_path, edition, stays=stays_book())
    assert facts["shelter_places"].empty
    assert [text for _, _, text in said(findings, "HERB-02")] == [
        "HERBERG er ikke leveret; pladser, priser, fordeling og scenarier beregnes ikke."
    ]


def test_years_that_the_edition_needs_and_the_delivery_lacks(tmp_path, edition):
    needs = {table: TableNeed(years=Years(first=2023, last=2025)) for table in shelters.FORMS}
    wide = edition.model_copy(update={"tables": edition.tables | needs})
    _, findings = built(tmp_path, wide, book=full_book(), stays=stays_book())
    assert said(findings, "HERB-03") == [
        (
            "WARNING",
            "HERBERG",
            "Arket Pladser har ingen rækker for 2023, som udgaven regner med; årene vises ikke.",
        ),
        (
            "WARNING",
            "HERBERG_OPHOLD",
            "Opholdene dækker 01-01-2024 til 31-12-2024 og dermed ikke hele 2023 og 2025, som udgaven regner med.",
        ),
    ]


def test_a_kkr_without_places_and_places_without_rates(tmp_path, edition):
    _, findings = built(tmp_path, edition, book={"Pladser": places().head(4)})
    assert said(findings, "HERB-04") == [
        (
            "WARNING",
            "HERBERG",
            "KKR Nordjylland, KKR Midtjylland og KKR Syddanmark har ingen pladser i 2025 i arket Pladser; der er ingen "
            "kapacitet at regne på.",
        )
    ]
    assert said(findings, "HERB-05") == [
        ("INFO", "HERBERG", "20 af 95 pladser i 2025 har ingen takst; priser er regnet uden dem.")
    ]


def test_stays_where_there_are_no_places(tmp_path, edition):
    _, findings = built(tmp_path, edition, book=full_book(), stays=stays_book())
    assert said(findings, "HERB-07") == [
        (
            "WARNING",
            "HERBERG_OPHOLD",
            "Der er ophold i Frederiksberg og Køge, men ingen pladser dér i arket Pladser for 2024; belægningen bliver "
            "for høj.",
        )
    ]


def test_more_nights_than_the_places_have_room_for(tmp_path, edition):
    changes = [("Registrering", "E4", 1861), ("Registrering", "E7", 1351), ("Registrering", "E6", 1800)]
    _, findings = built(tmp_path, edition, book=full_book(), changes=changes)
    assert said(findings, "HERB-08") == [
        (
            "WARNING",
            "HERBERG",
            "Region Sjælland 2025K1: 1.351 døgn er flere end 15 pladser giver plads til i 90 dage (1.350).",
        ),
        (
            "WARNING",
            "HERBERG",
            "København 2025M01: 1.861 døgn er flere end 60 pladser giver plads til i 31 dage (1.860).",
        ),
    ]


def test_a_decision_that_leaves_a_klynge_out(tmp_path, edition):
    _, findings = built(tmp_path, edition, book=full_book())
    assert said(findings, "HERB-09") == [
        (
            "WARNING",
            "HERBERG",
            "Beslutningen for KKR Sjælland fra 2028 nævner ikke Vest- og Sydsjælland; tilføj klyngen, også når den får "
            "0 pladser.",
        )
    ]


# Declared forms


SHEET = {
    "name": "Forløb",
    "header_row": 1,
    "key": ["who", "since"],
    "columns": [
        {"heading": "Hvem", "field": "who", "type": "text"},
        {"heading": "Fra", "field": "since", "type": "date"},
        {"heading": "Til", "field": "until", "type": "date", "required": False},
    ],
}


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"type": "date", "minimum": 1}, "only numbers"),
        ({"type": "decimal", "mistakes": {"i øre": 100}}, "`mistakes` belong"),
        ({"type": "decimal", "maximum": 0, "minimum": -5, "mistakes": {"i øre": 100}}, "`mistakes` belong"),
        ({"type": "decimal", "maximum": 5, "minimum": 1, "mistakes": {"i øre": 0}}, "greater than 0"),
        ({"type": "text", "pattern": "[0-9]+"}, "belong together"),
        ({"type": "text", "example": "12"}, "belong together"),
        ({"type": "whole", "pattern": "[0-9]+", "example": "12"}, "in text columns"),
        ({"type": "text", "pattern": "[0-9", "example": "12"}, "no regular expression"),
        ({"type": "text", "codes": {"a": "b"}, "pattern": "[0-9]+", "example": "12"}, "without `codes`"),
    ],
)  # fmt: skip
def test_a_column_is_checked_too(column, message):
    wrong = {"heading": "Ny", "field": "new"} | column
    with pytest.raises(ValidationError, match=message):
        Form(table="PROEVE", title="Prøve", sheets=[{**SHEET, "columns": [*SHEET["columns"], wrong]}])


@pytest.mark.parametrize(
    "rule",
    [
        {"spells": {"start": "since", "end": "until", "of": "nobody"}},
        {"spells": {"start": "until", "end": "since", "of": "who"}},
        {"spells": {"start": "who", "end": "until", "of": "who"}},
        {"rows": 0},
    ],
)
def test_a_sheet_is_checked_too(rule):
    with pytest.raises(ValidationError, match="spells need two columns|greater than or equal to 1"):
        Form(table="PROEVE", title="Prøve", sheets=[SHEET | rule])


def test_every_type_of_column_there_and_back(tmp_path, monkeypatch):
    kinds = [
        {"heading": "Navn", "field": "name", "type": "text"},
        {"heading": "Mønster", "field": "mark", "type": "text", "pattern": "[A-Z][0-9]", "example": "A1"},
        {"heading": "Ejer", "field": "owner", "type": "text", "codes": {"Kommune": "k", "Region": "r"}},
        {"heading": "Kommune", "field": "area", "type": "area", "areas": ["municipality"]},
        {"heading": "År", "field": "year", "type": "year"},
        {"heading": "Andel", "field": "share", "type": "percent", "required": False},
        {"heading": "Antal", "field": "count", "type": "whole"},
        {"heading": "Pris", "field": "price", "type": "decimal", "required": False},
        {"heading": "Fra", "field": "since", "type": "date"},
        {"heading": "Til", "field": "until", "type": "date", "required": False},
    ]
    form = Form(table="T", title="T", sheets=[{"name": "Alt", "header_row": 3, "key": ["name"], "columns": kinds}])
    for module in (deliveries, blank_forms):
        monkeypatch.setattr(module, "load_form", lambda name: form)
    rows = frame(
        "name mark owner area year share count price since until",
        ("=1+1", "A1", "k", "101", 2024, 5.4, 7, 1234.5, day("2024-02-29"), day("2100-12-31")),
        ("to", "B2", "r", "860", 1990, NAN, 0, NAN, day("1990-01-01"), pd.NaT),
    )
    write_form("alt", tmp_path / "T.xlsx", {"Alt": rows})
    read = read_form(tmp_path / "T.xlsx", "alt")["Alt"]
    pd.testing.assert_frame_equal(read[list(rows.columns)], rows, check_dtype=False)
    assert [str(kind) for kind in read.dtypes] == [
        "str", "str", "str", "str", "int64", "float64", "int64", "float64", "datetime64[ns]", "datetime64[ns]", "str",
        "int64",
    ]  # fmt: skip


def test_expenditure_against_the_accounts():
    booked = pd.DataFrame(
        {"year": 2024, "area_code": ["101", "147"], "function": "53842", "grouping": "001", "value": [5e8, 1e8]}
    )
    stated = pd.DataFrame({"municipality": ["101", "147"], "year": 2024, "kroner": [5e8, 1e8]})
    assert shelters.against_accounts(stated, booked, "herberger") == []
    stated.loc[0, "kroner"] = 5.1e8
    (finding,) = shelters.against_accounts(stated, booked, "herberger")
    assert (finding.rule, finding.severity) == ("HERB-10", "WARNING")
    assert finding.text == (
        "København 2024: udgiften er 510.000 t.kr. i arket Udgifter og 500.000 t.kr. i regnskabet; regnskabet er brugt."
    )
    assert shelters.against_accounts(stated.assign(year=2018), booked, "herberger") == [], "only years of both"
