import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

# See runner/execute.py: spares every test process two seconds.
sys.modules.setdefault("rfc3987_syntax", None)

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = Path(os.environ.get("NOEGLETAL_REFERENCE", ROOT.parent / "shared" / "reference"))
SIDECAR = {
    "source": "Danmarks Statistik",
    "licence": "CC BY 4.0",
    "retrieved": "2026-11-20",
    "url": "",
    "query": {},
    "lang": "da",
    "origin": "statbank",
    "status": "final",
    "note": "",
}


def write_raw(folder, stem, content, **facts):
    """A raw file with a sidecar that fits it; `content` is text or bytes, gzip when the suffix says so."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = facts.pop("suffix", ".csv")
    data = content.encode("utf-8") if isinstance(content, str) else content
    data = gzip.compress(data, mtime=0) if suffix.endswith(".gz") else data
    path = folder / f"{stem}{suffix}"
    path.write_bytes(data)
    table = stem.split(".")[0]
    sidecar = {"table": table, "title": table, **SIDECAR, **facts}
    sidecar |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / f"{stem}.yml").write_text(yaml.safe_dump(sidecar, allow_unicode=True), encoding="utf-8")
    return path


def rewrite_raw(folder, stem, change, **facts):
    """Change the lines of an embedded raw file and give it a sidecar that fits the new bytes."""
    path = folder / f"{stem}.csv.gz"
    sidecar = yaml.safe_load((folder / f"{stem}.yml").read_text(encoding="utf-8"))
    lines = change(gzip.decompress(path.read_bytes()).decode("utf-8").splitlines())
    sidecar = {key: value for key, value in sidecar.items() if key not in ("table", "title", "sha256", "bytes")}
    write_raw(folder, stem, "\n".join(lines) + "\n", suffix=".csv.gz", **{**sidecar, **facts})


@pytest.fixture(scope="session")
def edition():
    from analysis.edition import load_edition

    return load_edition("2025")


@pytest.fixture(scope="session")
def processed(edition, tmp_path_factory):
    """Facts and key figures of the embedded edition, built once."""
    from analysis.build import build_edition
    from analysis.edition import raw_folder

    folder = tmp_path_factory.mktemp("processed")
    build_edition(edition, raw_folder("2025"), folder)
    return folder


@pytest.fixture(scope="session")
def key_figures(processed):
    import pandas as pd

    return pd.read_parquet(processed / "key_figures.parquet")


@pytest.fixture
def raw(tmp_path):
    """A copy of the embedded raw folder to spoil."""
    folder = tmp_path / "raw"
    shutil.copytree(ROOT / "data" / "raw" / "2025", folder)
    return folder


@pytest.fixture
def raw_with(tmp_path):
    """Makes a copy of the embedded accounts, population and some more tables to spoil: less to build than `raw`."""

    def copied(*tables):
        folder = tmp_path / "raw"
        folder.mkdir()
        for table in ("REGK100", "REGK31", "FOLK1A", *tables):
            for path in (ROOT / "data" / "raw" / "2025").glob(f"{table}.*"):
                shutil.copy(path, folder)
        return folder

    return copied


@pytest.fixture
def tiny_raw(tmp_path):
    """A raw folder of one function and four ages for every municipality: built in a second."""
    from analysis import areas

    lines = ["OMRÅDE;FUNKTION;DRANST;EJER;GRUPPERING;ART;PRISENHED;TID;INDHOLD"]
    lines += [f"{m};52821;1;1;3;TOT;LOBM;{y};100" for m in areas.municipalities() for y in range(2020, 2025)]
    write_raw(tmp_path / "raw", "REGK100", "\n".join(lines))
    lines = ["OMRÅDE;KØN;ALDER;CIVILSTAND;TID;INDHOLD"]
    lines += [
        f"{m};TOT;{a};TOT;{y}K4;10" for m in areas.municipalities() for a in (5, 20, 40, 70) for y in range(2020, 2025)
    ]
    write_raw(tmp_path / "raw", "FOLK1A", "\n".join(lines))
    return tmp_path / "raw"


def noegletal(*arguments, **environment):
    command = [sys.executable, "-c", "from analysis.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=1200)


@pytest.fixture(scope="session")
def reports(processed, tmp_path_factory):
    """Reports of hovedstaden and of a small municipality with missing figures, made by the command."""
    folder = tmp_path_factory.mktemp("reports")
    shutil.copytree(processed, folder / "processed")
    result = noegletal(
        "report", "--edition", "2025", "--area", "hovedstaden", "--area", "Fanø",
        "--out", folder / "out", "--processed", folder / "processed",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Hovedstaden: 9 sections done, 0 failed" in result.stdout
    assert result.stderr == ""
    return folder / "out" / "2025"
