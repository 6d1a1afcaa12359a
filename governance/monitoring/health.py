"""Whether a model that serves is well, by its inferences of the last hour.

Shares come with their 95 % Wilson interval (Wilson, JASA 1927), so that few inferences prove little either way. The
rules, of which the worst that holds decides:

`unknown`    There is no inference within the last hour, or there are too few to tell: the success rate is not surely
             below 95 %, and may be below 90 %.
`unhealthy`  The success rate is surely below 90 % (the interval's upper end is); or surely more than 5 % of the
             inferences took over twice the objective for the 95th percentile.
`degraded`   The success rate is surely below 95 %; or surely more than 5 % took longer than the objective.
`healthy`    None of these: the success rate is surely at least 90 % and not shown to be below 95 %.

The objective is the version's own, `metadata.serving.p95Ms` in milliseconds; without one timings are not judged. Each
rule that decided is told in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

from governance.monitoring.points import Tally

FAILING, SUFFERING = 0.90, 0.95  # success rates
SLOW_SHARE = 0.05  # of the inferences may be above the objective for the 95th percentile
MUCH_SLOWER = 2.0  # times the objective
_Z = 1.959963984540054  # of a two-sided 95 % interval

HEALTHY, DEGRADED, UNHEALTHY, UNKNOWN = "healthy", "degraded", "unhealthy", "unknown"


@dataclass(frozen=True, slots=True)
class Health:
    status: str
    reasons: tuple[str, ...]


def judged(hour: Tally, p95_objective: float | None) -> Health:
    """hour: what was measured within the last hour. p95_objective: milliseconds."""
    if not hour.points:
        return Health(UNKNOWN, ("No inference was recorded within the last hour.",))
    unhealthy, degraded = [], []
    low, high = wilson(hour.successes, hour.points)
    told = (
        f"{hour.successes:,} of {hour.points:,} inferences of the last hour succeeded "
        f"({100 * low:.1f} to {100 * high:.1f} % with 95 % confidence)"
    )
    if high < FAILING:
        unhealthy.append(f"{told}: below {100 * FAILING:g} %.")
    elif high < SUFFERING:
        degraded.append(f"{told}: below {100 * SUFFERING:g} %.")
    if p95_objective is not None:
        for limit, found in ((MUCH_SLOWER * p95_objective, unhealthy), (p95_objective, degraded)):
            slower = hour.sketch.above(limit)
            if wilson(slower, hour.points)[0] > SLOW_SHARE:
                found.append(
                    f"{slower:,} of {hour.points:,} inferences of the last hour took longer than {limit:g} ms; "
                    f"the objective for the 95th percentile is {p95_objective:g} ms."
                )
                break
    if unhealthy or degraded:
        return Health(UNHEALTHY if unhealthy else DEGRADED, (*unhealthy, *degraded))
    if low < FAILING:
        return Health(UNKNOWN, (f"{told}: too few to tell.",))
    return Health(HEALTHY, (f"{told}.",))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a share; trials above 0."""
    share, z2 = successes / trials, _Z * _Z
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z * sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def p95_objective(metadata: Mapping[str, Any]) -> float | None:
    """`serving.p95Ms` of a version's metadata, if it is a positive number."""
    serving = metadata.get("serving")
    value = serving.get("p95Ms") if isinstance(serving, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value <= 0:
        return None
    return float(value)
