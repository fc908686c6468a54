"""The house: who may import whom, how large its rooms are, and what a change in one of them makes stale."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from small_edition import looking_at

from analysis.edition import load_edition, raw_folder
from noegletal.figures import freshness
from noegletal.runner.plan import plan_area, stale_build, vintage_names

SRC = ROOT / "src"
LIBRARY_LINES, MODULES = 5_000, 16
# One line too many in a module of each room, and the contract that it breaks.
FORBIDDEN = {
    "analysis/danish.py": ("import noegletal.rules", "What notebooks import"),
    "warmkernel/engine.py": ("import analysis.areas", "Forked kernels"),
    "noegletal/facts/sums.py": ("import noegletal.publish.manifest", "Rooms of the machine"),
}


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(SRC, tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))


def add(path, line):
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")


def contracts(source):
    """Exit code and lines of import-linter on the packages of a folder."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", code, "--config", ROOT / "pyproject.toml", "--no-cache"],
        cwd=source, env=os.environ | {"PYTHONPATH": str(source), "COLUMNS": "200"}, capture_output=True, text=True,
    )  # fmt: skip
    return result.returncode, result.stdout.splitlines()


def test_who_may_import_whom():
    code, lines = contracts(SRC)
    assert code == 0, lines
    assert "Contracts: 3 kept, 0 broken." in lines


def test_an_import_in_the_wrong_direction_is_found(copied):
    for module, (line, _) in FORBIDDEN.items():
        add(copied / module, line)
    code, lines = contracts(copied)
    assert code == 1
    for _, contract in FORBIDDEN.values():
        assert any(line.startswith(contract) and line.endswith("BROKEN") for line in lines), lines


def library_lines(source):
    """The lines of what a notebook can import; herberger are a subject of their own."""
    modules = [path for path in (source / "analysis").rglob("*.py") if "herberg" not in path.parts]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in modules)


def crowded(source):
    """The packages with more modules side by side than one can take in."""
    packages = {path.parent for path in source.rglob("*.py")}
    return [package.name for package in packages if len(list(package.glob("*.py"))) > MODULES]


def test_the_library_stays_small_and_no_room_is_crowded():
    assert library_lines(SRC) < LIBRARY_LINES
    assert crowded(SRC) == []


def test_a_large_library_and_a_crowded_room_are_found(copied):
    before = library_lines(copied)
    add(copied / "analysis" / "danish.py", "# en linje\n" * LIBRARY_LINES)
    assert library_lines(copied) >= before + LIBRARY_LINES
    add(copied / "analysis" / "herberg" / "need.py", "# en linje\n" * LIBRARY_LINES)
    assert library_lines(copied) < before + LIBRARY_LINES + 10
    for number in range(MODULES):
        (copied / "noegletal" / "facts" / f"more_{number}.py").touch()
    assert "facts" in crowded(copied)


# What a change makes stale: key figures, sections, pages.


@pytest.fixture
def stale(copied, edition, processed, template, monkeypatch):
    """Changes a file of the copied code and says what of a good report must be made again."""
    monkeypatch.setattr(freshness, "SOURCE", copied)

    def after(name=""):
        if name:
            add(copied / name, "# changed")
        freshness.code_digest.cache_clear()
        raw = raw_folder("2025")
        build = stale_build(edition, raw, processed)
        with looking_at(template.root):
            small = load_edition("2025")
            area = plan_area(
                small, "hovedstaden", only=[], out=template.out, processed=template.processed,
                vintages=vintage_names(small, raw),
            )  # fmt: skip
        return build, {section.stale for section in area.sections}, area.stale

    yield after
    freshness.code_digest.cache_clear()


def test_only_what_depends_on_a_piece_of_code_is_made_again(stale, copied):
    idle = ("", {""}, "")
    assert stale() == idle
    help_texts = [path.relative_to(copied) for path in copied.glob("noegletal/cli*/*.py")] or ["noegletal/cli.py"]
    for name in (*help_texts, "noegletal/runner/execute.py", "warmkernel/engine.py"):
        assert stale(name) == idle, f"{name} only says how to run"
    assert stale("noegletal/publish/slides.py") == ("", {""}, "changed: library"), "no notebook is run"


@pytest.mark.parametrize(
    ("name", "build", "sections"),
    [
        ("analysis/measures.py", "changed: code", "changed: library"),
        ("analysis/charts/basic.py", "", "changed: library"),
        ("noegletal/facts/expenditure.py", "changed: code", ""),
    ],
)
def test_a_change_of_what_makes_figures_is_followed(stale, name, build, sections):
    before, after = stale(), stale(name)
    assert before == ("", {""}, "")
    assert after[:2] == (build, {sections})
