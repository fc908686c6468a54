"""The charts of herberger alone: from where to where, places taken night by night, and takster against the ceiling."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns

from analysis.charts import layout
from analysis.charts.contents import Contents, Gap, at_places, by_category
from analysis.charts.frames import drawn, said
from analysis.charts.sheet import STYLE, Drawing, canvas, redrawn, width
from analysis.charts.style import CONTEXT, GRID, HIGHLIGHT, INK, LABEL, MUTED, REFERENCE, VALUE
from analysis.danish import STATUS_SYMBOLS, in_words, listed, number
from analysis.herberg.uncertainty import over_days
from analysis.rows import MISSING, SUPPRESSED

# Light enough for ink to be read on every shade.
SHADES = sns.light_palette("#6BAED6", as_cmap=True)
LARGEST_DOT = 420
DASHES = ((0, (6, 2)), (0, (3, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


# Not redrawn: its numbers need the width of the page.
def flow_matrix(
    rows: pd.DataFrame, *, x: str = "host_cluster", y: str = "home_cluster", value: str = "value",
    unit: str | None = None, decimals: int | None = None,
) -> Drawing:  # fmt: skip
    """From where to where: a shaded table with a row per home (`y`) and a column per host (`x`), as the rows stand.

    A cell without a figure shows the symbol of its status; a pair that the rows lack is missing.
    """
    hosts = rows[x].astype(str) if isinstance(rows, pd.DataFrame) and x in rows.columns else []
    tones = dict.fromkeys(hosts, HIGHLIGHT) or None
    given = drawn("flow_matrix", rows, place=y, value=value, hue=x, palette=tones, unit=unit, decimals=decimals)
    table, homes, hosts, decimals = given.table, given.places, list(given.colours), given.decimals
    with mpl.rc_context(STYLE):
        wide = table.pivot(index="place", columns="series", values=["value", "status"]).reindex(homes)
        values = wide["value"][hosts].astype(float)
        texts = [
            [number(value, decimals, status) for value, status in zip(*pair, strict=True)]
            for pair in zip(values.to_numpy(), wide["status"][hosts].to_numpy(), strict=True)
        ]
        rows = layout.wrapped_names(homes, 24)
        characters = int((width() - 2.2) / len(hosts) / layout.INCH_PER_CHARACTER)
        columns = _level(layout.wrapped_names(hosts, max(characters, 9)))
        figure, axes = canvas(height=1.25 + layout.row_height(rows, 0.46) * len(rows))
        known = values.to_numpy()[values.notna()]
        sns.heatmap(
            values, cmap=SHADES, vmin=min([0, *known]), vmax=max(known, default=1), cbar=False,
            linewidths=1.5, linecolor="white", ax=axes,
        )  # fmt: skip
        axes.patch.set(facecolor="white", edgecolor=GRID, hatch="////", linewidth=0)
        for row, column in np.ndindex(values.shape):
            halo = layout.HALO if np.isnan(values.iloc[row, column]) else None
            spot = {"ha": "center", "va": "center", "fontsize": VALUE, "path_effects": halo}
            axes.text(column + 0.5, row + 0.5, texts[row][column], **spot)
        axes.set_xticks(np.arange(len(hosts)) + 0.5, columns, rotation=0)
        axes.set_yticks(np.arange(len(homes)) + 0.5, rows, rotation=0)
        if max(len(line) for name in columns for line in name.split("\n")) > characters:
            axes.tick_params(axis="x", labelrotation=90)
        axes.set(xlabel="Herbergets sted", ylabel="Hjemsted")
        axes.grid(visible=False)
        hidden = f"; {STATUS_SYMBOLS['suppressed']} er skjult for at beskytte få personer"
        note = given.unit + (hidden if (table["status"] == SUPPRESSED).any() else "")
        axes.annotate(
            note, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points", fontsize=LABEL,
            color=MUTED,
        )  # fmt: skip
    contents = Contents("matrix", given.unit, decimals, *by_category(table, "place", dict.fromkeys(hosts, "")))
    parts = [
        f"{host} " + listed([f"{texts[row][column]} fra {home}" for row, home in enumerate(homes)])
        for column, host in enumerate(hosts)
    ]
    return said(figure, given, contents, in_words("Skema over herbergets sted og hjemsted", given.unit, parts))


@redrawn
def occupancy_curve(
    rows: pd.DataFrame, *, x: str = "date", y: str = "value", places: int, marks: Mapping[str, float],
    unit: str | None = None,
) -> Drawing:  # fmt: skip
    """Places taken night by night against the places there are, with named levels such as the mean and p90.

    `marks`: level in places by its name. The places that were free are shaded, and in another colour those taken beyond
    what there are.
    """
    given = drawn("occupancy_curve", rows, place=x, value=y, hue=None, unit=unit, decimals=0)
    nights = given.table.assign(place=layout.first_days(given.table["place"])).sort_values("place", ignore_index=True)
    with mpl.rc_context(STYLE):
        figure, axes = canvas()
        free, beyond = nights["value"] <= places, nights["value"] > places
        shades = {"ledige pladser": (free, CONTEXT, 0.3), "belagt ud over pladserne": (beyond, REFERENCE, 0.45)}
        for name, (where, colour, strength) in shades.items():
            if where.any():
                axes.fill_between(
                    nights["place"], nights["value"], places, where=where, interpolate=True, color=colour,
                    alpha=strength, linewidth=0, label=name,
                )  # fmt: skip
        sns.lineplot(data=nights, x="place", y="value", color=HIGHLIGHT, linewidth=1.3, errorbar=None, ax=axes)
        axes.axhline(places, color=REFERENCE, linewidth=2)
        names = [(f"{number(places)} pladser", float(places), REFERENCE)]
        for (name, level), dashes in zip(marks.items(), cycle(DASHES), strict=False):
            axes.axhline(level, color=INK, linewidth=1.2, linestyle=dashes)
            names.append((textwrap.fill(f"{name} {number(level)}", 22), level, INK))
        layout.over_time(axes, nights["place"], [*nights["value"], places, *marks.values()], names, given.unit)
        layout.legend(axes, *axes.get_legend_handles_labels())
    levels = {"Pladser": float(places), **marks}
    taken = nights.set_index("place")["value"]
    contents = over_days({given.unit.capitalize(): taken}, levels, given.unit, 0)
    known = [f"{name} {number(level)}" for name, level in levels.items()]
    reading = in_words("Linje over nætterne", given.unit, [*known, f"Flest {number(taken.max())}"])
    return said(figure, given, contents, reading)


@redrawn
def prices(
    rows: pd.DataFrame, *, x: str = "value", y: str = "group", size: str = "places", ceiling: float,
    ceiling_label: str, unit: str | None = None,
) -> Drawing:  # fmt: skip
    """A dot per tilbud at its takst, as large as its places, in a row per ownership, against the ceiling.

    A tilbud without a takst is left out, also of the mean, which is weighted with places; a group where no tilbud has
    one shows only the symbol.
    """
    given = drawn("prices", rows, place=y, value=x, hue=None, several=True, unit=unit, decimals=0)
    groups, table = given.places, given.table.assign(places=given.column(size).to_numpy())
    with mpl.rc_context(STYLE):
        names = layout.wrapped_names(groups, 22)
        figure, axes = canvas(height=1.7 + 0.9 * len(groups))
        known = table.assign(row=[groups.index(group) for group in table["place"]])
        known = known.dropna(subset=["value", "places"]).sort_values("value", kind="stable")
        # Neighbours in price are moved apart in a fixed pattern, so that two runs give the same picture.
        turn = known.groupby("place").cumcount().to_numpy() % 5
        height = known["row"] + np.array([0.0, 0.15, -0.15, 0.075, -0.075])[turn] + 0.06
        scale, dot = LARGEST_DOT / max([1, *known["places"]]), {"color": HIGHLIGHT, "alpha": 0.5, "edgecolor": "white"}
        axes.scatter(known["value"], height, s=known["places"] * scale, zorder=3, **dot)
        means = []
        for row, own in known.groupby("row"):
            mean = np.average(own["value"], weights=own["places"])
            axes.vlines(mean, row - 0.27, row + 0.36, color=INK, linewidth=2.6, zorder=4)
            means.append(
                layout.pinned(axes, mean, row - 0.28, number(mean), (0, 1), ha="center", va="bottom", weight="bold")
            )
        layout.absent(axes, [row for row in range(len(groups)) if row not in set(known["row"])])
        layout.rows_named(axes, names)
        layout.make_room(axes, [ceiling, *known["value"]], means, least=0.06)
        layout.named_upright(axes, ceiling, f"{ceiling_label} {number(ceiling)}", REFERENCE)
        layout.numbers_across(axes, given.unit)
        axes.plot([], [], color=INK, linewidth=2.6, label="gennemsnit vægtet med pladser")
        for places in sorted({int(known["places"].median()), int(known["places"].max())} if len(known) else ()):
            axes.scatter([], [], s=places * scale, label=f"{number(places)} pladser", **dot)
        layout.legend(axes, *axes.get_legend_handles_labels(), raised=True)
    means = {group: np.average(own["value"], weights=own["places"]) for group, own in known.groupby("place")}
    highest = known.groupby("place")["value"].max()
    parts = [f"{group} i gennemsnit {number(mean)}, højest {number(highest[group])}" for group, mean in means.items()]
    parts.append(f"{ceiling_label} {number(ceiling)}")
    contents = _price_contents(known, groups, means, (f"{ceiling_label} {number(ceiling)}", ceiling), given.unit)
    return said(figure, given, contents, in_words("En prik for hvert tilbud", given.unit, parts))


def _price_contents(
    known: pd.DataFrame, groups: Sequence[str], means: Mapping[str, float], ceiling: tuple[str, float], unit: str
) -> Contents:
    """Each tilbud at its places and its takst, a series per group whose name tells the mean, and the ceiling."""
    series = []
    for group in (group for group in groups if group in means):
        own = known[known["place"] == group]
        series.append(at_places(f"{group} (gennemsnit {number(means[group])})", own["places"], own["value"]))
    widest = [0.0, float(known["places"].max())] if len(known) else [0.0, 1.0]
    series.append(at_places(ceiling[0], widest, [ceiling[1]] * 2))
    gaps = [Gap(str(group), "", MISSING) for group in groups if group not in means]
    return Contents("points", unit, 0, [], series, gaps, across="pladser i tilbuddet")


def _level(names: Sequence[str]) -> list[str]:
    """Names of equally many lines: those below the axes else start at different heights."""
    lines = max(name.count("\n") for name in names)
    return [name + "\n" * (lines - name.count("\n")) for name in names]
