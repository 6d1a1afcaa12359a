"""Asking Cedar (https://www.cedarpolicy.com): may this principal do that, and which policy says so?

A decision about an asset depends on the principal's access and on the asset's rule only, so equal questions are
answered from memory. The principal's epoch is part of the question: a change of access makes new questions.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from governance.access.permissions import PERMISSIONS, compressed, expanded
from governance.access.principal import SERVICE, Principal
from governance.access.rules import AccessRule

if TYPE_CHECKING:
    import cedarpy

POLICY_FILES = ("roles.cedar", "groups.cedar", "boundaries.cedar")
_MOST_REMEMBERED = 50_000
_READING = ("model:download",)  # besides every …:read: what readers of an asset may do with it
_remembered: OrderedDict[tuple[object, ...], Decision] = OrderedDict()
_effective: OrderedDict[tuple[object, ...], tuple[str, ...]] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Decision:
    """policies: ids of those that decided, in order; says: their sentences. Empty when nothing permits it."""

    allowed: bool
    permission: str
    policies: tuple[str, ...]
    says: tuple[str, ...]

    @property
    def reason(self) -> str:
        return " ".join(self.says) or f"No policy permits {self.permission}."


def is_reading(permission: str) -> bool:
    """Is this something that readers may do? Everything else takes a group that owns the asset."""
    return permission.endswith(":read") or permission in _READING


def decide(principal: Principal, permission: str, rule: AccessRule | None = None) -> Decision:
    """May they do this, to an asset with that rule; or with None, at all? The impossible raises ValueError."""
    key = (principal.access_key, permission, rule.digest if rule is not None else None)
    known = _remembered.get(key)
    if known is None:
        known = _ask(principal, permission, rule)
        _remembered[key] = known
        while len(_remembered) > _MOST_REMEMBERED:
            _remembered.popitem(last=False)
    return known


def policy_text() -> str:
    """All policies, as they stand in the repository."""
    folder = files("governance.access") / "policies"
    return "\n".join((folder / name).read_text("utf-8") for name in POLICY_FILES)


def schema_text() -> str:
    return (files("governance.access") / "policies" / "schema.cedarschema").read_text("utf-8")


def permissions_of(principal: Principal) -> tuple[str, ...]:
    """What they may do somewhere, as patterns: the effective permissions that every answer tells.

    Put together from the policies' lists instead of asking about every permission there is, which takes 20 ms; a test
    compares the two.
    """
    key = principal.access_key
    known = _effective.get(key)
    if known is None:
        known = compressed(_granted(principal))
        _effective[key] = known
        while len(_effective) > _MOST_REMEMBERED // 10:
            _effective.popitem(last=False)
    return known


def _granted(principal: Principal) -> frozenset[str]:
    lists = _policies().permits
    granted = set(lists[("", "")])
    for role in principal.roles:
        granted |= lists[("Role", role.value)]
    for permission in principal.package_permissions:
        granted |= lists[("PackagePermission", permission.value)]
    for permissions in principal.granted_by_group.values():
        granted |= permissions
    if principal.kind == SERVICE:
        granted -= expanded(("approval:*", "production:*", "policy:approve"))
    if principal.scopes is not None:
        granted &= expanded(principal.scopes | {"self:read"})
    return frozenset(granted)


@dataclass(frozen=True, slots=True)
class _Policies:
    handle: cedarpy.PolicySet
    schema: cedarpy.Schema
    ids: dict[str, str]  # Cedar's own id -> ours
    sentences: dict[str, str]
    permits: dict[tuple[str, str], frozenset[str]]  # (kind, id) of who is permitted -> permissions; ("", ""): everybody


@cache
def _policies() -> _Policies:
    import cedarpy

    text = policy_text()
    ids: dict[str, str] = {}
    sentences: dict[str, str] = {}
    permits: dict[tuple[str, str], frozenset[str]] = {}
    for own, policy in json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].items():
        notes = policy.get("annotations", {})
        ids[own] = notes["id"]
        sentences[notes["id"]] = notes["says"]
        if policy["effect"] == "permit" and policy["action"]["op"] == "in":
            named = policy["principal"].get("entity", {"type": "", "id": ""})
            actions = policy["action"].get("entities") or [policy["action"]["entity"]]
            permits[(named["type"], named["id"])] = expanded(action["id"] for action in actions)
    handle, schema = cedarpy.PolicySet.from_str(text), cedarpy.Schema.from_str(schema_text())
    return _Policies(handle, schema, ids, sentences, permits)


def _ask(principal: Principal, permission: str, rule: AccessRule | None) -> Decision:
    import cedarpy

    if permission not in PERMISSIONS:
        raise ValueError(f"no such permission: {permission}")
    parts = _policies()
    answer = cedarpy.is_authorized(
        _request(principal, permission, rule),
        parts.handle,
        [*_principal_entities(principal), *_asset_entities(rule)],
        parts.schema,
    )
    if answer.diagnostics.errors:  # a policy that could not be evaluated must not be passed over
        raise ValueError(f"access policies failed: {answer.diagnostics.errors}")
    policies = sorted({parts.ids.get(own, own) for own in answer.diagnostics.reasons})
    return Decision(answer.allowed, permission, tuple(policies), tuple(parts.sentences[name] for name in policies))


def _request(principal: Principal, permission: str, rule: AccessRule | None) -> dict[str, Any]:
    return {
        "principal": f'User::"{principal.id}"',
        "action": f'Action::"{permission}"',
        "resource": 'Asset::"it"' if rule is not None else 'Platform::"gatehouse"',
        "context": _context(principal, permission, rule),
    }


def _context(principal: Principal, permission: str, rule: AccessRule | None) -> dict[str, Any]:
    granted: set[str] = set()
    for group, permissions in principal.granted_by_group.items():
        if rule is None or group in (rule.readers if is_reading(permission) else rule.owners):
            granted |= permissions
    context: dict[str, Any] = {
        "permission": permission,
        "groupPermissions": sorted(granted),
        "scoped": principal.scopes is not None,
        "scopes": sorted(expanded(principal.scopes | {"self:read"})) if principal.scopes is not None else [],
        "narrowed": principal.narrowed,
    }
    if principal.workspace_context is not None:
        context["workspace"] = principal.workspace_context
    return context


def _principal_entities(principal: Principal) -> list[dict[str, Any]]:
    roles = [{"type": "Role", "id": role.value} for role in sorted(principal.roles)]
    packages = [{"type": "PackagePermission", "id": one.value} for one in sorted(principal.package_permissions)]
    groups = _groups(principal.acting_groups)
    attributes: dict[str, Any] = {
        "kind": principal.kind,
        "everyGroup": [{"__entity": group} for group in _groups(principal.every_group)],
        "seniorGroups": [{"__entity": group} for group in _groups(principal.senior_groups & principal.acting_groups)],
        "accessLevel": int(principal.level),
        "clearanceLevel": principal.clearance,
        **_places(principal),
    }
    named = {(e["type"], e["id"]): e for e in [*roles, *packages, *_groups(principal.every_group)]}
    user = {"uid": {"type": "User", "id": principal.id}, "attrs": attributes, "parents": [*roles, *packages, *groups]}
    return [user, *({"uid": entity, "attrs": {}, "parents": []} for entity in named.values())]


def _asset_entities(rule: AccessRule | None) -> list[dict[str, Any]]:
    if rule is None:
        return []
    attributes: dict[str, Any] = {
        "owners": [{"__entity": group} for group in _groups(rule.owners)],
        "readers": [{"__entity": group} for group in _groups(rule.readers)],
        "restricted": [{"__entity": group} for group in _groups(rule.restricted)],
        "accessLevel": int(rule.level),
        "sensitive": rule.sensitive,
        "clearanceLevel": rule.clearance,
        **_places(rule),
    }
    return [{"uid": {"type": "Asset", "id": "it"}, "attrs": attributes, "parents": []}]


def _places(of: Principal | AccessRule) -> dict[str, str]:
    named = {"workspace": of.workspace, "department": of.department, "project": of.project}
    return {name: value for name, value in named.items() if value is not None}


def _groups(names: Any) -> list[dict[str, str]]:
    return [{"type": "Group", "id": name} for name in sorted(names)]
