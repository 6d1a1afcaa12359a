"""The life of a policy's versions, and the change that a second person decides about.

    draft ──► proposed ──► active ──► superseded | disabled | retired
      ▲          │                        disabled ──► active
      └──────────┘ (rejected)

A version's text never changes. Whatever alters what judges (a new version, enabling, disabling, retiring) is a change
that one person proposes and another one, not the same behind another account, approves under the digest of exactly
that change. With one person alone who could approve, it stays pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from governance.canonical import digest_of
from governance.lifecycle import TransitionName
from governance.policies import ActivePolicy


class PolicyState(StrEnum):
    DRAFT = "draft"
    PROPOSED = "proposed"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    DISABLED = "disabled"
    RETIRED = "retired"


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    ENABLE = "enable"
    DISABLE = "disable"
    RETIRE = "retire"


ACTIVATING = frozenset({Action.CREATE, Action.UPDATE, Action.ENABLE})

REQUIRED = frozenset({"approvals", "approval-binding", "artifact-integrity"})
"""Built-in policies that are never disabled or retired: who approves, that this is what is deployed, and its bytes."""

MOST_POLICIES = 200
"""Policies that are not retired."""


_POLICIES = UUID("5d8f7b0e-6f0c-5c62-9d0b-8c1f4f2a7e11")


def policy_id(name: str) -> str:
    """The id of a policy, with all its versions: made of its name (RFC 9562, version 5), which is never given again."""
    return str(uuid5(_POLICIES, name))


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy, whatever its state. `samples`: as they were written, None for built-in policies."""

    active: ActivePolicy
    state: PolicyState
    samples: Mapping[str, Any] | None
    created_by: str | None
    created_at: datetime | None

    @property
    def name(self) -> str:
        return self.active.policy.name

    @property
    def version(self) -> int:
        return self.active.version


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """before, after: whole definitions (`ActivePolicy.to_json`), None for "not in force". behind: whose account."""

    id: str
    policy: str
    version: int
    action: Action
    state: str  # "pending" | "approved" | "rejected"
    reason: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    proposed_by: str
    proposed_behind: str
    proposed_at: datetime

    @property
    def digest(self) -> str:
        """Of what is proposed, which an approval names."""
        return digest_of(
            {
                "id": self.id,
                "policy": self.policy,
                "version": self.version,
                "action": self.action.value,
                "reason": self.reason,
                "before": self.before,
                "after": self.after,
            }
        )


def uncovered(policies: Iterable[ActivePolicy]) -> frozenset[TransitionName]:
    """Transitions that some version could go through unjudged: nobody but advisers and clocks would look at it."""
    judged: set[TransitionName] = set()
    for active in policies:
        scope = active.policy.scope
        if active.policy.enforcement != "advisory" and not active.policy.may_wait and scope.unconditional:
            judged |= scope.transitions
    return frozenset(TransitionName) - judged
