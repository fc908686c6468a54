"""An edition's StatBank tables into its raw folder: planned, downloaded, verified, replaced one by one.

    <raw>/.fetch/<TABLE>/parts/   answers that came through whole and read well, kept for a command that is run again
    <raw>/.fetch/<TABLE>/staged/  the new file and its sidecar, until they replace the old
    <vintages>/<date>[-n]/        the raw folder as it was before the first table of a run was replaced

A table is replaced only when all of it has been verified, and on its own: one that fails stays as it was. Live data
replaces every part of a table, also the reconstructed and derived ones, whose keys would overlap with it.
"""

import datetime
import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from analysis.edition import Edition
from analysis.errors import InputError
from noegletal.sources import statbank
from noegletal.sources.fetch_checks import absent_areas, label_warnings, require_not_shrunk, sum_warnings
from noegletal.sources.fetch_plan import Plan, fetched_tables, listed_periods, plan_table
from noegletal.sources.sidecar import Sidecar, TableSidecar, checksum, stored_labels
from noegletal.sources.snapshot import TIME, VALUE, raw_files, read_table, verified
from noegletal.sources.statbank import (
    BASE_URL,
    MAX_ROWS,
    Connection,
    Patience,
    Request,
    StatBankError,
    UnreachableError,
)
from noegletal.sources.vintages import changing, keep_vintage, replace_table, work_folder

PARTS, STAGED = "parts", "staged"
LINES_AT_ONCE = 500_000
# A table that is published anew while it is fetched is fetched once more.
UPDATES = 2

Progress = Callable[[str, int, int, int], None]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome:
    """How it went with one table: what it now holds, or why it was left as it was."""

    table: str
    status: Literal["changed", "unchanged", "failed"]
    periods: str = ""
    rows: int | None = None
    size: int | None = None
    cause: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Run:
    """What the tables of one command have in common."""

    link: Connection
    edition: Edition
    raw: Path
    earlier: Path | None
    limit: int
    force: bool
    keep: Callable[[], Path | None]
    progress: Progress


def plan_edition(
    edition: Edition, *, tables: Sequence[str] = (), url: str = BASE_URL, patience: Patience | None = None
) -> tuple[list[Plan], list[Outcome]]:
    """What would be asked of StatBank, and the tables for which that cannot be said. Only tableinfo is fetched."""
    with statbank.connection(url, patience) as link:
        return _each(fetched_tables(edition, tables), lambda table: plan_table(link, edition, table))


def fetch_edition(
    edition: Edition,
    raw: Path,
    vintages: Path,
    earlier: Path | None = None,
    *,
    tables: Sequence[str] = (),
    url: str = BASE_URL,
    patience: Patience | None = None,
    limit: int = MAX_ROWS,
    force: bool = False,
    on_progress: Progress | None = None,
) -> tuple[list[Outcome], Path | None]:
    """Fetch the tables of an edition, or those named, into `raw`; an outcome per table, and the vintage that was kept.

    A table whose stamp and query are those of the file there is not downloaded. `force` downloads it all the same, and
    accepts one that has shrunk. Codes and labels are compared with those of the last fetch, and of a table that was
    not fetched before with those in `earlier`, the raw folder of the edition before. `on_progress` is told the table,
    requests answered, requests in all and bytes so far.
    Errors: a table that is not the edition's, a folder that cannot be written to, an address that is none. What goes
    wrong with one table is in its outcome.
    """
    names = fetched_tables(edition, tables)
    with changing(raw), statbank.connection(url, patience) as link:
        # Once, before the first replacement: what a run has half done is no vintage.
        keep = cache(partial(keep_vintage, raw, vintages))
        run = _Run(link, edition, raw, earlier, limit, force, keep, on_progress or (lambda *_: None))
        done, failed = _each(names, partial(_fetched, run))
        kept = keep() if any(outcome.status == "changed" for outcome in done) else None
    return sorted([*done, *failed], key=lambda outcome: names.index(outcome.table)), kept


def _each(names: list[str], act: Callable[[str], Result]) -> tuple[list[Result], list[Outcome]]:
    """Do something for each table; what goes wrong with one does not stop the others, but for a lost connection."""
    done, failed = [], []
    for position, table in enumerate(names):
        try:
            done.append(act(table))
        except UnreachableError as error:
            left = f"not asked for, as StatBank did not answer for {table}"
            failed.append(Outcome(table, "failed", cause=str(error)))
            failed += [Outcome(name, "failed", cause=left) for name in names[position + 1 :]]
            break
        except InputError as error:
            failed.append(Outcome(table, "failed", cause=str(error)))
        except OSError as error:
            cause = f"{error.filename or 'the disk'}: {error.strerror or error}; the table is as it was before"
            failed.append(Outcome(table, "failed", cause=cause))
    return done, failed


def _fetched(run: _Run, table: str) -> Outcome:
    work = work_folder(run.raw, table)
    if run.force:
        shutil.rmtree(work, ignore_errors=True)
    record = _record(run.raw, table)
    known = stored_labels(run.raw, table)
    if not known and run.earlier:
        known = stored_labels(run.earlier, table)
    for _ in range(UPDATES):
        plan = plan_table(run.link, run.edition, table, run.limit)
        stamp = (_data_address(run.link), plan.info.updated, plan.whole.body)
        if not run.force and record and stamp == (record.url, record.updated, record.query):
            shutil.rmtree(work, ignore_errors=True)
            return _unchanged(plan, record, label_warnings(plan, known))
        parts = _downloaded(run, plan, work / PARTS)
        if statbank.table_info(run.link, table) == plan.info:
            break
        # Some of the answers are of the old table and some of the new: once more, from the start.
        shutil.rmtree(work)
    else:
        raise StatBankError(f"{table} was updated again while it was being fetched; run the command again later")
    try:
        staged, rows, warnings = _staged(run, plan, parts, work / STAGED)
        if not run.force:
            require_not_shrunk(plan, rows, record)
    except InputError:
        # Parts that do not make a sound table together would only do the same again.
        shutil.rmtree(work)
        raise
    warnings += label_warnings(plan, known)
    if record and record.query == plan.whole.body and _same_content(run.raw / staged.name, staged):
        shutil.rmtree(work)
        return _unchanged(plan, record, warnings)
    size = staged.stat().st_size
    run.keep()
    replace_table(run.raw, table, staged.parent)
    shutil.rmtree(work, ignore_errors=True)
    return Outcome(table, "changed", listed_periods(plan.periods), rows, size, warnings=plan.warnings + warnings)


def _unchanged(plan: Plan, record: TableSidecar, warnings: list[str]) -> Outcome:
    periods, warnings = listed_periods(plan.periods), plan.warnings + warnings
    return Outcome(
        plan.table, "unchanged", periods, record.rows, record.bytes, f"unchanged since {record.day}", warnings
    )


def _record(raw: Path, table: str) -> TableSidecar | None:
    """The sidecar of a table that is one sound file and came by this command; None of any other."""
    try:
        names = [file.path.name for file in raw_files(raw, table)]
        record = TableSidecar.read(raw / f"{table}.yml")
    except InputError:
        return None
    fetched = record.origin == "statbank" and {"updated", "rows", "labels"} <= record.model_fields_set
    return record if fetched and names == [f"{table}.csv.gz"] else None


def _downloaded(run: _Run, plan: Plan, folder: Path) -> list[tuple[Request, Path]]:
    """Every part of the table on disk: those of an earlier run that fit, and the rest from StatBank.

    A part stands in `folder` as a raw table of its own, with a sidecar that holds its request, and only when it could
    be read. Parts of another request, another time stamp or another address are thrown away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [(request, folder / f"{plan.table}.{_part_name(run.link, plan, request)}.csv") for request in plan.requests]
    done = {path for _, path in parts if _sound(path)}
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.with_suffix(".csv") not in done:
            left.unlink()
    total = sum(path.stat().st_size for path in done)
    run.progress(plan.table, len(done), len(parts), total)
    for request, path in parts:
        if path in done:
            continue
        incoming = folder / "incoming"
        incoming.mkdir(exist_ok=True)
        arrived = incoming / path.name
        report = partial(_bytes_came, run, plan.table, len(done), len(parts), total)
        answer = statbank.download(run.link, request, arrived, report)
        Sidecar.write(
            arrived.with_suffix(".yml"),
            _sidecar(run.link, plan, arrived, json.dumps(request.body, ensure_ascii=False))
            | {"updated": plan.info.updated, "request_ids": [answer.request_id] if answer.request_id else []},
        )
        try:
            _require_readable(plan, request, arrived)
        except InputError as error:
            raise StatBankError(f"{plan.table}: StatBank's answer is refused: {error}") from error
        # The sidecar last: data without one is thrown away by the next run.
        arrived.replace(path)
        arrived.with_suffix(".yml").replace(path.with_suffix(".yml"))
        done.add(path)
        total += answer.size
        run.progress(plan.table, len(done), len(parts), total)
    return parts


def _bytes_came(run: _Run, table: str, answered: int, requests: int, before: int, size: int) -> None:
    run.progress(table, answered, requests, before + size)


def _part_name(link: Connection, plan: Plan, request: Request) -> str:
    identity = json.dumps([link.url, plan.info.updated, request.body], ensure_ascii=False)
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def _sound(path: Path) -> bool:
    try:
        verified(path, path.with_suffix(".yml"))
    except (InputError, OSError):
        return False
    return True


def _require_readable(plan: Plan, request: Request, path: Path) -> None:
    """Refuse a part that the raw-table reader refuses, or that holds codes that were not asked for."""
    if _holds_rows(path):
        read_table(path.parent, plan.table)
    _part_frame(plan, request, path)


def _holds_rows(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.readline()
        return bool(stream.readline())


def _part_frame(plan: Plan, request: Request, path: Path) -> pd.DataFrame:
    """The rows of a part as text, codes as they are written, columns in the order of the raw file."""
    columns = [*plan.shape.variables, TIME, VALUE]
    with path.open("rb") as stream:
        header = stream.readline().decode("utf-8-sig", errors="replace").strip().split(";")
    if sorted(name.upper() for name in header) != sorted(columns):
        raise StatBankError(f"{plan.table}: StatBank's header is {';'.join(header)}, it must be {';'.join(columns)}")
    kinds = {name: pa.string() if name.upper() == VALUE else pa.dictionary(pa.int32(), pa.string()) for name in header}
    table = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(delimiter=";"),
        convert_options=csv.ConvertOptions(column_types=kinds, strings_can_be_null=False),
    )
    frame = table.unify_dictionaries().to_pandas().rename(columns=str.upper)[columns]
    own_names = dict(zip(plan.codes, request.variables, strict=True))
    for variable, spellings in plan.codes.items():
        asked = {code: spellings[code] for code in request.variables[own_names[variable]]}
        frame[variable] = _written(frame[variable], asked, spellings, f"{plan.table}: {variable}")
    return frame


def _written(codes: pd.Series, asked: dict[str, str], every: dict[str, str], place: str) -> pd.Series:
    """Delivered codes as they are written; one that was not asked for is an error."""
    folds: dict[str, list[str]] = {}
    for code in asked:
        folds.setdefault(statbank.folded(code), []).append(code)
    spelled = {}
    for code in codes.cat.categories:
        candidates = [code] if code in asked else folds.get(statbank.folded(code), [])
        if len(candidates) != 1:
            raise StatBankError(f"{place} {code!r} came in the answer, though it was not asked for; fetch again later")
        if asked[candidates[0]] in spelled.values():
            raise StatBankError(
                f"{place} {asked[candidates[0]]!r} came in the answer in two spellings; fetch again later"
            )
        spelled[code] = asked[candidates[0]]
    return codes.cat.rename_categories(spelled).cat.set_categories(sorted(every.values()))


def _staged(run: _Run, plan: Plan, parts: list[tuple[Request, Path]], folder: Path) -> tuple[Path, int, list[str]]:
    """The whole table, verified, as the file that is to replace the old; its number of rows, and what to warn of."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / f"{plan.table}.csv.gz"
    _write_canonical(_merged(plan, parts), path)
    records = [TableSidecar.read(part.with_suffix(".yml")) for _, part in parts]
    sidecar = _sidecar(run.link, plan, path, plan.whole.body)
    sidecar["retrieved"] = max(record.retrieved.isoformat() for record in records)
    Sidecar.write(path.with_name(f"{plan.table}.yml"), sidecar)
    rows, _ = read_table(folder, plan.table)
    absent = absent_areas(plan, rows)
    warnings = [f"no rows for {absent}"] if absent else []
    if not plan.shape.rate:
        warnings += sum_warnings(plan, rows)
    renamed = {
        variable: changed
        for variable, spelled in plan.codes.items()
        if (changed := {own: code for own, code in spelled.items() if own != code})
    }
    Sidecar.write(
        path.with_name(f"{plan.table}.yml"),
        sidecar
        | {"note": _note(plan, absent)}
        | {"updated": plan.info.updated, "rows": len(rows), "unit": plan.info.unit or ""}
        | {"request_ids": [name for record in records for name in record.request_ids]}
        | ({"renamed_codes": renamed} if renamed else {})
        | {"labels": plan.labels},
    )
    return path, len(rows), warnings


def _merged(plan: Plan, parts: list[tuple[Request, Path]]) -> pd.DataFrame:
    frame = pd.concat([_part_frame(plan, request, path) for request, path in parts], ignore_index=True)
    return frame.sort_values([*plan.shape.variables, TIME], ignore_index=True, kind="stable")


def _write_canonical(frame: pd.DataFrame, path: Path) -> None:
    """Rows as gzip that has the same bytes whenever the rows are the same."""
    options = csv.WriteOptions(delimiter=";", quoting_style="none", quoting_header="none")
    schema = pa.schema([(name, pa.string()) for name in frame.columns])
    with (
        path.open("wb") as stream,
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed,
        csv.CSVWriter(packed, schema, write_options=options) as writer,
    ):
        for start in range(0, len(frame), LINES_AT_ONCE):
            lines = frame.iloc[start : start + LINES_AT_ONCE]
            writer.write(pa.table({name: lines[name].astype("str") for name in frame.columns}, schema=schema))


def _sidecar(link: Connection, plan: Plan, path: Path, query: dict[str, Any] | str) -> dict[str, Any]:
    return {
        "table": plan.table,
        "title": f"{plan.info.text}, {listed_periods(plan.periods)}",
        "source": f"Danmarks Statistik, Statistikbanken {plan.table}",
        "licence": "CC BY 4.0 (Danmarks Statistik)",
        "retrieved": datetime.datetime.now(datetime.UTC).replace(microsecond=0).isoformat(),
        "url": _data_address(link),
        "query": query,
        "lang": statbank.LANGUAGE,
        **checksum(path),
        "origin": "statbank",
        "status": "final",
        "note": "",
    }


def _data_address(link: Connection) -> str:
    return f"{link.url}/data"


def _note(plan: Plan, absent: str) -> str:
    """What a reader of the report should know of the table, in Danish."""
    footnote = plan.info.footnote
    parts = [f"Uden rækker: {absent}." if absent else "", " ".join(footnote.text.split()) if footnote else ""]
    return " ".join(part for part in parts if part)


def _same_content(old: Path, new: Path) -> bool:
    """Whether two packed files hold the same lines, however they were packed."""
    return _unpacked_digest(old) == _unpacked_digest(new)


def _unpacked_digest(path: Path) -> str:
    with gzip.open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
