"""The charts of uncertainty: what is drawn and written, and that no text lies on another."""

import functools
import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from analysis.charts.sheet import STYLE, spaced, standalone
from analysis.charts.style import INK
from analysis.danish import STATUS_SYMBOLS, number
from analysis.errors import InputError
from analysis.herberg import charts as shelters
from analysis.herberg import uncertainty

ORANGE, BLUE, GREEN, WINE = "#B5521B", "#0A5C8F", "#117733", "#882255"
LONG = "Kødannelse (Erlang-tabsmodel) med 2 pct. afviste henvendelser i døgnet"


def need():
    return pd.DataFrame(
        {
            "name": [
                "Realiseret brug ved 90-95 pct. belægning",
                LONG,
                "Pladser pr. 10.000 voksne",
                "Ankomster x opholdstid",
            ],
            "low": [1180.0, 1245.0, 890.0, 1102.0],
            "value": [1215.0, 1262.0, 1310.0, 1204.0],
            "high": [1266.0, 1301.0, 1840.0, 1377.0],
        }
    )


def many_needs():
    return pd.DataFrame(
        {
            "name": [f"Metode nr. {number}" for number in range(12)],
            "low": np.linspace(900, 1200, 12),
            "value": np.linspace(901, 1300, 12),
            "high": np.linspace(902, 1700, 12),
        }
    )


def assumptions():
    return pd.DataFrame(
        {
            "name": [
                "Takst før loft",
                "Belægning",
                "Behov frem til 2031 efter fremskrivningen",
                "Refusionsgrænse",
                "Vejen mod loftet",
            ],
            "low": [402.1, 455.9, 431.0, 441.0, 445.5],
            "high": [498.3, 419.0, 469.2, 438.5, 445.5],
            "value": 445.5,
            "low_label": ["−5 pct.", "85 pct.", "−1,5 pct. i alt", "60 dage", "0 pct."],
            "high_label": ["5 pct.", "95 pct.", "2,4 pct. i alt", "120 dage i løbende år", "100 pct."],
        }
    )


def months(count=36, level=1200.0):
    first = pd.date_range("2022-01-01", periods=count, freq="MS")
    return pd.DataFrame({"period": first, "value": level + 60 * np.sin(np.arange(count) / 2) + np.arange(count)})


def ahead(start="2025-01", count=12, level=1240.0, freq="M"):
    step = np.arange(1, count + 1)
    period = pd.period_range(start, periods=count, freq=freq)
    spread = level * 0.02 * np.sqrt(step)
    return pd.DataFrame({"period": period, "mean": level + step, "low": level - spread, "high": level + spread})


def no_forecast():
    return pd.DataFrame({"period": [], "mean": [], "low": [], "high": []})


def years(values, start=2015):
    return pd.DataFrame({"period": pd.period_range(str(start), periods=len(values), freq="Y"), "value": values})


def flows(homes, hosts, top=98765):
    rows = [
        (home, host, top / (1 + 9 * abs(row - column)), "final")
        for row, home in enumerate(homes)
        for column, host in enumerate(hosts)
    ]
    frame = pd.DataFrame(rows, columns=["home_cluster", "host_cluster", "value", "status"])
    hidden = frame.index % 7 == 3
    return frame.assign(value=frame["value"].mask(hidden), status=frame["status"].mask(hidden, "suppressed"))


LANDSDELE = ["Byen København", "Københavns omegn", "Nordsjælland", "Landsdel Bornholm"]
HOMES = [*LANDSDELE, "Øvrige Danmark", "Ukendt hjemsted"]


def nights(count=366, start="2024-01-01", level=1180):
    date = pd.date_range(start, periods=count, freq="D")
    rng = np.random.default_rng(4)
    occupied = level + 70 * np.cos(np.arange(count) / 58) + rng.normal(0, 15, count)
    return pd.DataFrame({"date": date, "value": occupied.round().astype(int)})


def takster(counts=(24, 9, 6, 11)):
    rng = np.random.default_rng(8)
    groups = ["Kommunal", "Regional", "Selvejende", "Privat"]
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "group": group,
                    "value": rng.normal(1500 + 150 * row, 260, count).round(),
                    "places": rng.integers(4, 70, count),
                }
            )
            for row, (group, count) in enumerate(zip(groups, counts, strict=True))
        ],
        ignore_index=True,
    )


def criteria(groups, series, values=None):
    pairs = list(itertools.product(groups, series))
    values = values or [12 + 37 * position % 410 for position in range(len(pairs))]
    return pd.DataFrame(pairs, columns=["group", "series"]).assign(value=[float(value) for value in values])


CLUSTER_COLOURS = dict(zip(LANDSDELE, [BLUE, ORANGE, GREEN, WINE], strict=True))
THREE_COLOURS = {cluster: CLUSTER_COLOURS[cluster] for cluster in LANDSDELE[:3]}
CRITERIA = ["Som i dag", "Efter voksne", "Efter hjemløse", "Efter brug", "Ligeligt"]
LONG_CRITERIA = [
    "Som pladserne ligger i dag", "Efter antal voksne indbyggere", "Efter hjemløse i uge 6 på kortlægningens dag",
    "Efter brugernes hjemsted", "Ligeligt mellem klyngerne",
]  # fmt: skip


def grouped(rows, colours, **more):
    return uncertainty.grouped_columns(rows, x="group", hue="series", palette=colours, **more)


CASES = {
    "intervals": lambda: uncertainty.intervals(need(), unit="pladser", reference=("pladser i dag", 1302)),
    "intervals_one": lambda: uncertainty.intervals(need().head(1), unit="pladser", reference=("pladser i dag", 1800)),
    "intervals_twelve": lambda: uncertainty.intervals(many_needs(), unit="pladser", reference=("pladser i dag", 890)),
    "intervals_absent": lambda: uncertainty.intervals(
        need().assign(value=[1215, np.nan, 1310, np.nan]), unit="pladser"
    ),
    "intervals_all_absent": lambda: uncertainty.intervals(
        need().assign(low=np.nan), unit="pladser", reference=("pladser i dag", 1302)
    ),
    "intervals_huge": lambda: uncertainty.intervals(
        pd.DataFrame({"name": ["Lille", LONG], "low": [-2.4e6, 3.0], "value": [0.4, 1e6], "high": [0.5, 98765432.1]}),
        unit="kr.", decimals=1, reference=("budget i den seneste vedtagne edition", 98e6),
    ),
    "intervals_point": lambda: uncertainty.intervals(
        pd.DataFrame({"name": ["Alle ens"], "low": [7.0], "value": [7.0], "high": [7.0]}), unit="pladser"
    ),
    "tornado": lambda: uncertainty.tornado(assumptions(), unit="mio. kr. netto", decimals=1),
    "tornado_one": lambda: uncertainty.tornado(assumptions().head(1), unit="mio. kr. netto", decimals=1),
    "tornado_twelve": lambda: uncertainty.tornado(
        pd.concat([assumptions()] * 3, ignore_index=True).head(12).assign(name=[f"Antagelse {n}" for n in range(12)]),
        unit="mio. kr. netto", decimals=1
    ),
    "tornado_absent": lambda: uncertainty.tornado(
        assumptions().assign(high=[498.3, np.nan, 469.2, 438.5, 445.5]), unit="mio. kr.", decimals=1
    ),
    "tornado_negative": lambda: uncertainty.tornado(
        assumptions().assign(low=[-9e6, -10.0, -20, 5, 12], high=[9e6, 14.0, 1e6, 8, 30], value=-3.0), unit="kr."
    ),
    "fan": lambda: uncertainty.fan(
        months(), ahead(), unit="optagne pladser", coverage="80 pct. interval",
        references={"pladser i dag": 1302, "besluttet kapacitet fra 2028": 1290},
    ),
    "fan_yearly": lambda: uncertainty.fan(
        years([1020, 1100, 1131, 1205, 1188, 1240, 1199, 1260, 1302.0]), ahead("2024", 8, 1300, "Y"),
        unit="personer", coverage="80 pct. interval",
    ),
    "fan_history": lambda: uncertainty.fan(
        months(14).assign(value=lambda rows: rows["value"].mask(rows.index == 5)), no_forecast(),
        unit="optagne pladser", coverage="80 pct. interval", references={"pladser i dag": 1260},
    ),
    "fan_one": lambda: uncertainty.fan(
        months(1), no_forecast(), unit="optagne pladser", coverage="80 pct. interval"
    ),
    "fan_one_ahead": lambda: uncertainty.fan(
        years([40.0, 44.0], 2022), ahead("2024", 1, 44, "Y"), unit="optagne pladser", decimals=1,
        coverage="95 pct. prædiktionsinterval",
    ),
    "fan_negative": lambda: uncertainty.fan(
        years([-20.0, 44.0, 1e6, -3e6], 2019), ahead("2023", 3, 1e6, "Y"), unit="kr.", coverage="80 pct. interval",
        references={"nul": 0.0, "budget": 10.0},
    ),
    "fan_absent": lambda: uncertainty.fan(
        months(6).assign(value=np.nan), no_forecast(), unit="optagne pladser", coverage="80 pct. interval",
        references={"pladser i dag": 1302.0},
    ),
    "flow": lambda: shelters.flow_matrix(flows(HOMES, LANDSDELE), unit="overnatninger"),
    "flow_one": lambda: shelters.flow_matrix(flows(LANDSDELE[:1], LANDSDELE[:1]), unit="personer"),
    "flow_twelve": lambda: shelters.flow_matrix(
        flows([f"Klynge {letter} og omegn" for letter in "ABCDEFGHIJKL"], LANDSDELE), unit="døgn pr. år", decimals=1
    ),
    "flow_wide": lambda: shelters.flow_matrix(
        flows(["Nord", "Syd"], ["Syddanmark", *LANDSDELE, "Sydjylland", "Østjylland", "Vest- og Sydsjælland"]),
        unit="døgn",
    ),
    "flow_hidden": lambda: shelters.flow_matrix(
        flows(LANDSDELE, LANDSDELE).assign(value=np.nan, status="suppressed"), unit="personer"
    ),
    "occupancy": lambda: shelters.occupancy_curve(
        nights(), places=1302, unit="belagte pladser",
        marks={"gennemsnit": 1182.3, "90 pct. af nætterne": 1262, "99 pct. af nætterne": 1277}
    ),
    "occupancy_short": lambda: shelters.occupancy_curve(
        nights(10, "2024-03-12", 18), places=80, unit="belagte pladser",
        marks={"gennemsnit": 88.2, "p90": 89, "p99": 89}
    ),
    "occupancy_two_years": lambda: shelters.occupancy_curve(
        nights(731), places=1200, unit="belagte pladser", marks={"gennemsnit": 1182.3, "p90": 1262, "p99": np.nan}
    ),
    "prices": lambda: shelters.prices(
        takster(), unit="kr. pr. døgn", ceiling=2461.0, ceiling_label="loft i 2026-priser"
    ),
    "prices_one": lambda: shelters.prices(takster().head(1), unit="kr. pr. døgn", ceiling=2461.0, ceiling_label="loft"),
    "prices_absent": lambda: shelters.prices(
        takster().assign(value=lambda rows: rows["value"].mask(rows["group"] == "Regional")), unit="kr. pr. døgn",
        ceiling=900, ceiling_label="loft",
    ),
    "prices_all_absent": lambda: shelters.prices(
        takster().assign(value=np.nan), unit="kr. pr. døgn", ceiling=2461.0, ceiling_label="loft i 2026-priser"
    ),
    "columns": lambda: grouped(criteria(CRITERIA[:4], LANDSDELE[:3]), THREE_COLOURS, unit="pladser"),
    "columns_full": lambda: grouped(criteria(CRITERIA, LANDSDELE), CLUSTER_COLOURS, unit="pladser"),
    "columns_long": lambda: grouped(criteria(LONG_CRITERIA, LANDSDELE), CLUSTER_COLOURS, unit="pladser"),
    "columns_one": lambda: grouped(criteria(["I dag"], ["Hele KKR"]), {"Hele KKR": BLUE}, unit="pladser"),
    "columns_negative": lambda: grouped(
        criteria(["Kort", "Lang", "Tom"], ["A", "B"], [-310, 4, np.nan, 12, 0, 45]), {"A": BLUE, "B": ORANGE},
        unit="pladser",
    ),
    "columns_all_absent": lambda: grouped(
        criteria(CRITERIA[:2], LANDSDELE[:1]).assign(value=np.nan), {LANDSDELE[0]: BLUE}, unit="pladser"
    ),
    "columns_twelve": lambda: grouped(
        criteria([f"Kriterium nr. {letter}" for letter in "ABCDEFGHIJKL"], ["I dag"]), {"I dag": BLUE}, unit="pladser"
    ),
    "columns_huge": lambda: grouped(
        criteria(CRITERIA, LANDSDELE, range(1, 20_000_000, 1_000_000)), CLUSTER_COLOURS, unit="kr.", decimals=1
    ),
}  # fmt: skip

# The smallest overlap, in pixels at 100 dpi, that the eye sees: letters do not fill the box around them.
TOLERANCE = 2.0


@functools.cache
def case(name):
    return CASES[name]()


@functools.cache
def texts_of(figure):
    """The texts that are drawn: each with its box in pixels, without the ticks outside the limits of their axis."""
    with mpl.rc_context(STYLE):
        figure.draw_without_rendering()
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    hidden |= {id(tick.label1), id(tick.label2)}
    found = [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]
    return [(text, text.get_window_extent()) for text in found]


def words(figure):
    return [" ".join(text.get_text().split()) for text, _ in texts_of(figure)]


def unreadable(figure):
    """What is wrong with the texts of a figure: one lies on another, runs out of the figure or is too small."""
    texts = texts_of(figure)
    faults = []
    for (one, box), (other, against) in itertools.combinations(texts, 2):
        across = min(box.x1, against.x1) - max(box.x0, against.x0)
        upright = min(box.y1, against.y1) - max(box.y0, against.y0)
        if min(across, upright) > TOLERANCE:
            faults.append(f"{one.get_text()!r} lies on {other.get_text()!r}")
    for text, box in texts:
        page = figure.bbox
        if min(box.x0 - page.x0, box.y0 - page.y0, page.x1 - box.x1, page.y1 - box.y1) < -TOLERANCE:
            faults.append(f"{text.get_text()!r} runs out of the figure")
        if text.get_fontsize() < 10.5:
            faults.append(f"{text.get_text()!r} has {text.get_fontsize()} points")
    return faults


def bars(figure):
    """The bars of a chart that have a length."""
    return [patch for patch in figure.axes[0].patches if patch.get_width() and patch.get_height()]


@pytest.mark.parametrize("name", CASES)
def test_every_text_can_be_read(name):
    figure = case(name)
    assert unreadable(figure) == []
    assert not figure.axes[0].get_title(), "the page gives the title"


@pytest.mark.parametrize("name", ["tornado", "fan", "flow", "prices"])
def test_title_and_source_stand_clear_of_the_chart(name):
    figure = standalone(CASES[name](), "Behovet for pladser er mellem 1.180 og 1.377 i 2028 " * 2, ["Kilde: x " * 20])
    assert [fault for fault in unreadable(figure) if not fault.endswith("has 8.5 points")] == []
    assert len(unreadable(figure)) == 1, "the source line, which is small on purpose"


def test_the_check_of_texts_can_fail():
    assert unreadable(CASES["intervals_one"]()) == []
    over, beyond, small = (CASES["intervals_one"]() for _ in range(3))
    over.axes[0].annotate("ovenpå", (1215, 0), xytext=(0, 12), textcoords="offset points", fontsize=11)
    assert "'1.215' lies on 'ovenpå'" in unreadable(over)
    beyond.text(0.95, 0.01, "ud over kanten", fontsize=11)
    assert "'ud over kanten' runs out of the figure" in unreadable(beyond)
    small.axes[0].yaxis.label.set(text="småt", fontsize=8)
    assert unreadable(small) == ["'småt' has 8.0 points"]


def test_intervals_write_all_three_numbers_and_name_the_reference():
    figure = case("intervals")
    written = words(figure)
    assert len(bars(figure)) == 4
    assert [bar.get_x() for bar in bars(figure)] == need()["low"].tolist()
    assert [bar.get_x() + bar.get_width() for bar in bars(figure)] == need()["high"].tolist()
    assert {"1.180", "1.215", "1.266", "890", "1.310", "1.840", "pladser i dag 1.302", "pladser"} <= set(written)
    assert LONG.replace("Erlang-tabsmodel", "Erlang- tabsmodel") in written, "a long name is wrapped and not cut"
    assert len(case("intervals_twelve").axes[0].get_yticklabels()) == 12


def test_a_range_without_a_number_shows_its_name_and_the_symbol():
    written = words(case("intervals_absent"))
    assert len(bars(case("intervals_absent"))) == 2
    assert written.count("..") == 2
    assert {"1.102", "1.377"}.isdisjoint(written), "a range without its middle is not drawn by halves"
    assert "Ankomster x opholdstid" in written
    assert words(case("intervals_all_absent")).count("..") == 4
    assert ".." not in words(case("intervals"))


def test_tornado_says_which_value_of_the_assumption_gives_which_outcome():
    figure = case("tornado")
    written = words(figure)
    assert {"−5 pct. 402,1", "5 pct. 498,3", "120 dage i løbende år 438,5", "udgangspunkt 445,5"} <= set(written)
    assert {"lav værdi af antagelsen", "høj værdi af antagelsen"} <= set(written)
    assert len(bars(figure)) == 8, "two assumptions on the base draw no bar"
    assert len(case("tornado_twelve").axes[0].get_yticklabels()) == 12
    assert words(case("tornado_absent")).count("..") == 1


def test_tornado_puts_each_text_at_its_own_side_in_the_colour_of_its_bar():
    places = {text.get_text().split("\n")[0]: (box, text.get_color()) for text, box in texts_of(case("tornado"))}
    base = case("tornado").axes[0].transData.transform((445.5, 0))[0]
    # A high occupancy lowers the cost: its text stands to the left and keeps the colour of a high value.
    assert places["95 pct."][0].x1 < base < places["85 pct."][0].x0
    assert places["95 pct."][1] == places["5 pct."][1] != places["85 pct."][1]
    # Both refund limits lower it: the nearer one gives way to the free side.
    assert places["120 dage i løbende år"][0].x1 < base < places["60 dage"][0].x0


def test_the_shorter_bar_on_the_same_side_stays_in_sight():
    row = [bar for bar in bars(case("tornado")) if 2.5 < bar.get_y() + bar.get_height() / 2 < 3.5]
    assert [round(abs(bar.get_width()), 1) for bar in row] == [7.0, 4.5]


def test_fan_names_the_forecast_its_interval_and_the_references():
    figure = case("fan")
    written = words(figure)
    end = ahead().iloc[-1]
    assert f"80 pct. interval {number(end['low'])} til {number(end['high'])}" in written
    assert f"forventet {number(end['mean'])}" in written
    assert {"pladser i dag 1.302", "besluttet kapacitet fra 2028 1.290", "optagne pladser"} <= set(written)
    assert number(months()["value"].iloc[-1]) in written
    history, _, forecast = figure.axes[0].get_lines()[:3]
    assert len(history.get_xdata()) == 36
    assert len(forecast.get_xdata()) == 13, "the forecast sets out from the last figure known"
    assert forecast.get_linestyle() == "--"
    assert len(figure.axes[0].collections) == 1


def test_fan_without_a_forecast_is_the_history_with_its_last_figure():
    figure = case("fan_history")
    assert not figure.axes[0].collections
    written = words(figure)
    assert number(months(14)["value"].iloc[-1]) in written
    assert not [text for text in written if "forventet" in text or "interval" in text]
    assert np.isnan(figure.axes[0].get_lines()[0].get_ydata()).sum() == 1, "a month that is missing is a gap"


def test_fan_counts_years_and_months_on_its_axis_and_refuses_numbers_as_dates():
    assert {"2016", "2024", "2030"} <= set(words(case("fan_yearly")))
    assert {"jan. 2022", "jul.", "jan. 2025"} <= set(words(case("fan")))
    with pytest.raises(InputError, match="dates or periods belong along the axis of this chart, not 2022"):
        uncertainty.fan(
            pd.DataFrame({"period": [2022, 2023], "value": [1.0, 2.0]}), no_forecast(), unit="personer", coverage=""
        )


@pytest.mark.parametrize(("values", "bottom"), [([10.0, 44.0], 0), ([1020.0, 1100.0], 1013.6), ([-20.0, 44.0], -25.12)])
def test_the_scale_begins_at_zero_unless_that_presses_the_course_flat(values, bottom):
    figure = uncertainty.fan(years(values), no_forecast(), unit="personer", coverage="")
    assert figure.axes[0].get_ylim()[0] == pytest.approx(bottom)


def test_flow_matrix_writes_danish_figures_and_hides_what_is_suppressed():
    figure = case("flow")
    written = words(figure)
    assert {"98.765", "9.877", "Hjemsted", "Herbergets sted", "Ukendt hjemsted"} <= set(written)
    hidden = flows(HOMES, LANDSDELE)["status"].eq("suppressed").sum()
    assert written.count(STATUS_SYMBOLS["suppressed"]) == hidden > 0
    assert "overnatninger; • er skjult for at beskytte få personer" in written
    shades = figure.axes[0].collections[0].get_array()
    assert shades.mask.sum() == hidden, "the shade does not give a hidden figure away"
    assert "personer" in words(case("flow_one")), "nothing is said of hidden cells where there are none"


def test_a_pair_that_is_not_there_is_missing_and_not_zero():
    written = words(shelters.flow_matrix(flows(LANDSDELE, LANDSDELE).iloc[:-1], unit="døgn"))
    assert written.count("..") == 1


def contrast(one, other):
    def luminance(colour):
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
        return np.dot([0.2126, 0.7152, 0.0722], parts)

    low, high = sorted([luminance(mpl.colors.to_rgb(one)), luminance(mpl.colors.to_rgb(other))])
    return (high + 0.05) / (low + 0.05)


def test_figures_can_be_read_on_every_shade_and_shades_go_from_light_to_dark():
    shades = shelters.SHADES(np.linspace(0, 1, 20))
    assert min(contrast(INK, shade) for shade in shades) > 4.5
    assert contrast(INK, "#0A5C8F") < 4.5, "the check can fail"
    assert (np.diff([contrast("white", shade) for shade in shades]) > 0).all()


def test_occupancy_names_the_places_the_levels_and_the_months():
    figure = case("occupancy")
    written = words(figure)
    levels = {"1.302 pladser", "gennemsnit 1.182", "90 pct. af nætterne 1.262", "99 pct. af nætterne 1.277"}
    assert levels <= set(written)
    assert {"jan. 2024", "mar.", "maj", "jul.", "sep.", "nov."} <= set(written)
    assert len(figure.axes[0].get_lines()) == 5
    assert "ledige pladser" in written
    assert "belagt ud over pladserne" not in written, "there was room every night"
    assert "belagt ud over pladserne" in words(case("occupancy_short"))
    assert "12. mar. 2024" in words(case("occupancy_short"))
    assert not [text for text in words(case("occupancy_two_years")) if "p99" in text], "a level that is not known"


def test_prices_weigh_the_mean_with_places_and_name_the_ceiling():
    data = pd.DataFrame(
        {
            "group": ["Privat", "Privat", "Privat", "Kommunal", "Regional"],
            "value": [1003.0, 2003.0, np.nan, 1507.0, np.nan],
            "places": [30, 10, 500, 8, 12],
            "provider": ["Herberg A", "Herberg B", "Herberg C", "Herberg D", "Herberg E"],
        }
    )
    figure = shelters.prices(data, unit="kr. pr. døgn", ceiling=2461, ceiling_label="loft")
    written = words(figure)
    assert unreadable(figure) == []
    assert {"1.253", "1.507", "loft 2.461", "kr. pr. døgn", "Privat", "Kommunal", "Regional"} <= set(written)
    assert written.count("..") == 1
    assert not [text for text in written if "Herberg" in text]
    sizes = figure.axes[0].collections[0].get_sizes()
    assert sorted(sizes / sizes.max() * 30) == pytest.approx([8, 10, 30]), "the area follows the places"
    assert len(case("prices").axes[0].collections[0].get_offsets()) == len(takster())


def test_the_same_takster_give_the_same_picture():
    one, other = (shelters.prices(takster(), unit="kr. pr. døgn", ceiling=2461, ceiling_label="loft") for _ in range(2))
    assert np.array_equal(*(figure.axes[0].collections[0].get_offsets() for figure in (one, other)))


def test_columns_stand_with_their_values_on_top_and_lie_down_when_names_are_long():
    figure = case("columns")
    standing = bars(figure)
    assert len(standing) == 12
    assert {round(bar.get_width(), 6) for bar in standing} == {0.28}
    assert {"12", "419", "Efter hjemløse", *LANDSDELE[:3]} <= set(words(figure))
    for name in ("columns_long", "columns_full", "columns_huge"):
        assert {round(bar.get_height(), 6) for bar in bars(case(name))} == {0.21}, "they lie"
    assert {"Efter brugernes hjemsted", "419"} <= set(words(case("columns_long")))


def test_each_value_stands_at_its_own_column():
    figure = case("columns_negative")
    axes = figure.axes[0]
    ends = {text.get_text(): text.xy for text in axes.texts}
    for bar in bars(figure):
        x, y = ends[number(bar.get_height())]
        assert (x, y) == pytest.approx((bar.get_x() + bar.get_width() / 2, bar.get_height()))
    written = words(figure)
    assert written.count("..") == 1
    assert {"−310", "0"} <= set(written)
    assert words(case("columns_all_absent")).count("..") == 2


def test_labels_are_moved_no_further_than_needed():
    assert spaced([], 1, 0, 10).tolist() == []
    assert spaced([5, 1, 9], 2, 0, 10).tolist() == [5, 1, 9], "those with room stay"
    assert spaced([4, 4], 2, 0, 10).tolist() == [3, 5]
    assert spaced([4, 4], [1, 3], 0, 10).tolist() == [3, 5], "a taller label takes more room"
    assert spaced([0, 0, 0], 1, 0, 10).tolist() == [0, 1, 2]
    assert spaced([10, 10], 1, 0, 10).tolist() == [9, 10]
    assert spaced([0, 0, 0], 1, 0, 1).tolist() == [0, 1, 2], "with too little room the lowest limit holds"


def test_a_fan_is_read_by_its_own_periods():
    quarters = pd.DataFrame({"period": ["2024K1", "2024K2"], "value": [40.0, 44.0]})
    said = uncertainty.fan(quarters, ahead("2024Q3", 2, 44, "Q"), unit="pladser", coverage="Interval").reading
    assert said.startswith(
        "Linje, pladser: fra 40 i 1. kvartal 2024 til 44 i 2. kvartal 2024 videre mod 46 (interval: "
    )
    assert said.endswith(") i 4. kvartal 2024.")
    assert uncertainty.fan(months(2), unit="pladser").reading.endswith("i februar 2022.")
    assert uncertainty.fan(years([1.0, 2.0]), unit="pladser").reading == "Linje, pladser: fra 1 i 2015 til 2 i 2016."
