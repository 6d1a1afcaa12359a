"""One provider and one API that trusts it, for all tests that do not take either away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.oidc import OidcProvider
from storage.oidc.key_ring import PAUSE_SECONDS
from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, data, served
from tests.fixtures.oidc_browser import OidcBrowser
from tests.fixtures.oidc_provider import AUDIENCE, OidcProviderUnderTest, running_provider
from tests.fixtures.postgres import fresh_database
from tests.governance.operations.situations import events

OUTSIDE = "http://127.0.0.1:1"
"""How the API calls itself to others; its browser knows better, as behind a reverse proxy."""

CALLBACK = f"{OUTSIDE}/api/v1/auth/oidc/callback"


@dataclass
class TrustingApi:
    """An API, its provider, and what people do with both."""

    api: ServedApi
    provider: OidcProviderUnderTest

    def at(self, path: str) -> str:
        return f"{self.api.url}/api/v1/auth/oidc{path}"

    def answer_to(self, browser: OidcBrowser, path: str = "/login?next=/docs") -> str:
        """The address of our callback, as the provider sends this person's browser to it."""
        begun = self.checked(browser.get(self.at(path)))
        assert begun.status_code == 302, begun.text
        back = browser.walk(begun.headers["location"], until=CALLBACK)
        assert isinstance(back, httpx.URL), back
        return str(back).replace(OUTSIDE, self.api.url)

    def me(self, token: str) -> dict[str, Any]:
        """Whom the API takes the bearer of this token for."""
        with self.api.with_token(token) as client:
            found: dict[str, Any] = data(client.get("/api/v1/auth/me"))
        return found

    def audited(self, action: str, user_id: str) -> int:
        """How many such entries there are of this user."""
        return [event.action for event in events(self.api.registry, user_id)].count(action)

    def checked(self, answer: httpx.Response) -> httpx.Response:
        self.api.description.check(answer)
        return answer

    def access_token(self, resource: str = AUDIENCE) -> str:
        """By client credentials, a JWT (RFC 9068)."""
        answer = httpx.post(
            f"{self.provider.issuer}/token",
            data={"grant_type": "client_credentials", "scope": "registry", "resource": resource},
            auth=("robot", "robot-secret"),
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


Trusting = Callable[..., AbstractContextManager[TrustingApi]]


@pytest.fixture(scope="session")
def trusting(
    oidc_directory: Path,
    postgres_server: PostgresServer,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trusting:
    """A maker of them."""

    @contextmanager
    def make(*, pause: float = PAUSE_SECONDS, **settings: Any) -> Iterator[TrustingApi]:
        with ExitStack() as stack:
            provider = stack.enter_context(running_provider(oidc_directory, CALLBACK))
            url = stack.enter_context(fresh_database(postgres_server, template=template_database))
            chosen = {
                "api_url": OUTSIDE,
                "oidc_issuer": provider.issuer,
                "oidc_client_id": "gatehouse",
                "oidc_client_secret": "browser-secret",
                "oidc_device_client_id": "gatehouse-cli",
                "oidc_audience": AUDIENCE,
                **settings,
            }
            home = tmp_path_factory.mktemp("oidc-api") / "home"
            api = stack.enter_context(served(url, home, **chosen))
            platform = api.registry.platform
            platform.__dict__["oidc"] = OidcProvider(platform.settings, pause=pause)  # where the property would put it
            yield TrustingApi(api, provider)

    return make


@pytest.fixture(scope="session")
def signing_in(trusting: Trusting) -> Iterator[TrustingApi]:
    with trusting() as made:
        yield made
