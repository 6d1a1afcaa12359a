"""Which entries of the audit log somebody asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from governance.errors import ConflictingFilters, FilterOutOfRange, FilterSyntax, TooManyFilters, UnsupportedFilter

LONGEST = 300
"""Characters of one value."""

MOST_ACTIONS = 20


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """All that is given has to hold; None and () ask for nothing.

    actor: id or name. actions: beginnings of the action, any of them. since is included, until is not.
    text: a piece of the entry's text, in any case of letters.
    """

    actor: str | None = None
    actions: tuple[str, ...] = ()
    subject_kind: str | None = None
    subject_id: str | None = None
    model_id: str | None = None
    version_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    request_id: str | None = None
    text: str | None = None

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> EntryFilter:
        """Keys as in `NAMES`; null is the same as absent. Raises the refusals of filters (FILTER_001 to 005)."""
        given = {name: value for name, value in asked.items() if value is not None}
        unknown = sorted(set(given) - set(NAMES))
        if unknown:
            raise UnsupportedFilter(
                f"There is no filter {unknown[0][:100]!r}.", details={"field": unknown[0][:100], "known": sorted(NAMES)}
            )
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name == "action":
                values["actions"] = _actions(value)
            elif name in ("from", "to"):
                values[NAMES[name]] = _moment(name, value)
            elif name in ("modelId", "versionId"):
                values[NAMES[name]] = _identifier(name, value)
            else:
                values[NAMES[name]] = _text(name, value)
        found = cls(**values)
        if found.since is not None and found.until is not None and found.since >= found.until:
            raise ConflictingFilters("`from` has to lie before `to`.", details={"field": "from"})
        return found

    def to_json(self) -> dict[str, Any]:
        """What was asked, as `read` takes it."""
        told: dict[str, Any] = {}
        by_field = {field: name for name, field in NAMES.items()}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or value == ():
                continue
            if isinstance(value, datetime):
                value = value.astimezone(UTC).isoformat()
            told[by_field[field.name]] = list(value) if isinstance(value, tuple) else value
        return told


NAMES = {
    "actor": "actor",
    "action": "actions",
    "subjectKind": "subject_kind",
    "subjectId": "subject_id",
    "modelId": "model_id",
    "versionId": "version_id",
    "from": "since",
    "to": "until",
    "requestId": "request_id",
    "text": "text",
}
"""What a caller writes, and the field that it sets."""


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise FilterSyntax(f"{name} is a text.", details={"field": name})
    if len(value) > LONGEST or "\0" in value:
        raise FilterOutOfRange(f"{name} has at most {LONGEST} characters and no NUL.", details={"field": name})
    return value


def _actions(value: Any) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    if len(several) > MOST_ACTIONS:
        raise TooManyFilters(f"action has at most {MOST_ACTIONS} values.", details={"field": "action"})
    return tuple(_text("action", one) for one in several)


def _identifier(name: str, value: Any) -> str:
    try:
        return str(UUID(_text(name, value)))
    except ValueError:
        raise FilterSyntax(f"{name} is an id.", details={"field": name}) from None


def _moment(name: str, value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(name, value))
    except ValueError:
        raise FilterSyntax(
            f"{name} is a date or a time such as 2026-01-31T12:00:00Z.", details={"field": name}
        ) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if not 1970 <= moment.year <= 9000:
        raise FilterOutOfRange(f"{name} lies between the years 1970 and 9000.", details={"field": name})
    return moment
