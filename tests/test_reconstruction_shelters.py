"""The embedded deliveries on herberger: every published fact comes out, and all of it holds together to the person."""

import copy
import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from noegletal.sources.deliveries import read_form
from noegletal.sources.forms import load_form
from reconstruction import shelter_workbooks
from reconstruction.raw_files import SIDECAR_KEYS, read_table
from reconstruction.reference import load_yaml
from reconstruction.rounding import half_away_from_zero
from reconstruction.shelter_persons import with_persons
from reconstruction.shelter_places import smallest
from reconstruction.shelter_stays import nights, occupied, simulate, with_census, with_total

RAW = ROOT / "data" / "raw" / "2025"
NUMBERS = load_yaml(ROOT / "reconstruction" / "herberg_2025.yml")
PUBLISHED = NUMBERS["published"]
YEAR = NUMBERS["years"]["stays"]
FIRST, END = pd.Timestamp(YEAR, 1, 1), pd.Timestamp(YEAR + 1, 1, 1)
DAYS = (END - FIRST).days
NIGHT = pd.Timestamp(NUMBERS["stays"]["census"]["date"])
CEILING = 2322

pytestmark = pytest.mark.long


def printed(value, decimals=0):
    return float(half_away_from_zero(np.array([value * 10**decimals]))[0]) / 10**decimals


@pytest.fixture(scope="module")
def sources():
    return shelter_workbooks.load_sources(RAW, NUMBERS)


@pytest.fixture(scope="module")
def made(sources):
    return shelter_workbooks.sheets(sources)


@pytest.fixture(scope="module")
def shipped():
    return {form: read_form(RAW / f"{form.upper()}.xlsx", form) for form in NUMBERS["sidecars"]}


@pytest.fixture(scope="module")
def herberg(shipped):
    return shipped["herberg"]


@pytest.fixture(scope="module")
def stays(shipped):
    """The stays with day numbers; `left` is the number of days for those who are still there."""
    rows = shipped["herberg_ophold"]["Ophold"]
    return rows.assign(
        day=(rows["arrived"] - FIRST).dt.days,
        until=(rows["left"].fillna(END) - FIRST).dt.days,
        nights=(rows["left"].fillna(END).clip(upper=END) - rows["arrived"].clip(lower=FIRST)).dt.days,
    )


@pytest.fixture(scope="module")
def region(sources):
    return sources.reference.region_of


@pytest.fixture(scope="module")
def national(herberg):
    return herberg["Landstal"].set_index("year")


@pytest.fixture(scope="module")
def spent(herberg, sources):
    """Mio. kr. by year and municipality in the prices of the published figures."""
    rows, prices = herberg["Udgifter"], sources.reference.price_index
    to = prices[PUBLISHED["expenditure"]["price_year"]] / rows["year"].map(prices)
    return rows.assign(mio=rows["thousand_kroner"] / 1000 * to)


@pytest.mark.parametrize("form", NUMBERS["sidecars"])
def test_the_shipped_cells_are_those_that_the_script_makes(form, made, shipped):
    for sheet in load_form(form).sheets:
        fields = [column.field for column in sheet.columns]
        there = shipped[form][sheet.name][fields]
        if sheet.name not in made[form]:
            assert there.empty, f"{sheet.name} is to be left empty"
            continue
        wanted = made[form][sheet.name][fields].reset_index(drop=True).astype(there.dtypes)
        pd.testing.assert_frame_equal(there, wanted, obj=sheet.name)


@pytest.mark.parametrize("form", NUMBERS["sidecars"])
def test_sidecars_describe_the_bytes_and_what_is_published(form):
    stored = (RAW / f"{form.upper()}.xlsx").read_bytes()
    sidecar = yaml.safe_load((RAW / f"{form.upper()}.yml").read_text(encoding="utf-8"))
    assert tuple(sidecar) == SIDECAR_KEYS
    assert sidecar["sha256"] == hashlib.sha256(stored).hexdigest()
    assert sidecar["bytes"] == len(stored)
    assert (sidecar["table"], sidecar["origin"]) == (form.upper(), "reconstruction")
    for figure in ("11.243", "7.346", "2.721"):
        assert figure in sidecar["note"]


# Published facts


def test_places_are_as_published(herberg):
    rows = herberg["Pladser"]
    total = rows.groupby("year")["places"].sum()
    assert total[2024] == 3029
    assert total[2025] < total[2024]
    private = rows[rows["ownership"] == "privat"].groupby("year")["places"].sum()
    assert printed(100 * (private[2025] / private[2015] - 1)) == 71
    number = rows.groupby("year").size()
    assert printed(100 * (number[2020] / number[2015] - 1)) == 50
    assert sorted(total.index) == list(range(2015, 2026))
    assert set(rows["ownership"]) == {"kommunal", "regional", "selvejende", "privat"}


def test_places_are_spread_as_one_would_expect(herberg, region):
    latest = herberg["Pladser"].query("year == 2024")
    by_town = latest.groupby("municipality")["places"].sum().sort_values(ascending=False)
    assert by_town.index[0] == "101"
    assert set(by_town.index[:7]) == {"101", "751", "461", "147", "851", "561", "730"}
    assert len(by_town) < len(region) * 0.6
    assert by_town["400"] < 15
    assert set(by_town.index.map(region)) == set(region.values())
    veterans = latest["veteran_places"]
    assert (veterans <= latest["places"]).all()
    assert veterans.sum() > 20


def test_rates_agree_with_expenditure_and_nights(herberg, stays):
    rows = herberg["Pladser"]
    rated = rows[rows["rate"].notna()]
    assert sorted(rated["year"].unique()) == [2023, 2024, 2025]
    assert (rated["price_year"] == rated["year"]).all()
    now = rated[rated["year"] == YEAR]
    assert len(now) == (rows["year"] == YEAR).sum()
    mean = (now["rate"] * now["places"]).sum() / now["places"].sum()
    kroner = herberg["Udgifter"].query("year == @YEAR")["thousand_kroner"].sum() * 1000
    assert mean == pytest.approx(kroner / stays["nights"].sum(), rel=0.001)
    assert 1550 < mean < 1650
    above = now[now["rate"] > CEILING]
    assert 0.02 < above["places"].sum() / now["places"].sum() < 0.10
    assert len(set(above["ownership"])) > 1


def test_homelessness_is_as_published(herberg, sources):
    rows = herberg["Hjemløshed"]
    sums = rows.groupby("year")[["homeless", "in_shelter"]].sum()
    assert sums["homeless"].to_dict() == {2022: 5789, 2024: 5989}
    assert sums["in_shelter"].to_dict() == {2022: 2984, 2024: 2721}
    city = rows[rows["municipality"] == "101"].set_index("year")["homeless"]
    assert city.to_dict() == {2022: 1370, 2024: 1378}
    landsdel = sources.reference.areas.set_index("area_code")["landsdel_code"]
    around = rows[rows["municipality"].map(landsdel).isin(["L01", "L02"]) & (rows["year"] == 2024)]
    assert around["homeless"].sum() == 2776
    assert (rows["in_shelter"] + rows["rough_sleepers"] <= rows["homeless"]).all()
    assert len(rows) == 2 * 98


def test_the_homeless_are_the_weights_of_the_accounts(herberg, sources):
    now = herberg["Hjemløshed"].query("year == 2024").set_index("municipality")["homeless"]
    assert now.to_dict() == sources.homeless


def test_persons_stays_and_nights_are_as_published(stays, national):
    assert len(stays) == 11_243 == national.loc[2024, "stays"]
    assert stays["person"].nunique() == 7_346 == national.loc[2024, "persons"]
    assert national.loc[2020, "persons"] == 6_600
    assert printed(national.loc[2020, "nights"] / 6_600) == 129
    assert national.loc[2022, "persons"] == 7_000
    assert printed(100 * (7_000 / national.loc[2021, "persons"] - 1)) == 5
    assert national.loc[2023, "refusals"] == 11_400
    assert national["refusals"].notna().sum() == 1
    own = stays.groupby("person")["nights"].sum()
    assert printed(100 * (own == DAYS).mean()) == 6
    assert 125 <= own.mean() <= 130.5
    assert own.max() <= DAYS


def test_the_census_of_week_six_is_as_published(stays):
    there = (stays["arrived"] <= NIGHT) & (stays["left"].fillna(END) > NIGHT)
    assert pd.Timestamp("2024-02-07") == NIGHT
    assert there.sum() == 2721


def test_expenditure_is_as_published(spent):
    mio = spent.groupby("year")["mio"].sum()
    assert printed(mio[2018]) == 1200
    assert printed(mio[2024]) == 1652
    assert mio.is_monotonic_increasing
    assert sorted(mio.index) == list(range(2018, 2025))


def test_growth_until_2023_is_as_printed_in_2024(spent, sources):
    """About 360 mio. kr. and 33 pct.; the price level is not printed, and that of 2023 fits both."""
    mio, prices = spent.groupby("year")["mio"].sum(), sources.reference.price_index
    in_2023 = mio * prices[2023] / prices[PUBLISHED["expenditure"]["price_year"]]
    assert printed((in_2023[2023] - in_2023[2018]) / 10) == 36
    assert printed(100 * (in_2023[2023] / in_2023[2018] - 1)) == 33


def test_expenditure_in_the_home_region(spent, region):
    own = spent[spent["municipality"].map(region) == "084"].groupby("year")["mio"].sum()
    mio = spent.groupby("year")["mio"].sum()
    assert printed(100 * (own[2024] / own[2020] - 1)) == 30
    assert own[2024] / own[2020] > mio[2024] / mio[2020]
    assert 0.43 < own[2024] / mio[2024] < 0.47


# What holds together


def test_expenditure_is_that_of_the_accounts(herberg):
    accounts = read_table(RAW, "REGK100").query("FUNKTION == '53842' and GRUPPERING == '1'")
    expected = accounts.groupby(["OMRÅDE", accounts["TID"].astype(int)])["INDHOLD"].sum()
    given = herberg["Udgifter"].set_index(["municipality", "year"])["thousand_kroner"]
    assert given[given.index.get_level_values("year") >= 2020].to_dict() == expected.to_dict()
    assert len(given) == 98 * 7
    assert (given > 0).all()


def test_nobody_is_in_two_places(stays):
    ordered = stays.sort_values(["person", "day"])
    again = ordered["person"] == ordered["person"].shift()
    assert (ordered["day"] > ordered["until"].shift())[again].all()
    assert again.sum() == 11_243 - 7_346
    assert (stays["until"] > stays["day"].clip(lower=0)).all()
    assert (stays["day"] < DAYS).all()
    assert (stays["until"][stays["left"].notna()] < DAYS).all()


def test_occupied_places_never_exceed_the_places(stays, herberg):
    there = occupied(stays.assign(arrived=stays["day"], left=stays["until"])[["host", "arrived", "left"]], DAYS)
    for year in (YEAR - 1, YEAR, YEAR + 1):
        places = herberg["Pladser"].query("year == @year").groupby("municipality")["places"].sum()
        assert (there.max(axis=1) <= places[there.index]).all(), year
    assert 0.84 < there.sum().mean() / 3029 < 0.90
    winter, summer = there.sum()[:60].mean(), there.sum()[180:240].mean()
    assert winter > 1.03 * summer


def test_stays_are_long_tailed_and_some_go_on(stays):
    length = (stays["left"] - stays["arrived"]).dt.days
    assert length.median() < 60 < length.mean()
    assert length.quantile(0.05) <= 3
    assert length.quantile(0.99) > 700
    assert stays["arrived"].min() < FIRST - pd.Timedelta(days=3 * 365)
    assert 0.2 < stays["left"].isna().mean() < 0.3


def test_people_go_to_the_large_cities(stays):
    hosted = stays.groupby("host")["nights"].sum()
    at_home = stays[stays["home"] != ""].groupby("home")["nights"].sum()
    for town in ("101", "751", "461"):
        assert hosted[town] > 1.02 * at_home[town]
    assert hosted["101"] > 1.2 * at_home["101"]
    assert 0.01 < (stays["home"] == "").mean() < 0.04
    assert stays.groupby("person")["home"].nunique().max() == 1
    assert set(at_home.index) - set(hosted.index), "municipalities without herberg use those of others"


def test_registrations_are_those_of_the_stays(stays, herberg, region):
    months = herberg["Registrering"].set_index(["area", "period"])
    rows = stays.assign(area=stays["host"].map(region))
    arrived = rows[rows["arrived"] >= FIRST].groupby(["area", rows["arrived"].dt.strftime("%YM%m")]).size()
    left = rows[rows["left"].notna()].groupby(["area", rows["left"].dt.strftime("%YM%m")]).size()
    this_year = months[months.index.get_level_values("period").str.startswith(str(YEAR))]
    assert this_year["arrivals"].to_dict() == arrived.to_dict()
    assert this_year["departures"].to_dict() == left.to_dict()
    for (area, period), row in this_year.iterrows():
        start = pd.Period(period.replace("M", "-"), "M").start_time
        span = rows[rows["area"] == area]
        end = start + pd.offsets.MonthBegin(1)
        inside = span["left"].fillna(END).clip(upper=end) - span["arrived"].clip(lower=start)
        assert row["nights"] == inside.dt.days.clip(lower=0).sum(), (area, period)


def test_months_add_to_the_national_nights_and_run_into_each_other(stays, herberg, national, region):
    months = herberg["Registrering"].sort_values(["area", "period"])
    year = months["period"].str[:4].astype(int)
    nights_of = months.groupby(year)["nights"].sum()
    assert (nights_of[national.index] == national["nights"]).all()
    assert len(months) == 5 * 12 * 6
    places = herberg["Pladser"].assign(area=herberg["Pladser"]["municipality"].map(region))
    room = places.groupby(["area", "year"])["places"].sum()
    days = pd.PeriodIndex(months["period"].str.replace("M", "-"), freq="M").days_in_month
    full = [room[area, when] * length for area, when, length in zip(months["area"], year, days, strict=True)]
    assert (months["nights"] <= full).all()
    # Who was there at first, and all who came and went since, are those who are there when the stays begin.
    before = months[year < YEAR]
    change = (before["arrivals"] - before["departures"]).groupby(before["area"]).sum()
    first = before[before["period"] == before["period"].min()].set_index("area")["nights"] / 31
    there = stays[stays["arrived"] < FIRST].groupby(stays["host"].map(region)).size()
    assert (first + change - there).abs().max() < 1
    dip = months.groupby("period")["arrivals"].sum()
    assert dip["2020M04"] < 0.75 * dip["2019M04"]


def test_adults_go_on_from_the_embedded_population(herberg, sources):
    rows = herberg["Befolkning"].pivot(index="municipality", columns="year", values="adults")
    ages = sources.ages[(sources.ages["ALDER"] != "IALT") & (sources.ages["TID"] == "2026K1")]
    adults = ages[ages["ALDER"].astype(int) >= 18].groupby("OMRÅDE")["INDHOLD"].sum()
    assert list(rows.columns) == [2026, 2028, 2031]
    assert (rows[2026] == adults[rows.index]).all()
    assert (rows[2031] / rows[2026]).between(0.97, 1.06).all()
    assert 1.01 < rows[2031].sum() / rows[2026].sum() < 1.04


# The method


def small(seed=1):
    places = pd.Series({"101": 250, "751": 90})
    return places, simulate(places, NUMBERS["stays"], 120, seed)


def test_the_same_seed_gives_the_same_stays():
    places, stays = small()
    assert stays.equals(small()[1])
    assert not stays.equals(small(seed=2)[1])
    there = occupied(stays, 120)
    assert (there.max(axis=1) <= places).all()
    assert nights(stays, 120).sum() == there.to_numpy().sum()


def test_totals_that_cannot_be_met_are_named():
    places, stays = small()
    rules = NUMBERS["stays"]
    for total in (len(stays) + 1, 10):
        with pytest.raises(ValueError, match=f"{total} cannot be reached"):
            with_total(stays, total, rules, 30, seed=1)
    there = int(occupied(stays, 120)[30].sum())
    for wanted in (there - 90, there + 90):
        with pytest.raises(ValueError, match="census of the night differs"):
            with_census(stays, 30, wanted, places)
    regions = {"101": "084", "751": "082"}
    with pytest.raises(ValueError, match="let more of them come back"):
        with_persons(stays, 10, regions, rules["returns"], seed=1)


def test_corrections_meet_their_totals_to_the_person():
    places, stays = small()
    rules = NUMBERS["stays"]
    coming = stays["arrived"].value_counts()
    night = next(day for day in range(20, 100) if coming.get(day, 0) > 1 and coming.get(day + 1, 0) > 1)
    fewer = with_total(stays, len(stays) - 2, rules, night, seed=1)
    there = int(occupied(stays, 120)[night].sum())
    assert len(fewer) == len(stays) - 2
    assert occupied(fewer, 120)[night].sum() == there
    moved = [with_census(stays, night, there + by, places) for by in (-1, 0, 1)]
    assert [int(occupied(rows, 120)[night].sum()) for rows in moved] == [there - 1, there, there + 1]
    assert all((occupied(rows, 120).max(axis=1) <= places).all() for rows in moved)
    regions = {"101": "084", "751": "082"}
    persons = with_persons(stays, len(stays) - 5, regions, rules["returns"], seed=1)
    assert persons["person"].nunique() == len(stays) - 5


def test_places_that_open_or_close_do_not_count_as_lasting():
    places = pd.DataFrame(
        {"year": [2023, 2024, 2024, 2025], "municipality": ["101", "101", "751", "101"], "places": [9, 12, 5, 8]}
    )
    assert smallest(places, [2023, 2024, 2025]).to_dict() == {"101": 8}


def test_a_published_figure_that_changes_is_followed(sources):
    numbers = copy.deepcopy(NUMBERS)
    numbers["published"]["in_shelter"][2024] -= 3
    numbers["published"]["expenditure"]["mio_kr"][2018] = 1100
    changed = shelter_workbooks.sheets(
        shelter_workbooks.Sources(numbers, sources.homeless, sources.reference, sources.ages, sources.accounts)
    )
    rows, prices = changed["herberg"]["Udgifter"], sources.reference.price_index
    nominal = rows.loc[rows["year"] == 2018, "thousand_kroner"].sum()
    assert nominal / 1000 * prices[2026] / prices[2018] == pytest.approx(1100, abs=0.01)
    stays = changed["herberg_ophold"]["Ophold"]
    assert ((stays["arrived"] <= NIGHT) & (stays["left"].fillna(END) > NIGHT)).sum() == 2718


def test_the_price_index_reaches_the_years_of_the_model():
    table = pd.read_csv(ROOT / "data" / "reference" / "price_index.csv").set_index("year")
    assert {2018, 2019, *range(2025, 2032)} <= set(table.index)
    assert table.loc[2024, "value"] == pytest.approx(1.121)
    assert (table["status"] == "assumed").all()
    steps = (100 * table["value"].pct_change()).dropna().round(1)
    # 2,35 pct. in the two years to 2022, so that the amounts printed of 2020 in both price levels are the same ones.
    assert steps.tolist() == [2.0, 1.9, 1.2, 1.2, 4.7, 4.7, 3.9, 3.0, 2.7, 2.6, 2.5, 2.5, 2.5]
    assert table.loc[2027:, "reason"].str.startswith("Fremskrevet").all()
