"""Facts and key figures: definitions, sums, variants, missing members, origins, and the checks of the raw figures."""

import json

import pandas as pd
import pytest
from conftest import write_raw
from small_edition import SmallEdition, small_copy

from analysis import accounts, areas, measures
from analysis.catalogue import catalogue
from analysis.errors import InputError
from analysis.rows import COLUMNS, KEYS, ORIGINS, STATUSES
from noegletal import account_rules
from noegletal.facts import expenditure, population
from noegletal.facts.sums import added, rates
from noegletal.figures.build import build_if_stale


def pick(table, **choice):
    for column, wanted in choice.items():
        table = table[table[column] == wanted]
    return table


def one(table, **choice):
    rows = pick(table, variant=choice.pop("variant", "standard"), **choice)
    assert len(rows) == 1, rows
    return rows.iloc[0]


def test_contract(key_figures):
    assert list(key_figures.columns) == COLUMNS
    assert not key_figures.duplicated(KEYS).any()
    assert set(key_figures["origin"]) <= set(ORIGINS)
    assert set(key_figures["unit"]) <= {"kr", "kr_pr_indbygger", "antal", "pct", "pr_1000"}
    assert set(key_figures["status"]) <= set(STATUSES)
    assert set(key_figures["population_group"]) == {"boern_og_unge", "voksne", "alle"}
    assert set(key_figures["area_code"]) == areas.reported_areas()
    assert key_figures["value"].isna().eq(key_figures["status"].isin(["missing", "not_applicable"])).all()


def of_other_years(edition):
    """The categories of accounts that no rule of the edition's years has: they begin later, or have ended."""
    valid = [set(account_rules.rules_of_year(year)["category"]) for year in edition.period.all]
    return set(account_rules.account_rules()["category"]).difference(*valid)


def test_every_category_and_subtotal_is_there(key_figures, edition):
    amounts = pick(key_figures, indicator="expenditure", area_code="101", year=2024, variant="standard")
    declared = accounts.categories().query("used_for == 'expenditure'")
    declared = declared[~declared["category"].isin(of_other_years(edition))]
    assert set(zip(amounts["population_group"], amounts["category"], strict=True)) == set(
        zip(declared["population_group"], declared["category"], strict=True)
    )


@pytest.mark.parametrize("area_code", ["101", "hovedstaden", "000", "083"])
@pytest.mark.parametrize("year", [2020, 2023])
def test_parts_add_up_to_their_sums(key_figures, edition, area_code, year):
    rows = pick(key_figures, indicator="expenditure", area_code=area_code, year=year, variant="standard")
    amount = rows.set_index(["population_group", "category"])["value"]
    for group, whole in (
        ("boern_og_unge", "stoettende_indsatser"),
        ("boern_og_unge", "anbringelser"),
        ("boern_og_unge", "i_alt"),
        ("voksne", "i_alt"),
    ):
        parts = set(accounts.children(group, whole)) - of_other_years(edition)
        parts = [amount[group, part] for part in parts]
        assert sum(parts) == pytest.approx(amount[group, whole], abs=1e-3)
    for category in ("i_alt", "uden_for_afgraensning"):
        assert amount["alle", category] == pytest.approx(amount["boern_og_unge", category] + amount["voksne", category])


def test_scope_and_outside_close_each_function_to_its_total(key_figures, processed):
    facts = pd.read_parquet(processed / "facts" / "expenditure.parquet")
    for group in ("boern_og_unge", "voksne"):
        functions = set(pick(account_rules.account_rules(), population_group=group)["function"])
        whole = facts[facts["function"].isin(functions) & (facts["area_code"] == "101") & (facts["year"] == 2022)]
        rows = pick(key_figures, indicator="expenditure_current", area_code="101", year=2022, variant="standard")
        rows = pick(rows, population_group=group)
        scope = rows[rows["category"].isin(["i_alt", "uden_for_afgraensning"])]["value"].sum()
        assert scope == pytest.approx(whole["value"].sum(), abs=1)


def test_areas_are_the_sum_of_their_municipalities(key_figures):
    rows = pick(key_figures, indicator="expenditure", category="botilbud", year=2021, variant="standard")
    amount = rows.set_index("area_code")["value"]
    for area_code in ("hovedstaden", "000", "081", "085"):
        assert amount[area_code] == pytest.approx(amount[list(areas.members(area_code))].sum())


def test_fixed_prices(key_figures):
    choice = {"area_code": "101", "population_group": "voksne", "category": "botilbud"}
    for year, factor in ((2020, 1.121), (2022, 1.121 / 1.0235), (2024, 1.0)):
        current = one(key_figures, indicator="expenditure_current", year=year, **choice)["value"]
        fixed = one(key_figures, indicator="expenditure", year=year, **choice)["value"]
        assert fixed / current == pytest.approx(factor, abs=1e-5)


def test_per_capita_uses_october_and_the_declared_age_band(key_figures):
    choice = {"area_code": "hovedstaden", "year": 2024}
    for group, band, category in (("boern_og_unge", "0-22", "anbringelser"), ("voksne", "18-66", "botilbud")):
        amount = one(key_figures, indicator="expenditure", population_group=group, category=category, **choice)
        people = one(key_figures, indicator="population", category=band, **choice)
        rate = one(key_figures, indicator="expenditure_per_capita", population_group=group, category=category, **choice)
        assert rate["value"] == pytest.approx(amount["value"] / people["value"])
    younger = one(
        key_figures, indicator="expenditure_per_capita", population_group="boern_og_unge", category="anbringelser",
        variant="age_0_17", **choice,
    )  # fmt: skip
    people = one(key_figures, indicator="population", category="0-17", **choice)
    amount = one(
        key_figures, indicator="expenditure", population_group="boern_og_unge", category="anbringelser", **choice
    )
    assert younger["value"] == pytest.approx(amount["value"] / people["value"])


def test_the_printed_mapping_is_larger_by_grouping_004(key_figures, processed):
    facts = pd.read_parquet(processed / "facts" / "expenditure.parquet")
    twice = pick(facts, function="52822", grouping="004", area_code="101", year=2024)["value"].sum()
    choice = {"indicator": "expenditure", "area_code": "101", "population_group": "boern_og_unge", "year": 2024}
    for category in ("netvaerksfamilier", "anbringelser", "i_alt"):
        printed = one(key_figures, category=category, variant="printed_mapping", **choice)["value"]
        standard = one(key_figures, category=category, **choice)["value"]
        assert printed - standard == pytest.approx(twice)
    assert twice > 0
    assert pick(key_figures, variant="printed_mapping", population_group="voksne").empty


def test_given_rates_keep_municipal_values_and_weigh_areas(key_figures):
    own = one(key_figures, indicator="children_notified_per_1000", area_code="400", year=2020)
    assert own["origin"] == "derived"
    areal = one(key_figures, indicator="children_notified_per_1000", area_code="hovedstaden", year=2020)
    rows = pick(key_figures, indicator="children_notified_per_1000", year=2020)
    members = rows[rows["area_code"].isin(areas.members("hovedstaden"))]["value"]
    assert members.min() < areal["value"] < members.max()
    assert areal["value"] != pytest.approx(members.mean(), abs=1e-6), "weighted, not a plain mean"
    assert areal["origin"] == "reconstruction", "the weights are reconstructed ages"
    # The reference material finds 63.5 -> 86.6 per 1,000 with 2020 weights in both years.
    assert areal["value"] == pytest.approx(63.5, abs=0.3)


def test_a_missing_cell_is_missing_and_left_out_of_the_area_by_name(key_figures):
    assert one(key_figures, indicator="children_supported_share", area_code="563", year=2023)["status"] == "missing"
    region = one(key_figures, indicator="children_supported_share", area_code="083", year=2023)
    assert region["status"] == "partial"
    assert region["note"] == "21 af 22 kommuner i Region Syddanmark, uden Fanø"
    assert one(key_figures, indicator="children_supported_share", area_code="hovedstaden", year=2023)["note"] == ""


@pytest.fixture(scope="module")
def spoiled(small_root, tmp_path_factory):
    """Key figures and findings of accounts with a missing cell, an absent municipality and a new grouping.

    Each in a municipality and year of its own, so that one build shows what becomes of all three.
    """

    def change(lines):
        missing = [
            ";".join([*line.split(";")[:-1], ".."]) if line.startswith("147;53850;1;1;") and ";2022;" in line else line
            for line in lines
        ]
        there = [line for line in missing if not (line.startswith("563;") and ";2023;" in line)]
        return [*there, "101;52821;1;1;77;TOT;LOBM;2024;5000"]

    folder = tmp_path_factory.mktemp("spoiled") / "small"
    with small_copy(small_root, folder) as small:
        small.keep_only("REGK100", "REGK31", "FOLK1A")
        small.change("REGK100", change)
        # Else an absent municipality stops the build.
        small.declare("quality.yml", lambda text: text.replace("{REGK100: {}", '{REGK100: {"563": [2023]}'))
        return small.build()[:2]


def test_a_sum_without_a_member_is_of_the_others_and_says_so(spoiled):
    table, _ = spoiled
    amounts = pick(table, indicator="expenditure", variant="standard", year=2022)
    members = {area_code: areas.members(area_code) for area_code in ("hovedstaden", "084", "000")}
    for category in ("botilbud", "i_alt"):
        cell = pick(amounts, population_group="voksne", category=category)
        assert one(cell, area_code="147")["status"] == "missing"
        for area_code, inside in members.items():
            row = one(cell, area_code=area_code)
            assert row["status"] == "partial"
            assert row["value"] == pytest.approx(cell.loc[cell["area_code"].isin(inside), "value"].sum())
    row = one(amounts, area_code="hovedstaden", population_group="voksne", category="botilbud")
    assert row["note"] == "4 af 5 kommuner i hovedstaden, uden Frederiksberg"
    people = pick(table, indicator="population", category="18-66", year=2022)
    own, whole = (one(people, area_code=code)["value"] for code in ("147", "hovedstaden"))
    assert row["coverage"] == pytest.approx(1 - own / whole)
    assert one(amounts, area_code="083", population_group="voksne", category="botilbud")["status"] == "final"
    rate = one(
        table, indicator="expenditure_per_capita", area_code="hovedstaden", population_group="voksne",
        category="botilbud", year=2022, variant="standard",
    )  # fmt: skip
    assert (rate["status"], rate["note"], rate["coverage"]) == ("partial", row["note"], row["coverage"])


def test_a_municipality_that_is_not_there_is_missing_not_zero(spoiled):
    table, findings = spoiled
    cell = pick(table, indicator="expenditure", population_group="voksne", category="i_alt", variant="standard")
    for area_code, status in (("563", "missing"), ("083", "partial"), ("000", "partial"), ("hovedstaden", "final")):
        assert one(cell, area_code=area_code, year=2023)["status"] == status
    assert any(finding.rule == "DAEK-01" and "Fanø" in finding.text for finding in findings)


def test_what_is_compared_over_time_is_of_the_same_municipalities(spoiled):
    table, _ = spoiled
    cell = pick(table, indicator="expenditure", population_group="voksne", category="i_alt", area_code="083")
    panel, standard = (pick(cell, variant=variant).set_index("year") for variant in ("panel", "standard"))
    assert set(panel.index) == set(standard.index)
    assert (panel["status"] == "partial").all()
    assert (panel["value"] < standard["value"]).drop(2023).all()
    assert panel.loc[2023, "value"] == standard.loc[2023, "value"]
    grown = measures.growth(measures.with_panel(pick(cell, variant="standard"), cell), 2022, 2023)["value"].item()
    assert grown == pytest.approx((panel.loc[2023, "value"] / panel.loc[2022, "value"] - 1) * 100)


@pytest.mark.long
def test_origin_and_status_follow_the_sidecars(small):
    small.keep_only("REGK100", "FOLK1A")
    small.change("REGK100", list, origin="statbank", status="provisional")
    table, _, _ = small.build()
    choice = {"area_code": "000", "population_group": "voksne", "category": "i_alt", "year": 2024}
    amount = one(table, indicator="expenditure", **choice)
    assert (amount["origin"], amount["status"]) == ("statbank", "provisional")
    rate = one(table, indicator="expenditure_per_capita", **choice)
    assert (rate["origin"], rate["status"]) == ("reconstruction", "provisional")


@pytest.mark.long
def test_only_net_operating_rows_of_municipalities_count(small):
    small.keep_only("REGK100", "FOLK1A")
    noise = [
        "101;53850;2;1;1;TOT;LOBM;2024;-99999",
        "101;53850;1;1;1;UE;LOBM;2024;99999",
        "101;53850;1;1;1;I;LOBM;2024;-99999",
        "101;53850;1;1;1;S1;LOBM;2024;99999",
        "101;53850;1;1;1;TOT;INDL;2024;99999",
        "101;30000;1;1;1;TOT;LOBM;2024;99999",
        "910;53850;1;1;1;TOT;LOBM;2024;99999",
        "084;53850;1;1;1;TOT;LOBM;2024;1",
        "000;53850;1;1;1;TOT;LOBM;2024;2",
    ]
    small.change("REGK100", lambda lines: lines + noise)
    key_figures = small.figures
    table, findings, _ = small.build()
    assert set(table["indicator"]) == {"expenditure", "expenditure_current", "expenditure_per_capita", "population"}
    undisturbed = key_figures[key_figures["indicator"].isin(table["indicator"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, undisturbed)
    wrong = [finding for finding in findings if finding.rule == "OMR-01"]
    assert {"Region Hovedstaden", "Hele landet"} <= {
        name for name in areas.names().values() for f in wrong if name in f.text
    }


def test_correct_region_rows_are_silent(small):
    facts = pd.read_parquet(small.processed / "facts" / "expenditure.parquet")
    own = facts[facts["area_code"].isin(areas.members("084"))].groupby(["year", "function"])["value"].sum() / 1000
    rows = [f"84;{function};1;1;1;TOT;LOBM;{year};{amount:.0f}" for (year, function), amount in own.items()]
    assert rows
    small.change("REGK100", lambda lines: lines + rows)
    _, findings = expenditure.build(small.raw, small.edition)
    assert not [finding for finding in findings if finding.rule == "OMR-01"]


def test_a_new_grouping_is_reported_and_counted_outside(spoiled, small_root):
    table, findings = spoiled
    key_figures = SmallEdition(small_root).figures
    named = [finding for finding in findings if finding.rule == "REGK-01"]
    assert len(named) == 1
    assert "5.28.21 gruppering 077" in named[0].text
    assert " (2024, " in named[0].text, "a year is written as one"
    assert "5.000 t.kr." in named[0].text
    choice = {"indicator": "expenditure", "area_code": "101", "population_group": "boern_og_unge", "year": 2024}
    for category, more in (("uden_for_afgraensning", 5e6), ("i_alt", 0)):
        new, old = (one(frame, category=category, **choice)["value"] for frame in (table, key_figures))
        assert new - old == pytest.approx(more, abs=1)


def test_accounts_that_do_not_add_to_regk31_warn_with_the_size(small):
    def more(lines):
        place = next(i for i, line in enumerate(lines) if line.startswith("159;52822;") and ";2023;" in line)
        cells = lines[place].split(";")
        return [*lines[:place], ";".join([*cells[:-1], str(int(cells[-1]) + 1234)]), *lines[place + 1 :]]

    small.change("REGK100", more)
    _, findings = expenditure.build(small.raw, small.edition)
    wrong = [finding for finding in findings if finding.rule == "REGK-02"]
    assert len(wrong) == 1
    assert "Gladsaxe 2023, funktion 5.28.22" in wrong[0].text
    assert "forskel 1.234 t.kr." in wrong[0].text


def test_the_embedded_edition_has_no_findings_of_weight(processed):
    findings = json.loads((processed / "findings.json").read_text(encoding="utf-8"))
    weighty = [found["text"] for found in findings if found["rule"] in ("REGK-01", "REGK-02", "DAEK-01", "FOLK-01")]
    assert all("Læsø mangler i 201" in text for text in weighty), "a genuine gap in the source of the notifications"


def test_ages_that_do_not_add_up_warn(small):
    wanted = "101;TOT;30;TOT;2024K4;"
    small.change("FOLK1A.reconstruction", lambda lines: [
        f"{wanted}9999" if line.startswith(wanted) else line for line in lines
    ])  # fmt: skip
    _, findings = population.build(small.raw, small.edition)
    assert next(finding.text for finding in findings if finding.rule == "FOLK-01").startswith("København 2024K4")


@pytest.mark.parametrize(
    ("stem", "change", "message"),
    [
        ("REGK100", lambda lines: [line for line in lines if ";2023;" not in line], "REGK100 holds no rows for 2023"),
        ("REGK100", lambda lines: [*lines, "101;52821;1;7;1;TOT;LOBM;2024;1"], "EJER '7' is not one of 0-4"),
        ("REGK100", lambda lines: [line.replace(";TOT;", ";UE;") for line in lines], "no net operating expenditure"),
        (
            "FOLK1A.reconstruction",
            lambda lines: [line for line in lines if ";2023K4;" not in line],
            r"FOLK1A holds no rows for 2023K4 \(1 October\)",
        ),
        ("FOLK1A.reconstruction", lambda lines: [*lines, "101;TOT;200+;TOT;2024K4;1"], "ALDER '200\\+'"),
        ("FOLK1A.reconstruction", lambda lines: [*lines, "101;TOT;118;TOT;2024K4;-1"], "cannot be negative"),
        ("BU43", lambda lines: [line for line in lines if ";2023;" not in line], "BU43 holds no rows for 2023"),
        ("BU43", lambda lines: [*lines[:-1], lines[-1].rsplit(";", 1)[0] + ";140,0"], "outside what a rate can be"),
    ],
)
def test_bad_input_is_one_error_and_changes_nothing(small, tmp_path, stem, change, message):
    out = tmp_path / "out"
    out.mkdir()
    (out / "key_figures.parquet").write_bytes(b"as it was")
    small.change(stem, change)
    with pytest.raises(InputError, match=message):
        small.build(out)
    assert (out / "key_figures.parquet").read_bytes() == b"as it was"
    assert [path.name for path in out.iterdir()] == ["key_figures.parquet"]


def test_a_required_table_that_is_absent(small):
    small.without("REGK100")
    with pytest.raises(InputError, match="lacks REGK100"):
        small.build()


def test_an_optional_table_that_is_absent_takes_its_indicators_with_it(small):
    of_the_table = {"children_supported_share", "children_supported"}
    assert of_the_table <= set(small.figures["indicator"])
    small.keep_only("REGK100", "FOLK1A", "HAND05")
    table, findings, _ = small.build()
    assert "recipients" in set(table["indicator"])
    assert of_the_table.isdisjoint(table["indicator"])
    absent = {finding.table for finding in findings if finding.rule == "DAEK-02"}
    # price_index.csv stands in for NGLK.
    assert absent == set(small.edition.tables) - {"REGK100", "FOLK1A", "HAND05", "NGLK"}
    assert set(small.edition.tables) - set(absent) == {"REGK100", "FOLK1A", "HAND05", "NGLK"}


def test_two_builds_are_equal_and_the_second_is_not_needed(small, tmp_path):
    assert not build_if_stale(small.edition, small.raw, small.processed)
    assert build_if_stale(small.edition, small.raw, tmp_path / "other")
    pd.testing.assert_frame_equal(small.figures, pd.read_parquet(tmp_path / "other" / "key_figures.parquet"))


def test_an_edition_of_two_functions_only(small):
    """A raw folder with one function: no invented adults, and the absent functions are named."""
    municipalities = areas.municipalities()
    small.keep_only()
    lines = ["OMRÅDE;FUNKTION;DRANST;EJER;GRUPPERING;ART;PRISENHED;TID;INDHOLD"]
    lines += [f"{m};52821;1;1;3;TOT;LOBM;{y};100" for m in municipalities for y in small.edition.period.all]
    write_raw(small.raw, "REGK100", "\n".join(lines))
    lines = ["OMRÅDE;KØN;ALDER;CIVILSTAND;TID;INDHOLD"]
    lines += [
        f"{m};TOT;{a};TOT;{y}K4;10" for m in municipalities for a in (5, 20, 40, 70) for y in small.edition.period.all
    ]
    write_raw(small.raw, "FOLK1A", "\n".join(lines))
    table, findings, _ = small.build()
    assert "voksne" not in set(pick(table, indicator="expenditure")["population_group"])
    choice = {"area_code": "hovedstaden", "category": "familiebehandling", "year": 2024}
    row = one(table, indicator="expenditure", **choice)
    assert (row["value"], row["origin"]) == (5 * 100_000, "statbank")
    rate = one(table, indicator="expenditure_per_capita", **choice)
    assert rate["value"] == pytest.approx(100_000 / 20)
    assert any(finding.rule == "REGK-03" for finding in findings)


def test_added_carries_missing_provisional_and_weakest_origin():
    frame = pd.DataFrame(
        {
            "key": ["a", "a", "b", "b", "c"],
            "value": [1.0, 2.0, 1.0, None, 5.0],
            "status": ["final", "provisional", "final", "missing", "final"],
            "origin": ["statbank", "derived", "statbank", "reconstruction", "delivery"],
        }
    )
    sums = added(frame, ["key"]).set_index("key")
    assert sums["value"].tolist()[0::2] == [3.0, 5.0]
    assert sums["status"].to_dict() == {"a": "provisional", "b": "missing", "c": "final"}
    assert sums["origin"].to_dict() == {"a": "derived", "b": "reconstruction", "c": "delivery"}


def test_a_rate_over_nobody_is_not_applicable():
    top = pd.DataFrame({"area_code": ["101"], "year": [2024], "value": [5.0], "status": "final", "origin": "statbank"})
    result = rates(top, top.assign(value=0.0), ["year"]).set_index("area_code")
    assert result.loc["101", "status"] == "not_applicable"
    assert pd.isna(result.loc["101", "value"])


def test_every_indicator_is_described():
    for name, entry in catalogue().indicators.items():
        assert len(entry.definition) > 40, name
        assert set(entry.caveats) <= set(catalogue().caveats), name
