"""Where a key figure comes from: the question, the chain down to the raw rows, and whether the rows give the figure."""

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from pyarrow.parquet import read_schema

from analysis import accounts, areas
from analysis.edition import FACTS
from analysis.errors import InputError, find
from analysis.rows import SUPPRESSED, labels
from noegletal.figures.formulas import Question
from noegletal.figures.kinds import indicators
from noegletal.review.chain import PROTECTED, Step, chain, title
from noegletal.review.evidence import NOT_CODES, Evidence, Rows
from noegletal.sources.corrections import FILE, corrections_of

# The chain adds the same floats in another order than the build.
RELATIVE, ABSOLUTE = 1e-9, 1e-6
FACTS_OF_TABLES = {"REGK100": "expenditure", "FOLK1A": "population"}
MODELLED = (
    "Tallet er beregnet af en model (analysis.herberg) ud fra fakta, som er dannet af filerne "
    "herunder. Det er ikke et nøgletal og har ingen kæde af rækker. Fakta:"
)


@dataclass(frozen=True)
class Trace:
    """A key figure and its chain; no chain where it is protected or comes from a model.

    `sources`: the raw files of the tables that the indicator is made from.
    """

    question: Question
    figure: dict[str, object]
    definition: str
    chain: Step | None
    sources: list[dict[str, object]]
    explanation: str = ""

    @cached_property
    def rows(self) -> int:
        """How many raw rows the figure rests on, each counted once."""
        return counted_rows(self.chain) if self.chain else 0

    @cached_property
    def files(self) -> list[dict[str, object]]:
        """The files that the raw rows stand in; without rows all that there are of the sources."""
        read = _positions(self.chain) if self.chain else []
        seen = set().union(*(table["file"].iloc[positions].unique() for table, positions in read))
        seen |= {FILE} if any((table["correction"].iloc[positions] != "").any() for table, positions in read) else set()
        return [file for file in self.sources if file["file"] in seen] or self.sources

    @property
    def agrees(self) -> bool:
        """Whether the rows give the key figure; nothing is claimed of one that is protected or modelled."""
        return self.chain is None or same(self.chain.value, self.figure["value"])


def trace(evidence: Evidence, question: Question) -> Trace:
    """The chain of one key figure; `question` names its row as `asked` finds it.

    A suppressed figure and one of the shelter model have no chain, and the explanation says why.
    """
    entry = indicators()[question.indicator]
    if entry.modelled:
        files, facts = files_of(evidence, entry.sources), facts_of(evidence, entry.sources)
        return Trace(
            question, {"unit": entry.unit}, entry.definition, None, files, explanation=f"{MODELLED} {', '.join(facts)}."
        )
    if question not in evidence.places:
        raise InputError(f"there is no key figure {', '.join(map(str, question))}")
    figure = evidence.figure(question)
    if figure["status"] == SUPPRESSED:
        return Trace(question, figure | {"value": math.nan}, entry.definition, None, [], explanation=PROTECTED)
    found = chain(evidence, question)
    return Trace(question, figure, entry.definition, found, files_of(evidence, entry.sources))


def asked(
    figures: pd.DataFrame,
    indicator: str,
    area: str,
    category: str,
    year: int,
    *,
    group: str | None = None,
    variant: str = accounts.STANDARD,
) -> Question:
    """The question on key figures that a person means; indicators and categories by code or Danish name, as areas are.

    Errors: what is not there, with the nearest names; a category of several population groups without `group`.
    """
    known = indicators()
    names = {code: entry.name for code, entry in known.items()}
    name = find(indicator, names, f"indicator {indicator!r} is not known")
    area_code = areas.find_area(area)
    if known[name].modelled:
        return Question(name, area_code, known[name].population_group, known[name].category, year, variant)
    table = figures[figures["indicator"] == name]
    if table.empty:
        sources = ", ".join(known[name].sources)
        raise InputError(f"{name!r} has no key figures in this edition: was {sources} delivered?")
    categories = accounts.labels()
    pairs = table[["population_group", "category"]].drop_duplicates().itertuples(index=False, name=None)
    of_pairs = {pair[1]: categories.get(pair, pair[1]) for pair in pairs}
    category = find(category, of_pairs, f"category of {name!r} {category!r} is not known")
    variants = {code: labels().variants.get(code, code) for code in table["variant"].unique()}
    variant = find(variant, variants, f"variant of {name!r} {variant!r} is not known")
    table = table[(table["category"] == category) & (table["variant"] == variant)]
    years = sorted(table["year"].unique())
    if year not in years:
        raise InputError(f"{name!r} has no {category!r} in {year}; there is {_years(years)}")
    table = table[(table["year"] == year) & (table["area_code"] == area_code)]
    if table.empty:
        raise InputError(
            f"{name!r} has no {category!r} for {areas.name(area_code)}; the source has it for other areas only"
        )
    groups = sorted(table["population_group"].unique())
    if group is not None:
        unknown = f"{name!r} has no {category!r} of {group!r}; --group can be {', '.join(groups)}"
        group = find(group, {code: labels().groups[code] for code in groups}, unknown)
    if group is None and len(groups) > 1:
        raise InputError(f"category {category!r} exists for {', '.join(groups)}: say which with --group")
    return Question(name, area_code, group or groups[0], category, year, variant)


def command(question: Question, edition: str) -> str:
    """The command that prints the chain of a key figure."""
    words = ["noegletal", "trace", question.indicator, areas.slug(question.area_code), question.category]
    words += [str(question.year), "--edition", edition, "--group", question.population_group]
    if question.variant != accounts.STANDARD:
        words += ["--variant", question.variant]
    return shlex.join(words)


def same(computed: float, published: float) -> bool:
    """Whether two figures are the same one, also when both are missing."""
    if pd.isna(computed) or pd.isna(published):
        return bool(pd.isna(computed) and pd.isna(published))
    return math.isclose(computed, published, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def leaves(step: Step) -> Iterator[Rows]:
    """The raw rows under a step, one group for each figure that is the sum of rows."""
    if step.rows is not None:
        yield step.rows
    for part in step.steps:
        yield from leaves(part)


def counted_rows(step: Step) -> int:
    """How many raw rows there are under a step, each counted once."""
    return sum(len(positions) for _, positions in _positions(step))


def raw_rows(step: Step) -> set[tuple[str, str, int]]:
    """Every raw row under a step: file, sheet of a workbook or empty, line."""
    found: set[tuple[str, str, int]] = set()
    for table, positions in _positions(step):
        names = ("file", "sheet", "line")
        columns = [table[name].iloc[positions].tolist() if name in table else [""] * len(positions) for name in names]
        found.update(zip(*columns, strict=True))
    return found


def _positions(step: Step) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Where the raw rows under a step stand among those that were read, each once, by what was read."""
    by_table: dict[int, list[Rows]] = {}
    for rows in leaves(step):
        by_table.setdefault(id(rows.table), []).append(rows)
    return [
        (parts[0].table, np.unique(np.concatenate([rows.positions for rows in parts]))) for parts in by_table.values()
    ]


def step_record(step: Step, limit: int = 0) -> dict[str, object]:
    """A step as plain data, with at most `limit` steps and rows under each (0: all), and how many more there are."""
    rows = step.rows.frame if step.rows is not None else pd.DataFrame()
    shown_rows = rows.head(limit) if limit else rows
    shown_steps = step.steps[:limit] if limit else step.steps
    return {
        "text": step.text,
        "value": None if pd.isna(step.value) else float(step.value),
        "unit": step.unit,
        "how": step.how,
        "note": step.note,
        "source": step.source,
        "rows": [_row_record(row) for row in shown_rows.to_dict("records")],
        "row_unit": step.row_unit,
        "more_rows": len(rows) - len(shown_rows),
        "steps": [step_record(part, limit) for part in shown_steps],
        "more_steps": len(step.steps) - len(shown_steps),
    }


def trace_record(found: Trace, limit: int = 0) -> dict[str, object]:
    """A trace as plain data: the figure, its definition, the chain, and the files with their checksums."""
    figure = {name: None if pd.isna(fact) else fact for name, fact in found.figure.items()}
    return {
        "question": found.question._asdict(),
        "title": title(found.question),
        "figure": figure,
        "definition": found.definition,
        "explanation": found.explanation,
        "agrees": found.agrees,
        "raw_rows": found.rows,
        "files": found.files,
        "chain": step_record(found.chain, limit) if found.chain else None,
    }


def _row_record(row: dict[str, object]) -> dict[str, object]:
    sheet = row.get("sheet")
    return {
        "file": str(row["file"]),
        **({"sheet": sheet} if isinstance(sheet, str) else {}),
        "line": int(row["line"]),
        "codes": {name: str(code) for name, code in row.items() if name not in NOT_CODES},
        "value": None if pd.isna(row["value"]) else float(row["value"]),
        "correction": row["correction"],
        "removed": bool(row["removed"]),
    }


def files_of(evidence: Evidence, tables: list[str]) -> list[dict[str, object]]:
    """The raw files of some tables with origin and checksum, and corrections.yml where it changes one of them."""
    return evidence.once(("files", *tables), lambda: _named_files(evidence, tables))


def facts_of(evidence: Evidence, tables: list[str]) -> list[str]:
    """The tables of facts that are made from some raw tables, as files in the folder of the build."""
    files = set(evidence.sources.loc[evidence.sources["table"].isin(tables), "file"])
    found = [name for table, name in FACTS_OF_TABLES.items() if table in tables]
    found += [name for name, named in evidence.once(("files of facts",), lambda: _delivered(evidence)) if files & named]
    return [f"{FACTS}/{name}.parquet" for name in found]


def _delivered(evidence: Evidence) -> list[tuple[str, set[str]]]:
    """The tables of facts that come from deliveries, with the workbooks that they themselves name."""
    paths = sorted((evidence.processed / FACTS).glob("*.parquet"))
    named = [path for path in paths if "file" in read_schema(path).names]
    return [(path.stem, set(pd.read_parquet(path, columns=["file"])["file"])) for path in named]


def _named_files(evidence: Evidence, tables: list[str]) -> list[dict[str, object]]:
    files = evidence.sources[evidence.sources["table"].isin(tables)]
    found = files[["file", "table", "title", "origin", "status", "retrieved", "sha256"]].to_dict("records")
    if any(correction.table in tables for correction in corrections_of(evidence.edition)):
        blank = dict.fromkeys(("table", "origin", "status", "retrieved", "sha256"), "")
        found.append({"file": FILE, "title": "Rettelser af rådata"} | blank)
    return found


def _years(years: list[int]) -> str:
    return f"{years[0]}-{years[-1]}" if years[-1] - years[0] == len(years) - 1 else ", ".join(map(str, years))
