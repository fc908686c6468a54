"""The one kind of error an analyst is meant to read, those of it that have a rule of their own, and unknown names."""

import difflib
from collections.abc import Mapping

WITHOUT_DANISH = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa"})


class InputError(Exception):
    """Something given to the project is wrong: the message names what, where and what to do.

    `rule`: the id of the refusal in `data/reference/quality.yml`; without one it is a refusal of another kind.
    """

    def __init__(self, text: str, *, rule: str = "") -> None:
        """Say `text`, under the id of a rule."""
        super().__init__(text)
        self.rule = rule


class DeclaredError(InputError):
    """A file of `data/reference/` or `editions/` is not what it must be: the message names it and the line or key."""

    def __init__(self, text: str, *, rule: str = "REF-01") -> None:
        """Say `text`."""
        super().__init__(text, rule=rule)


def find(text: str, known: Mapping[str, str], unknown: str) -> str:
    """The code among `known` (code to Danish name) that a person means by a code or a name, in any case, æ or ae.

    Errors: `unknown`, and the nearest codes, or all where none is near.
    """
    spellings = {_folded(spelling): code for code, name in known.items() for spelling in (name, code)}
    wanted = _folded(text)
    if wanted in spellings:
        return spellings[wanted]
    near = [spellings[one] for one in difflib.get_close_matches(wanted, list(spellings), n=5, cutoff=0.5)]
    raise InputError(f"{unknown}; nearest: {', '.join(list(dict.fromkeys(near))[:3] or sorted(known))}")


def _folded(text: str) -> str:
    return text.casefold().translate(WITHOUT_DANISH)
