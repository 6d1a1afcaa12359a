"""What an entry is about, in columns: read from its text alone, so that anybody can make the index again.

The index is for finding entries. It proves nothing, and verification does not look at it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID


class IndexRow(NamedTuple):
    """Ids are None where the entry does not name them.

    What they lead to (the model of a version) is looked up where the index is filled. `request_id` is that of the
    HTTP call, `change_id` that of the transition request.
    """

    seq: int
    event_id: str
    at: datetime
    actor_id: str
    actor_name: str
    action: str
    subject_kind: str
    subject_id: str
    request_id: str | None
    model_id: str | None
    version_id: str | None
    dataset_id: str | None
    change_id: str | None


def index_row(seq: int, entry: str) -> IndexRow:
    """Raises ValueError, KeyError or TypeError for a text that is no entry."""
    event = json.loads(entry)
    subject, actor = event["subject"], event["actor"]
    kind, identifier = subject["kind"], subject["id"]
    told = [part for part in (event["details"], event["after"], event["before"]) if isinstance(part, dict)]

    def named(subject_kind: str, name: str, *, among: list[dict[str, Any]] = told) -> str | None:
        if kind == subject_kind:
            return _identifier(identifier)
        return next((found for part in among if (found := _identifier(part.get(name)))), None)

    return IndexRow(
        seq,
        _storable(event["id"]),
        datetime.fromisoformat(event["at"]),
        _storable(actor["id"]),
        _storable(actor["name"]),
        event["action"],
        _storable(kind),
        _storable(identifier),
        _storable(event["requestId"]) if event["requestId"] is not None else None,
        named("model", "modelId"),
        named("version", "versionId"),
        # The dataset of a suite is no reason to show the suite: that is the model's.
        _identifier(identifier) if kind == "dataset" else None,
        named("request", "requestId", among=told[:1]),
    )


def _identifier(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return str(UUID(value))
    except ValueError:
        return None


def _storable(text: str) -> str:
    """NUL is a character of JSON and none of PostgreSQL's."""
    return text.replace("\0", "�")
