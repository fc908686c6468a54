"""`noegletal fetch` against a real server: the right complete file, or the old one and one clear sentence."""

import base64
import email.utils
import gzip
import hashlib
import json
import math
import os
import re
import shutil
import signal
import socketserver
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import httpx
import pandas as pd
import pytest
import yaml
from conftest import REFERENCE, ROOT, rewrite_raw, thorough, write_raw
from hypothesis import given
from hypothesis import strategies as st
from small_edition import SmallEdition, looking_at
from small_projects import Project
from statbank_server import StatBank, nglk, table_from_csv
from test_folders import elsewhere_held, interrupted, killed, steps
from test_pdf import poppler
from typer.testing import CliRunner

from analysis import areas, danish
from analysis.edition import TableNeed, Years, editions, load_edition
from analysis.errors import InputError
from noegletal import account_rules, rules
from noegletal.cli import app
from noegletal.figures.build import build_edition
from noegletal.figures.kinds import GivenRate, indicators
from noegletal.publish.manifest import FORMATS, PACKAGE
from noegletal.review.vintage_figures import kept_vintages
from noegletal.sources import snapshot, statbank
from noegletal.sources.fetch import fetch_edition
from noegletal.sources.fetch_plan import fetched_tables, how_renewed, plan_table, tables_not_fetched
from noegletal.sources.snapshot import raw_files, read_table, table_shapes
from noegletal.sources.statbank import Patience, Request
from noegletal.sources.vintages import changing, keep_vintage, replace_table, work_folder

HASTE = Patience(attempts=3, first_wait=0.01, longest_wait=0.05, connect=5.0, read=20.0)
# For answers that do not come: how long to wait for the next byte.
IMPATIENT = replace(HASTE, read=0.3)
# Small enough to make several requests of the tables below.
LIMIT = 200
MEASURES = ("2", "5", "6", "7")
OLD = "KOMMUNEDK;INDSATSER;TID;INDHOLD\n101;2;2020;1\n101;2;2021;2\n"


def named_areas(codes):
    return {code: areas.name(code.zfill(3)) for code in codes}


def cells(*variables, zero_every=7):
    """Lines with a value that the codes decide, some of them zero (which BULK leaves out) and one missing."""
    header = ";".join([*(name for name, _ in variables), "INDHOLD"])
    lines = [""]
    for _, codes in variables:
        lines = [f"{line}{code};" for line in lines for code in codes]
    values = [int(hashlib.sha256(line.encode()).hexdigest()[:4], 16) % 900 + 1 for line in lines]
    values = [0 if value % zero_every == 0 else value for value in values]
    rows = [f"{line}{value}" for line, value in zip(lines, values, strict=True)]
    rows[len(rows) // 2] = f"{lines[len(rows) // 2]}.."
    return [header, *rows]


def children(years=("2020", "2021"), codes=None, **facts):
    """ISBU02 as StatBank has it: four measures of every municipality."""
    codes = codes or areas.municipalities()
    return table_from_csv(
        cells(("KOMMUNEDK", codes), ("INDSATSER", MEASURES), ("TID", years)),
        table="ISBU02",
        labels={"KOMMUNEDK": named_areas(codes)},
        **facts,
    )


def written(table, spell=lambda place, code: code):
    """The raw file that a table must become: what BULK gives, codes as the project spells them, sorted."""
    header = ";".join([*(variable.id.upper() for variable in table.variables), "INDHOLD"])
    rows = [
        (*(spell(place, code) for place, code in enumerate(key)), value.replace(".", ",") if value != ".." else value)
        for key, value in table.rows.items()
        if value != "0"
    ]
    return "\n".join([header, *(";".join(row) for row in sorted(rows))]) + "\n"


def unpacked(path):
    return gzip.decompress(path.read_bytes()).decode()


def content(folder):
    """Every file below a folder with its bytes, without the work folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".fetch" not in path.parts
    }


@pytest.fixture
def small(edition):
    """An edition of one table of two years; tests add to its tables."""
    return edition_of(edition, ISBU02=(2020, 2021))


def edition_of(edition, **tables):
    needs = {name: TableNeed(years=Years(first=first, last=last)) for name, (first, last) in tables.items()}
    return edition.model_copy(update={"tables": needs})


@pytest.fixture
def folder(tmp_path):
    """A raw folder with an old, reconstructed ISBU02 in two parts, and a table that nothing touches."""
    raw = tmp_path / "raw"
    write_raw(raw, "ISBU02", OLD, suffix=".csv.gz", origin="transcribed")
    write_raw(raw, "ISBU02.reconstruction", OLD.replace("101", "147"), suffix=".csv.gz", origin="reconstruction")
    write_raw(raw, "BU43", "OMRÅDE;FORANSTALT;ALDER;TID;INDHOLD\n101;IALT;TOT22;2020;2,5\n")
    return raw


class Fetching:
    """Fetch as the command does, and remember the vintages folder and what was told of progress."""

    def __init__(self, edition, raw, bank):
        self.edition, self.raw, self.bank = edition, raw, bank
        self.vintages = raw.parent / "vintages"
        self.kept = None

    def __call__(self, *tables, on_progress=None, patience=HASTE, limit=LIMIT, force=False):
        outcomes, self.kept = fetch_edition(
            self.edition, self.raw, self.vintages, tables=tables, url=self.bank.url, patience=patience, limit=limit,
            force=force, on_progress=on_progress,
        )  # fmt: skip
        return outcomes[0] if len(outcomes) == 1 else outcomes

    def asked(self, path="/data"):
        return [asked for asked in self.bank.requests if asked.path.startswith(path)]


def retrieved(folder):
    """The day on which ISBU02 was fetched."""
    return yaml.safe_load((folder / "ISBU02.yml").read_text(encoding="utf-8"))["retrieved"][:10]


def complete(fetching, outcome, table, spell=lambda place, code: code):
    """The one good end: the right file with a sidecar that fits, nothing else of the table, nothing half done."""
    assert outcome.status == "changed", outcome.cause
    name = table.id
    assert unpacked(fetching.raw / f"{name}.csv.gz") == written(table, spell)
    found = raw_files(fetching.raw, name)
    assert [file.path.name for file in found] == [f"{name}.csv.gz"]
    assert found[0].sidecar.origin == "statbank"
    assert not (fetching.raw / ".fetch").exists()
    sidecar = yaml.safe_load((fetching.raw / f"{name}.yml").read_text(encoding="utf-8"))
    assert sidecar["rows"] == outcome.rows == len(written(table).splitlines()) - 1
    return sidecar


def refused(fetching, outcome, before, *fragments):
    """The other end: everything as it was, and one sentence that says why."""
    assert outcome.status == "failed"
    assert content(fetching.raw) == before
    assert not fetching.vintages.exists()
    assert "\n" not in outcome.cause
    for fragment in fragments:
        assert fragment in outcome.cause, outcome.cause


def meeting(bank, after, name, **facts):
    """A listener that puts a fault before the request that follows the `after` first ones."""
    queued = []

    def on_progress(_, answered, __, ___):
        if answered == after and not queued:
            queued.append(name)
            bank.fault(name, **facts)

    return on_progress


# --- what is asked for


def test_a_table_is_fetched_whole_and_replaces_every_part_of_the_old(small, folder):
    table = children()
    with StatBank({"ISBU02": table}) as bank:
        fetching = Fetching(small, folder, bank)
        heard = []
        outcome = fetching(on_progress=lambda *told: heard.append(told))
        sidecar = complete(fetching, outcome, table)
    posts = [asked.body for asked in fetching.asked()]
    assert len(posts) > 2
    for body in posts:
        assert (body["format"], body["valuePresentation"], body["lang"]) == ("BULK", "Code", "da")
        assert [variable["code"] for variable in body["variables"]] == ["KOMMUNEDK", "INDSATSER", "Tid"]
        assert math.prod(len(variable["values"]) for variable in body["variables"]) <= LIMIT
    assert (sidecar["updated"], sidecar["lang"], sidecar["status"]) == ("2025-05-22T08:00:00", "da", "final")
    assert sidecar["url"] == f"{bank.url}/data"
    assert len(set(sidecar["request_ids"])) == len(posts)
    assert {variable["code"]: len(variable["values"]) for variable in sidecar["query"]["variables"]} == {
        "KOMMUNEDK": 98,
        "INDSATSER": 4,
        "Tid": 2,
    }
    assert heard[0] == ("ISBU02", 0, len(posts), 0)
    assert heard[-1][:3] == ("ISBU02", len(posts), len(posts))
    assert "BU43.csv" in content(folder)
    assert outcome.periods == "2020-2021"


@thorough(60)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    limit=st.integers(1, 60),
)
def test_requests_cover_every_cell_once_and_keep_to_the_limit(sizes, limit):
    variables = {f"V{place}": [f"{place}.{code}" for code in range(size)] for place, size in enumerate(sizes)}
    parts = statbank.requests("T", variables, "V0", limit)
    seen = []
    for part in parts:
        assert part.rows <= limit or part.rows == 1
        assert list(part.variables) == list(variables)
        keys = [()]
        for codes in part.variables.values():
            keys = [(*key, code) for key in keys for code in codes]
        seen += keys
    assert len(seen) == len(set(seen)) == math.prod(sizes)


def test_periods_are_divided_before_codes():
    variables = {"A": list("abcdef"), "Tid": ["2020", "2021", "2022"]}
    by_year = statbank.requests("T", variables, "Tid", 12)
    assert [part.variables["Tid"] for part in by_year] == [("2020", "2021"), ("2022",)]
    assert {len(part.variables["A"]) for part in by_year} == {6}
    assert [part.rows for part in statbank.requests("T", variables, "Tid", 4)] == [4, 2] * 3


def test_cells_are_counted_as_statbank_counts_them():
    sizes = {"OMRÅDE": 105, "KØN": 3, "ALDER": 127, "CIVILSTAND": 5, "Tid": 71}
    whole = Request("FOLK1A", {name: tuple(map(str, range(size))) for name, size in sizes.items()})
    assert whole.cells == 85_210_650, "the number that the API itself gives in its error"


@pytest.mark.parametrize(
    ("own", "wanted", "found"),
    [
        (["0", "81", "101"], ["000", "081", "101"], {"000": "0", "081": "81", "101": "101"}),
        (["000", "TOT"], ["0", "tot"], {"0": "000", "tot": "TOT"}),
        (["1", "01", "001"], ["01"], {"01": "01"}),
    ],
)
def test_codes_are_found_in_the_tables_own_spelling(own, wanted, found):
    assert statbank.matched(own, wanted, "T V") == found


@pytest.mark.parametrize(
    ("own", "wanted", "fragments"),
    [
        (["1", "001"], ["01"], ["T V", "01", "1, 001"]),
        (["53845", "52821", "52822"], ["52823"], ["T V", "52823", "52821, 52822"]),
        (["0", "1"], ["0", "00"], ["T V", "0 and 00"]),
        ([], ["0"], ["T V", "no code 0"]),
    ],
)
def test_a_code_that_is_not_there_or_not_alone_is_named(own, wanted, fragments):
    with pytest.raises(InputError) as caught:
        statbank.matched(own, wanted, "T V")
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_padding_and_case_are_the_tables_own(edition, tmp_path):
    """KRISE1 without leading zeros and in lower case becomes what indicators.yml and areas.csv spell."""
    codes = ["0", "81", "82", "83", "84", "85"]
    table = table_from_csv(
        cells(("BOPREG", codes), ("KMDR", ["tot", "000001"]), ("BEBOSTAT", ["03", "4"]), ("TID", ["2023", "2024"])),
        table="KRISE1",
        labels={"BOPREG": named_areas(codes)},
    )
    spelled = [lambda code: code.zfill(3), {"tot": "TOT"}.get, {"03": "3"}.get, str]
    with StatBank({"KRISE1": table}) as bank:
        fetching = Fetching(edition_of(edition, KRISE1=(2023, 2024)), tmp_path / "raw", bank)
        sidecar = complete(
            fetching, fetching(), table, lambda place, code: spelled[place](code) if spelled[place](code) else code
        )
    assert sidecar["renamed_codes"]["KMDR"] == {"tot": "TOT"}
    assert sidecar["renamed_codes"]["BEBOSTAT"] == {"03": "3"}
    assert sidecar["labels"]["BEBOSTAT"]["3"] == "Bebostat 03"


def test_an_answer_with_nothing_but_a_header_is_all_zeros(edition, tmp_path):
    """BULK leaves out zeros, so a part of a table may hold no rows at all."""
    codes = ["000", "081", "082", "083", "084", "085"]
    days = ["TOT", "000001", "002005"]
    lines = cells(("BOPREG", codes), ("KMDR", days), ("BEBOSTAT", ["3"]), ("TID", ["2024"]), zero_every=10_000)
    rows = [line for line in lines if ";002005;" not in line]
    labels = {"BOPREG": named_areas(codes), "KMDR": {code: f"Varighed {code}" for code in days}}
    table = table_from_csv(rows, table="KRISE1", labels=labels)
    with StatBank({"KRISE1": table}) as bank:
        fetching = Fetching(edition_of(edition, KRISE1=(2024, 2024)), tmp_path / "raw", bank)
        complete(fetching, fetching(limit=1), table)
        assert len(fetching.asked()) == 18
        assert sum(asked.body["variables"][1]["values"] == ["002005"] for asked in fetching.asked()) == 6


def persons(ages, quarters, codes=None):
    codes = codes or areas.municipalities()
    return table_from_csv(
        cells(("OMRÅDE", codes), ("KØN", ["TOT"]), ("ALDER", ages), ("CIVILSTAND", ["TOT"]), ("TID", quarters)),
        table="FOLK1A",
        labels={"OMRÅDE": named_areas(codes)},
    )


def test_quarters_are_those_that_the_edition_and_its_weights_need(edition):
    quarters = [f"{year}K{quarter}" for year in range(2019, 2026) for quarter in range(1, 5)]
    wanted = edition_of(edition, FOLK1A=(2022, 2023), BU43=(2023, 2024))
    with StatBank({"FOLK1A": persons(["IALT", "0", "1"], quarters)}) as bank, statbank.connection(bank.url) as link:
        plan = plan_table(link, wanted, "FOLK1A")
    # BU43 is of 31 December: the day before the first quarter of the next year.
    assert plan.periods == ["2022K1", "2022K4", "2023K1", "2023K4", "2024K1", "2025K1"]
    assert list(plan.codes["ALDER"]) == ["IALT", "0", "1"]
    # What UND2 counts is of 1 January, whether the edition has a rate beside it or not.
    wanted = edition_of(edition, FOLK1A=(2022, 2023), UND2=(2020, 2023))
    with StatBank({"FOLK1A": persons(["IALT", "0", "1"], quarters)}) as bank, statbank.connection(bank.url) as link:
        assert plan_table(link, wanted, "FOLK1A").periods[:3] == ["2020K1", "2021K1", "2022K1"]


def test_a_gap_in_the_ages_is_refused(edition):
    with StatBank({"FOLK1A": persons(["IALT", "0", "2"], ["2023K1", "2023K4"])}) as bank:
        cause = planned_cause(bank, edition_of(edition, FOLK1A=(2023, 2023)), "FOLK1A")
    assert "age 1" in cause


def test_an_open_group_of_ages_is_refused(edition):
    with StatBank({"FOLK1A": persons(["IALT", "0", "1", "2-"], ["2023K1", "2023K4"])}) as bank:
        assert "2-" in planned_cause(bank, edition_of(edition, FOLK1A=(2023, 2023)), "FOLK1A")


def test_statbank_is_refused_by_its_rule(edition):
    """HENT-01."""
    wrong = {"FOLK1A": persons(["IALT", "0", "1", "2-"], ["2023K1", "2023K4"])}
    with StatBank(wrong) as bank, statbank.connection(bank.url) as link, pytest.raises(InputError) as caught:
        plan_table(link, edition_of(edition, FOLK1A=(2023, 2023)), "FOLK1A")
    assert caught.value.rule == "HENT-01"
    with pytest.raises(InputError) as caught, statbank.connection("no address") as link:
        plan_table(link, edition, "FOLK1A")
    assert caught.value.rule == "", "what the command was given is not StatBank's"
    # A port that nothing listens on any more.
    once = statbank.Patience(attempts=1)
    with pytest.raises(statbank.UnreachableError) as caught, statbank.connection(bank.url, once) as link:
        plan_table(link, edition, "FOLK1A")
    assert caught.value.rule == "HENT-01"


def planned_cause(bank, edition, table):
    with pytest.raises(InputError) as caught, statbank.connection(bank.url) as link:
        plan_table(link, edition, table)
    return str(caught.value)


ACCOUNTS = {
    "OMRÅDE": areas.municipalities(),
    "FUNKTION": sorted(account_rules.functions()),
    "DRANST": ["1", "2"],
    "EJER": list("01234"),
    "GRUPPERING": ["1", "200"],
    "ART": ["TOT", "UE"],
    "PRISENHED": ["LOBM", "INDL"],
    "TID": ["2023"],
}


def spending(**changed):
    """REGK100 with every code and hardly a row."""
    codes = ACCOUNTS | changed
    labels = {name: {code: f"{name} {code}" for code in listed} for name, listed in codes.items() if name != "TID"}
    first = ";".join(listed[0] for name, listed in codes.items() if name != "TID")
    rows = [f"{first};{year};5" for year in codes["TID"]]
    return table_from_csv([f"{';'.join(codes)};INDHOLD", *rows], table="REGK100", labels=labels)


@pytest.mark.parametrize(
    ("table", "fragments"),
    [
        (spending(EJER=list("012345")), ["REGK100 EJER", "5", "added up"]),
        (
            spending(FUNKTION=[code for code in ACCOUNTS["FUNKTION"] if code != "52821"]),
            ["REGK100 FUNKTION", "52821", "52820, 52822"],
        ),
        (spending(TID=["2019", "2020"]), ["REGK100", "no 2023", "2019 to 2020", "editions/"]),
        (spending(PRISENHED=["INDL"]), ["REGK100 PRISENHED", "LOBM", "INDL"]),
        (spending(OMRÅDE=areas.municipalities()[:80]), ["REGK100 OMRÅDE lacks", "and 10 more"]),
        (replace(spending(), suppressed=".."), ["REGK100", "'..'", "suppressed_value"]),
    ],
)
def test_what_the_table_does_not_have_is_named_before_anything_is_fetched(edition, table, fragments):
    with StatBank({"REGK100": table}) as bank:
        cause = planned_cause(bank, edition_of(edition, REGK100=(2023, 2023)), "REGK100")
        assert not [asked for asked in bank.requests if asked.path.startswith("/data")]
    for fragment in fragments:
        assert fragment in cause, cause


def test_a_variable_that_tables_yml_does_not_know_and_one_that_is_gone(edition):
    header = "REGI07A;INDSATSER;TID;INDHOLD"
    table = table_from_csv([header, "101;2;2020;5", "101;2;2021;5"], table="ISBU02")
    with StatBank({"ISBU02": table}) as bank:
        assert "no variable KOMMUNEDK" in planned_cause(bank, edition_of(edition, ISBU02=(2020, 2021)), "ISBU02")
    header = "KOMMUNEDK;INDSATSER;KØN;TID;INDHOLD"
    rows = [f"{code};{measure};M;2020;5" for code in areas.municipalities() for measure in MEASURES]
    with StatBank({"ISBU02": table_from_csv([header, *rows], table="ISBU02")}) as bank:
        assert "the variable KØN" in planned_cause(bank, edition_of(edition, ISBU02=(2020, 2020)), "ISBU02")


def test_every_table_of_an_edition_says_how_it_is_renewed():
    for name in editions():
        plan = load_edition(name)
        said = {table: how_renewed(table) for table in plan.tables}
        assert set(said) - set(tables_not_fetched(plan)) == set(fetched_tables(plan))
        assert said["HERBERG_OPHOLD"] == "it is a delivery: `noegletal import FILE --form herberg_ophold`"
        assert "computed from UND2 and FOLK1A, so renew those" in said["UND2_PR_1000"]
        assert "`noegletal import FILE --table HAND05`" in said["HAND05"]
    with pytest.raises(InputError, match=r"nothing says how table NO1 is renewed: declare it in .*tables.yml"):
        how_renewed("NO1")


def test_totals_that_are_checked_are_asked_for():
    """Else a rule on a total and its parts (IDENT-01) would have nothing to look at after a fetch."""
    for identity in rules.catalogue().thresholds.identities:
        asked = table_shapes()[identity.table].fetch[identity.over]
        assert asked in ("*", "ages", "regions") or {identity.whole, *identity.parts} <= set(asked), identity


def test_a_table_is_replaced_by_what_its_figures_are_counted_from():
    known = indicators()
    for name, shape in table_shapes().items():
        rates = [entry for entry in known.values() if isinstance(entry, GivenRate) and entry.table == name]
        counted = {count.table for entry in rates if entry.prefer for count in known[entry.prefer].counts}
        assert bool(shape.replaced_by) == bool(counted), name
        assert counted <= set(shape.replaced_by), name
        assert all(table_shapes()[table].fetch for table in shape.replaced_by), name


def test_a_declared_table_that_does_not_say_how_it_is_renewed_is_refused(tmp_path, monkeypatch):
    text = (ROOT / "data" / "reference" / "tables.yml").read_text(encoding="utf-8")
    line = "  replaced_by: [UND2, FOLK1A]\n"
    assert line in text
    (tmp_path / "tables.yml").write_text(text.replace(line, ""), encoding="utf-8")
    monkeypatch.setattr(snapshot, "reference_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=r"tables.yml: UND2_PR_1000: .*by either `fetch` or `replaced_by`"):
        table_shapes.__wrapped__()


def test_every_declared_table_names_each_of_its_variables():
    shapes = table_shapes()
    assert shapes["UND2_PR_1000"].fetch is None
    for shape in shapes.values():
        if shape.fetch is not None:
            assert set(shape.fetch) - {"TID"} == set(shape.variables)


# --- what can go wrong on the way

# A fault that another attempt mends.
PASSING = {
    "slow": {},
    "slow in the middle": {"name": "slow", "after_bytes": 300},
    "hangup": {},
    "cut": {},
    "cut after the header": {"name": "cut", "after_bytes": 40},
    "cut at once": {"name": "cut", "after_bytes": 0},
    "429": {"retry_after": "0"},
    "500": {},
    "503": {"retry_after": "0"},
    "labels": {},
    "new_code": {},
    "updated": {},
}
# A fault that stays, or that no attempt mends, and what the message must say of it.
LASTING = {
    "slow forever": ({"name": "slow", "times": HASTE.attempts}, ["3 attempts"]),
    "hangup forever": ({"name": "hangup", "times": HASTE.attempts}, ["3 attempts", "run the command again"]),
    "cut forever": ({"name": "cut", "times": HASTE.attempts}, ["3 attempts", "run the command again"]),
    "429 forever": ({"name": "429", "times": HASTE.attempts}, ["HTTP 429", "3 attempts"]),
    "429 for an hour": ({"name": "429", "retry_after": "3600"}, ["wait 3600 seconds"]),
    "500 forever": ({"name": "500", "times": HASTE.attempts}, ["HTTP 500", "3 attempts"]),
    "html": ({"name": "html"}, ["web page", "Statistikbanken"]),
    "removed_variable": ({"name": "removed_variable", "variable": "INDSATSER"}, ["Kan ikke finde", "INDSATSER"]),
    "wrong_decimal": ({"name": "wrong_decimal"}, ["INDHOLD", "neither a whole number"]),
    "duplicate_rows": ({"name": "duplicate_rows"}, ["stands twice"]),
    "truncated": ({"name": "truncated"}, ["middle of a line"]),
    "truncated in the header": ({"name": "truncated", "after_bytes": 10}, ["middle of a line"]),
    "empty": ({"name": "truncated", "after_bytes": 0}, ["empty"]),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_costs_an_attempt_and_nothing_else(small, folder, fault):
    facts = {"name": fault, **PASSING[fault]}
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        patience = IMPATIENT if facts["name"] == "slow" else HASTE
        outcome = fetching(on_progress=meeting(bank, 2, **facts), patience=patience)
        sidecar = complete(fetching, outcome, children())
        assert not bank.pending
        # What was published anew in the middle is what the whole file says of itself.
        assert sidecar["updated"] == bank.tables["ISBU02"].updated
        assert sidecar["labels"]["INDSATSER"]["2"] == bank.tables["ISBU02"].variables[1].values["2"]


def test_faults_one_after_another_cost_every_attempt_but_the_last(small, folder):
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        for path in ("/tableinfo", "/data"):
            for name in ("cut", "503"):
                bank.fault(name, path=path)
        complete(fetching, fetching(), children())
        assert not bank.pending


@pytest.mark.parametrize("fault", LASTING)
def test_a_lasting_fault_leaves_the_old_file_and_one_sentence_and_is_resumed(small, folder, fault):
    facts, fragments = LASTING[fault]
    table = children()
    with StatBank({"ISBU02": table}) as bank:
        fetching = Fetching(small, folder, bank)
        before = content(folder)
        patience = IMPATIENT if facts["name"] == "slow" else HASTE
        outcome = fetching(on_progress=meeting(bank, 2, **facts), patience=patience)
        refused(fetching, outcome, before, "ISBU02", *fragments)
        assert not bank.pending
        raw_files(folder)
        bank.tables["ISBU02"] = table
        bank.requests.clear()
        complete(fetching, fetching(), table)
        assert len(fetching.asked()) == len(statbank_requests(small, bank)) - 2, "two parts were kept"


def statbank_requests(edition, bank, table="ISBU02"):
    with statbank.connection(bank.url) as link:
        return plan_table(link, edition, table, LIMIT).requests


@pytest.mark.parametrize("fault", ["hangup", "cut", "500", "html"])
def test_tableinfo_fails_like_data(small, folder, fault):
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        before = content(folder)
        bank.fault(fault, times=HASTE.attempts, path="/tableinfo")
        refused(fetching, fetching(), before, "ISBU02")
        assert not fetching.asked()


def test_no_connection_is_said_once_and_no_other_table_is_tried(edition, folder):
    with StatBank({}) as bank:
        """Only to find a port that nothing listens on."""
    fetching = Fetching(edition_of(edition, ISBU02=(2020, 2021), ANBAAR12=(2020, 2021)), folder, bank)
    before = content(folder)
    first, second = fetching()
    refused(fetching, first, before, "no connection", "--url")
    assert second.cause == "not asked for, as StatBank did not answer for ISBU02"


def test_statbanks_own_words_are_shown(small, folder):
    with StatBank({}) as bank:
        fetching = Fetching(small, folder, bank)
        refused(fetching, fetching(), content(folder), "Tabel findes ikke: ISBU02", "HTTP 400")


def test_an_updated_table_is_never_mixed_with_its_old_self(small, folder):
    """A table that changes while it is fetched is fetched again from the start, without its old parts."""
    new = replace(children(), rows=dict.fromkeys(children().rows, "77"), updated="2026-05-22T08:00:00")
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)

        def publish(_, answered, __, ___):
            if answered == 2:
                bank.tables["ISBU02"] = new

        complete(fetching, fetching(on_progress=publish), new)


def test_parts_of_an_older_table_are_not_used_by_the_next_run(small, folder):
    new = replace(children(), rows=dict.fromkeys(children().rows, "77"), updated="2026-05-22T08:00:00")
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        fetching(on_progress=meeting(bank, 3, "html"))
        assert len(list(work_folder(folder, "ISBU02").rglob("*.csv"))) == 3
        bank.tables["ISBU02"] = new
        complete(fetching, fetching(), new)


def test_a_table_that_is_updated_all_the_time(small, folder):
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        bank.fault("updated", times=99)
        refused(fetching, fetching(), content(folder), "updated again")


def test_a_kept_part_that_was_spoilt_is_fetched_again(small, folder):
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        fetching(on_progress=meeting(bank, 3, "html"))
        part = sorted(work_folder(folder, "ISBU02").rglob("*.csv"))[0]
        part.write_bytes(part.read_bytes() + b"101;2;2020;1\r\n")
        bank.requests.clear()
        complete(fetching, fetching(), children())
        assert len(fetching.asked()) == len(statbank_requests(small, bank)) - 2


def test_ctrl_c_keeps_what_has_come_and_leaves_the_rest_alone(small, folder):
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        before = content(folder)

        def stop(_, answered, __, size):
            if answered == 2:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            fetching(on_progress=stop)
        assert content(folder) == before
        assert not list(folder.rglob("*.partial"))
        bank.requests.clear()
        complete(fetching, fetching(), children())
        assert len(fetching.asked()) == len(statbank_requests(small, bank)) - 2


# --- whether what came is whole


def test_municipalities_that_a_table_lacks_are_named_and_do_not_stop_it(edition, tmp_path):
    """HAND05 has 97 municipalities, UND some 94; one of them has no rows in a single year."""
    here = [code for code in areas.municipalities() if code not in ("825", "563")]
    lines = cells(("KOMMUNEDK", here), ("INDSATSER", MEASURES), ("TID", ["2020", "2021"]))
    lines = [line for line in lines if not (line.startswith("492;") and ";2020;" in line)]
    table = table_from_csv(lines, table="ISBU02", labels={"KOMMUNEDK": named_areas(here)}, footnote="Se\r\nnoten.")
    with StatBank({"ISBU02": table}) as bank:
        fetching = Fetching(edition_of(edition, ISBU02=(2020, 2021)), tmp_path / "raw", bank)
        outcome = fetching()
        sidecar = complete(fetching, outcome, table)
    assert outcome.warnings == ["no rows for Fanø, Læsø, Ærø (2020)"]
    assert sidecar["note"] == "Uden rækker: Fanø, Læsø, Ærø (2020). Se noten."


def test_more_absent_municipalities_than_a_table_can_lack(small, folder):
    table = children()
    gone = set(areas.municipalities()[20:31])
    rows = {key: value for key, value in table.rows.items() if not (key[0] in gone and key[2] == "2021")}
    with StatBank({"ISBU02": replace(table, rows=rows)}) as bank:
        fetching = Fetching(small, folder, bank)
        refused(fetching, fetching(), content(folder), "11 of 98 areas in 2021", "Hillerød")
        bank.tables["ISBU02"] = table
        complete(fetching, fetching(), table)


def test_a_period_without_rows(small, folder):
    table = children()
    rows = {key: value for key, value in table.rows.items() if key[2] == "2020"}
    with StatBank({"ISBU02": replace(table, rows=rows)}) as bank:
        fetching = Fetching(small, folder, bank)
        refused(fetching, fetching(), content(folder), "no rows for 2021")


def test_a_region_that_is_gone_from_a_table_of_regions(edition, tmp_path):
    codes = ["000", "081", "082", "083", "084", "085"]
    lines = cells(("BOPREG", codes), ("KMDR", ["TOT"]), ("BEBOSTAT", ["3"]), ("TID", ["2023"]), zero_every=10_000)
    table = table_from_csv(lines, table="KRISE1", labels={"BOPREG": named_areas(codes)})
    table = replace(table, rows={key: value for key, value in table.rows.items() if key[0] != "085"})
    with StatBank({"KRISE1": table}) as bank:
        fetching = Fetching(edition_of(edition, KRISE1=(2023, 2023)), tmp_path / "raw", bank)
        outcome = fetching()
    assert outcome.status == "failed"
    assert "Region Sjælland" in outcome.cause
    assert not (tmp_path / "raw").exists(), "a folder that was made for nothing is gone again"


def counted(country, region=None):
    """FOLK1A with rows of the country and the regions, which are the sums but for what is given."""
    places = areas.area_table().set_index("area_code")["region_code"]
    codes = [*areas.municipalities(), "411"]
    lines = ["OMRÅDE;KØN;ALDER;CIVILSTAND;TID;INDHOLD"]
    for quarter in ("2023K1", "2023K4"):
        for age in ("IALT", "0"):
            lines += [f"{code};TOT;{age};TOT;{quarter};{100 + place}" for place, code in enumerate(codes)]
            sums = {"000": sum(100 + place for place in range(len(codes)))}
            for own in areas.regions():
                sums[own] = sum(100 + place for place, code in enumerate(codes) if places[code] == own)
            sums |= {"000": country or sums["000"], "084": region or sums["084"]} if age == "0" else {}
            lines += [f"{code};TOT;{age};TOT;{quarter};{value}" for code, value in sums.items()]
    return table_from_csv(lines, table="FOLK1A", labels={"OMRÅDE": named_areas(["000", *areas.regions(), *codes])})


def test_a_countrys_own_row_that_is_not_the_sum_warns_and_never_blocks(edition, tmp_path):
    wanted = edition_of(edition, FOLK1A=(2023, 2023))
    with StatBank({"FOLK1A": counted(None)}) as bank:
        fetching = Fetching(wanted, tmp_path / "raw", bank)
        assert complete(fetching, fetching(), bank.tables["FOLK1A"]) is not None
        assert not fetching(force=True).warnings, "sums that hold, Christiansø included"
        bank.tables["FOLK1A"] = counted(9999, 50)
        outcome = fetching(force=True)
        complete(fetching, outcome, bank.tables["FOLK1A"])
    (warning,) = outcome.warnings
    assert warning.startswith("4 of 24 region and country rows differ")
    assert "Hele landet TOT 0 TOT 2023K1: 9,999 against 14,751" in warning


def test_rates_are_not_added_up(edition, tmp_path):
    codes = [*areas.municipalities(), "000"]
    lines = cells(
        ("OMRÅDE", codes), ("FORANSTALT", ["IALT"]), ("ALDER", ["TOT22"]), ("TID", ["2023"]), zero_every=10_000
    )
    table = table_from_csv(lines, table="BU43", labels={"OMRÅDE": named_areas(codes)})
    with StatBank({"BU43": table}) as bank:
        outcome = Fetching(edition_of(edition, BU43=(2023, 2023)), tmp_path / "raw", bank)()
    assert outcome.status == "changed"
    assert not [warning for warning in outcome.warnings if "differ" in warning]


def test_a_table_that_has_shrunk_is_taken_only_when_told_to(small, folder):
    """A clean end after a whole line cannot be told from zeros; a table does not lose its rows, though."""
    table = children()
    fewer = {key: value for key, value in table.rows.items() if key[1] != "7"}
    with StatBank({"ISBU02": table}) as bank:
        fetching = Fetching(small, folder, bank)
        complete(fetching, fetching(), table)
        bank.tables["ISBU02"] = replace(table, rows=fewer, updated="2026-01-01T08:00:00")
        before = content(folder)
        outcome = fetching()
        assert outcome.status == "failed"
        assert "--force" in outcome.cause
        assert content(folder) == before
        complete(fetching, fetching(force=True), bank.tables["ISBU02"])


def test_new_codes_and_other_labels_are_told(edition, tmp_path):
    codes = areas.municipalities()
    lines = cells(("ADMKOM", codes), ("ANBRINGELSE", ["0", "1"]), ("TID", ["2023"]), zero_every=10_000)
    table = table_from_csv(lines, table="ANBAAR12", labels={"ADMKOM": named_areas(codes)})
    with StatBank({"ANBAAR12": table}) as bank:
        fetching = Fetching(edition_of(edition, ANBAAR12=(2023, 2023)), tmp_path / "raw", bank)
        assert not fetching().warnings
        bank.fault("new_code", variable="ANBRINGELSE")
        bank.fault("labels", path="/tableinfo")
        bank.tables["ANBAAR12"] = replace(table, updated="2026-01-01T08:00:00")
        warnings = fetching().warnings
    assert any("0 'Anbringelse 0' is now 'Anbringelse 0 (ny)'" in warning for warning in warnings)
    assert any("ANBRINGELSE has new codes: 9998" in warning for warning in warnings)
    assert any("101 is 'København (ny)', not 'København'" in warning for warning in warnings)


# --- what is replaced, and what is kept


def test_unchanged_data_keeps_its_file_and_says_since_when(small, folder):
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        fetching()
        before = {path: (data, (folder / path).stat().st_mtime_ns) for path, data in content(folder).items()}
        shutil.rmtree(fetching.vintages)
        bank.requests.clear()
        outcomes = [fetching()]
        assert not fetching.asked(), "the stamp says it"
        bank.tables["ISBU02"] = replace(children(), updated="2026-01-01T08:00:00")
        outcomes.append(fetching())
        assert fetching.asked(), "another stamp, the same figures"
        outcomes.append(fetching(force=True, limit=10_000))
    after = {path: (data, (folder / path).stat().st_mtime_ns) for path, data in content(folder).items()}
    assert after == before
    assert {outcome.status for outcome in outcomes} == {"unchanged"}
    assert outcomes[0].cause == f"unchanged since {retrieved(folder)}"
    assert not fetching.vintages.exists()


def test_the_same_figures_give_the_same_bytes(small, tmp_path):
    made = []
    for number, limit in enumerate((50, 10_000)):
        with StatBank({"ISBU02": children()}) as bank:
            Fetching(small, tmp_path / str(number), bank)(limit=limit)
        made.append((tmp_path / str(number) / "ISBU02.csv.gz").read_bytes())
    assert made[0] == made[1]


def test_the_folder_as_it_was_is_kept_whole_by_date(edition, folder):
    wanted = edition_of(edition, ISBU02=(2020, 2021), ANBAAR12=(2020, 2021))
    codes = areas.municipalities()
    lines = cells(("ADMKOM", codes), ("ANBRINGELSE", ["0", "1"]), ("TID", ["2020", "2021"]))
    placed = table_from_csv(lines, table="ANBAAR12", labels={"ADMKOM": named_areas(codes)})
    before = content(folder)
    with StatBank({"ISBU02": children(), "ANBAAR12": placed}) as bank:
        fetching = Fetching(wanted, folder, bank)
        assert [outcome.status for outcome in fetching()] == ["changed", "changed"]
        assert fetching.kept == fetching.vintages / "2026-11-20", "the newest retrieval date of what it holds"
        assert content(fetching.kept) == before
        assert len(raw_files(fetching.kept)) == 3
        names = ["2026-11-20"]
        for number in (1, 2):
            values = dict.fromkeys(children().rows, str(number))
            bank.tables["ISBU02"] = replace(children(), rows=values, updated=f"2026-01-0{number}T08:00:00")
            kept, day = content(folder), retrieved(folder)
            assert [outcome.status for outcome in fetching()] == ["changed", "unchanged"]
            assert content(fetching.kept) == kept
            names.append(f"{day}-2" if day in names else day)
        assert [path.name for path in kept_vintages(fetching.vintages)] == names
    # A copy, not a link: the raw folder is free to change.
    (folder / "BU43.csv").write_text("changed", encoding="utf-8")
    assert content(fetching.vintages / "2026-11-20") == before


def test_a_vintage_that_is_already_there_is_used_again(folder, tmp_path):
    first = keep_vintage(folder, tmp_path / "vintages")
    # What JupyterLab leaves beside a file that is looked at.
    (first / ".ipynb_checkpoints").mkdir()
    (first / ".ipynb_checkpoints" / "BU43-checkpoint.csv").write_text("x", encoding="utf-8")
    assert keep_vintage(folder, tmp_path / "vintages") == first
    assert [path.name for path in (tmp_path / "vintages").iterdir()] == ["2026-11-20"]
    assert keep_vintage(tmp_path / "vintages", tmp_path / "none") is None


@pytest.mark.parametrize("spoil", ["bytes", "sidecar", "twice"])
def test_a_table_that_its_readers_refuse_is_mended(small, folder, spoil):
    path = folder / "ISBU02.csv.gz"
    if spoil == "bytes":
        path.write_bytes(path.read_bytes() + b"\n")
    elif spoil == "sidecar":
        (folder / "ISBU02.yml").unlink()
    else:
        shutil.copy(path, folder / "ISBU02.csv")
    with pytest.raises(InputError):
        raw_files(folder)
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(small, folder, bank)
        complete(fetching, fetching(), children())
    raw_files(folder)


def test_one_table_that_fails_does_not_hold_the_others_back(edition, folder):
    wanted = edition_of(edition, ISBU02=(2020, 2021), UND1=(2020, 2021))
    with StatBank({"ISBU02": children()}) as bank:
        fetching = Fetching(wanted, folder, bank)
        good, bad = fetching()
        complete(fetching, good, children())
        assert bad.status == "failed"
        assert "UND1" in bad.cause


def test_two_commands_do_not_work_in_one_folder(small, folder):
    with StatBank({"ISBU02": children()}) as bank, elsewhere_held(folder), pytest.raises(InputError, match="another"):
        Fetching(small, folder, bank)()


def test_a_folder_that_cannot_be_written_to(small, tmp_path):
    (tmp_path / "raw").write_text("a file", encoding="utf-8")
    with StatBank({"ISBU02": children()}) as bank, pytest.raises(InputError, match="cannot write"):
        Fetching(small, tmp_path / "raw", bank)()


# --- a stop between two renames

NEW = "KOMMUNEDK;INDSATSER;TID;INDHOLD\n101;2;2020;77\n101;2;2021;88\n"


def prepared(folder):
    """A staged ISBU02 that is to replace the old one and its part."""
    staged = work_folder(folder, "ISBU02") / "staged"
    write_raw(staged, "ISBU02", NEW, suffix=".csv.gz")
    return staged


def state(folder):
    """What a reader of ISBU02 gets: its values, or None where it is refused."""
    try:
        return sorted(read_table(folder, "ISBU02")[0]["value"])
    except InputError:
        return None


def replaced(folder):
    replace_table(folder, "ISBU02", work_folder(folder, "ISBU02") / "staged")


@pytest.mark.parametrize(("act", "code"), [(killed, 7), (interrupted, 3)])
def test_a_stop_anywhere_in_a_replacement_is_old_or_new_and_whole(folder, act, code):
    """A reader that comes upon a moment without the folder finishes what was begun."""
    old = state(folder)
    prepared(folder)
    seen = []
    for tried in steps(act, code, folder, replaced):
        seen.append(state(tried))
        raw_files(tried)
        with changing(tried):
            pass
        assert state(tried) == seen[-1]
        assert [path.name for path in tried.parent.iterdir()] == ["raw"]
    turned = seen.index([77.0, 88.0])
    assert turned > 10 and seen == [old] * turned + [[77.0, 88.0]] * (len(seen) - turned)


def test_the_next_fetch_finishes_what_was_begun(small, folder):
    prepared(folder)
    half_way = next(tried for tried in steps(killed, 7, folder, replaced) if not tried.exists())
    with StatBank({}) as bank:
        assert Fetching(small, half_way, bank)().status == "failed"
    assert state(half_way) == [77.0, 88.0]
    assert not (half_way / ".fetch").exists()


# --- the whole way


# The year that the shortened edition below is made of, and the quarters it needs.
PERIODS = ("2024", "2024K1", "2024K4", "2025K1")


@pytest.fixture
def source(tmp_path):
    """The embedded raw folder with one year only, without the forms of the shelters, which are slow to read."""
    folder = tmp_path / "source"
    shutil.copytree(ROOT / "data" / "raw" / "2025", folder, ignore=shutil.ignore_patterns("HERBERG*"))
    for path in sorted(folder.glob("*.csv.gz")):
        stem = path.name.removesuffix(".csv.gz")
        rewrite_raw(
            folder, stem, lambda lines: [lines[0], *(row for row in lines[1:] if row.split(";")[-2] in PERIODS)]
        )
    return folder


def as_statbank(folder, name):
    """A table of a raw folder, its parts together, served as StatBank would serve it."""
    lines = []
    for path in sorted(folder.glob(f"{name}.*csv.gz")):
        header, *rows = unpacked(path).splitlines()
        lines += rows
    here = sorted({row.split(";")[0] for row in lines})
    labels = {table_shapes()[name].area: named_areas(here)}
    if name == "REGK31":
        labels["FUNKTION"] = {
            code: f"{account_rules.printed_number(code)} Funktion" for code in account_rules.functions()
        }
    # The first of two rows of a key, which is the genuine one.
    unique = {row.rpartition(";")[0]: row for row in reversed(lines)}
    return table_from_csv([header, *unique.values()], table=name, labels=labels)


@pytest.mark.long
def test_key_figures_of_fetched_data_are_those_of_the_source(edition, source, tmp_path):
    last = Years(first=2024, last=2024)
    needs = {
        name: need.model_copy(update={"years": last}) for name, need in edition.tables.items() if "HERB" not in name
    }
    short = edition.model_copy(update={"period": last, "tables": needs})
    before, _ = build_edition(short, source, tmp_path / "before")
    kept = content(source)
    names = [name for name in needs if name in table_shapes() and table_shapes()[name].fetch]
    served = {name: as_statbank(source, name) for name in names if name != "NGLK"}
    with StatBank(served | {"NGLK": nglk({"2024": (57000, 43000)})}) as bank:
        outcomes, vintage = fetch_edition(short, source, tmp_path / "vintages", url=bank.url, patience=HASTE)
    assert {outcome.table: outcome.cause for outcome in outcomes if outcome.status != "changed"} == {}
    assert len(outcomes) == len(names) == 11
    assert {file.path.name for file in raw_files(source) if file.sidecar.origin == "statbank"} == {
        f"{name}.csv.gz" for name in names
    }
    assert not [path for path in source.iterdir() if ".reconstruction." in path.name or ".derived." in path.name]
    assert content(vintage) == kept
    after, _ = build_edition(short, source, tmp_path / "after")
    keys = ["indicator", "area_code", "population_group", "category", "year", "variant"]
    both = after.merge(before, on=keys, how="outer", suffixes=("", "_before"), indicator=True)
    assert set(both["_merge"]) == {"both"}
    # Genuine counts take the place of the derived rate, which was preferred to reconstructed ones.
    both = both[both["indicator"] != "children_notified_per_1000"]
    assert len(both) > 5_000
    pd.testing.assert_series_equal(both["value"], both["value_before"], check_names=False, rtol=0, atol=0)
    assert set(after.loc[after["indicator"] == "expenditure", "origin"]) == {"statbank"}


@pytest.mark.needs("pango", "poppler")
@pytest.mark.long
def test_what_fetch_and_import_write_goes_through_every_form_of_a_report(small_root, tmp_path):
    source = SmallEdition(small_root).raw
    project = Project(tmp_path / "project", tmp_path / "processed", small_root)
    raw, saved = tmp_path / "live", tmp_path / "saved.csv"
    years = {"first": 2024, "last": 2024}
    declared = yaml.safe_load(project.edition.read_text(encoding="utf-8"))
    embedded = yaml.safe_load((ROOT / "editions" / "2025.yml").read_text(encoding="utf-8"))
    declared |= {
        "period": years,
        "tables": {name: {"years": years} for name in ("REGK100", "FOLK1A", "ISBU02", "KOMPONENT")},
        "disclosure": declared["disclosure"] | {"sources": {"KOMPONENT": "persons"}},
        "sections": [plan for plan in embedded["sections"] if plan["notebook"] == "00_datagrundlag"],
    }
    project.edition.write_text(yaml.safe_dump(declared, allow_unicode=True), encoding="utf-8")
    shutil.copy(ROOT / "notebooks" / "00_datagrundlag.ipynb", project.root / "notebooks")

    def done(*arguments):
        options = ["--edition", "2025", "--raw", raw]
        with looking_at(project.root):
            result = CliRunner().invoke(app, [*map(str, [*arguments, *options])])
        assert result.exit_code == 0, result.output + repr(result.exception)

    with StatBank({name: as_statbank(source, name) for name in ("REGK100", "FOLK1A", "ISBU02")}) as bank:
        done("fetch", "--table", "REGK100", "--table", "FOLK1A", "--url", bank.url)
        every = "lang=da&valuePresentation=Code&KOMMUNEDK=*&INDSATSER=*&Tid=*"
        saved.write_bytes(httpx.get(f"{bank.url}/data/ISBU02/CSV?{every}").content)
    done("import", saved, "--table", "ISBU02")
    done("import", source / "KOMPONENT.xlsx", "--form", "komponent")
    result = subprocess.run(
        project.command("--raw", str(raw), formats=()), env=os.environ | {"NOEGLETAL_ROOT": str(project.root)},
        capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert {file for file in FORMATS.values() if (project.report / file).is_file()} == set(FORMATS.values())
    assert (project.out / "2025" / PACKAGE).is_file()

    sidecars = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(raw.glob("*.yml"))]
    days = {danish.day(str(sidecar["retrieved"])) for sidecar in sidecars}
    assert len(sidecars) == 4
    shown = (project.report / "00_datagrundlag.html").read_text(encoding="utf-8")
    printed = poppler("pdftotext", project.report / FORMATS["pdf"], "-")
    for text in (shown, printed.replace("\n", " ")):
        assert all(day.replace("\u00a0", " ") in text.replace("\u00a0", " ") for day in days)
        assert not re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d", text)


# --- exchanges that were recorded


class _Replay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.answers[min(self.server.given, len(self.server.answers) - 1)]
        self.server.given += 1
        status, headers, body, framed = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if framed:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 700):
                block = body[start : start + 700]
                self.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        """Quiet."""


@contextmanager
def replayed(*answers):
    """A server that gives these answers in turn, the last one for ever; answers are status, headers, body, framed."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Replay) as server:
        server.daemon_threads = True
        server.answers, server.given = answers, 0
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with statbank.connection(f"http://127.0.0.1:{server.server_address[1]}/v1", HASTE) as link:
                yield link, server
        finally:
            server.shutdown()
            thread.join()


class _Recording(yaml.SafeLoader):
    """YAML with Ruby's binary strings."""


_Recording.add_constructor("!binary", lambda loader, node: base64.b64decode(node.value))


def recorded(name):
    path = REFERENCE / "dst" / "recorded_thoran" / f"{name}.yml"
    if not path.is_file():
        pytest.skip(f"reference material is not beside the project: {path.name}")
    response = yaml.load(path.read_text(encoding="utf-8"), Loader=_Recording)["http_interactions"][0]["response"]  # noqa: S506
    body = response["body"]["string"]
    headers = {
        name: values[0]
        for name, values in response["headers"].items()
        if name.lower() in ("content-type", "content-disposition", "statbankapi-request-id")
    }
    return response["status"]["code"], headers, body if isinstance(body, bytes) else body.encode(), True


STRAF42 = Request("STRAF42", {"HERKOMST1": ("00",), "Tid": ("2023",)})


@pytest.mark.parametrize("name", ["table_info_straf42_da", "table_info_straf42"])
def test_a_recorded_tableinfo_reads(name):
    with replayed(recorded(name)) as (link, _):
        info = statbank.table_info(link, "straf42")
    assert (info.id, info.updated, info.suppressed_value, info.time.id) == (
        "STRAF42",
        "2025-03-25T08:00:00",
        "0",
        "Tid",
    )
    assert info.variable("herkomst1").codes[:2] == ["00", "80"]
    assert info.time.codes[-1] == "2024"
    assert "2023" in info.footnote.text
    assert info.footnote.mandatory


def test_a_recorded_csv_answer_arrives_byte_for_byte(tmp_path):
    answer = recorded("data_straf42_csv")
    with replayed(answer) as (link, _):
        came = statbank.download(link, STRAF42, tmp_path / "STRAF42.csv", lambda _: None)
    assert (tmp_path / "STRAF42.csv").read_bytes() == answer[2]
    assert came.request_id == "8216e6ab-04cb-4076-8d4d-d59288bcc412"
    assert [path.name for path in tmp_path.iterdir()] == ["STRAF42.csv"]


def test_a_recorded_answer_in_another_format_is_refused(tmp_path):
    with replayed(recorded("data_straf42_json")) as (link, _), pytest.raises(InputError, match="something else"):
        statbank.download(link, STRAF42, tmp_path / "STRAF42.csv", lambda _: None)
    assert not list(tmp_path.iterdir())


def test_a_recorded_list_of_tables_is_no_tableinfo():
    with replayed(recorded("tables_subject_crime")) as (link, _), pytest.raises(InputError, match="does not describe"):
        statbank.table_info(link, "STRAF42")


def test_every_observed_error_is_shown_in_statbanks_words(tmp_path):
    path = REFERENCE / "dst" / "transcribed" / "api_errors_observed.jsonl"
    if not path.is_file():
        pytest.skip(f"reference material is not beside the project: {path.name}")
    for line in path.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        answer = (case["http_status"], {"Content-Type": "text/json; charset=utf-8"}, case["body"].encode(), True)
        with replayed(answer) as (link, server):
            with pytest.raises(InputError) as caught:
                statbank.download(link, STRAF42, tmp_path / "STRAF42.csv", lambda _: None)
            assert server.given == 1, "an error of ours is not asked again"
        assert json.loads(case["body"])["message"] in str(caught.value)


CSV_TYPE = {"Content-Type": "text/csv; charset=utf-8"}
SOUND = b"HERKOMST1;TID;INDHOLD\r\n00;2023;5\r\n"


def test_an_answer_that_does_not_say_where_it_ends_is_refused(tmp_path):
    with replayed((200, CSV_TYPE, SOUND, False)) as (link, _), pytest.raises(InputError, match="proxy"):
        statbank.download(link, STRAF42, tmp_path / "a.csv", lambda _: None)


def test_a_redirection_is_named(tmp_path):
    answer = (301, {"Location": "https://example.org/"}, b"", True)
    with replayed(answer) as (link, _), pytest.raises(InputError, match=r"example\.org.*--url"):
        statbank.download(link, STRAF42, tmp_path / "a.csv", lambda _: None)


def test_retry_after_is_kept_to_as_seconds_and_as_a_date(tmp_path):
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    with replayed((503, {"Retry-After": date}, b"", True)) as (link, server):
        with pytest.raises(InputError, match=r"wait (9[0-9]|100) seconds"):
            statbank.download(link, STRAF42, tmp_path / "a.csv", lambda _: None)
        assert server.given == 1
    patience = replace(HASTE, longest_wait=2.0)
    with replayed((429, {"Retry-After": "0.4"}, b"", True), (200, CSV_TYPE, SOUND, True)) as (link, _):
        started = time.monotonic()
        statbank.download(replace(link, patience=patience), STRAF42, tmp_path / "a.csv", lambda _: None)
        assert time.monotonic() - started >= 0.4
    assert (tmp_path / "a.csv").read_bytes() == SOUND


@pytest.mark.parametrize("url", ["api.statbank.dk/v1", "ftp://api.statbank.dk", "https://x:y", "https://", ""])
def test_an_address_that_is_none(url):
    with pytest.raises(InputError, match="--url"), statbank.connection(url):
        pass


# --- the command


def command(*arguments, **environment):
    return CliRunner().invoke(app, ["fetch", "--edition", "2025", *map(str, arguments)], env=environment)


YEARS = tuple(map(str, range(2020, 2025)))


def test_the_command_fetches_and_says_what_it_did(folder):
    with StatBank({"ISBU02": children(YEARS)}) as bank:
        first = command("--table", "isbu02", "--url", bank.url, "--raw", folder)
        again = command("--table", "ISBU02", "--raw", folder, NOEGLETAL_STATBANK_URL=bank.url)
    assert first.exit_code == 0, first.output
    assert "ISBU02  2020-2024" in first.output
    assert "changed" in first.output
    assert str(folder.parent / "vintages" / "2025" / "2026-11-20") in first.output
    assert again.exit_code == 0
    assert "unchanged since" in again.output
    assert unpacked(folder / "ISBU02.csv.gz") == written(children(YEARS))


def test_the_command_fails_when_one_table_does(folder):
    with StatBank({"ISBU02": children(YEARS)}) as bank:
        done = command("--table", "ISBU02", "--table", "UND1", "--url", bank.url, "--raw", folder)
    assert done.exit_code == 1
    assert "Tabel findes ikke: UND1" in done.output
    assert unpacked(folder / "ISBU02.csv.gz") == written(children(YEARS))


@pytest.mark.parametrize(("table", "reason"), [("KOMPONENT", "delivery"), ("UND2_PR_1000", "derived"), ("X", "it has")])
def test_a_table_that_is_not_statbanks(folder, table, reason):
    done = command("--table", table, "--url", "http://127.0.0.1:9", "--raw", folder)
    assert isinstance(done.exception, InputError)
    assert reason in str(done.exception)


def test_a_dry_run_prints_the_requests_and_fetches_no_data(folder):
    before = content(folder)
    with StatBank({"ISBU02": children(YEARS)}) as bank:
        done = command("--dry-run", "--table", "ISBU02", "--url", bank.url, "--raw", folder)
        assert {asked.path.split("?")[0].split("/")[1] for asked in bank.requests} == {"tableinfo"}
    assert done.exit_code == 0
    (asked,) = json.loads(done.stdout)
    assert (asked["table"], asked["rows"], asked["cells"]) == ("ISBU02", 98 * 4 * 5, 98 * 4 * 5 * 4)
    assert asked["request"]["format"] == "BULK"
    assert content(folder) == before


def test_a_dry_run_says_how_the_other_tables_are_renewed(folder):
    with StatBank({"ISBU02": children(YEARS)}) as bank:
        done = command("--dry-run", "--url", bank.url, "--raw", folder)
    assert "UND2_PR_1000 is not fetched: it is derived: its figures are computed from UND2 and FOLK1A" in done.stderr
    assert "KOMPONENT is not fetched: it is a delivery: `noegletal import FILE --form komponent`" in done.stderr
    assert [asked["table"] for asked in json.loads(done.stdout)] == ["ISBU02"]


def test_a_dry_run_says_what_cannot_be_asked_for(folder):
    with StatBank({"ISBU02": children()}) as bank:
        done = command("--dry-run", "--table", "ISBU02", "--url", bank.url, "--raw", folder)
    assert done.exit_code == 1
    assert "2022, 2023, 2024" in done.stderr


def test_a_dry_run_without_network_says_so_once_and_what_is_wanted_all_the_same(folder, monkeypatch):
    asked = []

    def hasty(**given):
        asked.append(given)
        return replace(HASTE, **given)

    monkeypatch.setattr(statbank, "Patience", hasty)
    done = command("--dry-run", "--url", "http://127.0.0.1:9", "--raw", folder)
    assert done.exit_code == 1
    assert done.stderr.count("no connection to http://127.0.0.1:9 after 2 attempts") == 1
    assert asked == [{"attempts": 2}], "who only wants to look is told soon"
    plan = load_edition()
    for table in fetched_tables(plan):
        years = plan.tables[table].years
        assert f"{table}: {years.first}-{years.last} are wanted" in done.stderr


def test_ctrl_c_of_the_command(folder):
    before = content(folder)
    with StatBank({"ISBU02": children(YEARS)}) as bank:
        bank.fault("slow")

        def stop():
            while not any(asked.path.startswith("/data") for asked in bank.requests):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        waiting = threading.Thread(target=stop)
        waiting.start()
        done = command("--table", "ISBU02", "--url", bank.url, "--raw", folder)
        waiting.join()
    assert done.exit_code == 130
    assert "run the command again" in done.stderr
    assert content(folder) == before
