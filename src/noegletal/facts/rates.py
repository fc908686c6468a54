"""Rates that a source delivers ready-made per municipality and year."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from analysis import areas
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.rows import ORIGINS
from noegletal.facts import checks
from noegletal.facts.lineage import Cells, Lineage, chosen
from noegletal.rules import Finding
from noegletal.sources.snapshot import TIME, refuse_rows, require_years, table_shapes, with_absent_rows

KEYS = ["area_code", "year"]
# What a share or rate is of, and so the most that it can be.
PER = {"pct": 100.0, "pr_1000": 1000.0}

schema = pa.DataFrameSchema(
    {
        "area_code": pa.Column(str, pa.Check(lambda codes: codes.isin(areas.municipalities()))),
        "year": pa.Column(int, pa.Check.in_range(2000, 2100)),
        "value": pa.Column(float, pa.Check.ge(0), nullable=True),
        "status": pa.Column(str, pa.Check.isin(["final", "provisional", "missing"])),
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
    },
    unique=KEYS,
    strict=True,
)


def lineage(table: str, select: Mapping[str, str]) -> Lineage:
    """From which raw rows rates of a table are made, limited to the codes of `select`."""
    return Lineage(table, chosen(select), {"area_code": table_shapes()[table].area, "year": TIME})


def cells(name: str, table: str, select: Mapping[str, str]) -> Cells:
    """The rates of a table, which are facts of the indicator `name`, by municipality and year."""
    return Cells((name, table), name, lineage(table, select), ("area_code", "year"))


def build(raw: Path, edition: Edition, table: str, select: dict[str, str]) -> tuple[pd.DataFrame, list[Finding]]:
    """One rate per municipality and year of a table, limited to the codes of `select`.

    Columns: area_code, year, value (unit of the table, NaN missing), status, origin. Errors: a year of the edition
    without rows, a rate below zero or above all. A rate whose row is left out is missing, never zero.
    """
    source = lineage(table, select)
    rows = source.read(raw, edition)
    years = edition.tables[table].years.all
    if rows.empty:
        chosen = ", ".join(f"{variable} {code}" for variable, code in select.items())
        raise InputError(f"{table} holds no rows with {chosen}", rule="DAEK-04")
    require_years(rows, table, years)
    shape = table_shapes()[table]
    whole = PER.get(shape.rate, 0)
    impossible = rows[(rows["value"] < 0) | (rows["value"] > whole)]
    refuse_rows(impossible, "VAERDI-02", f"{{value:g}} is outside what a rate can be (0-{whole:g})")
    area = shape.area
    municipal = rows[rows[area].isin(areas.municipalities())]
    full = with_absent_rows(municipal, table, [str(year) for year in years])
    facts = source.facts(full)
    findings = checks.absent_municipalities(table, source.facts(municipal), years)
    findings += checks.foreign_areas(table, rows[area])
    findings += checks.unit_shift(table, "rate", facts)
    return schema.validate(facts), findings
