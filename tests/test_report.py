"""The report of the embedded edition as its readers get it: pages, figures, downloads, manifest, commands."""

import base64
import csv
import html
import io
import json
import re
import shutil
from functools import lru_cache

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, noegletal, rewrite_raw
from jinja2 import UndefinedError
from test_missing_figures import Built, sentences

from analysis import areas, charts, tables
from analysis.claims import KINDS, claim_rules, finds
from analysis.edition import PROCESSED_VARIABLE, load_edition
from analysis.errors import InputError
from analysis.rows import labels
from analysis.section import Section
from noegletal.publish.manifest import missing_outputs

SOURCE = r"Kilde: (?:rekonstrueret efter )?(Danmarks Statistik|Komponent|Pladsliste|Ind- og udskrivninger)"
EXTERNAL = re.compile(
    r"""(src|href|action|data|poster|srcset)\s*=\s*["']?\s*(https?:)?//|@import|url\(\s*["']?(https?:)?//""", re.I
)


# What sections say of years that have changed places.
TURNED = {}


@pytest.fixture(params=["fanoe", pytest.param("hovedstaden", marks=pytest.mark.long)])
def report(request, reports):
    return reports / request.param


def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")


@lru_cache
def pages(report):
    """Every page by name, parsed once for all tests: none of them may change it."""
    return {path.name: parsed(path) for path in report.glob("*.html")}


@lru_cache
def running_text(path):
    """What a reader of a page reads: without the folded code, non-breaking spaces as spaces."""
    page = parsed(path)
    for part in page.select("header, div.code, details.data, style, script"):
        part.decompose()
    return " ".join(page.text.replace("\u00a0", " ").split())


def test_everything_declared_is_there(report, tmp_path):
    assert missing_outputs(load_edition("2025"), report) == []
    spoiled = shutil.copytree(report, tmp_path / report.name)
    (spoiled / "figurer" / "figur_01.svg").unlink()
    assert missing_outputs(load_edition("2025"), spoiled) == ["figurer/figur_01.svg"], "the check can fail"


def test_pages_are_danish_and_self_contained(report):
    for name, page in pages(report).items():
        assert page.html["lang"] == "da", name
        assert page.title.text.strip(), name
        assert len(page.find_all("h1")) == 1, name
        assert not page.find_all(["iframe", "link", "object"]), name
        assert [script.attrs for script in page.find_all("script")] == [{}], name
        assert not EXTERNAL.search((report / name).read_text(encoding="utf-8")), name


@pytest.mark.parametrize("text", ['<img src="https://x/y.png">', "<style>@import 'x'</style>", "url(//cdn/x.woff)"])
def test_the_external_check_can_fail(text):
    assert EXTERNAL.search(text)


def test_every_image_says_what_it_shows(report):
    images = [image for page in pages(report).values() for image in page.find_all("img")]
    assert len(images) >= 14
    for image in images:
        assert len(image["alt"]) > 60
        assert image.find_previous("source")["srcset"].startswith("data:image/svg+xml;base64,")
        assert (report / image["src"]).read_bytes().startswith(b"\x89PNG"), "what a browser without SVG shows"


def test_title_and_source_stand_in_the_stored_image_and_not_again_in_the_page(report):
    """The stored image carries both and is therefore taller than the one in the page, where they are text."""
    for page in pages(report).values():
        for image in page.find_all("img"):
            stored = report / image.find_parent("figure").find("a", href=re.compile(r"\.svg$"))["href"]
            vector = image.find_previous("source")["srcset"]
            shown = base64.b64decode(vector.partition(",")[2]).decode("utf-8")
            heights = [
                float(re.search(r'height="([0-9.]+)pt"', svg).group(1)) for svg in (shown, stored.read_text("utf-8"))
            ]
            assert heights[0] + 20 < heights[1], stored.name


@lru_cache
def anchors(path):
    return {html.unescape(anchor) for anchor in re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8"))}


def test_links_lead_somewhere(report):
    checked = 0
    for path in report.glob("*.html"):
        for href in map(html.unescape, re.findall(r'<a [^>]*?href="([^"]+)"', path.read_text(encoding="utf-8"))):
            target, _, anchor = href.partition("#")
            there = path.parent / target if target else path
            assert there.is_file(), (path.name, href)
            assert not anchor or anchor in anchors(there.resolve()), (path.name, href)
            checked += 1
    assert checked > 1000


def test_code_is_behind_one_switch_and_complete(report):
    page = pages(report)["01_udgifter.html"]
    assert len(page.select("div.code")) > 6
    (switch,) = page.select("main input[type=checkbox]")
    assert switch["id"] == "vis-kode" and not switch.has_attr("checked") and switch.find_parent("label")
    assert "charts.stacked_columns" in page.text


def test_every_figure_bears_the_mark_of_how_well_it_is_known(report):
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    outputs = {output["output"]: output for record in manifest["sections"].values() for output in record["outputs"]}
    found, marks = pages(report), {name: said.mark for name, said in labels().evidence.items()}
    for notebook, record in manifest["sections"].items():
        page, borne = found[f"{notebook}.html"], {output["evidence"] for output in record["outputs"]}
        for output in record["outputs"]:
            caption = page.find(id=output["output"].replace("_", "-")).find("figcaption")
            mark = caption.find(class_="mark") if caption else None
            assert (mark.text if mark else "") == marks.get(output["evidence"], ""), output
            lines = " ".join(output["below"])
            assert ("Afventer data fra kilden" in lines) == (output["evidence"] == "example"), output["output"]
            if output["evidence"] == "fitted":
                assert "rekonstrueret efter Danmarks Statistik" in lines, output["output"]
        told = [term.text for term in page.select(".marks dt")]
        assert told == [mark for name, mark in marks.items() if name in borne] * bool(borne & {"fitted", "example"})
    assert sum(output["evidence"] == "example" for output in outputs.values()) > 10
    assert outputs["figur_underretninger_kommuner"]["evidence"] == "genuine", "municipal rates are not reconstructed"
    assert marks["example"] in found["index.html"].text


def names_a_municipality(text):
    """The municipality that a text names beside a figure or a comparison, of which years and ages are none."""
    named = [areas.name(code) for code in areas.municipalities() if re.search(rf"\b{areas.name(code)}\b", text)]
    return named[0] if named and finds(text) and named[0] != "Vejen" else ""


def test_of_a_municipality_only_measured_figures_are_said(report):
    """In no form: titles are those of the manifest everywhere, see test_same_numbers."""
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    said = 0
    for notebook, record in manifest["sections"].items():
        known = {claim["place"]: claim["evidence"] for claim in record["claims"]}
        texts = {output["output"].replace("_", "-"): output["title"] for output in record["outputs"]}
        texts |= {finding["anchor"]: finding["text"] for finding in record["findings"]}
        for place, text in texts.items():
            if notebook != "00_datagrundlag" and "Byen København" not in text and names_a_municipality(text):
                assert known.get(place) in ("genuine", "fitted"), text
                said += 1
        withheld = {claim["place"] for claim in record["claims"] if claim["outcome"] == "withheld"}
        unsaid = {
            one["anchor"] for one in record["findings"] if one["text"].startswith("Det kan ikke siges på disse tal")
        }
        assert withheld.isdisjoint({finding["anchor"] for finding in record["findings"]} - unsaid)
        assert unsaid <= withheld and all(
            one["role"] == "answer" for one in record["findings"] if one["anchor"] in unsaid
        )
    assert said >= 2
    assert "Eksempel" not in " ".join(tag.text for tag in pages(report)["index.html"].select(".main-findings"))
    assert names_a_municipality("På Fanø er udgifterne steget 12 pct.") == "Fanø", "the check can fail"


def test_what_was_not_stated_is_told_with_its_reason(report):
    sections = json.loads((report / "manifest.json").read_text(encoding="utf-8"))["sections"]
    claims = [claim for record in sections.values() for claim in record["claims"]]
    held_back = [claim for claim in claims if claim["outcome"] != "stated"]
    table = pages(report)["datakvalitet.html"].find(id="paastande").find_next("table")
    told = [[cell.text for cell in row.find_all(["th", "td"])] for row in table.select("tbody tr")]
    rules = claim_rules()
    assert [(outcome, why) for _, outcome, why in told] == [
        (rules.outcomes[claim["outcome"]], "; ".join(rules.reasons[reason].name for reason in claim["reasons"]))
        for claim in held_back
    ]
    assert {claim["outcome"] for claim in held_back} == {"softened", "example", "withheld"}
    assert all(bool(claim["reasons"]) == (claim["outcome"] != "stated") for claim in claims)


def test_main_findings_are_the_strongest_that_may_be_stated(report):
    sections = json.loads((report / "manifest.json").read_text(encoding="utf-8"))["sections"]
    shown = pages(report)["index.html"].select(".main-findings .where a")
    assert len(shown) >= 1
    order = {"stated": 0, "softened": 1}
    for link in shown:
        notebook, _, anchor = link["href"].partition(".html#")
        answer = next(one["anchor"] for one in sections[notebook]["findings"] if one["role"] == "answer")
        told = next((claim for claim in sections[notebook]["claims"] if claim["place"] == answer), {})
        if told.get("outcome") in order and told["evidence"]:
            assert anchor == answer
            continue
        titles = [claim for claim in sections[notebook]["claims"] if not claim["place"].startswith("saetning")]
        passed = [claim for claim in titles if claim["outcome"] in order and claim["evidence"] in ("genuine", "fitted")]
        best = min(passed, key=lambda claim: (order[claim["outcome"]], KINDS.index(claim["kind"])))
        assert anchor == best["place"]
    answers = {name: record["findings"][0]["anchor"] for name, record in sections.items()}
    passed = {
        notebook
        for notebook, record in sections.items()
        for claim in record["claims"]
        if claim["outcome"] in order
        and claim["evidence"]
        and (not claim["place"].startswith("saetning") or claim["place"] == answers[notebook])
    }
    assert [link["href"].partition(".html")[0] for link in shown] == [name for name in sections if name in passed]


def test_figures_say_source_and_finding(report):
    for name, page in pages(report).items():
        for figure in page.find_all("figure", class_=lambda kind: kind != "table"):
            assert re.search(SOURCE, figure.text), name
            assert len(figure.figcaption.text) > 25, name
            assert figure.find("a", href=re.compile(r"^data/figur_.*\.csv$")), name


@pytest.mark.long
def test_sentences_are_those_of_the_data(reports, key_figures):
    text = pages(reports / "hovedstaden")["01_udgifter.html"].text.replace("\u00a0", " ")
    grown = "udgifterne til børn og unge steget 17 pct. og udgifterne til voksne steget 10 pct."
    assert f"Siden 2020 er {grown}" in " ".join(text.split())
    assert "20,4 mia. kr." in text
    text = pages(reports / "hovedstaden")["02_boern_og_unge.html"].text.replace("\u00a0", " ")
    assert "udgifterne steget 17 pct. siden 2020. 3,4 mia. kr. gik til støttende indsatser" in " ".join(text.split())
    assert "anbringelser er steget mest i Region Midtjylland og mindst i hovedstaden" in " ".join(text.split())


def test_running_text_is_well_made_danish(report):
    for path in report.glob("*.html"):
        name, page = path.name, parsed(path)
        for part in page.select("div.code, code, style, script"):
            part.decompose()
        for element in page.select("p, li, figcaption, dd, td, th, h1, h2, h3"):
            text = " ".join(element.text.split())
            assert not re.search(r"(?<!\.)\.\.(?!\.)(?!$)|,,|\bnan\b|\bNone\b|\d pct\b(?!\.)|\bkr\b(?!\.)", text), (
                name,
                text,
            )
            assert not re.search(r"\b(steget|faldet) [−-]", text), (name, text)


@pytest.fixture
def turned_around(processed, key_figures, tmp_path, monkeypatch):
    """What a section says when the first and the last year have changed places; each is run once."""
    turned = key_figures.assign(year=key_figures["year"].replace({2020: 2024, 2024: 2020}))
    built = Built(tmp_path, processed, turned)
    built.times(turned["year"] > 0, 1)
    monkeypatch.setenv(PROCESSED_VARIABLE, str(tmp_path))

    def said(page):
        if page not in TURNED:
            TURNED[page] = " ".join(sentences(page, "hovedstaden", monkeypatch))
        return TURNED[page]

    return said


@pytest.mark.parametrize(
    ("page", "forwards", "backwards"),
    [
        ("01_udgifter", r"til børn og unge steget 17 pct\.", r"til børn og unge faldet \d+ pct\."),
        ("01_udgifter", r"Væksten er størst på børne- og ungeområdet\.", r"Væksten er størst på voksenområdet\."),
        (
            "01_udgifter",
            r"højere end landsgennemsnittet for børn og unge og lavere end det for voksne",
            r"lavere end landsgennemsnittet for børn og unge og højere end det for voksne",
        ),
        (
            "02_boern_og_unge",
            r"anbringelser er steget mest i Region Midtjylland og mindst i hovedstaden",
            r"anbringelser er faldet mest i Region Midtjylland og mindst i hovedstaden",
        ),
        (
            "02_boern_og_unge",
            r"skiftet fra anbringelser til støttende indsatser",
            r"skiftet fra støttende indsatser til anbringelser",
        ),
        ("03_anbringelser_og_modtagere", r"indsatser er steget 35 pct\.", r"indsatser er faldet 26 pct\."),
        ("04_underretninger", r"underretninger i hovedstaden er steget 40 pct\.", r"hovedstaden er faldet 29 pct\."),
        ("04_underretninger", r"med underretning er steget 37 pct\.", r"med underretning er faldet \d+ pct\."),
        ("05_voksne", r"voksne i hovedstaden er steget 10,4 pct\.", r"voksne i hovedstaden er faldet \S+ pct\."),
        (
            "05_voksne",
            r"højere end landsgennemsnittet for assistance, herberger og misbrugstilbud",
            r"lavere end på landsplan for [^.]*(assistance|misbrugstilbud|herberger)",
        ),
        (
            "05_voksne",
            r"udgiften pr\. modtager er steget 9 pct\.",
            r"udgiften pr\. modtager er faldet 8 pct\.",
        ),
        (
            "05_voksne",
            r"modtagere af botilbud er steget 5 pct\.",
            r"modtagere af botilbud er faldet 5 pct\.",
        ),
    ],
)
@pytest.mark.long
def test_sentences_turn_with_the_data(reports, turned_around, page, forwards, backwards):
    before = running_text(reports / "hovedstaden" / f"{page}.html")
    for text, there, gone in ((before, forwards, backwards), (turned_around(page), backwards, forwards)):
        assert re.search(there, text), text
        assert not re.search(gone, text), text


@pytest.mark.long
def test_sentences_on_diagnoses_turn_with_the_delivery(reports, turned_around):
    before = running_text(reports / "hovedstaden" / "07_diagnoser.html")
    after = turned_around("07_diagnoser")
    for pattern_before, pattern_after in (
        (
            r"0-17-årige med mindst én F-diagnose stiger i hovedstaden fra 4,6",
            r"F-diagnose falder i hovedstaden fra 5,4",
        ),
        (r"voksne med mindst én F-diagnose falder i hovedstaden fra 7,7", r"F-diagnose stiger i hovedstaden fra 6,9"),
        (r"Siden 2020 stiger andelen i alle regioner", r"Siden 2020 falder andelen i alle regioner"),
    ):
        assert re.search(pattern_before, before), before
        assert re.search(pattern_after, after), after


@pytest.mark.long
def test_csv_is_for_danish_spreadsheets_and_holds_what_is_drawn(reports, key_figures):
    content = (reports / "hovedstaden" / "data" / "figur_05.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))
    assert len(rows) == 10
    row = next(row for row in rows if row["kategorikode"] == "anbringelser" and row["år"] == "2024")
    wanted = key_figures.query(
        "indicator == 'expenditure' and area_code == 'hovedstaden' and category == 'anbringelser' "
        "and year == 2024 and variant == 'standard'"
    )["value"].item()
    assert float(row["værdi"].replace(",", ".")) == pytest.approx(wanted, rel=1e-12)
    assert row["oprindelse"] == "reconstruction"


def test_missing_figures_have_a_symbol_and_a_name(reports):
    page = pages(reports / "fanoe")["04_underretninger.html"]
    assert "21 af 22 kommuner i Region Syddanmark, uden Fanø (2023)." in page.text
    data = (reports / "fanoe" / "data" / "figur_stoette_niveau.csv").read_text(encoding="utf-8-sig")
    assert re.search(r"563;Fanø;.*;2023;standard;;pct;missing;", data)


def test_manifest(report):
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"]
    assert list(manifest["sections"]) == [plan.notebook for plan in load_edition("2025").sections]
    assert manifest["sections"]["01_udgifter"]["parameters"] == {"edition": "2025", "area": report.name}
    assert set(manifest["inputs"]["raw"]) == {
        path.name for path in (ROOT / "data/raw/2025").iterdir() if path.is_file() and path.suffix != ".yml"
    }
    listed = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(manifest["outputs"]) == listed
    assert {"python", "pandas", "papermill"} <= set(manifest["versions"])
    assert str(ROOT) not in (report / "manifest.json").read_text(encoding="utf-8")


def test_reconciliation_page(report):
    page = pages(report)["afstemning.html"]
    printed, others = page.select("table")
    assert len(printed.select("tbody tr")) == 140
    assert len(page.select("tr.contradicts_itself")) == 4
    assert len(others.select("tbody tr")) == 20
    row = page.find(id="n25_tekst_growth_samlet_land")
    assert "rapporten modsiger sig selv" in row.text
    assert "Figur 4" in row.text


def test_check_command_counts_genuine_and_fitted_apart(processed):
    result = noegletal("check", "--edition", "2025", "--json", "--processed", processed)
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert set(rows[0]) == {"id", "status", "basis", "printed", "computed", "tolerance", "reason"}
    assert len(rows) == 140
    result = noegletal("check", "--edition", "2025", "--processed", processed)
    assert "match: 0 genuine, 136 fitted" in result.stdout
    assert "n25_tekst_growth_samlet_land" in result.stdout


@pytest.mark.long
def test_check_fails_on_a_deviation(raw_with, tmp_path):
    raw = raw_with()
    rewrite_raw(raw, "REGK100", lambda lines: [
        line.rsplit(";", 1)[0] + ";150000" if line.startswith("101;52821;1;1;5;") and ";2024;" in line else line
        for line in lines
    ])  # fmt: skip
    result = noegletal("check", "--edition", "2025", "--json", "--raw", raw, "--processed", tmp_path / "out")
    assert result.returncode == 1
    deviating = {row["id"] for row in json.loads(result.stdout) if row["status"] == "deviates"}
    assert "n25_tabel1_aflastning_2024" in deviating
    # The next check, without --raw, is of what was built and not of the embedded data.
    again = noegletal("check", "--edition", "2025", "--json", "--processed", tmp_path / "out")
    assert again.returncode == 1


def test_build_command_is_one_line_when_the_input_is_wrong(raw, tmp_path):
    path = raw / "REGK100.csv.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    result = noegletal("build", "--edition", "2025", "--raw", raw, "--processed", tmp_path / "out")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: REGK100.csv.gz is not the file that REGK100.yml describes")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_teaches():
    text = noegletal("report", "--help", COLUMNS="120").stdout
    assert "Example: noegletal report" in text
    assert "--area" in text


def test_names_and_cells_are_text_in_tables():
    hostile = ['<script>alert("x")</script>', "a & b", "=HYPERLINK(1)"]
    markup = tables.html(
        pd.DataFrame({"Navn": hostile, "Tal": hostile}),
        identifier="t",
        heading="Navn",
        numeric=["Tal"],
        strong=["a & b"],
    )
    found = BeautifulSoup(markup, "html.parser")
    assert not found.find("script")
    assert [cell.text for cell in found.select("tbody td")] == hostile
    assert [cell.text for cell in found.select("tbody th")] == hostile
    assert len(found.select("tr.sum")) == 1
    told = dict.fromkeys(("anchor", "title", "reason"), f'{hostile[0]}">')
    found = BeautifulSoup(tables.markup("left_out", **told), "html.parser")
    assert not found.find("script")
    assert [tag.text for tag in found.select("p")] == [told["title"]] * 2
    with pytest.raises(UndefinedError, match="reason"):
        tables.markup("left_out", anchor="t", title="Uden grund")


def test_spreadsheets_get_no_formulas():
    text = tables.spreadsheet_csv(pd.DataFrame({"note": ["=1+1", "@x", "-", "fin"], "value": [-1.5, 2, 3, 4]})).decode()
    assert [line.split(";")[1] for line in text.splitlines()[1:]] == ["'=1+1", "'@x", "'-", "fin"]
    assert text.splitlines()[1].startswith("-1,5"), "numbers stay numbers"


@pytest.mark.parametrize(("missing", "joined"), [(None, False), (3.0, True)])
def test_no_line_is_drawn_over_a_missing_year(missing, joined):
    data = pd.DataFrame({"year": [2023, 2020, 2022, 2021], "series": "a", "value": [4.0, 1.0, missing, 2.0]})
    lines = charts.lines(data, hue="series", unit="pct.")
    for drawn in (lines, charts.spread(data, hue="series", references={"a": ("#0A5C8F", "-")}, unit="pct.")):
        years = [set(line.get_xdata()) for line in drawn.axes[0].lines]
        assert {2020, 2021} <= years[0]
        assert set.union(*years) >= {2020, 2021, 2023}
        assert any({2021, 2023} <= run for run in years) == joined


def test_a_category_without_a_colour_is_refused():
    rows = pd.DataFrame({"population_group": ["voksne"], "category": ["nyt"], "label": ["Nyt"]})
    with pytest.raises(InputError, match="categories.csv has no colour for 'nyt'"):
        charts.colours_of(rows)


def test_a_section_refuses_what_the_table_does_not_hold(processed, monkeypatch):
    monkeypatch.setenv("NOEGLETAL_PROCESSED", str(processed))
    section = Section("01_udgifter", "2025", "København")
    with pytest.raises(InputError, match="'expenditure' hold no category botilbudd"):
        section.read("expenditure", category="botilbudd")
    with pytest.raises(InputError, match="hold no indicator"):
        section.read("expenditures")
    assert section.compared_areas == ["101", "081", "082", "083", "084", "085", "000"]
    assert section.emphasised == ["København", "Region Hovedstaden"]
    assert len(section.peers) == 29
    assert Section("01_udgifter", "2025", "hovedstaden").compared_areas == [
        "hovedstaden",
        "081",
        "082",
        "083",
        "085",
        "000",
    ]


def shows_nan(page):
    """Whether a page shows what a program calls a missing figure, in its text or in an attribute that is read out."""
    text = re.sub(r"(?s)<(style|script|code|pre)\b.*?</\1>", "", page)
    return bool(re.search(r"(>|alt=\"|label=\")[^<>\"]*\bnan\b", text))


@pytest.mark.long
def test_missing_accounts_are_shown_as_missing_everywhere(small, tmp_path):
    small.change("REGK100", lambda lines: [
        line.rsplit(";", 1)[0] + ";.." if line.startswith("147;") and line.split(";")[7] == "2022" else line
        for line in lines
    ])  # fmt: skip
    # The sections rest on accounts and population alone, as if measured: of a reconstruction nothing would be said.
    small.keep_only("REGK100", "REGK31", "FOLK1A")
    small.rehearse()
    result = noegletal(
        "report", "--edition", small.name, "--area", "Frederiksberg", "--area", "hovedstaden",
        "--only", "01_udgifter", "--only", "02_boern_og_unge", "--only", "05_voksne", "--format", "site",
        "--raw", small.raw, "--processed", small.processed, "--out", tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    made = tmp_path / small.name
    assert "uden opgjort ændring" in parsed(made / "frederiksberg" / "01_udgifter.html").text
    cells = [cell.text for cell in parsed(made / "frederiksberg" / "02_boern_og_unge.html").select("#tabel-01 td")]
    assert cells.count("..") >= 18, "the year and the growth are missing, not zero"
    for area in ("frederiksberg", "hovedstaden"):
        texts = {path.name: path.read_text(encoding="utf-8") for path in (made / area).glob("*.html")}
        assert "spor.html" in texts
        assert [name for name, text in texts.items() if shows_nan(text)] == []
    assert shows_nan("<p>Væksten er nan pct.</p>")
    assert not shows_nan("<script>x = nan</script><p>Nanna</p>")
    assert [name for name, text in texts.items() if "uden opgjort ændring" in text] == [], "the others have growth"
    assert (
        "(4 af 5 kommuner i hovedstaden)"
        in parsed(made / "hovedstaden" / "01_udgifter.html").find(id="figur-01").figcaption.text
    )
    page = parsed(made / "hovedstaden" / "02_boern_og_unge.html").text
    assert "4 af 5 kommuner i hovedstaden, uden Frederiksberg (2022)." in page
