"""All facts of a request, once, frozen."""

from __future__ import annotations

from typing import Any

from flows.gathering.artifacts import measured_artifacts
from governance.evidence import Evidence
from governance.gates import applicable
from governance.policies.data_validation import DataMeetExpectations, needs_validation
from governance.policies.incumbent import NoWorseThanIncumbent
from governance.policies.weight_format import SafeWeightFormat
from governance.requests import TransitionRequest
from storage.composition import Platform


def gather_evidence(platform: Platform, request: TransitionRequest) -> Evidence:
    """The subject from the registry's tables, the measured half from storage. The same facts give the same digest.

    Raises StoreUnavailable and DependencyUnavailable: nobody can judge then, and the run is tried again.
    """
    with platform.new_unit() as uow:
        subject = uow.facts.subject(request, request.transition)
        policies = applicable(uow.policies.active(), subject)
    judged = {type(active.policy) for active in policies}
    if DataMeetExpectations in judged and needs_validation(subject):
        # Great Expectations needs a process of its own; only what was not validated before waits for it
        from flows.data_validation.validator import validate_subject

        validate_subject(platform, subject, correlation=request.id)
        with platform.new_unit() as uow:
            subject = uow.facts.subject(request, request.transition)
    artifacts = [*subject["artifacts"], *((subject["restores"] or {}).get("artifacts") or [])]
    measured: dict[str, Any] = {
        "artifacts": measured_artifacts(platform, artifacts, look_inside=SafeWeightFormat in judged),
        "comparisons": [],
    }
    for active in policies:
        if isinstance(active.policy, NoWorseThanIncumbent) and subject["incumbent"] is not None:
            # pyarrow and SciPy are needed here only, and cost more than the rest of a run together
            from flows.gathering.comparisons import compared_with_incumbent

            measured["comparisons"] = compared_with_incumbent(platform, subject, alpha=active.policy.alpha)
    return Evidence(subject=subject, measured=measured)
