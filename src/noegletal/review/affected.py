"""Which published figures and tables of a report would come out otherwise with the key figures of another vintage."""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis import accounts, measures
from analysis.catalogue import catalogue
from analysis.danish import money_unit, rounded
from analysis.errors import InputError
from analysis.rows import CELL_KEYS, KEYS
from analysis.tables import CSV_LABELS
from noegletal.figures.kinds import indicators
from noegletal.review.revisions import Revisions

# Growths, shares and indices are shown with one decimal at the most.
DERIVED_DECIMALS = 1
SAME = 1e-9
SERIES = [key for key in KEYS if key != "year"]
COLUMNS = {label: column for column, label in CSV_LABELS.items()}
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

    `folder`: the report of one area, with `data/<output>.csv`; `sections`: its sections as the manifest has them.
    A figure in the CSV is recognised as a level, growth, change, share or index by its value, and is computed from
    both vintages in the same way. Errors: a CSV that is not one of the report's.
    """
    if revisions.none:
        return []
    published = list(_published(folder, sections))
    rows = [frame.assign(output=output["output"]) for _, output, frame in published if "indicator" in frame.columns]
    shown = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=[*KEYS, "unit", "value", "output"])
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
            path = folder / "data" / f"{output['output']}.csv"
            if path.is_file():
                yield section, output, _read(path)


def _read(path: Path) -> pd.DataFrame:
    try:
        content = path.read_bytes().decode("utf-8-sig")
        texts = {label: str for label, column in COLUMNS.items() if column in TEXTS}
        frame = pd.read_csv(io.StringIO(content), sep=";", decimal=",", dtype=texts, keep_default_na=True)
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path} is not a CSV of the report: {error}; run `noegletal report` again") from error
    frame = frame.rename(columns=COLUMNS)
    if "indicator" in frame.columns:
        # Some tables are of several key figures, or of what no key figure is; what they lack fits nothing below.
        frame = frame.reindex(columns=[*KEYS, "value", "unit"]).fillna(dict.fromkeys(TEXTS, "") | {"year": 0})
        frame = frame.astype({"year": int, "value": float})
    return frame


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
    """The published rows with their value `before` and `after`, and whether it is `known` how they are made.

    A figure published from either vintage is one of the two; one that is missing can only be a level.
    """
    tables = [
        table[table["indicator"].isin(set(rows["indicator"])) & table["area_code"].isin(set(rows["area_code"]))]
        for table in (revisions.before_figures, revisions.after_figures)
    ]
    levels = [_looked_up(table, rows) for table in tables]
    units = rows["indicator"].map(lambda name: catalogue().indicators[name].unit)
    absent = rows["value"].isna() & (rows["unit"] == units) & (levels[0].isna() | levels[1].isna())
    known = absent | _fits(rows, levels)
    rows = rows.assign(known=known, before=levels[0].where(known), after=levels[1].where(known))
    for measure in _measures(revisions, rows):
        left = rows[~rows["known"] & (rows["variant"] != "")]
        if left.empty:
            break
        wanted = left[["indicator", "area_code", "population_group", "variant"]].drop_duplicates()
        values = [_looked_up(measure(table.merge(wanted, on=list(wanted.columns))), left) for table in tables]
        found = _fits(left, values)
        found = found[found].index
        rows.loc[found, "before"], rows.loc[found, "after"] = values[0][found], values[1][found]
        rows.loc[found, "known"] = True
    return rows


def _fits(rows: pd.DataFrame, values: list[pd.Series]) -> pd.Series:
    return _same(rows["value"], values[0]) | _same(rows["value"], values[1])


def _measures(revisions: Revisions, rows: pd.DataFrame) -> Iterator[Callable[[pd.DataFrame], pd.DataFrame]]:
    """What a published figure could be besides a level: measures from the edition's first year, or the data's."""
    siblings = {
        tuple(accounts.siblings(group, category))
        for group, category in set(zip(rows["population_group"], rows["category"], strict=True))
        if _in_tree(group, category)
    }
    lasts = sorted(year for year in rows["year"].unique() if year)
    earliest = min(revisions.before_figures["year"].min(), revisions.after_figures["year"].min())
    for first in dict.fromkeys([revisions.edition.period.first, int(earliest)]):
        yield partial(_over_spans, measures.growth, first, [last for last in lasts if last > first])
        yield partial(_over_spans, measures.change, first, [last for last in lasts if last > first])
        yield partial(measures.index, base=first)
        if first == revisions.edition.period.first:
            yield from (partial(_share, list(categories)) for categories in sorted(siblings))


def _share(categories: list[str], table: pd.DataFrame) -> pd.DataFrame:
    present = table["category"].isin(categories).any()
    return measures.share(table, categories) if present else table.head(0)


def _over_spans(
    measure: Callable[[pd.DataFrame, int, int], pd.DataFrame], first: int, lasts: list[int], table: pd.DataFrame
) -> pd.DataFrame:
    parts = [measure(table, first, last) for last in lasts if last in set(table["year"])]
    return pd.concat(parts) if parts else table.head(0)


def _in_tree(group: str, category: str) -> bool:
    known = accounts.categories()
    return bool(((known["population_group"] == group) & (known["category"] == category)).any())


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
