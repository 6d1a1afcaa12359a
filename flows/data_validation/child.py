"""The process that holds Great Expectations: it answers jobs, one JSON line each, until its input ends.

Run by `flows.data_validation.process` as a script: `python -I child.py ROOT LIMITS PARENT`. The first line that it
writes says that the library is loaded. A job is {"op": "validate" | "profile", "cpuSeconds", ...}; an answer is
{"value": {...}} or {"failure": {"kind", "reason"}}.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import IO, Any

OFFLINE = {"GX_ANALYTICS_ENABLED": "false"}


class NoConnectionError(Exception):
    """Something in this process wanted to talk to the network."""


def main() -> None:
    root, limits, parent = sys.argv[1:4]
    sys.path.insert(0, root)
    from flows.evaluation.confined import confine, die_with

    confine(json.loads(limits))
    die_with(int(parent))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    forbid_connections()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    from flows.data_validation.checking import Checker

    checker = Checker()
    _send(answers, {"value": {"ready": True}})
    for line in sys.stdin.buffer:
        job = json.loads(line)
        _allow_cpu(job["cpuSeconds"])
        _send(answers, answered(lambda job=job: getattr(checker, job["op"])(job)))  # type: ignore[misc]


def forbid_connections() -> None:
    """No Python code here opens a connection, whatever a library thinks it may report to its makers.

    libpq, by which a table of a database is read, is not Python code.
    """

    def refuse(event: str, _: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"):
            raise NoConnectionError(event)

    sys.addaudithook(refuse)


def answered(run: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    from flows.evaluation.confined import is_out_of_memory
    from flows.evaluation.job import RefusedError

    try:
        return {"value": run()}
    except RefusedError as refusal:
        return {"failure": {"kind": refusal.kind, "reason": refusal.reason}}
    except MemoryError:
        return {"failure": {"kind": "memory", "reason": ""}}
    except Exception as error:  # whatever a library makes of foreign data
        kind = "memory" if is_out_of_memory(str(error)) else "crash"
        # Its message may quote the data; only the name of the error is told.
        return {"failure": {"kind": kind, "reason": f"Great Expectations ended with {type(error).__name__}."}}


def _allow_cpu(seconds: int) -> None:
    """Seconds of processor time for what comes next; beyond them the kernel ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _send(answers: IO[bytes], answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer, allow_nan=False).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
    os._exit(0)
