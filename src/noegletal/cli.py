"""The command `noegletal`: build key figures, make reports, check them against print."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from analysis.errors import InputError

app = typer.Typer(
    name="noegletal",
    help="Key figures for the specialised social area: from raw tables to the rendered report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

EditionOption = Annotated[str, typer.Option("--edition", "-e", help="Report year, a file in editions/ such as 2025.")]
RawOption = Annotated[
    Path | None, typer.Option("--raw", help="Folder with the raw tables and sidecars. Default: data/raw/<edition>.")
]
ProcessedOption = Annotated[
    Path | None,
    typer.Option("--processed", help="Folder for facts and key figures. Default: data/processed/<edition>."),
]


class ReportFormat(StrEnum):
    """What a report can be made as."""

    SITE = "site"
    PDF = "pdf"
    SLIDES = "slides"
    WORKBOOK = "workbook"
    DATA = "data"


SEVERITY_STYLES = {"FATAL": "bold red", "ERROR": "red", "WARNING": "yellow", "INFO": "dim"}
SHOWN_FINDINGS = 12
SHOWN_REVISIONS = 10


@app.command()
def build(edition: EditionOption, raw: RawOption = None, processed: ProcessedOption = None) -> None:
    """Compute facts and key figures from the raw tables.

    Writes facts/*.parquet and key_figures.parquet. Every raw file is checked against its sidecar first; when anything
    is wrong, nothing that was there changes.

    Example: noegletal build --edition 2025
    """
    from analysis.edition import load_edition, processed_folder, raw_folder
    from noegletal.figures.build import build_edition
    from noegletal.rules import by_severity

    plan = load_edition(edition)
    source, target = raw or raw_folder(edition), processed or processed_folder(edition)
    table, findings = build_edition(plan, source, target)
    console = _console()
    _show_findings(console, [finding.model_dump() for finding in by_severity(findings)])
    console.print(f"{len(table):,} key figures of edition {edition} from {source} written to {target}", soft_wrap=True)


@app.command()
def report(
    edition: EditionOption,
    area: Annotated[
        list[str] | None,
        typer.Option("--area", "-a", help="Municipality, region, hovedstaden or hele_landet; may be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run only this section, e.g. 01_udgifter; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder above <edition>/<area>. Default: reports/.")] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", "-w", min=1, help="Notebooks run side by side, as memory allows. Default: all cores."
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine", help="warm: kernels forked from a loaded process (Linux); stock: as Jupyter starts them; auto."
        ),
    ] = "auto",
    scheduler: Annotated[
        str,
        typer.Option(
            "--scheduler", help="Address of a running Dask scheduler, tcp://host:port, to run the notebooks on."
        ),
    ] = "",
    formats: Annotated[
        list[ReportFormat] | None,
        typer.Option(
            "--format",
            "-f",
            help="What to make beside the pages, which are always made; may be repeated. Default: all.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Make every section again, also where nothing changed.")
    ] = False,
    raw: RawOption = None,
    processed: ProcessedOption = None,
) -> None:
    """Run the notebooks and write the report: pages, PDF, slides, workbook, and the edition's data package.

    Only what changed is run: see `noegletal status`. A section that fails keeps its last good page, its notebook is
    kept in <out>/<edition>/_fejl/, and the command exits with 1.

    Example: noegletal report --edition 2025 --area hovedstaden --area koebenhavn
    """
    from analysis.areas import find_area, name
    from analysis.edition import load_edition, processed_folder, project_root, raw_folder
    from noegletal.runner.plan import idle_folders, require_runnable

    plan = load_edition(edition)
    codes = list(dict.fromkeys(find_area(text) for text in area or [plan.home_area]))
    where = {
        "formats": [kind.value for kind in formats or ReportFormat if kind is not ReportFormat.SITE],
        "out": out or project_root() / "reports",
        "raw": raw or raw_folder(edition),
        "processed": processed or processed_folder(edition),
    }
    # Answered before anything of Jupyter or pandas is loaded.
    require_runnable(plan, codes, only or [])
    if not force and (folders := idle_folders(plan, codes, only=only or [], **where)):
        for code, folder in folders.items():
            print(f"{name(code)}: nothing changed since it was made: {folder / 'index.html'}")  # noqa: T201
        return
    reports, comparisons = _run_with_progress(
        plan,
        codes,
        only=only or [],
        workers=workers or os.cpu_count() or 1,
        engine=engine,
        scheduler=scheduler,
        force=force,
        **where,
    )
    _show_reports(reports, comparisons, edition)
    if not all(made.complete for made in reports):
        raise typer.Exit(1)


def _run_with_progress(plan: object, codes: list[str], *, engine: str, **request: object) -> tuple[list, list]:
    """Run the report with a bar, the time left and each failure as it happens."""
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from analysis.areas import name
    from noegletal.runner.engine import choose
    from warmkernel import engine as engines

    with ThreadPoolExecutor(1) as beside:
        # The preloader of kernels loads its libraries in a process of its own while this one loads the rest. A
        # cluster's workers choose for themselves.
        choosing = beside.submit(choose, "stock" if request["scheduler"] else engine)
        from noegletal.runner.report import run_report

        chosen = choosing.result()
    if not request["scheduler"] and engine == "auto" and chosen == "stock" and (reason := engines.why_stock()):
        print(f"Kernels are started one by one, because {reason}", file=sys.stderr)  # noqa: T201
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=_console()) as progress:
        task = progress.add_task("Sections", total=None)

        def done(outcome: object) -> None:
            progress.advance(task)
            if not outcome.succeeded:
                progress.console.print(
                    f"[red]failed[/red] {name(outcome.job.area_code)} {outcome.job.plan.notebook}: "
                    f"{escape(outcome.cause)}",
                    soft_wrap=True,
                )

        try:
            return run_report(
                plan,
                codes,
                engine=chosen,
                on_plan=lambda jobs: progress.update(task, total=len(jobs)),
                on_done=done,
                **request,
            )
        except KeyboardInterrupt:
            print("Stopped. What was published is whole; the next run goes on from there.", file=sys.stderr)  # noqa: T201
            raise typer.Exit(130) from None
        finally:
            engines.stop()


def _show_reports(reports: list, comparisons: list, edition: str) -> None:
    """A line per area with what was made, kept and failed, and where it is."""
    from rich.markup import escape

    from analysis.areas import name
    from noegletal.folders import failed_folder

    console = _console()
    deviating = sum(comparison.status == "deviates" for comparison in comparisons)
    if deviating:
        console.print(
            f"[yellow]{deviating} printed figures deviate: see `noegletal check --edition {edition}`[/yellow]"
        )
    for made in reports:
        good = [outcome for outcome in made.outcomes if outcome.succeeded]
        failed = len(made.outcomes) - len(good)
        outputs = sum(len(outcome.outputs) for outcome in good)
        kept = f", {len(made.reused)} unchanged" if made.reused else ""
        console.print(
            f"{name(made.area_code)}: {len(good)} sections done, {failed} failed{kept}, {outputs} figures and tables: "
            f"{made.folder / 'index.html'}",
            soft_wrap=True,
        )
        for form, cause in made.formats.items():
            if cause:
                console.print(f"  [red]{form} was not made[/red]: {escape(cause)}", soft_wrap=True)
        if failed:
            console.print(f"  notebooks of the failed sections: {failed_folder(made.folder)}", soft_wrap=True)


@app.command()
def status(
    edition: EditionOption,
    area: Annotated[
        list[str] | None,
        typer.Option("--area", "-a", help="As for report. Default: every area that has a report."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder above <edition>/<area>. Default: reports/.")] = None,
    raw: RawOption = None,
    processed: ProcessedOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Say what `noegletal report` would make again, and why; changes nothing.

    A section is stale when its notebook, its parameters, the key figures that it declares to read, the library or the
    locked packages are others than when it was made.

    Example: noegletal status --edition 2025
    """
    from analysis.areas import find_area
    from analysis.edition import load_edition, processed_folder, project_root, raw_folder
    from noegletal.runner.plan import status_lines, status_of

    plan = load_edition(edition)
    found = status_of(
        plan,
        [find_area(text) for text in area or []],
        out=out or project_root() / "reports",
        raw=raw or raw_folder(edition),
        processed=processed or processed_folder(edition),
    )
    print(json.dumps(found, ensure_ascii=False, indent=1) if as_json else "\n".join(status_lines(found)))  # noqa: T201


@app.command()
def check(
    edition: EditionOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead of a table.")] = False,
    raw: RawOption = None,
    processed: ProcessedOption = None,
) -> None:
    """Compare the key figures with every printed number of the report.

    `genuine` comparisons rest on real figures; `fitted` ones on the embedded reconstruction, which was fitted to
    these very numbers, so that they test the calculation and not the report. Exits with 1 when a number deviates.
    Of an edition without printed numbers it says that there is nothing to check.

    Example: noegletal check --edition 2025 --json
    """
    from analysis.edition import load_edition, processed_folder, raw_folder
    from noegletal.figures.build import build_if_stale, build_record
    from noegletal.review.reconcile import compare, nothing_printed

    plan = load_edition(edition)
    if reason := nothing_printed(plan):
        print("[]" if as_json else f"Nothing to check: {reason}")  # noqa: T201
        return
    target = processed or processed_folder(edition)
    built_from = build_record(target).get("raw")
    source = raw or (Path(built_from) if built_from and Path(built_from).is_dir() else raw_folder(edition))
    build_if_stale(plan, source, target)
    comparisons = compare(plan, target)
    if as_json:
        print(json.dumps([comparison.model_dump() for comparison in comparisons], ensure_ascii=False, indent=1))  # noqa: T201
    else:
        _show_comparisons(comparisons)
    if any(comparison.status == "deviates" for comparison in comparisons):
        raise typer.Exit(1)


@app.command()
def new(
    title: Annotated[str, typer.Argument(help="What the analysis is about; becomes its heading and file name.")],
    template: Annotated[str, typer.Option("--template", "-t", help="A notebook in notebooks/templates/.")],
    area: Annotated[str, typer.Option("--area", "-a", help="Municipality, region, hovedstaden or hele_landet.")],
    edition: Annotated[
        str | None, typer.Option("--edition", "-e", help="Report year. Default: the newest in editions/.")
    ] = None,
) -> None:
    """Fork a template: a dated, runnable notebook in adhoc/ with your title, area and edition filled in.

    Example: noegletal new "Botilbud i Ballerup" --template kommune_mod_gruppe --area Ballerup
    """
    from rich.markup import escape

    from analysis.edition import editions, project_root
    from noegletal.runner.fork import new_analysis

    made = new_analysis(title, template, area, edition or editions()[-1], project_root() / "adhoc")
    _console().print(f"{escape(str(made))} is ready: open it with `make lab`", soft_wrap=True)


@app.command()
def fetch(
    edition: EditionOption,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table", "-t", help="Only this table, e.g. REGK100; may be repeated. Default: all of StatBank's."
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url", envvar="NOEGLETAL_STATBANK_URL", help="Address of StatBank's API. Default: Statistics Denmark's."
        ),
    ] = None,
    raw: RawOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the requests as JSON with the cells each may give; fetch no data.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Fetch also what has not been updated, and accept a table that has shrunk.")
    ] = False,
) -> None:
    """Fetch the edition's tables from StatBank into the raw folder.

    Each table is verified before it replaces the old one; one that fails stays as it was, and the command exits with 1.
    The raw folder as it was is kept in data/vintages/<edition>/ (beside the folder of --raw). Stop with Ctrl-C and run
    the command again: what has come is not asked for twice.

    Example: noegletal fetch --edition 2025 --table REGK100
    """
    from analysis.edition import load_edition, raw_folder
    from noegletal.sources.fetch import fetch_edition, plan_edition
    from noegletal.sources.fetch_plan import tables_not_fetched
    from noegletal.sources.statbank import BASE_URL
    from noegletal.sources.vintages import vintages_folder

    plan = load_edition(edition)
    url = url or BASE_URL
    console = _console()
    if dry_run:
        plans, failed = plan_edition(plan, tables=table or [], url=url)
        requests = [
            {"table": planned.table, "updated": planned.info.updated, "rows": asked.rows, "cells": asked.cells,
             "request": asked.body}
            for planned in plans
            for asked in planned.requests
        ]  # fmt: skip
        print(json.dumps(requests, ensure_ascii=False, indent=1))  # noqa: T201
        for name, reason in ({} if table else tables_not_fetched(plan)).items():
            print(f"{name} is not fetched: {reason}", file=sys.stderr)  # noqa: T201
        for outcome in failed:
            print(f"Error: {outcome.cause}", file=sys.stderr)  # noqa: T201
        raise typer.Exit(1 if failed else 0)
    try:
        with _table_progress(console) as on_progress:
            outcomes, kept = fetch_edition(
                plan, raw or raw_folder(edition), vintages_folder(edition, raw), tables=table or [], url=url,
                force=force, on_progress=on_progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        print("Stopped. What has come is kept; run the command again to go on.", file=sys.stderr)  # noqa: T201
        raise typer.Exit(130) from None
    _show_fetched(console, outcomes, {} if table else tables_not_fetched(plan))
    if kept:
        console.print(f"The raw folder as it was is kept in {kept}", soft_wrap=True)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def quality(
    edition: EditionOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON list.")] = False,
    raw: RawOption = None,
    processed: ProcessedOption = None,
    earlier: Annotated[
        Path | None,
        typer.Option("--earlier", help="An earlier raw folder or folder of key figures to compare with."),
    ] = None,
) -> None:
    """Show what the rules find in the data of an edition, and every rule there is.

    Builds what is stale first. FATAL and ERROR stop a build and make the command exit with 1; WARNING and INFO change
    no figure.

    Example: noegletal quality --edition 2025
    """
    from analysis.edition import load_edition, processed_folder, raw_folder
    from noegletal.figures import assessment
    from noegletal.rules import BLOCKING, catalogue

    plan = load_edition(edition)
    source, target = raw or raw_folder(edition), processed or processed_folder(edition)
    findings = assessment.assessed(plan, source, target, earlier)
    if as_json:
        rules = catalogue().rules
        shown = [finding.model_dump() | {"what": rules[finding.rule].what} for finding in findings]
        print(json.dumps(shown, ensure_ascii=False, indent=1))  # noqa: T201
    else:
        _show_quality(findings)
    if any(finding.severity in BLOCKING for finding in findings):
        raise typer.Exit(1)


@app.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="A table saved from statistikbanken.dk (CSV, XLSX, PX), or a filled form.")
    ],
    edition: EditionOption,
    table: Annotated[str | None, typer.Option("--table", "-t", help="The StatBank table it is, e.g. HAND05.")] = None,
    form: Annotated[str | None, typer.Option("--form", help="The form it is, a file in data/reference/forms/.")] = None,
    raw: RawOption = None,
) -> None:
    """Let a file that was saved or filled in by hand take the place of a table in the raw folder.

    A table from statistikbanken.dk may have labels or codes, one observation a row or the years across. It is verified
    before it replaces anything: when something is wrong, all of it is said and nothing changes. The raw folder as it
    was is kept in data/vintages/<edition>/ (beside the folder of --raw).

    Example: noegletal import ~/Hentet/HAND05.xlsx --table HAND05 --edition 2025
    """
    from rich.markup import escape

    from analysis.edition import load_edition, raw_folder
    from noegletal.facts.builders import BUILDERS
    from noegletal.sources.imports import import_delivery, import_table
    from noegletal.sources.vintages import vintages_folder

    if (table is None) == (form is None):
        raise InputError("give either --table (a table from StatBank) or --form (a filled-in form)")
    plan, source, kept = load_edition(edition), raw or raw_folder(edition), vintages_folder(edition, raw)
    if table is not None:
        imported = import_table(file, table, plan, source, kept)
    else:
        imported = import_delivery(file, form, plan, source, kept, BUILDERS)
    console = _console()
    console.print(f"{imported.file}: {escape(imported.contents)}", soft_wrap=True)
    console.print(f"Replaced: {escape(', '.join(imported.replaced)) or 'nothing, the table is new'}", soft_wrap=True)
    for warning in imported.warnings:
        console.print(f"[yellow]warning[/yellow] {escape(warning)}", soft_wrap=True)
    _show_findings(console, [finding.model_dump() for finding in imported.findings])
    if imported.vintage:
        console.print(f"The raw folder as it was is kept in {imported.vintage}", soft_wrap=True)


@app.command("form")
def blank_form(
    name: Annotated[str, typer.Argument(help="A form in data/reference/forms/, e.g. komponent.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="The workbook to write. Default: <TABLE>.xlsx here.")
    ] = None,
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
    _console().print(f"{target} is ready to send out", soft_wrap=True)


@app.command("trace")
def trace_figure(
    indicator: Annotated[str, typer.Argument(help="Indicator, e.g. expenditure, or its Danish name.")],
    area: Annotated[str, typer.Argument(help="Municipality, region, hovedstaden or hele_landet.")],
    category: Annotated[str, typer.Argument(help="Category, e.g. botilbud or i_alt, or its Danish name.")],
    year: Annotated[int, typer.Argument(help="Year of the key figure.")],
    edition: Annotated[
        str | None, typer.Option("--edition", "-e", help="Report year. Default: the newest in editions/.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="boern_og_unge, voksne or alle, where the category exists for several."),
    ] = None,
    variant: Annotated[str, typer.Option("--variant", help="Which reading, e.g. printed_mapping.")] = "standard",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole chain as JSON.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="Steps and rows shown under each step; 0 shows all.")
    ] = 8,
    raw: RawOption = None,
    processed: ProcessedOption = None,
) -> None:
    """Print where a key figure comes from: every step down to file, line and value of the raw rows.

    The chain is computed again from the raw rows; exits with 1 when it does not give the key figure. Figures that rest
    on few persons are protected and not traced.

    Example: noegletal trace expenditure København botilbud 2024
    """
    from analysis.edition import editions, load_edition, processed_folder, raw_folder
    from noegletal.figures.build import build_if_stale, build_record
    from noegletal.review.evidence import Evidence
    from noegletal.review.trace import asked, trace, trace_record

    plan = load_edition(edition or editions()[-1])
    target = processed or processed_folder(plan.name)
    built_from = build_record(target).get("raw")
    source = raw or (Path(built_from) if built_from and Path(built_from).is_dir() else raw_folder(plan.name))
    build_if_stale(plan, source, target)
    evidence = Evidence(plan, source, target)
    found = trace(evidence, asked(evidence, indicator, area, category, year, group=group, variant=variant))
    if as_json:
        print(json.dumps(trace_record(found), ensure_ascii=False, indent=1, allow_nan=False))  # noqa: T201
    else:
        _show_trace(trace_record(found, limit))
    if not found.agrees:
        raise InputError(
            f"the raw rows give {found.chain.value:.15g}, the key figure is {found.figure['value']:.15g}: the build "
            "and the chain disagree, so trust neither and report it"
        )


@app.command()
def diff(
    before: Annotated[
        str, typer.Argument(help="A kept vintage such as 2026-11-20, nu, another edition, or a raw folder.")
    ],
    after: Annotated[str, typer.Argument(help="The vintage to compare it with, named in the same way.")],
    edition: Annotated[
        str | None, typer.Option("--edition", "-e", help="Report year. Default: the newest in editions/.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the page Ændringer to this file.")] = None,
    indicator: Annotated[
        list[str] | None, typer.Option("--indicator", "-i", help="Only this indicator; may be repeated.")
    ] = None,
    area: Annotated[
        list[str] | None,
        typer.Option("--area", "-a", help="Only this area, and the figures of its report; may be repeated."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Rows of each indicator. Default: 10; all with --json.")
    ] = None,
) -> None:
    """Show what differs between two vintages of the data: new years and revised figures, largest effects first.

    Both are built with today's reference data and code, so that the differences are the data's; another edition is
    given this one's price level. Names the printed numbers, and the figures of the latest report, that would change.
    Exits with 0 whenever the two could be compared.

    Example: noegletal diff 2026-11-20 nu --area København
    """
    from analysis.areas import find_area, name, slug
    from analysis.edition import editions, load_edition, project_root
    from noegletal.publish.manifest import published_sections
    from noegletal.publish.site import changes_page
    from noegletal.review.affected import affected_outputs, sections_to_rerun
    from noegletal.review.revisions import chosen, compare_vintages, known_indicators, record
    from noegletal.review.vintage_figures import find_vintage

    plan = load_edition(edition or editions()[-1])
    codes = [find_area(text) for text in area or []]
    names = known_indicators(indicator or [])
    revisions = compare_vintages(plan, find_vintage(before, plan), find_vintage(after, plan))
    changes = chosen(revisions, names, codes)
    outputs, reports = [], []
    for code in codes or [plan.home_area]:
        folder = project_root() / "reports" / plan.name / slug(code)
        if sections := published_sections(folder):
            reports.append(name(code))
            outputs += affected_outputs(revisions, folder, sections, name(code))
    if as_json:
        found = record(revisions, changes, limit) | {
            "reports": reports,
            "outputs": [output.model_dump() for output in outputs],
            "rerun": sections_to_rerun(outputs),
        }
        print(json.dumps(found, ensure_ascii=False, indent=1))  # noqa: T201
    else:
        _show_revisions(revisions, changes, outputs, reports, limit or SHOWN_REVISIONS)
    if html:
        page_area = codes[0] if codes else plan.home_area
        changes_page(html, plan, page_area, revisions, outputs, alone=True, looked_at=bool(reports))
        if not as_json:
            _console().print(f"The page is in {html}", soft_wrap=True)


def _show_comparisons(comparisons: list[object]) -> None:
    from rich.table import Table

    from analysis.danish import number
    from noegletal.review.reconcile import counts

    console = _console()
    table = Table("id", "printed", "computed", "tolerance", "status", "basis", "reason", box=None)
    for column in table.columns[:-1]:
        column.no_wrap = True
    styles = {"match": "green", "deviates": "red", "contradicts_itself": "yellow", "not_computable": "dim"}
    for row in comparisons:
        computed = "" if row.computed is None else number(row.computed, 3)
        tone = styles[row.status]
        table.add_row(
            row.id, number(row.printed, 2), computed, f"{row.tolerance:g}", f"[{tone}]{row.status}[/{tone}]", row.basis,
            row.reason,
        )  # fmt: skip
    console.print(table)
    for status, by_basis in counts(comparisons).items():
        console.print(f"{status}: {by_basis['genuine']} genuine, {by_basis['fitted']} fitted")


def _show_findings(console: object, findings: list[dict[str, str]]) -> None:
    from rich.markup import escape

    for finding in findings[:SHOWN_FINDINGS]:
        tone = SEVERITY_STYLES[finding["severity"]]
        console.print(
            f"[{tone}]{finding['severity']} {finding['rule']}[/{tone}] {finding['table']}: {escape(finding['text'])}",
            soft_wrap=True,
        )
    if len(findings) > SHOWN_FINDINGS:
        console.print(f"... and {len(findings) - SHOWN_FINDINGS} more in findings.json", style="dim")


def _show_quality(findings: list[object]) -> None:
    from collections import Counter

    from rich.markup import escape
    from rich.table import Table

    from noegletal.rules import catalogue

    console = _console()
    counted = Counter(finding.rule for finding in findings)
    table = Table("rule", "severity", "findings", "what", box=None)
    for name, rule in catalogue().rules.items():
        tone = SEVERITY_STYLES[rule.severity] if counted[name] else "dim"
        table.add_row(name, f"[{tone}]{rule.severity}[/]", str(counted[name] or ""), escape(rule.what))
    console.print(table)
    for finding in findings:
        tone = SEVERITY_STYLES[finding.severity]
        label = f"{finding.rule} {finding.table}".strip()
        console.print(f"[{tone}]{finding.severity}[/] {escape(label)}: {escape(finding.text)}", soft_wrap=True)
    by_severity = Counter(finding.severity for finding in findings)
    console.print(", ".join(f"{by_severity[severity]} {severity}" for severity in SEVERITY_STYLES))


def _show_trace(record: dict[str, object]) -> None:
    from rich.markup import escape
    from rich.tree import Tree

    from analysis.danish import exact
    from noegletal.figures.formulas import UNIT_NAMES

    def line(text: str, value: float | None, unit: str, *others: str) -> str:
        figure = f" = [bold]{exact(value)}[/] {escape(UNIT_NAMES.get(unit, unit))}" if value is not None else ""
        return f"{escape(text)}{figure}" + f" [dim]{escape('; '.join(part for part in others if part))}[/]"

    def add(tree: Tree, step: dict[str, object]) -> None:
        for row in step["rows"]:
            place = f"{row['file']}" + (f", {row['sheet']}" if "sheet" in row else "") + f" line {row['line']}"
            codes = " ".join(f"{name}={code}" for name, code in row["codes"].items())
            mark = f" [yellow]{escape(row['correction'])}[/]" if row["correction"] else ""
            shown = f"{exact(row['value'])} {step['row_unit']}".strip()
            tree.add(f"{escape(place)}: [dim]{escape(codes)}[/] = {escape(shown)}{mark}")
        for part in step["steps"]:
            add(tree.add(line(*(part[name] for name in ("text", "value", "unit", "how", "note", "source")))), part)
        for more, what in ((step["more_rows"], "rows"), (step["more_steps"], "steps")):
            if more:
                tree.add(f"[dim]... and {more:,} more {what}; --limit 0 shows all[/]")

    console, figure = _console(), record["figure"]
    console.print(f"[bold]{escape(record['title'])}[/]", soft_wrap=True)
    console.print(escape(record["definition"]), style="dim", soft_wrap=True)
    facts = [figure.get(name) for name in ("status", "origin", "note")]
    console.print(escape(", ".join(fact for fact in facts if fact)), soft_wrap=True)
    if record["explanation"]:
        console.print(escape(record["explanation"]), soft_wrap=True)
    if record["chain"]:
        step = record["chain"]
        tree = Tree(line(record["title"], step["value"], step["unit"], step["how"], step["note"]))
        add(tree, step)
        console.print(tree)
        console.print(f"{record['raw_rows']:,} raw rows" + (" give the key figure" if record["agrees"] else ""))
    for file in record["files"]:
        console.print(
            f"{file['file']}: {file['title']} ({file['origin']}, {file['retrieved']}, sha256 {file['sha256'][:12]})",
            markup=False, soft_wrap=True,
        )  # fmt: skip


@contextmanager
def _table_progress(console: object) -> Iterator[Callable[[str, int, int, int], None]]:
    """A bar per table: requests answered of those to ask, and bytes so far."""
    from rich.filesize import decimal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[size]}"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        tasks = {}

        def came(table: str, answered: int, requests: int, size: int) -> None:
            if table not in tasks:
                tasks[table] = progress.add_task(table, total=requests, size="")
            progress.update(tasks[table], completed=answered, total=requests, size=decimal(size))

        yield came


def _show_fetched(console: object, outcomes: list[object], others: dict[str, str]) -> None:
    from rich.filesize import decimal
    from rich.markup import escape
    from rich.table import Table

    styles = {"changed": "green", "unchanged": "dim", "failed": "red"}
    table = Table("table", "periods", "rows", "bytes", "result", box=None)
    for outcome in outcomes:
        rows = "" if outcome.rows is None else f"{outcome.rows:,}"
        size = "" if outcome.size is None else decimal(outcome.size)
        result = outcome.cause if outcome.status == "unchanged" else outcome.status
        if outcome.status == "failed":
            result = f"failed: {outcome.cause.removeprefix(f'{outcome.table}: ')}"
        table.add_row(outcome.table, outcome.periods, rows, size, f"[{styles[outcome.status]}]{escape(result)}[/]")
    for name, reason in others.items():
        table.add_row(name, "", "", "", f"[dim]not fetched: {escape(reason)}[/]")
    console.print(table)
    for outcome in outcomes:
        for warning in outcome.warnings:
            console.print(f"[yellow]warning[/yellow] {outcome.table}: {escape(warning)}", soft_wrap=True)


def _show_revisions(revisions: object, changes: object, outputs: list[object], reports: list[str], limit: int) -> None:
    from rich.table import Table

    from analysis.danish import number
    from noegletal.publish.changes import change_rows, signed
    from noegletal.review.affected import sections_to_rerun
    from noegletal.review.revisions import by_area, by_indicator, year_changes

    console = _console()

    def show(title: str, columns: list[str], rows: list[list[object]]) -> None:
        if rows:
            table = Table(*columns, title=title, title_justify="left", box=None)
            for row in rows:
                table.add_row(*("" if cell is None else str(cell) for cell in row))
            console.print(table)
            console.print()

    def printed(figure: float | None, row: object) -> str:
        return "" if figure is None else number(figure, row.decimals)

    first, second = revisions.before.name, revisions.after.name
    if revisions.none:
        console.print(f"No differences between {first} and {second} (edition {revisions.edition.name})")
        return
    console.print(f"Edition {revisions.edition.name}: from {first} to {second}, both with today's reference data\n")
    show("Raw tables that differ", ["table", "origin", "rows added", "removed", "changed"], [
        [table.table, " -> ".join(dict.fromkeys([", ".join(table.origins_before), ", ".join(table.origins_after)])),
         table.rows_added, table.rows_removed, table.rows_changed]
        for table in revisions.tables if not table.same
    ])  # fmt: skip
    show("Years", ["indicator", "new", "gone"], [
        [years.indicator, ", ".join(map(str, years.new)), ", ".join(map(str, years.gone))]
        for years in year_changes(revisions)
    ])  # fmt: skip
    show(
        "Key figures that differ",
        ["indicator", "revised", "largest pct", "came", "went", "status", "origin", "new", "gone"],
        [[row.indicator, row.revised, signed(row.largest_pct, 2), row.appeared, row.disappeared, row.status, row.origin,
          row.new + row.new_year, row.gone + row.gone_year] for row in by_indicator(changes).itertuples()],
    )  # fmt: skip
    columns = ["indicator", "area", "category", "year", "before", "after", "change", "pct"]
    revised = change_rows(changes[changes["kind"] == "revised"], limit)
    show(f"Revised, the {limit} with the largest effect of each", columns, [
        [row["indicator"], row["area"], f"{row['group']}: {row['category_code']}", row["year"], row["before"],
         row["after"], row["change"], row["pct"]] for row in revised
    ])  # fmt: skip
    places = by_area(changes[changes["kind"] == "revised"]).groupby("indicator", sort=False).head(limit)
    show("Revised, by area", ["indicator", "area", "revised", "largest change", "largest pct"], [
        [row.indicator, row.area_code, row.revised, signed(row.largest_change, 2), signed(row.largest_pct, 2)]
        for row in places.itertuples()
    ])  # fmt: skip
    others = changes[~changes["kind"].isin(["revised", "new_year", "gone_year"])]
    show("Came, went, or have another status or origin", ["indicator", "area", "category", "year", "before", "after",
                                                         "what"], [
        [row["indicator"], row["area"], f"{row['group']}: {row['category_code']}", row["year"], row["before"],
         row["after"], row["what"]] for row in change_rows(others, limit)
    ])  # fmt: skip
    show("Printed numbers that would change", ["id", "place", "printed", "before", "after", "status"], [
        [row.id, row.place, printed(row.printed, row), printed(row.computed_before, row),
         printed(row.computed_after, row),
         " -> ".join(dict.fromkeys([row.status_before, row.status_after]))]
        for row in revisions.printed
    ])  # fmt: skip
    show("Figures and tables", ["report", "section", "output", "effect", "figures"], [
        [row.area, row.section, row.output, row.effect, row.figures or None] for row in outputs
    ])  # fmt: skip
    if outputs:
        console.print(f"Sections to run again: {', '.join(sections_to_rerun(outputs))}", soft_wrap=True)
    elif not reports:
        console.print("No report to name figures of: run `noegletal report` first", soft_wrap=True)


def _console() -> object:
    from rich.console import Console

    # A pipe has no width of its own; a table cut to 80 columns would hide what it is for.
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=160)


def main() -> None:
    """Run the command; an input error is one line on stderr and exit code 1, never a traceback."""
    try:
        app()
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
