"""What StatBank has the year after the small edition: its tables a year longer, with what a year brings.

In the accounts a grouping is new, one is called otherwise and an old year is revised; a region is called otherwise, and
people are older than anybody was. One municipality, one table and the price index are late.
"""

import gzip
from dataclasses import replace
from types import MappingProxyType

from small_edition import NAME, YEARS
from statbank_server import nglk, table_from_csv

from analysis import areas
from noegletal import account_rules
from noegletal.sources.fetch_plan import fetched_tables
from noegletal.sources.snapshot import table_shapes

YEAR = str(int(NAME) + 1)
FUNCTION, NEW, RENAMED = "52821", "731", "006"
NAMES = {"003": "003 Familiebehandling", RENAMED: "006 Aflastning i plejefamilie"}
NEW_NAMES = NAMES | {NEW: "731 Aflastning i plejefamilier", RENAMED: "006 Aflastningsfamilier"}
# Thousands of kroner: of the new grouping in each municipality, and what is added to an account of the year before.
AMOUNT, ADDED = 1_500, 30_000
REVISED = {"REGK100": f"400;{FUNCTION};1;1;6;TOT;LOBM;{NAME};", "REGK31": f"400;{FUNCTION};1;TOT;LOBM;{NAME};"}
RENAMED_REGION = ("084", "Hovedstadsregionen")
# Those of one age are called by one that no table had before.
AGE, NEW_AGE = 100, 106
LATE_AREA, LATE_TABLE, PRICES = "187", "ISBU02", "NGLK"


def last_year(small):
    """The tables that were out for the small edition."""
    return published(small, lambda name, lines: lines, NAMES) | {PRICES: prices(YEARS)}


def this_year(small):
    """The tables a year later, when all of it is out."""
    return published(small, changed, NEW_NAMES, dict([RENAMED_REGION])) | {PRICES: prices([*YEARS, int(YEAR)])}


def late(table):
    """A table that does not hold the new year yet."""
    return without(table, lambda key: key[-1] == YEAR)


def late_municipality(table):
    """A table that lacks one municipality in the new year."""
    return without(table, lambda key: (key[0], key[-1]) == (LATE_AREA, YEAR))


def without(table, gone):
    rows = {key: value for key, value in table.rows.items() if not gone(key)}
    *others, time = table.variables
    periods = {key[-1] for key in rows}
    kept = {period: label for period, label in time.values.items() if period in periods}
    return replace(table, rows=rows, variables=[*others, replace(time, values=kept)])


def prices(years):
    return nglk({str(year): (50_000 + 1_500 * place, 43_000) for place, year in enumerate(years)})


def published(small, change, groupings, renamed=MappingProxyType({})):
    """Every table that is fetched, served with its rows as they become by `change`."""
    tables = {}
    for name in fetched_tables(small.edition):
        shape = table_shapes()[name]
        if name == PRICES:
            continue
        lines = change(name, lines_of(small.raw, name))
        here = dict.fromkeys(line.split(";")[0] for line in lines[1:])
        names_here = {code: areas.name(code.zfill(3)) for code in here}
        labels = {shape.area: names_here | {code: text for code, text in renamed.items() if code in here}}
        if "FUNKTION" in shape.variables:
            labels["FUNKTION"] = {
                code: f"{account_rules.printed_number(code)} Funktion" for code in account_rules.functions()
            }
        if "GRUPPERING" in shape.variables:
            # As StatBank spells them: 3, not 003.
            labels["GRUPPERING"] = {code.lstrip("0"): label for code, label in groupings.items()}
        tables[name] = table_from_csv(lines, table=name, unit=shape.shown.unit, labels=labels)
    return tables


def lines_of(folder, name):
    """Header and rows of a raw table, its parts together; of two rows of a key the genuine one."""
    rows = {}
    for path in sorted(folder.glob(f"{name}.*csv.gz")):
        header, *lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
        rows = {line.rpartition(";")[0]: line for line in lines} | rows
    return [header, *rows.values()]


def changed(name, lines):
    """The rows with those of the last periods once more a year later, and what else is new in the year."""
    header, *rows = lines
    periods = [line.split(";")[-2] for line in rows]
    last = {period[4:]: period for period in sorted(periods)}
    longer = dict(line.rsplit(";", 1) for line in rows)
    for line, period in zip(rows, periods, strict=True):
        if period == last[period[4:]]:
            *codes, _, value = line.split(";")
            longer[";".join([*codes, f"{int(period[:4]) + 1}{period[4:]}"])] = value
    rows = [f"{key};{value}" for key, value in longer.items()]
    if name in REVISED:
        rows = [more(line, REVISED[name], ADDED) for line in rows]
    for area in areas.municipalities():
        if name == "REGK100":
            rows.append(f"{area};{FUNCTION};1;1;{NEW.lstrip('0')};TOT;LOBM;{YEAR};{AMOUNT}")
        elif name == "REGK31":
            rows = [more(line, f"{area};{FUNCTION};1;TOT;LOBM;{YEAR};", AMOUNT) for line in rows]
    if name == "FOLK1A":
        rows = [line.replace(f";{AGE};", f";{NEW_AGE};") if f";{YEAR}K" in line else line for line in rows]
        # StatBank lists every age, whether anybody has it or not.
        rows += [f"101;TOT;{age};TOT;{YEAR}K1;0" for age in range(AGE + 1, NEW_AGE) if not aged(rows, age, f"{YEAR}K1")]
    return [header, *rows]


def aged(rows, age, period):
    return any(line.startswith(f"101;TOT;{age};TOT;{period};") for line in rows)


def more(line, start, amount):
    """A row that begins with `start` with an amount more."""
    return f"{start}{int(line.removeprefix(start)) + amount}" if line.startswith(start) else line
