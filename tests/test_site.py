"""The pages of a report as readers meet them: what they say, and how they behave in a real browser."""

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
from kernel_runs import wait_for

from analysis import areas, charts, tables
from analysis import section as report
from analysis.danish import number
from analysis.edition import PUBLISH_VARIABLE, load_edition
from noegletal import account_rules
from noegletal.publish import definitions, pages, search, section_pages
from noegletal.publish.manifest import PAGES

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.needs("chromium")
CONTRAST = "color-contrast"
# All else than contrast differs with the width of a screen and not with its colours.
LOOKS = {
    "light": ("light", 1280, {}),
    "dark": ("dark", 1280, {"runOnly": [CONTRAST]}),
    "narrow": ("light", 320, {"rules": {CONTRAST: {"enabled": False}}}),
}
OPEN_ALL = "document.querySelectorAll('details:not(.menu)').forEach((fold) => { fold.open = true; })"
# What is the same over and over is looked at twice: rows of a table, the code of cells, figures of spor.html.
TRIM = """
    for (const repeated of ['main > section[id]:nth-of-type(n+6)', 'div.code ~ div.code ~ div.code'])
        document.querySelectorAll(repeated).forEach((one) => one.remove());
    for (const rows of document.querySelectorAll('tbody')) {
        const seen = {};
        for (const row of [...rows.children]) {
            const kinds = [row, ...row.querySelectorAll('*')].map((one) => [one.tagName, one.className,
                ...one.getAttributeNames()].join(' ')).join();
            seen[kinds] = (seen[kinds] ?? 0) + 1;
            if (seen[kinds] > 2) row.remove();
        }
    }
"""
HOSTILE = {
    "script": "<script>window.hit = 1</script>",
    "image": '"><img src=x onerror="window.hit = 1">',
    "formula": '=HYPERLINK("https://x","y")',
    "quotes": """O'Neill "Ølby" & søn""",
    "newline": "to\nlinjer",
    "right to left": "‮tsevdoh‏ עברית",
    "long": "Langtnavnudenmellemrum" * 14,
    "long words": "Kommunernes meget lange og omstændelige navn " * 7,
}


@lru_cache
def parsed(path):
    """A page, parsed once for all tests: none of them may change it."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")


@pytest.fixture(params=["fanoe", pytest.param("hovedstaden", marks=pytest.mark.long)])
def site(request, reports):
    return reports / request.param


def manifest(site):
    return json.loads((site / "manifest.json").read_text(encoding="utf-8"))


def words(text):
    """A text with its non-breaking spaces, which are a matter of setting, as spaces."""
    return " ".join(text.split())


def every_page(site):
    """The pages of a report."""
    return sorted(site.glob("*.html"))


def outputs(site):
    """Every figure and table that is shown, with the page it is on."""
    for notebook, section in manifest(site)["sections"].items():
        for output in section["outputs"]:
            if not output["left_out"]:
                yield output, parsed(site / f"{notebook}.html")


def rows_of(site, output):
    content = (site / "data" / f"{output}.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(content), delimiter=";"))


# What the pages say


def test_every_page_leads_to_every_other(site):
    sections = [f"{plan.notebook}.html" for plan in load_edition("2025").sections]
    for path in every_page(site):
        root = "../" if path.parent.name == "spor" else ""
        # The pages of chains are long, and only their beginning is asked for.
        header = BeautifulSoup(path.read_text(encoding="utf-8").partition("</header>")[0], "lxml")
        links = header.select("details.menu a")
        assert [link["href"] for link in links] == [root + name for name in [*sections, *PAGES]], path.name
        current = [link["href"] for link in links if link.get("aria-current") == "page"]
        assert current == ([] if root else [path.name]), path.name


def test_sections_lead_to_the_one_before_and_the_one_after(site):
    names = [f"{plan.notebook}.html" for plan in load_edition("2025").sections]
    for position, name in enumerate(names):
        near = {link["rel"][0]: link["href"] for link in parsed(site / name).select("nav.pages a[rel]")}
        wanted = {"prev": names[position - 1] if position else None, "next": (*names, None)[position + 1]}
        assert near == {kind: there for kind, there in wanted.items() if there}


def test_main_findings_are_those_of_the_sections(site):
    shown = parsed(site / "index.html").select(".main-findings > li")
    assert shown
    for finding in shown:
        name, _, anchor = finding.a["href"].partition("#")
        section = parsed(site / name)
        assert section.title.text.startswith(finding.select_one(".where").text.strip())
        answer = section.find(id=anchor)
        if answer.name == "figure":
            assert words(finding.select_one(".headline").text) in words(answer.figcaption.text)
        else:
            assert "answer" in answer["class"] and finding.select_one(".headline") is None
        sentences = {words(said.text) for said in finding.select("p:not(.where, .headline)")}
        assert sentences <= {words(said.text) for said in section.select("p.finding:not(.example)")}


def tables_disagreeing(site):
    """Figures whose table does not hold exactly the figures of its CSV, rounded as it shows them."""
    wrong = []
    for output, page in outputs(site):
        if not output["output"].startswith("figur"):
            continue
        table = page.find(id=output["output"].replace("_", "-")).select_one("details.data table")
        cells = [cell.text for row in table.select("tbody tr") for cell in row.select("td.n")]
        heads = [head.text for head in table.select("thead th.n")]
        if not {*map(tables.heading, tables.NUMBERS)}.isdisjoint(heads):
            cells = cells[:: len(heads)]
        rows = rows_of(site, output["output"])
        wanted = [
            number(
                float(row["værdi"].replace(",", ".") or "nan"),
                tables.decimals(row["indikator"], row["enhed"]),
                row["status"],
            )
            for row in rows
        ]
        if len(rows) > tables.SHOWN and "CSV-filen" in table.find_parent("details").text:
            wanted = wanted[: tables.SHOWN]
        if sorted(cell for cell in cells if cell) != sorted(wanted):
            wrong.append(output["output"])
    return wrong


def test_the_table_beside_a_figure_has_the_figures_of_its_csv(site, tmp_path):
    assert tables_disagreeing(site) == []
    spoilt = tmp_path / "site"
    shutil.copytree(site, spoilt, ignore=shutil.ignore_patterns("spor", "figurer"))
    path = spoilt / "01_udgifter.html"
    text = path.read_text(encoding="utf-8")
    value = re.search(r'<td class="n">([0-9.]{9,})', text).group(1)
    path.write_text(text.replace(value, value[:-1] + str((int(value[-1]) + 1) % 10), 1), encoding="utf-8")
    assert tables_disagreeing(spoilt) == ["figur_01"], "the check can fail"


def test_every_output_can_be_referred_to_and_traced(site):
    for output, page in outputs(site):
        anchor = output["output"].replace("_", "-")
        figure = page.find(id=anchor)
        assert figure.select_one(f'figcaption a[href="#{anchor}"]')["aria-label"].startswith("Link til ")
        citation = words(figure.select_one(".citation p").text)
        # A section about the KKR is cited as that of its region, in whichever report it stands.
        about = next(
            areas.name(areas.find_area(record["parameters"]["area"]))
            for record in manifest(site)["sections"].values()
            if output in record["outputs"]
        )
        for part in (load_edition("2025").title, about, output["title"], f".html#{anchor}"):
            assert words(part) in citation
        code = page.find(id=f"kode-{anchor}").find_parent("div")
        assert "code" in code["class"]
        assert re.search(r"afsnit\.(figure|table)", code.text)
        assert figure.select_one(f'a[href="#kode-{anchor}"]')


def test_the_law_of_a_word_is_that_of_its_accounts():
    rules = account_rules.account_rules()
    numbers = rules.groupby("category")["law"].agg(lambda laws: set(re.findall(r"\d+", " ".join(laws))))
    stated = {name: set(re.findall(r"\d+", term.law)) for name, term in definitions.glossary().items() if term.law}
    assert len(stated) > 5
    assert {name: numbers[name] for name in stated} == stated


def test_definitions_are_those_of_the_catalogue(site):
    found = parsed(site / "definitioner.html")
    for entry in definitions.page_context(load_edition("2025"))["indicators"]:
        text = words(found.find(id=entry["anchor"]).find_parent("section").text)
        for part in (entry["name"], entry["definition"], entry["averaging"], entry["source"], *entry["caveats"]):
            assert words(part) in text
    terms = definitions.glossary()
    assert len(terms) > 10
    for name, term in terms.items():
        meaning = words(found.find(id=f"ord-{name}").find_next_sibling("dd").text)
        assert words(term.text) in meaning and words(term.law) in meaning
    linked = [link["href"] for path in site.glob("0*.html") for link in parsed(path).select("dl.definitions a")]
    assert len(linked) > 10
    assert all(found.find(id=href.removeprefix("definitioner.html#")) for href in linked)


def test_everything_shown_can_be_searched(site):
    listed = {link["href"]: words(link.text) for link in parsed(site / "soeg.html").select(".hits a")}
    for notebook, section in manifest(site)["sections"].items():
        for output in section["outputs"]:
            assert words(output["title"]) in listed[f"{notebook}.html#{output['output'].replace('_', '-')}"]
        for said in parsed(site / f"{notebook}.html").select("p.finding"):
            assert listed[f"{notebook}.html#{said['id']}"] == words(said.text)


@pytest.mark.parametrize(
    ("rows", "headings", "lines"),
    [
        (
            [("101", "København", 2023, 1.5, "final"), ("101", "København", 2024, None, "suppressed")],
            ["Område", "2023", "2024"],
            [["København", "1,5", "•"]],
        ),
        ([("101", "København", 2024, -2.25, "final")], ["Område", "Pct."], [["København", "−2,3"]]),
        (
            [("101", "København", 2024, 1.0, "provisional"), ("147", "Frederiksberg", 2024, None, "missing")],
            ["Område", "Pct."],
            [["København", "1,0 *"], ["Frederiksberg", ".."]],
        ),
    ],
    ids=["two years", "one point, negative", "no years to compare"],
)
def test_rows_become_a_table(rows, headings, lines):
    data = pd.DataFrame(rows, columns=["area_code", "area", "year", "value", "status"])
    data = data.assign(indicator="children_supported_share", unit="pct", label="Børn og unge i alt")
    made = tables.layout(data)
    assert made.headings == headings
    assert made.lines == lines


def test_long_data_are_cut_and_say_so():
    data = pd.DataFrame({"period": [f"{year}M{month:02}" for year in range(2010, 2020) for month in range(1, 13)]})
    data = data.assign(indicator="shelter_occupied", area="KKR", unit="antal", value=1.0, status="final", year=2015)
    found = BeautifulSoup(tables.figure_rows(data, label="Figur", download="data/f.csv"), "html.parser")
    assert len(found.select("tbody tr")) == tables.SHOWN
    assert "de første 60 af 120 rækker" in found.text
    assert found.select_one("tbody th").text == "januar 2010\n"[:11]
    assert "ingen tal" in tables.figure_rows(data.head(0), label="Figur", download="data/f.csv")


# In a browser


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture
def screen(browser):
    """Makes a browser page of a size and colour scheme that has no network."""
    contexts = []

    def made(scheme="light", width=1280, **more):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, **more
        )
        contexts.append(context)
        return context.new_page()

    yield made
    for context in contexts:
        context.close()


def violations(shown, path):
    """What axe finds on a page, light, dark and narrow, by all its rules, those beyond WCAG 2.1 AA too."""
    from axe_playwright_python.sync_playwright import Axe

    shown.goto(path.as_uri())
    shown.evaluate(TRIM)
    shown.evaluate(OPEN_ALL)
    for look, (scheme, width, options) in LOOKS.items():
        shown.emulate_media(color_scheme=scheme)
        shown.set_viewport_size({"width": width, "height": 900})
        result = Axe().run(shown, options={"resultTypes": ["violations"], **options}).response
        yield from ((path.name, look, rule["id"], rule["nodes"][0]["html"][:200]) for rule in result["violations"])


@needs_chromium
@pytest.mark.long
def test_axe_finds_nothing_on_any_page(reports, screen):
    shown, every = screen(), every_page(reports / "fanoe")
    assert {path.name for path in every} >= {
        *PAGES,
        *(f"{plan.notebook}.html" for plan in load_edition("2025").sections),
    }
    assert [found for path in every for found in violations(shown, path)] == []


@needs_chromium
def test_axe_finds_a_fault(reports, screen, tmp_path):
    text = (reports / "fanoe" / "aendringer.html").read_text(encoding="utf-8")
    text = text.replace("<h1>", '<img src="data:,"><h1>', 1).replace("--muted: #a9b6c0", "--muted: #39464f", 1)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    found = {(look, rule) for _, look, rule, _ in violations(screen(), tmp_path / "page.html")}
    assert found == {("light", "image-alt"), ("narrow", "image-alt"), ("dark", CONTRAST)}


def asked_of_others(shown, paths):
    """What pages ask of anything but their own folder, or try to run or load against their policy."""
    asked = []
    shown.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    shown.on(
        "request", lambda request: asked.append(request.url) if not request.url.startswith(("file:", "data:")) else 0
    )
    shown.on("console", lambda message: asked.append(message.text) if message.type == "error" else 0)
    shown.on("pageerror", lambda error: asked.append(str(error)))
    for path in paths:
        shown.goto(path.as_uri())
        shown.evaluate("scrollTo(0, document.body.scrollHeight)")
    return asked


@needs_chromium
@pytest.mark.long
def test_no_page_asks_anything_of_anyone(reports, screen):
    assert asked_of_others(screen(), every_page(reports / "fanoe")) == []


@needs_chromium
@pytest.mark.parametrize("policy", [True, False])
def test_a_request_is_seen(reports, screen, tmp_path, policy):
    text = (reports / "fanoe" / "index.html").read_text(encoding="utf-8")
    text = text.replace("</head>", '<link rel="stylesheet" href="https://example.org/x.css"></head>')
    (tmp_path / "index.html").write_text(text if policy else without_policy(text), encoding="utf-8")
    assert "https://example.org/x.css" in " ".join(asked_of_others(screen(), [tmp_path / "index.html"]))


def without_policy(text):
    return re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text, count=1)


def too_wide(shown):
    return shown.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@needs_chromium
@pytest.mark.parametrize("width", [320, pytest.param(3840, marks=pytest.mark.long)])
def test_no_page_is_wider_than_the_screen(reports, screen, width):
    shown = screen(width=width)
    wide = []
    for path in every_page(reports / "fanoe"):
        shown.goto(path.as_uri())
        shown.evaluate(OPEN_ALL if path.name != "spor.html" else "0")
        wide += [path.name] if too_wide(shown) else []
    assert wide == []
    shown.evaluate("document.querySelector('main').innerHTML += '<div style=\"width: 200vw\">x</div>'")
    assert too_wide(shown), "the check can fail"


@needs_chromium
def test_a_report_is_read_with_the_keyboard(reports, screen):
    shown = screen()
    keys = shown.keyboard
    shown.goto((reports / "fanoe" / "01_udgifter.html").as_uri())
    keys.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Spring til indhold"
    keys.press("Enter")
    assert shown.evaluate("document.activeElement.id") == "indhold"
    hidden = "getComputedStyle(document.querySelector('div.code')).display === 'none'"
    assert shown.evaluate(hidden), "code is not what a reader meets"
    for _ in range(40):
        keys.press("Tab")
        if shown.evaluate("document.activeElement.id === 'vis-kode'"):
            break
    keys.press("Space")
    assert not shown.evaluate(hidden)
    shown.reload()
    assert not shown.evaluate(hidden), "and it is remembered"
    keys.press("Tab")
    shown.click("#vis-kode")
    assert shown.evaluate(hidden)
    for kind in ("data", "citation"):
        for _ in range(40):
            keys.press("Tab")
            if shown.evaluate(f"document.activeElement.parentElement.matches('details.{kind}')"):
                break
        keys.press("Enter")
        assert shown.evaluate("document.activeElement.parentElement.open"), kind
    keys.press("Tab")
    assert shown.evaluate("document.activeElement.className") == "copy"
    keys.press("Enter")
    # Not wait_for_function: its second look is an eval within the page, which the page's own security policy refuses.
    wait_for(lambda: shown.evaluate("document.activeElement.nextElementSibling.textContent.startsWith('Kopieret')"), 30)
    shown.click('a[href="#kode-figur-01"]')
    of_figure = "document.getElementById('kode-figur-01').closest('div.code')"
    assert shown.evaluate(f"getComputedStyle({of_figure}).display !== 'none'"), "one click away"
    assert shown.evaluate(hidden), "and no other code with it"


@needs_chromium
def test_the_search_narrows_the_list_and_tells_how_many(reports, screen):
    shown = screen()
    shown.goto((reports / "fanoe" / "index.html").as_uri())
    shown.focus("#soeg")
    shown.keyboard.type("ANBRAGTE")
    shown.keyboard.press("Enter")
    shown.wait_for_url("**/soeg.html?q=ANBRAGTE")
    hits = shown.locator(".hits li:visible")
    told = shown.locator("#soegestatus[role=status]")
    first = hits.count()
    assert told.text_content() == f"{first} fund"
    assert 3 < first < 40
    assert all("anbragte" in (hit.text_content() + str(hit.get_attribute("data-more"))).lower() for hit in hits.all())
    shown.keyboard.type(" xyzzy")
    assert told.text_content() == "Ingen fund"
    assert hits.count() == 0
    for _ in " xyzzy":
        shown.keyboard.press("Backspace")
    assert hits.count() == first
    shown.keyboard.press("Tab")
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.closest('.hits') !== null"), "the next stop is the first hit"


@needs_chromium
def test_everything_is_there_without_javascript(reports, screen):
    shown = screen(java_script_enabled=False)
    shown.goto((reports / "fanoe" / "soeg.html").as_uri())
    assert shown.locator("#soegeformular").is_hidden()
    assert shown.locator("noscript p, p.quiet").first.is_visible()
    assert shown.locator(".hits li:visible").count() > 100
    shown.goto((reports / "fanoe" / "01_udgifter.html").as_uri())
    assert shown.locator(".copy:visible").count() == 0
    shown.click("#figur-01 details.citation summary")
    assert shown.locator("#figur-01 .citation p").is_visible()


@pytest.fixture(params=HOSTILE.values(), ids=list(HOSTILE))
def hostile(request, tmp_path, monkeypatch):
    """Pages of a report in which every name, sentence and cell is a text that may break a page."""
    name = request.param
    edition = load_edition("2025").model_copy(update={"title": name})
    pieces = []
    monkeypatch.setattr(report, "display", lambda shown: pieces.append(shown.data))
    monkeypatch.setattr(areas, "name", lambda code: name)
    monkeypatch.setattr(report, "load_edition", lambda _: edition)
    # As the runner makes it: with links, downloads and how to refer to it.
    monkeypatch.setenv(PUBLISH_VARIABLE, str(tmp_path / "made"))
    section = report.Section("01_udgifter", "2025", "101")
    data = pd.DataFrame({"indicator": "expenditure", "value": [1.0, -1.0], "unit": "kr", "status": "final"})
    data = data.assign(area=[name, name + "2"], area_code="101", year=2024, note=name, origin="delivery")
    figure, _ = charts.canvas()
    title = section.claim(name, rests_on=data)
    section.figure("figur_01", figure, title=title, data=data, reading=name, note=name)
    section.figure("figur_02", figure, title=title, data=data.head(0), reading=name)
    section.table("figur_03", pd.DataFrame({name: [name], "b": [name]}), title=title, data=data)
    section.leave_out("figur_04", name, name)
    section.say(name, rests_on=data)
    output = {"output": "figur_01", "number": "", "title": name, "alt": name, "left_out": ""}
    said = {"anchor": "saetning-1", "text": name, "after": "figur-01"}
    record = {"title": name, "made": "2026-01-01", "failed": name, "outputs": [output], "findings": [said]}
    about = {"edition": edition, "area": name, "sections": {"01_udgifter": record}, "made": "2026-01-01"}
    finding = {"notebook": "01_udgifter", "section": record, "anchor": "figur-01", "title": name, "sentence": name}
    finding |= {"why": name}
    path = tmp_path / "01_udgifter.html"
    section_pages.write(
        path, f"<h1>x</h1>{''.join(pieces)}", title=name, section=record, previous="01_udgifter",
        following="01_udgifter", page_marks=[], **about,
    )  # fmt: skip
    pages.page(
        tmp_path / "index.html", "index.html.j2", title=name, main_findings=[finding], key_numbers=[], counts=[],
        severities=[], earlier=name, files={}, marks=[], **about,
    )  # fmt: skip
    pages.page(
        tmp_path / "soeg.html", "soeg.html.j2", title=name,
        **search.page_context(edition, about["sections"]), **about,
    )  # fmt: skip
    return name, sorted(tmp_path.glob("*.html"))


@pytest.mark.long
@needs_chromium
def test_hostile_names_are_shown_as_text(hostile, screen):
    """Without the policy of the page, which alone would keep a script from running."""
    name, paths = hostile
    wide, narrow = screen(), screen(width=320)
    for path in paths:
        text = without_policy(path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        for shown in (wide, narrow):
            shown.goto(path.as_uri())
            shown.evaluate(OPEN_ALL)
            assert not shown.evaluate("window.hit || document.querySelector('[onerror]') !== null"), path.name
            assert not too_wide(shown), path.name
        assert len(BeautifulSoup(text, "html.parser").find_all("script")) == 1
        assert html.escape(name, quote=False).splitlines()[-1] in text.replace("&#34;", '"').replace("&#39;", "'")
    if "‮" in name:
        # What follows the name on the page reads from left to right all the same.
        wide.goto(paths[0].as_uri())
        left, right = (wide.evaluate(f"document.querySelector('{one}').getBoundingClientRect().left") for one in (
            "figcaption .number", "figcaption .anchor"))  # fmt: skip
        assert left < right
