"""One notebook, executed by papermill and believed only when every cell ran and every output is there."""

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# jsonschema compiles grammars for a check that no notebook schema uses; without it papermill imports 2 s faster.
sys.modules.setdefault("rfc3987_syntax", None)

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from analysis.edition import ROOT_VARIABLE, SectionPlan, project_root
from analysis.report import PROCESSED_VARIABLE, PUBLISH_VARIABLE

ENGINE = "noegletal"
KERNEL_START_SECONDS = 60
KERNEL = "python3"
EXECUTED = "notebook.ipynb"
FIGURE_FILES = ("figurer/{}.svg", "figurer/{}.png", "data/{}.csv")
TABLE_FILES = ("data/{}.csv",)
OUTPUT_FACTS = "facts/{}.json"


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
    """The stock engine, except that each kernel gets an environment of its own (where to read and to publish)."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, environment: dict[str, str], cell_timeout: int, **_: Any
    ) -> Any:
        """Execute with the environment given; called by papermill."""
        # Sockets in a private folder: TCP ports are chosen before they are bound, so that two kernels may clash.
        with tempfile.TemporaryDirectory(prefix="noegletal-") as sockets:
            ipc = Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})
            client = PapermillNotebookClient(
                nb_man,
                kernel_name=kernel_name,
                timeout=cell_timeout,
                startup_timeout=KERNEL_START_SECONDS,
                shutdown_kernel="immediate",
                config=Config() if sys.platform == "win32" else ipc,
            )
            _running.add(client)
            try:
                return client.execute(env=environment)
            finally:
                _running.discard(client)


_running: set[PapermillNotebookClient] = set()


def stop_all() -> None:
    """Kill every kernel that is running a job, so that an interrupted run ends at once."""
    for client in list(_running):
        provisioner = getattr(client.km, "provisioner", None)
        if provisioner is not None and getattr(provisioner, "pid", None):
            with contextlib.suppress(ProcessLookupError):
                os.kill(provisioner.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


papermill_engines.register(ENGINE, StagedEngine)


def run(job: Job) -> Outcome:
    """Execute a job in its staging folder and judge the result; never raises for what the notebook does."""
    started = time.monotonic()
    job.staging.mkdir(parents=True, exist_ok=True)
    executed = job.staging / EXECUTED
    environment = os.environ | {
        ROOT_VARIABLE: str(project_root()),
        PROCESSED_VARIABLE: str(job.processed.resolve()),
        PUBLISH_VARIABLE: str(job.staging.resolve()),
        # One numeric thread a kernel: several run side by side. A fixed hash seed: two runs give the same output.
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
    }
    try:
        papermill.execute_notebook(
            job.notebook,
            executed,
            parameters=job.parameters,
            engine_name=ENGINE,
            kernel_name=KERNEL,
            language="python",
            progress_bar=False,
            # The staged copy is saved after every cell, so that a killed kernel leaves its notebook to look at.
            request_save_on_cell_execute=True,
            environment=environment,
            cell_timeout=job.cell_timeout_seconds,
        )
        cause = _unfinished(executed) or _undelivered(job)
        _normalise(executed)
    except PapermillExecutionError as error:
        cause = f"cell {error.exec_count} raised {error.ename}: {_one_line(error.evalue)}"
    except CellTimeoutError:
        cause = f"a cell ran for more than {job.cell_timeout_seconds} s"
    except DeadKernelError:
        cause = "the kernel died"
    except Exception as error:
        # Whatever goes wrong around one notebook must not take the other sections with it.
        cause = f"{type(error).__name__}: {_one_line(error)}"
    except OSError as error:
        cause = f"cannot write {error.filename or job.staging}: {error.strerror or error}"
    return Outcome(job, cause, time.monotonic() - started, list(job.plan.outputs))


def _unfinished(executed: Path) -> str:
    """Why a notebook that papermill let through is not done: a cell that failed quietly or never ran."""
    notebook = nbformat.read(executed, as_version=4)
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


def output_files(facts: dict[str, Any]) -> list[str]:
    """The files that a published output consists of; none when the page says why it was left out."""
    if facts.get("left_out"):
        return []
    name = facts["output"]
    return [file.format(name) for file in (FIGURE_FILES if name.startswith("figur") else TABLE_FILES)]


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:300]


def _normalise(executed: Path) -> None:
    """Take clock times and paths out of an executed notebook, so that two runs are the same bytes."""
    notebook = nbformat.read(executed, as_version=4)
    parameters = notebook.metadata.get("papermill", {}).get("parameters", {})
    notebook.metadata["papermill"] = {"parameters": parameters}
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    for position, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{position:02d}"
    nbformat.write(notebook, executed)
