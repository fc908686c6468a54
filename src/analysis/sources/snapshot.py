"""Raw tables as pinned files: the bytes must be those of the sidecar, the content must have the table's shape."""

import datetime
import difflib
import hashlib
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pyarrow import csv
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis.areas import area_table, municipalities
from analysis.edition import reference_folder
from analysis.errors import InputError

MISSING = ".."
TIME, VALUE = "TID", "INDHOLD"
SUFFIXES = (".csv", ".csv.gz", ".xlsx")
# Weakest last: what is computed from several figures has the origin of the weakest of them.
ORIGINS = ("statbank", "delivery", "transcribed", "derived", "reconstruction")
PERIOD_PATTERN = {"year": r"^[0-9]{4}$", "quarter": r"^[0-9]{4}K[1-4]$"}
BLOCK_BYTES = 8 << 20


class Sidecar(BaseModel):
    """What is known about a raw file: identity, origin, licence and the checksum of its bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    table: str
    title: str
    source: str
    licence: str
    retrieved: datetime.date | datetime.datetime
    url: str | None = ""
    query: Any = None
    lang: Literal["da", "en"]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)
    origin: Literal["statbank", "delivery", "transcribed", "derived", "reconstruction"]
    status: Literal["final", "provisional"]
    note: str | None = ""


class TableShape(BaseModel):
    """The declared shape of a raw table (`data/reference/tables.yml`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    variables: tuple[str, ...]
    area: str
    padding: dict[str, int]
    period: Literal["year", "quarter"]
    suppressed_value: float


class RawFile(BaseModel):
    """A raw file whose bytes have been found equal to its sidecar."""

    model_config = ConfigDict(frozen=True)

    path: Path
    sidecar: Sidecar


@lru_cache
def table_shapes() -> dict[str, TableShape]:
    """Shapes of the raw tables by name."""
    declared = yaml.safe_load((reference_folder() / "tables.yml").read_text(encoding="utf-8"))
    return {table: TableShape(**shape) for table, shape in declared.items()}


def raw_files(folder: Path, table: str | None = None) -> list[RawFile]:
    """The verified files of a table (`<TABLE>[.<part>].csv[.gz]`, or a delivered workbook), or of every table.

    Errors: no folder, a file without sidecar, a sidecar without file, bytes that differ from the sidecar.
    """
    if not folder.is_dir():
        raise InputError(f"raw folder {folder} does not exist: give --raw or run `noegletal fetch`")
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
        if suffix is None:
            continue
        stem = path.name.removesuffix(suffix)
        if table is not None and stem.split(".")[0] != table:
            continue
        if stem in paths:
            raise InputError(f"{paths[stem].name} and {path.name} are the same table twice; keep one")
        paths[stem] = path
    found = {stem: verified(path, folder / f"{stem}.yml") for stem, path in paths.items()}
    for sidecar in sorted(folder.glob("*.yml")):
        if (table is None or sidecar.stem.split(".")[0] == table) and sidecar.stem not in found:
            wanted = " or ".join(f"{sidecar.stem}{suffix}" for suffix in SUFFIXES)
            raise InputError(f"sidecar {sidecar.name} has no data file beside it: {wanted}")
    return list(found.values())


def verified(path: Path, sidecar_path: Path) -> RawFile:
    """A raw file whose bytes are those of its sidecar; an error names both where they are not."""
    if not sidecar_path.is_file():
        raise InputError(f"{path.name} has no sidecar {sidecar_path.name}: its origin and checksum are unknown")
    try:
        sidecar = Sidecar(**yaml.safe_load(sidecar_path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError, TypeError) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else None
        reason = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" if problem else str(error)
        raise InputError(f"sidecar {sidecar_path.name} is not valid: {reason}") from error
    table = path.name.split(".")[0]
    if sidecar.table != table:
        raise InputError(f"sidecar {sidecar_path.name} says table {sidecar.table!r}, the file is {path.name}")
    size = path.stat().st_size
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if size != sidecar.bytes or digest != sidecar.sha256:
        raise InputError(
            f"{path.name} is not the file that {sidecar_path.name} describes: "
            f"{size} bytes, sha256 {digest[:12]}... against {sidecar.bytes} bytes, sha256 {sidecar.sha256[:12]}...; "
            "restore the file or fetch it again"
        )
    return RawFile(path=path, sidecar=sidecar)


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
        raise InputError(f"{table} is not in {folder}: there is no {table}.csv or {table}.csv.gz")
    frames = []
    for file in files:
        for part in _blocks(file, shape, select or {}):
            part["origin"] = file.sidecar.origin
            part["status"] = file.sidecar.status
            part["file"] = file.path.name
            frames.append(part)
    frame = pd.concat(frames, ignore_index=True)
    for column in ("origin", "status", "file"):
        frame[column] = frame[column].astype("category")
    _refuse_duplicates(frame, [*shape.variables, TIME], table)
    return frame, files


def _blocks(file: RawFile, shape: TableShape, select: Mapping[str, Set[str]]) -> Iterator[pd.DataFrame]:
    """Selected rows of one file, block by block, so that a full REGK100 never stands in memory at once."""
    name = file.path.name
    columns = [*shape.variables, TIME, VALUE]
    header = _header(file.path)
    _check_header(header, columns, name)
    text = pa.dictionary(pa.int32(), pa.string())
    types = {column: text for column in header if column.upper() != VALUE}
    types |= {column: pa.string() for column in header if column.upper() == VALUE}
    options = {
        "read_options": csv.ReadOptions(block_size=BLOCK_BYTES),
        "parse_options": csv.ParseOptions(delimiter=";"),
        "convert_options": csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    }
    line = 2
    try:
        with csv.open_csv(file.path, **options) as reader:
            for batch in reader:
                batch = batch.rename_columns([column.upper() for column in batch.schema.names])
                yield _converted(batch, shape, select, name, line, decimal_comma=file.sidecar.lang == "da")
                line += batch.num_rows
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise InputError(f"{name} cannot be read as semicolon-separated UTF-8: {error}") from error
    if line == 2:
        raise InputError(f"{name} holds a header but no rows")


def _header(path: Path) -> list[str]:
    try:
        with pa.input_stream(str(path)) as stream:
            start = stream.read(65536)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path.name} cannot be opened: {error}") from error
    first = start.split(b"\n", 1)[0]
    try:
        return [cell.strip().strip('"') for cell in first.decode("utf-8-sig").rstrip("\r").split(";")]
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8 (the header holds other bytes); save it as UTF-8") from error


def _check_header(header: list[str], columns: list[str], name: str) -> None:
    seen = [column.upper() for column in header]
    unknown = [column for column in header if column.upper() not in columns]
    absent = [column for column in columns if column not in seen]
    if unknown or absent or len(set(seen)) != len(seen):
        near = {column: difflib.get_close_matches(column.upper(), absent, n=1) for column in unknown}
        hints = [f"column {column!r}" + (f" (is it {near[column][0]}?)" if near[column] else "") for column in unknown]
        problems = [f"unknown {', '.join(hints)}"] if hints else []
        problems += [f"no column {', '.join(absent)}"] if absent else []
        problems = problems or ["a column stands twice"]
        raise InputError(f"{name}: {' and '.join(problems)}; the header must be {';'.join(columns)}")


def _converted(
    batch: pa.RecordBatch,
    shape: TableShape,
    select: Mapping[str, Set[str]],
    name: str,
    first_line: int,
    *,
    decimal_comma: bool,
) -> pd.DataFrame:
    """One block as a frame: values checked before rows are dropped, codes padded, unknown areas refused."""
    mark = "," if decimal_comma else "."
    texts = batch.column(VALUE)
    sound = pc.match_substring_regex(texts, rf"^(-?[0-9]+([{mark}][0-9]+)?|\.\.)$")
    _refuse(
        batch,
        pc.invert(sound),
        VALUE,
        name,
        first_line,
        f"is neither a number (as 1234{mark}5) nor {MISSING}",
    )
    kept = np.ones(batch.num_rows, dtype=bool)
    coded = {}
    for column in (*shape.variables, TIME):
        array = batch.column(column)
        labels = _padded(array.dictionary.to_pandas(), shape.padding.get(column))
        indices = array.indices.to_numpy(zero_copy_only=False)
        if column == TIME:
            reason = f"is not a {shape.period} such as {'2024K4' if shape.period == 'quarter' else '2024'}"
            wrong = ~labels.str.match(PERIOD_PATTERN[shape.period]).to_numpy(dtype=bool)
            _refuse(batch, pa.array(wrong[indices]), column, name, first_line, reason)
        if column == shape.area:
            wrong = ~labels.isin(area_table()["area_code"]).to_numpy()
            _refuse(batch, pa.array(wrong[indices]), column, name, first_line, "is not an area of areas.csv")
        if column in select:
            kept &= labels.isin(select[column]).to_numpy()[indices]
        coded[column] = (labels.to_numpy(dtype=object), indices)
    numbers = pc.if_else(pc.equal(texts, MISSING), pa.scalar(None, pa.string()), texts)
    values = pc.cast(pc.replace_substring(numbers, mark, "."), pa.float64()).to_numpy(zero_copy_only=False)
    frame = pd.DataFrame(
        {column: pd.array(labels[indices[kept]], dtype="str") for column, (labels, indices) in coded.items()}
    )
    frame["value"] = values[kept]
    frame["line"] = np.arange(first_line, first_line + batch.num_rows)[kept]
    return frame


def _padded(labels: pd.Series, width: int | None) -> pd.Series:
    """Codes with the zeros that some extracts leave out."""
    if width is None or labels.empty:
        return labels
    return labels.where(~labels.str.isdigit(), labels.str.zfill(width))


def _refuse(
    batch: pa.RecordBatch, wrong: pa.BooleanArray, column: str, name: str, first_line: int, reason: str
) -> None:
    count = pc.sum(wrong).as_py() or 0
    if count:
        position = pc.index(wrong, value=True).as_py()
        shown = batch.column(column)[position].as_py()
        others = f" (and {count - 1} more rows)" if count > 1 else ""
        raise InputError(f"{name} line {first_line + position}: {column} {shown!r} {reason}{others}")


def _refuse_duplicates(frame: pd.DataFrame, keys: list[str], table: str) -> None:
    repeated = frame.duplicated(keys, keep=False)
    if repeated.any():
        first = frame[repeated].sort_values([*keys, "file", "line"]).iloc[:2]
        key = ", ".join(f"{column}={first.iloc[0][column]}" for column in keys)
        places = " and ".join(f"{row.file} line {row.line}" for row in first.itertuples())
        raise InputError(f"{table}: the key {key} stands twice, in {places}")


def require_years(frame: pd.DataFrame, table: str, years: list[int]) -> None:
    """Refuse a table that lacks a year of the edition."""
    absent = sorted(set(years) - set(frame[TIME].str[:4].astype(int)))
    if absent:
        raise InputError(
            f"{table} holds no rows for {', '.join(map(str, absent))}; the edition needs {years[0]}-{years[-1]}"
        )


def with_absent_rows(frame: pd.DataFrame, table: str, periods: list[str]) -> pd.DataFrame:
    """One row per municipality and period of a table with one figure each, so that absence has its meaning.

    A row that is left out counts as the table's suppressed value (normally 0) when the municipality is in the
    table at all; a municipality that is nowhere in the table is missing (NaN), not zero.
    """
    shape = table_shapes()[table]
    grid = pd.MultiIndex.from_product([municipalities(), periods], names=[shape.area, TIME]).to_frame(index=False)
    full = grid.merge(frame, on=[shape.area, TIME], how="left", indicator=True)
    absent = full["_merge"] == "left_only"
    delivered = full[shape.area].isin(frame[shape.area])
    full.loc[absent & delivered, "value"] = shape.suppressed_value
    weakest = max(frame["origin"].unique(), key=ORIGINS.index)
    return full.drop(columns="_merge").assign(
        origin=full["origin"].astype("str").where(~absent, weakest),
        status=full["status"].astype("str").where(~absent, "final"),
    )
