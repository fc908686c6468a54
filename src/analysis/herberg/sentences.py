"""Titles and sentences on the herberg model: true also where a delivery did not come."""

import pandas as pd

from analysis import danish
from analysis.danish import NOT_KNOWN, number, percent, span
from analysis.herberg.forecast import RHYTHMS
from analysis.herberg.model import ALL, Model
from analysis.measures import extremes

MILLION = 1e6
NOT_DECIDED = "KKR har endnu ikke besluttet en kapacitet; når arket Beslutning er udfyldt, vises brugen mod den."
# Differences that a reader should not make anything of: error in pct. of the naive one, coverage in percentage points.
SAME_ERROR, SAME_COVERAGE = 5, 10
# With fewer tries the trial is itself uncertain.
FEW_ORIGINS = 8


def needed(model: Model) -> str:
    """How many places a KKR needs by its own use, where that is known else by any method, or that it cannot be said."""
    own = model.own_need_interval
    interval = own if own.methods else model.need_interval
    if not interval.methods:
        return f"Behovet for herbergspladser {NOT_KNOWN}"
    by = " efter områdets egen brug" if own.methods else ""
    if number(interval.low) == number(interval.high):
        return f"{model.name} har brug for {number(interval.low)} herbergspladser{by}"
    return f"{model.name} har brug for mellem {number(interval.low)} og {number(interval.high)} herbergspladser{by}"


def answered(model: Model) -> list[str]:
    """How the places of today stand to the need by the area's own use, and how far comparisons would move it."""
    own, every, today = model.own_need_interval, model.need_interval, model.place_count
    if not own.methods:
        return [f"Behovet ud fra områdets egen brug {NOT_KNOWN}."]
    stands = "inden for" if own.low <= today <= own.high else "over" if today > own.high else "under"
    said = [
        f"De {number(today)} pladser, der er i dag, ligger {stands} det behov, som områdets egen brug peger på: "
        f"{span(own.low, own.high)}."
    ]
    if every.low < own.low or every.high > own.high:
        said.append(
            f"Sammenlignes der i stedet med brugen andre steder pr. voksen og pr. hjemløs, er spændet "
            f"{span(every.low, every.high)}; det viser, hvor følsomt svaret er."
        )
    return said


def because(model: Model) -> str:
    """Why the need is another than the use: the busiest night; nothing where nights are not known."""
    if model.nights.empty:
        return ""
    mean, most = (number(model.occupancy[name]) for name in ("mean", "max"))
    busiest = f"men der skal også være plads den travleste nat, hvor der var {most}"
    return f"I gennemsnit er {mean} pladser i brug, {busiest}."


def methods(model: Model) -> str:
    """How far the methods lie apart, beside the places there are."""
    interval, today = model.need_interval, f"i dag er der {number(model.place_count)}"
    if not interval.methods:
        return f"Behovet for herbergspladser {NOT_KNOWN}; {today}"
    return f"Metoderne spænder fra {number(interval.low)} til {number(interval.high)} pladser; {today}"


def houses_most(balance: pd.DataFrame) -> str:
    """Which cluster houses most nights beyond those that it pays for. Requires cluster, net as `flows.balance`."""
    ends = extremes(balance, "net")
    if ends is None or ends.highest["net"] <= 0:
        return "Fra hjemsted til herberg"
    return f"{ends.highest['cluster']} huser flest døgn ud over dem, der betales derfra{ends.reservation}"


def spread_most(model: Model) -> str:
    """For which cluster it matters most what places are spread by, and how much."""
    ends = model.spread.groupby("cluster", sort=False)["value"].agg(["min", "max"])
    if ends.empty:
        return f"Hvordan pladserne kan fordeles, {NOT_KNOWN}"
    most = ends.loc[(ends["max"] - ends["min"]).idxmax()]
    places = span(most["min"], most["max"])
    of = f"{most.name} får {places} af dagens {number(model.place_count)} pladser"
    if number(most["min"]) == number(most["max"]):
        return f"{of}, uanset kriterium"
    return f"{of}, alt efter kriterium"


def expected(model: Model) -> str:
    """How many places are expected to be taken when the contracts end, or that it cannot be said."""
    if not model.forecast.usable:
        return "Tallene er for få til en fremskrivning"
    end = model.forecast.rows.iloc[-1]
    return f"Ved udgangen af {end['period'].year} ventes {span(end['low'], end['high'])} pladser belagt"


def how_expected(model: Model) -> str:
    """By which method, or why there is no forecast."""
    if model.forecast.usable:
        return f"Metode: {model.forecast.method}."
    return f"Ingen fremskrivning, fordi {model.forecast.reason}. Scenarierne bygger i stedet på antagelser."


def matters_most(model: Model) -> str:
    """Which assumption does most to the cost in the last year."""
    ends = extremes(model.sensitivity, "span")
    if ends is None:
        return f"Hvad der betyder noget for udgiften i {model.last_year}, {NOT_KNOWN}"
    return f"{ends.highest['name']} betyder mest for udgiften i {model.last_year}{ends.reservation}"


def capacity(model: Model) -> tuple[str, float]:
    """What use is held against, and how many places: the capacity decided, else the places of today."""
    latest = model.follow_up.dropna(subset=["value"]).iloc[-1]
    if model.decided:
        return "Besluttet kapacitet", float(latest["planned"])
    return "Pladser i dag", float(model.place_count)


def followed(model: Model) -> str:
    """How much of the capacity was taken in the latest period."""
    latest = model.follow_up.dropna(subset=["value"]).iloc[-1]
    of = "den besluttede kapacitet" if model.decided else "dagens pladser"
    share = percent(latest["value"] / capacity(model)[1] * 100)
    return f"I {danish.period(latest['period'])} er {share} af {of} belagt"


def assumed(model: Model) -> str:
    """What the places that shorter stays can free rest on."""
    leaving, moving = model.rules.stay_limits.leaving, model.moving
    return (
        f"Det antages, at {span(leaving.low, leaving.high, 'pct.')} af døgnene ud over grænsen falder bort, og at "
        f"{span(moving[0], moving[-1])} borgere om året flytter i egen bolig."
    )


def middle_scenario(model: Model) -> str:
    """The scenario that one assumption at a time is changed in."""
    return model.rules.scenarios[model.rules.sensitivity.scenario].label.lower()


def refund(model: Model) -> str:
    """Whether costs are before or after refund."""
    return "efter refusion" if model.after_refund else "før refusion"


def summary(model: Model) -> pd.DataFrame:
    """The answers to the questions of KKR: Spørgsmål, Svar, Bygger på."""
    need, own, listed = model.need_interval, model.own_need_interval, f"pladslisten fra {model.listed_year}"
    methods = f"{number(need.methods)} metoder; lavest er {need.low_label}, højest er {need.high_label}"
    tender = span(need.low * model.other_share / 100, need.high * model.other_share / 100)
    costs = model.last_costs / MILLION
    now = f"i {model.section.last} var den {danish.amount(model.cost_now)} i {model.price_level}-priser"
    rows = [
        ("Pladser i dag", number(model.place_count), listed),
        (
            "Behov for pladser i alt",
            span(need.low, need.high),
            methods if need.methods else "der mangler tal for brugen",
        ),
        (
            "Behov ud fra områdets egen brug",
            span(own.low, own.high),
            f"{number(own.methods)} metoder uden sammenligningen med andre KKR",
        ),
        (
            "Heraf pladser i udbud",
            tender,
            f"dagens ikke-offentlige andel på {percent(model.other_share)}, som aftalen fastholder",
        ),
        ("Heraf pladser til veteraner i dag", number(model.veteran_places), listed),
        (
            "Belagte pladser i gennemsnit",
            number(model.use.mean) if model.use else "..",
            "ind- og udskrivninger i det seneste år",
        ),
        (
            "Takst pr. døgn i gennemsnit",
            danish.kroner(model.price_summary.loc[ALL, "mean"]),
            f"pladslisten; loftet er {danish.kroner(model.ceiling)} i {model.price_level}-priser",
        ),
        (
            f"Kommunernes udgift i {model.last_year}",
            span(costs.min(), costs.max(), "mio. kr."),
            f"{number(len(costs))} scenarier; {now}, begge {refund(model)}",
        ),
    ]
    return pd.DataFrame(rows, columns=["Spørgsmål", "Svar", "Bygger på"])


def tried(tested: pd.DataFrame) -> str:
    """Danish sentences on whether a method beats the naive one, and whether its intervals hold what they promise.

    Requires the frame of `backtest`; an empty one gives the sentence that nothing can be said.
    """
    if tested.empty:
        return "Metoden kan ikke afprøves på fortiden: dertil er serien for kort eller for mangelfuld."
    if tested["relative_to_naive"].isna().any():
        return "Tallene er de samme år efter år, så en afprøvning på fortiden siger intet om usikkerheden."
    naive = tested["method"].isin([rhythm.naive for rhythm in RHYTHMS.values()])
    row = tested[~naive].iloc[0]
    origins = number(row["origins"])
    doubt = " Med så få tidspunkter er afprøvningen selv usikker." if row["origins"] < FEW_ORIGINS else ""
    return (
        f"Afprøvet fra {origins} tidspunkter i fortiden {_error_words(row['relative_to_naive'])}. "
        f"{_coverage_words(row['covered'], row['expected_coverage'])}{doubt}"
    )


def _error_words(relative: float) -> str:
    difference = (relative - 1) * 100
    if abs(difference) < SAME_ERROR:
        return "ramte metoden omtrent lige så godt som den naive fremskrivning"
    if difference < 0:
        return f"ramte metoden bedre end den naive fremskrivning: fejlen var {percent(-difference)} mindre"
    return f"ramte metoden dårligere end den naive fremskrivning: fejlen var {percent(difference)} større"


def _coverage_words(covered: float, expected: float) -> str:
    held = f"Intervallet indeholdt {percent(covered)} af de faktiske tal og skulle indeholde {percent(expected)}"
    if abs(covered - expected) <= SAME_COVERAGE:
        return f"{held}: det holder omtrent, hvad det lover."
    if covered < expected:
        return f"{held}: det er for smalt, og usikkerheden er større, end det viser."
    return f"{held}: det er for bredt, og usikkerheden er mindre, end det viser."
