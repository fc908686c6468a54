"""A whole report: run what is stale side by side, publish each area when its sections are done, say what is not."""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

from analysis.areas import name as area_name
from analysis.edition import Edition
from analysis.errors import InputError
from noegletal.commentary import commentaries
from noegletal.figures.build import build_if_stale
from noegletal.figures.slices import Slices
from noegletal.folders import explained, failed_folder, staging_folder, sweep
from noegletal.publish.artefacts import press
from noegletal.publish.datapackage import write_datapackage
from noegletal.publish.manifest import DATA, EXECUTED, FORMATS, SectionRun
from noegletal.publish.site import publish
from noegletal.review.reconcile import Comparison, compared
from noegletal.review.revisions import since_earlier
from noegletal.runner.execute import Job, Outcome
from noegletal.runner.local import RunJobs, run_here
from noegletal.runner.plan import Planned, PlannedArea, plan_area, stale_package, vintage_names

INPUTS = "inputs"
SECTIONS = "Sections"
# A section that is run: the area it is about, and its notebook.
Key = tuple[str, str]


@dataclass(frozen=True)
class AreaReport:
    """The report of one area after a run: what was run, and the sections that nothing had changed for."""

    area_code: str
    folder: Path
    outcomes: list[Outcome]
    reused: list[Planned]
    # By form why it could not be made; empty where it was.
    formats: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every section that was run succeeded and every form that was asked for is there."""
        return all(outcome.succeeded for outcome in self.outcomes) and not any(self.formats.values())


def run_report(
    edition: Edition,
    area_codes: list[str],
    *,
    only: list[str],
    formats: list[str],
    out: Path,
    raw: Path,
    processed: Path,
    workers: int,
    engine: str = "stock",
    scheduler: str = "",
    force: bool = False,
    on_plan: Callable[[list[Planned]], None] = lambda jobs: None,
    on_done: Callable[[Outcome], None] = lambda outcome: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> tuple[list[AreaReport], list[Comparison]]:
    """Build if needed and make what is stale of the reports; each area's folder changes once, when it is done.

    Areas come in the order given and are published one by one; within an area the section that took longest last time
    goes first. Everything that can be wrong with the request is found before a notebook starts. A section that fails
    leaves the others done and its last good version in place. `formats`: what to make beside pages (`FORMATS`, `DATA`).
    `on_step` is told what the run is at, as it is to be read.
    """
    # Before the build, which takes longer: a scheduler that does not answer is found at once.
    with _runner(edition, scheduler, workers, engine) as run_jobs:
        on_step("Key figures")
        build_if_stale(edition, raw, processed)
        if edition.home_area in area_codes:
            commentaries(edition, processed)
        vintages = vintage_names(edition, raw)
        areas = [
            plan_area(
                edition, code, only=only, out=out, processed=processed, vintages=vintages, formats=formats, force=force
            )
            for code in area_codes
        ]
        if DATA in formats and (force or stale_package(edition, out, processed)):
            on_step("Data package")
            write_datapackage(edition, processed, out)
        reports = {area.area_code: _report(area, []) for area in areas}
        waiting = [area for area in areas if not area.idle]
        needed = _needed(waiting)
        on_plan([section for _, section in needed])
        on_step("Comparison with print and earlier data")
        comparisons = compared(edition, processed)
        if not waiting:
            return list(reports.values()), comparisons
        since = since_earlier(edition, raw, processed)
        started = time.time()
        on_step(SECTIONS)
        with _staged(waiting) as stagings, press([name for name in FORMATS if name in formats]) as make:
            jobs = _jobs(edition, needed, stagings, engine)
            broken = [
                Outcome(job, section.broken, 0.0, list(section.plan.outputs))
                for job, (_, section) in zip(jobs, needed, strict=True)
                if section.broken
            ]
            unsound = [outcome.job for outcome in broken]
            sound = [job for job in jobs if job not in unsound]
            with closing(run_jobs(sound, Slices(edition, processed))) as done:
                for area, mine in _as_finished(waiting, chain(broken, done), on_done):
                    forms = [FORMATS[name] for name in FORMATS if name in formats]
                    on_step(f"{', '.join(['Pages', *forms])} of {area_name(area.area_code)}")
                    with explained(area.folder):
                        _keep_failures(area.folder, mine)
                    code = area.area_code
                    runs = _runs(area, mine)
                    made = publish(
                        edition, code, area.folder, runs, comparisons, processed, started, since, area.pages, make
                    )
                    for outcome in mine:
                        # What several reports share is needed until the last of them.
                        if outcome.job.plan.about == "area":
                            shutil.rmtree(outcome.job.staging, ignore_errors=True)
                    reports[code] = _report(area, mine, made)
                    on_step(SECTIONS)
        return list(reports.values()), comparisons


def _runner(edition: Edition, scheduler: str, workers: int, engine: str) -> AbstractContextManager[RunJobs]:
    """What runs the jobs: the cluster of a scheduler, or without one this machine. Errors: no `distributed`."""
    if not scheduler:
        return nullcontext(partial(run_here, workers=workers, engine=engine))
    try:
        from noegletal.runner.cluster import on_cluster
    except ImportError as error:
        raise InputError(
            f'--scheduler needs the package distributed: install the project with `uv pip install -e ".[cluster]"` '
            f"({error})"
        ) from error
    return on_cluster(scheduler, edition)


def _as_finished(
    areas: list[PlannedArea], outcomes: Iterable[Outcome], on_done: Callable[[Outcome], None]
) -> Iterator[tuple[PlannedArea, list[Outcome]]]:
    """Each area with its outcomes when the last of its sections is done; at once where only its pages are stale."""
    left = {
        area.area_code: {(section.area_code, section.plan.notebook) for section in area.sections if section.stale}
        for area in areas
    }
    found: dict[Key, Outcome] = {}
    yield from ((area, []) for area in areas if not left[area.area_code])
    for outcome in outcomes:
        on_done(outcome)
        key = (outcome.job.area_code, outcome.job.plan.notebook)
        found[key] = outcome
        for area in areas:
            wanted = left[area.area_code]
            if key in wanted and wanted <= found.keys():
                yield area, [found[one] for one in sorted(wanted, key=lambda one: one[1])]


def _runs(area: PlannedArea, outcomes: list[Outcome]) -> dict[str, SectionRun]:
    inputs = {section.plan.notebook: section.inputs for section in area.sections}
    return {
        (name := outcome.job.plan.notebook): SectionRun(
            outcome.job.staging, outcome.job.parameters, inputs[name], outcome.seconds, outcome.cause
        )
        for outcome in outcomes
    }


def _report(area: PlannedArea, outcomes: list[Outcome], formats: dict[str, str] | None = None) -> AreaReport:
    reused = [section for section in area.sections if not section.stale]
    return AreaReport(area.area_code, area.folder, outcomes, reused, formats or {})


@contextmanager
def _staged(areas: list[PlannedArea]) -> Iterator[dict[str, Path]]:
    """A folder beside each report for what its sections write, gone at the end."""
    stagings: dict[str, Path] = {}
    try:
        for area in areas:
            sweep(area.folder)
            stagings[area.area_code] = staging_folder(area.folder)
        yield stagings
    finally:
        for staging in stagings.values():
            shutil.rmtree(staging, ignore_errors=True)


def _needed(areas: list[PlannedArea]) -> list[tuple[PlannedArea, Planned]]:
    """The stale sections, each with the first area that needs it: one that several reports share is run once."""
    first: dict[Key, tuple[PlannedArea, Planned]] = {}
    for area in areas:
        for section in sorted(area.sections, key=lambda section: -section.seconds):
            if section.stale:
                first.setdefault((section.area_code, section.plan.notebook), (area, section))
    return list(first.values())


def _jobs(
    edition: Edition, needed: list[tuple[PlannedArea, Planned]], stagings: dict[str, Path], engine: str
) -> list[Job]:
    return [
        Job(
            plan=section.plan,
            area_code=section.area_code,
            notebook=section.notebook,
            parameters=section.parameters,
            processed=stagings[area.area_code] / section.plan.notebook / INPUTS,
            staging=stagings[area.area_code] / section.plan.notebook,
            cell_timeout_seconds=edition.cell_timeout_seconds,
            engine=engine,
        )
        for area, section in needed
    ]


def _keep_failures(folder: Path, outcomes: list[Outcome]) -> None:
    """Put the partial notebook and the cause of each failed section aside, and clear those that now succeed."""
    aside = failed_folder(folder)
    for outcome in outcomes:
        notebook = aside / f"{outcome.job.plan.notebook}.ipynb"
        cause = aside / f"{outcome.job.plan.notebook}.txt"
        for path in (notebook, cause):
            path.unlink(missing_ok=True)
        if outcome.succeeded:
            continue
        aside.mkdir(parents=True, exist_ok=True)
        cause.write_text(outcome.cause + "\n", encoding="utf-8")
        incomplete = outcome.job.staging / EXECUTED
        if incomplete.is_file():
            shutil.copyfile(incomplete, notebook)
