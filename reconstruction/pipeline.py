"""The steps in order: derive, reconstruct the population, fit and spread the accounts, count persons, write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconstruction.adult_services import AdultServices
from reconstruction.derive import accounts_in_kroner
from reconstruction.notifications import Notifications
from reconstruction.population import reconstruct_population
from reconstruction.raw_files import WrittenFile, read_table, write_table
from reconstruction.reference import load_reference
from reconstruction.region_accounts import RegionAccounts
from reconstruction.series import fixed_price_expenditure
from reconstruction.shelters import crisis_centres
from reconstruction.spread import Spreader
from reconstruction.supported_children import SupportedChildren

ROOT = Path(__file__).resolve().parent.parent
THOUSANDS_PER_MIO = 1000.0


@dataclass(frozen=True)
class Outcome:
    """The written files and the slack of the targets (row id, mio. kr.), narrowest first."""

    files: list[WrittenFile]
    slack: list[tuple[str, float]]


def reconstruct(
    raw: Path,
    out: Path,
    assumptions: dict[str, Any],
    texts: dict[str, dict[str, Any]],
    reference_folder: Path = ROOT / "data" / "reference",
) -> Outcome:
    """Write the derived and reconstructed tables from the transcribed ones in `raw`."""
    reference = load_reference(reference_folder, assumptions)
    population = read_table(raw, "FOLK1A")
    derived = accounts_in_kroner(read_table(raw, "REGK31"), population, reference.municipalities)
    ages = reconstruct_population(
        population, read_table(raw, "FOLK1B"), read_table(raw, "FOLK1A_BAND"), reference, assumptions
    )
    regions = RegionAccounts(reference, assumptions, ages, derived)
    cells, fitted = regions.fit_end_years()
    amounts = regions.nominal_by_year(cells, fitted.amounts)
    accounts = Spreader(reference, assumptions, ages, derived).spread(amounts)
    expenditure = fixed_price_expenditure(accounts, reference, assumptions["account_years"][-1])
    columns = ["OMRÅDE", "KØN", "ALDER", "CIVILSTAND", "TID", "INDHOLD"]
    tables = {
        "REGK31.derived": derived,
        "FOLK1A.reconstruction": ages.assign(KØN="TOT", CIVILSTAND="TOT")[columns],
        "REGK100": accounts,
        **Notifications(reference, assumptions, ages).tables(read_table(raw, "UND2_PR_1000")),
        **SupportedChildren(reference, assumptions, ages, expenditure).tables(read_table(raw, "BU43")),
        "HAND05": AdultServices(reference, assumptions, ages, expenditure).table(),
        "KRISE1": crisis_centres(reference, assumptions, expenditure),
    }
    return Outcome([write_table(out, name, table, texts[name]) for name, table in tables.items()], fitted.slack)
