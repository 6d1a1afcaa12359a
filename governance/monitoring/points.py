"""Reports of inferences, checked and added up by span of time (enterprise registry, Performance Monitoring)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from governance.errors import InvalidInput
from governance.monitoring.error_types import OTHER, error_type
from governance.monitoring.sketch import Sketch
from governance.monitoring.windows import Span, span_for, start_of

MOST_POINTS = 10_000
"""Of one report."""
LONGEST_MS = 86_400_000.0
LONGEST_ERROR = 2_000
OLDEST = timedelta(hours=24)
AHEAD = timedelta(minutes=5)
"""How far a reporter's clock may be ahead."""

_FIELDS = frozenset({"timing_ms", "success", "error", "at"})
_NUMBERS = (float, int)
_NS = 1_000_000  # per millisecond


class Window(NamedTuple):
    span: Span
    start: datetime


@dataclass(slots=True)
class Tally:
    """What was measured in some span. Times are summed as whole nanoseconds, so that every order of adding gives the
    same sum. last_at: when the latest report came.
    """

    points: int = 0
    successes: int = 0
    sum_ns: int = 0
    min_ms: float = float("inf")
    max_ms: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    sketch: Sketch = field(default_factory=Sketch)
    last_at: datetime | None = None

    @property
    def failures(self) -> int:
        return self.points - self.successes

    def merge(self, other: Tally) -> None:
        self.points += other.points
        self.successes += other.successes
        self.sum_ns += other.sum_ns
        self.min_ms = min(self.min_ms, other.min_ms)
        self.max_ms = max(self.max_ms, other.max_ms)
        self.errors.update(other.errors)
        self.sketch.merge(other.sketch)
        self.last_at = max(filter(None, (self.last_at, other.last_at)), default=None)

    def quantile(self, quantile: float) -> float | None:
        """Milliseconds, within 1 %, and never outside of what was measured."""
        found = self.sketch.quantile(quantile)
        return None if found is None else min(max(found, self.min_ms), self.max_ms)

    @property
    def mean_ms(self) -> float | None:
        return self.sum_ns / self.points / _NS if self.points else None

    @property
    def success_rate(self) -> float | None:
        """Percent."""
        return 100 * self.successes / self.points if self.points else None

    def restrict_errors(self, types: frozenset[str]) -> None:
        """Count what is none of these types as `other`."""
        for name in [name for name in self.errors if name not in types and name != OTHER]:
            self.errors[OTHER] += self.errors.pop(name)


Tallies = Mapping[Window, Tally]


def tallied(points: Sequence[Any], at: datetime) -> dict[Window, Tally]:
    """All points or none of them. Each is an object with `timing_ms` (number from 0 to a day), `success` (true when
    absent), `error` (text, of failures only) and `at` (time with zone within the last 24 hours; now when absent).

    Raises InvalidInput that names the first point that is none, counted from 0.
    """
    if not 1 <= len(points) <= MOST_POINTS:
        raise InvalidInput(f"A report has 1 to {MOST_POINTS:,} points.", details={"points": len(points)})
    now = Window(span_for(at, at), start_of(Span.MINUTE, at))
    timings: dict[Window, list[float]] = {}
    failed: Counter[tuple[Window, str]] = Counter()
    for index, point in enumerate(points):
        if type(point) is not dict or not point.keys() <= _FIELDS:
            raise _refused(index, None, f"is an object with {', '.join(sorted(_FIELDS))}")
        timing: Any = point.get("timing_ms")
        success, error = point.get("success", True), point.get("error")
        if type(timing) not in _NUMBERS or not 0 <= timing <= LONGEST_MS:
            raise _refused(index, "timing_ms", f"is a number of milliseconds from 0 to {LONGEST_MS:,.0f}")
        if success is not True and success is not False:
            raise _refused(index, "success", "is true or false")
        if error is not None and (type(error) is not str or len(error) > LONGEST_ERROR):
            raise _refused(index, "error", f"is a text of at most {LONGEST_ERROR:,} characters")
        if error and success:
            raise _refused(index, "error", "goes with success false")
        window = now if point.get("at") is None else _window(index, point["at"], at)
        timings.setdefault(window, []).append(timing)
        if not success:
            failed[window, error_type(error)] += 1
    return {window: _tally(window, values, failed, at) for window, values in timings.items()}


def _tally(window: Window, values: list[float], failed: Counter[tuple[Window, str]], at: datetime) -> Tally:
    errors = Counter({name: count for (of, name), count in failed.items() if of == window})
    tally = Tally(
        points=len(values),
        successes=len(values) - errors.total(),
        sum_ns=sum([round(value * _NS) for value in values]),
        min_ms=float(min(values)),
        max_ms=float(max(values)),
        errors=errors,
        last_at=at,
    )
    tally.sketch.add(values)
    return tally


def _window(index: int, given: Any, at: datetime) -> Window:
    try:
        measured = datetime.fromisoformat(given) if type(given) is str else None
        measured = measured.astimezone(UTC) if measured is not None and measured.tzinfo is not None else None
    except (ValueError, OverflowError):
        measured = None
    if measured is None or not at - OLDEST <= measured <= at + AHEAD:
        raise _refused(index, "at", "is a time with its zone, such as 2026-03-02T12:00:00Z, of the last 24 hours")
    measured = min(measured, at)
    span = span_for(measured, at)
    return Window(span, start_of(span, measured))


def _refused(index: int, field_name: str | None, says: str) -> InvalidInput:
    what = f"Point {index}: {field_name} {says}." if field_name else f"Point {index} {says}."
    details = {"index": index} | ({"field": field_name} if field_name else {})
    return InvalidInput(what, details=details)
