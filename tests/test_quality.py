"""The rules: each is declared, produced by a spoiled input, silent on the sound one, and shown where readers look."""

import ast
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, write_raw
from raw_mutations import MUTATIONS, Mutation, mutated
from typer.testing import CliRunner

from analysis import areas, danish
from analysis.edition import TableNeed, Years, load_edition
from analysis.errors import InputError
from noegletal import account_rules, rules
from noegletal.cli import app
from noegletal.facts import checks, counts, diagnoses, expenditure, functions, population, rates
from noegletal.facts.counts import CountedTable
from noegletal.figures import plausibility
from noegletal.figures.build import build_edition
from noegletal.publish.manifest import PAGES
from noegletal.publish.site import publish
from noegletal.rules import BlockedError, Finding
from noegletal.sources import corrections

YEARS = range(2020, 2025)
TESTS = ROOT / "tests"
ID = re.compile(r"\b[A-Z]{3,6}-\d\d\b")


def account_lines():
    """A municipality has 60 mio. kr. in one function, a sixth of it with private suppliers, and 200 in another."""
    cells = [("52821", "1", "3", 50000), ("52821", "4", "3", 10000), ("53850", "1", "1", 200000)]
    return ["OMRÅDE;FUNKTION;DRANST;EJER;GRUPPERING;ART;PRISENHED;TID;INDHOLD"] + [
        f"{code};{function};1;{owner};{grouping};TOT;LOBM;{year};{amount}"
        for code in areas.municipalities()
        for year in YEARS
        for function, owner, grouping, amount in cells
    ]


def person_lines():
    return ["OMRÅDE;KØN;ALDER;CIVILSTAND;TID;INDHOLD"] + [
        f"{code};TOT;{age};TOT;{year}K4;{persons}"
        for code in areas.municipalities()
        for year in YEARS
        for age, persons in ((5, 1000), (20, 9000), (40, 9000), (70, 1000))
    ]


@pytest.fixture
def small(tmp_path):
    """A raw folder with the two tables that no edition can do without, and nothing wrong in them."""
    folder = tmp_path / "raw"
    write_raw(folder, "REGK100", "\n".join(account_lines()))
    write_raw(folder, "FOLK1A", "\n".join(person_lines()))
    return folder


def scaled(lines, wanted, factor):
    """The lines that begin as `wanted` and hold it, with their figure multiplied."""
    start, holds = wanted
    return [
        ";".join([*line.split(";")[:-1], str(int(line.split(";")[-1]) * factor)])
        if line.startswith(start) and holds in line
        else line
        for line in lines
    ]


ACCOUNT_CASES = {
    "ENHED-01": lambda lines: [lines[0], *scaled(lines[1:], ("", ";2024;"), 1000)],
    "ENHED-02": lambda lines: [lines[0], *scaled(lines[1:], ("157;", ";2024;"), 1000)],
    "EJER-01": lambda lines: [line for line in lines if ";1;4;3;" not in line or ";2022;" not in line],
    "GODK-01": lambda lines: [
        line.replace(";3;TOT", ";999;TOT") if line.startswith("157;") and ";2023;" in line else line for line in lines
    ],
    "OMR-02": lambda lines: [*lines, "L01;52821;1;1;3;TOT;LOBM;2024;1"],
    "ART-01": lambda lines: [*lines, "157;52821;1;1;3;UE;LOBM;2024;90000", "157;52821;1;1;3;I;LOBM;2024;-20000"],
    "ART-02": lambda lines: [*lines, "157;52821;1;1;3;S1;LOBM;2024;30000", "157;52821;1;1;3;S5;LOBM;2024;20000"],
    "ART-03": lambda lines: [*lines, *["157;52821;1;1;3;UE;LOBM;2024;60000"] * 2],
    "FORT-02": lambda lines: [*lines, "157;52821;1;1;3;UE;LOBM;2024;50000", "157;52821;1;1;3;I;LOBM;2024;10000"],
    "HUL-01": lambda lines: [line for line in lines if not (line.startswith("157;53850;") and ";2022;" in line)],
    "HUL-03": lambda lines: [line for line in lines if not (";53850;" in line and ";2022;" in line)],
    "DAEK-05": lambda lines: [line for line in lines if not (line.startswith("157;") and ";2022;" in line)],
}


@pytest.fixture(scope="module")
def sound_rules(tmp_path_factory, edition):
    """The rules that say something about the small raw folder as it is."""
    folder = tmp_path_factory.mktemp("sound")
    write_raw(folder, "REGK100", "\n".join(account_lines()))
    return {finding.rule for finding in expenditure.build(folder, edition)[1]}


@pytest.mark.parametrize("rule", ACCOUNT_CASES)
def test_accounts_that_are_spoiled(small, edition, sound_rules, rule):
    write_raw(small, "REGK100", "\n".join(ACCOUNT_CASES[rule](account_lines())))
    facts, findings = expenditure.build(small, edition)
    # A grouping that becomes another is also one that is gone.
    assert {finding.rule for finding in findings} - sound_rules - {"HUL-02"} == {rule}
    said = next(finding for finding in findings if finding.rule == rule)
    assert said.severity == rules.catalogue().rules[rule].severity
    if rule not in ("ENHED-01", "EJER-01", "OMR-02", "ART-03", "HUL-03"):
        assert "Gentofte" in said.text
    unused = rule.startswith(("ART", "OMR")) or rule == "FORT-02"
    assert facts["value"].sum() == 98 * 5 * 260e6 or not unused, "rows that no key figure uses change nothing"


def test_kinds_that_add_up_are_silent(small, edition, sound_rules):
    more = ["UE;LOBM;2024;80000", "I;LOBM;2024;-20000", "S1;LOBM;2024;70000", "S4;LOBM;2024;10000"]
    more += ["S7;LOBM;2024;-20000"]
    write_raw(small, "REGK100", "\n".join([*account_lines(), *(f"157;52821;1;1;3;{kind}" for kind in more)]))
    _, findings = expenditure.build(small, edition)
    assert {finding.rule for finding in findings} == sound_rules


def test_expected_areas_are_silent(small, edition, sound_rules):
    write_raw(small, "REGK100", "\n".join([*account_lines(), "411;52821;1;1;3;TOT;LOBM;2024;1"]))
    _, findings = expenditure.build(small, edition)
    assert {finding.rule for finding in findings} == sound_rules


def test_accounts_in_another_unit_than_regk31(small, edition):
    lines = ["OMRÅDE;FUNKTION;DRANST;ART;PRISENHED;TID;INDHOLD"]
    lines += [f"{code};52821;1;TOT;LOBM;{year};60000000" for code in areas.municipalities() for year in YEARS]
    write_raw(small, "REGK31", "\n".join(lines))
    _, findings = expenditure.build(small, edition)
    assert [f.text.split(",")[0] for f in findings if f.rule == "ENHED-01"] == [
        "Kommunernes udgifter er 29.400.000 t.kr."
    ]
    assert not [finding for finding in findings if finding.rule == "REGK-02"], "one sentence, not one per municipality"


def test_units_of_persons_counts_and_rates(small, tmp_path, edition):
    write_raw(small, "FOLK1A", "\n".join([person_lines()[0], *scaled(person_lines()[1:], ("", ";2023K4;"), 1000)]))
    _, findings = population.build(small, edition)
    assert [finding.text for finding in findings if finding.rule == "ENHED-01"] == [
        "Kommunernes samlede tal går fra 1.960.000 i 2022K4 til 1.960.000.000 i 2023K4; enheden må være forkert i et "
        "af årene.",
        "Kommunernes samlede tal går fra 1.960.000.000 i 2023K4 til 1.960.000 i 2024K4; enheden må være forkert i et "
        "af årene.",
    ]
    lines = ["OMRÅDE;YDELSESTYPE;TID;INDHOLD"]
    lines += [
        f"{code};30117;{year};{500000 if (code, year) == ('157', 2022) else 50}"
        for code in areas.municipalities()
        for year in YEARS
    ]
    write_raw(small, "HAND05", "\n".join(lines))
    counted = CountedTable(
        table="HAND05", level="municipality", population_group="voksne", variable="YDELSESTYPE",
        categories={"assistance": ["30117"]},
    )  # fmt: skip
    _, findings = counts.build(small, edition, counted)
    assert [(f.rule, "Gentofte (fra 50 til 500.000)" in f.text) for f in findings if f.severity == "ERROR"] == [
        ("ENHED-02", True), ("ENHED-02", False)
    ]  # fmt: skip
    lines = ["OMRÅDE;FORANSTALT;ALDER;TID;INDHOLD"]
    lines += [
        f"{code};IALT;TOT22;{year};{'0,1' if year == 2025 else '6,0'}"
        for code in areas.municipalities()
        for year in edition.tables["BU43"].years.all
    ]
    write_raw(small, "BU43", "\n".join(lines))
    chosen = {"FORANSTALT": "IALT", "ALDER": "TOT22"}
    _, findings = rates.build(small, edition, "BU43", chosen)
    assert [(finding.rule, finding.table) for finding in findings] == [("ENHED-01", "BU43")]
    write_raw(small, "BU43", "\n".join(line for line in lines if not line.startswith(("101;IALT;TOT22;2021", "563;"))))
    facts, findings = rates.build(small, edition, "BU43", chosen)
    absent = facts[facts["value"].isna()]
    assert set(zip(absent["area_code"], absent["year"], strict=True)) == {
        ("101", 2021), *(("563", year) for year in edition.tables["BU43"].years.all)
    }  # fmt: skip
    assert set(absent["status"]) == {"missing"}
    assert [finding.text.partition(" mangler")[0] for finding in findings if finding.rule == "DAEK-01"] == [
        "København og Fanø" if year == 2021 else "Fanø" for year in edition.tables["BU43"].years.all
    ]


def changed(table, area, value, indicator, **choice):
    """Key figures with the value of one municipality's cell changed; `value` may be a function of the old one."""
    hit = (table["indicator"] == indicator) & (table["area_code"] == area)
    for column, wanted in ({"variant": "standard"} | choice).items():
        hit &= table[column] == wanted
    assert hit.sum() == 1
    return table.assign(value=table["value"].mask(hit, value(table["value"]) if callable(value) else value))


BOTILBUD = {"population_group": "voksne", "category": "botilbud"}
# What is spoiled of a municipality's key figures, and in which: one each, so that one run of the rules sees them all.
FIGURE_CASES = {
    "NAEVN-01": ("Gentofte", 0, "population", {"category": "0-22", "year": 2022}),
    "FORT-01": ("Aarhus", -1, "expenditure_current", BOTILBUD | {"year": 2022}),
    "SPRING-01": ("Aalborg", lambda old: 3 * old, "expenditure_current", BOTILBUD | {"year": 2024}),
    "SPRING-02": ("Odense", lambda old: 3 * old, "recipients", BOTILBUD | {"year": 2024}),
    "SPRING-03": ("Esbjerg", lambda old: old / 2, "population", {"category": "18-66", "year": 2024}),
    "SPRING-04": ("Vejle", lambda old: 3 * old, "children_supported_share", {"year": 2025}),
    "NAEVN-02": ("Randers", 0, "recipients", BOTILBUD | {"year": 2024}),
    "NAEVN-03": ("Kolding", 4, "recipients", BOTILBUD | {"year": 2024}),
    "NIVEAU-01": ("Horsens", lambda old: 12 * old, "expenditure_current", BOTILBUD | {"year": 2024}),
    "NIVEAU-02": ("Herning", lambda old: 6 * old, "recipients", BOTILBUD | {"year": 2021}),
    "IDENT-02": ("Silkeborg", 100, "notifications", {"year": 2022}),
}


@pytest.fixture(scope="module")
def said_before(key_figures):
    """What the rules say of the embedded key figures as they are."""
    return plausibility.findings(key_figures)


@pytest.fixture(scope="module")
def said_of_spoiled(key_figures, said_before):
    table = key_figures
    for area, value, indicator, choice in FIGURE_CASES.values():
        table = changed(table, areas.find_area(area), value, indicator, **choice)
    return [finding for finding in plausibility.findings(table) if finding not in said_before]


@pytest.mark.parametrize("rule", FIGURE_CASES)
def test_figures_that_are_spoiled(said_of_spoiled, said_before, rule):
    area = FIGURE_CASES[rule][0]
    assert not any(area in finding.text for finding in said_before if finding.rule == rule)
    said = next(finding for finding in said_of_spoiled if finding.rule == rule and area in finding.text)
    assert said.severity == rules.catalogue().rules[rule].severity


def test_a_figure_says_in_its_note_what_a_rule_found_about_it(key_figures, said_before, said_of_spoiled):
    examples = key_figures["origin"] == "reconstruction"
    untouched = plausibility.noted(key_figures, said_of_spoiled).loc[examples, "note"]
    assert untouched.equals(key_figures.loc[examples, "note"]), "nothing is said of what is not measured"
    key_figures = plausibility.noted(key_figures.assign(origin="statbank"), said_before)
    marked = plausibility.noted(key_figures, said_of_spoiled)
    new = marked[marked["note"] != key_figures["note"]]
    assert marked.drop(columns="note").equals(key_figures.drop(columns="note")), "no figure changes"
    said = {
        (area, name): set(rows["note"]) for (area, name), rows in new.groupby(["area_code", "indicator"], sort=False)
    }
    odense, vejle = (areas.find_area(name) for name in ("Odense", "Vejle"))
    springs, level = "springer meget fra året før", "ligger uden for det sædvanlige"
    assert said[odense, "recipients"] == {f"Odense {springs}; Odense {level}"}
    # So does what is computed from it.
    assert said[odense, "unit_cost"] == said[odense, "recipients"]
    assert said[vejle, "children_supported"] == {f"Vejle {springs}"}
    assert set(new.loc[new["area_code"] == odense, "category"]) == {"botilbud"}
    assert set(new["area_code"]) <= {areas.find_area(case[0]) for case in FIGURE_CASES.values()}
    assert plausibility.noted(marked, said_of_spoiled).equals(marked), "said once"


def moved(table, indicator, **choice):
    """Key figures in which each municipality has the figure of the one before it by code."""
    hit = (table["indicator"] == indicator) & table["area_code"].isin(areas.municipalities())
    for column, wanted in choice.items():
        hit &= table[column] == wanted
    codes = sorted(areas.municipalities())
    following = dict(zip(codes, [*codes[1:], *codes[:1]], strict=True))
    return table.assign(area_code=table["area_code"].mask(hit, table["area_code"].map(following)))


@pytest.mark.parametrize(
    ("rules_found", "change"),
    [
        # Every year, so that nothing jumps: the figures no longer lie where the people do.
        ({"FORD-01"}, lambda table: moved(table, "placements")),
        ({"SPRING-05"}, lambda table: moved(table, "children_supported_share", year=2023)),
        ({"FORD-01", "SPRING-05"}, lambda table: moved(table, "recipients", category="bostoette", year=2023)),
        ({"FORD-01"}, lambda table: table.assign(area_code=table["area_code"].where(
            (table["indicator"] != "recipients") | (table["category"] != "krisecentre"),
            table["area_code"].replace({"081": "084", "084": "081"}),
        ))),
        ({"NIVEAU-01"}, lambda table: table.assign(
            value=table["value"].where(table["category"] != "botilbud", 1000 * table["value"])
        )),
        ({"NIVEAU-01"}, lambda table: table.assign(
            value=table["value"].where(table["indicator"] != "children_supported_share", table["value"] / 100)
        )),
    ],
)  # fmt: skip
def test_a_whole_table_that_is_spoiled(key_figures, said_before, rules_found, change):
    new = [finding for finding in plausibility.findings(change(key_figures)) if finding not in said_before]
    assert rules_found <= {finding.rule for finding in new if finding.severity == "ERROR"}


def test_raw_rows_are_changed_as_declared():
    files = {"T": ["OMRÅDE;ALDER;TID;INDHOLD", "000;5;2020K4;9", "101;5;2020K4;1,5", "147;6;2021K4;.."]}

    def made(**change):
        return mutated(Mutation("", "T", (), **change), files)["T"][1:]

    assert made(where={"OMRÅDE": "@first"}, scale=10) == ["000;5;2020K4;9", "101;5;2020K4;15,0", "147;6;2021K4;.."]
    assert made(where={"TID": "@final"}, drop=True) == ["000;5;2020K4;9", "101;5;2020K4;1,5"]
    assert made(next_area=True, later={"TID": 1}) == ["000;5;2021K4;9", "147;5;2021K4;1,5", "101;6;2022K4;.."]
    assert made(where={"ALDER": ["6"]}, codes={"OMRÅDE": {"147": "151"}}, put="3")[2] == "151;6;2021K4;3"
    assert len({(one.table, one.name) for one in MUTATIONS}) == len(MUTATIONS)
    assert {rule for one in MUTATIONS for rule in one.rules} <= set(rules.catalogue().rules)


def cells(amounts):
    """Raw cells of three municipalities, of a code each by year."""
    rows = [(area, year, code, value) for area in ("101", "147", "157") for (code, year), value in amounts.items()]
    return pd.DataFrame(rows, columns=["area_code", "year", "code", "value"])


def test_rows_that_are_left_out():
    """HUL-01, HUL-02: by their weight; what all lack is new, what one never has and the others do is gone."""
    whole = cells({("a", 2020): 900, ("a", 2021): 900, ("b", 2020): 100, ("b", 2021): 100, ("new", 2021): 300})
    assert checks.gaps("UND1", whole, "kode") == []

    def found(code, *years):
        gone = (whole["area_code"] == "157") & (whole["code"] == code) & whole["year"].isin(years)
        return [(f.rule, f.text) for f in checks.gaps("UND1", whole[~gone], "kode")]

    assert found("b", 2020) == [
        ("HUL-02", "I 2020 mangler rækkerne for Gentofte kode b (plejer at være 9,1 pct. af kommunens tal); de tæller "
                   "som 0."),
    ]  # fmt: skip
    assert [rule for rule, _ in found("a", 2020)] == ["HUL-01"]
    small = whole.assign(value=whole["value"] / 1000)
    assert checks.gaps("UND1", small[(small["area_code"] != "157") | (small["code"] != "a")], "kode") == []
    years = {2020: {"a"}, 2021: {"a", "new", "never"}}
    assert [(f.rule, f.text) for f in checks.codes_gone("UND1", whole, years, "kode")] == [
        ("HUL-03", "Kode never har ingen rækker i 2021, men tælles med.")
    ]


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([("00", 30), ("01", 20), ("02", 10)], False),
        ([("00", 20), ("01", 20), ("02", 10)], True),
        ([("00", 40), ("01", 20), ("02", 10)], True),
        ([("01", 20), ("02", 10)], True),
        ([("00", 40), ("01", 20), ("02", None)], False),
        ([("00", None), ("01", 20), ("02", 10)], False),
        ([("00", 10), ("01", 20), ("02", None)], True),
    ],
)
def test_a_total_and_its_parts(rows, wrong):
    """IDENT-01: also a total that is left out, which counts as zero; not what a missing cell leaves open."""
    rows = [("101", code, value) for code, value in rows] + [("147", "00", 5), ("147", "01", 5)]
    frame = pd.DataFrame(rows, columns=["ADMKOM", "UNDERRET", "value"]).assign(
        ALDER1="00", KØN="0", TID="2024", origin="statbank", value=lambda table: table["value"].astype(float)
    )
    found = checks.identities("UND2", frame)
    assert [finding.rule for finding in found] == ["IDENT-01"] * wrong
    if wrong:
        assert "UNDERRET 00 er ikke summen af sine dele: 101 00 0 2024" in found[0].text


def test_a_total_below_a_part():
    frame = pd.DataFrame(
        {"KOMMUNEDK": "101", "INDSATSER": ["2", "5", "6"], "TID": "2024", "value": [100.0, 90.0, 80.0]}
    )
    assert checks.identities("ISBU02", frame) == []
    frame.loc[1, "value"] = 140.0
    assert [finding.rule for finding in checks.identities("ISBU02", frame)] == ["IDENT-01"]


def test_ages_follow_the_quarters(processed):
    """ALDER-01: a municipality's ages moved in a quarter, and the country's in a year."""
    people = pd.read_parquet(processed / "facts" / "population.parquet")
    assert checks.cohorts(people) == []

    def spoiled(hit):
        ages = people["age"].where(
            ~hit | (people["age"] == "IALT"), people["age"].str.extract(r"(\d+)")[0].astype(float) + 1
        )
        moved = people.assign(age=[age if isinstance(age, str) else str(int(age)) for age in ages])
        return [finding.text for finding in checks.cohorts(moved) if finding.rule == "ALDER-01"]

    (one,) = spoiled((people["area_code"] == "157") & (people["quarter"] == "2022K4"))
    assert one.startswith("Aldrene 2022K4 og 2023K1 passer bedre, når de forskydes: Gentofte;")
    assert len(spoiled(people["quarter"].str.startswith("2022"))) == 6, (
        "the year before, the year after, and next to K4"
    )


def test_a_unit_that_is_not_the_declared_one():
    """ENHED-03: as the sidecar of a fetched table states it; one that states none is not doubted."""
    stated = {"UND1.csv.gz": ("UND1", "Promille"), "UND2.csv.gz": ("UND2", "antal"), "BU43.csv": ("BU43", "")}
    assert [(f.rule, f.table) for f in checks.units(stated)] == [("ENHED-03", "UND1")]


def test_the_same_rows_of_the_last_vintage(small, edition, tmp_path):
    """VINT-03: a municipality by a factor, a table by a share; not against rows that were made by fitting."""
    before = pd.DataFrame(
        [("101", "2024", 600.0), ("147", "2024", 300.0), ("157", "2024", 200.0), ("825", "2024", 1.0)],
        columns=["ADMKOM", "TID", "value"],
    ).assign(origin="statbank")

    def found(values, frame=before):
        said = checks.against_vintage("UND1", "ADMKOM", frame, before.assign(value=values))
        return [(finding.rule, finding.text) for finding in said]

    assert found([610.0, 290.0, 250.0, 9.0]) == []
    assert found([600.0, 300.0, 600.0, 1.0]) == [
        ("VINT-03", "De samme rækker giver nu andre tal for Gentofte (fra 200 til 600)."),
        ("VINT-03", "De samme rækker er i gennemsnit ændret med 36 pct."),
    ]
    assert found([0.0] * 4, before.assign(origin="reconstruction")) == []
    # The build looks at the newest vintage kept beside the raw folder.
    shutil.copytree(small, small.parent / "vintages" / "2025" / "2026-01-01")
    write_raw(small, "REGK100", "\n".join([account_lines()[0], *scaled(account_lines()[1:], ("157;", ""), 4)]))
    with pytest.raises(BlockedError) as blocked:
        build_edition(edition, small, tmp_path / "out")
    assert ("VINT-03", "REGK100") in {(finding.rule, finding.table) for finding in blocked.value.findings}


def test_accounts_that_are_others_than_in_regk31(small, edition):
    """REGK-04: so far from REGK31 that it is no revision, a function that is left out among them."""
    account = account_lines()
    control = ["OMRÅDE;FUNKTION;DRANST;ART;PRISENHED;TID;INDHOLD"]
    years = edition.tables["REGK31"].years.all
    control += [f"{code};52821;1;TOT;LOBM;{year};60000" for code in areas.municipalities() for year in years]
    write_raw(small, "REGK31", "\n".join(control))
    assert not [f for f in expenditure.build(small, edition)[1] if f.rule.startswith("REGK-0") and f.rule > "REGK-03"]
    write_raw(small, "REGK31", "\n".join(line for line in control if not line.startswith("157;52821;1;TOT;LOBM;2022")))
    _, found = functions.build(small, edition, {"funktion_52821": "52821"})
    assert [finding.text for finding in found if finding.rule == "DAEK-05"] == ["Gentofte mangler i 2022."]
    write_raw(small, "REGK31", "\n".join(control))
    gone = [line for line in account if not (line.startswith("157;52821;") and ";2022;" in line)]
    write_raw(small, "REGK100", "\n".join([gone[0], *scaled(gone[1:], ("161;52821", ";2023;"), 10)]))
    wrong = [finding.text for finding in expenditure.build(small, edition)[1] if finding.rule == "REGK-04"]
    assert [text.split(":")[0] for text in wrong] == [
        "Glostrup 2023, funktion 5.28.21", "Gentofte 2022, funktion 5.28.21"
    ]  # fmt: skip


VINTAGE_CASES = {
    "VINT-01": lambda table: changed(table, "157", lambda old: 1.2 * old, "expenditure_current", **BOTILBUD, year=2021),
    "VINT-02": lambda table: changed(table, "157", float("nan"), "recipients", **BOTILBUD, year=2021).assign(
        status=lambda rows: rows["status"].mask(rows["value"].isna() & rows["status"].eq("final"), "missing")
    ),
}


@pytest.mark.parametrize("rule", VINTAGE_CASES)
def test_figures_against_an_earlier_vintage(key_figures, rule):
    assert plausibility.revisions(key_figures, key_figures) == []
    now = VINTAGE_CASES[rule](key_figures)
    newer = now.assign(year=now["year"].replace(2024, 2034))
    assert [(f.rule, "Gentofte" in f.text) for f in plausibility.revisions(newer, key_figures)] == [(rule, True)]


def test_the_largest_are_named_and_the_rest_counted(key_figures):
    for code in ("101", "147", "151", "157", "159", "161"):
        key_figures = changed(key_figures, code, lambda old: 3 * old, "expenditure_current", **BOTILBUD, year=2024)
    said = [finding.text for finding in plausibility.findings(key_figures) if finding.rule == "SPRING-01"]
    assert len(said) == 1
    assert said[0].startswith("Udgifter i løbende priser, Botilbud springer fra 2023 til 2024: København (fra ")
    assert said[0].endswith(" og 2 andre, i t.kr.")


def drop_sidecar(raw):
    (raw / "REGK100.yml").unlink()


def drop_table(raw):
    for path in raw.glob("FOLK1A.*"):
        path.unlink()


REFUSALS = {
    "FIL-01": drop_sidecar,
    "FIL-02": lambda raw: write_raw(raw, "REGK100", "\n".join(["A;B;C", "1;2;3"])),
    "NOEGLE-01": lambda raw: write_raw(raw, "REGK100", "\n".join([*account_lines(), account_lines()[-1]])),
    "VAERDI-01": lambda raw: write_raw(
        raw, "REGK100", "\n".join([*account_lines(), "101;52821;1;0;3;TOT;LOBM;2024;x"])
    ),
    "KODE-01": lambda raw: write_raw(raw, "REGK100", "\n".join([*account_lines(), "102;52821;1;0;3;TOT;LOBM;2024;1"])),
    "KODE-02": lambda raw: write_raw(raw, "REGK100", "\n".join([*account_lines(), "101;52821;1;7;3;TOT;LOBM;2024;1"])),
    "DAEK-03": drop_table,
    "DAEK-04": lambda raw: write_raw(
        raw, "REGK100", "\n".join(line for line in account_lines() if ";2022;" not in line)
    ),
    "FORT-03": lambda raw: write_raw(raw, "FOLK1A", "\n".join([*person_lines(), "101;TOT;9;TOT;2024K4;-1"])),
}


@pytest.mark.parametrize("rule", REFUSALS)
def test_a_refusal_has_its_rule(small, edition, tmp_path, rule):
    REFUSALS[rule](small)
    with pytest.raises(InputError) as refused:
        build_edition(edition, small, tmp_path / "out")
    said = rules.refusal(refused.value)
    assert (said.rule, said.severity, said.text) == (rule, "FATAL", str(refused.value))
    assert not (tmp_path / "out").exists()


def test_a_rate_or_a_workbook_that_is_refused(small, edition):
    """VAERDI-02 and LEV-01."""
    write_raw(small, "BU43", "OMRÅDE;FORANSTALT;ALDER;TID;INDHOLD\n101;IALT;TOT22;2024;140\n")
    need = TableNeed(years=Years(first=2024, last=2024))
    narrow = edition.model_copy(update={"tables": {"BU43": need}})
    with pytest.raises(InputError) as refused:
        rates.build(small, narrow, "BU43", {"FORANSTALT": "IALT", "ALDER": "TOT22"})
    assert refused.value.rule == "VAERDI-02"
    write_raw(small, "KOMPONENT", b"no workbook", suffix=".xlsx", origin="delivery")
    with pytest.raises(InputError) as refused:
        diagnoses.build(small, edition)
    assert refused.value.rule == "LEV-01"


@pytest.fixture
def other_root(tmp_path, monkeypatch):
    """The project's reference data in a folder of its own, to spoil."""
    root = tmp_path / "root"
    shutil.copytree(ROOT / "data" / "reference", root / "data" / "reference")
    shutil.copytree(ROOT / "editions", root / "editions")
    monkeypatch.setenv("NOEGLETAL_ROOT", str(root))
    cached = (account_rules.account_rules, account_rules.rules_of_year)
    for function in cached:
        function.cache_clear()
    yield root / "data" / "reference"
    for function in cached:
        function.cache_clear()


def test_reference_data_that_are_refused(other_root, small, edition, tmp_path):
    """KONT-01 and KOR-02."""
    plan = other_root / "accounts.csv"
    text = plan.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("52821,003,"))
    plan.write_text(f"{text}{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        build_edition(edition, small, tmp_path / "out")
    assert refused.value.rule == "KONT-01"
    plan.write_text(text, encoding="utf-8")
    (other_root / "corrections.yml").write_text("- table: REGK100\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        build_edition(edition, small, tmp_path / "out")
    assert refused.value.rule == "KOR-02"


def test_any_other_refusal():
    """AFVIST-01."""
    with pytest.raises(InputError) as refused:
        load_edition("udgave")
    assert rules.refusal(refused.value).rule == "AFVIST-01"


def test_a_correction_is_said(other_root, small, edition):
    """KOR-01."""
    (other_root / "corrections.yml").write_text(
        """
- table: REGK100
  key: {OMRÅDE: "157", FUNKTION: "52821", DRANST: "1", EJER: "1", GRUPPERING: "003", ART: "TOT", PRISENHED: "LOBM",
        TID: "2024"}
  action: replace
  value: 40000
  expected: 50000
  reason: Beløbet er bogført to gange.
  source: Kommunens brev
  expires: 2999-12-31
""",
        encoding="utf-8",
    )
    said = corrections.applied(small, edition)
    assert [(finding.rule, finding.severity) for finding in said] == [("KOR-01", "INFO")]
    rules.require_sound(said)


@pytest.fixture
def command(small, tmp_path):
    def run(*more):
        return CliRunner().invoke(
            app, ["quality", "--edition", "2025", "--raw", str(small), "--processed", str(tmp_path / "out"), *more]
        )

    return run


def test_the_command(command, small, tmp_path):
    sound = command()
    assert sound.exit_code == 0, sound.output
    assert set(rules.catalogue().rules) <= set(ID.findall(command("--rules").output)), "the full set is shown"
    assert "0 FATAL, 0 ERROR" in sound.output
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    found = json.loads(command("--json").output)
    assert {"rule", "severity", "table", "text", "about", "origin", "what"} == set(found[0])
    assert "DAEK-02" in {finding["rule"] for finding in found}
    silent = set(rules.catalogue().rules) - {finding["rule"] for finding in found}
    assert silent.isdisjoint(line.split()[0] for line in sound.output.splitlines()), "what found something, and first"
    assert sound.output.index(found[0]["text"]) < sound.output.index("rule  ")
    assert f"{len(silent)} of {len(rules.catalogue().rules)} rules found nothing" in sound.output

    write_raw(small, "REGK100", "\n".join(ACCOUNT_CASES["ENHED-01"](account_lines())))
    blocked = command("--json")
    assert blocked.exit_code == 1
    first = json.loads(blocked.output)[0]
    assert (first["severity"], first["rule"], first["table"]) == ("FATAL", "ENHED-01", "REGK100")
    REFUSALS["NOEGLE-01"](small)
    refused = command("--json")
    assert refused.exit_code == 1
    assert [finding["rule"] for finding in json.loads(refused.output)] == ["NOEGLE-01"]
    assert "stands twice" in command().output
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_the_command_against_earlier_data(command, small, tmp_path):
    earlier = tmp_path / "earlier"
    write_raw(earlier, "REGK100", "\n".join([account_lines()[0], *scaled(account_lines()[1:], ("157;", ";2021;"), 3)]))
    write_raw(earlier, "FOLK1A", "\n".join(person_lines()))
    found = [row for row in json.loads(command("--json", "--earlier", str(earlier)).output) if row["rule"] == "VINT-01"]
    assert "Udgifter i løbende priser, Botilbud 2021 er ændret: Gentofte (fra 600.000 til 200.000), i t.kr." in {
        row["text"] for row in found
    }
    own = json.loads(command("--json", "--earlier", str(tmp_path / "out")).output)
    assert not [row for row in own if row["rule"].startswith("VINT")]
    absent = command("--earlier", str(tmp_path / "nowhere"))
    assert "nowhere does not exist" in str(absent.exception)


def test_an_error_stops_the_build_and_a_warning_does_not():
    warning = rules.found("REGK-01", "REGK100", "tekst")
    rules.require_sound([warning])
    with pytest.raises(BlockedError, match=r"EJER-01 REGK100: tekst \(and 1 more"):
        rules.require_sound([warning, *[rules.found("EJER-01", "REGK100", "tekst")] * 2])
    with pytest.raises(InputError, match="rule XXX-99 is not declared"):
        rules.require_sound([Finding(rule="XXX-99", severity="INFO", table="", text="")])


def test_the_embedded_edition_is_sound(processed):
    found = [Finding(**row) for row in json.loads((processed / "findings.json").read_text(encoding="utf-8"))]
    assert not [finding for finding in found if finding.severity in rules.BLOCKING]
    warnings = [finding.text for finding in found if finding.severity == "WARNING"]
    assert len(warnings) <= 20, warnings


@pytest.fixture(scope="module")
def published(processed, edition, tmp_path_factory):
    """The pages of a report without sections, from a build with a hostile finding."""
    made = tmp_path_factory.mktemp("made") / "processed"
    shutil.copytree(processed, made)
    rows = json.loads((made / "findings.json").read_text(encoding="utf-8"))
    rows.append({"rule": "KOR-01", "severity": "INFO", "table": "REGK100", "text": "<script>alert('x')</script>"})
    (made / "findings.json").write_text(json.dumps(rows), encoding="utf-8")
    folder = tmp_path_factory.mktemp("report") / "hovedstaden"
    publish(edition, "hovedstaden", folder, {}, [], made, 0.0)
    return folder, rows


def test_the_page(published, edition):
    folder, found = published
    # Of what a reconstruction was found to hold a report says only how much it is.
    rows = [row for row in found if row.get("origin") != "reconstruction"]
    assert 0 < len(rows) < len(found)
    text = (folder / "datakvalitet.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser")
    assert page.html["lang"] == "da"
    assert "Datakvalitet" in page.title.text
    assert not [script for script in page.find_all("script") if "alert" in script.text]
    assert "&lt;script&gt;" in text
    for name, rule in rules.catalogue().rules.items():
        row = page.find(id=name)
        assert danish.held(rule.what) in row.text
        assert danish.held(rule.explanation.strip()) in row.text
    by_severity, findings, _ = page.find_all("table")
    shown = [[cell.text for cell in row.find_all(["th", "td"])] for row in by_severity.tbody.find_all("tr")]
    counted = {name: int(count) for name, _, _, count in shown}
    assert counted == {
        name: sum(row["severity"] == severity for row in rows)
        for severity, name in {
            "FATAL": "Stopper alt", "ERROR": "Fejl", "WARNING": "Advarsel", "INFO": "Oplysning"
        }.items()
    }  # fmt: skip
    assert len(findings.tbody.find_all("tr")) == len(rows)
    assert {link["href"].removeprefix("#") for link in findings.find_all("a")} <= set(rules.catalogue().rules)


def test_the_page_is_linked_and_expected(published):
    folder, _ = published
    index = BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert index.find("a", href="datakvalitet.html")
    assert "datakvalitet.html" in PAGES
    assert (folder / "datakvalitet.html").is_file()


def documented():
    """The rows of docs/quality-rules.md: rule -> severity and test."""
    text = (ROOT / "docs" / "quality-rules.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z]+-\d\d) \| (\w+) \| .* \| `(test_\w+)` \|$", text, flags=re.MULTILINE)
    assert len(rows) == len({rule for rule, _, _ in rows}), "a rule stands once"
    return {rule: (severity, test) for rule, severity, test in rows}


def named_in_code():
    """The ids that stand in the code as texts of their own: those of errors and findings, not those of docstrings."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and ID.fullmatch(text)}


def test_every_rule_is_declared_used_and_documented():
    declared = rules.catalogue().rules
    limits = rules.catalogue().thresholds
    assert named_in_code() | {jump.rule for jump in (*limits.jumps, *limits.revisions)} == set(declared)
    assert {name: row[0] for name, row in documented().items()} == {
        name: rule.severity for name, rule in declared.items()
    }


@pytest.mark.parametrize("rule", rules.catalogue().rules)
def test_every_rule_is_produced_by_a_test(rule):
    test = documented()[rule][1]
    files = [path for path in TESTS.glob("test_*.py") if f"def {test}(" in path.read_text(encoding="utf-8")]
    assert len(files) == 1, f"{test} is not a test"
    assert rule in files[0].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("severity: FATAL", "severity: TOTAL", 1), "severity"),
        (lambda text: text.replace("{rule: SPRING-01", "{rule: SPRING-99", 1), "SPRING-99"),
        (lambda text: text.replace("    count: {factor", "    antal: {factor", 1), "antal"),
    ],
)
def test_a_catalogue_that_is_wrong(other_root: Path, change, message):
    path = other_root / "quality.yml"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match=rf"quality\.yml: .*{message}"):
        rules.catalogue.__wrapped__()


def test_sentences_are_danish_and_whole():
    for name, rule in rules.catalogue().rules.items():
        assert rule.what.endswith("."), name
        assert rule.what.count(". ") == 0, f"{name}: one sentence"
        assert rule.explanation.strip().endswith("."), name
