"""The same expectations find the same in Parquet, in CSV and in a table of PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from governance.data_validation.records import DataValidation
from storage.data_connections import connection_url
from storage.settings import Settings, SettingsError
from tests.flows.data_validation.batches import EXPECTATIONS, REASONS, broken, csv_text, good, parquet
from tests.flows.data_validation.conftest import Data
from tests.governance.operations.situations import events

TABLE = 'odd "name"'  # identifiers are quoted, whatever they hold


def table(data: Data, columns: dict[str, Any], schema: str) -> dict[str, str]:
    """The source that reads a new table of these columns."""
    place = sql.Identifier(schema, TABLE)
    kinds = "id int, age smallint, income double precision, country text, email varchar(80), target bigint"
    with psycopg.connect(data.database_url) as connection:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL(f"create table {{}} ({kinds})").format(place))
        with connection.cursor().copy(sql.SQL("copy {} from stdin").format(place)) as copy:
            for row in zip(*columns.values(), strict=True):
                copy.write_row(row)
    return {"kind": "postgresql", "connection": "warehouse", "schema": schema, "table": TABLE}


def told(found: DataValidation) -> list[str]:
    return [failure["sentence"] for failure in found.failures]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_files(data: Data, kind: str) -> None:
    written = parquet if kind == "parquet" else csv_text
    for columns, status, reasons in ((good(), "passed", ()), (broken(), "failed", REASONS)):
        dataset = data.dataset(written(columns), kind)
        data.expect(dataset, EXPECTATIONS)
        found = data.validated(dataset)
        assert (found.status, tuple(told(found)), found.rows) == (status, reasons, 400)


def test_tables(data: Data) -> None:
    dataset = data.dataset(parquet(good()))
    for columns, status, reasons in ((good(), "passed", ()), (broken(), "failed", REASONS)):
        number = data.expect(dataset, EXPECTATIONS, table(data, columns, f"Schema of {status}"))
        found = data.validated(dataset, number)
        assert (found.status, tuple(told(found)), found.rows) == (status, reasons, 400)
        assert "postgresql://" not in str(found)
    assert "postgresql://" not in str([event.to_json() for event in events(data.registry, dataset.id)])


def test_types_of_a_table_keep_their_meaning(data: Data) -> None:
    with psycopg.connect(data.database_url) as connection:
        connection.execute(
            "create table kinds (n numeric, flag boolean, day date, at timestamptz, empty text, blank text, odd jsonb)"
        )
        connection.execute(
            "insert into kinds values"
            " (1.5, true, '2026-01-02', '2026-01-02 01:00:00+01', null, '', '{\"a\": \"x,y\"}'),"
            " (null, false, null, null, null, E'two\\nlines', null)"
        )
    dataset = data.dataset(parquet(good()))
    expectations = [
        {"type": "expect_column_sum_to_be_between", "kwargs": {"column": "n", "min_value": 1.5, "max_value": 1.5}},
        {
            "type": "expect_column_distinct_values_to_equal_set",
            "kwargs": {"column": "flag", "value_set": [True, False]},
        },
        {
            "type": "expect_column_max_to_be_between",
            "kwargs": {"column": "at", "min_value": "2026-01-02T00:00:00", "max_value": "2026-01-02T00:00:00"},
        },
        {"type": "expect_column_values_to_be_null", "kwargs": {"column": "empty"}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "blank"}},
        {"type": "expect_column_value_lengths_to_be_between", "kwargs": {"column": "blank", "max_value": 9}},
    ]
    source = {"kind": "postgresql", "connection": "warehouse", "schema": "public", "table": "kinds"}
    found = data.validated(dataset, data.expect(dataset, expectations, source))
    assert (found.status, told(found), found.reason) == ("passed", [], None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"connection": "elsewhere"}, "The worker has no data connection 'elsewhere' for this dataset's group."),
        ({"table": "nowhere"}, "There is no such table, or the connection may not see it."),
        ({"table": 'x" union select 1 --'}, "There is no such table, or the connection may not see it."),
    ],
)
def test_a_table_that_cannot_be_read(data: Data, change: dict[str, str], reason: str) -> None:
    dataset = data.dataset(parquet(good()))
    source = {"kind": "postgresql", "connection": "warehouse", "schema": "public", "table": "users", **change}
    found = data.validated(dataset, data.expect(dataset, EXPECTATIONS, source))
    assert (found.status, found.reason) == ("error", reason)


def test_a_table_is_read_in_a_transaction_that_cannot_write_and_does_not_wait_for_ever(data: Data) -> None:
    """A view is as foreign as a file: what it does when it is read is bounded."""
    with psycopg.connect(data.database_url) as connection:
        connection.execute("create table touched (at timestamptz)")
        connection.execute(
            "create function touch() returns int language sql as 'insert into touched values (now()); select 1'"
        )
        connection.execute("create view writing as select touch() as x")
        connection.execute("create view slow as select 1 as x, pg_sleep(600)::text as y")
    dataset = data.dataset(parquet(good()))
    one = [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "x"}}]
    source = {"kind": "postgresql", "connection": "warehouse", "schema": "public", "table": "writing"}
    found = data.validated(dataset, data.expect(dataset, one, source))
    assert (found.status, found.reason) == ("error", "The database did not give the table (ReadOnlySqlTransaction).")
    with psycopg.connect(data.database_url) as connection:
        assert connection.execute("select count(*) from touched").fetchall() == [(0,)]
    asked = {
        "op": "validate",
        "showValues": False,
        "expectations": [{**one[0], "kwargs": {"column": "y"}, "severity": "critical"}],
        "source": {"kind": "postgresql", "url": data.database_url, "schema": "public", "table": "slow", "seconds": 0.2},
    }
    answer = data.validator.process.ask(asked)
    assert getattr(answer, "reason", answer) == "The table was not read within 0.2 seconds."


def test_dates_and_times_of_files(data: Data) -> None:
    columns = {"at": [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]}
    between = {"column": "at", "min_value": "2026-01-01T00:00:00+00:00", "max_value": "2026-01-02T12:00:00+00:00"}
    found = data.found(columns, {"type": "expect_column_values_to_be_between", "kwargs": between})
    assert told(found) == [
        "column 'at': 1 of 3 values are not between 2026-01-01T00:00:00+00:00 and 2026-01-02T12:00:00+00:00; "
        "at most 0 % allowed"
    ]


def test_connections_by_name(tmp_path: Path) -> None:
    def settings(given: str) -> Settings:
        return Settings(home=tmp_path, data_connections=given)

    two = settings("a=postgresql://one b=postgresql://two")
    assert [connection_url(two, name, "lab") for name in "abc"] == ["postgresql://one", "postgresql://two", None]
    assert connection_url(settings(""), "a", "lab") is None
    assert "postgresql" not in repr(two), "an address holds a password"
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"a": {"url": "postgresql://one", "groups": ["lab"]}, "b": "postgresql://two"}))
    with pytest.raises(SettingsError, match="0600"):
        connection_url(settings(str(file)), "a", "lab")
    file.chmod(0o600)
    assert connection_url(settings(str(file)), "a", "lab") == "postgresql://one"
    assert connection_url(settings(str(file)), "a", "retail") is None
    assert connection_url(settings(str(file)), "b", "retail") == "postgresql://two"
    for nonsense in ("a=mysql://x", str(tmp_path / "none.json")):
        with pytest.raises(SettingsError, match="GATEHOUSE_DATA_CONNECTIONS"):
            connection_url(settings(nonsense), "a", "lab")
