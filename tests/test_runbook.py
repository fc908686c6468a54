"""The runbook: its commands are run in their order on a small project, its files put where they say."""

import re
import shlex
import shutil
from typing import NamedTuple

import httpx
import pytest
import yaml
from conftest import ROOT
from small_edition import SmallEdition, forget, looking_at
from small_projects import Project
from statbank_server import StatBank, nglk
from test_docs import wrong_command
from test_fetch import as_statbank
from typer.testing import CliRunner

from analysis.edition import load_edition
from noegletal import rules
from noegletal.cli import app
from noegletal.sources.fetch_plan import fetched_tables
from noegletal.sources.sidecar import TableSidecar, checksum

RUNBOOK = (ROOT / "docs" / "aarshjul.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A block of commands that are being built: it is not run until it loses the word.
NEW, BEFORE = "2026", "2025"
# The command that opens the new year.
OPENS = ["edition", "new"]
SECTIONS = ("01_udgifter", "02_boern_og_unge")
FILLED_IN, SAVED = "herberg_2026.xlsx", "ISBU02.csv"


class Block(NamedTuple):
    """A fenced block: what it holds, the file or mark behind it, and its text."""

    kind: str
    mark: str
    text: str


def blocks(text):
    return [Block(*found) for found in BLOCK.findall(text)]


def commands(text):
    """The commands of a runbook that are there to be run, in order."""
    return [line for block in blocks(text) if block.kind == "sh" for line in block.text.splitlines() if line.strip()]


class Year:
    """The small project in the year that the runbook is about, and what others bring meanwhile.

    The edition before is of the same years as the new one, since the small data have no more; they differ in origin.
    """

    def __init__(self, folder, small_root, monkeypatch):
        self.small = SmallEdition(small_root)
        self.project = Project(folder / "project", folder / "processed", small_root)
        self.root = self.project.root
        self.project.sections(*SECTIONS)
        shutil.copytree(ROOT / "notebooks" / "templates", self.root / "notebooks" / "templates")
        self.new = yaml.safe_load(self.project.edition.read_text(encoding="utf-8"))
        self.new["title"] += f" {NEW}"
        self.default(BEFORE)
        monkeypatch.chdir(self.root)
        monkeypatch.setattr("warmkernel.engine.stop", lambda: None)

    def default(self, edition):
        (self.root / "editions" / "default.txt").write_text(f"{edition}\n", encoding="utf-8")

    def look_through(self):
        """The analyst looks the edition through; here it becomes the one that the small data are of."""
        (self.root / "editions" / f"{NEW}.yml").write_text(yaml.safe_dump(self.new), encoding="utf-8")
        raw = self.root / "data" / "raw" / NEW
        raw.mkdir(exist_ok=True)
        for path in self.small.raw.iterdir():
            if path.suffix == ".xlsx" or path.with_suffix(".xlsx").is_file():
                shutil.copy(path, raw)
        self.default(NEW)
        forget()

    def bank(self):
        """A StatBank that has every table of the new edition."""
        asked = [table for table in fetched_tables(load_edition(NEW)) if table != "NGLK"]
        years = load_edition(NEW).tables["NGLK"].years.all
        prices = {str(year): (50_000 + 2_000 * place, 43_000) for place, year in enumerate(years)}
        return StatBank({table: as_statbank(self.small.raw, table) for table in asked} | {"NGLK": nglk(prices)})

    def bring(self, words, url):
        """What others bring that a command names: a form filled in, a table saved by hand, a notebook worked on."""
        if words[0] == "import" and words[1] == FILLED_IN:
            shutil.copy(self.small.raw / "HERBERG.xlsx", FILLED_IN)
        if words[0] == "import" and words[1] == SAVED:
            every = "lang=da&valuePresentation=Code&KOMMUNEDK=*&INDSATSER=*&Tid=*"
            (self.root / SAVED).write_bytes(httpx.get(f"{url}/data/ISBU02/CSV?{every}").content)
        if words[0] == "adopt":
            shutil.copy(next((self.root / "adhoc").glob("*.ipynb")), words[1])

    def put(self, block):
        """A file of the runbook where it says: declared beside what the file has; a sidecar with its own checksum."""
        path = self.root / block.mark
        declared = yaml.safe_load(block.text)
        if path.parent.name == NEW:
            TableSidecar.model_validate(declared)
            declared |= checksum(path.with_suffix(".csv.gz"))
        else:
            declared = merged(yaml.safe_load(path.read_text(encoding="utf-8")), declared)
        path.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False), encoding="utf-8")
        forget()

    def run(self, text):
        """Run a runbook; returns what each command that failed said."""
        failed = []
        with looking_at(self.root):
            self.look_through()
            with self.bank() as bank:
                if any(shlex.split(line)[1:3] == OPENS for line in commands(text)):
                    (self.root / "editions" / f"{NEW}.yml").unlink()
                    shutil.rmtree(self.root / "data" / "raw" / NEW)
                    self.default(BEFORE)
                for block in blocks(text):
                    if block.kind == "yaml":
                        self.put(block)
                    elif block.kind == "sh":
                        failed += [said for line in block.text.splitlines() if (said := self.failure(line, bank.url))]
        return failed

    def failure(self, line, url):
        """Run one command; returns what it said when it failed."""
        words = shlex.split(line)[1:]
        self.bring(words, url)
        result = CliRunner().invoke(app, words, env={"NOEGLETAL_STATBANK_URL": url, "NOEGLETAL_ROOT": str(self.root)})
        if words[:2] == OPENS:
            self.look_through()
        return "" if result.exit_code == 0 else f"{line}: {result.output[-900:]} {result.exception!r}"


def merged(declared, more):
    """What is declared with more beside it: entries of mappings, sections by their notebook, and rows of lists."""
    if isinstance(declared, dict):
        return declared | {
            name: merged(declared[name], more[name]) if name in declared else more[name] for name in more
        }
    if isinstance(declared, list):
        of = {one["notebook"]: one for one in more if "notebook" in one}
        kept = [merged(one, of.pop(one["notebook"])) if one.get("notebook") in of else one for one in declared]
        return [*kept, *of.values(), *(one for one in more if "notebook" not in one)]
    return more


@pytest.fixture
def year(small_root, tmp_path, monkeypatch):
    return Year(tmp_path, small_root, monkeypatch)


@pytest.mark.long
def test_the_year_goes_as_the_runbook_says(year):
    assert year.run(RUNBOOK) == []
    made = year.root / "reports" / NEW
    assert {path.parent.name for path in made.glob("*/index.html")} == {"hovedstaden", "koebenhavn", "vallensbaek"}
    for form in ("rapport.pdf", "rapport.pptx", "noegletal.xlsx"):
        assert (made / "hovedstaden" / form).is_file()


def test_a_command_that_fails_is_found(year):
    text = "```sh\nnoegletal fetch -e 2026 --dry-run\nnoegletal quality -e 2031\nnoegletal build -e 2026 --fast\n```\n"
    failed = year.run(text)
    assert [line.partition(":")[0] for line in failed] == text.splitlines()[2:4]


def test_commands_that_are_there_are_run():
    assert len(commands(RUNBOOK)) > 15
    assert [line for line in commands(RUNBOOK) if wrong_command(line)] == []


def test_every_family_of_rules_has_its_advice():
    section = RUNBOOK.partition("## When a check fails")[2].partition("## Late tables")[0]
    named = [name for row in re.findall(r"^\| ([A-Z, ]+) \|", section, re.MULTILINE) for name in row.split(", ")]
    assert sorted(named) == sorted({rule.rpartition("-")[0] for rule in rules.catalogue().rules})
