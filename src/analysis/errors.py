"""The one kind of error an analyst is meant to read, and those of it that have a rule of their own."""


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
