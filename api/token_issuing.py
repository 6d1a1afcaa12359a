"""A bearer token for somebody who has just proved who they are."""

from __future__ import annotations

from datetime import timedelta

from governance.operations import people
from governance.operations.calls import Call
from governance.people import Principal, User
from storage.composition import Platform, new_id, now
from storage.credentials import new_token, token_mac


def issue(platform: Platform, user: User, *, label: str, life: timedelta, correlation: str) -> dict[str, str]:
    """The data of a TokenRead."""
    token = new_token()
    principal = Principal(user.id, user.name, user.role, user.groups)
    token_id, expires_at = people.issue_token(
        platform.new_unit(),
        Call(principal, now(), new_id, correlation),
        user_id=user.id,
        mac=token_mac(token, platform.token_key),
        label=label,
        life=life,
    )
    return {"token": token, "tokenId": token_id, "expiresAt": expires_at, "tokenType": "Bearer"}
