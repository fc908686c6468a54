"""What herberger (SEL § 110) cost: takst and ceiling, state refund, scenarios and what moves them.

Shares and growth are in pct. (0-100), amounts in kroner of the price level that the caller names. Every rule, date and
assumption is declared in `data/reference/shelter_rules.yml` (`shelter_rules`).
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from analysis import areas
from analysis.errors import InputError
from analysis.herberg.rules import Scenario, Side, rules, scenario
from analysis.herberg.stays import nights_beyond
from analysis.herberg.use import spans
from analysis.prices import index_factor

TOTAL = "i_alt"
NO_RATE, NO_PRICE_YEAR = "taksten mangler", "takstens prisår mangler"
PRICED = ["provider", "municipality", "cluster", "ownership", "places", "rate", "left_out"]
STATISTICS = ["mean", "p10", "p90", "highest", "share_above"]
SUMMARY = ["ownership", "places", "places_priced", "providers_left_out", *STATISTICS]
SCENARIO_COLUMNS = ["scenario", "label", "year", "area_code", "gross", "refund", "net"]

Outcome = Literal["net", "gross", "places"]
# Which variables of the sensitivity analysis an outcome depends on.
ACTING: dict[Outcome, tuple[str, ...]] = {
    "net": ("need", "length_of_stay", "rate", "ceiling_share", "refund_days", "occupancy"),
    "gross": ("need", "length_of_stay", "rate", "ceiling_share", "occupancy"),
    "places": ("need", "length_of_stay", "occupancy"),
}


def ceiling(year: int, index: pd.DataFrame) -> float:
    """The ceiling on the takst, kroner per døgn in the prices of a year; errors as for `index_factor`."""
    declared = rules().ceiling
    return declared.rate * index_factor(index, declared.price_year, year)


def prices(places: pd.DataFrame, kkr: str, year: int, index: pd.DataFrame) -> pd.DataFrame:
    """The takst of each tilbud in the latest place list of a KKR, in the prices of `year`.

    Requires facts `shelter_places`; returns provider, municipality, cluster, ownership, places, rate (kr. per døgn, NaN
    where it is left out) and left_out (Danish, empty where the takst counts). Without a place list the frame is empty.
    Errors: a price year that the index lacks.
    """
    listed = places[places["kkr"] == kkr]
    latest = listed[listed["year"] == listed["year"].max()].reset_index(drop=True)
    factors = {given: index_factor(index, int(given), year) for given in latest["price_year"].dropna().unique()}
    left_out = np.select([latest["rate"].isna(), latest["price_year"].isna()], [NO_RATE, NO_PRICE_YEAR], default="")
    rate = latest["rate"] * latest["price_year"].map(factors).astype(float)
    table = latest.assign(rate=rate, left_out=left_out)
    return table[PRICED].astype({"left_out": "str"})


def price_summary(priced: pd.DataFrame, highest_allowed: float) -> pd.DataFrame:
    """How the takster lie against the ceiling, weighted with places, by ownership and in all.

    Requires `prices` and a ceiling in the same prices. Returns ownership (and `i_alt`, last), places, places_priced,
    providers_left_out, mean, p10, p90, highest (kr. per døgn, NaN without a takst), share_above (pct. of places with a
    takst). p10 is the lowest takst that at least a tenth of the places have or are below; p90 likewise.
    """
    rows = [{"ownership": kind, **_summary(group, highest_allowed)} for kind, group in _by_ownership(priced)]
    return pd.DataFrame(rows, columns=SUMMARY)


def cost_at_ceiling(priced: pd.DataFrame, highest_allowed: float, occupancy: float) -> pd.DataFrame:
    """What a year costs at today's takst, and what the ceiling can do to it at unchanged use.

    Requires `prices` and a ceiling in the same prices; `occupancy` is the pct. of the places that are in use. Returns
    ownership (and `i_alt`, last), occupied (places with a known takst x occupancy), today, capped (only those above are
    cut: the lowest cost), at_ceiling (all end at the ceiling: the highest), all in kr. per year. Places without a takst
    are in none of it. Errors: an occupancy outside 0-100.
    """
    used = _checked_occupancy(occupancy) / 100
    days = rules().days_in_price_year.days
    rows = []
    for kind, group in _by_ownership(_known(priced)):
        occupied = group["places"] * used
        rows.append(
            {
                "ownership": kind,
                "occupied": occupied.sum(),
                "today": (occupied * group["rate"]).sum() * days,
                "capped": (occupied * group["rate"].clip(upper=highest_allowed)).sum() * days,
                "at_ceiling": occupied.sum() * highest_allowed * days,
            }
        )
    return pd.DataFrame(rows, columns=["ownership", "occupied", "today", "capped", "at_ceiling"])


def refundable_shares(stays: pd.DataFrame, kkr: str, days: Iterable[int] | None = None) -> pd.Series | None:
    """Pct. of the nights paid by a KKR that lie within a limit, by limit; None without stays.

    Requires facts `shelter_stays`. `days`: limits to measure, by default every one that the rules name. The payer is
    the home municipality, or the host's where home is not known. The days of a citizen are counted over all herberger
    in running years as `stay_lengths.nights_beyond` does; what happened before the window is known only for stays that
    reach into it, which can move the share either way.
    Errors: a stay that ends before it begins.
    """
    paid = stays["home_kkr"].where(stays["home"] != "", stays["host_kkr"]) == kkr
    # The days that another KKR pays for count towards the same limit.
    theirs = stays[stays["person"].isin(stays.loc[paid, "person"])]
    counted = paid[theirs.index]
    nights = spans(theirs).loc[counted, "nights"].sum() if len(theirs) else 0
    if not nights:
        return None
    limits = sorted(set(_known_limits() if days is None else days))
    shares = [100 * (1 - nights_beyond(theirs, limit)[counted].sum() / nights) for limit in limits]
    return pd.Series(shares, index=pd.Index(limits, name="days"), name="refundable", dtype=float)


def limits_of_year(year: int) -> pd.Series:
    """The share (0-1) of a calendar year that each refund limit is in force, by days.

    Errors: a year that begins before the first limit.
    """
    limits = rules().refund.limits
    if datetime.date(year, 1, 1) < limits[0].from_date:
        raise InputError(
            f"shelter_rules.yml: refund.limits begin {limits[0].from_date}; the rule for all of {year} is not declared"
        )
    dates = pd.date_range(f"{year}-01-01", f"{year}-12-31")
    starts = pd.DatetimeIndex([limit.from_date for limit in limits])
    in_force = np.array([limit.days for limit in limits])[starts.searchsorted(dates, side="right") - 1]
    return pd.Series(in_force, name="days").value_counts(normalize=True).sort_index()


def refundable_in_year(refundable: pd.Series | None, year: int) -> float:
    """Pct. of the nights that the state refunds in a calendar year: the limits in force, weighted by their days.

    Requires `refundable_shares`; NaN without them. Errors: a limit in force that they lack.
    """
    if refundable is None:
        return float("nan")
    held = limits_of_year(year)
    return float((held * held.index.map(lambda days: _of_limit(refundable, days))).sum())


def net_cost(
    gross: float | pd.Series, refundable_share: float | pd.Series | None, refund_share: float
) -> float | pd.Series:
    """Gross cost less the state refund: gross x (1 - refundable x refund), shares in pct.

    NaN where the refundable share is not known (None or NaN). Errors: negative cost, a share outside 0-100.
    """
    if np.any(np.asarray(gross) < 0):
        raise InputError("gross cost is negative; the refund of a negative cost is not defined: check the amounts")
    refundable = float("nan") if refundable_share is None else refundable_share
    for what, share in (("refundable share", refundable), ("refund share", refund_share)):
        values = np.asarray(share, dtype=float)
        if np.any((values < 0) | (values > 100)):
            raise InputError(f"the {what} is a pct. between 0 and 100, not {np.atleast_1d(values).tolist()}")
    return gross * (1 - refundable / 100 * refund_share / 100)


def municipal_cost(
    expenditure: pd.DataFrame, kkr: str, year: int, price_level: int, index: pd.DataFrame
) -> pd.DataFrame:
    """What each municipality of a KKR spent on herberger in a year, before refund, in the prices of `price_level`.

    Requires municipality, year, kroner (current prices): facts `shelter_expenditure`, or accounts with these columns.
    Returns area_code, year, gross; a row for every municipality, NaN where none is delivered. Errors, in Danish: a year
    without any expenditure, a municipality twice, a negative amount.
    """
    local = expenditure[expenditure["municipality"].isin(areas.members(kkr))]
    rows = local[local["year"] == year]
    if rows.empty:
        there = ", ".join(map(str, sorted(local["year"].unique()))) or "ingen"
        raise InputError(
            f"Udgifter til herberger: {areas.name(kkr)} har ingen udgifter for {year}; årene i leverancen er: {there}"
        )
    for problem, wrong in (("står to gange", rows["municipality"].duplicated()), ("er negativ", rows["kroner"] < 0)):
        if wrong.any():
            name = areas.name(rows.loc[wrong, "municipality"].iloc[0])
            raise InputError(
                f"Udgifter til herberger: {name} {year} {problem}; ret beløbet i leverancen til udgiften til kommunens "
                "egne borgere før refusion"
            )
    kroner = rows.set_index("municipality")["kroner"].reindex(areas.members(kkr)).astype(float)
    gross = (kroner * index_factor(index, year, price_level)).rename("gross")
    return gross.rename_axis("area_code").reset_index().assign(year=year)[["area_code", "year", "gross"]]


def yearly_expenditure(expenditure: pd.DataFrame, kkr: str, price_level: int, index: pd.DataFrame) -> pd.Series:
    """What the municipalities of a KKR spent together, by year, before refund, in the prices of `price_level`.

    Requires and errors as `municipal_cost`; a year that lacks a municipality is left out.
    """
    years = sorted(expenditure.loc[expenditure["municipality"].isin(areas.members(kkr)), "year"].unique())
    sums = {
        year: municipal_cost(expenditure, kkr, year, price_level, index)["gross"].sum(skipna=False) for year in years
    }
    return pd.Series(sums, name="gross", dtype=float).dropna()


def scenario_factors(
    priced: pd.DataFrame,
    refundable: pd.Series | None,
    *,
    base_year: int,
    last_year: int,
    price_level: int,
    index: pd.DataFrame,
    need: pd.DataFrame | None = None,
    names: Iterable[str] | None = None,
) -> pd.DataFrame:
    """What each scenario multiplies the cost of the base year with, year by year.

    `priced`: `prices` in the prices of `price_level`; empty or without takster, only real growth moves the price.
    `refundable`: `refundable_shares`. `need`: year, low, mean, high of a forecast in any unit from the base year on;
    without it the growth that the rules state. Returns scenario, label, year, need, length_of_stay, price (factors, 1
    in the base year), refundable (pct., NaN when not known). Errors: an unknown scenario, a last year before the base
    year or beyond the price index, a base year after the changes that a scenario plans, a year that `need` lacks.
    """
    names = list(rules().scenarios) if names is None else list(names)
    chosen = {name: scenario(name) for name in names}
    if last_year < base_year:
        raise InputError(f"the last year {last_year} is before the base year {base_year} of the scenarios")
    years = range(base_year, last_year + 1)
    for year in years:
        index_factor(index, price_level, year)
    highest_allowed = ceiling(price_level, index)
    rows = []
    for name, plan in chosen.items():
        for year in years:
            setting = _setting(plan, refundable, base_year, year, need)
            rows.append(
                {
                    "scenario": name,
                    "label": plan.label,
                    "year": year,
                    "need": setting.need,
                    "length_of_stay": setting.length_of_stay,
                    "price": _price_factor(priced, highest_allowed, setting),
                    "refundable": setting.refundable,
                }
            )
    return pd.DataFrame(rows)


def scenarios(
    gross: pd.DataFrame,
    priced: pd.DataFrame,
    refundable: pd.Series | None,
    *,
    last_year: int,
    price_level: int,
    index: pd.DataFrame,
    need: pd.DataFrame | None = None,
    names: Iterable[str] | None = None,
) -> pd.DataFrame:
    """The cost of herberger by scenario, year and municipality, from the year of the accounts to `last_year`.

    Requires `municipal_cost` of one year; the other arguments and errors as for `scenario_factors`. Returns scenario,
    label, year, area_code, gross, refund, net in the fixed prices of `gross`; every row of a scenario and year moves by
    the same factor, so that the municipalities add up to the KKR. Refund and net are NaN when the refundable share is
    not known, all three where a municipality's expenditure is. Errors: negative cost, cost of several years.
    """
    base_year = _base_year(gross)
    factors = scenario_factors(
        priced,
        refundable,
        base_year=base_year,
        last_year=last_year,
        price_level=price_level,
        index=index,
        need=need,
        names=names,
    )
    table = factors.merge(gross[["area_code", "gross"]], how="cross")
    table["gross"] *= table["need"] * table["length_of_stay"] * table["price"]
    table["net"] = net_cost(table["gross"], table["refundable"], rules().refund.share)
    return table.assign(refund=table["gross"] - table["net"])[SCENARIO_COLUMNS]


def sensitivity(
    gross: pd.DataFrame,
    priced: pd.DataFrame,
    refundable: pd.Series | None,
    *,
    year: int,
    price_level: int,
    index: pd.DataFrame,
    occupancy: float,
    need: pd.DataFrame | None = None,
    outcome: Outcome = "net",
    occupied: float | None = None,
) -> pd.DataFrame:
    """What one variable at a time does to the cost of a KKR, or to its places, in a year of the middle scenario.

    Arguments and errors as for `scenarios`. `occupancy`: the pct. of the places in use that takster and places are
    planned with. `outcome`: net or gross cost in kr., or places, which needs `occupied`, the mean number of places in
    use today. Returns variable, label, unit, low_value, base_value, high_value, low, base, high (the outcome at each
    value), span (largest less smallest), widest first; only variables that act on the outcome.
    """
    base_year = _base_year(gross)
    if year <= base_year:
        raise InputError(f"the sensitivity analysis needs a year after the base year {base_year}, not {year}")
    if outcome == "places" and occupied is None:
        raise InputError("the outcome places needs `occupied`, the mean number of places in use today")
    if outcome == "net" and refundable is None:
        raise InputError("net cost needs the refundable share of the nights; without stays choose the outcome gross")
    used = _checked_occupancy(occupancy)
    index_factor(index, price_level, year)
    highest_allowed = ceiling(price_level, index)
    whole = gross["gross"].sum(skipna=False)

    def result(setting: _Setting) -> float:
        nights = setting.need * setting.length_of_stay
        if outcome == "places":
            return occupied * nights / (used / 100 * setting.occupancy)
        cost = whole * nights * _price_factor(priced, highest_allowed, setting)
        return cost if outcome == "gross" else net_cost(cost, setting.refundable, rules().refund.share)

    base = _setting(scenario(rules().sensitivity.scenario), refundable, base_year, year, need)
    variations = _variations(base, refundable, base_year, year, need, used)
    rows = []
    for variable in ACTING[outcome]:
        span, values, (low, high) = getattr(rules().sensitivity.variables, variable), *variations[variable]
        rows.append([variable, span.label, span.unit, *values, result(low), result(base), result(high)])
    columns = ["variable", "label", "unit", "low_value", "base_value", "high_value", "low", "base", "high"]
    table = pd.DataFrame(rows, columns=columns)
    ends = table[["low", "base", "high"]]
    table["span"] = ends.max(axis=1) - ends.min(axis=1)
    return table.sort_values("span", ascending=False, kind="stable", ignore_index=True)


@dataclass(frozen=True)
class _Setting:
    """Where every variable stands in one year: factors on today, pct. of the way to the ceiling and of nights.

    `phase` (0-1) is how much of the change to the ceiling has come, `occupancy` is relative to the planned one.
    """

    need: float
    length_of_stay: float
    rate: float
    ceiling_share: float
    phase: float
    refundable: float
    occupancy: float = 1.0


def _setting(
    plan: Scenario, refundable: pd.Series | None, base_year: int, year: int, need: pd.DataFrame | None
) -> _Setting:
    timeline = rules().timeline
    stay = plan.length_of_stay
    return _Setting(
        need=_need_factor(need, plan.need.forecast, plan.need.yearly_growth, base_year, year),
        length_of_stay=1 + stay.change / 100 * _travelled(year, base_year, stay.by),
        rate=(1 + plan.price.yearly_growth / 100) ** (year - base_year),
        ceiling_share=plan.price.ceiling_share,
        phase=_travelled(year, max(base_year, timeline.decision.date.year), timeline.contracts.date.year),
        refundable=refundable_in_year(refundable, year),
    )


def _variations(
    base: _Setting, refundable: pd.Series | None, base_year: int, year: int, need: pd.DataFrame | None, used: float
) -> dict[str, tuple[tuple[float, float, float], tuple[_Setting, _Setting]]]:
    """By variable: its low, base and high value as a reader sees them, and the settings at low and high."""
    declared = rules().sensitivity.variables
    needs = [_need_factor(need, side, getattr(declared.need, side), base_year, year) for side in ("low", "high")]
    stays, rates, shares, days, occupancies = (
        (span.low, span.high)
        for span in (
            declared.length_of_stay,
            declared.rate,
            declared.ceiling_share,
            declared.refund_days,
            declared.occupancy,
        )
    )
    found = {
        "need": (
            tuple((factor - 1) * 100 for factor in (needs[0], base.need, needs[1])),
            tuple(replace(base, need=factor) for factor in needs),
        ),
        "length_of_stay": (
            (stays[0], 0.0, stays[1]),
            tuple(replace(base, length_of_stay=base.length_of_stay * (1 + change / 100)) for change in stays),
        ),
        "rate": (
            (rates[0], 0.0, rates[1]),
            tuple(replace(base, rate=base.rate * (1 + change / 100)) for change in rates),
        ),
        "ceiling_share": (
            (shares[0], base.ceiling_share, shares[1]),
            tuple(replace(base, ceiling_share=share) for share in shares),
        ),
        "occupancy": (
            (occupancies[0], used, occupancies[1]),
            tuple(replace(base, occupancy=share / used) for share in occupancies),
        ),
    }
    if refundable is not None:
        in_force = limits_of_year(year)
        found["refund_days"] = (
            (days[0], float((in_force * in_force.index).sum()), days[1]),
            tuple(replace(base, refundable=_of_limit(refundable, limit)) for limit in days),
        )
    return found


def _price_factor(priced: pd.DataFrame, highest_allowed: float, setting: _Setting) -> float:
    """The mean takst of a setting over today's, from the takst and the places of each tilbud."""
    # A takst pays for the empty days too: fewer places in use, dearer døgn.
    level = setting.rate / setting.occupancy
    known = _known(priced)
    if known.empty:
        return level
    grown = known["rate"] * level
    capped = grown.clip(upper=highest_allowed)
    agreed = capped + setting.ceiling_share / 100 * (highest_allowed - capped)
    reached = grown + setting.phase * (agreed - grown)
    return float(np.average(reached, weights=known["places"]) / np.average(known["rate"], weights=known["places"]))


def _need_factor(need: pd.DataFrame | None, side: Side, growth: float, base_year: int, year: int) -> float:
    """The need of a year over that of the base year: a side of the forecast, or even growth in pct. per year."""
    if year == base_year:
        return 1.0
    if need is None:
        return (1 + growth / 100) ** (year - base_year)
    levels = need.set_index("year")[["low", "mean", "high"]].dropna()
    absent = [str(wanted) for wanted in (base_year, year) if wanted not in levels.index]
    if absent:
        raise InputError(f"the forecast of the need lacks {', '.join(absent)}; it must hold each year from {base_year}")
    today = levels.loc[base_year, "mean"]
    if not today > 0:
        raise InputError(f"the forecast of the need is {today:g} in {base_year}; it must be above zero to grow from")
    return float(levels.loc[year, side] / today)


def _travelled(year: int, start: int, end: int) -> float:
    """How much of an even change from one year to another has come, 0-1."""
    if end <= start:
        raise InputError(
            f"shelter_rules.yml plans a change until {end}, which is not after {start}: the accounts hold it already; "
            "give the rules a later year"
        )
    return min(max((year - start) / (end - start), 0.0), 1.0)


def _base_year(gross: pd.DataFrame) -> int:
    years = gross["year"].unique()
    if len(years) != 1:
        raise InputError(
            f"scenarios start from the cost of one year; the rows hold {', '.join(map(str, years)) or 'none'}"
        )
    if (gross["gross"] < 0).any():
        name = gross.loc[gross["gross"] < 0, "area_code"].iloc[0]
        raise InputError(f"gross cost of area {name} is negative; scenarios need what it spends before refund")
    return int(years[0])


def _known_limits() -> set[int]:
    span = rules().sensitivity.variables.refund_days
    return {*(limit.days for limit in rules().refund.limits), span.low, span.high}


def _of_limit(refundable: pd.Series, days: int) -> float:
    if days not in refundable.index:
        raise InputError(f"the refundable share is not measured for {days} days; measure it with refundable_shares")
    return float(refundable[days])


def _known(priced: pd.DataFrame) -> pd.DataFrame:
    return priced[priced["left_out"] == ""]


def _by_ownership(priced: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each ownership, and last of all; nothing without rows."""
    return [*priced.groupby("ownership"), (TOTAL, priced)] if len(priced) else []


def _summary(group: pd.DataFrame, highest_allowed: float) -> dict[str, float]:
    known = _known(group)
    facts = {
        "places": int(group["places"].sum()),
        "places_priced": int(known["places"].sum()),
        "providers_left_out": len(group) - len(known),
    }
    if known.empty:
        return facts | dict.fromkeys(STATISTICS, float("nan"))
    rates, weights = known["rate"].to_numpy(), known["places"].to_numpy(dtype=float)
    low, high = np.quantile(rates, [0.1, 0.9], weights=weights, method="inverted_cdf")
    # To the øre: a takst set at the ceiling must not pass it by the last bit of a factor.
    above = rates.round(2) > round(highest_allowed, 2)
    return facts | {
        "mean": float(np.average(rates, weights=weights)),
        "p10": float(low),
        "p90": float(high),
        "highest": float(rates.max()),
        "share_above": float(np.average(above, weights=weights) * 100),
    }


def _checked_occupancy(occupancy: float) -> float:
    if not 0 < occupancy <= 100:
        raise InputError(f"occupancy is a pct. above 0 and at most 100, not {occupancy:g}")
    return occupancy
