"""Live traffic, as callers send it, turned into counts.

The values themselves are never stored: they may be about people.

An observation is {"inputs": {feature: value}, "prediction": value, "at": moment}; `prediction` and `at` may be absent.
A feature that is absent counts as missing, one that the reference does not have as unknown: it is counted, and its
name is not kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from governance.drift.report import DriftReference
from governance.drift.sketches import INPUT, Counts
from governance.errors import InvalidInput

MOST_OBSERVATIONS = 10_000
MOST_BYTES = 8 * 1024 * 1024
"""Of one call."""
MOST_ROWS = 50_000
"""Rows of counts that one call may touch: hours times features."""
OLDEST = timedelta(days=7)
AHEAD = timedelta(minutes=5)
"""How far a caller's clock may run before ours."""
TOTALS = -1
"""The position of the row that counts observations and unknown values themselves."""

_FIELDS = frozenset({"inputs", "prediction", "at"})


@dataclass(frozen=True, slots=True)
class Observation:
    """prediction: absent where `predicted` is False; an answer that is null counts as missing."""

    inputs: Mapping[str, Any]
    predicted: bool
    prediction: Any
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """rows: counts by (hour, position); unknown: values of features that the reference does not have."""

    rows: Mapping[tuple[datetime, int], Counts]
    observations: int
    unknown: int


def read_observations(body: bytes) -> tuple[Observation, ...]:
    """A JSON array, one object, or one object a line (NDJSON). Raises InvalidInput; one bad item refuses all."""
    items = _items(body)
    if not items:
        raise InvalidInput("There is no observation in the body.")
    if len(items) > MOST_OBSERVATIONS:
        raise InvalidInput(
            f"One call holds at most {MOST_OBSERVATIONS:,} observations, here are {len(items):,}; send several calls."
        )
    return tuple(_observation(item, number) for number, item in enumerate(items, 1))


def _items(body: bytes) -> list[Any]:
    text = body.strip()
    if text.startswith(b"["):
        found: list[Any] = _parsed(text, "The body")
        return found
    lines = [line for line in text.split(b"\n") if line.strip()]
    if len(lines) > MOST_OBSERVATIONS:
        return lines  # refused by their number, unread
    if len(lines) > 1 and not lines[0].rstrip().endswith(b"}"):
        return [_parsed(text, "The body")]  # one object, over several lines
    return [_parsed(line, f"Line {number}") for number, line in enumerate(lines, 1)]


def _parsed(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{what} is not JSON (NaN and infinities are not): {error}") from None


def _observation(item: Any, number: int) -> Observation:
    if not isinstance(item, dict) or not isinstance(item.get("inputs"), dict):
        raise _bad(number, 'is not an object with "inputs", an object of values by feature')
    if unknown := sorted(set(item) - _FIELDS):
        raise _bad(number, f"has a field {unknown[0][:100]!r}; there are inputs, prediction and at")
    at = None if item.get("at") is None else _moment(item["at"], number)
    return Observation(item["inputs"], "prediction" in item, item.get("prediction"), at)


def check_times(observations: Sequence[Observation], now: datetime) -> None:
    """Raises InvalidInput for one that is too old, or has not happened yet."""
    for number, one in enumerate(observations, 1):
        if one.at is not None and not now - OLDEST <= one.at <= now + AHEAD:
            raise _bad(number, f"is not of the last {OLDEST.days} days")


def _moment(value: Any, number: int) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _bad(number, "has an `at` that is no time with an offset, e.g. 2026-01-31T09:30:00Z")


def _bad(number: int, problem: str) -> InvalidInput:
    return InvalidInput(f"Observation {number} {problem}.", details={"observation": number})


def tally(reference: DriftReference, observations: Sequence[Observation], now: datetime) -> Tally:
    """Exact: the tallies of two halves add up to that of the whole. now: when those happened that do not say.

    Raises InvalidInput for a span that is too wide.
    """
    by_hour: dict[datetime, list[Observation]] = defaultdict(list)
    for one in observations:
        by_hour[(one.at or now).astimezone(UTC).replace(minute=0, second=0, microsecond=0)].append(one)
    if len(by_hour) * (len(reference.sketches) + 1) > MOST_ROWS:
        raise InvalidInput(
            f"These observations span {len(by_hour)} hours of a version with {len(reference.sketches)} features; "
            "send them in several calls."
        )
    known = frozenset(sketch.name for sketch in reference.sketches if sketch.role == INPUT)
    rows: dict[tuple[datetime, int], Counts] = {}
    unknown_values = 0
    for hour in sorted(by_hour):
        there = by_hour[hour]
        for position, sketch in enumerate(reference.sketches):
            if sketch.role == INPUT:
                rows[hour, position] = sketch.count(one.inputs.get(sketch.name) for one in there)
            elif answers := [one.prediction for one in there if one.predicted]:
                rows[hour, position] = sketch.count(answers)
        unknown = sum(len(one.inputs.keys() - known) for one in there)
        unknown_values += unknown
        rows[hour, TOTALS] = (len(there), unknown)
    return Tally(rows, len(observations), unknown_values)
