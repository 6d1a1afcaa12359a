"""Who may read what, in plain Python, from the documents and from the sentences of the policies.

Nothing of `governance.access.decisions` or `reach` is used: this is what the two are compared with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from governance.access.permissions import PERMISSIONS
from governance.access.rules import AccessRule

# Copied from the catalog (Authentication & Authorization).
CATALOG_ROLES: dict[str, list[str]] = {
    "catalog_admin": ["*"],
    "data_scientist": [
        "dataset:*",
        "model:*",
        "experiment:*",
        "pipeline:*",
        "feature:*",
        "endpoint:create",
        "endpoint:read",
        "marketplace:read",
    ],
    "ml_engineer": ["model:*", "pipeline:*", "endpoint:*", "deployment:*", "monitoring:*"],
    "marketplace_user": ["marketplace:read", "model:read", "rating:create", "favorite:*"],
    "auditor": ["provenance:read", "audit:read", "compliance:read", "lineage:read"],
    "viewer": ["*:read"],
}

# The approver is not in the catalog: what is to be decided, deciding, and taking versions out of production.
APPROVER = [
    "approval:*",
    "production:*",
    "finding:*",
    "freeze:read",
    "dashboard:use",
    "policy:approve",
    "model:read",
    "model:download",
    "model:evaluate",
    "model:request",
    "model:retire",
    "dataset:read",
    "deployment:read",
    "monitoring:read",
    "provenance:read",
    "compliance:read",
    "lineage:read",
]
ROLES = {**CATALOG_ROLES, "approver": APPROVER, "validator": APPROVER}

PACKAGE_PERMISSIONS: dict[str, list[str]] = {
    "search": ["package:search", "model:read"],
    "download": ["package:download", "model:download"],
    "upload": ["package:upload", "model:create", "model:update"],
}
EVERYBODY = ["self:*", "policy:read", "group:read"]

READINGS = sorted([*(one for one in PERMISSIONS if one.endswith(":read")), "model:download"])

# Beyond their own groups: administrators everything, approvers what they decide about, auditors what they audit.
_NOWHERE_IN_PARTICULAR = ("dashboard:use", "freeze:read", "policy:approve")
_DECIDING = [one for one in APPROVER if one not in _NOWHERE_IN_PARTICULAR]
_ACROSS = {"approver": _DECIDING, "validator": _DECIDING, "auditor": CATALOG_ROLES["auditor"]}


def matches(pattern: str, permission: str) -> bool:
    noun, _, verb = pattern.partition(":")
    wanted_noun, _, wanted_verb = permission.partition(":")
    return pattern == "*" or (noun in ("*", wanted_noun) and verb in ("*", wanted_verb))


def listed(patterns: Iterable[str], permission: str) -> bool:
    return any(matches(pattern, permission) for pattern in patterns)


@dataclass(frozen=True)
class Person:
    """`groups`: every group, with those above; each with what it gives its members. `seniors`: direct ones of level 2+.

    `scopes`: of the token, None for no limit. `acting_for`, `working_in`: what the call was narrowed to.
    """

    roles: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    seniors: frozenset[str] = frozenset()
    level: int = 0
    clearance: int = 0
    workspace: str | None = None
    department: str | None = None
    project: str | None = None
    scopes: frozenset[str] | None = None
    acting_for: str | None = None
    working_in: str | None = None

    def narrowed(self, **to: str | None) -> Person:
        return replace(self, **to)  # type: ignore[arg-type]

    @property
    def acting_groups(self) -> set[str]:
        return {group for group in self.groups if self.acting_for in (None, group)}


def may_read(person: Person, permission: str, rule: AccessRule) -> bool:
    """May they read the asset, where `permission` is what reading it takes?"""
    if person.scopes is not None and not listed([*person.scopes, "self:read"], permission):
        return False  # the token was made for less than this
    if not _is_given(person, permission, rule):
        return False
    if set(person.groups) & set(rule.restricted):
        return False  # deny wins, also over administrators and over what the call was narrowed to
    if person.working_in is not None and rule.workspace != person.working_in:
        return False
    readers = {*rule.owners, *rule.allowed}
    wide = person.acting_for is None and person.working_in is None
    admin = "catalog_admin" in person.roles
    across = wide and (admin or any(listed(_ACROSS.get(role, []), permission) for role in person.roles))
    if not (rule.level == 0 or person.acting_groups & readers or across):
        return False
    if admin:
        return True
    if rule.sensitive:
        seniors = person.seniors & person.acting_groups
        if not (seniors if across else seniors & readers):
            return False
    return (
        rule.level <= person.level
        and rule.clearance <= person.clearance
        and rule.workspace in (None, person.workspace)
        and rule.department in (None, person.department)
        and rule.project in (None, person.project)
    )


def may_somewhere(person: Person, permission: str) -> bool:
    """Is there anything at all that gives it to them in this call?"""
    if person.scopes is not None and not listed([*person.scopes, "self:read"], permission):
        return False
    return _from_lists(person, permission) or any(
        listed(person.groups[group], permission) for group in person.acting_groups
    )


def _is_given(person: Person, permission: str, rule: AccessRule) -> bool:
    """By a role, a package permission, to everybody, or by a group that the asset is open to."""
    if _from_lists(person, permission):
        return True
    readers = {*rule.owners, *rule.allowed}
    return any(listed(person.groups[group], permission) for group in person.acting_groups & readers)


def _from_lists(person: Person, permission: str) -> bool:
    lists = [EVERYBODY, *(ROLES[role] for role in person.roles), *(PACKAGE_PERMISSIONS[one] for one in person.packages)]
    return any(listed(patterns, permission) for patterns in lists)
