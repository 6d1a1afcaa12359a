"""Groups, their place in the hierarchy, and their members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from governance.access.permissions import GRANTABLE, expanded
from governance.access.rules import AccessLevel, access_level
from governance.errors import Forbidden, InvalidInput, NotFound
from governance.models import checked_name, checked_text
from governance.operations.calls import Call
from governance.people import Group
from governance.ports import UnitOfWork

MANAGES_BELOW, MANAGES_ITSELF = 1, 3  # admin levels
MOST_LEVELS = 10
MOST_PERMISSIONS = 100


@dataclass(frozen=True, slots=True)
class NewGroup:
    """What somebody wants a group to be; None leaves a part as it is, or as it is by default."""

    name: str
    description: str | None = None
    parent: str | None = None
    admin_level: int | None = None
    access_level: str | None = None
    permissions: Sequence[str] | None = None
    external_names: Sequence[str] | None = None


def create_group(uow: UnitOfWork, call: Call, new: NewGroup) -> str:
    """The id of the group. Raises Duplicate, InvalidInput, Forbidden."""
    if call.principal is not None:
        call.may("group:create", "Creating a group")
    group = _with(Group(call.new_id(), checked_name("name", new.name)), new)
    with uow:
        if call.principal is not None and (known := call.repeated(uow)):
            return known
        if group.parent is not None and len(_line(uow, group.parent)) >= MOST_LEVELS:
            raise InvalidInput(f"Groups nest at most {MOST_LEVELS} levels.", details={"field": "parent"})
        uow.groups.add(group, call.at)
        if call.principal is not None:
            call.remember(uow, group.id)
        uow.audit(call.event("group:created", "group", group.id, after=dict(group.to_json())))
        uow.commit()
    return group.id


def change_group(uow: UnitOfWork, call: Call, group_id: str, new: NewGroup) -> None:
    """Change a group; its name stays. Raises NotFound, InvalidInput, Forbidden."""
    call.may("group:update", "Changing a group")
    with uow:
        before = uow.groups.get(group_id)
        after = _with(before, replace(new, name=before.name))
        if after.parent is not None:
            line = _line(uow, after.parent)
            if before.name in line:
                raise InvalidInput("A group cannot be above itself.", details={"field": "parent"})
            if len(line) + uow.groups.height(before.name) > MOST_LEVELS:
                raise InvalidInput(f"Groups nest at most {MOST_LEVELS} levels.", details={"field": "parent"})
        uow.groups.change(after, call.at)
        uow.audit(
            call.event("group:changed", "group", group_id, before=dict(before.to_json()), after=dict(after.to_json()))
        )
        uow.commit()


def add_member(uow: UnitOfWork, call: Call, group_id: str, user: str) -> str:
    """Put a user, named by id or name, into a group; their id. Repeating it changes nothing.

    Raises NotFound, InvalidInput for an unknown user, Forbidden.
    """
    with uow:
        group = _managed(uow, call, group_id)
        member = uow.people.find(user)
        if member is None:
            raise InvalidInput(f"There is no user {user[:200]!r}.", details={"field": "userId"})
        if call.person.answers_as in (member.id, member.owner_id) and not call.person.is_admin:
            raise Forbidden("Nobody puts themselves into a group.")
        if uow.groups.add_member(group.id, member.id, call.person.id, call.at):
            uow.audit(call.event("group:member:added", "group", group.id, userId=member.id, group=group.name))
            uow.commit()
    return member.id


def remove_member(uow: UnitOfWork, call: Call, group_id: str, user_id: str) -> None:
    """Take a user out of a group, however they came into it. Raises NotFound, Forbidden."""
    with uow:
        group = _managed(uow, call, group_id)
        if not uow.groups.remove_member(group.id, user_id):
            raise NotFound("member", user_id)
        uow.audit(call.event("group:member:removed", "group", group.id, userId=user_id, group=group.name))
        uow.commit()


def _managed(uow: UnitOfWork, call: Call, group_id: str) -> Group:
    """The group, if the caller may change who is in it: administrators, or direct members of a group of admin level
    1 above it, or of admin level 3 itself. Nobody manages a group of a higher admin level than their own.
    """
    person = call.may("group:read", "Managing a group")
    group = uow.groups.get(group_id)
    if person.is_admin and not person.narrowed:
        call.may("group:update", "Managing members")
        return group
    own = [name for name in _line(uow, group.name) if name in person.groups and name in person.acting_groups]
    managers = [manager for name in own if (manager := uow.groups.named(name)) is not None]
    above = [manager for manager in managers if manager.name != group.name and manager.admin_level >= MANAGES_BELOW]
    if group.name not in person.acting_groups and not above:  # as lists of groups have it
        raise NotFound("group", group_id)
    if person.scopes is not None and "group:update" not in expanded(person.scopes):
        raise Forbidden("The token was made for less than this.", details={"permission": "group:update"})
    for manager in managers:
        needed = MANAGES_ITSELF if manager.name == group.name else MANAGES_BELOW
        if manager.admin_level >= max(needed, group.admin_level):
            return group
    raise Forbidden(
        f"Managing the members of {group.name} takes an administrator, or a direct member of a group above it with "
        "an admin level of its own.",
        details={"permission": "group:update"},
    )


def _line(uow: UnitOfWork, name: str) -> tuple[str, ...]:
    """The group and those above it. Raises InvalidInput when there is no such group."""
    line = uow.groups.line(name)
    if not line:
        raise InvalidInput(f"There is no group {name!r}.", details={"field": "parent"})
    return line


def _with(group: Group, new: NewGroup) -> Group:
    if new.admin_level is not None and not 0 <= new.admin_level <= MANAGES_ITSELF:
        raise InvalidInput("adminLevel is between 0 and 3.", details={"field": "adminLevel"})
    permissions = group.permissions if new.permissions is None else _permissions(new.permissions)
    names = group.external_names if new.external_names is None else _external_names(new.external_names)
    return replace(
        group,
        description=group.description if new.description is None else checked_text("description", new.description),
        parent=group.parent if new.parent is None else (checked_name("parent", new.parent) if new.parent else None),
        admin_level=group.admin_level if new.admin_level is None else new.admin_level,
        access_level=group.access_level if new.access_level is None else AccessLevel(access_level(new.access_level)),
        permissions=permissions,
        external_names=names,
    )


def _permissions(patterns: Sequence[str]) -> tuple[str, ...]:
    """Raises InvalidInput for what a group cannot give: deciding, production, people, the dashboard."""
    if len(patterns) > MOST_PERMISSIONS:
        raise InvalidInput(f"permissions has at most {MOST_PERMISSIONS} entries.", details={"field": "permissions"})
    beyond = expanded(patterns) - GRANTABLE
    if beyond:
        raise InvalidInput(
            "A group cannot give these; they come with a role.",
            details={"field": "permissions", "beyond": sorted(beyond)},
        )
    return tuple(sorted(set(patterns)))


def _external_names(names: Sequence[str]) -> tuple[str, ...]:
    cleaned = {checked_text("externalNames", name, limit=500).strip() for name in names}
    if len(cleaned) > MOST_PERMISSIONS or "" in cleaned:
        raise InvalidInput("externalNames has at most 100 entries, none empty.", details={"field": "externalNames"})
    return tuple(sorted(cleaned))


def check_exist(uow: UnitOfWork, field: str, names: Sequence[str]) -> None:
    """Raises InvalidInput that names the first group that does not exist."""
    unknown = uow.groups.unknown(names)
    if unknown:
        raise InvalidInput(f"There is no group {unknown[0]!r}.", details={"field": field, "unknown": list(unknown)})
