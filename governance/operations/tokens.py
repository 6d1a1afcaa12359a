"""Tokens: issuing them narrower than their user, and revoking them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from governance.access.permissions import expanded
from governance.errors import Forbidden, InvalidInput, NotFound
from governance.models import checked_text
from governance.operations.calls import Call
from governance.people import NewToken
from governance.ports import UnitOfWork

LOGIN, API_KEY, SESSION = "login", "api_key", "session"
MOST_CALLS = 10**12
MOST_SCOPES = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """scopes: patterns of permissions, None for all of the user's. calls: None for uncounted."""

    label: str
    life: timedelta
    kind: str = LOGIN
    scopes: Sequence[str] | None = None
    calls: int | None = None


def issue_token(uow: UnitOfWork, call: Call, *, user_id: str, mac: bytes, wanted: Wanted) -> NewToken:
    """Issue a token of which only the MAC is stored. Raises InvalidInput, Forbidden, NotFound.

    A token that was made by a token is never good for more than that one: not in scopes, and counted if that is.
    """
    maker = call.principal  # None: the platform makes one for its administrator
    if not timedelta(0) < wanted.life <= timedelta(days=3650):
        raise InvalidInput("A token lives up to ten years.", details={"field": "expiresInDays"})
    if wanted.calls is not None and not 1 <= wanted.calls <= MOST_CALLS:
        raise InvalidInput("A token is good for at least one call.", details={"field": "calls"})
    scopes = _scopes(wanted.scopes)
    if maker is not None and maker.scopes is not None:
        allowed = expanded(maker.scopes)
        if scopes is None or not expanded(scopes) <= allowed:
            raise Forbidden("A token cannot make one that may do more than itself.")
    if maker is not None and maker.calls_remaining is not None and wanted.calls is None:
        raise Forbidden("A token whose calls are counted cannot make one whose calls are not.")
    with uow:
        if maker is not None:
            _check_owner(uow, call, user_id)
        token = NewToken(
            id=call.new_id(),
            user_id=user_id,
            mac=mac,
            label=checked_text("label", wanted.label, limit=100),
            kind=wanted.kind,
            expires_at=call.at + wanted.life,
            scopes=scopes,
            calls=wanted.calls,
        )
        uow.people.add_token(token, call.at)
        uow.audit(
            call.event(
                "token:issued",
                "user",
                user_id,
                tokenId=token.id,
                label=token.label,
                tokenKind=token.kind,
                scopes=sorted(scopes) if scopes is not None else None,
                calls=token.calls,
                expiresAt=token.expires_at.isoformat(),
            )
        )
        uow.commit()
    return token


def revoke_token(uow: UnitOfWork, call: Call, token_id: str) -> None:
    """Revoke one's own token, that of a service account of one's own, or as an administrator anybody's.

    Takes effect with the next call in every process. Raises NotFound.
    """
    person = call.person
    with uow:
        holder = uow.people.token_holder(token_id)
        if holder is None or not (holder == person.id or uow.people.owner_of(holder) == person.id or person.is_admin):
            raise NotFound("token", token_id)
        call.may("self:manage", "Revoking a token")
        if holder != person.id and uow.people.owner_of(holder) != person.id:
            call.may("user:update", "Revoking somebody else's token")  # a token of theirs may be narrower
        if not uow.people.revoke_token(token_id, call.at):
            raise NotFound("token", token_id)
        uow.audit(call.event("token:revoked", "user", holder, tokenId=token_id))
        uow.commit()


def _check_owner(uow: UnitOfWork, call: Call, user_id: str) -> None:
    """One's own tokens, those of one's own service accounts; administrators those of any service account."""
    maker = call.person
    if maker.id == user_id:
        call.may("self:manage", "Making a token")
        return
    owner = uow.people.owner_of(user_id)
    if owner is not None and (owner == maker.id or maker.is_admin):
        call.may("self:manage", "Making a token")
        return
    raise NotFound("service account", user_id)


def _scopes(patterns: Sequence[str] | None) -> frozenset[str] | None:
    if patterns is None:
        return None
    if not patterns or len(patterns) > MOST_SCOPES:
        raise InvalidInput(f"scopes has between 1 and {MOST_SCOPES} entries.", details={"field": "scopes"})
    expanded(patterns)  # each stands for something
    return frozenset(patterns)
