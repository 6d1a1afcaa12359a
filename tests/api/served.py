"""The API over a real server on loopback, with the registry behind it in reach of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.protocol import GuardedHttp
from governance.access.principal import Principal
from storage.composition import now
from tests.api.described import Description
from tests.fixtures.registries import opened_registry
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query

MIB = 1024 * 1024
UPLOAD_LIMIT = 3 * MIB
# Off unless a test asks for them: one address and a few people make all calls of the suite.
NO_LIMITS = {"sign_in_failures": 1_000_000, "sign_in_cpu_percent": 0, "rate_per_principal": 0, "rate_per_address": 0}


class ServedApi:
    """Clients check every answer against the description, so that each test is a test of the description too."""

    def __init__(
        self, registry: RegistryUnderTest, server: uvicorn.Server, address: tuple[str, int], description: Description
    ) -> None:
        self.registry = registry
        self.address = address
        self._server = server
        self.description = description
        self.tokens: dict[str, str] = {}
        self._clients: dict[str, httpx.Client] = {}
        self.anonymous = self._client({})
        for person in (registry.dev, registry.grace, registry.alan, registry.edsger, registry.admin):
            self.sign_in(person)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    @property
    def dev(self) -> httpx.Client:
        return self._clients["dana"]

    @property
    def grace(self) -> httpx.Client:
        return self._clients["grace"]

    @property
    def admin(self) -> httpx.Client:
        return self._clients["root"]

    def sign_in(self, person: Principal, *, life: timedelta = timedelta(days=1)) -> httpx.Client:
        """A client with a fresh token of this person; the password's way is tested where it is the subject."""
        token, _ = self.registry.token(person, days=life / timedelta(days=1))
        self.tokens[person.name] = token
        self._clients[person.name] = self.with_token(token)
        return self._clients[person.name]

    def session(self, name: str) -> str:
        """What the cookie of a browser holds in which this person is signed in."""
        with self.registry.unit() as uow:
            found = uow.people.named(name)
        assert found is not None
        return self.registry.token(found.id, kind="session")[0]

    def with_token(self, token: str) -> httpx.Client:
        return self._client({"Authorization": f"Bearer {token}"})

    def _client(self, headers: dict[str, str]) -> httpx.Client:
        def check(response: httpx.Response) -> None:
            response.read()
            self.description.check(response)

        return httpx.Client(
            base_url=self.url, headers=headers, timeout=60, event_hooks={"response": [check]}, trust_env=False
        )

    def wait_until_idle(self) -> None:
        """Until every call that the server has begun is over, also those whose client has gone."""
        deadline = time.monotonic() + 30
        while self._server.server_state.tasks:
            assert time.monotonic() < deadline, "a call does not end"
            time.sleep(0.005)

    def close(self) -> None:
        for client in (self.anonymous, *self._clients.values()):
            client.close()

    # --- what there is in the database and in the store ---------------------------------------------------

    def stored(self) -> dict[str, int]:
        """Rows by table, and files of the artifact store; entries on their way into the audit log counted once."""
        names = query(
            self.registry,
            """select tablename from pg_tables
               where schemaname = 'public'
                   and tablename not in ('audit_head', 'audit_index', 'audit_tree', 'sign_in_limits')""",
        )
        union = " union all ".join(f"select '{name}', count(*) from {name}" for (name,) in names)
        counts = {str(name): int(count) for name, count in query(self.registry, union)}
        counts["audit"] = counts.pop("audit_outbox") + counts.pop("audit_entries")
        directory = self.registry.settings.artifact_directory
        counts["files"] = sum(1 for path in directory.rglob("*") if path.is_file())
        return counts

    # --- short ways ---------------------------------------------------------------------------------------

    def model(self, **changes: Any) -> str:
        """The id of a new model, by HTTP."""
        body = {"name": f"m-{time.monotonic_ns()}", "group": "lab", "riskTier": "Low", **changes}
        self.registry.join(str(body["group"]))
        answer = self.dev.post("/api/v1/models", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    def version(self, model: str, version: str = "1.0.0", **changes: Any) -> str:
        """The path of a new draft, by HTTP."""
        body = {"version": version, "commitSha": "0" * 40, "metadata": {}, **changes}
        answer = self.dev.post(f"/api/v1/models/{model}/versions", json=body)
        assert answer.status_code == 201, answer.text
        return f"/api/v1/models/{model}/versions/{version}"


def data(answer: httpx.Response, status: int = 200) -> Any:
    """The data of a success."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is True
    return body["data"]


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of a refusal."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert (body["success"], body["data"]) == (False, None)
    assert body["error"]["code"] == code, body
    assert body["error"]["message"]
    assert body["error"]["retryable"] is (status in (429, 503))
    error: dict[str, Any] = body["error"]
    return error


@contextmanager
def served(database_url: str, home: Path, *, sequence_audit: bool = False, **settings: Any) -> Iterator[ServedApi]:
    """A uvicorn with uvloop and httptools, as `gatehouse up` runs it, in a thread; ended and joined in the end."""
    chosen = {"upload_limit": UPLOAD_LIMIT, **NO_LIMITS, **settings}
    with opened_registry(database_url, home, **chosen) as registry:
        registry.at = now()
        app = create_app(registry.platform, sequence_audit=sequence_audit)
        with listening(app) as (server, address):
            api = ServedApi(registry, server, address, Description(app.openapi()))
            try:
                yield api
            finally:
                api.close()


@contextmanager
def listening(app: FastAPI) -> Iterator[tuple[uvicorn.Server, tuple[str, int]]]:
    """The app on a free port of loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http=GuardedHttp,
            log_config=None,
            access_log=True,
            lifespan="on",
            proxy_headers=False,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="uvicorn")
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server ended while starting"
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)
    try:
        yield server, listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive(), "the server does not end"
