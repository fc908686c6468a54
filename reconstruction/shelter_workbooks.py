"""The deliveries on herberger, reconstructed: `python -m reconstruction.shelter_workbooks [--out DIR]`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from reconstruction.pipeline import ROOT
from reconstruction.raw_files import WrittenFile, read_table
from reconstruction.reference import Reference, load_reference, load_yaml
from reconstruction.shelter_months import months_before, months_of_stays, national
from reconstruction.shelter_municipalities import expenditure, homelessness, projection
from reconstruction.shelter_persons import pseudonyms, with_homes, with_persons
from reconstruction.shelter_places import place_list, smallest, with_rates
from reconstruction.shelter_stays import simulate, with_census, with_total
from reconstruction.workbooks import write_workbook

HERE = Path(__file__).resolve().parent
KRONER_PER_THOUSAND = 1000


@dataclass(frozen=True)
class Sources:
    """What the workbooks are made from: chosen numbers, assumptions, reference data, population and accounts."""

    numbers: dict[str, Any]
    homeless: dict[str, int]
    reference: Reference
    ages: pd.DataFrame
    accounts: pd.DataFrame


def main(arguments: list[str] | None = None) -> int:
    """Write the workbooks and their sidecars, and print what was written."""
    parser = argparse.ArgumentParser(prog="python -m reconstruction.shelter_workbooks", description=__doc__)
    parser.add_argument("--numbers", type=Path, default=max(HERE.glob("herberg_*.yml")))
    parser.add_argument("--raw", type=Path, help="folder of the raw tables (default: data/raw/<edition>)")
    parser.add_argument("--out", type=Path, help="folder to write to (default: the --raw folder)")
    options = parser.parse_args(arguments)
    numbers = load_yaml(options.numbers)
    raw = options.raw or ROOT / "data" / "raw" / numbers["edition"]
    for written in write_deliveries(options.out or raw, load_sources(raw, numbers)):
        Console().print(f"{written.name}: {written.rows} rows, {written.size} bytes, {written.origin}", highlight=False)
    return 0


def load_sources(raw: Path, numbers: dict[str, Any]) -> Sources:
    """Read the assumptions, the reference data and the raw tables that the numbers go with."""
    assumptions = load_yaml(HERE / f"assumptions_{numbers['edition']}.yml")
    return Sources(
        numbers=numbers,
        homeless=assumptions["weights_of_municipalities"]["herberger"],
        reference=load_reference(ROOT / "data" / "reference", assumptions),
        ages=read_table(raw, "FOLK1A.reconstruction"),
        accounts=read_table(raw, "REGK100"),
    )


def write_deliveries(folder: Path, sources: Sources) -> list[WrittenFile]:
    """Write every workbook of `sidecars` in the numbers."""
    numbers = sources.numbers
    return [
        write_workbook(folder, form, rows, {**numbers["sidecar"], **numbers["sidecars"][form]})
        for form, rows in sheets(sources).items()
    ]


def sheets(sources: Sources) -> dict[str, dict[str, pd.DataFrame]]:
    """The rows of each sheet by form; a sheet about what is not known is left out."""
    numbers, reference = sources.numbers, sources.reference
    year = numbers["years"]["stays"]
    first = pd.Timestamp(year, 1, 1)
    days = int((pd.Timestamp(year + 1, 1, 1) - first).days)
    names = reference.areas.set_index("area_code")["name"].to_dict()
    places = place_list(numbers, {town: names[town] for town in reference.municipalities})
    homeless = homelessness(numbers, sources.homeless, reference)
    in_shelter = homeless[homeless["year"] == year].set_index("municipality")["in_shelter"]
    stays = stays_of_the_year(places, in_shelter, first, days, sources)
    before = stays[stays["arrived"] < 0].groupby("region").size()
    late = months_of_stays(stays, first, days)
    months = pd.concat([months_before(late, before, numbers), late]).sort_values(["area", "period"], ignore_index=True)
    spent = expenditure(sources.accounts, numbers, reference)
    nights = late["nights"].sum()
    kroner = spent.loc[spent["year"] == year, "thousand_kroner"].sum() * KRONER_PER_THOUSAND
    return {
        "herberg": {
            "Pladser": with_rates(places, kroner / nights, year, numbers, reference),
            "Registrering": months.assign(refusals=float("nan")),
            "Hjemløshed": homeless,
            "Landstal": national(numbers, months),
            "Udgifter": spent,
            "Befolkning": projection(sources.ages, numbers),
        },
        "herberg_ophold": {
            "Periode": pd.DataFrame({"first": [first], "last": [first + pd.Timedelta(days=days - 1)]}),
            "Ophold": dated(stays, first, days),
        },
    }


def stays_of_the_year(
    places: pd.DataFrame, in_shelter: pd.Series, first: pd.Timestamp, days: int, sources: Sources
) -> pd.DataFrame:
    """Stays with person, home, host, region and day numbers, in the order of arrival."""
    numbers, reference, year = sources.numbers, sources.reference, first.year
    rules, published, seed = numbers["stays"], numbers["published"], numbers["seed"]
    # Places that close within a year of the stays are being emptied, and new ones are not full at once.
    room = smallest(places, [year - 1, year, year + 1])
    night = (pd.Timestamp(rules["census"]["date"]) - first).days
    stays = simulate(room, rules, days, seed)
    stays = with_total(stays, published["stays"][year], rules, night, seed)
    stays = with_census(stays, night, published["in_shelter"][year], room)
    stays = with_persons(stays, published["persons"][year], reference.region_of, rules["returns"], seed)
    areas = reference.areas.set_index("area_code")[["region_code", "landsdel_code"]]
    areas.columns = ["region", "landsdel"]
    stays = with_homes(stays, in_shelter[in_shelter > 0], areas, rules["homes"], days, seed)
    return stays.assign(region=stays["host"].map(reference.region_of), person=pseudonyms(stays["person"], seed))


def dated(stays: pd.DataFrame, first: pd.Timestamp, days: int) -> pd.DataFrame:
    """The rows of the sheet: dates for day numbers, and no departure for those who are still there at the end."""
    left = first + pd.to_timedelta(stays["left"], unit="D")
    rows = stays[["person", "host", "home"]].assign(
        arrived=first + pd.to_timedelta(stays["arrived"], unit="D"), left=left.where(stays["left"] < days)
    )
    return rows.sort_values(["arrived", "host", "person"], kind="stable", ignore_index=True)


if __name__ == "__main__":
    sys.exit(main())
