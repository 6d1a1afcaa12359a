"""When something was due by a cron expression, on the clocks of a time zone."""

from __future__ import annotations

from datetime import date, datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_SOME_MOMENT = datetime(2026, 1, 1)  # noqa: DTZ001  (an expression is tried, no time is meant)


def check_schedule(cron: str, zone: str) -> None:
    """Raises ValueError for an expression of other than five fields, or a zone that does not exist."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {zone!r}") from None
    if len(cron.split()) != 5:
        raise ValueError("a schedule has five fields: minute, hour, day, month, weekday")
    try:
        CronSim(cron, _SOME_MOMENT)
    except CronSimError as error:
        raise ValueError(f"{cron!r} is no schedule: {error}") from None


def due_before(cron: str, zone: str, at: datetime, count: int) -> list[tuple[date, datetime]]:
    """The last `count` times that were due, newest first, each with its date in the zone. One a date is enough."""
    found: dict[date, datetime] = {}
    for moment in islice(CronSim(cron, at.astimezone(ZoneInfo(zone)), reverse=True), count * 24):
        found.setdefault(moment.date(), moment)
        if len(found) == count:
            break
    return list(found.items())
