"""From raw tables to facts, key figures and findings on disk, all or nothing."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from analysis import corrections, disclosure, plausibility, quality
from analysis.edition import Edition, reference_folder
from analysis.errors import InputError
from analysis.facts import counts, diagnoses, expenditure, population, rates, shelters
from analysis.indicators import Count, Facts, GivenRate, catalogue, key_figures
from analysis.quality import Finding
from analysis.sources.snapshot import RawFile, raw_files

KEY_FIGURES = "key_figures.parquet"
FACTS = "facts"
FINDINGS = "findings.json"
SOURCES = "sources.json"
RECORD = "build.json"


def build_edition(edition: Edition, raw: Path, processed: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Compute facts and key figures of an edition from a raw folder and write them to `processed`.

    Writes facts/*.parquet, key_figures.parquet, findings.json and sources.json (every raw file with its sidecar).
    Nothing of an earlier build changes unless all of it was computed.
    """
    files = raw_files(raw)
    delivered = {file.sidecar.table for file in files}
    absent = [table for table in edition.tables if table not in delivered]
    required = [table for table in absent if edition.tables[table].required]
    if required:
        raise InputError(f"{raw} lacks {', '.join(required)}: there is no {required[0]}.csv or {required[0]}.csv.gz")
    findings = [quality.table_not_delivered(table) for table in absent]
    findings += corrections.applied(raw, edition)
    facts = {}
    facts["expenditure"], found = expenditure.build(raw, edition)
    findings += found
    facts["population"], found = population.build(raw, edition)
    findings += found
    given, counted = {}, {}
    for name, indicator in catalogue().indicators.items():
        if isinstance(indicator, GivenRate) and indicator.table in delivered:
            given[name], found = rates.build(raw, edition, indicator.table, indicator.select, indicator.ceiling)
            findings += found
        elif isinstance(indicator, Count):
            parts = []
            for table in indicator.counts:
                if table.table in delivered:
                    rows, found = counts.build(raw, edition, table)
                    parts.append(rows)
                    findings += found
            if parts:
                counted[name] = pd.concat(parts, ignore_index=True)
    diagnosed, found = diagnoses.build(raw, edition)
    findings += found
    sheltered, found = shelters.build(raw, edition)
    findings += found
    booked_in = catalogue().indicators["shelter_cost"].category
    findings += shelters.against_accounts(sheltered["shelter_expenditure"], facts["expenditure"], booked_in)
    facts |= given | counted | {"diagnoses": diagnosed} | sheltered
    table = key_figures(edition, Facts(facts["expenditure"], facts["population"], given, counted, diagnosed))
    table = disclosure.suppressed(table, edition)
    findings += plausibility.findings(table)
    quality.require_sound(findings)
    _write(
        processed, facts, table, findings, files, {"raw": str(raw.resolve()), "inputs": _inputs_digest(edition, raw)}
    )
    return table, findings


def _write(
    processed: Path,
    facts: dict[str, pd.DataFrame],
    table: pd.DataFrame,
    findings: list[Finding],
    files: list[RawFile],
    record: dict[str, str],
) -> None:
    try:
        processed.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".build-", dir=processed))
    except OSError as error:
        raise InputError(f"cannot write to {processed}: {error.strerror or error}") from error
    try:
        (staging / FACTS).mkdir()
        for name, frame in facts.items():
            frame.to_parquet(staging / FACTS / f"{name}.parquet", index=False)
        table.to_parquet(staging / KEY_FIGURES, index=False)
        (staging / FINDINGS).write_text(
            json.dumps([finding.model_dump() for finding in findings], ensure_ascii=False, indent=1), encoding="utf-8"
        )
        (staging / SOURCES).write_text(
            json.dumps([source_record(file) for file in files], ensure_ascii=False, indent=1), encoding="utf-8"
        )
        (processed / FACTS).mkdir(exist_ok=True)
        # The record goes first and comes back last: a stop in between leaves a build that counts as stale.
        (processed / RECORD).unlink(missing_ok=True)
        for path in sorted(staging.rglob("*")):
            if path.is_file():
                path.replace(processed / path.relative_to(staging))
        (staging / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        (staging / RECORD).replace(processed / RECORD)
    except OSError as error:
        raise InputError(f"cannot write to {processed}: {error.strerror or error}; nothing was replaced") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def source_record(file: RawFile) -> dict[str, object]:
    """A raw file the way pages and manifests show it."""
    return {"file": file.path.name, **file.sidecar.model_dump(mode="json")}


def build_if_stale(edition: Edition, raw: Path, processed: Path) -> bool:
    """Build unless `processed` holds what these raw files, reference data and code give; says whether it built."""
    corrections.refuse_expired(edition)
    record = build_record(processed)
    if record.get("inputs") == _inputs_digest(edition, raw):
        return False
    build_edition(edition, raw, processed)
    return True


def build_record(processed: Path) -> dict[str, str]:
    """What the key figures in a folder were built from (`raw`, `inputs`), or nothing."""
    path = processed / RECORD
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _inputs_digest(edition: Edition, raw: Path) -> str:
    """A checksum over the edition, the raw files, the reference data and the code that makes key figures."""
    digest = hashlib.sha256(edition.model_dump_json().encode())
    for file in raw_files(raw):
        digest.update(f"{file.path.name} {file.sidecar.model_dump_json()}".encode())
    code = Path(__file__).parent
    for path in [
        *sorted(reference_folder().glob("*.*")),
        *sorted(reference_folder().glob("forms/*")),
        *sorted(code.glob("*.py")),
        *sorted(code.glob("[fs]*/*.py")),
    ]:
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
