"""Command lines and environment of the platform's processes."""

from __future__ import annotations

from pathlib import Path

from flows import worker
from storage.platform_processes import commands
from storage.platform_processes.environment import base


def test_the_warm_worker_is_started_as_it_says_itself() -> None:
    assert commands.WARM_POOL_TYPE == worker.POOL_TYPE
    assert commands.warm_worker("pool", name="name", limit=7, spares=3) == worker.worker_command(
        "pool",
        preload=commands.PRELOAD,
        name="name",
        limit=7,
        spares=3,
        poll_seconds=commands.POLL_SECONDS,
        drain_seconds=commands.DRAIN_SECONDS,
    )


def test_processes_are_told_where_home_is_and_nothing_of_the_persons_own_prefect() -> None:
    ours = {
        "PATH": "/bin",
        "PREFECT_API_KEY": "a cloud key",
        "PYTHONPATH": "/somewhere",
        "GATEHOUSE_DATABASE_URL": "postgresql://user:password@host/db",
        "GATEHOUSE_UPLOAD_LIMIT": "5",
    }
    given = base(ours, Path("/home/of/platform"))
    assert given["PATH"] == "/bin"
    assert given["GATEHOUSE_HOME"] == "/home/of/platform"
    assert given["GATEHOUSE_UPLOAD_LIMIT"] == "5"
    assert given["DO_NOT_TRACK"] == "1"
    assert given["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert "PREFECT_API_KEY" not in given
    assert "GATEHOUSE_DATABASE_URL" not in given  # in runtime.json, which only the owner may read
    assert given["PYTHONPATH"] != "/somewhere"


def test_a_proxy_is_not_used_between_processes_of_the_platform() -> None:
    given = base({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "intranet"}, Path("/home"))
    assert given["no_proxy"] == given["NO_PROXY"] == "intranet,127.0.0.1,localhost"
