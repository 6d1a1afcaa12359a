"""What waits for somebody, with what they need to decide; and one decision about many that change the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.sessions import SESSION_COOKIE
from governance.access.principal import Principal
from governance.access.roles import Role
from governance.operations import policies, registry, settling
from governance.requests import RequestStatus, TransitionRequest
from storage.composition import new_id, now
from tests.api.served import ServedApi, data, refusal
from tests.fixtures.registry import APPROVER, METADATA, VALIDATOR
from tests.governance.approvals.deciding import frozen, newcomer, settled, vote
from tests.governance.approvals.test_09_override_of_soft_gates import SOFT, blocked
from tests.governance.operations.situations import (
    WAY,
    bring,
    evidence_of,
    in_production,
    parked,
    query,
    step,
    stored,
    suite,
)

INBOX = "/api/v1/approvals"


def inbox(client: httpx.Client, model: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data(client.get(INBOX, params={"modelId": model, **more}))
    return found


def one(client: httpx.Client, model: str, **more: Any) -> dict[str, Any]:
    (found,) = inbox(client, model, **more)
    return found


def signed_in(api: ServedApi, person: Principal) -> httpx.Client:
    return api._clients.get(person.name) or api.sign_in(person)


def upgrade(api: ServedApi, weights: bytes = b"the same new weights") -> TransitionRequest:
    r = api.registry
    model = in_production(r, "1.0.0")
    r.version(model, "2.0.0", weights=weights)
    bring(r, model, "2.0.0", WAY[3])
    request = r.open(model, "2.0.0", "approve_production", reason="Half as large.")
    r.approve(request, evidence=evidence_of(r, request))
    return stored(r, request)


def test_an_item_holds_what_deciding_takes(api: ServedApi) -> None:
    r = api.registry
    request = upgrade(api)
    query(r, "update transition_requests set flow_run_id = %s where id = %s", run := new_id(), request.id)
    found = one(api.grace, request.model_id)
    assert found["id"] == request.id
    assert (found["transition"], found["version"], found["incumbent"]) == ("approve_production", "2.0.0", "1.0.0")
    assert (found["requestedBy"], found["reason"], found["riskTier"]) == ("dana", "Half as large.", "Low")
    assert found["evidenceDigest"] == request.evidence_digest
    assert {gate["policy"]: gate["outcome"] for gate in found["gates"]}["approvals"] == "unknown"
    assert found["needs"] == ["decision"]
    assert found["votes"] == {
        "given": 0, "needed": 1, "groupsNeeded": 1, "validatorsNeeded": 0, "decisions": []
    }  # fmt: skip
    assert {line["path"] for line in found["difference"]} == {
        "artifacts[model.onnx].sha256",
        "artifacts[model.onnx].size",
    }
    assert found["differences"] == 2
    serving = {
        (item["environment"], item["version"], item["trafficPercent"]) for item in found["impact"]["deployments"]
    }
    assert serving == {("production", "1.0.0", 100), ("staging", "2.0.0", 100)}
    assert found["impact"]["groups"] == ["lab"]
    assert found["links"]["self"] == f"/api/v1/transition-requests/{request.id}"
    assert found["links"]["page"].endswith(f"/runs/{request.id}")
    assert found["links"]["dashboard"] == f"http://dashboard.invalid/runs/flow-run/{run}"
    assert (found["canDecide"], found["whyNot"], found["sinceLastReview"]) == (True, None, None)


def test_it_holds_what_one_may_decide_and_has_not(api: ServedApi) -> None:
    r = api.registry
    request = parked(r, risk_tier="Medium")
    trainer = newcomer(r)
    with r.unit() as uow:
        uow.access.contributed(request.version_id, trainer.id, "trainer", r.at)
        uow.commit()
    assert inbox(signed_in(api, trainer), request.model_id) == []
    assert inbox(signed_in(api, r.alan), request.model_id) != []
    vote(r, request, r.grace)
    assert inbox(api.grace, request.model_id) == []
    assert one(signed_in(api, r.alan), request.model_id)["votes"]["decisions"] == [
        {"approver": "grace", "onBehalfOf": None, "decision": "approve"}
    ]
    for person, why in ((trainer, "trained version 1.0.0"), (r.grace, "has decided about this evidence")):
        found = one(signed_in(api, person), request.model_id, all=True)
        assert found["canDecide"] is False
        assert why in found["whyNot"]
    refusal(api.dev.get(INBOX), 403, "FORBIDDEN")


def test_new_evidence_waits_again(api: ServedApi) -> None:
    r = api.registry
    request = parked(r)
    vote(r, request, r.grace)
    assert inbox(api.grace, request.model_id) == []
    registry.update_metadata(r.unit(), r.call(r.dev), request.model_id, "1.0.0", {**METADATA, "license": "MIT"}, None)
    shown = data(api.grace.get(f"/api/v1/transition-requests/{request.id}"))
    assert shown["unchanged"] is False
    assert [line["path"] for line in shown["difference"]] == ["version.metadata.license"]
    settling.park(r.unit(), r.call(None), request.id, evidence_of(r, request))
    assert one(api.grace, request.model_id)["votes"]["given"] == 0
    assert data(api.grace.get(f"/api/v1/transition-requests/{request.id}"))["unchanged"] is True


def test_what_is_closed_to_somebody_is_neither_listed_nor_counted(api: ServedApi) -> None:
    r = api.registry
    closed = newcomer(r, APPROVER, "closed-off")
    model = r.model(access={"restrictedGroups": ["closed-off"]})
    suite(r, model)
    r.version(model, weights=b"first weights")
    for transition in ("submit", "evaluate"):
        step(r, model, "1.0.0", transition)
    r.approve(r.open(model, "1.0.0", "approve_staging"))
    answer = signed_in(api, closed).get(INBOX, params={"modelId": model, "all": True})
    assert data(answer) == []
    assert answer.json()["pagination"]["totalCount"] == 0
    assert inbox(api.grace, model) != []


def test_a_role_reaches_across_groups_no_longer_once_a_call_is_narrowed(api: ServedApi) -> None:
    r = api.registry
    request = parked(r)
    narrow = {"X-Group-Context": "risk"}
    answer = api.grace.get(INBOX, params={"modelId": request.model_id}, headers=narrow)
    assert data(answer) == []
    insider = newcomer(r, APPROVER, "lab")
    answer = signed_in(api, insider).get(
        INBOX, params={"modelId": request.model_id}, headers={"X-Group-Context": "lab"}
    )
    assert [item["id"] for item in data(answer)] == [request.id]


def test_pages_continue_by_key(api: ServedApi) -> None:
    requests = {parked(api.registry).id for _ in range(3)}
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = api.grace.get(INBOX, params={"pageSize": 2, **token})
        seen += [item["id"] for item in data(answer)]
        pages = answer.json()["pagination"]
        if not pages["hasNext"] or requests <= set(seen):
            break
        token = {"nextToken": pages["nextToken"]}
    assert requests <= set(seen)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen))


def test_the_difference_since_the_last_review(api: ServedApi) -> None:
    r = api.registry
    request = parked(r)
    path = f"/api/v1/transition-requests/{request.id}"
    digest = request.evidence_digest
    body = {"decision": "reject", "comment": "Name the licence.", "evidenceDigest": digest}
    data(api.grace.post(f"{path}/approvals", json=body), 201)
    assert r.settle(request, frozen(r, request)).status == "denied"
    again = r.open(request.model_id, "1.0.0", "approve_production")
    r.approve(again)
    for found in (one(api.grace, request.model_id), data(api.grace.get(f"/api/v1/transition-requests/{again.id}"))):
        since = found["sinceLastReview"]
        assert (since["requestId"], since["by"], since["comment"]) == (request.id, "grace", "Name the licence.")
        assert since["difference"] == []
    with httpx.Client(base_url=api.url, trust_env=False) as browser:
        browser.headers["Authorization"] = f"Bearer {api.tokens['grace']}"
        page = browser.get(f"/runs/{again.id}")
    assert page.status_code == 200
    assert "Since the last review" in page.text
    assert "grace sent it back" in page.text
    assert "Unchanged since its evidence was frozen" in page.text


def test_the_page_shows_a_request_for_changes(api: ServedApi) -> None:
    r = api.registry
    request = parked(r)
    vote(r, request, r.grace, "request_changes", comment="Cite the data.")
    with httpx.Client(base_url=api.url, trust_env=False) as browser:
        browser.headers["Authorization"] = f"Bearer {api.tokens['grace']}"
        page = browser.get(f"/runs/{request.id}")
    assert page.status_code == 200
    assert "grace asked for changes" in page.text


# --- batches ----------------------------------------------------------------------------------------------


def batch(client: httpx.Client, *requests: TransitionRequest, **changes: Any) -> httpx.Response:
    items = [{"requestId": request.id, "evidenceDigest": request.evidence_digest} for request in requests]
    return client.post(f"{INBOX}/batch", json={"decision": "approve", "comment": "Alike.", "items": items, **changes})


def test_equal_changes_in_one_batch(api: ServedApi) -> None:
    requests = [upgrade(api) for _ in range(3)]
    digests = {one(api.grace, request.model_id)["differenceDigest"] for request in requests}
    assert len(digests) == 1
    key = {"Idempotency-Key": new_id()}
    for _ in range(2):
        items = [{"requestId": request.id, "evidenceDigest": request.evidence_digest} for request in requests]
        body = {"decision": "approve", "comment": "Alike.", "items": items}
        told = data(api.grace.post(f"{INBOX}/batch", json=body, headers=key))
        assert [item["recorded"] for item in told] == [True] * 3
    ids = [request.id for request in requests]
    assert query(api.registry, "select count(*) from approvals where request_id = any(%s::uuid[])", ids) == [(3,)]


def test_unequal_changes_are_refused_with_what_differs(api: ServedApi) -> None:
    same, other = upgrade(api), upgrade(api, b"quite other weights")
    error = refusal(batch(api.grace, same, other), 422, "DIFFERENT_CHANGES")
    shown = {one(api.grace, request.model_id)["differenceDigest"] for request in (same, other)}
    assert {item["differenceDigest"] for item in error["details"]["requests"]} == shown
    assert query(api.registry, "select count(*) from approvals where request_id = %s", same.id) == [(0,)]


def test_each_refusal_has_the_code_of_a_single_one(api: ServedApi) -> None:
    request = parked(api.registry)
    items = [
        {"requestId": request.id, "evidenceDigest": "sha256:" + "0" * 64},
        {"requestId": new_id(), "evidenceDigest": ""},
    ]
    told = data(batch(api.grace, items=items))
    assert [item["code"] for item in told] == ["APPROVAL_INVALIDATED", "TRANSITION_REQUEST_NOT_FOUND"]


@pytest.mark.parametrize("items", [[], [{"requestId": "x"}], [{"requestId": new_id(), "evidenceDigest": ""}] * 101])
def test_a_batch_is_bounded(api: ServedApi, items: list[Any]) -> None:
    refusal(batch(api.grace, items=items), 400, "INVALID_INPUT")


# --- delegations and overrides over HTTP ------------------------------------------------------------------


def test_delegating_over_http(api: ServedApi) -> None:
    r = api.registry
    giver, taker = newcomer(r), newcomer(r, (Role.VIEWER,), "lab")
    request = parked(r)
    asking, deciding = signed_in(api, giver), signed_in(api, taker)
    path = f"/api/v1/transition-requests/{request.id}/approvals"
    body = {"decision": "approve", "evidenceDigest": request.evidence_digest, "onBehalfOf": giver.id}
    refusal(deciding.post(path, json=body), 403, "FORBIDDEN")
    ends = r.at.replace(year=r.at.year + 1).isoformat()
    for wrong in (ends, "tomorrow", "2026-12-24T18:00:00", "9999-12-31T23:59:59Z"):
        refusal(
            asking.post("/api/v1/delegations", json={"delegate": taker.name, "endsAt": wrong}), 400, "INVALID_INPUT"
        )

    wanted = {
        "delegate": taker.name,
        "endsAt": (now() + timedelta(days=9)).isoformat(),
        "riskTiers": ["Low"],
        "groups": ["lab"],
    }
    made = data(asking.post("/api/v1/delegations", json=wanted), 201)
    assert (made["delegator"], made["delegate"], made["riskTiers"]) == (giver.name, taker.name, ["Low"])
    for client in (asking, deciding):
        assert [item["id"] for item in data(client.get("/api/v1/delegations"))] == [made["id"]]
    assert made["id"] not in [item["id"] for item in data(api.grace.get("/api/v1/delegations"))]
    shown = data(deciding.post(path, json=body), 201)
    assert [(item["approver"], item["onBehalfOf"]) for item in shown["approvals"]] == [(taker.name, giver.name)]
    assert inbox(asking, request.model_id) == [], "it was decided for them"
    revoked = data(asking.delete(f"/api/v1/delegations/{made['id']}"))
    assert revoked["revokedAt"]
    shown = data(asking.get(f"/api/v1/transition-requests/{request.id}"))
    assert shown["notCounted"] == [
        f"The decision of {taker.name} for {giver.name} is not counted: the delegation was taken back."
    ]
    refusal(deciding.post(path, json=body), 403, "FORBIDDEN")


@pytest.fixture
def softly_judged(api: ServedApi) -> Iterator[TransitionRequest]:
    """A request that a soft policy blocks; the policy ends with the test, since the registry is everybody's."""
    r = api.registry
    r.write_policy(SOFT)
    yield blocked(r)
    ended = policies.retire(r.unit(), r.call(r.admin), SOFT["name"])
    assert ended.change_id is not None
    r.confirm(ended.change_id)


def test_overriding_over_http(api: ServedApi, softly_judged: TransitionRequest) -> None:
    r, request = api.registry, softly_judged
    found = one(api.grace, request.model_id)
    assert found["needs"] == ["decision", "override"]
    path = f"/api/v1/transition-requests/{request.id}/overrides"
    body = {
        "policy": "approvals",
        "policyVersion": 1,
        "evidenceDigest": request.evidence_digest,
        "reason": "The format is read by our own loader.",
    }
    refusal(api.admin.post(path, json=body), 409, "HARD_GATE")
    made = data(api.grace.post(path, json={**body, "policy": SOFT["name"]}), 201)
    assert (made["proposedBy"], made["confirmedBy"]) == ("grace", None)
    assert one(signed_in(api, r.alan), request.model_id)["needs"] == ["decision", "override", "confirmation"]
    refusal(api.grace.post(f"{path}/{made['id']}/confirm"), 403, "SELF_APPROVAL")
    confirmed = data(signed_in(api, r.alan).post(f"{path}/{made['id']}/confirm"))
    assert (confirmed["confirmedBy"], bool(confirmed["findingId"])) == ("alan", True)
    report = data(api.grace.get("/api/v1/overrides", params={"modelId": request.model_id, "confirmed": True}))
    assert report == data(api.grace.get(path)) == [confirmed]
    findings = data(api.grace.get("/api/v1/findings", params={"modelId": request.model_id}))
    assert [item["id"] for item in findings] == [confirmed["findingId"]]
    session = {"Cookie": f"{SESSION_COOKIE}={api.session('grace')}"}
    page = f"/runs/{request.id}"
    assert "Overridden" not in httpx.get(api.url + page, headers=session, trust_env=False).text
    vote(r, request, r.edsger)
    assert settled(r, request).status is RequestStatus.APPLIED
    assert "Overridden" in httpx.get(api.url + page, headers=session, trust_env=False).text


def test_validators_are_made_over_http(api: ServedApi) -> None:
    name = f"validator-{new_id()}"
    made = data(api.admin.post("/api/v1/users", json={"name": name, "roles": ["validator"]}), 201)
    assert made["roles"] == [VALIDATOR[0].value]
