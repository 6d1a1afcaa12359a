"""What every operation is told about the call: who, when, how ids are made, which key may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.access.decisions import decide
from governance.access.principal import Principal
from governance.access.rules import AccessRule
from governance.audit.event import Actor, AuditEvent, Subject
from governance.canonical import digest_of
from governance.errors import Forbidden, InvalidInput, NotFound
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


# What lets somebody see that an asset exists. The history of decisions about a model is provenance, too.
READING: dict[str, tuple[str, ...]] = {
    "model": ("model:read",),
    "version": ("model:read",),
    "request": ("model:read", "provenance:read"),
    "dataset": ("dataset:read",),
    "finding": ("model:read", "provenance:read"),
}


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

    def may(self, permission: str, doing: str, rule: AccessRule | None = None) -> Principal:
        """The caller, if the access policies let them; `rule` is that of the asset meant. Raises Forbidden."""
        person = self.person
        decision = decide(person, permission, rule)
        if not decision.allowed:
            raise Forbidden(
                f"{doing} is not allowed for {person.name}: {decision.reason}",
                details={"permission": permission, "policies": list(decision.policies)},
            )
        return person

    def may_with(self, kind: str, identifier: str, rule: AccessRule, permission: str, doing: str) -> Principal:
        """The same about one asset: what the caller may neither read nor do this to, they are told does not exist.

        Who may do it without reading has no need to be kept in the dark: an administrator opens what is closed to
        them, an uploader adds to a package that they cannot search. Raises NotFound, Forbidden.
        """
        decisions = (decide(self.person, one, rule) for one in (permission, *READING[kind]))
        if not any(decision.allowed for decision in decisions):
            raise NotFound(kind, identifier)
        return self.may(permission, doing, rule)

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

    def tell(self, uow: UnitOfWork, kind: str, subject: tuple[str, str], model_id: str | None, /, **data: Any) -> None:
        """An event for whoever listens (`governance.events`), in the transaction of what it tells. No secrets."""
        uow.events.emit(self.new_id(), kind, subject, model_id, _without_none(data), self.at)

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
