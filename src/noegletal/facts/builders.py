"""Which facts are made of which delivered table."""

from noegletal.facts import diagnoses, shelters
from noegletal.sources.imports import Builder

BUILDERS: dict[str, Builder] = {diagnoses.TABLE: diagnoses.build, **dict.fromkeys(shelters.FORMS, shelters.build)}
