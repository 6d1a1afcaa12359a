"""One transaction with every repository on it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from governance import ports
from governance.audit.event import AuditEvent
from governance.errors import DependencyUnavailable, InvalidInput
from governance.signed_decisions import Seals
from governance.validation.ports import Baselines, Nights, ValidationRuns
from storage.audit_log import append
from storage.repositories.access import AccessRepository
from storage.repositories.baselines import BaselineRepository
from storage.repositories.breakers import BreakerRepository
from storage.repositories.deadlines import FreezeRepository, NoticeRepository, ReviewRepository
from storage.repositories.deciding import DelegationRepository, OverrideRepository
from storage.repositories.drift import DriftRepository
from storage.repositories.evaluations import EvaluationRepository
from storage.repositories.events import EventRepository
from storage.repositories.external_identities import ExternalIdentityRepository
from storage.repositories.facts import FactReader
from storage.repositories.findings import FindingRepository
from storage.repositories.governing import DeploymentRepository
from storage.repositories.groups import GroupRepository
from storage.repositories.history import HistoryRepository
from storage.repositories.people import IdempotencyRepository, PeopleRepository
from storage.repositories.policies import PolicyRepository
from storage.repositories.registry import ArtifactRepository, ModelRepository, VersionRepository
from storage.repositories.requests import ApprovalRepository, RequestRepository
from storage.repositories.sign_in_limits import SignInLimitRepository
from storage.repositories.validation import NightRepository, ValidationRunRepository


class SqlUnitOfWork:
    """`with` begins, `commit()` ends with the audit entries in the same transaction, anything else rolls back."""

    models: ports.Models
    versions: ports.Versions
    artifacts: ports.Artifacts
    requests: ports.Requests
    approvals: ports.Approvals
    delegations: ports.Delegations
    overrides: ports.Overrides
    evaluations: ports.Evaluations
    runs: ValidationRuns
    nights: Nights
    baselines: Baselines
    policies: ports.Policies
    deployments: ports.Deployments
    findings: ports.Findings
    freezes: ports.Freezes
    reviews: ports.Reviews
    notices: ports.Notices
    events: ports.Events
    people: ports.People
    groups: ports.Groups
    access: ports.AccessRules
    external_identities: ports.ExternalIdentities
    history: ports.History
    drift: ports.Drift
    idempotency: ports.Idempotency
    facts: ports.SubjectReader
    sign_in_limits: SignInLimitRepository
    breakers: ports.Breakers

    def __init__(self, engine: Engine, target: ports.DeploymentTarget, audit_key: bytes, seals: Seals) -> None:
        self._engine = engine
        self._target = target
        self._audit_key = audit_key
        self._seals = seals
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        try:
            connection = self._engine.connect()
        except (OperationalError, NoConnectionFree) as error:
            raise DependencyUnavailable("The database does not answer.", details={"dependency": "database"}) from error
        self._connection = connection
        self._events: list[AuditEvent] = []
        self.models = ModelRepository(connection)
        self.versions = VersionRepository(connection)
        self.artifacts = ArtifactRepository(connection)
        self.requests = RequestRepository(connection)
        self.approvals = ApprovalRepository(connection, self._seals)
        self.delegations = DelegationRepository(connection)
        self.overrides = OverrideRepository(connection, self._seals)
        self.evaluations = EvaluationRepository(connection)
        self.runs = ValidationRunRepository(connection)
        self.nights = NightRepository(connection)
        self.baselines = BaselineRepository(connection)
        self.policies = PolicyRepository(connection)
        self.deployments = DeploymentRepository(connection)
        self.findings = FindingRepository(connection)
        self.freezes = FreezeRepository(connection)
        self.reviews = ReviewRepository(connection)
        self.notices = NoticeRepository(connection)
        self.events = EventRepository(connection)
        self.people = PeopleRepository(connection)
        self.groups = GroupRepository(connection)
        self.access = AccessRepository(connection)
        self.external_identities = ExternalIdentityRepository(connection)
        self.history = HistoryRepository(connection)
        self.drift = DriftRepository(connection)
        self.idempotency = IdempotencyRepository(connection)
        self.sign_in_limits = SignInLimitRepository(connection)
        self.breakers = BreakerRepository(connection)
        self.facts = FactReader(connection, self.policies, self._target)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()  # rolls back what was not committed
            except DBAPIError:
                connection.invalidate()
        if isinstance(value, DataError):
            raise InvalidInput("A value holds characters or numbers that cannot be stored.") from value
        if isinstance(value, DBAPIError) and (value.connection_invalidated or isinstance(value, OperationalError)):
            raise DependencyUnavailable("The database went away.", details={"dependency": "database"}) from value

    def audit(self, *events: AuditEvent) -> None:
        """Entries of this transaction. Without them there is no commit."""
        self._events.extend(events)

    def commit(self) -> None:
        if self._connection is None:
            raise RuntimeError("commit() outside of the unit of work")
        if self._events:
            self._append(self._connection)
            self._events = []
        self._connection.commit()

    def _append(self, connection: Connection) -> None:
        """Whatever keeps the entries from being written, the change waits for another time."""
        try:
            append(connection, self._events, key=self._audit_key)
        except DataError:
            raise  # what was asked for cannot be written down, now or later
        except DBAPIError as error:
            raise DependencyUnavailable(
                "The audit log cannot be written, so nothing was changed.", details={"dependency": "audit log"}
            ) from error


NewUnit = Callable[[], SqlUnitOfWork]
