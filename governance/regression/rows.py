"""Comparisons as arrays: one row each, of any of the three kinds of figures, judged by the formulas of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from governance.regression.measurements import Counts, Figures, Losses, Totals
from governance.regression.settings import RegressionSettings
from governance.statistics import discordance, losses, proportions
from governance.statistics.paired import FEWEST_LOSSES, LARGEST_RATIO

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]

COUNTS, LOSSES, TOTALS = 0, 1, 2
KIND_OF: dict[type[Figures], int] = {Counts: COUNTS, Losses: LOSSES, Totals: TOTALS}
WIDTH = 4


def packed(figures: Iterable[Figures]) -> tuple[NDArray[np.int8], Floats]:
    """Kinds of shape (rows,) and values of shape (rows, 4): b, c, n, 0; n, mean, sd, scale; or right, n and the
    baseline's."""
    kinds: list[int] = []
    values: list[tuple[float, float, float, float]] = []
    for one in figures:
        if isinstance(one, Counts):
            kinds.append(COUNTS)
            values.append((one.b, one.c, one.n, 0))
        elif isinstance(one, Losses):
            kinds.append(LOSSES)
            values.append((one.n, one.mean, one.sd, one.scale))
        else:
            kinds.append(TOTALS)
            values.append((one.right, one.n, one.baseline_right, one.baseline_n))
    return np.array(kinds, dtype=np.int8), np.array(values, dtype=np.float64).reshape(-1, WIDTH)


def unpacked(kind: int, values: Floats) -> Figures:
    """One row of `packed`."""
    if kind == LOSSES:
        n, mean, sd, scale = values.tolist()
        return Losses(int(n), mean, sd, scale)
    first, second, third, fourth = (int(value) for value in values.tolist())
    return Counts(first, second, third) if kind == COUNTS else Totals(first, second, third, fourth)


@dataclass(frozen=True, slots=True)
class Rows:
    """kind: (rows,); values: (rows, 4), as `packed` gives them."""

    kind: NDArray[np.int8]
    values: Floats

    @classmethod
    def of(cls, figures: Iterable[Figures]) -> Rows:
        return cls(*packed(figures))

    @classmethod
    def counts(cls, b: ArrayLike, c: ArrayLike, n: ArrayLike) -> Rows:
        """From arrays of shape (rows,)."""
        columns = np.broadcast_arrays(*(np.asarray(one, dtype=np.float64) for one in (b, c, n, 0.0)))
        return cls(np.zeros(columns[0].size, dtype=np.int8), np.column_stack(columns))

    @property
    def size(self) -> int:
        return len(self.kind)

    def take(self, which: Indices | Bools) -> Rows:
        return Rows(self.kind[which], self.values[which])

    def n(self) -> Floats:
        return self._by_kind(lambda v: v[:, 2], lambda v: v[:, 0], lambda v: v[:, 1])

    def drop(self) -> Floats:
        """Estimated drop in its unit; 0 without examples."""
        return (
            self._by_kind(
                lambda v: (v[:, 0] - v[:, 1]) / np.maximum(v[:, 2], 1),
                lambda v: _in_deviations(v[:, 1], v[:, 3]),
                lambda v: v[:, 2] / np.maximum(v[:, 3], 1) - v[:, 0] / np.maximum(v[:, 1], 1),
            )
            * self._known()
        )

    def p(self) -> Floats:
        """One-sided p of "the candidate is not worse"; 1 where too little is known to use the test."""
        return self._by_kind(
            lambda v: discordance.midp_worse(v[:, 0], v[:, 1]),
            lambda v: np.where(v[:, 0] >= FEWEST_LOSSES, losses.t_worse(v[:, 0], v[:, 1], v[:, 2]), 1.0),
            lambda v: np.where(_both(v), proportions.pooled_worse(*_samples(v)), 1.0),
        )

    def interval(self, confidence: ArrayLike = 0.95) -> tuple[Floats, Floats]:
        """Two-sided bounds of the drop; confidence: a number or an array of shape (rows,)."""
        level = np.broadcast_to(np.asarray(confidence, dtype=np.float64), self.kind.shape)
        lower, upper = np.full(self.size, -1.0), np.full(self.size, 1.0)
        for kind, bounds in ((COUNTS, _count_bounds), (LOSSES, _loss_bounds), (TOTALS, _total_bounds)):
            which = np.flatnonzero(self.kind == kind)
            if which.size:
                lower[which], upper[which] = bounds(self.values[which], level[which])
        return lower, upper

    def error(self) -> Floats:
        """Standard error of the drop if there were none in truth; inf where nothing is known.

        No disagreement seen does not mean that none exists: at least one is assumed.
        """
        found = self._by_kind(
            lambda v: np.sqrt(np.maximum(v[:, 0] + v[:, 1], 1)) / np.maximum(v[:, 2], 1),
            lambda v: _in_deviations(v[:, 2], v[:, 3]) / np.sqrt(np.maximum(v[:, 0], 1)),
            lambda v: proportions.pooled_error(*_samples(v)),
        )
        return np.where(self._known(), found, np.inf)

    def standard_score(self) -> Floats:
        """Of the drop, normal with variance 1 where there is none; ±inf where losses all grew by the same."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.nan_to_num(
                self._by_kind(
                    lambda v: discordance.standard_score(v[:, 0], v[:, 1]),
                    lambda v: v[:, 1] / v[:, 2] * np.sqrt(v[:, 0]),
                    lambda v: np.zeros(len(v)),
                ),
                nan=0.0,
                posinf=np.inf,
                neginf=-np.inf,
            )

    def testable(self, settings: RegressionSettings) -> Bools:
        """Whether there is enough to be tested as a slice. Looks only at what says nothing about the direction."""
        fewest, discordant = settings.fewest_in_slice, settings.fewest_discordant
        return (
            self._by_kind(
                lambda v: (v[:, 2] >= fewest) & (v[:, 0] + v[:, 1] >= discordant),
                lambda v: v[:, 0] >= fewest,
                lambda v: (
                    (np.minimum(v[:, 1], v[:, 3]) >= fewest)
                    & (v[:, 0] + v[:, 2] >= discordant)
                    & (v[:, 1] + v[:, 3] - v[:, 0] - v[:, 2] >= discordant)
                ),
            )
            > 0
        )

    def _known(self) -> Bools:
        found = self._by_kind(lambda v: v[:, 2] > 0, lambda v: v[:, 0] >= FEWEST_LOSSES, _both)
        return found > 0

    def _by_kind(self, *formulas: Callable[[Floats], NDArray[np.generic]]) -> Floats:
        result = np.zeros(self.size)
        for kind, formula in enumerate(formulas):
            which = np.flatnonzero(self.kind == kind)
            if which.size:
                result[which] = formula(self.values[which])
        return result


def _both(values: Floats) -> Bools:
    return np.minimum(values[:, 1], values[:, 3]) > 0


def _samples(values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """The baseline's right answers and n, then the candidate's; n at least 1."""
    return values[:, 2], np.maximum(values[:, 3], 1), values[:, 0], np.maximum(values[:, 1], 1)


def _in_deviations(amount: Floats, scale: Floats) -> Floats:
    """amount / scale, limited so that it stays finite where the baseline's losses are all alike."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(amount == 0, 0.0, amount / scale)
    return np.clip(ratio, -LARGEST_RATIO, LARGEST_RATIO)


def _count_bounds(values: Floats, level: Floats) -> tuple[Floats, Floats]:
    return discordance.drop_interval(values[:, 0], values[:, 1], values[:, 2], level)


def _loss_bounds(values: Floats, level: Floats) -> tuple[Floats, Floats]:
    n, mean, sd, scale = values.T
    few = n < FEWEST_LOSSES
    lower, upper = losses.mean_interval(np.where(few, FEWEST_LOSSES, n), mean, sd, level)
    return (
        np.where(few, -LARGEST_RATIO, _in_deviations(lower, scale)),
        np.where(few, LARGEST_RATIO, _in_deviations(upper, scale)),
    )


def _total_bounds(values: Floats, level: Floats) -> tuple[Floats, Floats]:
    known = _both(values)
    samples = _samples(values)
    lower, upper = proportions.newcombe(
        np.minimum(samples[0], samples[1]), samples[1], np.minimum(samples[2], samples[3]), samples[3], level
    )
    return np.where(known, lower, -1.0), np.where(known, upper, 1.0)
