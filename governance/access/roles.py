"""Roles and package permissions. What a role permits stands in `policies/roles.cedar`; here it is read from there."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from governance.errors import InvalidInput


class Role(StrEnum):
    """The six roles of the catalog (Authentication & Authorization), and who decides about requests."""

    CATALOG_ADMIN = "catalog_admin"
    DATA_SCIENTIST = "data_scientist"
    ML_ENGINEER = "ml_engineer"
    MARKETPLACE_USER = "marketplace_user"
    AUDITOR = "auditor"
    VIEWER = "viewer"
    APPROVER = "approver"
    VALIDATOR = "validator"  # independent model validation: an approver whose voice the highest tier asks for


class PackagePermission(StrEnum):
    """The package registry's permissions (Permission System). Its fourth, `admin`, is the role `catalog_admin`."""

    SEARCH = "search"
    DOWNLOAD = "download"
    UPLOAD = "upload"


PACKAGE_ADMIN = "admin"

# Whose decisions count, provided that they still have the role when the request is settled.
REVIEWERS = frozenset({Role.APPROVER, Role.VALIDATOR, Role.CATALOG_ADMIN})


def checked_roles(names: Iterable[str]) -> frozenset[Role]:
    """Raises InvalidInput for a role that does not exist."""
    try:
        return frozenset(Role(name) for name in names)
    except ValueError:
        raise InvalidInput(f"roles are among {', '.join(Role)}.", details={"field": "roles"}) from None


def checked_package_permissions(names: Iterable[str]) -> tuple[frozenset[PackagePermission], bool]:
    """(permissions, whether `admin` was among them). Raises InvalidInput for one that does not exist."""
    wanted = set(names)
    try:
        found = frozenset(PackagePermission(name) for name in wanted - {PACKAGE_ADMIN})
    except ValueError:
        known = ", ".join([*PackagePermission, PACKAGE_ADMIN])
        raise InvalidInput(f"permissions are among {known}.", details={"field": "permissions"}) from None
    return found, PACKAGE_ADMIN in wanted
