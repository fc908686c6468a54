"""Commands that look behind key figures: against print, down to raw rows, and between vintages of the data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option, echo

from analysis.errors import InputError
from noegletal import cli

if TYPE_CHECKING:
    from analysis.edition import Edition

SHOWN_REVISIONS = 10
STATUS_STYLES = {"match": "green", "deviates": "red", "contradicts_itself": "yellow", "not_computable": "dim"}


@cli.app.command()
def check(
    edition: cli.EditionOption = "",
    as_json: Annotated[bool, Option("--json", help="Print one JSON list instead of a table.")] = False,
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
) -> None:
    """Compare the key figures with every printed number of the report.

    `genuine` comparisons rest on real figures; `fitted` ones on the embedded reconstruction, which was fitted to
    these very numbers, so that they test the calculation and not the report. Exits with 1 when a number deviates and
    the edition does not declare it under `printed.deviations` by id with the reason. Of an edition without printed
    numbers it says that there is nothing to check. Other printed reports are counted apart and stop nothing.

    Example: noegletal check --json
    """
    from analysis.edition import load_edition
    from noegletal.figures.printed import nothing_printed
    from noegletal.review.reconcile import compare, deviations_gone, undeclared_deviations

    if reason := nothing_printed(load_edition(edition)):
        cli.say_json([]) if as_json else echo(f"Nothing to check: {reason}")
        return
    plan, _, target = cli.built_places(edition, raw, processed)
    comparisons = compare(plan, target)
    if as_json:
        cli.say_json([comparison.model_dump() for comparison in comparisons])
    else:
        _show_comparisons(comparisons)
        cli.say(f"Of {cli.named(plan)}:")
        _show_counts(comparisons)
        _count_other_reports(plan, target)
    for text in deviations_gone(plan, comparisons):
        cli.complain(f"Warning: {text}")
    if undeclared_deviations(plan, comparisons):
        raise Exit(1)


def _show_comparisons(comparisons: list) -> None:
    from rich.table import Column

    from analysis.danish import number

    whole = [Column(name, no_wrap=True) for name in ("id", "printed", "computed", "tolerance", "status", "basis")]
    cli.show_table([*whole, "reason"], [
        (row.id, number(row.printed, 2), None if row.computed is None else number(row.computed, 3),
         f"{row.tolerance:g}", f"[{STATUS_STYLES[row.status]}]{row.status}[/]", row.basis, row.reason)
        for row in comparisons
    ])  # fmt: skip


def _show_counts(comparisons: list) -> None:
    from noegletal.review.reconcile import counts

    for status, by_basis in counts(comparisons).items():
        cli.say(f"{status}: {by_basis['genuine']} genuine, {by_basis['fitted']} fitted")


def _count_other_reports(plan: "Edition", target: Path) -> None:
    from noegletal.review.other_reports import other_comparisons

    others = other_comparisons(plan, target)
    anchors = [one for one in others if one.role == "anchor"]
    if others:
        cli.say(
            f"other reports: {sum(one.agrees for one in anchors)} of {len(anchors)} of the same definition agree, "
            f"{len(others) - len(anchors)} are of another (page Afstemning)"
        )


@cli.app.command("trace")
def trace_figure(
    indicator: Annotated[str, Argument(help="Indicator, e.g. expenditure, or its Danish name.")],
    area: Annotated[str, Argument(help="Municipality, region, hovedstaden or hele_landet.")],
    category: Annotated[str, Argument(help="Category, e.g. botilbud or i_alt, or its Danish name.")],
    year: Annotated[int, Argument(help="Year of the key figure.")],
    edition: cli.EditionOption = "",
    group: Annotated[
        str | None, Option(help="boern_og_unge, voksne or alle, where the category exists for several.")
    ] = None,
    variant: Annotated[str, Option(help="Which reading, e.g. printed_mapping.")] = "standard",
    as_json: Annotated[bool, Option("--json", help="Print the whole chain as JSON.")] = False,
    limit: Annotated[int, Option("--limit", min=0, help="Steps and rows shown under each step; 0 shows all.")] = 8,
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
) -> None:
    """Print where a key figure comes from: every step down to file, line and value of the raw rows.

    The chain is computed again from the raw rows; exits with 1 when it does not give the key figure. Figures that rest
    on few persons are protected and not traced.

    Example: noegletal trace expenditure København botilbud 2024
    """
    from noegletal.review.evidence import Evidence
    from noegletal.review.trace import asked, trace, trace_record

    plan, source, target = cli.built_places(edition, raw, processed)
    evidence = Evidence(plan, source, target)
    found = trace(evidence, asked(evidence.key_figures, indicator, area, category, year, group=group, variant=variant))
    if as_json:
        cli.say_json(trace_record(found), allow_nan=False)
    else:
        _show_trace(plan, trace_record(found, limit))
    if not found.agrees:
        raise InputError(
            f"the raw rows give {found.chain.value:.15g}, the key figure is {found.figure['value']:.15g}: the build "
            "and the chain disagree, so trust neither and report it"
        )


def _show_trace(plan: "Edition", record: dict[str, object]) -> None:
    from rich.tree import Tree

    from analysis.rows import labels
    from noegletal.rules import exact

    beside = labels().units_beside

    def line(text: str, value: float | None, unit: str, *others: str) -> str:
        figure = f" = [bold]{exact(value)}[/] {cli.literal(beside.get(unit, unit))}" if value is not None else ""
        return f"{cli.literal(text)}{figure}" + f" [dim]{cli.literal('; '.join(part for part in others if part))}[/]"

    def add(tree: Tree, step: dict[str, object]) -> None:
        for row in step["rows"]:
            place = f"{row['file']}" + (f", {row['sheet']}" if "sheet" in row else "") + f" line {row['line']}"
            codes = " ".join(f"{name}={code}" for name, code in row["codes"].items())
            mark = f" [yellow]{cli.literal(row['correction'])}[/]" if row["correction"] else ""
            shown = f"{exact(row['value'])} {step['row_unit']}".strip()
            tree.add(f"{cli.literal(place)}: [dim]{cli.literal(codes)}[/] = {cli.literal(shown)}{mark}")
        for part in step["steps"]:
            add(tree.add(line(*(part[name] for name in ("text", "value", "unit", "how", "note", "source")))), part)
        for more, what in ((step["more_rows"], "rows"), (step["more_steps"], "steps")):
            if more:
                tree.add(f"[dim]... and {more:,} more {what}; --limit 0 shows all[/]")

    figure = record["figure"]
    cli.say(f"[bold]{cli.literal(record['title'])}[/] ({cli.named(plan)})")
    cli.say(cli.literal(record["definition"]), style="dim")
    facts = [figure.get(name) for name in ("status", "origin", "note")]
    cli.say(cli.literal(", ".join(fact for fact in facts if fact)))
    if record["explanation"]:
        cli.say(cli.literal(record["explanation"]))
    if record["chain"]:
        step = record["chain"]
        tree = Tree(line(record["title"], step["value"], step["unit"], step["how"], step["note"]))
        add(tree, step)
        cli.console().print(tree)
        cli.say(f"{record['raw_rows']:,} raw rows" + (" give the key figure" if record["agrees"] else ""))
    for file in record["files"]:
        origin = f"{file['origin']}, {file['retrieved']}, sha256 {file['sha256'][:12]}"
        cli.say(cli.literal(f"{file['file']}: {file['title']} ({origin})"))


@cli.app.command()
def diff(
    before: Annotated[str, Argument(help="A kept vintage such as 2026-11-20, nu, another edition, or a raw folder.")],
    after: Annotated[str, Argument(help="The vintage to compare it with, named in the same way.")],
    edition: cli.EditionOption = "",
    as_json: Annotated[bool, Option("--json", help="Print one JSON object instead of tables.")] = False,
    html: Annotated[Path | None, Option(help="Also write the page Ændringer to this file.")] = None,
    indicator: Annotated[
        list[str] | None, Option("--indicator", "-i", help="Only this indicator; may be repeated.")
    ] = None,
    area: Annotated[
        list[str] | None, Option("--area", "-a", help="Only this area, and the figures of its report; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None, Option("--limit", "-n", min=1, help="Rows of each indicator. Default: 10; all with --json.")
    ] = None,
) -> None:
    """Show what differs between two vintages of the data: new years and revised figures, largest effects first.

    Both are built with today's reference data and code, so that the differences are the data's; another edition is
    given this one's price level. Names the printed numbers, and the figures of the latest report, that would change.
    Exits with 0 whenever the two could be compared.

    Example: noegletal diff 2026-11-20 nu --area København
    """
    from analysis.areas import find_area, name, slug
    from analysis.edition import load_edition, project_root
    from noegletal.publish.manifest import published_sections
    from noegletal.publish.site import changes_page
    from noegletal.review.affected import affected_outputs, sections_to_rerun
    from noegletal.review.revisions import chosen, compare_vintages, known_indicators, record
    from noegletal.review.vintage_figures import find_vintage

    plan = load_edition(edition)
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
        cli.say_json(found)
    else:
        _show_revisions(revisions, changes, outputs, reports, limit or SHOWN_REVISIONS)
    if html:
        page_area = codes[0] if codes else plan.home_area
        changes_page(html, plan, page_area, revisions, outputs, alone=True, looked_at=bool(reports))
        if not as_json:
            cli.say(f"The page is in {html}")


def _show_revisions(revisions: object, changes: object, outputs: list, reports: list[str], limit: int) -> None:
    from analysis.danish import number
    from noegletal.publish.changes import change_rows, signed
    from noegletal.review.affected import sections_to_rerun
    from noegletal.review.revisions import by_area, by_indicator, year_changes

    def show(title: str, columns: str, rows: list[list[object]]) -> None:
        if rows:
            cli.show_table(columns.split(", "), rows, title)
            cli.say("")

    def became(before: str, after: str) -> str:
        return " -> ".join(dict.fromkeys([before, after]))

    def printed(figure: float | None, row: object) -> str:
        return "" if figure is None else number(figure, row.decimals)

    def changed(rows: object, *last: str) -> list[list[object]]:
        return [
            [row["indicator"], row["area"], f"{row['group']}: {row['category_code']}",
             *(row[name] for name in ("year", "before", "after", *last))]
            for row in change_rows(rows, limit)
        ]  # fmt: skip

    first, second = revisions.before.name, revisions.after.name
    if revisions.none:
        cli.say(f"No differences between {first} and {second} ({cli.named(revisions.edition)})")
        return
    cli.say(f"From {first} to {second} ({cli.named(revisions.edition)}), both with today's reference data\n")
    show("Raw tables that differ", "table, origin, rows added, removed, changed", [
        [table.table, became(", ".join(table.origins_before), ", ".join(table.origins_after)), table.rows_added,
         table.rows_removed, table.rows_changed]
        for table in revisions.tables if not table.same
    ])  # fmt: skip
    show("Years", "indicator, new, gone", [
        [years.indicator, ", ".join(map(str, years.new)), ", ".join(map(str, years.gone))]
        for years in year_changes(revisions)
    ])  # fmt: skip
    show("Key figures that differ", "indicator, revised, largest pct, came, went, status, origin, new, gone", [
        [row.indicator, row.revised, signed(row.largest_pct, 2), row.appeared, row.disappeared, row.status, row.origin,
         row.new + row.new_year, row.gone + row.gone_year]
        for row in by_indicator(changes).itertuples()
    ])  # fmt: skip
    columns = "indicator, area, category, year, before, after, "
    revised = changes[changes["kind"] == "revised"]
    largest = f"Revised, the {limit} with the largest effect of each"
    show(largest, f"{columns}change, pct", changed(revised, "change", "pct"))
    show("Revised, by area", "indicator, area, revised, largest change, largest pct", [
        [row.indicator, row.area_code, row.revised, signed(row.largest_change, 2), signed(row.largest_pct, 2)]
        for row in by_area(revised).groupby("indicator", sort=False).head(limit).itertuples()
    ])  # fmt: skip
    others = changes[~changes["kind"].isin(["revised", "new_year", "gone_year"])]
    show("Came, went, or have another status or origin", f"{columns}what", changed(others, "what"))
    show("Printed numbers that would change", "id, place, printed, before, after, status", [
        [row.id, row.place, printed(row.printed, row), printed(row.computed_before, row),
         printed(row.computed_after, row), became(row.status_before, row.status_after)]
        for row in revisions.printed
    ])  # fmt: skip
    show("Figures and tables", "report, section, output, effect, figures", [
        [row.area, row.section, row.output, row.effect, row.figures or None] for row in outputs
    ])  # fmt: skip
    if outputs:
        cli.say(f"Sections to run again: {', '.join(sections_to_rerun(outputs))}")
    elif not reports:
        cli.say("No report to name figures of: run `noegletal report` first")
