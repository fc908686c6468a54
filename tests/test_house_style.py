"""The house style: once, in style sheet and charts alike; every kind of chart in the gallery knows what it says."""

import inspect
import json
import re

import numpy as np
import pytest
from matplotlib.colors import to_hex

from analysis import charts
from analysis.charts import style as house
from analysis.charts.basic import Drawing, drawn_for
from analysis.charts.contents import from_facts, shortened, wrapped
from analysis.charts.style import PAGE, PHONE
from noegletal.publish import gallery
from noegletal.publish.pages import TEMPLATES, style

VARIABLES = {
    "ink": house.INK,
    "muted": house.MUTED,
    "line": house.GRID,
    "paper": house.PAPER,
    "soft": house.SOFT,
    "link": house.HIGHLIGHT,
    "warn": house.WARNING,
    "warn-line": house.WARNING_LINE,
}
EXAMPLES = gallery.examples()


def variables(sheet):
    """The variables of a style sheet on light paper."""
    block = re.search(r":root\s*\{([^}]*)\}", sheet)[1]
    return {name: value.strip().upper() for name, value in re.findall(r"--([a-z-]+):\s*(#[0-9a-fA-F]{6})", block)}


def test_the_style_sheet_has_the_colours_of_the_house():
    shown = variables(style())
    assert {name: shown.get(name) for name in VARIABLES} == VARIABLES
    assert variables(style().replace("#1d2b36", "#000000", 1))["ink"] != house.INK, "the check can fail"


def foreign(sheet):
    """The colours of a style sheet that the house does not have."""
    own = {value for value in vars(house).values() if isinstance(value, str) and value.startswith("#")}
    return {colour.upper() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", sheet)} - own


def test_the_pdf_has_no_colours_of_its_own():
    sheet = (TEMPLATES / "pdf.css").read_text(encoding="utf-8")
    assert foreign(sheet) == set()
    assert foreign(sheet.replace("#1d2b36", "#123456", 1)) == {"#123456"}, "the check can fail"


def test_no_kind_of_chart_is_missing_in_the_gallery():
    kinds = {
        name
        for module in (charts, charts)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and inspect.signature(function).return_annotation is Drawing
    }
    assert kinds == set(EXAMPLES)


@pytest.fixture(scope="module")
def drawn():
    return {name: make() for name, make in EXAMPLES.items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_chart_says_survives_as_facts(drawn, name):
    contents = drawn[name].contents
    stored = json.loads(json.dumps(contents.facts(), allow_nan=False))
    assert from_facts(stored) == contents
    for one in contents.series:
        assert len(one.values) == len(one.places or contents.categories)
        assert not one.texts or len(one.texts) == len(one.values)
        assert re.fullmatch("#[0-9A-Fa-f]{6}", one.colour)


def test_what_a_chart_says_is_what_it_draws(drawn):
    """The heights of bars and the places of lines and dots, read from the figure itself."""
    bars = sorted(patch.get_width() for patch in drawn["paired_bars"].axes[0].patches)
    said = [value for one in drawn["paired_bars"].contents.series for value in one.values]
    assert np.allclose(sorted(value for value in bars if not np.isnan(value)), sorted(filter(None, said)))
    lines = [line.get_ydata() for line in drawn["lines"].axes[0].lines]
    assert np.allclose(lines, [one.values for one in drawn["lines"].contents.series])
    heights = sorted(patch.get_height() for patch in drawn["stacked_columns"].axes[0].patches)
    parts = [value for one in drawn["stacked_columns"].contents.series[:-1] for value in one.values]
    assert np.allclose(heights, sorted(parts))
    tones = {to_hex(patch.get_facecolor()).upper() for patch in drawn["stacked_columns"].axes[0].patches}
    assert tones == {one.colour.upper() for one in drawn["stacked_columns"].contents.series[:-1]}


def test_what_is_suppressed_or_missing_is_a_gap_without_a_value(drawn):
    for name in ("paired_bars", "grouped_columns", "flow_matrix"):
        contents = drawn[name].contents
        assert [gap.status for gap in contents.gaps] == ["suppressed"], name
        (gap,) = contents.gaps
        (series,) = [one for one in contents.series if one.name == gap.series]
        assert series.values[contents.categories.index(gap.category)] is None


def test_a_value_with_the_status_suppressed_is_not_said():
    rows = gallery._grid("name", ["a", "b"], "series", ["x"])
    rows.loc[0, "status"] = "suppressed"
    contents = charts.paired_bars(rows, {"x": "#000000"}, unit="pct.").contents
    assert contents.series[0].values[0] is None


def test_figures_are_drawn_for_the_place_they_are_shown():
    assert EXAMPLES["lines"]().get_figwidth() == PAGE.width
    with drawn_for(PHONE):
        assert EXAMPLES["grouped_columns"]().get_figwidth() == PHONE.width
    assert charts.width() == PAGE.width


def test_the_gallery_is_one_page_with_every_chart_in_three_sizes():
    page = gallery.page()
    assert page.count("<img ") == 3 * len(EXAMPLES)
    assert not re.search(r"""(src|href)=["']?https?:|url\(|@import""", page)


def test_names_without_end_have_an_end_in_charts():
    assert len(shortened("x" * 300)) <= 72
    assert max(map(len, wrapped("x" * 300, 26).split("\n"))) <= 26
    assert wrapped("Autismespektrumforstyrrelser hos de yngste", 26).split("\n")[0] == "Autismespektrumforstyrrelser"
