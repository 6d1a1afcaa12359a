"""Versions over HTTP: entity tags, preconditions, and what a change means."""

from __future__ import annotations

from typing import Any

import pytest

from governance.policies import BY_NAME
from storage.composition import new_id
from tests.api.served import ServedApi, data, refusal


@pytest.fixture
def draft(api: ServedApi) -> str:
    return api.version(api.model(), metadata={"license": "MIT"})


def put(api: ServedApi, path: str, tag: str | None, metadata: Any = None, **headers: str) -> Any:
    if tag is not None:
        headers["If-Match"] = tag
    return api.dev.put(f"{path}/metadata", json={"metadata": metadata or {"n": 1}}, headers=headers)


def test_creating_a_version(api: ServedApi) -> None:
    model = api.model()
    body = {
        "version": "1.0.0-rc.1+build.5",
        "commitSha": "3f2a9c1d",
        "trainingJobId": "job-7",
        "metadata": {"a": [1, None]},
    }
    answer = api.dev.post(f"/api/v1/models/{model}/versions", json=body)
    version = data(answer, 201)
    assert (version["state"], version["revision"], version["artifacts"]) == ("draft", 1, [])
    assert {name: version[name] for name in body} == body
    assert answer.headers["etag"] == '"1"'
    read = api.dev.get(answer.headers["location"])
    assert data(read) == version
    assert read.headers["etag"] == '"1"'
    for same in ("1.0.0-rc.1", "1.0.0-rc.1+build.5", "1.0.0-rc.1+other"):
        again = api.dev.post(f"/api/v1/models/{model}/versions", json={**body, "version": same})
        refusal(again, 409, "DUPLICATE")
    refusal(api.dev.post(f"/api/v1/models/{new_id()}/versions", json=body), 404, "MODEL_NOT_FOUND")


def test_a_change_needs_the_tag_that_was_read(api: ServedApi, draft: str) -> None:
    before = api.stored()
    refusal(put(api, draft, None), 428, "REVISION_REQUIRED")
    error = refusal(put(api, draft, '"2"'), 412, "REVISION_MISMATCH")
    assert error["details"] == {"expected": 2, "current": 1}
    assert api.stored() == before
    changed = put(api, draft, '"1"', {"license": "Apache-2.0"})
    assert data(changed)["metadata"] == {"license": "Apache-2.0"}
    assert changed.headers["etag"] == '"2"'
    refusal(put(api, draft, '"1"'), 412, "REVISION_MISMATCH")
    assert put(api, draft, changed.headers["etag"]).status_code == 200


@pytest.mark.parametrize("tag", ["", "1", '"1', "W/", '"x"', '"-1"', '"1", "2"', '"9999999999"', "*", '"١"'])
def test_tags_that_are_none_of_ours(api: ServedApi, draft: str, tag: str) -> None:
    answer = api.dev.put(f"{draft}/metadata", json={"metadata": {"n": 1}}, headers={b"If-Match": tag.encode()})
    if tag in ("1", '"1'):  # unambiguous all the same
        assert answer.status_code == 200
    else:
        refusal(answer, 400, "INVALID_INPUT")


def test_a_change_can_be_repeated_under_its_key(api: ServedApi, draft: str) -> None:
    key = {"Idempotency-Key": new_id()}
    answers = [put(api, draft, '"1"', {"n": 1}, **key) for _ in range(3)]
    assert [data(answer)["revision"] for answer in answers] == [2, 2, 2]
    refusal(put(api, draft, '"2"', {"n": 2}, **key), 422, "IDEMPOTENCY_MISMATCH")


def test_what_is_in_production_no_longer_changes(api: ServedApi) -> None:
    r = api.registry
    model = api.model()
    path = api.version(model)
    r.settle(r.open(model, "1.0.0", "retire"))
    error = refusal(put(api, path, '"2"'), 409, "VERSION_FROZEN")
    assert error["details"] == {"state": "retired"}


def test_models_are_made_once(api: ServedApi) -> None:
    body = {"name": f"m-{new_id()}", "group": "lab", "riskTier": "High", "owners": ["ada"], "tags": ["x"]}
    key = {"Idempotency-Key": new_id()}
    first = api.dev.post("/api/v1/models", json=body, headers=key)
    assert data(first, 201)["owners"] == ["ada"]
    assert data(api.dev.post("/api/v1/models", json=body, headers=key), 201)["id"] == data(first, 201)["id"]
    refusal(api.dev.post("/api/v1/models", json=body), 409, "DUPLICATE")
    other = api.dev.post("/api/v1/models", json={**body, "riskTier": "Low"}, headers=key)
    refusal(other, 422, "IDEMPOTENCY_MISMATCH")


def test_suites_bind_a_model_to_data(api: ServedApi) -> None:
    model = api.model()
    params = {"name": f"d-{new_id()}", "group": "lab", "format": "csv"}
    dataset = data(api.dev.post("/api/v1/datasets", content=b"a,y\n", params=params), 201)
    body = {
        "modelId": model,
        "name": "holdout",
        "datasetId": dataset["id"],
        "taskType": "binary_classification",
        "target": "y",
        "metrics": ["roc_auc", "accuracy"],
        "thresholds": {"accuracy": {"min": 0.9}},
    }
    answer = api.dev.post("/api/v1/evaluation-suites", json=body)
    suite = data(answer, 201)
    assert (suite["margin"], suite["features"], suite["thresholds"]) == (0.02, None, {"accuracy": {"min": 0.9}})
    assert suite["digest"].startswith("sha256:")
    assert data(api.dev.get(answer.headers["location"])) == suite
    assert data(api.dev.get("/api/v1/evaluation-suites", params={"modelId": model})) == [suite]
    refusal(api.dev.post("/api/v1/evaluation-suites", json=body), 409, "DUPLICATE")
    for missing in ({"modelId": new_id()}, {"modelId": "x"}, {"datasetId": new_id()}, {"datasetId": "x"}):
        assert api.dev.post("/api/v1/evaluation-suites", json={**body, **missing}).status_code == 404
    refused: tuple[dict[str, Any], ...] = (
        {"metrics": ["r2"]},
        {"thresholds": {}},
        {"thresholds": {"accuracy": {"min": None}}},
        {"thresholds": {"accuracy": {"min": "0.9"}}},
        {"thresholds": {"accuracy": {"least": 1}}},
        {"margin": 0},
        {"margin": True},
        {"features": [1]},
        {"taskType": "regression"},
        {"digest": "mine"},
    )
    for wrong in refused:
        answer = api.dev.post("/api/v1/evaluation-suites", json={**body, "name": "other", **wrong})
        refusal(answer, 400, "INVALID_INPUT")


def test_policies_are_listed_and_changed(api: ServedApi) -> None:
    policies = {policy["name"]: policy for policy in data(api.grace.get("/api/v1/policies"))}
    assert set(policies) >= set(BY_NAME)
    assert policies["approvals"]["parameters"]["quorum"] == {"Low": 1, "Medium": 2, "High": 3}
    before = policies["no-worse-than-incumbent"]
    path = "/api/v1/policies/no-worse-than-incumbent"

    def change(parameters: dict[str, float]) -> dict[str, Any]:
        made = data(api.admin.put(path, json={"parameters": parameters}), 202)["change"]
        approval = f"/api/v1/policies/changes/{made['id']}/approve"
        data(api.grace.post(approval, json={"digest": made["digest"]}))
        found: dict[str, Any] = data(api.grace.get(path))
        return found

    changed = change({"alpha": 0.01})
    assert (changed["version"], changed["parameters"]) == (before["version"] + 1, {"alpha": 0.01})
    back = change(before["parameters"])
    assert (back["version"], back["parameters"]) == (before["version"] + 2, before["parameters"])
    refusal(api.admin.put("/api/v1/policies/laxness", json={"parameters": {}}), 404, "POLICY_NOT_FOUND")
