"""Which engine runs the notebooks: `warm` (forked kernels) where it works, `stock` (started kernels) everywhere."""

import os
import sys
from functools import cache
from typing import Any

from jupyter_core.utils import run_sync
from traitlets.config import Config

from warmkernel import provisioner
from warmkernel.sockets import kernel_transport

ENGINES = ("auto", "warm", "stock")
KERNEL = "python3"
# One numeric thread a kernel: several run side by side. A fixed hash seed: two runs give the same output.
KERNEL_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
SELF_TEST_SECONDS = 60.0

preload, stop = provisioner.preload, provisioner.stop


class EngineError(Exception):
    """The engine asked for is not known, or does not work here."""


def choose(engine: str) -> str:
    """`warm` or `stock` for what was asked for; `auto` takes `warm` where its self-test passes.

    Errors: an unknown name; `warm` where it cannot work.
    """
    if engine not in ENGINES:
        raise EngineError(f"engine {engine!r} is not known; choose one of {', '.join(ENGINES)}")
    if engine == "stock":
        return "stock"
    reason = self_test()
    if reason and engine == "warm":
        raise EngineError(f"the warm engine does not work here: {reason}; use --engine stock")
    return "stock" if reason else "warm"


def why_stock() -> str:
    """Why `auto` settles for `stock` in this process; empty when it does not."""
    return self_test()


def client_options(engine: str, transport: Config) -> dict[str, Any]:
    """What a notebook client needs to run its kernel with the engine over such a transport."""
    manager = provisioner.WarmKernelManager if engine == "warm" else provisioner.OwnKernelManager
    return {"config": transport, "kernel_manager_class": manager}


@cache
def self_test() -> str:
    """Why the warm engine does not work here; empty when a forked kernel answered. Its preloader stays for more."""
    if sys.platform != "linux":
        return "kernels are forked on Linux only"
    if not hasattr(os, "pidfd_open"):
        return "this Python cannot watch a process that it did not start"
    try:
        return run_sync(_probe)()
    except provisioner.PreloaderGoneError as error:
        return str(error)
    except Exception as error:
        # Whatever it is, the stock engine does not depend on it.
        return " ".join(f"{type(error).__name__}: {error}".split())


async def _probe() -> str:
    with kernel_transport() as transport:
        manager = provisioner.WarmKernelManager(kernel_name=KERNEL, config=transport)
        await manager.start_kernel(env=os.environ | KERNEL_ENVIRONMENT)
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=SELF_TEST_SECONDS)
            reply = await client.execute("", user_expressions={"sum": "6 * 7"}, reply=True, timeout=SELF_TEST_SECONDS)
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
    answer = reply["content"].get("user_expressions", {}).get("sum", {}).get("data", {}).get("text/plain")
    return "" if answer == "42" else "a forked kernel did not compute"
