"""The version that a suite holds the others against, pinned when it was promoted.

A pin never rolls: comparing with last night cannot see slow drift. A promotion pins the new version and releases the
old pin; a rollback pins what came back. Another suite has pins of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

GUARD_DAYS = timedelta(days=90)  # how far back the best approved version is looked for: many small losses add up


@dataclass(frozen=True, slots=True)
class Baseline:
    """outcomes_sha256: what the version answered, example by example, on `dataset_sha256`. score: share of right
    answers, or mean loss.
    """

    id: str
    model_id: str
    suite_id: str
    version_id: str
    version: str
    suite_digest: str
    dataset_sha256: str
    outcomes_sha256: str
    score: float | None
    request_id: str | None
    pinned_at: datetime
    released_at: datetime | None = None


def best_of(pins: tuple[Baseline, ...], current: Baseline, at: datetime, *, lower_is_better: bool) -> Baseline | None:
    """Among those that were pinned within GUARD_DAYS, the best other version, if it was better than the current."""
    others = [
        pin
        for pin in pins
        if pin.version_id != current.version_id
        and pin.suite_digest == current.suite_digest
        and pin.score is not None
        and (pin.released_at is None or pin.released_at >= at - GUARD_DAYS)
    ]
    if not others or current.score is None:
        return None
    sign = -1.0 if lower_is_better else 1.0
    best = max(others, key=lambda pin: (sign * (pin.score or 0.0), pin.pinned_at))
    return best if sign * (best.score or 0.0) > sign * current.score else None
