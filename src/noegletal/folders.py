"""ONE way to change a folder that others look into: made aside, swapped in whole, held meanwhile.

Beside `<folder>` a change has `.<folder>.new`, and for the moment between two renames `.<folder>.old`; `.<folder>.lock`
keeps every other process out and is gone with the change. What a killed process leaves is mended by the next that holds
the folder. A new folder starts empty: what was there before comes in by `keep` alone, as hard links that nobody writes
to, so that a change that fails cannot have touched the folder that is there.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from analysis.errors import InputError

# Where JupyterLab puts a copy of every file that it opens, in whatever folder.
CHECKPOINTS = ".ipynb_checkpoints"
STAGING, NEW, OLD, LOCK = "staging", "new", "old", "lock"


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` in one step when the block ends well, else is thrown away."""
    folder = folder.resolve()
    with explained(folder), held(folder):
        new = _beside(folder, NEW)
        try:
            new.mkdir()
            if folder.is_dir():
                shutil.copymode(folder, new)
            yield new
            # Two renames: every file a reader can open is whole at every moment; `_mend` sees to a stop between them.
            if folder.is_dir():
                folder.rename(_beside(folder, OLD))
            new.rename(folder)
        finally:
            _mend(folder)


def keep(old: Path, new: Path, stays: Callable[[str], bool] = lambda name: True) -> None:
    """Bring into `new` the files of `old` that stay, by their names below it, but for those made anew already.

    They are hard links: whoever changes one later changes `old` too, so what is to be changed must not stay. Copies
    where the file system has no links. JupyterLab's checkpoints never stay.
    """

    def left_out(place: str, names: list[str]) -> set[str]:
        below = Path(place).relative_to(old)
        files = [name for name in names if not (old / below / name).is_dir()]
        gone = {name for name in files if (new / below / name).exists() or not stays((below / name).as_posix())}
        return gone | {CHECKPOINTS}

    if old.is_dir():
        shutil.copytree(old, new, symlinks=True, ignore=left_out, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def held(folder: Path, wait: bool = True) -> Iterator[None]:
    """Keep other processes from changing a folder, there or not; what a killed one left of it is mended first.

    Errors: another process holds it and we do not `wait`; the folder that it stands in cannot be written to.
    """
    # Takes longer to load than many commands take.
    from filelock import FileLock, Timeout

    folder = folder.resolve()
    # One lock for the whole process: what is held already may be held again.
    lock = FileLock(_beside(folder, LOCK), is_singleton=True)
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            raise InputError(f"another command is changing {folder}; wait for it to end") from error
    outermost = lock.lock_counter == 1
    try:
        if outermost:
            _mend(folder)
        yield
    finally:
        if outermost:
            # While it is still held: who waits for it sees that the file is gone, and makes a new one.
            with suppress(OSError):
                Path(lock.lock_file).unlink()
        lock.release()


def recover(folder: Path) -> None:
    """Mend a folder that a killed process was changing; waits for one that lives."""
    if any(_beside(folder.resolve(), kind).is_dir() for kind in (NEW, OLD)):
        with held(folder):
            pass


def _mend(folder: Path) -> None:
    """Finish a change that stopped between its two renames, and clear what is left of it."""
    new, old = _beside(folder, NEW), _beside(folder, OLD)
    if old.is_dir() and not folder.exists():
        try:
            new.rename(folder)
        except OSError:
            old.rename(folder)
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)


def written(texts: Mapping[Path, str]) -> None:
    """Write files that others read: all of them whole beside those that are there, before the first takes its place.

    Errors: one that cannot be written; then none is changed.
    """
    beside = {path: _beside(path, NEW) for path in texts}
    try:
        for path, text in texts.items():
            with explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                beside[path].write_text(text, encoding="utf-8")
        for path in texts:
            with explained(path):
                beside[path].replace(path)
    finally:
        for left in beside.values():
            with suppress(OSError):
                left.unlink()


def _beside(folder: Path, kind: str) -> Path:
    return folder.parent / f".{folder.name}.{kind}"


def staging_folder(folder: Path) -> Path:
    """A fresh folder beside `folder` for the outputs of running sections; its name says whose it is."""
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.{os.getpid()}.{STAGING}.", dir=folder.parent))


def sweep(folder: Path) -> None:
    """Mend `folder`, and remove what sections of killed runs left beside it."""
    import psutil

    recover(folder)
    for left in folder.parent.glob(f".{folder.name}.[0-9]*.{STAGING}.*"):
        process = int(left.name.removeprefix(f".{folder.name}.").split(".")[0])
        if process == os.getpid() or not psutil.pid_exists(process):
            shutil.rmtree(left, ignore_errors=True)


def failed_folder(folder: Path) -> Path:
    """Where the partial notebooks of failed sections are kept, away from what a reader opens."""
    return folder.parent / "_fejl" / folder.name


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the system says of a folder that cannot be written into one sentence."""
    untouched = "what was there before is untouched"
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"cannot make {folder}: {error.filename} is missing; {untouched}") from error
    except OSError as error:
        # Copying a tree reports a list of (source, target, reason); the first reason says it.
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror or error
        raise InputError(f"cannot write to {folder}: {reason}; {untouched}") from error
