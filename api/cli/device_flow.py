"""Signing in at the identity provider from a terminal: the device authorization flow (RFC 8628).

The person opens an address on any machine and confirms a short code there; meanwhile the token endpoint is asked, not
more often than the provider wants.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from governance.errors import GovernanceError
from storage.oidc.discovery import discovery_address, metadata_from
from storage.platform_processes.errors import PlatformError
from storage.settings import is_secure_address

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USUAL_INTERVAL = 5.0  # seconds, by RFC 8628, 3.2
SLOWER = 5.0  # more with every slow_down, by RFC 8628, 3.5
LONGEST = 1800.0
_REFUSALS = {
    "access_denied": "The sign-in was refused at the identity provider.",
    "expired_token": "The code was not confirmed in time; begin again.",
}


@dataclass(frozen=True)
class Prompt:
    """What the person is asked to do."""

    address: str
    code: str
    complete_address: str | None


class DeviceFlow:
    """`sleep` and `clock` are those of the process, or a test's."""

    def __init__(
        self,
        client: httpx.Client,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._clock = clock

    def id_token(self, issuer: str, client_id: str, scopes: list[str], show: Callable[[Prompt], None]) -> str:
        """Raises PlatformError."""
        if not is_secure_address(issuer):
            raise PlatformError("The identity provider's address is not https.")
        status, document = self._json("GET", discovery_address(issuer))
        try:
            metadata = metadata_from(document, issuer)
        except GovernanceError as error:
            raise PlatformError(error.message) from None
        if status != 200 or not metadata.device_authorization_endpoint:
            raise PlatformError("The identity provider does not offer signing in on a device.")
        form = {"client_id": client_id, "scope": " ".join(scopes)}
        status, begun = self._json("POST", metadata.device_authorization_endpoint, form)
        if status != 200:
            raise PlatformError("The identity provider does not let this command begin a sign-in.")
        show(_prompt(begun))
        form = {"grant_type": GRANT, "device_code": str(begun.get("device_code", "")), "client_id": client_id}
        interval = max(1.0, _seconds(begun.get("interval"), USUAL_INTERVAL))
        deadline = self._clock() + min(LONGEST, _seconds(begun.get("expires_in"), LONGEST))
        while True:
            self._sleep(interval)
            if self._clock() > deadline:
                raise PlatformError(_REFUSALS["expired_token"])
            try:
                status, answer = self._json("POST", metadata.token_endpoint, form)
            except PlatformError:  # RFC 8628, 3.5: ask again more slowly
                interval = min(60.0, interval * 2)
                continue
            if status == 200 and isinstance(answer.get("id_token"), str):
                return str(answer["id_token"])
            reason = str(answer.get("error"))
            if reason == "slow_down":
                interval += SLOWER
            elif reason != "authorization_pending":
                raise PlatformError(_REFUSALS.get(reason, "The identity provider did not accept the sign-in."))

    def _json(self, method: str, url: str, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        try:
            answer = self._client.request(method, url, data=form)
            value = answer.json()
        except (httpx.HTTPError, ValueError):
            raise PlatformError("The identity provider does not answer.") from None
        if answer.status_code >= 500 or not isinstance(value, dict):
            raise PlatformError("The identity provider does not answer.")
        return answer.status_code, value


def _prompt(begun: Mapping[str, Any]) -> Prompt:
    """Raises PlatformError for what should not be shown to a person, or would not be theirs to read."""
    address, code, complete = (
        begun.get(name) for name in ("verification_uri", "user_code", "verification_uri_complete")
    )
    if not (isinstance(address, str) and is_secure_address(address) and address.isprintable()):
        raise PlatformError("The identity provider names no usable address.")
    if not (isinstance(code, str) and code.isprintable() and 0 < len(code) <= 100):
        raise PlatformError("The identity provider names no usable code.")
    if not (isinstance(complete, str) and is_secure_address(complete) and complete.isprintable()):
        complete = None
    return Prompt(address, code, complete)


def _seconds(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else otherwise
