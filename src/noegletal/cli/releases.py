"""Commands on what was released: the digest of its key figures, a frozen copy of all of it, and the proof."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from noegletal import cli

if TYPE_CHECKING:
    from analysis.edition import Edition
    from noegletal.review.released import Differences

SHOWN = 8
ReleasesOption = Annotated[Path | None, Option(help="Folder of the releases. Default: releases/.")]


@cli.app.command()
def digest(
    edition: cli.EditionOption = "",
    reason: Annotated[
        str, Option(help="Declare the figures of today as released, with a sentence on why they are others.")
    ] = "",
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
) -> None:
    """Compare the key figures with those released, whose digest lies in data/released/.

    Builds what is stale first. Says which figures differ, by how much, and which data files or definitions are others;
    exits with 1 until the change is taken back, or declared with --reason. Commit what that writes: the tests compare.

    Example: noegletal digest --reason "REGK100 hentet igen: Gladsaxe har rettet regnskabet for 2023"
    """
    from noegletal.review import released

    plan, source, target = cli.built_places(edition, raw, processed)
    if reason:
        found = released.declare(plan, source, target, reason)
        _show_differences(plan, found)
        cli.say(f"Declared in data/released/{plan.name}.yml: commit it with {plan.name}.csv")
        return
    found = released.compared(plan, source, target)
    if found is None:
        cli.say(f"Nothing of {cli.named(plan)} has been released: --reason declares the figures of today")
        return
    if found.new:
        cli.say(f"Not released yet, and held once declared with --reason: {', '.join(found.new)}")
    if found.figures.empty:
        cli.say(f"The key figures of {cli.named(plan)} are those released")
        return
    _show_differences(plan, found)
    cli.complain(f'Take the change back, or declare it: noegletal digest --edition {plan.name} --reason "..."')
    raise Exit(1)


def _show_differences(plan: "Edition", found: "Differences") -> None:
    from analysis.areas import names
    from analysis.danish import number
    from noegletal.review.released import FIGURE
    from noegletal.rules import exact

    rows = [
        (row.indicator, names().get(row.area_code, row.area_code), row.year,
         *(exact(float(FIGURE.format(figure))) for figure in (row.before, row.after)), number(row.pct, 2))
        for _, of_one in found.figures.groupby("indicator", sort=False)
        for row in of_one.head(SHOWN).itertuples()
    ]  # fmt: skip
    if rows:
        title = f"Sums that differ from those released ({cli.named(plan)}), {SHOWN} of each indicator"
        cli.show_table(["indicator", "area", "year", "released", "now", "pct"], rows, title)
        cli.say(f"{len(found.figures):,} sums differ, of {found.figures['indicator'].nunique()} indicators")
        cli.say(f"Changed since: {cli.literal(', '.join(found.files)) or 'no data file or definition, so the code'}")


@cli.app.command()
def commentary(
    accept: Annotated[
        str, Option(help="The section whose text fits the figures of today, such as 01_udgifter: they become its own.")
    ] = "",
    edition: cli.EditionOption = "",
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
) -> None:
    """List what the working group wrote beside the sections, and the figures that it quotes: then and now.

    Each is a file commentary/<edition>/<section>.md; commentary/README.md shows one. Exits with 1 while a figure is
    another than when the text was written: change the text, or --accept it.

    Example: noegletal commentary --accept 01_udgifter
    """
    from noegletal import commentary as written

    plan, _, target = cli.built_places(edition, raw, processed)
    if accept:
        path = written.accept(written.commentaries(plan, target), accept)
        cli.say(f"{cli.literal(path)} is of the figures of today ({cli.named(plan)})")
    found = written.commentaries(plan, target)
    if not found:
        cli.say(f"Nothing is written on {cli.named(plan)}: commentary/README.md says how")
    for one in found.values():
        cli.say(f"[bold]{one.section}[/], {cli.literal(one.head.by)}, {one.head.date}")
        states = {**dict.fromkeys(one.not_accepted, "not accepted yet"), **dict.fromkeys(one.changed, "changed")}
        rows = [(quote, one.head.seen.get(quote), now, states.get(quote)) for quote, now in one.quoted.items()]
        cli.show_table(["quoted", "then", "now", ""], [[cell and cli.literal(cell) for cell in row] for row in rows])
        for advice in one.recommendations:
            cli.say(f"  {cli.literal(advice.text)} [dim]{advice.status}, since {advice.since}[/]")
    for text in written.warnings(plan, found):
        cli.complain(f"Warning: {text}")
    if any(one.changed for one in found.values()):
        raise Exit(1)


@cli.app.command()
def release(
    edition: cli.EditionOption = "",
    area: Annotated[
        list[str] | None, Option("--area", "-a", help="As for report. Default: every area that has a report.")
    ] = None,
    out: cli.OutOption = None,
    releases: ReleasesOption = None,
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
) -> None:
    """Freeze an edition: its reports in every form, data package, definitions and sidecars, with checksums.

    Everything must be made, up to date and declared. The folder is read-only and no later run touches it. What was
    revised since the last release lies in it as revideret.csv.

    Example: noegletal release
    """
    from analysis.areas import find_area
    from analysis.edition import project_root
    from noegletal.runner.release import freeze, releases_folder

    plan, source, target = cli.places(edition, raw, processed)
    codes = [find_area(text) for text in area or []]
    out = out or project_root() / "reports"
    made = freeze(plan, codes, out=out, raw=source, processed=target, releases=releases or releases_folder())
    cli.say(f"{cli.named(plan)} is released in {cli.literal(made.folder)}: {made.files} files, {', '.join(made.areas)}")
    if made.provisional:
        cli.say(f"[yellow]warning[/yellow] {cli.literal(made.provisional)}")
    cli.say(made.revised)
    cli.say(f"Prove it later with `noegletal verify {made.folder.name}`; commit data/released/releases.yml")


@cli.app.command()
def verify(
    name: Annotated[str, Argument(help="A release, such as 2025-1. Default: the newest.")] = "",
    releases: ReleasesOption = None,
) -> None:
    """Prove that a release is what it was: every file by its checksum, none missing, none added.

    Exits with 1 and names what differs otherwise.

    Example: noegletal verify 2025-1
    """
    from noegletal.runner.release import checked, releases_folder

    proof = checked(name, releases or releases_folder())
    cli.say(f"{proof.name}: all {proof.files} files are as they were released on {proof.date}")
