"""Pages from templates: their frame, style and script, the same for every page of a report."""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from analysis import danish
from analysis.rows import GENUINE, labels
from noegletal.publish.manifest import PAGE_TITLES

# Where a report as a whole is from; each figure says it of itself.
SOURCE = "Kilderne står ved hver figur og i Datagrundlag; Danmarks Statistiks tal er udgivet under CC BY 4.0."
TEMPLATES = Path(__file__).parent / "templates"


@lru_cache
def environment() -> jinja2.Environment:
    """The templates, each compiled once however many pages are made of it; what they are given is escaped."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_held
    )
    made.filters["day"] = danish.day
    made.globals |= {"style": style(), "script": script(), "policy": policy(), "page_titles": PAGE_TITLES, "root": ""}
    made.globals |= {"measured": labels().evidence[GENUINE].mark, "source": SOURCE}
    return made


def _held(value: object) -> object:
    """What a template shows: a text with its numbers held to their units; markup and all else as it is."""
    return danish.held(value) if type(value) is str else value


@lru_cache
def style() -> str:
    """The style sheet that every page carries itself."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


@lru_cache
def script() -> str:
    """The only script that a page runs; without it everything can still be read."""
    return (TEMPLATES / "page.js").read_text(encoding="utf-8")


@lru_cache
def policy() -> Markup:
    """What a browser may load and run for a page: no other address, and no script but `script`."""
    digest = base64.b64encode(hashlib.sha256(script().encode("utf-8")).digest()).decode("ascii")
    # The fallback of a figure lies beside the page, also when that is opened as a file.
    allowed = f"default-src 'none'; img-src data: 'self' file:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return Markup(allowed)  # noqa: S704 - as it is, also where texts are changed on their way into a page


def page(path: Path, template: str, **context: object) -> None:
    """Write a page of a template; with `sections` in the context it has the navigation of the report."""
    text = environment().get_template(template).render({"current": path.name} | context)
    path.write_text(text, encoding="utf-8")
