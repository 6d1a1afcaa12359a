"""Models, versions, artifacts, what evaluates them and where they serve."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from governance.data_validation.records import DataValidation, ExpectationSuite, Profile
from governance.deployments import TrafficPlan
from governance.evaluations import Dataset, Evaluation, Suite
from governance.lifecycle import VersionState
from governance.models import Artifact, Model, ModelVersion


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


class Deployments(Protocol):
    def serving(self, version_id: str) -> tuple[dict[str, Any], ...]: ...
    def shares(self, model_id: str, environment: str) -> dict[str, int]:
        """Percent of traffic by version id."""

    def replace(self, plan: TrafficPlan, request_id: str, at: datetime) -> None: ...
