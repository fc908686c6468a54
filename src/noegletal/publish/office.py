"""What slides and workbook share: texts that an Office file can hold, Danish number formats, files without a clock."""

import datetime
import io
import re
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from analysis import areas, danish
from analysis.charts.contents import Contents, Gap, Series
from analysis.danish import STATUS_SYMBOLS
from analysis.edition import Edition
from analysis.rows import labels

LANGUAGE = "da-DK"
# Safe in a workbook made from data: a text is never taken for a formula, a link or a number.
TEXT_STAYS_TEXT = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
    "in_memory": True,
}
# What XML cannot hold, and marks that turn the writing direction of all that follows.
UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
LINE_BREAKS = re.compile("[\t\n\r\u0085\u2028\u2029]+")
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Programs that do not ask the computer for its language still write comma and point as in Danish.
DANISH = "[$-406]"
EARLIEST = (1980, 1, 1, 0, 0, 0)


@lru_cache(maxsize=8192)
def readable(text: str) -> str:
    """A text on one line as an Office file can hold it; what cannot be shown is a replacement character."""
    if text.isprintable():
        return text
    return LINE_BREAKS.sub(" ", UNSHOWABLE.sub("\ufffd", TURNING.sub("", text)))


def number_format(decimals: int) -> str:
    """The format of a number with decimals, in the notation of Office files, with the minus sign that we print."""
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return f'{DANISH}{pattern};{DANISH}"\u2212"{pattern}'


def author(edition: Edition) -> str:
    """Who publishes the report, whatever area it is about."""
    return areas.kkr_name(areas.kkr(edition.home_area))


def fixed_date(edition: Edition) -> datetime.datetime:
    """The day after the years that the edition covers: the same in every run, as a date of today would not be."""
    return datetime.datetime(edition.period.last + 1, 1, 1, tzinfo=datetime.UTC).replace(tzinfo=None)


def symbols(statuses: set[str]) -> list[str]:
    """What the symbols for figures that are not there stand for, such as `.. mangler.`; nothing for other statuses."""
    return [f"{symbol} {labels().statuses[status]}." for status, symbol in STATUS_SYMBOLS.items() if status in statuses]


def lines_below(record: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """The lines below an output, first what to know where its section failed and this is from an earlier run."""
    failed = []
    if record.get("failed"):
        made = record.get("made")
        when = f" den {danish.day(made)}" if made else ""
        failed = [f"Afsnittet kunne ikke dannes ved den seneste kørsel; dette er fra kørslen{when}."]
    return [*failed, *facts.get("below", [])]


def without_clock(content: bytes, path: Path) -> None:
    """Write an Office file with the same date on each of its parts, so that two runs give the same bytes."""
    with (
        zipfile.ZipFile(io.BytesIO(content)) as made,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file,
    ):
        for name in made.namelist():
            part = zipfile.ZipInfo(name, EARLIEST)
            part.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(part, made.read(name))


def from_facts(facts: Mapping[str, Any]) -> Contents:
    """The contents that were stored as facts."""
    series = [Series(**one) for one in facts["series"]]
    return Contents(**{**facts, "series": series, "gaps": [Gap(**one) for one in facts["gaps"]]})
