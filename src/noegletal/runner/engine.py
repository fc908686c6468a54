"""Which engine runs the notebooks of a report, and what its kernels have loaded before the first cell."""

from analysis.errors import InputError
from warmkernel import engine

NOTEBOOK_MODULES = (
    "analysis.charts",
    "analysis.herberg",
    "analysis.measures",
    "analysis.section",
    "analysis.sentences",
    "analysis.trend",
)
engine.preload(*NOTEBOOK_MODULES)


def choose(name: str) -> str:
    """`warm` or `stock` for what was asked for. Errors: an unknown name; `warm` where it cannot work."""
    try:
        return engine.choose(name)
    except engine.EngineError as error:
        raise InputError(str(error)) from error
