"""Tables for readers: Danish text in accessible HTML, and the same figures as CSV for spreadsheets."""

from collections.abc import Sequence
from html import escape

import pandas as pd

from analysis import accounts, areas
from analysis.danish import MoneyUnit, held, number

KEY_FIGURE_LABELS = {
    "indicator": "indikator",
    "area_code": "områdekode",
    "area": "område",
    "population_group": "gruppe",
    "category": "kategorikode",
    "label": "kategori",
    "year": "år",
    "variant": "variant",
    "value": "værdi",
    "unit": "enhed",
    "status": "status",
    "origin": "oprindelse",
    "note": "note",
}
# Also what sections add to their rows; a column that is not here keeps its name.
CSV_LABELS = KEY_FIGURE_LABELS | {
    "series": "serie",
    "name": "navn",
    "low": "lavest",
    "high": "højest",
    "span": "spænd",
    "factor": "drivkraft",
    "pct": "procentpoint",
    "period": "periode",
    "date": "dato",
    "cluster": "klynge",
    "home_cluster": "hjemsted",
    "host_cluster": "herbergets_sted",
    "ownership": "ejerforhold",
    "places": "pladser",
    "other_places": "pladser_i_udbud",
    "veteran_places": "pladser_til_veteraner",
    "occupancy_pct": "belægning_pct",
    "refused_pct": "afvist_pct",
    "planned": "besluttet_kapacitet",
    "arrivals": "indskrivninger",
    "departures": "udskrivninger",
    "assumption": "forudsætning",
    "computable": "kan_beregnes",
    "reason": "begrundelse",
    "method": "metode",
    "horizon": "perioder_frem",
    "origins": "forsøg",
    "relative_to_naive": "fejl_mod_naiv",
    "covered": "i_intervallet_pct",
    "expected_coverage": "lovet_pct",
    "gross": "før_refusion",
    "refund": "refusion",
    "low_value": "antagelse_lav",
    "base_value": "antagelse_i_dag",
    "high_value": "antagelse_høj",
    "index": "indeks",
    "source": "kilde",
    "file": "fil",
    "table": "tabel",
    "title": "indhold",
    "licence": "licens",
    "retrieved": "hentet",
    "url": "adresse",
    "lang": "sprog",
    "sha256": "sha256",
    "bytes": "bytes",
    "rule": "regel",
    "severity": "alvor",
    "text": "bemærkning",
}
TRUTH = {True: "ja", False: "nej"}
# What the codes of units and origins are called for readers.
UNIT_NAMES = {
    "kr": "kr.",
    "kr_pr_indbygger": "kr. pr. indbygger",
    "kr_pr_doegn": "kr. pr. døgn",
    "antal": "antal",
    "doegn": "døgn",
    "pct": "pct.",
    "pr_1000": "pr. 1.000",
    "indeks": "indeks",
}
ORIGIN_NAMES = {
    "statbank": "Danmarks Statistik, hentet",
    "delivery": "leverance",
    "transcribed": "Danmarks Statistik, afskrevet",
    "derived": "afledt",
    "reconstruction": "rekonstrueret",
}
FORMULA_START = ("=", "+", "-", "@", "\t", "\r")


def with_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Key-figure rows with the Danish names of their area (`area`) and category (`label`), numbered from 0."""
    known, names = accounts.labels(), areas.names()
    pairs = zip(rows["population_group"], rows["category"], strict=True)
    return rows.reset_index(drop=True).assign(
        label=pd.Series([known.get(pair, pair[1]) for pair in pairs], dtype="str"),
        area=pd.Series([names.get(code) for code in rows["area_code"]], dtype="str"),
    )


def two_years(rows: pd.DataFrame, growth: pd.DataFrame, years: tuple[int, int], unit: MoneyUnit) -> pd.DataFrame:
    """Key-figure rows of two years and their growth as Danish texts: label, a column a year, `Ændring, pct.`.

    The rows stand in the order of categories.csv.
    """
    order = accounts.categories()[["population_group", "category", "label"]]
    wide = rows.pivot(index=["population_group", "category"], columns="year", values=["value", "status"])
    change = growth.set_index(["population_group", "category"])
    lines = []
    for row in order.itertuples():
        key = (row.population_group, row.category)
        if key not in wide.index:
            continue
        cells = {
            str(year): number(
                wide.loc[key, ("value", year)] / unit.divisor, unit.decimals, wide.loc[key, ("status", year)]
            )
            for year in years
        }
        change_text = number(change.loc[key, "value"], 0, change.loc[key, "status"])
        lines.append({"Indsats": row.label} | cells | {"Ændring, pct.": change_text})
    return pd.DataFrame(lines)


def html(
    frame: pd.DataFrame, *, identifier: str, heading: str, numeric: Sequence[str], strong: Sequence[str] = ()
) -> str:
    """A table of ready Danish texts as HTML: `heading` names the row headers, `numeric` columns stand to the right.

    The first column holds the row headers. Text is escaped. Rows whose header is in `strong` are marked as sums.
    """
    columns = frame.columns[1:]
    sides = ["gt_right" if column in numeric else "gt_left" for column in columns]
    heads = "".join(
        f'<th scope="col" class="{side}">{escape(held(column))}</th>'
        for column, side in zip(columns, sides, strict=True)
    )
    lines = []
    for name, *cells in frame.itertuples(index=False, name=None):
        kind = ' class="sum"' if name in strong else ""
        texts = "".join(
            f'<td class="{side}">{escape(held(cell))}</td>' for cell, side in zip(cells, sides, strict=True)
        )
        lines.append(f'<tr{kind}><th scope="row" class="gt_left">{escape(name)}</th>{texts}</tr>')
    body = "\n".join(lines)
    return (
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="{identifier}"><table id="{identifier}">\n'
        f'<thead><tr><th scope="col" class="gt_left">{escape(heading)}</th>{heads}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def spreadsheet_csv(rows: pd.DataFrame) -> bytes:
    """Key-figure rows as a CSV that a Danish spreadsheet opens: semicolon, decimal comma, UTF-8 with BOM.

    Columns have Danish names, and what is true or false is ja or nej. Texts that a spreadsheet would take for a formula
    get an apostrophe in front.
    """
    columns = [column for column in KEY_FIGURE_LABELS if column in rows.columns]
    columns += [column for column in rows.columns if column not in KEY_FIGURE_LABELS]
    table = rows[columns].rename(columns=CSV_LABELS)
    for column in table.select_dtypes(include="bool"):
        table[column] = table[column].map(TRUTH)
    for column in table.select_dtypes(include=["object", "str", "category"]):
        table[column] = table[column].map(_harmless)
    return table.to_csv(sep=";", decimal=",", index=False, lineterminator="\n").encode("utf-8-sig")


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_START) else cell
