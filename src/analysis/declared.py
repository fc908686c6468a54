"""Declared files: YAML and CSV of the repository, read, or one sentence on what is wrong with them."""

import csv
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from analysis.errors import InputError

Declared = TypeVar("Declared", bound=BaseModel)
# The same loader in C where PyYAML was built with it: every notebook reads the catalogue of indicators.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def plain(text: str) -> Any:
    """What a YAML text says as plain data; nothing else can come of it. Errors: `yaml.YAMLError`."""
    return yaml.load(text, Loader=LOADER)  # noqa: S506 - it is a safe loader


def read_declared(path: Path, model: type[Declared]) -> Declared:
    """The content of a YAML file as its model; errors name the file, the field and the problem."""
    try:
        return model(**plain(path.read_text(encoding="utf-8")))
    except (ValidationError, TypeError, yaml.YAMLError) as error:
        raise InputError(f"{path.name}: {first_problem(error)}") from error


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV of the repository as texts by column. Errors: a line with other cells than the first has."""
    with path.open(encoding="utf-8", newline="") as stream:
        lines = csv.reader(stream, strict=True)
        rows = []
        try:
            columns = next(lines)
            for cells in lines:
                if len(cells) != len(columns):
                    raise InputError(
                        f"{path.name} line {lines.line_num}: {len(cells)} cells where there are {len(columns)} columns"
                        "; a cell with a comma must stand in quotation marks"
                    )
                rows.append(dict(zip(columns, cells, strict=True)))
        except (csv.Error, StopIteration) as error:
            raise InputError(f"{path.name} line {lines.line_num}: {str(error) or 'the file is empty'}") from error
    return rows


def first_problem(error: Exception) -> str:
    """What a model or the YAML reader found first: the field and the problem."""
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
    return str(error)
