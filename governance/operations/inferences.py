"""Recording what inferences took and how they ended.

Measurements are many and are no decisions, so the audit log does not hold each of them: it holds who began to report
about which version, once for each pair, and the totals say the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from governance.access.rules import AccessRule
from governance.errors import GovernanceError
from governance.monitoring.error_types import admitted
from governance.monitoring.points import Tallies, Tally, Window
from governance.operations.calls import Call
from governance.ports import UnitOfWork

PERMISSION = "monitoring:create"


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody reports about one version. named: the id that they used."""

    call: Call
    model_id: str
    version_id: str
    named: str
    tallies: Tallies


def record(uow: UnitOfWork, reports: Sequence[Report]) -> list[GovernanceError | None]:
    """Reports, perhaps of several callers, in one transaction; when this returns they are committed.

    The refusal of each, None where it was recorded. A report with an idempotency key comes alone; one that was
    recorded before is not counted again. Raises IdempotencyMismatch, DependencyUnavailable.
    """
    if len(reports) > 1 and any(report.call.idempotency for report in reports):
        raise ValueError("a report with an idempotency key is recorded alone")
    with uow:
        refusals = _refusals(uow, reports)
        accepted = [report for report, refusal in zip(reports, refusals, strict=True) if refusal is None]
        fresh = [report for report in accepted if report.call.repeated(uow) is None]
        if fresh:
            _tell_new_reporters(uow, fresh)
            for report in fresh:
                report.call.remember(uow, report.version_id)
            uow.inferences.add(_together(uow, fresh))
            uow.commit()
    return refusals


def _refusals(uow: UnitOfWork, reports: Sequence[Report]) -> list[GovernanceError | None]:
    rules: dict[str, AccessRule] = {}
    found: list[GovernanceError | None] = []
    for report in reports:
        try:
            if report.model_id not in rules:
                rules[report.model_id] = uow.access.of_model(report.model_id)
            doing = "Recording inferences"
            report.call.may_with("model", report.named, rules[report.model_id], PERMISSION, doing)
            found.append(None)
        except GovernanceError as refusal:
            found.append(refusal)
    return found


def _tell_new_reporters(uow: UnitOfWork, reports: Iterable[Report]) -> None:
    by_pair = {(report.version_id, report.call.person.id): report for report in reports}
    for version_id, person_id in uow.inferences.new_reporters(
        {pair: report.call.at for pair, report in by_pair.items()}
    ):
        report = by_pair[version_id, person_id]
        uow.audit(report.call.event("inference:reporting_began", "version", version_id, modelId=report.model_id))


def _together(uow: UnitOfWork, reports: Iterable[Report]) -> dict[str, dict[Window, Tally]]:
    """One tally for each version and span, its errors counted under the names that the version has room for."""
    merged: dict[str, dict[Window, Tally]] = {}
    for report in reports:
        own = merged.setdefault(report.version_id, {})
        for window, tally in report.tallies.items():
            own.setdefault(window, Tally()).merge(tally)
    wanted = {
        version_id: list(dict.fromkeys(name for tally in own.values() for name in tally.errors))
        for version_id, own in merged.items()
    }
    if not any(wanted.values()):
        return merged
    known = uow.inferences.error_types(list(merged))
    if any(set(names) - known[version_id] for version_id, names in wanted.items()):
        known = uow.inferences.error_types(list(merged), lock=True)
    for version_id, own in merged.items():
        types = admitted(known[version_id], wanted[version_id])
        for tally in own.values():
            tally.restrict_errors(types)
    return merged
