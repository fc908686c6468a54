"""PX files, the text format of the statistical offices, as statistikbanken.dk saves a table in it."""

import contextlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from analysis.errors import InputError

# One statement: keyword, perhaps a language and what it is about, and everything up to a semicolon outside quotes.
STATEMENT = re.compile(
    r"\s*(?P<keyword>[A-Z][A-Z0-9-]*)(?:\[(?P<language>[^\]]*)\])?(?:\((?P<about>[^)\"]*(?:\"[^\"]*\"[^)\"]*)*)\))?"
    r"\s*=(?P<value>(?:\"[^\"]*\"|[^\";])*);"
)
QUOTED = re.compile(r'"([^"]*)"')
ANSI = "cp1252"


def unreadable(text: str) -> InputError:
    """That a file that was saved by hand is not the table it should be, under the id of its rule."""
    return InputError(text, rule="FIL-02")


@dataclass(frozen=True)
class PxVariable:
    """A variable of a PX file, its values in the order of the data; `codes` is empty where the file has none."""

    name: str
    labels: tuple[str, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True)
class PxFile:
    """A PX file: `cells` as text, the last variable running fastest."""

    matrix: str
    title: str
    unit: str
    notes: str
    variables: tuple[PxVariable, ...]
    cells: tuple[str, ...]


def read_px(path: Path) -> PxFile:
    """Read a PX file. Errors: bytes that are no text, a statement that does not end, data that are not all there."""
    statements = _statements(path)
    if _texts(statements, "LANGUAGE") == ("en",):
        raise unreadable(f"{path.name} was saved in English; choose Danish in StatBank, and save the table again")
    if "KEYS" in {keyword for keyword, _ in statements}:
        raise unreadable(f"{path.name}: a PX file with KEYS leaves out cells; save the table without it")
    names = [*_texts(statements, "STUB"), *_texts(statements, "HEADING")]
    if not names:
        raise unreadable(f"{path.name}: neither STUB nor HEADING says which variables the PX file has")
    variables = tuple(
        PxVariable(name, _texts(statements, "VALUES", name), _texts(statements, "CODES", name)) for name in names
    )
    for variable in variables:
        if not variable.labels or len(variable.codes) not in (0, len(variable.labels)):
            raise unreadable(
                f"{path.name}: variable {variable.name!r} has {len(variable.labels)} VALUES and {len(variable.codes)} "
                "CODES; save the table again"
            )
    cells = tuple(statements.get(("DATA", ""), "").replace('"', " ").split())
    size = math.prod(len(variable.labels) for variable in variables)
    if len(cells) != size:
        raise unreadable(f"{path.name}: DATA holds {len(cells)} values for {size} cells; save the table again")
    title = _texts(statements, "TITLE") or _texts(statements, "DESCRIPTION")
    return PxFile(
        matrix="".join(_texts(statements, "TABLEID") or _texts(statements, "MATRIX")),
        title="".join(title),
        unit="".join(_texts(statements, "UNITS")),
        notes=" ".join([*_texts(statements, "NOTE"), *_texts(statements, "NOTEX")]).replace("#", " "),
        variables=variables,
        cells=cells,
    )


def _statements(path: Path) -> dict[tuple[str, str], str]:
    """The statements of the file's own language: (keyword, what it is about) -> what stands after the sign of equality.

    What other languages say of the same is left out.
    """
    text = _text(path)
    found: dict[tuple[str, str], str] = {}
    position = 0
    while text[position:].strip():
        statement = STATEMENT.match(text, position)
        if statement is None:
            line = text.count("\n", 0, position + len(text[position:]) - len(text[position:].lstrip())) + 1
            raise unreadable(
                f"{path.name} line {line}: the PX file has a statement that does not end; it may be cut: save it again"
            )
        position = statement.end()
        if statement["language"]:
            continue
        key = (statement["keyword"], ",".join(QUOTED.findall(statement["about"] or "")))
        if key in found and "NOTE" in statement["keyword"]:
            # A footnote each, which may be many of a table or of a value.
            found[key] += f",{statement['value']}"
            continue
        if key in found:
            raise unreadable(f"{path.name}: {' '.join(key).strip()} stands twice in the PX file; save the table again")
        found[key] = statement["value"]
    if not found:
        raise unreadable(f"{path.name} holds no PX statements")
    return found


def _text(path: Path) -> str:
    content = path.read_bytes()
    head = content[:4000].decode("latin-1")
    stated = re.search(r'CODEPAGE\s*=\s*"([^"]*)"', head)
    encoding = stated[1].strip() if stated else ANSI
    # Danish letters of another code page are never UTF-8, whatever the file says of itself.
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig")
    try:
        return content.decode(encoding)
    except (LookupError, UnicodeDecodeError) as error:
        raise unreadable(f"{path.name} is not text in {encoding}, as the PX file says: save it again") from error


def _texts(statements: dict[tuple[str, str], str], keyword: str, about: str = "") -> tuple[str, ...]:
    """The quoted texts of a statement; a text may be quoted in pieces over several lines, a comma begins the next."""
    value = statements.get((keyword, about), "")
    texts, joined, position = [], False, 0
    for quoted in QUOTED.finditer(value):
        if joined and "," not in value[position : quoted.start()]:
            texts[-1] += quoted[1]
        else:
            texts.append(quoted[1])
        joined, position = True, quoted.end()
    return tuple(texts)
