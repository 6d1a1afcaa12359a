"""From a name and a password to a token. Several faces of the interface do it the same way."""

from __future__ import annotations

from datetime import timedelta

from governance.access.principal import Principal
from governance.errors import AuthenticationFailed
from governance.operations import tokens
from governance.operations.calls import Call
from governance.operations.tokens import Wanted
from governance.people import NewToken
from storage.composition import Platform, new_id, now
from storage.credentials import new_token, password_matches, token_mac


def authenticated(platform: Platform, username: str, password: str) -> Principal:
    """Raises AuthenticationFailed, alike and after the same time for whatever is wrong."""
    with platform.new_unit() as uow:
        user = uow.people.named(username) if "\x00" not in username else None
        matches = password_matches(password, user.password_hash if user else None)
        if not matches or user is None or not user.active:
            raise AuthenticationFailed("Name or password is wrong.")
        return uow.people.principal(user.id)


def issue(platform: Platform, by: Principal, user_id: str, wanted: Wanted, correlation: str) -> tuple[str, NewToken]:
    """(the token, what is known about it). The token is shown once and not stored."""
    token = new_token()
    made = tokens.issue_token(
        platform.new_unit(),
        Call(by, now(), new_id, correlation),
        user_id=user_id,
        mac=token_mac(token, platform.token_key),
        wanted=wanted,
    )
    return token, made


def login_token(platform: Platform, by: Principal, label: str, correlation: str) -> tuple[str, NewToken]:
    settings = platform.settings
    wanted = Wanted(label, timedelta(days=settings.token_days), calls=settings.token_calls or None)
    return issue(platform, by, by.id, wanted, correlation)


def token_read(token: str, made: NewToken) -> dict[str, object]:
    return {
        "token": token,
        "tokenId": made.id,
        "expiresAt": made.expires_at.isoformat(),
        "tokenType": "Bearer",
        "callsRemaining": made.calls,
    }
