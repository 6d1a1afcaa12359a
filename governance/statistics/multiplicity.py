"""Many tests at once: which of them may be called findings.

[1] Simes, "An improved Bonferroni procedure for multiple tests of significance", Biometrika 73:751 (1986)
[2] Benjamini, Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57:289 (1995)
[3] Benjamini, Yekutieli, "False discovery rate-adjusted multiple confidence intervals for selected parameters",
    J. Am. Stat. Assoc. 100:71 (2005)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Adjusted p (q) of shape (m,): the rate of false discoveries at which each test becomes one [2]."""
    from scipy.stats import false_discovery_control  # slow to import, and needed by workers only

    values = np.asarray(p, dtype=np.float64)
    if values.size == 0:
        return values
    adjusted: Floats = false_discovery_control(values, method="bh")
    return adjusted


def adjusted_within(p: ArrayLike) -> Floats:
    """Benjamini and Hochberg [2] within each row of (families, tests); inf stands for "no such test".

    The smallest of a row is Simes's p [1] of "nothing in this family is worse". Places without a test stay inf.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    tests = np.maximum(np.isfinite(values).sum(axis=1, keepdims=True), 1)
    stepped = ordered * tests / np.arange(1, values.shape[1] + 1)
    stepped[~np.isfinite(ordered)] = np.inf
    stepped = np.minimum.accumulate(stepped[:, ::-1], axis=1)[:, ::-1]
    adjusted = np.empty_like(stepped)
    np.put_along_axis(adjusted, order, np.minimum(stepped, np.where(np.isfinite(stepped), 1.0, np.inf)), axis=1)
    return adjusted


def simes(p: ArrayLike) -> Floats:
    """p of "nothing in this family is worse" for each row of (families, tests) [1]; inf for an empty family."""
    values = np.asarray(p, dtype=np.float64)
    if values.shape[1] == 0:
        return np.full(values.shape[0], np.inf)
    smallest: Floats = adjusted_within(values).min(axis=1)
    return smallest


def coverage_level(selected: int, tests: int, rate: ArrayLike) -> Floats:
    """Confidence of the intervals of `selected` findings among `tests`, such that at most the share `rate` of these
    intervals misses the truth [3]: 1 - selected · rate / tests.
    """
    return 1 - selected * np.asarray(rate, dtype=np.float64) / max(tests, 1)
