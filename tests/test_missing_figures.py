"""No sentence and no title says a direction, a rank or an extreme of a figure that is missing."""

import json
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT

from analysis import areas, section
from analysis.danish import NOT_KNOWN, OF_KNOWN
from analysis.edition import PROCESSED_VARIABLE

NOTEBOOKS = sorted(
    path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()
    for path in (ROOT / "notebooks").rglob("*.ipynb")
    # Sliders are no text, and Datagrundlag says of each raw file what its sidecar does.
    if "checkpoint" not in str(path) and path.stem not in ("00_datagrundlag", "herberg_hvad_nu_hvis")
)
CHANGES = (
    "gik fra|steget|faldet|stiger|falder|fald i|stigningen|uændrede?|skiftet|højere end i|lavere end i|på niveau med"
)
EXTREMES = (
    r"højere|lavere|større|mindre|højeste?|laveste?|størst\w*|mest|mindst(?! én)|flest|færrest|dyreste?|oftest|driver|"
    r"nr\. \d|fortsat|samme vej|længere fra|fra [\d,]+ [ip]å?(?! \d{4})|steget i|ikke steget|ingen(?! plads| tal)"
)
DIRECTION = re.compile(rf"(?i)\b({CHANGES}|{EXTREMES})\b")
CHANGE = re.compile(rf"(?i)\b({CHANGES})\b")
EXTREME = re.compile(rf"(?i)\b({EXTREMES})\b")
SYMBOL = re.compile(r"(^|[ (])(\.\.|•)(?=[ ),;:]|$)")
# What the herberg model says of deliveries, which stay whole here.
OF_DELIVERIES = (
    "private pladser",
    "private andel",
    "huser flest",
    "Afprøvet fra",
    "Intervallet indeholdt",
    "Den er altså",
    "Taksterne på",
)
# These look at every municipality, and the others only at those beside their area.
EVERYWHERE = {"templates/landkort", "templates/sammenhaeng", "templates/vaekst_blandt_kommunerne"}
# A notebook whose figures are all missing has at least its title, a word on the rank, and its table; a template for
# one figure has that.
FEWEST, FEWEST_OF = 3, dict.fromkeys(EVERYWHERE | {"templates/tom"}, 1)
HAND05 = ["recipients", "recipients_per_1000", "unit_cost"]
# Large enough to turn every order around, and small enough that no share is above a whole.
FACTOR = 20


class Built:
    """A built edition in which some key figures are missing, or are others."""

    def __init__(self, folder, processed, key_figures, everywhere=False):
        # No other areas are looked at by what is asked here, and each notebook reads the whole table.
        beside = [*areas.members("hovedstaden"), *areas.members(areas.region("563"))]
        looked_at = [*areas.aggregates(), *(areas.municipalities() if everywhere else beside)]
        self.folder = folder
        self.whole = key_figures[key_figures["area_code"].isin(looked_at)].reset_index(drop=True)
        for path in processed.iterdir():
            if path.name != "key_figures.parquet":
                (folder / path.name).symlink_to(path)

    def without(self, chosen):
        self._write(chosen, value=float("nan"), status="missing")

    def times(self, chosen, factor):
        self._write(chosen, value=self.whole["value"] * factor)

    def _write(self, chosen, **changes):
        assert chosen.any()
        table = self.whole.assign(
            **{column: self.whole[column].mask(chosen, changed) for column, changed in changes.items()}
        )
        table.to_parquet(self.folder / "key_figures.parquet")


@pytest.fixture
def built(processed, key_figures, tmp_path, monkeypatch, request):
    monkeypatch.setenv(PROCESSED_VARIABLE, str(tmp_path))
    # As if measured: of a reconstruction nothing is said of a municipality.
    everywhere = request.node.callspec.params["notebook"] in EVERYWHERE
    return Built(tmp_path, processed, key_figures.assign(origin="statbank"), everywhere)


def sentences(notebook, area, monkeypatch):
    """What a notebook says: its titles and sentences one by one, after all of its cells ran."""
    shown = []
    monkeypatch.setattr(section, "display", lambda markup: shown.append(markup.data))
    # Charts are made, but not turned into files, which takes half the time: nothing is read of them here.
    monkeypatch.setattr(section, "image", lambda chart, alt, **stamp: "")
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), notebook, "exec"), names)  # noqa: S102
        if "parameters" in cell["metadata"].get("tags", []):
            names["area"] = area
    found = []
    for part in BeautifulSoup("".join(shown), "lxml").select("figcaption, p.finding, .notice p"):
        for extra in part.select(".mark, .anchor, .number"):
            extra.decompose()
        found += re.split(r"(?<=[.!?:]) (?=[A-ZÆØÅ])", part.text.replace("\u00a0", " ").strip())
    assert len(found) >= FEWEST_OF.get(notebook, FEWEST)
    return found


def says_of_symbol(text):
    """Whether a sentence says a direction beside a figure that is not there."""
    return bool(SYMBOL.search(text) and DIRECTION.search(text) and NOT_KNOWN not in text)


def untrue(said, *others):
    """What is said without reservation though it is not so whatever the missing figures are."""
    clauses = [
        clause.strip(" .")
        for text in said
        if OF_KNOWN.strip() not in text
        for clause in re.split(r"[;:,] | og (?=til|på|anbragte)", text)
        if EXTREME.search(clause)
    ]
    return [clause for clause in clauses if not all(clause in " ".join(other) for other in others)]


@pytest.mark.long
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_nothing_is_said_of_figures_that_are_all_missing(notebook, built, monkeypatch):
    built.without(built.whole["indicator"] != "population")
    said = sentences(notebook, "hovedstaden", monkeypatch)
    own = [text for text in said if not any(other in text for other in OF_DELIVERIES)]
    assert [text for text in own if DIRECTION.search(text)] == []


@pytest.mark.long
@pytest.mark.parametrize("year", ["first", "last"])
@pytest.mark.parametrize("notebook", [name for name in NOTEBOOKS if not name.startswith("08")])
def test_nothing_has_moved_from_or_to_a_year_without_figures(notebook, year, built, edition, monkeypatch):
    years = built.whole["year"]
    outside = years <= edition.period.first if year == "first" else years >= edition.period.last
    built.without(outside & (built.whole["indicator"] != "population"))
    said = sentences(notebook, "Fanø", monkeypatch)
    assert [text for text in said if CHANGE.search(text)] == []
    assert [text for text in said if says_of_symbol(text)] == []
    if year == "last":
        assert [text for text in said if DIRECTION.search(text)] == []


def of(table, **choice):
    """The key figures with these values in their columns."""
    chosen = pd.Series(True, index=table.index)
    for column, values in choice.items():
        chosen &= table[column].isin(values)
    return chosen


ADULT_CATEGORIES = ["botilbud", "bostoette", "dagtilbud", "assistance"]
DIAGNOSES = ["diagnosis_share", "diagnosis_support_share"]
ACCOUNTS = ["expenditure", "expenditure_per_capita"]
# Holes as a source has them: what is missing, the area of the report, and the notebooks that it is about.
HOLES = {
    "HAND05, first year": (
        {"indicator": HAND05, "category": ADULT_CATEGORIES, "year": [2020]},
        ("Fanø", ["06_enhedspriser_og_modtagere"]),
    ),
    "HAND05, one kind, last year": (
        {"indicator": HAND05, "category": ["botilbud"], "year": [2024]},
        ("Fanø", ["06_enhedspriser_og_modtagere"]),
    ),
    "KRISE1, first year": (
        {"indicator": HAND05, "category": ["krisecentre"], "year": [2020]},
        ("hovedstaden", ["06_enhedspriser_og_modtagere"]),
    ),
    "KRISE1, last year": (
        {"indicator": HAND05, "category": ["krisecentre"], "year": [2024]},
        ("hovedstaden", ["06_enhedspriser_og_modtagere"]),
    ),
    "accounts of a region, first year": (
        {"indicator": ACCOUNTS, "area_code": ["085"], "year": [2020]},
        ("Fanø", ["01_udgifter", "02_boern_og_unge"]),
    ),
    "the largest kind of expenditure, last year": (
        {"indicator": ACCOUNTS, "category": ["botilbud"], "year": [2024]},
        ("hovedstaden", ["05_voksne"]),
    ),
    "the largest kind of expenditure, first year": (
        {"indicator": ACCOUNTS, "category": ["botilbud"], "year": [2020]},
        ("hovedstaden", ["05_voksne"]),
    ),
    "kinds of placement, first year": (
        {"indicator": ["expenditure"], "category": ["opholdssteder", "plejefamilier"], "year": [2020]},
        ("Fanø", ["02_boern_og_unge"]),
    ),
    "a whole municipality": (
        {"area_code": ["561"]},
        ("Fanø", ["03_anbringelser_og_modtagere", "04_underretninger", "templates/kommune_mod_gruppe"]),
    ),
    "a municipality among all": (
        {"area_code": ["561"]},
        ("Fanø", ["templates/landkort", "templates/sammenhaeng"]),
    ),
    "a municipality among all, last year": (
        {"area_code": ["561"], "year": [2024]},
        ("Fanø", ["templates/vaekst_blandt_kommunerne"]),
    ),
    "municipalities of the area, last year": (
        {"area_code": ["101", "147", "151"], "year": [2024]},
        ("hovedstaden", ["templates/vaekst_blandt_kommunerne"]),
    ),
    "municipalities of the area": (
        {"area_code": ["101", "147", "151"]},
        ("hovedstaden", ["templates/landkort"]),
    ),
    "children with one notification, last year": (
        {"indicator": ["children_notified"], "category": ["underretninger_1"], "year": [2024]},
        ("Fanø", ["04_underretninger"]),
    ),
    "diagnoses of another region, last year": (
        {"indicator": DIAGNOSES, "area_code": ["085"], "year": [2024]},
        ("Fanø", ["07_diagnoser"]),
    ),
    "diagnoses of the own region, first year": (
        {"indicator": DIAGNOSES, "area_code": ["083"], "year": [2020]},
        ("Fanø", ["07_diagnoser"]),
    ),
    "a diagnosis": (
        {"indicator": DIAGNOSES, "category": ["adhd"]},
        ("Fanø", ["07_diagnoser"]),
    ),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("hole", "notebook"), [(hole, notebook) for hole, (_, (_, notebooks)) in HOLES.items() for notebook in notebooks]
)
def test_what_is_said_without_reservation_is_so_whatever_is_missing(hole, notebook, built, monkeypatch):
    choice, (area, _) = HOLES[hole]
    chosen = of(built.whole, **choice) & (built.whole["indicator"] != "population")
    built.without(chosen)
    said = sentences(notebook, area, monkeypatch)
    others = []
    for factor in (1 / FACTOR, FACTOR):
        built.times(chosen, factor)
        others.append(sentences(notebook, area, monkeypatch))
    assert others[0] != others[1], "the hole is where the notebook looks"
    assert untrue(said, *others) == []
    assert [text for text in said if says_of_symbol(text)] == []


def test_the_checks_find_what_they_are_for():
    false = "Bostøtte: antallet af modtagere er .. pct. lavere end i 2020."
    assert says_of_symbol(false)
    assert not says_of_symbol("I 2024 var tallet .. kr. på Fanø.")
    assert CHANGE.search(false)
    assert untrue(["Botilbud er den dyreste indsats."], ["Botilbud er den dyreste indsats."], ["Ingen ved det."])
    assert not untrue([f"Botilbud er den dyreste indsats{OF_KNOWN}."], ["Intet."], ["Andet."])
    assert areas.name("563") == "Fanø"
    assert areas.name("561") in {areas.name(code) for code in areas.members(areas.region("563"))}
