"""Starts, finds and stops the PostgreSQL that belongs to one state directory, with nothing installed before.

The server is a plain PostgreSQL on 127.0.0.1 that outlives whoever started it: `start` when it should run,
`stop` when it should not; a crash of anything in between loses no acknowledged commit. Linux and macOS.
"""

from __future__ import annotations

from storage.postgres_server.cluster import running, start, stop
from storage.postgres_server.databases import ensure_database
from storage.postgres_server.server import PostgresServer, PostgresUnavailable

__all__ = ["PostgresServer", "PostgresUnavailable", "ensure_database", "running", "start", "stop"]
