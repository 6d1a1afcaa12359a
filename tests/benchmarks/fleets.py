"""A fleet whose truth is known: models answer fresh labelled examples each night, and some of them become worse.

A model is right on a share p of the examples, uniform between .70 and .97. Between the pinned version and tonight's the
answers to a share of the examples change for no good or bad, uniform between 2 % and 10 %, but at most so much that
half of the baseline's mistakes are mended: a model with 3 % of mistakes cannot change 10 % of its answers and stay
as good. Damage then makes right answers wrong at random, until the drop is what was asked.

Slices divide the examples: 30, 20, 14, 10, 8, 8, 7 and 3 % of them. Seeds are fixed by whoever builds a fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from governance.regression.arrays import Night
from governance.regression.detector import Drifts
from governance.regression.measurements import Counts, Measurement
from governance.regression.rows import Rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARES = np.array([0.30, 0.20, 0.14, 0.10, 0.08, 0.08, 0.07, 0.03])
EIGHT_PERCENT, THREE_PERCENT = 4, 7  # which slice
REGRESSED = 0.02  # of a mixed fleet


@dataclass(frozen=True, slots=True)
class Answers:
    """b, c, n by model and slice, of shape (models, slices); right answers of both by model."""

    b: Ints
    c: Ints
    n: Ints
    baseline_right: Ints
    right: Ints

    def whole(self) -> tuple[Ints, Ints, Ints]:
        """b, c and n of each model."""
        return self.b.sum(axis=1), self.c.sum(axis=1), self.n.sum(axis=1)

    def night(self, drifts: Drifts) -> Night:
        models, slices = self.b.shape
        parts = Rows.counts(self.b.ravel(), self.c.ravel(), self.n.ravel())
        return Night.plain(Rows.counts(*self.whole()), drifts, parts, np.repeat(np.arange(models), slices))

    def measurements(self) -> list[Measurement]:
        """What the platform would hand in, right after the pin."""
        return [
            Measurement(
                key=f"model-{model}",
                evidence="paired",
                overall=Counts(*(int(one[model].sum()) for one in (self.b, self.c, self.n))),
                slices={
                    f"part={part}": Counts(*(int(one[model, part]) for one in (self.b, self.c, self.n)))
                    for part in range(self.b.shape[1])
                },
                fresh=True,
                guard=None,
                detector=None,
                breached=False,
            )
            for model in range(len(self.b))
        ]


class Fleet:
    """sizes: examples a night, one of them for each model at random. The first of the models are the damaged ones."""

    def __init__(self, seed: int, models: int, sizes: tuple[int, ...], damaged: float = REGRESSED) -> None:
        self.random = np.random.default_rng(seed)
        self.models = models
        self.damaged = round(models * damaged)
        self.p = self.random.uniform(0.70, 0.97, models)
        self.churn = np.minimum(self.random.uniform(0.02, 0.10, models), 1 - self.p)
        self.n = np.rint(self.random.choice(sizes, models)[:, np.newaxis] * SHARES).astype(np.int64)
        self.pinned_right = self.random.binomial(self.n.sum(axis=1), self.p)  # on examples of its own, kept as a number

    def night(self, drop: float = 0.0, part: int | None = None) -> Answers:
        """drop: of the damaged models, overall or, with `part`, in one slice."""
        drops = np.zeros((self.models, len(SHARES)))
        drops[: self.damaged, slice(None) if part is None else part] = drop
        p, half = self.p[:, np.newaxis], self.churn[:, np.newaxis] / 2
        broken = drops / p  # of the candidate's right answers
        lost, won = half + (p - half) * broken, half * (1 - broken)
        b = self.random.binomial(self.n, lost)
        c = self.random.binomial(self.n - b, won / (1 - lost))
        both = self.random.binomial(self.n - b - c, (p - half) * (1 - broken) / (1 - lost - won))
        return Answers(b, c, self.n, (b + both).sum(axis=1), (c + both).sum(axis=1))
