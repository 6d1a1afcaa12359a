"""The index follows the log by itself, is made again when it is lost, and never holds the log up."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from governance.audit.event import Actor, AuditEvent, Subject
from governance.audit.index import index_row
from storage.audit_log import append
from storage.audit_log.indexing import disagreeing, rebuild
from storage.audit_log.running import sequencer_of, verify_platform
from storage.composition import new_id
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query, step


def indexed(r: RegistryUnderTest) -> list[tuple[object, ...]]:
    return query(r, "select * from audit_index order by seq")


def drained(r: RegistryUnderTest) -> RegistryUnderTest:
    sequencer_of(r.platform).drain()
    return r


@pytest.fixture
def lively(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    r = registry_under_test
    model = r.model()
    r.version(model)
    step(r, model, "1.0.0", "submit")
    return drained(r)


def test_every_entry_is_indexed_with_the_model_that_it_is_about(lively: RegistryUnderTest) -> None:
    assert query(lively, "select count(*) from audit_index") == query(lively, "select size from audit_head")
    about = query(lively, "select action from audit_index where model_id is null and subject_kind in "
                          "('model', 'version', 'request', 'suite', 'finding')")  # fmt: skip
    assert about == []
    with psycopg.connect(lively.settings.database_url) as connection:
        assert list(disagreeing(connection)) == []


@pytest.mark.parametrize("lost", ["true", "seq > 5", "seq >= (select max(seq) from audit_index)"])
def test_what_the_index_lost_at_its_end_comes_back_by_itself(lively: RegistryUnderTest, lost: str) -> None:
    before = indexed(lively)
    query(lively, f"delete from audit_index where {lost}")
    assert indexed(drained(lively)) == before


def test_the_index_can_be_made_again(lively: RegistryUnderTest) -> None:
    before = indexed(lively)
    query(lively, "update audit_index set actor_id = 'x', model_id = null where mod(seq, 2) = 0")
    query(lively, "delete from audit_index where mod(seq, 3) = 0")
    with psycopg.connect(lively.settings.database_url) as connection:
        assert rebuild(connection, len(before)) == len(before)
    assert indexed(lively) == before


def test_a_broken_index_does_not_hold_up_the_log(lively: RegistryUnderTest) -> None:
    query(lively, "alter table audit_index rename column action to something")
    lively.model()
    assert sequencer_of(lively.platform).drain() == 1
    query(lively, "alter table audit_index rename column something to action")
    assert verify_platform(drained(lively).platform, index=True).ok
    assert query(lively, "select count(*) from audit_index") == query(lively, "select size from audit_head")


def test_texts_that_postgresql_cannot_hold_are_indexed_too(lively: RegistryUnderTest) -> None:
    """NUL is a character of JSON; the log holds it escaped."""
    odd = AuditEvent(
        new_id(),
        datetime.now(UTC),
        Actor("user", "u\0", "Nul\0l"),
        "thing:noted",
        Subject("thing", "t\0"),
        details={"modelId": "no id", "x": "\0"},
    )
    with lively.platform.engine.begin() as connection:
        append(connection, [odd], key=lively.platform.audit_key)
    assert query(
        drained(lively), "select actor_name, subject_id, model_id from audit_index where event_id = %s", odd.id
    ) == [("Nul\ufffdl", "t\ufffd", None)]
    assert verify_platform(lively.platform, index=True).ok


def test_a_row_says_what_the_entry_says() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    model, version, request = new_id(), new_id(), new_id()
    event = AuditEvent(
        "e1", at, Actor("system", "gatehouse", "Gatehouse"), "version:state:changed", Subject("version", version),
        request_id="r1", after={"modelId": model}, details={"requestId": request},
    )  # fmt: skip
    row = index_row(7, event.canonical())
    assert row == (
        7, "e1", at, "gatehouse", "Gatehouse", "version:state:changed", "version", version, "r1", model, version, None,
        request,
    )  # fmt: skip
    for text in ("", "{}", "[]", '{"subject": 1}'):
        with pytest.raises((ValueError, KeyError, TypeError)):
            index_row(0, text)
