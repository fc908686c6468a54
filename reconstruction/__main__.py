"""Command line: `python -m reconstruction [--raw DIR] [--out DIR] [--transcribe DIR]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from reconstruction.accounts_fit import InfeasibleTargetsError
from reconstruction.pipeline import ROOT, Outcome, reconstruct
from reconstruction.raw_files import WrittenFile
from reconstruction.reference import load_yaml
from reconstruction.transcribe import transcribe

HERE = Path(__file__).resolve().parent
KRONER_PER_MIO = 1_000_000


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two steps and print what was written."""
    parser = argparse.ArgumentParser(prog="python -m reconstruction", description=__doc__)
    parser.add_argument("--assumptions", type=Path, default=max(HERE.glob("assumptions_*.yml")))
    parser.add_argument("--raw", type=Path, help="folder of the transcribed tables (default: data/raw/<edition>)")
    parser.add_argument("--out", type=Path, help="folder to write to (default: the --raw folder)")
    parser.add_argument("--transcribe", type=Path, metavar="DIR", help="only make the transcribed tables from DIR")
    options = parser.parse_args(arguments)
    assumptions = load_yaml(options.assumptions)
    texts = load_yaml(HERE / "tables.yml")
    raw = options.raw or ROOT / "data" / "raw" / str(assumptions["edition"])
    out = options.out or raw
    console = Console()
    try:
        if options.transcribe:
            files = transcribe(options.transcribe, out, texts, assumptions["transcribed_from_year"])
            console.print(_summary(files))
            return 0
        outcome = reconstruct(raw, out, assumptions, texts)
    except (InfeasibleTargetsError, FileNotFoundError, ValueError) as error:
        Console(stderr=True).print(f"Error: {error}", markup=False, highlight=False)
        return 1
    console.print(_summary(outcome.files))
    console.print(_margin(outcome), highlight=False, soft_wrap=True)
    return 0


def _summary(files: list[WrittenFile]) -> Table:
    table = Table("file", "rows", "bytes", "origin")
    for file in files:
        table.add_row(file.name, f"{file.rows:,}", f"{file.size:,}", file.origin)
    return table


def _margin(outcome: Outcome) -> str:
    row, slack = outcome.slack[0]
    return f"Narrowest margin of the fit: {slack * KRONER_PER_MIO:,.0f} kr. ({row})"


if __name__ == "__main__":
    sys.exit(main())
