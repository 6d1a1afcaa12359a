"""What validation needs from storage, in the unit of work: `uow.runs`, `uow.nights` and `uow.baselines`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from governance.validation.baselines import Baseline
from governance.validation.nights import Batch, Night
from governance.validation.runs import Ending, Measured, ValidationRun


@dataclass(frozen=True, slots=True)
class StoredExecution:
    """What a suite found about exactly one content on exactly one dataset. subject_digest: of the content."""

    version_id: str
    suite_id: str
    suite_digest: str
    dataset_sha256: str
    subject_digest: str
    outcomes_sha256: str | None
    results: Mapping[str, Any]
    tests: tuple[Mapping[str, Any], ...]
    executed_at: datetime


class ValidationRuns(Protocol):
    def add(self, runs: Sequence[ValidationRun]) -> None: ...
    def get(self, run_id: str) -> ValidationRun:
        """By its id or its public id. Raises NotFound."""

    def lock(self, run_id: str) -> ValidationRun:
        """Without its tests, what was measured and judged."""

    def launched(self, run_id: str, flow_run_id: str, attempt: int) -> None: ...
    def running(self, run_id: str, at: datetime) -> None:
        """Unless it was measured meanwhile."""

    def measured(self, run_id: str, found: Measured) -> bool:
        """False when the run was measured, or ended, before."""

    def settle(self, run_id: str, ending: Ending, at: datetime) -> None: ...
    def unsettled_alone(self, before: datetime, limit: int) -> tuple[ValidationRun, ...]:
        """Runs outside of nights that were asked for before this time and have not ended, oldest first."""

    def last_of_suite(
        self, version_id: str, suite_id: str, before: datetime
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
        """(what was measured, without the results; what was judged) of the suite in the newest night before that
        compared it, however many nights came to nothing since.
        """

    def last_latency(self, version_id: str, before: datetime) -> Mapping[str, Any] | None:
        """The state of the latency series after the newest night before that has one."""

    def of_batch(self, night_id: str, number: int) -> tuple[ValidationRun, ...]:
        """Without what was measured and judged."""

    def of_night(self, night_id: str) -> tuple[ValidationRun, ...]:
        """Those that were measured, settled or not, without the results of their suites: what judging needs."""

    def open_finding(self, version_id: str, kind: str) -> str | None:
        """The id of the open finding of that kind about the version."""


class Nights(Protocol):
    def active_versions(self, existing_at: datetime | None = None) -> tuple[tuple[str, str], ...]:
        """(model id, version id) of everything that a night validates, in the order of ids; of those that existed at
        a time, if one is given.
        """

    def of(self, night: date) -> Night | None: ...
    def get(self, night_id: str) -> Night:
        """Raises NotFound."""

    def lock(self, night_id: str) -> Night: ...
    def running(self) -> tuple[Night, ...]: ...
    def add(self, night: Night, by: str | None) -> bool:
        """False when that date has one."""

    def launched(self, night_id: str, flow_run_id: str, attempt: int) -> None: ...
    def end(self, night_id: str, status: str, summary: Mapping[str, Any], at: datetime) -> None: ...
    def batches(self, night_id: str) -> tuple[Batch, ...]: ...
    def lock_batch(self, night_id: str, number: int) -> Batch: ...
    def set_batch(self, batch: Batch, at: datetime) -> None: ...
    def progress(self, night_id: str) -> dict[str, int]:
        """Runs of the night by status."""

    def regressions(self, night_id: str) -> int: ...
    def troubled(self, night_id: str, limit: int) -> tuple[Mapping[str, Any], ...]:
        """{"model", "version", "status", "severity", "reason"} of runs that did not pass, the worst first."""

    def abandon(self, night_id: str, reason: str, at: datetime) -> int:
        """End the runs of the night that nobody settled, as errors; how many."""


class Baselines(Protocol):
    def pin(self, baseline: Baseline) -> None:
        """Releases the pin that the suite had."""

    def pinned(self, suite_id: str) -> Baseline | None: ...
    def since(self, suite_id: str, moment: datetime) -> tuple[Baseline, ...]:
        """Those in force at any time since then, newest first."""

    def keep_execution(self, execution: StoredExecution) -> None:
        """Replaces an older one of the same content on the same examples."""

    def execution(
        self, version_id: str, suite_digest: str, dataset_sha256: str, subject_digest: str, since: datetime
    ) -> StoredExecution | None:
        """Not older than `since`."""

    def add_sample(self, suite_id: str, dataset_id: str, by: str, at: datetime) -> int:
        """The number of the sample. Raises Duplicate when the suite has it."""

    def sample_number(self, suite_id: str, dataset_id: str) -> int:
        """Raises NotFound."""

    def newest_sample(self, suite_id: str) -> tuple[str, str, str] | None:
        """(dataset id, sha256, format)"""
