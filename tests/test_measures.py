"""Growth, change, share and index on small frames with known answers."""

import math

import pandas as pd
import pytest

from analysis import charts, measures, tables, trend
from analysis.danish import OF_KNOWN
from analysis.errors import InputError


def rows(**columns):
    base = {
        "indicator": "expenditure", "area_code": "101", "population_group": "voksne", "category": "botilbud",
        "variant": "standard", "unit": "kr", "status": "final", "origin": "statbank", "note": "",
    }  # fmt: skip
    return pd.DataFrame({**base, **columns})


def test_growth_is_on_unrounded_values():
    table = measures.growth(rows(year=[2020, 2022, 2024], value=[3.0, 9.0, 4.0]), 2020, 2024)
    assert table["value"].tolist() == pytest.approx([100 / 3])
    assert table[["unit", "status", "year"]].values.tolist() == [["pct", "final", 2024]]


def test_growth_since_a_year_is_growth_and_no_index():
    table = measures.growth_since(rows(year=[2020, 2024], value=[50.0, 60.0]), 2020)
    assert table["value"].tolist() == pytest.approx([0.0, 20.0])
    assert set(table["unit"]) == {"pct"}
    assert (set(table["measure"]), set(table["since"])) == ({"growth"}, {2020})


@pytest.mark.parametrize(("first", "status"), [(0.0, "not_applicable"), (-5.0, "not_applicable"), (None, "missing")])
def test_growth_from_nothing_is_not_a_number(first, status):
    table = measures.growth(rows(year=[2020, 2024], value=[first, 4.0]), 2020, 2024)
    assert table["value"].isna().all()
    assert table["status"].tolist() == [status]


def test_growth_without_the_first_year_is_missing():
    assert measures.growth(rows(year=[2024], value=[4.0]), 2020, 2024)["status"].tolist() == ["missing"]


def test_growth_rests_on_the_weaker_year():
    table = rows(year=[2020, 2024], value=[1.0, 2.0], origin=["reconstruction", "statbank"])
    table["status"] = ["final", "provisional"]
    grown = measures.growth(table, 2020, 2024)
    assert grown[["origin", "status"]].values.tolist() == [["reconstruction", "provisional"]]


def test_change_keeps_the_unit():
    table = measures.change(rows(year=[2020, 2024], value=[10.0, 4.0]), 2020, 2024)
    assert table[["value", "unit"]].values.tolist() == [[-6.0, "kr"]]


def test_share_is_of_the_categories_named():
    table = rows(year=2024, category=["botilbud", "dagtilbud", "assistance"], value=[30.0, 10.0, 60.0])
    shared = measures.share(table, ["botilbud", "dagtilbud"])
    assert shared.set_index("category")["value"].to_dict() == {"botilbud": 75.0, "dagtilbud": 25.0}
    assert set(shared["unit"]) == {"pct"}


def test_share_with_a_missing_part_is_missing():
    table = rows(year=2024, category=["botilbud", "dagtilbud"], value=[30.0, None])
    assert measures.share(table, ["botilbud", "dagtilbud"])["status"].tolist() == ["missing", "missing"]


def test_index():
    table = measures.index(rows(year=[2020, 2024], value=[50.0, 60.0]), 2020)
    assert table["value"].tolist() == [100.0, 120.0]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([3.0, 12.0, -40.0], 12.0),
        ([-3.0, 0.4, -12.0], -12.0),
        ([None, -1.0, -2.0], -2.0),
        ([0.4, 0.1, -0.2], 0.4),
    ],
)
def test_a_title_is_about_what_grew_most_or_fell_most_where_nothing_grew(values, wanted):
    assert measures.leading(rows(year=[2024] * 3, value=values))["value"] == wanted


def test_without_a_known_growth_the_title_is_about_the_first():
    found = measures.leading(rows(year=[2023, 2024], value=[None, None]))
    assert found["year"] == 2023
    with pytest.raises(IndexError):
        measures.leading(rows(year=[], value=[]))


def test_extremes_are_of_known_figures_and_say_so():
    ends = measures.extremes(rows(year=[2021, 2022, 2023], value=[3.0, 1.0, 2.0]))
    assert (ends.lowest["year"], ends.highest["year"], ends.reservation) == (2022, 2021, "")
    ends = measures.extremes(rows(year=[2021, 2022, 2023], value=[3.0, None, 2.0]))
    assert (ends.lowest["year"], ends.highest["year"], ends.reservation) == (2023, 2021, OF_KNOWN)
    assert measures.extremes(rows(year=[2021, 2022], value=[3.0, None])) is None, "one alone does not stand out"


def test_single_wants_exactly_one_row():
    table = rows(year=[2020, 2024], value=[1.0, 2.0])
    assert measures.single(table, year=2024) == 2.0
    with pytest.raises(LookupError, match="2 rows"):
        measures.single(table, category="botilbud")


def factor(values, years=(2020, 2024)):
    return pd.DataFrame(
        {"area_code": "101", "population_group": "voksne", "category": "botilbud", "year": list(years), "value": values}
    ).assign(status="final", origin="statbank", note="")


def test_decomposition_adds_up_exactly():
    factors = {"a": factor([100.0, 110.0]), "b": factor([0.5, 0.4]), "c": factor([7.0, 9.0]), "d": factor([1.0, 1.121])}
    parts = measures.decomposition(factors, 2020, 2024).set_index("factor")["value"]
    start, end = 100 * 0.5 * 7, 110 * 0.4 * 9 * 1.121
    assert parts.sum() == pytest.approx(end - start, rel=1e-12)
    assert parts["b"] < 0 < parts["a"]
    shares = measures.decomposition(factors, 2020, 2024)["pct"].sum()
    assert shares == pytest.approx(100 * (end / start - 1), rel=1e-12)


def test_decomposition_does_not_depend_on_the_order_and_is_zero_where_nothing_moves():
    factors = {"a": factor([100.0, 110.0]), "b": factor([3.0, 3.0]), "c": factor([7.0, 9.0])}
    forwards = measures.decomposition(factors, 2020, 2024).set_index("factor")["value"]
    backwards = measures.decomposition(dict(reversed(factors.items())), 2020, 2024).set_index("factor")["value"]
    assert forwards.sort_index().tolist() == pytest.approx(backwards.sort_index().tolist())
    assert forwards["b"] == 0
    still = measures.decomposition({"a": factor([5.0, 10.0]), "b": factor([4.0, 2.0])}, 2020, 2024)["value"]
    assert still.sum() == pytest.approx(0, abs=1e-9)
    assert still.abs().min() > 1, "two factors that cancel still contribute"


def test_what_rests_on_a_suppressed_figure_is_suppressed():
    table = rows(year=[2020, 2024], value=[10.0, None], status=["final", "suppressed"])
    for derived in (measures.growth(table, 2020, 2024), measures.change(table, 2020, 2024)):
        assert derived[["value", "status"]].isna().values.tolist() == [[True, False]]
        assert derived["status"].tolist() == ["suppressed"]
    assert measures.index(table, 2020)["status"].tolist() == ["final", "suppressed"]
    assert measures.index(table, 2024)["status"].tolist() == ["suppressed", "suppressed"]
    parts = rows(year=2024, category=["botilbud", "dagtilbud"], value=[30.0, None], status=["final", "suppressed"])
    assert measures.share(parts, ["botilbud", "dagtilbud"])["status"].tolist() == ["suppressed", "suppressed"]
    hidden = factor([5.0, None]).assign(status=["final", "suppressed"])
    split = measures.decomposition({"a": factor([100.0, 110.0]), "b": hidden}, 2020, 2024)
    assert split["value"].isna().all()
    assert set(split["status"]) == {"suppressed"}


@pytest.mark.parametrize("bad", [[0.0, 5.0], [5.0, -1.0], [None, 5.0]])
def test_decomposition_of_nothing_is_not_applicable(bad):
    table = measures.decomposition({"a": factor([100.0, 110.0]), "b": factor(bad)}, 2020, 2024)
    assert table["value"].isna().all()
    assert set(table["status"]) == {"not_applicable"}


def test_growth_carries_the_reservations_of_every_year_between():
    table = rows(year=[2020, 2022, 2024], value=[1.0, 2.0, 3.0])
    table["note"] = ["", "Databrud: noget nyt", "Uden: Fanø"]
    assert measures.growth(table, 2020, 2024)["note"].tolist() == ["Databrud: noget nyt; Uden: Fanø"]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda rows: measures.growth(rows, 2020, 2024), "measures: no column 'indicator' in the rows; they have 2020"),
        (lambda rows: measures.change(rows, 2020, 2024), "measures: no column 'indicator'"),
        (lambda rows: measures.share(rows, ["botilbud"]), "measures.share: no column 'indicator'"),
        (lambda rows: measures.index(rows, 2020), "measures.index: no column 'indicator'"),
        (measures.extremes, "measures.extremes: no column 'value'"),
        (lambda rows: measures.single(rows, aar=2024), "measures.single: no column 'aar'"),
        (tables.with_labels, "tables.with_labels: no column 'area_code'"),
        (trend.amount_trend, "a trend: no column 'year'"),
        (charts.colours_of, "charts.colours_of: no column 'population_group'"),
        (lambda rows: measures.growth(rows.to_dict(), 2020, 2024), "measures: rows are a DataFrame, not dict"),
    ],
)
def test_a_frame_of_another_shape_is_refused_in_one_sentence(ask, said):
    wide = pd.DataFrame({2020: [1.0], 2024: [2.0]}, index=["København"])
    with pytest.raises(InputError) as refused:
        ask(wide)
    assert str(refused.value).startswith(said)


def test_the_growth_that_remains_for_the_other_factor():
    assert measures.remaining(40.0, 25.0) == pytest.approx(12.0)
    assert math.isnan(measures.remaining(40.0, -100.0)), "from nothing there is none"
    assert math.isnan(measures.remaining(math.nan, 25.0))
