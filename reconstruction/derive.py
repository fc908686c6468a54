"""Step 2: kroner amounts from genuine amounts per inhabitant and genuine population."""

from __future__ import annotations

import pandas as pd

from reconstruction.rounding import half_away_from_zero


def accounts_in_kroner(per_inhabitant: pd.DataFrame, population: pd.DataFrame, areas: list[str]) -> pd.DataFrame:
    """REGK31 in 1.000 kr. = kr. per inhabitant x population on 1 January of the same year / 1000.

    Requires REGK31 (INDL) and FOLK1A (IALT, K1); returns the columns of REGK31 with PRISENHED LOBM.
    """
    inhabitants = population[population["TID"].str.endswith("K1")].assign(
        TID=lambda frame: frame["TID"].str.removesuffix("K1")
    )[["OMRÅDE", "TID", "INDHOLD"]]
    wanted = per_inhabitant[per_inhabitant["OMRÅDE"].isin(areas)]
    joined = wanted.merge(inhabitants.rename(columns={"INDHOLD": "inhabitants"}), on=["OMRÅDE", "TID"], how="left")
    if joined["inhabitants"].isna().any():
        lacking = joined[joined["inhabitants"].isna()].iloc[0]
        raise ValueError(f"FOLK1A has no population for area {lacking['OMRÅDE']} on 1 January {lacking['TID']}")
    amounts = half_away_from_zero((joined["INDHOLD"] * joined["inhabitants"] / 1000).to_numpy())
    return wanted.reset_index(drop=True).assign(PRISENHED="LOBM", INDHOLD=amounts)
