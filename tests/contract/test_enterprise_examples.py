"""The documented example answers of the enterprise registry, field by field: names, JSON types and formats."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registry import METADATA
from tests.governance.operations.situations import bring, query, suite

ROOT = "/api/models/enterprise"

ENTRY = json.loads("""{
    "model_id": "mlb_model_a1b2c3d4", "name": "MLB Transformer v2.1", "version": "2.1.0", "model_type": "transformer",
    "status": "stable", "description": "Advanced MLB prop prediction model with BERT-based analysis", "sport": "MLB",
    "created_at": "2025-01-15T10:30:00Z", "updated_at": "2025-01-20T14:45:00Z", "created_by": "ml_team",
    "deployment_target": "production", "feature_flag_id": "mlb_transformer_v2", "rollout_percentage": 75.0,
    "retention_days": 90}""")
METRICS = json.loads("""{
    "model_id": "mlb_model_a1b2c3d4", "total_inferences": 45892, "successful_inferences": 44156,
    "failed_inferences": 1736, "success_rate": 96.22, "average_timing_ms": 1247.5, "min_timing_ms": 234.1,
    "max_timing_ms": 8901.2, "percentiles": {"p50": 1156.7, "p95": 2890.4, "p99": 5234.8},
    "error_types": {"timeout_error": 892, "validation_error": 623, "model_error": 221},
    "last_updated": "2025-01-20T15:30:00Z"}""")
HEALTH = json.loads("""{
    "model_id": "mlb_model_a1b2c3d4", "name": "MLB Transformer v2.1", "version": "2.1.0", "status": "stable",
    "health_status": "healthy", "total_inferences": 45892, "success_rate": 96.22, "average_timing_ms": 1247.5,
    "percentiles": {"p50": 1156.7, "p95": 2890.4, "p99": 5234.8},
    "error_types": {"timeout_error": 892, "validation_error": 623}, "last_updated": "2025-01-20T15:30:00Z"}""")
RECORDED = {"message": "Inference recorded successfully"}
TYPES = {
    "model_types": ["transformer", "ensemble", "traditional_ml"],
    "model_statuses": ["development", "canary", "stable", "deprecated", "retired"],
}
ERROR = {"code": "MODEL_NOT_FOUND", "message": "Model mlb_model_invalid not found", "details": None}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_SEMVER = re.compile(r"\d+\.\d+\.\d+")


def differences(example: Any, found: Any, path: str = "data") -> list[str]:
    """Where `found` is not of the example's shape. It may have more fields; a number may have no fraction."""
    if isinstance(example, dict):
        if not isinstance(found, dict):
            return [f"{path}: {found!r} is no object"]
        if path.endswith("error_types"):  # its names are data
            return [f"{path}: {key}" for key, value in found.items() if not isinstance(value, int)]
        missing = [f"{path}.{name} is missing" for name in example if name not in found]
        return missing + [
            text
            for name in example
            if name in found
            for text in differences(example[name], found[name], f"{path}.{name}")
        ]
    if isinstance(example, list):
        return [] if isinstance(found, list) else [f"{path}: {found!r} is no array"]
    if isinstance(example, bool) or isinstance(found, bool):
        return [] if type(example) is type(found) else [f"{path}: {found!r}"]
    if isinstance(example, int):
        return [] if isinstance(found, int) else [f"{path}: {found!r} is no whole number"]
    if isinstance(example, float):
        return [] if isinstance(found, int | float) else [f"{path}: {found!r} is no number"]
    for format_ in (_TIME, _SEMVER):
        if isinstance(example, str) and format_.fullmatch(example):
            return (
                [] if isinstance(found, str) and format_.fullmatch(found) else [f"{path}: {found!r} is not so written"]
            )
    return [] if isinstance(found, str) else [f"{path}: {found!r} is no text"]


@pytest.fixture(scope="module")
def example(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServedApi, str]]:
    """The documented model; as it is stable, it has all of the traffic."""
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("enterprise") / "home") as api,
    ):
        r = api.registry
        model = r.model(name="MLB-Transformer")
        suite(r, model)
        r.version(model, "2.1.0")
        bring(r, model, "2.1.0", "promote_production")
        version = str(query(r, "select id from model_versions")[0][0])
        metadata = {
            **METADATA, "model_type": "transformer", "sport": "MLB", "retention_days": 90,
            "feature_flag_id": "mlb_transformer_v2", "description": ENTRY["description"],
        }  # fmt: skip
        query(r, "update model_versions set metadata = %s::jsonb where id = %s", json.dumps(metadata), version)
        yield api, version


def whole(answer: httpx.Response) -> Any:
    found = data(answer)
    assert {"success", "data"} <= answer.json().keys()
    return found


def test_list(example: tuple[ServedApi, str]) -> None:
    api, version = example
    (found,) = whole(api.dev.get(f"{ROOT}/registry", params={"status": "stable", "model_type": "transformer"}))
    assert differences(ENTRY, found) == []
    same = ("version", "model_type", "status", "description", "sport", "deployment_target", "feature_flag_id",
            "retention_days")  # fmt: skip
    assert {name: found[name] for name in same} == {name: ENTRY[name] for name in same}
    assert found["model_id"] == version


def test_detail(example: tuple[ServedApi, str]) -> None:
    api, version = example
    found = whole(api.dev.get(f"{ROOT}/registry/{version}"))
    assert differences(ENTRY, found) == []
    assert [found] == whole(api.dev.get(f"{ROOT}/registry"))
    assert found == whole(api.dev.get(f"{ROOT}/registry/{found['registered_model_id']}"))


def test_recording_metrics_and_health(example: tuple[ServedApi, str]) -> None:
    """The documented figures, of a hundredth as many inferences."""
    api, version = example
    path = f"{ROOT}/registry/{version}"
    failures = {"timeout_error": 9, "validation_error": 6, "model_error": 2}
    points: list[dict[str, Any]] = [
        {"timing_ms": 234.1},
        {"timing_ms": 8901.2},
        *[{"timing_ms": 1156.7 + n} for n in range(440)],
    ]
    points += [
        {"timing_ms": 1200.5, "success": False, "error": f"{name}: of somebody"}
        for name, count in failures.items()
        for _ in range(count)
    ]
    one = whole(api.dev.post(f"{path}/inference", params={"timing_ms": "1247.5", "success": "true"}))
    assert one == RECORDED | {"recorded": 1}
    failed = {"timing_ms": "1247.5", "success": "false", "error": "model_error"}
    assert differences(RECORDED, whole(api.dev.post(f"{path}/inference", params=failed))) == []
    assert whole(api.dev.post(f"{path}/inference", json=points)) == RECORDED | {"recorded": len(points)}

    metrics = whole(api.dev.get(f"{path}/metrics"))
    assert differences(METRICS, metrics) == []
    assert metrics["total_inferences"] == 461
    assert (metrics["successful_inferences"], metrics["failed_inferences"]) == (443, 18)
    assert metrics["success_rate"] == 96.1
    assert (metrics["min_timing_ms"], metrics["max_timing_ms"]) == (234.1, 8901.2)
    assert metrics["error_types"] == failures | {"model_error": 3}

    health = whole(api.dev.get(f"{path}/health"))
    assert differences(HEALTH, health) == []
    assert (health["health_status"], health["status"]) == ("healthy", "stable")
    assert health["reasons"]
    assert health["last_updated"] == metrics["last_updated"]


def test_types(example: tuple[ServedApi, str]) -> None:
    api, _ = example
    assert whole(api.dev.get(f"{ROOT}/types")) == TYPES


@pytest.mark.parametrize("route", ["", "/metrics", "/health", "/inference"])
def test_error(example: tuple[ServedApi, str], route: str) -> None:
    """`details` is an object here, where the example has null: programs read the id that was asked for from it."""
    api, _ = example
    method, path = ("POST", "?timing_ms=1") if route == "/inference" else ("GET", "")
    found = refusal(api.dev.request(method, f"{ROOT}/registry/mlb_model_invalid{route}{path}"), 404, str(ERROR["code"]))
    assert ERROR.keys() <= found.keys()
    assert "mlb_model_invalid" in found["message"]
