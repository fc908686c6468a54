"""The geography: 98 municipalities, the areas summed from them, Danish order and names for folders."""

import difflib
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from analysis.declared import read_rows
from analysis.edition import Edition, SectionPlan, reference_folder
from analysis.errors import InputError

# The command answers questions about areas before pandas is loaded; only `area_table` needs it.
if TYPE_CHECKING:
    import pandas as pd

COUNTRY = "000"
COLUMNS = ("area_code", "name", "type", "region_code", "landsdel_code", "groups", "slug", "locative")
TILE_COLUMNS = ("area_code", "row", "column", "short")


@lru_cache
def _areas() -> dict[str, dict[str, str]]:
    """The rows of `data/reference/areas.csv` by area code."""
    return {row["area_code"]: row for row in read_rows(reference_folder() / "areas.csv", COLUMNS)}


@lru_cache
def area_table() -> "pd.DataFrame":
    """All areas of `data/reference/areas.csv`, one row per `area_code`.

    Columns: area_code, name, type (municipality, region, landsdel, country, group, outside), region_code,
    landsdel_code, groups, slug, locative. Source: Statistics Denmark's classification of regions and municipalities.
    """
    import pandas as pd

    return pd.DataFrame(list(_areas().values()), dtype=str)


@lru_cache
def tiles() -> "pd.DataFrame":
    """Where each municipality lies on a map of tiles, all of one size, by area_code: row (from north), column, short.

    A schematic of `data/reference/tiles.csv`: neighbours as far as a grid allows, distances and sizes not at all.
    """
    import pandas as pd

    table = pd.DataFrame(read_rows(reference_folder() / "tiles.csv", TILE_COLUMNS)).set_index("area_code")
    return table.loc[list(municipalities())].astype({"row": int, "column": int})


@lru_cache
def municipalities() -> tuple[str, ...]:
    """Codes of the 98 municipalities (without Christiansø), ascending."""
    return _of_type("municipality")


@lru_cache
def members(area_code: str) -> tuple[str, ...]:
    """Codes of the municipalities that an area is summed from; a municipality is its own member."""
    kind = _areas()[area_code]["type"]
    inside = {
        "municipality": lambda row: row["area_code"] == area_code,
        "region": lambda row: row["region_code"] == area_code,
        "landsdel": lambda row: row["landsdel_code"] == area_code,
        "group": lambda row: area_code in row["groups"].split(),
        "country": lambda row: True,
    }
    if kind not in inside:
        raise InputError(f"area {area_code!r} ({kind}) is not built from municipalities")
    return tuple(code for code in municipalities() if inside[kind](_areas()[code]))


@lru_cache
def regions() -> tuple[str, ...]:
    """Codes of the five regions, ascending."""
    return _of_type("region")


def _of_type(kind: str) -> tuple[str, ...]:
    return tuple(sorted(code for code, row in _areas().items() if row["type"] == kind))


@lru_cache
def aggregates() -> tuple[str, ...]:
    """Codes of the areas that key figures sum from municipalities: country, groups and regions."""
    return tuple(code for code, row in _areas().items() if row["type"] in ("country", "group", "region"))


@lru_cache
def reported_areas() -> frozenset[str]:
    """Codes of every area that has key figures and can have a report."""
    return frozenset((*municipalities(), *aggregates()))


@lru_cache
def names() -> dict[str, str]:
    """Area code to Danish name."""
    return {code: row["name"] for code, row in _areas().items()}


def name(area_code: str) -> str:
    """The Danish name of an area."""
    return names()[area_code]


def slug(area_code: str) -> str:
    """The folder name of an area's report: lower case, without Danish letters."""
    return _areas()[area_code]["slug"]


def locative(area_code: str) -> str:
    """The area with the preposition it takes in a sentence: i København, på Bornholm, på landsplan."""
    return _areas()[area_code]["locative"]


def region(area_code: str) -> str:
    """The code of the region that a municipality lies in; empty for what is summed from municipalities."""
    return _areas()[area_code]["region_code"]


@lru_cache
def kkr(area_code: str) -> str:
    """The KKR that an area lies in, as the region with the same municipalities; the country if in several."""
    inside = set(members(area_code))
    return next((region for region in regions() if inside <= set(members(region))), COUNTRY)


def kkr_name(area_code: str) -> str:
    """The Danish name of a KKR, from the code of its region."""
    return f"KKR {name(area_code).removeprefix('Region ')}"


@lru_cache
def find_area(text: str | int) -> str:
    """The code of the area a person means by a code, a name or a folder name; suggests the nearest when unknown.

    A code may be a number: plain papermill makes one of `-p area 084`.
    """
    text = str(text)
    spellings: dict[str, str] = {}
    for code, row in _areas().items():
        own = (code, row["name"], row["slug"], row["name"].removeprefix("Region "))
        for spelling in own if code in reported_areas() else ():
            spellings.setdefault(folded(spelling), code)
    wanted = folded(text.zfill(3) if text.isdigit() else text)
    if wanted in spellings:
        return spellings[wanted]
    near = difflib.get_close_matches(wanted, list(spellings), n=3, cutoff=0.5)
    suggestions = list(dict.fromkeys(names()[spellings[spelling]] for spelling in near))
    hint = f"; nearest names: {', '.join(suggestions)}" if suggestions else ""
    raise InputError(f"area {text!r} is not known{hint} (give a name, a code such as 101, or hovedstaden)")


def folded(text: str) -> str:
    """The name of an area without what people write differently: Århus, Hoje Taastrup, Københavns Kommune."""
    words = " ".join(re.split(r"[\W_]+", unicodedata.normalize("NFC", text).casefold()))
    return re.sub("aa|ae|[åæ]", "a", re.sub("oe|[øö]", "o", re.sub(r"s?( (regions)?kommune)?$", "", words.strip())))


def collation_key(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key for Danish alphabetical order: æ, ø, å last; aa sorts as å; case and accents second."""
    lowered = unicodedata.normalize("NFC", text).casefold().replace("aa", "å")
    order = {"æ": 1, "ø": 2, "å": 3}
    return tuple(
        (order[letter], letter) if letter in order else (0, unicodedata.normalize("NFD", letter)[0])
        for letter in lowered
    )


def compared_areas(edition: Edition, area_code: str) -> list[str]:
    """The area of the report and those it is compared with, without the same municipalities twice."""
    own = members(area_code)
    return [area_code, *(code for code in edition.comparison_areas if members(code) != own)]


def compared_regions(edition: Edition, area_code: str) -> list[str]:
    """The regions among the compared areas; the report's own area stands in for a region with its members."""
    own = members(area_code)
    of_edition = [code for code in edition.comparison_areas if code in regions()]
    chosen = [area_code if members(code) == own else code for code in of_edition]
    return sorted(chosen, key=lambda code: members(code)[0])


def peers(edition: Edition, area_code: str) -> list[str]:
    """The municipalities to look at one by one: the area's own, or those around a single municipality."""
    own = members(area_code)
    if len(own) > 1:
        return list(own)
    home = members(edition.home_area)
    return list(home if area_code in home else members(region(area_code)))


def deciding_kkr(edition: Edition, area_code: str) -> str:
    """The KKR that decides on herberger for the area, as its region; for the country that of the home area."""
    code = kkr(area_code)
    return code if code != COUNTRY else kkr(edition.home_area)


def subject(edition: Edition, plan: SectionPlan, area_code: str) -> str:
    """The area that a section of an area's report is about and is run for: the area itself or its KKR."""
    return deciding_kkr(edition, area_code) if plan.about == "kkr" else area_code
