"""What a report year is: period, price level, tables, sections and where its files lie."""

import datetime
import os
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag, ValidationError, model_validator

from analysis.declared import first_problem, plain, read_declared, text_of
from analysis.errors import DeclaredError, InputError

ROOT_VARIABLE = "NOEGLETAL_ROOT"
# Set by the runner; without them a notebook is being read in JupyterLab and stores nothing.
PUBLISH_VARIABLE = "NOEGLETAL_PUBLISH"
PROCESSED_VARIABLE = "NOEGLETAL_PROCESSED"
# What a build writes.
KEY_FIGURES = "key_figures.parquet"
FACTS = "facts"
FINDINGS = "findings.json"
SOURCES = "sources.json"
DEFAULT = "default.txt"
# What a section may know of a raw file without being made again for every new copy of it: the rest stands in the
# section on sources, which reads the whole record.
SOURCE_FACTS = ("file", "table", "title", "origin", "status")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Years(_Strict):
    """An unbroken run of years, both ends included."""

    first: int
    last: int

    @model_validator(mode="after")
    def _in_order(self) -> "Years":
        if self.first > self.last:
            raise ValueError(f"first year {self.first} is after last year {self.last}")
        return self

    @cached_property
    def all(self) -> list[int]:
        """Every year of the run."""
        return list(range(self.first, self.last + 1))


class TableNeed(_Strict):
    """A raw table of the edition, the years it must hold, and whether the build can do without it."""

    years: Years
    required: bool = False


class Disclosure(_Strict):
    """How few persons a figure may rest on, and which raw tables hold persons that nobody has cleared.

    `persons`: what rests on the table is suppressed where it rests on fewer than `threshold` persons. `cleared`: it is
    published as it is. Tables of StatBank are cleared by Statistics Denmark and need no entry; forms do.
    """

    threshold: int = Field(default=5, ge=2)
    sources: dict[str, Literal["persons", "cleared"]] = {}


# Whose key figures a section reads beside those of its own area; see noegletal.figures.freshness.
Scope = Literal["compared", "peers", "kkr", "regions", "municipalities"]


class Reads(_Strict):
    """What a section reads and so depends on; it gets nothing else, and nothing else makes it stale.

    `indicators`: key figures by indicator, with the areas beside the section's own; an indicator that a model computes
    has no key figures, only sources. `facts`: whole tables of facts. `records`: whole records of the build.
    """

    indicators: dict[str, list[Scope]] = {}
    facts: list[str] = []
    records: list[Literal["sources", "findings"]] = []


class Printed(_Strict):
    """What is true of the printed report of an edition only, if it has one: numbers of figures, and remarks on them.

    Both by output; one that no section gives is passed over. `deviations`: by printed id why it is computed otherwise.
    """

    numbers: dict[str, str] = {}
    remarks: dict[str, str] = {}
    deviations: dict[str, str] = {}


class Decision(_Strict):
    """Something that must be decided before a report is final, and who decides it; both in Danish."""

    text: str = Field(min_length=1)
    who: str = Field(min_length=1)


class Decided(_Strict):
    """What was decided, when and by whom."""

    decided: str = Field(min_length=1)
    date: datetime.date
    by: str = Field(min_length=1)


OPEN = "open"
Answer = Annotated[
    Annotated[Literal["open"], Tag(OPEN)] | Annotated[Decided, Tag("decided")],
    Discriminator(lambda given: OPEN if isinstance(given, str) else "decided"),
]


class SectionPlan(_Strict):
    """A notebook of the report, what it reads, the parameters beside edition and area, and what it must publish.

    `part`: the part of the report that it stands in. `about`: whose section it is. One on the KKR is the same in the
    report of every area of the KKR and is run once.
    """

    notebook: str = Field(pattern=r"^[0-9]{2}_[a-z0-9_]+$")
    title: str
    part: str = ""
    about: Literal["area", "kkr"] = "area"
    reads: Reads = Reads()
    parameters: dict[str, str | int | float | bool] = {}
    outputs: list[str] = Field(min_length=1)


class Edition(_Strict):
    """An edition of the report, as declared in `editions/<name>.yml`.

    `coverage`: a figure of fewer of an area's persons than this share is missing; see noegletal.figures.coverage.
    """

    name: str
    title: str
    period: Years
    price_level: int
    price_index: str
    home_area: str
    comparison_areas: list[str]
    # The printed numbers, a file or several in data/reference/published/; a new edition has none yet.
    published: str | list[str] | None = None
    printed: Printed = Printed()
    cell_timeout_seconds: int = 300
    disclosure: Disclosure = Disclosure()
    coverage: float = Field(default=0.8, gt=0, le=1)
    # By id of decisions.yml; without any, nothing is said to be provisional.
    decisions: dict[str, Answer] = {}
    tables: dict[str, TableNeed]
    sections: list[SectionPlan]

    @model_validator(mode="after")
    def _policies_of_tables(self) -> "Edition":
        unknown = sorted(set(self.disclosure.sources) - set(self.tables))
        if unknown:
            raise ValueError(f"disclosure.sources names {unknown[0]}, which is not among the tables of the edition")
        return self

    @property
    def open_decisions(self) -> dict[str, Decision]:
        """What is not decided yet, by id; what an edition with decisions does not name is open too."""
        answers = self.decisions
        return {name: what for name, what in decision_list().items() if answers and answers.get(name, OPEN) == OPEN}

    @property
    def provisional(self) -> str:
        """The notice of a report with open decisions, in Danish; empty when there are none."""
        texts = "; ".join(decision.text for decision in self.open_decisions.values())
        return f"Foreløbig. Der mangler endnu {texts}." if texts else ""

    @property
    def smallest_count(self) -> int:
        """Fewer persons than this behind a figure from persons that nobody has cleared, and it is not shown."""
        return self.disclosure.threshold

    def number(self, output: str) -> str:
        """What a figure or table is called: its number in its section, and the printed one where there is one."""
        kind = output.partition("_")[0]
        for place, plan in enumerate(self.sections, 1):
            of_kind = [one for one in plan.outputs if one.startswith(f"{kind}_")]
            if output in of_kind:
                printed = self.printed.numbers.get(output)
                beside = f" (trykt {printed})" if printed else ""
                return f"{kind.capitalize()} {place}.{of_kind.index(output) + 1}{beside}"
        return ""

    def section(self, notebook: str) -> SectionPlan:
        """The plan of one notebook; an unknown one is an error that lists those there are."""
        for plan in self.sections:
            if plan.notebook == notebook:
                return plan
        known = ", ".join(plan.notebook for plan in self.sections)
        raise InputError(f"section {notebook!r} is not in editions/{self.name}.yml; it has: {known}")


def project_root() -> Path:
    """The folder that holds `editions/`: from the environment, above the working folder, or above the package."""
    given = os.environ.get(ROOT_VARIABLE)
    here = Path.cwd()
    candidates = [Path(given)] if given else [here, *here.parents, *Path(__file__).resolve().parents]
    for folder in candidates:
        if (folder / "editions").is_dir() and (folder / "data" / "reference").is_dir():
            return folder
    raise InputError(
        f"no project found from {here}: run inside the cloned repository or set {ROOT_VARIABLE} to its folder"
    )


def reference_folder() -> Path:
    """The folder of the reference data: accounts, areas, price index, indicators, labels, printed figures."""
    return project_root() / "data" / "reference"


def raw_folder(edition: str) -> Path:
    """Where the raw tables of an edition lie unless the caller says otherwise."""
    return project_root() / "data" / "raw" / edition


def processed_folder(edition: str) -> Path:
    """Where facts and key figures of an edition lie unless the caller says otherwise."""
    return project_root() / "data" / "processed" / edition


def editions() -> list[str]:
    """Names of the editions there are, oldest first."""
    return sorted(path.stem for path in (project_root() / "editions").glob("*.yml"))


@lru_cache
def decision_list() -> dict[str, Decision]:
    """What must be decided before a report is final, by id, from `data/reference/decisions.yml`."""
    return read_declared(reference_folder() / "decisions.yml", RootModel[dict[str, Decision]]).root


def default_edition() -> str:
    """The edition that is meant where none is named: what `editions/default.txt` says."""
    name = text_of(project_root() / "editions" / DEFAULT).strip()
    if name not in editions():
        raise DeclaredError(f"editions/{DEFAULT} names {name!r}; editions/ has: {', '.join(editions())}")
    return name


def load_edition(name: str = "") -> Edition:
    """Read and validate `editions/<name>.yml`, by default the default edition; errors name the file and the field."""
    name = name or default_edition()
    if name not in editions():
        raise InputError(f"edition {name!r} does not exist; editions/ has: {', '.join(editions())}")
    folder = project_root() / "editions"
    if (folder / f"{name}.yaml").exists():
        raise DeclaredError(f"editions/ has {name}.yml and {name}.yaml; only the first is read: remove the other")
    return parsed_edition(name, text_of(folder / f"{name}.yml"))


def parsed_edition(name: str, text: str) -> Edition:
    """The edition that a text declares, as it would be read from `editions/<name>.yml`; errors as for that file."""
    file = f"editions/{name}.yml"
    try:
        edition = Edition(name=name, **plain(text))
    except (ValidationError, TypeError, yaml.YAMLError) as error:
        raise DeclaredError(f"{file} is not a valid edition: {first_problem(error)}") from error
    if edition.decisions and (unknown := sorted(set(edition.decisions) - set(decision_list()))):
        known = ", ".join(decision_list())
        raise DeclaredError(f"{file}: decisions has {unknown[0]!r}, which is not in decisions.yml; it has: {known}")
    for other in editions():
        # Its title alone is read: what else may be wrong with it is no trouble of this one.
        title = re.search(r"^title: *(.*)$", text_of(project_root() / "editions" / f"{other}.yml"), re.M)
        if other != name and title and title[1].strip().strip("\"'") == edition.title:
            raise DeclaredError(f"{file} and editions/{other}.yml have the same title, {edition.title!r}: change one")
    return edition
