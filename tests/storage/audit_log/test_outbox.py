"""Events are recorded with the change that they describe, or neither is."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.event import listens_for
from sqlalchemy.exc import DBAPIError

from governance.audit.entry import draft
from governance.errors import InvalidInput
from storage.audit_log import append
from storage.audit_log.outbox import MOST_EVENTS
from tests.governance.audit.histories import AUDIT_KEY, event
from tests.storage.audit_log.platform import AuditedPlatform


def waiting(platform: AuditedPlatform) -> list[tuple[str, bytes, bytes]]:
    with psycopg.connect(platform.dsn) as connection:
        return connection.execute("select entry, leaf, mac from audit_outbox order by id").fetchall()


def test_events_wait_as_they_were_given_in_their_order(platform: AuditedPlatform) -> None:
    events = [event(number, details={"text": f"äß€ {{}} '\" \\ % : {number}"}) for number in (3, 1, 2)]
    with platform.engine.begin() as connection:
        append(connection, events, key=AUDIT_KEY)
    assert waiting(platform) == [tuple(draft(each, AUDIT_KEY)) for each in events]


def test_a_transaction_that_is_rolled_back_leaves_no_event(platform: AuditedPlatform) -> None:
    with platform.engine.connect() as connection:
        append(connection, [event(1)], key=AUDIT_KEY)
        connection.rollback()
    assert waiting(platform) == []


def test_without_the_event_there_is_no_change(platform: AuditedPlatform) -> None:
    platform.execute("create table business (state text)")
    platform.execute("alter table audit_outbox add constraint full_disk check (false)")
    with platform.engine.begin() as connection:
        connection.execute(text("insert into business values ('production')"))
        with pytest.raises(DBAPIError):
            append(connection, [event(1)], key=AUDIT_KEY)
    with psycopg.connect(platform.dsn) as connection:
        assert connection.execute("select count(*) from business").fetchone() == (0,)


def test_many_events_are_one_statement(platform: AuditedPlatform) -> None:
    statements: list[str] = []
    with platform.engine.begin() as connection:

        @listens_for(connection, "before_cursor_execute")
        def note(conn: object, cursor: object, statement: str, *rest: object) -> None:
            statements.append(statement)

        append(connection, [event(number) for number in range(2_000)], key=AUDIT_KEY)
    assert len(statements) == 1
    assert len(waiting(platform)) == 2_000


def test_a_change_that_nobody_describes_is_a_mistake(platform: AuditedPlatform) -> None:
    with platform.engine.begin() as connection, pytest.raises(ValueError, match="not 0"):
        append(connection, [], key=AUDIT_KEY)


def test_more_events_than_a_statement_takes_are_refused_before_it_is_sent(platform: AuditedPlatform) -> None:
    assert 3 * MOST_EVENTS <= 65_535
    with platform.engine.begin() as connection, pytest.raises(ValueError, match="not 20001"):
        append(connection, [event(1)] * (MOST_EVENTS + 1), key=AUDIT_KEY)
    assert waiting(platform) == []


def test_an_event_without_canonical_form_records_nothing(platform: AuditedPlatform) -> None:
    with platform.engine.begin() as connection, pytest.raises(InvalidInput):
        append(connection, [event(1), event(2, after=float("nan"))], key=AUDIT_KEY)
    assert waiting(platform) == []
