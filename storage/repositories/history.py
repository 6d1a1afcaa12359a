"""Legal holds and subscriptions, as the operations write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from governance.audit.holds import Hold
from governance.errors import NotFound
from storage.tables.history import activity_subscriptions, audit_index, legal_holds


class HistoryRepository:
    """Of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def subscribe(
        self, subscription_id: str, user_id: str, filters: Mapping[str, Any], after_seq: int, at: datetime
    ) -> None:
        self._connection.execute(
            activity_subscriptions.insert().values(
                id=subscription_id, user_id=user_id, filters=dict(filters), after_seq=after_seq, created_at=at
            )
        )

    def last_indexed(self) -> int:
        """The number of the newest entry that can be read; -1 before the first."""
        row = self._connection.execute(
            select(audit_index.c.seq).order_by(audit_index.c.seq.desc()).limit(1)
        ).scalar_one_or_none()
        return -1 if row is None else int(row)

    def place(self, hold: Hold, by: str, at: datetime) -> None:
        self._connection.execute(
            legal_holds.insert().values(
                id=hold.id,
                scope=hold.scope,
                model_id=hold.model_id,
                subject_kind=hold.subject_kind,
                subject_id=hold.subject_id,
                reason=hold.reason,
                placed_by=by,
                placed_at=at,
                until=hold.until,
            )
        )

    def lock_hold(self, hold_id: str) -> tuple[Hold, datetime | None]:
        """(hold, when it was released). Raises NotFound."""
        row = self._connection.execute(
            select(legal_holds).where(legal_holds.c.id == hold_id).with_for_update()
        ).one_or_none()
        if row is None:
            raise NotFound("legal hold", hold_id)
        held = Hold(row.id, row.scope, row.reason, row.model_id, row.subject_kind, row.subject_id, row.until)
        return held, row.released_at

    def release(self, hold_id: str, by: str, at: datetime) -> None:
        self._connection.execute(
            update(legal_holds).where(legal_holds.c.id == hold_id).values(released_by=by, released_at=at)
        )
