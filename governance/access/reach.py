"""How far reading reaches, as plain values that a list puts into its SQL.

This says about `…:read` (and downloads) what `policies/*.cedar` say, for a whole table at once. Wherever the two could
differ, `tests/governance/access/test_reach.py` looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from governance.access.decisions import decide
from governance.access.principal import Principal
from governance.access.roles import Role
from governance.access.rules import AccessLevel, AccessRule

# What the policy `outside-your-groups` lets these roles read across groups.
_DECIDING = frozenset(
    {
        "approval:decide",
        "model:read",
        "model:download",
        "dataset:read",
        "deployment:read",
        "monitoring:read",
        "provenance:read",
        "compliance:read",
        "lineage:read",
    }
)
_ACROSS: dict[Role, frozenset[str]] = {
    Role.APPROVER: _DECIDING,
    Role.VALIDATOR: _DECIDING,
    Role.AUDITOR: frozenset({"provenance:read", "audit:read", "compliance:read", "lineage:read"}),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """everything: bounded by restrictions (and a workspace asked for) only. across: beyond one's groups.

    public: also what is public. groups: readers among these. never: what is restricted to any of these stays hidden.
    """

    everything: bool
    across: bool
    public: bool
    groups: frozenset[str]
    senior: frozenset[str]
    never: frozenset[str]
    level: AccessLevel
    clearance: int
    workspace: str | None
    department: str | None
    project: str | None
    workspace_context: str | None

    def covers(self, rule: AccessRule) -> bool:
        """The condition on one rule. Lists do the same in SQL (`storage.queries.visibility`)."""
        if self.never & set(rule.restricted):
            return False
        if self.workspace_context is not None and rule.workspace != self.workspace_context:
            return False
        near = bool(self.groups & rule.readers) or (self.public and rule.level is AccessLevel.PUBLIC) or self.across
        if self.everything:
            return near
        senior = bool(self.senior & rule.readers) or (self.across and bool(self.senior))
        return (
            near
            and rule.level <= self.level
            and rule.clearance <= self.clearance
            and (not rule.sensitive or senior)
            and rule.workspace in (None, self.workspace)
            and rule.department in (None, self.department)
            and rule.project in (None, self.project)
        )


def reach_of(principal: Principal, *permissions: str) -> tuple[Reach, ...]:
    """One reach for each permission that they have somewhere; together they are what may be read."""
    return tuple(_reach(principal, permission) for permission in permissions if decide(principal, permission).allowed)


def _reach(principal: Principal, permission: str) -> Reach:
    by_role = _granted_by_role(principal, permission)
    groups = principal.acting_groups
    if not by_role:
        groups = frozenset(group for group in groups if permission in principal.granted_by_group[group])
    across = by_role and not principal.narrowed and _reaches_across(principal, permission)
    return Reach(
        everything=principal.is_admin,
        across=across,
        public=by_role,
        groups=groups,
        senior=principal.senior_groups & principal.acting_groups,
        never=principal.every_group,
        level=principal.level,
        clearance=principal.clearance,
        workspace=principal.workspace,
        department=principal.department,
        project=principal.project,
        workspace_context=principal.workspace_context,
    )


def _granted_by_role(principal: Principal, permission: str) -> bool:
    """By a role, a package permission or as everybody's: not only by groups, for what belongs to these."""
    policies = decide(principal, permission).policies
    return any(policy.startswith(("role-", "package-")) or policy == "signed-in" for policy in policies)


def _reaches_across(principal: Principal, permission: str) -> bool:
    return principal.is_admin or any(permission in _ACROSS.get(role, ()) for role in principal.roles)


def everywhere(principal: Principal, permission: str) -> bool:
    """Whether they hold a permission for the platform as a whole: by a role, acting for all their groups.

    What a group gives is for what belongs to the group, and says nothing about the rest.
    """
    return decide(principal, permission).allowed and _granted_by_role(principal, permission) and not principal.narrowed
