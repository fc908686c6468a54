"""Noise that depends on names only: the same key always gives the same number, on any machine."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import numpy as np
from scipy.special import ndtri

_DECIMALS = 9


def standard_normal(seed: int, *keys: Hashable) -> float:
    """A standard normal number drawn from the hash of seed and keys."""
    text = "|".join(str(part) for part in (seed, *keys))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 0.5) / 2**64
    return round(float(ndtri(uniform)), _DECIMALS)


def lognormal(seed: int, deviation: float, *keys: Hashable) -> float:
    """A positive factor with median one and the given standard deviation of its logarithm."""
    return round(float(np.exp(deviation * standard_normal(seed, *keys))), _DECIMALS)
