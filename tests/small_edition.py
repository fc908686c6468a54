"""A small edition for what needs no real figure: 9 municipalities in 2 regions, 3 years, every table, tiny workbooks.

It is cut from the embedded edition, so that it cannot drift from it: the declared files are the repository's own but
for the areas, what says which these are, and the severity of one rule; the raw files are its rows of these areas and
years. Its country is these 9.
"""

import hashlib
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml
from artefacts import ROOT

NAME = "2024"
YEARS = [2022, 2023, 2024]
REGIONS = ("083", "084")
# København and its neighbours, a small one and an island; Odense, Esbjerg and the two smallest islands.
MUNICIPALITIES = ("101", "147", "159", "187", "400", "461", "492", "561", "563")
# Tables of persons, whose own rows of regions and country are sums; those of the others are rates, or not there.
ADDED = ("FOLK1A", "FOLK1A_BAND", "FOLK1B", "KRISE1")
# Of citizens, places and homeless people one in so many, or the workbooks would be what takes time.
ONE_IN = 10
COUNTED = {"places", "veteran_places", "homeless", "in_shelter", "rough_sleepers", "persons", "stays", "nights",
           "refusals", "arrivals", "departures"}  # fmt: skip


class Built(NamedTuple):
    """What a build gave."""

    figures: pd.DataFrame
    findings: list
    folder: Path


class SmallEdition:
    """A copy of the small edition to change and build; the library looks at it as long as the fixture lasts."""

    name = NAME

    def __init__(self, root):
        self.root = root
        self.raw = root / "data" / "raw" / NAME
        self.reference = root / "data" / "reference"
        self.file = root / "editions" / f"{NAME}.yml"
        self.processed = root / "data" / "processed" / NAME

    @property
    def edition(self):
        from analysis.edition import load_edition

        return load_edition(NAME)

    @property
    def figures(self):
        """Key figures as they were built before anything was changed."""
        return pd.read_parquet(self.processed / "key_figures.parquet")

    def change(self, stem, change, **facts):
        """Change the lines of a raw file, header included, and give it a sidecar that fits."""
        from conftest import rewrite_raw

        rewrite_raw(self.raw, stem, change, **facts)

    def declare(self, name, change):
        """Change the text of a file of the reference data."""
        path = self.reference / name
        text = path.read_text(encoding="utf-8")
        changed = change(text)
        assert changed != text, f"nothing of {name} has changed"
        path.write_text(changed, encoding="utf-8")
        forget()

    def declare_edition(self, **entries):
        """Give entries of the edition's file other values."""
        declared = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        self.file.write_text(yaml.safe_dump(declared | entries, allow_unicode=True), encoding="utf-8")

    def warn_only(self):
        """Let the rules say what is wrong and build it all the same, for what must be right on wrong data too."""
        self.declare("quality.yml", lambda text: text.replace("severity: ERROR", "severity: WARNING"))

    def rehearse(self):
        """Let every raw file be one that its source has published, as after `fetch` and `import`."""
        for path in self.raw.glob("*.yml"):
            facts = yaml.safe_load(path.read_text(encoding="utf-8"))
            if facts["origin"] == "reconstruction":
                path.write_text(yaml.safe_dump(facts | {"origin": "statbank"}, allow_unicode=True), encoding="utf-8")
        self.declare("price_index.csv", lambda text: text.replace(",assumed,", ",published,"))

    def without(self, *tables):
        """Take raw files away, each with its sidecar."""
        for path in list(self.raw.iterdir()):
            if path.name.split(".")[0] in tables:
                path.unlink()

    def keep_only(self, *tables):
        """Take all others away: less to build."""
        self.without(*{path.name.split(".")[0] for path in self.raw.iterdir()} - set(tables))

    def build(self, folder=None):
        from noegletal.figures.build import build_edition

        folder = folder or self.processed
        return Built(*build_edition(self.edition, self.raw, folder), folder)


def forget():
    """Forget all that the library has read: it keeps reference data as long as a process lives."""
    for cached in cached_functions():
        cached.cache_clear()


def cached_functions():
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in ("analysis", "noegletal")]
    return {value for module in modules for value in vars(module).values() if hasattr(value, "cache_clear")}


@contextmanager
def looking_at(root):
    """Let the library find a project of its own; nothing that it read of another is left, before or after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOEGLETAL_ROOT", str(root))
        forget()
        try:
            yield SmallEdition(Path(root))
        finally:
            forget()


def small_copy(small_root, folder):
    """The library looks at a copy of the small edition, to change and build anew."""
    # Copied, not linked: it is a few hundred KiB, and a file written over in place would be written over for all.
    return looking_at(shutil.copytree(small_root, folder, symlinks=True))


def make(root):
    """The small edition as a project: a folder with editions, reference data, raw files, and the notebooks."""
    small = SmallEdition(root)
    shutil.copytree(ROOT / "data" / "reference", small.reference)
    small.file.parent.mkdir(parents=True)
    small.raw.mkdir(parents=True)
    for name in ("notebooks", "requirements.lock"):
        (root / name).symlink_to(ROOT / name)
    declare_areas(small.reference)
    declare_years(small.file)
    (small.file.parent / "default.txt").write_text(f"{NAME}\n", "utf-8")
    books = read_deliveries()
    with looking_at(root):
        for path in sorted((ROOT / "data" / "raw" / "2025").glob("*.csv.gz")):
            rewrite(path, small.raw)
        write_deliveries(books, small.raw)
        small.build()


def declare_areas(reference):
    path = reference / "areas.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    other = ~rows["area_code"].isin([*MUNICIPALITIES, *REGIONS])
    kept = rows[~(other & rows["type"].isin(["municipality", "region"])) & rows["region_code"].isin(["", *REGIONS])]
    path.write_text(kept.to_csv(index=False), "utf-8")
    local = kept[kept["type"] == "municipality"].sort_values("area_code")
    named = ",".join(local["area_code"] + " " + local["name"])
    rules = reference / "quality.yml"
    # Single ages of these few are reconstructed and do not grow a year older; those of the whole country do.
    text = rules.read_text("utf-8").replace("ALDER-01:\n    severity: ERROR", "ALDER-01:\n    severity: WARNING")
    ours = hashlib.sha256(named.encode()).hexdigest()[:16]
    rules.write_text(re.sub("official_municipalities: .*", f"official_municipalities: {ours}", text), "utf-8")
    form = reference / "forms" / "komponent.yml"
    text = form.read_text("utf-8").replace('["081", "082", "083", "084", "085"]', str(list(REGIONS)))
    form.write_text(text, "utf-8")


def declare_years(path):
    declared = yaml.safe_load((ROOT / "editions" / "2025.yml").read_text("utf-8"))
    years = {"first": YEARS[0], "last": YEARS[-1]}
    declared |= {"title": "Lille udgave", "period": years, "comparison_areas": [*REGIONS, "000"], "published": None}
    declared.pop("printed")
    for need in declared["tables"].values():
        need["years"]["first"] = max(YEARS[0], need["years"]["first"])
    path.write_text(yaml.safe_dump(declared, sort_keys=False, allow_unicode=True), "utf-8")


def rewrite(path, folder):
    """The rows of a raw file that are of the small edition; its own rows of areas are sums of what is left."""
    stem = path.name.removesuffix(".csv.gz")
    rows = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)
    area, *codes = rows.columns[:-1]
    rows = rows[rows[area].isin([*MUNICIPALITIES, *REGIONS, "000"])]
    years = rows["TID"].str[:4].astype(int)
    # Persons are counted on 1 January after the last year too.
    rows = rows[years.between(YEARS[0], YEARS[-1] + 1) | (years == years.max()) & (years < YEARS[0])]
    if stem in ADDED:
        rows = with_sums(rows, area, codes)
    with_sidecar(folder, path.with_name(f"{stem}.yml"), rows.to_csv(sep=";", index=False), ".csv.gz")


def with_sums(rows, area, codes):
    from analysis import areas

    given = rows[~rows[area].isin(areas.aggregates())]
    if given.empty:
        # Of women from whole regions about as many as come from these municipalities.
        given = rows[rows[area] != "000"]
        given = given.assign(INDHOLD=(given["INDHOLD"].astype(int) // 3).astype(str))
    parts = [given]
    for code in sorted(set(rows[area]) - set(given[area])):
        inside = given[given[area].isin([*areas.members(code), *REGIONS])]
        sums = inside.assign(INDHOLD=inside["INDHOLD"].astype(int)).groupby(codes, as_index=False)["INDHOLD"].sum()
        parts.append(sums.assign(**{area: code}).astype(str))
    return pd.concat(parts)[rows.columns]


def read_deliveries():
    """The workbooks of the embedded edition by form, each sheet with codes."""
    from noegletal.sources.deliveries import read_form
    from noegletal.sources.forms import load_form

    forms = ("herberg", "herberg_ophold", "komponent")
    return {form: read_form(ROOT / "data" / "raw" / "2025" / f"{load_form(form).table}.xlsx", form) for form in forms}


def write_deliveries(books, folder):
    """The same of these areas and years, and of citizens, places and nights one in so many."""
    from noegletal.sources.blank_forms import write_form
    from noegletal.sources.forms import load_form

    for form, sheets in books.items():
        plan = load_form(form)
        for sheet in plan.sheets:
            rows = sheets[sheet.name]
            for column in sheet.columns:
                if column.type == "area":
                    rows = rows[rows[column.field].isin(["", *column.spellings.values()])]
            if "period" in rows:
                rows = rows[rows["period"].str[:4].astype(int) >= YEARS[0]]
            elif form == "komponent" and "diagnosis" in rows:
                # The diagnoses come of the first and the last year only.
                rows = rows.assign(year=rows["year"].replace({2020: YEARS[0]}))
            if "year" in rows:
                rows = rows[rows["year"] >= YEARS[0]]
            if "person" in rows:
                rows = rows[rows["person"].str[1:].astype(int) % ONE_IN == 0]
            counts = list(COUNTED & set(rows))
            # Months are of whole regions, of which about half the places lie outside these municipalities.
            rows = rows.assign(**(rows[counts] // (2 * ONE_IN if "period" in rows else ONE_IN)))
            if "places" in rows:
                rows = rows.assign(places=rows["places"].clip(lower=1))
            sheets[sheet.name] = rows
        path = folder / f"{plan.table}.xlsx"
        write_form(form, path, sheets)
        with_sidecar(folder, ROOT / "data" / "raw" / "2025" / f"{plan.table}.yml", path.read_bytes(), ".xlsx")


def with_sidecar(folder, sidecar, content, suffix):
    """Write a raw file with the facts of another one's sidecar."""
    from conftest import write_raw

    facts = yaml.safe_load(sidecar.read_text("utf-8"))
    facts = {key: value for key, value in facts.items() if key not in ("table", "sha256", "bytes")}
    write_raw(folder, sidecar.stem, content, suffix=suffix, **facts)
