"""Whom the server runs as, and where its files lie for root and for an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from storage.postgres_server import PostgresServer, PostgresUnavailable, placement, running, start, stop
from storage.postgres_server.binaries import choose
from tests.storage.postgres_server.starters import (
    AS_ROOT,
    call,
    ordinary_uid,
    processes_of,
    python_for,
    refusal_of,
    server_of,
)

needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can become another account")


def owners(server: PostgresServer) -> set[int]:
    """The accounts of the server's processes, leaving out those that end while one looks."""
    found = set()
    for process in processes_of(server):
        with suppress(psutil.NoSuchProcess):
            found.add(process.uids().effective)
    return found


def remember(server: PostgresServer, word: str) -> None:
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("CREATE TABLE remembered AS SELECT %s::text AS word", [word])


def remembered(server: PostgresServer) -> str:
    with psycopg.connect(server.url("postgres")) as connection:
        row = connection.execute("SELECT word FROM remembered").fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def closed_home(postgres_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home inside a directory of root's that nobody else may enter, like /root/.gatehouse."""
    reachable = postgres_home / "var-lib-gatehouse"
    monkeypatch.setattr(placement, "REACHABLE", reachable)
    closed = postgres_home / "root"
    closed.mkdir(mode=0o700)
    home = closed / ".gatehouse"
    yield home
    stop(home, mode="immediate")


def test_the_server_never_runs_as_root(lasting_home: Path) -> None:
    server = start(lasting_home)
    expected = pwd.getpwnam("nobody").pw_uid if AS_ROOT else os.geteuid()
    assert owners(server) == {expected} == {server.data_dir.stat().st_uid}
    assert not AS_ROOT or 0 not in psutil.Process(server.pid).gids()
    assert (server.data_dir.parent / "password").stat().st_uid == os.geteuid()


@needs_root
def test_ordinary_user_runs_it_as_himself(postgres_home: Path) -> None:
    uid = ordinary_uid()
    python = python_for(uid)
    home = postgres_home / "home"
    home.mkdir()
    os.chown(home, uid, uid)
    server = server_of(call("start", home, python=python, uid=uid))
    assert owners(server) == {uid}
    remember(server, "by an ordinary user")
    assert server_of(call("start", home, python=python, uid=uid)) == server
    assert {path.stat().st_uid for path in home.rglob("*")} == {uid}
    assert call("stop", home, python=python, uid=uid) is True
    assert processes_of(server) == []
    later = server_of(call("start", home, python=python, uid=uid))
    assert remembered(later) == "by an ordinary user"
    assert call("stop", home, python=python, uid=uid) is True

    as_root = start(home)  # root finds a user's cluster and runs it as that user
    assert owners(as_root) == {uid}
    assert remembered(as_root) == "by an ordinary user"
    assert stop(home)


@needs_root
def test_another_users_server_is_refused_with_its_owner(lasting_home: Path) -> None:
    start(lasting_home)
    uid = ordinary_uid()
    refusal = refusal_of(call("start", lasting_home, python=python_for(uid), uid=uid))
    assert "Permission denied" in refusal or "belongs to the account nobody" in refusal
    assert "Use " in refusal


@needs_root
def test_account_unknown_to_the_machine_is_explained(postgres_home: Path) -> None:
    uid = 54_321
    home = postgres_home / "home"
    home.mkdir()
    os.chown(home, uid, uid)
    refusal = refusal_of(call("start", home, python=python_for(uid), uid=uid))
    assert "uid 54321" in refusal
    assert "/etc/passwd" in refusal


@needs_root
def test_configured_account_is_used_and_judged(postgres_home: Path) -> None:
    uid = ordinary_uid()
    with pytest.raises(PostgresUnavailable, match="no account 'nonexistent' on this machine"):
        start(postgres_home, account="nonexistent")
    with pytest.raises(PostgresUnavailable, match="refuses to run as root"):
        start(postgres_home, account="root")
    assert owners(start(postgres_home, account=pwd.getpwuid(uid).pw_name)) == {uid}
    assert stop(postgres_home)
    assert owners(start(postgres_home)) == {uid}, "existing data keeps its account"


@needs_root
def test_home_out_of_reach_gets_its_cluster_elsewhere(closed_home: Path, postgres_home: Path) -> None:
    server = start(closed_home)
    assert server.data_dir.is_relative_to(postgres_home / "var-lib-gatehouse")
    assert owners(server) == {pwd.getpwnam("nobody").pw_uid}
    assert closed_home.parent.stat().st_mode & 0o777 == 0o700, "nobody's directory was opened up"
    assert (closed_home / "postgres.location").read_text().strip() == str(server.data_dir.parent)
    remember(server, "far from home")
    assert running(closed_home) == server
    assert stop(closed_home)

    away = server.data_dir.parent.with_name("unmounted")
    server.data_dir.parent.rename(away)
    with pytest.raises(PostgresUnavailable, match=r"it is gone.*postgres\.location"):
        start(closed_home)  # a lost directory is no empty registry
    assert running(closed_home) is None
    away.rename(server.data_dir.parent)
    assert remembered(start(closed_home)) == "far from home"


@needs_root
def test_new_home_at_an_old_path_begins_anew_and_keeps_the_old_data(closed_home: Path) -> None:
    old = start(closed_home)
    remember(old, "of the first home")
    shutil.rmtree(closed_home)  # while its server still runs
    new = start(closed_home)
    assert (new.pid, new.password) != (old.pid, old.password)
    assert not psutil.pid_exists(old.pid) or psutil.Process(old.pid).status() == psutil.STATUS_ZOMBIE
    with psycopg.connect(new.url("postgres")) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM remembered")
    kept = new.data_dir.parent.with_name(f"{new.data_dir.parent.name}.1")
    assert (kept / "data" / "PG_VERSION").exists()
    assert (kept / "password").read_text() == old.password


@needs_root
def test_no_reachable_directory_is_explained(closed_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "REACHABLE", closed_home.parent / "also-closed")
    with pytest.raises(PostgresUnavailable, match=f"cannot enter {closed_home.parent}"):
        start(closed_home)


@needs_root
def test_binaries_out_of_reach_are_copied_and_renewed(closed_home: Path) -> None:
    """A virtual environment under root's home: nobody can execute what lies in it."""
    found = choose(None, major=None, cluster=closed_home).directory
    if not (found.parent / "share").is_dir():
        pytest.skip("the binaries of this machine cannot be relocated")
    package = closed_home.parent / "venv" / found.parts[-3]
    shutil.copytree(found.parent, package / found.parts[-2], symlinks=True)
    libraries = found.parent.parent.with_name(f"{found.parts[-3]}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, package.with_name(libraries.name))
    inside = package / found.parts[-2] / "bin"

    server = start(closed_home, binaries=inside)
    executable = Path(psutil.Process(server.pid).exe())
    assert executable.is_relative_to(server.data_dir.parent / "binaries")
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
    assert stop(closed_home)
    assert Path(psutil.Process(start(closed_home, binaries=inside).pid).exe()) == executable
    assert stop(closed_home)

    os.utime(inside / "postgres", (1, 1))  # the package was replaced
    renewed = Path(psutil.Process(start(closed_home, binaries=inside).pid).exe())
    assert renewed != executable
    assert not executable.exists()


@needs_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv to give capabilities away")
def test_root_of_a_container_without_ptrace(postgres_home: Path) -> None:
    """There root may not look into another account's processes: /proc/<pid>/cwd and the like are closed."""
    python = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", sys.executable]
    server = server_of(call("start", postgres_home, python=python))
    assert server_of(call("running", postgres_home, python=python)) == server
    assert server_of(call("start", postgres_home, python=python)) == server
    psutil.Process(server.pid).kill()
    again = server_of(call("start", postgres_home, python=python))
    assert again.pid != server.pid
    assert call("stop", postgres_home, python=python) is True
    assert processes_of(again) == []


@needs_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv to give capabilities away")
def test_root_that_may_not_change_accounts_is_explained(postgres_home: Path) -> None:
    python = ["setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid", sys.executable]
    refusal = refusal_of(call("start", postgres_home, python=python))
    assert "CAP_SETUID" in refusal
    assert not (postgres_home / "postgres" / "data").exists()
