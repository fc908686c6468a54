"""The delivery from Komponent, reconstructed: `python -m reconstruction.komponent [--numbers FILE] [--out DIR]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from reconstruction.pipeline import ROOT
from reconstruction.raw_files import WrittenFile
from reconstruction.reference import load_yaml
from reconstruction.workbooks import write_workbook

HERE = Path(__file__).resolve().parent
MEASURES = ("share", "support_share")
# Decimals of a share that was computed for the first year; the same as in the numbers chosen for the last.
DECIMALS = {"share": 2, "support_share": 1}
ANY_SHEET, SINGLE_SHEET = "F-diagnose", "Diagnoser"


def main(arguments: list[str] | None = None) -> int:
    """Write the workbook and its sidecar, and print what was written."""
    parser = argparse.ArgumentParser(prog="python -m reconstruction.komponent", description=__doc__)
    parser.add_argument("--numbers", type=Path, default=max(HERE.glob("komponent_*.yml")))
    parser.add_argument("--out", type=Path, help="folder to write to (default: data/raw/<edition>)")
    options = parser.parse_args(arguments)
    numbers = load_yaml(options.numbers)
    written = write_delivery(options.out or ROOT / "data" / "raw" / numbers["edition"], numbers)
    Console().print(f"{written.name}: {written.rows} rows, {written.size} bytes, {written.origin}", highlight=False)
    return 0


def sheets(numbers: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """The rows of each sheet of the form, from the numbers chosen in komponent_<edition>.yml."""
    years = numbers["years"]
    any_rows = [
        {"age_group": group, "area": area, "year": year}
        | {measure: values[measure][area][position] for measure in MEASURES}
        for group, values in numbers["any_diagnosis"].items()
        for area in values["share"]
        for position, year in enumerate(years)
    ]
    single_rows = [
        {"age_group": group, "area": area, "year": year, "diagnosis": diagnosis}
        | {measure: _in_year(values[measure][diagnosis], area, measure, last=year == years[-1]) for measure in MEASURES}
        for group, values in numbers["single_diagnoses"].items()
        for diagnosis, levels in values["share"].items()
        for area in levels
        if area != "first"
        for year in (years[0], years[-1])
    ]
    return {ANY_SHEET: pd.DataFrame(any_rows), SINGLE_SHEET: pd.DataFrame(single_rows)}


def _in_year(levels: dict[str, float], area: str, measure: str, *, last: bool) -> float:
    return levels[area] if last else round(levels[area] * levels["first"], DECIMALS[measure])


def write_delivery(folder: Path, numbers: dict[str, Any]) -> WrittenFile:
    """Write `<TABLE>.xlsx` and `<TABLE>.yml`."""
    return write_workbook(folder, numbers["form"], sheets(numbers), numbers["sidecar"])


if __name__ == "__main__":
    sys.exit(main())
