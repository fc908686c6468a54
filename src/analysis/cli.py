"""The command `noegletal`: build key figures, make reports, check them against print."""

import json
import os
import sys
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
SEVERITY_STYLES = {"ERROR": "red", "WARNING": "yellow", "INFO": "dim"}
SHOWN_FINDINGS = 12


@app.command()
def build(edition: EditionOption, raw: RawOption = None, processed: ProcessedOption = None) -> None:
    """Compute facts and key figures from the raw tables.

    Writes facts/*.parquet and key_figures.parquet. Every raw file is checked against its sidecar first; when anything
    is wrong, nothing that was there changes.

    Example: noegletal build --edition 2025
    """
    from analysis.build import build_edition
    from analysis.edition import load_edition, processed_folder, raw_folder

    plan = load_edition(edition)
    source, target = raw or raw_folder(edition), processed or processed_folder(edition)
    table, findings = build_edition(plan, source, target)
    console = _console()
    _show_findings(console, [finding.model_dump() for finding in findings])
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
        int | None, typer.Option("--workers", "-w", min=1, help="Notebooks run side by side. Default: all cores.")
    ] = None,
    raw: RawOption = None,
    processed: ProcessedOption = None,
) -> None:
    """Run the notebooks and write the report: builds what is stale, then one page per section and an index.

    A section that fails keeps its last good page, its notebook is kept in <out>/<edition>/_fejl/, and the command
    exits with 1.

    Example: noegletal report --edition 2025 --area hovedstaden --area koebenhavn
    """
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from analysis.areas import find_area, name
    from analysis.edition import load_edition, processed_folder, project_root, raw_folder
    from analysis.publish.folder import failed_folder
    from analysis.runner.run import run_report

    plan = load_edition(edition)
    codes = list(dict.fromkeys(find_area(text) for text in area or [plan.home_area]))
    console = _console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
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
            reports, comparisons = run_report(
                plan,
                codes,
                only=only or [],
                out=out or project_root() / "reports",
                raw=raw or raw_folder(edition),
                processed=processed or processed_folder(edition),
                workers=workers or os.cpu_count() or 1,
                on_plan=lambda total: progress.update(task, total=total),
                on_done=done,
            )
        except KeyboardInterrupt:
            print("Stopped. The last good report is untouched.", file=sys.stderr)  # noqa: T201
            raise typer.Exit(130) from None
    deviating = sum(comparison.status == "deviates" for comparison in comparisons)
    if deviating:
        console.print(
            f"[yellow]{deviating} printed figures deviate: see `noegletal check --edition {edition}`[/yellow]"
        )
    for made in reports:
        good = [outcome for outcome in made.outcomes if outcome.succeeded]
        failed = len(made.outcomes) - len(good)
        outputs = sum(len(outcome.outputs) for outcome in good)
        console.print(
            f"{name(made.area_code)}: {len(good)} sections done, {failed} failed, {outputs} figures and tables: "
            f"{made.folder / 'index.html'}",
            soft_wrap=True,
        )
        if failed:
            console.print(f"  notebooks of the failed sections: {failed_folder(made.folder)}", soft_wrap=True)
    if not all(made.complete for made in reports):
        raise typer.Exit(1)


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

    Example: noegletal check --edition 2025 --json
    """
    from analysis.build import build_if_stale, build_record
    from analysis.edition import load_edition, processed_folder, raw_folder
    from analysis.reconcile import compare

    plan = load_edition(edition)
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
    from analysis.forks import new_analysis

    made = new_analysis(title, template, area, edition or editions()[-1], project_root() / "adhoc")
    _console().print(f"{escape(str(made))} is ready: open it with `make lab`", soft_wrap=True)


def _show_comparisons(comparisons: list[object]) -> None:
    from rich.table import Table

    from analysis.danish import number
    from analysis.reconcile import counts

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
