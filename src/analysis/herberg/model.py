"""The front door of the herberg model: what a notebook shows of the KKR that decides for its area."""

from functools import cached_property

import pandas as pd

from analysis import accounts, areas, danish, tables
from analysis.catalogue import catalogue
from analysis.danish import number
from analysis.errors import InputError
from analysis.herberg import economy, flows, forecast, need, rules, spread, stays, use
from analysis.herberg.need import Interval
from analysis.herberg.use import Level
from analysis.measures import growth
from analysis.rows import COLUMNS, FINAL, MISSING, weakest
from analysis.section import Section

# Why a figure or table cannot be made.
NO_STAYS = "de enkelte ophold er ikke leveret"
NO_PERIODS = "ind- og udskrivninger pr. måned eller kvartal er ikke leveret"
NO_USE = "der er ingen tal for, hvor mange pladser der er belagt"
TOO_SHORT = "serien er for kort eller for mangelfuld til at afprøve metoden"
ALL = "i_alt"
OWNERSHIPS = (*need.PUBLIC, *need.OTHER)
ENDS = ["low", "middle", "high"]


def modelled(
    section: Section, indicator: str, frame: pd.DataFrame, *, value: str = "value", year: int | None = None,
    area: str = "",
) -> pd.DataFrame:  # fmt: skip
    """What a model computed as rows to publish: the columns of key figures first, the frame's others after them.

    `value`: the column with the figure. `year` and `area` where the frame has no column `year` or `area_code`. The
    origin is the weakest of the raw files that the indicator rests on. Errors: none of them was delivered.
    """
    entry = catalogue().indicators[indicator]
    files = section.sources[section.sources["table"].isin(entry.sources)]
    if files.empty:
        raise InputError(f"{indicator!r} rests on {', '.join(entry.sources)}, and none of them was delivered")
    given = {
        "area_code": area or section.area_code,
        "population_group": entry.population_group,
        "category": entry.category,
        "year": year or section.last,
        "variant": accounts.STANDARD,
        "status": frame[value].isna().map({True: MISSING, False: FINAL}),
    }
    dropped = {"label", "area", "value"} - {value}
    rows = frame.drop(columns=list(dropped), errors="ignore").rename(columns={value: "value"})
    rows = rows.assign(**{name: fact for name, fact in given.items() if name not in frame.columns})
    rows = rows.assign(indicator=indicator, unit=entry.unit, origin=weakest(files["origin"]), note="")
    first = [name for name in COLUMNS if name in rows.columns]
    named = tables.with_labels(rows[[*first, *rows.columns.difference(first, sort=False)]])
    return named.astype({"value": float})


class Model:
    """Places, use, need, price and spread of herberger in one KKR; each part is computed when it is asked for.

    Frames of what is published are rows as `modelled` makes them, the model's own columns after those of key
    figures; a frame without rows says that its delivery did not come. Figures of the model are NaN where they cannot
    be computed. Errors: an unknown criterion or scenario, an occupancy or refusal outside its range, a price year that
    the index lacks.
    """

    def __init__(
        self, section: Section, target_occupancy: float, refusal: float, criterion: str, minimum: int, scenario: str
    ) -> None:
        """See `model`."""
        self.section, self.kkr, self.name = section, section.kkr, areas.kkr_name(section.kkr)
        self.target_occupancy, self.refusal = target_occupancy, refusal
        self.criterion, self.minimum, self.scenario = criterion, minimum, rules.scenario(scenario)
        self._scenario = scenario
        self.rules = rules.rules()
        self.price_level, self.last_year = section.edition.price_level, self.rules.horizon.last_year
        self._index = section.facts("price_index")

    # What was delivered.

    @cached_property
    def _facts(self) -> dict[str, pd.DataFrame]:
        names = ("places", "stays", "registrations", "homeless")
        return {name: self.section.facts(f"shelter_{name}") for name in names}

    @cached_property
    def _adults(self) -> pd.Series:
        wanted = [*areas.regions(), *areas.members(self.kkr)]
        years = [self.section.last]
        rows = self.section.read("population", group="voksne", category="18+", years=years, area=wanted)
        return rows.set_index("area_code")["value"]

    def _rows(self, indicator: str, frame: pd.DataFrame, value: str = "value", year: int | None = None) -> pd.DataFrame:
        return modelled(self.section, indicator, frame, value=value, year=year, area=self.kkr)

    # Places.

    @cached_property
    def today(self) -> pd.DataFrame:
        """The herberger on the latest place list; see `need.today`. Errors: none was delivered."""
        if self._facts["places"].empty:
            raise InputError("listen over pladser på herberger (HERBERG) er ikke leveret")
        return need.today(self._facts["places"], self.kkr)

    @property
    def listed_year(self) -> int:
        """The year of the latest place list."""
        return int(self.today["year"].iloc[0])

    @property
    def place_count(self) -> int:
        """Places on the latest list."""
        return int(self.today["places"].sum())

    @property
    def veteran_places(self) -> int:
        """Of those the places for veterans."""
        return int(self.today["veteran_places"].sum())

    @property
    def other_share(self) -> float:
        """Pct. of the places that are not public, which are those to tender."""
        return float(need.private_share(self.today)["other_share"].iloc[0])

    @cached_property
    def places(self) -> pd.DataFrame:
        """Places by year and ownership (variant, series)."""
        by_year = need.places_by_year(self._facts["places"], self.kkr)
        named = by_year.assign(series=by_year["ownership"].str.capitalize()).rename(columns={"ownership": "variant"})
        return self._rows("shelter_places", named, "places")

    @property
    def private_growth(self) -> float:
        """Growth in pct. of the private places since the first list; NaN where there were or are none."""
        private = self.places[self.places["variant"] == "privat"]
        grown = growth(private, self.places["year"].min(), self.listed_year)["value"]
        return float(grown.iloc[0]) if len(grown) else float("nan")

    @cached_property
    def places_by_cluster(self) -> pd.DataFrame:
        """Places on the latest list by cluster and ownership."""
        grouped = self.today.groupby(["cluster", "ownership"], as_index=False)["places"].sum()
        return self._rows("shelter_places", grouped, "places", self.listed_year)

    # Use.

    @cached_property
    def use(self) -> Level | None:
        """The level of use in the latest year known; None without figures."""
        return use.level(self._facts["stays"], self._facts["registrations"], self.kkr)

    @property
    def use_year(self) -> int:
        """The year that the use is of, else that of the place list."""
        return self.use.last.year if self.use else self.listed_year

    @property
    def places_in_use(self) -> int:
        """The places there were at the time of the use."""
        return need.places_in_use(self._facts["places"], self.kkr, self.use)

    @cached_property
    def nights(self) -> pd.DataFrame:
        """Places taken night by night (date)."""
        return self._rows("shelter_occupied", use.census(self._facts["stays"], self.kkr), "occupied", self.use_year)

    @cached_property
    def occupancy(self) -> pd.Series:
        """How full the places were over those nights; see `use.occupancy`."""
        return use.occupancy(self.nights["value"], self.places_in_use)

    @cached_property
    def refusals(self) -> pd.DataFrame:
        """Refusals in the whole country in the latest year that has them, at most one row: year, refusals."""
        told = self.section.facts("shelter_national").dropna(subset=["refusals"])
        return told.sort_values("year").tail(1)

    @cached_property
    def flows(self) -> pd.DataFrame:
        """Nights from home_cluster to host_cluster, few persons hidden."""
        found = flows.flows(self._facts["stays"], self.kkr, self.section.edition.smallest_count)
        if found.empty:
            # Without single stays there is no file that says where the figures come from.
            return found
        return self._rows("shelter_nights", found.drop(columns="persons"), "nights", self.use_year)

    @cached_property
    def balance(self) -> pd.DataFrame:
        """Nights that each cluster hosts and pays for; see `flows.balance`."""
        return flows.balance(self._facts["stays"], self.kkr, self.section.edition.smallest_count)

    @cached_property
    def follow_up(self) -> pd.DataFrame:
        """Places taken by month or quarter against the capacity decided (planned)."""
        found = use.follow_up(self._facts["registrations"], self.section.facts("shelter_decisions"), self.kkr)
        shown = found[["period", "occupied", "planned", "arrivals", "departures"]]
        return self._rows("shelter_occupied", shown.assign(year=found["first"].dt.year), "occupied")

    @property
    def decided(self) -> bool:
        """Whether the KKR has decided on a capacity."""
        return bool(self.follow_up["planned"].notna().any())

    # Need.

    def need_at(self, target_occupancy: float, refusal: float) -> pd.DataFrame:
        """The need by four methods under other assumptions, in pct.; see `need.need`."""
        return need.need(
            self.kkr, target_occupancy=target_occupancy / 100, refusal=refusal / 100, adults=self._adults, **self._facts
        )

    @cached_property
    def _methods(self) -> pd.DataFrame:
        return self.need_at(self.target_occupancy, self.refusal)

    @cached_property
    def need(self) -> pd.DataFrame:
        """The need by method (variant, name) with low and high, assumption, computable and reason."""
        named = self._methods.rename(columns={"method": "variant", "label": "name"})
        return self._rows("shelter_need", named, "middle", self.use_year)

    @property
    def need_interval(self) -> Interval:
        """From the lowest to the highest method."""
        return need.need_interval(self._methods)

    @property
    def own_need_interval(self) -> Interval:
        """The same of the methods that rest on the use of the KKR itself."""
        return need.need_interval(self._methods[self._methods["method"] != "rates"])

    @cached_property
    def choices(self) -> pd.DataFrame:
        """What some numbers of places (variant) would mean with today's search; no rows without figures of the use."""
        if self.use is None:
            return pd.DataFrame()
        wanted = {
            "Laveste metode": self.need_interval.low,
            "Laveste ud fra egen brug": self.own_need_interval.low,
            "Højeste metode": self.need_interval.high,
            "Som i dag": float(self.place_count),
        }
        found = need.consequences(wanted, self.use, self.places_in_use, self.other_share)
        rows = self._rows("shelter_need", found.assign(variant=found["label"]), "places", self.use_year)
        yearly = rows["value"] * self.price_summary.loc[ALL, "mean"] * self.rules.days_in_price_year.days
        return rows.assign(yearly_cost=yearly)

    # Shorter stays.

    @property
    def limits(self) -> list[int]:
        """The limits on refunded days that the rules name, the longest first."""
        return sorted({limit.days for limit in self.rules.refund.limits}, reverse=True)

    @cached_property
    def long_stayers(self) -> int:
        """Citizens with nights beyond the shortest limit."""
        return stays.citizens_beyond(self._facts["stays"], self.kkr, self.limits[-1])

    @property
    def moving(self) -> list[float]:
        """Citizens a year who move to a home of their own: low, middle, high."""
        shares = self.rules.housing_first
        ends = [(getattr(shares.uptake, end), getattr(shares.staying, end)) for end in ENDS]
        return [self.long_stayers * uptake / 100 * staying / 100 for uptake, staying in ends]

    @cached_property
    def _freed(self) -> pd.DataFrame:
        leaving = self.rules.stay_limits.leaving
        shares = tuple(getattr(leaving, end) / 100 for end in ENDS)
        freed = stays.freed_places(self._facts["stays"], self.kkr, self.limits, shares)
        return freed.pivot(index="limit", columns="case", values="places").reindex(self.limits)

    @property
    def beyond_limit(self) -> float:
        """Places taken by nights beyond the shortest limit, all of which no rule can free."""
        return float(self._freed["upper_bound"].iloc[-1])

    @cached_property
    def freed(self) -> pd.DataFrame:
        """Places that shorter stays can free (name, low, high), the last row by homes of their own."""
        if not use.covers(self._facts["stays"], self.kkr):
            return pd.DataFrame()
        by_limit = self._freed.reset_index()
        names = [danish.held(f"Grænse på {limit} døgn") for limit in by_limit["limit"]]
        homes = stays.housing_first(self._facts["stays"], self.kkr, self.moving, self.limits[-1])["places"]
        own_home = dict(zip(["name", *ENDS], ["Egen bolig med støtte (Housing First)", *homes], strict=True))
        shown = pd.concat([by_limit.assign(name=names)[["name", *ENDS]], pd.DataFrame([own_home])], ignore_index=True)
        return self._rows("shelter_freed", shown, "middle", self.use_year)

    # Price.

    @property
    def ceiling(self) -> float:
        """The ceiling on the takst, kr. per døgn in the prices of the edition."""
        return economy.ceiling(self.price_level, self._index)

    @cached_property
    def _priced(self) -> pd.DataFrame:
        return economy.prices(self._facts["places"], self.kkr, self.price_level, self._index)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """The takst of each tilbud (ownership, cluster, places), NaN where it has none."""
        priced = self._priced.rename(columns={"rate": "value"}).sort_values("ownership")
        shown = priced[["ownership", "cluster", "places", "value"]]
        return self._rows("shelter_rate", shown, year=self.price_level)

    @cached_property
    def price_summary(self) -> pd.DataFrame:
        """How the takster lie against the ceiling, by ownership and in all; see `economy.price_summary`."""
        return economy.price_summary(self._priced, self.ceiling).set_index("ownership")

    @property
    def ceiling_cost(self) -> pd.Series:
        """What a year costs today, with what is above the ceiling capped, and with all at it; kr."""
        used = min(self.use.mean / self.places_in_use * 100, 100.0) if self.use else self.target_occupancy
        costs = economy.cost_at_ceiling(self._priced, self.ceiling, used)
        return costs.set_index("ownership").loc[ALL]

    # Spread over clusters.

    @cached_property
    def weights(self) -> pd.DataFrame:
        """What each cluster weighs under each criterion; see `spread.criteria`."""
        adults = pd.DataFrame({"municipality": areas.members(self.kkr)})
        clusters = self.section.facts("shelter_clusters").set_index("municipality")["cluster"]
        adults = adults.assign(
            cluster=adults["municipality"].map(clusters), adults=adults["municipality"].map(self._adults)
        )
        used = {name: self._facts[name] for name in ("places", "stays", "homeless")}
        return spread.criteria(self.kkr, adults=adults, **used)

    @cached_property
    def spread(self) -> pd.DataFrame:
        """Today's number of places over the clusters under each criterion (variant, series)."""
        found = spread.spread(self.place_count, self.weights, self.minimum)
        named = found.assign(series=found["criterion"].map(spread.LABELS)).rename(columns={"criterion": "variant"})
        return self._rows("shelter_spread", named, "places", self.listed_year)

    def spread_by(self, criterion: str, total: float, minimum: int = 0, veterans: int = 0) -> pd.DataFrame:
        """A number of places over the clusters under one criterion: by cluster places, veteran_places."""
        chosen = spread.chosen(self.weights, criterion)
        return spread.spread(round(total), chosen, minimum, veterans).set_index("cluster")

    @cached_property
    def need_by_cluster(self) -> pd.DataFrame:
        """The lowest (value) and highest need over the clusters by the criterion chosen.

        With today (places now), tender_low, tender_high (those not public) and veterans (today's number of them).
        """
        low, high = (self.spread_by(self.criterion, end, self.minimum)["places"] for end in self.need_interval[:2])
        tender = (
            self.spread_by(self.criterion, end * self.other_share / 100)["places"] for end in self.need_interval[:2]
        )
        veterans = self.spread_by(self.criterion, self.place_count, self.minimum, self.veteran_places)["veteran_places"]
        table = pd.DataFrame({"low": low, "high": high})
        table = table.assign(**dict(zip(("tender_low", "tender_high"), tender, strict=True)), veterans=veterans)
        today = self.today.groupby("cluster")["places"].sum().reindex(table.index, fill_value=0)
        return self._rows("shelter_spread", table.assign(today=today).reset_index(), "low", self.listed_year)

    # Forecast.

    @cached_property
    def _monthly(self) -> pd.DataFrame:
        return use.monthly_use(self._facts["registrations"], self.kkr)

    @cached_property
    def _series(self) -> pd.Series:
        return use.occupied_series(self._monthly)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Places taken by period, as far as it is known."""
        known = self._monthly.dropna(subset=["occupied"])
        shown = pd.DataFrame({"period": known["period"], "value": known["occupied"], "year": known["first"].dt.year})
        return self._rows("shelter_forecast", shown)

    @cached_property
    def forecast(self) -> forecast.Forecast:
        """Places taken until the contracts end; see `forecast.forecast`."""
        until = self.rules.timeline.contracts.date.year
        return forecast.forecast(self._series, forecast.periods_until(self._series, until))

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """The forecast tried on the past, a row a method, value its mean error in places; see `forecast.backtest`."""
        tried = forecast.backtest(self._series, forecast.periods_until(self._series, self.section.first))
        return self._rows("shelter_forecast", tried, "mean_absolute_error")

    # Cost.

    @cached_property
    def _refundable(self) -> pd.Series | None:
        return economy.refundable_shares(self._facts["stays"], self.kkr)

    @property
    def after_refund(self) -> bool:
        """Whether costs are after the state's refund, which takes single stays; else before it."""
        return self._refundable is not None

    @property
    def _outcome(self) -> economy.Outcome:
        return "net" if self.after_refund else "gross"

    @cached_property
    def _accounts(self) -> pd.DataFrame:
        members = areas.members(self.kkr)
        rows = self.section.read("expenditure_current", group="voksne", category="herberger", area=members)
        accounts = rows.rename(columns={"area_code": "municipality", "value": "kroner"})
        return economy.municipal_cost(accounts, self.kkr, self.section.last, self.price_level, self._index)

    @cached_property
    def _path(self) -> pd.DataFrame | None:
        return forecast.yearly_path(self._series, self.forecast, self.last_year)

    @cached_property
    def _scenarios(self) -> pd.DataFrame:
        found = economy.scenarios(
            self._accounts,
            self._priced,
            self._refundable,
            last_year=self.last_year,
            price_level=self.price_level,
            index=self._index,
            need=self._path,
        )
        return found.rename(columns={self._outcome: "value"})

    @cached_property
    def cost(self) -> pd.DataFrame:
        """The municipalities' cost by scenario (variant, name) and year; none where one of them is not known."""
        by_year = self._scenarios.groupby(["scenario", "label", "year"], sort=False)["value"]
        whole = by_year.sum(min_count=len(self._accounts)).reset_index()
        return self._rows("shelter_cost", whole.rename(columns={"scenario": "variant", "label": "name"}))

    @property
    def last_costs(self) -> pd.Series:
        """What the scenarios end at, by scenario; kr."""
        return self.cost[self.cost["year"] == self.last_year].set_index("variant")["value"]

    @property
    def cost_now(self) -> float:
        """What the year of the accounts cost; kr."""
        return float(self.cost.loc[self.cost["year"] == self.section.last, "value"].iloc[0])

    @cached_property
    def municipal_cost(self) -> pd.DataFrame:
        """The cost of each municipality in the scenario chosen: now, when contracts end and in the last year."""
        years = [self.section.last, self.rules.timeline.contracts.date.year, self.last_year]
        found = self._scenarios
        own = found[(found["scenario"] == self._scenario) & found["year"].isin(years)]
        return modelled(self.section, "shelter_cost", own.rename(columns={"scenario": "variant"}))

    @cached_property
    def municipal_span(self) -> pd.DataFrame:
        """From the lowest to the highest scenario in the last year, by area_code: min, max; kr."""
        last = self._scenarios[self._scenarios["year"] == self.last_year]
        return last.groupby("area_code")["value"].agg(["min", "max"])

    @cached_property
    def past_cost(self) -> pd.Series:
        """What the municipalities spent before refund in years that all delivered, by year; kr."""
        told = self.section.facts("shelter_expenditure")
        return economy.yearly_expenditure(told, self.kkr, self.price_level, self._index)

    @property
    def past_growth(self) -> float:
        """Growth in pct. over those years; NaN where the first is nothing."""
        past = self.past_cost.rename_axis("year").reset_index(name="value")
        rows = self._rows("shelter_cost", past)
        return float(growth(rows, past["year"].iloc[0], past["year"].iloc[-1])["value"].iloc[0])

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """What one assumption at a time (variant, name) does to the cost: low, value, high, their texts, span."""
        found = economy.sensitivity(
            self._accounts,
            self._priced,
            self._refundable,
            year=self.last_year,
            price_level=self.price_level,
            index=self._index,
            occupancy=self.target_occupancy,
            need=self._path,
            outcome=self._outcome,
        )
        texts = {
            f"{end}_label": [f"{number(row[f'{end}_value'])} {row['unit']}" for _, row in found.iterrows()]
            for end in ("low", "high")
        }
        named = found.assign(**texts).rename(columns={"variable": "variant", "label": "name"})
        return self._rows("shelter_cost", named, "base", self.last_year)


def model(
    section: Section, *, target_occupancy: float = 92.0, refusal: float = 1.0, criterion: str = spread.MIX,
    minimum: int = 0, scenario: str = "basis",
) -> Model:  # fmt: skip
    """The shelter model for the KKR that decides for a section's area.

    `target_occupancy`: pct. of the places taken that one plans for; `refusal`: pct. of those asking that may find all
    places taken; `criterion`: what places are spread by, and `minimum` what each cluster gets first; `scenario`: what
    municipalities are shown in. Errors: as `Model`.
    """
    return Model(section, target_occupancy, refusal, criterion, minimum, scenario)
