"""The printed report against key figures: carried over, compared as printed, contradictions declared."""

import csv
import json
import re
import shutil

import pandas as pd
import pytest
from conftest import REFERENCE, ROOT
from typer.testing import CliRunner

from analysis.edition import Printed, load_edition
from analysis.errors import InputError
from noegletal.cli import app
from noegletal.figures import printed
from noegletal.figures.printed import published
from noegletal.publish import site
from noegletal.review import reconcile
from noegletal.review.other_reports import other_comparisons
from noegletal.review.reconcile import compare, computed_reading, counts, open_questions
from noegletal.review.revisions import printed_changes

CARRIED = ROOT / "data" / "reference" / "published" / "noegletalsrapport_2025.csv"
OTHER_FILES = ("monitorering_2022.csv", "monitorering_2024.csv", "herberg_2026.csv")
# What we say of a printed row ourselves.
OWN_COLUMNS = {"contradicts", "notebook", "role", "what", "above", "below", "reason"}
CONTRADICTIONS = {
    "n25_fig5_growth_stoettende",
    "n25_tekst6_growth_stoettende",
    "n25_tekst_stoettende_growth_24",
    "n25_tekst_growth_samlet_land",
}


def spoiled(processed, tmp_path, **choice):
    """Key figures with one row's value raised by a tenth."""
    table = pd.read_parquet(processed / "key_figures.parquet")
    hit = pd.Series(True, index=table.index)
    for column, wanted in choice.items():
        hit &= table[column] == wanted
    assert hit.sum() == 1
    table.loc[hit, "value"] *= 1.1
    table.to_parquet(tmp_path / "key_figures.parquet")
    return tmp_path


@pytest.fixture(scope="module")
def compared(edition, processed):
    """The printed numbers against the embedded key figures."""
    return compare(edition, processed)


def test_every_printed_row_of_the_sections_is_accounted_for(edition, compared):
    results = {result.id: result for result in compared}
    assert len(results) == len(published(edition)) == 140
    assert {id_ for id_, result in results.items() if result.status == "contradicts_itself"} == CONTRADICTIONS
    assert {result.status for id_, result in results.items() if id_ not in CONTRADICTIONS} == {"match"}
    assert {result.basis for result in results.values()} == {"fitted"}, "REGK100 is reconstructed in this edition"


def test_computed_values_round_to_the_printed_ones(compared):
    for result in compared:
        if result.status == "match":
            assert abs(result.computed - result.printed) <= result.tolerance * 1.0000001


@pytest.fixture
def only(edition, monkeypatch):
    """Compares with the printed rows that a pattern chooses, and those that they name, and with no other."""

    def chosen(pattern):
        rows = published(edition)
        wanted = rows[rows["id"].str.match(pattern)]
        named = {other for cell in wanted["contradicts"] for other in cell.split(";")}
        kept = rows[rows["id"].isin({*wanted["id"], *named})]
        assert len(kept), pattern
        monkeypatch.setattr(reconcile, "published", lambda _: kept)

    return chosen


def test_a_deviation_is_found(edition, processed, tmp_path, only):
    only("n25_tabel1_aflastning")
    choice = {"indicator": "expenditure", "area_code": "hovedstaden", "category": "aflastning", "variant": "standard"}
    folder = spoiled(processed, tmp_path, year=2024, **choice)
    results = {result.id: result for result in compare(edition, folder)}
    result = results["n25_tabel1_aflastning_2024"]
    assert (result.status, result.printed) == ("deviates", 0.49)
    assert result.reason.endswith("trykt 0,49")
    assert results["n25_tabel1_aflastning_growth"].status == "deviates"
    assert results["n25_tabel1_aflastning_2020"].status == "match"


def test_a_contradiction_needs_its_counterpart_to_match(edition, processed, tmp_path, only):
    only("n25_fig5_growth")
    choice = {"indicator": "expenditure", "area_code": "hovedstaden", "category": "stoettende_indsatser"}
    folder = spoiled(processed, tmp_path, year=2024, variant="standard", **choice)
    results = {result.id: result for result in compare(edition, folder)}
    assert results["n25_fig5_growth_stoettende"].status == "deviates"


def test_genuine_figures_are_counted_apart(edition, processed, tmp_path):
    table = pd.read_parquet(processed / "key_figures.parquet")
    table["origin"] = table["origin"].mask(table["indicator"] == "expenditure", "statbank")
    table.to_parquet(tmp_path / "key_figures.parquet")
    counted = counts(compare(edition, tmp_path))
    assert counted["match"] == {"genuine": 107, "fitted": 29, "example": 0}, (
        "what rests on persons or recipients stays fitted"
    )


def test_what_is_not_there_is_not_computable(edition, processed, tmp_path):
    table = pd.read_parquet(processed / "key_figures.parquet")
    table[table["indicator"] != "expenditure_per_capita"].to_parquet(tmp_path / "key_figures.parquet")
    absent = [result for result in compare(edition, tmp_path) if result.status == "not_computable"]
    assert len(absent) == 3
    assert all("expenditure_per_capita findes ikke" in result.reason and result.computed is None for result in absent)


# What every new edition goes through before it is printed: its line in the edition file, and the file that it names.
UNPRINTED = {
    "a file that is not there": ("ny.csv", None, "there is no ny.csv in data/reference/published/ yet"),
    "a file with a header": (
        "ny.csv",
        ",".join(printed.PRINTED_COLUMNS) + "\n",
        "no printed number stands in .*ny.csv",
    ),
    "no line": (None, None, "editions/2025.yml names no printed report yet"),
    "an empty line": ("", None, "editions/2025.yml names no printed report yet"),
}


@pytest.fixture(params=UNPRINTED)
def unprinted(request, tmp_path, monkeypatch):
    """An edition in one of these states, in a project of its own, and what is said of it."""
    name, content, said = UNPRINTED[request.param]
    shutil.copytree(ROOT / "data" / "reference", tmp_path / "data" / "reference")
    if content is not None:
        (tmp_path / "data" / "reference" / "published" / name).write_text(content, encoding="utf-8")
    text = (ROOT / "editions" / "2025.yml").read_text(encoding="utf-8")
    (line,) = re.findall(rf"published: \[{CARRIED.name}, .*\]\n", text)
    (tmp_path / "editions").mkdir()
    new = "" if name is None else f"published: {name}\n"
    (tmp_path / "editions" / "2025.yml").write_text(text.replace(line, new), encoding="utf-8")
    monkeypatch.setenv("NOEGLETAL_ROOT", str(tmp_path))
    made_once = (site._reconciled, site._questions, site._other_reports)
    for page in made_once:
        page.cache_clear()
    yield load_edition("2025"), said
    for page in made_once:
        page.cache_clear()


def test_before_print_there_is_nothing_to_check(unprinted, tmp_path):
    _, said = unprinted
    arguments = ["check", "--edition", "2025", "--processed", str(tmp_path / "none")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert re.fullmatch(f"Nothing to check: {said}.*\n", result.output)
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert (result.exit_code, json.loads(result.output)) == (0, [])


def test_before_print_reports_and_differences_are_made(unprinted, processed, tmp_path):
    edition, _ = unprinted
    comparisons = compare(edition, processed)
    assert comparisons == []
    assert printed_changes(edition, comparisons, comparisons) == []
    site.publish(edition, "101", tmp_path / "report", {}, comparisons, processed, 0.0)
    page = (tmp_path / "report" / "afstemning.html").read_text(encoding="utf-8")
    assert "Der er endnu ingen tal at afstemme med." in page
    assert "<table" not in page and "på flere måder" not in page and "Trykt:" not in page
    assert "der er endnu ingen tal at afstemme med" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_what_is_said_of_the_print_is_said_of_figures_of_the_edition(edition):
    outputs = {output for plan in edition.sections for output in plan.outputs}
    assert set(edition.printed.numbers) | set(edition.printed.remarks) <= outputs
    assert edition.model_copy(update={"printed": Printed()}).printed.numbers == {}


def test_a_printed_file_without_its_columns_is_one_sentence(edition, monkeypatch, tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / CARRIED.name).write_text("id,value\nn1,5\n", encoding="utf-8")
    monkeypatch.setattr("noegletal.figures.printed.reference_folder", lambda: tmp_path)
    with pytest.raises(
        InputError, match=rf"{CARRIED.name} line 1 has no column notebook, .*contradicts; it has id, value"
    ):
        published(edition)


def test_no_region_is_the_lowest_or_highest_while_one_is_missing(edition, processed, tmp_path, only):
    only("n25_diag_0_17_region_m")
    table = pd.read_parquet(processed / "key_figures.parquet")
    hole = (table["indicator"] == "diagnosis_share") & (table["area_code"] == "082") & (table["year"] == 2024)
    table.assign(value=table["value"].mask(hole)).to_parquet(tmp_path / "key_figures.parquet")
    extremes = [result for result in compare(edition, tmp_path) if re.match("n25_diag_0_17_region_m", result.id)]
    assert [result.status for result in extremes] == ["not_computable"] * 2


def test_a_contradiction_with_an_unknown_row_is_refused(edition, monkeypatch, tmp_path):
    text = CARRIED.read_text(encoding="utf-8").replace("n25_fig4_growth_boern_land;", "n25_fig9_growth;", 1)
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / CARRIED.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr("noegletal.figures.printed.reference_folder", lambda: tmp_path)
    with pytest.raises(InputError, match="n25_fig9_growth"):
        published(edition)


def test_rows_are_carried_over_unchanged():
    source = REFERENCE / "published_figures.csv"
    if not source.is_file():
        pytest.skip(f"reference material is not beside the project: {source.name}")
    with source.open(encoding="utf-8-sig", newline="") as stream:
        original = {row["id"]: row for row in csv.DictReader(stream)}
    with CARRIED.open(encoding="utf-8", newline="") as stream:
        carried = list(csv.DictReader(stream))
    assert "quote" not in carried[0]
    # They are printed in the text, not in the figure that the transcript names.
    for name in ("n25_diag_18_autisme_indsats", "n25_diag_18_psykotisk_indsats"):
        assert original[name]["figure_or_table"] == "Figur 25"
        original[name]["figure_or_table"] = "tekst"
    for name in OTHER_FILES:
        with (CARRIED.parent / name).open(encoding="utf-8", newline="") as stream:
            carried += csv.DictReader(stream)
    assert len(carried) == 160
    for row in carried:
        for column in set(row) - OWN_COLUMNS:
            assert row[column] == original[row["id"]][column], (row["id"], column)


def test_diagnoses_are_not_computable_only_while_the_delivery_is_absent(edition, processed, tmp_path):
    table = pd.read_parquet(processed / "key_figures.parquet")
    table[~table["indicator"].str.startswith("diagnosis")].to_parquet(tmp_path / "key_figures.parquet")
    absent = {result.id for result in compare(edition, tmp_path) if result.status == "not_computable"}
    assert absent == {row for row in published(edition)["id"] if row.startswith("n25_diag")}
    assert len(absent) == 18


def test_both_readings_are_computed(edition, processed):
    table = pd.read_parquet(processed / "key_figures.parquet")
    values = {
        reading.name: computed_reading(reading, edition, table)["value"]
        for question in open_questions()
        for reading in question.readings
    }
    assert values["Uvægtet gennemsnit af børn og voksne"] == pytest.approx(13.45, abs=0.05)
    assert values["Vægtet med beløbene"] < 13
    assert values["Støttende indsatser pr. 0-22-årig, vækst"] != values["Støttende indsatser pr. 0-17-årig, vækst"]
    assert values["Netværksfamilier, efter den trykte kontoplan"] > values["Netværksfamilier, talt én gang"]
    assert values["Børn og unge, uden for afgrænsningen"] > 0
    assert not pd.isna(list(values.values())).any()
    ids = set(published(edition)["id"])
    assert all(set(question.printed) <= ids for question in open_questions())


@pytest.mark.long
def test_comparisons_are_kept_until_the_build_is_another(edition, processed, tmp_path):
    for name in ("key_figures.parquet", "build.json"):
        shutil.copy(processed / name, tmp_path)
    first = reconcile.compared(edition, tmp_path)
    kept = tmp_path / "comparisons.json"
    kept.write_text(kept.read_text(encoding="utf-8").replace("match", "deviates", 1), encoding="utf-8")
    assert reconcile.compared(edition, tmp_path) != first, "the kept ones are read"
    record = json.loads((tmp_path / "build.json").read_text(encoding="utf-8"))
    (tmp_path / "build.json").write_text(json.dumps(record | {"inputs": "others"}), encoding="utf-8")
    assert reconcile.compared(edition, tmp_path) == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build.json", "comparisons.json", "key_figures.parquet"]


def test_a_deviation_is_declared_by_id_with_its_reason(edition, processed, tmp_path, only):
    """Declared, it stands with its reason and stops nothing; one that is none any longer is told."""
    only("n25_tabel1_aflastning")
    choice = {"indicator": "expenditure", "area_code": "hovedstaden", "category": "aflastning", "variant": "standard"}
    folder = spoiled(processed, tmp_path, year=2024, **choice)
    reasons = {"n25_tabel1_aflastning_2024": "revideret af kommunen", "n25_tabel1_aflastning_2020": "revideret"}
    declared = edition.model_copy(update={"printed": Printed(deviations=reasons)})
    results = compare(declared, folder)
    assert next(result.reason for result in results if result.id == "n25_tabel1_aflastning_2024").endswith(
        "trykt 0,49; revideret af kommunen"
    )
    assert reconcile.undeclared_deviations(declared, results) == ["n25_tabel1_aflastning_growth"]
    (told,) = reconcile.deviations_gone(declared, results)
    assert told.startswith("n25_tabel1_aflastning_2020 is declared under printed.deviations in editions/2025.yml, but")


def test_a_declared_deviation_of_an_unknown_id_is_refused(edition):
    with pytest.raises(InputError, match="printed.deviations names 'n25_unknown', which is not an id of"):
        published(edition.model_copy(update={"printed": Printed(deviations={"n25_unknown": "x"})}))


# Other printed reports


@pytest.fixture(scope="module")
def others(edition, processed):
    """The numbers of other printed reports beside ours, by id."""
    return {one.id: one for one in other_comparisons(edition, processed)}


def test_anchors_agree_and_other_definitions_stand_with_their_reason(edition, others, compared):
    assert edition.published == [CARRIED.name, *OTHER_FILES]
    anchors = [one for one in others.values() if one.role == "anchor"]
    assert len(anchors) == 10 and all(one.agrees for one in anchors), [one.id for one in anchors if not one.agrees]
    rows = printed.printed_elsewhere(edition).set_index("id")
    assert len(others) == len(rows) == 20
    assert (rows.loc[rows["role"] == "other_definition", "reason"] != "").all()
    assert not set(others) & {one.id for one in compared}, "they are no part of the check"
    assert others["m24_underretninger_2023"].computed > 110, "of another source, and not fitted"
    assert {one.origin for one in others.values()} == {"reconstruction"}


def test_hovedstaden_is_below_the_country_as_printed(edition, processed, others):
    """Kr. per 18-66, whole functions, 2021 in 2022-pl: 10.157 in the country, 11,8 mia. kr. over 1,211 mio. persons."""
    assert others["m22_fig3_land_pr_18_66"].computed == pytest.approx(10157, abs=0.5)
    table = pd.read_parquet(processed / "key_figures.parquet")
    rows = table[(table["area_code"] == "hovedstaden") & (table["year"] == 2021) & (table["variant"] == "standard")]
    people = rows[(rows["indicator"] == "population") & (rows["category"] == "18-66")]["value"].item()
    assert 1e9 * others["m22_udgift_voksne_2021"].computed / people == pytest.approx(9756, abs=1)
    per_head = table[(table["indicator"] == "expenditure_per_capita") & (table["population_group"] == "voksne")]
    per_head = per_head[(per_head["category"] == "i_alt") & (per_head["variant"] == "standard")]
    values = per_head.pivot(index="year", columns="area_code", values="value")
    assert (values["hovedstaden"] < values["000"]).all()


def with_index(processed, folder):
    """The folder with the price index of a build beside its key figures."""
    (folder / "facts").mkdir()
    shutil.copy(processed / "facts" / "price_index.parquet", folder / "facts")
    return folder


def test_an_anchor_that_the_figures_leave_is_seen(edition, processed, tmp_path):
    choice = {"indicator": "expenditure", "area_code": "hovedstaden", "category": "i_alt", "population_group": "voksne"}
    folder = with_index(processed, spoiled(processed, tmp_path, year=2021, variant="standard", **choice))
    left = {one.id for one in other_comparisons(edition, folder) if one.role == "anchor" and not one.agrees}
    assert left == {"m22_udgift_voksne_2021", "m22_ops_v_growth_2020_2021"}


def test_what_the_edition_lacks_is_not_compared_with_another_report(edition, processed, tmp_path):
    table = pd.read_parquet(processed / "key_figures.parquet")
    table[table["indicator"] != "placements"].to_parquet(tmp_path / "key_figures.parquet")
    folder = with_index(processed, tmp_path)
    absent = {one.id for one in other_comparisons(edition, folder) if one.computed is None}
    assert absent == {"m22_fig26_land", "m24_modtagere_2023", "m24_andel_anbragt"}


def test_nothing_is_computed_over_zero(edition, processed, tmp_path):
    table = pd.read_parquet(processed / "key_figures.parquet")
    table["value"] = table["value"].mask((table["year"] == 2020) | (table["indicator"] == "population"), 0.0)
    table.to_parquet(tmp_path / "key_figures.parquet")
    absent = {one.id for one in other_comparisons(edition, with_index(processed, tmp_path)) if one.computed is None}
    assert {"m22_ops_v_growth_2020_2021", "m22_fig3_land_pr_18_66", "m22_fig22_forebyggende_vs_land"} <= absent
    assert "m22_udgift_voksne_2021" not in absent


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (",anchor,", ",anker,", "m22_udgift_samlet_2021: role 'anker' is not one of anchor, other_definition"),
        ("Her i rapportens afgrænsning.", "", ""),
        (",placements/anbringelser,", ",placements of anbringelser,", "m22_fig26_land: above 'placements of"),
        ("Unikke anbragte den 31. december efter KL's særudtræk med forskeradgang; her ANBAAR12.", "", "has no reason"),
    ],
)
def test_a_wrong_row_of_another_report_is_named(edition, processed, monkeypatch, tmp_path, right, wrong, said):
    (tmp_path / "published").mkdir()
    for path in CARRIED.parent.glob("*.*"):
        text = path.read_text(encoding="utf-8")
        if path.name == "monitorering_2022.csv":
            assert right in text
            text = text.replace(right, wrong, 1)
        (tmp_path / "published" / path.name).write_text(text, encoding="utf-8")
    monkeypatch.setattr("noegletal.figures.printed.reference_folder", lambda: tmp_path)
    if said:
        with pytest.raises(InputError, match=said):
            other_comparisons(edition, processed)
    else:
        assert other_comparisons(edition, processed), "an anchor needs no reason"


def test_other_reports_stand_under_a_heading_of_their_own(edition, processed):
    site._other_reports.cache_clear()
    path = processed / "key_figures.parquet"
    rows = {row["id"]: row for row in site._other_reports(edition.name, path, path.stat().st_mtime_ns)}
    country = rows["m22_fig3_land_pr_18_66"]
    assert (country["report"], country["printed"], country["unit"]) == ("Monitorering 2022", "10.157", "kr., 2022-pl")
    assert (country["computed"], country["difference"], country["status_name"]) == ("10.157", "0", "stemmer")
    placed = rows["m24_andel_anbragt"]
    assert placed["place"] == "Monitoreringsrapport socialområdet - børn og unge", (
        "its number on the agenda is no figure"
    )
    assert placed["status_name"] == "anden opgørelse" and "omkring 3.100 anbragte" in placed["reason"]
    assert all(row["what"].endswith(("hovedstaden", "Hele landet", "Hovedstaden")) for row in rows.values())


def test_check_counts_other_reports_apart(processed):
    result = CliRunner().invoke(app, ["check", "--edition", "2025", "--processed", str(processed)])
    assert result.exit_code == 0, result.output
    assert "other reports: 10 of 10 of the same definition agree, 10 are of another" in result.output
    assert "match: 0 genuine, 136 fitted" in result.output
