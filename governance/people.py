"""People, service accounts and groups as the registry keeps them. `governance.access` says what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from governance.access.principal import PERSON
from governance.access.roles import PackagePermission, Role
from governance.access.rules import AccessLevel


@dataclass(frozen=True, slots=True)
class Attributes:
    """The catalog's attributes of a user (Authentication & Authorization: attributes)."""

    clearance_level: int = 0
    workspace: str | None = None
    department: str | None = None
    project: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "clearanceLevel": self.clearance_level,
            "workspace": self.workspace,
            "department": self.department,
            "project": self.project,
        }


@dataclass(frozen=True, slots=True)
class User:
    """A person, or a service account of the person `owner_id`. `groups` are those of their direct memberships."""

    id: str
    name: str
    roles: frozenset[Role]
    groups: tuple[str, ...] = ()
    password_hash: str | None = field(default=None, repr=False)
    active: bool = True
    kind: str = PERSON
    owner_id: str | None = None
    package_permissions: frozenset[PackagePermission] = frozenset()
    attributes: Attributes = Attributes()

    def access_json(self) -> dict[str, Any]:
        """What the audit log says of their access."""
        return {
            "roles": sorted(self.roles),
            "groups": list(self.groups),
            "permissions": sorted(self.package_permissions),
            "active": self.active,
            **self.attributes.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Group:
    """An organisational group (group-aware API).

    parent: members of this group are members of that one, too. admin_level: 1, direct members manage the members of
    the groups below; 2, the group may hold sensitive assets; 3, both. access_level: the highest level that members
    see. permissions: what members may do with the group's assets, also without a role. external_names: values of
    an identity provider's groups claim that mean this group.
    """

    id: str
    name: str
    description: str = ""
    parent: str | None = None
    admin_level: int = 0
    access_level: AccessLevel = AccessLevel.INTERNAL
    permissions: tuple[str, ...] = ()
    external_names: tuple[str, ...] = ()

    def to_json(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "description": self.description,
            "parent": self.parent,
            "adminLevel": self.admin_level,
            "dataAccessLevel": self.access_level.word,
            "permissions": list(self.permissions),
            "externalNames": list(self.external_names),
        }


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token of which only the MAC is known. calls: how many calls it is good for, None for uncounted."""

    id: str
    user_id: str
    mac: bytes
    label: str
    kind: str  # "login" | "api_key" | "session"
    expires_at: datetime
    scopes: frozenset[str] | None = None
    calls: int | None = None
