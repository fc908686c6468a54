"""The one kind of error an analyst is meant to read."""


class InputError(Exception):
    """Something given to the project is wrong: the message names what, where and what to do."""
