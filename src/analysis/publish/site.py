"""The pages of a report: a page per section, an index, the reconciliation page and the manifest."""

import datetime
import hashlib
import importlib.metadata
import json
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path

import jinja2
import nbformat
import pandas as pd
from nbconvert import HTMLExporter

from analysis import accounts, areas, danish, quality
from analysis.affected import AffectedOutput, affected_outputs
from analysis.assessment import recorded
from analysis.build import FINDINGS, KEY_FIGURES, SOURCES
from analysis.edition import Edition, SectionPlan, project_root
from analysis.publish import changes, provenance
from analysis.publish.folder import replaced
from analysis.reconcile import Comparison, computed_reading, counts, declarations, open_questions, published
from analysis.report import RECONSTRUCTION_MARK
from analysis.revisions import NotCompared, PrintedChange, Revisions
from analysis.runner.execute import EXECUTED, OUTPUT_FACTS, Outcome, output_files

TEMPLATES = Path(__file__).parent / "templates"
MANIFEST = "manifest.json"
PACKAGES = ("pandas", "seaborn", "statsmodels", "papermill", "jupyterlab", "matplotlib", "noegletal-hovedstaden")
STATUS_NAMES = {
    "match": "stemmer",
    "deviates": "afviger",
    "contradicts_itself": "rapporten modsiger sig selv",
    "not_computable": "kan ikke beregnes",
}
UNIT_NAMES = {"mia_kr": "mia. kr.", "mio_kr": "mio. kr.", "kr": "kr.", "pct": "pct.", "antal": "antal"}
EXTREMES = {"min": "laveste region", "max": "højeste region"}
SEVERITY_NAMES = {
    "FATAL": ("Stopper alt", "Intet kan beregnes; der dannes ingen rapport."),
    "ERROR": ("Fejl", "Et nøgletal ville blive forkert; der dannes ingen rapport."),
    "WARNING": ("Advarsel", "Kan være rigtigt, men bør undersøges; intet tal er ændret."),
    "INFO": ("Oplysning", "Værd at vide, når tallene læses; intet tal er ændret."),
}
BASIS_NAMES = {"genuine": "ægte tal", "fitted": "tilpasset rekonstruktion"}


def publish(
    edition: Edition,
    area_code: str,
    folder: Path,
    outcomes: list[Outcome],
    comparisons: list[Comparison],
    processed: Path,
    started: float,
    since: Revisions | NotCompared | None = None,
) -> None:
    """Bring the sections that succeeded into the report of an area and rewrite its index, all in one step.

    A failed section keeps its last good page; the index and the manifest say which sections are from when.
    `since`: what differs from an earlier vintage of the data; without one there is no page of it.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with replaced(folder) as new:
        earlier = published_sections(new)
        sections = {}
        for plan in edition.sections:
            outcome = next((outcome for outcome in outcomes if outcome.job.plan.notebook == plan.notebook), None)
            record = earlier.get(plan.notebook, {})
            if outcome and outcome.succeeded:
                record = _bring_in(new, edition, area_code, plan, outcome) | {"made": now}
            record["failed"] = outcome.cause if outcome and not outcome.succeeded else record.get("failed", "")
            if outcome and outcome.succeeded:
                record["failed"] = ""
            sections[plan.notebook] = {"title": plan.title, **record}
        _clear_unpublished(new, edition, sections)
        context = {
            "edition": edition,
            "area": areas.name(area_code),
            "sections": sections,
            "made": now,
            "reconstructed": any(output["origin"] == "reconstruction" for output in _outputs(sections)),
            "mark": RECONSTRUCTION_MARK,
        }
        findings = recorded(processed)
        severities = _by_severity(findings)
        _page(
            new / "index.html",
            "index.html.j2",
            title=edition.title,
            counts=_counted(comparisons),
            severities=severities,
            earlier=changes.vintage_name(since),
            **context,
        )
        (new / changes.PAGE).unlink(missing_ok=True)
        if since:
            compared = isinstance(since, Revisions)
            outputs = affected_outputs(since, new, sections, areas.name(area_code)) if compared else []
            changes_page(new / changes.PAGE, edition, area_code, since, outputs)
        _page(
            new / "afstemning.html",
            "afstemning.html.j2",
            title="Afstemning",
            rows=_reconciled(edition, comparisons),
            questions=_questions(edition, pd.read_parquet(processed / KEY_FIGURES)),
            counts=_counted(comparisons),
            **context,
        )
        _page(
            new / "datakvalitet.html",
            "datakvalitet.html.j2",
            title="Datakvalitet",
            severities=severities,
            rules=_rules_with_findings(findings),
            **context,
        )
        outputs = provenance.provenance(new, edition, sections, processed)
        _page(new / provenance.PAGE, "spor.html.j2", title="Kilde til tallene", outputs=outputs, **context)
        _manifest(new, edition, area_code, sections, outcomes, processed, started, now)


def published_sections(folder: Path) -> dict[str, dict[str, object]]:
    """The sections of a published report with their outputs, by notebook; none where there is no report."""
    path = folder / MANIFEST
    return json.loads(path.read_text(encoding="utf-8"))["sections"] if path.is_file() else {}


def _outputs(sections: dict[str, dict[str, object]]) -> Iterable[dict[str, str]]:
    return (output for record in sections.values() for output in record.get("outputs", []))


def _bring_in(folder: Path, edition: Edition, area_code: str, plan: SectionPlan, outcome: Outcome) -> dict[str, object]:
    """Copy a section's outputs into the report and render its page; returns what the manifest keeps of it."""
    staging = outcome.job.staging
    facts = []
    for output in plan.outputs:
        facts.append(json.loads((staging / OUTPUT_FACTS.format(output)).read_text(encoding="utf-8")))
        for name in output_files(facts[-1]):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(staging / name, folder / name)
    (folder / "notebooks").mkdir(exist_ok=True)
    shutil.copyfile(staging / EXECUTED, folder / "notebooks" / f"{plan.notebook}.ipynb")
    page = notebook_page(staging / EXECUTED, edition, area_code, plan)
    (folder / f"{plan.notebook}.html").write_text(page, encoding="utf-8")
    return {"parameters": outcome.job.parameters, "seconds": round(outcome.seconds, 2), "outputs": facts}


def _clear_unpublished(folder: Path, edition: Edition, sections: dict[str, dict[str, object]]) -> None:
    """Remove what earlier runs published and the edition no longer declares or its section now leaves out."""
    left_out = {facts["output"] for facts in _outputs(sections) if facts.get("left_out")}
    declared = {output for plan in edition.sections for output in plan.outputs} - left_out
    for path in [*folder.glob("figurer/*"), *folder.glob("data/*")]:
        if path.stem not in declared:
            path.unlink()
    notebooks = {plan.notebook for plan in edition.sections}
    for path in [*folder.glob("[0-9][0-9]_*.html"), *folder.glob("notebooks/*")]:
        if path.stem not in notebooks:
            path.unlink()


def notebook_page(executed: Path, edition: Edition, area_code: str, plan: SectionPlan) -> str:
    """An executed notebook as one self-contained Danish page: code folded, no request to anywhere."""
    exporter = HTMLExporter(template_name="noegletal", extra_template_basedirs=[str(TEMPLATES)])
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.exclude_anchor_links = True
    # Figures carry their alt text; nothing is left to a library that would load from elsewhere.
    exporter.sanitize_html = False
    position = edition.sections.index(plan)
    page = {
        "title": f"{plan.title}: {areas.name(area_code)}",
        "style": _style(),
        "report": f"{edition.title}, {areas.name(area_code)}",
        "previous": edition.sections[position - 1] if position else None,
        "following": edition.sections[position + 1] if position + 1 < len(edition.sections) else None,
    }
    body, _ = exporter.from_notebook_node(nbformat.read(executed, as_version=4), resources={"page": page})
    return body


def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def _page(path: Path, template: str, **context: object) -> None:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    path.write_text(environment.get_template(template).render(style=_style(), **context), encoding="utf-8")


def changes_page(
    path: Path,
    edition: Edition,
    area_code: str,
    since: Revisions | NotCompared,
    outputs: list[AffectedOutput],
    **given: object,
) -> None:
    """Write the page of what differs between two vintages, as seen from an area, with the outputs it reaches.

    `given`: what the template is told besides, such as `alone` for a page that stands outside a report.
    """
    context = changes.page_context(since, area_code, outputs)
    if isinstance(since, Revisions):
        context["printed"] = _printed_changes(edition, since.printed)
    title = "Ændringer i data"
    _page(
        path,
        "aendringer.html.j2",
        title=title,
        edition=edition,
        area=areas.name(area_code),
        **(context | {"looked_at": True} | given),
    )


def _printed_changes(edition: Edition, found: list[PrintedChange]) -> list[dict[str, str]]:
    """The printed numbers that come out otherwise, in words, with the figures as they are printed."""
    printed = published(edition).set_index("id")
    rows = []
    for change in found:
        row = printed.loc[change.id]
        figures = [
            "" if figure is None else danish.number(figure, change.decimals)
            for figure in (change.printed, change.computed_before, change.computed_after)
        ]
        rows.append(
            {
                "place": change.place,
                "what": _in_words(row),
                "years": "-".join(dict.fromkeys([row["period_start"], row["period_end"]])),
                "printed": figures[0],
                "before": figures[1],
                "after": figures[2],
                "unit": UNIT_NAMES[row["unit"]],
                "status_before": STATUS_NAMES[change.status_before],
                "status_after": STATUS_NAMES[change.status_after],
            }
        )
    return rows


def _counted(comparisons: list[Comparison]) -> list[dict[str, object]]:
    table = counts(comparisons)
    return [
        {"name": STATUS_NAMES[status], "genuine": table[status]["genuine"], "fitted": table[status]["fitted"]}
        for status in STATUS_NAMES
        if status in table
    ]


def _reconciled(edition: Edition, comparisons: list[Comparison]) -> list[dict[str, str]]:
    """Rows of the page Afstemning: the printed row in words, both figures in Danish, status, basis and why."""
    printed = published(edition).set_index("id")
    rows = []
    for comparison in comparisons:
        row = printed.loc[comparison.id]
        decimals = int(row["decimals_printed"])
        clashes = [printed.loc[other, "figure_or_table"] for other in row["contradicts"].split(";") if other]
        rows.append(
            {
                "id": comparison.id,
                "place": row["figure_or_table"] if row["figure_or_table"] != "tekst" else row["section"],
                "what": _in_words(row),
                "years": "-".join(dict.fromkeys([row["period_start"], row["period_end"]])),
                "unit": UNIT_NAMES[row["unit"]],
                "printed": danish.number(comparison.printed, decimals),
                "computed": "" if comparison.computed is None else danish.number(comparison.computed, decimals + 2),
                "tolerance": danish.number(comparison.tolerance, decimals + 1),
                "status": comparison.status,
                "status_name": STATUS_NAMES[comparison.status],
                "basis": BASIS_NAMES[comparison.basis],
                "reason": f"Strider mod {', '.join(dict.fromkeys(clashes))}, som stemmer."
                if comparison.status == "contradicts_itself"
                else comparison.reason,
            }
        )
    return rows


def _questions(edition: Edition, table: pd.DataFrame) -> list[dict[str, object]]:
    """The open questions of the printed report with what is printed and what each reading gives, in Danish."""
    printed = published(edition).set_index("id")
    questions = []
    for question in open_questions():
        known = [row for row in question.printed if row in printed.index]
        shown = [
            f"{printed.loc[row, 'value'].replace('.', ',')} {UNIT_NAMES[printed.loc[row, 'unit']]}" for row in known
        ]
        readings = []
        for reading in question.readings:
            computed = computed_reading(reading, edition, table)
            percent = computed["unit"] == "pct"
            text = danish.percent(computed["value"], 2) if percent else danish.billions(computed["value"], 3)
            readings.append({"name": reading.name, "value": text, "mark": computed["origin"] == "reconstruction"})
        questions.append({"question": question.question, "printed": shown, "readings": readings})
    return questions


def _in_words(row: pd.Series) -> str:
    declared = declarations()
    group, _ = declared.group(row["population_group"])
    category = accounts.label(group, declared.categories.get(row["category"], row["category"]))
    area = EXTREMES.get(declared.areas.get(row["area"])) or areas.name(areas.find_area(row["area"]))
    return f"{declared.measures[row['measure']].name}: {category}, {area}"


def _by_severity(findings: list[quality.Finding]) -> list[dict[str, object]]:
    """Each severity in Danish with what it means, how many rules it has and how much they found."""
    rules = quality.catalogue().rules.values()
    return [
        {
            "severity": severity,
            "name": name,
            "meaning": meaning,
            "rules": sum(rule.severity == severity for rule in rules),
            "findings": sum(finding.severity == severity for finding in findings),
        }
        for severity, (name, meaning) in SEVERITY_NAMES.items()
    ]


def _rules_with_findings(findings: list[quality.Finding]) -> list[dict[str, object]]:
    """Every rule in the order of quality.yml, the most serious first, with what it found."""
    order = list(SEVERITY_NAMES)
    declared = sorted(quality.catalogue().rules.items(), key=lambda entry: order.index(entry[1].severity))
    return [
        {
            "id": name,
            "severity": SEVERITY_NAMES[rule.severity][0],
            "scope": rule.scope,
            "what": rule.what,
            "explanation": rule.explanation,
            "findings": [finding for finding in findings if finding.rule == name],
        }
        for name, rule in declared
    ]


def _manifest(
    folder: Path,
    edition: Edition,
    area_code: str,
    sections: dict[str, dict[str, object]],
    outcomes: list[Outcome],
    processed: Path,
    started: float,
    now: str,
) -> None:
    """Write what the report was made from and what it consists of, with a checksum for each."""
    notebooks = project_root() / "notebooks"
    manifest = {
        "edition": edition.name,
        "area_code": area_code,
        "area": areas.name(area_code),
        "started": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(timespec="seconds"),
        "finished": now,
        "complete": all(record.get("made") and not record["failed"] for record in sections.values()),
        "sections": sections,
        "ran": {outcome.job.plan.notebook: "done" if outcome.succeeded else "failed" for outcome in outcomes},
        "inputs": {
            "raw": {row["file"]: row["sha256"] for row in json.loads((processed / SOURCES).read_text("utf-8"))},
            "key_figures": _digest(processed / KEY_FIGURES),
            "findings": _digest(processed / FINDINGS),
            "notebooks": {
                plan.notebook: _digest(notebooks / f"{plan.notebook}.ipynb")
                for plan in edition.sections
                if (notebooks / f"{plan.notebook}.ipynb").is_file()
            },
        },
        "outputs": {
            path.relative_to(folder).as_posix(): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()
        },
        "versions": {"python": platform.python_version()}
        | {package: importlib.metadata.version(package) for package in PACKAGES},
    }
    manifest["outputs"].pop(MANIFEST, None)
    (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def missing_outputs(edition: Edition, folder: Path) -> list[str]:
    """Files that a complete report of the edition has and this folder lacks.

    An output that its section left out, and said why, has no files; without a manifest every output is asked for.
    """
    sections = published_sections(folder)
    expected = ["index.html", "afstemning.html", "datakvalitet.html", provenance.PAGE, MANIFEST]
    for plan in edition.sections:
        expected.append(f"{plan.notebook}.html")
        published = {facts["output"]: facts for facts in sections.get(plan.notebook, {}).get("outputs", [])}
        for output in plan.outputs:
            expected += output_files(published.get(output, {"output": output}))
    return [name for name in expected if not (folder / name).is_file()]
