"""The report in other forms than pages: each made from a published folder in a process of its own, side by side."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis.edition import Edition
from analysis.errors import InputError
from noegletal.publish.manifest import FORMATS

# The function that writes each form. Named and not imported: only the processes that write load what it needs.
WRITERS = {
    "pdf": ("noegletal.publish.pdf", "write_pdf"),
    "slides": ("noegletal.publish.slides", "write_slides"),
    "workbook": ("noegletal.publish.workbook", "write_workbook"),
}
Sections = dict[str, dict[str, Any]]
# Makes the forms in a folder from its sections and the key figures; says by form why one could not be made.
Press = Callable[[Path, Edition, str, Sections, Path], dict[str, str]]


@contextmanager
def press(formats: list[str]) -> Iterator[Press]:
    """What makes the forms asked for; its processes live until the end, so that each loads its library once."""
    if not formats:
        yield lambda *_: {}
        return
    # Not forked: this process has threads that talk to kernels.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(formats), mp_context=spawned, initializer=_end_with_parent) as pool:

        def make(folder: Path, edition: Edition, area_code: str, sections: Sections, processed: Path) -> dict[str, str]:
            arguments = (folder, edition, area_code, sections, processed)
            started = {name: pool.submit(_written, name, *arguments) for name in formats}
            return {name: future.result() for name, future in started.items()}

        yield make


def _end_with_parent() -> None:
    """Let this process go when the one that started it is gone; killed, it cannot say that nothing more will come."""

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _written(name: str, folder: Path, *arguments: object) -> str:
    """Write one form; why it could not be made, else nothing. A form that failed leaves the one that was there."""
    module, function = WRITERS[name]
    path = folder / FORMATS[name]
    earlier = path.with_name(f".{path.name}")
    if path.is_file():
        path.rename(earlier)
    try:
        getattr(import_module(module), function)(folder, *arguments)
    except Exception as error:
        # What goes wrong with one form must take neither the pages nor the other forms with it.
        path.unlink(missing_ok=True)
        if earlier.is_file():
            earlier.rename(path)
        return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    earlier.unlink(missing_ok=True)
    return ""
