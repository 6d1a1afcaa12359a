"""Short ways to decide, and to see whether it had any effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.evidence import Evidence
from governance.operations import settling
from governance.operations.settling import Settlement
from governance.operations.transitions import decide
from governance.requests import TransitionRequest
from storage.composition import new_id
from tests.fixtures.registry import APPROVER, RegistryUnderTest
from tests.governance.operations.situations import evidence_of, query, stored


def vote(
    r: RegistryUnderTest,
    request: TransitionRequest,
    who: Principal,
    decision: str = "approve",
    *,
    comment: str = "seen",
    digest: str | None = None,
    on_behalf_of: str | None = None,
    **call: Any,
) -> TransitionRequest:
    digest = digest if digest is not None else stored(r, request).evidence_digest or ""
    return decide(
        r.unit(),
        r.call(who, **call),
        request.id,
        decision=decision,
        comment=comment,
        evidence_digest=digest,
        on_behalf_of=on_behalf_of,
    )


def newcomer(r: RegistryUnderTest, roles: Sequence[Role] = APPROVER, *groups: str, **more: Any) -> Principal:
    """Somebody whose access a test may change."""
    return r.person(f"person-{new_id()}", roles, *(groups or ("risk",)), **more)


def frozen(r: RegistryUnderTest, request: TransitionRequest) -> Evidence:
    evidence = stored(r, request).evidence
    assert evidence is not None
    return Evidence.from_json(evidence)


def settled(r: RegistryUnderTest, request: TransitionRequest) -> Settlement:
    """What settling comes to about exactly what is frozen."""
    return r.settle(request, frozen(r, request))


def approvals_gate(r: RegistryUnderTest, request: TransitionRequest) -> str:
    """What the gate about people says now."""
    _, results, _ = settling.park(r.unit(), r.call(None), request.id, frozen(r, request))
    (gate,) = [result for result in results if result.policy == "approvals"]
    return " ".join(gate.verdict.reasons)


def insert_approval(
    r: RegistryUnderTest, request: TransitionRequest, who: Principal, envelope: str | None = None
) -> str:
    """A row written by hand; its id."""
    made = new_id()
    query(
        r,
        """insert into approvals (id, request_id, requester_id, approver_id, decision, comment, evidence_digest,
           created_at, envelope) values (%s, %s, %s, %s, 'approve', '', %s, %s, %s)""",
        *(made, request.id, request.requester_id, who.id, stored(r, request).evidence_digest, r.at, envelope),
    )
    return made


def park_again(r: RegistryUnderTest, request: TransitionRequest, **changes: Any) -> Evidence:
    """Freeze what is there now."""
    evidence = evidence_of(r, request, **changes)
    settling.park(r.unit(), r.call(None), request.id, evidence)
    return evidence
