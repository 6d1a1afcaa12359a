"""Order, completeness and seals of what business transactions recorded."""

from __future__ import annotations

from tests.storage.audit_log.platform import AuditedPlatform, running


def test_drained_entries_are_in_the_log_in_order_and_sealed(platform: AuditedPlatform) -> None:
    ids = [identifier for _ in range(5) for identifier in platform.record(3)]

    assert platform.sequencer().drain() == 15

    report = platform.verify()
    assert report.ok, report.findings
    assert (report.entries, report.sealed, report.outbox) == (15, 15, 0)
    assert platform.recorded_ids() == ids
