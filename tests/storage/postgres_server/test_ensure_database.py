"""Making databases on a server that may be ours or somebody else's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from storage.postgres_server import PostgresServer, PostgresUnavailable, ensure_database
from tests.fixtures.postgres import fresh_database


@contextmanager
def a_name(server: PostgresServer) -> Iterator[str]:
    """A name for a database; whatever bears it at the end is dropped."""
    name = f'it\'s "{uuid4().hex[:8]}" é'
    try:
        yield name
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def a_tenant(server: PostgresServer) -> Iterator[str]:
    """A user without the right to create databases, as on a server that belongs to others: its URL, no
    database.
    """
    user = f"tenant_{uuid4().hex[:8]}"
    role = sql.Identifier(user)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'tenant-secret'").format(role))
        try:
            yield f"postgresql://{user}:tenant-secret@127.0.0.1:{server.port}/"
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_creates_once_whatever_the_name(postgres_server: PostgresServer) -> None:
    with a_name(postgres_server) as name:
        assert ensure_database(postgres_server.url("postgres"), name) is True
        assert ensure_database(postgres_server.url("postgres"), name) is False
        with psycopg.connect(postgres_server.url(name)) as connection:
            assert connection.info.dbname == name


def test_eight_callers_create_one_database(postgres_server: PostgresServer) -> None:
    answers: list[bool] = []
    together = threading.Barrier(8)

    def race(name: str) -> None:
        together.wait()
        answers.append(ensure_database(postgres_server.url("postgres"), name))

    with a_name(postgres_server) as name:
        threads = [threading.Thread(target=race, args=(name,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [False] * 7 + [True]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
def test_urls_of_other_tools_and_of_missing_databases(postgres_server: PostgresServer, scheme: str) -> None:
    url = postgres_server.url("not yet there").replace("postgresql", scheme, 1)
    with a_name(postgres_server) as name:
        assert ensure_database(url, name) is True


def test_copies_a_template_with_its_contents(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server) as template:
        with psycopg.connect(template) as connection:
            connection.execute("CREATE TABLE copied AS SELECT 7 AS number")
        source = urlsplit(template).path.removeprefix("/")
        with fresh_database(postgres_server, template=source) as url, psycopg.connect(url) as connection:
            assert connection.execute("SELECT number FROM copied").fetchone() == (7,)


def test_waits_for_a_template_in_use(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server) as template, a_name(postgres_server) as name:
        source = urlsplit(template).path.removeprefix("/")
        session = psycopg.connect(template)
        answers: list[bool] = []
        waiting = threading.Thread(
            target=lambda: answers.append(ensure_database(postgres_server.url("postgres"), name, template=source))
        )
        waiting.start()
        while (
            session.execute(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'gatehouse' AND query LIKE 'CREATE DATABASE%'"
            ).fetchone()
            is None
        ):
            session.rollback()
        session.close()
        waiting.join()
        assert answers == [True]


def test_existing_database_needs_no_right_to_create(postgres_server: PostgresServer) -> None:
    with a_tenant(postgres_server) as url, fresh_database(postgres_server) as existing:
        name = urlsplit(existing).path.removeprefix("/")
        assert ensure_database(f"{url}{name}", name) is False


def test_missing_right_to_create_is_explained(postgres_server: PostgresServer) -> None:
    with a_tenant(postgres_server) as url, pytest.raises(PostgresUnavailable) as refusal:
        ensure_database(f"{url}wanted", "wanted")
    assert 'CREATE DATABASE "wanted"' in str(refusal.value)
    assert "tenant-secret" not in str(refusal.value)


def test_server_that_refuses_or_is_not_there_is_explained(postgres_server: PostgresServer) -> None:
    wrong = postgres_server.url("postgres").replace(postgres_server.password, "wrong-secret")
    with pytest.raises(PostgresUnavailable, match="password authentication failed") as refusal:
        ensure_database(wrong, "wanted")
    assert "wrong-secret" not in str(refusal.value)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        nobody = f"postgresql://somebody:secret-word@127.0.0.1:{reserved.getsockname()[1]}/x"
        with pytest.raises(PostgresUnavailable, match="Cannot connect") as silence:
            ensure_database(nobody, "wanted")
    assert "secret-word" not in str(silence.value)


def test_missing_template_is_explained(postgres_server: PostgresServer) -> None:
    with pytest.raises(PostgresUnavailable, match='template database "absent" does not exist'):
        ensure_database(postgres_server.url("postgres"), "wanted", template="absent")


def test_fresh_databases_are_apart_and_leave_nothing(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server) as one, fresh_database(postgres_server) as other:
        assert one != other
        lingering = psycopg.connect(one)
        lingering.execute("CREATE TABLE here (number int)")
        lingering.commit()
        with psycopg.connect(other) as connection:
            assert connection.execute("SELECT to_regclass('here')").fetchone() == (None,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(one)
    lingering.close()
