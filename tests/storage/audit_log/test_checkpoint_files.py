"""The two checkpoint files through crashes at every byte and every step."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from storage.audit_log.checkpoints import LONGEST_RECORD, CheckpointFiles, CheckpointsBusyError, Writer
from tests.governance.audit.histories import drafts, signed

LEAVES = [row.leaf for row in drafts(4)]
NOTES = [signed(LEAVES, size) for size in (1, 2, 3, 4)]


@pytest.fixture
def files(tmp_path: Path) -> CheckpointFiles:
    return CheckpointFiles(tmp_path / "audit")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "checkpoints.log"


@pytest.fixture
def newest(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "checkpoint"


def write(files: CheckpointFiles, *notes: str) -> None:
    for note in notes:
        with files.writing() as writer:
            writer.append(note)


def read(files: CheckpointFiles) -> tuple[list[str], str | None]:
    snapshot = files.snapshot()
    return list(files.notes(snapshot.log_bytes)), snapshot.newest


def test_nothing_written_reads_as_nothing(files: CheckpointFiles) -> None:
    assert read(files) == ([], None)
    with files.writing() as writer:
        assert writer.last_two() == (None, None)
        assert writer.newest() is None


def test_checkpoints_come_back_in_order(files: CheckpointFiles, log: Path) -> None:
    write(files, *NOTES)
    assert read(files) == (NOTES, NOTES[-1])
    with files.writing() as writer:
        assert writer.last_two() == (NOTES[3], NOTES[2])
    assert log.read_text() == "".join(f"{note}\n" for note in NOTES)


def test_last_two_of_one_and_of_a_log_longer_than_what_is_read(files: CheckpointFiles, log: Path) -> None:
    write(files, NOTES[0])
    with files.writing() as writer:
        assert writer.last_two() == (NOTES[0], None)
    log.write_text(f"{NOTES[0]}\n" * (LONGEST_RECORD // len(NOTES[0])) + f"{NOTES[1]}\n{NOTES[2]}\n")
    with files.writing() as writer:
        assert writer.last_two() == (NOTES[2], NOTES[1])


def test_a_reader_sees_the_log_as_it_was_when_it_looked(files: CheckpointFiles) -> None:
    write(files, *NOTES[:2])
    snapshot = files.snapshot()
    write(files, *NOTES[2:])
    assert list(files.notes(snapshot.log_bytes)) == NOTES[:2]


def test_power_lost_within_a_record_leaves_the_log_without_it(files: CheckpointFiles, log: Path, newest: Path) -> None:
    """For lengths all over the torn record, also none at all, and for the first record of a log."""
    record = f"{NOTES[2]}\n".encode()
    for whole in (NOTES[:2], []):
        before = "".join(f"{note}\n" for note in whole).encode()
        for length in [*range(0, len(record), 7), len(record) - 1]:
            log.parent.mkdir(exist_ok=True)
            log.write_bytes(before + record[:length])
            newest.unlink(missing_ok=True)
            if whole:
                newest.write_text(whole[-1])
            with files.writing() as writer:
                assert writer.last_two()[0] == (whole[-1] if whole else None)
                writer.append(NOTES[3])
            assert read(files) == ([*whole, NOTES[3]], NOTES[3])


def test_death_between_log_and_file_is_made_good(files: CheckpointFiles, log: Path, newest: Path) -> None:
    write(files, *NOTES[:2])
    with log.open("a") as file:
        file.write(f"{NOTES[2]}\n")
    assert newest.read_text() == NOTES[1]
    with files.writing():
        assert newest.read_text() == NOTES[2]


def test_death_before_the_first_file_is_made_good(files: CheckpointFiles, log: Path, newest: Path) -> None:
    log.parent.mkdir()
    log.write_text(f"{NOTES[0]}\n")
    with files.writing():
        assert newest.read_text() == NOTES[0]


def test_a_file_that_no_crash_explains_is_left_as_evidence(files: CheckpointFiles, log: Path, newest: Path) -> None:
    write(files, *NOTES[:3])
    log.write_text(f"{NOTES[0]}\n")
    with files.writing() as writer:
        assert writer.newest() == NOTES[2]
    assert newest.read_text() == NOTES[2]


def test_a_log_that_does_not_end_in_a_checkpoint_is_an_error(files: CheckpointFiles, log: Path) -> None:
    log.parent.mkdir()
    log.write_text("x" * LONGEST_RECORD)
    with pytest.raises(OSError, match="does not end"), files.writing():
        pass


def test_damage_reads_as_notes_to_be_judged(files: CheckpointFiles, log: Path) -> None:
    write(files, *NOTES)
    damaged = log.read_bytes().replace(NOTES[1].encode(), b"\xff\xfe\n\n\xff")
    log.write_bytes(damaged)
    notes, _ = read(files)
    assert notes[0] == NOTES[0]
    assert notes[-1] == NOTES[3]
    assert NOTES[1] not in notes


def test_one_line_without_an_end_is_not_read_into_memory_as_one(files: CheckpointFiles, log: Path) -> None:
    log.parent.mkdir()
    log.write_bytes(b"x" * (5 * LONGEST_RECORD))
    assert max(len(note) for note in files.notes(log.stat().st_size)) <= 2 * LONGEST_RECORD


def test_writers_exclude_each_other(files: CheckpointFiles, log: Path) -> None:
    write(files, NOTES[0])
    with log.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CheckpointsBusyError), files.writing():
            pass
    write(files, NOTES[1])
    assert read(files) == (NOTES[:2], NOTES[1])


def test_a_file_that_cannot_be_replaced_leaves_the_log_ahead_by_one(
    files: CheckpointFiles, newest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(files, *NOTES[:2])

    def no_room(writer: Writer, note: str) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_replace", no_room)
        with pytest.raises(OSError, match="space"), files.writing() as writer:
            writer.append(NOTES[2])
    assert read(files) == (NOTES[:3], NOTES[1])
    write(files, NOTES[3])
    assert read(files) == (NOTES, NOTES[3])
