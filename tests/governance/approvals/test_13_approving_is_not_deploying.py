"""13. Approving and deploying are two permissions of two people, at two recorded times."""

from __future__ import annotations

import pytest

from governance.access.roles import Role
from governance.errors import Forbidden
from governance.operations.transitions import decide
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import bring, events, model_with_version, parked, query, step, stored


def test_an_engineer_cannot_approve(registry_under_test: RegistryUnderTest) -> None:
    r = registry_under_test
    request = parked(r)
    engineer = r.person("ed", (Role.ML_ENGINEER,), "lab")
    with pytest.raises(Forbidden, match="approval:decide"):
        decide(
            r.unit(), r.call(engineer), request.id, decision="approve", comment="",
            evidence_digest=request.evidence_digest or "",
        )  # fmt: skip


@pytest.mark.parametrize("transition", ["deploy_staging", "promote_production"])
def test_an_approver_cannot_deploy(registry_under_test: RegistryUnderTest, transition: str) -> None:
    r = registry_under_test
    model = model_with_version(r)
    bring(r, model, "1.0.0", "approve_staging" if transition == "deploy_staging" else "approve_production")
    for approver in (r.grace, r.edsger):
        with pytest.raises(Forbidden, match="deployment:create"):
            r.open(model, "1.0.0", transition, by=approver)
    assert r.open(model, "1.0.0", transition, by=r.dev).undecided


def test_both_have_their_time(registry_under_test: RegistryUnderTest) -> None:
    """A day lies between the approval and the deployment, and the record says both, by whom."""
    r = registry_under_test
    model = model_with_version(r)
    approval = bring(r, model, "1.0.0", "approve_production")
    approved_at = r.at
    r.later(days=1)
    deployment = step(r, model, "1.0.0", "promote_production")
    ((decided_at, approver),) = query(
        r,
        """select a.created_at, u.name from approvals a join users u on u.id = a.approver_id
           where a.request_id = %s""",
        approval.id,
    )
    assert (decided_at, approver) == (approved_at, "grace")
    ((settled_at, since),) = query(
        r,
        """select r.settled_at, d.since from transition_requests r join deployments d on d.request_id = r.id
           where r.id = %s""",
        deployment.id,
    )
    assert settled_at == since == r.at != approved_at
    assert stored(r, deployment).requester_id == r.dev.id
    assert {event.at for event in events(r, approval.id)} == {approved_at}
    assert {event.at for event in events(r, deployment.id)} == {r.at}
