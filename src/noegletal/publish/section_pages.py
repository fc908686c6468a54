"""The page of a section: its notebook as text, figures and code behind a switch, and the frame that all pages have."""

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters import Highlight2HTML
from pygments.formatters import HtmlFormatter

from noegletal.commentary import Commentary
from noegletal.publish.pages import TEMPLATES, page

# Around what came out of the notebook. The frame around it is made anew in every run, so that also the page of a
# section that failed leads to pages that exist and says from when it is.
START, END = "<!-- afsnit -->", "<!-- afsnit slut -->"
LIGHT, DARK = "default", "github-dark"
# Between the code of a cell and that of the next, when that shows nothing: they stand together.
_BETWEEN = re.compile(r'</div>\s*<div class="code">')
_PUBLISHED = re.compile(r'<(?:figure|div class="notice") id="((?:figur|tabel)-[a-z0-9-]+)"')
_FOUND = re.compile(
    r'<figure id="(?P<output>[a-z0-9-]+)"'
    r'|<p class="finding(?: example)?(?: (?P<role>answer|why))?" id="(?P<sentence>saetning-\d+)"[^>]*>'
    r"(?P<text>.*?)</p>",
    re.S,
)


class _BodyExporter(HTMLExporter):
    """What notebooks show, one exporter for all of them: its templates are compiled once."""

    def from_notebook_node(self, nb: Any, resources: dict[str, Any] | None = None, **options: Any) -> tuple[str, Any]:
        """The text as the template writes it; called by nbconvert."""
        # HTMLExporter would parse the page again to give images without one an alternative text; ours have theirs.
        return super(HTMLExporter, self).from_notebook_node(nb, self._init_resources(resources), **options)


@lru_cache
def _exporter() -> _BodyExporter:
    exporter = _BodyExporter(template_name="noegletal", extra_template_basedirs=[str(TEMPLATES)])
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.exclude_anchor_links = True
    # Figures carry their alt text; nothing is left to a library that would load from elsewhere.
    exporter.sanitize_html = False
    # The notebook is validated when it is read; no preprocessor changes anything.
    exporter.optimistic_validation = True
    exporter.register_filter("highlight_code", _highlighted)
    exporter.register_filter("code_anchors", _code_anchors)
    return exporter


def _highlighted(code: str, metadata: object) -> str:
    return _highlighted_once(code)


@lru_cache(maxsize=1024)
def _highlighted_once(code: str) -> str:
    """A cell in colours; the cells of a section are the same for every area."""
    # Long lines are scrolled, which must not take a mouse.
    return Highlight2HTML(pygments_lexer="ipython3")(code).replace("<pre>", '<pre tabindex="0">', 1)


def _code_anchors(cell: dict[str, Any]) -> list[str]:
    """The anchors of the code of a cell: one for each figure and table that it shows."""
    shown = (output.get("data", {}).get("text/html", "") for output in cell.get("outputs", []))
    return [f"kode-{anchor}" for markup in shown for anchor in _PUBLISHED.findall("".join(markup))]


def body(executed: Path) -> str:
    """What an executed notebook shows: its text, figures and tables, and under each cell its code, for a switch."""
    return _body(executed, executed.stat().st_mtime_ns)


# What several reports share is the same notebook for all of them.
@lru_cache(maxsize=16)
def _body(executed: Path, _changed: int) -> str:
    text, _ = _exporter().from_notebook_node(nbformat.read(executed, as_version=4))
    return _BETWEEN.sub("", text).strip()


def findings(body: str) -> list[dict[str, str]]:
    """The sentences of a section: `anchor`, `text`, `after` (the anchor of the figure or table before it), `role`."""
    return list(_findings(body))


def _findings(body: str) -> Iterator[dict[str, str]]:
    after = ""
    for found in _FOUND.finditer(body):
        if found["output"]:
            after = found["output"]
        else:
            text, role = html.unescape(found["text"]), found["role"] or ""
            yield {"anchor": found["sentence"], "text": text, "after": after, "role": role}


def write_body(path: Path, shown: str) -> None:
    """Put aside what a notebook shows as a section's page; `write` gives it its frame."""
    path.write_text(f"{START}\n{shown}\n{END}", encoding="utf-8")


def kept_body(path: Path) -> str:
    """What the notebook of a published page shows; empty for a page of which that cannot be said."""
    text = path.read_text(encoding="utf-8")
    return text.partition(START)[2].rpartition(END)[0].strip()


def write(path: Path, shown: str, *, commentary: Commentary | None = None, **context: Any) -> None:
    """Write a section's page: what its notebook shows, and what the working group wrote, in the frame of the report."""
    body = Markup(f"{START}\n{shown}\n{END}")  # noqa: S704
    page(path, "afsnit.html.j2", body=body, code_style=_code_style(), commentary=commentary, **context)


@lru_cache
def _code_style() -> Markup:
    """The colours of code on light and on dark."""
    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in (LIGHT, DARK))
    light, dark = (re.sub(r"/\*.*?\*/|^(?!\.highlight).*$", "", text, flags=re.M) for text in (light, dark))
    return Markup(f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}")  # noqa: S704
