"""Raw files with something wrong in them: the right number for every key, or an error that names the file.

What is right is decided here by a parser of the contract of its own: plain Python, cell by cell, without the library.
"""

import gzip
import hashlib
import os
import random
import re
import zlib
from collections import Counter
from decimal import Decimal

import pytest
from conftest import SIDECAR, thorough
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from analysis.areas import area_table
from analysis.errors import InputError
from noegletal.sources import snapshot
from noegletal.sources.snapshot import read_table, table_shapes

FILES, AT_ONCE = 10_000, 1_000
LONGEST = 65_535
TABLES = ("REGK100", "FOLK1A", "HAND05", "UND2", "KRISE1")
AREAS = frozenset(area_table()["area_code"])
CODES = {
    "FUNKTION": ("52821", "52822", "53845", "02201"),
    "DRANST": ("1", "2", "7"),
    "EJER": ("0", "1", "4"),
    "GRUPPERING": ("001", "004", "999"),
    "ART": ("TOT", "UE", "I", "S1"),
    "PRISENHED": ("LOBM", "INDL"),
    "KØN": ("TOT", "1"),
    "ALDER": ("IALT", "0", "17", "100-"),
    "ALDER1": ("00", "17", "U0"),
    "UNDERRET": ("00", "06"),
    "YDELSESTYPE": ("31202", "30011"),
    "KMDR": ("TOT", "000001"),
    "BEBOSTAT": ("1", "35"),
    "CIVILSTAND": ("TOT", "U"),
}
# Half of the files are read as the expenditure facts read them: chosen rows only.
SELECT = {
    "REGK100": {
        "DRANST": frozenset({"1"}),
        "ART": frozenset({"TOT"}),
        "PRISENHED": frozenset({"LOBM"}),
        "FUNKTION": frozenset({"52821", "52822"}),
    },
    "FOLK1A": {"KØN": frozenset({"TOT"}), "ALDER": frozenset({"IALT", "17"})},
    "UND2": {"UNDERRET": frozenset({"00"}), "ALDER1": frozenset({"00"})},
}


# ---------------------------------------------------------------------------------------------- the contract, strictly


def strictly(content, shape, mark, select):
    """Number and line by key of a legal file, or None for one that is not."""
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return None
    if max(map(len, content.split(b"\n"))) >= LONGEST or not text.endswith("\n"):
        return None
    columns = [*shape.variables, "TID", "INDHOLD"]
    header, *lines = text.split("\n")
    header = [cell.strip().upper() for cell in header.split(";")]
    if sorted(header) != sorted(columns):
        return None
    figures, rows = {}, 0
    for place, line in enumerate(lines, start=2):
        cells = line.removesuffix("\r").split(";")
        if cells == [""]:
            continue
        if len(cells) != len(columns):
            return None
        row = dict(zip(header, cells, strict=True))
        key = [legal_code(row[variable], variable, shape) for variable in shape.variables]
        period = r"[0-9]{4}K[1-4]" if shape.period == "quarter" else r"[0-9]{4}"
        if None in key or not re.fullmatch(period, row["TID"]) or not legal_number(row["INDHOLD"], mark, shape):
            return None
        rows += 1
        key = (*key, row["TID"])
        chosen = [meant(code, select.get(variable)) for variable, code in zip(columns[:-1], key, strict=True)]
        if "no" in chosen:
            continue
        # All of a row's codes are those asked for, or look like them: then they must be spelled as such.
        if "like" in chosen or key in figures:
            return None
        number = None if row["INDHOLD"] == ".." else float(Decimal(row["INDHOLD"].replace(mark, ".")))
        figures[key] = (number, place)
    return figures if rows else None


def legal_code(code, variable, shape):
    if (
        not code
        or not all((one.isascii() and one.isalnum()) or one in "ÆØÅæøå_.+/-" for one in code)
        or code[0] in "_.+/-"
    ):
        return None
    if code.isdigit():
        code = code.rjust(shape.padding.get(variable, 0), "0")
    return None if variable == shape.area and code not in AREAS else code


def legal_number(text, mark, shape):
    if text == "..":
        return True
    whole, point, part = text.removeprefix("-").partition(mark)
    digits = set("0123456789")
    return (
        set(whole) <= digits
        and set(part) <= digits
        and 1 <= len(whole) <= 15
        and (whole == "0" or whole[0] != "0")
        and bool(point) == bool(part)
        and len(part) <= shape.decimals
    )


def meant(code, codes):
    if codes is None or code in codes:
        return "yes"
    return "like" if bare(code) in {bare(one) for one in codes} else "no"


def bare(code):
    return code.lower().lstrip("0") or "0"


# ---------------------------------------------------------------------------------------------------- what goes wrong


def some_table(chance, table):
    """A small table of the genuine shape, as header and rows of cells."""
    shape = table_shapes()[table]
    header = [*shape.variables, "TID", "INDHOLD"]
    keys = set()
    for _ in range(chance.randint(1, 9)):
        key = []
        for variable in shape.variables:
            codes = ("101", "147", "000", "081", "82", "960") if variable == shape.area else CODES[variable]
            key.append(chance.choice(codes))
        keys.add((*key, chance.choice(("2023", "2024")) + ("K4" if shape.period == "quarter" else "")))
    values = ["0", "..", "7", "1000", "-12", "123456", *(["-1,5", "0,2"] if shape.decimals else [])]
    return header, [[*key, chance.choice(values)] for key in sorted(keys)]


def one_cell(change):
    """A mutation of lines that changes one cell of one row (or of the header, seldom)."""

    def mutation(chance, lines):
        place = chance.randrange(len(lines))
        cells = lines[place].split(";")
        at = chance.choice((len(cells) - 1, chance.randrange(len(cells))))
        cells[at] = change(chance, cells[at])
        return [*lines[:place], ";".join(cells), *lines[place + 1 :]]

    return mutation


def columns_changed_over(chance, lines):
    """Two columns change places in the rows, but not in the header."""
    first, second = chance.sample(range(lines[0].count(";") + 1), 2)
    changed = [lines[0]]
    for cells in (line.split(";") for line in lines[1:]):
        if len(cells) > max(first, second):
            cells[first], cells[second] = cells[second], cells[first]
        changed.append(";".join(cells))
    return changed


def place_of(chance, lines):
    return chance.randrange(len(lines))


def without_line(chance, lines):
    place = place_of(chance, lines)
    return [*lines[:place], *lines[place + 1 :]]


def line_twice(chance, lines):
    place = place_of(chance, lines)
    return [*lines[: place + 1], *lines[place:]]


def cut_line(chance, lines):
    place = place_of(chance, lines)
    return [*lines[:place], lines[place][: chance.randint(0, len(lines[place]))], *lines[place + 1 :]]


def joined_lines(chance, lines):
    place = place_of(chance, lines)
    return [*lines[:place], "".join(lines[place : place + 2]), *lines[place + 2 :]]


def shuffled(chance, lines):
    return [lines[0], *chance.sample(lines[1:], len(lines) - 1)]


def columns_moved(chance, lines):
    order = chance.sample(range(lines[0].count(";") + 1), lines[0].count(";") + 1)
    return [
        ";".join(cells[at] for at in order) if len(cells := line.split(";")) == len(order) else line for line in lines
    ]


def blank_line(chance, lines):
    place = chance.randint(1, len(lines))
    return [*lines[:place], chance.choice(("", "\r", " ")), *lines[place:]]


def carriage_returns(chance, lines):
    return [line + chance.choice(("", "\r", "\r", "\r\r")) if chance.random() < 0.7 else line for line in lines]


def inserted(chance, cell, *choices):
    at = chance.randint(0, len(cell))
    return cell[:at] + chance.choice(choices) + cell[at:]


LINES = {
    "line left out": without_line,
    "line twice": line_twice,
    "line cut": cut_line,
    "lines joined": joined_lines,
    "lines in another order": shuffled,
    "columns in another order": columns_moved,
    "columns changed over": columns_changed_over,
    "blank line": blank_line,
    "carriage returns": carriage_returns,
    "thousands mark": one_cell(lambda chance, cell: chance.choice(("1.000", "1,000", "1 000", "1\u00a0000", "1'000"))),
    "other decimal mark": one_cell(lambda chance, cell: cell.replace(",", ".") if "," in cell else "1.5"),
    "unicode digits": one_cell(lambda chance, cell: chance.choice(("١٢", "１０１", "²", "12３", "Ⅷ", "1\u200b0"))),
    "sign": one_cell(lambda chance, cell: chance.choice(("+", "-", "--", "−", "–", "- ")) + cell),
    "sign behind": one_cell(lambda chance, cell: cell + chance.choice("+-")),
    "exponent": one_cell(lambda chance, cell: chance.choice(("1e3", "1E3", "1e400", "0x10", "1_000", "1d3"))),
    "not a number": one_cell(
        lambda chance, cell: chance.choice(("nan", "inf", "-inf", "NULL", "", ".", "-", "x", "…", "..."))
    ),
    "leading zeros": one_cell(lambda chance, cell: "0" * chance.randint(1, 3) + cell),
    "huge number": one_cell(
        lambda chance, cell: chance.choice(("9" * 15, "9" * 16, "1" + "0" * 400, "0," + "1" * 400))
    ),
    "other case": one_cell(lambda chance, cell: cell.swapcase()),
    "quoted cell": one_cell(lambda chance, cell: chance.choice((f'"{cell}"', f'"{cell}', f'{cell}"', f"'{cell}'"))),
    "space": one_cell(
        lambda chance, cell: inserted(chance, cell, " ", "\t", "\u00a0", "\u2003", "\v", "\x85", "\u2028")
    ),
    "extra semicolon": one_cell(lambda chance, cell: inserted(chance, cell, ";", ";;")),
    "byte order mark": one_cell(lambda chance, cell: inserted(chance, cell, "\ufeff")),
    "NUL": one_cell(lambda chance, cell: inserted(chance, cell, "\0", "\x1a", "\x7f")),
    "line end in a cell": one_cell(lambda chance, cell: inserted(chance, cell, "\r", "\n", "\r\n")),
    "long cell": one_cell(lambda chance, cell: cell + chance.choice("0Æ; ") * chance.choice((100, 70_000))),
    "comma for semicolon": lambda chance, lines: [lines[0], *(line.replace(";", ",") for line in lines[1:])],
}


def changed_byte(chance, data):
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def other_byte(chance, data):
    at = chance.randrange(len(data))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def lost_byte(chance, data):
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randint(1, 3) :]


def added_byte(chance, data):
    at = chance.randrange(len(data))
    return (
        data[:at] + chance.choice((b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b'"', b";", b" ", b"9")) + data[at:]
    )


def cut_short(chance, data):
    return data[: chance.randrange(len(data))]


def piece_twice(chance, data):
    first, last = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
    return data[:last] + data[first:]


def mark_in_front(chance, data):
    return b"\xef\xbb\xbf" * chance.choice((1, 1, 2)) + data


def in_latin_1(chance, data):
    return data.decode("utf-8", "replace").encode(chance.choice(("latin-1", "utf-16", "utf-8-sig")), "replace")


BYTES = {
    "flipped bit": changed_byte,
    "other byte": other_byte,
    "lost bytes": lost_byte,
    "added byte": added_byte,
    "file cut": cut_short,
    "piece twice": piece_twice,
    "byte order mark in front": mark_in_front,
    "other encoding": in_latin_1,
}
PACKED = {
    "packed: flipped bit": changed_byte,
    "packed: lost bytes": lost_byte,
    "packed: cut": cut_short,
    "packed: two members": lambda chance, data: (
        data + gzip.compress(chance.choice((b"", b"\n", b"7\n", b";")), mtime=0)
    ),
    "packed: rubbish behind": lambda chance, data: data + chance.choice((b"\0" * 9, b"x", b"\x1f\x8b", b"101;1")),
    "packed: not packed": lambda chance, data: gzip.decompress(data),
}


def mutated(chance, table):
    """The bytes of a spoilt file, whether it is packed, its language, and what was done to it."""
    header, rows = some_table(chance, table)
    lang = chance.choice(("da", "da", "en"))
    if lang == "en":
        rows = [[*row[:-1], row[-1].replace(",", ".")] for row in rows]
    lines = [";".join(header), *(";".join(row) for row in rows)]
    done = []
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        name = chance.choice(list(LINES))
        lines = LINES[name](chance, lines or [""]) or [""]
        done.append(name)
    data = (chance.choice(("\n", "\r\n")).join(lines) + chance.choice(("\n", "\n", "\r\n", "\r\n", ""))).encode("utf-8")
    if chance.random() < (0.2 if done else 0.6):
        name = chance.choice(list(BYTES))
        data = BYTES[name](chance, data)
        done.append(name)
    packed = chance.random() < 0.3
    if packed:
        data = gzip.compress(data, compresslevel=1, mtime=0)
        if chance.random() < 0.3:
            name = chance.choice(list(PACKED))
            data = PACKED[name](chance, data)
            done.append(name)
    return data, packed, lang, done


def write(folder, table, data, packed, lang):
    """The file and a sidecar that fits it; as text, because a YAML library would take longer than the reading."""
    for stale in folder.iterdir():
        stale.unlink()
    (folder / f"{table}{'.csv.gz' if packed else '.csv'}").write_bytes(data)
    facts = {"table": table, "title": table, **SIDECAR, "lang": lang, "bytes": len(data), "query": "", "url": "''"}
    facts |= {"note": "''", "sha256": f"'{hashlib.sha256(data).hexdigest()}'"}
    text = "\n".join(f"{key}: {value}" for key, value in facts.items())
    (folder / f"{table}.yml").write_text(text, encoding="utf-8")


def unpacked(data, packed):
    try:
        return gzip.decompress(data) if packed else data
    except (OSError, EOFError, zlib.error):
        return None


def read(folder, table, select):
    """Number and line by key as the library reads them."""
    frame, _ = read_table(folder, table, select)
    keys = frame[[*table_shapes()[table].variables, "TID"]].itertuples(index=False, name=None)
    numbers = [None if number != number else number for number in frame["value"]]
    return dict(zip(keys, zip(numbers, frame["line"], strict=True), strict=True))


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(first, marks=pytest.mark.long) for first in range(AT_ONCE, FILES, AT_ONCE))]
)
def test_a_spoilt_file_gives_the_right_numbers_or_a_named_error(tmp_path, monkeypatch, first):
    outcomes = Counter()
    for number in range(first, first + AT_ONCE):
        chance = random.Random(number)  # noqa: S311 - the same files every time
        table = chance.choice(TABLES)
        data, packed, lang, done = mutated(chance, table)
        write(tmp_path, table, data, packed, lang)
        select = SELECT.get(table, {}) if chance.random() < 0.5 else {}
        # Small blocks, so that small files are cut between and inside lines too.
        monkeypatch.setattr(snapshot, "BLOCK_BYTES", chance.choice((70, 300, 8 << 20, 8 << 20)))
        content = unpacked(data, packed)
        mark = "," if lang == "da" else "."
        expected = None if content is None else strictly(content, table_shapes()[table], mark, select)
        place = f"file {number}: {table} {done} {data[:600]!r}"
        try:
            found = read(tmp_path, table, select)
        except InputError as error:
            assert expected is None, f"{error}: {place}"
            assert error.rule in REFUSED_BY, f"{error}: {place}"
            assert f"{table}" in str(error), place
            assert "\n" not in str(error), f"{error}: {place}"
            assert len(str(error)) < 1500, place
            outcomes["refused"] += 1
            continue
        except Exception as error:
            raise AssertionError(place) from error
        assert found == expected, place
        outcomes["read"] += 1
    # Neither outcome may be the only one, or the test would show nothing.
    assert min(outcomes["read"], outcomes["refused"]) > AT_ONCE / 5, outcomes


def test_every_mutation_is_tried_and_those_that_spoil_are_refused():
    refused, tried = Counter(), Counter()
    for number in range(FILES // 4):
        chance = random.Random(number)  # noqa: S311 - the same files every time
        table = chance.choice(TABLES)
        data, packed, lang, done = mutated(chance, table)
        if len(done) != 1:
            continue
        content = unpacked(data, packed)
        tried[done[0]] += 1
        mark = "," if lang == "da" else "."
        refused[done[0]] += (
            content is None or strictly(content, table_shapes()[table], mark, SELECT.get(table, {})) is None
        )
    assert set(tried) >= {*LINES, *BYTES}
    # What may be legal all the same; that a chosen code in another case is refused is tested by itself.
    harmless = {"lines in another order", "columns in another order", "carriage returns", "other case"}
    assert [name for name in (*LINES, *BYTES) if not refused[name] and name not in harmless] == []


ROW = "101;52821;1;1;003;TOT;LOBM;2024;1000"
# A file whose bytes are those of its sidecar is refused for its form, a key, a value or a code, and for nothing else.
REFUSED_BY = {"FIL-02", "NOEGLE-01", "VAERDI-01", "KODE-01", "KODE-02"}


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        (";52821;1;", ";52821;01;", "DRANST '01'"),
        ("TOT", "tot", "ART 'tot'"),
        ("52821", "052821", "FUNKTION '052821'"),
    ],
)
def test_a_code_that_only_looks_like_a_chosen_one_is_refused_not_left_out(tmp_path, old, new, column):
    header = ";".join([*table_shapes()["REGK100"].variables, "TID", "INDHOLD"])
    changed = ROW.replace(old, new).replace("101;", "147;")
    write(tmp_path, "REGK100", "\n".join([header, ROW, changed, ""]).encode("utf-8"), False, "da")
    with pytest.raises(InputError, match=rf"REGK100\.csv line 3: {column} looks like") as refused:
        read_table(tmp_path, "REGK100", SELECT["REGK100"])
    assert refused.value.rule == "KODE-02"


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
@pytest.mark.parametrize(
    ("spoilt", "rule", "fault"),
    [
        (ROW.replace("1000", "1o00"), "VAERDI-01", "INDHOLD '1o00'"),
        (ROW + ";", "FIL-02", "10 cells"),
        (ROW.replace(";1;1;", "; 1;1;"), "FIL-02", "DRANST ' 1'"),
        (ROW.replace("52821", "52\u00e921"), "FIL-02", "FUNKTION '52é21'"),
        (ROW + "," + "0" * 70_000, "FIL-02", "longer"),
    ],
)
def test_a_fault_far_down_is_named_by_its_line(tmp_path, monkeypatch, suffix, spoilt, rule, fault):
    monkeypatch.setattr(snapshot, "BLOCK_BYTES", 4_000)
    header = ";".join([*table_shapes()["REGK100"].variables, "TID", "INDHOLD"])
    rows = [ROW.replace("003", str(number)) for number in range(100, 999)]
    rows[700] = spoilt
    write(tmp_path, "REGK100", "\r\n".join([header, "", *rows, ""]).encode("utf-8"), False, "da")
    if suffix == "csv.gz":
        packed = gzip.compress((tmp_path / "REGK100.csv").read_bytes(), mtime=0)
        write(tmp_path, "REGK100", packed, True, "da")
    # The header, a blank line and 700 rows stand above.
    with pytest.raises(InputError, match=rf"REGK100\.{suffix} line 703:? .*{fault}") as refused:
        read_table(tmp_path, "REGK100", SELECT["REGK100"])
    assert refused.value.rule == rule


def test_a_checksum_is_kept_only_while_the_file_stays_as_it_is(tmp_path, monkeypatch):
    # As if the file had been written long ago.
    monkeypatch.setattr(snapshot, "SETTLED_NANOSECONDS", -1)
    header = ";".join([*table_shapes()["REGK100"].variables, "TID", "INDHOLD"])
    write(tmp_path, "REGK100", f"{header}\n{ROW}\n".encode(), False, "da")
    path = tmp_path / "REGK100.csv"
    os.utime(path, (1, 1))
    read_table(tmp_path, "REGK100")
    kept = snapshot._sha256.cache_info().hits
    read_table(tmp_path, "REGK100")
    assert snapshot._sha256.cache_info().hits == kept + 1
    path.write_bytes(path.read_bytes().replace(b"1000", b"1001"))
    os.utime(path, (2, 2))
    with pytest.raises(InputError) as refused:
        read_table(tmp_path, "REGK100")
    assert refused.value.rule == "FIL-01"


# --------------------------------------------------------------------------------------- any legal table, any spelling


@st.composite
def legal_tables(draw):
    """A table's name and its figures by key."""
    table = draw(st.sampled_from(TABLES))
    shape = table_shapes()[table]
    other = st.from_regex(r"[0-9A-Za-zÆØÅæøå][0-9A-Za-zÆØÅæøå_.+/-]{0,6}", fullmatch=True)
    codes = []
    for variable in shape.variables:
        width = shape.padding.get(variable, 0)
        one = st.sampled_from(sorted(AREAS)) if variable == shape.area else st.sampled_from(CODES[variable]) | other
        codes.append(one.map(lambda code, width=width: code.zfill(width) if code.isdigit() else code))
    years = st.integers(1900, 2100).map(str)
    codes.append(years if shape.period == "year" else st.tuples(years, st.sampled_from("1234")).map("K".join))
    figures = st.none() | st.decimals(-(10**12), 10**12, places=0) | st.decimals(-(10**6), 10**6, places=shape.decimals)
    return table, draw(st.dictionaries(st.tuples(*codes), figures, min_size=1, max_size=12))


@st.composite
def spellings(draw, table, figures):
    """The bytes of a table in one of the ways that the contract allows, with suffix and language."""
    shape = table_shapes()[table]
    columns = [*shape.variables, "TID", "INDHOLD"]
    lang = draw(st.sampled_from(("da", "en")))
    order = draw(st.permutations(range(len(columns))))
    ends = st.sampled_from(("\n", "\r\n"))
    lines = [";".join(draw(st.sampled_from((columns[at], columns[at].title(), f" {columns[at]} "))) for at in order)]
    for key, number in figures.items():
        cells = [
            code.lstrip("0") or "0" if code.isdigit() and shape.padding.get(variable) and draw(st.booleans()) else code
            for variable, code in zip(columns[:-1], key, strict=True)
        ]
        cells.append(".." if number is None else f"{number:f}".replace(".", "," if lang == "da" else "."))
        lines.append(";".join(cells[at] for at in order))
    text = "".join(line + draw(ends) for line in lines)
    data = (draw(st.sampled_from(("", "\ufeff"))) + text + draw(st.sampled_from(("", "\n", "\r\n")))).encode("utf-8")
    packed = draw(st.booleans())
    return gzip.compress(data, mtime=0) if packed else data, packed, lang


@thorough(100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data())
def test_any_legal_table_reads_back_from_any_legal_spelling(tmp_path, drawn):
    table, figures = drawn.draw(legal_tables())
    data, packed, lang = drawn.draw(spellings(table, figures))
    write(tmp_path, table, data, packed, lang)
    expected = {key: None if number is None else float(number) for key, number in figures.items()}
    assert {key: number for key, (number, _) in read(tmp_path, table, {}).items()} == expected
    variable = drawn.draw(st.sampled_from([*table_shapes()[table].variables, "TID"]))
    at = [*table_shapes()[table].variables, "TID"].index(variable)
    code = drawn.draw(st.sampled_from(sorted(figures)))[at]
    alike = {key[at] for key in figures if bare(key[at]) == bare(code)}
    kept = {key: number for key, number in expected.items() if key[at] in alike}
    chosen = read(tmp_path, table, {variable: frozenset(alike)})
    assert {key: number for key, (number, _) in chosen.items()} == kept


@thorough(100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data())
def test_a_number_that_is_spelled_otherwise_is_refused_with_its_line(tmp_path, drawn):
    text = drawn.draw(st.text(st.characters(exclude_characters=";\n", exclude_categories=("Cs",)), max_size=12))
    rows = ["101;31202;2024;1", f"147;31202;2024;{text}"]
    lang = drawn.draw(st.sampled_from(("da", "en")))
    write(tmp_path, "HAND05", "\n".join(["OMRÅDE;YDELSESTYPE;TID;INDHOLD", *rows, ""]).encode("utf-8"), False, lang)
    mark = "," if lang == "da" else "."
    text = text.removesuffix("\r")
    if legal_number(text, mark, table_shapes()["HAND05"]):
        number, line = read(tmp_path, "HAND05", {})["147", "31202", "2024"]
        assert (number, line) == (None if text == ".." else float(text.replace(mark, ".")), 3)
        return
    with pytest.raises(InputError, match=r"HAND05\.csv line 3: INDHOLD") as refused:
        read_table(tmp_path, "HAND05")
    assert refused.value.rule == "VAERDI-01"
