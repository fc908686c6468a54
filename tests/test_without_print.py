"""An edition that nothing was printed of: no page of its report speaks of a printed one."""

import re

import pytest
import yaml
from conftest import noegletal
from test_incomplete import rendered

from noegletal.publish.manifest import PAGES

SOURCES = "00_datagrundlag"

# What is said of a printed report, its figures and its readings.
OF_PRINT = re.compile(
    r"trykt|tryk(?:te|t)? rapport|rapporten (?:nævner|angiver)|\bFigur \d+\b(?!\.\d)|\bTabel \d+\b(?!\.\d)",
    re.IGNORECASE,
)


def texts(html):
    """What a reader of a page sees: no code of the notebooks, no styles, no attributes but alternative texts."""
    html = re.sub(r"<(style|script|pre)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"<[^>]*?(?:alt=\"([^\"]*)\")?[^>]*>", r" \1 ", html)


@pytest.mark.long
def test_no_page_speaks_of_a_printed_report(small, tmp_path, monkeypatch):
    assert small.edition.published is None and not small.edition.printed.numbers
    # What a reconstructed file says of itself is how it was made from the printed report.
    for sidecar in small.raw.glob("*.yml"):
        facts = yaml.safe_load(sidecar.read_text(encoding="utf-8"))
        facts |= {"note": "Ikke målte tal."} if facts.get("origin") == "reconstruction" else {}
        sidecar.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8")
    result = noegletal(
        "report", "--edition", small.name, "--area", "hovedstaden", "--only", SOURCES, "--format", "site", "--raw",
        small.raw, "--processed", small.processed, "--out", tmp_path / "reports",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    pages = sorted((tmp_path / "reports" / small.name / "hovedstaden").glob("*.html"))
    assert {page.name for page in pages} == {*PAGES, f"{SOURCES}.html"}
    said = {page.name: sorted(set(OF_PRINT.findall(texts(page.read_text("utf-8"))))) for page in pages}
    # The other sections need not be made into pages for it.
    others = rendered(small, tmp_path / "out", monkeypatch, left_out=[SOURCES])
    said["others"] = sorted(set(OF_PRINT.findall(texts(str(others)))))
    assert {name: found for name, found in said.items() if found} == {}


@pytest.mark.long
def test_the_search_finds_what_the_printed_edition_says(reports):
    found = OF_PRINT.findall(texts((reports / "hovedstaden" / "02_boern_og_unge.html").read_text("utf-8")))
    assert {"Figur 5", "trykt"} <= set(found)
