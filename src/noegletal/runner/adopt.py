"""An ad-hoc notebook becomes a section: held to the rules, run for what it reads, proved and declared."""

import ast
import copy
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from textwrap import indent
from typing import Any, get_args

import nbformat
import yaml
from pydantic import ValidationError

from analysis import areas
from analysis.declared import first_problem, plain
from analysis.edition import Edition, Reads, Scope, SectionPlan, project_root, reference_folder
from analysis.errors import InputError
from noegletal.figures.freshness import areas_within
from noegletal.figures.slices import Slices
from noegletal.folders import explained, held
from noegletal.runner import reads
from noegletal.runner.execute import Job, run
from noegletal.runner.fork import slug, with_defaults
from noegletal.runner.notebook_rules import faults
from noegletal.runner.parameters import checked_parameters

NUMBER = re.compile(r"[0-9]{2}")
DATED = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[-_]")
# What a fork says below its heading.
MADE_FROM = re.compile(r"\n\nOprettet .+ ud fra skabelonen `[^`]*`\.")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Draft:
    """A notebook that keeps the rules: as it was and as a section, with the section's name and title."""

    source: Path
    section: str
    title: str
    before: nbformat.NotebookNode
    after: nbformat.NotebookNode
    edition: Edition


def draft_of(source: Path, number: str, name: str, edition: Edition) -> Draft:
    """An ad-hoc notebook as the section `<number>_<name>` of an edition; without a name that of the file.

    Outputs and the marks of a fork are gone, edition and area are the usual ones. Errors: a file that is no notebook, a
    number or section that is taken, every rule of notebooks that is broken, with its cell.
    """
    section = _section_name(source, number, name, edition)
    usual = {"edition": "", "area": areas.slug(edition.home_area)}
    checked_parameters(source, usual)
    before = nbformat.read(source, as_version=4)
    after = copy.deepcopy(before)
    after.metadata = nbformat.from_dict(METADATA)
    found = []
    opened = 0
    for place, cell in enumerate(after.cells, 1):
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if tags == ["parameters"]:
                cell.source = with_defaults(cell.source, usual)
            cell.source, calls = _opened_as_section(cell.source, section)
            opened += calls
            found += [f"cell {place}: {fault}" for fault in _unreadable(cell.source)]
    if after.cells:
        after.cells[0].source = MADE_FROM.sub("", after.cells[0].source)
    found += faults(after)
    if opened != 1:
        found.append(f"section.adhoc(title, edition, area) opens it {opened} times, once is right")
    title = after.cells[0].source.splitlines()[0].removeprefix("# ").strip() if after.cells else ""
    for name in map(areas.name, areas.municipalities()):
        if re.search(rf"\b{re.escape(name)}\b", title):
            found.append(f"cell 1: the title names {name}, but a section is made for every area")
    if found:
        rules = "a rule" if len(found) == 1 else f"{len(found)} rules"
        raise InputError(f"{source.name} breaks {rules} of notebooks, nothing was written:\n  " + "\n  ".join(found))
    # JupyterLab leaves one at the end.
    after.cells = [cell for cell in after.cells if cell.source.strip()]
    return Draft(source, section, title, before, after, edition)


def adopt(draft: Draft, processed: Path, engine: str = "stock") -> tuple[Path, SectionPlan]:
    """Write a draft to notebooks/ and its declaration to the edition file, both or neither; returns notebook and plan.

    It is run as it is, for the home area, a municipality in and one outside it and the country, to see what it reads
    and publishes; then as the section it will be, with nothing but that. Errors: it fails, publishes nothing or under a
    name that is taken, reads areas that no scope holds; a file that cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        trial = _Trial(draft, processed, engine, Path(folder))
        plan = trial.noted()
        text = _declared(draft.edition, plan)
        trial.prove(plan, text)
    return _written(draft, text), plan


def _section_name(source: Path, number: str, name: str, edition: Edition) -> str:
    if not NUMBER.fullmatch(number):
        raise InputError(f"--number {number!r} must be two digits, such as 09")
    words = slug(name.removeprefix(f"{number}_") if name else DATED.sub("", source.stem)).replace("-", "_")
    section = f"{number}_{words}"
    if not words or (NUMBER.match(words) and words[2:3] == "_"):
        raise InputError(f"--name {name or source.stem!r} must be words after the number, such as {number}_botilbud")
    taken = [plan.notebook for plan in edition.sections if plan.notebook.startswith(f"{number}_")]
    taken += [path.stem for path in (project_root() / "notebooks").glob(f"{number}_*.ipynb")]
    if taken:
        raise InputError(f"number {number} is taken by section {taken[0]}; choose another")
    return section


def _opened_as_section(source: str, section: str) -> tuple[str, int]:
    """A cell in which `section.adhoc(title, ...)` is `section.Section(name, ...)`, and how many of them there were."""
    try:
        calls = [
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "adhoc"
        ]
    except SyntaxError:
        return source, 0
    for call in calls:
        rest = ", ".join(map(ast.unparse, [*call.args[1:], *call.keywords]))
        new = f'{ast.unparse(call.func.value)}.Section("{section}", {rest})'
        source = source.replace(ast.get_source_segment(source, call), new)
    return source, len(calls)


def _unreadable(source: str) -> Iterator[str]:
    """What cannot be noted of a cell: a notebook that looks at the whole table does not say what it depends on."""
    for name in ("key_figures", "sources"):
        if re.search(rf"\.{name}\b", source):
            yield f"`.{name}` is the whole build, of which a section gets a part; use afsnit.read or afsnit.footer"


class _Trial:
    """Runs of a draft in a folder of their own: before it is a section, and as the section."""

    def __init__(self, draft: Draft, processed: Path, engine: str, folder: Path) -> None:
        self.draft, self.processed, self.engine, self.folder = draft, processed, engine, folder
        home = draft.edition.home_area
        elsewhere = [code for code in areas.municipalities() if code not in areas.members(home)]
        self.areas = list(dict.fromkeys([home, areas.members(home)[0], *elsewhere[:1], areas.COUNTRY]))

    def noted(self) -> SectionPlan:
        """The plan of the section, from what was read and published for each area."""
        notes = {area: self._noted(area) for area in self.areas}
        outputs = list(dict.fromkeys(output for note in notes.values() for output in note["outputs"]))
        self._require_new(outputs)
        names = dict.fromkeys(name for note in notes.values() for name in note["indicators"])
        of = {
            name: self._scopes(name, {area: set(note["indicators"].get(name, {})) for area, note in notes.items()})
            for name in names
        }
        facts, records = (
            list(dict.fromkeys(one for note in notes.values() for one in note[kind])) for kind in ("facts", "records")
        )
        wanted = Reads(indicators=of, facts=facts, records=records)
        try:
            return SectionPlan(notebook=self.draft.section, title=self.draft.title, reads=wanted, outputs=outputs)
        except ValidationError as error:
            raise InputError(f"{self.draft.source.name} is no section: {first_problem(error)}") from error

    def prove(self, plan: SectionPlan, text: str) -> None:
        """Run it as the section, with a build that holds nothing but what its plan reads."""
        root = self.folder / "project"
        (root / "editions").mkdir(parents=True)
        (root / "editions" / f"{self.draft.edition.name}.yml").write_text(text, encoding="utf-8")
        shutil.copytree(reference_folder(), root / "data" / "reference")
        slices = Slices(self.draft.edition, self.processed)
        for area in self.areas:
            part = self.folder / f"part-{area}"
            slices.write(plan, area, part)
            self._run(plan, area, self.draft.after, part, root)

    def _noted(self, area: str) -> dict[str, Any]:
        path = self.folder / f"noted-{area}.json"
        before = copy.deepcopy(self.draft.before)
        before.cells.insert(0, nbformat.v4.new_code_cell(reads.FIRST_CELL.format(path=str(path))))
        # What must be published is not known yet.
        plan = SectionPlan.model_construct(notebook=self.draft.section, title=self.draft.title, outputs=[])
        self._run(plan, area, before, self.processed, project_root())
        return json.loads(path.read_text(encoding="utf-8"))

    def _run(self, plan: SectionPlan, area: str, notebook: nbformat.NotebookNode, processed: Path, root: Path) -> None:
        path = self.folder / f"{self.draft.section}.ipynb"
        nbformat.write(notebook, path)
        staging = Path(tempfile.mkdtemp(dir=self.folder))
        given = {"edition": self.draft.edition.name, "area": areas.slug(area)}
        seconds = self.draft.edition.cell_timeout_seconds
        outcome = run(Job(plan, area, path, given, processed, staging, seconds, self.engine, root))
        if not outcome.succeeded:
            said = f"{self.draft.source.name} does not run {areas.locative(area)}: {outcome.cause}"
            raise InputError(f"{said}; nothing was written")

    def _require_new(self, outputs: list[str]) -> None:
        if not outputs:
            raise InputError(f"{self.draft.source.name} publishes no figure and no table, so it is no section")
        for plan in self.draft.edition.sections:
            if taken := [output for output in outputs if output in plan.outputs]:
                raise InputError(f"{self.draft.source.name}: output {taken[0]} is one of {plan.notebook}; rename it")

    def _scopes(self, indicator: str, wanted: dict[str, set[str]]) -> list[Scope]:
        """The scopes that hold the areas that were read, as few as possible, and of these the smallest."""
        for count in range(len(get_args(Scope)) + 1):
            fitting = {}
            for scopes in combinations(get_args(Scope), count):
                within = {area: areas_within(self.draft.edition, area, list(scopes)) for area in wanted}
                if all(read <= set(within[area]) for area, read in wanted.items()):
                    fitting[scopes] = sum(map(len, within.values()))
            if fitting:
                return list(min(fitting, key=fitting.get))
        raise InputError(f"{self.draft.source.name} reads {indicator} of areas that no scope of a section holds")


def _declared(edition: Edition, plan: SectionPlan) -> str:
    """The text of the edition file with the section as its last one; all else stands as it stood."""
    path = _file(edition)
    text = path.read_text(encoding="utf-8")
    entry = plan.model_dump(mode="json", exclude_defaults=True)
    written = yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, default_flow_style=None, width=116)
    (sections,) = (value for key, value in yaml.compose(text).value if key.value == "sections")
    by_hand = f"add to its sections by hand:\n{written}"
    if sections.flow_style or not sections.value:
        raise InputError(f"editions/{path.name} has no sections one below the other; {by_hand}")
    last = sections.value[-1]
    column, end = last.start_mark.column, _end(last)
    lines = text.splitlines(keepends=True)
    lines[end - 1] = lines[end - 1].rstrip("\n") + "\n"
    item = indent(written, " " * column)
    lines.insert(end, f"{' ' * (column - 2)}- {item[column:]}")
    new = "".join(lines)
    try:
        made = Edition(name=edition.name, **plain(new))
    except (ValidationError, TypeError, yaml.YAMLError) as error:
        raise InputError(f"editions/{path.name} cannot be added to ({first_problem(error)}); {by_hand}") from error
    if made != edition.model_copy(update={"sections": [*edition.sections, plan]}):
        raise InputError(f"editions/{path.name} was changed meanwhile, or {by_hand}")
    return new


def _end(node: yaml.Node) -> int:
    """The number of the last line of an entry; a block ends where the next begins, beyond comments between them."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return node.end_mark.line + (node.end_mark.column > 0)


def _file(edition: Edition) -> Path:
    return project_root() / "editions" / f"{edition.name}.yml"


def _written(draft: Draft, text: str) -> Path:
    """Write the notebook and the edition file, both or neither."""
    file = _file(draft.edition)
    notebook = project_root() / "notebooks" / f"{draft.section}.ipynb"
    made: list[Path] = []
    with explained(file), held(file, wait=False):
        try:
            with notebook.open("x", encoding="utf-8", newline="\n") as stream:
                made.append(notebook)
                stream.write(nbformat.writes(draft.after) + "\n")
            new = file.with_name(f".{file.name}.adopted")
            made.append(new)
            new.write_text(text, encoding="utf-8", newline="\n")
            new.replace(file)
        except OSError:
            for path in made:
                path.unlink(missing_ok=True)
            raise
    return notebook
