"""The strict runner with real kernels: what papermill lets through fails here, and what was published stays."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from kernel_runs import wait_for
from small_projects import PUBLISH, notebook

from analysis.errors import InputError
from noegletal.folders import explained
from noegletal.publish.manifest import PAGES
from noegletal.runner.parameters import checked_parameters, declared_parameters


def test_a_good_run_publishes_everything(published):
    names = {path.relative_to(published.report).as_posix() for path in published.report.rglob("*") if path.is_file()}
    assert names == {
        *PAGES, "manifest.json", "01_a.html", "02_b.html",
        "notebooks/01_a.ipynb", "notebooks/02_b.ipynb", "data/tabel_01_a.csv", "data/tabel_02_b.csv",
        "data/tabel_01_a.parquet", "data/tabel_02_b.parquet",
    }  # fmt: skip
    assert published.litter() == []
    assert "foerste udgave" in published.page()


BAD = {
    "01_exits": (["import sys\nsys.exit(0)", PUBLISH], "SystemExit"),
    "02_raises": (["raise ValueError('noget gik galt')"], "ValueError: noget gik galt"),
    "03_forgets_an_output": (["x = 1"], "declared output tabel_03_forgets_an_output was not published"),
    "04_dies": (["import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"], "the kernel died"),
    "05_publishes_another": ([PUBLISH.replace("tabel_{name}", "tabel_andet")], "not declared for 05_publishes_another"),
}


def test_bad_sections_leave_the_rest_done_and_their_last_good_pages(project):
    names = [*BAD, "06_good"]
    project.sections(*names)
    assert project.run().returncode == 0
    for name, (cells, _) in BAD.items():
        project.section(name, *[cell.format(name=name, text="anden udgave") for cell in cells])
    project.section("06_good", PUBLISH.format(name="06_good", text="anden udgave"))
    result = project.run()
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 sections done, 5 failed" in result.stdout
    aside = project.out / "2025" / "_fejl" / "hovedstaden"
    for name, (_, cause) in BAD.items():
        assert cause in result.stdout, result.stdout
        assert "foerste udgave" in project.page(name), "the last good page stays"
        assert cause in (aside / f"{name}.txt").read_text(encoding="utf-8")
        assert (aside / f"{name}.txt").read_text(encoding="utf-8").count("\n") == 1
        assert (aside / f"{name}.ipynb").is_file()
    assert "anden udgave" in project.page("06_good"), "the other section is new"
    for name in ("index", *names):
        assert ("kunne ikke dannes i seneste kørsel" in project.page(name)) == (name != "06_good"), name
        assert 'href="01_exits.html"' in project.page(name), "what is there is linked"
    assert project.litter() == []

    project.section("01_exits", PUBLISH.format(name="01_exits", text="tredje udgave"))
    assert project.run("--only", "01_exits").returncode == 0
    assert "tredje udgave" in project.page("01_exits")
    assert "kunne ikke dannes" not in project.page("01_exits")
    assert "anden udgave" in project.page("06_good")
    assert not (aside / "01_exits.txt").exists()
    assert (aside / "02_raises.txt").exists()


# What a notebook can be that is none: its bytes, and what is said of it.
SOUND = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
BROKEN = {
    "a git conflict": (f"{{\n<<<<<<< HEAD\n{SOUND[1:]}".encode(), "Invalid JSON"),
    "empty": (b"", "Invalid JSON"),
    "a mark": (b"\xef\xbb\xbf" + SOUND.encode(), "Invalid JSON"),
    "other letters": ('{"cells": "æ"}'.encode("cp1252"), "Invalid JSON"),
    "a list": (b"[]", "file: Input should be an object"),
    "no cells": (SOUND.replace("cells", "celler").encode(), "cells: Field required"),
    "no metadata": (SOUND.replace('"metadata": {},', "").encode(), "metadata: Field required"),
    "no version": (SOUND.replace("nbformat", "format").encode(), "nbformat: Field required"),
    "cells without what they are": (SOUND.replace("[]", "[{}]").encode(), "cells.0.cell_type: Field required"),
    "no parameters": (SOUND.encode(), "0 code cells tagged `parameters`"),
    "a directory": (None, "cannot be read: Is a directory"),
}


def broken(path, content):
    path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("state", BROKEN)
def test_a_broken_notebook_is_one_sentence_with_its_name(tmp_path, state):
    content, said = BROKEN[state]
    with pytest.raises(InputError, match=f"^a.ipynb .*{said}") as caught:
        declared_parameters(broken(tmp_path / "a.ipynb", content))
    assert "\n" not in str(caught.value)


@pytest.mark.long
def test_broken_notebooks_leave_the_rest_done_and_their_last_good_pages(published):
    """A section in each of three states, one of them with a page of an earlier run, and a sound one."""
    states = dict(zip(["01_a", "03_c", "04_d"], ["a git conflict", "a list", "a directory"], strict=True))
    published.sections(*states, "02_b")
    for name, state in states.items():
        broken(published.root / "notebooks" / f"{name}.ipynb", BROKEN[state][0])
    published.section("02_b", PUBLISH.format(name="02_b", text="anden udgave"))
    result = published.run()
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert "1 sections done, 3 failed" in result.stdout
    assert "anden udgave" in published.page("02_b")
    assert "foerste udgave" in published.page("01_a"), "the last good page stays"
    command = ["status" if word == "report" else word for word in published.command(formats=[])]
    environment = os.environ | {"NOEGLETAL_ROOT": str(published.root)}
    status = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert status.returncode == 0, status.stderr
    for name, state in states.items():
        said = f"{name}.ipynb cannot be read"
        assert said in result.stdout, state
        assert f"  {name}: {said}" in status.stdout, state
    assert "  02_b" not in status.stdout
    assert published.litter() == []


@pytest.mark.long
def test_a_cell_that_hangs_is_stopped_and_kept(published):
    edition = yaml.safe_load(published.edition.read_text(encoding="utf-8")) | {"cell_timeout_seconds": 3}
    published.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
    published.section("01_a", "import time\ntime.sleep(600)")
    result = published.run("--only", "01_a")
    assert result.returncode == 1
    assert "a cell ran for more than 3 s" in result.stdout
    assert "foerste udgave" in published.page("01_a")
    assert (published.out / "2025" / "_fejl" / "hovedstaden" / "01_a.ipynb").is_file()


@pytest.mark.long
def test_a_first_run_with_a_failure_still_publishes_the_rest(project):
    project.section("01_a", "1 / 0")
    result = project.run()
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stdout
    assert not (project.report / "01_a.html").exists()
    assert "foerste udgave" in project.page("02_b")


def renamed(project):
    """Let the edition file call the output of 01_a otherwise than its notebook."""
    edition = yaml.safe_load(project.edition.read_text(encoding="utf-8"))
    edition["sections"][0]["outputs"] = ["tabel_ny"]
    project.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
    return "output 'tabel_01_a' is not declared for 01_a in the edition file"


def removed(*names):
    def remove(project):
        for name in names:
            (project.report / name).unlink()
        project.section("01_a", "raise ValueError('noget gik galt')")
        return "ValueError: noget gik galt"

    return remove


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (renamed, True),
        pytest.param(removed("data/tabel_01_a.csv"), True, marks=pytest.mark.long),
        pytest.param(removed("01_a.html"), False, marks=pytest.mark.long),
    ],
    ids=["no longer declared", "its file removed", "its page removed"],
)
def test_an_output_that_is_gone_costs_its_own_section_alone(published, change, kept):
    cause = change(published)
    published.section("02_b", PUBLISH.format(name="02_b", text="anden udgave"))
    result = published.run("--format", "workbook")
    assert result.returncode == 1
    assert cause in result.stdout
    assert result.stderr == ""
    assert "1 sections done, 1 failed" in result.stdout
    assert "was not made" not in result.stdout
    assert "anden udgave" in published.page("02_b")
    assert "kunne ikke dannes i seneste kørsel" in published.page("index")
    assert (published.report / "01_a.html").is_file() == kept
    assert not kept or "foerste udgave" in published.page("01_a")


@pytest.mark.long
def test_what_is_no_longer_declared_goes_when_its_section_is_made_again(published):
    renamed(published)
    published.section("01_a", PUBLISH.format(name="01_a", text="anden udgave").replace("tabel_01_a", "tabel_ny"))
    for name in ("noter.txt", "spor/laesoe.html"):
        (published.report / name).parent.mkdir(exist_ok=True)
        (published.report / name).write_text("x", encoding="utf-8")
    assert published.run().returncode == 0
    kept = {path.name for path in published.report.glob("data/*")}
    assert kept == {f"{output}.{kind}" for output in ("tabel_ny", "tabel_02_b") for kind in ("csv", "parquet")}
    assert (published.report / "noter.txt").read_text(encoding="utf-8") == "x", "somebody's own file"
    assert not (published.report / "spor").exists(), "pages of rows that reports had once"


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot make .*tabel.csv is missing; what was there"), explained(tmp_path):
        (tmp_path / "tabel.csv").read_bytes()


@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGKILL], ids=["ctrl-c", "kill -9"]
)
def test_a_stopped_run_leaves_nothing_half_written(published, tmp_path, how):
    before = {path: path.read_bytes() for path in published.report.rglob("*") if path.is_file()}
    started = tmp_path / "started"
    cell = f"from pathlib import Path\nPath({str(started)!r}).touch()\nimport time\ntime.sleep(30)"
    published.section("01_a", cell, PUBLISH.format(name="01_a", text="anden udgave"))
    run = subprocess.Popen(
        published.command(), env=os.environ | {"NOEGLETAL_ROOT": str(published.root)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(started.exists)
    run.send_signal(how)
    _, errors = run.communicate(timeout=300)
    assert run.returncode != 0
    after = {path: path.read_bytes() for path in published.report.rglob("*") if path.is_file()}
    assert after == before
    if how == signal.SIGINT:
        said = "Stopped. What was published is whole; the next run goes on from there."
        assert errors.strip().splitlines()[-1] == said
        assert published.litter() == []
    published.section("01_a", PUBLISH.format(name="01_a", text="tredje udgave"))
    assert published.run().returncode == 0
    assert published.litter() == [], "the next run sweeps"


def test_a_run_killed_between_the_two_renames_is_mended(published):
    published.report.rename(published.report.with_name(".hovedstaden.old"))
    assert published.run("--only", "01_a").returncode == 0
    assert "foerste udgave" in published.page("02_b")
    assert published.litter() == []


def test_an_output_folder_that_cannot_be_made(project):
    project.out = project.root / "a file"
    project.out.write_text("in the way", encoding="utf-8")
    result = project.run()
    assert result.returncode == 1
    assert result.stderr.startswith("Error: cannot write to ")
    assert "Traceback" not in result.stderr
    assert project.out.read_text(encoding="utf-8") == "in the way"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, large enough for a report and little more; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"no right to mount a small disk here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_last_good_report(project, small_disk):
    project.out = small_disk / "reports"
    project.report = project.out / "2025" / "hovedstaden"
    assert project.run().returncode == 0
    before = {path: path.read_bytes() for path in project.report.rglob("*") if path.is_file()}
    filler = small_disk / "filler"
    free = shutil.disk_usage(small_disk).free
    filler.write_bytes(b"x" * max(free - 8192, 1))
    project.section("01_a", PUBLISH.format(name="01_a", text="anden udgave " * 2000))
    result = project.run_process()
    assert result.returncode == 1
    assert "No space left on device" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    filler.unlink()
    assert {path: path.read_bytes() for path in before} == before


LAST_RENAME_FAILS = """
from pathlib import Path
rename = Path.rename
def refuse(path, target):
    if path.name.endswith(".new"):
        raise OSError(28, "No space left on device")
    return rename(path, target)
Path.rename = refuse
"""


def test_a_run_that_fails_at_the_last_moment_has_not_changed_a_byte(published):
    """What stays is in the new folder as the same files: whoever wrote to one would change the report that is there."""
    formats = [option for name in ("site", "slides", "workbook") for option in ("--format", name)]
    environment = os.environ | {"NOEGLETAL_ROOT": str(published.root)}
    command = published.command("--force", formats=formats)
    assert subprocess.run(command, env=environment, capture_output=True, timeout=400).returncode == 0
    before = {path: path.read_bytes() for path in published.report.rglob("*") if path.is_file()}
    published.section("01_a", PUBLISH.format(name="01_a", text="anden udgave"))
    command[2] = LAST_RENAME_FAILS + command[2]
    command.remove("--force")
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert result.returncode == 1
    assert (
        f"cannot write to {published.report}: No space left on device; what was there" in result.stdout + result.stderr
    )
    assert {path: path.read_bytes() for path in published.report.rglob("*") if path.is_file()} == before
    assert published.litter() == []


def test_a_read_only_disk(project, small_disk):
    project.out = small_disk / "reports"
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result = project.run()
    assert result.returncode == 1
    assert "Read-only file system" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.long
def test_two_runs_give_the_same_notebooks_and_figures(published):
    kept = ["notebooks/01_a.ipynb", "data/tabel_01_a.csv", "01_a.html"]
    before = {name: (published.report / name).read_bytes() for name in kept}
    assert published.run("--force").returncode == 0
    assert {name: (published.report / name).read_bytes() for name in kept} == before


# What is wrong with the request is found before anything starts.


def test_declared_parameters(tmp_path):
    path = notebook(tmp_path / "a.ipynb", 'edition: str = "2025"\nthreshold: int = 5\nshare: float = 0.5')
    assert declared_parameters(path) == {"edition": (str, "2025"), "threshold": (int, 5), "share": (float, 0.5)}
    assert checked_parameters(path, {"threshold": 3}) == {"threshold": 3}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"editon": "2025"}, r"no parameter 'editon' \(it has edition, threshold\); did you mean 'edition'"),
        ({"threshold": "3"}, "threshold must be int, not '3'"),
        ({"edition": 2025}, "edition must be str, not 2025"),
        ({"threshold": True}, "threshold must be int, not True"),
    ],
)
def test_wrong_parameters(tmp_path, given, message):
    path = notebook(tmp_path / "a.ipynb", 'edition: str = "2025"\nthreshold: int = 5')
    with pytest.raises(InputError, match=f"a.ipynb.*{message}"):
        checked_parameters(path, given)


@pytest.mark.parametrize(
    ("cell", "tag", "message"),
    [
        ('edition: str = "2025"', None, "0 code cells tagged"),
        ('edition = "2025"', "parameters", "must be `name: type = value`"),
        ('edition: list = ["2025"]', "parameters", "must be `name: type = value`"),
        ('threshold: int = "5"', "parameters", "declared int, its default is '5'"),
        ("threshold: int = len('5')", "parameters", "declared int, its default is len"),
        ("threshold: int =", "parameters", "a.ipynb: the cell tagged `parameters` is not Python"),
    ],
)
def test_wrong_parameter_cells(tmp_path, cell, tag, message):
    with pytest.raises(InputError, match=message):
        declared_parameters(notebook(tmp_path / "a.ipynb", cell, tag=tag))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"aldersgrupe": "voksne"}}, "01_a.ipynb has no parameter 'aldersgrupe'"),
        ({"notebook": "01_x"}, "names section 01_x, but notebooks/ has no such file"),
    ],
)
def test_a_misspelt_edition_file_stops_before_any_notebook(project, change, message):
    edition = yaml.safe_load(project.edition.read_text(encoding="utf-8"))
    edition["sections"][0] |= change
    project.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
    result = project.run()
    assert result.returncode == 1
    assert message in result.stderr
    assert not project.out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--area", "Kjøbenhavn"], "area 'Kjøbenhavn' is not known; nearest names: København"),
        (["--only", "01_c"], "section '01_c' is not in editions/2025.yml; it has: 01_a, 02_b"),
        (["--edition", "2052"], "edition '2052' does not exist"),
    ],
)
def test_a_misspelt_request(project, arguments, message):
    result = project.run(*arguments)
    assert result.returncode == 1
    assert message in result.stderr
    assert not project.out.exists()
    assert not Path(project.root / "kernel-ipc").exists()
