"""Short ways through time for the tests of this folder."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from governance.operations.findings import NewFinding, open_finding
from governance.operations.freezes import NewFreeze, declare_freeze
from governance.operations.launching import Reconciled, reconcile
from governance.operations.tending import Tended, tend
from governance.operations.transitions import decide
from governance.requests import TransitionRequest
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query, stored


def pass_time(r: RegistryUnderTest) -> Tended:
    return tend(r.unit, r.launcher, r.call(None))


def look(r: RegistryUnderTest) -> Reconciled:
    return reconcile(r.unit, r.launcher, r.call(None), orphan_after=timedelta(minutes=1))


def approved_by(r: RegistryUnderTest, request: TransitionRequest, *people: Any) -> None:
    digest = stored(r, request).evidence_digest or ""
    for person in people:
        decide(r.unit(), r.call(person), request.id, decision="approve", comment="", evidence_digest=digest)


def freeze(r: RegistryUnderTest, *, hours: float = 6, **scope: Any) -> str:
    """The id of a freeze that begins now."""
    new = NewFreeze("year end", "The books are closed.", r.at, r.at + timedelta(hours=hours), **scope)
    return declare_freeze(r.unit(), r.call(r.admin), new)


def found(r: RegistryUnderTest, model: str, *blocks: str, severity: str = "high", **more: Any) -> str:
    """The id of a finding about version 1.0.0 that Edsger opened."""
    new = NewFinding(model, "1.0.0", severity, "Fairness was never measured.", blocks=blocks, **more)
    return open_finding(r.unit(), r.call(r.edsger), new)


def told(r: RegistryUnderTest, subject: str) -> list[str]:
    """The types of the events about it, in order."""
    return [str(kind) for (kind,) in query(r, "select type from events where subject_id = %s order by id", subject)]
