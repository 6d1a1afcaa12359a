"""Verification of a stored log: no false alarm while it grows, and what only the database can show."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from governance.audit.note import VerifierKey
from governance.audit.report import Kind, Report
from storage.audit_log import load_or_create_audit_key, load_or_create_signing_key, verify_log
from storage.audit_log.checkpoints import CheckpointFiles, Snapshot
from storage.audit_log.keys import load_verifier_key, verifier_file
from storage.audit_log.reading import _ENTRIES, verify_transaction
from storage.audit_log.sequencer import Sequencer
from tests.governance.audit.histories import AUDIT_KEY, VERIFIER
from tests.storage.audit_log.platform import AuditedPlatform, eventually, running


@pytest.fixture
def sealed(platform: AuditedPlatform) -> AuditedPlatform:
    """Twenty entries under two checkpoints."""
    for count in (8, 12):
        platform.record(count)
        platform.sequencer().drain()
    return platform


def kinds(report: Report) -> list[Kind]:
    return [finding.kind for finding in report.findings]


def test_a_new_log_verifies(platform: AuditedPlatform) -> None:
    report = platform.verify()
    assert report.ok, report.findings
    assert report.entries == 0


def test_a_growing_log_never_looks_tampered_with(platform: AuditedPlatform) -> None:
    """Entries, checkpoints and verifications at once: what is seen must fit together every time."""
    platform.record(1)
    platform.sequencer().drain()
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.001):
            platform.record(3)

    writer = threading.Thread(target=write)
    with running(platform.sequencer(batch_rows=10, seal_seconds=0.0)) as sequencer:
        writer.start()
        try:
            seen = 0
            for _ in range(40):
                report = platform.verify()
                assert report.ok, report.findings
                assert report.entries >= seen
                seen = report.entries
        finally:
            stop.set()
            writer.join(60)
        eventually(lambda: sequencer.status.sealed == sequencer.status.size > 0)
    assert platform.verify().ok


def test_what_is_sealed_just_before_the_files_are_read_is_seen(
    sealed: AuditedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the database's snapshot the older one, its log would seem to lack what the newest checkpoint covers."""
    read = CheckpointFiles.snapshot

    def seal_and_read(files: CheckpointFiles) -> Snapshot:
        sealed.record(3)
        sealed.sequencer().drain()
        return read(files)

    monkeypatch.setattr(CheckpointFiles, "snapshot", seal_and_read)
    report = sealed.verify()
    assert report.ok, report.findings
    assert report.entries == report.sealed == 23


def test_keys_from_files_serve_the_whole_way(platform: AuditedPlatform, tmp_path: Path) -> None:
    """As the platform does it; and a stranger verifies with the public files alone."""
    platform.record(1)
    path = tmp_path / "keys" / "signing.key"
    signing = load_or_create_signing_key(path)
    name = VerifierKey.named_after(signing.public_key()).name
    sequencer = Sequencer(platform.dsn, platform.directory, signing, name, audit_key=AUDIT_KEY)
    assert sequencer.drain() == 1
    public = load_verifier_key(verifier_file(path))
    assert verify_log(platform.dsn, platform.directory, public_key=public, mac_key=None).ok
    wrong = load_or_create_audit_key(tmp_path / "keys" / "another.key")
    report = verify_log(platform.dsn, platform.directory, public_key=public, mac_key=wrong)
    assert kinds(report) == [Kind.EDITED]


def test_progress_counts_every_entry(sealed: AuditedPlatform) -> None:
    told: list[int] = []
    verify_log(sealed.dsn, sealed.directory, public_key=VERIFIER, mac_key=None, progress=told.append)
    assert told == [20]


def test_verification_writes_nothing(sealed: AuditedPlatform) -> None:
    """It may run against a standby, with files that only others may write."""
    before = {path.name: path.read_bytes() for path in sealed.directory.iterdir()}
    for path in sealed.directory.iterdir():
        path.chmod(0o444)
    with psycopg.connect(sealed.dsn, autocommit=True) as connection:
        connection.execute("alter database " + connection.info.dbname + " set default_transaction_read_only = on")
    assert sealed.verify().ok
    assert {path.name: path.read_bytes() for path in sealed.directory.iterdir()} == before


def test_an_authentic_entry_that_was_replayed_is_named(sealed: AuditedPlatform) -> None:
    """Copied back into the outbox, it is ordered and sealed like any other."""
    sealed.execute(
        "insert into audit_outbox (entry, leaf, mac) select entry, leaf, mac from audit_entries where seq = 7"
    )
    sealed.sequencer().drain()
    (finding,) = sealed.verify().findings
    assert (finding.kind, finding.seq) == (Kind.DUPLICATED, 20)
    assert "entry 7" in finding.message


def kinds_after(platform: AuditedPlatform, *statements: str) -> list[Kind]:
    """What is found after hand-written SQL by the owner of the tables, which is then rolled back."""
    with psycopg.connect(platform.dsn) as connection:
        for table in ("audit_entries", "audit_head"):
            connection.execute(f"alter table {table} disable trigger all")
        for statement in statements:
            connection.execute(statement)
        report = verify_transaction(connection, platform.directory, public_key=VERIFIER, mac_key=AUDIT_KEY)
        connection.rollback()
    return kinds(report)


def test_rows_that_the_constraints_forbid_are_named_too(sealed: AuditedPlatform) -> None:
    """The owner of the tables can drop constraints; the judgement must not stumble over what is there."""
    without_constraints = [
        "alter table audit_entries drop constraint audit_entries_pkey",
        *(
            f"alter table audit_entries alter {column} drop not null"
            for column in ("seq", "entry", "leaf", "mac", "chain")
        ),
    ]
    cases = {
        "update audit_entries set entry = null where seq = 5": Kind.REMOVED,
        "update audit_entries set leaf = null where seq = 5": Kind.EDITED,
        "update audit_entries set mac = null where seq = 5": Kind.EDITED,
        "update audit_entries set chain = null where seq = 5": Kind.EDITED,
        "update audit_entries set seq = null where seq = 5": Kind.DROPPED,
        "insert into audit_entries select * from audit_entries where seq = 5": Kind.INSERTED,
        "update audit_entries set seq = -3 where seq = 5": Kind.DROPPED,
        "update audit_entries set seq = 9223372036854775807 where seq = 5": Kind.RENUMBERED,
        "update audit_entries set seq = 9223372036854775807 - 19 + seq": Kind.RENUMBERED,
        "update audit_entries set leaf = 'short', mac = '', chain = repeat('x', 500)::bytea": Kind.EDITED,
    }
    for statement, kind in cases.items():
        assert kind in kinds_after(sealed, *without_constraints, statement), statement


def test_a_tampered_head_is_named(sealed: AuditedPlatform) -> None:
    cases = {
        "delete from audit_head": Kind.HEAD,
        "update audit_head set frontier = '{}'": Kind.HEAD,
        "update audit_head set frontier = array[null::bytea]": Kind.HEAD,
        "update audit_head set size = 21": Kind.TRUNCATED,
        "update audit_head set size = 19": Kind.INSERTED,
        "update audit_head set size = -1": Kind.INSERTED,
        "update audit_head set size = 9223372036854775807": Kind.TRUNCATED,
    }
    for statement, kind in cases.items():
        assert kinds_after(sealed, statement) == [kind], statement


def test_an_edited_checkpoint_log_is_named(sealed: AuditedPlatform) -> None:
    log = sealed.directory / "checkpoints.log"
    log.write_text(log.read_text().replace("\n8\n", "\n9\n"))
    assert kinds(sealed.verify()) == [Kind.CHECKPOINT]


def test_a_lost_checkpoint_directory_is_named(sealed: AuditedPlatform) -> None:
    for path in sealed.directory.iterdir():
        path.unlink()
    sealed.directory.rmdir()
    assert kinds(sealed.verify()) == [Kind.UNSEALED]


def test_a_cut_log_with_a_torn_record_is_named(sealed: AuditedPlatform) -> None:
    log = sealed.directory / "checkpoints.log"
    log.write_bytes(log.read_bytes()[:-10])
    assert set(kinds(sealed.verify())) == {Kind.CHECKPOINT, Kind.CHECKPOINT_LOG}


def test_the_log_is_walked_along_its_index_even_without_statistics(sealed: AuditedPlatform) -> None:
    """Sorting a log of millions would need as much disk as the log itself."""
    with psycopg.connect(sealed.dsn) as connection:
        connection.execute("set local enable_sort = off")
        plan = connection.execute(f"explain {_ENTRIES}").fetchall()
    assert "Index Scan using audit_entries_pkey" in plan[0][0]
