"""The sidecar of a raw file, `<TABLE>[.<part>].yml` beside it: what is known about it, read and written here alone."""

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis.declared import first_problem, plain
from analysis.errors import InputError

ENDING = ".yml"
# What the files that have sidecars end in.
SUFFIXES = (".csv", ".csv.gz", ".xlsx")
WIDTH = 118


class Sidecar(BaseModel):
    """What is known about a raw file: identity, origin, licence and the checksum of its bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    table: str
    title: str
    source: str
    licence: str
    retrieved: datetime.date | datetime.datetime
    url: str | None = ""
    query: Any = None
    lang: Literal["da", "en"]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)
    origin: Literal["statbank", "delivery", "transcribed", "derived", "reconstruction"]
    status: Literal["final", "provisional"]
    note: str | None = ""
    unit: str | None = ""

    @property
    def day(self) -> str:
        """The day on which the file was retrieved."""
        return self.retrieved.isoformat()[:10]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The sidecar in a file. Errors: there is none, or it is not valid."""
        try:
            return cls.model_validate(plain(path.read_text(encoding="utf-8")))
        except (OSError, ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"sidecar {path.name} is not valid: {first_problem(error)}", rule="FIL-01") from error

    @classmethod
    def write(cls, path: Path, facts: Mapping[str, Any], width: int = WIDTH) -> Self:
        """Write facts, all of them and in their order, as a sidecar. Errors: they make none that could be read."""
        sidecar = cls.model_validate(facts)
        text = yaml.safe_dump(dict(facts), sort_keys=False, allow_unicode=True, width=width, default_flow_style=None)
        path.write_text(text, encoding="utf-8")
        return sidecar


class TableSidecar(Sidecar):
    """The sidecar of a table that `fetch` or `import` brought, with what StatBank said of it."""

    rows: int | None = None
    labels: dict[str, dict[str, str]] = {}
    # Only of a fetched table: StatBank's time stamp, and the requests that it or a part of it came by.
    updated: str = ""
    request_ids: list[str] = []


def stored_labels(raw: Path, table: str) -> dict[str, dict[str, str]]:
    """The labels that StatBank gave by variable and code when a table was last fetched, from its sidecar."""
    try:
        return TableSidecar.read(raw / f"{table}.yml").labels
    except InputError:
        return {}


def checksum(path: Path) -> dict[str, str | int]:
    """What a sidecar says of the bytes of its file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}
