"""What the dashboard's pages and their readers are told. Shapes were measured on the v1 interface of Prefect 3.8.8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, RedirectResponse, Response

# 'unsafe-eval': the graph of a run is drawn by code that is made at run time. Everything else stays on this machine.
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


def told(status: int, message: str, **more: Any) -> Response:
    """An error whose sentence the pages show."""
    return JSONResponse({"detail": message, "exception_message": message, **more}, status, headers=HEADERS)


def unavailable(message: str) -> Response:
    answer = told(503, message, retryable=True)
    answer.headers["retry-after"] = "2"
    return answer


def not_resumed(reason: str) -> Response:
    """A resume that did not happen: the form stays, with what was typed, and shows the reason.

    Only for resuming: to the same answer about a changed state the pages say that it was changed.
    """
    details = {"type": "reject_details", "reason": reason}
    return JSONResponse({"state": None, "status": "REJECT", "details": details}, 200, headers=HEADERS)


def resumed(state: Mapping[str, Any] | None) -> Response:
    details = {"type": "accept_details"}
    return JSONResponse({"state": state, "status": "ACCEPT", "details": details}, 201, headers=HEADERS)


def elsewhere(location: str) -> Response:
    return RedirectResponse(location, 303, headers=HEADERS)
