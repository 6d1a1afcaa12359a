"""The fork server: a process with one thread that imports everything once and then forks on request.

Its whole life hangs on one socket to the worker. The worker asks with one byte and the child's end of a new socket
(`SPARE` or `NOW`); the fork server answers in lines of JSON:

    {"ready": pid}              the modules are imported, ask away
    {"refused": reason}         they are not; the process ends
    {"born": pid}               for each request, in order
    {"unborn": reason}          instead, when the system has no room for another process
    {"dead": pid, "code": n}    when a child has ended; -n is signal n

The socket's end means that the worker is gone. Running children notice that by themselves and report their runs
crashed; whatever is still there after `GRACE_SECONDS` is killed here, even if it never returns to Python code.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

from flows.worker.child import GRACE_SECONDS, live
from flows.worker.job import SPARE
from flows.worker.preloading import PreloadRefusedError, preload

Birth = tuple[bytes, socket.socket]
"""In a newborn child: what was asked for, and its socket to the worker."""


def main() -> None:
    """Run as `-c "from flows.worker.forking import main; main()" <socket fd> <module>...`."""
    # Ctrl-C and a SIGTERM to the whole process group are the worker's to handle: it needs us while it drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        modules = preload(sys.argv[2:])
    except PreloadRefusedError as refusal:
        _tell(control, refused=str(refusal))
        raise SystemExit(1) from refusal
    gc.collect()
    gc.freeze()  # the collector leaves the imported objects alone, so children go on sharing their memory
    _tell(control, ready=os.getpid())
    birth = _fork_until_alone(control)
    if birth is not None:
        request, job_socket = birth
        control.close()
        _leave_after(lambda: live(job_socket, modules, spare=request == SPARE))
    _leave_after(lambda: 0)


def _leave_after(life: Callable[[], int]) -> NoReturn:
    """Live, then leave at once: interpreter shutdown would only touch, and so copy, the shared memory."""
    code = 1
    try:
        code = life()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _fork_until_alone(control: socket.socket) -> Birth | None:
    """Serve fork requests until the worker hangs up. Returns in every child too, with its birth."""
    children: set[int] = set()
    with _woken_by_deaths() as deaths:
        while True:
            ready, _, _ = select.select([control, deaths], [], [])
            if deaths in ready:
                deaths.recv(4096)
                _bury(children, control)
            if control in ready:
                request, descriptors = _next_request(control)
                if not request:
                    break
                job_socket = socket.socket(fileno=descriptors[0])
                if _fork(children, control):
                    return request, job_socket
                job_socket.close()
        _outlive(children, control, deaths)
    return None


def _next_request(control: socket.socket) -> tuple[bytes, list[int]]:
    """The byte and the descriptor; nothing once the worker is gone, which is an error if reports lay unread."""
    try:
        request, descriptors, _, _ = socket.recv_fds(control, 1, 1)
    except ConnectionError:
        return b"", []
    return request, descriptors


@contextlib.contextmanager
def _woken_by_deaths() -> Iterator[socket.socket]:
    """A socket that becomes readable whenever a child has died; all undone on leaving, as a child must."""
    readable, writable = socket.socketpair()
    with readable, writable:
        readable.setblocking(False)
        writable.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakeups are written only for signals with a handler
        signal.set_wakeup_fd(writable.fileno(), warn_on_full_buffer=False)
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _fork(children: set[int], control: socket.socket) -> bool:
    """Fork. True in the child, which leads a process group of its own so that a kill reaches what it started."""
    try:
        pid = os.fork()
    except OSError as full:
        _tell(control, unborn=str(full))
        return False
    with contextlib.suppress(OSError):  # both sides do it: neither may act on the group before it exists
        os.setpgid(pid, pid)
    if pid == 0:
        return True
    children.add(pid)
    _tell(control, born=pid)
    return False


def _bury(children: set[int], control: socket.socket) -> None:
    """Report ended children, after killing what they left running. The unreaped pid cannot be another's yet."""
    while children and (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
        _kill_group(ended.si_pid)
        _, status = os.waitpid(ended.si_pid, 0)
        children.discard(ended.si_pid)
        _tell(control, dead=ended.si_pid, code=os.waitstatus_to_exitcode(status))


def _outlive(children: set[int], control: socket.socket, deaths: socket.socket) -> None:
    deadline = time.monotonic() + GRACE_SECONDS + 1
    while children and (left := deadline - time.monotonic()) > 0:
        select.select([deaths], [], [], left)
        with contextlib.suppress(BlockingIOError):
            deaths.recv(4096)
        _bury(children, control)
    for pid in children:
        _kill_group(pid)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _tell(control: socket.socket, **report: int | str) -> None:
    with contextlib.suppress(OSError):  # nobody is listening any more; the loop is about to find out
        control.sendall(json.dumps(report).encode() + b"\n")
