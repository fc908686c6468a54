"""The digest of released key figures: what they were, by indicator, area and year, and what they were made from.

`data/released/<edition>.csv` and `<edition>.yml` lie in the repository. A build whose figures differ is found whatever
the size of the change: a typo in reference data that no range catches changes a line of it.
"""

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field

from analysis.declared import read_declared
from analysis.edition import KEY_FIGURES, Edition, project_root, reference_folder
from analysis.errors import DeclaredError, InputError
from analysis.rows import CELL_KEYS
from noegletal.figures.freshness import DECISIONS, digest, file_digest
from noegletal.folders import CHECKPOINTS, written

KEYS = ["indicator", "area_code", "year"]
COLUMNS = [*KEYS, "figures", "sum", "digest"]
# What another machine adds up in another order must not be another figure; a typo in a price index changes more.
FIGURE, SUM = "{:.7g}", "{:.9g}"
# Sums of decimals lie on the middle between two rounded figures, where noise decides; a hair above it, none does.
HAIR = 1 + 1e-10
SHORT = 8
# What of an edition decides on its figures.
DECLARED = {"period", "price_level", "price_index", "coverage", "disclosure", "tables"}


class Released(BaseModel):
    """What the digest of an edition was made from, and why it is as it is; the newest of `changes` stands last."""

    model_config = ConfigDict(extra="forbid")

    made_from: dict[str, str]
    changes: list["Change"] = Field(min_length=1)


class Change(BaseModel):
    """A declared change of released key figures: when, why, and what in short."""

    model_config = ConfigDict(extra="forbid")

    date: datetime.date
    reason: str = Field(min_length=1)
    changed: str


@dataclass(frozen=True)
class Differences:
    """How key figures differ from those released.

    `figures`: indicator, area_code, year, before, after (sums; NaN where there is nothing), pct; a row for each that
    differs, the largest relative change of an indicator first. `files`: what they are made from that differs, by name.
    """

    figures: pd.DataFrame
    files: list[str]
    # Indicators of which nothing has been released yet: they differ from nothing.
    new: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What changed in short, for the record."""
        names = ", ".join(self.figures["indicator"].unique())
        return f"{len(self.figures)} sums of {names}" if names else "no figure"


def folder() -> Path:
    """Where the digests of all editions lie."""
    return project_root() / "data" / "released"


def digested(figures: pd.DataFrame) -> pd.DataFrame:
    """The digest of key figures: how many, their sum and a checksum by indicator, area and year."""
    value = figures["value"].astype(float) + 0.0
    text = value.map(lambda number: "" if pd.isna(number) else FIGURE.format(number * HAIR))
    lines = figures[CELL_KEYS[0]].astype(str)
    for column in (*CELL_KEYS[1:], "unit", "status"):
        lines = lines + ";" + figures[column].astype(str)
    frame = figures[KEYS].assign(line=lines + ";" + text, value=value).sort_values([*KEYS, "line"])
    groups = frame.groupby(KEYS, sort=True)
    return pd.DataFrame(
        {
            "figures": groups.size(),
            "sum": groups["value"].sum(min_count=1),
            "digest": groups["line"].agg(lambda all_of: _short("\n".join(all_of))),
        }
    ).reset_index()


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


def made_from(edition: Edition, raw: Path) -> dict[str, str]:
    """Checksums of the raw files, the definitions and the edition that key figures are made from, by file name."""
    files = {f"raw/{path.name}": path for path in sorted(raw.iterdir()) if path.is_file() and path.suffix != ".yml"}
    reference = reference_folder()
    for path in sorted(reference.rglob("*.*")):
        if path.is_file() and path.name != DECISIONS and CHECKPOINTS not in path.parts:
            files[f"reference/{path.relative_to(reference).as_posix()}"] = path
    declared = edition.model_dump(mode="json", include=DECLARED)
    return {name: file_digest(path) for name, path in files.items()} | {
        f"editions/{edition.name}.yml": digest(declared)
    }


def released(edition: Edition) -> tuple[pd.DataFrame, Released] | None:
    """The digest in the repository, and what it was made from; None of an edition that was never released."""
    table, record = _files(edition)
    if not table.is_file() and not record.is_file():
        return None
    for path in (table, record):
        if not path.is_file():
            raise DeclaredError(f"data/released/ has no {path.name}: take it back from git, or remove the other file")
    found = pd.read_csv(table, dtype={"area_code": str, "digest": str})
    if found.columns.tolist() != COLUMNS:
        raise DeclaredError(f"data/released/{table.name} has other columns than {', '.join(COLUMNS)}: take it from git")
    # What a merge or a hand left in place of a sum must not keep anybody from declaring the digest anew.
    return found.assign(sum=pd.to_numeric(found["sum"], errors="coerce")), read_declared(record, Released)


def compared(edition: Edition, raw: Path, processed: Path) -> Differences | None:
    """How the key figures that are built differ from those released; None of an edition that was never released."""
    known = released(edition)
    if known is None:
        return None
    before, record = known
    after = digested(pd.read_parquet(processed / KEY_FIGURES))
    both = before.merge(after, on=KEYS, how="outer", suffixes=("_before", "_after"))
    new = tuple(sorted(set(after["indicator"]) - set(before["indicator"])))
    both = both[(both["digest_before"] != both["digest_after"]) & ~both["indicator"].isin(new)]
    sums = both[["sum_before", "sum_after"]].set_axis(["before", "after"], axis=1)
    sums = sums.map(lambda figure: float(SUM.format(figure)))
    pct = (sums["after"] - sums["before"]) / sums["before"].abs().where(sums["before"] != 0) * 100
    rows = both[KEYS].join(sums).assign(pct=pct)
    order = pct.abs().fillna(float("inf")).groupby(rows["indicator"]).rank(ascending=False, method="first")
    rows = rows.assign(order=order).sort_values(["indicator", "order"]).drop(columns="order")
    now = made_from(edition, raw)
    files = [name for name in dict.fromkeys([*now, *record.made_from]) if now.get(name) != record.made_from.get(name)]
    return Differences(rows.reset_index(drop=True), files, new)


def declare(edition: Edition, raw: Path, processed: Path, reason: str) -> Differences:
    """Write the digest of the key figures that are built, with the reason why they are others than those released.

    Errors: no reason, or a digest that is that of the figures and files already.
    """
    if not reason.strip():
        raise InputError("a change of released key figures needs a reason: --reason with a sentence on what changed")
    differences = compared(edition, raw, processed)
    if differences is not None and differences.figures.empty and not differences.files and not differences.new:
        raise InputError(f"key figures and files of edition {edition.name} are those released: nothing to declare")
    earlier = released(edition)
    table, record = _files(edition)
    made = digested(pd.read_parquet(processed / KEY_FIGURES))
    if differences is None:
        differences = Differences(pd.DataFrame(columns=[*KEYS, "before", "after", "pct"]), [])
        changed = f"first release: {len(made)} sums of {made['indicator'].nunique()} indicators"
    else:
        changed = f"{differences.text}; {', '.join(differences.files) or 'the code'}"
    entry = Change(date=datetime.date.today(), reason=" ".join(reason.split()), changed=changed)
    changes = [*(earlier[1].changes if earlier else []), entry]
    facts = Released(made_from=made_from(edition, raw), changes=changes).model_dump(mode="json")
    sums = made.assign(sum=made["sum"].map(SUM.format, na_action="ignore"))
    written({
        table: sums.to_csv(index=False, lineterminator="\n"),
        record: yaml.safe_dump(facts, allow_unicode=True, sort_keys=False, width=120),
    })  # fmt: skip
    return differences


def _files(edition: Edition) -> tuple[Path, Path]:
    return folder() / f"{edition.name}.csv", folder() / f"{edition.name}.yml"
