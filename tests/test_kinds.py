"""Kinds of key figures: a new one is one class and an entry of indicators.yml; a wrong entry is one clear error."""

import re
import shutil
from typing import Literal

import pandas as pd
import pytest
from conftest import ROOT
from typer.testing import CliRunner

from analysis import accounts, areas
from analysis.catalogue import adds_up, catalogue
from analysis.edition import FACTS, KEY_FIGURES, Disclosure
from analysis.errors import InputError
from noegletal.cli import app
from noegletal.facts.sums import rates
from noegletal.figures import disclosure
from noegletal.figures.formulas import Formula
from noegletal.figures.kinds import Kind, indicators, key_figures
from noegletal.figures.tables import StoredFacts
from noegletal.review.evidence import Evidence
from noegletal.review.trace import asked, trace
from noegletal.sources.fetch_plan import dates, used_codes

IMPORTS = re.compile(r"from noegletal\.figures\.kinds import ([\w, ]+)")
RAW = ROOT / "data" / "raw" / "2025"
ENTRY = """
  notified_again_share:
    kind: part_of_count
    counted: children_notified
    part: [underretninger_2, underretninger_3]
    name: Børn med flere underretninger
    unit: pct
    decimals: 1
    definition: Børn med et bestemt antal underretninger i pct. af alle børn med underretning.
    averaging: Summen af børn divideret med summen af børn.
    sources: [UND2]
    source_line: "Danmarks Statistik (UND2)"
    caveats: [underretning_brud]
    asked_for: {table: UND2, select: {KØN: "0"}}
"""


@pytest.fixture
def new_kind(small):
    """A kind that nothing else knows of, and an indicator of it; both are gone afterwards."""

    class PartOfCount(Kind):
        """Some categories of a count in per cent of its total."""

        kind: Literal["part_of_count"]
        counted: str
        part: list[str]
        asked_for: dict[str, object]

        def compute(self, tables):
            counted = indicators()[self.counted].base(tables).drop(columns="note")
            below = counted[counted["category"] == accounts.TOTAL].drop(columns="category")
            above = counted[counted["category"].isin(self.part)]
            cells = above[["area_code", "population_group", "category", "year", "variant"]].merge(
                below, on=["area_code", "population_group", "year", "variant"]
            )
            return rates(above, cells, ["population_group", "category", "year", "variant"], 100.0)

        def operands(self, question, tables):
            counted = indicators()[self.counted]
            whole = question._replace(category=accounts.TOTAL)
            return Formula("quotient", (counted.figure(question, tables), counted.figure(whole, tables)), 100.0)

        def persons(self):
            return [self.counted]

    small.declare("indicators.yml", lambda text: text.replace("\nindicators:\n", f"\nindicators:\n{ENTRY}", 1))
    yield PartOfCount
    Kind.registered.pop("part_of_count", None)


@pytest.mark.long
def test_a_new_kind_is_one_class_and_an_entry(new_kind, small):
    """It is computed, traced to its raw rows, protected and fetched, and no other module knows of it."""
    edition, processed = small.edition, small.processed
    assert isinstance(indicators()["notified_again_share"], new_kind)
    table = key_figures(edition, StoredFacts(processed / FACTS))
    own = table[table["indicator"] == "notified_again_share"]
    assert set(own["category"]) == {"underretninger_2", "underretninger_3"}
    assert {"000", "hovedstaden", "101"} <= set(own["area_code"])
    pd.testing.assert_frame_equal(
        table[table["indicator"] != "notified_again_share"].reset_index(drop=True),
        pd.read_parquet(processed / KEY_FIGURES),
    )
    table.to_parquet(processed / KEY_FIGURES, index=False)
    evidence = Evidence(edition, small.raw, processed)
    for area in ("101", "hovedstaden"):
        found = trace(evidence, asked(evidence.key_figures, "notified_again_share", area, "underretninger_2", 2024))
        assert found.agrees
        assert {file["file"] for file in found.files} == {"UND2.csv.gz"}
        assert found.rows == 2 * len(areas.members(area))
    policy = Disclosure(threshold=10, sources=edition.disclosure.sources | {"UND2": "persons"})
    guarded = edition.model_copy(update={"disclosure": policy})
    shown = disclosure.suppressed(table, guarded)
    few = shown[(shown["indicator"] == "children_notified") & (shown["status"] == "suppressed")]
    keys = ["area_code", "category", "year", "variant"]
    both = few.merge(shown[shown["indicator"] == "notified_again_share"], on=keys, suffixes=("", "_share"))
    assert len(both)
    assert set(both["status_share"]) == {"suppressed"}
    assert "0" in used_codes("UND2")["KØN"]
    assert not adds_up("notified_again_share")


def test_an_entry_of_a_kind_nobody_wrote_is_one_error(new_kind):
    del Kind.registered["part_of_count"]
    indicators.cache_clear()
    with pytest.raises(InputError, match=r"^indicators.yml: indicators.notified_again_share: .*'part_of_count'"):
        indicators()
    Kind.registered["part_of_count"] = new_kind


WRONG = [
    ("prices: fixed", "prices: fixet", "indicators.expenditure.amount.prices"),
    ("weight: {age_band: 0-22", "wieght: {age_band: 0-22", "indicators.children_supported_share.given_rate.weight"),
    ('weight: {age_band: 0-22, date: "12-31"}', 'weight: {age_band: 0-22, date: "31-12-"}', "weight.date"),
    ("leave_out: {", "leave_outs: {", "indicators.unit_cost.unit_cost.leave_out"),
    ("numerator: placements", "numerator: [placements]", "indicators.placements_per_1000.rate.numerator"),
    ("numerator: placements", "numerator: placement", "indicators.placements_per_1000.numerator: 'placement' is not"),
    ("numerator: placements", "numerator: unit_cost", "indicators.placements_per_1000.numerator: 'unit_cost' is not"),
]


@pytest.mark.parametrize(("old", "new", "place"), WRONG)
def test_a_wrong_entry_names_file_entry_and_field(tmp_path, monkeypatch, old, new, place):
    project = tmp_path / "project"
    shutil.copytree(ROOT / "data" / "reference", project / "data" / "reference")
    shutil.copytree(ROOT / "editions", project / "editions")
    (project / "notebooks").symlink_to(ROOT / "notebooks")
    path = project / "data" / "reference" / "indicators.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setenv("NOEGLETAL_ROOT", str(project))
    indicators.cache_clear()
    try:
        with pytest.raises(InputError) as caught:
            indicators()
        assert str(caught.value).startswith("indicators.yml: ")
        assert place in str(caught.value)
        for command in (["build"], ["status"]):
            result = CliRunner().invoke(app, [*command, "--edition", "2025", "--raw", str(RAW)])
            assert isinstance(result.exception, InputError), result.output
            assert str(result.exception) == str(caught.value)
        assert not list((project / "data").glob("processed/2025/*"))
    finally:
        indicators.cache_clear()


def test_the_catalogue_says_which_codes_and_dates_of_a_table_are_needed():
    assert set(used_codes("HAND05")["YDELSESTYPE"]) >= {"31202", "30181"}
    assert used_codes("UND1") == {"UNDERRETERE": ["0"], "ALDER1": ["00"], "KØN": ["0"]}
    known = catalogue().indicators
    assert dates(known["children_notified_per_1000"]) == {"01-01"}
    assert dates(known["children_supported"]) == {"12-31"}


def test_no_module_asks_which_kind_a_figure_is():
    """What depends on a kind stands in its class: no other module imports one of the classes."""
    kinds = {cls.__name__ for cls in Kind.registered.values()}
    imported = {
        path.name: {name.strip() for found in IMPORTS.findall(path.read_text("utf-8")) for name in found.split(",")}
        for path in (ROOT / "src").rglob("*.py")
    }
    assert "indicators" in imported["disclosure.py"], "the check can fail"
    assert {name: names & kinds for name, names in imported.items() if names & kinds} == {}
