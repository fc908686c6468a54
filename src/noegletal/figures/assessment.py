"""What the rules say of an edition's data: findings of its build, or why there is none, and against earlier figures."""

import json
import tempfile
from pathlib import Path

import pandas as pd

from analysis.edition import Edition
from analysis.errors import InputError
from noegletal import rules
from noegletal.figures import plausibility
from noegletal.figures.build import FINDINGS, KEY_FIGURES, build_edition, build_if_stale
from noegletal.rules import BlockedError, Finding


def assessed(edition: Edition, raw: Path, processed: Path, earlier: Path | None = None) -> list[Finding]:
    """Everything the rules find, the most serious first; builds what is stale, and a refusal is a FATAL finding.

    `earlier` is an earlier raw folder, or a folder or file with the key figures of an earlier build. Errors: an
    `earlier` that holds neither.
    """
    try:
        build_if_stale(edition, raw, processed)
    except BlockedError as blocked:
        return rules.by_severity(blocked.findings)
    except InputError as error:
        return [rules.refusal(error)]
    findings = recorded(processed)
    if earlier is not None:
        now = pd.read_parquet(processed / KEY_FIGURES)
        findings += plausibility.revisions(now, _earlier_figures(edition, earlier))
    return rules.by_severity(findings)


def recorded(processed: Path) -> list[Finding]:
    """The findings that a build has written."""
    return [Finding(**found) for found in json.loads((processed / FINDINGS).read_text(encoding="utf-8"))]


def _earlier_figures(edition: Edition, earlier: Path) -> pd.DataFrame:
    path = earlier / KEY_FIGURES if earlier.is_dir() else earlier
    if path.is_file():
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a table of key figures: {error}") from error
    if not earlier.is_dir():
        raise InputError(f"{earlier} does not exist: give a raw folder or the key figures of an earlier build")
    with tempfile.TemporaryDirectory() as folder:
        return build_edition(edition, earlier, Path(folder))[0]
