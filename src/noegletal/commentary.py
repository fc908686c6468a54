"""What the working group writes itself: an assessment and recommendations beside a section, with numbers from data.

`commentary/<edition>/<section>.md` is Markdown under a head in YAML; see commentary/README.md. It is shown in the
report of the edition's home area alone, apart from what the notebooks say.
"""

import datetime
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import mistune
import pandas as pd
import yaml
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from analysis import areas, danish, measures, rows
from analysis.catalogue import shown_unit
from analysis.declared import first_problem, plain, text_of
from analysis.edition import KEY_FIGURES, Edition, load_edition, project_root
from analysis.errors import DeclaredError, InputError
from noegletal.editions import edition_before
from noegletal.figures.formulas import Question
from noegletal.folders import written
from noegletal.review.trace import asked

HEAD = re.compile(r"\A---\n(.*?\n)---\n(.*)\Z", re.S)
QUOTE = re.compile(r"\{\{(.*?)\}\}", re.S)
GROWTH = "growth"
HOW = "{{ indicator area category year [group] }} or {{ growth indicator area category first last [group] }}"
ENDED = ("gennemført", "opgivet")
HIDDEN = danish.STATUS_SYMBOLS[rows.SUPPRESSED]
PENDING = "afventer data fra kilden"


class Recommendation(BaseModel):
    """A recommendation of the working group and how far it has come; in later years its text may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    text: str = ""
    status: Literal["ny", "i gang", "gennemført", "opgivet"]
    since: int


class Head(BaseModel):
    """The head of a commentary; `seen`: the quoted figures as they were when it was written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str = Field(min_length=1)
    date: datetime.date
    recommendations: list[Recommendation] = []
    seen: dict[str, str] = {}

    @field_validator("recommendations")
    @classmethod
    def _each_once_in_words(cls, recommendations: list[Recommendation]) -> list[Recommendation]:
        names = [one.id for one in recommendations]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"the recommendation {twice!r} stands twice")
        if quoting := next((one.id for one in recommendations if "{{" in one.text), ""):
            raise ValueError(f"the recommendation {quoting!r} quotes a figure; figures are quoted in the text below")
        return recommendations


@dataclass(frozen=True)
class Commentary:
    """The commentary on a section, its quoted figures as they are now by how they are quoted."""

    section: str
    path: Path
    head: Head
    text: str
    quoted: dict[str, str]
    # Those that are there from the years before, with their texts.
    recommendations: list[Recommendation]

    @cached_property
    def html(self) -> Markup:
        """The text with its figures; whatever in it looks like HTML or leads to a script is shown as the text it is."""
        told = QUOTE.sub(lambda quote: self.quoted[_words(quote[1])], self.text)
        # The full stop of "kr." is that of the sentence too.
        told = re.sub(r"(kr|pct)\.\.(?!\.)", r"\1.", told)
        return Markup(mistune.create_markdown(escape=True, renderer=_Renderer())(told))  # noqa: S704

    @property
    def changed(self) -> dict[str, tuple[str, str]]:
        """The figures that are others than when the text was written: by how they are quoted, then and now.

        What one that is hidden now was then is not repeated.
        """
        return {
            name: (HIDDEN if now == HIDDEN else self.head.seen[name], now)
            for name, now in self.quoted.items()
            if self.head.seen.get(name, now) != now
        }

    @property
    def not_accepted(self) -> list[str]:
        """The figures of which nobody has said that the text was written of them."""
        return [name for name in self.quoted if name not in self.head.seen]


class _Renderer(mistune.HTMLRenderer):
    """Headings below those of the page, and no images: a page is whole without a network."""

    def __init__(self) -> None:
        super().__init__(escape=True)

    def heading(self, text: str, level: int, **attributes: object) -> str:
        """A heading; called by mistune."""
        return f"<h3>{text}</h3>\n"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """What an image would show, in words; called by mistune."""
        return text


def folder(edition: Edition) -> Path:
    """Where the commentaries of an edition lie."""
    return project_root() / "commentary" / edition.name


def files(edition: Edition) -> list[Path]:
    """The commentaries of an edition, in the order of its sections. Errors: one on no section of the edition."""
    sections = [plan.notebook for plan in edition.sections]
    there = {path.stem: path for path in sorted(folder(edition).glob("*.md"))}
    for name in there:
        if name not in sections:
            raise DeclaredError(
                f"commentary/{edition.name}/{name}.md is on no section of the edition; it has: {', '.join(sections)}"
            )
    return [there[name] for name in sections if name in there]


def commentaries(edition: Edition, processed: Path, area_code: str = "") -> dict[str, Commentary]:
    """The commentaries of an edition by section, with the figures of a build; none in the report of another area.

    Errors, by file and line: a head that is none, a figure that there is not, a figure of a municipality that rests on
    example data, a recommendation of last year that nothing is said of.
    """
    paths = files(edition) if area_code in ("", edition.home_area) else []
    if not paths:
        return {}
    figures = pd.read_parquet(processed / KEY_FIGURES)
    return {path.stem: _read(path, edition, figures) for path in paths}


def _read(path: Path, edition: Edition, figures: pd.DataFrame) -> Commentary:
    head, text, begins = _parts(path)
    quoted, wrong = {}, []
    for quote in QUOTE.finditer(text):
        try:
            quoted[_words(quote[1])] = _figure(_words(quote[1]), figures)
        except InputError as error:
            # There are no options in a text.
            why = str(error).replace("with --group", "as the last word").replace("--group", "the last word")
            wrong.append(f"line {begins + text[: quote.start()].count(chr(10))}: {{{{ {_words(quote[1])} }}}}: {why}")
    # Each quote leaves its lines, so that what is no quote is found in its own.
    rest = QUOTE.sub(lambda quote: "\n" * quote[0].count("\n"), text)
    if left := rest.find("{{") + 1:
        wrong.append(f"line {begins + rest[:left].count(chr(10))}: a figure is quoted as {HOW}")
    if wrong:
        raise DeclaredError(f"{_name(path)} {'; '.join(wrong)}")
    return Commentary(path.stem, path, head, text, quoted, _carried(path, edition, head))


def _parts(path: Path) -> tuple[Head, str, int]:
    """The head of a file, its text, and the line that the text begins in."""
    found = HEAD.match(text_of(path).replace("\r\n", "\n"))
    if not found:
        raise DeclaredError(f"{_name(path)} line 1: a commentary begins with a head between two lines of ---")
    try:
        # With the lines of the file: the one of dashes comes first.
        head = Head.model_validate(plain("\n" + found[1]))
    except (ValidationError, yaml.YAMLError, TypeError) as error:
        line = _line_of(error, "\n" + found[1])
        what = error.problem if isinstance(error, yaml.MarkedYAMLError) else first_problem(error)
        raise DeclaredError(f"{_name(path)} line {line}: the head is not valid: {what}") from error
    return head, found[2], found[1].count("\n") + 3


def _line_of(error: Exception, head: str) -> int:
    """The line of a file that an error of its head is about; where it names none, the first."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return error.problem_mark.line + 1
    line = 1
    if isinstance(error, ValidationError):
        node = yaml.compose(head, Loader=yaml.SafeLoader)
        for part in error.errors()[0]["loc"]:
            inside = dict(enumerate(node.value)) if isinstance(node, yaml.SequenceNode) else {}
            if isinstance(node, yaml.MappingNode):
                inside = {key.value: value for key, value in node.value}
                line = next((key.start_mark.line + 1 for key, _ in node.value if key.value == part), line)
            if part not in inside:
                break
            node = inside[part]
            line = node.start_mark.line + 1 if isinstance(part, int) else line
    return line


def _name(path: Path) -> str:
    return f"commentary/{path.parent.name}/{path.name}"


def _words(quote: str) -> str:
    return " ".join(quote.split())


def _figure(quote: str, figures: pd.DataFrame) -> str:
    """A quoted figure as it is printed; suppressed it is its symbol, resting on example data it says so."""
    try:
        words = shlex.split(quote)
    except ValueError as error:
        raise InputError(f"a figure is quoted as {HOW} ({error})") from error
    growth = words[:1] == [GROWTH]
    indicator, area, category, *rest = [*words[growth:], *[""] * 4]
    years, group = rest[: 1 + growth], rest[1 + growth]
    if not (len(words) - 4 - 2 * growth in (0, 1) and all(re.fullmatch(r"\d{4}", year) for year in years)):
        raise InputError(f"a figure is quoted as {HOW}")
    found = [asked(figures, indicator, area, category, int(year), group=group or None) for year in years]
    chosen = pd.concat([_row(figures, question) for question in found])
    if chosen.empty:
        raise InputError(f"{indicator!r} is modelled and is no key figure: it is shown by its own section alone")
    if growth:
        chosen = measures.growth(measures.with_panel(_series(figures, found[-1]), figures), *map(int, years))
        text = danish.percent(chosen["value"].iloc[0], 1)
    else:
        unit = shown_unit(found[0].indicator, chosen["value"])
        text = danish.with_unit(danish.number(chosen["value"].iloc[0] / unit.divisor, unit.decimals), unit.name)
    if danish.missing(chosen["value"].iloc[0]):
        return danish.number(float("nan"), 0, chosen["status"].iloc[0])
    if rows.EXAMPLE in set(rows.evidence(chosen)):
        if found[0].area_code in areas.municipalities():
            name = areas.name(found[0].area_code)
            raise InputError(f"the figure of {name} is example data, of which nothing is said about a municipality")
        return f"{text} ({PENDING})"
    return text


def _series(figures: pd.DataFrame, question: Question) -> pd.DataFrame:
    chosen = figures
    for key in measures.IDENTITY:
        chosen = chosen[chosen[key] == getattr(question, key)]
    return chosen


def _row(figures: pd.DataFrame, question: Question) -> pd.DataFrame:
    series = _series(figures, question)
    return series[series["year"] == question.year]


def _carried(path: Path, edition: Edition, head: Head) -> list[Recommendation]:
    """The recommendations of a commentary with the texts of the years before.

    Errors: one that was not ended in the edition before and is left out, one without a text anywhere.
    """
    before = next((one for one in _earlier(edition) if one.name == path.name), path)
    known = {one.id: one for one in _before(before)} if before != path else {}
    now = {one.id: one for one in head.recommendations}
    for name, one in known.items():
        if one.status not in ENDED and name not in now:
            raise DeclaredError(
                f"{_name(path)} line 1: the recommendation {name!r} of {_name(before)} was {one.status!r}: say under "
                "`recommendations` how far it has come"
            )
    texts = {name: one.text for name, one in known.items()}
    for one in head.recommendations:
        if not one.text and not texts.get(one.id):
            raise DeclaredError(f"{_name(path)} line 1: the recommendation {one.id!r} has no text")
    return [one.model_copy(update={"text": one.text or texts[one.id]}) for one in head.recommendations]


def _earlier(edition: Edition) -> list[Path]:
    """The commentaries of the edition before, if there is one."""
    before = edition_before(edition.name)
    return sorted(folder(load_edition(before)).glob("*.md")) if before else []


def _before(path: Path) -> Iterator[Recommendation]:
    """The recommendations of an earlier commentary; one carried on there has its text in the year before that."""
    edition = load_edition(path.parent.name)
    yield from _carried(path, edition, _parts(path)[0])


def warnings(edition: Edition, found: dict[str, Commentary]) -> list[str]:
    """In a line each, what to look at: quoted figures that changed, and last year's recommendations without a file."""
    return [
        f"{_name(one.path)}: {quote} was {then} when it was written and is {now}: look at the text, then "
        f"`noegletal commentary --accept {one.section}`"
        for one in found.values()
        for quote, (then, now) in one.changed.items()
    ] + [
        f"the recommendation {one.id!r} of {_name(path)} was {one.status!r}, and {_name(folder(edition) / path.name)}, "
        "which says how far it has come, is not there"
        for path in _earlier(edition)
        if path.stem not in found
        for one in _before(path)
        if one.status not in ENDED
    ]


def accept(found: dict[str, Commentary], section: str) -> Path:
    """Write the figures of today into the head of a commentary as those that it was written of; the text stays."""
    if section not in found:
        raise InputError(f"there is no commentary on {section!r}; there are: {', '.join(found) or 'none'}")
    one = found[section]
    head = one.head.model_copy(update={"seen": one.quoted}).model_dump(exclude_defaults=True)
    declared = yaml.safe_dump(head, allow_unicode=True, sort_keys=False, width=100)
    written({one.path: f"---\n{declared}---\n{one.text}"})
    return one.path
