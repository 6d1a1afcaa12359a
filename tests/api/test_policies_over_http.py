"""Policies over HTTP: every route, by those who may, with answers that are described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from governance.access.roles import Role
from governance.policy_changes import policy_id
from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures.policies import policy
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registry import DEVELOPER
from tests.governance.operations.situations import bring, evidence_of, in_production, model_with_version, query, results

P = "/api/v1/policies"


@pytest.fixture(scope="module")
def own(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    """An API of its own, since what judges here must not judge elsewhere."""
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("policies") / "home") as made,
    ):
        yield made


def approve(api: ServedApi, made: dict[str, Any], by: httpx.Client | None = None) -> dict[str, Any]:
    change = made["change"]
    answer = (by or api.grace).post(f"{P}/changes/{change['id']}/approve", json={"digest": change["digest"]})
    found: dict[str, Any] = data(answer)
    return found


def in_force(api: ServedApi, name: str, **changes: Any) -> dict[str, Any]:
    made = data(api.admin.post(P, json=policy(name, **changes)), 201)
    approve(api, made)
    found: dict[str, Any] = data(api.dev.get(f"{P}/{name}"))
    return found


ELSEWHERE = {"transitions": ["deprecate"], "groups": ["nowhere"]}  # judges nothing that the other tests do


def test_a_policy_is_written_by_one_person_and_approved_by_another(own: ServedApi) -> None:
    answer = own.admin.post(P, json=policy("written", scope=ELSEWHERE, reason="The board wants it."))
    made = data(answer, 201)
    assert answer.headers["Location"] == f"{P}/changes/{made['change']['id']}"
    assert (made["policy"]["state"], made["policy"]["pendingChange"]) == ("proposed", made["change"]["id"])
    assert (made["change"]["state"], made["change"]["proposedBy"]) == ("pending", "root")
    refusal(own.admin.post(f"{P}/changes/{made['change']['id']}/approve",
                           json={"digest": made["change"]["digest"]}), 403, "SELF_APPROVAL")  # fmt: skip
    body = {"digest": made["change"]["digest"]}
    refusal(own.dev.post(f"{P}/changes/{made['change']['id']}/approve", json=body), 403, "FORBIDDEN")
    stale = {"digest": "sha256:" + "0" * 64}
    refusal(own.grace.post(f"{P}/changes/{made['change']['id']}/approve", json=stale), 409, "APPROVAL_INVALIDATED")
    done = approve(own, made)
    assert (done["state"], done["decidedBy"]) == ("approved", "grace")
    refusal(own.grace.post(f"{P}/changes/{made['change']['id']}/approve", json=body), 409, "REQUEST_CLOSED")
    found = data(own.dev.get(f"{P}/written"))
    assert (found["state"], found["version"], found["builtIn"]) == ("active", 1, False)
    assert found == data(own.dev.get(f"{P}/{policy_id('written')}"))
    assert found["samples"]["denied"]


def test_lists_and_kinds(own: ServedApi) -> None:
    in_force(own, "listed", kind="security", scope=ELSEWHERE)
    data(own.admin.post(P, json=policy("only-drafted", draft=True, scope=ELSEWHERE)), 201)
    by_kind = {kind: data(own.dev.get(f"{P}/{kind}")) for kind in ("access", "security", "compliance", "governance")}
    assert {one["name"] for one in by_kind["security"]} >= {"artifact-integrity", "safe-weight-format", "listed"}
    for kind, found in by_kind.items():
        assert found
        assert all(one["kind"] == kind for one in found)
    everything = data(own.dev.get(P, params={"pageSize": 200}))
    assert sorted(one["name"] for one in everything) == sorted(one["name"] for k in by_kind.values() for one in k)
    drafts = data(own.dev.get(P, params={"state": "draft"}))
    assert "only-drafted" in {one["name"] for one in drafts}
    of_retiring = {one["name"] for one in data(own.dev.get(P, params={"transition": "retire"}))}
    assert of_retiring == {"not-serving", "wait-timer", "freeze-windows"}
    refusal(own.dev.get(P, params={"kind": "ethics"}), 400, "INVALID_INPUT")
    seen, token = [], None
    while True:
        answer = own.dev.get(P, params={"pageSize": 3, **({"nextToken": token} if token else {})})
        seen += [one["name"] for one in data(answer)]
        token = answer.json()["pagination"]["nextToken"]
        if token is None:
            break
    assert seen == [one["name"] for one in everything]
    variables = data(own.dev.get(f"{P}/variables"))
    assert "evaluation.taskMetrics" in {one["name"] for one in variables}


def test_a_rule_that_makes_no_sense_is_refused_with_line_and_column(own: ServedApi) -> None:
    rules = [{"id": "typo", "expression": "model.name != ''\n  && model.riskTeir == 'High'", "message": "No."}]
    error = refusal(own.admin.post(P, json=policy("typo", rules=rules)), 400, "INVALID_INPUT")
    assert error["details"]["problems"] == [
        {"rule": "typo", "line": 2, "column": 11, "problem": "undeclared reference to 'model.riskTeir'."}
    ]
    refusal(own.dev.get(f"{P}/typo"), 404, "POLICY_NOT_FOUND")
    error = refusal(own.admin.post(P, json=policy("lax", least=0.0)), 400, "INVALID_INPUT")
    assert error["details"]["problems"][0]["sample"] == "denied[0]"
    refusal(own.admin.post(P, json=policy("approvals")), 400, "INVALID_INPUT")
    refusal(own.admin.post(P, json={**policy("more"), "parameters": {}}), 400, "INVALID_INPUT")
    refusal(own.grace.post(P, json=policy("by-an-approver")), 403, "FORBIDDEN")


def test_new_versions_disabling_enabling_and_retiring(own: ServedApi) -> None:
    path = f"{P}/changing"
    in_force(own, "changing", scope=ELSEWHERE)
    newer = {key: value for key, value in policy("changing", least=0.95, scope=ELSEWHERE).items() if key != "name"}
    refusal(own.admin.put(path, json={"rules": newer["rules"]}), 400, "INVALID_INPUT")
    made = data(own.admin.put(path, json=newer), 202)
    assert data(own.dev.get(path))["version"] == 1
    refusal(own.admin.put(path, json=newer), 409, "CONFLICT")
    approve(own, made)
    found = data(own.dev.get(path))
    assert (found["version"], [one["state"] for one in found["versions"]]) == (2, ["active", "superseded"])
    for action, state in (("disable", "disabled"), ("enable", "active")):
        approve(own, data(own.admin.post(f"{path}/{action}", json={"reason": "For a while."}), 202))
        assert data(own.dev.get(path))["state"] == state
    made = data(own.admin.delete(path, params={"reason": "Done."}), 202)
    reject = f"{P}/changes/{made['change']['id']}/reject"
    refusal(own.grace.post(reject, json={"digest": made["change"]["digest"]}), 400, "INVALID_INPUT")
    said = {"digest": made["change"]["digest"], "comment": "Not yet."}
    assert data(own.grace.post(reject, json=said))["state"] == "rejected"
    approve(own, data(own.admin.delete(path), 202))
    assert data(own.dev.get(path))["state"] == "retired"
    assert "changing" not in {one["name"] for one in data(own.dev.get(P, params={"pageSize": 200}))}
    refusal(own.admin.post(f"{path}/enable"), 409, "CONFLICT")
    refusal(own.admin.post(P, json=policy("changing")), 409, "DUPLICATE")
    for name in ("approvals", "artifact-integrity"):
        refusal(own.admin.delete(f"{P}/{name}"), 409, "POLICY_REQUIRED")
        refusal(own.admin.post(f"{P}/{name}/disable"), 409, "POLICY_REQUIRED")


def test_changes_are_listed_with_their_impact_and_audited(own: ServedApi) -> None:
    model = in_production(own.registry, "1.0.0")
    made = data(own.admin.post(P, json=policy("impactful", least=0.99)), 201)
    path = f"{P}/changes/{made['change']['id']}"
    pending = data(own.grace.get(f"{P}/changes", params={"state": "pending", "pageSize": 200}))
    assert made["change"]["id"] in {one["id"] for one in pending}
    shown = data(own.grace.get(path))
    assert model in {one["modelId"] for one in shown["impact"]["versions"]["fallOut"]}
    assert any(flip["modelId"] == model for flip in shown["impact"]["decisions"]["flips"])
    auditor = own.sign_in(own.registry.person("audrey", (Role.AUDITOR,), "audit"))
    assert data(auditor.get(path))["digest"] == shown["digest"]
    said = {"digest": shown["digest"], "comment": "It would stop production."}
    done = data(own.grace.post(f"{path}/reject", json=said))
    assert data(own.grace.get(path))["impact"] is None
    report = data(auditor.get(f"{P}/audit-report", params={"policy": "impactful"}))
    assert [(one["proposedBy"], one["decidedBy"], one["state"]) for one in report] == [("root", "grace", "rejected")]
    leaves = {leaf.hex() for (leaf,) in query(own.registry, "select leaf from audit_outbox")}
    leaves |= {leaf.hex() for (leaf,) in query(own.registry, "select leaf from audit_entries")}
    assert {done["auditEntries"]["proposed"], done["auditEntries"]["decided"]} <= leaves
    refusal(own.dev.get(path), 403, "FORBIDDEN")
    refusal(own.grace.get(f"{P}/changes/{model}"), 404, "POLICY_CHANGE_NOT_FOUND")


def test_trying_policies_on_a_version(own: ServedApi) -> None:
    r = own.registry
    model = model_with_version(r)
    about = {"modelId": model, "version": "1.0.0", "transition": "approve_staging"}
    before = data(own.dev.post(f"{P}/evaluate", json=about), 201)
    assert (before["outcome"], before["measuredFrom"]) == ("denied", None)
    gates = {gate["policy"]: gate for gate in before["results"]}
    assert gates["artifact-integrity"]["outcome"] == "unknown"
    assert gates["artifact-integrity"]["kind"] == "security"
    bring(r, model, "1.0.0", "evaluate")
    answer = own.dev.post(f"{P}/evaluate", json=about)
    found = data(answer, 201)
    assert found["measuredFrom"]["transition"] == "evaluate"
    assert (found["outcome"], found["subjectFrom"]) == ("waiting", "tables")
    assert data(own.dev.get(answer.headers["Location"])) == found
    assert own.dev.get(answer.headers["Location"]).json()["data"]["id"] == found["id"]
    assert r.state(model, "1.0.0") == "submitted", "nothing moves"
    outsider = own.sign_in(r.person("oscar", DEVELOPER, "elsewhere"))
    refusal(outsider.get(answer.headers["Location"]), 404, "POLICY_EVALUATION_NOT_FOUND")
    refusal(outsider.post(f"{P}/evaluate", json=about), 404, "MODEL_NOT_FOUND")
    refusal(own.dev.post(f"{P}/evaluate", json={**about, "transition": "fly"}), 400, "INVALID_INPUT")
    refusal(own.dev.post(f"{P}/evaluate", json={**about, "version": "9.9.9"}), 404, "VERSION_NOT_FOUND")


def test_trying_one_policy_clause_by_clause(own: ServedApi) -> None:
    r = own.registry
    data(own.admin.post(P, json=policy("tried", least=0.97, draft=True)), 201)
    model = model_with_version(r)
    bring(r, model, "1.0.0", "evaluate")
    about = {"modelId": model, "version": "1.0.0", "transition": "approve_staging"}
    found = data(own.dev.post(f"{P}/tried/evaluate", json=about), 201)
    assert (found["policy"], found["outcome"], found["decision"]) == ("tried", "failed", None)
    (gate,) = found["results"]
    assert gate["facts"]["rules"][0]["clauses"] == [
        {"clause": "evaluation.taskMetrics.accuracy >= 0.97", "value": False,
         "actual": {"evaluation.taskMetrics.accuracy": 0.95}}
    ]  # fmt: skip
    sample = {"sample": {"evidence": {"evaluations": [{"taskMetrics": {"accuracy": 0.99}}]}}}
    given = data(own.dev.post(f"{P}/tried/evaluate", json=sample), 201)
    assert (given["outcome"], given["subjectFrom"], given["modelId"]) == ("passed", "given", None)
    assert data(own.dev.get(f"{P}/results/{given['id']}")) == given
    refusal(own.grace.get(f"{P}/results/{given['id']}"), 404, "POLICY_EVALUATION_NOT_FOUND")
    refusal(own.dev.post(f"{P}/tried/evaluate", json={**about, **sample}), 400, "INVALID_INPUT")
    refusal(own.dev.post(f"{P}/tried/evaluate", json={}), 400, "INVALID_INPUT")
    refusal(own.dev.post(f"{P}/tried/evaluate", json={**about, "transition": "retire"}), 400, "INVALID_INPUT")
    refusal(own.dev.post(f"{P}/tried/evaluate", json={"sample": {"evidence": {"model": 1}}}), 400, "INVALID_INPUT")
    refusal(own.dev.post(f"{P}/nothing/evaluate", json=sample), 404, "POLICY_NOT_FOUND")
    refusal(own.dev.get(f"{P}/results/x"), 404, "POLICY_EVALUATION_NOT_FOUND")


def test_violations_and_reports_of_what_one_may_see(own: ServedApi) -> None:
    r = own.registry
    models = []
    for _ in range(3):
        model = model_with_version(r)
        bring(r, model, "1.0.0", "submit")
        request = r.open(model, "1.0.0", "evaluate")
        r.settle(request, evidence_of(r, request), evaluations=results(r, request, accuracy=0.4))
        r.settle(r.open(model, "1.0.0", "approve_staging"))
        models.append(model)
    path = f"{P}/evaluation"
    found = data(own.dev.get(f"{path}/violations", params={"pageSize": 200}))
    assert set(models) <= {one["modelId"] for one in found}
    mine = next(one for one in found if one["modelId"] == models[0])
    assert (mine["outcome"], mine["overridden"], mine["status"]) == ("failed", False, "denied")
    assert "accuracy is 0.4, below the threshold 0.9" in mine["reasons"][0]
    first = own.dev.get(f"{path}/violations", params={"pageSize": 2})
    rest = own.dev.get(
        f"{path}/violations", params={"pageSize": 200, "nextToken": first.json()["pagination"]["nextToken"]}
    )
    assert [one["requestId"] for one in data(first) + data(rest)] == [one["requestId"] for one in found]
    report = data(own.dev.get(f"{path}/report"))
    assert report["total"]["failed"] == len(found)
    assert report["byVersion"][0]["version"] == report["policy"]["version"]
    assert [one["requestId"] for one in report["recent"]] == [one["requestId"] for one in found[:10]]
    outsider = own.sign_in(r.person("oona", DEVELOPER, "elsewhere"))
    assert data(outsider.get(f"{path}/violations")) == []
    assert data(outsider.get(f"{path}/report"))["total"]["failed"] == 0
    refusal(own.dev.get(f"{P}/nothing/violations"), 404, "POLICY_NOT_FOUND")
    refusal(own.dev.get(f"{P}/nothing/report"), 404, "POLICY_NOT_FOUND")


def test_the_compliance_report_counts_a_period_and_judges_production_today(own: ServedApi) -> None:
    r = own.registry
    model = in_production(r, "1.0.0")
    year = {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
    found = data(own.dev.get(f"{P}/compliance-report", params=year))
    counted = {one["policy"]: one for one in found["policies"]}
    assert counted["artifact-integrity"]["passed"] >= 6
    assert counted["artifact-integrity"]["kind"] == "security"
    for kind in found["kinds"]:
        assert kind["passed"] == sum(one["passed"] for one in found["policies"] if one["kind"] == kind["kind"])
    assert not [one for one in found["production"]["failing"] if one["modelId"] == model]
    r.publish("evaluation", {"maximum_age_days": 0.0})  # every evaluation is too old from now on
    try:
        later = data(own.dev.get(f"{P}/compliance-report"))
    finally:
        r.publish("evaluation", {"maximum_age_days": 30.0})
    failing = [one for one in later["production"]["failing"] if one["modelId"] == model]
    assert [(one["policy"], one["state"], one["transition"]) for one in failing] == [
        ("evaluation", "production", "promote_production")
    ]
    none = data(own.dev.get(f"{P}/compliance-report", params={"since": "2020-01-01T00:00:00", "until": "2020-02-01"}))
    assert none["policies"] == []
    refusal(own.dev.get(f"{P}/compliance-report", params={"since": "2026-02-01", "until": "2026-01-01"}), 400,
            "INVALID_INPUT")  # fmt: skip
    refusal(own.dev.get(f"{P}/compliance-report", params={"since": "soon"}), 400, "INVALID_INPUT")
    early = {"since": "0001-01-01T00:00:00+14:00"}
    assert own.dev.get(f"{P}/compliance-report", params=early).status_code in (200, 400)
    outsider = own.sign_in(r.person("ossip", DEVELOPER, "elsewhere"))
    blind = data(outsider.get(f"{P}/compliance-report", params=year))
    assert (blind["policies"], blind["production"]) == ([], {"looked": 0, "failing": []})


def test_replay_and_impact(own: ServedApi) -> None:
    r = own.registry
    model = model_with_version(r)
    request = bring(r, model, "1.0.0", "approve_staging")
    found = data(own.dev.get(f"/api/v1/transition-requests/{request.id}/replay"))
    assert (found["same"], found["recorded"], found["decision"]) == (True, "applied", "allowed")
    outsider = own.sign_in(r.person("olaf", DEVELOPER, "elsewhere"))
    refusal(outsider.get(f"/api/v1/transition-requests/{request.id}/replay"), 404, "TRANSITION_REQUEST_NOT_FOUND")
    opened = r.open(model, "1.0.0", "deploy_staging")
    refusal(own.dev.get(f"/api/v1/transition-requests/{opened.id}/replay"), 409, "CONFLICT")
    data(own.admin.post(P, json=policy("imagined", least=0.99, draft=True)), 201)

    def mine(answer: httpx.Response) -> list[str]:
        return [one["requestId"] for one in data(answer)["decisions"]["flips"] if one["modelId"] == model]

    assert mine(own.dev.post(f"{P}/imagined/impact")) == [request.id]
    assert mine(outsider.post(f"{P}/imagined/impact")) == []
    softer = {key: value for key, value in policy("imagined", least=0.5).items() if key != "name"}
    assert mine(own.dev.post(f"{P}/imagined/impact", json=softer)) == []
    assert mine(own.dev.post(f"{P}/imagined/impact", json={"version": 1})) == [request.id]
    age = {"parameters": {"maximum_age_days": 0.0}}
    assert mine(own.dev.post(f"{P}/evaluation/impact", json=age)) == [], "evaluated in the same moment"
    describing = {"parameters": {"minimum_description": 1000, "model_card_fields": []}}
    assert set(mine(own.dev.post(f"{P}/completeness/impact", json=describing))) >= {request.id}
    refusal(own.dev.post(f"{P}/imagined/impact", json={"version": 7}), 400, "INVALID_INPUT")
    refusal(own.dev.post(f"{P}/imagined/impact", json={"version": 1, **softer}), 400, "INVALID_INPUT")
    refusal(own.dev.post(f"{P}/imagined/impact", json={"parameters": {}}), 400, "INVALID_INPUT")
    refusal(own.dev.post(f"{P}/completeness/impact", json=softer), 400, "INVALID_INPUT")
