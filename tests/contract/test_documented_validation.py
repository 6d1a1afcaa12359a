"""The answers about validation hold every field of the documented examples, of the documented JSON type."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from governance.validation.nights import date_of
from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures import validation
from tests.fixtures.postgres import fresh_database
from tests.governance.operations.situations import eventually, in_production, query

ROOT = "/api/models/enterprise/validation"

# enterprise-registry, Validation and Testing, as written there.
RUN = """{
  "run_id": "validation_mlb_model_a1b2c3d4_1705751400",
  "status": "passed",
  "total_tests": 2,
  "passed_tests": 2,
  "failed_tests": 0,
  "error_tests": 0,
  "regression_detected": false,
  "regression_severity": "none"
}"""
NIGHTLY = """{
  "models_processed": 12,
  "results_summary": {
    "passed": 10,
    "failed": 1,
    "errors": 1,
    "regressions_detected": 0
  }
}"""
HISTORY = """{
  "model_id": "mlb_model_a1b2c3d4",
  "period_days": 30,
  "validation_runs": [
    {
      "run_id": "validation_mlb_model_a1b2c3d4_1705751400",
      "status": "passed",
      "started_at": "2025-01-20T02:00:00Z",
      "completed_at": "2025-01-20T02:05:30Z",
      "total_tests": 5,
      "passed_tests": 5,
      "failed_tests": 0,
      "regression_detected": false,
      "regression_severity": "none"
    }
  ]
}"""
REPORT = """{
  "model_id": "mlb_model_a1b2c3d4",
  "period_days": 7,
  "total_validation_runs": 7,
  "runs_with_regression": 0,
  "regression_rate": 0.0,
  "recent_regression_rate": 0.0,
  "trend": "stable",
  "last_validation": "2025-01-20T02:00:00Z",
  "severity_breakdown": {
    "high": 0,
    "medium": 0,
    "low": 0
  }
}"""


def missing(documented: Any, answered: Any, path: str = "data") -> list[str]:
    """Where the answer lacks something of the example, or has it in another JSON type."""
    if isinstance(documented, dict):
        if not isinstance(answered, dict):
            return [f"{path} is no object"]
        absent = [f"{path}.{name} is absent" for name in documented if name not in answered]
        there = [name for name in documented if name in answered]
        return absent + [line for name in there for line in missing(documented[name], answered[name], f"{path}.{name}")]
    if isinstance(documented, list):
        if not isinstance(answered, list) or not answered:
            return [f"{path} is no list with anything in it"]
        return [line for item in answered for line in missing(documented[0], item, f"{path}[]")]
    same = type(answered) is type(documented) or (isinstance(documented, float) and type(answered) is int)
    return [] if same else [f"{path} is {answered!r}, documented is {documented!r}"]


@pytest.fixture(scope="module")
def own(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    """One of its own, since it has tonight's night."""
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("contract") / "home") as api,
    ):
        yield api


@pytest.fixture(scope="module")
def nights(own: ServedApi) -> dict[str, datetime]:
    """The last seven: when each began, by its id."""
    begun = [own.registry.at - timedelta(days=days) for days in range(1, 8)]
    return {validation.night(own.registry, at.date(), started_at=at): at for at in begun}


@pytest.fixture
def entry(own: ServedApi, nights: dict[str, datetime]) -> str:
    """A version in production that passed in each of these nights."""
    r = own.registry
    model = in_production(r, "1.0.0")
    version = str(query(r, "select id from model_versions where model_id = %s", model)[0][0])
    for night, at in nights.items():
        validation.settle(r, validation.queued(r, version, night_id=night, created_at=at))
    return version


def test_history(own: ServedApi, entry: str) -> None:
    found = data(own.dev.get(f"{ROOT}/history/{entry}"))
    assert missing(json.loads(HISTORY), found) == []
    assert (found["model_id"], found["period_days"], len(found["validation_runs"])) == (entry, 30, 7)


def test_regression_report(own: ServedApi, entry: str) -> None:
    found = data(own.dev.get(f"{ROOT}/regression-report/{entry}"))
    assert missing(json.loads(REPORT), found) == []
    assert found["total_validation_runs"] == 7
    assert found["severity_breakdown"] == json.loads(REPORT)["severity_breakdown"]


def test_a_run_that_ends_while_the_caller_waits(own: ServedApi, entry: str) -> None:
    r = own.registry

    def carry_out() -> None:
        """What a worker does, as soon as the run is there."""
        waiting = "select id from validation_runs where version_id = %s and status = 'queued'"
        eventually(lambda: bool(query(r, waiting, entry)))
        validation.settle(r, str(query(r, waiting, entry)[0][0]), outcomes=("passed", "passed"))

    worker = threading.Thread(target=carry_out)
    worker.start()
    body = {"model_id": entry, "test_case_ids": ["holdout.accuracy"]}
    answer = own.dev.post(f"{ROOT}/run", json=body, params={"wait_seconds": 120})
    worker.join()
    found = data(answer)
    assert missing(json.loads(RUN), found) == []
    assert {name: found[name] for name in json.loads(RUN) if name != "run_id"} == {
        name: value for name, value in json.loads(RUN).items() if name != "run_id"
    }
    assert found["run_id"].startswith(f"validation_{entry}_")


@pytest.mark.usefixtures("entry")
def test_nightly(own: ServedApi) -> None:
    """While it runs and when it is over; starting it again answers with the same night."""
    r = own.registry
    first = own.admin.post(f"{ROOT}/nightly", params={"wait_seconds": 0})
    running = data(first, 202)
    assert missing(json.loads(NIGHTLY), running) == []
    assert running["night"] == date_of(r.at, "UTC").isoformat()
    models = running["models"]
    assert models == query(r, "select count(*) from model_versions where state = 'production'")[0][0]
    assert (running["status"], running["models_processed"]) == ("running", 0)
    assert first.headers["location"] == f"{ROOT}/nights/{running['id']}"
    for (run,) in query(r, "select id from validation_runs where night_id = %s", running["id"]):
        validation.settle(r, str(run))
    assert data(own.admin.post(f"{ROOT}/nightly", params={"wait_seconds": 0}), 202)["models_processed"] == models
    validation.end_night(r, running["id"])
    over = data(own.admin.post(f"{ROOT}/nightly"), 200)
    assert missing(json.loads(NIGHTLY), over) == []
    assert (over["id"], over["models_processed"], over["results_summary"]["passed"]) == (running["id"], models, models)
    assert query(r, "select count(*) from validation_runs where night_id = %s", running["id"])[0][0] == models


def test_an_unknown_model_is_refused_as_documented(own: ServedApi) -> None:
    error = refusal(own.dev.get(f"{ROOT}/history/mlb_model_invalid"), 404, "MODEL_NOT_FOUND")
    assert "mlb_model_invalid" in error["message"]
    for answer in (
        own.dev.get(f"{ROOT}/regression-report/mlb_model_invalid"),
        own.dev.post(f"{ROOT}/run", json={"model_id": "mlb_model_invalid"}),
    ):
        refusal(answer, 404, "MODEL_NOT_FOUND")
