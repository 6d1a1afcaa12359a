"""The outbox of events, written in the transaction of what they tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from governance.events import TYPES
from storage.tables import events

_INSERT = insert(events)


class EventRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def emit(
        self,
        event_id: str,
        kind: str,
        subject: tuple[str, str],
        model_id: str | None,
        data: Mapping[str, Any],
        at: datetime,
    ) -> None:
        if kind not in TYPES:
            raise ValueError(f"no such event: {kind}")
        row = {
            "id": event_id,
            "at": at,
            "type": kind,
            "subject_kind": subject[0],
            "subject_id": subject[1],
            "model_id": model_id,
            "data": dict(data),
        }
        self._connection.execute(_INSERT, row)
