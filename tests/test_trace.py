"""The chain of a key figure: the raw rows give it, wrong questions are one error, nothing protected is told."""

import gzip
import json
import math
import re
import shutil

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, rewrite_raw
from typer.testing import CliRunner

from analysis import areas
from analysis.errors import InputError
from analysis.rows import KEYS
from noegletal.cli import app
from noegletal.figures.formulas import Question
from noegletal.figures.kinds import indicators
from noegletal.publish.provenance import PAGE, SPELLED_OUT
from noegletal.review.evidence import Evidence
from noegletal.review.trace import asked, command, raw_rows, step_record, trace, trace_record
from noegletal.rules import exact
from noegletal.runner.report import run_report

RAW = ROOT / "data" / "raw" / "2025"
WITH_REPORT = pytest.mark.long
AREAS = ("101", "563", "083", "084", "hovedstaden", "000")
KEY_FIGURE_INDICATORS = [name for name, entry in indicators().items() if not entry.modelled]


@pytest.fixture(scope="module")
def evidence(edition, processed):
    return Evidence(edition, RAW, processed, many=True)


def question(row):
    return Question(**{name: getattr(row, name) for name in KEYS})


def leaves(step):
    return [step] if step.rows is not None else [leaf for part in step.steps for leaf in leaves(part)]


@pytest.mark.long
@pytest.mark.parametrize("indicator", KEY_FIGURE_INDICATORS)
def test_the_rows_give_the_key_figure(evidence, indicator):
    """A spread of every indicator: each area kind, each variant, and every kind of gap."""
    table = evidence.key_figures[evidence.key_figures["indicator"] == indicator]
    assert len(table), "an indicator without key figures is not traced"
    chosen = [
        table[table["area_code"] == code].sample(2, random_state=1) for code in AREAS if code in set(table["area_code"])
    ]
    chosen += [rows.sample(1, random_state=2) for _, rows in table.groupby("variant")]
    chosen += [rows.head(2) for _, rows in table[table["value"].isna()].groupby("status")]
    chosen += [table[table["note"] != ""].head(2)]
    for row in pd.concat(chosen).itertuples():
        found = trace(evidence, question(row))
        assert found.agrees, (row, found.chain.value)
        assert found.rows or math.isnan(row.value) or row.value == 0, row
        assert found.files, row


def test_a_sum_is_the_sum_of_the_values_in_the_files(evidence):
    """Added up from the lines themselves, without any of the library's readers."""
    found = trace(evidence, Question("expenditure_current", "081", "voksne", "herberger", 2023, "standard"))
    assert {part.text for part in found.chain.steps} == {areas.name(code) for code in areas.members("081")}
    lines = gzip.decompress((RAW / "REGK100.csv.gz").read_bytes()).decode("utf-8-sig").splitlines()
    by_hand = sum(float(lines[line - 1].split(";")[-1].replace(",", ".")) for _, _, line in raw_rows(found.chain))
    assert by_hand * 1000 == pytest.approx(found.figure["value"])
    assert all(";53842;" in lines[line - 1] and ";2023;" in lines[line - 1] for _, _, line in raw_rows(found.chain))


def test_a_grouping_counted_twice_stands_twice(evidence):
    once, twice = (
        trace(evidence, Question("expenditure_current", "101", "boern_og_unge", "anbringelser", 2024, variant))
        for variant in ("standard", "printed_mapping")
    )
    assert once.rows == twice.rows
    assert sum(len(leaf.rows) for leaf in leaves(twice.chain)) > sum(len(leaf.rows) for leaf in leaves(once.chain))
    assert twice.agrees


def test_a_single_question_reads_only_its_rows_and_gives_the_same_chain(edition, processed, evidence):
    alone = Evidence(edition, RAW, processed)
    for asked_for in (
        Question("expenditure_per_capita", "101", "voksne", "botilbud", 2022, "standard"),
        Question("children_notified_per_1000", "hovedstaden", "boern_og_unge", "i_alt", 2023, "standard"),
        Question("unit_cost", "083", "voksne", "krisecentre", 2021, "standard"),
    ):
        assert trace_record(trace(alone, asked_for)) == trace_record(trace(evidence, asked_for))


def test_a_delivered_cell_is_named_by_sheet_and_row(evidence):
    found = trace(
        evidence,
        asked(evidence.key_figures, "diagnosis_share", "hovedstaden", "mindst_en_f_diagnose", 2024, group="voksne"),
    )
    (row,) = step_record(found.chain)["rows"]
    assert (row["file"], row["sheet"]) == ("KOMPONENT.xlsx", "F-diagnose")
    assert row["codes"]["area"] == "084"
    assert row["value"] == found.figure["value"]


def test_a_missing_figure_says_why(evidence):
    table = evidence.key_figures
    gap = table[(table["indicator"] == "children_supported_share") & table["value"].isna()].iloc[0]
    found = trace(evidence, question(gap))
    assert found.agrees
    assert math.isnan(found.chain.value)
    rows = step_record(found.chain)["rows"]
    assert found.chain.note or all(row["value"] is None for row in rows)


@pytest.mark.long
def test_a_spoiled_raw_value_moves_the_sum_and_is_said(raw, edition, processed):
    """The key figures of the sound file against the rows of the spoiled one: the chain no longer gives the figure."""
    rewrite_raw(raw, "ANBAAR12", lambda lines: [
        f"{line.rsplit(';', 1)[0]};99999" if line.startswith("101;0;2024;") else line for line in lines
    ])  # fmt: skip
    found = trace(
        Evidence(edition, raw, processed),
        Question("placements", "hovedstaden", "boern_og_unge", "anbringelser", 2024, "standard"),
    )
    assert not found.agrees
    assert found.chain.value > found.figure["value"] + 90000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("expenditures", "101", "botilbud", 2024), "'expenditures' is not known; nearest: expenditure"),
        (("expenditure", "Købenavn", "botilbud", 2024), "nearest names: København"),
        (("expenditure", "101", "botilbudd", 2024), "'botilbudd' is not known; nearest: botilbud"),
        (("expenditure", "101", "botilbud", 1999), "no 'botilbud' in 1999; there is 2020-2024"),
        (("expenditure", "101", "i_alt", 2024), "exists for alle, boern_og_unge, voksne: say which with --group"),
        (("unit_cost", "101", "krisecentre", 2024), "no 'krisecentre' for København"),
    ],
)
def test_wrong_questions_are_one_error(evidence, arguments, message):
    with pytest.raises(InputError) as caught:
        asked(evidence.key_figures, *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_group_and_variant(evidence):
    with pytest.raises(InputError, match="--group can be voksne"):
        asked(evidence.key_figures, "expenditure", "101", "botilbud", 2024, group="boern_og_unge")
    with pytest.raises(InputError, match="variant of 'expenditure' 'printed' is not known; nearest: printed_mapping"):
        asked(evidence.key_figures, "expenditure", "101", "anbringelser", 2024, variant="printed")


def test_danish_names_are_understood(evidence):
    found = asked(evidence.key_figures, "udgifter i faste priser", "Høje-Taastrup", "Botilbud", 2024)
    assert (found.indicator, found.area_code, found.category) == ("expenditure", "169", "botilbud")


def test_the_command_of_a_figure_asks_for_it(evidence):
    wanted = Question("expenditure", "169", "boern_og_unge", "anbringelser", 2024, "printed_mapping")
    words = command(wanted, "2025").split()
    assert words[:2] == ["noegletal", "trace"]
    found = asked(evidence.key_figures, *words[2:5], int(words[5]), group=words[9], variant=words[11])
    assert found == wanted


@pytest.fixture
def suppressed(edition, processed, tmp_path):
    """A build in which the recipients of one municipality are protected, as disclosure leaves them."""
    folder = shutil.copytree(processed, tmp_path / "protected")
    table = pd.read_parquet(folder / "key_figures.parquet")
    own = (table["area_code"] == "101") & (table["category"] == "botilbud") & (table["year"] == 2024)
    hidden = own & table["indicator"].isin(["recipients", "recipients_per_1000", "unit_cost"])
    value = table.loc[hidden & (table["indicator"] == "recipients"), "value"].item()
    table["status"] = table["status"].mask(hidden, "suppressed")
    table["value"] = table["value"].mask(hidden)
    table.to_parquet(folder / "key_figures.parquet", index=False)
    return Evidence(edition, RAW, folder, many=True), value


def numbers(record):
    """Every value that a record tells, wherever it stands."""
    if isinstance(record, dict):
        return [value for name, part in record.items() for value in ([part] if name == "value" else numbers(part))]
    return [value for part in record for value in numbers(part)] if isinstance(record, list) else []


@pytest.mark.parametrize("indicator", ["recipients", "recipients_per_1000", "unit_cost"])
def test_a_suppressed_figure_tells_nothing(suppressed, indicator):
    evidence, value = suppressed
    record = trace_record(trace(evidence, Question(indicator, "101", "voksne", "botilbud", 2024, "standard")))
    assert "Beskyttet" in record["explanation"]
    assert (record["chain"], record["files"], record["raw_rows"]) == (None, [], 0)
    assert str(value) not in json.dumps(record)


@pytest.mark.parametrize("indicator", ["recipients", "recipients_per_1000", "unit_cost"])
def test_a_sum_does_not_tell_its_suppressed_part(suppressed, evidence, indicator):
    protecting, value = suppressed
    wanted = Question(indicator, "hovedstaden", "voksne", "botilbud", 2024, "standard")
    open_, closed = (trace_record(trace(one, wanted)) for one in (evidence, protecting))
    assert closed["agrees"]
    assert value in numbers(open_), "the check can fail"
    assert value not in numbers(closed)
    text = json.dumps(closed, ensure_ascii=False)
    assert "Beskyttet" in text
    assert not any("YDELSESTYPE" in codes and codes["OMRÅDE"] == "101" for codes in row_codes(closed["chain"]))
    assert any("YDELSESTYPE" in codes and codes["OMRÅDE"] == "101" for codes in row_codes(open_["chain"]))


def test_other_figures_of_the_same_area_keep_their_value_and_lose_their_rows(suppressed):
    evidence, _ = suppressed
    found = trace(evidence, Question("recipients", "101", "voksne", "dagtilbud", 2024, "standard"))
    assert found.agrees
    assert found.rows == 0
    assert "beskyttet" in found.chain.note


def row_codes(step):
    return [row["codes"] for row in step["rows"]] + [codes for part in step["steps"] for codes in row_codes(part)]


def test_a_model_names_facts_and_files(evidence):
    record = trace_record(
        trace(evidence, asked(evidence.key_figures, "shelter_need", "hovedstaden", "herberger", 2024))
    )
    assert record["chain"] is None
    assert {"HERBERG.xlsx", "HERBERG_OPHOLD.xlsx"} <= {file["file"] for file in record["files"]}
    assert "facts/shelter_places.parquet" in record["explanation"]


def test_truncation_counts_what_is_left_out(evidence):
    found = trace(evidence, asked(evidence.key_figures, "expenditure", "hovedstaden", "botilbud", 2024)).chain
    record, whole = step_record(found, 3), step_record(found)
    assert (len(record["steps"]), record["more_steps"]) == (min(3, len(found.steps)), max(0, len(found.steps) - 3))
    assert (len(whole["steps"]), whole["more_steps"]) == (len(found.steps), 0)

    def with_rows(step):
        return [step] if step["rows"] else [leaf for part in step["steps"] for leaf in with_rows(part)]

    many = max(range(len(with_rows(record))), key=lambda place: with_rows(record)[place]["more_rows"])
    cut = with_rows(record)[many]
    assert len(cut["rows"]) == 3
    assert cut["more_rows"] > 0
    assert cut["rows"] == next(step for step in with_rows(whole) if step["rows"][:3] == cut["rows"])["rows"][:3]


def run(*arguments):
    return CliRunner().invoke(app, ["trace", *map(str, arguments)])


def test_the_command_prints_a_tree_and_complete_json(processed):
    options = ("--edition", "2025", "--processed", processed)
    shown = run("expenditure_per_capita", "hovedstaden", "botilbud", 2024, *options, "--limit", 2)
    assert shown.exit_code == 0, shown.output
    for part in (
        "Hovedstaden",
        "REGK100.csv.gz line",
        "Frederiksberg",
        "more steps; --limit 0 shows all",
        "(antaget)",
        "sha256",
    ):
        assert part in shown.output
    whole = run("expenditure_per_capita", "hovedstaden", "botilbud", 2024, *options, "--json")
    record = json.loads(whole.output)
    assert len(record["chain"]["steps"][1]["steps"]) == 29
    assert record["agrees"]
    assert record["raw_rows"] > 1000
    assert len(record["files"][0]["sha256"]) == 64


def test_a_chain_that_disagrees_is_an_error(processed, tmp_path):
    out = shutil.copytree(processed, tmp_path / "out")
    table = pd.read_parquet(out / "key_figures.parquet")
    changed = (table["indicator"] == "placements") & (table["area_code"] == "101")
    table["value"] = table["value"].mask(changed, table["value"] + 1)
    table.to_parquet(out / "key_figures.parquet", index=False)
    result = run("placements", "101", "anbringelser", 2024, "--edition", "2025", "--processed", out)
    assert isinstance(result.exception, InputError)
    assert "the raw rows give" in str(result.exception)


@pytest.fixture(scope="module")
def report(edition, processed, tmp_path_factory):
    """The report of one municipality with three of its sections."""
    out = tmp_path_factory.mktemp("reports")
    # A run keeps its comparison with print beside the key figures.
    own = shutil.copytree(processed, tmp_path_factory.mktemp("own") / "processed")
    only = ["01_udgifter", "02_boern_og_unge", "06_enhedspriser_og_modtagere"]
    places = {"out": out, "raw": RAW, "processed": own}
    steps = []
    (made,), _ = run_report(edition, ["101"], only=only, formats=[], workers=2, on_step=steps.append, **places)
    assert made.complete, [outcome.cause for outcome in made.outcomes]
    told = ["Key figures", "Comparison with print and earlier data", "Sections", "Pages of København", "Sections"]
    assert steps == told
    return made.folder


@WITH_REPORT
def test_every_figure_leads_to_its_anchor(report):
    page = BeautifulSoup((report / PAGE).read_text(encoding="utf-8"), "html.parser")
    linked = 0
    for path in report.glob("[0-9][0-9]_*.html"):
        for figure in BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").find_all("figure"):
            (link,) = figure.find_all("a", string="Kilde til tallene")
            target, _, anchor = link["href"].partition("#")
            section = page.find(id=anchor)
            assert target == PAGE
            assert section.name == "section"
            assert section.find("a", href=f"{path.name}#{figure['id']}")
            linked += 1
    # 18 with figur_funktioner.
    assert linked == 18


@WITH_REPORT
def test_the_page_names_files_rows_and_commands(report, evidence):
    page = BeautifulSoup((report / PAGE).read_text(encoding="utf-8"), "html.parser")
    assert not page.find_all(["link", "iframe"])
    section = page.find(id="figur-05")
    digests = set(evidence.sources.loc[evidence.sources["table"] == "REGK100", "sha256"])
    assert digests <= {code.text for code in section.find_all("code")}
    commands = [code.text for code in section.find_all("code") if code.text.startswith("noegletal trace")]
    assert len(commands) == 10
    for text in (commands[0], commands[-1]):
        words = text.split()
        assert trace(evidence, asked(evidence.key_figures, *words[2:5], int(words[5]), group=words[9])).agrees
    assert "Rækkerne giver ikke" not in page.text
    assert "også dem for 2020, som der sammenlignes med" in page.find(id="figur-04").text
    shares = page.find(id="figur-06").text
    assert "beregnet af nøgletallene" in shares
    assert "sammenlignes" not in shares, "a share is measured from no year"
    assert "beregnet af nøgletallene" not in section.text


def published_questions(report, evidence):
    for path in sorted((report / "data").glob("*.csv")):
        rows = pd.read_csv(path, sep=";", decimal=",", dtype=str, encoding="utf-8-sig", keep_default_na=False)
        for row in rows.to_dict("records"):
            asked_for = Question(
                row["indikator"], row["områdekode"], row["gruppe"], row["kategorikode"], int(row["år"]),
                row.get("variant", "standard"),
            )  # fmt: skip
            if asked_for in evidence.places:
                yield asked_for


def chains_of(text):
    """The chains of a page by their anchors."""
    return {chain["id"]: chain for chain in BeautifulSoup(text, "lxml").select("details.chain[id]")}


def told(chains, asked_for):
    """What the page says of a key figure: value, number of rows, the values of municipalities, command."""
    chain = chains["-".join(str(key) for key in asked_for if key != "standard")]
    rests = re.search(r"Bygger på ([0-9.]+) rækker|Bygger på (.+ linje [0-9]+)", chain.text)
    lines = {cells[0].text: cells[1].text for cells in (row.find_all("td") for row in chain.select("table.parts tr"))}
    return {
        "value": chain.summary.strong.text,
        "rows": int(rests[1].replace(".", "")) if rests and rests[1] else int(bool(rests)),
        "lines": lines,
        "command": chain.find("code").text,
    }


def deepest(step):
    """The steps of a chain that stand in a table: the municipalities of a sum or mean."""
    if len(step.steps) > SPELLED_OUT:
        return list(step.steps)
    return [one for part in step.steps for one in deepest(part)]


def disagreeing(chains, evidence, questions):
    """The key figures of which the page says something else than their chains."""
    wrong = []
    for asked_for in questions:
        found, said = trace(evidence, asked_for), told(chains, asked_for)
        value = found.figure["value"]
        figure = "mangler" if math.isnan(value) else exact(value)
        lines = {step.text: exact(step.value) for step in deepest(found.chain)}
        same = said["value"].startswith(figure) and said["rows"] == found.rows and said["lines"] == lines
        if not (same and said["command"] == command(asked_for, "2025") and found.agrees):
            wrong.append(asked_for)
    return wrong


@WITH_REPORT
def test_the_report_holds_the_chain_of_every_figure(report, evidence):
    chains = chains_of((report / PAGE).read_text(encoding="utf-8"))
    questions = set(published_questions(report, evidence))
    assert len(questions) > 150
    assert any(told(chains, asked_for)["lines"] for asked_for in questions)
    assert disagreeing(chains, evidence, questions) == []
    assert not (report / "spor").exists(), "rows are listed by the command"


@WITH_REPORT
def test_a_chain_that_is_altered_in_the_report_is_seen(report, evidence):
    asked_for = next(one for one in published_questions(report, evidence) if areas.members(one.area_code)[1:])
    text = (report / PAGE).read_text(encoding="utf-8")
    anchor = "-".join(str(key) for key in asked_for if key != "standard")
    start = text.index(f'id="{anchor}"')
    row = re.compile(r"(<tr><td>[^<]+<td>[^<]*)[0-9]").search(text, start)
    spoilt = f"{text[: row.end() - 1]}{(int(text[row.end() - 1]) + 1) % 10}{text[row.end() :]}"
    assert disagreeing(chains_of(spoilt), evidence, [asked_for]) == [asked_for]
