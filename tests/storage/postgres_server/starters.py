"""Starting a server from other processes and accounts, as its users do, and looking at its processes."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from storage.postgres_server import PostgresServer

CALL = """
import dataclasses, json, sys
from pathlib import Path
import storage.postgres_server as postgres
function, home = sys.argv[1], Path(sys.argv[2])
options = {key: Path(value) for key, value in json.loads(sys.argv[3]).items()}
try:
    answer = getattr(postgres, function)(home, **options)
    if isinstance(answer, postgres.PostgresServer):
        answer = dataclasses.asdict(answer) | {"data_dir": str(answer.data_dir)}
except postgres.PostgresUnavailable as refusal:
    answer = {"refused": str(refusal)}
print(json.dumps(answer))
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
AS_ROOT = os.geteuid() == 0


def command(function: str, home: Path, *, python: list[str] | None = None, **options: Path) -> list[str]:
    """A command that calls one of the package's functions and prints its answer as JSON."""
    arguments = json.dumps({key: str(value) for key, value in options.items()})
    return [*(python or [sys.executable]), "-c", CALL, function, str(home), arguments]


def call(
    function: str, home: Path, *, python: list[str] | None = None, uid: int | None = None, **options: Path
) -> object:
    """What `function` answers in a process of its own, under account `uid` if one is given."""
    done = subprocess.run(
        command(function, home, python=python, **options),
        env=ENVIRONMENT | {"HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        user=uid,
        group=None if uid is None else uid,
        extra_groups=None if uid is None else [],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def server_of(answer: object) -> PostgresServer:
    assert isinstance(answer, dict), answer
    assert "refused" not in answer, answer["refused"]
    return PostgresServer(answer["pid"], answer["port"], Path(answer["data_dir"]), answer["password"])


def refusal_of(answer: object) -> str:
    assert isinstance(answer, dict)
    return str(answer["refused"])


def python_for(uid: int) -> list[str]:
    """A Python that account `uid` can execute and that finds our packages; skips the test where there is
    none.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            tried = subprocess.run(
                [python, "-c", "import psutil, psycopg, storage.postgres_server"],
                env=ENVIRONMENT,
                capture_output=True,
                check=False,
                user=uid,
                group=uid,
                extra_groups=[],
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return [python]
    if setpriv := shutil.which("setpriv"):  # may read and execute everything, and is an ordinary user otherwise
        reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        return [setpriv, f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *reading, sys.executable]
    pytest.skip("no Python that another account can execute")


def ordinary_uid() -> int:
    """An unprivileged account of this machine other than the one that root's servers run under."""
    for name in ("daemon", "bin", "games"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip("no second unprivileged account on this machine")


def processes_of(server: PostgresServer) -> list[psutil.Process]:
    """Every live process of the server, found by the data directory they work in."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(server.data_dir):
                found.append(process)
        except psutil.Error:
            continue
    return found


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds, failing with `what` after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.005)
