"""How to start the Prefect server: its command line and its environment. Nothing is started here.

The names are those of Prefect 3.8.8's settings. Measured on it: the idle server takes about 190 MB, and neither leaving
out services, block registration nor glibc's arena limit changes that by more than 2 MB, so no such setting is here.
Results are persisted only where a flow asks for it, which is Prefect's default (`PREFECT_RESULTS_PERSIST_BY_DEFAULT`).

The server knows no users, only one secret (`auth`, "name:password" of HTTP Basic). The platform's own processes have
it; people have not, and reach the dashboard through the API (`api.dashboard`), which is why its pages are told to
live under `/dashboard` and to call `/dashboard/api`.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from sqlalchemy.engine import make_url

HOST = "127.0.0.1"

UI_BASE = "/dashboard"
"""Below which the pages are served, by the server and by our API alike."""


def server_command(port: int) -> list[str]:
    """The command line of a server that answers on loopback only; it needs `server_environment`."""
    return [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]


def api_url(port: int) -> str:
    return f"http://{HOST}:{port}/api"


def new_auth() -> str:
    """A secret for a server: 256 random bits."""
    return f"gatehouse:{secrets.token_urlsafe(32)}"


def basic(auth: str) -> tuple[str, str] | None:
    """The secret as HTTP clients take it; None where a server has none."""
    name, _, password = auth.partition(":")
    return (name, password) if auth else None


def server_environment(*, home: Path, port: int, auth: str, database_url: str | None) -> dict[str, str]:
    """Variables to add to the environment of the server.

    home: its state directory (PREFECT_HOME). database_url: `postgresql://...` of an existing database; None keeps an
    SQLite file in `home`, which is enough to try things out but loses writes under load.
    """
    environment = {
        **client_environment(home=home, port=port, auth=auth),
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_UI_V2_ENABLED": "false",  # its pages call an analytics host, whatever is set
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_UI_SERVE_BASE": UI_BASE,
        "PREFECT_SERVER_UI_API_URL": f"{UI_BASE}/api",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),  # the pages are copied there, with that base
    }
    if database_url is not None:
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = _for_asyncpg(database_url)
    return environment


def client_environment(*, home: Path, port: int, auth: str) -> dict[str, str]:
    """Variables for everything that talks to the server by Prefect's client: workers, flows, `prefect deploy`."""
    return {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": api_url(port),
        "PREFECT_API_AUTH_STRING": auth,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a wrong address is an error, not a server of one's own
        # Each saves a call before the first real one of every client; a run makes four clients.
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",  # as in the server: this protects browsers with a login
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",  # the same installation
    }


def _for_asyncpg(database_url: str) -> str:
    """The same database by the driver that Prefect uses, which calls libpq's `sslmode` `ssl`."""
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=False)
