"""Nights and runs by operations only, with measurements as a worker would record them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from governance.lifecycle import VersionState
from governance.operations.nights import begin_batch, end_night, finish_batch, open_night
from governance.operations.validation_outcomes import settle_run, troubles_of
from governance.operations.validation_runs import begin_run, record_measured, start_run
from governance.regression.measurements import Counts, DriftState, Measurement
from governance.validation.judging import judged
from governance.validation.nights import NightStatus
from governance.validation.runs import Measured, ValidationRun
from tests.fixtures.registry import RegistryUnderTest

CANARY = timedelta(hours=72)


def night(r: RegistryUnderTest, *, batch_size: int = 2, hours: float = 6) -> str:
    """The id of the night of the registry's present date."""
    night_id, _ = open_night(
        r.unit(), r.call(None), night=r.at.date(), trigger="schedule", batch_size=batch_size, hours=hours
    )
    return night_id


def passed(name: str = "holdout.accuracy") -> dict[str, Any]:
    return {"id": name, "title": name, "outcome": "passed", "reason": None, "suite_id": None, "suite": "holdout"}


def failed(name: str = "holdout.accuracy", reason: str = "too low") -> dict[str, Any]:
    return {**passed(name), "outcome": "failed", "reason": reason}


def measured(
    r: RegistryUnderTest,
    run: ValidationRun,
    *,
    b: int = 20,
    c: int = 20,
    n: int = 50_000,
    tests: tuple[dict[str, Any], ...] = (),
    detector: DriftState | None = None,
) -> Measured:
    """As the execution of the model's first suite leaves it: n shared examples, b and c of them answered otherwise."""
    with r.unit() as uow:
        suite = uow.evaluations.suites_of_model(run.model_id)[0]
        pin = uow.baselines.pinned(suite.id)
    key = f"{run.version_id}:{suite.id}"
    figures = Measurement(key, "paired", Counts(b, c, n), {}, True, None, detector, False)
    told = {
        "suite_id": suite.id,
        "suite": suite.name,
        "kind": "regression",
        "dataset_sha256": "d" * 64,
        "outcomes_sha256": "e" * 64,
        "reused": False,
        "status": "completed",
        "reason": None,
        "results": None,
        "score": 0.9,
        "lower_is_better": False,
        "margin": suite.margin,
        "n": n,
        "baseline": {"id": pin.id} if pin else None,
        "is_baseline": False,
        "measurement": figures.to_json(),
        "not_compared": None,
    }
    return Measured(tests=tests or (passed(),), suites=(told,))


def measure(r: RegistryUnderTest, run: ValidationRun, **figures: Any) -> None:
    begin_run(r.unit(), r.call(None), run.id)
    record_measured(r.unit(), run.id, measured(r, run, **figures))


def settle(r: RegistryUnderTest, *runs: ValidationRun) -> list[str]:
    """Judge them together, and settle each; the rollback requests."""
    stored = [get(r, run.id) for run in runs]
    endings = judged(stored)
    requests = []
    for run in stored:
        with r.unit() as uow:
            version = uow.versions.by_id(run.version_id)
        drift = (endings[run.id].judged.get("drift") or {}).get("severity")
        troubles = troubles_of(version.version, version.state is VersionState.PRODUCTION, endings[run.id], drift)
        request = settle_run(r.unit(), r.call(None), run.id, endings[run.id], troubles, canary=CANARY)
        requests += [request] if request else []
    return requests


def whole_night(r: RegistryUnderTest, **figures: Any) -> tuple[NightStatus, list[str]]:
    """Every run of tonight measured alike and settled; how it ended, and the rollback requests."""
    night_id = night(r)
    with r.unit() as uow:
        batches = uow.nights.batches(night_id)
    runs: list[ValidationRun] = []
    for batch in batches:
        part = begin_batch(r.unit(), r.call(None), night_id, batch.number)
        for run in part:
            measure(r, run, **figures)
        finish_batch(r.unit(), r.call(None), night_id, batch.number)
        runs += part
    requests = settle(r, *runs)
    return end_night(r.unit(), r.call(None), night_id), requests


def alone(r: RegistryUnderTest, model: str, version_id: str, **figures: Any) -> ValidationRun:
    """A settled run that dana asked for."""
    run_id = start_run(r.unit(), r.call(r.dev), model_id=model, version_id=version_id)
    measure(r, get(r, run_id), **figures)
    settle(r, get(r, run_id))
    return get(r, run_id)


def get(r: RegistryUnderTest, run_id: str) -> ValidationRun:
    with r.unit() as uow:
        return uow.runs.get(run_id)
