"""Areas, accounts, prices and editions: the vocabulary that data files declare."""

import csv

import pandas as pd
import pytest
from conftest import ROOT
from pydantic import BaseModel

from analysis import accounts, areas, prices
from analysis.declared import read_declared, read_rows
from analysis.edition import Edition, load_edition
from analysis.errors import InputError
from analysis.prices import deflators, price_index
from noegletal.facts.checks import unknown_groupings
from noegletal.facts.expenditure import categorised


def test_the_country_is_98_municipalities_and_the_regions_share_them_out():
    regions = ["081", "082", "083", "084", "085"]
    assert len(areas.members("000")) == 98
    assert sorted(code for region in regions for code in areas.members(region)) == sorted(areas.members("000"))
    assert "411" not in areas.members("000"), "Christiansø is not a municipality"


def test_hovedstaden_is_the_29_municipalities():
    assert len(areas.members("hovedstaden")) == 29
    assert areas.members("hovedstaden") == areas.members("084")
    assert {"101", "147", "400"} <= set(areas.members("hovedstaden"))


def test_landsdele_share_out_the_regions():
    table = areas.area_table()
    for region in ("081", "082", "083", "084", "085"):
        parts = table.loc[(table["type"] == "landsdel") & (table["region_code"] == region), "area_code"]
        assert sorted(code for part in parts for code in areas.members(part)) == list(areas.members(region))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("København", "101"),
        ("koebenhavn", "101"),
        ("101", "101"),
        ("hele_landet", "000"),
        ("hele-landet", "000"),
        ("0", "000"),
        (0, "000"),
        (84, "084"),
        (101, "101"),
        ("Region Sjælland", "085"),
        ("region_nordjylland", "081"),
        ("HØJE-TAASTRUP", "169"),
        ("hovedstaden", "hovedstaden"),
        ("Århus", "751"),
        ("Kobenhavn", "101"),
        ("Hoje Taastrup", "169"),
        ("høje-tåstrup", "169"),
        ("Københavns Kommune", "101"),
        ("Aarhus Kommune", "751"),
        ("Bornholms Regionskommune", "400"),
        ("Solrod", "269"),
        ("LAESØ", "825"),
    ],
)
def test_find_area(text, code):
    assert areas.find_area(text) == code


@pytest.mark.parametrize(
    ("text", "suggestion"), [("Kjøbenhavn", "København"), ("Kbh.", "København"), ("Sølrøb", "Solrød")]
)
def test_unknown_area_suggests_the_nearest(text, suggestion):
    with pytest.raises(InputError, match=f"{text}.*nearest names:.*{suggestion}"):
        areas.find_area(text)


def test_no_two_areas_are_spelt_alike():
    table = areas.area_table()
    for spelling in ("name", "slug"):
        folded = table.loc[table["type"] != "landsdel", spelling].map(areas.folded)
        assert folded.is_unique, folded[folded.duplicated()]


def test_folder_names():
    assert [areas.slug(code) for code in ("hovedstaden", "000", "101", "169", "085")] == [
        "hovedstaden", "hele-landet", "koebenhavn", "hoeje-taastrup", "region-sjaelland",
    ]  # fmt: skip


def test_danish_order():
    mixed = ["Aabenraa", "Ærø", "Århus", "Østerbro", "Assens", "Zealand", "Odense"]
    assert sorted(mixed, key=areas.collation_key) == [
        "Assens", "Odense", "Zealand", "Ærø", "Østerbro", "Aabenraa", "Århus",
    ]  # fmt: skip


def test_every_account_belongs_to_one_category_a_year():
    for year in price_index()["year"]:
        assert len(accounts.rules_of_year(year)) > 80


def test_overlapping_accounts_are_refused(monkeypatch):
    rules = accounts.account_rules().copy()
    rules.loc[rules["variant"] == "printed_mapping", "variant"] = ""
    monkeypatch.setattr(accounts, "account_rules", lambda: rules)
    accounts.rules_of_year.cache_clear()
    with pytest.raises(InputError, match=r"accounts\.csv lines \d+, \d+: function 52822 grouping 004"):
        accounts.rules_of_year(2024)


def test_the_printed_reading_counts_grouping_004_twice():
    rows = pd.DataFrame({"year": [2024], "function": ["52822"], "grouping": ["004"], "value": [1.0]})
    assert categorised(rows)["category"].tolist() == ["plejefamilier"]
    printed = categorised(rows, "printed_mapping")
    assert sorted(printed["category"]) == ["netvaerksfamilier", "plejefamilier"]


def test_a_new_grouping_is_outside_and_named():
    rows = pd.DataFrame({"year": 2024, "function": ["52821", "52824"], "grouping": ["077", "077"], "value": 1.0})
    assert categorised(rows).set_index("function")["category"].to_dict() == {
        "52821": "uden_for_afgraensning",
        "52824": "sikrede_institutioner",
    }
    assert unknown_groupings(rows)[["function", "grouping"]].values.tolist() == [["52821", "077"]]


def test_the_mapping_is_the_printed_one(edition):
    """In every year of the printed report; what begins after it is another year's."""
    rules = pd.concat(accounts.rules_of_year(year) for year in edition.period.all)
    listed = rules.groupby("category").apply(lambda rows: set(zip(rows["function"], rows["grouping"], strict=True)))
    assert listed["aflastning"] == {("52821", "005"), ("52821", "006")}
    assert listed["opholdssteder"] == {("52820", "003"), ("52820", "092")}
    assert listed["doegninstitution"] == {("52823", code) for code in ("001", "002", "092", "200", "999")}
    assert listed["bostoette"] == {("53838", "*")} | {("53839", f"{code:03d}") for code in (3, 4, 5, 11, 12, 13)}
    assert listed["krisecentre"] == {("53842", "002")}
    assert listed["herberger"] == {("53842", "001")}


def test_price_index_of_the_edition(edition):
    factors = deflators(edition)
    assert factors[2024] == 1
    assert factors[2020] == pytest.approx(1.121, abs=1e-6)
    assert factors.is_monotonic_decreasing
    table = price_index()
    assert (table["source"] != "").all()
    assert (table["reason"] != "").all()


def test_a_year_without_price_index_is_named(edition):
    longer = edition.model_copy(update={"period": type(edition.period)(first=1999, last=2024)})
    with pytest.raises(InputError, match="price_index.csv.*1999"):
        deflators(longer)


PRICE_ROW = "pl_service,2027,1.232051,assumed,"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (f"{PRICE_ROW}Antagelse", f"{PRICE_ROW}Antagelse, 2,7 pct.", "8 cells where there are 6 columns.*quotation"),
        ("1.232051", '"1,232051"', "value '1,232051'"),
        ("1.232051", "-1.232051", "positive number"),
        ("1.232051", "0.00", "positive number"),
        ("2027", "20277", "year '20277'"),
        ("2027,1.232051,assumed", "2027,1.232051,guessed", "status 'guessed'.*assumed, published"),
    ],
)
def test_a_wrong_line_of_the_price_index_is_named(tmp_path, monkeypatch, right, wrong, said):
    text = (prices.reference_folder() / "price_index.csv").read_text(encoding="utf-8")
    assert text.count(PRICE_ROW) == 1
    before, after = text.split("pl_service,2027", 1)
    row = f"pl_service,2027{after}"
    assert row.startswith(PRICE_ROW) and right in row
    (tmp_path / "price_index.csv").write_text(before + row.replace(right, wrong, 1), encoding="utf-8")
    monkeypatch.setattr(prices, "reference_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=f"price_index.csv line 11: .*{said}"):
        price_index()


def test_an_empty_declared_table_is_one_sentence(tmp_path):
    (tmp_path / "areas.csv").write_text("")
    with pytest.raises(InputError, match="areas.csv line 0: the file is empty"):
        read_rows(tmp_path / "areas.csv", [])


# How a file of the repository comes back from Excel: the bytes of its text, and what separates its cells.
SAVED = {
    "windows": ("cp1252", ","),
    "windows semicolons": ("cp1252", ";"),
    "mark": ("utf-8-sig", ","),
    "mark and semicolons": ("utf-8-sig", ";"),
}


@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("name", ["accounts", "areas", "categories", "price_index"])
def test_a_declared_table_is_read_as_excel_saves_it(tmp_path, name, saved):
    encoding, separator = SAVED[saved]
    rows = read_rows(ROOT / "data" / "reference" / f"{name}.csv", [])
    with (tmp_path / f"{name}.csv").open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=separator, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    assert any(letter in str(rows) for letter in "æøå")
    assert read_rows(tmp_path / f"{name}.csv", list(rows[0])) == rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a;b\n1;2;3\n", "line 2: 3 cells where there are 2 columns; a cell with a semicolon must stand in quotation"),
        (b"a,c\n1,2\n", "line 1 has no column b; it has a, c"),
        (b"b,a\nS\xc3\xa6rlig,1\nS\xe6rlig,2\n", "line 3 holds letters that are neither UTF-8 nor those of Windows"),
        ("b\ta\n1\t2\n".encode("utf-16"), "line 1 holds letters that are neither UTF-8 nor those of Windows"),
        (b"b,a\n\x81,1\n", "line 2 holds letters that are neither UTF-8 nor those of Windows"),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_a_declared_table_that_cannot_be_read_is_one_sentence(tmp_path, content, said):
    path = tmp_path / "areas.csv"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"^areas.csv {said}"):
        read_rows(path, ["b"])


def test_a_declared_table_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"^areas.csv cannot be read: No such file"):
        read_rows(tmp_path / "areas.csv", [])


def test_declared_data_is_read_with_a_mark_and_in_windows_letters(tmp_path):
    class Named(BaseModel):
        name: str

    path = tmp_path / "a.yml"
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        path.write_text("name: Bornholms Ø\n", encoding=encoding)
        assert read_declared(path, Named).name == "Bornholms Ø"
    path.write_bytes(b"name: \xff\xfe\x00")
    with pytest.raises(InputError, match=r"^a.yml line 1 holds letters"):
        read_declared(path, Named)


def test_unknown_edition():
    with pytest.raises(InputError, match="edition '2052' does not exist; editions/ has: .*2025"):
        load_edition("2052")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"perid": 1}, "perid"), ({"period": {"first": 2024, "last": 2020}}, "period"), ({"sections": [{}]}, "sections")],
)
def test_an_edition_file_with_an_error_names_the_field(monkeypatch, tmp_path, change, field):
    import yaml

    declared = yaml.safe_load((ROOT / "editions" / "2025.yml").read_text(encoding="utf-8")) | change
    (tmp_path / "editions").mkdir()
    (tmp_path / "editions" / "2025.yml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "reference").symlink_to(ROOT / "data" / "reference")
    monkeypatch.setenv("NOEGLETAL_ROOT", str(tmp_path))
    with pytest.raises(InputError, match=rf"editions/2025\.yml .*{field}"):
        load_edition("2025")


def test_the_edition_declares_what_the_notebooks_publish():
    plan = load_edition("2025")
    assert isinstance(plan, Edition)
    assert {f"figur_{number:02d}" for number in (1, 2, 3, 4, 5, 6, 10, 11)} <= {
        output for section in plan.sections for output in section.outputs
    }
