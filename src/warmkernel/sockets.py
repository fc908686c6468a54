"""A private folder for the sockets of one kernel, and the sweeping of those that killed runs left."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from traitlets.config import Config

PREFIX = "warmkernel-"
# The longest path that a Unix socket can have where it is shortest (macOS), less its name in the folder.
LONGEST_FOLDER = 103 - len("/k-5")


@contextmanager
def kernel_transport() -> Iterator[Config]:
    """Where a kernel talks: Unix sockets in a folder only this user can open; on Windows what jupyter_client chooses.

    TCP ports are chosen before they are bound, so that two kernels may clash, and any user of the machine can connect.
    """
    if sys.platform == "win32":
        yield Config()
        return
    with _locked_folder() as folder:
        yield Config(
            {"KernelManager": {"transport": "ipc", "ip": f"{folder}/k", "connection_file": f"{folder}/kernel.json"}}
        )


@contextmanager
def _locked_folder() -> Iterator[Path]:
    parent = _parent()
    _sweep(parent)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        # Another process may take it for litter in the moment before it is locked.
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            lock = _lock(folder)
            if folder.is_dir():
                break
            os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _parent() -> Path:
    """The folder for temporary files, or /tmp where its name is too long for a socket in it."""
    usual = Path(tempfile.gettempdir())
    longest = LONGEST_FOLDER - len(f"/{PREFIX}") - 8
    return usual if len(os.fsencode(usual)) <= longest else Path("/tmp")  # noqa: S108


@cache
def _sweep(parent: Path) -> None:
    """Remove, once a process, the folders whose process is gone: the system drops its lock, however it ended."""
    for folder in parent.glob(f"{PREFIX}*"):
        # What is locked is in use; what cannot be opened belongs to somebody else.
        with contextlib.suppress(OSError):
            lock = _lock(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int:
    """An open descriptor that holds the lock of the folder. Errors: BlockingIOError when another process holds it."""
    # Not on Windows, where this module is imported too.
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
