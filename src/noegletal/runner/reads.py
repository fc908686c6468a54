"""What a notebook reads and publishes, noted while it runs: the only way to know it that cannot be wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.edition import FACTS, FINDINGS
from analysis.section import Section

# The first cell of a notebook whose run is noted.
FIRST_CELL = "from noegletal.runner.reads import note_all\n\nnote_all({path!r})"


def note_all(path: str) -> None:
    """Note in a file what sections of this process read and publish from now on.

    JSON: `indicators` with the areas read of each, `facts`, `records`, and `outputs` in their order.
    """
    seen: dict[str, Any] = {"indicators": {}, "facts": {}, "records": {}, "outputs": {}}
    Path(path).write_text(json.dumps(seen), encoding="utf-8")

    def read(found: Any, indicator: str, **_: Any) -> None:
        seen["indicators"].setdefault(indicator, {}).update(dict.fromkeys(found["area_code"]))

    def explained(_found: None, *indicators: str) -> None:
        for indicator in indicators:
            seen["indicators"].setdefault(indicator, {})

    def built(_found: Path, file: str) -> None:
        if file == FINDINGS:
            seen["records"]["findings"] = None
        elif file.startswith(f"{FACTS}/"):
            seen["facts"][Path(file).stem] = None

    def published(_found: Any, output: str, *_: Any, **__: Any) -> None:
        seen["outputs"][output] = None

    noting = {"read": read, "provenance": explained, "_built": built, "_about": published, "leave_out": published}
    for name, note in noting.items():
        setattr(Section, name, _noted(getattr(Section, name), note, seen, Path(path)))


def _noted(method: Callable, note: Callable, seen: dict[str, Any], path: Path) -> Callable:
    def noted(self: Section, *given: Any, **named: Any) -> Any:
        found = method(self, *given, **named)
        note(found, *given, **named)
        path.write_text(json.dumps(seen), encoding="utf-8")
        return found

    return noted
