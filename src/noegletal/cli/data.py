"""Commands on raw tables: fetch them, import what was saved or filled in by hand, write a form to send out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from analysis.errors import InputError
from noegletal import cli
from noegletal.cli.build import SHOWN_FINDINGS

FETCHED_STYLES = {"changed": "green", "unchanged": "dim", "failed": "red"}


@cli.app.command()
def fetch(
    edition: cli.EditionOption = "",
    table: Annotated[
        list[str] | None,
        Option("--table", "-t", help="Only this table, e.g. REGK100; may be repeated. Default: all of StatBank's."),
    ] = None,
    url: Annotated[
        str | None,
        Option(
            "--url", envvar="NOEGLETAL_STATBANK_URL", help="Address of StatBank's API. Default: Statistics Denmark's."
        ),
    ] = None,
    raw: cli.RawOption = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Print the requests as JSON with the cells each may give; fetch no data.")
    ] = False,
    force: Annotated[
        bool, Option("--force", help="Fetch also what has not been updated, and accept a table that has shrunk.")
    ] = False,
) -> None:
    """Fetch the edition's tables from StatBank into the raw folder.

    Each table is verified before it replaces the old one; one that fails stays as it was, and the command exits with 1.
    The raw folder as it was is kept in data/vintages/<edition>/ (beside the folder of --raw). Stop with Ctrl-C and run
    the command again: what has come is not asked for twice.

    Example: noegletal fetch --table REGK100
    """
    from analysis.edition import raw_folder
    from noegletal.editions import edition_before
    from noegletal.sources.fetch import fetch_edition, plan_edition
    from noegletal.sources.fetch_plan import fetched_tables, listed_periods, tables_not_fetched
    from noegletal.sources.statbank import BASE_URL, Patience
    from noegletal.sources.vintages import vintages_folder

    plan, source, _ = cli.places(edition, raw, None)
    asked_for = {"tables": table or [], "url": url or BASE_URL}
    if dry_run:
        for name in fetched_tables(plan, asked_for["tables"]):
            cli.complain(f"{name}: {listed_periods([str(year) for year in plan.tables[name].years.all])} are wanted")
        # It is asked for a look: who has no network is told soon.
        plans, failed = plan_edition(plan, **asked_for, patience=Patience(attempts=2))
        cli.say_json([
            {"table": one.table, "updated": one.info.updated, "rows": asked.rows, "cells": asked.cells,
             "request": asked.body}
            for one in plans for asked in one.requests
        ])  # fmt: skip
        for name, reason in ({} if table else tables_not_fetched(plan)).items():
            cli.complain(f"{name} is not fetched: {reason}")
        # Without a network every table has the same to say.
        for cause in dict.fromkeys(outcome.cause for outcome in failed):
            cli.complain(f"Error: {cause}")
        raise Exit(1 if failed else 0)
    try:
        with _table_progress() as on_progress:
            before = edition_before(plan.name)
            outcomes, kept = fetch_edition(
                plan, source, vintages_folder(plan.name, raw), raw_folder(before) if before else None, **asked_for,
                force=force, on_progress=on_progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        cli.complain("Stopped. What has come is kept; run the command again to go on.")
        raise Exit(cli.STOPPED) from None
    _show_fetched(outcomes, {} if table else tables_not_fetched(plan))
    _say_kept(kept)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise Exit(1)


@contextmanager
def _table_progress() -> Iterator[Callable[[str, int, int, int], None]]:
    """A bar per table: requests answered of those to ask, and bytes so far."""
    from rich.filesize import decimal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "{task.fields[size]}", TimeElapsedColumn())
    with Progress(*columns, console=cli.console()) as progress:
        tasks = {}

        def came(table: str, answered: int, requests: int, size: int) -> None:
            if table not in tasks:
                tasks[table] = progress.add_task(table, total=requests, size="")
            progress.update(tasks[table], completed=answered, total=requests, size=decimal(size))

        yield came


def _show_fetched(outcomes: list, others: dict[str, str]) -> None:
    from rich.filesize import decimal

    rows = []
    for outcome in outcomes:
        result = outcome.cause if outcome.status == "unchanged" else outcome.status
        if outcome.status == "failed":
            result = f"failed: {outcome.cause.removeprefix(f'{outcome.table}: ')}"
        count = None if outcome.rows is None else f"{outcome.rows:,}"
        size = None if outcome.size is None else decimal(outcome.size)
        shown = f"[{FETCHED_STYLES[outcome.status]}]{cli.literal(result)}[/]"
        rows.append((outcome.table, outcome.periods, count, size, shown))
    rows += [(name, "", "", "", f"[dim]not fetched: {cli.literal(reason)}[/]") for name, reason in others.items()]
    cli.show_table(["table", "periods", "rows", "bytes", "result"], rows)
    for outcome in outcomes:
        for warning in outcome.warnings:
            cli.say(f"[yellow]warning[/yellow] {outcome.table}: {cli.literal(warning)}")


def _say_kept(vintage: Path | None) -> None:
    if vintage:
        cli.say(f"The raw folder as it was is kept in {vintage}")


@cli.app.command("import")
def import_file(
    files: Annotated[
        list[Path],
        Argument(help="A table saved from statistikbanken.dk (CSV, XLSX, PX), in one file or more, or a filled form."),
    ],
    edition: cli.EditionOption = "",
    table: Annotated[str | None, Option("--table", "-t", help="The StatBank table it is, e.g. HAND05.")] = None,
    form: Annotated[str | None, Option(help="The form it is, a file in data/reference/forms/.")] = None,
    raw: cli.RawOption = None,
) -> None:
    """Let a file that was saved or filled in by hand take the place of a table in the raw folder.

    A table from statistikbanken.dk may have labels or codes, one observation a row or the years across; saved in
    parts, such as a file a year, it is put together. It is verified before it replaces anything: when something is
    wrong, all of it is said and nothing changes. The raw folder as it was is kept in data/vintages/<edition>/ (beside
    the folder of --raw).

    Example: noegletal import ~/Hentet/HAND05_2023.xlsx ~/Hentet/HAND05_2024.xlsx --table HAND05
    """
    from noegletal.facts.builders import BUILDERS
    from noegletal.sources.imports import import_delivery, import_table
    from noegletal.sources.vintages import vintages_folder

    if (table is None) == (form is None):
        raise InputError("give either --table (a table from StatBank) or --form (a filled-in form)")
    plan, source, _ = cli.places(edition, raw, None)
    kept = vintages_folder(plan.name, raw)
    if table is not None:
        imported = import_table(files, table, plan, source, kept)
    elif len(files) > 1:
        raise InputError(f"--form takes one workbook, not {len(files)}: {', '.join(file.name for file in files)}")
    else:
        imported = import_delivery(files[0], form, plan, source, kept, BUILDERS)
    cli.say(f"{imported.file}: {cli.literal(imported.contents)}")
    cli.say(f"Replaced: {cli.literal(', '.join(imported.replaced)) or 'nothing, the table is new'}")
    for warning in imported.warnings:
        cli.say(f"[yellow]warning[/yellow] {cli.literal(warning)}")
    cli.show_findings(imported.findings, SHOWN_FINDINGS)
    _say_kept(imported.vintage)


@cli.app.command("form")
def blank_form(
    name: Annotated[str, Argument(help="A form in data/reference/forms/, e.g. komponent.")],
    out: Annotated[Path | None, Option(help="The workbook to write. Default: <TABLE>.xlsx here.")] = None,
) -> None:
    """Write a form as an empty workbook to send out, with a sheet that explains each column.

    Example: noegletal form herberg --out herberg_2026.xlsx
    """
    from noegletal.sources.blank_forms import write_form
    from noegletal.sources.forms import load_form

    target = out or Path(f"{load_form(name).table}.xlsx")
    if target.suffix.lower() != ".xlsx":
        raise InputError(f"{target.name} must end in .xlsx: give --out another name")
    if target.exists():
        raise InputError(f"{target} is already there and may be filled in: give --out another name, or remove it")
    try:
        write_form(name, target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    cli.say(f"{target} is ready to send out")
