"""Who may sign, and when."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from governance.audit.checkpoint import Checkpoint
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.ledger import Ledger
from storage.audit_log.sealing import LeadershipLostError, OneKey, Sealer
from tests.governance.audit.histories import AUDIT_KEY, SIGNING_KEY, VERIFIER, drafts
from tests.storage.audit_log.platform import AuditedPlatform


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ledger(platform: AuditedPlatform) -> Iterator[Ledger]:
    """Of a log with one sealed entry."""
    platform.record(1)
    platform.sequencer().drain()
    with psycopg.connect(platform.dsn, autocommit=True) as connection:
        yield Ledger(connection, AUDIT_KEY)


def sealer_of(platform: AuditedPlatform, clock: Clock | None = None) -> Sealer:
    files = CheckpointFiles(platform.directory)
    return Sealer(files, OneKey(SIGNING_KEY, VERIFIER.name), 5.0, clock or Clock())


def signed_sizes(platform: AuditedPlatform) -> list[int]:
    files = CheckpointFiles(platform.directory)
    return [Checkpoint.opened(note, VERIFIER).size for note in files.notes(files.snapshot().log_bytes)]


def test_a_leader_that_was_succeeded_signs_nothing_more(platform: AuditedPlatform, ledger: Ledger) -> None:
    """It may not have noticed yet: its view of the log is then no longer the log."""
    late = sealer_of(platform)
    late.resume(ledger)
    platform.record(2)
    platform.sequencer().drain()
    imagined, _ = ledger.head.extended([row.leaf for row in drafts(6, start=900)])
    with pytest.raises(LeadershipLostError):
        late.seal(imagined)
    assert signed_sizes(platform) == [1, 3]
    assert platform.verify().ok


def test_checkpoints_keep_their_distance(platform: AuditedPlatform, ledger: Ledger) -> None:
    clock = Clock()
    sealer = sealer_of(platform, clock)
    sealer.resume(ledger)
    assert sealer.wait(ledger.head) == float("inf")
    platform.record(1)
    ledger.advance()
    assert sealer.wait(ledger.head) == 0
    sealer.seal(ledger.head)
    assert sealer.wait(ledger.head) == float("inf")
    platform.record(1)
    ledger.advance()
    assert sealer.wait(ledger.head) == 5.0
    clock.now += 4.0
    assert sealer.wait(ledger.head) == 1.0
    clock.now += 2.0
    assert sealer.wait(ledger.head) == 0
    assert signed_sizes(platform) == [1, 2]


def test_a_head_that_is_signed_already_is_not_signed_again(platform: AuditedPlatform, ledger: Ledger) -> None:
    sealer = sealer_of(platform)
    sealer.resume(ledger)
    sealer.seal(ledger.head)
    assert signed_sizes(platform) == [1]
