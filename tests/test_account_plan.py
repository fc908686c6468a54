"""The account plan of a new year beside the last one's: what changed, with what is at stake and a proposal."""

import shutil

import pandas as pd
import pytest
from conftest import noegletal, rewrite_raw
from small_edition import MUNICIPALITIES, NAME, forget

from analysis import accounts, areas
from analysis.edition import load_edition, raw_folder
from analysis.errors import InputError
from noegletal.account_plan import lines, reviewed
from noegletal.editions import new_edition
from noegletal.figures.reference import require_consistent

NEXT = str(int(NAME) + 1)
FUNCTION = "52821"
# StatBank's names of groupings: one that changes, and one that says no more than its code.
THEN = {"003": "003 Familiebehandling", "006": "006 Aflastning i plejefamilie", "012": "012", "005": "005 Aflastning"}
NOW = THEN | {"006": "006 Aflastningsfamilier", "012": "012 Ny tekst", "731": "731 Aflastning i plejefamilier"}
AMOUNT = 1500


def next_year(lines):
    """The rows of the last year once more as those of the next; 52821: 731 and 732 are new, 005 is gone, 006 there."""
    columns = lines[0].split(";")
    function, grouping, time = (columns.index(name) for name in ("FUNKTION", "GRUPPERING", "TID"))
    rows = [line.split(";") for line in lines[1:]]
    copied = []
    for row in rows:
        if row[time] != NAME or (row[function], row[grouping].zfill(3)) == (FUNCTION, "005"):
            continue
        copied.append([*row[:time], NEXT, *row[time + 1 :]])
    like = next(row for row in copied if row[function] == FUNCTION and row[grouping].zfill(3) == "003")
    for area in MUNICIPALITIES:
        for code in ("731", "732"):
            made = list(like)
            made[columns.index("OMRÅDE")], made[grouping], made[-1] = area, code, str(AMOUNT)
            copied.append(made)
    # A function of which one rule takes every grouping.
    made = [*copied[-1]]
    made[function], made[grouping] = "53845", "077"
    return ["\n".join(map(";".join, [columns, *rows, *copied, made]))]


@pytest.fixture
def begun(small):
    """The small edition of the next year, begun, with its accounts there."""
    new_edition(NEXT, NAME)
    raw = raw_folder(NEXT)
    raw.mkdir(parents=True)
    for path in small.raw.glob("REGK100.*"):
        shutil.copy(path, raw)
    rewrite_raw(small.raw, "REGK100", lambda lines: lines, labels={"GRUPPERING": THEN})
    rewrite_raw(raw, "REGK100", next_year, labels={"GRUPPERING": NOW})
    forget()
    return small


def found(begun):
    changes = reviewed(load_edition(NEXT), begun.edition, raw_folder(NEXT), begun.raw)
    return {(change.kind, change.function, change.grouping): change for change in changes}


def test_what_is_new_gone_and_renamed_is_found_with_its_amount_and_a_proposal(begun):
    changes = found(begun)
    own = {key for key in changes if key[1] == FUNCTION}
    assert own == {("new", FUNCTION, "731"), ("new", FUNCTION, "732"), ("vanished", FUNCTION, "005"),
                   ("renamed", FUNCTION, "006")}  # fmt: skip
    assert {key[0] for key in set(changes) - own} <= {"renamed"}, "the names of other functions' 006"
    assert "53845" not in {key[1] for key in changes}
    home = len(set(areas.members("hovedstaden")) & set(MUNICIPALITIES))
    new = changes["new", FUNCTION, "731"]
    assert (new.amount, new.amount_home) == (AMOUNT * 1000 * len(MUNICIPALITIES), AMOUNT * 1000 * home)
    assert (new.category, new.label, new.before) == ("aflastning", "Aflastning i plejefamilier", "")
    assert new.why.startswith("navnet ligner Aflastning i plejefamilie")
    unnamed = changes["new", FUNCTION, "732"]
    assert (unnamed.category, unnamed.why) == (accounts.OUTSIDE, "intet navn at gå efter")
    renamed = changes["renamed", FUNCTION, "006"]
    assert (renamed.before, renamed.label) == ("Aflastning i plejefamilie", "Aflastningsfamilier")
    assert renamed.category == "aflastning"
    gone = changes["vanished", FUNCTION, "005"]
    assert gone.row is None
    rows = pd.read_csv(begun.raw / "REGK100.csv.gz", sep=";", dtype={"TID": str, "FUNKTION": str, "OMRÅDE": str})
    rows = rows[(rows["TID"] == NAME) & (rows["FUNKTION"] == FUNCTION) & (rows["GRUPPERING"] == 5)]
    rows = rows[(rows["ART"] == "TOT") & (rows["PRISENHED"] == "LOBM") & rows["OMRÅDE"].isin(MUNICIPALITIES)]
    assert gone.amount == rows["INDHOLD"].sum() * 1000 != 0


def test_a_name_that_is_nothing_like_the_others_is_proposed_outside(begun):
    rewrite_raw(raw_folder(NEXT), "REGK100", lambda lines: lines, labels={"GRUPPERING": NOW | {"732": "Xyzzy"}})
    unlike = found(begun)["new", FUNCTION, "732"]
    assert (unlike.category, unlike.why, unlike.label) == (accounts.OUTSIDE, "intet navn ligner", "Xyzzy")


def test_without_names_of_the_source_codes_are_compared(begun):
    rewrite_raw(begun.raw, "REGK100", lambda lines: lines, labels={})
    assert {key[0] for key in found(begun)} == {"new", "vanished"}
    said = noegletal("edition", "review", NEXT, NOEGLETAL_ROOT=begun.root).stdout
    assert f"Names are not compared: {begun.raw} keeps none" in said


def test_the_lines_can_be_pasted_and_then_nothing_is_left_to_decide(begun):
    """New groupings have a rule afterwards; until somebody pastes the lines, none has."""
    proposed = lines([change for change in found(begun).values() if change.kind == "new"])
    assert proposed.count("\n") == 2
    begun.declare("accounts.csv", lambda text: text + proposed)
    require_consistent(begun.edition)
    rules = accounts.rules_of_year(int(NEXT))
    added = rules[(rules["function"] == FUNCTION) & rules["grouping"].isin(["731", "732"])]
    assert added["category"].tolist() == ["aflastning", accounts.OUTSIDE]
    assert added["label"].tolist() == ["Aflastning i plejefamilier", ""]
    assert not lines([change for change in found(begun).values() if change.kind == "new"])
    # A rule that is not closed before the next is opened is refused by line.
    renamed = lines([change for change in found(begun).values() if change.kind == "renamed"])
    begun.declare("accounts.csv", lambda text: text + renamed)
    with pytest.raises(
        InputError, match=r"accounts\.csv lines 14, .*: function 52821 grouping 006 belongs to more than"
    ):
        accounts.rules_of_year(int(NEXT))


def test_the_lines_have_the_separator_of_the_file(begun):
    """Danish Excel saves it with semicolons."""
    path = begun.reference / "accounts.csv"
    pd.read_csv(path, dtype=str, keep_default_na=False).to_csv(path, sep=";", index=False)
    forget()
    assert f"\n{FUNCTION};731;boern_og_unge;aflastning;;{NEXT};;;Aflastning i" in "\n" + lines(found(begun).values())


def test_the_command_shows_it_and_changes_nothing(begun):
    before = (begun.reference / "accounts.csv").read_bytes()
    result = noegletal("edition", "review", NEXT, NOEGLETAL_ROOT=begun.root)
    assert result.returncode == 0, result.stderr
    assert f"Groupings in {NEXT}, against {NAME}" in result.stdout
    assert (
        f"{FUNCTION},731,boern_og_unge,aflastning,,{NEXT},,,Aflastning i plejefamilier,REGK100 {NEXT}," in result.stdout
    )
    closed = [line for line in result.stdout.splitlines() if line.startswith("accounts.csv line ")]
    assert closed and all(f"close it with valid_to {NAME} if" in line for line in closed)
    assert "Names are not compared" not in result.stdout
    assert (begun.reference / "accounts.csv").read_bytes() == before


def test_before_the_accounts_are_there_the_review_says_what_to_do(small):
    new_edition(NEXT, NAME)
    result = noegletal("edition", "review", NEXT, NOEGLETAL_ROOT=small.root)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {raw_folder(NEXT)} has no REGK100 yet: `noegletal fetch --edition {NEXT}` first, then review\n"
    )


def test_accounts_without_the_new_year_are_refused(begun):
    shutil.copytree(begun.raw, raw_folder(NEXT), dirs_exist_ok=True)
    with pytest.raises(InputError, match=rf"REGK100 in .* has no {NEXT}, which the review compares"):
        found(begun)
