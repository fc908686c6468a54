"""The pages of a report: a page per section, an index, the reconciliation page and the manifest."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from analysis import accounts, areas, danish
from analysis.claims import CLAIMS, claim_rules
from analysis.edition import FINDINGS, KEY_FIGURES, SOURCES, Edition, SectionPlan, load_edition, project_root
from analysis.rows import EXAMPLE, labels
from noegletal import front
from noegletal import rules as quality_rules
from noegletal.commentary import Commentary, commentaries
from noegletal.figures.assessment import recorded
from noegletal.figures.freshness import Inputs, digest, package_version
from noegletal.figures.printed import declarations, printed_elsewhere, published
from noegletal.folders import keep, replaced
from noegletal.publish import changes, definitions, provenance, search, section_pages
from noegletal.publish.artefacts import Press
from noegletal.publish.manifest import (
    EXECUTED,
    FORMATS,
    MANIFEST,
    OUTPUT_FACTS,
    PACKAGE,
    PAGE_TITLES,
    PAGES,
    SectionRun,
    output_files,
    read_manifest,
    section_files,
)
from noegletal.publish.pages import page
from noegletal.review.affected import AffectedOutput, affected_outputs
from noegletal.review.other_reports import other_comparisons
from noegletal.review.reconcile import (
    Comparison,
    computed_reading,
    counts,
    open_questions,
    undeclared_deviations,
)
from noegletal.review.revisions import NotCompared, PrintedChange, Revisions

PACKAGES = ("pandas", "seaborn", "statsmodels", "papermill", "jupyterlab", "matplotlib", "noegletal-hovedstaden")
STATUS_NAMES = {
    "match": "stemmer",
    "deviates": "afviger",
    "contradicts_itself": "rapporten modsiger sig selv",
    "not_computable": "kan ikke beregnes",
}
UNIT_NAMES = {
    "mia_kr": "mia. kr.",
    "mio_kr": "mio. kr.",
    "kr": "kr.",
    "pct": "pct.",
    "antal": "antal",
    "per_1000": "pr. 1.000",
}
OTHER_DEFINITION = "anden opgørelse"
EXTREMES = {"min": "laveste region", "max": "højeste region"}
# The other forms of the report by file: the index leads to those that are there. The data package is that of the
# edition and lies beside the reports.
FILES = {
    FORMATS["pdf"]: "Hele rapporten til udskrift (PDF)",
    FORMATS["slides"]: "Slides, der kan rettes (PPTX)",
    FORMATS["workbook"]: "Figurer, tabeller og nøgletal i et regneark (XLSX)",
    f"../{PACKAGE}": "Beskrivelse af data for andre programmer (Data Package)",
}
# Reports once had the rows behind their figures as pages in a folder.
ROWS_AS_PAGES = "spor"


def publish(
    edition: Edition,
    area_code: str,
    folder: Path,
    runs: Mapping[str, SectionRun],
    comparisons: list[Comparison],
    processed: Path,
    started: float,
    since: Revisions | NotCompared | None = None,
    pages: Inputs | None = None,
    press: Press = lambda *_: {},
) -> dict[str, str]:
    """Bring the sections that succeeded into the report of an area and rewrite its index, all in one step.

    A failed section keeps its last good page; the page, the index and the manifest say which sections are from when.
    What no section was run for is shown by the code of today all the same, from the notebook as it was executed.
    `since`: what differs from an earlier vintage of the data; without one its page says so. `pages`: what the
    report depends on, kept in the manifest for the next run; without it the next run makes everything again. `press`:
    makes the other forms of the report; those it does not make stay, and the index and the manifest say which are older
    than the pages. Returns by form why one could not be made; empty where it was.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    key_figures = processed / KEY_FIGURES
    with replaced(folder) as new:
        manifest = read_manifest(folder)
        other_code = not pages or manifest.get("pages", {}).get("library") != pages["library"]
        sections = {}
        for plan in edition.sections:
            run = runs.get(plan.notebook)
            if run and not run.cause:
                record = _bring_in(new, plan, run) | {"made": now}
            else:
                record = _kept(folder, new, plan, manifest)
                if other_code and _as_executed(folder, plan, record):
                    record["findings"] = _write_body(new, plan, folder / _notebook(plan))
            record["failed"] = run.cause if run else record.get("failed", "")
            sections[plan.notebook] = {"title": plan.title, "part": plan.part, **record}
        shown = {file for facts in _outputs(sections) for file in output_files(facts)}
        keep(folder, new, lambda name: _stays(name, shown, sections))
        shutil.rmtree(new / ROWS_AS_PAGES, ignore_errors=True)
        context = {
            "edition": edition,
            "area": areas.name(area_code),
            "sections": sections,
            "made": now,
            "marks": definitions.marks(_outputs(sections)),
        }
        said = commentaries(edition, processed, area_code)
        formats = press(new, edition, area_code, sections, processed)
        forms = _forms(new, formats, manifest, _content(edition, sections, processed, said), now)
        _frame_sections(new, context, said)
        found = recorded(processed)
        findings = [finding for finding in found if finding.origin != "reconstruction"]
        severities = _by_severity(findings)
        page(
            new / "index.html",
            "index.html.j2",
            title=edition.title,
            main_findings=front.main_findings(sections),
            key_numbers=front.key_numbers(edition, area_code, pd.read_parquet(key_figures)),
            counts=_counted(comparisons),
            severities=severities,
            earlier=changes.vintage_name(since),
            files={name: text for name, text in FILES.items() if (new / name).is_file()},
            older={FORMATS[name]: form["made"] for name, form in forms.items() if form["older"]},
            **context,
        )
        compared = isinstance(since, Revisions)
        outputs = affected_outputs(since, new, sections, areas.name(area_code)) if compared else []
        changes_page(new / changes.PAGE, edition, area_code, since, outputs, sections=sections)
        about = definitions.page_context(edition)
        page(new / "definitioner.html", "definitioner.html.j2", title="Definitioner", **about, **context)
        reading = definitions.reading_context(edition, area_code)
        for name in ("laesevejledning.html", "kommuner.html"):
            page(new / name, f"{name}.j2", title=PAGE_TITLES[name], **reading, **context)
        page(new / "soeg.html", "soeg.html.j2", title="Søg", **search.page_context(edition, sections), **context)
        page(
            new / "afstemning.html",
            "afstemning.html.j2",
            title="Afstemning",
            rows=_reconciled(edition.name, tuple(comparisons)),
            bases=labels().evidence.values(),
            example=labels().evidence[EXAMPLE].mark,
            questions=_questions(edition.name, key_figures, key_figures.stat().st_mtime_ns),
            others=_other_reports(edition.name, key_figures, key_figures.stat().st_mtime_ns),
            counts=_counted(comparisons),
            **context,
        )
        page(
            new / "datakvalitet.html",
            "datakvalitet.html.j2",
            title="Datakvalitet",
            severities=severities,
            rules=_rules_with_findings(findings),
            of_examples=len(found) - len(findings),
            claims=_not_stated(sections),
            **context,
        )
        provenance.write(new, edition, area_code, sections, processed)
        deviating = undeclared_deviations(edition, comparisons)
        _manifest(
            new, edition, area_code, sections, runs, processed, started, now, pages or {}, formats, forms, deviating
        )
    return formats


def _content(
    edition: Edition, sections: dict[str, dict[str, Any]], processed: Path, said: dict[str, Commentary]
) -> str:
    """The checksum of what every form of a report is made from; the same when the same figures are made again."""
    shown = {
        notebook: [record.get(name) for name in ("inputs", "outputs", "findings", "failed")]
        for notebook, record in sections.items()
    }
    written = {name: [one.html, one.head.model_dump(mode="json")] for name, one in said.items()}
    return digest([package_version(edition, processed), edition.model_dump(mode="json"), shown, written])


def _forms(
    folder: Path, formats: dict[str, str], manifest: dict[str, Any], content: str, now: str
) -> dict[str, dict[str, Any]]:
    """The forms that are there, by name: when each was made, of which content, and whether the pages have another.

    `formats`: as `press` gives it. `manifest`: what the report said of itself before.
    """
    known = manifest.get("forms", {})
    forms = {}
    for name, file in FORMATS.items():
        if not (folder / file).is_file():
            continue
        made = {"made": now, "content": content}
        if formats.get(name, "not asked for"):
            made = known.get(name, {"made": manifest.get("finished", now), "content": ""})
        forms[name] = made | {"older": made["content"] != content}
    return forms


def _outputs(sections: dict[str, dict[str, object]]) -> Iterable[dict[str, str]]:
    return (output for record in sections.values() for output in record.get("outputs", []))


def _bring_in(folder: Path, plan: SectionPlan, run: SectionRun) -> dict[str, Any]:
    """Copy a section's outputs into the report and write its page; returns what the manifest keeps of it."""
    staging = run.staging
    facts = []
    for output in plan.outputs:
        facts.append(json.loads((staging / OUTPUT_FACTS.format(output)).read_text(encoding="utf-8")))
        for name in output_files(facts[-1]):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(staging / name, folder / name)
    (folder / "notebooks").mkdir(exist_ok=True)
    shutil.copyfile(staging / EXECUTED, folder / _notebook(plan))
    record = {
        "parameters": run.parameters,
        "seconds": round(run.seconds, 2),
        "inputs": run.inputs,
        "outputs": facts,
        "findings": _write_body(folder, plan, staging / EXECUTED),
        "claims": json.loads(said.read_text(encoding="utf-8")) if (said := staging / CLAIMS).is_file() else [],
    }
    files = section_files(plan.notebook, plan.outputs, record)
    return record | {"files": {name: (folder / name).stat().st_size for name in files}}


def _notebook(plan: SectionPlan) -> str:
    """Where a report keeps the executed notebook of a section."""
    return f"notebooks/{plan.notebook}.ipynb"


def _as_executed(folder: Path, plan: SectionPlan, record: dict[str, Any]) -> bool:
    """Whether the notebook that a section was made from is still in the report, as far as the manifest can tell."""
    path = folder / _notebook(plan)
    return path.is_file() and path.stat().st_size == record.get("files", {}).get(_notebook(plan))


def _write_body(folder: Path, plan: SectionPlan, executed: Path) -> list[dict[str, str]]:
    """Put aside what an executed notebook shows as its section's page; returns the sentences in it."""
    shown = section_pages.body(executed)
    section_pages.write_body(folder / f"{plan.notebook}.html", shown)
    return section_pages.findings(shown)


def _kept(folder: Path, new: Path, plan: SectionPlan, manifest: dict[str, Any]) -> dict[str, Any]:
    """Copy the last good page of a section, to be framed anew; returns what the manifest said of it."""
    page_file = f"{plan.notebook}.html"
    # A page that someone removed is none to keep.
    if not (folder / page_file).is_file():
        return {}
    shutil.copyfile(folder / page_file, new / page_file)
    record = manifest.get("sections", {}).get(plan.notebook, {})
    if "outputs" in record:
        # Pages and forms read the files of an output: without them nothing can be said of it.
        record["outputs"] = [
            facts for facts in record["outputs"] if all((folder / name).is_file() for name in output_files(facts))
        ]
    return record


def _stays(name: str, shown: set[str], sections: dict[str, dict[str, Any]]) -> bool:
    """Whether a file of the report as it was is in the new one too: no page is, nor what no section shows any longer.

    What the edition no longer declares stays with the last good page of its section until that is made again. What
    somebody else put there stays.
    """
    path = PurePosixPath(name)
    place = path.parts[0]
    if place in ("figurer", "data"):
        return name in shown
    if place == "notebooks":
        return path.stem in sections
    return place not in (*PAGES, MANIFEST) and not path.match("[0-9][0-9]_*.html")


def _frame_sections(folder: Path, context: dict[str, Any], said: dict[str, Commentary]) -> None:
    """Give the page of every section that was ever made its frame of today: navigation, neighbours, from when it is."""
    sections = context["sections"]
    made = [notebook for notebook, section in sections.items() if "made" in section]
    for position, notebook in enumerate(made):
        path = folder / f"{notebook}.html"
        shown = section_pages.kept_body(path)
        if not shown:
            continue
        section = sections[notebook]
        section_pages.write(
            path,
            shown,
            title=section["title"],
            section=section,
            page_marks=definitions.marks(section.get("outputs", [])),
            commentary=said.get(notebook),
            previous=made[position - 1] if position else "",
            following=made[position + 1] if position + 1 < len(made) else "",
            **context,
        )
        section["files"][path.name] = path.stat().st_size


def _not_stated(sections: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """The claims that are softened, shown as examples or withheld, and why; never what was withheld itself."""
    titles = {
        out["output"].replace("_", "-"): out["number"] or out["title"]
        for record in sections.values()
        for out in record.get("outputs", [])
    }
    return [
        {
            "link": f"{notebook}.html{_anchor(claim, titles)}",
            "place": titles.get(claim["place"])
            or f"{record['title']}, {claim['place'].replace('saetning-', 'sætning ')}",
            "outcome": claim_rules().outcomes[claim["outcome"]],
            "why": "; ".join(claim_rules().reasons[reason].name for reason in claim["reasons"]),
        }
        for notebook, record in sections.items()
        for claim in record.get("claims", [])
        if claim["outcome"] != "stated"
    ]


def _anchor(claim: dict[str, Any], titles: dict[str, str]) -> str:
    """Where on its page a claim is; a sentence that was withheld is nowhere."""
    return f"#{claim['place']}" if claim["place"] in titles or claim["outcome"] != "withheld" else ""


def changes_page(
    path: Path,
    edition: Edition,
    area_code: str,
    since: Revisions | NotCompared | None,
    outputs: list[AffectedOutput],
    **given: object,
) -> None:
    """Write the page of what differs between two vintages, as seen from an area, with the outputs it reaches.

    Without an earlier vintage it says so. `given`: what the template is told besides: `sections` for the navigation of
    the report it is in, or `alone` for a page that stands outside a report.
    """
    context = changes.page_context(since, area_code, outputs) if since else {"before": ""}
    if isinstance(since, Revisions):
        context["printed"] = _printed_changes(edition, since.printed)
    title = "Ændringer i data"
    page(
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
    """How many comparisons came out in which way, in words: all, and by how well the computed figures are known."""
    table = counts(comparisons)
    marks = {name: said.mark.lower() for name, said in labels().evidence.items()}
    return [
        {
            "name": STATUS_NAMES[status],
            "all": sum(table[status].values()),
            "by_basis": ", ".join(f"{marks[name]} {many}" for name, many in table[status].items() if many),
        }
        for status in STATUS_NAMES
        if status in table
    ]


# The page Afstemning is the same for every area of a run.
@lru_cache(maxsize=1)
def _reconciled(edition: str, comparisons: tuple[Comparison, ...]) -> list[dict[str, str]]:
    """Rows of the page Afstemning: the printed row in words, both figures in Danish, status, basis and why."""
    printed = published(load_edition(edition)).set_index("id")
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
                "basis": labels().evidence[comparison.basis].mark,
                "reason": f"Strider mod {', '.join(dict.fromkeys(clashes))}, som stemmer."
                if comparison.status == "contradicts_itself"
                else comparison.reason,
            }
        )
    return rows


@lru_cache(maxsize=1)
def _other_reports(name: str, path: Path, _changed: int) -> list[dict[str, object]]:
    """The numbers of other printed reports in words, both figures, their difference and why, in Danish."""
    edition = load_edition(name)
    printed = printed_elsewhere(edition).set_index("id")
    rows = []
    for one in other_comparisons(edition, path.parent):
        row = printed.loc[one.id]
        decimals = int(row["decimals_printed"])
        finer = decimals if row["unit"] in ("kr", "antal") else decimals + 1
        status = "match" if one.agrees else "deviates" if one.computed is not None else "not_computable"
        other = one.role == "other_definition" and one.computed is not None
        rows.append(
            {
                "id": one.id,
                "report": row["report"].replace("_", " ").capitalize(),
                # Without the number that its item has on the agenda.
                "place": row["figure_or_table"]
                if row["figure_or_table"] != "tekst"
                else row["section"].lstrip("0123456789. "),
                "what": f"{row['what']}, {areas.name(areas.find_area(row['area']))}",
                "years": "-".join(dict.fromkeys([row["period_start"], row["period_end"]])),
                "unit": UNIT_NAMES[row["unit"]] + (f", {level}" if (level := row["price_level"]) != "none" else ""),
                "printed": danish.number(one.printed, decimals),
                "computed": "" if one.computed is None else danish.number(one.computed, finer),
                "difference": "" if one.computed is None else danish.number(one.computed - one.printed, finer),
                "status": status,
                "status_name": OTHER_DEFINITION if other else STATUS_NAMES[status],
                "mark": one.origin == "reconstruction",
                "reason": row["reason"],
            }
        )
    return rows


@lru_cache(maxsize=1)
def _questions(name: str, path: Path, _changed: int) -> list[dict[str, object]]:
    """The open questions of the printed report with what is printed and what each reading gives, in Danish."""
    edition, table = load_edition(name), pd.read_parquet(path)
    printed = published(edition).set_index("id")
    questions = []
    for question in open_questions():
        known = [row for row in question.printed if row in printed.index]
        if not known:
            # Of the printed report of another edition.
            continue
        shown = [
            danish.with_unit(printed.loc[row, "value"].replace(".", ","), UNIT_NAMES[printed.loc[row, "unit"]])
            for row in known
        ]
        readings = []
        for reading in question.readings:
            computed = computed_reading(reading, edition, table)
            percent = computed["unit"] == "pct"
            text = (
                danish.percent(computed["value"], 2)
                if percent
                else danish.with_unit(danish.number(computed["value"] / 1e9, 3), "mia. kr.")
            )
            readings.append({"name": reading.name, "value": text, "mark": computed["origin"] == "reconstruction"})
        questions.append({"question": question.question, "printed": shown, "readings": readings})
    return questions


def _in_words(row: pd.Series) -> str:
    declared = declarations()
    group, _ = declared.group(row["population_group"])
    category = accounts.label(group, declared.categories.get(row["category"], row["category"]))
    area = EXTREMES.get(declared.areas.get(row["area"])) or areas.name(areas.find_area(row["area"]))
    return f"{declared.measures[row['measure']].name}: {category}, {area}"


def _by_severity(findings: list[quality_rules.Finding]) -> list[dict[str, object]]:
    """Each severity in Danish with what it means, how many rules it has and how much they found."""
    rules = quality_rules.catalogue().rules.values()
    return [
        {
            "severity": severity,
            "name": words.name,
            "meaning": words.meaning,
            "rules": sum(rule.severity == severity for rule in rules),
            "findings": sum(finding.severity == severity for finding in findings),
        }
        for severity, words in labels().severities.items()
    ]


def _rules_with_findings(findings: list[quality_rules.Finding]) -> list[dict[str, object]]:
    """Every rule in the order of quality.yml, the most serious first, with what it found."""
    order = list(labels().severities)
    declared = sorted(quality_rules.catalogue().rules.items(), key=lambda entry: order.index(entry[1].severity))
    return [
        {
            "id": name,
            "severity": labels().severities[rule.severity].name,
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
    runs: Mapping[str, SectionRun],
    processed: Path,
    started: float,
    now: str,
    pages: Inputs,
    formats: dict[str, str],
    forms: dict[str, dict[str, Any]],
    deviating: list[str],
) -> None:
    """Write what the report was made from and what it consists of, with a checksum for each."""
    notebooks = project_root() / "notebooks"
    manifest = {
        "edition": edition.name,
        "area_code": area_code,
        "area": areas.name(area_code),
        "started": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(timespec="seconds"),
        "finished": now,
        "complete": all(record.get("made") and not record["failed"] for record in sections.values())
        and not any(formats.values()),
        "deviating": deviating,
        "sections": sections,
        "pages": pages,
        "formats": formats,
        "forms": forms,
        "ran": {notebook: "failed" if run.cause else "done" for notebook, run in runs.items()},
        "inputs": {
            "raw": {row["file"]: row["sha256"] for row in json.loads((processed / SOURCES).read_text("utf-8"))},
            "key_figures": _digest(processed / KEY_FIGURES),
            "findings": _digest(processed / FINDINGS),
            "notebooks": {
                plan.notebook: _digest(path)
                for plan in edition.sections
                if (path := notebooks / f"{plan.notebook}.ipynb").is_file() and os.access(path, os.R_OK)
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
