"""Herberg capacity: hand-computed use, flows, limits and need; closed forms; hidden cells that stay hidden."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from analysis import areas
from analysis.errors import InputError
from analysis.herberg import flows, need, queueing, spread
from analysis.herberg import stays as stay_lengths
from analysis.herberg import use as shelter_use
from analysis.herberg.flows import ELSEWHERE, TOTAL, UNKNOWN
from analysis.herberg.use import Level
from noegletal.facts.shelters import SCHEMAS

HOME, OTHER_KKR = "084", "082"
BYEN, OMEGN, NORD, BORNHOLM = "Byen København", "Københavns omegn", "Nordsjælland", "Landsdel Bornholm"
# Municipalities: two in the first cluster, one in each of the others, one in another KKR.
KBH, FRB, BALLERUP, HELSINGOER, ROENNE, AARHUS = "101", "147", "151", "217", "400", "751"


GEOGRAPHY = areas.area_table().set_index("area_code")
KKR = {"": "", **GEOGRAPHY.loc[list(areas.municipalities()), "region_code"]}
CLUSTERS = {"": "", **GEOGRAPHY.loc[list(areas.municipalities()), "landsdel_code"].map(areas.names())}


def empty(name):
    columns = SCHEMAS[name].columns
    return SCHEMAS[name].validate(pd.DataFrame({one: pd.Series(dtype=str(columns[one].dtype)) for one in columns}))


def stays(rows, first="2024-03-01", last="2024-03-10"):
    """Stays as (person, host, home, arrived, left), dates as days of March 2024; left None is still there."""
    frame = pd.DataFrame(rows, columns=["person", "host", "home", "arrived", "left"])
    day_zero = pd.Timestamp("2024-02-29")
    for column in ("arrived", "left"):
        frame[column] = day_zero + pd.to_timedelta(frame[column].astype(float), unit="D")
    for side in ("host", "home"):
        frame[f"{side}_kkr"] = frame[side].map(KKR)
        frame[f"{side}_cluster"] = frame[side].map(CLUSTERS)
    return frame.assign(first=pd.Timestamp(first), last=pd.Timestamp(last))


def places(*rows):
    """Places as (year, municipality, ownership, places)."""
    frame = pd.DataFrame(rows, columns=["year", "municipality", "ownership", "places"])
    return frame.assign(
        provider=[f"Tilbud {number}" for number in range(len(frame))],
        cluster=frame["municipality"].map(CLUSTERS),
        kkr=frame["municipality"].map(KKR),
        veteran_places=math.nan,
    )


def registrations(*rows):
    """Registrations as (area, period, arrivals, departures, nights)."""
    frame = pd.DataFrame(rows, columns=["area", "period", "arrivals", "departures", "nights"])
    spans = [
        pd.Period(text.replace("M", "-"), "M") if "M" in text else pd.Period(text.replace("K", "Q"), "Q")
        for text in frame["period"]
    ]
    return frame.assign(
        kkr=[code if code in areas.regions() else KKR[code] for code in frame["area"]],
        cluster="",
        first=[span.start_time for span in spans],
        days=[(span.end_time - span.start_time).days + 1 for span in spans],
        refusals=math.nan,
    )


def homeless(*rows):
    """Homeless persons as (municipality, year, homeless)."""
    frame = pd.DataFrame(rows, columns=["municipality", "year", "homeless"])
    return frame.assign(kkr=frame["municipality"].map(KKR), cluster=frame["municipality"].map(CLUSTERS))


# The small example: ten days, all kinds of stays.
SMALL = [
    ("a", KBH, KBH, 1, 4),  # 3 nights: 1, 2, 3
    ("a", BALLERUP, KBH, 4, None),  # moves on and is still there: 4-10, 7 nights
    ("b", KBH, "", -20, 3),  # began before the window: 2 nights inside
    ("c", KBH, AARHUS, 2, 8),  # 6 nights
    ("d", AARHUS, HELSINGOER, 5, 9),  # a citizen of the KKR elsewhere: 4 nights
    ("e", AARHUS, AARHUS, 1, None),  # nothing to do with the KKR
    ("f", BALLERUP, BALLERUP, 6, 6),  # in and out the same day: no night
]


# Use


def test_census_counts_each_night_once():
    daily = shelter_use.census(stays(SMALL), HOME)
    assert daily["occupied"].tolist() == [2, 3, 2, 2, 2, 2, 2, 1, 1, 1]
    assert daily["date"].tolist() == list(pd.date_range("2024-03-01", "2024-03-10"))


def test_census_by_cluster_adds_up_to_the_kkr():
    by_cluster = shelter_use.census(stays(SMALL), HOME, by="cluster")
    wide = by_cluster.pivot(index="date", columns="cluster", values="occupied")
    assert wide[BYEN].tolist() == [2, 3, 2, 1, 1, 1, 1, 0, 0, 0]
    assert wide[OMEGN].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert by_cluster["cluster"].drop_duplicates().tolist() == [BYEN, OMEGN]


def test_a_kkr_outside_the_extract_is_not_an_empty_one():
    assert shelter_use.census(stays(SMALL), "083").empty
    assert stay_lengths.length_of_stay(stays(SMALL), "083") is None


def test_a_stay_that_covers_the_whole_window_counts_every_night():
    assert shelter_use.census(stays([("a", KBH, KBH, -400, None)]), HOME)["occupied"].tolist() == [1] * 10


def test_an_open_stay_includes_the_last_day_and_a_departure_excludes_its_own():
    open_stay, ended = (shelter_use.census(stays([("a", KBH, KBH, 9, left)]), HOME) for left in (None, 10))
    assert open_stay["occupied"].tolist()[-3:] == [0, 1, 1]
    assert ended["occupied"].tolist()[-3:] == [0, 1, 0]


def test_a_stay_that_ends_before_it_begins_is_refused():
    with pytest.raises(InputError, match="Borger a: opholdet slutter 01.03.2024"):
        shelter_use.census(stays([("a", KBH, KBH, 5, 1)]), HOME)


def test_stays_of_two_extracts_are_refused():
    both = pd.concat([stays(SMALL), stays(SMALL, last="2024-03-11")])
    with pytest.raises(InputError, match="one extract"):
        shelter_use.census(both, HOME)


def test_occupancy_above_the_places_is_counted_and_no_error():
    full = shelter_use.occupancy(pd.Series([2, 3, 2, 2, 2, 2, 2, 1, 1, 1]), 2)
    assert full["mean"] == pytest.approx(1.8)
    assert full["mean_pct"] == pytest.approx(90)
    assert (full["p90"], full["p99"], full["max"], full["max_pct"]) == (2, 3, 3, 150)
    assert (full["days"], full["days_above"]) == (10, 1)


def test_occupancy_needs_places():
    with pytest.raises(InputError, match="above zero"):
        shelter_use.occupancy(pd.Series([1]), 0)


def test_registered_use_is_nights_per_day():
    use = shelter_use.monthly_use(
        registrations((KBH, "2024M01", 10, 8, 310), (BALLERUP, "2024M01", 5, 5, 31), (AARHUS, "2024M01", 1, 1, 31)),
        HOME,
    )
    assert use["occupied"].tolist() == [11]
    assert use["mean_stay"].tolist() == [pytest.approx(341 / 15)]
    assert use["refusals"].isna().all()


def test_a_municipality_that_stops_registering_is_named_and_its_period_missing():
    use = shelter_use.monthly_use(
        registrations((KBH, "2024M01", 1, 1, 31), (BALLERUP, "2024M02", 1, 1, 29), (KBH, "2024M02", 1, 1, 29))[:2], HOME
    )
    assert use["absent"].tolist() == ["", "København"]
    assert use["occupied"].iloc[0] == 1
    assert use[["occupied", "arrivals", "departures"]].iloc[1].isna().all()


def test_months_are_added_up_where_another_area_registers_the_quarter():
    months = [(KBH, f"2028M0{month}", 2, 1, 91) for month in (1, 2, 3)]
    use = shelter_use.monthly_use(registrations(*months, (BALLERUP, "2028K1", 5, 5, 182)), HOME)
    assert use["period"].tolist() == ["2028K1"]
    assert use["occupied"].tolist() == [(273 + 182) / 91]
    assert use["arrivals"].tolist() == [11]
    lacking = shelter_use.monthly_use(registrations(*months[:2], (BALLERUP, "2028K1", 5, 5, 182)), HOME)
    assert lacking["absent"].tolist() == ["København"]
    assert lacking["occupied"].isna().all()


def test_a_whole_kkr_may_register_instead_of_its_municipalities():
    use = shelter_use.monthly_use(registrations((KBH, "2024M01", 1, 1, 31), (HOME, "2024M02", 9, 9, 290)), HOME)
    assert use["occupied"].tolist() == [1, 10]
    assert use["absent"].tolist() == ["", ""]


def test_the_level_is_that_of_the_latest_year_and_the_later_source():
    two_years = stays([("a", KBH, KBH, 1, None), ("b", KBH, KBH, 367, None)], last="2026-02-28")
    used = shelter_use.level(two_years, empty("shelter_registrations"), HOME)
    assert (used.days, used.source, used.first) == (365, "stays", pd.Timestamp("2025-03-01"))
    assert used.mean == pytest.approx((365 + 364) / 365)
    later = registrations((HOME, "2026M03", 9, 9, 310))
    assert shelter_use.level(two_years, later, HOME).source == "registrations"
    assert shelter_use.level(two_years, later, HOME).mean == 10
    assert shelter_use.level(two_years, registrations((HOME, "2020M03", 9, 9, 310)), HOME).source == "stays"


def test_a_leap_year_of_months_is_a_whole_year():
    year = registrations(*[(HOME, f"2024M{month:02}", 1, 1, 310) for month in range(1, 13)])
    assert shelter_use.level(empty("shelter_stays"), year, HOME).days == 366


def decided(*rows):
    """Decisions as (cluster, first_year, public_places, other_places)."""
    frame = pd.DataFrame(rows, columns=["cluster", "first_year", "public_places", "other_places"])
    return frame.assign(kkr=HOME, veteran_places=math.nan)


def test_follow_up_sets_use_against_the_plan_in_force():
    use = registrations(*[(HOME, period, 5, 4, 910) for period in ("2027K4", "2028K1", "2029K1", "2031K1")])
    plan = decided((BYEN, 2028, 5, 10), (OMEGN, 2029, 5, 0), (BYEN, 2031, 0, 5))
    followed = shelter_use.follow_up(use, plan, HOME)
    # In 2028 one cluster has no decision in force yet, so there is no plan for the whole.
    assert followed["planned"].isna().tolist() == [True, True, False, False]
    assert followed["planned"].tolist()[2:] == [20, 10]
    assert followed["use_pct"].tolist()[2:] == [pytest.approx(910 / 90 / 20 * 100), pytest.approx(910 / 90 / 10 * 100)]
    assert followed["departures"].tolist() == [4] * 4


def test_follow_up_without_a_decision_has_no_plan():
    followed = shelter_use.follow_up(registrations((HOME, "2028K1", 5, 4, 910)), empty("shelter_decisions"), HOME)
    assert followed[["planned", "use_pct"]].isna().all(axis=None)
    assert followed["occupied"].tolist() == [10]


# Flows


def cells(table):
    return table.set_index(["home_cluster", "host_cluster"])


def fivefold():
    """Five copies of everyone in the small example, so that no cell is small."""
    return pd.concat([stays(SMALL).assign(person=lambda rows, n=n: rows["person"] + str(n)) for n in range(5)])


def test_flows_and_balance_of_the_small_example():
    many = fivefold()
    found = cells(flows.flows(many, HOME, 5))
    assert (found["status"] == "final").all()
    expected = {
        (BYEN, BYEN): (15, 5),
        (BYEN, OMEGN): (35, 5),
        (UNKNOWN, BYEN): (10, 5),
        (ELSEWHERE, BYEN): (30, 5),
        (NORD, ELSEWHERE): (20, 5),
    }
    filled = found[found["persons"] > 0]
    assert {cell: (row["nights"], row["persons"]) for cell, row in filled.iterrows()} == expected
    # Those from elsewhere who stay elsewhere are no business of the KKR.
    assert (ELSEWHERE, ELSEWHERE) not in found.index
    assert (UNKNOWN, ELSEWHERE) not in found.index
    balance = flows.balance(many, HOME, 5).set_index("cluster")
    assert balance["hosted"].to_dict() == {BYEN: 55, OMEGN: 35, NORD: 0}
    assert balance["paid"].to_dict() == {BYEN: 50, OMEGN: 0, NORD: 20}
    assert balance["own"].to_dict() == {BYEN: 15, OMEGN: 0, NORD: 0}
    assert balance["net"].to_dict() == {BYEN: 5, OMEGN: 35, NORD: -20}


def test_totals_count_a_person_once():
    totals = cells(flows._table(fivefold(), HOME, 5))
    assert totals.loc[(BYEN, TOTAL), "persons"] == 5
    assert totals.loc[(TOTAL, TOTAL), "persons"] == 20
    assert totals.loc[(TOTAL, TOTAL), "nights"] == 5 * (3 + 7 + 2 + 6 + 4)


def test_hosts_elsewhere_are_a_column_only_when_the_extract_has_them():
    own = stays([row for row in SMALL if row[1] != AARHUS])
    assert ELSEWHERE not in set(flows.flows(own, HOME, 5)["host_cluster"])


def test_a_small_cell_is_hidden_and_so_is_what_would_give_it_away():
    rows = [
        (f"p{home}{host}{n}", host, home, 1, 3)
        for home in (KBH, BALLERUP)
        for host in (KBH, BALLERUP)
        for n in range(9)
    ]
    rows += [("alone", HELSINGOER, KBH, 1, 3)]
    rows += [(f"h{n}", HELSINGOER, BALLERUP, 1, 3) for n in range(7)]
    found = cells(flows._table(stays(rows), HOME, 5))
    assert found.loc[(BYEN, NORD), "status"] == "suppressed"
    assert found.loc[(BYEN, NORD), ["nights", "persons"]].isna().all()
    hidden = found[found["status"] == "suppressed"]
    assert len(hidden) == 4
    assert (OMEGN, NORD) in hidden.index
    # Where it can be avoided no total is hidden.
    assert not [cell for cell in hidden.index if TOTAL in cell]


def test_suppression_does_not_depend_on_the_order_of_rows():
    rows = random_stays(3)
    pd.testing.assert_frame_equal(flows.flows(rows, HOME, 5), flows.flows(rows.sample(frac=1, random_state=1), HOME, 5))


def random_stays(seed):
    generator = np.random.default_rng(seed)
    count = int(generator.integers(2, 90))
    codes = [KBH, BALLERUP, HELSINGOER, ROENNE, AARHUS]
    weights = generator.dirichlet([0.5] * 5)
    hosts = generator.choice(codes, count, p=weights)
    homes = [host if generator.random() < 0.5 else generator.choice([*codes, ""]) for host in hosts]
    arrived = generator.integers(1, 9, count)
    return stays([(f"p{n}", *row) for n, row in enumerate(zip(hosts, homes, arrived, arrived + 2, strict=True))])


def counted(rows):
    """Persons by home and host with totals, as anyone would count them; each person has one stay here."""
    rows = rows[(rows["host_kkr"] == HOME) | (rows["home_kkr"] == HOME)]
    homes = [
        UNKNOWN if not home else there if region == HOME else ELSEWHERE
        for home, there, region in zip(rows["home"], rows["home_cluster"], rows["home_kkr"], strict=True)
    ]
    hosts = [
        there if region == HOME else ELSEWHERE
        for there, region in zip(rows["host_cluster"], rows["host_kkr"], strict=True)
    ]
    return pd.crosstab(pd.Series(homes), pd.Series(hosts), margins=True, margins_name=TOTAL)


def lines_of(table):
    """One equation per row and column, over the cells by position: sum of cells - total = 0."""
    lines = []
    for side, other in (("home_cluster", "host_cluster"), ("host_cluster", "home_cluster")):
        sign = np.where(table[other] == TOTAL, -1.0, 1.0)
        lines += [np.where(table[side] == name, sign, 0.0) for name in table[side].unique()]
    return np.array(lines)


# 172: a single person whose cell may only be thought of as holding more, not as empty.
@pytest.mark.parametrize("seed", [*range(15), 172])
def test_hidden_cells_cannot_be_solved_from_what_is_shown(seed):
    rows = random_stays(seed)
    shown = flows._table(rows, HOME, 5)
    table = counted(rows)
    cells_shown = zip(shown["home_cluster"], shown["host_cluster"], strict=True)
    truth = np.array([table.get(host, pd.Series()).get(home, 0) for home, host in cells_shown])
    hidden = (shown["status"] == "suppressed").to_numpy()
    assert (shown["persons"].to_numpy()[~hidden] == truth[~hidden]).all()
    assert ((truth[~hidden] == 0) | (truth[~hidden] >= 5)).all()
    lines = lines_of(shown)
    for line in lines:
        # What is hidden in a line can be added up from the rest: too few persons only when all of the line is hidden.
        together = truth[hidden & (line != 0)].sum()
        assert together == 0 or together >= 5 or not truth[~hidden & (line != 0)].any()
    # A reader who knows which of the hidden cells are empty solves for each of them, and finds a range.
    right = -(lines[:, ~hidden] @ truth[~hidden])
    bounds = [(min(value, 1), None) for value in truth[hidden]]
    for position in range(hidden.sum()):
        objective = np.eye(hidden.sum())[position]
        low = linprog(objective, A_eq=lines[:, hidden], b_eq=right, bounds=bounds)
        high = linprog(-objective, A_eq=lines[:, hidden], b_eq=right, bounds=bounds)
        assert low.status == 0
        # Status 3 is unbounded: with all totals hidden too, a cell could be anything.
        assert high.status == 3 or -high.fun - low.fun >= 1


def test_the_random_tables_do_need_protection():
    hidden = [(flows.flows(random_stays(seed), HOME, 5)["status"] == "suppressed").sum() for seed in range(15)]
    assert sum(count > 0 for count in hidden) > 10


def test_a_hidden_total_is_hidden_in_the_balance_too():
    lonely = flows.balance(stays([("a", KBH, KBH, 1, 5)]), HOME, 5)
    assert lonely[["hosted", "paid", "own", "net"]].isna().all(axis=None)
    assert lonely["status"].tolist() == ["suppressed"]


def test_a_threshold_that_protects_nobody_is_refused():
    with pytest.raises(InputError, match="smallest"):
        flows.flows(stays(SMALL), HOME, 1)


# Length of stay, limits, Housing First


def drawn_stays(seed, mean=60.0, per_day=6.0, days=365, before=900):
    """A steady system seen through a window: exponential stays (whole nights, at least one), Poisson arrivals."""
    generator = np.random.default_rng(seed)
    count = generator.poisson(per_day * (days + before))
    arrived = generator.integers(-before, days, count)
    left = arrived + np.ceil(generator.exponential(mean, count)).astype(int)
    seen = left > 0
    rows = pd.DataFrame({"person": np.char.add("p", np.arange(count).astype(str)), "host": KBH, "home": KBH})
    rows = rows.assign(arrived=arrived + 1.0, left=np.where(left < days, left + 1.0, np.nan))[seen]
    return stays(rows.reset_index(drop=True), last=pd.Timestamp("2024-03-01") + pd.Timedelta(days=days - 1))


def test_mean_length_of_finished_stays_is_their_average():
    found = stay_lengths.length_of_stay(
        stays([("a", KBH, KBH, 1, 3), ("b", KBH, KBH, 2, 8), ("c", KBH, KBH, 4, 5)]), HOME
    )
    assert found.mean == pytest.approx((2 + 6 + 1) / 3)
    assert (found.horizon, found.open_share, found.departures) == (6, 0, 3)


def test_open_and_early_stays_by_hand():
    # b is followed from its 5th night and leaves after 7; c is still there after 3 nights or more.
    rows = stays([("a", KBH, KBH, 1, 3), ("b", KBH, KBH, -4, 4), ("c", KBH, KBH, 8, None), ("d", KBH, KBH, 1, 6)])
    found = stay_lengths.length_of_stay(rows, HOME)
    # Nights 0-2 all: at 2 one of a, c, d leaves (2/3 left); at 5 d, the only one followed, leaves, so nobody is left
    # to follow although b stayed for 8: restricted to 5 nights.
    assert found.mean == pytest.approx(2 + 3 * 2 / 3)
    assert (found.horizon, found.open_share) == (5, pytest.approx(2 / 3))


def test_a_stay_still_running_is_followed_to_the_last_departure_that_could_be_seen():
    # c arrived two days before the last: it has not left after 2 nights, and nobody knows whether it does after 3.
    rows = stays([("a", KBH, KBH, 1, 4), ("b", KBH, KBH, 1, 7), ("c", KBH, KBH, 8, None)])
    assert stay_lengths.length_of_stay(rows, HOME).mean == pytest.approx(3 + 3 * 1 / 2)


def test_the_mean_length_of_exponential_stays_is_found_through_a_window():
    # Rounded up to whole nights an exponential stay is geometric.
    expected = 1 / (1 - math.exp(-1 / 60))
    found = [stay_lengths.length_of_stay(drawn_stays(seed), HOME).mean for seed in range(6)]
    assert np.mean(found) == pytest.approx(expected, rel=0.03)
    # What the adjustment is for: of the stays that begin and end inside the window, the long ones are missing.
    whole = drawn_stays(0, days=120)
    inside = whole[whole["left"].notna() & (whole["arrived"] >= whole["first"])]
    assert (inside["left"] - inside["arrived"]).dt.days.mean() < 0.7 * expected
    assert stay_lengths.length_of_stay(whole, HOME).mean == pytest.approx(expected, rel=0.1)


def test_the_steady_state_is_arrivals_times_length_and_agrees_with_the_census():
    rows = drawn_stays(1)
    state = stay_lengths.steady_state(rows, HOME)
    assert state.occupied == pytest.approx(state.arrivals_per_day * state.length.mean)
    assert state.low < state.occupied < state.high
    assert state.occupied == pytest.approx(shelter_use.census(rows, HOME)["occupied"].mean(), rel=0.05)
    assert state == stay_lengths.steady_state(rows, HOME)


@pytest.mark.long
def test_the_interval_of_the_steady_state_holds_the_truth_about_as_often_as_promised():
    truth = 6 / (1 - math.exp(-1 / 60))
    held = []
    for seed in range(12):
        state = stay_lengths.steady_state(drawn_stays(100 + seed), HOME)
        held.append(state.low <= truth <= state.high)
    assert 0.6 <= np.mean(held) <= 0.98


def test_nights_beyond_a_limit_by_hand():
    rows = stays(
        [
            ("a", KBH, KBH, 1, 4),  # 3 nights, none beyond 4
            ("a", BALLERUP, KBH, 6, None),  # 5 nights, the first of them the fourth: 4 beyond
            ("b", KBH, KBH, -3, 5),  # 4 nights before the window, so all 4 inside it are beyond
            ("c", AARHUS, KBH, 1, 5),  # the limit used up in another KKR ...
            ("c", KBH, KBH, 5, 7),  # ... so both nights here are beyond
        ]
    )
    assert stay_lengths.nights_beyond(rows, 4).tolist() == [0, 4, 4, 0, 2]
    freed = stay_lengths.freed_places(rows, HOME, (4, 400), (0.25, 0.5, 1.0))
    four = freed[freed["limit"] == 4].set_index("case")
    assert four["places"].to_dict() == pytest.approx({"upper_bound": 1.0, "low": 0.25, "middle": 0.5, "high": 1.0})
    assert (freed.loc[freed["limit"] == 400, "places"] == 0).all()


def test_the_count_begins_again_a_year_after_the_first_admission():
    whole = stays([("a", KBH, KBH, 1, None)], last="2026-02-28")
    # Two years of 365 nights, 120 of them within the limit in each.
    assert stay_lengths.nights_beyond(whole, 120).tolist() == [2 * (365 - 120)]
    # A year that ends between two stays begins again with the second stay and not at the anniversary.
    parts = stays([("a", KBH, KBH, 1, 101), ("a", KBH, KBH, 400, 500)], last="2026-02-28")
    assert stay_lengths.nights_beyond(parts, 90).tolist() == [10, 10]
    late = stays([("a", KBH, KBH, 1, 101), ("a", KBH, KBH, 301, 401)], last="2026-02-28")
    # 65 nights of the second stay fall in the first year, all beyond; the other 35 begin a new year.
    assert stay_lengths.nights_beyond(late, 90).tolist() == [10, 65]


def test_nights_beyond_do_not_depend_on_the_order_of_rows():
    rows = drawn_stays(2).assign(person=lambda frame: frame.index % 300)
    rows = rows.assign(person=rows["person"].astype(str)).drop_duplicates(["person", "arrived"])
    shuffled = rows.sample(frac=1, random_state=1)
    pd.testing.assert_series_equal(
        stay_lengths.nights_beyond(rows, 30), stay_lengths.nights_beyond(shuffled, 30).reindex(rows.index)
    )


@pytest.mark.parametrize(("limits", "leaving"), [((0,), (0, 0, 0)), ((90,), (0.5, 0.2, 0.8)), ((90,), (0.2, 0.5, 1.2))])
def test_limits_and_shares_that_make_no_sense(limits, leaving):
    with pytest.raises(InputError):
        stay_lengths.freed_places(stays(SMALL), HOME, limits, leaving)


def test_housing_first_frees_the_remaining_stay_up_to_all_long_stays():
    rows = drawn_stays(3)
    freed = stay_lengths.housing_first(rows, HOME, (0, 10, 1e6), 90)
    # Exponential stays have no memory: as much remains after 90 nights as from the start.
    assert freed["remaining"].iloc[0] == pytest.approx(60, rel=0.15)
    assert freed["places"].tolist()[:2] == [0, pytest.approx(10 * freed["remaining"].iloc[0] / 365)]
    # In a steady system with a places taken, the part past 90 nights is exp(-90 / 60) of them.
    assert freed["long_stay"].iloc[0] == pytest.approx(360 * math.exp(-1.5), rel=0.15)
    assert freed["places"].iloc[2] == freed["long_stay"].iloc[2]
    assert freed["capped"].tolist() == [False, False, True]


def test_housing_first_without_long_stays_frees_nothing():
    freed = stay_lengths.housing_first(stays(SMALL), HOME, (10,), 300)
    assert freed["places"].tolist() == [0]
    assert freed["remaining"].isna().all()
    with pytest.raises(InputError, match="negative"):
        stay_lengths.housing_first(stays(SMALL), HOME, (-1,), 90)


# Places today


def test_today_is_the_latest_year_of_the_kkr():
    rows = places((2023, KBH, "privat", 50), (2024, KBH, "kommunal", 30), (2025, AARHUS, "kommunal", 99))
    assert need.today(rows, HOME)["places"].tolist() == [30]
    assert need.today(rows, "083").empty
    by_year = need.places_by_year(rows, HOME)
    assert by_year.to_dict("list") == {"year": [2023, 2024], "ownership": ["privat", "kommunal"], "places": [50, 30]}


def test_private_shares():
    rows = places(
        (2024, KBH, "kommunal", 30),
        (2024, KBH, "regional", 10),
        (2024, KBH, "selvejende", 40),
        (2024, FRB, "privat", 20),
        (2025, FRB, "kommunal", 20),
    )
    shares = need.private_share(rows)
    assert shares["other_share"].tolist() == [60, 0]
    assert shares["private_share"].tolist() == [20, 0]


def test_an_unknown_ownership_is_named():
    with pytest.raises(InputError, match="fond.*ukendt"):
        need.private_share(places((2024, KBH, "fond", 30)))


# Need


ADULTS = pd.Series({"081": 400_000, "082": 1_000_000, "083": 900_000, "084": 1_500_000, "085": 600_000})
HOMELESS = [(code, 2024, 100.0) for code in ("851", AARHUS, "461", KBH, "259")]


def country(seed=5):
    """A year of stays in all five KKR."""
    parts = []
    for number, host in enumerate(["851", AARHUS, "461", KBH, "259"]):
        part = drawn_stays(seed + number, mean=40, per_day=1 + number / 2, before=400)
        parts.append(
            part.assign(person=part["person"] + host, host=host, host_kkr=KKR[host], host_cluster=CLUSTERS[host])
        )
    rows = pd.concat(parts, ignore_index=True)
    moved = (rows["host"] == KBH) & (rows.index % 3 == 0)
    return rows.assign(
        host=rows["host"].mask(moved, BALLERUP), host_cluster=rows["host_cluster"].mask(moved, CLUSTERS[BALLERUP])
    )


@pytest.fixture(scope="module")
def inputs():
    return {
        "places": places(
            (2025, KBH, "kommunal", 90),
            (2025, BALLERUP, "privat", 45),
            (2025, AARHUS, "kommunal", 80),
            (2025, "851", "kommunal", 60),
            (2025, "461", "kommunal", 99),
            (2025, "259", "kommunal", 150),
        ),
        "stays": country(),
        "registrations": empty("shelter_registrations"),
        "adults": ADULTS,
        "homeless": homeless(*HOMELESS),
    }


def needed(inputs, code=HOME, target_occupancy=0.9, refusal=0.01, **replaced):
    return need.need(code, target_occupancy=target_occupancy, refusal=refusal, **{**inputs, **replaced}).set_index(
        "method"
    )


def test_need_by_four_methods(inputs):
    found = needed(inputs)
    assert found.index.tolist() == ["realised", "queueing", "rates", "arrivals"]
    assert found["computable"].all()
    assert (found["low"] <= found["middle"]).all()
    assert (found["middle"] <= found["high"]).all()
    assert (found[["low", "middle", "high"]] % 1 == 0).all(axis=None)
    daily = shelter_use.census(inputs["stays"], HOME)["occupied"]
    assert found.loc["realised", "middle"] == math.ceil(daily.mean() / 0.9)
    assert found.loc["realised", "high"] == math.ceil(daily.sort_values().iloc[math.ceil(0.9 * len(daily)) - 1] / 0.9)
    offered = queueing.offered_load(daily.mean(), 135)
    assert found.loc["queueing", "low"] == queueing.places_needed(daily.mean(), 0.01)
    assert found.loc["queueing", "middle"] == queueing.places_needed(offered, 0.01)
    by_cluster = shelter_use.census(inputs["stays"], HOME, by="cluster").groupby("cluster")["occupied"].mean()
    alone = [queueing.places_needed(offered * mean / daily.mean(), 0.01) for mean in by_cluster]
    assert len(alone) == 2
    assert found.loc["queueing", "high"] == sum(alone)
    rates = [
        shelter_use.census(inputs["stays"], code)["occupied"].mean() / ADULTS[code] * ADULTS[HOME] / 0.9
        for code in areas.regions()
        if code != HOME
    ]
    assert found.loc["rates", ["low", "middle", "high"]].tolist() == [
        math.ceil(value) for value in (min(rates), np.median(rates), max(rates))
    ]
    state = stay_lengths.steady_state(inputs["stays"], HOME)
    assert found.loc["arrivals", "middle"] == math.ceil(state.occupied / 0.9)


def test_the_assumptions_are_sentences_with_danish_numbers(inputs):
    found = needed(inputs, target_occupancy=0.925)
    for text in found["assumption"]:
        assert text.endswith(".")
        assert "nan" not in text.split()
    assert "92,5\u00a0pct. af pladserne er optaget" in found.loc["realised", "assumption"]
    assert "pr. hjemløs" in found.loc["rates", "assumption"]
    assert "pr. hjemløs" not in needed(inputs, homeless=empty("shelter_homeless")).loc["rates", "assumption"]


@pytest.mark.parametrize("target", [1.01, 90, 0, -0.5, math.nan])
def test_a_target_outside_its_range_is_named(inputs, target):
    with pytest.raises(InputError, match="target_occupancy"):
        needed(inputs, target_occupancy=target)


@pytest.mark.parametrize("refusal", [0, 1, 5, math.nan])
def test_a_refusal_outside_its_range_is_named_even_without_stays(inputs, refusal):
    with pytest.raises(InputError, match="refusal"):
        needed(inputs, refusal=refusal, stays=empty("shelter_stays"))


def test_a_kkr_that_is_not_known_is_named(inputs):
    with pytest.raises(InputError, match="'101'"):
        needed(inputs, KBH)


def test_a_full_target_is_allowed_and_whole_numbers_are_not_rounded_up(inputs):
    month = registrations((HOME, "2024M01", 1, 1, 31 * 63))
    found = needed(inputs, stays=empty("shelter_stays"), registrations=month)
    assert found.loc["realised", "middle"] == 70
    assert needed(inputs, target_occupancy=1.0).loc["realised", "computable"]


@pytest.mark.parametrize(
    ("missing", "lost"),
    [
        ({"stays": empty("shelter_stays")}, {"realised", "queueing", "arrivals"}),
        ({"places": places()}, {"queueing"}),
        ({"adults": pd.Series(dtype=float)}, {"rates"}),
        ({"homeless": empty("shelter_homeless")}, set()),
        (
            {"stays": empty("shelter_stays"), "places": places(), "adults": pd.Series(dtype=float)},
            {"realised", "queueing", "rates", "arrivals"},
        ),
    ],
)
def test_each_missing_input_takes_its_methods_and_says_why(inputs, missing, lost):
    found = needed(inputs, **missing)
    assert set(found.index[~found["computable"]]) == lost
    assert (found.loc[sorted(lost), "reason"] != "").all()
    assert found.loc[sorted(lost), ["low", "middle", "high"]].isna().all(axis=None)
    kept = found[found["computable"]]
    assert (kept["reason"] == "").all()
    assert kept[["low", "middle", "high"]].notna().all(axis=None)


def test_registrations_replace_stays_but_tell_no_lengths(inputs):
    months = registrations(*[(HOME, f"2024M{month:02}", 30, 30, 2700 + 30 * month) for month in range(1, 13)])
    found = needed(inputs, stays=empty("shelter_stays"), registrations=months)
    assert found["computable"].tolist() == [True, True, True, False]
    assert found.loc["realised", "middle"] == math.ceil(sum(2700 + 30 * month for month in range(1, 13)) / 366 / 0.9)
    assert "måneder" in found.loc["realised", "assumption"]
    # Without stays the use of the other KKR is not known either: places are compared, at no target.
    assert found.loc["rates", "middle"] == math.ceil(np.median([60 / 40, 80 / 100, 99 / 90, 150 / 60]) * 150)
    # Clusters are not known: nothing is said about them.
    assert found.loc["queueing", "high"] == found.loc["queueing", "middle"]


def test_a_single_wild_month_does_not_turn_the_range_around(inputs):
    months = [(HOME, f"2024M{month:02}", 1, 1, 310 if month > 1 else 310_000) for month in range(1, 13)]
    found = needed(inputs, stays=empty("shelter_stays"), registrations=registrations(*months))
    assert found.loc["realised", "high"] == found.loc["realised", "middle"] > found.loc["realised", "low"]


def test_two_kkr_only(inputs):
    both = inputs["stays"][inputs["stays"]["host_kkr"].isin([HOME, OTHER_KKR])]
    two = inputs["places"][inputs["places"]["kkr"].isin([HOME, OTHER_KKR])]
    found = needed(inputs, stays=both, places=two, adults=ADULTS[[HOME, OTHER_KKR]])
    assert found["computable"].all()
    assert found.loc["rates", "low"] == found.loc["rates", "middle"] == found.loc["rates", "high"]
    assert "den ene anden KKR" in found.loc["rates", "assumption"]


def test_a_full_house_says_nothing_about_those_refused(inputs):
    found = needed(inputs, places=places((2025, KBH, "kommunal", 50)))
    assert not found.loc["queueing", "computable"]
    assert "50 på pladslisten" in found.loc["queueing", "reason"]
    mean = shelter_use.census(inputs["stays"], HOME)["occupied"].mean()
    # A place or so above the mean is as full: more than half would have to be refused.
    barely = needed(inputs, places=places((2025, KBH, "kommunal", math.ceil(mean))))
    assert not barely.loc["queueing", "computable"]


def test_few_stays_give_no_length(inputs):
    found = needed(inputs, stays=stays(SMALL))
    assert found.loc["arrivals", "reason"].startswith("Der er for få ophold")
    settled = inputs["stays"][inputs["stays"]["arrived"] < inputs["stays"]["first"]]
    assert needed(inputs, stays=settled).loc["arrivals", "reason"] == "Der er ingen nye ophold i det seneste år."


def test_use_is_set_against_the_places_of_its_own_time(inputs):
    grown = pd.concat([inputs["places"], places((2030, KBH, "kommunal", 900))], ignore_index=True)
    assert needed(inputs, places=grown).loc["queueing", "middle"] == needed(inputs).loc["queueing", "middle"]


def test_the_interval_is_of_the_middles_and_names_its_ends():
    methods = pd.DataFrame(
        {
            "label": ["A", "B", "C"],
            "low": [80.0, 95.0, math.nan],
            "middle": [100.0, 110.0, math.nan],
            "high": [130.0, 120.0, math.nan],
            "computable": [True, True, False],
        }
    )
    assert need.need_interval(methods) == (100, 110, "A", "B", 2)
    assert need.need_interval(methods.iloc[[0]]) == (80, 130, "A", "A", 1)
    nothing = need.need_interval(methods.iloc[[2]])
    assert math.isnan(nothing.low)
    assert nothing.methods == 0


def test_rates_show_what_each_kkr_is_compared_by(inputs):
    table = need.rates(**inputs).set_index("kkr")
    assert table.loc[OTHER_KKR, "places_per_10000"] == pytest.approx(0.8)
    assert table.loc[HOME, "places_per_100_homeless"] == pytest.approx(135)
    own_only = need.rates(**{**inputs, "places": inputs["places"][inputs["places"]["kkr"] == HOME]})
    assert own_only.set_index("kkr").loc[OTHER_KKR, ["places", "places_per_10000"]].isna().all()


# Spread


def adults_by_municipality(without=()):
    rows = pd.DataFrame({"municipality": [code for code in areas.members(HOME) if code not in without]})
    return rows.assign(cluster=rows["municipality"].map(CLUSTERS), adults=1000)


@pytest.fixture
def weights():
    return spread.criteria(
        HOME,
        places=places((2024, KBH, "kommunal", 60), (2024, BALLERUP, "privat", 40), (2024, AARHUS, "privat", 40)),
        stays=stays(SMALL),
        homeless=homeless((KBH, 2022, 999.0), (KBH, 2024, 30.0), (ROENNE, 2024, 10.0), (AARHUS, 2024, 10.0)),
        adults=adults_by_municipality(),
    )


def test_criteria_are_shares_of_the_kkr(weights):
    wide = weights.pivot(index="cluster", columns="criterion", values="weight")
    assert wide.sum().tolist() == pytest.approx([1] * 5)
    assert wide["hjemloese"].to_dict() == {BYEN: 0.75, BORNHOLM: 0.25, OMEGN: 0, NORD: 0}
    assert wide["pladser_i_dag"].to_dict() == {BYEN: 0.6, OMEGN: 0.4, NORD: 0, BORNHOLM: 0}
    # Nights of citizens of the KKR wherever they stay: 10 from Byen, 4 from Nordsjælland.
    assert wide["brug_hjemkommune"].to_dict() == pytest.approx({BYEN: 10 / 14, NORD: 4 / 14, OMEGN: 0, BORNHOLM: 0})
    assert wide.loc[BYEN, "blandet"] == pytest.approx(wide.drop(columns="blandet").loc[BYEN].mean())
    notes = weights.drop_duplicates("criterion").set_index("criterion")["note"]
    assert notes["befolkning"] == ""
    assert notes["hjemloese"].startswith("27 af 29 kommuner har ingen tal")


def test_criteria_without_figures_are_unknown_and_not_zero():
    found = spread.criteria(
        HOME,
        places=places(),
        stays=empty("shelter_stays"),
        homeless=homeless((KBH, 2024, math.nan)),
        adults=adults_by_municipality(without=(KBH, FRB)),
    )
    known = found.dropna(subset=["weight"])
    assert known["criterion"].drop_duplicates().tolist() == ["befolkning", "blandet"]
    lost = found[found["weight"].isna()]
    assert lost["amount"].isna().all()
    assert (lost["note"] == "Der er ingen tal for kriteriet.").all()
    note = found.loc[found["criterion"] == "befolkning", "note"].iloc[0]
    assert note == "2 af 29 kommuner har ingen tal og vægter 0: København og Frederiksberg."
    assert spread.spread(10, found)["criterion"].unique().tolist() == ["befolkning", "blandet"]


def test_adults_of_two_years_are_refused():
    twice = pd.concat([adults_by_municipality()] * 2)
    with pytest.raises(InputError, match="101"):
        spread.criteria(HOME, places=places(), stays=empty("shelter_stays"), homeless=homeless(), adults=twice)


@pytest.mark.parametrize("total", [12, 13, 57, 100, 613])
def test_spread_keeps_the_total_under_every_criterion(weights, total):
    found = spread.spread(total, weights, minimum=3, veteran_places=11)
    sums = found.groupby("criterion")[["places", "veteran_places"]].sum()
    assert (sums["places"] == total).all()
    assert (sums["veteran_places"] == 11).all()
    assert len(sums) == 5
    assert (found["places"] >= 3).all()
    assert (found["veteran_places"] <= found["places"]).all()


def test_a_cluster_without_need_gets_its_minimum_only(weights):
    minimum = pd.Series({BYEN: 0, OMEGN: 2, NORD: 5, BORNHOLM: 1})
    found = spread.spread(50, weights, minimum)
    homeless_only = found[found["criterion"] == "hjemloese"].set_index("cluster")["places"]
    assert (homeless_only[OMEGN], homeless_only[NORD]) == (2, 5)


def test_more_minimum_or_veterans_than_places_is_refused(weights):
    with pytest.raises(InputError, match="minimums add up to 40"):
        spread.spread(39, weights, minimum=10)
    with pytest.raises(InputError, match="veteran_places"):
        spread.spread(39, weights, veteran_places=40)


def test_nothing_to_spread_is_nothing_everywhere(weights):
    assert (spread.spread(0, weights)[["places", "veteran_places"]] == 0).all(axis=None)


def test_nothing_delivered_gives_empty_frames_and_no_error():
    none = empty("shelter_stays")
    assert shelter_use.census(none, HOME, by="cluster").empty
    assert flows.flows(none, HOME, 5).empty
    assert flows.balance(none, HOME, 5).empty
    assert stay_lengths.freed_places(none, HOME, (90,), (0.1, 0.2, 0.3)).empty
    assert stay_lengths.housing_first(none, HOME, (10,), 90).empty
    assert shelter_use.monthly_use(empty("shelter_registrations"), HOME).empty
    assert shelter_use.follow_up(empty("shelter_registrations"), empty("shelter_decisions"), HOME).empty
    assert need.private_share(empty("shelter_places")).empty
    assert need.places_by_year(empty("shelter_places"), HOME).empty
    nothing = spread.criteria(
        HOME,
        places=empty("shelter_places"),
        stays=none,
        homeless=empty("shelter_homeless"),
        adults=empty("shelter_projection"),
    )
    assert nothing.empty


# What a choice of places would mean


USED = Level(90.0, 85.0, 95.0, pd.Timestamp("2024-01-01"), pd.Timestamp("2024-12-31"), 366, "stays")


def test_a_choice_is_judged_by_the_load_behind_todays_use():
    chosen = need.consequences({"Flere": 110, "Færre": 80.2, "Ukendt": math.nan}, USED, 100, 62.5)
    assert list(chosen["label"]) == ["Færre", "Flere"], "fewest first, and without the one that is not known"
    assert list(chosen["places"]) == [81, 110]
    # 50,6 and 68,75 places to tender.
    assert list(chosen["other_places"]) == [51, 69]
    offered = queueing.offered_load(90.0, 100)
    expected = [queueing.blocking(offered, places) * 100 for places in (81, 110)]
    assert chosen["refused_pct"].tolist() == pytest.approx(expected)
    taken = [offered * (1 - share / 100) / places * 100 for share, places in zip(expected, (81, 110), strict=True)]
    assert chosen["occupancy_pct"].tolist() == pytest.approx(taken)


def test_the_places_of_today_give_todays_occupancy_back():
    chosen = need.consequences({"Som i dag": 100}, USED, 100, 50)
    assert chosen["occupancy_pct"].item() == pytest.approx(90)


@pytest.mark.parametrize("housed", [90, 80, 91])
def test_a_full_house_says_nothing_of_those_turned_away(housed):
    chosen = need.consequences({"Som i dag": housed}, USED, housed, 50)
    assert chosen[["occupancy_pct", "refused_pct"]].isna().all(axis=None) == (housed <= 90)


def test_no_places_turn_everybody_away():
    chosen = need.consequences({"Ingen": 0}, USED, 100, 50)
    assert chosen["refused_pct"].item() == 100
    assert math.isnan(chosen["occupancy_pct"].item())


def test_places_are_those_of_the_year_nearest_to_the_use():
    places = pd.DataFrame({"kkr": "084", "year": [2021, 2023, 2025], "places": [100, 110, 120]})
    assert need.places_in_use(places, "084", USED) == 120, "of two years as near, the later"
    assert need.places_in_use(places[places["year"] < 2025], "084", USED) == 110
    assert need.places_in_use(places, "085", USED) == 0
    assert need.places_in_use(places, "084", None) == 0


def test_months_become_quarters_as_soon_as_one_quarter_is_registered():
    months = pd.DataFrame(
        {"first": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"]), "days": [31, 29, 31],
         "occupied": [10.0, 20.0, 30.0]}
    )  # fmt: skip
    series = shelter_use.occupied_series(months)
    assert series.index.freqstr == "M"
    assert list(series) == [10, 20, 30]
    quarter = pd.DataFrame({"first": [pd.Timestamp("2024-07-01")], "days": [92], "occupied": [40.0]})
    series = shelter_use.occupied_series(pd.concat([months, quarter]))
    assert [str(period) for period in series.index] == ["2024Q1", "2024Q2", "2024Q3"]
    assert series.iloc[0] == pytest.approx((10 * 31 + 20 * 29 + 30 * 31) / 91)
    assert math.isnan(series.iloc[1]), "a quarter that nobody registered is a gap, not zero"
    assert math.isnan(shelter_use.occupied_series(pd.concat([months.head(2), quarter])).iloc[0]), "nor is a part of one"
    assert shelter_use.occupied_series(months.head(0)).empty


def test_a_criterion_without_figures_cannot_be_chosen():
    weights = pd.DataFrame(
        {"criterion": ["befolkning", "hjemloese"], "cluster": ["Nord", "Nord"], "weight": [1.0, math.nan]}
    )
    assert list(spread.chosen(weights, "befolkning")["cluster"]) == ["Nord"]
    for name in ("hjemloese", "afstand"):
        with pytest.raises(InputError, match=f"criterion '{name}' cannot be used; there are figures for: befolkning"):
            spread.chosen(weights, name)
