"""From the seconds measured to the ratios shown: scaling, medians, spreads, targets."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rich.table import Table

MIB = 1 << 20
CALLS, STOCK, WARM, RERUN, CODE = "calls", "stock", "warm", "rerun", "code"
TITLES = {
    CALLS: "(a) papermill, nbconvert",
    STOCK: "(b) stock engine",
    WARM: "(c) warm engine",
    RERUN: "(c) nothing changed",
    CODE: "(d) code alone, 1 process",
}
# Whoever runs so many areas with them measures a sample and multiplies.
SCALED = (CALLS, STOCK)
LEAST_FASTER, MOST_OVER_CODE, MOST_RERUN_SECONDS, MOST_PEAK = 10, 1.6, 2, 1536 * MIB
# What counts as flat: a notebook costs at most a tenth more where there are many.
MOST_GROWTH = 1.1


@dataclass(frozen=True)
class Measurement:
    """One run of one variant: in which round, for a report of how many areas, on how many notebooks, and its cost.

    `seconds`, `processor`: of the notebooks that were run, not scaled. `peak`: bytes. `looking`: processor seconds that
    the watching took. `each`: seconds of every notebook, where they were timed one by one. `shared`: seconds that went
    on sections which are the same for all these areas, once for each area, where the variant does not share them.
    """

    turn: int
    variant: str
    size: int
    areas: int
    notebooks: int
    seconds: float
    processor: float
    peak: int
    looking: float = 0.0
    each: list[float] = field(default_factory=list)
    shared: float = 0.0

    def scaled(self, measure: float, size: int) -> float:
        """A measure of the areas that were run, for so many areas."""
        return measure * size / self.areas


@dataclass(frozen=True)
class Ratio:
    """A figure to judge by, once for each round, and its target if it has one."""

    name: str
    values: list[float]
    decimals: int = 2
    least: float | None = None
    most: float | None = None

    @property
    def median(self) -> float:
        """The figure that is shown and judged."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        """Whether the target is met; true where there is none."""
        return (self.least is None or self.median >= self.least) and (self.most is None or self.median <= self.most)

    @property
    def target(self) -> str:
        """The target in words."""
        if self.least is not None:
            return f"at least {self.least:g}"
        return f"at most {self.most:g}" if self.most is not None else ""


def sizes(runs: list[Measurement]) -> list[int]:
    """The numbers of areas that reports were made for, ascending."""
    return sorted({run.size for run in runs})


def measured(runs: list[Measurement], variant: str, size: int) -> list[Measurement]:
    """The runs that say what a variant costs for so many areas: its own, else those of the sample to scale from."""
    own = [run for run in runs if (run.variant, run.size) == (variant, size)]
    if own or variant not in SCALED:
        return own
    smaller = [run.size for run in runs if run.variant == variant and run.size < size]
    return [run for run in runs if (run.variant, run.size) == (variant, max(smaller))] if smaller else []


def seconds(runs: list[Measurement], variant: str, size: int) -> dict[int, float]:
    """Seconds of a variant for so many areas by round; nothing where it was not measured."""
    return {run.turn: run.scaled(run.seconds, size) for run in measured(runs, variant, size)}


def ratios(runs: list[Measurement], cores: int) -> list[Ratio]:
    """Every ratio that the runs allow; each formed within a round, so that what slows the machine is on both sides."""
    known, found = sizes(runs), []
    # The targets are set for the municipalities of the home area: more than one report, fewer than all.
    aimed = known[len(known) // 2]
    for size in known:
        warm, code = seconds(runs, WARM, size), seconds(runs, CODE, size)
        least, most = (LEAST_FASTER, MOST_OVER_CODE) if size == aimed else (None, None)
        for variant, name in ((CALLS, "(a)"), (STOCK, "(b)")):
            slower = _by_turn(lambda other, ours: other / ours, seconds(runs, variant, size), warm)
            target = least if variant == CALLS else None
            found.append(Ratio(f"{name} / (c), {_areas(size)}", slower, decimals=1, least=target))
            if variant == CALLS and size == aimed:
                once = {run.turn: _sharing(run, size) for run in measured(runs, variant, size) if run.shared}
                fair = _by_turn(lambda other, ours: other / ours, once, warm)
                found.append(Ratio(f"the same, if (a) shared too, {_areas(size)}", fair, decimals=1))
        over = _by_turn(lambda ours, bound: ours / (bound / cores), warm, code)
        found.append(Ratio(f"(c) / ((d) / {cores} cores), {_areas(size)}", over, most=most))
    found += _marginal(runs)
    for size in known:
        again = list(seconds(runs, RERUN, size).values())
        found.append(Ratio(f"nothing changed, {_areas(size)}, s", again, most=MOST_RERUN_SECONDS))
    # A peak is the most of all rounds and sizes, not the usual one.
    peaks = [run.peak / MIB for run in runs if run.variant == WARM]
    found.append(Ratio("peak memory of (c), MiB", [max(peaks, default=0)], decimals=0, most=MOST_PEAK / MIB))
    return [ratio for ratio in found if any(ratio.values)]


def _sharing(run: Measurement, size: int) -> float:
    """What a run would take for so many areas if what they share were done once."""
    return run.scaled(run.seconds - run.shared, size) + run.shared / run.areas


def _marginal(runs: list[Measurement]) -> list[Ratio]:
    """What one more notebook costs with the warm engine between one size and the next, and whether that grows."""
    there = [size for size in sizes(runs) if measured(runs, WARM, size)]
    costs, found = [], []
    for smaller, larger in pairwise(there):
        more, less = (measured(runs, WARM, size)[0].notebooks for size in (larger, smaller))
        before, after = seconds(runs, WARM, smaller), seconds(runs, WARM, larger)
        costs.append({turn: (after[turn] - before[turn]) / (more - less) for turn in after if turn in before})
        name = f"one more notebook with (c), {smaller} to {larger} areas, s"
        found.append(Ratio(name, list(costs[-1].values())))
    if len(costs) > 1:
        growth = _by_turn(lambda late, early: late / early, costs[-1], costs[0])
        found.append(Ratio("the same, last step / first step", growth, most=MOST_GROWTH))
    return found


def _areas(size: int) -> str:
    return "1 area" if size == 1 else f"{size} areas"


def _by_turn(formed: Callable[[float, float], float], left: dict[int, float], right: dict[int, float]) -> list[float]:
    return [formed(left[turn], right[turn]) for turn in left if turn in right]


def times_table(runs: list[Measurement], title: str) -> Table:
    """What each variant took for each number of areas; `~` where it is scaled."""
    table = Table(title=title)
    table.add_column("case", no_wrap=True)
    for column in ("areas", "run", "s", "spread", "s a notebook", "spread", "CPU s", "MiB"):
        table.add_column(column, justify="right", no_wrap=True)
    for size in sizes(runs):
        table.add_section()
        for variant, name in TITLES.items():
            of_size = measured(runs, variant, size)
            if not of_size:
                continue
            took = list(seconds(runs, variant, size).values())
            # A run with nothing to do has no notebooks to divide by.
            each = [one for run in of_size if run.notebooks for one in run.each or [run.seconds / run.notebooks]]
            about = "~" if any(run.areas != size for run in of_size) else ""
            per_notebook = (f"{statistics.median(each):.2f}", spread(each, 2)) if each else ("", "")
            table.add_row(
                name,
                str(size),
                str(sum(run.notebooks for run in of_size)),
                f"{about}{_rounded(statistics.median(took))}",
                f"{_rounded(min(took))}-{_rounded(max(took))}",
                *per_notebook,
                f"{about}{_rounded(statistics.median(run.scaled(run.processor, size) for run in of_size))}",
                # Over before it can be looked at twice.
                "" if variant == RERUN else f"{max(run.peak for run in of_size) / MIB:,.0f}",
            )
    return table


def _rounded(took: float) -> str:
    return f"{took:,.1f}" if took < 100 else f"{took:,.0f}"


def ratios_table(found: list[Ratio], turns: int) -> Table:
    """The ratios with median, spread and target."""
    table = Table(title=f"Ratios, each formed within a round; median and spread of {turns} rounds")
    table.add_column("figure", no_wrap=True)
    for column in ("median", "spread", "target", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for ratio in found:
        verdict = "" if not ratio.target else "met" if ratio.met else "missed"
        shown = f"{ratio.median:,.{ratio.decimals}f}"
        table.add_row(ratio.name, shown, spread(ratio.values, ratio.decimals), ratio.target, verdict)
    return table


def scaling(runs: list[Measurement]) -> list[str]:
    """What was scaled and from how many notebooks, in one line each."""
    counted: dict[str, list[Measurement]] = defaultdict(list)
    for run in runs:
        if run.areas != run.size:
            counted[run.variant].append(run)
    return [
        f"~ {TITLES[variant]} was run on {sampled[0].areas} of {sampled[0].size} areas "
        f"({sum(run.notebooks for run in sampled)} notebooks in all rounds); more areas are scaled by notebooks."
        for variant, sampled in counted.items()
    ]


def looking(runs: list[Measurement]) -> float:
    """How much the watching added to the processor time of the commands, as a share."""
    # Of (d) only the code itself was timed.
    commands = [run for run in runs if run.variant != CODE]
    return sum(run.looking for run in commands) / sum(run.processor for run in commands) if commands else 0.0


def spread(values: Sequence[float], decimals: int) -> str:
    """Smallest to largest."""
    least, most = min(values), max(values)
    return f"{least:,.{decimals}f}-{most:,.{decimals}f}"
