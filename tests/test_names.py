"""What people call things: the edition that is meant where none is named, and codes or Danish names everywhere."""

import numpy as np
import pandas as pd
import pytest
import small_edition
from conftest import noegletal

import analysis
from analysis import danish, herberg
from analysis.edition import default_edition, load_edition, project_root
from analysis.errors import InputError
from analysis.section import Section


def test_the_default_edition_stands_in_one_file(small):
    file = small.file.parent / "default.txt"
    assert default_edition() == file.read_text("utf-8").strip() == load_edition().name == load_edition("").name
    file.write_text("2031\n", "utf-8")
    with pytest.raises(InputError, match=rf"editions/default.txt names '2031'; editions/ has: {small.name}"):
        load_edition()
    assert load_edition(small.name).name == small.name, "who names an edition needs no default"


def test_an_answer_names_its_edition_and_prices(small):
    figure = ("expenditure", "København", "botilbud", 2024)
    places = ("--raw", small.raw, "--processed", small.processed)
    named = f"edition {small.name}, prices of {load_edition(small.name).price_level}"
    commands = [("trace", *figure, *places), ("build", *places), ("diff", "nu", "nu"), ("status", *places)]
    for command in commands:
        done = noegletal(*command, NOEGLETAL_ROOT=project_root())
        assert done.returncode == 0, done.stderr
        assert named in done.stdout.replace("Edition", "edition"), command[0]


def test_status_names_a_raw_folder_that_is_not_there(small):
    done = noegletal("status", "--raw", small.raw / "nowhere", NOEGLETAL_ROOT=project_root())
    assert done.returncode == 0, done.stderr
    assert f"({small.raw / 'nowhere'} is not there: `noegletal fetch` makes it)" in done.stdout


@pytest.fixture
def section(small):
    return Section("", "", "Frederiksberg")


def test_codes_and_danish_names_mean_the_same_everywhere(section):
    code = section.read("expenditure", group="voksne", category="botilbud", area="101", years=2024)
    words = section.read("Udgifter i faste priser", group="Voksne", category="BOTILBUD", area="København", years=2024)
    pd.testing.assert_frame_equal(code, words)
    told = section.read("expenditure", group="Børn og unge", category="Støttende indsatser", years=2024)
    for spelled in ("stoettende indsatser", "STØTTENDE INDSATSER"):
        found = section.read("expenditure", group="boern og unge", category=spelled, years=2024)
        pd.testing.assert_frame_equal(found, told)
    assert section.read("expenditure", area=["Fanø", 101])["area"].unique().tolist() == ["København", "Fanø"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"indicator": "expenditur"}, "hold no indicator expenditur; they hold .*; nearest: expenditure"),
        ({"category": "botilbudd"}, "hold no category botilbudd; they hold .*; nearest: botilbud"),
        ({"group": "voksen"}, "hold no population_group voksen; .*nearest: voksne"),
        ({"area": "Købenavn"}, "area 'Købenavn' is not known; nearest names: København"),
        ({"variant": "printet"}, "hold no variant printet; .*nearest: printed_mapping"),
        ({"years": 1999}, "hold no year 1999; they hold "),
    ],
)
def test_what_is_not_there_is_said_with_the_nearest(section, asked, said):
    with pytest.raises(InputError, match=said):
        section.read(**({"indicator": "expenditure"} | asked))


@pytest.mark.parametrize("years", ["2024", 2024.0, np.int64(2024), ["2024"], [np.int64(2024)]])
def test_a_year_is_one_however_it_is_written(section, years):
    rows = section.read("expenditure", group="voksne", category="botilbud", years=years)
    assert rows["year"].tolist() == [2024]
    with pytest.raises(InputError, match="hold no year 1999; they hold "):
        section.read("expenditure", years=["2024", "1999"])


def test_a_table_that_is_no_frame_is_refused(section):
    rows = section.read("expenditure", group="voksne", category="botilbud")
    with pytest.raises(InputError, match="tabel_egen: rows are a DataFrame, not list"):
        section.table("tabel_egen", [["Botilbud"]], title="Egen", data=rows)


def test_a_section_lists_what_can_be_read(section):
    listed = section.indicators().set_index("indicator")
    assert set(listed.index) == set(section.key_figures["indicator"])
    assert listed.loc["expenditure", ["name", "unit"]].tolist() == ["Udgifter i faste priser", "kr."]
    rows = section.categories("Udgifter i faste priser")
    botilbud = rows[(rows["population_group"] == "voksne") & (rows["category"] == "botilbud")].iloc[0]
    assert botilbud[["label", "first", "last"]].tolist() == [
        "Botilbud",
        small_edition.YEARS[0],
        small_edition.YEARS[-1],
    ]
    with pytest.raises(InputError, match="nearest: expenditure"):
        section.categories("expenditur")


def test_key_figures_in_one_line(small):
    assert analysis.__all__ == ["read"]
    rows = analysis.read("expenditure", area="København", group="voksne", category="botilbud", years=2024)
    assert rows.columns[:4].tolist() == ["area", "label", "year", "shown"]
    (row,) = rows.to_dict("records")
    assert (row["area"], row["label"], row["shown"]) == (
        "København",
        "Botilbud",
        danish.with_unit(danish.number(row["value"] / 1e9, 2), "mia. kr."),
    )
    several = analysis.read("expenditure", area=["Fanø", "København"], category="botilbud", years=2024)
    assert set(several["area"]) == {"Fanø", "København"}
    home = analysis.read("recipients", category="botilbud")
    assert set(home["area_code"]) == {load_edition().home_area}


def test_a_figure_that_is_missing_is_its_symbol(small):
    figures = small.figures
    figures.loc[figures["indicator"] == "recipients", ["value", "status"]] = [float("nan"), "suppressed"]
    figures.to_parquet(small.processed / "key_figures.parquet")
    assert set(analysis.read("recipients")["shown"]) == {danish.STATUS_SYMBOLS["suppressed"]}


def test_trace_and_diff_take_the_names_too(small):
    said = []
    for words in (("expenditure", "101", "botilbud"), ("udgifter i faste priser", "københavn", "Botilbud")):
        done = noegletal("trace", *words, 2024, "--group", "Voksne", NOEGLETAL_ROOT=project_root())
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == said[1]
    done = noegletal("diff", "nu", "nu", "-i", "expenditur", NOEGLETAL_ROOT=project_root())
    assert done.returncode == 1
    assert "indicator 'expenditur' has no key figures" in done.stderr
    assert "; nearest: expenditure, " in done.stderr


def test_a_delivery_that_did_not_come_is_named(small):
    small.keep_only("REGK100", "REGK31", "FOLK1A")
    small.build()
    with pytest.raises(InputError, match="hold no indicator diagnosis_share; they hold .*; was KOMPONENT delivered, "):
        Section("", "", "København").read("diagnosis_share")
    with pytest.raises(InputError, match="HERBERG.* er ikke leveret"):
        _ = herberg.model(Section("", "", "hovedstaden")).today
