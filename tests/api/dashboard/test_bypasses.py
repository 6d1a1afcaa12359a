"""Ways past the platform to a decision, tried on the real thing: refused or harmless, and audited."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import httpx
import pytest

from api.sessions import SESSION_COOKIE
from governance.access.principal import Principal
from governance.requests import RequestStatus, TransitionRequest
from tests.fixtures.dashboard import GuardedDashboard
from tests.fixtures.loops import run_async

# Requests that only refused calls are about serve all tests here; `still_waits` says that none of them was decided.
_WAITING: list[TransitionRequest] = []


@pytest.fixture
def waiting(guarded: GuardedDashboard) -> TransitionRequest:
    if not _WAITING:
        _WAITING.append(guarded.waiting())
    return _WAITING[0]


def still_waits(guarded: GuardedDashboard, request: TransitionRequest) -> None:
    now = guarded.request(request.id)
    assert (now.status, now.evidence_digest) == (RequestStatus.AWAITING_APPROVAL, request.evidence_digest)
    assert guarded.run(request.flow_run_id or "")["state_type"] == "PAUSED"
    with guarded.registry.unit() as uow:
        assert uow.approvals.of_request(request.id) == ()


def refused(answer: httpx.Response, status: int = 403) -> str:
    """The sentence of a refusal, in the shape that the pages show."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["detail"] == body["exception_message"]
    return str(body["detail"])


def new_refusals(guarded: GuardedDashboard, before: int) -> list[dict[str, Any]]:
    return guarded.refusals()[before:]


APPROVE = {"run_input": {"decision": "approve", "comment": "in"}}


def test_nobody_resumes_without_a_session(guarded: GuardedDashboard, waiting: TransitionRequest) -> None:
    before = len(guarded.refusals())
    path = f"/dashboard/api/flow_runs/{waiting.flow_run_id}/resume"
    token = guarded.session(guarded.registry.grace)
    for headers in ({}, {"Authorization": f"Bearer {token}"}, {"Cookie": f"{SESSION_COOKIE}=ghs_{'A' * 43}"}):
        assert "session" in refused(guarded.client(None, **headers).post(path, json=APPROVE), 401)
    still_waits(guarded, waiting)
    events = new_refusals(guarded, before)
    assert [(event["actor"]["id"], event["details"]["path"]) for event in events] == [("anonymous", path)] * 3
    assert not any(token in json.dumps(event) for event in events)


@pytest.mark.parametrize("who", ["grace", "root"])
def test_nothing_but_a_decision_resumes(guarded: GuardedDashboard, waiting: TransitionRequest, who: str) -> None:
    person = {"grace": guarded.registry.grace, "root": guarded.registry.admin}[who]
    client, path = guarded.client(person), f"/dashboard/api/flow_runs/{waiting.flow_run_id}/resume"
    before = len(guarded.refusals())
    bodies: list[Any] = [
        {"run_input": {"approved": True}},
        {"run_input": {"decision": "approve", "approved": True}},
        {"run_input": {}},
        {},
        [],
        {"run_input": {"decision": "yes"}},
        {"run_input": {"decision": ["approve"]}},
        {"run_input": {"decision": "reject", "comment": " "}},
        {"run_input": {"decision": "approve", "evidence": "sha256:0"}},
        {"run_input": {"decision": {"__prefect_kind": "json", "value": '"approve"'}}},
        {**APPROVE, "force": True},
    ]
    for body in bodies:
        answer = client.post(path, json=body)
        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["state"]) == ("REJECT", None)
        assert answer.json()["details"]["reason"]
    assert client.post(path, content=b"{not json").json()["status"] == "REJECT"
    still_waits(guarded, waiting)
    assert [event["actor"]["name"] for event in new_refusals(guarded, before)] == [who] * (len(bodies) + 1)


def test_what_would_decide_past_us_is_refused_to_administrators_too(
    guarded: GuardedDashboard, waiting: TransitionRequest
) -> None:
    run = waiting.flow_run_id
    deployment = guarded.run(run or "")["deployment_id"]
    forced = {"state": {"type": "COMPLETED", "name": "Promoted"}, "force": True}
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"flow_runs/{run}/set_state", forced),
        ("POST", "flow_runs/bulk_set_state", {"flow_runs": {}, "state": {"type": "COMPLETED"}, "force": True}),
        ("DELETE", f"flow_runs/{run}", None),
        ("POST", f"flow_runs/{run}/input", {"key": "x", "value": "{}"}),
        ("POST", f"deployments/{deployment}/create_flow_run", {"parameters": {"request_id": waiting.id}}),
        ("PATCH", f"deployments/{deployment}", {"entrypoint": "x"}),
        ("POST", "automations/", {"name": "x"}),
        ("POST", "block_documents/filter", {"include_secrets": True}),
        ("POST", "variables/filter", {}),
        ("PATCH", "work_pools/gatehouse", {"base_job_template": {}}),
        ("POST", f"flow_runs/{run}/%72esume", APPROVE),
        ("POST", f"flow_runs/{str(run).upper()}/resume", APPROVE),
        ("POST", f"flow_runs/{str(run).replace('-', '')}/resume", APPROVE),
        ("POST", f"flow_runs/{run}/resume/", APPROVE),
        ("POST", f"flow_runs/{run}//resume", APPROVE),
    ]
    for person in (guarded.registry.grace, guarded.registry.admin):
        client, before = guarded.client(person), len(guarded.refusals())
        for method, path, body in calls:
            refused(client.request(method, f"/dashboard/api/{path}", json=body))
        events = new_refusals(guarded, before)
        assert [(e["actor"]["name"], e["details"]["method"]) for e in events] == [
            (person.name, method) for method, _, _ in calls
        ]
    still_waits(guarded, waiting)


def test_another_site_cannot_ask_for_a_change(guarded: GuardedDashboard, waiting: TransitionRequest) -> None:
    path = f"/dashboard/api/flow_runs/{waiting.flow_run_id}/resume"
    grace = guarded.registry.grace
    for headers in (
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-origin", "origin": "https://elsewhere.example"},
    ):
        assert "another site" in refused(guarded.client(grace, **headers).post(path, json=APPROVE))
    silent = guarded.client(grace)
    del silent.headers["origin"]
    assert "another site" in refused(silent.post(path, json=APPROVE))
    still_waits(guarded, waiting)


def test_the_port_of_the_prefect_server_answers_nobody_without_its_secret(
    guarded: GuardedDashboard, waiting: TransitionRequest
) -> None:
    token = guarded.session(guarded.registry.admin)
    for headers in ({}, {"Authorization": f"Bearer {token}"}, {"Cookie": f"{SESSION_COOKIE}={token}"}):
        for path in (f"flow_runs/{waiting.flow_run_id}/resume", f"flow_runs/{waiting.flow_run_id}/set_state"):
            assert httpx.post(f"{guarded.stage.prefect}/{path}", json=APPROVE, headers=headers).status_code == 401
    still_waits(guarded, waiting)


@pytest.mark.parametrize("path", ["events/out", "events/in", "logs/out"])
def test_no_websocket_is_opened(guarded: GuardedDashboard, path: str) -> None:
    people: list[Principal | None] = [None, guarded.registry.grace, guarded.registry.admin]
    before = len(guarded.refusals())
    statuses = [run_async(_knock(guarded, person, path)) for person in people]
    assert statuses == [403] * 3
    actors = [event["actor"]["name"] for event in new_refusals(guarded, before)]
    assert actors[-2:] == ["grace", "root"]


async def _knock(guarded: GuardedDashboard, person: Principal | None, path: str) -> int:
    headers = {"origin": guarded.url}
    if person is not None:
        headers["cookie"] = f"{SESSION_COOKIE}={guarded.session(person)}"
    async with aiohttp.ClientSession() as client:
        try:
            async with client.ws_connect(f"{guarded.url}/dashboard/api/{path}", headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as refusal:
            return refusal.status
