"""A command run to its end: the time, the processor time and the memory that it took with everything it started."""

import contextlib
import resource
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

# Often enough to meet the peaks of a run of minutes; more often, the looking would slow down what is looked at.
LOOK_SECONDS = 2.0
# Pages that forked kernels share are counted once where the system says which they are (Linux).
MEASURE = "PSS" if psutil.LINUX else "RSS"


class RunFailedError(Exception):
    """A command ended with an error, or without what it should have made."""


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, processor seconds, bytes at the peak; and processor seconds spent on looking."""

    seconds: float
    processor: float
    peak: int
    looking: float


def run(command: list[str], environment: dict[str, str], folder: Path, log: Path) -> Cost:
    """Run a command in a folder, its output kept in `log`. Errors: `RunFailedError` with the command and the log."""
    ended, seen = threading.Event(), _Seen()
    with log.open("wb") as output:
        before, started = _used(), time.perf_counter()
        with subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            looker = threading.Thread(target=seen.look, args=(process.pid, ended))
            looker.start()
            try:
                code = process.wait()
                seconds = time.perf_counter() - started
            finally:
                ended.set()
                looker.join()
    if code:
        raise RunFailedError(f"`{' '.join(command[:6])} ...` ended with {code}; its output: {log}")
    return Cost(seconds, _used() - before, seen.peak, seen.spent)


class _Seen:
    """The most memory that a process and its descendants held at any look, and the processor time of looking."""

    peak = 0
    spent = 0.0

    def look(self, pid: int, ended: threading.Event) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            while True:
                self.peak = max(self.peak, held(pid))
                self.spent = time.thread_time()
                if ended.wait(LOOK_SECONDS):
                    return


def held(pid: int) -> int:
    """Bytes that a process and its descendants hold now. Errors: `psutil.NoSuchProcess`."""
    root = psutil.Process(pid)
    return sum(map(_bytes, [root, *root.children(recursive=True)]))


def _bytes(process: psutil.Process) -> int:
    # It may end between being listed and being asked.
    with contextlib.suppress(psutil.Error):
        return process.memory_full_info().pss if MEASURE == "PSS" else process.memory_info().rss
    return 0


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
