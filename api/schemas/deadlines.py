"""Findings, freezes, reviews, links, and events."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read
from governance.findings import BLOCKABLE
from governance.freezes import DAYS, FREEZABLE

Severity = Literal["low", "medium", "high", "critical"]
Resolution = Literal["fixed", "accepted", "false_positive"]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Tier = Literal["Low", "Medium", "High"]
Moment = Annotated[datetime, Field(strict=False, description="RFC 3339, with its offset from UTC.")]
assert Day.__args__ == DAYS  # type: ignore[attr-defined]  # noqa: S101

_BLOCKS = "Transitions that it holds back: " + ", ".join(sorted(BLOCKABLE)) + "."


class FindingCreate(Body):
    model_id: str
    version: str
    severity: Severity
    title: str = Field(max_length=500)
    owner: str | None = Field(default=None, description="Name or id of the user who looks at it.")
    due_at: Moment | None = Field(default=None, description="Without it: 3, 14, 30 or 90 days, by severity.")
    blocks: list[str] = Field(default_factory=list, max_length=20, description=_BLOCKS)
    model_wide: bool = Field(default=False, description="It holds back every version of the model.")


class FindingUpdate(Body):
    owner: str | None = Field(default=None, description="Name or id of the user who looks at it from now on.")
    severity: Severity | None = None
    title: str | None = Field(default=None, max_length=500)
    due_at: Moment | None = None
    blocks: list[str] | None = Field(default=None, max_length=20, description=_BLOCKS)


class FindingClose(Body):
    resolution_kind: Resolution
    resolution: str = Field(max_length=2_000, description="What was done, in at least 10 characters.")


class FindingRead(Read):
    id: str
    model_id: str | None = Field(description="None: it is about the platform itself.")
    version_id: str | None
    version: str | None
    kind: str = Field(description="E.g. manual, rollback, break_glass, review_overdue, regression, drift, night.")
    severity: Severity
    title: str
    status: Literal["open", "closed"]
    request_id: str | None
    owner_id: str | None
    owner: str | None
    opened_by: str | None = Field(description="None: the platform itself.")
    due_at: str | None
    overdue: bool
    blocks: list[str]
    model_wide: bool
    created_at: str
    closed_by: str | None
    closed_at: str | None
    resolution_kind: Resolution | None
    resolution: str | None


class WeeklyCreate(Body):
    days: list[Day] = Field(min_length=1, max_length=7)
    from_time: str = Field(alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["18:00"])
    to_time: str = Field(
        alias="to",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        examples=["08:00"],
        description="At or before `from`: of the next day.",
    )
    time_zone: str = Field(max_length=100, examples=["Europe/Berlin"], description="IANA name.")


class FreezeCreate(Body):
    name: str = Field(max_length=200)
    reason: str = Field(max_length=2_000)
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    weekly: WeeklyCreate | None = Field(default=None, description="Every week; startsAt and endsAt then bound it.")
    groups: list[str] = Field(default_factory=list, max_length=100, description="Of models; with those below. All.")
    transitions: list[str] = Field(
        default_factory=list,
        max_length=20,
        description="Among " + ", ".join(sorted(FREEZABLE)) + ". None: all that change what serves.",
    )
    risk_tiers: list[Tier] = Field(default_factory=list, max_length=3)


class WeeklyRead(Read):
    days: list[int] = Field(description="0 is Monday.")
    from_time: str = Field(alias="from")
    to_time: str = Field(alias="to")
    time_zone: str


class FreezeRead(Read):
    id: str
    name: str
    reason: str
    starts_at: str | None
    ends_at: str | None
    weekly: WeeklyRead | None
    groups: list[str]
    transitions: list[str]
    risk_tiers: list[str]
    created_by: str
    created_at: str
    in_force_until: str | None = Field(description="UTC; none when it is not in force now.")
    in_force_until_local: str | None = Field(description="The same in the caller's time zone.")
    time_zone: str = Field(description="The caller's.")


class ReviewCreate(Body):
    comment: str = Field(max_length=2_000, description="What was looked at, in at least 10 characters.")


class ReviewRead(Read):
    id: str
    model_id: str
    model_name: str
    version_id: str
    version: str
    state: str
    risk_tier: str
    request_id: str = Field(description="The approval that is to be reviewed.")
    status: Literal["open", "completed", "superseded", "lapsed"]
    due_at: str
    overdue: bool
    finding_id: str | None
    completed_by: str | None
    completed_at: str | None
    comment: str | None


class LinkRead(Read):
    url: str
    expires_at: str


class EventRead(Read):
    id: str
    type: str = Field(examples=["io.gatehouse.request.expired"])
    time: str
    subject_kind: str
    subject_id: str
    model_id: str | None = Field(description="None: it is about the platform itself.")
    data: dict[str, Any]
