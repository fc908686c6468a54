"""An edition that nothing was printed of: no page of its report speaks of a printed one."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

# What is said of a printed report, its figures and its readings.
OF_PRINT = re.compile(r"trykt|tryk(?:te|t)? rapport|rapporten (?:nævner|angiver)|\bFigur \d|\bTabel \d", re.IGNORECASE)


def texts(page):
    """What a reader of a page sees: no code of the notebooks, no styles, no attributes but alternative texts."""
    html = re.sub(r"<(style|script|pre)\b.*?</\1>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"<[^>]*?(?:alt=\"([^\"]*)\")?[^>]*>", r" \1 ", html)


@pytest.fixture(scope="module")
def unprinted(tmp_path_factory):
    root = tmp_path_factory.mktemp("unprinted")
    shutil.copytree(ROOT / "data" / "reference", root / "data" / "reference")
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    edition = yaml.safe_load((ROOT / "editions" / "2025.yml").read_text(encoding="utf-8"))
    (root / "data" / "reference" / "published" / edition.pop("published")).unlink()
    assert edition.pop("printed")["numbers"], "its figures have numbers there"
    raw = shutil.copytree(ROOT / "data" / "raw" / "2025", root / "raw")
    # What a reconstructed file says of itself is how it was made from the printed report.
    for sidecar in raw.rglob("*.yml"):
        facts = yaml.safe_load(sidecar.read_text(encoding="utf-8"))
        facts |= {"note": "Ikke målte tal."} if facts.get("origin") == "reconstruction" else {}
        sidecar.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8")
    (root / "editions").mkdir()
    (root / "editions" / "2025.yml").write_text(yaml.safe_dump(edition, allow_unicode=True), encoding="utf-8")
    command = [
        sys.executable, "-c", "from noegletal.cli import main; main()", "report", "--edition", "2025", "--raw",
        str(raw), "--processed", str(root / "processed"), "--out", str(root / "reports"),
        "--format", "site",
    ]  # fmt: skip
    run = subprocess.run(
        command, env=os.environ | {"NOEGLETAL_ROOT": str(root)}, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return root / "reports" / "2025" / "hovedstaden"


@pytest.mark.long
def test_no_page_speaks_of_a_printed_report(unprinted):
    pages = sorted(unprinted.glob("*.html"))
    assert len(pages) > len(list((ROOT / "notebooks").glob("*.ipynb")))
    said = {page.name: sorted(set(OF_PRINT.findall(texts(page)))) for page in pages}
    assert {name: found for name, found in said.items() if found} == {}


@pytest.mark.long
def test_the_search_finds_what_the_printed_edition_says(reports):
    found = OF_PRINT.findall(texts(reports / "hovedstaden" / "02_boern_og_unge.html"))
    assert {"Figur 5", "Trykt"} <= set(found)
