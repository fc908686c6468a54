"""A report of tables that lack a municipality or a year: no blank area, no word about what is not there."""

import json
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from small_edition import MUNICIPALITIES, YEARS

from analysis import areas, section
from analysis.charts.sheet import Images
from analysis.claims import CLAIMS
from analysis.edition import PROCESSED_VARIABLE, PUBLISH_VARIABLE

# Tables that may lack a municipality; the accounts and the population may not, unless the rules say whose.
TABLES = ["BU43", "UND2_PR_1000", "UND1", "UND2", "ISBU02", "ANBAAR12", "HAND05"]
WHOLE = ["REGK100", "REGK31", "FOLK1A"]
# Which municipalities are missing together: København alone, as it is half of the country's people here.
AWAY = [MUNICIPALITIES[:1], *zip(MUNICIPALITIES[1::2], MUNICIPALITIES[2::2], strict=True)]
DIAGNOSES, SHELTERS = ["07_diagnoser"], ["08_herberg_kapacitet"]
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


def rendered(small, folder, monkeypatch, area="hovedstaden", left_out=()):
    """What the sections show when their cells run here, as a page, with data and facts of their outputs in a folder.

    `claims` of the page is what became of their claims, by section.

    Charts are made, but not turned into files, which takes half the time: nothing is read of them here.
    """
    shown = []
    monkeypatch.setattr(section, "display", lambda markup: shown.append(markup.data))
    monkeypatch.setattr(section.charts, "images", lambda *_, **__: Images(b"", b"", b"", (0, 0)))
    monkeypatch.setenv(PROCESSED_VARIABLE, str(small.processed))
    monkeypatch.setenv(PUBLISH_VARIABLE, str(folder))
    claims = {}
    for plan in small.edition.sections:
        if plan.notebook in left_out:
            continue
        names = {}
        notebook = json.loads((ROOT / "notebooks" / f"{plan.notebook}.ipynb").read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), plan.notebook, "exec"), names)  # noqa: S102
            if "parameters" in cell["metadata"].get("tags", []):
                names |= {"edition": small.name, "area": area}
        assert {path.stem for path in (folder / "facts").iterdir()} >= set(plan.outputs)
        claims[plan.notebook] = json.loads((folder / CLAIMS).read_text(encoding="utf-8"))
    page = BeautifulSoup("".join(shown), "html.parser")
    page.claims = claims
    return page


def assert_no_blank_area(figures, least):
    """Above the least coverage every area has its figure, and below it none has."""
    summed = figures["area_code"].isin(areas.aggregates()) & ~figures["status"].isin(["suppressed", "not_applicable"])
    there = figures.loc[summed, "value"].notna()
    assert (there == (figures.loc[summed, "coverage"] >= least)).all()


def assert_says_nothing_of_what_is_missing(page, folder):
    """No gap within a sentence, and no direction of a figure that lacks an end."""
    said = [tag.get_text() for tag in page.select("figcaption, p.finding, .below > p")]
    wrong = [text for text in said if re.search(r"\.\.|\bnan\b|None", text)]
    assert not wrong, "\n".join(wrong)
    for path in sorted((folder / "data").glob("*.parquet")):
        title = json.loads((folder / "facts" / f"{path.stem}.json").read_text(encoding="utf-8"))["title"]
        rows = pd.read_parquet(path)
        if {"indicator", "area_code", "year", "value"} <= set(rows.columns):
            ends = rows[rows["year"].isin([rows["year"].min(), rows["year"].max()])]
            assert ends["value"].notna().any() or not DIRECTION.search(title), title


@pytest.mark.long
@pytest.mark.parametrize("turn", range(len(AWAY)))
def test_a_report_of_tables_that_lack_municipalities_and_years(small, tmp_path, monkeypatch, turn):
    """In five turns each municipality is missing from each table, in one year or in all, and each year from each table.

    Of every table others are missing in a turn.
    """
    gone = {table: AWAY[(place + turn) % len(AWAY)] for place, table in enumerate(TABLES + WHOLE)}
    for place, (table, codes) in enumerate(gone.items()):
        for code in codes:
            without(small, table, code, None if table in TABLES and place % 2 else YEARS[turn % len(YEARS)])
    exempt = {table: dict.fromkeys(gone[table], YEARS) for table in WHOLE}
    small.declare(
        "quality.yml", lambda text: re.sub(r"(?m)^  every_municipality: .*$", f"  every_municipality: {exempt}", text)
    )
    for place, table in enumerate(TABLES):
        # Some codes of HAND05 are of the last year only: without it the build is refused, as they count nobody.
        years = YEARS[:-1] if table == "HAND05" else YEARS
        # In another year than that in which some municipalities are missing, or these would not be.
        others = [year for year in years if year != YEARS[turn % len(YEARS)]]
        blank(small, table, others[(place + turn) % len(others)])
    figures, findings, _ = small.build()
    assert_no_blank_area(figures, small.edition.coverage)
    partial = figures[figures["status"] == "partial"]
    assert len(set(partial["indicator"])) >= 8
    assert partial["note"].str.contains(r" af \d kommuner .*, uden ").all()
    assert {finding.rule for finding in findings} & {"DAEK-01"}
    # Diagnoses rest on a delivery, which is whole in each turn, and herberger on that and two of the tables.
    same = [*DIAGNOSES * (turn > 0), *SHELTERS * (turn not in (0, 3))]
    page = rendered(small, tmp_path / "out", monkeypatch, left_out=same)
    assert_says_nothing_of_what_is_missing(page, tmp_path / "out")
