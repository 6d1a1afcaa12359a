"""Trying policies on a version or on given evidence, without moving anything. The answer is stored and can be cited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from governance.canonical import canonical_bytes, rendered
from governance.errors import InvalidInput
from governance.evidence import Case, Evidence
from governance.gates import GateResult, applicable, decide, evaluate
from governance.lifecycle import transition_named
from governance.models import checked_text
from governance.operations.calls import Call
from governance.operations.policies import resolve
from governance.operations.settling import case_of
from governance.policies import ActivePolicy
from governance.policy_changes import PolicyState, PolicyVersion
from governance.policy_definitions import sampled
from governance.ports import UnitOfWork
from governance.requests import TransitionRequest


def try_on_version(
    uow: UnitOfWork,
    call: Call,
    *,
    model_id: str,
    version: str,
    transition: str,
    reason: str = "",
    policy: str | None = None,
) -> str:
    """The id of the stored answer: every applicable policy, or the one named, on what the version is now.

    The subject is read from the tables; what needs a flow to measure is taken from the newest evidence that was frozen
    for the version, and `measuredFrom` says which. Raises InvalidInput, NotFound, Forbidden.
    """
    wanted = transition_named(transition)
    call.may("policy:read", "Trying a policy")
    with uow:
        rule = uow.access.of_model(model_id)
        call.may_with("model", model_id, rule, "model:read", "Trying a policy on a model")
        if known := call.repeated(uow):
            return known
        found = uow.versions.get(model_id, version)
        request = TransitionRequest.opened(
            call.new_id(),
            model_id=model_id,
            version_id=found.id,
            transition=wanted.name,
            requester_id=call.person.id,
            reason=checked_text("reason", reason, limit=2_000),
            at=call.at,
        )
        newest = uow.requests.latest_evidence(found.id)
        measured: Mapping[str, Any] = {"artifacts": [], "comparisons": []}
        source = None
        if newest is not None and newest.evidence is not None:
            measured = newest.evidence["measured"]
            source = {"requestId": newest.id, "transition": newest.transition.value, "at": rendered(newest.updated_at)}
        evidence = Evidence(uow.facts.subject(request, wanted.name), measured)
        case = case_of(uow, call, request, evidence)
        chosen = _judging(resolve(uow, policy)) if policy is not None else uow.policies.active()
        outcome, answer = _judged(chosen, case, only=policy is not None)
        answer |= {
            "modelId": model_id,
            "versionId": found.id,
            "version": found.version,
            "measuredFrom": source,
            "subjectFrom": "tables",
        }
        return _store(uow, call, chosen, policy is not None, (model_id, found.id), case, outcome, answer)


def try_on_evidence(uow: UnitOfWork, call: Call, *, policy: str, sample: Mapping[str, Any]) -> str:
    """The id of the stored answer of one policy about a part of a case, as samples are written. Raises as above."""
    call.may("policy:read", "Trying a policy")
    with uow:
        if known := call.repeated(uow):
            return known
        chosen = _judging(resolve(uow, policy))
        case = sampled(sample, chosen[0].policy.scope)
        outcome, answer = _judged(chosen, case, only=True)
        answer |= {
            "modelId": None,
            "versionId": None,
            "version": None,
            "measuredFrom": None,
            "subjectFrom": "given",
        }
        return _store(uow, call, chosen, True, None, case, outcome, answer)


def _judging(versions: Sequence[PolicyVersion]) -> tuple[ActivePolicy, ...]:
    """What is in force of it, or else its newest version."""
    active = [one for one in versions if one.state is PolicyState.ACTIVE]
    return ((active or list(versions))[-1].active,)


def _judged(policies: Sequence[ActivePolicy], case: Case, *, only: bool) -> tuple[str, dict[str, Any]]:
    subject = case.evidence.subject
    covering = applicable(policies, subject)
    if only and not covering:
        raise InvalidInput(
            "The policy does not apply to this; its scope says what it is for.",
            details={"scope": policies[0].policy.scope.to_json()},
        )
    results = [evaluate(active, case) for active in covering]
    decision = decide(results, case.waived)
    shown = [_gate(active, result) for active, result in zip(covering, results, strict=True)]
    outcome = results[0].verdict.outcome if only else decision.outcome
    decided = {"outcome": decision.outcome, "reasons": list(decision.reasons)}
    return outcome, {"results": shown, "decision": None if only else decided}


def _gate(active: ActivePolicy, result: GateResult) -> dict[str, Any]:
    return {**result.to_json(), "kind": active.policy.kind}


def _store(
    uow: UnitOfWork,
    call: Call,
    chosen: Sequence[ActivePolicy],
    only: bool,
    version: tuple[str, str] | None,
    case: Case,
    outcome: str,
    answer: Mapping[str, Any],
) -> str:
    evaluation_id = call.new_id()
    name = chosen[0].policy.name if only else None
    whole = {
        "id": evaluation_id,
        "policy": name,
        "transition": case.transition.value,
        "outcome": outcome,
        "evidenceDigest": case.evidence.digest,
        "at": rendered(call.at),
        **answer,
    }
    canonical_bytes(whole)
    uow.policies.add_evaluation(
        evaluation_id, name, version, case.transition.value, outcome, whole, call.person.id, call.at
    )
    call.remember(uow, evaluation_id)
    uow.audit(
        call.event(
            "policy:evaluated",
            "policy_evaluation",
            evaluation_id,
            after={"policy": name, "outcome": outcome, "versionId": version[1] if version else None},
            digest=case.evidence.digest,
        )
    )
    uow.commit()
    return evaluation_id
