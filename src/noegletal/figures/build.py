"""From raw tables to facts, key figures and findings on disk, all or nothing."""

import json
from contextlib import suppress
from pathlib import Path

import pandas as pd

from analysis.edition import FACTS, FINDINGS, KEY_FIGURES, SOURCES, Edition
from analysis.errors import InputError
from analysis.rows import weakest
from noegletal.figures import slices
from noegletal.figures.freshness import RECORD, SLICES, build_inputs, build_record, digest
from noegletal.folders import held, keep, replaced
from noegletal.rules import Finding
from noegletal.sources import corrections
from noegletal.sources.snapshot import RawFile, raw_files, read_table, table_shapes
from noegletal.sources.vintages import kept_vintages, vintages_folder

# Where, inside the folder of an edition, its earlier vintages are built.
VINTAGES = "vintages"


def build_edition(edition: Edition, raw: Path, processed: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Compute facts and key figures of an edition from a raw folder and write them to `processed`.

    Writes facts/*.parquet, key_figures.parquet, findings.json, sources.json (every raw file with its sidecar),
    slices.json (what sections depend on) and build.json (what the build depends on).
    Nothing of an earlier build changes unless all of it was computed.
    """
    # Loading them takes longer than a report whose key figures are there already.
    from noegletal import rules
    from noegletal.facts import checks, diagnoses, expenditure, population, shelters
    from noegletal.figures import disclosure, plausibility, price_index, reference
    from noegletal.figures.kinds import indicators, key_figures

    # Before anything is read: what changes while the build runs must make it stale.
    inputs = build_inputs(edition, raw)
    files = raw_files(raw)
    tables = {file.sidecar.table for file in files}
    reference.require_consistent(edition, sorted(tables))
    delivered = tables & set(edition.tables)
    absent = [table for table in edition.tables if table not in delivered]
    required = [table for table in absent if edition.tables[table].required]
    if required:
        raise InputError(
            f"{raw} lacks {', '.join(required)}: there is no {required[0]}.csv or {required[0]}.csv.gz", rule="DAEK-03"
        )
    findings = [checks.table_not_delivered(table) for table in absent if not _stood_in_for(table, delivered)]
    findings += corrections.applied(raw, edition)
    findings += checks.units({file.path.name: (file.sidecar.table, file.sidecar.unit or "") for file in files})
    earlier = kept_vintages(vintages_folder(edition.name, raw))[-1:]
    with_totals = {identity.table for identity in rules.catalogue().thresholds.identities}
    for table in sorted(delivered & (set(table_shapes()) if earlier else with_totals)):
        rows = corrections.read_corrected(raw, table, edition)[0]
        findings += checks.identities(table, rows)
        for vintage in earlier:
            # A vintage that cannot be read any more, or lacks the table, says nothing of this one.
            with suppress(InputError):
                before = read_table(vintage, table)[0]
                findings += checks.against_vintage(table, table_shapes()[table].area, before, rows)
    facts = {"price_index": price_index.used(edition, raw, delivered)}
    facts["expenditure"], found = expenditure.build(raw, edition)
    findings += found
    facts["population"], found = population.build(raw, edition)
    findings += found
    for name, kind in indicators().items():
        rows, found = kind.facts(raw, edition, delivered)
        findings += found
        if rows is not None:
            facts[name] = rows
    facts["diagnoses"], found = diagnoses.build(raw, edition)
    findings += found
    sheltered, found = shelters.build(raw, edition)
    findings += found
    booked_in = indicators()["shelter_cost"].category
    findings += shelters.against_accounts(sheltered["shelter_expenditure"], facts["expenditure"], booked_in)
    facts |= sheltered
    table = key_figures(edition, facts)
    table = disclosure.suppressed(table, edition)
    findings = disclosure.without_figures(findings, edition) + plausibility.findings(table)
    findings = _with_origin(findings, files)
    rules.require_sound(findings)
    table = plausibility.noted(table, findings)
    _write(
        processed, facts, table, findings, files, {"raw": str(raw.resolve()), "inputs": digest(inputs), "parts": inputs}
    )
    return table, findings


def _with_origin(findings: list[Finding], files: list[RawFile]) -> list[Finding]:
    """Findings with the weakest origin of the first table that each is about."""
    origins: dict[str, list[str]] = {}
    for file in files:
        origins.setdefault(file.sidecar.table, []).append(file.sidecar.origin)
    first = (finding.table.split(", ")[0] for finding in findings)
    return [
        finding.model_copy(update={"origin": weakest(origins.get(table, []))})
        for finding, table in zip(findings, first, strict=True)
    ]


def _stood_in_for(table: str, delivered: set[str]) -> bool:
    """Whether a table that is not there is not missed, because other tables or the reference data stand in for it."""
    shape = table_shapes().get(table)
    replaced = shape is not None and bool(shape.replaced_by) and delivered.issuperset(shape.replaced_by)
    return replaced or (shape is not None and bool(shape.instead))


def _write(
    processed: Path,
    facts: dict[str, pd.DataFrame],
    table: pd.DataFrame,
    findings: list[Finding],
    files: list[RawFile],
    record: dict[str, object],
) -> None:
    # An earlier vintage is built inside the edition's folder, which must not be replaced meanwhile.
    edition_folder = processed.parents[1] if processed.parent.name == VINTAGES else processed
    with held(edition_folder), replaced(processed) as new:
        (new / FACTS).mkdir()
        for name, frame in facts.items():
            frame.to_parquet(new / FACTS / f"{name}.parquet", index=False)
        table.to_parquet(new / KEY_FIGURES, index=False)
        _write_json(new / FINDINGS, [finding.model_dump() for finding in findings])
        sources = [source_record(file) for file in files]
        _write_json(new / SOURCES, sources)
        _write_json(new / SLICES, slices.digests(table, new, sources), indent=None)
        _write_json(new / RECORD, record)
        # Facts of an earlier build may be of a table that is no longer there.
        keep(processed, new, lambda name: not (name.startswith(f"{FACTS}/") and name.endswith(".parquet")))


def _write_json(path: Path, content: object, indent: int | None = 1) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent), encoding="utf-8")


def source_record(file: RawFile) -> dict[str, object]:
    """A raw file the way pages and manifests show it."""
    return {"file": file.path.name, **file.sidecar.model_dump(mode="json")}


def build_if_stale(edition: Edition, raw: Path, processed: Path) -> bool:
    """Build unless `processed` holds what these raw files, reference data and code give; says whether it built."""
    corrections.refuse_expired(edition)
    if build_record(processed).get("parts") == build_inputs(edition, raw):
        return False
    build_edition(edition, raw, processed)
    return True
