"""Reference data held against each other before anything is computed: what one file names must stand in another.

What a single entry cannot be is said by its model where it is read. Each check here yields what is wrong, by file and
line or key; a check may rely on those before it, so the first that is found is refused.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import get_args

from analysis import accounts, areas
from analysis.catalogue import catalogue
from analysis.declared import read_rows
from analysis.edition import Edition, reference_folder
from analysis.errors import DeclaredError
from analysis.prices import price_index
from analysis.rows import COLUMNS, ORIGINS, STATUSES, Severity, labels
from noegletal import account_rules, rules
from noegletal.facts import expenditure, functions, population
from noegletal.facts.counts import CountedTable
from noegletal.figures.kinds import (
    Amount,
    Count,
    Delivered,
    GivenRate,
    Kind,
    Modelled,
    Rate,
    ShareOfPopulation,
    UnitCost,
    indicators,
)
from noegletal.sources.forms import form_of
from noegletal.sources.snapshot import table_shapes

YEAR = (r"((19|20)[0-9]{2})?", "a year, or empty")
# By file and column: what a cell must be, as a pattern and in words.
CELLS = {
    "areas.csv": {
        "area_code": (r"[0-9]{3}|L[0-9]{2}|[a-z-]+", "a code as 101 or L01, or the name of a group"),
        "name": (r"\S.*", "a name"),
        "type": (
            "country|group|region|landsdel|municipality|outside",
            "one of country, group, region, landsdel, municipality, outside",
        ),
        "slug": (r"[a-z0-9]+(-[a-z0-9]+)*", "the name of a folder"),
    },
    "categories.csv": {
        "category": (r"\S+", "a code"),
        "label": (r"\S.*", "a name"),
        "colour": ("#[0-9A-Fa-f]{6}", "a colour as #117733"),
        "used_for": (
            "expenditure|function|notifications|population|diagnosis",
            "one of expenditure, function, notifications, population, diagnosis",
        ),
    },
    "accounts.csv": {
        # Excel takes the zeros in front of a code away, and no account would have it then.
        "function": ("[0-9]{5}", "five digits"),
        "grouping": (r"\*|[0-9]{3}", "* or three digits"),
        "valid_from": YEAR,
        "valid_to": YEAR,
    },
    "tiles.csv": {
        "row": ("[0-9]{1,2}", "a whole number from 0"),
        "column": ("[0-9]{1,2}", "a whole number from 0"),
        "short": (r"\S{2,4}", "2 to 4 letters, for which a tile has room"),
    },
}
COLUMNS_OF = {
    "areas.csv": areas.COLUMNS,
    "categories.csv": accounts.CATEGORY_COLUMNS,
    "accounts.csv": account_rules.RULE_COLUMNS,
    "tiles.csv": areas.TILE_COLUMNS,
}
# What no two lines of a file may have in common.
UNIQUE = {
    "areas.csv": (("area_code",), ("name",), ("slug",)),
    "categories.csv": (("population_group", "category"),),
    "accounts.csv": (("function", "grouping", "category", "variant", "valid_from"),),
    "tiles.csv": (("area_code",), ("row", "column"), ("short",)),
}
DANISH_LETTERS = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa"})
FIXED_PRICES = "faste priser"
# Prices are those of a year of accounts, or of the budget or estimate after the last.
LATEST_PRICES = 2


def require_consistent(edition: Edition, delivered: Iterable[str] = ()) -> None:
    """Refuse reference data, or an edition, of which a part does not fit another; `delivered` are the raw tables."""
    plan = chain(_labels(), _bands(), _tables(), _index(), _indicators(), _quality(), _edition(edition, delivered))
    for rule, problems in (
        ("REF-01", chain(_areas(), _tiles(), _categories())),
        ("KONT-01", _accounts()),
        ("REF-01", plan),
    ):
        for problem in problems:
            raise DeclaredError(problem, rule=rule)


def _rows(name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each row of a file stands, and the row."""
    rows = read_rows(reference_folder() / name, COLUMNS_OF[name])
    return ((f"{name} line {line}", row) for line, row in enumerate(rows, 2))


def _cells(name: str) -> Iterator[str]:
    """Cells that are not what their column holds, and keys that stand twice."""
    seen: dict[tuple[str, ...], str] = {}
    for place, row in _rows(name):
        for column, (pattern, words) in CELLS[name].items():
            if not re.fullmatch(pattern, row[column]):
                yield f"{place}: {column} {row[column]!r} must be {words}"
        for columns in UNIQUE[name]:
            key = (*columns, *(row[column] for column in columns))
            if key in seen:
                said = ", ".join(f"{column} {row[column]!r}" for column in columns if row[column])
                yield f"{place}: {said} stands twice, first in {seen[key]}"
            seen[key] = place


def _areas() -> Iterator[str]:
    yield from _cells("areas.csv")
    rows = {row["area_code"]: row for _, row in _rows("areas.csv")}
    of_type = {kind: {code for code, row in rows.items() if row["type"] == kind} for kind in ("group", "region")}
    if [code for code, row in rows.items() if row["type"] == "country"] != [areas.COUNTRY]:
        yield f"areas.csv: one area must be the country, with the code {areas.COUNTRY}"
    for place, row in _rows("areas.csv"):
        kind, landsdel = row["type"], row["landsdel_code"]
        if kind in ("municipality", "landsdel", "outside") and row["region_code"] not in {*of_type["region"], ""}:
            yield f"{place}: region_code {row['region_code']!r} is not a region"
        if kind == "municipality" and (
            rows.get(landsdel, {}).get("type") != "landsdel" or rows[landsdel]["region_code"] != row["region_code"]
        ):
            yield f"{place}: landsdel_code {landsdel!r} is not a landsdel of region {row['region_code']!r}"
        for group in row["groups"].split():
            if group not in of_type["group"]:
                yield f"{place}: groups {group!r} is not a group"
        # Three spellings of a name: two that are exchanged, or one that is misspelt, fit no longer.
        slug = re.sub("[^a-z0-9]+", "-", row["name"].lower().translate(DANISH_LETTERS))
        if kind != "outside" and row["slug"] not in (slug, f"landsdel-{slug}"):
            yield f"{place}: slug {row['slug']!r} does not fit the name {row['name']!r}, which gives {slug!r}"
        if kind in ("municipality", "region", "group") and not row["locative"].lower().endswith(row["name"].lower()):
            yield f"{place}: locative {row['locative']!r} does not end in the name {row['name']!r}"
    for place, row in _rows("areas.csv"):
        inside = [code for code, other in rows.items() if row["area_code"] in other["groups"].split()]
        region = areas.members(row["region_code"]) if row["type"] == "group" and row["region_code"] else inside
        if apart := sorted({*inside} ^ {*region}):
            yield f"{place}: the group must be the municipalities of region {row['region_code']}; {apart[0]} is not"
    named = ",".join(f"{code} {areas.name(code)}" for code in areas.municipalities())
    checksum = hashlib.sha256(named.encode()).hexdigest()[:16]
    if checksum != rules.catalogue().official_municipalities:
        yield (
            "areas.csv: codes and names of municipalities are not those quality.yml has the checksum of; undo what "
            f"was changed or, if the official ones are others now, write official_municipalities: {checksum} there"
        )


def _tiles() -> Iterator[str]:
    yield from _cells("tiles.csv")
    placed = {row["area_code"] for _, row in _rows("tiles.csv")}
    yield from (f"tiles.csv: {code} has no tile" for code in areas.municipalities() if code not in placed)


def _categories() -> Iterator[str]:
    yield from _cells("categories.csv")
    parents = {
        (row["population_group"], row["category"]): row["parent"]
        for _, row in _rows("categories.csv")
        if row["used_for"] == "expenditure"
    }
    leaves = {cell for cell in parents if cell[1] not in (accounts.TOTAL, accounts.OUTSIDE)}
    for place, row in _rows("categories.csv"):
        group, parent = row["population_group"], row["parent"]
        if group not in labels().groups:
            yield f"{place}: population_group {group!r} is not in labels.yml; it has {', '.join(labels().groups)}"
        if parent and (group, parent) not in parents:
            yield f"{place}: parent {parent!r} is not a category of {group!r} with expenditure"
        if not parent and (group, row["category"]) in leaves:
            yield f"{place}: parent is empty, so {row['category']!r} would be in no total"
    for place, row in _rows("categories.csv"):
        passed, above = [row["category"]], row["parent"]
        while above:
            if above in passed:
                yield f"{place}: the parents of {row['category']!r} go in a ring: {' > '.join([*passed, above])}"
                break
            passed.append(above)
            above = parents.get((row["population_group"], above), "")


def _accounts() -> Iterator[str]:
    yield from _cells("accounts.csv")
    known = [row for _, row in _rows("categories.csv") if row["used_for"] == "expenditure"]
    sums = {(row["population_group"], row["parent"]) for row in known}
    leaves = {(row["population_group"], row["category"]) for row in known} - sums
    group_of: dict[str, str] = {}
    for place, row in _rows("accounts.csv"):
        group = row["population_group"]
        if (group, row["category"]) not in leaves:
            yield f"{place}: category {row['category']!r} of {group!r} is not in categories.csv, or is a sum of others"
        if group_of.setdefault(row["function"], group) != group:
            yield f"{place}: function {row['function']} is of {group!r} here and of {group_of[row['function']]!r} above"
        if row["variant"] and row["variant"] not in labels().variants:
            yield f"{place}: variant {row['variant']!r} is not in labels.yml; it has {', '.join(labels().variants)}"
        if row["valid_from"] and row["valid_to"] and row["valid_from"] > row["valid_to"]:
            yield f"{place}: valid_from {row['valid_from']} is after valid_to {row['valid_to']}"


def _labels() -> Iterator[str]:
    """Codes that readers would see without a name."""
    said = labels()
    rates = [entry.denominators for entry in indicators().values() if isinstance(entry, Rate)]
    needed = {
        "units": (said.units, [entry.unit for entry in indicators().values()]),
        "origins": (said.origins, ORIGINS),
        "statuses": (said.statuses, STATUSES),
        "severities": (said.severities, get_args(Severity)),
        "variants": (said.variants, [*account_rules.variants(), *chain(*rates)]),
        "columns.key_figures": (said.columns.key_figures, COLUMNS),
    }
    for part, (named, codes) in needed.items():
        yield from (f"labels.yml: {part} lacks {code!r}" for code in codes if code not in named)


def _bands() -> Iterator[str]:
    bands = catalogue().age_bands
    oldest = max(band.last for band in bands.values())
    for name, band in bands.items():
        fits = f"{band.first}+" if band.last == oldest else f"{band.first}-{band.last}"
        if name != fits:
            yield f"indicators.yml: age_bands.{name} is from {band.first} to {band.last}, which is called {fits}"
    declared = {(band.population_group, name) for name, band in bands.items()}
    listed = {
        (row["population_group"], row["category"])
        for _, row in _rows("categories.csv")
        if row["used_for"] == "population"
    }
    for group, name in sorted(declared ^ listed):
        yield f"indicators.yml: age_bands.{name} of {group!r} is not both there and in categories.csv"


def _tables() -> Iterator[str]:
    for name, shape in table_shapes().items():
        if form_of(name):
            yield f"tables.yml: {name} is also the table of forms/{form_of(name)}.yml"
        for other in shape.replaced_by:
            if other not in table_shapes():
                yield f"tables.yml: {name}.replaced_by {other!r} is not a table"


def _index() -> Iterator[str]:
    """Steps of the price index that no year has; two years that are exchanged, or a digit too many, make one."""
    limits = rules.catalogue().thresholds.price_step
    for name, values in price_index().groupby("index"):
        steps = values.sort_values("year").assign(line=lambda rows: rows.index + 2)
        steps = steps.assign(years=steps["year"].diff(), step=(steps["value"].pct_change() * 100))
        for row in steps.iloc[1:].itertuples():
            if row.years != 1:
                yield f"price_index.csv line {row.line}: {name} has no year before {row.year}; the years must follow on"
            if not limits.lowest <= row.step <= limits.highest:
                yield (
                    f"price_index.csv line {row.line}: {name} goes {row.step:.1f} per cent from {row.year - 1} to "
                    f"{row.year}; a year's step is {limits.lowest:g} to {limits.highest:g} (price_step in quality.yml)"
                )


def _indicators() -> Iterator[str]:
    for name, entry in indicators().items():
        yield from (f"indicators.yml: indicators.{name}{problem}" for problem in _indicator(entry))


def _indicator(entry: Kind) -> Iterator[str]:
    """What is wrong with an entry: the field, and what it does not fit."""
    for table in entry.sources:
        if table not in table_shapes() and not form_of(table):
            yield f".sources: {table!r} is neither in tables.yml nor the table of a form"
    for caveat in entry.caveats:
        if caveat not in catalogue().caveats:
            yield f".caveats: {caveat!r} is not among the caveats"
    for field, group, band in _divided_by(entry):
        if band == accounts.TOTAL:
            continue
        if band not in catalogue().age_bands:
            yield f".{field}: {band!r} is not among the age_bands"
        elif group not in ("", catalogue().age_bands[band].population_group):
            yield f".{field}: {band!r} is not an age band of {group!r}"
        elif (age := re.sub(r"\+$", " år og derover", band)) not in entry.definition.replace("\u00a0", " "):
            yield f".{field}: {band!r} is not an age that the definition names: write {age!r} in it"
    match entry:
        case Rate():
            yield from _rate(entry)
        case GivenRate():
            yield from _given(entry)
        case Amount():
            yield from _amount(entry)
        case Count():
            for place, counted in enumerate(entry.counts):
                yield from (f".counts.{place}{problem}" for problem in _counted(counted))
        case ShareOfPopulation() if indicators()[entry.share].unit != "pct":
            yield f".share: {entry.share!r} is not in per cent"
        case UnitCost():
            for category, functions in entry.leave_out.items():
                if not set(functions) < account_rules.functions_of(category):
                    yield f".leave_out.{category}: {', '.join(functions)} must be some of the functions of the category"
        case Delivered() if not form_of(entry.table):
            yield f".table: {entry.table!r} is not the table of a form"
        case Delivered() if isinstance(entry.share_of, str) and entry.share_of not in indicators():
            yield f".share_of: {entry.share_of!r} is not an indicator"
        case Modelled() if (entry.population_group, entry.category) not in accounts.labels():
            yield f".category: {entry.category!r} of {entry.population_group!r} is not in categories.csv"
    if {FIXED_PRICES in line for line in (entry.source_line, *entry.source_lines.values())} != {
        _in_fixed_prices(entry)
    }:
        yield f".source_line: {FIXED_PRICES!r} must be said of what is made of amounts in fixed prices, and of no other"


def _amount(entry: Amount) -> Iterator[str]:
    if bool(entry.current) != (entry.prices == "fixed"):
        yield ".current: an amount in fixed prices, and no other, must name the one in current prices"
    known = {(row["function"], row["population_group"]) for _, row in _rows("accounts.csv")}
    for category, function in entry.functions.items():
        groups = [group for group, named in accounts.labels() if named == category]
        if not groups:
            yield f".functions: {category!r} is not in categories.csv"
        elif (function, groups[0]) not in known:
            yield f".functions.{category}: {function!r} is not a function of {groups[0]!r} in accounts.csv"


def _in_fixed_prices(entry: Kind) -> bool:
    """Whether an indicator is, or is made of, amounts in fixed prices; modelled ones say so themselves."""
    if isinstance(entry, Modelled):
        return FIXED_PRICES in entry.source_line
    made_of = (indicators()[name] for names in entry.made_of().values() for name in names)
    return entry.prices == "fixed" if isinstance(entry, Amount) else any(map(_in_fixed_prices, made_of))


def _divided_by(entry: Kind) -> Iterator[tuple[str, str, str]]:
    """The age bands of an entry: the field, the population group that it is for, if any, and the band."""
    match entry:
        case Rate():
            for variant, bands in entry.denominators.items():
                yield from ((f"denominators.{variant}", group, band) for group, band in bands.items())
        case GivenRate():
            yield "weight.age_band", "", entry.weight.age_band
        case ShareOfPopulation():
            yield "age_band", "", entry.age_band
        case Delivered() if not isinstance(entry.share_of, str):
            yield from (("share_of", group, band) for group, band in entry.share_of.items())


def _rate(entry: Rate) -> Iterator[str]:
    of_amounts = isinstance(indicators()[entry.numerator], Amount)
    if of_amounts != (entry.unit == "kr_pr_indbygger"):
        yield f".unit: {entry.unit!r} is not what {entry.numerator!r} per person is"
    standard = entry.denominators.get(accounts.STANDARD, {})
    if not standard:
        yield f".denominators: there must be one called {accounts.STANDARD}"
    for variant, bands in entry.denominators.items():
        if variant != accounts.STANDARD and bands.items() & standard.items():
            yield f".denominators.{variant}: an age band of it is also that of {accounts.STANDARD}"


def _given(entry: GivenRate) -> Iterator[str]:
    shape = table_shapes().get(entry.table)
    if shape is None or shape.rate != entry.unit:
        yield f".unit: {entry.unit!r} is not the `rate` of {entry.table!r} in tables.yml"
    elif {shape.area, *entry.select} != set(shape.variables):
        yield f".select: it must name a code of each variable of {entry.table} but {shape.area}"
    if entry.prefer and not isinstance(indicators()[entry.prefer], Count):
        yield f".prefer: {entry.prefer!r} is not a count"


def _counted(counted: CountedTable) -> Iterator[str]:
    shape = table_shapes().get(counted.table)
    if shape is None:
        yield f".table: {counted.table!r} is not in tables.yml"
        return
    if {shape.area, counted.variable, *counted.select} != set(shape.variables):
        yield f".select: it must name a code of each variable of {counted.table} but {shape.area} and the one counted"
    if (shape.fetch or {}).get(shape.area) == "regions" and counted.level != "region":
        yield f".level: {counted.table} has no municipalities"
    if (shape.fetch or {}).get(shape.area) == "municipalities" and counted.level != "municipality":
        yield f".level: {counted.table} has municipalities"
    names = shape.labels.get(counted.variable)
    codes = [code for listed in counted.categories.values() for code in listed]
    for code in codes:
        if codes.count(code) > 1:
            yield f".categories: code {code!r} stands twice"
        if names and code not in names:
            yield f".categories: code {code!r} is not among the labels of {counted.table} in tables.yml"
    for category in [*counted.categories, *(found.category for found in counted.breaks)]:
        if (counted.population_group, category) not in accounts.labels() or category not in counted.categories:
            yield f".categories: {category!r} of {counted.population_group!r} is not in categories.csv, or not counted"


def _quality() -> Iterator[str]:
    limits = rules.catalogue().thresholds
    for jump in (*limits.jumps, *limits.revisions):
        for name in jump.indicators:
            if name not in indicators():
                yield f"quality.yml: thresholds of {jump.rule} name {name!r}, which is not an indicator"
    for code in sorted(rules.catalogue().expected_areas - set(areas.names())):
        yield f"quality.yml: expected_areas {code!r} is not an area of areas.csv"
    if limits.unauthorised.grouping not in set(account_rules.account_rules()["grouping"]):
        yield f"quality.yml: thresholds.unauthorised.grouping {limits.unauthorised.grouping!r} is not in accounts.csv"


def _edition(edition: Edition, delivered: Iterable[str]) -> Iterator[str]:
    place, period = f"editions/{edition.name}.yml", edition.period
    for field, code in [("home_area", edition.home_area), *(("comparison_areas", c) for c in edition.comparison_areas)]:
        if code not in areas.reported_areas():
            yield f"{place}: {field} {code!r} is not an area with key figures; areas.csv has those"
    if not period.first <= edition.price_level <= period.last + LATEST_PRICES:
        yield f"{place}: price_level {edition.price_level} must lie in {period.first}-{period.last}, or soon after it"
    for table in edition.tables:
        if table not in table_shapes() and not form_of(table):
            yield f"{place}: tables.{table} is neither in tables.yml nor the table of a form"
    for table in (expenditure.lineage().table, population.lineage().table):
        if table not in edition.tables:
            yield f"{place}: tables must name {table}, which every key figure rests on"
        elif not set(period.all) <= set(edition.tables[table].years.all):
            yield f"{place}: tables.{table}.years must hold the period of the edition"
    values = price_index()
    deflated = set(values.loc[values["index"] == edition.price_index, "year"])
    # Of an index that is not there the deflators say so.
    if functions.TABLE in edition.tables and deflated:
        for year in sorted(set(edition.tables[functions.TABLE].years.all) - deflated):
            yield f"{place}: tables.{functions.TABLE}.years holds {year}, a year that price_index.csv does not have"
    for table in delivered:
        shape = table_shapes().get(table)
        # Rates that counts have replaced may stay where they lie.
        if table not in edition.tables and (form_of(table) if shape is None else not shape.replaced_by):
            yield f"{place}: tables does not name {table}, which is in the raw folder; add it, or take the file away"
    for plan in edition.sections:
        for name in plan.reads.indicators:
            if name not in indicators():
                yield f"{place}: section {plan.notebook} reads {name!r}, which is not an indicator"
