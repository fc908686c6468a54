"""The price index of a build: from NGLK where it was fetched, else price_index.csv, and what figures say of it."""

import pandas as pd
import pytest
from conftest import write_raw
from statbank_server import StatBank, nglk
from test_fetch import HASTE, unpacked

from analysis import prices
from analysis.errors import InputError
from analysis.section import Section
from noegletal.figures import price_index
from noegletal.sources.fetch import fetch_edition

HEADER = "OMRÅDE;BNØGLE;BRUTNETUDG;PRISENHED;TID;INDHOLD"
# Kr. per inhabitant in current prices and in those of 2008: 1,30, 1,36 and 1,40 times.
SERVICES = {"2022": (52000, 40000), "2023": (54400, 40000), "2024": (58800, 42000)}


def raw_rows(services=SERVICES):
    units = ("AARPRIS", "08PRIS")
    rows = [
        f"000;SER;NET;{unit};{year};{services[year][place]}" for place, unit in enumerate(units) for year in services
    ]
    return "\n".join([HEADER, *rows])


@pytest.fixture
def declared():
    table = prices.price_index()
    return table[table["index"] == "pl_service"].set_index("year")["value"]


def test_without_the_table_the_index_is_the_declared_one(small, declared):
    index = price_index.used(small.edition, small.raw, {"REGK100"})
    assert index.set_index("year")["value"].equals(declared)
    assert set(index["status"]) == {"assumed"}
    assert price_index.used(small.edition.model_copy(update={"price_index": "anden"}), small.raw, {"NGLK"}).empty


def test_with_the_table_its_years_are_published_and_the_others_go_on_from_there(small, declared):
    write_raw(small.raw, "NGLK", raw_rows(), origin="statbank")
    index = price_index.used(small.edition, small.raw, {"NGLK"}).set_index("year")
    assert index.index.tolist() == declared.index.tolist()
    published = index[index["status"] == "published"]
    assert published.index.tolist() == [2022, 2023, 2024]
    ratio = pd.Series({2022: 1.30, 2023: 1.36, 2024: 1.40})
    assert (published["value"] / ratio).tolist() == pytest.approx([declared[2022] / 1.30] * 3)
    assert index["value"].loc[:2022].equals(declared.loc[:2022]), "the years before stay"
    later = (index["value"] / declared).loc[2025:]
    assert len(later) > 1
    assert later.tolist() == pytest.approx([index["value"][2024] / declared[2024]] * len(later))
    assert index.loc[2024, "reason"] == "Løbende priser 58.800\u00a0kr. over faste 42.000\u00a0kr."
    assert index.loc[2025, "reason"].endswith("; følger efter NGLK for 2024")
    assert "NGLK" in index.loc[2024, "source"] and "NGLK" not in index.loc[2021, "source"]


def test_a_reconstructed_table_publishes_nothing(small):
    write_raw(small.raw, "NGLK", raw_rows(), origin="reconstruction")
    index = price_index.used(small.edition, small.raw, {"NGLK"})
    assert set(index["status"]) == {"assumed"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("000;SER;NET;08PRIS;2023;40000\n", ""), "not both current and fixed prices of 2023"),
        (lambda text: text.replace(";2023;", ";2021;"), "NGLK holds no rows for 2023"),
        (lambda text: text.replace("08PRIS;2023;40000", "08PRIS;2023;0"), "line 6: 0 is no amount"),
        (lambda text: text.replace("08PRIS;2023;40000", "08PRIS;2023;.."), "line 6: nan is no amount"),
        (lambda text: text.replace("08PRIS;2023;40000", "08PRIS;2023;4000"), "goes 946.2 per cent to 2023"),
        (lambda text: text.replace("SER", "DRI"), "NGLK holds no rows for 2022, 2023, 2024"),
    ],
)
def test_a_table_that_is_no_index_is_refused(small, change, said):
    write_raw(small.raw, "NGLK", change(raw_rows()), origin="statbank")
    with pytest.raises(InputError, match=said):
        price_index.used(small.edition, small.raw, {"NGLK"})


def fixed_and_current(built, year):
    rows = built.figures[(built.figures["year"] == year) & (built.figures["variant"] == "standard")]
    keys = ["area_code", "population_group", "category"]
    both = [rows[rows["indicator"] == name].set_index(keys) for name in ("expenditure", "expenditure_current")]
    return both[0].merge(both[1], left_index=True, right_index=True, suffixes=("", "_current"))


@pytest.mark.long
def test_a_genuine_amount_in_fixed_prices_is_as_good_as_the_index(small, monkeypatch):
    """On an assumed index it is reconstructed but in the price level itself; on a published one as the amount."""
    small.keep_only("REGK100", "FOLK1A", "HAND05")
    small.change("REGK100", lambda lines: lines, origin="statbank")
    on_assumed = small.build(small.root / "assumed")
    for year, origins in ((2022, {"reconstruction"}), (2023, {"reconstruction"}), (2024, {"statbank"})):
        both = fixed_and_current(on_assumed, year)
        assert set(both["origin"]) == origins and set(both["origin_current"]) == {"statbank"}, year
    write_raw(small.raw, "NGLK", raw_rows(), origin="statbank")
    on_published = small.build(small.root / "published")
    for year, factor in ((2022, 1.40 / 1.30), (2023, 1.40 / 1.36), (2024, 1.0)):
        both = fixed_and_current(on_published, year)
        assert set(both["origin"]) == {"statbank"}, year
        there = both[both["value_current"] > 0]
        assert (there["value"] / there["value_current"]).tolist() == pytest.approx([factor] * len(there)), year
    monkeypatch.setenv("NOEGLETAL_PROCESSED", str(on_published.folder))
    read = Section("", small.name, "101").deflators
    assert read[[2022, 2023, 2024]].tolist() == pytest.approx([1.40 / 1.30, 1.40 / 1.36, 1.0]), "as the build used"


def test_the_table_is_fetched_for_the_country_and_service_expenditure_alone(edition, tmp_path):
    needs = {"NGLK": edition.tables["NGLK"]}
    years = {str(year): (50000 + 1000 * (year - 2020), 40000) for year in range(2019, 2026)}
    raw = tmp_path / "raw"
    raw.mkdir()
    with StatBank({"NGLK": nglk(years)}) as bank:
        alone = edition.model_copy(update={"tables": needs})
        (outcome,), _ = fetch_edition(alone, raw, tmp_path / "vintages", url=bank.url, patience=HASTE)
    assert (outcome.status, outcome.periods, outcome.rows) == ("changed", "2020-2024", 10), outcome.cause
    lines = unpacked(raw / "NGLK.csv.gz").splitlines()
    assert lines[0] == HEADER
    assert {line.rsplit(";", 3)[0] for line in lines[1:]} == {"000;SER;NET"}
    index = price_index.used(alone, raw, {"NGLK"}).set_index("year")
    assert index.loc[2024, "value"] / index.loc[2020, "value"] == pytest.approx(54 / 50)
    assert index.loc[[2020, 2024], "status"].tolist() == ["published"] * 2
