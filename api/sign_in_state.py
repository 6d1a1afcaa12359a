"""What a browser carries from the start of a sign-in at the provider to its end: a signed cookie.

The cookie binds `state` to this browser (RFC 9700, 4.7: nobody can slip their own sign-in into another's browser),
remembers where to go, and ends after ten minutes. Nonce and PKCE verifier are derived from the state with a key of
ours, so that the cookie holds neither. A second sign-in in the same browser replaces the first one's cookie.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from starlette.responses import Response

from governance.errors import InvalidInput

COOKIE = "__Host-gatehouse-sign-in"
SECONDS = 600
_LONGEST_PATH = 1000
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class SignInState:
    state: str
    next_path: str
    key: bytes

    @classmethod
    def begin(cls, token_key: bytes, next_path: str) -> SignInState:
        return cls(secrets.token_urlsafe(32), next_path, _derived(token_key, "state"))

    @property
    def nonce(self) -> str:
        return self._secret("nonce")

    @property
    def verifier(self) -> str:
        return self._secret("verifier")

    def _secret(self, purpose: str) -> str:
        return _text(hmac.digest(self.key, f"{purpose} {self.state}".encode(), "sha256"))

    def keep(self, response: Response) -> None:
        body = f"{self.state}.{int(time.time()) + SECONDS}.{_text(self.next_path.encode())}"
        value = f"{body}.{_text(hmac.digest(self.key, body.encode(), 'sha256'))}"
        response.set_cookie(COOKIE, value, max_age=SECONDS, path="/", secure=True, httponly=True, samesite="lax")


def ended(token_key: bytes, cookie: str | None, state: str | None) -> SignInState:
    """The sign-in that this browser began with this state. Raises InvalidInput."""
    key = _derived(token_key, "state")
    begun, _, mac = (cookie or "").rpartition(".")
    parts = begun.split(".")
    if len(parts) != 3 or not hmac.compare_digest(
        _text(hmac.digest(key, begun.encode("utf-8", "replace"), "sha256")).encode(), mac.encode("utf-8", "replace")
    ):
        raise _not_begun()
    known, expires, path = parts
    if not _STATE.fullmatch(state or "") or not hmac.compare_digest(known, state or "") or time.time() > int(expires):
        raise _not_begun()
    return SignInState(known, base64.urlsafe_b64decode(path + "=" * (-len(path) % 4)).decode(), key)


def forget(response: Response) -> None:
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def local_path(text: str | None) -> str:
    """A path of this server, "/" when none is named. Raises InvalidInput for anything that could lead elsewhere."""
    path = text or "/"
    if (
        not path.startswith("/")
        or path.startswith("//")  # another server of the same scheme
        or "\\" in path  # which browsers read as a slash
        or not (path.isascii() and path.isprintable())
        or len(path) > _LONGEST_PATH
    ):
        raise InvalidInput("next is a path of this server.", details={"field": "next"})
    return path


def _not_begun() -> InvalidInput:
    return InvalidInput(
        "This browser did not begin this sign-in, or did so too long ago; begin again.", details={"field": "state"}
    )


def _derived(token_key: bytes, purpose: str) -> bytes:
    return hmac.digest(token_key, f"gatehouse oidc {purpose} v1".encode(), "sha256")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
