"""Corrections as data: each action, each refusal, and that what is corrected is found again in the trace."""

import datetime
import shutil

import pandas as pd
import pytest
import yaml
from conftest import ROOT, write_raw

from analysis import areas
from analysis.errors import InputError
from noegletal.figures.build import build_if_stale
from noegletal.review.evidence import Evidence
from noegletal.review.trace import asked, trace, trace_record
from noegletal.sources import corrections

HEADER = "OMRÅDE;FORANSTALT;ALDER;TID;INDHOLD"
ROWS = ["101;IALT;TOT22;2023;2,5", "101;IALT;TOT22;2024;3", "147;IALT;TOT22;2024;.."]
KEY = {"OMRÅDE": "101", "FORANSTALT": "IALT", "ALDER": "TOT22", "TID": "2023"}
WHOLE = {
    "table": "BU43",
    "key": KEY,
    "action": "replace",
    "value": 4.25,
    "expected": 2.5,
    "reason": "Kommunen har meldt et forkert tal ind.",
    "source": "Brev fra kommunen",
    "expires": datetime.date(2999, 12, 31),
}
TODAY = datetime.date(2026, 11, 20)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of its own with the embedded editions and reference data, to write corrections in."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "editions", root / "editions")
    shutil.copytree(ROOT / "data" / "reference", root / "data" / "reference")
    monkeypatch.setenv("NOEGLETAL_ROOT", str(root))
    return root


@pytest.fixture
def folder(tmp_path):
    """A raw folder with three rows of BU43."""
    write_raw(tmp_path / "raw", "BU43", "\n".join([HEADER, *ROWS]))
    return tmp_path / "raw"


def written(project, *items):
    path = project / "data" / "reference" / "corrections.yml"
    path.write_text(yaml.safe_dump(list(items), allow_unicode=True, sort_keys=False), encoding="utf-8")


def changed(**fields):
    """A whole correction with some fields otherwise; None leaves one out."""
    return {name: value for name, value in (WHOLE | fields).items() if value is not None}


def read(folder, edition, **options):
    return corrections.read_corrected(folder, "BU43", edition, **options)[0]


def test_the_shipped_file_holds_no_correction_and_a_valid_example(project, edition):
    text = (ROOT / "data" / "reference" / "corrections.yml").read_text(encoding="utf-8")
    assert corrections.load_corrections() == []
    example = "\n".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith(("# - ", "#   ")))
    (project / "data" / "reference" / "corrections.yml").write_text(example, encoding="utf-8")
    assert [correction.action for correction in corrections.corrections_of(edition)] == ["replace"]


def test_a_table_without_corrections_is_read_as_it_is(project, folder, edition):
    assert "correction" not in read(folder, edition).columns


def test_replace_keeps_place_and_origin(project, folder, edition):
    written(project, WHOLE)
    row = read(folder, edition).iloc[0]
    assert (row["value"], row["file"], row["line"], row["origin"]) == (4.25, "BU43.csv", 2, "statbank")
    assert "rettet fra 2,5 til 4,25" in row["correction"]
    assert WHOLE["reason"] in row["correction"]
    assert read(folder, edition)["correction"].tolist()[1:] == ["", ""]


def test_missing_and_remove(project, folder, edition):
    written(project, changed(action="missing", value=None))
    assert pd.isna(read(folder, edition)["value"].iloc[0])
    written(project, changed(action="remove", value=None))
    assert read(folder, edition)["line"].tolist() == [3, 4]
    kept = read(folder, edition, removed=True)
    assert kept["removed"].tolist() == [True, False, False]


def test_add(project, folder, edition):
    written(project, changed(action="add", expected="absent", key=KEY | {"OMRÅDE": "151"}))
    row = read(folder, edition).iloc[-1]
    assert (row["OMRÅDE"], row["value"], row["file"], row["line"]) == ("151", 4.25, "corrections.yml", 1)
    assert row["origin"] == "statbank"


def test_a_missing_figure_is_expected_as_dots(project, folder, edition):
    written(project, changed(expected="..", key=KEY | {"OMRÅDE": "147", "TID": "2024"}))
    assert read(folder, edition)["value"].tolist() == [2.5, 3, 4.25]


def test_only_what_is_selected_is_corrected_and_only_in_its_edition(project, folder, edition):
    written(project, WHOLE)
    assert read(folder, edition, select={"TID": frozenset({"2024"})})["value"].iloc[0] == 3
    written(project, changed(edition="1999"))
    assert read(folder, edition)["value"].iloc[0] == 2.5


@pytest.mark.parametrize(
    ("fields", "fragments"),
    [
        ({"expected": 2.4}, ["expects 2.4", "BU43.csv line 2 (2.5)", "OMRÅDE=101"]),
        ({"expected": ".."}, ["expects ..", "line 2 (2.5)"]),
        ({"key": KEY | {"OMRÅDE": "151"}}, ["matches no row", "OMRÅDE=151", "BU43"]),
        ({"action": "add", "expected": "absent"}, ["would add a row that is there", "BU43.csv line 2"]),
        ({"key": KEY | {"TID": "2024"}, "expected": 2.5}, ["line 3 (3)"]),
    ],
)
def test_what_does_not_fit_its_row_is_refused(project, folder, edition, fields, fragments):
    written(project, changed(**fields))
    with pytest.raises(InputError) as caught:
        corrections.applied(folder, edition, TODAY)
    for fragment in ["corrections.yml line 1", *fragments]:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"action": "repair"}, "action"),
        ({"table": "BU44"}, "'BU44' is not in tables.yml"),
        ({"table": "KOMPONENT"}, "corrected by who sent them"),
        ({"value": None}, "those need it"),
        ({"action": "missing"}, "`value` is for replace and add"),
        ({"expected": "absent"}, "goes with `action: add`"),
        ({"value": 2.5}, "changes nothing"),
        ({"value": "4,25"}, "value"),
        ({"value": float("nan")}, "value"),
        ({"value": True}, "value"),
        ({"expires": None}, "expires"),
        ({"reason": None}, "reason"),
        ({"source": None}, "source"),
        ({"because": "x"}, "because"),
        ({"edition": 2025}, "in quotes"),
        ({"key": KEY | {"TID": 2023}}, "in quotes"),
        ({"key": KEY | {"OMRÅDE": "81"}}, "'081'"),
        ({"key": KEY | {"OMRÅDE": "148"}}, "not an area"),
        ({"key": KEY | {"TID": "2023K4"}}, "is not a year"),
        ({"key": {"OMRÅDE": "101"}}, "the key must name"),
        ({"key": KEY | {"KØN": "1"}}, "the key must name"),
    ],
)
def test_what_is_written_wrongly_is_refused_by_line(project, edition, fields, message):
    written(project, changed(**fields))
    with pytest.raises(InputError, match=message) as caught:
        corrections.corrections_of(edition)
    assert str(caught.value).startswith("corrections.yml line 1: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["table: BU43", "- BU43", "- [", "- {table: BU43"])
def test_what_is_no_list_of_corrections(project, edition, text):
    (project / "data" / "reference" / "corrections.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"corrections\.yml"):
        corrections.corrections_of(edition)


def test_the_same_row_twice(project, edition):
    written(project, WHOLE, changed(value=5.0, edition="2025"))
    with pytest.raises(InputError, match="about the same row as line 1"):
        corrections.corrections_of(edition)
    written(project, changed(edition="2024"), changed(value=5.0, edition="2025"))
    assert len(corrections.load_corrections()) == 2


def test_the_last_day_counts_and_the_day_after_refuses(project, folder, edition):
    written(project, changed(expires=TODAY))
    assert len(corrections.applied(folder, edition, TODAY)) == 1
    with pytest.raises(InputError, match="expired on 2026-11-20"):
        corrections.applied(folder, edition, TODAY + datetime.timedelta(days=1))


def test_a_table_that_is_not_there(project, folder, edition):
    written(project, changed(table="ANBAAR12", key={"ADMKOM": "101", "ANBRINGELSE": "0", "TID": "2024"}))
    with pytest.raises(InputError, match="matches nothing: .* has no ANBAAR12"):
        corrections.applied(folder, edition, TODAY)


def test_the_finding_says_what_why_and_until_when(project, folder, edition):
    written(project, WHOLE)
    (finding,) = corrections.applied(folder, edition, TODAY)
    assert (finding.rule, finding.severity, finding.table) == ("KOR-01", "INFO", "BU43")
    for part in ("København", "TID 2023", "rettet fra 2,5 til 4,25", WHOLE["reason"], WHOLE["source"], "31-12-2999"):
        assert part in finding.text


def test_a_correction_moves_the_key_figure_and_shows_in_the_chain(project, edition, tiny_raw, tmp_path):
    raw, processed = tiny_raw, tmp_path / "out"
    years = edition.tables["BU43"].years.all
    lines = [f"{code};IALT;TOT22;{year};3" for code in areas.municipalities() for year in years]
    write_raw(raw, "BU43", "\n".join([HEADER, *lines]))
    assert build_if_stale(edition, raw, processed)
    before = pd.read_parquet(processed / "key_figures.parquet")
    rows, _ = corrections.read_corrected(raw, "BU43", edition)
    row = rows[(rows["OMRÅDE"] == "101") & (rows["TID"] == "2024")].iloc[0]
    key = {name: row[name] for name in KEY}
    written(project, changed(key=key, expected=float(row["value"]), value=float(row["value"]) + 1))
    assert build_if_stale(edition, raw, processed), "a changed correction makes the build stale"
    assert not build_if_stale(edition, raw, processed)
    after = pd.read_parquet(processed / "key_figures.parquet")
    moved = after[(after["value"] != before["value"]) & after["value"].notna()]
    assert {"children_supported_share", "children_supported"} == set(moved["indicator"])
    assert set(moved["area_code"]) == {"101", "hovedstaden", "084", "000"}
    evidence = Evidence(edition, raw, processed)
    found = trace(evidence, asked(evidence.key_figures, "children_supported_share", "København", "i_alt", 2024))
    assert found.agrees
    (shown,) = trace_record(found)["chain"]["rows"]
    assert (shown["value"], shown["line"]) == (row["value"] + 1, row["line"])
    assert WHOLE["reason"] in shown["correction"]
    assert "corrections.yml" in {file["file"] for file in found.files}
    written(project, changed(key=key, expected=float(row["value"]) + 2))
    with pytest.raises(InputError, match="expects"):
        build_if_stale(edition, raw, processed)
    written(project, changed(key=key, expected=float(row["value"]), expires=datetime.date(2020, 1, 1)))
    with pytest.raises(InputError, match="expired"):
        build_if_stale(edition, raw, processed)
    pd.testing.assert_frame_equal(pd.read_parquet(processed / "key_figures.parquet"), after)
