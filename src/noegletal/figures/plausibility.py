"""Rules on key figures: sign, jumps from year to year, denominators, and what an earlier vintage of the data held.

Each looks at the municipalities in the standard reading, says what it finds in Danish and changes nothing. A finding
gathers a category and year and names the largest; thresholds and texts are in `data/reference/quality.yml`.
"""

import pandas as pd

from analysis import accounts, areas
from analysis.danish import number, sentence
from analysis.rows import GENUINE, evidence
from noegletal import rules
from noegletal.figures.kinds import indicators
from noegletal.rules import Finding, Jump, Range, found, of_largest

KRONER = "expenditure_current"
CELL = ["indicator", "population_group", "category", "year"]
Cell = tuple[str, str, str, int]
# Levels from this on are shown without decimals.
LARGE = 100


def findings(table: pd.DataFrame) -> list[Finding]:
    """What the rules find in a table of key figures (the contract's columns)."""
    rows = _municipal(table)
    found_here = [*empty_denominators(rows), *negative_expenditure(rows), *jumps(rows), *costs_without_recipients(rows)]
    return [*found_here, *levels(table), *out_of_order(table)]


def noted(table: pd.DataFrame, said: list[Finding]) -> pd.DataFrame:
    """The key figures, each with what findings say of it in its note, also where it is computed from such figures.

    Only of measured ones: what is odd about a reconstruction says nothing of a municipality.
    """
    marks = {name: rule.mark for name, rule in rules.catalogue().rules.items()}
    known = table[(table["variant"] == accounts.STANDARD) & table["value"].notna()]
    known = known[evidence(known) == GENUINE]
    by_indicator = dict(list(known[[*CELL, "area_code"]].groupby("indicator")))
    notes = table["note"].to_dict()
    for finding in said:
        cells, sources = set(finding.about), set(finding.table.split(", "))
        for name, rows in by_indicator.items() if marks[finding.rule] else ():
            if not sources <= set(indicators()[name].sources):
                continue
            for row in rows[rows["area_code"].isin({area for area, _, _ in cells})].itertuples():
                if not cells.isdisjoint((row.area_code, category, row.year) for category in (row.category, "")):
                    mark = f"{areas.name(row.area_code)} {marks[finding.rule]}"
                    if mark not in notes[row.Index]:
                        notes[row.Index] = f"{notes[row.Index]}; {mark}".removeprefix("; ")
    return table.assign(note=pd.Series(notes, dtype=table["note"].dtype))


def _municipal(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of municipalities in the standard reading, of categories that are not sums of others."""
    sums = accounts.categories()
    sums = sums[(sums["used_for"] == "expenditure") & sums["category"].isin(sums["parent"])]
    whole = table["category"].isin(sums["category"]) | (table["population_group"] == accounts.ALL_GROUPS)
    amounts = [name for name, entry in indicators().items() if entry.adds_categories]
    return table[
        table["area_code"].isin(areas.municipalities())
        & (table["variant"] == accounts.STANDARD)
        & ~(whole & table["indicator"].isin(amounts))
    ]


def empty_denominators(rows: pd.DataFrame) -> list[Finding]:
    """NAEVN-01: nobody in an age band that a key figure is divided by, where there is something to divide."""
    used = {band for entry in indicators().values() for band in entry.bands}
    people = rows[(rows["indicator"] == "population") & rows["category"].isin(used)]
    empty = people[people["value"] == 0]
    return [
        found("NAEVN-01", "FOLK1A", f"Folketallet for {band} år er 0 i {year} i {_names(hit)}.")
        for (band, year), hit in empty.groupby(["category", "year"])
    ]


def negative_expenditure(rows: pd.DataFrame) -> list[Finding]:
    """FORT-01: negative net expenditure in a category that was large the year before."""
    both = _with_earlier_year(rows[rows["indicator"] == KRONER])
    limit = rules.catalogue().thresholds.negative_after_kroner
    wrong = both[(both["value"] < 0) & (both["earlier"] >= limit)]
    return [_found("FORT-01", cell, f"er negativ i {cell[3]}: {_changes(hit)}", hit) for cell, hit in _by_cell(wrong)]


def jumps(rows: pd.DataFrame) -> list[Finding]:
    """SPRING-01 to -05: a municipality's figure that rises or falls by a declared factor and amount in a year."""
    limits = rules.catalogue().thresholds
    said = []
    for jump in limits.jumps:
        both = _with_earlier_year(rows[rows["indicator"].isin(jump.indicators)])
        compared = both.groupby(CELL).size()
        for cell, hit in _by_cell(_jumping(both, jump)):
            said.append(_found(jump.rule, cell, f"springer fra {cell[3] - 1} til {cell[3]}: {_changes(hit)}", hit))
            if len(hit) > limits.jumping_share * compared[cell] and not hit["note"].ne("").any():
                text = f"springer fra {cell[3] - 1} til {cell[3]} i {len(hit)} af {compared[cell]} kommuner på én gang"
                said.append(_found("SPRING-05", cell, text))
        for cell, mine in _by_cell(both) if jump.order else []:
            if mine["value"].rank().corr(mine["earlier"].rank()) < jump.order:
                text = f"er fra {cell[3] - 1} til {cell[3]} ikke de samme kommuners: deres rækkefølge er en anden"
                said.append(_found("SPRING-05", cell, text))
    return said


def levels(table: pd.DataFrame) -> list[Finding]:
    """NIVEAU-01, NIVEAU-02, FORD-01: figures that no municipality or area has, and that do not lie where people do."""
    standard = table[table["variant"] == accounts.STANDARD].dropna(subset=["value"])
    parts = dict(list(standard.groupby(["indicator", "population_group"])))
    population = standard[standard["indicator"] == "population"]
    said = []
    for declared in rules.catalogue().thresholds.ranges:
        rows = parts.get((declared.indicator, declared.population_group), standard[:0])
        # Of what is nowhere the readers say that it is not delivered.
        rows = rows[rows["category"].isin(set(declared.usual) & set(rows.loc[rows["value"] != 0, "category"]))]
        if rows.empty:
            continue
        people = population[population["category"] == declared.per].set_index(["area_code", "year"])["value"]
        said += _levels(declared, rows.merge(_all_years(people, rows["year"]), on=["area_code", "year"], how="left"))
    return said


def _all_years(people: pd.Series, years: pd.Series) -> pd.DataFrame:
    """Persons by area and year; a year outside the period has those of the nearest, for they change slowly."""
    wide = people.unstack("year")
    wide = wide.reindex(columns=sorted({*wide.columns, *years})).ffill(axis=1).bfill(axis=1)
    return wide.melt(ignore_index=False, value_name="people").reset_index()


def _levels(declared: Range, rows: pd.DataFrame) -> list[Finding]:
    """What is found in the rows of one declared range (with `people`, those of its age band)."""
    limits = rules.catalogue().thresholds
    municipal = rows["area_code"].isin(areas.municipalities())
    size = rows["people"] / declared.scale if declared.per else 1.0
    level, amount = (rows["value"], rows["value"] * size) if declared.ready else (rows["value"] / size, rows["value"])
    # Nobody to divide by is another rule's.
    rows = rows.assign(level=level.where(size != 0) if declared.per else level, amount=amount, size=size)
    rows["low"], rows["high"] = (
        rows["category"].map(lambda name, end=end: declared.usual[name][end]) for end in (0, 1)
    )
    factor = municipal.map({True: limits.range_factor, False: 1.0})

    def outside(by: pd.Series | float) -> pd.Series:
        high = (rows["level"] > by * rows["high"]) & (rows["amount"] >= declared.at_least)
        return high | ((rows["level"] < rows["low"] / by) & (rows["low"] / by * rows["size"] >= declared.at_least))

    wrong = outside(factor)
    said = []
    for rule, hit in (("NIVEAU-01", wrong), ("NIVEAU-02", outside(1.0) & ~wrong)):
        for category, found_rows in rows[hit].groupby("category", sort=False):
            said.append(_outside(rule, declared, category, found_rows))
    # Figures that have no municipalities have regions.
    lying = rows[municipal if municipal.any() else rows["area_code"].isin(areas.regions())]
    shares = lying[["value", "people"]].clip(lower=0)
    cells = [lying["category"], lying["year"]]
    shares = (shares / shares.groupby(cells).transform("sum")).diff(axis=1)["people"].abs().groupby(cells).sum() / 2
    for (category, year), apart in shares.items():
        if apart > declared.apart.get(category, 1):
            cell = (declared.indicator, declared.population_group, category, year)
            text = f"er i {year} fordelt anderledes end indbyggerne: {number(100 * apart)} pct. ligger i andre områder"
            said.append(_found("FORD-01", cell, text))
    return said


def _outside(rule: str, declared: Range, category: str, rows: pd.DataFrame) -> Finding:
    """Rows outside a range, the farthest first, with their levels."""
    far = (rows["level"] / rows["high"]).where(rows["level"] > rows["high"], 1 / (rows["level"] / rows["low"]).abs())
    ordered = rows.assign(far=far).sort_values("far", ascending=False)
    decimals = 0 if declared.usual[category][1] >= LARGE else 2
    named = of_largest(
        [f"{areas.name(row.area_code)} {row.year} ({number(row.level, decimals)})" for row in ordered.itertuples()]
    )
    low, high = (number(end, decimals) for end in declared.usual[category])
    whom = "indbygger" if declared.per == accounts.TOTAL else f"{declared.per}-årig"
    per = f" pr. {number(declared.scale) + ' ' if declared.scale > 1 else ''}{whom}" * bool(declared.per)
    cell = (declared.indicator, declared.population_group, category, 0)
    return _found(rule, cell, f"plejer{per} at ligge mellem {low} og {high}, men er for {named}", rows)


def out_of_order(table: pd.DataFrame) -> list[Finding]:
    """IDENT-02: figures below others that they cannot be below, in any area."""
    keys = ["area_code", "population_group", "year"]
    standard = table[table["variant"] == accounts.STANDARD]
    said = []
    for order in rules.catalogue().thresholds.orders:
        own = standard[standard["indicator"] == order.indicator]
        whole = own[own["category"] == order.category].set_index(keys)["value"].rename("whole")
        if order.at_least == "others":
            others = own[own["category"] != order.category]
        else:
            indicator, category = order.at_least.split(".")
            others = standard[(standard["indicator"] == indicator) & (standard["category"] == category)]
        both = others.join(whole, on=keys).dropna(subset=["value", "whole"])
        wrong = both[both["whole"] < both["value"]]
        for (indicator, group, category), hit in wrong.groupby(
            ["indicator", "population_group", "category"], sort=False
        ):
            cell = (indicator, group, category, 0)
            named = of_largest([f"{areas.name(row.area_code)} {row.year}" for row in hit.itertuples()])
            text = f"er større end {indicators()[order.indicator].name.lower()}: {named}"
            said.append(_found("IDENT-02", cell, text))
    return said


def costs_without_recipients(rows: pd.DataFrame) -> list[Finding]:
    """NAEVN-02, NAEVN-03: unit costs with nobody, or hardly anybody, to divide the expenditure by."""
    limits = rules.catalogue().thresholds
    entry = indicators()["unit_cost"]
    keys = ["population_group", "category", "area_code", "year"]
    persons = rows[rows["indicator"].isin(entry.persons())].set_index(keys)["value"].rename("persons")
    costs = rows[rows["indicator"] == "unit_cost"].set_index(keys)["value"]
    amounts = rows[rows["indicator"] == KRONER].set_index(keys)["value"].rename("amount")
    table = pd.concat([costs, persons, amounts], axis=1).reset_index()
    nobody = table[(table["persons"] == 0) & (table["amount"] >= limits.cost_without_recipients_kroner)]
    few = table[table["value"].notna() & (table["persons"] < limits.few_recipients)]
    said = []
    for (group, category), hit in nobody.groupby(["population_group", "category"], sort=False):
        largest = hit.sort_values("amount", ascending=False)
        named = of_largest([f"{areas.name(row.area_code)} {row.year}" for row in largest.itertuples()])
        text = f"{accounts.label(group, category)} har udgifter, men ingen modtagere: {named}."
        said.append(found("NAEVN-02", ", ".join(entry.sources), text))
    for (group, category), hit in few.groupby(["population_group", "category"], sort=False):
        text = (
            f"Enhedsprisen for {accounts.label(group, category)} bygger i mindst ét år på færre end "
            f"{number(limits.few_recipients)} modtagere: {_names(hit)}."
        )
        said.append(found("NAEVN-03", ", ".join(entry.sources), text))
    return said


def revisions(table: pd.DataFrame, earlier: pd.DataFrame) -> list[Finding]:
    """VINT-01, VINT-02: figures of years in both vintages that have changed much, or are missing now.

    Both frames have the columns of key figures; what only one of them computes is not compared.
    """
    keys = [*CELL, "area_code"]
    before = _municipal(earlier).set_index(keys)["value"].rename("earlier")
    both = _municipal(table).merge(before.reset_index(), on=keys)
    said = []
    for limit in rules.catalogue().thresholds.revisions:
        mine = both[both["indicator"].isin(limit.indicators)]
        moved = _by_cell(_jumping(mine.dropna(subset=["value", "earlier"]), limit))
        said += [_found(limit.rule, cell, f"{cell[3]} er ændret: {_changes(hit)}") for cell, hit in moved]
        gone = _by_cell(mine[(mine["status"] == "missing") & mine["earlier"].notna()])
        said += [_found("VINT-02", cell, f"{cell[3]} mangler nu for {_names(hit)}") for cell, hit in gone]
    return said


def _with_earlier_year(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a figure the year before as well, with it as `earlier`."""
    keys = [*CELL, "area_code"]
    earlier = rows[[*keys, "value"]].assign(year=rows["year"] + 1).rename(columns={"value": "earlier"})
    return rows.merge(earlier, on=keys).dropna(subset=["value", "earlier"])


def _jumping(both: pd.DataFrame, limit: Jump) -> pd.DataFrame:
    """The rows that rise or fall by at least the factor and the amount; a figure of or from zero counts."""
    small = both[["value", "earlier"]].abs().min(axis=1)
    large = both[["value", "earlier"]].abs().max(axis=1)
    turned = both["value"] * both["earlier"] < 0
    apart = (both["value"] - both["earlier"]).abs() >= limit.amount
    return both[apart & ((large >= limit.factor * small) | turned)]


def _by_cell(rows: pd.DataFrame) -> list[tuple[Cell, pd.DataFrame]]:
    return list(rows.groupby(CELL, sort=False))


def _found(rule: str, cell: Cell, text: str, rows: pd.DataFrame | None = None) -> Finding:
    """A finding about a cell, or about some rows of it: its name in front of `text`."""
    indicator, group, category, _ = cell
    entry = indicators()[indicator]
    of = "" if category == accounts.TOTAL else f", {accounts.labels().get((group, category), category)}"
    about = () if rows is None else rows[["area_code", "category", "year"]].itertuples(index=False, name=None)
    return found(rule, ", ".join(entry.sources), sentence(f"{entry.name}{of} {text}"), about)


def _names(rows: pd.DataFrame) -> str:
    """The municipalities of some rows in the order of the alphabet."""
    return of_largest(sorted(map(areas.name, rows["area_code"].unique()), key=areas.collation_key))


def _changes(rows: pd.DataFrame) -> str:
    """The municipalities of a cell with both figures, the largest change first."""
    ordered = rows.assign(size=(rows["value"] - rows["earlier"]).abs()).sort_values("size", ascending=False)
    entry = indicators()[rows["indicator"].iloc[0]]
    thousand = entry.unit == "kr"

    def shown(value: float) -> str:
        return number(value / 1000) if thousand else number(value, entry.decimals)

    named = of_largest(
        [
            f"{areas.name(row.area_code)} (fra {shown(row.earlier)} til {shown(row.value)})"
            for row in ordered.itertuples()
        ]
    )
    return f"{named}, i t.kr." if thousand else named
