"""95 % intervals of metrics on one dataset: how far the figure would move with other examples of the same
kind."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.metrics import Estimator
from governance.statistics import proportions

Z = 1.959963984540054  # of a two-sided 95 % interval
RESAMPLES = 200
SEED = 20_180_401  # fixed: the same outcomes give the same interval
FEWEST, MOST = 10, 50_000  # rows between which the bootstrap is worth its name and its time


def simultaneous(count: int) -> float:
    """The z by which `count` intervals hold together at 95 % (Bonferroni)."""
    return Z if count <= 1 else NormalDist().inv_cdf(1 - 0.025 / count)


def wilson(hits: float, trials: float, z: float = Z) -> tuple[float, float]:
    """Interval of a proportion, at 95 % unless another z is given; (0, 1) without trials."""
    confidence = 0.95 if z == Z else 2 * NormalDist().cdf(z) - 1
    low, high = proportions.wilson(hits, trials, confidence)
    return float(low), float(high)


def bootstrap(estimators: Mapping[str, Estimator], n: int) -> dict[str, tuple[float, float]]:
    """Percentile intervals from 200 resamples of the n examples, shared by all metrics.

    Empty below 10 and above 50,000 rows, where it would say too little or take too long. A metric that is
    not defined on some resamples (a class is missing) uses the others, and gets no interval if these are
    fewer than half.
    """
    if not estimators or not FEWEST <= n <= MOST:
        return {}
    random = np.random.default_rng(SEED)
    draws: dict[str, list[float]] = {name: [] for name in estimators}
    for _ in range(RESAMPLES):
        weights = np.bincount(random.integers(0, n, n), minlength=n).astype(np.float64)
        for name, estimator in estimators.items():
            draws[name].append(estimator(weights))
    intervals: dict[str, tuple[float, float]] = {}
    for name, values in draws.items():
        finite: NDArray[np.float64] = np.array(values)[np.isfinite(values)]
        if 2 * len(finite) >= RESAMPLES:
            low, high = np.quantile(finite, (0.025, 0.975)).tolist()
            intervals[name] = (low, high)
    return intervals
