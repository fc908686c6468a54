"""Raw tables that are wrong in ways that no checksum shows: each is refused, or said of the figures concerned."""

import gzip
import json

import pytest
from conftest import rewrite_raw
from raw_mutations import MUTATIONS, mutated

from analysis.errors import InputError
from noegletal import rules
from noegletal.figures import build as building


def rules_found(small, monkeypatch):
    """The rules by which a build of the small edition is stopped, or what its findings are by."""
    found = []

    def kept(findings):
        found.extend(findings)
        raise InputError("seen")

    monkeypatch.setattr(rules, "require_sound", kept)
    try:
        building.build_edition(small.edition, small.raw, small.processed)
    except InputError as error:
        return {error.rule} if not found else {(finding.rule, finding.severity, finding.text) for finding in found}


@pytest.fixture(scope="module")
def usual(small_root):
    """What is found in the small edition as it is."""
    findings = json.loads((small_root / "data/processed/2024/findings.json").read_text(encoding="utf-8"))
    return {(finding["rule"], finding["severity"], finding["text"]) for finding in findings}


@pytest.mark.long
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.table}: {mutation.name}")
def test_a_wrong_table_is_never_taken_for_a_right_one(small, usual, monkeypatch, mutation):
    files = {}
    for path in (*small.raw.glob(f"{mutation.table}.csv.gz"), *small.raw.glob(f"{mutation.table}.*.csv.gz")):
        files[path.name.removesuffix(".csv.gz")] = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    wrong = mutated(mutation, files)
    assert wrong != files, "nothing has changed"
    for stem, lines in wrong.items():
        rewrite_raw(small.raw, stem, lambda _, lines=lines: lines)
    said = rules_found(small, monkeypatch) - usual
    assert {one if isinstance(one, str) else one[0] for one in said} & set(mutation.rules), sorted(map(str, said))[:5]
