"""Moments in the words and the time zone of whoever reads them. Zones are those of the IANA database."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from governance.errors import InvalidInput

DEFAULT = "UTC"


def checked_zone(name: str) -> str:
    """Raises InvalidInput for what is no zone of the IANA database, e.g. an abbreviation or an offset."""
    if name not in available_timezones():
        raise InvalidInput(
            f"There is no time zone {name[:100]!r}. Zones are called like Europe/Berlin or UTC.",
            details={"field": "timeZone"},
        )
    return name


def in_words(moment: datetime, zone: str) -> str:
    """E.g. "2026-03-02 18:00 UTC (2026-03-02 19:00 in Europe/Berlin)"."""
    told = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if zone == DEFAULT:
        return told
    return f"{told} ({moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} in {zone})"


def local(moment: datetime, zone: str) -> str:
    """ISO 8601 with the zone's offset at that moment, to the second."""
    return moment.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
