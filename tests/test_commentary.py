"""What the working group writes beside a section: numbers from data, shown apart, warned of when they change."""

import json
import re
from xml.etree import ElementTree

import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT, noegletal

from analysis import danish
from analysis.edition import project_root
from analysis.errors import InputError
from noegletal import commentary
from noegletal.publish.pdf import _clean, _said

SECTION = "01_udgifter"
EXAMPLE = re.search(r"```markdown\n(.*?)```", (ROOT / "commentary" / "README.md").read_text("utf-8"), re.S)[1]
HEAD = "---\nby: Arbejdsgruppen\ndate: 2026-11-20\n---\n"


class Written:
    """A project whose working group writes; its figures count as measured."""

    def __init__(self, small):
        self.small = small
        self.edition = small.edition

    def write(self, text, section=SECTION, edition=None):
        path = project_root() / "commentary" / (edition or self.edition.name) / f"{section}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def read(self, area="hovedstaden"):
        return commentary.commentaries(self.edition, self.small.processed, area)

    def value(self, year, indicator="expenditure", area="hovedstaden", category="aflastning"):
        rows = self.small.figures.query("variant == 'standard' and year == @year and indicator == @indicator")
        return rows.query("area_code == @area and category == @category")["value"].iloc[0]

    def times(self, factor):
        figures = self.small.figures
        figures.loc[figures["indicator"] == "expenditure", "value"] *= factor
        figures.to_parquet(self.small.processed / "key_figures.parquet")


@pytest.fixture
def written(small):
    figures = small.figures
    figures.assign(origin="statbank").to_parquet(small.processed / "key_figures.parquet")
    return Written(small)


def test_the_example_of_the_readme_has_its_numbers_from_data(written):
    written.write(EXAMPLE)
    (one,) = written.read().values()
    level, growth = one.quoted.values()
    assert level == danish.with_unit(danish.number(written.value(2024) / 1e6, 1), "mio. kr.")
    assert growth == danish.percent((written.value(2024) / written.value(2022) - 1) * 100, 1)
    text = BeautifulSoup(one.html, "html.parser").text
    assert level in text and growth in text and "{{" not in text
    written.write(HEAD + "Det kostede {{ expenditure hovedstaden aflastning 2024 }}.")
    assert BeautifulSoup(written.read()[SECTION].html, "html.parser").text.strip() == f"Det kostede {level}"
    assert [(advice.id, advice.status) for advice in one.recommendations] == [("aflastning", "ny")]
    assert "<strong>flere børn</strong>" in one.html


def test_only_the_home_area_has_it(written):
    written.write(EXAMPLE)
    assert list(written.read("hovedstaden")) == [SECTION]
    assert written.read("101") == {}


def test_a_number_that_changed_is_told_until_the_text_is_accepted(written):
    path = written.write(EXAMPLE)
    (before,) = written.read().values()
    assert before.not_accepted == list(before.quoted) and before.changed == {}
    body = path.read_text("utf-8").rpartition("---\n")[2]
    commentary.accept(written.read(), SECTION)
    assert path.read_text("utf-8").rpartition("---\n")[2] == body
    (accepted,) = written.read().values()
    assert accepted.not_accepted == [] and commentary.warnings(written.edition, {SECTION: accepted}) == []
    written.times(1.5)
    (one,) = written.read().values()
    level = next(iter(one.quoted))
    then, now = one.changed[level]
    assert then == before.quoted[level] and now != then
    (told,) = commentary.warnings(written.edition, {SECTION: one})
    assert f"01_udgifter.md: {level} was {then} when it was written and is {now}" in told
    (markup,) = _said(one)
    assert f"Tallet er ændret, siden vurderingen blev skrevet: {then} er nu {now}." in danish.held(markup)
    commentary.accept(written.read(), SECTION)
    assert commentary.warnings(written.edition, written.read()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Intet hoved", "01_udgifter.md line 1: a commentary begins with a head"),
        ("---\nby: X\n---\nTekst", "01_udgifter.md line 1: the head is not valid: date"),
        ("---\nby: [\n---\nTekst", "01_udgifter.md line 3: the head is not valid: did not find"),
        ("---\nby: X\ndate: i går\n---\nTekst", "01_udgifter.md line 3: the head is not valid: date"),
        (
            EXAMPLE.replace("since:", "siden:"),
            f"01_udgifter.md line {EXAMPLE[: EXAMPLE.index('  - id:')].count(chr(10)) + 1}: .*recommendations.0.since",
        ),
        (
            f"{HEAD}{{{{ expenditur hovedstaden aflastning 2024 }}}}\n{{{{ a\nb }}}}\n\nKun {{{{ halvt",
            "line 5: .*nearest: expenditure.*; line 6: .*a figure is quoted as .*; line 9: a figure is quoted as",
        ),
        (f"{HEAD}a\n\n{{{{ expenditur hovedstaden aflastning 2024 }}}}", "line 7: .*nearest: expenditure"),
        (f"{HEAD}{{{{ expenditure hovedstan aflastning 2024 }}}}", "line 5: .*area 'hovedstan' is not known"),
        (f"{HEAD}{{{{ expenditure hovedstaden aflastnin 2024 }}}}", "line 5: .*nearest: aflastning"),
        (f"{HEAD}{{{{ expenditure hovedstaden aflastning 1999 }}}}", "line 5: .*in 1999; there is 2022-2024"),
        (f"{HEAD}{{{{ expenditure hovedstaden i_alt 2024 }}}}", "line 5: .*exists for alle, boern_og_unge, voksne"),
        (f"{HEAD}{{{{ expenditure hovedstaden 2024 }}}}", "line 5: .*a figure is quoted as"),
        (f"{HEAD}{{{{ growth expenditure hovedstaden aflastning 2024 }}}}", "line 5: .*a figure is quoted as"),
        (f"{HEAD}{{{{ shelter_places hovedstaden herberg 2024 }}}}", "line 5: .*'shelter_places' is modelled"),
        (f"{HEAD}\nKun {{{{ halvt", "line 6: a figure is quoted as"),
        (
            "---\nby: X\ndate: 2026-11-20\nrecommendations: [{id: a, text: b, status: måske, since: 2025}]\n---\n",
            "the head is not valid: recommendations",
        ),
        (
            "---\nby: X\ndate: 2026-11-20\nrecommendations: [{id: a, status: ny, since: 2025}]\n---\n",
            "the recommendation 'a' has no text",
        ),
        (EXAMPLE.replace("text: Kommunerne", "text: Med {{ unit }}"), "recommendation 'aflastning' quotes a figure"),
        (
            EXAMPLE.replace("---\nAfl", "  - {id: aflastning, text: To, status: ny, since: 2025}\n---\nAfl"),
            "the recommendation 'aflastning' stands twice",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_file_and_line(written, text, said):
    written.write(text)
    with pytest.raises(InputError, match=said) as refused:
        written.read()
    assert "\n" not in str(refused.value)


def test_a_commentary_on_no_section_is_refused(written):
    written.write(EXAMPLE, section="99_noget")
    with pytest.raises(InputError, match="99_noget.md is on no section of the edition; it has: 01_udgifter"):
        written.read()


def test_what_looks_like_html_is_text(written):
    hostile = "<script>x()</script> <img src=x onerror=y()> [klik](javascript:x) ![billede](http://x.dk/y.png)"
    hostile += "\n\n# Overskrift\n"
    written.write(HEAD + hostile)
    (one,) = written.read().values()
    page = BeautifulSoup(one.html, "html.parser")
    assert page.find_all(["script", "img", "h1"]) == []
    assert "<script>x()</script>" in page.text and "billede" in page.text
    assert not [link for link in page("a") if "javascript" in link["href"]]
    assert page.find("h3").text == "Overskrift"


def test_a_suppressed_figure_stays_hidden_and_example_data_says_so(written):
    quote = "{{ recipients hovedstaden botilbud 2024 }}"
    figures = written.small.figures
    place = figures.query(
        "indicator == 'recipients' and area_code == 'hovedstaden' and category == 'botilbud' and year == 2024"
    ).index
    hidden = figures.copy()
    hidden.loc[place, ["value", "status"]] = [float("nan"), "suppressed"]
    hidden.to_parquet(written.small.processed / "key_figures.parquet")
    written.write(HEAD + quote)
    assert set(written.read()[SECTION].quoted.values()) == {danish.STATUS_SYMBOLS["suppressed"]}
    figures.assign(origin="reconstruction", printed="").to_parquet(written.small.processed / "key_figures.parquet")
    (text,) = written.read()[SECTION].quoted.values()
    assert text.endswith("(afventer data fra kilden)")
    written.write(HEAD + quote.replace("hovedstaden", "København"))
    with pytest.raises(InputError, match="line 5: .*the figure of København is example data"):
        written.read()


def test_what_a_hidden_figure_was_is_not_repeated(written):
    written.write(HEAD + "> {{ recipients hovedstaden botilbud 2024 }}")
    (before,) = written.read()[SECTION].quoted.values()
    commentary.accept(written.read(), SECTION)
    figures = written.small.figures
    place = figures.query("indicator == 'recipients' and category == 'botilbud' and year == 2024").index
    figures.loc[place, ["value", "status"]] = [float("nan"), "suppressed"]
    figures.to_parquet(written.small.processed / "key_figures.parquet")
    one = written.read()[SECTION]
    (markup,) = _said(one)
    assert before not in markup and before not in " ".join(commentary.warnings(written.edition, {SECTION: one}))
    assert "Et tal i vurderingen vises ikke længere af hensyn til få personer." in markup
    quoted = ElementTree.fromstring(f"<body>{one.html}</body>")  # noqa: S314
    _clean(quoted)
    assert quoted.find("blockquote") is not None, "paper leaves nothing of a text out"


@pytest.fixture
def next_edition(written):
    declared = yaml.safe_load(written.small.file.read_text("utf-8")) | {"title": "Næste udgave"}
    path = written.small.file.with_name("2025.yml")
    path.write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    from analysis.edition import load_edition

    written.write(EXAMPLE)
    written.edition = load_edition("2025")
    return written


def test_a_recommendation_is_carried_on_with_its_text(next_edition):
    on = EXAMPLE.replace("    text: Kommunerne bør følge, hvor mange familier der får aflastning.\n", "")
    next_edition.write(on.replace("status: ny", "status: i gang"))
    (advice,) = next_edition.read()[SECTION].recommendations
    assert (advice.status, advice.since) == ("i gang", 2025)
    assert advice.text == "Kommunerne bør følge, hvor mange familier der får aflastning."


def test_a_recommendation_that_is_dropped_is_named(next_edition):
    next_edition.write(HEAD + "Intet om det.")
    with pytest.raises(InputError, match="recommendation 'aflastning' of commentary/2024/01_udgifter.md was 'ny'"):
        next_edition.read()
    ended = EXAMPLE.replace("status: ny", "status: opgivet")
    next_edition.write(ended, edition="2024")
    assert next_edition.read()[SECTION].recommendations == []


def test_a_recommendation_on_a_section_without_a_file_is_warned_of(next_edition):
    (told,) = commentary.warnings(next_edition.edition, next_edition.read())
    assert "'aflastning' of commentary/2024/01_udgifter.md was 'ny', and commentary/2025/01_udgifter.md" in told
    next_edition.write(EXAMPLE.replace("status: ny", "status: gennemført"), edition="2024")
    assert commentary.warnings(next_edition.edition, next_edition.read()) == []


def pages_of(status):
    """What of the pages of the home area's report is stale, and why."""
    return json.loads(status.stdout)["areas"]["Hovedstaden"]["pages"]


@pytest.mark.long
def test_it_stands_on_the_page_apart_and_a_new_text_makes_the_page_again(written, tmp_path):
    small = written.small
    places = ("--raw", small.raw, "--processed", small.processed, "--out", tmp_path / "reports", "--only", SECTION)

    def run(name, *more):
        return noegletal(name, *more, NOEGLETAL_ROOT=project_root())

    small.build()
    written.write(HEAD + "{{ population hovedstaden 0-22 2024 }}")
    broken = written.write(HEAD + "{{ populatio hovedstaden 0-22 2024 }}")
    refused = run("report", *places)
    assert refused.returncode == 1 and "line 5" in refused.stderr
    assert not (tmp_path / "reports").exists(), "nothing is made of half a text"
    broken.write_text(HEAD + "Vi skriver om {{ population hovedstaden 0-22 2024 }} unge.", "utf-8")
    done = run("report", *places)
    assert done.returncode == 0, done.stdout + done.stderr
    path = tmp_path / "reports" / small.name / "hovedstaden" / f"{SECTION}.html"
    page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
    (box,) = page.select(".commentary")
    assert box.find("h2").text == "Arbejdsgruppens vurdering"
    assert "Skrevet af Arbejdsgruppen" in box.text and "Vi skriver om" in box.text
    assert not box.select(".finding") and not page.select(".commentary figure")
    assert "commentary" not in pages_of(run("status", *places[:6], "--json"))
    broken.write_text(broken.read_text("utf-8").replace("Vi skriver", "Vi mener noget"), "utf-8")
    assert "commentary" in pages_of(run("status", *places[:6], "--json"))
    again = run("report", *places)
    assert "0 sections done" in again.stdout and "Vi mener noget" in path.read_text("utf-8")
    listed = run("commentary", *places[:4])
    assert listed.returncode == 0 and "not accepted yet" in listed.stdout
    assert run("commentary", "--accept", SECTION, *places[:4]).returncode == 0
    assert "seen:" in broken.read_text("utf-8")
