"""A report in every form that is asked for: made once, remade when it must be, never in the way of pages."""

import json
import os
import subprocess

import psutil
import pytest
import yaml
from bs4 import BeautifulSoup
from small_projects import PUBLISH

from noegletal.publish.manifest import FORMATS, PACKAGE

pytestmark = pytest.mark.needs("pango")
NO_PANGO = "raise OSError(\"cannot load library 'libpango-1.0-0'\")\n"


def run(project, *more, **variables):
    return project.run_process(*more, formats=[], **variables)


def forms(project):
    return {name for name, file in FORMATS.items() if (project.report / file).is_file()}


def test_everything_is_made_by_default_and_again_only_when_it_must(published):
    result = run(published)
    assert result.returncode == 0, result.stdout + result.stderr
    assert forms(published) == set(FORMATS)
    package = published.out / "2025" / PACKAGE
    made = package.stat().st_mtime_ns
    index = (published.report / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{file}"' in index for file in (*FORMATS.values(), f"../{PACKAGE}"))
    assert "nothing changed since it was made" in run(published).stdout

    (published.report / FORMATS["slides"]).unlink()
    result = run(published)
    assert "0 sections done, 0 failed, 2 unchanged" in result.stdout
    assert forms(published) == set(FORMATS)
    assert package.stat().st_mtime_ns == made, "the data package is that of the build, which is the same"


def older(project):
    """The forms that the manifest calls older than the pages; the index must say the same of the same files."""
    manifest = json.loads((project.report / "manifest.json").read_text(encoding="utf-8"))
    names = {name for name, form in manifest["forms"].items() if form["older"]}
    index = BeautifulSoup((project.report / "index.html").read_text(encoding="utf-8"), "html.parser")
    marked = [link["href"] for link in index.find_all("a", download=True) if "ældre end siderne" in link.parent.text]
    assert marked == [file for name, file in FORMATS.items() if name in names]
    return names


@pytest.mark.long
def test_forms_that_are_not_asked_for_stay_and_say_when_the_pages_are_newer(published):
    assert run(published, "--format", "slides").returncode == 0
    slides = (published.report / FORMATS["slides"]).read_bytes()
    assert published.run("--force").returncode == 0
    assert forms(published) == {"slides"}
    assert older(published) == set(), "the same figures were made again"

    published.section("01_a", PUBLISH.format(name="01_a", text="anden udgave"))
    assert published.run().returncode == 0
    assert (published.report / FORMATS["slides"]).read_bytes() == slides
    assert older(published) == {"slides"}
    assert "nothing changed since it was made" in published.run().stdout

    result = run(published, "--format", "slides")
    assert "0 sections done, 0 failed, 2 unchanged" in result.stdout, result.stdout + result.stderr
    assert (published.report / FORMATS["slides"]).read_bytes() != slides
    assert older(published) == set()
    assert published.litter() == []


BY_HAND = """
import pandas as pd
import seaborn as sns
from analysis import section
afsnit = section.Section("02_b", edition, area)
frame = pd.DataFrame({"tid": [2023, 2024], "value": [1.5, 2.5]})
afsnit.figure("figur_egen", sns.lineplot(frame, x="tid", y="value"), title="Egen", data=frame, reading="En linje")
"""


def test_what_an_analyst_draws_by_hand_goes_through_every_form(published):
    edition = yaml.safe_load(published.edition.read_text(encoding="utf-8"))
    edition["sections"][1]["outputs"] = ["figur_egen"]
    published.edition.write_text(yaml.safe_dump(edition), encoding="utf-8")
    published.section("02_b", BY_HAND)
    result = run(published)
    assert result.returncode == 0, result.stdout + result.stderr
    assert forms(published) == set(FORMATS)
    page = BeautifulSoup(published.page("02_b"), "html.parser").find(id="figur-egen")
    assert "Egne tal" in page.text
    assert not page.find_all("a", string="Kilde til tallene")
    assert (published.report / "data" / "figur_egen.csv").read_text(
        encoding="utf-8-sig"
    ) == "værdi;tid\n1,5;2023\n2,5;2024\n"


@pytest.mark.long
def test_a_form_that_cannot_be_made_is_told_and_leaves_the_rest(published, tmp_path):
    assert run(published, "--format", "pdf").returncode == 0
    printed = (published.report / FORMATS["pdf"]).read_bytes()
    published.section("01_a", PUBLISH.format(name="01_a", text="anden udgave"))
    blocked = tmp_path / "blocked" / "weasyprint"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text(NO_PANGO, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(blocked.parent), os.environ.get("PYTHONPATH", "")]))
    result = run(published, PYTHONPATH=path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "pdf was not made: " in result.stdout
    assert "libpango-1.0-0" in result.stdout
    assert forms(published) == set(FORMATS)
    assert (published.report / FORMATS["pdf"]).read_bytes() == printed
    assert older(published) == {"pdf"}
    manifest = json.loads((published.report / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"] is False
    assert published.litter() == []

    result = run(published)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (published.report / FORMATS["pdf"]).read_bytes() != printed
    assert older(published) == set()


@pytest.mark.long
def test_no_process_outlives_a_killed_run(published):
    environment = os.environ | {"NOEGLETAL_ROOT": str(published.root)}
    command = published.command("--force", formats=[])
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        started = psutil.Process(driver.pid)
        writing = []
        while len(writing) < len(FORMATS):
            assert driver.poll() is None, "the run ended before it wrote the forms"
            children = started.children(recursive=True)
            writing = [child for child in children if "spawn_main" in " ".join(words_of(child))]
        driver.kill()
    assert psutil.wait_procs(writing, timeout=60)[1] == []


def words_of(process):
    """The command line of a process; nothing of one that has just ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_an_unknown_form_is_refused_with_those_there_are(project):
    result = run(project, "--format", "word")
    assert result.returncode == 2
    assert "'site'" in result.stderr
    assert "'workbook'" in result.stderr
