"""Whether a fetched table is whole: what must be there, what may be missing and is named, what should add up."""

import pandas as pd

from analysis import areas
from noegletal.rules import few
from noegletal.sources.fetch_plan import Plan, listed_periods, required_areas
from noegletal.sources.sidecar import TableSidecar
from noegletal.sources.snapshot import TIME
from noegletal.sources.statbank import StatBankError

# A source rounds each municipality and their sum on its own.
ROUNDING_SHARE, ROUNDING = 0.001, 0.5
# StatBank revises; it does not lose rows by the dozen.
LEAST_LEFT = 0.95


def absent_areas(plan: Plan, rows: pd.DataFrame) -> str:
    """Municipalities without rows (or without a code in the table), with the periods they lack.

    Errors: a period without rows, a region without rows in a table of regions, more municipalities than a table can
    lack.
    """
    seen = set(rows[[plan.shape.area, TIME]].drop_duplicates().itertuples(index=False, name=None))
    delivered = {period for _, period in seen}
    empty = [period for period in plan.periods if period not in delivered]
    if empty:
        raise StatBankError(f"{plan.table}: the answer holds no rows for {few(empty)}; run the command again later")
    expected, tolerated = required_areas(plan.shape.fetch[plan.shape.area])
    lacking: dict[str, list[str]] = {}
    for period in plan.periods:
        absent = [code for code in expected if (code, period) not in seen]
        if len(absent) > tolerated:
            raise StatBankError(
                f"{plan.table}: the answer holds no rows for {len(absent)} of {len(expected)} areas in {period} "
                f"({few([areas.name(code) for code in absent])}); a part of it is missing, run the command again later"
            )
        for code in absent:
            lacking.setdefault(code, []).append(period)
    return ", ".join(
        areas.name(code) + ("" if periods == plan.periods else f" ({listed_periods(periods)})")
        for code, periods in sorted(lacking.items(), key=lambda item: areas.collation_key(areas.name(item[0])))
    )


def sum_warnings(plan: Plan, rows: pd.DataFrame) -> list[str]:
    """StatBank's own region and country rows that differ from the sum of what lies in them, Christiansø included."""
    area = plan.shape.area
    keys = [variable for variable in (*plan.shape.variables, TIME) if variable != area]
    table = areas.area_table().set_index("area_code")
    present = [code for code in rows[area].unique() if table.loc[code, "type"] in ("municipality", "outside")]
    compared = []
    for code in (areas.COUNTRY, *areas.regions()):
        own = rows[rows[area] == code]
        if own.empty or not set(areas.members(code)) <= set(present):
            continue
        inside = [one for one in present if code in (areas.COUNTRY, table.loc[one, "region_code"])]
        local = rows[rows[area].isin(inside)]
        unknown = local[local["value"].isna()].set_index(keys).index
        both = own.set_index(keys)["value"].to_frame("own").join(local.groupby(keys)["value"].sum().rename("sum"))
        both = both[~both.index.isin(unknown)].fillna({"sum": 0.0}).dropna().reset_index()
        compared.append(both.assign(area=areas.name(code)))
    both = pd.concat(compared) if compared else pd.DataFrame(columns=["own", "sum"], dtype=float)
    both["difference"] = (both["sum"] - both["own"]).abs()
    wrong = both[both["difference"] > ROUNDING_SHARE * both["own"].abs() + ROUNDING]
    if wrong.empty:
        return []
    worst = wrong.sort_values("difference", ascending=False, kind="stable").iloc[0]
    place = " ".join([worst["area"], *(worst[key] for key in keys)])
    return [
        f"{len(wrong)} of {len(both)} region and country rows differ from the sum of the municipalities, "
        f"most of all {place}: {worst['own']:,.10g} against {worst['sum']:,.10g}"
    ]


def label_warnings(plan: Plan, labels: dict[str, dict[str, str]]) -> list[str]:
    """What the codes of a table meant when it was last fetched, by variable and code, against what they mean now."""
    warnings = []
    for variable, before in labels.items():
        now = plan.labels.get(variable, {})
        changed = [
            f"{code} {before[code]!r} is now {now[code]!r}" for code in now if before.get(code, now[code]) != now[code]
        ]
        new = [f"{code} {now[code]!r}" for code in now if code not in before]
        gone = [f"{code} {before[code]!r}" for code in before if code not in now]
        for found, text in ((changed, ": "), (new, " has new codes: "), (gone, " no longer has ")):
            warnings += [f"{variable}{text}{few(found, '; ')}"] if found else []
    return warnings


def require_not_shrunk(plan: Plan, rows: int, record: TableSidecar | None) -> None:
    """Refuse a table with far fewer rows than when it was last fetched, with at least the periods of then.

    StatBank leaves out zeros, so an answer that was cut short at the end of a line cannot be told by its length.
    """
    if record is None:
        return
    before = record.rows
    periods = set(record.query["variables"][-1]["values"])
    if rows < LEAST_LEFT * before and periods <= set(plan.periods):
        raise StatBankError(
            f"{plan.table}: the answer holds {rows} rows, and held {before} when it was fetched on "
            f"{record.day}; if StatBank has really shortened the table, fetch it with --force"
        )
