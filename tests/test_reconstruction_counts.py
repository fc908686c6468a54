"""The embedded counts of persons and services: they add up, fit the genuine rates and print as the report does."""

import copy
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from reconstruction.adult_services import AdultServices
from reconstruction.notifications import Notifications
from reconstruction.printed import PrintedRowError
from reconstruction.raw_files import read_table
from reconstruction.reference import load_reference, load_yaml
from reconstruction.series import fixed_price_expenditure
from reconstruction.shelters import crisis_centres

RAW = ROOT / "data" / "raw" / "2025"
ASSUMPTIONS = load_yaml(ROOT / "reconstruction" / "assumptions_2025.yml")
YEARS = [str(year) for year in ASSUMPTIONS["account_years"]]
TYPES = {category: list(rule["types"]) for category, rule in ASSUMPTIONS["adult_services"]["categories"].items()}


@pytest.fixture(scope="module")
def reference():
    return load_reference(ROOT / "data" / "reference", ASSUMPTIONS)


@pytest.fixture(scope="module")
def home(reference):
    """Codes of the 29 municipalities."""
    groups = reference.areas.set_index("area_code")["groups"]
    codes = [code for code in reference.municipalities if "hovedstaden" in groups[code].split()]
    assert len(codes) == 29
    return codes


@pytest.fixture(scope="module")
def ages():
    return read_table(RAW, "FOLK1A.reconstruction")


@pytest.fixture(scope="module")
def single(ages):
    table = ages[ages["ALDER"] != "IALT"]
    return table.assign(age=table["ALDER"].astype(int))


@pytest.fixture(scope="module")
def expenditure(reference):
    return fixed_price_expenditure(read_table(RAW, "REGK100"), reference, 2024)


def by_year(table, area, rows=slice(None)):
    return table.pivot_table(index=area, columns="TID", values="INDHOLD", aggfunc="sum").fillna(0).loc[rows]


def growth(series):
    return 100 * (series["2024"] / series["2020"] - 1)


def printed(value, decimals):
    return math.copysign(math.floor(abs(value) * 10**decimals + 0.5) / 10**decimals, value)


def test_children_notified_are_the_genuine_rate_times_population(single, reference):
    rates = read_table(RAW, "UND2_PR_1000")
    rates = rates[rates["ADMKOM"].isin(reference.municipalities) & (rates["TID"] <= YEARS[-1])]
    people = single[single["age"] <= 17].groupby(["OMRÅDE", "TID"])["INDHOLD"].sum()
    total = read_table(RAW, "UND2").query("UNDERRET == '00'").set_index(["ADMKOM", "TID"])["INDHOLD"]
    # Læsø's rate is printed as 0 in three years in which its counts have no row.
    keys = pd.MultiIndex.from_frame(rates[["ADMKOM", "TID"]])
    absent = ~keys.isin(total.index)
    assert keys[absent].tolist() == [("825", year) for year in ("2016", "2017", "2018")]
    assert (rates["INDHOLD"][absent] == 0).all()
    assert total.index.isin(keys).all()
    total = total.reindex(keys, fill_value=0)
    for row in rates.itertuples():
        if math.isnan(row.INDHOLD):
            assert math.isnan(total[row.ADMKOM, row.TID])
        else:
            expected = math.floor(row.INDHOLD * people[row.ADMKOM, f"{row.TID}K1"] / 1000 + 0.5)
            assert total[row.ADMKOM, row.TID] == expected
    assert len(rates) > 950


def test_classes_of_children_add_to_the_total():
    wide = read_table(RAW, "UND2").pivot(index=["ADMKOM", "TID"], columns="UNDERRET", values="INDHOLD")
    assert list(wide.columns) == ["00", "01", "02", "03", "04", "05", "06"]
    known = wide[wide["00"].notna()].fillna(0)
    assert (known["00"] == known.drop(columns="00").sum(axis=1)).all()
    assert wide[wide["00"].isna()].isna().all(axis=None)
    assert wide.index[wide["00"].isna()].tolist() == [("825", "2022")]


def test_every_class_grows_in_hovedstaden_and_the_last_one_most(home):
    table = read_table(RAW, "UND2")
    wide = table[table["ADMKOM"].isin(home)].pivot_table(
        index="UNDERRET", columns="TID", values="INDHOLD", aggfunc="sum"
    )
    grown = growth(wide)
    assert (grown > 0).all()
    assert grown.idxmax() == "06"


def test_notifications_follow_from_children_by_class():
    wide = (
        read_table(RAW, "UND2").pivot(index=["ADMKOM", "TID"], columns="UNDERRET", values="INDHOLD").dropna(how="all")
    )
    wide = wide.fillna(0)
    notices = read_table(RAW, "UND1").set_index(["ADMKOM", "TID"])["INDHOLD"][wide.index]
    fixed = sum(number * wide[f"0{number}"] for number in range(1, 6))
    extra = notices - fixed
    assert (extra[wide["06"] == 0] == 0).all()
    mean = (extra / wide["06"])[wide["06"] > 0]
    assert mean.between(7, 9).all()


def test_notifications_of_hovedstaden_grow_as_printed(home):
    table = read_table(RAW, "UND1")
    assert set(table["UNDERRETERE"]) == {"0"}
    assert growth(by_year(table, "ADMKOM", home).sum()) == pytest.approx(40.0, abs=0.1)


def test_placements_add_up_and_leave_children_with_other_support(single, reference, home):
    table = read_table(RAW, "ANBAAR12")
    wide = table.pivot(index=["ADMKOM", "TID"], columns="ANBRINGELSE", values="INDHOLD").fillna(0)
    assert (wide["0"] == wide.drop(columns="0").sum(axis=1)).all()
    placed = by_year(table[table["ANBRINGELSE"] == "0"], "ADMKOM", reference.municipalities)
    assert growth(placed.loc[home].sum()) == pytest.approx(10.0, abs=0.1)
    assert placed.sum().between(13_000, 15_000).all()
    share = read_table(RAW, "BU43").pivot(index="OMRÅDE", columns="TID", values="INDHOLD")
    people = single[single["age"] <= 22].groupby(["OMRÅDE", "TID"])["INDHOLD"].sum().unstack()
    ordinary = read_table(RAW, "ISBU02").query("INDSATSER == '6'")
    during = by_year(ordinary, "KOMMUNEDK", reference.municipalities)
    for year in YEARS:
        known = share[year].reindex(reference.municipalities).dropna().index
        supported = share.loc[known, year] / 100 * people.loc[known, f"{int(year) + 1}K1"]
        left = supported - placed.loc[known, year]
        assert (left > 0.3 * supported).all()
        assert (during.loc[known, year] > left).all()
        assert ((placed.loc[known, year] / supported).between(0.08, 0.6)).all()


def test_measures_overlap_but_children_count_once_in_the_total(home):
    table = read_table(RAW, "ISBU02")
    wide = table.pivot(index=["KOMMUNEDK", "TID"], columns="INDSATSER", values="INDHOLD").fillna(0)
    assert sorted(wide.columns) == ["2", "5", "6", "7"]
    parts = wide[["5", "6", "7"]]
    assert (parts.sum(axis=1) >= wide["2"]).all()
    assert (parts.max(axis=1) <= wide["2"]).all()
    total = by_year(table[table["INDSATSER"] == "2"], "KOMMUNEDK", home).sum()
    assert growth(total) == pytest.approx(35.0, abs=0.1)


def test_services_grow_and_cost_as_printed(expenditure, home):
    table = read_table(RAW, "HAND05")
    spent = expenditure[expenditure["OMRÅDE"].isin(home) & (expenditure["function"] != "53838")]
    recipients, costs, level = {}, {}, {}
    for category, types in TYPES.items():
        services = table[table["OMRÅDE"].isin(home) & table["YDELSESTYPE"].isin(types)].groupby("TID")["INDHOLD"].sum()
        kroner = spent[spent["category"] == category].groupby("year")["kroner"].sum()
        kroner.index = kroner.index.astype(str)
        recipients[category], costs[category] = growth(services), growth(kroner / services)
        level[category] = kroner["2024"] / services["2024"]
    assert printed(recipients["bostoette"], 1) == 40.8
    assert printed(costs["bostoette"], 0) == -19
    assert costs["bostoette"] == pytest.approx(-19, abs=0.4)
    assert printed(costs["botilbud"], 0) == 9
    assert costs["botilbud"] == pytest.approx(9, abs=0.1)
    assert abs(costs["dagtilbud"]) < 0.9
    assert abs(costs["assistance"]) < 0.9
    assert recipients["botilbud"] > 0
    assert 60_000 < level["bostoette"] < 110_000
    assert 700_000 < level["botilbud"] < 1_100_000
    assert 150_000 < level["dagtilbud"] < 250_000


def test_services_have_one_decimal_and_the_holes_of_the_assumptions(reference, home):
    raw = pd.read_csv(RAW / "HAND05.csv.gz", sep=";", dtype=str)
    missing = raw["INDHOLD"] == ".."
    assert raw.loc[~missing, "INDHOLD"].str.fullmatch(r"\d+,\d").all()
    settings = ASSUMPTIONS["adult_services"]
    gaps = {(item["municipality"], str(item["year"])) for item in settings["not_approved"]}
    assert set(raw.loc[missing, ["OMRÅDE", "TID"]].itertuples(index=False, name=None)) == gaps
    assert not {town for town, _ in gaps} & set(home)
    for item in settings["without_data"]:
        here = raw[raw["OMRÅDE"] == item["municipality"]]
        assert item["type"] not in set(here["YDELSESTYPE"])
        assert len(here) > 0
    started = {"31183", "31211", "31212", "31213"}
    assert set(raw.loc[raw["YDELSESTYPE"].isin(started), "TID"]) == {"2024"}
    assert set(raw["OMRÅDE"]) == set(reference.municipalities)
    country = read_table(RAW, "HAND05").groupby(["YDELSESTYPE", "TID"])["INDHOLD"].sum()
    assert country["31181", "2020"] < 0.25 * country["31181", "2021"]


def test_crisis_centres_add_up_and_grow_as_printed(expenditure, home):
    table = read_table(RAW, "KRISE1")
    wide = table.pivot(index=["BOPREG", "BEBOSTAT", "TID"], columns="KMDR", values="INDHOLD").fillna(0)
    assert (wide["TOT"] == wide.drop(columns="TOT").sum(axis=1)).all()
    regions = table[table["BOPREG"] != "000"].groupby(["KMDR", "BEBOSTAT", "TID"])["INDHOLD"].sum()
    country = table[table["BOPREG"] == "000"].set_index(["KMDR", "BEBOSTAT", "TID"])["INDHOLD"]
    assert (country == regions[country.index]).all()
    assert set(table.loc[table["BEBOSTAT"] == "35", "TID"]) == {"2024"}
    status = wide["TOT"].unstack("BEBOSTAT")
    assert (status["1"] > status["3"]).all()
    assert (status["1"] > status["2"]).all()
    women = status["3"].unstack("TID").loc["084"]
    assert growth(women) == pytest.approx(20.0, abs=0.1)
    spent = expenditure[expenditure["OMRÅDE"].isin(home) & (expenditure["category"] == "krisecentre")]
    kroner = spent.groupby("year")["kroner"].sum()
    kroner.index = kroner.index.astype(str)
    assert printed(growth(kroner), 0) == 25
    assert printed(growth(kroner / women), 0) == 4


def test_a_count_that_cannot_print_as_the_report_is_named(reference, ages, expenditure):
    women = copy.deepcopy(ASSUMPTIONS)
    women["crisis_centres"]["women"]["084"][-1] += 30
    with pytest.raises(PrintedRowError, match="n25_helaar_krisecentre_growth"):
        crisis_centres(reference, women, expenditure)
    spent = expenditure.copy()
    more = (spent["category"] == "bostoette") & (spent["year"] == 2024)
    spent["kroner"] = np.where(more, spent["kroner"] * 1.02, spent["kroner"])
    with pytest.raises(PrintedRowError, match="n25_tekst_enhedspris_bostoette_growth"):
        AdultServices(reference, ASSUMPTIONS, ages, spent).table()
    unknown = copy.deepcopy(ASSUMPTIONS)
    unknown["notifications"]["printed_growth"] = "n25_no_such_row"
    with pytest.raises(PrintedRowError, match="n25_no_such_row"):
        Notifications(reference, unknown, ages).tables(read_table(RAW, "UND2_PR_1000"))
