"""Asking endpoints through their circuit breakers.

Nothing here is audited: the state of a breaker is a measurement that passes, like failed sign-ins. The evaluation that
was refused by it says so and is part of the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from governance.breakers import BreakerRules, Outcome
from governance.operations.calls import Call
from governance.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class Turn:
    """A caller's leave to ask an endpoint; `report` takes it back."""

    endpoint: str
    generation: int


@dataclass(frozen=True, slots=True)
class NotNow:
    """The endpoint is left alone after `failures` failures in a row, until then."""

    failures: int
    until: datetime


def take_turn(uow: UnitOfWork, call: Call, endpoint: str, rules: BreakerRules) -> Turn | NotNow:
    with uow:
        before = uow.breakers.locked(endpoint, call.at)
        breaker, admitted = before.admit(rules, call.at)
        if not admitted:
            return NotNow(before.failures, before.until or call.at)
        if breaker != before:
            uow.breakers.store(breaker, call.at)
        uow.commit()
    return Turn(endpoint, breaker.generation)


def report(uow: UnitOfWork, call: Call, turn: Turn, outcome: Outcome, rules: BreakerRules) -> None:
    """How it went. Of no effect when the breaker moved on since the turn was taken."""
    with uow:
        before = uow.breakers.locked(turn.endpoint, call.at)
        breaker = before.after(outcome, turn.generation, rules, call.at)
        if breaker != before:
            uow.breakers.store(breaker, call.at)
        uow.commit()
