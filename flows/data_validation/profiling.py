"""A first draft of expectations from rows that are believed to be good. A person reads it before it is used.

Ranges are a tenth wider than what was seen, counts of rows may halve or double, and what is missing may be missing a
twentieth more often: the draft is meant to notice damage, not the next sample.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

MOST_COLUMNS = 100
MOST_CLASSES = 20  # distinct values of a column that is taken for a category
_FEW = 50  # rows below which nothing is said to be unique


def drafted(frame: pd.DataFrame, *, show_values: bool) -> list[dict[str, Any]]:
    """Expectations of the first `MOST_COLUMNS` columns, all critical. Without values, no set of them is listed."""
    names = [str(name) for name in frame.columns]
    rows = len(frame)
    draft = [
        _expected("expect_table_columns_to_match_set", column_set=names, exact_match=True) if names else None,
        _expected("expect_table_row_count_to_be_between", min_value=rows // 2, max_value=2 * rows) if rows else None,
    ]
    for name in names[:MOST_COLUMNS] if rows else ():
        draft += _of_column(name, frame[name], show_values=show_values)
    return [one for one in draft if one is not None]


def _of_column(name: str, column: pd.Series, *, show_values: bool) -> list[dict[str, Any] | None]:
    rows, present = len(column), column.dropna()
    share = len(present) / rows
    draft: list[dict[str, Any] | None] = []
    if share == 1:
        draft.append(_expected("expect_column_values_to_not_be_null", column=name))
    elif share > 0.05:
        mostly = math.floor(100 * (share - 0.05)) / 100
        draft.append(_expected("expect_column_values_to_not_be_null", column=name, mostly=mostly))
    if present.empty:
        return draft
    try:
        distinct = present.unique()
    except TypeError:  # lists and the like
        return draft
    few = len(distinct) <= min(MOST_CLASSES, len(present) // 10)
    if len(distinct) == len(present) and rows >= _FEW and not pd.api.types.is_float_dtype(column):
        draft.append(_expected("expect_column_values_to_be_unique", column=name))
    kept = [_plain(value) for value in distinct] if few and show_values else []
    if kept and all(isinstance(value, str | int | bool) for value in kept):
        draft.append(_expected("expect_column_values_to_be_in_set", column=name, value_set=sorted(kept, key=str)))
    elif pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        draft += _of_numbers(name, present.astype("float64"))
    return draft


def _of_numbers(name: str, present: pd.Series) -> list[dict[str, Any] | None]:
    low, high, mean, spread = (float(v) for v in (present.min(), present.max(), present.mean(), present.std(ddof=1)))
    if not all(math.isfinite(value) for value in (low, high, mean)):
        return []
    margin = 0.1 * (high - low) or max(abs(high), 1.0) * 0.1
    draft = [
        _expected(
            "expect_column_values_to_be_between",
            column=name,
            min_value=_short(low - margin),
            max_value=_short(high + margin),
        )
    ]
    if math.isfinite(spread) and spread > 0:
        around = 0.25 * spread
        draft.append(
            _expected(
                "expect_column_mean_to_be_between",
                column=name,
                min_value=_short(mean - around),
                max_value=_short(mean + around),
            )
        )
    return list(draft)


def _expected(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": "critical"}


def _short(value: float) -> float:
    """Six significant digits: the bounds are margins, not measurements."""
    return float(f"{value:.6g}")


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
