"""The judgement around the rows: checkpoints, head, outbox, limits. For the rows see test_tamper_matrix."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.chain import Head, link
from governance.audit.entry import draft
from governance.audit.merkle import CompactRange
from governance.audit.report import MOST_FINDINGS, Kind, Report
from governance.audit.verification import PROGRESS_ROWS, verify
from tests.governance.audit.histories import (
    AUDIT_KEY,
    SIGNING_KEY,
    VERIFIER,
    History,
    chained,
    drafts,
    event,
    head_of,
    rehashed,
    signed,
)

FOREIGN_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def history() -> History:
    return History.honest(60, sealed_at=(1, 20, 40))


def kinds(report: Report) -> list[Kind]:
    return [finding.kind for finding in report.findings]


def leaves(history: History) -> list[bytes]:
    return [row.leaf for row in history.entries]


def test_an_honest_log_holds(history: History) -> None:
    report = history.report()
    assert report.ok, report.findings
    assert (report.entries, report.sealed, report.checkpoints) == (60, 60, 4)
    assert history.head is not None
    assert report.root == history.head.root()


def test_an_empty_log_holds() -> None:
    report = History.honest(0).report()
    assert report.ok, report.findings
    assert (report.entries, report.sealed, report.checkpoints) == (0, 0, 0)


def test_entries_after_the_newest_checkpoint_are_not_a_fault(history: History) -> None:
    history.notes, history.newest = history.notes[:2], history.notes[1]
    report = history.report()
    assert report.ok, report.findings
    assert report.sealed == 20


def test_a_stranger_without_the_audit_key_can_verify(history: History) -> None:
    history.mac_key = None
    assert history.report().ok
    history.entries[7] = history.entries[7]._replace(entry=history.entries[7].entry + " ")
    assert kinds(history.report()) == [Kind.EDITED]


def test_without_any_checkpoint_the_log_is_unsealed(history: History) -> None:
    history.notes, history.newest = [], None
    assert kinds(history.report()) == [Kind.UNSEALED]


def test_a_checkpoint_by_another_key_counts_for_nothing(history: History) -> None:
    forged = signed(leaves(history), 60, FOREIGN_KEY)
    history.notes, history.newest = [forged], forged
    report = history.report()
    assert sorted(set(kinds(report))) == [Kind.CHECKPOINT, Kind.UNSEALED]
    assert report.checkpoints == 0


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("damage", ["size", "root", "signature", "origin", "junk"])
def test_an_edited_checkpoint_is_named(history: History, place: int, damage: str) -> None:
    text, _, signature = history.notes[place].partition("\n\n")
    origin, size, root = text.split("\n")
    edited = {
        "size": f"{origin}\n{int(size) + 1}\n{root}\n\n{signature}",
        "root": f"{origin}\n{size}\n{root[1:]}{root[0]}\n\n{signature}",
        "signature": f"{text}\n\n{signature[:-10]}AAAA{signature[-6:]}",
        "origin": f"x{text}\n\n{signature}",
        "junk": "junk",
    }[damage]
    history.notes[place] = edited
    found = history.report().findings
    assert found[0].kind is Kind.CHECKPOINT
    assert f"checkpoint {place + 1} of the log" in found[0].message


def test_an_edited_checkpoint_file_is_named(history: History) -> None:
    history.newest = "junk"
    assert kinds(history.report()) == [Kind.CHECKPOINT]


def test_checkpoints_in_another_order_go_backwards(history: History) -> None:
    history.notes[1], history.notes[2] = history.notes[2], history.notes[1]
    report = history.report()
    assert kinds(report) == [Kind.CHECKPOINT_LOG]
    assert "goes back from 40 to 20" in report.findings[0].message


def test_a_repeated_checkpoint_is_named(history: History) -> None:
    history.notes.insert(2, history.notes[1])
    report = history.report()
    assert kinds(report) == [Kind.CHECKPOINT_LOG]
    assert "repeats" in report.findings[0].message


def test_two_roots_for_one_size_are_named(history: History) -> None:
    fork = signed([*leaves(history)[:19], draft(event(777), AUDIT_KEY).leaf], 20)
    history.notes.insert(2, fork)
    report = history.report()
    assert kinds(report) == [Kind.CHECKPOINT_LOG]
    assert "another root for 20" in report.findings[0].message


def test_a_cut_checkpoint_log_is_named_and_the_file_still_seals(history: History) -> None:
    history.notes = history.notes[:2]
    assert kinds(history.report()) == [Kind.CHECKPOINT_LOG]
    history.entries = history.entries[:30]
    history.head = head_of(history.entries)
    found = kinds(history.report())
    assert Kind.CHECKPOINT_LOG in found
    assert Kind.TRUNCATED in found


def test_a_crash_between_log_and_file_is_not_a_fault(history: History) -> None:
    history.newest = history.notes[-2]
    assert history.report().ok
    first = History.honest(5)
    first.newest = None
    assert first.report().ok


@pytest.mark.parametrize("newest", [None, 0, 1])
def test_a_checkpoint_file_that_lags_further_is_named(history: History, newest: int | None) -> None:
    history.newest = None if newest is None else history.notes[newest]
    assert kinds(history.report()) == [Kind.CHECKPOINT_LOG]


def test_a_rewriting_is_placed_between_the_checkpoints_around_it(history: History) -> None:
    history.entries[25] = history.entries[25]._replace(**draft(event(999), AUDIT_KEY)._asdict())
    history.entries = rehashed(history.entries)
    history.head = head_of(history.entries)
    (finding,) = history.report().findings
    assert (finding.kind, finding.seq, finding.last) == (Kind.REWRITTEN, 20, 39)


def test_a_shorter_log_with_a_fitting_head_contradicts_the_newest_checkpoint(
    history: History,
) -> None:
    history.entries = chained(drafts(50))
    history.head = head_of(history.entries)
    (finding,) = history.report().findings
    assert (finding.kind, finding.seq, finding.last) == (Kind.TRUNCATED, 50, 59)


def test_an_emptied_log_is_truncated(history: History) -> None:
    history.entries, history.head = [], Head.empty()
    (finding,) = history.report().findings
    assert (finding.kind, finding.seq, finding.last) == (Kind.TRUNCATED, 0, 59)


def test_a_missing_head_is_named(history: History) -> None:
    history.head = None
    assert kinds(history.report()) == [Kind.HEAD]


def test_a_head_behind_the_entries_is_named(history: History) -> None:
    history.head = head_of(history.entries[:50])
    (finding,) = history.report().findings
    assert (finding.kind, finding.seq, finding.last) == (Kind.INSERTED, 50, 59)


def test_waiting_rows_are_judged(history: History) -> None:
    good = draft(event(100), AUDIT_KEY)
    history.outbox = [(1, good), (2, draft(event(101), b"foreign")), (3, good._replace(entry="{}"))]
    report = history.report()
    assert report.outbox == 3
    assert kinds(report) == [Kind.OUTBOX] * 2
    assert ["row 2" in report.findings[0].message, "row 3" in report.findings[1].message] == [True, True]


def test_waiting_rows_are_judged_without_the_audit_key(history: History) -> None:
    history.mac_key = None
    history.outbox = [(3, draft(event(100), AUDIT_KEY)._replace(entry="{}"))]
    assert kinds(history.report()) == [Kind.OUTBOX]


def test_a_replayed_entry_is_named_by_its_twin(history: History) -> None:
    """Copied through the outbox it is authentic, numbered and sealed; only the leaf gives it away."""
    rows = [*drafts(60), drafts(60)[12]]
    history.entries = chained(rows)
    history.head = head_of(history.entries)
    history.repeated = [(12, 60)]
    (finding,) = history.report().findings
    assert (finding.kind, finding.seq) == (Kind.DUPLICATED, 60)


def test_two_rows_under_one_number_are_named(history: History) -> None:
    history.entries.insert(31, history.entries[30])
    assert Kind.INSERTED in kinds(history.report())


def test_several_tamperings_are_named_each(history: History) -> None:
    rows = history.entries
    rows[3] = rows[3]._replace(entry="{}")
    rows[10] = rows[10]._replace(mac=bytes(32))
    rows[15] = rows[15]._replace(chain=bytes(32))
    del rows[30]
    found = {(finding.kind, finding.seq) for finding in history.report().findings}
    assert {(Kind.EDITED, 3), (Kind.EDITED, 10), (Kind.EDITED, 15), (Kind.DROPPED, 30)} <= found


def test_neighbours_with_the_same_fault_are_one_finding(history: History) -> None:
    history.entries[10:20] = [row._replace(mac=bytes(32)) for row in history.entries[10:20]]
    (finding,) = history.report().findings
    assert (finding.seq, finding.last) == (10, 19)
    assert "entries 10 to 19" in str(finding)


def test_every_row_that_was_given_the_same_text_is_named(history: History) -> None:
    for place in (5, 9, 31):
        history.entries[place] = history.entries[place]._replace(entry="{}")
    assert [finding.seq for finding in history.report().findings] == [5, 9, 31]


def test_progress_is_told() -> None:
    told: list[int] = []
    rows = chained(drafts(5))
    head = head_of(rows)
    verify((row for row in rows), [], public_key=VERIFIER, mac_key=None, head=head, progress=told.append)
    assert told == [5]
    assert PROGRESS_ROWS > 5


def large_log(count: int, every: int) -> Iterator[tuple[int, str, bytes, bytes, bytes]]:
    """`count` rows made one at a time, of which every `every`-th is ruined."""
    tree, last = CompactRange(), Head.empty().chain
    sample = drafts(50)
    for seq in range(count):
        row = sample[seq % 50]
        last = link(last, seq, row.leaf)
        tree.append(row.leaf)
        yield seq, row.entry if seq % every else "ruined", row.leaf, row.mac, last


def test_memory_does_not_grow_with_the_log_even_when_it_is_ruined() -> None:
    def peak(count: int) -> tuple[int, Report]:
        tracemalloc.start()
        try:
            report = verify(
                large_log(count, 2),  # type: ignore[arg-type]
                [],
                public_key=VERIFIER,
                mac_key=AUDIT_KEY,
                head=None,
            )
            return tracemalloc.get_traced_memory()[1], report
        finally:
            tracemalloc.stop()

    small, _ = peak(3_000)
    large, report = peak(12_000)
    assert report.entries == 12_000
    assert len(report.findings) == MOST_FINDINGS
    assert report.unlisted > 4_000
    assert large < small * 1.5


def test_a_log_of_garbage_is_judged_in_linear_time() -> None:
    """Nothing relates to anything: the search must give up early instead of trying all for each row."""
    rows = chained(drafts(3_000))
    garbage = [row._replace(chain=draft(event(row.seq + 5_000), AUDIT_KEY).leaf, leaf=bytes(32)) for row in rows]
    report = verify(garbage, [], public_key=VERIFIER, mac_key=AUDIT_KEY, head=head_of(rows))
    assert not report.ok
    assert sum((finding.last or 0) - (finding.seq or 0) + 1 for finding in report.findings) >= 3_000


def test_report_as_json(history: History) -> None:
    history.entries[3] = history.entries[3]._replace(mac=bytes(32))
    report = history.report().to_json()
    assert report["ok"] is False
    assert report["findings"] == [
        {
            "kind": "edited",
            "message": "its mac is not by the audit key: edited, or forged",
            "first": 3,
            "last": 3,
        }
    ]
    assert SIGNING_KEY.public_key() == VERIFIER.public
