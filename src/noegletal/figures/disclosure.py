"""Small counts: key figures that rest on few persons, and those that would give them away, are not published.

Figures that tell the same number of persons (a count, its rate, its unit cost, every variant) share one quantity and
are hidden together. Among the quantities of a year, sums that a reader can form (municipalities to areas, categories to
totals, both population groups together) are equations. A small quantity is protected when the equations, the shown
figures and the rule that a hidden figure is never zero allow it to be at least `threshold` persons larger than it is:
a linear program finds the cheapest quantities to hide so that this holds (the heuristic of Kelly, Golden and Assad,
Cell suppression: disclosure protection for sensitive tabular data, Networks 22, 1992). See docs/disclosure.md.
"""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack

from analysis import accounts, areas
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.rows import MISSING, PANEL, SUPPRESSED
from noegletal.figures import coverage
from noegletal.figures.kinds import PER, Kind, indicators
from noegletal.rules import Finding
from noegletal.rules import catalogue as rules
from noegletal.sources.snapshot import table_shapes

# Findings about raw rows that say what stands in them; those about key figures are made after these are hidden.
SAY_FIGURES = ("ENHED-01", "ENHED-02", "KOR-01", "OMR-01")
NOT_SAID = "Tallene vises ikke af hensyn til få personer."
CELL = ["population_group", "category", "year"]
# Totals that miss the sum of their parts by less than this are taken for sums: they give a part away all the same.
NEARLY = 0.01
# What is hidden already costs next to nothing to use again; a whisker per place in line makes the cheapest set unique.
HIDDEN_COST, WHISKER = 1e-3, 1e-6
CLOSE = 1e-6
# By series, the municipalities that its panel leaves out.
LeftOut = dict[tuple[str, str, str, str], frozenset[str]]


class Quantity(NamedTuple):
    """A number of persons that figures tell: of an area, or of its municipalities without the `absent` ones."""

    area_code: str
    population_group: str
    category: str
    absent: tuple[str, ...] = ()


def suppressed(table: pd.DataFrame, edition: Edition) -> pd.DataFrame:
    """Key figures as they may be published: a row to hide has no value and status `suppressed`.

    Requires and returns the columns of key figures. Only figures that rest on a table with policy `persons` are
    looked at. Errors: a form without a policy; policy `persons` for a table whose figures count no persons.
    """
    tables = _persons_tables(edition)
    heads = _heads(table, tables)
    hidden = pd.Series(False, index=table.index)
    left_out = coverage.left_out(table)
    for (head, _), rows in table[heads != ""].groupby([heads[heads != ""], "year"], sort=True):
        quantities, counts, small = _quantities(table, rows, head, edition.disclosure.threshold, left_out)
        if small:
            chosen = _hidden(counts, small, edition.disclosure.threshold)
            hidden[rows.index] = quantities.isin(chosen) & rows["value"].notna()
    return table.assign(value=table["value"].mask(hidden), status=table["status"].mask(hidden, SUPPRESSED))


def without_figures(findings: list[Finding], edition: Edition) -> list[Finding]:
    """Findings about raw rows as they may be published: of a table of persons they say the rule and no figure."""
    return [
        finding.model_copy(update={"text": f"{rules().rules[finding.rule].what} {NOT_SAID}"})
        if finding.rule in SAY_FIGURES and edition.disclosure.sources.get(finding.table) == "persons"
        else finding
        for finding in findings
    ]


def _persons_tables(edition: Edition) -> set[str]:
    policy = edition.disclosure.sources
    # Statistics Denmark clears its own tables; whoever fills in a form does not.
    undecided = [table for table in edition.tables if table not in table_shapes() and table not in policy]
    if undecided:
        raise InputError(
            f"editions/{edition.name}.yml: disclosure.sources does not say whether {undecided[0]} holds persons; "
            f"add `{undecided[0]}: persons` or `{undecided[0]}: cleared`"
        )
    tables = {table for table, kind in policy.items() if kind == "persons"}
    for name, entry in indicators().items():
        if not (entry.modelled or entry.persons()) and tables & set(entry.sources):
            raise InputError(
                f"editions/{edition.name}.yml: disclosure.sources says persons of {min(tables & set(entry.sources))}, "
                f"but {name} is not a count of persons that can be protected; use cleared"
            )
    return tables


def _heads(table: pd.DataFrame, tables: set[str]) -> pd.Series:
    """By row, the indicator that counts the persons behind it; empty where none of them comes from `tables`."""
    declared = indicators()
    counted_by = {name: entry.persons() for name, entry in declared.items()}
    concerned = {
        head
        for name, heads in counted_by.items()
        for head in heads
        # A rate that a source delivers tells its count, whoever delivered that.
        for teller in (head, *([name] if declared[name].ready_made else []))
        if tables & set(declared[teller].sources)
    }
    heads = pd.Series("", index=table.index)
    for name, candidates in counted_by.items():
        if concerned.isdisjoint(candidates):
            continue
        for head in candidates:
            open_rows = table[(table["indicator"] == name) & (heads == "")]
            known = table[(table["indicator"] == head) & table["value"].notna()]
            counted = pd.MultiIndex.from_frame(known[CELL].drop_duplicates())
            heads[open_rows.index[pd.MultiIndex.from_frame(open_rows[CELL]).isin(counted)]] = head
    return heads.where(heads.isin(concerned), "")


def _quantities(
    table: pd.DataFrame, rows: pd.DataFrame, head: str, threshold: int, left_out: LeftOut
) -> tuple[pd.Series, dict[Quantity, float], list[Quantity]]:
    """The quantity that each row of a head and year tells, how many persons each is, and which are too few."""
    told = {index: Quantity(*row) for index, *row in rows[["area_code", *CELL[:2]]].itertuples(name=None)}
    shown = rows[rows["value"].notna()]
    counts = _persons_behind(table, shown, head)
    counted, delivered = defaultdict(set), defaultdict(set)
    for quantity in counts:
        if quantity.area_code in areas.municipalities():
            counted[quantity[1:3]].add(quantity.area_code)
    for row in rows[rows["status"] != MISSING].itertuples():
        delivered[row.indicator, row.variant, row.population_group, row.category].add(row.area_code)
    for row in shown[shown["area_code"].isin(areas.aggregates())].itertuples():
        cell = (row.population_group, row.category)
        members = counted[cell] & set(areas.members(row.area_code))
        # A figure of an area is of the members that have theirs; a panel leaves out some that do.
        read = accounts.STANDARD if row.variant == PANEL else row.variant
        present = members & delivered[row.indicator, read, *cell]
        if row.variant == PANEL:
            present -= left_out.get((row.indicator, row.area_code, *cell), frozenset())
        quantity = told[row.Index] = Quantity(row.area_code, *cell, tuple(sorted(members - present)))
        if members:
            counts[quantity] = sum(counts[Quantity(code, *cell)] for code in present)
    published = {told[index] for index in shown.index}
    # A published figure of an unknown number of persons counts as one of a single person.
    counts = {quantity: counts.get(quantity, 1.0) for quantity in sorted(published)}
    of_few = _of_few(table, shown, head, threshold)
    small = [
        quantity
        for quantity, count in counts.items()
        if 0 < count < threshold - CLOSE or (count > 0 and quantity in of_few)
    ]
    return pd.Series(told), counts, small


def _persons_behind(table: pd.DataFrame, shown: pd.DataFrame, head: str) -> dict[Quantity, float]:
    """Persons by quantity as the head counts them, or as a rate of it and the population imply."""
    counts = {}
    for name, rows in shown.groupby("indicator"):
        entry = indicators()[name]
        if name == head and entry.unit == "antal":
            persons = rows["value"]
        elif entry.whole is not None:
            local = rows["area_code"].isin(areas.municipalities())
            rows = rows[local | (not local.any())]
            persons = rows["value"] / PER[entry.unit] * _base(table, rows, entry)
        else:
            continue
        found = zip(rows[["area_code", *CELL[:2]]].itertuples(index=False, name=None), persons, strict=True)
        found = {Quantity(*key): float(count) for key, count in found if not np.isnan(count)}
        counts = found | counts if name != head else counts | found
    return counts


def _base(table: pd.DataFrame, rows: pd.DataFrame, entry: Kind) -> pd.Series:
    """How many persons a share or rate is of, by row; NaN where that is not known."""
    share_of = entry.whole
    if isinstance(share_of, str) and share_of in indicators():
        whole = indicators()[share_of]
        shares = table[table["indicator"] == share_of].set_index(["area_code", *CELL])["value"]
        found = rows[["area_code", *CELL]].join(shares, on=["area_code", *CELL])
        return found["value"] / PER[whole.unit] * _base(table, rows, whole)
    bands = rows["population_group"].map(share_of) if isinstance(share_of, dict) else share_of
    people = table[(table["indicator"] == "population") & table["value"].notna()].sort_values("year")
    wanted = rows[["area_code", "year"]].assign(category=bands, row=rows.index).sort_values("year")
    # The size of a population is what matters here, so the year next to it will do.
    near = pd.merge_asof(
        wanted,
        people[["area_code", "category", "year", "value"]],
        on="year",
        by=["area_code", "category"],
        direction="nearest",
    )
    return near.set_index("row")["value"].reindex(rows.index)


def _of_few(table: pd.DataFrame, shown: pd.DataFrame, head: str, threshold: int) -> set[Quantity]:
    """Quantities that are a share of fewer persons than the threshold, however many of them it counts."""
    entry = indicators()[head]
    if not entry.of_few:
        return set()
    few = shown[_base(table, shown, entry) < threshold - CLOSE]
    return {Quantity(*key) for key in few[["area_code", *CELL[:2]]].itertuples(index=False, name=None)}


def _hidden(counts: dict[Quantity, float], small: list[Quantity], threshold: int) -> set[Quantity]:
    """The small quantities and those to hide with them, so that each of them could be `threshold` persons larger.

    A quantity of zero is never hidden, and a hidden one never thought of as zero. When all others are hidden they can
    grow together, so there is an answer.
    """
    free = [quantity for quantity, count in counts.items() if count > 0]
    place = {quantity: number for number, quantity in enumerate(free)}
    size = np.array([counts[quantity] for quantity in free])
    equations, slack = _equations(counts, place)
    whole = bool((np.abs(size - np.round(size)) < CLOSE).all())
    cost = np.maximum(size, 1.0) * (1 + WHISKER * np.arange(len(free)))
    chosen = np.zeros(len(free), dtype=bool)
    chosen[[place[quantity] for quantity in small]] = True
    safe = np.zeros(len(free), dtype=bool)
    for quantity in sorted(small, key=lambda quantity: (counts[quantity], quantity)):
        if not safe[place[quantity]]:
            prices = np.where(chosen, HIDDEN_COST, cost)
            moved = _moved(place[quantity], equations, slack, size, prices, threshold, whole=whole)
            if moved is None:
                return set(free)
            chosen |= np.abs(moved) > CLOSE
            safe |= moved > threshold - CLOSE
    return {quantity for quantity in free if chosen[place[quantity]]}


def _moved(
    target: int,
    equations: csr_array,
    slack: np.ndarray,
    size: np.ndarray,
    cost: np.ndarray,
    threshold: int,
    *,
    whole: bool,
) -> np.ndarray | None:
    """The cheapest change of quantities that makes one of them `threshold` persons larger and keeps all equations.

    None where there is none, which can be only when a total is not quite the sum of its parts.
    """
    least_up, most_down = np.zeros(len(size)), np.maximum(size - 1, 0)
    least_up[target], most_down[target] = threshold, 0
    least = np.concatenate([least_up, np.zeros(len(size))])
    most = np.concatenate([np.full(len(size), np.inf), np.round(most_down) if whole else most_down])
    answer = milp(
        np.concatenate([cost, cost]),
        constraints=LinearConstraint(hstack([equations, -equations], format="csr"), -slack, slack),
        bounds=Bounds(least, most),
        integrality=np.full(2 * len(size), int(whole)),
        options={"mip_rel_gap": 0},
    )
    return answer.x[: len(size)] - answer.x[len(size) :] if answer.success else None


def _equations(counts: dict[Quantity, float], place: dict[Quantity, int]) -> tuple[csr_array, np.ndarray]:
    """One row per total that is the sum of parts: 1 for each part above zero, -1 for the total; and what it misses."""
    entries, slack = [], []
    for total, parts in _sums(list(counts)):
        difference = abs(sum(counts[part] for part in parts) - counts[total])
        if difference <= max(0.5, NEARLY * counts[total]):
            row = {place[part]: 1.0 for part in parts if part in place}
            if total in place:
                row[place[total]] = -1.0
            entries.append(row)
            slack.append(difference if difference > CLOSE else 0.0)
    rows = [number for number, row in enumerate(entries) for _ in row]
    columns = [column for row in entries for column in row]
    values = [value for row in entries for value in row.values()]
    return csr_array((values, (rows, columns)), shape=(len(entries), len(place))), np.array(slack)


def _sums(quantities: list[Quantity]) -> list[tuple[Quantity, list[Quantity]]]:
    """Totals and the parts they may be the sum of: areas, regions, categories, population groups."""
    there = set(quantities)
    tree = accounts.categories().groupby(["population_group", "parent"])["category"].agg(list).to_dict()
    groups = sorted({group for group, _ in tree} - {accounts.ALL_GROUPS})
    found = []
    for total in quantities:
        group, category = total[1:3]
        if total.area_code in areas.aggregates():
            members = areas.members(total.area_code)
            twins = [code for code in areas.aggregates() if code < total.area_code and areas.members(code) == members]
            found += [(total, [total._replace(area_code=code)]) for code in twins]
            present = [code for code in members if code not in total.absent]
            found.append((total, [Quantity(code, group, category) for code in present]))
            if total.area_code == areas.COUNTRY:
                parts = {code: sorted(set(total.absent) & set(areas.members(code))) for code in areas.regions()}
                found.append((total, [Quantity(code, group, category, tuple(out)) for code, out in parts.items()]))
        below = [total._replace(category=name) for name in tree.get((group, category), [])]
        found.append((total, below))
        found.append((total, [leaf for part in below for leaf in _below(part, tree)]))
        if category == accounts.TOTAL:
            beside = [name for name in tree[group, ""] if name not in (accounts.TOTAL, accounts.OUTSIDE)]
            found.append((total, [total._replace(category=name) for name in beside]))
        if group == accounts.ALL_GROUPS:
            found.append((total, [total._replace(population_group=name) for name in groups]))
    sums = [(total, [part for part in parts if part in there]) for total, parts in found]
    return [(total, parts) for total, parts in sums if parts]


def _below(part: Quantity, tree: dict[tuple[str, str], list[str]]) -> list[Quantity]:
    """The categories that a category is made of, or itself."""
    return [part._replace(category=name) for name in tree.get(part[1:3], [])] or [part]
