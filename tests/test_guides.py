"""The pages that explain a report to reviewers and to municipalities: true of any edition, and no number typed."""

import re

import pytest
from bs4 import BeautifulSoup
from test_text_style import problems
from test_without_print import OF_PRINT

from analysis import areas
from analysis.edition import load_edition
from noegletal import rules
from noegletal.publish import definitions, pages
from noegletal.publish.manifest import PAGE_TITLES, PAGES, missing_outputs
from noegletal.sources.snapshot import table_shapes

GUIDES = ("laesevejledning.html", "kommuner.html")
AREA = "187"
# What of a template is for the machine: tags, expressions, and the entities of letters.
NOT_TEXT = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]*>|&#\d+;", re.DOTALL)


def typed_numbers(template):
    """The numbers that a template writes itself."""
    return re.findall(r"\d+", NOT_TEXT.sub(" ", template))


def source(name):
    return (pages.TEMPLATES / f"{name}.j2").read_text(encoding="utf-8")


def rendered(edition, folder, area=AREA):
    """Both pages of an area, as readers see them."""
    context = {
        "edition": edition,
        "area": areas.name(area),
        "sections": {plan.notebook: {"title": plan.title, "made": "2026-11-20"} for plan in edition.sections},
    }
    shown = {}
    for name in GUIDES:
        about = definitions.reading_context(edition, area)
        pages.page(folder / name, f"{name}.j2", title=PAGE_TITLES[name], **about, **context)
        shown[name] = BeautifulSoup((folder / name).read_text(encoding="utf-8"), "lxml")
    return shown


def said(page):
    """The text of the page itself, without the navigation."""
    return " ".join(page.main.text.split())


@pytest.mark.parametrize("name", GUIDES)
def test_no_number_is_typed(name):
    assert typed_numbers(source(name)) == []
    spoilt = source(name).replace("{{ edition.disclosure.threshold }}", "5")
    assert typed_numbers(spoilt) == ["5"], "the check can fail"


def test_the_numbers_are_those_of_the_edition(tmp_path):
    edition = load_edition("2025")
    shown = rendered(edition, tmp_path)
    assert all("færre end 5 personer" in said(page) for page in shown.values())
    assert f"har {len(edition.sections)} afsnit" in said(shown["laesevejledning.html"])
    other = edition.model_copy(
        update={
            "disclosure": edition.disclosure.model_copy(update={"threshold": 12}),
            "price_level": 2031,
            "sections": edition.sections[:3],
        }
    )
    shown = rendered(other, tmp_path)
    assert all("færre end 12 personer" in said(page) and "2031" in said(page) for page in shown.values())
    assert "har 3 afsnit" in said(shown["laesevejledning.html"])


def test_every_table_of_the_edition_and_every_form_is_named(tmp_path):
    edition = load_edition("2025")
    page = rendered(edition, tmp_path)["kommuner.html"]
    rows = {row.th.text: [cell.text for cell in row.select("td")] for row in page.select("#kilder + div tbody tr")}
    assert set(rows) == set(edition.tables)
    assert {table for table, (_, origin, _) in rows.items() if origin == "Skema"} == set(edition.disclosure.sources)
    assert len(page.select("#bidrag ~ ul li:has(span.quiet)")) == len(edition.disclosure.sources)


def test_what_holds_persons_is_named_whoever_delivers_it(tmp_path):
    edition = load_edition("2025")
    policies = edition.disclosure.model_copy(update={"sources": {"HERBERG": "cleared", "ANBAAR12": "persons"}})
    page = rendered(edition.model_copy(update={"disclosure": policies}), tmp_path)["laesevejledning.html"]
    assert f"I denne udgave gælder det: {table_shapes()['ANBAAR12'].title}." in said(page)


def test_what_nothing_was_printed_of_does_not_speak_of_print(small, tmp_path):
    shown = rendered(small.edition, tmp_path)
    assert {name: OF_PRINT.findall(said(page)) for name, page in shown.items()} == {name: [] for name in GUIDES}


@pytest.mark.parametrize("printed", [True, False])
def test_the_pages_are_well_made_danish(tmp_path, printed):
    edition = load_edition("2025")
    edition = edition if printed else edition.model_copy(update={"published": None})
    for area in ("hovedstaden", "563"):
        for page in rendered(edition, tmp_path, area).values():
            texts = page.main.select("p, li, dt, dd, td, th, h1, h2")
            wrong = [(text.text, problems(text.text)) for text in texts if problems(text.text)]
            assert wrong == []


def test_links_lead_to_what_every_report_has(tmp_path):
    shown = rendered(load_edition("2025"), tmp_path)
    # Rules have an anchor each on the page of quality, whether they found something or not.
    anchors = {name: {tag["id"] for tag in page.select("[id]")} for name, page in shown.items()}
    for name, page in shown.items():
        for link in page.main.select("a[href]"):
            file, _, anchor = link["href"].partition("#")
            assert not file or file in PAGES, link
            if (file or name) in anchors and anchor:
                assert anchor in anchors[file or name], link
            elif anchor:
                assert file == "datakvalitet.html" and anchor in rules.catalogue().rules, link
    assert {link["href"].partition("#")[0] for link in shown["kommuner.html"].main.select("a")} >= {GUIDES[0]}


def test_no_paragraph_that_names_an_area_has_a_number(tmp_path):
    """Or a number of the pages could be taken for a figure that is hidden of the area."""
    names = re.compile("|".join(areas.name(code) for code in areas.municipalities()))
    for page in rendered(load_edition("2025"), tmp_path, "825").values():
        texts = [words.text for words in page.main.select("p, li, dd, td") if names.search(words.text)]
        assert texts
        assert [text for text in texts if re.search(r"\d", text)] == []


def test_a_report_without_them_is_not_complete(tmp_path):
    missing = missing_outputs(load_edition("2025"), tmp_path)
    assert set(GUIDES) <= set(missing)
    rendered(load_edition("2025"), tmp_path)
    assert set(missing) - set(missing_outputs(load_edition("2025"), tmp_path)) == set(GUIDES)
