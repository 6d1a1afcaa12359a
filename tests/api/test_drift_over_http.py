"""Observations in, drift out: every answer is held against the description by the client."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import orjson
import pytest

from governance.drift.observations import MOST_BYTES
from storage.composition import new_id, now
from tests.api.served import ServedApi, data, refusal
from tests.fixtures.drift import pinned_version, traffic
from tests.fixtures.registry import DEVELOPER
from tests.governance.operations.situations import query

REGISTRY = "/api/models/enterprise/registry"


@pytest.fixture(scope="module")
def version(api: ServedApi) -> str:
    return pinned_version(api.registry)[1]


def test_from_traffic_to_a_verdict(api: ServedApi) -> None:
    model, version, reference = pinned_version(api.registry)
    path = f"{REGISTRY}/{version}"
    nothing = data(api.dev.get(f"{path}/drift"))
    assert (nothing["verdict"], nothing["observations"]) == ("insufficient_evidence", 0)
    assert nothing["reference"]["digest"] == reference.digest

    sent = data(api.dev.post(f"{path}/observations", json=traffic(300)))
    assert sent == {
        "message": "Observations recorded successfully", "version_id": version, "recorded": 300, "unknown_values": 0
    }  # fmt: skip
    assert data(api.dev.get(f"{path}/drift"))["verdict"] == "stable"

    lines = b"\n".join(orjson.dumps(one) for one in traffic(900, seed=2, older=20))
    headers = {"Content-Type": "application/x-ndjson"}
    data(api.dev.post(f"{REGISTRY}/{model}/observations", content=lines, headers=headers))  # by the model's own id
    found = data(api.dev.get(f"{REGISTRY}/{model}/drift", params={"days": 1}))
    assert (found["verdict"], found["severity"], found["features_drifted"]) == ("drift", "severe", 1)
    first = found["features"][0]
    assert (first["feature"], first["verdict"], first["n_live"]) == ("age", "drift", 1200)
    assert first["psi"]["low"] <= first["psi"]["value"] <= first["psi"]["high"] + 0.1
    assert 0 <= first["q"] <= 0.01
    assert found["model_id"] == model


def test_a_key_counts_once_and_no_other_body_goes_under_it(api: ServedApi, version: str) -> None:
    path, key = f"{REGISTRY}/{version}/observations", {"Idempotency-Key": new_id()}
    body = traffic(5)
    first = data(api.dev.post(path, json=body, headers=key))
    before = query(api.registry, "select sum(counts[1]) from live_sketches where position = -1")
    assert data(api.dev.post(path, json=body, headers=key)) == first
    assert query(api.registry, "select sum(counts[1]) from live_sketches where position = -1") == before
    refusal(api.dev.post(path, json=traffic(6), headers=key), 422, "IDEMPOTENCY_MISMATCH")


def test_without_a_reference_both_say_so(api: ServedApi) -> None:
    model = api.model()
    api.version(model)
    refusal(api.dev.get(f"{REGISTRY}/{model}/drift"), 409, "NO_DRIFT_REFERENCE")
    refusal(api.dev.post(f"{REGISTRY}/{model}/observations", json=traffic(1)), 409, "NO_DRIFT_REFERENCE")


def test_hidden_and_unknown_models_answer_alike(api: ServedApi, version: str) -> None:
    outsider = api.sign_in(api.registry.person(f"o-{new_id()}", DEVELOPER, "elsewhere"))
    for named in (version, new_id(), "x", "%00", "é" * 50):
        refusal(outsider.get(f"{REGISTRY}/{named}/drift"), 404, "MODEL_NOT_FOUND")
        refusal(outsider.post(f"{REGISTRY}/{named}/observations", json=traffic(1)), 404, "MODEL_NOT_FOUND")


def test_who_only_reads_records_nothing(api: ServedApi, version: str) -> None:
    refusal(api.grace.post(f"{REGISTRY}/{version}/observations", json=traffic(1)), 403, "FORBIDDEN")
    assert data(api.grace.get(f"{REGISTRY}/{version}/drift"))["version_id"] == version
    assert api.anonymous.get(f"{REGISTRY}/{version}/drift").status_code == 401


@pytest.mark.parametrize("days", ["0", "-1", "91", "x", "1e9", "999999999999999999999"])
def test_days_out_of_range(api: ServedApi, version: str, days: str) -> None:
    refusal(api.dev.get(f"{REGISTRY}/{version}/drift", params={"days": days}), 400, "INVALID_INPUT")


def test_bad_bodies_leave_nothing_behind(api: ServedApi, version: str) -> None:
    path, before = f"{REGISTRY}/{version}/observations", api.stored()
    old = (now() - timedelta(days=8)).isoformat()
    for body in (b"", b"[]", b'[{"inputs": {"age": NaN}}]', json.dumps([{"inputs": {}, "at": old}]).encode()):
        refusal(api.dev.post(path, content=body), 400, "INVALID_INPUT")
    assert api.stored() == before


def test_more_than_one_call_may_hold_is_refused_while_it_arrives(api: ServedApi, version: str) -> None:
    answer: httpx.Response = api.dev.post(f"{REGISTRY}/{version}/observations", content=b" " * (MOST_BYTES + 1))
    assert answer.status_code == 413
