"""What a confined process may do when a parser has been taken over; run by the tests of the sandbox."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULT = Path("result.json")


def run(job: Mapping[str, Any]) -> Mapping[str, Any]:
    return ACTS[job["act"]](job)


def describe(job: Mapping[str, Any]) -> dict[str, Any]:
    """What the process finds around it."""
    return {
        "environment": dict(os.environ),
        "folder": sorted(os.listdir()),
        "cwd": os.getcwd(),
        "path": sys.path,
        "session": os.getsid(0) == os.getpid(),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    }


def tell_secret(job: Mapping[str, Any]) -> dict[str, Any]:
    """The secret, and where it would show if it were given in another way."""
    places = {name: Path(f"/proc/self/{name}").read_text() for name in ("cmdline", "environ")}
    return {"secret": sys.stdin.read(), "again": sys.stdin.read(), **places, "job": Path("job.json").read_text()}


def segfault(job: Mapping[str, Any]) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def abort(job: Mapping[str, Any]) -> dict[str, Any]:
    os.abort()


def spin(job: Mapping[str, Any]) -> dict[str, Any]:
    while True:
        pass


def sleep(job: Mapping[str, Any]) -> dict[str, Any]:
    Path(job["pid_file"]).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def deaf(job: Mapping[str, Any]) -> dict[str, Any]:
    """Closes what the parent listens to and ignores what can be ignored."""
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    os.close(2)
    while True:
        time.sleep(60)


def grow(job: Mapping[str, Any]) -> dict[str, Any]:
    kept = []
    while True:
        kept.append(bytearray(64 * 1024**2))


def swell(job: Mapping[str, Any]) -> dict[str, Any]:
    with open("large", "wb") as file:
        while True:
            file.write(bytes(1024**2))


def shout(job: Mapping[str, Any]) -> dict[str, Any]:
    for _ in range(200):
        os.write(2, b"x" * 100_000)
    os.write(2, b"\n\x1b[31mthe last words\x00\n")
    os._exit(3)


def breed(job: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves a process behind that holds nothing of the parent's."""
    child = os.fork()
    if child == 0:
        os.close(2)
        time.sleep(600)
        os._exit(0)
    return {"pid": child}


def silent(job: Mapping[str, Any]) -> dict[str, Any]:
    os._exit(0)


def forge(job: Mapping[str, Any]) -> dict[str, Any]:
    RESULT.write_bytes(bytes.fromhex(job["content"]))
    os._exit(0)


def link(job: Mapping[str, Any]) -> dict[str, Any]:
    RESULT.symlink_to(job["target"])
    os._exit(0)


def pipe(job: Mapping[str, Any]) -> dict[str, Any]:
    os.mkfifo(RESULT)
    os._exit(0)


def flood(job: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": "x" * 5_000_000}


def fail(job: Mapping[str, Any]) -> dict[str, Any]:
    raise ValueError("line one\nline two \x1b[31m" + "y" * 5000)


ACTS: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    act.__name__: act
    for act in (
        describe, tell_secret, segfault, abort, spin, sleep, deaf, grow, swell,
        shout, breed, silent, forge, link, pipe, flood, fail,
    )
}  # fmt: skip
