"""Run our own code on foreign files in a process that can do little harm, and say plainly how it ended.

The process has its own session, its own empty working directory, an environment without a single variable of
ours (no database URL, no key, no token), and limits on address space, processor time, file size and open
files. At the wall-clock limit, and whatever happens in the parent, its whole process group is killed. What
it leaves behind is as
foreign as what it was given: read without following links, bounded in size, checked before use.

This is not a jail: the process runs as the same user. It guards against files that exhaust or crash a
parser, which is what malformed models do. Formats that carry code by design never get this far (see
`flows.weights`).
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from flows.evaluation.confined import is_out_of_memory
from flows.evaluation.job import FailureKind, Limits

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("confined.py")
RESULT_LIMIT = 4 * 1024**2  # bytes
TAIL = 4096  # bytes of stderr that are kept
KINDS = frozenset({"model", "dataset", "timeout", "memory", "crash", "unavailable"})


@dataclass(frozen=True, slots=True)
class Answer:
    """The process ended well and left a JSON object. Its content is still foreign. seconds: wall-clock
    time."""

    value: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Broken:
    kind: FailureKind
    reason: str


def run_confined(
    module: str, job: Mapping[str, Any], *, limits: Limits, scratch: Path, secret: str = ""
) -> Answer | Broken:
    """Call `module.run(job)` in a confined process whose working directory is `scratch` (private, ours to
    fill).

    `job` must be JSON; paths in it absolute. secret: at most 8 KiB, given to the process through a pipe as its standard
    input, so that it stands in no file, argument or variable. Raises OSError only when the machine cannot start a
    process.
    """
    (scratch / "job.json").write_text(json.dumps(job))
    started = time.monotonic()
    with _piped(secret) as standard_input:
        process = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT), str(ROOT), module, json.dumps(asdict(limits)), str(os.getpid())],
            cwd=scratch,
            env=_environment(scratch),
            stdin=standard_input,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    try:
        tail, ended = _await(process, started + limits.wall_seconds)
    finally:
        _kill_group(process)
    if not ended:
        return Broken("timeout", f"It did not finish within {limits.wall_seconds:g} seconds.")
    broken = _ending(process.returncode, tail, limits)
    return broken or _result(scratch / "result.json", limits, time.monotonic() - started)


def plain(text: str, limit: int = 400) -> str:
    """Foreign text made fit for a person: printable, on one line, of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def open_foreign(path: Path, limit: int) -> int:
    """File descriptor of a regular file of at most `limit` bytes. Raises OSError for links, devices, pipes,
    more."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
        os.close(descriptor)
        raise OSError(f"{path.name} is not a regular file of at most {limit} bytes")
    return descriptor


@contextlib.contextmanager
def _piped(secret: str) -> Iterator[int]:
    """A file descriptor to read the secret from, which fits into the pipe, and then the end."""
    reading, writing = os.pipe()
    try:
        try:
            os.write(writing, secret.encode("ascii"))
        finally:
            os.close(writing)
        yield reading
    finally:
        os.close(reading)


def _environment(scratch: Path) -> dict[str, str]:
    """Built from nothing. One thread everywhere: it is faster for small models and keeps the memory bound
    honest."""
    environment = {
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    if "LD_LIBRARY_PATH" in os.environ:  # some Python builds do not start without it
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment


def _await(process: subprocess.Popen[bytes], deadline: float) -> tuple[str, bool]:
    """(the end of its stderr, whether it ended before the deadline)."""
    tail = b""
    assert process.stderr is not None  # noqa: S101 - PIPE above
    with selectors.DefaultSelector() as selector, process.stderr as stderr:
        selector.register(stderr, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                continue
            chunk = os.read(stderr.fileno(), 65536)
            if not chunk:
                break
            tail = (tail + chunk)[-TAIL:]
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return tail.decode(errors="replace"), False
    return tail.decode(errors="replace"), True


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(code: int, tail: str, limits: Limits) -> Broken | None:
    """Why a process that did not exit with 0 ended."""
    if code == 0:
        return None
    if code == -signal.SIGXCPU:
        return Broken("timeout", f"It used more than {limits.cpu_seconds} seconds of processor time.")
    if "MemoryError" in tail or is_out_of_memory(tail) or code == -signal.SIGKILL:
        return _too_much_memory(limits)
    if code < 0:
        return Broken("crash", f"The process was ended by {_signal_name(-code)}.")
    last = plain(tail.strip().rpartition("\n")[2], 300) or "no message"
    return Broken("crash", f"The process failed with exit code {code}: {last}")


def _too_much_memory(limits: Limits) -> Broken:
    return Broken("memory", f"It needs more than the {limits.memory // 1024**2} MiB of memory that are allowed.")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _result(path: Path, limits: Limits, seconds: float) -> Answer | Broken:
    try:
        with open(open_foreign(path, RESULT_LIMIT), "rb") as file:
            result = json.loads(file.read(RESULT_LIMIT + 1))
    except (OSError, ValueError, RecursionError):
        return Broken("crash", "The process left no readable result.")
    value = result.get("value") if isinstance(result, dict) else None
    if isinstance(value, dict):
        return Answer(value, seconds)
    failure = result.get("failure") if isinstance(result, dict) else None
    if not isinstance(failure, dict) or failure.get("kind") not in KINDS:
        return Broken("crash", "The process left no readable result.")
    if failure["kind"] == "memory":
        return _too_much_memory(limits)
    return Broken(cast(FailureKind, failure["kind"]), plain(str(failure.get("reason", ""))) or "No reason was given.")
