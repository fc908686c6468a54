"""The typed parameters of a notebook, read from its one cell tagged `parameters`."""

import ast
import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from analysis.declared import first_problem
from analysis.errors import InputError

TYPES = {"str": str, "int": int, "float": float, "bool": bool}


class NotebookError(InputError):
    """A notebook that cannot be run as it is, whatever is asked of it."""


class _CellFacts(BaseModel):
    tags: list[str] = []


class _Cell(BaseModel):
    cell_type: str
    source: str | list[str]
    metadata: _CellFacts


class _Notebook(BaseModel):
    """What is needed of a notebook to know its parameters, and what Jupyter cannot do without."""

    cells: list[_Cell]
    metadata: dict[str, Any]
    nbformat: int


def declared_parameters(notebook: Path) -> dict[str, tuple[type, Any]]:
    """Name to type and default of a notebook's parameters.

    Errors (`NotebookError`): a file that is no notebook, no cell or several cells tagged `parameters`, a line that is
    not `name: type = value`, a default of another type than declared.
    """
    tagged = [
        "".join(cell.source)
        for cell in _cells(notebook)
        if cell.cell_type == "code" and "parameters" in cell.metadata.tags
    ]
    if len(tagged) != 1:
        raise NotebookError(
            f"{notebook.name} has {len(tagged)} code cells tagged `parameters`; it must have exactly one"
        )
    declared = {}
    try:
        lines = ast.parse(tagged[0]).body
    except SyntaxError as error:
        raise NotebookError(f"{notebook.name}: the cell tagged `parameters` is not Python: {error.msg}") from error
    for line in lines:
        match line:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=ast.expr() as value) if (
                kind in TYPES
            ):
                default = _literal(value)
            case _:
                raise NotebookError(
                    f"{notebook.name}: parameter line `{ast.unparse(line)}` must be `name: type = value` "
                    f"with a type of {', '.join(TYPES)}"
                )
        if type(default) is not TYPES[kind]:
            raise NotebookError(
                f"{notebook.name}: parameter {name} is declared {kind}, its default is {ast.unparse(line.value)}"
            )
        declared[name] = (TYPES[kind], default)
    return declared


def _literal(value: ast.expr) -> Any:
    """What an expression says as plain data; one that has to be computed says nothing."""
    try:
        return ast.literal_eval(value)
    except ValueError:
        return None


def _cells(notebook: Path) -> list[_Cell]:
    # Read as the JSON it is: the command looks at parameters before it loads Jupyter.
    try:
        return _Notebook.model_validate_json(notebook.read_bytes()).cells
    except OSError as error:
        raise NotebookError(f"{notebook.name} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise NotebookError(
            f"{notebook.name} cannot be read as a notebook ({first_problem(error)}); mend it, or take back the version "
            "that git has"
        ) from error


def checked_parameters(notebook: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The parameters to run a notebook with; a name it does not declare or a value of another type is refused."""
    declared = declared_parameters(notebook)
    for name, value in given.items():
        if name not in declared:
            near = difflib.get_close_matches(name, list(declared), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{notebook.name} has no parameter {name!r} (it has {', '.join(declared)}){hint}")
        kind = declared[name][0]
        if type(value) is not kind:
            raise InputError(f"{notebook.name}: parameter {name} must be {kind.__name__}, not {value!r}")
    return given
