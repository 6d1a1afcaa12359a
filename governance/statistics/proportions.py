"""Proportions of separate samples: what is left to compare when the answers to the same examples were not kept.

All functions take arrays that broadcast together, or numbers.

[1] Wilson, J. Am. Stat. Assoc. 22:209 (1927)
[2] Newcombe, "Interval estimation for the difference between independent proportions", method 10,
    Statistics in Medicine 17:873 (1998)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]


def wilson(hits: ArrayLike, trials: ArrayLike, confidence: ArrayLike = 0.95) -> tuple[Floats, Floats]:
    """Two-sided interval of a proportion [1]; (0, 1) without trials."""
    found, of, level = _floats(hits, trials, confidence)
    some = np.where(of > 0, of, 1.0)
    share, z = np.where(of > 0, found / some, 0.0), ndtri(0.5 + level / 2)
    z2 = z * z
    inner = 1 + z2 / some
    centre = (share + z2 / (2 * some)) / inner
    half = np.sqrt(share * (1 - share) / some + (z / (2 * some)) ** 2) * z / inner
    return (
        np.where(of > 0, np.maximum(centre - half, 0.0), 0.0),
        np.where(of > 0, np.minimum(centre + half, 1.0), 1.0),
    )


def pooled_error(first: ArrayLike, first_n: ArrayLike, second: ArrayLike, second_n: ArrayLike) -> Floats:
    """Standard error of the difference of two proportions that are equal in truth; both n at least 1.

    Two samples without any miss, or any hit, still leave doubt: one half is added to both kinds.
    """
    k0, n0, k1, n1 = _floats(first, first_n, second, second_n)
    share = (k0 + k1) / (n0 + n1)
    doubtful = (k0 + k1 + 0.5) / (n0 + n1 + 1)
    share = np.where((share <= 0) | (share >= 1), doubtful, share)
    return np.sqrt(share * (1 - share) * (1 / n0 + 1 / n1))


def pooled_worse(first: ArrayLike, first_n: ArrayLike, second: ArrayLike, second_n: ArrayLike) -> Floats:
    """One-sided p of "the second proportion is not below the first", by the pooled normal test; both n ≥ 1."""
    k0, n0, k1, n1 = _floats(first, first_n, second, second_n)
    p: Floats = ndtr(-(k0 / n0 - k1 / n1) / pooled_error(k0, n0, k1, n1))
    return p


def newcombe(
    first: ArrayLike, first_n: ArrayLike, second: ArrayLike, second_n: ArrayLike, confidence: ArrayLike = 0.95
) -> tuple[Floats, Floats]:
    """Two-sided interval of the first proportion less the second [2]; both n at least 1."""
    k0, n0, k1, n1, level = _floats(first, first_n, second, second_n, confidence)
    share0, share1 = k0 / n0, k1 / n1
    low0, high0 = wilson(k0, n0, level)
    low1, high1 = wilson(k1, n1, level)
    return (
        share0 - share1 - np.hypot(share0 - low0, high1 - share1),
        share0 - share1 + np.hypot(high0 - share0, share1 - low1),
    )


def _floats(*values: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in values)))
