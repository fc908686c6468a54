"""Forms: the declared schema of a workbook that others fill in, and how its cells are written in Danish."""

import datetime
import math
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from analysis import areas
from analysis.declared import first_problem, plain, text_of
from analysis.edition import reference_folder
from analysis.errors import DeclaredError, InputError

GUIDANCE = "Vejledning"
NUMERIC = ("year", "percent", "whole", "decimal")
FIRST_YEAR, LAST_YEAR = 1990, 2100
FIRST_DAY, LAST_DAY = datetime.date(FIRST_YEAR, 1, 1), datetime.date(LAST_YEAR, 12, 31)
LONGEST_LIST = 12
# Excel keeps fifteen digits and writes noise after them.
EXCEL_DIGITS = 15


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FormColumn(_Declared):
    """A column of a form: its Danish heading, the field it becomes, and what may stand in it.

    `mistakes`: what a number above the limits looks like (Danish, after "ser ud som") and the factor it is then too
    large by. `pattern`: what a text must be, with `example` in words for those who write it.
    """

    heading: str
    field: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    type: Literal["text", "area", "year", "percent", "whole", "decimal", "date"]
    codes: dict[str, str] = {}
    allowed: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    required: bool = True
    minimum: float | None = None
    maximum: float | None = None
    largest_at_least: float | None = None
    mistakes: dict[str, Annotated[float, Field(gt=0)]] = {}
    pattern: str = ""
    example: str = ""
    help: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> "FormColumn":
        if self.field in ("sheet", "row"):
            raise ValueError(f"field {self.field!r} is taken")
        if (self.type == "area") != bool(self.areas):
            raise ValueError("`areas` belongs to columns of type area, and they need it")
        if (self.codes or self.allowed) and (self.type != "text" or (self.codes and self.allowed)):
            raise ValueError("a text column may have either `codes` or `allowed`, no other column may")
        limits = (self.minimum, self.maximum, self.largest_at_least)
        if self.type not in NUMERIC and any(limit is not None for limit in limits):
            raise ValueError("only numbers have `minimum`, `maximum` and `largest_at_least`")
        if self.mistakes and not (self.type in NUMERIC and 0 < self.limits[1] < math.inf):
            raise ValueError("`mistakes` belong to numbers with a `maximum` above zero")
        if bool(self.pattern) != bool(self.example) or (self.pattern and (self.type != "text" or self.spellings)):
            raise ValueError("`pattern` and `example` belong together, in text columns without `codes` and `allowed`")
        return self

    @field_validator("pattern")
    @classmethod
    def _an_expression(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from error
        return pattern

    @cached_property
    def spellings(self) -> dict[str, str]:
        """What may be written in the column and the code it stands for; empty where any text may."""
        if self.type != "area":
            return self.codes or {text: text for text in self.allowed}
        table = areas.area_table()
        chosen = table[table["area_code"].isin(self.areas) | table["type"].isin(self.areas)]
        return dict(zip(chosen["name"], chosen["area_code"], strict=True))

    @cached_property
    def folded_spellings(self) -> dict[str, str]:
        """The spellings without the differences that do not count, and the spelling each is of."""
        return {self.fold(spelling): spelling for spelling in self.spellings}

    def fold(self, text: str) -> str:
        """A text without the differences that do not count in this column: names of areas have several spellings."""
        return areas.folded(text) if self.type == "area" else fold(text)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest number that the column takes."""
        widest = {"year": (FIRST_YEAR, LAST_YEAR), "percent": (0.0, 100.0)}.get(self.type, (-math.inf, math.inf))
        low, high = (
            given if given is not None else limit
            for given, limit in zip((self.minimum, self.maximum), widest, strict=True)
        )
        return low, high


class Coverage(_Declared):
    """The codes that `column` must hold for every combination of `within`; by default all it may hold."""

    column: str
    codes: tuple[str, ...] = ()
    within: tuple[str, ...] = ()


class Spells(_Declared):
    """Rows that are stretches of time, from the date in `start` to that in `end`, of whoever column `of` names."""

    start: str
    end: str
    of: str


class FormSheet(_Declared):
    """A sheet of a form: one table with its headings in `header_row`, from column A on, in the order of `columns`.

    A sheet that is not `required` may be left out or have no rows; `rows` is how many a sheet has exactly.
    """

    name: str
    header_row: int = Field(ge=1)
    required: bool = True
    rows: int | None = Field(default=None, ge=1)
    key: tuple[str, ...] = Field(min_length=1)
    columns: tuple[FormColumn, ...] = Field(min_length=1)
    coverage: tuple[Coverage, ...] = ()
    spells: Spells | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "FormSheet":
        for what in ("heading", "field"):
            names = [fold(getattr(column, what)) for column in self.columns]
            if len(set(names)) < len(names):
                raise ValueError(f"sheet {self.name}: a {what} stands twice")
        columns = {column.field: column for column in self.columns}
        for name in (*self.key, *(name for rule in self.coverage for name in (rule.column, *rule.within))):
            if name not in columns or not columns[name].required:
                raise ValueError(f"sheet {self.name}: {name!r} in key or coverage is not a required column")
        for rule in self.coverage:
            unknown = set(rule.codes) - set(columns[rule.column].spellings.values())
            if unknown or not columns[rule.column].spellings:
                raise ValueError(f"sheet {self.name}: coverage of {rule.column!r} names codes it cannot hold")
        if self.spells:
            start, end, of = (columns.get(name) for name in (self.spells.start, self.spells.end, self.spells.of))
            if not (start and end and of and start.required and of.required and start.type == end.type == "date"):
                raise ValueError(f"sheet {self.name}: spells need two columns of dates, `start` and `of` required")
        return self

    def column(self, name: str) -> FormColumn:
        """The column of a field."""
        return next(column for column in self.columns if column.field == name)


class Form(_Declared):
    """A workbook as declared in `data/reference/forms/<name>.yml`."""

    table: str
    title: str
    sheets: tuple[FormSheet, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "Form":
        names = [fold(sheet.name) for sheet in self.sheets] + [fold(GUIDANCE)]
        if len(set(names)) < len(names):
            raise ValueError(f"sheets must have names of their own, other than {GUIDANCE}")
        return self


def form_of(table: str) -> str | None:
    """The name of the form that delivers a table; nothing for a table that no form names."""
    names = sorted(path.stem for path in (reference_folder() / "forms").glob("*.yml"))
    return next((name for name in names if load_form(name).table == table), None)


@lru_cache
def load_form(name: str) -> Form:
    """Read and validate `data/reference/forms/<name>.yml`; errors name the file and the field."""
    folder = reference_folder() / "forms"
    known = sorted(path.stem for path in folder.glob("*.yml"))
    if name not in known:
        raise InputError(f"form {name!r} does not exist; {folder.name}/ has: {', '.join(known)}")
    try:
        return Form(**plain(text_of(folder / f"{name}.yml")))
    except (ValidationError, TypeError, yaml.YAMLError) as error:
        raise DeclaredError(f"forms/{name}.yml is not a valid form: {first_problem(error)}") from error


def one_of(column: FormColumn) -> str:
    """What may be written in a column, in Danish."""
    match column.type:
        case "year":
            return "årstal med fire cifre"
        case "percent":
            return f"procent skrevet som 5,4 (ikke 0,054), {_span(column)}"
        case "whole" | "decimal":
            kind = "helt tal" if column.type == "whole" else "tal med komma, fx 5,4"
            return f"{kind}, {_span(column)}" if _span(column) else kind
        case "date":
            return "dato som dd-mm-åååå"
        case _ if column.spellings:
            return one_of_these(column.spellings)
        case _:
            return column.example or "tekst"


def one_of_these(spellings: Iterable[str]) -> str:
    """What may be written where there is a list to choose from, in Danish; a long list is cut short."""
    spellings = list(spellings)
    more = f" og {len(spellings) - LONGEST_LIST} til" if len(spellings) > LONGEST_LIST else ""
    return f"en af: {', '.join(spellings[:LONGEST_LIST])}{more}"


def _span(column: FormColumn) -> str:
    low, high = column.limits
    if math.isinf(low) or math.isinf(high):
        kinds = {(True, False): f"højst {in_danish(high)}", (False, True): f"mindst {in_danish(low)}"}
        return kinds.get((math.isinf(low), math.isinf(high)), "")
    return f"{in_danish(low)} til {in_danish(high)}"


def spelling_of(column: FormColumn, code: object) -> str:
    """How a code is written in its column."""
    if isinstance(code, datetime.date):
        return day_in_danish(code)
    return next((spelling for spelling, known in column.spellings.items() if known == code), in_danish(code))


def in_danish(value: object) -> str:
    """A value the way a Danish spreadsheet shows it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.{EXCEL_DIGITS}g}".replace(".", ",")
    return str(value)


def day_in_danish(day: datetime.date) -> str:
    """A date as dd-mm-yyyy."""
    return f"{day:%d-%m-%Y}"


def fold(text: str) -> str:
    """A text without the differences that do not count: case, double spaces, composed letters."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
