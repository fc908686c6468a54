"""Sliders over the shelter model in JupyterLab: what the need and the spread become when an assumption is moved."""

import html

import ipywidgets as widgets
import pandas as pd
from IPython.display import HTML, display

from analysis import danish
from analysis.herberg import need, uncertainty
from analysis.herberg.model import Model
from analysis.rows import EXAMPLE
from analysis.section import STAMP, image

SLIDER = {"style": {"description_width": "14em"}, "layout": {"width": "34em"}, "continuous_update": False}


def shelter_sliders(model: Model) -> widgets.VBox:
    """Sliders for target occupancy, refusal, number of places, criterion and minimum per klynge, with figures.

    The figures are those of section 08: the need by four methods, and where the chosen number of places would lie. They
    are drawn again when a slider is let go.
    """
    today, known = model.place_count, model.weights.dropna(subset=["weight"])
    choices = {label: name for name, label in known.drop_duplicates("criterion")[["criterion", "label"]].to_numpy()}
    clusters = known["cluster"].nunique()
    controls = {
        "occupancy": widgets.FloatSlider(
            model.target_occupancy, min=70, max=100, step=1, description="Målbelægning, pct.", **SLIDER
        ),
        "refusal": widgets.FloatSlider(
            model.refusal, min=0.5, max=20, step=0.5, description="Afvisningsrisiko, pct.", **SLIDER
        ),
        "total": widgets.IntSlider(today, min=0, max=2 * today, step=1, description="Pladser i alt", **SLIDER),
        "minimum": widgets.IntSlider(
            0, min=0, max=today // (2 * clusters), step=1, description="Mindst i hver klynge", **SLIDER
        ),
        "criterion": widgets.Dropdown(options=choices, description="Kriterium", style=SLIDER["style"]),
    }

    def draw(occupancy: float, refusal: float, total: int, minimum: int, criterion: str) -> None:
        methods = model.need_at(occupancy, refusal)
        words = model.section.claim(_need_in_words(methods, model.name), rests_on=model.need, kind="comparison")
        _say(words)
        stamp = STAMP if words.evidence == EXAMPLE else ""
        chart = uncertainty.intervals(
            methods, x="middle", y="label", unit="pladser", reference=("Pladser valgt", float(total))
        )
        display(HTML(image(chart, f"{words} {chart.reading}", stamp=stamp)))
        if minimum * clusters > total:
            _say(f"{danish.number(minimum)} pladser i hver klynge er flere end {danish.number(total)} i alt.")
            return
        spread = model.spread_by(criterion, total, minimum).reset_index()
        chart = uncertainty.grouped_columns(spread, x="cluster", y="places", unit="pladser")
        told = " ".join(f"{row.cluster}: {danish.number(row.places)} pladser." for row in spread.itertuples())
        _say(model.section.claim(told, rests_on=model.spread))
        reading = f"Søjler med {danish.number(total)} pladser fordelt på klynger. {chart.reading}"
        display(HTML(image(chart, reading, stamp=stamp)))

    return widgets.VBox([*controls.values(), widgets.interactive_output(draw, controls)])


def _need_in_words(methods: pd.DataFrame, name: str) -> str:
    interval = need.need_interval(methods)
    if not interval.methods:
        return "Behovet kan ikke beregnes: der mangler tal for brugen."
    return f"{name} har brug for {danish.span(interval.low, interval.high)} pladser, alt efter metode."


def _say(text: str) -> None:
    display(HTML(f"<p>{html.escape(text)}</p>"))
