"""One audited happening: who did what to which subject, and what changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from governance.canonical import canonical_bytes, rendered
from governance.errors import InvalidInput

FORMAT = 1
"""Version of the entry's layout, inside the hashed bytes, so that a reader of old entries knows how to read
them.
"""

DEEPEST = 64
"""Levels of nesting in one event; deeper values are refused rather than left to the recursion limit."""

_ACTION = re.compile(r"[a-z0-9][a-z0-9_.-]*(:[a-z0-9][a-z0-9_.-]*)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (`user`) or the platform itself (`system`)."""

    kind: Literal["user", "system"]
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What was acted upon, e.g. `Subject("version", "0199…")`."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event as it is recorded for ever.

    `before`, `after` and `details` are JSON values that are written in the clear and can never be removed:
    **they must not carry secrets** (passwords, tokens, keys, signed addresses). Name the credential by its id
    instead.

    at: when it was decided; any time zone, rendered in UTC with microseconds.
    action: words joined by colons, general to special, e.g. `version:state:changed`.
    request_id: correlates the HTTP request or transition request, None for what the platform does by itself.
    digest: evidence digest that the decision was bound to, `sha256:…`, where there is one.
    Raises InvalidInput for a naive time, an empty id or an action of another shape.
    """

    id: str
    at: datetime
    actor: Actor
    action: str
    subject: Subject
    request_id: str | None = None
    before: Any = None
    after: Any = None
    digest: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise InvalidInput("An audit event needs a time with its zone.")
        if not (self.id and self.actor.id and self.subject.kind and self.subject.id):
            raise InvalidInput("An audit event names itself, its actor and its subject.")
        if self.actor.kind not in ("user", "system"):
            raise InvalidInput(f"An actor is a user or the system, not {self.actor.kind!r}.")
        if not _ACTION.fullmatch(self.action):
            raise InvalidInput(f"An action is words joined by colons, not {self.action!r}.")

    def to_json(self) -> dict[str, Any]:
        """Every field, absent ones as null, so that an entry's bytes do not depend on how it was built."""
        return {
            "format": FORMAT,
            "id": self.id,
            "at": rendered(self.at),
            "actor": {"kind": self.actor.kind, "id": self.actor.id, "name": self.actor.name},
            "action": self.action,
            "subject": {"kind": self.subject.kind, "id": self.subject.id},
            "requestId": self.request_id,
            "before": _plain(self.before),
            "after": _plain(self.after),
            "digest": self.digest,
            "details": _plain(self.details),
        }

    @classmethod
    def from_entry(cls, entry: str) -> AuditEvent:
        """The event of an entry. Raises InvalidInput for a layout that this version does not know."""
        value = json.loads(entry, parse_int=_number)
        if value.get("format") != FORMAT:
            raise InvalidInput(f"Audit entries of format {value.get('format')!r} are not known here.")
        return cls(
            id=value["id"],
            at=datetime.fromisoformat(value["at"]),
            actor=Actor(**value["actor"]),
            action=value["action"],
            subject=Subject(**value["subject"]),
            request_id=value["requestId"],
            before=value["before"],
            after=value["after"],
            digest=value["digest"],
            details=value["details"],
        )

    def canonical(self) -> str:
        """The entry: RFC 8785 JSON as text. Raises InvalidInput for what has no canonical form (NaN, 2^53 and more)."""
        try:
            return canonical_bytes(self.to_json()).decode("utf-8")
        except UnicodeError as error:
            raise InvalidInput(f"This text has no UTF-8 form: {error}") from error


def _number(digits: str) -> int | float:
    """RFC 8785 writes whole doubles up to 10^21 without an exponent; beyond 2^53 they are doubles again."""
    number = int(digits)
    return number if abs(number) < 2**53 else float(digits)


def _plain(value: Any, depth: int = 0) -> Any:
    """`value` in the types that JSON knows; mappings and sequences of any kind become dicts and lists.

    A Decimal becomes the number that reads back as the same digits; one that no double can carry is refused,
    because an audit log must not round.
    """
    if depth > DEEPEST:
        raise InvalidInput(f"An audit event nests at most {DEEPEST} levels.")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidInput("The names inside an audit event are text.")
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, Decimal):
        number = float(value)
        if not value.is_finite() or Decimal(repr(number)) != value:
            raise InvalidInput(f"{value} has more digits than a JSON number carries; record it as text.")
        return number
    raise InvalidInput(f"An audit event holds JSON values, not {type(value).__name__}.")
