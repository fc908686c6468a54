"""Checks of raw figures against the declared rules: what each finds, in a sentence."""

from itertools import pairwise

import pandas as pd

from analysis import accounts, areas
from analysis.danish import listed, number
from noegletal.rules import Finding, Identity, Size, UnitShift, catalogue, found, of_largest
from noegletal.sources.snapshot import TIME

# A code that fewer of those that ever have it have in a year is new or closed there, not left out by one of them.
COMMON = 0.5
# Areas smaller than this share of the usual one may change by any factor.
SIZEABLE = 0.2
# Each part of a sum is rounded on its own.
ROUNDED = 0.5
# The ages that are followed from quarter to quarter, and how much better they may fit elsewhere by chance.
COHORTS, MOVED = range(1, 65), 1.2


def unmapped_groupings(expenditure: pd.DataFrame) -> list[Finding]:
    """REGK-01: groupings that accounts.csv does not know, by name and size."""
    unknown = unknown_groupings(expenditure)
    if unknown.empty:
        return []
    sized = expenditure.merge(unknown, on=["year", "function", "grouping"])
    sized = sized.groupby(["function", "grouping"]).agg(
        amount=("value", "sum"), first=("year", "min"), last=("year", "max")
    )
    return [
        found(
            "REGK-01",
            "REGK100",
            f"Funktion {accounts.printed_number(row.Index[0])} gruppering {row.Index[1]} er ny i kontoplanen "
            f"({row.first}-{row.last}, {_thousands(row.amount)} t.kr. i alt) og er talt med uden for rapportens "
            "afgrænsning; tilføj den i accounts.csv.",
        )
        for row in sized.itertuples()
    ]


def absent_functions(expenditure: pd.DataFrame) -> list[Finding]:
    """REGK-03: functions of the account plan without a single row in a year."""
    present = expenditure.groupby("year")["function"].agg(set)
    findings = []
    for year, seen in present.items():
        absent = sorted(accounts.functions() - seen)
        if absent:
            functions = ", ".join(accounts.printed_number(function) for function in absent)
            text = f"Ingen kommune har beløb på funktion {functions} i {year}; de tæller som 0."
            findings.append(found("REGK-03", "REGK100", text))
    return findings


def absent_municipalities(table: str, present: pd.DataFrame, years: list[int]) -> list[Finding]:
    """DAEK-01, DAEK-05: municipalities without any row in a year (columns area_code, year)."""
    declared = catalogue().thresholds.every_municipality
    findings = []
    for year in years:
        absent = set(areas.municipalities()) - set(present.loc[present["year"] == year, "area_code"])
        expected = {code for code in absent if table not in declared or year in declared[table].get(code, ())}
        findings += _absent("DAEK-01", table, expected, year) + _absent("DAEK-05", table, absent - expected, year)
    return findings


def absent_regions(table: str, present: pd.DataFrame, years: list[int]) -> list[Finding]:
    """DAEK-05: regions without any row in a year of a table that has no municipalities."""
    there = present.groupby("year")["area_code"].agg(set)
    return [found for year in years for found in _absent("DAEK-05", table, set(areas.regions()) - there[year], year)]


def _absent(rule: str, table: str, absent: set[str], year: int) -> list[Finding]:
    if not absent:
        return []
    names = listed([areas.name(code) for code in sorted(absent)])
    text = f"{names} mangler i {year}; summer er af de andre kommuner."
    return [found(rule, table, text if rule == "DAEK-01" else f"{names} mangler i {year}.")]


def gaps(table: str, rows: pd.DataFrame, named: str, *, by: str = "") -> list[Finding]:
    """HUL-01, HUL-02: rows left out that a good part of a municipality's figures usually stands on.

    `rows`: area_code, year, code, value, and category where a code has one; `named` says what a code is. What most
    municipalities lack in a year is not a gap of one of them. A municipality without any row in a year is missing, and
    not looked at.
    """
    limits = catalogue().thresholds
    limit = limits.gaps[f"{table}.{by}" if by else table]
    keys = ["area_code", "code"]
    amounts = (
        rows["value"].abs().fillna(0).groupby([rows["area_code"], rows["code"], rows["year"]]).sum().unstack("year")
    )
    amounts = amounts.reindex(pd.MultiIndex.from_product(amounts.index.remove_unused_levels().levels, names=keys))
    there = amounts.notna()
    delivered = there.groupby("area_code").transform("any")
    total = amounts.groupby("area_code").sum().replace(0, float("nan")).mean(axis=1)
    share = amounts.mean(axis=1).div(total, level="area_code")
    # A code that an area never has, and nearly all others do, is expected to weigh there what it weighs with them.
    ever = there.any(axis=1)
    widespread = ever.groupby("code").transform("mean") >= limits.widespread
    share = share.where(ever | ~widespread, share.groupby("code").transform("median"))
    usual = share.mul(total, level="area_code")
    common = there.groupby("code").transform("sum").div(ever.groupby("code").transform("sum"), axis=0) >= COMMON
    lacking = delivered & ~there & common & (usual.abs() >= limit.at_least).to_numpy()[:, None]
    category_of = dict(zip(rows["code"], rows["category"], strict=True)) if "category" in rows else {}
    findings = []
    for rule, hit in (("HUL-01", share >= limit.error), ("HUL-02", (share >= limit.warning) & (share < limit.error))):
        for year, mine in lacking[hit].items():
            sizes = share[mine[mine].index].sort_values(ascending=False)
            if sizes.empty:
                continue
            texts = [
                f"{areas.name(area)} {named} {code} (plejer at være {number(100 * size, 1)} pct. af kommunens tal)"
                for (area, code), size in sizes.items()
            ]
            about = [(area, category_of.get(code, ""), year) for area, code in sizes.index]
            text = f"I {year} mangler rækkerne for {of_largest(texts)}; de tæller som 0."
            findings.append(found(rule, table, text, about))
    return findings


def codes_gone(table: str, rows: pd.DataFrame, expected: dict[int, set[str]], named: str) -> list[Finding]:
    """HUL-03: codes that are expected in a year and have no row or only zeros there (columns year, code, value)."""
    seen = rows[rows["value"] != 0].groupby("year")["code"].agg(set)
    findings = []
    for year, codes in expected.items():
        absent = sorted(codes - seen.get(year, set()))
        if absent:
            text = f"{named.capitalize()} {of_largest(absent)} har ingen rækker i {year}, men tælles med."
            findings.append(found("HUL-03", table, text))
    return findings


def identities(table: str, rows: pd.DataFrame) -> list[Finding]:
    """IDENT-01: a raw table's own totals against their parts, as declared; a total that is left out is zero."""
    return [
        finding
        for declared in catalogue().thresholds.identities
        if declared.table == table
        for finding in _identity(declared, rows)
    ]


def _identity(declared: Identity, rows: pd.DataFrame) -> list[Finding]:
    over, each = declared.over, declared.relation == "each"
    keys = [column for column in rows.columns if column.isupper() and column != over]
    whole = rows[rows[over] == declared.whole]
    parts = rows[rows[over].isin(declared.parts) if declared.parts else rows[over] != declared.whole]
    # Periods without a single total have none to check.
    parts = parts[parts[TIME].isin(whole[TIME])]
    both = parts.groupby(keys)["value"].agg(parts="max" if each else "sum", size="size", known="count")
    both = both.join(whole.set_index(keys)["value"].rename("whole"))
    left_out = ~both.index.isin(pd.MultiIndex.from_frame(whole[keys]))
    both["whole"] = both["whole"].mask(left_out, 0.0)
    allowed = declared.tolerance * both["whole"].abs() + ROUNDED * (1 if each else both["size"])
    both["difference"] = both["parts"] - both["whole"]
    # With a part that is not known the others can only be too many.
    below = (both["difference"] < -allowed) & (both["known"] == both["size"]) & (not each)
    wrong = both[(both["difference"] > allowed) | below].sort_values("difference", key=abs, ascending=False)
    if wrong.empty:
        return []
    said = "summen af sine dele" if not each else "mindst lige så stor som hver af sine dele"
    named = of_largest(
        [
            f"{' '.join(map(str, key if isinstance(key, tuple) else (key,)))} (i alt {number(row.whole)}, delene "
            f"{number(row.parts)})"
            for key, row in zip(wrong.index, wrong.itertuples(), strict=True)
        ]
    )
    return [found("IDENT-01", declared.table, f"{over} {declared.whole} er ikke {said}: {named}.")]


def against_vintage(table: str, area: str, before: pd.DataFrame, now: pd.DataFrame) -> list[Finding]:
    """VINT-03: raw rows against the same rows of the last vintage, where those were not made by fitting."""
    limit = catalogue().thresholds.vintage
    keys = [column for column in now.columns if column.isupper()]
    genuine = before[~before["origin"].astype(str).isin(["reconstruction", "derived"])]
    both = now.merge(genuine, on=keys, suffixes=("", "_before")).dropna(subset=["value", "value_before"])
    local = both[both[area].isin([*areas.municipalities(), *areas.regions()])]
    if local["value_before"].abs().sum() == 0:
        return []
    said = []
    for column in (column for column in keys if column != TIME):
        totals = local[["value_before", "value"]].abs().groupby(local[column]).sum()
        large, small = totals.max(axis=1), totals.min(axis=1)
        wrong = totals[(large >= limit.factor * small) & (large >= SIZEABLE * large.median())]
        if len(wrong):
            named = of_largest(
                [
                    f"{areas.name(code) if column == area else f'{column} {code}'} (fra {number(row.value_before)} til "
                    f"{number(row.value)})"
                    for code, row in wrong.iterrows()
                ]
            )
            said.append(found("VINT-03", table, f"De samme rækker giver nu andre tal for {named}."))
    moved = (local["value"] - local["value_before"]).abs().sum() / local["value_before"].abs().sum()
    if moved > limit.share:
        text = f"De samme rækker er i gennemsnit ændret med {number(100 * moved)} pct."
        said.append(found("VINT-03", table, text))
    return said


def cohorts(population: pd.DataFrame) -> list[Finding]:
    """ALDER-01: ages that fit the next quarter or the next year better when they are moved.

    `population`: area_code, quarter, age (single years), value. From a quarter to the next each municipality's ages are
    nearly the same; a year on, the country's are a year older.
    """
    wide = population.pivot(index=["quarter", "area_code"], columns="age", values="value")
    wide = wide[[age for age in wide.columns if age.isdecimal()]].rename(columns=int).sort_index(axis=1).fillna(0.0)
    if not set(COHORTS) <= set(wide.columns):
        return []
    quarters = {code: pd.Period(code.replace("K", "Q"), freq="Q") for code in wide.index.unique("quarter")}
    pairs = [
        (one, other, expected)
        for one, start in quarters.items()
        for other, end in quarters.items()
        for distance, expected in ((1, 0), (4, 1))
        if end == start + distance
    ]
    findings = []
    for one, other, expected in pairs:
        before, after = wide.loc[one].align(wide.loc[other], join="inner", axis=0)
        if expected:
            before, after = (frame.sum().to_frame(areas.COUNTRY).T for frame in (before, after))
        moved = pd.DataFrame({shift: _apart_by_age(before, after, shift) for shift in (-1, 0, 1, 2)})
        wrong = moved[moved[expected] > MOVED * moved.min(axis=1)].index
        if len(wrong):
            named = of_largest([areas.name(code) for code in wrong])
            text = (
                f"Aldrene {one} og {other} passer bedre, når de forskydes: {named}; aldre eller kvartaler er byttet om."
            )
            findings.append(found("ALDER-01", "FOLK1A", text))
    return findings


def _apart_by_age(before: pd.DataFrame, after: pd.DataFrame, shift: int) -> pd.Series:
    """How far ages are from those that are `shift` years older, as a share of the persons."""
    first, last = COHORTS[0] + 1, COHORTS[-1] - 2
    old = before.loc[:, first:last]
    return (after.loc[:, first + shift : last + shift].to_numpy() - old).abs().sum(axis=1) / old.sum(axis=1)


def units(sidecars: dict[str, tuple[str, str]]) -> list[Finding]:
    """ENHED-03: a table whose sidecar states another unit than it is declared in (file -> table, stated unit)."""
    declared = catalogue().units
    return [
        found("ENHED-03", table, f"{file} siger enheden {unit!r}, men tabellen er erklæret i {' eller '.join(known)}.")
        for file, (table, unit) in sidecars.items()
        if unit and (known := declared.get(table)) and unit.casefold() not in map(str.casefold, known)
    ]


def function_totals(expenditure: pd.DataFrame, control: pd.DataFrame) -> list[Finding]:
    """REGK-02, REGK-04, ENHED-01: REGK100 added up against REGK31, by function and municipality.

    `expenditure`: year, area_code, function, value (kr.). `control`: the same with `tolerance` (kr.), the rounding
    that REGK31 itself carries. Functions that only one of the tables holds are not compared.
    """
    keys = ["year", "area_code", "function"]
    added = expenditure.groupby(keys)["value"].sum(min_count=1).rename("added")
    both = control[control["function"].isin(expenditure["function"])].set_index(keys).join(added)
    # A function that a municipality of the table leaves out is zero.
    delivered = pd.MultiIndex.from_frame(expenditure[["year", "area_code"]]).unique()
    left_out = both.index.droplevel("function").isin(delivered) & ~both.index.isin(added.index)
    both = both.assign(added=both["added"].mask(left_out, 0.0)).dropna(subset=["value", "added"]).reset_index()
    limit = catalogue().thresholds.units["amount"]
    if _apart(both["added"].sum(), both["value"].sum(), limit):
        text = (
            f"Kommunernes udgifter er {_thousands(both['added'].sum())} t.kr., og REGK31 har "
            f"{_thousands(both['value'].sum())} t.kr. for de samme funktioner; en af tabellerne har en forkert enhed."
        )
        return [found("ENHED-01", "REGK100", text)]
    both["difference"] = both["added"] - both["value"]
    wrong = both[both["difference"].abs() > both["tolerance"]].sort_values("difference", key=abs, ascending=False)
    control = catalogue().thresholds.control
    far = (control.share * wrong[["value", "added"]].abs().max(axis=1)).clip(lower=control.kroner)
    rules = (wrong["difference"].abs() > wrong["tolerance"] + far).map({True: "REGK-04", False: "REGK-02"})
    return [
        found(
            rules[row.Index],
            "REGK100",
            f"{areas.name(row.area_code)} {row.year}, funktion {accounts.printed_number(row.function)}: "
            f"grupperingerne giver {_thousands(row.added)} t.kr., REGK31 har {_thousands(row.value)} t.kr. "
            f"(forskel {_thousands(row.difference)} t.kr.).",
        )
        for row in wrong.itertuples()
    ]


def area_totals(table: str, frame: pd.DataFrame, keys: list[str], label: str) -> list[Finding]:
    """OMR-01: a source's own region and country rows against the sum of the municipalities.

    `frame`: area_code (all kinds), `keys`, value. Own rows never count; where they disagree by more than
    rounding they are named. Only areas whose every municipality is there are compared.
    """
    own = frame[frame["area_code"].isin(areas.aggregates())]
    municipal = frame[frame["area_code"].isin(areas.municipalities())]
    findings = []
    for area_code, rows in own.groupby("area_code"):
        inside = municipal[municipal["area_code"].isin(areas.members(area_code))]
        if inside["area_code"].nunique() < len(areas.members(area_code)):
            continue
        added = inside.groupby(keys)["value"].sum(min_count=1)
        given = rows.groupby(keys)["value"].sum(min_count=1)
        compared = pd.concat([added.rename("added"), given.rename("given")], axis=1).fillna({"added": 0}).dropna()
        allowed = catalogue().thresholds.own_rows_share * compared["given"].abs() + 0.5
        wrong = compared[(compared["added"] - compared["given"]).abs() > allowed]
        for key, row in wrong.iterrows():
            named = " ".join(map(str, key if isinstance(key, tuple) else (key,)))
            text = (
                f"Rækken {areas.name(area_code)} ({named}) viser {number(row.given)} {label}, kommunerne giver "
                f"{number(row.added)}; kommunernes sum er brugt."
            )
            findings.append(found("OMR-01", table, text))
    return findings


def age_totals(population: pd.DataFrame) -> list[Finding]:
    """FOLK-01: single years of age against the total of the same municipality and quarter.

    `population`: area_code, quarter, total (NaN where the table has none), ages (NaN where it has none).
    """
    both = population.dropna(subset=["total", "ages"])
    wrong = both[both["total"] != both["ages"]]
    return [
        found(
            "FOLK-01",
            "FOLK1A",
            f"{areas.name(row.area_code)} {row.quarter}: aldrene giver {number(row.ages)}, i alt er "
            f"{number(row.total)}.",
        )
        for row in wrong.itertuples()
    ]


def series_break(table: str, label: str, year: int, text: str) -> Finding:
    """BRUD-01: what a category counts changed in a year; a growth across it is not a growth of the same thing."""
    return found("BRUD-01", table, f"{label}: {text}. Tal før og efter {year} kan ikke sammenlignes.")


def table_not_delivered(table: str) -> Finding:
    """DAEK-02: a table of the edition that is not in the raw folder; what rests on it is not computed."""
    text = f"{table} findes ikke i mappen med rådata; det, der bygger på tabellen, er ikke beregnet."
    return found("DAEK-02", table, text)


def foreign_areas(table: str, codes: pd.Series) -> list[Finding]:
    """OMR-02: areas of a table that are neither municipalities nor summed from them, nor expected beside them."""
    known = {*areas.municipalities(), *areas.aggregates(), *catalogue().expected_areas}
    foreign = sorted(set(codes.unique()) - known)
    if not foreign:
        return []
    names = of_largest([f"{areas.name(code)} ({code})" for code in foreign])
    return [found("OMR-02", table, f"Tabellen har rækker for {names}; de er ikke talt med.")]


def unit_shift(table: str, size: Size, rows: pd.DataFrame) -> list[Finding]:
    """ENHED-01, ENHED-02: totals so many times larger or smaller than the period before that the unit must be wrong.

    `rows`: area_code, year (or another period that sorts), value. Only municipalities with a figure in both periods
    are compared; the whole table first, then each municipality of some size.
    """
    limit = catalogue().thresholds.units[size]
    municipal = rows[rows["area_code"].isin(areas.municipalities())]
    totals = municipal.groupby(["area_code", "year"])["value"].sum(min_count=1).unstack("year")
    findings = []
    for before, now in pairwise(totals.columns):
        both = totals[[before, now]].dropna()
        if _apart(both[before].sum(), both[now].sum(), limit):
            text = (
                f"Kommunernes samlede tal går fra {number(both[before].sum())} i {before} til "
                f"{number(both[now].sum())} i {now}; enheden må være forkert i et af årene."
            )
            findings.append(found("ENHED-01", table, text))
            continue
        wrong = [row for row in both.itertuples() if _apart(row[1], row[2], limit)]
        if wrong:
            wrong.sort(key=lambda row: -max(abs(row[1]), abs(row[2])))
            named = of_largest([f"{areas.name(row[0])} (fra {number(row[1])} til {number(row[2])})" for row in wrong])
            text = f"Det samlede tal fra {before} til {now} kan ikke være rigtigt for {named}."
            findings.append(found("ENHED-02", table, text))
    return findings


def ownerships(rows: pd.DataFrame) -> list[Finding]:
    """EJER-01: ownerships of some weight that have no amounts at all in a year (columns year, ownership, value)."""
    limit = catalogue().thresholds.ownership_share
    sums = rows.groupby(["ownership", "year"])["value"].sum().unstack("year", fill_value=0.0)
    shares = sums.abs() / sums.abs().sum()
    return [
        found(
            "EJER-01",
            "REGK100",
            f"Ejerform {code} har ingen beløb i {year}, men op til {number(100 * shares.loc[code].max(), 1)} pct. af "
            "udgifterne i andre år; årets udgifter er for lave.",
        )
        for code in shares.index
        for year in shares.columns
        if sums.loc[code, year] == 0 and shares.loc[code].max() >= limit
    ]


def unauthorised(expenditure: pd.DataFrame) -> list[Finding]:
    """GODK-01: municipalities with much of their expenditure on the grouping without authority.

    `expenditure`: area_code, year, grouping, value (kr.).
    """
    limit = catalogue().thresholds.unauthorised
    keys = ["year", "area_code"]
    whole = expenditure.groupby(keys)["value"].sum()
    part = expenditure[expenditure["grouping"] == limit.grouping].groupby(keys)["value"].sum()
    both = pd.concat([part.rename("part"), whole.rename("whole")], axis=1, join="inner")
    high = both[both["part"].abs() > limit.share * both["whole"].abs()].sort_values("part", key=abs, ascending=False)
    findings = []
    for year, rows in high.groupby("year"):
        named = of_largest(
            [f"{areas.name(row.Index[1])} ({number(100 * row.part / row.whole, 1)} pct.)" for row in rows.itertuples()]
        )
        text = f"Gruppering {limit.grouping} (ikke-autoriseret) har en stor del af udgifterne i {year}: {named}."
        findings.append(found("GODK-01", "REGK100", text, [(area, "", year) for _, area in rows.index]))
    return findings


def kinds_not_checked(reason: str) -> Finding:
    """ART-03: the kinds that no key figure uses cannot be checked; the build goes on without."""
    return found("ART-03", "REGK100", f"Bruttoudgifter, indtægter og hovedarter er ikke kontrolleret: {reason}")


def kind_totals(expenditure: pd.DataFrame, others: pd.DataFrame) -> list[Finding]:
    """ART-01, ART-02, FORT-02: gross expenditure, income and main kinds against the net, where the table holds them.

    `expenditure`: year, area_code, function, value (net, kr.). `others`: the same by `kind`. No key figure uses them.
    """
    declared = catalogue().kinds
    keys = ["year", "area_code", "function"]
    kinds = others.groupby([*keys, "kind"])["value"].sum().unstack("kind")
    if kinds.empty:
        return []
    net = expenditure.groupby(keys)["value"].sum(min_count=1).reindex(kinds.index)
    sides = kinds.reindex(columns=[declared.gross, declared.income])
    both_sides = sides.sum(axis=1, min_count=1)
    main = kinds.reindex(columns=list(declared.main)).sum(axis=1, min_count=1)
    size = kinds.abs().max(axis=1)
    allowed = declared.tolerance_kroner + declared.tolerance_share * size
    findings = _kinds_apart("ART-01", "Bruttoudgifter og indtægter", both_sides, "nettoudgiften", net, allowed)
    findings += _kinds_apart("ART-02", "Hovedarterne", main, "udgifter og indtægter", both_sides.fillna(net), allowed)
    positive = sides[declared.income][sides[declared.income] > declared.tolerance_kroner]
    if len(positive):
        text = f"Indtægter skal være negative, men er positive: {_largest_accounts(positive)}."
        findings.append(found("FORT-02", "REGK100", text))
    return findings


def _apart(one: float, other: float, limit: UnitShift) -> bool:
    """Two totals that differ by at least the factor, of which the larger counts for something."""
    small, large = sorted([abs(one), abs(other)])
    return small > 0 and large >= limit.factor * small and large >= limit.at_least


def _kinds_apart(
    rule: str, label: str, added: pd.Series, other_label: str, given: pd.Series, allowed: pd.Series
) -> list[Finding]:
    difference = (added - given).dropna()
    wrong = difference[difference.abs() > allowed.reindex(difference.index)]
    if wrong.empty:
        return []
    text = f"{label} giver ikke {other_label}; forskellen er størst for {_largest_accounts(wrong)}."
    return [found(rule, "REGK100", text)]


def _largest_accounts(amounts: pd.Series) -> str:
    """The largest amounts (kr.) by year, area and function, with their size."""
    return of_largest(
        [
            f"{areas.name(area_code)} {year} funktion {accounts.printed_number(function)} ({_thousands(amount)} t.kr.)"
            for (year, area_code, function), amount in amounts.sort_values(key=abs, ascending=False).items()
        ]
    )


def _thousands(amount: float) -> str:
    return number(amount / 1000)


def unknown_groupings(expenditure: pd.DataFrame) -> pd.DataFrame:
    """Function, grouping and year of accounts that no rule names; they are counted outside the report's scope."""
    seen = expenditure[["year", "function", "grouping"]].drop_duplicates()
    unknown = []
    for year, rows in seen.groupby("year"):
        rules = accounts.rules_of_year(int(year))
        anything = rules.loc[rules["grouping"] == accounts.ANY_GROUPING, "function"]
        pairs = pd.MultiIndex.from_frame(rules[["function", "grouping"]])
        known = rows["function"].isin(anything) | pd.MultiIndex.from_frame(rows[["function", "grouping"]]).isin(pairs)
        unknown.append(rows[~known])
    return pd.concat(unknown, ignore_index=True)
