"""Expenditure of whole functions (REGK31): the figures against the raw rows, what is missing, and what is wrong."""

import csv
import gzip

import pandas as pd
import pytest
import yaml
from conftest import ROOT
from test_key_figures import one, pick

from analysis import areas
from analysis.catalogue import catalogue
from noegletal.facts import functions
from noegletal.figures.formulas import Question
from noegletal.figures.kinds import indicators
from noegletal.review.evidence import Evidence
from noegletal.review.trace import raw_rows, trace
from noegletal.sources.fetch_plan import _weight_quarters, dates

RAW = ROOT / "data" / "raw" / "2025"
FUNCTIONS = {"funktion_52821": "52821", "funktion_52822": "52822", "funktion_53845": "53845"}
GROUPS = {"funktion_52821": "boern_og_unge", "funktion_52822": "boern_og_unge", "funktion_53845": "voksne"}
CURRENT, FIXED = "function_expenditure_current", "function_expenditure"
PER_CURRENT, PER_FIXED = "function_expenditure_per_capita_current", "function_expenditure_per_capita"
# A municipality, a region, the country.
PLACES = ["187", "083", "000"]


def lines_of(stem):
    """The lines of an embedded raw file, without any of the library's readers."""
    return gzip.decompress((RAW / f"{stem}.csv.gz").read_bytes()).decode("utf-8-sig").splitlines()


@pytest.fixture(scope="module")
def kroner():
    """1.000 kr. by area, function and year, as the lines have them."""
    rows = csv.DictReader(lines_of("REGK31.derived"), delimiter=";")
    return {(row["OMRÅDE"], row["FUNKTION"], row["TID"]): int(row["INDHOLD"]) for row in rows}


@pytest.fixture(scope="module")
def persons():
    """Everybody on 1 January by area and year."""
    rows = csv.DictReader(lines_of("FOLK1A"), delimiter=";")
    january = [row for row in rows if row["ALDER"] == "IALT" and row["TID"].endswith("K1")]
    return {(row["OMRÅDE"], row["TID"][:4]): int(row["INDHOLD"]) for row in january}


def members(area_code):
    return areas.members(area_code) if area_code in areas.aggregates() else [area_code]


@pytest.mark.parametrize("area_code", PLACES)
@pytest.mark.parametrize("category", FUNCTIONS)
@pytest.mark.parametrize("year", [2018, 2024])
def test_figures_are_those_of_the_raw_rows(key_figures, kroner, persons, area_code, category, year):
    inside = members(area_code)
    amount = 1000 * sum(kroner.get((code, FUNCTIONS[category], str(year)), 0) for code in inside)
    people = sum(persons[code, str(year)] for code in inside)
    with (ROOT / "data" / "reference" / "price_index.csv").open(encoding="utf-8") as file:
        index = {row["year"]: float(row["value"]) for row in csv.DictReader(file)}
    factor = index["2024"] / index[str(year)]
    choice = {"area_code": area_code, "category": category, "year": year, "population_group": GROUPS[category]}
    expected = {CURRENT: amount, FIXED: amount * factor, PER_CURRENT: amount / people}
    expected[PER_FIXED] = amount / people * factor
    assert amount
    for indicator, value in expected.items():
        row = one(key_figures, indicator=indicator, **choice)
        assert row["value"] == pytest.approx(value, rel=1e-12), indicator
        assert (row["status"], row["coverage"]) == ("final", 1.0)


def test_per_inhabitant_is_what_statistics_denmark_says(key_figures):
    """The source's own kroner per inhabitant, which are not what the figures are made of."""
    figures = pick(key_figures, indicator=PER_CURRENT).set_index(["area_code", "category", "year"])["value"]
    own = {}
    for row in csv.DictReader(lines_of("REGK31"), delimiter=";"):
        assert row["PRISENHED"] == "INDL"
        own[row["OMRÅDE"], f"funktion_{row['FUNKTION']}", int(row["TID"])] = float(row["INDHOLD"])
    apart = (figures.reindex(list(own)) - pd.Series(own)).abs()
    assert len(own) == 98 * 3 * 7 + 3 * 7 - 5, "Læsø leaves 5.38.45 out in five years"
    # Amounts are rounded to 1.000 kr., which are 0,28 kr. for each of Læsø's inhabitants; the country is added up.
    country = apart.index.get_level_values(0) == "000"
    assert apart[~country].max() < 0.3
    assert apart[country].max() < 1.1


def test_every_area_has_every_year_and_the_origin_of_its_source(key_figures):
    origins = {
        yaml.safe_load((RAW / f"{stem}.yml").read_text("utf-8"))["origin"] for stem in ("REGK31.derived", "FOLK1A")
    }
    assert origins == {"derived", "transcribed"}
    for indicator in (CURRENT, PER_CURRENT):
        rows = pick(key_figures, indicator=indicator)
        assert len(rows) == len(areas.reported_areas()) * 3 * 7
        assert set(rows["year"]) == set(range(2018, 2025))
        assert (set(rows["origin"]), set(rows["variant"])) == ({"derived"}, {"standard"})
    # What the source leaves out is zero where the municipality is there; negative accounts stay negative.
    assert one(key_figures, indicator=CURRENT, area_code="825", category="funktion_53845", year=2020)["value"] == 0
    assert one(key_figures, indicator=CURRENT, area_code="530", category="funktion_53845", year=2024)["value"] == -190e3


@pytest.mark.parametrize("area_code", PLACES)
@pytest.mark.parametrize("indicator", [CURRENT, FIXED, PER_CURRENT, PER_FIXED])
def test_a_figure_is_traced_to_its_lines(edition, processed, indicator, area_code):
    question = Question(indicator, area_code, "boern_og_unge", "funktion_52822", 2019, "standard")
    found = trace(Evidence(edition, RAW, processed), question)
    assert found.agrees
    rows = raw_rows(found.chain)
    inside = members(area_code)
    per_person = indicator in (PER_CURRENT, PER_FIXED)
    assert {name for name, _, _ in rows} == {"REGK31.derived.csv.gz", *(["FOLK1A.csv.gz"] if per_person else [])}
    accounts = [lines_of("REGK31.derived")[line - 1] for name, _, line in rows if name.startswith("REGK31")]
    assert {line.rpartition(";")[0] for line in accounts} == {f"{code};52822;1;TOT;LOBM;2019" for code in inside}
    people = [lines_of("FOLK1A")[line - 1] for name, _, line in rows if name.startswith("FOLK1A")]
    assert {line.rpartition(";")[0] for line in people} == {f"{c};TOT;IALT;TOT;2019K1" for c in inside * per_person}


def test_persons_of_1_january_are_asked_for(edition):
    """Also of the years before the period, which the accounts of whole functions have."""
    assert {dates(catalogue().indicators[name]).pop() for name in (PER_CURRENT, PER_FIXED)} == {"01-01"}
    own = [f"{year}K{number}" for year in range(2010, 2027) for number in range(1, 5)]
    near, far = _weight_quarters(edition, "FOLK1A", own)
    assert {f"{year}K1" for year in edition.tables["REGK31"].years.all} <= near
    assert far == []


# Each is one thing wrong with the table, and the rule that says so.
WRONG = {
    "HUL-01": lambda lines: [line for line in lines if not line.startswith("101;52822;1;TOT;LOBM;2023")],
    "HUL-03": lambda lines: [line for line in lines if ";53845;1;TOT;LOBM;2024;" not in line],
    "ENHED-01": lambda lines: [f"{line}000" if ";LOBM;2023;" in line else line for line in lines],
    "ENHED-02": lambda lines: [
        f"{line}000" if line.startswith("461;") and ";LOBM;2023;" in line else line for line in lines
    ],
    "DAEK-05": lambda lines: [line for line in lines if not (line.startswith("461;") and ";2023;" in line)],
    "OMR-01": lambda lines: [*lines, "84;52821;1;TOT;LOBM;2023;1"],
    "OMR-02": lambda lines: [*lines, "L01;52821;1;TOT;LOBM;2023;1"],
}


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_table_is_named_by_its_rule(small, rule):
    sound = {finding.rule for finding in functions.build(small.raw, small.edition, FUNCTIONS)[1]}
    small.change("REGK31.derived", WRONG[rule])
    _, findings = functions.build(small.raw, small.edition, FUNCTIONS)
    assert {finding.rule for finding in findings} - sound == {rule}
    assert {finding.table for finding in findings if finding.rule == rule} == {"REGK31"}


def test_an_area_without_a_municipality_has_the_figure_of_the_others(small):
    small.keep_only("REGK100", "REGK31", "FOLK1A")
    before = small.figures
    small.warn_only()
    small.change("REGK31.derived", WRONG["DAEK-05"])
    table = small.build().figures
    choice = {"category": "funktion_52821", "year": 2023}
    for indicator in (CURRENT, FIXED, PER_CURRENT, PER_FIXED):
        own = one(table, indicator=indicator, area_code="461", **choice)
        assert (own["status"], own["coverage"]) == ("missing", 0.0)
        areal = one(table, indicator=indicator, area_code="000", **choice)
        assert areal["status"] == "partial"
        assert "uden Odense" in areal["note"]
    others = pick(before, indicator=CURRENT, **choice)
    others = others[others["area_code"].isin(areas.municipalities()) & (others["area_code"] != "461")]
    assert one(table, indicator=CURRENT, area_code="000", **choice)["value"] == pytest.approx(others["value"].sum())
    # Odense is most of its region, and the same municipalities are compared every year.
    assert one(table, indicator=CURRENT, area_code="083", **choice)["status"] == "missing"
    assert set(pick(table, indicator=CURRENT, variant="panel", area_code="000")["year"]) == {2022, 2023, 2024}


def test_without_the_table_there_are_no_such_figures(small):
    small.keep_only("REGK100", "FOLK1A")
    table = small.build().figures
    assert not table["indicator"].str.startswith("function_").any()
    assert {CURRENT, FIXED, PER_CURRENT, PER_FIXED} <= set(indicators())
