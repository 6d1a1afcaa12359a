"""Routes whose refusals are pages: whoever has to sign in is sent there, everybody else reads a sentence."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse

from api import errors
from api.pages.rendering import problem
from governance.errors import AuthenticationFailed, GovernanceError, InvalidInput


class PageRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def as_page(request: Request) -> Response:
            try:
                return await handle(request)
            except AuthenticationFailed:
                return RedirectResponse(_sign_in(request), 303)
            except RequestValidationError:
                return problem(request, 400, "This address holds something that cannot be understood.")
            except GovernanceError as error:
                answer = errors.answer(request, error)
                wait = {"Retry-After": value} if (value := answer.headers.get("retry-after")) else {}
                return problem(request, answer.status_code, _sentence(error), wait)

        return as_page


def _sign_in(request: Request) -> str:
    """With the way back, for pages that can be asked for again."""
    if request.method not in ("GET", "HEAD") or request.url.path == "/":
        return "/sign-in"
    query = f"?{request.url.query}" if request.url.query else ""
    return f"/sign-in?next={quote(request.url.path + query, safe='/')}"


def _sentence(error: GovernanceError) -> str:
    return error.message if not isinstance(error, InvalidInput) else f"{error.message} Nothing was changed."
