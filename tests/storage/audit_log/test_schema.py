"""The tables refuse what no part of the platform does, and come and go with their migration."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text

from storage.audit_log import CREATE_STATEMENTS, DROP_STATEMENTS
from tests.storage.audit_log.platform import AuditedPlatform

REFUSED = [
    "update audit_entries set entry = entry || ' '",
    "update audit_entries set seq = seq + 1",
    "delete from audit_entries",
    "delete from audit_entries where false",
    "truncate audit_entries",
    "update audit_outbox set entry = entry || ' '",
    "truncate audit_outbox",
    "delete from audit_head",
    "truncate audit_head",
    "insert into audit_head (one, size, chain, frontier) values (2, 0, '', '{}')",
]


@pytest.mark.parametrize("role", ["origin", "replica"])
def test_changing_the_past_is_refused(platform: AuditedPlatform, role: str) -> None:
    platform.record(2)
    platform.sequencer().drain()
    platform.record(1)
    with psycopg.connect(platform.dsn) as connection:
        connection.execute(f"set session_replication_role = {role}")
        for statement in REFUSED:
            with pytest.raises(psycopg.errors.IntegrityError), connection.transaction():
                connection.execute(statement)
    assert platform.verify().ok


def test_statements_pass_through_sqlalchemy_and_leave_nothing_behind(platform: AuditedPlatform) -> None:
    """As a migration runs them, down and up again, with entries in the tables."""
    platform.record(3)
    platform.sequencer().drain()
    objects = (
        "select relname from pg_class where relname like 'audit%' "
        "union all select proname from pg_proc where proname like 'audit%'"
    )
    with platform.engine.begin() as connection:
        for statement in DROP_STATEMENTS:
            connection.execute(text(statement))
        assert connection.execute(text(objects)).all() == []
        for statement in CREATE_STATEMENTS:
            connection.execute(text(statement))
        assert connection.execute(text("select size, frontier from audit_head")).one() == (0, [])
