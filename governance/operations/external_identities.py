"""Signing in somebody whom an identity provider vouches for.

A pair of issuer and subject belongs to one user for good (OpenID Connect Core 1.0, 5.7: nothing else identifies).
Whoever is seen for the first time becomes a new user without privileges. An account that exists already is never
taken over, whatever name or address the provider states. Memberships that came from the provider follow its newest
word, as far as a group of ours says that the word means it; those that were given here stay as they are.
"""

from __future__ import annotations

from datetime import timedelta

from governance.errors import AuthenticationFailed
from governance.external_identity import ExternalIdentity, KnownIdentity
from governance.operations.calls import Call
from governance.people import User
from governance.ports import UnitOfWork

SEEN_EVERY = timedelta(minutes=1)
"""How exact `last_seen_at` is; a service that calls often does not write with every call."""


def sign_in_external(uow: UnitOfWork, call: Call, identity: ExternalIdentity) -> User:
    """The user of this identity, provisioned if need be, with the memberships that the provider states.

    One transaction; writes nothing when there is nothing new. Raises AuthenticationFailed for an inactive user,
    Duplicate when two new people wish for one name at the same moment (repeating helps).
    """
    with uow:
        known = uow.external_identities.claim(identity.issuer, identity.subject)
        if known is None:
            user = _provision(uow, call, identity)
            uow.commit()
            return user
        user = uow.people.get(known.user_id)
        if not user.active:
            raise AuthenticationFailed("This account is not active.")
        if identity.issued_at >= known.issued_at:
            user = _follow(uow, call, identity, known, user)
        uow.commit()
    return user


def _provision(uow: UnitOfWork, call: Call, identity: ExternalIdentity) -> User:
    name = identity.wished_name
    if uow.people.named(name) is not None:
        name = identity.distinct_name
    user = User(call.new_id(), name, roles=frozenset(), kind=identity.kind)
    uow.people.add(user, call.at)
    uow.groups.follow_claims(user.id, identity.groups, call.at)
    known = KnownIdentity(user.id, _stated(identity), identity.issued_at, call.at)
    uow.external_identities.add(identity.issuer, identity.subject, known)
    user = uow.people.get(user.id)
    after = {"name": name, "kind": user.kind, **user.access_json()}
    uow.audit(
        call.event("user:provisioned", "user", user.id, after=after, issuer=identity.issuer, subject=identity.subject)
    )
    return user


def _follow(uow: UnitOfWork, call: Call, identity: ExternalIdentity, known: KnownIdentity, user: User) -> User:
    """Replace what the provider said before by what it says now. Our own mapping may have changed, too."""
    stated = _stated(identity)
    if stated == known.claims and call.at - known.last_seen_at < SEEN_EVERY:
        return user
    uow.external_identities.replace(
        identity.issuer, identity.subject, KnownIdentity(user.id, stated, identity.issued_at, call.at)
    )
    if not uow.groups.follow_claims(user.id, stated, call.at):
        return user
    after = uow.people.get(user.id)
    uow.audit(
        call.event(
            "user:groups:followed",
            "user",
            user.id,
            before={"groups": list(user.groups)},
            after={"groups": list(after.groups)},
            issuer=identity.issuer,
        )
    )
    return after


def _stated(identity: ExternalIdentity) -> tuple[str, ...]:
    return tuple(sorted(set(identity.groups)))
