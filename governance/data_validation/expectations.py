"""Which expectations may be asked for, and what each of them takes.

An expectation is data: {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "age"}, "severity":
"critical"}. The types are core expectations of Great Expectations that speak of a table alone: none of them takes SQL
or Python, and `row_condition`, which is evaluated as code, is not among the arguments. The table is kept by hand so
that a caller is answered without loading the library; a test compares it with the library, whose own models check the
arguments again when a suite runs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from governance.canonical import digest_of
from governance.errors import InvalidInput

MOST_EXPECTATIONS = 500
MOST_VALUES = 1_000
LONGEST_TEXT = 500  # characters of a name, a value or a pattern
LARGEST_SUITE = 256 * 1024  # bytes of JSON

SEVERITIES = ("critical", "warning")
"""critical: blocks what depends on the dataset. warning: told, and blocks nothing."""

ARTIFACT_SOURCE: dict[str, Any] = {"kind": "artifact"}

_RANGE = {"min_value": "limit", "max_value": "limit", "strict_min": "flag", "strict_max": "flag"}
_MOSTLY = {"column": "column!", "mostly": "share"}
_COLUMN = {"column": "column!"}
_PAIR = {"column_A": "column!", "column_B": "column!", "mostly": "share", "ignore_row_if": "name"}
_MANY = {"column_list": "columns!", "mostly": "share", "ignore_row_if": "name"}

# What each argument has to look like; "!" marks those that must be given.
TYPES: dict[str, dict[str, str]] = {
    "expect_column_to_exist": {**_COLUMN, "column_index": "count"},
    "expect_column_values_to_not_be_null": _MOSTLY,
    "expect_column_values_to_be_null": _MOSTLY,
    "expect_column_values_to_be_unique": _MOSTLY,
    "expect_column_values_to_be_in_set": {**_MOSTLY, "value_set": "values!"},
    "expect_column_values_to_not_be_in_set": {**_MOSTLY, "value_set": "values!"},
    "expect_column_values_to_be_between": {**_MOSTLY, **_RANGE},
    "expect_column_values_to_match_regex": {**_MOSTLY, "regex": "pattern!"},
    "expect_column_values_to_not_match_regex": {**_MOSTLY, "regex": "pattern!"},
    "expect_column_values_to_match_regex_list": {**_MOSTLY, "regex_list": "patterns!", "match_on": "name"},
    "expect_column_values_to_not_match_regex_list": {**_MOSTLY, "regex_list": "patterns!"},
    "expect_column_value_lengths_to_be_between": {**_MOSTLY, **_RANGE},
    "expect_column_value_lengths_to_equal": {**_MOSTLY, "value": "count!"},
    "expect_column_values_to_be_of_type": {**_MOSTLY, "type_": "name!"},
    "expect_column_values_to_be_in_type_list": {**_MOSTLY, "type_list": "names!"},
    "expect_column_min_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_max_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_mean_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_median_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_stdev_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_sum_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_unique_value_count_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_proportion_of_unique_values_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_proportion_of_non_null_values_to_be_between": {**_COLUMN, **_RANGE},
    "expect_column_distinct_values_to_be_in_set": {**_COLUMN, "value_set": "values!"},
    "expect_column_distinct_values_to_contain_set": {**_COLUMN, "value_set": "values!"},
    "expect_column_distinct_values_to_equal_set": {**_COLUMN, "value_set": "values!"},
    "expect_column_most_common_value_to_be_in_set": {**_COLUMN, "value_set": "values!", "ties_okay": "flag"},
    "expect_column_quantile_values_to_be_between": {**_COLUMN, "quantile_ranges": "quantiles!"},
    "expect_table_column_count_to_equal": {"value": "count!"},
    "expect_table_column_count_to_be_between": {"min_value": "count", "max_value": "count"},
    "expect_table_columns_to_match_set": {"column_set": "columns!", "exact_match": "flag"},
    "expect_table_columns_to_match_ordered_list": {"column_list": "columns!"},
    "expect_table_row_count_to_equal": {"value": "count!"},
    "expect_table_row_count_to_be_between": {"min_value": "count", "max_value": "count"},
    "expect_column_pair_values_to_be_equal": _PAIR,
    "expect_column_pair_values_a_to_be_greater_than_b": {**_PAIR, "or_equal": "flag"},
    "expect_column_pair_values_to_be_in_set": {**_PAIR, "value_pairs_set": "pairs!"},
    "expect_compound_columns_to_be_unique": _MANY,
    "expect_select_column_values_to_be_unique_within_record": _MANY,
    "expect_multicolumn_sum_to_equal": {**_MANY, "sum_total": "number!"},
}

# Those that speak of the columns a table has, not of what is in one.
ABOUT_COLUMNS = frozenset(
    {
        "expect_column_to_exist",
        "expect_table_column_count_to_equal",
        "expect_table_column_count_to_be_between",
        "expect_table_columns_to_match_set",
        "expect_table_columns_to_match_ordered_list",
    }
)


def columns_of(expectation: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns whose values an expectation looks at, in its order."""
    kwargs = expectation["kwargs"]
    if expectation["type"] == "expect_table_columns_to_match_ordered_list":
        return ()
    named = [kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs]
    return tuple(dict.fromkeys([*named, *kwargs.get("column_list", ())]))


def suite_digest(expectations: Sequence[Mapping[str, Any]], source: Mapping[str, Any]) -> str:
    return digest_of({"expectations": [dict(one) for one in expectations], "source": dict(source)})


def checked_expectations(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The expectations in their stored form, each with its severity.

    Raises InvalidInput naming the first that cannot be used and its argument. What only the library knows, such as the
    name of a type, is found when the suite runs.
    """
    if not 1 <= len(given) <= MOST_EXPECTATIONS:
        raise InvalidInput(
            f"A suite has 1 to {MOST_EXPECTATIONS} expectations; here are {len(given)}.",
            details={"field": "expectations"},
        )
    checked = [_checked(number, one) for number, one in enumerate(given)]
    if len(json.dumps(checked)) > LARGEST_SUITE:
        raise InvalidInput(
            f"A suite has at most {LARGEST_SUITE // 1024} KiB of expectations.", details={"field": "expectations"}
        )
    return checked


_TABLE_NAME = re.compile(r"[^\x00-\x1f]{1,63}")
_CONNECTION = re.compile(r"[A-Za-z0-9_-]{1,63}", re.ASCII)


def checked_source(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a suite is run over: the dataset's own content, or a table of a database that the workers know by name.

    Whether there is such a connection only the workers know, which alone hold its address and password.
    """
    if given is None or given.get("kind") == "artifact":
        return dict(ARTIFACT_SOURCE)
    source = {name: given.get(name) for name in ("kind", "connection", "schema", "table")}
    if source["kind"] != "postgresql":
        raise InvalidInput("source.kind is artifact or postgresql.", details={"field": "source.kind"})
    for name in ("connection", "schema", "table"):
        pattern = _CONNECTION if name == "connection" else _TABLE_NAME
        if not isinstance(source[name], str) or not pattern.fullmatch(str(source[name])):
            raise InvalidInput(f"source.{name} has 1 to 63 characters.", details={"field": f"source.{name}"})
    return source


def _checked(number: int, given: Mapping[str, Any]) -> dict[str, Any]:
    kind, kwargs = given.get("type"), given.get("kwargs")
    where = f"expectations[{number}]"
    takes = TYPES.get(kind) if isinstance(kind, str) else None
    if takes is None:
        raise InvalidInput(
            f"{where}.type is not an expectation that can be used here.",
            details={"field": f"{where}.type", "known": sorted(TYPES)},
        )
    severity = given.get("severity") or "critical"
    if severity not in SEVERITIES:
        raise InvalidInput(f"{where}.severity is critical or warning.", details={"field": f"{where}.severity"})
    if not isinstance(kwargs, Mapping):
        raise InvalidInput(f"{where}.kwargs is an object.", details={"field": f"{where}.kwargs"})
    if unknown := sorted(set(map(str, kwargs)) - set(takes)):
        raise InvalidInput(
            f"{kind} does not take {', '.join(unknown)[:200]}.",
            details={"field": f"{where}.kwargs", "takes": sorted(takes)},
        )
    for name, shape in takes.items():
        field = f"{where}.kwargs.{name}"
        value = kwargs.get(name)
        if value is None:
            if shape.endswith("!"):
                raise InvalidInput(f"{kind} needs {name}.", details={"field": field})
        elif not _SHAPES[shape.rstrip("!")](value):
            raise InvalidInput(f"{name} of {kind} is {_MEANT[shape.rstrip('!')]}.", details={"field": field})
    used = {name: value for name, value in kwargs.items() if value is not None}
    if "max_value" in takes and not {"min_value", "max_value"} & set(used):
        raise InvalidInput(f"{kind} needs min_value, max_value or both.", details={"field": f"{where}.kwargs"})
    return {"type": kind, "kwargs": used, "severity": severity}


def _text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_TEXT and "\x00" not in value


def _number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e300
    )


def _value(value: Any) -> bool:
    return isinstance(value, bool) or _number(value) or (isinstance(value, str) and len(value) <= LONGEST_TEXT)


def _list(item: Callable[[Any], bool], most: int = MOST_VALUES) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and 1 <= len(value) <= most and all(map(item, value))


def _pattern(value: Any) -> bool:
    """A regular expression that Python can compile; a pattern that is slow to match meets the limits of the worker."""
    if not _text(value):
        return False
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _bounds(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(one is None or _number(one) for one in value)


def _quantiles(value: Any) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"quantiles", "value_ranges"}:
        return False
    quantiles, ranges = value["quantiles"], value["value_ranges"]
    wanted = _list(lambda one: _number(one) and 0 <= one <= 1, 100)
    return wanted(quantiles) and _list(_bounds, 100)(ranges) and len(quantiles) == len(ranges)


_SHAPES: dict[str, Callable[[Any], bool]] = {
    "column": _text,
    "columns": _list(_text),
    "name": _text,
    "names": _list(_text, 100),
    "share": lambda value: _number(value) and 0 <= value <= 1,
    "limit": lambda value: _number(value) or _text(value),
    "number": _number,
    "count": lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**12,
    "flag": lambda value: isinstance(value, bool),
    "values": _list(_value),
    "pairs": _list(lambda pair: isinstance(pair, list | tuple) and len(pair) == 2 and all(map(_value, pair))),
    "pattern": _pattern,
    "patterns": _list(_pattern, 100),
    "quantiles": _quantiles,
}

_MEANT = {
    "column": "the name of a column",
    "columns": "a list of names of columns",
    "name": f"a text of at most {LONGEST_TEXT} characters",
    "names": "a list of at most 100 names",
    "share": "a number from 0 to 1",
    "limit": "a finite number, or a date as text",
    "number": "a finite number",
    "count": "a whole number that is not negative",
    "flag": "true or false",
    "values": f"a list of 1 to {MOST_VALUES} texts, numbers or truth values",
    "pairs": f"a list of 1 to {MOST_VALUES} pairs of values",
    "pattern": f"a regular expression of at most {LONGEST_TEXT} characters",
    "patterns": "a list of at most 100 regular expressions",
    "quantiles": "an object with quantiles (from 0 to 1) and as many value_ranges ([low, high])",
}
