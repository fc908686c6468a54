"""Reads the reference tables and the assumptions that the reconstruction rests on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

OUTSIDE_SCOPE = "uden_for_afgraensning"
ALL_GROUPINGS = "*"
STANDARD_VARIANT = ""
BOTH_GROUPS = "alle"
GRAND_TOTAL = "i_alt"
# What other reports print: the functions as they are, with what lies outside the scope of this one.
WHOLE_FUNCTIONS = "hele_funktioner"


@dataclass(frozen=True)
class Reference:
    """The reference data: areas, accounts in the standard reading, categories, prices, published figures."""

    areas: pd.DataFrame
    accounts: pd.DataFrame
    categories: pd.DataFrame
    price_index: pd.Series
    published: pd.DataFrame

    @cached_property
    def municipalities(self) -> list[str]:
        """Codes of the municipalities, sorted."""
        return sorted(self.areas.loc[self.areas["type"] == "municipality", "area_code"])

    @cached_property
    def region_of(self) -> dict[str, str]:
        """Region code of each municipality."""
        rows = self.areas[self.areas["type"] == "municipality"]
        return dict(zip(rows["area_code"], rows["region_code"], strict=True))

    @cached_property
    def subtotals(self) -> dict[str, list[str]]:
        """The categories that each subtotal below the grand total is the sum of."""
        rows = self.categories[~self.categories["parent"].isin(["", GRAND_TOTAL])]
        return {str(parent): sorted(part["category"]) for parent, part in rows.groupby("parent")}

    def regions_in(self, area: str) -> list[str]:
        """The regions whose municipalities make up an area given by slug (`hele_landet`) or code."""
        slug = area.replace("_", "-")
        match = self.areas[(self.areas["slug"] == slug) | (self.areas["area_code"] == area)]
        if len(match) != 1:
            raise ValueError(f"areas.csv has no single area called {area}")
        row = match.iloc[0]
        towns = self.areas[self.areas["type"] == "municipality"]
        if row["type"] == "country":
            members = towns
        elif row["type"] == "region":
            members = towns[towns["region_code"] == row["area_code"]]
        else:
            members = towns[[row["area_code"] in groups.split() for groups in towns["groups"]]]
        regions = sorted(members["region_code"].unique())
        if set(towns.loc[towns["region_code"].isin(regions), "area_code"]) != set(members["area_code"]):
            raise ValueError(f"Area {area} is not made up of whole regions, so it cannot be a target")
        return regions


def load_reference(folder: Path, assumptions: dict[str, Any]) -> Reference:
    """Read data/reference: areas, accounts, categories, price_index and the published figures."""
    accounts = _read(folder / "accounts.csv")
    prices = _read(folder / "price_index.csv")
    prices = prices[prices["index"] == assumptions["price_index"]]
    return Reference(
        areas=_read(folder / "areas.csv"),
        accounts=accounts[accounts["variant"] == STANDARD_VARIANT],
        categories=_read(folder / "categories.csv"),
        price_index=pd.Series(prices["value"].astype(float).to_numpy(), index=prices["year"].astype(int)),
        published=_read(folder / "published" / assumptions["published"]),
    )


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)
