"""Decisions of people: who may, about what exactly, and what becomes of them when something changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.errors import (
    ApprovalInvalidated,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    RequestClosed,
    SelfApproval,
)
from governance.lifecycle import VersionState
from governance.operations import registry, settling
from governance.operations.transitions import decide, withdraw
from governance.requests import RequestStatus, TransitionRequest
from storage.composition import new_id
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import APPROVER, DEVELOPER, METADATA, RegistryUnderTest
from tests.governance.operations.situations import (
    events,
    evidence_of,
    model_with_version,
    parked,
    query,
    step,
    stored,
)

__all__ = ["shared_registry"]


def vote(
    r: RegistryUnderTest,
    request: TransitionRequest,
    who: Principal,
    decision: str = "approve",
    *,
    digest: str | None = None,
    comment: str = "seen",
) -> TransitionRequest:
    digest = digest or stored(r, request).evidence_digest or ""
    return decide(r.unit(), r.call(who), request.id, decision=decision, comment=comment, evidence_digest=digest)


def votes(r: RegistryUnderTest, request: TransitionRequest) -> list[tuple[Any, ...]]:
    return query(
        r,
        """select u.name, a.decision, a.evidence_digest from approvals a join users u on u.id = a.approver_id
           where a.request_id = %s order by u.name""",
        request.id,
    )


def newcomer(r: RegistryUnderTest, roles: Sequence[Role] = APPROVER, group: str = "risk") -> Principal:
    """Somebody whose access a test may change."""
    return r.person(f"person-{new_id()}", roles, group)


# --- who --------------------------------------------------------------------------------------------------


def test_the_requester_cannot_approve_whatever_their_role(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    for transition in ("submit", "evaluate"):
        step(r, model, "1.0.0", transition)
    for person in (r.grace, r.admin):
        request = r.open(model, "1.0.0", "approve_staging", by=person)
        r.approve(request)
        for decision in ("approve", "reject"):
            with pytest.raises(SelfApproval):
                vote(r, request, person, decision)
        assert votes(r, request) == []
        withdraw(r.unit(), r.call(person), request.id, "")


def test_developers_do_not_decide(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    for who in (r.dev, newcomer(r, DEVELOPER, "lab")):
        with pytest.raises(Forbidden):
            vote(r, request, who)
    assert votes(r, request) == []


def test_the_platform_itself_does_not_decide(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    with pytest.raises(Forbidden):
        decide(r.unit(), r.call(None), request.id, decision="approve", comment="", evidence_digest="sha256:0")


def test_an_administrator_decides_like_an_approver(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    vote(r, request, r.admin)
    assert r.settle(request).status is RequestStatus.APPLIED


# --- about what -------------------------------------------------------------------------------------------


def test_nothing_to_decide_before_the_evidence_is_frozen(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    step(r, model, "1.0.0", "submit")
    request = r.open(model, "1.0.0", "approve_staging")
    with pytest.raises(Conflict, match="gathered"):
        vote(r, request, r.grace, digest=r.evidence(request).digest)


def test_what_gates_alone_judge_nobody_approves(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "submit")
    with pytest.raises(Conflict, match="submit"):
        vote(r, request, r.grace, digest=r.evidence(request).digest)


@pytest.mark.parametrize("digest", ["", "sha256:" + "0" * 64, "sha256:", "x" * 10_000, "\x00", "\ud800"])
def test_a_decision_names_the_evidence_that_was_read(shared_registry: RegistryUnderTest, digest: str) -> None:
    r = shared_registry
    model = model_with_version(r)
    step(r, model, "1.0.0", "submit")
    step(r, model, "1.0.0", "evaluate")
    request = r.open(model, "1.0.0", "approve_staging")
    r.approve(request)
    with pytest.raises(ApprovalInvalidated):
        decide(r.unit(), r.call(r.grace), request.id, decision="approve", comment="", evidence_digest=digest)
    assert votes(r, request) == []


@pytest.mark.parametrize(
    ("decision", "comment"),
    [("maybe", "x"), ("", "x"), ("APPROVE", "x"), ("reject", ""), ("reject", " \n "), ("approve", "a\x00b")],
)
def test_decisions_are_yes_or_no_and_a_no_has_a_reason(
    shared_registry: RegistryUnderTest, decision: str, comment: str
) -> None:
    with pytest.raises(InvalidInput):
        decide(
            shared_registry.unit(),
            shared_registry.call(shared_registry.grace),
            new_id(),
            decision=decision,
            comment=comment,
            evidence_digest="sha256:0",
        )


def test_a_request_that_does_not_exist(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    with pytest.raises(NotFound):
        decide(r.unit(), r.call(r.grace), new_id(), decision="approve", comment="", evidence_digest="sha256:0")


def test_a_settled_request_takes_no_decisions(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    vote(r, request, r.grace)
    r.settle(request)
    with pytest.raises(RequestClosed):
        vote(r, request, r.alan, "reject")
    assert [name for name, *_ in votes(r, request)] == ["grace"]


def test_tampered_evidence_cannot_be_approved(shared_registry: RegistryUnderTest) -> None:
    """Somebody edits the frozen evidence in the database, the digest stays: people would read one and sign another."""
    r = shared_registry
    request = parked(r)
    query(
        r,
        """update transition_requests set evidence = jsonb_set(evidence, '{measured,artifacts}', '[]')
           where id = %s returning 1""",
        request.id,
    )
    with pytest.raises(ApprovalInvalidated):
        vote(r, request, r.grace)


# --- changes after the evidence was frozen ----------------------------------------------------------------


def change_metadata(r: RegistryUnderTest, request: TransitionRequest) -> str:
    registry.update_metadata(r.unit(), r.call(r.dev), request.model_id, "1.0.0", {**METADATA, "license": "MIT"}, None)
    return "version.metadata.license"


def replace_artifact(r: RegistryUnderTest, request: TransitionRequest) -> str:
    r.attach(request.model_id, "1.0.0", b"first weightz", replace=True)
    return "artifacts["


def evaluate_again(r: RegistryUnderTest, request: TransitionRequest) -> str:
    step(r, request.model_id, "1.0.0", "evaluate")
    return "evaluations["


def change_policy(r: RegistryUnderTest, request: TransitionRequest) -> str:
    with r.unit() as uow:
        active = next(a for a in uow.policies.active() if a.policy.name == "completeness")
    parameters = {"minimum_description": active.policy.parameters()["minimum_description"] + 1}
    r.publish("completeness", parameters)
    return "policies[completeness]"


@pytest.mark.parametrize("change", [change_metadata, replace_artifact, evaluate_again, change_policy])
def test_a_change_invalidates_and_shows_the_difference(shared_registry: RegistryUnderTest, change: Any) -> None:
    r = shared_registry
    request = parked(r)
    vote(r, request, r.grace)
    read = stored(r, request).evidence_digest
    path = change(r, request)

    with pytest.raises(ApprovalInvalidated) as refusal:
        vote(r, request, r.alan, digest=read)
    difference = refusal.value.details["difference"]
    assert any(line["path"].startswith(path) for line in difference), difference
    assert refusal.value.details["frozenDigest"] == read

    # What Grace approved is not applied: the flow sees the change and gathers again.
    assert request.evidence is not None
    frozen = type(r.evidence(request)).from_json(request.evidence)
    assert r.settle(request, frozen).kind == "changed"
    assert r.state(request.model_id, "1.0.0") == "staging"
    if change is replace_artifact:
        return  # the new weights have not been evaluated: denied, whoever approves
    new = evidence_of(r, request)
    decision, _, _ = settling.park(r.unit(), r.call(None), request.id, new)
    assert decision.outcome == "waiting"
    assert r.settle(request, new).kind == "waiting"
    # Approving what is there now, again, is what it takes.
    vote(r, request, r.grace)
    assert r.settle(request, new).status is RequestStatus.APPLIED


def test_a_second_approver_cannot_complete_the_quorum_of_the_first_digest(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r, risk_tier="Medium")
    vote(r, request, r.grace)
    change_metadata(r, request)
    new = evidence_of(r, request)
    settling.park(r.unit(), r.call(None), request.id, new)
    vote(r, request, r.alan)
    assert len({digest for *_, digest in votes(r, request)}) == 2
    assert r.settle(request, new).kind == "waiting"
    vote(r, request, r.edsger)
    assert r.settle(request, new).status is RequestStatus.APPLIED


def test_parking_new_evidence_is_on_record_with_the_difference(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    old = stored(r, request).evidence_digest
    change_metadata(r, request)
    new = evidence_of(r, request)
    for _ in range(2):  # the second time nothing is new
        settling.park(r.unit(), r.call(None), request.id, new)
    recorded = [e for e in events(r, request.id) if e.action.startswith("request:evidence")]
    assert [e.action for e in recorded] == ["request:evidence:frozen", "request:evidence:superseded"]
    assert recorded[1].before == {"digest": old}
    assert recorded[1].digest == new.digest
    assert recorded[1].details["difference"] == [
        {"path": "subject.version.metadata.license", "before": "Apache-2.0", "after": "MIT"}
    ]


# --- counting ---------------------------------------------------------------------------------------------


def test_a_changed_mind_replaces_the_decision(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    vote(r, request, r.grace)
    vote(r, request, r.grace, "reject", comment="On second thoughts, no.")
    assert [(name, decision) for name, decision, _ in votes(r, request)] == [("grace", "reject")]
    settlement = r.settle(request)
    assert settlement.status is RequestStatus.DENIED
    assert "On second thoughts, no." in " ".join(settlement.outcome["reasons"])
    actions = [e.action for e in events(r, request.id)]
    assert actions.count("request:approved") == actions.count("request:rejected") == 1


def test_a_veto_denies_even_beside_a_full_quorum(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    vote(r, request, r.alan)
    vote(r, request, r.grace, "reject", comment="Not on these data.")
    vote(r, request, r.edsger)
    assert r.settle(request).status is RequestStatus.DENIED
    assert r.state(request.model_id, "1.0.0") == "staging"


@pytest.mark.parametrize(
    ("decisions", "outcome"),
    [
        (("request_changes",), "ChangesRequested"),
        (("request_changes", "approve", "request_changes"), "ChangesRequested"),
        (("request_changes", "reject"), "Denied"),
    ],
)
def test_asking_for_changes_refuses_under_its_own_name(
    shared_registry: RegistryUnderTest, decisions: tuple[str, ...], outcome: str
) -> None:
    r = shared_registry
    request = parked(r)
    with pytest.raises(InvalidInput, match="request for changes"):
        vote(r, request, r.grace, "request_changes", comment=" ")
    for person, decision in zip((r.grace, r.alan, r.edsger), decisions, strict=False):
        vote(r, request, person, decision, comment="Cite the data.")
    settlement = r.settle(request)
    assert (settlement.status, settlement.outcome["name"]) == (RequestStatus.DENIED, outcome)
    assert "grace asks for changes: Cite the data." in " ".join(settlement.outcome["reasons"])
    assert "request:changes:requested" in [event.action for event in events(r, request.id)]
    assert r.state(request.model_id, "1.0.0") == "staging"
    assert ("followUp" in settlement.outcome) is (outcome == "ChangesRequested")
    if outcome == "ChangesRequested":
        assert r.settle(request).outcome == settlement.outcome, "there is one follow-up, however often it settles"
        with r.unit() as uow:
            follow_up = uow.requests.get(settlement.outcome["followUp"])
        assert (follow_up.requester_id, follow_up.reason) == (r.grace.id, "Cite the data.")
        assert r.settle(follow_up).status is RequestStatus.APPLIED
        assert r.state(request.model_id, "1.0.0") == "changes_requested"


def test_high_risk_needs_three_from_two_groups(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r, risk_tier="High")
    third = newcomer(r)
    for person in (r.grace, r.alan, third):  # all of one group
        vote(r, request, person)
    assert r.settle(request).kind == "waiting"
    vote(r, request, r.edsger)
    assert r.settle(request).status is RequestStatus.APPLIED


@pytest.mark.parametrize(
    "loss",
    [
        {"roles": ["viewer"]},
        {"active": False},
    ],
)
def test_who_lost_the_right_before_settling_does_not_count(
    shared_registry: RegistryUnderTest, loss: dict[str, Any]
) -> None:
    r = shared_registry
    request, approver = parked(r), newcomer(r)
    vote(r, request, approver)
    r.change(approver.id, **loss)
    settlement = r.settle(request)
    assert (settlement.kind, settlement.status) == ("waiting", RequestStatus.AWAITING_APPROVAL)
    assert r.state(request.model_id, "1.0.0") == "staging"
    r.change(approver.id, roles=["approver"], in_groups=["risk"], active=True)
    assert r.settle(request).status is RequestStatus.APPLIED


def test_groups_count_as_they_are_when_it_settles(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request, mover = parked(r, risk_tier="High"), newcomer(r, group="clinical")
    for person in (r.grace, r.alan, mover):
        vote(r, request, person)
    r.change(mover.id, in_groups=["risk"])
    assert r.settle(request).kind == "waiting"


def test_a_deactivated_veto_does_not_block(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request, critic = parked(r), newcomer(r)
    vote(r, request, critic, "reject")
    vote(r, request, r.grace)
    r.change(critic.id, active=False)
    assert r.settle(request).status is RequestStatus.APPLIED


# --- withdrawing ------------------------------------------------------------------------------------------


def test_withdrawing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    request = parked(r)
    for stranger in (newcomer(r, DEVELOPER, "lab"), r.grace):
        with pytest.raises(Forbidden):
            withdraw(r.unit(), r.call(stranger), request.id, "")
    with pytest.raises(InvalidInput):
        withdraw(r.unit(), r.call(r.dev), request.id, "a\x00b")
    withdraw(r.unit(), r.call(r.dev), request.id, "A better one comes.")
    assert stored(r, request).outcome == {"name": "Withdrawn", "reasons": ["A better one comes."]}
    with pytest.raises(RequestClosed):
        withdraw(r.unit(), r.call(r.dev), request.id, "")
    settlement = r.settle(request)
    assert (settlement.kind, settlement.status) == ("settled", RequestStatus.WITHDRAWN)
    assert r.state(request.model_id, "1.0.0") is VersionState.STAGING
    r.open(request.model_id, "1.0.0", "approve_production")


def test_an_administrator_withdraws_for_others_and_evaluations_fail_with_the_request(
    shared_registry: RegistryUnderTest,
) -> None:
    r = shared_registry
    model = model_with_version(r)
    request = r.open(model, "1.0.0", "evaluate")
    settling.begin(r.unit(), r.call(None), request.id, new_id())
    assert query(r, "select status from evaluations where request_id = %s", request.id) == [("running",)]
    withdraw(r.unit(), r.call(r.admin), request.id, "")
    assert query(r, "select status, passed, reason from evaluations where request_id = %s", request.id) == [
        ("failed", False, "The request was withdrawn.")
    ]
