"""The benchmarks do what they say at the smallest size, and their ratios come from the seconds measured."""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from conftest import ROOT
from rich.console import Console

sys.path.insert(0, str(ROOT / "benchmarks"))

import plain_code
import report_results
import report_runs
import watched
from report_results import CALLS, CODE, MIB, RERUN, STOCK, WARM, Measurement

pytestmark = pytest.mark.long
NOTEBOOK = "00_datagrundlag"


def printed(table):
    console = Console(width=200, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="the warm engine forks on Linux only")
def test_one_section_of_one_area_is_measured_every_way(edition, processed, tmp_path):
    # A report keeps its comparison with print beside the key figures.
    bench = report_runs.Bench(edition, [NOTEBOOK], shutil.copytree(processed, tmp_path / "processed"), tmp_path)
    home = (edition.home_area,)
    # The stock engine takes the same way as the warm one.
    steps = [report_runs.Step(variant, 1, home) for variant in (CALLS, WARM, RERUN, CODE)]

    runs = report_runs.measure(bench, steps, 1, Console(quiet=True))

    assert [run.variant for run in runs] == [CALLS, WARM, RERUN, CODE]
    assert all(run.seconds > 0 and run.processor > 0 and run.peak > 0 for run in runs)
    assert [run.notebooks for run in runs] == [1, 1, 0, 1]
    assert json.loads(json.dumps([asdict(run) for run in runs]))[0]["each"] == runs[0].each
    found = {ratio.name: ratio for ratio in report_results.ratios(runs, cores=2)}
    calls, warm, rerun, code = (run.seconds for run in runs)
    assert found["(a) / (c), 1 area"].values == [calls / warm]
    assert found["(c) / ((d) / 2 cores), 1 area"].values == [warm / (code / 2)]
    assert found["nothing changed, 1 area, s"].values == [rerun]
    shown = printed(report_results.ratios_table(list(found.values()), 1))
    assert f"{calls / warm:.1f}" in shown
    assert f"{warm / (code / 2):.2f}" in shown

    # What a run should have made and has not is no measurement.
    folder = tmp_path / "1" / "2025" / "hovedstaden"
    report_runs.require_report(bench, folder)
    (folder / "data" / "tabel_kilder.csv").unlink()
    with pytest.raises(watched.RunFailedError, match=r"hovedstaden lacks data/tabel_kilder\.csv"):
        report_runs.require_report(bench, folder)


def made_up(warm_98=200.0):
    """Two rounds of every variant; the second is twice as slow, as if something else ran on the machine."""
    rows = [
        (CALLS, 1, 1, 72.0), (STOCK, 1, 1, 20.0), (WARM, 1, 1, 8.0), (CODE, 1, 1, 9.0),
        (CALLS, 29, 3, 180.0), (STOCK, 29, 3, 30.0), (WARM, 29, 29, 64.0), (RERUN, 29, 29, 0.5), (CODE, 29, 29, 90.0),
        (WARM, 98, 98, warm_98),
    ]  # fmt: skip
    return [
        Measurement(turn, variant, size, areas, 0 if variant == RERUN else areas * 9, factor * took, took, 700 * MIB)
        for turn, factor in enumerate((1, 2))
        for variant, size, areas, took in rows
    ]


def test_ratios_are_formed_within_a_round_and_scaled_by_notebooks():
    found = {ratio.name: ratio for ratio in report_results.ratios(made_up(), cores=2)}

    assert found["(a) / (c), 29 areas"].values == pytest.approx([180 * 29 / 3 / 64] * 2)
    assert found["(a) / (c), 98 areas"].values == pytest.approx([180 * 98 / 3 / 200] * 2)
    assert found["(b) / (c), 29 areas"].median == pytest.approx(30 * 29 / 3 / 64)
    assert found["(c) / ((d) / 2 cores), 29 areas"].median == pytest.approx(64 / 45)
    assert found["one more notebook with (c), 1 to 29 areas, s"].values == pytest.approx([56 / 252, 112 / 252])
    assert found["the same, last step / first step"].median == pytest.approx((136 / 621) / (56 / 252))
    assert found["nothing changed, 29 areas, s"].median == 0.75
    assert found["peak memory of (c), MiB"].values == [700]
    assert all(ratio.met for ratio in found.values())
    assert not any("shared" in name for name in found)

    # 60 of the 180 s went on what the three areas share.
    sharing = [replace(run, shared=run.seconds / 3) if run.variant == CALLS else run for run in made_up()]
    found = {ratio.name: ratio for ratio in report_results.ratios(sharing, cores=2)}
    assert found["the same, if (a) shared too, 29 areas"].median == pytest.approx((120 * 29 / 3 + 60 / 3) / 64)


def test_a_target_that_is_missed_is_named():
    found = report_results.ratios(made_up(warm_98=400.0), cores=2)

    assert [ratio.name for ratio in found if not ratio.met] == ["the same, last step / first step"]
    assert "missed" in printed(report_results.ratios_table(found, 2))
    assert "missed" not in printed(report_results.ratios_table(report_results.ratios(made_up(), cores=2), 2))


def test_what_is_scaled_says_so():
    runs = made_up()

    shown = printed(report_results.times_table(runs, "t"))
    assert f"~{180 * 29 / 3 * 1.5:,.0f}" in shown
    assert "~96.0" not in shown
    assert report_results.scaling(runs)[0].startswith(
        "~ (a) papermill, nbconvert was run on 3 of 29 areas (54 notebooks"
    )
    assert report_results.scaling([run for run in runs if run.size == 1]) == []


def test_the_sample_lies_spread_over_the_areas(edition):
    assert report_runs.evenly_spread(tuple("abcdefghi"), 3) == ("b", "e", "h")
    calls = [step for step in report_runs.steps(edition, full=False) if step.variant == CALLS]
    assert [(step.size, len(step.areas)) for step in calls] == [(1, 1), (29, 3)]
    full = [step for step in report_runs.steps(edition, full=True) if step.variant == CALLS]
    assert [(step.size, len(step.areas)) for step in full] == [(1, 1), (29, 29)]


def test_memory_is_that_of_a_process_and_what_it_started():
    child = "held = bytearray(64 << 20); print('ready', flush=True); input()"
    command = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert watched.held(process.pid) > 64 << 20
        process.communicate("\n")


def test_a_command_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(watched.RunFailedError, match="ended with 3"):
        watched.run([sys.executable, "-c", "raise SystemExit(3)"], {}, tmp_path, tmp_path / "log")


def test_a_run_with_nothing_to_do_must_do_nothing():
    said = "Hovedstaden: nothing changed since it was made: x\nKøbenhavn: 9 sections done"
    report_runs.require_untouched(said.splitlines()[0], 1)
    with pytest.raises(watched.RunFailedError, match="1 of 2 reports were made again"):
        report_runs.require_untouched(said, 2)


def test_a_report_that_built_key_figures_too_is_no_measurement(edition, tmp_path):
    bench = report_runs.Bench(edition, [NOTEBOOK], tmp_path, tmp_path)
    record = tmp_path / "build.json"
    record.touch()
    built = bench.built
    report_runs.require_same_build(bench, built)
    os.utime(record, ns=(built + 1_000_000_000, built + 1_000_000_000))
    with pytest.raises(watched.RunFailedError, match="built again"):
        report_runs.require_same_build(bench, built)


def test_code_that_publishes_nothing_is_found_out(edition, tmp_path):
    plan = edition.section(NOTEBOOK)
    assert "data/tabel_kilder.csv" in plain_code.missing(plan, tmp_path)
