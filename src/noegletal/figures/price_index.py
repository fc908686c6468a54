"""The price index of a build: from the open table NGLK where it was delivered, else and beyond it price_index.csv."""

from pathlib import Path

import pandas as pd

from analysis import areas, danish
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.prices import price_index
from noegletal import rules
from noegletal.sources.corrections import read_corrected
from noegletal.sources.snapshot import TIME, refuse_rows, require_years

TABLE, OF_SERVICES = "NGLK", "pl_service"
CURRENT, FIXED = "AARPRIS", "08PRIS"
SELECT = {"OMRÅDE": {areas.COUNTRY}, "BNØGLE": {"SER"}, "BRUTNETUDG": {"NET"}, "PRISENHED": {CURRENT, FIXED}}
SOURCE = "Danmarks Statistik, NGLK: serviceudgifter pr. indbygger, netto, hele landet"


def used(edition: Edition, raw: Path, delivered: set[str]) -> pd.DataFrame:
    """The index of the edition by year: index, year, value, status, source, reason.

    Years of NGLK are current over fixed prices of it, on the level of price_index.csv in the first of them; the other
    years go on from there by the steps of price_index.csv. Errors: a year of NGLK without both prices, a step that no
    year has.
    """
    table = price_index()
    own = table[table["index"] == edition.price_index].sort_values("year", ignore_index=True)
    if TABLE not in delivered or edition.price_index != OF_SERVICES:
        return own
    prices = _both_prices(edition, raw)
    declared = own.set_index("year")
    known = sorted(set(prices.index) & set(declared.index))
    if not known:
        raise InputError(f"price_index.csv has no year that {TABLE} has, so nothing says how the index goes on")
    first, last = known[0], known[-1]
    ratio = prices[CURRENT] / prices[FIXED]
    values = ratio / ratio[first] * declared.loc[first, "value"]
    after = declared.index > last
    declared.loc[after, "value"] *= values[last] / declared.loc[last, "value"]
    open_ = pd.DataFrame({"index": edition.price_index, "value": values, "status": _status(prices), "source": SOURCE})
    open_["reason"] = [
        f"Løbende priser {danish.kroner(row[CURRENT])} over faste {danish.kroner(row[FIXED])}"
        for _, row in prices.iterrows()
    ]
    declared.loc[after, "reason"] += f"; følger efter NGLK for {last}"
    rest = declared[~declared.index.isin(open_.index)]
    return _with_steps(pd.concat([rest, open_]).sort_index().rename_axis("year").reset_index()[own.columns])


def _both_prices(edition: Edition, raw: Path) -> pd.DataFrame:
    """Kroner in current and in fixed prices and the origin, by year."""
    rows, _ = read_corrected(raw, TABLE, edition, SELECT)
    require_years(rows, TABLE, edition.tables[TABLE].years.all)
    refuse_rows(rows[~(rows["value"] > 0)], "VAERDI-02", "{value:g} is no amount that a price index can be made of")
    rows = rows.assign(year=rows[TIME].astype(int))
    prices = rows.pivot(index="year", columns="PRISENHED", values="value").reindex(columns=[CURRENT, FIXED])
    if prices.isna().any(axis=None):
        year = prices.index[prices.isna().any(axis=1)][0]
        raise InputError(f"{TABLE} has not both current and fixed prices of {year}; fetch it again", rule="DAEK-04")
    return prices.assign(origin=rows.groupby("year")["origin"].agg(lambda origins: "".join(sorted(set(origins)))))


def _status(prices: pd.DataFrame) -> pd.Series:
    return prices["origin"].map(lambda origin: "assumed" if "reconstruction" in origin else "published")


def _with_steps(index: pd.DataFrame) -> pd.DataFrame:
    """The index, once its steps are such as a year can have."""
    limits = rules.catalogue().thresholds.price_step
    steps = 100 * index["value"].pct_change()
    for year, step in zip(index["year"][1:], steps[1:], strict=True):
        if not limits.lowest <= step <= limits.highest:
            raise InputError(
                f"{TABLE}: the price index goes {step:.1f} per cent to {year}; a year's step is {limits.lowest:g} to "
                f"{limits.highest:g} (price_step in quality.yml)",
                rule="VAERDI-02",
            )
    return index
