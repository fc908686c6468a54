"""Raw tables: every accepted form reads the same, every corrupted one is refused with file and line."""

import gzip

import pytest
from conftest import REFERENCE, write_raw

from analysis.errors import InputError
from noegletal.sources.snapshot import read_table, require_years, with_absent_rows

HEADER = "OMRÅDE;FUNKTION;DRANST;EJER;GRUPPERING;ART;PRISENHED;TID;INDHOLD"
ROWS = [
    "101;52821;1;1;003;TOT;LOBM;2024;1000",
    "101;52821;1;2;3;TOT;LOBM;2024;-12",
    "147;52821;1;1;003;TOT;LOBM;2024;..",
]
PLAIN = "\n".join([HEADER, *ROWS]) + "\n"


def values(folder, table="REGK100", **select):
    frame, _ = read_table(folder, table, select)
    return frame[["OMRÅDE", "EJER", "GRUPPERING", "TID", "value"]].values.tolist()


EXPECTED = [["101", "1", "003", "2024", 1000.0], ["101", "2", "003", "2024", -12.0]]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_forms_of_the_same_table_read_alike(tmp_path, suffix, mark, ending):
    write_raw(tmp_path, "REGK100", mark + PLAIN.replace("\n", ending), suffix=suffix)
    read = values(tmp_path)
    assert read[:2] == EXPECTED
    assert read[2][:4] == ["147", "1", "003", "2024"]
    assert read[2][4] != read[2][4], "`..` is missing, not zero"


def test_columns_in_another_order_and_case(tmp_path):
    columns = HEADER.split(";")
    order = [8, 7, 0, 1, 2, 3, 4, 5, 6]
    lines = [";".join(columns[place] for place in order).replace("TID", "Tid")]
    lines += [";".join(row.split(";")[place] for place in order) for row in ROWS]
    write_raw(tmp_path, "REGK100", "\n".join(lines))
    assert values(tmp_path)[:2] == EXPECTED


def test_unpadded_area_codes_are_padded(tmp_path):
    rows = ["81;52821;1;1;3;TOT;LOBM;2024;5", "0;52821;1;1;3;TOT;LOBM;2024;6"]
    write_raw(tmp_path, "REGK100", "\n".join([HEADER, *rows]))
    assert [row[0] for row in values(tmp_path)] == ["081", "000"]


def test_decimal_point_of_an_english_extract(tmp_path):
    lines = ["OMRÅDE;YDELSESTYPE;TID;INDHOLD", "101;30011;2024;1131", "147;30011;2024;-12.5"]
    write_raw(tmp_path, "HAND05", "\n".join(lines), lang="en")
    assert read_table(tmp_path, "HAND05")[0]["value"].tolist() == [1131, -12.5]


@pytest.mark.parametrize(("lang", "number"), [("da", "1,131"), ("da", "1.131"), ("en", "1.131"), ("en", "1,131")])
@pytest.mark.parametrize(
    ("table", "columns", "said"),
    [("ANBAAR12", "ADMKOM;ANBRINGELSE", "a whole number"), ("HAND05", "OMRÅDE;YDELSESTYPE", "at most 1 decimals")],
)
def test_thousands_that_look_like_decimals_are_refused(tmp_path, table, columns, said, lang, number):
    """København's placements, 1.131, in a table of the other language would be one child."""
    write_raw(tmp_path, table, f"{columns};TID;INDHOLD\n101;0;2023;1\n101;0;2024;{number}", lang=lang)
    with pytest.raises(InputError, match=rf"^{table}.csv line 3: INDHOLD '{number}' is neither .*{said}") as caught:
        read_table(tmp_path, table)
    assert caught.value.rule == "VAERDI-01"


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_file_cut_in_its_last_line_is_refused(tmp_path, suffix, cut):
    """`1000` cut to `100` is a number too: only the line end says that a line is whole."""
    whole = "\n".join([HEADER, *ROWS[1:], ROWS[0]]) + "\n"
    write_raw(tmp_path, "REGK100", whole.encode()[:-cut], suffix=suffix)
    refused(tmp_path, "FIL-02", f"REGK100{suffix} line 4", "no line end", "restore the file or fetch it again")


def test_parts_of_a_table_read_together_and_keep_their_origin(tmp_path):
    write_raw(tmp_path, "REGK100", "\n".join([HEADER, ROWS[0]]), origin="transcribed")
    write_raw(tmp_path, "REGK100.reconstruction", "\n".join([HEADER, ROWS[1]]), origin="reconstruction")
    frame, files = read_table(tmp_path, "REGK100")
    assert [file.path.name for file in files] == ["REGK100.csv", "REGK100.reconstruction.csv"]
    assert frame["origin"].tolist() == ["transcribed", "reconstruction"]
    assert frame["line"].tolist() == [2, 2]


def test_select_keeps_only_the_codes_asked_for(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN)
    assert values(tmp_path, EJER=frozenset({"2"})) == [EXPECTED[1]]


def refused(folder, rule, *fragments):
    with pytest.raises(InputError) as caught:
        read_table(folder, "REGK100")
    message = str(caught.value)
    assert caught.value.rule == rule, message
    for fragment in ("REGK100", *fragments):
        assert fragment in message, message
    assert "\n" not in message


def test_a_refusal_is_one_sentence_with_the_place_and_what_to_do(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN.replace(";1000", ";1.000"))
    with pytest.raises(InputError) as caught:
        read_table(tmp_path, "REGK100")
    assert str(caught.value) == "REGK100.csv line 2: INDHOLD '1.000' is neither a whole number nor .."


def test_one_changed_byte(tmp_path):
    path = write_raw(tmp_path, "REGK100", PLAIN)
    path.write_bytes(path.read_bytes().replace(b";1000", b";1001"))
    refused(tmp_path, "FIL-01", "REGK100.csv", "REGK100.yml", "sha256")


def test_changed_size(tmp_path):
    path = write_raw(tmp_path, "REGK100", PLAIN)
    path.write_bytes(path.read_bytes() + b"\n")
    refused(tmp_path, "FIL-01", "REGK100.csv", "REGK100.yml", "bytes")


def test_missing_sidecar(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN)
    (tmp_path / "REGK100.yml").unlink()
    refused(tmp_path, "FIL-01", "REGK100.csv", "REGK100.yml")


def test_sidecar_without_its_file(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN).unlink()
    refused(tmp_path, "FIL-01", "REGK100.yml", "REGK100.csv")


def test_sidecar_with_unknown_origin(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN, origin="guess")
    refused(tmp_path, "FIL-01", "REGK100.yml", "origin")


def test_sidecar_of_another_table(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN, table="REGK31")
    refused(tmp_path, "FIL-01", "REGK31", "REGK100.csv")


@pytest.mark.parametrize(
    ("old", "new", "rule", "fragments"),
    [
        ("GRUPPERING", "GRUPERING", "FIL-02", ["REGK100.csv", "GRUPERING", "is it GRUPPERING?"]),
        (";1000", ";1o00", "VAERDI-01", ["line 2", "INDHOLD", "1o00"]),
        (";1000", ";1.000", "VAERDI-01", ["line 2", "1.000"]),
        (";1000", ";", "VAERDI-01", ["line 2", "INDHOLD"]),
        (";1000", ";1e3", "VAERDI-01", ["line 2", "1e3"]),
        (";1000", ";nan", "VAERDI-01", ["line 2", "nan"]),
        ("147;52821", "148;52821", "KODE-01", ["line 4", "OMRÅDE", "148"]),
        ("147;52821", "Frederiksberg;52821", "KODE-01", ["line 4", "Frederiksberg"]),
        ("LOBM;2024;..", "LOBM;24;..", "KODE-02", ["line 4", "TID", "year"]),
        ("LOBM;2024;..", "LOBM;2024K4;..", "KODE-02", ["line 4", "2024K4", "year"]),
        ("101;52821;1;2;3;TOT", "101;52821;1;1;3;TOT", "NOEGLE-01", ["line 2", "line 3", "GRUPPERING=003"]),
        ("1000\n", "1000;9\n", "FIL-02", ["REGK100.csv line 2"]),
    ],
)
def test_corrupted_content(tmp_path, old, new, rule, fragments):
    assert old in PLAIN
    write_raw(tmp_path, "REGK100", PLAIN.replace(old, new, 1))
    refused(tmp_path, rule, *fragments)


def test_a_key_in_two_parts(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN)
    write_raw(tmp_path, "REGK100.part", "\n".join([HEADER, ROWS[0]]))
    refused(tmp_path, "NOEGLE-01", "REGK100.csv line 2", "REGK100.part.csv line 2")


def test_the_same_table_packed_and_unpacked(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN)
    write_raw(tmp_path, "REGK100", PLAIN, suffix=".csv.gz")
    refused(tmp_path, "FIL-01", "REGK100.csv", "REGK100.csv.gz")


def test_latin_1(tmp_path):
    write_raw(tmp_path, "REGK100", PLAIN.encode("latin-1"))
    refused(tmp_path, "FIL-02", "REGK100.csv", "UTF-8")


def test_truncated_gzip(tmp_path):
    write_raw(tmp_path, "REGK100", gzip.compress(PLAIN.encode())[:-9])
    (tmp_path / "REGK100.csv").rename(tmp_path / "REGK100.csv.gz")
    refused(tmp_path, "FIL-02", "REGK100.csv.gz")


def test_header_only(tmp_path):
    write_raw(tmp_path, "REGK100", HEADER + "\n")
    refused(tmp_path, "FIL-02", "no rows")


def test_table_not_there(tmp_path):
    refused(tmp_path, "DAEK-03", "REGK100.csv.gz")


def test_year_missing_in_the_middle(tmp_path):
    rows = [row.replace(";2024;", f";{year};") for year in (2022, 2024) for row in ROWS[:1]]
    write_raw(tmp_path, "REGK100", "\n".join([HEADER, *rows]))
    frame, _ = read_table(tmp_path, "REGK100")
    with pytest.raises(InputError, match="2023;") as caught:
        require_years(frame, "REGK100", [2022, 2023, 2024])
    assert caught.value.rule == "DAEK-04"


def test_a_rate_that_is_left_out_is_missing_and_never_zero(tmp_path):
    lines = ["OMRÅDE;FORANSTALT;ALDER;TID;INDHOLD", "101;IALT;TOT22;2023;2,5"]
    write_raw(tmp_path, "BU43", "\n".join(lines))
    frame, _ = read_table(tmp_path, "BU43")
    full = with_absent_rows(frame, "BU43", ["2023", "2024"]).set_index(["OMRÅDE", "TID"])["value"]
    assert full["101", "2023"] == 2.5
    assert full.isna()["101", "2024"]
    assert full.isna()["147"].all()


def test_a_genuine_answer_of_the_api_reads():
    source = REFERENCE / "dst" / "folk1a" / "mujemula_FOLK1AM.csv"
    if not source.is_file():
        pytest.skip(f"reference material is not beside the project: {source.name}")
    from noegletal.sources.snapshot import _header

    assert _header(source) == ["OMRÅDE", "TID", "INDHOLD"], "BOM and CRLF do not stick to the header"
