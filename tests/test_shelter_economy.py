"""The economy of herberger: hand-computed takster, refunds, scenarios and spans, and every rule that can be broken."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import areas, prices
from analysis.edition import reference_folder
from analysis.errors import InputError
from analysis.herberg import economy
from analysis.herberg import rules as shelter_rules

KKR = "084"
VALUES = {2023: 0.95, 2024: 1.0, 2025: 1.04, 2026: 1.08, 2027: 1.11, 2028: 1.14, 2029: 1.17, 2030: 1.2, 2031: 1.23}

INDEX = pd.DataFrame({"index": "test", "year": list(VALUES), "value": list(VALUES.values()), "status": "assumed"})


@pytest.fixture
def declared():
    return yaml.safe_load((reference_folder() / "shelter_rules.yml").read_text(encoding="utf-8"))


@pytest.fixture
def with_rules(tmp_path, monkeypatch):
    """Puts other rules in place of the project's for one test."""

    def put(text):
        folder = tmp_path / "data" / "reference"
        folder.mkdir(parents=True)
        (tmp_path / "editions").mkdir()
        shutil.copy(reference_folder() / "areas.csv", folder)
        content = text if isinstance(text, str) else yaml.safe_dump(text, allow_unicode=True, sort_keys=False)
        (folder / "shelter_rules.yml").write_text(content, encoding="utf-8")
        monkeypatch.setenv("NOEGLETAL_ROOT", str(tmp_path))
        shelter_rules.rules.cache_clear()

    shelter_rules.rules.cache_clear()
    yield put
    shelter_rules.rules.cache_clear()


def place_list(*rows, year=2025, kkr=KKR):
    """Rows of ownership, places, takst and price year."""
    table = pd.DataFrame(rows, columns=["ownership", "places", "rate", "price_year"])
    table = table.astype({"rate": float, "price_year": float})
    names = [f"Tilbud {number}" for number in range(1, len(table) + 1)]
    return table.assign(year=year, provider=names, municipality="101", cluster="Byen København", kkr=kkr)


def priced(*rows):
    return economy.prices(place_list(*rows), KKR, 2024, INDEX)


def stay_list(*rows, first="2024-01-01", last="2024-12-31"):
    """Rows of person, arrived, left and, where they differ from København in Hovedstaden, host and home region."""
    full = [(*row, *(KKR, KKR)[len(row) - 3 :]) for row in rows]
    table = pd.DataFrame(full, columns=["person", "arrived", "left", "host_kkr", "home_kkr"])
    dates = {column: pd.to_datetime(table[column]) for column in ("arrived", "left")}
    home = table["home_kkr"].map({KKR: "101", "085": "265", "": ""})
    return table.assign(**dates, home=home, first=pd.Timestamp(first), last=pd.Timestamp(last))


def cost(*amounts, year=2024):
    codes = areas.members(KKR)[: len(amounts)]
    return pd.DataFrame({"area_code": codes, "year": year, "gross": [float(amount) for amount in amounts]})


def even(declared, **basis):
    """Rules with a middle scenario in which nothing changes but what is named."""
    plan = declared["scenarios"]["basis"]
    plan["need"]["yearly_growth"] = basis.get("need", 0)
    plan["length_of_stay"] |= {"change": basis.get("stay", 0), "by": 2028}
    plan["price"] |= {"yearly_growth": basis.get("rate", 0), "ceiling_share": basis.get("ceiling", 0)}
    return declared


REFUNDABLE = pd.Series({60: 40.0, 90: 55.0, 120: 65.0})
BELOW = [("kommunal", 60, 1500, 2024), ("privat", 40, 2000, 2024)]
YEARS = {"last_year": 2031, "price_level": 2024, "index": INDEX}


# Prices


def test_the_index_turns_kroner_of_one_year_into_another():
    assert prices.index_factor(INDEX, 2024, 2025) == pytest.approx(1.04)
    assert prices.index_factor(INDEX, 2025, 2024) == pytest.approx(1 / 1.04)
    assert prices.index_factor(INDEX, 2026, 2026) == 1


@pytest.mark.parametrize(("index", "name", "year"), [(INDEX, "test", 2032), (INDEX[:0], "", 2024)])
def test_a_year_without_an_index_is_named(index, name, year):
    with pytest.raises(InputError, match=rf"price_index.csv: index '{name}' lacks .*{year}"):
        prices.index_factor(index, 2024, year)


def test_the_ceiling_follows_the_index():
    assert economy.ceiling(2024, INDEX) == 2322
    assert economy.ceiling(2025, INDEX) == pytest.approx(2322 * 1.04)
    with pytest.raises(InputError, match="2040"):
        economy.ceiling(2040, INDEX)


def test_takster_come_from_the_latest_list_in_one_price_year():
    old = place_list(("kommunal", 10, 900, 2024), year=2024)
    elsewhere = place_list(("privat", 10, 3000, 2025), kkr="085")
    new = place_list(("kommunal", 10, 1040, 2025), ("privat", 5, None, 2025), ("selvejende", 7, 1500, None))
    found = economy.prices(pd.concat([old, elsewhere, new]), KKR, 2024, INDEX)
    assert found["ownership"].tolist() == ["kommunal", "privat", "selvejende"]
    assert found["rate"].iloc[0] == pytest.approx(1000)
    assert found["rate"].iloc[1:].isna().all()
    assert found["left_out"].tolist() == ["", "taksten mangler", "takstens prisår mangler"]


def test_a_price_year_beyond_the_index_is_refused():
    with pytest.raises(InputError, match="lacks 2019"):
        priced(("kommunal", 10, 1000, 2019))


def test_no_place_list_gives_no_takster():
    nothing = economy.prices(place_list(), KKR, 2024, INDEX)
    assert nothing.empty
    assert economy.price_summary(nothing, 2322).empty
    assert economy.cost_at_ceiling(nothing, 2322, 90).empty


def test_takster_are_summed_up_by_places():
    rows = priced(
        ("kommunal", 60, 1500, 2024),
        ("privat", 25, 2400, 2024),
        ("privat", 10, 2322, 2024),
        ("privat", 5, 3000, 2024),
        ("privat", 8, 2900, None),
        ("regional", 3, None, None),
    )
    summary = economy.price_summary(rows, 2322).set_index("ownership")
    assert summary.index.tolist() == ["kommunal", "privat", "regional", "i_alt"]
    assert summary["places"].tolist() == [60, 48, 3, 111]
    assert summary["places_priced"].tolist() == [60, 40, 0, 100]
    assert summary["providers_left_out"].tolist() == [0, 1, 1, 2]
    assert summary.loc["privat", "mean"] == pytest.approx((25 * 2400 + 10 * 2322 + 5 * 3000) / 40)
    assert summary.loc["privat", ["p10", "p90", "highest"]].tolist() == [2322, 3000, 3000]
    assert summary.loc["privat", "share_above"] == pytest.approx(75)
    assert summary.loc["i_alt", ["p10", "p90", "highest"]].tolist() == [1500, 2400, 3000]
    assert summary.loc["i_alt", "share_above"] == pytest.approx(30)
    assert summary.loc["regional", "mean":].isna().all()


def test_a_takst_set_at_the_ceiling_is_not_above_it():
    at = economy.prices(place_list(("privat", 10, 2322 * 1.04, 2025)), KKR, 2028, INDEX)
    assert economy.price_summary(at, economy.ceiling(2028, INDEX))["share_above"].tolist() == [0, 0]


def test_the_ceiling_gives_a_lowest_and_a_highest_cost():
    rows = priced(("kommunal", 60, 1500, 2024), ("privat", 40, 2600, 2024), ("privat", 9, None, 2024))
    costs = economy.cost_at_ceiling(rows, 2322, 90).set_index("ownership")
    assert costs["occupied"].tolist() == pytest.approx([54, 36, 90])
    assert costs["today"].tolist() == pytest.approx([54 * 1500 * 365, 36 * 2600 * 365, (81000 + 93600) * 365])
    assert costs["capped"].tolist() == pytest.approx([54 * 1500 * 365, 36 * 2322 * 365, (81000 + 83592) * 365])
    assert costs["at_ceiling"].tolist() == pytest.approx([54 * 847530, 36 * 847530, 90 * 847530])


@pytest.mark.parametrize("occupancy", [0, -5, 100.5, float("nan")])
def test_an_occupancy_that_cannot_be_is_refused(occupancy):
    with pytest.raises(InputError, match="occupancy is a pct. above 0 and at most 100"):
        economy.cost_at_ceiling(priced(*BELOW), 2322, occupancy)


# Refund


def refundable_share(stays, kkr, days):
    shares = economy.refundable_shares(stays, kkr, [days])
    return None if shares is None else shares[days]


def test_the_refund_counts_the_first_days_of_each_citizen():
    stays = stay_list(
        ("a", "2024-01-01", "2024-04-10"),  # 100 nights
        ("b", "2024-02-01", "2024-04-21"),  # 80 nights
        ("b", "2024-06-01", "2024-07-31"),  # 60 nights
        ("c", "2024-12-02", None),  # 30 nights, still there
    )
    assert refundable_share(stays, KKR, 120) == pytest.approx(250 / 270 * 100)
    assert refundable_share(stays, KKR, 90) == pytest.approx(210 / 270 * 100)
    assert refundable_share(stays, KKR, 0) == 0
    shares = economy.refundable_shares(stays.sample(frac=1, random_state=1), KKR)
    assert shares.index.tolist() == [60, 90, 120]
    assert shares.tolist() == pytest.approx([150 / 270 * 100, 210 / 270 * 100, 250 / 270 * 100])


def test_the_days_begin_again_a_year_after_the_first_admission():
    stays = stay_list(("a", "2022-07-01", None), first="2023-01-01", last="2023-12-31")
    # 184 nights before the window use up the first year; from 1 July 2023 there are 184 nights and 120 days of refund.
    assert refundable_share(stays, KKR, 120) == pytest.approx(120 / 365 * 100)


def test_a_new_year_begins_with_the_next_night():
    stays = stay_list(
        ("a", "2022-12-01", "2023-03-01"),  # 59 nights inside the window, the 32nd to the 90th
        ("a", "2023-12-11", None),  # beyond the year: 21 nights, the 1st to the 21st
        first="2023-01-01",
        last="2023-12-31",
    )
    assert refundable_share(stays, KKR, 40) == pytest.approx((9 + 21) / 80 * 100)


def test_the_home_municipality_pays_wherever_the_citizen_stays():
    stays = stay_list(
        ("a", "2024-01-01", "2024-01-11", "085", "084"),  # 10 nights paid here
        ("a", "2024-02-01", "2024-02-11", "084", "085"),  # 10 nights paid elsewhere, counted
        ("a", "2024-03-01", "2024-03-11", "084", ""),  # home unknown: the host pays
        ("b", "2024-01-01", "2024-12-31", "084", "085"),  # not ours
    )
    assert refundable_share(stays, KKR, 25) == pytest.approx(15 / 20 * 100)


def test_without_stays_the_share_is_not_known():
    assert refundable_share(stay_list(), KKR, 120) is None
    assert economy.refundable_shares(stay_list(("a", "2024-01-01", None, "085", "085")), KKR) is None


def test_a_stay_that_ends_before_it_begins_is_refused():
    with pytest.raises(InputError, match="Borger a: opholdet slutter 01.02.2024, før det begynder 02.02.2024"):
        refundable_share(stay_list(("a", "2024-02-02", "2024-02-01")), KKR, 120)


def test_many_stays_are_counted_in_one_go():
    generator = np.random.default_rng(1)
    arrived = pd.Timestamp("2024-01-01") + pd.to_timedelta(generator.integers(0, 300, 5000), unit="D")
    rows = [(f"p{number}", day, day + pd.Timedelta(days=150)) for number, day in enumerate(arrived)]
    stays = stay_list(*rows)
    inside = (pd.Timestamp("2025-01-01") - stays["arrived"]).dt.days.clip(upper=150)
    share = refundable_share(stays, KKR, 120)
    assert share == pytest.approx(inside.clip(upper=120).sum() / inside.sum() * 100)


def test_the_limits_in_force_weigh_with_their_days():
    assert economy.limits_of_year(2024).to_dict() == {120: 1}
    assert economy.limits_of_year(2026).to_dict() == pytest.approx({90: 275 / 365, 120: 90 / 365})
    assert economy.limits_of_year(2030).to_dict() == {90: 1}
    assert economy.refundable_in_year(REFUNDABLE, 2026) == pytest.approx((275 * 55 + 90 * 65) / 365)
    assert np.isnan(economy.refundable_in_year(None, 2026))


def test_a_year_before_the_limits_is_refused():
    with pytest.raises(InputError, match="begin 2023-10-01; the rule for all of 2023"):
        economy.limits_of_year(2023)


def test_a_limit_that_is_not_measured_is_refused():
    with pytest.raises(InputError, match="not measured for 120 days"):
        economy.refundable_in_year(REFUNDABLE.drop(120), 2024)


def test_the_state_pays_its_share_of_the_refundable():
    assert economy.net_cost(100.0, 60, 50) == pytest.approx(70)
    assert economy.net_cost(pd.Series([100.0, 0.0]), 100, 50).tolist() == [50, 0]
    assert np.isnan(economy.net_cost(100.0, None, 50))


@pytest.mark.parametrize(
    ("gross", "refundable", "refund", "message"),
    [
        (-1.0, 60, 50, "gross cost is negative"),
        (pd.Series([1.0, -1.0]), 60, 50, "gross cost is negative"),
        (100.0, 101, 50, "refundable share is a pct. between 0 and 100"),
        (100.0, -1, 50, "refundable share is a pct. between 0 and 100"),
        (100.0, 60, 150, "refund share is a pct. between 0 and 100"),
    ],
)
def test_impossible_costs_and_shares_are_refused(gross, refundable, refund, message):
    with pytest.raises(InputError, match=message):
        economy.net_cost(gross, refundable, refund)


# Municipalities


def expenditure(*rows):
    return pd.DataFrame(rows, columns=["municipality", "year", "kroner"])


def test_expenditure_is_turned_into_fixed_prices():
    rows = expenditure(("101", 2025, 1040.0), ("147", 2025, 0.0), ("101", 2024, 5.0), ("265", 2025, 7.0))
    found = economy.municipal_cost(rows, KKR, 2025, 2024, INDEX)
    assert found["area_code"].tolist() == list(areas.members(KKR))
    assert found["gross"].iloc[:2].tolist() == pytest.approx([1000, 0])
    assert found["gross"].iloc[2:].isna().all()
    assert set(found["year"]) == {2025}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("101", 2024, 5.0), ("265", 2025, 5.0)], "Region Hovedstaden har ingen udgifter for 2025; .* er: 2024"),
        ([], "ingen udgifter for 2025; .* er: ingen"),
        ([("101", 2025, 5.0), ("101", 2025, 5.0)], "København 2025 står to gange"),
        ([("147", 2025, -5.0)], "Frederiksberg 2025 er negativ"),
    ],
)
def test_wrong_expenditure_is_refused_in_danish(rows, message):
    with pytest.raises(InputError, match=message):
        economy.municipal_cost(expenditure(*rows), KKR, 2025, 2024, INDEX)


# Scenarios


def test_nothing_changed_costs_what_it_costs_today(declared, with_rules):
    with_rules(even(declared))
    found = economy.scenarios(cost(100, 300), priced(*BELOW), REFUNDABLE, names=["basis"], **YEARS)
    assert found.columns.tolist() == ["scenario", "label", "year", "area_code", "gross", "refund", "net"]
    assert found["year"].unique().tolist() == list(range(2024, 2032))
    assert found["gross"].tolist() == pytest.approx([100, 300] * 8)
    net = found[found["area_code"] == "101"].set_index("year")["net"]
    assert net[2024] == pytest.approx(100 * (1 - 0.65 * 0.5))
    assert net[2026] == pytest.approx(100 * (1 - (275 * 0.55 + 90 * 0.65) / 365 * 0.5))
    assert net[2031] == pytest.approx(100 * (1 - 0.55 * 0.5))


def test_a_scenario_multiplies_need_stays_and_price(declared, with_rules):
    with_rules(even(declared, need=10, stay=-20, rate=1, ceiling=50))
    rows = priced(("kommunal", 50, 1000, 2024), ("privat", 50, 3000, 2024))
    found = economy.scenarios(cost(1000), rows, None, names=["basis"], **YEARS).set_index("year")["gross"]
    assert found[2024] == pytest.approx(1000)
    # Half of the change of the stays and none of the change to the ceiling has come.
    assert found[2026] == pytest.approx(1000 * 1.1**2 * 0.9 * 1.01**2)
    grown = np.array([1000, 3000]) * 1.01**4
    agreed = np.array([grown[0] + 0.5 * (2322 - grown[0]), 2322])
    assert found[2028] == pytest.approx(1000 * 1.1**4 * 0.8 * agreed.mean() / 2000)
    grown = np.array([1000, 3000]) * 1.01**3
    agreed = np.array([grown[0] + 0.5 * (2322 - grown[0]), 2322])
    assert found[2027] == pytest.approx(1000 * 1.1**3 * 0.85 * (grown + agreed).mean() / 2 / 2000)


@pytest.mark.parametrize(("share", "bound"), [(0, "capped"), (100, "at_ceiling")])
def test_the_ends_of_the_price_path_are_the_bounds_of_the_ceiling(declared, with_rules, share, bound):
    with_rules(even(declared, ceiling=share))
    rows = priced(("kommunal", 50, 1000, 2024), ("privat", 50, 3000, 2024))
    bounds = economy.cost_at_ceiling(rows, 2322, 90).set_index("ownership").loc["i_alt"]
    found = economy.scenarios(cost(bounds["today"]), rows, None, names=["basis"], **YEARS)
    assert found.set_index("year").loc[2031, "gross"] == pytest.approx(bounds[bound])


def test_municipalities_add_up_to_the_kkr():
    amounts = np.random.default_rng(2).uniform(1e5, 5e8, len(areas.members(KKR)))
    parts = economy.scenarios(cost(*amounts), priced(*BELOW), REFUNDABLE, **YEARS)
    whole = economy.scenarios(cost(amounts.sum()), priced(*BELOW), REFUNDABLE, **YEARS)
    keys = ["scenario", "label", "year"]
    summed = parts.groupby(keys, sort=False)[["gross", "refund", "net"]].sum()
    expected = whole.set_index(keys)[["gross", "refund", "net"]]
    pd.testing.assert_frame_equal(summed, expected, rtol=1e-12)
    assert (parts["gross"] - parts["refund"]).tolist() == pytest.approx(parts["net"].tolist())
    last = summed["net"].xs(2031, level="year").droplevel("label")
    assert last["lav"] < last["basis"] < last["hoej"]


def test_a_forecast_replaces_the_stated_growth():
    need = pd.DataFrame({"year": range(2024, 2032), "low": 90.0, "mean": 100.0, "high": 130.0})
    options = {"base_year": 2024, **YEARS}
    factors = economy.scenario_factors(priced(*BELOW), None, need=need, **options)
    by_year = factors.pivot(index="year", columns="scenario", values="need")
    assert by_year.loc[2024].tolist() == [1, 1, 1]
    assert by_year.loc[2031, ["lav", "basis", "hoej"]].tolist() == pytest.approx([0.9, 1.0, 1.3])
    with pytest.raises(InputError, match="forecast of the need lacks 2030"):
        economy.scenario_factors(priced(*BELOW), None, need=need[need["year"] != 2030], **options)
    with pytest.raises(InputError, match="is 0 in 2024"):
        economy.scenario_factors(priced(*BELOW), None, need=need.assign(mean=0.0), **options)


def test_without_stays_only_gross_cost_is_known():
    found = economy.scenarios(cost(100), priced(*BELOW), None, **YEARS)
    assert found["gross"].notna().all()
    assert found[["refund", "net"]].isna().all().all()


def test_a_municipality_without_figures_stays_without():
    found = economy.scenarios(cost(100, np.nan), priced(*BELOW), REFUNDABLE, **YEARS)
    assert found.loc[found["area_code"] == "147", ["gross", "refund", "net"]].isna().all().all()
    assert found.loc[found["area_code"] == "101", "net"].notna().all()


def test_without_takster_only_their_growth_moves_the_price():
    nothing = priced(("kommunal", 60, None, 2024))
    factors = economy.scenario_factors(nothing, None, base_year=2024, **YEARS)
    high = factors[factors["scenario"] == "hoej"].set_index("year")["price"]
    assert high[2031] == pytest.approx(1.01**7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ["middel"]}, "scenario 'middel' is not in shelter_rules.yml; it has: lav, basis, hoej"),
        ({"last_year": 2023}, "last year 2023 is before the base year 2024"),
        ({"last_year": 2032}, "lacks 2032"),
        ({"gross": cost(-1)}, "gross cost of area 101 is negative"),
        ({"gross": pd.concat([cost(1), cost(1, year=2023)])}, "the rows hold 2024, 2023"),
        ({"gross": cost()}, "the rows hold none"),
        ({"gross": cost(1, year=2028)}, "until 2028, which is not after 2028"),
        ({"refundable": REFUNDABLE * 2}, "refundable share is a pct. between 0 and 100"),
    ],
)
def test_wrong_scenarios_are_refused(changes, message):
    arguments = {"gross": cost(100), "priced": priced(*BELOW), "refundable": REFUNDABLE, **YEARS, **changes}
    with pytest.raises(InputError, match=message):
        economy.scenarios(**arguments)


# Sensitivity


TORNADO = {"year": 2030, "price_level": 2024, "index": INDEX, "occupancy": 90}


def test_the_tornado_moves_one_variable_at_a_time(declared, with_rules):
    with_rules(even(declared))
    found = economy.sensitivity(cost(100, 300), priced(*BELOW), REFUNDABLE, **TORNADO)
    net = 1 - 0.55 * 0.5
    assert found["base"].tolist() == pytest.approx([400 * net] * 6)
    ends = found.set_index("variable")[["low_value", "base_value", "high_value", "low", "high"]].T.to_dict("list")
    growth = [0.985**6, 1.024**6]
    assert ends["need"] == pytest.approx(
        [(growth[0] - 1) * 100, 0, (growth[1] - 1) * 100, 400 * net * growth[0], 400 * net * growth[1]]
    )
    assert ends["length_of_stay"] == pytest.approx([-10, 0, 10, 360 * net, 440 * net])
    assert ends["rate"] == pytest.approx([-5, 0, 5, 380 * net, 420 * net])
    # The mean takst is 1.700 kr.
    assert ends["ceiling_share"] == pytest.approx([0, 0, 100, 400 * net, 400 * net * 2322 / 1700])
    assert ends["refund_days"] == pytest.approx([60, 90, 120, 400 * (1 - 0.4 * 0.5), 400 * (1 - 0.65 * 0.5)])
    assert ends["occupancy"] == pytest.approx([85, 90, 95, 400 * net * 90 / 85, 400 * net * 90 / 95])
    assert found["variable"].tolist() == [
        "ceiling_share", "need", "length_of_stay", "refund_days", "occupancy", "rate",
    ]  # fmt: skip
    assert found["span"].is_monotonic_decreasing
    assert found["span"].iloc[-1] == pytest.approx(40 * net)
    assert found.set_index("variable").loc["need", "label"] == "Behov"


def test_the_middle_of_the_tornado_is_the_scenario():
    found = economy.sensitivity(cost(100, 300), priced(*BELOW), REFUNDABLE, **TORNADO)
    table = economy.scenarios(cost(100, 300), priced(*BELOW), REFUNDABLE, names=["basis"], **YEARS)
    assert found["base"].iloc[0] == pytest.approx(table.loc[table["year"] == 2030, "net"].sum())


def test_a_dearer_takst_stops_at_the_ceiling(declared, with_rules):
    with_rules(even(declared))
    at_ceiling = priced(("privat", 10, 2322, 2024))
    found = economy.sensitivity(cost(100), at_ceiling, REFUNDABLE, **TORNADO).set_index("variable")
    assert found.loc["rate", "high"] == pytest.approx(found.loc["rate", "base"])
    assert found.loc["occupancy", "low"] == pytest.approx(found.loc["occupancy", "base"])
    assert found.loc["rate", "low"] == pytest.approx(found.loc["rate", "base"] * 0.95)


def test_the_tornado_takes_the_interval_of_a_forecast():
    need = pd.DataFrame({"year": range(2024, 2032), "low": 80.0, "mean": 100.0, "high": 150.0})
    found = economy.sensitivity(cost(100), priced(*BELOW), REFUNDABLE, need=need, **TORNADO)
    row = found.set_index("variable").loc["need"]
    assert row[["low_value", "base_value", "high_value"]].tolist() == pytest.approx([-20, 0, 50])
    assert row["high"] / row["base"] == pytest.approx(1.5)


def test_places_depend_on_need_stays_and_occupancy(declared, with_rules):
    with_rules(even(declared))
    options = {**TORNADO, "outcome": "places", "occupied": 900.0}
    found = economy.sensitivity(cost(100), priced(*BELOW), None, **options).set_index("variable")
    assert sorted(found.index) == ["length_of_stay", "need", "occupancy"]
    assert found["base"].tolist() == pytest.approx([1000] * 3)
    assert found.loc["occupancy", ["low", "high"]].tolist() == pytest.approx([900 / 0.85, 900 / 0.95])
    assert found.loc["length_of_stay", ["low", "high"]].tolist() == pytest.approx([900, 1100])


def test_gross_cost_needs_no_stays():
    found = economy.sensitivity(cost(100), priced(*BELOW), None, outcome="gross", **TORNADO)
    assert "refund_days" not in set(found["variable"])
    assert found[["low", "base", "high"]].notna().all().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"year": 2024}, "needs a year after the base year 2024, not 2024"),
        ({"year": 2035}, "lacks 2035"),
        ({"occupancy": 101}, "occupancy is a pct."),
        ({"outcome": "places"}, "needs `occupied`"),
        ({"refundable": None}, "without stays choose the outcome gross"),
        ({"refundable": REFUNDABLE.drop(60)}, "not measured for 60 days"),
    ],
)
def test_a_wrong_tornado_is_refused(changes, message):
    arguments = {"gross": cost(100), "priced": priced(*BELOW), "refundable": REFUNDABLE, **TORNADO, **changes}
    with pytest.raises(InputError, match=message):
        economy.sensitivity(**arguments)


# Rules


def test_the_declared_rules_are_those_of_the_law_and_the_agreement():
    rules = economy.rules()
    assert (rules.ceiling.rate, rules.ceiling.price_year, rules.days_in_price_year.days) == (2322, 2024, 365)
    assert rules.refund.share == 50
    assert [(str(limit.from_date), limit.days) for limit in rules.refund.limits] == [
        ("2023-10-01", 120), ("2026-04-01", 90),
    ]  # fmt: skip
    assert str(rules.timeline.contracts.date) == "2028-01-01"
    assert list(rules.scenarios) == ["lav", "basis", "hoej"]
    assert economy.rules() is rules


BROKEN = {
    "ceiling.rate": ("ceiling", "rate", -1),
    "ceiling.source": ("ceiling", "source", ""),
    "days_in_price_year.days": ("days_in_price_year", "days", 30),
    "refund.share": ("refund", "share", 150),
    "refund.limits": ("refund", "limits", []),
    "refund: limits must be ordered": (
        "refund",
        "limits",
        [{"from": "2026-04-01", "days": 90}, {"from": "2023-10-01", "days": 120}],
    ),
    "refund.limits.0.days": ("refund", "limits", [{"from": "2026-04-01", "days": 400}]),
    "timeline.contracts": ("timeline", "contracts", {"date": "i 2028", "text": "x", "source": "x"}),
    "timeline: contracts must begin": (
        "timeline",
        "contracts",
        {"date": "2026-12-31", "text": "x", "source": "x"},
    ),
    "horizon.reason": ("horizon", "reason", None),
    "sensitivity.scenario 'middel' is not among lav, basis, hoej": ("sensitivity", "scenario", "middel"),
    "scenarios": ("scenarios", None, {}),
    "assumptions": ("assumptions", None, []),
    "ukendt: Extra inputs are not permitted": ("ukendt", None, 1),
}


@pytest.mark.parametrize("field", BROKEN)
def test_a_broken_rule_names_file_and_field(declared, with_rules, field):
    part, key, value = BROKEN[field]
    if key is None:
        declared[part] = value
    else:
        declared[part][key] = value
    with_rules(declared)
    with pytest.raises(InputError, match=rf"^shelter_rules.yml: .*{field}"):
        economy.rules()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("scenarios.lav.need.forecast", "lowest"),
        ("scenarios.lav.need.yearly_growth", 80),
        ("scenarios.hoej.price.ceiling_share", 101),
        ("scenarios.hoej.length_of_stay.change", -100),
        ("scenarios.basis.label", ""),
        ("sensitivity.variables.occupancy.high", 105),
        ("sensitivity.variables.ceiling_share.low", -1),
        ("sensitivity.variables.refund_days.high", 500),
        ("sensitivity.variables.rate.reason", ""),
        ("stay_limits.leaving.high", 120),
        ("housing_first.support_cost.low", -1),
    ],
)
def test_a_value_out_of_range_is_named_by_its_path(declared, with_rules, path, value):
    *parents, key = path.split(".")
    part = declared
    for parent in parents:
        part = part[parent]
    part[key] = value
    with_rules(declared)
    with pytest.raises(InputError, match=rf"^shelter_rules.yml: {path}"):
        economy.rules()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rules: rules["sensitivity"]["variables"]["need"].update(low=5), "low 5 must be below high 2.4"),
        (lambda rules: rules["housing_first"]["uptake"].update(middle=5), "low, middle and high must be in order"),
        (lambda rules: rules["sensitivity"]["variables"].pop("rate"), "sensitivity.variables.rate: Field required"),
    ],
)
def test_values_that_clash_are_refused(declared, with_rules, change, message):
    change(declared)
    with_rules(declared)
    with pytest.raises(InputError, match=message):
        economy.rules()


@pytest.mark.parametrize("text", ["", "ceiling: [1, 2", "- 1"])
def test_a_file_that_is_no_mapping_is_refused(with_rules, text):
    with_rules(text)
    with pytest.raises(InputError, match="^shelter_rules.yml: "):
        economy.rules()
