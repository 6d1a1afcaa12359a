"""Users, service accounts and what they may do. Secrets come in hashed and never go into the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from governance.access.principal import PERSON, SERVICE
from governance.access.roles import Role, checked_package_permissions, checked_roles
from governance.access.rules import checked_clearance, checked_place
from governance.errors import Conflict, Forbidden, InvalidInput, NotFound
from governance.models import checked_name
from governance.operations.calls import Call
from governance.people import Attributes, User
from governance.ports import UnitOfWork
from governance.time_zones import checked_zone

MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class NewUser:
    """`owner`: the name of the person behind a service account. permissions: those of the package registry."""

    name: str
    roles: Sequence[str] = ()
    groups: Sequence[str] = ()
    password_hash: str | None = None
    kind: str = PERSON
    owner: str | None = None
    permissions: Sequence[str] = ()
    attributes: Mapping[str, Any] | None = None


def create_user(uow: UnitOfWork, call: Call, new: NewUser) -> str:
    """The id of the user. Raises Duplicate, InvalidInput, Forbidden.

    The package permission `admin` is the role `catalog_admin` by its other name.
    """
    if call.principal is not None:  # the platform itself creates the first administrator
        call.may("user:create", "Creating a user")
    package_permissions, package_admin = checked_package_permissions(new.permissions)
    roles = checked_roles(new.roles) | ({Role.CATALOG_ADMIN} if package_admin else set())
    if new.kind not in (PERSON, SERVICE):
        raise InvalidInput("kind is 'person' or 'service'.", details={"field": "kind"})
    if (new.kind == SERVICE) != (new.owner is not None):
        raise InvalidInput("A service account names its owner, a person has none.", details={"field": "owner"})
    user = User(
        id=call.new_id(),
        name=checked_name("name", new.name),
        roles=frozenset(roles),
        groups=_groups(new.groups),
        password_hash=new.password_hash,
        kind=new.kind,
        package_permissions=package_permissions,
        attributes=_attributes(new.attributes or {}),
    )
    with uow:
        if call.principal is not None and (known := call.repeated(uow)):
            return known
        if new.owner is not None:
            user = replace(user, owner_id=_owner(uow, new.owner).id)
        uow.people.add(user, call.at)
        uow.groups.set_local_memberships(user.id, user.groups, call.principal.id if call.principal else None, call.at)
        if call.principal is not None:
            call.remember(uow, user.id)
        after = {"name": user.name, "kind": user.kind, "ownerId": user.owner_id, **user.access_json()}
        uow.audit(call.event("user:created", "user", user.id, after=after))
        uow.commit()
    return user.id


@dataclass(frozen=True, slots=True)
class Access:
    """What `change_access` sets; None leaves a part as it is."""

    roles: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    active: bool | None = None
    permissions: Sequence[str] | None = None
    attributes: Mapping[str, Any] | None = None


def change_access(uow: UnitOfWork, call: Call, user_id: str, wanted: Access) -> User:
    """Change what somebody may do, from the next call on and for decisions that are not settled yet.

    Raises NotFound (also for a deleted user), InvalidInput, Forbidden, Conflict for the last administrator.
    """
    person = call.may("user:update", "Changing access")
    groups = _groups(wanted.groups) if wanted.groups is not None else None
    with uow:
        before = _present(uow, user_id)
        roles = checked_roles(wanted.roles) if wanted.roles is not None else before.roles
        package_permissions = before.package_permissions
        if wanted.permissions is not None:
            package_permissions, package_admin = checked_package_permissions(wanted.permissions)
            roles = roles | {Role.CATALOG_ADMIN} if package_admin else roles - {Role.CATALOG_ADMIN}
        after = replace(
            before,
            roles=frozenset(roles),
            active=before.active if wanted.active is None else wanted.active,
            package_permissions=package_permissions,
            attributes=_attributes({**before.attributes.to_json(), **(wanted.attributes or {})}),
        )
        if person.id == user_id and (Role.CATALOG_ADMIN not in after.roles or not after.active):
            raise InvalidInput("Administrators cannot take their own role; another one has to.")
        if not after.active or Role.CATALOG_ADMIN not in after.roles:
            _keep_an_administrator(uow, before)
        uow.people.set_access(after)
        if groups is not None:
            uow.groups.set_local_memberships(user_id, groups, person.id, call.at)
        after = uow.people.get(user_id)
        uow.audit(
            call.event("user:access:changed", "user", user_id, before=before.access_json(), after=after.access_json())
        )
        uow.commit()
    return after


def delete_user(uow: UnitOfWork, call: Call, user_id: str) -> None:
    """Close an account for ever: tokens and memberships go, the name is never given again, the record stays.

    People delete themselves and their service accounts; administrators anyone but the last of themselves.
    Raises NotFound, Forbidden, Conflict.
    """
    person = call.person
    with uow:
        own = person.id == user_id
        if own or uow.people.owner_of(user_id) == person.id:
            call.may("self:manage", "Deleting an account")
        else:
            _may_delete(call, user_id)
        before = _present(uow, user_id)
        _keep_an_administrator(uow, before)
        uow.people.delete(user_id, call.at)
        uow.audit(call.event("user:deleted", "user", user_id, before={"name": before.name, **before.access_json()}))
        uow.commit()


def _may_delete(call: Call, user_id: str) -> None:
    """Whoever may not see users is not told whether there is one of that id."""
    try:
        call.may("user:delete", "Deleting a user")
    except Forbidden:
        call.may("user:read", "Deleting a user")
        raise


def _keep_an_administrator(uow: UnitOfWork, leaving: User) -> None:
    """Raises Conflict when nobody could administer any more without this user."""
    administers = leaving.kind == PERSON and Role.CATALOG_ADMIN in leaving.roles
    if administers and not uow.people.has_other_admin(leaving.id):
        raise Conflict("This is the only administrator; make another one first.")


def _present(uow: UnitOfWork, user_id: str) -> User:
    if uow.people.is_deleted(user_id):
        raise NotFound("user", user_id)
    return uow.people.lock(user_id)


def _owner(uow: UnitOfWork, name: str) -> User:
    owner = uow.people.named(name)
    if owner is None or owner.kind != PERSON or not owner.active:
        raise InvalidInput(f"There is no person {name[:200]!r}.", details={"field": "owner"})
    return owner


def _groups(groups: Sequence[str]) -> tuple[str, ...]:
    if len(groups) > MOST_GROUPS:
        raise InvalidInput(f"A user is in at most {MOST_GROUPS} groups.", details={"field": "groups"})
    return tuple(dict.fromkeys(checked_name("groups", group) for group in groups))


def _attributes(asked: Mapping[str, Any]) -> Attributes:
    return Attributes(
        clearance_level=checked_clearance(asked),
        workspace=checked_place("workspace", asked.get("workspace")),
        department=checked_place("department", asked.get("department")),
        project=checked_place("project", asked.get("project")),
    )


def set_time_zone(uow: UnitOfWork, call: Call, zone: str) -> None:
    """In whose words the caller is told when something ends. Raises InvalidInput for no zone of the IANA database."""
    person = call.may("self:manage", "Choosing a time zone")
    zone = checked_zone(zone)
    with uow:
        before = uow.people.set_time_zone(person.id, zone)
        if before != zone:
            uow.audit(
                call.event(
                    "user:time-zone:changed", "user", person.id, before={"timeZone": before}, after={"timeZone": zone}
                )
            )
            uow.commit()
