"""What else one might do with the same nights: fixed thresholds and tests without a care for how many there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from governance.regression.arrays import Night, judge
from governance.regression.detector import Drifts
from governance.regression.rows import TOTALS, Rows
from governance.regression.settings import DEFAULT
from governance.statistics.discordance import midp_worse
from governance.statistics.multiplicity import benjamini_hochberg, simes
from governance.statistics.proportions import pooled_worse
from tests.benchmarks.fleets import Answers, Fleet

Bools = NDArray[np.bool_]
Rival = Callable[[Fleet, Answers], Bools]


def fixed_paired(limit: float) -> Rival:
    """Worse by a share of the baseline's figure, both on tonight's examples."""
    return lambda _, night: night.right < night.baseline_right * (1 - limit)


def fixed_stored(limit: float) -> Rival:
    """Worse by a share of the figure that was stored at the pin."""
    return lambda fleet, night: night.right < fleet.pinned_right * (1 - limit)


def naive_t(fleet: Fleet, night: Answers) -> Bools:
    """Two-sided .05 against the stored figure, and worse."""
    n = night.n.sum(axis=1)
    return np.asarray(pooled_worse(fleet.pinned_right, n, night.right, n) <= 0.025)


def naive_mcnemar(_: Fleet, night: Answers) -> Bools:
    b, c, _n = night.whole()
    return np.asarray(midp_worse(b, c) <= 0.05)


def any_slice_significant(_: Fleet, night: Answers) -> Bools:
    return np.asarray((midp_worse(night.b, night.c) <= 0.05).any(axis=1))


def any_slice_by_five_points(_: Fleet, night: Answers) -> Bools:
    return np.asarray(((night.b - night.c) / np.maximum(night.n, 1) >= 0.05).any(axis=1))


def ours_overall_only(_: Fleet, night: Answers) -> Bools:
    rows = Rows.counts(*night.whole())
    return judge(Night.plain(rows, Drifts.begun(rows.size, DEFAULT)), DEFAULT.points, DEFAULT).detected


def ours_aggregate(fleet: Fleet, night: Answers) -> Bools:
    """Ours, where only the numbers of right answers were kept."""
    n = night.n.sum(axis=1)
    values = np.column_stack([night.right, n, fleet.pinned_right, n]).astype(np.float64)
    rows = Rows(np.full(len(n), TOTALS, dtype=np.int8), values)
    return judge(Night.plain(rows, Drifts.begun(rows.size, DEFAULT)), DEFAULT.points, DEFAULT).detected


def one_family(_: Fleet, night: Answers) -> Bools:
    """Ours, but with one p a model from the overall comparison and all slices together."""
    b, c, n = (np.column_stack([one.sum(axis=1), one]) for one in (night.b, night.c, night.n))
    p = np.where((n >= DEFAULT.fewest_in_slice) & (b + c >= DEFAULT.fewest_discordant), midp_worse(b, c), np.inf)
    joined = simes(p)
    found = benjamini_hochberg(np.minimum(joined, 1)) <= DEFAULT.false_discoveries
    least = np.array([DEFAULT.points.least, *[DEFAULT.points.least_in_slice] * (b.shape[1] - 1)])
    return np.asarray(found & ((p <= 0.05) & ((b - c) / np.maximum(n, 1) >= least)).any(axis=1))


OVERALL: dict[str, Rival] = {
    "fixed 1 %, same examples": fixed_paired(0.01),
    "fixed 5 %, same examples": fixed_paired(0.05),
    "fixed 1 %, stored figure": fixed_stored(0.01),
    "fixed 5 %, stored figure": fixed_stored(0.05),
    "naive t, .05": naive_t,
    "naive McNemar, .05": naive_mcnemar,
    "ours, aggregate evidence": ours_aggregate,
    "ours, one family": one_family,
}

SLICED: dict[str, Rival] = {
    "any slice p < .05": any_slice_significant,
    "any slice ≥ 5 points": any_slice_by_five_points,
    "ours, overall only": ours_overall_only,
    "ours, one family": one_family,
    "fixed 1 %, stored figure": fixed_stored(0.01),
}
