"""What a notebook of the project is like: read as an analyst's, and small enough to be read at all."""

import ast
import re

import nbformat
import pytest
from conftest import ROOT
from test_setup import NOTEBOOKS

LONGEST_CELL, LONGEST_LINE, MOST_IMPORTS = 12, 100, 8
# Ages, years of laws and account numbers are names, not figures.
NAMES = re.compile(r"0-17|0-22|18-66|5\.\d\d\.\d\d|gruppering \d+|pr\. 1\.000|sha256")
FORBIDDEN = re.compile(
    r"^\s*(def|class|try|async)\b|filterwarnings|open\(|Path\(|\bimport os\b|# fmt|\bnumber=|trykte rapport", re.M
)


def faults(notebook):
    """What is wrong with a notebook, in words; nothing where it is as it should be."""
    found = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if (
        set(notebook.metadata) != {"kernelspec", "language_info"}
        or notebook.metadata["language_info"]["name"] != "python"
    ):
        found.append("metadata of a run")
    if [cell.metadata.get("tags") for cell in code].count(["parameters"]) != 1:
        found.append("not one cell of parameters")
    if any(cell.outputs or cell.execution_count is not None for cell in code):
        found.append("outputs: clear them, see docs/aarshjul.md")
    if not notebook.cells[0].source.startswith("# "):
        found.append("no heading first")
    for cell in code:
        lines = cell.source.split("\n")
        if len(lines) > LONGEST_CELL:
            found.append(f"{len(lines)} lines in a cell: {lines[0]}")
        found += [f"{len(line)} characters in a line: {line}" for line in lines if len(line) > LONGEST_LINE]
        found += [f"{match.group()!r} in a cell" for match in FORBIDDEN.finditer(cell.source)]
    imported = [name for cell in code for node in ast.walk(ast.parse(cell.source)) for name in _imported(node)]
    if len(imported) > MOST_IMPORTS:
        found.append(f"{len(imported)} imports")
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return found + [f"a typed figure: {text}" for text in prose if re.search(r"\d", NAMES.sub("", text))]


def _imported(node):
    """Names of the library and of others, but for what every analyst has at hand."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
    return [name for name in names if name not in ("pandas", "numpy", "seaborn")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_keep_the_rules_of_the_house(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert faults(notebook) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("x = 1\n" * 12 + "x", "13 lines in a cell"),
        (f"x = '{'a' * 100}'", "106 characters in a line"),
        ("def f():\n    return 1", "'def' in a cell"),
        ("try:\n    x = 1\nexcept ValueError:\n    x = 2", "'try' in a cell"),
        ("from analysis import " + ", ".join(f"a{number}" for number in range(9)), " imports"),
        ("afsnit.figure('figur_01', chart, number='Figur 1')", "'number=' in a cell"),
    ],
)
def test_a_notebook_that_breaks_a_rule_is_named(source, fault):
    notebook = nbformat.read(ROOT / "notebooks" / "01_udgifter.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    (found,) = faults(notebook)
    assert fault in found


def test_prose_with_a_number_and_a_run_notebook_are_named():
    notebook = nbformat.read(ROOT / "notebooks" / "01_udgifter.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("Udgifterne steg 12 pct."))
    notebook.cells[2].execution_count = 1
    assert faults(notebook) == [
        "outputs: clear them, see docs/aarshjul.md",
        "a typed figure: Udgifterne steg 12 pct.",
    ]
