"""Writes and reads raw tables with their sidecars, in the form StatBank delivers them."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from noegletal.sources.sidecar import Sidecar, checksum
from noegletal.sources.snapshot import table_shapes

PERIOD = "TID"
VALUE = "INDHOLD"
MISSING = ".."
SIDECAR_KEYS = (
    "table", "title", "source", "licence", "retrieved", "url", "query", "lang", "sha256", "bytes", "origin",
    "status", "note",
)  # fmt: skip
SIDECAR_WIDTH = 110


@dataclass(frozen=True)
class WrittenFile:
    """What was written: file name, number of rows, size as stored and origin."""

    name: str
    rows: int
    size: int
    origin: str


def write_table(folder: Path, name: str, frame: pd.DataFrame, description: Mapping[str, Any]) -> WrittenFile:
    """Write `<name>.csv.gz` and `<name>.yml`.

    Columns required: variable codes, then TID and INDHOLD (whole numbers, or text with decimal comma).
    Rows with the value zero are left out, as absent means zero, but in tables of rates; `..` is kept.
    """
    shape = table_shapes().get(name)
    kept = frame if shape and shape.rate else frame[~frame[VALUE].map(_is_zero)]
    keys = [column for column in kept.columns if column != VALUE]
    if kept.duplicated(keys).any():
        example = kept[kept.duplicated(keys)].iloc[0].to_dict()
        raise ValueError(f"{name}: the key occurs twice: {example}")
    ordered = kept.astype(str).sort_values(keys, kind="stable")
    content = ordered.to_csv(sep=";", index=False, lineterminator="\n").encode("utf-8")
    stored = gzip.compress(content, 9, mtime=0)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv.gz"
    _replace(path, stored)
    write_sidecar(folder / f"{name}.yml", path, {**description, "lang": "da", "status": "final"})
    return WrittenFile(f"{name}.csv.gz", len(ordered), len(stored), str(description["origin"]))


def write_sidecar(path: Path, data: Path, description: Mapping[str, Any]) -> None:
    """Describe a raw file that has been written."""
    facts = {**description, **checksum(data)}
    draft = path.with_name(f"{path.name}.tmp")
    Sidecar.write(draft, {key: facts[key] for key in SIDECAR_KEYS}, width=SIDECAR_WIDTH)
    draft.replace(path)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read `<name>.csv.gz`: codes as text, INDHOLD as numbers (`..` becomes missing)."""
    path = folder / f"{name}.csv.gz"
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is not in {folder}: make it with --transcribe, or name the right folder with --raw"
        )
    frame = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)
    values = frame[VALUE].str.replace(",", ".", regex=False).replace(MISSING, None)
    return frame.assign(**{VALUE: pd.to_numeric(values)})


def with_decimal_comma(values: pd.Series) -> pd.Series:
    """Text with decimal point to text with decimal comma; the digits are not touched."""
    return values.str.replace(".", ",", regex=False)


def _is_zero(value: object) -> bool:
    """Whether a number or a number as text is zero; `..` is not."""
    text = str(value).replace(",", ".")
    return text != MISSING and float(text) == 0


def _replace(path: Path, content: bytes) -> None:
    """Write through a neighbour file, so that a reader never meets half a table."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
