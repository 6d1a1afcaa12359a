"""Whether the server answers, by the only proof there is: a query.

A bare TCP connect succeeds while a killed server is torn down, and pg_ctl counts a zombie as running.
"""

from __future__ import annotations

from enum import Enum

import psycopg

from storage.postgres_server.server import HOST, ROLE

_TIMEOUT_SECONDS = 10


class Answer(Enum):
    YES = "the query was answered"
    FULL = "a server said that all its connections are taken"
    WRONG_PASSWORD = "a server said that the password is wrong"  # noqa: S105 (words for people)
    SILENT = "nobody answered"


def ask(port: int, password: str) -> Answer:
    """Connect, query, and classify. Every libpq setting that the environment could bend is given."""
    try:
        with psycopg.connect(
            host=HOST,
            hostaddr=HOST,
            port=port,
            user=ROLE,
            password=password,
            dbname="postgres",
            sslmode="disable",
            gssencmode="disable",
            require_auth="scram-sha-256",  # whoever took the port must not be told the password
            options="",
            client_encoding="UTF8",
            target_session_attrs="any",
            connect_timeout=_TIMEOUT_SECONDS,
            application_name="gatehouse launcher",
            autocommit=True,
        ) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return _classify(str(error))
    return Answer.YES


def _classify(words: str) -> Answer:
    """libpq gives no SQLSTATE for a refused connection; the server speaks English (see `parameters`)."""
    if "too many clients" in words or "remaining connection slots" in words:
        return Answer.FULL
    if "password authentication failed" in words:
        return Answer.WRONG_PASSWORD
    return Answer.SILENT
