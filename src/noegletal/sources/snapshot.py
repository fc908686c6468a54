"""Raw tables as pinned files: the bytes must be those of the sidecar, the content must have the table's shape."""

import difflib
import gzip
import hashlib
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from analysis.areas import area_table, municipalities
from analysis.declared import read_declared
from analysis.edition import reference_folder
from analysis.errors import InputError
from analysis.rows import FINAL, weakest
from noegletal.folders import recover
from noegletal.sources.sidecar import SUFFIXES, Sidecar

MISSING = ".."
TIME, VALUE = "TID", "INDHOLD"
PERIOD_PATTERN = {"year": r"^[0-9]{4}$", "quarter": r"^[0-9]{4}K[1-4]$"}
# Codes of StatBank; what else stands in a cell (a space, a quotation mark, a byte order mark) would be dropped unseen.
CODE = "[0-9A-Za-zÆØÅæøå][0-9A-Za-zÆØÅæøå_.+/-]*"
# Leading zeros mark a code that stands in the wrong column; more digits than 15 no longer fit a float.
WHOLE, DECIMALS = r"-?(?:0|[1-9][0-9]{0,14})", "(?:MARK[0-9]{1,MOST})?"
BLOCK_BYTES = 8 << 20
MOST_CORES = 4
# Digits of areas and groupings.
CODE_WIDTH = 3
LINE_END = ord("\n")
LONGEST_LINE = 1 << 16
LONGEST_SHOWN, MOST_HINTS = 60, 9
# A file changed less than this ago might change again without its time stamps showing it.
SETTLED_NANOSECONDS = 2_000_000_000


class ExactCodes(BaseModel):
    """Codes that must be all the codes of a variable, because they are added up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exactly: tuple[str, ...]


class Shown(BaseModel):
    """What StatBank shows of a table, by which a file is known to be that table: title, unit, names of variables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    unit: str
    variables: dict[str, str] = {}


# What `fetch` can ask for by a word.
Asked = Literal["*", "municipalities", "regions", "country", "functions", "ages"]


class TableShape(BaseModel):
    """The declared shape of a raw table (`data/reference/tables.yml`), how it is renewed, and its labels.

    `decimals`: the most that a value has; more are thousands, or another language. `suppressed_value`: what a row that
    is left out is; `rate`: that figures are shares or rates, which do not add up and are missing where left out.
    `fetch`: what StatBank is asked for. `replaced_by`: the tables whose counts its figures are computed from instead.
    `instead`: the file of the reference data that stands in for one that was not delivered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    variables: tuple[str, ...]
    area: str
    padding: dict[str, int]
    period: Literal["year", "quarter"]
    decimals: int = Field(ge=0, le=6)
    suppressed_value: Literal[0] | None = None
    rate: Literal["pct", "pr_1000"] | None = None
    fetch: dict[str, tuple[str, ...] | ExactCodes | Asked] | None = None
    replaced_by: tuple[str, ...] = ()
    instead: str = ""
    shown: Shown | None = None
    labels: dict[str, dict[str, str]] = {}
    numbered: dict[str, Literal["account", "grouping", "age"]] = {}

    @model_validator(mode="after")
    def _renewed(self) -> "TableShape":
        if bool(self.fetch) == bool(self.replaced_by):
            raise ValueError("a table must say how it is renewed, by either `fetch` or `replaced_by`")
        if bool(self.fetch) != bool(self.shown):
            raise ValueError("a table that is fetched, and no other, must say what is `shown` of it")
        if bool(self.rate) == (self.suppressed_value == 0):
            raise ValueError("a table must say either `suppressed_value: 0` or, as one of shares, its `rate`")
        return self

    @model_validator(mode="after")
    def _of_its_variables(self) -> "TableShape":
        named = (self.area, *self.padding, *self.labels, *self.numbered, *(self.fetch or {}))
        for variable in named:
            if variable not in (*self.variables, TIME):
                raise ValueError(f"{variable!r} is not among its variables, {', '.join(self.variables)}")
        # Codes that an extract leaves the zeros out of would not be those of areas.csv and accounts.csv.
        for variable in (self.area, *(one for one, kind in self.numbered.items() if kind == "grouping")):
            if self.padding.get(variable) != CODE_WIDTH:
                raise ValueError(f"padding must give {variable} {CODE_WIDTH} digits")
        for variable, width in self.padding.items():
            wrong = [code for code in self.labels.get(variable, {}) if code.isdigit() and len(code) != width]
            if wrong:
                raise ValueError(f"padding gives {variable} {width} digits, and labels have the code {wrong[0]!r}")
        return self


class RawFile(BaseModel):
    """A raw file whose bytes have been found equal to its sidecar."""

    model_config = ConfigDict(frozen=True)

    path: Path
    sidecar: Sidecar


@lru_cache
def table_shapes() -> dict[str, TableShape]:
    """Shapes of the raw tables by name."""
    return read_declared(reference_folder() / "tables.yml", RootModel[dict[str, TableShape]]).root


def raw_files(folder: Path, table: str | None = None) -> list[RawFile]:
    """The verified files of a table (`<TABLE>[.<part>].csv[.gz]`, or a delivered workbook), or of every table.

    Errors: no folder, a file without sidecar, a sidecar without file, bytes that differ from the sidecar.
    """
    if not folder.is_dir():
        # A process may be, or have been killed, between the two renames of a change.
        recover(folder)
    if not folder.is_dir():
        raise InputError(f"raw folder {folder} does not exist: give --raw or run `noegletal fetch`", rule="FIL-01")
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is None:
            continue
        stem = path.name.removesuffix(suffix)
        if table is not None and stem.split(".")[0] != table:
            continue
        if stem in paths:
            raise InputError(f"{paths[stem].name} and {path.name} are the same table twice; keep one", rule="FIL-01")
        paths[stem] = path
    found = {stem: verified(path, folder / f"{stem}.yml") for stem, path in paths.items()}
    for sidecar in sorted(folder.glob("*.yml")):
        if (table is None or sidecar.stem.split(".")[0] == table) and sidecar.stem not in found:
            wanted = " or ".join(f"{sidecar.stem}{suffix}" for suffix in SUFFIXES)
            raise InputError(f"sidecar {sidecar.name} has no data file beside it: {wanted}", rule="FIL-01")
    return list(found.values())


def verified(path: Path, sidecar_path: Path) -> RawFile:
    """A raw file whose bytes are those of its sidecar; an error names both where they are not."""
    if not sidecar_path.is_file():
        raise InputError(
            f"{path.name} has no sidecar {sidecar_path.name}: its origin and checksum are unknown", rule="FIL-01"
        )
    sidecar = Sidecar.read(sidecar_path)
    table = path.name.split(".")[0]
    if sidecar.table != table:
        raise InputError(
            f"sidecar {sidecar_path.name} says table {sidecar.table!r}, the file is {path.name}", rule="FIL-01"
        )
    size, digest = path.stat().st_size, _digest(path)
    if size != sidecar.bytes or digest != sidecar.sha256:
        raise InputError(
            f"{path.name} is not the file that {sidecar_path.name} describes: "
            f"{size} bytes, sha256 {digest[:12]}... against {sidecar.bytes} bytes, sha256 {sidecar.sha256[:12]}...; "
            "restore the file or fetch it again",
            rule="FIL-01",
        )
    return RawFile(path=path, sidecar=sidecar)


def _digest(path: Path) -> str:
    """The checksum of a file's bytes, computed once per process while the file stays as it is."""
    facts = path.stat()
    stamps = (facts.st_mtime_ns, facts.st_ctime_ns)
    settled = time.time_ns() - max(stamps) > SETTLED_NANOSECONDS
    return (_sha256 if settled else _sha256.__wrapped__)(path, facts.st_ino, facts.st_size, *stamps)


@lru_cache(maxsize=512)
def _sha256(path: Path, *_identity: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_table(
    folder: Path, table: str, select: Mapping[str, Set[str]] | None = None
) -> tuple[pd.DataFrame, list[RawFile]]:
    """Rows of a raw table, all its parts together, limited to the codes of `select`.

    Returns a frame with the table's variables and TID as text codes, `value` (float, NaN where the source says
    `..`), `origin`, `status`, `file` and `line` (1 is the header), and the files it was read from.
    Codes in `select` are written as padded codes. Errors name the file, and the line or column.
    """
    shape = table_shapes()[table]
    files = raw_files(folder, table)
    if not files:
        raise InputError(f"{table} is not in {folder}: there is no {table}.csv or {table}.csv.gz", rule="DAEK-03")
    frames, sizes = [], np.zeros(len(files), dtype=int)
    for place, file in enumerate(files):
        for part in _frames(file, shape, select or {}):
            sizes[place] += len(part)
            frames.append(part)
    frame = pd.concat(frames, ignore_index=True)
    facts = {
        "origin": [file.sidecar.origin for file in files],
        "status": [file.sidecar.status for file in files],
        "file": [file.path.name for file in files],
    }
    for column, of_files in facts.items():
        there = sorted({fact for fact, size in zip(of_files, sizes, strict=True) if size})
        codes = np.array([there.index(fact) if fact in there else -1 for fact in of_files], dtype=np.int16)
        frame[column] = pd.Categorical.from_codes(np.repeat(codes, sizes), pd.Index(there, dtype="str"))
    _refuse_duplicates(frame, [*shape.variables, TIME], table)
    return frame, files


def _frames(file: RawFile, shape: TableShape, select: Mapping[str, Set[str]]) -> Iterator[pd.DataFrame]:
    """Selected rows of one file, so that a full REGK100 never stands in memory at once; at least one frame."""
    name = file.path.name
    mark = "," if file.sidecar.lang == "da" else "."
    header = _header(file.path)
    _check_header(header, [*shape.variables, TIME, VALUE], name)
    header = [column.upper() for column in header]
    cells = _cells(shape, mark)
    sound = ";".join(cells[column].pattern.pattern for column in header)
    wanted = ";".join(_loosely(select[column]) if column in select else "[^;]*" for column in header) if select else ""

    def found(first_line: int, block: bytes) -> tuple[int, pa.StringArray, np.ndarray]:
        return _found(block, first_line, sound, wanted, lambda line: _fault(line, header, cells), name)

    count, size, lines, numbers = 0, 0, [], []
    for rows, kept, places in _side_by_side(found, _blocks(file.path)):
        count += rows
        size += kept.nbytes
        lines.append(kept)
        numbers.append(places)
        if size > BLOCK_BYTES:
            yield _converted(lines, numbers, header, shape, select, name, mark)
            size, lines, numbers = 0, [], []
    if not count:
        raise InputError(f"{name} holds a header but no rows", rule="FIL-02")
    if lines:
        yield _converted(lines, numbers, header, shape, select, name, mark)


def _blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines after the header, unpacked, in pieces of whole lines; each with the number of its first line."""
    try:
        with _opened(path) as stream:
            if not stream.readline(LONGEST_LINE).endswith(b"\n"):
                return
            line = 2
            while block := stream.read(BLOCK_BYTES):
                block += (rest := stream.readline(LONGEST_LINE))
                if not block.endswith(b"\n"):
                    last = line + block.count(b"\n")
                    if len(rest) == LONGEST_LINE:
                        raise _too_long(path.name, last)
                    raise InputError(
                        f"{path.name} line {last} is the last and has no line end: it may have been cut in the middle; "
                        "restore the file or fetch it again",
                        rule="FIL-02",
                    )
                yield line, block
                line += np.count_nonzero(_bytes(block) == LINE_END)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path.name} cannot be read: {error}; restore the file or fetch it again", rule="FIL-02"
        ) from error


def _too_long(name: str, line: int) -> InputError:
    return InputError(f"{name} line {line} is longer than {LONGEST_LINE} bytes; fetch the file again", rule="FIL-02")


def _bytes(block: bytes) -> np.ndarray:
    return np.frombuffer(block, dtype=np.uint8)


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _header(path: Path) -> list[str]:
    try:
        with _opened(path) as stream:
            first = stream.readline(LONGEST_LINE)
            if len(first) == LONGEST_LINE:
                raise _too_long(path.name, 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path.name} cannot be opened: {error}; restore the file or fetch it again", rule="FIL-02"
        ) from error
    try:
        return [cell.strip() for cell in first.decode("utf-8-sig").split(";")]
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name} is not UTF-8 (the header holds other bytes); save it as UTF-8", rule="FIL-02"
        ) from error


def _check_header(header: list[str], columns: list[str], name: str) -> None:
    seen = [column.upper() for column in header]
    unknown = [column for column in header if column.upper() not in columns][:MOST_HINTS]
    absent = [column for column in columns if column not in seen]
    if unknown or absent or len(set(seen)) != len(seen):
        near = {column: difflib.get_close_matches(column[:LONGEST_SHOWN].upper(), absent, n=1) for column in unknown}
        hints = [
            f"column {_shown(column)}" + (f" (is it {near[column][0]}?)" if near[column] else "") for column in unknown
        ]
        problems = [f"unknown {', '.join(hints)}"] if hints else []
        problems += [f"no column {', '.join(absent)}"] if absent else []
        problems = problems or ["a column stands twice"]
        raise InputError(f"{name}: {' and '.join(problems)}; the header must be {';'.join(columns)}", rule="FIL-02")


class _Cell(NamedTuple):
    """What a cell must be, what to say of one that is not, and the rule it breaks."""

    pattern: re.Pattern[str]
    otherwise: str
    rule: str


def _cells(shape: TableShape, mark: str) -> dict[str, _Cell]:
    """What a cell of each column must be.

    The patterns hold no semicolon and no line end, so a line is sound when it is sound cells between semicolons.
    """
    code = _Cell(re.compile(CODE), "is not a code (letters and digits, no spaces or quotation marks)", "FIL-02")
    area, period = _area_pattern(shape.padding.get(shape.area)), PERIOD_PATTERN[shape.period].strip("^$")
    example = "2024K4" if shape.period == "quarter" else "2024"
    number, kind = WHOLE, "a whole number"
    if shape.decimals:
        number += DECIMALS.replace("MARK", re.escape(mark)).replace("MOST", str(shape.decimals))
        kind = f"a number of at most {shape.decimals} decimals (as 1234{mark}5)"
    return dict.fromkeys(shape.variables, code) | {
        shape.area: _Cell(re.compile(area), "is not an area of areas.csv", "KODE-01"),
        TIME: _Cell(re.compile(period), f"is not a {shape.period} such as {example}", "KODE-02"),
        VALUE: _Cell(re.compile(rf"(?:{number}|\.\.)"), f"is neither {kind} nor {MISSING}", "VAERDI-01"),
    }


@lru_cache
def _area_pattern(width: int | None) -> str:
    """A pattern for the codes of areas.csv and their forms without some of the leading zeros that padding gives."""
    patterns = []
    for code in area_table()["area_code"]:
        bare = code.lstrip("0") or "0"
        padded = code.isdigit() and len(code) == width
        patterns.append(f"0{{0,{len(code) - len(bare)}}}{bare}" if padded else re.escape(code))
    return f"(?:{'|'.join(patterns)})"


def _loosely(codes: Set[str]) -> str:
    """A pattern for codes and what may be meant by them: other case, more or fewer leading zeros."""
    return f"(?i:0*(?:{'|'.join(re.escape(code.lstrip('0') or '0') for code in sorted(codes))}))"


def _found(
    block: bytes, first_line: int, sound: str, wanted: str, fault: Callable[[bytes], tuple[str, str]], name: str
) -> tuple[int, pa.StringArray, np.ndarray]:
    """Rows in a block, those of them that may be wanted, and their line numbers; an unsound line is refused by number.

    Blank lines are left out. That all lines are sound is seen in one match over the block; each line is looked at
    alone only when that fails.
    """
    ends = np.flatnonzero(_bytes(block) == LINE_END)
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() >= LONGEST_LINE:
        raise _too_long(name, first_line + int((lengths >= LONGEST_LINE).argmax()))
    lines = _texts(block, ends)
    numbers = np.arange(first_line, first_line + len(lines))
    if not pc.match_substring_regex(_texts(block, ends[-1:]), rf"^(?:{sound}\r?\n)*$")[0].as_py():
        blank = pc.match_substring_regex(lines, r"^\r?\n$")
        wrong = pc.invert(pc.or_(blank, pc.match_substring_regex(lines, rf"^{sound}\r?\n$")))
        count = pc.sum(wrong).as_py()
        if count:
            position = pc.index(wrong, value=True).as_py()
            line = block[ends[position - 1] + 1 if position else 0 : ends[position]]
            others = f" (and {count - 1} more rows)" if count > 1 else ""
            text, rule = fault(line)
            raise InputError(f"{name} line {numbers[position]}: {text}{others}", rule=rule)
        rows = pc.invert(blank)
        lines, numbers = lines.filter(rows), numbers[rows.to_numpy(zero_copy_only=False)]
    total = len(lines)
    if wanted:
        kept = pc.match_substring_regex(lines, rf"^{wanted}\r?\n$")
        lines, numbers = lines.filter(kept), numbers[kept.to_numpy(zero_copy_only=False)]
    return total, lines, numbers


def _texts(block: bytes, ends: np.ndarray) -> pa.StringArray:
    """The texts in a block that end where `ends` says (line end included), without a copy."""
    offsets = np.zeros(len(ends) + 1, dtype=np.int32)
    offsets[1:] = ends + 1
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(block))


def _fault(line: bytes, header: list[str], cells: Mapping[str, _Cell]) -> tuple[str, str]:
    """What is wrong with an unsound line, and the rule it breaks."""
    try:
        found = line.decode("utf-8").removesuffix("\r").split(";")
    except UnicodeDecodeError:
        return "holds bytes that are not UTF-8; save the file as UTF-8", "FIL-02"
    if len(found) != len(header):
        return f"holds {len(found)} cells, but the header {len(header)}", "FIL-02"
    pairs = zip(header, found, strict=True)
    column, cell = next((column, cell) for column, cell in pairs if not cells[column].pattern.fullmatch(cell))
    return f"{column} {_shown(cell)} {cells[column].otherwise}", cells[column].rule


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= LONGEST_SHOWN else f"{cell[:LONGEST_SHOWN]}...")


def _side_by_side(
    work: Callable[[int, bytes], tuple[int, pa.StringArray, np.ndarray]], blocks: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, pa.StringArray, np.ndarray]]:
    """The work on each block in order, on several cores, with few blocks in memory."""
    first, second = next(blocks, None), next(blocks, None)
    if second is None:
        # Most files are one block, for which a pool would take longer to start than to work.
        if first is not None:
            yield work(*first)
        return
    cores = min(pa.cpu_count(), MOST_CORES)
    with ThreadPoolExecutor(cores) as pool:
        waiting = deque()
        for block in chain((first, second), blocks):
            waiting.append(pool.submit(work, *block))
            if len(waiting) > cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _converted(
    lines: list[pa.StringArray],
    numbers: list[np.ndarray],
    header: list[str],
    shape: TableShape,
    select: Mapping[str, Set[str]],
    name: str,
    mark: str,
) -> pd.DataFrame:
    """Sound lines as a frame with padded codes; a code that only looks like one of the selection is refused."""
    text = pa.concat_arrays(lines)
    places = np.concatenate(numbers)
    table = _parsed(text, header)
    columns = {}
    for column in (*shape.variables, TIME):
        array = table.column(column).chunk(0) if len(table) else table.column(column).combine_chunks()
        labels = _padded(array.dictionary.to_pylist(), shape.padding.get(column))
        if column in select and not select[column].issuperset(labels):
            other = np.array([label not in select[column] for label in labels])[array.indices.to_numpy()]
            if other.any():
                position = int(other.argmax())
                raise InputError(
                    f"{name} line {places[position]}: {column} {array[position].as_py()!r} looks like a code that is "
                    "used, but is not written as one (case, leading zeros); correct the file or fetch it again",
                    rule="KODE-02",
                )
        columns[column] = pa.DictionaryArray.from_arrays(
            array.indices, pa.array(labels, pa.string())
        ).dictionary_decode()
    values = table.column(VALUE)
    values = pc.if_else(pc.equal(values, MISSING), pa.scalar(None, pa.string()), values)
    columns["value"] = pc.cast(pc.replace_substring(values, mark, "."), pa.float64())
    columns["line"] = pa.array(places)
    return pa.table(columns).to_pandas()


def _parsed(lines: pa.StringArray, header: list[str]) -> pa.Table:
    """Cells of sound lines: codes as dictionaries, INDHOLD as text."""
    types = dict.fromkeys(header, pa.dictionary(pa.int32(), pa.string())) | {VALUE: pa.string()}
    if not len(lines):
        return pa.table({column: pa.array([], type=kind) for column, kind in types.items()})
    _, offsets, data = lines.buffers()
    places = np.frombuffer(offsets, dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    content = data.slice(places[0], places[-1] - places[0])
    return csv.read_csv(
        pa.BufferReader(content),
        csv.ReadOptions(column_names=header, block_size=content.size),
        csv.ParseOptions(delimiter=";", quote_char=False),
        csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )


def _padded(labels: list[str], width: int | None) -> list[str]:
    """Codes with the zeros that some extracts leave out."""
    return [label.zfill(width) if width and label.isdigit() else label for label in labels]


def _refuse_duplicates(frame: pd.DataFrame, keys: list[str], table: str) -> None:
    repeated = frame.duplicated(keys, keep=False)
    if repeated.any():
        first = frame[repeated].sort_values([*keys, "file", "line"]).iloc[:2]
        key = ", ".join(f"{column}={first.iloc[0][column]}" for column in keys)
        places = " and ".join(f"{row.file} line {row.line}" for row in first.itertuples())
        raise InputError(f"{table}: the key {key} stands twice, in {places}", rule="NOEGLE-01")


def require_years(frame: pd.DataFrame, table: str, years: list[int]) -> None:
    """Refuse a table that lacks a year of the edition."""
    absent = sorted(set(years) - {int(period[:4]) for period in frame[TIME].unique()})
    if absent:
        raise InputError(
            f"{table} holds no rows for {', '.join(map(str, absent))}; the edition needs {years[0]}-{years[-1]}",
            rule="DAEK-04",
        )


def refuse_rows(wrong: pd.DataFrame, rule: str, text: str) -> None:
    """Refuse rows at fault, by the file and line of the first; `text` has names of columns in braces for its cells."""
    if len(wrong):
        first = wrong.iloc[0]
        raise InputError(f"{first['file']} line {first['line']}: {text.format(**first)}", rule=rule)


def with_absent_rows(frame: pd.DataFrame, table: str, periods: list[str]) -> pd.DataFrame:
    """One row per municipality and period of a table with one rate each; a row that is left out is missing (NaN)."""
    area = table_shapes()[table].area
    grid = pd.MultiIndex.from_product([municipalities(), periods], names=[area, TIME]).to_frame(index=False)
    full = grid.merge(frame, on=[area, TIME], how="left")
    absent = full["origin"].isna()
    origin = weakest(frame["origin"].unique())
    return full.assign(
        origin=full["origin"].astype("str").where(~absent, origin),
        status=full["status"].astype("str").where(~absent, FINAL),
    )
