"""Judging again: what was decided, from what was frozen then; and what would have been decided under other policies.

A replay takes the evidence, the case and the policies from the record alone, so it needs neither the policies nor the
people of today. It comes to the same verdicts, byte for byte in canonical JSON, or the record does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from governance.canonical import canonical_bytes, difference, digest_of
from governance.errors import InvalidInput
from governance.evidence import Case
from governance.gates import GateResult, decide, evaluate
from governance.policies import BY_NAME, ActivePolicy
from governance.policy_definitions import policy_from_json
from governance.verdicts import Failed, Passed, Unknown, Verdict

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A settled request as it is stored. verdicts: `GateResult.to_json` of each gate; applied: whether it went through.

    evidence, judged: the frozen facts, and the case around them (`Case.to_json` without its evidence).
    """

    request_id: str
    model_id: str
    model_name: str
    version_id: str
    version: str
    transition: str
    applied: bool
    settled_at: str
    evidence: Json
    judged: Json
    verdicts: Sequence[Json]

    @property
    def case(self) -> Case:
        """Raises InvalidInput for a record of another shape."""
        try:
            return Case.from_json({**self.judged, "evidence": self.evidence})
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"This record is no case: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Replay:
    """same: the verdicts are what was recorded, byte for byte. decision: "allowed", "denied" or "waiting"."""

    same: bool
    verdicts: tuple[dict[str, Any], ...]
    decision: str
    digest: str
    recorded_digest: str
    difference: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "same": self.same,
            "decision": self.decision,
            "verdicts": list(self.verdicts),
            "digest": self.digest,
            "recordedDigest": self.recorded_digest,
            "difference": list(self.difference),
        }


def replay(past: PastDecision) -> Replay:
    """Judge it again from its record. Raises InvalidInput when the record holds a policy that nobody can build."""
    case = past.case
    results = [evaluate(policy_from_json(one), case) for one in case.evidence.subject["policies"]]
    verdicts = [result.to_json() for result in results]
    recorded = list(past.verdicts)
    same = canonical_bytes(_plain(verdicts)) == canonical_bytes(_plain(recorded))
    return Replay(
        same=same,
        verdicts=tuple(verdicts),
        decision=decide(results, case.waived).outcome,
        digest=digest_of(_plain(verdicts)),
        recorded_digest=digest_of(_plain(recorded)),
        difference=() if same else tuple(difference(recorded, _plain(verdicts))),
    )


@dataclass(frozen=True, slots=True)
class Draft:
    """What would be in force under a name: `after`, or nothing at all for None; `before` is what is there now."""

    name: str
    after: ActivePolicy | None
    before: ActivePolicy | None

    @property
    def transitions(self) -> list[str]:
        """Those whose decisions it could change."""
        both = [one for one in (self.after, self.before) if one is not None]
        return sorted({name.value for one in both for name in one.policy.scope.transitions})


def flips(draft: Draft, decisions: Iterable[PastDecision]) -> list[dict[str, Any]]:
    """The decisions that would have come out differently, with what the draft says; the other gates are as recorded.

    A request that was refused for another reason than its gates (the version had moved on) stays refused.
    """
    found = []
    for past in decisions:
        flip = _flip(draft, past)
        if flip is not None:
            found.append(flip)
    return found


def _flip(draft: Draft, past: PastDecision) -> dict[str, Any] | None:
    case = past.case
    recorded = [_result(one) for one in past.verdicts]
    if not past.applied and decide(recorded, case.waived).outcome == "allowed":
        return None
    results = [one for one in recorded if one.policy != draft.name]
    own = _judged(draft.after, case)
    if own is not None:
        results.append(own)
    waived = _waived_still(case, draft)
    allowed = decide(results, waived).outcome == "allowed"
    if allowed == past.applied:
        return None
    return {
        "requestId": past.request_id,
        "modelId": past.model_id,
        "modelName": past.model_name,
        "versionId": past.version_id,
        "version": past.version,
        "transition": past.transition,
        "settledAt": past.settled_at,
        "was": "allowed" if past.applied else "denied",
        "wouldBe": "allowed" if allowed else "denied",
        "outcome": own.verdict.outcome if own else None,
        "reasons": list(own.verdict.reasons) if own else ["The policy would not have judged it."],
    }


def _waived_still(case: Case, draft: Draft) -> frozenset[tuple[str, int]]:
    """What people overrode they would have overridden in its next version too."""
    if draft.after is None or not any(name == draft.name for name, _ in case.waived):
        return case.waived
    return case.waived | {(draft.name, draft.after.version)}


def fallen_out(draft: Draft, current: Iterable[tuple[PastDecision, str]], at: datetime) -> list[dict[str, Any]]:
    """The versions (with their state) that the draft would refuse today and the policy in force does not.

    Judged by the evidence of their newest decision on each transition, at the time `at`; each version once.
    """
    found: dict[str, dict[str, Any]] = {}
    for past, state in current:
        if past.version_id in found:
            continue
        case = replace(past.case, as_of=at)
        own, before = _judged(draft.after, case), _judged(draft.before, case)
        if own is None or not _blocks(own) or (before is not None and _blocks(before)):
            continue
        found[past.version_id] = {
            "modelId": past.model_id,
            "modelName": past.model_name,
            "versionId": past.version_id,
            "version": past.version,
            "state": state,
            "transition": past.transition,
            "requestId": past.request_id,
            "outcome": own.verdict.outcome,
            "reasons": list(own.verdict.reasons),
        }
    return list(found.values())


def failing_now(
    policies: Sequence[ActivePolicy], current: Iterable[tuple[PastDecision, str]], at: datetime
) -> list[dict[str, Any]]:
    """What the policies in force refuse of versions today, by the evidence of their newest decision; people apart."""
    found = []
    for past, state in current:
        case = replace(past.case, as_of=at)
        for active in policies:
            if active.policy.about_people:
                continue  # approvals were given then, about that evidence
            result = _judged(active, case)
            if result is not None and result.verdict.outcome != "passed":
                found.append(
                    {
                        "policy": active.policy.name,
                        "kind": active.policy.kind,
                        "enforcement": active.policy.enforcement,
                        "modelId": past.model_id,
                        "modelName": past.model_name,
                        "versionId": past.version_id,
                        "version": past.version,
                        "state": state,
                        "transition": past.transition,
                        "requestId": past.request_id,
                        "outcome": result.verdict.outcome,
                        "reasons": list(result.verdict.reasons),
                    }
                )
    return found


def _judged(active: ActivePolicy | None, case: Case) -> GateResult | None:
    if active is None or not active.policy.scope.covers(case.evidence.subject):
        return None
    return evaluate(active, case)


def _blocks(result: GateResult) -> bool:
    return result.enforcement != "advisory" and result.verdict.outcome != "passed"


def _result(value: Json) -> GateResult:
    """A recorded gate. Whether it waited for people matters only while it waits."""
    verdict: Verdict
    reasons, facts = tuple(value["reasons"]), value["facts"]
    if value["outcome"] == "passed":
        verdict = Passed(reasons[0] if reasons else "", facts)
    elif value["outcome"] == "failed":
        verdict = Failed(reasons or ("refused",), facts)
    else:
        verdict = Unknown(reasons[0] if reasons else "", facts)
    known = BY_NAME.get(value["policy"])
    return GateResult(
        policy=value["policy"],
        title=value["title"],
        policy_version=value["policyVersion"],
        about_people=known is not None and (known.about_people or known.may_wait),
        verdict=verdict,
        enforcement=value.get("enforcement", "hard"),
        about_time=known is not None and known.may_wait,
    )


def _plain(value: Any) -> Any:
    """Tuples as the lists that JSON has."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
