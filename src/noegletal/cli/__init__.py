"""The command `noegletal`: build key figures, make reports, check them against print; a file a group of commands.

What takes long to load is imported by the command that needs it, so that the others answer at once.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.edition import Edition
    from noegletal.rules import Finding

app = typer.Typer(
    name="noegletal",
    help="Key figures for the specialised social area: from raw tables to the rendered report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

EditionOption = Annotated[str, typer.Option("--edition", "-e", help="Report year, a file in editions/ such as 2025.")]
NewestOption = Annotated[
    str | None, typer.Option("--edition", "-e", help="Report year. Default: the newest with raw tables.")
]
RawOption = Annotated[
    Path | None, typer.Option(help="Folder with the raw tables and sidecars. Default: data/raw/<edition>.")
]
ProcessedOption = Annotated[
    Path | None, typer.Option(help="Folder for facts and key figures. Default: data/processed/<edition>.")
]
OutOption = Annotated[Path | None, typer.Option(help="Folder above <edition>/<area>. Default: reports/.")]

SEVERITY_STYLES = {"FATAL": "bold red", "ERROR": "red", "WARNING": "yellow", "INFO": "dim"}
STOPPED = 130


def places(edition: str, raw: Path | None, processed: Path | None) -> tuple["Edition", Path, Path]:
    """An edition with its folders of raw tables and of key figures: those given, or its own."""
    from analysis.edition import load_edition, processed_folder, raw_folder

    return load_edition(edition), raw or raw_folder(edition), processed or processed_folder(edition)


def newest_edition() -> str:
    """The newest edition that has raw tables: one that is only begun has nothing to show yet."""
    from analysis.edition import editions, raw_folder

    names = editions()
    return next((name for name in reversed(names) if raw_folder(name).is_dir()), names[-1])


def built_places(edition: str, raw: Path | None, processed: Path | None) -> tuple["Edition", Path, Path]:
    """As `places`, with key figures that are not stale; without `raw` they are built from where they were last time."""
    from noegletal.figures.build import build_if_stale, build_record

    plan, source, target = places(edition, raw, processed)
    built_from = build_record(target).get("raw")
    if raw is None and built_from and Path(built_from).is_dir():
        source = Path(built_from)
    build_if_stale(plan, source, target)
    return plan, source, target


def console() -> "Console":
    """Where to print; a pipe has no width of its own, and a table cut to 80 columns would hide what it is for."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=160)


def say(text: str, style: str | None = None) -> None:
    """Print a line, which may hold rich markup, without breaking it."""
    console().print(text, style=style, soft_wrap=True)


def literal(text: object) -> str:
    """A text to `say` or show in a table in which nothing is taken for markup."""
    from rich.markup import escape

    return escape(str(text))


def say_json(found: object, *, allow_nan: bool = True) -> None:
    """Print plain data for a program to read."""
    typer.echo(json.dumps(found, ensure_ascii=False, indent=1, allow_nan=allow_nan))


def complain(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(text, err=True)


def show_table(columns: Sequence[Any], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Print rows as a table; a cell may hold rich markup, one of None is left empty."""
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console().print(table)


def show_findings(findings: Sequence["Finding"], most: int | None = None) -> None:
    """A line for each finding, or for the first of them when there are more than `most`."""
    for finding in findings[:most]:
        tone = SEVERITY_STYLES[finding.severity]
        label = f"{finding.rule} {finding.table}".strip()
        say(f"[{tone}]{finding.severity}[/] {literal(label)}: {literal(finding.text)}")
    if most and len(findings) > most:
        say(f"... and {len(findings) - most} more in findings.json", style="dim")


def main() -> None:
    """Run the command; an input error is one line on stderr and exit code 1, never a traceback."""
    try:
        app()
    except InputError as error:
        complain(f"Error: {error}")
        sys.exit(1)


# Each adds its commands to `app`, in the order of the help.
from noegletal.cli import build, report, data, review, years  # noqa: E402, F401, I001
