"""Behaviour 9: two people override a soft gate, with a reason, for a while, with a finding; a hard gate nobody does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from governance.access.principal import Principal
from governance.bundle.verify import Verification
from governance.errors import (
    ApprovalInvalidated,
    Conflict,
    ConflictOfInterest,
    Forbidden,
    HardGate,
    InvalidInput,
    NotFound,
    RequestClosed,
    SelfApproval,
)
from governance.operations import overriding, policies, settling
from governance.operations.findings import FindingChange, change_finding, close_finding
from governance.operations.overriding import NewOverride
from governance.operations.tending import tend
from governance.operations.transitions import withdraw
from governance.requests import RequestStatus, TransitionRequest
from storage import bundles
from storage.composition import new_id
from tests.fixtures.policies import policy
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.approvals.deciding import newcomer, settled, vote
from tests.governance.operations.situations import events, evidence_of, parked, query, stored
from tests.storage.bundles.exporting import drain, failed

REASON = "Nobody reaches this on data of last year; the next retraining does."
SOFT = policy("nearly-perfect", least=0.99, enforcement="soft", scope={"transitions": ["approve_production"]})
EASY = policy("better-than-chance", least=0.5, enforcement="soft", scope={"transitions": ["approve_production"]})

DESCRIBED = {
    "name": "well-described",
    "title": "Is it described at length?",
    "kind": "governance",
    "enforcement": "soft",
    "scope": {"transitions": ["submit"]},
    "rules": [{"id": "length", "expression": "size(model.description) >= 200", "message": "Say more."}],
    "samples": {
        "allowed": [{"evidence": {"model": {"description": "long " * 50}}}],
        "denied": [{"evidence": {"model": {"description": "Short."}}}],
    },
}


@pytest.fixture
def r(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    """Two soft policies are in force: one that every version here misses, one that every version meets."""
    for definition in (SOFT, EASY):
        registry_under_test.write_policy(definition)
    return registry_under_test


def blocked(r: RegistryUnderTest) -> TransitionRequest:
    """Parked for production, with an accuracy that the soft gate refuses."""
    request = parked(r)
    assert request.status is RequestStatus.AWAITING_APPROVAL
    return request


def propose(r: RegistryUnderTest, request: TransitionRequest, who: Principal, **changes: Any) -> str:
    asked = {
        "policy": SOFT["name"],
        "policy_version": 1,
        "evidence_digest": stored(r, request).evidence_digest,
        "reason": REASON,
        **changes,
    }
    return overriding.propose(r.unit(), r.call(who), request.id, NewOverride(**asked))


def harden(r: RegistryUnderTest) -> None:
    changed = {**SOFT, "enforcement": "hard"}
    proposed = policies.change(r.unit(), r.call(r.admin), SOFT["name"], definition=changed)
    assert proposed.change_id is not None
    r.confirm(proposed.change_id)


def confirm(r: RegistryUnderTest, request: TransitionRequest, who: Principal, override: str) -> None:
    overriding.confirm(r.unit(), r.call(who), request.id, override)


def test_a_request_that_only_a_soft_gate_blocks_waits(r: RegistryUnderTest) -> None:
    request = blocked(r)
    vote(r, request, r.edsger)
    done = settled(r, request)
    assert (done.kind, done.status) == ("waiting", RequestStatus.AWAITING_APPROVAL)
    assert any("Too low." in reason for reason in done.outcome["reasons"]), done


def test_two_people_override_it(r: RegistryUnderTest) -> None:
    request = blocked(r)
    vote(r, request, r.edsger)
    proposal = propose(r, request, r.grace)
    assert settled(r, request).kind == "waiting", "one person is not enough"
    confirm(r, request, r.alan, proposal)
    done = settled(r, request)
    assert done.status is RequestStatus.APPLIED
    ((severity, title, finding),) = query(
        r, "select severity, title, id::text from findings where request_id = %s", request.id
    )
    assert severity == "medium"
    assert REASON in title
    ((judged,),) = query(r, "select judged_case from transition_requests where id = %s", request.id)
    assert judged["waived"] == [[SOFT["name"], 1]]
    actions = [event.action for event in events(r, request.id)]
    assert [a for a in actions if a.startswith("override")] == ["override:proposed", "override:confirmed"]
    assert [event.action for event in events(r, finding)] == ["finding:opened"]


def test_an_override_is_no_approval(r: RegistryUnderTest) -> None:
    request = blocked(r)
    confirm(r, request, r.alan, propose(r, request, r.grace))
    done = settled(r, request)
    assert done.kind == "waiting"
    assert "needs 1 approval(s)" in " ".join(done.outcome["reasons"])


def test_it_can_still_be_rejected_or_withdrawn(r: RegistryUnderTest) -> None:
    request = blocked(r)
    vote(r, request, r.edsger, "reject", comment="Convert it.")
    assert settled(r, request).status is RequestStatus.DENIED
    request = blocked(r)
    vote(r, request, r.edsger, "request_changes", comment="Convert it.")
    assert settled(r, request).outcome["name"] == "ChangesRequested"
    request = blocked(r)
    withdraw(r.unit(), r.call(r.dev), request.id, "")
    assert settled(r, request).status is RequestStatus.WITHDRAWN


@pytest.mark.parametrize("who", ["root", "grace"])
def test_a_hard_gate_is_overridden_by_nobody(r: RegistryUnderTest, who: str) -> None:
    request = blocked(r)
    person = r.admin if who == "root" else r.grace
    for hard in ("approvals", "evaluation", "artifact-integrity"):
        with pytest.raises(HardGate, match="administrators included"):
            propose(r, request, person, policy=hard)
    # made hard after the override was proposed
    proposal = propose(r, request, person)
    vote(r, request, r.edsger)
    harden(r)
    with pytest.raises(ApprovalInvalidated):  # the policy is part of what was frozen
        confirm(r, request, r.alan, proposal)
    done = r.settle(request, evidence_of(r, request))
    assert done.status is RequestStatus.DENIED
    assert query(r, "select count(*) from overrides where confirmed_by is not null") == [(0,)]


def test_a_confirmed_override_lifts_no_hard_gate(r: RegistryUnderTest) -> None:
    request = blocked(r)
    confirm(r, request, r.alan, propose(r, request, r.grace))
    vote(r, request, r.edsger)
    harden(r)
    assert r.settle(request, evidence_of(r, request)).status is RequestStatus.DENIED


def test_what_does_not_block_is_not_overridden(r: RegistryUnderTest) -> None:
    request = parked(r)
    with pytest.raises(Conflict, match="does not block"):
        propose(r, request, r.grace, policy=EASY["name"])
    with pytest.raises(Conflict, match="No gate"):
        propose(r, request, r.grace, policy="nonsense")
    with pytest.raises(Conflict, match="No gate"):
        propose(r, request, r.grace, policy_version=2)


@pytest.mark.parametrize("reason", ["", "because", " " * 40, "\x00" * 40])
def test_it_takes_a_reason(r: RegistryUnderTest, reason: str) -> None:
    request = blocked(r)
    with pytest.raises(InvalidInput):
        propose(r, request, r.grace, reason=reason)
    for days in (0, 15, -1):
        with pytest.raises(InvalidInput):
            propose(r, request, r.grace, days=days)
    assert query(r, "select count(*) from overrides") == [(0,)]


def test_it_takes_two_people_who_may_decide_and_are_free_to(r: RegistryUnderTest) -> None:
    request = blocked(r)
    trainer = newcomer(r)
    with r.unit() as uow:
        uow.access.contributed(request.version_id, trainer.id, "trainer", r.at)
        uow.commit()
    service = newcomer(r, list(r.grace.roles), "risk", kind="service", owner="alan")
    for person, refusal in ((r.dev, Forbidden), (service, Forbidden), (trainer, ConflictOfInterest)):
        with pytest.raises(refusal):
            propose(r, request, person)
    proposal = propose(r, request, r.grace)
    with pytest.raises(SelfApproval):
        confirm(r, request, r.grace, proposal)
    for person, refusal in ((r.dev, Forbidden), (service, Forbidden), (trainer, ConflictOfInterest)):
        with pytest.raises(refusal):
            confirm(r, request, person, proposal)
    with pytest.raises(NotFound):
        confirm(r, request, r.alan, new_id())
    confirm(r, request, r.alan, proposal)
    with pytest.raises(Conflict, match="already"):
        confirm(r, request, r.edsger, proposal)
    with pytest.raises(Conflict, match="already"):
        propose(r, request, r.edsger)


def test_it_expires(r: RegistryUnderTest) -> None:
    request = blocked(r)
    vote(r, request, r.edsger)
    late = propose(r, request, r.grace, days=1)
    proposal = propose(r, request, r.grace, days=2)
    confirm(r, request, r.alan, proposal)
    r.later(days=1)
    with pytest.raises(Conflict):
        confirm(r, request, r.alan, late)
    r.later(days=1)
    assert settled(r, request).kind == "waiting"


def test_it_is_about_exactly_this_evidence(r: RegistryUnderTest) -> None:
    request = blocked(r)
    confirm(r, request, r.alan, propose(r, request, r.grace))
    other = evidence_of(r, request)
    other = replace(other, measured={**other.measured, "more": 1})
    settling.park(r.unit(), r.call(None), request.id, other)
    vote(r, request, r.edsger)
    assert settled(r, request).kind == "waiting"
    with pytest.raises(ApprovalInvalidated):
        propose(r, request, r.grace, evidence_digest=request.evidence_digest)


@pytest.mark.parametrize("loss", [{"roles": ["viewer"]}, {"active": False}])
@pytest.mark.parametrize("first", [True, False])
def test_it_ends_with_the_right_of_either(r: RegistryUnderTest, loss: dict[str, Any], first: bool) -> None:
    request, person = blocked(r), newcomer(r)
    vote(r, request, r.edsger)
    confirm(r, request, r.alan if first else person, propose(r, request, person if first else r.grace))
    r.change(person.id, **loss)
    assert settled(r, request).kind == "waiting"


def test_a_row_written_by_hand_overrides_nothing(r: RegistryUnderTest) -> None:
    request = blocked(r)
    vote(r, request, r.edsger)
    proposal = propose(r, request, r.grace)
    query(r, "update overrides set confirmed_by = %s, confirmed_at = %s where id = %s", r.alan.id, r.at, proposal)
    assert settled(r, request).kind == "waiting"
    query(
        r, "update overrides set confirmed_by = null, confirmed_at = null, reason = 'Another.' where id = %s", proposal
    )
    with pytest.raises(Conflict, match="not signed"):
        confirm(r, request, r.alan, proposal)


def test_a_settled_request_takes_none(r: RegistryUnderTest) -> None:
    request = blocked(r)
    proposal = propose(r, request, r.grace)
    withdraw(r.unit(), r.call(r.dev), request.id, "")
    with pytest.raises(RequestClosed):
        confirm(r, request, r.alan, proposal)
    with pytest.raises(RequestClosed):
        propose(r, request, r.grace)


def test_a_transition_without_approval_waits_for_an_override_too(r: RegistryUnderTest) -> None:
    r.write_policy(DESCRIBED)
    model = r.model()
    r.version(model)
    request = r.open(model, "1.0.0", "submit")
    assert settling.park(r.unit(), r.call(None), request.id, r.evidence(request))[0].outcome == "waiting"
    override = propose(r, request, r.grace, policy="well-described")
    confirm(r, request, r.alan, override)
    assert settled(r, request).status is RequestStatus.APPLIED


def test_what_nobody_overrides_in_time_is_refused(r: RegistryUnderTest) -> None:
    """Without people who approve, nothing else would ever end it."""
    r.write_policy(DESCRIBED)
    model = r.model()
    r.version(model)
    request = r.open(model, "1.0.0", "submit")
    assert settling.park(r.unit(), r.call(None), request.id, r.evidence(request))[0].outcome == "waiting"
    launcher = r.launcher
    r.later(days=13)
    assert tend(r.platform.new_unit, launcher, r.call(None)).expired == ()
    r.later(days=1)
    assert tend(r.platform.new_unit, launcher, r.call(None)).expired == (request.id,)
    done = stored(r, request)
    assert (done.status, (done.outcome or {})["name"]) == (RequestStatus.DENIED, "Expired")


def test_its_bundle_holds_only_with_the_entry_that_tells_of_it(
    r: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = blocked(r)
    vote(r, request, r.edsger)
    confirm(r, request, r.alan, propose(r, request, r.grace))
    assert settled(r, request).status is RequestStatus.APPLIED
    drain(r)
    _, archive = bundles.export(r.platform, r.dev, request.id)
    assert failed(archive, None) == {}
    whole = Verification._audit_entries_of_overrides  # what the log tells of overrides
    monkeypatch.setattr(Verification, "_audit_entries_of_overrides", lambda self: whole(self)[1:])
    assert "overrode" in failed(archive, None)["case.json"]


def test_its_finding_is_not_closed_by_the_two(r: RegistryUnderTest) -> None:
    request = blocked(r)
    vote(r, request, r.edsger)
    confirm(r, request, r.alan, propose(r, request, r.grace))
    ((finding,),) = query(r, "select id::text from findings where request_id = %s", request.id)
    for person in (r.grace, r.alan):
        for change in (FindingChange(severity="low"), FindingChange(due_at=r.at + timedelta(days=300))):
            with pytest.raises(ConflictOfInterest):
                change_finding(r.unit(), r.call(person), finding, change)
        for kind in ("fixed", "accepted"):
            with pytest.raises(ConflictOfInterest):
                close_finding(r.unit(), r.call(person), finding, kind=kind, resolution="It is all right by now.")
    close_finding(r.unit(), r.call(r.edsger), finding, kind="fixed", resolution="The retrained one reaches it.")
