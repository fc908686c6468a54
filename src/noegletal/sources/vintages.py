"""Where the earlier raw folders of an edition lie, and which there are; loads nothing but paths."""

import re
from pathlib import Path

from analysis.edition import project_root, raw_folder

KEPT_NAME = re.compile(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:-([0-9]+))?$")


def vintages_folder(edition: str, raw: Path | None = None) -> Path:
    """Where the earlier raw folders of an edition are kept: beside `raw` when that is not the edition's own."""
    if raw is None or raw.resolve() == raw_folder(edition).resolve():
        return project_root() / "data" / "vintages" / edition
    return raw.parent / "vintages" / edition


def kept_vintages(folder: Path) -> list[Path]:
    """The vintages in a folder, oldest first; anything else there is passed over."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir() and KEPT_NAME.match(path.name)), key=_age)


def _age(path: Path) -> tuple[str, int]:
    day, number = KEPT_NAME.match(path.name).groups()
    return day, int(number or 1)
