"""Who is calling the dashboard: the person whose browser session it is, and what that person may do here."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from api.credentials import IN_COOKIE
from api.dashboard.allowed import Rank
from api.sessions import SESSION_COOKIE
from governance.access.decisions import decide
from governance.access.principal import Principal
from storage.credentials import token_mac

_LONGEST = 512  # characters; a token has 47


async def session_principal(connection: HTTPConnection) -> Principal | None:
    """None without a session, and when it has expired or was revoked. An Authorization header counts for nothing."""
    value = connection.cookies.get(SESSION_COOKIE, "")
    if not value or len(value) > _LONGEST:
        return None
    state = connection.app.state
    found: Principal | None = await state.callers.find(
        state.pool, token_mac(value, state.platform.token_key), IN_COOKIE
    )
    return found


def dashboard_role(principal: Principal) -> Rank | None:
    """None: not let in. Runs cannot be hidden by group in Prefect, so whoever is let in sees all of them."""
    if not decide(principal, "dashboard:use").allowed:
        return None
    return Rank.ADMINISTER if principal.is_admin else Rank.DECIDE
