"""Validation runs, their history and the report of regressions over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from governance.access.rules import AccessRule
from storage.composition import new_id
from tests.api.served import ServedApi, data, refusal
from tests.fixtures import validation
from tests.fixtures.registry import DEVELOPER
from tests.governance.operations.situations import in_production, model_with_version, query

ROOT = "/api/models/enterprise/validation"
NOW = {"wait_seconds": "0"}


def version_of(api: ServedApi, model: str) -> str:
    statement = "select id from model_versions where model_id = %s and version = '1.0.0'"
    return str(query(api.registry, statement, model)[0][0])


@pytest.fixture(scope="module")
def model(api: ServedApi) -> str:
    return in_production(api.registry, "1.0.0")


@pytest.fixture
def entry(api: ServedApi) -> str:
    """A draft without any run."""
    return version_of(api, model_with_version(api.registry))


@pytest.fixture
def nothing_stored(api: ServedApi) -> Iterator[None]:
    before = api.stored()
    yield
    assert api.stored() == before


# --- running ----------------------------------------------------------------------------------------------


def test_a_run_that_is_not_over_answers_202_with_its_address(api: ServedApi, entry: str) -> None:
    answer = api.dev.post(f"{ROOT}/run", json={"model_id": entry}, params=NOW)
    found = data(answer, 202)
    assert found["status"] == "queued"
    assert (found["model_id"], found["version"], found["test_case_ids"]) == (entry, "1.0.0", None)
    assert (found["started_at"], found["completed_at"], found["night"]) == (None, None, None)
    location = answer.headers["location"]
    assert location == f"{ROOT}/runs/{found['id']}"
    assert data(api.dev.get(location))["run_id"] == found["run_id"]
    validation.settle(api.registry, found["id"])
    assert data(api.dev.get(f"{ROOT}/runs/{found['run_id']}"))["status"] == "passed"


def test_a_models_own_id_means_its_version_in_production(api: ServedApi, model: str) -> None:
    api.registry.version(model, "2.0.0")
    found = data(api.dev.post(f"{ROOT}/run", json={"model_id": model}, params=NOW), 202)
    assert found["model_id"] == version_of(api, model)


def test_the_same_key_answers_with_the_same_run(api: ServedApi, entry: str) -> None:
    key = {"Idempotency-Key": new_id()}
    first = data(api.dev.post(f"{ROOT}/run", json={"model_id": entry}, params=NOW, headers=key), 202)
    validation.settle(api.registry, first["id"], "failed", outcomes=("passed", "failed"))
    again = data(api.dev.post(f"{ROOT}/run", json={"model_id": entry}, params=NOW, headers=key), 200)
    assert (again["id"], again["status"], again["failed_tests"]) == (first["id"], "failed", 1)
    other = {"model_id": entry, "test_case_ids": ["holdout.accuracy"]}
    refusal(api.dev.post(f"{ROOT}/run", json=other, params=NOW, headers=key), 422, "IDEMPOTENCY_MISMATCH")


def test_named_tests_are_those_of_the_models_suites(api: ServedApi, entry: str) -> None:
    body = {"model_id": entry, "test_case_ids": ["holdout.accuracy", "holdout.accuracy"]}
    assert data(api.dev.post(f"{ROOT}/run", json=body, params=NOW), 202)["test_case_ids"] == ["holdout.accuracy"]


@pytest.mark.usefixtures("nothing_stored")
def test_unknown_tests_are_named(api: ServedApi, model: str) -> None:
    body = {"model_id": model, "test_case_ids": ["holdout.accuracy", "holdout.f1", "nonsense"]}
    error = refusal(api.dev.post(f"{ROOT}/run", json=body, params=NOW), 400, "INVALID_INPUT")
    assert error["details"] == {"field": "test_case_ids", "unknown": ["holdout.f1", "nonsense"]}
    assert "'holdout.f1'" in error["message"]


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"model_id": 7},
        {"model_id": None},
        {"model_id": "x", "modelId": "x"},
        {"model_id": "MODEL", "test_case_ids": []},
        {"model_id": "MODEL", "test_case_ids": "holdout.accuracy"},
        {"model_id": "MODEL", "test_case_ids": [1]},
        {"model_id": "MODEL", "test_case_ids": ["x" * 100_000]},
        {"model_id": "MODEL", "test_case_ids": ["holdout.accuracy"] * 1001},
        {"model_id": "MODEL", "test_case_ids": ["\x00"]},
        {"model_id": "MODEL", "wait_seconds": 0},
    ],
    ids=lambda body: str(body)[:50],
)
def test_what_cannot_be_understood_starts_nothing(api: ServedApi, model: str, body: Any) -> None:
    if isinstance(body, dict) and body.get("model_id") == "MODEL":
        body = {**body, "model_id": model}
    refusal(api.dev.post(f"{ROOT}/run", json=body, params=NOW), 400, "INVALID_INPUT")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("seconds", ["-1", "121", "nan", "inf", "soon", ""])
def test_how_long_to_wait_is_bounded(api: ServedApi, model: str, seconds: str) -> None:
    for path, body in ((f"{ROOT}/run", {"model_id": model}), (f"{ROOT}/nightly", None)):
        refusal(api.admin.post(path, json=body, params={"wait_seconds": seconds}), 400, "INVALID_INPUT")


def test_without_an_orchestrator_the_run_is_kept_and_named(api: ServedApi, entry: str) -> None:
    launcher = api.registry.launcher
    launcher.available = False
    try:
        answer = api.dev.post(f"{ROOT}/run", json={"model_id": entry}, params=NOW)
    finally:
        launcher.available = True
    error = refusal(answer, 503, "DEPENDENCY_UNAVAILABLE")
    kept = data(api.dev.get(answer.headers["location"]))
    assert (kept["id"], kept["status"]) == (error["details"]["runId"], "queued")


# --- history ----------------------------------------------------------------------------------------------


def test_history_is_newest_first_and_of_the_days_asked_for(api: ServedApi, entry: str) -> None:
    r = api.registry
    made = [validation.queued(r, entry, created_at=r.at - timedelta(days=days)) for days in (0, 3, 20, 40)]
    for run in made[1:]:
        validation.settle(r, run)

    def shown(**days: int) -> list[str]:
        return [run["id"] for run in data(api.dev.get(f"{ROOT}/history/{entry}", params=days))["validation_runs"]]

    assert shown() == made[:3]
    assert shown(days=1) == made[:1]
    assert shown(days=365) == made
    waiting = data(api.dev.get(f"{ROOT}/history/{entry}"))["validation_runs"][0]
    assert (waiting["status"], waiting["started_at"], waiting["completed_at"]) == ("queued", None, None)


@pytest.mark.parametrize("days", ["0", "-1", "366", "1.5", "many", ""])
@pytest.mark.parametrize("what", ["history", "regression-report"])
def test_days_are_between_1_and_365(api: ServedApi, model: str, what: str, days: str) -> None:
    refusal(api.dev.get(f"{ROOT}/{what}/{model}", params={"days": days}), 400, "INVALID_INPUT")


def test_a_long_history_says_that_it_is_cut(api: ServedApi, entry: str) -> None:
    r = api.registry
    query(
        r,
        """insert into validation_runs (id, run_id, model_id, version_id, status, created_at)
           select gen_random_uuid(), 'many_' || number || '_' || v.id, v.model_id, v.id, 'queued',
               %s::timestamptz - number * interval '1 minute'
           from model_versions v, generate_series(1, 1001) number where v.id = %s""",
        *(r.at, entry),
    )
    found = data(api.dev.get(f"{ROOT}/history/{entry}"))
    assert (len(found["validation_runs"]), found["truncated"]) == (1000, True)
    assert found["validation_runs"][0]["run_id"].startswith("many_1_")


# --- the report -------------------------------------------------------------------------------------------


def test_the_report_counts_what_could_be_decided(api: ServedApi, entry: str) -> None:
    r, suite = api.registry, new_id()
    ends = [
        (1, "failed", "high"), (2, "passed", "none"), (3, "insufficient_evidence", "none"), (4, "failed", "low"),
        (9, "failed", "medium"), (20, "failed", "high"),
    ]  # fmt: skip
    for days, status, severity in ends:
        run = validation.queued(r, entry, created_at=r.at - timedelta(days=days))
        drop = 0.0 if severity == "none" else 0.05
        validation.settle(r, run, status, severity=severity, suite_id=suite, drop=drop)
    validation.queued(r, entry, created_at=r.at - timedelta(hours=1))  # of which nothing is known yet
    week = data(api.dev.get(f"{ROOT}/regression-report/{entry}"))
    assert (week["total_validation_runs"], week["evaluated_runs"], week["runs_with_regression"]) == (4, 3, 2)
    assert week["regression_rate"] == pytest.approx(2 / 3)
    assert week["recent_regression_rate"] == pytest.approx(3 / 4), "of 14 days, whatever was asked for"
    assert week["severity_breakdown"] == {"high": 1, "medium": 0, "low": 1}
    assert week["regression_rate_low"] < 2 / 3 < week["regression_rate_high"]
    assert [run["regression_severity"] for run in week["runs"]] == ["high", "none", "none", "low"]
    month = data(api.dev.get(f"{ROOT}/regression-report/{entry}", params={"days": 30}))
    assert (month["total_validation_runs"], month["runs_with_regression"]) == (6, 4)


def test_what_was_never_compared_is_not_evaluated(api: ServedApi, entry: str) -> None:
    r, suite = api.registry, new_id()
    nothing = "No version of the model has been promoted with results of this suite."
    itself = "It is the baseline itself, on the same examples."
    ends: list[tuple[str, dict[str, Any]]] = [
        ("passed", {"not_compared": nothing}),
        ("failed", {"not_compared": nothing, "outcomes": ("failed",)}),
        ("error", {"not_compared": nothing, "outcomes": ("error",)}),
        ("insufficient_evidence", {}),
        ("failed", {"conclusion": "insufficient_evidence", "outcomes": ("failed",)}),
        ("passed", {"not_compared": itself}),  # of a run from before it was told beside the sentence
        ("passed", {"not_compared": "It is itself.", "is_baseline": True}),
        ("passed", {"not_compared": nothing, "is_baseline": False}),
        ("error", {"outcomes": ("passed", "error")}),  # a broken case, and a comparison that was decided
        ("failed", {"severity": "low", "drop": 0.04}),
    ]
    for hours, (status, how) in enumerate(ends, start=1):
        run = validation.queued(r, entry, created_at=r.at - timedelta(hours=hours))
        validation.settle(r, run, status, suite_id=suite, **how)
    found = data(api.dev.get(f"{ROOT}/regression-report/{entry}"))
    assert (found["total_validation_runs"], found["evaluated_runs"], found["runs_with_regression"]) == (10, 4, 1)
    assert found["regression_rate"] == found["recent_regression_rate"] == pytest.approx(1 / 4)


def test_a_model_that_is_only_slower_counts_as_worse(api: ServedApi, entry: str) -> None:
    r = api.registry
    run = validation.queued(r, entry, created_at=r.at - timedelta(hours=1))
    validation.settle(r, run, "failed", severity="low", not_compared="The suite leaves no answers to examples.")
    found = data(api.dev.get(f"{ROOT}/regression-report/{entry}"))
    assert (found["evaluated_runs"], found["runs_with_regression"], found["regression_rate"]) == (1, 1, 1.0)


@pytest.mark.parametrize(
    ("told", "drop_a_day", "trend"),
    [(True, -0.01, "degrading"), (True, 0.01, "improving"), (False, 0.01, "degrading"), (None, 0.01, "degrading")],
)
def test_a_trend_knows_what_is_better_without_any_comparison(
    api: ServedApi, entry: str, told: bool | None, drop_a_day: float, trend: str
) -> None:
    """The score is 0.9 - drop: for a loss a growing one is worse."""
    r, suite = api.registry, new_id()
    for day in range(10):
        run = validation.queued(r, entry, created_at=r.at - timedelta(days=10 - day))
        nothing = "No version of the model has been promoted with results of this suite."
        options: dict[str, Any] = {"not_compared": nothing, "lower_is_better": told}
        validation.settle(r, run, suite_id=suite, drop=day * drop_a_day, **options)
    found = data(api.dev.get(f"{ROOT}/regression-report/{entry}", params={"days": 30}))
    assert found["trend"] == trend
    assert abs(found["slope"]) == pytest.approx(0.01, rel=0.01)
    assert {suite["lower_is_better"] for run in found["runs"] for suite in run["suites"]} == {told}


def test_runs_from_before_losses_were_told_take_part_in_one_trend(api: ServedApi, entry: str) -> None:
    r, suite = api.registry, new_id()
    for day in range(10):
        run = validation.queued(r, entry, created_at=r.at - timedelta(days=10 - day))
        told = True if day > 4 else None
        validation.settle(r, run, suite_id=suite, drop=-0.01 * day, not_compared="-", lower_is_better=told)
    found = data(api.dev.get(f"{ROOT}/regression-report/{entry}", params={"days": 30}))
    assert (found["trend"], found["slope"]) == ("degrading", pytest.approx(-0.01, rel=0.01))


def test_the_report_shows_the_numbers_behind_each_run(api: ServedApi, entry: str) -> None:
    r = api.registry
    run = validation.queued(r, entry, created_at=r.at - timedelta(hours=2))
    validation.settle(r, run, "failed", severity="medium", drop=0.03)
    answer = api.dev.get(f"{ROOT}/regression-report/{entry}")
    (shown,) = data(answer)["runs"]
    (suite,) = shown["suites"]
    assert (suite["drop"], suite["lower"], suite["upper"], suite["n"]) == pytest.approx((0.03, 0.02, 0.04, 5000))
    assert (suite["evidence"], suite["q"], suite["conclusion"], suite["severity"]) == (
        "paired", 0.01, "regression", "medium",
    )  # fmt: skip
    assert suite["baseline"]["score"] == 0.9
    assert shown["pictures"]["series"] == answer.json()["links"]["series"] == f"{ROOT}/runs/{run}/charts/series.svg"
    assert api.dev.get(shown["pictures"]["slices"]).status_code == 200


def test_a_version_without_runs_has_an_empty_report(api: ServedApi, entry: str) -> None:
    found = data(api.dev.get(f"{ROOT}/regression-report/{entry}"))
    assert (found["total_validation_runs"], found["last_validation"], found["runs"]) == (0, None, [])
    assert (found["regression_rate"], found["trend"]) == (0.0, "stable")


# --- one run ----------------------------------------------------------------------------------------------


def test_a_run_tells_everything_but_what_detectors_remember(api: ServedApi, entry: str) -> None:
    r, suite = api.registry, new_id()
    run = validation.queued(r, entry)
    validation.settle(r, run, "failed", severity="low", suite_id=suite, outcomes=("passed", "failed", "error"))
    answer = api.dev.get(f"{ROOT}/runs/{run}")
    found = data(answer)
    assert [test["outcome"] for test in found["tests"]] == ["passed", "failed", "error"]
    assert (found["total_tests"], found["passed_tests"], found["failed_tests"], found["error_tests"]) == (3, 1, 1, 1)
    assert found["judged"]["suites"][suite]["slices"][0]["name"] == "region=north"
    assert found["measured"]["latency"] == {"n": 400, "p50_ms": 12.5, "p95_ms": 30.0}
    assert found["measured"]["suites"][0]["measurement"]["overall"]["b"] == 120
    assert "detector" not in answer.text


SECRET = "salary is between 900 and 1000 in 17 of 20 rows"
HIDDEN = "Expectations of a dataset that you may not read do not hold."


def checked(api: ServedApi, name: str, owners: str, status: str, *failures: str) -> dict[str, Any]:
    """What a run keeps of a dataset of these owners."""
    r = api.registry
    r.groups(owners)
    query_of = {"name": f"{name}-{new_id()}", "group": "lab", "format": "csv"}
    made = data(api.dev.post("/api/v1/datasets", params=query_of, content=b"x,y\n1,0\n"), 201)
    with r.unit() as uow:
        uow.access.set_of_dataset(made["id"], AccessRule((owners,)))
        uow.commit()
    reason = "; ".join(failures) or None
    return {
        "dataset_id": made["id"], "dataset": made["name"], "status": status, "reason": reason,
        "failures": list(failures), "rows": 20,
    }  # fmt: skip


def test_what_was_found_in_a_dataset_is_for_those_who_may_read_it(api: ServedApi, entry: str) -> None:
    r = api.registry
    items = [
        checked(api, "mine", "lab", "failed", "x is not null in 1 of 20 rows"),
        checked(api, "vault", "elsewhere", "failed", SECRET, "Another sentence."),
        checked(api, "fine", "elsewhere", "passed"),
        checked(api, "broken", "elsewhere", "error", SECRET),
    ]
    tests = [
        {
            "id": f"data.{item['dataset_id']}", "title": "Data", "suite_id": None, "suite": None, "outcome": "failed",
            "reason": "1 of 5 expectations do not hold", "dataset_id": item["dataset_id"],
        }
        for item in items[:2]
    ]  # fmt: skip
    key = {"Idempotency-Key": new_id()}
    body = {"model_id": entry}
    run = data(api.dev.post(f"{ROOT}/run", json=body, params=NOW, headers=key), 202)["id"]
    validation.settle(r, run, "failed", data=items, more_tests=tests)

    outsiders = (
        api.dev.get(f"{ROOT}/runs/{run}"),
        api.dev.post(f"{ROOT}/run", json=body, params=NOW, headers=key),
    )
    for answer in outsiders:
        found = data(answer)
        mine, vault, fine, broken = found["measured"]["data"]
        assert mine == {**items[0], "failed": 1}
        assert vault == {
            "dataset_id": None, "dataset": None, "status": "failed", "reason": HIDDEN, "failures": [], "rows": None,
            "failed": 2,
        }  # fmt: skip
        assert (fine["status"], fine["reason"], fine["failed"], fine["dataset"]) == ("passed", None, 0, None)
        assert broken["reason"] == "A dataset that you may not read could not be checked."
        assert found["tests"][-2] == tests[0]
        assert found["tests"][-1] == {**tests[1], "id": "data", "dataset_id": None}
        for item in items[1:]:
            assert item["dataset_id"] not in answer.text
            assert item["dataset"] not in answer.text
        assert SECRET not in answer.text

    whole = data(api.admin.get(f"{ROOT}/runs/{run}"))
    assert whole["measured"]["data"] == [{**item, "failed": len(item["failures"])} for item in items]
    assert whole["tests"][-2:] == tests


def test_who_reads_no_dataset_at_all_sees_the_run_without_them(api: ServedApi, entry: str) -> None:
    r = api.registry
    item = checked(api, "vault", "lab", "failed", SECRET)
    run = validation.queued(r, entry)
    validation.settle(r, run, "failed", data=[item])
    token, _ = r.token(r.dev, scopes=["model:read"])
    with api.with_token(token) as reader:
        answer = reader.get(f"{ROOT}/runs/{run}")
    (shown,) = data(answer)["measured"]["data"]
    assert (shown["reason"], shown["failed"]) == (HIDDEN, 1)
    assert SECRET not in answer.text
    assert SECRET in api.dev.get(f"{ROOT}/runs/{run}").text


@pytest.mark.parametrize("named", ["validation_nobody_1", "0", "%00", "a" * 300, "x%2Fy", "00000000-0000-7000-8000-0"])
def test_an_unknown_run_is_not_found(api: ServedApi, named: str) -> None:
    answer = api.dev.get(f"{ROOT}/runs/{named}")
    assert answer.status_code == 404, answer.text


# --- samples ----------------------------------------------------------------------------------------------


def test_samples_of_a_suite_are_numbered_and_listed_newest_first(api: ServedApi) -> None:
    model = model_with_version(api.registry)
    suite = str(query(api.registry, "select id from evaluation_suites where model_id = %s", model)[0][0])
    path = f"/api/v1/evaluation-suites/{suite}/samples"
    made = []
    for number in (1, 2, 3):
        query_of = {"name": f"sample-{new_id()}", "group": "lab", "format": "csv"}
        made.append(data(api.dev.post("/api/v1/datasets", params=query_of, content=b"x,y\n1,0\n"), 201)["id"])
        added = api.dev.post(path, json={"datasetId": made[-1]})
        assert (data(added, 201)["number"], added.headers["location"]) == (number, path)
        assert data(added, 201)["createdBy"] == "dana"
    refusal(api.dev.post(path, json={"datasetId": made[0]}), 409, "DUPLICATE")
    first = api.dev.get(path, params={"pageSize": 2})
    assert [item["datasetId"] for item in data(first)] == [made[2], made[1]]
    rest = api.dev.get(first.json()["links"]["next"])
    assert [item["number"] for item in data(rest)] == [1]
    assert rest.json()["pagination"]["hasNext"] is False


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "INVALID_INPUT"),
        ({"datasetId": 5}, 400, "INVALID_INPUT"),
        ({"dataset_id": "x", "more": 1}, 400, "INVALID_INPUT"),
        ({"datasetId": "nothing"}, 404, "DATASET_NOT_FOUND"),
        ({"datasetId": "01890000-0000-7000-8000-000000000000"}, 404, "DATASET_NOT_FOUND"),
    ],
)
def test_a_sample_names_a_dataset(api: ServedApi, model: str, body: Any, status: int, code: str) -> None:
    suite = query(api.registry, "select id from evaluation_suites where model_id = %s", model)[0][0]
    refusal(api.dev.post(f"/api/v1/evaluation-suites/{suite}/samples", json=body), status, code)


def test_who_may_not_evaluate_starts_nothing(api: ServedApi, model: str) -> None:
    """Somebody else's model is not there for a developer of another group."""
    outsider = api.sign_in(api.registry.person(f"out-{new_id()}", DEVELOPER, "elsewhere"))
    for answer in (
        outsider.post(f"{ROOT}/run", json={"model_id": model}, params=NOW),
        outsider.get(f"{ROOT}/history/{model}"),
        outsider.get(f"{ROOT}/regression-report/{model}"),
    ):
        refusal(answer, 404, "MODEL_NOT_FOUND")
