"""A new report year: its edition file, moved on from an earlier one."""

import re
from pathlib import Path

import yaml

from analysis.declared import text_of
from analysis.edition import Edition, decision_list, editions, load_edition, parsed_edition, project_root
from analysis.errors import InputError
from analysis.prices import price_index
from noegletal.folders import written

YEAR = re.compile(r"20[0-9]{2}")
# What is true of the printed report of one edition, and what was decided for it.
NOT_CARRIED_ON = ("printed", "published", "decisions")
DECISIONS = "# open, or {decided: what was decided, date: 2026-09-01, by: who}; see data/reference/decisions.yml.\n"


def new_edition(name: str, source: str | None = None) -> Path:
    """Write `editions/<name>.yml` from another edition, every year moved by the difference of the two.

    Without `source` from the newest before it. Title, period, price level and the years of tables move; sections,
    outputs and comments stay; what is true of the printed report only is left out; all decisions are open. Errors: a
    name that is no year or is taken, a source that does not exist or is no year; then nothing is written.
    """
    for given in (name, source or name):
        if not YEAR.fullmatch(given):
            raise InputError(f"edition {given!r} is not a year such as 2026; a new edition and the one it is from are")
    folder = project_root() / "editions"
    if taken := sorted(path.name for path in folder.glob(f"{name}.*")):
        raise InputError(f"editions/{taken[0]} exists already; it is left as it is")
    plan = load_edition(source or earlier_edition(name))
    text = _moved(text_of(folder / f"{plan.name}.yml"), plan, name)
    parsed_edition(name, text)
    path = folder / f"{name}.yml"
    written({path: text})
    return path


def edition_before(name: str) -> str:
    """The newest edition before another; empty where there is none."""
    return max((edition for edition in editions() if YEAR.fullmatch(edition) and edition < name), default="")


def earlier_edition(name: str) -> str:
    """The newest edition before another. Errors: there is none."""
    if not (earlier := edition_before(name)):
        raise InputError(f"editions/ has none before {name}; name another with --from")
    return earlier


def price_row(edition: Edition) -> str:
    """What is to be filled in of the price index for the price level of an edition, in one line."""
    index = price_index()
    row = index[(index["index"] == edition.price_index) & (index["year"] == edition.price_level)]
    place = f"data/reference/price_index.csv, {edition.price_index} {edition.price_level}"
    if row.empty:
        return f"{place}: missing; add {edition.price_index},{edition.price_level},<value>,published,<source>,<reason>"
    return (
        f"{place}: {row['value'].item():.6f} ({row['status'].item()}); confirm it, or replace it by the published one"
    )


def _moved(text: str, plan: Edition, name: str) -> str:
    """The text of an edition as that of another year. It is edited where a year stands, so that comments stay."""
    by = int(name) - int(plan.name)
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    edits = [(_entry(tree, "title"), _title(plan, name)), (_entry(tree, "price_level"), str(plan.price_level + by))]
    runs = [_entry(tree, "period"), *(_entry(table, "years") for _, table in _entry(tree, "tables").value)]
    for end in (_entry(run, key) for run in runs for key in ("first", "last")):
        edits.append((end, str(int(end.value) + by)))
    for node, new in sorted(edits, key=lambda edit: -edit[0].start_mark.index):
        text = text[: node.start_mark.index] + new + text[node.end_mark.index :]
    own_years = {plan.name, str(plan.period.first), str(plan.period.last), str(plan.price_level)}
    blocks = []
    for key, block in _blocks(text):
        if key == "tables":
            answers = [f"  {entry}: open\n" for entry in decision_list()]
            blocks.append("".join([f"{DECISIONS}decisions:\n", *answers, "\n"]))
        if key not in NOT_CARRIED_ON:
            blocks.append(_comments_moved(block, own_years, by))
    return "".join(blocks)


def _title(plan: Edition, name: str) -> str:
    title = plan.title.replace(plan.name, name) if plan.name in plan.title else f"{plan.title} {name}"
    return yaml.safe_dump(title, allow_unicode=True, width=1000, default_style=None).removesuffix("\n...\n").strip()


def _entry(node: yaml.MappingNode, key: str) -> yaml.Node:
    return next(value for name, value in node.value if name.value == key)


def _blocks(text: str) -> list[tuple[str, str]]:
    """The entries of the file by key, each with the comments and lines directly above it."""
    blocks: list[tuple[str, list[str]]] = []
    above: list[str] = []
    for line in text.splitlines(keepends=True):
        key = re.match(r"([a-z_]+):", line)
        if key:
            blocks.append((key[1], [*above, line]))
            above = []
        elif line.startswith("#") or (above and not line.strip()):
            above.append(line)
        elif blocks:
            blocks[-1][1].extend([*above, line])
            above = []
        else:
            above.append(line)
    if blocks:
        blocks[-1][1].extend(above)
    return [(key, "".join(lines)) for key, lines in blocks]


def _comments_moved(block: str, own_years: set[str], by: int) -> str:
    """A block in which lines of comment speak of the new edition's years where they spoke of the old one's."""

    def moved(year: re.Match[str]) -> str:
        return str(int(year[0]) + by) if year[0] in own_years else year[0]

    lines = block.splitlines(keepends=True)
    return "".join(YEAR.sub(moved, line) if line.lstrip().startswith("#") else line for line in lines)
