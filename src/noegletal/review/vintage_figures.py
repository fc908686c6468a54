"""The vintages of an edition: which there are, what a name means, and the key figures of each.

A vintage is a whole raw folder as it was on a day. The edition's raw folder is the newest; the earlier ones are kept
by `noegletal fetch` in `data/vintages/<edition>/<YYYY-MM-DD>[-n]/`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from analysis.edition import Edition, Years, editions, load_edition, processed_folder, project_root, raw_folder
from analysis.errors import InputError
from noegletal.figures.build import VINTAGES, build_if_stale, build_record
from noegletal.sources.snapshot import TIME, raw_files, table_shapes
from noegletal.sources.vintages import kept_vintages, vintages_folder

CURRENT = "nu"
CURRENT_NAMES = (CURRENT, "current")
HEADER_BYTES = 65536


@dataclass(frozen=True)
class Vintage:
    """A raw folder under the name a reader knows it by, and the plan that its key figures are made after."""

    name: str
    raw: Path
    plan: Edition


def find_vintage(name: str, edition: Edition) -> Vintage:
    """The vintage a person means: `nu`, a kept one by its name, another edition, or a raw folder.

    Another edition is given the price level of this one: with each its own, every amount would differ.
    Errors: a name that is none of these, with those there are.
    """
    kept = {path.name: path for path in kept_vintages(vintages_folder(edition.name))}
    if name in (*CURRENT_NAMES, edition.name):
        return vintage(CURRENT, raw_folder(edition.name), edition)
    if name in kept:
        return vintage(name, kept[name], edition)
    if name in editions():
        prices = {"price_level": edition.price_level, "price_index": edition.price_index}
        return vintage(name, raw_folder(name), load_edition(name).model_copy(update=prices))
    if Path(name).is_dir():
        path = Path(name).resolve()
        return vintage(CURRENT if path == raw_folder(edition.name).resolve() else path.name, path, edition)
    others = [other for other in editions() if other != edition.name]
    known = ", ".join([CURRENT, *kept]) + (f", the editions {', '.join(others)}" if others else "")
    raise InputError(f"vintage {name!r} of edition {edition.name} is not known; there are: {known}, or any raw folder")


def vintage(name: str, raw: Path, edition: Edition) -> Vintage:
    """A raw folder as a vintage, its plan cut to the years that its tables hold at either end.

    Otherwise an earlier vintage that lacks the newest year, which is what a comparison is to show, could not be built.
    """
    needs = dict(edition.tables)
    period = edition.period
    for table, need in edition.tables.items():
        held = _years_held(raw, table)
        if not held:
            continue
        needs[table] = need.model_copy(update={"years": _cut(need.years, held)})
        if need.required:
            period = _cut(period, held)
    return Vintage(name, raw, edition.model_copy(update={"tables": needs, "period": period}))


def _years_held(raw: Path, table: str) -> set[int]:
    """The years of a table of figures; none of a workbook, a table that is not there or one that cannot be read."""
    if table not in table_shapes():
        return set()
    years = set()
    for file in raw_files(raw, table):
        try:
            periods = _periods(file.path)
        except (pa.ArrowException, OSError, EOFError):
            return set()
        years |= {int(period[:4]) for period in periods if period[:4].isdigit()}
    return years


def _periods(path: Path) -> set[str]:
    """The codes of TID in a file, read without the other columns: a full REGK100 need not stand in memory for this."""
    with pa.input_stream(str(path)) as stream:
        header = stream.read(HEADER_BYTES).split(b"\n", 1)[0].decode("utf-8-sig", errors="replace")
    names = [cell.strip().strip('"') for cell in header.split(";")]
    time = [name for name in names if name.upper() == TIME]
    wanted = csv.ConvertOptions(include_columns=time, column_types=dict.fromkeys(time, pa.string()))
    with csv.open_csv(path, parse_options=csv.ParseOptions(delimiter=";"), convert_options=wanted) as reader:
        return {period for batch in reader for period in pc.unique(batch.column(0)).to_pylist()} if time else set()


def _cut(years: Years, held: set[int]) -> Years:
    inside = [year for year in years.all if year in held]
    # Nothing in common, or a gap in the middle, is left for the build to refuse by name.
    return Years(first=inside[0], last=inside[-1]) if inside else years


def same_files(one: Path, other: Path) -> bool:
    """Whether two raw folders hold the same files with the same sidecars; a file unlike its sidecar is an error."""
    contents = [[(file.path.name, file.sidecar) for file in raw_files(folder)] for folder in (one, other)]
    return contents[0] == contents[1]


def built(chosen: Vintage, edition: Edition, processed: Path | None = None) -> Path:
    """The folder with the key figures of a vintage, built unless they are there already.

    Reference data and code are today's. `processed`: the edition's folder; the others have theirs in `vintages/`
    inside it. What somebody built there from another raw folder is left alone.
    """
    main = processed or processed_folder(edition.name)
    own = chosen.name == CURRENT and chosen.plan == edition
    free = build_record(main).get("raw") in (None, str(chosen.raw.resolve()))
    folder = main if own and free else main / VINTAGES / _folder_name(chosen)
    build_if_stale(chosen.plan, chosen.raw, folder)
    return folder


def _folder_name(chosen: Vintage) -> str:
    """The vintage's own name inside the project; a folder elsewhere could have the same, so its place is added."""
    place = chosen.raw.resolve()
    if place.is_relative_to(project_root().resolve() / "data"):
        return chosen.name
    return f"{chosen.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"
