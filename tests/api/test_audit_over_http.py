"""What is done over HTTP is in the audit log, ordered and sealed by the serving process itself."""

from __future__ import annotations

import time
from pathlib import Path

from governance.audit.event import AuditEvent
from governance.audit.note import VerifierKey
from storage.audit_log import verify_log
from storage.audit_log.running import signing_key_of
from tests.api.served import data, served
from tests.governance.operations.situations import query


def test_calls_are_ordered_sealed_and_verified(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path / "home", sequence_audit=True) as api:
        platform = api.registry.platform
        draft = api.version(api.model())
        asked = api.dev.post(
            f"{draft}/transitions", json={"transition": "submit"}, headers={"X-Correlation-Id": "build-17"}
        )
        request = data(asked, 202)
        public_key = VerifierKey.named_after(signing_key_of(platform).public_key())
        deadline = time.monotonic() + 60
        while True:
            report = verify_log(
                database_url, platform.settings.audit_directory, public_key=public_key, mac_key=platform.audit_key
            )
            assert report.ok or report.sealed == 0, report.findings
            if report.ok and report.outbox == 0 and report.sealed == report.entries:
                break
            assert time.monotonic() < deadline, report
            time.sleep(0.02)
        entries = [
            AuditEvent.from_entry(e) for (e,) in query(api.registry, "select entry from audit_entries order by seq")
        ]
    opened = [event for event in entries if event.subject.id == request["id"]]
    assert [event.action for event in opened] == ["request:opened"]
    assert (opened[0].actor.name, opened[0].request_id) == ("dana", "build-17")
    assert [event.action for event in entries[-3:]] == ["model:created", "version:created", "request:opened"]
