"""What the printed report says, and which key figure each printed number is."""

from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from analysis import accounts, areas
from analysis.declared import read_declared, read_rows
from analysis.edition import Edition, reference_folder
from analysis.errors import InputError
from analysis.rows import KEYS, evidence, made

PRINTED_COLUMNS = (
    "id", "notebook", "section", "figure_or_table", "area", "population_group", "measure", "category", "period_start",
    "period_end", "value", "unit", "decimals_printed", "contradicts",
)  # fmt: skip
# Of another report: whether its definition is ours (`anchor`) or not, how it is computed (`above` over `below`), why.
OTHER_COLUMNS = (
    "id", "report", "section", "figure_or_table", "area", "population_group", "measure", "period_start", "period_end",
    "value", "unit", "price_level", "decimals_printed", "role", "what", "above", "below", "reason",
)  # fmt: skip
ROLES = ("anchor", "other_definition")


class Measure(BaseModel):
    """How a printed measure is computed: an indicator, and what is derived from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    indicator: str
    derive: Literal["level", "growth", "change", "share"]
    name: str
    indicator_by_category: dict[str, str] = {}


class Declared(BaseModel):
    """What `data/reference/published/measures.yml` says of the printed rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measures: dict[str, Measure]
    population_groups: dict[str, dict[str, str]]
    categories: dict[str, str]
    areas: dict[str, Literal["min", "max"]]

    def group(self, printed: str) -> tuple[str, str]:
        """The population group and variant that a printed group or age band stands for."""
        entry = self.population_groups.get(printed, {"population_group": printed})
        return entry["population_group"], entry.get("variant", accounts.STANDARD)

    def figure(self, row: pd.Series) -> tuple[Measure, tuple[str, str, str, str]]:
        """What is measured by a printed row, and of which indicator, population group, category and variant."""
        measure = self.measures[row["measure"]]
        group, variant = self.group(row["population_group"])
        category = self.categories.get(row["category"], row["category"])
        return measure, (measure.indicator_by_category.get(category, measure.indicator), group, category, variant)


def published(edition: Edition) -> pd.DataFrame:
    """The printed numbers of the edition (`data/reference/published/`), one row each, texts as printed.

    None while nothing is printed yet: see `nothing_printed`.
    """
    table = _rows(edition, PRINTED_COLUMNS)
    unknown = {other for cell in table["contradicts"] for other in cell.split(";") if other} - set(table["id"])
    if unknown:
        raise InputError(f"{_named(edition)}: column contradicts names {sorted(unknown)[0]!r}, which is not an id")
    undeclared = set(edition.printed.deviations) - set(table["id"])
    if undeclared:
        raise InputError(
            f"editions/{edition.name}.yml: printed.deviations names {sorted(undeclared)[0]!r}, "
            f"which is not an id of {_named(edition)}"
        )
    return table


def printed_elsewhere(edition: Edition) -> pd.DataFrame:
    """The numbers of other printed reports that the edition names; errors name a role that is none, and no reason."""
    table = _rows(edition, OTHER_COLUMNS)
    for row in table[~table["role"].isin(ROLES)].itertuples():
        raise InputError(f"{row.id}: role {row.role!r} is not one of {', '.join(ROLES)}")
    for row in table[(table["role"] == "other_definition") & (table["reason"] == "")].itertuples():
        raise InputError(f"{row.id} is of another definition, but has no reason")
    return table


def _rows(edition: Edition, columns: tuple[str, ...]) -> pd.DataFrame:
    """The rows of the edition's own report, or of the others: those whose files have the column `role`."""
    rows = []
    for path in filter(Path.exists, _printed(edition)):
        own = "role" not in next(iter(read_rows(path, ("id",))), {})
        if own == (columns == PRINTED_COLUMNS):
            rows += read_rows(path, columns)
    return pd.DataFrame(rows, columns=None if rows else columns, dtype=str)


def nothing_printed(edition: Edition) -> str:
    """Why there is nothing to compare with, in one sentence, which is so of every new edition; empty when there is."""
    paths = _printed(edition)
    if not paths:
        return f"editions/{edition.name}.yml names no printed report yet (`published`)"
    if len(published(edition)):
        return ""
    for path in paths:
        if not path.exists():
            return f"there is no {path.name} in data/reference/published/ yet, which editions/{edition.name}.yml names"
    return f"no printed number stands in data/reference/published/{_named(edition)} yet"


def _printed(edition: Edition) -> list[Path]:
    names = [edition.published] if isinstance(edition.published, str) else edition.published or []
    return [reference_folder() / "published" / name for name in names if name]


def _named(edition: Edition) -> str:
    return ", ".join(path.name for path in _printed(edition))


def declarations() -> Declared:
    """How printed measures are computed and named."""
    path = reference_folder() / "published" / "measures.yml"
    return _declarations(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _declarations(path: Path, _changed: int) -> Declared:
    return read_declared(path, Declared)


def with_evidence(table: pd.DataFrame, edition: Edition) -> pd.DataFrame:
    """Key figures with `printed`, which measures of each a row of the printed report is, and the `evidence` of each.

    `printed` is empty, or measures as `analysis.rows.made` names them: `level growth:2020`.
    """
    printed = _measures(edition)
    keys = table[KEYS].itertuples(index=False, name=None)
    table = table.assign(
        printed=pd.Series([" ".join(dict.fromkeys(printed.get(key, ()))) for key in keys], table.index, dtype="str")
    )
    return table.assign(evidence=evidence(table).astype("str"))


def _measures(edition: Edition) -> dict[tuple[str | int, ...], list[str]]:
    """By the key of a key figure, the measures of it that are printed; ends of a span are of no area that is named."""
    declared = declarations()
    found: dict[tuple[str | int, ...], list[str]] = defaultdict(list)
    for _, row in published(edition).iterrows():
        if row["measure"] in declared.measures and row["area"] not in declared.areas:
            measure, (indicator, group, category, variant) = declared.figure(row)
            key = (indicator, areas.find_area(row["area"]), group, category, int(row["period_end"]), variant)
            found[key].append(made(measure.derive, int(row["period_start"])))
    return found
