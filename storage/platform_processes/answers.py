"""Whether the parts of the platform answer. Every question is one HTTP call on loopback, or one query."""

from __future__ import annotations

import socket
from datetime import UTC, datetime

import httpx
import psycopg

from storage.prefect_server import basic

_TIMEOUT_SECONDS = 5.0

# Three of Prefect's heartbeat intervals (30 s), after which its server too takes a worker for lost.
_SILENT_WORKER_SECONDS = 95.0


def api_answers(url: str) -> bool:
    """The API and the database behind it."""
    answer = _call("GET", f"{url}/ready")
    return answer is not None and answer.is_success


def prefect_answers(api_url: str, auth: str) -> bool:
    """The server, to whoever knows `auth`: its health alone is told to everybody."""
    answer = _call("GET", f"{api_url}/admin/version", auth=auth)
    return answer is not None and answer.is_success


def worker_serves(api_url: str, auth: str, pool: str, name: str, since: float) -> bool:
    """Whether worker `name` reported to the Prefect server lately and after `since` (Unix time, s)."""
    answer = _call("POST", f"{api_url}/work_pools/{pool}/workers/filter", {}, auth=auth)
    if answer is None or not answer.is_success:
        return False
    newest = max(
        (
            datetime.fromisoformat(worker["last_heartbeat_time"]).timestamp()
            for worker in answer.json()
            if worker["name"] == name and worker.get("last_heartbeat_time")
        ),
        default=0.0,
    )
    return newest >= max(since, datetime.now(UTC).timestamp() - _SILENT_WORKER_SECONDS)


def database_answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5, application_name="gatehouse status") as connection:
            connection.execute("select 1")
    except psycopg.Error:
        return False
    return True


def worker_name() -> str:
    """What this machine's worker is called in the dashboard."""
    return socket.gethostname() or "localhost"


def _call(method: str, url: str, body: object = None, *, auth: str = "") -> httpx.Response | None:
    try:
        with httpx.Client(auth=basic(auth), trust_env=False, timeout=_TIMEOUT_SECONDS) as client:
            return client.request(method, url, json=body)
    except httpx.HTTPError:
        return None
