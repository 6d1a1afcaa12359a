"""What the operations need from the world. `storage` implements every port; tests use the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from governance.audit.event import AuditEvent
from governance.deployments import TrafficPlan
from governance.lifecycle import TransitionName
from governance.ports.deciding import (
    Approvals,
    Delegations,
    Findings,
    Freezes,
    Notices,
    Overrides,
    Requests,
    Reviews,
    SubjectReader,
)
from governance.ports.people import AccessRules, ExternalIdentities, Groups, Idempotency, People
from governance.ports.policies import Policies
from governance.ports.registry import Artifacts, DataValidations, Deployments, Evaluations, Models, Versions
from governance.ports.telling import Breakers, Drift, Events, History, Inferences
from governance.validation.ports import Baselines, Nights, ValidationRuns

__all__ = [
    "AccessRules",
    "Approvals",
    "Artifacts",
    "Baselines",
    "Breakers",
    "DataValidations",
    "Delegations",
    "DeploymentTarget",
    "Deployments",
    "Drift",
    "Evaluations",
    "Events",
    "ExternalIdentities",
    "Findings",
    "Freezes",
    "Groups",
    "History",
    "Idempotency",
    "Inferences",
    "Launcher",
    "Models",
    "Nights",
    "Notices",
    "Overrides",
    "People",
    "Policies",
    "Requests",
    "Reviews",
    "SubjectReader",
    "UnitOfWork",
    "ValidationRuns",
    "Versions",
]


class UnitOfWork(Protocol):
    """One transaction. Leaving the block without `commit()` rolls everything back."""

    models: Models
    versions: Versions
    artifacts: Artifacts
    requests: Requests
    approvals: Approvals
    delegations: Delegations
    overrides: Overrides
    evaluations: Evaluations
    runs: ValidationRuns
    nights: Nights
    baselines: Baselines
    data_validations: DataValidations
    policies: Policies
    deployments: Deployments
    findings: Findings
    freezes: Freezes
    reviews: Reviews
    notices: Notices
    events: Events
    people: People
    groups: Groups
    access: AccessRules
    external_identities: ExternalIdentities
    history: History
    drift: Drift
    idempotency: Idempotency
    breakers: Breakers
    inferences: Inferences
    facts: SubjectReader

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def audit(self, *events: AuditEvent) -> None: ...
    def commit(self) -> None: ...


class Launcher(Protocol):
    """Starts and wakes the flow of a request. Raises DependencyUnavailable when the orchestrator does not answer."""

    def launch(self, request_id: str, transition: TransitionName, attempt: int, title: str) -> str:
        """The id of the flow run; the same request and attempt give the same run. `title` is what people see."""

    def wake(self, flow_run_id: str) -> bool:
        """Resume a suspended run. False when it is not suspended."""

    def start(
        self, deployment: str, parameters: Mapping[str, Any], *, key: str, title: str, tags: Sequence[str] = ()
    ) -> str:
        """The id of a run of any other flow; the same key gives the same run. Parameters are never secrets."""

    def state(self, flow_run_id: str) -> str | None:
        """Prefect's state type ("RUNNING", "CRASHED", ...), None when the run is unknown."""


class DeploymentTarget(Protocol):
    """Where versions are made to serve."""

    def endpoint(self, model_group: str, model_name: str, environment: str) -> str:
        """The address under which a model serves in an environment."""

    def route(self, uow: UnitOfWork, plan: TrafficPlan, request_id: str, at: datetime) -> dict[str, int]:
        """Make the environment serve this split, as part of the caller's transaction; the shares before."""
