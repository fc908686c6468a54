"""Raw tables that are wrong in ways that no checksum shows: each is refused, or said of the figures concerned."""

import gzip
import json
from itertools import zip_longest

import pytest
from conftest import rewrite_raw
from raw_mutations import MUTATIONS, mutated

from analysis.errors import InputError
from noegletal import rules
from noegletal.sources.vintages import keep_vintage, vintages_folder

# One of each line is wrong in a build: no figure of a line has sources of another, but for unit costs and what is per
# inhabitant, so that each finding is of one of them.
LINES = (("REGK100", "REGK31"), ("HAND05", "KRISE1", "ISBU02"), ("UND2", "UND1", "UND2_PR_1000"), ("ANBAAR12", "BU43"))


def builds():
    """What is wrong in each build; with another population everything is, and it is wrong alone."""
    lines = [[one for table in tables for one in MUTATIONS if one.table == table] for tables in LINES]
    for several in zip_longest(*lines):
        yield tuple(one for one in several if one)
    yield from ((one,) for one in MUTATIONS if one.table == "FOLK1A")


BUILDS = tuple(builds())


@pytest.fixture(scope="module")
def usual(small_root):
    """What is found in the small edition as it is."""
    findings = json.loads((small_root / "data/processed/2024/findings.json").read_text(encoding="utf-8"))
    return {(finding["rule"], finding["text"]) for finding in findings}


def found(small):
    """What stops a build of the small edition, or what is found in it."""
    try:
        return small.build().findings
    except rules.BlockedError as error:
        return error.findings
    except InputError as error:
        return [rules.refusal(error)]


def lines_of(small, table):
    """The lines of each file of a table."""
    paths = small.raw.glob(f"{table}.*csv.gz")
    return {
        path.name.removesuffix(".csv.gz"): gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
        for path in paths
    }


@pytest.mark.long
@pytest.mark.parametrize("wrong", BUILDS, ids=lambda several: ", ".join(f"{one.table} {one.name}" for one in several))
def test_a_wrong_table_is_never_taken_for_a_right_one(small, usual, wrong):
    tables = {one.table for one in wrong}
    # Less to build: the accounts, the population, and each wrong table with those that it is held against.
    beside = {table for line in LINES if tables & {*line} for table in line}
    small.keep_only("REGK100", "REGK31", "FOLK1A", *beside)
    for table in {one.table for one in wrong if one.vintage}:
        # Of genuine rows: those that were fitted to print are others in every fit.
        for stem, lines in lines_of(small, table).items():
            rewrite_raw(small.raw, stem, lambda _, lines=lines: lines, origin="statbank")
    if any(one.vintage for one in wrong):
        keep_vintage(small.raw, vintages_folder(small.name, small.raw))
    for one in wrong:
        files = lines_of(small, one.table)
        changed = mutated(one, files)
        assert changed != files, "nothing has changed"
        for stem, lines in changed.items():
            rewrite_raw(small.raw, stem, lambda _, lines=lines: lines)
    said = [one for one in found(small) if (one.rule, one.text) not in usual]
    for one in wrong:
        # A finding about another wrong table is not of this one.
        own = {finding.rule for finding in said if tables & {*finding.table.split(", ")} <= {one.table}}
        assert own & set(one.rules), (
            one.table,
            one.name,
            [(other.rule, other.table, other.text) for other in said][:8],
        )


def test_there_are_many_of_them():
    assert sum(map(len, BUILDS)) == len(MUTATIONS) >= 75
