"""What a notebook cell calls: choose key figures, publish a figure, a table or a sentence."""

import base64
import html
import json
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from IPython.display import HTML, display
from markupsafe import Markup
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import accounts, areas, charts, danish, measures, prices, tables
from analysis.catalogue import catalogue, shown, source_line
from analysis.claims import CLAIMS, Claim, Judged, claim_rules, finds
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
from analysis.errors import InputError, find
from analysis.rows import EVIDENCE, EXAMPLE, GENUINE, KEYS, PANEL, SINCE, SUPPRESSED, evidence, labels, require, weakest

OWN_FIGURES = "Egne tal: de er ikke nøgletal og kan ikke følges tilbage til de rå filer."
SUPPRESSION_LINE = f"{danish.STATUS_SYMBOLS[SUPPRESSED]} vises ikke af hensyn til få personer."
NO_CLAIM = "a {what} that finds something ({found!r}) is a claim: say what it rests on"
UNSAID = "Det kan ikke siges på disse tal: {}"
PENDING = "Afventer data fra kilden ({})."
STAMP = "EKSEMPELDATA"
RECONSTRUCTED = "rekonstrueret efter "
# More names than that help nobody in an error.
MOST_SAID = 40
# What is stored of an output, where nothing else is said.
NOT_SAID: dict[str, object] = {
    "title": "", "number": "", "claim": None, "evidence": "", "alt": "", "origin": "", "rows": 0, "left_out": "",
    "below": [], "unit": "", "reading": "", "chart": None, "stamp": "", "margins": None, "table": None,
}  # fmt: skip
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
        self._claims: list[dict[str, object]] = []
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
    def _panels(self) -> pd.DataFrame:
        return self.key_figures[self.key_figures["variant"] == PANEL]

    @cached_property
    def sources(self) -> pd.DataFrame:
        """The raw files: file, table, title, origin, status; with date and checksum where the section reads them."""
        files = json.loads(self._built(SOURCES).read_text(encoding="utf-8"))
        table = pd.DataFrame(files, columns=None if files else list(SOURCE_FACTS))
        return table.assign(title=[danish.held(title) for title in table["title"]])

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What the checks found in raw figures that are measured: rule, severity, table, text."""
        found = json.loads(self._built(FINDINGS).read_text(encoding="utf-8"))
        table = pd.DataFrame(found, columns=["rule", "severity", "table", "text", "origin"])
        return table[table.pop("origin") != "reconstruction"]

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

        Each is meant by its code or its Danish name. One that the table does not hold is an error, not an empty frame.
        """
        table = self.key_figures
        wanted = {
            "indicator": [indicator],
            "variant": [variant],
            "area_code": [self.area_code] if area is None else [areas.find_area(code) for code in _several(area)],
            "population_group": _several(group),
            "category": _several(category),
            "year": _several(years),
        }
        for column, values in wanted.items():
            if values is not None:
                if column == "category":
                    values = self._of_these_years(values, set(table[column]))
                table = table[table[column].isin([_held(table, column, value, indicator) for value in values])]
        order = {pair: place for place, pair in enumerate(accounts.labels())}
        pairs = zip(table["population_group"], table["category"], strict=True)
        places = np.array([order.get(pair, len(order)) for pair in pairs])
        table = table.take(places.argsort(kind="stable")).drop(columns="evidence")
        return measures.with_panel(tables.with_labels(table), self._panels)

    def _of_these_years(self, asked: Sequence[str], held: set[str]) -> list[str]:
        """The categories asked for without parts of a whole that no figure of the edition has, as other years do."""
        parents = dict(accounts.categories()[["category", "parent"]].itertuples(index=False, name=None))
        wholes = {parents.get(one) for one in asked if one in held} - {""}
        later = {one for one in asked if parents.get(one) in wholes} - set(self.key_figures["category"])
        return [one for one in asked if one not in later]

    def indicators(self) -> pd.DataFrame:
        """The key figures that can be read here: indicator, name, unit, first and last year."""
        entries = catalogue().indicators
        found = self.key_figures.groupby("indicator")["year"].agg(first="min", last="max").reset_index()
        units = [labels().unit_names[entries[code].unit] for code in found["indicator"]]
        return found.assign(name=[entries[code].name for code in found["indicator"]], unit=units)

    def categories(self, indicator: str) -> pd.DataFrame:
        """What `read` can be asked for of an indicator: population_group, category, label, first and last year."""
        table = self.key_figures
        rows = table[table["indicator"] == _held(table, "indicator", indicator, indicator)]
        cells = rows.groupby(["population_group", "category"])["year"].agg(first="min", last="max").reset_index()
        names = accounts.labels()
        pairs = zip(cells["population_group"], cells["category"], strict=True)
        return cells.assign(label=[names.get(pair, pair[1]) for pair in pairs])

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
        return prices.deflators(self.edition, self.facts("price_index"))

    def claim(self, text: str, *, rests_on: pd.DataFrame, kind: str = "level", chance: Judged | None = None) -> Claim:
        """A title or sentence that finds something, as far as the rows that it rests on bear it; see `claims`.

        `chance`: a test of `trend` whether its change is more than chance.
        """
        return Claim(text, rests_on, kind, series=self._series(rests_on), chance=chance)

    def _series(self, rows: pd.DataFrame) -> pd.DataFrame | None:
        """The key figures that one growth is taken from, all its years."""
        if len(rows) != 1 or not {*measures.IDENTITY, SINCE} <= set(getattr(rows, "columns", ())):
            return None
        found = self.key_figures
        for name in measures.IDENTITY:
            found = found[found[name] == rows[name].iloc[0]]
        return measures.comparable(measures.with_panel(found, self._panels))

    def figure(
        self, output: str, chart: Figure | Axes, *, title: str, data: pd.DataFrame | None = None, reading: str = "",
        note: str = "",
    ) -> None:  # fmt: skip
        """Show a figure with its finding, source, note and origin; the runner also stores image, data and facts.

        `chart`: one of `analysis.charts`, which keeps its rows and says what it shows, or Axes drawn by hand. `data`:
        the rows behind it where they are others than those drawn. `reading`: what a chart drawn by hand shows, in
        words, for those who cannot see it. Rows that are no key figures are published as the analyst's own.
        """
        if not hasattr(chart, "figure"):
            raise InputError(f"{output}: a figure is of analysis.charts or drawn by hand, not {type(chart).__name__}")
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
        stamp = STAMP if about["evidence"] == EXAMPLE else ""
        facts = {"stamp": stamp} | ({"unit": contents.unit, "chart": contents.facts()} if contents else {})
        images = (
            charts.images(drawn, f"{number}: {title}" if number else title, below, stamp=stamp)
            if self._publish
            else None
        )
        if images:
            facts["margins"] = images.margins
        self._store(output, data, **about, alt=alt, reading=reading, **facts)
        if images:
            self._write(f"figurer/{output}.svg", images.vector)
            self._write(f"figurer/{output}.png", images.pixels)
            phone = charts.for_phone(drawn, stamp=stamp)
            markup = _embedded(images.page, alt, fallback=f"figurer/{output}.png", phone=phone)
        else:
            markup = image(drawn, alt, stamp=stamp)
        # Else JupyterLab shows what was drawn by hand a second time, without its title and source.
        pyplot.close(drawn)
        downloads = {
            "data (CSV)": f"data/{output}.csv",
            "billede (SVG)": f"figurer/{output}.svg",
            "billede (PNG)": f"figurer/{output}.png",
        }
        self._show(output, number, title, markup, below, downloads, data, about["evidence"])

    def table(
        self, output: str, frame: pd.DataFrame, *, title: str, data: pd.DataFrame, texts: Sequence[str] = (),
        strong: Sequence[str] = (), note: str = "",
    ) -> None:  # fmt: skip
        """Show a table of ready Danish texts; the runner also stores `data`, the figures behind it, as CSV.

        The first column names the rows, the others are numbers but for the columns `texts`; rows in `strong` are sums.
        """
        require(frame, [], output)
        for column, cells in frame.items():
            if wrong := [cell for cell in cells if not isinstance(cell, str)]:
                raise InputError(f"{output}: {column} holds {wrong[0]!r} where a text belongs; see danish.number")
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
        self._show(output, about["number"], about["title"], markup, about["below"], downloads, data, about["evidence"])

    def _about(self, output: str, data: pd.DataFrame, title: str, note: str) -> dict[str, Any]:
        """What is said of a figure or a table alike: title, number, claim, how well it is known, the lines below."""
        require(data, [], output)
        self._refuse_suppressed(output, data)
        claim = title if isinstance(title, Claim) else None
        if claim is None and title != shown(data) and (found := finds(title)):
            raise InputError(f"{output}: {NO_CLAIM.format(what='title', found=found)}")
        known = claim.evidence if claim is not None else max(evidence(data), key=("", *EVIDENCE).index, default="")
        if claim is not None:
            self._record(_anchor(output), claim)
        return {
            "title": danish.held(title or shown(data)),
            "number": self._number(output),
            "claim": claim.facts if claim is not None else None,
            "evidence": known,
            "below": self._lines_below(output, data, note, known),
        }

    def _number(self, output: str) -> str:
        return self.edition.number(output) if self.plan is not None else ""

    def _record(self, place: str, claim: Claim) -> None:
        """Keep what became of a claim, for the page that tells reviewers what was not stated and why."""
        self._claims.append({"place": place, **claim.facts})
        if self._publish:
            self._write(CLAIMS, json.dumps(self._claims, ensure_ascii=False, indent=1).encode("utf-8"))

    def leave_out(self, output: str, title: str, reason: str) -> None:
        """Say on the page why a declared output is not there: an optional delivery that it rests on did not come."""
        self._declared(output)
        number = self._number(output)
        self._store_facts(output, title=title, number=number, left_out=reason)
        reason = danish.sentence(f"Vises ikke: {reason}")
        _display("left_out", anchor=_anchor(output), title=title, reason=reason)

    def say(
        self, *sentences: str, rests_on: pd.DataFrame | None = None, kind: str = "level", chance: Judged | None = None,
        role: Literal["", "answer", "why"] = "",
    ) -> None:  # fmt: skip
        """Show sentences as one paragraph that ends with a full stop; numbers come from data through `danish`.

        What finds something is a claim and rests on rows, as for `claim`; a sentence with a missing figure is left out.
        `role`: an answer to the question that the section opens with, or why it is so. An answer that cannot be given
        says so, and in an analysis outside the report every sentence does.
        """
        text = danish.without_gaps(" ".join(part for part in sentences if part))
        if not text and role != "answer":
            return
        text = danish.sentence(text or _unsaid(["missing"]))
        self._sentences += 1
        place, outcome = f"saetning-{self._sentences}", ""
        if rests_on is not None:
            text = self.claim(text, rests_on=rests_on, kind=kind, chance=chance)
            outcome = text.outcome
            self._record(place, text)
            if outcome == "withheld" and (role == "answer" or self.plan is None):
                text = _unsaid(text.reasons)
        elif found := finds(text):
            raise InputError(f"{NO_CLAIM.format(what='sentence', found=found)}: {text}")
        if text:
            _display("finding", place=place, text=danish.sentence(text), example=outcome == "example", role=role)

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
        _display("definitions", entries=entries, linked=self._linked)

    def caveats(self, *indicators: str) -> None:
        """Show what the figures cannot say: the caveats of the indicators in the catalogue."""
        names = dict.fromkeys(caveat for name in indicators for caveat in catalogue().indicators[name].caveats)
        _display("caveats", texts=[catalogue().caveats[name] for name in names])

    def provenance(self, *indicators: str) -> None:
        """Show which raw files the indicators rest on, with their origin."""
        wanted = {source for name in indicators for source in catalogue().indicators[name].sources}
        files = self.sources[self.sources["table"].isin(wanted)]
        _display("provenance", files=files.assign(origin=files["origin"].map(labels().origins)).itertuples())

    def _lines_below(self, output: str, data: pd.DataFrame, note: str, known: str) -> list[str]:
        """What stands under an output: sources, notes, and what the figures were made from."""
        remark = self.edition.printed.remarks.get(output, "")
        notes = " ".join(part for part in (note, remark) if part)
        if "indicator" not in data.columns:
            own = OWN_FIGURES if output.startswith("figur") else ""
            return [danish.held(line) for line in (notes, own) if line]
        self._shown |= dict.fromkeys(data["indicator"].unique())
        of = data.reindex(columns=["indicator", "population_group"]).assign(known=evidence(data)).drop_duplicates()
        sources = dict.fromkeys(
            f"{'' if known == GENUINE else RECONSTRUCTED}{source_line(name, self.edition, group)}"
            for name, group, known in of.itertuples(index=False)
        )
        lines = [f"Kilde: {'; '.join(sources)}."] if sources else []
        if notes:
            lines.append(f"Anm.: {notes}")
        notes = data[["note", "year"]] if "note" in data.columns else pd.DataFrame({"note": [], "year": []}, dtype=str)
        for text, rows in notes.assign(note=notes["note"].str.split("; ")).explode("note").groupby("note"):
            years = danish.listed([str(year) for year in sorted(set(rows["year"]))])
            lines += [f"{text} ({years})."] if text else []
        if "status" in data.columns and (data["status"] == SUPPRESSED).any():
            lines.append(SUPPRESSION_LINE)
        if known == EXAMPLE:
            lines.append(PENDING.format(danish.listed(self._pending(data["indicator"].unique(), " ".join(sources)))))
        return [danish.held(line) for line in lines]

    def _pending(self, indicators: Sequence[str], named: str) -> list[str]:
        """The raw tables of some indicators that are reconstructed; without one it is the price index.

        Of a group that comes from some of them, those that its source lines name.
        """
        wanted = {source for name in indicators for source in catalogue().indicators[name].sources}
        lacking = self.sources["table"].isin(wanted) & (self.sources["origin"] == "reconstruction")
        tables = sorted(set(self.sources.loc[lacking, "table"])) or ["prisindekset"]
        return [name for name in tables if re.search(rf"\b{name}\b", named)] or tables

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
        data: pd.DataFrame, known: str,
    ) -> None:  # fmt: skip
        is_figure, traced = output.startswith("figur"), "indicator" in data.columns
        label, download = number or title, f"data/{output}.csv"
        if not self._linked:
            # No file lies beside it: the numbers are in the link.
            csv = base64.b64encode(tables.spreadsheet_csv(_as_published(data))).decode("ascii")
            download = Markup(f"data:text/csv;base64,{csv}")  # noqa: S704
            downloads = {"data (CSV)": download}
        _display(
            "output",
            anchor=_anchor(output),
            is_figure=is_figure,
            number=number,
            title=title,
            known=known,
            mark=labels().evidence[known].mark if known else "",
            content=content,
            beside=tables.figure_rows(data, label=label, download=download) if is_figure and traced else "",
            below=below,
            linked=self._linked,
            downloads=downloads,
            traced=traced or not is_figure,
            citation=self._citation(output, number, title, below) if self._linked else "",
        )

    @property
    def _linked(self) -> bool:
        """Whether what an output links to will be there: pages and files are, in JupyterLab nothing is."""
        return self._publish is not None

    def _citation(self, output: str, number: str, title: str, below: Sequence[str]) -> str:
        """How to refer to an output, as text to select or copy."""
        what = f"{number}: {title}" if number else title
        place = f"{self.plan.title}, {self.plan.notebook}.html#{_anchor(output)}."
        sources = [line for line in below if line.startswith("Kilde: ")]
        return " ".join([f"{self.edition.title}, {self.area_name}: \u201d{what}\u201d.", place, *sources[:1]])

    def _store(self, output: str, data: pd.DataFrame, **facts: object) -> None:
        """Keep an output's figures and facts: those given, and the weakest origin of its rows and how many they are."""
        self._declared(output)
        origin = weakest(data["origin"]) if "origin" in data.columns else ""
        self._store_facts(output, origin=origin, rows=len(data), **facts)
        if self._publish:
            data = _as_published(data)
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
    display(HTML(f'<p class="quiet">{html.escape(danish.sentence(title))} Analyse uden for rapporten.</p>'))
    return Section("", edition, area)


def _held(table: pd.DataFrame, column: str, value: str | int, indicator: str) -> str | int:
    """The value of a column of key figures that is meant by its code or Danish name."""
    there = {str(code): code for code in table[column].unique().tolist()}
    if value in there.values():
        return value
    names: dict[str, str] = {
        "indicator": {code: entry.name for code, entry in catalogue().indicators.items()},
        "variant": labels().variants,
        "area_code": areas.names(),
        "population_group": labels().groups,
        "category": {category: name for (_, category), name in accounts.labels().items()},
    }.get(column, {})
    known = f"; they hold {', '.join(there)}" if len(there) <= MOST_SAID else ""
    unknown = f"key figures of {indicator!r} hold no {column} {value}{known}"
    if column == "indicator" and value in catalogue().indicators:
        sources = ", ".join(catalogue().indicators[value].sources)
        raise InputError(f"{unknown}; was {sources} delivered, does the section read it, and is the build of today?")
    return there[find(str(value), {code: names.get(code, code) for code in there}, unknown)]


def _unsaid(reasons: Sequence[str]) -> str:
    return UNSAID.format(danish.listed([danish.running(claim_rules().reasons[name].name) for name in reasons]))


def _several(values: str | int | Sequence[str | int] | None) -> list[str | int] | None:
    return None if values is None else [values] if np.isscalar(values) else list(values)


def _display(part: str, **facts: object) -> None:
    display(HTML(str(tables.markup(part, **facts))))


def _as_published(data: pd.DataFrame) -> pd.DataFrame:
    """The rows of an output as their file has them: with labels and evidence, without what only computes."""
    if "origin" in data.columns:
        data = data.assign(evidence=evidence(data))
    data = data.drop(columns=["coverage", "printed", "base", *measures.BESIDE], errors="ignore")
    named = "label" in data.columns or not {"area_code", "population_group", "category"} <= set(data.columns)
    return data if named else tables.with_labels(data)


def _anchor(output: str) -> str:
    return output.replace("_", "-")


def _embedded(svg: bytes, alt: str, fallback: str = "", phone: bytes = b"") -> Markup:
    """A vector image within the page, and that of a phone; a browser that shows none takes the file `fallback`."""
    # As markup it is neither escaped nor looked through for units; letters of base64 need neither.
    wide, narrow = (Markup(base64.b64encode(one).decode("ascii")) for one in (svg, phone))  # noqa: S704
    return tables.markup("image", svg=wide, alt=alt, fallback=fallback, phone=narrow)
