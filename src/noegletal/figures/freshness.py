"""What a build and each section depend on, as checksums by name, and which of them are others than last time.

Loads neither pandas nor Jupyter: a report with nothing to do, and `noegletal status`, answer from here alone.
"""

import hashlib
import json
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

from analysis import areas
from analysis.declared import plain, text_of
from analysis.edition import Edition, Scope, SectionPlan, project_root, reference_folder
from analysis.errors import InputError
from noegletal.folders import CHECKPOINTS

RECORD = "build.json"
SLICES = "slices.json"
LOCK = "requirements.lock"
SOURCE = Path(__file__).parents[2]
# The code whose change can change facts and key figures; what a notebook shows; the pages and files of a report.
BUILD_CODE = (
    "analysis/*.py",
    "noegletal/rules.py",
    "noegletal/account_rules.py",
    *(f"noegletal/{room}/*.py" for room in ("sources", "facts", "figures")),
)
SECTION_CODE = ("analysis/**/*.py", "analysis/**/*.mplstyle", "analysis/**/*.j2")
PAGE_CODE = (
    *SECTION_CODE,
    "noegletal/commentary.py",
    "noegletal/review/*.py",
    "noegletal/publish/**/*.py",
    "noegletal/publish/templates/**/*",
)
# What of an edition says how to run and changes no figure; a section's own plan counts with that section.
# Decisions stand on the pages of a report and in its forms.
HOW_TO_RUN = {"sections", "cell_timeout_seconds", "decisions"}
DECISIONS, DEFINITIONS = "decisions.yml", "indicators.yml"
# What of the reference data counts with what a section reads: corrections change key figures, and those are looked at
# one by one; of the definitions each section has those of its key figures.
ONE_BY_ONE = ("corrections.yml", DEFINITIONS, DECISIONS)

Inputs = dict[str, str]


def build_inputs(edition: Edition, raw: Path) -> Inputs:
    """Checksums of what key figures are made from: the edition, raw files and sidecars, reference data, code."""
    if not raw.is_dir():
        raise InputError(f"raw folder {raw} does not exist: give --raw or run `noegletal fetch`", rule="FIL-01")
    files = sorted(path for path in raw.iterdir() if path.is_file() and not path.name.startswith("."))
    return {
        "edition": digest(edition.model_dump(mode="json", exclude=HOW_TO_RUN | {"printed"})),
        **{f"raw/{path.name}": file_digest(path) for path in files},
        "reference": folder_digest(reference_folder(), ("*.*", "forms/*"), without=(DECISIONS,)),
        "code": code_digest(BUILD_CODE),
    }


def build_record(processed: Path) -> dict[str, Any]:
    """What the key figures in a folder were built from: `raw`, `inputs` (one checksum) and its `parts`; or nothing."""
    path = processed / RECORD
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def package_version(edition: Edition, processed: Path) -> str:
    """What the data package of a build is called: one of other figures, open decisions or code is called otherwise."""
    return digest([build_record(processed).get("inputs"), edition.provisional, code_digest(PAGE_CODE)])


def common_inputs(edition: Edition) -> Inputs:
    """Checksums of what every section depends on: the edition, reference data, the library, the locked packages."""
    # A deviation that is declared changes a page and no section.
    without = dict.fromkeys(HOW_TO_RUN, True) | {"printed": {"deviations"}}
    return {
        "edition": digest(edition.model_dump(mode="json", exclude=without)),
        "reference": folder_digest(reference_folder(), ("*.*", "forms/*"), without=ONE_BY_ONE),
        "library": code_digest(SECTION_CODE),
        "versions": versions_digest(),
    }


def section_inputs(
    edition: Edition, plan: SectionPlan, area_code: str, parameters: Any, processed: Path, common: Inputs
) -> Inputs:
    """Checksums of what the outputs of a section depend on: what is common, its notebook, parameters, what it reads.

    Only the key figures it declares count, and of those only the areas it declares; errors name what the build lacks.
    """
    there = _slices(processed / SLICES, (processed / SLICES).stat().st_mtime_ns)
    inputs = {
        "notebook": notebook_digest(project_root() / "notebooks" / f"{plan.notebook}.ipynb"),
        "parameters": digest(parameters),
        "section": digest(plan.model_dump(mode="json", exclude={"reads"})),
        **common,
    }
    for indicator, scopes in plan.reads.indicators.items():
        rows = there["key_figures"].get(indicator, {})
        wanted = areas_within(edition, area_code, scopes)
        inputs[f"key figures/{indicator}"] = digest({code: rows[code] for code in wanted if code in rows})
        for table in there["sources_of"].get(indicator, []):
            inputs[f"source/{table}"] = there["sources"].get(table, "")
    for name in plan.reads.facts:
        if name not in there["facts"]:
            raise InputError(f"{plan.notebook} reads facts/{name}, which the build does not make; see editions/")
        inputs[f"facts/{name}"] = there["facts"][name]
    for record in plan.reads.records:
        inputs[record] = there["records"][record]
    inputs["definitions"] = _definitions(tuple(plan.reads.indicators))
    return inputs


def _definitions(names: tuple[str, ...]) -> str:
    """The checksum of what indicators.yml says of some key figures, and of all that it says of no single one."""
    path = reference_folder() / DEFINITIONS
    declared = _declared(path, path.stat().st_mtime_ns)
    return digest([[declared["indicators"].get(name) for name in names], declared | {"indicators": {}}])


def areas_within(edition: Edition, area_code: str, scopes: list[Scope]) -> list[str]:
    """The area itself and those that the scopes of a section add, each once and in a fixed order."""
    own_kkr = areas.deciding_kkr(edition, area_code)
    added = {
        "compared": [*areas.compared_areas(edition, area_code), *areas.compared_regions(edition, area_code)],
        "peers": areas.peers(edition, area_code),
        "kkr": [own_kkr, *areas.members(own_kkr)],
        "regions": list(areas.regions()),
        "municipalities": list(areas.municipalities()),
    }
    return list(dict.fromkeys([area_code, *(code for scope in scopes for code in added[scope])]))


def changed(before: Inputs, after: Inputs) -> list[str]:
    """The names of what is new, gone or other than before."""
    return [name for name in dict.fromkeys([*after, *before]) if before.get(name) != after.get(name)]


def digest(facts: Any) -> str:
    """A short checksum of plain data."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


@lru_cache(maxsize=4)
def _declared(path: Path, _changed: int) -> dict[str, Any]:
    return plain(text_of(path))


@lru_cache(maxsize=4)
def _slices(path: Path, _changed: int) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def file_digest(path: Path) -> str:
    """The short checksum of a file; of one that is not there or cannot be read, an empty text."""
    try:
        return whole_digest(path)[:16] if path.is_file() else ""
    except OSError:
        return ""


def whole_digest(path: Path) -> str:
    """The whole checksum of a file, as `sha256sum` prints it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def notebook_digest(path: Path) -> str:
    """The checksum of what a notebook does: its cells in order, each with type, source, attachments and tags.

    Outputs, execution counts and all other metadata are what a run or an editor leaves in it. What cannot be read as a
    notebook counts as the bytes it is.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return digest(
            [
                [
                    cell["cell_type"],
                    "".join(cell["source"]),
                    cell.get("attachments", {}),
                    cell["metadata"].get("tags", []),
                ]
                for cell in cells
            ]
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return file_digest(path)


def folder_digest(folder: Path, patterns: tuple[str, ...], without: tuple[str, ...] = ()) -> str:
    """One checksum of the files of a folder that fit the patterns, by name and content, without checkpoints."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    paths = sorted(path for path in found if path.name not in without and CHECKPOINTS not in path.parts)
    return digest([(path.relative_to(folder).as_posix(), file_digest(path)) for path in paths])


@lru_cache
def code_digest(patterns: tuple[str, ...] = ("**/*.py",)) -> str:
    """The checksum of our own code, or of the part of it that fits the patterns, as this process has loaded it."""
    return folder_digest(SOURCE, patterns)


def versions_digest() -> str:
    """The checksum of the Python version and of the locked packages."""
    return _versions(project_root() / LOCK)


@lru_cache
def _versions(lock: Path) -> str:
    return digest([platform.python_version(), file_digest(lock)])
