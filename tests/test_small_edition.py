"""The small edition that other tests change and build: what it must be for them, and that nothing of it stays."""

import functools
import gc
import json

import pytest
import small_edition
from conftest import ROOT, noegletal

from analysis import areas
from noegletal.figures.build import build_if_stale
from noegletal.figures.kinds import indicators
from noegletal.publish.manifest import FORMATS
from noegletal.rules import BLOCKING


def test_it_builds_without_an_error_and_has_every_key_figure(small):
    findings = json.loads((small.processed / "findings.json").read_text(encoding="utf-8"))
    assert [found for found in findings if found["severity"] in BLOCKING or found["rule"] == "OMR-01"] == []
    standard = small.figures.query("variant == 'standard'")
    assert set(standard["indicator"]) == {name for name, kind in indicators().items() if not kind.modelled}
    assert set(standard["year"]) == {*small_edition.YEARS, 2025}, "rates are a year ahead"
    assert standard["status"].isin(["final", "partial"]).mean() > 0.99
    known = standard[standard["value"].notna()].groupby("area_code")["indicator"].agg(set)
    assert set(known.index) == {*small_edition.MUNICIPALITIES, *small_edition.REGIONS, "hovedstaden", areas.COUNTRY}
    # No source has diagnoses by municipality.
    regional = {"diagnosis_share", "diagnosis_support_share"}
    assert all(seen >= set(standard["indicator"]) - regional for seen in known)
    assert regional <= known["084"]


def test_its_country_and_regions_are_its_municipalities(small):
    figures = small.figures
    rows = figures[(figures["indicator"] == "expenditure") & (figures["variant"] == "standard")]
    rows = rows[(rows["category"] == "i_alt") & (rows["population_group"] == "alle")]
    sums = rows.pivot(index="area_code", columns="year", values="value")
    for parts in (small_edition.MUNICIPALITIES, small_edition.REGIONS):
        assert sums.loc[list(parts)].sum().to_dict() == pytest.approx(sums.loc[areas.COUNTRY].to_dict())


def test_it_has_every_file_of_the_embedded_edition(small):
    assert {path.name for path in small.raw.iterdir()} == {path.name for path in (ROOT / "data/raw/2025").iterdir()}
    files = {path.relative_to(small.reference) for path in small.reference.rglob("*")}
    assert files == {path.relative_to(ROOT / "data/reference") for path in (ROOT / "data/reference").rglob("*")}


@pytest.mark.long
def test_what_is_changed_is_built(small):
    keys = ["indicator", "area_code", "population_group", "category", "year", "variant"]
    before = small.figures.set_index(keys)["value"]
    small.change("HAND05", lambda lines: [line for line in lines if not line.startswith("563;")])
    small.declare("price_index.csv", lambda text: text.replace("pl_service,2022,1.02", "pl_service,2022,1.03"))
    assert build_if_stale(small.edition, small.raw, small.processed)
    now = small.figures.set_index(keys)["value"]
    assert now.isna()["recipients", "563", "voksne", "botilbud", 2024, "standard"]
    assert now["recipients", "084"].equals(before["recipients", "084"])
    cell = ("expenditure", "084", "voksne", "i_alt", 2022, "standard")
    assert now[cell] / before[cell] == pytest.approx(1.0235 / 1.0335)


def test_nothing_of_it_stays(small_root):
    assert len(areas.municipalities()) == 98
    with small_edition.looking_at(small_root):
        assert areas.municipalities() == small_edition.MUNICIPALITIES
    assert len(areas.municipalities()) == 98


def test_everything_that_the_library_keeps_in_a_process_is_forgotten(small):
    library = ("analysis", "noegletal")
    kept = [one for one in gc.get_objects() if isinstance(one, functools._lru_cache_wrapper)]
    ours = {one for one in kept if (one.__module__ or "").partition(".")[0] in library}
    assert ours and ours <= small_edition.cached_functions()


@pytest.mark.long
def test_its_smallest_municipality_has_a_report(small, tmp_path):
    result = noegletal(
        "report", "--edition", small.name, "--area", "Fanø", "--only", "02_boern_og_unge", "--raw", small.raw,
        "--processed", small.processed, "--out", tmp_path / "reports",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    page = tmp_path / "reports" / small.name / "fanoe" / "02_boern_og_unge.html"
    assert "Fanø" in page.read_text(encoding="utf-8")
    # One section alone is not waited for longer than it takes: the other forms are made when they are asked for.
    assert [file for file in FORMATS.values() if (page.parent / file).exists()] == []
