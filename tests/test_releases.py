"""What was released stays what it was: the digest of key figures in the repository, frozen folders, and their proof."""

import json
import os
import re
import shutil

import pandas as pd
import pytest
import yaml
from conftest import ROOT, noegletal
from small_edition import NAME

from analysis.edition import load_edition, project_root, raw_folder
from analysis.errors import DeclaredError, InputError
from noegletal.figures.freshness import whole_digest
from noegletal.publish.datapackage import write_datapackage
from noegletal.review import released
from noegletal.runner import release
from noegletal.runner.release import CONTENTS, MADE_FROM, REPORTS, REVISED

# --- the digest


def test_the_key_figures_are_those_released(edition, processed):
    """The gate: who changes a figure declares it with `noegletal digest --reason`."""
    found = released.compared(edition, raw_folder(edition.name), processed)
    assert found is not None
    assert found.figures.to_dict("records") == [], f"changed: {found.files}"


def digest(small, *more):
    return noegletal("digest", *more, NOEGLETAL_ROOT=project_root())


@pytest.fixture
def declared(small):
    done = digest(small, "--reason", "Første udgivelse")
    assert done.returncode == 0, done.stderr
    return small


def test_figures_that_were_never_released_are_no_difference(small):
    done = digest(small)
    assert done.returncode == 0
    assert "has been released: --reason declares" in done.stdout
    assert released.compared(small.edition, small.raw, small.processed) is None


def test_what_was_declared_is_released(declared):
    done = digest(declared)
    assert done.returncode == 0, done.stdout
    assert "are those released" in done.stdout
    table, record = released.released(declared.edition)
    assert list(table) == released.COLUMNS
    assert [change.reason for change in record.changes] == ["Første udgivelse"]
    figures = declared.figures
    one = figures.query("indicator == 'expenditure' and area_code == '101' and year == 2024")
    (line,) = table.query("indicator == 'expenditure' and area_code == '101' and year == 2024").to_dict("records")
    assert line["figures"] == len(one)
    assert line["sum"] == pytest.approx(one["value"].sum(), rel=1e-8)


@pytest.mark.parametrize(
    ("file", "before", "after", "indicator"),
    [
        ("price_index.csv", None, None, "expenditure"),
        (
            "accounts.csv",
            "52822,005,boern_og_unge,netvaerksfamilier,",
            "52822,005,boern_og_unge,opholdssteder,",
            "expenditure",
        ),
    ],
)
def test_a_typo_that_no_range_catches_is_found(declared, file, before, after, indicator):
    path = declared.reference / file
    text = path.read_text("utf-8")
    if before is None:
        # The last digit of a price.
        index = pd.read_csv(path, dtype=str)
        row = index[(index["year"] == "2023")].iloc[0]
        before, after = row["value"], str(round(float(row["value"]) + 0.0006, 6))
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    done = digest(declared)
    assert done.returncode == 1
    assert f"reference/{file}" in done.stdout
    assert indicator in done.stdout
    assert "--reason" in done.stderr
    built = noegletal("build", NOEGLETAL_ROOT=project_root())
    assert f"others than those released (changed: reference/{file})" in built.stdout
    told = digest(declared, "--reason", "Rettet efter kontoplanen")
    assert told.returncode == 0, told.stderr
    assert digest(declared).returncode == 0
    record = released.released(declared.edition)[1]
    assert [change.reason for change in record.changes] == ["Første udgivelse", "Rettet efter kontoplanen"]
    assert f"reference/{file}" in record.changes[-1].changed


def test_a_status_is_part_of_a_figure_and_noise_of_a_machine_is_not(small):
    figures = small.figures
    known = released.digested(figures)
    # On the middle between two figures of seven digits, as sums of decimals are.
    middle = figures.assign(value=figures["value"].where(figures["value"].isna(), 11608.835))
    for exact in (figures, middle):
        for noise in (1 + 1e-14, 1 - 1e-14):
            noisy = exact.assign(value=exact["value"] * noise).sample(frac=1, random_state=1)
            assert released.digested(noisy)["digest"].equals(released.digested(exact)["digest"])
    other = figures.copy()
    place = other.index[other["indicator"] == "recipients"][0]
    other.loc[place, ["value", "status"]] = [float("nan"), "suppressed"]
    changed = released.digested(other)
    assert (changed["digest"] != known["digest"]).sum() == 1
    zero = figures.assign(value=figures["value"] * 0.0)
    assert released.digested(zero.assign(value=-zero["value"]))["digest"].equals(released.digested(zero)["digest"])


def test_an_indicator_that_is_new_differs_from_nothing_and_is_held_once_declared(declared):
    table = released.folder() / f"{declared.name}.csv"
    figures = pd.read_csv(table, dtype=str)
    table.write_text(figures[figures["indicator"] != "unit_cost"].to_csv(index=False), "utf-8")
    done = digest(declared)
    assert done.returncode == 0 and "Not released yet, and held once declared with --reason: unit_cost" in done.stdout
    assert digest(declared, "--reason", "Et nyt tal").returncode == 0
    assert "Not released yet" not in digest(declared).stdout
    assert released.released(declared.edition)[0].shape == figures.shape


def test_a_definition_that_changes_no_figure_is_no_difference(declared):
    path = declared.reference / "labels.yml"
    path.write_text(path.read_text("utf-8") + "# En bemærkning.\n", "utf-8")
    assert digest(declared).returncode == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda table, record: table.unlink(), "has no 2024.csv"),
        (lambda table, record: record.unlink(), "has no 2024.yml"),
        (lambda table, record: table.write_text("a,b\n1,2\n"), "2024.csv has other columns"),
        (lambda table, record: record.write_text("made_from: {}\nchanges: []\n"), "2024.yml"),
    ],
)
def test_a_spoiled_digest_is_one_error(declared, spoil, said):
    table, record = (released.folder() / f"{declared.name}{ending}" for ending in (".csv", ".yml"))
    spoil(table, record)
    done = digest(declared)
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_a_digest_that_a_merge_left_in_two_is_declared_anew(declared):
    table = released.folder() / f"{declared.name}.csv"
    sound = table.read_text("utf-8")
    first, second, *others = sound.splitlines()
    one, another = second.split(","), second.split(",")
    one[4], another[-1] = "abc", "00000000"
    marked = [first, "<<<<<<< HEAD", ",".join(one), "=======", ",".join(another), ">>>>>>> other", *others]
    table.write_text("\n".join(marked) + "\n", "utf-8")
    done = digest(declared)
    assert done.returncode == 1
    assert done.stderr.startswith("Take the change back, or declare it")
    assert digest(declared, "--reason", "Flettet").returncode == 0
    assert table.read_text("utf-8") == sound


def test_a_reason_is_needed_and_used_up(declared):
    with pytest.raises(InputError, match="needs a reason"):
        released.declare(declared.edition, declared.raw, declared.processed, "  ")
    done = digest(declared, "--reason", "igen")
    assert done.returncode == 1
    assert "nothing to declare" in done.stderr


# --- releases


class Released:
    def __init__(self, project):
        self.project, self.folder = project, project.root / "releases"

    def __call__(self, name, *more):
        places = ("--releases", self.folder)
        if name == "release":
            places += ("--raw", self.project.raw, "--processed", self.project.processed, "--out", self.project.out)
        return noegletal(name, *more, *places, NOEGLETAL_ROOT=str(self.project.root))


@pytest.fixture(scope="module")
def whole(template, tmp_path_factory):
    """A project with a report in every form, released."""
    from small_projects import Project

    root = tmp_path_factory.mktemp("released") / "project"
    shutil.copytree(template.root, root, symlinks=True)
    shutil.copytree(template.processed, root / "data" / "processed" / "2025")
    project = Project(root, root / "data" / "processed" / "2025")
    early = Released(project)("release")
    assert early.returncode == 1
    assert "run `noegletal report --edition 2025" in early.stderr
    assert not (root / "releases").exists()
    result = project.run_process(formats=())
    assert result.returncode == 0, result.stdout + result.stderr
    done = Released(project)("release")
    assert done.returncode == 0, done.stderr
    return Released(project)


@pytest.fixture
def made(whole, tmp_path):
    """A copy of it, to touch."""
    from small_projects import Project

    root = tmp_path / "project"
    shutil.copytree(whole.project.root, root, symlinks=True)
    return Released(Project(root, root / "data" / "processed" / "2025"))


@pytest.mark.long
@pytest.mark.needs("pango")
def test_a_release_holds_all_and_is_proved(whole):
    folder = whole.folder / "2025-1"
    report = folder / REPORTS / "hovedstaden"
    names = ["index.html", "rapport.pdf", "rapport.pptx", "noegletal.xlsx", "manifest.json"]
    assert [name for name in names if not (report / name).is_file()] == []
    for name in ("datapakke/key_figures.parquet", f"{MADE_FROM}/2025.yml", f"{MADE_FROM}/raw/REGK100.yml", REVISED):
        assert (folder / name).is_file(), name
    assert (folder / MADE_FROM / "reference" / "accounts.csv").is_file()
    assert not os.access(folder / CONTENTS, os.W_OK) or os.geteuid() == 0
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o444}
    proof = whole("verify")
    assert proof.returncode == 0, proof.stderr
    assert f"2025-1: all {len(json.loads((folder / CONTENTS).read_text('utf-8'))['files'])} files" in proof.stdout


def touched(path, text):
    path.chmod(0o644)
    path.write_text(text, "utf-8")


@pytest.mark.long
@pytest.mark.needs("pango")
def test_a_folder_that_was_touched_is_found(made):
    folder = made.folder / "2025-1"
    page = folder / REPORTS / "hovedstaden" / "index.html"
    sound = page.read_text("utf-8")
    touched(page, sound + " ")
    assert f"altered: {REPORTS}/hovedstaden/index.html" in made("verify", "2025-1").stderr
    touched(page, sound)
    assert made("verify", "2025-1").returncode == 0
    (folder / "mere.txt").write_text("x", "utf-8")
    assert "added: mere.txt" in made("verify").stderr
    (folder / "mere.txt").unlink()
    pdf = folder / REPORTS / "hovedstaden" / "rapport.pdf"
    kept = pdf.read_bytes()
    pdf.unlink()
    assert f"missing: {REPORTS}/hovedstaden/rapport.pdf" in made("verify").stderr
    aside = pdf.with_name("andet.pdf")
    aside.write_bytes(kept)
    pdf.symlink_to(aside)
    said = made("verify").stderr
    assert f"altered: {REPORTS}/hovedstaden/rapport.pdf" in said and "added: rapporter/hovedstaden/andet.pdf" in said
    aside.unlink()
    assert f"altered: {REPORTS}/hovedstaden/rapport.pdf" in made("verify").stderr, "also one that leads nowhere"
    pdf.unlink()
    pdf.write_bytes(kept)
    # Who edits a file and the list of contents too is found by the line in the repository.
    contents = json.loads((folder / CONTENTS).read_text("utf-8"))
    touched(folder / CONTENTS, json.dumps(contents | {"title": "En anden titel"}))
    assert f"{CONTENTS} is not the one that data/released/releases.yml lists" in made("verify").stderr
    touched(folder / CONTENTS, "{}")
    refused = made("verify")
    assert "cannot be read" in refused.stderr and refused.stderr.count("\n") == 1
    assert "there is no release '2025-7'" in made("verify", "2025-7").stderr or refused.returncode == 1


@pytest.mark.long
@pytest.mark.needs("pango")
def test_a_later_release_says_what_was_revised_and_touches_no_other(made):
    first = made.folder / "2025-1"
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    figures = pd.read_parquet(first / "datapakke" / "key_figures.parquet")
    # As if the data had been others the first time.
    place = figures.index[(figures["indicator"] == "recipients") & figures["value"].gt(10)][0]
    figures.loc[place, "value"] += 7
    package = first / "datapakke" / "key_figures.parquet"
    package.chmod(0o644)
    figures.to_parquet(package, index=False)
    refused = made("release")
    assert refused.returncode == 1 and not (made.folder / "2025-2").exists()
    assert "release 2025-1 was touched; altered: datapakke/key_figures.parquet" in refused.stderr
    contents = json.loads((first / CONTENTS).read_text("utf-8"))
    contents["files"]["datapakke/key_figures.parquet"] = whole_digest(package)
    touched(first / CONTENTS, json.dumps(contents | {"price_level": contents["price_level"] - 1}))
    listed = made.project.root / "data" / "released" / "releases.yml"
    listed.write_text(yaml.safe_dump({"2025-1": whole_digest(first / CONTENTS)}), "utf-8")
    before[first / CONTENTS] = (first / CONTENTS).read_bytes()
    done = made("release")
    assert done.returncode == 0, done.stderr
    price = contents["price_level"]
    assert f"Since 2025-1, which is in {price - 1}-pl and not in {price}-pl: 1 revised" in done.stdout
    revised = pd.read_csv(made.folder / "2025-2" / REVISED)
    assert revised[["indicator", "change"]].to_dict("records") == [{"indicator": "recipients", "change": -7.0}]
    now = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    assert [path.name for path in now if path != package and now[path] != before[path]] == []
    assert made("verify").returncode == 0
    assert made("verify", "2025-1").returncode == 0


@pytest.mark.long
@pytest.mark.needs("pango")
def test_what_is_stale_deviates_or_lacks_is_not_released(made):
    report = made.project.report
    kept = list(made.folder.iterdir())
    pdf = report / "rapport.pdf"
    aside = pdf.read_bytes()
    pdf.unlink()
    assert "rapport.pdf: run `noegletal report --edition 2025 --area hovedstaden`" in made("release").stderr
    pdf.write_bytes(aside)
    assert "there is no report of Fanø: run `noegletal report" in made("release", "--area", "Fanø").stderr
    manifest = report / "manifest.json"
    declared = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps(declared | {"deviating": ["T1-01"]}), "utf-8")
    assert "printed numbers deviate (T1-01)" in made("release").stderr
    manifest.write_text(json.dumps(declared), "utf-8")
    places = ("--raw", made.project.raw, "--processed", made.project.processed)
    told = noegletal("digest", "--reason", "Udgivet", *places, NOEGLETAL_ROOT=str(made.project.root))
    assert told.returncode == 0, told.stderr
    digest_file = made.project.root / "data" / "released" / "2025.csv"
    digest_file.write_text(re.sub(r"[0-9a-f]{8}\n", "00000000\n", digest_file.read_text("utf-8"), count=1), "utf-8")
    assert "1 sums are others than those released" in made("release").stderr
    digest_file.unlink()
    digest_file.with_suffix(".yml").unlink()
    edition = yaml.safe_load(made.project.edition.read_text("utf-8"))
    made.project.edition.write_text(yaml.safe_dump(edition | {"coverage": 0.7}), "utf-8")
    assert "the key figures are stale" in made("release").stderr
    assert list(made.folder.iterdir()) == kept, "nothing half-written"


@pytest.fixture
def freeze(small, tmp_path, monkeypatch):
    """Freezes a report that is a page, as if it were whole and up to date: what of a release is not about reports."""
    report = tmp_path / "out" / small.name / "hovedstaden"
    report.mkdir(parents=True)
    (report / "index.html").write_text("en side", "utf-8")
    write_datapackage(small.edition, small.processed, tmp_path / "out")
    monkeypatch.setattr(release, "_reports", lambda *given, **places: {"hovedstaden": report})
    places = {"out": tmp_path / "out", "raw": small.raw, "processed": small.processed}
    return lambda: release.freeze(small.edition, [], **places, releases=tmp_path / "releases").folder


def test_a_release_without_its_contents_is_found_and_never_overwritten(freeze):
    first, second = freeze(), freeze()
    page = second / REPORTS / "hovedstaden" / "index.html"
    touched(page, "en anden side")
    (second / CONTENTS).unlink()
    with pytest.raises(InputError, match=f"{second.name} was touched: {CONTENTS} is missing"):
        release.checked("", first.parent)
    with pytest.raises(InputError, match=f"{second.name} was touched: {CONTENTS} is missing"):
        freeze()
    assert page.read_text("utf-8") == "en anden side"
    assert sorted(path.name for path in first.parent.iterdir()) == [first.name, second.name]
    assert release.checked(first.name, first.parent).name == first.name


def test_a_release_whose_folder_is_gone_is_missed_and_its_number_is_not_used_again(freeze):
    first, second = freeze(), freeze()
    shutil.rmtree(second)
    with pytest.raises(InputError, match=f"release {second.name} is listed in .* and is not in"):
        release.checked("", first.parent)
    third = freeze()
    assert [path.name.rpartition("-")[2] for path in (first, second, third)] == ["1", "2", "3"]
    assert release.checked("", first.parent).name == third.name


def test_a_release_says_what_was_revised_in_its_contents(freeze):
    said = [json.loads((freeze() / CONTENTS).read_text("utf-8"))["revised"] for _ in range(2)]
    assert said[0].startswith("It is the first release")
    assert said[1] == f"Since {NAME}-1: no key figure differs ({REVISED})"


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n2024-1: a\n", "- a\n", "2024-1: null\n", "2024-1: a\n2024-1: b\n"])
def test_a_spoiled_list_of_releases_is_one_error(freeze, text):
    first = freeze()
    (project_root() / "data" / "released" / release.LISTED).write_text(text, "utf-8")
    with pytest.raises(DeclaredError, match=f"^{release.LISTED}: "):
        release.checked("", first.parent)


def test_without_a_release_there_is_nothing_to_prove(small, tmp_path):
    done = noegletal("verify", "--releases", tmp_path / "none", NOEGLETAL_ROOT=project_root())
    assert done.returncode == 1
    assert "holds no release: make one with `noegletal release`" in done.stderr


def test_the_digest_of_the_repository_is_of_the_edition_in_it():
    assert load_edition().name in {path.stem for path in (ROOT / "data" / "released").glob("*.csv")}
