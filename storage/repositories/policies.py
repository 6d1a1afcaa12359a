"""Policies with their versions, the changes of them, and trial evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from governance.errors import NotFound
from governance.policies import BY_NAME, POLICIES, ActivePolicy, build_policy
from governance.policy_changes import Action, PolicyChange, PolicyState, PolicyVersion
from governance.policy_definitions import policy_from_json
from storage.tables import policies, policy_changes, policy_evaluations

# A statement of every settlement, built once.
_SETTLED = select(policies.c.name, policies.c.version, policies.c.parameters, policies.c.definition, policies.c.state)
_IN_FORCE = _SETTLED.where(policies.c.state.in_(["active", "disabled", "retired"]))


class PolicyRepository:
    """A built-in policy without a row is in force as version 1 with its defaults."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._active: tuple[ActivePolicy, ...] | None = None

    def active(self) -> tuple[ActivePolicy, ...]:
        if self._active is None:  # within one transaction one set judges
            rows = [row for row in self._connection.execute(_IN_FORCE) if _known(row)]
            stored = {row.name: _policy(row) for row in rows if row.state == PolicyState.ACTIVE}
            off = {row.name for row in rows} - set(stored)
            shipped = [
                stored.pop(policy.name) if policy.name in stored else ActivePolicy(policy(), 1)
                for policy in POLICIES
                if policy.name not in off
            ]
            written = [stored[name] for name in sorted(stored)]
            # In the order of the story on a run page: what people decide comes last.
            automatic = [one for one in shipped if not one.policy.about_people]
            self._active = (*automatic, *written, *(one for one in shipped if one.policy.about_people))
        return self._active

    def lock(self) -> None:
        """One change of the set of policies at a time, whoever makes it."""
        self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("policies"))))
        self._active = None

    def versions(self, name: str) -> tuple[PolicyVersion, ...]:
        rows = self._connection.execute(select(policies).where(policies.c.name == name).order_by(policies.c.version))
        found = tuple(_version(row) for row in rows if _known(row))
        return found or ((_shipped(name),) if name in BY_NAME else ())

    def every(self) -> tuple[tuple[PolicyVersion, ...], ...]:
        """All policies in the order of `active`, each with its versions, oldest first."""
        by_name: dict[str, list[PolicyVersion]] = {policy.name: [] for policy in POLICIES}
        for row in self._connection.execute(select(policies).order_by(policies.c.name, policies.c.version)):
            if _known(row):
                by_name.setdefault(row.name, []).append(_version(row))
        return tuple(tuple(found) if found else (_shipped(name),) for name, found in by_name.items())

    def add_version(
        self, name: str, definition: Mapping[str, Any], samples: Mapping[str, Any] | None, state: PolicyState,
        by: str, at: datetime,
    ) -> ActivePolicy:  # fmt: skip
        self.keep_shipped(name, at)
        newest = self._connection.execute(
            select(func.max(policies.c.version)).where(policies.c.name == name)
        ).scalar_one()
        version = int(newest or 0) + 1
        self._insert(name, version, definition, samples, state, by, at)
        return policy_from_json({**definition, "version": version})

    def keep_shipped(self, name: str, at: datetime) -> None:
        """The row of a built-in policy that has none yet."""
        known = self._connection.execute(select(policies.c.name).where(policies.c.name == name).limit(1)).first()
        if known is None and name in BY_NAME:
            self._insert(name, 1, BY_NAME[name]().definition(), None, PolicyState.ACTIVE, None, at)

    def _insert(
        self, name: str, version: int, definition: Mapping[str, Any], samples: Mapping[str, Any] | None,
        state: PolicyState, by: str | None, at: datetime,
    ) -> None:  # fmt: skip
        built_in = definition["builtIn"] is not None
        self._connection.execute(
            insert(policies).values(
                name=name,
                version=version,
                parameters=dict(definition["parameters"]),
                definition=None if built_in else dict(definition),
                samples=dict(samples) if samples is not None else None,
                state=state.value,
                created_by=by,
                created_at=at,
            )
        )
        self._active = None

    def set_state(self, name: str, version: int, state: PolicyState) -> None:
        self._connection.execute(
            update(policies).where(policies.c.name == name, policies.c.version == version).values(state=state.value)
        )
        self._active = None

    # --- changes ------------------------------------------------------------------------------------------

    def add_change(self, change: PolicyChange, entry: str) -> None:
        self._connection.execute(
            insert(policy_changes).values(
                id=change.id,
                policy=change.policy,
                version=change.version,
                action=change.action.value,
                state=change.state,
                reason=change.reason,
                digest=change.digest,
                before=dict(change.before) if change.before is not None else None,
                after=dict(change.after) if change.after is not None else None,
                proposed_by=change.proposed_by,
                proposed_behind=change.proposed_behind,
                proposed_at=change.proposed_at,
                proposed_entry=entry,
            )
        )

    def change(self, change_id: str) -> PolicyChange:
        found = self._connection.execute(
            select(policy_changes).where(policy_changes.c.id == change_id).with_for_update()
        ).one_or_none()
        if found is None:
            raise NotFound("policy change", change_id)
        return _change(found)

    def pending(self, name: str) -> PolicyChange | None:
        row = self._connection.execute(
            select(policy_changes).where(policy_changes.c.policy == name, policy_changes.c.state == "pending")
        ).one_or_none()
        return _change(row) if row else None

    def decide_change(
        self, change_id: str, state: str, by: str, behind: str, comment: str, at: datetime, entry: str
    ) -> None:
        self._connection.execute(
            update(policy_changes)
            .where(policy_changes.c.id == change_id)
            .values(
                state=state, decided_by=by, decided_behind=behind, comment=comment, decided_at=at, decided_entry=entry
            )
        )

    # --- trial evaluations --------------------------------------------------------------------------------

    def add_evaluation(
        self, evaluation_id: str, policy: str | None, version: tuple[str, str] | None, transition: str, outcome: str,
        answer: Mapping[str, Any], by: str, at: datetime,
    ) -> None:  # fmt: skip
        """`version`: (id of the model, id of the version)."""
        model_id, version_id = version or (None, None)
        self._connection.execute(
            insert(policy_evaluations).values(
                id=evaluation_id,
                policy=policy,
                model_id=model_id,
                version_id=version_id,
                transition=transition,
                outcome=outcome,
                answer=dict(answer),
                requested_by=by,
                created_at=at,
            )
        )


def _known(row: Row[Any]) -> bool:
    """A built-in policy of another release judges nothing here."""
    return row.definition is not None or row.name in BY_NAME


def _policy(row: Row[Any]) -> ActivePolicy:
    if row.definition is None:
        return ActivePolicy(build_policy(BY_NAME[row.name], row.parameters), row.version)
    return policy_from_json({**row.definition, "version": row.version})


def _version(row: Row[Any]) -> PolicyVersion:
    return PolicyVersion(_policy(row), PolicyState(row.state), row.samples, row.created_by, row.created_at)


def _shipped(name: str) -> PolicyVersion:
    return PolicyVersion(ActivePolicy(BY_NAME[name](), 1), PolicyState.ACTIVE, None, None, None)


def _change(row: Row[Any]) -> PolicyChange:
    return PolicyChange(
        id=row.id,
        policy=row.policy,
        version=row.version,
        action=Action(row.action),
        state=row.state,
        reason=row.reason,
        before=row.before,
        after=row.after,
        proposed_by=row.proposed_by,
        proposed_behind=row.proposed_behind,
        proposed_at=row.proposed_at,
    )
