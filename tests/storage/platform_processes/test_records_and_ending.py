"""Starting, recognising and ending single processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from storage.platform_processes import detached, ending
from storage.platform_processes import home as places
from storage.platform_processes.ending import end
from storage.platform_processes.errors import PlatformError
from storage.platform_processes.records import MARK, Record, is_alive

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
READY = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
PARENT += "; print('parent', flush=True); time.sleep(600)"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(ending, "_PARTING_SECONDS", 0.3)
    places.prepare(tmp_path)
    yield tmp_path
    for record in _records(tmp_path):
        for process in record.marked():
            process.kill()


def _records(home: Path) -> list[Record]:
    found = [Record.load(home, path.stem) for path in places.records(home).glob("*.json")]
    return [record for record in found if record is not None]


def _launch(home: Path, command: list[str], **environment: str) -> Record:
    return detached.launch(home, "part", command, {**os.environ, **environment}, "fingerprint", home)


def _eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_started_process_is_found_again(home: Path) -> None:
    record = _launch(home, SLEEP)
    loaded = Record.load(home, "part")
    assert loaded == record
    process = record.process()
    assert process is not None
    assert process.pid == record.pid
    assert os.getsid(process.pid) == process.pid  # a session of its own: no signal of our terminal reaches it
    assert stat.S_IMODE((places.records(home) / "part.json").stat().st_mode) == 0o600
    assert end(home, record, grace_seconds=20)
    assert not is_alive(process)
    assert Record.load(home, "part") is None


def test_it_inherits_no_descriptor(home: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("descriptors are listed by /proc")
    with (home / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        record = _launch(home, READY)
    # while an interpreter starts it opens files of its own
    log = places.log_file(home, "part")
    _eventually(lambda: "ready" in log.read_text())
    opened = {os.readlink(path) for path in Path(f"/proc/{record.pid}/fd").iterdir()}
    assert opened == {"/dev/null", str(log)}
    end(home, record, grace_seconds=20)


def test_somebody_elses_process_under_a_recorded_pid_is_left_alone(home: Path) -> None:
    with subprocess.Popen(SLEEP) as stranger:
        try:
            created = psutil.Process(stranger.pid).create_time()
            record = replace(Record.new("part", "fingerprint"), pid=stranger.pid, created=created - 3600)
            record.save(home)
            assert record.process() is None
            assert not end(home, record, grace_seconds=1)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_process_whose_starter_died_before_it_could_record_the_pid_is_ended(home: Path) -> None:
    record = Record.new("part", "fingerprint")
    record.save(home)
    with subprocess.Popen(SLEEP, env={**os.environ, MARK: record.mark}) as ours:
        _eventually(record.marked)
        assert end(home, record, grace_seconds=1)
        assert ours.wait(20) != 0


def test_a_process_is_recognised_by_its_mark_when_the_clock_was_changed(home: Path) -> None:
    record = _launch(home, SLEEP)
    _eventually(record.marked)
    shifted = replace(record, created=(record.created or 0.0) - 7200)
    assert shifted.process() is not None
    end(home, record, grace_seconds=20)


def test_what_does_not_heed_is_killed(home: Path) -> None:
    record = _launch(home, [sys.executable, "-c", STUBBORN])
    process = record.process()
    assert process is not None
    _eventually(lambda: "deaf" in detached.tail(places.log_file(home, "part")))
    assert end(home, record, grace_seconds=0.2)
    assert not is_alive(process)


def test_what_a_killed_process_left_behind_is_ended(home: Path) -> None:
    record = _launch(home, [sys.executable, "-c", PARENT, STUBBORN])
    process = record.process()
    assert process is not None
    _eventually(lambda: len(record.marked()) == 2)
    _eventually(lambda: "deaf" in detached.tail(places.log_file(home, "part")))
    process.kill()
    _eventually(lambda: not is_alive(process))
    assert record.process() is None
    (left,) = record.marked()
    assert end(home, record, grace_seconds=20)
    assert not is_alive(left)


def test_a_program_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(PlatformError, match="no-such-program"):
        _launch(home, ["/no-such-program"])
    assert Record.load(home, "part") is None


def test_a_long_log_is_begun_anew_and_kept_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detached, "_LOG_KEPT_BYTES", 10)
    log = places.log_file(home, "part")
    for text in (b"first, long enough", b"second, long enough", b"third"):
        with detached.log_for_appending(log) as descriptor:
            os.write(descriptor, text)
    assert log.read_bytes() == b"third"
    assert log.with_name("part.log.1").read_bytes() == b"second, long enough"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_new_home_is_closed_and_an_old_one_is_closed_for_looking(tmp_path: Path) -> None:
    places.prepare(tmp_path / "new")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    (tmp_path / "old").mkdir()
    (tmp_path / "old").chmod(0o755)
    places.prepare(tmp_path / "old")
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o711
