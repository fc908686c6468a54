"""What is computed from key figures: growth, change, share and index, always on unrounded values."""

import numpy as np
import pandas as pd

from analysis.aggregation import FINAL, MISSING, NOT_APPLICABLE, PROVISIONAL
from analysis.sources.snapshot import ORIGINS

IDENTITY = ["indicator", "area_code", "population_group", "category", "variant"]


def growth(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Growth in per cent from one year to another, one row per key figure.

    Requires key-figure rows; returns the identity columns, year (the last), value (pct), unit, status, origin, note.
    A base of zero or less has no growth (not_applicable).
    """
    pairs = _pairs(rows, first, last)
    sound = pairs["value_first"] > 0
    value = (pairs["value_last"] / pairs["value_first"].where(sound) - 1) * 100
    table = _derived(pairs, value, last, "pct")
    hopeless = ~sound & pairs[["value_first", "value_last"]].notna().all(axis=1)
    return table.assign(status=table["status"].mask(hopeless.to_numpy(), NOT_APPLICABLE))


def change(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """Change in the key figure's own unit from one year to another; columns as for `growth`."""
    pairs = _pairs(rows, first, last)
    return _derived(pairs, pairs["value_last"] - pairs["value_first"], last, pairs["unit"])


def share(rows: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    """Each category's share in per cent of the categories named, by area, group, year and variant.

    Requires key-figure rows that hold the categories; returns key-figure columns with value in pct.
    """
    keys = [column for column in (*IDENTITY, "year") if column != "category"]
    chosen = rows[rows["category"].isin(categories)]
    whole = chosen.groupby(keys, observed=True)["value"].transform(lambda values: values.sum(skipna=False))
    value = (chosen["value"] / whole.where(whole > 0) * 100).to_numpy()
    weakest = chosen.groupby(keys, observed=True)["origin"].transform(_weakest)
    return chosen.assign(
        value=value,
        unit="pct",
        origin=weakest,
        status=np.where(np.isnan(value), np.where(whole.notna(), NOT_APPLICABLE, MISSING), chosen["status"]),
    )


def index(rows: pd.DataFrame, base: int) -> pd.DataFrame:
    """Key figures as an index with the base year at 100; columns as the rows given."""
    bases = rows[rows["year"] == base].set_index(IDENTITY)["value"].rename("base")
    joined = rows.join(bases, on=IDENTITY)
    value = joined["value"] / joined["base"].where(joined["base"] > 0) * 100
    return rows.assign(value=value, unit="indeks", status=rows["status"].where(value.notna(), MISSING))


def single(rows: pd.DataFrame, **choice: object) -> float:
    """The one value that a choice of columns leaves; anything but exactly one row is an error."""
    chosen = rows
    for column, wanted in choice.items():
        chosen = chosen[chosen[column] == wanted]
    if len(chosen) != 1:
        raise LookupError(f"{len(chosen)} rows where one was expected: {choice}")
    return float(chosen["value"].iloc[0])


def _pairs(rows: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    ends = [rows[rows["year"] == year] for year in (first, last)]
    columns = [*IDENTITY, "value", "status", "origin", "note"]
    return ends[1][[*columns, "unit"]].merge(
        ends[0][columns], on=IDENTITY, how="left", suffixes=("_last", "_first"), validate="one_to_one"
    )


def _derived(pairs: pd.DataFrame, value: pd.Series, year: int, unit: str | pd.Series) -> pd.DataFrame:
    origins = pairs[["origin_last", "origin_first"]]
    provisional = (pairs[["status_last", "status_first"]] == PROVISIONAL).any(axis=1)
    return pairs[IDENTITY].assign(
        year=year,
        value=value,
        unit=unit,
        status=np.select([value.isna(), provisional], [MISSING, PROVISIONAL], default=FINAL),
        origin=[_weakest(pair.dropna()) for _, pair in origins.iterrows()],
        note=pairs["note_last"],
    )


def _weakest(origins: pd.Series) -> str:
    return max(origins, key=ORIGINS.index)
