"""A dated, runnable copy of a template for a question of the day."""

import ast
import datetime
import difflib
import json
import re
import unicodedata
from pathlib import Path

import nbformat
from babel.dates import format_date

from analysis import areas
from analysis.danish import LOCALE
from analysis.edition import load_edition, project_root
from analysis.errors import InputError
from noegletal.runner.parameters import checked_parameters

DANISH_LETTERS = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa", "ß": "ss"})
LONGEST_SLUG = 80
# What an analysis starts from unless another template is named.
EMPTY = "tom"


def new_analysis(
    title: str, template: str, area: str, edition: str, folder: Path, today: datetime.date | None = None
) -> Path:
    """Copy a template into `folder` as `<date>-<title>.ipynb`, with its title, area and edition filled in.

    Returns the new notebook. Errors: an empty title, an unknown template, area or edition, a template that does not
    take edition and area, a file that is already there (it is never overwritten).
    """
    title = " ".join(title.split())
    name = slug(title)
    if not name:
        raise InputError(f"title {title!r} has no letter or digit to name a file after")
    source = _template(template)
    values = {"edition": load_edition(edition).name, "area": areas.find_area(area)}
    checked_parameters(source, values)
    day = today or datetime.date.today()
    target = folder / f"{day.isoformat()}-{name}.ipynb"
    notebook = _forked(nbformat.read(source, as_version=4), title, template, values, day)
    text = nbformat.writes(notebook)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text + "\n")
    except OSError as error:
        if target.is_file() and isinstance(error, FileExistsError):
            raise InputError(f"{target} already exists; choose another title, or delete it first") from error
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def templates() -> dict[str, str]:
    """What each template is for, by its name: the sentence below its heading."""
    return {path.stem: _purpose(path) for path in sorted(_templates_folder().glob("*.ipynb"))}


def _purpose(template: Path) -> str:
    first = nbformat.read(template, as_version=4).cells[0].source
    return next((line for line in first.splitlines()[1:] if line), "")


def _templates_folder() -> Path:
    return project_root() / "notebooks" / "templates"


def _template(name: str) -> Path:
    if name not in (there := templates()):
        near = difflib.get_close_matches(name, there, n=2, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InputError(f"template {name!r} does not exist{hint} (there are {', '.join(there)}: see `new --list`)")
    return _templates_folder() / f"{name}.ipynb"


def slug(title: str) -> str:
    """A file name of plain letters, digits and hyphens, so that no title can leave the folder."""
    folded = unicodedata.normalize("NFC", title).casefold().translate(DANISH_LETTERS)
    plain = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].rstrip("-")


def _forked(
    notebook: nbformat.NotebookNode, title: str, template: str, values: dict[str, str], day: datetime.date
) -> nbformat.NotebookNode:
    """The notebook with title, date and parameters of the fork, without what an earlier run left in it."""
    first = notebook.cells[0]
    heading, _, rest = first.source.partition("\n")
    old = heading.removeprefix("# ")
    made = f"Oprettet {format_date(day, 'd. MMMM y', locale=LOCALE)} for {areas.name(values['area'])}"
    first.source = f"# {title}\n\n{made} ud fra skabelonen `{template}`.\n\n{rest.strip()}".strip()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = with_defaults(cell.source, values)
        # The heading stands once more in the cell that opens the analysis.
        cell.source = cell.source.replace(f"section.adhoc({_literal(old)}", f"section.adhoc({_literal(title)}")
    return notebook


def with_defaults(source: str, values: dict[str, str]) -> str:
    """A parameters cell with other default values; types, order and comments stay as they are."""
    lines = source.encode("utf-8").splitlines(keepends=True)
    starts = [sum(map(len, lines[:position])) for position in range(len(lines))]
    text = source.encode("utf-8")
    # From the last to the first, so that what is replaced does not move what is still to be.
    for line in reversed(ast.parse(source).body):
        if line.target.id in values:
            begin = starts[line.value.lineno - 1] + line.value.col_offset
            end = starts[line.value.end_lineno - 1] + line.value.end_col_offset
            text = text[:begin] + _literal(values[line.target.id]).encode("utf-8") + text[end:]
    return text.decode("utf-8")


def _literal(text: str) -> str:
    # A JSON string is a Python string in the double quotes that the formatter keeps.
    return json.dumps(text, ensure_ascii=False)
