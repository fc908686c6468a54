"""The rules of notebooks: read as an analyst's, and small enough to be read at all."""

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

LONGEST_CELL, LONGEST_LINE, MOST_IMPORTS = 12, 100, 8
# Ages, years of laws and account numbers are names, not figures.
NAMES = re.compile(r"0-17|0-22|18-66|5\.\d\d\.\d\d|gruppering \d+|pr\. 1\.000|sha256")
FORBIDDEN = re.compile(
    r"^\s*(def|class|try|async)\b|filterwarnings|open\(|Path\(|\bimport os\b|# fmt|\bnumber=|trykte rapport", re.M
)


def faults(notebook: NotebookNode) -> list[str]:
    """What is wrong with a notebook, in words and by cell, counted from 1; nothing where it is as it should be."""
    found = []
    code = {place: cell for place, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"}
    language = notebook.metadata.get("language_info", {}).get("name")
    if set(notebook.metadata) != {"kernelspec", "language_info"} or language != "python":
        found.append("metadata of a run")
    if [cell.metadata.get("tags") for cell in code.values()].count(["parameters"]) != 1:
        found.append("not one cell of parameters")
    if any(cell.outputs or cell.execution_count is not None for cell in code.values()):
        found.append("outputs: clear them, see docs/aarshjul.md")
    if not notebook.cells or not notebook.cells[0].source.startswith("# "):
        found.append("no heading first")
    found += [f"cell {place}: {fault}" for place, cell in code.items() for fault in _of_code(cell.source)]
    imported = sum(len(_imported(cell.source)) for cell in code.values())
    if imported > MOST_IMPORTS:
        found.append(f"{imported} imports where {MOST_IMPORTS} are the most")
    for place, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown" and re.search(r"\d", NAMES.sub("", cell.source)):
            found.append(f"cell {place}: a typed figure: {cell.source}")
    return found


def _of_code(source: str) -> Iterator[str]:
    lines = source.split("\n")
    if len(lines) > LONGEST_CELL:
        yield f"{len(lines)} lines where {LONGEST_CELL} are the most: {lines[0]}"
    yield from (f"{len(line)} characters in a line: {line}" for line in lines if len(line) > LONGEST_LINE)
    yield from (f"{match.group().strip()!r} in a cell" for match in FORBIDDEN.finditer(source))
    try:
        ast.parse(source)
    except SyntaxError as error:
        yield f"not Python: {error.msg}: {error.text or lines[0]}".strip()


def _imported(source: str) -> list[str]:
    """Names of the library and of others, but for what every analyst has at hand."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return []
    names = [alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    return [name for name in names if name not in ("pandas", "numpy", "seaborn")]
