"""How a key figure is made of others and of facts: four formulas over figures by area."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from analysis import accounts
from analysis.rows import labels as vocabulary
from noegletal.facts.lineage import Cells


class Question(NamedTuple):
    """The key figure asked about: the key of its row."""

    indicator: str
    area_code: str
    population_group: str
    category: str
    year: int
    variant: str


class Cell(NamedTuple):
    """A figure that facts give: one cell of them, with its raw rows. `row_unit` is that of its raw rows."""

    cells: Cells
    key: tuple[Hashable, ...]
    text: str
    row_unit: str = ""

    @property
    def period(self) -> str:
        """The period of the raw rows, as the source writes it."""
        return str(self.key[1])


class Constant(NamedTuple):
    """A figure of the reference data, with what it rests on."""

    text: str
    value: float
    how: str
    note: str
    source: str


@dataclass(frozen=True)
class Figure:
    """A figure by area. `of`: how that of one area is made; that of several municipalities is their sum.

    `name` says which figure it is, whatever the area; `indicator` which key figure tells it. `whole`: the source has it
    for the areas themselves.
    """

    name: tuple[Hashable, ...]
    indicator: str
    text: str
    unit: str
    of: Callable[[str], "Formula | Cell"]
    whole: bool = False


class Formula(NamedTuple):
    """A figure that others give; one that must be `positive` has no value at zero or less.

    sum           of one figure over the municipalities of an area, or of the cells of one municipality
    product       of all of them, times `scale`
    quotient      the first over the second, times `scale`; of municipalities those that have both
    mean          the first weighted with the second, over the municipalities that have both
    """

    kind: Literal["sum", "product", "quotient", "mean"]
    of: "tuple[Figure | Cell | Constant | Formula, ...]"
    scale: float = 1.0
    text: str = ""
    how: str = ""
    note: str = ""
    positive: bool = False


@lru_cache
def category_name(group: str, category: str) -> str:
    """The Danish name of a category, or its code where categories.csv has none; with the group where it needs one."""
    labels = accounts.labels()
    label = labels.get((group, category), category)
    shared = sum(other == label for other in labels.values()) > 1
    return f"{label} ({vocabulary().groups.get(group, group)})" if shared else label
