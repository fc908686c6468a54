"""Only what changed is made again: what a section depends on, what status says, and what a run leaves alone."""

import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml
from conftest import ROOT, rewrite_raw
from small_projects import PUBLISH

from analysis import areas
from analysis.edition import raw_folder
from analysis.errors import InputError
from noegletal.figures.build import build_edition
from noegletal.figures.freshness import (
    build_inputs,
    changed,
    common_inputs,
    folder_digest,
    notebook_digest,
    section_inputs,
)
from noegletal.figures.slices import Slices
from noegletal.runner.memory import Room
from noegletal.runner.plan import plan_area, stale_build


def status(project, *more):
    result = project.command_here("status", "--json", *more)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def sections_of(project):
    return status(project)["areas"]["Hovedstaden"]["sections"]


def made(project):
    manifest = json.loads((project.report / "manifest.json").read_text(encoding="utf-8"))
    return manifest["ran"]


def test_a_run_with_nothing_to_do_changes_nothing(published):
    before = {path: path.stat().st_mtime_ns for path in published.report.rglob("*")}
    result = published.run()
    assert result.returncode == 0
    assert result.stdout.startswith("Hovedstaden: nothing changed since it was made")
    assert {path: path.stat().st_mtime_ns for path in published.report.rglob("*")} == before
    assert status(published)["areas"]["Hovedstaden"] == {
        "folder": str(published.report), "sections": {"01_a": "", "02_b": ""}, "pages": "",
    }  # fmt: skip


def test_only_the_section_whose_notebook_changed_is_run(published):
    published.section("02_b", PUBLISH.format(name="02_b", text="anden udgave"))
    assert sections_of(published) == {"01_a": "", "02_b": "changed: notebook"}
    result = published.run()
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 sections done, 0 failed, 1 unchanged" in result.stdout
    assert made(published) == {"02_b": "done"}
    assert "anden udgave" in published.page("02_b")
    assert "foerste udgave" in published.page("01_a")
    assert sections_of(published) == {"01_a": "", "02_b": ""}


def saved_by_jupyterlab(path):
    """What JupyterLab leaves when a notebook is run and saved: outputs, counts, metadata and a checkpoint."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.4", "file_extension": ".py"}
    for count, cell in enumerate(notebook.cells, start=1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", text=f"udskrift {count}")]
        cell.metadata |= {"scrolled": True, "execution": {"iopub.status.idle": "2026-03-09T08:00:00Z"}}
    nbformat.write(notebook, path)
    checkpoint(path)


def checkpoint(path):
    copy = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint{path.suffix}"
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(path, copy)


@pytest.mark.long
def test_what_jupyterlab_leaves_makes_nothing_stale_and_stops_no_run(published):
    saved_by_jupyterlab(published.root / "notebooks" / "01_a.ipynb")
    for name in ("notebooks/01_a.ipynb", "data/tabel_01_a.csv"):
        checkpoint(published.report / name)
    assert sections_of(published) == {"01_a": "", "02_b": ""}
    result = published.run("--only", "01_a", "--force")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "udskrift" not in published.page()
    assert published.litter() == []
    assert sections_of(published) == {"01_a": "", "02_b": ""}


@pytest.mark.parametrize(
    "change",
    [
        lambda cells: cells[1].update(source=cells[1].source + "\n"),
        lambda cells: cells[1].metadata.update(tags=["skip-execution"]),
        lambda cells: cells.reverse(),
        lambda cells: cells[2].update(cell_type="raw"),
        lambda cells: cells[2].update(attachments={"a.png": {"image/png": "iVBORw0KGgo="}}),
        lambda cells: cells.pop(),
    ],
    ids=["source", "tags", "order", "type", "attachment", "cell"],
)
def test_what_a_notebook_does_is_what_counts(tmp_path, change):
    path = tmp_path / "01_a.ipynb"
    shutil.copy(ROOT / "notebooks" / "01_udgifter.ipynb", path)
    before = notebook_digest(path)
    notebook = nbformat.read(path, as_version=4)
    change(notebook.cells)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert notebook_digest(path) != before


def test_files_that_are_no_notebooks_count_as_they_are(tmp_path):
    path = tmp_path / "01_a.ipynb"
    assert notebook_digest(path) == ""
    texts = ["", "{", "[]", '{"cells": 1}', '{"cells": [{}]}', '{"cells": [{"cell_type": "code", "source": 1}]}']
    found = set()
    for text in texts:
        path.write_text(text, encoding="utf-8")
        found.add(notebook_digest(path))
    assert len(found) == len(texts)


def test_checkpoints_are_no_files_of_a_folder(tmp_path):
    (tmp_path / "templates").mkdir()
    for name in ("a.py", "templates/b.html"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    patterns = ("**/*.py", "templates/**/*")
    before = folder_digest(tmp_path, patterns)
    for name in ("a.py", "templates/b.html"):
        checkpoint(tmp_path / name)
    assert folder_digest(tmp_path, patterns) == before


def test_parameters_and_what_is_read_count(published):
    edition = yaml.safe_load(published.edition.read_text(encoding="utf-8"))
    edition["sections"][0]["reads"] = {"indicators": {"recipients": []}}
    edition["sections"][1]["title"] = "Et andet navn"
    published.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
    found = sections_of(published)
    assert found["01_a"].startswith("changed: key figures/recipients, source/")
    assert found["02_b"] == "changed: section"


def test_how_long_a_cell_may_run_changes_no_figure(published):
    edition = yaml.safe_load(published.edition.read_text(encoding="utf-8"))
    published.edition.write_text(yaml.safe_dump(edition | {"cell_timeout_seconds": 60}), encoding="utf-8")
    assert status(published)["build"] == ""
    assert sections_of(published) == {"01_a": "", "02_b": ""}
    published.edition.write_text(yaml.safe_dump(edition | {"price_level": 2023}), encoding="utf-8")
    assert status(published)["build"] == "changed: edition"


COUNTED = """
import os, pathlib
with (pathlib.Path(os.environ["NOEGLETAL_ROOT"]) / "runs").open("a") as log:
    print(area, file=log)
"""


@pytest.mark.long
@pytest.mark.parametrize("whose", ["kkr", "area"])
def test_a_section_about_the_kkr_is_run_once_for_all_of_its_municipalities(project, whose):
    edition = yaml.safe_load(project.edition.read_text(encoding="utf-8"))
    edition["sections"][1]["about"] = whose
    project.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
    project.section("02_b", COUNTED, PUBLISH.format(name="02_b", text="fælles"))
    asked = [part for area in ("koebenhavn", "odense", "gladsaxe") for part in ("--area", area)]
    result = project.run(*asked)
    assert result.returncode == 0, result.stdout + result.stderr
    runs = sorted((project.root / "runs").read_text(encoding="utf-8").split())
    assert runs == (
        ["region-hovedstaden", "region-syddanmark"] if whose == "kkr" else ["gladsaxe", "koebenhavn", "odense"]
    )
    for area in ("koebenhavn", "odense", "gladsaxe"):
        assert "fælles" in (project.out / "2025" / area / "02_b.html").read_text(encoding="utf-8")
    assert project.litter() == []
    assert project.run(*asked).stdout.count("nothing changed since it was made") == 3


@pytest.mark.parametrize("spoil", ["gone", pytest.param("cut", marks=pytest.mark.long)])
def test_a_file_that_is_gone_or_cut_is_made_again(published, spoil):
    path = published.report / "data" / "tabel_01_a.csv"
    whole = path.read_bytes()
    path.unlink() if spoil == "gone" else path.write_bytes(whole[:-1])
    assert sections_of(published) == {"01_a": "missing or altered: data/tabel_01_a.csv", "02_b": ""}
    assert published.run().returncode == 0
    assert path.read_bytes() == whole
    assert made(published) == {"01_a": "done"}


def test_a_page_of_the_whole_report_that_is_gone_is_made_without_running_a_notebook(published):
    (published.report / "spor.html").unlink()
    assert status(published)["areas"]["Hovedstaden"]["pages"] == "missing or altered: spor.html"
    assert published.run().returncode == 0
    assert made(published) == {}
    assert (published.report / "spor.html").is_file()


def test_other_code_of_pages_shows_sections_anew_without_running_a_notebook(published):
    """A text of the same size in the page stands for what old code made of the notebook."""
    path = published.report / "01_a.html"
    as_made = path.read_text(encoding="utf-8")
    path.write_text(as_made.replace("foerste udgave", "gammel tekst. "), encoding="utf-8")
    (published.report / "spor.html").unlink()
    assert published.run().returncode == 0
    assert "foerste udgave" not in published.page(), "the code is the same: what is there is kept"

    manifest = published.report / "manifest.json"
    known = json.loads(manifest.read_text(encoding="utf-8"))
    known["pages"]["library"] = "another"
    manifest.write_text(json.dumps(known), encoding="utf-8")
    assert status(published)["areas"]["Hovedstaden"]["pages"] == "changed: library"
    assert published.run().returncode == 0
    assert made(published) == {}
    assert "foerste udgave" in published.page()


@pytest.mark.long
def test_a_section_that_failed_is_tried_again(published):
    published.section("01_a", "1 / 0")
    assert published.run().returncode == 1
    assert sections_of(published)["01_a"].startswith("failed last time: cell 3 raised ZeroDivisionError")
    assert published.run().returncode == 1, "it is not taken for done"
    published.section("01_a", PUBLISH.format(name="01_a", text="anden udgave"))
    assert published.run().returncode == 0
    assert sections_of(published)["01_a"] == ""


@pytest.mark.long
def test_force_makes_everything_again(published):
    result = published.run("--force")
    assert "2 sections done, 0 failed," in result.stdout
    assert made(published) == {"01_a": "done", "02_b": "done"}


def test_status_before_the_first_build_and_report(project, tmp_path):
    found = status(project)
    prices = yaml.safe_load(project.edition.read_text("utf-8"))["price_level"]
    assert found == {"edition": "2025", "prices": prices, "decisions": {}, "build": "", "areas": {}}
    project.processed = tmp_path / "nothing built"
    assert status(project)["build"] == "never built"


def test_a_build_is_stale_when_a_raw_file_or_the_edition_changed(processed, edition, raw):
    here = raw_folder("2025")
    assert stale_build(edition, here, processed) == ""
    assert stale_build(edition.model_copy(update={"sections": []}), here, processed) == "", "sections read, not made"
    assert stale_build(edition.model_copy(update={"price_level": 2023}), here, processed) == "changed: edition"
    path = raw / "BU43.csv.gz"
    rewrite_raw(raw, "BU43", lambda lines: lines[:-1])
    assert stale_build(edition, raw, processed) == "changed: raw/BU43.csv.gz, raw/BU43.yml"
    path.unlink()
    assert "raw/BU43.csv.gz" in stale_build(edition, raw, processed)
    with pytest.raises(InputError, match="does not exist"):
        build_inputs(edition, raw / "nowhere")


@pytest.fixture(scope="module")
def with_one_value_changed(edition, tmp_path_factory):
    """The build after one number of one municipality in HAND05 changed."""
    folder = tmp_path_factory.mktemp("changed")
    raw = folder / "raw"
    shutil.copytree(raw_folder("2025"), raw)

    def change(lines):
        columns = lines[0].split(";")
        area, time = columns.index("OMRÅDE"), columns.index("TID")
        rows = [line.split(";") for line in lines]
        place = next(
            number
            for number, row in enumerate(rows)
            if row[area] == "101" and row[time] == "2024" and row[-1] not in ("..", "0")
        )
        *codes, value = lines[place].split(";")
        more = f"{float(value.replace(',', '.')) * 1.02:.1f}".replace(".", ",")
        return [*lines[:place], ";".join([*codes, more]), *lines[place + 1 :]]

    title = yaml.safe_load((raw / "HAND05.yml").read_text(encoding="utf-8"))["title"]
    rewrite_raw(raw, "HAND05", change, title=title)
    build_edition(edition, raw, folder / "processed")
    return folder / "processed"


@pytest.mark.long
def test_one_changed_value_reaches_only_what_depends_on_it(edition, processed, with_one_value_changed):
    common = common_inputs(edition)

    def stale(area):
        code = areas.find_area(area)
        return {
            plan.notebook[:2]
            for plan in edition.sections
            if section_inputs(edition, plan, code, {}, processed, common)
            != section_inputs(edition, plan, code, {}, with_one_value_changed, common)
        }

    # 00 lists the checksums of the raw files; 02, 03, 05 and 06 say recipients of the report's own area only.
    assert stale("København") == {"00", "02", "03", "05", "06"}
    assert stale("hovedstaden") == {"00", "02", "03", "05", "06"}
    assert stale("Hele landet") == {"00", "02", "03", "05", "06"}
    assert stale("Ballerup") == {"00"}
    assert stale("Region Sjælland") == {"00"}


def test_a_definition_counts_for_the_sections_that_read_it(edition, processed, tmp_path, monkeypatch):
    for name in ("data/reference", "editions", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    monkeypatch.setenv("NOEGLETAL_ROOT", str(tmp_path))
    file = tmp_path / "data" / "reference" / "indicators.yml"
    sound = file.read_text("utf-8")

    def stale(text):
        def inputs():
            common = common_inputs(edition)
            return {plan.notebook: section_inputs(edition, plan, "101", {}, processed, common) for plan in plans}

        plans = [edition.section("04_underretninger"), edition.section("05_voksne")]
        before = inputs()
        file.write_text(text, "utf-8")
        after = inputs()
        file.write_text(sound, "utf-8")
        return {name: changed(before[name], after[name]) for name in before}

    (entry,) = re.findall(r"(?m)^  notifications:\n(?:    .*\n|\n)+", sound)
    known = entry.replace("  notifications:", "  notifications_new:")
    assert stale(sound.replace(entry, entry + known)) == {"04_underretninger": [], "05_voksne": []}, "one more"
    named = re.sub(r"name: .*", "name: Noget andet", entry, count=1)
    assert stale(sound.replace(entry, named)) == {"04_underretninger": ["definitions"], "05_voksne": []}
    band = re.sub(r"(?m)^(age_bands:\n(?:  .*\n)*?  .*last: )(\d+)", r"\g<1>99", sound, count=1)
    assert band != sound
    assert stale(band) == {"04_underretninger": ["definitions"], "05_voksne": ["definitions"]}, "of all of them"


def test_a_slice_holds_what_is_declared_and_nothing_else(edition, processed, key_figures, tmp_path):
    import pandas as pd

    plan = edition.section("04_underretninger")
    Slices(edition, processed).write(plan, "101", tmp_path)
    part = pd.read_parquet(tmp_path / "key_figures.parquet")
    assert set(part["indicator"]) == set(plan.reads.indicators)
    own = part[part["indicator"] == "notifications"]
    assert set(own["area_code"]) == {"101"}
    wide = part[part["indicator"] == "children_notified_per_1000"]
    assert {"101", "000", "081", *areas.members("hovedstaden")} <= set(wide["area_code"])
    expected = key_figures[(key_figures["indicator"] == "notifications") & (key_figures["area_code"] == "101")]
    pd.testing.assert_frame_equal(own.reset_index(drop=True), expected.reset_index(drop=True))
    assert not (tmp_path / "findings.json").exists()
    sources = json.loads((tmp_path / "sources.json").read_text(encoding="utf-8"))
    assert "UND2" in {source["table"] for source in sources}
    assert "REGK100" not in {source["table"] for source in sources}


def test_a_section_that_reads_what_it_does_not_declare_fails(published):
    read = 'from analysis import section\nsection.Section("01_a", edition, area).{}'
    published.section("01_a", read.format('facts("population")'), PUBLISH.format(name="01_a", text="x"))
    published.section("02_b", read.format('read("expenditure")'), PUBLISH.format(name="02_b", text="x"))
    result = published.run()
    assert result.returncode == 1
    assert "01_a does not declare that it reads facts/population.parquet: add it to `reads`" in result.stdout
    assert "key figures of 'expenditure' hold no indicator expenditure" in result.stdout


def test_facts_that_are_not_made_are_refused_before_a_notebook_starts(project):
    edition = yaml.safe_load(project.edition.read_text(encoding="utf-8"))
    edition["sections"][0]["reads"] = {"facts": ["shelter_plases"]}
    project.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
    result = project.run()
    assert result.returncode == 1
    assert "01_a reads facts/shelter_plases, which the build does not make" in result.stderr
    assert not project.out.exists()


def test_neither_pandas_nor_jupyter_is_loaded_to_answer(published):
    program = "import sys; from noegletal.cli import app; app(sys.argv[1:], standalone_mode=False); "
    program += "print(*sorted({'pandas', 'numpy', 'papermill', 'matplotlib', 'nbformat'} & set(sys.modules)), sep=',')"
    environment = os.environ | {"NOEGLETAL_ROOT": str(published.root)}
    for name, formats in (("status", []), ("report", ["--format", "site"])):
        command = published.command(formats=formats)
        arguments = [name, *command[command.index("report") + 1 :]]
        result = subprocess.run(
            [sys.executable, "-c", program, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == "", result.stdout


def test_a_notebook_waits_until_there_is_memory_for_it(monkeypatch):
    from noegletal.runner import memory

    free = [1 << 40]
    monkeypatch.setattr(memory, "available_bytes", lambda: free[0])
    room = Room("warm")
    with room.for_one():
        free[0] = 0
        entered = []
        import threading

        def second():
            with room.for_one():
                entered.append(True)

        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(timeout=3 * memory.LOOK_SECONDS)
        assert not entered, "it does not start beside the first"
    waiting.join(timeout=60)
    assert entered, "alone it always may"
    assert memory.available_bytes() == 0


def test_memory_is_what_the_machine_or_its_container_has_left(tmp_path, monkeypatch):
    from noegletal.runner import memory

    monkeypatch.setattr(memory, "GROUP", tmp_path)
    machine = memory.available_bytes()
    assert machine > memory.MEBIBYTE
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert memory.available_bytes() == 2_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes() > 2_000_000


def test_a_plan_names_what_is_missing_of_an_area_never_made(edition, processed, tmp_path):
    plan = plan_area(edition, "101", only=["01_udgifter"], out=tmp_path, processed=processed, vintages=[])
    assert [section.stale for section in plan.sections] == ["never made"]
    assert plan.stale == "never made"
    assert not plan.idle
