"""What StatBank is asked for: the codes an edition needs of a table, in the table's own spelling.

What to ask for is data: the `fetch` block of a table in `tables.yml`, the account plan, the codes that indicators.yml
uses and the years of the edition file. It is matched to the codes that tableinfo lists now, never to remembered ones.
"""

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import areas
from analysis.catalogue import Indicator, catalogue
from analysis.edition import Edition
from analysis.errors import InputError
from noegletal import account_rules
from noegletal.rules import few
from noegletal.sources import statbank
from noegletal.sources.forms import form_of
from noegletal.sources.snapshot import PERIOD_PATTERN, TIME, ExactCodes, TableShape, table_shapes
from noegletal.sources.statbank import MAX_ROWS, Connection, Request, StatBankError, TableInfo

ALL, MUNICIPALITIES, REGIONS, FUNCTIONS, AGES = "*", "municipalities", "regions", "functions", "ages"
COUNTRY = "country"
WEIGHTS = "weights"
TOTAL_AGE = "IALT"
# Tables lack a few municipalities that have nothing to report; when more are gone, part of the table is.
ABSENT_MUNICIPALITIES = 10
# As far from a date as persons may be counted and still weigh the figures of that date.
YEAR_DAYS = 366


@dataclass(frozen=True)
class Plan:
    """What is asked of StatBank for one table, and how its codes are spelled there and here.

    `codes`: for each variable, and TID, StatBank's own code -> the code that is written. `labels`: variable ->
    written code -> label, of variables that are neither areas nor ages.
    """

    table: str
    shape: TableShape
    info: TableInfo
    codes: dict[str, dict[str, str]]
    labels: dict[str, dict[str, str]]
    requests: list[Request]
    warnings: list[str]

    @property
    def periods(self) -> list[str]:
        """The periods asked for, oldest first."""
        return list(self.codes[TIME].values())

    @property
    def whole(self) -> Request:
        """Everything that is asked for, as if it were one request."""
        return _whole(self.info, self.codes)


def fetched_tables(edition: Edition, asked: Sequence[str] = ()) -> list[str]:
    """The StatBank tables of an edition, or those asked for. Errors: one that is not, with the reason."""
    if not asked:
        return [table for table in edition.tables if _reason_not_fetched(table) is None]
    tables = list(dict.fromkeys(table.upper() for table in asked))
    for table in tables:
        if table not in edition.tables:
            raise InputError(f"table {table} is not in editions/{edition.name}.yml; it has {', '.join(edition.tables)}")
        reason = _reason_not_fetched(table)
        if reason:
            raise InputError(f"table {table} is not fetched: {reason}")
    return tables


def tables_not_fetched(edition: Edition) -> dict[str, str]:
    """The tables of an edition that StatBank does not have, and what they are instead."""
    reasons = {table: _reason_not_fetched(table) for table in edition.tables}
    return {table: reason for table, reason in reasons.items() if reason}


def plan_table(link: Connection, edition: Edition, table: str, limit: int = MAX_ROWS) -> Plan:
    """What to ask for, after a look at what the table has now.

    Errors: a variable, code or period that the table does not have, one it has that tables.yml does not know, rows
    left out that mean something else than tables.yml says.
    """
    shape = table_shapes()[table]
    info = statbank.table_info(link, table)
    _require_shape(info, shape, table)
    warnings = [] if info.active else ["StatBank no longer updates the table"]
    codes, labels = {}, {}
    used = used_codes(table)
    for variable in shape.variables:
        own = info.variable(variable)
        asked = shape.fetch[variable]
        chosen = _chosen(asked, own, f"{table} {variable}", used.get(variable, []))
        codes[variable] = chosen
        texts = {chosen[code.id]: code.text for code in own.values if code.id in chosen}  # noqa: PD011
        if variable == shape.area:
            warnings += _area_warnings(texts)
        elif asked != AGES:
            labels[variable] = texts
    codes[TIME], found = _periods(edition, table, shape, info)
    whole = _whole(info, codes)
    parts = statbank.requests(info.id, whole.variables, info.time.id, limit)
    return Plan(table, shape, info, codes, labels, parts, warnings + found)


def _reason_not_fetched(table: str) -> str | None:
    shape = table_shapes().get(table)
    return None if shape and shape.fetch else how_renewed(table)


def how_renewed(table: str) -> str:
    """How a table of an edition is renewed, in one line. Errors: nothing says how."""
    shape, form = table_shapes().get(table), form_of(table)
    if shape and shape.fetch:
        return f"fetch it, or save it by hand and `noegletal import FILE --table {table}`"
    if shape:
        counted = " and ".join(shape.replaced_by)
        return f"it is derived: its figures are computed from {counted}, so renew those instead"
    if form:
        return f"it is a delivery: `noegletal import FILE --form {form}`"
    raise InputError(
        f"nothing says how table {table} is renewed: declare it in data/reference/tables.yml, or a form of it in forms/"
    )


def _whole(info: TableInfo, codes: dict[str, dict[str, str]]) -> Request:
    names = {variable: info.time.id if variable == TIME else info.variable(variable).id for variable in codes}
    return Request(info.id, {names[variable]: tuple(own) for variable, own in codes.items()})


def _require_shape(info: TableInfo, shape: TableShape, table: str) -> None:
    declared = {variable.casefold() for variable in shape.variables}
    if set(shape.fetch) != {*shape.variables, *([TIME] if shape.period == "quarter" else [])}:
        raise InputError(f"tables.yml: `fetch` of {table} must name each of its variables (and {TIME} for quarters)")
    for variable in shape.variables:
        info.variable(variable)
    new = [variable.id for variable in info.variables if variable.id.casefold() not in {*declared, TIME.casefold()}]
    if new:
        raise StatBankError(
            f"{table} has the variable {', '.join(new)} in StatBank, which tables.yml does not know; every variable "
            "must be asked for: add it there"
        )
    try:
        left_out = float(str(info.suppressed_value).replace(",", "."))
    except ValueError:
        left_out = None
    # A rate is never taken for zero, whatever the table says.
    if left_out != shape.suppressed_value and not shape.rate:
        raise StatBankError(
            f"{table}: a row that is left out means {info.suppressed_value!r} in StatBank, "
            f"but {shape.suppressed_value:g} in tables.yml; correct suppressed_value there"
        )


def _chosen(
    asked: str | tuple[str, ...] | ExactCodes, variable: statbank.Variable, place: str, used: list[str]
) -> dict[str, str]:
    """StatBank's codes of a variable that are asked for, in its own order -> how they are written."""
    own = variable.codes
    if asked == COUNTRY:
        found = statbank.matched(own, [areas.COUNTRY], place)
    elif asked in (MUNICIPALITIES, REGIONS):
        found = _areas(own, place, *required_areas(asked))
    elif asked == AGES:
        found = _ages(own, place)
    else:
        named = {ALL: [], FUNCTIONS: sorted(account_rules.functions())}
        codes = named[asked] if isinstance(asked, str) else list(asked if isinstance(asked, tuple) else asked.exactly)
        found = statbank.matched(own, list(dict.fromkeys([*codes, *used])), place)
    written = {code: spelled for spelled, code in found.items()}
    rest = [code for code in own if code not in written]
    if asked == ALL:
        written |= {code: code for code in rest}
    if isinstance(asked, ExactCodes) and rest:
        raise StatBankError(
            f"{place} has {few(rest)} in StatBank beside what tables.yml says are all its codes, which are added up; "
            "find out what they are and correct tables.yml"
        )
    return {code: written[code] for code in own if code in written}


def required_areas(asked: object) -> tuple[list[str], int]:
    """The areas that a table must have, by what its `fetch` asks for, and how many of them may be absent."""
    if asked == MUNICIPALITIES:
        return areas.municipalities(), ABSENT_MUNICIPALITIES
    return ([areas.COUNTRY] if asked == COUNTRY else areas.regions()), 0


def _areas(own: list[str], place: str, required: Sequence[str], tolerated: int) -> dict[str, str]:
    """The areas that must be there, and the source's own sums and islands outside a municipality, where it has them."""
    table = areas.area_table()
    inside = (table["type"] == "outside") & (table["region_code"] != "")
    optional = table.loc[table["type"].isin(["country", "region"]) | inside, "area_code"].tolist()
    folds = {statbank.folded(code) for code in own}
    here = [code for code in dict.fromkeys([*required, *optional]) if statbank.folded(code) in folds]
    absent = [code for code in required if code not in here]
    if len(absent) > tolerated:
        raise StatBankError(f"{place} lacks {few([f'{areas.name(code)} ({code})' for code in absent])} in StatBank")
    return statbank.matched(own, here, place)


def _ages(own: list[str], place: str) -> dict[str, str]:
    """The total and every single year of age. Errors: a gap among them, or a code that is neither, such as 100+."""
    found = statbank.matched(own, [TOTAL_AGE], place)
    single = [code for code in own if code.isdecimal()]
    other = [code for code in own if code not in (*single, *found.values())]
    if other:
        raise StatBankError(
            f"{place} has {few(other)} in StatBank, neither a year of age nor {TOTAL_AGE}; see tables.yml"
        )
    years = {int(code) for code in single}
    gaps = [str(year) for year in range(max(years, default=0) + 1) if year not in years]
    if gaps:
        raise StatBankError(f"{place} has no code for the age {few(gaps)} in StatBank; single years of age are needed")
    return found | {str(int(code)): code for code in single}


def used_codes(table: str) -> dict[str, list[str]]:
    """The codes of a table that indicators.yml uses, by variable."""
    used: dict[str, list[str]] = {}
    for indicator in catalogue().indicators.values():
        for variable, codes in _needs(indicator, table).items():
            used.setdefault(variable, []).extend(codes)
    return used


def _needs(indicator: Indicator, table: str) -> dict[str, list[str]]:
    """The codes of a raw table that an entry names, by variable.

    A part of an entry that names a `table` has them in `select`, or as the `categories` of a `variable`.
    """
    codes: dict[str, list[str]] = {}
    for part in _parts(indicator.model_dump()):
        if part.get("table") != table:
            continue
        for variable, code in part.get("select", {}).items():
            codes.setdefault(variable, []).append(code)
        for listed in part.get("categories", {}).values():
            codes.setdefault(part["variable"], []).extend(listed)
    return codes


def dates(indicator: Indicator) -> set[str]:
    """The dates (month-day) at which an entry needs persons, each the `date` of one of its parts."""
    return {part["date"] for part in _parts(indicator.model_dump()) if "date" in part}


def _parts(entry: object) -> Iterator[dict[str, Any]]:
    """An entry and everything declared inside it."""
    if isinstance(entry, dict):
        yield entry
    for part in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
        yield from _parts(part)


def _area_warnings(texts: dict[str, str]) -> list[str]:
    names = {code: areas.name(code) for code in texts if code in (*areas.municipalities(), *areas.regions())}
    other = [f"{code} is {texts[code]!r}, not {name!r}" for code, name in names.items() if texts[code] != name]
    return [f"areas named otherwise than in areas.csv: {few(other, '; ')}"] if other else []


def _periods(edition: Edition, table: str, shape: TableShape, info: TableInfo) -> tuple[dict[str, str], list[str]]:
    """The periods an edition needs of a table, and a warning for each weight that has none near it."""
    own = [code for code in info.time.codes if re.match(PERIOD_PATTERN[shape.period], code)]
    if not own:
        raise StatBankError(
            f"{table} has no {shape.period}s in StatBank but {few(info.time.codes)}; correct tables.yml"
        )
    years = edition.tables[table].years.all
    warnings = []
    if shape.period == "year":
        wanted = {str(year) for year in years}
        near = set()
    else:
        marks = shape.fetch[TIME]
        wanted = {f"{year}{mark}" for year in years for mark in marks if mark != WEIGHTS}
        near, far = _weight_quarters(edition, table, own) if WEIGHTS in marks else (set(), [])
        warnings = [f"no quarter within a year of {few(far)}, for which persons are weights"] * bool(far)
    absent = sorted(wanted - set(own))
    if absent:
        raise StatBankError(
            f"{table} has no {few(absent)} in StatBank yet (it holds {own[0]} to {own[-1]}); "
            f"change the years in editions/{edition.name}.yml, or fetch again when it has"
        )
    return {code: code for code in sorted(wanted | near)}, warnings


def _weight_quarters(edition: Edition, table: str, own: list[str]) -> tuple[set[str], list[str]]:
    """The quarters nearest to the dates at which persons weigh a rate of the edition, and dates without one.

    `table` is that of the persons; the years are those of the other sources of the rate.
    """
    dated = {
        (source, date)
        for indicator in catalogue().indicators.values()
        for date in dates(indicator)
        for source in indicator.sources
        if source != table
    }
    starts = {code: pd.Period(code.replace("K", "Q"), freq="Q").start_time.date() for code in own}
    near, far = set(), []
    for source, date in sorted(dated):
        for year in edition.tables[source].years.all if source in edition.tables else []:
            day = datetime.date.fromisoformat(f"{year}-{date}")
            best = min(own, key=lambda code, day=day: abs((starts[code] - day).days))
            if abs((starts[best] - day).days) <= YEAR_DAYS:
                near.add(best)
            else:
                far.append(day.isoformat())
    return near, far


def listed_periods(periods: Sequence[str]) -> str:
    """Periods in text, those that follow each other in the series of years or of one quarter as first-last."""
    runs: list[list[str]] = []
    for period in sorted(periods, key=lambda period: (period[4:], period)):
        if runs and (runs[-1][-1][4:], int(runs[-1][-1][:4]) + 1) == (period[4:], int(period[:4])):
            runs[-1].append(period)
        else:
            runs.append([period])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else run[0] for run in runs)
