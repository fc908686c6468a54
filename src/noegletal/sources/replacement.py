"""A table of a raw folder replaced in one step, and the folder as it was kept as a vintage.

A vintage is `<vintages>/<YYYY-MM-DD>[-n]/`: a copy of every file of the raw folder, named by the newest retrieval date
among them, so that it can be read and built like any raw folder. Copies, not links: a raw file that is rewritten in
place later must not change a vintage.

The files of a table cannot all be renamed at once. The order makes every state in between one that
`sources.snapshot` refuses: the sidecar goes first and comes back last, so data without a sidecar stands there in the
meantime. A journal in the work folder says what was begun; `recover` finishes it.
"""

import datetime
import fcntl
import filecmp
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import yaml

from analysis.errors import InputError
from noegletal.sources.snapshot import SUFFIXES

WORK = ".fetch"
JOURNAL = "replace.json"
NEW = ".new-"


def work_folder(raw: Path, table: str) -> Path:
    """Where a table is made ready: inside the raw folder, so that a rename is enough, and unseen by its readers."""
    return raw / WORK / table


@contextmanager
def held(raw: Path) -> Iterator[None]:
    """Hold a raw folder for one process, made when absent; what an earlier one began is finished first.

    Errors: another process holds it, or it cannot be written to.
    """
    made = not raw.exists()
    try:
        raw.mkdir(parents=True, exist_ok=True)
        folder = os.open(raw, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot write to {raw}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"another command is changing {raw}; wait for it to end") from error
        recover(raw)
        yield
    finally:
        _remove_empty(raw if made else raw / WORK)
        os.close(folder)


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it that hold no file."""
    for inside in sorted([folder, *folder.rglob("*")], reverse=True):
        if inside.is_dir() and not any(inside.iterdir()):
            inside.rmdir()


def table_files(raw: Path, table: str) -> list[Path]:
    """Every file of a table: data and sidecars of all its parts, whether they are sound or not."""
    endings = (*SUFFIXES, ".yml")
    return sorted(path for path in raw.glob(f"{table}.*") if path.is_file() and path.name.endswith(endings))


def replace_table(raw: Path, table: str, staged: Path, suffix: str = ".csv.gz") -> None:
    """Put the staged `<TABLE>.csv.gz` (or `suffix`) and `<TABLE>.yml` in place of every file of the table.

    Errors: a file system that refuses; the table is then either as before, or refused by its readers until `recover`.
    """
    data, sidecar = staged / f"{table}{suffix}", staged / f"{table}.yml"
    for path in (data, sidecar):
        _flush(path)
    journal = work_folder(raw, table) / JOURNAL
    others = [path.name for path in table_files(raw, table) if path.name not in (data.name, sidecar.name)]
    draft = journal.with_name(f"{JOURNAL}.draft")
    draft.write_text(
        json.dumps({"data": data.name, "sidecar": sidecar.name, "staged": staged.name, "remove": others}),
        encoding="utf-8",
    )
    _flush(draft)
    draft.replace(journal)
    try:
        _finish(raw, journal)
    except KeyboardInterrupt:
        # Half way is the one place where stopping would cost the reader the table.
        _finish(raw, journal)
        raise
    except OSError as error:
        raise InputError(
            f"{table} could not be replaced in {raw}: {error.strerror or error}; its readers refuse it until it is: "
            "mend the folder and run the command again, which finishes the replacement"
        ) from error


def recover(raw: Path) -> list[str]:
    """Finish the replacements that a stopped process began; returns the tables."""
    tables = []
    for journal in sorted((raw / WORK).glob(f"*/{JOURNAL}")):
        try:
            _finish(raw, journal)
        except OSError as error:
            raise InputError(f"cannot finish replacing {journal.parent.name} in {raw}: {error}") from error
        tables.append(journal.parent.name)
    return tables


def _finish(raw: Path, journal: Path) -> None:
    """Carry out a journal from wherever it stopped; doing it twice does no harm."""
    if not journal.is_file():
        return
    begun = json.loads(journal.read_text(encoding="utf-8"))
    staged = journal.parent / begun["staged"]
    data, sidecar = begun["data"], begun["sidecar"]
    if (staged / sidecar).is_file():
        (raw / sidecar).unlink(missing_ok=True)
        if (staged / data).is_file():
            (staged / data).replace(raw / data)
        for name in begun["remove"]:
            (raw / name).unlink(missing_ok=True)
        (staged / sidecar).replace(raw / sidecar)
    journal.unlink()


def keep_vintage(raw: Path, vintages: Path) -> Path | None:
    """Copy a raw folder into the vintages; a folder without raw tables is none. Returns where it is.

    A vintage that is already there with the same content is used again.
    """
    files = _visible(raw)
    if not any(path.name.endswith(SUFFIXES) for path in files):
        return None
    vintages.mkdir(parents=True, exist_ok=True)
    for left in vintages.glob(f"{NEW}*"):
        shutil.rmtree(left, ignore_errors=True)
    day = _newest_retrieval(files)
    names = (day if number == 1 else f"{day}-{number}" for number in count(1))
    for name in names:
        target = vintages / name
        if not target.exists():
            break
        if _same(target, files):
            return target
    staging = Path(tempfile.mkdtemp(prefix=NEW, dir=vintages))
    for path in files:
        shutil.copy2(path, staging / path.name)
    staging.chmod(raw.stat().st_mode)
    staging.rename(target)
    return target


def _newest_retrieval(files: list[Path]) -> str:
    days = []
    for path in files:
        if path.suffix == ".yml":
            try:
                days.append(datetime.date.fromisoformat(str(yaml.safe_load(path.read_bytes())["retrieved"])[:10]))
            except (yaml.YAMLError, TypeError, KeyError, ValueError):
                # A sidecar that is not sound is kept like the rest; it only cannot name the vintage.
                continue
    return max(days, default=datetime.date.today()).isoformat()


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _same(folder: Path, files: list[Path]) -> bool:
    if not folder.is_dir() or [path.name for path in _visible(folder)] != [path.name for path in files]:
        return False
    return all(filecmp.cmp(folder / path.name, path, shallow=False) for path in files)


def _flush(path: Path) -> None:
    """Bytes on the disk before a name points at them."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
