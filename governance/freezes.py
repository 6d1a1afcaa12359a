"""Freeze windows: times in which nothing moves, once or every week.

A window covers a transition when every part of its scope does; an empty part covers everything. A window that names no
transition covers those that change what serves, since a freeze is about production and not about thinking: approving
goes on unless it is named. Groups cover the groups below them.

A weekly window is kept in local time, because "from Friday 18:00" means the clock on the wall. Where a local time
happens twice or not at all (the change to and from summer time), the reading that freezes longer counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from governance.circumstances import FreezeInForce
from governance.errors import InvalidInput
from governance.lifecycle import TransitionName
from governance.time_zones import checked_zone

SERVING = frozenset(
    {
        TransitionName.DEPLOY_STAGING,
        TransitionName.PROMOTE_PRODUCTION,
        TransitionName.ROLLBACK,
        TransitionName.DEPRECATE,
    }
)
FREEZABLE = SERVING | {TransitionName.APPROVE_STAGING, TransitionName.APPROVE_PRODUCTION, TransitionName.RETIRE}
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LOOKED_AHEAD = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Weekly:
    """From `start` of each day in `days` (0 is Monday) until the next `end` of the clock in `zone`.

    An `end` at or before `start` is that of the next day; equal ones freeze the whole day.
    """

    days: frozenset[int]
    start: time
    end: time
    zone: str


@dataclass(frozen=True, slots=True)
class FreezeWindow:
    """Once from `starts_at` to `ends_at`; or `weekly`, and then these bound the weeks, where they are given."""

    id: str
    name: str
    reason: str
    starts_at: datetime | None
    ends_at: datetime | None
    weekly: Weekly | None = None
    groups: tuple[str, ...] = ()
    transitions: tuple[str, ...] = ()
    risk_tiers: tuple[str, ...] = ()

    def covers(self, transition: TransitionName, groups: Collection[str], risk_tier: str) -> bool:
        """groups: that of the model and those above it."""
        named = self.transitions or SERVING
        return (
            transition in named
            and (not self.groups or any(group in self.groups for group in groups))
            and (not self.risk_tiers or risk_tier in self.risk_tiers)
        )

    def until(self, at: datetime) -> datetime | None:
        """When the freeze that is in force at `at` ends; None when there is none.

        Weeks that touch are one freeze, of which at most the next two weeks are told.
        """
        if self.weekly is None:
            begun = self.starts_at is not None and self.starts_at <= at
            return self.ends_at if begun and self.ends_at is not None and at < self.ends_at else None
        end: datetime | None = None
        for begins, ends in self._occurrences(self.weekly, at):
            reached = at if end is None else end
            if begins <= reached < ends:
                end = ends
        return end

    def _occurrences(self, weekly: Weekly, at: datetime) -> Iterable[tuple[datetime, datetime]]:
        today = at.astimezone(ZoneInfo(weekly.zone)).date()
        for day in (today + timedelta(days=n) for n in range(-2, LOOKED_AHEAD.days + 1)):
            if day.weekday() not in weekly.days:
                continue
            last = day if weekly.end > weekly.start else day + timedelta(days=1)
            begins = min(_readings(datetime.combine(day, weekly.start), weekly.zone))
            ends = max(_readings(datetime.combine(last, weekly.end), weekly.zone))
            if self.starts_at is not None:
                begins = max(begins, self.starts_at)
            if self.ends_at is not None:
                ends = min(ends, self.ends_at)
            if begins < ends:
                yield begins, ends


def in_force(
    windows: Iterable[FreezeWindow], transition: TransitionName, groups: Collection[str], risk_tier: str, at: datetime
) -> tuple[FreezeInForce, ...]:
    """Those that cover the transition now, the one that ends last in front."""
    found = [
        FreezeInForce(window.id, window.name, window.reason, until)
        for window in windows
        if window.covers(transition, groups, risk_tier) and (until := window.until(at)) is not None
    ]
    return tuple(sorted(found, key=lambda one: (-one.until.timestamp(), one.id)))


def checked_window(window: FreezeWindow) -> FreezeWindow:
    """Raises InvalidInput for a window that can never be in force, or means nothing."""
    if window.weekly is None and (window.starts_at is None or window.ends_at is None):
        raise InvalidInput("A freeze has startsAt and endsAt, or is weekly.", details={"field": "startsAt"})
    for name, moment in (("startsAt", window.starts_at), ("endsAt", window.ends_at)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidInput(f"{name} needs its offset from UTC, e.g. …Z.", details={"field": name})
    if window.starts_at is not None and window.ends_at is not None and window.ends_at <= window.starts_at:
        raise InvalidInput("endsAt comes after startsAt.", details={"field": "endsAt"})
    if window.weekly is not None:
        checked_zone(window.weekly.zone)
        if not window.weekly.days or not window.weekly.days <= set(range(7)):
            raise InvalidInput(f"days are among {', '.join(DAYS)}.", details={"field": "weekly.days"})
    unknown = sorted(set(window.transitions) - {name.value for name in FREEZABLE})
    if unknown:
        raise InvalidInput(
            f"A freeze cannot hold {', '.join(unknown)}.",
            details={"field": "transitions", "known": sorted(name.value for name in FREEZABLE)},
        )
    if not set(window.risk_tiers) <= {"Low", "Medium", "High"}:
        raise InvalidInput("riskTiers are among Low, Medium, High.", details={"field": "riskTiers"})
    return window


def _readings(wall: datetime, zone: str) -> tuple[datetime, datetime]:
    """Both moments that a clock in the zone could mean; the same one but for two nights of the year."""
    first, second = (wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second
