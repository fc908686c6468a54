"""Time and memory of a build whose REGK100 is as large as StatBank's whole table, against `pandas.read_csv`.

The file is made here, the same bytes every time: the embedded REGK100 as it is, among made-up rows that no key figure
uses. So the build must give the embedded edition's key figures, and the benchmark fails when it does not.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

EDITION = "2025"
TABLE = "REGK100"
FULL_SIZE = 20_000_000
MIB = 1 << 20
LEAST_RATIO, MOST_MIB = 3, 1024

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def run(
    work: Annotated[Path, typer.Option(help="Folder for the generated file (0.9 GB), which is kept for the next run.")],
    rows: Annotated[int, typer.Option(min=300_000, help="Rows of REGK100.")] = FULL_SIZE,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each case; the cases take turns.")] = 3,
) -> None:
    """Make the file if it is not there, run each case in a process of its own, and print the results.

    Exit 1 where REGK100 is not built 3 times as fast as pandas reads it, a build needs more than 1 GiB, or the key
    figures are not those of the embedded edition.
    """
    console = Console()
    if report(work, rows, repeat, console)["missed"]:
        raise typer.Exit(1)


def report(work: Path, rows: int, repeat: int, console: Console) -> dict[str, Any]:
    """Measure every case, show the table, and give it back as plain data: rows, runs of each case, missed."""
    from generated_regk100 import recipe

    raw = work / f"raw-{rows}-{recipe()}"
    if not raw.is_dir():
        with console.status(f"making {rows:,} rows in {raw}"):
            _in_a_process("make", raw, work, rows)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    for turn in range(repeat):
        for name in CASES:
            with console.status(f"run {turn + 1} of {repeat}: {name}"):
                runs[name].append(_in_a_process(name, raw, work / name, rows))
    _require_equal(work / "build", work / "embedded")
    console.print(_results(runs, rows, (raw / f"{TABLE}.csv").stat().st_size))
    ratio = _median(runs["pandas"], "seconds") / _median(runs["facts"], "seconds")
    peak = max(run["peak"] for name in ("facts", "build") for run in runs[name])
    missed = []
    if ratio < LEAST_RATIO or peak > MOST_MIB * MIB:
        missed = [f"REGK100 must be built {LEAST_RATIO} times as fast as pandas reads it, in {MOST_MIB} MiB"]
        console.print(f"missed: {missed[0]}")
    return {"rows": rows, "runs": runs, "missed": missed}


@app.command(hidden=True)
def case(name: str, raw: Path, target: Path, rows: int) -> None:
    """One case in this process: what it took, as JSON."""
    job = {**CASES, "make": _make}[name](raw, target, rows)
    start, used = time.perf_counter(), time.process_time()
    job()
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    # Linux counts in KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    typer.echo(json.dumps({"seconds": seconds, "processor": processor, "peak": peak}))


def _in_a_process(name: str, raw: Path, target: Path, rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, "case", name, str(raw), str(target), str(rows)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# Each case imports what it needs before the clock starts.
def _pandas(raw: Path, _target: Path, _rows: int) -> Callable[[], object]:
    """The same file with pandas alone: codes as text, `..` as missing, decimal comma, its default engine."""
    import pandas as pd

    from noegletal.sources.snapshot import TIME, VALUE, table_shapes

    codes = dict.fromkeys((*table_shapes()[TABLE].variables, TIME), str)
    path = raw / f"{TABLE}.csv"

    def read() -> pd.DataFrame:
        return pd.read_csv(path, sep=";", dtype=codes, decimal=",", na_values={VALUE: ".."}, keep_default_na=False)

    return read


def _read_table(raw: Path, _target: Path, _rows: int) -> Callable[[], object]:
    """The rows that facts.expenditure asks for, bytes verified and every value checked."""
    from analysis.edition import load_edition
    from noegletal import account_rules
    from noegletal.facts.expenditure import NET_OPERATING
    from noegletal.sources.snapshot import TIME, read_table

    years = frozenset(map(str, load_edition(EDITION).period.all))
    select = NET_OPERATING | {"FUNKTION": frozenset(account_rules.functions()), TIME: years}
    return lambda: read_table(raw, TABLE, select)


def _facts(raw: Path, _target: Path, _rows: int) -> Callable[[], object]:
    """REGK100 built: bytes verified, rows read, checked against the source's other tables, summed to the facts."""
    from analysis.edition import load_edition
    from noegletal.facts import expenditure

    edition = load_edition(EDITION)
    return lambda: expenditure.build(raw, edition)


def _build(raw: Path, target: Path, _rows: int) -> Callable[[], object]:
    """The whole edition: every raw file verified, every fact, every key figure, written to disk."""
    from analysis.edition import load_edition
    from noegletal.figures.build import build_edition

    return lambda: build_edition(load_edition(EDITION), raw, target)


def _make(raw: Path, _target: Path, rows: int) -> Callable[[], object]:
    from generated_regk100 import make_raw_folder

    return lambda: make_raw_folder(raw, rows)


def _embedded(_raw: Path, target: Path, rows: int) -> Callable[[], object]:
    from analysis.edition import raw_folder

    return _build(raw_folder(EDITION), target, rows)


CASES = {"pandas": _pandas, "read_table": _read_table, "facts": _facts, "build": _build, "embedded": _embedded}
TITLES = {
    "pandas": "pandas.read_csv",
    "read_table": "read_table, its rows",
    "facts": "REGK100 built to facts",
    "build": "edition, all tables",
    "embedded": "edition, small REGK100",
}


def _require_equal(built: Path, expected: Path) -> None:
    import pandas as pd

    from noegletal.figures.build import KEY_FIGURES

    pd.testing.assert_frame_equal(pd.read_parquet(built / KEY_FIGURES), pd.read_parquet(expected / KEY_FIGURES))


def _median(runs: list[dict[str, float]], measure: str) -> float:
    return statistics.median(run[measure] for run in runs)


def _results(runs: dict[str, list[dict[str, float]]], rows: int, size: int) -> Table:
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    table = Table(
        title=f"REGK100 of {rows:,} rows, {size / MIB:,.0f} MiB; {len(next(iter(runs.values())))} runs each; "
        f"{os.cpu_count()} cores, load {load}"
    )
    table.add_column("case", no_wrap=True)
    for column in ("s", "spread", "ratio", "CPU s", "ratio", "MiB"):
        table.add_column(column, justify="right", no_wrap=True)
    baseline = {measure: _median(runs["pandas"], measure) for measure in ("seconds", "processor")}
    for name, measured in runs.items():
        seconds = [run["seconds"] for run in measured]
        table.add_row(
            TITLES[name],
            f"{statistics.median(seconds):.1f}",
            f"{min(seconds):.1f}-{max(seconds):.1f}",
            f"{baseline['seconds'] / statistics.median(seconds):.1f}",
            f"{_median(measured, 'processor'):.1f}",
            f"{baseline['processor'] / _median(measured, 'processor'):.1f}",
            f"{max(run['peak'] for run in measured) / MIB:,.0f}",
        )
    return table


if __name__ == "__main__":
    app()
