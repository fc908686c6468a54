"""How much memory there is for notebooks, and a gate that starts no more of them than fit."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

MEBIBYTE = 1 << 20
# What one notebook takes at its peak beside what is shared, measured with section 08: docs/performance.md.
KERNEL_BYTES = {"stock": 450 * MEBIBYTE, "warm": 200 * MEBIBYTE}
LOOK_SECONDS = 0.25
GROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Memory that can still be used: what the machine has free, or less where a container sets a limit."""
    free = psutil.virtual_memory().available
    limit, used = GROUP / "memory.max", GROUP / "memory.current"
    if limit.is_file() and used.is_file():
        text = limit.read_text(encoding="ascii").strip()
        if text.isdigit():
            free = min(free, int(text) - int(used.read_text(encoding="ascii")))
    return free


class Room:
    """A gate before each notebook: one may always run, a further one only while there is memory for it."""

    def __init__(self, engine: str) -> None:
        """Set up the gate for notebooks of an engine (stock or warm)."""
        self._need = KERNEL_BYTES[engine]
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()

    @contextmanager
    def for_one(self) -> Iterator[None]:
        """Wait for memory, then hold room for one notebook."""
        with self._changed:
            # Memory is freed by others too, so the gate looks again now and then.
            while self._running and not self._closed and available_bytes() < self._need:
                self._changed.wait(LOOK_SECONDS)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer, because the run is over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
