"""Kernels forked from a preloader instead of started, behind the interfaces of jupyter_client."""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_core.paths import ENV_JUPYTER_PATH
from nbclient.exceptions import DeadKernelError

from warmkernel.preloader import KERNEL_MODULE

PRELOADER = Path(__file__).with_name("preloader.py")
# Importing everything takes a few seconds on an idle machine.
ANSWER_SECONDS = 120.0
DEATH_SECONDS = 5.0
TRY_AGAIN_MILLISECONDS = 5
# Read by the interpreter or by a package when it starts. With another value of these it takes another preloader.
READ_AT_IMPORT = (
    "PYTHON", "LD_", "LC_", "LANG", "HOME", "TZ", "XDG_", "OPENBLAS_", "OMP_", "MKL_", "ARROW_", "MPL", "MATPLOTLIB",
)  # fmt: skip


class PreloaderGoneError(Exception):
    """The preloader died or does not answer."""


class Preloader:
    """The driver's end of a preloader process; safe to use from several threads."""

    def __init__(self, interpreter: list[str], environment: dict[str, str], modules: Sequence[str] = ()) -> None:
        """Start the process with the interpreter and its options, and wait until everything is imported.

        `modules`: what it imports beside what every notebook does.
        """
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(ANSWER_SECONDS)
        with theirs:
            # A session of its own, as kernels have: Ctrl-C in the terminal is for the driver alone.
            self._process = subprocess.Popen(
                [*interpreter, str(PRELOADER), str(theirs.fileno()), *modules],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            if trouble := self._answer()["trouble"]:
                raise PreloaderGoneError(trouble)
        except BaseException:
            self.stop(patience=0)
            raise

    @property
    def pid(self) -> int:
        """The process that kernels are forked from."""
        return self._process.pid

    def fork(self, arguments: list[str], environment: dict[str, str], cwd: str) -> "ForkedKernel":
        """A new kernel with the output streams of this process. Errors: `PreloaderGoneError`; no room for a process."""
        answer = self._ask({"arguments": arguments, "environment": environment, "cwd": cwd}, [1, 2])
        if "trouble" in answer:
            raise RuntimeError(answer["trouble"])
        return ForkedKernel(self, answer["pid"])

    def reap(self, pid: int) -> int:
        """The exit status of a kernel that ended. Errors: `PreloaderGoneError`."""
        return self._ask({"reap": pid})["status"]

    def stop(self, patience: float = DEATH_SECONDS) -> None:
        """End the process and with it every kernel that runs, by force after `patience` seconds."""
        with self._lock:
            self._hang_up()
        self._socket.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: dict[str, Any], descriptors: list[int] | None = None) -> dict[str, Any]:
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            try:
                sent = socket.send_fds(self._socket, [line], descriptors or [])
                self._socket.sendall(line[sent:])
                return self._answer()
            except BaseException as error:
                # An answer that comes late must not be taken for that to the next request.
                self._hang_up()
                if isinstance(error, OSError):
                    raise PreloaderGoneError(f"the preloader is gone ({error})") from error
                raise

    def _hang_up(self) -> None:
        # Felt at the other end even while a process forked from this one holds a copy of the socket.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _answer(self) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n"):
            try:
                part = self._socket.recv(65536)
            except OSError as error:
                raise PreloaderGoneError(f"the preloader does not answer ({error})") from error
            if not part:
                raise PreloaderGoneError("the preloader ended")
            line += part
        return json.loads(line)


class ForkedKernel:
    """A kernel process whose parent is the preloader, with what jupyter_client uses of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, preloader: Preloader, pid: int) -> None:
        """Take hold of a process just forked; the preloader keeps its number from being reused until `poll` asks."""
        self.pid = pid
        self.returncode: int | None = None
        self._preloader = preloader
        self._lock = threading.Lock()
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise PreloaderGoneError("the preloader died with the kernel it forked") from error

    def poll(self) -> int | None:
        """The exit status when the process has ended, else None. What it started goes with it."""
        return self.returncode if self.returncode is not None or not self._ended(0) else self._reap()

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once the process has ended. Errors: `subprocess.TimeoutExpired`."""
        if self.returncode is None and not self._ended(timeout):
            raise subprocess.TimeoutExpired(KERNEL_MODULE, timeout or 0.0)
        return self._reap()

    def send_signal(self, number: int) -> None:
        """Signal the process; one that has ended is left in peace."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    def _reap(self) -> int:
        with self._lock:
            if self.returncode is None:
                # Before it is reaped, its number can belong to no other group.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
                try:
                    self.returncode = self._preloader.reap(self.pid)
                except PreloaderGoneError:
                    # It died with the preloader, by the same signal that `_leave` asked for.
                    self.returncode = -signal.SIGKILL
                os.close(self._descriptor)
            return self.returncode


_preloaders: dict[tuple[Any, ...], Preloader] = {}
_modules: dict[str, None] = {}
_starting = threading.Lock()
if hasattr(os, "register_at_fork"):
    # What a process forked from the driver does at its end must not reach the driver's preloaders.
    os.register_at_fork(after_in_child=_preloaders.clear)


def preloader_for(
    interpreter: list[str], environment: dict[str, str], *, instead_of: Preloader | None = None
) -> Preloader:
    """The preloader of this process for kernels with such an environment, started when there is none or it is dead."""
    wanted = {name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT)}
    modules = tuple(_modules)
    key = (*interpreter, *modules, *sorted(wanted.items()))
    with _starting:
        found = _preloaders.get(key)
        if found is not None and found is instead_of:
            found.stop(patience=0)
            found = None
        if found is None:
            found = _preloaders[key] = Preloader(interpreter, environment, modules)
        return found


def preload(*modules: str) -> None:
    """Have preloaders that are started from now on import these modules too, so that notebooks need not."""
    _modules.update(dict.fromkeys(modules))


@atexit.register
def stop() -> None:
    """End every preloader of this process and the kernels forked from them."""
    with _starting:
        while _preloaders:
            _preloaders.popitem()[1].stop()


class WarmProvisioner(LocalProvisioner):
    """Forks the kernel that `LocalProvisioner` would start; everything else is the stock provisioner's."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel for a command of the stock kernelspec. Errors: any other command, no preloader."""
        at = cmd.index("-m") if "-m" in cmd else len(cmd)
        if cmd[at : at + 2] != ["-m", KERNEL_MODULE]:
            raise RuntimeError(f"the kernel {self.kernel_spec.display_name} is not started by {KERNEL_MODULE}")
        environment, cwd = kwargs["env"], str(kwargs.get("cwd") or Path.cwd())
        preloader = preloader_for(cmd[:at], environment)
        try:
            self.process = preloader.fork(cmd[at + 2 :], environment, cwd)
        except PreloaderGoneError:
            # It died since the last notebook: that one failed, this one gets a new preloader.
            preloader = preloader_for(cmd[:at], environment, instead_of=preloader)
            self.process = preloader.fork(cmd[at + 2 :], environment, cwd)
        # The kernel leads a session and thereby a group of its own.
        self.pid = self.pgid = self.process.pid
        self.cwd = cwd
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """Kill the kernel and wait for its end, which comes at once; the manager would look every 0.1 s."""
        process = self.process
        await super().kill(restart)
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(DEATH_SECONDS)


class WarmKernelClient(AsyncKernelClient):
    """The stock client, except that it knows from the kernel's own messages when it is ready, without naps."""

    def _context_default(self) -> zmq.asyncio.Context:
        context = super()._context_default()
        # The kernel binds its sockets after the client has tried them; the default is to try again after 0.1 s.
        context.setsockopt(zmq.RECONNECT_IVL, TRY_AGAIN_MILLISECONDS)
        return context

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until this client hears the kernel and the kernel answers. Errors: it died; it takes too long."""
        end = monotonic() + (timeout if timeout is not None else float("inf"))
        # The kernel greets each subscriber (JEP 65): from then on no message can be missed.
        await self._expect(self.iopub_channel, end, lambda message: message["msg_type"] == "iopub_welcome")
        asked = self.kernel_info()
        self._handle_kernel_info_reply(
            await self._expect(self.shell_channel, end, lambda message: message["parent_header"].get("msg_id") == asked)
        )
        await self._expect(
            self.iopub_channel,
            end,
            lambda message: (
                message["parent_header"].get("msg_id") == asked and message["content"].get("execution_state") == "idle"
            ),
        )

    wait_for_ready = _async_wait_for_ready

    async def _expect(self, channel: Any, end: float, wanted: Any) -> dict[str, Any]:
        while monotonic() < end:
            try:
                message = await channel.get_msg(timeout=0.2)
            except Empty:
                if not await self._async_is_alive():
                    raise DeadKernelError("Kernel died") from None
                continue
            if wanted(message):
                return message
        raise RuntimeError("Kernel did not respond in time")


class OwnKernelManager(AsyncKernelManager):
    """The stock manager for the kernel of this very Python, whatever JUPYTER_PATH has under the same name."""

    def __init__(self, **options: Any) -> None:
        """Look for kernelspecs where this Python is installed; without any there, ipykernel has one for it."""
        folders = [str(Path(folder) / "kernels") for folder in ENV_JUPYTER_PATH]
        super().__init__(kernel_spec_manager=KernelSpecManager(kernel_dirs=folders), **options)


class WarmKernelManager(OwnKernelManager):
    """The same with forked kernels."""

    def __init__(self, **options: Any) -> None:
        """Take the provisioner that the stock manager would look up in the kernelspec."""
        super().__init__(**options)
        self.client_factory = WarmKernelClient
        self.provisioner = WarmProvisioner(kernel_spec=self.kernel_spec, parent=self)
