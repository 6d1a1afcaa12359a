"""Two models' losses on the same examples: the paired t test from n, mean and SD of the differences.

Differences are candidate - baseline: a positive mean says that the candidate is worse. SDs have n - 1 in the
denominator. All functions take arrays that broadcast together, or numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]


def t_worse(n: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Floats:
    """One-sided p of "the mean difference is at most zero". Without any spread the sign decides; 1 below n = 2."""
    size, middle, spread = _floats(n, mean, sd)
    error = spread / np.sqrt(np.maximum(size, 1.0))
    certain = error == 0
    with np.errstate(over="ignore"):  # a mean beyond any number of errors
        t = middle / np.where(certain, 1.0, error)
    p = stdtr(np.maximum(size - 1, 1.0), -t)
    return np.where(size < 2, 1.0, np.where(certain, np.where(middle <= 0, 1.0, 0.0), p))


def mean_interval(n: ArrayLike, mean: ArrayLike, sd: ArrayLike, confidence: ArrayLike = 0.95) -> tuple[Floats, Floats]:
    """Two-sided interval of the mean difference, for n of at least 2."""
    size, middle, spread, level = _floats(n, mean, sd, confidence)
    half = stdtrit(size - 1, 0.5 + level / 2) * spread / np.sqrt(size)
    return middle - half, middle + half


def _floats(*values: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in values)))
