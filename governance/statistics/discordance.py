"""Two models answered the same n examples, right or wrong; only those on which they differ say anything.

b: baseline right and candidate wrong; c: the reverse; n: examples. The drop (b - c) / n is positive when the
candidate is worse. All functions take arrays that broadcast together, or numbers.

[1] Fagerland, Lydersen, Laake, "The McNemar test for binary matched-pairs data",
    BMC Medical Research Methodology 13:91 (2013)
[2] Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17:891 (1998)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc, ndtri

Floats = NDArray[np.float64]

STEPS = 44  # of bisection over a drop from -1 to 1: the bound is exact to 1e-13


def midp_worse(b: ArrayLike, c: ArrayLike) -> Floats:
    """One-sided mid-p of "the candidate is not worse" [1]: P(X > b) + P(X = b) / 2, X ~ Bin(b + c, 1/2).

    1 where nothing differs. Exact for every count: the upper tail is computed as such, so that a small p keeps
    its digits and no normal approximation is needed beyond some number of disagreements.
    """
    worse, better = _floats(b, c)
    differ = (worse + better).astype(np.int64)
    at_least = np.where(worse > 0, bdtrc(np.maximum(worse - 1, 0), differ, 0.5), 1.0)
    return np.where(differ > 0, (at_least + bdtrc(worse, differ, 0.5)) / 2, 1.0)


def standard_score(b: ArrayLike, c: ArrayLike) -> Floats:
    """(b - c) / √(b + c), normal with variance 1 where the two models are equal; 0 where nothing differs."""
    worse, better = _floats(b, c)
    return (worse - better) / np.sqrt(np.maximum(worse + better, 1.0))


def drop_interval(b: ArrayLike, c: ArrayLike, n: ArrayLike, confidence: ArrayLike = 0.95) -> tuple[Floats, Floats]:
    """Two-sided interval of the drop by Tango's score statistic [2]; (-1, 1) without examples."""
    z = ndtri(0.5 + np.asarray(confidence, dtype=np.float64) / 2)
    return score_bound(b, c, n, z), score_bound(b, c, n, -z)


def score_bound(b: ArrayLike, c: ArrayLike, n: ArrayLike, z: ArrayLike) -> Floats:
    """The drop at which Tango's statistic is z: a lower bound for z > 0, an upper one for z < 0.

    The statistic falls as the drop grows, so bisection finds it. Without examples: -1 for z > 0, else 1.
    """
    worse, better, size, level = _floats(b, c, n, z)
    low, high = np.full(worse.shape, -1.0), np.full(worse.shape, 1.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        above = _score(worse, better, size, middle) > level
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(size > 0, (low + high) / 2, -np.sign(level))


def score(b: ArrayLike, c: ArrayLike, n: ArrayLike, drop: ArrayLike) -> Floats:
    """Tango's statistic of "the drop equals `drop`" (from -1 to 1); positive where the data show a larger one."""
    return _score(*_floats(b, c, n, drop))


def _score(b: Floats, c: Floats, size: Floats, signed: Floats) -> Floats:
    # a negative drop is a positive one with the models' places exchanged
    turned = signed < 0
    worse, better, tested = np.where(turned, c, b), np.where(turned, b, c), np.abs(signed)
    differ = worse + better
    linear = (2 * size - worse + better) * tested - differ
    constant = -better * tested * (1 - tested)
    # the probability of "baseline wrong, candidate right" that fits best, given the drop
    fitted = (np.sqrt(np.maximum(linear**2 - 8 * size * constant, 0.0)) - linear) / (4 * np.maximum(size, 1.0))
    variance = size * (2 * fitted + tested * (1 - tested))
    distance = worse - better - size * tested
    certain = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))  # a variance of 0 leaves no doubt
    found = np.where(variance > 0, distance / np.sqrt(np.where(variance > 0, variance, 1.0)), certain)
    return np.where(turned, -found, found)


def _floats(*values: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in values)))
