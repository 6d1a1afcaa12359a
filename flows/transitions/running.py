"""The walk that every transition takes: gather, judge, wait for people, settle.

A run may be killed at any point and may be repeated from the top: nothing but `settle` moves a version, and `settle`
checks everything again under locks. A resume of a suspended run, by whomever and whatever it says, makes it walk again;
only decisions in our own table approve anything.
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from prefect import get_run_logger, runtime
from prefect.client.schemas.objects import State
from prefect.flow_runs import asuspend_flow_run
from prefect.states import Completed

from flows.runtime import platform
from flows.transitions import story, tasks
from flows.transitions.decision_form import suspend_with_form
from governance.errors import DependencyUnavailable
from governance.evaluations import Evaluation
from governance.evidence import Case, Evidence
from governance.gates import GateResult, applicable, decide
from governance.lifecycle import TRANSITIONS, TransitionName
from governance.operations import launching, settling
from governance.operations.settling import Settlement
from governance.policies import ActivePolicy
from governance.requests import RequestStatus, TransitionRequest
from storage.leases import working_on

# Facts may change while they are judged; after this many times the run gives up and the reconciler tries later.
MOST_ROUNDS = 5


class FactsKeepChanging(Exception):
    """Nobody could judge: the version changed during every round."""


async def carry_out(request_id: str) -> State[None]:
    """Judge and settle one request; the final state names the outcome."""
    parts = platform()
    correlation = f"run:{runtime.flow_run.id}"
    with working_on(parts.engine, request_id):
        request = await asyncio.to_thread(
            settling.begin,
            parts.new_unit(),
            parts.system_call(correlation),
            request_id,
            str(runtime.flow_run.id),
        )
        for _ in range(MOST_ROUNDS):
            if not request.undecided:
                await _send_back(dict(request.outcome or {}), correlation)
                return _finished(request.status, dict(request.outcome or {}))
            ended = await _round(request, correlation)
            if ended is not None:
                return ended
            with parts.new_unit() as uow:
                request = uow.requests.get(request_id)
        raise FactsKeepChanging(f"The facts about request {request_id} changed in each of {MOST_ROUNDS} rounds.")


async def _round(request: TransitionRequest, correlation: str) -> State[None] | None:
    """One walk. None: something changed, walk again."""
    evidence = await tasks.gather(request)
    results, waived = await _judge(request, evidence, correlation)
    if decide(results, waived).outcome == "waiting":
        parts = platform()
        await story.publish(request, evidence, results, None)  # first, so that parked means ready to be woken
        decision, results, status = await asyncio.to_thread(
            settling.park, parts.new_unit(), parts.system_call(correlation), request.id, evidence
        )
        if status not in (RequestStatus.WITHDRAWN, RequestStatus.DENIED) and decision.outcome == "waiting":
            if TRANSITIONS[request.transition].needs_approval:
                await suspend_with_form(request, evidence, parts.settings.api_url)  # ends this process
            # Nobody is asked: a time has to come, and the reconciler wakes it then. Each time under another key, since
            # Prefect passes over a pause that it has seen before.
            await asuspend_flow_run(key=str(uuid4()))
    evaluations: list[Evaluation] = []
    if request.transition is TransitionName.EVALUATE and decide(results, waived).outcome == "allowed":
        evaluations = await _evaluate(request, evidence)
    settlement: Settlement = await tasks.settle(request, evidence, evaluations, correlation)
    if settlement.kind != "settled":
        return None
    await _send_back(settlement.outcome, correlation)
    await story.publish(request, evidence, results, settlement)
    return _finished(settlement.status, settlement.outcome)


async def _send_back(outcome: dict[str, Any], correlation: str) -> None:
    """Where people asked for changes, start the request that sends the version back; the reconciler tries again."""
    follow_up = outcome.get("followUp")
    if follow_up is None:
        return
    parts = platform()
    with parts.new_unit() as uow:
        request = uow.requests.get(follow_up)
    if request.status is RequestStatus.OPEN and request.flow_run_id is None:
        try:
            await asyncio.to_thread(
                launching.launch, parts.new_unit, parts.launcher, parts.system_call(correlation), request
            )
        except DependencyUnavailable:
            get_run_logger().warning("request %s is started later", follow_up)


async def _judge(
    request: TransitionRequest, evidence: Evidence, correlation: str
) -> tuple[tuple[GateResult, ...], frozenset[tuple[str, int]]]:
    """What each gate says, and which of the soft ones two people have overridden."""
    parts = platform()

    def prepare() -> tuple[tuple[ActivePolicy, ...], Case]:
        with parts.new_unit() as uow:
            policies = applicable(uow.policies.active(), evidence.subject)
            return policies, settling.case_of(uow, parts.system_call(correlation), request, evidence)

    policies, case = await asyncio.to_thread(prepare)
    return tuple([await tasks.gate(active, case) for active in policies]), case.waived


async def _evaluate(request: TransitionRequest, evidence: Evidence) -> list[Evaluation]:
    with platform().new_unit() as uow:
        queued = uow.evaluations.of_request(request.id)
        names = {suite.id: suite.name for suite in uow.evaluations.suites_of_model(request.model_id)}
    return [await tasks.evaluate_suite(item, names[item.suite_id], evidence) for item in queued]


def _finished(status: RequestStatus, outcome: dict[str, Any]) -> State[None]:
    """A refusal is a completed judgement: `Completed` with the name of the outcome and its reasons."""
    reasons = outcome.get("reasons")
    name = str(outcome.get("name") or status.value)
    message = "\n".join(map(str, reasons)) if isinstance(reasons, list) else None
    return Completed(name=name, message=message or f"{outcome.get('from')} → {outcome.get('to')}")
