"""Declared files: YAML of the repository read into its model, or one sentence on what is wrong with it."""

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


def first_problem(error: Exception) -> str:
    """What a model or the YAML reader found first: the field and the problem."""
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
    return str(error)
