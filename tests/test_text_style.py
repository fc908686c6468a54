"""What a reader reads is well-made Danish: number style, units, plurals, directions, nothing of the machine."""

import html
import json
import re
from functools import lru_cache

import pytest
from bs4 import BeautifulSoup

from analysis import areas
from analysis.danish import described, held, sentence

UNITS = r"pct\.|procent|promille|kr\.|mio\.|mia\.|pladser|plads|døgn|dage|timer"
PLURALS = (
    "beboere|borgere|bemærkninger|børnefamilier|dage|filer|funktioner|grupper|herberger|indbyggere|kategorier|klynger|"
    "kommuner|kvinder|metoder|modtagere|måneder|personer|pladser|regioner|rækker|tabeller|timer|underretninger|ydelser"
)
DIRECTIONS = "stigning|fald|vækst|steget|faldet|vokset|øget|stiger|falder|højere|lavere|flere|færre"
CHARTS = "Linje|Linjer|Liggende søjler|Stablede søjler|Søjler|Prikker|Skema"
ISLANDS = "|".join(areas.name(code) for code in areas.municipalities() if areas.locative(code).startswith("på "))
# What is wrong, how it is found, and a sentence in which it is.
FORBIDDEN = {
    "two spaces": (
        r"[ \u00a0]{2}",
        "Udgifterne er  steget.",
    ),
    "an English decimal point": (
        r"(?<![\d.§])(?<!§ )(?<!CC BY )(?<!Figur )(?<!Tabel )\d+\.\d{1,2}(?![\d.])",
        "Udgifterne er steget 1.5\u00a0pct.",
    ),
    "English thousands": (
        r"\d,\d{3}(,\d{3}|\.\d)",
        "Udgifterne er 1,234,567\u00a0kr.",
    ),
    "a minus sign before a direction": (
        rf"[-−]\d[\d.,]*[ \u00a0](pct\.?|procent(point)?)[ \u00a0]({DIRECTIONS})\b",
        "Det er en −5\u00a0pct. stigning.",
    ),
    "a direction with a minus sign": (
        rf"\b({DIRECTIONS})( er)?( på| med)?[ \u00a0][-−]\d",
        "Der er et fald på -5\u00a0pct. siden 2020.",
    ),
    "a line may end before a unit": (
        rf"\d ({UNITS})(?!\w)",
        "Udgifterne er steget 17 pct. siden 2020.",
    ),
    "a line may end within a unit": (
        r"\b(mio|mia)\. kr\.",
        "Udgifterne er 20,4\u00a0mia. kr.",
    ),
    "a unit without its full stop": (
        r"\b(pct|kr|mio|mia)\b(?!\.)",
        "Udgifterne er 17\u00a0pct højere.",
    ),
    "a plural of one": (
        rf"(?<![\d.,])1[ \u00a0]({PLURALS})\b",
        "Der er 1\u00a0pladser.",
    ),
    "a space before a sign": (
        r"\S[ \u00a0][,;:!?](?= |$)",
        "Det er sådan , at udgifterne stiger.",
    ),
    "two full stops": (
        r"\w\.\.(?!\.)|\.[ \u00a0]\.(?!\.)",
        "Udgifterne er 20\u00a0kr.. De stiger.",
    ),
    "two commas": (
        r",\s*,",
        "Greve,, Solrød og Køge.",
    ),
    "a value of a program": (
        r"\b(nan|NaN|None|null|True|False|inf)\b",
        "Udgifterne er nan.",
    ),
    "a name of a program": (
        r"\b[a-zæøå0-9]+(_[a-zæøå0-9]+)+\b",
        "Udgifterne til stoettende_indsatser stiger.",
    ),
    "a placeholder": (
        r"[{}]|%[sd]\b",
        "Udgifterne i {where} stiger.",
    ),
    "a code for a period": (
        r"\b\d{4}(M\d\d|K\d|Q\d|U\d\d)\b",
        "Belægningen er steget fra 2019M01.",
    ),
    "a date of a program": (
        r"\b\d{4}-\d\d-\d\d",
        "Tallene er hentet den 2026-11-29T22:49:02Z.",
    ),
    "a word twice": (
        r"\b([a-zæøå]{2,}) \1\b",
        "Udgifterne er er steget.",
    ),
    "one is unchanged where several are": (
        r"(?i)\b(udgifterne|indsatser|anbragte|anbringelser|\bde)( [^\s,;]+){0,6} er( samlet)? uændret\b",
        "Udgifterne til anbringelser pr. 0-22-årig er uændret siden 2020.",
    ),
    "in an island": (
        rf"\bi ({ISLANDS})\b(?! Kommune)",
        f"Andelen er lavest i {ISLANDS.split('|')[0]}.",
    ),
    "the verb before what it is about": (
        r"\b[Mm]est er (\w+ )+(steget|faldet)\b|\bMest trækker\b|\bFlest penge bruges\b",
        "Mest er udgifterne steget i Region Sjælland.",
    ),
    "a share against the same share": (
        r"\b(\d[\d,]*)\u00a0pct\.[^.;]* mod \1\u00a0pct\.",
        "Støttende indsatser udgør 45\u00a0pct. af udgifterne mod 45\u00a0pct. i 2020.",
    ),
    "from a number to the same": (
        r"\bgik fra (\d[\d.,]*) i \d{4} til \1 i \d{4}",
        "Antallet gik fra 5 i 2020 til 5 i 2024.",
    ),
    "a percentage growth of a handful": (
        r"\bfra [1-9] \w+ til \d+ \w+, (steget|faldet) \d+\u00a0pct\.",
        "Antallet er gået fra 7 børn til 13 børn, steget 86\u00a0pct.",
    ),
    "a sentence that runs into the next": (
        rf"[a-zæøå] ({CHARTS})(,| fra| over| med| for)",
        "Udgifterne er steget Linjer, kr.: 1 i 2020.",
    ),
}
# On the pages of raw rows the codes of StatBank and of variants are what a reader looks for.
SHOWN_AS_CODES = ("a name of a program", "a code for a period")
# No line ends in a chart but where it is drawn.
WITHOUT_LINES = ("a line may end before a unit", "a line may end within a unit")
GOOD = [
    "Udgifterne er steget 17\u00a0pct. siden 2020 og er nu 20,4\u00a0mia.\u00a0kr.",
    "Forebyggende indsatser § 11.3 og funktion 5.28.21 er steget 1.234\u00a0kr. pr. indbygger.",
    "Der er 21\u00a0pladser, 1\u00a0plads er ledig, og 0,1\u00a0dage er gået; kilden mangler 2 tal (..).",
    "Antallet er uændret; udgifterne på Fanø er uændrede, og andelen er uændret siden 2020.",
    "Ændringen er −5,2\u00a0pct., og værdien fra 31.12.2024 findes i Datagrundlag (CC BY 4.0).",
]


def problems(text):
    """What is wrong with a text for readers."""
    return [what for what, (pattern, _) in FORBIDDEN.items() if re.search(pattern, text)]


@lru_cache
def texts(report):
    """Every text of a report that a reader meets: what stands where, and in which kind of place."""
    found = []
    for path in sorted(report.glob("*.html")):
        content = path.read_text(encoding="utf-8")
        if path.name == "spor.html":
            # Tens of thousands of lines in few forms: what stands between tags is enough, and quick.
            between = re.findall(r">([^<>]*\w[^<>]*)<", re.sub(r"(?s)<(style|script|code|pre)\b.*?</\1>", "", content))
            found += [(html.unescape(" ".join(text.split("\n"))).strip(" "), path.name, "rows") for text in between]
            continue
        page = BeautifulSoup(content, "lxml")
        # A citation names the file that it leads to.
        for part in page.select("div.code, details.citation, code, style, script, pre"):
            part.decompose()
        for element in page.select("p, li, figcaption, caption, dt, dd, td, th, h1, h2, h3, summary, title"):
            if not element.find(["p", "li", "dd", "td", "ul", "ol"]):
                # The source of a page may break a line anywhere; what is shown is one space.
                found.append((re.sub(r"\s*\n\s*", " ", element.text).strip(" "), path.name, "text"))
        found += [(image["alt"], f"an image of {path.name}", "text") for image in page.select("img")]
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    for record in manifest["sections"].values():
        for output in record["outputs"]:
            found += [(output[said], f"{said} of {output['output']}", "text") for said in ("title", "alt", "left_out")]
    for path in sorted(report.glob("figurer/*.svg")):
        drawn = re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"))
        found += [(html.unescape(text), path.name, "chart") for text in drawn]
    return found


@pytest.mark.parametrize("area", ["fanoe", pytest.param("hovedstaden", marks=pytest.mark.long)])
def test_every_text_of_a_report_is_well_made(reports, area):
    passed_over = {"rows": SHOWN_AS_CODES, "chart": WITHOUT_LINES}
    found, wrong = texts(reports / area), []
    for text, where, kind in found:
        wrong += [(what, where, text) for what in problems(text) if what not in passed_over.get(kind, ())]
    assert wrong == []
    kinds = [kind for _, _, kind in found]
    assert kinds.count("text") > 1500
    assert kinds.count("chart") > 500


def sentences_of(report):
    """What each section of a report says: by notebook its titles, and its sentences with what they are for."""
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    for notebook, record in manifest["sections"].items():
        yield notebook, [output["title"] for output in record["outputs"]], record["findings"]


def told_again(text, titles):
    """The titles that a sentence says once more: every figure of it, and nearly all of its words."""
    words = [
        set(re.findall(r"\w+", part.casefold()))
        for part in re.split(r"(?<=[.;])\s(?=[A-ZÆØÅ])", text.replace("\u00a0", " "))
    ]
    of_titles = {title: set(re.findall(r"\w+", title.replace("\u00a0", " ").casefold())) for title in titles}
    return [
        title
        for title, named in of_titles.items()
        if any(re.search(r"\d", word) for word in named)
        and any(len(named & said) >= 0.9 * len(named) for said in words)
    ]


@pytest.mark.parametrize("area", ["fanoe", pytest.param("hovedstaden", marks=pytest.mark.long)])
def test_each_section_begins_with_its_answer_and_no_sentence_repeats_a_title(reports, area):
    sections = list(sentences_of(reports / area))
    assert len(sections) > 1
    for notebook, titles, said in sections:
        assert said[0]["role"] == "answer" and said[0]["after"] == "", notebook
        roles = [one["role"] for one in said]
        assert roles.count("answer") == 1 and roles.count("why") <= 1, notebook
        assert "why" not in roles[2:] and not [one for one in said if one["role"] and one["after"]], notebook
        repeated = {one["text"]: again for one in said if (again := told_again(one["text"], titles))}
        assert repeated == {}, notebook


def test_a_sentence_that_repeats_a_title_is_found():
    title = "Udgifterne til voksne er steget 10\u00a0pct. siden 2020"
    assert told_again("I 2024 var det meget. Udgifterne til voksne er steget 10 pct. siden 2020.", [title]) == [title]
    assert told_again("Udgifterne til voksne er højere end i 2020.", [title]) == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_each_check_finds_what_it_is_for(what):
    assert problems(FORBIDDEN[what][1]) == [what]


@pytest.mark.parametrize("text", GOOD)
def test_well_made_sentences_pass(text):
    assert problems(text) == []


@pytest.mark.parametrize(
    ("loose", "tight"),
    [
        ("steget 17 pct. til 20,4 mia. kr.", "steget 17\u00a0pct. til 20,4\u00a0mia.\u00a0kr."),
        ("29 pladser og 3 døgn i 2024", "29\u00a0pladser og 3\u00a0døgn i 2024"),
        ("i 2024 kronede dage", "i 2024 kronede dage"),
        ("10 pladsers", "10 pladsers"),
    ],
)
def test_numbers_are_held_to_their_units(loose, tight):
    assert held(loose) == tight
    assert held(tight) == tight
    assert sentence(f"Det er {loose}.").startswith(f"Det er {tight}")


def test_descriptions_of_charts_are_held_too():
    import pandas as pd

    data = pd.DataFrame({"series": ["A"], "year": [2020], "value": [1.5]})
    assert described("Søjler", data, "mia. kr.") == "Søjler, mia.\u00a0kr.: A 1,5 i 2020."
