"""What tests share on disk: made once, and again whenever it could be another."""

import threading

import artefacts
import pytest
from artefacts import MADE_BY, MADE_FROM, made_from, untouched


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Keeps one artefact under a key, and counts how often it was made."""
    monkeypatch.setattr(artefacts, "FOLDER", tmp_path)
    made = []

    def kept(key="a"):
        def make(folder):
            made.append(key)
            (folder / "processed").mkdir()
            (folder / "processed" / "fact").write_text("1", encoding="ascii")

        monkeypatch.setattr(artefacts, "KEY", key)
        monkeypatch.setattr(artefacts, "made_from", lambda: key)
        return artefacts.kept.__wrapped__("one", make)

    kept.made = made
    return kept


def test_it_is_made_once(shelf):
    assert (shelf() / "processed" / "fact").read_text(encoding="ascii") == "1"
    assert shelf() == shelf()
    assert shelf.made == ["a"]


def test_workers_that_ask_at_once_make_it_once(shelf):
    asking = [threading.Thread(target=shelf) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert shelf.made == ["a"]


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("2", encoding="ascii")])
def test_what_a_test_spoilt_is_seen_and_made_again(shelf, spoil):
    folder = shelf()
    spoil(folder / "processed" / "fact")
    assert not untouched(folder)
    assert untouched(shelf())
    assert shelf.made == ["a", "a"]


def test_what_was_not_made_to_its_end_is_not_taken_for_made(shelf, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(artefacts, "checksum", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            shelf()
    assert untouched(shelf())
    assert shelf.made == ["a", "a"]


def test_what_changed_meanwhile_is_not_kept(shelf, monkeypatch):
    with pytest.raises(AssertionError, match="changed while the tests ran"), monkeypatch.context() as patch:
        patch.setattr(artefacts, "KEY", "b")
        patch.setattr(artefacts, "made_from", lambda: "c")
        artefacts.kept.__wrapped__("one", lambda folder: None)
    assert not list(artefacts.FOLDER.glob("*.sha256"))


def test_it_is_made_anew_from_something_else_and_old_ones_go(shelf):
    folders = [shelf(key) for key in "abc"]
    assert shelf.made == ["a", "b", "c"]
    assert [folder.is_dir() for folder in folders] == [False, True, True]


@pytest.mark.parametrize("name", [*MADE_FROM, *(f"tests/{name}" for name in MADE_BY)])
def test_everything_that_it_is_made_from_counts(tmp_path, name):
    path = tmp_path / name
    path = path if path.suffix else path / "part" / "file"
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = {made_from(tmp_path)}
    for content in ("1", "2"):
        path.write_text(content, encoding="ascii")
        seen.add(made_from(tmp_path))
    path.rename(path.with_name(f"other{path.suffix}"))
    seen.add(made_from(tmp_path))
    assert len(seen) == (4 if path.parent.name == "part" else 3), "a file that is gone is as one that never was"


@pytest.mark.parametrize("name", ["__pycache__", ".ipynb_checkpoints", "processed"])
def test_what_runs_leave_does_not_count(tmp_path, name):
    before = made_from(tmp_path)
    (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data" / name / "left").touch()
    assert made_from(tmp_path) == before


def test_settings_of_whoever_runs_the_tests_count(tmp_path, monkeypatch):
    before = made_from(tmp_path)
    monkeypatch.setenv("NOEGLETAL_ENGINE", "stock")
    assert made_from(tmp_path) != before
