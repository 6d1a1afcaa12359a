"""The spans of time that measurements are kept by, and the windows that they are read over.

Fresh measurements are kept by minute, older ones by hour, old ones by day; nothing is ever dropped. A window begins
at the edge of a span that is still kept apart, so that no measurement is in it by half: `1h` at a full minute, the
longer ones at a full hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from governance.errors import InvalidInput


class Span(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


MINUTES_KEPT = timedelta(hours=3)
HOURS_KEPT = timedelta(days=32)
"""How old a span may become before it is merged into the next longer one. Each is longer than the windows need."""

ALL = "all"
_LENGTHS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
WINDOWS: tuple[str, ...] = (*_LENGTHS, ALL)


def start_of(span: Span, at: datetime) -> datetime:
    """When the span began that contains this moment (UTC)."""
    minute = at.replace(second=0, microsecond=0)
    if span is Span.MINUTE:
        return minute
    return minute.replace(minute=0) if span is Span.HOUR else minute.replace(minute=0, hour=0)


def span_for(measured: datetime, at: datetime) -> Span:
    """The span to keep a measurement in that is reported now."""
    return Span.MINUTE if measured >= oldest_kept(Span.MINUTE, at) else Span.HOUR


def oldest_kept(span: Span, at: datetime) -> datetime:
    """Spans of this kind that began earlier are due to be merged. At the edge of the next longer span."""
    if span is Span.MINUTE:
        return start_of(Span.HOUR, at - MINUTES_KEPT)
    return start_of(Span.DAY, at - HOURS_KEPT)


def window_start(window: str, at: datetime) -> datetime | None:
    """Where a window begins; None for `all`. Raises InvalidInput for one that there is not."""
    if window == ALL:
        return None
    length = _LENGTHS.get(window)
    if length is None:
        raise InvalidInput(f"window is one of {', '.join(WINDOWS)}.", details={"field": "window"})
    return start_of(Span.MINUTE if length <= timedelta(hours=1) else Span.HOUR, at - length)
