"""Pages from templates: everything that is not a section's own notebook page."""

from functools import lru_cache
from pathlib import Path

import jinja2

from analysis import danish

TEMPLATES = Path(__file__).parent / "templates"


@lru_cache
def environment() -> jinja2.Environment:
    """The templates, each compiled once however many pages are made of it; what they are given is escaped."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_held
    )


def _held(value: object) -> object:
    """What a template shows: a text with its numbers held to their units; markup and all else as it is."""
    return danish.held(value) if type(value) is str else value


def style() -> str:
    """The style sheet that every page carries itself."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def page(path: Path, template: str, **context: object) -> None:
    """Write a page of a template."""
    text = environment().get_template(template).render(style=style(), **context)
    path.write_text(text, encoding="utf-8")
