"""The part of a build that one section of one area reads: its checksums, and the part itself as a small folder."""

import hashlib
import json
import shutil
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.catalogue import catalogue
from analysis.edition import FACTS, FINDINGS, KEY_FIGURES, SOURCE_FACTS, SOURCES, Edition, SectionPlan
from noegletal.figures.freshness import areas_within, digest, file_digest

RECORDS = {"sources": SOURCES, "findings": FINDINGS}


def digests(table: pd.DataFrame, folder: Path, sources: list[dict[str, object]]) -> dict[str, object]:
    """Checksums of key figures by indicator and area, of facts by name, of sources by raw table, of whole records.

    `folder`: holds facts and records as written. `sources_of` names the raw tables of each indicator.
    """
    rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
    key_figures: dict[str, dict[str, str]] = {}
    for (indicator, area_code), places in table.groupby(["indicator", "area_code"], sort=True).indices.items():
        checksum = hashlib.sha256(rows[places].tobytes()).hexdigest()[:16]
        key_figures.setdefault(indicator, {})[area_code] = checksum
    by_table: dict[str, list[dict[str, object]]] = {}
    for source in sources:
        by_table.setdefault(str(source["table"]), []).append({name: source[name] for name in SOURCE_FACTS})
    return {
        "key_figures": key_figures,
        "facts": {path.stem: file_digest(path) for path in sorted((folder / FACTS).glob("*.parquet"))},
        "sources": {table: digest(files) for table, files in by_table.items()},
        "records": {name: file_digest(folder / file) for name, file in RECORDS.items()},
        "sources_of": {name: indicator.sources for name, indicator in catalogue().indicators.items()},
    }


class Slices:
    """A build opened once, to cut the parts of many sections out of it."""

    def __init__(self, edition: Edition, processed: Path) -> None:
        """Open the build of an edition in a folder; nothing is read before the first part is asked for."""
        self._edition, self._processed = edition, processed

    @cached_property
    def _key_figures(self) -> pd.DataFrame:
        return pd.read_parquet(self._processed / KEY_FIGURES)

    @cached_property
    def _places(self) -> dict[tuple[str, str], pd.Index]:
        return self._key_figures.groupby(["indicator", "area_code"]).indices

    @cached_property
    def _sources(self) -> list[dict[str, object]]:
        return json.loads((self._processed / SOURCES).read_text(encoding="utf-8"))

    def write(self, plan: SectionPlan, area_code: str, folder: Path) -> None:
        """Write what a section declares to read to a folder that looks like a build and holds nothing else."""
        (folder / FACTS).mkdir(parents=True, exist_ok=True)
        places = [
            self._places[key]
            for indicator, scopes in plan.reads.indicators.items()
            for area in areas_within(self._edition, area_code, scopes)
            if (key := (indicator, area)) in self._places
        ]
        # In the order of the whole table, so that a section cannot tell the difference.
        rows = sorted(place for part in places for place in part)
        self._key_figures.iloc[rows].to_parquet(folder / KEY_FIGURES, index=False)
        for name in plan.reads.facts:
            shutil.copyfile(self._processed / FACTS / f"{name}.parquet", folder / FACTS / f"{name}.parquet")
        known = catalogue().indicators
        tables = {table for indicator in plan.reads.indicators for table in known[indicator].sources}
        sources = [
            {name: source[name] for name in SOURCE_FACTS} for source in self._sources if source["table"] in tables
        ]
        (folder / SOURCES).write_text(json.dumps(sources, ensure_ascii=False), encoding="utf-8")
        for record in plan.reads.records:
            shutil.copyfile(self._processed / RECORDS[record], folder / RECORDS[record])
