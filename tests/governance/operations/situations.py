"""Ways of a version through the registry, by operations only, as flows and people would take them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from governance.audit.event import AuditEvent
from governance.evaluations import Evaluation, EvaluationStatus
from governance.evidence import Evidence
from governance.lifecycle import TRANSITIONS, TransitionName
from governance.operations import evaluations as evaluation_operations
from governance.operations.evaluations import NewSuite
from governance.operations.settling import Settlement
from governance.requests import RequestStatus, TransitionRequest
from tests.fixtures.registry import RegistryUnderTest

T = TypeVar("T")

REASON = "Predictions drifted since Monday."
WAY = ("submit", "evaluate", "approve_staging", "deploy_staging", "approve_production", "promote_production")


def suite(registry: RegistryUnderTest, model: str, name: str = "holdout") -> str:
    """The id of a suite on a data set of its own."""
    dataset = evaluation_operations.create_dataset(
        registry.unit(),
        registry.call(registry.dev),
        name=f"{name}-{model}",
        group="lab",
        kind="csv",
        sha256="d" * 64,
        size=100,
    )
    new = NewSuite(
        model_id=model,
        name=name,
        dataset_id=dataset,
        task_type="binary_classification",
        target="y",
        features=None,
        metrics=["accuracy"],
        thresholds={"accuracy": {"min": 0.9}},
        margin=0.02,
        positive_label=None,
    )
    return evaluation_operations.create_suite(registry.unit(), registry.call(registry.dev), new)


def model_with_version(registry: RegistryUnderTest, *, risk_tier: str = "Low") -> str:
    """The id of a model with a suite and a draft 1.0.0."""
    model = registry.model(risk_tier=risk_tier)
    suite(registry, model)
    registry.version(model, "1.0.0", weights=b"first weights")
    return model


def evidence_of(registry: RegistryUnderTest, request: TransitionRequest, *, conclusion: str = "not_worse") -> Evidence:
    """The evidence of a flow that found everything intact and, beside an incumbent, came to this conclusion."""
    found = registry.evidence(request)
    if found.subject["incumbent"] is None:
        return found
    compared = [
        {
            "suiteId": item["suiteId"],
            "suiteName": item["suiteName"],
            "conclusion": conclusion,
            "n": 500,
            "drop": 0.0,
            "upper": 0.01,
            "margin": 0.02,
            "unit": "points",
            "neededN": None,
        }
        for item in found.subject["evaluations"]
    ]
    return Evidence(found.subject, {**found.measured, "comparisons": compared})


def results(registry: RegistryUnderTest, request: TransitionRequest, *, accuracy: float = 0.95) -> list[Evaluation]:
    """What the evaluations of an `evaluate` request came to."""
    with registry.unit() as uow:
        weights = [a.sha256 for a in uow.artifacts.of_version(request.version_id) if a.type == "weights"]
        queued = uow.evaluations.of_request(request.id)
    return [
        replace(
            item,
            status=EvaluationStatus.COMPLETED,
            weights_sha256=weights[0],
            outcomes_sha256="e" * 64,
            results={"taskMetrics": {"accuracy": accuracy}},
            passed=accuracy >= 0.9,
        )
        for item in queued
    ]


def carry_out(registry: RegistryUnderTest, request: TransitionRequest) -> Settlement:
    """What a flow, and where needed Grace, do with a request that nothing speaks against."""
    evidence = evidence_of(registry, request)
    if TRANSITIONS[request.transition].needs_approval:
        registry.approve(request, registry.grace, evidence=evidence)
    if request.transition is TransitionName.EVALUATE:
        return registry.settle(request, evidence, evaluations=results(registry, request))
    return registry.settle(request, evidence)


def step(registry: RegistryUnderTest, model: str, version: str, transition: str, reason: str = "") -> TransitionRequest:
    """Open and carry out one transition; it must be applied."""
    person = registry.dev if not TRANSITIONS[TransitionName(transition)].needs_reason else registry.grace
    request = registry.open(model, version, transition, by=person, reason=reason)
    settlement = carry_out(registry, request)
    assert (settlement.kind, settlement.status) == ("settled", RequestStatus.APPLIED), settlement
    return stored(registry, request)


def bring(registry: RegistryUnderTest, model: str, version: str, until: str) -> TransitionRequest:
    """The draft goes its way up to and including the transition `until`, whose request is returned."""
    for transition in WAY[: WAY.index(until) + 1]:
        request = step(registry, model, version, transition)
    return request


def in_production(registry: RegistryUnderTest, *versions: str) -> str:
    """The id of a model whose versions went to production one after another."""
    model = model_with_version(registry)
    for version in versions:
        if version != "1.0.0":
            registry.version(model, version, weights=f"weights of {version}".encode())
        bring(registry, model, version, "promote_production")
    return model


def parked(registry: RegistryUnderTest, *, risk_tier: str = "Low") -> TransitionRequest:
    """A request for production that waits for people, its evidence frozen."""
    model = model_with_version(registry, risk_tier=risk_tier)
    for transition in WAY[:4]:
        request = registry.open(model, "1.0.0", transition)
        evidence = evidence_of(registry, request)
        if TRANSITIONS[request.transition].needs_approval:
            registry.approve(request, registry.grace, registry.alan, registry.edsger, evidence=evidence)
        done = registry.settle(
            request, evidence, evaluations=results(registry, request) if transition == "evaluate" else ()
        )
        assert done.status is RequestStatus.APPLIED, done
    request = registry.open(model, "1.0.0", "approve_production")
    registry.approve(request)
    return stored(registry, request)


def stored(registry: RegistryUnderTest, request: TransitionRequest) -> TransitionRequest:
    with registry.unit() as uow:
        return uow.requests.get(request.id)


def query(registry: RegistryUnderTest, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Hand-written SQL, committed, on a pooled connection since making one costs more than most tests."""
    with registry.platform.engine.begin() as connection:
        answer = connection.exec_driver_sql(statement, values)
        return [tuple(row) for row in answer] if answer.returns_rows else []


def events(registry: RegistryUnderTest, identifier: str | None = None) -> list[AuditEvent]:
    """What was audited, in order; about one subject if named. Nothing moves the entries on in these tests."""
    entries = query(registry, "select entry from audit_outbox order by id")
    found = [AuditEvent.from_entry(entry) for (entry,) in entries]
    return [event for event in found if identifier in (None, event.subject.id)]


def told(registry: RegistryUnderTest, action: str) -> list[AuditEvent]:
    """What was audited under that name."""
    return [event for event in events(registry) if event.action == action]


def traffic(registry: RegistryUnderTest, model: str) -> dict[str, dict[str, int]]:
    """Percent by version name, by environment."""
    rows = query(
        registry,
        """select d.environment, v.version, d.traffic_percent from deployments d
           join model_versions v on v.id = d.version_id where d.model_id = %s""",
        model,
    )
    found: dict[str, dict[str, int]] = {}
    for environment, version, percent in rows:
        found.setdefault(environment, {})[version] = percent
    return found


def at_once(actions: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each action returned or raised; they start together, in threads."""
    together = threading.Barrier(len(actions), timeout=30)

    def run(action: Callable[[], T]) -> T | Exception:
        together.wait()
        try:
            return action()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(run, actions))


def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


def waiting_for_a_lock(registry: RegistryUnderTest) -> int:
    """How many sessions of this database wait for another one's lock."""
    return int(
        query(
            registry,
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )[0][0]
    )
