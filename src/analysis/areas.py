"""The geography: 98 municipalities, the areas summed from them, Danish order and names for folders."""

import difflib
import unicodedata
from functools import lru_cache

import pandas as pd

from analysis.edition import reference_folder
from analysis.errors import InputError

COUNTRY = "000"


@lru_cache
def area_table() -> pd.DataFrame:
    """All areas of `data/reference/areas.csv`, one row per `area_code`.

    Columns: area_code, name, type (municipality, region, landsdel, country, group, outside), region_code,
    landsdel_code, groups, slug, locative. Source: Statistics Denmark's classification of regions and municipalities.
    """
    path = reference_folder() / "areas.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in ("area_code", "slug"):
        repeated = table.loc[table[column].duplicated(), column].tolist()
        if repeated:
            raise InputError(f"{path.name}: {column} {repeated[0]!r} stands twice")
    return table


@lru_cache
def municipalities() -> tuple[str, ...]:
    """Codes of the 98 municipalities (without Christiansø), ascending."""
    table = area_table()
    return tuple(sorted(table.loc[table["type"] == "municipality", "area_code"]))


@lru_cache
def members(area_code: str) -> tuple[str, ...]:
    """Codes of the municipalities that an area is summed from; a municipality is its own member."""
    table = area_table()
    rows = table[table["type"] == "municipality"]
    kind = table.loc[table["area_code"] == area_code, "type"].item()
    inside = {
        "municipality": rows["area_code"] == area_code,
        "region": rows["region_code"] == area_code,
        "landsdel": rows["landsdel_code"] == area_code,
        "group": rows["groups"].str.split().map(lambda groups: area_code in groups),
        "country": rows["area_code"] != "",
    }
    if kind not in inside:
        raise InputError(f"area {area_code!r} ({kind}) is not built from municipalities")
    return tuple(sorted(rows.loc[inside[kind], "area_code"]))


@lru_cache
def regions() -> tuple[str, ...]:
    """Codes of the five regions, ascending."""
    table = area_table()
    return tuple(sorted(table.loc[table["type"] == "region", "area_code"]))


@lru_cache
def aggregates() -> tuple[str, ...]:
    """Codes of the areas that key figures sum from municipalities: country, groups and regions."""
    table = area_table()
    return tuple(table.loc[table["type"].isin(["country", "group", "region"]), "area_code"])


@lru_cache
def reported_areas() -> frozenset[str]:
    """Codes of every area that has key figures and can have a report."""
    return frozenset((*municipalities(), *aggregates()))


@lru_cache
def names() -> dict[str, str]:
    """Area code to Danish name."""
    table = area_table()
    return dict(zip(table["area_code"], table["name"], strict=True))


def name(area_code: str) -> str:
    """The Danish name of an area."""
    return names()[area_code]


def slug(area_code: str) -> str:
    """The folder name of an area's report: lower case, without Danish letters."""
    table = area_table()
    return table.loc[table["area_code"] == area_code, "slug"].item()


def locative(area_code: str) -> str:
    """The area with the preposition it takes in a sentence: i København, på Bornholm, på landsplan."""
    table = area_table()
    return table.loc[table["area_code"] == area_code, "locative"].item()


@lru_cache
def kkr(area_code: str) -> str:
    """The KKR that an area lies in, as the region with the same municipalities; the country if in several."""
    inside = set(members(area_code))
    return next((region for region in regions() if inside <= set(members(region))), COUNTRY)


def kkr_name(area_code: str) -> str:
    """The Danish name of a KKR, from the code of its region."""
    return f"KKR {name(area_code).removeprefix('Region ')}"


@lru_cache
def find_area(text: str) -> str:
    """The code of the area a person means by a code, a name or a folder name; suggests the nearest when unknown."""
    table = area_table()
    table = table[table["area_code"].isin(reported_areas())]
    spellings = {}
    for row in table.itertuples():
        for spelling in (row.area_code, row.name, row.slug, row.name.removeprefix("Region ")):
            spellings.setdefault(_folded(spelling), row.area_code)
    wanted = _folded(text.zfill(3) if text.isdigit() else text)
    if wanted in spellings:
        return spellings[wanted]
    near = difflib.get_close_matches(wanted, list(spellings), n=3, cutoff=0.5)
    suggestions = list(dict.fromkeys(names()[spellings[spelling]] for spelling in near))
    hint = f"; nearest names: {', '.join(suggestions)}" if suggestions else ""
    raise InputError(f"area {text!r} is not known{hint} (give a name, a code such as 101, or hovedstaden)")


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().replace("_", " ").replace("-", " ").split())


def collation_key(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key for Danish alphabetical order: æ, ø, å last; aa sorts as å; case and accents second."""
    lowered = unicodedata.normalize("NFC", text).casefold().replace("aa", "å")
    order = {"æ": 1, "ø": 2, "å": 3}
    return tuple(
        (order[letter], letter) if letter in order else (0, unicodedata.normalize("NFD", letter)[0])
        for letter in lowered
    )
