"""The key figures against the printed report: which agree, which deviate, and why."""

import contextlib
import json
import tempfile
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, RootModel

from analysis import areas, measures
from analysis.danish import listed, number, rounded
from analysis.declared import read_declared
from analysis.edition import KEY_FIGURES, Edition, reference_folder
from analysis.rows import EVIDENCE, FITTED, GENUINE, PANEL, Evidence, weakest
from noegletal import account_rules
from noegletal.figures.freshness import PAGE_CODE, build_record, code_digest, digest, folder_digest
from noegletal.figures.printed import Declared, declarations, published
from noegletal.rules import few

COMPARISONS = "comparisons.json"
SCALES = {"mia_kr": 1e9, "mio_kr": 1e6, "kr": 1.0, "pct": 1.0, "antal": 1.0}


class Comparison(BaseModel):
    """One printed number beside the computed one."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: Literal["match", "deviates", "contradicts_itself", "not_computable"]
    basis: Evidence
    printed: float
    computed: float | None
    tolerance: float
    reason: str


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


def told_deviations(deviating: list[str], edition: str) -> str:
    """What to do about printed numbers that deviate without a reason, in one sentence."""
    return (
        f"{len(deviating)} printed numbers deviate ({few(deviating)}): see `noegletal check --edition {edition}`, and "
        f"correct the data or declare each with its reason under printed.deviations in editions/{edition}.yml"
    )


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
        return Comparison(status="not_computable", basis=GENUINE, computed=None, reason=reason, **facts)
    computed = float(rows["value"]) / SCALES[row["unit"]]
    basis = FITTED if rows["origin"] == "reconstruction" else GENUINE
    agrees = rounded(computed, decimals) == rounded(float(shown), decimals)
    reason = "" if agrees else f"beregnet {number(computed, decimals + 2)}, trykt {number(float(shown), decimals)}"
    return Comparison(status="match" if agrees else "deviates", basis=basis, computed=computed, reason=reason, **facts)


def _computed(row: pd.Series, declared: Declared, read: Callable[..., pd.DataFrame]) -> tuple[pd.Series | None, str]:
    """The computed row behind a printed one, or none and the reason."""
    if row["measure"] not in declared.measures:
        return None, f"intet nøgletal svarer til målet {row['measure']!r}"
    measure, (indicator, group, category, variant) = declared.figure(row)
    extreme = declared.areas.get(row["area"])
    codes = areas.regions() if extreme else [areas.find_area(row["area"])]
    first, last = int(row["period_start"]), int(row["period_end"])
    asked = (indicator, group, variant, (first, last))

    def of_row(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["area_code"].isin(codes) & (rows["category"] == category)]

    rows = of_row(read(*asked))
    if set(rows["year"]) != {first, last}:
        return None, f"{indicator} findes ikke for {row['area']}, {row['category']}, {first}-{last}"
    parts = tuple(account_rules.siblings(group, category)) if measure.derive == "share" else ()
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
    """How many comparisons have each status, by the evidence of the computed figure."""
    table: dict[str, dict[str, int]] = {}
    for comparison in comparisons:
        by_basis = table.setdefault(comparison.status, dict.fromkeys(EVIDENCE, 0))
        by_basis[comparison.basis] += 1
    return table
