"""Ways in which a raw table can be wrong that no checksum shows, as data: what changes, and what must be said of it.

A row is changed when it has the codes of `where` (column -> code or codes). Codes that depend on the edition: `@first`
and `@last` are its municipalities by code, `@middle` and `@final` years. What is done: `scale` multiplies the figure,
`put` sets it, `drop` leaves the row out, `codes` writes other codes (column -> old -> new), `next_area` gives the row
to the next municipality, and `later` adds to a number (column -> how much; the year of a quarter). With `vintage` the
table as it was is the last one kept, without which nothing shows that it is another.

`rules`: of the findings that an edition without the mutation does not have, at least one is of these.
"""

from dataclasses import dataclass, field

AREAS = ("OMRÅDE", "ADMKOM", "KOMMUNEDK", "BOPREG")
TIME, VALUE = "TID", "INDHOLD"


@dataclass(frozen=True)
class Mutation:
    """One wrong table: the rows that change, how, and the rules that must see it."""

    name: str
    table: str
    rules: tuple[str, ...]
    where: dict = field(default_factory=dict)
    scale: float | None = None
    put: str | None = None
    drop: bool = False
    codes: dict = field(default_factory=dict)
    next_area: bool = False
    later: dict = field(default_factory=dict)
    vintage: bool = False


def mutated(mutation, files):
    """The lines of every file of a table (header first), changed; `files` is stem -> lines."""
    rows = [line.split(";") for lines in files.values() for line in lines[1:]]
    header = next(iter(files.values()))[0].split(";")
    column = next(header.index(name) for name in AREAS if name in header)
    towns = sorted({row[column] for row in rows if row[column] > "100" and row[column] != "411"})
    years = sorted({row[header.index(TIME)][:4] for row in rows})
    named = dict(zip(("@first", "@last"), (towns[:1], towns[-1:]), strict=True)) if towns else {}
    named |= {"@start": years[:1], "@middle": [years[len(years) // 2]], "@final": years[-1:]}
    places = max(len(row[-1].partition(",")[2]) for row in rows)
    following = dict(zip(towns, [*towns[1:], *towns[:1]], strict=True))
    return {stem: _changed(mutation, lines, named, following, places) for stem, lines in files.items()}


def _changed(mutation, lines, named, following, places):
    header = lines[0].split(";")
    area = next(header.index(name) for name in AREAS if name in header)
    where = {
        header.index(name): {
            one for code in ([codes] if isinstance(codes, str) else codes) for one in named.get(code, [code])
        }
        for name, codes in mutation.where.items()
    }
    codes = {
        name: {named.get(old, [old])[0]: named.get(new, [new])[0] for old, new in other.items()}
        for name, other in mutation.codes.items()
    }
    made = [lines[0]]
    for line in lines[1:]:
        row = line.split(";")
        if not all(row[place] in codes or row[place][:4] in codes for place, codes in where.items()):
            made.append(line)
            continue
        if mutation.drop:
            continue
        if mutation.scale is not None and row[-1] != "..":
            figure = float(row[-1].replace(",", ".")) * mutation.scale
            # As the table writes its numbers, or another rule would stop it.
            row[-1] = f"{figure:.{places}f}".replace(".", ",")
        row[-1] = mutation.put or row[-1]
        for name, other in codes.items():
            row[header.index(name)] = other.get(row[header.index(name)], row[header.index(name)])
        if mutation.next_area:
            row[area] = following.get(row[area], row[area])
        for name, more in mutation.later.items():
            place = header.index(name)
            number, rest = (row[place][:4], row[place][4:]) if name == TIME else (row[place], "")
            row[place] = f"{int(number) + more}{rest}" if number.isdecimal() else row[place]
        made.append(";".join(row))
    return made


# fmt: off
MUTATIONS = (
    Mutation("function x1000", "REGK100", ("NIVEAU-01",), where={"FUNKTION": "53850"}, scale=1000),
    Mutation("municipality x1000", "REGK100", ("FORD-01", "NIVEAU-01", "REGK-04"),
             where={"OMRÅDE": "@first"}, scale=1000),
    Mutation("function x10", "REGK100", ("NIVEAU-01", "REGK-04"), where={"FUNKTION": "52822"}, scale=10),
    Mutation("function x10 not in REGK31", "REGK100", ("NIVEAU-01",), where={"FUNKTION": "53858"}, scale=10),
    Mutation("one municipality function x10", "REGK100", ("NIVEAU-02",),
             where={"FUNKTION": "53858", "OMRÅDE": "@last"}, scale=10),
    Mutation("small function x10", "REGK100", ("NIVEAU-01",), where={"FUNKTION": "53842"}, scale=10),
    Mutation("HAND05 x1000", "HAND05", ("NIVEAU-01",), scale=1000),
    Mutation("HAND05 x0.001", "HAND05", ("NIVEAU-01",), scale=0.001),
    Mutation("HAND05 municipality x10", "HAND05", ("FORD-01", "NIVEAU-01"), where={"OMRÅDE": "@first"}, scale=10),
    Mutation("HAND05 code x10", "HAND05", ("NIVEAU-01",), where={"YDELSESTYPE": "31201"}, scale=10),
    Mutation("KRISE1 x1000", "KRISE1", ("NIVEAU-01",), scale=1000),
    Mutation("KRISE1 region x10", "KRISE1", ("FORD-01", "IDENT-01", "NIVEAU-01"), where={"BOPREG": "084"}, scale=10),
    Mutation("UND2 municipality x100", "UND2", ("FORD-01", "IDENT-02", "NIVEAU-01"),
             where={"ADMKOM": "@first"}, scale=100),
    Mutation("UND2 x10", "UND2", ("IDENT-02", "NIVEAU-01"), scale=10),
    Mutation("UND1 municipality x0.1", "UND1", ("IDENT-02", "NIVEAU-01"), where={"ADMKOM": "@first"}, scale=0.1),
    Mutation("BU43 municipality 99,9", "BU43", ("NIVEAU-01",), where={"OMRÅDE": "@last"}, put="99,9"),
    Mutation("BU43 municipality 99,9 one year", "BU43", ("NIVEAU-01",),
             where={"OMRÅDE": "@last", "TID": "@middle"}, put="99,9"),
    Mutation("BU43 fractions", "BU43", ("NIVEAU-01",), scale=0.01),
    Mutation("UND2_PR_1000 per cent", "UND2_PR_1000", ("NIVEAU-01",), scale=0.1),
    Mutation("UND2_PR_1000 municipality x10", "UND2_PR_1000", ("NIVEAU-01",), where={"ADMKOM": "@first"}, scale=10),
    Mutation("ISBU02 x1000", "ISBU02", ("NIVEAU-01",), scale=1000),
    Mutation("ANBAAR12 x1000", "ANBAAR12", ("NIVEAU-01",), scale=1000),
    Mutation("ANBAAR12 municipality x10", "ANBAAR12", ("NIVEAU-01",), where={"ADMKOM": "@first"}, scale=10),
    Mutation("FOLK1A x1000", "FOLK1A", ("NIVEAU-01",), scale=1000),
    Mutation("FOLK1A municipality x10", "FOLK1A", ("NIVEAU-01",), where={"OMRÅDE": "@last"}, scale=10),
    Mutation("service of a municipality gone in all years", "REGK100", ("HUL-01", "NIVEAU-01"),
             where={"OMRÅDE": "@first", "FUNKTION": ["53858", "53859"]}, drop=True),
    Mutation("function of a municipality gone in a year", "REGK100", ("HUL-01",),
             where={"OMRÅDE": "@first", "FUNKTION": "53850", "TID": "@middle"}, drop=True),
    Mutation("function of a municipality gone in a year (REGK31)", "REGK100", ("HUL-01", "NIVEAU-01", "REGK-04"),
             where={"OMRÅDE": "@first", "FUNKTION": "52822", "TID": "@middle"}, drop=True),
    Mutation("municipality gone in a year", "REGK100", ("DAEK-05",),
             where={"OMRÅDE": "@last", "TID": "@final"}, drop=True),
    Mutation("function gone in the last year", "REGK100", ("HUL-03",),
             where={"FUNKTION": "53850", "TID": "@final"}, drop=True),
    Mutation("grouping of a municipality gone in a year", "REGK100", ("HUL-02",),
             where={"OMRÅDE": "@first", "FUNKTION": "53850", "GRUPPERING": ["1", "001"], "TID": "@middle"}, drop=True),
    Mutation("HAND05 code gone", "HAND05", ("HUL-03",), where={"YDELSESTYPE": "31201"}, drop=True),
    Mutation("HAND05 code gone last year", "HAND05", ("HUL-03",),
             where={"YDELSESTYPE": "30182", "TID": "@final"}, drop=True),
    Mutation("HAND05 code begins later", "HAND05", ("HUL-03",),
             where={"YDELSESTYPE": "30181", "TID": "@start"}, drop=True),
    Mutation("HAND05 code of municipality gone in a year", "HAND05", ("HUL-01",),
             where={"OMRÅDE": "@first", "YDELSESTYPE": "31202", "TID": "@middle"}, drop=True),
    Mutation("HAND05 municipality not there in a year", "HAND05", ("DAEK-01",),
             where={"OMRÅDE": "@first", "TID": "@middle"}, drop=True),
    Mutation("KRISE1 region gone in a year", "KRISE1", ("DAEK-05", "IDENT-01"),
             where={"BOPREG": "084", "TID": "@middle"}, drop=True),
    Mutation("KRISE1 women of a region gone in a year", "KRISE1", ("DAEK-05", "IDENT-01"),
             where={"BOPREG": "084", "BEBOSTAT": "3", "TID": "@middle"}, drop=True),
    Mutation("UND1 municipality gone in a year", "UND1", ("DAEK-01",),
             where={"ADMKOM": "@first", "TID": "@middle"}, drop=True),
    Mutation("UND2 total gone", "UND2", ("HUL-01", "IDENT-01", "NIVEAU-01"),
             where={"ADMKOM": "@first", "UNDERRET": "00", "TID": "@middle"}, drop=True),
    Mutation("UND2 part gone", "UND2", ("IDENT-01", "NIVEAU-01"),
             where={"ADMKOM": "@first", "UNDERRET": "02", "TID": "@middle"}, drop=True),
    Mutation("ISBU02 total gone", "ISBU02", ("IDENT-01",),
             where={"KOMMUNEDK": "@first", "INDSATSER": "2", "TID": "@middle"}, drop=True),
    Mutation("ANBAAR12 part gone", "ANBAAR12", ("IDENT-01",),
             where={"ADMKOM": "@first", "ANBRINGELSE": "9", "TID": "@middle"}, drop=True),
    Mutation("FOLK1A an age gone", "FOLK1A", ("ALDER-01", "IDENT-01"),
             where={"OMRÅDE": "@first", "ALDER": "30"}, drop=True),
    Mutation("FOLK1A municipality gone in a year", "FOLK1A", ("DAEK-05",),
             where={"OMRÅDE": "@last", "TID": "2022"}, drop=True),
    Mutation("an ownership gone in a year", "REGK100", ("EJER-01", "REGK-04", "SPRING-05"),
             where={"EJER": "4", "TID": "@middle"}, drop=True),
    Mutation("UND2 total halved", "UND2", ("IDENT-01",), where={"ADMKOM": "@first", "UNDERRET": "00"}, scale=0.5),
    Mutation("ANBAAR12 total halved", "ANBAAR12", ("IDENT-01",), where={"ANBRINGELSE": "0"}, scale=0.5),
    Mutation("ISBU02 total below a part", "ISBU02", ("IDENT-01",), where={"INDSATSER": "2"}, scale=0.3),
    Mutation("fewer notifications than children", "UND1", ("IDENT-02",), scale=0.4),
    Mutation("ages moved in K4", "FOLK1A", ("ALDER-01",),
             where={"TID": ["2020K4", "2021K4", "2022K4", "2023K4", "2024K4"]}, later={"ALDER": 1}),
    Mutation("ages moved in a year", "FOLK1A", ("ALDER-01",), where={"TID": ["2022"]}, later={"ALDER": 1}),
    Mutation("ages moved in a municipality K4", "FOLK1A", ("ALDER-01",),
             where={"OMRÅDE": "@first", "TID": ["2022K4"]}, later={"ALDER": 1}),
    Mutation("quarters K4 a year later", "FOLK1A", ("DAEK-04",),
             where={"TID": ["2020K4", "2021K4", "2022K4", "2023K4", "2024K4"]}, later={"TID": 1}),
    Mutation("accounts of the next municipality", "REGK100", ("FORD-01", "NIVEAU-01", "REGK-04"), next_area=True),
    Mutation("accounts of the next municipality in a year", "REGK100",
             ("FORD-01", "HUL-01", "NIVEAU-01", "REGK-04", "SPRING-05"),
             where={"TID": "@final"}, next_area=True),
    Mutation("HAND05 of the next municipality", "HAND05", ("FORD-01", "NIVEAU-01"), next_area=True),
    Mutation("HAND05 of the next municipality in a year", "HAND05", ("FORD-01", "NIVEAU-01", "SPRING-05"),
             where={"TID": "@final"}, next_area=True),
    Mutation("UND1 of the next municipality", "UND1", ("FORD-01", "IDENT-02", "NIVEAU-01"), next_area=True),
    Mutation("UND2 of the next municipality", "UND2", ("FORD-01", "IDENT-02", "NIVEAU-01"), next_area=True),
    Mutation("ANBAAR12 of the next municipality", "ANBAAR12", ("FORD-01", "NIVEAU-01"), next_area=True),
    Mutation("ISBU02 of the next municipality", "ISBU02", ("FORD-01", "NIVEAU-01"), next_area=True),
    Mutation("FOLK1A of the next municipality", "FOLK1A", ("FORD-01", "NIVEAU-01"), next_area=True),
    Mutation("BU43 of the next municipality in a year", "BU43", ("SPRING-05",),
             where={"TID": "@final"}, next_area=True),
    Mutation("UND2_PR_1000 of the next municipality", "UND2_PR_1000", ("VINT-03",), next_area=True, vintage=True),
    Mutation("BU43 of the next municipality", "BU43", ("VINT-03",), next_area=True, vintage=True),
    Mutation("KRISE1 regions exchanged that are of one size", "KRISE1", ("VINT-03",),
             codes={"BOPREG": {"083": "084", "084": "083"}}, vintage=True),
    Mutation("function x0.1", "REGK100", ("VINT-03",), where={"FUNKTION": "53850"}, scale=0.1, vintage=True),
    Mutation("KRISE1 regions exchanged", "KRISE1", ("FORD-01", "NIVEAU-01"),
             codes={"BOPREG": {"083": "084", "084": "083"}}),
    Mutation("KRISE1 regions exchanged in a year", "KRISE1", ("FORD-01", "NIVEAU-01"),
             where={"TID": "@final"}, codes={"BOPREG": {"083": "084", "084": "083"}}),
    Mutation("REGK100 years exchanged", "REGK100", ("REGK-02", "REGK-04"),
             codes={"TID": {"@start": "@final", "@final": "@start"}}),
    Mutation("HAND05 years exchanged", "HAND05", ("HUL-03",), codes={"TID": {"@start": "@final", "@final": "@start"}}),
    Mutation("two K4 exchanged", "FOLK1A", ("ALDER-01",), codes={"TID": {"2022K4": "2023K4", "2023K4": "2022K4"}}),
    Mutation("K4 of the next municipality", "FOLK1A", ("ALDER-01", "ENHED-02", "FORD-01", "NIVEAU-01"),
             where={"TID": ["2020K4", "2021K4", "2022K4", "2023K4", "2024K4"]}, next_area=True),
    Mutation("half of a municipality accounts gone in a year", "REGK100", ("REGK-04",),
             where={"OMRÅDE": "@first", "TID": "@final", "EJER": ["1"]}, drop=True),
    Mutation("REGK31 municipality gone in a year", "REGK31", ("DAEK-05",),
             where={"OMRÅDE": "@last", "TID": "@final"}, drop=True),
    Mutation("REGK31 x1000", "REGK31", ("NIVEAU-01",), scale=1000),
    Mutation("REGK31 x1000 in a year", "REGK31", ("ENHED-01",), where={"TID": "@final"}, scale=1000),
    Mutation("REGK31 function of a municipality x100", "REGK31", ("NIVEAU-01",),
             where={"OMRÅDE": "@first", "FUNKTION": "52822"}, scale=100),
    Mutation("REGK31 function of a municipality gone in a year", "REGK31", ("HUL-01",),
             where={"OMRÅDE": "@first", "FUNKTION": "52822", "TID": "@middle"}, drop=True),
    Mutation("REGK31 function gone in the last year", "REGK31", ("HUL-03",),
             where={"FUNKTION": "53845", "TID": "@final"}, drop=True),
    Mutation("REGK31 of the next municipality", "REGK31", ("FORD-01",), next_area=True),
    Mutation("placements of a municipality below none", "ANBAAR12", ("IDENT-01", "NIVEAU-01"),
             where={"ADMKOM": "@first", "ANBRINGELSE": "0", "TID": "@final"}, put="0"),
    Mutation("country of KRISE1 doubled", "KRISE1", ("IDENT-01",), where={"BOPREG": "000"}, scale=2),
    Mutation("one municipality service x10", "REGK100", ("NIVEAU-01",),
             where={"FUNKTION": ["53858", "53859"], "OMRÅDE": "@last"}, scale=10),
)
# fmt: on
