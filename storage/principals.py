"""The caller from a row of `users`. Both drivers read it: operations by SQLAlchemy, the API's hot path by psycopg."""

from __future__ import annotations

from typing import Any

from governance.access.principal import Principal
from governance.access.roles import PackagePermission, Role
from governance.access.rules import AccessLevel


def principal_of(row: Any) -> Principal:
    """`row` has the columns of `users` as attributes; ids as text or UUID."""
    return Principal(
        id=str(row.id),
        name=row.name,
        kind=row.kind,
        owner_id=str(row.owner_id) if row.owner_id is not None else None,
        roles=frozenset(map(Role, row.roles)),
        groups=tuple(row.groups),
        package_permissions=frozenset(map(PackagePermission, row.package_permissions)),
        every_group=frozenset(row.every_group),
        senior_groups=frozenset(row.senior_groups),
        group_permissions={group: tuple(granted) for group, granted in row.group_permissions.items()},
        level=AccessLevel(row.access_level),
        clearance=row.clearance_level,
        workspace=row.workspace,
        department=row.department,
        project=row.project,
        epoch=row.access_epoch,
    )
