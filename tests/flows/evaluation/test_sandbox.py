from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flows.evaluation.job import MIB, Limits
from flows.evaluation.sandbox import ROOT, Answer, Broken, plain, run_confined

MODULE = "tests.flows.evaluation.hostile"
LIMITS = Limits(memory=512 * MIB, cpu_seconds=20, wall_seconds=60.0, written=8 * MIB, open_files=32)


def _run(act: str, scratch: Path, limits: Limits = LIMITS, **job: Any) -> Answer | Broken:
    return run_confined(MODULE, {"act": act, **job}, limits=limits, scratch=scratch)


def _gone(pid: int) -> bool:
    """Dead, whether or not somebody has collected its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while not _gone(pid):
        assert time.monotonic() < deadline, f"process {pid} lives"
        time.sleep(0.01)


def test_the_process_finds_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/tmp")
    answer = _run("describe", tmp_path)
    assert isinstance(answer, Answer)
    found = answer.value
    assert "secret" not in json.dumps(found["environment"])
    assert not [name for name in found["environment"] if name.startswith(("GATEHOUSE", "PREFECT", "AWS", "PG"))]
    assert found["environment"]["HOME"] == found["cwd"] == str(tmp_path)
    assert found["folder"] == ["job.json"]
    assert "/tmp" not in found["path"]
    assert "" not in found["path"]
    assert found["session"]
    assert found["core"] == 0
    assert len(found["descriptors"]) <= 4  # the standard three, and the folder being listed


@pytest.mark.parametrize("secret", ["", "hunter2", "h" * 8_192])
def test_a_secret_is_handed_over_without_being_shown(tmp_path: Path, secret: str) -> None:
    answer = run_confined(MODULE, {"act": "tell_secret"}, limits=LIMITS, scratch=tmp_path, secret=secret)
    assert isinstance(answer, Answer)
    assert (answer.value["secret"], answer.value["again"]) == (secret, "")
    shown = json.dumps([answer.value[place] for place in ("cmdline", "environ", "job")])
    assert not secret or secret not in shown


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        ("segfault", "crash", "SIGSEGV"),
        ("abort", "crash", "SIGABRT"),
        ("grow", "memory", "512 MiB"),
        ("swell", "crash", "File too large"),
        ("shout", "crash", "exit code 3: [31mthe last words"),
        ("silent", "crash", "no readable result"),
        ("pipe", "crash", "no readable result"),
        ("flood", "crash", "no readable result"),
        ("fail", "crash", "ValueError: line one line two [31myyy"),
    ],
)
def test_every_end_has_a_plain_reason(act: str, kind: str, words: str, tmp_path: Path) -> None:
    broken = _run(act, tmp_path)
    assert isinstance(broken, Broken)
    assert broken.kind == kind
    assert words in broken.reason
    assert broken.reason.isprintable()
    assert len(broken.reason) <= 500


@pytest.mark.parametrize("act", ["spin", "deaf"])
def test_the_wall_clock_limit(act: str, tmp_path: Path) -> None:
    broken = _run(act, tmp_path, Limits(wall_seconds=1.0))
    assert broken == Broken("timeout", "It did not finish within 1 seconds.")


def test_the_processor_time_limit(tmp_path: Path) -> None:
    broken = _run("spin", tmp_path, Limits(cpu_seconds=1))
    assert broken == Broken("timeout", "It used more than 1 seconds of processor time.")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"value": 3}',
        b'{"failure": {"kind": "triumph", "reason": "x"}}',
        b'{"failure": "x"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_forged_result_is_not_believed(content: bytes, tmp_path: Path) -> None:
    broken = _run("forge", tmp_path, content=content.hex())
    assert broken == Broken("crash", "The process left no readable result.")


def test_a_linked_result_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"value": {"password": "x"}}')
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert _run("link", scratch, target=str(secret)) == Broken("crash", "The process left no readable result.")


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    answer = _run("breed", tmp_path)
    assert isinstance(answer, Answer)
    _wait_until_gone(int(answer.value["pid"]))


def test_the_process_dies_with_its_parent(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        "import sys; from pathlib import Path; from flows.evaluation.job import Limits;"
        "from flows.evaluation.sandbox import run_confined;"
        f"run_confined({MODULE!r}, {{'act': 'sleep', 'pid_file': sys.argv[1]}}, limits=Limits(),"
        " scratch=Path(sys.argv[2]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(pid_file), str(tmp_path)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 30
        while not (pid_file.exists() and pid_file.read_text()):
            assert time.monotonic() < deadline
            assert parent.poll() is None
            time.sleep(0.01)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    _wait_until_gone(int(pid_file.read_text()))


def test_plain_text() -> None:
    assert plain("a\n\tb\x00 \x1b[31mc\u202e") == "a b [31mc"
    assert plain("x" * 1000) == "x" * 399 + "…"
