"""How the command line waits for a person at the identity provider (RFC 8628)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from api.cli.device_flow import DeviceFlow, Prompt
from storage.platform_processes.errors import PlatformError

ISSUER = "https://id.example"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/auth",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "device_authorization_endpoint": f"{ISSUER}/device",
}
BEGUN = {
    "device_code": "secret-code",
    "user_code": "ABCD-EFGH",
    "verification_uri": f"{ISSUER}/confirm",
    "verification_uri_complete": f"{ISSUER}/confirm?user_code=ABCD-EFGH",
    "expires_in": 600,
}
PENDING: dict[str, Any] = {"error": "authorization_pending"}
GRANTED = {"id_token": "a.b.c"}


class Scene:
    """A provider that answers from a list, and time that passes only by waiting."""

    def __init__(self, *answers: Any, begun: Any = BEGUN, metadata: Any = METADATA) -> None:
        self._answers = list(answers)
        self._begun, self._metadata = begun, metadata
        self.seconds = 0.0
        self.waits: list[float] = []
        self.forms: list[dict[str, list[str]]] = []
        self.prompts: list[Prompt] = []

    def sign_in(self) -> str:
        with httpx.Client(transport=httpx.MockTransport(self._answer)) as client:
            flow = DeviceFlow(client, sleep=self._wait, clock=lambda: self.seconds)
            return flow.id_token(ISSUER, "gatehouse-cli", ["openid", "groups"], self.prompts.append)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=self._metadata)
        self.forms.append(parse_qs(request.content.decode()))
        if request.url.path == "/device":
            return httpx.Response(200, json=self._begun)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return httpx.Response(answer, content=b"<html>")
        return httpx.Response(400 if "error" in answer else 200, content=json.dumps(answer))


def test_it_asks_until_the_person_has_confirmed() -> None:
    scene = Scene(PENDING, PENDING, GRANTED)
    assert scene.sign_in() == "a.b.c"
    assert scene.waits == [5.0, 5.0, 5.0], "not before the usual interval"
    assert scene.prompts == [Prompt(f"{ISSUER}/confirm", "ABCD-EFGH", f"{ISSUER}/confirm?user_code=ABCD-EFGH")]
    assert scene.forms[0] == {"client_id": ["gatehouse-cli"], "scope": ["openid groups"]}
    assert scene.forms[1]["device_code"] == ["secret-code"]


def test_it_keeps_the_interval_and_slows_down_when_asked() -> None:
    scene = Scene({"error": "slow_down"}, PENDING, {"error": "slow_down"}, GRANTED, begun={**BEGUN, "interval": 2})
    scene.sign_in()
    assert scene.waits == [2.0, 7.0, 7.0, 12.0]


def test_a_provider_in_trouble_is_asked_less_often() -> None:
    scene = Scene(503, httpx.ConnectError("gone"), 200, GRANTED, begun={**BEGUN, "interval": 1})
    scene.sign_in()
    assert scene.waits == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": "access_denied"}, "refused"),
        ({"error": "expired_token"}, "not confirmed in time"),
        ({"error": "invalid_grant", "error_description": "\x1b[2Jsecret"}, "did not accept"),
        (PENDING, "not confirmed in time"),
        (503, "not confirmed in time"),
        ({"access_token": "only"}, "did not accept"),
    ],
)
def test_it_ends_with_a_sentence(answer: Any, said: str) -> None:
    scene = Scene(answer)
    with pytest.raises(PlatformError, match=said) as refusal:
        scene.sign_in()
    assert "secret" not in str(refusal.value)
    assert scene.seconds <= 700


@pytest.mark.parametrize(
    "begun",
    [
        {**BEGUN, "verification_uri": "http://id.example/confirm"},
        {**BEGUN, "verification_uri": "https://id.example/\x1b[2J"},
        {**BEGUN, "verification_uri": None},
        {**BEGUN, "user_code": "AB\x07CD"},
        {**BEGUN, "user_code": ""},
        [],
    ],
)
def test_nothing_odd_is_shown_to_a_person(begun: Any) -> None:
    scene = Scene(GRANTED, begun=begun)
    with pytest.raises(PlatformError):
        scene.sign_in()
    assert scene.prompts == []


@pytest.mark.parametrize(
    "changes", [{"issuer": "https://other.example"}, {"device_authorization_endpoint": None}, {"token_endpoint": "x"}]
)
def test_a_provider_that_cannot_do_it(changes: dict[str, Any]) -> None:
    scene = Scene(GRANTED, metadata={**METADATA, **changes})
    with pytest.raises(PlatformError):
        scene.sign_in()
    assert scene.forms == []
