"""Freeze windows, reviews of approvals, and what people were told about requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert as upsert

from governance.access.roles import REVIEWERS
from governance.errors import NotFound
from governance.freezes import FreezeWindow, Weekly
from governance.models import ModelVersion
from governance.reviews import Review
from storage.tables import freeze_windows, request_notices, reviews

# Judging holds it shared, changing windows alone: a freeze either stands before a version moves, or begins after.
_LOCK = int.from_bytes(b"freezes")
_HOLD = sql("select pg_advisory_xact_lock_shared(:key)").bindparams(key=_LOCK)
_CHANGE = sql("select pg_advisory_xact_lock(:key)").bindparams(key=_LOCK)


def window_of(row: Any) -> FreezeWindow:
    """From a row, or from JSON of one."""
    weekly = row["weekly"]
    return FreezeWindow(
        id=str(row["id"]),
        name=row["name"],
        reason=row["reason"],
        starts_at=_moment(row["starts_at"]),
        ends_at=_moment(row["ends_at"]),
        weekly=Weekly(
            frozenset(weekly["days"]),
            time.fromisoformat(weekly["from"]),
            time.fromisoformat(weekly["to"]),
            weekly["timeZone"],
        )
        if weekly
        else None,
        groups=tuple(row["groups"]),
        transitions=tuple(row["transitions"]),
        risk_tiers=tuple(row["risk_tiers"]),
    )


def weekly_json(weekly: Weekly) -> dict[str, Any]:
    return {
        "days": sorted(weekly.days),
        "from": weekly.start.isoformat("minutes"),
        "to": weekly.end.isoformat("minutes"),
        "timeZone": weekly.zone,
    }


def _moment(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class FreezeRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def hold(self) -> None:
        self._connection.execute(_HOLD)

    def add(self, window: FreezeWindow, by: str, at: datetime) -> None:
        self._connection.execute(_CHANGE)
        self._connection.execute(
            insert(freeze_windows).values(
                id=window.id,
                name=window.name,
                reason=window.reason,
                starts_at=window.starts_at,
                ends_at=window.ends_at,
                weekly=weekly_json(window.weekly) if window.weekly else None,
                groups=list(window.groups),
                transitions=list(window.transitions),
                risk_tiers=list(window.risk_tiers),
                created_by=by,
                created_at=at,
            )
        )

    def get(self, window_id: str) -> FreezeWindow:
        query = select(freeze_windows).where(freeze_windows.c.id == window_id, freeze_windows.c.lifted_at.is_(None))
        row = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound("freeze", window_id)
        return window_of(row)

    def lift(self, window_id: str, by: str, at: datetime) -> None:
        self._connection.execute(_CHANGE)
        self._connection.execute(
            update(freeze_windows)
            .where(freeze_windows.c.id == window_id, freeze_windows.c.lifted_at.is_(None))
            .values(lifted_by=by, lifted_at=at)
        )


class ReviewRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def plan(self, review_id: str, version: ModelVersion, request_id: str, due_at: datetime, at: datetime) -> None:
        of_version = (reviews.c.version_id == version.id, reviews.c.status == "open")
        self._connection.execute(update(reviews).where(*of_version).values(status="superseded"))
        self._connection.execute(
            insert(reviews).values(
                id=review_id,
                model_id=version.model_id,
                version_id=version.id,
                request_id=request_id,
                status="open",
                due_at=due_at,
                created_at=at,
            )
        )

    def open_of(self, version_id: str) -> Review | None:
        query = select(reviews).where(reviews.c.version_id == version_id, reviews.c.status == "open")
        row = self._connection.execute(query.with_for_update()).one_or_none()
        return _review(row) if row else None

    def complete(self, review_id: str, by: str, comment: str, at: datetime) -> None:
        self._set(review_id, status="completed", completed_by=by, completed_at=at, comment=comment)

    def to_look_at(self, at: datetime, limit: int, after: str | None) -> tuple[str, ...]:
        query = select(reviews.c.id).where(reviews.c.status == "open", reviews.c.due_at <= at)
        if after is not None:
            query = query.where(reviews.c.id > after)
        return tuple(self._connection.execute(query.order_by(reviews.c.id).limit(limit)).scalars())

    def lock(self, review_id: str) -> tuple[Review, bool] | None:
        row = self._connection.execute(_LOCK_REVIEW, {"review": review_id}).one_or_none()
        return (_review(row), row.stands) if row else None

    def overdue(self, review_id: str, finding_id: str) -> None:
        self._set(review_id, finding_id=finding_id)

    def escalated(self, review_id: str, at: datetime) -> None:
        self._set(review_id, escalated_at=at)

    def lapse(self, review_id: str) -> None:
        self._set(review_id, status="lapsed")

    def _set(self, review_id: str, **values: Any) -> None:
        self._connection.execute(
            update(reviews).where(reviews.c.id == review_id, reviews.c.status == "open").values(**values)
        )


_LOCK_REVIEW = sql("""
    select w.id::text, w.model_id::text, w.version_id::text, w.request_id::text, w.due_at, w.finding_id::text,
        w.escalated_at, v.state in ('approved_prod', 'production') as stands
    from reviews w join model_versions v on v.id = w.version_id
    where w.id = :review and w.status = 'open' for update of w
""")


def _review(row: Any) -> Review:
    return Review(
        id=row.id,
        model_id=row.model_id,
        version_id=row.version_id,
        request_id=row.request_id,
        due_at=row.due_at,
        finding_id=row.finding_id,
        escalated=row.escalated_at is not None,
    )


_UNATTENDED = sql("""
    select id::text from transition_requests
    where status = 'awaiting_approval'
        and (created_at <= :expiry_before or created_at <= :notice_before
            and 2 > (select count(*) from request_notices n
                where n.request_id = transition_requests.id and n.kind in ('reminded', 'escalated')))
        and (cast(:after as uuid) is null or id > cast(:after as uuid)) order by id limit :most
""")
_NOT_ENDED = sql("""
    select request_id::text from request_notices n where kind in ('expired', 'superseded')
        and not exists (select 1 from request_notices e where e.request_id = n.request_id and e.kind = 'ended')
    order by at limit :most
""")
_WHO_DECIDES = sql("""
    select u.name from users u join transition_requests r on r.id = :request
    where u.active and u.kind = 'person' and u.roles && cast(:roles as text[])
        and (cast(:groups as text[]) is null or u.groups && cast(:groups as text[]))
        and not exists (select 1 from approvals a where a.request_id = r.id and a.approver_id = u.id
            and a.evidence_digest = r.evidence_digest)
        and u.id not in (select person_id from involved_people(r.id))
    order by u.name limit 100
""")


class NoticeRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, request_id: str, kind: str, data: Mapping[str, Any], at: datetime) -> bool:
        statement = upsert(request_notices).values(request_id=request_id, kind=kind, at=at, data=dict(data))
        done = self._connection.execute(statement.on_conflict_do_nothing().returning(request_notices.c.kind))
        return done.one_or_none() is not None

    def unattended(
        self, *, notice_before: datetime, expiry_before: datetime, limit: int, after: str | None
    ) -> tuple[str, ...]:
        asked = {"notice_before": notice_before, "expiry_before": expiry_before, "most": limit, "after": after}
        return tuple(self._connection.execute(_UNATTENDED, asked).scalars())

    def not_ended(self, limit: int) -> tuple[str, ...]:
        return tuple(self._connection.execute(_NOT_ENDED, {"most": limit}).scalars())

    def who_decides(self, request_id: str, groups: Sequence[str] | None) -> tuple[str, ...]:
        asked = {
            "request": request_id,
            "roles": sorted(role.value for role in REVIEWERS),
            "groups": list(groups) if groups is not None else None,
        }
        return tuple(self._connection.execute(_WHO_DECIDES, asked).scalars())
