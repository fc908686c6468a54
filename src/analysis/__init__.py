"""Key figures for the specialised social area: from raw tables to key figures, notebooks and reports."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["read"]

# jsonschema compiles grammars for a check that no notebook schema uses; without it Jupyter loads 2 to 6 s faster.
# It has to be said before anything imports nbformat.
sys.modules.setdefault("rfc3987_syntax", None)


def read(
    indicator: str, *, area: "str | Sequence[str]" = "", group: "str | Sequence[str] | None" = None,
    category: "str | Sequence[str] | None" = None, years: "int | Sequence[int] | None" = None,
    variant: str = "standard", edition: str = "",
) -> "pd.DataFrame":  # fmt: skip
    """Key figures of an indicator in one line, by default of the home area of the default edition.

    Each may be a code or a Danish name, or several. Returns rows as `Section.read`, and first in them area, label, year
    and the figure as it is printed (`shown`). Errors: what is not there, with the nearest names.
    """
    # Not before it is needed: the command and the kernels load this package too.
    from analysis import danish
    from analysis.catalogue import shown_unit
    from analysis.edition import load_edition
    from analysis.section import Section

    plan = load_edition(edition)
    chosen = {"group": group, "category": category, "years": years, "variant": variant}
    rows = Section("", plan.name, plan.home_area).read(indicator, area=area or plan.home_area, **chosen)
    unit = shown_unit(rows["indicator"].iloc[0], rows["value"])
    texts = [
        danish.number(value, 0, status)
        if danish.missing(value)
        else danish.with_unit(danish.number(value / unit.divisor, unit.decimals), unit.name)
        for value, status in zip(rows["value"], rows["status"], strict=True)
    ]
    return rows.assign(shown=texts)[list(dict.fromkeys(["area", "label", "year", "shown", *rows.columns]))]
