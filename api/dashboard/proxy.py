"""One request to the dashboard: who is it, may they, and then pass it on, or answer ourselves.

    an address that is not spelled our way      403
    no session                                  401 for programs and scripts, the sign-in page for a browser
    neither approver nor administrator          403; the page of a run leads to our own page of its request
    a change that comes from another site       403
    not in the table (`allowed.TABLE`)          403
    the Prefect server does not answer          503

Everything but the sign-in and the last one is audited. A websocket is refused always: the pages open none.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, urlsplit

import orjson
from fastapi.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.dashboard import answers, resuming
from api.dashboard.allowed import RESUME, Rank, Refused, Row, body_fits, judge
from api.dashboard.paths import PREFIX, Address, canonical, shown
from api.dashboard.refusals import Refusals
from api.dashboard.session import dashboard_role, session_principal
from api.dashboard.upstream import Upstream, UpstreamGone
from api.pages.rendering import problem
from governance.access.principal import Principal
from governance.errors import DependencyUnavailable, GovernanceError
from governance.operations.refusals import Attempt
from storage.composition import Platform

BODY_LIMIT = 256 * 1024  # bytes; the largest that the pages send is a filter

_ASSET = re.compile(r"/dashboard/(?:assets/[A-Za-z0-9._-]+|(?:ico/)?[A-Za-z0-9_-]+\.(?:svg|png|ico|webmanifest|json))")
_RUN_PAGE = re.compile(r"/dashboard/runs/flow-run/([0-9a-f-]{36})/?")
_WATCH = b'<script src="/dashboard/session.js"></script></head>'
_SAFE = ("GET", "HEAD")


class Dashboard:
    """An ASGI application to be mounted at `/dashboard`."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._upstream = Upstream(platform.settings)
        self._refusals = Refusals(platform)
        self.entrance = Route("/dashboard", _enter, include_in_schema=False)

    def open(self) -> None:
        self._upstream.open()

    async def close(self) -> None:
        await self._refusals.close()
        await self._upstream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._refuse_socket(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.body_limit = BODY_LIMIT
        try:
            answer = await self._answer(request)
        except UpstreamGone:
            answer = _gone(request)
        await answer(scope, receive, send)

    # ------------------------------------------------------------------ who, and may they

    async def _answer(self, request: Request) -> Response:
        address = canonical(_raw_path(request.scope), request.scope["query_string"])
        principal = await session_principal(request)
        if address is None:
            return await self._refuse(request, principal, "This address is not spelled as it should be.")
        if request.method in _SAFE and _is_public(address.path):
            return await self._asset(request, address.path)
        if principal is None:
            return await self._no_session(request, address)
        request.state.principal = principal
        rank = dashboard_role(principal)
        if rank is None:
            return await self._not_let_in(request, address, principal)
        if request.method not in _SAFE and not _same_origin(request, self._platform.settings.api_url):
            return await self._refuse(request, principal, "A change that another site has asked for.")
        if address.api is None:
            return await self._page(request, address, principal)
        return await self._api(request, address, principal, rank)

    async def _no_session(self, request: Request, address: Address) -> Response:
        if _is_navigation(request):
            wanted = address.path + (f"?{address.query}" if address.query else "")
            return answers.elsewhere(f"/sign-in?next={quote(wanted, safe='/')}")
        await self._note(request, None, "Nobody is signed in.")
        return answers.told(401, "Your session has ended. Sign in again.")

    async def _not_let_in(self, request: Request, address: Address, principal: Principal) -> Response:
        """Runs of all groups stand side by side in Prefect; our own page shows this person what they may see."""
        if _is_navigation(request) and (run := _RUN_PAGE.fullmatch(address.path)):
            request_id = await run_in_threadpool(self._request_of, run[1])
            if request_id is not None:
                return answers.elsewhere(f"/runs/{request_id}")
        return await self._refuse(request, principal, "The dashboard is for approvers and administrators.")

    def _request_of(self, flow_run_id: str) -> str | None:
        with self._platform.new_unit() as uow:
            found = uow.requests.of_flow_run(flow_run_id)
        return found.id if found else None

    # ------------------------------------------------------------------ what is passed on

    async def _api(self, request: Request, address: Address, principal: Principal, rank: Rank) -> Response:
        if (request.method, address.api) == ("GET", "admin/settings"):
            return _settings()
        ruling = judge(rank, request.method, address)
        if isinstance(ruling, Refused):
            return await self._refuse(request, principal, ruling.reason)
        if ruling is RESUME:
            return await self._resume(request, address, principal)
        return await self._forward(request, address, principal, ruling)

    async def _forward(self, request: Request, address: Address, principal: Principal, row: Row) -> Response:
        body = await request.body() if request.method not in _SAFE else b""
        if not body_fits(row, body):
            return await self._refuse(request, principal, "What was sent is not what this address takes here.")
        target = f"/api/{address.api}" + (f"?{address.query}" if address.query else "")
        found = await self._upstream.ask(request.method, target, request.headers, body)
        if 300 <= found.status < 400 and found.status != 304:
            found.drop()
            return answers.told(404, "There is nothing at this address.")
        return StreamingResponse(found.stream(), found.status, headers=answers.HEADERS | found.headers)

    async def _resume(self, request: Request, address: Address, principal: Principal) -> Response:
        flow_run_id = (address.api or "").split("/")[1]
        body = await request.body()
        call = self._platform.call_by(principal, request.state.correlation_id)
        try:
            said = resuming.understood(body)
            decided = await run_in_threadpool(resuming.decide, self._platform, call, flow_run_id, said)
        except DependencyUnavailable as error:
            return answers.unavailable(error.message)
        except GovernanceError as refusal:
            await self._note(request, principal, f"{type(refusal).__name__}: {refusal.message}")
            return answers.not_resumed(refusal.message)
        try:
            if await run_in_threadpool(resuming.wake, self._platform, call, decided):
                run = await self._upstream.json(f"/api/flow_runs/{flow_run_id}")
                return answers.resumed(run.get("state") if run else None)
        except UpstreamGone:
            pass  # said below: what was decided stands
        return answers.not_resumed("Your decision is recorded. The run goes on by itself when its server is back.")

    # ------------------------------------------------------------------ pages and what belongs to them

    async def _page(self, request: Request, address: Address, principal: Principal) -> Response:
        if request.method not in _SAFE:
            return await self._refuse(request, principal, "Pages are only read.")
        if address.path == f"{PREFIX}/ui-settings":
            return await self._ui_settings()
        if address.path.startswith(f"{PREFIX}/v2"):
            return RedirectResponse(f"{PREFIX}/", 303, headers=answers.HEADERS)
        # All pages are one document, which finds out by itself what to show.
        found = await self._upstream.ask("GET", f"{PREFIX}/", {"accept": "text/html"})
        content = await found.read()
        if found.status != 200 or b"</head>" not in content:
            raise UpstreamGone
        return Response(content.replace(b"</head>", _WATCH, 1), headers=answers.HEADERS, media_type="text/html")

    async def _ui_settings(self) -> Response:
        """Prefect's own sign-in page and its other interface stay away."""
        found = await self._upstream.json(f"{PREFIX}/ui-settings")
        ours = {
            "api_url": f"{PREFIX}/api",
            "auth": None,
            "available_uis": ["v1"],
            "default_ui": "v1",
            "v1_base_url": PREFIX,
            "v2_base_url": None,
        }
        return Response(orjson.dumps({**(found or {}), **ours}), headers=answers.HEADERS, media_type="application/json")

    async def _asset(self, request: Request, path: str) -> Response:
        """Files of the interface, the same for everybody, and no secret: a page whose session ends needs them too."""
        if path == f"{PREFIX}/session.js":
            script = Path(__file__).with_name("session.js")
            return FileResponse(script, media_type="text/javascript", headers=answers.HEADERS)
        found = await self._upstream.ask("GET", path, request.headers)
        if "html" in found.headers.get("content-type", "") or found.status not in (200, 304):
            found.drop()  # an unknown file is answered by the document
            return answers.told(404, "There is nothing at this address.")
        kept = {"cache-control": "private, max-age=86400"} if path.startswith(f"{PREFIX}/assets/") else {}
        return StreamingResponse(found.stream(), found.status, headers=answers.HEADERS | found.headers | kept)

    # ------------------------------------------------------------------ refusing

    async def _refuse(self, request: Request, principal: Principal | None, reason: str) -> Response:
        await self._note(request, principal, reason)
        if _is_navigation(request):
            request.state.principal = principal
            return problem(request, 403, reason)
        return answers.told(403, reason)

    async def _note(self, request: Request, principal: Principal | None, reason: str) -> None:
        attempt = _attempt(request.scope, request.method, reason, anonymous=principal is None)
        await self._refusals.note(principal, attempt, request.state.correlation_id)

    async def _refuse_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = await session_principal(HTTPConnection(scope))
        attempt = _attempt(scope, "WEBSOCKET", "The pages open no websocket.", anonymous=principal is None)
        await self._refusals.note(principal, attempt, None)
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # before accepting: the client sees HTTP 403


async def _enter(request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/", 307, headers=answers.HEADERS)


def _raw_path(scope: Scope) -> bytes:
    return bytes(scope.get("raw_path") or b"").partition(b"?")[0]


def _attempt(scope: Scope, method: str, reason: str, *, anonymous: bool) -> Attempt:
    client = scope.get("client")
    return Attempt(method[:20], shown(_raw_path(scope)), reason, client[0] if client and anonymous else None)


def _is_public(path: str) -> bool:
    return path == f"{PREFIX}/session.js" or _ASSET.fullmatch(path) is not None


def _is_navigation(request: Request) -> bool:
    """A browser that opens a page, as opposed to a script or a program that calls."""
    return request.method == "GET" and (
        request.headers.get("sec-fetch-mode") == "navigate" or "text/html" in request.headers.get("accept", "")
    )


def _same_origin(request: Request, public_url: str) -> bool:
    """Whatever the browser says must agree, and it must say something (OWASP, CSRF prevention, verifying origin)."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    ours = {urlsplit(url)[:2] for url in (public_url, str(request.base_url))}
    said = [site == "same-origin"] if site is not None else []
    said += [urlsplit(origin)[:2] in ours] if origin is not None else []
    return bool(said) and all(said)


def _settings() -> Response:
    """The pages do without the server's settings, but not without an answer: they would lose their navigation."""
    return Response(
        orjson.dumps({"server": {"ui": {"show_promotional_content": False}}}),
        headers=answers.HEADERS,
        media_type="application/json",
    )


def _gone(request: Request) -> Response:
    message = "The workflow server does not answer at the moment. Nothing is lost; try again shortly."
    if _is_navigation(request):
        return problem(request, 503, message, {"Retry-After": "2"})
    return answers.unavailable(message)
