"""The time as it is written in answers."""

from __future__ import annotations

from datetime import UTC, datetime

from storage.composition import now


def utc_now_text() -> str:
    return utc_text(now())


def utc_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
