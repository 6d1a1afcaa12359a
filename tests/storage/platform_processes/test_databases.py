"""Which databases a platform uses, on a server that is not its own."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from storage.platform_processes.databases import NamedDatabases, named, open_databases
from storage.platform_processes.errors import PlatformError
from storage.platform_processes.runtime import Runtime
from storage.postgres_server import PostgresServer, running
from tests.fixtures.postgres import fresh_database


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def _drop(server: PostgresServer, name: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(name)))


def test_a_foreign_server_gets_the_orchestrators_database_beside_ours(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with fresh_database(postgres_server) as url:
        beside = f"{_name(url)}_prefect"
        try:
            opened = open_databases(tmp_path, NamedDatabases(url.replace("postgresql://", "postgresql+psycopg://")))
            assert (opened.gatehouse, opened.server) == (url, "foreign")
            assert _name(opened.prefect) == beside
            with psycopg.connect(opened.prefect) as connection:
                assert connection.info.dbname == beside
            assert running(tmp_path) is None
            assert list(tmp_path.iterdir()) == []
        finally:
            _drop(postgres_server, beside)


def test_the_orchestrators_database_can_be_named(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with fresh_database(postgres_server) as ours, fresh_database(postgres_server) as theirs:
        opened = open_databases(tmp_path, NamedDatabases(ours, theirs))
        assert (opened.gatehouse, opened.prefect) == (ours, theirs)
        with psycopg.connect(ours) as connection:
            found = connection.execute(
                "select 1 from pg_database where datname = %s", [f"{_name(ours)}_prefect"]
            ).fetchone()
        assert found is None


def test_who_may_not_create_databases_is_told_what_to_ask_for(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with fresh_database(postgres_server) as url:
        role = f"{_name(url)}_role"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("create role {} login password 'secret-word'").format(sql.Identifier(role)))
        try:
            theirs = url.replace(urlsplit(url).netloc, f"{role}:secret-word@127.0.0.1:{postgres_server.port}")
            with pytest.raises(PlatformError, match="GATEHOUSE_PREFECT_DATABASE_URL") as refused:
                open_databases(tmp_path, NamedDatabases(theirs))
            assert "CREATE DATABASE" in str(refused.value)
            assert "secret-word" not in str(refused.value)
        finally:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/db", "host=h password=hunter2", "postgresql://u:hunter2@h"])
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(PlatformError, match="GATEHOUSE_DATABASE_URL") as refused:
        open_databases(tmp_path, NamedDatabases(url))
    assert "hunter2" not in str(refused.value)


def _remembered(server: str) -> Runtime:
    return Runtime(
        database_url="postgresql://remembered/db",
        prefect_api_url="",
        api_url="",
        dashboard_url="",
        work_pool="",
        worker="warm",
        postgres=server,  # type: ignore[arg-type]
        prefect_database_url="postgresql://remembered/prefect",
        api_port=1,
        prefect_port=2,
    )


def test_a_foreign_database_is_remembered_and_an_embedded_one_is_looked_up_again() -> None:
    """A shell without the variable must not start an empty database instead of the one with the data."""
    assert named("", "", _remembered("foreign")) == NamedDatabases(
        "postgresql://remembered/db", "postgresql://remembered/prefect"
    )
    assert named("", "", _remembered("embedded")) == NamedDatabases("", "")
    assert named("postgresql://said/db", "", _remembered("foreign")) == NamedDatabases("postgresql://said/db", "")
    assert named("", "", None) == NamedDatabases("", "")
