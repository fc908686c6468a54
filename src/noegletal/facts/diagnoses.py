"""Psychiatric diagnoses and support by region, as Komponent delivers them."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from analysis import areas
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.rows import ORIGINS
from noegletal.facts.lineage import Cells, Lineage
from noegletal.rules import Finding
from noegletal.sources.deliveries import delivered, read_form
from noegletal.sources.forms import load_form

TABLE = "KOMPONENT"
FORM = "komponent"
ANY_DIAGNOSIS = "mindst_en_f_diagnose"
ANY_SHEET, SINGLE_SHEET = "F-diagnose", "Diagnoser"
# Field of the form -> indicator.
INDICATORS = {"share": "diagnosis_share", "support_share": "diagnosis_support_share"}
# Column of the facts -> field of the form.
COLUMNS = {"area_code": "area", "population_group": "age_group", "category": "diagnosis", "year": "year"}
KEYS = ["indicator", "area_code", "population_group", "category", "year"]

schema = pa.DataFrameSchema(
    {
        "indicator": pa.Column(str, pa.Check.isin(list(INDICATORS.values()))),
        "area_code": pa.Column(str, pa.Check(lambda codes: codes.isin(areas.aggregates()))),
        "population_group": pa.Column(str, pa.Check.isin(["boern_og_unge", "voksne"])),
        "category": pa.Column(str, pa.Check(lambda codes: codes.isin([ANY_DIAGNOSIS, *diagnoses()]))),
        "year": pa.Column(int, pa.Check.in_range(2000, 2100)),
        "value": pa.Column(float, pa.Check.in_range(0, 100), nullable=True),
        "status": pa.Column(str, pa.Check.isin(["final", "provisional", "missing"])),
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
    },
    unique=KEYS,
    strict=True,
)


def diagnoses() -> dict[str, str]:
    """Code of each single diagnosis and its Danish name, in the order of the form."""
    sheet = next(sheet for sheet in load_form(FORM).sheets if sheet.name == SINGLE_SHEET)
    return {code: name for name, code in sheet.column("diagnosis").spellings.items()}


def build(raw: Path, edition: Edition) -> tuple[pd.DataFrame, list[Finding]]:
    """Shares with a diagnosis, and shares of those that receive support, by area, population group and year.

    Columns: indicator, area_code (regions, the country if delivered, and the group with the same municipalities as
    a region), population_group, category (any F-diagnosis or a single one), year, value (pct. 0-100, NaN missing),
    status, origin. Without a workbook in the folder the frame is empty. Errors: whatever the form refuses; a year of
    the edition without figures for any F-diagnosis, or its last year without the single diagnoses.
    """
    file = delivered(raw, TABLE)
    if file is None:
        return schema.validate(pd.DataFrame({name: pd.Series(dtype=_kind(name)) for name in schema.columns})), []
    sheets = read_form(file.path, FORM)
    need = edition.tables.get(TABLE)
    years = (need.years if need else edition.period).all
    _require_years(sheets[ANY_SHEET], file.path.name, years)
    _require_years(sheets[SINGLE_SHEET], file.path.name, years[-1:])
    rows = _rows(sheets)
    rows = rows[rows["year"].isin(years)].rename(columns={field: column for column, field in COLUMNS.items()})
    facts = rows.rename(columns=INDICATORS).melt(
        ["area_code", "population_group", "category", "year"], list(INDICATORS.values()), var_name="indicator"
    )
    facts["status"] = facts["value"].isna().map({True: "missing", False: file.sidecar.status})
    facts["origin"] = file.sidecar.origin
    facts = _with_groups(facts)[list(schema.columns)].astype({name: _kind(name) for name in schema.columns})
    return schema.validate(facts.sort_values(KEYS, ignore_index=True)), []


@dataclass(frozen=True)
class DeliveredLineage(Lineage):
    """The cells of one field of the delivered workbook, each with its sheet and row."""

    field: str = ""

    @property
    def reading(self) -> tuple[Hashable, ...]:
        """The workbook and the field."""
        return self.table, self.field

    def read(
        self,
        raw: Path,
        edition: Edition,
        areas: Iterable[str] = (),
        periods: Iterable[str] = (),
        *,
        removed: bool = False,
    ) -> pd.DataFrame:
        """Every cell of the field; a workbook is read whole, and never corrected here."""
        file = delivered(raw, self.table)
        if file is None:
            raise InputError(f"{raw} has no {self.table}.xlsx any more: `noegletal import` it again")
        rows = _rows(read_form(file.path, FORM)).rename(columns={self.field: "value", "row": "line"})
        about = {"file": file.path.name, "status": file.sidecar.status, "origin": file.sidecar.origin}
        return rows[["sheet", "line", *COLUMNS.values(), "value"]].assign(**about)


def cells(indicator: str) -> Cells:
    """The cells that an indicator's figures stand in; those of a region are also its group's."""
    field = next(field for field, name in INDICATORS.items() if name == indicator)
    keys = ("area_code", "year", "population_group", "category")
    lineage = DeliveredLineage(TABLE, {}, COLUMNS, how="cellen i leverancen", published=True, field=field)
    return Cells((indicator,), "diagnoses", lineage, keys, _with_groups)


def _rows(sheets: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of both sheets, each with its diagnosis."""
    return pd.concat([sheets[ANY_SHEET].assign(diagnosis=ANY_DIAGNOSIS), sheets[SINGLE_SHEET]], ignore_index=True)


def _require_years(rows: pd.DataFrame, file: str, years: list[int]) -> None:
    absent = [str(year) for year in years if year not in set(rows["year"])]
    if absent:
        raise InputError(
            f"{file}, ark {rows['sheet'].iloc[0]}, kolonne År: {', '.join(absent)} mangler; "
            f"udgaven kræver {years[0]}" + (f"-{years[-1]}" if len(years) > 1 else ""),
            rule="DAEK-04",
        )


def _with_groups(facts: pd.DataFrame) -> pd.DataFrame:
    """The rows and a copy for each group of municipalities that has exactly the members of a delivered region."""
    kinds = areas.area_table().set_index("area_code")["type"]
    groups = [code for code in areas.aggregates() if kinds[code] == "group"]
    twins = {
        (code, group)
        for code in facts["area_code"].unique()
        for group in groups
        if areas.members(code) == areas.members(group)
    }
    copies = [facts[facts["area_code"] == code].assign(area_code=group) for code, group in sorted(twins)]
    return pd.concat([facts, *copies], ignore_index=True)


def _kind(column: str) -> type:
    return {"year": int, "value": float}.get(column, str)
