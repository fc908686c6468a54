"""Small notebooks run by either engine, and what is left of them, for the tests of the engines."""

import os
import sys
import time
from pathlib import Path

import nbformat
import pytest

from analysis.edition import SectionPlan
from noegletal.publish.manifest import EXECUTED
from noegletal.runner.execute import Job, run
from warmkernel import provisioner

PARAMETERS = 'edition: str = "2025"\narea: str = "hovedstaden"'
GIVEN = {"edition": "2025", "area": "hovedstaden"}
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")
both_engines = pytest.mark.parametrize("kind", ["stock", pytest.param("warm", marks=needs_linux)])


class Notebook:
    """A notebook of a few cells, executed by the runner as a section that must publish nothing."""

    def __init__(self, folder, kind, cells, timeout=60):
        self.staging = folder / f"{kind}-{len(list(folder.glob('*-*')))}"
        self.staging.mkdir(parents=True)
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (PARAMETERS, *cells)])
        made.cells[0].metadata["tags"] = ["parameters"]
        source = self.staging / "source.ipynb"
        nbformat.write(made, source)
        plan = SectionPlan.model_construct(notebook="01_a", title="Afsnit", parameters={}, outputs=[])
        self.job = Job(plan, "hovedstaden", source, GIVEN, folder, self.staging, timeout, engine=kind)

    def run(self):
        """Run it to its end; what it printed and why it failed are there then."""
        self.cause = run(self.job).cause
        return self

    @property
    def executed(self):
        return nbformat.read(self.staging / EXECUTED, as_version=4)

    @property
    def printed(self):
        outputs = [output for cell in self.executed.cells for output in cell.get("outputs", [])]
        return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def pids(path):
    """The process numbers that a notebook wrote into a file, once they are there."""
    wait_for(lambda: path.is_file() and path.read_text(encoding="ascii").endswith("\n"))
    return [int(line) for line in path.read_text(encoding="ascii").split()]


def alive(pid):
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def running_with(mark):
    """The processes whose environment holds a mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes() and alive(folder.name):
                found.append(int(folder.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def preloader_pids():
    """The processes that kernels of this test process are forked from, in the order they were started."""
    return [preloader.pid for preloader in provisioner._preloaders.values()]


def in_preloaders(monkeypatch, folder, code):
    """Let preloaders start from now on with some code, and without the packages that take long to import."""
    # Python imports it at the start of each interpreter, before anything of ours.
    lines = [
        "for name in ('analysis', 'pandas', 'pyarrow', 'seaborn', 'statsmodels'): sys.modules[name] = None",
        *code.splitlines(),
    ]
    text = "import sys\nif any('preloader' in part for part in sys.orig_argv):\n" + "".join(
        f"    {line}\n" for line in lines
    )
    (folder / "sitecustomize.py").write_text(text, encoding="ascii")
    monkeypatch.setenv("PYTHONPATH", str(folder))
