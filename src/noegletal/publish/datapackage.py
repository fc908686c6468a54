"""Key figures of an edition as a Frictionless data package, for Power BI, R and Excel to connect to."""

import json
from pathlib import Path

import pandas as pd

from analysis import accounts, areas
from analysis.catalogue import catalogue
from analysis.edition import KEY_FIGURES, SOURCES, Edition
from analysis.rows import EVIDENCE, KEYS, ORIGINS, STATUSES, UNITS
from noegletal.figures.freshness import package_version
from noegletal.folders import replaced
from noegletal.publish.manifest import PACKAGE

FOLDER, DESCRIPTOR = PACKAGE.split("/")
CSV = "key_figures.csv"
LICENCE = {"name": "CC-BY-4.0", "path": "https://creativecommons.org/licenses/by/4.0/", "title": "CC BY 4.0"}
FIELDS = {
    "indicator": "Nøgletallets kode; se indicators.csv",
    "area_code": "Områdets kode; se areas.csv",
    "population_group": "Målgruppe: børn og unge, voksne eller alle",
    "category": "Kategoriens kode; se categories.csv",
    "year": "Regnskabs- eller opgørelsesår",
    "variant": "Læsning: standard eller en af rapportens andre afgrænsninger",
    "value": "Tallet i enheden; tomt, hvor det mangler eller er beskyttet (se status)",
    "unit": "Enhed: kr, kr_pr_indbygger, antal, pct eller pr_1000",
    "status": "final, provisional, partial (nogle kommuner), missing, suppressed (få personer) eller not_applicable",
    "origin": "Den svageste af kilderne bag tallet; reconstruction er ikke Danmarks Statistiks tal",
    "note": "Forbehold, for eksempel hvilke kommuner der mangler",
    "coverage": "Hvor stor en del af områdets personer de kommuner har, som tallet er af",
    "evidence": "genuine (målt), fitted (netop dette tal er trykt og tilpasset trykket) eller example (ikke målt)",
    "printed": "Hvilke mål af tallet der er trykt: level, growth:2020, change:2020, share",
}
NUMBERS = {"year": "integer", "value": "number", "coverage": "number"}
ALLOWED = {"unit": UNITS, "status": STATUSES, "origin": tuple(ORIGINS), "evidence": EVIDENCE}


def write_datapackage(edition: Edition, processed: Path, out: Path) -> Path:
    """Write `<out>/<edition>/datapakke/`: the key figures as Parquet and CSV, their vocabularies, a descriptor.

    Everything is small-count protected as the key figures are. The folder changes in one step. CSV: comma, decimal
    point, UTF-8 without BOM, as the descriptor says. Returns the descriptor's path.
    """
    table = pd.read_parquet(processed / KEY_FIGURES)
    folder = out / edition.name / FOLDER
    with replaced(folder) as new:
        table.to_csv(new / CSV, index=False, lineterminator="\n")
        table.to_parquet(new / KEY_FIGURES, index=False)
        vocabularies = _vocabularies(table)
        for name, frame in vocabularies.items():
            frame.to_csv(new / f"{name}.csv", index=False, lineterminator="\n")
        sources = json.loads((processed / SOURCES).read_text(encoding="utf-8"))
        descriptor = _descriptor(edition, table, vocabularies, sources, package_version(edition, processed))
        for resource in descriptor["resources"]:
            if resource["format"] == "csv":
                resource["bytes"] = (new / resource["path"]).stat().st_size
        (new / DESCRIPTOR).write_text(json.dumps(descriptor, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return folder / DESCRIPTOR


def _vocabularies(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What the codes of the key figures mean: one row per indicator, area and category that they hold."""
    known = catalogue().indicators
    indicators = pd.DataFrame(
        {
            "indicator": name,
            "name": known[name].name,
            "unit": known[name].unit,
            "decimals": known[name].decimals,
            "definition": known[name].definition,
            "averaging": known[name].averaging,
            "source": known[name].source_line,
            "caveats": " ".join(catalogue().caveats[caveat] for caveat in known[name].caveats),
        }
        for name in sorted(table["indicator"].unique())
    )
    codes = sorted(table["area_code"].unique())
    places = areas.area_table().set_index("area_code").loc[codes, ["name", "type", "region_code"]].reset_index()
    labels = accounts.categories()[["population_group", "category", "label"]]
    there = table[["population_group", "category"]].drop_duplicates()
    categories = there.merge(labels, how="left").sort_values(["population_group", "category"])
    categories["label"] = categories["label"].fillna(categories["category"])
    return {"indicators": indicators, "areas": places, "categories": categories}


def _descriptor(
    edition: Edition,
    table: pd.DataFrame,
    vocabularies: dict[str, pd.DataFrame],
    sources: list[dict[str, object]],
    version: str,
) -> dict[str, object]:
    fields = [
        {
            "name": name,
            "type": NUMBERS.get(name, "string"),
            "description": FIELDS[name],
            "constraints": {"required": name in KEYS} | ({"enum": list(ALLOWED[name])} if name in ALLOWED else {}),
        }
        for name in table.columns
    ]
    schema = {
        "fields": fields,
        "primaryKey": KEYS,
        "missingValues": [""],
        "foreignKeys": [
            _reference("indicator", "indicators"),
            _reference("area_code", "areas"),
            _reference(["population_group", "category"], "categories"),
        ],
    }
    plain = {"format": "csv", "mediatype": "text/csv", "encoding": "utf-8", "dialect": {"delimiter": ","}}
    resources = [{"name": "key_figures", "path": CSV, "title": "Nøgletal", **plain, "schema": schema}]
    resources += [
        {
            "name": name,
            "path": f"{name}.csv",
            **plain,
            "schema": {
                "fields": [
                    {"name": column, "type": "integer" if column == "decimals" else "string"}
                    for column in frame.columns
                ],
                "primaryKey": [column for column in frame.columns if column in KEYS],
            },
        }
        for name, frame in vocabularies.items()
    ]
    # The same rows with their types, for those who read Parquet.
    typed = {"format": "parquet", "mediatype": "application/vnd.apache.parquet"}
    own = {"fields": fields, "primaryKey": KEYS}
    resources.append({"name": "key_figures_parquet", "path": KEY_FIGURES, "title": "Nøgletal", **typed, "schema": own})
    return {
        "profile": "data-package",
        "name": f"noegletal-{edition.name}",
        "title": edition.title,
        "version": version,
        "description": (
            f"Nøgletal for det specialiserede socialområde, {edition.period.first}-{edition.period.last}, faste priser "
            f"({edition.price_level}-pl). Tal med oprindelsen reconstruction er ikke Danmarks Statistiks. "
            f"{edition.provisional}"
        ).strip(),
        "licenses": [LICENCE],
        "sources": [_source(source) for source in sources],
        "resources": resources,
    }


def _source(source: dict[str, object]) -> dict[str, str]:
    """A raw file as a source of the package: who made it, what it is, what it rests on and under which licence."""
    about = f"{source['source']}: {source['table']}, {source['title']} ({source['origin']}, {source['licence']})"
    return {"title": about} | ({"path": str(source["url"])} if source["url"] else {})


def _reference(own: str | list[str], resource: str) -> dict[str, object]:
    return {"fields": own, "reference": {"resource": resource, "fields": own}}
