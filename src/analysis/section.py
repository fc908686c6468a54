"""What a notebook cell calls: choose key figures, publish a figure, a table or a sentence."""

import base64
import html
import json
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML, display
from matplotlib.figure import Figure

from analysis import accounts, areas, charts, danish, prices, tables
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
from analysis.rows import COLUMNS, KEYS, SUPPRESSED, labels, weakest

SUPPRESSION_LINE = f"{danish.STATUS_SYMBOLS[SUPPRESSED]} vises ikke af hensyn til få personer."
# What follows a published output is named after it.
OUTPUT_NAME = re.compile(r"^(figur|tabel)_[a-z0-9_]+$")


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

    @cached_property
    def clusters(self) -> dict[str, str]:
        """The klynge of each municipality."""
        return self.facts("shelter_clusters").set_index("municipality")["cluster"].to_dict()

    @property
    def peers(self) -> list[str]:
        """The municipalities to look at one by one: the area's own, or those around a single municipality."""
        return areas.peers(self.edition, self.area_code)

    def rows(
        self,
        indicator: str,
        *,
        area: str | Sequence[str] | None = None,
        population_group: str | Sequence[str] | None = None,
        category: str | Sequence[str] | None = None,
        variant: str = accounts.STANDARD,
        years: Sequence[int] | None = None,
    ) -> pd.DataFrame:
        """Key-figure rows of an indicator, by default for the section's area, in the order of categories.csv.

        Returns the contract's columns with Danish labels (area, label).

        An indicator, group, category, variant or area that the table does not hold is an error, not an empty frame.
        """
        table = self.key_figures
        wanted = {
            "indicator": [indicator],
            "variant": [variant],
            "area_code": [self.area_code] if area is None else _several(area),
            "population_group": _several(population_group),
            "category": _several(category),
            "year": list(years) if years is not None else None,
        }
        for column, values in wanted.items():
            if values is None:
                continue
            table = table[table[column].isin(values)]
            present = set(table[column].unique())
            absent = [str(value) for value in values if value not in present]
            if absent:
                raise InputError(f"key figures of {indicator!r} hold no {column} {', '.join(absent)}")
        order = {pair: place for place, pair in enumerate(accounts.labels())}
        pairs = zip(table["population_group"], table["category"], strict=True)
        places = np.array([order.get(pair, len(order)) for pair in pairs])
        return tables.with_labels(table.take(places.argsort(kind="stable")))

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

    def modelled(
        self, indicator: str, frame: pd.DataFrame, *, value: str = "value", year: int | None = None, area: str = ""
    ) -> pd.DataFrame:
        """What a model computed as rows to publish: the columns of key figures first, the frame's others after them.

        `value`: the column with the figure. `year` and `area` where the frame has no column `year` or `area_code`.
        The origin is the weakest of the raw files that the indicator rests on. Errors: none of them was delivered.
        """
        entry = catalogue().indicators[indicator]
        files = self.sources[self.sources["table"].isin(entry.sources)]
        if files.empty:
            raise InputError(f"{indicator!r} rests on {', '.join(entry.sources)}, and none of them was delivered")
        given = {
            "area_code": area or self.area_code,
            "population_group": entry.population_group,
            "category": entry.category,
            "year": year or self.last,
            "variant": accounts.STANDARD,
            "status": frame[value].isna().map({True: "missing", False: "final"}),
        }
        dropped = {"label", "area", "value"} - {value}
        rows = frame.drop(columns=list(dropped), errors="ignore").rename(columns={value: "value"})
        rows = rows.assign(**{name: fact for name, fact in given.items() if name not in frame.columns})
        rows = rows.assign(indicator=indicator, unit=entry.unit, origin=weakest(files["origin"]), note="")
        named = tables.with_labels(rows[[*COLUMNS, *rows.columns.difference(COLUMNS, sort=False)]])
        return named.astype({"value": float})

    @cached_property
    def deflators(self) -> pd.Series:
        """Factor by year from current prices to those of the edition."""
        return prices.deflators(self.edition)

    def figure(
        self,
        output: str,
        chart: Figure,
        *,
        title: str,
        data: pd.DataFrame,
        reading: str,
        number: str = "",
        note: str = "",
    ) -> None:
        """Show a figure with its finding, source, note and origin; the runner also stores image, data and facts.

        `data`: the key-figure rows drawn (indicator, value, status, origin). `reading`: what the figure shows, in
        words, for those who cannot see it. `number`: the number in the printed report, such as `Figur 5`.
        """
        self._refuse_suppressed(output, data)
        below = self._lines_below(data, note)
        title = danish.held(title)
        alt = f"{danish.sentence(title)} {danish.sentence(reading)}"
        contents = getattr(chart, "contents", None)
        facts = {"unit": contents.unit, "chart": contents.facts()} if contents else {}
        images = charts.images(chart, f"{number}: {title}" if number else title, below) if self._publish else None
        if images:
            facts["margins"] = images.margins
        self._store(output, data, title=title, number=number, alt=alt, below=below, reading=reading, **facts)
        if images:
            self._write(f"figurer/{output}.svg", images.vector)
            self._write(f"figurer/{output}.png", images.pixels)
            markup = _embedded(images.page, alt, fallback=f"figurer/{output}.png")
        else:
            markup = image(chart, alt)
        downloads = {
            "data (CSV)": f"data/{output}.csv",
            "billede (SVG)": f"figurer/{output}.svg",
            "billede (PNG)": f"figurer/{output}.png",
        }
        self._show(output, number, title, markup, below, downloads, data)

    def table(
        self,
        output: str,
        frame: pd.DataFrame,
        *,
        title: str,
        data: pd.DataFrame,
        heading: str,
        numeric: Sequence[str] = (),
        strong: Sequence[str] = (),
        number: str = "",
        note: str = "",
    ) -> None:
        """Show a table of ready Danish texts; the runner also stores `data`, the figures behind it, as CSV."""
        self._refuse_suppressed(output, data)
        below = self._lines_below(data, note) if "indicator" in data.columns else [danish.held(note)] if note else []
        title = danish.held(title)
        markup = tables.html(
            frame, identifier=output.replace("_", "-") + "-t", heading=heading, numeric=numeric, strong=strong
        )
        shown = {
            "columns": frame.columns.tolist(),
            "rows": frame.to_numpy().tolist(),
            "numeric": list(numeric),
            "strong": list(strong),
            "heading": heading,
        }
        self._store(output, data, title=title, number=number, below=below, table=shown)
        self._show(output, number, title, markup, below, {"data (CSV)": f"data/{output}.csv"}, data)

    def leave_out(self, output: str, title: str, reason: str, *, number: str = "") -> None:
        """Say on the page why a declared output is not there: an optional delivery that it rests on did not come."""
        self._declared(output)
        self._store_facts(output, title=title, number=number, left_out=reason)
        display(
            HTML(
                f'<div class="notice" id="{_anchor(output)}"><p><strong>{html.escape(title)}</strong></p>'
                f"<p>{html.escape(danish.sentence(f'Vises ikke: {reason}'))}</p></div>"
            )
        )

    def say(self, *sentences: str) -> None:
        """Show sentences as one paragraph that ends with a full stop; numbers come from data through `danish`.

        Where there is nothing to say, as of missing figures, there is no paragraph.
        """
        said = [part for part in sentences if part]
        if not said:
            return
        text = danish.sentence(" ".join(said))
        self._sentences += 1
        display(HTML(f'<p class="finding" id="saetning-{self._sentences}">{html.escape(text)}</p>'))

    def definitions(self, *indicators: str) -> None:
        """Show what the section's key figures are, from the catalogue: definition, averaging, source."""
        entries = []
        for name in indicators:
            entry = catalogue().indicators[name]
            term = html.escape(entry.name)
            if self.plan:
                term = f'<a href="definitioner.html#{name}">{term}</a>'
            entries.append(
                f"<dt>{term}</dt><dd>{html.escape(entry.definition)} "
                f"{html.escape(entry.averaging)} Kilde: {html.escape(source_line(name, self.edition))}.</dd>"
            )
        display(HTML(f'<dl class="definitions">{"".join(entries)}</dl>'))

    def caveats(self, *indicators: str) -> None:
        """Show what the figures cannot say: the caveats of the indicators in the catalogue."""
        names = dict.fromkeys(caveat for name in indicators for caveat in catalogue().indicators[name].caveats)
        items = "".join(f"<li>{html.escape(catalogue().caveats[name])}</li>" for name in names)
        display(HTML(f'<ul class="caveats">{items}</ul>'))

    def provenance(self, *indicators: str) -> None:
        """Show which raw files the indicators rest on, with their origin."""
        wanted = {source for name in indicators for source in catalogue().indicators[name].sources}
        files = self.sources[self.sources["table"].isin(wanted)]
        items = "".join(
            f"<li><code>{html.escape(row.file)}</code>: {html.escape(row.title)} "
            f"({html.escape(labels().origins[row.origin])})</li>"
            for row in files.itertuples()
        )
        lead = "Afsnittet bygger på disse filer; datoer og kontrolsummer står i afsnittet Datagrundlag:"
        display(HTML(f'<footer class="provenance"><p>{lead}</p><ul>{items}</ul></footer>'))

    def _lines_below(self, data: pd.DataFrame, note: str) -> list[str]:
        sources = dict.fromkeys(source_line(name, self.edition) for name in data["indicator"].unique())
        lines = [f"Kilde: {'; '.join(sources)}."] if sources else []
        if note:
            lines.append(f"Anm.: {note}")
        for text, rows in data[data["note"] != ""].groupby("note"):
            years = danish.listed([str(year) for year in sorted(set(rows["year"]))])
            lines.append(f"{text} ({years}).")
        if "status" in data.columns and (data["status"] == SUPPRESSED).any():
            lines.append(SUPPRESSION_LINE)
        if weakest(data["origin"]) == "reconstruction":
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
        self,
        output: str,
        number: str,
        title: str,
        content: str,
        below: Sequence[str],
        downloads: dict[str, str],
        data: pd.DataFrame,
    ) -> None:
        is_figure = output.startswith("figur")
        name = number or title
        label = f'<span class="number">{html.escape(number)}</span> ' if number else ""
        mark = (
            f'<span class="mark">{RECONSTRUCTION_MARK}</span>'
            if "origin" in data.columns and weakest(data["origin"]) == "reconstruction"
            else ""
        )
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in below)
        anchor, links, citation = _anchor(output), "", ""
        if self.plan:
            files = "".join(f'<li><a href="{path}" download>{kind}</a></li>' for kind, path in downloads.items())
            links = (
                f'<ul class="links" aria-label="{html.escape(f"Om {name}")}">{files}'
                f'<li><a class="trail" href="spor.html#{anchor}">Kilde til tallene</a></li>'
                f'<li><a href="#kode-{anchor}">Koden bag</a></li></ul>'
            )
            citation = self._citation(anchor, number, title, below)
        here = f' <a class="anchor" href="#{anchor}" aria-label="{html.escape(f"Link til {name}")}">#</a>'
        beside = tables.figure_rows(data, label=name, download=f"data/{output}.csv") if is_figure else ""
        kinds = ("", "chart") if is_figure else (' class="table"', "content")
        display(
            HTML(
                f'<figure id="{anchor}"{kinds[0]}>'
                f"<figcaption>{label}{html.escape(title)}{mark}{here if self.plan else ''}</figcaption>"
                f'<div class="{kinds[1]}">{content}</div>{beside}'
                f'<div class="below">{lines}{links}{citation}</div></figure>'
            )
        )

    def _citation(self, anchor: str, number: str, title: str, below: Sequence[str]) -> str:
        """How to refer to an output, folded, as text to select or copy."""
        place = f"{self.plan.notebook}.html#{anchor}"
        what = f"{number}: {title}" if number else title
        source = next((line for line in below if line.startswith("Kilde: ")), "")
        text = f"{self.edition.title}, {self.area_name}: \u201d{what}\u201d. {self.plan.title}, {place}. {source}"
        return (
            f'<details class="citation"><summary>Henvis hertil<span class="unseen">: {html.escape(number or title)}'
            f"</span></summary><p>{html.escape(text.strip())}</p>"
            '<button type="button" class="copy" hidden>Kopiér henvisningen</button> <span role="status"></span>'
            "</details>"
        )

    def _store(self, output: str, data: pd.DataFrame, **facts: object) -> None:
        """Keep an output's figures and facts: those given, and the weakest origin of its rows and how many they are."""
        self._declared(output)
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

    def _store_facts(
        self,
        output: str,
        *,
        title: str,
        number: str,
        alt: str = "",
        origin: str = "",
        rows: int = 0,
        left_out: str = "",
        below: Sequence[str] = (),
        unit: str = "",
        reading: str = "",
        chart: dict[str, object] | None = None,
        margins: tuple[float, float] | None = None,
        table: dict[str, object] | None = None,
    ) -> None:
        """Write what slides and workbook need to show an output again; a figure has a chart, a table its texts.

        `margins`: as in the images of a figure.
        """
        if self._publish is None:
            return
        facts = {
            "output": output,
            "title": title,
            "number": number,
            "alt": alt,
            "origin": origin,
            "rows": rows,
            "left_out": left_out,
            "below": list(below),
            "unit": unit,
            "reading": reading,
            "chart": chart,
            "margins": margins,
            "table": table,
        }
        self._write(f"facts/{output}.json", json.dumps(facts, ensure_ascii=False, indent=1).encode("utf-8"))

    def _write(self, name: str, content: bytes) -> None:
        path = self._publish / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def image(chart: Figure, alt: str) -> str:
    """A chart as HTML that carries its own image, with `alt` for those who cannot see it."""
    return _embedded(charts.vector(chart), alt)


def adhoc(title: str, edition: str, area: str) -> Section:
    """A section for an analysis outside the report: everything is shown, nothing is stored."""
    display(HTML(f'<p class="quiet">{html.escape(title)}. Analyse uden for rapporten.</p>'))
    return Section("", edition, area)


def _several(values: str | Sequence[str] | None) -> list[str] | None:
    if values is None:
        return None
    return [values] if isinstance(values, str) else list(values)


def _anchor(output: str) -> str:
    return output.replace("_", "-")


def _embedded(svg: bytes, alt: str, fallback: str = "") -> str:
    """A vector image within the page; a browser that cannot show it takes the `fallback`, a file beside the page."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
    if not fallback:
        return f'<img alt="{html.escape(alt)}" src="{source}">'
    return (
        f'<picture><source type="image/svg+xml" srcset="{source}">'
        f'<img alt="{html.escape(alt)}" src="{fallback}"></picture>'
    )
