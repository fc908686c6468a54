"""The jobs of a report on a Dask cluster that is running: what is checked, what is sent, what comes back.

Workers need the same library and packages, and no disk in common: a job carries the files it needs as bytes, and those
it wrote come back so. Nothing here changes a worker process in a way that another job on it could see.
"""

import asyncio
import importlib.metadata
import platform
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path, PurePosixPath

from distributed import CancelledError, Client, Future, KilledWorker, as_completed, get_worker
from distributed.client import ClosedClientError
from distributed.comm import CommClosedError, connect
from distributed.security import Security
from packaging.requirements import Requirement

from analysis.edition import Edition, SectionPlan, project_root, reference_folder
from analysis.errors import InputError
from noegletal.figures.freshness import code_digest
from noegletal.figures.slices import Slices
from noegletal.folders import CHECKPOINTS, explained
from noegletal.publish.manifest import EXECUTED, OUTPUT_FACTS, output_files
from noegletal.runner.engine import choose
from noegletal.runner.execute import Job, Outcome, run
from noegletal.runner.local import RunJobs
from noegletal.runner.memory import Room

DISTRIBUTION = "noegletal-hovedstaden"
CONNECT_SECONDS = 10
FIRST_WORKER_SECONDS = 30
# Jobs with the scheduler per thread of the cluster: enough that none waits while this process publishes an area.
AHEAD = 3
LIBRARY = "the library"
PROJECT, INPUTS, STAGING = PurePosixPath("project"), PurePosixPath("inputs"), PurePosixPath("staging")

# What is sent or comes back: the content of files by name.
Files = dict[str, bytes]


@contextmanager
def on_cluster(scheduler: str, edition: Edition) -> Iterator[RunJobs]:
    """What runs jobs on the cluster of a scheduler, once the software of all its workers was found to be the same.

    The cluster is left running. Errors: nobody at the address, no worker, one with other software.
    """
    client = _connected(scheduler)
    try:
        _refuse_other_software(client)
        yield partial(_run_there, client, edition)
    except (CancelledError, ClosedClientError, CommClosedError) as error:
        raise InputError(
            f"the Dask scheduler at {scheduler} is gone: what was published is whole, the next run goes on from there"
        ) from error
    finally:
        # The scheduler drops what this client asked for and has not been started.
        client.close()


def _connected(scheduler: str) -> Client:
    try:
        asyncio.run(_greet(scheduler))
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:
        # What another service answers can be taken for anything.
        raise InputError(
            f"no Dask scheduler answers at {scheduler}: give the address that `dask scheduler` prints, such as "
            f"tcp://host:8786 ({_one_line(error) or 'what listens there says nothing'})"
        ) from error
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER_SECONDS)
    except TimeoutError as error:
        client.close()
        raise InputError(
            f"the Dask scheduler at {scheduler} has no workers: start some with `dask worker {scheduler}`"
        ) from error
    return client


async def _greet(scheduler: str) -> None:
    """Shake hands with a scheduler: the client would wait for ever where something else listens."""
    async with asyncio.timeout(CONNECT_SECONDS):
        comm = await connect(scheduler, timeout=CONNECT_SECONDS / 2, **Security().get_connection_args("client"))
    await comm.close()


@cache
def software() -> dict[str, str]:
    """The versions of Python, the library and every package it needs here; of an absent one an empty text."""
    packages: dict[str, str] = {}
    wanted = {DISTRIBUTION, "distributed"}
    while wanted:
        name = wanted.pop()
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            packages[name] = ""
            continue
        packages[name] = found.version
        needs = map(Requirement, found.requires or [])
        wanted |= {need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})}
        wanted -= packages.keys()
    return {"Python": platform.python_version(), LIBRARY: code_digest(), **dict(sorted(packages.items()))}


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """How the software of a worker differs from that of the driver, in a few words; empty when it does not.

    A package that only one of them needs, because their operating systems differ, is no difference.
    """
    other = [name for name in here if name in there and here[name] != there[name]]
    said = [
        f"{name} {there[name]} instead of {here[name] or 'none'}" if there[name] else f"no {name}" for name in other
    ]
    if LIBRARY in other:
        said[other.index(LIBRARY)] = "another version of the library"
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""
    return ", ".join(said[:3]) + more


def _refuse_other_software(client: Client) -> None:
    """An error that names the first worker on which a notebook could give another result, and what to do."""
    for address, there in sorted(client.run(software, on_error="return").items()):
        if isinstance(there, OSError):
            # It has just died; one that only seems so is asked again by each job.
            continue
        if isinstance(there, BaseException):
            raise _refused(address, f"it cannot load the library ({type(there).__name__}: {_one_line(there)})")
        _require_same(address, software(), there)


def _require_same(address: str, here: dict[str, str], there: dict[str, str]) -> None:
    if found := differences(here, there):
        raise _refused(address, f"it has {found}")


def _refused(address: str, found: str) -> InputError:
    return InputError(
        f"worker {address} is refused, because {found}: install the same commit and requirements.lock there as here, "
        "and restart it"
    )


def _run_there(client: Client, edition: Edition, jobs: list[Job], slices: Slices) -> Generator[Outcome, None, None]:
    """The outcomes of the jobs as they end; what is not started yet is dropped when the client is closed."""
    waiting = iter(jobs)
    running: dict[Future, Job] = {}
    done = as_completed(loop=client.loop)
    # A task and not scattered data: when the workers that hold it die, it is run again.
    shared = client.submit(dict, _shared_files(edition))
    # One group of tasks, so that the scheduler keeps what is too much for the workers until one of them is free.
    group = f"sections-{uuid.uuid4().hex}"

    def keep_busy() -> None:
        threads = sum(client.nthreads().values())
        while len(running) < max(1, AHEAD * threads) and (job := next(waiting, None)):
            key = (group, job.area_code, job.plan.notebook)
            files = _files_of(job, slices)
            future = client.submit(run_sent, _to_send(job), files, shared, software(), key=key, pure=False)
            running[future] = job
            done.add(future)

    keep_busy()
    for future in done:
        outcome = _outcome(client, running.pop(future), future)
        keep_busy()
        yield outcome


def _shared_files(edition: Edition) -> Files:
    """What every job needs beside its own files: the edition and the reference data."""
    plan = PROJECT / "editions" / f"{edition.name}.yml"
    return {str(plan): (project_root() / "editions" / plan.name).read_bytes()} | _below(
        reference_folder(), PROJECT / "data" / "reference"
    )


def _files_of(job: Job, slices: Slices) -> Files:
    """The notebook of a job and the part of the key figures that it reads."""
    try:
        with explained(job.staging.parent):
            slices.write(job.plan, job.area_code, job.processed)
        return {str(_to_send(job).notebook): job.notebook.read_bytes()} | _below(job.processed, INPUTS)
    finally:
        shutil.rmtree(job.processed, ignore_errors=True)


def _to_send(job: Job) -> Job:
    """A job without a path of the driver: its places are names in a folder that the worker chooses."""
    notebook = PROJECT / "notebooks" / job.notebook.name
    return replace(job, notebook=notebook, processed=INPUTS, staging=STAGING, root=PROJECT)


def run_sent(job: Job, files: Files, shared: Files, wanted: dict[str, str]) -> tuple[str, float, Files]:
    """Run a job on the worker that this process is, in a folder of its own that is gone at the end.

    Returns cause and seconds as in `Outcome`, and what the section wrote. Errors: this worker has other software than
    the driver, as one that joined after the run began may have.
    """
    _require_same(get_worker().address, wanted, software())
    # In the worker's own folder, which the next worker there sweeps if this one is killed.
    with tempfile.TemporaryDirectory(dir=get_worker().local_directory, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _write(folder, shared | files)
        engine, room = _means()
        places = {place: folder / getattr(job, place) for place in ("notebook", "processed", "staging", "root")}
        with room.for_one():
            outcome = run(replace(job, engine=engine, **places))
        written = [(name, places["staging"] / name) for name in sorted(_expected(job.plan))]
        return outcome.cause, outcome.seconds, {name: path.read_bytes() for name, path in written if path.is_file()}


@cache
def _means() -> tuple[str, Room]:
    """The engine of this worker, and the room that the jobs of all its threads share."""
    # Two first jobs at once may each make one; all later ones share what was kept.
    engine = choose("auto")
    return engine, Room(engine)


def _outcome(client: Client, job: Job, future: Future) -> Outcome:
    """What became of a job that is over: what the section wrote is in its staging folder, as after a run here."""
    try:
        cause, seconds, files = future.result()
    except CancelledError:
        raise
    except KilledWorker as error:
        cause = (
            f"{error.allowed_failures + 1} workers died while they ran it, the last at {error.last_worker.address}: "
            "does it need more memory than a worker has?"
        )
        return Outcome(job, cause, 0.0)
    except Exception as error:
        # A worker that joined later and has other software either says so itself or cannot even read the job.
        _refuse_other_software(client)
        return Outcome(job, f"{type(error).__name__}: {_one_line(error)}", 0.0)
    return Outcome(job, keep(files, job) or cause, seconds, list(job.plan.outputs))


def keep(files: Files, job: Job) -> str:
    """Write what a worker sent to the staging folder of its job: all of it, or nothing and the reason why."""
    if strange := sorted(files.keys() - _expected(job.plan)):
        return f"the worker sent {strange[0]!r}, which the section does not declare"
    with explained(job.staging.parent):
        _write(job.staging, files)
    return ""


def _expected(plan: SectionPlan) -> set[str]:
    """The names of all files that a section may bring: a file of any other name, and so any other path, is refused."""
    outputs = [[OUTPUT_FACTS.format(output), *output_files({"output": output})] for output in plan.outputs]
    return {EXECUTED}.union(*outputs)


def _below(folder: Path, prefix: PurePosixPath) -> Files:
    """The files of a folder and the folders in it by the name they get where they are sent, without JupyterLab's."""
    files = [path for path in folder.rglob("*") if path.is_file() and CHECKPOINTS not in path.parts]
    return {str(prefix / path.relative_to(folder).as_posix()): path.read_bytes() for path in files}


def _write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
