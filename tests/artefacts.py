"""What many tests look at and none may change: made once, kept on disk, made again when what it is made from changed.

Workers share it, and so does the next run of the tests.
"""

import hashlib
import os
import platform
import shutil
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".pytest_cache" / "artefacts"
MADE_FROM = ("src", "editions", "notebooks", "data", "requirements.lock", "pyproject.toml")
MADE_BY = ("artefacts.py", "conftest.py", "kernel_runs.py", "small_edition.py", "small_projects.py")
# What runs leave beside what they are made from.
NO_SOURCE = {"__pycache__", ".ipynb_checkpoints", "processed", ".fetch"}
# Of each artefact, the one in use and the one of another branch.
KEPT = 2


def files_below(folder):
    """The files and links of a folder in their order, or the file that it is."""
    if folder.is_file():
        yield folder
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in NO_SOURCE or folder.is_relative_to(FOLDER))
        links = [name for name in folders if Path(here, name).is_symlink()]
        yield from (Path(here, name) for name in sorted([*names, *links]))


def checksum(folders, start):
    """One checksum of files by name and content; of a link, by where it leads."""
    whole = hashlib.sha256()
    for path in (path for folder in folders for path in files_below(folder)):
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        whole.update(f"{path.relative_to(start).as_posix()} {hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def made_from(root=ROOT):
    """The checksum of all that an artefact is made from: data, code, notebooks, settings, packages, programs."""
    packages = sorted(path.name for path in Path(pytest.__file__).parents[1].glob("*.dist-info"))
    programs = [shutil.which(name) for name in ("soffice", "chromium", "pdftotext")]
    settings = sorted(item for item in os.environ.items() if item[0].startswith("NOEGLETAL_"))
    files = checksum([*(root / name for name in MADE_FROM), *(root / "tests" / name for name in MADE_BY)], root)
    facts = [platform.python_version(), str(root), packages, programs, settings, files]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


# Before anything of the library is imported, so that no artefact of old code is taken for one of new.
KEY = made_from()


@cache
def kept(name, make):
    """The folder of an artefact; `make` fills it where it is not there, or not as it was made."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = FOLDER / f"{name}-{KEY}"
    with FileLock(FOLDER / f"{name}.lock"):
        if not untouched(folder):
            record_of(folder).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            assert made_from() == KEY, f"something that {name} is made from changed while the tests ran"
            record_of(folder).write_text(checksum([folder], folder), encoding="ascii")
            forget(name, folder)
    return folder


def record_of(folder):
    return folder.with_name(f"{folder.name}.sha256")


def untouched(folder):
    """Whether an artefact was made to its end and is what it was then."""
    record = record_of(folder)
    return record.is_file() and record.read_text(encoding="ascii") == checksum([folder], folder)


def forget(name, folder):
    """Remove artefacts made from what is no longer there, but for the latest."""
    records = sorted(FOLDER.glob(f"{name}-*.sha256"), key=lambda path: path.stat().st_mtime)
    for record in records[:-KEPT]:
        record.unlink()
        shutil.rmtree(record.with_suffix(""), ignore_errors=True)
