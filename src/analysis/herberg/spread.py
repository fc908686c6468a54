"""Places spread over the clusters of a KKR under alternative criteria, the total always kept."""

import numpy as np
import pandas as pd

from analysis import areas
from analysis.danish import listed, number
from analysis.errors import InputError
from analysis.herberg.allocation import largest_remainder
from analysis.herberg.need import today
from analysis.herberg.use import spans

MIX = "blandet"
LABELS = {
    "befolkning": "Befolkning på 18 år og derover",
    "hjemloese": "Borgere i hjemløshed",
    "brug_hjemkommune": "Brug efter hjemkommune",
    "pladser_i_dag": "Pladser i dag",
    MIX: "Blanding af kriterierne",
}


def criteria(
    kkr: str, *, places: pd.DataFrame, stays: pd.DataFrame, homeless: pd.DataFrame, adults: pd.DataFrame
) -> pd.DataFrame:
    """What each cluster of a KKR weighs under each criterion.

    Requires the facts shelter_places, shelter_stays, shelter_homeless (its latest year counts) and `adults`:
    municipality, cluster, adults (each municipality once: rows of one year of shelter_projection, or today's
    population). The clusters are those that any of the frames names.

    Returns criterion, label (Danish), cluster, amount (adults, homeless persons, nights by home cluster anywhere in the
    extract, places; NaN for the mix), weight (share of the KKR, 0-1), note (Danish). A criterion without figures has
    weight NaN and a note that says so; missing municipalities weigh nothing and are named. `blandet` gives each
    criterion there is the same weight. Errors: a municipality twice in `adults`.
    """
    members = areas.members(kkr)
    adults = adults[adults["municipality"].isin(members)]
    if adults["municipality"].duplicated().any():
        repeated = adults.loc[adults["municipality"].duplicated(), "municipality"].iloc[0]
        raise InputError(f"adults must hold each municipality once, that is one year; {repeated} is there twice")
    counted = homeless[homeless["kkr"] == kkr]
    counted = counted[counted["year"] == counted["year"].max()]
    paid = stays[stays["home_kkr"] == kkr]
    nights = spans(paid)["nights"] if len(paid) else pd.Series(dtype=int)
    own = today(places, kkr)
    amounts = {
        "befolkning": adults.groupby("cluster")["adults"].sum(),
        "hjemloese": counted.groupby("cluster")["homeless"].sum(),
        "brug_hjemkommune": nights.groupby(paid["home_cluster"]).sum(),
        "pladser_i_dag": own.groupby("cluster")["places"].sum(),
    }
    notes = {
        "befolkning": _absent(adults.dropna(subset=["adults"]), members),
        "hjemloese": _absent(counted.dropna(subset=["homeless"]), members),
    }
    named = [adults, counted, own, paid.rename(columns={"home_cluster": "cluster", "home": "municipality"})]
    return _weights(amounts, notes, _clusters(named))


def spread(total: int, weights: pd.DataFrame, minimum: pd.Series | int = 0, veteran_places: int = 0) -> pd.DataFrame:
    """Whole places per cluster under each criterion, adding up to `total` under every one.

    `weights`: rows of `criteria` (criterion, cluster, weight); a criterion without figures is left out. Each cluster
    first gets its `minimum`, the rest goes by weight with largest remainders, so a cluster without need has its minimum
    only. `veteran_places` of the total are spread in proportion to the places, so no cluster has more of them than
    places. Returns criterion, cluster, places, veteran_places. Errors: minimums above the total, more places for
    veterans than in all.
    """
    if not 0 <= veteran_places <= total:
        raise InputError(f"veteran_places must lie between 0 and the total of {total} places: {veteran_places}")
    known = weights.dropna(subset=["weight"])
    rows = []
    for criterion, given in known.groupby("criterion", sort=False):
        places = largest_remainder(total, given.set_index("cluster")["weight"], minimum)
        veterans = largest_remainder(veteran_places, places) if total else places
        rows.append(pd.DataFrame({"criterion": criterion, "places": places, "veteran_places": veterans}).reset_index())
    columns = {"criterion": "str", "cluster": "str", "places": int, "veteran_places": int}
    if not rows:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})
    return pd.concat(rows, ignore_index=True)[list(columns)].astype(columns)


def chosen(weights: pd.DataFrame, criterion: str) -> pd.DataFrame:
    """The rows of `criteria` for one criterion; an unknown one, or one without figures, is an error."""
    known = weights.dropna(subset=["weight"])
    if criterion not in set(known["criterion"]):
        there = ", ".join(dict.fromkeys(known["criterion"]))
        raise InputError(f"criterion {criterion!r} cannot be used; there are figures for: {there or 'none'}")
    return known[known["criterion"] == criterion]


def _weights(amounts: dict[str, pd.Series], notes: dict[str, str], clusters: list[str]) -> pd.DataFrame:
    wide = pd.DataFrame({name: amount.reindex(clusters).fillna(0.0) for name, amount in amounts.items()})
    wide = wide.astype(float).rename_axis("cluster")
    shares = wide / wide.sum().where(wide.sum() > 0)
    available = shares.columns[shares.notna().any()]
    shares[MIX] = shares[available].mean(axis=1)
    wide[MIX] = np.nan
    # Unknown and zero are not the same: without any figures the amounts are unknown.
    wide = wide.where(shares.notna())
    said = {name: notes.get(name, "") if name in available else "Der er ingen tal for kriteriet." for name in amounts}
    said[MIX] = (
        f"Lige vægt på {listed([LABELS[name] for name in available])}." if len(available) else "Ingen kriterier."
    )
    table = wide.melt(ignore_index=False, var_name="criterion", value_name="amount").reset_index()
    table["weight"] = shares.melt()["value"].to_numpy()
    table["label"] = table["criterion"].map(LABELS)
    table["note"] = table["criterion"].map(said)
    return table[["criterion", "label", "cluster", "amount", "weight", "note"]].astype(
        {"criterion": "str", "label": "str", "cluster": "str", "note": "str", "amount": float, "weight": float}
    )


def _clusters(frames: list[pd.DataFrame]) -> list[str]:
    """The clusters that any of the frames names, by their lowest municipality code."""
    named = pd.concat([frame[["cluster", "municipality"]] for frame in frames])
    return named.groupby("cluster")["municipality"].min().sort_values(kind="stable").index.tolist()


def _absent(rows: pd.DataFrame, members: tuple[str, ...]) -> str:
    absent = sorted(set(members) - set(rows["municipality"]))
    if not absent:
        return ""
    if len(absent) == len(members):
        return "Der er ingen tal for kriteriet."
    return f"{number(len(absent))} af {number(len(members))} kommuner har ingen tal og vægter 0: " + (
        f"{listed([areas.name(code) for code in absent])}."
    )
