"""The front door of the shelter model: its parts agree with each other, and say what they can without a delivery."""

import pandas as pd
import pytest

from analysis import danish, herberg
from analysis.danish import number
from analysis.errors import InputError
from analysis.herberg import need, sentences
from analysis.section import Section

SINGLE_STAYS, PERIODS = "shelter_stays", "shelter_registrations"


@pytest.fixture
def model_of(processed, monkeypatch):
    """The model of a KKR, some of whose facts did not come or are as given."""
    monkeypatch.setenv("NOEGLETAL_PROCESSED", str(processed))

    def opened(*absent, area="hovedstaden", facts=None, **assumptions):
        section, there = Section("", "2025", area), facts or {}
        whole = section.facts
        section.facts = lambda name: whole(name).iloc[:0] if name in absent else there.get(name, whole(name))
        return herberg.model(section, **assumptions)

    return opened


def test_the_parts_of_the_model_agree(model_of):
    model = model_of(minimum=20, criterion="hjemloese")
    assert model.places.loc[model.places["year"] == model.listed_year, "value"].sum() == model.place_count
    assert model.places_by_cluster["value"].sum() == model.place_count
    assert set(model.spread.groupby("variant")["value"].sum()) == {model.place_count}
    by_cluster, interval = model.need_by_cluster, model.need_interval
    assert by_cluster["value"].sum() == round(interval.low)
    assert by_cluster["high"].sum() == round(interval.high)
    assert by_cluster["veterans"].sum() == model.veteran_places
    assert by_cluster["today"].sum() == model.place_count
    assert by_cluster["value"].min() >= 20, "each cluster first gets its minimum"
    assert (model.need["low"] <= model.need["value"]).all()
    assert (model.need["value"] <= model.need["high"]).all()
    costs = model.municipal_cost.groupby("year")["value"].sum()
    basis = model.cost[model.cost["variant"] == "basis"].set_index("year")["value"]
    assert costs.to_dict() == pytest.approx(basis[costs.index].to_dict()), "municipalities add up to the KKR"
    assert model.cost_now == pytest.approx(basis[model.section.last])
    assert set(model.sensitivity["value"].round()) == {round(basis[model.last_year])}, "the middle is the scenario"


def test_a_choice_costs_its_places_at_todays_takst(model_of):
    model = model_of()
    today = model.choices.set_index("variant").loc["Som i dag"]
    takster = model.rates.dropna(subset="value")
    mean = (takster["value"] * takster["places"]).sum() / takster["places"].sum()
    assert today["value"] == model.place_count
    assert today["yearly_cost"] == pytest.approx(model.place_count * mean * model.rules.days_in_price_year.days)


def test_growth_from_nothing_is_not_a_number(model_of):
    model = model_of()
    assert model.private_growth > 0
    model.places = model.places.assign(value=model.places["value"].where(model.places["year"] > 2015, 0.0))
    assert danish.missing(model.private_growth)
    assert model.past_growth == pytest.approx((model.past_cost.iloc[-1] / model.past_cost.iloc[0] - 1) * 100)
    model.past_cost = model.past_cost.where(model.past_cost.index > model.past_cost.index[0], 0.0)
    assert danish.missing(model.past_growth)


def test_assumptions_move_the_need_and_wrong_ones_are_refused(model_of):
    tight, roomy = (model_of(target_occupancy=share).need.set_index("variant")["value"] for share in (98.0, 80.0))
    assert tight["realised"] < roomy["realised"]
    with pytest.raises(InputError, match="scenario 'vild' is not in"):
        model_of(scenario="vild")
    with pytest.raises(InputError, match="target_occupancy must be above 0"):
        sentences.needed(model_of(target_occupancy=120.0))
    with pytest.raises(InputError, match="criterion 'lykke' cannot be used"):
        model_of(criterion="lykke").spread_by("lykke", 10)


def test_without_single_stays_the_model_goes_by_what_is_registered(model_of):
    model = model_of(SINGLE_STAYS)
    assert model.nights.empty
    assert model.flows.empty
    assert model.freed.empty
    assert not model.after_refund
    assert sentences.refund(model) == "før refusion"
    assert model.use.source == "registrations"
    assert sentences.methods(model).startswith("Metoderne spænder fra ")
    assert sentences.summary(model).set_index("Spørgsmål").loc["Belagte pladser i gennemsnit", "Svar"] != ".."


def test_without_figures_of_the_use_nothing_is_said_of_it(model_of):
    model = model_of(SINGLE_STAYS, PERIODS, "shelter_homeless")
    assert model.use is None
    assert model.choices.empty
    assert model.history.empty
    assert model.backtest.empty
    assert model.follow_up.empty
    assert sentences.expected(model) == "Tallene er for få til en fremskrivning"
    assert sentences.how_expected(model).startswith("Ingen fremskrivning, fordi ")
    answers = sentences.summary(model).set_index("Spørgsmål")
    assert answers.loc["Belagte pladser i gennemsnit", "Svar"] == ".."
    none = model.need_at(92, 1).assign(computable=False)
    assert need.need_interval(none).methods == 0


def test_a_need_that_cannot_be_computed_is_said_so(model_of, monkeypatch):
    model = model_of()
    monkeypatch.setattr(model, "need_at", lambda *_: _no_method(model_of()))
    assert sentences.needed(model) == f"Behovet for herbergspladser {danish.NOT_KNOWN}"
    assert sentences.methods(model).startswith(f"Behovet for herbergspladser {danish.NOT_KNOWN}; i dag er der ")
    answers = sentences.summary(model).set_index("Spørgsmål")
    assert answers.loc["Behov for pladser i alt", "Bygger på"] == "der mangler tal for brugen"


def _no_method(model):
    return model.need_at(92, 1).assign(low=float("nan"), middle=float("nan"), high=float("nan"), computable=False)


def test_use_is_held_against_what_was_decided(model_of):
    before = model_of()
    assert sentences.capacity(before) == ("Pladser i dag", float(before.place_count))
    decided = pd.DataFrame(
        {"kkr": ["084"], "cluster": ["Byen København"], "first_year": [2020], "public_places": [1000],
         "other_places": [500]}
    )  # fmt: skip
    model = model_of(facts={"shelter_decisions": decided})
    assert sentences.capacity(model) == ("Besluttet kapacitet", 1500.0)
    latest = model.follow_up.dropna(subset=["value"]).iloc[-1]
    assert f"{number(latest['value'] / 15)}\u00a0pct. af den besluttede kapacitet" in sentences.followed(model)


def test_which_cluster_houses_most_is_not_said_where_none_houses_more_than_it_pays_for():
    balance = pd.DataFrame({"cluster": ["Nord", "Syd"], "net": [120.0, -10.0]})
    assert sentences.houses_most(balance) == "Nord huser flest døgn ud over dem, der betales derfra"
    assert sentences.houses_most(balance.assign(net=[-5.0, -10.0])) == "Fra hjemsted til herberg"
    assert sentences.houses_most(balance.assign(net=[120.0, float("nan")])) == "Fra hjemsted til herberg"


def test_no_spread_no_extreme(model_of, monkeypatch):
    model = model_of()
    most = sentences.spread_most(model)
    assert most.endswith(f"af dagens {number(model.place_count)} pladser, alt efter kriterium")
    model.spread = model.spread.assign(value=233.0)
    assert sentences.spread_most(model).endswith(
        f"får 233 af dagens {number(model.place_count)} pladser, uanset kriterium"
    )
    model.spread = model.spread.iloc[:0]
    assert sentences.spread_most(model) == f"Hvordan pladserne kan fordeles, {danish.NOT_KNOWN}"
