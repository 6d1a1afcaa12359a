"""Deciding for somebody else: bounded in time and scope, never handed on, never to one's own benefit.

Whoever decides on behalf of another person uses that person's roles and groups as they are at that moment, and has
neither of them otherwise. Both must be free to decide: what bars the one bars the other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from governance.canonical import rendered
from governance.errors import InvalidInput
from governance.lifecycle import TRANSITIONS, TransitionName, transition_named
from governance.models import RiskTier, checked_name

LONGEST = timedelta(days=30)
FURTHEST_START = timedelta(days=90)
MOST_GROUPS = 50
MOST_IN_FORCE = 20  # of one person, at a time


@dataclass(frozen=True, slots=True)
class Delegation:
    """`delegate_id` decides for `delegator_id`. groups (of the model), transitions, risk_tiers: empty means all."""

    id: str
    delegator_id: str
    delegate_id: str
    groups: tuple[str, ...]
    transitions: tuple[str, ...]
    risk_tiers: tuple[str, ...]
    reason: str
    starts_at: datetime
    ends_at: datetime
    revoked_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return self.revoked_at is None and self.starts_at <= at < self.ends_at

    def covers(self, transition: str, group: str, risk_tier: str) -> bool:
        return (
            (not self.transitions or transition in self.transitions)
            and (not self.groups or group in self.groups)
            and (not self.risk_tiers or risk_tier in self.risk_tiers)
        )

    def to_json(self) -> dict[str, Any]:
        """For the audit log."""
        return {
            "delegatorId": self.delegator_id,
            "delegateId": self.delegate_id,
            "groups": list(self.groups),
            "transitions": list(self.transitions),
            "riskTiers": list(self.risk_tiers),
            "startsAt": rendered(self.starts_at),
            "endsAt": rendered(self.ends_at),
        }


def checked_term(starts_at: datetime, ends_at: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Raises InvalidInput."""
    if not starts_at < ends_at or ends_at <= now:
        raise InvalidInput("A delegation ends after it starts, and in the future.", details={"field": "endsAt"})
    if ends_at - starts_at > LONGEST:
        raise InvalidInput(f"A delegation lasts at most {LONGEST.days} days.", details={"field": "endsAt"})
    if starts_at - now > FURTHEST_START:
        raise InvalidInput(
            f"A delegation starts within {FURTHEST_START.days} days from now.", details={"field": "startsAt"}
        )
    return max(starts_at, now), ends_at  # nobody decided for somebody else before it was said


def checked_scope(
    groups: Collection[str], transitions: Collection[str], risk_tiers: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Sorted, each once. Raises InvalidInput."""
    if len(groups) > MOST_GROUPS:
        raise InvalidInput(f"groups has at most {MOST_GROUPS} entries.", details={"field": "groups"})
    for name in transitions:
        if not transition_named(name).needs_approval:
            decided = ", ".join(t for t in TransitionName if TRANSITIONS[t].needs_approval)
            raise InvalidInput(f"People decide about {decided}, not {name}.", details={"field": "transitions"})
    tiers = {tier.value for tier in RiskTier}
    if unknown := sorted(set(risk_tiers) - tiers):
        raise InvalidInput(
            f"There is no risk tier {unknown[0][:100]!r}; there are Low, Medium and High.",
            details={"field": "riskTiers"},
        )
    names = {checked_name("groups", group) for group in groups}
    return tuple(sorted(names)), tuple(sorted(set(transitions))), tuple(sorted(set(risk_tiers)))
