"""The data package of an edition: valid, the same figures, protected as they are, and what is wrong with it is seen."""

import json
import shutil

import pandas as pd
import pytest
from frictionless import Package
from test_folders import refused, untouched  # noqa: F401 - a fixture

from analysis.rows import KEYS
from noegletal.publish.datapackage import CSV, write_datapackage

AREAS = ["563"]


@pytest.fixture(scope="module")
def small(processed, edition, tmp_path_factory):
    """The build with a few areas only: validation looks at every cell of every file."""
    folder = tmp_path_factory.mktemp("small")
    table = pd.read_parquet(processed / "key_figures.parquet")
    table = table[table["area_code"].isin(AREAS)].reset_index(drop=True)
    table.to_parquet(folder / "key_figures.parquet", index=False)
    shutil.copyfile(processed / "sources.json", folder / "sources.json")
    return folder


@pytest.fixture
def package(small, edition, tmp_path):
    return write_datapackage(edition, small, tmp_path / "out")


def problems(package):
    report = Package(str(package)).validate()
    return {task.name: [error.type for error in task.errors] for task in report.tasks if task.errors}


def test_the_package_is_valid_and_says_what_it_holds(package, edition):
    assert problems(package) == {}
    described = json.loads(package.read_text(encoding="utf-8"))
    assert described["licenses"][0]["name"] == "CC-BY-4.0"
    assert any("REGK100" in source["title"] and "reconstruction" in source["title"] for source in described["sources"])
    fields = described["resources"][0]["schema"]["fields"]
    assert all(field["description"] for field in fields)
    assert next(field for field in fields if field["name"] == "unit")["constraints"]["enum"]
    assert described["title"] == edition.title


def test_the_figures_are_those_of_the_build(package, small):
    built = pd.read_parquet(small / "key_figures.parquet")
    text = [name for name in built.columns if name not in ("year", "value", "coverage")]
    read = pd.read_csv(
        package.parent / CSV, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values={"value": [""]}
    )
    pd.testing.assert_frame_equal(read, built, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(package.parent / "key_figures.parquet"), built)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: [*lines, lines[-1]], "primary-key"),
        (lambda lines: [*lines[:-1], lines[-1].replace("final", "rigtigt")], "constraint-error"),
        (lambda lines: [*lines[:-1], lines[-1].replace(lines[-1].split(",")[6], "mange")], "type-error"),
        (lambda lines: [*lines[:-1], "ukendt" + lines[-1]], "foreign-key"),
    ],
    ids=["a row twice", "an unknown status", "a text for a number", "an indicator nobody described"],
)
def test_what_is_wrong_is_seen(package, change, expected):
    path = package.parent / CSV
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")
    assert expected in problems(package)["key_figures"]


def test_a_suppressed_figure_has_no_value_anywhere(small, edition, tmp_path):
    table = pd.read_parquet(small / "key_figures.parquet")
    hidden = table.index[table["indicator"] == "placements"][:3]
    table.loc[hidden, ["value", "status"]] = [float("nan"), "suppressed"]
    folder = tmp_path / "processed"
    shutil.copytree(small, folder)
    table.to_parquet(folder / "key_figures.parquet", index=False)
    package = write_datapackage(edition, folder, tmp_path / "out")
    assert problems(package) == {}
    read = pd.read_csv(package.parent / CSV, dtype=str, keep_default_na=False)
    assert (read.loc[read["status"] == "suppressed", "value"] == "").sum() == len(hidden)
    assert not read[KEYS].duplicated().any()


def test_a_package_that_cannot_be_put_in_place(package, small, edition, tmp_path, refused):
    (package.parent / "notes.txt").write_text("mine", encoding="utf-8")
    untouched(package.parent, refused, lambda: write_datapackage(edition, small, tmp_path / "out"))
