"""The raw folders of an edition over time: a table of one replaced in one step, and kept before that as a vintage.

A vintage is `<vintages>/<YYYY-MM-DD>[-n]/`: a copy of every file of the raw folder, named by the newest retrieval date
among them, so that it can be read and built like any raw folder. Copies, not links: a raw file that is rewritten in
place later must not change a vintage.
"""

import datetime
import filecmp
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from analysis.edition import project_root, raw_folder
from analysis.errors import InputError
from noegletal.folders import explained, held, keep, replaced
from noegletal.sources.sidecar import ENDING, SUFFIXES, Sidecar

KEPT_NAME = re.compile(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:-([0-9]+))?$")
WORK = ".fetch"


def vintages_folder(edition: str, raw: Path | None = None) -> Path:
    """Where the earlier raw folders of an edition are kept: beside `raw` when that is not the edition's own."""
    if raw is None or raw.resolve() == raw_folder(edition).resolve():
        return project_root() / "data" / "vintages" / edition
    return raw.parent / "vintages" / edition


def kept_vintages(folder: Path) -> list[Path]:
    """The vintages in a folder, oldest first; anything else there is passed over."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir() and KEPT_NAME.match(path.name)), key=_age)


def _age(path: Path) -> tuple[str, int]:
    day, number = KEPT_NAME.match(path.name).groups()
    return day, int(number or 1)


def keep_vintage(raw: Path, vintages: Path) -> Path | None:
    """Copy a raw folder into the vintages; a folder without raw tables is none. Returns where it is.

    A vintage that is already there with the same content is used again.
    """
    files = _visible(raw)
    if not any(path.name.endswith(SUFFIXES) for path in files):
        return None
    day = _newest_retrieval(files)
    for name in (day if number == 1 else f"{day}-{number}" for number in count(1)):
        target = vintages / name
        if not target.exists():
            break
        if _same(target, files):
            return target
    with replaced(target) as new:
        for path in files:
            shutil.copy2(path, new / path.name)
        shutil.copymode(raw, new)
    return target


def _newest_retrieval(files: list[Path]) -> str:
    days = []
    for path in files:
        # A sidecar that is not sound is kept like the rest; it only cannot name the vintage.
        if path.suffix == ENDING:
            with suppress(InputError):
                days.append(Sidecar.read(path).day)
    return max(days, default=datetime.date.today().isoformat())


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _same(folder: Path, files: list[Path]) -> bool:
    if not folder.is_dir() or [path.name for path in _visible(folder)] != [path.name for path in files]:
        return False
    return all(filecmp.cmp(folder / path.name, path, shallow=False) for path in files)


# Tables replaced


@contextmanager
def changing(raw: Path) -> Iterator[None]:
    """Hold a raw folder for one process, made when absent; without a file in the end it is gone again.

    Errors: another process holds it, or it cannot be written to.
    """
    with held(raw, wait=False):
        made = not raw.exists()
        with explained(raw):
            raw.mkdir(exist_ok=True)
        try:
            yield
        finally:
            _remove_empty(raw if made else raw / WORK)


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it that hold no file."""
    for inside in sorted([folder, *folder.rglob("*")], reverse=True):
        if inside.is_dir() and not any(inside.iterdir()):
            inside.rmdir()


def work_folder(raw: Path, table: str) -> Path:
    """Where a table is made ready: inside the raw folder, on the same disk, and unseen by its readers."""
    return raw / WORK / table


def table_files(raw: Path, table: str) -> list[Path]:
    """Every file of a table: data and sidecars of all its parts, whether they are sound or not."""
    return sorted(path for path in raw.glob(f"{table}.*") if path.is_file() and path.name.endswith((*SUFFIXES, ENDING)))


def replace_table(raw: Path, table: str, staged: Path) -> None:
    """Put the staged data and sidecar in place of every file of the table, in one step; its work folder goes with it.

    Errors: a file system that refuses; the raw folder is then as before.
    """
    gone = {path.name for path in table_files(raw, table)}
    with replaced(raw) as new:
        for path in list(staged.iterdir()):
            _flush(path)
            path.rename(new / path.name)
        keep(raw, new, lambda name: name not in gone and not name.startswith(f"{WORK}/{table}/"))


def _flush(path: Path) -> None:
    """Bytes on the disk before a name points at them."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
