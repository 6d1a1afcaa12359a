"""How far a live sketch lies from the reference: four sizes, each with what can be said about its uncertainty.

PSI           Σ (p - q) ln(p / q) over all cells, the symmetric Kullback-Leibler divergence of Jeffreys. Its expected
              value without any drift is (cells - 1)(1/n + 1/m) (Yurdakul and Naranjo, Journal of Risk Model Validation
              14(4), 2020), which `excess` takes off. Interval: basic bootstrap.
chi-squared   Pearson's test that both rows come from one distribution; cells that expect fewer than five live rows are
              pooled. Size: Cramér's V.
KS            largest distance of the two distribution functions, at the edges of the bins. The true distance can only
              be larger, so the asymptotic p-value is conservative: it misses shifts within one bin.
Wasserstein-1 mean distance that mass has to travel, in standard deviations of the reference. Mass in a bin lies at the
              mean of the reference there, mass beyond the edges at the edge: within 20 % of the exact one for shifts
              up to 0.8 deviations, for far larger ones a lower bound. Interval: basic bootstrap.

The intervals are 95 %, from a seeded parametric (multinomial) bootstrap of both sides, reflected at the estimate
(Davison and Hinkley, Bootstrap Methods, 1997, 5.2) because both sizes are biased upwards in small samples.
All of it takes rows to be independent of each other; requests that come in bursts overstate n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from governance.drift.sizes import ChiSquared, Interval, KolmogorovSmirnov, Psi, Wasserstein

RESAMPLES = 400
CONFIDENCE = 0.95
LEAST_EXPECTED = 5.0
"""Live rows that a cell has to expect to count on its own in the chi-squared test (Cochran's rule)."""

Row = NDArray[np.float64]


def psi(reference: Sequence[int], live: Sequence[int], *, seed: int) -> Psi:
    """Both rows have the same cells and at least one count each."""
    r, x = _row(reference), _row(live)
    value = float(_psi(r, x))
    used = int(((r + x) > 0).sum())
    chance = max(0, used - 1) * (1 / r.sum() + 1 / x.sum())
    drawn = _psi(*_resampled(r, x, seed))
    return Psi(value, max(0.0, value - chance), _reflected(value, drawn))


def _psi(r: Row, x: Row) -> Row:
    """Rows of shape (..., cells). A cell that is empty on one side is lent a little of the pooled distribution: half a
    count for each cell, shared out as the pooled counts are. A cell that is empty on both sides says nothing."""
    n, m = r.sum(-1, keepdims=True), x.sum(-1, keepdims=True)
    pooled = (r + x) / (n + m)
    lent = 0.5 * (pooled > 0).sum(-1, keepdims=True)
    p = (x + lent * pooled) / (m + lent)
    q = (r + lent * pooled) / (n + lent)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(pooled > 0, (p - q) * np.log(p / q), 0.0)
    found: Row = terms.sum(-1)
    return found


def chi_squared(reference: Sequence[int], live: Sequence[int]) -> ChiSquared:
    from scipy.special import chdtrc

    r, x = _row(reference), _row(live)
    n, m = r.sum(), x.sum()
    table = _enough_expected(np.stack([r, x]), m / (n + m))
    freedom = table.shape[1] - 1
    if freedom < 1:
        return ChiSquared(0.0, 0, 0.0, 1.0)
    expected = table.sum(0) * np.array([[n], [m]]) / (n + m)
    statistic = float(((table - expected) ** 2 / expected).sum())
    return ChiSquared(statistic, freedom, math.sqrt(statistic / (n + m)), float(chdtrc(freedom, statistic)))


def _enough_expected(table: Row, live_share: float) -> Row:
    """The cells that expect enough live rows, and the others pooled into one; nothing where nobody has counts."""
    total = table.sum(0)
    large = total * live_share >= LEAST_EXPECTED
    small = table[:, ~large & (total > 0)].sum(1, keepdims=True)
    kept = table[:, large]
    if small.sum() == 0:
        return kept
    if small.sum() * live_share < LEAST_EXPECTED and kept.shape[1]:  # still too few: with the smallest of the others
        smallest = int(kept.sum(0).argmin())
        kept[:, smallest] += small[:, 0]
        return kept
    return np.concatenate([kept, small], axis=1)


def kolmogorov_smirnov(reference: Sequence[int], live: Sequence[int]) -> KolmogorovSmirnov | None:
    """Of the ordered cells. None when one side has nothing there."""
    from scipy.special import kolmogorov

    r, x = _row(reference), _row(live)
    n, m = r.sum(), x.sum()
    if n == 0 or m == 0:
        return None
    distance = float(np.abs(np.cumsum(r) / n - np.cumsum(x) / m).max())
    return KolmogorovSmirnov(distance, float(kolmogorov(math.sqrt(n * m / (n + m)) * distance)))


def wasserstein(
    reference: Sequence[int], live: Sequence[int], positions: Sequence[float], deviation: float, *, seed: int
) -> Wasserstein | None:
    """Of the ordered cells. positions: ascending, in the feature's unit. None where it has no unit to be told in: the
    reference is constant, or one side has nothing there."""
    r, x = _row(reference), _row(live)
    if r.sum() == 0 or x.sum() == 0 or deviation <= 0:
        return None
    steps = np.diff(np.asarray(positions) / deviation)
    if not np.isfinite(steps).all():
        return None
    value = float(_wasserstein(r, x, steps))
    return Wasserstein(value, _reflected(value, _wasserstein(*_resampled(r, x, seed), steps)))


def _wasserstein(r: Row, x: Row, steps: Row) -> Row:
    apart = np.cumsum(r, -1) / r.sum(-1, keepdims=True) - np.cumsum(x, -1) / x.sum(-1, keepdims=True)
    found: Row = (np.abs(apart[..., :-1]) * steps).sum(-1)
    return found


def smallest_detectable_psi(n: int, m: int, cells: int, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The PSI that the chi-squared test would find with this power: PSI / (1/n + 1/m) is its non-centrality."""
    from scipy.special import chdtri, chndtrinc

    if cells < 2 or n < 1 or m < 1:
        return None
    found = float(chndtrinc(chdtri(cells - 1, alpha), cells - 1, 1 - power)) * (1 / n + 1 / m)
    return found if math.isfinite(found) else None


def adjusted(p: Sequence[float]) -> list[float]:
    """q-values of Benjamini and Hochberg (1995): the false discovery rate at which each would just be found."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)
    ranked = values[order] * len(values) / np.arange(1, len(values) + 1)
    q = np.empty(len(values))
    q[order] = np.minimum(1.0, np.minimum.accumulate(ranked[::-1])[::-1])
    return [float(one) for one in q]


def _resampled(r: Row, x: Row, seed: int) -> tuple[Row, Row]:
    """Shape (RESAMPLES, cells) each. Totals beyond what a generator takes are drawn as large as it can."""
    random = np.random.default_rng(seed)
    drawn = [
        random.multinomial(int(min(row.sum(), 2**53)), row / row.sum(), size=RESAMPLES).astype(np.float64)
        for row in (r, x)
    ]
    return drawn[0], drawn[1]


def _reflected(value: float, drawn: Row) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(max(0.0, float(2 * value - high)), max(0.0, float(2 * value - low)))


def _row(counts: Sequence[int]) -> Row:
    return np.asarray(counts, dtype=np.float64)
