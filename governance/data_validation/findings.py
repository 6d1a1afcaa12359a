"""What a validation found of an expectation that does not hold, in words.

A failure is {"number", "type", "severity", "kwargs", "columns", "elements", "unexpected", "missing", "observed",
"examples"}: how many values were looked at, how many were against the expectation and how many were null; `observed` is
the figure that an expectation about a whole column computes. Counts are None where they make no sense.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

Failure = Mapping[str, Any]

# "... of N values": what is wrong with those that are against the expectation.
_FAULTS: dict[str, str] = {
    "expect_column_values_to_not_be_null": "are null",
    "expect_column_values_to_be_null": "are not null",
    "expect_column_values_to_be_unique": "are not unique",
    "expect_column_values_to_be_in_set": "are not among the {set} allowed",
    "expect_column_values_to_not_be_in_set": "are among the {set} not allowed",
    "expect_column_values_to_be_between": "are not {range}",
    "expect_column_values_to_match_regex": "do not match {regex}",
    "expect_column_values_to_not_match_regex": "match {regex}",
    "expect_column_values_to_match_regex_list": "do not match the patterns",
    "expect_column_values_to_not_match_regex_list": "match one of the patterns",
    "expect_column_value_lengths_to_be_between": "have a length that is not {range}",
    "expect_column_value_lengths_to_equal": "have a length other than {value}",
    "expect_column_values_to_be_of_type": "are not of type {type_}",
    "expect_column_values_to_be_in_type_list": "are of another type",
    "expect_column_pair_values_to_be_equal": "differ",
    "expect_column_pair_values_a_to_be_greater_than_b": "have a first value that is not greater",
    "expect_column_pair_values_to_be_in_set": "are not among the pairs allowed",
    "expect_compound_columns_to_be_unique": "occur more than once",
    "expect_select_column_values_to_be_unique_within_record": "repeat within a record",
    "expect_multicolumn_sum_to_equal": "do not add up to {sum_total}",
}

# What an expectation about a whole column or table computes, and what was wanted of it.
_FIGURES: dict[str, tuple[str, str]] = {
    "expect_column_min_to_be_between": ("the smallest value", "{range}"),
    "expect_column_max_to_be_between": ("the largest value", "{range}"),
    "expect_column_mean_to_be_between": ("the mean", "{range}"),
    "expect_column_median_to_be_between": ("the median", "{range}"),
    "expect_column_stdev_to_be_between": ("the standard deviation", "{range}"),
    "expect_column_sum_to_be_between": ("the sum", "{range}"),
    "expect_column_unique_value_count_to_be_between": ("the number of distinct values", "{range}"),
    "expect_column_proportion_of_unique_values_to_be_between": ("the share of distinct values", "{range}"),
    "expect_column_proportion_of_non_null_values_to_be_between": ("the share of values that are not null", "{range}"),
    "expect_column_distinct_values_to_be_in_set": ("the distinct values", "all among the {set} allowed"),
    "expect_column_distinct_values_to_contain_set": ("the distinct values", "a set that holds the {set} expected"),
    "expect_column_distinct_values_to_equal_set": ("the distinct values", "exactly the {set} expected"),
    "expect_column_most_common_value_to_be_in_set": ("the most common value", "among the {set} allowed"),
    "expect_column_quantile_values_to_be_between": ("the quantiles", "in their ranges"),
    "expect_table_row_count_to_equal": ("the number of rows", "{value}"),
    "expect_table_row_count_to_be_between": ("the number of rows", "{range}"),
    "expect_table_column_count_to_equal": ("the number of columns", "{value}"),
    "expect_table_column_count_to_be_between": ("the number of columns", "{range}"),
    "expect_table_columns_to_match_set": ("the set of columns", "the one expected"),
    "expect_table_columns_to_match_ordered_list": ("the list of columns", "the one expected"),
}

_TOLD = 160  # characters of an observed figure


def sentence(failure: Failure) -> str:
    """E.g. "column 'age': 812 of 100,000 values are null; at most 0 % allowed"."""
    kind, kwargs = failure["type"], failure["kwargs"]
    where = _where(failure["columns"])
    if failure.get("absent"):
        return f"{where}: the data have no such column"
    if kind == "expect_column_to_exist":
        return f"{where}: it does not stand where it is expected"
    filled = {
        "range": _range(kwargs),
        "set": f"{len(kwargs.get('value_set', ())):,} values",
        "regex": repr(kwargs.get("regex")),
        **{name: kwargs.get(name) for name in ("value", "type_", "sum_total")},
    }
    if kind in _FAULTS:
        return f"{where}: {_share(failure)} {_FAULTS[kind].format(**filled)}; {_allowed(kwargs)}"
    figure, wanted = _FIGURES[kind]
    observed = failure.get("observed")
    told = "" if observed is None else f": {_short(observed)}"
    return f"{where}: {figure} should be {wanted.format(**filled)} and is not{told}"


def withheld_sentence(failure: Failure, known: Container[str]) -> str:
    """The same for people who may not read the dataset: its figures, its limits and columns not `known` are left out.

    E.g. "a column: 812 of 100,000 values are against expect_column_values_to_not_be_null".
    """
    where = _where([name if name in known else None for name in failure["columns"]])
    if failure["unexpected"] is None:
        return f"{where}: {failure['type']} does not hold"
    return f"{where}: {_share(failure)} are against {failure['type']}"


def _where(columns: Any) -> str:
    if not columns:
        return "table"
    names = [repr(name[:80]) if name is not None else None for name in columns[:3]]
    if len(columns) == 1:
        return f"column {names[0]}" if names[0] is not None else "a column"
    told = ", ".join(name or "another one" for name in names) + (" and more" if len(columns) > 3 else "")
    return f"columns {told}"


def _share(failure: Failure) -> str:
    looked_at = (failure["elements"] or 0) - (failure["missing"] or 0)
    what = "rows" if len(failure["columns"]) > 1 else "values"
    return f"{failure['unexpected'] or 0:,} of {looked_at:,} {what}"


def _allowed(kwargs: Mapping[str, Any]) -> str:
    return f"at most {round(100 * (1 - kwargs.get('mostly', 1)), 6):g} % allowed"


def _range(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is None:
        return f"{'below' if kwargs.get('strict_max') else 'at most'} {_short(high)}"
    if high is None:
        return f"{'above' if kwargs.get('strict_min') else 'at least'} {_short(low)}"
    return f"between {_short(low)} and {_short(high)}"


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)
    return text if len(text) <= _TOLD else text[: _TOLD - 1] + "…"
