from __future__ import annotations

import copy
from typing import Any

import pytest

from api.schemas.suite_definitions import EXAMPLE, TEXT_EXAMPLE
from storage.composition import new_id
from tests.api.served import ServedApi, data, refusal
from tests.fixtures.suites import DEFINITION, EVERYTHING, candidate, evaluated, grouped_csv, suite

ROUTE = "/api/v1/evaluation-suites"


def _body(api: ServedApi, **changes: Any) -> dict[str, Any]:
    model = api.model()
    params = {"name": f"d-{new_id()}", "group": "lab", "format": "csv"}
    dataset = data(api.dev.post("/api/v1/datasets", content=b"a,y\n", params=params), 201)
    return {
        "modelId": model,
        "name": "holdout",
        "datasetId": dataset["id"],
        "taskType": "binary_classification",
        "target": "approved",
        "features": ["income", "debt"],
        "metrics": ["accuracy"],
        "thresholds": {"accuracy": {"min": 0.9}, "demographic_parity_difference": {"max": 0.1}},
        **changes,
    }


def test_the_examples_of_the_description_work(api: ServedApi) -> None:
    body = _body(api, kind="integration", definition=EXAMPLE)
    made = data(api.dev.post(ROUTE, json=body), 201)
    assert made["kind"] == "integration"
    assert made["definition"]["cases"][0] == {**EXAMPLE["cases"][0], "tolerance": 0}
    assert made["definition"]["sliceThresholds"] == EXAMPLE["sliceThresholds"]
    assert made["definition"]["robustness"]["perturbations"][0]["name"] == "noise"
    assert data(api.dev.get(f"{ROUTE}/{made['id']}")) == made
    again = {**body, "name": "again", "definition": made["definition"]}
    assert data(api.dev.post(ROUTE, json=again), 201)["digest"] == made["digest"]  # what is shown can be given

    prompts = {
        "modelId": body["modelId"],
        "name": "prompts",
        "taskType": "text_generation",
        "metrics": ["pass_rate"],
        "definition": TEXT_EXAMPLE,
    }
    made = data(api.dev.post(ROUTE, json=prompts), 201)
    assert (made["kind"], made["datasetId"], made["target"], made["thresholds"]) == ("regression", None, None, {})
    assert len(data(api.dev.get(ROUTE, params={"modelId": body["modelId"]}))) == 3


@pytest.mark.parametrize(
    ("part", "value", "field"),
    [
        ("cases", [{"id": "x y", "rows": [{"income": 1, "debt": 1}], "expect": {"label": "1"}}], "cases[0].id"),
        ("cases", [{"id": "x", "rows": [{"income": 1}], "expect": {"label": "1"}}], "cases[0].rows[0]"),
        ("cases", [{"id": "x", "slice": {"region": "n"}, "expect": {"label": "1"}}], "cases[0].expect.label"),
        ("cases", [{"id": "x", "expect": {"label": "1"}}], "cases[0]"),
        ("slices", ["approved"], "slices"),
        ("bias", ["fairness"], "bias"),
        ("robustness", {"metrics": ["flip_rate"], "perturbations": [{"kind": "noise", "strength": 0}]},
         "robustness.perturbations[0].strength"),
        ("safety", ["leak_rate"], "safety"),
        ("performance", {"metrics": ["latency_p95_ms"], "calls": 0}, "performance.calls"),
        ("margins", {"flip": 0.1}, "margins.flip"),
        ("sliceThresholds", {"accuracy": {"age": {"min": 0.5}}}, "sliceThresholds.accuracy.age"),
        ("minimumPrecision", {"accuracy": 0}, "minimumPrecision.accuracy"),
        ("minimumExamples", None, "minimumExamples"),
    ],
)  # fmt: skip
def test_every_refusal_names_its_field(part: str, value: Any, field: str, api: ServedApi) -> None:
    body = _body(api, definition={**copy.deepcopy(EXAMPLE), part: value})
    error = refusal(api.dev.post(ROUTE, json=body), 400, "INVALID_INPUT")
    assert error["details"]["field"] == f"definition.{field}"
    assert data(api.dev.get(ROUTE, params={"modelId": body["modelId"]})) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"definition": {"unheardOf": []}},
        {"definition": {"cases": [{"id": "x"}]}},
        {"definition": {"cases": [{"id": "x", "rows": [{"a": "text"}], "expect": {"label": "1"}}]}},
        {"definition": []},
        {"kind": "nightly"},
        {"datasetId": None},
        {"target": None},
        {"datasetId": None, "target": None},
        {"taskType": "text_generation", "metrics": []},
    ],
)
def test_other_refusals(changes: dict[str, Any], api: ServedApi) -> None:
    refusal(api.dev.post(ROUTE, json=_body(api, **changes)), 400, "INVALID_INPUT")


def test_results_are_shown_with_intervals_slices_and_cases(api: ServedApi) -> None:
    r = api.registry
    model = candidate(r)
    suite(r, model, grouped_csv(), **EVERYTHING)
    (run,) = evaluated(r, model)
    shown = data(api.dev.get(f"/api/v1/evaluations/{run.id}/results"))
    assert shown["passed"] is True
    results = shown["results"]
    assert set(results["biasMetrics"]) > {"demographic_parity_difference"}
    assert [one["id"] for one in results["cases"]] == [case["id"] for case in DEFINITION["cases"]]
    limits = {one["id"]: one for one in results["conclusions"]}
    found = limits["holdout.accuracy"]
    assert (found["outcome"], found["margin"], found["n"]) == ("passed", 0.02, 400)
    assert found["low"] < found["value"] < found["high"]
    assert limits["holdout.accuracy[region]"]["slice"] in ("region=north", "region=south")
    assert set(results["slices"]) == {"region=north", "region=south"}
