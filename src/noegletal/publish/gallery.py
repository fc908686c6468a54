"""A page for maintainers with every kind of chart in the three sizes, the palette and the type scale.

`python -m noegletal.publish.gallery [FILE]` writes it; a test makes sure that no kind of chart is missing.
"""

import base64
import html
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import charts
from analysis.charts import style, vector
from analysis.charts.basic import Drawing, drawn_for
from analysis.charts.style import CONTEXT, HIGHLIGHT, PAGE, PHONE, REFERENCE, SLIDE, SLIDE_MARGIN, SLIDE_PAPER, Size
from analysis.edition import editions, load_edition

# How wide a figure is shown, in inches, where it is drawn for.
SHOWN = {
    "page": (PAGE, PAGE.width),
    "slide": (SLIDE, SLIDE_PAPER.width - 2 * SLIDE_MARGIN),
    "phone": (PHONE, 3.6),
}


def examples() -> dict[str, Callable[[], Drawing]]:
    """Every kind of chart by the name of its function, with figures that are made up; one value is missing in most."""
    years = load_edition(editions()[-1]).period.all
    names = [f"Kommune {letter}" for letter in "ABCDEF"]
    two = {"Indsats 1": HIGHLIGHT, "Indsats 2": REFERENCE}
    ends = {str(years[0]): CONTEXT, str(years[-1]): HIGHLIGHT}
    course = _grid("year", years, "series", list(two))
    pairs = _grid("name", names, "series", list(ends))
    pairs.loc[3, ["value", "status"]] = [np.nan, "suppressed"]
    parts = _grid("name", names[:3], "series", list(charts.FACTORS))
    parts["value"] = np.where(parts.index % 3 == 1, -parts["value"] / 3, parts["value"])
    months = pd.date_range(f"{years[0]}-01-01", periods=36, freq="MS")
    history = pd.DataFrame({"first": months, "value": 1000 + 60 * np.sin(np.arange(36) / 2)})
    ahead = pd.DataFrame({"period": pd.period_range(months[-1], periods=13, freq="M")[1:], "mean": 1010.0})
    ahead = ahead.assign(low=960.0 - ahead.index, high=1060.0 + ahead.index)
    spans = pd.DataFrame({"name": ["Metode 1", "Metode 2", "Metode 3"], "low": [900.0, 1000.0, np.nan]})
    spans = spans.assign(middle=[1100.0, 1150.0, 1200.0], high=[1400.0, 1200.0, 1300.0])
    tried = pd.DataFrame({"name": ["Antagelse 1", "Antagelse 2"], "low": [400.0, 430.0], "high": [520.0, 470.0]})
    tried = tried.assign(low_label=["85 pct.", "30 dage"], high_label=["95 pct.", "60 dage"])
    nights = pd.DataFrame({"date": pd.date_range(months[0], periods=200), "occupied": 95 + np.arange(200) % 17})
    prices = pd.DataFrame({"group": ["kommunal", "privat"] * 6, "value": 1200.0 + 90 * np.arange(12)})
    prices = prices.assign(places=10 + 4 * np.arange(12))
    flows = _grid("home", names[:3], "host", names[:4])
    flows.loc[2, ["value", "status"]] = [np.nan, "suppressed"]
    many = _grid("name", names, "series", ["Region 1", "Region 2", "Region 3"])
    return {
        "lines": lambda: charts.lines(course, two, unit="mia. kr."),
        "stacked_columns": lambda: charts.stacked_columns(course, two, unit="mia. kr.", decimals=1),
        "paired_bars": lambda: charts.paired_bars(pairs, ends, unit="pct.", emphasised=names[:1]),
        "contributions": lambda: charts.contributions(parts, charts.FACTORS, unit="pct.-point"),
        "spread": lambda: charts.spread(
            _grid("year", years, "series", names),
            {names[0]: (HIGHLIGHT, "-"), names[1]: (REFERENCE, "--")},
            unit="pct.",
        ),
        "ranked_dots": lambda: charts.ranked_dots(
            _grid("name", names, "year", [years[0], years[-1]]),
            unit="pct.", decimals=1, emphasised=names[:1], years=(years[0], years[-1]),
        ),
        "funnel": lambda: charts.funnel(
            _limits(names), unit="pr. 1.000", across="antal børn", own=names[0], named=names[-1:], overall=8.0
        ),
        "dot_rows": lambda: charts.dot_rows(many, {"Region 1": HIGHLIGHT}, unit="pct."),
        "intervals": lambda: charts.intervals(spans, unit="pladser", reference=("I dag", 1120.0)),
        "tornado": lambda: charts.tornado(tried, base=450.0, unit="mio. kr."),
        "fan": lambda: charts.fan(
            history, ahead, unit="belagte pladser", coverage="Fire af fem tilfælde", references={"Pladser": 1080.0}
        ),
        "flow_matrix": lambda: charts.flow_matrix(flows, unit="døgn"),
        "occupancy_curve": lambda: charts.occupancy_curve(nights, places=105, marks={"Gennemsnit": 102.7}),
        "prices": lambda: charts.prices(prices, ceiling=2000.0, ceiling_label="Loft"),
        "grouped_columns": lambda: charts.grouped_columns(
            pairs.rename(columns={"name": "group"}), ends, unit="pladser"
        ),
    }  # fmt: skip


def _grid(first: str, places: list[object], second: str, names: list[object]) -> pd.DataFrame:
    """A row for each pair, with a value that grows along both; all of them final."""
    cells = [
        (place, name, 2.0 + 0.3 * row + 1.7 * column)
        for row, place in enumerate(places)
        for column, name in enumerate(names)
    ]
    return pd.DataFrame(cells, columns=[first, second, "value"]).assign(status="final")


def _limits(names: list[str]) -> pd.DataFrame:
    exposure = np.array([3000.0, 6000.0, 9000.0, 20000.0, 60000.0, 120000.0])
    width = 400 / np.sqrt(exposure)
    limits = pd.DataFrame({"exposure": exposure, "rate": [9.0, 7.0, 8.5, 8.2, 7.9, 10.5]}, index=names)
    limits = limits.assign(low_95=8 - width, high_95=8 + width)
    return limits.assign(low_998=8 - 1.6 * width, high_998=8 + 1.6 * width)


def page() -> str:
    """The gallery as one HTML page that needs nothing else."""
    colours = {name: value for name, value in vars(style).items() if isinstance(value, str) and value[:1] == "#"}
    colours |= {f"SERIES {place}": tone for place, tone in enumerate(style.SERIES, 1)}
    colours |= {f"AREAS {place}": tone for place, tone in enumerate(style.AREAS, 1)}
    swatches = "".join(
        f'<li><span style="background:{tone}"></span>{html.escape(name)} {tone}</li>' for name, tone in colours.items()
    )
    scale = {name: value for name, value in vars(style).items() if name.isupper() and isinstance(value, int | float)}
    letters = "".join(f'<p style="font-size:{size}pt">{name} {size} pt</p>' for name, size in scale.items() if size > 1)
    sections = "".join(
        f'<section><h2 id="{name}">{name}</h2>'
        + "".join(_figure(name, make, where, *SHOWN[where]) for where in SHOWN)
        + "</section>"
        for name, make in examples().items()
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Gallery of charts</title><style>'
        f"body{{font:11pt {style.OFFICE_FONT},sans-serif;color:{style.INK};margin:2rem}}"
        "ul{columns:4;list-style:none;padding:0}span{display:inline-block;width:2em;height:1em;margin-right:.5em}"
        f"figure{{display:inline-block;vertical-align:top;margin:0 1rem 1rem 0;border:1px solid {style.GRID}}}"
        "figcaption{padding:.3rem .6rem}img{display:block}</style></head><body>"
        f"<h1>Gallery of charts</h1><h2>Palette</h2><ul>{swatches}</ul><h2>Type scale</h2>{letters}{sections}"
        "</body></html>\n"
    )


def _figure(name: str, make: Callable[[], Drawing], where: str, size: Size, shown: float) -> str:
    with drawn_for(size):
        image = base64.b64encode(vector(make())).decode("ascii")
    return (
        f'<figure><figcaption>{where}</figcaption><img alt="{name}, {where}" style="width:{shown:.2f}in" '
        f'src="data:image/svg+xml;base64,{image}"></figure>'
    )


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "galleri.html")
    target.write_text(page(), encoding="utf-8")
