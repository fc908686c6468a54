"""Single years of age by municipality: genuine bands split smoothly, later years by cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from reconstruction.reference import Reference
from reconstruction.rounding import half_away_from_zero, round_to_total, share_out

ALL_AGES = "IALT"
# 1 October lies 273 days after 1 January: K4 is that far between two genuine 1 January totals.
SHARE_OF_YEAR_BEFORE_K4 = 273 / 365
_IPF_ROUNDS = 200


@dataclass(frozen=True)
class AgeBands:
    """Five-year bands: lower edges, and the code of each band in FOLK1B."""

    edges: list[int]
    codes: list[str]

    @classmethod
    def of(cls, codes: list[str]) -> AgeBands:
        """Bands in order of age from codes such as `0-4` and `100OV`."""
        ordered = sorted((code for code in codes if code != ALL_AGES), key=_lower_edge)
        return cls([_lower_edge(code) for code in ordered], ordered)


def reconstruct_population(
    totals: pd.DataFrame,
    five_year: pd.DataFrame,
    printed_bands: pd.DataFrame,
    reference: Reference,
    assumptions: dict[str, Any],
) -> pd.DataFrame:
    """Single years of age on 1 January and 1 October for every municipality.

    Requires FOLK1A (IALT), FOLK1B and FOLK1A_BAND; returns OMRÅDE, ALDER, TID, INDHOLD (persons). The K4
    periods carry an IALT row too; the K1 totals are genuine and therefore not repeated.
    """
    settings = assumptions["population"]
    towns = reference.municipalities
    grand = totals[totals["OMRÅDE"].isin(towns)].assign(TID=lambda f: f["TID"].str[:4].astype(int))
    grand_by_year = _matrix(grand, "TID").loc[towns]
    genuine = _genuine_years(five_year, printed_bands, reference, settings)
    january = _project(genuine, grand_by_year, reference, settings, assumptions["account_years"])
    frames = [_rows(towns, f"{year}K1", ages) for year, ages in january.items()]
    for year in assumptions["account_years"]:
        before, after = grand_by_year[year].to_numpy(), grand_by_year[year + 1].to_numpy()
        total = half_away_from_zero(before + SHARE_OF_YEAR_BEFORE_K4 * (after - before))
        between = _october(january[year], january[year + 1])
        ages = np.vstack([share_out(row, count) for row, count in zip(between, total, strict=True)])
        frames.append(_rows(towns, f"{year}K4", ages))
        frames.append(pd.DataFrame({"OMRÅDE": towns, "ALDER": ALL_AGES, "TID": f"{year}K4", "INDHOLD": total}))
    return pd.concat(frames, ignore_index=True)


def band_population(ages: pd.DataFrame, band: str) -> pd.Series:
    """Persons in an age band such as `0-22`, indexed by OMRÅDE and TID."""
    low, high = (int(part) for part in band.split("-"))
    single = ages[ages["ALDER"] != ALL_AGES]
    years = single["ALDER"].astype(int)
    return single[(years >= low) & (years <= high)].groupby(["OMRÅDE", "TID"])["INDHOLD"].sum()


def _matrix(table: pd.DataFrame, columns: str) -> pd.DataFrame:
    """Whole numbers by area and one variable; what is absent is zero."""
    return table.set_index(["OMRÅDE", columns])["INDHOLD"].unstack(fill_value=0).astype(int)


def _lower_edge(code: str) -> int:
    return int(code.split("-")[0].removesuffix("OV"))


def _rows(towns: list[str], period: str, ages: np.ndarray) -> pd.DataFrame:
    """Long form of a matrix municipalities x single years."""
    town, age = np.meshgrid(np.arange(len(towns)), np.arange(ages.shape[1]), indexing="ij")
    return pd.DataFrame(
        {
            "OMRÅDE": np.asarray(towns, dtype=object)[town.ravel()],
            "ALDER": age.ravel().astype(str),
            "TID": period,
            "INDHOLD": ages.ravel(),
        }
    )


def _october(january: np.ndarray, next_january: np.ndarray) -> np.ndarray:
    return january + SHARE_OF_YEAR_BEFORE_K4 * (next_january - january)


def _genuine_years(
    five_year: pd.DataFrame, printed_bands: pd.DataFrame, reference: Reference, settings: dict[str, Any]
) -> dict[int, np.ndarray]:
    """Whole single years for the years with genuine bands: matrices municipalities x ages."""
    towns, region_of = reference.municipalities, reference.region_of
    bands = AgeBands.of(list(five_year["ALDER"].unique()))
    regions = sorted(set(region_of.values()))
    result = {}
    for period in sorted(five_year["TID"].unique()):
        counts = _matrix(five_year[five_year["TID"] == period], "ALDER")[bands.codes]
        known = _matrix(printed_bands[printed_bands["TID"] == period], "ALDER")
        # A region's bands may hold places that are no municipality (Christiansø): one row more to be fitted.
        rows = {town: counts.loc[town].to_numpy() for town in towns}
        outside = {region: f"outside {region}" for region in regions}
        for region in regions:
            inside = [rows[town] for town in towns if region_of[town] == region]
            rows[outside[region]] = counts.loc[region].to_numpy() - np.sum(inside, axis=0)
        shapes = {name: _smooth_ages(row, bands, settings) for name, row in rows.items()}
        ages = {name: np.zeros(settings["oldest_age"] + 1, dtype=np.int64) for name in rows}
        cuts = _cuts(known)
        for position, low in enumerate(bands.edges):
            last = position + 1 == len(bands.edges)
            high = settings["oldest_age"] + 1 if last else bands.edges[position + 1]
            inner = [cut for cut in cuts if low < cut < high]
            for region in regions:
                members = [town for town in towns if region_of[town] == region] + [outside[region]]
                totals = np.array([rows[name][position] for name in members])
                shape = np.vstack([shapes[name][low:high] for name in members])
                parts = _fit_parts(members, region, totals, shape, low, inner, known, counts, bands)
                for name, filled in zip(members, parts, strict=True):
                    ages[name][low:high] = filled
        result[int(period[:4])] = np.vstack([ages[town] for town in towns])
    return result


def _smooth_ages(row: np.ndarray, bands: AgeBands, settings: dict[str, Any]) -> np.ndarray:
    """Single years from five-year bands: differences of a monotone cubic through the cumulative counts."""
    edges = np.array(bands.edges, dtype=float)
    cumulative = np.concatenate([[0], np.cumsum(row[:-1])]).astype(float)
    closed = np.diff(PchipInterpolator(edges, cumulative)(np.arange(bands.edges[-1] + 1)))
    open_ages = settings["oldest_age"] - bands.edges[-1] + 1
    tail = settings["decline_of_the_oldest"] ** np.arange(open_ages)
    return np.concatenate([np.maximum(closed, 0), row[-1] * tail / tail.sum()])


def _cuts(known: pd.DataFrame) -> list[int]:
    """Ages at which the printed bands begin, besides 0: 18, 23 and 67."""
    cuts = set()
    for code in known.columns:
        if "-" in code:
            low, high = (int(part) for part in code.split("-"))
            cuts |= {low, high + 1}
    return sorted(cuts - {0})


def _below(known: pd.DataFrame, area: str, cut: int) -> int:
    """Persons below a cut according to the printed bands of an area."""
    bands = {tuple(int(part) for part in code.split("-")): code for code in known.columns if "-" in code}
    for (low, high), code in bands.items():
        if high + 1 == cut:
            return int(known.loc[area, code]) + (_below(known, area, low) if low else 0)
    raise ValueError(f"FOLK1A_BAND does not say how many are younger than {cut} in area {area}")


def _fit_parts(
    members: list[str],
    region: str,
    totals: np.ndarray,
    shape: np.ndarray,
    low: int,
    inner: list[int],
    known: pd.DataFrame,
    counts: pd.DataFrame,
    bands: AgeBands,
) -> list[np.ndarray]:
    """Single years of one band in one region; parts on each side of a genuine cut add up exactly."""
    if not inner:
        return [share_out(weights, total) for weights, total in zip(shape, totals, strict=True)]
    (cut,) = inner
    before = [code for code, edge in zip(bands.codes, bands.edges, strict=True) if edge < low]

    def lower_part(area: str) -> int:
        return _below(known, area, cut) - int(counts.loc[area, before].sum())

    width = cut - low
    own = np.array([name in known.index for name in members])
    lower = np.zeros(len(members), dtype=np.int64)
    lower[own] = [lower_part(name) for name in np.array(members)[own]]
    rest = ~own
    target = lower_part(region) - int(lower.sum())
    seed = np.column_stack([shape[rest, :width].sum(axis=1), shape[rest, width:].sum(axis=1)])
    fitted = _fit_two_columns(seed, totals[rest], target)
    lower[rest] = round_to_total(fitted, target, upper=totals[rest])
    return [
        np.concatenate([share_out(weights[:width], below), share_out(weights[width:], total - below)])
        for weights, below, total in zip(shape, lower, totals, strict=True)
    ]


def _fit_two_columns(seed: np.ndarray, row_totals: np.ndarray, first_column: int) -> np.ndarray:
    """First column of a two-column matrix fitted to its row totals and to the first column's total."""
    table = seed + 1e-9
    columns = np.array([first_column, row_totals.sum() - first_column], dtype=float)
    for _ in range(_IPF_ROUNDS):
        table = table * (row_totals / np.maximum(table.sum(axis=1), 1e-12))[:, None]
        table = table * (columns / np.maximum(table.sum(axis=0), 1e-12))
    return table[:, 0]


def _project(
    genuine: dict[int, np.ndarray],
    totals: pd.DataFrame,
    reference: Reference,
    settings: dict[str, Any],
    account_years: list[int],
) -> dict[int, np.ndarray]:
    """Genuine years followed by cohorts, calibrated to the growths that the assumptions name."""
    years = sorted(genuine)
    later = [year for year in totals.columns if year > years[-1]]
    change, births = _ratios(genuine, reference, settings)
    calibrations = settings["calibrations"]
    towns = reference.municipalities
    inside = [
        np.array([reference.region_of[town] in reference.regions_in(item["area"]) for town in towns])
        for item in calibrations
    ]
    factors = np.ones(len(calibrations))

    def run() -> dict[int, np.ndarray]:
        result = {year: ages.astype(float) for year, ages in genuine.items()}
        for year in later:
            aged = _one_year_older(result[year - 1], change, births, settings)
            for item, rows, factor in zip(calibrations, inside, factors, strict=True):
                low, high = item["ages"]
                aged[np.ix_(rows, np.arange(low, high + 1))] *= factor
            result[year] = _scaled(aged, totals[year].to_numpy(), calibrations, inside)
        return result

    first, last = account_years[0], account_years[-1]
    for _ in range(settings["calibration_rounds"]):
        ages = run()
        for position, (item, rows) in enumerate(zip(calibrations, inside, strict=True)):
            low, high = item["ages"]
            begin, end = (_october(ages[year], ages[year + 1])[rows, low : high + 1].sum() for year in (first, last))
            wanted = begin * (1 + item["growth_pct"] / 100)
            factors[position] *= (wanted / end) ** (1 / (last - first + 1))
    ages = run()
    whole = dict(genuine)
    for year in later:
        whole[year] = np.vstack([share_out(row, count) for row, count in zip(ages[year], totals[year], strict=True)])
    return whole


def _scaled(
    aged: np.ndarray, totals: np.ndarray, calibrations: list[dict[str, Any]], inside: list[np.ndarray]
) -> np.ndarray:
    """Scale to the genuine totals; where ages are calibrated only the other ages give way."""
    free = np.ones(aged.shape, dtype=bool)
    for item, rows in zip(calibrations, inside, strict=True):
        low, high = item["ages"]
        free[np.ix_(rows, np.arange(low, high + 1))] = False
    held = np.where(free, 0.0, aged).sum(axis=1)
    scale = (totals - held) / np.where(free, aged, 0.0).sum(axis=1)
    return np.where(free, aged * scale[:, None], aged)


def _ratios(
    genuine: dict[int, np.ndarray], reference: Reference, settings: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Cohort change ratios by municipality and age, and newborns per inhabitant of parental age.

    A municipality's ratio leans on its region's, the more so the fewer people it rests on.
    """
    years = sorted(genuine)
    towns = reference.municipalities
    region = np.array([reference.region_of[town] for town in towns])
    younger = np.sum([genuine[year][:, :-1] for year in years[:-1]], axis=0).astype(float)
    older = np.sum([genuine[year][:, 1:] for year in years[1:]], axis=0).astype(float)
    low, high = settings["parental_ages"]
    parents = np.sum([genuine[year][:, low : high + 1].sum(axis=1) for year in years], axis=0).astype(float)
    newborn = np.sum([genuine[year][:, 0] for year in years], axis=0).astype(float)
    change = np.zeros_like(younger)
    weight = settings["weight_of_region_persons"]
    for code in sorted(set(region)):
        rows = region == code
        common = older[rows].sum(axis=0) / np.maximum(younger[rows].sum(axis=0), 1.0)
        change[rows] = (older[rows] + weight * common) / (younger[rows] + weight)
    for before, after in pairwise(years):
        if after != before + 1:
            raise ValueError(f"FOLK1B lacks a year between {before} and {after}")
    return change, newborn / parents


def _one_year_older(ages: np.ndarray, change: np.ndarray, births: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """Ages a year later: each cohort by its ratio, newborns by the number of parental age."""
    low, high = settings["parental_ages"]
    newborn = births * ages[:, low : high + 1].sum(axis=1)
    return np.column_stack([newborn, ages[:, :-1] * change])
