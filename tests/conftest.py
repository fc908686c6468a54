import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from ctypes.util import find_library
from pathlib import Path

# See runner/execute.py: spares every test process two seconds.
sys.modules.setdefault("rfc3987_syntax", None)

import pytest
import small_edition
import yaml
from artefacts import ROOT, kept, untouched
from hypothesis import settings

# What some tests drive: how to see whether it is there, and the Debian packages that it comes in.
PARTS = {
    "chromium": (lambda: shutil.which("chromium"), "chromium"),
    "soffice": (lambda: shutil.which("soffice"), "libreoffice-calc libreoffice-impress"),
    "poppler": (lambda: shutil.which("pdftotext") and shutil.which("pdfinfo"), "poppler-utils"),
    "pango": (lambda: find_library("pango-1.0"), "libpango-1.0-0 libpangoft2-1.0-0"),
}
FEW = 30
FORMS = ("site", "slides", "workbook", "data")
NOT_INSTALLED = "is not installed; on Debian: apt install"
REFERENCE = Path(os.environ.get("NOEGLETAL_REFERENCE", ROOT.parent / "shared" / "reference"))
SIDECAR = {
    "source": "Danmarks Statistik",
    "licence": "CC BY 4.0",
    "retrieved": "2026-11-20",
    "url": "",
    "query": {},
    "lang": "da",
    "origin": "statbank",
    "status": "final",
    "note": "",
}


def present(part):
    """Whether a part of the system is there."""
    return bool(PARTS[part][0]())


def require(part):
    """Leave a test out, by name, where a part of the system is missing; where none may be, as in the gate, fail it."""
    if not present(part):
        leave_out = pytest.fail if os.environ.get("NOEGLETAL_SYSTEM_PARTS") == "required" else pytest.skip
        leave_out(f"{part} {NOT_INSTALLED} {PARTS[part][1]}")


# `make test` asks for this profile.
settings.register_profile("few")


def thorough(examples, **more):
    """A property that `make test` tries on a few drawn examples and `make test-long` on all of these."""
    drawn = min(examples, FEW) if settings.get_current_profile_name() == "few" else examples

    def decorated(test):
        return pytest.mark.thorough(settings(max_examples=drawn, deadline=None, **more)(test))

    return decorated


# What runs whole reports, or a project of its own, belongs to the long tests.
WHOLE_RUNS = {"reports", "published"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if WHOLE_RUNS & set(item.fixturenames):
            item.add_marker(pytest.mark.long)


def pytest_runtest_setup(item):
    for marker in item.iter_markers("needs"):
        for part in marker.args:
            require(part)


def pytest_terminal_summary(terminalreporter):
    """Say last and by name what was left out, and how to get it."""
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", []) if report.longrepr]
    for reason in dict.fromkeys(reason for reason in reasons if NOT_INSTALLED in reason):
        terminalreporter.write_line(
            f"LEFT OUT, {reasons.count(reason)} tests: {reason.removeprefix('Skipped: ')}", red=True
        )


def write_raw(folder, stem, content, **facts):
    """A raw file with a sidecar that fits it; `content` is bytes, or text, whose last line is ended here."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = facts.pop("suffix", ".csv")
    data = (content.removesuffix("\n") + "\n").encode() if isinstance(content, str) else content
    data = gzip.compress(data, mtime=0) if suffix.endswith(".gz") else data
    path = folder / f"{stem}{suffix}"
    path.write_bytes(data)
    table = stem.split(".")[0]
    sidecar = {"table": table, "title": table, **SIDECAR, **facts}
    sidecar |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / f"{stem}.yml").write_text(yaml.safe_dump(sidecar, allow_unicode=True), encoding="utf-8")
    return path


def rewrite_raw(folder, stem, change, **facts):
    """Change the lines of an embedded raw file and give it a sidecar that fits the new bytes."""
    path = folder / f"{stem}.csv.gz"
    sidecar = yaml.safe_load((folder / f"{stem}.yml").read_text(encoding="utf-8"))
    lines = change(gzip.decompress(path.read_bytes()).decode("utf-8").splitlines())
    sidecar = {key: value for key, value in sidecar.items() if key not in ("table", "title", "sha256", "bytes")}
    write_raw(folder, stem, "\n".join(lines) + "\n", suffix=".csv.gz", **{**sidecar, **facts})


@pytest.fixture(scope="session")
def edition():
    from analysis.edition import load_edition

    return load_edition("2025")


@pytest.fixture(scope="session", autouse=True)
def artefacts_unchanged():
    """What tests share, none of them may change."""
    used = {}
    yield used
    assert [name for name, folder in used.items() if not untouched(folder)] == []


def build(folder):
    from analysis.edition import load_edition, raw_folder
    from noegletal.figures.build import build_edition

    build_edition(load_edition("2025"), raw_folder("2025"), folder)


@pytest.fixture(scope="session")
def processed(artefacts_unchanged):
    """Facts and key figures of the embedded edition, built once."""
    folder = artefacts_unchanged["processed"] = kept("processed", build)
    return folder


@pytest.fixture(scope="session")
def key_figures(processed):
    import pandas as pd

    return pd.read_parquet(processed / "key_figures.parquet")


@pytest.fixture
def measured(processed, key_figures, tmp_path):
    """The embedded build as if every table were the source's own, so that all is said that the figures bear."""
    folder = tmp_path / "measured"
    folder.mkdir()
    for path in processed.iterdir():
        if path.name != "key_figures.parquet":
            (folder / path.name).symlink_to(path)
    origin = key_figures["origin"].replace("reconstruction", "statbank")
    key_figures.assign(origin=origin).to_parquet(folder / "key_figures.parquet")
    return folder


@pytest.fixture
def raw(tmp_path):
    """A copy of the embedded raw folder to spoil."""
    folder = tmp_path / "raw"
    shutil.copytree(ROOT / "data" / "raw" / "2025", folder)
    return folder


@pytest.fixture
def raw_with(tmp_path):
    """Makes a copy of the embedded accounts, population and some more tables to spoil: less to build than `raw`."""

    def copied(*tables):
        folder = tmp_path / "raw"
        folder.mkdir()
        for table in ("REGK100", "REGK31", "FOLK1A", *tables):
            for path in (ROOT / "data" / "raw" / "2025").glob(f"{table}.*"):
                shutil.copy(path, folder)
        return folder

    return copied


@pytest.fixture
def tiny_raw(tmp_path):
    """A raw folder of one function and four ages for every municipality: built in a second."""
    from analysis import areas

    lines = ["OMRÅDE;FUNKTION;DRANST;EJER;GRUPPERING;ART;PRISENHED;TID;INDHOLD"]
    lines += [f"{m};52821;1;1;3;TOT;LOBM;{y};100" for m in areas.municipalities() for y in range(2020, 2025)]
    write_raw(tmp_path / "raw", "REGK100", "\n".join(lines))
    lines = ["OMRÅDE;KØN;ALDER;CIVILSTAND;TID;INDHOLD"]
    lines += [
        f"{m};TOT;{a};TOT;{y}K4;10" for m in areas.municipalities() for a in (5, 20, 40, 70) for y in range(2020, 2025)
    ]
    write_raw(tmp_path / "raw", "FOLK1A", "\n".join(lines))
    return tmp_path / "raw"


@pytest.fixture(scope="session")
def small_root(artefacts_unchanged):
    """The small edition as a project, built once."""
    folder = artefacts_unchanged["small"] = kept("small", small_edition.make)
    return folder


def rehearsed(folder):
    shutil.copytree(kept("small", small_edition.make), folder, symlinks=True, dirs_exist_ok=True)
    with small_edition.looking_at(folder) as small:
        small.rehearse()
        small.build()


@pytest.fixture
def rehearsal(artefacts_unchanged):
    """The small edition as if every table were the source's own, built once; the library looks at it."""
    folder = artefacts_unchanged["rehearsed"] = kept("rehearsed", rehearsed)
    with small_edition.looking_at(folder) as small:
        yield small


@pytest.fixture
def small(small_root, tmp_path):
    """A copy of the small edition, built, to change and build anew; the library looks at it while the test runs."""
    with small_edition.small_copy(small_root, tmp_path / "small") as small:
        yield small


def noegletal(*arguments, **environment):
    """Exit code, output and errors of the command, run in this process as the console script runs it."""
    from noegletal.cli import main

    root = environment.pop("NOEGLETAL_ROOT", None)
    with (
        small_edition.looking_at(root) if root else nullcontext(),
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as errors,
    ):
        patch.chdir(ROOT)
        patch.setattr(sys, "argv", ["noegletal", *map(str, arguments)])
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())


def noegletal_process(*arguments):
    """The same in a process of its own, as whole reports are made."""
    command = [sys.executable, "-c", "from noegletal.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)


class Reports:
    """Reports of areas in every form, made by the command: `reports / "fanoe"` is a folder."""

    def __init__(self, used):
        self.used = used

    def __truediv__(self, area):
        folder = self.used[area] = kept(f"report-{area}", lambda made: self.make(made, area))
        return folder / "out" / "2025" / area

    @staticmethod
    def make(folder, area):
        processed = shutil.copytree(kept("processed", build), folder / "processed")
        # What `make report` made need not be made again, as far as it is of this code and these data.
        made_before = (ROOT / "reports" / "2025" / area).is_dir()
        if made_before:
            shutil.copytree(ROOT / "reports" / "2025", folder / "out" / "2025")
        result = noegletal_process(
            "report", "--edition", "2025", "--area", area, "--out", folder / "out", "--processed", processed,
            *(option for form in (*FORMS, *(["pdf"] if present("pango") else [])) for option in ("--format", form)),
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        declared = yaml.safe_load((ROOT / "editions" / "2025.yml").read_text(encoding="utf-8"))
        assert made_before or f": {len(declared['sections'])} sections done, 0 failed" in result.stdout
        assert result.stderr == ""


@pytest.fixture(scope="session")
def reports(artefacts_unchanged):
    """Reports of hovedstaden and of a small municipality with missing figures, each made when first asked for."""
    return Reports(artefacts_unchanged)


def small_project(folder):
    from small_projects import Project

    made = Project(folder / "project", folder / "processed", kept("small", small_edition.make))
    result = made.run_process()
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session")
def template(artefacts_unchanged):
    """A project with a first good report on the small edition, run once and copied for each test."""
    from small_projects import Project

    folder = artefacts_unchanged["template"] = kept("template", small_project)
    return Project(folder / "project", folder / "processed")


@pytest.fixture
def published(template, tmp_path):
    """A copy of that project with its report; its figures are those of the template."""
    from small_projects import Project

    shutil.copytree(template.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", template.processed)


@pytest.fixture
def project(published):
    """The same before its first report."""
    shutil.rmtree(published.out)
    return published
