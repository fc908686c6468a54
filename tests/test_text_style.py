"""What a reader reads is well-made Danish: number style, units, plurals, directions, nothing of the machine."""

import json
import re
from functools import lru_cache

import pytest
from bs4 import BeautifulSoup
from test_report import reports  # noqa: F401 - a fixture

pytestmark = pytest.mark.xdist_group("report")
UNITS = r"pct\.|procentpoint|promille|kr\.|mio\.|mia\.|pladser|døgn|dage|timer"
PLURALS = (
    "andele|beboere|belagte|besøg|borgere|bemærkninger|dage|enheder|figurer|filer|forsøgspersoner|grupper|herberger|"
    "indbyggere|indskrivninger|klynger|kommuner|kvinder|metoder|modtagere|måneder|personer|pladser|punkter|regioner|"
    "rækker|tabeller|tilbud, der er|underretninger|ydelser|årsager"
)
DIRECTIONS = "stigning|fald|vækst|steget|faldet|vokset|øget|stiger|falder|højere|lavere|flere|færre"
# What is wrong, how it is found, and a sentence in which it is.
FORBIDDEN = {
    "two spaces": (r"[ \u00a0]{2}", "Udgifterne er  steget."),
    "an English decimal point": (r"(?<![\d.§])(?<!§ )(?<!CC BY )\d+\.\d{1,2}(?![\d.])", "Udgifterne er steget 1.5\u00a0pct."),
    "English thousands": (r"\d,\d{3}(,\d{3}|\.\d)", "Udgifterne er 1,234,567\u00a0kr."),
    "a minus sign before a direction": (
        rf"[-−]\d[\d.,]*[ \u00a0](pct\.?|procent(point)?)[ \u00a0]({DIRECTIONS})\b",
        "Det er en -5\u00a0pct. stigning.",
    ),
    "a direction with a minus sign": (
        rf"\b({DIRECTIONS})( er)?( på| med)?[ \u00a0][-−]\d",
        "Der er et fald på −5\u00a0pct. fra 2020.",
    ),
    "a space that breaks between number and unit": (rf"\d ({UNITS})(?!\w)", "Udgifterne er steget 17 pct. siden 2020."),
    "a space that breaks within a unit": (r"\b(mio|mia)\. kr\.", "Udgifterne er 20,4\u00a0mia. kr."),
    "a unit without its full stop": (r"\b(pct|kr|mio|mia)\b(?!\.)", "Udgifterne er 17\u00a0pct højere."),
    "a plural of one": (rf"(?<![\d.,])1[ \u00a0]({PLURALS})\b", "Der er 1\u00a0pladser."),
    "a space before a sign": (r"\S[ \u00a0][,;:!?](?= |$)", "Det er sådan , at udgifterne stiger."),
    "two full stops": (r"\w\.\.(?!\.)|\.[ \u00a0]\.(?!\.)", "Udgifterne er 20\u00a0kr.. De stiger."),
    "two commas": (r",\s*,", "Greve,, Solrød og Køge."),
    "a value of a program": (r"\b(nan|NaN|None|null|True|False|inf)\b", "Udgifterne er nan\u00a0kr."),
    "a name of a program": (r"\b[a-zæøå0-9]+(_[a-zæøå0-9]+)+\b", "Tallet for stoettende_indsatser stiger."),
    "a placeholder": (r"[{}]|%[sd]\b", "Udgifterne i {where} stiger."),
    "a code for a period": (r"\b\d{4}(M\d\d|K\d|Q\d|U\d\d)\b", "Fra 2019M01 til 2024M12."),
    "a word twice": (r"\b([a-zæøå]{2,}) \1\b(?! )", "Udgifterne er er"),
    "a sentence that goes on in another": (r"[a-zæøå] (Linje|Linjer|Liggende søjler|Stablede søjler)\b", "Der er sket et fald Linjer, pct."),
}  # fmt: skip


def problems(text):
    """What is wrong with a text for readers."""
    return [what for what, (pattern, _) in FORBIDDEN.items() if re.search(pattern, text)]


@lru_cache
def texts(report):
    """Every text of a report that a reader meets, with where it stands: pages, captions, table cells, alt texts."""
    found = {}
    for path in sorted(report.glob("*.html")):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for part in page.select("details.code, code, style, script, pre"):
            part.decompose()
        for element in page.select("p, li, figcaption, dt, dd, td, th, h1, h2, h3, summary, title"):
            if not element.find(["p", "li", "dd", "td", "ul", "ol"]):
                # The source of a page may break a line anywhere; what is shown is one space.
                found[re.sub(r"\s*\n\s*", " ", element.text).strip(" ")] = path.name
        found |= dict.fromkeys((image["alt"] for image in page.select("img")), f"{path.name}, alt")
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    for notebook, record in manifest["sections"].items():
        for output in record["outputs"]:
            for said in ("title", "alt", "left_out"):
                found[output[said]] = f"{notebook}, {output['output']}, {said}"
    return found
