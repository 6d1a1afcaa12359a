"""What judges."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from governance.policies import ActivePolicy
from governance.policy_changes import PolicyChange, PolicyState, PolicyVersion


class Policies(Protocol):
    def active(self) -> tuple[ActivePolicy, ...]:
        """Those in force, in the order in which a run shows them."""

    def lock(self) -> None:
        """Held by whoever changes what judges, one at a time."""

    def versions(self, name: str) -> tuple[PolicyVersion, ...]:
        """Oldest first; empty when there is no such policy."""

    def every(self) -> tuple[tuple[PolicyVersion, ...], ...]:
        """All policies, each with its versions."""

    def add_version(
        self,
        name: str,
        definition: Mapping[str, Any],
        samples: Mapping[str, Any] | None,
        state: PolicyState,
        by: str,
        at: datetime,
    ) -> ActivePolicy: ...
    def keep_shipped(self, name: str, at: datetime) -> None:
        """Write down version 1 of a built-in policy, if it is not."""

    def set_state(self, name: str, version: int, state: PolicyState) -> None: ...
    def add_change(self, change: PolicyChange, entry: str) -> None:
        """`entry`: the leaf of its audit entry, in hex."""

    def change(self, change_id: str) -> PolicyChange:
        """Locked. Raises NotFound."""

    def pending(self, name: str) -> PolicyChange | None: ...
    def decide_change(
        self, change_id: str, state: str, by: str, behind: str, comment: str, at: datetime, entry: str
    ) -> None: ...
    def add_evaluation(
        self,
        evaluation_id: str,
        policy: str | None,
        version: tuple[str, str] | None,
        transition: str,
        outcome: str,
        answer: Mapping[str, Any],
        by: str,
        at: datetime,
    ) -> None:
        """`version`: (id of the model, id of the version)."""
