"""Migrations make what the tables say, can be undone with data in them, and be run by everybody at once."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine
from sqlalchemy import text as sql

from governance.lifecycle import edges
from storage.audit_log import CREATE_STATEMENTS, DROP_STATEMENTS
from storage.composition import open_engine
from storage.migrations import downgrade, upgrade
from storage.postgres_server import PostgresServer
from storage.repositories.evaluations import EvaluationRepository
from storage.tables import metadata
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registries import opened_registry
from tests.fixtures.suites import DEFINITION, grouped_csv, suite

foundation = importlib.import_module("storage.migrations.versions.0001_foundation")

AUDIT_TABLES = {"audit_outbox", "audit_entries", "audit_head", "audit_tree"}


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url, pool_size=2)
    try:
        yield engine
    finally:
        engine.dispose()


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def tables(url: str) -> set[str]:
    return {name for (name,) in rows(url, "select tablename from pg_tables where schemaname = 'public'")}


def functions(url: str) -> set[str]:
    """Of the schema, without those that an extension brought."""
    query = """select proname from pg_proc p where pronamespace = 'public'::regnamespace
               and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')"""
    return {name for (name,) in rows(url, query)}


def a_life(url: str, home: Path) -> None:
    """Something happens in most tables."""
    with opened_registry(url, home) as made:
        model = made.model()
        made.version(model)
        made.settle(made.open(model, "1.0.0", "submit"))
        assert made.state(model, "1.0.0") == "submitted"
        made.approve(made.open(model, "1.0.0", "approve_staging"))


def test_up_down_and_up_again_with_data(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with fresh_database(postgres_server) as url, opened(url) as engine:
        upgrade(engine)
        a_life(url, tmp_path / "first")
        assert rows(url, "select count(*) > 5 from audit_outbox") == [(True,)]

        downgrade(engine, "base")
        assert tables(url) == {"alembic_version"}
        assert functions(url) == set()

        upgrade(engine)
        assert tables(url) == {*metadata.tables, *AUDIT_TABLES, "alembic_version"}
        a_life(url, tmp_path / "second")


def test_upgrading_what_is_up_to_date_keeps_everything(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with fresh_database(postgres_server) as url, opened(url) as engine:
        upgrade(engine)
        a_life(url, tmp_path)
        before = rows(url, "select id, status from transition_requests order by id")
        upgrade(engine)
        assert rows(url, "select id, status from transition_requests order by id") == before


def test_several_starters_at_once(postgres_server: PostgresServer) -> None:
    def start(url: str) -> None:
        with opened(url) as engine:
            upgrade(engine)

    with fresh_database(postgres_server) as url:
        with ThreadPoolExecutor(4) as starters:
            list(starters.map(start, [url] * 4))
        assert rows(url, "select version_num from alembic_version") == [("0015",)]


def test_a_migration_that_fails_leaves_nothing(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server) as url, opened(url) as engine:
        with psycopg.connect(url) as connection:
            connection.execute("create table audit_head (in_the_way integer)")
        with pytest.raises(Exception, match="audit_head"):
            upgrade(engine)
        assert tables(url) == {"audit_head"}


@pytest.mark.filterwarnings("ignore:Expression #1")  # of the index that is compared below instead
def test_the_migrated_schema_is_that_of_the_tables(database_url: str) -> None:
    def ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return name not in AUDIT_TABLES and name != "models_search_ix"  # an expression: compared below

    with opened(database_url) as engine, engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": ours, "compare_type": True, "compare_server_default": True},
        )
        assert compare_metadata(context, metadata) == []


CONSTRAINTS = """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace
    and conrelid::regclass::text not in ('audit_outbox', 'audit_entries', 'audit_head', 'audit_tree', 'alembic_version')
"""
INDEXES = """
    select indexname, indexdef from pg_indexes where schemaname = 'public'
    and tablename not in ('audit_outbox', 'audit_entries', 'audit_head', 'audit_tree', 'alembic_version')
"""


def test_constraints_and_partial_indexes_agree_too(postgres_server: PostgresServer, database_url: str) -> None:
    """Alembic compares neither checks nor the conditions of indexes."""
    with fresh_database(postgres_server) as url, opened(url) as engine:
        with engine.begin() as connection:
            connection.execute(sql("create extension pg_trgm"))
            metadata.create_all(connection)
        for query in (CONSTRAINTS, INDEXES):
            assert sorted(rows(url, query)) == sorted(rows(database_url, query))


def test_the_database_holds_the_edges_of_the_lifecycle(database_url: str) -> None:
    assert set(rows(database_url, "select * from lifecycle_edges")) == set(edges())


def test_the_audit_log_is_migrated_as_it_describes_itself() -> None:
    def plain(statements: tuple[str, ...]) -> list[str]:
        return [" ".join(statement.split()) for statement in statements]

    assert plain(foundation.AUDIT_LOG) == plain(CREATE_STATEMENTS)
    assert plain(foundation.DROP_AUDIT_LOG) == plain(DROP_STATEMENTS)


def test_suites_of_before_keep_their_rows_through_definitions_and_back(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    kept = "select id, name, dataset_id, target, thresholds::text, digest from evaluation_suites order by id"
    with fresh_database(postgres_server) as url, opened(url) as engine:
        upgrade(engine)
        with opened_registry(url, tmp_path) as made:
            model = made.model()
            before = suite(made, model, grouped_csv())
            suite(made, model, grouped_csv(), name="with-cases", definition=DEFINITION)
            rows_alone = {"cases": DEFINITION["cases"][:1]}
            alone = suite(made, model, name="alone", metrics=[], thresholds={}, target=None, definition=rows_alone)
        all_of_them = rows(url, kept)
        downgrade(engine, "0010")
        left = rows(url, kept)
        assert left == [row for row in all_of_them if str(row[0]) != alone.id]  # an older release cannot say what it is
        upgrade(engine)
        assert rows(url, kept) == left
        assert rows(url, "select distinct kind, definition::text from evaluation_suites") == [("regression", "{}")]
        with engine.connect() as connection:
            assert EvaluationRepository(connection).suite(before.id) == before
