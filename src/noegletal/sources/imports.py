"""Files that people saved or filled in become raw tables of an edition, verified before they replace anything.

A table from statistikbanken.dk becomes `<TABLE>.csv.gz`, a filled-in form becomes `<TABLE>.xlsx`, each with a sidecar.
The raw folder as it was is kept as a vintage.
"""

import datetime
import gzip
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import areas
from analysis.edition import Edition
from analysis.errors import InputError
from noegletal import account_rules
from noegletal.rules import Finding, few
from noegletal.sources.deliveries import WORKBOOK, read_form
from noegletal.sources.fetch_plan import (
    FUNCTIONS,
    WEIGHTS,
    how_renewed,
    listed_periods,
    required_areas,
    used_codes,
)
from noegletal.sources.forms import load_form
from noegletal.sources.manual_download import Download, read_downloads
from noegletal.sources.sidecar import Sidecar, checksum, stored_labels
from noegletal.sources.snapshot import TIME, VALUE, ExactCodes, TableShape, read_table, table_shapes
from noegletal.sources.vintages import changing, keep_vintage, replace_table, table_files, work_folder

STAGED = "import"
PACKED = ".csv.gz"
# Makes facts of a delivery in a folder, and says what the rules find.
Builder = Callable[[Path, Edition], tuple[object, list[Finding]]]


@dataclass(frozen=True)
class Imported:
    """What an import put in the raw folder, what stood there before, and what is worth knowing."""

    file: Path
    contents: str
    replaced: list[str]
    vintage: Path | None
    warnings: list[str]
    findings: list[Finding]


def import_table(
    paths: Sequence[Path],
    table: str,
    edition: Edition,
    raw: Path,
    vintages: Path,
    retrieved: datetime.date | None = None,
) -> Imported:
    """A table saved by hand from statistikbanken.dk (CSV, XLSX or PX) in place of every file of that table in `raw`.

    `paths`: the files that hold it together. `retrieved` is when it was saved; by default the date of the oldest file.
    Errors: whatever `read_downloads` refuses; a table the edition does not have; a period, code or area that is needed
    and missing; periods that the replaced table has. Nothing changes then.
    """
    table = table.upper()
    shape = table_shapes().get(table)
    if table in edition.tables and (shape is None or shape.fetch is None):
        raise InputError(f"table {table} is not imported as a table of StatBank: {how_renewed(table)}")
    if table not in edition.tables:
        known = [name for name in edition.tables if name in table_shapes() and table_shapes()[name].fetch]
        raise InputError(
            f"table {table} is not one that edition {edition.name} has from StatBank; it has {', '.join(known)}"
        )
    download = read_downloads(paths, table, stored_labels(raw, table))
    file = _listed(paths)
    with _staging(raw, table) as staged:
        target = staged / f"{table}{PACKED}"
        _write_packed(download.rows, target)
        _describe(target, table, paths, retrieved, _table_facts(table, download))
        rows, _ = read_table(staged, table)
        _require_periods(file, rows, edition, table, shape)
        _require_codes(file, rows, table, shape)
        warnings = _absent_areas(file, rows, shape)
        warnings += _against_old(file, rows, raw, table, shape)
        replaced, vintage = _replaced(raw, table, staged, vintages)
    contents = f"{len(rows):,} rows, {listed_periods(list(rows[TIME].unique()))}: {download.title or shape.title}"
    return Imported(raw / target.name, contents, replaced, vintage, warnings, [])


def import_delivery(
    path: Path,
    form: str,
    edition: Edition,
    raw: Path,
    vintages: Path,
    builders: Mapping[str, Builder],
    retrieved: datetime.date | None = None,
) -> Imported:
    """A filled-in form in place of the workbook of its table in `raw`.

    `builders`: by table what makes facts of it; it is let in when that succeeds, by rules that a form alone cannot say.

    Errors: everything that `read_form` and the facts made from the workbook refuse, in Danish, a line each. Nothing
    changes then.
    """
    plan = load_form(form)
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    with _staging(raw, plan.table) as staged:
        target = staged / f"{plan.table}{WORKBOOK}"
        shutil.copyfile(path, target)
        _describe(target, plan.table, [path], retrieved, _delivery_facts(form))
        try:
            findings = _findings(target, plan.table, form, edition, builders.get(plan.table))
        except InputError as error:
            # The sender knows the file by the name that it was sent under.
            raise InputError(str(error).replace(target.name, path.name), rule=error.rule) from error
        replaced, vintage = _replaced(raw, plan.table, staged, vintages)
    return Imported(raw / target.name, plan.title, replaced, vintage, [], findings)


def _findings(workbook: Path, table: str, form: str, edition: Edition, builder: Builder | None) -> list[Finding]:
    """What the facts made from a workbook say of it; errors are all that is wrong with it."""
    if builder is None:
        read_form(workbook, form)
        return []
    _, findings = builder(workbook.parent, edition)
    return [found for found in findings if found.table == table]


# Putting in place


@contextmanager
def _staging(raw: Path, table: str) -> Iterator[Path]:
    """An empty folder in the raw folder to make a table ready in; what is left of it in the end is removed."""
    with changing(raw):
        staged = work_folder(raw, table) / STAGED
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        try:
            yield staged
        finally:
            shutil.rmtree(staged)


def _replaced(raw: Path, table: str, staged: Path, vintages: Path) -> tuple[list[str], Path | None]:
    """Put the staged files in place; says what stood there and where it is kept."""
    before = [_described(path) for path in table_files(raw, table) if path.suffix != ".yml"]
    vintage = keep_vintage(raw, vintages)
    replace_table(raw, table, staged)
    return before, vintage


def _described(path: Path) -> str:
    stem = path.name.removesuffix(path.suffix).removesuffix(".csv")
    try:
        sidecar = Sidecar.read(path.parent / f"{stem}.yml")
        return f"{path.name} ({sidecar.origin}, {sidecar.day})"
    except InputError:
        return f"{path.name} (without a sound sidecar)"


def _write_packed(rows: pd.DataFrame, path: Path) -> None:
    keys = [column for column in rows.columns if column != VALUE]
    text = rows.sort_values(keys, kind="stable").to_csv(sep=";", index=False, lineterminator="\n")
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))


def _describe(
    path: Path, table: str, given: Sequence[Path], retrieved: datetime.date | None, facts: dict[str, Any]
) -> None:
    saved = retrieved or datetime.date.fromtimestamp(min(file.stat().st_mtime for file in given))
    came = {"retrieved": saved.isoformat(), "query": {"manual": _listed(given)}, "lang": "da", "status": "final"}
    Sidecar.write(path.with_name(f"{table}.yml"), {"table": table, **came, **facts, **checksum(path)})


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _table_facts(table: str, download: Download) -> dict[str, Any]:
    return {
        "title": download.title or table_shapes()[table].title,
        "source": f"Danmarks Statistik, Statistikbanken {table}, gemt i hånden fra statistikbanken.dk",
        "licence": "CC BY 4.0 (Danmarks Statistik)",
        "url": f"https://www.statistikbanken.dk/{table}",
        "origin": "statbank",
        "note": download.notes,
        "rows": len(download.rows),
        "labels": download.labels,
    }


def _delivery_facts(form: str) -> dict[str, Any]:
    return {
        "title": load_form(form).title,
        "source": f"Leverance efter formularen {form}",
        "licence": "Leverandørens vilkår",
        "url": "",
        "origin": "delivery",
        "note": "",
    }


# What must be there


def _require_periods(file: str, rows: pd.DataFrame, edition: Edition, table: str, shape: TableShape) -> None:
    years = edition.tables[table].years.all
    marks = [mark for mark in shape.fetch.get(TIME, ()) if mark != WEIGHTS] or [""]
    absent = sorted({f"{year}{mark}" for year in years for mark in marks} - set(rows[TIME]))
    if absent:
        raise InputError(
            f"{file} lacks {listed_periods(absent)}, which edition {edition.name} needs of {table}; choose them in "
            "StatBank, and save the table again or import further files together with this one",
            rule="DAEK-04",
        )


def _require_codes(file: str, rows: pd.DataFrame, table: str, shape: TableShape) -> None:
    """Refuse a table without a code that is used, or with one more of those that are all added up."""
    used = used_codes(table)
    for variable in shape.variables:
        there = set(rows[variable])
        asked = shape.fetch[variable]
        exactly = set(asked.exactly) if isinstance(asked, ExactCodes) else None
        needed = exactly or (
            account_rules.functions() if asked == FUNCTIONS else set(asked if type(asked) is tuple else ())
        )
        absent = sorted((needed | {*used.get(variable, [])}) - there)
        if absent:
            names = shape.labels.get(variable, {})
            said = few([f"{code} ({names[code]})" if code in names else code for code in absent])
            raise InputError(
                f"{file} lacks {variable} {said}; choose it in StatBank and save the table again", rule="DAEK-04"
            )
        if exactly and there - exactly:
            raise InputError(
                f"{file} has {variable} {few(sorted(there - exactly))} beside {', '.join(sorted(exactly))}, which are "
                "added up; leave it out in StatBank and save the table again",
                rule="KODE-02",
            )
        if shape.numbered.get(variable) == "age":
            _require_ages(file, rows, variable, shape)


def _require_ages(file: str, rows: pd.DataFrame, variable: str, shape: TableShape) -> None:
    """Refuse single years of age that do not add up to the total: some are missing."""
    total = next(iter(shape.labels[variable]))
    keys = [column for column in (*shape.variables, TIME) if column != variable]
    of_all = rows[rows[variable] == total].set_index(keys)["value"]
    added = rows[rows[variable] != total].groupby(keys)["value"].sum()
    if of_all.empty or not added.reindex(of_all.index).eq(of_all).all():
        raise InputError(
            f"{file}: the single years of {variable} do not add up to {shape.labels[variable][total]!r}; choose the "
            "total and every single year in StatBank, and save the table again",
            rule="DAEK-04",
        )


def _absent_areas(file: str, rows: pd.DataFrame, shape: TableShape) -> list[str]:
    """A warning about municipalities without rows. Errors: more of them than a table can lack, a region."""
    there = set(rows[shape.area])
    expected, tolerated = required_areas(shape.fetch[shape.area])
    absent = [code for code in expected if code not in there]
    names = few([areas.name(code) for code in absent])
    said = f"{len(absent)} of {len(expected)} areas ({names})"
    if len(absent) > tolerated:
        raise InputError(f"{file} lacks {said}; choose them in StatBank and save the table again", rule="DAEK-04")
    return [f"no rows for {names}"] if absent else []


def _against_old(file: str, rows: pd.DataFrame, raw: Path, table: str, shape: TableShape) -> list[str]:
    """Warnings about codes that the replaced table has and the new one has not. Errors: periods of which that is so."""
    try:
        old, _ = read_table(raw, table)
    except InputError:
        return []
    lost = sorted(set(old[TIME]) - set(rows[TIME]))
    if lost:
        raise InputError(
            f"{file} lacks {listed_periods(lost)}, which {table} in {raw} has; save the table with these periods too, "
            "or first move the old files out of that folder",
            rule="DAEK-04",
        )
    gone = {variable: sorted(set(old[variable]) - set(rows[variable])) for variable in shape.variables}
    return [f"{variable} no longer has {few(codes)}" for variable, codes in gone.items() if codes]
