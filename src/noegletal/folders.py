"""Folders that readers look into: prepared aside and swapped in whole."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.errors import InputError

# Where JupyterLab puts a copy of every file that it opens, in whatever folder.
CHECKPOINTS = ".ipynb_checkpoints"
STAGING, NEW, OLD = "staging", "new", "old"


def staging_folder(folder: Path) -> Path:
    """A fresh folder beside `folder` for the outputs of running sections; its name says whose it is."""
    with explained(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.{os.getpid()}.{STAGING}.", dir=folder.parent))


def failed_folder(folder: Path) -> Path:
    """Where the partial notebooks of failed sections are kept, away from what a reader opens."""
    return folder.parent / "_fejl" / folder.name


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A copy of `folder` to change; it takes the folder's place when the block ends well, else it is thrown away."""
    with explained(folder.parent):
        new = folder.parent / f".{folder.name}.{os.getpid()}.{NEW}"
        old = folder.parent / f".{folder.name}.{os.getpid()}.{OLD}"
        try:
            if folder.is_dir():
                shutil.copytree(folder, new, ignore=shutil.ignore_patterns(CHECKPOINTS))
            else:
                new.mkdir(parents=True)
            yield new
            # Two renames: every file a reader can open is whole at every moment; `sweep` mends a stop between them.
            if folder.is_dir():
                folder.rename(old)
            new.rename(folder)
        except BaseException:
            if old.is_dir() and not folder.exists():
                old.rename(folder)
            raise
        finally:
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what a killed run left beside `folder`, and put the old folder back if it died between two renames."""
    if not folder.parent.is_dir():
        return
    for left in folder.parent.glob(f".{folder.name}.[0-9]*"):
        process = left.name.removeprefix(f".{folder.name}.").split(".")[0]
        if _alive(int(process)):
            continue
        if left.name.endswith(f".{OLD}") and not folder.exists():
            left.rename(folder)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the system says of a folder that cannot be written into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            f"cannot make the report in {folder}: {error.filename} is missing; the last good report is untouched"
        ) from error
    except OSError as error:
        # Copying a tree reports a list of (source, target, reason); the first reason says it.
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror or error
        raise InputError(f"cannot write to {folder}: {reason}; the last good report is untouched") from error
