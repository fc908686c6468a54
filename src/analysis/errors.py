"""The one kind of error an analyst is meant to read."""


class InputError(Exception):
    """Something given to the project is wrong: the message names what, where and what to do.

    `rule`: the id of the refusal in `data/reference/quality.yml`; without one it is a refusal of another kind.
    """

    def __init__(self, text: str, *, rule: str = "") -> None:
        """Say `text`, under the id of a rule."""
        super().__init__(text)
        self.rule = rule
