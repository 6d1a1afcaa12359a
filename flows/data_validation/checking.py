"""Great Expectations itself: one ephemeral context for the life of the process, suites run over frames.

A suite is run for truth alone first; only what does not hold is computed again with its figures, since the summary
costs more than the checks. No checkpoint, no data docs, no result store.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import great_expectations as gx
import great_expectations.expectations as library
import great_expectations.util as gx_util
import numpy as np
import pandas as pd
from great_expectations.datasource.fluent.interfaces import Batch

from flows.data_validation import profiling
from flows.data_validation.frames import load
from flows.evaluation.job import Limits, RefusedError
from governance.data_validation.expectations import ABOUT_COLUMNS, columns_of

EXAMPLES = 5  # unexpected values that are told of one expectation
_LONGEST = 80  # characters of a value that is told

Expectation = Mapping[str, Any]


def _holds_decimals(data: np.ndarray) -> bool:
    """As `does_ndarray_contain_decimal_dtype` of the library, which looks at every value of every column in Python.

    An array of machine numbers holds none, which its type says; this is a fifth of the time of a validation.
    """
    return data.dtype == object and _looks_for_decimals(data)


_looks_for_decimals = gx_util.does_ndarray_contain_decimal_dtype
gx_util.does_ndarray_contain_decimal_dtype = _holds_decimals  # type: ignore[assignment]


class Checker:
    def __init__(self) -> None:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
        asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
        self._batches = asset.add_batch_definition_whole_dataframe("whole")

    def validate(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """job: {"source", "limits", "expectations", "showValues"}; source: see `flows.data_validation.frames`.

        Returns {"rows", "seconds", "failures", "uncomputed"}: what does not hold, and the numbers of the expectations
        that could not be computed.
        """
        started = time.monotonic()
        expectations: Sequence[Expectation] = job["expectations"]
        built = [_built(number, one) for number, one in enumerate(expectations)]
        frame, names = load(job["source"], Limits(**job["limits"]), _wanted(expectations))
        absent = {n: gone for n, one in enumerate(expectations) if (gone := _absent(one, names))}
        batch = self._batches.get_batch({"dataframe": frame})
        present = [number for number in range(len(built)) if number not in absent]
        failures, uncomputed = _checked(batch, expectations, built, present, show_values=job["showValues"])
        failures += [
            {**_plain_failure(number, expectations[number]), "columns": list(gone), "absent": True}
            for number, gone in absent.items()
        ]
        return {
            "rows": len(frame),
            "seconds": time.monotonic() - started,
            "failures": sorted(failures, key=lambda failure: failure["number"]),
            "uncomputed": uncomputed,
        }

    def profile(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """job: {"source", "limits", "showValues"}. Returns {"rows", "expectations"}, which hold for these rows."""
        frame, _ = load(job["source"], Limits(**job["limits"]), None)
        drafted = profiling.drafted(frame, show_values=job["showValues"])
        built = [_built(number, one) for number, one in enumerate(drafted)]
        batch = self._batches.get_batch({"dataframe": frame})
        numbers = range(len(drafted))
        wrong, uncomputed = _checked(batch, drafted, built, numbers, show_values=False)
        out = {failure["number"] for failure in wrong} | set(uncomputed)
        return {"rows": len(frame), "expectations": [one for n, one in enumerate(drafted) if n not in out]}

    def holds(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """That it answers."""
        return {}


def _built(number: int, one: Expectation) -> Any:
    """By the library's own model. Raises RefusedError for arguments that it refuses."""
    name = "".join(part.capitalize() for part in one["type"].split("_"))
    kind = getattr(library, name)
    try:
        return kind(**one["kwargs"], severity=one["severity"], meta={"number": number})
    except (ValueError, TypeError) as error:
        raise RefusedError(
            "dataset", f"Expectation {number + 1} ({one['type']}) has arguments that do not fit."
        ) from error


def _wanted(expectations: Iterable[Expectation]) -> list[str] | None:
    """The columns to read; None for all, where the table itself is spoken of."""
    if any(one["type"] in ABOUT_COLUMNS for one in expectations):
        return None
    named = {name for one in expectations for name in columns_of(one)}
    return sorted(named) if named else None


def _absent(one: Expectation, names: Sequence[str]) -> list[str]:
    return [name for name in columns_of(one) if name not in names]


def _checked(
    batch: Batch,
    expectations: Sequence[Expectation],
    built: Sequence[Any],
    numbers: Sequence[int],
    *,
    show_values: bool,
) -> tuple[list[dict[str, Any]], list[int]]:
    """(what does not hold, the numbers of what could not be computed)."""
    if not numbers:
        return [], []
    results = _run(batch, [built[number] for number in numbers], "BOOLEAN_ONLY")
    raised = [n for n, result in results.items() if _raised(result)]
    failing = [n for n, result in results.items() if not result.success and n not in raised]
    failures = []
    if failing:
        # Built anew: the library marks what it has run.
        summary = {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES if show_values else 0}
        again = _run(batch, [_built(n, expectations[n]) for n in failing], summary)
        failures = [_failure(n, expectations[n], again[n].result, show_values=show_values) for n in failing]
    return failures, sorted(raised)


def _run(batch: Batch, expectations: Sequence[Any], result_format: Any) -> dict[int, Any]:
    """The result of each expectation by its number. The order of results is the library's own."""
    suite = gx.ExpectationSuite(name="suite", expectations=list(expectations))
    found: dict[int, Any] = {}
    for result in batch.validate(suite, result_format=result_format).results:
        assert result.expectation_config is not None  # noqa: S101 - of what was just run
        found[result.expectation_config.meta["number"]] = result
    return found


def _raised(result: Any) -> bool:
    info = result.exception_info or {}
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(one.get("raised_exception") for one in info.values() if isinstance(one, Mapping))


def _plain_failure(number: int, one: Expectation) -> dict[str, Any]:
    return {
        "number": number + 1,
        "type": one["type"],
        "severity": one["severity"],
        "kwargs": one["kwargs"],
        "columns": list(columns_of(one)),
        "absent": False,
        "elements": None,
        "unexpected": None,
        "missing": None,
        "observed": None,
        "examples": [],
    }


def _failure(number: int, one: Expectation, result: Mapping[str, Any], *, show_values: bool) -> dict[str, Any]:
    observed = result.get("observed_value")
    values = isinstance(observed, list | tuple | set | str) and one["type"] not in ABOUT_COLUMNS
    found = {
        "elements": _count(result.get("element_count")),
        "unexpected": _count(result.get("unexpected_count")),
        "missing": _count(result.get("missing_count")),
        "observed": None if values and not show_values else _told(observed),
        "examples": [_told(value) for value in result.get("partial_unexpected_list", ())][:EXAMPLES]
        if show_values
        else [],
    }
    return {**_plain_failure(number, one), **found}


def _count(value: Any) -> int | None:
    return None if value is None else int(value)


def _told(value: Any) -> Any:
    """As JSON of bounded size."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(name)[:_LONGEST]: _told(one) for name, one in list(value.items())[:EXAMPLES]}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [_told(one) for one in list(value)[:EXAMPLES]]
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
