"""The notebooks as analysts run them, by papermill's command and in JupyterLab: the figures are those of the report."""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import nbformat
import pytest
import websocket
from bs4 import BeautifulSoup
from conftest import ROOT, noegletal
from kernel_runs import wait_for

from analysis.areas import find_area
from analysis.edition import load_edition
from noegletal.figures.freshness import notebook_digest
from noegletal.figures.slices import Slices
from noegletal.publish.manifest import EXECUTED
from noegletal.runner.execute import Job, run
from warmkernel.engine import choose

SECTION, AREA = "01_udgifter", "Ballerup"
PROGRAMS = Path(sys.executable).parent
SECONDS = 300
# A figure of the report has a file to fall back on beside its image; a notebook run by hand has no such files.
PICTURE = re.compile(
    r'<picture>(?:<source media[^>]+>)?<source type="image/svg\+xml" srcset="([^"]+)">'
    r'<img (alt="[^"]+") src="figurer/[^"]+"></picture>'
)
# What a page has of links; by hand there is no page and no file that they could lead to.
LEADS_ON = "ul.links, details.citation, a.anchor"
IMAGE = re.compile(r' src="data:image/svg\+xml;base64,([^"]+)"')


@pytest.fixture(scope="module")
def project(processed, tmp_path_factory):
    """The repository as an analyst has it after `make report`."""
    root = tmp_path_factory.mktemp("project")
    (root / "data" / "processed").mkdir(parents=True)
    (root / "data" / "processed" / "2025").symlink_to(processed)
    (root / "data" / "reference").symlink_to(ROOT / "data" / "reference")
    (root / "editions").symlink_to(ROOT / "editions")
    shutil.copytree(ROOT / "notebooks", root / "notebooks", ignore=shutil.ignore_patterns(".*"))
    shutil.copy(ROOT / "Makefile", root)
    return root


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """What an analyst's shell has: nothing of a run of the report, and no settings of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("jupyter")
    kinds = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "RUNTIME", "DATA")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NOEGLETAL_", "JUPYTER"))}
    return inherited | kinds


@pytest.fixture(scope="module")
def in_the_report(processed, tmp_path_factory):
    """What the cells of the section show when the runner makes it."""
    folder = tmp_path_factory.mktemp("report")
    edition, code = load_edition("2025"), find_area(AREA)
    plan = edition.section(SECTION)
    Slices(edition, processed).write(plan, code, folder / "inputs")
    given = {"edition": "2025", "area": AREA.lower()}
    notebook = ROOT / "notebooks" / f"{SECTION}.ipynb"
    outcome = run(Job(plan, code, notebook, given, folder / "inputs", folder / "made", SECONDS, engine=choose("auto")))
    assert outcome.cause == ""
    return shown(nbformat.read(folder / "made" / EXECUTED, as_version=4))


def shown(notebook):
    """What each cell that shows something shows: all of its text, and the drawings in it."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} == {"display_data"}, "no warnings and no stray results"
    found = []
    for output in outputs:
        text = PICTURE.sub(r'<img \2 src="\1">', output.data["text/html"])
        found.append((IMAGE.sub("", text), [drawing(base64.b64decode(image)) for image in IMAGE.findall(text)]))
    return found


def drawing(svg):
    """What is drawn wherever it stands: the texts, and the shape, width and height of every line and area."""
    text = svg.decode("utf-8")
    lines = []
    for path in re.findall(r'<path[^>]*\sd="([^"]+)"', text):
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]
        across, down = numbers[0::2], numbers[1::2]
        lines.append((re.sub(r"[^A-Za-z]", "", path), max(across) - min(across), max(down) - min(down)))
    # The first is the sheet that it is drawn on; that of the report has room for title and source.
    return re.findall(r"<!-- (.*?) -->", text), lines[1:]


def assert_the_figures_of_the_report(notebook, report):
    by_hand = shown(notebook)
    texts = [without_links(text) for text, _ in by_hand]
    assert texts == [without_links(text) for text, _ in report], "captions, alternative texts, numbers, notes"
    assert any(has_links(text) for text, _ in report)
    assert not any(has_links(text) for text, _ in by_hand), "in JupyterLab they lead nowhere"
    captions = [caption for text in texts for caption in re.findall("<figcaption>.*?</figcaption>", text)]
    assert captions and not [caption for caption in captions if re.search(r'\S<span class="mark', caption)]
    for (text, drawn), (_, expected) in zip(by_hand, report, strict=True):
        assert [words for words, _ in drawn] == [words for words, _ in expected]
        for (_, ours), (_, theirs) in zip(drawn, expected, strict=True):
            assert [shape for shape, *_ in ours] == [shape for shape, *_ in theirs]
            assert [size for _, *size in ours] == [pytest.approx(size, abs=1e-3) for _, *size in theirs], text[:200]


def has_links(text):
    """Whether something leads to a page or a file; what is in the link itself leads nowhere."""
    return bool(re.search(r'<a [^>]*href="(?!data:text/csv)', text))


def without_links(text):
    page = BeautifulSoup(text, "html.parser")
    for part in page.select(LEADS_ON):
        part.decompose()
    for link in page("a"):
        link.unwrap()
    return re.sub(r"\s+", " ", str(page)).replace("> <", "><")


def test_there_is_something_to_compare(in_the_report):
    outputs = load_edition("2025").section(SECTION).outputs
    # Figures 1-4 of the print, and figur_funktioner.
    assert sum(len(drawn) for _, drawn in in_the_report) == len(outputs) == 5
    for words, lines in (drawn for _, drawings in in_the_report for drawn in drawings):
        assert len(words) > 10
        assert len({height for _, _, height in lines}) > 10
    text = "".join(text for text, _ in in_the_report)
    # Of a municipality nothing is claimed on figures that are not measured: the title is what is shown.
    assert "Udgifter i faste priser, 2020-2024" in text
    assert text.count('<details class="data">') == 5


@pytest.mark.long
def test_papermill_by_hand_gives_the_figures_of_the_report(project, environment, in_the_report, tmp_path):
    out = tmp_path / "OUT.ipynb"
    result = subprocess.run(
        [PROGRAMS / "papermill", f"notebooks/{SECTION}.ipynb", out, "-p", "area", AREA],
        cwd=project, env=environment, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert_the_figures_of_the_report(nbformat.read(out, as_version=4), in_the_report)


class Lab:
    """JupyterLab as `make lab` starts it, and what its page in a browser would ask of it."""

    def __init__(self, project, environment):
        settings = {"open_browser": False, "allow_root": True, "ip": "localhost", "port": 0}
        token = uuid.uuid4().hex
        written = {"ServerApp": settings, "IdentityProvider": {"token": token}}
        for kind in ("CONFIG", "RUNTIME"):
            Path(environment[f"JUPYTER_{kind}_DIR"]).mkdir()
        (Path(environment["JUPYTER_CONFIG_DIR"]) / "jupyter_server_config.json").write_text(json.dumps(written))
        self.log = Path(environment["JUPYTER_RUNTIME_DIR"]) / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                # The environment of the tests is there already: it is not set up once more.
                ["make", "--old-file=.venv/.installed", "lab", f"BIN={PROGRAMS}"],
                cwd=project, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(lambda: self.answers(self.log.parent) or self.process.poll() is not None, SECONDS)
        assert self.process.poll() is None, self.log.read_text()
        self.web = httpx.Client(base_url=self.url, headers={"Authorization": f"token {token}"}, timeout=SECONDS)

    def answers(self, folder):
        """Whether the server has said where it is, and answers there."""
        for path in folder.glob("jpserver-*.json"):
            with contextlib.suppress(json.JSONDecodeError, httpx.TransportError):
                self.url = json.loads(path.read_text())["url"]
                return httpx.get(f"{self.url}api").is_success
        return False

    def ask(self, method, path, **more):
        answer = self.web.request(method, f"api/{path}", **more)
        assert answer.is_success, f"{path}: {answer.text}\n{self.log.read_text()}"
        return answer.json() if answer.content else None

    def listed(self, folder):
        return [entry["path"] for entry in self.ask("GET", f"contents/{folder}")["content"]]

    def opened(self, path):
        return nbformat.from_dict(self.ask("GET", f"contents/{path}", params={"type": "notebook"})["content"])

    def run_all(self, path, notebook):
        """Run every code cell in a kernel that the server starts for the notebook, and put in what they show."""
        asked = {"path": path, "type": "notebook", "name": path, "kernel": notebook.metadata.kernelspec}
        session = self.ask("POST", "sessions", json=asked)
        address = f"{self.url.replace('http', 'ws', 1)}api/kernels/{session['kernel']['id']}/channels"
        token = f"Authorization: {self.web.headers['Authorization']}"
        channels = websocket.create_connection(address, header=[token], timeout=SECONDS)
        try:
            for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
                cell.execution_count, cell.outputs = execute(channels, cell.source)
        finally:
            channels.close()
            self.ask("DELETE", f"sessions/{session['id']}")

    def save(self, path, notebook):
        """Save as its page does: the file, and a checkpoint of it."""
        self.ask("PUT", f"contents/{path}", json={"type": "notebook", "content": notebook})
        self.ask("POST", f"contents/{path}/checkpoints")

    def stop(self):
        self.web.close()
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(timeout=60)


def execute(channels, code):
    """The number and the outputs of a cell, when it is through; an error in it is one."""
    number = uuid.uuid4().hex
    header = {"msg_id": number, "msg_type": "execute_request", "session": "test", "username": "", "version": "5.4"}
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    channels.send(json.dumps(request))
    outputs, count, idle = [], None, False
    while count is None or not idle:
        message = nbformat.from_dict(json.loads(channels.recv()))
        if message.parent_header.get("msg_id") != number:
            continue
        match message.header.msg_type:
            case "execute_reply":
                assert message.content.status == "ok", message.content
                count = message.content.execution_count
            case "status":
                idle = message.content.execution_state == "idle"
            case "display_data" | "execute_result" | "stream" | "error":
                outputs.append(nbformat.v4.output_from_msg(message))
    return count, outputs


@pytest.fixture(scope="module")
def lab(project, environment):
    started = Lab(project, environment)
    yield started
    started.stop()


@pytest.mark.long
def test_run_all_in_jupyterlab_gives_the_figures_of_the_report_and_saving_makes_nothing_stale(
    project, lab, in_the_report
):
    path = f"notebooks/{SECTION}.ipynb"
    assert path in lab.listed("notebooks")
    notebook = lab.opened(path)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    as_it_was = parameters.source
    parameters.source = as_it_was.replace('"hovedstaden"', f'"{AREA}"')
    lab.run_all(path, notebook)
    assert_the_figures_of_the_report(notebook, in_the_report)
    lab.save(path, notebook)
    assert notebook_digest(project / path) != notebook_digest(ROOT / path), "another area is a change"
    parameters.source = as_it_was
    lab.save(path, notebook)
    assert (project / "notebooks" / ".ipynb_checkpoints" / f"{SECTION}-checkpoint.ipynb").is_file()
    assert lab.opened(path).cells[-1].outputs
    assert notebook_digest(project / path) == notebook_digest(ROOT / path)


@pytest.mark.long
def test_a_fork_opens_in_jupyterlab(project, lab):
    made = noegletal(
        "new", "Prøve i JupyterLab", "--template", "kommune_mod_gruppe", "--area", AREA, NOEGLETAL_ROOT=str(project)
    )
    assert made.returncode == 0, made.stderr
    (path,) = lab.listed("adhoc")
    assert path.endswith("-proeve-i-jupyterlab.ipynb")
    opened = lab.opened(path)
    assert opened.cells[0].source.startswith("# Prøve i JupyterLab\n")
    # The heading, parameters and the cell that finds the project and its key figures from the folder that it lies in.
    opened.cells = [cell for cell in opened.cells if cell.cell_type == "code"][:2]
    opened.cells.append(nbformat.v4.new_code_cell("print(len(afsnit.key_figures) > 0, afsnit._processed)"))
    lab.run_all(path, opened)
    assert opened.cells[-1].outputs[0].text == f"True {project / 'data' / 'processed' / '2025'}\n"
