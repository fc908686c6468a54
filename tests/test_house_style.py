"""The house style: once, in style sheet and charts alike; every kind of chart is drawn and knows what it says."""

import inspect
import json
import re

import numpy as np
import pytest
from chart_examples import EXAMPLES, grid
from matplotlib.colors import to_hex
from test_uncertainty_charts import unreadable, words

from analysis import charts, herberg
from analysis.charts import style as house
from analysis.charts.contents import shortened, wrapped
from analysis.charts.frames import said
from analysis.charts.sheet import Drawing, drawn_for
from analysis.charts.style import PAGE, PHONE, SLIDE
from noegletal.publish.native_charts import KINDS
from noegletal.publish.office import from_facts
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


def test_every_kind_of_chart_has_an_example():
    functions = (vars(charts) | vars(herberg.charts) | vars(herberg.uncertainty)).items()
    made = {name: one for name, one in functions if inspect.isfunction(one) and one is not said}
    kinds = {name for name, one in made.items() if inspect.signature(one).return_annotation is Drawing}
    assert kinds == set(EXAMPLES)
    assert len(kinds) > 10, "the charts were found"


@pytest.mark.parametrize("size", [PAGE, SLIDE, PHONE])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_of_chart_is_drawn_in_the_three_sizes(name, size):
    with drawn_for(size):
        figure = EXAMPLES[name]()
    assert figure.get_figwidth() == size.width
    assert words(figure)
    if size is not PHONE:
        # The names of dots are small on purpose.
        assert [fault for fault in unreadable(figure) if not fault.endswith("has 9.5 points")] == []
    assert charts.vector(figure).startswith(b"<?xml")


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
        assert contents.kind not in KINDS or re.fullmatch("#[0-9A-Fa-f]{6}", one.colour)


def test_what_a_chart_says_is_what_it_draws(drawn):
    """The heights of bars and the places of lines and dots, read from the figure itself."""
    bars = sorted(bar.get_width() for bars in drawn["bars"].axes[0].containers for bar in bars)
    said = [value for one in drawn["bars"].contents.series for value in one.values]
    assert np.allclose(sorted(value for value in bars if not np.isnan(value)), sorted(filter(None, said)))
    lines = [line.get_ydata() for line in drawn["lines"].axes[0].lines]
    assert np.allclose(lines, [one.values for one in drawn["lines"].contents.series])
    heights = sorted(patch.get_height() for patch in drawn["stacked_columns"].axes[0].patches)
    parts = [value for one in drawn["stacked_columns"].contents.series[:-1] for value in one.values]
    assert np.allclose(heights, sorted(parts))
    tones = {to_hex(patch.get_facecolor()).upper() for patch in drawn["stacked_columns"].axes[0].patches}
    assert tones == {one.colour.upper() for one in drawn["stacked_columns"].contents.series[:-1]}


def test_what_is_suppressed_or_missing_is_a_gap_without_a_value(drawn):
    for name in ("bars", "grouped_columns", "flow_matrix"):
        contents = drawn[name].contents
        assert {gap.status for gap in contents.gaps} == {"suppressed"}, name
        absent = {
            (category, one.name)
            for one in contents.series
            for category, value in zip(contents.categories, one.values, strict=True)
            if value is None
        }
        assert absent == {(gap.category, gap.series) for gap in contents.gaps}


def test_a_value_with_the_status_suppressed_is_not_said():
    rows = grid("name", ["a", "b"], "series", ["x"])
    rows.loc[0, "status"] = "suppressed"
    contents = charts.bars(rows, y="name", hue="series", unit="pct.").contents
    assert contents.series[0].values[0] is None


def test_a_figure_is_drawn_for_the_page_where_nothing_else_is_said():
    with drawn_for(PHONE):
        assert charts.width() == PHONE.width
    assert charts.width() == PAGE.width


def test_names_without_end_have_an_end_in_charts():
    assert len(shortened("x" * 300)) <= 72
    assert max(map(len, wrapped("x" * 300, 26).split("\n"))) <= 26
    assert wrapped("Autismespektrumforstyrrelser hos de yngste", 26).split("\n")[0] == "Autismespektrumforstyrrelser"
