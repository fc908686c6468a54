"""What a published report says of itself: its sections, their outputs, and the files that a whole report has."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.edition import Edition

MANIFEST = "manifest.json"
# The pages of every report beside those of its sections, by file, as they are called in the navigation.
PAGE_TITLES = {
    "index.html": "Oversigt",
    "laesevejledning.html": "Sådan læser du rapporten",
    "kommuner.html": "Til kommunerne",
    "definitioner.html": "Definitioner",
    "afstemning.html": "Afstemning",
    "datakvalitet.html": "Datakvalitet",
    "aendringer.html": "Ændringer i data",
    "spor.html": "Kilde til tallene",
    "soeg.html": "Søg",
}
PAGES = tuple(PAGE_TITLES)
# What a report is made as beside its pages, by the name that a request gives it.
FORMATS = {"pdf": "rapport.pdf", "slides": "rapport.pptx", "workbook": "noegletal.xlsx"}
# Asked for with the formats, but made once for the edition: its key figures as a data package.
DATA = "data"
PACKAGE = "datapakke/datapackage.json"
TABLE_FILES = ("data/{}.csv", "data/{}.parquet")
FIGURE_FILES = ("figurer/{}.svg", "figurer/{}.png", *TABLE_FILES)
# The notebook of a section as it was run.
EXECUTED = "notebook.ipynb"
OUTPUT_FACTS = "facts/{}.json"


@dataclass(frozen=True)
class SectionRun:
    """What a run gave of a section: where its outputs lie, and why it failed (empty: it did not).

    `inputs`: checksums of what it depends on.
    """

    staging: Path
    parameters: dict[str, Any]
    inputs: dict[str, str]
    seconds: float
    cause: str = ""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a published report; nothing where there is no report."""
    path = folder / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def published_sections(folder: Path) -> dict[str, dict[str, Any]]:
    """The sections of a published report with their outputs, by notebook; none where there is no report."""
    return read_manifest(folder).get("sections", {})


def output_files(facts: dict[str, Any]) -> list[str]:
    """The files that a published output consists of; none when the page says why it was left out."""
    if facts.get("left_out"):
        return []
    name = facts["output"]
    return [file.format(name) for file in (FIGURE_FILES if name.startswith("figur") else TABLE_FILES)]


def section_files(notebook: str, declared: list[str], record: dict[str, Any]) -> list[str]:
    """The files of a section: its page and those of its outputs; an output that nothing is known of counts whole."""
    published = {facts["output"]: facts for facts in record.get("outputs", [])}
    outputs = [output_files(published.get(output, {"output": output})) for output in declared]
    return [f"{notebook}.html", f"notebooks/{notebook}.ipynb", *(file for files in outputs for file in files)]


def missing_outputs(edition: Edition, folder: Path) -> list[str]:
    """Files that a complete report of the edition has and this folder lacks.

    An output that its section left out, and said why, has no files; without a manifest every output is asked for.
    """
    sections = published_sections(folder)
    expected = [*PAGES, MANIFEST]
    for plan in edition.sections:
        expected += section_files(plan.notebook, plan.outputs, sections.get(plan.notebook, {}))
    return [name for name in expected if not (folder / name).is_file()]
