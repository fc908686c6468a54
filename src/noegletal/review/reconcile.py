"""The key figures against the printed report: which agree, which deviate, and why."""

import contextlib
import json
import tempfile
from collections.abc import Callable
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, RootModel

from analysis import accounts, areas, measures
from analysis.danish import listed, number, rounded
from analysis.declared import read_declared, read_rows
from analysis.edition import KEY_FIGURES, Edition, reference_folder
from analysis.errors import InputError
from analysis.rows import PANEL, weakest
from noegletal.figures.freshness import PAGE_CODE, build_record, code_digest, digest, folder_digest

COMPARISONS = "comparisons.json"
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
SCALES = {"mia_kr": 1e9, "mio_kr": 1e6, "kr": 1.0, "pct": 1.0, "antal": 1.0}


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


class Comparison(BaseModel):
    """One printed number beside the computed one."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: Literal["match", "deviates", "contradicts_itself", "not_computable"]
    basis: Literal["genuine", "fitted"]
    printed: float
    computed: float | None
    tolerance: float
    reason: str


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


def compared(edition: Edition, processed: Path) -> list[Comparison]:
    """What `compare` gives, kept beside the key figures until they, the printed numbers or the library are others."""
    path = processed / COMPARISONS
    printed = folder_digest(reference_folder() / "published", ("*",))
    key = digest(
        [
            edition.published,
            edition.printed.deviations,
            build_record(processed).get("inputs"),
            printed,
            code_digest(PAGE_CODE),
        ]
    )
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if kept.get("of") == key:
        return [Comparison(**row) for row in kept["rows"]]
    found = compare(edition, processed)
    text = json.dumps({"of": key, "rows": [row.model_dump() for row in found]}, ensure_ascii=False)
    # Only a convenience: where key figures lie on a disk that cannot be written, it is computed each time.
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile("w", dir=processed, delete=False) as stream:
        stream.write(text)
        Path(stream.name).replace(path)
    return found


def compare(edition: Edition, processed: Path) -> list[Comparison]:
    """Every printed number of the edition against the key figures in `processed`, rounded as it is printed.

    A number that deviates is `contradicts_itself` only when its row names others it clashes with and they all match.
    """
    declared = declarations()
    table = pd.read_parquet(processed / KEY_FIGURES)
    printed = published(edition)
    read = _reader(table)
    first = {row["id"]: _compared(row, declared, read) for _, row in printed.iterrows()}
    results = []
    for row in printed.itertuples():
        result = first[row.id]
        clashes = [other for other in row.contradicts.split(";") if other]
        if result.status == "deviates" and clashes and all(first[other].status == "match" for other in clashes):
            reason = f"rapporten modsiger sig selv: strider mod {listed(clashes)}, som stemmer"
            result = result.model_copy(update={"status": "contradicts_itself", "reason": reason})
        elif result.status == "deviates" and row.id in edition.printed.deviations:
            reason = f"{result.reason}; {edition.printed.deviations[row.id]}"
            result = result.model_copy(update={"reason": reason})
        results.append(result)
    return results


def undeclared_deviations(edition: Edition, comparisons: list[Comparison]) -> list[str]:
    """The printed numbers that deviate though the edition does not say why: to be looked at, or declared there."""
    deviating = [one.id for one in comparisons if one.status == "deviates"]
    return [name for name in deviating if name not in edition.printed.deviations]


def deviations_gone(edition: Edition, comparisons: list[Comparison]) -> list[str]:
    """A sentence for each deviation that the edition declares and that is none (any longer)."""
    found = [one for one in comparisons if one.status != "deviates" and one.id in edition.printed.deviations]
    file = f"editions/{edition.name}.yml"
    return [f"{one.id} is declared under printed.deviations in {file}, but is {one.status}; delete it" for one in found]


def _reader(table: pd.DataFrame) -> Callable[..., pd.DataFrame]:
    """How printed rows read key figures: at two years, as they are or derived. Many rows ask for the same."""
    by_indicator = dict(list(table.groupby("indicator")))
    panels = table[table["variant"] == PANEL]

    @cache
    def read(
        indicator: str,
        group: str,
        variant: str,
        years: tuple[int, int],
        derive: str = "level",
        parts: tuple[str, ...] = (),
    ) -> pd.DataFrame:
        rows = by_indicator.get(indicator, table[:0])
        rows = rows[(rows["population_group"] == group) & (rows["variant"] == variant) & rows["year"].isin(years)]
        rows = measures.with_panel(rows, panels)
        if derive == "share":
            return measures.share(rows, list(parts))
        derived = {"growth": measures.growth, "change": measures.change}.get(derive)
        return derived(rows, *years) if derived else rows

    return read


def _compared(row: pd.Series, declared: Declared, read: Callable[..., pd.DataFrame]) -> Comparison:
    decimals = int(row["decimals_printed"])
    shown = Decimal(row["value"])
    facts = {"id": row["id"], "printed": float(shown), "tolerance": 0.5 * 10**-decimals}
    rows, reason = _computed(row, declared, read)
    if rows is None:
        return Comparison(status="not_computable", basis="genuine", computed=None, reason=reason, **facts)
    computed = float(rows["value"]) / SCALES[row["unit"]]
    basis = "fitted" if rows["origin"] == "reconstruction" else "genuine"
    agrees = rounded(computed, decimals) == rounded(float(shown), decimals)
    reason = "" if agrees else f"beregnet {number(computed, decimals + 2)}, trykt {number(float(shown), decimals)}"
    return Comparison(status="match" if agrees else "deviates", basis=basis, computed=computed, reason=reason, **facts)


def _computed(row: pd.Series, declared: Declared, read: Callable[..., pd.DataFrame]) -> tuple[pd.Series | None, str]:
    """The computed row behind a printed one, or none and the reason."""
    if row["measure"] not in declared.measures:
        return None, f"intet nøgletal svarer til målet {row['measure']!r}"
    measure = declared.measures[row["measure"]]
    group, variant = declared.group(row["population_group"])
    category = declared.categories.get(row["category"], row["category"])
    indicator = measure.indicator_by_category.get(category, measure.indicator)
    extreme = declared.areas.get(row["area"])
    codes = areas.regions() if extreme else [areas.find_area(row["area"])]
    first, last = int(row["period_start"]), int(row["period_end"])
    asked = (indicator, group, variant, (first, last))

    def of_row(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["area_code"].isin(codes) & (rows["category"] == category)]

    rows = of_row(read(*asked))
    if set(rows["year"]) != {first, last}:
        return None, f"{indicator} findes ikke for {row['area']}, {row['category']}, {first}-{last}"
    parts = tuple(accounts.siblings(group, category)) if measure.derive == "share" else ()
    rows = of_row(read(*asked, measure.derive, parts))
    # A missing one comes out at either end: it may be the extreme.
    highest = extreme == "max"
    ordered = rows[rows["year"] == last].sort_values("value", na_position="last" if highest else "first")
    result = ordered.iloc[-1 if highest else 0]
    if pd.isna(result["value"]):
        return None, f"{indicator} mangler for {row['area']}, {row['category']}: {result['note']}"
    return result, ""


class Reading(BaseModel):
    """One way to compute a number that the printed report leaves open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    indicator: str
    derive: Literal["level", "growth"]
    area: str
    population_group: str = ""
    mean_of: list[str] = []
    category: str
    variant: str


class OpenQuestion(BaseModel):
    """A place where the printed report can be read in more than one way, and the readings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    printed: list[str]
    readings: list[Reading]


def open_questions() -> list[OpenQuestion]:
    """The places where the report can be read in two ways (`data/reference/published/readings.yml`)."""
    path = reference_folder() / "published" / "readings.yml"
    return read_declared(path, RootModel[list[OpenQuestion]]).root


def computed_reading(reading: Reading, edition: Edition, table: pd.DataFrame) -> pd.Series:
    """The row (value, unit, origin) that a reading gives; NaN where the key figures lack it."""
    groups = reading.mean_of or [reading.population_group]
    rows = table[
        (table["indicator"] == reading.indicator)
        & (table["area_code"] == areas.find_area(reading.area))
        & table["population_group"].isin(groups)
        & (table["category"] == reading.category)
        & (table["variant"] == reading.variant)
    ]
    if reading.derive == "growth":
        rows = measures.growth(rows, edition.period.first, edition.period.last)
    rows = rows[rows["year"] == edition.period.last]
    if rows.empty:
        return pd.Series({"value": float("nan"), "unit": "", "origin": ""})
    return pd.Series({"value": rows["value"].mean(), "unit": rows["unit"].iloc[0], "origin": weakest(rows["origin"])})


def counts(comparisons: list[Comparison]) -> dict[str, dict[str, int]]:
    """How many comparisons have each status, genuine and fitted counted apart."""
    table: dict[str, dict[str, int]] = {}
    for comparison in comparisons:
        by_basis = table.setdefault(comparison.status, {"genuine": 0, "fitted": 0})
        by_basis[comparison.basis] += 1
    return table
