"""Calls of the command line to an API, with the token that `gatehouse login` stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from api.cli import credentials
from api.cli.options import settings_of
from storage.platform_processes.errors import PlatformError
from storage.settings import is_secure_address


class ApiRefusal(PlatformError):
    """The API answered, and said no."""

    def __init__(self, message: str, status: int, problems: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.problems = problems


class ApiCalls:
    """One API. Every method raises PlatformError with a sentence when the answer is not a success."""

    def __init__(self, home: Path | None, api_url: str | None) -> None:
        """The address is the option's, else the setting's. Refused where a token could be read on its way."""
        settings = settings_of(home)
        self.home = settings.home
        self.api_url = (api_url or settings.api_url).rstrip("/")
        if not is_secure_address(self.api_url):
            raise PlatformError(f"{self.api_url} is neither https nor on this machine; no secret is sent there.")

    def call(
        self, method: str, path: str, *, token: str | None = None, root: str = "/api/v1/auth", **parts: Any
    ) -> Any:
        """The `data` of the answer; `token` none: without signing in. The path is below `root`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = httpx.request(
                method, f"{self.api_url}{root}{path}", headers=headers, timeout=30, trust_env=False, **parts
            )
        except httpx.HTTPError as error:
            raise PlatformError(f"{self.api_url} does not answer ({type(error).__name__}).") from None
        try:
            body = answer.json()
            if answer.is_success:
                return body["data"]
            message = str(body["error"]["message"])
            problems = body["error"]["details"].get("problems") or ()
        except (ValueError, KeyError, TypeError, AttributeError):
            raise PlatformError(f"{self.api_url} does not answer as Gatehouse does.") from None
        raise ApiRefusal(message, answer.status_code, problems)

    def stored(self) -> credentials.Credential:
        """Raises PlatformError when nobody is signed in."""
        found = credentials.read(self.home, self.api_url)
        if found is None:
            raise PlatformError(f"Nobody is signed in at {self.api_url}; gatehouse login does that.")
        return found

    def signed_in(self, method: str, path: str, **parts: Any) -> Any:
        return self.call(method, path, token=self.stored().token, **parts)
