"""Policies that were published before they were data are still in force after it, and after going back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from governance.operations import policies
from governance.policies import ActivePolicy
from storage.composition import open_engine
from storage.migrations import downgrade, upgrade
from storage.postgres_server import PostgresServer
from tests.fixtures.policies import policy
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registries import opened_registry

OLD = """
    insert into policies (name, version, parameters, active, created_at) values
        ('completeness', 1, '{"minimum_description": 20}', false, now()),
        ('completeness', 2, '{"minimum_description": 7}', true, now()),
        ('of-another-release', 1, '{"strength": 3}', true, now())
"""


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_up_and_down_with_policies_in_force(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with fresh_database(postgres_server) as url:
        engine = open_engine(url, pool_size=1)
        upgrade(engine)
        downgrade(engine, "0004")
        with psycopg.connect(url) as connection:
            connection.execute(OLD.encode())
        upgrade(engine)
        assert rows(url, "select name, version, state from policies order by 1, 2") == [
            ("completeness", 1, "superseded"),
            ("completeness", 2, "active"),
            ("of-another-release", 1, "active"),
        ]
        with opened_registry(url, tmp_path) as r:

            def in_force(name: str) -> ActivePolicy | None:
                with r.unit() as uow:
                    return next((one for one in uow.policies.active() if one.policy.name == name), None)

            found = in_force("completeness")
            assert found is not None
            assert (found.version, found.policy.parameters()["minimum_description"]) == (2, 7)
            assert in_force("of-another-release") is None
            r.publish("completeness", {"minimum_description": 9})
            r.write_policy(policy("written"))
            r.confirm(str(policies.disable(r.unit(), r.call(r.admin), "no-worse-than-incumbent").change_id))
        downgrade(engine, "0004")
        assert rows(url, "select name, version, active from policies order by 1, 2") == [
            ("completeness", 1, False),
            ("completeness", 2, False),
            ("completeness", 3, True),
            ("no-worse-than-incumbent", 1, False),
            ("of-another-release", 1, True),
        ]
        upgrade(engine)
        assert rows(url, "select state from policies where name = 'completeness' and version = 3") == [("active",)]
        engine.dispose()
