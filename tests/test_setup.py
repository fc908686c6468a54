"""What a fresh machine gets: files that agree, hold no address and no path of a machine, and stay clean."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = DECLARED["project"]
ADDRESS = re.compile(r"(https?|ftp|git|file)://|--(extra-)?index-url|--find-links|--trusted-host", re.IGNORECASE)
# A home or work folder of a machine, on Unix or Windows; the folders of every Linux (/dev, /proc, /usr) are no one's.
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(home|root|Users|work|mnt|opt|srv|private|tmp|var)/[\w.-]+|\b[A-Z]:\\\w+")


def committed_files(root=ROOT):
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    return [root / name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()]


def notebooks_in(root):
    """The notebooks that git has or would take: what it ignores, as JupyterLab's checkpoints, is none."""
    return sorted(path for path in committed_files(root) if path.suffix == ".ipynb")


NOTEBOOKS = notebooks_in(ROOT)


def requirements(lines):
    return {(parsed.name, str(parsed.specifier)) for parsed in map(Requirement, lines)}


def test_conda_environment_equals_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip[-1] == "-e ."
    assert requirements(pip[:-1]) == requirements(PROJECT["dependencies"])
    assert {"jupyterlab", "pandas", "seaborn", "statsmodels", "papermill"} <= {
        name for name, _ in requirements(pip[:-1])
    }


def left_behind(package_data):
    """Files beside the code, such as templates, that an installation would be without."""
    source = ROOT / "src"
    carried = {
        path
        for package, patterns in package_data.items()
        for pattern in patterns
        for path in (source / package.replace(".", "/")).glob(pattern)
    }
    beside = [path for path in committed_files() if path.is_relative_to(source) and path.suffix != ".py"]
    return {path.name for path in beside if path not in carried}


def test_an_installation_has_the_files_beside_the_code():
    package_data = DECLARED["tool"]["setuptools"]["package-data"]
    assert left_behind(package_data) == set()
    del package_data["analysis"]
    assert left_behind(package_data) == {"output.html.j2", "style.mplstyle"}, "the check can fail"


def test_the_lock_holds_every_requirement_with_hashes():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[requirement.name]), requirement
    blocks = re.split(r"\n(?=[a-z0-9-]+==)", lock)
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)


@pytest.mark.parametrize("name", ["requirements.lock", "environment.yml", "pyproject.toml", "Makefile"])
def test_no_download_address(name):
    assert not ADDRESS.search((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", ["--extra-index-url x", "a @ https://host/a.whl", "git+ssh @ git://host/a"])
def test_the_address_check_can_fail(line):
    assert ADDRESS.search(line)


def test_no_committed_file_holds_a_path_of_a_machine():
    for path in committed_files():
        if path.suffix in (".gz", ".xlsx", ".png", ".parquet", ".lock") or path.name == "test_setup.py":
            continue
        found = MACHINE_PATH.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(ROOT)}: {found.group()}"


@pytest.mark.parametrize("text", ["/home/anna/x", 'open("/Users/anna/x")', r"C:\Users\anna", "see /root/project"])
def test_the_path_check_can_fail(text):
    assert MACHINE_PATH.search(text)


def test_code_and_notebooks_are_clean():
    for command in (["check"], ["format", "--check"]):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=ROOT, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout


def test_checkpoints_of_jupyterlab_are_no_notebooks_of_the_project(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for name in ("01_a", ".ipynb_checkpoints/01_a-checkpoint", "templates/.ipynb_checkpoints/b-checkpoint"):
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    assert notebooks_in(tmp_path) == [tmp_path / "notebooks" / "01_a.ipynb"]
    assert len(NOTEBOOKS) == len({path.stem for path in NOTEBOOKS}) > 9


def test_a_changed_notebook_is_shown_by_its_changed_line(tmp_path):
    asked = subprocess.run(["git", "check-attr", "diff", "--", NOTEBOOKS[0]], cwd=ROOT, capture_output=True, text=True)
    assert asked.stdout.strip().endswith("diff: jupyternotebook")
    notebook = json.loads(NOTEBOOKS[0].read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code" and len(cell["source"]) > 2)
    before = cell["source"][1].rstrip("\n")
    cell["source"][1] = f"{before}  # ny linje\n"
    changed = tmp_path / "changed.ipynb"
    # Written in another way, which is no change of the notebook: a plain diff would show every line.
    changed.write_text(json.dumps(notebook, indent=4, sort_keys=True), encoding="utf-8")
    shown = subprocess.run(
        [Path(sys.executable).with_name("nbdiff"), "--no-color", NOTEBOOKS[0], changed], capture_output=True, text=True
    ).stdout.splitlines()
    lines = [line for line in shown if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))]
    assert lines == [f"-{before}", f"+{before}  # ny linje"]


def test_raw_data_is_small():
    size = sum(path.stat().st_size for path in (ROOT / "data" / "raw" / "2025").iterdir())
    assert size < 25e6


def test_nothing_that_may_not_be_committed_is():
    names = {path.name for path in committed_files()}
    assert not {name for name in names if "thoran" in name or "jonasrex" in name or "razz7" in name or "komgrp" in name}


def test_the_kernel_of_the_notebooks_is_the_one_set_up():
    for path in NOTEBOOKS:
        assert json.loads(path.read_text(encoding="utf-8"))["metadata"]["kernelspec"]["name"] == "python3"
