"""What must not lose a commit nor prevent the next start: kills, remains, and others who took our things."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from storage.postgres_server import PostgresServer, PostgresUnavailable, running, start, stop
from tests.storage.postgres_server.starters import ENVIRONMENT, command, eventually, processes_of


def kill_all(server: PostgresServer) -> None:
    for process in processes_of(server):
        with suppress(psutil.NoSuchProcess):  # a short-lived one that has ended meanwhile
            process.kill()


def commit_stream(server: PostgresServer, client: int, acknowledged: list[tuple[int, int]]) -> None:
    """Insert and commit one row after the other, noting each only after its commit was acknowledged."""
    try:
        with psycopg.connect(server.url("postgres")) as connection:
            number = 0
            while True:
                connection.execute("INSERT INTO stream VALUES (%s, %s)", (client, number))
                connection.commit()
                acknowledged.append((client, number))
                number += 1
    except psycopg.OperationalError:
        return  # the server was killed


@pytest.mark.parametrize("victims", ["postmaster", "all processes"])
def test_kill_during_commits_loses_no_acknowledged_row(lasting_home: Path, victims: str) -> None:
    server = start(lasting_home)
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("DROP TABLE IF EXISTS stream")
        connection.execute("CREATE TABLE stream (client int, number int, PRIMARY KEY (client, number))")
    for round_number in range(2):
        acknowledged: list[tuple[int, int]] = []
        clients = [
            threading.Thread(target=commit_stream, args=(server, 10 * round_number + client, acknowledged))
            for client in range(2)
        ]
        for thread in clients:
            thread.start()
        eventually(lambda done=acknowledged: len(done) > 300, "300 commits")  # type: ignore[misc]
        if victims == "postmaster":
            os.kill(server.pid, signal.SIGKILL)
        else:
            kill_all(server)
        server = start(lasting_home)  # at once, while the killed server is still being torn down
        for thread in clients:
            thread.join()
        with psycopg.connect(server.url("postgres")) as connection:
            rows = set(connection.execute("SELECT client, number FROM stream").fetchall())
        assert set(acknowledged) <= rows


def test_orphan_that_notices_nothing_is_ended(lasting_home: Path) -> None:
    """A backend inside a long query does not see its postmaster die, and holds the shared memory."""
    server = start(lasting_home)
    with psycopg.connect(server.url("postgres")) as busy:
        orphan = psutil.Process(busy.info.backend_pid)
        asking = threading.Thread(target=run_for_ever, args=(busy,))
        asking.start()
        eventually(lambda: "SELECT" in " ".join(orphan.cmdline()), "the query runs")
        try:
            os.kill(server.pid, signal.SIGKILL)
            again = start(lasting_home)
            assert again.pid != server.pid
            assert not alive(orphan)
        finally:
            if alive(orphan):
                orphan.kill()
            asking.join()


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def run_for_ever(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b")


@contextmanager
def zombie() -> Iterator[int]:
    process = subprocess.Popen(["/bin/sh", "-c", "exit 0"])
    try:
        eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "a zombie")
        yield process.pid
    finally:
        process.wait()


@contextmanager
def stranger(server: PostgresServer) -> Iterator[int]:
    """A live process of the account that runs the server, for which PostgreSQL would not start."""
    account = server.data_dir.stat()
    user = account.st_uid if os.geteuid() == 0 else None
    process = subprocess.Popen(["/bin/sleep", "600"], cwd="/", user=user)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("named", ["zombie", "stranger", "garbage", "nothing"])
def test_stale_pid_file_does_not_prevent_a_start(lasting_home: Path, named: str) -> None:
    server = start(lasting_home)
    pid_file = server.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    kill_all(server)
    with ExitStack() as stack:
        if named == "zombie":
            lines[0] = str(stack.enter_context(zombie()))
        elif named == "stranger":
            lines[0] = str(stack.enter_context(stranger(server)))
        owner = pid_file.stat()
        text = {"garbage": "\x00\x00", "nothing": ""}.get(named, "\n".join(lines) + "\n")
        pid_file.write_text(text)
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        assert running(lasting_home) is None
        assert stop(lasting_home) is False
        assert start(lasting_home).pid != server.pid


def test_port_taken_meanwhile_is_replaced_and_kept(lasting_home: Path) -> None:
    first = start(lasting_home)
    assert stop(lasting_home)
    with socket.create_server(("127.0.0.1", first.port)):
        assert running(lasting_home) is None
        second = start(lasting_home)
        assert second.port != first.port
        assert running(lasting_home) == second
        assert stop(lasting_home)
    assert start(lasting_home).port == second.port


@pytest.mark.parametrize("killed", ["the starter alone", "its whole group"])
def test_kill_during_the_first_start_does_not_block_the_next(postgres_home: Path, killed: str) -> None:
    root = postgres_home / "postgres"
    with subprocess.Popen(
        command("start", postgres_home), env=ENVIRONMENT, stdout=subprocess.DEVNULL, start_new_session=True
    ) as starter:
        eventually(lambda: list(root.glob("initialising-*/data/PG_VERSION")), "initdb is at work")
        if killed == "the starter alone":
            starter.kill()
        else:
            os.killpg(starter.pid, signal.SIGKILL)
    assert not (root / "data").exists(), "killed too late: the test proves nothing"
    assert running(postgres_home) is None
    server = start(postgres_home)
    with psycopg.connect(server.url("postgres")) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM pg_class").fetchone() == (True,)
    assert stop(postgres_home)
    eventually(lambda: not initdb_at_work(root), "the orphaned initdb ends")
    start(postgres_home)
    assert not list(root.glob("initialising-*"))


def initdb_at_work(root: Path) -> bool:
    for process in psutil.process_iter():
        try:
            if f"{root}/initialising-" in " ".join(process.cmdline()):
                return True
        except psutil.Error:
            continue
    return False


def test_kill_between_initdb_and_the_server_loses_nothing(lasting_home: Path) -> None:
    """A first start that died after its rename: the next one uses that cluster."""
    server = start(lasting_home)
    kill_all(server)
    (server.data_dir / "postmaster.pid").unlink()
    again = start(lasting_home)
    assert (again.password, again.port) == (server.password, server.port)


def test_server_with_no_connection_left_is_running(lasting_home: Path) -> None:
    server = start(lasting_home)
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(psycopg.connect(server.url("postgres")))
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            psycopg.connect(server.url("postgres"))
        assert running(lasting_home) == server
        assert start(lasting_home) == server


def test_changed_password_is_explained(lasting_home: Path) -> None:
    server = start(lasting_home)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER ROLE gatehouse PASSWORD 'another'")
        try:
            with pytest.raises(PostgresUnavailable, match="refuses the password"):
                start(lasting_home)
        finally:
            connection.execute(f"ALTER ROLE gatehouse PASSWORD '{server.password}'".encode())
    assert running(lasting_home) == server


def test_server_that_cannot_start_shows_its_log(lasting_home: Path) -> None:
    server = start(lasting_home)
    assert stop(lasting_home)
    control = server.data_dir / "global" / "pg_control"
    control.rename(control.with_name("hidden"))
    with pytest.raises(PostgresUnavailable, match=r"(?s)does not start.*could not find the database system"):
        start(lasting_home)
    control.with_name("hidden").rename(control)
    assert start(lasting_home).port == server.port


def test_damaged_record_is_explained(lasting_home: Path) -> None:
    server = start(lasting_home)
    record = server.data_dir.parent / "server.json"
    whole = record.read_text()
    record.write_text(whole[: len(whole) // 2])
    with pytest.raises(PostgresUnavailable, match=r"server\.json.*damaged"):
        running(lasting_home)
    record.write_text(whole)
    assert running(lasting_home) == server
