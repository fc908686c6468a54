"""Sentences that several sections say: what they are on real rows, and true also where figures are missing or fall."""

import numpy as np
import pandas as pd
import pytest

from analysis import danish, sentences
from analysis.measures import PRICES, RECIPIENTS

HOVEDSTADEN, SJAELLAND, NORDJYLLAND = "084", "085", "081"


def growths(**values):
    return pd.DataFrame({"area_code": [code[1:] for code in values], "value": list(values.values()), "year": 2024})


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            growths(a084=12.0, a085=17.8, a081=8.4),
            "udgifterne er steget mest i Region Sjælland og mindst i Region Nordjylland",
        ),
        (
            growths(a084=12.0, a085=17.8, a081=-2.0),
            "udgifterne er steget mest i Region Sjælland og er faldet i Region Nordjylland",
        ),
        (
            growths(a084=-1.0, a085=-17.8, a081=-2.0),
            "udgifterne er faldet mest i Region Sjælland og mindst i Region Hovedstaden",
        ),
        (
            growths(a084=np.nan, a085=17.8, a081=8.4),
            f"udgifterne er steget mest i Region Sjælland og mindst i Region Nordjylland{danish.OF_KNOWN}",
        ),
        (growths(a084=np.nan, a085=17.8), f"ændringen {danish.NOT_KNOWN}"),
        (
            growths(a084=0.02, a085=17.8),
            "udgifterne er steget mest i Region Sjælland og er uændrede i Region Hovedstaden",
        ),
        (
            growths(a084=-0.02, a085=-17.8),
            "udgifterne er faldet mest i Region Sjælland og er uændrede i Region Hovedstaden",
        ),
        (growths(a084=5.01, a085=4.98), "udgifterne er steget 5,0\u00a0pct. alle steder"),
    ],
    ids=[
        "rise",
        "one falls",
        "all fall",
        "one missing",
        "one known",
        "one unchanged",
        "the other unchanged",
        "alike",
    ],
)
def test_where_it_rose_most(rows, sentence):
    assert sentences.risen_most(rows) == sentence


def test_from_where_to_where():
    assert sentences.ranging(growths(a101=31.2, a187=90.14, a155=24.8)) == (
        "fra 24,8 i Dragør til 90,1 i Vallensbæk i 2024"
    )
    known = growths(a101=31.2, a187=np.nan, a155=24.8)
    assert sentences.ranging(known) == f"fra 24,8 i Dragør til 31,2 i København i 2024{danish.OF_KNOWN}"
    assert sentences.ranging(growths(a101=31.2)) == f"forskellen mellem kommunerne {danish.NOT_KNOWN}"


def efforts(values, before=None):
    rows = [(label.lower(), label, 2024, value) for label, value in values.items()]
    rows += [(label.lower(), label, 2020, value) for label, value in (before or {}).items()]
    return pd.DataFrame(rows, columns=["category", "label", "year", "value"])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"Botilbud": 4.0, "Herberger": 25.2, "Bostøtte": 18.9}, "Udgifterne er steget mest til herberger og bostøtte"),
        (
            {"Botilbud": 9.0, "Herberger": 25.2, "Bostøtte": 9.0},
            "Udgifterne er steget mest til herberger, botilbud og bostøtte",
        ),
        ({"Botilbud": -4.0, "Herberger": 2.0}, "Udgifterne er steget mest til herberger"),
        ({"Botilbud": -4.0, "Herberger": 0.4}, "Udgifterne er ikke steget til nogen af indsatserne"),
        ({"Botilbud": np.nan, "Herberger": 2.0}, f"Udgifterne er steget mest til herberger{danish.OF_KNOWN}"),
        ({"Botilbud": np.nan, "Herberger": np.nan}, f"Ændringen {danish.NOT_KNOWN}"),
        ({}, f"Ændringen {danish.NOT_KNOWN}"),
    ],
    ids=["two", "tie", "one", "none rose", "one missing", "none known", "no rows"],
)
def test_what_expenditure_rose_most_to(values, sentence):
    rows = efforts(values).astype({"value": float})
    assert sentences.risen_to(rows) == sentence
    named = [label.lower() in sentence for label in sentences.risers(rows)["label"]]
    assert all(named), "the rows of risers are those that the sentence names"


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        ((5.0, 2.0), (6.0, 3.0), "Botilbud er fortsat den indsats, der bruges flest penge på."),
        ((5.0, 7.0), (6.0, 3.0), "Botilbud er nu den indsats, der bruges flest penge på."),
        ((5.0, np.nan), (6.0, 3.0), "Botilbud er den indsats, der bruges flest penge på."),
        ((5.0, 2.0), (6.0, 6.0), "Botilbud og bostøtte er de indsatser, der bruges flest penge på."),
        ((5.0, 2.0), (6.0, np.nan), ""),
    ],
    ids=["still", "now", "first year not known", "tie", "one known"],
)
def test_what_most_is_spent_on(before, now, sentence):
    names = ("Botilbud", "Bostøtte")
    rows = efforts(dict(zip(names, now, strict=True)), dict(zip(names, before, strict=True)))
    assert sentences.costliest(rows, 2020, 2024) == sentence


def test_what_most_is_spent_on_says_where_figures_are_missing():
    now, before = {"Botilbud": 6.0, "Bostøtte": 3.0, "Herberger": np.nan}, {"Botilbud": 5.0, "Bostøtte": 3.0}
    assert sentences.costliest(efforts(now, before), 2020, 2024) == (
        f"Botilbud er fortsat den indsats, der bruges flest penge på{danish.OF_KNOWN}."
    )
    assert sentences.costliest(efforts({}), 2020, 2024) == ""


def rates(own, country):
    keys = {
        "indicator": "children_supported_share", "population_group": "boern_og_unge", "category": "i_alt",
        "variant": "standard", "unit": "pct", "status": "final", "origin": "derived", "note": "",
    }  # fmt: skip
    points = [(code, year, value) for code, course in (own, country) for year, value in course.items()]
    return pd.DataFrame(points, columns=["area_code", "year", "value"]).assign(**keys)


def shares(first=None, last=None, label="Angst"):
    """Shares by area code in 2020 and 2024; None is a missing figure."""
    years = ((2020, first or {}), (2024, last or {}))
    return pd.DataFrame(
        [
            {"area_code": code, "year": year, "label": label, "value": np.nan if value is None else value}
            for year, values in years
            for code, value in values.items()
        ],
        columns=["area_code", "year", "label", "value"],
    )


@pytest.mark.parametrize(
    ("start", "end", "way", "course"),
    [
        (7.7, 6.9, "falder", "falder i Region Hovedstaden fra 7,7 pct. i 2020 til 6,9 pct. i 2024"),
        (5.01, 5.04, "er uændret", "er uændret i Region Hovedstaden fra 5,0 pct. i 2020 til 5,0 pct. i 2024"),
        (None, 5.0, "", "kan ikke følges i Region Hovedstaden fra 2020 til 2024, fordi tal mangler"),
    ],
)
def test_which_way_a_share_goes(start, end, way, course):
    rows = shares({HOVEDSTADEN: start}, {HOVEDSTADEN: end})
    assert sentences.way(rows) == way
    assert sentences.course(rows).replace(danish.NO_BREAK, " ") == course
    assert sentences.way(rows.iloc[:0]) == ""


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        ({"084": 5.0, "085": 4.0}, {"084": 6.0, "085": 5.0}, "Siden 2020 stiger andelen i alle regioner."),
        ({"084": 5.0, "085": 4.0}, {"084": 5.0, "085": 4.0}, "Siden 2020 er andelen uændret i alle regioner."),
        (
            {"084": 5.0, "085": 4.0},
            {"084": 6.0, "085": 3.0},
            "Andelen går ikke samme vej i alle regioner siden 2020: den falder i Region Sjælland, mens den stiger i "
            "Region Hovedstaden.",
        ),
        (
            {"084": 5.0, "085": None},
            {"084": 6.0, "085": 3.0},
            f"Siden 2020 stiger andelen i alle regioner{danish.OF_KNOWN}.",
        ),
        ({"084": None}, {"084": 6.0}, f"Andelens ændring siden 2020 {danish.NOT_KNOWN}."),
    ],
    ids=["rise", "unchanged", "both ways", "one missing", "none known"],
)
def test_whether_all_regions_go_the_same_way(first, last, sentence):
    assert sentences.ways(shares(first, last)) == sentence


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (
            {"084": 4.0, "085": 7.0, "081": 5.0},
            {"084": 4.0, "085": 7.0, "081": 6.0},
            "Region Sjælland har den højeste andel i 2024 (7,0 pct.) og har haft det i alle årene siden 2020. Region "
            "Hovedstaden har den laveste andel i 2024 (4,0 pct.) og har haft det i alle årene siden 2020.",
        ),
        (
            {"084": 4.0, "085": 7.0, "081": 8.0},
            {"084": 4.0, "085": 7.0, "081": 7.04},
            "Region Nordjylland og Region Sjælland har den højeste andel i 2024 (7,0 pct.), men har ikke haft det "
            "alene i alle årene siden 2020. Region Hovedstaden har den laveste andel i 2024 (4,0 pct.) og har haft det "
            "i alle årene siden 2020.",
        ),
        (
            {"084": None, "085": 7.0},
            {"084": 4.0, "085": 7.0},
            "Region Sjælland har den højeste andel i 2024 (7,0 pct.). Region Hovedstaden har den laveste andel i 2024 "
            "(4,0 pct.).",
        ),
        ({"084": 4.0, "085": 7.0}, {"084": 5.0, "085": 5.0}, "Andelen er 5,0 pct. i 2024 i alle regioner."),
        ({"084": 4.0, "085": 7.0}, {"084": 4.0, "085": None}, ""),
    ],
    ids=["always", "tie", "missing before", "all alike", "one known"],
)
def test_who_stands_highest_and_lowest_and_has_done_so(first, last, sentence):
    assert sentences.standing(shares(first, last)).replace(danish.NO_BREAK, " ") == sentence


def test_a_region_among_the_others():
    rows = shares({}, {"084": 5.4, "085": 6.0, "081": 5.8})
    assert sentences.among_regions(rows, "084", "andelen").replace(danish.NO_BREAK, " ") == (
        "Andelen ligger i 2024 mellem 5,4 pct. og 6,0 pct. i regionerne. Andelen i Region Hovedstaden (5,4 pct.) er "
        "den laveste af regionerne."
    )
    alone = sentences.among_regions(shares({}, {"084": 5.4, "085": None}), "084", "andelen")
    assert alone.replace(danish.NO_BREAK, " ") == "Andelen i Region Hovedstaden (5,4 pct.) er uden plads i rækken."


def test_between_which_shares_names_all_that_tie():
    rows = shares({}, {"084": 28.9, "085": 37.9, "081": 37.92})
    assert sentences.between(rows).replace(danish.NO_BREAK, " ") == (
        "mellem 28,9 pct. (Region Hovedstaden) og 37,9 pct. (Region Sjælland og Region Nordjylland)"
    )
    assert sentences.between(shares({}, {"084": 28.9, "085": None})) == ""


def diagnoses(first, last, area="084"):
    """Shares by label of one area in 2020 and 2024."""
    parts = [shares({area: first.get(n)}, {area: last.get(n)}, n) for n in dict.fromkeys([*first, *last])]
    return pd.concat(parts, ignore_index=True)


def test_the_largest_diagnoses():
    rows = diagnoses({"ADHD": 2.0, "Angst": 1.0, "Misbrug": 0.5}, {"ADHD": 2.2, "Angst": 1.9, "Misbrug": 1.9})
    now = rows[rows["year"] == 2024]
    assert sentences.largest(now, 1) == "ADHD"
    assert sentences.largest(now, 2) == "ADHD, angst og misbrug", "those that tie with the last are named"
    assert sentences.largest(now, 1, shares=True).replace(danish.NO_BREAK, " ") == "ADHD (2,2 pct.)"
    assert sentences.largest(now.assign(value=np.nan), 2) == ""
    assert sentences.largest_before(rows, 1) == "De samme var størst i 2020."
    assert sentences.largest_before(rows, 2) == "I 2020 var det ADHD og angst."
    assert sentences.largest_before(now, 2) == ""


def test_what_is_more_common_in_a_region_and_least_supported():
    def of(values):
        return pd.concat([shares({}, areas, label) for label, areas in values.items()], ignore_index=True)

    common = of(
        {"ADHD": {"084": 3.0, "085": 2.0}, "Angst": {"084": 2.0, "085": 1.0}, "Misbrug": {"084": 1.0, "085": 1.0}}
    )
    assert sentences.ahead(common, "084") == (
        "Andelen er større i Region Hovedstaden end i alle de øvrige regioner for ADHD og angst."
    )
    assert sentences.ahead(common, "085") == (
        "Ingen diagnose har en større andel i Region Sjælland end i alle de øvrige regioner."
    )
    assert sentences.ahead(of({"ADHD": {"084": 3.0, "085": None}}), "084") == ""
    support = of({"ADHD": {"084": 10.0, "085": 20.0}, "Angst": {"084": 30.0, "085": 20.0}})
    assert sentences.ahead_but_least_supported(common, support, "084") == (
        "Selv om andelen med ADHD er større i Region Hovedstaden end i alle de øvrige regioner, er andelen af dem, der "
        "modtager en indsats, den laveste af regionerne. For angst er andelen med diagnosen også større end i alle de "
        "øvrige regioner, men andelen, der modtager en indsats, er ikke den laveste."
    )
    higher = support.assign(value=support["value"].where(support["area_code"] != "084", 50.0))
    assert sentences.ahead_but_least_supported(common, higher, "084").startswith("For ingen af de diagnoser")
    assert sentences.ahead_but_least_supported(common, support.assign(value=np.nan), "084") == ""


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        (48.0, 51.0, "Den største del er skiftet fra anbringelser til støtte."),
        (51.0, 48.0, "Den største del er skiftet fra støtte til anbringelser."),
        (48.0, 50.0, ""),
        (50.0, 51.0, ""),
        (60.0, 51.0, ""),
        (np.nan, 51.0, ""),
    ],
)
def test_a_larger_part_has_shifted_only_when_it_was_and_is_larger(before, now, sentence):
    assert sentences.shifted(before, now, "støtte", "anbringelser") == sentence


def test_what_drives_most_is_the_largest_to_either_side_and_one_factor_is_named_once():
    rows = pd.DataFrame(
        [(RECIPIENTS, "Støtte", -40.0), (PRICES, "Støtte", 13.0), (RECIPIENTS, "Anbringelser", 9.0),
         (PRICES, "Anbringelser", 17.0)], columns=["factor", "label", "pct"],
    )  # fmt: skip
    fewer = "ntallet af modtagere pr. indbygger trækker {}mest ned for støtte"
    prices = "Prisniveauet trækker udgifterne mest op for anbringelser"
    assert sentences.driven_most(rows) == f"{prices}, mens a{fewer.format('')}"
    same = pd.concat([rows[rows["label"] == "Anbringelser"].assign(label=label) for label in ("ADHD", "Støtte")])
    assert sentences.driven_most(same) == "Prisniveauet trækker udgifterne mest op for ADHD og støtte"
    one_absent = rows.assign(pct=rows["pct"].where(rows["label"] == "Støtte"))
    assert sentences.driven_most(one_absent) == f"A{fewer.format('udgifterne ')}{danish.OF_KNOWN}"
    none = rows.assign(pct=np.nan)
    assert sentences.driven_most(none) == f"Bidragene til udgifternes ændring {danish.NOT_KNOWN}"


def test_a_factor_is_named_in_full_once_unless_it_would_be_taken_for_the_other():
    people, price = ("antallet af modtagere af botilbud", 10.0), ("udgiften pr. modtager", -2.0)
    assert sentences.because(people, price).endswith("; det er antallet, der trækker udgifterne op.")
    children = ("antallet af børn", 10.0), ("antallet af underretninger pr. barn", -2.0)
    assert sentences.because(*children, "tallet").endswith("; det er antallet af børn, der trækker tallet op.")


def test_what_moved_the_expenditure_of_each_category():
    rows = pd.DataFrame(
        [("recipients", "voksne", "botilbud", 5.0), ("unit_cost", "voksne", "botilbud", 9.0),
         ("placements", "boern_og_unge", "anbringelser", 10.0), ("unit_cost", "boern_og_unge", "anbringelser", -1.0),
         ("recipients", "voksne", "herberger", 5.0)],
        columns=["indicator", "population_group", "category", "value"],
    )  # fmt: skip
    assert sentences.number_or_price(rows).replace(danish.NO_BREAK, " ") == (
        "Antallet af modtagere af botilbud er steget 5 pct., og udgiften pr. modtager er steget 9 pct.; begge dele "
        "trækker udgifterne op, mest udgiften pr. modtager. Antallet af anbragte er steget 10 pct., mens udgiften pr. "
        "anbragt er faldet 1 pct.; det er antallet, der trækker udgifterne op."
    )
    assert sentences.number_or_price(rows.assign(value=np.nan)) == ""


@pytest.mark.parametrize(
    ("number", "price", "sentence"),
    [
        (10.0, -2.0, "Antallet er steget 10 pct., mens prisen er faldet 2 pct.; det er antallet, der trækker {} op."),
        (-3.0, 20.0, "Antallet er faldet 3 pct., mens prisen er steget 20 pct.; det er prisen, der trækker {} op."),
        (2.0, 9.0, "Antallet er steget 2 pct., og prisen er steget 9 pct.; begge dele trækker {} op, mest prisen."),
        (-9.0, -9.2, "Antallet er faldet 9 pct., og prisen er faldet 9 pct.; begge dele trækker {} ned."),
        (-20.0, 3.0, "Antallet er faldet 20 pct., mens prisen er steget 3 pct.; det er antallet, der trækker {} ned."),
        (0.2, 5.0, "Antallet er uændret, og prisen er steget 5 pct.; det er prisen, der trækker {} op."),
        (5.0, -5.0, "Antallet er steget 5 pct., mens prisen er faldet 5 pct.; tilsammen er {} stort set uændrede."),
        (0.4, 0.4, "Antallet er uændret, og prisen er uændret."),
        (
            -100.0,
            10.0,
            "Antallet er faldet 100 pct., mens prisen er steget 10 pct.; det er antallet, der trækker {} ned.",
        ),
        (np.nan, 5.0, ""),
        (5.0, np.nan, ""),
    ],
)
def test_which_of_two_factors_moved_something(number, price, sentence):
    said = sentences.because(("antallet", number), ("prisen", price), "beløbene").replace(danish.NO_BREAK, " ")
    assert said == sentence.format("beløbene")
