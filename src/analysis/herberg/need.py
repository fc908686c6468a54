"""Herberg capacity of a KKR: the places there are, and the places needed by four methods that assume different things.

No method is right: each says what it assumes, in Danish, and `need_interval` gives the range that they span. A KKR is
named by the code of the region with the same municipalities.
"""

import math
from typing import NamedTuple

import pandas as pd

from analysis import areas
from analysis.danish import number, percent, rounded
from analysis.errors import InputError
from analysis.herberg import queueing
from analysis.herberg.stays import SteadyState, steady_state
from analysis.herberg.use import Level, census, level

PUBLIC = ("kommunal", "regional")
OTHER = ("selvejende", "privat")
LABELS = {
    "realised": "Realiseret brug",
    "queueing": "Kømodel",
    "rates": "Sammenligning med andre KKR",
    "arrivals": "Tilgang og opholdslængde",
}
# Where the loss model needs more than every second to have been refused today, it rests on the last free places alone.
LARGEST_REFUSAL = 0.5
# With fewer departures than this in the extract, a mean length of stay rests on single citizens.
FEWEST_DEPARTURES = 20
PER_ADULTS, PER_HOMELESS = 10_000, 100
# What is whole but for the rounding of the machine is not rounded up to the next place.
DECIMALS = 9
NO_USE = "Der er hverken ophold eller registreringer for KKR-området."

Row = tuple[str, str, float, float, float, str, bool, str]


class Interval(NamedTuple):
    """From the lowest to the highest number of places, with the Danish names of the methods at each end.

    `methods` is how many methods it rests on; without any, `low` and `high` are NaN and the names empty.
    """

    low: float
    high: float
    low_label: str
    high_label: str
    methods: int


def today(places: pd.DataFrame, kkr: str) -> pd.DataFrame:
    """The herberger of a KKR in the latest year it has on the place list.

    Requires kkr, year, ownership, places; returns the same columns. Empty when the KKR has none. Errors: an ownership
    that is not known.
    """
    own = _owned(places[places["kkr"] == kkr])
    return own[own["year"] == own["year"].max()].reset_index(drop=True)


def places_by_year(places: pd.DataFrame, kkr: str) -> pd.DataFrame:
    """Places of a KKR by year and ownership: year, ownership, places. Requires and errors as `today`."""
    own = _owned(places[places["kkr"] == kkr])
    return own.groupby(["year", "ownership"], as_index=False)["places"].sum()


def private_share(places: pd.DataFrame) -> pd.DataFrame:
    """The shares of places that are not public, by year, of the rows given (such as those of `today`).

    Requires year, ownership, places. Returns year, places, other_share (selvejende and privat, pct.), private_share
    (privat alone, pct.). Errors as `today`.
    """
    owned = _owned(places)
    table = owned.groupby("year")["places"].sum().to_frame()
    for name, kinds in (("other_share", OTHER), ("private_share", ("privat",))):
        chosen = owned[owned["ownership"].isin(kinds)].groupby("year")["places"].sum()
        table[name] = chosen.reindex(table.index).fillna(0.0) / table["places"] * 100
    return table.reset_index()


def rates(
    places: pd.DataFrame, stays: pd.DataFrame, registrations: pd.DataFrame, adults: pd.Series, homeless: pd.DataFrame
) -> pd.DataFrame:
    """What the five KKR are compared by: their places, use and citizens, and places and use per citizen.

    Parameters as for `need`. Returns, one row per KKR: kkr, places (latest year of the list), occupied (mean of the
    latest year known), adults, homeless (the latest year that all with figures share), places_per_10000,
    occupied_per_10000 (adults), places_per_100_homeless, occupied_per_100_homeless; NaN where not delivered.
    """
    latest = homeless[homeless["year"] == homeless["year"].max()]
    table = pd.DataFrame({"kkr": pd.Series(areas.regions(), dtype="str")})
    listed_places = [today(places, kkr)["places"].sum() for kkr in table["kkr"]]
    use = [level(stays, registrations, kkr) for kkr in table["kkr"]]
    counted = latest.groupby("kkr")["homeless"].sum(skipna=False)
    table["places"] = pd.Series(listed_places, dtype=float).replace(0.0, math.nan)
    table["occupied"] = pd.Series([one.mean if one else math.nan for one in use], dtype=float)
    table["adults"] = table["kkr"].map(adults).astype(float)
    table["homeless"] = table["kkr"].map(counted).astype(float)
    for base, per, name in (("adults", PER_ADULTS, "10000"), ("homeless", PER_HOMELESS, "100_homeless")):
        for measure in ("places", "occupied"):
            table[f"{measure}_per_{name}"] = table[measure] / table[base].where(table[base] > 0) * per
    return table


def need(
    kkr: str,
    *,
    target_occupancy: float,
    refusal: float,
    places: pd.DataFrame,
    stays: pd.DataFrame,
    registrations: pd.DataFrame,
    adults: pd.Series,
    homeless: pd.DataFrame,
) -> pd.DataFrame:
    """The places a KKR needs, by four methods; one row per method, also those that lack a figure.

    `target_occupancy`: the share of places taken that one plans for (0.9 for 90 pct.); `refusal`: the share of those
    asking that may find all places taken. Frames: the facts shelter_places, shelter_stays, shelter_registrations,
    shelter_homeless, any of them empty; `adults`: persons of 18 and over by KKR. Use is that of the latest year known
    (`shelter_use.level`).

    - realised: mean occupied / target occupancy; low and high with the occupied places of quiet and busy nights (10th
      and 90th percentile).
    - queueing: Erlang's loss model. Middle: the offered load behind today's use, the KKR as one pool; low: today's use
      taken as all that was asked for; high: the same offered load with each cluster on its own.
    - rates: occupied places per adult in the other KKR, for the KKR's own adults, / target occupancy; lowest, median
      and highest of them. Places instead of occupied places, and no target, when the use of another KKR is not known.
    - arrivals: arrivals per day x mean length of stay / target occupancy; low and high from `steady_state`.

    Returns method, label (Danish), low, middle, high (whole places, rounded up; NaN when not computable), assumption
    (Danish), computable, reason (Danish, when not computable). Errors: a target or refusal outside its range, a KKR
    that is not known.
    """
    if kkr not in areas.regions():
        raise InputError(f"kkr must be one of the regions {', '.join(areas.regions())}: {kkr!r}")
    if not 0 < target_occupancy <= 1:
        raise InputError(
            f"target_occupancy must be above 0 and at most 1, such as 0.9 for 90 pct.: {target_occupancy}; "
            "nobody can plan for more occupied places than there are"
        )
    if not 0 < refusal < 1:
        raise InputError(f"refusal must be above 0 and below 1, such as 0.05 for 5 pct.: {refusal}")
    used = level(stays, registrations, kkr)
    compared = rates(places, stays, registrations, adults, homeless)
    rows = [
        _realised(used, target_occupancy),
        _queueing(used, places_in_use(places, kkr, used), _by_cluster(stays, kkr), refusal),
        _rates(compared[compared["kkr"] == kkr].iloc[0], compared[compared["kkr"] != kkr], target_occupancy),
        _arrivals(steady_state(stays, kkr), target_occupancy),
    ]
    columns = {
        "method": "str",
        "label": "str",
        "low": float,
        "middle": float,
        "high": float,
        "assumption": "str",
        "computable": bool,
        "reason": "str",
    }
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def need_interval(methods: pd.DataFrame) -> Interval:
    """The range of places that the methods of `need` span: from the lowest to the highest of their middles.

    The middle of a method is its best reading, so the range shows what it matters which assumption one believes; the
    low and high of each method, which say how sure it is of itself, are shown beside it and not added. With a single
    method to go by there is no such range, and its own low and high are given.
    """
    known = methods[methods["computable"]]
    if known.empty:
        return Interval(math.nan, math.nan, "", "", 0)
    if len(known) == 1:
        only = known.iloc[0]
        return Interval(float(only["low"]), float(only["high"]), only["label"], only["label"], 1)
    lowest, highest = known.loc[known["middle"].idxmin()], known.loc[known["middle"].idxmax()]
    ends = float(lowest["middle"]), float(highest["middle"])
    return Interval(*ends, lowest["label"], highest["label"], len(known))


def consequences(choices: dict[str, float], used: Level, housed: int, other_share: float) -> pd.DataFrame:
    """What it would mean to choose a number of places, given today's search for them.

    `choices`: places by what the choice is called, NaN ones left out; `used` was housed in `housed` places
    (`places_in_use`); `other_share` is the pct. of places that are not public. Returns, fewest places first: label,
    places, other_places (to tender), occupancy_pct, refused_pct (of those who ask), by Erlang's loss model for the KKR
    as one pool; both NaN where today is so full that the search cannot be read from it, as in `need`.
    """
    offered = _offered(used, housed)
    rows = []
    for label, wanted in choices.items():
        if math.isnan(wanted):
            continue
        chosen = _whole(wanted)
        refused = math.nan if offered is None else queueing.blocking(offered, chosen)
        taken = math.nan if offered is None or not chosen else offered * (1 - refused) / chosen
        rows.append((label, chosen, int(rounded(chosen * other_share / 100)), taken * 100, refused * 100))
    table = pd.DataFrame(rows, columns=["label", "places", "other_places", "occupancy_pct", "refused_pct"])
    return table.sort_values("places", kind="stable", ignore_index=True)


def places_in_use(places: pd.DataFrame, kkr: str, used: Level | None) -> int:
    """The places at the time of the use: those of the year on the list that lies nearest to it, the later of two."""
    own = places[places["kkr"] == kkr]
    if used is None or own.empty:
        return 0
    nearest = max(own["year"].unique(), key=lambda year: (-abs(year - used.last.year), year))
    return int(own.loc[own["year"] == nearest, "places"].sum())


def _offered(used: Level, housed: int) -> float | None:
    """The load offered behind the use, or None where it would rest on the last free places alone."""
    if not used.mean < housed:
        return None
    offered = queueing.offered_load(used.mean, housed)
    return offered if used.mean >= (1 - LARGEST_REFUSAL) * offered else None


def _realised(used: Level | None, target: float) -> Row:
    if used is None:
        return _lacking("realised", NO_USE)
    kind = "nætter" if used.source == "stays" else "måneder eller kvartaler"
    return _computed(
        "realised",
        (used.quiet / target, used.mean / target, used.busy / target),
        f"Brugen bliver som i perioden {_period(used)} med {number(used.mean, 1)} optagne pladser i gennemsnit, og "
        f"{_pct(target)} af pladserne er optaget. Lavt og højt tal svarer til stille og travle {kind}: en tiendedel af "
        "tiden ligger under det ene og en tiendedel over det andet. Borgere, der er afvist, er ikke talt med.",
    )


def _queueing(used: Level | None, housed: int, shares: pd.Series, refusal: float) -> Row:
    if used is None:
        return _lacking("queueing", NO_USE)
    if not housed:
        return _lacking("queueing", "Pladslisten har ingen herberger i KKR-området.")
    offered = _offered(used, housed)
    if offered is None:
        return _lacking(
            "queueing",
            f"Der var {number(used.mean, 1)} optagne pladser i gennemsnit til {number(housed)} på pladslisten. Når der "
            "er så fuldt, viser brugen ikke, hvor mange der er gået forgæves.",
        )
    middle = queueing.places_needed(offered, refusal)
    alone = sum(queueing.places_needed(offered * share, refusal) for share in shares) if len(shares) else middle
    taken = offered * (1 - queueing.blocking(offered, middle)) / middle if middle else 0.0
    assumption = (
        f"Borgerne kommer tilfældigt og uafhængigt af hinanden, og højst {_pct(refusal)} må møde et fuldt hus; de går "
        "igen og venter ikke. Midten: alle herberger i KKR-området deler pladserne, og de, der er afvist i dag, er "
        f"regnet med ud fra, hvor fuldt der er; så er {percent(taken * 100)} af pladserne optaget. Lavt: ingen er "
        "afvist i dag. "
    )
    assumption += (
        "Højt: hver klynge for sig, så en ledig plads i én klynge ikke hjælper en anden."
        if len(shares)
        else "Højt er som midten, fordi brugen i klyngerne ikke er kendt."
    )
    if middle < used.mean:
        assumption += f" Midten er lavere end brugen i dag, fordi {_pct(refusal)} må afvises."
    return _computed("queueing", (queueing.places_needed(used.mean, refusal), middle, alone), assumption)


def _rates(own: pd.Series, others: pd.DataFrame, target: float) -> Row:
    if not own["adults"] > 0:
        return _lacking("rates", "Der er intet folketal for KKR-området.")
    others = others[others["adults"] > 0]
    # The same measure for all, or the comparison would be of the measures.
    measure = "occupied" if len(others) and others["occupied"].notna().all() else "places"
    others = others.dropna(subset=[measure])
    if others.empty:
        return _lacking("rates", "Der er hverken brug, pladser eller folketal for andre KKR.")
    # Places include the empty ones already.
    share = target if measure == "occupied" else 1.0
    ratios = others[f"{measure}_per_{PER_ADULTS}"]
    figures = tuple(ratios.agg(["min", "median", "max"]))
    noun = "optagne pladser" if measure == "occupied" else "pladser"
    compared = f"de {number(len(others))} andre KKR, der er tal for" if len(others) > 1 else "den ene anden KKR med tal"
    assumption = (
        f"Pr. 10.000 voksne er der samme antal {noun} som i {compared}: lavest {number(figures[0], 1)}, median "
        f"{number(figures[1], 1)}, højest {number(figures[2], 1)}. "
        + (f"{_pct(target)} af pladserne er optaget. " if measure == "occupied" else "")
        + "Forskelle i hjemløshed, opholdenes længde og andre tilbud er ikke regnet med."
    )
    by_homeless = others[f"{measure}_per_{PER_HOMELESS}_homeless"]
    if own["homeless"] > 0 and by_homeless.notna().all():
        middle = by_homeless.median() / PER_HOMELESS * own["homeless"] / share
        assumption += f" Sammenlignet pr. hjemløs i stedet for pr. voksen er midten {number(_whole(middle))} pladser."
    low, middle, high = (figure / PER_ADULTS * own["adults"] / share for figure in figures)
    return _computed("rates", (low, middle, high), assumption)


def _arrivals(state: SteadyState | None, target: float) -> Row:
    if state is None:
        return _lacking(
            "arrivals",
            "Der er ingen enkelte ophold for KKR-området, og antallet af døgn alene giver det samme som den "
            "realiserede brug.",
        )
    if state.length.departures < FEWEST_DEPARTURES or not state.arrivals_per_day:
        return _lacking(
            "arrivals",
            f"Der er for få ophold: {number(state.length.departures)} er set slutte, og der skal mindst "
            f"{number(FEWEST_DEPARTURES)} til."
            if state.arrivals_per_day
            else "Der er ingen nye ophold i det seneste år.",
        )
    length = state.length
    assumption = (
        f"Der begynder {number(state.arrivals_per_day, 1)} ophold om dagen som i det seneste år, opholdene varer i "
        f"gennemsnit {number(length.mean, 1)} døgn, og {_pct(target)} af pladserne er optaget. Ophold, der var i gang, "
        "da perioden begyndte, eller ikke er slut, tæller med den tid, de kan følges. Lavt og højt tal viser den "
        "tilfældige usikkerhed (80 pct.)."
    )
    if length.open_share > 0:
        assumption += (
            f" {_pct(length.open_share)} af opholdene varer længere end de {number(length.horizon)} døgn, "
            "de kan følges; tiden derefter er ikke regnet med, så tallet er i underkanten."
        )
    return _computed("arrivals", (state.low / target, state.occupied / target, state.high / target), assumption)


def _computed(method: str, places: tuple[float, float, float], assumption: str) -> Row:
    low, middle, high = (_whole(number_of) for number_of in places)
    # Percentiles of a skewed distribution can pass its mean.
    return (method, LABELS[method], min(low, middle), middle, max(high, middle), assumption, True, "")


def _lacking(method: str, reason: str) -> Row:
    return (method, LABELS[method], math.nan, math.nan, math.nan, "", False, reason)


def _whole(places: float) -> int:
    return math.ceil(round(places, DECIMALS))


def _by_cluster(stays: pd.DataFrame, kkr: str) -> pd.Series:
    """Each cluster's share of the nights, 0-1; empty when the stays do not cover the KKR."""
    nightly = census(stays, kkr, by="cluster")
    nights = nightly.groupby("cluster")["occupied"].sum()
    return nights / nights.sum() if nights.sum() else nights.iloc[:0].astype(float)


def _period(used: Level) -> str:
    return f"{used.first:%d.%m.%Y}-{used.last:%d.%m.%Y}"


def _pct(share: float) -> str:
    value = share * 100
    return percent(value, 0 if math.isclose(value, round(value)) else 1)


def _owned(places: pd.DataFrame) -> pd.DataFrame:
    unknown = places[~places["ownership"].isin([*PUBLIC, *OTHER])]
    if not unknown.empty:
        raise InputError(
            f"Pladser: ejerforholdet {unknown['ownership'].iloc[0]!r} er ukendt; brug {', '.join([*PUBLIC, *OTHER])}."
        )
    return places
