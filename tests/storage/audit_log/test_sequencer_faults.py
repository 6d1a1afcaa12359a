"""Whatever is killed, whenever: nothing is lost or doubled, the numbers have no gap, the log verifies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from governance.audit.entry import draft
from storage.audit_log import CREATE_STATEMENTS, append
from storage.postgres_server import ensure_database, start
from tests.governance.audit.histories import AUDIT_KEY, event
from tests.storage.audit_log.platform import AuditedPlatform, eventually, running


class MortalSequencers:
    """Speaks with `dying_sequencer`, whose children die in our stead."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, "the process of the sequencers has died"
        return answer

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        assert self.ask(f"reap {pid}") == "reaped"


@contextmanager
def mortal_sequencers(platform: AuditedPlatform) -> Iterator[MortalSequencers]:
    command = [
        sys.executable,
        "-m",
        "tests.storage.audit_log.dying_sequencer",
        platform.dsn,
        str(platform.directory),
    ]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield MortalSequencers(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)


class Writers:
    """Threads that record events until told to stop; knows which commits were acknowledged."""

    def __init__(self, platform: AuditedPlatform, count: int) -> None:
        self._platform = platform
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(count)]
        self._lock = threading.Lock()
        self.acknowledged: list[str] = []
        self.unknown: list[str] = []

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self) -> None:
        """Pauses between transactions, so that the sequencers and not the writers keep the processor."""
        while not self._stop.wait(0.003):
            (number,) = self._platform.numbers(1)
            identifier = event(number).id
            try:
                with self._platform.engine.begin() as connection:
                    append(connection, [event(number)], key=AUDIT_KEY)
            except DBAPIError:
                self._note(self.unknown, identifier)
                self._stop.wait(0.05)
            else:
                self._note(self.acknowledged, identifier)

    def _note(self, outcome: list[str], identifier: str) -> None:
        with self._lock:
            outcome.append(identifier)


def must_be_whole(platform: AuditedPlatform, acknowledged: list[str], unknown: list[str]) -> None:
    """Everything acknowledged is in the sealed log exactly once; of the unknown, at most once."""
    recorded = platform.recorded_ids()
    assert len(set(recorded)) == len(recorded)
    assert set(acknowledged) <= set(recorded) <= set(acknowledged) | set(unknown)
    with psycopg.connect(platform.dsn) as connection:
        numbers = connection.execute("select min(seq), max(seq), count(*) from audit_entries").fetchone()
    assert numbers == (0, len(recorded) - 1, len(recorded))
    report = platform.verify()
    assert report.ok, report.findings
    assert (report.sealed, report.outbox) == (len(recorded), 0)


def lines_of_a_drain(platform: AuditedPlatform, sequencers: MortalSequencers) -> tuple[int, list[str]]:
    """How many lines of the audit log's code a drain of five entries executes; and what that recorded."""
    recorded: list[str] = []
    low, high = 1, 4096
    while low < high:
        middle = (low + high) // 2
        recorded += platform.record(5)
        killed = sequencers.ask(f"drain {middle}") == "killed"
        platform.sequencer().drain()
        low, high = (middle + 1, high) if killed else (low, middle)
    return low, recorded


def die_everywhere(platform: AuditedPlatform, deaths: int | None) -> None:
    """Kill a sequencer before `deaths` lines all over a drain (None: before every line), with work waiting.

    The log must hold after each death.
    """
    with mortal_sequencers(platform) as sequencers:
        end, recorded = lines_of_a_drain(platform, sequencers)
        assert 100 < end < 4000
        killed = 0
        for line in range(1, end + 1, 1 if deaths is None else end // deaths):
            recorded += platform.record(5)
            answer = sequencers.ask(f"drain {line}")
            assert answer in ("killed", "done")
            killed += answer == "killed"
            report = platform.verify()
            assert report.ok, (line, report.findings)
            assert report.entries + report.outbox == len(recorded)
        assert killed >= (deaths or 100)
    platform.sequencer().drain()
    must_be_whole(platform, recorded, [])


def test_death_at_lines_all_over_a_drain_loses_nothing(platform: AuditedPlatform) -> None:
    die_everywhere(platform, 24)


@pytest.mark.prove
def test_death_at_every_line_of_a_drain_loses_nothing(platform: AuditedPlatform) -> None:
    die_everywhere(platform, None)


def kill_under_load(platform: AuditedPlatform, kills: int, seed: str) -> None:
    """Two sequencers at a time, of which one, leader or follower, is killed at a random moment."""
    random = Random(seed)
    with mortal_sequencers(platform) as sequencers:
        with Writers(platform, 3) as writers:
            alive = [int(sequencers.ask("run")) for _ in range(2)]
            for _ in range(kills):
                goal = len(writers.acknowledged) + random.randrange(5, 60)
                eventually(lambda goal=goal: len(writers.acknowledged) >= goal)  # type: ignore[misc]
                victim = alive.pop(random.randrange(2))
                sequencers.kill(victim)
                alive.append(int(sequencers.ask("run")))
        eventually(lambda: platform.verify().sealed == len(writers.acknowledged))
        for pid in alive:
            sequencers.kill(pid)
    assert writers.unknown == []
    platform.sequencer().drain()
    must_be_whole(platform, writers.acknowledged, writers.unknown)


def test_killed_sequencers_under_load_lose_nothing(platform: AuditedPlatform) -> None:
    kill_under_load(platform, 8, "eight kills")


@pytest.mark.prove
def test_many_killed_sequencers_under_load_lose_nothing(platform: AuditedPlatform) -> None:
    kill_under_load(platform, 150, "many kills")


def kill_database_under_load(home: Path, directory: Path, kills: int) -> None:
    server = start(home)
    ensure_database(server.url("postgres"), "audited")
    dsn = server.url("audited")
    with psycopg.connect(dsn) as connection:
        for statement in CREATE_STATEMENTS:
            connection.execute(statement)
    with AuditedPlatform(dsn, directory) as platform:
        with running(platform.sequencer()) as first, running(platform.sequencer()) as second:
            with Writers(platform, 3) as writers:
                for _ in range(kills):
                    goal = len(writers.acknowledged) + 40
                    eventually(lambda goal=goal: len(writers.acknowledged) >= goal)  # type: ignore[misc]
                    os.kill(server.pid, signal.SIGKILL)
                    server = start(home)
                    assert server.url("audited") == dsn
                    goal = len(writers.acknowledged) + 20
                    eventually(lambda goal=goal: len(writers.acknowledged) >= goal)  # type: ignore[misc]
            eventually(lambda: platform.verify().outbox == 0)
            eventually(lambda: max(first.status.sealed, second.status.sealed) >= len(writers.acknowledged))
        platform.sequencer().drain()
        must_be_whole(platform, writers.acknowledged, writers.unknown)


def test_a_killed_database_interrupts_the_sequencers_but_does_not_end_them(postgres_home: Path, tmp_path: Path) -> None:
    kill_database_under_load(postgres_home, tmp_path / "audit", 1)


@pytest.mark.prove
def test_a_database_killed_again_and_again_loses_nothing(postgres_home: Path, tmp_path: Path) -> None:
    kill_database_under_load(postgres_home, tmp_path / "audit", 12)


def test_a_transaction_that_dies_with_its_client_records_nothing(platform: AuditedPlatform) -> None:
    insert = "insert into audit_outbox (entry, leaf, mac) values (%s, %s, %s)"
    connection = psycopg.connect(platform.dsn)
    connection.execute(insert, draft(event(1), AUDIT_KEY))
    connection.close()
    platform.sequencer().drain()
    assert platform.recorded_ids() == []
