"""Herberger (SEL § 110): places, use, homelessness, money, decisions and single stays, as two workbooks hold them."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa

from analysis import areas
from analysis.danish import listed, number
from analysis.edition import Edition
from analysis.errors import InputError
from analysis.rows import ORIGINS
from noegletal.facts.expenditure import categorised
from noegletal.rules import Finding, found
from noegletal.sources.deliveries import Wrong, delivered, nearest, no_rows, read_form, refuse
from noegletal.sources.forms import day_in_danish, fold, load_form, one_of_these
from noegletal.sources.snapshot import RawFile

PLACES_TABLE, STAYS_TABLE = "HERBERG", "HERBERG_OPHOLD"
FORMS = {PLACES_TABLE: "herberg", STAYS_TABLE: "herberg_ophold"}
# What the model does without, in the words of a finding.
WITHOUT_TABLE = {
    PLACES_TABLE: "pladser, priser, fordeling og scenarier beregnes ikke",
    STAYS_TABLE: "belægning dag for dag, strømme mellem kommuner og virkningen af opholdsgrænser beregnes ikke",
}
WITHOUT_SHEET = {
    "Registrering": "ind- og udskrivninger pr. måned eller kvartal vises ikke, og brugen kan ikke følges",
    "Hjemløshed": "pladserne fordeles ikke efter antallet af hjemløse",
    "Landstal": "landets udvikling i personer, ophold, overnatninger og afvisninger vises ikke",
    "Udgifter": "kommunernes udgifter er ikke med i leverancen",
    "Befolkning": "behovet regnes ved nutidens befolkning",
    "Klynger": "klyngerne er landsdelene",
    "Beslutning": "der er ingen besluttet kapacitet at følge op på",
}
# The workbook holds whole thousands, so half of one is no difference.
ACCOUNT_TOLERANCE, HALF_A_THOUSAND = 0.01, 500
OWNERSHIPS = ("kommunal", "regional", "selvejende", "privat")
PERIOD = r"^[0-9]{4}(M[0-9]{2}|K[1-4])$"


def _area(*kinds: Callable[[], tuple[str, ...]], unknown: bool = False) -> pa.Column:
    """Area codes of some kinds; asked for when a frame is checked, so that importing reads no file."""
    none = ("",) if unknown else ()
    return pa.Column(str, pa.Check(lambda codes: codes.isin([*none, *(code for kind in kinds for code in kind())])))


def _count(least: int = 0) -> pa.Column:
    return pa.Column(int, pa.Check.ge(least))


def _number() -> pa.Column:
    return pa.Column(float, pa.Check.ge(0), nullable=True)


def _day(*, missing: bool = False) -> pa.Column:
    return pa.Column("datetime64[ns]", nullable=missing)


def _schema(columns: dict[str, pa.Column], key: list[str] | None) -> pa.DataFrameSchema:
    trail = {
        "origin": pa.Column(str, pa.Check.isin(ORIGINS)),
        "file": pa.Column(str),
        "sheet": pa.Column(str),
        "row": _count(1),
    }
    return pa.DataFrameSchema({**columns, **trail}, unique=key, strict=True, coerce=True)


SCHEMAS = {
    "shelter_places": _schema(
        {
            "year": _count(),
            "provider": pa.Column(str),
            "municipality": _area(areas.municipalities),
            "ownership": pa.Column(str, pa.Check.isin(OWNERSHIPS)),
            "places": _count(1),
            "veteran_places": _number(),
            "target_group": pa.Column(str),
            "rate": _number(),
            "price_year": _number(),
            "cluster": pa.Column(str),
            "kkr": _area(areas.regions),
        },
        ["year", "provider"],
    ),
    "shelter_registrations": _schema(
        {
            "area": _area(areas.municipalities, areas.regions),
            "kkr": _area(areas.regions),
            "cluster": pa.Column(str),
            "period": pa.Column(str, pa.Check.str_matches(PERIOD)),
            "first": _day(),
            "days": _count(28),
            "arrivals": _count(),
            "departures": _count(),
            "nights": _count(),
            "refusals": _number(),
        },
        ["area", "period"],
    ),
    "shelter_homeless": _schema(
        {
            "municipality": _area(areas.municipalities),
            "kkr": _area(areas.regions),
            "cluster": pa.Column(str),
            "year": _count(),
            "homeless": _number(),
            "in_shelter": _number(),
            "rough_sleepers": _number(),
        },
        ["municipality", "year"],
    ),
    "shelter_national": _schema(
        {"year": _count(), "persons": _count(1), "stays": _number(), "nights": _number(), "refusals": _number()},
        ["year"],
    ),
    "shelter_expenditure": _schema(
        {
            "municipality": _area(areas.municipalities),
            "kkr": _area(areas.regions),
            "year": _count(),
            "kroner": pa.Column(float),
        },
        ["municipality", "year"],
    ),
    "shelter_projection": _schema(
        {
            "municipality": _area(areas.municipalities),
            "kkr": _area(areas.regions),
            "cluster": pa.Column(str),
            "year": _count(),
            "adults": _count(1),
        },
        ["municipality", "year"],
    ),
    "shelter_decisions": _schema(
        {
            "kkr": _area(areas.regions),
            "cluster": pa.Column(str),
            "first_year": _count(),
            "public_places": _count(),
            "other_places": _count(),
            "veteran_places": _number(),
        },
        ["kkr", "cluster", "first_year"],
    ),
    "shelter_stays": _schema(
        {
            "person": pa.Column(str),
            "host": _area(areas.municipalities),
            "host_kkr": _area(areas.regions),
            "host_cluster": pa.Column(str),
            "home": _area(areas.municipalities, unknown=True),
            "home_kkr": _area(areas.regions, unknown=True),
            "home_cluster": pa.Column(str),
            "arrived": _day(),
            "left": _day(missing=True),
            "first": _day(),
            "last": _day(),
        },
        ["person", "host", "arrived"],
    ),
}


def build(raw: Path, edition: Edition) -> tuple[dict[str, pd.DataFrame], list[Finding]]:
    """The facts about herberger by name, all of them always there, and what the checks found.

    Frames: those of `SCHEMAS`, without rows where nothing was delivered, and shelter_clusters with every municipality,
    its KKR and its klynge. Every row of the others has the KKR (code of its region)
    and the klynge of its municipality, and origin, file, sheet and row (in Excel). Money is kr. in current prices,
    rates are kr. per døgn in prices of `price_year`. Errors: whatever the two forms refuse and what does not fit
    together across their columns and rows, of both workbooks as one.
    """
    sheets: dict[str, pd.DataFrame] = {}
    there, refused = [], []
    for table, form in FORMS.items():
        file = delivered(raw, table)
        if file is None:
            sheets |= {name: rows.assign(origin="", file="") for name, rows in no_rows(form).items()}
            continue
        there.append(table)
        try:
            sheets |= _read(file, form)
        except InputError as error:
            refused.append(str(error))
    if refused:
        raise InputError("\n".join(refused), rule="LEV-01")
    facts = {name: _validated(name, frame) for name, frame in _facts(sheets).items()}
    facts["shelter_clusters"] = _municipal_clusters(_clusters(sheets["Klynger"]))
    return facts, list(_findings(facts, sheets, there, edition)) if there else []


def _read(file: RawFile, form: str) -> dict[str, pd.DataFrame]:
    sheets = read_form(file.path, form)
    refuse(file.path, form, FAULTS[file.sidecar.table](sheets))
    trail = {"origin": file.sidecar.origin, "file": file.path.name}
    return {name: rows.assign(**trail) for name, rows in sheets.items()}


def _validated(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    schema = SCHEMAS[name]
    return schema.validate(frame[list(schema.columns)]).sort_values(schema.unique, ignore_index=True)


# From sheets to facts


def _facts(sheets: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    clusters = _clusters(sheets["Klynger"])
    registrations, stays, window = sheets["Registrering"], sheets["Ophold"], sheets["Periode"]
    periods = registrations["period"].map(_period)
    decisions = sheets["Beslutning"]
    return {
        "shelter_places": _located(sheets["Pladser"], clusters),
        "shelter_registrations": _located(registrations, clusters, "area").assign(
            first=periods.map(lambda period: period.start_time), days=periods.map(_days)
        ),
        "shelter_homeless": _located(sheets["Hjemløshed"], clusters),
        "shelter_national": sheets["Landstal"],
        "shelter_expenditure": _located(sheets["Udgifter"], clusters).assign(
            kroner=sheets["Udgifter"]["thousand_kroner"] * 1000
        ),
        "shelter_projection": _located(sheets["Befolkning"], clusters),
        "shelter_decisions": decisions.assign(
            cluster=[_known_clusters(row.kkr, clusters).get(fold(row.cluster)) for row in decisions.itertuples()]
        ),
        "shelter_stays": _located(_located(stays, clusters, "host", "host_"), clusters, "home", "home_").assign(
            first=window["first"].min(), last=window["last"].max()
        ),
    }


def _located(
    rows: pd.DataFrame, clusters: dict[str, str], area: str = "municipality", prefix: str = ""
) -> pd.DataFrame:
    """The rows with the KKR and the klynge of an area; both empty where the area is, a region has no klynge."""
    kkr = rows[area].map(lambda code: areas.kkr(code) if code else "")
    return rows.assign(**{f"{prefix}kkr": kkr, f"{prefix}cluster": rows[area].map(lambda code: clusters.get(code, ""))})


def _clusters(chosen: pd.DataFrame) -> dict[str, str]:
    """The klynge of each municipality: as its KKR has chosen in sheet Klynger, else the name of its landsdel."""
    table = areas.area_table()
    municipal = table[table["type"] == "municipality"]
    landsdele = dict(zip(municipal["area_code"], municipal["landsdel_code"].map(areas.names()), strict=True))
    spelled: dict[tuple[str, str], str] = {}
    own = {
        row.municipality: spelled.setdefault((row.kkr, fold(row.cluster)), row.cluster) for row in chosen.itertuples()
    }
    return landsdele | own


def _municipal_clusters(clusters: dict[str, str]) -> pd.DataFrame:
    codes = areas.municipalities()
    rows = [(code, areas.kkr(code), clusters[code]) for code in codes]
    return pd.DataFrame(rows, columns=["municipality", "kkr", "cluster"], dtype="str")


def _known_clusters(kkr: str, clusters: dict[str, str]) -> dict[str, str]:
    """The klynger of a KKR as they are spelled, by what does not depend on case and spaces."""
    return {fold(clusters[code]): clusters[code] for code in areas.members(kkr)}


def _period(text: str) -> pd.Period:
    """The month of 2028M03 or the quarter of 2028K1."""
    year, mark, part = text[:4], text[4], text[5:]
    return pd.Period(f"{year}-{part}", "M") if mark == "M" else pd.Period(f"{year}Q{part}", "Q")


def _days(period: pd.Period) -> int:
    return (period.end_time - period.start_time).days + 1


# What a form cannot declare


def _places_book_faults(sheets: dict[str, pd.DataFrame]) -> list[Wrong]:
    return [
        *_place_faults(sheets["Pladser"]),
        *_registration_faults(sheets["Registrering"]),
        *_homeless_faults(sheets["Hjemløshed"]),
        *_cluster_faults(sheets["Klynger"]),
        *_decision_faults(sheets["Beslutning"], _clusters(sheets["Klynger"])),
    ]


def _place_faults(places: pd.DataFrame) -> Iterator[Wrong]:
    """More places for veterans than places; a rate without its price year, and the reverse."""
    headings = _headings(PLACES_TABLE, "Pladser")
    for row in places.itertuples():
        if row.veteran_places > row.places:
            yield _too_many(row, "veteran_places", f"{headings['places']} ({row.places})")
        for field, other in (("rate", "price_year"), ("price_year", "rate")):
            if pd.isna(getattr(row, field)) and not pd.isna(getattr(row, other)):
                text = f"cellen er tom, men {headings[other]} er udfyldt; udfyld begge eller ingen af dem"
                yield Wrong(text, row.sheet, row.row, field)


def _registration_faults(registrations: pd.DataFrame) -> Iterator[Wrong]:
    """The same days counted twice: a month inside a quarter, or a whole KKR beside its municipalities."""
    of_area: dict[tuple[str, pd.Period], Any] = {}
    of_kind: dict[tuple[str, bool, pd.Period], Any] = {}
    for row in registrations.itertuples():
        whole = row.area in areas.regions()
        kkr = areas.kkr(row.area)
        span = _period(row.period)
        months = pd.period_range(span.start_time, span.end_time, freq="M")
        again = [of_area[row.area, month] for month in months if (row.area, month) in of_area]
        if again:
            text = (
                f"{row.period} dækker dage, der også er talt i række {again[0].row} ({again[0].period}); slet den ene"
            )
            yield Wrong(text, row.sheet, row.row, "period")
        beside = [of_kind[kkr, not whole, month] for month in months if (kkr, not whole, month) in of_kind]
        if beside:
            text = (
                f"{areas.name(row.area)} i {row.period} er også talt i række {beside[0].row} "
                f"({areas.name(beside[0].area)}); skriv enten hele KKR-området eller dets kommuner"
            )
            yield Wrong(text, row.sheet, row.row, "area")
        for month in months:
            of_area.setdefault((row.area, month), row)
            of_kind.setdefault((kkr, whole, month), row)


def _homeless_faults(homeless: pd.DataFrame) -> Iterator[Wrong]:
    """More people at herberger or in the street than there are homeless people in all."""
    headings = _headings(PLACES_TABLE, "Hjemløshed")
    parts = ("in_shelter", "rough_sleepers")
    for row in homeless.itertuples():
        whole = f"{headings['homeless']} ({number(row.homeless)})"
        alone = [field for field in parts if getattr(row, field) > row.homeless]
        for field in alone:
            yield _too_many(row, field, whole)
        if not alone and row.in_shelter + row.rough_sleepers > row.homeless:
            together = " og ".join(f"{headings[field]} ({number(getattr(row, field))})" for field in parts)
            yield Wrong(f"{together} er tilsammen flere end {whole}", row.sheet, row.row, "homeless")


def _cluster_faults(chosen: pd.DataFrame) -> Iterator[Wrong]:
    """Municipalities outside the KKR they are placed in, and those that a KKR with klynger of its own leaves out."""
    for row in chosen.itertuples():
        if row.municipality not in areas.members(row.kkr):
            text = f"{areas.name(row.municipality)} ligger ikke i {areas.name(row.kkr)}; ret KKR eller kommune"
            yield Wrong(text, row.sheet, row.row, "municipality")
    for kkr, rows in chosen.groupby("kkr"):
        absent = [areas.name(code) for code in areas.members(kkr) if code not in set(chosen["municipality"])]
        if absent:
            text = f"{', '.join(absent)} mangler; når {areas.name(kkr)} står i arket, skal alle dets kommuner være med"
            yield Wrong(text, rows["sheet"].iloc[0], 0, "municipality")


def _decision_faults(decisions: pd.DataFrame, clusters: dict[str, str]) -> Iterator[Wrong]:
    """Klynger that the KKR does not have or has decided on twice, and more places for veterans than places."""
    headings = _headings(PLACES_TABLE, "Beslutning")
    seen: dict[tuple[str, str, int], int] = {}
    for row in decisions.itertuples():
        known = _known_clusters(row.kkr, clusters)
        if fold(row.cluster) not in known:
            near = nearest(row.cluster, tuple(known.values()))
            hint = f"mente du '{near}'?" if near else f"skriv {one_of_these(known.values())}"
            text = f"'{row.cluster}' er ikke en klynge i {areas.name(row.kkr)}; {hint}"
            yield Wrong(text, row.sheet, row.row, "cluster")
        first = seen.setdefault((row.kkr, fold(row.cluster), row.first_year), row.row)
        if first != row.row:
            yield Wrong(
                f"{row.cluster} fra {row.first_year} står også i række {first}; slet den ene", row.sheet, row.row
            )
        places = row.public_places + row.other_places
        if row.veteran_places > places:
            both = f"{headings['public_places']} og {headings['other_places']} tilsammen ({places})"
            yield _too_many(row, "veteran_places", both)


def _stays_book_faults(sheets: dict[str, pd.DataFrame]) -> Iterator[Wrong]:
    """A period that ends before it begins, and stays outside it."""
    window, stays = sheets["Periode"], sheets["Ophold"]
    first, last = window["first"].iloc[0], window["last"].iloc[0]
    if last < first:
        heading = _headings(STAYS_TABLE, "Periode")["first"]
        text = f"{day_in_danish(last)} er før {heading} {day_in_danish(first)}"
        yield Wrong(text, window["sheet"].iloc[0], window["row"].iloc[0], "last")
        return
    end = f"periodens sidste dag {day_in_danish(last)}"
    for row in stays[stays["arrived"] > last].itertuples():
        yield Wrong(f"{day_in_danish(row.arrived)} er efter {end}; slet rækken", row.sheet, row.row, "arrived")
    for row in stays[(stays["left"] > last) & (stays["arrived"] <= last)].itertuples():
        text = f"{day_in_danish(row.left)} er efter {end}; lad cellen stå tom, når opholdet varer ud over perioden"
        yield Wrong(text, row.sheet, row.row, "left")
    for row in stays[stays["left"] < first].itertuples():
        text = f"{day_in_danish(row.left)} er før periodens første dag {day_in_danish(first)}; slet rækken"
        yield Wrong(text, row.sheet, row.row, "left")


FAULTS: dict[str, Callable[[dict[str, pd.DataFrame]], Iterable[Wrong]]] = {
    PLACES_TABLE: _places_book_faults,
    STAYS_TABLE: _stays_book_faults,
}


def _too_many(row: Any, field: str, whole: str) -> Wrong:
    return Wrong(f"{number(getattr(row, field))} er flere end {whole}", row.sheet, row.row, field)


def _headings(table: str, sheet: str) -> dict[str, str]:
    """The heading of each field of a sheet."""
    plan = next(plan for plan in load_form(FORMS[table]).sheets if plan.name == sheet)
    return {column.field: column.heading for column in plan.columns}


# What may be right but is worth knowing


def _findings(
    facts: dict[str, pd.DataFrame], sheets: dict[str, pd.DataFrame], there: list[str], edition: Edition
) -> Iterator[Finding]:
    places, stays = facts["shelter_places"], facts["shelter_stays"]
    for table in FORMS:
        if table not in there:
            yield found("HERB-02", table, f"{table} er ikke leveret; {WITHOUT_TABLE[table]}.")
    if PLACES_TABLE in there:
        for sheet, consequence in WITHOUT_SHEET.items():
            if sheets[sheet].empty:
                yield found("HERB-02", PLACES_TABLE, f"Arket {sheet} er ikke udfyldt; {consequence}.")
        yield from _absent_years(places, edition)
        yield from _absent_areas(places)
        yield from _absent_rates(places)
        yield from _more_nights_than_places(facts["shelter_registrations"], places)
        yield from _undecided_clusters(facts["shelter_decisions"], _clusters(sheets["Klynger"]))
    if STAYS_TABLE in there:
        yield from _open_stays(stays, edition.smallest_count)
        yield from _unknown_homes(stays, edition.smallest_count)
        yield from _window_short_of_years(stays, edition)
        yield from _stays_without_places(stays, places)


def against_accounts(given: pd.DataFrame, expenditure: pd.DataFrame, category: str) -> list[Finding]:
    """HERB-10: the expenditure in the workbook against that of the accounts, for the municipalities and years of both.

    Requires municipality, year, kroner, and accounts as the fact expenditure with the category they are booked in. The
    accounts are used where they differ.
    """
    booked = categorised(expenditure)
    booked = booked[booked["category"] == category].groupby(["area_code", "year"])["value"].sum(min_count=1)
    stated = given.set_index(["municipality", "year"])["kroner"].rename_axis(["area_code", "year"])
    both = pd.concat([booked.rename("booked"), stated.rename("given")], axis=1, join="inner").dropna()
    wrong = both[(both["booked"] - both["given"]).abs() > ACCOUNT_TOLERANCE * both["booked"].abs() + HALF_A_THOUSAND]
    if wrong.empty:
        return []
    (code, year), row = next(wrong.sort_index().iterrows())
    more = f" og {number(len(wrong) - 1)} andre steder" if len(wrong) > 1 else ""
    text = (
        f"{areas.name(code)} {year}: udgiften er {number(row['given'] / 1000)} t.kr. i arket Udgifter og "
        f"{number(row['booked'] / 1000)} t.kr. i regnskabet{more}; regnskabet er brugt."
    )
    return [found("HERB-10", PLACES_TABLE, text)]


def _open_stays(stays: pd.DataFrame, smallest: int) -> Iterator[Finding]:
    """HERB-01: stays without an end, counted to the last day of the window."""
    still = int(stays["left"].isna().sum())
    if still:
        last = day_in_danish(stays["last"].iloc[0])
        text = (
            f"{_counted(still, smallest)} af {number(len(stays))} ophold er ikke afsluttet; de er talt med til og med "
            f"{last}."
        )
        yield found("HERB-01", STAYS_TABLE, text)


def _counted(stays: int, smallest: int) -> str:
    """How many stays, as the start of a sentence; fewer than `smallest` are not counted out."""
    return number(stays) if stays >= smallest else f"Færre end {number(smallest)}"


def _absent_years(places: pd.DataFrame, edition: Edition) -> Iterator[Finding]:
    """HERB-03: years of the edition that the place list does not have."""
    need = edition.tables.get(PLACES_TABLE)
    absent = [str(year) for year in (need.years.all if need else []) if year not in set(places["year"])]
    if absent:
        text = f"Arket Pladser har ingen rækker for {listed(absent)}, som udgaven regner med; årene vises ikke."
        yield found("HERB-03", PLACES_TABLE, text)


def _window_short_of_years(stays: pd.DataFrame, edition: Edition) -> Iterator[Finding]:
    """HERB-03: years of the edition that the stays do not cover from the first day to the last."""
    need = edition.tables.get(STAYS_TABLE)
    first, last = stays["first"].iloc[0], stays["last"].iloc[0]
    short = [
        str(year)
        for year in (need.years.all if need else [])
        if not first <= pd.Timestamp(year, 1, 1) <= pd.Timestamp(year, 12, 31) <= last
    ]
    if short:
        text = (
            f"Opholdene dækker {day_in_danish(first)} til {day_in_danish(last)} og dermed ikke hele {listed(short)}, "
            "som udgaven regner med."
        )
        yield found("HERB-03", STAYS_TABLE, text)


def _absent_areas(places: pd.DataFrame) -> Iterator[Finding]:
    """HERB-04: KKR without a single place in the latest year."""
    latest = places["year"].max()
    there = set(places.loc[places["year"] == latest, "kkr"])
    absent = [areas.kkr_name(code) for code in areas.regions() if code not in there]
    if absent:
        text = f"{listed(absent)} har ingen pladser i {latest} i arket Pladser; der er ingen kapacitet at regne på."
        yield found("HERB-04", PLACES_TABLE, text)


def _absent_rates(places: pd.DataFrame) -> Iterator[Finding]:
    """HERB-05: places without a rate in the latest year."""
    latest = places[places["year"] == places["year"].max()]
    without = int(latest.loc[latest["rate"].isna(), "places"].sum())
    if without:
        text = (
            f"{number(without)} af {number(latest['places'].sum())} pladser i {latest['year'].iloc[0]} har ingen "
            "takst; priser er regnet uden dem."
        )
        yield found("HERB-05", PLACES_TABLE, text)


def _unknown_homes(stays: pd.DataFrame, smallest: int) -> Iterator[Finding]:
    """HERB-06: stays whose home municipality is not known."""
    unknown = int((stays["home"] == "").sum())
    if unknown:
        text = (
            f"{_counted(unknown, smallest)} af {number(len(stays))} ophold har ingen hjemkommune; de tæller med i "
            "belægningen, men ikke i strømmene mellem kommuner."
        )
        yield found("HERB-06", STAYS_TABLE, text)


def _stays_without_places(stays: pd.DataFrame, places: pd.DataFrame) -> Iterator[Finding]:
    """HERB-07: municipalities with stays but without places in the years of the window."""
    first, last = stays["first"].iloc[0].year, stays["last"].iloc[0].year
    listed_places = places[places["year"].between(first, last)]
    without = sorted(set(stays["host"]) - set(listed_places["municipality"]))
    if without and not listed_places.empty:
        span = f"{first}" if first == last else f"{first}-{last}"
        text = (
            f"Der er ophold i {listed([areas.name(code) for code in without])}, men ingen pladser dér i arket Pladser "
            f"for {span}; belægningen bliver for høj."
        )
        yield found("HERB-07", STAYS_TABLE, text)


def _more_nights_than_places(registrations: pd.DataFrame, places: pd.DataFrame) -> Iterator[Finding]:
    """HERB-08: more nights in a period than the places of the same year have room for."""
    by_area = pd.concat([places.assign(area=places["municipality"]), places.assign(area=places["kkr"])])
    room = by_area.groupby(["area", "year"])["places"].sum().reset_index()
    compared = registrations.assign(year=registrations["first"].dt.year).merge(room, on=["area", "year"])
    for row in compared[compared["nights"] > compared["places"] * compared["days"]].itertuples():
        text = (
            f"{areas.name(row.area)} {row.period}: {number(row.nights)} døgn er flere end {number(row.places)} pladser "
            f"giver plads til i {row.days} dage ({number(row.places * row.days)})."
        )
        yield found("HERB-08", PLACES_TABLE, text)


def _undecided_clusters(decisions: pd.DataFrame, clusters: dict[str, str]) -> Iterator[Finding]:
    """HERB-09: klynger that a decision of their KKR does not mention."""
    for (kkr, year), rows in decisions.groupby(["kkr", "first_year"]):
        absent = sorted(set(_known_clusters(kkr, clusters).values()) - set(rows["cluster"]), key=areas.collation_key)
        if absent:
            text = (
                f"Beslutningen for {areas.kkr_name(kkr)} fra {year} nævner ikke {listed(absent)}; tilføj klyngen, også "
                "når den får 0 pladser."
            )
            yield found("HERB-09", PLACES_TABLE, text)
