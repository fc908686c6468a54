"""The process that imports the heavy packages once and forks a kernel for each request; run as a script.

It has one thread and only imports, it calls nothing: what a notebook starts from is what a new interpreter would have
after the same imports. Its one argument is the descriptor of a socket to the driver. A request and its answer are one
line of JSON each; beside a request for a kernel come the streams that the kernel writes to. Everything here ends with
the driver.
"""

import builtins
import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

KERNEL_MODULE = "ipykernel_launcher"
INLINE_BACKEND = "module://matplotlib_inline.backend_inline"
# What notebooks and the kernel import sooner or later. Never: matplotlib's inline backend, which ties itself to the
# shell of the process that imports it, and then no figure is shown; what starts threads, such as duckdb and polars.
MODULES = (
    # The kernel, and what it imports while it starts.
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "pdb",
    "sqlite3",
    "tornado.locks",
    "tornado.platform.asyncio",
    # Reading parquet, writing CSV.
    "encodings.idna",
    "encodings.latin_1",
    "encodings.utf_8_sig",
    "pandas.core.arrays.arrow.extension_types",
    "pandas.core.methods.to_dict",
    "pandas.core.reshape.reshape",
    "pandas.io.formats.csvs",
    "pyarrow.dataset",
    "pyarrow.parquet",
    # Drawing.
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.patheffects",
    "seaborn",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PpmImagePlugin",
    "PIL.features",
    "statsmodels.api",
)
PR_SET_PDEATHSIG = 1
LOOK_FOR_DRIVER_SECONDS = 1.0


def main() -> None:
    """Import, say so, and fork until the driver is gone; in a forked child, be the kernel."""
    # As ipykernel_launcher does: what lies beside the script must not stand in for a package.
    if sys.path[0] == str(Path(__file__).parent):
        del sys.path[0]
    driver = socket.socket(fileno=int(sys.argv[1]))
    parent = os.getppid()
    added = preload(sys.argv[2:])
    _answer(driver, {"trouble": _trouble()})
    request = serve(driver, parent)
    if request is not None:
        become_kernel(request, added)


def preload(more: Iterable[str] = ()) -> dict[str, str]:
    """Import what notebooks and the kernel import, and `more`; what cannot be imported is left for the notebook.

    Returns what the imports themselves put into the environment.
    """
    # An allocator that pyarrow brings and does not use would start a thread, which a forked kernel would lack.
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    # Matplotlib and pandas look at import for what they run in; here is what a kernel would show them.
    os.environ.setdefault("MPLBACKEND", INLINE_BACKEND)
    given = set(os.environ)
    sys.stdout.reconfigure(encoding="UTF-8")
    builtins.get_ipython = lambda: SimpleNamespace(kernel=True)  # type: ignore[attr-defined]
    _import("pandas")
    del builtins.get_ipython  # type: ignore[attr-defined]
    for name in (*MODULES, *more):
        _import(name)
    # Kernels share the memory of what is here: the collector must not write to it.
    gc.collect()
    gc.freeze()
    return {name: value for name, value in os.environ.items() if name not in given}


def _import(name: str) -> None:
    with contextlib.suppress(Exception):
        importlib.import_module(name)


def _trouble() -> str:
    """Why no kernel may be forked from here; empty when it may."""
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    if threads > 1:
        return f"the imports started {threads - 1} threads, which a forked kernel would lack"
    if "ipykernel.kernelapp" not in sys.modules:
        return "ipykernel cannot be imported"
    return ""


def serve(driver: socket.socket, parent: int) -> dict[str, Any] | None:
    """Fork a kernel for each request of the driver, and reap those it says have ended.

    Returns the request in a forked child; None, with every kernel killed, when the driver is gone.
    """
    preloader = os.getpid()
    kernels: set[int] = set()
    while (received := _receive(driver, parent)) is not None:
        request, descriptors = received
        if (ended := request.get("reap")) in kernels:
            _, status = os.waitpid(ended, 0)
            kernels.discard(ended)
            answer = {"status": os.waitstatus_to_exitcode(status)}
        else:
            try:
                pid = os.fork()
            except OSError as error:
                answer = {"trouble": f"no process can be forked ({error})"}
            else:
                if pid == 0:
                    driver.close()
                    _leave(preloader, descriptors)
                    return request
                kernels.add(pid)
                answer = {"pid": pid}
        for descriptor in descriptors:
            os.close(descriptor)
        _answer(driver, answer)
    for pid in kernels:
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                end(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return None


def _answer(driver: socket.socket, answer: dict[str, Any]) -> None:
    # A driver that is gone is noticed when its next request is waited for.
    with contextlib.suppress(ConnectionError):
        driver.sendall(json.dumps(answer).encode() + b"\n")


def _receive(driver: socket.socket, parent: int) -> tuple[dict[str, Any], list[int]] | None:
    """The next request with the descriptors beside it; None when the driver is gone."""
    # Its end of the socket closes with it, unless a process it forked still holds a copy.
    while not select.select([driver], [], [], LOOK_FOR_DRIVER_SECONDS)[0]:
        if os.getppid() != parent:
            return None
    line, descriptors = b"", []
    while not line.endswith(b"\n"):
        try:
            part, found, _, _ = socket.recv_fds(driver, 65536, 2)
        except ConnectionError:
            return None
        if not part:
            return None
        descriptors += found
        line += part
    return json.loads(line), descriptors


def _leave(preloader: int, descriptors: list[int]) -> None:
    """Make a forked child a process of its own, with a session, streams and a fate like those of a started kernel."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != preloader:
        os._exit(1)
    closed, writer = os.pipe()
    os.close(writer)
    for stream, descriptor in enumerate([closed, *descriptors]):
        os.dup2(descriptor, stream)
        os.close(descriptor)


def become_kernel(request: dict[str, Any], added: dict[str, str]) -> None:
    """Run the kernel in this process, as `python -m ipykernel_launcher` would with the arguments of the request."""
    os.chdir(request["cwd"])
    os.environ.clear()
    # The kernel ends itself when the process named here is no longer its parent.
    os.environ.update(added | request["environment"] | {"JPY_PARENT_PID": str(os.getppid())})
    launcher = importlib.util.find_spec(KERNEL_MODULE)
    sys.argv = [str(launcher.origin) if launcher else KERNEL_MODULE, *request["arguments"]]
    if numpy := sys.modules.get("numpy"):
        # Python seeds `random` anew in a forked child; numpy does not.
        numpy.random.seed()
    from ipykernel.kernelapp import IPKernelApp

    kernel = IPKernelApp.instance()
    # ipykernel read the variable when it was imported, in the preloader.
    kernel.initialize([*request["arguments"], f"--IPKernelApp.parent_handle={os.getppid()}"])
    if widgets := sys.modules.get("ipywidgets"):
        # It came with seaborn; imported by a kernel it would have done this itself.
        widgets.load_ipython_extension(kernel.shell)
    kernel.start()


if __name__ == "__main__":
    main()
