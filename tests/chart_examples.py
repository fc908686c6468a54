"""Every kind of chart with figures that are made up, for the tests of charts, slides and workbook."""

import numpy as np
import pandas as pd
from test_uncertainty_charts import CASES

from analysis import charts, herberg
from analysis.charts.style import CONTEXT, HIGHLIGHT, REFERENCE
from analysis.herberg import uncertainty
from analysis.trend import Funnel

YEARS = range(2020, 2025)
NAMES = [f"Kommune {letter}" for letter in "ABCDEF"]
TWO = {"Indsats 1": HIGHLIGHT, "Indsats 2": REFERENCE}
ENDS = {"2020": CONTEXT, "2024": HIGHLIGHT}


def grid(first, places, second, names):
    """A row for each pair, with a value that grows along both; all of them final."""
    cells = [
        (place, name, 2.0 + 0.3 * row + 1.7 * column)
        for row, place in enumerate(places)
        for column, name in enumerate(names)
    ]
    return pd.DataFrame(cells, columns=[first, second, "value"]).assign(status="final")


def pairs(name):
    """Two series of which one value is suppressed."""
    rows = grid(name, NAMES, "series", list(ENDS))
    rows.loc[3, ["value", "status"]] = [np.nan, "suppressed"]
    return rows


def flows():
    """From where to where, with one value that is suppressed."""
    rows = grid("home", NAMES[:3], "host", NAMES[:4])
    rows.loc[2, ["value", "status"]] = [np.nan, "suppressed"]
    return rows


def parts():
    rows = grid("name", NAMES[:3], "series", list(charts.FACTORS))
    return rows.assign(value=np.where(rows.index % 3 == 1, -rows["value"] / 3, rows["value"]))


def limits():
    exposure = np.array([3000.0, 6000.0, 9000.0, 20000.0, 60000.0, 120000.0])
    width = 400 / np.sqrt(exposure)
    rows = pd.DataFrame({"exposure": exposure, "rate": [9.0, 7.0, 8.5, 8.2, 7.9, 10.5]}, index=NAMES)
    rows = rows.assign(low_95=8 - width, high_95=8 + width)
    return rows.assign(low_998=8 - 1.6 * width, high_998=8 + 1.6 * width)


EXAMPLES = {
    "lines": lambda: charts.lines(
        grid("year", YEARS, "series", list(TWO)), hue="series", palette=TWO, unit="mia. kr.", decimals=1
    ),
    "stacked_columns": lambda: charts.stacked_columns(
        grid("year", YEARS, "series", list(TWO)), hue="series", palette=TWO, unit="mia. kr.", decimals=1
    ),
    "bars": lambda: charts.bars(
        pairs("name"), y="name", hue="series", palette=ENDS, unit="pct.", decimals=1, emphasised=NAMES[:1]
    ),
    "contributions": lambda: charts.contributions(parts(), x="value", y="name", hue="series", unit="pct.-point"),
    "spread": lambda: charts.spread(
        grid("year", YEARS, "series", NAMES),
        hue="series",
        references={NAMES[0]: (HIGHLIGHT, "-"), NAMES[1]: (REFERENCE, "--")},
        unit="pct.",
    ),
    "ranked_dots": lambda: charts.ranked_dots(
        grid("name", NAMES, "year", [2020, 2024]), y="name", unit="pct.", decimals=1, emphasised=NAMES[:1]
    ),
    "funnel": lambda: charts.funnel(
        Funnel(limits(), 8.0, NAMES[-1:], ""), unit="pr. 1.000", across="antal børn", own=NAMES[0]
    ),
    "dot_rows": lambda: charts.dot_rows(
        grid("name", NAMES, "series", ["Region 1", "Region 2", "Region 3"]),
        y="name",
        hue="series",
        palette={"Region 1": HIGHLIGHT},
        unit="pct.",
    ),
    "intervals": CASES["intervals"],
    "tornado": CASES["tornado"],
    "fan": CASES["fan"],
    "flow_matrix": lambda: herberg.charts.flow_matrix(flows(), x="host", y="home", unit="døgn"),
    "occupancy_curve": CASES["occupancy"],
    "prices": CASES["prices"],
    "grouped_columns": lambda: uncertainty.grouped_columns(
        pairs("group"), x="group", hue="series", palette=ENDS, unit="pladser"
    ),
}
