"""A batch of rows as a pandas frame, from Parquet, CSV or a table of PostgreSQL; bounded in rows, columns, bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql

from flows.evaluation.job import Limits, RefusedError

Frame = tuple[pd.DataFrame, tuple[str, ...]]
"""The rows with the columns that were read, and the names of all columns that there are."""


def load(source: Mapping[str, Any], limits: Limits, wanted: Sequence[str] | None) -> Frame:
    """source: {"kind": "parquet" | "csv", "path"} or {"kind": "postgresql", "url", "schema", "table", "seconds"}.

    wanted: the columns to read, None for all; those that do not exist are left out. Raises RefusedError.
    """
    if source["kind"] == "postgresql":
        table, names = _from_database(source, limits, wanted)
    else:
        table, names = _from_file(source, limits, wanted)
    frame = table.to_pandas(use_threads=False, self_destruct=True, split_blocks=True)
    return frame, names


def _from_file(
    source: Mapping[str, Any], limits: Limits, wanted: Sequence[str] | None
) -> tuple[pa.Table, tuple[str, ...]]:
    kind = source["kind"]
    try:
        with Path(source["path"]).open("rb") as file:
            read = _read_parquet if kind == "parquet" else _read_csv
            return read(file, limits, wanted)
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RefusedError("dataset", f"The dataset is not readable as {kind}.") from error


def _read_parquet(file: BinaryIO, limits: Limits, wanted: Sequence[str] | None) -> tuple[pa.Table, tuple[str, ...]]:
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    names = _checked_names(parquet.schema_arrow.names, limits)
    _check_rows(parquet.metadata.num_rows, limits)
    return parquet.read(columns=_chosen(names, wanted), use_threads=False), names


def _read_csv(file: BinaryIO, limits: Limits, wanted: Sequence[str] | None) -> tuple[pa.Table, tuple[str, ...]]:
    from pyarrow import csv

    # One block as large as the file: types are inferred from all of a column, not from its first rows.
    size = max(1, min(file.seek(0, 2) + 1, 2**31 - 1))
    file.seek(0)
    table = csv.read_csv(
        file,
        read_options=csv.ReadOptions(use_threads=False, block_size=size),
        convert_options=csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False),
    )
    names = _checked_names(table.column_names, limits)
    _check_rows(table.num_rows, limits)
    return table.select(_chosen(names, wanted)), names


# How a column of PostgreSQL is read, by the OID of its type (pg_type.dat); everything else comes as text.
_NUMBERS = {20, 21, 23, 26}
_FRACTIONS = {700, 701, 1700}
_BOOLEAN, _DATE, _TIMESTAMP, _TIMESTAMP_WITH_ZONE = 16, 1082, 1114, 1184


def _from_database(
    source: Mapping[str, Any], limits: Limits, wanted: Sequence[str] | None
) -> tuple[pa.Table, tuple[str, ...]]:
    """In one read-only transaction with a time limit. Raises RefusedError, which never quotes the address."""
    try:
        with psycopg.connect(source["url"], connect_timeout=10, application_name="gatehouse validation") as connection:
            connection.read_only = True
            connection.execute(sql.SQL("set local statement_timeout = {}").format(int(source["seconds"] * 1000)))
            connection.execute("set local datestyle = 'ISO'")
            connection.execute("set local timezone = 'UTC'")
            return _copied(connection, sql.Identifier(source["schema"], source["table"]), limits, wanted)
    except psycopg.errors.QueryCanceled as error:
        raise RefusedError("timeout", f"The table was not read within {source['seconds']:g} seconds.") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise RefusedError("dataset", "There is no such table, or the connection may not see it.") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise RefusedError("dataset", "The connection may not read this table.") from error
    except psycopg.Error as error:
        raise RefusedError("dataset", f"The database did not give the table ({type(error).__name__}).") from error


def _copied(
    connection: psycopg.Connection, table: sql.Identifier, limits: Limits, wanted: Sequence[str] | None
) -> tuple[pa.Table, tuple[str, ...]]:
    from pyarrow import csv

    described = connection.execute(sql.SQL("select * from {} limit 0").format(table)).description or []
    names = _checked_names([column.name for column in described], limits)
    oids = {column.name: column.type_code for column in described}
    chosen = _chosen(names, wanted)
    rows = sql.SQL("copy (select {} from {} limit {}) to stdout (format csv, header)").format(
        sql.SQL(", ").join(_selected(name, oids[name]) for name in chosen) if chosen else sql.SQL("1 as one"),
        table,
        limits.rows + 1,
    )
    content = io.BytesIO()
    with connection.cursor().copy(rows) as copy:
        for block in copy:
            content.write(block)
            if content.tell() > limits.dataset_bytes:
                raise RefusedError("dataset", f"The table has more than {limits.dataset_bytes} bytes.")
    size = min(content.tell() + 1, 2**31 - 1)
    content.seek(0)
    try:
        read = csv.read_csv(
            content,
            read_options=csv.ReadOptions(use_threads=False, block_size=size),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types={name: _arrow(oids[name]) for name in chosen},
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowMemoryError:
        raise
    except pa.ArrowException as error:
        raise RefusedError("dataset", "The table holds values that cannot be read.") from error
    _check_rows(read.num_rows, limits)
    return read if chosen else read.select([]), names


def _selected(name: str, oid: int) -> sql.Composable:
    column = sql.Identifier(name)
    return sql.SQL("{0} at time zone 'UTC' as {0}").format(column) if oid == _TIMESTAMP_WITH_ZONE else column


def _arrow(oid: int) -> pa.DataType:
    if oid in _NUMBERS:
        return pa.int64()
    if oid in _FRACTIONS:
        return pa.float64()
    if oid == _BOOLEAN:
        return pa.bool_()
    if oid == _DATE:
        return pa.date32()
    return pa.timestamp("us") if oid in (_TIMESTAMP, _TIMESTAMP_WITH_ZONE) else pa.string()


def _chosen(names: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Those that are wanted, in the order of the table."""
    return [name for name in names if wanted is None or name in wanted]


def _checked_names(names: Sequence[str], limits: Limits) -> tuple[str, ...]:
    if len(names) > limits.columns:
        raise RefusedError("dataset", f"The data have {len(names)} columns; at most {limits.columns} are allowed.")
    if len(set(names)) < len(names):
        raise RefusedError("dataset", "The data have two columns of one name.")
    return tuple(names)


def _check_rows(rows: int, limits: Limits) -> None:
    if rows > limits.rows:
        raise RefusedError("dataset", f"The data have more than the {limits.rows:,} rows that are allowed.")
