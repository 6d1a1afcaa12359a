"""Is the candidate worse than the incumbent on the same examples?

Both models answered the same n examples, so only the examples on which they differ say anything. Three
answers are possible, and exactly one is given:

not_worse               the one-sided upper bound of the drop lies within the margin: non-inferiority shown.
                        A real but tolerated drop is not_worse too; that is what the margin is for.
worse                   the drop is significant and the data do not show that it stays within the margin.
insufficient_evidence   neither. Never to be read as a pass: with few examples nothing can be shown.

Correct or wrong (classification): McNemar's test with the one-sided mid-p value [1] asks whether there is a
drop at all; Tango's score statistic [2] gives the margin test and the bounds. The simpler Wald interval of
Agresti and Min is not used: with the few disagreements that two good models have, its upper bound is too
low. By exact enumeration at n = 171 and margin 1 %, a candidate that is worse by the margin would pass in
18 % of the cases at a nominal 5 %; with the score bound in at most 6 % (tests/governance/statistics
recomputes this). The mid-p test calls equal models different in at most 5.02 % at a nominal 5 %, for 20 to
2000 examples of which up to half are answered differently (for single numbers of disagreements up to 7.3 %,
at twelve).

Losses (regression): the paired t test. The margin is a fraction of the incumbent's mean loss, which is
itself estimated from the same examples, so the bounds are Fieller's [3] for the ratio of two paired means.

[1] Fagerland, Lydersen, Laake, "The McNemar test for binary matched-pairs data",
    BMC Medical Research Methodology 13:91 (2013)
[2] Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17:891 (1998)
[3] Fieller, "Some problems in interval estimation", J. R. Stat. Soc. B 16:175 (1954)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtrit

from governance.statistics.discordance import midp_worse, score, score_bound
from governance.statistics.losses import t_worse
from governance.statistics.sensitivity import minimum_detectable_effect

Conclusion = Literal["not_worse", "worse", "insufficient_evidence"]

FEWEST_LOSSES = 30  # the t test leans on the central limit theorem; below this it concludes nothing
LARGEST_RATIO = 1e6  # stands for "unbounded", so that every figure stays finite and can be written as JSON
LARGEST_N = 10**9  # more examples than anybody will label


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """What n shared examples say about the drop from the incumbent to the candidate.

    The unit of drop, lower, upper, margin and minimum_detectable_effect is a proportion of the examples
    (0.01 is one point of accuracy) for `compare_binary`, and a fraction of the incumbent's mean loss for
    `compare_continuous`.

    n: shared examples; discordant: those on which the two models differ.
    drop: positive when the candidate is worse. lower, upper: one-sided bounds, each at confidence 1 - alpha.
    p_worse: one-sided p of "there is no drop".
    p_beyond_margin: one-sided p of "the drop is at most the margin".
    minimum_detectable_effect: the drop that this n finds with the given power at the observed churn.
    needed_n: examples that would show a candidate without any drop to be within the margin, with the given
    power at the observed churn; None when no reasonable number would (margin 0).
    """

    n: int
    discordant: int
    drop: float
    lower: float
    upper: float
    margin: float
    p_worse: float
    p_beyond_margin: float
    minimum_detectable_effect: float
    needed_n: int | None
    conclusion: Conclusion


def compare_binary(
    b: int, c: int, n: int, *, margin: float, alpha: float = 0.05, power: float = 0.8
) -> PairedComparison:
    """Compare two models that were right or wrong on the same n examples.

    b: incumbent right and candidate wrong; c: the reverse; margin: tolerated drop, from 0 to 1.
    Raises ValueError for counts or levels that cannot be.
    """
    _check_levels(margin, alpha, power)
    if min(b, c) < 0 or b + c > n:
        raise ValueError(f"impossible counts: b={b}, c={c}, n={n}")
    if n == 0:
        return _nothing(margin)
    z = float(ndtri(1 - alpha))
    lower, upper = score_bound(b, c, n, [z, -z]).tolist()
    p_worse = float(midp_worse(b, c))
    churn = max(b + c, 1) / n  # no disagreement seen does not mean that none exists
    return PairedComparison(
        n=n,
        discordant=b + c,
        drop=(b - c) / n,
        lower=lower,
        upper=upper,
        margin=margin,
        p_worse=p_worse,
        p_beyond_margin=float(ndtr(-score(b, c, n, margin))),
        minimum_detectable_effect=min(1.0, float(minimum_detectable_effect(math.sqrt(churn / n), alpha, power))),
        needed_n=_needed(churn, margin, alpha, power),
        conclusion=_conclude(within=upper <= margin, significant=p_worse <= alpha),
    )


def compare_continuous(
    candidate_loss: ArrayLike,
    incumbent_loss: ArrayLike,
    *,
    margin: float,
    alpha: float = 0.05,
    power: float = 0.8,
) -> PairedComparison:
    """Compare two models by their losses (≥ 0, smaller is better) on the same examples.

    Two arrays of shape (n,); margin: tolerated growth of the mean loss as a fraction of the incumbent's,
    from 0 to 1. Raises ValueError for arrays that differ in length, are not one-dimensional, or hold negative
    or infinite losses.
    """
    _check_levels(margin, alpha, power)
    candidate, incumbent = _losses(candidate_loss), _losses(incumbent_loss)
    if candidate.shape != incumbent.shape:
        raise ValueError(f"{candidate.size} and {incumbent.size} losses are not paired")
    n = int(candidate.size)
    if n < 2:
        return _nothing(margin, n)
    scale = float(max(candidate.max(), incumbent.max())) or 1.0  # squares of huge losses must not overflow
    growth, base = (candidate - incumbent) / scale, incumbent / scale
    lower, upper = _ratio_bounds(growth, base, alpha)
    p_worse = _t_above_zero(growth)
    variance, mean = float(growth.var(ddof=1)), float(base.mean())
    relative = variance / mean**2 if mean > 0 else math.inf
    return PairedComparison(
        n=n,
        discordant=int(np.count_nonzero(growth)),
        drop=_ratio(float(growth.mean()), mean),
        lower=lower,
        upper=upper,
        margin=margin,
        p_worse=p_worse,
        p_beyond_margin=_t_above_zero(growth - margin * base),
        minimum_detectable_effect=min(
            LARGEST_RATIO, float(minimum_detectable_effect(math.sqrt(relative / n), alpha, power))
        ),
        needed_n=_needed(relative, margin, alpha, power),
        conclusion=_conclude(within=upper <= margin, significant=p_worse <= alpha)
        if n >= FEWEST_LOSSES
        else "insufficient_evidence",
    )


def _conclude(*, within: bool, significant: bool) -> Conclusion:
    if within:
        return "not_worse"
    return "worse" if significant else "insufficient_evidence"


def _check_levels(margin: float, alpha: float, power: float) -> None:
    if not 0 <= margin <= 1:
        raise ValueError(f"margin must be between 0 and 1, not {margin}")
    if not 0 < alpha < 0.5 or not 0.5 <= power < 1:
        raise ValueError(f"alpha must be in (0, 0.5) and power in [0.5, 1), not {alpha} and {power}")


def _nothing(margin: float, n: int = 0) -> PairedComparison:
    return PairedComparison(
        n=n,
        discordant=0,
        drop=0.0,
        lower=-1.0,
        upper=1.0,
        margin=margin,
        p_worse=1.0,
        p_beyond_margin=1.0,
        minimum_detectable_effect=1.0,
        needed_n=None,
        conclusion="insufficient_evidence",
    )


def _needed(variance: float, margin: float, alpha: float, power: float) -> int | None:
    if margin < 1e-9 or not math.isfinite(variance):
        return None
    needed = (float(ndtri(1 - alpha) + ndtri(power)) * math.sqrt(variance) / margin) ** 2
    return max(1, math.ceil(needed)) if needed <= LARGEST_N else None


def _losses(values: ArrayLike) -> NDArray[np.float64]:
    losses = np.asarray(values, dtype=np.float64)
    if losses.ndim != 1:
        raise ValueError(f"losses must have shape (n,), not {losses.shape}")
    if not np.isfinite(losses).all() or (losses < 0).any():
        raise ValueError("losses must be finite and not negative")
    return losses


def _t_above_zero(values: NDArray[np.float64]) -> float:
    return float(t_worse(values.size, values.mean(), values.std(ddof=1)))


def _ratio(numerator: float, denominator: float) -> float:
    if numerator == 0:
        return 0.0
    ratio = numerator / denominator if denominator > 0 else math.copysign(math.inf, numerator)
    return min(LARGEST_RATIO, max(-LARGEST_RATIO, ratio))


def _ratio_bounds(growth: NDArray[np.float64], base: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """Fieller's one-sided bounds of mean(growth) / mean(base); none when the base is not clearly above 0."""
    if not growth.any():
        return 0.0, 0.0
    n = growth.size
    k = float(stdtrit(n - 1, 1 - alpha)) ** 2 / n
    (s_gg, s_gb), (_, s_bb) = np.cov(growth, base)
    mean_g, mean_b = float(growth.mean()), float(base.mean())
    square = mean_b**2 - k * s_bb
    if square <= 0:
        return -LARGEST_RATIO, LARGEST_RATIO
    half, rest = mean_g * mean_b - k * s_gb, mean_g**2 - k * s_gg
    root = math.sqrt(max(0.0, half**2 - square * rest))
    return _ratio((half - root) / square, 1.0), _ratio((half + root) / square, 1.0)
