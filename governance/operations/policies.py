"""Changing the parameters of a shipped policy: a new version, from which on approvals of the old one are void."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.errors import NotFound
from governance.operations.calls import Call
from governance.policies import BY_NAME, build_policy
from governance.ports import UnitOfWork


def publish(uow: UnitOfWork, call: Call, name: str, parameters: Mapping[str, Any]) -> int:
    """The new version number. Raises NotFound, InvalidInput, Forbidden."""
    person = call.may("policy:update", "Changing a policy")
    if name not in BY_NAME:
        raise NotFound("policy", name)
    built = build_policy(BY_NAME[name], parameters)
    with uow:
        before = next((a for a in uow.policies.active() if a.policy.name == name), None)
        if before is not None and before.policy == built:
            return before.version
        version = uow.policies.publish(name, built.parameters(), person.id, call.at)
        uow.audit(
            call.event(
                "policy:published",
                "policy",
                name,
                before=before.to_json() if before else None,
                after={"version": version, "parameters": built.parameters()},
            )
        )
        uow.commit()
    return version
