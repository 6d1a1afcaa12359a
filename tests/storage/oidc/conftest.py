"""An issuer and whoever trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from governance.external_identity import ExternalIdentity
from storage.composition import now
from storage.oidc import OidcProvider
from storage.oidc.claims import check_id_token, identity_of
from storage.settings import Settings
from tests.fixtures.loops import run_async
from tests.storage.oidc.issuing import AUDIENCE, CLIENT, DEVICE_CLIENT, NONCE, Issuer, issuing


@dataclass
class Trusted:
    """Judgements in plain calls."""

    issuer: Issuer
    provider: OidcProvider

    def access(self, text: str) -> ExternalIdentity:
        return run_async(self.provider.judge_access_token(text, at=now()))

    def device(self, text: str) -> ExternalIdentity:
        return run_async(self.provider.judge_id_token(text, at=now()))

    def browser(self, text: str) -> ExternalIdentity:
        """As after the redemption of a code."""
        token = run_async(self.provider._verified(text))
        check_id_token(token, issuer=self.issuer.address, client_id=CLIENT, nonce=NONCE, at=now())
        return identity_of(token.claims, "groups")


def trusting(issuer: Issuer, home: Path, *, clock: Any = None, pause: float = 5.0, **settings: Any) -> Trusted:
    chosen = {
        "oidc_issuer": issuer.address,
        "oidc_client_id": CLIENT,
        "oidc_device_client_id": DEVICE_CLIENT,
        "oidc_audience": AUDIENCE,
        **settings,
    }
    options = {"clock": clock} if clock else {}
    return Trusted(issuer, OidcProvider(Settings(home=home, **chosen), pause=pause, **options))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as made:
        yield made


@pytest.fixture(scope="module")
def trusted(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Trusted:
    return trusting(issuer, tmp_path_factory.mktemp("oidc"))
