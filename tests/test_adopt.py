"""An ad-hoc notebook becomes a section: what is kept, written and refused, and that its report is made."""

import shutil

import nbformat
import pytest
import yaml
from conftest import ROOT, noegletal

from analysis import areas
from analysis.edition import load_edition
from analysis.errors import InputError
from noegletal.runner import adopt, fork
from noegletal.runner.notebook_rules import faults

COMMENTED = """  # Herberg hører til KKR.
  - notebook: 08_herberg_kapacitet  # sidst
    title: "Herberg: kapacitet"
    outputs:
      - figur_herberg_pladser
      # Skal med.
      - tabel_herberg_resume
# Efter det sidste.
"""


@pytest.fixture
def desk(small):
    """The small edition with notebooks of its own."""
    (small.root / "notebooks").unlink()
    shutil.copytree(ROOT / "notebooks", small.root / "notebooks")
    return small


def forked(desk, template="tom", title="Botilbud i hovedstaden", area="hovedstaden"):
    return fork.new_analysis(title, template, area, desk.name, desk.root / "adhoc")


def changed(path, change):
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)
    return path


def everything(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and "processed" not in path.parts}


def used(notebook):
    """As JupyterLab leaves a notebook."""
    notebook.metadata["widgets"] = {"state": {}}
    notebook.metadata["language_info"]["version"] = "3.11.9"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = 3
            cell.outputs = [nbformat.v4.new_output("stream", text="gammelt")]
            cell.metadata["scrolled"] = True
    notebook.cells.append(nbformat.v4.new_code_cell(""))


def test_a_draft_is_cleared_and_opened_as_a_section(desk):
    source = changed(forked(desk, area="Fanø"), used)
    draft = adopt.draft_of(source, "09", "", desk.edition)
    assert (draft.section, draft.title) == ("09_botilbud_i_hovedstaden", "Botilbud i hovedstaden")
    assert faults(draft.after) == []
    code = "\n".join(cell.source for cell in draft.after.cells if cell.cell_type == "code")
    assert 'afsnit = section.Section("09_botilbud_i_hovedstaden", edition, area)' in code
    assert 'edition: str = ""  # tom: udgaven i editions/default.txt\narea: str = "hovedstaden"\n' in code
    assert draft.after.cells[0].source.startswith("# Botilbud i hovedstaden\n\nHvad er")
    assert all(cell.source for cell in draft.after.cells)
    assert adopt.draft_of(source, "09", "09_botilbud", desk.edition).section == "09_botilbud"
    assert adopt.draft_of(source, "10", "Bo & tilbud", desk.edition).section == "10_bo_tilbud"


def test_every_broken_rule_is_named_with_its_cell_and_nothing_is_written(desk):
    def spoil(notebook):
        notebook.cells[1].metadata = {}
        notebook.cells[4].source += "\nimport os\nalt = afsnit.key_figures"
        notebook.cells[5].source = "## Udgiften er steget 12 pct."
        notebook.cells.append(nbformat.v4.new_code_cell("def f(:\n    pass"))

    source = changed(forked(desk), spoil)
    count = len(nbformat.read(source, as_version=4).cells)
    with pytest.raises(InputError, match="has 0 code cells tagged `parameters`; it must have exactly one"):
        adopt.draft_of(source, "09", "", desk.edition)
    changed(source, lambda notebook: notebook.cells[1].metadata.update(tags=["parameters"]))
    before = everything(desk.root)
    result = noegletal("adopt", source, "--number", "09", NOEGLETAL_ROOT=str(desk.root))
    assert result.returncode == 1
    assert f"{source.name} breaks 5 rules of notebooks, nothing was written:" in result.stderr
    for said in (
        "cell 5: 'import os' in a cell",
        "cell 5: `.key_figures` is the whole build",
        "cell 6: a typed figure: ## Udgiften er steget 12 pct.",
        f"cell {count}: 'def' in a cell",
        f"cell {count}: not Python: ",
    ):
        assert said in result.stderr
    assert everything(desk.root) == before


def test_a_title_that_names_a_municipality_is_no_title_of_every_area(desk):
    name = areas.name(areas.municipalities()[-1])

    def entitled(notebook):
        notebook.cells[0].source = f"# Botilbud i {name}\n\nHvad er"

    with pytest.raises(InputError, match=f"cell 1: the title names {name}, but a section is made for every area"):
        adopt.draft_of(changed(forked(desk), entitled), "09", "", desk.edition)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (("4", ""), "--number '4' must be two digits"),
        (("04", ""), "number 04 is taken by section 04_underretninger"),
        (("09", "10_botilbud"), "--name '10_botilbud' must be words after the number, such as 09_botilbud"),
        (("09", "!"), "--name '!' must be words"),
    ],
)
def test_a_number_or_name_that_cannot_be_is_refused(desk, choice, message):
    with pytest.raises(InputError, match=message):
        adopt.draft_of(forked(desk), *choice, desk.edition)


def test_a_notebook_that_nobody_declared_has_its_number(desk):
    shutil.copy(desk.root / "notebooks" / "01_udgifter.ipynb", desk.root / "notebooks" / "09_gammel.ipynb")
    with pytest.raises(InputError, match="number 09 is taken by section 09_gammel"):
        adopt.draft_of(forked(desk), "09", "", desk.edition)


def test_comments_of_the_edition_file_stay_where_they_are(desk):
    text = desk.file.read_text(encoding="utf-8")
    declared = yaml.safe_load(text)
    declared["sections"] = []
    head = yaml.safe_dump(declared, allow_unicode=True).replace("sections: []", "")
    for ending in ("", "tail: 1\n"):
        written = f"# Øverst.\n{head}sections:\n{COMMENTED}{ending}".replace("tail: 1", "cell_timeout_seconds: 99")
        written = written.replace("cell_timeout_seconds: 300\n", "") if ending else written
        desk.file.write_text(written, encoding="utf-8")
        edition = load_edition(desk.name)
        plan = edition.sections[0].model_copy(update={"notebook": "09_ny", "outputs": ["figur_ny"], "title": "Æ: ø"})
        text = adopt._declared(edition, plan)
        before, _, after = text.partition("  - notebook: 09_ny\n    title: 'Æ: ø'\n    outputs: [figur_ny]\n")
        assert before + after == written
        assert before.endswith("      - tabel_herberg_resume\n")


def test_the_edition_of_the_repository_is_added_to_at_its_end(edition):
    plan = edition.sections[1].model_copy(update={"notebook": "09_ny", "outputs": ["figur_ny"]})
    text = (ROOT / "editions" / "2025.yml").read_text(encoding="utf-8")
    added = adopt._declared(edition, plan).removeprefix(text)
    assert yaml.safe_load(added) == [plan.model_dump(mode="json", exclude_defaults=True)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sections:\n", "sections: []\nsektioner:\n", "has no sections one below the other; add to its"),
        ("title: Lille udgave", "title: En anden udgave", "was changed meanwhile, or add to its sections by hand"),
    ],
)
def test_an_edition_file_that_cannot_be_added_to_is_said(desk, old, new, message):
    before = desk.edition
    text = desk.file.read_text(encoding="utf-8")
    assert old in text
    desk.file.write_text(text.replace(old, new), encoding="utf-8")
    plan = before.sections[1].model_copy(update={"notebook": "09_ny", "outputs": ["figur_ny"]})
    with pytest.raises(InputError, match=f"editions/2024.yml {message}(.|\n)*notebook: 09_ny"):
        adopt._declared(before, plan)


def test_what_cannot_be_written_leaves_nothing(desk, monkeypatch):
    draft = adopt.draft_of(forked(desk), "09", "", desk.edition)
    before = everything(desk.root)
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(InputError, match="cannot write to .*2024.yml: No space left"):
        adopt._written(draft, "nyt")
    assert everything(desk.root) == before


def adopted(desk, source, *more):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warmkernel.engine.stop", lambda: None)
        return noegletal("adopt", source, "--number", "09", *more, NOEGLETAL_ROOT=str(desk.root))


@pytest.mark.long
def test_what_does_not_run_or_publishes_what_is_there_is_refused(desk):
    before = everything(desk.root)
    source = forked(desk)

    def refused(change, said):
        changed(source, change)
        result = adopted(desk, source)
        assert result.returncode == 1 and said in result.stderr, result.stderr
        assert {path: text for path, text in everything(desk.root).items() if path != source} == before

    kept = nbformat.read(source, as_version=4)
    figure = next(place for place, cell in enumerate(kept.cells) if "figur_egen" in cell.source)
    right = kept.cells[figure].source
    refused(
        lambda notebook: notebook.cells[figure].update(source=right.replace("figur_egen", "figur_14")),
        "output figur_14 is one of 04_underretninger; rename it",
    )
    refused(lambda notebook: notebook.cells[figure].update(source="1"), "publishes no figure and no table")
    refused(lambda notebook: notebook.cells[figure].update(source="[][0]"), "IndexError: list index out of range; not")


@pytest.mark.long
def test_a_section_that_reads_more_than_it_says_is_not_proved(desk, tmp_path):
    draft = adopt.draft_of(forked(desk), "09", "", desk.edition)
    plan = desk.edition.section("04_underretninger").model_copy(
        update={"notebook": draft.section, "outputs": ["figur_egen"]}
    )
    assert "expenditure_per_capita" not in plan.reads.indicators
    trial = adopt._Trial(draft, desk.processed, "stock", tmp_path)
    with pytest.raises(InputError, match="hold no indicator expenditure_per_capita.*; nothing was written"):
        trial.prove(plan, adopt._declared(desk.edition, plan))


@pytest.mark.long
@pytest.mark.parametrize(
    ("template", "reads"),
    [
        ("tom", {"indicators": {"expenditure_per_capita": []}, "facts": ["price_index"], "records": ["findings"]}),
        ("kommune_mod_gruppe", {"indicators": {"expenditure_per_capita": ["peers", "kkr"]}}),
        ("landkort", {"indicators": {"children_supported_share": ["compared", "municipalities"]}}),
    ],
)
def test_an_adopted_section_is_made_by_the_report(desk, template, reads):
    source = changed(forked(desk, template), used)
    if "facts" in reads:
        more = nbformat.v4.new_code_cell("priser, fund = afsnit.deflators, afsnit.findings")
        changed(source, lambda notebook: notebook.cells.append(more))
    untouched = source.read_bytes()
    written = desk.file.read_text(encoding="utf-8")
    result = adopted(desk, source, "--name", "09_ny")
    assert result.returncode == 0, result.stderr
    assert "is section 09_ny of editions/2024.yml" in result.stdout
    assert source.read_bytes() == untouched
    assert desk.file.read_text(encoding="utf-8").startswith(written.rstrip("\n"))
    plan = load_edition(desk.name).section("09_ny")
    assert plan.title == "Botilbud i hovedstaden"
    assert plan.reads.model_dump(exclude_defaults=True) == reads
    assert faults(nbformat.read(desk.root / "notebooks" / "09_ny.ipynb", as_version=4)) == []
    again = adopted(desk, source)
    assert again.returncode == 1 and "number 09 is taken by section 09_ny" in again.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warmkernel.engine.stop", lambda: None)
        made = noegletal(
            "report", "--edition", desk.name, "--only", "09_ny", "--area", "Odense", "--format", "site",
            NOEGLETAL_ROOT=str(desk.root),
        )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    folder = desk.root / "reports" / desk.name / "odense"
    assert "Botilbud i hovedstaden" in (folder / "09_ny.html").read_text(encoding="utf-8")
    assert all((folder / "data" / f"{output}.csv").is_file() for output in plan.outputs)
