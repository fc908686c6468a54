"""Danish numbers and sentences."""

import datetime
import math

import pandas as pd
import pytest

from analysis import danish

NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234.5, 1, "1.234,5"),
        (0.5, 0, "1"),
        (1.5, 0, "2"),
        (2.5, 0, "3"),
        (-0.5, 0, "−1"),
        (-2.5, 0, "−3"),
        (2.675, 2, "2,68"),
        (1.005, 2, "1,01"),
        (24.95, 1, "25,0"),
        (-0.04, 1, "0,0"),
        (60000, 0, "60.000"),
        (1e15, 0, "1.000.000.000.000.000"),
    ],
)
def test_number(value, decimals, text):
    assert danish.number(value, decimals) == text


@pytest.mark.parametrize(("status", "symbol"), [("missing", ".."), ("suppressed", "•"), ("not_applicable", ".")])
def test_no_number_shows_why(status, symbol):
    assert danish.number(math.nan, 1, status) == symbol


@pytest.mark.parametrize("kept", [datetime.date(2026, 11, 29), "2026-11-29", "2026-11-29T22:49:02Z"])
def test_a_day_is_the_same_from_a_date_and_from_what_files_keep(kept):
    assert danish.day(kept) == f"29.{NBSP}november{NBSP}2026"


def test_units_hold_on_to_their_number():
    assert danish.percent(12.34, 1) == f"12,3{NBSP}pct."
    assert danish.amount(20.434e9) == f"20,4{NBSP}mia.{NBSP}kr."
    assert danish.amount(959.4e6) == f"959{NBSP}mio.{NBSP}kr."
    assert danish.amount(7115.2) == f"7.115{NBSP}kr."


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (16.9, 0, f"steget 17{NBSP}pct."),
        (-7.2, 0, f"faldet 7{NBSP}pct."),
        (0.4, 0, "uændret"),
        (math.nan, 0, "uden opgjort ændring"),
        (None, 0, "uden opgjort ændring"),
    ],
)
def test_change_follows_the_data(value, decimals, text):
    assert danish.change(value, decimals) == text


def test_several_things_are_unchanged_in_the_plural():
    assert danish.change(0.4, plural=True) == "uændrede"
    assert danish.change(16.9, plural=True) == danish.change(16.9)


def test_a_sentence_begins_with_a_capital_and_ends_once():
    assert danish.sentence("i København gik det") == "I København gik det."
    assert danish.sentence("steget 17 pct.") == f"Steget 17{NBSP}pct."
    assert danish.sentence("uændret") == "Uændret."
    assert danish.sentence("steget 10 pct.. Det er 7 kr.. Og ..") == f"Steget 10{NBSP}pct. Det er 7{NBSP}kr. Og .."


@pytest.mark.parametrize(
    ("value", "before", "text"),
    [(51.2, 47.8, "mod 48 pct. i 2020"), (45.4, 44.6, "ligesom i 2020"), (44.4, 44.6, "mod 45 pct. i 2020")],
)
def test_a_share_is_said_against_another_or_as_the_same(value, before, text):
    assert danish.against(value, before, 2020).replace(danish.NO_BREAK, " ") == text


@pytest.mark.parametrize(
    ("value", "other", "text"), [(17, 15.5, "højere end"), (9.2, 12.9, "lavere end"), (15.51, 15.49, "på niveau med")]
)
def test_compared_turns_with_the_data(value, other, text):
    assert danish.compared(value, other, 1) == text


def test_rank():
    assert danish.rank(17, [10, 12]) == "den højeste"
    assert danish.rank(9, [10, 12]) == "den laveste"
    assert danish.rank(11, [10, 12]) == "nr. 2 af 3 regnet fra den højeste"


def test_no_rank_of_a_missing_figure_and_a_reservation_where_others_are_missing():
    assert danish.rank(math.nan, [10, 12]) == "uden plads i rækken"
    assert danish.rank(9, [math.nan]) == "uden plads i rækken"
    assert danish.rank(17, [10, math.nan], of=" af regionerne") == f"den højeste af regionerne{danish.OF_KNOWN}"
    assert danish.rank(11, [10, 12, math.nan]) == f"nr. 2 af 3 regnet fra den højeste{danish.OF_KNOWN}"


@pytest.mark.parametrize(("value", "other"), [(math.nan, 1.0), (1.0, math.nan), (None, None)])
def test_nothing_compares_with_a_missing_figure(value, other):
    assert danish.compared(value, other) == danish.NOT_COMPARABLE


@pytest.mark.parametrize(
    ("value", "growths", "text"),
    [
        (12.0, [12.0, 3.0], "størst vækst i a"),
        (-12.0, [-12.0, -3.0], "størst fald i a"),
        (12.0, [12.0, math.nan], f"størst vækst i a{danish.OF_KNOWN}"),
        (0.2, [0.2, 0.1], "ingen ændring på en hel procent"),
        (math.nan, [math.nan], f"ændringen {danish.NOT_KNOWN}"),
    ],
)
def test_the_largest_change_is_of_known_figures(value, growths, text):
    assert danish.largest_change("a", value, growths) == text


@pytest.mark.parametrize(
    ("growths", "falling", "risen"),
    [
        ([1.0, 2.0], "ingen typer falder", "steget i alle typer"),
        ([-1.0, 2.0], "fald i a", "steget i 1 af 2 typer"),
        ([-1.0, math.nan], f"fald i a{danish.OF_KNOWN}", f"steget i 0 af 1 typer{danish.OF_KNOWN}"),
        ([1.0, math.nan], f"ingen typer falder{danish.OF_KNOWN}", f"steget i 1 af 1 typer{danish.OF_KNOWN}"),
        ([math.nan] * 2, f"ændringen {danish.NOT_KNOWN}", "uden opgjort ændring i typer"),
    ],
)
def test_what_falls_and_rises_is_counted_among_known_figures(growths, falling, risen):
    assert danish.falling(["a", "b"], growths, "typer") == falling
    assert danish.risen(growths, "typer") == risen


def test_lists():
    assert danish.listed(["a"]) == "a"
    assert danish.listed(["a", "b", "c"]) == "a, b og c"


def test_described_names_each_series_with_its_ends():
    data = pd.DataFrame(
        {"series": ["A", "A", "A", "B"], "year": [2020, 2021, 2022, 2022], "value": [1.0, 9.0, 2.0, 5.0]}
    )
    assert danish.described("Linjer", data, "kr.", 0) == "Linjer, kr.: A 1 i 2020 og 2 i 2022; B 5 i 2022."


def test_a_span_has_two_ends_unless_they_print_alike():
    assert danish.span(1200.4, 1399.6, "pladser") == "1.200 til 1.400\u00a0pladser"
    assert danish.span(1.04, 1.01, decimals=1) == "1,0"
    assert danish.span(math.nan, 3) == ".. til 3"


def test_periods_in_words():
    assert danish.period("2024M03") == "marts 2024"
    assert danish.period("2028K1") == "1. kvartal 2028"
    periods = (pd.Period("2024-03", "M"), pd.Period("2028Q1", "Q"), pd.Period("2031", "Y"))
    assert [danish.period(one) for one in periods] == ["marts 2024", "1. kvartal 2028", "2031"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("I 2025 var tallet .. børn. Siden 2015 er tallet steget.", "Siden 2015 er tallet steget."),
        ("De udgjorde 2,8 mia. kr. i 2024 mod .. kr. i 2022, en forskel på .. kr.", ""),
        ("Højere end hele landet (..). Væksten er .. pct.; den er vægtet. Flest bor i Fanø.", "Flest bor i Fanø."),
        ("Udgiften er 12,3 mio. kr. i Fanø. Den er steget.", "Udgiften er 12,3 mio. kr. i Fanø. Den er steget."),
    ],
)
def test_a_sentence_with_a_gap_is_left_out(text, left):
    assert danish.without_gaps(text) == left
