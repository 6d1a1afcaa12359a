"""What the operations need from the world. `storage` implements every port; tests use the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from governance.access.principal import Principal
from governance.access.rules import AccessRule
from governance.audit.event import AuditEvent
from governance.audit.holds import Hold
from governance.breakers import Breaker
from governance.circumstances import Circumstances
from governance.data_validation.records import DataValidation, ExpectationSuite, Profile
from governance.delegations import Delegation
from governance.deployments import TrafficPlan
from governance.drift.observations import Tally as Observed
from governance.drift.report import DriftReference, LiveCounts
from governance.duties import Involvement
from governance.evaluations import Dataset, Evaluation, Suite
from governance.evidence import Approval, Evidence
from governance.external_identity import KnownIdentity
from governance.findings import Finding
from governance.freezes import FreezeWindow
from governance.lifecycle import TransitionName, VersionState
from governance.models import Artifact, Model, ModelVersion
from governance.monitoring.points import Tally, Window
from governance.overrides import Override
from governance.people import Group, NewToken, User
from governance.policies import ActivePolicy
from governance.policy_changes import PolicyChange, PolicyState, PolicyVersion
from governance.requests import TransitionRequest
from governance.reviews import Review
from governance.validation.ports import Baselines, Nights, ValidationRuns


class Models(Protocol):
    def add(self, model: Model, access_id: int) -> None:
        """Raises Duplicate when the group has a model of that name."""

    def get(self, model_id: str) -> Model:
        """Raises NotFound."""

    def lock(self, model_id: str) -> Model:
        """Held by whoever changes what is in production, one at a time."""


class Versions(Protocol):
    def add(self, version: ModelVersion, precedence: str, at: datetime) -> None: ...
    def get(self, model_id: str, version: str) -> ModelVersion: ...
    def by_id(self, version_id: str) -> ModelVersion: ...
    def lock(self, *version_ids: str) -> dict[str, ModelVersion]:
        """The rows, locked until the end of the transaction, in one order for everybody."""

    def in_production(self, model_id: str) -> ModelVersion | None: ...
    def to_restore(self, model_id: str) -> ModelVersion | None:
        """The deprecated version that the one in production displaced most recently."""

    def move(self, version: ModelVersion, state: VersionState, request_id: str, at: datetime) -> ModelVersion:
        """The one setter of a state. The revision grows by one."""

    def set_metadata(self, version: ModelVersion, metadata: Mapping[str, Any], at: datetime) -> ModelVersion: ...
    def touch(self, version: ModelVersion, at: datetime) -> ModelVersion:
        """Content beside the row changed (an artifact): the revision grows by one."""


class Artifacts(Protocol):
    def add(self, artifact: Artifact) -> None:
        """Raises Duplicate when the version has an artifact of that type and name."""

    def of_version(self, version_id: str) -> tuple[Artifact, ...]: ...
    def remove(self, artifact_id: str) -> None: ...
    def inspection(self, sha256: str) -> dict[str, Any] | None:
        """What was found inside this content: {"format", "safe", "reason"}."""

    def record_inspection(self, sha256: str, result: Mapping[str, Any], at: datetime) -> bool:
        """False when it was recorded before."""


class Requests(Protocol):
    def add(self, request: TransitionRequest) -> None:
        """Raises RequestOpen when another undecided request moves the version."""

    def add_unless_moving(self, request: TransitionRequest) -> bool:
        """False when another undecided request moves the version; the transaction goes on."""

    def get(self, request_id: str) -> TransitionRequest: ...
    def lock(self, request_id: str) -> TransitionRequest: ...
    def moving(self, version_id: str) -> TransitionRequest | None:
        """The undecided request that moves the version, locked."""

    def of_flow_run(self, flow_run_id: str) -> TransitionRequest | None: ...
    def launched(self, request_id: str, flow_run_id: str, attempt: int, at: datetime) -> None: ...
    def next_attempt(self, request_id: str, at: datetime) -> int: ...
    def judging(self, request_id: str, flow_run_id: str, at: datetime) -> None: ...
    def awaiting(
        self, request_id: str, evidence: Evidence, verdicts: Sequence[Mapping[str, Any]], at: datetime
    ) -> None: ...
    def settle(
        self,
        request_id: str,
        status: str,
        outcome: Mapping[str, Any],
        evidence: Evidence | None,
        verdicts: Sequence[Mapping[str, Any]] | None,
        at: datetime,
        judged: Mapping[str, Any] | None = None,
    ) -> None:
        """`judged`: the whole case that was judged, as `Case.to_json` gives it."""

    def latest_evidence(self, version_id: str) -> TransitionRequest | None:
        """The newest request of the version with frozen evidence, whatever became of it."""

    def latest_applied(self, version_id: str, transition: TransitionName) -> TransitionRequest | None: ...
    def last_reviewed(self, version_id: str, transition: TransitionName, before: str) -> TransitionRequest | None:
        """The newest request before this one that people sent back: rejected, or returned with changes to make."""

    def undecided(
        self, *, idle_since: datetime, limit: int, after: TransitionRequest | None
    ) -> tuple[TransitionRequest, ...]:
        """Those untouched since, longest first; `after` continues behind the last one of the page before."""

    def worked_on(self, request_id: str) -> bool:
        """Does a living process hold the lease of this request?"""


class Approvals(Protocol):
    def record(self, approval: Approval, requester_id: str) -> None:
        """Signed. A second decision of the same person about the same digest replaces the first."""

    def of_request(self, request_id: str) -> tuple[Approval, ...]:
        """With the roles, groups and activity that the people have now; `void` where a row is not what was signed."""


class Delegations(Protocol):
    def add(self, delegation: Delegation, at: datetime) -> None: ...
    def get(self, delegation_id: str) -> Delegation:
        """Locked. Raises NotFound."""

    def in_force(self, delegator_id: str, delegate_id: str, at: datetime) -> tuple[Delegation, ...]:
        """Locked, so that none of them is revoked while it is used."""

    def count_of(self, delegator_id: str, at: datetime) -> int:
        """How many of this person's have not ended."""

    def revoke(self, delegation_id: str, by: str, at: datetime) -> bool:
        """False when it was revoked before."""


class Overrides(Protocol):
    def add(self, override: Override) -> None: ...
    def get(self, request_id: str, override_id: str) -> tuple[Override, bool]:
        """(the override, locked; whether it is what was signed). Raises NotFound."""

    def confirm(self, override: Override) -> None: ...
    def waived(self, request_id: str, evidence_digest: str, at: datetime) -> frozenset[tuple[str, int]]:
        """Policies (name, version) whose soft gate is overridden for exactly this evidence at this time."""


class Evaluations(Protocol):
    def add_dataset(self, dataset: Dataset, access_id: int, created_by: str, at: datetime) -> None: ...
    def dataset(self, dataset_id: str) -> Dataset: ...
    def add_suite(self, suite: Suite, created_by: str, at: datetime) -> None: ...
    def suite(self, suite_id: str) -> Suite: ...
    def suites_of_model(self, model_id: str) -> tuple[Suite, ...]: ...
    def queue(self, evaluation: Evaluation, thresholds: Mapping[str, Any], at: datetime) -> None: ...
    def of_request(self, request_id: str) -> tuple[Evaluation, ...]: ...
    def latest(self, version_id: str, suite_id: str) -> Evaluation | None: ...
    def set_running(self, request_id: str) -> None: ...
    def store(self, evaluation: Evaluation, at: datetime) -> None: ...
    def fail(self, evaluation_id: str, reason: str, at: datetime) -> None: ...


class DataValidations(Protocol):
    def add_suite(self, suite: ExpectationSuite, by: str, at: datetime) -> None: ...
    def newest_number(self, dataset_id: str) -> int:
        """Of the dataset's expectations, held until the end of the transaction; 0 before the first."""

    def suite(self, dataset_id: str, number: int | None = None) -> ExpectationSuite:
        """The newest one without a number. Raises NotFound."""

    def suite_by_id(self, suite_id: str) -> ExpectationSuite: ...
    def add(self, validation: DataValidation, by: str | None, at: datetime) -> None: ...
    def get(self, validation_id: str) -> DataValidation:
        """Locked. Raises NotFound."""

    def latest(self, suite: ExpectationSuite, dataset_sha256: str) -> DataValidation | None:
        """The last one that ended, of exactly this content and these expectations."""

    def update(self, validation: DataValidation) -> None:
        """One that has not ended."""

    def add_profile(self, profile: Profile, by: str, at: datetime) -> None: ...
    def profile(self, profile_id: str) -> Profile:
        """Locked. Raises NotFound."""

    def update_profile(self, profile: Profile, at: datetime) -> None: ...


class Policies(Protocol):
    def active(self) -> tuple[ActivePolicy, ...]:
        """Those in force, in the order in which a run shows them."""

    def lock(self) -> None:
        """Held by whoever changes what judges, one at a time."""

    def versions(self, name: str) -> tuple[PolicyVersion, ...]:
        """Oldest first; empty when there is no such policy."""

    def every(self) -> tuple[tuple[PolicyVersion, ...], ...]:
        """All policies, each with its versions."""

    def add_version(
        self,
        name: str,
        definition: Mapping[str, Any],
        samples: Mapping[str, Any] | None,
        state: PolicyState,
        by: str,
        at: datetime,
    ) -> ActivePolicy: ...
    def keep_shipped(self, name: str, at: datetime) -> None:
        """Write down version 1 of a built-in policy, if it is not."""

    def set_state(self, name: str, version: int, state: PolicyState) -> None: ...
    def add_change(self, change: PolicyChange, entry: str) -> None:
        """`entry`: the leaf of its audit entry, in hex."""

    def change(self, change_id: str) -> PolicyChange:
        """Locked. Raises NotFound."""

    def pending(self, name: str) -> PolicyChange | None: ...
    def decide_change(
        self, change_id: str, state: str, by: str, behind: str, comment: str, at: datetime, entry: str
    ) -> None: ...
    def add_evaluation(
        self,
        evaluation_id: str,
        policy: str | None,
        version: tuple[str, str] | None,
        transition: str,
        outcome: str,
        answer: Mapping[str, Any],
        by: str,
        at: datetime,
    ) -> None:
        """`version`: (id of the model, id of the version)."""


class Deployments(Protocol):
    def serving(self, version_id: str) -> tuple[dict[str, Any], ...]: ...
    def shares(self, model_id: str, environment: str) -> dict[str, int]:
        """Percent of traffic by version id."""

    def replace(self, plan: TrafficPlan, request_id: str, at: datetime) -> None: ...


class Findings(Protocol):
    def open(
        self,
        finding_id: str,
        version: ModelVersion | None,
        severity: str,
        title: str,
        request_id: str | None,
        at: datetime,
        *,
        kind: str = "manual",
        owner_id: str | None = None,
        opened_by: str | None = None,
        due_at: datetime | None = None,
        blocks: Sequence[str] = (),
        model_wide: bool = False,
    ) -> None:
        """Without `due_at` it is due as its severity says (`governance.findings.due`). version: None for one about the
        platform itself.
        """

    def get(self, finding_id: str) -> Finding:
        """Raises NotFound."""

    def lock(self, finding_id: str) -> Finding: ...
    def change(self, finding: Finding) -> None:
        """Owner, severity, title, due date, and what it blocks."""

    def close(self, finding_id: str, by: str | None, resolution_kind: str, resolution: str, at: datetime) -> None: ...
    def had_a_part(self, finding: Finding) -> frozenset[str]:
        """The people who opened it, asked for what it came out of, or took part in making the version."""


class Freezes(Protocol):
    def hold(self) -> None:
        """No window begins or is lifted until the end of this transaction; others may hold at the same time."""

    def add(self, window: FreezeWindow, by: str, at: datetime) -> None: ...
    def get(self, window_id: str) -> FreezeWindow:
        """Raises NotFound, also for one that was lifted."""

    def lift(self, window_id: str, by: str, at: datetime) -> None: ...


class Reviews(Protocol):
    def plan(self, review_id: str, version: ModelVersion, request_id: str, due_at: datetime, at: datetime) -> None:
        """From now on this is the version's next review; an open one that was planned before is superseded."""

    def open_of(self, version_id: str) -> Review | None:
        """Locked."""

    def complete(self, review_id: str, by: str, comment: str, at: datetime) -> None: ...
    def to_look_at(self, at: datetime, limit: int, after: str | None) -> tuple[str, ...]:
        """Ids of open ones that are due, in the order of ids."""

    def lock(self, review_id: str) -> tuple[Review, bool] | None:
        """With whether the version still is approved for production or in it; None when the review is not open."""

    def overdue(self, review_id: str, finding_id: str) -> None: ...
    def escalated(self, review_id: str, at: datetime) -> None: ...
    def lapse(self, review_id: str) -> None: ...


class Notices(Protocol):
    """What people were told about a request, each kind once."""

    def record(self, request_id: str, kind: str, data: Mapping[str, Any], at: datetime) -> bool:
        """False when it was recorded before. Kinds: "reminded", "escalated", "expired", "superseded",
        "ended" (its run was).
        """

    def unattended(
        self, *, notice_before: datetime, expiry_before: datetime, limit: int, after: str | None
    ) -> tuple[str, ...]:
        """Ids of parked requests, in the order of ids: opened before the second moment, or before the first one and
        not both reminded and escalated.
        """

    def not_ended(self, limit: int) -> tuple[str, ...]:
        """Expired and superseded requests whose run was not told yet."""

    def who_decides(self, request_id: str, groups: Sequence[str] | None) -> tuple[str, ...]:
        """Names of active people who may decide and have not; of members of these groups, or of all with None."""


class Events(Protocol):
    def emit(
        self,
        event_id: str,
        kind: str,
        subject: tuple[str, str],
        model_id: str | None,
        data: Mapping[str, Any],
        at: datetime,
    ) -> None:
        """kind: one of `governance.events`; subject: (what it is, its id); model_id: None for the platform itself."""


class People(Protocol):
    def add(self, user: User, at: datetime) -> None:
        """Without their groups. Raises Duplicate, also for the name of somebody who was deleted."""

    def get(self, user_id: str) -> User: ...
    def lock(self, user_id: str) -> User: ...
    def is_deleted(self, user_id: str) -> bool: ...
    def named(self, name: str) -> User | None: ...
    def find(self, name_or_id: str) -> User | None:
        """Somebody who was not deleted."""

    def principal(self, user_id: str) -> Principal:
        """The user as a caller, without a token. Raises NotFound."""

    def owner_of(self, user_id: str) -> str | None:
        """The person behind a service account."""

    def has_other_admin(self, user_id: str) -> bool: ...
    def set_access(self, user: User) -> None:
        """Everything but the groups."""

    def set_time_zone(self, user_id: str, zone: str) -> str:
        """The one before."""

    def delete(self, user_id: str, at: datetime) -> None: ...
    def add_token(self, token: NewToken, at: datetime) -> None: ...
    def token_holder(self, token_id: str) -> str | None: ...
    def revoke_token(self, token_id: str, at: datetime) -> bool:
        """False when it was revoked before."""


class Groups(Protocol):
    def add(self, group: Group, at: datetime) -> None:
        """Raises Duplicate, InvalidInput when there is no such parent."""

    def get(self, group_id: str) -> Group: ...
    def named(self, name: str) -> Group | None: ...
    def change(self, group: Group, at: datetime) -> None: ...
    def line(self, name: str) -> tuple[str, ...]:
        """The group and those above it, from below to above; empty when there is no such group."""

    def height(self, name: str) -> int:
        """How many levels the group is with those below it: 1 with none."""

    def unknown(self, names: Sequence[str]) -> tuple[str, ...]: ...
    def add_member(self, group_id: str, user_id: str, by: str | None, at: datetime) -> bool:
        """False when they were a member before."""

    def remove_member(self, group_id: str, user_id: str) -> bool: ...
    def set_local_memberships(self, user_id: str, names: Sequence[str], by: str | None, at: datetime) -> None:
        """Exactly these, apart from those that an identity provider says. Raises InvalidInput for unknown ones."""

    def follow_claims(self, user_id: str, claims: Sequence[str], at: datetime) -> bool:
        """Exactly the groups that these words of an identity provider mean, apart from those given here; whether
        anything changed.
        """


class AccessRules(Protocol):
    def intern(self, rule: AccessRule) -> int:
        """The id of the rule; equal rules have one."""

    def of_model(self, model_id: str) -> AccessRule:
        """Raises NotFound."""

    def of_dataset(self, dataset_id: str) -> AccessRule: ...
    def set_of_model(self, model_id: str, rule: AccessRule, at: datetime) -> None: ...
    def set_of_dataset(self, dataset_id: str, rule: AccessRule) -> None: ...
    def contributed(self, version_id: str, user_id: str, relation: str, at: datetime) -> None:
        """Somebody took part in making the version, as its author or trainer."""


class ExternalIdentities(Protocol):
    def claim(self, issuer: str, subject: str) -> KnownIdentity | None:
        """What is known of this identity; serialises its sign-ins until the transaction ends."""

    def add(self, issuer: str, subject: str, identity: KnownIdentity) -> None: ...
    def replace(self, issuer: str, subject: str, identity: KnownIdentity) -> None: ...


class History(Protocol):
    def subscribe(
        self, subscription_id: str, user_id: str, filters: Mapping[str, Any], after_seq: int, at: datetime
    ) -> None: ...
    def last_indexed(self) -> int:
        """The number of the newest entry of the log that can be read; -1 before the first."""

    def place(self, hold: Hold, by: str, at: datetime) -> None: ...
    def lock_hold(self, hold_id: str) -> tuple[Hold, datetime | None]:
        """(hold, when it was released). Raises NotFound."""

    def release(self, hold_id: str, by: str, at: datetime) -> None: ...


class Breakers(Protocol):
    def locked(self, endpoint: str, at: datetime) -> Breaker:
        """The circuit breaker of an endpoint, nobody else's until the transaction ends; made where there is none."""

    def store(self, breaker: Breaker, at: datetime) -> None: ...


class Drift(Protocol):
    def reference(self, version_id: str) -> DriftReference | None: ...
    def pin(self, reference: DriftReference) -> bool:
        """False when the version has one, which stays."""

    def add(self, version_id: str, counted: Observed) -> None:
        """To what is counted already, exactly, whoever else adds meanwhile."""

    def between(self, version_id: str, since: datetime, until: datetime) -> LiveCounts:
        """Of the hours that begin at `since` or later and before `until`."""


class Idempotency(Protocol):
    def claim(self, principal_id: str, key: str, fingerprint: str) -> str | None:
        """The resource that an earlier call under this key made, None for the first call.

        Serialises concurrent calls under one key until the transaction ends. Raises IdempotencyMismatch when the
        earlier call asked for something else.
        """

    def remember(self, principal_id: str, key: str, fingerprint: str, resource_id: str, at: datetime) -> None: ...


class Inferences(Protocol):
    def new_reporters(self, pairs: Mapping[tuple[str, str], datetime]) -> list[tuple[str, str]]:
        """Those of the pairs (version, user) that have not reported before; they have from now on."""

    def error_types(self, version_ids: Sequence[str], *, lock: bool = False) -> dict[str, frozenset[str]]:
        """What each version's errors are counted as. `lock`: nobody else adds one until the transaction ends."""

    def add(self, measured: Mapping[str, Mapping[Window, Tally]]) -> None:
        """Tallies by version, added to what there is."""


class SubjectReader(Protocol):
    def subject(self, request: TransitionRequest, transition: TransitionName) -> dict[str, Any]:
        """The subject half of the evidence as it stands in this transaction."""

    def involved(self, request: TransitionRequest) -> tuple[Involvement, ...]:
        """Who took part in making what the request is about, and so cannot decide about it."""

    def group_lines(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Each group with those above it."""

    def circumstances(self, request: TransitionRequest, subject: Mapping[str, Any], at: datetime) -> Circumstances:
        """What binds the request beside its evidence, at that time. `subject`: of its evidence."""


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
