"""Pinning what a version is compared with, recording what comes in, and saying whether it has drifted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from governance.drift.observations import MOST_BYTES, check_times, read_observations, tally
from governance.drift.report import DriftReference, DriftReport
from governance.errors import InvalidInput, NoDriftReference
from governance.operations.calls import Call
from governance.ports import UnitOfWork

RECORDING = "monitoring:create"


@dataclass(frozen=True, slots=True)
class Recorded:
    """observations: as many as were sent. unknown: values of features that the reference does not have."""

    observations: int
    unknown: int


def pin(uow: UnitOfWork, call: Call, reference: DriftReference) -> DriftReference:
    """The reference of the version: this one, or the one that was pinned before, which stays."""
    with uow:
        if uow.drift.pin(reference):
            uow.audit(
                call.event(
                    "drift_reference:pinned",
                    "version",
                    reference.version_id,
                    after=reference.identity(),
                    digest=reference.digest,
                )
            )
            uow.commit()
            return reference
        found = uow.drift.reference(reference.version_id)
    assert found is not None  # noqa: S101  (a pinned reference is never removed)
    return found


def record(uow: UnitOfWork, call: Call, model_id: str, version_id: str, body: bytes) -> Recorded:
    """Count the observations in the body: all or none of them, and under an idempotency key once.

    Raises NotFound, Forbidden, InvalidInput, NoDriftReference.
    """
    if len(body) > MOST_BYTES:
        raise InvalidInput(f"One call holds at most {MOST_BYTES:,} bytes of observations; send several calls.")
    observations = read_observations(body)
    with uow:
        rule = uow.access.of_model(model_id)
        call.may_with("model", model_id, rule, RECORDING, "Recording observations")
        reference = _reference(uow, version_id)
        known = call.repeated(uow)
        counted = tally(reference, observations, call.at)
        if known is None:  # what is repeated was young enough at its own time
            check_times(observations, call.at)
            uow.drift.add(version_id, counted)
            call.remember(uow, call.new_id())
            uow.audit(
                call.event(
                    "observations:recorded", "version", version_id, observations=counted.observations, modelId=model_id
                )
            )
            uow.commit()
    return Recorded(counted.observations, counted.unknown)


def report(uow: UnitOfWork, version_id: str, since: datetime, until: datetime) -> DriftReport:
    """Of the whole hours from that of `since`; whoever asks may see the version. Raises NoDriftReference."""
    from governance.drift.judging import drift_between  # brings NumPy, which recording does without

    if since >= until:
        raise InvalidInput("The span of time ends before it begins.")
    begin = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    with uow:
        reference = _reference(uow, version_id)
        live = uow.drift.between(version_id, begin, until)
    return drift_between(reference, live, begin, until)


def _reference(uow: UnitOfWork, version_id: str) -> DriftReference:
    found = uow.drift.reference(version_id)
    if found is None:
        raise NoDriftReference(
            "This version has no reference to compare live traffic with. It is pinned by the next nightly validation "
            "after its promotion, from the dataset of an evaluation suite.",
            details={"versionId": version_id},
        )
    return found
