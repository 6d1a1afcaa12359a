"""The two databases, ours and the orchestrator's: on the embedded server unless a URL names another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.platform_processes.errors import PlatformError
from storage.platform_processes.runtime import Runtime
from storage.postgres_server import PostgresUnavailable, ensure_database, start

OURS, PREFECT = "gatehouse", "prefect"


@dataclass(frozen=True, slots=True)
class NamedDatabases:
    """What the person who runs the platform said; empty: nothing."""

    gatehouse: str = field(default="", repr=False)
    prefect: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Databases:
    """libpq URLs, with passwords."""

    gatehouse: str = field(repr=False)
    prefect: str = field(repr=False)
    server: Literal["embedded", "foreign"]


def named(database_url: str, prefect_database_url: str, remembered: Runtime | None) -> NamedDatabases:
    """What was said now, or else at an earlier `up`: a foreign database is never silently replaced by an
    empty one.
    """
    if not database_url and remembered is not None and remembered.postgres == "foreign":
        return NamedDatabases(remembered.database_url, prefect_database_url or remembered.prefect_database_url)
    return NamedDatabases(database_url, prefect_database_url)


def open_databases(home: Path, said: NamedDatabases) -> Databases:
    """Start the embedded server if it is needed, and make sure that both databases exist.

    Raises PostgresUnavailable, PlatformError.
    """
    if said.gatehouse:
        ours = _parsed(said.gatehouse, "GATEHOUSE_DATABASE_URL")
        ensure_database(_text(ours), str(ours.database))
        prefect = said.prefect or _beside(ours)
        return Databases(_text(ours), _text(_parsed(prefect, "GATEHOUSE_PREFECT_DATABASE_URL")), "foreign")
    server = start(home)
    for name in (OURS, PREFECT):
        ensure_database(server.url("postgres"), name)
    prefect = said.prefect or server.url(PREFECT)
    return Databases(server.url(OURS), _text(_parsed(prefect, "GATEHOUSE_PREFECT_DATABASE_URL")), "embedded")


def _beside(ours: URL) -> str:
    name = f"{ours.database}_prefect"
    try:
        ensure_database(_text(ours), name)
    except PostgresUnavailable as error:
        raise PlatformError(
            f"The orchestrator needs a database too. {error} Or name one by GATEHOUSE_PREFECT_DATABASE_URL."
        ) from error
    return _text(ours.set(database=name))


def _parsed(text: str, setting: str) -> URL:
    """Raises PlatformError without the text, which may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise PlatformError(f"{setting} has the form postgresql://user:password@host:port/database.")
    return url.set(drivername="postgresql")


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
