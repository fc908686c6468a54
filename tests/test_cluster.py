"""Jobs on a real Dask cluster: the same files as a run here; workers that differ, die or are not there."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import psutil
import pytest
from conftest import ROOT
from kernel_runs import wait_for
from small_edition import looking_at
from small_projects import PUBLISH

import analysis
from analysis.areas import find_area
from analysis.edition import SectionPlan, load_edition
from analysis.errors import InputError
from noegletal.publish.manifest import EXECUTED
from noegletal.runner import cluster
from noegletal.runner.execute import Job
from noegletal.runner.report import run_report

pytestmark = pytest.mark.long
# Imported by every Python process of a worker and its kernels: notes each file they open in the folders named.
WATCH = """
import os, sys
watched, told = tuple(os.environ["WATCHED"].split(os.pathsep)), os.environ["WATCH_LOG"]
def note(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith(watched):
            log = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(log, path.encode() + b"\\n")
            os.close(log)
sys.addaudithook(note)
"""
# The first time, says where it runs and waits to be let go; later it does neither.
WAIT = """
import os, time
from pathlib import Path
began = Path({began!r})
if not began.exists():
    told = began.with_suffix(".new")
    told.write_text(f"{{os.getpid()}} {{os.environ['NOEGLETAL_ROOT']}}")
    told.rename(began)
    while not began.with_suffix(".go").exists() and time.time() < began.stat().st_mtime + 100:
        time.sleep(0.05)
"""


class Cluster:
    """A Dask scheduler and workers, processes of this machine, in a folder that has nothing of any project."""

    def __init__(self, folder, **settings):
        self.folder = folder
        watched = [folder.parent / "test_", ROOT / "data", ROOT / "editions", ROOT / "notebooks"]
        self.log = folder / "opened"
        self.workers = {}
        (folder / "watch").mkdir()
        (folder / "watch" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
        self.environment = os.environ | {
            "NOEGLETAL_ROOT": str(folder / "nowhere"),
            "PYTHONPATH": os.pathsep.join([str(folder / "watch"), os.environ.get("PYTHONPATH", "")]),
            "WATCHED": os.pathsep.join(map(str, watched)),
            "WATCH_LOG": str(self.log),
        }
        known = folder / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(known), **settings
        )
        try:
            wait_for(known.exists, 60)
        except BaseException:
            self.close()
            raise
        self.address = json.loads(known.read_text(encoding="utf-8"))["address"]

    def _start(self, kind, *options, name="", **environment):
        work = self.folder / (name or kind)
        work.mkdir()
        with (work / "log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", kind, "--host", "127.0.0.1", "--no-dashboard", *options],
                cwd=work, env=self.environment | environment, stdout=log, stderr=log,
            )  # fmt: skip

    def said(self, name):
        return (self.folder / name / "log").read_text(encoding="utf-8")

    def worker(self, name, **environment):
        folder = self.folder / name
        self.workers[name] = self._start(
            "worker", self.address, "--no-nanny", "--nthreads", "1", "--local-directory", str(folder),
            name=name, **environment,
        )  # fmt: skip
        wait_for(lambda: "Registered to:" in self.said(name), 60)
        return self.said(name).split("Start worker at:")[1].split()[0]

    def ensure(self, count):
        """At least so many sound workers."""
        while sum(process.poll() is None for process in self.workers.values()) < count:
            self.worker(f"worker{len(self.workers)}")

    def end(self, *names):
        ending = [self.workers[name] for name in names]
        for process in ending:
            process.terminate()
        for process in ending:
            process.wait(60)

    def close(self):
        """End everything; nothing may be left."""
        try:
            # The scheduler last: a worker that loses it while it ends can hang.
            self.end(*self.workers)
            self.scheduler.terminate()
            self.scheduler.wait(60)
            wait_for(lambda: not self.left(), 60)
        finally:
            for process in self.left():
                process.kill()

    def left(self):
        """What runs with a folder of this cluster in its command or its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                told = [*process.cmdline(), *process.environ().values()]
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if process.status() != psutil.STATUS_ZOMBIE and any(str(self.folder) in text for text in told):
                found.append(process)
        return found


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("dask"))
    yield made
    made.close()
    assert not made.log.exists(), "a worker or a kernel read from the driver's folders"


@pytest.fixture
def frail(tmp_path_factory):
    """A cluster that gives a job up when one worker died of it."""
    made = Cluster(tmp_path_factory.mktemp("frail"), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    yield made
    made.close()


@pytest.fixture
def driver(project):
    """Runs the report of the project from this process; returns what is told of it by area and section."""

    def run(scheduler, *places, only=()):
        codes = [find_area(place) for place in places or ["hovedstaden"]]
        reports, _ = run_report(
            load_edition("2025"), codes, only=list(only), formats=[], out=project.out, raw=project.raw,
            processed=project.processed, workers=1, scheduler=scheduler,
        )  # fmt: skip
        return {
            (place.folder.name, outcome.job.plan.notebook): outcome.cause
            for place in reports
            for outcome in place.outcomes
        }

    with looking_at(project.root):
        yield run


def sections(folder):
    """What the sections of a report brought, byte for byte."""
    found = [path for pattern in ("[0-9]*.html", "notebooks/*", "data/*") for path in folder.glob(pattern)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_same_files_as_a_run_here_from_workers_that_see_nothing_of_it(project, template, dask, driver):
    dask.ensure(1)
    assert driver(dask.address) == {("hovedstaden", "01_a"): "", ("hovedstaden", "02_b"): ""}
    assert len(sections(project.report)) == 8
    assert sections(project.report) == sections(template.report)
    assert project.litter() == []
    assert not dask.log.exists()


def test_sections_that_fail_are_told_and_kept_as_here(project, dask, driver):
    dask.ensure(1)
    project.section("01_a", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    # Nothing tells a kernel where the driver's folders are; and if one knew, the watch would see it.
    secret = project.root / "editions" / "2025.yml"
    hidden = "/".join(secret.parts[1:])
    project.section(
        "02_b",
        f"import os\nassert {project.root.name!r} not in os.getcwd()\n"
        f"assert not [value for value in os.environ.values() if {str(project.root.parent)!r} in value.split(':')]\n"
        f"assert not [name for name in ('NOEGLETAL_ROOT', 'NOEGLETAL_PROCESSED', 'NOEGLETAL_PUBLISH')\n"
        f"            if os.environ[name].startswith({str(project.root)!r})]\n"
        f"open('/' + {hidden!r}).close()",
        PUBLISH.format(name="02_b", text="anden udgave"),
    )
    assert driver(dask.address) == {("hovedstaden", "01_a"): "the kernel died", ("hovedstaden", "02_b"): ""}
    assert "anden udgave" in project.page("02_b")
    aside = project.out / "2025" / "_fejl" / "hovedstaden"
    assert (aside / "01_a.txt").read_text(encoding="utf-8") == "the kernel died\n"
    assert (aside / "01_a.ipynb").is_file()
    assert project.litter() == []
    assert set(dask.log.read_text(encoding="utf-8").split()) == {str(secret)}
    dask.log.unlink()


def test_a_worker_killed_midway_is_made_up_for_elsewhere(project, template, dask, driver, tmp_path_factory):
    dask.ensure(2)
    began = tmp_path_factory.mktemp("shared") / "began"
    project.section("01_a", WAIT.format(began=str(began)), PUBLISH.format(name="01_a", text="anden udgave"))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(driver, dask.address, "hovedstaden", "101")
        wait_for(began.exists, 100)
        kernel, root = began.read_text(encoding="utf-8").split()
        name = Path(root).relative_to(dask.folder).parts[0]
        dask.workers[name].send_signal(signal.SIGKILL)
        began.with_suffix(".go").touch()
        outcomes = run.result(200)
    assert outcomes == {(area, name): "" for area in ("hovedstaden", "koebenhavn") for name in ("01_a", "02_b")}
    assert dask.workers[name].wait(10) == -signal.SIGKILL
    wait_for(lambda: not psutil.pid_exists(int(kernel)), 60)
    there, here = sections(project.report), sections(template.report)
    assert {name: there[name] for name in there if "02_b" in name} == {
        name: here[name] for name in here if "02_b" in name
    }
    assert "anden udgave" in project.page("01_a")
    assert project.litter() == []


def test_a_worker_with_another_library_is_refused_also_when_it_joins_later(project, dask, driver, tmp_path_factory):
    dask.ensure(1)
    began = tmp_path_factory.mktemp("shared") / "began"
    project.section("01_a", WAIT.format(began=str(began)), PUBLISH.format(name="01_a", text="anden udgave"))
    other = tmp_path_factory.mktemp("library")
    library = Path(analysis.__file__).parents[1]
    shutil.copytree(library, other, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    with (other / "analysis" / "measures.py").open("a", encoding="utf-8") as module:
        module.write("# another line\n")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(driver, dask.address, "hovedstaden", "101", "147", "159")
        wait_for(began.exists, 100)
        address = dask.worker("other", PYTHONPATH=os.pathsep.join([str(other), dask.environment["PYTHONPATH"]]))
        refused = (
            f"worker {address} is refused, because it has another version of the library: install the same commit and "
            "requirements.lock there as here, and restart it"
        )
        with pytest.raises(InputError) as late:
            run.result(200)
    assert str(late.value) == refused
    began.with_suffix(".go").touch()
    assert not project.report.exists()
    assert project.litter() == []
    project.section("01_a", f"open({str(began.with_name('ran'))!r}, 'w').close()")
    with pytest.raises(InputError) as early:
        driver(dask.address)
    assert str(early.value) == refused
    assert not began.with_name("ran").exists(), "refused before a notebook starts"
    dask.end("other")


def test_a_worker_without_the_library_is_refused(dask, driver, tmp_path_factory):
    dask.ensure(1)
    empty = tmp_path_factory.mktemp("empty")
    (empty / "analysis").mkdir()
    (empty / "analysis" / "__init__.py").touch()
    address = dask.worker("empty", PYTHONPATH=str(empty))
    with pytest.raises(InputError, match=f"worker {address} is refused, because it cannot load the library .*analysis"):
        driver(dask.address)
    dask.end("empty")


def test_ctrl_c_leaves_the_cluster_and_the_report_as_they_were(project, dask, driver, tmp_path_factory):
    dask.ensure(1)
    began = tmp_path_factory.mktemp("shared") / "began"
    project.section("01_a", WAIT.format(began=str(began)), PUBLISH.format(name="01_a", text="anden udgave"))
    run = subprocess.Popen(
        project.command("--scheduler", dask.address, "--engine", "stock"),
        env=os.environ | {"NOEGLETAL_ROOT": str(project.root)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(began.exists, 100)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=100)
    assert run.returncode == 130, errors
    assert errors.strip().splitlines() == ["Stopped. What was published is whole; the next run goes on from there."]
    assert not project.report.exists()
    assert project.litter() == []
    began.with_suffix(".go").touch()
    assert driver(dask.address) == {("hovedstaden", "01_a"): "", ("hovedstaden", "02_b"): ""}


def test_a_section_that_kills_workers_fails_and_a_scheduler_that_dies_ends_the_run(
    project, frail, driver, monkeypatch, tmp_path_factory
):
    monkeypatch.setattr(cluster, "FIRST_WORKER_SECONDS", 0.2)
    with pytest.raises(InputError, match=f"the Dask scheduler at {frail.address} has no workers: start some with"):
        driver(frail.address)
    frail.ensure(2)
    project.section(
        "01_a",
        "import os, psutil\nworker = psutil.Process(os.getppid())\n"
        "worker = worker.parent() if 'preloader.py' in ' '.join(worker.cmdline()) else worker\nworker.kill()\n"
        "import time\ntime.sleep(60)",
    )
    outcomes = driver(frail.address)
    assert outcomes[("hovedstaden", "01_a")].startswith(
        "1 workers died while they ran it, the last at tcp://127.0.0.1:"
    )
    assert outcomes[("hovedstaden", "02_b")] == ""
    began = tmp_path_factory.mktemp("shared") / "began"
    project.section("02_b", WAIT.format(began=str(began)), PUBLISH.format(name="02_b", text="anden udgave"))
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(driver, frail.address, only=["02_b"])
        wait_for(began.exists, 100)
        frail.scheduler.kill()
        with pytest.raises(
            InputError, match=f"the Dask scheduler at {frail.address} is gone: what was published is whole"
        ):
            run.result(100)
    began.with_suffix(".go").touch()
    assert project.litter() == []


@pytest.mark.parametrize("listening", [False, True], ids=["nothing there", "something else there"])
def test_no_scheduler_at_the_address(driver, monkeypatch, listening):
    assert cluster.CONNECT_SECONDS <= 10
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if not listening:
            server.close()
        with pytest.raises(InputError, match=f"no Dask scheduler answers at {address}: give the address that"):
            driver(address)


def test_without_the_package(driver, monkeypatch):
    monkeypatch.delitem(sys.modules, "noegletal.runner.cluster")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r'needs the package distributed: install the project with .*".\[cluster\]"'):
        driver("tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({}, ""),
        ({"Python": "3.12.1"}, "Python 3.12.1 instead of 3.11.7"),
        ({"pandas": "3.0.0"}, "pandas 3.0.0 instead of 3.1.1"),
        ({"pandas": ""}, "no pandas"),
        ({"pywinpty": "3"}, ""),
        ({"pandas": "2", "numpy": "1", "scipy": "0", "Python": "3.12.1"}, "Python 3.12.1 .* numpy 1 .* and 1 more"),
    ],
    ids=["same", "Python", "older", "lacking", "of another system", "many"],
)
def test_what_differs_in_a_worker(there, found):
    here = {"Python": "3.11.7", cluster.LIBRARY: "a", "pandas": "3.1.1", "numpy": "2", "scipy": "1"}
    assert re.fullmatch(found, cluster.differences(here, here | there))


def test_the_packages_of_the_library_count():
    found = cluster.software()
    assert {"Python", cluster.LIBRARY, "pandas", "numpy", "papermill", "distributed"} <= set(found)
    assert all(found.values())
    assert "pytest" not in found


def test_checkpoints_of_jupyterlab_are_not_sent(tmp_path):
    for name in ("areas.csv", "forms/herberg.yml", ".ipynb_checkpoints/areas-checkpoint.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    sent = cluster._below(tmp_path, PurePosixPath("reference"))
    assert set(sent) == {"reference/areas.csv", "reference/forms/herberg.yml"}


@pytest.fixture
def job(tmp_path):
    plan = SectionPlan(notebook="01_a", title="A", outputs=["tabel_a"])
    return Job(plan, "084", tmp_path / "01_a.ipynb", {}, tmp_path / "inputs", tmp_path / "staging" / "01_a", 5)


def test_what_comes_back_is_kept(job):
    assert cluster.keep(dict.fromkeys([EXECUTED, "data/tabel_a.csv", "facts/tabel_a.json"], b"content"), job) == ""
    assert (job.staging / "data" / "tabel_a.csv").read_bytes() == b"content"


@pytest.mark.parametrize(
    "name", ["../escaped", "/escaped", "data/../../escaped", "data\\..\\escaped", "data/tabel_b.csv", "inputs/x"]
)
def test_a_file_that_the_section_does_not_declare_is_refused(job, tmp_path, name):
    cause = cluster.keep({EXECUTED: b"", name: b""}, job)
    assert cause.endswith("which the section does not declare")
    assert list(tmp_path.iterdir()) == []
