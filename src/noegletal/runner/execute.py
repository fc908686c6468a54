"""One notebook, executed by papermill and believed only when every cell ran and every output is there."""

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.manager import KernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from analysis.edition import PROCESSED_VARIABLE, PUBLISH_VARIABLE, ROOT_VARIABLE, SectionPlan, project_root
from noegletal.publish.manifest import EXECUTED, OUTPUT_FACTS, output_files
from warmkernel.engine import KERNEL, KERNEL_ENVIRONMENT, client_options
from warmkernel.sockets import kernel_transport

ENGINE = "noegletal"
KERNEL_START_SECONDS = 60


@dataclass(frozen=True)
class Job:
    """A notebook to run for an area: what, with which parameters, from which key figures, into which folder."""

    plan: SectionPlan
    area_code: str
    notebook: Path
    parameters: dict[str, Any]
    processed: Path
    staging: Path
    cell_timeout_seconds: int
    engine: str = "stock"
    root: Path = field(default_factory=project_root)


@dataclass(frozen=True)
class Outcome:
    """What became of a job: `cause` is empty when it succeeded, else one line."""

    job: Job
    cause: str
    seconds: float
    outputs: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether every cell ran and every declared output is there."""
        return not self.cause


class StagedEngine(NBClientEngine):
    """papermill's engine, except that each kernel gets an environment of its own and its kind is chosen per job."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, environment: dict[str, str], job: Job, partial: Path, **_: Any
    ) -> Any:
        """Execute with the environment given; called by papermill. What a broken run got to is saved as `partial`."""
        with kernel_transport() as transport:
            client = PapermillNotebookClient(
                nb_man,
                kernel_name=kernel_name,
                timeout=job.cell_timeout_seconds,
                startup_timeout=KERNEL_START_SECONDS,
                shutdown_kernel="immediate",
                # How many pieces a text comes in depends on the moment.
                coalesce_streams=True,
                **client_options(job.engine, transport),
            )
            manager = client.create_kernel_manager()
            _running.add(manager)
            try:
                return client.execute(env=environment)
            except BaseException:
                # papermill saves once more when an engine is through, however it went.
                nb_man.output_path = str(partial)
                raise
            finally:
                _running.discard(manager)
                # What a notebook started and left running goes, also where its kernel is gone already.
                _kill_group(manager)


_running: set[KernelManager] = set()


def stop_all() -> None:
    """Kill every kernel that is running a job, so that an interrupted run ends at once."""
    for manager in list(_running):
        _kill_group(manager)
        if sys.platform == "win32" and manager.has_kernel:
            with contextlib.suppress(OSError):
                os.kill(manager.provisioner.pid, signal.SIGTERM)


def _kill_group(manager: KernelManager) -> None:
    # Each kernel leads a process group, which its number names; Windows has none.
    if sys.platform != "win32" and getattr(manager.provisioner, "pid", None):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(manager.provisioner.pid, signal.SIGKILL)


papermill_engines.register(ENGINE, StagedEngine)


def run(job: Job) -> Outcome:
    """Execute a job in its staging folder and judge the result; never raises for what the notebook does."""
    started = time.monotonic()
    job.staging.mkdir(parents=True, exist_ok=True)
    executed = job.staging / EXECUTED
    environment = os.environ | {
        ROOT_VARIABLE: str(job.root),
        PROCESSED_VARIABLE: str(job.processed.resolve()),
        PUBLISH_VARIABLE: str(job.staging.resolve()),
        **KERNEL_ENVIRONMENT,
    }
    try:
        notebook = papermill.execute_notebook(
            job.notebook,
            executed,
            parameters=job.parameters,
            engine_name=ENGINE,
            kernel_name=KERNEL,
            language="python",
            progress_bar=False,
            # Once at the end: with all figures in it, saving after every cell takes longer than many a cell.
            request_save_on_cell_execute=False,
            environment=environment,
            job=job,
            partial=executed,
        )
        cause = _unfinished(notebook) or _undelivered(job)
        _normalise(notebook)
        nbformat.write(notebook, executed)
    except PapermillExecutionError as error:
        cause = f"cell {error.exec_count} raised {error.ename}: {_one_line(error.evalue)}"
    except CellTimeoutError:
        cause = f"a cell ran for more than {job.cell_timeout_seconds} s"
    except RuntimeError as error:
        # nbclient has an error of its own for it, jupyter_client has not.
        died = isinstance(error, DeadKernelError) or str(error).startswith("Kernel died")
        cause = "the kernel died" if died else f"RuntimeError: {_one_line(error)}"
    except Exception as error:
        # Whatever goes wrong around one notebook must not take the other sections with it.
        cause = f"{type(error).__name__}: {_one_line(error)}"
    return Outcome(job, cause, time.monotonic() - started, list(job.plan.outputs))


def _unfinished(notebook: nbformat.NotebookNode) -> str:
    """Why a notebook that papermill let through is not done: a cell that failed quietly or never ran."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for position, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                return f"cell {position} raised {output.ename}: {_one_line(output.evalue)}"
        if cell.execution_count is None or cell.metadata.get("papermill", {}).get("status") != "completed":
            return f"cell {position} of {len(code)} was not run; does the notebook end itself (sys.exit)?"
    if notebook.metadata.get("papermill", {}).get("exception"):
        return "papermill recorded an exception"
    return ""


def _undelivered(job: Job) -> str:
    for output in job.plan.outputs:
        described = job.staging / OUTPUT_FACTS.format(output)
        facts = json.loads(described.read_text(encoding="utf-8")) if described.is_file() else {"output": output}
        wanted = [*output_files(facts), OUTPUT_FACTS.format(output)]
        absent = [name for name in wanted if not (job.staging / name).is_file()]
        if absent:
            return f"declared output {output} was not published (no {absent[0]})"
    return ""


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:300]


def _normalise(notebook: nbformat.NotebookNode) -> None:
    """Take clock times and paths out of an executed notebook, so that two runs are the same bytes."""
    parameters = notebook.metadata.get("papermill", {}).get("parameters", {})
    notebook.metadata["papermill"] = {"parameters": parameters}
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    for position, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{position:02d}"
