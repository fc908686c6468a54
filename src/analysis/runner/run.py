"""A whole report: plan the jobs, run them side by side, publish what is whole, say what is not."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from analysis import areas
from analysis.build import build_if_stale
from analysis.edition import Edition, SectionPlan, project_root
from analysis.errors import InputError
from analysis.publish.folder import explained, failed_folder, staging_folder, sweep
from analysis.publish.site import publish
from analysis.reconcile import Comparison, compare
from analysis.revisions import since_earlier
from analysis.runner.execute import EXECUTED, Job, Outcome, run, stop_all
from analysis.runner.parameters import checked_parameters


@dataclass(frozen=True)
class AreaReport:
    """The report of one area after a run."""

    area_code: str
    folder: Path
    outcomes: list[Outcome]

    @property
    def complete(self) -> bool:
        """Whether every section asked for succeeded."""
        return all(outcome.succeeded for outcome in self.outcomes)


def run_report(
    edition: Edition,
    area_codes: list[str],
    *,
    only: list[str],
    out: Path,
    raw: Path,
    processed: Path,
    workers: int,
    on_plan: Callable[[int], None] = lambda total: None,
    on_done: Callable[[Outcome], None] = lambda outcome: None,
) -> tuple[list[AreaReport], list[Comparison]]:
    """Build if needed and make the reports of the areas; each area's folder changes once, when its sections are done.

    Everything that can be wrong with the request is found before a notebook starts. A section that fails leaves the
    others done and its last good version in place.
    """
    plans = [edition.section(notebook) for notebook in only] if only else edition.sections
    prepared = {code: [(plan, *_prepared(edition, plan, code)) for plan in plans] for code in area_codes}
    build_if_stale(edition, raw, processed)
    comparisons = compare(edition, processed)
    since = since_earlier(edition, raw, processed)
    started = time.time()
    folders = {code: out / edition.name / areas.slug(code) for code in area_codes}
    stagings: dict[str, Path] = {}
    try:
        for code, folder in folders.items():
            sweep(folder)
            stagings[code] = staging_folder(folder)
        jobs = [
            Job(plan, code, notebook, given, processed, stagings[code] / plan.notebook, edition.cell_timeout_seconds)
            for code in area_codes
            for plan, notebook, given in prepared[code]
        ]
        on_plan(len(jobs))
        outcomes = sorted(_run_all(jobs, workers, on_done), key=lambda outcome: outcome.job.plan.notebook)
        reports = []
        for code, folder in folders.items():
            mine = [outcome for outcome in outcomes if outcome.job.area_code == code]
            with explained(folder.parent):
                _keep_failures(folder, mine)
            publish(edition, code, folder, mine, comparisons, processed, started, since)
            reports.append(AreaReport(code, folder, mine))
    finally:
        for staging in stagings.values():
            shutil.rmtree(staging, ignore_errors=True)
    return reports, comparisons


def _prepared(edition: Edition, plan: SectionPlan, code: str) -> tuple[Path, dict[str, object]]:
    notebook = project_root() / "notebooks" / f"{plan.notebook}.ipynb"
    if not notebook.is_file():
        raise InputError(f"editions/{edition.name}.yml names section {plan.notebook}, but notebooks/ has no such file")
    given = {"edition": edition.name, "area": areas.slug(code), **plan.parameters}
    return notebook, checked_parameters(notebook, given)


def _run_all(jobs: list[Job], workers: int, on_done: Callable[[Outcome], None]) -> list[Outcome]:
    # Threads suffice: each notebook runs in a kernel process of its own, and none changes the working folder.
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    futures = [pool.submit(run, job) for job in jobs]
    try:
        outcomes = []
        for future in as_completed(futures):
            outcomes.append(future.result())
            on_done(outcomes[-1])
        return outcomes
    except BaseException:
        # Ctrl-C: start nothing more and take the running kernels down, so that nothing writes after the clean-up.
        pool.shutdown(wait=False, cancel_futures=True)
        stop_all()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
        partial = outcome.job.staging / EXECUTED
        if partial.is_file():
            shutil.copyfile(partial, notebook)
