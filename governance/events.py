"""What happened, for those who are to be told: types in the manner of CloudEvents 1.0 (`type`), reverse domain first.

Events are written in the transaction of what they tell; the outbox is read by key (`storage.queries.events`).
"""

from __future__ import annotations

_REQUEST, _FINDING = "io.gatehouse.request.", "io.gatehouse.finding."

REQUEST_OPENED = _REQUEST + "opened"
REQUEST_AWAITING = _REQUEST + "awaiting"  # it is parked: people, or a time, have to come
REQUEST_DECIDED = _REQUEST + "decided"  # one person's decision was recorded
REQUEST_SETTLED = _REQUEST + "settled"
REQUEST_REMINDED = _REQUEST + "reminded"
REQUEST_ESCALATED = _REQUEST + "escalated"
REQUEST_EXPIRED = _REQUEST + "expired"
FINDING_OPENED = _FINDING + "opened"
FINDING_CHANGED = _FINDING + "changed"
FINDING_CLOSED = _FINDING + "closed"
REVIEW_OVERDUE = "io.gatehouse.review.overdue"
REVIEW_COMPLETED = "io.gatehouse.review.completed"
VALIDATION_SETTLED = "io.gatehouse.validation.settled"
REGRESSION_DETECTED = "io.gatehouse.validation.regression"
NIGHT_ENDED = "io.gatehouse.night.ended"
NIGHT_MISSED = "io.gatehouse.night.missed"

TYPES = frozenset(
    {
        REQUEST_OPENED,
        REQUEST_AWAITING,
        REQUEST_DECIDED,
        REQUEST_SETTLED,
        REQUEST_REMINDED,
        REQUEST_ESCALATED,
        REQUEST_EXPIRED,
        FINDING_OPENED,
        FINDING_CHANGED,
        FINDING_CLOSED,
        REVIEW_OVERDUE,
        REVIEW_COMPLETED,
        VALIDATION_SETTLED,
        REGRESSION_DETECTED,
        NIGHT_ENDED,
        NIGHT_MISSED,
    }
)
