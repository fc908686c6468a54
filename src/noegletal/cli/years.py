"""Commands on report years: begin a new one, and look at its account plan."""

from typing import Annotated

from typer import Argument, Option, Typer, echo

from noegletal import cli

edition_app = Typer(
    help="Report years: begin a new one, review its accounts.", no_args_is_help=True, rich_markup_mode="rich"
)
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
    cli.say(f"Then the raw tables: noegletal fetch --edition {name}, and the accounts: noegletal edition review {name}")
    cli.say("Open decisions:")
    for key, decision in plan.open_decisions.items():
        cli.say(cli.literal(f"  {key}: {decision.text} ({decision.who})"))


@edition_app.command()
def review(
    name: Annotated[str, Argument(help="The report year to look at, e.g. 2026; its REGK100 must be there.")],
    source: Annotated[
        str | None, Option("--from", help="The edition to compare with. Default: the newest before it.")
    ] = None,
    raw: cli.RawOption = None,
) -> None:
    """Show the groupings that are new, gone or renamed since an earlier edition, and propose lines for accounts.csv.

    Each with the net kroner of the year and the category of the rule that it had, or of the most similar name.
    Functions that are called otherwise stand last, without a grouping. Changes nothing: paste what you agree with into
    data/reference/accounts.csv.

    Example: noegletal edition review 2026 --from 2025
    """
    from analysis.danish import number
    from analysis.edition import load_edition, raw_folder
    from noegletal.account_plan import GROUPINGS, closed_first, lines, names_of_source, reviewed
    from noegletal.account_rules import printed_number
    from noegletal.editions import earlier_edition

    plan, _, _ = cli.places(name, raw, None)
    earlier = load_edition(source or earlier_edition(name))
    folders = raw or raw_folder(name), raw_folder(earlier.name)
    changes = reviewed(plan, earlier, *folders)
    for folder in folders:
        if not names_of_source(folder, GROUPINGS):
            cli.say(
                f"Names are not compared: {cli.literal(folder)} keeps none of StatBank's for groupings", style="dim"
            )
    if not changes:
        compared = f"in {plan.period.last}, against {earlier.period.last}"
        cli.say(f"No grouping is new, gone or renamed {compared}, and no function is renamed")
        return
    columns = ["", "function", "grouping", "now", "before", "mio. kr.", f"{plan.home_area}", "category", "why"]
    cli.show_table(columns, [
        [cli.literal(cell) for cell in (
            change.kind, printed_number(change.function), change.grouping, change.label, change.before,
            number(change.amount / 1e6, 1), number(change.amount_home / 1e6, 1), change.category, change.why,
        )]
        for change in changes
    ], f"Groupings in {plan.period.last}, against {earlier.period.last}")  # fmt: skip
    for text in closed_first(changes, plan.period.last):
        cli.say(cli.literal(text))
    if proposed := lines(changes):
        cli.say("\nProposed for data/reference/accounts.csv; decide on each category before you paste it:")
        echo(proposed, nl=False)
