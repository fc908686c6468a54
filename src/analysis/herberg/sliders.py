"""Sliders over the shelter model in JupyterLab: what the need and the spread become when an assumption is moved."""

import html

import ipywidgets as widgets
import pandas as pd
from IPython.display import HTML, display

from analysis import areas, charts, danish
from analysis.herberg import need
from analysis.herberg import spread as shelter_spread
from analysis.section import Section, image

SLIDER = {"style": {"description_width": "14em"}, "layout": {"width": "34em"}, "continuous_update": False}


def shelter_sliders(section: Section) -> widgets.VBox:
    """Sliders for target occupancy, refusal, number of places, criterion and minimum per klynge, with figures.

    The figures are those of section 08 for the KKR of the area: the need by four methods, and where the chosen number
    of places would lie. They are drawn again when a slider is let go.
    """
    kkr = section.kkr
    facts = {name: section.facts(f"shelter_{name}") for name in ("places", "stays", "registrations", "homeless")}
    wanted = [*areas.regions(), *areas.members(kkr)]
    rows = section.rows("population", population_group="voksne", category="18+", years=[section.last], area=wanted)
    adults = rows.set_index("area_code")["value"]
    today = int(need.today(facts["places"], kkr)["places"].sum())
    weights = shelter_spread.criteria(
        kkr,
        places=facts["places"],
        stays=facts["stays"],
        homeless=facts["homeless"],
        adults=_adults_by_municipality(section, kkr, adults),
    )
    known = weights.dropna(subset=["weight"])
    choices = {label: name for name, label in known.drop_duplicates("criterion")[["criterion", "label"]].to_numpy()}
    clusters = known["cluster"].nunique()
    controls = {
        "occupancy": widgets.FloatSlider(92.0, min=70, max=100, step=1, description="Målbelægning, pct.", **SLIDER),
        "refusal": widgets.FloatSlider(1.0, min=0.5, max=20, step=0.5, description="Afvisningsrisiko, pct.", **SLIDER),
        "total": widgets.IntSlider(today, min=0, max=2 * today, step=1, description="Pladser i alt", **SLIDER),
        "minimum": widgets.IntSlider(
            0, min=0, max=today // (2 * clusters), step=1, description="Mindst i hver klynge", **SLIDER
        ),
        "criterion": widgets.Dropdown(options=choices, description="Kriterium", style=SLIDER["style"]),
    }

    def draw(occupancy: float, refusal: float, total: int, minimum: int, criterion: str) -> None:
        methods = need.need(
            kkr, target_occupancy=occupancy / 100, refusal=refusal / 100, adults=adults, **facts
        ).rename(columns={"label": "name"})
        words = _need_in_words(methods, areas.kkr_name(kkr))
        _say(words)
        chart = charts.intervals(methods, unit="pladser", reference=("Pladser valgt", float(total)))
        display(HTML(image(chart, words)))
        if minimum * clusters > total:
            _say(f"{danish.number(minimum)} pladser i hver klynge er flere end {danish.number(total)} i alt.")
            return
        spread = shelter_spread.spread(total, shelter_spread.chosen(weights, criterion), minimum)
        columns = spread.assign(group=spread["cluster"], series="Pladser", value=spread["places"].astype(float))
        chart = charts.grouped_columns(columns, charts.palette(["Pladser"]), unit="pladser")
        _say(" ".join(f"{row.cluster}: {danish.number(row.places)} pladser." for row in spread.itertuples()))
        display(HTML(image(chart, f"Søjler med {danish.number(total)} pladser fordelt på klynger.")))

    return widgets.VBox([*controls.values(), widgets.interactive_output(draw, controls)])


def _adults_by_municipality(section: Section, kkr: str, adults: pd.Series) -> pd.DataFrame:
    table = pd.DataFrame({"municipality": list(areas.members(kkr))})
    return table.assign(cluster=table["municipality"].map(section.clusters), adults=table["municipality"].map(adults))


def _need_in_words(methods: pd.DataFrame, name: str) -> str:
    interval = need.need_interval(methods.rename(columns={"name": "label"}))
    if not interval.methods:
        return "Behovet kan ikke beregnes: der mangler tal for brugen."
    return f"{name} har brug for {danish.span(interval.low, interval.high)} pladser, alt efter metode."


def _say(text: str) -> None:
    display(HTML(f"<p>{html.escape(text)}</p>"))
