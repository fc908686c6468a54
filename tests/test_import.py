"""`noegletal import` and `noegletal form`: files made as StatBank and people make them, and every way they go wrong."""

import csv
import datetime
import hashlib
import itertools
import re
import shutil
import zipfile
from decimal import Decimal

import pandas as pd
import pytest
import yaml
from conftest import ROOT, thorough
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from typer.testing import CliRunner

from analysis import areas
from analysis.errors import InputError
from noegletal import account_rules
from noegletal.cli import app
from noegletal.facts.builders import BUILDERS
from noegletal.sources.blank_forms import write_form
from noegletal.sources.deliveries import read_form
from noegletal.sources.imports import import_delivery, import_table
from noegletal.sources.manual_download import read_download, written_number
from noegletal.sources.px import read_px
from noegletal.sources.snapshot import TIME, VALUE, raw_files, read_table, table_shapes
from noegletal.sources.vintages import WORK

DAY = datetime.date(2026, 3, 14)
NOTES = ["Fra 2024 er opgørelsen ændret, se dokumentationen.", "Kilde: Danmarks Statistik"]


# Tables as text, and the files that hold them


def shipped(table):
    """Rows of an embedded table as text, with a zero for each combination of its codes that it leaves out."""
    parts = [
        pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)
        for path in sorted((ROOT / "data" / "raw" / "2025").glob(f"{table}.*csv.gz"))
    ]
    return whole(pd.concat(parts[:1]))


def whole(rows):
    keys = [column for column in rows.columns if column != VALUE]
    grid = pd.MultiIndex.from_product([sorted(rows[key].unique()) for key in keys], names=keys)
    return rows.set_index(keys).reindex(grid, fill_value="-").reset_index()


def small():
    """ISBU02 of three municipalities and two years: every kind of value."""
    values = iter(["1234", "0", "-", "..", "12345", "7", "..", "3", "1000", "2", "5", "6"] * 2)
    keys = itertools.product(["101", "147", "851"], ["2", "5", "6", "7"], ["2023", "2024"])
    return pd.DataFrame(
        [(*key, next(values)) for key in keys], columns=["KOMMUNEDK", "INDSATSER", TIME, VALUE], dtype=str
    )


def title(table):
    """The title that StatBank gives a file of a table."""
    return f"{table_shapes()[table].shown.title} efter område og tid"


def label(table, variable, code):
    shape = table_shapes()[table]
    if variable == TIME:
        return code
    declared = shape.labels.get(variable, {})
    if code in declared:
        return declared[code]
    if variable == shape.area:
        return areas.name(code)
    kinds = {
        "account": f"{code[0]}.{code[1:3]}.{code[3:]} Navn på funktionen",
        "grouping": f"{code.zfill(3)} Navn på grupperingen",
        "age": f"{code} år",
    }
    return kinds[shape.numbered[variable]]


def labelled(table, rows):
    return rows.assign(
        **{key: [label(table, key, code) for code in rows[key]] for key in rows.columns if key not in (TIME, VALUE)}
    )


def combined(table, rows):
    texts = labelled(table, rows)
    keys = [key for key in rows.columns if key not in (TIME, VALUE)]
    return texts.assign(**{key: rows[key] + " " + texts[key] for key in keys})


def long_csv(path, rows, *, delimiter=";", encoding="utf-8-sig", title=(), notes=(), end="\r\n", point=False):
    lines = [list(rows.columns), *rows.to_numpy().tolist()]
    if point:
        lines = [[*line[:-1], line[-1].replace(",", ".")] for line in lines]
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=end)
        writer.writerows([*[[text] for text in title], *lines, *[[text] for text in notes]])
    return path


def matrix(rows, across=(TIME,), *, blank=True, top=()):
    """The cells of a matrix: outer labels written once, `across` in heading rows."""
    stubs = [key for key in rows.columns if key not in (*across, VALUE)]
    wide = rows.set_index([*stubs, *across])[VALUE].unstack(list(across))
    wide = wide.reindex(rows[stubs].drop_duplicates().itertuples(index=False, name=None) if len(stubs) > 1 else None)
    columns = [column if isinstance(column, tuple) else (column,) for column in wide.columns]
    cells = [[text] for text in top]
    for level in range(len(across)):
        texts = [column[level] for column in columns]
        if blank and level + 1 < len(across):
            texts = [text if place == 0 or texts[place - 1] != text else "" for place, text in enumerate(texts)]
        cells.append([""] * len(stubs) + texts)
    before = [None] * len(stubs)
    for key, values in zip(wide.index, wide.to_numpy().tolist(), strict=True):
        key = list(key) if isinstance(key, tuple) else [key]
        new = next((place for place in range(len(key)) if key[place] != before[place]), len(key) - 1)
        new = min(new, len(key) - 1)
        cells.append([*([""] * new if blank else key[:new]), *key[new:], *values])
        before = key
    return cells


def on_own_lines(cells, stubs, above=2):
    """The cells of a matrix as StatBank's CSV with heading has them: each outer label on a line of its own."""
    apart = cells[:above]
    for row in cells[above:]:
        apart += [[*[" "] * place, row[place]] for place in range(stubs - 1) if row[place]]
        apart.append([*[" "] * (stubs - 1), *row[stubs - 1 :]])
    return apart


def matrix_csv(path, cells, *, delimiter=";", encoding="utf-8-sig", notes=NOTES):
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([*cells, [], *[[text] for text in notes]])
    return path


def xlsx(path, cells, notes=NOTES):
    book = Workbook()
    for row in [*cells, [], *[[text] for text in notes]]:
        book.active.append([number_cell(cell) for cell in row])
    book.save(path)
    return path


def number_cell(text):
    """A number cell where StatBank writes one; texts, periods and marks stay text."""
    if text == "":
        return None
    plain = text.replace("-", "", 1).replace(",", "", 1)
    return float(text.replace(",", ".")) if plain.isdigit() and not (len(text) == 4 and text[:2] == "20") else text


def px(path, table, rows, *, encoding="cp1252", codes=True, head='CHARSET="ANSI";\n', extra="", end=";\n"):
    keys = [key for key in rows.columns if key != VALUE]

    def quoted(texts):
        # A long text goes on in quotes on the next line.
        return ",\n".join('"' + text[:40] + ('"\n"' + text[40:] if len(text) > 40 else "") + '"' for text in texts)

    text = head + f'AXIS-VERSION="2000";\nMATRIX="{table}";\nTITLE="{title(table)}"\n"; i alt";\n{extra}'
    text += f'STUB={quoted(keys[:-1])};\nHEADING="tid";\nUNITS="antal";\nNOTE="Kilde: #Danmarks Statistik";\n'
    for key in keys:
        own = list(dict.fromkeys(rows[key]))
        name = "tid" if key == TIME else key
        text += f'VALUES("{name}")={quoted([label(table, key, code) for code in own])};\n'
        text += f'CODES("{name}")={quoted(own)};\n' if codes else ""
    values = [value.replace(",", ".") if value not in ("-", "..") else f'"{value}"' for value in rows[VALUE]]
    ordered = rows.assign(**{VALUE: values}).sort_values(
        keys, key=lambda column: column.map({code: place for place, code in enumerate(dict.fromkeys(column))})
    )
    width = rows[TIME].nunique()
    lines = [" ".join(ordered[VALUE].iloc[start : start + width]) for start in range(0, len(ordered), width)]
    path.write_bytes((text + "DATA=\n" + "\n".join(lines) + end).encode(encoding))
    return path


def numbers(rows):
    """Rows as the reader of raw tables gives them."""
    keys = [key for key in rows.columns if key != VALUE]
    width = dict.fromkeys(keys, 0)
    for shape in table_shapes().values():
        if [*shape.variables, TIME] == keys:
            width |= shape.padding
    frame = rows.assign(**{key: rows[key].str.zfill(width[key]) for key in keys})
    frame["value"] = [
        float("nan") if text == ".." else 0.0 if text == "-" else float(text.replace(",", ".")) for text in rows[VALUE]
    ]
    return frame[[*keys, "value"]].sort_values(keys, ignore_index=True)


def read_back(rows):
    keys = [key for key in rows.columns if key not in ("value", "origin", "status", "file", "line")]
    return rows[[*keys, "value"]].sort_values(keys, ignore_index=True)


def same(found, wanted):
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)


FORMATS = {
    "long, codes": lambda folder, table, rows: long_csv(folder / "t.csv", rows),
    "long, labels": lambda folder, table, rows: long_csv(
        folder / "t.csv", labelled(table, rows), title=[title(table), ""]
    ),
    "long, code and label": lambda folder, table, rows: long_csv(
        folder / "t.csv", combined(table, rows), encoding="cp1252", notes=NOTES, title=[title(table)]
    ),
    "long, comma and point": lambda folder, table, rows: long_csv(
        folder / "t.csv", labelled(table, rows), delimiter=",", point=True, encoding="utf-8", end="\n"
    ),
    "long, tab and other order": lambda folder, table, rows: long_csv(
        folder / "t.txt", rows[[TIME, *rows.columns[-3::-1], VALUE]], delimiter="\t"
    ),
    "matrix csv": lambda folder, table, rows: matrix_csv(
        folder / "t.csv", matrix(labelled(table, rows), top=[title(table), " "]), encoding="cp1252"
    ),
    "matrix csv, codes, labels repeated": lambda folder, table, rows: matrix_csv(
        folder / "t.csv", matrix(combined(table, rows), blank=False), delimiter=","
    ),
    "matrix csv, each label on a line of its own": lambda folder, table, rows: matrix_csv(
        folder / "t.csv",
        on_own_lines(matrix(labelled(table, rows), top=[title(table)]), len(table_shapes()[table].variables)),
        encoding="cp1252",
    ),
    "xlsx": lambda folder, table, rows: xlsx(folder / "t.xlsx", matrix(labelled(table, rows), top=[title(table), ""])),
    "px": lambda folder, table, rows: px(folder / "t.px", table, rows),
    "px without codes, utf-8": lambda folder, table, rows: px(
        folder / "t.px", table, rows, codes=False, encoding="utf-8", head='CODEPAGE="utf-8";\n'
    ),
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("table", ["HAND05", "UND1", "REGK31", "KRISE1"])
def test_a_table_in_every_format_is_the_table_it_was_made_from(kind, table, tmp_path):
    rows = shipped(table)
    download = read_download(FORMATS[kind](tmp_path, table, rows), table)
    same(numbers(download.rows), numbers(rows))
    assert list(download.rows.columns) == [*table_shapes()[table].variables, TIME, VALUE]


@pytest.mark.parametrize("table", ["HAND05", "UND1"])
@pytest.mark.parametrize("kind", ["long, labels", "xlsx", "px"])
def test_an_import_gives_the_same_rows_as_the_raw_table(kind, table, tmp_path, raw, edition):
    before, _ = read_table(raw, table)
    old = (raw / f"{table}.csv.gz").read_bytes()
    path = FORMATS[kind](tmp_path, table, shipped(table))
    made = import_table([path], table.lower(), edition, raw, tmp_path / "vintages", DAY)
    after, files = read_table(raw, table)
    common = read_back(after).merge(read_back(before), on=list(read_back(before).columns[:-1]), how="left")
    delivered = common["value_x"].notna() & common["value_y"].notna()
    assert (common["value_x"] == common["value_y"])[delivered].all()
    assert common.loc[~delivered, "value_x"].fillna(0).eq(0).all(), "what was left out or missing is 0 or missing"
    assert len(before) == common["value_y"].notna().sum() + before["value"].isna().sum()
    assert made.contents.startswith(f"{len(after):,} rows, ") and made.file == raw / f"{table}.csv.gz"
    assert made.replaced == [f"{table}.csv.gz (reconstruction, 2026-11-20)"]
    (file,) = files
    assert (file.sidecar.origin, file.sidecar.query, str(file.sidecar.retrieved)) == (
        "statbank", {"manual": path.name}, "2026-03-14",
    )  # fmt: skip
    assert yaml.safe_load((raw / f"{table}.yml").read_text("utf-8"))["rows"] == len(after)
    assert (made.vintage / f"{table}.csv.gz").read_bytes() == old
    assert not (raw / WORK).exists()
    raw_files(raw)


def test_every_part_of_a_table_is_replaced(tmp_path, raw, edition):
    shutil.copyfile(raw / "BU43.csv.gz", raw / "BU43.more.csv.gz")
    rows = shipped("BU43")
    import_table([long_csv(tmp_path / "BU43.csv", rows)], "BU43", edition, raw, tmp_path / "v")
    assert sorted(path.name for path in raw.glob("BU43*")) == ["BU43.csv.gz", "BU43.yml"]
    same(read_back(read_table(raw, "BU43")[0]), numbers(rows))


def test_the_same_file_makes_the_same_bytes(tmp_path, raw, edition):
    path = long_csv(tmp_path / "BU43.csv", shipped("BU43"))
    import_table([path], "BU43", edition, raw, tmp_path / "v", DAY)
    first = [(raw / name).read_bytes() for name in ("BU43.csv.gz", "BU43.yml")]
    import_table([path], "BU43", edition, raw, tmp_path / "v", DAY)
    assert [(raw / name).read_bytes() for name in ("BU43.csv.gz", "BU43.yml")] == first


def test_title_and_notes_are_kept(tmp_path):
    rows = labelled("ISBU02", small())
    for path in (
        xlsx(tmp_path / "t.xlsx", matrix(rows, top=[title("ISBU02"), ""])),
        matrix_csv(tmp_path / "t.csv", matrix(rows, top=[title("ISBU02")])),
        long_csv(tmp_path / "u.csv", rows, title=[title("ISBU02")], notes=NOTES),
    ):
        download = read_download(path, "ISBU02")
        assert (download.title, download.notes) == (title("ISBU02"), " ".join(NOTES))
        assert download.labels["INDSATSER"]["5"].startswith("Tidligt")
    assert read_download(px(tmp_path / "t.px", "ISBU02", small()), "ISBU02").notes == "Kilde: Danmarks Statistik"


def test_two_rows_of_headings_and_a_label_on_a_line_of_its_own(tmp_path):
    rows = labelled("ISBU02", small())
    both = matrix(rows, across=("INDSATSER", TIME))
    same(numbers(read_download(xlsx(tmp_path / "t.xlsx", both), "ISBU02").rows), numbers(small()))
    apart = on_own_lines(matrix(rows), 2, above=1)
    same(numbers(read_download(matrix_csv(tmp_path / "t.csv", apart), "ISBU02").rows), numbers(small()))


def test_labels_of_an_earlier_fetch_are_known(tmp_path):
    rows = labelled("ISBU02", small()).replace(label("ISBU02", "INDSATSER", "5"), "Et nyt navn")
    path = long_csv(tmp_path / "t.csv", rows)
    with pytest.raises(InputError, match="INDSATSER 'Et nyt navn'"):
        read_download(path, "ISBU02")
    same(
        numbers(read_download(path, "ISBU02", {"INDSATSER": {"5": "Et nyt navn"}}).rows), numbers(small())
    )  # fmt: skip


def test_an_area_as_people_write_it(tmp_path):
    rows = labelled("ISBU02", small()).replace({"Aalborg": "Ålborg Kommune", "København": "Kobenhavn"})
    same(numbers(read_download(long_csv(tmp_path / "t.csv", rows), "ISBU02").rows), numbers(small()))


def test_a_period_of_use_behind_a_label_does_not_count(tmp_path):
    rows = labelled("ISBU02", small())
    rows["INDSATSER"] += " (2020K3-)"
    same(numbers(read_download(long_csv(tmp_path / "t.csv", rows), "ISBU02").rows), numbers(small()))


def test_a_px_file_says_codes_that_the_project_does_not_know(tmp_path):
    rows = small().replace({"INDSATSER": {"7": "405"}})
    path = px(tmp_path / "t.px", "ISBU02", rows.replace({"INDSATSER": {"405": "7"}}))
    path.write_bytes(path.read_bytes().replace(b'"7";', b'"405";', 1).replace(b'="Indsatser efter', b'="Ny indsats'))
    same(numbers(read_download(path, "ISBU02").rows), numbers(rows))


# What is refused


def spoiled_rows(change):
    rows = labelled("ISBU02", small()).astype(object)
    change(rows)
    return rows


def set_value(text):
    def change(rows):
        rows.loc[3, VALUE] = text

    return change


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1.234", "line 5 field 4: '1.234' may be a decimal number or thousands"),
        ("1,234", "'1,234' may be a decimal number or thousands"),
        ("-12.345", "may be a decimal number or thousands"),
        ("1.234.567", "is no plain number"),
        ("1.234,5", "is no plain number"),
        ("1 234", "is no plain number"),
        ("1\u00a0234", "is no plain number"),
        ("1e3", "is no plain number"),
        ("007", "is no plain number"),
        ("12*", "is no plain number"),
        ("(5)", "is no plain number"),
    ],
)
def test_a_number_that_may_be_two_is_refused_with_its_place(text, said, tmp_path):
    with pytest.raises(InputError) as caught:
        read_download(long_csv(tmp_path / "t.csv", spoiled_rows(set_value(text))), "ISBU02")
    assert said in str(caught.value) and "save the table again as PX" in str(caught.value)
    assert caught.value.rule == "VAERDI-01"


def test_comma_and_point_in_one_file(tmp_path):
    rows = spoiled_rows(set_value("1,5"))
    rows.loc[5, VALUE] = "2.5"
    with pytest.raises(InputError, match="decimals after a comma .*line 5 .* and a point .*line 7"):
        read_download(long_csv(tmp_path / "t.csv", rows), "ISBU02")


def misspelt(rows):
    rows.loc[rows["KOMMUNEDK"] == "Aalborg", "KOMMUNEDK"] = "Aalborgh"
    rows.loc[rows["INDSATSER"].str.startswith("Tidligt"), "INDSATSER"] = "Tidligt forebyggende indsatser"
    rows.loc[rows["INDSATSER"].str.startswith("Indsatser efter"), "INDSATSER"] = "Noget helt andet"


@pytest.mark.parametrize("kind", ["long", "matrix", "xlsx"])
def test_labels_that_are_not_known_are_one_error_with_the_nearest(kind, tmp_path):
    rows = spoiled_rows(misspelt)
    path = {
        "long": lambda: long_csv(tmp_path / "t.csv", rows),
        "matrix": lambda: matrix_csv(tmp_path / "t.csv", matrix(rows)),
        "xlsx": lambda: xlsx(tmp_path / "t.xlsx", matrix(rows)),
    }[kind]()
    with pytest.raises(InputError) as caught:
        read_download(path, "ISBU02")
    said = str(caught.value)
    assert "3 labels are not known" in said
    assert "KOMMUNEDK 'Aalborgh' (nearest: 'Aalborg'" in said
    assert "'Tidligt forebyggende indsatser' (nearest: 'Tidligt forebyggende indsatser efter lov" in said
    assert "INDSATSER 'Noget helt andet'" in said and "tables.yml" in said


def test_a_code_that_padding_would_make_the_total_is_refused(tmp_path):
    rows = shipped("UND1").replace({"ALDER1": {"00": "0"}})
    with pytest.raises(InputError, match="ALDER1 '0'"):
        read_download(long_csv(tmp_path / "t.csv", rows), "UND1")
    path = px(tmp_path / "t.px", "UND1", shipped("UND1"))
    changed = path.read_bytes().replace(b'VALUES("ALDER1")="I alt"', 'VALUES("ALDER1")="0 år"'.encode("cp1252"))
    path.write_bytes(changed.replace(b'CODES("ALDER1")="00"', b'CODES("ALDER1")="0"'))
    with pytest.raises(InputError, match=r"ALDER1 '0 år' \(code '0'\)"):
        read_download(path, "UND1")


def test_two_columns_that_may_be_either_are_refused_unless_headed(tmp_path):
    numbered = pd.DataFrame(
        [(area, one, other, "2024", "5") for area in ("081", "082") for one in "01" for other in "01"],
        columns=["ADMKOM", "UNDERRETERE", "KØN", TIME, VALUE],
    )
    numbered.insert(2, "ALDER1", "00")
    stored = {"UNDERRETERE": {"0": "I alt", "1": "Andre"}, "KØN": {"0": "I alt", "1": "Andre"}}
    long = long_csv(tmp_path / "t.csv", numbered)
    assert len(read_download(long, "UND1", stored).rows) == 8
    with pytest.raises(InputError, match="cannot be told which of column 1, column 2"):
        read_download(matrix_csv(tmp_path / "m.csv", matrix(numbered)), "UND1", stored)


LAYOUTS = [
    (lambda lines: [line.rpartition(";")[0] for line in lines], "the columns are KOMMUNEDK, INDSATSER, TID"),
    (lambda lines: [lines[0].replace("TID", "Periode"), *lines[1:]], "neither a column TID nor a row with years"),
    (lambda lines: [*lines[:4], lines[4].rpartition(";")[0], *lines[5:]], "line 5 field 1: the row has 3 cells"),
    (lambda lines: [*lines[:4], "", *lines[4:]], "line 6 field 2: there is a number below the end of the table"),
    (lambda lines: [line.replace("2024", "2024K1") for line in lines], "choose a value of each of them"),
    (lambda lines: lines[:1], "holds headings but no numbers"),
    (lambda lines: lines[:-3], "lacks 3 of 24 combinations"),
    (lambda lines: [lines[0], *lines[2:]], "lacks 1 of 24 combinations, such as KOMMUNEDK=101, INDSATSER=2, TID=2023"),
    (lambda lines: ["BUDK32: Budgetter", *lines], "is table BUDK32, not ISBU02"),
    (lambda lines: [*lines[:3], lines[3] + ";9", *lines[4:]], "the row has 5 cells and must have 4"),
]


@pytest.mark.parametrize(("change", "said"), LAYOUTS, ids=[said[:30] for _, said in LAYOUTS])
def test_a_layout_that_is_not_whole_is_refused(change, said, tmp_path):
    path = long_csv(tmp_path / "t.csv", small(), encoding="utf-8", end="\n")
    path.write_text("\n".join(change(path.read_text("utf-8").splitlines())) + "\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_download(path, "ISBU02")
    assert said in str(caught.value)


def blank_cell(cells):
    cells[2][2] = ""


def no_inner_label(cells):
    cells[2][1] = ""


def one_more_column(cells):
    cells[2].append("7")


def stub_left_out(cells):
    for row in cells:
        del row[1]


def no_heading(cells):
    cells[0][3] = ""


def shifted_label(cells):
    cells[5][1] = ""


def line_left_empty(cells):
    cells.insert(4, [""] * len(cells[0]))


def outer_labels_in_one_column(cells):
    cells[1:2] = [["København", ""], ["Frederiksberg", ""], ["", *cells[1][1:]]]


MATRICES = [
    (blank_cell, "line 3 field 3: the cell is empty"),
    (no_inner_label, "line 3 field 2: the row has numbers and no label"),
    (one_more_column, "line 3 field 5: the cell stands to the right of the headings"),
    (stub_left_out, "1 columns of labels and 1 rows of headings; ISBU02 has KOMMUNEDK, INDSATSER and TID"),
    (no_heading, "to the right of the headings"),
    (shifted_label, "the row has numbers and no label"),
    (line_left_empty, "which ends before line 5; save the table again as PX"),
    (outer_labels_in_one_column, "which ends before line 2; save the table again as PX"),
]


@pytest.mark.parametrize(("change", "said"), MATRICES, ids=[change.__name__ for change, _ in MATRICES])
def test_a_matrix_that_is_not_whole_is_refused(change, said, tmp_path):
    cells = matrix(labelled("ISBU02", small()))
    change(cells)
    with pytest.raises(InputError) as caught:
        read_download(matrix_csv(tmp_path / "t.csv", cells), "ISBU02")
    assert said in str(caught.value)
    assert caught.value.rule in {"FIL-02", "VAERDI-01"}
    assert not re.search("delete|remove", str(caught.value)), "what cannot be read may be a good file"


def test_refusals_of_whole_files(tmp_path):
    def refused(name, content, said, table="ISBU02"):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=said) as caught:
            read_download(path, table)
        assert caught.value.rule == ("FIL-02" if table == "ISBU02" else ""), "a table not declared is no bad file"

    refused("no.csv", None, "does not exist")
    refused("t.csv", b"", "neither a column TID")
    refused("t.pdf", b"%PDF", "is not a CSV, XLSX or PX file")
    refused("t.csv", "OMRÅDE".encode("utf-16"), "neither UTF-8 nor those of Windows")
    refused("t.csv", b"\x81\x8d;2024", "neither UTF-8 nor those of Windows")
    refused("t.xlsx", b"PK no workbook", "cannot be read as an Excel workbook")
    refused("t.csv", b'"a;b\n', "quotation mark is not closed")
    refused("t.px", b"STUB=", "does not end; it may be cut")
    refused("t.px", b'KEYS("a")=CODES;\n', "KEYS leaves out cells")
    refused("t.csv", b"x", "is not in tables.yml", table="NO1")
    whole_file = long_csv(tmp_path / "t.csv", small()).read_bytes()
    refused("t.csv", whole_file.rstrip(), "ends in the middle of a line")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'MATRIX="ISBU02"', b'MATRIX="HAND05"', "is table HAND05, not ISBU02"),
        (b"1234", b"1,234", "has a decimal point"),
        (b"1234 ", b"1234 5 ", "DATA holds 25 values for 24 cells"),
        (b"1234", b"12a4", "'12a4' in DATA is no number"),
        (b'CODES("INDSATSER")="2",', b'CODES("INDSATSER")=', "4 VALUES and 3 CODES"),
        (b"STUB=", b"STUBS=", "DATA holds 24 values for 2 cells"),
        (b'CHARSET="ANSI"', b'CODEPAGE="utf-8"', "is not text in utf-8"),
        (b'UNITS="antal";', b'UNITS="antal";UNITS="antal";', "UNITS stands twice"),
    ],
)
def test_px_files_that_are_refused(old, new, said, tmp_path):
    path = px(tmp_path / "t.px", "ISBU02", small())
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as caught:
        read_download(path, "ISBU02")
    assert caught.value.rule == ("VAERDI-01" if "number" in said or "decimal" in said else "FIL-02")


def test_excel_cells_that_are_no_plain_numbers(tmp_path):
    for value, shown, said in [
        (datetime.date(2024, 1, 2), None, "cell C2: .* is no number"),
        (True, None, "cell C2: True is no number"),
        ("1.234", None, "cell C2: '1.234' may be a decimal number or thousands"),
        (1.234, None, "cell C2: 1.234 may be a decimal number or thousands"),
        (0.05, "0 %", "cell C2 is shown as a percentage"),
        ("#N/A", None, "cell C2: '#N/A' is no plain number"),
    ]:
        path = xlsx(tmp_path / "t.xlsx", matrix(labelled("ISBU02", small())))
        book = load_workbook(path)
        book.active["C2"].value = value
        if shown:
            book.active["C2"].number_format = shown
        book.save(path)
        with pytest.raises(InputError, match=said):
            read_download(path, "ISBU02")
    book.create_sheet("Andet")["A1"] = 5
    book.save(path)
    with pytest.raises(InputError, match="must hold one sheet with cells; it has Sheet, Andet"):
        read_download(path, "ISBU02")


# Another table, another language


def sheet_named(path, name):
    book = load_workbook(path)
    book.active.title = name
    book.save(path)
    return path


def named(name, top=()):
    return lambda folder, rows: sheet_named(xlsx(folder / "t.xlsx", matrix(labelled("ISBU02", rows), top=top)), name)


def as_px(*changes):
    def made(folder, rows):
        path = px(folder / "t.px", "ISBU02", rows, extra='LANGUAGE="da";\n')
        content = path.read_bytes()
        for old, new in changes:
            assert old in content
            content = content.replace(old, new)
        path.write_bytes(content)
        return path

    return made


def headed(**names):
    return lambda folder, rows: long_csv(folder / "t.csv", labelled("ISBU02", rows).rename(columns=names))


ITS_OWN = {
    "no title": named("Ark1"),
    "the sheet of a copy": named("ISBU02 (2)", [title("ISBU02"), "Enhed: Antal"]),
    "our title": named("Data", [table_shapes()["ISBU02"].title]),
    "name and title": named("Sheet", [f"ISBU02: {title('ISBU02')}", "Enhed: -"]),
    "names of variables": headed(KOMMUNEDK="kommune", INDSATSER="Indsats"),
}
ANOTHER = {
    "sheet": (named("UND2", [title("ISBU02")]), "is table UND2, not ISBU02"),
    "sheet of a copy": (named("BUDK32 (2)", [title("ISBU02")]), "is table BUDK32, not ISBU02"),
    "name before the title": (named("ISBU02", [f"BUDK100: {title('ISBU02')}"]), "is table BUDK100, not ISBU02"),
    "MATRIX": (as_px((b'MATRIX="ISBU02"', b'MATRIX="BUDK32"')), "is table BUDK32, not ISBU02"),
    "title of one that is known": (named("ISBU02", [title("UND2")]), "of UND2, not of ISBU02"),
    "our title of another": (named("Data", [table_shapes()["HAND05"].title]), "of HAND05, not of ISBU02"),
    "title that is not known": (named("Ark1", ["Kommunernes budgetter efter tid"]), "not that of ISBU02: 'Børn og"),
    "title of the PX file": (as_px((b"modtager indsatser", b"modtog indsatser")), "not that of ISBU02: 'Børn og"),
    "unit": (named("Ark1", [title("ISBU02"), "Enhed: Pr. 1.000 indb."]), "is in 'Pr. 1.000 indb.', ISBU02 in 'Antal'"),
    "unit of the PX file": (as_px((b'UNITS="antal"', b'UNITS="Pct."')), "is in 'Pct.', ISBU02 in 'Antal'"),
    "heading": (headed(INDSATSER="UNDERRET"), "has UNDERRET, which is no variable of ISBU02 (indsats, indsatser,"),
    "English title": (named("ISBU02", ["Children by municipality, measure and time"]), "in English; choose Danish"),
    "English unit": (named("ISBU02", [title("ISBU02"), "Units: number"]), "in English; choose Danish"),
    "English label": (
        lambda folder, rows: long_csv(folder / "t.csv", labelled("ISBU02", rows).replace("København", "Copenhagen")),
        "in English; choose Danish",
    ),
    "English quarters": (
        lambda folder, rows: long_csv(folder / "t.csv", rows.replace({TIME: {"2024": "2024Q1", "2023": "2023Q1"}})),
        "in English; choose Danish",
    ),
    "English PX": (as_px((b'LANGUAGE="da"', b'LANGUAGE="en"')), "in English; choose Danish"),
    "English PX title": (
        as_px((b"omr\xe5de og tid", b"x by region and time"), (b"; i alt", b"")),
        "in English; choose",
    ),
}


@pytest.mark.parametrize("kind", ITS_OWN)
def test_what_a_file_says_of_itself_fits(kind, tmp_path):
    same(numbers(read_download(ITS_OWN[kind](tmp_path, small()), "ISBU02").rows), numbers(small()))


@pytest.mark.parametrize("kind", ANOTHER)
def test_a_file_that_says_it_is_another_table_is_refused_by_name(kind, tmp_path):
    made, said = ANOTHER[kind]
    with pytest.raises(InputError) as caught:
        read_download(made(tmp_path, small()), "ISBU02")
    assert said in str(caught.value)
    assert caught.value.rule == "FIL-02"


def test_what_says_nothing_of_its_table_because_it_has_no_headings(tmp_path):
    path = matrix_csv(tmp_path / "t.csv", matrix(labelled("ISBU02", small()), blank=False)[1:])
    with pytest.raises(InputError, match="has no headings, so nothing says which years") as caught:
        read_download(path, "ISBU02")
    assert caught.value.rule == "FIL-02"


def strict(path):
    """A workbook as Excel saves it as Strict Open XML, which has namespaces of its own."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content.replace(b"schemas.openxmlformats.org/", b"purl.oclc.org/ooxml/"))
    return path


def test_a_strict_workbook_is_refused_without_a_warning(tmp_path, filled, recwarn):
    path = strict(xlsx(tmp_path / "t.xlsx", matrix(labelled("ISBU02", small()))))
    with pytest.raises(InputError, match="ordinary workbook .*not Strict Open XML") as caught:
        read_download(path, "ISBU02")
    assert caught.value.rule == "FIL-02"
    with pytest.raises(InputError, match="almindelig projektmappe, ikke Strict Open XML") as caught:
        read_form(strict(delivery(filled, "komponent", tmp_path / "k.xlsx")), "komponent")
    assert caught.value.rule == "LEV-01"
    assert not recwarn.list


def test_several_footnotes_of_a_px_file_are_kept(tmp_path):
    notes = 'NOTE="En til.";\nVALUENOTEX("a","b")="Den.";\nVALUENOTEX("a","b")="Og den.";\n'
    read = read_px(px(tmp_path / "t.px", "ISBU02", small(), extra=notes))
    assert read.notes == "En til. Kilde:  Danmarks Statistik"


def test_utf8_that_a_px_file_does_not_tell_of_is_read_as_such(tmp_path):
    for head in ("", 'CHARSET="ANSI";\n', 'CODEPAGE="iso-8859-1";\n'):
        download = read_download(px(tmp_path / "t.px", "ISBU02", small(), encoding="utf-8", head=head), "ISBU02")
        assert download.title.startswith("Børn og unge")
        assert download.labels["INDSATSER"]["6"] == label("ISBU02", "INDSATSER", "6")


# Several files


def yearly(folder, rows, **changed):
    paths = []
    for year in sorted(rows[TIME].unique()):
        part = changed.get(f"of_{year}", lambda part: part)(rows[rows[TIME] == year])
        paths.append(xlsx(folder / f"KRISE1_{year}.xlsx", matrix(labelled("KRISE1", part), top=[title("KRISE1")])))
    return paths


def test_a_file_a_year_is_one_table(tmp_path, raw, edition):
    rows = shipped("KRISE1")
    paths = yearly(tmp_path, rows)
    # What two files agree on is no fault.
    paths.append(long_csv(tmp_path / "more.csv", rows[rows[TIME] >= "2023"]))
    made = import_table(paths, "KRISE1", edition, raw, tmp_path / "v", DAY)
    after, (file,) = read_table(raw, "KRISE1")
    same(read_back(after), numbers(rows))
    assert made.warnings == []
    assert file.sidecar.query == {"manual": ", ".join(path.name for path in paths)}


def one_more(part):
    return part.assign(**{VALUE: ["17", *part[VALUE].iloc[1:]]})


def without_one(part):
    return part[part["KMDR"] != "002005"]


def test_files_that_disagree_are_refused_with_the_cell(tmp_path, raw, edition):
    before = contents(raw)
    rows = shipped("KRISE1")
    newest = rows[rows[TIME] == "2024"]
    first = newest.iloc[0]
    paths = yearly(tmp_path, rows)
    more = long_csv(tmp_path / "more.csv", one_more(newest))
    with pytest.raises(InputError) as caught:
        import_table([*paths, more], "KRISE1", edition, raw, tmp_path / "v")
    said = str(caught.value)
    assert said.startswith(f"KRISE1_2024.xlsx has {first[VALUE]} and more.csv 17 for BOPREG={first['BOPREG']}, ")
    assert f"KMDR={first['KMDR']}, BEBOSTAT={first['BEBOSTAT']}, TID=2024; leave out one of them" in said
    assert caught.value.rule == "NOEGLE-01"
    with pytest.raises(InputError, match=r"KRISE1_2020.xlsx, .*lacks 30 of \d+ combinations") as caught:
        import_table(yearly(tmp_path, rows, of_2021=without_one), "KRISE1", edition, raw, tmp_path / "v")
    assert caught.value.rule == "DAEK-04"
    with pytest.raises(InputError, match="lacks 2021-2024, .*or import further files together with this one"):
        import_table(paths[:1], "KRISE1", edition, raw, tmp_path / "v")
    assert contents(raw) == before


def test_every_table_that_is_imported_has_what_statbank_shows_of_it():
    for table, shape in table_shapes().items():
        if shape.fetch:
            known = {shape.area, *shape.labels, *shape.numbered}
            assert known == set(shape.variables), f"{table}: the labels of {set(shape.variables) - known} are not known"


def test_digits_that_excel_adds_are_no_digits(tmp_path):
    assert written_number(5.1999999999999993) == "5,2"
    assert written_number(1385.2) == "1385,2"
    assert written_number(123456789012.0) == "123456789012"


# What the edition needs


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


NEEDS = [
    ("HAND05", lambda rows: rows[rows[TIME] != "2022"], "lacks 2022, which edition 2025 needs of HAND05"),
    ("HAND05", lambda rows: rows[rows["YDELSESTYPE"] != "30014"], "lacks YDELSESTYPE 30014 (Beskyttet besk"),
    ("HAND05", lambda rows: rows[rows["OMRÅDE"] > "200"], "lacks 18 of 98 areas (København, Frederiksberg, Ballerup"),
    ("KRISE1", lambda rows: rows[rows["BOPREG"] != "083"], "lacks 1 of 5 areas (Region Syddanmark)"),
    ("BU43", lambda rows: rows[rows["OMRÅDE"] < "200"], "areas (Allerød, Fredensborg"),
    ("UND2", lambda rows: rows[rows["UNDERRET"] != "03"], "lacks UNDERRET 03 (3 underretninger)"),
    ("REGK31", lambda rows: rows[rows["FUNKTION"] == "52821"], "lacks FUNKTION 52820, 52822"),
]


@pytest.mark.parametrize(("table", "change", "said"), NEEDS, ids=[f"{table} {said[:20]}" for table, _, said in NEEDS])
def test_a_table_without_what_is_used_is_refused_and_nothing_changes(table, change, said, tmp_path, raw, edition):
    before = contents(raw)
    path = long_csv(tmp_path / "t.csv", change(shipped(table)))
    with pytest.raises(InputError) as caught:
        import_table([path], table, edition, raw, tmp_path / "vintages")
    assert said in str(caught.value) and str(caught.value).startswith("t.csv")
    assert caught.value.rule in {"DAEK-04", "KODE-02"}
    assert contents(raw) == before
    assert not (tmp_path / "vintages").exists() and not (raw / WORK).exists()


def test_periods_of_the_replaced_table_must_be_there(tmp_path, raw, edition):
    rows = shipped("HAND05")
    more = pd.concat([rows, rows[rows[TIME] == "2020"].assign(**{TIME: "2019"})])
    import_table([long_csv(tmp_path / "t.csv", more)], "HAND05", edition, raw, tmp_path / "v")
    before = contents(raw)
    with pytest.raises(InputError, match=r"lacks 2019, which HAND05 in .* has"):
        import_table([long_csv(tmp_path / "t.csv", rows)], "HAND05", edition, raw, tmp_path / "v")
    assert contents(raw) == before


def test_what_is_gone_is_said(tmp_path, raw, edition):
    rows = shipped("HAND05")
    rows = rows[(rows["YDELSESTYPE"] != "31133") & (rows["OMRÅDE"] != "741")]
    made = import_table([long_csv(tmp_path / "t.csv", rows)], "HAND05", edition, raw, tmp_path / "v")
    assert made.warnings == [
        "no rows for Samsø", "OMRÅDE no longer has 741", "YDELSESTYPE no longer has 31133",
    ]  # fmt: skip


def population(ages):
    areas_of = [*areas.municipalities()]
    quarters = [f"{year}{mark}" for year in range(2020, 2025) for mark in ("K1", "K4")]
    rows = [
        (area, "TOT", age, "TOT", quarter, "60" if age == "IALT" else "20")
        for area in areas_of
        for age in ages
        for quarter in quarters
    ]
    return pd.DataFrame(rows, columns=["OMRÅDE", "KØN", "ALDER", "CIVILSTAND", TIME, VALUE])


def test_ages_must_add_up_to_the_total(tmp_path, edition):
    folder = tmp_path / "raw"
    whole_table = labelled("FOLK1A", population(["IALT", "0", "1", "2"]))
    import_table([long_csv(tmp_path / "t.csv", whole_table)], "FOLK1A", edition, folder, tmp_path / "v")
    assert len(read_table(folder, "FOLK1A")[0]) == 98 * 4 * 10
    for ages in (["IALT", "0", "2"], ["0", "1", "2"]):
        with pytest.raises(InputError, match="single years of ALDER do not add up"):
            path = long_csv(tmp_path / "t.csv", labelled("FOLK1A", population(ages)))
            import_table([path], "FOLK1A", edition, folder, tmp_path / "v")


def accounts_table(owners):

    rows = itertools.product(
        areas.municipalities()[:3], sorted(account_rules.functions()), "1", owners, ["1"], ["TOT"], ["LOBM"]
    )
    keys = list(table_shapes()["REGK100"].variables)
    frame = pd.DataFrame(list(rows), columns=keys)
    return pd.concat([frame.assign(**{TIME: str(year), VALUE: "12"}) for year in range(2020, 2025)])


@pytest.mark.parametrize(
    ("owners", "said"),
    [
        (["0", "1", "2", "3"], "lacks EJER 4 (Private leverandører af ikke-momsbelagte tjenesteydelser)"),
        (["0", "1", "2", "3", "4", "9"], "EJER '9'"),
    ],
)
def test_codes_that_are_added_up_must_be_all_of_them(owners, said, tmp_path, edition):
    with pytest.raises(InputError) as caught:
        path = long_csv(tmp_path / "t.csv", accounts_table(owners))
        import_table([path], "REGK100", edition, tmp_path / "raw", tmp_path / "v")
    assert said in str(caught.value)
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("KOMPONENT", "is not imported as a table of StatBank: .*`noegletal import FILE --form komponent`"),
        ("UND2_PR_1000", "is not imported as a table of StatBank: .* from UND2 and FOLK1A, so renew those instead"),
        ("NO1", "is not one that edition 2025 has from StatBank; it has REGK100"),
    ],
)
def test_only_the_edition_s_tables_of_statbank(table, said, tmp_path, edition):
    with pytest.raises(InputError, match=f"table {table} {said}"):
        import_table([tmp_path / "t.csv"], table, edition, tmp_path, tmp_path)


# Properties


MARKS = {"danish": (".", ","), "english": (",", "."), "space": (" ", ","), "nbsp": ("\u00a0", ","), "swiss": ("'", ".")}


def grouped(number, places, thousands, decimal):
    return f"{number:,.{places}f}".replace(",", "T").replace(".", decimal).replace("T", thousands)


@thorough(400)
@given(
    number=st.decimals(-(10**9), 10**9, places=3),
    places=st.integers(0, 3),
    style=st.sampled_from(sorted(MARKS)),
    thousands=st.booleans(),
)
def test_a_number_in_any_display_is_itself_or_refused(number, places, style, thousands):
    number = round(number, places)
    group, decimal = MARKS[style]
    text = grouped(number, places, group if thousands else "", decimal)
    try:
        found = written_number(text)
    except ValueError:
        return
    assert Decimal(found.replace(",", ".")) == number, text


@thorough(300)
@given(st.integers(-(10**7), 10**9), st.integers(0, 3))
def test_a_number_cell_of_excel_is_itself_or_refused(digits, places):
    number = digits / 10**places
    try:
        assert float(written_number(number).replace(",", ".")) == number
    except ValueError:
        assert abs(number) < 1000


@thorough(400)
@given(st.text(alphabet="0123456789.,- '\u00a0+e*", min_size=1, max_size=9))
def test_no_other_text_becomes_a_number(text):
    try:
        found = written_number(text)
    except ValueError:
        return
    plain = text.strip()
    assert found in (plain, plain.replace(".", ",")) or (plain, found) == ("-", "0") or set(plain) == {"."}


@pytest.mark.parametrize("kind", ["long, labels", pytest.param("matrix csv", marks=pytest.mark.long), "px"])
def test_a_cut_file_is_refused_or_has_no_wrong_number(kind, tmp_path):
    path = FORMATS[kind](tmp_path, "ISBU02", small())
    content = path.read_bytes()
    assert len(numbers(read_download(path, "ISBU02").rows)) == 24
    right = {tuple(row[:-1]): row[-1] for row in numbers(small()).fillna(-1).itertuples(index=False, name=None)}
    read = 0
    # Behind and before each mark that ends something, and here and there.
    ends = [place for place, byte in enumerate(content) if byte in b'\r\n;" ']
    for size in sorted({0, *ends, *(end + 1 for end in ends), *range(0, len(content), 97)} - {len(content)}):
        path.write_bytes(content[:size])
        try:
            rows = read_download(path, "ISBU02").rows
        except InputError:
            continue
        read += 1
        found = numbers(rows).fillna(-1)
        assert all(right[tuple(row[:-1])] == row[-1] for row in found.itertuples(index=False, name=None)), size
        assert len(rows) == len(whole(rows)), "what is left has every combination of its own codes"
    assert read


@thorough(80)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), drop=st.booleans())
def test_a_mutated_file_is_refused_or_differs_in_that_number_only(place, byte, drop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutated")
    path = long_csv(folder / "t.csv", labelled("ISBU02", small()), encoding="utf-8")
    content = path.read_bytes()
    place %= len(content)
    path.write_bytes(content[:place] + (b"" if drop else bytes([byte])) + content[place + 1 :])
    try:
        found = numbers(read_download(path, "ISBU02").rows)
    except InputError:
        return
    wanted = numbers(small())
    assert found.iloc[:, :-1].equals(wanted.iloc[:, :-1])
    assert (found["value"].fillna(-1) != wanted["value"].fillna(-1)).sum() <= 1


# Deliveries


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A filled-in workbook of each form; of the stays only a few, of the shelters only their places."""
    folder = tmp_path_factory.mktemp("filled")
    shipped_raw = ROOT / "data" / "raw" / "2025"
    for form, sheets in {
        "herberg": {
            "Pladser": read_form(shipped_raw / "HERBERG.xlsx", "herberg")["Pladser"],
            "Udgifter": pd.DataFrame({"municipality": ["101", "147"], "year": 2019, "thousand_kroner": 165430.0}),
        },
        "herberg_ophold": {
            "Periode": pd.DataFrame({"first": [datetime.date(2024, 1, 1)], "last": [datetime.date(2024, 12, 31)]}),
            "Ophold": pd.DataFrame(
                {
                    "person": ["B1", "B2"], "host": ["101", "851"], "home": ["101", ""],
                    "arrived": [datetime.date(2024, 2, 1)] * 2, "left": [datetime.date(2024, 3, 1), None],
                }
            ),
        },
    }.items():  # fmt: skip
        write_form(form, folder / f"{form}.xlsx", sheets)
    shutil.copyfile(shipped_raw / "KOMPONENT.xlsx", folder / "komponent.xlsx")
    return folder


def delivery(filled, form, path):
    shutil.copyfile(filled / f"{form}.xlsx", path)
    return path


@pytest.mark.parametrize(
    ("form", "table"), [("komponent", "KOMPONENT"), ("herberg", "HERBERG"), ("herberg_ophold", "HERBERG_OPHOLD")]
)
def test_a_filled_form_takes_its_place(form, table, tmp_path, filled, raw, edition):
    path = delivery(filled, form, tmp_path / "fra leverandør.xlsx")
    made = import_delivery(path, form, edition, raw, tmp_path / "vintages", BUILDERS, DAY)
    assert made.replaced == [f"{table}.xlsx (reconstruction, 2026-11-20)"]
    assert made.file == raw / f"{table}.xlsx" and made.file.read_bytes() == path.read_bytes()
    sidecar = next(file.sidecar for file in raw_files(raw) if file.sidecar.table == table)
    assert (sidecar.origin, sidecar.query, str(sidecar.retrieved)) == (
        "delivery", {"manual": "fra leverandør.xlsx"}, "2026-03-14",
    )  # fmt: skip
    assert made.vintage.is_dir() and not (raw / WORK).exists()
    assert {finding.table for finding in made.findings} <= {table}


def change_cells(path, changes):
    book = load_workbook(path)
    for (sheet, cell), value in changes.items():
        book[sheet][cell].value = value
    book.save(path)
    return path


# No running number of the form: an invented CPR number as Excel and people write it, a part of one, a name.
CITIZENS = [
    "010190-1234", 101901234, "101901234", "0101901234", "010190 - 1234", "010190–1234", "010190 1234", "610190-1234",
    "CPR 010190-1234", "B010190-1234", "010190", 10190, "Jens Hansen", "b00017", "B00017 Jens", "B", "17", "B12345678",
]  # fmt: skip
REFUSED = [
    ("komponent", {("F-diagnose", "D4"): "mange", ("Diagnoser", "C5"): "i år"},
     ["ark F-diagnose, række 4", "ark Diagnoser, række 5, kolonne År"]),
    ("herberg", {("Pladser", "E4"): 0, ("Landstal", "A4"): "x"},
     ["l.xlsx, ark Pladser, række 4, kolonne Pladser: 0 er for lille", "l.xlsx, ark Landstal, række 4, kolonne År"]),
    ("herberg", {("Pladser", "F4"): 499},
     ["l.xlsx, ark Pladser, række 4, kolonne Heraf til veteraner: 499 er flere end"]),
    ("herberg", {("Udgifter", "C4"): 165430000.0, ("Udgifter", "C5"): 600001},
     ["Udgift, 1.000 kr.: 165430000 er for stort; højst 600000; ser ud som et beløb i kroner (165430000 / 1000 = 1654",
      "række 5, kolonne Udgift, 1.000 kr.: 600001 er for stort; højst 600000; ser ud som et beløb i kroner"]),
    *(("herberg_ophold", {("Ophold", "A4"): citizen}, ["kolonne Borger: indholdet kan ikke bruges; skriv et løbe"])
      for citizen in CITIZENS),
    ("herberg_ophold", {("Ophold", cell): "010190 - 1234" for cell in ("C4", "D4", "G5")},
     ["række 4, kolonne Hjemkommune: indholdet kendes ikke", "række 4, kolonne Indskrevet: indholdet er ikke en dato",
      "række 5: celle G5 ligger uden for tabellens kolonner"]),
]  # fmt: skip


@pytest.mark.parametrize(("form", "changes", "said"), REFUSED)
def test_a_wrong_delivery_is_refused_whole(form, changes, said, tmp_path, filled, raw, edition):
    before = contents(raw)
    path = change_cells(delivery(filled, form, tmp_path / "l.xlsx"), changes)
    with pytest.raises(InputError) as caught:
        import_delivery(path, form, edition, raw, tmp_path / "vintages", BUILDERS)
    for text in said:
        assert text in str(caught.value)
    given = "".join(str(value) for value in changes.values()) if form == "herberg_ophold" else "010190"
    assert not {"010190", "01901234", "Hansen", given} & set(re.split(r"[\s,;:()-]+", str(caught.value)))
    assert contents(raw) == before
    assert not (tmp_path / "vintages").exists() and not (raw / WORK).exists()


def test_a_delivery_without_a_year_of_the_edition(tmp_path, raw, edition):
    sheets = read_form(raw / "KOMPONENT.xlsx", "komponent")
    write_form("komponent", tmp_path / "k.xlsx", {name: rows[rows["year"] > 2020] for name, rows in sheets.items()})
    before = contents(raw)
    with pytest.raises(InputError, match="F-diagnose, kolonne År: 2020 mangler"):
        import_delivery(tmp_path / "k.xlsx", "komponent", edition, raw, tmp_path / "v", BUILDERS)
    assert contents(raw) == before


# The commands


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output, result.exception


def test_the_command_says_what_it_replaced(tmp_path, raw):
    path = long_csv(tmp_path / "BU43.csv", shipped("BU43"))
    code, output, _ = run("import", path, path, "--table", "BU43", "--edition", "2025", "--raw", raw)
    assert code == 0
    assert "1,089 rows" in output and "Replaced: BU43.csv.gz (transcribed, 2026-11-20)" in output
    assert str(tmp_path / "vintages" / "2025") in output
    code, output, _ = run(
        "import", raw / "KOMPONENT.xlsx", "--form", "komponent", "-e", "2025", "--raw", tmp_path / "n"
    )
    assert code == 0 and "nothing, the table is new" in output


def test_either_a_table_or_a_form(tmp_path):
    for both in ([], ["--table", "BU43", "--form", "komponent"]):
        _, _, error = run("import", tmp_path / "x.csv", "--edition", "2025", *both)
        assert isinstance(error, InputError) and "either --table" in str(error)
    _, _, error = run("import", tmp_path / "x.xlsx", tmp_path / "y.xlsx", "-e", "2025", "--form", "komponent")
    assert str(error) == "--form takes one workbook, not 2: x.xlsx, y.xlsx"


@pytest.mark.parametrize("form", ["komponent", "herberg", "herberg_ophold"])
def test_a_form_to_send_out(form, tmp_path, monkeypatch):
    monkeypatch.setenv("NOEGLETAL_ROOT", str(ROOT))
    monkeypatch.chdir(tmp_path)
    assert run("form", form)[0] == 0
    (path,) = tmp_path.glob("*.xlsx")
    assert path.stem == {"komponent": "KOMPONENT", "herberg": "HERBERG", "herberg_ophold": "HERBERG_OPHOLD"}[form]
    assert "Vejledning" in load_workbook(path).sheetnames
    _, _, error = run("form", form)
    assert "already there and may be filled in" in str(error)
    assert run("form", form, "--out", tmp_path / "new" / "f.xlsx")[0] == 0
    assert "must end in .xlsx" in str(run("form", form, "--out", tmp_path / "f.csv")[2])


def test_an_unknown_form(tmp_path):
    assert "form 'x' does not exist; forms/ has: herberg" in str(run("form", "x", "--out", tmp_path / "x.xlsx")[2])


def test_a_px_text_goes_on_over_lines(tmp_path):
    path = px(tmp_path / "t.px", "ISBU02", small(), extra='TITLE[en]="Table";\nSTUB[en]="a","b";\n')
    read = read_px(path)
    assert read.title == "Børn og unge der modtager indsatser og støtte efter område og tid; i alt"
    assert read.variables[1].labels[0] == label("ISBU02", "INDSATSER", "2")
