"""A report of tables that lack a municipality or a year: no blank area, no word about what is not there."""

import json
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import noegletal
from small_edition import MUNICIPALITIES, YEARS

from analysis import areas

# Tables that may lack a municipality; the accounts and the population may not, unless the rules say whose.
TABLES = ["BU43", "UND2_PR_1000", "UND1", "UND2", "ISBU02", "ANBAAR12", "HAND05"]
WHOLE = ["REGK100", "REGK31", "FOLK1A"]
FORMS = ["HERBERG", "HERBERG_OPHOLD", "KOMPONENT"]
DIRECTION = re.compile(r"\b(steget|faldet|uændre[dt]e?|stiger|falder)\b")


def without(small, table, code, year=None):
    """A table without the rows of a municipality, of one year or of all."""

    def change(lines):
        header = lines[0].split(";")
        area, time = 0, header.index("TID")
        cells = [line.split(";") for line in lines[1:]]
        gone = [row[area] == code and (year is None or row[time].startswith(str(year))) for row in cells]
        return [lines[0], *(line for line, out in zip(lines[1:], gone, strict=True) if not out)]

    for path in (*small.raw.glob(f"{table}.csv.gz"), *small.raw.glob(f"{table}.*.csv.gz")):
        small.change(path.name.removesuffix(".csv.gz"), change)


def blank(small, table, year):
    """A table in which nobody has a figure of a year."""

    def change(lines):
        time = lines[0].split(";").index("TID")
        return [
            f"{line.rpartition(';')[0]};.." if line.split(";")[time].startswith(str(year)) else line for line in lines
        ]

    small.change(table, change)


def report(small, tmp_path, area="hovedstaden"):
    result = noegletal(
        "report", "--edition", small.name, "--area", area, "--format", "site", "--raw", small.raw,
        "--processed", small.processed, "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return tmp_path / "out" / small.name / area


def assert_no_blank_area(figures, least):
    """Above the least coverage every area has its figure, and below it none has."""
    summed = figures["area_code"].isin(areas.aggregates()) & ~figures["status"].isin(["suppressed", "not_applicable"])
    there = figures.loc[summed, "value"].notna()
    assert (there == (figures.loc[summed, "coverage"] >= least)).all()


def assert_says_nothing_of_what_is_missing(folder):
    """No gap within a sentence, and no direction of a figure that lacks an end."""
    for path in sorted(folder.glob("[0-9]*.html")):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        said = [tag.get_text() for tag in page.select("figcaption, p.finding, .below > p")]
        assert [text for text in said if re.search(r"\.\.|\bnan\b|None", text)] == [], path.name
    sections = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["sections"].values()
    titles = {output["output"]: output["title"] for section in sections for output in section["outputs"]}
    for path in sorted((folder / "data").glob("*.parquet")):
        rows = pd.read_parquet(path)
        if {"indicator", "area_code", "year", "value"} <= set(rows.columns):
            ends = rows[rows["year"].isin([rows["year"].min(), rows["year"].max()])]
            assert ends["value"].notna().any() or not DIRECTION.search(titles[path.stem]), titles[path.stem]


@pytest.mark.long
@pytest.mark.parametrize("turn", range(len(MUNICIPALITIES)))
def test_every_area_keeps_its_figures_without_one_of_its_municipalities(small, tmp_path, turn):
    """In nine turns each municipality is missing from each table, in one year or in all: of every table another."""
    gone = {table: MUNICIPALITIES[(place + turn) % len(MUNICIPALITIES)] for place, table in enumerate(TABLES + WHOLE)}
    for place, (table, code) in enumerate(gone.items()):
        without(small, table, code, None if table in TABLES and place % 2 else YEARS[turn % len(YEARS)])
    exempt = {table: {gone[table]: YEARS} for table in WHOLE}
    small.declare(
        "quality.yml", lambda text: re.sub(r"(?m)^  every_municipality: .*$", f"  every_municipality: {exempt}", text)
    )
    if turn:
        # No report is made, and the forms are whole.
        small.without(*FORMS)
    figures, findings, _ = small.build()
    assert_no_blank_area(figures, small.edition.coverage)
    partial = figures[figures["status"] == "partial"]
    assert len(set(partial["indicator"])) >= 8
    assert partial["note"].str.contains(r" af \d kommuner .*, uden ").all()
    assert {finding.rule for finding in findings} & {"DAEK-01"}
    # Nine reports would take minutes; in which of the turns makes no difference to the sections.
    if turn == 0:
        assert_says_nothing_of_what_is_missing(report(small, tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("turn", range(len(YEARS)))
def test_no_sentence_speaks_of_a_year_that_is_missing(small, tmp_path, turn):
    """In three turns each year is missing from each table: of every table another."""
    for place, table in enumerate(TABLES):
        # Some codes of HAND05 are of the last year only: without it the build is refused, as they count nobody.
        years = YEARS[:-1] if table == "HAND05" else YEARS
        blank(small, table, years[(place + turn) % len(years)])
    if turn:
        small.without(*FORMS)
    figures, _, _ = small.build()
    assert_no_blank_area(figures, small.edition.coverage)
    if turn == 0:
        assert_says_nothing_of_what_is_missing(report(small, tmp_path))
