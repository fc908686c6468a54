"""A folder changes in one step: all or nothing, whatever stops it, and what was there is never written to."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import write_raw
from kernel_runs import wait_for

from analysis.errors import InputError
from noegletal.figures import build
from noegletal.figures.build import build_edition
from noegletal.folders import held, keep, recover, replaced, sweep, written
from noegletal.sources.sidecar import Sidecar
from noegletal.sources.snapshot import raw_files
from noegletal.sources.vintages import keep_vintage, replace_table, work_folder

BEFORE = {"a.txt": "old", "b.txt": "old", "inside/c.txt": "old"}
AFTER = {"a.txt": "new", "inside/c.txt": "old", "inside/d.txt": "new"}
# What a change does to the file system, one operation at a time.
OPERATIONS = ("os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "place" / "folder"
    for name, text in BEFORE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def changed(folder):
    with replaced(folder) as new:
        (new / "inside").mkdir()
        (new / "a.txt").write_text("new", encoding="utf-8")
        (new / "inside" / "d.txt").write_text("new", encoding="utf-8")
        keep(folder, new, lambda name: name != "b.txt")


def content(folder):
    """Every file below a folder with its bytes; None where there is no folder."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items()} if folder.is_dir() else None


def texts(folder):
    found = content(folder)
    return found and {name: data.decode() for name, data in found.items()}


def alone(folder):
    """Whether nothing lies beside a folder, and no file of it is another's too."""
    links = {path.stat().st_nlink for path in folder.rglob("*") if path.is_file()}
    return [path.name for path in folder.parent.iterdir()] == [folder.name] and links == {1}


def stopped_at(step, act, change):
    """Change in a child process where something happens before its file operation number `step`; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [step]

    def stop(event, _):
        if event in OPERATIONS:
            left[0] -= 1
            if left[0] == 0:
                act()

    sys.addaudithook(stop)
    try:
        change()
    except KeyboardInterrupt:
        os._exit(3)
    os._exit(0)


def steps(act, code, folder, change):
    """Copies of the folder as a change leaves them that is stopped at one step after the other; the last is not."""
    for step in range(1, 90):
        tried = shutil.copytree(folder, folder.with_name(f"try-{step}") / folder.name)
        came = stopped_at(step, act, lambda: change(tried))  # noqa: B023
        assert came in (code, 0)
        yield tried
        if came == 0:
            return
    raise AssertionError("the change never came to its end")


def killed():
    os._exit(7)


def interrupted():
    raise KeyboardInterrupt


def test_what_is_made_anew_comes_what_stays_stays_and_checkpoints_do_not(folder):
    copy = folder / ".ipynb_checkpoints" / "a-checkpoint.txt"
    copy.parent.mkdir()
    copy.write_text("old", encoding="utf-8")
    (folder / "inside" / "link").symlink_to("nowhere")
    folder.chmod(0o750)
    changed(folder)
    assert texts(folder) == AFTER
    assert (folder / "inside" / "link").readlink() == Path("nowhere")
    assert folder.stat().st_mode & 0o777 == 0o750
    assert alone(folder)


def test_a_killed_change_is_old_or_new_or_not_there_and_mended(folder):
    seen = []
    for tried in steps(killed, 7, folder, changed):
        seen.append(texts(tried))
        assert seen[-1] in (BEFORE, AFTER, None)
        recover(tried)
        assert texts(tried) == (BEFORE if seen[-1] == BEFORE else AFTER), "what stood between two renames is finished"
        with held(tried):
            pass
        assert alone(tried)
    assert len(seen) > 15 and BEFORE in seen and None in seen and AFTER in seen


def test_ctrl_c_anywhere_leaves_old_or_new_and_nothing_beside(folder):
    seen = []
    for tried in steps(interrupted, 3, folder, changed):
        seen.append(texts(tried))
        assert seen[-1] in (BEFORE, AFTER)
        recover(tried)
        assert texts(tried) == seen[-1]
        with held(tried):
            pass
        assert alone(tried)
    assert len(seen) > 15 and BEFORE in seen and AFTER in seen


def test_a_change_that_fails_leaves_what_was_there(folder):
    with pytest.raises(ValueError), replaced(folder) as new:
        keep(folder, new)
        raise ValueError
    assert texts(folder) == BEFORE and alone(folder)


def test_a_file_made_anew_is_never_the_old_one(folder):
    """What is written before `keep` is not linked over; what stays is the same file until the old folder is gone."""
    with pytest.raises(ValueError), replaced(folder) as new:
        assert list(new.iterdir()) == [], "nothing of the old folder to write to"
        (new / "a.txt").write_text("new", encoding="utf-8")
        keep(folder, new, lambda name: name != "b.txt")
        assert (new / "inside" / "c.txt").samefile(folder / "inside" / "c.txt")
        assert not (new / "a.txt").samefile(folder / "a.txt")
        assert not (new / "b.txt").exists()
        (new / "a.txt").write_text("newer", encoding="utf-8")
        raise ValueError
    assert texts(folder) == BEFORE


def test_a_file_system_without_links_has_copies(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    changed(folder)
    assert texts(folder) == AFTER and alone(folder)


def test_a_folder_behind_a_link_stays_behind_it(folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    changed(link)
    assert link.is_symlink() and texts(link) == AFTER and alone(folder)


def test_files_are_written_together_or_stay(tmp_path):
    first, second = tmp_path / "a.yml", tmp_path / "inside" / "b.yml"
    written({first: "æ", second: "b"})
    assert (first.read_text("utf-8"), second.read_text("utf-8")) == ("æ", "b")
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(InputError, match=r"cannot write to .*file.*; what was there before is untouched"):
        written({first: "new", second: "new", tmp_path / "file" / "c.yml": "new"})
    assert (first.read_text("utf-8"), second.read_text("utf-8")) == ("æ", "b")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.yml", "b.yml", "file", "inside"]


def test_errors_name_the_folder(folder, tmp_path):
    with pytest.raises(InputError, match=rf"cannot write to {folder}: No space left .*untouched"), replaced(folder):
        raise OSError(28, "No space left on device")
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with (
        pytest.raises(InputError, match="cannot write to .*file/folder: .*untouched"),
        replaced(tmp_path / "file/folder"),
    ):
        pass


def added(folder, number):
    with replaced(folder) as new:
        keep(folder, new)
        (new / f"{number}.txt").write_text("new", encoding="utf-8")


def test_changes_at_once_wait_for_each_other(folder):
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=added, args=(folder, number)) for number in range(8)]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [0] * 8
    assert set(texts(folder)) == {*BEFORE, *(f"{number}.txt" for number in range(8))}
    assert alone(folder)


def test_one_that_does_not_wait_is_told(folder):
    told = pytest.raises(InputError, match=f"another command is changing {folder}; wait for it to end")
    with elsewhere_held(folder), told, held(folder, wait=False):
        pass
    with held(folder), held(folder, wait=False):
        assert folder.with_name(".folder.lock").exists(), "what is held already may be held again"
    assert alone(folder)


def test_outputs_of_killed_sections_go_and_those_of_others_stay(folder):
    names = [f".folder.{process}.staging.x" for process in (2**22 + 1, os.getppid())]
    for name in names:
        (folder.parent / name).mkdir()
    sweep(folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == [names[1], "folder"]
    sweep(folder.with_name("other") / "none")


# Whoever changes a folder: it fails at the last moment, and not a byte of what was there is another.


@pytest.fixture
def refused(monkeypatch):
    """The last rename of every change fails."""
    rename = Path.rename

    def refuse(path, target):
        if path.name.endswith(".new"):
            raise OSError(28, "No space left on device")
        return rename(path, target)

    return lambda: monkeypatch.setattr(Path, "rename", refuse)


def untouched(folder, refused, change):
    before = content(folder)
    assert before
    refused()
    with pytest.raises(InputError, match=rf"cannot write to {folder}: No space left on device; .*untouched"):
        change()
    assert content(folder) == before and {path.stat().st_nlink for path in folder.rglob("*.*")} <= {1, 2}


def test_a_build_that_cannot_be_put_in_place(tiny_raw, edition, tmp_path, refused):
    out = tmp_path / "out"
    for name in ("facts/placements.parquet", "vintages/2025-01-01/key_figures.parquet", "notes.txt", "build.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("of an earlier build", encoding="utf-8")
    build_edition(edition, tiny_raw, out)
    assert not (out / "facts" / "placements.parquet").exists(), "of a table that is no longer there"
    for name in ("vintages/2025-01-01/key_figures.parquet", "notes.txt"):
        assert (out / name).read_text(encoding="utf-8") == "of an earlier build"
    assert json.loads((out / "build.json").read_text(encoding="utf-8"))["raw"] == str(tiny_raw)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]
    write_raw(tiny_raw, "FOLK1A", (tiny_raw / "FOLK1A.csv").read_text(encoding="utf-8").replace(";10", ";9"))
    untouched(out, refused, lambda: build_edition(edition, tiny_raw, out))


@contextmanager
def elsewhere_held(folder):
    """Another process holds a folder."""
    command = (
        "from pathlib import Path; from noegletal.folders import held\n"
        f"with held(Path({str(folder)!r})): print('held', flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    yield
    other.communicate("\n")


def test_a_vintage_and_its_edition_are_not_built_at_once(tiny_raw, edition, tmp_path, monkeypatch):
    """The folder of the edition holds that of the vintage: replaced meanwhile, half of it would be lost."""
    out, asked = tmp_path / "out", tmp_path / "asked"

    def asking(folder):
        asked.touch()
        return held(folder)

    monkeypatch.setattr(build, "held", asking)
    vintage = out / "vintages" / "2025-01-01"
    builder = multiprocessing.get_context("fork").Process(target=build_edition, args=(edition, tiny_raw, vintage))
    with elsewhere_held(out):
        builder.start()
        wait_for(asked.exists)
        builder.join(0.5)
        assert builder.is_alive() and not out.exists()
    builder.join(60)
    assert builder.exitcode == 0 and (vintage / "build.json").is_file()


@pytest.fixture
def tables(tmp_path):
    """A raw folder of two tables, one with two parts, and a staged table that is to replace both parts."""
    for stem in ("ISBU02", "ISBU02.reconstruction", "BU43"):
        write_raw(tmp_path / "raw", stem, f"OMRÅDE;INDHOLD\n{stem};1\n", suffix=".csv.gz")
    staged = work_folder(tmp_path / "raw", "ISBU02") / "staged"
    write_raw(staged, "ISBU02", "OMRÅDE;INDHOLD\nnew;1\n")
    return tmp_path / "raw"


def test_a_table_that_cannot_be_put_in_place(tables, refused):
    staged = work_folder(tables, "ISBU02") / "staged"
    before = {name: data for name, data in content(tables).items() if ".fetch" not in name}
    refused()
    with pytest.raises(InputError, match=rf"cannot write to {tables}: No space left"):
        replace_table(tables, "ISBU02", staged)
    assert {name: data for name, data in content(tables).items() if ".fetch" not in name} == before
    assert len(raw_files(tables)) == 3


def test_a_vintage_that_cannot_be_put_in_place_is_none(tables, refused):
    refused()
    with pytest.raises(InputError, match="cannot write to .*vintages/2026-11-20: No space left"):
        keep_vintage(tables, tables.parent / "vintages")
    assert list((tables.parent / "vintages").iterdir()) == []


# Sidecars


def test_a_sidecar_is_written_as_it_is_given_and_only_when_it_can_be_read(tables, tmp_path):
    facts = {"table": "BU43", "note": "Æ", "labels": {"OMRÅDE": {"101": "København"}}, "query": {}}
    facts |= {"title": "t", "source": "s", "licence": "l", "retrieved": "2026-11-20", "lang": "da", "bytes": 1}
    facts |= {"sha256": "0" * 64, "origin": "delivery", "status": "final"}
    path = tmp_path / "BU43.yml"
    assert Sidecar.write(path, facts) == Sidecar.read(path)
    assert path.read_text(encoding="utf-8").splitlines()[:4] == [
        "table: BU43", "note: Æ", "labels:", "  OMRÅDE: {'101': København}",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="origin"):
        Sidecar.write(tmp_path / "other.yml", facts | {"origin": "guess"})
    assert not (tmp_path / "other.yml").exists()


@pytest.mark.parametrize("data", [b"[1, 2]", b"a: [", b"\xff", b"table: BU43"])
def test_a_sidecar_that_is_none_is_refused_by_name(tables, data):
    (tables / "BU43.yml").write_bytes(data)
    with pytest.raises(InputError, match=r"sidecar BU43\.yml is not valid: "):
        raw_files(tables)
