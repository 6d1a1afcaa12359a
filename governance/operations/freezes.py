"""Declaring freeze windows, and lifting them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from governance.canonical import rendered
from governance.errors import InvalidInput
from governance.freezes import FreezeWindow, Weekly, checked_window
from governance.models import checked_text
from governance.operations.calls import Call
from governance.ports import UnitOfWork

MOST_NAMES = 100


@dataclass(frozen=True, slots=True)
class NewFreeze:
    """See `governance.freezes`; empty parts of the scope cover everything."""

    name: str
    reason: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekly: Weekly | None = None
    groups: Sequence[str] = ()
    transitions: Sequence[str] = ()
    risk_tiers: Sequence[str] = ()


def declare_freeze(uow: UnitOfWork, call: Call, new: NewFreeze) -> str:
    """The id of the window. From the end of this transaction on nothing that it covers is settled.

    Raises Forbidden, InvalidInput.
    """
    person = call.may("freeze:create", "Declaring a freeze")
    window = checked_window(
        FreezeWindow(
            id=call.new_id(),
            name=_needed("name", new.name, 200),
            reason=_needed("reason", new.reason, 2_000),
            starts_at=new.starts_at,
            ends_at=new.ends_at,
            weekly=new.weekly,
            groups=tuple(sorted(set(new.groups))),
            transitions=tuple(sorted(set(new.transitions))),
            risk_tiers=tuple(sorted(set(new.risk_tiers))),
        )
    )
    if window.ends_at is not None and window.ends_at <= call.at:
        raise InvalidInput("This freeze would be over already.", details={"field": "endsAt"})
    if len(window.groups) > MOST_NAMES:
        raise InvalidInput(f"A freeze names at most {MOST_NAMES} groups.", details={"field": "groups"})
    with uow:
        if known := call.repeated(uow):
            return known
        if unknown := uow.groups.unknown(window.groups):
            raise InvalidInput(
                f"There is no group {', '.join(unknown)[:200]}.", details={"field": "groups", "unknown": list(unknown)}
            )
        uow.freezes.add(window, person.id, call.at)
        call.remember(uow, window.id)
        uow.audit(call.event("freeze:declared", "freeze", window.id, after=_shown(window)))
        uow.commit()
    return window.id


def lift_freeze(uow: UnitOfWork, call: Call, window_id: str) -> None:
    """End it now. What waited goes on when the reconciler looks next. Raises NotFound, Forbidden."""
    person = call.may("freeze:delete", "Lifting a freeze")
    with uow:
        window = uow.freezes.get(window_id)
        uow.freezes.lift(window_id, person.id, call.at)
        after = {"liftedAt": rendered(call.at)}
        uow.audit(call.event("freeze:lifted", "freeze", window_id, before=_shown(window), after=after))
        uow.commit()


def _needed(field: str, text: str, limit: int) -> str:
    checked = checked_text(field, text, limit=limit).strip()
    if not checked:
        raise InvalidInput(f"A freeze has a {field}.", details={"field": field})
    return checked


def _shown(window: FreezeWindow) -> dict[str, Any]:
    weekly = window.weekly
    return {
        "name": window.name,
        "reason": window.reason,
        "startsAt": rendered(window.starts_at) if window.starts_at else None,
        "endsAt": rendered(window.ends_at) if window.ends_at else None,
        "weekly": {
            "days": sorted(weekly.days),
            "from": f"{weekly.start:%H:%M}",
            "to": f"{weekly.end:%H:%M}",
            "timeZone": weekly.zone,
        }
        if weekly
        else None,
        "groups": list(window.groups),
        "transitions": list(window.transitions),
        "riskTiers": list(window.risk_tiers),
    }
