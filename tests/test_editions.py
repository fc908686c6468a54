"""A new report year: its file from the last one's, decisions that make it provisional, and what is refused."""

import json
import shutil

import openpyxl
import pytest
import yaml
from artefacts import ROOT
from bs4 import BeautifulSoup
from conftest import noegletal
from pptx import Presentation
from small_edition import NAME, forget, looking_at
from test_pdf import texts_of_pages

from analysis.danish import held
from analysis.edition import decision_list, editions, load_edition
from analysis.errors import InputError
from analysis.prices import deflators
from noegletal.editions import new_edition, price_row
from noegletal.figures.freshness import build_inputs, common_inputs
from noegletal.publish import section_pages
from noegletal.publish.datapackage import write_datapackage
from noegletal.publish.pdf import write_pdf
from noegletal.publish.site import publish
from noegletal.publish.slides import write_slides
from noegletal.publish.workbook import write_workbook
from noegletal.runner.plan import stale_package

DECIDED = {"decided": "2,1 pct. fra NGLK", "date": "2026-09-01", "by": "styregruppen"}
OPEN_TEXTS = {"skriv": "<script>alert(1)</script>", "formel": "=1+1 og 12,5 mia. kr."}
NOTICE = f"Foreløbig. Der mangler endnu {'; '.join(OPEN_TEXTS.values())}."
SECTION = {"section": {"failed": ""}, "page_marks": [], "previous": "", "following": ""}


def declared(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def listing(small):
    return {path.name: path.read_bytes() for path in small.file.parent.iterdir()}


def test_a_new_year_is_last_years_file_moved_by_one_year(tmp_path):
    (tmp_path / "editions").mkdir()
    shutil.copy(ROOT / "editions" / "2025.yml", tmp_path / "editions")
    (tmp_path / "data").symlink_to(ROOT / "data")
    with looking_at(tmp_path):
        made = new_edition("2026", "2025")
        text, plan = made.read_text(encoding="utf-8"), load_edition("2026")
    old, new = declared(ROOT / "editions" / "2025.yml"), declared(made)
    assert (plan.title, plan.price_level) == ("Nøgletalsrapport 2026", old["price_level"] + 1)
    for run, before in [(new["period"], old["period"])] + [
        (new["tables"][name]["years"], table["years"]) for name, table in old["tables"].items()
    ]:
        assert run == {end: year + 1 for end, year in before.items()}
    assert list(new["tables"]) == list(old["tables"])
    for name in ("sections", "disclosure", "comparison_areas", "home_area", "price_index", "coverage"):
        assert new[name] == old[name]
    assert "printed" not in new and "published" not in new and plan.published is None
    assert new["decisions"] == dict.fromkeys(decision_list(), "open")
    assert text.startswith("# Nøgletalsrapport 2026: accounts 2021-2025, prices of 2025.\ntitle: ")
    assert "# Raw tables in data/raw/2026 and the years" in text and "# A section gets only what it reads" in text
    assert "printed report" not in text, "a comment on what was left out is left out with it"


def test_the_command_writes_it_and_says_what_is_left_to_do(small):
    result = noegletal("edition", "new", "2025", NOEGLETAL_ROOT=small.root)
    assert result.returncode == 0, result.stderr
    plan = load_edition("2025")
    assert plan.title == "Lille udgave 2025" and plan.period.all == [2023, 2024, 2025]
    assert plan.open_decisions == decision_list() and plan.provisional.startswith("Foreløbig. Der mangler endnu ")
    for said in ("pl_service 2025: 1.164719 (assumed)", "noegletal fetch --edition 2025", *decision_list()):
        assert said in result.stdout
    # From that one the next: its answers are not taken for those of the new year.
    small.file.with_name("2025.yml").write_text(
        small.file.with_name("2025.yml").read_text("utf-8").replace("prisindeks: open", f"prisindeks: {DECIDED}"),
        "utf-8",
    )
    new_edition("2026", "2025")
    assert list(load_edition("2026").open_decisions) == list(decision_list())
    assert editions() == [NAME, "2025", "2026"]


def test_an_edition_that_is_only_begun_is_not_what_is_shown_unless_asked_for(small):
    new_edition("2025", NAME)
    done = noegletal("trace", "expenditure", "hovedstaden", "aflastning", NAME, NOEGLETAL_ROOT=small.root)
    assert done.returncode == 0, done.stderr
    assert f"edition {NAME}" in done.stdout, "the default edition is that of editions/default.txt"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([NAME], f"editions/{NAME}.yml exists already; it is left as it is"),
        (["tyve25"], "edition 'tyve25' is not a year such as 2026"),
        (["../2025"], "edition '../2025' is not a year"),
        (["2023"], "editions/ has none before 2023; name another with --from"),
        (["2025", "--from", "2019"], "edition '2019' does not exist; editions/ has: 2024"),
        (["2025", "--from", "forrige"], "edition 'forrige' is not a year"),
    ],
)
def test_what_cannot_be_a_new_year_is_one_sentence_and_nothing_is_written(small, arguments, said):
    before = listing(small)
    result = noegletal("edition", "new", *arguments, NOEGLETAL_ROOT=small.root)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {said}") and result.stderr.count("\n") == 1
    assert listing(small) == before


def test_a_year_that_exists_under_another_ending_is_taken(small):
    twin = small.file.with_name("2025.yaml")
    twin.write_text("title: x\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"editions/2025\.yaml exists already"):
        new_edition("2025", NAME)
    twin.rename(small.file.with_name(f"{NAME}.yaml"))
    with pytest.raises(InputError, match=rf"editions/ has {NAME}\.yml and {NAME}\.yaml; only the first is read"):
        load_edition(NAME)


def test_two_editions_of_one_title_are_refused(small):
    new_edition("2025", NAME)
    path = small.file.with_name("2025.yml")
    path.write_text(path.read_text("utf-8").replace("Lille udgave 2025", '"Lille udgave"'), encoding="utf-8")
    with pytest.raises(InputError, match=rf"editions/2025\.yml and editions/{NAME}\.yml have the same title"):
        load_edition("2025")


def test_a_price_index_without_the_year_is_said_first_and_refused_by_the_build(small):
    small.declare("price_index.csv", lambda text: "".join(text.splitlines(True)[:7]))
    forget()
    last = int(small.reference.joinpath("price_index.csv").read_text("utf-8").splitlines()[-1].split(",")[1])
    assert last == 2023
    assert price_row(small.edition).endswith("2024: missing; add pl_service,2024,<value>,published,<source>,<reason>")
    before = (small.processed / "key_figures.parquet").read_bytes()
    with pytest.raises(InputError, match=r"tables\.REGK31\.years holds 2024, a year that price_index\.csv does"):
        small.build()
    assert (small.processed / "key_figures.parquet").read_bytes() == before
    tables = declared(small.file)["tables"]
    del tables["REGK31"]
    small.declare_edition(tables=tables)
    with pytest.raises(InputError, match=r"^price_index\.csv: index 'pl_service' lacks 2024; add"):
        deflators(small.edition)


def test_a_period_beyond_its_tables_is_refused(small):
    small.declare_edition(period={"first": 2022, "last": 2025})
    with pytest.raises(
        InputError, match=r"tables\.FOLK1A\.years must hold the period|tables\.REGK100\.years must hold"
    ):
        small.build()


def test_decisions_that_are_open_make_it_provisional_and_those_answered_do_not(small):
    assert small.edition.open_decisions == {} and small.edition.provisional == ""
    names = list(decision_list())
    small.declare_edition(decisions={names[0]: DECIDED, names[1]: "open"})
    # What the edition does not name is open.
    assert list(small.edition.open_decisions) == names[1:]
    assert decision_list()[names[1]].text in small.edition.provisional
    assert decision_list()[names[0]].text not in small.edition.provisional
    small.declare_edition(decisions=dict.fromkeys(names, DECIDED))
    assert small.edition.provisional == ""


@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        ({"prisindex": "open"}, "decisions has 'prisindex', which is not in decisions.yml; it has: prisindeks"),
        ({"prisindeks": "ja"}, "decisions.prisindeks.open: Input should be 'open'"),
        ({"prisindeks": {"decided": "ja", "by": "NN"}}, "decisions.prisindeks.decided.date: Field required"),
        (
            {"prisindeks": DECIDED | {"date": "i går"}},
            "decisions.prisindeks.decided.date: Input should be a valid date",
        ),
    ],
)
def test_an_answer_that_is_none_is_refused(small, decisions, said):
    small.declare_edition(decisions=decisions)
    with pytest.raises(InputError) as refused:
        load_edition(NAME)
    assert said in str(refused.value) and f"editions/{NAME}.yml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "prisindeks: {text: '', who: NN}\n",
            "decisions.yml: prisindeks.text: String should have at least 1 character",
        ),
        ("prisindeks: {text: er bekræftet}\n", "decisions.yml: prisindeks.who: Field required"),
        ("- prisindeks\n", "decisions.yml: file: Input should be a valid dictionary"),
    ],
)
def test_a_list_of_decisions_that_is_none_is_refused(small, text, said):
    small.declare_edition(decisions={"prisindeks": "open"})
    small.declare("decisions.yml", lambda _: text)
    with pytest.raises(InputError, match=rf"^{said}"):
        load_edition(NAME)


@pytest.fixture
def hostile(small):
    """The small edition with two open decisions, one of which means harm."""
    texts = "".join(f"{name}:\n  text: '{text}'\n  who: NN\n" for name, text in OPEN_TEXTS.items())
    small.declare("decisions.yml", lambda _: f"{texts}afgjort:\n  text: er afgjort\n  who: NN\n")
    small.declare_edition(decisions={"afgjort": DECIDED})
    return small


def test_the_pages_the_deck_the_workbook_and_the_package_say_that_they_are_provisional(hostile, tmp_path):
    plan, folder = hostile.edition, tmp_path / "out" / NAME / "region-hovedstaden"
    publish(plan, "084", folder, {}, [], hostile.processed, 0.0)
    section_pages.write(folder / "01_a.html", "", title="A", **SECTION, edition=plan, area="X", sections={}, made="")
    for name in ("index.html", "01_a.html", "datakvalitet.html", "soeg.html"):
        text = (folder / name).read_text(encoding="utf-8")
        page = BeautifulSoup(text, "html.parser")
        assert [notice.text for notice in page.select("main > .provisional")] == [held(NOTICE)], name
        assert "<script>alert" not in text
    assert not [script for script in page.find_all("script") if "alert" in script.text]
    cover = Presentation(write_slides(folder, plan, "084", {}, hostile.processed)).slides[0]
    assert NOTICE in [shape.text_frame.text for shape in cover.shapes if shape.has_text_frame]
    sheet = openpyxl.load_workbook(write_workbook(folder, plan, "084", {}, hostile.processed)).worksheets[0]
    assert (sheet["A2"].value, sheet["A2"].data_type) == (NOTICE, "s")
    package = write_datapackage(plan, hostile.processed, tmp_path / "out")
    assert json.loads(package.read_text(encoding="utf-8"))["description"].endswith(NOTICE)
    assert not stale_package(plan, tmp_path / "out", hostile.processed)
    # An answer makes the package anew; once all are given, nothing says it any longer.
    hostile.declare_edition(decisions=dict.fromkeys(decision_list(), DECIDED))
    assert stale_package(hostile.edition, tmp_path / "out", hostile.processed)
    package = write_datapackage(hostile.edition, hostile.processed, tmp_path / "out")
    publish(hostile.edition, "084", folder, {}, [], hostile.processed, 0.0)
    assert "oreløbig" not in package.read_text("utf-8") + (folder / "index.html").read_text("utf-8")
    cover = Presentation(write_slides(folder, hostile.edition, "084", {}, hostile.processed)).slides[0]
    assert not [shape for shape in cover.shapes if shape.has_text_frame and "oreløbig" in shape.text_frame.text]
    sheet = openpyxl.load_workbook(write_workbook(folder, hostile.edition, "084", {}, hostile.processed)).worksheets[0]
    assert sheet["A2"].value is None


@pytest.mark.needs("pango", "poppler")
def test_the_cover_of_the_pdf_says_that_it_is_provisional(hostile, tmp_path):
    def cover():
        return texts_of_pages(write_pdf(tmp_path, hostile.edition, "084", {}, hostile.processed))[0]

    assert " ".join(held(NOTICE).split()) in cover()
    hostile.declare_edition(decisions=dict.fromkeys(decision_list(), DECIDED))
    assert "oreløbig" not in cover()


def test_an_answer_makes_pages_stale_and_neither_figures_nor_sections(hostile):
    """Of the inputs that a build and a section are keyed by none holds the decisions."""
    build, common = build_inputs(hostile.edition, hostile.raw), common_inputs(hostile.edition)
    hostile.declare_edition(decisions=dict.fromkeys(decision_list(), DECIDED))
    hostile.declare("decisions.yml", lambda text: text.replace("er afgjort", "er afgjort for længst"))
    assert build_inputs(hostile.edition, hostile.raw) == build
    assert common_inputs(hostile.edition) == common


def test_a_report_follows_its_decisions(published):
    """A report is told provisional on the page of every section, and no section is run for it, nor for an answer."""

    def declare(decisions):
        edition = declared(published.edition)
        published.edition.write_text(yaml.safe_dump(edition | {"decisions": decisions}), encoding="utf-8")

    def status():
        return json.loads(published.command_here("status", "--json").stdout)

    declare({"prisindeks": "open"})
    assert status()["areas"]["Hovedstaden"]["pages"] == "changed: edition"
    assert status()["decisions"]["prisindeks"] == decision_list()["prisindeks"].model_dump()
    assert "  prisindeks: bekræftelse af prisindekset" in published.command_here("status").stdout
    assert "0 sections done, 0 failed, 2 unchanged" in published.run().stdout
    for name in ("01_a", "02_b", "index"):
        assert "Foreløbig. Der mangler endnu bekræftelse af prisindekset" in published.page(name), name
    declare(dict.fromkeys(decision_list(), DECIDED))
    assert status()["decisions"] == {} and status()["areas"]["Hovedstaden"]["pages"] == "changed: edition"
    assert "0 sections done, 0 failed, 2 unchanged" in published.run().stdout
    assert not [name for name in ("01_a", "02_b", "index") if "oreløbig" in published.page(name)]
