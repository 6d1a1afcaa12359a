"""Order, completeness and seals of what business transactions recorded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from governance.audit.chain import Head
from governance.audit.checkpoint import Checkpoint
from governance.audit.entry import Draft, draft
from governance.audit.report import Kind
from storage.audit_log import BrokenHistoryError, Sequencer
from storage.audit_log.checkpoints import CheckpointFiles
from storage.audit_log.ledger import Ledger
from storage.audit_log.sequencer import LEADERSHIP
from tests.governance.audit.histories import AUDIT_KEY, SIGNING_KEY, VERIFIER, event
from tests.storage.audit_log.platform import AuditedPlatform, eventually, running


def checkpoints(platform: AuditedPlatform) -> list[Checkpoint]:
    files = CheckpointFiles(platform.directory)
    return [Checkpoint.opened(note, VERIFIER) for note in files.notes(files.snapshot().log_bytes)]


def insert_by_hand(platform: AuditedPlatform, number: int, key: bytes) -> None:
    row = draft(event(number), key)
    platform.execute("insert into audit_outbox (entry, leaf, mac) values (%s, %s, %s)", *row)


def test_drained_entries_are_in_the_log_in_order_and_sealed(platform: AuditedPlatform) -> None:
    ids = [identifier for _ in range(5) for identifier in platform.record(3)]

    assert platform.sequencer().drain() == 15

    report = platform.verify()
    assert report.ok, report.findings
    assert (report.entries, report.sealed, report.outbox) == (15, 15, 0)
    assert platform.recorded_ids() == ids


def test_draining_goes_on_where_it_stopped(platform: AuditedPlatform) -> None:
    for count in (1, 7, 2, 30):
        platform.record(count)
        assert platform.sequencer(batch_rows=4).drain() == count
    assert [checkpoint.size for checkpoint in checkpoints(platform)] == [1, 8, 10, 40]
    report = platform.verify()
    assert report.ok, report.findings


def test_draining_nothing_writes_nothing(platform: AuditedPlatform) -> None:
    assert platform.sequencer().drain() == 0
    assert checkpoints(platform) == []
    platform.record(2)
    platform.sequencer().drain()
    assert platform.sequencer().drain() == 0
    assert [checkpoint.size for checkpoint in checkpoints(platform)] == [2]


def test_what_commits_late_is_not_lost(platform: AuditedPlatform) -> None:
    """Identity order is not commit order: an older id becomes visible after newer ones were moved."""
    insert = "insert into audit_outbox (entry, leaf, mac) values (%s, %s, %s)"
    with psycopg.connect(platform.dsn) as late:
        late.execute(insert, draft(event(1_000), AUDIT_KEY))
        newer = platform.record(3)
        platform.sequencer().drain()
        assert platform.recorded_ids() == newer
        late.commit()
    platform.sequencer().drain()
    assert platform.recorded_ids() == [*newer, event(1_000).id]
    assert platform.verify().ok


def test_a_running_sequencer_orders_and_seals_and_stops_sealed(platform: AuditedPlatform) -> None:
    with running(platform.sequencer()) as sequencer:
        platform.record(3)
        eventually(lambda: platform.verify().sealed == 3)
        platform.record(4)
        eventually(lambda: sequencer.status.sealed == 7)
        status = sequencer.status
        assert (status.leading, status.size, status.refused, status.error) == (True, 7, 0, None)
        platform.record(1)
        eventually(lambda: sequencer.status.size == 8)
    assert not sequencer.status.leading
    assert platform.verify().sealed == 8


def test_checkpoints_are_spaced_under_load(platform: AuditedPlatform) -> None:
    """With a very long spacing the first batch is signed at once and the rest in one at the end."""
    with running(platform.sequencer(seal_seconds=3600.0)) as sequencer:
        platform.record(1)
        eventually(lambda: sequencer.status.sealed == 1)
        for _ in range(5):
            platform.record(1)
        eventually(lambda: sequencer.status.size == 6)
        assert sequencer.status.sealed == 1
    assert [checkpoint.size for checkpoint in checkpoints(platform)] == [1, 6]
    assert platform.verify().ok


def test_several_sequencers_under_load_make_one_log(platform: AuditedPlatform) -> None:
    def write(_: int) -> list[str]:
        return [identifier for _ in range(40) for identifier in platform.record(2)]

    with (
        running(platform.sequencer(batch_rows=7, seal_seconds=0.0)) as first,
        running(platform.sequencer(batch_rows=5, seal_seconds=0.0)) as second,
        running(platform.sequencer(batch_rows=3, seal_seconds=0.0)) as third,
        ThreadPoolExecutor(4) as writers,
    ):
        written = [identifier for ids in writers.map(write, range(4)) for identifier in ids]
        eventually(lambda: max(each.status.sealed for each in (first, second, third)) == len(written))
        assert [each.status.leading for each in (first, second, third)].count(True) == 1
    recorded = platform.recorded_ids()
    assert sorted(recorded) == sorted(written)
    assert len(set(recorded)) == len(recorded)
    report = platform.verify()
    assert report.ok, report.findings
    assert report.sealed == len(written)


def test_a_follower_takes_over_when_the_leader_loses_its_connection(platform: AuditedPlatform) -> None:
    with running(platform.sequencer()) as first:
        eventually(lambda: first.status.leading)
        with running(platform.sequencer()) as second:
            platform.record(1)
            eventually(lambda: first.status.sealed == 1)
            assert not second.status.leading
            with psycopg.connect(platform.dsn, autocommit=True) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted"
                )
            platform.record(1)
            eventually(lambda: 2 in (first.status.sealed, second.status.sealed))
            eventually(lambda: first.status.leading != second.status.leading)
    assert platform.verify().ok


def test_draining_while_another_leads_waits_for_the_leader(platform: AuditedPlatform) -> None:
    with running(platform.sequencer(seal_seconds=0.0)) as leader:
        eventually(lambda: leader.status.leading)
        for count in range(1, 6):
            platform.record(count)
            platform.sequencer().drain()
            assert platform.verify().sealed == sum(range(count + 1))


def test_draining_gives_up_when_the_leader_does_nothing(platform: AuditedPlatform) -> None:
    platform.record(1)
    with psycopg.connect(platform.dsn, autocommit=True) as idle:
        idle.execute("select pg_advisory_lock(%s)", (LEADERSHIP,))
        with pytest.raises(TimeoutError):
            platform.sequencer().drain(timeout=0.2)
    assert platform.sequencer().drain() == 1


def test_rows_that_the_platform_did_not_write_stay_outside(platform: AuditedPlatform) -> None:
    first = platform.record(1)
    insert_by_hand(platform, 500, b"not the audit key")
    for number in range(501, 506):
        insert_by_hand(platform, number, b"not the audit key")
    second = platform.record(2)
    with running(platform.sequencer(batch_rows=2)) as sequencer:
        eventually(lambda: sequencer.status.sealed == 3)
        eventually(lambda: sequencer.status.refused == 6)
        platform.sequencer().drain()
    assert platform.recorded_ids() == [*first, *second]
    report = platform.verify()
    assert [finding.kind for finding in report.findings] == [Kind.OUTBOX] * 6
    assert report.outbox == 6


def test_a_waiting_row_without_values_does_not_stop_the_order(platform: AuditedPlatform) -> None:
    platform.execute("alter table audit_outbox alter entry drop not null")
    platform.execute("insert into audit_outbox (entry, leaf, mac) values (null, 'x', 'y')")
    platform.record(2)
    assert platform.sequencer().drain() == 2
    assert [finding.kind for finding in platform.verify().findings] == [Kind.OUTBOX]


def test_an_edited_waiting_row_does_not_get_in(platform: AuditedPlatform) -> None:
    platform.record(2)
    platform.execute("update audit_outbox set entry = replace(entry, 'draft', 'final') where id = 1")
    assert platform.sequencer().drain() == 1
    assert [finding.kind for finding in platform.verify().findings] == [Kind.OUTBOX]


def set_head(platform: AuditedPlatform, head: Head) -> None:
    platform.execute(
        "update audit_head set size = %s, chain = %s, frontier = %s",
        head.size,
        head.chain,
        list(head.frontier),
    )


def head_at(platform: AuditedPlatform, size: int) -> Head:
    with psycopg.connect(platform.dsn) as connection:
        rows = connection.execute("select leaf from audit_entries order by seq limit %s", (size,)).fetchall()
    return Head.empty().extended([row[0] for row in rows])[0]


def test_a_history_that_was_cut_is_not_built_upon(platform: AuditedPlatform) -> None:
    platform.record(6)
    platform.sequencer().drain()
    earlier = head_at(platform, 3)
    platform.execute("delete from audit_entries where seq >= 3")
    set_head(platform, earlier)
    platform.record(4)
    with pytest.raises(BrokenHistoryError, match="3 entries, but 6 were signed"):
        platform.sequencer().drain()
    with running(platform.sequencer()) as sequencer:
        eventually(lambda: "BrokenHistoryError" in (sequencer.status.error or ""))
    assert len(platform.recorded_ids()) == 3
    assert [checkpoint.size for checkpoint in checkpoints(platform)] == [6]


def test_another_root_at_the_signed_size_is_not_built_upon(platform: AuditedPlatform) -> None:
    platform.record(6)
    platform.sequencer().drain()
    other, _ = Head.empty().extended([draft(event(number), AUDIT_KEY).leaf for number in range(100, 106)])
    set_head(platform, other)
    with pytest.raises(BrokenHistoryError, match="not the signed one"):
        platform.sequencer().drain()


def unsign_last(platform: AuditedPlatform) -> None:
    """The files as if the signer had died right after the commit of the last batch."""
    log, newest = platform.directory / "checkpoints.log", platform.directory / "checkpoint"
    files = CheckpointFiles(platform.directory)
    *rest, _ = files.notes(files.snapshot().log_bytes)
    log.write_text("".join(f"{note}\n" for note in rest))
    newest.write_text(rest[-1])


def test_entries_beyond_the_last_checkpoint_are_signed_by_the_successor(platform: AuditedPlatform) -> None:
    for count in (5, 4):
        platform.record(count)
        platform.sequencer().drain()
    unsign_last(platform)
    assert platform.verify().ok
    assert platform.sequencer().drain() == 0
    assert [checkpoint.size for checkpoint in checkpoints(platform)] == [5, 9]
    assert platform.verify().ok


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("update audit_entries set leaf = sha256('x') where seq = 2", "first 5 entries"),
        ("update audit_entries set leaf = sha256('x') where seq = 7", "head of the audit log is not that"),
        ("delete from audit_entries where seq = 8", "head of the audit log is not that"),
    ],
)
def test_the_successor_signs_only_what_extends_the_last_checkpoint(
    platform: AuditedPlatform, change: str, complaint: str
) -> None:
    for count in (5, 4):
        platform.record(count)
        platform.sequencer().drain()
    unsign_last(platform)
    platform.execute(change)
    with pytest.raises(BrokenHistoryError, match=complaint):
        platform.sequencer().drain()
    assert [checkpoint.size for checkpoint in checkpoints(platform)] == [5]


def test_a_head_changed_under_the_leader_stops_it(platform: AuditedPlatform) -> None:
    platform.record(3)
    with running(platform.sequencer()) as sequencer:
        eventually(lambda: sequencer.status.sealed == 3)
        set_head(platform, head_at(platform, 2))
        platform.record(1)
        eventually(lambda: "BrokenHistoryError" in (sequencer.status.error or ""))
        assert len(platform.recorded_ids()) == 3


def test_waiting_rows_removed_under_the_leader_abort_the_whole_batch(
    platform: AuditedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and moving, somebody deletes a row by hand: a gap must not come of it."""
    read = Ledger.waiting

    def read_and_remove(ledger: Ledger, *arguments: int) -> list[tuple[int, Draft]]:
        batch = read(ledger, *arguments)
        platform.execute("delete from audit_outbox where id = 2")
        return batch

    ids = platform.record(3)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "waiting", read_and_remove)
        with pytest.raises(BrokenHistoryError, match="removed by somebody"):
            platform.sequencer().drain()
    assert platform.recorded_ids() == []
    assert platform.sequencer().drain() == 2
    assert platform.recorded_ids() == [ids[0], ids[2]]
    assert platform.verify().ok


def test_checkpoints_of_another_key_are_not_continued(platform: AuditedPlatform) -> None:
    platform.record(1)
    platform.sequencer().drain()
    other = Sequencer(platform.dsn, platform.directory, SIGNING_KEY, "another.name", audit_key=AUDIT_KEY)
    with pytest.raises(BrokenHistoryError, match="not by our key"):
        other.drain()


def test_a_cut_checkpoint_log_is_not_continued(platform: AuditedPlatform) -> None:
    for count in (1, 2, 3):
        platform.record(count)
        platform.sequencer().drain()
    log = platform.directory / "checkpoints.log"
    files = CheckpointFiles(platform.directory)
    first, *_ = files.notes(files.snapshot().log_bytes)
    log.write_text(f"{first}\n")
    with pytest.raises(BrokenHistoryError, match="checkpoint file"):
        platform.sequencer().drain()


def test_without_room_for_checkpoints_the_order_goes_on_and_the_seal_follows(
    platform: AuditedPlatform, tmp_path: Path
) -> None:
    """A directory stands where the draft of the checkpoint file should: every attempt fails half-way."""
    platform.record(1)
    platform.sequencer().drain()
    obstacle = platform.directory / ".checkpoint.new"
    with running(platform.sequencer(seal_seconds=0.01)) as sequencer:
        eventually(lambda: sequencer.status.leading)
        obstacle.mkdir()
        platform.record(2)
        eventually(lambda: "could not be written" in (sequencer.status.error or ""))
        platform.record(2)
        eventually(lambda: sequencer.status.size == 5)
        obstacle.rmdir()
        platform.record(1)
        eventually(lambda: sequencer.status.sealed == 6)
        eventually(lambda: sequencer.status.error is None)
    report = platform.verify()
    assert report.ok, report.findings
    assert report.sealed == 6


def test_a_sequencer_waits_for_tables_and_database_to_come(platform: AuditedPlatform) -> None:
    """Started before the migration, it must be at work after it."""
    with psycopg.connect(platform.dsn) as connection:
        connection.execute("alter table audit_head rename to audit_head_later")
    with running(platform.sequencer()) as sequencer:
        eventually(lambda: "UndefinedTable" in (sequencer.status.error or ""))
        with psycopg.connect(platform.dsn) as connection:
            connection.execute("alter table audit_head_later rename to audit_head")
        platform.record(2)
        eventually(lambda: sequencer.status.sealed == 2)
        eventually(lambda: sequencer.status.error is None)


def test_stopping_is_prompt_while_nothing_can_be_reached(tmp_path: Path) -> None:
    nowhere = Sequencer(
        "postgresql://gatehouse@127.0.0.1:1/none", tmp_path, SIGNING_KEY, VERIFIER.name, audit_key=AUDIT_KEY
    )
    stop = threading.Event()
    thread = threading.Thread(target=nowhere.run, args=(stop,))
    thread.start()
    eventually(lambda: nowhere.status.error is not None)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
