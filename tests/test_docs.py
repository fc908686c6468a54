"""The documents are true: a file, target or command that one names is there, with the options it is named with."""

import re
import shlex
import subprocess

import pytest
import typer
from conftest import ROOT
from test_setup import committed_files

from noegletal.cli import app

DOCUMENTS = [path for path in committed_files() if path.suffix == ".md" and path.name != "CHANGELOG.md"]
# Folders of the repository; what a document names below one of them is there, or what some command makes.
FOLDERS = ("adhoc", "benchmarks", "data", "docs", "editions", "notebooks", "reconstruction", "src", "tests", ".ci")
MADE = ("data/released/releases.yml", "revideret.csv", "data/processed/", "data/raw/2026/", "data/vintages/",
        "reports/", "adhoc/", "editions/2026.yml", "commentary/2026/", "notebooks/09_")  # fmt: skip
# Beside code: rooms and files are named by where they are inside their package.
ROOTS = ("", "docs", "src", "src/analysis", "src/analysis/herberg", "src/noegletal", "src/noegletal/facts", "tests",
         "data/reference", "data/reference/published", "src/analysis/charts", "reconstruction", "editions")  # fmt: skip
CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"^[\w./-]+/[\w.-]*$|^[\w-]+\.(?:md|py|yml|csv|toml|lock|ipynb|j2|css|mplstyle)$")
PLACEHOLDER = re.compile(r"[<>*{}]|\bNN_|\bname\b|\.\.\.|\bx\.ipynb|YEAR|EDITION|FILE\b")
LINKED = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
DOCUMENT = re.compile(r"\bdocs/[\w-]+\.md\b")
# A command in the text, in a block, or after the folder of the environment.
NAMED = re.compile(r"^\s*(?:\.venv/bin/)?noegletal\s")


def code_of(text):
    """What a document says in code: spans, lines of fenced blocks that are run, and indented lines."""
    fenced = [line for mark, body in FENCED.findall(text) if not mark.endswith(" later") for line in body.splitlines()]
    text = FENCED.sub("", text)
    return [*CODE.findall(text), *fenced, *(line for line in text.splitlines() if line.startswith("    "))]


def wrong_command(line):
    """What is wrong with a `noegletal` line: a command that is not there, or an option that it does not have."""
    words = [word for word in shlex.split(line, comments=True) if word != "\\"]
    command, rest = typer.main.get_command(app), words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"no command {rest[0]!r}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [
        word for word in rest if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in {*known, "--help"}
    ]
    return f"no option {unknown[0]}" if unknown else ""


def wrong_commands(text):
    lines = [line for line in code_of(text) if NAMED.match(line) and line.split()[1:]]
    return [f"{line.strip()}: {why}" for line in lines if (why := wrong_command(line))]


def wrong_paths(text, folder):
    """The files and folders that a document names in code or links to, and that are nowhere."""
    wrong = []
    for name in CODE.findall(FENCED.sub("", text)):
        first = name.split("/")[0]
        if not PATH.match(name) or PLACEHOLDER.search(name) or name.startswith(MADE):
            continue
        if "/" in name and first not in FOLDERS and not any((ROOT / root / first).is_dir() for root in ROOTS):
            continue
        if not any((ROOT / root / there).exists() for root in ROOTS for there in (name, f"{name}.py")) and not anywhere(
            name
        ):
            wrong.append(name)
    linked = [link for link in LINKED.findall(text) if "://" not in link]
    return [*wrong, *(link for link in linked if not (folder / link).exists())]


def anywhere(name):
    """Whether a file that is named without its folder is one of the repository."""
    return "/" not in name and name in {path.name for path in committed_files()}


def wrong_targets(text):
    """The targets of `make` that a document names and the Makefile does not have."""
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return [line for line in code_of(text) if (found := re.match(r"\s*make ([a-z-]+)", line)) and found[1] not in there]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_names_is_there(path):
    text = path.read_text(encoding="utf-8")
    assert wrong_paths(text, path.parent) == []
    assert wrong_commands(text) == []
    assert wrong_targets(text) == []


def documents_not_there(root):
    """The documents that code, data and tests send a reader to, and that are nowhere, by the file that does."""
    files = [path for path in committed_files(root) if path.suffix in (".py", ".yml", ".toml", ".j2", ".ipynb")]
    named = {(path.name, name) for path in files for name in DOCUMENT.findall(path.read_text(encoding="utf-8"))}
    return [(file, name) for file, name in sorted(named) if file != "test_docs.py" and not (root / name).is_file()]


def test_documents_that_code_sends_to_are_there(tmp_path):
    assert documents_not_there(ROOT) == []
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "methods.md").touch()
    (tmp_path / "rules.py").write_text("# see docs/yearly.md and docs/methods.md", encoding="utf-8")
    assert documents_not_there(tmp_path) == [("rules.py", "docs/yearly.md")], "the check can fail"


def test_what_is_not_there_is_found():
    text = (
        "`docs/yearly.md` [x](docs/nowhere.md) `src/noegletal/nothing.py` `nothing.yml` `docs/architecture.md`\n"
        "`noegletal built` and `noegletal build --editon 2025`\n\n"
        "    .venv/bin/noegletal report --area x --fast  # all\n"
        "    make reports\n```sh\nnoegletal edition old 2026\n```\n```sh later\nnoegletal soon\n```\n"
    )
    assert wrong_paths(text, ROOT) == [
        "docs/yearly.md", "src/noegletal/nothing.py", "nothing.yml", "docs/nowhere.md",
    ]  # fmt: skip
    assert [found.partition(":")[0] for found in wrong_commands(text)] == [
        "noegletal built", "noegletal build --editon 2025", "noegletal edition old 2026",
        ".venv/bin/noegletal report --area x --fast  # all",
    ]  # fmt: skip
    assert wrong_targets(text) == ["    make reports"]
