"""Commands on report years: begin a new one."""

from typing import Annotated

from typer import Argument, Option, Typer

from noegletal import cli

edition_app = Typer(help="Report years: begin a new one.", no_args_is_help=True, rich_markup_mode="rich")
cli.app.add_typer(edition_app, name="edition")


@edition_app.command()
def new(
    name: Annotated[str, Argument(help="The new report year, e.g. 2026.")],
    source: Annotated[
        str | None, Option("--from", help="The edition to start from. Default: the newest before it.")
    ] = None,
) -> None:
    """Write the edition file of a new report year from an earlier one, and say what is left to do by hand.

    Title, period, price level and the years of the tables move; sections, outputs and comments stay; what is true of
    the printed report alone is left out. Every decision of data/reference/decisions.yml is open: until each has an
    answer in the new file, the report says that it is provisional.

    Example: noegletal edition new 2026 --from 2025
    """
    from analysis.edition import load_edition
    from noegletal.editions import new_edition, price_row

    path = new_edition(name, source)
    plan = load_edition(name)
    cli.say(
        f"{cli.literal(path)} is written: {cli.literal(plan.title)}, accounts {plan.period.first}-{plan.period.last}"
    )
    cli.say(f"Fill in: {cli.literal(price_row(plan))}")
    cli.say(f"Then the raw tables: noegletal fetch --edition {name}")
    cli.say("Open decisions:")
    for key, decision in plan.open_decisions.items():
        cli.say(cli.literal(f"  {key}: {decision.text} ({decision.who})"))
