"""Every benchmark in one run: whole reports, and a build from a REGK100 as large as StatBank's whole table."""

import json
import tempfile
from pathlib import Path

import full_size_regk100
import report_runs
import typer
from full_size_regk100 import FULL_SIZE
from report_runs import FullOption, JsonOption, RepeatOption, WorkOption
from rich.console import Console

WORK = Path(tempfile.gettempdir()) / "noegletal-benchmarks"


def main(
    work: WorkOption = WORK,
    repeat: RepeatOption = 3,
    full: FullOption = False,
    json_file: JsonOption = None,
) -> None:
    """Run every benchmark and print the results. Exit 1 where a target is missed."""
    console = Console()
    found = {
        "report_runs": report_runs.report(work, repeat, full, console),
        "full_size": full_size_regk100.report(work, FULL_SIZE, repeat, console),
    }
    if json_file:
        json_file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if any(part["missed"] for part in found.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
