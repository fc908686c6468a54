"""Rows of key figures: their columns, and what can stand in them."""

from typing import Literal, NamedTuple

KEYS = ["indicator", "area_code", "population_group", "category", "year", "variant"]
CELL_KEYS = ["population_group", "category", "year", "variant"]
COLUMNS = [*KEYS, "value", "unit", "status", "origin", "note"]
STATUSES = ("final", "provisional", "missing", "suppressed", "not_applicable")
FINAL, PROVISIONAL, MISSING, NOT_APPLICABLE = "final", "provisional", "missing", "not_applicable"
SUPPRESSED = "suppressed"
UNITS = ("kr", "kr_pr_indbygger", "antal", "pct", "pr_1000")
# Weakest last: what is computed from several figures has the origin of the weakest of them.
ORIGINS = ("statbank", "delivery", "transcribed", "derived", "reconstruction")
Severity = Literal["FATAL", "ERROR", "WARNING", "INFO"]


class SeverityWords(NamedTuple):
    """What readers see of a severity: its name, and what it means for the figures."""

    name: str
    meaning: str


SEVERITY_NAMES = {
    "FATAL": SeverityWords("Stopper alt", "Intet kan beregnes; der dannes ingen rapport."),
    "ERROR": SeverityWords("Fejl", "Et nøgletal ville blive forkert; der dannes ingen rapport."),
    "WARNING": SeverityWords("Advarsel", "Kan være rigtigt, men bør undersøges; intet tal er ændret."),
    "INFO": SeverityWords("Oplysning", "Værd at vide, når tallene læses; intet tal er ændret."),
}
