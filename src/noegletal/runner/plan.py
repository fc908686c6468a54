"""What a run has to do: every section of every area, what it depends on, and why it must be made again, if it must.

Loads neither pandas nor Jupyter, so that a run with nothing to do ends at once.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import areas
from analysis.areas import subject
from analysis.edition import Edition, SectionPlan, project_root
from analysis.errors import InputError
from noegletal.figures.freshness import (
    PAGE_CODE,
    Inputs,
    build_inputs,
    build_record,
    changed,
    code_digest,
    common_inputs,
    digest,
    folder_digest,
    package_version,
    section_inputs,
)
from noegletal.publish.manifest import DATA, FORMATS, MANIFEST, PACKAGE, PAGES, read_manifest, section_files
from noegletal.runner.parameters import NotebookError, checked_parameters
from noegletal.sources.vintages import kept_vintages, vintages_folder

NAMED = 4


@dataclass(frozen=True)
class Planned:
    """A section of a report: what runs it, what it depends on, and why it is stale (empty: it is not).

    `area_code`: what it is run for, the area of the report or the KKR that it lies in. `broken`: why its notebook
    cannot be run at all (empty: it can).
    """

    plan: SectionPlan
    area_code: str
    notebook: Path
    parameters: dict[str, Any]
    inputs: Inputs
    stale: str
    seconds: float
    broken: str = ""


@dataclass(frozen=True)
class PlannedArea:
    """The report of an area: its sections, and why its own pages are stale (empty: they are not)."""

    area_code: str
    folder: Path
    sections: list[Planned]
    pages: Inputs
    stale: str

    @property
    def idle(self) -> bool:
        """Whether nothing of the report has to be made."""
        return not self.stale and not any(section.stale for section in self.sections)


def stale_build(edition: Edition, raw: Path, processed: Path) -> str:
    """Why the key figures must be built again, in one line; empty when they are of these files and this code."""
    record = build_record(processed)
    if not record:
        return "never built"
    return _listed(changed(record.get("parts", {}), build_inputs(edition, raw)))


def require_runnable(edition: Edition, area_codes: list[str], only: list[str]) -> None:
    """Refuse a request that cannot be run, before anything is built: unknown sections, notebooks, parameters."""
    for plan in _chosen(edition, only):
        for code in area_codes:
            _prepared(edition, plan, subject(edition, plan, code))


def idle_folders(
    edition: Edition,
    area_codes: list[str],
    *,
    only: list[str],
    out: Path,
    raw: Path,
    processed: Path,
    formats: list[str],
) -> dict[str, Path]:
    """The report of each area by its code when nothing of any of them has to be made; else nothing."""
    if stale_build(edition, raw, processed) or (DATA in formats and stale_package(edition, out, processed)):
        return {}
    vintages = vintage_names(edition, raw)
    areas_of_run = []
    for code in area_codes:
        areas_of_run.append(
            plan_area(edition, code, only=only, out=out, processed=processed, vintages=vintages, formats=formats)
        )
        if not areas_of_run[-1].idle:
            return {}
    return {area.area_code: area.folder for area in areas_of_run}


def status_of(edition: Edition, area_codes: list[str], *, out: Path, raw: Path, processed: Path) -> dict[str, Any]:
    """What is stale and why: `build`, and by area `pages` and each section; an empty text is up to date.

    `edition`, `prices`: what the answer is of.
    `decisions`: those that are open, by id with what and who, for which the report says that it is provisional.
    Without area codes every area that has a report. While the build is stale nothing is known of the sections.
    Errors: an entry of indicators.yml that cannot be built.
    """
    there = (out / edition.name).glob(f"*/{MANIFEST}")
    codes = area_codes or sorted(read_manifest(path.parent)["area_code"] for path in there)
    build = stale_build(edition, raw, processed) if raw.is_dir() else f"{raw} is not there: `noegletal fetch` makes it"
    if build and raw.is_dir():
        # What the next build would refuse is said now; when nothing is stale, pandas need not be loaded for it.
        from noegletal.figures.kinds import indicators

        indicators()
    decisions = {name: decision.model_dump() for name, decision in edition.open_decisions.items()}
    found: dict[str, Any] = {"edition": edition.name, "prices": edition.price_level, "decisions": decisions}
    found |= {"build": build, "areas": {}}
    vintages = vintage_names(edition, raw)
    for code in [] if build else codes:
        area = plan_area(edition, code, only=[], out=out, processed=processed, vintages=vintages)
        found["areas"][areas.name(code)] = {
            "folder": str(area.folder),
            "sections": {section.plan.notebook: section.stale for section in area.sections},
            "pages": area.stale,
        }
    return found


def status_lines(found: dict[str, Any]) -> list[str]:
    """What `status_of` found, as lines to read."""
    lines = [f"Edition {found['edition']}, prices of {found['prices']}"]
    lines += ["The report says that it is provisional; not decided are"] if found["decisions"] else []
    lines += [f"  {name}: {decision['text']} ({decision['who']})" for name, decision in found["decisions"].items()]
    if found["build"]:
        stale = [f"Key figures: stale ({found['build']})", "Sections: known when the key figures are built again"]
        return [*lines, *stale]
    lines.append("Key figures: up to date")
    for name, area in found["areas"].items():
        stale = {section: why for section, why in area["sections"].items() if why}
        kept = len(area["sections"]) - len(stale)
        lines.append(f"{name}: {kept} of {len(area['sections'])} sections up to date: {area['folder']}")
        lines += [f"  {section}: {why}" for section, why in stale.items()]
        if area["pages"] and not stale:
            lines.append(f"  pages of the whole report: {area['pages']}")
    return lines if found["areas"] else [*lines, "No report of it has been made"]


def stale_package(edition: Edition, out: Path, processed: Path) -> bool:
    """Whether the data package of the edition is missing, or of another build or code."""
    path = out / edition.name / PACKAGE
    if not path.is_file():
        return True
    return json.loads(path.read_text(encoding="utf-8")).get("version") != package_version(edition, processed)


def vintage_names(edition: Edition, raw: Path) -> list[str]:
    """The names of the kept vintages that a report may be compared with."""
    return [path.name for path in kept_vintages(vintages_folder(edition.name, raw))]


def plan_area(
    edition: Edition,
    area_code: str,
    *,
    only: list[str],
    out: Path,
    processed: Path,
    vintages: list[str],
    formats: list[str] | None = None,
    force: bool = False,
) -> PlannedArea:
    """The sections of an area with what is stale of them; needs a build that is up to date.

    `only`: notebooks to look at, else all. `vintages`: names of the earlier vintages that a page compares with.
    `formats`: what must be there beside the pages; without it what was asked for last time.
    """
    folder = out / edition.name / areas.slug(area_code)
    # What the working group writes stands in the report of its own area alone.
    own = area_code == edition.home_area
    manifest = read_manifest(folder)
    published = manifest.get("sections", {})
    common = common_inputs(edition)
    sections = []
    for plan in _chosen(edition, only):
        about = subject(edition, plan, area_code)
        notebook, parameters, broken = _prepared(edition, plan, about)
        inputs = section_inputs(edition, plan, about, parameters, processed, common)
        record = published.get(plan.notebook, {})
        stale = broken or ("asked for with --force" if force else _why(plan, record, inputs, folder))
        seconds = float(record.get("seconds", 0.0))
        sections.append(Planned(plan, about, notebook, parameters, inputs, stale, seconds, broken))
    # A section that was never made has no inputs, and stands in the manifest all the same.
    of_all = {name: record["inputs"] for name, record in published.items() if record.get("inputs")}
    of_all |= {section.plan.notebook: section.inputs for section in sections}
    pages = {
        "build": build_record(processed)["inputs"],
        "edition": digest([edition.model_dump(mode="json"), edition.provisional]),
        "library": code_digest(PAGE_CODE),
        "versions": common["versions"],
        "vintages": digest(vintages),
        "commentary": folder_digest(project_root() / "commentary", ("*/*.md",)) if own else "",
        "sections": digest(of_all),
    }
    wanted = manifest.get("formats", {}) if formats is None else formats
    files = [*PAGES, MANIFEST, *(file for name, file in FORMATS.items() if name in wanted)]
    absent = [name for name in files if not (folder / name).is_file()]
    stale = "never made" if not manifest else _missing(absent) or _unmade(manifest, wanted)
    stale = stale or _listed(changed(manifest.get("pages", {}), pages))
    return PlannedArea(area_code, folder, sections, pages, stale)


def _chosen(edition: Edition, only: list[str]) -> list[SectionPlan]:
    return [edition.section(notebook) for notebook in only] if only else edition.sections


def _prepared(edition: Edition, plan: SectionPlan, area_code: str) -> tuple[Path, dict[str, Any], str]:
    """The notebook of a section, its parameters, and why it cannot be run at all, which is no trouble of the others."""
    notebook = project_root() / "notebooks" / f"{plan.notebook}.ipynb"
    if not notebook.exists():
        raise InputError(f"editions/{edition.name}.yml names section {plan.notebook}, but notebooks/ has no such file")
    given = {"edition": edition.name, "area": areas.slug(area_code), **plan.parameters}
    try:
        return notebook, checked_parameters(notebook, given), ""
    except NotebookError as error:
        return notebook, given, str(error)


def _why(plan: SectionPlan, record: dict[str, Any], inputs: Inputs, folder: Path) -> str:
    if not record.get("made"):
        return f"failed last time: {record['failed']}" if record.get("failed") else "never made"
    if record.get("failed"):
        return f"failed last time: {record['failed']}"
    files = record.get("files", {})
    wanted = section_files(plan.notebook, plan.outputs, record)
    # By size: to read every figure of every report would take longer than a run with nothing to do may take.
    spoiled = [name for name in wanted if name not in files or _size(folder / name) != files[name]]
    return _listed(changed(record.get("inputs", {}), inputs)) or _missing(spoiled)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _listed(names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"changed: {', '.join(names[:NAMED])}{more}"


def _unmade(manifest: dict[str, Any], wanted: Iterable[str]) -> str:
    """Which forms that are wanted are there from an earlier run: not asked for in the last one, or failed in it."""
    older = {name for name, form in manifest.get("forms", {}).items() if form["older"]}
    failed = {name for name, cause in manifest.get("formats", {}).items() if cause}
    names = [file for name, file in FORMATS.items() if name in wanted and name in older | failed]
    return f"from an earlier run: {', '.join(names)}" if names else ""


def _missing(names: list[str]) -> str:
    return f"missing or altered: {', '.join(names[:NAMED])}" if names else ""
