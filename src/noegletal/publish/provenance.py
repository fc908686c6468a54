"""The page that leads from each published figure and table back to the raw rows."""

import html
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis import accounts, areas, danish
from analysis.edition import Edition, load_edition
from analysis.rows import KEYS, LEVEL, MEASURE, SINCE, SUPPRESSED, labels
from analysis.tables import read_coded
from noegletal.figures.build import build_record
from noegletal.figures.formulas import Question, category_name
from noegletal.figures.kinds import indicators
from noegletal.publish.pages import environment, page
from noegletal.review.chain import PROTECTED, Step, series_title, title
from noegletal.review.evidence import Evidence
from noegletal.review.trace import MODELLED, command, counted_rows, facts_of, files_of, trace
from noegletal.rules import exact

PAGE = "spor.html"
# More parts than this stand in a table; fewer are spelled out with what each is made of.
SPELLED_OUT = 3
# Key figures of an output that are listed one by one; where there are more, the years of a series are folded together.
UNFOLDED = 20


def write(folder: Path, edition: Edition, area_code: str, sections: dict[str, dict[str, Any]], processed: Path) -> None:
    """Write the chain of every key figure that the outputs of a report show, from its published data in `folder`.

    `spor.html` has each output with its key figures, each with its chain down to the municipalities, how many raw rows
    it rests on, and the command that lists them. What is computed from key figures (growth, share, index) has the
    chains of the key figures. Figures of the shelter model name their files only. Suppressed rows are counted and
    nothing more is said of them.
    """
    record = build_record(processed)
    evidence = _evidence(edition.name, record["raw"], str(processed), record["inputs"])
    seen: dict[Question, tuple[str, str]] = {}
    outputs = [
        _output(evidence, folder, notebook, output, seen)
        for notebook, section in sections.items()
        for output in section.get("outputs", [])
        if not output.get("left_out")
    ]
    about = {"edition": edition, "area": areas.name(area_code), "sections": sections}
    page(folder / PAGE, "spor.html.j2", title="Kilde til tallene", outputs=outputs, **about)


@lru_cache(maxsize=1)
def _evidence(edition: str, raw: str, processed: str, inputs: str) -> Evidence:
    """The same for every area of a run, so that each raw table is read once; `inputs` says when it is another build."""
    return Evidence(load_edition(edition), Path(raw), Path(processed), many=True)


def _output(
    evidence: Evidence,
    folder: Path,
    notebook: str,
    output: dict[str, str],
    seen: dict[Question, tuple[str, str]],
) -> dict[str, Any]:
    """What the page says of an output; `seen` (key figures, and where each stands) grows with it."""
    rows = read_coded(folder, output["output"]).to_dict("records")
    shown = [row for row in rows if row.get("status") != SUPPRESSED]
    known = indicators()
    modelled = [row for row in shown if row.get("indicator") in known and known[row["indicator"]].modelled]
    asked = [(row, _question(row)) for row in shown]
    asked = [(row, question) for row, question in asked if question in evidence.places]
    # What is measured from a year rests on the figure of that year too.
    since = [question._replace(year=int(row[SINCE])) for row, question in asked if not pd.isna(row[SINCE])]
    questions = dict.fromkeys([*(question for _, question in asked), *(q for q in since if q in evidence.places)])
    heading = f"{output['number']}: {output['title']}" if output["number"] else output["title"]
    anchor = output["output"].replace("_", "-")
    series: dict[str, list[dict[str, Any]]] = {}
    elsewhere: dict[tuple[str, str], list[dict[str, Any]]] = {}
    disagreeing = []
    for question in questions:
        figure = evidence.once(("figure", question), lambda question=question: _figure(evidence, question))
        disagreeing += [] if figure["agrees"] else [figure["title"]]
        if question in seen:
            elsewhere.setdefault(seen[question], []).append(figure)
            continue
        seen[question] = (anchor, output["number"] or output["title"])
        series.setdefault(series_title(question), []).append(figure)
    names = dict.fromkeys(row["indicator"] for row in shown if row.get("indicator") in known)
    files = [file for name in names for file in files_of(evidence, known[name].sources)]
    for figures in series.values():
        figures.sort(key=lambda figure: figure["year"])
    return {
        "anchor": anchor,
        "notebook": notebook,
        "heading": heading,
        "shows": _shows(shown),
        "files": list({file["file"]: file for file in files}.values()),
        "computed": any(row[MEASURE] != LEVEL for row, _ in asked),
        "since": since[0].year if since else None,
        "modelled": _modelled(evidence, modelled) if modelled else "",
        "suppressed": len(rows) - len(shown),
        "disagreeing": disagreeing,
        "series": series,
        "folded": sum(map(len, series.values())) > UNFOLDED,
        "elsewhere": elsewhere,
    }


def _question(row: dict[str, Any]) -> Question | None:
    """The key of a published row; what has no indicator, such as a list of files, is no key figure."""
    if not {"indicator", "area_code", "population_group", "category", "year"} <= set(row):
        return None
    keys = {name: row[name] for name in KEYS if name in row}
    return Question(**{"variant": accounts.STANDARD} | keys | {"year": int(row["year"])})


def _shows(rows: list[dict[str, str]]) -> list[str]:
    """What an output shows, in words: key figures, areas, categories, years."""
    named = [row for row in rows if row.get("indicator") in indicators()]
    if not named:
        return []
    years = sorted({int(row["year"]) for row in named if row.get("year")})
    facts = {
        "Nøgletal": (indicators()[row["indicator"]].name for row in named),
        "Områder": (areas.names().get(row["area_code"], row["area_code"]) for row in named),
        "Kategorier": (category_name(row["population_group"], row["category"]) for row in named),
    }
    words = [f"{name}: {'; '.join(dict.fromkeys(values))}" for name, values in facts.items()]
    return [*words, f"År: {years[0]}-{years[-1]}" if len(years) > 1 else f"År: {years[0]}"]


def _modelled(evidence: Evidence, rows: list[dict[str, str]]) -> str:
    tables = dict.fromkeys(table for row in rows for table in indicators()[row["indicator"]].sources)
    return f"{MODELLED} {', '.join(facts_of(evidence, list(tables)))}."


# The chain of a key figure


def _figure(evidence: Evidence, question: Question) -> dict[str, Any]:
    """A key figure as the page shows it."""
    found = trace(evidence, question)
    unit, value = found.figure["unit"], found.figure["value"]
    facts = {
        "title": title(question),
        "year": question.year,
        "anchor": "-".join(str(key) for key in question if key != accounts.STANDARD),
        "value": "mangler"
        if math.isnan(value)
        else danish.with_unit(_exact(value), labels().units_beside.get(unit, unit)).strip(),
        "agrees": found.agrees,
    }
    more = {
        "explanation": found.explanation,
        "chain": _view(evidence, found.chain) if found.chain else None,
        "rows": _rows_in_words(evidence, found.chain) if found.chain else "",
        "command": command(question, evidence.edition.name),
    }
    return facts | {"markup": environment().get_template("spor_kaede.html.j2").module.figure(facts | more)}


def _view(evidence: Evidence, step: Step) -> dict[str, Any]:
    """A step as words for the page: what it is, its value, and what it is made of."""
    many = len(step.steps) > SPELLED_OUT
    return {
        "text": step.text,
        "value": _amount(step),
        "how": step.how,
        "note": step.note,
        "basis": _rows_in_words(evidence, step) if step.rows else "",
        "parts": [] if many else [_view(evidence, part) for part in step.steps],
        "lines": Markup("\n".join(_line(evidence, part) for part in step.steps)) if many else "",  # noqa: S704
    }


# There are tens of thousands of the following in a report, so they are put together here and not in a template.


def _line(evidence: Evidence, step: Step) -> str:
    """A step as a line of a table; the same in every chain that it stands in."""

    def made() -> str:
        about = step.note or _rows_in_words(evidence, step)
        if len(step.steps) > 1 and not step.note:
            # What it is weighted with, or made of.
            about = "; ".join([step.how, about])
        return f"<tr><td>{html.escape(step.text)}<td>{_figures(step)}<td>{html.escape(about)}"

    # Steps are kept as long as the evidence is, so that no other has the same identity.
    return evidence.once(("line", id(step)), lambda: (step, made()))[1]


def _rows_in_words(evidence: Evidence, step: Step) -> str:
    """How many rows a step rests on, or where the only one is; nothing where it shows none."""
    return evidence.once(("rows in words", id(step)), lambda: (step, _counted_in_words(step)))[1]


def _counted_in_words(step: Step) -> str:
    # A row stands in one cell once, but it may stand in several cells.
    count = len(step.rows) if step.rows else counted_rows(step)
    if count == 1 and step.rows:
        file, sheet, line = step.rows.place(0)
        return f"{file}, {f'ark {sheet}, ' if sheet else ''}linje {line}"
    return f"{danish.number(count)} {'række' if count == 1 else 'rækker'}" if count else ""


def _amount(step: Step) -> str:
    if math.isnan(step.value) and step.note != PROTECTED:
        return "mangler"
    return danish.with_unit(_figures(step), labels().units_beside.get(step.unit, step.unit)).strip()


def _figures(step: Step) -> str:
    return danish.number(step.value, status=SUPPRESSED) if step.note == PROTECTED else _exact(step.value)


# Most values stand in several chains and lines.
_exact = lru_cache(maxsize=1 << 16)(exact)
