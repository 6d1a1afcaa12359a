"""Drift that no single night shows: evidence against "not worse than the pin" gathered over nights.

A Shiryaev-Roberts e-detector [1]: with z the standard score of one night, one value for each rate r follows
M ← (M + 1) · exp(r·z − r²/2), and the alarm is mean(M) ≥ ARL. As long as the model is not worse, E[M] grows by at most
1 a night, so a false alarm comes at most once in ARL nights on average, however often one looks. This needs nights that
are independent given the pin: a fixed test set answered by an unchanged model advances nothing.

Two things are added, both of which only ever make M smaller. It is limited to 100 times the ARL, so that years of a
known regression do not take years to forget; and it begins again when it has alarmed and the last nights together show
no drop any more: the cause is gone, and the old evidence must not colour what comes.

Aggregate evidence has no detector. Without pairs the error of the pinned figure is in every night, and the guarantee is
lost (in simulation 1.16 false alarms in 1,000 model-nights at a nominal 0.1).

[1] Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
    New England J. Statistics in Data Science 2:229 (2024)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from governance.regression.measurements import DriftState
from governance.regression.rows import LOSSES, TOTALS, WIDTH, Bools, Floats, Rows, packed, unpacked
from governance.regression.settings import RegressionSettings

MOST = 100.0  # times the ARL


def advanced(evidence: Floats, z: ArrayLike, rates: Sequence[float], arl: float) -> Floats:
    """One night's step. evidence: (..., rates); z: (...), clipped by the caller."""
    rate = np.asarray(rates)
    score = np.asarray(z, dtype=np.float64)[..., np.newaxis]
    return np.minimum((evidence + 1) * np.exp(rate * score - rate**2 / 2), MOST * arl)


def alarming(evidence: Floats, arl: float) -> Bools:
    """evidence: (..., rates)."""
    found: Bools = evidence.mean(axis=-1) >= arl
    return found


@dataclass(frozen=True, slots=True)
class Drifts:
    """The detectors of a fleet. evidence: (models, rates); nights: (models,); recent: (models, window, 4), the newest
    night last, zeros where there was none."""

    evidence: Floats
    nights: NDArray[np.int64]
    recent: Floats

    @classmethod
    def begun(cls, models: int, settings: RegressionSettings) -> Drifts:
        """Right after the pin."""
        return cls(
            np.zeros((models, len(settings.rates))),
            np.zeros(models, dtype=np.int64),
            np.zeros((models, settings.window, WIDTH)),
        )

    @classmethod
    def of(cls, states: Sequence[DriftState | None], settings: RegressionSettings) -> Drifts:
        """A state kept under other rates begins again: its values would stand for something else."""
        drifts = cls.begun(len(states), settings)
        for model, state in enumerate(states):
            if state is None or len(state.evidence) != len(settings.rates):
                continue
            drifts.evidence[model] = state.evidence
            drifts.nights[model] = state.nights
            if recent := state.recent[-settings.window :]:
                drifts.recent[model, -len(recent) :] = packed(recent)[1]
        return drifts

    def state(self, model: int, kind: int) -> DriftState:
        nights = self.recent[model]
        kept = min(int(self.nights[model]), len(nights))
        return DriftState(
            tuple(self.evidence[model].tolist()),
            int(self.nights[model]),
            tuple(unpacked(kind, one) for one in nights[len(nights) - kept :]),
        )

    def pooled(self, kind: NDArray[np.int8]) -> Rows:
        """The recent nights of each model as one comparison."""
        totals = self.recent.sum(axis=1)
        if (losses := np.flatnonzero(kind == LOSSES)).size:
            totals[losses] = _together(self.recent[losses])
        return Rows(kind, totals)

    def after(self, tonight: Rows, fresh: Bools, settings: RegressionSettings) -> Drifts:
        """Models whose night is fresh and says anything advance; the others stay."""
        known = np.isfinite(tonight.error()) & (tonight.kind != TOTALS)
        goes = np.flatnonzero(fresh & known)
        evidence, nights, recent = self.evidence.copy(), self.nights.copy(), self.recent.copy()
        z = np.clip(tonight.take(goes).standard_score(), -settings.clip, settings.clip)
        evidence[goes] = advanced(evidence[goes], z, settings.rates, settings.arl)
        nights[goes] += 1
        recent[goes, :-1] = recent[goes, 1:]
        recent[goes, -1] = tonight.values[goes]
        moved = Drifts(evidence, nights, recent)
        over = alarming(evidence, settings.arl) & (moved.pooled(tonight.kind).drop() <= 0)
        evidence[over] = 0.0
        return moved


def _together(recent: Floats) -> Floats:
    """n, mean, SD and scale of several nights' losses, of shape (models, nights, 4), as if they were one sample."""
    n, mean, sd, scale = (recent[:, :, column] for column in range(WIDTH))
    total = np.maximum(n.sum(axis=1), 1)
    middle = (n * mean).sum(axis=1) / total
    squares = (np.maximum(n - 1, 0) * sd**2 + n * (mean - middle[:, np.newaxis]) ** 2).sum(axis=1)
    spread = np.sqrt(squares / np.maximum(total - 1, 1))
    return np.column_stack([n.sum(axis=1), middle, spread, scale[:, -1]])
