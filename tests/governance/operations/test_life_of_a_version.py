"""A version from draft to the end of its life, through operations, with traffic, companions and findings."""

from __future__ import annotations

import pytest

from governance.errors import ApprovalInvalidated, Forbidden, IllegalTransition
from governance.lifecycle import TRANSITIONS, TransitionName
from governance.models import ArtifactType
from governance.operations import registry
from governance.operations.findings import close_finding
from governance.requests import RequestStatus
from tests.fixtures.registries import shared_registry
from tests.fixtures.registry import METADATA, RegistryUnderTest
from tests.governance.operations.situations import (
    REASON,
    WAY,
    bring,
    carry_out,
    evidence_of,
    in_production,
    model_with_version,
    query,
    results,
    step,
    stored,
    suite,
    traffic,
)

__all__ = ["shared_registry"]

STATE_AFTER = dict(
    zip(WAY, ["submitted", "submitted", "approved_staging", "staging", "approved_prod", "production"], strict=True)
)


def test_from_draft_to_production(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    assert r.state(model, "1.0.0") == "draft"
    for transition in WAY:
        before = r.state(model, "1.0.0")
        request = step(r, model, "1.0.0", transition)
        assert r.state(model, "1.0.0") == STATE_AFTER[transition]
        assert request.outcome is not None
        assert (request.outcome["from"], request.outcome["to"]) == (before, STATE_AFTER[transition])
        assert request.outcome["name"] == TRANSITIONS[request.transition].outcome
        assert request.evidence_digest
    assert traffic(r, model) == {"production": {"1.0.0": 100}}


def test_staging_serves_until_it_is_left(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    bring(r, model, "1.0.0", "deploy_staging")
    assert traffic(r, model) == {"staging": {"1.0.0": 100}}
    step(r, model, "1.0.0", "approve_production")
    assert traffic(r, model) == {"staging": {"1.0.0": 100}}
    step(r, model, "1.0.0", "request_changes", REASON)
    assert traffic(r, model) == {}
    assert r.state(model, "1.0.0") == "changes_requested"


def test_a_successor_displaces_the_incumbent(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    assert r.state(model, "1.0.0") == "deprecated"
    assert r.state(model, "2.0.0") == "production"
    assert traffic(r, model) == {"production": {"2.0.0": 100}}
    with r.unit() as uow:
        version = uow.versions.get(model, "2.0.0")
        request = uow.requests.latest_applied(version.id, TransitionName.PROMOTE_PRODUCTION)
    assert request is not None
    assert request.outcome is not None
    assert request.outcome["alongside"]["version"] == "1.0.0"
    assert request.outcome["alongside"]["to"] == "deprecated"


def test_rollback_restores_what_was_there_before(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    request = step(r, model, "2.0.0", "rollback", REASON)

    assert r.state(model, "1.0.0") == "production"
    assert r.state(model, "2.0.0") == "changes_requested"
    assert traffic(r, model) == {"production": {"1.0.0": 100}}
    assert request.outcome is not None
    finding = query(r, "select severity, status, title from findings where id = %s", request.outcome["findingId"])
    assert finding == [("high", "open", f"Version 2.0.0 was rolled back: {REASON}")]
    assert request.outcome["alongside"]["to"] == "production"


def test_rollback_goes_back_step_by_step_and_then_no_further(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0", "3.0.0")
    step(r, model, "3.0.0", "rollback", REASON)
    assert r.state(model, "2.0.0") == "production"
    step(r, model, "2.0.0", "rollback", REASON)
    assert r.state(model, "1.0.0") == "production"

    settlement = carry_out(r, r.open(model, "1.0.0", "rollback", by=r.grace, reason=REASON))
    assert settlement.status is RequestStatus.DENIED
    assert "deprecated" in settlement.outcome["reasons"][0]
    assert r.state(model, "1.0.0") == "production"
    assert traffic(r, model) == {"production": {"1.0.0": 100}}


def test_rollback_does_not_return_to_what_people_took_out_of_production(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0")
    step(r, model, "1.0.0", "deprecate", REASON)
    r.version(model, "2.0.0", weights=b"second")
    bring(r, model, "2.0.0", "promote_production")
    settlement = carry_out(r, r.open(model, "2.0.0", "rollback", by=r.grace, reason=REASON))
    assert settlement.status is RequestStatus.DENIED
    assert r.state(model, "1.0.0") == "deprecated"


def test_a_retired_version_is_not_restored(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0", "3.0.0")
    step(r, model, "2.0.0", "retire")
    step(r, model, "3.0.0", "rollback", REASON)
    assert r.state(model, "1.0.0") == "production"


def test_what_was_rolled_back_can_come_again_when_its_finding_is_closed(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    finding = str((step(r, model, "2.0.0", "rollback", REASON).outcome or {})["findingId"])
    for transition in ("submit", "evaluate", "approve_staging", "deploy_staging"):
        step(r, model, "2.0.0", transition)
    refused = r.settle(r.open(model, "2.0.0", "approve_production"))
    assert refused.status is RequestStatus.DENIED
    assert any("was rolled back" in reason for reason in refused.outcome["reasons"])
    close_finding(r.unit(), r.call(r.alan), finding, kind="fixed", resolution="Trained again on clean data.")
    for transition in ("approve_production", "promote_production"):
        step(r, model, "2.0.0", transition)
    assert r.state(model, "1.0.0") == "deprecated"
    assert traffic(r, model) == {"production": {"2.0.0": 100}}


def test_deprecating_takes_the_traffic_away(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0")
    step(r, model, "1.0.0", "deprecate", REASON)
    assert r.state(model, "1.0.0") == "deprecated"
    assert traffic(r, model) == {}
    step(r, model, "1.0.0", "retire")
    with pytest.raises(IllegalTransition):
        r.open(model, "1.0.0", "evaluate")


def test_acting_against_a_version_without_a_reason_is_denied(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    for transition in ("rollback", "deprecate"):
        settlement = carry_out(r, r.open(model, "2.0.0", transition, by=r.grace, reason="bad"))
        assert settlement.status is RequestStatus.DENIED
        assert "reason" in settlement.outcome["reasons"][0]
    assert r.state(model, "2.0.0") == "production"


def test_what_still_serves_is_not_retired(shared_registry: RegistryUnderTest) -> None:
    """A row left behind by whatever means: retiring is final, so the gate looks at traffic, not at the state."""
    r = shared_registry
    model = in_production(r, "1.0.0", "2.0.0")
    with r.unit() as uow:
        version = uow.versions.get(model, "1.0.0")
        plan = {"model": model, "version": version.id}
    query(
        r,
        """insert into deployments values (%s, 'production', %s, 'local://x', 5, gen_random_uuid(), now())
           returning 1""",
        plan["model"],
        plan["version"],
    )
    settlement = carry_out(r, r.open(model, "1.0.0", "retire"))
    assert settlement.status is RequestStatus.DENIED
    assert "5 %" in settlement.outcome["reasons"][0]


def test_staging_is_free_again_after_retiring(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    bring(r, model, "1.0.0", "deploy_staging")
    step(r, model, "1.0.0", "retire")
    assert traffic(r, model) == {}


def test_another_version_takes_over_staging(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    bring(r, model, "1.0.0", "deploy_staging")
    r.version(model, "2.0.0", weights=b"second")
    bring(r, model, "2.0.0", "deploy_staging")
    assert traffic(r, model) == {"staging": {"2.0.0": 100}}
    step(r, model, "1.0.0", "request_changes", REASON)
    assert traffic(r, model) == {"staging": {"2.0.0": 100}}, "what left staging earlier takes nothing with it"


def test_worse_than_the_incumbent_is_denied(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = in_production(r, "1.0.0")
    r.version(model, "2.0.0", weights=b"second")
    bring(r, model, "2.0.0", "deploy_staging")
    for conclusion in ("worse", "insufficient_evidence", "unavailable"):
        request = r.open(model, "2.0.0", "approve_production")
        settlement = r.settle(request, evidence_of(r, request, conclusion=conclusion))
        assert settlement.status is RequestStatus.DENIED, conclusion
    assert r.state(model, "2.0.0") == "staging"


def test_evaluating_moves_nothing_and_stores_results(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    suite(r, model, "second")
    request = r.open(model, "1.0.0", "evaluate")
    queued = query(r, "select status from evaluations where request_id = %s", request.id)
    assert queued == [("queued",), ("queued",)]
    r.settle(request, evaluations=results(r, request, accuracy=0.42))
    assert r.state(model, "1.0.0") == "draft"
    done = query(r, "select status, passed, results from evaluations where request_id = %s", request.id)
    assert done == [("completed", False, {"taskMetrics": {"accuracy": 0.42}})] * 2
    outcome = stored(r, request).outcome
    assert outcome is not None
    assert [item["passed"] for item in outcome["evaluations"]] == [False, False]


def test_a_denied_evaluation_fails_with_the_reason(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = r.model()
    suite(r, model)
    r.version(model, weights=None)  # nothing to evaluate
    request = r.open(model, "1.0.0", "evaluate")
    settlement = r.settle(request)
    assert settlement.status is RequestStatus.DENIED
    rows = query(r, "select status, passed, reason from evaluations where request_id = %s", request.id)
    assert rows == [("failed", False, "; ".join(settlement.outcome["reasons"]))]


# --- the door: a deployment of something else than what was approved ------------------------------------------------


def change_metadata(r: RegistryUnderTest, model: str) -> None:
    wanted = {**METADATA, "license": "MIT"}
    registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", wanted, None)


def replace_artifact(r: RegistryUnderTest, model: str) -> None:
    r.attach(model, "1.0.0", b"first weightz", replace=True)


def add_artifact(r: RegistryUnderTest, model: str) -> None:
    with r.unit() as uow:
        old = uow.artifacts.of_version(uow.versions.get(model, "1.0.0").id)[0]
    new = registry.NewArtifact(
        model, "1.0.0", ArtifactType.CONFIG, "config.json", "application/json", old.sha256, old.size, "", None
    )
    registry.attach_artifact(r.unit(), r.call(r.dev), new)


def evaluate_again(r: RegistryUnderTest, model: str) -> None:
    step(r, model, "1.0.0", "evaluate")


def add_suite(r: RegistryUnderTest, model: str) -> None:
    suite(r, model, "another")


def change_policy(r: RegistryUnderTest, model: str) -> None:
    with r.unit() as uow:
        days = next(a for a in uow.policies.active() if a.policy.name == "evaluation").policy.parameters()
    r.publish("evaluation", {"maximum_age_days": days["maximum_age_days"] + 1})


CHANGES = {
    "metadata": (change_metadata, "version.metadata.license"),
    "artifact replaced": (replace_artifact, "artifacts"),
    "artifact added": (add_artifact, "artifacts"),
    "new evaluation": (evaluate_again, "evaluations"),
    "new suite": (add_suite, "evaluations"),
    "policy": (change_policy, "policies"),
}


@pytest.mark.parametrize(
    ("approved", "deploying", "what"),
    [
        *(("approve_production", "promote_production", what) for what in CHANGES),
        ("approve_staging", "deploy_staging", "metadata"),
        ("approve_staging", "deploy_staging", "new evaluation"),
    ],
)
def test_a_change_after_the_approval_is_refused_at_the_door(
    shared_registry: RegistryUnderTest, approved: str, deploying: str, what: str
) -> None:
    r = shared_registry
    change, path = CHANGES[what]
    model = model_with_version(r)
    approval = bring(r, model, "1.0.0", approved)
    change(r, model)
    requests = query(r, "select count(*) from transition_requests where model_id = %s", model)
    with pytest.raises(ApprovalInvalidated) as refusal:
        r.open(model, "1.0.0", deploying)
    assert any(line["path"].startswith(path) for line in refusal.value.details["difference"])
    assert refusal.value.details["approvedDigest"] == approval.evidence_digest
    assert query(r, "select count(*) from transition_requests where model_id = %s", model) == requests


def test_a_change_between_the_door_and_the_end_is_denied_by_the_gate(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_production")
    request = r.open(model, "1.0.0", "promote_production")
    change_metadata(r, model)
    settlement = r.settle(request, evidence_of(r, request))
    assert settlement.status is RequestStatus.DENIED
    assert any("'Apache-2.0'" in reason and "'MIT'" in reason for reason in settlement.outcome["reasons"])
    assert r.state(model, "1.0.0") == "approved_prod"


def test_undoing_the_change_makes_the_approval_bind_again(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_production")
    change_metadata(r, model)
    registry.update_metadata(r.unit(), r.call(r.dev), model, "1.0.0", METADATA, None)
    step(r, model, "1.0.0", "promote_production")


def test_an_approval_of_an_earlier_round_does_not_count(shared_registry: RegistryUnderTest) -> None:
    """Sent back and submitted again, a version needs to be approved again."""
    r = shared_registry
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_staging")
    step(r, model, "1.0.0", "request_changes", REASON)
    step(r, model, "1.0.0", "submit")
    with pytest.raises(IllegalTransition):
        r.open(model, "1.0.0", "deploy_staging")


@pytest.mark.parametrize(
    ("transition", "state"),
    [
        ("promote_production", "draft"),
        ("deploy_staging", "draft"),
        ("approve_production", "draft"),
        ("rollback", "draft"),
    ],
)
def test_no_jump_from_a_draft(shared_registry: RegistryUnderTest, transition: str, state: str) -> None:
    r = shared_registry
    model = model_with_version(r)
    with pytest.raises(IllegalTransition) as refusal:
        r.open(model, "1.0.0", transition, by=r.admin, reason=REASON)
    assert refusal.value.details["state"] == state
    assert not query(r, "select 1 from transition_requests where model_id = %s", model)


def test_who_may_ask_for_what(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    model = model_with_version(r)
    for transition in ("submit", "deploy_staging", "promote_production"):
        with pytest.raises(Forbidden):
            r.open(model, "1.0.0", transition, by=r.grace)
    for transition in ("request_changes", "rollback", "deprecate"):
        with pytest.raises(Forbidden):
            r.open(model, "1.0.0", transition, reason=REASON)
    assert query(r, "select count(*) from transition_requests where model_id = %s", model) == [(0,)]
