"""Forks of the templates: what is filled in, what is refused, and that every template runs for any kind of area."""

import datetime
import os
import re
import shutil

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, noegletal
from nbclient import NotebookClient

from analysis import catalogue, herberg
from analysis.errors import InputError
from analysis.herberg import sliders as what_if
from analysis.section import Section
from noegletal.runner import fork as forks
from noegletal.runner.parameters import declared_parameters
from warmkernel.engine import KERNEL_ENVIRONMENT, choose, client_options
from warmkernel.sockets import kernel_transport

DAY = datetime.date(2026, 3, 9)
SLIDERS = "herberg_hvad_nu_hvis"
# Of each template how many figures and tables it shows, and what it says of København and of hovedstaden.
GROWTH = "væksten i København fra 2020 til 2024 er nr. ", "tallet er højere end i 2020 i "
SHOWN = {
    "kommune_mod_gruppe": (1, 1, (" gennemsnittet.", "ingen plads i rækken")),
    "landkort": (1, 0, ("København er nr. ", " af 29 kommuner i hovedstaden er tallet højere end på landsplan")),
    "sammenhaeng": (1, 0, (" i København højere end linjen", "En ret linje forklarer ")),
    "tom": (1, 0, ("I 2024 var tallet ", "I 2024 var tallet ")),
    "udvikling_over_tid": (2, 1, ("tilfældige udsving fra år til år", "tilfældige udsving fra år til år")),
    "vaekst_blandt_kommunerne": (1, 1, GROWTH),
}
TEMPLATES = sorted([SLIDERS, *SHOWN])


def fork(folder, title="Botilbud på Ærø", template="udvikling_over_tid", area="koebenhavn", edition="2025", today=DAY):
    return forks.new_analysis(title, template, area, edition, folder, today)


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_the_templates_there_are():
    assert list(forks.templates()) == TEMPLATES


def test_each_template_says_what_it_is_for_and_the_command_lists_it():
    result = noegletal("new", "--list")
    assert result.returncode == 0, result.stderr
    lines = [line.strip() for line in result.stdout.splitlines()]
    for name, purpose in forks.templates().items():
        assert purpose.startswith("Hv")
        assert 40 < len(purpose) < 140
        assert re.search(rf"^{name} +{re.escape(purpose)}$", "\n".join(lines), re.M)


def test_without_a_template_an_analysis_is_empty(project):
    result = noegletal("new", "Min egen", "--area", "Fanø", NOEGLETAL_ROOT=str(project))
    assert result.returncode == 0, result.stderr
    (made,) = (project / "adhoc").glob("*-min-egen.ipynb")
    assert "for Fanø ud fra skabelonen `tom`" in cells(made, "markdown")[0].source
    refused = noegletal("new", "Min egen", "--area", "Fanø", "-t", "landkrot", NOEGLETAL_ROOT=str(project))
    assert refused.returncode == 1
    assert "'landkrot' does not exist; did you mean landkort? (there are herberg_" in refused.stderr


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_fork_is_the_template_with_title_date_and_parameters(tmp_path, template):
    made = fork(tmp_path / "adhoc", template=template)
    assert made == tmp_path / "adhoc" / "2026-03-09-botilbud-paa-aeroe.ipynb"
    source = ROOT / "notebooks" / "templates" / f"{template}.ipynb"
    before, after = nbformat.read(source, as_version=4), nbformat.read(made, as_version=4)
    nbformat.validate(after)
    assert after.metadata == before.metadata
    assert after.cells[0].source.startswith(
        f"# Botilbud på Ærø\n\nOprettet 9. marts 2026 for København ud fra skabelonen `{template}`.\n\nHv"
    )
    expected = declared_parameters(source)
    assert declared_parameters(made) == expected | {"edition": (str, "2025"), "area": (str, "101")}
    changed = [new.source for old, new in zip(before.cells, after.cells, strict=True) if old.source != new.source]
    assert len(changed) == 3, "the heading, the parameters and the cell that opens the analysis"
    assert 'section.adhoc("Botilbud på Ærø", edition, area)' in changed[2]
    assert made.read_bytes().endswith(b"}\n")


def test_what_an_earlier_run_left_is_stripped(tmp_path, monkeypatch):
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "reference").symlink_to(ROOT / "data" / "reference")
    (project / "editions").symlink_to(ROOT / "editions")
    shutil.copytree(ROOT / "notebooks" / "templates", project / "notebooks" / "templates")
    path = project / "notebooks" / "templates" / "udvikling_over_tid.ipynb"
    run = nbformat.read(path, as_version=4)
    for position, cell in enumerate(cell for cell in run.cells if cell.cell_type == "code"):
        cell.execution_count = position + 1
        cell.outputs = [nbformat.v4.new_output("stream", text="gammelt")]
        cell.metadata["execution"] = {"iopub.status.idle": "2026-03-09T08:00:00Z"}
    run.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    parameters = next(cell for cell in run.cells if cell.metadata.get("tags"))
    parameters.source = (
        '# æøå\nthreshold: int = 5\narea: str = (\n    "hovedstaden"\n)  # kommune\nedition: str = "2025"'
    )
    nbformat.write(run, path)
    (path.parent / ".ipynb_checkpoints").mkdir()
    shutil.copy(path, path.parent / ".ipynb_checkpoints" / "udvikling_over_tid-checkpoint.ipynb")
    monkeypatch.setenv("NOEGLETAL_ROOT", str(project))
    made = fork(project / "adhoc", area="Ærø")
    assert all(not cell.outputs and cell.execution_count is None for cell in cells(made, "code"))
    assert not any("execution" in cell.metadata for cell in cells(made, "code"))
    assert "widgets" not in nbformat.read(made, as_version=4).metadata
    assert list(forks.templates()) == TEMPLATES
    assert cells(made, "code")[0].source == (
        '# æøå\nthreshold: int = 5\narea: str = (\n    "492"\n)  # kommune\nedition: str = "2025"'
    )
    parameters.source = 'edition: str = "2025"'
    nbformat.write(run, path)
    with pytest.raises(InputError, match="udvikling_over_tid.ipynb has no parameter 'area'"):
        fork(project / "adhoc", title="En anden")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../x", "x"),
        ("/etc/passwd", "etc-passwd"),
        ("..\\..\\x", "x"),
        ("Hvor mange bor på § 107?", "hvor-mange-bor-paa-107"),
        ("Æblegrød\nog  Århus é", "aeblegroed-og-aarhus-e"),
        ("A\u030arhus", "aarhus"),
        ("CON", "con"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_title_cannot_leave_the_folder(tmp_path, title, name):
    folder = tmp_path / "adhoc"
    made = fork(folder, title=title)
    assert made.parent == folder
    assert made.name == f"2026-03-09-{name}.ipynb"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [made]
    assert cells(made, "markdown")[0].source.splitlines()[0] == "# " + " ".join(title.split())


def test_a_title_with_quotes_stays_text(tmp_path):
    made = fork(tmp_path, title='"); import os #')
    assert 'section.adhoc("\\"); import os #", edition, area)' in cells(made, "code")[1].source


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"title": ""}, "title '' has no letter or digit"),
        ({"title": " \n"}, "title '' has no letter or digit"),
        ({"title": "../.."}, r"title '../..' has no letter or digit"),
        (
            {"template": "udvikling"},
            r"template 'udvikling' does not exist; did you mean udvikling_over_tid\? \(there are herberg_",
        ),
        ({"template": "../01_udgifter"}, "template '../01_udgifter' does not exist"),
        ({"area": "Kjøbenhavn"}, "area 'Kjøbenhavn' is not known; nearest names: København"),
        ({"edition": "2052"}, "edition '2052' does not exist; editions/ has: "),
    ],
)
def test_what_is_refused_leaves_no_file(tmp_path, choice, message):
    with pytest.raises(InputError, match=message):
        fork(tmp_path / "adhoc", **choice)
    assert not (tmp_path / "adhoc").exists()


def test_nothing_is_overwritten(tmp_path):
    made = fork(tmp_path)
    made.write_text("mit arbejde", encoding="utf-8")
    with pytest.raises(InputError, match="2026-03-09-botilbud-paa-aeroe.ipynb already exists; choose another title"):
        fork(tmp_path, area="hovedstaden")
    assert made.read_text(encoding="utf-8") == "mit arbejde"
    assert fork(tmp_path, today=datetime.date(2026, 3, 10)).is_file()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "adhoc").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match="cannot write .*adhoc"):
        fork(tmp_path / "adhoc")


def test_the_date_is_that_of_today_unless_given(tmp_path):
    assert fork(tmp_path, today=None).name.startswith(datetime.date.today().isoformat())


@pytest.mark.parametrize(
    ("indicator", "values", "unit"),
    [
        ("expenditure", [2e9, 1e6], (1e9, "mia. kr.", 2)),
        ("expenditure", [337_421, 374_000], (1.0, "kr.", 0)),
        ("expenditure_per_capita", [5906.0], (1.0, "kr.", 0)),
        ("children_supported_share", [3.6], (1.0, "pct.", 1)),
        ("children_notified_per_1000", [92.3], (1.0, "pr. 1.000", 1)),
    ],
)
def test_units_that_read_well(indicator, values, unit):
    assert catalogue.shown_unit(indicator, pd.Series(values, dtype=float)) == unit


def test_what_adds_up():
    assert catalogue.adds_up("expenditure")
    assert catalogue.adds_up("population")
    assert not catalogue.adds_up("expenditure_per_capita")
    assert not catalogue.adds_up("children_supported_share")


# Real runs from adhoc/, as in a colleague's JupyterLab: only the working folder says where the project is.


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "data").mkdir()
    (root / "data" / "reference").symlink_to(ROOT / "data" / "reference")
    for name in ("editions", "notebooks"):
        (root / name).symlink_to(ROOT / name)
    return root


def run_fork(project, processed, template, area):
    """A fork that was run from adhoc/."""
    made = fork(project / "adhoc", title=f"Prøve {template} {area}", template=template, area=area)
    environment = {name: value for name, value in os.environ.items() if name != "NOEGLETAL_ROOT"}
    environment |= {"NOEGLETAL_PROCESSED": str(processed), "NOEGLETAL_PUBLISH": str(project / "published")}
    notebook = nbformat.read(made, as_version=4)
    with kernel_transport() as transport:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=200,
            shutdown_kernel="immediate",
            resources={"metadata": {"path": str(made.parent)}},
            **client_options(choose("auto"), transport),
        )
        client.execute(env=environment | KERNEL_ENVIRONMENT)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    return notebook


@pytest.mark.parametrize("area", ["koebenhavn", pytest.param("hovedstaden", marks=pytest.mark.long)])
@pytest.mark.parametrize("template", list(SHOWN))
def test_a_fork_runs_from_the_adhoc_folder(project, measured, template, area):
    notebook = run_fork(project, measured, template, area)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} == {"display_data"}, "no warnings and no stray results"
    shown = "".join(output.data["text/html"] for output in outputs)
    figures, tables, verdicts = SHOWN[template]
    assert shown.count('<img alt="') == figures
    # Each figure has its numbers folded beside it.
    assert shown.count("<table") == tables + figures
    # Whatever has rows can be taken along.
    assert shown.count('href="data:text/csv;base64,') >= figures + tables
    assert {"koebenhavn": "København", "hovedstaden": "Hovedstaden"}[area].casefold() in shown.casefold()
    for part in ('class="definitions"', 'class="caveats"', 'class="provenance"', "Prøve"):
        assert part in shown
    for stray in (" nan", "None", "uden opgjort ændring"):
        assert stray not in shown
    found = " ".join(part.text for part in BeautifulSoup(shown, "lxml").select("figcaption, p.finding"))
    assert verdicts[area == "hovedstaden"] in found.replace("\u00a0", " ")
    assert not (project / "published").exists(), "an analysis outside the report stores nothing"


@pytest.mark.long
def test_the_fork_with_sliders_shows_them_with_their_figures(project, processed):
    notebook = run_fork(project, processed, SLIDERS, "esbjerg")
    kinds = [set(output.data) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("application/vnd.jupyter.widget-view+json" in kind for kind in kinds) == 1
    state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    sliders = {
        model["state"]["description"]: model["state"]["value"]
        for model in state
        if model["model_name"] in ("FloatSliderModel", "IntSliderModel")
    }
    assert sliders["Målbelægning, pct."] == 92
    drawn = "".join(str(model["state"]["outputs"]) for model in state if model["model_name"] == "OutputModel")
    assert "KKR Syddanmark har brug for" in drawn
    assert drawn.count("<img alt=") == 2


def test_a_slider_moves_the_need_and_the_spread(processed, monkeypatch):
    monkeypatch.setenv("NOEGLETAL_PROCESSED", str(processed))
    said = []
    monkeypatch.setattr(what_if, "display", lambda shown: said.append(shown.data))
    box = what_if.shelter_sliders(herberg.model(Section("", "2025", "esbjerg")))
    controls = {control.description: control for control in box.children[:-1]}
    before = list(said)
    controls["Målbelægning, pct."].value = 70
    assert said[-4] != before[-4], "fewer places taken: more are needed"
    controls["Mindst i hver klynge"].value = controls["Mindst i hver klynge"].max
    controls["Pladser i alt"].value = 10
    assert said[-1].endswith("flere end 10 i alt.</p>"), said[-1]
