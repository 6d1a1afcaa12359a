"""The steps that a run page shows. Each is one task; what it does is one call into a room below."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.gathering.evidence import gather_evidence
from flows.runtime import platform
from governance.evaluations import Evaluation
from governance.evidence import Case, Evidence
from governance.gates import GateResult, evaluate
from governance.operations import settling
from governance.policies import ActivePolicy
from governance.requests import TransitionRequest


@task(name="gather", task_run_name="Gather the evidence", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=1)
async def gather(request: TransitionRequest) -> Evidence:
    return await asyncio.to_thread(gather_evidence, platform(), request)


@task(name="gate", task_run_name="{active.policy.title}", cache_policy=NO_CACHE)
async def gate(active: ActivePolicy, case: Case) -> GateResult:
    return evaluate(active, case)


@task(name="evaluate suite", task_run_name="Evaluate on suite {suite_name}", cache_policy=NO_CACHE)
async def evaluate_suite(evaluation: Evaluation, suite_name: str, evidence: Evidence) -> Evaluation:
    from flows.gathering.suites import run_evaluation

    return await asyncio.to_thread(run_evaluation, platform(), evaluation, evidence)


@task(name="settle", task_run_name="Settle", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=1)
async def settle(
    request: TransitionRequest, evidence: Evidence, evaluations: Sequence[Evaluation], correlation: str
) -> settling.Settlement:
    parts = platform()
    return await asyncio.to_thread(
        settling.settle,
        parts.new_unit(),
        parts.system_call(correlation),
        parts.target,
        request.id,
        evidence,
        evaluations,
    )
