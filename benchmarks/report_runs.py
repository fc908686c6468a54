"""Whole reports four ways, from what people do by hand to the bare code of the notebooks; for one area, 29 and all.

The ways take turns, round after round, so that whatever else the machine does hits all of them. Everything is written
to a work folder; the project's own reports and key figures are left alone.
"""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import plain_code
import psutil
import report_results
import typer
import watched
from plain_code import PROCESSED_VARIABLE, PUBLISH_VARIABLE, missing
from report_results import CALLS, CODE, RERUN, STOCK, WARM, Measurement, Ratio
from rich.console import Console
from watched import Cost, RunFailedError

from analysis import areas
from analysis.edition import Edition, load_edition, project_root
from noegletal.figures.freshness import RECORD
from noegletal.publish.manifest import PAGES, published_sections, section_files
from warmkernel.engine import KERNEL_ENVIRONMENT

EDITION = "2025"
WORKERS = 2
# Municipalities that the ways by hand and by started kernels are run on, where all would take hours.
SAMPLE = 3
BUSY_LOAD = 0.5
GIB = 1 << 30
TOOLS = Path(sys.executable).parent

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Step:
    """One thing to time in every round: a variant for a report of so many areas, by running these areas."""

    variant: str
    size: int
    areas: tuple[str, ...]


@dataclass(frozen=True)
class Bench:
    """What every step needs: the edition, the sections to run, the key figures, and a folder to write in."""

    edition: Edition
    notebooks: list[str]
    processed: Path
    work: Path

    @property
    def log(self) -> Path:
        """The output of the last command."""
        return self.work / "output.txt"

    @property
    def built(self) -> int:
        """When the key figures were built."""
        return (self.processed / RECORD).stat().st_mtime_ns


WorkOption = Annotated[Path, typer.Option(help="Folder to write in; what reports leave there is removed again.")]
RepeatOption = Annotated[int, typer.Option(min=1, help="Runs of each case; the cases take turns.")]
FullOption = Annotated[bool, typer.Option("--full", help="Run (a) and (b) on all 29 municipalities, not on a sample.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write every measurement to this file.")]


@app.command()
def run(work: WorkOption, repeat: RepeatOption = 3, full: FullOption = False, json_file: JsonOption = None) -> None:
    """Time reports for hovedstaden, its 29 municipalities and all 98, and print ratios. Exit 1 where one is missed."""
    found = report(work, repeat, full, Console())
    if json_file:
        json_file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if found["missed"]:
        raise typer.Exit(1)


def report(work: Path, rounds: int, full: bool, console: Console) -> dict[str, Any]:
    """Measure everything, show the tables, and give it back as plain data: machine, runs, ratios, missed."""
    machine = about_machine()
    console.print(machine_line(machine))
    if machine["load"] > BUSY_LOAD:
        console.print(f"[yellow]The machine is busy (load {machine['load']:.1f}): times will not repeat.[/yellow]")
    edition = load_edition(EDITION)
    # The commands run in the project's folder.
    folder = work.resolve()
    bench = Bench(edition, [plan.notebook for plan in edition.sections], folder / "processed", folder / "reports")
    shutil.rmtree(bench.work, ignore_errors=True)
    bench.work.mkdir(parents=True)
    _watched(bench, [str(TOOLS / "noegletal"), "build", "-e", edition.name, "--processed", str(bench.processed)])
    runs = measure(bench, steps(edition, full), rounds, console)
    shutil.rmtree(bench.work)
    ratios = show(runs, rounds, console)
    return {
        "machine": machine,
        "memory": watched.MEASURE,
        "runs": [asdict(measurement) for measurement in runs],
        "ratios": [asdict(ratio) | {"median": ratio.median, "met": ratio.met} for ratio in ratios],
        "missed": [ratio.name for ratio in ratios if not ratio.met],
    }


def steps(edition: Edition, full: bool) -> list[Step]:
    """The steps of a round: the home area, its municipalities, all municipalities; or a sample."""
    home, all_areas = areas.members(edition.home_area), areas.municipalities()
    sample = home if full else evenly_spread(home, SAMPLE)
    return [
        *(Step(variant, 1, (edition.home_area,)) for variant in (CALLS, STOCK, WARM, CODE)),
        Step(CALLS, len(home), sample),
        Step(STOCK, len(home), sample),
        Step(WARM, len(home), home),
        # Looks at what the step before it made.
        Step(RERUN, len(home), home),
        Step(CODE, len(home), home),
        Step(WARM, len(all_areas), all_areas),
    ]


def evenly_spread(codes: tuple[str, ...], count: int) -> tuple[str, ...]:
    """So many of the codes, as far from each other and from the ends as they can be; the same every time."""
    return tuple(codes[int((place + 0.5) * len(codes) / count)] for place in range(count))


def measure(bench: Bench, steps: list[Step], rounds: int, console: Console) -> list[Measurement]:
    """Take the steps in turn, round after round. Errors: `RunFailedError` for a step that does not do its work."""
    runs = []
    for turn in range(rounds):
        for step in steps:
            cost, each = WAYS[step.variant](bench, step)
            about_kkr = [bench.edition.section(notebook).about == "kkr" for notebook in bench.notebooks]
            shared = sum(took for took, whose in zip(each, cycle(about_kkr), strict=False) if whose)
            # A run with nothing to do has no notebooks.
            notebooks = 0 if step.variant == RERUN else len(step.areas) * len(bench.notebooks)
            runs.append(
                Measurement(
                    turn=turn,
                    variant=step.variant,
                    size=step.size,
                    areas=len(step.areas),
                    notebooks=notebooks,
                    seconds=cost.seconds,
                    processor=cost.processor,
                    peak=cost.peak,
                    looking=cost.looking,
                    each=each,
                    # The municipalities of the home area lie in one KKR; the bare code shares as the runner does.
                    shared=shared if step.variant == CALLS else 0.0,
                )
            )
            # A line and not a moving bar, which would take processor time from what is measured.
            done = f"round {turn + 1} of {rounds}: {report_results.TITLES[step.variant]}, {len(step.areas)} areas"
            console.print(f"{done}: {cost.seconds:,.1f} s", highlight=False)
    return runs


def _calls(bench: Bench, step: Step) -> tuple[Cost, list[float]]:
    """What people do: papermill and then nbconvert from the command line, for one notebook after the other."""
    folder = bench.work / CALLS
    costs, each = [], []
    for code in step.areas:
        for notebook in bench.notebooks:
            folder.mkdir()
            source, executed = project_root() / "notebooks" / f"{notebook}.ipynb", folder / f"{notebook}.ipynb"
            published = folder / "published"
            variables = {PROCESSED_VARIABLE: str(bench.processed), PUBLISH_VARIABLE: str(published)}
            given = ["-p", "edition", bench.edition.name, "-p", "area", areas.slug(code)]
            parts = [
                _watched(bench, [str(TOOLS / "papermill"), str(source), str(executed), *given], variables),
                _watched(bench, [str(TOOLS / "jupyter"), "nbconvert", "--to", "html", str(executed)], variables),
            ]
            if absent := missing(bench.edition.section(notebook), published):
                raise RunFailedError(f"{notebook} did not publish {absent[0]}")
            shutil.rmtree(folder)
            costs += parts
            each.append(sum(part.seconds for part in parts))
    return _together(costs), each


def _report(bench: Bench, step: Step, engine: str, *more: str) -> tuple[Cost, list[float]]:
    """The whole command in a process of its own, pages and all."""
    out = _out(bench, step)
    command = [str(TOOLS / "noegletal"), "report", "--edition", bench.edition.name, "--engine", engine]
    # The way by hand makes pages, so that is what is compared.
    command += ["--format", "site"]
    command += ["--workers", str(WORKERS), "--processed", str(bench.processed), "--out", str(out), *more]
    command += _options("--area", [areas.slug(code) for code in step.areas])
    if len(bench.notebooks) < len(bench.edition.sections):
        command += _options("--only", bench.notebooks)
    return _watched(bench, command), []


def _made(engine: str) -> Callable[[Bench, Step], tuple[Cost, list[float]]]:
    def made(bench: Bench, step: Step) -> tuple[Cost, list[float]]:
        # From nothing every time: the first round must do what the others do.
        shutil.rmtree(_out(bench, step), ignore_errors=True)
        built = bench.built
        took = _report(bench, step, engine, "--force")
        require_same_build(bench, built)
        for code in step.areas:
            require_report(bench, _out(bench, step) / bench.edition.name / areas.slug(code))
        return took

    return made


def require_same_build(bench: Bench, built: int) -> None:
    """Errors: `RunFailedError` where the key figures were built since, which would be in the time of a report."""
    if bench.built != built:
        raise RunFailedError("the key figures were built again; did the project change meanwhile?")


def _nothing_changed(bench: Bench, step: Step) -> tuple[Cost, list[float]]:
    took = _report(bench, step, WARM)
    require_untouched(bench.log.read_text(encoding="utf-8"), len(step.areas))
    return took


def require_untouched(said: str, reports: int) -> None:
    """Errors: `RunFailedError` where the command did not say of every report that nothing had changed."""
    made = reports - said.count("nothing changed")
    if made:
        raise RunFailedError(f"{made} of {reports} reports were made again; did the project change meanwhile?")


def _code(bench: Bench, step: Step) -> tuple[Cost, list[float]]:
    """The bare code, in a process of its own; only the code itself is counted."""
    command = [sys.executable, __file__, "code", str(bench.processed), str(bench.work / CODE)]
    command += [*_options("--notebook", bench.notebooks), *_options("--area", step.areas)]
    whole = _watched(bench, command, KERNEL_ENVIRONMENT)
    notebooks = json.loads(bench.log.read_text(encoding="utf-8").splitlines()[-1])
    took = Cost(
        sum(notebook["seconds"] for notebook in notebooks),
        sum(notebook["processor"] for notebook in notebooks),
        whole.peak,
        whole.looking,
    )
    return took, [notebook["seconds"] for notebook in notebooks]


@app.command(hidden=True)
def code(
    processed: Path,
    work: Path,
    notebook: Annotated[list[str], typer.Option()],
    area: Annotated[list[str], typer.Option()],
) -> None:
    """The bare code of the notebooks in this process: what each took, as JSON."""
    typer.echo(json.dumps(plain_code.timed(load_edition(EDITION), area, notebook, processed, work)))


WAYS = {CALLS: _calls, STOCK: _made(STOCK), WARM: _made(WARM), RERUN: _nothing_changed, CODE: _code}


def _watched(bench: Bench, command: list[str], variables: dict[str, str] | None = None) -> Cost:
    # What the shell of whoever measures has set must not steer the runs.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NOEGLETAL_")}
    environment = kept | {"NOEGLETAL_ROOT": str(project_root())} | (variables or {})
    return watched.run(command, environment, project_root(), bench.log)


def _together(costs: list[Cost]) -> Cost:
    return Cost(
        sum(cost.seconds for cost in costs),
        sum(cost.processor for cost in costs),
        max(cost.peak for cost in costs),
        sum(cost.looking for cost in costs),
    )


def _out(bench: Bench, step: Step) -> Path:
    # One folder for a size, so that the run with nothing to do finds what was made before it.
    return bench.work / f"{step.size}"


def require_report(bench: Bench, folder: Path) -> None:
    """Errors: `RunFailedError` where the report of an area lacks a section that was to be run, or a file of one."""
    sections = published_sections(folder)
    wanted = list(PAGES)
    for notebook in bench.notebooks:
        record = sections.get(notebook, {})
        if record.get("failed") or not record.get("made"):
            raise RunFailedError(f"{folder.name}: {notebook} was not made: {record.get('failed') or 'no trace of it'}")
        wanted += section_files(notebook, bench.edition.section(notebook).outputs, record)
    if absent := [name for name in wanted if not (folder / name).is_file()]:
        raise RunFailedError(f"{folder.name} lacks {absent[0]}")


def _options(name: str, values: Iterable[str]) -> list[str]:
    return [part for value in values for part in (name, value)]


def about_machine() -> dict[str, Any]:
    """What the times were taken on, and how busy it was at the start (average of one minute)."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "memory": psutil.virtual_memory().total,
        "python": platform.python_version(),
        "load": psutil.getloadavg()[0],
    }


def machine_line(machine: dict[str, Any]) -> str:
    """The machine in one line."""
    return (
        f"{machine['system']}, {machine['cores']} cores, {machine['memory'] / GIB:.1f} GiB, "
        f"Python {machine['python']}, load {machine['load']:.2f} at start"
    )


def show(runs: list[Measurement], rounds: int, console: Console) -> list[Ratio]:
    """Print the tables and what to know of them; gives back the ratios."""
    title = (
        f"Report runs with {WORKERS} workers: median and spread of {rounds} rounds, largest {watched.MEASURE} of all"
    )
    console.print(report_results.times_table(runs, title))
    for line in report_results.scaling(runs):
        console.print(line)
    ratios = report_results.ratios(runs, min(WORKERS, os.cpu_count() or 1))
    console.print(report_results.ratios_table(ratios, rounds))
    console.print(
        "(c) also makes the pages and copies the files of every report; (d) does neither, and keeps what it has read "
        "and drawn before in memory.",
        f"Looking at the memory took {report_results.looking(runs):.1%} of the processor time of (a), (b) and (c).",
    )
    return ratios


if __name__ == "__main__":
    app()
