"""Entries and their filters; inferences reported one by one and by the thousand; what is read of them."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from governance.access.roles import Role
from storage.composition import new_id, now
from storage.metrics import recorder
from tests.api.served import MIB, ServedApi, data, refusal
from tests.faults.stage import eventually
from tests.fixtures.registry import METADATA
from tests.governance.operations.situations import events, model_with_version, query, step

ROOT = "/api/models/enterprise"
_UP = ("submit", "evaluate", "approve_staging", "deploy_staging", "approve_production", "promote_production")
WAYS: dict[str, tuple[str, ...]] = {
    "submitted": _UP[:1],
    "changes_requested": ("submit", "request_changes"),
    "approved_staging": _UP[:3],
    "staging": _UP[:4],
    "approved_prod": _UP[:5],
    "production": _UP,
    "deprecated": (*_UP, "deprecate"),
    "retired": ("retire",),
}
NDJSON = {"Content-Type": "application/x-ndjson"}


def new_version(api: ServedApi, state: str = "draft", **metadata: Any) -> str:
    """The id of a version of a new model that went its way to this state, with this metadata."""
    r = api.registry
    if state == "draft":
        version = r.version(r.model(), weights=None)
    else:
        model = model_with_version(r)
        for transition in WAYS[state]:
            step(r, model, "1.0.0", transition, reason="It has to be, and here is why.")
        version = str(query(r, "select id from model_versions where model_id = %s", model)[0][0])
    statement = "update model_versions set metadata = %s::jsonb where id = %s"
    query(r, statement, json.dumps({**METADATA, **metadata}), version)
    return version


def inference(version: str) -> str:
    return f"{ROOT}/registry/{version}/inference"


def metrics(api: ServedApi, version: str, window: str = "all") -> dict[str, Any]:
    found: dict[str, Any] = data(api.dev.get(f"{ROOT}/registry/{version}/metrics", params={"window": window}))
    return found


def rows(api: ServedApi, version: str) -> int:
    return int(query(api.registry, "select count(*) from inference_sketches where version_id = %s", version)[0][0])


# --- entries ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("draft", "development"), ("submitted", "development"), ("changes_requested", "development"),
        ("approved_staging", "canary"), ("staging", "canary"), ("approved_prod", "canary"), ("production", "stable"),
        ("deprecated", "deprecated"), ("retired", "retired"),
    ],
)  # fmt: skip
def test_status_is_a_view_of_the_state(api: ServedApi, state: str, status: str) -> None:
    sport = f"sport-{new_id()}"
    version = new_version(api, state, sport=sport)
    entry = data(api.dev.get(f"{ROOT}/registry/{version}"))
    assert (entry["status"], entry["state"]) == (status, state)
    for asked in ("development", "canary", "stable", "deprecated", "retired"):
        listed = data(api.dev.get(f"{ROOT}/registry", params={"sport": sport, "status": asked}))
        assert [one["model_id"] for one in listed] == ([version] if asked == status else [])


def test_a_deployment_says_target_and_share(api: ServedApi) -> None:
    planned = new_version(api, deploymentTarget="moon", rolloutPercentage=5)
    entry = data(api.dev.get(f"{ROOT}/registry/{planned}"))
    assert (entry["deployment_target"], entry["rollout_percentage"]) == ("moon", 5)
    version = new_version(api, "production", deploymentTarget="moon", rolloutPercentage=5)
    entry = data(api.dev.get(f"{ROOT}/registry/{version}"))
    assert (entry["deployment_target"], entry["rollout_percentage"]) == ("production", 100)
    query(api.registry, "update deployments set traffic_percent = 25 where version_id = %s", version)
    entry = data(api.dev.get(f"{ROOT}/registry/{version}"))
    assert (entry["deployment_target"], entry["rollout_percentage"]) == ("production", 25)
    assert entry["status"] == "canary", "it does not have all of the traffic"


@pytest.mark.parametrize("camel", [False, True])
def test_metadata_in_either_spelling(api: ServedApi, camel: bool) -> None:
    snake: dict[str, Any] = {
        "model_type": "ensemble",
        "feature_flag_id": "flag",
        "retention_days": 30,
        "rollout_percentage": 12.5,
    }
    names = {"model_type": "modelType", "feature_flag_id": "featureFlagId", "retention_days": "retentionDays",
             "rollout_percentage": "rolloutPercentage"}  # fmt: skip
    version = new_version(api, **{names[name] if camel else name: value for name, value in snake.items()})
    entry = data(api.dev.get(f"{ROOT}/registry/{version}"))
    assert {name: entry[name] for name in snake} == snake


@pytest.mark.parametrize(
    "metadata",
    [
        {"model_type": 5, "sport": ["MLB"], "retention_days": "90", "feature_flag_id": {}, "rollout_percentage": True},
        {"model_type": "", "sport": None, "retention_days": 1.5, "feature_flag_id": 0, "rollout_percentage": 101},
        {"retention_days": -1, "rollout_percentage": -0.1, "deployment_target": 3, "model_type": False},
        {"retention_days": 1e15, "rollout_percentage": "75"},
    ],
)
def test_metadata_of_another_type_counts_as_absent(api: ServedApi, metadata: dict[str, Any]) -> None:
    entry = data(api.dev.get(f"{ROOT}/registry/{new_version(api, **metadata)}"))
    names = ("model_type", "sport", "retention_days", "feature_flag_id", "rollout_percentage", "deployment_target")
    assert [entry[name] for name in names] == [None] * 6


def test_the_list_goes_on_by_key_and_is_filtered_before_it_is_counted(api: ServedApi) -> None:
    sport = f"sport-{new_id()}"
    made = [new_version(api, sport=sport, model_type="ensemble" if n % 2 else "transformer") for n in range(5)]
    seen: list[str] = []
    params = {"sport": sport, "pageSize": "2"}
    while True:
        answer = api.dev.get(f"{ROOT}/registry", params=params)
        seen += [one["model_id"] for one in data(answer)]
        assert answer.json()["pagination"]["total"] == 5
        if not answer.json()["pagination"]["hasNext"]:
            break
        params["nextToken"] = answer.json()["pagination"]["nextToken"]
    assert seen == made[::-1]
    outsider = api.sign_in(api.registry.person(f"o-{new_id()}", (Role.VIEWER,), "elsewhere"))
    assert data(outsider.get(f"{ROOT}/registry", params={"sport": sport})) == []
    refusal(api.dev.get(f"{ROOT}/registry", params={"status": "production"}), 400, "INVALID_INPUT")


def test_types_in_use_are_told_to_who_may_see_them(api: ServedApi) -> None:
    name = f"graph_network_{new_id()}"
    new_version(api, model_type=name)
    assert name in data(api.dev.get(f"{ROOT}/types"))["model_types"][3:]
    outsider = api.sign_in(api.registry.person(f"o-{new_id()}", (Role.VIEWER,), "elsewhere"))
    assert data(outsider.get(f"{ROOT}/types"))["model_types"] == ["transformer", "ensemble", "traditional_ml"]


# --- recording --------------------------------------------------------------------------------------------


def test_percentiles_are_within_one_percent_and_counters_exact(api: ServedApi) -> None:
    version, r = new_version(api), random.Random(3)
    timings = [round(r.lognormvariate(5, 0.8), 3) for _ in range(6_000)]
    for number in range(0, 6_000, 1_500):
        part = [{"timing_ms": value, "success": value < 1_000} for value in timings[number : number + 1_500]]
        if number % 3_000:
            body = "\n".join(map(json.dumps, part)) + "\n"
            data(api.dev.post(inference(version), content=body, headers=NDJSON))
        else:
            data(api.dev.post(inference(version), json=part))
    found = metrics(api, version)
    failed = sum(value >= 1_000 for value in timings)
    assert found["total_inferences"] == 6_000
    assert found["failed_inferences"] == failed == found["error_types"]["unspecified"]
    assert found["successful_inferences"] == 6_000 - failed
    assert found["average_timing_ms"] == pytest.approx(sum(timings) / 6_000, rel=1e-6)
    assert (found["min_timing_ms"], found["max_timing_ms"]) == (min(timings), max(timings))
    for percent in (50, 95, 99):
        exact = float(np.quantile(timings, percent / 100, method="lower"))
        assert found["percentiles"][f"p{percent}"] == pytest.approx(exact, rel=0.01)


def test_counters_are_exact_under_concurrency(api: ServedApi) -> None:
    """Single and many, with and without a key, of several callers and versions at once."""
    versions = [new_version(api), new_version(api)]
    token = {"Authorization": f"Bearer {api.tokens['dana']}"}

    def report(number: int) -> int:
        with httpx.Client(base_url=api.url, headers=token, timeout=60, trust_env=False) as client:
            own = 0
            for turn in range(12):
                path = inference(versions[(number + turn) % 2])
                headers = {"Idempotency-Key": new_id()} if turn % 4 == 1 else {}
                if turn % 3:
                    failed = {"timing_ms": turn, "success": False, "error": f"kind_{number}: x"}
                    answer = client.post(path, json=[failed, {"timing_ms": 1}], headers=headers)
                    own += 2
                else:
                    answer = client.post(path, params={"timing_ms": number}, headers=headers)
                    own += 1
                assert answer.status_code == 200, answer.text
        return own

    with ThreadPoolExecutor(8) as reporters:
        told = sum(reporters.map(report, range(8)))
    found = [metrics(api, version) for version in versions]
    assert sum(one["total_inferences"] for one in found) == told
    assert sum(one["failed_inferences"] for one in found) == 8 * 8
    errors = [one["error_types"].get(f"kind_{number}", 0) for one in found for number in range(8)]
    assert sum(errors) == 8 * 8
    for one, version in zip(found, versions, strict=True):
        (total,) = query(
            api.registry, "select points, successes, sum_ns from inference_totals where version_id = %s", version
        )
        assert total[:2] == (one["total_inferences"], one["successful_inferences"])
        assert float(total[2]) / total[0] / 1e6 == pytest.approx(one["average_timing_ms"])


def test_a_repeated_report_is_not_counted_twice(api: ServedApi) -> None:
    version = new_version(api)
    key = {"Idempotency-Key": new_id()}
    points = [{"timing_ms": 5}, {"timing_ms": 6}]
    for _ in range(3):
        assert data(api.dev.post(inference(version), json=points, headers=key))["recorded"] == 2
    assert metrics(api, version)["total_inferences"] == 2
    refusal(api.dev.post(inference(version), json=points[:1], headers=key), 422, "IDEMPOTENCY_MISMATCH")
    data(api.dev.post(inference(version), json=points))
    assert metrics(api, version)["total_inferences"] == 4


BAD: dict[str, tuple[str | bytes, dict[str, str] | None, int | None]] = {
    "one bad point": (json.dumps([{"timing_ms": 1}] * 700 + [{"timing_ms": -1}]), None, 700),
    "one bad line": ('{"timing_ms": 1}\n{"timing_ms": NaN}\n', NDJSON, 1),
    "two points a line": ('{"timing_ms": 1}{"timing_ms": 2}\n', NDJSON, 0),
    "no array": ('{"timing_ms": 1}', None, None),
    "no JSON": ("[", None, None),
    "empty array": ("[]", None, None),
    "only blank lines": ("\n \n", NDJSON, None),
    "another type": ("[]", {"Content-Type": "text/csv"}, None),
    "too many": (json.dumps([{"timing_ms": 1}] * 10_001), None, None),
    "too many lines": ('{"timing_ms":1}\n' * 10_001, NDJSON, None),
    "too deep": ("[" * 5_000 + "]" * 5_000, None, None),
    "not UTF-8": (b'[{"timing_ms": 1, "error": "\xff"}]', None, None),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_report_leaves_nothing(api: ServedApi, what: str) -> None:
    body, headers, index = BAD[what]
    version = new_version(api)
    before = api.stored()
    answer = api.dev.post(inference(version), content=body, headers=headers or {"Content-Type": "application/json"})
    assert refusal(answer, 400, "INVALID_INPUT")["details"].get("index") == index
    assert api.stored() == before


@pytest.mark.parametrize(
    "params",
    [
        {}, {"timing_ms": "fast"}, {"timing_ms": "-1"}, {"timing_ms": "nan"}, {"timing_ms": "inf"},
        {"timing_ms": "1e9"}, {"timing_ms": "1", "success": "maybe"}, {"timing_ms": "1", "error": "model_error"},
        {"timing_ms": "1", "success": "false", "error": "x" * 2_001},
    ],
)  # fmt: skip
def test_a_bad_query_leaves_nothing(api: ServedApi, params: dict[str, str]) -> None:
    version = new_version(api)
    before = api.stored()
    refusal(api.dev.post(inference(version), params=params), 400, "INVALID_INPUT")
    assert api.stored() == before


def test_query_and_body_do_not_mix_and_bodies_are_bounded(api: ServedApi) -> None:
    version = new_version(api)
    mixed = api.dev.post(inference(version), params={"timing_ms": "1"}, json=[{"timing_ms": 1}])
    refusal(mixed, 400, "INVALID_INPUT")
    refusal(api.dev.post(inference(version), content=b" " * (MIB + 1)), 413, "PAYLOAD_TOO_LARGE")
    assert metrics(api, version)["total_inferences"] == 0


def test_without_inferences_there_are_no_figures(api: ServedApi) -> None:
    version = new_version(api)
    found = metrics(api, version)
    nothing = ("success_rate", "average_timing_ms", "min_timing_ms", "max_timing_ms", "last_updated")
    assert [found[name] for name in nothing] == [None] * 5
    assert found["percentiles"] == {"p50": None, "p95": None, "p99": None}
    health = data(api.dev.get(f"{ROOT}/registry/{version}/health"))
    assert (health["health_status"], health["total_inferences"]) == ("unknown", 0)


def test_windows_hold_what_was_measured_in_them(api: ServedApi) -> None:
    version, at = new_version(api), now()
    points = [
        {"timing_ms": 100 + hours, "at": (at - timedelta(hours=hours)).isoformat()} for hours in (0, 0.5, 2, 5, 23)
    ]
    data(api.dev.post(inference(version), json=points))
    counts = {window: metrics(api, version, window)["total_inferences"] for window in ("1h", "24h", "7d", "all")}
    assert counts == {"1h": 2, "24h": 5, "7d": 5, "all": 5}
    refusal(api.dev.get(f"{ROOT}/registry/{version}/metrics", params={"window": "2h"}), 400, "INVALID_INPUT")


def test_health_is_judged_by_the_last_hour_and_the_versions_objective(api: ServedApi) -> None:
    version = new_version(api, "production", serving={"p95Ms": 200})
    good = [{"timing_ms": 100}] * 500
    long_ago = (now() - timedelta(hours=2)).isoformat()
    failed = [{"timing_ms": 100, "success": False, "error": "model_error", "at": long_ago}] * 500
    data(api.dev.post(inference(version), json=[*good, *failed]))
    health = data(api.dev.get(f"{ROOT}/registry/{version}/health"))
    assert (health["health_status"], health["success_rate"]) == ("healthy", 50.0)
    data(api.dev.post(inference(version), json=[{"timing_ms": 250}] * 100))
    health = data(api.dev.get(f"{ROOT}/registry/{version}/health", params={"window": "1h"}))
    assert (health["health_status"], health["total_inferences"]) == ("degraded", 600)
    assert "longer than 200 ms" in health["reasons"][0]


def test_messages_of_errors_are_kept_nowhere(api: ServedApi) -> None:
    version, secret = new_version(api), "hunter2-and-more"
    params = {"timing_ms": "1", "success": "false", "error": f"AuthError: the password {secret} is wrong"}
    data(api.dev.post(inference(version), params=params))
    data(api.dev.post(inference(version), params={**params, "error": secret}))
    assert metrics(api, version)["error_types"] == {"auth_error": 1, "unclassified": 1}
    for table in ("inference_sketches", "inference_totals", "audit_outbox", "idempotency_keys"):
        assert not query(api.registry, f"select 1 from {table} t where t::text like %s", f"%{secret}%")


def test_types_of_errors_are_bounded(api: ServedApi) -> None:
    version = new_version(api)
    for first in (0, 40, 80):
        points = [{"timing_ms": 1, "success": False, "error": f"kind_{n}"} for n in range(first, first + 40)]
        data(api.dev.post(inference(version), json=points))
    found = metrics(api, version)["error_types"]
    assert len(found) == 51
    assert found["other"] == 70
    assert sum(found.values()) == 120


def test_who_begins_to_report_is_audited_once(api: ServedApi) -> None:
    version = new_version(api)
    for _ in range(3):
        data(api.dev.post(inference(version), params={"timing_ms": "1"}))
    told = [event for event in events(api.registry, version) if event.action == "inference:reporting_began"]
    assert [event.actor.name for event in told] == ["dana"]


def test_recording_takes_its_permission_for_that_model(api: ServedApi) -> None:
    version, r = new_version(api), api.registry
    before = api.stored()
    viewer = api.sign_in(r.person(f"v-{new_id()}", (Role.VIEWER,), "lab"))
    scientist = api.sign_in(r.person(f"s-{new_id()}", (Role.DATA_SCIENTIST,), "lab"))
    outsider = api.sign_in(r.person(f"e-{new_id()}", (Role.ML_ENGINEER,), "elsewhere"))
    after_people = api.stored()
    for client in (viewer, scientist):
        refusal(client.post(inference(version), params={"timing_ms": "1"}), 403, "FORBIDDEN")
    refusal(outsider.post(inference(version), params={"timing_ms": "1"}), 404, "MODEL_NOT_FOUND")
    assert api.stored() == after_people
    assert before["inference_sketches"] == after_people["inference_sketches"]
    assert rows(api, version) == 0


def test_a_repeated_report_tells_nothing_to_who_has_lost_access(api: ServedApi) -> None:
    version, r = new_version(api), api.registry
    person = r.person(f"p-{new_id()}", (Role.ML_ENGINEER,), "lab")
    client, key = api.sign_in(person), {"Idempotency-Key": new_id()}
    data(client.post(inference(version), json=[{"timing_ms": 1}], headers=key))
    r.change(person.id, in_groups=["elsewhere"])
    refusal(client.post(inference(version), json=[{"timing_ms": 1}], headers=key), 404, "MODEL_NOT_FOUND")


def test_rows_of_a_busy_version_are_merged_as_they_come(api: ServedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "ROWS_BEFORE_MERGING", 10)
    version = new_version(api)
    for _ in range(25):
        data(api.dev.post(inference(version), params={"timing_ms": "3"}))
    eventually("merging", lambda: rows(api, version) < 20)
    assert metrics(api, version)["total_inferences"] == 25


def test_a_refused_report_does_not_harm_those_that_are_committed_with_it(api: ServedApi) -> None:
    """Reports of a moment share a transaction."""
    version, r = new_version(api), api.registry
    outsider = r.token(r.person(f"e-{new_id()}", (Role.ML_ENGINEER,), "elsewhere"))[0]

    def report(number: int) -> int:
        token = outsider if number % 2 else api.tokens["dana"]
        answer = httpx.post(
            api.url + inference(version), params={"timing_ms": 1}, timeout=60, trust_env=False,
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        return answer.status_code

    with ThreadPoolExecutor(8) as reporters:
        answers = list(reporters.map(report, range(40)))
    assert answers == [200, 404] * 20
    assert metrics(api, version)["total_inferences"] == 20
