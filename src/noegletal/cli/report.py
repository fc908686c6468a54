"""Commands on reports and notebooks: make a report, say what is stale of it, fork a template."""

import os
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option, echo

from noegletal import cli


class ReportFormat(StrEnum):
    """What a report can be made as."""

    SITE = "site"
    PDF = "pdf"
    SLIDES = "slides"
    WORKBOOK = "workbook"
    DATA = "data"


@cli.app.command()
def report(
    edition: cli.EditionOption = "",
    area: Annotated[
        list[str] | None,
        Option("--area", "-a", help="Municipality, region, hovedstaden or hele_landet; may be repeated."),
    ] = None,
    only: Annotated[list[str] | None, Option(help="Run only this section, e.g. 01_udgifter; may be repeated.")] = None,
    out: cli.OutOption = None,
    workers: Annotated[
        int | None,
        Option("--workers", "-w", min=1, help="Notebooks run side by side, as memory allows. Default: all cores."),
    ] = None,
    engine: Annotated[
        str, Option(help="warm: kernels forked from a loaded process (Linux); stock: as Jupyter starts them; auto.")
    ] = "auto",
    scheduler: Annotated[
        str, Option(help="Address of a running Dask scheduler, tcp://host:port, to run the notebooks on.")
    ] = "",
    formats: Annotated[
        list[ReportFormat] | None,
        Option(
            "--format",
            "-f",
            help="What to make beside the pages, which are always made; may be repeated. Default: all, or with --only "
            "nothing.",
        ),
    ] = None,
    force: Annotated[bool, Option("--force", help="Make every section again, also where nothing changed.")] = False,
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
) -> None:
    """Run the notebooks and write the report: pages, PDF, slides, workbook, and the edition's data package.

    Only what changed is run: see `noegletal status`. A section that fails keeps its last good page, its notebook is
    kept in <out>/<edition>/_fejl/, and the command exits with 1; so it does when a printed number deviates and the
    edition does not declare why (`printed.deviations`).

    Example: noegletal report --area hovedstaden --area koebenhavn
    """
    from analysis.areas import find_area, name
    from analysis.edition import project_root
    from noegletal.publish.manifest import read_manifest
    from noegletal.runner.plan import idle_folders, require_runnable

    plan, source, target = cli.places(edition, raw, processed)
    codes = list(dict.fromkeys(find_area(text) for text in area or [plan.home_area]))
    # Who makes one section looks at its page: the other forms take many times as long as it, and stay as they are.
    wanted = formats or ([] if only else list(ReportFormat))
    request = {
        "only": only or [],
        "formats": [kind.value for kind in wanted if kind is not ReportFormat.SITE],
        "out": out or project_root() / "reports",
        "raw": source,
        "processed": target,
    }
    # Answered before anything of Jupyter or pandas is loaded.
    require_runnable(plan, codes, only or [])
    if not force and (folders := idle_folders(plan, codes, **request)):
        for code, folder in folders.items():
            echo(f"{name(code)}: nothing changed since it was made: {folder / 'index.html'}")
        _refuse_deviations(read_manifest(folder).get("deviating", []), plan.name)
        return
    request |= {"workers": workers or os.cpu_count() or 1, "scheduler": scheduler, "force": force}
    reports, comparisons = _run_with_progress(plan, codes, engine=engine, **request)
    from noegletal.commentary import commentaries, warnings
    from noegletal.review.reconcile import deviations_gone, undeclared_deviations

    _show_reports(reports)
    for text in warnings(plan, commentaries(plan, target)) if plan.home_area in codes else ():
        cli.complain(f"Warning: {text}")
    for text in deviations_gone(plan, comparisons):
        cli.complain(f"Warning: {text}")
    if not all(made.complete for made in reports):
        raise Exit(1)
    _refuse_deviations(undeclared_deviations(plan, comparisons), plan.name)


def _refuse_deviations(deviating: list[str], edition: str) -> None:
    """Exit with 1 when printed numbers deviate that the edition does not declare."""
    if deviating:
        # Loads pandas, which an answer without them does without.
        from noegletal.review.reconcile import told_deviations

        cli.complain(told_deviations(deviating, edition))
        raise Exit(1)


def _run_with_progress(plan: object, codes: list[str], *, engine: str, **request: object) -> tuple[list, list]:
    """Run the report with a bar, the time left and each failure as it happens."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

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
        cli.complain(f"Kernels are started one by one, because {reason}")
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=cli.console()) as progress:
        task = progress.add_task("", total=None)

        def done(outcome: object) -> None:
            progress.advance(task)
            if not outcome.succeeded:
                progress.console.print(
                    f"[red]failed[/red] {name(outcome.job.area_code)} {outcome.job.plan.notebook}: "
                    f"{cli.literal(outcome.cause)}",
                    soft_wrap=True,
                )

        try:
            return run_report(
                plan,
                codes,
                engine=chosen,
                on_plan=lambda jobs: progress.update(task, total=len(jobs)),
                on_done=done,
                on_step=lambda step: progress.update(task, description=step),
                **request,
            )
        except KeyboardInterrupt:
            cli.complain("Stopped. What was published is whole; the next run goes on from there.")
            raise Exit(cli.STOPPED) from None
        finally:
            engines.stop()


def _show_reports(reports: list) -> None:
    """A line per area with what was made, kept and failed, and where it is."""
    from analysis.areas import name
    from noegletal.folders import failed_folder
    from noegletal.publish.manifest import FORMATS

    for made in reports:
        good = [outcome for outcome in made.outcomes if outcome.succeeded]
        failed = len(made.outcomes) - len(good)
        outputs = sum(len(outcome.outputs) for outcome in good)
        kept = f", {len(made.reused)} unchanged" if made.reused else ""
        cli.say(
            f"{name(made.area_code)}: {len(good)} sections done, {failed} failed{kept}, {outputs} figures and tables: "
            f"{made.folder / 'index.html'}"
        )
        forms = [FORMATS[form] for form, cause in made.formats.items() if not cause]
        if forms:
            cli.say(f"  also made: {', '.join(forms)}")
        for form, cause in made.formats.items():
            if cause:
                cli.say(f"  [red]{form} was not made[/red]: {cli.literal(cause)}")
        if failed:
            cli.say(f"  notebooks of the failed sections: {failed_folder(made.folder)}")


@cli.app.command()
def status(
    edition: cli.EditionOption = "",
    area: Annotated[
        list[str] | None, Option("--area", "-a", help="As for report. Default: every area that has a report.")
    ] = None,
    out: cli.OutOption = None,
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
    as_json: Annotated[bool, Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Say what `noegletal report` would make again, and why; changes nothing.

    A section is stale when its notebook, its parameters, the key figures that it declares to read, the library or the
    locked packages are others than when it was made.

    Example: noegletal status
    """
    from analysis.areas import find_area
    from analysis.edition import project_root
    from noegletal.runner.plan import status_lines, status_of

    plan, source, target = cli.places(edition, raw, processed)
    codes = [find_area(text) for text in area or []]
    found = status_of(plan, codes, out=out or project_root() / "reports", raw=source, processed=target)
    if as_json:
        cli.say_json(found)
    else:
        echo("\n".join(status_lines(found)))


def _list_templates(asked: bool) -> None:
    """Print what each template is for, and end."""
    if asked:
        from noegletal.runner.fork import templates

        cli.show_table(
            ["Template", "What it is for"], [(name, cli.literal(text)) for name, text in templates().items()]
        )
        raise Exit


@cli.app.command()
def new(
    title: Annotated[str, Argument(help="What the analysis is about; becomes its heading and file name.")],
    area: Annotated[str, Option("--area", "-a", help="Municipality, region, hovedstaden or hele_landet.")],
    template: Annotated[
        str | None, Option("--template", "-t", help="A notebook in notebooks/templates/. Default: the empty one.")
    ] = None,
    edition: cli.EditionOption = "",
    _list: Annotated[
        bool, Option("--list", is_eager=True, callback=_list_templates, help="Say what each template is for.")
    ] = False,
) -> None:
    """Fork a template: a dated, runnable notebook in adhoc/ with your title, area and edition filled in.

    Example: noegletal new "Botilbud i Ballerup" --template kommune_mod_gruppe --area Ballerup
    """
    from analysis.edition import load_edition, project_root
    from noegletal.runner.fork import EMPTY, new_analysis

    plan = load_edition(edition)
    made = new_analysis(title, template or EMPTY, area, plan.name, project_root() / "adhoc")
    cli.say(f"{cli.literal(made)} ({cli.named(plan)}) is ready: open it with `make lab`")


@cli.app.command()
def adopt(
    notebook: Annotated[Path, Argument(help="A notebook in adhoc/.")],
    number: Annotated[str, Option("--number", "-n", help="Two digits that no section has, such as 09.")],
    name: Annotated[str, Option("--name", help="The section's name, such as 09_botilbud. Default: the file's.")] = "",
    edition: cli.EditionOption = "",
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
) -> None:
    """Make an ad-hoc notebook a section: notebooks/<number>_<name>.ipynb and its entry in the edition file.

    It must keep the rules of notebooks; every one that it breaks is named with its cell. What it reads and publishes is
    seen by running it, and it is run once more as the section before anything is written.

    Example: noegletal adopt adhoc/2026-11-30-botilbud.ipynb --number 09
    """
    from analysis.edition import load_edition
    from noegletal.runner.adopt import adopt as adopt_draft
    from noegletal.runner.adopt import draft_of
    from noegletal.runner.engine import choose
    from warmkernel import engine

    draft = draft_of(notebook, number, name, load_edition(edition))
    plan, _, built = cli.built_places(edition, raw, processed)
    try:
        made, section = adopt_draft(draft, built, choose("auto"))
    finally:
        engine.stop()
    cli.say(
        f"{cli.literal(made)} is section {section.notebook} of editions/{plan.name}.yml ({', '.join(section.outputs)})"
    )
    cli.say(f"Make it with `noegletal report --edition {plan.name} --only {section.notebook}`")
