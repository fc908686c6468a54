"""What the page Definitioner says: every key figure of a report as the catalogue declares it."""

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.catalogue import Indicator, catalogue, source_line
from analysis.danish import STATUS_SYMBOLS
from analysis.edition import Edition
from analysis.rows import FITTED, MISSING, SUPPRESSED, EvidenceName, labels

SYMBOLS = {
    STATUS_SYMBOLS[MISSING]: "Tallet mangler i kilden, eller for få af områdets kommuner har et tal.",
    STATUS_SYMBOLS[SUPPRESSED]: "Tallet vises ikke, fordi det bygger på få personer.",
    STATUS_SYMBOLS["not_applicable"]: "Tallet giver ikke mening, for eksempel en pris pr. modtager uden modtagere.",
    "*": "Foreløbigt tal.",
}


def page_context(edition: Edition) -> dict[str, Any]:
    """The key figures that the sections of an edition read, and the symbols used."""
    caveats = catalogue().caveats
    # Without a printed report nothing is fitted to one.
    known = [said for name, said in labels().evidence.items() if edition.published or name != FITTED]
    return {
        "symbols": SYMBOLS | {said.mark: said.meaning for said in known},
        "indicators": [
            {
                "anchor": name,
                "name": entry.name,
                "definition": entry.definition,
                "averaging": entry.averaging,
                "unit": labels().unit_names[entry.unit],
                "source": source_line(name, edition),
                "caveats": [caveats[caveat] for caveat in entry.caveats],
                "used_in": [plan for plan in edition.sections if name in plan.reads.indicators],
            }
            for name, entry in defined(edition).items()
        ],
    }


def defined(edition: Edition) -> dict[str, Indicator]:
    """The key figures that the sections of an edition read, by name, in the order of the catalogue."""
    read = {name for plan in edition.sections for name in plan.reads.indicators}
    return {name: entry for name, entry in catalogue().indicators.items() if name in read}


def marks(outputs: Iterable[Mapping[str, Any]]) -> list[EvidenceName]:
    """The marks that some outputs bear, the best known first."""
    borne = {output.get("evidence") for output in outputs}
    return [said for name, said in labels().evidence.items() if name in borne]
