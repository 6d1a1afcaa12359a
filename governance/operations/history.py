"""What is done with the audit log besides writing it: it is exported, held, and subscribed to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from governance.audit.filters import EntryFilter
from governance.audit.holds import PLACED, RELEASED, Hold
from governance.errors import Conflict, InvalidInput
from governance.operations.calls import Call
from governance.ports import UnitOfWork


def record_export(uow: UnitOfWork, call: Call, form: str, asked: EntryFilter, size: int) -> None:
    """Before the first entry leaves the house: whatever becomes of the export, the log says that there was one.

    size: how many entries the log had. Raises Forbidden.
    """
    person = call.may("audit:read", "Exporting the audit log")
    with uow:
        uow.audit(
            call.event(
                "audit:exported", "user", person.id, format=form, filter=asked.to_json() or None, entriesInLog=size
            )
        )
        uow.commit()


def subscribe(uow: UnitOfWork, call: Call, asked: EntryFilter) -> str:
    """The id of a subscription to what happens from now on. What it shows is decided when it is read."""
    person = call.may("self:read", "Subscribing to activity")
    if asked.text is not None:
        raise InvalidInput("A subscription does not search in texts.", details={"field": "text"})
    with uow:
        if (known := call.repeated(uow)) is not None:
            return known
        made = call.new_id()
        after = uow.history.last_indexed()
        uow.history.subscribe(made, person.id, asked.to_json(), after, call.at)
        call.remember(uow, made)
        uow.audit(call.event("activity:subscribed", "subscription", made, after={"filters": asked.to_json()}))
        uow.commit()
    return made


def place_hold(
    uow: UnitOfWork,
    call: Call,
    *,
    scope: Any,
    reason: str,
    model_id: str | None = None,
    subject_kind: str | None = None,
    subject_id: str | None = None,
    until: datetime | None = None,
) -> str:
    """The id of the hold. It counts from the moment of the commit. Raises InvalidInput, NotFound, Forbidden."""
    person = call.may("audit:manage", "Placing a legal hold")
    hold = Hold(call.new_id(), scope, reason, model_id, subject_kind, subject_id, until)
    if until is not None and until <= call.at:
        raise InvalidInput("`until` lies in the future.", details={"field": "until"})
    with uow:
        if (known := call.repeated(uow)) is not None:
            return known
        if model_id is not None:
            uow.models.get(model_id)
        uow.history.place(hold, person.id, call.at)
        call.remember(uow, hold.id)
        uow.audit(call.event(PLACED, "legal-hold", hold.id, after=hold.to_json()))
        uow.commit()
    return hold.id


def release_hold(uow: UnitOfWork, call: Call, hold_id: str) -> None:
    """Raises NotFound, Conflict when it was released before, Forbidden."""
    person = call.may("audit:manage", "Releasing a legal hold")
    with uow:
        hold, released_at = uow.history.lock_hold(hold_id)
        if released_at is not None:
            raise Conflict("This hold was released before.", details={"id": hold_id})
        uow.history.release(hold_id, person.id, call.at)
        uow.audit(call.event(RELEASED, "legal-hold", hold_id, before=hold.to_json()))
        uow.commit()
