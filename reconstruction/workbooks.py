"""Writes a reconstructed delivery: a filled-in form and the sidecar that describes its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from noegletal.sources.blank_forms import write_form
from reconstruction.raw_files import WrittenFile, write_sidecar


def write_workbook(
    folder: Path, form: str, rows: Mapping[str, pd.DataFrame], description: Mapping[str, Any]
) -> WrittenFile:
    """Write `<TABLE>.xlsx` and `<TABLE>.yml`.

    The cells depend on the rows only. The bytes also hold the time of writing, so the sidecar follows them.
    """
    table = description["table"]
    path = folder / f"{table}.xlsx"
    write_form(form, path, rows)
    write_sidecar(folder / f"{table}.yml", path, description)
    return WrittenFile(path.name, sum(map(len, rows.values())), path.stat().st_size, description["origin"])
