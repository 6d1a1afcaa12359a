"""Users, their roles and tokens. Secrets come in hashed and never go into the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from governance.errors import InvalidInput, NotFound
from governance.models import checked_name
from governance.operations.calls import Call
from governance.people import Role, User
from governance.ports import UnitOfWork

ADMINS = frozenset({Role.ADMIN})


def create_user(
    uow: UnitOfWork, call: Call, *, name: str, role: str, groups: Sequence[str], password_hash: str | None
) -> str:
    """The id of the user. Raises Duplicate, InvalidInput, Forbidden."""
    if call.principal is not None:  # the platform itself creates the first administrator
        call.requires(ADMINS, "Creating a user")
    user = User(call.new_id(), checked_name("name", name), _role(role), _groups(groups), password_hash, active=True)
    with uow:
        if call.principal is not None and (known := call.repeated(uow)):
            return known
        uow.people.add(user, call.at)
        if call.principal is not None:
            call.remember(uow, user.id)
        after = {"name": user.name, "role": user.role.value, "groups": list(user.groups)}
        uow.audit(call.event("user:created", "user", user.id, after=after))
        uow.commit()
    return user.id


def change_access(uow: UnitOfWork, call: Call, user_id: str, *, role: str, groups: Sequence[str], active: bool) -> None:
    """Replace role, groups and activity. Takes effect on approvals that are not settled yet."""
    person = call.requires(ADMINS, "Changing access")
    wanted, in_groups = _role(role), _groups(groups)
    if person.id == user_id and (wanted is not Role.ADMIN or not active):
        raise InvalidInput("Administrators cannot take their own role; another one has to.")
    with uow:
        before = uow.people.get(user_id)
        uow.people.set_access(user_id, role=wanted, groups=in_groups, active=active)
        uow.audit(
            call.event(
                "user:access:changed",
                "user",
                user_id,
                before={"role": before.role.value, "groups": list(before.groups), "active": before.active},
                after={"role": wanted.value, "groups": list(in_groups), "active": active},
            )
        )
        uow.commit()


def issue_token(
    uow: UnitOfWork, call: Call, *, user_id: str, mac: bytes, label: str, life: timedelta
) -> tuple[str, str]:
    """(id, expiry as ISO time) of a token of which only the MAC is stored."""
    expires_at = call.at + life
    token_id = call.new_id()
    with uow:
        uow.people.add_token(token_id, user_id, mac, label, call.at, expires_at)
        uow.audit(
            call.event("token:issued", "user", user_id, tokenId=token_id, label=label, expiresAt=expires_at.isoformat())
        )
        uow.commit()
    return token_id, expires_at.isoformat()


def revoke_token(uow: UnitOfWork, call: Call, token_id: str) -> None:
    """Revoke one's own token. Raises NotFound."""
    person = call.person
    with uow:
        if not uow.people.revoke_token(token_id, person.id, call.at):
            raise NotFound("token", token_id)
        uow.audit(call.event("token:revoked", "user", person.id, tokenId=token_id))
        uow.commit()


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise InvalidInput(f"role is one of {', '.join(Role)}.", details={"field": "role"}) from None


def _groups(groups: Sequence[str]) -> tuple[str, ...]:
    if len(groups) > 50:
        raise InvalidInput("A user is in at most 50 groups.", details={"field": "groups"})
    return tuple(dict.fromkeys(checked_name("groups", group) for group in groups))
