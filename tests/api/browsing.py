"""A browser without a screen: keeps cookies as browsers do on loopback, follows nothing by itself."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from html import unescape
from http.cookies import SimpleCookie

import httpx

from api.sessions import SESSION_COOKIE
from governance.access.roles import Role
from storage.composition import new_id
from storage.credentials import hash_password
from tests.api.served import ServedApi
from tests.fixtures.registry import DEVELOPER

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # made once; loading certificates costs more than a call
PASSWORD = "correct horse battery staple"
OUR_ORIGIN = {"sec_fetch_site": "same-origin"}


def person_with_password(api: ServedApi, roles: Sequence[Role] = DEVELOPER) -> str:
    """The name of a new user who signs in with PASSWORD."""
    return api.registry.person(f"user-{new_id()}", roles, "lab", password_hash=hash_password(PASSWORD)).name


class Browsing:
    """httpx's own cookie jar would keep Secure cookies from plain HTTP; browsers make an exception for loopback."""

    def __init__(self, api: ServedApi, token: str | None = None) -> None:
        self._client = httpx.Client(base_url=api.url, timeout=60, trust_env=False, verify=_NO_TLS)
        self.cookies: dict[str, str] = {SESSION_COOKIE: token} if token else {}
        self.set_cookies: list[str] = []

    def __enter__(self) -> Browsing:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **options: str) -> httpx.Response:
        return self._send("GET", path, None, options)

    def post(self, path: str, form: dict[str, str] | bytes, **headers: str) -> httpx.Response:
        """A form, sent as from a page of ours unless the headers say otherwise (`sec_fetch_site="cross-site"`)."""
        return self._send("POST", path, form, {**OUR_ORIGIN, **headers})

    def sign_in(self, name: str, password: str = PASSWORD, onwards: str | None = None) -> httpx.Response:
        """Fill in the form as it is shown."""
        shown = self._send("GET", "/sign-in", None, {}, {"next": onwards} if onwards is not None else None)
        return self.post("/sign-in", {**hidden(shown), "name": name, "password": password})

    def _send(
        self,
        method: str,
        path: str,
        form: dict[str, str] | bytes | None,
        headers: dict[str, str],
        query: dict[str, str] | None = None,
    ) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if isinstance(form, bytes):
            answer = self._client.request(method, path, content=form, headers=sent, params=query)
        else:
            answer = self._client.request(method, path, data=form, headers=sent, params=query)
        self.set_cookies = answer.headers.get_list("set-cookie")
        for line in self.set_cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer


def hidden(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of the last form of a page."""
    form = page.text.rpartition("<form")[2]
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)}
