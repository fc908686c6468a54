"""Commands on the key figures of an edition: build them, and show what the rules find."""

from collections import Counter
from pathlib import Path
from typing import Annotated

from typer import Exit, Option

from noegletal import cli

SHOWN_FINDINGS = 12


@cli.app.command()
def build(edition: cli.EditionOption = "", raw: cli.RawOption = None, processed: cli.ProcessedOption = None) -> None:
    """Compute facts and key figures from the raw tables.

    Writes facts/*.parquet and key_figures.parquet. Every raw file is checked against its sidecar first; when anything
    is wrong, nothing that was there changes.

    Example: noegletal build
    """
    from noegletal.figures.build import build_edition
    from noegletal.review import released
    from noegletal.rules import by_severity

    plan, source, target = cli.places(edition, raw, processed)
    table, findings = build_edition(plan, source, target)
    cli.show_findings(by_severity(findings), SHOWN_FINDINGS)
    cli.say(f"{len(table):,} key figures of {cli.named(plan)}, from {source}, written to {target}")
    if (differs := released.compared(plan, source, target)) and len(differs.figures):
        of = ", ".join(differs.files) or "the code"
        cli.say(f"{len(differs.figures):,} sums are others than those released (changed: {of}): see `noegletal digest`")


@cli.app.command()
def quality(
    edition: cli.EditionOption = "",
    as_json: Annotated[bool, Option("--json", help="Print the findings as one JSON list.")] = False,
    raw: cli.RawOption = None,
    processed: cli.ProcessedOption = None,
    earlier: Annotated[
        Path | None, Option(help="An earlier raw folder or folder of key figures to compare with.")
    ] = None,
    every: Annotated[bool, Option("--rules", help="List every rule there is, also those that found nothing.")] = False,
) -> None:
    """Show what the rules find in the data of an edition, the most serious first, and how much each rule found.

    Builds what is stale first. FATAL and ERROR stop a build and make the command exit with 1; WARNING and INFO change
    no figure.

    Example: noegletal quality
    """
    from noegletal.figures import assessment
    from noegletal.rules import BLOCKING, catalogue

    plan, source, target = cli.places(edition, raw, processed)
    findings = assessment.assessed(plan, source, target, earlier)
    rules = catalogue().rules
    if as_json:
        cli.say_json([finding.model_dump() | {"what": rules[finding.rule].what} for finding in findings])
    else:
        cli.show_findings(findings)
        counted = Counter(finding.rule for finding in findings)
        tones = {name: cli.SEVERITY_STYLES[rule.severity] if counted[name] else "dim" for name, rule in rules.items()}
        cli.show_table(
            ["rule", "severity", "findings", "what"],
            [
                (name, f"[{tones[name]}]{rule.severity}[/]", counted[name] or "", cli.literal(rule.what))
                for name, rule in rules.items()
                if every or counted[name]
            ],
        )
        if not every:
            cli.say(f"{len(rules) - len(counted)} of {len(rules)} rules found nothing: --rules lists them all")
        by_severity = Counter(finding.severity for finding in findings)
        counts = ", ".join(f"{by_severity[severity]} {severity}" for severity in cli.SEVERITY_STYLES)
        cli.say(f"{counts} ({cli.named(plan)})")
    if any(finding.severity in BLOCKING for finding in findings):
        raise Exit(1)
