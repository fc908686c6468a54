"""Small counts: what is hidden, what protects it, and a reader who puts everything that is published together."""

import datetime
import json
import re
import shutil
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT, rewrite_raw
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.optimize import Bounds, LinearConstraint, milp
from small_edition import looking_at

from analysis import accounts, areas, charts, danish, measures
from analysis.edition import Disclosure, Edition, load_edition
from analysis.errors import InputError
from analysis.rows import CELL_KEYS, COLUMNS, KEYS, PANEL, labels
from analysis.section import PUBLISH_VARIABLE, SUPPRESSION_LINE, Section
from noegletal.facts.sums import rates, with_summed_areas
from noegletal.figures import coverage, disclosure
from noegletal.figures.build import build_edition
from noegletal.figures.formulas import Question
from noegletal.review.evidence import Evidence
from noegletal.review.trace import raw_rows, trace
from noegletal.rules import exact, found
from noegletal.runner.report import run_report
from warmkernel.engine import choose

# What shares a costly fixture runs on one worker.
LIMIT = 5
BELOW = ["underretninger_1", "underretninger_2", "underretninger_3"]
CHILDREN = 4000.0
WHOLE = {"coverage": 1.0, "evidence": "genuine", "printed": ""}
# Municipalities of four regions, so that country, regions and the home area all have small and large members.
CODES = ["101", "155", "185", "259", "306", "336", "563", "741"]


def with_policy(edition, **sources):
    policy = Disclosure(threshold=LIMIT, sources=edition.disclosure.sources | sources)
    return edition.model_copy(update={"disclosure": policy})


@pytest.fixture(scope="module")
def guarded(edition):
    """The edition with children notified as if they came from persons that nobody has cleared."""
    return with_policy(edition, UND2="persons")


def filled(rows, **facts):
    usual = {"variant": "standard", "year": 2024, "origin": "delivery", **WHOLE}
    status = rows["value"].isna().map({True: "missing", False: "final"})
    return rows.assign(**usual | {"status": status} | facts)


def table_of(counts, codes=CODES, others=0.0):
    """Key figures of children notified: by municipality, category and total, the sums of areas, rates of totals."""
    cells = pd.DataFrame(
        [(code, name, float(counts.get((code, name), others))) for code in codes for name in BELOW],
        columns=["area_code", "category", "value"],
    )
    totals = cells.groupby("area_code")["value"].agg(lambda values: values.sum(skipna=False)).reset_index()
    people = pd.DataFrame({"area_code": codes, "category": "0-17", "value": CHILDREN})
    counted = filled(pd.concat([cells, totals.assign(category="i_alt")]), population_group="boern_og_unge")
    people = filled(people, population_group="boern_og_unge")
    whole = counted[counted["category"] == "i_alt"]
    parts = {
        ("children_notified", "antal"): with_summed_areas(counted, CELL_KEYS),
        ("population", "antal"): with_summed_areas(people, CELL_KEYS),
        ("children_notified_per_1000", "pr_1000"): rates(whole, people.assign(category="i_alt"), CELL_KEYS, 1000.0),
    }
    frames = [rows.assign(indicator=name, unit=unit) for (name, unit), rows in parts.items()]
    return pd.concat(frames, ignore_index=True).assign(**WHOLE)[COLUMNS]


def head_of(indicator, category):
    if indicator == "unit_cost":
        return "placements" if category == "anbringelser" else "recipients"
    return indicator.removesuffix("_per_1000")


def only_small_hidden(table):
    """What a naive publisher does: hide the small counts and their own rates, and nothing to protect them."""
    few = table[table["indicator"].eq("children_notified") & table["value"].between(1, LIMIT - 1)]
    cells = pd.MultiIndex.from_frame(few[["area_code", "category"]])
    hidden = pd.MultiIndex.from_frame(table[["area_code", "category"]]).isin(cells)
    return table.assign(value=table["value"].mask(hidden), status=table["status"].mask(hidden, "suppressed"))


class Reader:
    """Someone who holds all that is published against each other and knows how counts, rates and sums are made.

    Knows which municipalities lack a figure, what stands above and below a rate but persons, and that a hidden figure
    is not zero. A cell is a count of a municipality: head, code, category, year.
    """

    def __init__(self, truth, published, whole=True):
        self.whole = whole
        local = truth[truth["area_code"].isin(areas.municipalities())]
        self.left_out = coverage.left_out(truth)
        self.usable = set(local.loc[local["status"] != "missing", KEYS[:5]].itertuples(index=False, name=None))
        counts = local[local["value"].notna() & (local["unit"] == "antal")]
        self.counts = {tuple(row[:-1]): row[-1] for row in counts[[*KEYS[:5], "value"]].itertuples(index=False)}
        self.equations = []
        self.known = {}
        for row in published[published["value"].notna()].itertuples():
            cells = self.cells(row)
            persons = sum(self.counts[cell] for cell in cells)
            if len(cells) == 1:
                self.known[cells[0]] = persons
            elif cells:
                self.equations.append((cells, persons))
        # A hidden single cell is at least one person; what nobody published is only known not to be negative.
        hidden = published[(published["status"] == "suppressed") & (published["unit"] == "antal")]
        singles = [self.cells(row) for row in hidden.itertuples()]
        self.not_zero = {cells[0] for cells in singles if len(cells) == 1} if whole else set()

    def cells(self, row):
        """The municipal counts that a row is the sum of, with totals of categories taken apart."""
        head = head_of(row.indicator, row.category)
        parts = BELOW_OF.get(head, []) if row.category == "i_alt" else []
        cells = []
        series = (row.indicator, row.area_code, row.population_group, row.category)
        out = self.left_out.get(series, frozenset()) if row.variant == PANEL else frozenset()
        for code in areas.members(row.area_code):
            if code in out:
                continue
            own = (row.population_group, row.category, row.year)
            if (row.indicator, code, *own) in self.usable and (head, code, *own) in self.counts:
                split = [(head, code, row.population_group, part, row.year) for part in parts]
                cells += [cell for cell in split if cell in self.counts] or [(head, code, *own)]
        return cells

    def span(self, row):
        """The least and the most persons that a hidden row can be."""
        wanted = self.cells(row)
        left = [(set(cells) - set(self.known), sum(self.known.get(cell, 0) for cell in cells), persons)
                for cells, persons in self.equations]  # fmt: skip
        left = [(cells, persons - known) for cells, known, persons in left if cells]
        free = sorted({cell for cells, _ in left for cell in cells} | set(wanted))
        place = {cell: number for number, cell in enumerate(free)}
        lines = np.zeros((len(left) + 1, len(free)))
        for number, (cells, _) in enumerate(left):
            lines[number, [place[cell] for cell in cells]] = 1
        values = np.array([persons for _, persons in left] + [0.0])
        least = [self.known.get(cell, float(cell in self.not_zero)) for cell in free]
        most = [self.known.get(cell, np.inf) for cell in free]
        goal = np.isin(np.arange(len(free)), [place[cell] for cell in wanted]).astype(float)
        ends = []
        for sign in (1, -1):
            answer = milp(
                sign * goal, constraints=LinearConstraint(lines, values - 1e-7, values + 1e-7),
                bounds=Bounds(least, most), integrality=np.full(len(free), int(self.whole)),
            )  # fmt: skip
            # The least is always found; the most may be without end, which the solver tells in two ways.
            assert answer.success or (sign == -1 and answer.status in (3, 4)), answer.message
            ends.append(sign * answer.fun if answer.success else np.inf)
        return ends


BELOW_OF = {"children_notified": [f"underretninger_{number}" for number in range(1, 7)]}


def assert_protected(truth, published, whole=True, heads=("children_notified",)):
    """No count below the threshold is shown, none can be told to within it, and nothing hidden can be solved for."""
    reader = Reader(truth, published, whole)
    actual = truth.set_index(KEYS)["value"]
    counted = published[published["indicator"].isin(heads)]
    shown = counted.loc[counted["value"].notna(), "value"]
    assert ((shown == 0) | (shown >= LIMIT - 1e-6)).all()
    hidden = counted[counted["status"] == "suppressed"]
    assert hidden["value"].isna().all()
    for row in hidden.itertuples():
        count = actual[tuple(getattr(row, key) for key in KEYS)]
        low, high = reader.span(row)
        assert low - 1e-5 <= count <= high + 1e-5
        assert high - low > 0.5 * (1 if whole else 0.1), (row, low, high)
        if count < LIMIT:
            assert high - low >= LIMIT - 1e-5, (row, low, high)
    return hidden


SMALL = {(code, name): 20.0 for code in CODES for name in BELOW} | {("155", "underretninger_2"): 3.0}


def test_a_small_count_is_hidden_with_its_rate_and_what_gives_it_away(guarded):
    truth = table_of(SMALL)
    published = disclosure.suppressed(truth, guarded)
    hidden = assert_protected(truth, published)
    assert ("155", "underretninger_2") in set(zip(hidden["area_code"], hidden["category"], strict=True))
    assert len(hidden) > 1
    # Totals are what readers need most: here other municipalities and categories can take the blow.
    assert not hidden["area_code"].isin(areas.aggregates()).any()


def test_hiding_only_the_small_count_gives_it_away():
    truth = table_of(SMALL)
    published = only_small_hidden(truth)
    (row,) = published[published["status"] == "suppressed"].itertuples()
    assert Reader(truth, published).span(row) == [3.0, 3.0]
    with pytest.raises(AssertionError):
        assert_protected(truth, published)


def test_a_rate_of_a_hidden_count_is_hidden(guarded):
    truth = table_of({("155", "underretninger_1"): 2.0, ("101", "underretninger_1"): 40.0})
    published = disclosure.suppressed(truth, guarded)
    assert_protected(truth, published)
    gone = published[published["status"] == "suppressed"]
    cell = gone[(gone["area_code"] == "155") & (gone["category"] == "i_alt")]
    assert set(cell["indicator"]) == {"children_notified", "children_notified_per_1000"}
    assert gone["value"].isna().all()


counts_drawn = st.dictionaries(
    st.tuples(st.sampled_from(CODES), st.sampled_from(BELOW)),
    st.one_of(st.integers(0, 7).map(float), st.integers(8, 60).map(float), st.just(float("nan"))),
    max_size=14,
)


@settings(max_examples=20, deadline=None)
@given(counts=counts_drawn, others=st.sampled_from([0.0, 25.0]))
def test_no_table_gives_a_small_count_away(guarded, counts, others):
    truth = table_of(counts, others=others)
    published = disclosure.suppressed(truth, guarded)
    assert_protected(truth, published)
    zeros = truth["value"].eq(0) & truth["indicator"].eq("children_notified")
    assert (published.loc[zeros, "status"] == "final").all(), "a zero is shown"
    same = published["status"] != "suppressed"
    pd.testing.assert_frame_equal(published[same], truth[same])


@settings(max_examples=5, deadline=None)
@given(counts=counts_drawn, seed=st.integers(0, 99))
def test_what_is_hidden_does_not_depend_on_the_order_of_rows(guarded, counts, seed):
    truth = table_of(counts, others=25.0)
    mixed = truth.sample(frac=1, random_state=seed)
    again = disclosure.suppressed(mixed, guarded).sort_index()
    pd.testing.assert_frame_equal(again, disclosure.suppressed(truth, guarded))


def test_a_naive_publisher_is_seen_through_on_most_tables():
    seen_through = 0
    for seed in range(8):
        generator = np.random.default_rng(seed)
        cells = [(code, name) for code in CODES for name in BELOW]
        truth = table_of(dict(zip(cells, generator.integers(1, 25, len(cells)).astype(float), strict=True)))
        try:
            assert_protected(truth, only_small_hidden(truth))
        except AssertionError:
            seen_through += 1
    assert seen_through > 6


def test_an_area_without_one_member_is_protected_too(guarded):
    # 155 has no figure, so the country and its region have no count, but a rate of the others.
    truth = table_of(SMALL | {("155", name): float("nan") for name in BELOW} | {
        ("185", name): count for name, count in zip(BELOW, (4.0, 0.0, 0.0), strict=True)
    })  # fmt: skip
    rate = truth[(truth["indicator"] == "children_notified_per_1000") & (truth["area_code"] == "084")]
    assert rate["value"].notna().all()
    assert "Tårnby" not in rate["note"].item()
    assert_protected(truth, disclosure.suppressed(truth, guarded))


def with_panel(before, now):
    """Two years of a table with the panels of its areas, as the build makes them."""
    truth = pd.concat([before.assign(year=2023), now], ignore_index=True)
    parts = [truth]
    for out, series in coverage.panels(truth).items():
        local = truth[truth["area_code"].isin(set(CODES) - out)].drop(columns="note")
        counts = local[local["unit"] == "antal"]
        summed = with_summed_areas(counts, [*CELL_KEYS, "indicator", "unit"])
        parts.append(summed.merge(series, on=coverage.SERIES).assign(variant=PANEL, **WHOLE)[COLUMNS])
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("few", [1.0, 3.0])
def test_a_figure_of_all_beside_one_of_the_same_every_year_gives_nobody_away(guarded, few):
    # Tårnby lacks 2023: in 2024 an area's figure less that of its panel is Tårnby's, which is small.
    counts = SMALL | {("185", name): count for name, count in zip(BELOW, (few, 30.0, 30.0), strict=True)}
    before = table_of(SMALL | {("185", name): float("nan") for name in BELOW})
    truth = with_panel(before, table_of(counts))
    panel = truth[(truth["variant"] == PANEL) & (truth["year"] == 2024)]
    assert {"000", "084", "hovedstaden"} <= set(panel["area_code"])
    assert_protected(truth, disclosure.suppressed(truth, guarded))
    # Who protects the standard figures alone is seen through.
    standard = disclosure.suppressed(truth[truth["variant"] != PANEL], guarded)
    with pytest.raises(AssertionError):
        assert_protected(truth, pd.concat([standard, truth[truth["variant"] == PANEL]]))


@pytest.mark.long
@settings(max_examples=10, deadline=None)
@given(counts=counts_drawn, earlier=counts_drawn)
def test_no_two_years_give_a_small_count_away(guarded, counts, earlier):
    truth = with_panel(table_of(earlier, others=25.0), table_of(counts, others=25.0))
    assert_protected(truth, disclosure.suppressed(truth, guarded))


def test_two_figures_that_leave_out_different_members_cannot_be_set_against_each_other(edition):
    # Tårnby has recipients but no accounts: the area's unit cost tells the recipients of the others.
    base = {"population_group": "voksne", "category": "botilbud"}
    people = filled(pd.DataFrame({"area_code": ["101", "155", "185"], "value": [60.0, 40.0, 3.0]}), **base)
    accounts = filled(pd.DataFrame({"area_code": ["101", "155", "185"], "value": [6e7, 5e7, None]}), **base)
    parts = {
        ("recipients", "antal"): with_summed_areas(people, CELL_KEYS),
        ("unit_cost", "kr"): rates(accounts, people, CELL_KEYS),
    }
    frames = [rows.assign(indicator=name, unit=unit) for (name, unit), rows in parts.items()]
    truth = pd.concat(frames, ignore_index=True).assign(**WHOLE)[COLUMNS]
    published = disclosure.suppressed(truth, with_policy(edition, HAND05="persons"))
    assert_protected(truth, published, heads=["recipients"])
    # Hiding one more municipality is enough for the counts alone, but not beside the unit cost.
    naive = truth["area_code"].isin(["185", "155"])
    naive = truth.assign(value=truth["value"].mask(naive), status=truth["status"].mask(naive, "suppressed"))
    with pytest.raises(AssertionError):
        assert_protected(truth, naive, heads=["recipients"])


def share_table(share, support, people):
    base = {"area_code": ["084", "hovedstaden"], "population_group": "voksne"}
    parts = [
        pd.DataFrame(base | {"indicator": "diagnosis_share", "category": "angst", "value": share, "unit": "pct"}),
        pd.DataFrame(
            base | {"indicator": "diagnosis_support_share", "category": "angst", "value": support, "unit": "pct"}
        ),
        pd.DataFrame(base | {"indicator": "population", "category": "18+", "value": people, "unit": "antal"}),
    ]
    return filled(pd.concat(parts, ignore_index=True), note="")[COLUMNS]


@pytest.mark.parametrize(
    ("share", "support", "people", "hidden"),
    [
        (5.0, 40.0, 100_000.0, set()),
        (0.5, 40.0, 800.0, {"diagnosis_share", "diagnosis_support_share"}),  # 4 persons, of whom 1 or 2
        (0.5, 0.0, 800.0, {"diagnosis_share"}),  # nobody of 4: a zero is shown
        (2.0, 20.0, 800.0, {"diagnosis_support_share"}),  # 3 of 16
        (5.0, 40.0, None, {"diagnosis_share", "diagnosis_support_share"}),  # of how many is not known
    ],
)
def test_a_share_is_as_small_as_the_persons_behind_it(edition, share, support, people, hidden):
    published = disclosure.suppressed(share_table(share, support, people), edition)
    gone = published[published["status"] == "suppressed"]
    assert set(gone["indicator"]) == hidden
    assert len(gone) == 2 * len(hidden), "the region and the group with the same municipalities"


def test_nothing_is_touched_where_no_persons_are(edition):
    truth = table_of(SMALL)
    pd.testing.assert_frame_equal(disclosure.suppressed(truth, edition), truth)


def test_the_embedded_edition_has_no_figures_to_hide(key_figures):
    assert "suppressed" not in set(key_figures["status"])


# The policy of an edition


def test_there_is_one_threshold(edition):
    assert edition.smallest_count == edition.disclosure.threshold == 5


def test_a_form_must_say_whether_it_holds_persons(edition):
    forgotten = edition.model_copy(update={"disclosure": Disclosure(sources={"KOMPONENT": "persons"})})
    with pytest.raises(InputError, match=r"2025\.yml: disclosure.sources does not say whether HERBERG holds persons"):
        disclosure.suppressed(table_of(SMALL), forgotten)


def test_accounts_are_no_persons(edition):
    with pytest.raises(InputError, match="REGK100, but expenditure_current is not a count of persons"):
        disclosure.suppressed(table_of(SMALL), with_policy(edition, REGK100="persons"))


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"sources": {"KOMPONENTT": "persons"}}, "KOMPONENTT, which is not among the tables"),
        ({"sources": {"KOMPONENT": "secret"}}, "persons"),
        ({"threshold": 1}, "greater than or equal to 2"),
        ({"treshold": 5}, "Extra inputs"),
    ],
)
def test_a_policy_that_protects_nobody_is_refused(edition, policy, problem):
    with pytest.raises(ValidationError, match=problem):
        Edition(**edition.model_dump() | {"disclosure": policy})


# What is published: every table of an edition together


@pytest.fixture(scope="module")
def truth(key_figures):
    """Key figures of the embedded edition with the small counts it really has, of two years for the largest table."""
    counted = key_figures["indicator"].isin(["children_notified", "children_notified_per_1000"])
    return key_figures[~counted | key_figures["year"].isin([2023, 2024])].reset_index(drop=True)


@pytest.fixture(scope="module")
def published(truth, edition, processed, tmp_path_factory):
    """The edition as if its municipal counts came from persons: key figures on disk, and sections' CSVs by name."""
    built, processed = processed, tmp_path_factory.mktemp("processed")
    out = tmp_path_factory.mktemp("published")
    shutil.copy(built / "sources.json", processed)
    policy = with_policy(edition, ANBAAR12="persons", HAND05="persons", UND2="persons")
    disclosure.suppressed(truth, policy).to_parquet(processed / "key_figures.parquet", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOEGLETAL_PROCESSED", str(processed))
        patch.setenv(PUBLISH_VARIABLE, str(out))
        places = [*areas.municipalities(), *areas.aggregates()]
        children = Section("03_anbringelser_og_modtagere", "2025", "hovedstaden")
        show(children, "tabel_opgoerelser", children.read("placements", area=places))
        show(children, "figur_12", children.read("placements_per_1000", area=places))
        show(children, "figur_13", measures.index(children.read("placements", area=places), 2020))
        adults = Section("06_enhedspriser_og_modtagere", "2025", "Læsø")
        chosen = {"area": places, "group": "voksne", "category": ["botilbud", "dagtilbud", "assistance"]}
        recipients = adults.read("recipients", **chosen)
        show(adults, "figur_27", recipients)
        show(adults, "tabel_enhedspriser", adults.read("unit_cost", **chosen))
        show(adults, CHANGES, measures.change(recipients, 2020, 2024).assign(area="", label=""))
        notified = Section("04_underretninger", "2025", "hovedstaden")
        show(notified, "tabel_kommuner", notified.read("children_notified", area=places))
        shares = measures.share(notified.read("children_notified", area=places), BELOW_OF["children_notified"])
        show(notified, "figur_15", shares)
    return processed, out


CHANGES = "figur_28"


def show(section, output, rows):
    frame = pd.DataFrame({"Område": rows["area_code"], "Tal": [danish.number(value) for value in rows["value"]]})
    section.table(output, frame.head(3), title="Titel", data=rows)


def read_csv(path):
    table = pd.read_csv(path, sep=";", decimal=",", dtype={"områdekode": str}, encoding="utf-8-sig")
    return table.rename(columns={danish_name: name for name, danish_name in labels().all_columns.items()})


@pytest.mark.long
@pytest.mark.parametrize(
    ("head", "whole", "categories"),
    [
        ("placements", True, ["anbringelser"]),
        ("recipients", False, ["botilbud", "dagtilbud", "assistance"]),
        ("children_notified", True, ["i_alt", *BELOW_OF["children_notified"]]),
    ],
)
def test_all_tables_of_an_edition_together_give_no_small_count_away(truth, published, head, whole, categories):
    processed, out = published
    files = {path.stem: read_csv(path).assign(file=path.stem) for path in sorted((out / "data").glob("*.csv"))}
    assert len(files) == 8
    everything = pd.concat([pd.read_parquet(processed / "key_figures.parquet"), *files.values()], ignore_index=True)
    levels = everything[everything["unit"].isin(["antal", "pr_1000", "kr"]) & everything["file"].ne(CHANGES)]
    own, told = (
        rows[rows["indicator"].isin([head, f"{head}_per_1000", "unit_cost"]) & rows["category"].isin(categories)]
        for rows in (truth, levels)
    )
    hidden = assert_protected(own, told.drop_duplicates([*KEYS, "value"]), whole, [head])
    small = own[(own["indicator"] == head) & own["value"].between(0.01, LIMIT - 0.01)]
    assert len(hidden) > len(small) > 5
    # Whatever is made of a hidden figure is hidden: no table has a value where the key figures have none.
    gone = pd.MultiIndex.from_frame(everything[KEYS]).isin(pd.MultiIndex.from_frame(hidden[KEYS]))
    assert everything.loc[gone, "value"].isna().all()


@pytest.mark.long
def test_growth_over_a_hidden_year_is_hidden(published):
    _, out = published
    change = read_csv(out / "data" / f"{CHANGES}.csv")
    hidden = change[change["status"] == "suppressed"]
    assert len(hidden) > 5
    assert hidden["value"].isna().all()


# What an executed report publishes: CSV files, pages, alt texts, images, notebooks and manifests of two areas together

# All that the two sections need; of the accounts only the functions of children.
TABLES = ("REGK100", "FOLK1A", "ISBU02", "ANBAAR12", "BU43", "UND1", "UND2", "UND2_PR_1000")
SECTIONS = ("03_anbringelser_og_modtagere", "04_underretninger")
LAESOE = "825"
PERSONS = {"ANBAAR12", "UND2"}
HEADS = {
    "placements": ["anbringelser"],
    "children_notified": ["i_alt", *BELOW_OF["children_notified"]],
}
PER_COUNT = {name: [name, f"{name}_per_1000"] for name in HEADS}


CORRECTION = {
    "table": "ANBAAR12",
    "key": {"ADMKOM": LAESOE, "ANBRINGELSE": "0", "TID": "2024"},
    "action": "replace",
    "expected": 3.0,
    "value": 4.0,
    "reason": "Kommunen har talt et barn for lidt.",
    "source": "Brev fra kommunen",
    "expires": datetime.date(2999, 12, 31),
}


class Executed(NamedTuple):
    """Key figures as they are and as they may be published, and the folder of each area's report."""

    truth: pd.DataFrame
    key_figures: pd.DataFrame
    folders: list


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Reports of hovedstaden and Læsø in an edition whose placements and notified children are persons."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "data" / "reference", root / "data" / "reference")
    # Few accounts are made here, of one group: less to run, and nothing that the rules on accounts would let pass.
    rules = root / "data" / "reference" / "quality.yml"
    declared = yaml.safe_load(rules.read_text("utf-8").replace("severity: ERROR", "severity: WARNING"))
    declared["thresholds"]["ranges"] = []
    rules.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False), encoding="utf-8")
    (root / "notebooks").symlink_to(ROOT / "notebooks")
    raw, processed = root / "data" / "raw" / "2025", root / "data" / "processed" / "2025"
    raw.mkdir(parents=True)
    for table in TABLES:
        for path in (ROOT / "data" / "raw" / "2025").glob(f"{table}.*"):
            shutil.copy(path, raw)
    # As if measured: of a reconstruction nothing would be said of a municipality, hidden or not.
    for sidecar in raw.glob("*.yml"):
        said = sidecar.read_text(encoding="utf-8")
        sidecar.write_text(said.replace("origin: reconstruction", "origin: statbank"), encoding="utf-8")
    rewrite_raw(raw, "REGK100", lambda lines: [lines[0], *(line for line in lines if ";5282" in line)])
    plan = yaml.safe_load((ROOT / "editions" / "2025.yml").read_text(encoding="utf-8"))
    plan["disclosure"] = {"threshold": LIMIT, "sources": dict.fromkeys(sorted(PERSONS), "persons")}
    plan["tables"] = {table: plan["tables"][table] | {"years": plan["period"]} for table in TABLES}
    plan["sections"] = [section for section in plan["sections"] if section["notebook"] in SECTIONS]
    (root / "editions").mkdir()
    (root / "editions" / "2025.yml").write_text(yaml.safe_dump(plan, allow_unicode=True), encoding="utf-8")
    (root / "data" / "reference" / "corrections.yml").write_text(yaml.safe_dump([CORRECTION]), encoding="utf-8")
    captured = []
    with looking_at(root), pytest.MonkeyPatch.context() as patch:
        genuine = disclosure.suppressed
        patch.setattr(
            disclosure, "suppressed", lambda table, edition: genuine(captured.append(table) or table, edition)
        )
        edition = load_edition("2025")
        key_figures, _ = build_edition(edition, raw, processed)
        reports, _ = run_report(
            edition, ["hovedstaden", LAESOE], only=[], formats=[], out=root / "reports", raw=raw, processed=processed,
            workers=2, engine=choose("auto"),
        )  # fmt: skip
    assert [outcome.cause for report in reports for outcome in report.outcomes] == [""] * 4
    return Executed(captured[0], key_figures, [report.folder for report in reports])


def published_rows(folders):
    """All rows of all published CSV files of key figures, with the file they are from."""
    files = [path for folder in folders for path in sorted(folder.glob("data/*.csv"))]
    tables = [read_csv(path).assign(file=f"{path.parent.parent.name}/{path.name}") for path in files]
    rows = pd.concat([table.assign(variant="standard") for table in tables if "indicator" in table], ignore_index=True)
    return rows, len(files)


def levels_of(rows, truth):
    """The rows that show a key figure itself, or that it is hidden; the others are growths, indices and the like."""
    actual = truth.set_index(KEYS)["value"].reindex(pd.MultiIndex.from_frame(rows[KEYS])).to_numpy()
    return rows[np.isclose(rows["value"], actual, rtol=1e-9) | rows["value"].isna()]


def attacked(case, rows):
    """The reader of all published rows: what is hidden of each count or its rate is protected; how many there were."""
    levels = levels_of(rows, case.truth)
    hidden = 0
    for head, categories in HEADS.items():
        own, told = (
            table[table["indicator"].isin([*PER_COUNT[head], "unit_cost"]) & table["category"].isin(categories)]
            for table in (case.truth, levels)
        )
        # A hidden rate is attacked as the count it is of.
        gone = told[told["status"].eq("suppressed") & told["indicator"].isin(PER_COUNT[head])]
        told = pd.concat([told, gone.assign(indicator=head, unit="antal")]).drop_duplicates([*KEYS, "value"])
        hidden += len(assert_protected(own, told, True, [head]))
    return hidden


def derived_leaks(case, rows):
    """Published rows with a figure that is made of a hidden one: of the same year, or over the first year."""
    hidden = case.key_figures[case.key_figures["status"] == "suppressed"]
    series = [name for name in KEYS if name != "year"]
    base = hidden[hidden["year"] == case.key_figures["year"].min()]
    own = pd.MultiIndex.from_frame(rows[KEYS]).isin(pd.MultiIndex.from_frame(hidden[KEYS]))
    of_base = pd.MultiIndex.from_frame(rows[series]).isin(pd.MultiIndex.from_frame(base[series]))
    of_base &= ~rows.index.isin(levels_of(rows, case.truth).index)
    return rows[(own | of_base) & rows.select_dtypes("number").drop(columns="year").notna().any(axis=1)]


NUMBER = re.compile(r"(?<![\w,.])\d[\d.]*(?:,\d+)?(?![\w,])")
# What is counted is named with a number, files have lines, and growths and shares are not what is hidden here.
NO_FIGURES = re.compile(
    "|".join(
        [
            *sorted(map(re.escape, accounts.categories()["label"]), key=len, reverse=True),
            r"linje \d+", r"Figur \d+", r"\d+ rækker", r"(\d+|Ingen) af \d+ (kommuner|grupper)", r"[\d,]+ pct\.",
            r"\d+-\d+-årig",
        ]
    )
)  # fmt: skip
RAW_FILE = re.compile(r"([A-Z][A-Z0-9_]+)\.(?:reconstruction\.)?csv")


def printed(rows):
    """How the figures of some rows may stand in a text."""
    places = {"antal": [0], "pr_1000": [1, 2], "kr": [0]}
    known = rows.dropna(subset="value")[["value", "unit"]].drop_duplicates().itertuples(index=False)
    return {
        form
        for value, unit in known
        for form in (exact(value), *(danish.number(value, number) for number in places.get(unit, [0, 1])))
    }


BLOCKS = ["tr", "p", "li", "h1", "h2", "h3", "h4", "figcaption", "dt", "dd", "summary"]


def texts(folder):
    """Every piece of text that a report holds, with the file it stands in: pages, images, notebooks, manifest.

    Not the raw rows behind the figures, which are held against what their figures hide.
    """
    for path in sorted(folder.rglob("*")):
        if path.parent.name == "spor":
            continue
        if path.suffix == ".html":
            page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
            for unread in page.select("script, style, div.code"):
                unread.decompose()
            blocks = {}
            for text in page.find_all(string=True):
                # Each in the innermost block only.
                blocks.setdefault(id(text.find_parent(BLOCKS)), []).append(text.strip())
            yield from ((path, " ".join(filter(None, parts))) for parts in blocks.values())
            yield from ((path, image["alt"]) for image in page.select("[alt]"))
        elif path.suffix == ".svg":
            # Letters are drawn as shapes, with the text as a comment.
            yield from ((path, text) for text in re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8")))
        elif path.suffix == ".ipynb":
            # What it shows is on the page; warnings are not shown and hold lines of code.
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            outputs = [output for cell in cells for output in cell.get("outputs", []) if output.get("name") != "stderr"]
            for output in outputs:
                yield path, "".join([*output.get("text", []), *output.get("data", {}).get("text/plain", [])])
        elif path.name == "manifest.json":
            outputs = json.loads(path.read_text(encoding="utf-8"))["sections"].values()
            facts = [fact for section in outputs for output in section["outputs"] for fact in output.values()]
            yield from ((path, fact) for fact in facts if isinstance(fact, str))


@pytest.fixture(scope="module")
def pieces(executed):
    return [piece for folder in executed.folders for piece in texts(folder)]


def told_in_texts(case, pieces):
    """Pieces of text that hold a hidden figure of an area they name, or of the report's own area where they name none.

    An image is held against what its data hide. A number that is also a figure of the same area that the section (on
    other pages: any section) publishes, or that is in the data of the image, proves nothing.
    """
    rows, _ = published_rows(case.folders)
    columns = rows.select_dtypes("number").columns.drop("year")
    rows = pd.concat([rows[[*KEYS, "unit", "status", "file"]].assign(value=rows[column]) for column in columns])
    known = pd.concat([case.key_figures, rows])
    hidden = known[known["status"] == "suppressed"].drop(columns=["value", "unit"])
    hidden = hidden.merge(case.truth[[*KEYS, "value", "unit"]], on=KEYS)
    secret = {key: printed(group) for column in ("area_code", "file") for key, group in hidden.groupby(column)}
    outputs = {name: load_edition("2025").section(name).outputs for name in SECTIONS}

    @lru_cache
    def shown(column, key, report, section):
        published = rows["file"].isin([f"{report}/{output}.csv" for output in outputs.get(section, [])])
        figures = rows[published] if section in outputs else known
        return printed(figures[figures[column] == key])

    there = hidden["area_code"].unique()
    codes = {areas.name(code): code for code in there} | {code: code for code in there}
    name = re.compile(rf"\b({'|'.join(map(re.escape, sorted(codes, key=len, reverse=True)))})\b")
    own = {"hovedstaden": "hovedstaden", "laesoe": LAESOE}
    found = []
    for path, piece in pieces:
        files = RAW_FILE.findall(piece)
        if files and not PERSONS.intersection(file.removesuffix("_PR_1000") for file in files):
            continue
        numbers = set(NUMBER.findall(NO_FIGURES.sub(" ", piece.replace("\u00a0", " "))))
        report = next(parent.name for parent in path.parents if parent in case.folders)
        if path.suffix == ".svg":
            column, keys = "file", [f"{report}/{path.stem}.csv"]
        else:
            column, keys = "area_code", {codes[one] for one in name.findall(piece)}
            keys = keys or [own[report]] * (path.stem in (*SECTIONS, "manifest"))
        for key in keys:
            told = numbers & secret.get(key, set())
            if told and told - shown(column, key, report, path.stem):
                found.append((path.name, piece, told))
    return found


@pytest.mark.long
def test_executed_reports_together_give_no_small_count_away(executed):
    rows, files = published_rows(executed.folders)
    assert files == 2 * sum(len(load_edition("2025").section(name).outputs) for name in SECTIONS)
    assert attacked(executed, rows) > 20
    assert derived_leaks(executed, rows).empty


@pytest.mark.long
def test_executed_reports_that_hide_only_the_small_figures_are_seen_through(executed):
    rows, _ = published_rows(executed.folders)
    heads = {name: head for head, names in PER_COUNT.items() for name in names} | {"unit_cost": "placements"}
    counted = rows.assign(indicator=rows["indicator"].map(heads))
    persons = executed.truth.set_index(KEYS)["value"].reindex(pd.MultiIndex.from_frame(counted[KEYS])).to_numpy()
    actual = executed.truth.set_index(KEYS)["value"].reindex(pd.MultiIndex.from_frame(rows[KEYS])).to_numpy()
    levels = rows.index.isin(levels_of(rows, executed.truth).index)
    secondary = rows["status"].eq("suppressed") & (persons >= LIMIT) & levels
    assert secondary.any()
    naive = rows.assign(value=rows["value"].mask(secondary, actual), status=rows["status"].mask(secondary, "final"))
    with pytest.raises(AssertionError):
        attacked(executed, naive)


@pytest.mark.long
def test_a_figure_made_of_a_hidden_one_is_noticed(executed):
    rows, _ = published_rows(executed.folders)
    index = rows[rows["file"].eq("laesoe/figur_13.csv") & rows["indicator"].eq("placements")]
    parts = rows[rows["file"].eq("laesoe/figur_drivkraefter_boern.csv") & rows["category"].eq("anbringelser")]
    assert len(index) == 5
    assert len(parts) == 4
    assert len(derived_leaks(executed, rows.assign(value=rows["value"].mask(rows.index.isin(index.index), 9.0)))) == 5
    assert len(derived_leaks(executed, rows.assign(pct=rows["pct"].mask(rows.index.isin(parts.index), 9.0)))) == 4


@pytest.mark.long
def test_no_text_of_executed_reports_holds_a_hidden_figure(executed, pieces):
    assert len({path.suffix for path, _ in pieces}) == 4, "pages, images, notebooks, manifests"
    assert told_in_texts(executed, pieces) == []


@pytest.mark.long
def test_a_hidden_figure_in_any_text_is_noticed(executed, pieces):
    hidden = executed.key_figures["status"] == "suppressed"
    rate = executed.truth[hidden & executed.truth["indicator"].eq("children_notified_per_1000")]
    figure = danish.number(rate[rate["area_code"] == LAESOE]["value"].iloc[0], 1)
    shown = {path: text for path, text in pieces if "Læsø" in text and "•" in text}
    assert {"04_underretninger.html", "manifest.json"} <= {path.name for path in shown}
    found = told_in_texts(executed, [(path, text.replace("•", figure)) for path, text in shown.items()])
    assert [name for name, *_ in found] == [path.name for path in shown]


def rows_told(case, edition):
    """Where raw rows of tables of persons stand in the chains of the figures of both reports, and how many chains."""
    root = case.folders[0].parents[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOEGLETAL_ROOT", str(root))
        evidence = Evidence(edition, root / "data/raw/2025", root / "data/processed/2025", many=True)
        of_persons = {"unit_cost", *(name for names in PER_COUNT.values() for name in names)}
        asked = [one for one in map(Question._make, evidence.places) if one.area_code in (LAESOE, "hovedstaden")]
        asked = [one for one in asked if one.indicator in of_persons]
        chains = [trace(evidence, one).chain for one in asked]
        places = set().union(*(raw_rows(chain) for chain in chains if chain))
    return {(file, line) for file, _, line in places if file.split(".")[0] in PERSONS}, len(chains)


@pytest.mark.long
def test_no_raw_row_of_persons_is_shown(executed, edition):
    """Of persons that nobody cleared no row is shown at all, neither by the command nor on the page."""
    told, chains = rows_told(executed, with_policy(edition, **dict.fromkeys(PERSONS, "persons")))
    assert told == set()
    assert chains > 100
    pages = [(folder / "spor.html").read_text(encoding="utf-8") for folder in executed.folders]
    assert not any(re.search(rf"({'|'.join(PERSONS)})\.csv[^<]*linje", text) for text in pages)


@pytest.mark.long
def test_a_raw_row_of_persons_is_noticed(executed, edition):
    told, _ = rows_told(executed, edition)
    assert {file.split(".")[0] for file, _ in told} == PERSONS


@pytest.mark.long
def test_findings_about_persons_hold_no_figures(executed):
    said = BeautifulSoup((executed.folders[1] / "datakvalitet.html").read_text(encoding="utf-8"), "html.parser").text
    assert f"Et tal er rettet i forhold til kilden. {disclosure.NOT_SAID}" in said
    assert CORRECTION["reason"] not in said


@pytest.mark.parametrize("rule", disclosure.SAY_FIGURES)
def test_findings_of_cleared_tables_say_what_they_found(edition, rule):
    findings = [found(rule, "UND2", "Læsø (fra 3 til 999)"), found("DAEK-01", "UND2", "Læsø mangler i 2016.")]
    assert disclosure.without_figures(findings, edition) == findings
    masked, named = disclosure.without_figures(findings, with_policy(edition, UND2="persons"))
    assert masked.rule == rule
    assert not re.search("Læsø|[0-9]", masked.text.removesuffix(disclosure.NOT_SAID).replace("1.000", ""))
    assert named == findings[1]


# How the report shows it


@pytest.fixture
def section(published, tmp_path, monkeypatch):
    monkeypatch.setenv("NOEGLETAL_PROCESSED", str(published[0]))
    monkeypatch.setenv(PUBLISH_VARIABLE, str(tmp_path))
    return Section("03_anbringelser_og_modtagere", "2025", "Læsø")


@pytest.mark.long
def test_a_page_says_that_figures_are_hidden(section, tmp_path):
    rows = section.read("placements", years=[2023, 2024]).assign(series="Anbragte")
    assert (rows["status"] == "suppressed").all()
    text = danish.described("Linjer", rows, "antal", 0)
    assert text == "Linjer, antal: Anbragte • i 2023 og • i 2024."
    section.table(
        "tabel_opgoerelser",
        pd.DataFrame({"År": ["2023"], "Tal": ["•"]}),
        title="Titel",
        data=rows,
    )
    assert (
        section._lines_below("tabel_opgoerelser", rows, "", "example")[-2]
        == SUPPRESSION_LINE
        == "• vises ikke af hensyn til få personer."
    )
    stored = (tmp_path / "data" / "tabel_opgoerelser.csv").read_text(encoding="utf-8-sig").splitlines()
    assert all(";standard;;antal;suppressed;" in line for line in stored[1:])
    assert json.loads((tmp_path / "facts" / "tabel_opgoerelser.json").read_text())["rows"] == 2


@pytest.mark.long
def test_pages_without_hidden_figures_do_not_mention_them(section):
    assert SUPPRESSION_LINE not in section._lines_below(
        "figur_12", section.read("placements", area="hovedstaden"), "", ""
    )


@pytest.mark.long
@pytest.mark.parametrize("status", ["suppressed", "final"])
def test_a_hidden_figure_with_a_value_is_not_published(section, tmp_path, status):
    leak = section.read("placements", years=[2024]).assign(value=3.0, status=status)
    for publish in (
        lambda: section.table("tabel_opgoerelser", pd.DataFrame({"a": ["b"]}), title="T", data=leak),
        lambda: section.figure("figur_12", charts.canvas()[0], title="T", data=leak, reading="R"),
    ):
        with pytest.raises(InputError, match="placements of 825 anbringelser 2024 is suppressed but has a value"):
            publish()
    assert not list(tmp_path.rglob("*.*"))


def test_charts_draw_nothing_where_a_figure_is_hidden():
    data = pd.DataFrame(
        {
            "name": ["a", "a", "b", "b"], "series": ["x", "y", "x", "y"], "year": [1, 1, 2, 2],
            "value": [1.0, 2.0, None, 3.0], "status": ["final", "final", "suppressed", "final"],
        }
    )  # fmt: skip
    colours = {"x": "#000000", "y": "#FFFFFF"}
    for chart, symbols in (
        (charts.bars(data, y="name", hue="series", palette=colours, unit="u"), 1),
        (charts.stacked_columns(data, hue="series", palette=colours, unit="u"), 1),
        (charts.contributions(data, x="value", y="name", hue="series", palette=colours, unit="u"), 1),
        (charts.dot_rows(data, y="name", hue="series", palette={"x": "#000000"}, unit="u"), 1),
    ):
        texts = [text.get_text() for text in chart.axes[0].texts]
        assert texts.count("•") == symbols
        assert ".." not in texts
    missing = data.assign(status=data["status"].replace("suppressed", "missing"))
    drawn = charts.bars(missing, y="name", hue="series", palette=colours, unit="u")
    assert ".." in [text.get_text() for text in drawn.axes[0].texts]
