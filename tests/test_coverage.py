"""Areas that lack municipalities: what their figures are of, what says so, and what is compared over time."""

import math

import pandas as pd
import pytest

from analysis import areas, measures
from analysis.rows import PANEL, PARTIAL
from analysis.section import Claim, Section
from noegletal.facts.sums import rates, whole_areas, with_summed_areas
from noegletal.figures import coverage
from noegletal.figures.formulas import Question
from noegletal.review.evidence import Evidence
from noegletal.review.trace import counted_rows, trace

CELL = {"population_group": "voksne", "category": "botilbud", "variant": "standard"}
YEARS = range(2020, 2023)
# As many persons in each municipality as its code says, so that each has a share of its own.
PERSONS = {code: float(code) for code in areas.municipalities()}


def counted(*, without=(), status="final", years=YEARS):
    """Recipients of every municipality, a tenth of its persons, but for some (code, year)."""
    rows = [
        (code, year, math.nan if (code, year) in without else persons / 10)
        for code, persons in PERSONS.items()
        for year in years
    ]
    table = pd.DataFrame(rows, columns=["area_code", "year", "value"]).assign(**CELL, origin="statbank")
    return table.assign(status=table["value"].isna().map({True: "missing", False: status}))


def told(rows, least=0.8):
    people = counted().assign(value=lambda table: table["value"] * 10, indicator="population", category="18-66")
    table = with_summed_areas(rows, [*CELL, "year"]).assign(indicator="recipients", unit="antal", band="18-66")
    return coverage.told(table, coverage.Sizes(people), least)


def of(table, area, year, variant="standard"):
    row = table[(table["area_code"] == area) & (table["year"] == year) & (table["variant"] == variant)]
    return row.iloc[0]


def test_a_sum_without_a_member_is_of_the_others_with_its_share_and_the_absent_by_name():
    table = told(counted(without={("183", 2020), ("187", 2020)}))
    inside = areas.members("hovedstaden")
    persons = sum(PERSONS[code] for code in inside)
    row = of(table, "hovedstaden", 2020)
    assert row["value"] == pytest.approx((persons - 183 - 187) / 10)
    assert row["coverage"] == pytest.approx(1 - (183 + 187) / persons)
    assert (row["status"], row["note"]) == (PARTIAL, "27 af 29 kommuner i hovedstaden, uden Ishøj og Vallensbæk")
    assert of(table, "000", 2020)["note"] == "96 af 98 kommuner på landsplan, uden Ishøj og Vallensbæk"
    for area, year in (("hovedstaden", 2021), ("085", 2020)):
        whole = of(table, area, year)
        assert (whole["status"], whole["note"], whole["coverage"]) == ("final", "", 1.0)
    assert of(table, "183", 2020)["coverage"] == 0.0


def test_a_partial_figure_that_is_provisional_says_so():
    row = of(told(counted(without={("183", 2020)}, status="provisional")), "084", 2020)
    assert row["status"] == PARTIAL
    assert row["note"] == "28 af 29 kommuner i Region Hovedstaden, uden Ishøj; foreløbigt tal"


@pytest.mark.parametrize(("least", "status"), [(0.8, PARTIAL), (0.95, "missing")])
def test_a_figure_of_less_than_the_declared_share_is_missing(least, status):
    absent = [code for code in areas.members("084") if code in ("400", "187")]
    row = of(told(counted(without={(code, 2020) for code in absent}), least), "084", 2020)
    assert 0.8 < row["coverage"] < 0.95
    assert row["status"] == status
    assert pd.isna(row["value"]) == (status == "missing")
    assert row["note"].removeprefix("Kun ").startswith("27 af 29 kommuner i Region Hovedstaden, uden Bornholm og")


def test_a_year_that_nobody_has_is_missing_and_names_nobody():
    table = told(counted(without={(code, 2021) for code in PERSONS}))
    row = of(table, "hovedstaden", 2021)
    assert (row["status"], row["note"], row["coverage"]) == ("missing", "Ingen kommuner i hovedstaden har tal", 0.0)
    assert coverage.panels(table) == {}, "what the others compare is not touched by a year that is not there"


def test_a_figure_that_a_source_has_by_region_lacks_nobody():
    region = (
        counted().query("area_code == '101'").assign(area_code="084", indicator="recipients", note="", band="18-66")
    )
    people = counted().assign(indicator="population", category="18-66")
    assert (coverage.told(region, coverage.Sizes(people), 0.8)["coverage"] == 1).all()


def test_a_series_leaves_out_whoever_lacks_a_year_in_every_year():
    table = told(counted(without={("183", 2020), ("187", 2022), ("825", 2021)}))
    left_out = {key[1]: absent for key, absent in coverage.left_out(table).items()}
    assert left_out == {
        "hovedstaden": {"183", "187"}, "084": {"183", "187"}, "081": {"825"}, "000": {"183", "187", "825"},
    }  # fmt: skip
    (series,) = coverage.panels(table).values()
    assert set(series["area_code"]) == set(left_out), "one computation serves them all"


def test_a_rate_of_an_area_is_of_those_that_have_both():
    persons = counted().assign(value=lambda table: table["value"] * 10)
    both = rates(counted(without={("183", 2020)}), persons, [*CELL, "year"])
    assert of(both, "084", 2020)["value"] == pytest.approx(0.1)


def test_persons_of_a_whole_area_are_missing_without_one_of_its_municipalities():
    """A count that a source has by region may not be divided by the persons of some of its municipalities."""
    whole = whole_areas(counted(without={("183", 2020)}), ["year"])
    gone = whole.loc[whole["value"].isna(), ["area_code", "year"]].to_numpy().tolist()
    assert sorted(gone) == [["000", 2020], ["084", 2020], ["hovedstaden", 2020]]


@pytest.fixture(scope="module")
def with_panels():
    """The table with its panels, as the build makes them of other municipalities' facts."""
    rows = counted(without={("183", 2020)})
    rows.loc[rows["year"] == 2022, "value"] *= 1.5
    table = told(rows)
    (absent,) = coverage.panels(table)
    others = told(rows[~rows["area_code"].isin(absent)]).merge(coverage.panels(table)[absent], on=coverage.SERIES)
    return pd.concat([table, others.assign(variant=PANEL)], ignore_index=True).assign(printed="")


def test_growth_is_of_the_same_municipalities(with_panels):
    standard = with_panels[with_panels["variant"] == "standard"]
    rows = standard[standard["area_code"] == "084"]
    naive = measures.growth(rows, 2020, 2022).iloc[0]
    assert naive["value"] > 50.1, "Ishøj came to it"
    grown = measures.growth(measures.with_panel(rows, with_panels), 2020, 2022).iloc[0]
    assert grown["value"] == pytest.approx(50)
    assert (grown["status"], grown["variant"]) == (PARTIAL, PANEL)
    assert grown["note"] == "28 af 29 kommuner i Region Hovedstaden, uden Ishøj"
    same = measures.index(measures.with_panel(rows, with_panels), 2020)
    assert same.set_index("year")["value"].to_dict() == pytest.approx({2020: 100, 2021: 100, 2022: 150})
    changed = measures.change(measures.with_panel(rows, with_panels), 2020, 2022).iloc[0]
    assert changed["value"] == pytest.approx(of(with_panels, "084", 2020, PANEL)["value"] / 2)


def test_what_lacks_nobody_is_compared_as_it_is(with_panels):
    rows = with_panels[(with_panels["area_code"] == "085") & (with_panels["variant"] == "standard")]
    pd.testing.assert_frame_equal(measures.comparable(measures.with_panel(rows, with_panels)), rows)
    assert measures.with_panel(rows, rows) is rows


def test_a_claim_says_of_how_many_municipalities_its_rows_are(with_panels, monkeypatch):
    section = Section("", "2025", "hovedstaden")
    rows = with_panels[with_panels["variant"] == PANEL]
    own = rows[rows["area_code"] == "hovedstaden"]
    claim = section.claim("Antallet er steget 50 pct.", rests_on=own, kind="growth")
    assert isinstance(claim, Claim)
    assert claim == "Antallet er steget 50 pct. (28 af 29 kommuner i hovedstaden)"
    assert section.claim("Antallet er steget", rests_on=own.assign(status="final")) == "Antallet er steget"
    of_two = measures.lacking(rows[rows["area_code"] != "000"])
    assert set(of_two.split(" og ")) == {f"28 af 29 kommuner {areas.locative(code)}" for code in ("hovedstaden", "084")}
    assert measures.lacking(rows) == "ikke alle kommuner har tal", "three areas are too many to say"
    shown = []
    monkeypatch.setattr("analysis.section.display", lambda html: shown.append(html.data))
    section.say("Antallet er steget", "Det er mange.", rests_on=own)
    assert shown[0].endswith(">Antallet er steget Det er mange (28 af 29 kommuner i hovedstaden).</p>")


@pytest.mark.parametrize("variant", ["standard", PANEL])
@pytest.mark.parametrize("indicator", ["children_notified", "children_notified_per_1000"])
def test_a_figure_without_some_municipalities_is_traced_to_the_rows_of_the_others(
    processed, edition, raw, indicator, variant
):
    # Læsø lacks 2022 in the embedded data.
    question = Question(indicator, "081", "boern_og_unge", "i_alt", 2022, variant)
    found = trace(Evidence(edition, raw, processed), question)
    assert found.agrees
    assert not math.isnan(found.figure["value"])
    assert counted_rows(found.chain) >= 10
