"""Who is calling the dashboard: the person whose browser session it is, and what that person may do here."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from api.dashboard.allowed import Rank
from governance.people import Principal, Role
from storage.credentials import token_mac
from storage.queries import people

COOKIE = "__Host-gatehouse-session"

_LONGEST = 512  # characters; a token has 47


async def session_principal(connection: HTTPConnection) -> Principal | None:
    """None without a session, and when it has expired or was revoked. An Authorization header counts for nothing."""
    value = connection.cookies.get(COOKIE, "")
    if not value or len(value) > _LONGEST:
        return None
    state = connection.app.state
    return await people.principal(state.pool, token_mac(value, state.platform.token_key))


def dashboard_role(principal: Principal) -> Rank | None:
    """None: not let in. Runs cannot be hidden by group in Prefect, so whoever is let in sees all of them."""
    return {Role.APPROVER: Rank.DECIDE, Role.ADMIN: Rank.ADMINISTER}.get(principal.role)
