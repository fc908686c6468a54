"""Charts speak in rows and names of columns: what they take from rows, and what they say of those they cannot draw."""

import json
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from chart_examples import NAMES, YEARS, grid, pairs
from matplotlib import pyplot
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgba

from analysis import charts, herberg, measures
from analysis.charts.style import CONTEXT, GRID, HIGHLIGHT, INK, LABEL, MUTED, PAPER, PICTURE_FONT, TEXT
from analysis.errors import InputError
from analysis.section import OWN_FIGURES, Section

# By an analyst: no key figures, and names of columns that nobody has heard of.
OWN = pd.DataFrame({"tid": [2023, 2024] * 2, "sted": ["A", "A", "B", "B"], "tal": [1.5, 2.0, 3.5, np.nan]})


@pytest.fixture
def section(processed, monkeypatch):
    monkeypatch.setenv("NOEGLETAL_PROCESSED", str(processed))
    return Section("02_boern_og_unge", "2025", "hovedstaden")


def test_no_matplotlibrc_of_the_user_shows():
    with mpl.rc_context({"figure.facecolor": "pink", "text.usetex": True, "lines.linewidth": 9, "xtick.top": True}):
        Section("", "2025", "hovedstaden")
        different = {name for name, value in mpl.rcParams.items() if value != mpl.rcParamsDefault[name]}
        assert different <= {*charts.STYLE, "backend", "interactive"}
        assert not mpl.rcParams["text.usetex"]


@pytest.fixture
def amounts(section):
    return section.read("expenditure", group="boern_og_unge", category=["stoettende_indsatser", "anbringelser"])


def test_amounts_are_shown_in_the_unit_and_colours_of_their_rows(amounts):
    contents = charts.stacked_columns(amounts, hue="label").contents
    assert (contents.unit, contents.decimals) == ("mia. kr.", 2)
    assert [one.name for one in contents.series] == ["Støttende indsatser", "Anbringelser", "I alt"]
    assert {one.name: one.colour for one in contents.series[:2]} == charts.colours_of(amounts)
    told = amounts[amounts["category"] == "anbringelser"].set_index("year")["value"] / 1e9
    assert contents.series[1].values == pytest.approx(told.tolist())


def test_a_stack_is_read_by_its_height(amounts):
    """Parts of 600 mio. kr. each make a column of 1,2 mia. kr."""
    one_year = amounts[amounts["year"] == 2024].assign(value=6e8)
    assert charts.stacked_columns(one_year, hue="label").contents.unit == "mia. kr."
    assert charts.bars(one_year, y="label").contents.unit == "mio. kr."


def test_what_measures_make_of_rows_has_its_own_unit(section, amounts):
    growth = section.read("expenditure", group="voksne", category="i_alt", area=section.compared_areas)
    growth = measures.growth(growth, 2020, 2024).assign(area=lambda rows: rows["area_code"])
    assert charts.bars(growth, y="area").contents.unit == "pct."
    index = measures.index(amounts, 2020)
    assert charts.lines(index, hue="label").contents.unit == "indeks, 2020 = 100"
    assert charts.lines(index, hue="label").contents.decimals == 0
    cost = Section("06_enhedspriser_og_modtagere", "2025", "hovedstaden").read(
        "unit_cost", group="voksne", years=[2024]
    )
    contents = charts.bars(cost, y="label").contents
    assert contents.unit == "1.000 kr. pr. helårsmodtager"
    assert max(contents.series[0].values) < 3000


def test_a_chart_keeps_its_rows_and_reads_itself_aloud(amounts):
    drawn = charts.lines(amounts, hue="label")
    assert drawn.rows is amounts
    assert drawn.reading.startswith("Linjer, mia.\u00a0kr.: Støttende indsatser ")
    assert re.search(r"Anbringelser \d,\d\d i 2020 og \d,\d\d i 2024\.$", drawn.reading)
    two = amounts[amounts["year"].isin([2020, 2024])]
    assert "Støttende indsatser 2," in charts.bars(two, y="label", hue="year").reading


def test_years_are_told_apart_as_before_and_now_and_names_stand_in_order(amounts):
    two = amounts[amounts["year"].isin([2020, 2024])]
    drawn = charts.bars(two, y="label", hue="year", order=["Anbringelser"])
    assert {one.name: one.colour for one in drawn.contents.series} == {"2020": CONTEXT, "2024": HIGHLIGHT}
    assert drawn.contents.categories == ["Anbringelser", "Støttende indsatser"]
    assert drawn.rows["label"].tolist() == two["label"].tolist(), "the rows keep their order for the CSV"


def test_an_analysts_own_frame_is_drawn(section):
    contents = charts.lines(OWN, x="tid", y="tal", hue="sted", unit="dage").contents
    assert [one.values for one in contents.series] == [[1.5, 2.0], [3.5, None]]
    assert (contents.unit, contents.decimals) == ("dage", 1)
    alone = charts.stacked_columns(OWN.head(2), x="tid", y="tal")
    assert [one.name for one in alone.contents.series] == ["Værdi"]
    assert alone.reading == "Søjler, : Værdi 1,5 og 2,0."


MANY = pd.DataFrame({"year": 2024, "value": 1.0, "navn": [f"Kommune {number}" for number in range(9)]})


SPANS = pd.DataFrame({"name": ["A"], "low": [1.0], "value": [2.0], "high": [3.0]})


def test_figures_that_share_no_unit_are_not_drawn_together(section):
    rows = pd.concat([section.read("expenditure", group="voksne"), section.read("recipients", group="voksne")])
    botilbud = rows[rows["category"] == "botilbud"]
    with pytest.raises(InputError, match="lines: expenditure and recipients in one chart; choose one, or say a common"):
        charts.lines(botilbud, hue="indicator")
    assert charts.lines(botilbud, hue="indicator", unit="antal og kr.").contents.unit == "antal og kr."


def test_the_axis_of_lines_holds_what_is_below_zero():
    rows = pd.DataFrame({"year": [2023, 2024], "value": [-3.0, 5.0]})
    low, high = charts.lines(rows, unit="mio. kr.").axes[0].get_ylim()
    assert low < -3.0 < 5.0 < high


# Each kind that tells example data apart, where its values lie, and rows of which no two have the same value.
TOLD_APART = {
    "lines": ("y", lambda rows: charts.lines(rows, hue="series"), grid("year", YEARS, "series", list("ab"))),
    "stacked_columns": (
        "y", lambda rows: charts.stacked_columns(rows, hue="series"), grid("year", YEARS, "series", list("ab"))
    ),
    "columns": ("y", charts.stacked_columns, grid("year", YEARS, "series", list("a"))),
    "bars": ("x", lambda rows: charts.bars(rows, y="name", hue="series"), pairs("name")),
    "contributions": (
        "x", lambda rows: charts.contributions(rows, x="value", y="name", hue="series"),
        grid("name", NAMES, "series", list("abc")).assign(value=lambda rows: rows["value"] - 4.05),
    ),
    "spread": (
        "y", lambda rows: charts.spread(rows, hue="series", references={"a": (HIGHLIGHT, "-")}),
        grid("year", YEARS, "series", list("abc")),
    ),
    "ranked_dots": ("x", lambda rows: charts.ranked_dots(rows, y="name"), grid("name", NAMES, "year", [2020, 2024])),
    "dot_rows": (
        "x", lambda rows: charts.dot_rows(rows, y="name", hue="series", palette={"a": HIGHLIGHT}),
        grid("name", NAMES, "series", list("ab")),
    ),
}  # fmt: skip


def hollow(figure, axis):
    """The values of the marks that are drawn without a filling, read from the figure itself."""
    axes, empty = figure.axes[0], to_rgba(PAPER)
    points = [dots for dots in axes.collections if isinstance(dots, PathCollection) and dots.get_visible()]
    values = [
        spot["xy".index(axis)]
        for dots in points
        # The diamond of a total is of ink, and no row.
        if all(tuple(tone) == empty for tone in dots.get_facecolor()) and to_hex(dots.get_edgecolor()[0]) != INK.lower()
        for spot in dots.get_offsets()
    ]
    bars = [bar for bar in axes.patches if bar.get_facecolor() == empty]
    values += [bar.get_height() if axis == "y" else bar.get_width() for bar in bars]
    return sorted(round(value, 6) for value in values)


@pytest.mark.parametrize("name", TOLD_APART)
def test_marks_are_hollow_exactly_where_rows_are_example_data_and_no_stamp_says_so(name):
    axis, draw, rows = TOLD_APART[name]
    kinds = {0: "genuine", 1: "example", 2: "fitted"}
    # Once as they come and once turned round: a mark that is hollow here must be filled there.
    for turned in (kinds, {0: "example", 1: "genuine", 2: "example"}):
        marked = rows.assign(evidence=[turned[place % 3] for place in range(len(rows))])
        examples = marked.loc[marked["evidence"] == "example", "value"].dropna()
        figure = draw(marked)
        assert hollow(figure, axis) == sorted(round(value, 6) for value in examples)
        assert "eksempeldata" in figure.axes[0].get_xlabel()
        stamped = charts.vector(figure, stamp="EKSEMPELDATA")
        assert hollow(figure, axis) == []
        assert "eksempeldata" not in figure.axes[0].get_xlabel()
        assert [text.get_text() for text in figure.axes[-1].texts].count("EKSEMPELDATA") == 1
        if name != "ranked_dots":
            # The first of its two years is hollow, and only filled where that is what example data are.
            assert stamped == charts.vector(draw(rows), stamp="EKSEMPELDATA")


@pytest.mark.parametrize("name", TOLD_APART)
def test_genuine_and_fitted_rows_are_drawn_as_rows_that_say_nothing(name):
    _, draw, rows = TOLD_APART[name]
    plain = charts.vector(draw(rows))
    evidence = np.where(rows.index % 2, "genuine", "fitted")
    assert charts.vector(draw(rows.assign(evidence=evidence))) == plain
    assert charts.vector(draw(rows.assign(evidence="example"))) != plain, "the check can fail"


def test_a_stamp_is_in_every_image_within_the_chart_and_under_what_is_written():
    """Also of Axes drawn by hand; on the page, which shows the image without its title, as well."""
    _, house, rows = TOLD_APART["columns"]
    for draw in (house, lambda rows: sns.barplot(rows, x="year", y="value", ax=pyplot.subplots()[1])):
        plain, stamped = (
            charts.images(draw(rows).figure, "Titel", ["Kilde: prøve."], stamp=stamp) for stamp in ("", "EKSEMPELDATA")
        )
        pyplot.close("all")
        for kind in ("page", "vector", "pixels"):
            assert getattr(plain, kind) != getattr(stamped, kind), kind
        assert stamped.margins == plain.margins
    figure = TOLD_APART["stacked_columns"][1](TOLD_APART["stacked_columns"][2])
    charts.images(figure, "Titel", ["Kilde: prøve."], stamp="EKSEMPELDATA")
    *written, stamp = figure.axes[0].texts
    assert stamp.get_text() == "EKSEMPELDATA"
    assert all(stamp.get_zorder() < text.get_zorder() for text in written)
    title, footer = (text.get_window_extent() for text in figure.texts)
    box = stamp.get_window_extent()
    assert footer.y1 < box.y0 < box.y1 < title.y0
    assert 0 < box.x0 < box.x1 < figure.bbox.width
    assert box.width > figure.bbox.width / 2, "it can be read at half the width"


def test_what_cannot_be_claimed_shown_or_read_is_said(section, amounts):
    with pytest.raises(InputError, match="one of growth, comparison, extreme, rank, share, level, test, not 'vækst'"):
        section.claim("Steget", rests_on=amounts, kind="vækst")
    with pytest.raises(InputError, match="a claim rests on rows of a DataFrame"):
        section.claim("Steget", rests_on=["2024"], kind="growth")
    with pytest.raises(InputError, match=r"tabel_egen: Tal holds 2\.5 where a text belongs; see danish\.number"):
        section.table("tabel_egen", pd.DataFrame({"Navn": ["a"], "Tal": [2.5]}), title="T", data=amounts)
    with pytest.raises(InputError, match="hold no category sol; they hold .*botilbud"):
        section.read("expenditure", group="voksne", category="sol")
    one = section.read("expenditure", group="voksne", category="botilbud", area=151, years=2024)
    assert one["area_code"].tolist() == ["151"]


@pytest.mark.parametrize(
    ("kind", "rows", "asked", "sentence"),
    [
        ("lines", OWN, {"x": "tid", "y": "kroner", "hue": "sted"}, "lines: no column 'kroner' in the rows"),
        ("bars", OWN, {"y": "by", "x": "tal"}, "no column 'by' in the rows; they have tid, sted, tal"),
        ("lines", OWN, {"x": "tid", "y": "tal", "hue": "by"}, "no column 'by'"),
        ("bars", OWN, {"y": "sted", "x": "tal"}, "several rows for A, Værdi, where one is drawn; they differ in tid"),
        (
            "lines",
            OWN.assign(tal=["1", "2", "3", "mangler"]),
            {"x": "tid", "y": "tal", "hue": "sted"},
            "column 'tal' holds 'mangler' where a number belongs",
        ),
        ("lines", MANY, {"hue": "navn"}, "9 series are too many to tell apart by colour"),
        (
            "stacked_columns",
            OWN,
            {"x": "tid", "y": "tal", "hue": "sted", "palette": {"A": "#000000"}},
            "no colour for 'B' in the palette",
        ),
        ("lines", [1, 2], {}, "draws rows of a DataFrame, not a list"),
        ("flow_matrix", [1, 2], {}, "draws rows of a DataFrame, not a list"),
        ("bars", OWN.head(0), {"y": "sted", "x": "tal"}, "there are no rows to draw"),
        ("intervals", OWN.head(0), {"y": "sted", "x": "tal"}, "there are no rows to draw"),
        ("bars", OWN, {"y": "sted", "x": "tal", "hue": "tid", "palette": "Set2"}, "a colour by name, such as afsnit"),
        ("bars", OWN, {"y": "sted", "x": "tal", "hue": "tid", "palette": {"2020": "blå"}}, "a palette is a colour"),
        ("lines", OWN, {"x": "tid", "y": "tal", "hue": ["sted"]}, "no column ['sted'] in the rows"),
        ("lines", OWN.rename(columns={"tal": 7}), {"x": "tid", "y": "tal"}, "they have tid, sted, 7"),
        ("lines", OWN.assign(tid="før"), {"x": "tid", "y": "tal", "hue": "sted"}, "holds 'før' where a number belongs"),
        ("lines", OWN.assign(tid=np.nan), {"x": "tid", "y": "tal", "hue": "sted"}, "a row has no tid"),
        ("ranked_dots", OWN, {"x": "tal", "y": "tid", "hue": "tal"}, "a row has no tal"),
        ("ranked_dots", OWN.head(1), {"x": "tal", "y": "sted", "hue": "tid"}, "joins two values of each name; column"),
        ("intervals", SPANS.drop(columns="low"), {}, "intervals: no column 'low'"),
        ("intervals", SPANS.assign(low=9.0), {}, "low, value and high of A are not in order"),
        ("tornado", SPANS, {}, "tornado: no column 'low_label'"),
        ("prices", SPANS, {"y": "name", "ceiling": 1.0, "ceiling_label": "loft"}, "prices: no column 'places'"),
        ("fan", SPANS, {"x": "value"}, "dates or periods belong along the axis of this chart, not 2.0"),
        ("fan", SPANS.assign(period="2024M01"), {"forecast": SPANS}, "a forecast is a frame with period, mean, low"),
        ("fan", SPANS.assign(period="engang"), {}, "dates or periods belong along the axis of this chart, not engang"),
        ("occupancy_curve", SPANS, {"x": "name", "places": 3, "marks": {}}, "dates or periods belong along the axis"),
        ("spread", OWN, {"x": "tid", "y": "tal", "hue": "sted", "references": ["A"]}, "references are (colour, line"),
        ("funnel", OWN, {"unit": "", "across": "", "own": ""}, "draws what trend.funnel(counts, people, per) returns"),
    ],
)
def test_rows_that_cannot_be_drawn_are_answered_with_one_sentence(kind, rows, asked, sentence):
    with pytest.raises(InputError) as refused:
        rooms = [room for room in (charts, herberg.charts, herberg.uncertainty) if hasattr(room, kind)]
        getattr(rooms[0], kind)(rows, **asked)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_style_sheet_has_the_colours_and_sizes_of_the_house():
    told = {
        "font.family": [PICTURE_FONT], "font.size": TEXT, "axes.titlesize": TEXT, "axes.labelsize": LABEL,
        "axes.labelcolor": MUTED, "axes.edgecolor": GRID, "grid.color": GRID, "text.color": INK, "xtick.color": INK,
        "ytick.color": INK, "figure.facecolor": PAPER,
    }  # fmt: skip
    for name, value in told.items():
        found = charts.STYLE[name]
        same = mpl.colors.same_color(found, value) if "color" in name and "size" not in name else found == value
        assert same, name


def test_axes_drawn_by_hand_are_published_as_the_analysts_own(section, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("analysis.section.display", lambda output: shown.append(output.data))
    monkeypatch.setattr(section, "_publish", tmp_path)
    frame = OWN.rename(columns={"tal": "value"})
    axes = sns.lineplot(frame, x="tid", y="value", hue="sted")
    with pytest.raises(InputError, match="brings no rows; give `data="):
        section.figure("figur_05", axes, title="Egen figur")
    with pytest.raises(InputError, match="brings no words"):
        section.figure("figur_05", axes, title="Egen figur", data=frame)
    section.figure("figur_05", axes, title="Egen figur", data=frame, reading="To linjer")
    (page,) = shown
    assert OWN_FIGURES in page
    assert "spor.html" not in page, "what is no key figure has no chain"
    assert (tmp_path / "figurer" / "figur_05.svg").is_file()
    assert (tmp_path / "data" / "figur_05.csv").read_text(encoding="utf-8-sig").startswith("værdi;tid;sted")
    assert pd.read_parquet(tmp_path / "data" / "figur_05.parquet")["value"].tolist()[:3] == [1.5, 2.0, 3.5]
    # The same frame as a chart of the house.
    section.figure("figur_06", charts.lines(frame, x="tid", hue="sted", unit="dage"), title="Egen figur")
    assert "Linjer, dage" in shown[-1]


def test_a_claim_says_what_it_rests_on(section, amounts, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("analysis.section.display", lambda output: shown.append(output.data))
    monkeypatch.setattr(section, "_publish", tmp_path)
    claim = section.claim("Støttende indsatser er steget", rests_on=amounts, kind="growth")
    section.figure("figur_05", charts.stacked_columns(amounts, hue="label"), title=claim)
    facts = json.loads((tmp_path / "facts" / "figur_05.json").read_text(encoding="utf-8"))
    assert facts["title"] == "Eksempel: Støttende indsatser er steget"
    assert facts["claim"] == {
        "kind": "growth", "outcome": "example", "evidence": "example", "origin": "reconstruction", "rows": 10,
        "reasons": ["example"],
    }  # fmt: skip
    section.say("Først.")
    assert "data-claims" not in shown[-1]


def test_the_footer_explains_what_was_published(section, amounts, monkeypatch):
    shown = []
    monkeypatch.setattr("analysis.section.display", lambda output: shown.append(output.data))
    section.figure("figur_05", charts.stacked_columns(amounts, hue="label"), title="Udgifter")
    section.footer()
    assert "Udgifter i faste priser" in shown[1]
    assert [
        kind in " ".join(shown[1:]) for kind in ('class="definitions"', 'class="caveats"', 'class="provenance"')
    ] == [True] * 3
    assert "Udgifter pr. indbygger" not in shown[1]
