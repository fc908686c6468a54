"""What is computed from key figures: growth, change, share, index and what drives a growth, on unrounded values.

Rows say how they were made: `measure`, and `since`, the year that they are measured from.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.danish import listed, reservation, rounded
from analysis.rows import (
    CHANGE,
    CONTRIBUTION,
    FINAL,
    GROWTH,
    INDEX,
    MISSING,
    NOT_APPLICABLE,
    PANEL,
    PARTIAL,
    PROVISIONAL,
    SHARE,
    SUPPRESSED,
    require,
    weakest,
)  # fmt: skip

POPULATION, RECIPIENTS, UNIT_COST, PRICES = "Befolkning", "Modtagere pr. indbygger", "Enhedspris", "Prisniveau"
SERIES = ["area_code", "population_group", "category"]
IDENTITY = ["indicator", "area_code", "population_group", "category", "variant"]
LEVELS = [*IDENTITY, "year", "value", "status", "origin"]
# How the note of a partial figure says how many municipalities it is of.
OF_MUNICIPALITIES = r"(\d+ af \d+ kommuner [^,;]+)"
# What the panel of a series says in place of the standard reading.
OF_PANEL = ["variant", "value", "status", "origin", "note", "coverage", "printed"]
BESIDE = [f"panel_{name}" for name in OF_PANEL]


def with_panel(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Key-figure rows with what their panel says (`panel_value` ...), where `table` holds one; see `comparable`."""
    keys = ["indicator", *SERIES, "year"]
    panel = table[table["variant"] == PANEL]
    if panel.empty or PANEL in set(rows["variant"]):
        return rows
    return rows.join(panel.set_index(keys)[OF_PANEL].set_axis(BESIDE, axis=1), on=keys)


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows as they compare over time: of an area that lacks municipalities in some year, the same ones every year."""
    if "panel_variant" not in rows.columns:
        return rows
    held = rows["panel_variant"].notna()
    read = {name: rows[beside].where(held, rows[name]) for name, beside in zip(OF_PANEL, BESIDE, strict=True)}
    return rows.assign(**read).drop(columns=BESIDE)


def lacking(rows: pd.DataFrame) -> str:
    """Of how many municipalities rows are, where areas lack some: 27 af 29 kommuner i hovedstaden; else nothing."""
    if not {"status", "note"} <= set(rows.columns):
        return ""
    notes = rows.loc[rows["status"] == PARTIAL, "note"].str.extract(OF_MUNICIPALITIES)[0].dropna().unique()
    return listed(notes.tolist()) if len(notes) <= 2 else "ikke alle kommuner har tal"


def growth(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Growth in per cent from one year to another, one row per key figure.

    Requires key-figure rows; returns the identity columns, year (the last), value (pct), unit, status, origin, note,
    printed, base (the figure of the first year), measure, since. A base of zero or less has no growth (not_applicable).
    """
    pairs = _pairs(rows, first, last)
    sound = pairs["value_first"] > 0
    value = (pairs["value_last"] / pairs["value_first"].where(sound) - 1) * 100
    table = _derived(pairs, value, last, "pct")
    hopeless = ~sound & pairs[["value_first", "value_last"]].notna().all(axis=1)
    return table.assign(status=table["status"].mask(hopeless.to_numpy(), NOT_APPLICABLE), measure=GROWTH, since=first)


def remaining(whole: float, factor: float) -> float:
    """The growth of the other factor of a product, in per cent; missing where the one has come down to nothing."""
    return ((100 + whole) / (100 + factor) - 1) * 100 if factor > -100 else np.nan


def change(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Change in the key figure's own unit from one year to another; columns as for `growth`."""
    pairs = _pairs(rows, first, last)
    table = _derived(pairs, pairs["value_last"] - pairs["value_first"], last, pairs["unit"])
    return table.assign(measure=CHANGE, since=first)


def share(rows: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    """Each category's share in per cent of the categories named, by area, group, year and variant.

    Requires key-figure rows that hold the categories; returns key-figure columns with value in pct.
    """
    require(rows, LEVELS, "measures.share")
    keys = [column for column in (*IDENTITY, "year") if column != "category"]
    chosen = rows[rows["category"].isin(categories)]
    whole = chosen.groupby(keys, observed=True)["value"].transform(lambda values: values.sum(skipna=False))
    value = (chosen["value"] / whole.where(whole > 0) * 100).to_numpy()
    origin = chosen.groupby(keys, observed=True)["origin"].transform(weakest)
    hidden = (
        chosen.groupby(keys, observed=True)["status"]
        .transform(lambda statuses: (statuses == SUPPRESSED).any())
        .astype(bool)
    )
    absent = np.select([hidden, whole.notna()], [SUPPRESSED, NOT_APPLICABLE], default=MISSING)
    return chosen.assign(
        value=value, unit="pct", origin=origin, status=np.where(np.isnan(value), absent, chosen["status"])
    ).assign(measure=SHARE)


def index(rows: pd.DataFrame, base: int) -> pd.DataFrame:
    """Key figures as an index with the base year at 100; columns as the rows given."""
    require(rows, LEVELS, "measures.index")
    rows = comparable(rows)
    bases = rows[rows["year"] == base].set_index(IDENTITY)[["value", "status"]].add_suffix("_base")
    joined = rows.join(bases, on=IDENTITY)
    value = joined["value"] / joined["value_base"].where(joined["value_base"] > 0) * 100
    hidden = (joined[["status", "status_base"]] == SUPPRESSED).any(axis=1)
    absent = hidden.map({True: SUPPRESSED, False: MISSING})
    return rows.assign(value=value, unit="indeks", status=rows["status"].where(value.notna(), absent)).assign(
        measure=INDEX, since=base
    )


def growth_since(rows: pd.DataFrame, base: int) -> pd.DataFrame:
    """Growth in per cent from the base year to each year; columns as the rows given."""
    grown = index(rows, base)
    return grown.assign(value=grown["value"] - 100, unit="pct", measure=GROWTH)


def expenditure_factors(
    unit_cost: pd.DataFrame, recipients: pd.DataFrame, rates: pd.DataFrame, deflators: pd.Series
) -> dict[str, pd.DataFrame]:
    """The four factors whose product is the expenditure in current prices, by area, group, category and year.

    Persons x recipients per person x unit cost in fixed prices x price level. `rates`: recipients per 1,000 persons,
    which say how many persons these are; `deflators`: factor by year from current to fixed prices. The status is that
    of the unit cost, which is hidden where the recipients are.
    """
    keys = [*SERIES, "year"]
    unit_cost, recipients, rates = comparable(unit_cost), comparable(recipients), comparable(rates)
    cells = unit_cost[[*keys, "value", "status", "origin", "note"]]
    for name, rows in {"recipients": recipients, "rates": rates}.items():
        cells = cells.merge(rows[[*keys, "value", "origin"]], on=keys, suffixes=("", f"_{name}"))
    origins = zip(cells["origin"], cells["origin_recipients"], cells["origin_rates"], strict=True)
    cells["origin"] = [weakest(row) for row in origins]
    kept = cells[[*keys, "status", "origin", "note"]]
    return {
        POPULATION: kept.assign(value=cells["value_recipients"] / cells["value_rates"] * 1000),
        RECIPIENTS: kept.assign(value=cells["value_rates"] / 1000),
        UNIT_COST: kept.assign(value=cells["value"]),
        PRICES: kept.assign(value=1 / cells["year"].map(deflators)),
    }


def decomposition(factors: dict[str, pd.DataFrame], first: int, last: int) -> pd.DataFrame:
    """How much each factor contributes to the growth of their product, exactly (logarithmic-mean Divisia).

    Each frame: area_code, population_group, category, year, value, status, origin, note. Returns the keys with factor,
    value (contribution in the unit of the product), pct (of the product in the first year), unit, status, origin,
    note; the contributions add up to the change. A factor of zero or less, or a missing one, makes all not applicable,
    a suppressed one makes all suppressed.
    """
    wide = {name: frame.set_index([*SERIES, "year"])["value"].unstack("year") for name, frame in factors.items()}
    start = pd.DataFrame({name: table[first] for name, table in wide.items()})
    end = pd.DataFrame({name: table[last] for name, table in wide.items()})
    sound = (start > 0).all(axis=1) & (end > 0).all(axis=1)
    whole = pd.DataFrame({"start": start.prod(axis=1), "end": end.prod(axis=1)}).where(sound)
    ratio = np.log(whole["end"] / whole["start"])
    # The logarithmic mean of two equal numbers is the number itself.
    mean = ((whole["end"] - whole["start"]) / ratio.where(ratio != 0)).where(ratio != 0, whole["start"])
    parts = np.log((end / start).where(sound, axis=0)).mul(mean, axis=0)
    table = parts.reset_index().melt(id_vars=SERIES, var_name="factor")
    table["pct"] = table["value"] / table[SERIES].apply(tuple, axis=1).map(whole["start"]) * 100
    facts = (
        next(iter(factors.values()))
        .groupby(SERIES)
        .agg(origin=("origin", weakest), note=("note", lambda notes: _joined(notes)))
    )
    table = table.merge(facts, left_on=SERIES, right_index=True)
    ends = pd.concat([frame[frame["year"].isin([first, last])] for frame in factors.values()])
    hidden, partial = (
        pd.MultiIndex.from_frame(table[SERIES]).isin(
            pd.MultiIndex.from_frame(ends.loc[ends["status"] == status, SERIES])
        )
        for status in (SUPPRESSED, PARTIAL)
    )
    known = table["value"].notna()
    status = np.select([hidden & ~known, ~known, partial], [SUPPRESSED, NOT_APPLICABLE, PARTIAL], default=FINAL)
    return table.assign(unit="kr", year=last, status=status, measure=CONTRIBUTION, since=first)


def leading(growths: pd.DataFrame) -> pd.Series:
    """The growth that a title is about: the largest or, where things only fell, the largest fall, in whole per cent.

    Without any known growth the first row. Errors: no row at all.
    """
    known = growths.dropna(subset="value").sort_values("value")
    if known.empty:
        return growths.iloc[0]
    least, most = (rounded(value) for value in known["value"].iloc[[0, -1]])
    return known.iloc[0 if most <= 0 and least < 0 else -1]


class Extremes(NamedTuple):
    """The rows with the lowest and the highest value, and what a sentence on them must add where some are missing."""

    lowest: pd.Series
    highest: pd.Series
    reservation: str


def extremes(rows: pd.DataFrame, column: str = "value") -> Extremes | None:
    """The ends of some rows, by the column given; none where fewer than two are known, so that nothing stands out."""
    require(rows, [column], "measures.extremes")
    known = rows.dropna(subset=column).sort_values(column, kind="stable")
    return Extremes(known.iloc[0], known.iloc[-1], reservation(rows[column])) if len(known) > 1 else None


def single(rows: pd.DataFrame, **choice: object) -> float:
    """The one value that a choice of columns leaves; anything but exactly one row is an error."""
    require(rows, [*choice, "value"], "measures.single")
    chosen = rows
    for column, wanted in choice.items():
        chosen = chosen[chosen[column] == wanted]
    if len(chosen) != 1:
        raise LookupError(f"{len(chosen)} rows where one was expected: {choice}")
    return float(chosen["value"].iloc[0])


def _pairs(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    require(rows, [*LEVELS, "unit", "note"], "measures")
    rows = comparable(rows)
    ends = [rows[rows["year"] == year] for year in (first, last)]
    columns = [name for name in LEVELS if name != "year"]
    between = rows[rows["year"].between(first, last)]
    noted = between[between["note"] != ""]
    notes = noted.groupby(IDENTITY, observed=True)["note"].agg(_joined).reset_index()
    told = ends[1] if "printed" in rows.columns else ends[1].assign(printed="")
    pairs = told[[*columns, "unit", "printed"]].merge(
        ends[0][columns], on=IDENTITY, how="left", suffixes=("_last", "_first"), validate="one_to_one"
    )
    # A break or an absent municipality anywhere in the span is a reservation about the growth across it.
    return pairs.merge(notes, on=IDENTITY, how="left").fillna({"note": ""})


def _derived(pairs: pd.DataFrame, value: pd.Series, year: int, unit: str | pd.Series) -> pd.DataFrame:
    origins = zip(pairs["origin_last"], pairs["origin_first"], strict=True)
    statuses = pairs[["status_last", "status_first"]]
    hidden = (statuses == SUPPRESSED).any(axis=1)
    partial, provisional = ((statuses == status).any(axis=1) for status in (PARTIAL, PROVISIONAL))
    return pairs[IDENTITY].assign(
        year=year,
        value=value,
        unit=unit,
        status=np.select(
            [hidden, value.isna(), partial, provisional], [SUPPRESSED, MISSING, PARTIAL, PROVISIONAL], default=FINAL
        ),
        origin=[weakest(origin for origin in pair if not pd.isna(origin)) for pair in origins],
        note=pairs["note"],
        printed=pairs["printed"],
        base=pairs["value_first"],
    )


def _joined(notes: pd.Series) -> str:
    return "; ".join(dict.fromkeys(part for note in notes if note for part in note.split("; ")))
