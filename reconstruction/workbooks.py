"""Writes a reconstructed delivery: a filled-in form and the sidecar that describes its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from noegletal.sources.blank_forms import write_form
from reconstruction.raw_files import SIDECAR_KEYS, WrittenFile


def write_workbook(
    folder: Path, form: str, rows: Mapping[str, pd.DataFrame], description: Mapping[str, Any]
) -> WrittenFile:
    """Write `<TABLE>.xlsx` and `<TABLE>.yml`.

    The cells depend on the rows only. The bytes also hold the time of writing, so the sidecar follows them.
    """
    table = description["table"]
    path = folder / f"{table}.xlsx"
    write_form(form, path, rows)
    stored = path.read_bytes()
    sidecar = {**description, "sha256": hashlib.sha256(stored).hexdigest(), "bytes": len(stored)}
    text = yaml.safe_dump({key: sidecar[key] for key in SIDECAR_KEYS}, sort_keys=False, allow_unicode=True, width=110)
    (folder / f"{table}.yml").write_text(text, encoding="utf-8")
    return WrittenFile(path.name, sum(map(len, rows.values())), len(stored), description["origin"])
