"""Asking, deciding, withdrawing and trying again over HTTP; the flow's own part is played by the test."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from governance.operations import settling
from governance.requests import TransitionRequest
from storage.composition import new_id
from tests.api.served import ServedApi, data, refusal
from tests.fixtures.registry import DEVELOPER
from tests.governance.operations.situations import (
    REASON,
    carry_out,
    evidence_of,
    in_production,
    model_with_version,
    query,
    step,
    stored,
)


def versions(model: str, version: str = "1.0.0") -> str:
    return f"/api/v1/models/{model}/versions/{version}"


def ask(api: ServedApi, model: str, transition: str, **more: Any) -> Any:
    headers = more.pop("headers", {})
    return api.dev.post(f"{versions(model)}/transitions", json={"transition": transition, **more}, headers=headers)


def by_id(api: ServedApi, request_id: str) -> TransitionRequest:
    with api.registry.unit() as uow:
        return uow.requests.get(request_id)


def waiting(api: ServedApi, *, risk_tier: str = "Low") -> tuple[str, str]:
    """(model, path of a request for staging that waits for people with its run suspended)."""
    r = api.registry
    model = model_with_version(r, risk_tier=risk_tier)
    for transition in ("submit", "evaluate"):
        step(r, model, "1.0.0", transition)
    request = data(ask(api, model, "approve_staging"), 202)
    r.approve(by_id(api, request["id"]))
    r.launcher.states[request["flowRunId"]] = "PAUSED"
    return model, f"/api/v1/transition-requests/{request['id']}"


def decide(client: Any, path: str, decision: str = "approve", **changes: Any) -> Any:
    digest = client.get(path).json()["data"]["evidenceDigest"]
    return client.post(
        f"{path}/approvals", json={"decision": decision, "evidenceDigest": digest, "comment": "seen", **changes}
    )


# --- asking -----------------------------------------------------------------------------------------------


def test_asking_is_accepted_and_launched(api: ServedApi) -> None:
    model = model_with_version(api.registry)
    answer = ask(api, model, "submit", reason="ready")
    request = data(answer, 202)
    assert (request["status"], request["transition"], request["requestedBy"]) == ("open", "submit", "dana")
    assert (request["reason"], request["attempt"], request["gates"], request["approvals"]) == ("ready", 1, [], [])
    assert answer.headers["location"] == f"/api/v1/transition-requests/{request['id']}"
    run = api.registry.launcher.launched[-1]
    assert (run[0], run[1], run[2], run[3]) == (request["id"], "submit", 1, request["flowRunId"])
    links = answer.json()["links"]
    assert links["dashboard"] == f"http://dashboard.invalid/runs/flow-run/{request['flowRunId']}"
    assert links["version"] == versions(model)
    shown = data(api.grace.get(answer.headers["location"]))
    assert shown == {**shown, **request}


def test_a_repeat_under_the_key_is_the_same_request_and_run(api: ServedApi) -> None:
    model = model_with_version(api.registry)
    key = {"Idempotency-Key": new_id()}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(api, model, "submit", headers=key), range(16)))
    assert len({data(answer, 202)["id"] for answer in answers}) == 1
    assert len([run for run in api.registry.launcher.launched if run[0] == data(answers[0], 202)["id"]]) == 1
    refusal(ask(api, model, "retire", headers=key), 422, "IDEMPOTENCY_MISMATCH")


def test_sixteen_at_once(api: ServedApi) -> None:
    model = model_with_version(api.registry)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: ask(api, model, "submit"), range(16)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 15
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} == {"REQUEST_OPEN"}


def test_no_jump_to_production(api: ServedApi) -> None:
    model = model_with_version(api.registry)
    error = refusal(ask(api, model, "promote_production"), 409, "ILLEGAL_TRANSITION")
    assert error["details"]["possible"] == ["evaluate", "retire", "submit"]
    refusal(ask(api, model, "force"), 400, "INVALID_INPUT")


def test_deploying_something_else_than_was_approved(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    for transition in ("submit", "evaluate", "approve_staging"):
        step(r, model, "1.0.0", transition)
    r.attach(model, "1.0.0", b"first weightz", replace=True)
    error = refusal(ask(api, model, "deploy_staging"), 409, "APPROVAL_INVALIDATED")
    assert error["details"]["difference"]


def test_evaluations(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    suite = query(r, "select id::text from evaluation_suites where model_id = %s", model)[0][0]
    answer = api.grace.post(
        "/api/v1/evaluations/run", json={"modelId": model, "version": "1.0.0", "suiteIds": [suite, suite]}
    )
    (queued,) = data(answer, 202)
    path = f"/api/v1/evaluations/{queued['id']}"
    assert (queued["status"], queued["suiteId"], queued["passed"]) == ("queued", suite, None)
    assert data(api.dev.get(f"{path}/status")) == queued
    request = by_id(api, queued["requestId"])
    assert answer.headers["location"].endswith(request.id)
    carry_out(r, request)
    results = data(api.dev.get(f"{path}/results"))
    assert (results["status"], results["passed"]) == ("completed", True)
    assert results["results"]["taskMetrics"] == {"accuracy": 0.95}
    for wrong, status in (({"modelId": new_id()}, 404), ({"version": "9.9.9"}, 404), ({"suiteIds": [new_id()]}, 400)):
        body = {"modelId": model, "version": "1.0.0", **wrong}
        assert api.dev.post("/api/v1/evaluations/run", json=body).status_code == status
    for unfit in ("x", "\x00"):
        body = {"modelId": model, "version": "1.0.0", "suiteIds": [unfit]}
        refusal(api.dev.post("/api/v1/evaluations/run", json=body), 404, "EVALUATION_SUITE_NOT_FOUND")


# --- reading ----------------------------------------------------------------------------------------------


def test_requests_are_found_by_version_status_and_state(api: ServedApi) -> None:
    r = api.registry
    model, path = waiting(api)
    listed = data(api.dev.get(f"{versions(model)}/transitions"))
    assert [item["transition"] for item in listed] == ["approve_staging", "evaluate", "submit"]
    assert [item["status"] for item in listed] == ["awaiting_approval", "applied", "applied"]
    for query_, expected in (
        ({"status": "awaiting_approval"}, ["approve_staging"]),
        ({"status": "applied"}, ["evaluate", "submit"]),
        ({"status": "denied"}, []),
        ({"transition": "submit"}, ["submit"]),
        ({"state": "submitted", "status": "awaiting_approval"}, ["approve_staging"]),
        ({"state": "production"}, []),
    ):
        found = data(api.dev.get("/api/v1/transition-requests", params={"modelId": model, **query_}))
        assert [item["transition"] for item in found] == expected
    shown = data(api.dev.get(path))
    assert [gate["outcome"] for gate in shown["gates"]].count("unknown") == 1
    assert shown["evidence"]["subject"]["version"]["version"] == "1.0.0"
    assert r.state(model, "1.0.0") == "submitted"


def test_traffic_and_findings(api: ServedApi) -> None:
    r = api.registry
    model = in_production(r, "1.0.0", "2.0.0")
    (serving,) = data(api.dev.get(f"/api/v1/models/{model}/deployments"))
    assert (serving["environment"], serving["version"], serving["trafficPercent"]) == ("production", "2.0.0", 100)
    step(r, model, "2.0.0", "rollback", REASON)
    (finding,) = data(api.dev.get("/api/v1/findings", params={"modelId": model, "status": "open"}))
    assert (finding["severity"], finding["status"]) == ("high", "open")
    assert REASON in finding["title"]
    assert data(api.dev.get("/api/v1/findings", params={"modelId": model, "status": "closed"})) == []


# --- deciding ---------------------------------------------------------------------------------------------


def test_approving_wakes_the_run(api: ServedApi) -> None:
    r = api.registry
    model, path = waiting(api)
    answer = decide(api.grace, path)
    request = data(answer, 201)
    assert [(a["approver"], a["decision"], a["counts"]) for a in request["approvals"]] == [("grace", "approve", True)]
    api.wait_until_idle()
    assert request["flowRunId"] in r.launcher.woken
    carry_out_settled = r.settle(by_id(api, request["id"]))
    assert carry_out_settled.status == "applied"
    refusal(decide(api.grace, path), 409, "REQUEST_CLOSED")
    shown = data(api.dev.get(path))
    assert (shown["status"], shown["outcome"]["to"]) == ("applied", "approved_staging")
    assert r.state(model, "1.0.0") == "approved_staging"


def test_a_bare_resume_approves_nothing(api: ServedApi) -> None:
    """Somebody resumes the run in the dashboard: the flow looks again, finds nobody, and parks again."""
    r = api.registry
    model, path = waiting(api)
    request = by_id(api, path.rsplit("/", 1)[1])
    settling.begin(r.unit(), r.call(None), request.id, str(request.flow_run_id))
    assert r.settle(request).kind == "waiting"
    assert settling.park(r.unit(), r.call(None), request.id, evidence_of(r, request))[0].outcome == "waiting"
    assert data(api.dev.get(path))["status"] == "awaiting_approval"
    assert r.state(model, "1.0.0") == "submitted"


def test_ones_own_request(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    for transition in ("submit", "evaluate"):
        step(r, model, "1.0.0", transition)
    answer = api.grace.post(f"{versions(model)}/transitions", json={"transition": "approve_staging"})
    request = data(answer, 202)
    r.approve(by_id(api, request["id"]))
    refusal(decide(api.grace, answer.headers["location"]), 403, "SELF_APPROVAL")
    refusal(decide(api.dev, answer.headers["location"]), 403, "FORBIDDEN")


def test_a_decision_about_something_that_changed(api: ServedApi) -> None:
    r = api.registry
    model, path = waiting(api, risk_tier="Medium")
    data(decide(api.grace, path), 201)
    tag = api.dev.get(versions(model)).headers["etag"]
    changed = api.dev.put(
        f"{versions(model)}/metadata", json={"metadata": {"license": "MIT"}}, headers={"If-Match": tag}
    )
    assert changed.status_code == 200
    run = str(by_id(api, path.rsplit("/", 1)[1]).flow_run_id)
    r.launcher.states[run] = "PAUSED"
    woken = r.launcher.woken.count(run)
    error = refusal(decide(api.grace, path), 409, "APPROVAL_INVALIDATED")
    assert {"path": "version.metadata.license", "before": "Apache-2.0", "after": "MIT"} in error["details"][
        "difference"
    ]
    assert r.launcher.woken.count(run) == woken + 1, "the evidence is gathered again"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"evidenceDigest": "sha256:" + "0" * 64}, 409, "APPROVAL_INVALIDATED"),
        ({"decision": "abstain"}, 400, "INVALID_INPUT"),
        ({"decision": "reject", "comment": ""}, 400, "INVALID_INPUT"),
        ({"comment": "x" * 2_001}, 400, "INVALID_INPUT"),
        ({"comment": "a\x00"}, 400, "INVALID_INPUT"),
        ({"evidenceDigest": None}, 400, "INVALID_INPUT"),
        ({"approver": "alan"}, 400, "INVALID_INPUT"),
    ],
)
def test_decisions_that_are_refused(api: ServedApi, changes: dict[str, Any], status: int, code: str) -> None:
    _, path = waiting(api)
    refusal(decide(api.grace, path, **changes), status, code)
    assert data(api.dev.get(path))["approvals"] == []


def test_unknown_requests(api: ServedApi) -> None:
    body = {"decision": "approve", "evidenceDigest": "sha256:0"}
    for identifier in (new_id(), "x", "%00"):
        path = f"/api/v1/transition-requests/{identifier}"
        for answer in (
            api.dev.get(path),
            api.grace.post(f"{path}/approvals", json=body),
            api.dev.post(f"{path}/withdraw", json={}),
            api.dev.post(f"{path}/retry"),
        ):
            refusal(answer, 404, "TRANSITION_REQUEST_NOT_FOUND")


def test_a_rejection(api: ServedApi) -> None:
    r = api.registry
    _, path = waiting(api)
    data(decide(api.grace, path, "reject", comment="Not on these data."), 201)
    request = by_id(api, path.rsplit("/", 1)[1])
    assert r.settle(request).status == "denied"
    shown = data(api.dev.get(path))
    assert shown["outcome"]["name"] == "Denied"
    assert "Not on these data." in shown["outcome"]["reasons"][0]


# --- withdrawing and trying again -------------------------------------------------------------------------


def test_withdrawing(api: ServedApi) -> None:
    model, path = waiting(api)
    refusal(api.grace.post(f"{path}/withdraw", json={}), 403, "FORBIDDEN")
    withdrawn = data(api.dev.post(f"{path}/withdraw", json={"reason": "A better one comes."}))
    assert (withdrawn["status"], withdrawn["outcome"]["reasons"]) == ("withdrawn", ["A better one comes."])
    refusal(api.dev.post(f"{path}/withdraw", json={}), 409, "REQUEST_CLOSED")
    refusal(api.dev.post(f"{path}/retry"), 409, "REQUEST_CLOSED")
    assert data(ask(api, model, "approve_staging"), 202)["status"] == "open"


def test_a_cancelled_run_is_started_again(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    request = data(ask(api, model, "submit"), 202)
    path = f"/api/v1/transition-requests/{request['id']}"
    r.launcher.states[request["flowRunId"]] = "CANCELLED"
    stranger = api.sign_in(r.person(f"person-{new_id()}", DEVELOPER, "lab"))
    refusal(stranger.post(f"{path}/retry"), 403, "FORBIDDEN")
    again = data(api.dev.post(f"{path}/retry"), 202)
    assert (again["attempt"], again["status"]) == (2, "open")
    assert again["flowRunId"] != request["flowRunId"]
    assert data(api.grace.post(f"{path}/retry"), 202)["attempt"] == 3
    assert stored(r, by_id(api, request["id"])).attempt == 3
