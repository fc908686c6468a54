"""The typed parameters of a notebook, read from its one cell tagged `parameters`."""

import ast
import difflib
import json
from pathlib import Path
from typing import Any

from analysis.errors import InputError

TYPES = {"str": str, "int": int, "float": float, "bool": bool}


def declared_parameters(notebook: Path) -> dict[str, tuple[type, Any]]:
    """Name to type and default of a notebook's parameters.

    Errors: no cell or several cells tagged `parameters`, a line that is not `name: type = value`, a default of
    another type than declared.
    """
    # Read as the JSON it is: the command looks at parameters before it loads Jupyter.
    tagged = [
        "".join(cell["source"])
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code" and "parameters" in cell["metadata"].get("tags", [])
    ]
    if len(tagged) != 1:
        raise InputError(f"{notebook.name} has {len(tagged)} code cells tagged `parameters`; it must have exactly one")
    declared = {}
    for line in ast.parse(tagged[0]).body:
        match line:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id=kind), value=ast.expr() as value) if (
                kind in TYPES
            ):
                default = ast.literal_eval(value)
            case _:
                raise InputError(
                    f"{notebook.name}: parameter line `{ast.unparse(line)}` must be `name: type = value` "
                    f"with a type of {', '.join(TYPES)}"
                )
        if type(default) is not TYPES[kind]:
            raise InputError(f"{notebook.name}: parameter {name} is declared {kind}, its default is {default!r}")
        declared[name] = (TYPES[kind], default)
    return declared


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
