"""What pages of explanation say: every key figure as the catalogue declares it, how to read it, where it is from."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from analysis import areas, danish
from analysis.catalogue import Indicator, Text, catalogue, source_line
from analysis.claims import claim_rules
from analysis.danish import STATUS_SYMBOLS
from analysis.declared import read_declared
from analysis.edition import Edition, reference_folder
from analysis.rows import FITTED, MISSING, SUPPRESSED, EvidenceName, labels
from noegletal import rules
from noegletal.sources.forms import form_of, load_form
from noegletal.sources.snapshot import table_shapes

SYMBOLS = {
    STATUS_SYMBOLS[MISSING]: "Tallet mangler i kilden, eller for få af områdets kommuner har et tal.",
    STATUS_SYMBOLS[SUPPRESSED]: "Tallet vises ikke, fordi det bygger på få personer.",
    STATUS_SYMBOLS["not_applicable"]: "Tallet giver ikke mening, for eksempel en pris pr. modtager uden modtagere.",
    "*": "Foreløbigt tal.",
}


class Term(BaseModel):
    """A word of the report: what it means, and the law that it rests on where there is one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    word: str = Field(min_length=1)
    text: Text = Field(min_length=1)
    law: Text = ""


def glossary() -> dict[str, Term]:
    """The words of the report in the order of the alphabet. Errors name the entry of glossary.yml that is wrong."""
    terms = read_declared(reference_folder() / "glossary.yml", RootModel[dict[str, Term]]).root
    return dict(sorted(terms.items(), key=lambda entry: areas.collation_key(entry[1].word)))


def page_context(edition: Edition) -> dict[str, Any]:
    """The key figures that the sections of an edition read, the words and the symbols used."""
    caveats = catalogue().caveats
    return {
        "glossary": glossary(),
        "symbols": SYMBOLS | {said.mark: said.meaning for said in _known(edition)},
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


def _known(edition: Edition) -> list[EvidenceName]:
    """The marks that an edition can bear: without a printed report nothing is fitted to one."""
    return [said for name, said in labels().evidence.items() if edition.published or name != FITTED]


def reading_context(edition: Edition, area_code: str) -> dict[str, Any]:
    """What the pages for reviewers and for municipalities take from the edition and the declared data."""
    forms = {table: load_form(form) for table in edition.tables if (form := form_of(table))}
    titles = {table: forms[table].title if table in forms else table_shapes()[table].title for table in edition.tables}
    others = areas.compared_areas(edition, area_code)[1:]
    small = [code for code in claim_rules().few_inhabitants if code in areas.municipalities()]
    return {
        "indicators": defined(edition),
        "caveats": catalogue().caveats,
        "symbols": SYMBOLS,
        "known": _known(edition),
        "outcomes": claim_rules().outcomes,
        "reasons": [reason.name for reason in claim_rules().reasons.values()],
        "smallest_base": claim_rules().smallest_base,
        "small_places": danish.listed([areas.name(code) for code in small]),
        "compared": danish.listed([areas.name(code) for code in others]),
        "rules": len(rules.catalogue().rules),
        "of_persons": "; ".join(
            titles[table] for table, policy in edition.disclosure.sources.items() if policy == "persons"
        ),
        "forms": [
            {"title": form.title, "sheets": danish.listed([sheet.name for sheet in form.sheets])}
            for form in forms.values()
        ],
        "tables": [
            {
                "name": table,
                "title": titles[table],
                "form": table in forms,
                "years": f"{need.years.first}-{need.years.last}",
            }
            for table, need in edition.tables.items()
        ],
        "folder": areas.slug(area_code),
        "shared": danish.listed([f"»{plan.title}«" for plan in edition.sections if plan.about == "kkr"]),
    }


def defined(edition: Edition) -> dict[str, Indicator]:
    """The key figures that the sections of an edition read, by name, in the order of the catalogue."""
    read = {name for plan in edition.sections for name in plan.reads.indicators}
    return {name: entry for name, entry in catalogue().indicators.items() if name in read}


def marks(outputs: Iterable[Mapping[str, Any]]) -> list[EvidenceName]:
    """The marks that some outputs bear, the best known first."""
    borne = {output.get("evidence") for output in outputs}
    return [said for name, said in labels().evidence.items() if name in borne]
