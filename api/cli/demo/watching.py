"""What goes on once a version serves: its data are expected to stay as they are, its life is counted, its nights
judged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from api.cli.demo.catalogue import GROUP, Registered
from api.cli.demo.client import Caller
from api.cli.demo.story import Chapter

ENTERPRISE = "/api/models/enterprise"
PROFILE_SECONDS = 120.0  # Great Expectations takes 5 to 12 s to load, and the worker has other work
INFERENCES = 2_000

Json = Mapping[str, Any]


def watching(chapter: Chapter, caller: Caller, model: Registered) -> None:
    """Told about the version of `model` that is in production. `caller` may report, validate and begin a night."""
    with chapter.step("what is expected of the hold-out data is drafted from them", "kept, as version 1") as step:
        told, ok = _expectations(caller, model)
        step.went(told, ok=ok)
    with chapter.step(f"{INFERENCES:,} inferences are reported in two batches", "counted, with percentiles") as step:
        for start in (0, INFERENCES // 2):
            _ = caller.post(f"{ENTERPRISE}/registry/{model.id}/inference", _inferences(start, INFERENCES // 2)).data
        found = caller.get(f"{ENTERPRISE}/registry/{model.id}/metrics").data
        health = caller.get(f"{ENTERPRISE}/registry/{model.id}/health").data["health_status"]
        told = f"{found['total_inferences']:,} inferences, {found['success_rate']:.1f} % succeeded"
        step.went(
            f"{told}; p50 {found['percentiles']['p50']:.0f}, p95 {found['percentiles']['p95']:.0f} ms; {health}",
            ok=found["total_inferences"] >= INFERENCES,
        )
    with chapter.step("the version in production is validated now", "every test named") as step:
        run = caller.post(f"{ENTERPRISE}/validation/run?wait_seconds=120", {"model_id": model.id}).data
        told = f"{run['status']}: {run['passed_tests']} of {run['total_tests']} tests"
        step.went(f"{told}; regression: {run['regression_severity']}", ok=run["status"] == "passed")
    with chapter.step("tonight's validation of all active versions begins early", "judged over all of them") as step:
        night = caller.post(f"{ENTERPRISE}/validation/nightly?wait_seconds=120", {}).data
        summary = night["results_summary"]
        counts = ", ".join(f"{summary[name]} {name.replace('_', ' ')}" for name in summary)
        step.went(f"{night['models_processed']} versions: {counts}", ok=night["models_processed"] >= 1)
    with chapter.step("how has it held up?", "rates with their intervals") as step:
        report = caller.get(f"{ENTERPRISE}/validation/regression-report/{model.id}?days=30").data
        told = f"{report['total_validation_runs']} runs, {report['runs_with_regression']} with a regression"
        step.went(f"{told}; trend {report['trend']}", ok=report["total_validation_runs"] >= 1)


def _expectations(caller: Caller, model: Registered) -> tuple[str, bool]:
    """Drafted by the worker from the data, and kept as the first version of what is expected."""
    name = f"{model.plan.name}-holdout"
    dataset = next(item["id"] for item in caller.every("/api/v1/datasets", group=GROUP) if item["name"] == name)
    path = f"/api/v1/datasets/{dataset}/expectations"
    known = caller.get(path)
    if known.status == 200:
        return f"version {known.data['number']} was kept before: {len(known.data['expectations'])} expectations", True
    profile: Json = caller.post(f"{path}/profile", {}).data
    deadline = time.monotonic() + PROFILE_SECONDS
    while profile["status"] in ("queued", "running") and time.monotonic() < deadline:
        caller.wire.pause(0.5)
        profile = caller.get(f"{path}/profile/{profile['id']}").data
    if profile["status"] != "done":
        return f"the draft is {profile['status']}: {profile.get('reason') or 'no reason was given'}", False
    made = caller.post(path, {"expectations": profile["expectations"]}).data
    return f"{len(made['expectations'])} expectations, kept as version {made['number']}", made["number"] == 1


def _inferences(start: int, count: int) -> list[dict[str, Any]]:
    """Timings with a long tail, one failure in fifty; the same ones each time."""
    return [
        {"timing_ms": 20.0 + (number * 7919 % 1000) ** 2 / 12_000, "success": True}
        if number % 50
        else {"timing_ms": 250.0, "success": False, "error": "timeout_error: no answer in time"}
        for number in range(start, start + count)
    ]
