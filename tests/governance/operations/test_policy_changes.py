"""A policy changes by two people, never by one behind two accounts, and a version never changes at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from governance.access.principal import Principal
from governance.access.roles import Role
from governance.errors import (
    ApprovalInvalidated,
    Conflict,
    Duplicate,
    Forbidden,
    InvalidInput,
    NotFound,
    PolicyRequired,
    RequestClosed,
    SelfApproval,
)
from governance.operations import policies
from governance.operations.calls import IdempotencyKey
from governance.policies import ActivePolicy
from governance.policy_changes import PolicyState, policy_id
from governance.requests import RequestStatus
from tests.fixtures.policies import policy
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import ADMIN, RegistryUnderTest
from tests.governance.operations.situations import (
    bring,
    evidence_of,
    model_with_version,
    query,
    results,
    stored,
)

__all__ = ["shared_registry"]


def in_force(r: RegistryUnderTest, name: str) -> ActivePolicy | None:
    with r.unit() as uow:
        return next((one for one in uow.policies.active() if one.policy.name == name), None)


def states(r: RegistryUnderTest, name: str) -> list[str]:
    with r.unit() as uow:
        return [one.state.value for one in uow.policies.versions(name)]


def propose(r: RegistryUnderTest, name: str, *, by: Principal | None = None, **changes: Any) -> str:
    made = policies.create(r.unit(), r.call(by or r.admin), policy(name, **changes))
    assert made.change_id is not None
    return made.change_id


def digest(r: RegistryUnderTest, change_id: str) -> str:
    with r.unit() as uow:
        return uow.policies.change(change_id).digest


def decide(r: RegistryUnderTest, change_id: str, by: Principal, decision: str = "approve", **options: Any) -> None:
    given = {"digest": digest(r, change_id), "comment": "Because." if decision == "reject" else "", **options}
    policies.decide(r.unit(), r.call(by), change_id, decision=decision, **given)


def test_what_one_person_proposes_judges_nothing(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    change = propose(r, "one-person")
    assert in_force(r, "one-person") is None
    assert states(r, "one-person") == ["proposed"]
    decide(r, change, r.grace)
    assert in_force(r, "one-person") is not None
    assert states(r, "one-person") == ["active"]


def test_nobody_is_their_own_second_person(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    root = r.person("paula", ADMIN, "platform")
    service = r.person("paulas-robot", ADMIN, "platform", kind="service", owner="paula")
    for name, by in (("own-way", root), ("robot-way", service)):
        change = propose(r, name, by=by)
        with pytest.raises(SelfApproval):
            decide(r, change, root)
        with pytest.raises(Forbidden):  # decisions are made by people, whoever owns the robot
            decide(r, change, service)
        with pytest.raises(Forbidden):
            decide(r, change, r.dev)
        assert states(r, name) == ["proposed"]
        decide(r, change, r.admin)
        assert states(r, name) == ["active"]


def test_the_database_holds_it_too(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    change = propose(r, "by-hand")
    with pytest.raises(DBAPIError, match="by_another_person"):
        query(
            r,
            "update policy_changes set state = 'approved', decided_by = proposed_by, decided_behind = proposed_behind"
            " where id = %s",
            change,
        )
    with pytest.raises(DBAPIError, match="by_another_person"):
        query(r, "update policy_changes set state = 'approved' where id = %s", change)


@pytest.mark.parametrize("column", ["definition", "parameters", "samples", "version", "created_by"])
def test_a_version_never_changes(shared_registry: RegistryUnderTest, column: str) -> None:
    r = shared_registry
    name = f"fixed-{column.replace('_', '-')}"
    decide(r, propose(r, name), r.grace)
    value = {"version": "7", "created_by": "gen_random_uuid()"}.get(column, "'{\"a\": 1}'")
    with pytest.raises(DBAPIError, match="never changed"):
        query(r, f"update policies set {column} = {value} where name = %s", name)


def test_a_decision_names_what_it_is_about_and_is_made_once(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    change = propose(r, "named")
    with pytest.raises(ApprovalInvalidated):
        decide(r, change, r.grace, digest="sha256:" + "0" * 64)
    with pytest.raises(InvalidInput):
        decide(r, change, r.grace, "reject", comment=" ")
    decide(r, change, r.grace)
    for who in (r.grace, r.alan):
        with pytest.raises(RequestClosed):
            decide(r, change, who)
    with pytest.raises(NotFound):
        policies.decide(r.unit(), r.call(r.grace), r.dev.id, decision="approve", digest="")


def test_a_rejected_version_is_a_draft_again_and_can_be_proposed_again(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    change = propose(r, "second-try")
    decide(r, change, r.grace, "reject")
    assert states(r, "second-try") == ["draft"]
    again = policies.enable(r.unit(), r.call(r.admin), "second-try")
    decide(r, str(again.change_id), r.alan)
    assert states(r, "second-try") == ["active"]


def test_who_proposed_may_withdraw(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    change = propose(r, "withdrawn")
    decide(r, change, r.admin, "reject")
    assert states(r, "withdrawn") == ["draft"]


def test_the_way_of_a_policy_through_its_states(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    name = "whole-life"
    r.write_policy(policy(name))

    def go(operation: Callable[..., policies.Proposed], **options: Any) -> list[str]:
        made = operation(r.unit(), r.call(r.admin), name, **options)
        assert in_force(r, name) == before
        r.confirm(str(made.change_id))
        return states(r, name)

    before = in_force(r, name)
    assert go(policies.change, definition=policy(name, least=0.95)) == ["superseded", "active"]
    before = in_force(r, name)
    assert before is not None
    assert before.version == 2
    assert go(policies.disable) == ["superseded", "disabled"]
    before = in_force(r, name)
    assert before is None
    with pytest.raises(Conflict):
        policies.disable(r.unit(), r.call(r.admin), name)
    assert go(policies.enable) == ["superseded", "active"]
    before = in_force(r, name)
    with pytest.raises(Conflict):
        policies.enable(r.unit(), r.call(r.admin), name)
    drafted = policies.change(r.unit(), r.call(r.admin), name, definition=policy(name, least=0.99), draft=True)
    assert drafted.change_id is None
    assert states(r, name) == ["superseded", "active", "draft"]
    assert go(policies.enable) == ["superseded", "superseded", "active"]
    before = in_force(r, name)
    assert go(policies.retire) == ["superseded", "superseded", "retired"]
    assert in_force(r, name) is None
    for operation in (policies.enable, policies.disable, policies.retire):
        with pytest.raises(Conflict, match="retired"):
            operation(r.unit(), r.call(r.admin), name)
    with pytest.raises(Duplicate):
        propose(r, name)


def test_one_change_of_a_policy_waits_at_a_time(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    r.write_policy(policy("busy"))
    waiting = policies.disable(r.unit(), r.call(r.admin), "busy")
    with pytest.raises(Conflict) as refused:
        policies.change(r.unit(), r.call(r.admin), "busy", definition=policy("busy", least=0.5))
    assert refused.value.details["changeId"] == waiting.change_id
    decide(r, str(waiting.change_id), r.grace, "reject")
    assert states(r, "busy") == ["active"]


def test_what_would_change_nothing_is_refused(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    r.write_policy(policy("same"))
    with pytest.raises(Conflict):
        policies.change(r.unit(), r.call(r.admin), "same", definition=policy("same"))
    with pytest.raises(InvalidInput):
        policies.change(r.unit(), r.call(r.admin), "same", parameters={})
    with pytest.raises(InvalidInput):
        policies.change(r.unit(), r.call(r.admin), "approvals", definition=policy("approvals"))


def test_what_every_judgement_stands_on_stays(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    for name in ("approvals", "approval-binding", "artifact-integrity"):
        for operation in (policies.disable, policies.retire):
            with pytest.raises(PolicyRequired):
                operation(r.unit(), r.call(r.admin), name)
    for name in ("not-serving", "reason-given"):  # the only judges of retiring, and of asking for changes
        with pytest.raises(PolicyRequired, match="nobody would judge"):
            policies.disable(r.unit(), r.call(r.admin), name)


def test_a_built_in_policy_can_be_replaced_by_a_written_one(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    own = policy(
        "idle",
        scope={"transitions": ["retire"]},
        rules=[{"id": "idle", "expression": "serving == []", "message": "It serves."}],
        samples={"allowed": [{}], "denied": [{"evidence": {"serving": [{"endpoint": "x"}]}}]},
    )
    r.write_policy(own)
    r.confirm(str(policies.disable(r.unit(), r.call(r.admin), "not-serving").change_id))
    assert in_force(r, "not-serving") is None
    with pytest.raises(PolicyRequired):
        policies.disable(r.unit(), r.call(r.admin), "idle")
    advice = {**own, "enforcement": "advisory"}
    with pytest.raises(PolicyRequired):
        policies.change(r.unit(), r.call(r.admin), "idle", definition=advice)
    model = r.model()
    r.version(model)
    request = r.open(model, "1.0.0", "retire")
    assert request.transition == "retire"
    assert r.settle(request).status is RequestStatus.APPLIED
    verdicts = query(r, "select verdicts from transition_requests where id = %s", request.id)[0][0]
    assert {one["policy"] for one in verdicts} == {"idle", "wait-timer", "freeze-windows"}
    r.confirm(str(policies.enable(r.unit(), r.call(r.admin), "not-serving").change_id))
    found = in_force(r, "not-serving")
    assert found is not None
    assert found.version == 1


def test_a_change_is_no_longer_approved_when_what_is_in_force_is_another(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    r.write_policy(policy("moved"))
    waiting = policies.change(r.unit(), r.call(r.admin), "moved", definition=policy("moved", least=0.95))
    query(r, "update policies set state = 'disabled' where name = 'moved' and version = 1")
    with pytest.raises(ApprovalInvalidated):
        decide(r, str(waiting.change_id), r.grace)


def test_repeating_a_call_proposes_once(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry

    def call(key: str, *asked: Any) -> Any:
        return r.call(r.admin, idempotency=IdempotencyKey.of(key, *asked))

    made = [policies.create(r.unit(), call("write"), policy("repeated")) for _ in range(2)]
    assert made[0] == made[1]
    drafts = [policies.create(r.unit(), call("draft"), policy("drafted"), draft=True) for _ in range(2)]
    assert drafts[0] == drafts[1] == policies.Proposed("drafted", None)
    r.confirm(str(made[0].change_id))
    ends = [policies.disable(r.unit(), call("end"), "repeated") for _ in range(2)]
    assert ends[0] == ends[1]
    assert len(states(r, "drafted")) == 1


def test_a_policy_is_found_by_its_id(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    with r.unit() as uow:
        for name in ("approvals", "completeness"):
            identifier = policy_id(name)
            assert policies.resolve(uow, identifier)[-1].name == name
            assert policies.resolve(uow, identifier.upper())[-1].name == name
        with pytest.raises(NotFound):
            policies.resolve(uow, "nothing-of-the-sort")


# --- what is in force judges ------------------------------------------------------------------------------


def test_a_written_policy_judges_transitions_and_its_facts_are_gathered(
    registry_under_test: RegistryUnderTest,
) -> None:
    """Submitting is not judged by evaluations otherwise, so they are part of its evidence only now."""
    r = registry_under_test
    model = model_with_version(r)
    assert r.evidence(r.open(model, "1.0.0", "submit")).subject["evaluations"] == []
    query(r, "update transition_requests set status = 'withdrawn', settled_at = now(), outcome = '{}'")
    scope = {"transitions": ["submit"]}
    r.write_policy(policy("evaluated-first", scope=scope))
    request = r.open(model, "1.0.0", "submit")
    settled = r.settle(request)
    assert settled.status is RequestStatus.DENIED
    assert "the evidence has no evaluation.taskMetrics.accuracy" in settled.outcome["reasons"][0]
    evaluation = r.open(model, "1.0.0", "evaluate")
    r.settle(evaluation, evidence_of(r, evaluation), evaluations=results(r, evaluation, accuracy=0.95))
    assert r.settle(r.open(model, "1.0.0", "submit")).status is RequestStatus.APPLIED


def test_a_policy_of_other_models_does_not_apply(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    r.write_policy(policy("strict", least=0.99, scope={"transitions": ["approve_staging"], "riskTiers": ["High"]}))
    bring(r, model_with_version(r), "1.0.0", "approve_staging")  # of low risk, with an accuracy of 0.95
    model = model_with_version(r, risk_tier="High")
    bring(r, model, "1.0.0", "evaluate")
    settled = r.settle(r.open(model, "1.0.0", "approve_staging"))
    assert settled.status is RequestStatus.DENIED
    assert "accuracy is 0.95" in " ".join(settled.outcome["reasons"])


def test_approvals_under_an_older_policy_bind_no_longer(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    r.write_policy(policy("bar", least=0.5))
    model = model_with_version(r)
    bring(r, model, "1.0.0", "evaluate")
    request = r.open(model, "1.0.0", "approve_staging")
    r.approve(request, r.grace)
    frozen = stored(r, request)
    r.confirm(str(policies.change(r.unit(), r.call(r.admin), "bar", definition=policy("bar", least=0.6)).change_id))
    assert frozen.evidence is not None
    settled = r.settle(request, type(r.evidence(request)).from_json(frozen.evidence))
    assert settled.kind == "changed"
    assert "policies[bar]" in str(settled.outcome["difference"])


def test_the_evidence_holds_the_whole_definition(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    r.write_policy(policy("recorded", least=0.5, enforcement="soft"))
    model = model_with_version(r)
    bring(r, model, "1.0.0", "evaluate")
    subject = r.evidence(r.open(model, "1.0.0", "approve_staging")).subject
    (recorded,) = (one for one in subject["policies"] if one["name"] == "recorded")
    assert recorded["rules"][0]["expression"] == "evaluation.taskMetrics.accuracy >= 0.5"
    assert (recorded["enforcement"], recorded["kind"], recorded["version"]) == ("soft", "compliance", 1)
    assert recorded["scope"]["transitions"] == ["approve_production", "approve_staging"]
    assert all("scope" in one and "builtIn" in one for one in subject["policies"])


def test_states_are_those_of_the_database(shared_registry: RegistryUnderTest) -> None:
    (check,) = query(
        shared_registry, "select pg_get_constraintdef(oid) from pg_constraint where conname = 'policies_state_check'"
    )
    assert {state.value for state in PolicyState} == set(str(check[0]).split("'")[1::2])
    assert Role.CATALOG_ADMIN in shared_registry.admin.roles
