"""A database with nothing but the audit log's tables, and a way to write to it as the platform does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from storage.audit_log import CREATE_STATEMENTS
from storage.postgres_server import PostgresServer
from tests.fixtures.postgres import fresh_database
from tests.storage.audit_log.platform import AuditedPlatform


@pytest.fixture
def platform(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[AuditedPlatform]:
    with fresh_database(postgres_server) as dsn, AuditedPlatform(dsn, tmp_path / "audit") as platform:
        with psycopg.connect(dsn) as connection:
            for statement in CREATE_STATEMENTS:
                connection.execute(statement)
        yield platform
