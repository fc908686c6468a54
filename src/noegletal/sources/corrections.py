"""Corrections of raw figures as data: each names a row, what must stand there, why, and until when."""

import datetime
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from analysis import areas
from analysis.declared import first_problem, plain, text_of
from analysis.edition import Edition, reference_folder
from analysis.errors import InputError
from analysis.rows import weakest
from noegletal.rules import Finding, exact, found
from noegletal.sources.snapshot import MISSING, PERIOD_PATTERN, TIME, RawFile, raw_files, read_table, table_shapes

FILE = "corrections.yml"
ABSENT = "absent"
Figure = Annotated[float, Strict(), Field(allow_inf_nan=False)]


class Correction(BaseModel):
    """One row of a raw table that is used otherwise than delivered; `line` is where it stands in corrections.yml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: int
    table: str
    edition: str | None = None
    key: dict[str, str]
    action: Literal["replace", "missing", "remove", "add"]
    value: Figure | None = None
    expected: Figure | Literal["..", "absent"]
    reason: str = Field(min_length=10)
    source: str = Field(min_length=3)
    expires: datetime.date

    @model_validator(mode="after")
    def _makes_sense(self) -> "Correction":
        if (self.value is not None) != (self.action in ("replace", "add")):
            raise ValueError(f"`value` is for replace and add, and those need it; the action is {self.action}")
        if (self.expected == ABSENT) != (self.action == "add"):
            raise ValueError("`expected: absent` goes with `action: add`, and only with it")
        if self.value == self.expected or (self.action == "missing" and self.expected == MISSING):
            raise ValueError("it changes nothing: what is expected is what it would put there")
        return self

    @model_validator(mode="after")
    def _names_a_row(self) -> "Correction":
        shape = table_shapes().get(self.table)
        if shape is None:
            raise ValueError(f"table {self.table!r} is not in tables.yml; deliveries are corrected by who sent them")
        wanted = [*shape.variables, TIME]
        if set(self.key) != set(wanted):
            raise ValueError(f"the key must name {', '.join(wanted)}; it names {', '.join(self.key)}")
        for variable, code in self.key.items():
            width = shape.padding.get(variable, 0)
            if code.isdigit() and len(code) < width:
                raise ValueError(f"{variable} {code!r} must be padded: {code.zfill(width)!r}")
        if not re.match(PERIOD_PATTERN[shape.period], self.key[TIME]):
            raise ValueError(f"{TIME} {self.key[TIME]!r} is not a {shape.period}")
        if self.key[shape.area] not in set(areas.area_table()["area_code"]):
            raise ValueError(f"{shape.area} {self.key[shape.area]!r} is not an area of areas.csv")
        return self

    @property
    def place(self) -> str:
        """Where the correction stands and which row it is about, for messages."""
        row = ", ".join(f"{variable}={code}" for variable, code in self.key.items())
        return f"{FILE} line {self.line}: the correction of {self.table} ({row})"

    @property
    def change(self) -> str:
        """What it does, in Danish."""
        before = "manglende" if isinstance(self.expected, str) else exact(self.expected)
        return {
            "replace": f"rettet fra {before} til {exact(self.value)}",
            "missing": f"sat til manglende (i kilden {before})",
            "remove": f"fjernet (i kilden {before})",
            "add": f"tilføjet: {exact(self.value)} (rækken er ikke i kilden)",
        }[self.action]


def load_corrections() -> list[Correction]:
    """Every correction of `data/reference/corrections.yml`; errors name its line and field.

    Errors: what is not a list of corrections, an unknown table, a key that is not one row, the same row twice.
    """
    path = reference_folder() / FILE
    text = text_of(path) if path.is_file() else ""
    # Nothing but comments is the usual state, and every reading of a table comes by here.
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return []
    try:
        items, node = plain(text) or [], yaml.compose(text)
    except yaml.YAMLError as error:
        raise _refused(f"{FILE} is not valid YAML: {first_problem(error)}") from error
    if not isinstance(items, list):
        raise _refused(f"{FILE} must be a list: each correction begins with `- table:`")
    lines = [item.start_mark.line + 1 for item in node.value] if items else []
    corrections = [_validated(item, line) for item, line in zip(items, lines, strict=True)]
    for later, correction in enumerate(corrections):
        for earlier in corrections[:later]:
            same = (earlier.table, earlier.key) == (correction.table, correction.key)
            if same and (None in (earlier.edition, correction.edition) or earlier.edition == correction.edition):
                raise _refused(f"{correction.place} is about the same row as line {earlier.line}; keep one")
    return corrections


def corrections_of(edition: Edition, table: str | None = None) -> list[Correction]:
    """The corrections that hold for an edition, of one table or of all."""
    return [
        correction
        for correction in load_corrections()
        if correction.edition in (None, edition.name) and table in (None, correction.table)
    ]


def refuse_expired(edition: Edition, today: datetime.date | None = None) -> None:
    """Refuse an edition that rests on a correction whose last day is before `today` (default: the date of the run)."""
    day = today or datetime.datetime.now().astimezone().date()
    for correction in corrections_of(edition):
        if correction.expires < day:
            raise _refused(
                f"{correction.place} expired on {correction.expires}: look whether the source has been corrected, then "
                "renew `expires` or delete the correction"
            )


def read_corrected(
    folder: Path, table: str, edition: Edition, select: Mapping[str, Set[str]] | None = None, *, removed: bool = False
) -> tuple[pd.DataFrame, list[RawFile]]:
    """Rows of a raw table as an edition uses them: `read_table` with the edition's corrections made.

    A table with corrections also has the column `correction`: what was done and why, or empty. With `removed` the rows
    that a correction takes out are still there, as the column `removed` says. A row that a correction adds has
    corrections.yml as its file and the weakest origin of the table. Errors: as `read_table`, and a correction whose
    row is not there, is not the only one, or holds something else than expected.
    """
    rows, files = read_table(folder, table, select)
    wanted = [
        correction
        for correction in corrections_of(edition, table)
        if all(correction.key[variable] in codes for variable, codes in (select or {}).items())
    ]
    if not wanted:
        return rows, files
    rows = _corrected(rows, wanted, files)
    return (rows if removed else rows[~rows["removed"]].drop(columns="removed").reset_index(drop=True)), files


def applied(raw: Path, edition: Edition, today: datetime.date | None = None) -> list[Finding]:
    """KOR-01: every correction of the edition, made on the raw folder whether or not a key figure uses its row.

    Errors: one that has expired, whose table is not there, or that does not fit its row.
    """
    refuse_expired(edition, today)
    corrections = corrections_of(edition)
    for table in dict.fromkeys(correction.table for correction in corrections):
        mine = [correction for correction in corrections if correction.table == table]
        if not raw_files(raw, table):
            raise _refused(f"{mine[0].place} matches nothing: {raw} has no {table}")
        select = {variable: frozenset(correction.key[variable] for correction in mine) for variable in mine[0].key}
        read_corrected(raw, table, edition, select)
    return [
        found(
            "KOR-01",
            correction.table,
            f"{areas.name(correction.key[table_shapes()[correction.table].area])} "
            f"({', '.join(f'{variable} {code}' for variable, code in correction.key.items())}): {correction.change}. "
            f"{correction.reason.rstrip('.')}. Kilde: {correction.source.rstrip('.')}. "
            f"Gælder til {correction.expires:%d-%m-%Y}.",
        )
        for correction in corrections
    ]


def _refused(text: str) -> InputError:
    return InputError(text, rule="KOR-02")


def _validated(item: object, line: int) -> Correction:
    try:
        return Correction(**{**item, "line": line})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        hint = " (write codes in quotes)" if problem["type"] == "string_type" else ""
        message = problem["msg"].removeprefix("Value error, ")
        raise _refused(f"{FILE} line {line}: {where + ': ' if where else ''}{message}{hint}") from error
    except TypeError as error:
        raise _refused(f"{FILE} line {line}: a correction is a set of fields such as `table:` and `key:`") from error


def _corrected(rows: pd.DataFrame, corrections: Sequence[Correction], files: Sequence[RawFile]) -> pd.DataFrame:
    """Rows with the corrections made, and the columns `correction` and `removed`."""
    rows = rows.assign(correction="", removed=False, **{name: rows[name].astype("str") for name in ("origin", "file")})
    added = []
    for correction in corrections:
        hit = pd.Series(True, index=rows.index)
        for variable, code in correction.key.items():
            hit &= rows[variable] == code
        _refuse_misfit(correction, rows[hit])
        text = f"{correction.change}: {correction.reason}"
        if correction.action == "add":
            # What is added is no better founded than the rest of its table.
            origin = weakest(file.sidecar.origin for file in files)
            place = {"file": FILE, "line": correction.line, "origin": origin, "status": files[0].sidecar.status}
            added.append(correction.key | place | {"value": correction.value, "correction": text, "removed": False})
            continue
        rows.loc[hit, "correction"] = text
        if correction.action == "remove":
            rows.loc[hit, "removed"] = True
        else:
            rows.loc[hit, "value"] = float("nan") if correction.value is None else correction.value
    if added:
        rows = pd.concat([rows.astype({"status": "str"}), pd.DataFrame(added)], ignore_index=True)[list(rows.columns)]
    return rows.astype(dict.fromkeys(("origin", "status", "file"), "category"))


def _refuse_misfit(correction: Correction, hits: pd.DataFrame) -> None:
    places = ", ".join(f"{row.file} line {row.line} ({_raw(row.value)})" for row in hits.itertuples())
    if correction.expected == ABSENT:
        if len(hits):
            raise _refused(f"{correction.place} would add a row that is there: {places}; delete or change it")
        return
    if len(hits) != 1:
        matched = f"matches {len(hits)} rows: {places}" if len(hits) else "matches no row"
        raise _refused(f"{correction.place} {matched}; correct its key or delete it")
    value = hits["value"].iloc[0]
    if not (pd.isna(value) if correction.expected == MISSING else value == correction.expected):
        raise _refused(
            f"{correction.place} expects {_raw(correction.expected)}, but found {places}: look whether the source has "
            "been corrected, then renew `expected` or delete the correction"
        )


def _raw(value: float | str) -> str:
    return MISSING if value == MISSING or pd.isna(value) else f"{value:.15g}"
