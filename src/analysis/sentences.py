"""Sentences that several sections say of rows: true on any rows, also where figures are missing or fall."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import accounts, areas, danish, measures
from analysis.measures import extremes

# What drives a growth, as in a sentence.
FACTORS = {
    measures.POPULATION: "befolkningen",
    measures.RECIPIENTS: "antallet af modtagere pr. indbygger",
    measures.UNIT_COST: "enhedsprisen",
    measures.PRICES: "prisniveauet",
}

if TYPE_CHECKING:
    # statsmodels takes a second to load, and most sections do without.
    from analysis.trend import Funnel


def risen_most(growths: pd.DataFrame, subject: str = "udgifterne") -> str:
    """Where something rose most and least: udgifterne er steget mest i A og mindst i B; or fell, where all of it fell.

    Requires area_code, value (growths in per cent).
    """
    ends = extremes(growths)
    if ends is None:
        return f"ændringen {danish.NOT_KNOWN}"
    lowest, highest = (areas.locative(end["area_code"]) for end in (ends.lowest, ends.highest))
    least, most = (danish.rounded(end["value"], 1) for end in (ends.lowest, ends.highest))
    if least == most:
        return f"{subject} er {danish.change(ends.highest['value'], 1, plural=True)} alle steder{ends.reservation}"
    if most < 0:
        return f"{subject} er faldet mest {lowest} og mindst {highest}{ends.reservation}"
    if most == 0:
        return f"{subject} er faldet mest {lowest} og er uændrede {highest}{ends.reservation}"
    if least <= 0:
        lowered = "faldet" if least < 0 else "uændrede"
        return f"{subject} er steget mest {highest} og er {lowered} {lowest}{ends.reservation}"
    return f"{subject} er steget mest {highest} og mindst {lowest}{ends.reservation}"


def ranging(rows: pd.DataFrame, decimals: int = 1) -> str:
    """From which area's figure to which: fra 24,8 i A til 90,1 i B i 2024. Requires area_code, year (one), value."""
    ends = extremes(rows)
    if ends is None:
        return f"forskellen mellem kommunerne {danish.NOT_KNOWN}"
    low, high = (
        f"{danish.number(end['value'], decimals)} {areas.locative(end['area_code'])}"
        for end in (ends.lowest, ends.highest)
    )
    return f"fra {low} til {high} i {ends.highest['year']}{ends.reservation}"


def shifted(before: float, now: float, one: str, other: str) -> str:
    """That the larger part went over from one of two things to the other; `before` and `now`: pct. that is `one`."""
    if danish.missing(before) or danish.missing(now):
        return ""
    was, is_now = danish.rounded(before), danish.rounded(now)
    if was < 50 < is_now:
        return f"Den største del er skiftet fra {other} til {one}."
    return f"Den største del er skiftet fra {one} til {other}." if is_now < 50 < was else ""


def because(first: tuple[str, float], second: tuple[str, float], whole: str = "udgifterne") -> str:
    """Which of the two factors of something moved it, each a name and its growth in per cent; nothing without both.

    Antallet er steget 10 pct., mens prisen er faldet 2 pct.; det er antallet, der trækker udgifterne op.
    """
    if danish.missing(first[1]) or danish.missing(second[1]):
        return ""
    apart = danish.rounded(first[1]) * danish.rounded(second[1]) < 0
    (name, growth_of), (other, growth_of_other) = first, second
    said = (
        f"{name} er {danish.change(growth_of)}, {'mens' if apart else 'og'} {other} er {danish.change(growth_of_other)}"
    )
    product = danish.rounded(((1 + growth_of / 100) * (1 + growth_of_other / 100) - 1) * 100)
    up = "op" if product > 0 else "ned"
    # Said once in full: antallet, where the other is no antal.
    short = [one.partition(" af ")[0] for one in (name, other)]
    growths = zip(short if short[0] != short[1] else (name, other), (growth_of, growth_of_other), strict=True)
    pulling = [(one, growth) for one, growth in growths if danish.rounded(growth) * product > 0]
    if not pulling:
        return danish.sentence(f"{said}; tilsammen er {whole} stort set uændrede" if apart else said)
    if len(pulling) == 1:
        return danish.sentence(f"{said}; det er {pulling[0][0]}, der trækker {whole} {up}")
    most = max(pulling, key=lambda one: abs(np.log1p(one[1] / 100)))[0]
    alike = danish.rounded(growth_of) == danish.rounded(growth_of_other)
    return danish.sentence(f"{said}; begge dele trækker {whole} {up}{'' if alike else f', mest {most}'}")


def number_or_price(growths: pd.DataFrame) -> str:
    """For each category whether the number of recipients or the cost of each moved its expenditure; see `because`.

    Requires growths in per cent, of a count and of `unit_cost`: indicator, population_group, category, value.
    """
    said = []
    for (group, category), rows in growths.groupby(["population_group", "category"], sort=False):
        values = rows.set_index("indicator")["value"]
        if len(values) != 2 or "unit_cost" not in values:
            continue
        of, each = f"modtagere af {danish.running(accounts.label(group, category))}", "modtager"
        if "placements" in values:
            of, each = "anbragte", "anbragt"
        number, price = values.drop("unit_cost").item(), values["unit_cost"]
        said.append(because((f"antallet af {of}", number), (f"udgiften pr. {each}", price)))
    return " ".join(filter(None, said))


def driven_most(contributions: pd.DataFrame) -> str:
    """Which factor contributes most to the growth of each label, to either side, labels of one factor together.

    Prisniveauet trækker udgifterne mest op for støtte og anbringelser. Requires factor, label, pct.
    """
    known = contributions.dropna(subset="pct")
    most = known.sort_values("pct", key=abs, kind="stable").groupby("label").tail(1)
    if most.empty:
        return f"Bidragene til udgifternes ændring {danish.NOT_KNOWN}"
    most = most.assign(way=most["pct"].gt(0).map({True: "op", False: "ned"}), label=most["label"].map(danish.running))
    drivers = [
        f"{FACTORS[factor]} trækker udgifterne mest {way} for {danish.listed(rows['label'].tolist())}"
        for (factor, way), rows in most.groupby(["factor", "way"], sort=False)
    ]
    said = ", mens ".join([drivers[0], *(text.replace(" udgifterne", "", 1) for text in drivers[1:])])
    return f"{said[:1].upper()}{said[1:]}{danish.reservation(contributions['pct'])}"


def far_from_average(lying: "Funnel") -> str:
    """How many municipalities lie further from the average than chance explains: 3 af 29 kommuner ..."""
    many = danish.number(len(lying.outside)) if lying.outside else "Ingen"
    of = f"{danish.number(len(lying.limits))} kommuner{lying.reservation}"
    return f"{many} af {of} ligger længere fra gennemsnittet, end tilfældige udsving forklarer"


def risers(growths: pd.DataFrame, count: int = 2) -> pd.DataFrame:
    """The rows that rose most, the largest first, at most `count` and those that tie with the last of them.

    What did not rise by a whole per cent is not among them. Requires value (growths in per cent).
    """
    known = growths.dropna(subset="value")
    return known[known["value"].map(danish.rounded) > 0].nlargest(count, "value", keep="all")


def risen_to(growths: pd.DataFrame, kind: str = "indsatserne") -> str:
    """What expenditure rose most to: Udgifterne er steget mest til a og b; or to none of some things (`kind`).

    Requires label, value (growths in per cent).
    """
    if growths["value"].isna().all():
        return f"Ændringen {danish.NOT_KNOWN}"
    most, reservation = risers(growths), danish.reservation(growths["value"])
    if most.empty:
        return f"Udgifterne er ikke steget til nogen af {kind}{reservation}"
    return f"Udgifterne er steget mest til {danish.listed(most['label'].str.lower().tolist())}{reservation}"


def costliest(rows: pd.DataFrame, first: int, last: int) -> str:
    """What most is spent on, and whether it was already: x er fortsat den indsats, der bruges flest penge på.

    Nothing where fewer than two are known, and no `fortsat` or `nu` where the first year is not known in full or
    several are largest. Requires category, label, year, value.
    """
    before, now = (extremes(rows[rows["year"] == year]) for year in (first, last))
    if now is None:
        return ""
    largest = rows[(rows["year"] == last) & (rows["value"] == now.highest["value"])]
    if len(largest) > 1:
        names = danish.listed([str(largest["label"].iloc[0]), *largest["label"].iloc[1:].str.lower()])
        return f"{names} er de indsatser, der bruges flest penge på{now.reservation}."
    since = ""
    if before and not before.reservation:
        since = "fortsat " if before.highest["category"] == now.highest["category"] else "nu "
    return f"{now.highest['label']} er {since}den indsats, der bruges flest penge på{now.reservation}."


def way(rows: pd.DataFrame, decimals: int = 1) -> str:
    """Which way a figure goes from its first year to its last, at printed precision: stiger, falder or er uændret.

    Nothing where either is missing. Requires year, value of one area and category.
    """
    values = rows.sort_values("year")["value"]
    return _way(values.iloc[0], values.iloc[-1], decimals) if len(values) else ""


def course(rows: pd.DataFrame, decimals: int = 1) -> str:
    """Which way a share goes and from what to what: falder i A fra 7,7 pct. i 2020 til 6,9 pct. i 2024.

    Requires area_code, year, value of one area and category.
    """
    if rows.empty:
        return "kan ikke følges, fordi tal mangler"
    start, end = rows.sort_values("year").iloc[[0, -1]].itertuples()
    where, direction = areas.locative(start.area_code), way(rows, decimals)
    if not direction:
        return f"kan ikke følges {where} fra {start.year} til {end.year}, fordi tal mangler"
    before, now = (f"{danish.percent(row.value, decimals)} i {row.year}" for row in (start, end))
    return f"{direction} {where} fra {before} til {now}"


def ways(rows: pd.DataFrame, decimals: int = 1) -> str:
    """Whether a share goes the same way in all regions, and else where it goes which way.

    Siden 2020 stiger andelen i alle regioner. Requires area_code, year, value of one category.
    """
    if rows.empty:
        return ""
    wide = rows.pivot(index="area_code", columns="year", values="value")
    ends = wide.iloc[:, [0, -1]]
    since, reservation = wide.columns[0], danish.reservation(ends.sum(axis=1, skipna=False))
    moved: dict[str, list[str]] = {}
    for code, start, end in ends.itertuples(name=None):
        moved.setdefault(_way(start, end, decimals), []).append(areas.locative(code))
    moved.pop("", None)
    if not moved:
        return f"Andelens ændring siden {since} {danish.NOT_KNOWN}."
    if len(moved) == 1:
        said = f"{next(iter(moved))} andelen".replace("er uændret andelen", "er andelen uændret")
        return f"Siden {since} {said} i alle regioner{reservation}."
    parts = [f"den {direction} {danish.listed(moved[direction])}" for direction in sorted(moved)]
    return f"Andelen går ikke samme vej i alle regioner siden {since}: {', mens '.join(parts)}{reservation}."


def standing(rows: pd.DataFrame, decimals: int = 1) -> str:
    """Which regions have the highest and the lowest share, and whether each has had it alone in all years.

    A har den højeste andel i 2024 (6,0 pct.) og har haft det i alle årene siden 2020. Nothing where fewer than two are
    known in the last year, and nothing of the years before where any figure is missing. Requires area_code, year,
    value of one category; compared at printed precision.
    """
    shown = _by_area(rows, "year", decimals)
    if shown.empty or shown.iloc[-1].count() < 2:
        return ""
    now, first, last = shown.iloc[-1], shown.index[0], shown.index[-1]
    reservation = danish.reservation(now)
    if now.max() == now.min():
        return f"Andelen er {danish.percent(now.max(), decimals)} i {last} i alle regioner{reservation}."
    followed = len(shown) > 1 and shown.notna().all(axis=None)
    said = []
    for end, signed in (("højeste", shown), ("laveste", -shown)):
        codes = now.index[signed.loc[last] == signed.loc[last].max()].tolist()
        others = signed.drop(columns=codes[0]).max(axis=1)
        always = len(codes) == 1 and (signed[codes[0]] > others).all()
        before = " og har haft det" if always else ", men har ikke haft det alene"
        said.append(
            f"{danish.listed([areas.name(code) for code in codes])} har den {end} andel i {last} "
            f"({danish.percent(now[codes[0]], decimals)}){reservation}"
            f"{f'{before} i alle årene siden {first}' if followed else ''}."
        )
    return " ".join(said)


def among_regions(rows: pd.DataFrame, own: str, subject: str, decimals: int = 1) -> str:
    """Between which shares the regions lie in the last year, and the place of one of them.

    Andelen af voksne ligger i 2024 mellem 6,0 pct. og 8,4 pct. i regionerne. Andelen i A (6,9 pct.) er nr. 4 af 5 ...
    Requires area_code, year, value of one category.
    """
    shown = _by_area(rows, "year", decimals)
    if shown.empty:
        return ""
    now, last = shown.iloc[-1], shown.index[-1]
    share = now.get(own, np.nan)
    place = danish.rank(share, now.drop(own, errors="ignore"), " af regionerne")
    placed = f"Andelen {areas.locative(own)} ({danish.percent(share, decimals)}) er {place}."
    if now.count() < 2:
        return placed
    low, high = (danish.percent(end, decimals) for end in (now.min(), now.max()))
    lie = danish.sentence(f"{subject} ligger i {last} mellem {low} og {high} i regionerne{danish.reservation(now)}")
    return f"{lie} {placed}"


def between(rows: pd.DataFrame, decimals: int = 1) -> str:
    """Between which shares areas lie, with all that have them: mellem 28,9 pct. (A) og 37,9 pct. (B og C).

    Nothing where fewer than two are known. Requires area_code, value of one year and category.
    """
    shown = rows.set_index("area_code")["value"].dropna().map(lambda share: float(danish.rounded(share, decimals)))
    if len(shown) < 2:
        return ""
    ends = [
        f"{danish.percent(end, decimals)} ({danish.listed([areas.name(code) for code in shown.index[shown == end]])})"
        for end in dict.fromkeys((shown.min(), shown.max()))
    ]
    return f"mellem {' og '.join(ends)}" if len(ends) > 1 else ends[0]


def largest(rows: pd.DataFrame, most: int, *, shares: bool = False) -> str:
    """The categories with the largest shares, and those that tie with the last of them: ADHD og angst.

    With `shares`: ADHD (2,2 pct.) og angst (1,9 pct.). Nothing where none is known. Requires label, value of one area
    and year.
    """
    names = [
        f"{danish.running(row.label)} ({danish.percent(row.value, 1)})" if shares else danish.running(row.label)
        for row in _top(rows, most).itertuples()
    ]
    return f"{danish.listed(names)}{danish.reservation(rows['value'])}" if names else ""


def largest_before(rows: pd.DataFrame, most: int) -> str:
    """Whether the categories with the largest shares were the largest in the first year too, and else which were.

    De samme var størst i 2020. Nothing where either year has no figures. Requires label, year, value of one area.
    """
    first, last = rows["year"].min(), rows["year"].max()
    before, now = (rows[rows["year"] == year] for year in (first, last))
    were, are = largest(before, most), largest(now, most)
    if first == last or not were or not are:
        return ""
    same = set(_top(before, most)["label"]) == set(_top(now, most)["label"])
    unchanged = f"De samme var størst i {first}{danish.reservation(before['value'])}."
    return unchanged if same else f"I {first} var det {were}."


def ahead(rows: pd.DataFrame, own: str, kind: str = "diagnose") -> str:
    """For which categories the share is larger in one region than in all others, or that it is for none.

    Nothing where no category is known in all regions. Requires area_code, label, value of one year.
    """
    shown = _by_area(rows, "label", 1)
    if shown.dropna().empty or len(shown.columns) < 2:
        return ""
    names, where = _ahead(shown, own), areas.locative(own)
    said = (
        f"Andelen er større {where} end i alle de øvrige regioner for {danish.listed(names)}"
        if names
        else f"Ingen {kind} har en større andel {where} end i alle de øvrige regioner"
    )
    return f"{said}{danish.reservation(shown.sum(axis=1, skipna=False))}."


def ahead_but_least_supported(rows: pd.DataFrame, support: pd.DataFrame, own: str) -> str:
    """For which diagnoses a region has the largest share with it, and the lowest share of them supported.

    Nothing where it has the largest share of none, or no support is known of them in all regions. Requires of both
    area_code, label, value of one year.
    """
    names = _ahead(_by_area(rows, "label", 1), own)
    shown = _by_area(support, "label", 1).reindex(names)
    known = shown.dropna()
    if known.empty or own not in known.columns:
        return ""
    lowest = (-known).pipe(_ahead, own)
    others, where = [name for name in known.index if name not in lowest], areas.locative(own)
    reservation = danish.reservation(shown.sum(axis=1, skipna=False))
    if not lowest:
        return (
            f"For ingen af de diagnoser, som er mere udbredte {where} end i alle de øvrige regioner, er andelen, der "
            f"modtager en indsats, den laveste af regionerne{reservation}."
        )
    said = (
        f"Selv om andelen med {danish.listed(lowest)} er større {where} end i alle de øvrige regioner, er andelen af "
        f"dem, der modtager en indsats, den laveste af regionerne{reservation}."
    )
    if not others:
        return said
    return (
        f"{said} For {danish.listed(others)} er andelen med diagnosen også større end i alle de øvrige regioner, men "
        "andelen, der modtager en indsats, er ikke den laveste."
    )


def _way(start: float, end: float, decimals: int) -> str:
    relation = danish.compared(end, start, decimals)
    return {"højere end": "stiger", "lavere end": "falder", "på niveau med": "er uændret"}.get(relation, "")


def _by_area(rows: pd.DataFrame, index: str, decimals: int) -> pd.DataFrame:
    """Figures at the precision that a reader sees, by year or label (as in a sentence), a column an area."""
    shown = rows.assign(value=[float(danish.rounded(value, decimals)) for value in rows["value"]])
    if index == "label":
        shown = shown.assign(label=shown["label"].map(danish.running))
    return shown.pivot(index=index, columns="area_code", values="value")


def _ahead(shown: pd.DataFrame, own: str) -> list[str]:
    """The rows, known in all areas, in which one area's figure is larger than all others."""
    known = shown.dropna()
    if own not in known.columns or len(known.columns) < 2:
        return []
    return known.index[known[own] > known.drop(columns=own).max(axis=1)].tolist()


def _top(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    return rows.dropna(subset="value").nlargest(most, "value", keep="all")
