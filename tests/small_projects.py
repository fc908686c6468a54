"""Small projects with two sections of their own, for the tests that run whole reports."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml
from conftest import noegletal
from kernel_runs import PARAMETERS
from small_edition import SmallEdition

PUBLISH = """
import pandas as pd
from analysis import section
afsnit = section.Section("{name}", edition, area)
frame = pd.DataFrame({{"Navn": ["a"], "Tal": ["{text}"]}})
afsnit.table("tabel_{name}", frame, title="En tabel", data=frame)
"""


def notebook(path, *cells, tag="parameters"):
    made = nbformat.v4.new_notebook()
    for position, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source)
        if position == 0 and tag:
            cell.metadata["tags"] = [tag]
        made.cells.append(cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)
    return path


class Project:
    """A small project of its own with two sections, on the small edition under the name of the real one."""

    def __init__(self, root, processed, small_root=None):
        self.root = root
        self.raw = root / "data" / "raw" / "2025"
        self.processed = processed
        self.out = root / "reports"
        self.report = self.out / "2025" / "hovedstaden"
        self.edition = root / "editions" / "2025.yml"
        if small_root:
            self.make(SmallEdition(small_root))

    def make(self, small):
        reference = shutil.copytree(small.reference, self.root / "data" / "reference")
        shutil.copytree(small.raw, self.raw)
        # Few printed figures to compare with: comparing all of them takes longer than the sections.
        for printed in (reference / "published").glob("*.csv"):
            lines = printed.read_text(encoding="utf-8").splitlines(keepends=True)
            printed.write_text("".join(lines[:2]), encoding="utf-8")
        edition = yaml.safe_load(small.file.read_text(encoding="utf-8"))
        edition |= {"cell_timeout_seconds": 120, "published": "noegletalsrapport_2025.csv"}
        self.edition.parent.mkdir()
        self.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
        (self.edition.parent / "default.txt").write_text(f"{self.edition.stem}\n", encoding="utf-8")
        self.sections("01_a", "02_b")

    def sections(self, *names):
        """Give the project these sections and no other, each with a table."""
        edition = yaml.safe_load(self.edition.read_text(encoding="utf-8"))
        edition["sections"] = [
            {"notebook": name, "title": f"Afsnit {name}", "outputs": [f"tabel_{name}"]} for name in names
        ]
        self.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
        for name in names:
            self.section(name, PUBLISH.format(name=name, text="foerste udgave"))

    def section(self, name, *cells, tag="parameters"):
        return notebook(self.root / "notebooks" / f"{name}.ipynb", PARAMETERS, *cells, tag=tag)

    def command(self, *more, formats=("--format", "site")):
        return [
            sys.executable, "-c", "from noegletal.cli import main; main()", "report", "--edition", "2025",
            "--raw", str(self.raw), "--processed", str(self.processed), "--out", str(self.out), *formats, *more,
        ]  # fmt: skip

    def run_process(self, *more, formats=("--format", "site"), **variables):
        """A report as it is made at the command line, for what depends on the process that makes it."""
        environment = os.environ | {"NOEGLETAL_ROOT": str(self.root)} | variables
        command = self.command(*more, formats=formats)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)

    def run(self, *more):
        """A report made in this process: the preloader of its kernels stays for the next, which spares seconds."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warmkernel.engine.stop", lambda: None)
            return self.command_here("report", "--format", "site", *more)

    def command_here(self, name, *more):
        """A command on the same folders, in this process."""
        command = self.command(*more, formats=[])
        arguments = [name, *command[command.index("report") + 1 :]]
        return noegletal(*arguments, NOEGLETAL_ROOT=str(self.root))

    def page(self, name="01_a"):
        return (self.report / f"{name}.html").read_text(encoding="utf-8")

    def litter(self):
        return [path.name for path in self.out.rglob(".*")]
