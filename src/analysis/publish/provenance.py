"""The page that leads from each published figure and table back to the raw rows."""

import csv
import io
from functools import lru_cache
from pathlib import Path

from analysis import areas, danish
from analysis.build import build_record
from analysis.edition import Edition, load_edition
from analysis.indicators import KEYS, Modelled, catalogue
from analysis.tables import CSV_LABELS
from analysis.trace import MODELLED, Trace, command, facts_of, files_of, same, step_record, trace
from analysis.trace_chains import SUPPRESSED, UNIT_NAMES, Evidence, Question, category_name, title

PAGE = "spor.html"
# Steps and rows shown under each step of an example; the command shows the rest.
SHOWN = 4


def provenance(
    folder: Path, edition: Edition, sections: dict[str, dict[str, object]], processed: Path
) -> list[dict[str, object]]:
    """What the page says of each output of a report, from its published data in `folder`.

    Every key figure of an output has its command, the first and the last also the chain itself; what is computed
    from key figures (growth, share, index) has those of the key figures. Figures of the shelter model name their
    files only. Suppressed rows are counted and nothing more is said of them.
    """
    record = build_record(processed)
    evidence = _evidence(edition.name, record["raw"], str(processed), record["inputs"])
    return [
        _output(evidence, folder, notebook, output)
        for notebook, section in sections.items()
        for output in section.get("outputs", [])
        if not output.get("left_out")
    ]


@lru_cache(maxsize=1)
def _evidence(edition: str, raw: str, processed: str, inputs: str) -> Evidence:
    """The same for every area of a run, so that each raw table is read once; `inputs` says when it is another build."""
    return Evidence(load_edition(edition), Path(raw), Path(processed), many=True)


def _output(evidence: Evidence, folder: Path, notebook: str, output: dict[str, str]) -> dict[str, object]:
    rows = _published(folder / "data" / f"{output['output']}.csv")
    shown = [row for row in rows if row.get("status") != SUPPRESSED]
    modelled = [row for row in shown if isinstance(catalogue().indicators.get(row.get("indicator", "")), Modelled)]
    asked = [(row, _question(row)) for row in shown]
    asked = [(row, question) for row, question in asked if question in evidence.places]
    questions = list(dict.fromkeys(question for _, question in asked))
    ends = questions if len(questions) < 2 else [questions[0], questions[-1]]
    traces = [
        evidence.once(("trace", question), lambda question=question: trace(evidence, question)) for question in ends
    ]
    indicators = dict.fromkeys(row["indicator"] for row in shown if row.get("indicator") in catalogue().indicators)
    files = [file for name in indicators for file in files_of(evidence, catalogue().indicators[name].sources)]
    values = evidence.key_figures["value"]
    return {
        "anchor": output["output"].replace("_", "-"),
        "notebook": notebook,
        "heading": f"{output['number']}: {output['title']}" if output["number"] else output["title"],
        "shows": _shows(shown),
        "files": list({file["file"]: file for file in files}.values()),
        "computed": any(not same(_value(row), values.iloc[evidence.places[question]]) for row, question in asked),
        "modelled": _modelled(evidence, modelled) if modelled else "",
        "suppressed": len(rows) - len(shown),
        "disagreeing": [title(found.question) for found in traces if not found.agrees],
        "examples": [_example(found) for found in traces],
        "commands": [
            {"title": title(question), "command": command(question, evidence.edition.name)} for question in questions
        ],
    }


def _published(path: Path) -> list[dict[str, str]]:
    """The rows of a published CSV, its columns named as in the key figures."""
    names = {danish_name: name for name, danish_name in CSV_LABELS.items()}
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=";")
    return [{names.get(column, column): cell for column, cell in row.items()} for row in reader]


def _question(row: dict[str, str]) -> Question | None:
    """The key of a published row; what has no indicator, such as a list of files, is no key figure."""
    if not {"indicator", "area_code", "population_group", "category", "year"} <= set(row):
        return None
    keys = {name: row[name] for name in KEYS if name in row}
    return Question(**{"variant": "standard"} | keys | {"year": int(row["year"])})


def _value(row: dict[str, str]) -> float:
    return float(row["value"].replace(",", ".")) if row["value"] else float("nan")


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


def _example(found: Trace) -> dict[str, object]:
    return {
        "title": title(found.question),
        "rows": danish.number(found.rows),
        "chain": _in_danish(step_record(found.chain, SHOWN)) if found.chain else None,
    }


def _in_danish(step: dict[str, object]) -> dict[str, object]:
    """A step with its figures as Danish text, ready for the page."""
    unit = UNIT_NAMES.get(step["unit"], step["unit"])
    rows = [
        {
            "place": ", ".join(
                [row["file"], *([f"ark {row['sheet']}"] if "sheet" in row else []), f"linje {row['line']}"]
            ),
            "codes": ", ".join(f"{name} {code}" for name, code in row["codes"].items()),
            "value": "mangler" if row["value"] is None else f"{danish.exact(row['value'])} {step['row_unit']}".strip(),
            "correction": row["correction"],
        }
        for row in step["rows"]
    ]
    value = "" if step["value"] is None else f"{danish.exact(step['value'])} {unit}".strip()
    parts = [_in_danish(part) for part in step["steps"]]
    more = [
        f"{danish.number(step[key])} {what}"
        for key, what in (("more_steps", "led"), ("more_rows", "rækker"))
        if step[key]
    ]
    return {**step, "value": value, "rows": rows, "steps": parts, "more": " og ".join(more)}
