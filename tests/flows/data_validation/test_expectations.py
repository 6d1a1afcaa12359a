"""Every kind of expectation that is accepted: the library agrees about its arguments, and it notices damage."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from flows.evaluation.sandbox import Broken
from governance.data_validation.expectations import TYPES, checked_expectations
from governance.errors import InvalidInput
from tests.flows.data_validation.batches import broken, good, parquet
from tests.flows.data_validation.conftest import Data

_LISTED = """
import json, sys, warnings
warnings.simplefilter("ignore")
import great_expectations.expectations as library
from great_expectations.expectations.expectation import Expectation
shared = set(Expectation.__fields__) | {"table", "batch", "batch_id", "row_condition", "condition_parser"}
found = {}
for kind in json.loads(sys.argv[1]):
    model = getattr(library, "".join(part.capitalize() for part in kind.split("_")))
    fields = {name: field for name, field in model.__fields__.items() if name not in shared}
    found[kind] = {name: bool(field.required) for name, field in fields.items() if name != "library_metadata"}
print(json.dumps(found))
"""


def test_the_library_takes_these_arguments() -> None:
    """Ours are the library's, without what it marks as left to its own use; what it needs, we ask for."""
    done = subprocess.run(
        [sys.executable, "-c", _LISTED, json.dumps(sorted(TYPES))],
        env={"GX_ANALYTICS_ENABLED": "false", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    left_out = {
        "expect_column_quantile_values_to_be_between": {"allow_relative_error"},  # of databases that estimate
        "expect_table_row_count_to_be_between": {"strict_min", "strict_max"},  # of whole numbers
    }
    for kind, ours in TYPES.items():
        assert set(theirs[kind]) == set(ours) | left_out.get(kind, set()), kind
        assert {name for name, needed in theirs[kind].items() if needed} <= {
            name for name, shape in ours.items() if shape.endswith("!")
        }, kind


# type: (arguments that hold for `good`, arguments that do not hold for `broken`)
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "expect_column_to_exist": ({"column": "age", "column_index": 1}, {"column": "age", "column_index": 4}),
    "expect_column_values_to_not_be_null": ({"column": "age"}, {"column": "age", "mostly": 0.95}),
    "expect_column_values_to_be_null": ({"column": "age", "mostly": 0}, {"column": "age"}),
    "expect_column_values_to_be_unique": ({"column": "id"}, {"column": "country"}),
    "expect_column_values_to_be_in_set": (
        {"column": "country", "value_set": ["DE", "FR", "NL"]},
        {"column": "country", "value_set": ["DE", "FR", "NL"]},
    ),
    "expect_column_values_to_not_be_in_set": (
        {"column": "country", "value_set": ["XX"]},
        {"column": "country", "value_set": ["XX"]},
    ),
    "expect_column_values_to_be_between": (
        {"column": "income", "min_value": 0, "max_value": 1e6},
        {"column": "income", "min_value": 0, "strict_min": True},
    ),
    "expect_column_values_to_match_regex": (
        {"column": "email", "regex": r"^\w+@example\.org$"},
        {"column": "country", "regex": "^[A-W]"},
    ),
    "expect_column_values_to_not_match_regex": (
        {"column": "country", "regex": "X"},
        {"column": "country", "regex": "X"},
    ),
    "expect_column_values_to_match_regex_list": (
        {"column": "country", "regex_list": ["^DE$", "^FR$", "^NL$"], "match_on": "any"},
        {"column": "country", "regex_list": ["^D", "^F", "^N"]},
    ),
    "expect_column_values_to_not_match_regex_list": (
        {"column": "country", "regex_list": ["X", "Y"]},
        {"column": "country", "regex_list": ["X", "Y"]},
    ),
    "expect_column_value_lengths_to_be_between": (
        {"column": "country", "min_value": 2, "max_value": 2},
        {"column": "email", "max_value": 5},
    ),
    "expect_column_value_lengths_to_equal": ({"column": "country", "value": 2}, {"column": "country", "value": 3}),
    "expect_column_values_to_be_of_type": (
        {"column": "income", "type_": "float64"},
        {"column": "income", "type_": "int64"},
    ),
    "expect_column_values_to_be_in_type_list": (
        {"column": "id", "type_list": ["int64", "int32"]},
        {"column": "id", "type_list": ["float64", "float32"]},
    ),
    "expect_column_min_to_be_between": ({"column": "age", "min_value": 18}, {"column": "income", "min_value": 0}),
    "expect_column_max_to_be_between": ({"column": "age", "max_value": 90}, {"column": "age", "max_value": 50}),
    "expect_column_mean_to_be_between": (
        {"column": "income", "min_value": 30_000, "max_value": 50_000},
        {"column": "income", "max_value": 1_000},
    ),
    "expect_column_median_to_be_between": (
        {"column": "income", "min_value": 30_000},
        {"column": "income", "max_value": 1_000},
    ),
    "expect_column_stdev_to_be_between": (
        {"column": "income", "min_value": 5_000, "max_value": 12_000},
        {"column": "income", "max_value": 5},
    ),
    "expect_column_sum_to_be_between": (
        {"column": "target", "min_value": 200, "max_value": 200},
        {"column": "target", "max_value": 9},
    ),
    "expect_column_unique_value_count_to_be_between": (
        {"column": "country", "min_value": 3, "max_value": 3},
        {"column": "country", "max_value": 3},
    ),
    "expect_column_proportion_of_unique_values_to_be_between": (
        {"column": "id", "min_value": 1},
        {"column": "country", "min_value": 0.5},
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": (
        {"column": "age", "min_value": 1},
        {"column": "age", "min_value": 0.95},
    ),
    "expect_column_distinct_values_to_be_in_set": (
        {"column": "target", "value_set": [0, 1]},
        {"column": "country", "value_set": ["DE", "FR", "NL"]},
    ),
    "expect_column_distinct_values_to_contain_set": (
        {"column": "country", "value_set": ["DE"]},
        {"column": "country", "value_set": ["ES"]},
    ),
    "expect_column_distinct_values_to_equal_set": (
        {"column": "target", "value_set": [0, 1]},
        {"column": "country", "value_set": ["DE", "FR", "NL"]},
    ),
    "expect_column_most_common_value_to_be_in_set": (
        {"column": "target", "value_set": [0, 1], "ties_okay": True},
        {"column": "country", "value_set": ["XX"]},
    ),
    "expect_column_quantile_values_to_be_between": (
        {"column": "income", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[30_000, None]]}},
        {"column": "income", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None, 5]]}},
    ),
    "expect_table_column_count_to_equal": ({"value": 6}, {"value": 7}),
    "expect_table_column_count_to_be_between": ({"min_value": 6, "max_value": 6}, {"max_value": 5}),
    "expect_table_columns_to_match_set": (
        {"column_set": ["target", "id", "age", "income", "country", "email"]},
        {"column_set": ["id"], "exact_match": True},
    ),
    "expect_table_columns_to_match_ordered_list": (
        {"column_list": ["id", "age", "income", "country", "email", "target"]},
        {"column_list": ["age", "id"]},
    ),
    "expect_table_row_count_to_equal": ({"value": 400}, {"value": 401}),
    "expect_table_row_count_to_be_between": ({"min_value": 1, "max_value": 500}, {"max_value": 399}),
    "expect_column_pair_values_to_be_equal": (
        {"column_A": "id", "column_B": "id"},
        {"column_A": "id", "column_B": "age"},
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        {"column_A": "income", "column_B": "age"},
        {"column_A": "income", "column_B": "age", "or_equal": True},
    ),
    "expect_column_pair_values_to_be_in_set": (
        {"column_A": "target", "column_B": "target", "value_pairs_set": [[0, 0], [1, 1]]},
        {"column_A": "target", "column_B": "target", "value_pairs_set": [[0, 0]]},
    ),
    "expect_compound_columns_to_be_unique": (
        {"column_list": ["id", "country"]},
        {"column_list": ["target", "country"]},
    ),
    "expect_select_column_values_to_be_unique_within_record": (
        {"column_list": ["income", "target"]},
        {"column_list": ["id", "target"]},
    ),
    "expect_multicolumn_sum_to_equal": (
        {"column_list": ["id", "target"], "sum_total": 0, "mostly": 0},
        {"column_list": ["id", "target"], "sum_total": 0},
    ),
}  # fmt: skip


def test_every_kind_accepts_what_holds_and_notices_what_does_not(data: Data) -> None:
    assert set(KINDS) == set(TYPES)
    held = data.found(good(), *({"type": kind, "kwargs": holds} for kind, (holds, _) in KINDS.items()))
    assert (held.status, held.reason, [failure["sentence"] for failure in held.failures]) == ("passed", None, [])
    wrong = data.found(broken(), *({"type": kind, "kwargs": fails} for kind, (_, fails) in KINDS.items()))
    assert wrong.reason is None
    assert [failure["type"] for failure in wrong.failures] == list(KINDS)
    told = {failure["type"]: failure["sentence"] for failure in wrong.failures}
    assert told["expect_table_row_count_to_equal"] == "table: the number of rows should be 401 and is not: 400"
    assert told["expect_column_max_to_be_between"].startswith("column 'age': the largest value should be at most 50")
    assert all("{" not in sentence or "quantiles" in sentence for sentence in told.values())


def test_a_draft_holds_for_its_data_and_notices_damage(data: Data) -> None:
    dataset = data.dataset(parquet(good()))
    drafted = data.validator.profile(dataset)
    assert not isinstance(drafted, Broken)
    expectations, rows = drafted
    assert rows == 400
    kinds = {one["type"] for one in expectations}
    assert {"expect_column_values_to_be_unique", "expect_column_values_to_be_in_set"} <= kinds
    assert checked_expectations(expectations) == expectations, "as a person would post it"
    assert data.found(good(), *expectations).status == "passed"
    damage: list[dict[str, Any]] = [broken(), {**good(), "income": [100 * value for value in good()["income"]]}]
    damage += [
        {name: values for name, values in good().items() if name != "age"},
        {k: v[:50] for k, v in good().items()},
    ]
    for columns in damage:
        assert data.found(columns, *expectations).status == "failed"


def test_a_warning_is_told_and_blocks_nothing(data: Data) -> None:
    found = data.found(
        broken(), {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}, "severity": "warning"}
    )
    assert (found.status, len(found.failures)) == ("passed", 1)


ONE = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "x"}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "1 to 500"),
        ([ONE] * 501, "1 to 500"),
        ([{**ONE, "type": "unexpected_rows_expectation"}], "not an expectation that can be used"),
        ([{**ONE, "type": "UnexpectedRowsExpectation", "kwargs": {"unexpected_rows_query": "select 1"}}], "not an exp"),
        ([{**ONE, "kwargs": {"column": "x", "row_condition": "__import__('os')"}}], "does not take row_condition"),
        ([{**ONE, "kwargs": {}}], "needs column"),
        ([{**ONE, "kwargs": {"column": "x" * 501}}], "name of a column"),
        ([{**ONE, "kwargs": {"column": "x", "mostly": 1.5}}], "from 0 to 1"),
        ([{**ONE, "kwargs": {"column": "x", "mostly": True}}], "from 0 to 1"),
        ([{**ONE, "severity": "info"}], "critical or warning"),
        ([{"type": "expect_column_values_to_match_regex", "kwargs": {"column": "x", "regex": "("}}], "regular exp"),
        ([{"type": "expect_column_mean_to_be_between", "kwargs": {"column": "x"}}], "min_value, max_value or both"),
        (
            [{"type": "expect_column_mean_to_be_between", "kwargs": {"column": "x", "min_value": {"$PARAMETER": "y"}}}],
            "finite number",
        ),
        (
            [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "x", "value_set": ["a" * 500] * 600}}],
            "256 KiB",
        ),
    ],
)
def test_what_is_refused_without_loading_the_library(given: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        checked_expectations(given)
