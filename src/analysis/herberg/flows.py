"""Where citizens at herberger come from and which municipalities pay, with small numbers protected.

The table has home clusters as rows, host clusters as columns, and totals. A cell with fewer persons than the threshold
is hidden, and with it as many others as it takes for the totals not to give it away: each small cell lies on a circle
of hidden cells along which persons and nights can be moved without changing anything that is shown, so it cannot be
computed; and the hidden cells of a row or column, whose sum can be computed, together hold no fewer persons than the
threshold (Cox, Suppression methodology and statistical disclosure control, JASA 75, 1980; Gusfield, A graph theoretic
approach to statistical data security, SIAM Journal on Computing 17, 1988).
"""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from analysis.errors import InputError
from analysis.herberg.use import cluster_order, spans
from analysis.rows import FINAL, SUPPRESSED

ELSEWHERE, UNKNOWN, TOTAL = "Andre KKR", "Ukendt", "I alt"
COLUMNS = ["home_cluster", "host_cluster", "nights", "persons", "status"]
# What it costs to hide a cell: its persons; a zero only when nothing else will do, a total last of all. A cell that is
# hidden already costs next to nothing, but a graph takes no edge of length zero.
HIDDEN_COST, ZERO_COST, TOTAL_COST = 1e-6, 1e6, 1e9


def flows(stays: pd.DataFrame, kkr: str, smallest: int) -> pd.DataFrame:
    """Nights and persons from home cluster to host cluster, for all that concerns a KKR.

    Homes are the clusters of the KKR, `Andre KKR` and `Ukendt`; hosts its clusters and, when the extract holds other
    KKR's herberger, `Andre KKR` (only for citizens of the KKR). Requires the columns of the fact shelter_stays.
    Returns home_cluster, host_cluster, nights, persons (each once per cell), status: `final`, or `suppressed` with NaN
    for cells of fewer than `smallest` persons and those that protect them. Every cell there can be has a row, zeros
    too. Empty without stays that concern the KKR. Errors: a threshold below 2.
    """
    table = _table(stays, kkr, smallest)
    inner = (table["home_cluster"] != TOTAL) & (table["host_cluster"] != TOTAL)
    return table[inner].reset_index(drop=True)


def balance(stays: pd.DataFrame, kkr: str, smallest: int) -> pd.DataFrame:
    """Nights that each cluster of a KKR hosts and pays for.

    Returns cluster, hosted (nights at its herberger, from anywhere), paid (nights of its citizens, anywhere in the
    extract: too few when the extract does not hold other KKR), own (both), net (hosted - paid; above zero: it houses
    more than it pays for), status. What `flows` hides is NaN here too, so that the two cannot be set against each
    other. Requires and errors as `flows`.
    """
    table = _table(stays, kkr, smallest)
    nights = table.set_index(["home_cluster", "host_cluster"])["nights"]
    clusters = cluster_order(stays, kkr)
    rows = pd.DataFrame(
        {
            "cluster": pd.Series(clusters, dtype="str"),
            "hosted": [nights[TOTAL, cluster] for cluster in clusters],
            "paid": [nights[cluster, TOTAL] for cluster in clusters],
            "own": [nights[cluster, cluster] for cluster in clusters],
        }
    ).astype({"hosted": float, "paid": float, "own": float})
    hidden = rows[["hosted", "paid", "own"]].isna().any(axis=1)
    return rows.assign(net=rows["hosted"] - rows["paid"], status=hidden.map({True: SUPPRESSED, False: FINAL}))


def _table(stays: pd.DataFrame, kkr: str, smallest: int) -> pd.DataFrame:
    """All cells and totals, protected; columns as `flows`."""
    if smallest < 2:
        raise InputError(f"smallest must be at least 2 persons, or nothing is protected: {smallest}")
    concerned = stays[(stays["host_kkr"] == kkr) | (stays["home_kkr"] == kkr)]
    if concerned.empty:
        empty = pd.DataFrame({name: pd.Series(dtype="str") for name in COLUMNS})
        return empty.astype({"nights": float, "persons": float})
    clusters = cluster_order(concerned, kkr)
    homes = [*clusters, ELSEWHERE, UNKNOWN, TOTAL]
    hosts = [*clusters, *([ELSEWHERE] if (stays["host_kkr"] != kkr).any() else []), TOTAL]
    cells = _cells(concerned, kkr)
    nights = cells["nights"].unstack(fill_value=0).reindex(index=homes, columns=hosts, fill_value=0)
    persons = cells["person"].unstack(fill_value=0).reindex(index=homes, columns=hosts, fill_value=0)
    possible = np.array([[not (_outside(home) and host == ELSEWHERE) for host in hosts] for home in homes])
    hidden = _hidden(persons.to_numpy(), possible, smallest)
    table = pd.DataFrame(
        {
            "home_cluster": np.repeat(homes, len(hosts)),
            "host_cluster": np.tile(hosts, len(homes)),
            "nights": nights.to_numpy(dtype=float).ravel(),
            "persons": persons.to_numpy(dtype=float).ravel(),
            "status": np.where(hidden.ravel(), SUPPRESSED, FINAL),
        }
    ).astype({"home_cluster": "str", "host_cluster": "str", "status": "str"})
    figures = ["nights", "persons"]
    table[figures] = table[figures].where(table["status"] == FINAL)
    return table[possible.ravel()].reset_index(drop=True)


def _cells(concerned: pd.DataFrame, kkr: str) -> pd.DataFrame:
    """Nights and persons by home and host, with totals of both."""
    home = concerned["home_cluster"].where(concerned["home_kkr"] == kkr, ELSEWHERE)
    labelled = pd.DataFrame(
        {
            "home": home.where(concerned["home"] != "", UNKNOWN),
            "host": concerned["host_cluster"].where(concerned["host_kkr"] == kkr, ELSEWHERE),
            "person": concerned["person"],
            "nights": spans(concerned)["nights"],
        }
    )
    labelled = labelled[labelled["nights"] > 0]
    by_home = pd.concat([labelled, labelled.assign(home=TOTAL)])
    both = pd.concat([by_home, by_home.assign(host=TOTAL)])
    return both.groupby(["home", "host"]).agg(nights=("nights", "sum"), person=("person", "nunique"))


def _outside(home: str) -> bool:
    return home in (ELSEWHERE, UNKNOWN)


def _hidden(persons: np.ndarray, possible: np.ndarray, smallest: int) -> np.ndarray:
    """Which cells to hide: the small ones, a circle through each, and more where those of a line are too few persons.

    The last row and column are totals.
    """
    hidden = possible & (persons > 0) & (persons < smallest)
    cost = np.where(persons > 0, persons, ZERO_COST).astype(float)
    cost[-1, :] += TOTAL_COST
    cost[:-1, -1] += TOTAL_COST
    cost[~possible] = np.inf
    for cell in [tuple(cell) for cell in np.argwhere(hidden)]:
        _hide(cell, persons, cost, hidden)
    while (cell := _one_more(persons, cost, hidden, smallest)) is not None:
        _hide(cell, persons, cost, hidden)
    return hidden


def _one_more(persons: np.ndarray, cost: np.ndarray, hidden: np.ndarray, smallest: int) -> tuple[int, int] | None:
    """The cheapest cell to hide in a row or column whose hidden cells together hold too few persons, if any."""
    rows, columns = persons.shape
    lines = [np.s_[row, :] for row in range(rows)] + [np.s_[:, column] for column in range(columns)]
    for line in lines:
        left = np.full(persons.shape, np.inf)
        left[line] = np.where(hidden[line] | (persons[line] == 0), np.inf, cost[line])
        if 0 < (persons[line] * hidden[line]).sum() < smallest and np.isfinite(left).any():
            row, column = np.unravel_index(int(left.argmin()), persons.shape)
            return int(row), int(column)
    return None


def _hide(cell: tuple[int, int], persons: np.ndarray, cost: np.ndarray, hidden: np.ndarray) -> None:
    """Hide a cell and the cheapest circle through it, in `hidden` itself."""
    hidden[cell] = True
    circles = [_circle(cell, persons, np.where(hidden, HIDDEN_COST, cost), raised=raised) for raised in (True, False)]
    # A single person cannot be moved out: a reader knows that what is hidden is not empty.
    _, cells = min(circles[: 2 if persons[cell] > 1 else 1], key=lambda circle: circle[0])
    for other in cells:
        hidden[other] = True


def _circle(
    cell: tuple[int, int], persons: np.ndarray, cost: np.ndarray, *, raised: bool
) -> tuple[float, list[tuple[int, int]]]:
    """The cheapest other cells to hide so that a cell could as well hold one person more, or less, for all that shows.

    Returns what they cost and the cells. Rows and columns are nodes, cells are edges. To raise a cell, its row and
    column must give elsewhere: a path from its column to its row, by turns down in one cell and up in another; to lower
    it, a path the other way. A total moves against its cells, so its edge runs the other way too. A cell can be lowered
    only if somebody is left in it.
    """
    rows, columns = persons.shape
    marginal = np.zeros(persons.shape, dtype=bool)
    marginal[-1, :-1] = marginal[:-1, -1] = True
    usable = np.isfinite(cost)
    usable[cell] = False
    can_fall = usable & (persons > 1)
    upwards = np.where(marginal, usable, can_fall)  # from column to row
    downwards = np.where(marginal, can_fall, usable)  # from row to column
    graph = np.zeros((rows + columns, rows + columns))
    graph[rows:, :rows] = np.where(upwards, cost, 0).T
    graph[:rows, rows:] = np.where(downwards, cost, 0)
    row, column = cell[0], rows + cell[1]
    start, end = (row, column) if marginal[cell] == raised else (column, row)
    distance, previous = dijkstra(csr_array(graph), indices=start, return_predecessors=True)
    cells = []
    node = end
    while node != start and np.isfinite(distance[end]):
        before = int(previous[node])
        cells.append((min(before, node), max(before, node) - rows))
        node = before
    return float(distance[end]), cells
