"""A model of three features, one of them the region; examples of it, and versions that are good, worse, or worse in one
region alone. Real weights, real evaluations, no orchestrator.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.gathering.evidence import gather_evidence
from flows.gathering.suites import run_evaluation
from flows.validation.data import Examples
from flows.validation.measuring import measure
from governance.evaluations import Evaluation, Suite
from governance.lifecycle import TRANSITIONS, TransitionName
from governance.operations.validation_runs import begin_run, record_measured
from governance.requests import RequestStatus
from governance.validation.runs import ValidationRun
from tests.fixtures.registry import RegistryUnderTest
from tests.fixtures.suites import suite
from tests.governance.operations.situations import WAY
from tests.governance.validation.nights import get, night, settle

FEATURES = ["x", "y", "region"]


def points(seed: int, n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A tenth of the examples lies in region 1."""
    random = np.random.default_rng(seed)
    target = random.integers(0, 2, n)
    where = (random.random(n) < 0.1).astype(float)
    clouds = random.normal(size=(n, 2)) + 2.2 * target[:, None]
    return np.column_stack([clouds, where]).astype(np.float32), target.astype(np.int64)


def csv(seed: int, n: int = 4_000) -> bytes:
    features, target = points(seed, n)
    rows = [
        f"{x:.6f},{y:.6f},{int(z)},{'south' if z else 'north'},{t}"
        for (x, y, z), t in zip(features, target, strict=True)
    ]
    return "\n".join(["x,y,region,where,target", *rows, ""]).encode()


@cache
def weights(kind: str = "good", seed: int = 1) -> bytes:
    """kind: "good"; "worse", trained on features of which one was lost; "south", trained on labels that are turned over
    in region 1.
    """
    from skl2onnx import to_onnx
    from sklearn.tree import DecisionTreeClassifier

    features, target = points(seed, 6_000)
    random = np.random.default_rng(seed)
    if kind == "worse":
        features = np.column_stack([features[:, 0], random.normal(size=len(target)), features[:, 2]]).astype(np.float32)
    if kind == "south":
        target = np.where((features[:, 2] > 0.5) & (random.random(len(target)) < 0.8), 1 - target, target)
    model = DecisionTreeClassifier(max_depth=6, random_state=seed).fit(features, target)
    return bytes(to_onnx(model, features[:1]).SerializeToString())


def regional(r: RegistryUnderTest, model: str, content: bytes, **changes: Any) -> Suite:
    fields = {"features": FEATURES, "definition": {"slices": ["where"]}, "margin": 0.5, **changes}
    return suite(r, model, content, **fields)


def bring(r: RegistryUnderTest, model: str, version: str, until: str) -> None:
    """Up to and including that transition, with real evaluations."""
    for step in WAY[: WAY.index(until) + 1]:
        request = r.open(model, version, step)
        evidence = gather_evidence(r.platform, request)
        done: list[Evaluation] = []
        if step == "evaluate":
            with r.unit() as uow:
                queued = uow.evaluations.of_request(request.id)
            done = [run_evaluation(r.platform, one, evidence) for one in queued]
        if TRANSITIONS[TransitionName(step)].needs_approval:
            r.approve(request, r.grace, r.alan, evidence=evidence)
        settled = r.settle(request, evidence, evaluations=done)
        assert settled.status is RequestStatus.APPLIED, (step, settled.outcome)


def served(r: RegistryUnderTest, content: bytes, **changes: Any) -> tuple[str, Suite]:
    """A model whose good version 1.0.0 is in production."""
    model = r.model()
    made = regional(r, model, content, **changes)
    r.version(model, "1.0.0", weights=weights())
    bring(r, model, "1.0.0", "promote_production")
    return model, made


def staged(r: RegistryUnderTest, model: str, version: str, content: bytes) -> str:
    r.version(model, version, weights=content)
    bring(r, model, version, "deploy_staging")
    with r.unit() as uow:
        return uow.versions.get(model, version).id


def nightly(r: RegistryUnderTest) -> dict[str, ValidationRun]:
    """Tonight's runs by the name of their version, measured by the real thing, judged together and settled."""
    night_id = night(r, batch_size=100)
    with r.unit() as uow:
        runs = uow.runs.of_batch(night_id, 1)
    with Examples(r.platform) as examples:
        for run in runs:
            begin_run(r.unit(), r.call(None), run.id)
            record_measured(r.unit(), run.id, measure(r.platform, run, examples))
    settle(r, *runs)
    with r.unit() as uow:
        return {uow.versions.by_id(run.version_id).version: get(r, run.id) for run in runs}


def only(run: ValidationRun) -> dict[str, Any]:
    """What was measured of its one suite."""
    assert run.measured is not None
    (found,) = run.measured["suites"]
    return dict(found)


def verdict(run: ValidationRun) -> dict[str, Any]:
    assert run.judged is not None
    (found,) = run.judged["suites"].values()
    return dict(found)
