"""The same numbers everywhere: site, PDF, slides, workbook and CSV, each read as its reader's program reads it.

Every artefact in a report's folder is taken apart into what it shows of each output, and the parts are
compared: `full` the values behind an output, `cells` a table, `flat` its text, `drawn` the texts of a figure, `chart`
the values of a chart that can be edited, `picture` a figure as it is stored, `title`. Numbers are compared as numbers:
1.234,5 in a page is 1234.5 in a sheet.
"""

import base64
import csv
import hashlib
import html
import io
import itertools
import json
import math
import re
from copy import deepcopy
from functools import lru_cache

import pytest
from bs4 import BeautifulSoup
from test_pdf import destinations, poppler, printed  # noqa: F401 - a fixture

from analysis.catalogue import catalogue
from analysis.danish import number
from analysis.rows import labels

SLIDES, WORKBOOK = "rapport.pptx", "noegletal.xlsx"
NUMBER = re.compile(r"[−-]?\d{1,3}(\.\d{3})*(,\d+)?|[−-]?\d+(,\d+)?")
SCALES = (1, 1e3, 1e6, 1e9)
# Their data are key figures; what each contributes to a growth is computed of them, and tested with measures.py.
CONTRIBUTIONS = ("figur_drivkraefter_boern", "figur_drivkraefter_voksne")


def squeezed(text):
    """A text without spaces, and with the hyphens of line ends, which programs treat as they like."""
    return re.sub(r"[\s\u00ad-]", "", str(text))


MARKS = {name: squeezed(said.mark) for name, said in labels().evidence.items()}


def as_shown(cell):
    """A cell as a number where it is one, else as text."""
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return float(cell)
    text = str(cell or "").replace("\u00a0", " ").strip()
    if NUMBER.fullmatch(text):
        return float(text.replace("−", "-").replace(".", "").replace(",", "."))
    return squeezed(text)


def values_in(texts):
    """Values of a CSV column, decimal comma, sorted; what is missing is left out."""
    return sorted(float(text.replace(",", ".")) for text in texts if text)


# What each artefact shows, by output


@lru_cache
def outputs_of(report):
    manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    every = [(notebook, output) for notebook, record in manifest["sections"].items() for output in record["outputs"]]
    return {output["output"]: (notebook, output) for notebook, output in every if not output["left_out"]}


def from_csv(report):
    found = {}
    for output in outputs_of(report):
        content = (report / "data" / f"{output}.csv").read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(content), delimiter=";"))
        found[output] = {"full": values_in(row["værdi"] for row in rows)} if rows and "værdi" in rows[0] else {}
    return found


def from_manifest(report):
    """What the notebook said that a chart and a table hold; older manifests do not keep it."""
    found = {}
    for output, (_, facts) in outputs_of(report).items():
        shown = {"title": squeezed(facts["title"])}
        if facts.get("table"):
            table = facts["table"]
            heads = [table["heading"], *table["columns"][1:]]
            shown["cells"] = [[as_shown(cell) for cell in row] for row in [heads, *table["rows"]]]
        if facts.get("chart"):
            shown["chart"] = chart_values((one["name"], one["values"]) for one in facts["chart"]["series"])
        found[output] = shown
    return found


def from_site(report):
    found = {}
    for notebook in dict.fromkeys(notebook for notebook, _ in outputs_of(report).values()):
        page = BeautifulSoup((report / f"{notebook}.html").read_text(encoding="utf-8"), "lxml")
        for figure in page.find_all("figure", id=re.compile("^(figur|tabel)-")):
            for folded in figure.find_all("details"):
                folded.decompose()
            output = figure["id"].replace("-", "_")
            found[output] = {"title": squeezed(own_text(figure.figcaption))}
            if figure.table:
                rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in figure.table.find_all("tr")]
                found[output]["cells"] = [[as_shown(cell) for cell in row] for row in rows]
                found[output]["head"] = squeezed("".join(rows[0]))
                found[output]["flat"] = squeezed("".join(itertools.chain(*rows)))
            else:
                image = (figure.find_all("source") or [figure.img])[-1]
                source = (image.get("srcset") or image["src"]).partition(",")[2]
                drawn = base64.b64decode(source).decode("utf-8")
                texts = re.findall(r"<!-- (.*?) -->", drawn)
                found[output]["drawn"] = squeezed("".join(html.unescape(text) for text in texts))
                found[output]["picture"] = checksum((report / figure.img["src"]).read_bytes())
    return found


def own_text(caption):
    """A caption without number, mark and links."""
    return "".join(part for part in caption.find_all(string=True, recursive=False))


def from_pdf(report, path, site):
    """What stands in the PDF in the place of each output: its caption, and as much as the site has after it.

    Poppler reads a page in the order it is drawn: texts and tables, then the figures, then head and foot of the page.
    """
    captions = {}
    for output in site:
        facts = outputs_of(report)[output][1]
        mark = MARKS.get(facts["evidence"], "")
        captions[output] = squeezed(facts["number"] + facts["title"]) + mark
    heads = {of["head"] for of in site.values() if len(of.get("head", "")) > 8}
    found, text = {}, ""
    notes = {}
    for name, where in destinations(path).items():
        if name.startswith("note-"):
            notes.setdefault(where, []).append(int(name.removeprefix("note-")))
    for place, page in enumerate(poppler("pdftotext", "-raw", path, "-").split("\f")[1:-1], 2):
        lines = page.strip().split("\n")[:-2]
        # The marks of lists are drawn beside them, last.
        while lines and re.fullmatch(r"\d+\.|•", lines[-1].strip()):
            lines.pop()
        body = without_notes(squeezed("".join(lines)), sorted(notes.get(place, [])), captions.values())
        on_page = [output for output, caption in captions.items() if output.startswith("figur") and caption in body]
        for output in sorted(on_page, key=lambda output: body.index(captions[output]), reverse=True):
            size = len(site[output]["drawn"])
            found[output] = {"title": squeezed(outputs_of(report)[output][1]["title"]), "drawn": body[-size:]}
            body = body[:-size]
        # The headings of a long table stand again on each page that it goes on to.
        text += next((body.removeprefix(head) for head in heads if body.startswith(head)), body)
    for output, of in site.items():
        if "flat" in of and captions[output] in text:
            start = text.index(captions[output]) + len(captions[output])
            title = squeezed(outputs_of(report)[output][1]["title"])
            found[output] = {"title": title, "flat": text[start : start + len(of["flat"])]}
    return found


def without_notes(body, notes, captions):
    """A page without its footnotes, which stand last, and without their numbers behind titles."""
    for note in reversed(notes):
        texts = [squeezed(f"{note}{text}") for text in catalogue().caveats.values()]
        body = body.removesuffix(next(text for text in texts if body.endswith(text)))
    runs = ["".join(map(str, notes[i:j])) for i in range(len(notes)) for j in range(len(notes), i, -1)]
    for caption in captions:
        end = next((mark for mark in MARKS.values() if caption.endswith(mark)), "")
        title = caption.removesuffix(end)
        for run in runs:
            body = body.replace(f"{title}{run}{end}", caption)
    return body


def from_slides(report):
    """Charts, pictures and tables, by the name of the shape or number of the output; long tables have many slides."""
    from pptx import Presentation
    from pptx.enum.shapes import MSO_SHAPE_TYPE

    outputs, found = outputs_of(report), {}
    names = {facts["number"] or output: output for output, (_, facts) in outputs.items()}
    for slide in Presentation(report / SLIDES).slides:
        for shape in slide.shapes:
            output = names.get(shape.name)
            if output is None:
                continue
            shown = found.setdefault(output, {})
            if shape.has_chart:
                series = [one for plot in shape.chart.plots for one in plot.series]
                shown["chart"] = chart_values((one.name, list(one.values)) for one in series)
            if shape.shape_type == MSO_SHAPE_TYPE.PICTURE:
                shown["picture"] = checksum(shape.image.blob)
            if shape.has_table:
                rows = [[as_shown(cell.text) for cell in row.cells] for row in shape.table.rows]
                before = shown.setdefault("cells", [])
                before += rows[1:] if before and before[0] == rows[0] else rows
    return found


def from_workbook(report):
    """Each sheet: what is shown, as numbers, and the values behind in full."""
    from openpyxl import load_workbook

    outputs, found = outputs_of(report), {}
    titles = {squeezed(facts["title"]): output for output, (_, facts) in outputs.items()}
    for sheet in load_workbook(report / WORKBOOK, read_only=True).worksheets:
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
        output = titles.get(squeezed(rows[0][0])) if rows else None
        if output is None:
            continue
        starts = {row[0]: place for place, row in enumerate(rows) if isinstance(row[0], str)}
        shown = found.setdefault(output, {"title": squeezed(rows[0][0])})
        behind = next((place for text, place in starts.items() if text.startswith("Tallene bag")), None)
        if behind is not None:
            heads = rows[behind + 1]
            if "værdi" in heads:
                column = heads.index("værdi")
                cells = [row[column] for row in rows[behind + 2 :]]
                shown["full"] = sorted(float(cell) for cell in cells if isinstance(cell, (int, float)))
        if "Som vist i tabellen" in starts:
            block = []
            for row in rows[starts["Som vist i tabellen"] + 1 :]:
                if all(cell is None for cell in row):
                    break
                block.append(row)
            width = max(place for place, cell in enumerate(block[0]) if cell is not None) + 1
            shown["cells"] = [[as_shown(cell) for cell in row[:width]] for row in block]
    return found


def checksum(content):
    return hashlib.sha256(content).hexdigest()


def chart_values(series):
    """The values of the named series of a chart; an area behind or between others has no name of its own to show."""
    return {squeezed(name): [value for value in values if value is not None] for name, values in series}


# The comparison


def same(one, other):
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def differences(found):
    """Where two artefacts show an output differently: output, what, the two artefacts."""
    wrong = []
    for output in dict.fromkeys(output for shown in found.values() for output in shown):
        for what in ("title", "full", "cells", "flat", "drawn", "chart", "picture"):
            showing = [name for name, shown in found.items() if what in shown.get(output, {})]
            first = showing[0] if showing else None
            wrong += [
                (output, what, first, name)
                for name in showing[1:]
                if not same(found[first][output][what], found[name][output][what])
            ]
    return wrong


def strangers(report, found):
    """Numbers in the description of an output that come from no value of its data, however it is rounded."""
    wrong = []
    for output, (_, facts) in outputs_of(report).items():
        values = found["CSV"][output].get("full")
        if not values or output in CONTRIBUTIONS:
            continue
        for text in re.findall(r"(?<![\w.,])([−-]?[\d.]+(?:,\d+)?) i \d{4}", facts["alt"]):
            decimals = len(text.partition(",")[2])
            scaled = (value / scale for value in values for scale in SCALES)
            indices = (100 * value / base for value in values for base in values if base)
            if all(text != number(value, decimals) for value in itertools.chain(scaled, indices)):
                wrong.append((output, text))
    return wrong


@lru_cache
def shown_in(report, pdf_path):
    site = from_site(report)
    found = {"CSV": from_csv(report), "manifest": from_manifest(report), "site": site}
    found["PDF"] = from_pdf(report, pdf_path, site)
    return found | {"slides": from_slides(report), "workbook": from_workbook(report)}


@pytest.fixture(params=["fanoe", pytest.param("hovedstaden", marks=pytest.mark.long)])
def found(request, reports, printed):
    return reports / request.param, shown_in(reports / request.param, printed(request.param))


def test_every_artefact_shows_the_same(found):
    report, shown = found
    assert differences(shown) == []
    assert strangers(report, shown) == []
    figures = [output for output in outputs_of(report) if output.startswith("figur")]
    tables = [output for output in outputs_of(report) if output.startswith("tabel")]
    for name in ("site", "PDF"):
        assert sum("drawn" in of for of in shown[name].values()) == len(figures), name
        assert sum("flat" in of for of in shown[name].values()) == len(tables), name
    for name in ("slides", "workbook"):
        assert len(shown[name]) > 30, name
    kinds = [what for of in shown["slides"].values() for what in ("chart", "picture", "cells") if what in of]
    assert sorted(outputs_of(report)) == sorted(shown["slides"]), "each output is on a slide"
    assert len(kinds) == len(shown["slides"]), "once, as a chart, a picture or a table"


@pytest.mark.parametrize(
    ("artefact", "what"),
    [
        *(("site", what) for what in ("title", "flat", "drawn")),
        *(("PDF", what) for what in ("flat", "drawn")),
        *(("slides", what) for what in ("cells", "chart", "picture")),
        *(("workbook", what) for what in ("title", "cells", "full")),
    ],
)
def test_one_other_number_in_any_of_them_is_found(found, artefact, what):
    _, shown = found
    spoiled = deepcopy(shown)
    holding = [output for output, of in spoiled[artefact].items() if re.search(r"\d", str(of.get(what, "")))]
    output = holding[len(holding) // 2]
    spoiled[artefact][output][what] = changed(spoiled[artefact][output][what])
    assert {(wrong[0], wrong[1]) for wrong in differences(spoiled)} == {(output, what)}


def test_one_other_number_in_the_data_is_found(found):
    report, shown = found
    spoiled = deepcopy(shown)
    spoiled["CSV"]["figur_05"]["full"] = [value * 1.01 for value in spoiled["CSV"]["figur_05"]["full"]]
    assert {output for output, _ in strangers(report, spoiled)} == {"figur_05"}


def changed(shown):
    """The same with one digit or value different."""
    if isinstance(shown, float):
        return shown + 1
    if isinstance(shown, str):
        return re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), shown, count=1)
    if isinstance(shown, dict):
        first, *rest = shown
        return {first: changed(shown[first])} | {name: shown[name] for name in rest}
    last = max(place for place, part in enumerate(shown) if re.search(r"\d", str(part)))
    return [changed(part) if place == last else part for place, part in enumerate(shown)]
