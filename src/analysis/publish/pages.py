"""Pages from templates: everything that is not a section's own notebook page."""

from functools import lru_cache
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"


@lru_cache
def environment() -> jinja2.Environment:
    """The templates, each compiled once however many pages are made of it; what they are given is escaped."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


def style() -> str:
    """The style sheet that every page carries itself."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def page(path: Path, template: str, **context: object) -> None:
    """Write a page of a template."""
    text = environment().get_template(template).render(style=style(), **context)
    path.write_text(text, encoding="utf-8")
