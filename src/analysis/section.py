"""What a notebook cell calls: choose key figures, publish a figure, a table or a sentence."""

import base64
import html
import json
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from IPython.display import HTML, display
from markupsafe import Markup
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import accounts, areas, charts, danish, measures, prices, tables
from analysis.catalogue import catalogue, source_line
from analysis.danish import RECONSTRUCTION_MARK
from analysis.edition import (
    FACTS,
    FINDINGS,
    KEY_FIGURES,
    PROCESSED_VARIABLE,
    PUBLISH_VARIABLE,
    SOURCE_FACTS,
    SOURCES,
    Edition,
    SectionPlan,
    load_edition,
    processed_folder,
)
from analysis.errors import InputError
from analysis.rows import KEYS, SUPPRESSED, labels, weakest

OWN_FIGURES = "Egne tal: de er ikke nøgletal og kan ikke følges tilbage til de rå filer."
SUPPRESSION_LINE = f"{danish.STATUS_SYMBOLS[SUPPRESSED]} vises ikke af hensyn til få personer."
# More names than that help nobody in an error.
MOST_SAID = 40
# What a claim can find.
KINDS = ("level", "growth", "comparison", "rank", "extreme", "share")
# What is stored of an output, where nothing else is said.
NOT_SAID: dict[str, object] = {
    "title": "", "number": "", "claim": None, "alt": "", "origin": "", "rows": 0, "left_out": "", "below": [],
    "unit": "", "reading": "", "chart": None, "margins": None, "table": None,
}  # fmt: skip
# What follows a published output is named after it.
OUTPUT_NAME = re.compile(r"^(figur|tabel)_[a-z0-9_]+$")


class Claim(str):
    """A title or sentence that finds something, and what it rests on: of which kind, on what rows."""

    __slots__ = ("kind", "origin", "rows")

    def __new__(cls, text: str, rests_on: pd.DataFrame, kind: str) -> "Claim":
        """`kind` says what is found, one of `KINDS`."""
        if not isinstance(rests_on, pd.DataFrame) or kind not in KINDS:
            raise InputError(f"a claim rests on rows of a DataFrame and finds one of {', '.join(KINDS)}, not {kind!r}")
        claim = super().__new__(cls, text)
        claim.kind, claim.rows = kind, len(rests_on)
        claim.origin = weakest(rests_on["origin"]) if "origin" in rests_on.columns else ""
        return claim

    @property
    def facts(self) -> dict[str, object]:
        """What is recorded of it."""
        return {"kind": self.kind, "origin": self.origin, "rows": self.rows}


class Section:
    """One section of the report for one area: its key figures, and where its outputs go."""

    def __init__(self, notebook: str, edition: str, area: str) -> None:
        """Open a section, or with an empty name an analysis outside the report that stores nothing.

        Errors: an unknown edition, section or area.
        """
        self.edition: Edition = load_edition(str(edition))
        self.plan: SectionPlan | None = self.edition.section(notebook) if notebook else None
        self.area_code = areas.find_area(area)
        self.area_name = areas.name(self.area_code)
        self.where = areas.locative(self.area_code)
        self.first, self.last = self.edition.period.first, self.edition.period.last
        self._sentences = 0
        # The key figures that were published so far, in their order: what the footer explains.
        self._shown: dict[str, None] = {}
        # What an analyst draws by hand looks like the rest, and nothing like the matplotlibrc of whoever runs it.
        mpl.style.use(["default", charts.STYLE])
        self._processed = Path(os.environ.get(PROCESSED_VARIABLE) or processed_folder(self.edition.name))
        self._publish = Path(os.environ[PUBLISH_VARIABLE]) if PUBLISH_VARIABLE in os.environ and notebook else None

    @cached_property
    def key_figures(self) -> pd.DataFrame:
        """The key figures: in a run of the report those that the section declares to read, else the whole table."""
        return pd.read_parquet(self._built(KEY_FIGURES))

    @cached_property
    def sources(self) -> pd.DataFrame:
        """The raw files: file, table, title, origin, status; with date and checksum where the section reads them."""
        files = json.loads(self._built(SOURCES).read_text(encoding="utf-8"))
        table = pd.DataFrame(files, columns=None if files else list(SOURCE_FACTS))
        return table.assign(title=[danish.held(title) for title in table["title"]])

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What the checks of the raw figures found: rule, severity, table, text."""
        found = json.loads(self._built(FINDINGS).read_text(encoding="utf-8"))
        return pd.DataFrame(found, columns=["rule", "severity", "table", "text"])

    @property
    def compared_areas(self) -> list[str]:
        """The area of the report and those it is compared with, without the same municipalities twice."""
        return areas.compared_areas(self.edition, self.area_code)

    @property
    def regions(self) -> list[str]:
        """The regions among the compared areas; the report's own area stands in for a region with its members."""
        return areas.compared_regions(self.edition, self.area_code)

    @property
    def emphasised(self) -> list[str]:
        """Names to set in bold: the report's area and the region it lies in."""
        region = areas.region(self.area_code)
        return [self.area_name, *([areas.name(region)] if region else [])]

    @property
    def kkr(self) -> str:
        """The KKR that decides on herberger for the area, as its region; for the country that of the home area."""
        return areas.deciding_kkr(self.edition, self.area_code)

    @property
    def peers(self) -> list[str]:
        """The municipalities to look at one by one: the area's own, or those around a single municipality."""
        return areas.peers(self.edition, self.area_code)

    @cached_property
    def palette(self) -> dict[str, str]:
        """Colour by name of the area and of those it is compared with: its own stands out, the country is reference."""
        codes = dict.fromkeys([self.area_code, *self.compared_areas])
        return charts.area_colours([areas.name(code) for code in codes], self.area_name)

    @property
    def references(self) -> dict[str, tuple[str, str]]:
        """Colour and line style of the area and of the country, where municipalities are dots around them."""
        return {self.area_name: (charts.HIGHLIGHT, "-"), areas.name(areas.COUNTRY): (charts.REFERENCE, "--")}

    def read(
        self, indicator: str, *, area: str | Sequence[str] | None = None, group: str | Sequence[str] | None = None,
        category: str | Sequence[str] | None = None, variant: str = accounts.STANDARD,
        years: int | Sequence[int] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Key-figure rows of an indicator, by default for the section's area, in the order of categories.csv.

        Returns the contract's columns with Danish labels (area, label); measures compare the same municipalities.

        An indicator, group, category, variant or area that the table does not hold is an error, not an empty frame.
        """
        whole = table = self.key_figures
        wanted = {
            "indicator": [indicator],
            "variant": [variant],
            "area_code": [self.area_code] if area is None else [str(code).zfill(3) for code in _several(area)],
            "population_group": _several(group),
            "category": _several(category),
            "year": _several(years),
        }
        for column, values in wanted.items():
            if values is None:
                continue
            chosen = table[table[column].isin(values)]
            present = set(chosen[column].unique())
            absent = [str(value) for value in values if value not in present]
            if absent:
                there = table[column].unique()
                known = f"; they hold {', '.join(map(str, there))}" if len(there) <= MOST_SAID else ""
                raise InputError(f"key figures of {indicator!r} hold no {column} {', '.join(absent)}{known}")
            table = chosen
        order = {pair: place for place, pair in enumerate(accounts.labels())}
        pairs = zip(table["population_group"], table["category"], strict=True)
        places = np.array([order.get(pair, len(order)) for pair in pairs])
        return measures.with_panel(tables.with_labels(table.take(places.argsort(kind="stable"))), whole)

    def facts(self, name: str) -> pd.DataFrame:
        """A table of facts as the build wrote it; an optional delivery that did not come is a frame without rows."""
        return pd.read_parquet(self._built(f"{FACTS}/{name}.parquet"))

    def _built(self, file: str) -> Path:
        path = self._processed / file
        if path.is_file():
            return path
        if self._publish:
            raise InputError(
                f"{self.plan.notebook} does not declare that it reads {file}: add it to `reads` of the section in "
                f"editions/{self.edition.name}.yml"
            )
        raise InputError(f"{path.name} is not built: run `noegletal build --edition {self.edition.name}`")

    @cached_property
    def deflators(self) -> pd.Series:
        """Factor by year from current prices to those of the edition."""
        return prices.deflators(self.edition)

    def claim(self, text: str, *, rests_on: pd.DataFrame, kind: str = "level") -> Claim:
        """A title or sentence that finds something, with the rows that it rests on; see `Claim` for the kinds.

        Where rows are of some of an area's municipalities, it says of how many.
        """
        text = f"Hovedtallet {danish.NOT_KNOWN}" if danish.GAP.search(text) else text
        of = measures.lacking(rests_on) if text and isinstance(rests_on, pd.DataFrame) else ""
        return Claim(f"{text} ({of})" if of else text, rests_on, kind)

    def figure(
        self, output: str, chart: Figure | Axes, *, title: str, data: pd.DataFrame | None = None, reading: str = "",
        note: str = "",
    ) -> None:  # fmt: skip
        """Show a figure with its finding, source, note and origin; the runner also stores image, data and facts.

        `chart`: one of `analysis.charts`, which keeps its rows and says what it shows, or Axes drawn by hand. `data`:
        the rows behind it where they are others than those drawn. `reading`: what a chart drawn by hand shows, in
        words, for those who cannot see it. Rows that are no key figures are published as the analyst's own.
        """
        # Also of what seaborn draws as a whole, such as a FacetGrid.
        drawn = chart.figure
        data = getattr(drawn, "rows", None) if data is None else data
        reading = reading or getattr(drawn, "reading", "")
        if data is None or not reading:
            lacking = "rows" if data is None else "words"
            raise InputError(
                f"{output}: a chart drawn by hand brings no {lacking}; give `data=` (the rows drawn) and `reading=` "
                "(what it shows, for those who cannot see it)"
            )
        about = self._about(output, data, title, note)
        title, number, below = about["title"], about["number"], about["below"]
        alt = f"{danish.sentence(title)} {danish.sentence(reading)}"
        contents = getattr(drawn, "contents", None)
        facts = {"unit": contents.unit, "chart": contents.facts()} if contents else {}
        images = charts.images(drawn, f"{number}: {title}" if number else title, below) if self._publish else None
        if images:
            facts["margins"] = images.margins
        self._store(output, data, **about, alt=alt, reading=reading, **facts)
        if images:
            self._write(f"figurer/{output}.svg", images.vector)
            self._write(f"figurer/{output}.png", images.pixels)
            markup = _embedded(images.page, alt, fallback=f"figurer/{output}.png")
        else:
            markup = image(drawn, alt)
        # Else JupyterLab shows what was drawn by hand a second time, without its title and source.
        pyplot.close(drawn)
        downloads = {
            "data (CSV)": f"data/{output}.csv",
            "billede (SVG)": f"figurer/{output}.svg",
            "billede (PNG)": f"figurer/{output}.png",
        }
        self._show(output, number, title, markup, below, downloads, data)

    def table(
        self, output: str, frame: pd.DataFrame, *, title: str, data: pd.DataFrame, texts: Sequence[str] = (),
        strong: Sequence[str] = (), note: str = "",
    ) -> None:  # fmt: skip
        """Show a table of ready Danish texts; the runner also stores `data`, the figures behind it, as CSV.

        The first column names the rows, the others are numbers but for the columns `texts`; rows in `strong` are sums.
        """
        for column in frame.columns:
            for cell in frame[column]:
                if not isinstance(cell, str):
                    raise InputError(f"{output}: {column} holds {cell!r} where a text belongs; see danish.number")
        heading, *others = frame.columns
        numeric = [column for column in others if column not in texts]
        about = self._about(output, data, title, note)
        markup = tables.html(
            frame, identifier=output.replace("_", "-") + "-t", heading=heading, numeric=numeric, strong=strong
        )
        shown = {
            "columns": frame.columns.tolist(),
            "rows": frame.to_numpy().tolist(),
            "numeric": numeric,
            "strong": list(strong),
            "heading": heading,
        }
        self._store(output, data, **about, table=shown)
        downloads = {"data (CSV)": f"data/{output}.csv"}
        self._show(output, about["number"], about["title"], markup, about["below"], downloads, data)

    def _about(self, output: str, data: pd.DataFrame, title: str, note: str) -> dict[str, Any]:
        """What is said of a figure or a table alike: title, number, claim and the lines below."""
        self._refuse_suppressed(output, data)
        return {
            "title": danish.held(title),
            "number": self.edition.printed.numbers.get(output, ""),
            "claim": title.facts if isinstance(title, Claim) else None,
            "below": self._lines_below(output, data, note),
        }

    def leave_out(self, output: str, title: str, reason: str) -> None:
        """Say on the page why a declared output is not there: an optional delivery that it rests on did not come."""
        self._declared(output)
        number = self.edition.printed.numbers.get(output, "")
        self._store_facts(output, title=title, number=number, left_out=reason)
        reason = danish.sentence(f"Vises ikke: {reason}")
        _display("left_out", anchor=_anchor(output), title=title, reason=reason)

    def say(self, *sentences: str, rests_on: pd.DataFrame | None = None) -> None:
        """Show sentences as one paragraph that ends with a full stop; numbers come from data through `danish`.

        A sentence with a missing figure is left out. `rests_on`: its rows, of how many municipalities it then says.
        """
        said = [part for part in sentences if part]
        text = danish.without_gaps(" ".join(said))
        if not text:
            return
        of = measures.lacking(rests_on) if rests_on is not None else ""
        text = danish.sentence(f"{danish.sentence(text)} Tallene dækker {of}" if of else text)
        self._sentences += 1
        claims = [f"{part.kind}:{part.origin}" for part in said if isinstance(part, Claim)]
        recorded = f' data-claims="{" ".join(claims)}"' if claims else ""
        display(HTML(f'<p class="finding" id="saetning-{self._sentences}"{recorded}>{html.escape(text)}</p>'))

    def footer(self, *indicators: str) -> None:
        """Show what the section's key figures are, what they cannot say, and the raw files that they rest on.

        By default those that the section has published, in their order; figures of a model say theirs by themselves.
        """
        names = indicators or tuple(self._shown)
        self.definitions(*names)
        self.caveats(*names)
        self.provenance(*names)

    def definitions(self, *indicators: str) -> None:
        """Show what the section's key figures are, from the catalogue: definition, averaging, source."""
        entries = [(name, catalogue().indicators[name], source_line(name, self.edition)) for name in indicators]
        _display("definitions", entries=entries, linked=bool(self.plan))

    def caveats(self, *indicators: str) -> None:
        """Show what the figures cannot say: the caveats of the indicators in the catalogue."""
        names = dict.fromkeys(caveat for name in indicators for caveat in catalogue().indicators[name].caveats)
        _display("caveats", texts=[catalogue().caveats[name] for name in names])

    def provenance(self, *indicators: str) -> None:
        """Show which raw files the indicators rest on, with their origin."""
        wanted = {source for name in indicators for source in catalogue().indicators[name].sources}
        files = self.sources[self.sources["table"].isin(wanted)]
        _display("provenance", files=files.assign(origin=files["origin"].map(labels().origins)).itertuples())

    def _lines_below(self, output: str, data: pd.DataFrame, note: str) -> list[str]:
        """What stands under an output: sources, notes, and what the figures were made from."""
        remark = self.edition.printed.remarks.get(output, "")
        notes = " ".join(part for part in (note, remark) if part)
        if "indicator" not in data.columns:
            own = OWN_FIGURES if output.startswith("figur") else ""
            return [danish.held(line) for line in (notes, own) if line]
        self._shown |= dict.fromkeys(data["indicator"].unique())
        of = data.reindex(columns=["indicator", "population_group"]).drop_duplicates().itertuples(index=False)
        sources = dict.fromkeys(source_line(name, self.edition, group) for name, group in of)
        lines = [f"Kilde: {'; '.join(sources)}."] if sources else []
        if notes:
            lines.append(f"Anm.: {notes}")
        notes = data[["note", "year"]] if "note" in data.columns else pd.DataFrame({"note": [], "year": []}, dtype=str)
        for text, rows in notes.assign(note=notes["note"].str.split("; ")).explode("note").groupby("note"):
            years = danish.listed([str(year) for year in sorted(set(rows["year"]))])
            lines += [f"{text} ({years})."] if text else []
        if "status" in data.columns and (data["status"] == SUPPRESSED).any():
            lines.append(SUPPRESSION_LINE)
        if _reconstructed(data):
            lines.append(f"{RECONSTRUCTION_MARK}: se Datagrundlag.")
        return [danish.held(line) for line in lines]

    @cached_property
    def _suppressed(self) -> frozenset[tuple]:
        """The keys of the key figures that are suppressed."""
        hidden = self.key_figures.loc[self.key_figures["status"] == SUPPRESSED, KEYS]
        return frozenset(hidden.itertuples(index=False, name=None))

    def _refuse_suppressed(self, output: str, data: pd.DataFrame) -> None:
        """An error where data to publish show a value that is suppressed, by their status or among the key figures."""
        if not {*KEYS, "value", "status"} <= set(data.columns):
            return
        for *key, value, status in data[[*KEYS, "value", "status"]].itertuples(index=False, name=None):
            if not pd.isna(value) and (status == SUPPRESSED or tuple(key) in self._suppressed):
                indicator, area_code, _, category, year, _ = key
                raise InputError(
                    f"{output}: {indicator} of {area_code} {category} {year} is suppressed but has a value; publish "
                    "rows of key figures and what measures.py makes of them"
                )

    def _show(
        self, output: str, number: str, title: str, content: str, below: Sequence[str], downloads: dict[str, str],
        data: pd.DataFrame,
    ) -> None:  # fmt: skip
        is_figure, traced = output.startswith("figur"), "indicator" in data.columns
        label, download = number or title, f"data/{output}.csv"
        _display(
            "output",
            anchor=_anchor(output),
            is_figure=is_figure,
            number=number,
            title=title,
            mark=RECONSTRUCTION_MARK if _reconstructed(data) else "",
            content=content,
            beside=tables.figure_rows(data, label=label, download=download) if is_figure and traced else "",
            below=below,
            linked=bool(self.plan),
            downloads=downloads,
            traced=traced or not is_figure,
            citation=self._citation(output, number, title, below) if self.plan else "",
        )

    def _citation(self, output: str, number: str, title: str, below: Sequence[str]) -> str:
        """How to refer to an output, as text to select or copy."""
        what = f"{number}: {title}" if number else title
        place = f"{self.plan.title}, {self.plan.notebook}.html#{_anchor(output)}."
        sources = [line for line in below if line.startswith("Kilde: ")]
        return " ".join([f"{self.edition.title}, {self.area_name}: \u201d{what}\u201d.", place, *sources[:1]])

    def _store(self, output: str, data: pd.DataFrame, **facts: object) -> None:
        """Keep an output's figures and facts: those given, and the weakest origin of its rows and how many they are."""
        self._declared(output)
        data = data.drop(columns=["coverage", *measures.BESIDE], errors="ignore")
        origin = weakest(data["origin"]) if "origin" in data.columns else ""
        self._store_facts(output, origin=origin, rows=len(data), **facts)
        if self._publish:
            if "label" not in data.columns and {"area_code", "population_group", "category"} <= set(data.columns):
                data = tables.with_labels(data)
            self._write(f"data/{output}.csv", tables.spreadsheet_csv(data))
            self._write(f"data/{output}.parquet", tables.coded(data))

    def _declared(self, output: str) -> None:
        if not OUTPUT_NAME.match(output):
            raise InputError(f"output {output!r} must be figur_... or tabel_... in lower case")
        if self.plan is not None and output not in self.plan.outputs:
            raise InputError(f"output {output!r} is not declared for {self.plan.notebook} in the edition file")

    def _store_facts(self, output: str, **facts: object) -> None:
        """Write what slides and workbook need to show an output again; a figure has a chart, a table its texts.

        `margins`: as in the images of a figure.
        """
        if self._publish is not None:
            text = json.dumps({"output": output, **NOT_SAID, **facts}, ensure_ascii=False, indent=1)
            self._write(f"facts/{output}.json", text.encode("utf-8"))

    def _write(self, name: str, content: bytes) -> None:
        path = self._publish / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def image(chart: Figure, alt: str, *, stamp: str = "") -> Markup:
    """A chart as HTML that carries its own image, with `alt` for those who cannot see it; `stamp`: a word across it."""
    return _embedded(charts.vector(chart, stamp=stamp), alt)


def adhoc(title: str, edition: str, area: str) -> Section:
    """A section for an analysis outside the report: everything is shown, nothing is stored."""
    display(HTML(f'<p class="quiet">{html.escape(title)}. Analyse uden for rapporten.</p>'))
    return Section("", edition, area)


def _several(values: str | int | Sequence[str | int] | None) -> list[str | int] | None:
    return [values] if isinstance(values, (str, int)) else None if values is None else list(values)


def _display(part: str, **facts: object) -> None:
    display(HTML(str(tables.markup(part, **facts))))


def _anchor(output: str) -> str:
    return output.replace("_", "-")


def _reconstructed(data: pd.DataFrame) -> bool:
    return "origin" in data.columns and weakest(data["origin"]) == "reconstruction"


def _embedded(svg: bytes, alt: str, fallback: str = "") -> Markup:
    """A vector image within the page; a browser that cannot show it takes the `fallback`, a file beside the page."""
    # As markup it is neither escaped nor looked through for units; letters of base64 need neither.
    encoded = Markup(base64.b64encode(svg).decode("ascii"))  # noqa: S704
    return tables.markup("image", svg=encoded, alt=alt, fallback=fallback)
