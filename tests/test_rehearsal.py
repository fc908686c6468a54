"""A rehearsal: data in the form of the real ones, of which everything is said that they bear, and nothing marked."""

import pytest
from test_incomplete import assert_says_nothing_of_what_is_missing, rendered

from analysis import areas
from analysis.rows import labels

# Hovedstaden, a municipality, an island, the country, and another region, which is another KKR.
AREAS = ["hovedstaden", "187", "563", "000", "083"]
# Herberger are decided on by KKR: of these areas it is that of another one.
SAME_KKR = {"187": "hovedstaden", "000": "hovedstaden", "563": "083"}
SHELTERS = "08_herberg_kapacitet"
# What holds a claim back for another reason than how well its figures are known.
OTHER_REASONS = {"finding", "small_bases", "large_contribution"}


@pytest.mark.long
@pytest.mark.parametrize("area", AREAS)
def test_everything_is_said_of_measured_figures(rehearsal, tmp_path, monkeypatch, area):
    left_out = [SHELTERS] * (area in SAME_KKR)
    page = rendered(rehearsal, tmp_path / "out", monkeypatch, area, left_out)
    claims = [claim for said in page.claims.values() for claim in said]
    assert len(claims) > 90
    assert {claim["evidence"] for claim in claims} <= {"genuine", ""}
    assert {name for name, said in page.claims.items() if any(not claim["evidence"] for claim in said)} <= {
        "00_datagrundlag", SHELTERS,
    }  # fmt: skip
    withheld = [claim for claim in claims if claim["outcome"] == "withheld"]
    assert all(set(claim["reasons"]) <= OTHER_REASONS for claim in withheld)
    assert len(withheld) < len(claims) / 6
    assert not page.find(class_="example")
    assert labels().evidence["example"].mark not in page.text
    assert_says_nothing_of_what_is_missing(page, tmp_path / "out")


@pytest.mark.long
@pytest.mark.parametrize("area", ["187", "hovedstaden"])
def test_of_examples_nothing_is_said_of_a_municipality(small, tmp_path, monkeypatch, area):
    page = rendered(small, tmp_path / "out", monkeypatch, area, [SHELTERS] * (area in SAME_KKR))
    claims = [claim for said in page.claims.values() for claim in said]
    examples = [claim for claim in claims if claim["evidence"] == "example"]
    assert len(examples) > 50
    outcomes = {claim["outcome"] for claim in examples}
    assert outcomes == {"example", "withheld"}
    shown = [tag.text for tag in page.select("p.finding.example, figcaption") if tag.text.startswith("Eksempel: ")]
    names = ("Vallensbæk", "Fanø", "Brøndby", "Odense", "Læsø")
    assert [text for text in shown if any(f" {name}" in text for name in names)] == []
    assert sum(claim["outcome"] == "example" for claim in examples) >= len(shown)


def test_areas_without_a_page_of_their_own_on_shelters_have_that_of_another(edition):
    assert {area: areas.deciding_kkr(edition, area) for area in SAME_KKR} == {
        area: areas.deciding_kkr(edition, other) for area, other in SAME_KKR.items()
    }
