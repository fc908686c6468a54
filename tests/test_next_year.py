"""Next year, rehearsed: accounts of 2025 come to a StatBank one by one, and every step to a report is a command.

No line of code is changed on the way, no report is printed, and what is late is named until it is there.
"""

import json
import shutil
import threading
import time
from dataclasses import replace

import pandas as pd
import pytest
import yaml
from conftest import noegletal
from small_edition import NAME, looking_at
from statbank_server import StatBank, a_day_later, nglk
from test_fetch import HASTE, as_statbank

from analysis import accounts, section
from analysis.edition import load_edition
from analysis.errors import InputError
from noegletal.publish.manifest import FORMATS, PACKAGE
from noegletal.sources import statbank
from noegletal.sources.snapshot import table_shapes

LAST, YEAR = int(NAME), int(NAME) + 1
# A report is named by the year in which it is made.
BEFORE, EDITION = str(YEAR), str(YEAR + 1)
# A municipality that is late in one table, a table that is late, and ages that were not there before.
LATE, LATE_IN, LATE_TABLE = "187", "HAND05", "KRISE1"
NEW_AGE = "106"
# One grouping is new, and holds half of what another held; one is called otherwise, and so is its function.
FUNCTION, NEW, HALVED, RENAMED = "52821", "731", "006", "005"
NAMES = {HALVED: "006 Aflastning i plejefamilie", RENAMED: "005 Aflastning"}
NAMES_NOW = NAMES | {NEW: "731 Aflastning i plejefamilier", RENAMED: "005 Aflastningsordninger"}
CALLED, CALLED_NOW = "5.28.21 Forebyggelse", "5.28.21 Støtteindsatser"
RULE = f"{FUNCTION},{NEW},boern_og_unge,aflastning,,{YEAR},,,Aflastning i plejefamilier,REGK100 {YEAR},Ny\n"
REVISED = ("101", FUNCTION, "003", str(LAST))
# What a report is made of here: the section on sources, and the one that reads what is late.
SECTIONS = ("00_datagrundlag", "06_enhedspriser_og_modtagere")
DECIDED = {"decided": "ja", "date": f"{EDITION}-09-01", "by": "styregruppen"}
PRICES = {"2022": (50000, 40000), "2023": (53000, 41000), str(LAST): (56000, 42000)}


def a_year_on(table):
    """The table with the last of its accounts once more as those of the year after, and so persons on 1 January."""
    time = table.variables[-1]
    rows, periods = dict(table.rows), dict(time.values)
    for period in sorted(time.values):
        later = f"{int(period[:4]) + 1}{period[4:]}"
        if int(period[:4]) >= LAST and later not in periods:
            periods[later] = later
            rows |= {(*codes[:-1], later): value for codes, value in table.rows.items() if codes[-1] == period}
    return replace(
        table, rows=rows, variables=[*table.variables[:-1], replace(time, values=dict(sorted(periods.items())))]
    )


def labelled(table, variable, names):
    """The table with other labels of the codes it has, spelled as it spells them, and with codes it did not have."""
    own = next(one for one in table.variables if one.id == variable)
    spelled = {code.zfill(3): code for code in own.values}
    values = own.values | {spelled.get(code, code): name for code, name in names.items()}
    return replace(table, variables=[replace(one, values=values) if one is own else one for one in table.variables])


def without(table, left_out):
    """The table without the rows, and the periods, that a condition on codes and period names."""
    rows = {codes: value for codes, value in table.rows.items() if not left_out(codes)}
    time, periods = table.variables[-1], {codes[-1] for codes in rows}
    kept = replace(time, values={period: text for period, text in time.values.items() if period in periods})
    return replace(table, rows=rows, variables=[*table.variables[:-1], kept])


def accounts_of_the_year(table):
    """REGK100 with a new grouping in the last year, a changed name, and a year before revised."""
    rows, place = dict(table.rows), [one.id for one in table.variables]
    function, grouping, time = (place.index(name) for name in ("FUNKTION", "GRUPPERING", "Tid"))
    for codes, value in table.rows.items():
        if (codes[function], codes[grouping].zfill(3), codes[time]) == (FUNCTION, HALVED, str(YEAR)):
            half = int(value) // 2
            rows[codes] = str(int(value) - half)
            rows[(*codes[:grouping], NEW, *codes[grouping + 1 :])] = str(half)
        if (codes[0], codes[function], codes[grouping].zfill(3), codes[time]) == REVISED:
            rows[codes] = str(int(value) * 11 // 10)
    renamed = labelled(table, "FUNKTION", {FUNCTION: CALLED_NOW})
    return replace(labelled(renamed, "GRUPPERING", NAMES_NOW), rows=rows)


class NextYear:
    """A project with last year's edition and data, and the StatBank of the year after when all is there."""

    def __init__(self, root, small_root):
        self.root, self.url = shutil.copytree(small_root, root, symlinks=True), ""
        shutil.rmtree(root / "data" / "processed")
        (root / "editions" / f"{NAME}.yml").rename(root / "editions" / f"{BEFORE}.yml")
        before = (root / "data" / "raw" / NAME).rename(root / "data" / "raw" / BEFORE)
        self.raw, self.file = before.with_name(EDITION), root / "editions" / f"{EDITION}.yml"
        self.report = root / "reports" / EDITION / "hovedstaden"
        with looking_at(root) as small:
            tables = [name for name in load_edition(BEFORE).tables if name in table_shapes()]
            fetched = [name for name in tables if table_shapes()[name].fetch and name != "NGLK"]
            then = {name: as_statbank(before, name) for name in fetched}
            # What StatBank called the codes last year is in the sidecars of last year, as `fetch` leaves them.
            small.raw = before
            then["REGK100"] = labelled(then["REGK100"], "GRUPPERING", NAMES)
            then["REGK100"] = labelled(then["REGK100"], "FUNKTION", {FUNCTION: CALLED})
            for name in ("REGK100", "UND1"):
                labels = {one.id: dict(one.values) for one in then[name].variables[1:-1]}
                small.change(name, lambda lines: lines, labels=labels)
            units = {name: (table_shapes()[name].shown.unit or "-").split(" eller ")[0] for name in fetched}
        every = {name: replace(a_year_on(table), unit=units[name]) for name, table in then.items()}
        every["NGLK"] = nglk(PRICES | {str(YEAR): (59000, 43000)})
        every["REGK100"] = accounts_of_the_year(every["REGK100"])
        every["UND1"] = labelled(every["UND1"], "KØN", {"0": "Drenge og piger"})
        aged = labelled(every["FOLK1A"], "ALDER", {NEW_AGE: f"{NEW_AGE} år"})
        persons = ("101", "TOT", "IALT", "TOT", f"{YEAR}K4")
        one_more = {("101", "TOT", NEW_AGE, "TOT", f"{YEAR}K4"): "1", persons: str(int(aged.rows[persons]) + 1)}
        every["FOLK1A"] = replace(aged, rows=aged.rows | one_more)
        self.every = every

    def begun(self):
        """What StatBank has when the year begins: a municipality, a table and the price index are late."""
        late = {name: without(self.every[name], lambda codes: codes[-1] == str(YEAR)) for name in (LATE_TABLE, "NGLK")}
        late[LATE_IN] = without(self.every[LATE_IN], lambda codes: (codes[0], codes[-1]) == (LATE, str(YEAR)))
        return self.every | late

    def run(self, *arguments, code=0):
        """What a command says on output and errors, which ends as it should and never with a traceback."""
        options = [] if arguments[0] == "edition" else ["--edition", EDITION]
        result = noegletal(*arguments, *options, NOEGLETAL_ROOT=str(self.root))
        said = result.stdout + result.stderr
        assert result.returncode == code and "Traceback" not in said, said
        return said

    def declared(self):
        return yaml.safe_load(self.file.read_text("utf-8"))

    def declare(self, **entries):
        """Give entries of the new edition other values, as somebody does by hand."""
        text = yaml.safe_dump(self.declared() | entries, allow_unicode=True, sort_keys=False)
        self.file.write_text(text, "utf-8")

    def figures(self, **choice):
        rows = pd.read_parquet(self.root / "data" / "processed" / EDITION / "key_figures.parquet")
        return rows[(rows[list(choice)] == pd.Series(choice)).all(axis=1)]


@pytest.fixture
def new(small_root, tmp_path):
    return NextYear(tmp_path / "project", small_root)


def begin(new, bank):
    """From a new edition to key figures, with what is late said by name on the way."""
    assert f"accounts {YEAR - 2}-{YEAR}" in new.run("edition", "new", EDITION)
    said = new.run("fetch", "--url", bank.url, code=1)
    assert said.count("changed") == len(new.every) - 2
    for table in (LATE_TABLE, "NGLK"):
        assert f"{table} has no {YEAR} in StatBank yet (it holds 2022 to {LAST})" in " ".join(said.split())
    assert f"warning {LATE_IN}: no rows for Vallensbæk ({YEAR})" in said
    # Beside the codes of the year before, which are in another folder.
    assert "warning UND1: KØN: 0 'Køn 0' is now 'Drenge og piger'" in said
    assert f"{int(RENAMED)} '{NAMES[RENAMED]}' is now '{NAMES_NOW[RENAMED]}'" in said
    assert f"warning REGK100: FUNKTION: {FUNCTION} '{CALLED}' is now '{CALLED_NOW}'" in said
    assert f"warning REGK100: GRUPPERING has new codes: {NEW} '{NAMES_NOW[NEW]}'" in said
    return new.run("build")


def test_a_new_year_goes_from_its_edition_file_to_what_differs(new):
    with StatBank(new.begun()) as bank:
        said = begin(new, bank)
    assert f"Funktion 5.28.21 gruppering {NEW} er ny i kontoplanen ({YEAR}, " in said
    assert f"DAEK-02 {LATE_TABLE}: {LATE_TABLE} findes ikke i mappen med rådata" in said
    assert "NGLK" not in said, "the declared index stands instead of it"
    # What is late is missing, or is said of the others, and no other figure is.
    late = new.figures(indicator="recipients", category="botilbud", year=YEAR, variant="standard").set_index(
        "area_code"
    )
    assert late.loc[LATE, "status"] == "missing"
    assert late.loc["hovedstaden", "status"] == "partial"
    assert late.loc["hovedstaden", "note"].endswith("uden Vallensbæk")
    assert set(late.drop([LATE, "hovedstaden", "084", "000"])["status"]) == {"final"}
    assert new.figures(indicator="recipients", category="krisecentre").empty
    population = new.figures(indicator="population", area_code="101", category="18+", year=YEAR)["value"].item()
    before = new.figures(indicator="population", area_code="101", category="18+", year=LAST)["value"].item()
    assert population == before + 1, "the age that is new is counted"

    proposed = new.run("edition", "review", EDITION)
    assert f"{FUNCTION},{NEW},boern_og_unge,aflastning,,{YEAR},,,Aflastning i plejefamilier,REGK100 {YEAR}," in proposed
    assert f"renamed  5.28.21   {RENAMED}" in proposed and "Aflastningsordninger" in proposed
    # The function is called otherwise: said after them, with its whole amount, and no line is proposed for it.
    (function,) = [line for line in proposed.splitlines() if "Støtteindsatser" in line]
    assert function.split()[:4] == ["renamed", "5.28.21", "Støtteindsatser", "Forebyggelse"]
    assert proposed.index(function) > proposed.index(f"renamed  5.28.21   {RENAMED}")
    found = new.run("quality")
    assert f"{NEW} er ny i kontoplanen" in " ".join(found.split()) and f"{LATE_TABLE} findes ikke" in found
    amounts = {"indicator": "expenditure_current", "area_code": "101", "population_group": "boern_og_unge"}
    amounts |= {"year": YEAR, "variant": "standard"}
    before = new.figures(**amounts).set_index("category")["value"]

    # What somebody decided is pasted, and is all that it takes.
    accounts = new.root / "data" / "reference" / "accounts.csv"
    accounts.write_text(accounts.read_text("utf-8") + RULE, "utf-8")
    assert f"gruppering {NEW}" not in new.run("build")
    assert f" new  {FUNCTION}" not in new.run("edition", "review", EDITION)
    moved = new.figures(**amounts).set_index("category")["value"] - before
    moved = moved[moved != 0].to_dict()
    assert moved.keys() == {"aflastning", "stoettende_indsatser", "i_alt", "uden_for_afgraensning"}
    assert moved["aflastning"] == moved["i_alt"] == -moved["uden_for_afgraensning"] > 0

    differs = json.loads(new.run("diff", BEFORE, "nu", "--indicator", "expenditure_current", "--json"))
    assert next(table["rows_changed"] for table in differs["tables"] if table["table"] == "REGK100") == 2
    assert {"indicator": "expenditure_current", "new": [YEAR], "gone": [YEAR - 3]} in differs["years"]
    revised = [row for row in differs["changes"] if row["kind"] == "revised"]
    assert {row["year"] for row in revised} == {LAST}, "the year before, of which StatBank has changed a figure"
    assert {row["area_code"] for row in revised} == {"101", "hovedstaden", "084", "000"}
    assert {row["category"] for row in revised} >= {"familiebehandling", "i_alt"}
    assert "Nothing to check" in new.run("check")


def test_a_category_of_the_new_year_leaves_the_edition_before_as_it_was(small):
    new_category = "boern_og_unge,kun_til_proeve,stoettende_indsatser,Kun til prøve,#117799,expenditure\n"
    small.declare("categories.csv", lambda text: text + new_category)
    small.declare("accounts.csv", lambda text: text + RULE.replace("aflastning", "kun_til_proeve", 1))
    before = small.figures
    pd.testing.assert_frame_equal(small.build().figures, before)
    group, parts = "boern_og_unge", accounts.children("boern_og_unge", "stoettende_indsatser")
    afsnit = section.Section("02_boern_og_unge", small.name, "hovedstaden")
    read = afsnit.read("expenditure", group=group, category=parts)
    assert set(read["category"]) == {*parts} - {"kun_til_proeve"}
    for asked in (["kun_til_proeve"], [*parts, "misbrugstilbud"]):
        with pytest.raises(InputError, match=f"hold no category {asked[-1]}"):
            afsnit.read("expenditure", group=group, category=asked)


def test_when_the_network_is_gone_half_way_the_next_fetch_goes_on(new, monkeypatch):
    monkeypatch.setattr(statbank, "Patience", lambda: HASTE)
    new.run("edition", "new", EDITION)
    with StatBank(new.every) as bank:
        bank.fault("slow", table="UND1", after_bytes=40)

        def stop():
            while not any(asked.fault for asked in bank.requests):
                time.sleep(0.01)
            bank.stop()

        stopping = threading.Thread(target=stop)
        stopping.start()
        said = " ".join(new.run("fetch", "--url", bank.url, code=1).split())
        stopping.join()
        there = {path.name.split(".")[0] for path in new.raw.glob("*.yml")}
        assert there == {"REGK100", "FOLK1A", "REGK31", "BU43"}, "whole tables, and nothing of the others"
        assert {path.suffix for path in new.raw.iterdir() if path.is_file()} == {".yml", ".gz"}
        assert said.count(f"UND1 failed: no connection to {bank.url} after ") == 1
        assert said.count("not asked for, as StatBank did not answer for UND1") == len(new.every) - len(there) - 1
        bank.start()
        bank.requests.clear()
        new.run("fetch", "--url", bank.url)
    assert there.isdisjoint(asked.table for asked in bank.requests if asked.path.startswith("/data"))
    assert {path.name.split(".")[0] for path in new.raw.glob("*.yml")} == set(new.every)


def pages(new):
    """What the pages of the report say, by name."""
    return {path.stem: " ".join(path.read_text("utf-8").split()) for path in new.report.glob("*.html")}


def rows(new, output):
    return pd.read_parquet(new.report / "data" / f"{output}.parquet")


def arrived(new, bank, table):
    """What the pages say when a late table, or the late part of one, is published, fetched and reported on."""
    bank.tables[table] = a_day_later(new.every[table])
    said = new.run("fetch", "--url", bank.url, "--table", table)
    assert "changed" in said and "The raw folder as it was is kept in" in said
    assert "2 sections done, 0 failed" in new.run("report", "--format", "site")
    assert f">{table}<" in pages(new)["aendringer"], "what differs from the data before is on its page"
    return pages(new)


@pytest.mark.long
@pytest.mark.needs("pango")
def test_what_is_late_arrives_one_by_one_and_every_form_follows(new, monkeypatch):
    # The preloader of the kernels stays for the next report.
    monkeypatch.setattr("warmkernel.engine.stop", lambda: None)
    provisional, absent = "Foreløbig. Der mangler endnu", f"Vallensbæk mangler i {YEAR}; summer er af de andre kommuner"
    not_there, no_figures = (
        f"{LATE_TABLE} findes ikke i mappen med rådata",
        "Der er ingen tal for modtagere i krisecentre",
    )
    with StatBank(new.begun()) as bank:
        begin(new, bank)
        new.declare(sections=[plan for plan in new.declared()["sections"] if plan["notebook"] in SECTIONS])
        assert "2 sections done, 0 failed" in new.run("report")
        assert [file for file in FORMATS.values() if not (new.report / file).is_file()] == []
        assert (new.report.parent / PACKAGE).is_file()
        said = pages(new)
        assert [name for name, text in said.items() if provisional not in text] == []
        assert absent in said["datakvalitet"] and not_there in said["datakvalitet"]
        assert f"gruppering {NEW} er ny i kontoplanen" in said["datakvalitet"].replace("\u00a0", " ")
        assert "uden Vallensbæk" in said[SECTIONS[1]] and no_figures in said[SECTIONS[1]]
        assert "krisecentre" not in set(rows(new, "figur_27")["category"])
        assert ".csv.gz: .<" not in said[SECTIONS[0]], "of a file with nothing to say nothing is said"
        assert "nothing changed since it was made" in new.run("report")

        said = arrived(new, bank, LATE_IN)
        assert absent not in said["datakvalitet"] and not_there in said["datakvalitet"]
        assert "uden Vallensbæk" not in said[SECTIONS[1]] and no_figures in said[SECTIONS[1]]

        said = arrived(new, bank, LATE_TABLE)
        assert not_there not in said["datakvalitet"] and no_figures not in said[SECTIONS[1]]
        shelters = rows(new, "figur_27").query("category == 'krisecentre'")
        assert YEAR in set(shelters["year"]) and shelters["value"].notna().all()
        assert set(rows(new, "tabel_prisindeks")["status"]) == {"assumed"}

        arrived(new, bank, "NGLK")
        index = rows(new, "tabel_prisindeks").set_index("year")["status"]
        assert index[YEAR] == index[LAST] == "published" and index[YEAR + 1] == "assumed"
    new.declare(decisions=dict.fromkeys(new.declared()["decisions"], DECIDED))
    assert "0 sections done, 0 failed, 2 unchanged" in new.run("report")
    assert [name for name, text in pages(new).items() if provisional in text] == []
    assert "nothing changed since it was made" in new.run("report"), "every form is of these pages"
    assert "Nothing to check" in new.run("check")
