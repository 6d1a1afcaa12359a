"""Databases on a server, ours or somebody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from storage.postgres_server.server import PostgresUnavailable

_CONNECT_SECONDS = 15


def ensure_database(server_url: str, name: str, *, template: str | None = None) -> bool:
    """Make sure that database `name` exists on the server of `server_url`; True when this call created it.

    Any number of callers may race; one of them creates. The URL may name any database of the server,
    existing or not, and an SQLAlchemy driver (postgresql+psycopg://). An existing database needs no right to
    create databases. `template` is copied with its contents; PostgreSQL waits 5 s for other sessions on it to
    end. Raises PostgresUnavailable, without the URL's password in its message.
    """
    url = re.sub(r"^postgres(?:ql)?(?:\+\w+)?://", "postgresql://", server_url)
    with _maintenance(url, name) as connection:
        return not _exists(connection, name) and _create(connection, name, template)


def _exists(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _create(connection: psycopg.Connection, name: str, template: str | None) -> bool:
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if template is not None:
        statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    try:
        connection.execute(statement)
    except (errors.DuplicateDatabase, errors.UniqueViolation):
        return False  # another caller was faster; at the very same moment the catalogue's index says so
    except errors.InsufficientPrivilege as error:
        user = connection.info.user
        raise PostgresUnavailable(
            f"The database {name!r} does not exist on {_where(connection)}, and the user {user!r} may not "
            f"create it. Ask its administrator to run: {statement.as_string(connection)} OWNER {user}"
        ) from error
    except psycopg.Error as error:
        raise PostgresUnavailable(f"Cannot create the database {name!r} on {_where(connection)}: {error}") from error
    return True


def _where(connection: psycopg.Connection) -> str:
    return f"{connection.info.host}:{connection.info.port}"


@contextmanager
def _maintenance(url: str, name: str) -> Iterator[psycopg.Connection]:
    """A session on a database that exists: the URL's own, `postgres`, the one asked for, template1.

    template1 comes last, because a session on it stands in the way of everybody's CREATE DATABASE.
    """
    refusal: psycopg.Error | None = None
    for database in (None, "postgres", name, "template1"):
        try:
            conninfo = url if database is None else make_conninfo(url, dbname=database)
            connection = psycopg.connect(
                conninfo,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                application_name="gatehouse",
            )
        except psycopg.Error as error:
            refusal = error
            if _only_this_database(str(error)):
                continue
            break
        with connection:
            yield connection
        return
    raise PostgresUnavailable(
        f"Cannot connect to the PostgreSQL server of the configured URL: {str(refusal).strip()}. Check host, "
        "port, user and password of the database URL."
    ) from refusal


def _only_this_database(words: str) -> bool:
    """Whether another database of the server may still let us in. libpq gives words here, no SQLSTATE."""
    return any(part in words for part in ("does not exist", "permission denied", "not currently accepting"))
