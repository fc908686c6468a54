"""Two vintages of the data: what differs, in which order, and what of the report it reaches."""

import gzip
import hashlib
import json
import os
import shutil

import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT, noegletal, rewrite_raw

from analysis import measures
from analysis.edition import ROOT_VARIABLE, load_edition
from analysis.errors import InputError
from analysis.tables import coded, with_labels
from noegletal.publish.manifest import PAGES, published_sections
from noegletal.publish.site import publish
from noegletal.review.affected import affected_outputs, sections_to_rerun
from noegletal.review.reconcile import compare
from noegletal.review.revisions import NotCompared, compare_vintages, differences, since_earlier, table_changes
from noegletal.review.vintage_figures import find_vintage, kept_vintages, same_files

EARLIER = "2026-11-20"
ADDED = 30_000
ACCOUNT = "101;52821;1;1;5;TOT;LOBM;2024;"


def altered(lines, start, value):
    """The lines with another figure in the one that begins with `start`; None takes the line away."""
    assert sum(line.startswith(start) for line in lines) == 1, start
    changed = [start + value if value and line.startswith(start) else line for line in lines]
    return [line for line in changed if value or not line.startswith(start)]


@pytest.fixture(scope="session")
def project(processed, tmp_path_factory):
    """A project whose raw folder differs from its one kept vintage, the embedded data, in ways that are known.

    REGK100 has 30 mio. kr. more in one account and a row less, one rate is missing, and UND1 has no last year.
    """
    root = tmp_path_factory.mktemp("project")
    for folder in ("editions", "data/reference", "data/raw/2025"):
        shutil.copytree(ROOT / folder, root / folder)
    shutil.copytree(ROOT / "data" / "raw" / "2025", root / "data" / "vintages" / "2025" / EARLIER)
    shutil.copytree(processed, root / "data" / "processed" / "2025" / "vintages" / EARLIER)
    raw = root / "data" / "raw" / "2025"
    old = next(line for line in lines_of(raw, "REGK100") if line.startswith(ACCOUNT)).rsplit(";", 1)[1]
    gone = next(line for line in lines_of(raw, "REGK100") if line.startswith("101;53") and ";2020;" in line)
    rewrite_raw(
        raw, "REGK100",
        lambda lines: altered(
            altered(lines, ACCOUNT, str(int(old) + ADDED)), gone.rsplit(";", 1)[0] + ";", None
        ),
    )  # fmt: skip
    rewrite_raw(raw, "UND2_PR_1000", lambda lines: [
        line.rsplit(";", 1)[0] + ";.." if line.startswith("147;") and ";2025;" in line else line for line in lines
    ])  # fmt: skip
    rewrite_raw(raw, "UND1", lambda lines: [line for line in lines if line.split(";")[-2] != "2024"])
    return root


def lines_of(folder, stem):
    return gzip.decompress((folder / f"{stem}.csv.gz").read_bytes()).decode("utf-8").splitlines()


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(project))
    return project


@pytest.fixture(scope="session")
def revisions(project):
    before = os.environ.get(ROOT_VARIABLE)
    os.environ[ROOT_VARIABLE] = str(project)
    try:
        edition = load_edition("2025")
        return compare_vintages(edition, find_vintage(EARLIER, edition), find_vintage("nu", edition))
    finally:
        os.environ.pop(ROOT_VARIABLE)
        if before is not None:
            os.environ[ROOT_VARIABLE] = before


def asked(*arguments):
    done = noegletal(*arguments)
    return done.returncode, done.stdout, done.stderr


def rows_of(frame, **choice):
    for column, wanted in choice.items():
        frame = frame[frame[column] == wanted]
    return frame


@pytest.mark.long
def test_raw_rows_are_counted_by_what_happened_to_them(revisions):
    found = {table.table: table for table in revisions.tables if not table.same}
    assert set(found) == {"REGK100", "UND1", "UND2_PR_1000"}
    counts = {name: (one.rows_added, one.rows_removed, one.rows_changed) for name, one in found.items()}
    assert counts["REGK100"] == (0, 1, 1)
    assert counts["UND2_PR_1000"] == (0, 0, 1)
    assert counts["UND1"][0] == counts["UND1"][2] == 0
    assert counts["UND1"][1] > 90


@pytest.mark.long
def test_a_workbook_and_a_table_that_came_have_their_counts_or_none(here, tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        for name in ("KOMPONENT.xlsx", "KOMPONENT.yml"):
            shutil.copy(ROOT / "data" / "raw" / "2025" / name, folder / name)
    for name in ("BU43.csv.gz", "BU43.yml"):
        shutil.copy(ROOT / "data" / "raw" / "2025" / name, folders[1] / name)
    sidecar = folders[1] / "KOMPONENT.yml"
    workbook = folders[1] / "KOMPONENT.xlsx"
    workbook.write_bytes(workbook.read_bytes() + b"\0")
    with pytest.raises(InputError, match=r"KOMPONENT\.xlsx is not the file that KOMPONENT\.yml describes"):
        table_changes(*folders)
    described(sidecar, workbook)
    came, delivered = table_changes(*folders)
    assert (came.table, came.rows_added, came.rows_removed) == ("BU43", len(lines_of(folders[1], "BU43")) - 1, 0)
    assert (delivered.same, delivered.rows_changed) == (False, None)


def described(sidecar, path):
    facts = yaml.safe_load(sidecar.read_text(encoding="utf-8"))
    facts |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    sidecar.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8")


@pytest.mark.long
def test_a_revised_account_reaches_the_sums_and_rates_it_is_part_of(revisions, key_figures):
    choice = {"category": "aflastning", "year": 2024, "variant": "standard"}
    rows = rows_of(revisions.changes, indicator="expenditure", kind="revised", **choice).set_index("area_code")
    assert set(rows.index) == {"101", "084", "hovedstaden", "000"}
    assert rows["change"].tolist() == pytest.approx([ADDED * 1000.0] * 4)
    before = rows_of(key_figures, indicator="expenditure", area_code="101", **choice)["value"].item()
    assert rows.loc["101", "change_pct"] == pytest.approx(ADDED * 1000 / before * 100)
    people = rows_of(
        key_figures, indicator="population", area_code="101", category="0-22", year=2024, variant="standard"
    )["value"].item()
    rate = rows_of(revisions.changes, indicator="expenditure_per_capita", area_code="101", **choice)
    assert rate["change"].item() == pytest.approx(ADDED * 1000 / people)


@pytest.mark.long
def test_new_years_stand_apart_from_revised_values(here, revisions):
    kinds = revisions.changes.groupby("indicator")["kind"].agg(set)
    assert kinds["notifications"] == {"gone_year"}
    assert kinds["children_notified_per_1000"] == {"revised", "disappeared"}
    edition = load_edition("2025")
    back = differences(revisions.after_figures, revisions.before_figures)
    years = rows_of(back, indicator="notifications")
    assert set(years["kind"]) == {"new_year"}
    assert set(years["year"]) == {2024}
    assert revisions.after.plan.tables["UND1"].years.last == 2023
    assert revisions.before.plan == edition


@pytest.mark.long
def test_a_value_that_becomes_missing_is_no_revision_of_its_own(revisions):
    row = rows_of(revisions.changes, kind="disappeared").iloc[0]
    assert (row["indicator"], row["area_code"], row["year"]) == ("children_notified_per_1000", "147", 2025)
    assert row["value_before"] > 0
    assert pd.isna(row["value_after"])
    assert row["status_after"] == "missing"
    assert pd.isna(row["change"])


@pytest.mark.long
def test_largest_effects_come_first(revisions):
    changes = revisions.changes
    largest = changes.assign(pct=changes["change_pct"].abs()).groupby("indicator", sort=False)["pct"].max().fillna(-1)
    assert largest.tolist() == sorted(largest, reverse=True)
    amounts = rows_of(changes, indicator="expenditure", kind="revised")["change"].abs().round(2)
    assert amounts.tolist() == sorted(amounts, reverse=True)
    rates = rows_of(changes, indicator="expenditure_per_capita", kind="revised")["change_pct"].abs().round(6)
    assert rates.tolist() == sorted(rates, reverse=True)
    first = rows_of(changes, indicator="expenditure", kind="revised").iloc[0]
    assert (first["area_code"], first["variant"]) == ("000", "standard"), "sums of the same effect come first"


def frame(**values):
    rows = pd.DataFrame(
        [(area, value, status) for area, (value, status) in values.items()], columns=["area_code", "value", "status"]
    )
    facts = {"indicator": "diagnosis_share", "population_group": "voksne", "category": "i_alt", "year": 2024}
    return rows.assign(variant="standard", unit="pct", origin="delivery", note="", **facts)


def test_the_kinds_of_difference():
    missing, suppressed = (float("nan"), "missing"), (float("nan"), "suppressed")
    before = frame(
        a081=(10.0, "final"), a082=missing, a083=(3.0, "final"), a084=(0.0, "final"), a085=suppressed,
        a000=(5.0, "provisional"), a101=(4.0, "final"), a147=(1.0, "final"), a151=suppressed, a153=(0.1 + 0.2, "final"),
    )  # fmt: skip
    after = frame(
        a081=(9.0, "final"), a082=(2.0, "final"), a083=missing, a084=(1.0, "final"), a085=(7.0, "final"),
        a000=(5.0, "final"), a101=suppressed, a155=(1.0, "final"), a151=suppressed, a153=(0.3, "final"),
    )  # fmt: skip
    tables = [table.assign(area_code=table["area_code"].str[1:]) for table in (before, after)]
    found = differences(*tables).set_index("area_code")
    assert found["kind"].to_dict() == {
        "084": "revised", "081": "revised", "082": "appeared", "083": "disappeared", "000": "status", "085": "status",
        "101": "status", "155": "new", "147": "gone",
    }  # fmt: skip
    assert list(found.index[:2]) == ["084", "081"], "what was zero has grown more than anything else"
    hidden = found.loc[["085", "101"], ["value_before", "value_after", "change"]]
    assert hidden.isna().all(axis=None), "the other vintage's figure would give the suppressed one away"
    later = differences(tables[0], tables[1].assign(year=2025))
    assert later.groupby("year")["kind"].agg(set).to_dict() == {2024: {"gone_year"}, 2025: {"new_year"}}


@pytest.mark.long
def test_printed_numbers_that_would_change_are_named(revisions):
    printed = {row.id: row for row in revisions.printed}
    row = printed["n25_tabel1_aflastning_2024"]
    assert (row.status_before, row.status_after) == ("match", "deviates")
    assert row.computed_after - row.computed_before == pytest.approx(ADDED / 1e6)
    assert printed["n25_tekst_underretninger_growth"].status_after == "not_computable"
    assert "n25_tabel1_aflastning_2020" not in printed


@pytest.fixture(scope="session")
def report(project, revisions):
    """A report of København as the earlier vintage gave it: two figures of levels, one of growth, two others."""
    folder = project / "reports" / "2025" / "koebenhavn"
    (folder / "data").mkdir(parents=True)
    own = rows_of(revisions.before_figures, indicator="expenditure", area_code="101", variant="standard")
    support = own[own["category"].isin(["aflastning", "familiebehandling"])]
    outputs = {
        "figur_niveau": support,
        "figur_vaekst": measures.growth(support, 2020, 2024),
        "figur_urørt": rows_of(revisions.before_figures, indicator="placements", area_code="101"),
        "figur_ukendt": support.assign(value=support["value"] + 17.0, unit="pct"),
        "tabel_kilder": pd.DataFrame({"table": ["REGK100"], "sha256": ["x"]}),
    }
    for name, rows in outputs.items():
        content = coded(with_labels(rows) if "indicator" in rows.columns else rows)
        (folder / "data" / f"{name}.parquet").write_bytes(content)
    facts = [{"output": name, "number": "", "title": f"Om <{name}>", "origin": ""} for name in outputs]
    sections = {
        "01_udgifter": {"title": "Udgifter", "outputs": [facts[0], facts[1], facts[3]]},
        "03_anbringelser_og_modtagere": {"title": "Anbringelser", "outputs": [facts[2]]},
        "00_datagrundlag": {"title": "Datagrundlag", "outputs": [facts[4]]},
    }
    (folder / "manifest.json").write_text(json.dumps({"sections": sections}), encoding="utf-8")
    return folder


@pytest.mark.long
def test_figures_that_would_change_are_named(revisions, report):
    found = affected_outputs(revisions, report, published_sections(report), "København")
    effects = {output.output: (output.effect, output.figures) for output in found}
    assert effects == {
        "figur_niveau": ("changes", 1),
        "figur_vaekst": ("changes", 1),
        "figur_ukendt": ("may_change", 0),
        "tabel_kilder": ("may_change", 0),
    }
    assert list(sections_to_rerun(found)) == ["01_udgifter", "00_datagrundlag"]


@pytest.mark.long
def test_a_file_that_is_none_of_the_reports_is_named(revisions, report, tmp_path):
    shutil.copytree(report, tmp_path / "report")
    (tmp_path / "report" / "data" / "figur_niveau.parquet").write_bytes(b"\xff\xfe;\n")
    with pytest.raises(InputError, match=r"figur_niveau\.parquet is not of the report"):
        affected_outputs(revisions, tmp_path / "report", published_sections(report), "København")


@pytest.mark.long
def test_command_prints_tables_json_and_a_page(here, report, tmp_path):
    page = tmp_path / "aendringer.html"
    code, out, err = asked("diff", EARLIER, "nu", "-e", "2025", "-a", "København", "--html", page, "-n", "2")
    assert (code, err) == (0, "")
    for text in ("REGK100", "notifications", "aflastning", "n25_tabel1_aflastning_2024"):
        assert text in out
    assert "Sections to run again: 01_udgifter, 00_datagrundlag" in out
    found = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    assert found.html["lang"] == "da"
    assert not found.find_all(["script", "a"], href=lambda link: link != "#indhold")
    assert "+30.000.000" in found.text.replace("\u00a0", " ")
    assert "Om <figur_niveau>" in found.text, "titles are escaped"

    code, out, err = asked("diff", EARLIER, "nu", "-e", "2025", "--json", "-i", "expenditure", "-a", "101", "-n", "3")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert set(answer) == {
        "edition", "before", "after", "tables", "years", "indicators", "areas", "changes", "printed", "reports",
        "outputs", "rerun",
    }  # fmt: skip
    assert answer["before"]["name"] == EARLIER
    assert set(answer["changes"][0]) == {
        "indicator", "area_code", "population_group", "category", "year", "variant", "kind", "unit", "value_before",
        "value_after", "change", "change_pct", "status_before", "status_after", "origin_before", "origin_after",
    }  # fmt: skip
    assert answer["years"] == [
        {"indicator": name, "new": [], "gone": [2024]} for name in ("notifications", "notifications_per_1000")
    ]
    assert answer["reports"] == ["København"]
    assert [(row["indicator"], row["area_code"]) for row in answer["changes"]] == [("expenditure", "101")] * 3


@pytest.mark.long
def test_nothing_differs_from_a_copy(here, tmp_path):
    shutil.copytree(here / "data" / "raw" / "2025", tmp_path / "copy")
    code, out, err = asked("diff", "nu", tmp_path / "copy", "-e", "2025")
    assert (code, err) == (0, "")
    assert out.strip() == "No differences between nu and copy (edition 2025, prices of 2024)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2026-01-01", "nu"], f"vintage '2026-01-01' of edition 2025 is not known; there are: nu, {EARLIER}"),
        ([EARLIER, "nu", "-i", "udgift"], "indicator 'udgift' has no key figures; these have: expenditure_current,"),
        ([EARLIER, "nu", "-a", "Købehavn"], "area 'Købehavn' is not known; nearest names: København"),
    ],
)
@pytest.mark.long
def test_what_is_not_known_is_one_line_and_exit_1(here, arguments, message):
    code, out, err = asked("diff", *arguments, "-e", "2025")
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.long
def test_another_edition_is_compared_in_the_same_prices(here):
    """A shorter edition of the same data, in the prices of another year: only its last year is missing."""
    plan = yaml.safe_load((here / "editions" / "2025.yml").read_text(encoding="utf-8"))
    plan |= {"title": "Nøgletalsrapport 2024", "period": {"first": 2020, "last": 2023}, "price_level": 2023}
    (here / "editions" / "2024.yml").write_text(yaml.safe_dump(plan, allow_unicode=True), encoding="utf-8")
    shutil.copytree(here / "data" / "raw" / "2025", here / "data" / "raw" / "2024")
    try:
        code, out, err = asked("diff", "2024", "nu", "-e", "2025", "--json")
    finally:
        (here / "editions" / "2024.yml").unlink()
    assert (code, err) == (0, "")
    answer = json.loads(out)
    years = {entry["indicator"]: entry["new"] for entry in answer["years"]}
    assert years["expenditure"] == years["population"] == [2024]
    assert {row["kind"] for row in answer["changes"] if row["indicator"] == "expenditure"} == {"new_year"}


def test_vintages_are_found_in_order_and_by_their_files(tmp_path):
    for name in ("2026-11-20-10", "2026-11-20-2", "2026-11-20", "2026-02-01", ".new-x", "notes"):
        (tmp_path / name).mkdir()
    names = [path.name for path in kept_vintages(tmp_path)]
    assert names == ["2026-02-01", "2026-11-20", "2026-11-20-2", "2026-11-20-10"]
    assert kept_vintages(tmp_path / "none") == []


@pytest.mark.long
def test_the_page_of_the_report_says_what_it_compares_with(here, revisions, tmp_path):
    edition, raw = load_edition("2025"), here / "data" / "raw" / "2025"
    processed = here / "data" / "processed" / "2025" / "vintages" / "nu"
    assert not same_files(raw, here / "data" / "vintages" / "2025" / EARLIER)
    folder = tmp_path / "report"
    comparisons = compare(edition, processed)
    publish(edition, "101", folder, {}, comparisons, processed, 0.0, revisions)
    page = BeautifulSoup((folder / "aendringer.html").read_text(encoding="utf-8"), "html.parser")
    assert len(page.find_all("h1")) == 1
    assert all(table.find("th", scope="col") for table in page.find_all("table"))
    assert page.find("a", href="index.html")
    assert "Ændringer i data</a> siden" in (folder / "index.html").read_text(encoding="utf-8")
    assert "aendringer.html" in PAGES
    assert (folder / "aendringer.html").is_file()

    (here / "data" / "vintages" / "2025" / EARLIER / "BU43.csv.gz").rename(tmp_path / "BU43.csv.gz")
    try:
        unread = since_earlier(edition, raw, processed)
    finally:
        (tmp_path / "BU43.csv.gz").rename(here / "data" / "vintages" / "2025" / EARLIER / "BU43.csv.gz")
    assert isinstance(unread, NotCompared)
    publish(edition, "101", folder, {}, comparisons, processed, 0.0, unread)
    assert "BU43.yml has no data file" in (folder / "aendringer.html").read_text(encoding="utf-8")

    publish(edition, "101", folder, {}, comparisons, processed, 0.0, None)
    assert "ingen tidligere udgave af data" in (folder / "aendringer.html").read_text(encoding="utf-8")
    assert "Ændringer i data</a> siden" not in (folder / "index.html").read_text(encoding="utf-8")
