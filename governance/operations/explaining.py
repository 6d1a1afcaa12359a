"""Telling somebody why something is allowed or not."""

from __future__ import annotations

from typing import Any

from governance.access.decisions import decide
from governance.access.permissions import PERMISSIONS
from governance.errors import InvalidInput
from governance.operations.calls import READING, Call
from governance.ports import UnitOfWork


def explain(
    uow: UnitOfWork, call: Call, permission: str, *, kind: str | None, asset_id: str | None, user: str | None
) -> dict[str, Any]:
    """{"allowed", "permission", "user", "policies", "reason", "asset"}. Raises InvalidInput, NotFound, Forbidden."""
    asker = call.may("self:read", "Asking about access")
    if permission not in PERMISSIONS:
        raise InvalidInput(
            f"There is no permission {permission[:100]!r}.",
            details={"field": "permission", "known": sorted(PERMISSIONS)},
        )
    if (kind is None) != (asset_id is None) or (kind is not None and kind not in ("model", "dataset")):
        raise InvalidInput("An asset is named by its kind and its id.", details={"field": "kind"})
    with uow:
        about = asker
        if user is not None and user not in (asker.id, asker.name):
            call.may("user:read", "Asking about somebody else's access")
            found = uow.people.find(user)
            if found is None:
                raise InvalidInput(f"There is no user {user[:200]!r}.", details={"field": "user"})
            about = uow.people.principal(found.id)
        rule = None
        if kind is not None and asset_id is not None:
            rule = uow.access.of_model(asset_id) if kind == "model" else uow.access.of_dataset(asset_id)
            call.may_with(kind, asset_id, rule, READING[kind][0], "Seeing this")
    decision = decide(about, permission, rule)
    return {
        "allowed": decision.allowed,
        "permission": permission,
        "user": about.name,
        "policies": list(decision.policies),
        "reason": decision.reason,
        "asset": {"kind": kind, "id": asset_id, "rule": rule.to_json()} if rule is not None else None,
    }
