"""The limited process that holds Great Expectations, kept between jobs and begun anew when it is lost."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from flows.data_validation.child import OFFLINE
from flows.evaluation.job import FailureKind, Limits
from flows.evaluation.sandbox import KINDS, ROOT, Answer, Broken, clean_environment, plain

SCRIPT = Path(__file__).with_name("child.py")
LOADING_SECONDS = 120.0  # the library takes 5 to 12 s to load on a quiet machine
LARGEST_ANSWER = 8 * 1024**2  # bytes
MOST_JOBS = 1_000  # then a new process takes over, whatever a library has kept
_NEVER = 10**9  # seconds of processor time of a whole process; each job has a limit of its own


class GxProcess:
    """`ask` may be called from one thread at a time. limits: of the process, and of one job in it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Path | None = None
        self._jobs = 0
        self._kept = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    def ask(self, job: Mapping[str, Any]) -> Answer | Broken:
        """The answer to one job, which is JSON. After anything but an answer the next job gets a new process.

        Raises OSError only when the machine cannot start a process.
        """
        if self._jobs >= MOST_JOBS:
            self.close()
        started = time.monotonic()
        try:
            if self._process is None:
                self._start()
                ready = self._read(started + LOADING_SECONDS)
                if isinstance(ready, Broken):
                    self.close()
                    return ready
            started = time.monotonic()
            self._jobs += 1
            found = self._asked(job, started + self._limits.wall_seconds)
        except BaseException:
            self.close()  # its next answer would be to a question that nobody remembers
            raise
        if isinstance(found, Broken):
            self.close()
            return found
        return _understood(found, self._limits, time.monotonic() - started)

    def close(self) -> None:
        """End the process; the next job starts another."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
        self._kept, self._jobs = b"", 0

    def _start(self) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="expectations-"))
        limits = asdict(replace(self._limits, cpu_seconds=_NEVER))
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT), str(ROOT), json.dumps(limits), str(os.getpid())],
            cwd=self._scratch,
            env={**clean_environment(self._scratch), **OFFLINE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _asked(self, job: Mapping[str, Any], deadline: float) -> bytes | Broken:
        assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018 - started above
        line = json.dumps({**job, "cpuSeconds": self._limits.cpu_seconds, "limits": asdict(self._limits)})
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return self._ended()
        return self._read(deadline)

    def _read(self, deadline: float) -> bytes | Broken:
        """One line, without its end."""
        assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018 - started above
        pipe = self._process.stdout
        parts = [self._kept]
        size = len(self._kept)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"\n" not in parts[-1]:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    return Broken("timeout", f"It did not finish within {self._limits.wall_seconds:g} seconds.")
                chunk = os.read(pipe.fileno(), 64 * 1024)
                if not chunk:
                    return self._ended()
                parts.append(chunk)
                size += len(chunk)
                if size > LARGEST_ANSWER:
                    return Broken("crash", "It found more than can be told.")
        line, _, self._kept = b"".join(parts).partition(b"\n")
        return line

    def _ended(self) -> Broken:
        """Why the process is no more."""
        assert self._process is not None  # noqa: S101 - only called for one that was started
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            return Broken("crash", "The process stopped answering.")
        if code == -signal.SIGXCPU:
            return Broken("timeout", f"It used more than {self._limits.cpu_seconds} seconds of processor time.")
        if code in (-signal.SIGKILL, -signal.SIGABRT):
            return _too_much_memory(self._limits)
        return Broken("crash", f"The process ended with {code}.")


def _too_much_memory(limits: Limits) -> Broken:
    return Broken("memory", f"It needs more than the {limits.memory // 1024**2} MiB of memory that are allowed.")


def _understood(line: bytes, limits: Limits, seconds: float) -> Answer | Broken:
    try:
        result = json.loads(line)
    except (ValueError, RecursionError):
        return Broken("crash", "The process gave no readable answer.")
    value = result.get("value") if isinstance(result, dict) else None
    if isinstance(value, dict):
        return Answer(value, seconds)
    failure = result.get("failure") if isinstance(result, dict) else None
    if not isinstance(failure, dict) or failure.get("kind") not in KINDS:
        return Broken("crash", "The process gave no readable answer.")
    if failure["kind"] == "memory":
        return _too_much_memory(limits)
    return Broken(cast(FailureKind, failure["kind"]), plain(str(failure.get("reason", ""))) or "No reason was given.")
