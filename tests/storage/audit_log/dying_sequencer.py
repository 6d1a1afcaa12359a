"""A process that runs sequencers in children of its own and lets them die: `python -m … DSN DIRECTORY`.

Commands, one a line, each answered by a line:
`drain N`: a child drains the log and kills itself (SIGKILL) before the N-th line of the audit log's code that
it executes. Answer: `killed`, or `done` when it finished before.
`run`: a child runs a sequencer until it is killed from outside. Answer: its process id.
`reap PID`: wait for a child that was killed. Answer: `reaped`.

Forking from a process that has everything imported, and no thread, makes a trial cheap.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import storage.audit_log
from storage.audit_log import Sequencer
from tests.governance.audit.histories import AUDIT_KEY, SIGNING_KEY, VERIFIER

WATCHED = str(Path(storage.audit_log.__file__).parent)


def die_before_line(number: int) -> None:
    """Kill this process when it is about to execute its `number`-th line of the audit log's code."""
    left = number

    def watch(frame: FrameType, happening: str, argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(WATCHED):
            return None
        if happening == "line":
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return watch

    sys.settrace(watch)


def child(command: list[str], dsn: str, directory: Path) -> None:
    sequencer = Sequencer(dsn, directory, SIGNING_KEY, VERIFIER.name, audit_key=AUDIT_KEY, batch_rows=3)
    if command[0] == "drain":
        die_before_line(int(command[1]))
        sequencer.drain()
    else:
        sequencer.run(threading.Event())


def serve(dsn: str, directory: Path) -> None:
    running: set[int] = set()
    try:
        for line in sys.stdin:
            command = line.split()
            if command[0] == "reap":
                os.waitpid(int(command[1]), 0)
                running.discard(int(command[1]))
                print("reaped", flush=True)
                continue
            process = os.fork()
            if process == 0:
                status = 1
                try:
                    child(command, dsn, directory)
                    status = 0
                finally:
                    os._exit(status)
            if command[0] == "run":
                running.add(process)
                print(process, flush=True)
            else:
                _, status = os.waitpid(process, 0)
                print({signal.SIGKILL: "killed", 0: "done"}.get(status, f"failed {status}"), flush=True)
    finally:
        for process in running:
            os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
