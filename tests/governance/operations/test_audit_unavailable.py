"""The audit log cannot be written: permission revoked, disk full, table locked. No change without its entry, reads
stay up, and what was refused goes through when the log is back, without anybody mending anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from governance.errors import DependencyUnavailable
from storage.composition import new_id
from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registries import opened_registry
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import events, query
from tests.governance.operations.test_audit_of_operations import CASES, Act, contents

CLERK = "gatehouse_clerk"
LOCK_MILLISECONDS = 100


def by_owner(r: RegistryUnderTest, statement: str) -> None:
    with psycopg.connect(r.settings.database_url) as connection:
        connection.execute(statement.encode())


def as_clerk(r: RegistryUnderTest) -> None:
    """From now on the platform works as somebody whose permissions can be taken away, and waits briefly for locks."""

    def limit(connection: Any, _: object) -> None:
        connection.autocommit = True
        connection.execute(f"set lock_timeout = {LOCK_MILLISECONDS}")
        connection.execute(f"set role {CLERK}")
        connection.autocommit = False

    by_owner(
        r,
        f"""do $$ begin
            if not exists (select from pg_roles where rolname = '{CLERK}') then create role {CLERK}; end if;
            grant all on all tables in schema public to {CLERK};
            grant all on all sequences in schema public to {CLERK};
        end $$""",
    )
    event.listen(r.platform.engine, "connect", limit)
    r.platform.engine.dispose()


@contextmanager
def permission_revoked(r: RegistryUnderTest) -> Iterator[None]:
    by_owner(r, f"revoke insert on audit_outbox from {CLERK}")
    try:
        yield
    finally:
        by_owner(r, f"grant insert on audit_outbox to {CLERK}")


@contextmanager
def disk_full(r: RegistryUnderTest) -> Iterator[None]:
    """What PostgreSQL says when it cannot extend the table."""
    by_owner(
        r,
        """create function no_room() returns trigger language plpgsql as $$ begin
            raise exception using errcode = '53100', message = 'could not extend file: No space left on device';
        end $$""",
    )
    by_owner(r, "create trigger no_room before insert on audit_outbox for each statement execute function no_room()")
    try:
        yield
    finally:
        by_owner(r, "drop function no_room() cascade")


@contextmanager
def locked(r: RegistryUnderTest) -> Iterator[None]:
    with psycopg.connect(r.settings.database_url) as connection:
        connection.execute("lock table audit_outbox in access exclusive mode")
        yield


OUTAGES = (permission_revoked, disk_full, locked)
Outage = Callable[[RegistryUnderTest], Any]
FULL = [(outage, case) for outage in OUTAGES for case in CASES]
# Every operation once in two, and every outage with several.
SAMPLE = [(OUTAGES[number % 3], case) for number, case in enumerate(CASES) if number % 2 == 0]


def named(value: Any) -> str:
    return str(value.__name__)


@pytest.fixture(scope="module")
def clerks(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryUnderTest]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        opened_registry(url, tmp_path_factory.mktemp("home")) as r,
    ):
        as_clerk(r)
        yield r


def survives(r: RegistryUnderTest, outage: Outage, prepare: Callable[[RegistryUnderTest], Act]) -> None:
    act = prepare(r)
    before, recorded = contents(r), len(events(r))
    with outage(r):
        with pytest.raises(DependencyUnavailable) as refused:
            act()
        with r.unit() as uow:
            assert uow.policies.active()
    assert refused.value.details == {"dependency": "audit log"}
    assert contents(r) == before
    assert len(events(r)) == recorded
    act()
    assert [each.action for each in events(r)[recorded:]] == CASES[prepare]


@pytest.mark.parametrize(("outage", "prepare"), SAMPLE, ids=named)
def test_nothing_changes_without_its_entry(
    clerks: RegistryUnderTest, outage: Outage, prepare: Callable[[RegistryUnderTest], Act]
) -> None:
    survives(clerks, outage, prepare)


@pytest.mark.prove
@pytest.mark.parametrize(("outage", "prepare"), FULL, ids=named)
def test_nothing_changes_without_its_entry_in_all_cases(
    clerks: RegistryUnderTest, outage: Outage, prepare: Callable[[RegistryUnderTest], Act]
) -> None:
    survives(clerks, outage, prepare)


def test_the_size_of_the_matrix() -> None:
    assert len(FULL) >= 60
    assert len(SAMPLE) >= 12
    assert {outage for outage, _ in SAMPLE} == set(OUTAGES)


@pytest.fixture(scope="module")
def api(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("home") / "home") as api,
    ):
        as_clerk(api.registry)
        yield api


@pytest.mark.parametrize("outage", OUTAGES, ids=named)
def test_callers_are_told_to_come_again(api: ServedApi, outage: Outage) -> None:
    model, number = api.model(), new_id()
    draft = api.version(model)
    writes: dict[str, Any] = {
        "/api/v1/models": {"name": f"during-{number}", "group": "lab", "riskTier": "Low"},
        f"/api/v1/models/{model}/versions": {"version": "2.0.0", "commitSha": "0" * 40, "metadata": {}},
        f"{draft}/transitions": {"transition": "submit"},
        "/api/v1/auth/tokens": {"label": "during"},
        "/api/v1/activity/subscribe": {"filters": {}},
    }
    keys = {path: {"Idempotency-Key": new_id()} for path in writes}
    counted = (
        "models",
        "model_versions",
        "transition_requests",
        "tokens",
        "activity_subscriptions",
        "idempotency_keys",
    )

    def rows() -> list[int]:
        return [int(query(api.registry, f"select count(*) from {table}")[0][0]) for table in counted]

    before = rows()
    with outage(api.registry):
        for path, body in writes.items():
            headers = keys[path] if not path.endswith("tokens") else {}
            answer = api.dev.post(path, json=body, headers=headers)
            error = refusal(answer, 503, "DEPENDENCY_UNAVAILABLE")
            assert error["details"] == {"dependency": "audit log"}
            assert answer.headers["retry-after"]
            assert "outbox" not in answer.text
        refusal(api.admin.get("/api/v1/audit/export"), 503, "DEPENDENCY_UNAVAILABLE")
        assert data(api.dev.get(f"/api/v1/models/{model}"))["id"] == model
        assert data(api.dev.get(draft))["state"] == "draft"
        assert data(api.admin.get("/api/v1/audit")) == []
        assert rows() == before
    for path, body in writes.items():
        headers = keys[path] if not path.endswith("tokens") else {}
        assert api.dev.post(path, json=body, headers=headers).status_code in (201, 202), path
    assert all(after > count for after, count in zip(rows(), before, strict=True))
    # The export that could not be recorded holds no connection.
    assert query(api.registry, "select count(*) from pg_stat_activity where application_name like '%%export'") == [(0,)]
