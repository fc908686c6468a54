"""What every form of a report begins with: the numbers are key figures, and nothing is said that may not be stated."""

import re
import shutil

import pandas as pd
import pytest
from conftest import ROOT

from analysis import areas, danish
from analysis.errors import DeclaredError
from analysis.rows import EXAMPLE, labels
from noegletal import front


def test_key_numbers_are_the_last_figures_with_their_growth(edition, key_figures):
    found = {one.name: one for one in front.key_numbers(edition, "hovedstaden", key_figures)}
    assert len(found) == 6
    rows = key_figures.query(
        "indicator == 'expenditure' and area_code == 'hovedstaden' and population_group == 'voksne' "
        "and category == 'i_alt' and variant == 'standard'"
    ).set_index("year")["value"]
    one = next(one for one in found.values() if one.href == "05_voksne.html#figur-16")
    assert one.value == danish.with_unit(danish.number(rows[edition.period.last] / 1e9, 2), "mia. kr.")
    growth = (rows[edition.period.last] / rows[edition.period.first] - 1) * 100
    assert one.growth == f"{danish.change(growth)} siden {edition.period.first}"
    assert one.course.count(" i 20") == len(edition.period.all)
    for number in found.values():
        points = [tuple(map(float, point.split(","))) for point in number.points.split()]
        assert len(points) == len(edition.period.all)
        assert all(0 <= x <= front.WIDE and 0 <= y <= front.HIGH for x, y in points)
        assert number.mark in {said.mark for said in labels().evidence.values()}


def test_of_a_municipality_no_example_is_shown(edition, key_figures):
    of_all = front.key_numbers(edition, "hovedstaden", key_figures)
    assert labels().evidence[EXAMPLE].mark in {one.mark for one in of_all}, "the check can fail"
    for code in areas.members("hovedstaden")[:5]:
        marks = {one.mark for one in front.key_numbers(edition, code, key_figures)}
        assert labels().evidence[EXAMPLE].mark not in marks


def test_a_number_that_is_missing_or_shown_nowhere_is_left_out(edition, key_figures):
    names = [one.name for one in front.key_numbers(edition, "hovedstaden", key_figures)]
    gone = (key_figures["indicator"] == "placements") & (key_figures["year"] == edition.period.last)
    holes = key_figures.assign(value=key_figures["value"].mask(gone))
    left = [one.name for one in front.key_numbers(edition, "hovedstaden", holes)]
    assert len(left) == len(names) - 1
    without = edition.model_copy(update={"sections": [p for p in edition.sections if p.notebook != "05_voksne"]})
    assert len(front.key_numbers(without, "hovedstaden", key_figures)) == len(names) - 1
    assert front.key_numbers(edition, "hovedstaden", pd.DataFrame(columns=key_figures.columns)) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("indicator: placements", "indicator: placement", "front.yml: 'placement' is no indicator of indicators.yml"),
        ("output: figur_01", "outputs: figur_01", "front.yml: 0"),
    ],
)
def test_a_declaration_that_is_wrong_is_one_sentence(edition, key_figures, tmp_path, monkeypatch, before, after, said):
    for name in ("data/reference", "editions"):
        shutil.copytree(ROOT / name, tmp_path / name)
    file = tmp_path / "data" / "reference" / "front.yml"
    file.write_text(file.read_text("utf-8").replace(before, after), "utf-8")
    monkeypatch.setenv("NOEGLETAL_ROOT", str(tmp_path))
    with pytest.raises(DeclaredError, match=re.escape(said)):
        front.key_numbers(edition, "hovedstaden", key_figures)


def test_a_section_says_in_front_what_it_answers_as_far_as_it_may_be_stated():
    def section(**outcomes):
        claims = [
            {"place": place.replace("_", "-"), "outcome": outcome, "evidence": "genuine", "kind": "growth"}
            for place, outcome in outcomes.items()
        ]
        said = [
            {"anchor": "saetning-1", "text": "Svaret.", "after": "", "role": "answer"},
            {"anchor": "saetning-2", "text": "Grunden.", "after": "", "role": "why"},
            {"anchor": "saetning-3", "text": "Mere.", "after": "figur-01", "role": ""},
        ]
        outputs = [{"output": "figur_01", "title": "Et fund"}]
        return {"title": "Afsnit", "claims": claims, "findings": said, "outputs": outputs}

    def told(found):
        return [(one["anchor"], one["title"], one["sentence"], one["why"]) for one in front.main_findings({"a": found})]

    stated = section(saetning_1="stated", saetning_2="stated", saetning_3="stated", figur_01="stated")
    assert told(stated) == [("saetning-1", "", "Svaret.", "Grunden.")]
    doubtful = section(saetning_1="softened", saetning_2="example")
    assert told(doubtful) == [("saetning-1", "", "Svaret.", "")]
    example = section(saetning_1="example", saetning_2="stated", saetning_3="stated", figur_01="stated")
    assert told(example) == [("figur-01", "Et fund", "Mere.", "")]
    assert told(section(saetning_1="example", figur_01="withheld")) == []
