"""One stage for all fault tests of a session; each test leaves its parts running."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.faults.stage import Stage, build_stage
from tests.fixtures.postgres import temporary_home


@pytest.fixture(scope="session")
def lasting_stage() -> Iterator[Stage]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with temporary_home() as home:
        stage = build_stage(home, port)
        try:
            yield stage
        finally:
            stage.stop()
            stage.platform.close()


@pytest.fixture
def stage(lasting_stage: Stage) -> Stage:
    """The stage with every part alive and no crash planned."""
    lasting_stage.control.unlink(missing_ok=True)
    (lasting_stage.home / "spent").unlink(missing_ok=True)
    lasting_stage.revive()
    return lasting_stage
