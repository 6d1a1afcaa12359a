"""Handing one's decisions to somebody else for a while, and taking that back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from governance.access.principal import PERSON
from governance.delegations import MOST_IN_FORCE, Delegation, checked_scope, checked_term
from governance.errors import Conflict, Forbidden, InvalidInput, NotFound
from governance.models import checked_text
from governance.operations.calls import Call
from governance.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class NewDelegation:
    """delegate: name or id. starts_at None: at once. Empty scopes stand for all."""

    delegate: str
    ends_at: datetime
    starts_at: datetime | None = None
    groups: Sequence[str] = ()
    transitions: Sequence[str] = ()
    risk_tiers: Sequence[str] = ()
    reason: str = ""


def delegate(uow: UnitOfWork, call: Call, new: NewDelegation) -> str:
    """The id of the delegation of the caller's own decisions. What was delegated to them they cannot hand on.

    Raises Forbidden, InvalidInput, NotFound, Conflict.
    """
    person = call.may("approval:decide", "Delegating decisions")
    if person.kind != PERSON:
        raise Forbidden("Decisions are made by people, and delegated by people.")
    starts_at, ends_at = checked_term(new.starts_at or call.at, new.ends_at, call.at)
    groups, transitions, risk_tiers = checked_scope(new.groups, new.transitions, new.risk_tiers)
    reason = checked_text("reason", new.reason, limit=2_000)
    with uow:
        if known := call.repeated(uow):
            return known
        other = uow.people.find(checked_text("delegate", new.delegate, limit=200))
        if other is None:
            raise NotFound("user", new.delegate[:200])
        if other.id == person.id:
            raise InvalidInput("Nobody delegates to themselves.", details={"field": "delegate"})
        if other.kind != PERSON or not other.active:
            raise InvalidInput("Decisions are delegated to people who are active.", details={"field": "delegate"})
        if unknown := uow.groups.unknown(groups):
            raise InvalidInput(f"There is no group {unknown[0]!r}.", details={"field": "groups"})
        uow.people.lock(person.id)  # so that the count below holds
        if uow.delegations.count_of(person.id, call.at) >= MOST_IN_FORCE:
            raise Conflict(f"Nobody has more than {MOST_IN_FORCE} delegations at a time; revoke one first.")
        made = Delegation(
            id=call.new_id(),
            delegator_id=person.id,
            delegate_id=other.id,
            groups=groups,
            transitions=transitions,
            risk_tiers=risk_tiers,
            reason=reason,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        uow.delegations.add(made, call.at)
        call.remember(uow, made.id)
        uow.audit(call.event("delegation:created", "delegation", made.id, after=made.to_json(), reason=reason or None))
        uow.commit()
    return made.id


def revoke(uow: UnitOfWork, call: Call, delegation_id: str) -> None:
    """By whoever gave it, whoever has it, or an administrator. Decisions that still wait no longer count by it.

    Raises NotFound, also for the delegations of others.
    """
    person = call.may("self:manage", "Revoking a delegation")
    with uow:
        found = uow.delegations.get(delegation_id)
        if person.id not in (found.delegator_id, found.delegate_id):
            if not person.is_admin:
                raise NotFound("delegation", delegation_id)
            call.may("user:update", "Revoking somebody else's delegation")
        if uow.delegations.revoke(found.id, person.id, call.at):
            uow.audit(call.event("delegation:revoked", "delegation", found.id, before=found.to_json()))
            uow.commit()
