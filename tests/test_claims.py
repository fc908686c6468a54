"""What may be said of figures: every reason of the gate, in both directions, and that nothing goes round it."""

import json
import re

import pandas as pd
import pytest

from analysis import areas, claims, danish, measures
from analysis.catalogue import shown
from analysis.claims import Claim, claim_rules, finds
from analysis.errors import InputError
from analysis.rows import evidence, labels
from analysis.section import Section
from analysis.trend import Trend
from noegletal.figures.printed import declarations, published
from noegletal.publish import section_pages

VALLENSBAEK, FANOE, JAMMERBUGT, COUNTRY = "187", "563", "849", "000"
USUAL = {
    "indicator": "placements",
    "area_code": "hovedstaden",
    "population_group": "boern_og_unge",
    "category": "anbringelser",
    "variant": "standard",
    "unit": "antal",
    "status": "final",
    "origin": "statbank",
    "note": "",
    "printed": "",
}


def rows(values, **facts):
    """Key figures of one series by year."""
    return pd.DataFrame([{**USUAL, "year": year, "value": value, **facts} for year, value in values.items()])


def grown(values, **facts):
    """Its growth over all its years, and the series itself."""
    series = rows(values, **facts)
    return measures.growth(series, min(values), max(values)), series


def judged(said, kind="growth", series=None, chance=None, text="Antallet er steget 10 pct. siden 2020"):
    claim = Claim(text, said, kind, series=series, chance=chance)
    return claim.outcome, claim.reasons, str(claim)


EVEN = {2020: 100.0, 2021: 103.0, 2022: 106.0, 2023: 108.0, 2024: 110.0}
STATED = ("stated", (), "Antallet er steget 10 pct. siden 2020")


def test_what_all_bears_is_stated_as_it_is_written():
    said, series = grown(EVEN)
    assert judged(said, series=series) == STATED


@pytest.mark.parametrize(
    ("facts", "outcome", "reasons", "starts"),
    [
        ({}, "example", ("example",), "Eksempel: Antallet"),
        ({"printed": "growth:2020"}, "stated", (), "Antallet"),
        ({"printed": "growth:2015 level"}, "example", ("example",), "Eksempel: "),
        ({"area_code": VALLENSBAEK}, "withheld", ("example_municipality",), ""),
        ({"area_code": VALLENSBAEK, "printed": "growth:2020"}, "stated", (), "Antallet"),
        ({"area_code": VALLENSBAEK, "origin": "derived"}, "stated", (), "Antallet"),
    ],
)
def test_what_is_reconstructed_is_an_example_but_for_what_is_printed(facts, outcome, reasons, starts):
    said, series = grown(EVEN, **{"origin": "reconstruction", **facts})
    found = judged(said, series=series)
    assert found[:2] == (outcome, reasons)
    assert found[2].startswith(starts)
    assert bool(found[2]) == bool(starts)


def test_an_example_of_a_group_names_no_municipality():
    said, _ = grown(EVEN, origin="reconstruction")
    named = "Flest anbragte pr. indbygger er der i Vallensbæk"
    assert judged(said, "extreme", text=named) == ("withheld", ("example_names_municipality",), "")
    # Vejen is a municipality too.
    assert judged(said, "extreme", text="Vejen mod loftet betyder mest")[0] == "example"
    measured, _ = grown(EVEN)
    assert judged(measured, "extreme", text=named) == ("stated", (), named)


def test_one_example_among_measured_rows_is_enough():
    both = pd.concat([grown(EVEN)[0], grown(EVEN, area_code=FANOE, origin="reconstruction")[0]])
    assert judged(both, "comparison")[:2] == ("withheld", ("example_municipality",))
    assert judged(both[both["area_code"] != FANOE], "comparison") == STATED


def test_a_figure_that_is_missing_leaves_no_gap():
    said, _ = grown(EVEN)
    assert judged(said, text="Antallet er .. i 2024") == (
        "softened",
        ("missing",),
        "Hovedtallet kan ikke opgøres, fordi tal mangler",
    )
    assert judged(said, text="Antallet er 110 i 2024")[0] == "stated"


def test_a_municipality_with_an_open_finding_is_not_held_up():
    mark = "Vallensbæk springer meget fra året før"
    own, series = grown(EVEN, area_code=VALLENSBAEK, note=mark)
    assert judged(own, series=series) == ("withheld", ("finding",), "")
    beside = pd.concat([own, grown(EVEN, area_code=COUNTRY)[0]])
    assert judged(beside, "comparison")[:2] == ("withheld", ("finding",))
    among = pd.concat([own, grown(EVEN, area_code=FANOE)[0], grown(EVEN, area_code="101")[0]])
    assert judged(among, "extreme") == (
        "softened",
        ("other_finding",),
        f"{STATED[2]} (med forbehold for Vallensbæk, se Datakvalitet)",
    )
    # That another municipality of the area jumps is no finding about the area.
    assert judged(grown(EVEN, note=mark)[0]) == STATED
    assert judged(grown(EVEN, area_code=VALLENSBAEK, note="Databrud: ny opgørelse")[0]) == STATED


def test_no_per_cent_of_a_handful():
    few, series = grown({2020: 3.0, 2024: 9.0}, area_code=FANOE)
    assert judged(few, series=series) == (
        "softened",
        ("small_base",),
        "Anbragte børn og unge den 31. december (anbringelser) på Fanø gik fra 3 i 2020 til 9 i 2024",
    )
    assert judged(grown({2020: 5.0, 2024: 5.0}, area_code=FANOE)[0])[1:] == (
        ("small_base_same",),
        "Anbragte børn og unge den 31. december (anbringelser) på Fanø var 5 i både 2020 og 2024",
    )
    least = claim_rules().smallest_base
    assert judged(grown({2020: float(least), 2024: least * 3.0})[0]) == STATED
    two = pd.concat([few, grown(EVEN, area_code=FANOE)[0]])
    assert judged(two)[:2] == ("withheld", ("small_bases",))
    # Three kroner an inhabitant are no three persons.
    assert judged(grown({2020: 3.0, 2024: 9.0}, indicator="expenditure_per_capita")[0]) == STATED


def test_where_few_live_a_figure_swings():
    rate = {"indicator": "children_supported_share", "category": "i_alt"}
    own, series = grown(EVEN, area_code=FANOE, **rate)
    said = f"{STATED[2]} (få indbyggere på Fanø, så tallet svinger)"
    assert judged(own, series=series) == ("softened", ("few_inhabitants",), said)
    beside = pd.concat([own, grown(EVEN, area_code=COUNTRY, **rate)[0]])
    assert judged(beside, "comparison")[:2] == ("softened", ("few_inhabitants",))
    assert judged(beside, "level") == STATED
    others = pd.concat([own, grown(EVEN, area_code=JAMMERBUGT, **rate)[0]])
    assert judged(others, "extreme", text="Fra 2,9 på Fanø til 6,2 i Jammerbugt")[1] == ("few_inhabitants",)
    # Where it is one of many and not named, or another municipality, nothing is added.
    assert judged(others, "extreme") == STATED
    assert judged(grown(EVEN, area_code=JAMMERBUGT, **rate)[0]) == STATED


def test_the_municipalities_of_few_are_those_below_five_thousand(key_figures):
    people = key_figures[(key_figures["indicator"] == "population") & (key_figures["category"] == "i_alt")]
    latest = people[people["area_code"].isin(areas.municipalities()) & (people["year"] == people["year"].max())]
    assert sorted(latest.loc[latest["value"] < 5000, "area_code"]) == claim_rules().few_inhabitants


def test_contributions_larger_than_what_they_explain_are_left_out():
    parts = rows({2024: 1.0}).assign(measure="contribution", since=2020, pct=[claim_rules().largest_contribution + 1])
    assert judged(parts, "extreme")[:2] == ("withheld", ("large_contribution",))
    assert judged(parts.assign(pct=-99.0), "extreme") == STATED


def test_a_figure_of_some_municipalities_says_of_how_many():
    part = {"status": "partial", "note": "27 af 29 kommuner i hovedstaden, uden Fanø"}
    assert judged(grown(EVEN, **part)[0], text="Antallet er steget 10 pct.") == (
        "softened",
        ("partial",),
        "Antallet er steget 10 pct. (27 af 29 kommuner i hovedstaden)",
    )


def test_a_change_that_may_be_chance_is_said_to_be():
    said, series = grown(EVEN)
    unsure = Trend("poisson", (2020, 2024), 2.0, -1.0, 5.0, beyond_chance=False)
    assert judged(said, series=series, chance=unsure)[:2] == ("softened", ("chance",))
    sure = Trend("poisson", (2020, 2024), 2.0, 1.0, 3.0, beyond_chance=True)
    unknown = Trend("poisson", (2020, 2024), 2.0, -1.0, 5.0, beyond_chance=False, usable=False, reason="for få år")
    for test in (sure, unknown):
        assert judged(said, series=series, chance=test) == STATED


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({2015: 2.9, 2018: 1.3, 2019: 3.7, 2025: 2.9}, ("uneven",)),
        ({2015: 2.9, 2018: 2.8, 2019: 3.0, 2025: 2.9}, ()),
        ({2020: 100.0, 2022: 120.0, 2023: 118.0, 2024: 110.0}, ("fell",)),
        ({2020: 100.0, 2022: 80.0, 2023: 85.0, 2024: 90.0}, ("rose",)),
        ({2020: 100.0, 2023: 110.5, 2024: 110.0}, ()),
        ({2020: 100.0, 2024: 110.0}, ()),
    ],
)
def test_the_ends_of_a_series_are_not_all_that_is_said_of_it(values, reasons):
    facts = {"indicator": "children_supported_share", "category": "i_alt"}
    said, series = grown(values, **facts)
    assert judged(said, series=series)[1] == reasons
    assert judged(said, series=series, kind="level")[1] == ()


def test_every_reason_that_can_be_given_is_declared_and_has_a_test():
    tested = set(re.findall(r'"([a-z_]+)"', re.sub(r"USUAL.*?\n}", "", open(__file__).read(), flags=re.S)))  # noqa: SIM115, PTH123
    assert set(claim_rules().reasons) <= tested
    given = set(re.findall(r'yield "([a-z_]+)"|"(rose|fell|example)"', open(claims.__file__).read()))  # noqa: SIM115, PTH123
    assert {name for pair in given for name in pair if name} == set(claim_rules().reasons)


def test_evidence_is_of_the_very_measure():
    printed = {"origin": "reconstruction", "printed": "growth:2020 level share"}
    level = rows({2020: 100.0, 2024: 110.0}, **printed)
    assert evidence(level).tolist() == ["fitted", "fitted"]
    assert evidence(measures.growth(level, 2020, 2024)).tolist() == ["fitted"]
    assert evidence(measures.change(level, 2020, 2024)).tolist() == ["example"]
    assert evidence(measures.share(level, ["anbringelser"])).tolist() == ["fitted", "fitted"]
    assert evidence(measures.index(level.assign(printed=["", "growth:2020"]), 2020)).tolist() == ["fitted", "fitted"]
    assert evidence(measures.index(level.assign(printed=""), 2020)).tolist() == ["fitted", "example"]
    assert evidence(level.assign(origin="transcribed")).tolist() == ["genuine", "genuine"]
    assert evidence(pd.DataFrame({"navn": ["a"]})).tolist() == [""]


def test_printed_rows_make_key_figures_fitted(key_figures, edition):
    fitted = key_figures[key_figures["evidence"] == "fitted"]
    assert set(fitted["origin"]) == {"reconstruction"}
    assert fitted["printed"].str.contains("level").all()
    levels = {row.measure for row in published(edition).itertuples()} & {
        name for name, measure in declarations().measures.items() if measure.derive == "level"
    }
    assert {declarations().measures[name].indicator for name in levels} == set(fitted["indicator"])
    assert (key_figures["evidence"] == "genuine").equals(key_figures["origin"] != "reconstruction")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Udgifter pr. modtager i hovedstaden, kr.", ""),
        ("Væksten efter nævner, 2020-2024", ""),
        ("Børn pr. 1.000 0-17-årige i 2024", ""),
        ("Udgifterne er steget", "steget"),
        ("Der er 12 pladser", "1"),
        ("Højest i Vallensbæk", "Højest"),
        ("Botilbud er den dyreste indsats", "dyreste"),
        ("Ligger højere end landet", "højere"),
    ],
)
def test_a_plain_text_finds_nothing(text, found):
    assert finds(text) == found


def test_what_is_shown_is_said_without_a_finding():
    own = rows({2020: 1.0, 2024: 2.0})
    assert shown(own) == "Anbragte børn og unge den 31. december (anbringelser), 2020-2024"
    assert (
        shown(measures.growth(own, 2020, 2024))
        == "Ændring: anbragte børn og unge den 31. december (anbringelser), 2020-2024"
    )
    assert shown(pd.DataFrame({"navn": ["a"]})) == "Egne tal"


@pytest.fixture
def section(processed, monkeypatch, tmp_path):
    from analysis.edition import PROCESSED_VARIABLE, PUBLISH_VARIABLE

    monkeypatch.setenv(PROCESSED_VARIABLE, str(processed))
    monkeypatch.setenv(PUBLISH_VARIABLE, str(tmp_path))
    shown = []
    monkeypatch.setattr("analysis.section.display", lambda markup: shown.append(markup.data))
    made = Section("04_underretninger", "2025", "vallensbaek")
    made.shown, made.folder = shown, tmp_path
    return made


def test_nothing_goes_round_the_gate(section):
    with pytest.raises(
        InputError, match=r"a sentence that finds something \('steget'\) is a claim: say what it rests on"
    ):
        section.say("Udgifterne er steget.")
    frame = pd.DataFrame({"Navn": ["a"], "Tal": ["1"]})
    with pytest.raises(InputError, match=r"tabel_kommuner: a title that finds something \('1'\) is a claim"):
        section.table("tabel_kommuner", frame, title="12 kommuner", data=frame)
    with pytest.raises(InputError, match="a claim rests on rows of a DataFrame and finds one of growth, comparison"):
        section.claim("Udgifterne er steget", rests_on=frame, kind="opinion")
    section.say("Sådan er tallene gjort op")
    assert "Sådan er tallene gjort op." in section.shown[-1]


def test_an_answer_that_cannot_be_given_says_so_and_a_reason_is_left_out(section):
    count, rate = section.read("notifications", category="i_alt"), section.read("children_notified_per_1000")
    why = "tallene om kommunen er ikke målt"
    section.say("Antallet er steget", rests_on=count, kind="growth", role="answer")
    section.say("Antallet er steget", rests_on=count, kind="growth", role="why")
    section.say("Antallet er steget", rests_on=count, kind="growth")
    section.say("Der mangler {nan}".replace("{nan}", danish.number(float("nan"), 0)), role="answer")
    section.say("Raten er 71,9", rests_on=rate[rate["year"] == 2025], role="answer")
    section.say("Fordi der er flere", rests_on=rate[rate["year"] == 2025], role="why")
    section.say(role="why")
    assert [markup.strip() for markup in section.shown] == [
        f'<p class="finding answer" id="saetning-1">Det kan ikke siges på disse tal: {why}.</p>',
        '<p class="finding answer" id="saetning-4">Det kan ikke siges på disse tal: tal mangler.</p>',
        '<p class="finding answer" id="saetning-5">Raten er 71,9.</p>',
        '<p class="finding why" id="saetning-6">Fordi der er flere.</p>',
    ]
    found = section_pages.findings("\n".join(section.shown))
    assert [(one["anchor"], one["role"]) for one in found] == [
        ("saetning-1", "answer"), ("saetning-4", "answer"), ("saetning-5", "answer"), ("saetning-6", "why"),
    ]  # fmt: skip


def test_outside_the_report_every_sentence_that_is_not_said_says_why(processed, monkeypatch):
    from analysis.edition import PROCESSED_VARIABLE

    monkeypatch.setenv(PROCESSED_VARIABLE, str(processed))
    shown = []
    monkeypatch.setattr("analysis.section.display", lambda markup: shown.append(markup.data))
    made = Section("", "2025", "vallensbaek")
    made.say("Antallet er steget", rests_on=made.read("notifications", category="i_alt"), kind="growth")
    why = "tallene om kommunen er ikke målt"
    assert shown == [f'<p class="finding" id="saetning-1">Det kan ikke siges på disse tal: {why}.</p>']


def test_a_title_that_is_withheld_says_what_is_shown_and_awaits_the_source(section):
    count = section.read("notifications", category="i_alt")
    title = section.claim("Antallet er steget", rests_on=count, kind="growth")
    table = pd.DataFrame({"Navn": ["a"], "Tal": ["b"]})
    section.table("tabel_kommuner", table, title=title, data=count)
    facts = json.loads((section.folder / "facts" / "tabel_kommuner.json").read_text(encoding="utf-8"))
    assert facts["title"] == "Underretninger (børn og unge), 2015-2024"
    assert facts["evidence"] == "example"
    assert "Kilde: rekonstrueret efter Danmarks Statistik (UND1)." in facts["below"]
    assert "Afventer data fra kilden (UND1)." in facts["below"]
    assert labels().evidence["example"].mark in section.shown[-1]
    (claim,) = json.loads((section.folder / claims.CLAIMS).read_text(encoding="utf-8"))
    assert (claim["place"], claim["outcome"], claim["reasons"]) == (
        "tabel-kommuner", "withheld", ["example_municipality"],
    )  # fmt: skip


def test_measured_figures_of_a_municipality_are_stated(section):
    rate = section.read("children_notified_per_1000")
    claim = section.claim("Raten er 71,9", rests_on=rate[rate["year"] == 2025])
    assert (claim.outcome, claim.evidence) == ("stated", "genuine")
    section.say("Raten er 71,9", rests_on=rate[rate["year"] == 2025])
    assert '<p class="finding" id="saetning-1">Raten er 71,9.</p>' in section.shown[-1]
