"""Net operating expenditure by municipality, function and grouping, from REGK100."""

from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from analysis import accounts, areas
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.rows import ORIGINS
from noegletal import account_rules, rules
from noegletal.facts import checks, functions
from noegletal.facts.functions import NET_OPERATING, THOUSAND
from noegletal.facts.lineage import Cells, Lineage
from noegletal.facts.sums import added
from noegletal.rules import Finding
from noegletal.sources.corrections import read_corrected
from noegletal.sources.snapshot import TIME, raw_files, read_table, refuse_rows, require_years

# Ownership: not stated, own, self-owning or private, other public, private suppliers. REGK100 has no total.
OWNERSHIPS = frozenset("01234")
KEYS = ["year", "area_code", "function", "grouping"]

schema = pa.DataFrameSchema(
    {
        "year": pa.Column(int, pa.Check.in_range(2007, 2100)),
        "area_code": pa.Column(str, pa.Check(lambda codes: codes.isin(areas.municipalities()))),
        "function": pa.Column(str, pa.Check.str_matches(r"^[0-9]{5}$")),
        "grouping": pa.Column(str, pa.Check.str_matches(r"^[0-9]{3}$")),
        "value": pa.Column(float, nullable=True),
        "status": pa.Column(str, pa.Check.isin(["final", "provisional", "missing"])),
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
    },
    unique=KEYS,
    strict=True,
)


def lineage() -> Lineage:
    """From which raw rows expenditure is made: what the functions of accounts.csv cost."""
    return Lineage(
        table="REGK100",
        select=NET_OPERATING | {"FUNKTION": frozenset(account_rules.functions())},
        columns={"year": TIME, "area_code": "OMRÅDE", "function": "FUNKTION", "grouping": "GRUPPERING"},
        factor=THOUSAND,
        unit="t.kr.",
    )


def build(raw: Path, edition: Edition) -> tuple[pd.DataFrame, list[Finding]]:
    """Expenditure of the edition's period in current kroner, summed over ownership, and what the checks found.

    Columns: year, area_code (municipalities), function, grouping (three digits), value (kr., NaN missing), status,
    origin. Source: REGK100, DRANST 1, ART TOT, PRISENHED LOBM (1.000 kr.). Functions outside accounts.csv are left out.
    """
    years = edition.tables["REGK100"].years.all
    source, periods = lineage(), frozenset(map(str, edition.period.all))
    rows = source.read(raw, edition, periods=periods)
    if rows.empty:
        raise InputError(
            "REGK100 holds no net operating expenditure in current prices (DRANST 1, ART TOT, PRISENHED LOBM) "
            "of a function in accounts.csv",
            rule="DAEK-04",
        )
    require_years(rows, "REGK100", [year for year in years if year in edition.period.all])
    refuse_rows(rows[~rows["EJER"].isin(OWNERSHIPS)], "KODE-02", "EJER {EJER!r} is not one of 0-4")
    cells = source.facts(rows)
    findings = checks.area_totals("REGK100", cells, ["year", "function"], "kr.")
    municipal = cells[cells["area_code"].isin(areas.municipalities())]
    facts = added(municipal, KEYS).astype({"status": str, "origin": str})
    findings += checks.unmapped_groupings(facts)
    findings += checks.absent_functions(facts)
    held = set(facts["function"])
    valid = {year: held & set(account_rules.rules_of_year(year)["function"]) for year in edition.period.all}
    findings += checks.codes_gone("REGK100", facts.assign(code=facts["function"]), valid, "funktion")
    findings += checks.gaps("REGK100", facts.assign(code=facts["function"]), "funktion")
    accounted = facts.assign(code=facts["function"] + " gruppering " + facts["grouping"])
    findings += checks.gaps("REGK100", accounted, "funktion", by="GRUPPERING")
    findings += checks.absent_municipalities("REGK100", facts, edition.period.all)
    findings += checks.function_totals(facts, _control(raw, edition))
    findings += checks.foreign_areas("REGK100", cells["area_code"])
    findings += checks.unit_shift("REGK100", "amount", facts)
    findings += checks.ownerships(municipal.assign(ownership=rows["EJER"]))
    findings += checks.unauthorised(facts)
    findings += _other_kinds(raw, {**source.select, TIME: periods}, facts)
    return schema.validate(facts), findings


def cells(variant: str, only: frozenset[str] | None = None) -> Cells:
    """Expenditure by category as a variant of the account plan reads it, of some functions or of all."""

    def taken(frame: pd.DataFrame) -> pd.DataFrame:
        chosen = frame if only is None else frame[frame["function"].isin(only)]
        if chosen.empty:
            # Without a single account there is no year whose rules could be asked.
            return chosen.assign(population_group="", category="")
        # The rules are asked once for each account, however many rows it has.
        account = ["year", "function", "grouping"]
        return chosen.merge(categorised(chosen[account].drop_duplicates(), variant), on=account)

    keys = ("area_code", "year", "population_group", "category")
    return Cells(("expenditure", variant, only), "expenditure", lineage(), keys, taken)


def _other_kinds(raw: Path, wanted: dict[str, frozenset[str]], facts: pd.DataFrame) -> list[Finding]:
    """What the checks find among gross expenditure, income and main kinds; rows at fault never stop the build."""
    declared = rules.catalogue().kinds
    if sum(path.stat().st_size for path in raw.glob("REGK100.*csv*")) > declared.largest_file_bytes:
        return [checks.kinds_not_checked("filen er for stor til at blive læst to gange.")]
    codes = frozenset({declared.gross, declared.income, *declared.main})
    try:
        rows, _ = read_table(raw, "REGK100", wanted | {"ART": codes})
    except InputError as error:
        return [checks.kinds_not_checked(f"{error}.")]
    rows = rows[rows["OMRÅDE"].isin(areas.municipalities())]
    others = pd.DataFrame(
        {
            "year": rows[TIME].astype(int),
            "area_code": rows["OMRÅDE"],
            "function": rows["FUNKTION"],
            "kind": rows["ART"],
            "value": rows["value"] * THOUSAND,
        }
    )
    return checks.kind_totals(facts, others)


def _control(raw: Path, edition: Edition) -> pd.DataFrame:
    """Function totals of REGK31 in kroner, with the rounding each carries (`tolerance`, kr.)."""
    columns = ["year", "area_code", "function", "value", "tolerance"]
    if functions.TABLE not in edition.tables or not raw_files(raw, functions.TABLE):
        return pd.DataFrame(columns=columns)
    source = functions.lineage(account_rules.functions())
    totals = source.facts(source.read(raw, edition))
    totals = totals[totals["area_code"].isin(areas.municipalities())]
    people, _ = read_corrected(raw, "FOLK1A", edition, {"KØN": frozenset({"TOT"}), "ALDER": frozenset({"IALT"})})
    people = people[people[TIME].str.endswith("K1")]
    people = people.assign(year=people[TIME].str[:4].astype(int)).rename(columns={"OMRÅDE": "area_code"})
    totals = totals.merge(
        people[["year", "area_code", "value"]].rename(columns={"value": "people"}), on=["year", "area_code"], how="left"
    )
    # A total derived from whole kroner per inhabitant is right to half a krone each; both tables round to 1.000 kr.
    totals["tolerance"] = THOUSAND + totals["people"].fillna(0) * 0.5 * (totals["origin"] == "derived")
    return totals[columns]


def categorised(expenditure: pd.DataFrame, variant: str = accounts.STANDARD) -> pd.DataFrame:
    """Accounts with the category they belong to.

    Requires columns year, function, grouping; returns the rows with population_group and category added, a row
    twice where the variant counts it twice. A grouping that no rule knows goes to `uden_for_afgraensning` of its
    function's population group.
    """
    parts = []
    for year, rows in expenditure.groupby("year"):
        rules = account_rules.rules_of_year(int(year))
        rules = rules[rules["variant"].isin(["", variant])]
        target = rules[["function", "grouping", "population_group", "category"]]
        whole = target[target["grouping"] == account_rules.ANY_GROUPING].drop(columns="grouping")
        single = target[target["grouping"] != account_rules.ANY_GROUPING]
        by_function = rows.merge(whole, on="function")
        rest = rows[~rows["function"].isin(whole["function"])]
        by_grouping = rest.merge(single, on=["function", "grouping"], how="left")
        group_of = target.drop_duplicates("function").set_index("function")["population_group"]
        by_grouping["population_group"] = by_grouping["population_group"].fillna(by_grouping["function"].map(group_of))
        by_grouping["category"] = by_grouping["category"].fillna(accounts.OUTSIDE)
        parts += [by_function, by_grouping.dropna(subset="population_group")]
    return pd.concat(parts, ignore_index=True)
