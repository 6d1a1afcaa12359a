"""The time as it is written in answers."""

from __future__ import annotations

from storage.composition import now


def utc_now_text() -> str:
    return now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
