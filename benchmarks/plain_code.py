"""The lower bound: the code cells of the notebooks, in one process that has everything imported and without Jupyter."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import IPython.display
from watched import RunFailedError

from analysis import areas
from analysis.areas import subject
from analysis.edition import Edition, SectionPlan, project_root
from noegletal.figures.slices import Slices
from noegletal.publish.manifest import OUTPUT_FACTS, output_files
from noegletal.runner.parameters import checked_parameters

# Of `analysis.section`, which must not be imported before `timed` has taken its place for what is displayed.
PROCESSED_VARIABLE, PUBLISH_VARIABLE = "NOEGLETAL_PROCESSED", "NOEGLETAL_PUBLISH"


def timed(
    edition: Edition, area_codes: list[str], notebooks: list[str], processed: Path, work: Path
) -> list[dict[str, float]]:
    """Execute the notebooks for each area: `seconds` and `processor` of each, reading and writing of files included.

    A section that several areas share is executed once, as by the runner. Cutting the slices and looking whether every
    output is there are not in the figures. The first area runs once before the clock, so that everything is imported.
    Errors: `RunFailedError` for a notebook that does not do its work here.
    """
    shown: list[object] = []
    # Before `analysis.section` is imported, which takes it from there.
    IPython.display.display = lambda *objects, **_: shown.extend(objects)
    slices = Slices(edition, processed)
    plans = [edition.section(notebook) for notebook in notebooks]
    sources = {plan.notebook: _code(plan) for plan in plans}
    found = []
    runs = dict.fromkeys((plan.notebook, subject(edition, plan, code)) for code in area_codes for plan in plans)
    warming = [(plan.notebook, subject(edition, plan, area_codes[0])) for plan in plans]
    for measured, section in [*((False, section) for section in warming), *((True, section) for section in runs)]:
        plan, code = edition.section(section[0]), section[1]
        inputs, outputs = work / "inputs", work / "outputs"
        slices.write(plan, code, inputs)
        os.environ |= {PROCESSED_VARIABLE: str(inputs), PUBLISH_VARIABLE: str(outputs)}
        notebook = project_root() / "notebooks" / f"{plan.notebook}.ipynb"
        given = {"edition": edition.name, "area": areas.slug(code), **plan.parameters}
        took = _execute(sources[plan.notebook], checked_parameters(notebook, given))
        _require(plan, outputs, shown)
        shown.clear()
        shutil.rmtree(work)
        if measured:
            found.append(took)
    return found


def _code(plan: SectionPlan) -> list[tuple[str, bool]]:
    """The code cells of a notebook, and whether each is the one with the parameters."""
    text = (project_root() / "notebooks" / f"{plan.notebook}.ipynb").read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return [("".join(cell["source"]), "parameters" in cell["metadata"].get("tags", [])) for cell in cells]


def _execute(cells: list[tuple[str, bool]], parameters: dict[str, Any]) -> dict[str, float]:
    names: dict[str, Any] = {"__name__": "__main__"}
    started, used = time.perf_counter(), time.process_time()
    for position, (source, declares) in enumerate(cells):
        # The committed notebooks are the programs that are measured.
        exec(compile(source, f"cell {position}", "exec"), names)  # noqa: S102
        if declares:
            names |= parameters
    return {"seconds": time.perf_counter() - started, "processor": time.process_time() - used}


def _require(plan: SectionPlan, outputs: Path, shown: list[object]) -> None:
    if not shown:
        raise RunFailedError(f"{plan.notebook} showed nothing: what it displays is not collected")
    absent = missing(plan, outputs)
    if absent:
        raise RunFailedError(f"{plan.notebook} did not publish {absent[0]}")


def missing(plan: SectionPlan, outputs: Path) -> list[str]:
    """Files that a section should have published to a folder and did not."""
    absent = []
    for output in plan.outputs:
        described = outputs / OUTPUT_FACTS.format(output)
        facts = json.loads(described.read_text(encoding="utf-8")) if described.is_file() else {"output": output}
        absent += [name for name in output_files(facts) if not (outputs / name).is_file()]
    return absent
