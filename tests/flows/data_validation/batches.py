"""Rows that are good, and ways to break them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

ROWS = 400


def good(rows: int = ROWS) -> dict[str, Any]:
    random = np.random.default_rng(3)
    return {
        "id": list(range(rows)),
        "age": [int(value) for value in random.integers(18, 90, rows)],
        "income": [float(value) for value in random.normal(40_000, 9_000, rows)],
        "country": [str(value) for value in random.choice(["DE", "FR", "NL"], rows)],
        "email": [f"person{number}@example.org" for number in range(rows)],
        "target": [number % 2 for number in range(rows)],
    }


def broken() -> dict[str, Any]:
    """Forty ages are missing, ten incomes are negative, five countries are unknown, and no id is the other's."""
    columns = good()
    columns["age"][:40] = [None] * 40
    columns["income"][:10] = [-1.0] * 10
    columns["country"][:5] = ["XX"] * 5
    return columns


EXPECTATIONS: list[dict[str, Any]] = [
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "income", "min_value": 0}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "country", "value_set": ["DE", "FR", "NL"]}},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
    {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 100}},
    {
        "type": "expect_column_quantile_values_to_be_between",
        "kwargs": {
            "column": "income",
            "quantile_ranges": {"quantiles": [0.1, 0.5], "value_ranges": [[0, 60_000], [30_000, 50_000]]},
        },
    },
    {
        "type": "expect_column_mean_to_be_between",
        "kwargs": {"column": "income", "min_value": 35_000, "max_value": 45_000},
        "severity": "warning",
    },
]

# What is said of `broken`.
REASONS = (
    "column 'age': 40 of 400 values are null; at most 0 % allowed",
    "column 'income': 10 of 400 values are not at least 0; at most 0 % allowed",
    "column 'country': 5 of 400 values are not among the 3 values allowed; at most 0 % allowed",
)


def parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def csv_text(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    csv.write_csv(pa.table(columns), buffer)
    return buffer.getvalue()
