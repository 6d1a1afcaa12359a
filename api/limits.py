"""What is refused before anything is looked at: headers beyond measure, and more calls than one address may make."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.addresses import client_address, networks
from api.envelope import failure
from api.rates import Exceeded, RateLimit
from governance.errors import RateLimited
from storage.settings import Settings

HEADER_BYTES = 32 * 1024  # names and values of all headers, and the address with its query
HEADER_COUNT = 100
EXEMPT = frozenset({"/health", "/ready"})  # who watches the platform is never refused


class RequestLimits:
    """Stands inside `CallContext`, so that refusals carry its headers. Leaves `state.address` for later counts."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._trusted = networks(settings.trusted_proxies)
        self._addresses = RateLimit(settings.rate_per_address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if problem := _headers_beyond(scope):
                answer = failure(Request(scope), 431, "HEADERS_TOO_LARGE", problem)
                await answer(scope, receive, send)
                return
            address = client_address(scope, self._trusted)
            scope["state"]["address"] = address
            exceeded = self._addresses.hit(address) if scope["path"] not in EXEMPT else None
            if exceeded is not None:
                answer = failure(
                    Request(scope),
                    429,
                    "RATE_LIMITED",
                    _sentence(exceeded, "address"),
                    details={"retryAfter": exceeded.retry_after},
                    retryable=True,
                    headers=exceeded.headers,
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class PrincipalLimit:
    """The same for whoever has signed in, wherever they call from."""

    def __init__(self, settings: Settings) -> None:
        self._rate = RateLimit(settings.rate_per_principal)

    def count(self, principal_id: str) -> None:
        """Raises RateLimited."""
        if exceeded := self._rate.hit(principal_id):
            raise RateLimited(_sentence(exceeded, "account"), details={"retryAfter": exceeded.retry_after})


def _sentence(exceeded: Exceeded, whose: str) -> str:
    return f"At most {exceeded.limit:,} calls a minute come from one {whose}; wait {exceeded.retry_after} s."


def _headers_beyond(scope: Scope) -> str | None:
    headers = scope["headers"]
    if len(headers) > HEADER_COUNT:
        return f"A call may have at most {HEADER_COUNT} headers."
    size = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    for name, value in headers:
        size += len(name) + len(value)
    return f"Headers and address may have at most {HEADER_BYTES} bytes together." if size > HEADER_BYTES else None
