"""Starting, finding and stopping a server, by one process and by many."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil
import psycopg
import pytest

from storage.postgres_server import PostgresServer, PostgresUnavailable, running, start, stop
from storage.postgres_server.placement import lock_file
from tests.fixtures.postgres import fresh_database
from tests.storage.postgres_server.starters import (
    ENVIRONMENT,
    call,
    command,
    eventually,
    processes_of,
    server_of,
)


def one(server: PostgresServer, query: str) -> object:
    with psycopg.connect(server.url("postgres")) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_start_makes_a_durable_private_server(postgres_home: Path) -> None:
    assert running(postgres_home) is None
    server = start(postgres_home)
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "256MB",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    assert {name: one(server, f"SELECT current_setting('{name}')") for name in expected} == expected
    assert one(server, "SELECT datctype FROM pg_database WHERE datname = 'template1'") == "C.UTF-8"
    assert one(server, "SELECT 'Z' < 'a' COLLATE \"default\"") is True, "ordered by code point"
    assert one(server, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'gatehouse'")
    assert server.data_dir.is_relative_to(postgres_home)
    assert running(postgres_home) == server


def test_extension_for_search_knows_letters_beyond_ascii(postgres_server: PostgresServer) -> None:
    with fresh_database(postgres_server) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        row = connection.execute("SELECT similarity('Prüfung', 'Prüfungen'), similarity('é', 'ü')").fetchone()
    assert row is not None
    assert row[0] > 0.5
    assert row[1] == 0


def test_only_the_password_opens_the_server(postgres_server: PostgresServer) -> None:
    server = postgres_server
    wrong = server.url("postgres").replace(server.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url("postgres").replace("127.0.0.1", "127.0.0.2"))
    assert server.password not in repr(server)
    password_file = server.data_dir.parent / "password"
    assert password_file.read_text() == server.password
    assert mode_of(password_file) == mode_of(server.data_dir.parent / "postgres.log") == 0o600
    assert mode_of(server.data_dir) == 0o700
    assert server.password not in (server.data_dir.parent / "postgres.log").read_text()
    assert all(server.password not in " ".join(process.cmdline()) for process in processes_of(server))


def test_start_again_finds_the_same_server(lasting_home: Path) -> None:
    assert start(lasting_home) == start(lasting_home) == start(lasting_home / ".." / lasting_home.name)


def test_later_start_keeps_data_port_and_password(lasting_home: Path) -> None:
    first = start(lasting_home)
    with psycopg.connect(first.url("postgres")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert stop(lasting_home)
    later = start(lasting_home)
    assert (later.port, later.password, later.data_dir) == (first.port, first.password, first.data_dir)
    assert later.pid != first.pid
    assert one(later, "SELECT answer FROM kept") == 42


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_stop_leaves_nothing_behind(lasting_home: Path, mode: Literal["fast", "immediate"]) -> None:
    server = start(lasting_home)
    mapped = shared_memory_of(server)
    with psycopg.connect(server.url("postgres"), autocommit=True) as open_session:
        open_session.execute("DROP TABLE IF EXISTS last; CREATE TABLE last AS SELECT 1 AS answer")
        assert stop(lasting_home, mode=mode)
        assert processes_of(server) == []
        assert not (server.data_dir / "postmaster.pid").exists()
        assert running(lasting_home) is None
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0
    assert not [path for path in mapped if path.exists()]
    assert stop(lasting_home) is False
    assert one(start(lasting_home), "SELECT answer FROM last") == 1


def shared_memory_of(server: PostgresServer) -> set[Path]:
    """The files in memory that the postmaster shares with its children (Linux; elsewhere unseen)."""
    if sys.platform != "linux":
        return set()
    mapped = (area.path for area in psutil.Process(server.pid).memory_maps())
    return {Path(path) for path in mapped if path.startswith("/dev/shm/")}


def test_nothing_happens_where_there_is_no_server(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert running(nowhere) is None
    assert stop(nowhere) is False
    assert not nowhere.exists()


def test_five_racing_first_starts_make_one_server(postgres_home: Path) -> None:
    """Also in a home whose path a shell would read otherwise."""
    home = postgres_home / 'it\'s $HOME; "é" `x`'
    starters = [
        subprocess.Popen(command("start", home), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) for _ in range(5)
    ]
    answers = {starter.communicate(timeout=120)[0] for starter in starters}
    assert len(answers) == 1
    server = running(home)
    assert server is not None
    assert f'"pid": {server.pid},' in answers.pop()
    postmasters = [process for process in processes_of(server) if process.name() == "postgres"]
    assert [process.pid for process in postmasters if "-D" in process.cmdline()] == [server.pid]
    assert server.data_dir == home / "postgres" / "data"
    assert stop(home)


def test_threads_of_one_process_start_one_server(lasting_home: Path) -> None:
    stop(lasting_home)
    started: list[PostgresServer] = []
    threads = [threading.Thread(target=lambda: started.append(start(lasting_home))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 4
    assert len(set(started)) == 1


def test_server_survives_the_process_group_of_its_starter(lasting_home: Path) -> None:
    stop(lasting_home)
    lingering = "import sys, time; sys.stdout.flush(); time.sleep(600)"
    script = command("start", lasting_home)
    script[2] += f"\n{lingering}\n"
    with subprocess.Popen(
        script, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline()
        os.killpg(starter.pid, signal.SIGHUP)
        os.killpg(starter.pid, signal.SIGKILL)
    server = running(lasting_home)
    assert server is not None
    assert one(server, "SELECT 1") == 1
    assert os.getsid(server.pid) != starter.pid


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_server_inherits_no_descriptor_of_its_starter(lasting_home: Path) -> None:
    stop(lasting_home)
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        server = start(lasting_home)
        log = str(server.data_dir.parent / "postgres.log")
        descriptors = descriptors_of(server.pid)  # all other processes have theirs from this one
        assert descriptors["0"] == "/dev/null"
        assert descriptors["1"] == descriptors["2"] == log
        assert not [target for target in descriptors.values() if "postgres.lock" in target]
        assert os.readlink(f"/proc/self/fd/{writing}") not in descriptors.values()
    finally:
        os.close(reading)
        os.close(writing)


def descriptors_of(pid: int) -> dict[str, str]:
    """Descriptor number to what it is; those closed meanwhile are left out."""
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found[path.name] = os.readlink(path)
    return found


def test_lock_falls_with_its_holder(lasting_home: Path) -> None:
    stop(lasting_home)
    holding = (
        "import sys, time\nfrom pathlib import Path\nfrom storage.postgres_server import files\nwith "
        "files.exclusive(Path(sys.argv[1]), patience_seconds=0):\n    print('held', flush=True)\n    "
        "time.sleep(600)\n"
    )
    lock = lock_file(lasting_home)
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(lock)], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waiting = subprocess.Popen(command("start", lasting_home), env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        eventually(lambda: str(lock) in opened_by(waiting.pid), "the second starter has come to the lock")
        assert running(lasting_home) is None
        holder.kill()
    assert '"pid"' in waiting.communicate(timeout=120)[0]
    assert running(lasting_home) is not None


def opened_by(pid: int) -> list[str]:
    return [file.path for file in psutil.Process(pid).open_files()]


def test_a_directory_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a directory")
    with pytest.raises(PostgresUnavailable, match=r"Cannot use the state directory .*file"):
        start(in_the_way)


def test_start_in_another_process_is_found_here(lasting_home: Path) -> None:
    assert server_of(call("start", lasting_home)) == running(lasting_home)
    assert call("stop", lasting_home) is True
    assert running(lasting_home) is None
