"""What every operation is told about the call: who, when, how ids are made, which key may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.audit.event import Actor, AuditEvent, Subject
from governance.canonical import digest_of
from governance.errors import Forbidden, InvalidInput
from governance.people import Principal, Role
from governance.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """`fingerprint` is a digest of what was asked, so that a key cannot answer for another request."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, *asked: Any) -> IdempotencyKey:
        if not 1 <= len(key) <= 200 or not key.isprintable():
            raise InvalidInput("Idempotency-Key has 1 to 200 printable characters.")
        return cls(key, digest_of(list(asked)))


@dataclass(frozen=True)
class Call:
    """`principal` None: the platform itself acts (a flow that settles, the reconciler)."""

    principal: Principal | None
    at: datetime
    new_id: Callable[[], str]
    correlation: str | None = None
    idempotency: IdempotencyKey | None = None

    @property
    def person(self) -> Principal:
        if self.principal is None:
            raise Forbidden("This needs a person.")
        return self.principal

    def requires(self, roles: Collection[Role], doing: str) -> Principal:
        """Raises Forbidden unless the caller has one of the roles."""
        person = self.person
        if person.role not in roles:
            raise Forbidden(
                f"{doing} needs the role {' or '.join(sorted(roles))}; {person.name} is {person.role.value}.",
                details={"role": person.role.value, "needs": sorted(roles)},
            )
        return person

    def event(
        self,
        action: str,
        kind: str,
        identifier: str,
        *,
        before: Any = None,
        after: Any = None,
        digest: str | None = None,
        **details: Any,
    ) -> AuditEvent:
        """An audit event by this caller. Values must never carry secrets."""
        who = self.principal
        actor = Actor("user", who.id, who.name) if who else Actor("system", "gatehouse", "Gatehouse")
        return AuditEvent(
            id=self.new_id(),
            at=self.at,
            actor=actor,
            action=action,
            subject=Subject(kind, identifier),
            request_id=self.correlation,
            before=before,
            after=after,
            digest=digest,
            details=_without_none(details),
        )

    def repeated(self, uow: UnitOfWork) -> str | None:
        """The id of what an earlier call under the same key made."""
        if self.idempotency is None:
            return None
        return uow.idempotency.claim(self.person.id, self.idempotency.key, self.idempotency.fingerprint)

    def remember(self, uow: UnitOfWork, resource_id: str) -> None:
        if self.idempotency is not None:
            key = self.idempotency
            uow.idempotency.remember(self.person.id, key.key, key.fingerprint, resource_id, self.at)


def _without_none(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value is not None}
