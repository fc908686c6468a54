"""Step 1: the transcribed figures of Statistics Denmark in raw table form, values untouched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from reconstruction.raw_files import MISSING, WrittenFile, with_decimal_comma, write_table

# Codes that StatBank uses and the transcribed files spell out as labels.
ALL_AGES_LABEL = "I alt"
YEAR_SUFFIX_OPEN_BAND = " år og derover"
YEAR_SUFFIX = " år"


def transcribe(source: Path, out: Path, texts: dict[str, dict[str, Any]], first_year: int) -> list[WrittenFile]:
    """Write the six transcribed tables from the folder of transcribed CSV files."""
    makers: dict[str, Callable[[Path, int], pd.DataFrame]] = {
        "FOLK1A": _population,
        "FOLK1B": _five_year_bands,
        "FOLK1A_BAND": _printed_bands,
        "REGK31": _accounts_per_inhabitant,
        "BU43": _children_supported,
        "UND2_PR_1000": _children_notified,
    }
    return [write_table(out, name, make(source, first_year), texts[name]) for name, make in makers.items()]


def _read(path: Path) -> pd.DataFrame:
    """Read everything as text; a missing file is named with its folder."""
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not in {path.parent}: name the folder of transcribed files")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _population(source: Path, first_year: int) -> pd.DataFrame:
    """Totals on 1 January, all areas there are."""
    frame = _read(source / "population_1jan_2008_2026_by_municipality.csv")
    frame = frame[frame["year"].astype(int) >= first_year]
    return pd.DataFrame(
        {
            "OMRÅDE": frame["area_code"],
            "KØN": "TOT",
            "ALDER": "IALT",
            "CIVILSTAND": "TOT",
            "TID": frame["year"] + "K1",
            "INDHOLD": frame["value"],
        }
    )


def _five_year_bands(source: Path, first_year: int) -> pd.DataFrame:
    """Five-year age bands on 1 January; the age codes follow FOLK1B."""
    frame = _read(source / "folk1b_1jan_2015_2020_age5_by_municipality.csv")
    frame = frame[frame["year"].astype(int) >= first_year]
    codes = (
        frame["alder"]
        .replace(ALL_AGES_LABEL, "IALT")
        .str.replace(YEAR_SUFFIX_OPEN_BAND, "OV", regex=False)
        .str.replace(YEAR_SUFFIX, "", regex=False)
    )
    return pd.DataFrame(
        {
            "OMRÅDE": frame["area_code"],
            "KØN": "TOT",
            "ALDER": codes,
            "STATSB": "IALT",
            "TID": frame["year"] + "K1",
            "INDHOLD": frame["value"],
        }
    )


def _printed_bands(source: Path, first_year: int) -> pd.DataFrame:
    """The age bands 0-17, 0-22, 18-66, 18+, 67+ of twelve areas on 1 January."""
    frame = _read(source / "folk1a_age_bands_12_areas_2008_2020.csv")
    frame = frame[frame["year"].astype(int) >= first_year]
    return pd.DataFrame(
        {
            "OMRÅDE": frame["area_code"],
            "ALDER": frame["age_band"].replace(ALL_AGES_LABEL, "IALT"),
            "TID": frame["year"] + "K1",
            "INDHOLD": frame["value"],
        }
    )


def _accounts_per_inhabitant(source: Path, first_year: int) -> pd.DataFrame:
    """Net expenditure per inhabitant, three functions."""
    frame = _read(source / "regk31_2018_2024_indl_net_5_28_5_38_all_municipalities.csv")
    frame = frame[frame["year"].astype(int) >= first_year]
    return pd.DataFrame(
        {
            "OMRÅDE": frame["area_code"],
            "FUNKTION": frame["funktion_code"],
            "DRANST": "1",
            "ART": frame["art_code"],
            "PRISENHED": frame["prisenhed_code"],
            "TID": frame["year"],
            "INDHOLD": frame["value"],
        }
    )


def _children_supported(source: Path, first_year: int) -> pd.DataFrame:
    """Per cent of the 0-22-year-olds that receive support on 31 December."""
    frame = _read(source / "bu43_pct_2015_2025_all_municipalities.csv")
    frame = frame[frame["year"].astype(int) >= first_year]
    table = pd.DataFrame(
        {
            "OMRÅDE": frame["area_code"],
            "FORANSTALT": frame["foranstalt_code"],
            "ALDER": frame["alder_code"],
            "TID": frame["year"],
            "INDHOLD": with_decimal_comma(frame["value"]),
        }
    )
    return _with_missing_cells(table)


def _children_notified(source: Path, first_year: int) -> pd.DataFrame:
    """Children with a notification per 1,000 aged 0-17."""
    frame = _read(source / "und2_per_1000_children_2015_2025_all_municipalities.csv")
    frame = frame[frame["year"].astype(int) >= first_year]
    table = pd.DataFrame(
        {
            "ADMKOM": frame["area_code"],
            "UNDERRET": frame["underret_code"],
            "ALDER1": frame["alder1_code"],
            "KØN": frame["kon_code"],
            "TID": frame["year"],
            "INDHOLD": with_decimal_comma(frame["value"]),
        }
    )
    return _with_missing_cells(table)


def _with_missing_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Add a `..` row for every combination that the source lacks; absent would mean zero."""
    keys = [column for column in table.columns if column != "INDHOLD"]
    grid = pd.MultiIndex.from_product([table[key].unique() for key in keys], names=keys)
    return table.set_index(keys)["INDHOLD"].reindex(grid).fillna(MISSING).reset_index()
