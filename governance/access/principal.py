"""The caller of an operation, with everything that decides what they may see and do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from governance.access.permissions import expanded
from governance.access.roles import PackagePermission, Role
from governance.access.rules import AccessLevel
from governance.errors import Forbidden

PERSON, SERVICE = "person", "service"


@dataclass(frozen=True)
class Principal:
    """A user behind a token, at one permission epoch, perhaps narrowed.

    groups: those they are a member of (what quorums count); every_group: with the groups above these;
    senior_groups: those of admin level 2 and above among `groups`. group_permissions: permissions that a group of
    `every_group` gives its members. epoch: grows with every change of the user's access. scopes: what the token is
    limited to, None for no limit. group_context, workspace_context: what the call was narrowed to.
    """

    id: str
    name: str
    roles: frozenset[Role]
    groups: tuple[str, ...] = ()
    kind: str = PERSON
    owner_id: str | None = None
    package_permissions: frozenset[PackagePermission] = frozenset()
    every_group: frozenset[str] = frozenset()
    senior_groups: frozenset[str] = frozenset()
    group_permissions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    level: AccessLevel = AccessLevel.PUBLIC
    clearance: int = 0
    workspace: str | None = None
    department: str | None = None
    project: str | None = None
    epoch: int = 0
    scopes: frozenset[str] | None = None
    token_id: str | None = None
    token_kind: str | None = None
    calls_remaining: int | None = None
    group_context: str | None = None
    workspace_context: str | None = None

    @property
    def is_admin(self) -> bool:
        return Role.CATALOG_ADMIN in self.roles

    @property
    def answers_as(self) -> str:
        """The id of the person behind what this principal does: the owner of a service account."""
        return self.owner_id or self.id

    @property
    def narrowed(self) -> bool:
        return self.group_context is not None or self.workspace_context is not None

    @cached_property
    def acting_groups(self) -> frozenset[str]:
        """The groups whose rights count in this call. A context narrows rights; it never lifts a restriction."""
        if self.group_context is None:
            return self.every_group
        return self.every_group & {self.group_context}

    @cached_property
    def granted_by_group(self) -> dict[str, frozenset[str]]:
        return {group: expanded(self.group_permissions.get(group, ())) for group in self.acting_groups}

    @cached_property
    def access_key(self) -> tuple[object, ...]:
        """Equal for calls that may see and do the same."""
        return (self.id, self.epoch, self.scopes, self.group_context, self.workspace_context)

    def narrowed_to(self, *, group: str | None = None, workspace: str | None = None) -> Principal:
        """The same caller acting for one of their groups, or in their workspace, only. Raises Forbidden."""
        if group is not None and group not in self.every_group:
            raise Forbidden(f"{self.name} is not in the group {group[:200]!r}.", details={"header": "X-Group-Context"})
        if workspace is not None and workspace != self.workspace and not self.is_admin:
            raise Forbidden(f"{self.name} does not work in {workspace[:200]!r}.", details={"header": "X-Workspace-Id"})
        return replace(self, group_context=group, workspace_context=workspace)
