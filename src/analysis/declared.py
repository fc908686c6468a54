"""Declared files: YAML and CSV of the repository, read, or one sentence on what is wrong with them."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import ConstructorError

from analysis.errors import DeclaredError

Declared = TypeVar("Declared", bound=BaseModel)
# Excel saves CSV in either way, depending on which of its two kinds is chosen; Danish Excel separates by semicolons.
WINDOWS = "cp1252"
SEPARATORS = {",": "comma", ";": "semicolon"}
# The Danish letters of UTF-8; as Windows letters they would be read, and read wrongly.
DANISH_UTF8 = re.compile(rb"\xc3[\x80-\xbf]")


# In C where PyYAML was built with it: every notebook reads the catalogue of indicators.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Refuses by line a key that stands twice, of which YAML takes the last in silence, and a day that no month has."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise ConstructorError(problem=f"key {key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise ConstructorError(problem=f"{node.value!r}: {error}", problem_mark=node.start_mark) from error


def plain(text: str) -> Any:
    """What a YAML text says as plain data; nothing else can come of it. Errors: `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader


def read_declared(path: Path, model: type[Declared]) -> Declared:
    """The content of a YAML file as its model; errors name the file, the field and the problem."""
    try:
        return model.model_validate(plain(text_of(path)))
    except (ValidationError, TypeError, yaml.YAMLError) as error:
        raise DeclaredError(f"{path.name}: {first_problem(error)}") from error


def text_of(path: Path) -> str:
    """The text of a declared file: UTF-8, with or without its mark, or Windows letters.

    Errors: it cannot be read, or is neither.
    """
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise DeclaredError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    try:
        text = content.decode(WINDOWS)
    except UnicodeDecodeError:
        text = ""
    if not text or "\0" in text or DANISH_UTF8.search(content):
        raise DeclaredError(
            f"{path.name} line {line} holds letters that are neither UTF-8 nor those of Windows; save the file as UTF-8"
        )
    return text


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV of the repository as texts by column, separated by commas or, as Danish Excel does, semicolons.

    Errors: one of `columns` is not there, a line with other cells than the first has.
    """
    text = text_of(path)
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    rows = []
    try:
        header = next(lines)
        if absent := [column for column in columns if column not in header]:
            raise DeclaredError(f"{path.name} line 1 has no column {', '.join(absent)}; it has {', '.join(header)}")
        for cells in lines:
            if len(cells) != len(header):
                raise DeclaredError(
                    f"{path.name} line {lines.line_num}: {len(cells)} cells where there are {len(header)} columns"
                    f"; a cell with a {SEPARATORS[separator]} must stand in quotation marks"
                )
            rows.append(dict(zip(header, cells, strict=True)))
    except (csv.Error, StopIteration) as error:
        raise DeclaredError(f"{path.name} line {lines.line_num}: {str(error) or 'the file is empty'}") from error
    return rows


def first_problem(error: Exception) -> str:
    """What a model or the YAML reader found first: the field and the problem."""
    if isinstance(error, ValidationError):
        problem = error.errors()[0]
        return f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg'].removeprefix('Value error, ')}"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error)
