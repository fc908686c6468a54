"""The jobs of a report on a Dask cluster that is running: what is checked, what is sent, what comes back.

Workers need the same library and packages, and no disk in common: a job carries its inputs, and its outputs come back
as one bundle. Nothing here changes a worker process in a way that another job on it could see.
"""

import asyncio
import hashlib
import importlib.metadata
import io
import platform
import shutil
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.edition import Edition, SectionPlan, project_root, reference_folder
from analysis.errors import InputError
from noegletal.figures.freshness import code_digest, digest
from noegletal.figures.slices import Slices
from noegletal.folders import CHECKPOINTS, explained
from noegletal.publish.manifest import EXECUTED, OUTPUT_FACTS, output_files
from noegletal.runner.engine import choose
from noegletal.runner.execute import Job, Outcome, run
from noegletal.runner.local import RunJobs
from noegletal.runner.memory import Room

if TYPE_CHECKING:
    from distributed import Client, Future

DISTRIBUTION = "noegletal-hovedstaden"
CONNECT_SECONDS = 10
FIRST_WORKER_SECONDS = 30
# Jobs with the scheduler per thread of the cluster: enough that none waits while this process publishes an area.
AHEAD = 3
LIBRARY = "the library"
PROJECT, INPUTS, STAGING = "project", "inputs", "staging"


@dataclass(frozen=True)
class Shared:
    """What every job of a run needs beside its own: edition and reference data as a bundle, and this software."""

    bundle: bytes
    software: dict[str, str]


@dataclass(frozen=True)
class Parcel:
    """A job as it is sent: what to run, with its notebook and inputs as a bundle; no path of the driver."""

    plan: SectionPlan
    area_code: str
    parameters: dict[str, Any]
    cell_timeout_seconds: int
    bundle: bytes


@dataclass(frozen=True)
class Returned:
    """What comes back: cause and seconds as in `Outcome`, and what the section wrote as a bundle."""

    cause: str
    seconds: float
    bundle: bytes


@contextmanager
def on_cluster(scheduler: str, edition: Edition) -> Iterator[RunJobs]:
    """What runs jobs on the cluster of a scheduler, once the software of all its workers was found to be the same.

    The cluster is left running. Errors: no `distributed`, nobody at the address, no worker, one with other software.
    """
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            f'--scheduler needs the package distributed: install the project with `uv pip install -e ".[cluster]"` '
            f"({error})"
        ) from error
    client = _connected(scheduler)
    try:
        _refuse_other_software(client)
        yield partial(_run_there, client, edition)
    except (
        distributed.CancelledError,
        distributed.client.ClosedClientError,
        distributed.comm.CommClosedError,
    ) as error:
        raise InputError(
            f"the Dask scheduler at {scheduler} is gone: what was published is whole, the next run goes on from there"
        ) from error
    finally:
        # The scheduler drops what this client asked for and has not been started.
        client.close()


def _connected(scheduler: str) -> "Client":
    from distributed import Client

    try:
        asyncio.run(_greet(scheduler))
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:
        # What another service answers can be taken for anything.
        raise InputError(
            f"no Dask scheduler answers at {scheduler}: give the address that `dask scheduler` prints, such as "
            f"tcp://host:8786 ({_one_line(error)})"
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
    from distributed.comm import connect
    from distributed.security import Security

    options = Security().get_connection_args("client")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            comm = await connect(scheduler, timeout=CONNECT_SECONDS / 2, **options)
    except TimeoutError as error:
        raise TimeoutError(f"what listens there said nothing for {CONNECT_SECONDS} s") from error
    await comm.close()


@cache
def software() -> dict[str, str]:
    """The versions of Python, the library and every package it needs here; of an absent one an empty text."""
    from packaging.requirements import Requirement

    packages: dict[str, str] = {}
    wanted = [DISTRIBUTION, "distributed"]
    while wanted:
        name = wanted.pop()
        if name in packages:
            continue
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            packages[name] = ""
            continue
        packages[name] = found.version
        needs = [Requirement(text) for text in found.requires or []]
        wanted += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return {"Python": platform.python_version(), LIBRARY: code_digest(), **dict(sorted(packages.items()))}


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """How the software of a worker differs from that of the driver, in a few words; empty when it does not.

    A package that only one of them needs, because their operating systems differ, is no difference.
    """
    found = []
    for name in [name for name in here if name in there and here[name] != there[name]]:
        if name == LIBRARY:
            found.append("another version of the library")
        else:
            found.append(f"{name} {there[name]} instead of {here[name] or 'none'}" if there[name] else f"no {name}")
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def _refuse_other_software(client: "Client") -> None:
    """An error that names the first worker on which a notebook could give another result, and what to do."""
    for address, there in sorted(client.run(software, on_error="return").items()):
        if isinstance(there, OSError):
            # It has just died; one that only seems so is asked again by each job.
            continue
        if isinstance(there, BaseException):
            raise _refused(address, f"it cannot load the library ({type(there).__name__}: {_one_line(there)})")
        if found := differences(software(), there):
            raise _refused(address, f"it has {found}")


def _refused(address: str, found: str) -> InputError:
    return InputError(
        f"worker {address} is refused, because {found}: install the same commit and requirements.lock there as here, "
        "and restart it"
    )


def _run_there(client: "Client", edition: Edition, jobs: list[Job], slices: Slices) -> Generator[Outcome, None, None]:
    """The outcomes of the jobs as they end; what is not started yet is dropped when the client is closed."""
    from distributed import as_completed

    waiting = iter(jobs)
    running: dict[Future, Job] = {}
    done = as_completed(loop=client.loop)
    shared = _shared(client, edition)
    # One group of tasks, so that the scheduler keeps what is too much for the workers until one of them is free.
    group = f"sections-{uuid.uuid4().hex}"

    def keep_busy() -> None:
        threads = sum(client.nthreads().values())
        while len(running) < max(1, AHEAD * threads) and (job := next(waiting, None)):
            key = (group, job.area_code, job.plan.notebook)
            future = client.submit(run_parcel, _parcel(job, slices), shared, key=key, pure=False)
            running[future] = job
            done.add(future)

    keep_busy()
    for future in done:
        outcome = _outcome(client, running.pop(future), future)
        keep_busy()
        yield outcome


def _shared(client: "Client", edition: Edition) -> "Future":
    """What all jobs share, as a task and not as scattered data: when the workers that hold it die, it is run again."""
    bundle = _bundle(
        {f"{PROJECT}/editions/{edition.name}.yml": project_root() / "editions" / f"{edition.name}.yml"}
        | _below(reference_folder(), f"{PROJECT}/data/reference")
    )
    key = f"shared-{digest([hashlib.sha256(bundle).hexdigest(), software()])}"
    return client.submit(Shared, bundle, software(), key=key)


def _parcel(job: Job, slices: Slices) -> Parcel:
    try:
        with explained(job.staging.parent):
            slices.write(job.plan, job.area_code, job.processed)
        files = {f"{PROJECT}/notebooks/{job.notebook.name}": job.notebook} | _below(job.processed, INPUTS)
        return Parcel(job.plan, job.area_code, job.parameters, job.cell_timeout_seconds, _bundle(files))
    finally:
        shutil.rmtree(job.processed, ignore_errors=True)


def run_parcel(parcel: Parcel, shared: Shared) -> Returned:
    """Run a job on the worker that this process is, in a folder of its own that is gone at the end.

    Errors: this worker has other software than the driver, as one that joined after the run began may have.
    """
    from distributed import get_worker

    if found := differences(shared.software, software()):
        raise _refused(get_worker().address, f"it has {found}")
    # In the worker's own folder, which the next worker there sweeps if this one is killed.
    with tempfile.TemporaryDirectory(dir=get_worker().local_directory, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for bundle in (shared.bundle, parcel.bundle):
            with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
                archive.extractall(folder)
        engine, room = _means()
        job = Job(
            plan=parcel.plan,
            area_code=parcel.area_code,
            notebook=folder / PROJECT / "notebooks" / f"{parcel.plan.notebook}.ipynb",
            parameters=parcel.parameters,
            processed=folder / INPUTS,
            staging=folder / STAGING,
            cell_timeout_seconds=parcel.cell_timeout_seconds,
            engine=engine,
            root=folder / PROJECT,
        )
        with room.for_one():
            outcome = run(job)
        written = {name: job.staging / name for name in _expected(job.plan) if (job.staging / name).is_file()}
        return Returned(outcome.cause, outcome.seconds, _bundle(written))


@cache
def _means() -> tuple[str, Room]:
    """The engine of this worker, and the room that the jobs of all its threads share."""
    # Two first jobs at once may each make one; all later ones share what was kept.
    engine = choose("auto")
    return engine, Room(engine)


def _outcome(client: "Client", job: Job, future: "Future") -> Outcome:
    """What became of a job that is over: what the section wrote is in its staging folder, as after a run here."""
    from distributed import CancelledError, KilledWorker

    try:
        returned = future.result()
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
    cause = unpack(returned.bundle, job) or returned.cause
    return Outcome(job, cause, returned.seconds, list(job.plan.outputs))


def unpack(bundle: bytes, job: Job) -> str:
    """Write what a worker sent to the staging folder of its job: all of it, or nothing and the reason why."""
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            content = {entry.filename: entry for entry in archive.infolist()}
            if strange := sorted(set(content) - _expected(job.plan)):
                return f"the worker sent {strange[0]!r}, which the section does not declare"
            files = {name: archive.read(entry) for name, entry in content.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        return f"what the worker sent cannot be unpacked ({_one_line(error)})"
    with explained(job.staging.parent):
        for name, data in files.items():
            path = job.staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return ""


def _expected(plan: SectionPlan) -> set[str]:
    """The names of all files that a section may bring: a file of any other name, and so any other path, is refused."""
    outputs = {
        name for output in plan.outputs for name in (OUTPUT_FACTS.format(output), *output_files({"output": output}))
    }
    return {EXECUTED} | outputs


def _below(folder: Path, prefix: str) -> dict[str, Path]:
    """The files of a folder and the folders in it by the name they get in a bundle; JupyterLab's copies stay here."""
    files = [path for path in folder.rglob("*") if path.is_file() and CHECKPOINTS not in path.parts]
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in files}


def _bundle(files: dict[str, Path]) -> bytes:
    """Files by name as one zip without dates, so that the same files are the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, path in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
