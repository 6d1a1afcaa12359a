"""What a version is compared with once it is in use, and whether live traffic has moved away from it."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.evaluation.job import Limits
from flows.evaluation.sandbox import Broken, run_confined
from governance.artifact_store import BlobMissing
from governance.drift.report import DriftReference, DriftReport, sketches_from_json
from governance.errors import NoDriftReference
from governance.evaluations import Suite
from governance.operations import drift
from storage.composition import Platform


def pin_reference(platform: Platform, version_id: str, suite: Suite) -> DriftReference | str:
    """The reference of the version, pinned now unless it was; a sentence where it cannot be made.

    Made from the features in the suite's dataset, and from the predictions in the version's newest completed
    evaluation on it, where there is one. Reads in a confined process. Raises StoreUnavailable, DependencyUnavailable.
    """
    with platform.new_unit() as uow:
        known = uow.drift.reference(version_id)
        evaluation = uow.evaluations.latest(version_id, suite.id)
    if known is not None:
        return known
    if suite.dataset_sha256 is None:
        return "The suite brings its own examples, which are no sample of what the model is asked."
    outcomes = evaluation.outcomes_sha256 if evaluation is not None else None
    try:
        answer = _sketched(platform, suite, suite.dataset_sha256, outcomes)
    except BlobMissing:
        return "The dataset of the suite or the outcomes of its evaluation are gone from storage."
    if isinstance(answer, str):
        return answer
    call = platform.system_call()
    try:
        reference = DriftReference(
            version_id=version_id,
            suite_id=suite.id,
            dataset_sha256=suite.dataset_sha256,
            outcomes_sha256=outcomes,
            sketches=sketches_from_json(answer["sketches"]),
            omitted=int(answer["omitted"]),
            created_at=call.at,
        )
    except (KeyError, TypeError, ValueError):
        return "The dataset left no sketches that can be used."
    if not reference.sketches:
        return "The dataset has no column that can be compared."
    return drift.pin(platform.new_unit(), call, reference)


def _sketched(platform: Platform, suite: Suite, examples: str, outcomes: str | None) -> dict[str, Any] | str:
    settings = platform.settings
    limits = Limits(
        memory=settings.evaluation_memory,
        wall_seconds=float(settings.evaluation_seconds),
        cpu_seconds=settings.evaluation_seconds,
    )
    with ExitStack() as opened:
        scratch = opened.enter_context(tempfile.TemporaryDirectory(prefix="drift-"))
        dataset = opened.enter_context(platform.store.local_path(examples))
        answers = opened.enter_context(platform.store.local_path(outcomes)) if outcomes is not None else None
        job = {
            "dataset": str(dataset.resolve()),
            "format": suite.dataset_format,
            "target": suite.target,
            "features": list(suite.features) if suite.features is not None else None,
            "outcomes": str(answers.resolve()) if answers is not None else None,
            "rows": limits.rows,
        }
        found = run_confined("flows.drift.child", job, limits=limits, scratch=Path(scratch))
    return found.reason if isinstance(found, Broken) else dict(found.value)


def drift_report(platform: Platform, version_id: str, since: datetime, until: datetime) -> DriftReport | None:
    """None for a version without a reference."""
    try:
        return drift.report(platform.new_unit(), version_id, since, until)
    except NoDriftReference:
        return None
