"""Attempts at what nobody may do past the registry, recorded although nothing happened."""

from __future__ import annotations

from dataclasses import dataclass, replace

from governance.audit.event import Actor
from governance.operations.calls import Call
from governance.ports import UnitOfWork

NOBODY = Actor("user", "anonymous", "nobody who is signed in")


@dataclass(frozen=True, slots=True)
class Attempt:
    """method, path: as they were called; never what was sent along. address: of the caller, for attempts without a
    session. times: more than one when the entry stands for many.
    """

    method: str
    path: str
    reason: str
    address: str | None = None
    times: int = 1


def record_refusal(uow: UnitOfWork, call: Call, attempt: Attempt) -> None:
    """`dashboard:refused` by the caller, or by nobody when the call has no person."""
    event = call.event(
        "dashboard:refused",
        "dashboard",
        attempt.path,
        method=attempt.method,
        path=attempt.path,
        reason=attempt.reason,
        address=attempt.address,
        times=attempt.times,
    )
    with uow:
        uow.audit(event if call.principal else replace(event, actor=NOBODY))
        uow.commit()
