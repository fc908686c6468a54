"""What the page Søg holds: every figure, table and sentence of a report, and what its key figures are called."""

from typing import Any

from analysis.edition import Edition
from noegletal.publish.definitions import defined


def page_context(edition: Edition, sections: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Groups of entries, each with its link, its text, where it stands, and more words that it is found by."""
    outputs, sentences = [], []
    for notebook, section in sections.items():
        if "made" not in section:
            continue
        where = section["title"]
        for output in section.get("outputs", []):
            text = f"{output['number']}: {output['title']}" if output["number"] else output["title"]
            # What the figure shows in words names its areas and categories, which its title need not do.
            more = output["alt"].removeprefix(output["title"]).strip()
            outputs.append(_entry(f"{notebook}.html#{output['output'].replace('_', '-')}", text, where, more))
        for finding in section.get("findings", []):
            sentences.append(_entry(f"{notebook}.html#{finding['anchor']}", finding["text"], where))
    definitions = [
        _entry(f"definitioner.html#{name}", entry.name, "", entry.definition)
        for name, entry in defined(edition).items()
    ]
    groups = {
        "figurer": ("Figurer og tabeller", outputs),
        "saetninger": ("Sætninger", sentences),
        "definitioner": ("Definitioner", definitions),
    }
    return {
        "groups": [
            {"anchor": anchor, "title": title, "entries": entries}
            for anchor, (title, entries) in groups.items()
            if entries
        ]
    }


def _entry(href: str, text: str, where: str, more: str = "") -> dict[str, str]:
    return {"href": href, "text": text, "where": where, "more": more}
