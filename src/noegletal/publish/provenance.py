"""The pages that lead from each published figure and table back to the raw rows."""

import html
import math
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis import accounts, areas, danish
from analysis.catalogue import Modelled, catalogue
from analysis.edition import Edition, load_edition
from analysis.rows import KEYS, SINCE, SUPPRESSED
from analysis.tables import read_coded
from noegletal.figures.build import build_record
from noegletal.publish.pages import environment, page
from noegletal.review.trace import MODELLED, command, facts_of, files_of, leaves, trace
from noegletal.review.trace_evidence import Evidence, Question
from noegletal.review.trace_steps import PROTECTED, UNIT_NAMES, Place, Step, category_name, series_title, title

PAGE, FOLDER = "spor.html", "spor"
# More parts than this stand in a table, with a link to what each is made of; fewer are spelled out where they are.
SPELLED_OUT = 3
# Key figures of an output that are listed one by one; where there are more, the years of a series are folded together.
UNFOLDED = 20


def write(folder: Path, edition: Edition, area_code: str, sections: dict[str, dict[str, Any]], processed: Path) -> None:
    """Write the chain of every key figure that the outputs of a report show, from its published data in `folder`.

    `spor.html` has each output with its key figures, each with its chain down to the municipalities and how many rows
    they rest on; `spor/<area>.html` has those rows: file, line, codes, value. What is computed from key figures
    (growth, share, index) has the chains of the key figures. Figures of the shelter model name their files only.
    Suppressed rows are counted and nothing more is said of them.
    """
    record = build_record(processed)
    evidence = _evidence(edition.name, record["raw"], str(processed), record["inputs"])
    seen: dict[Question, tuple[str, str]] = {}
    parts: dict[str, dict[Place, Step]] = {}
    outputs = [
        _output(evidence, folder, notebook, output, seen, parts)
        for notebook, section in sections.items()
        for output in section.get("outputs", [])
        if not output.get("left_out")
    ]
    about = {"edition": edition, "area": areas.name(area_code), "sections": sections}
    page(folder / PAGE, "spor.html.j2", title="Kilde til tallene", outputs=outputs, **about)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    (folder / FOLDER).mkdir()
    for code, of_area in parts.items():
        content = evidence.once(("content", code, frozenset(of_area)), lambda: _content(evidence, of_area))  # noqa: B023
        name = areas.name(code)
        path = folder / FOLDER / f"{areas.slug(code)}.html"
        page(path, "spor_omraade.html.j2", title=f"Rækkerne bag tallene: {name}", place=name, content=content, **about)


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
    parts: dict[str, dict[Place, Step]],
) -> dict[str, Any]:
    """What the page says of an output; `seen` (key figures, and where each stands) and `parts` grow with it."""
    rows = read_coded(folder, output["output"]).to_dict("records")
    shown = [row for row in rows if row.get("status") != SUPPRESSED]
    modelled = [row for row in shown if isinstance(catalogue().indicators.get(row.get("indicator", "")), Modelled)]
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
        for place, step in figure["parts"].items():
            parts.setdefault(place.area_code, {})[place] = step
    indicators = dict.fromkeys(row["indicator"] for row in shown if row.get("indicator") in catalogue().indicators)
    files = [file for name in indicators for file in files_of(evidence, catalogue().indicators[name].sources)]
    for figures in series.values():
        figures.sort(key=lambda figure: figure["year"])
    return {
        "anchor": anchor,
        "notebook": notebook,
        "heading": heading,
        "shows": _shows(shown),
        "files": list({file["file"]: file for file in files}.values()),
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
    named = [row for row in rows if row.get("indicator") in catalogue().indicators]
    if not named:
        return []
    years = sorted({int(row["year"]) for row in named if row.get("year")})
    facts = {
        "Nøgletal": (catalogue().indicators[row["indicator"]].name for row in named),
        "Områder": (areas.names().get(row["area_code"], row["area_code"]) for row in named),
        "Kategorier": (category_name(row["population_group"], row["category"]) for row in named),
    }
    words = [f"{name}: {'; '.join(dict.fromkeys(values))}" for name, values in facts.items()]
    return [*words, f"År: {years[0]}-{years[-1]}" if len(years) > 1 else f"År: {years[0]}"]


def _modelled(evidence: Evidence, rows: list[dict[str, str]]) -> str:
    tables = dict.fromkeys(table for row in rows for table in catalogue().indicators[row["indicator"]].sources)
    return f"{MODELLED} {', '.join(facts_of(evidence, list(tables)))}."


# The chain of a key figure


def _figure(evidence: Evidence, question: Question) -> dict[str, Any]:
    """A key figure as the page shows it, and the parts of its chain that the pages of areas show."""
    found = trace(evidence, question)
    unit, value = found.figure["unit"], found.figure["value"]
    facts = {
        "title": title(question),
        "year": question.year,
        "anchor": "-".join(str(key) for key in question if key != accounts.STANDARD),
        "value": "mangler"
        if math.isnan(value)
        else danish.with_unit(_exact(value), UNIT_NAMES.get(unit, unit)).strip(),
        "agrees": found.agrees,
    }
    more = {
        "explanation": found.explanation,
        "chain": _view(evidence, found.chain) if found.chain else None,
        "rows": _rows_in_words(found.chain) if found.chain and any(leaves(found.chain)) else "",
        "command": command(question, evidence.edition.name),
    }
    markup = environment().get_template("spor_kaede.html.j2").module.figure(facts | more)
    return facts | {"markup": markup, "parts": dict(_parts(found.chain)) if found.chain else {}}


def _parts(step: Step) -> Iterator[tuple[Place, Step]]:
    if step.place:
        yield step.place, step
    for part in step.steps:
        yield from _parts(part)


def _view(evidence: Evidence, step: Step) -> dict[str, Any]:
    """A step as words for the page: what it is, its value, and what it is made of."""
    many = len(step.steps) > SPELLED_OUT
    return {
        "text": step.text,
        "value": _amount(step),
        "how": step.how,
        "note": step.note,
        "basis": Markup(_link(step, _rows_in_words(step))) if step.rows else "",  # noqa: S704
        "parts": [] if many else [_view(evidence, part) for part in step.steps],
        "lines": Markup("\n".join(_line(evidence, part) for part in step.steps)) if many else "",  # noqa: S704
    }


# There are tens of thousands of the following in a report, so they are put together here and not in a template.


def _line(evidence: Evidence, step: Step) -> str:
    """A step as a line of a table, its value a link to its rows; the same in every chain that it stands in."""

    def made() -> str:
        value, about = _figures(step), html.escape(step.note)
        if step.place:
            value, about = _link(step, value), about or _rows_in_words(step)
        elif step.steps and not about:
            # A municipality's figure and what it is weighted with.
            value, *weights = [_link(part, _figures(part)) if part.place else _figures(part) for part in step.steps]
            about = "".join(f"× {weight}" for weight in weights)
        return f"<tr><td>{html.escape(step.text)}<td>{value}<td>{about}"

    return evidence.once(("line", step.place, step.text), made) if step.place else made()


def _link(step: Step, words: str) -> str:
    href = f"{FOLDER}/{areas.slug(step.place.area_code)}.html#{_anchor(step.place)}"
    return f'<a href="{html.escape(href)}">{html.escape(words)}</a>'


def _anchor(place: Place) -> str:
    return html.escape(f"{place.code}-{place.period}")


def _rows_in_words(step: Step) -> str:
    """How many rows a step rests on, or where the only one is."""
    count = len(step.rows) if step.rows else sum(len(rows) for rows in leaves(step))
    if count == 1 and step.rows:
        (file, sheet, line), *_ = step.rows.places
        return f"{file}, {f'ark {sheet}, ' if sheet else ''}linje {line}"
    return f"{danish.number(count)} {'række' if count == 1 else 'rækker'}"


def _amount(step: Step) -> str:
    if math.isnan(step.value) and step.note != PROTECTED:
        return "mangler"
    return danish.with_unit(_figures(step), UNIT_NAMES.get(step.unit, step.unit)).strip()


def _figures(step: Step) -> str:
    return danish.number(step.value, status=SUPPRESSED) if step.note == PROTECTED else _exact(step.value)


# Most values stand in several chains and lines.
_exact = lru_cache(maxsize=1 << 16)(danish.exact)


# The rows of an area


def _content(evidence: Evidence, parts: dict[Place, Step]) -> Markup:
    """The rows behind an area's figures, and the figures that are made of others, by what they are and by period."""
    sections: dict[str, dict[str, Any]] = {}
    for place, step in sorted(parts.items(), key=lambda part: (part[0].heading, part[0].code, part[0].period)):
        empty = {"heading": place.heading, "periods": {}, "how": "", "made_of": {}, "listings": {}}
        section = sections.setdefault(place.code, empty)
        if step.rows:
            alike = section["listings"].setdefault(_in_common(step), {"first": step, "cells": []})
            alike["cells"].append(evidence.once(("cell", place), lambda: _cell(place, step)))  # noqa: B023
            continue
        section["periods"][place.period] = {"anchor": _anchor(place), "value": _figures(step)}
        section["how"] = ", ".join(words for words in (step.how, UNIT_NAMES[step.unit]) if words)
        for part in step.steps:
            code, text = (part.place.code, part.place.heading) if part.place else ("", part.text)
            made_of = section["made_of"].setdefault(text, {"code": code, "text": text, "values": {}})
            made_of["values"][place.period] = _figures(part)
    for section in sections.values():
        section["listings"] = [
            _headings(alike["first"]) | {"lines": Markup("\n".join(alike["cells"]))}  # noqa: S704
            for alike in section["listings"].values()
        ]
    return environment().get_template("spor_kaede.html.j2").module.rows(sections)


def _in_common(step: Step) -> tuple[object, ...]:
    """What must be the same for the rows of steps to stand in one listing."""
    rows = step.rows
    codes = tuple(code for code in rows.fixed if code[1] != step.place.period)
    return codes, rows.files, step.how, step.note, step.unit, rows.corrected, len(rows) == 1


def _headings(step: Step) -> dict[str, Any]:
    """What the rows of a listing have in common (file, codes, what is done with them), and the headings of the rest."""
    rows = step.rows
    codes = [f"{name} {code}" for name, code in rows.fixed if code != step.place.period]
    words = [*sorted(rows.files), *(f"ark {sheet}" for sheet in rows.sheets), *codes, step.how, step.note]
    unit = step.row_unit or UNIT_NAMES[step.unit] or "Antal"
    alone, several = ["Periode"] if len(rows) == 1 else [], ["Fil"] if len(rows.files) > 1 else []
    columns = [*alone, *several, "Linje", *rows.varying, unit, *(["Rettelse"] if rows.corrected else [])]
    return {"about": ", ".join(word for word in words if word), "columns": columns}


def _cell(place: Place, step: Step) -> str:
    """The rows of one figure as lines of text, with a tab between columns so that they can be pasted into a sheet."""
    rows, lines = step.rows, step.rows.lines()
    if len(rows.files) > 1:
        lines = ((file, *line) for file, line in zip(rows.column("file"), lines, strict=True))
    if rows.corrected:
        said = (" ".join(correction.split()) for correction in rows.column("correction"))
        lines = ((*line, correction) for line, correction in zip(lines, said, strict=True))
    text = html.escape("\n".join(map("\t".join, lines)))
    if len(rows) == 1:
        return f'<b id="{_anchor(place)}">{place.period}</b>\t{text}'
    return f'<b id="{_anchor(place)}">{place.period}: {_amount(step)}</b>\n{text}'
