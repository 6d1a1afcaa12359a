"""What was acknowledged is there after kill -9 of the process that serves; what was not is there once or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from storage.composition import new_id, now
from storage.platform_processes import commands
from tests.faults.stage import eventually
from tests.fixtures.platform import free_port
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query

KILLS = 2
SIZE = 40  # points of a report of many


@dataclass
class Reporter:
    """Reports to a version of its own, one report after another; the n-th has points of n milliseconds each.

    keyed: a report without an answer is repeated under its key until there is one.
    """

    version: str
    token: str
    size: int
    keyed: bool
    acknowledged: list[int] = field(default_factory=list)
    unanswered: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    turn: int = 0
    repeat: str | None = None

    def report_until_it_breaks(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            while True:
                if self.repeat is None:
                    self.turn += 1
                key = self.repeat or new_id()
                try:
                    answer = self.report(client, key)
                except httpx.TransportError:
                    if self.keyed:
                        self.repeat = key
                    else:
                        self.unanswered.append(self.turn)
                    return
                if answer.status_code != 200:
                    self.problems.append(answer.text)
                    return
                self.repeat = None
                self.acknowledged.append(self.turn)

    def report(self, client: httpx.Client, key: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        if self.keyed:
            headers["Idempotency-Key"] = key
        path = f"/api/models/enterprise/registry/{self.version}/inference"
        if self.size == 1:
            return client.post(path, params={"timing_ms": self.turn}, headers=headers)
        return client.post(path, json=[{"timing_ms": self.turn}] * self.size, headers=headers)

    @property
    def possible(self) -> set[tuple[int, int]]:
        """(points, nanoseconds) that may be stored: everything acknowledged, and any of what was not."""
        sums = {(len(self.acknowledged), sum(self.acknowledged))}
        for turn in self.unanswered:
            sums |= {(count + 1, total + turn) for count, total in sums}
        return {(count * self.size, total * self.size * 1_000_000) for count, total in sums}


@contextmanager
def api_process(registry: RegistryUnderTest, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "GATEHOUSE_HOME": str(registry.settings.home),
        "GATEHOUSE_DATABASE_URL": registry.settings.database_url,
        "GATEHOUSE_RATE_PER_PRINCIPAL": "0",
        "GATEHOUSE_RATE_PER_ADDRESS": "0",
    }
    url = f"http://127.0.0.1:{port}"
    with log.open("ab") as output:
        process = subprocess.Popen(
            commands.api(port), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        eventually("the server's start", lambda: _alive(url))
        yield url, process
    finally:
        process.kill()
        process.wait()


def _alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("loopback_only")
def test_nothing_acknowledged_is_lost(registry_under_test: RegistryUnderTest, tmp_path: Path) -> None:
    r = registry_under_test
    r.at = now()
    token, _ = r.token(r.dev)
    reporters = [
        Reporter(r.version(r.model(), weights=None), token, size, keyed)
        for size in (1, SIZE)
        for keyed in (False, True)
        for _ in range(2)
    ]
    for kill in range(1, KILLS + 1):
        with api_process(r, tmp_path / "api.log") as (url, process):
            threads = [threading.Thread(target=one.report_until_it_breaks, args=(url,)) for one in reporters]
            before = [len(one.acknowledged) for one in reporters]
            for thread in threads:
                thread.start()

            def everybody_was_answered(before: list[int] = before, kill: int = kill) -> bool:
                return all(
                    len(one.acknowledged) >= had + 3 * kill or one.problems
                    for one, had in zip(reporters, before, strict=True)
                )

            eventually("answers to everybody", everybody_was_answered)
            process.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join(30)
        assert not [one.problems for one in reporters if one.problems]
    with api_process(r, tmp_path / "api.log") as (url, process):  # who has a key learns what became of their last one
        for one in reporters:
            if one.keyed and one.repeat is not None:
                with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
                    assert one.report(client, one.repeat).status_code == 200
                    one.acknowledged.append(one.turn)
    gone = "select count(*) from pg_stat_activity where datname = current_database() and state <> 'idle'"
    eventually("the end of what was under way", lambda: query(r, gone)[0][0] == 1)
    for one in reporters:
        (sums,) = query(r, "select sum(points), sum(sum_ns) from inference_sketches where version_id = %s", one.version)
        assert (int(sums[0]), int(sums[1])) in one.possible
        totals = query(r, "select points, sum_ns from inference_totals where version_id = %s", one.version)
        assert [(int(points), int(total)) for points, total in totals] == [(int(sums[0]), int(sums[1]))]
        assert len(one.acknowledged) >= KILLS * 3
        assert not (one.keyed and len(one.possible) > 1), "whoever repeats under a key knows what is stored"
    assert any(one.unanswered for one in reporters if not one.keyed)
