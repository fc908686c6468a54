"""A dress rehearsal of the next report year: from `edition new` to the report; what is late arrives one by one."""

import hashlib
import re
import threading
from contextlib import contextmanager

import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import noegletal, present
from next_year import (
    AMOUNT,
    FUNCTION,
    LATE_AREA,
    LATE_TABLE,
    NEW,
    NEW_AGE,
    PRICES,
    YEAR,
    last_year,
    late,
    late_municipality,
    lines_of,
    this_year,
)
from small_edition import MUNICIPALITIES, NAME
from statbank_server import StatBank, a_day_later
from test_fetch import HASTE

from analysis import areas
from noegletal.sources import statbank

AREA = "hovedstaden"
SECTIONS = ("00_datagrundlag", "02_boern_og_unge", "06_enhedspriser_og_modtagere")
NOT_OUT = (LATE_TABLE, PRICES)
# Of the tables that are fetched, those that come before the network goes.
TABLES, TABLES_BEFORE = 11, 3
CELL = ["indicator", "area_code", "category", "year"]


class NewYear:
    """The small edition of the year after, begun by command, and a StatBank whose tables come out one by one."""

    def __init__(self, small, bank, whole):
        self.small, self.bank, self.whole = small, bank, whole
        self.raw = small.root / "data" / "raw" / YEAR
        self.report = small.root / "reports" / YEAR / AREA

    def run(self, name, *more, edition=YEAR):
        return noegletal(name, "--edition", edition, *more, NOEGLETAL_ROOT=self.small.root)

    def done(self, name, *more, **facts):
        result = self.run(name, *more, **facts)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def fetch(self, *more):
        return self.run("fetch", "--url", self.bank.url, *more)

    def arrives(self, name):
        """A table is out, or whole: it is fetched, and everything else is as it was."""
        self.bank.tables[name] = a_day_later(self.whole[name])
        return self.done("fetch", "--url", self.bank.url, "--table", name)

    def build(self):
        return self.done("build")

    def figures(self, edition=YEAR):
        table = pd.read_parquet(self.small.root / "data" / "processed" / edition / "key_figures.parquet")
        return table[table["variant"] == "standard"].set_index(CELL)

    def figure(self, indicator, area, category, year=int(YEAR)):
        return self.figures().loc[(indicator, area, category, year)]

    def accept_the_absent(self):
        """Declare that the source has no accounts of the municipality yet, as the rule says to."""
        self.small.declare(
            "quality.yml", lambda text: text.replace("{REGK100: {}", f'{{REGK100: {{"{LATE_AREA}": [{YEAR}]}}')
        )

    def make(self, *forms):
        """A report of a few sections in these forms."""
        only = [option for section in SECTIONS for option in ("--only", section)]
        chosen = [option for form in forms for option in ("--format", form)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warmkernel.engine.stop", lambda: None)
            return self.done("report", "--area", AREA, *only, *chosen)

    def text(self, section):
        page = BeautifulSoup((self.report / f"{section}.html").read_text(encoding="utf-8"), "html.parser")
        for tag in page.find_all(["style", "script", "pre"]):
            tag.decompose()
        return re.sub(r"\s+", " ", page.get_text(" "))


@contextmanager
def begun(small):
    """Last year's edition fetched and built, and the new one begun, of which not everything is out."""
    whole = this_year(small)
    out = whole | {name: late(whole[name]) for name in NOT_OUT}
    out["REGK100"] = late_municipality(whole["REGK100"])
    with StatBank(last_year(small)) as bank:
        year = NewYear(small, bank, whole)
        year.done("fetch", "--url", bank.url, edition=NAME)
        made = noegletal("edition", "new", YEAR, NOEGLETAL_ROOT=small.root)
        assert made.returncode == 0, made.stderr
        bank.tables.update(out)
        yield year


@pytest.fixture
def new_year(small):
    with begun(small) as year:
        yield year


def test_a_new_year_begins_with_what_is_out(new_year):
    first = new_year.fetch()
    told = re.sub(r"\s+", " ", first.stdout)
    assert first.returncode == 1
    for name in NOT_OUT:
        assert f"{name} failed: {name} has no {YEAR} in StatBank yet (it holds 2022 to {NAME})" in told
    assert told.count(" failed: ") == 2 and told.count(" changed") == 9
    assert not list(new_year.raw.glob(f"{LATE_TABLE}.*"))
    new_year.accept_the_absent()
    built = new_year.build()
    code = f"Funktion 5.28.21 gruppering {NEW} er ny i kontoplanen ({YEAR}, "
    amount = f"{AMOUNT * (len(MUNICIPALITIES) - 1) // 1000}.000 t.kr. i alt)"
    assert code + amount in built
    assert f"DAEK-02 {LATE_TABLE}: {LATE_TABLE} findes ikke" in built
    quality = new_year.done("quality")
    assert f"DAEK-01 REGK100: {areas.name(LATE_AREA)} mangler i {YEAR}" in quality and "0 FATAL, 0 ERROR" in quality
    # What is not there is said to be missing, and nothing of it is a zero.
    assert set(new_year.figure("expenditure", LATE_AREA, "i_alt")["status"]) == {"missing"}
    partial = new_year.figure("expenditure", AREA, "aflastning")
    assert partial["status"] == "partial" and areas.name(LATE_AREA) in partial["note"]
    assert "stoettende_indsatser" not in new_year.figures().loc["recipients"].index.get_level_values("category")
    assert str(NEW_AGE) in {line.split(";")[2] for line in lines_of(new_year.raw, "FOLK1A")}
    review = re.sub(r"\s+", " ", noegletal("edition", "review", YEAR, NOEGLETAL_ROOT=new_year.small.root).stdout)
    assert f"{FUNCTION},{NEW},boern_og_unge,aflastning,,{YEAR},,,Aflastning i plejefamilier,REGK100 {YEAR}," in review
    assert " renamed 5.28.21 006 Aflastningsfamilier Aflastning i plejefamilie " in review
    # The revised row of a year that both editions have, and what it changes.
    told = diffed(NAME, "nu", new_year)
    assert "REGK100 statbank 2348 2633 1" in told
    assert "expenditure_current Bornholm Børn og unge: aflastning 2024" in told


def diffed(before, after, new_year):
    result = noegletal(
        "diff", before, after, "--edition", YEAR, "--area", "Bornholm", NOEGLETAL_ROOT=new_year.small.root
    )
    assert result.returncode == 0, result.stderr
    return re.sub(r"\s+", " ", result.stdout)


@pytest.mark.long
def test_what_is_late_arrives_one_by_one(new_year):
    new_year.fetch()
    # The accounts are not whole until somebody has said that they cannot be.
    refused = new_year.run("build")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert f"DAEK-05 REGK100: {areas.name(LATE_AREA)} mangler i {YEAR}." in refused.stderr
    assert not (new_year.small.root / "data" / "processed" / YEAR).exists()
    new_year.accept_the_absent()
    forms = ("site", "slides", "workbook", "data", *(["pdf"] if present("pango") else []))
    told = new_year.make(*forms)
    assert f"{len(SECTIONS)} sections done, 0 failed" in told
    made = {path.suffix for path in new_year.report.iterdir()}
    assert made >= {".html", ".pptx", ".xlsx", *([".pdf"] if present("pango") else [])}
    for section in SECTIONS[1:]:
        text = new_year.text(section)
        assert f"uden {areas.name(LATE_AREA)}" in text and "Foreløbig. Der mangler endnu" in text
    checked = new_year.run("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    before = new_year.figures()

    # A row for the new grouping from the new year on.
    row = f"{FUNCTION},{NEW},boern_og_unge,aflastning,,{YEAR},,,,,\n"
    new_year.small.declare("accounts.csv", lambda text: text + row)
    assert "er ny i kontoplanen" not in new_year.build()
    after = new_year.figures()
    grown = (after["value"] - before["value"]).sort_index().loc[("expenditure_current", "101", "aflastning")]
    assert grown.to_dict() == {2023: 0, int(NAME): 0, int(YEAR): AMOUNT * 1000}

    # The municipality.
    new_year.arrives("REGK100")
    new_year.build()
    whole = new_year.figure("expenditure", AREA, "aflastning")
    assert whole["status"] != "partial" and whole["value"] > partial_value(after)

    # The table.
    new_year.arrives(LATE_TABLE)
    new_year.build()
    assert "stoettende_indsatser" in new_year.figures().loc["recipients"].index.get_level_values("category")

    # The price index: figures in fixed prices are no longer assumed.
    said = re.sub(r"\s+", " ", new_year.arrives(PRICES))
    assert f"{PRICES} 2023-{YEAR}" in said
    new_year.build()
    index = pd.read_parquet(new_year.small.root / "data" / "processed" / YEAR / "facts" / "price_index.parquet")
    assert set(index.loc[index["year"].between(2023, int(YEAR)), "status"]) == {"published"}
    assert "sections done, 0 failed" in new_year.make("site")
    for section in SECTIONS[1:]:
        text = new_year.text(section)
        assert areas.name(LATE_AREA) not in text and "prisindekset)" not in text
    assert "nothing changed" in new_year.make("site")


def partial_value(figures):
    return figures.loc[("expenditure", AREA, "aflastning", int(YEAR)), "value"]


def test_a_network_that_goes_half_way_leaves_whole_tables_and_the_next_fetch_goes_on(new_year, monkeypatch):
    bank, met, stopping = new_year.bank, new_year.bank.met_by, []

    def met_until_gone(asked):
        if not stopping and [one.path for one in bank.requests].count("/data") == TABLES_BEFORE:
            stopping.append(threading.Thread(target=bank.stop))
            stopping[0].start()
            bank.stopping.wait()
        return met(asked)

    bank.requests.clear()
    monkeypatch.setattr(bank, "met_by", met_until_gone)
    monkeypatch.setattr(statbank, "Patience", lambda: HASTE)
    first = new_year.fetch()
    stopping[0].join()
    said = first.stdout + first.stderr
    assert first.returncode == 1 and "Traceback" not in said
    assert re.sub(r"\s+", " ", said).count("failed: no connection to ") == TABLES - TABLES_BEFORE
    there = {path.name: path.read_bytes() for path in new_year.raw.iterdir() if path.is_file()}
    assert len(there) == 2 * TABLES_BEFORE
    for path in new_year.raw.glob("*.yml"):
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert facts["sha256"] == hashlib.sha256(there[f"{path.stem}.csv.gz"]).hexdigest()
    bank.start()
    bank.requests.clear()
    again = re.sub(r"\s+", " ", new_year.fetch().stdout)
    out = TABLES - len(NOT_OUT)
    assert again.count(" unchanged since") == TABLES_BEFORE and again.count(" changed ") == out - TABLES_BEFORE
    asked = [one.table for one in bank.requests if one.path == "/data"]
    assert len(asked) == out - TABLES_BEFORE, "what has come is not asked for twice"
    assert {name: (new_year.raw / name).read_bytes() for name in there} == there
