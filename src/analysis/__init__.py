"""Key figures for the specialised social area: from raw tables to key figures, notebooks and reports."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read"]

# jsonschema compiles grammars for a check that no notebook schema uses; without it Jupyter loads 2 to 6 s faster.
# It has to be said before anything imports nbformat.
sys.modules.setdefault("rfc3987_syntax", None)


def read(indicator: str, *, area: str = "", edition: str = "", **chosen: object) -> "pd.DataFrame":
    """Key figures of an indicator in one line, by default of the home area of the default edition.

    `chosen`: group, category, variant, years, as for `Section.read`. Returns its rows, and first in them area, label,
    year and the figure as it is printed (`shown`). Errors: what is not there, with the nearest names.
    """
    # Not before it is needed: the command and the kernels load this package too.
    from analysis import danish
    from analysis.catalogue import shown_unit
    from analysis.edition import load_edition
    from analysis.section import Section

    plan = load_edition(edition)
    rows = Section("", plan.name, area or plan.home_area).read(indicator, **chosen)
    unit = shown_unit(rows["indicator"].iloc[0], rows["value"])
    numbers = [
        danish.number(value / unit.divisor, unit.decimals, status)
        for value, status in zip(rows["value"], rows["status"], strict=True)
    ]
    texts = [
        number if danish.missing(value) else danish.with_unit(number, unit.name)
        for number, value in zip(numbers, rows["value"], strict=True)
    ]
    return rows.assign(shown=texts)[list(dict.fromkeys(["area", "label", "year", "shown", *rows.columns]))]
