"""The platform's processes under the commands `up`, `down` and `status`, on the session's platform."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from storage.platform_processes.records import is_alive
from storage.postgres_server import PostgresServer
from storage.prefect_server import basic
from tests.fixtures.platform import (
    GATEHOUSE,
    PARTS,
    RunningPlatform,
    free_port,
    gatehouse,
    gatehouse_environment,
    processes_of,
)
from tests.fixtures.postgres import fresh_database


@pytest.fixture
def platform(platform_home: RunningPlatform) -> RunningPlatform:
    """The session's platform, whatever an earlier test did to it."""
    if not platform_home.status().healthy:
        platform_home.up()
    return platform_home


def test_a_second_up_leaves_everything_alone(platform: RunningPlatform) -> None:
    before = platform.pids()
    said = platform.up()
    assert platform.pids() == before
    assert "registered already" in said
    assert platform.status().healthy


@pytest.mark.parametrize("killed", [("postgres", "api"), ("prefect", "worker")], ids="+".join)
def test_up_replaces_what_was_killed_and_nothing_else(platform: RunningPlatform, killed: tuple[str, ...]) -> None:
    before = platform.pids()
    for name in killed:
        platform.kill(name)
    assert {name for name, part in platform.status().processes.items() if not part.running} == set(killed)

    platform.up()

    after = platform.pids()
    assert {name for name in PARTS if after[name] != before[name]} == set(killed)
    assert platform.status().healthy


def test_another_port_moves_the_api_alone(platform: RunningPlatform) -> None:
    before = platform.pids()
    former = psutil.Process(before["api"])
    port = free_port()
    platform.up("--port", str(port))
    assert platform.status().api_url == f"http://127.0.0.1:{port}"
    assert platform.status().healthy
    after = platform.pids()
    assert {name for name in PARTS if after[name] != before[name]} == {"api"}
    assert not is_alive(former)


def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        refused = gatehouse("up", "--home", tmp_path / "home", "--port", str(port))
    assert refused.returncode == 1
    assert f"Port {port} is used by another program" in refused.stderr
    assert "--port" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list((tmp_path / "home" / "processes").iterdir())
    assert gatehouse("status", "--home", tmp_path / "home").returncode == 3


def test_down_leaves_no_process_and_concurrent_starts_continue(platform: RunningPlatform) -> None:
    token, before = platform.admin_token, platform.status()
    server = psutil.Process(before.processes["postgres"].pid)
    assert len(processes_of(platform.home)) >= 3

    platform.down()

    assert processes_of(platform.home) == []
    assert not is_alive(server)
    stopped = platform.run("status", "--json")
    assert stopped.returncode == 3
    assert not any(part["running"] for part in json.loads(stopped.stdout)["processes"].values())
    again = platform.run("down")
    assert again.returncode == 0
    assert "Nothing was running" in again.stderr

    _start_at_once(platform, 3)

    after = platform.status()
    assert after.healthy
    assert (after.api_url, after.dashboard_url) == (before.api_url, before.dashboard_url)
    assert platform.admin_token == token
    serving = [process for process in processes_of(platform.home) if "uvicorn" in process.cmdline()]
    assert len(serving) == 1


def _start_at_once(platform: RunningPlatform, count: int) -> None:
    starts = [
        subprocess.Popen(
            [*GATEHOUSE, "up", "--home", str(platform.home)],
            env=gatehouse_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(count)
    ]
    outputs = [start.communicate(timeout=250)[0] for start in starts]
    assert [start.returncode for start in starts] == [0] * count, outputs


def test_status_for_programs(platform: RunningPlatform) -> None:
    done = platform.run("status", "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    status = json.loads(done.stdout)
    assert set(status) == {
        "apiUrl",
        "dashboardUrl",
        "adminTokenFile",
        "adminPasswordFile",
        "home",
        "processes",
        "healthy",
    }
    assert status["home"] == str(platform.home)
    assert status["adminTokenFile"] == str(platform.home / "admin-token")
    assert status["healthy"] is True
    assert set(status["processes"]) == set(PARTS)
    for part in status["processes"].values():
        assert set(part) == {"pid", "running", "healthy", "memoryMb", "since"}
        assert psutil.pid_exists(part["pid"])
        assert part["running"] is True
        assert part["healthy"] is True
        assert part["memoryMb"] > 1
        assert part["since"].endswith("Z")
    assert status["dashboardUrl"] == f"{status['apiUrl']}/dashboard"
    assert platform.runtime["prefect_auth"] not in done.stdout


def test_the_administrators_token_and_password_work(platform: RunningPlatform) -> None:
    assert _users(platform).status_code == 200
    password = (platform.home / "admin-password").read_text().strip()
    login = httpx.post(f"{platform.api_url}/api/v1/auth/login", json={"username": "admin", "password": password})
    assert login.is_success, login.text


def _users(platform: RunningPlatform) -> httpx.Response:
    """A call that only an administrator may make."""
    return httpx.get(f"{platform.api_url}/api/v1/users", headers={"Authorization": f"Bearer {platform.admin_token}"})


def test_what_was_lost_is_made_again(platform: RunningPlatform) -> None:
    """A token that is not valid (any more), and a deployment that the orchestrator does not have."""
    lost = platform.admin_token
    (platform.home / "admin-token").write_text("ghs_nobody-knows-this-one\n")
    before = _deployments(platform)
    assert {"submit", "promote-production", "reconcile", "retire"} <= set(before)
    with _prefect(platform) as prefect:
        assert prefect.delete(f"/deployments/{before['retire']['id']}").is_success

    platform.up()

    assert platform.admin_token not in (lost, "ghs_nobody-knows-this-one")
    assert _users(platform).status_code == 200
    after = _deployments(platform)
    assert set(after) == set(before)
    assert {each["work_pool_name"] for each in after.values()} == {platform.runtime["work_pool"]}


def _prefect(platform: RunningPlatform) -> httpx.Client:
    return httpx.Client(base_url=platform.runtime["prefect_api_url"], auth=basic(platform.runtime["prefect_auth"]))


def _deployments(platform: RunningPlatform) -> dict[str, dict[str, str]]:
    with _prefect(platform) as prefect:
        answer = prefect.post("/deployments/filter", json={}).raise_for_status()
    return {each["name"]: each for each in answer.json()}


def test_secrets_are_in_files_of_their_owner_alone(platform: RunningPlatform) -> None:
    for path in (
        platform.home / "admin-token",
        platform.home / "admin-password",
        platform.home / "runtime.json",
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for path in platform.home.rglob("*"):
        open_to_others = stat.S_IMODE(path.stat().st_mode) & 0o044
        published = path.suffix == ".vkey"
        of_the_server = path.is_relative_to(platform.home / "postgres")
        pages = path.is_relative_to(platform.home / "prefect" / "ui")
        assert not open_to_others or published or of_the_server or pages, path


def test_secrets_are_in_no_command_line_log_or_output(platform: RunningPlatform) -> None:
    database = urlsplit(platform.runtime["database_url"]).password
    password = (platform.home / "admin-password").read_text().strip()
    prefect = platform.runtime["prefect_auth"].partition(":")[2]
    secrets = [secret for secret in (database, password, prefect, platform.admin_token) if secret]
    assert len(secrets) == 4
    texts = {
        "output": platform.said,
        "logs": "".join(path.read_text(errors="replace") for path in platform.home.glob("**/*.log*")),
        "command lines": " ".join(" ".join(_command_line(process)) for process in psutil.process_iter()),
    }
    for where, text in texts.items():
        assert text
        assert not [secret for secret in secrets if secret in text], where


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_reconcile_reports_what_it_did(platform: RunningPlatform) -> None:
    done = platform.run("reconcile")
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in done.stdout


def test_status_of_a_platform_on_somebody_elses_database(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """`down` and `status` never touch a server that is not ours; without it nothing is said to be healthy."""
    with fresh_database(postgres_server) as url:
        runtime = {
            "database_url": url,
            "prefect_api_url": f"http://127.0.0.1:{free_port()}/api",
            "api_url": f"http://127.0.0.1:{free_port()}",
            "dashboard_url": "",
            "work_pool": "gatehouse",
            "worker": "warm",
            "postgres": "foreign",
            "prefect_database_url": url,
            "api_port": free_port(),
            "prefect_port": free_port(),
        }
        (tmp_path / "runtime.json").write_text(json.dumps(runtime))
        postgres = json.loads(gatehouse("status", "--json", "--home", tmp_path).stdout)["processes"]["postgres"]
        assert postgres == {"pid": None, "running": True, "healthy": True, "memoryMb": None, "since": None}
        assert gatehouse("down", "--home", tmp_path).returncode == 0
        with psycopg.connect(url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
