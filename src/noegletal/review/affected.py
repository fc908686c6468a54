"""Which published figures and tables of a report would come out otherwise with the key figures of another vintage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis import accounts, measures
from analysis.danish import money_unit, rounded
from analysis.rows import CELL_KEYS, CHANGE, GROWTH, INDEX, KEYS, LEVEL, MEASURE, SHARE, SINCE
from analysis.tables import read_coded
from noegletal.figures.kinds import indicators
from noegletal.review.revisions import Revisions

# Growths, shares and indices are shown with one decimal at the most.
DERIVED_DECIMALS = 1
SAME = 1e-9
SERIES = [key for key in KEYS if key != "year"]
TEXTS = ("indicator", "area_code", "population_group", "category", "variant", "unit")


class AffectedOutput(BaseModel):
    """A published figure or table, and whether the vintages make a difference to it.

    `changes`: so many of its figures (`figures`) come out otherwise as they are printed. `may_change`: it rests on
    what differs, but how its figures are derived is not known here; only a new run shows it.
    """

    model_config = ConfigDict(frozen=True)

    area: str
    section: str
    section_title: str
    output: str
    number: str
    title: str
    effect: Literal["changes", "may_change"]
    figures: int


def affected_outputs(
    revisions: Revisions, folder: Path, sections: dict[str, dict[str, Any]], area: str
) -> list[AffectedOutput]:
    """The outputs of a report that the differences reach, in the order of the report.

    `folder`: the report of one area, with `data/<output>.parquet`; `sections`: its sections as the manifest has them.
    Each figure says how it was made (measures.py) and is made of both vintages in the same way. Errors: a file that is
    not one of the report's.
    """
    if revisions.none:
        return []
    published = list(_published(folder, sections))
    # Some tables are of several key figures, or of what no key figure is; what they lack fits nothing below.
    columns = [*KEYS, "unit", "value", MEASURE, SINCE]
    rows = [
        frame.reindex(columns=columns)
        .astype(dict.fromkeys(TEXTS, "str"))
        .fillna(dict.fromkeys(TEXTS, "") | {"year": 0})
        .assign(output=output["output"])
        for _, output, frame in published
        if "indicator" in frame.columns
    ]
    shown = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=[*columns, "output"])
    judged = _judged(revisions, shown)
    changed_tables = {table.table for table in revisions.tables if not table.same}
    found = []
    for section, output, frame in published:
        if "indicator" in frame.columns:
            own = judged[judged["output"] == output["output"]]
            changes, may = int(own["changes"].sum()), bool(own["may_change"].any())
        else:
            # Lists of the raw files and of what was found in them name the table.
            changes, may = 0, bool(changed_tables) and "table" in frame.columns
        if changes or may:
            found.append(
                AffectedOutput(
                    area=area,
                    section=section,
                    section_title=sections[section]["title"],
                    output=output["output"],
                    number=output["number"],
                    title=output["title"],
                    effect="changes" if changes else "may_change",
                    figures=changes,
                )
            )
    return found


def sections_to_rerun(outputs: list[AffectedOutput]) -> dict[str, str]:
    """The sections that hold an affected output, with their titles: their sentences may change too."""
    return {output.section: output.section_title for output in outputs}


def _published(folder: Path, sections: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], pd.DataFrame]]:
    """Section, facts and rows of each output that the report has; one that was left out has no rows."""
    for section, facts in sections.items():
        for output in facts.get("outputs", []):
            rows = read_coded(folder, output["output"])
            if len(rows):
                yield section, output, rows


def _judged(revisions: Revisions, shown: pd.DataFrame) -> pd.DataFrame:
    """The published rows with `changes` (as printed) and `may_change`; those that nothing can reach are left out."""
    kinds = indicators()
    modelled = shown["indicator"].map(lambda name: name in kinds and kinds[name].modelled).astype(bool)
    changed_tables = {table.table for table in revisions.tables if not table.same}
    rests = shown.loc[modelled, "indicator"].map(lambda name: bool(changed_tables & set(kinds[name].sources)))
    models = shown[modelled].assign(changes=False, may_change=rests.astype(bool))
    differing = revisions.changes
    reached = shown["area_code"].isin(["", *differing["area_code"].unique()])
    rows = _read_in_both(revisions, shown[~modelled & reached].reset_index(drop=True))
    decimals, divisor = _precision(rows)
    printed = [
        _printed(old / per, places) != _printed(new / per, places)
        for old, new, per, places in zip(rows["before"], rows["after"], divisor, decimals, strict=True)
    ]
    rows["changes"] = rows["known"] & pd.Series(printed, index=rows.index, dtype=bool)
    rests = _among(rows, SERIES, set(map(tuple, differing[SERIES].to_numpy())))
    # What an unrecognised figure is derived from is anything of its area and group, such as recipients for a cost.
    places = set(zip(differing["area_code"], differing["population_group"], strict=True))
    places |= {(area, accounts.ALL_GROUPS) for area, _ in places}
    near = (rows["area_code"] == "") | _among(rows, ["area_code", "population_group"], places)
    rows["may_change"] = rests | (~rows["known"] & near)
    return pd.concat([rows, models], ignore_index=True)


def _among(rows: pd.DataFrame, columns: list[str], wanted: set[tuple[str, ...]]) -> pd.Series:
    return pd.Series([tuple(cells) in wanted for cells in rows[columns].to_numpy()], index=rows.index, dtype=bool)


def _read_in_both(revisions: Revisions, rows: pd.DataFrame) -> pd.DataFrame:
    """The published rows with their value `before` and `after`, made as they say; `known` where one of them is it.

    A row whose value is neither was made of key figures in some other way.
    """
    tables = [
        table[table["indicator"].isin(set(rows["indicator"])) & table["area_code"].isin(set(rows["area_code"]))]
        for table in (revisions.before_figures, revisions.after_figures)
    ]
    made = pd.DataFrame(np.nan, index=rows.index, columns=["before", "after"])
    for (measure, since), alike in rows.groupby([MEASURE, SINCE], dropna=False):
        for side, table in zip(made.columns, tables, strict=True):
            made.loc[alike.index, side] = _looked_up(_measured(table, alike, measure, since), alike)
    units = rows["indicator"].map(lambda name: indicators()[name].unit)
    # One that is missing can only be a level.
    absent = rows["value"].isna() & (rows["unit"] == units) & made.isna().any(axis=1)
    known = absent | _same(rows["value"], made["before"]) | _same(rows["value"], made["after"])
    return rows.assign(known=known, before=made["before"].where(known), after=made["after"].where(known))


def _measured(table: pd.DataFrame, rows: pd.DataFrame, measure: str, since: object) -> pd.DataFrame:
    """What the rows of a measure would be with the key figures of a table."""
    if measure == LEVEL:
        return table
    if measure in (GROWTH, CHANGE):
        made = measures.growth if measure == GROWTH else measures.change
        return pd.concat([made(table, int(since), year) for year in sorted(set(rows["year"]))])
    if measure == INDEX:
        return measures.index(table, int(since))
    if measure == SHARE:
        pairs = set(zip(rows["population_group"], rows["category"], strict=True))
        wholes = {tuple(accounts.siblings(*pair)) for pair in pairs if pair in accounts.labels()}
        return pd.concat([table.head(0), *(measures.share(table, list(whole)) for whole in sorted(wholes))])
    return table.head(0)


def _looked_up(table: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    values = table.set_index(["indicator", "area_code", *CELL_KEYS])["value"]
    wanted = pd.MultiIndex.from_frame(rows[["indicator", "area_code", *CELL_KEYS]])
    return pd.Series(values.reindex(wanted).to_numpy(), index=rows.index, dtype=float)


def _same(one: pd.Series, other: pd.Series) -> pd.Series:
    return (one - other).abs() <= SAME * other.abs() + SAME


def _precision(rows: pd.DataFrame) -> tuple[list[int], list[float]]:
    """Decimals and divisor with which each row is printed: amounts in the unit their figure reads well in."""
    decimals, divisors = [], []
    kinds = indicators()
    amount = rows["indicator"].map(lambda name: kinds[name].adds_categories).astype(bool) & (rows["unit"] == "kr")
    units = {output: money_unit(part["value"]) for output, part in rows[amount].groupby("output")}
    for row, is_amount in zip(rows.itertuples(), amount, strict=True):
        if is_amount:
            decimals.append(units[row.output].decimals)
            divisors.append(units[row.output].divisor)
        else:
            entry = kinds[row.indicator]
            decimals.append(entry.decimals if row.unit == entry.unit else DERIVED_DECIMALS)
            divisors.append(1.0)
    return decimals, divisors


def _printed(value: float, decimals: int) -> object:
    return None if np.isnan(value) else rounded(value, decimals)
