"""The herberg capacity model: `herberg.model` is its front door."""

from analysis.herberg import charts, sentences, uncertainty
from analysis.herberg.model import NO_PERIODS, NO_STAYS, NO_USE, OWNERSHIPS, TOO_SHORT, Model, model

__all__ = [
    "NO_PERIODS", "NO_STAYS", "NO_USE", "OWNERSHIPS", "TOO_SHORT", "Model", "charts", "model", "sentences",
    "uncertainty",
]  # fmt: skip
