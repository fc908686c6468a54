"""What a notebook of the project is like: read as an analyst's, and small enough to be read at all."""

import nbformat
import pytest
from conftest import ROOT
from test_setup import NOTEBOOKS

from noegletal.runner.notebook_rules import faults


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_keep_the_rules_of_the_house(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert faults(notebook) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("x = 1\n" * 12 + "x", "13 lines where 12 are the most: x = 1"),
        (f"x = '{'a' * 100}'", "106 characters in a line"),
        ("def f():\n    return 1", "'def' in a cell"),
        ("try:\n    x = 1\nexcept ValueError:\n    x = 2", "'try' in a cell"),
        ("from analysis import " + ", ".join(f"a{number}" for number in range(9)), " imports where 8 are the most"),
        ("afsnit.figure('figur_01', chart, number='Figur 1')", "'number=' in a cell"),
        ("%matplotlib inline", "not Python: invalid syntax: %matplotlib inline"),
    ],
)
def test_a_notebook_that_breaks_a_rule_is_named_with_its_cell(source, fault):
    notebook = nbformat.read(ROOT / "notebooks" / "01_udgifter.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    (found,) = faults(notebook)
    assert fault in found
    assert found.startswith(f"cell {len(notebook.cells)}: ") or " imports " in found


def test_prose_with_a_number_and_a_run_notebook_are_named():
    notebook = nbformat.read(ROOT / "notebooks" / "01_udgifter.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("Udgifterne steg 12 pct."))
    notebook.cells[2].execution_count = 1
    notebook.cells[0].source = "Udgifter"
    notebook.cells[1].metadata = {}
    assert faults(notebook) == [
        "not one cell of parameters",
        "outputs: clear them, see docs/aarshjul.md",
        "no heading first",
        f"cell {len(notebook.cells)}: a typed figure: Udgifterne steg 12 pct.",
    ]
