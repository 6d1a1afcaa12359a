"""Fixtures for the whole suite, and the rule that nothing reaches beyond this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
for _threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

# The same examples in every run, without a memory between runs: a failure here is a failure everywhere.
hypothesis.settings.register_profile("gatehouse", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("gatehouse")

pytest_plugins = [
    "tests.fixtures.postgres",
    "tests.fixtures.swift_server",
    "tests.fixtures.registry",
    "tests.fixtures.stage",
    "tests.fixtures.platform",
    "tests.fixtures.oidc_provider",  # after the platform, which it imports
    "tests.fixtures.dashboard",
]


# Where tests share servers that are too heavy to be started twice when several processes share the suite (`-n`).
TOGETHER = {
    "platform": ("tests/browser/", "tests/api/dashboard/", "tests/api/cli/test_audit_verify.py",
                 "tests/api/cli/test_up_and_down.py", "tests/test_schedules.py", "tests/test_whole_demo.py"),
    "stage": ("tests/faults/",),
    "worker": ("tests/flows/worker/", "tests/storage/test_prefect"),
    "provider": ("tests/api/oidc/",),
    "objects": ("tests/storage/artifacts/",),
}  # fmt: skip


class ByServer(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of a file, and files that share a heavy server, run in one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((name for name, places in TOGETHER.items() if file.startswith(places)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServer:
    return ByServer(config, log)


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Connections to anywhere but this machine fail the test that tries."""
    original = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
            raise AssertionError(f"a test tried to reach {address[0]}")
        original(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = original  # type: ignore[method-assign]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
