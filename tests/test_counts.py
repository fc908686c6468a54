"""Counts, unit costs and rates from them: zeros, missing, breaks, regions only, and which source is preferred."""

import pandas as pd
import pytest
from conftest import noegletal_process, write_raw
from small_edition import small_copy

from analysis import accounts, areas
from analysis.errors import InputError
from analysis.section import Section
from noegletal import rules
from noegletal.facts import counts
from noegletal.facts.counts import Break, CountedTable
from noegletal.figures.build import build_edition
from noegletal.figures.formulas import Question
from noegletal.figures.kinds import indicators
from noegletal.review.evidence import Evidence
from noegletal.review.trace import asked, trace

HAND = CountedTable(
    table="HAND05",
    level="municipality",
    population_group="voksne",
    variable="YDELSESTYPE",
    categories={"bostoette": ["31202", "31181"], "botilbud": ["30181"]},
)


def hand05(folder, change=lambda rows: rows):
    rows = {}
    for place, code in enumerate(areas.municipalities()):
        for year in range(2020, 2025):
            rows[code, "31202", year] = f"{100 + place},5"
            rows[code, "30181", year] = "10"
            if year >= 2021:
                rows[code, "31181", year] = "5"
    rows = change(rows)
    lines = [f"{code};{kind};{year};{value}" for (code, kind, year), value in rows.items()]
    write_raw(folder, "HAND05", "\n".join(["OMRÅDE;YDELSESTYPE;TID;INDHOLD", *lines]))
    return folder


def value(facts, area_code, category, year):
    hit = (facts["area_code"] == area_code) & (facts["category"] == category) & (facts["year"] == year)
    return facts[hit].iloc[0]


def test_codes_add_up_with_their_decimals(edition, tmp_path):
    facts, _ = counts.build(hand05(tmp_path), edition, HAND)
    assert value(facts, "101", "bostoette", 2024)["value"] == 105.5
    assert value(facts, "101", "botilbud", 2024)["value"] == 10


def test_a_code_left_out_is_zero_and_a_municipality_left_out_is_missing(edition, tmp_path):
    def change(rows):
        return {
            key: cell
            for key, cell in rows.items()
            if not (key[0] == "147" and key[1] == "30181") and not (key[0] == "151" and key[2] == 2022)
        }

    facts, findings = counts.build(hand05(tmp_path, change), edition, HAND)
    assert value(facts, "147", "botilbud", 2023)["value"] == 0
    assert value(facts, "151", "botilbud", 2022)["status"] == "missing"
    assert value(facts, "151", "botilbud", 2021)["value"] == 10
    assert any(finding.rule == "DAEK-01" and "Ballerup" in finding.text for finding in findings)


def test_a_year_without_rows_is_zero_where_counts_are_small(edition, tmp_path):
    def change(rows):
        small = {key: "2" if key[0] == "825" else cell for key, cell in rows.items()}
        return {key: cell for key, cell in small.items() if not (key[0] == "825" and key[2] == 2021)}

    facts, findings = counts.build(hand05(tmp_path, change), edition, HAND)
    assert value(facts, "825", "bostoette", 2021)["value"] == 0
    assert not [finding for finding in findings if finding.rule == "DAEK-01"]


def test_data_that_was_not_approved_is_missing(edition, tmp_path):
    facts, _ = counts.build(hand05(tmp_path, lambda rows: rows | {("157", "31202", 2023): ".."}), edition, HAND)
    assert value(facts, "157", "bostoette", 2023)["status"] == "missing"
    assert value(facts, "157", "botilbud", 2023)["status"] == "final"


def test_a_service_that_begins_later_is_a_break(edition, tmp_path):
    facts, findings = counts.build(hand05(tmp_path), edition, HAND)
    assert "Databrud" in value(facts, "101", "bostoette", 2021)["note"]
    assert value(facts, "101", "botilbud", 2021)["note"] == ""
    assert any(finding.rule == "BRUD-01" and "SEL § 82 a" in finding.text for finding in findings)


def test_a_break_before_the_first_year_is_none_of_the_edition(edition, tmp_path):
    early, first = (Break(category="bostoette", year=year, text=f"fra {year}") for year in (2019, 2020))
    plan = HAND.model_copy(update={"breaks": [early, first]})
    facts, findings = counts.build(hand05(tmp_path), edition, plan)
    told = [finding.text for finding in findings if finding.rule == "BRUD-01"]
    assert [text for text in told if "fra 2019" in text] == []
    assert any("fra 2020" in text for text in told), "one within the first year divides it from the next"
    assert not facts["note"].str.contains("fra 2019").any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: {key: cell for key, cell in rows.items() if key[2] != 2022}, "HAND05 holds no rows for 2022"),
        (lambda rows: rows | {("101", "31202", 2024): "-3"}, "a count cannot be negative"),
        (lambda rows: {("101", "99999", 2024): "3"}, "holds no rows with YDELSESTYPE"),
    ],
)
def test_bad_counts(edition, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        counts.build(hand05(tmp_path, change), edition, HAND)


def test_regions_without_municipalities(edition, tmp_path):
    plan = CountedTable(
        table="KRISE1", level="region", population_group="voksne", variable="BEBOSTAT", select={"KMDR": "TOT"},
        categories={"krisecentre": ["3"]},
    )  # fmt: skip
    lines = [f"{code};TOT;3;{year};{100 + year}" for code in ("0", "81", "84", "996") for year in range(2020, 2025)]
    lines += [f"84;000001;3;{year};9" for year in range(2020, 2025)]
    write_raw(tmp_path, "KRISE1", "\n".join(["BOPREG;KMDR;BEBOSTAT;TID;INDHOLD", *lines]))
    facts, _ = counts.build(tmp_path, edition, plan)
    assert set(facts["area_code"]) == {"000", "081", "084", "hovedstaden"}
    assert value(facts, "hovedstaden", "krisecentre", 2024)["value"] == 2124


def pick(table, **choice):
    for column, wanted in choice.items():
        table = table[table[column] == wanted]
    return table


def one(table, **choice):
    rows = pick(table, variant="standard", **choice)
    assert len(rows) == 1, rows
    return rows.iloc[0]


def test_unit_cost_leaves_out_functions_without_recipients(key_figures, processed):
    facts = pd.read_parquet(processed / "facts" / "expenditure.parquet")
    members = areas.members("hovedstaden")
    own = facts[(facts["year"] == 2024) & facts["area_code"].isin(members)]
    groupings = [f"{number:03d}" for number in (3, 4, 5, 11, 12, 13)]
    counted = own[(own["function"] == "53839") & own["grouping"].isin(groupings)]["value"].sum()
    choice = {"area_code": "hovedstaden", "population_group": "voksne", "category": "bostoette", "year": 2024}
    people = one(key_figures, indicator="recipients", **choice)["value"]
    assert one(key_figures, indicator="unit_cost", **choice)["value"] == pytest.approx(counted / people)


@pytest.fixture(scope="module")
def spoiled(small_root, tmp_path_factory):
    """Key figures of accounts and recipients with rows left out, and with negative expenditure on Bornholm."""
    with small_copy(small_root, tmp_path_factory.mktemp("spoiled") / "small") as small:
        small.keep_only("REGK100", "FOLK1A", "HAND05")
        small.warn_only()
        small.change("HAND05", lambda lines: [
            line for line in lines
            if not (line.startswith("187;") and line.split(";")[1] in ("30181", "30182", "31201"))
        ])  # fmt: skip
        small.change("REGK100", lambda lines: [
            line.rsplit(";", 1)[0] + ";-5" if line.startswith(("400;53858;", "400;53859;")) else line
            for line in lines if not line.startswith(("159;53858;", "159;53859;"))
        ])  # fmt: skip
        return small.build().figures


@pytest.mark.long
def test_unit_cost_is_not_applicable_without_recipients_or_expenditure(spoiled):
    for area_code, category in (("187", "botilbud"), ("159", "dagtilbud")):
        row = one(
            spoiled, indicator="unit_cost", area_code=area_code, population_group="voksne", category=category, year=2024
        )
        assert row["status"] == "not_applicable"
        assert pd.isna(row["value"])
    choice = {"area_code": "hovedstaden", "population_group": "voksne", "category": "botilbud", "year": 2024}
    assert one(spoiled, indicator="unit_cost", **choice)["value"] > 0


@pytest.mark.long
def test_negative_expenditure_has_no_unit_cost(spoiled):
    choice = {"area_code": "400", "population_group": "voksne", "category": "dagtilbud", "year": 2023}
    assert one(spoiled, indicator="expenditure", **choice)["value"] < 0
    assert one(spoiled, indicator="recipients", **choice)["value"] > 0
    assert one(spoiled, indicator="unit_cost", **choice)["status"] == "not_applicable"


def test_krisecentre_have_unit_costs_for_regions_only(key_figures):
    rows = pick(key_figures, indicator="unit_cost", category="krisecentre", year=2024)
    assert set(rows["area_code"]) == {"hovedstaden", "000", "081", "082", "083", "084", "085"}
    assert (rows["value"] > 0).all()


@pytest.mark.long
def test_children_notified_prefers_genuine_counts(small):
    choice = {"indicator": "children_notified_per_1000", "area_code": "101", "year": 2023}
    given = one(small.figures, **choice)
    assert given["origin"] == "derived", "reconstructed counts do not replace genuine rates"
    small.keep_only("REGK100", "FOLK1A", "UND2", "UND2_PR_1000")
    small.change("UND2", list, origin="statbank")
    small.change("FOLK1A.reconstruction", list, origin="statbank")
    table = small.build().figures
    preferred = one(table, **choice)
    assert preferred["origin"] == "statbank"
    counted = one(table, indicator="children_notified", area_code="101", year=2023, category="i_alt")["value"]
    assert preferred["value"] == pytest.approx(given["value"], rel=0.01)
    assert counted > 1000
    assert one(table, indicator="children_notified_per_1000", area_code="101", year=2025)["origin"] == "derived"


@pytest.mark.long
def test_counts_alone_give_the_rate_that_they_replace(small, tmp_path):
    """UND2_PR_1000 cannot be renewed: with UND2 and population nothing is missing without it, also not its section."""
    edition, raw, out = small.edition, small.raw, small.processed
    small.keep_only("REGK100", "FOLK1A", "UND1", "UND2", "BU43")
    assert (out / "facts" / "children_notified_per_1000.parquet").exists()
    table, findings, _ = small.build()
    missed = {finding.table for finding in findings if finding.rule == "DAEK-02"}
    assert "KRISE1" in missed and "UND2_PR_1000" not in missed
    assert not (out / "facts" / "children_notified_per_1000.parquet").exists(), "of the first build"
    rates = pick(table, indicator="children_notified_per_1000")
    assert set(rates["year"]) == set(edition.period.all)
    evidence = Evidence(edition, raw, out)
    for area_code in ("101", "hovedstaden", "000"):
        question = asked(evidence.key_figures, "children_notified_per_1000", area_code, "i_alt", 2023)
        found = trace(evidence, question)
        assert found.agrees and found.chain.value > 0
    assert "UND2.csv.gz" in {file["file"] for file in found.files}
    done = noegletal_process(
        "report", "--edition", small.name, "--only", "04_underretninger", "--format", "site",
        "--raw", raw, "--processed", out, "--out", tmp_path / "reports",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = pd.read_csv(tmp_path / "reports/2024/hovedstaden/data/tabel_kommuner.csv", sep=";", decimal=",")
    assert len(shown) == 5 * (3 + 4), "each of the two measures has the years of its own source"


@pytest.mark.long
def test_without_counts_the_rate_that_they_replace_is_missed(small):
    small.keep_only("REGK100", "FOLK1A")
    table, findings, _ = small.build()
    assert "children_notified_per_1000" not in set(table["indicator"])
    missed = {finding.table for finding in findings if finding.rule == "DAEK-02"}
    assert {"UND2", "UND2_PR_1000"} <= missed


@pytest.mark.long
def test_a_table_that_the_edition_no_longer_names_is_left_where_it_is(small):
    needs = {name: need for name, need in small.edition.tables.items() if name != "UND2_PR_1000"}
    small.keep_only("REGK100", "FOLK1A", "UND2_PR_1000")
    table, _ = build_edition(small.edition.model_copy(update={"tables": needs}), small.raw, small.processed)
    assert "children_notified_per_1000" not in set(table["indicator"])


def test_children_by_number_of_notifications_add_up(key_figures):
    rows = pick(key_figures, indicator="children_notified", area_code="hovedstaden", year=2024).set_index("category")
    classes = [f"underretninger_{number}" for number in range(1, 7)]
    assert rows.loc[classes, "value"].sum() == rows.loc["i_alt", "value"]


@pytest.mark.long
def test_a_new_category_is_an_edit_of_data_files(small, monkeypatch):
    """A category of its own for one grouping: rows in accounts.csv and categories.csv, and every table has it."""
    new = "boern_og_unge,ledsagelse,stoettende_indsatser,Ledsagelse,#112233,expenditure\n"
    small.declare("categories.csv", lambda text: text.replace("\n", f"\n{new}", 1))
    own = "52821,019,boern_og_unge,"
    small.declare("accounts.csv", lambda text: text.replace(f"{own}oevrig_stoettende", f"{own}ledsagelse"))
    small.keep_only("REGK100", "FOLK1A")
    table = small.build().figures
    monkeypatch.setenv("NOEGLETAL_PROCESSED", str(small.processed))
    section = Section("02_boern_og_unge", small.name, "hovedstaden")
    names = accounts.children("boern_og_unge", "stoettende_indsatser")
    rows = section.read("expenditure", group="boern_og_unge", category=names, years=[2024])
    assert "Ledsagelse" in set(rows["label"])
    whole = one(
        table, indicator="expenditure", area_code="hovedstaden", population_group="boern_og_unge", year=2024,
        category="stoettende_indsatser",
    )  # fmt: skip
    assert rows["value"].sum() == pytest.approx(whole["value"])


def raw_rows(folder, pattern, **codes):
    """Rows of raw files as their source has them, without the library."""
    rows = pd.concat([pd.read_csv(path, sep=";", dtype=str, decimal=",") for path in sorted(folder.glob(pattern))])
    for column, wanted in codes.items():
        rows = rows[rows[column].isin(wanted)]
    return rows.assign(INDHOLD=rows["INDHOLD"].astype(float))


def test_notifications_per_1000_count_notifications_and_not_children(small):
    """The raw counts over the raw persons of 1 January, for a municipality and for the sum of several."""
    rates = pick(small.figures, indicator="notifications_per_1000", year=2023, variant="standard")
    for area_code in ("101", "563", "hovedstaden", "000"):
        inside = areas.members(area_code)
        counted = raw_rows(small.raw, "UND1.csv.gz", ADMKOM=inside, TID=["2023"])["INDHOLD"].sum()
        ages = [str(age) for age in range(18)]
        children = raw_rows(small.raw, "FOLK1A*.csv.gz", OMRÅDE=inside, TID=["2023K1"], ALDER=ages, KØN=["TOT"])
        expected = counted / children["INDHOLD"].sum() * 1000
        assert one(rates, area_code=area_code)["value"] == pytest.approx(expected)
        notified = {"indicator": "children_notified_per_1000", "area_code": area_code, "year": 2023}
        assert expected > 1.2 * one(small.figures, **notified)["value"]
    found = trace(
        Evidence(small.edition, small.raw, small.processed),
        Question("notifications_per_1000", "hovedstaden", "boern_og_unge", "i_alt", 2023, "standard"),
    )
    assert found.agrees
    assert {file["file"].split(".")[0] for file in found.files} == {"UND1", "FOLK1A"}


def test_notifications_per_1000_lie_where_their_numerator_may_lie(small):
    """The plausible range of a rate is declared once, of what it counts `per` the same persons."""
    (declared,) = [entry for entry in rules.catalogue().thresholds.ranges if entry.indicator == "notifications"]
    low, high = declared.usual["i_alt"]
    rates = pick(small.figures, indicator="notifications_per_1000", variant="standard")
    assert set(indicators()["notifications_per_1000"].denominators["standard"].values()) == {declared.per}
    # Those of 1 January stand over those of 1 October, which differ by a few per cent.
    assert rates["value"].between(low * 0.9, high * 1.1).all()
