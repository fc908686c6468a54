"""KRISE1: stays and residents in crisis centres by region of residence and length of stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reconstruction.noise import lognormal
from reconstruction.printed import require_growth
from reconstruction.reference import Reference
from reconstruction.rounding import half_away_from_zero, share_out

ALL_LENGTHS = "TOT"


def crisis_centres(reference: Reference, assumptions: dict[str, Any], expenditure: pd.DataFrame) -> pd.DataFrame:
    """KRISE1 from the assumed number of women; the country is the sum of the regions.

    Requires expenditure in fixed prices, against which the printed growth of the unit cost is checked.
    """
    settings, noise, seed = assumptions["crisis_centres"], assumptions["noise"], assumptions["seed"]
    years, home = assumptions["account_years"], assumptions["home_region"]
    women = {
        (region, year): settings["women"][region][i] for region in settings["women"] for i, year in enumerate(years)
    }
    _check_printed(reference, settings, women, expenditure, years, home)
    rows: list[tuple[str, str, str, int, int]] = []
    for (region, year), number in women.items():
        counts = {settings["women_code"]: number}
        for code, per_woman in settings["per_woman"].items():
            share = per_woman[years.index(year)]
            if share:
                share *= lognormal(seed, noise["crisis_centre"], "per woman", region, code, year)
                counts[code] = int(half_away_from_zero(np.array([number * share]))[0])
        lengths = list(settings["lengths"])
        weights = np.array(
            [
                settings["lengths"][length] * lognormal(seed, noise["crisis_centre"], "length", region, length, year)
                for length in lengths
            ]
        )
        for code, count in counts.items():
            rows.append((region, ALL_LENGTHS, code, year, count))
            parts = share_out(weights, count)
            rows += [(region, length, code, year, int(part)) for length, part in zip(lengths, parts, strict=True)]
    table = pd.DataFrame(rows, columns=["BOPREG", "KMDR", "BEBOSTAT", "TID", "INDHOLD"])
    country = reference.areas.loc[reference.areas["type"] == "country", "area_code"].item()
    total = table.groupby(["KMDR", "BEBOSTAT", "TID"], as_index=False)["INDHOLD"].sum().assign(BOPREG=country)
    return pd.concat([table, total[table.columns]], ignore_index=True)


def _check_printed(
    reference: Reference,
    settings: dict[str, Any],
    women: dict[tuple[str, int], int],
    expenditure: pd.DataFrame,
    years: list[int],
    home: str,
) -> None:
    """The women and the expenditure per woman of the home region grow as printed."""
    here = expenditure[(expenditure["category"] == settings["category"]) & (expenditure["region"] == home)]
    spent = here.groupby("year")["kroner"].sum()
    first, last = years[0], years[-1]
    require_growth(reference, settings["printed_women"], women[home, first], women[home, last])
    cost = {year: spent[year] / women[home, year] for year in (first, last)}
    require_growth(reference, settings["printed_unit_cost"], cost[first], cost[last])
