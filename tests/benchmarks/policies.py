"""A written policy with its explanation, and a draft held against a thousand past decisions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from governance.gates import evaluate
from governance.lifecycle import TransitionName
from governance.operations import policy_trials
from governance.policies import ActivePolicy
from governance.policies.samples import sample_case, sample_evaluation
from governance.policy_definitions import draft_of
from governance.time_machine import Draft
from storage.composition import new_id, now
from storage.queries import decisions
from tests.benchmarks.ground import Ground, prepared_ground
from tests.benchmarks.machine import load_average
from tests.benchmarks.results import Findings, Goal, spread
from tests.benchmarks.telling import Telling
from tests.fixtures.policies import policy
from tests.governance.operations.situations import bring, model_with_version

DECISIONS = 1_000
_RULE = (
    "evaluation.taskMetrics.accuracy >= 0.9 && (model.riskTier != 'High' || 'reviewed' in model.tags) "
    "&& artifacts.all(a, a.size < 1000000)"
)


def measure(telling: Telling, *, quick: bool) -> Findings:
    telling.phase("judging by a written policy")
    judged = {name: _microseconds(act, 2_000 if quick else 20_000) for name, act in _judgements().items()}
    with prepared_ground() as ground:
        telling.phase(f"preparing {DECISIONS:,} decisions")
        model = _decided(ground)
        telling.phase("holding a draft against them")
        seconds = [_impact(ground) for _ in range(3 if quick else 10)]
        telling.phase("trying all policies on a version")
        trials = [_trial(ground, model) for _ in range(20 if quick else 100)]
    slowest = max(one["p50"] for one in judged.values())
    past = spread(seconds)
    return Findings(
        {"judged": judged, "impactSeconds": past, "trialMs": spread(trials), "loadAverage": load_average()},
        [
            Goal("policy evaluation with explanation, p50", slowest, "at most", 100, "µs"),
            Goal(f"{DECISIONS:,} past decisions x a draft, p50", past["p50"], "at most", 1.0, "s"),
        ],
        {name: f"{one['p50']:.0f} µs (p95 {one['p95']:.0f})" for name, one in judged.items()},
    )


def _judgements() -> dict[str, Callable[[], object]]:
    ask = TransitionName.APPROVE_PRODUCTION
    plain = ActivePolicy(draft_of(policy()), 1)
    samples = {
        "allowed": [{"evidence": {"evaluations": [{"taskMetrics": {"accuracy": 0.99}}]}}],
        "denied": [{"evidence": {"evaluations": [{"taskMetrics": {"accuracy": 0.1}}]}}],
    }
    rules = [{"id": "several", "expression": _RULE, "message": "It is not good enough."}]
    several = ActivePolicy(draft_of(policy(rules=rules, samples=samples)), 1)
    good = sample_case(ask)
    bad = sample_case(ask, subject={"evaluations": [sample_evaluation(taskMetrics={"accuracy": 0.5})]})
    without = sample_case(ask, subject={"evaluations": [sample_evaluation(taskMetrics={})]})
    return {
        "one clause, passed": lambda: evaluate(plain, good),
        "four clauses, passed": lambda: evaluate(several, good),
        "four clauses, failed": lambda: evaluate(several, bad),
        "four clauses, fact missing": lambda: evaluate(several, without),
    }


def _microseconds(act: Callable[[], object], times: int) -> dict[str, float]:
    for _ in range(100):
        act()
    found = []
    for _ in range(times):
        begun = time.perf_counter_ns()
        act()
        found.append((time.perf_counter_ns() - begun) / 1000)
    return spread(found, digits=1)


def _decided(ground: Ground) -> str:
    """The id of a model with so many decisions of one kind, each a copy of one that was really made."""
    r = ground.registry
    r.at = now()
    model = model_with_version(r)
    settled = bring(r, model, "1.0.0", "approve_staging")
    with psycopg.connect(ground.platform.settings.database_url) as connection:
        columns = """model_id, version_id, transition, status, requester_id, reason, attempt, evidence, evidence_digest,
            subject_digest, verdicts, outcome, judged_case, launched_at, settled_at, created_at, updated_at"""
        statement = f"insert into transition_requests (id, {columns}) select %s, {columns} from transition_requests where id = %s"  # noqa: E501
        connection.cursor().executemany(statement, [(new_id(), settled.id) for _ in range(DECISIONS - 1)])
    with psycopg.connect(ground.platform.settings.database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return model


def _impact(ground: Ground) -> float:
    draft = Draft("bar", ActivePolicy(draft_of(policy("bar", least=0.97)), 1), None)

    async def ask() -> tuple[float, dict[str, Any]]:
        async with AsyncConnectionPool(ground.platform.settings.database_url, min_size=1, open=False) as pool:
            await pool.wait()
            begun = time.perf_counter()
            found = await decisions.impact(pool, ground.registry.admin, draft, now())
            return time.perf_counter() - begun, found

    seconds, found = asyncio.run(ask())
    if found["decisions"]["denied"] != DECISIONS:
        raise RuntimeError(f"{found['decisions']['denied']} of {DECISIONS} decisions flipped")
    return seconds


def _trial(ground: Ground, model: str) -> float:
    """Milliseconds."""
    r = ground.registry
    begun = time.perf_counter()
    policy_trials.try_on_version(
        r.unit(), r.call(r.admin), model_id=model, version="1.0.0", transition="approve_production"
    )
    return (time.perf_counter() - begun) * 1000
