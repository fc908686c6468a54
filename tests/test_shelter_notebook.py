"""Section 08 as a KKR meets it: everything delivered, the place list alone, and after a decision."""

import json
import shutil

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, write_raw

from analysis import areas
from analysis.edition import raw_folder
from noegletal.facts import shelters
from noegletal.figures.build import FACTS, SOURCES, source_record
from noegletal.publish import section_pages
from noegletal.publish.manifest import EXECUTED, output_files
from noegletal.runner.execute import Job, run
from noegletal.sources.blank_forms import write_form
from noegletal.sources.deliveries import read_form
from noegletal.sources.snapshot import raw_files
from warmkernel.engine import choose

pytestmark = pytest.mark.long
NOTEBOOK = "08_herberg_kapacitet"


def ran(edition, processed, staging, area, **parameters):
    """The section run by the real runner; its outcome and the page a reader gets."""
    plan = edition.section(NOTEBOOK)
    given = {"edition": edition.name, "area": areas.slug(areas.find_area(area)), **parameters}
    notebook = ROOT / "notebooks" / f"{NOTEBOOK}.ipynb"
    outcome = run(Job(plan, area, notebook, given, processed, staging, 300, choose("auto")))
    page = section_pages.body(staging / EXECUTED) if outcome.succeeded else ""
    return outcome, BeautifulSoup(page, "html.parser")


def words(page):
    for part in page.select("div.code, details.data"):
        part.decompose()
    return " ".join(page.text.replace("\u00a0", " ").split())


def left_out(staging, plan):
    facts = [json.loads((staging / f"facts/{name}.json").read_text("utf-8")) for name in plan.outputs]
    return {fact["output"]: fact["left_out"] for fact in facts if fact["left_out"]}


@pytest.fixture
def delivered_otherwise(edition, processed, tmp_path):
    """Key figures of the embedded edition with shelter facts from workbooks changed by the test."""

    def build(change, *, stays):
        raw, folder = tmp_path / "raw", tmp_path / "processed"
        shutil.copytree(processed, folder)
        sheets = change(read_form(raw_folder("2025") / "HERBERG.xlsx", "herberg"))
        write_form("herberg", tmp_path / "HERBERG.xlsx", sheets)
        write_raw(raw, "HERBERG", (tmp_path / "HERBERG.xlsx").read_bytes(), suffix=".xlsx", origin="delivery")
        if stays:
            for name in ("HERBERG_OPHOLD.xlsx", "HERBERG_OPHOLD.yml"):
                shutil.copy(raw_folder("2025") / name, raw)
        for name, frame in shelters.build(raw, edition)[0].items():
            frame.to_parquet(folder / FACTS / f"{name}.parquet", index=False)
        known = [
            row for row in json.loads((folder / SOURCES).read_text("utf-8")) if not row["table"].startswith("HERBERG")
        ]
        known += [source_record(file) for file in raw_files(raw)]
        (folder / SOURCES).write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
        return folder

    return build


def assert_whole(outcome, page, staging, name, clusters, absent=()):
    """The section has everything it declares but `absent`, and says a need by four methods."""
    assert outcome.succeeded, outcome.cause
    assert set(left_out(staging, outcome.job.plan)) == set(absent)
    spread = pd.read_csv(staging / "data/tabel_herberg_udbud.csv", sep=";", decimal=",")
    assert len(spread) == clusters
    said = words(page)
    assert f"{name} har brug for mellem" in said
    need = pd.read_csv(staging / "data/figur_herberg_behov.csv", sep=";", decimal=",")
    assert list(need["variant"]) == ["realised", "queueing", "rates", "arrivals"]
    assert need["værdi"].notna().all()
    for stray in (" nan", "None", "..,"):
        assert stray not in said


# KKR Nordjylland comes below, hovedstaden and Syddanmark in test_report.py.
@pytest.mark.parametrize(
    ("area", "name", "clusters"),
    [("region-sjaelland", "KKR Sjælland", 2), ("region-midtjylland", "KKR Midtjylland", 2)],
)
def test_every_kkr_gets_the_whole_section(edition, processed, tmp_path, area, name, clusters):
    outcome, page = ran(edition, processed, tmp_path, area)
    assert_whole(outcome, page, tmp_path, name, clusters)


def test_the_place_list_alone_gives_what_it_can_and_says_the_rest(edition, tmp_path, delivered_otherwise):
    folder = delivered_otherwise(lambda sheets: {"Pladser": sheets["Pladser"]}, stays=False)
    outcome, page = ran(edition, folder, tmp_path / "staging", "hovedstaden")
    assert outcome.succeeded, outcome.cause
    absent = left_out(tmp_path / "staging", edition.section(NOTEBOOK))
    assert set(absent) == {
        "figur_herberg_belaegning",
        "figur_herberg_stroemme",
        "figur_herberg_ophold",
        "figur_herberg_fremskrivning",
        "tabel_herberg_efterproevning",
        "tabel_herberg_beslutning",
        "figur_herberg_opfoelgning",
    }
    said = words(page)
    assert "Vises ikke: de enkelte ophold er ikke leveret." in said
    assert "før refusion" in said
    assert "efter refusion" not in said.replace("Udgifter efter refusion", "")
    need = pd.read_csv(tmp_path / "staging/data/figur_herberg_behov.csv", sep=";", decimal=",")
    assert list(need.loc[need["værdi"].notna(), "variant"]) == ["rates"]
    assert output_files({"output": "figur_x", "left_out": "ikke leveret"}) == []


def test_after_the_decision_use_is_set_against_the_plan(edition, tmp_path, delivered_otherwise):
    quarters = pd.DataFrame(
        {
            "area": "081", "period": [f"2028K{quarter}" for quarter in (1, 2, 3)], "arrivals": [300, 310, 290],
            "departures": [300, 305, 300], "nights": [18_200, 17_290, 18_400], "refusals": [4, 0, 2],
        }
    )  # fmt: skip
    decided = pd.DataFrame(
        {
            "kkr": ["081"], "cluster": ["Landsdel Nordjylland"], "first_year": [2028], "public_places": [100],
            "other_places": [150], "veteran_places": [5],
        }
    )  # fmt: skip

    def change(sheets):
        return sheets | {"Registrering": pd.concat([sheets["Registrering"], quarters]), "Beslutning": decided}

    folder = delivered_otherwise(change, stays=True)
    outcome, page = ran(edition, folder, tmp_path / "staging", "region-nordjylland")
    # Three years without registrations before the decision took effect: too many gaps to test a forecast on.
    assert_whole(outcome, page, tmp_path / "staging", "KKR Nordjylland", 1, ["tabel_herberg_efterproevning"])
    # 18.400 nights over the 92 days of the third quarter are 200 of the 250 places decided.
    assert "I 3. kvartal 2028 er 80 pct. af den besluttede kapacitet belagt" in words(page)
    rows = pd.read_csv(tmp_path / "staging/data/figur_herberg_opfoelgning.csv", sep=";", decimal=",")
    assert list(rows["besluttet_kapacitet"].dropna().unique()) == [250]
    assert rows.loc[rows["periode"] == "2028K3", "værdi"].item() == pytest.approx(200)


@pytest.mark.parametrize(
    ("parameter", "value", "cause"),
    [
        ("maalbelaegning_pct", 104.0, "target_occupancy must be above 0 and at most 1"),
        ("minimum_pr_klynge", 5000, "minimum"),
        ("scenarie", "middel", "scenario 'middel' is not in shelter_rules.yml; it has: lav, basis, hoej"),
    ],
)
def test_a_parameter_that_cannot_be_used_stops_the_section(edition, processed, tmp_path, parameter, value, cause):
    outcome, _ = ran(edition, processed, tmp_path, "region-nordjylland", **{parameter: value})
    assert not outcome.succeeded
    assert cause in outcome.cause
