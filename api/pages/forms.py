"""What a form may bring, where it may lead, and the token without which it counts for nothing."""

from __future__ import annotations

import hmac
import re
import secrets
from urllib.parse import parse_qsl, unquote, urlsplit

from fastapi import Request

from governance.errors import Forbidden, InvalidInput
from storage.composition import Platform

FORM_COOKIE = "__Host-gatehouse-form"
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
_FIELDS = 10
_LONGEST_PATH = 2000


async def fields(request: Request) -> dict[str, str]:
    """The fields of a form, each once. Raises InvalidInput."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise InvalidInput("This address takes a form.")
    try:
        body = (await request.body()).decode("ascii")
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:  # UnicodeError is one
        raise InvalidInput("This form cannot be read.") from None
    if len(found := dict(pairs)) != len(pairs):
        raise InvalidInput("A field of this form is there twice.")
    return found


def form_token(request: Request, bound_to: str) -> str:
    """What a form carries to prove that we made it for this browser; `bound_to` is a secret that its cookie holds."""
    platform: Platform = request.app.state.platform
    return hmac.digest(platform.token_key, b"form:" + bound_to.encode("utf-8", "surrogatepass"), "sha256").hex()


def check_form_token(request: Request, bound_to: str | None, given: str) -> None:
    """Raises Forbidden."""
    expected = form_token(request, bound_to or secrets.token_hex())
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass")):
        raise Forbidden("This form is too old or was not made for this browser. Go back, reload the page, try again.")


def form_secret(request: Request) -> str | None:
    """What ties forms to this browser before anybody has signed in."""
    value = request.cookies.get(FORM_COOKIE, "")
    return value if _COOKIE.fullmatch(value) else None


def new_form_secret() -> str:
    return secrets.token_urlsafe(32)


def local_path(wanted: str) -> str:
    """`wanted` if it is a plain path of ours, "/" otherwise.

    Browsers read `//host`, `/\\host` and `/<tab>/host` as another machine, and some proxies decode before they look;
    so nothing that could be read that way passes, in any spelling.
    """
    spelled = unquote(unquote(wanted))
    for text in (wanted, spelled):
        if not text.startswith("/") or "//" in text.partition("?")[0] or "\\" in text:
            return "/"
        if len(text) > _LONGEST_PATH or not text.isprintable():
            return "/"
    if not wanted.isascii() or " " in wanted:
        return "/"
    parts = urlsplit(wanted)
    if parts.scheme or parts.netloc or parts.path in ("/sign-in", "/sign-out"):
        return "/"
    return wanted
