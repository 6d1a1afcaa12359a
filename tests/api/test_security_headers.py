"""What every answer tells browsers, whatever it is an answer to."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from api.app import create_app
from storage.composition import Platform
from storage.settings import Settings
from tests.api.served import ServedApi
from tests.fixtures.loops import run_async

EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}


@pytest.mark.parametrize("path", ["/health", "/docs", "/api/v1/models", "/nothing", "/openapi.json", "/sign-in", "/"])
def test_answers_protect_browsers(api: ServedApi, path: str) -> None:
    with httpx.Client(base_url=api.url) as client:
        headers = client.get(path).headers
    for name, value in EXPECTED.items():
        pages = name == "referrer-policy" and path == "/sign-in"
        assert headers[name] == ("same-origin" if pages else value), name
    assert "camera=()" in headers["permissions-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers, "nobody may insist on TLS where there is none"


def test_browsers_are_told_to_insist_on_tls_where_there_is_tls(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url="postgresql://nowhere", api_url="https://gatehouse.example")
    app = create_app(Platform(settings), sequence_audit=False)

    async def look() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://gatehouse.example") as client:
            return await client.get("/health")

    assert run_async(look()).headers["strict-transport-security"].startswith("max-age=31536000")
