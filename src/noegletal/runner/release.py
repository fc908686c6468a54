"""Releases: an edition frozen in a folder that no later run touches, and the proof that nobody else touched it either.

A release is `releases/<edition>-<number>/`: every report, the data package, what it was made from, `revideret.csv` (key
figures that are others than in the release before) and `indhold.json` with the checksum of every file. The checksum of
`indhold.json` itself goes to `data/released/releases.yml`, which git keeps: who edits a file and the list of contents
too is found by it.
"""

import datetime
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from analysis import areas
from analysis.declared import first_problem, read_declared
from analysis.edition import KEY_FIGURES, Edition, project_root, reference_folder
from analysis.errors import InputError
from noegletal.figures.freshness import whole_digest
from noegletal.folders import replaced, written
from noegletal.publish.manifest import FORMATS, PACKAGE, missing_outputs, read_manifest
from noegletal.review.reconcile import told_deviations
from noegletal.review.released import compared
from noegletal.review.revisions import differences
from noegletal.rules import few
from noegletal.runner.plan import plan_area, stale_build, stale_package, vintage_names

CONTENTS, REVISED = "indhold.json", "revideret.csv"
REPORTS, MADE_FROM = "rapporter", "grundlag"
LISTED = "releases.yml"


class Contents(BaseModel):
    """What a release says of itself; `files`: the checksum of each by its name below the folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    edition: str
    title: str
    price_level: int
    date: datetime.date
    code: str
    before: str
    provisional: str
    areas: list[str]
    revised: str
    files: dict[str, str]


class Listed(RootModel[dict[str, str]]):
    """The checksum of the list of contents of each release, by its name."""


@dataclass(frozen=True)
class Release:
    """A release that was made: where, how many files, whose reports, and in a sentence what was revised."""

    folder: Path
    files: int
    areas: list[str]
    provisional: str
    revised: str


@dataclass(frozen=True)
class Proof:
    """A release that is what it was."""

    name: str
    files: int
    date: datetime.date


def releases_folder() -> Path:
    """Where releases lie unless the caller says otherwise."""
    return project_root() / "releases"


def kept_releases(folder: Path) -> list[str]:
    """The names of the releases in a folder, the oldest first. Errors: one without its list of contents."""
    return sorted(_there(folder), key=lambda name: (_contents(folder / name).date, _number(name)))


def freeze(
    edition: Edition, area_codes: list[str], *, out: Path, raw: Path, processed: Path, releases: Path
) -> Release:
    """Freeze the reports of some areas, by default of all that have one, with all that they were made from.

    Errors, before anything is written: figures, reports or forms that are missing or stale, key figures that are others
    than those released, printed numbers that deviate undeclared, a release before that somebody has touched.
    """
    reports = _reports(edition, area_codes, out=out, raw=raw, processed=processed)
    kept = kept_releases(releases)
    before = kept[-1] if kept else ""
    if before:
        # What was revised is told against it.
        checked(before, releases)
    # A number is used once, also where the folder of a listed release is gone or lies on another machine.
    used = [_number(name) for name in (*kept, *_listed()) if name.rpartition("-")[0] == edition.name]
    folder = releases / f"{edition.name}-{max(used, default=0) + 1}"
    with replaced(folder) as new:
        for path in reports.values():
            _copied(path, new / REPORTS / path.name)
        _copied((out / edition.name / PACKAGE).parent, new / Path(PACKAGE).parent)
        _copy_made_from(edition, raw, new / MADE_FROM)
        revised = _revised(releases / before if before else None, new, edition.price_level)
        contents = Contents(
            edition=edition.name,
            title=edition.title,
            price_level=edition.price_level,
            date=datetime.date.today(),
            code=_commit(),
            before=before,
            provisional=edition.provisional,
            areas=[areas.name(code) for code in reports],
            revised=revised,
            files={name: whole_digest(new / name) for name in _names(new)},
        )
        (new / CONTENTS).write_text(contents.model_dump_json(indent=1) + "\n", encoding="utf-8")
        for name in _names(new):
            (new / name).chmod(0o444)
        listed = _listed() | {folder.name: whole_digest(new / CONTENTS)}
    written({project_root() / "data" / "released" / LISTED: yaml.safe_dump(listed, sort_keys=True)})
    return Release(folder, len(contents.files), contents.areas, contents.provisional, revised)


def checked(name: str, releases: Path) -> Proof:
    """Prove that a release, by default the newest, is what it was.

    Errors: a release that is not there; files that are others, missing or added; a list of contents that was edited.
    """
    there = _there(releases)
    if not there:
        raise InputError(f"{releases} holds no release: make one with `noegletal release`")
    if not name:
        name = kept_releases(releases)[-1]
        later = [one for one in _listed() if one.rpartition("-")[0] == name.rpartition("-")[0]]
        if gone := [one for one in later if _number(one) > _number(name)]:
            raise InputError(f"release {gone[-1]} is listed in data/released/{LISTED} and is not in {releases}")
    if name not in there:
        raise InputError(f"there is no release {name!r}; there are: {', '.join(there)}")
    folder = releases / name
    contents = _contents(folder)
    listed = _listed().get(name)
    if listed and listed != whole_digest(folder / CONTENTS):
        raise InputError(f"release {name} was touched: {CONTENTS} is not the one that data/released/{LISTED} lists")
    # A link is none of its files, whatever it leads to: what lies elsewhere can be changed elsewhere.
    now = {
        path: "" if (folder / path).is_symlink() else whole_digest(folder / path)
        for path in _names(folder)
        if path != CONTENTS
    }
    others = {
        "altered": [path for path in contents.files if path in now and now[path] != contents.files[path]],
        "missing": [path for path in contents.files if path not in now],
        "added": [path for path in now if path not in contents.files],
    }
    said = [f"{what}: {few(paths)}" for what, paths in others.items() if paths]
    if said:
        raise InputError(f"release {name} was touched; {'; '.join(said)}")
    if not listed:
        raise InputError(
            f"release {name} is not listed in data/released/{LISTED}: its files fit its own list, which anybody may "
            "have written; take the line back from git"
        )
    return Proof(name, len(contents.files), contents.date)


def _reports(edition: Edition, area_codes: list[str], *, out: Path, raw: Path, processed: Path) -> dict[str, Path]:
    """The folders of the reports to freeze, by area; errors as for `freeze`."""
    if build := stale_build(edition, raw, processed):
        raise InputError(f"the key figures are stale ({build}): run `noegletal report --edition {edition.name}`")
    if (found := compared(edition, raw, processed)) and len(found.figures):
        raise InputError(
            f"{len(found.figures):,} sums are others than those released (changed: "
            f"{', '.join(found.files) or 'the code'}): "
            f"see `noegletal digest --edition {edition.name}`, and take the change back or declare it with --reason"
        )
    there = {read_manifest(path).get("area_code", ""): path for path in sorted((out / edition.name).glob("*"))}
    codes = area_codes or [code for code in there if code]
    if not codes:
        raise InputError(f"no report of {edition.name} has been made: run `noegletal report --edition {edition.name}`")
    if stale_package(edition, out, processed):
        raise InputError(f"the data package is stale: run `noegletal report --edition {edition.name}`")
    folders = {}
    vintages = vintage_names(edition, raw)
    for code in codes:
        again = f"run `noegletal report --edition {edition.name} --area {areas.slug(code)}`"
        if code not in there:
            raise InputError(f"there is no report of {areas.name(code)}: {again}")
        area = plan_area(edition, code, only=[], out=out, processed=processed, vintages=vintages, formats=list(FORMATS))
        stale = [f"{section.plan.notebook} ({section.stale})" for section in area.sections if section.stale]
        if stale or area.stale:
            raise InputError(f"the report of {areas.name(code)} is not up to date, {few(stale) or area.stale}: {again}")
        if absent := missing_outputs(edition, area.folder):
            raise InputError(f"the report of {areas.name(code)} lacks {few(absent)}: {again} --force")
        if deviating := read_manifest(area.folder).get("deviating", []):
            raise InputError(told_deviations(deviating, edition.name))
        folders[code] = area.folder
    return folders


def _copied(old: Path, new: Path) -> None:
    """Copy a folder without JupyterLab's checkpoints: a link would change with the report."""
    shutil.copytree(old, new, ignore=shutil.ignore_patterns(".*"))


def _copy_made_from(edition: Edition, raw: Path, new: Path) -> None:
    """The edition file, the reference data and the sidecars of the raw files, whose checksums name the files."""
    shutil.copytree(reference_folder(), new / "reference", ignore=shutil.ignore_patterns(".*"))
    shutil.copy(project_root() / "editions" / f"{edition.name}.yml", new)
    (new / "raw").mkdir()
    for path in sorted(raw.glob("*.yml")):
        shutil.copy(path, new / "raw")


def _revised(before: Path | None, new: Path, price_level: int) -> str:
    """Write what differs from the key figures of the release before; says in a sentence what it is.

    Between two price levels every amount in fixed prices differs, so the sentence names both.
    """
    package = Path(PACKAGE).parent / KEY_FIGURES
    figures = pd.read_parquet(new / package)
    earlier = pd.read_parquet(before / package) if before else figures
    changes = differences(earlier, figures)
    changes.to_csv(new / REVISED, index=False, lineterminator="\n")
    if before is None:
        return "It is the first release: nothing to compare with"
    counts = ", ".join(f"{count:,} {kind}" for kind, count in changes["kind"].value_counts().items())
    then = _contents(before).price_level
    prices = f", which is in {then}-pl and not in {price_level}-pl" if then != price_level else ""
    return f"Since {before.name}{prices}: {counts or 'no key figure differs'} ({REVISED})"


def _commit() -> str:
    """The commit that the code is of, marked where it was changed; empty without git."""
    try:
        asked = ["git", "-C", str(project_root()), "describe", "--always", "--dirty", "--abbrev=40"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _names(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink()
    )


def _there(folder: Path) -> list[str]:
    """The folders that are releases by their names, also those that somebody has taken the list of contents from."""
    return sorted(path.name for path in folder.glob("[!.]*-*") if path.is_dir() and _number(path.name))


def _number(name: str) -> int:
    last = name.rpartition("-")[2]
    return int(last) if last.isdecimal() else 0


def _contents(folder: Path) -> Contents:
    path = folder / CONTENTS
    if not path.is_file():
        raise InputError(
            f"release {folder.name} was touched: {CONTENTS} is missing; take it from a copy, or move the folder away"
        )
    try:
        return Contents.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            f"release {folder.name} was touched: {CONTENTS} cannot be read ({first_problem(error)})"
        ) from error


def _listed() -> dict[str, str]:
    path = project_root() / "data" / "released" / LISTED
    return read_declared(path, Listed).root if path.is_file() else {}
