"""What the counts of live traffic say about a version: one verdict on every feature, and one on the version.

A feature has drifted when both hold:

1. it is significant: q at most 0.01, where q is the false discovery rate over all features and the prediction
   (Benjamini and Hochberg) and a feature's p-value is that of chi-squared or, for numbers, twice the smaller one of
   chi-squared and KS;
2. it is large: PSI without what chance adds is at least 0.1, or Wasserstein-1 at least 0.32 standard deviations.

The first keeps noise out (0.01 and not 0.05, since every version is looked at every night), the second keeps out shifts
that are real and of no consequence: with a million rows everything is significant.

Severity is `moderate` from PSI 0.1 or 0.32 standard deviations, `severe` from 0.25 or 0.5. The limits of PSI are a
convention of credit scoring without a derivation (Siddiqi, Credit Risk Scorecards, 2006); those of Wasserstein-1 are
the shift of a normal distribution that has this PSI.

With fewer than 200 live rows, or as many in the reference, nothing is said: `insufficient_evidence`.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import datetime

from governance.drift.measures import (
    adjusted,
    chi_squared,
    kolmogorov_smirnov,
    psi,
    smallest_detectable_psi,
    wasserstein,
)
from governance.drift.report import (
    DRIFT,
    FALSE_DISCOVERIES,
    INSUFFICIENT,
    LEAST_ROWS,
    MODERATE,
    MODERATE_PSI,
    MODERATE_SHIFT,
    NONE,
    SEVERE,
    SEVERE_PSI,
    SEVERE_SHIFT,
    STABLE,
    DriftReference,
    DriftReport,
    FeatureDrift,
    LiveCounts,
)
from governance.drift.sketches import Counts, NumericSketch, Sketch


def drift_between(reference: DriftReference, live: LiveCounts, since: datetime, until: datetime) -> DriftReport:
    """The same counts give the same report, to the last digit."""
    measured = [
        _measured(sketch, live.by_position.get(position, (0,) * len(sketch.counts)))
        for position, sketch in enumerate(reference.sketches)
    ]
    tested = [one for one in measured if one.p is not None]
    judged = [one for one in measured if one.p is None]
    for one, q in zip(tested, adjusted([one.p or 0.0 for one in tested]), strict=True):
        judged.append(_judged(one, q))
    rank = (SEVERE, MODERATE, NONE)
    judged.sort(key=lambda one: (rank.index(one.severity), -(one.psi.excess if one.psi else -1.0), one.feature))
    severities = {one.severity for one in judged}
    verdict = DRIFT if severities - {NONE} else STABLE if tested else INSUFFICIENT
    return DriftReport(
        version_id=reference.version_id,
        since=since,
        until=until,
        verdict=verdict,
        severity=next((one for one in rank if one in severities), NONE),
        observations=live.observations,
        unknown_values=live.unknown,
        features=tuple(judged),
        reference=reference.identity(),
    )


def _measured(sketch: Sketch, live: Counts) -> FeatureDrift:
    """Sizes and p-value of one feature, before it is seen together with the others."""
    n, m = sum(sketch.counts), sum(live)
    missing = len(sketch.counts) - 2
    bare = FeatureDrift(
        feature=sketch.name,
        role=sketch.role,
        kind=sketch.kind,
        n_reference=n,
        n_live=m,
        verdict=INSUFFICIENT,
        severity=NONE,
        psi=None,
        chi_squared=None,
        ks=None,
        wasserstein=None,
        p=None,
        q=None,
        smallest_detectable_psi=None,
        missing_reference=sketch.counts[missing] / n if n else 0.0,
        missing_live=live[missing] / m if m else 0.0,
    )
    if n < LEAST_ROWS or m < LEAST_ROWS:
        return bare
    seed = zlib.crc32(sketch.name.encode())
    size, test = psi(sketch.counts, live, seed=seed), chi_squared(sketch.counts, live)
    p, ks, moved = test.p, None, None
    if isinstance(sketch, NumericSketch):
        ordered = slice(0, sketch.ordered)
        ks = kolmogorov_smirnov(sketch.counts[ordered], live[ordered])
        moved = wasserstein(sketch.counts[ordered], live[ordered], sketch.positions, sketch.deviation, seed=seed + 1)
        if ks is not None:
            p = min(1.0, 2 * min(test.p, ks.p))
    cells = sum(1 for a, b in zip(sketch.counts, live, strict=True) if a or b)
    return replace(
        bare,
        psi=size,
        chi_squared=test,
        ks=ks,
        wasserstein=moved,
        p=p,
        smallest_detectable_psi=smallest_detectable_psi(n, m, cells),
    )


def _judged(one: FeatureDrift, q: float) -> FeatureDrift:
    severity = severity_of(one.psi.excess if one.psi else 0.0, one.wasserstein.value if one.wasserstein else 0.0)
    if q > FALSE_DISCOVERIES:
        severity = NONE
    return replace(one, q=q, severity=severity, verdict=DRIFT if severity != NONE else STABLE)


def severity_of(excess: float, moved: float) -> str:
    """By PSI beyond chance and by Wasserstein-1 in standard deviations, whichever says more."""
    if excess >= SEVERE_PSI or moved >= SEVERE_SHIFT:
        return SEVERE
    return MODERATE if excess >= MODERATE_PSI or moved >= MODERATE_SHIFT else NONE
