"""Templates to answers. Everything is escaped by default; nothing comes from another machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from api.pages.forms import form_token
from api.sessions import session_token
from governance.access.decisions import decide

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send forms with `Origin: null`
}
_templates = Environment(
    loader=PackageLoader("api.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """`values` are what the template names; the caller and the form's token are there for all."""
    token, caller = session_token(request), request.state.principal
    body = _templates.get_template(template).render(
        caller=caller,
        has_dashboard=caller is not None and decide(caller, "dashboard:use").allowed,
        sign_out_token=form_token(request, token) if token else None,
        **values,
    )
    return HTMLResponse(body, status, headers={**_HEADERS, **(headers or {})})


def problem(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """A page that says what went wrong, in a sentence."""
    title = {404: "Nothing here", 403: "Not allowed", 429: "Too many calls"}.get(status, HTTPStatus(status).phrase)
    return page(request, "problem.html", status=status, headers=headers, title=title, message=message)


def moment(text: str | None) -> Markup:
    """An ISO time as people write it, with the exact one beside it."""
    if not text:
        return Markup("–")
    at = datetime.fromisoformat(text)
    shown = f"{at.day} {at:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(text, text, shown)


def size(count: int) -> str:
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{count:,} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def words(name: str) -> str:
    """`approve_production` -> "approve production"."""
    return name.replace("_", " ")


_templates.filters.update(moment=moment, size=size, words=words)
