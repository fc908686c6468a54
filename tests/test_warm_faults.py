"""What goes wrong in a notebook goes wrong alike under both engines, and nothing stays running.

Run many times in a row: `for i in $(seq 50); do pytest -n 0 tests/test_warm_faults.py -k "not stock" || break; done`.
"""

import os
import signal
import subprocess
import sys
import threading
import uuid

import pytest
from conftest import ROOT
from kernel_runs import (
    Notebook,
    alive,
    both_engines,
    in_preloaders,
    needs_linux,
    pids,
    preloader_pids,
    running_with,
    wait_for,
)

from noegletal.runner import execute
from warmkernel import engine, provisioner

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups"),
]
# First cell of each: says who it is and starts a program that outlives any cell.
START = """
import os, signal, subprocess, time
from pathlib import Path
left = subprocess.Popen(["sleep", "600"])
def tell():
    Path("{told}.new").write_text(f"{{os.getpid()}}\\n{{left.pid}}\\n", encoding="ascii")
    os.rename("{told}.new", "{told}")
print("begun", flush=True)
"""


@pytest.fixture
def faulty(tmp_path):
    """Run a notebook whose second cell goes wrong; its processes are gone when it returns."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()

    def run(kind, cell, timeout=60):
        told = tmp_path / "told"
        done = Notebook(notebooks, kind, [START.format(told=told) + "tell()", cell, "print('went on')"], timeout).run()
        kernel, left = pids(told)
        wait_for(lambda: not alive(kernel) and not alive(left), 20)
        return done

    return run


@both_engines
@pytest.mark.parametrize(
    ("cell", "cause"),
    [
        ("os._exit(3)", "the kernel died"),
        ("import ctypes\nctypes.string_at(0)", "the kernel died"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the kernel died"),
        ("os.killpg(0, signal.SIGKILL)", "the kernel died"),
        ("import threading\nthreading.Thread(target=os.abort).start()\ntime.sleep(60)", "the kernel died"),
        ("raise ValueError('noget gik galt')", "cell 4 raised ValueError: noget gik galt"),
        ("import sys\nsys.exit(0)", "cell 4 raised SystemExit: 0"),
    ],
    ids=["exits", "segfault", "killed", "group killed", "a thread aborts", "raises", "sys.exit"],
)
def test_a_cell_that_ends_its_notebook(faulty, kind, cell, cause):
    done = faulty(kind, cell)
    assert done.cause == cause
    assert done.printed == "begun\n", "what it got to is kept"


@both_engines
@pytest.mark.parametrize(
    "cell",
    [
        "while True: pass",
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
        "subprocess.run(['sleep', '600'])",
    ],
    ids=["loops", "ignores signals", "waits for a program"],
)
def test_a_cell_that_takes_too_long(faulty, kind, cell):
    done = faulty(kind, cell, timeout=1)
    assert done.cause == "a cell ran for more than 1 s"
    assert done.printed == "begun\n"


@both_engines
@pytest.mark.parametrize(
    "cell",
    [
        "pass",
        "import threading\nthreading.Thread(target=time.sleep, args=[600]).start()",
        "import multiprocessing\nmultiprocessing.Process(target=time.sleep, args=[600]).start()",
    ],
    ids=["a program", "a thread", "a process"],
)
def test_what_a_good_notebook_leaves_running_ends_with_it(faulty, kind, cell):
    done = faulty(kind, cell)
    assert done.cause == ""
    assert done.printed == "begun\nwent on\n"


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """A preloader of its own for a test that ends it, soon ready."""
    folder = tmp_path / "quick"
    folder.mkdir()
    in_preloaders(monkeypatch, folder, "pass")


@both_engines
def test_a_stopped_run_kills_what_runs(tmp_path, kind):
    told = tmp_path / "told"
    (tmp_path / "notebooks").mkdir()
    running = Notebook(tmp_path / "notebooks", kind, [START.format(told=told) + "tell()\ntime.sleep(600)"])
    thread = threading.Thread(target=running.run)
    thread.start()
    kernel, left = pids(told)
    execute.stop_all()
    thread.join(60)
    assert running.cause == "the kernel died"
    wait_for(lambda: not alive(kernel) and not alive(left), 20)


DRIVER = """
import sys, threading
sys.modules["rfc3987_syntax"] = None
sys.path.insert(0, {tests!r})
from pathlib import Path
from kernel_runs import Notebook
folder = Path({folder!r})
cells = [{cell!r}.replace("TOLD", str(folder / name)) for name in ("one", "two")]
threads = [threading.Thread(target=Notebook(folder, {kind!r}, [cell]).run) for cell in cells]
for thread in threads:
    thread.start()
print("started", flush=True)
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize(
    ("kind", "when", "how"),
    [
        ("stock", "in a cell", signal.SIGKILL),
        pytest.param("warm", "in a cell", signal.SIGKILL, marks=needs_linux),
        pytest.param("warm", "in a cell", signal.SIGTERM, marks=needs_linux),
        pytest.param("warm", "at once", signal.SIGKILL, marks=needs_linux),
    ],
)
def test_nothing_outlives_the_driver(tmp_path, quick, kind, when, how):
    # Under the stock engine a kernel that finds its driver gone leaves its programs to themselves.
    cell = START.format(told="TOLD") + ("" if kind == "warm" else "left.kill()\n") + "tell()\ntime.sleep(600)"
    code = DRIVER.format(tests=str(ROOT / "tests"), folder=str(tmp_path), kind=kind, cell=cell)
    mark = str(uuid.uuid4())
    driver = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"NOEGLETAL_TEST": mark}, stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout.readline() == "started\n"
    if when == "in a cell":
        kernels = [pids(tmp_path / name)[0] for name in ("one", "two")]
        assert all(alive(kernel) for kernel in kernels)
    driver.send_signal(how)
    driver.wait(60)
    driver.stdout.close()
    wait_for(lambda: not running_with(mark), 60)


@needs_linux
def test_a_killed_preloader_fails_its_notebooks_and_no_others(tmp_path, quick):
    told = [tmp_path / "one", tmp_path / "two"]
    (tmp_path / "notebooks").mkdir()
    cells = [START.format(told=path) + "tell()\ntime.sleep(600)" for path in told]
    running = [Notebook(tmp_path / "notebooks", "warm", [cell]) for cell in cells]
    threads = [threading.Thread(target=notebook.run) for notebook in running]
    for thread in threads:
        thread.start()
    processes = [pid for path in told for pid in pids(path)]
    preloader = preloader_pids()[-1]
    os.kill(preloader, signal.SIGKILL)
    for thread in threads:
        thread.join(60)
    assert [notebook.cause for notebook in running] == ["the kernel died", "the kernel died"]
    assert [notebook.printed for notebook in running] == ["begun\n", "begun\n"]
    wait_for(lambda: not any(map(alive, processes)), 20)

    after = Notebook(tmp_path / "notebooks", "warm", ["print(6 * 7)"]).run()
    assert (after.cause, after.printed) == ("", "42\n")
    assert preloader not in preloader_pids()


@needs_linux
def test_a_preloader_that_hangs_is_replaced(tmp_path, quick):
    (tmp_path / "notebooks").mkdir()
    assert Notebook(tmp_path / "notebooks", "warm", []).run().cause == ""
    preloader = preloader_pids()[-1]
    os.kill(preloader, signal.SIGSTOP)
    list(provisioner._preloaders.values())[-1]._socket.settimeout(0.2)
    assert Notebook(tmp_path / "notebooks", "warm", []).run().cause == ""
    assert not alive(preloader)


@needs_linux
def test_stopping_the_engine_ends_preloader_and_kernels(tmp_path, quick):
    told = tmp_path / "told"
    (tmp_path / "notebooks").mkdir()
    running = Notebook(tmp_path / "notebooks", "warm", [START.format(told=told) + "tell()\ntime.sleep(600)"])
    thread = threading.Thread(target=running.run)
    thread.start()
    kernel, left = pids(told)
    preloader = preloader_pids()[-1]
    engine.stop()
    thread.join(60)
    assert running.cause == "the kernel died"
    wait_for(lambda: not any(map(alive, (preloader, kernel, left))), 20)
    assert preloader_pids() == []
