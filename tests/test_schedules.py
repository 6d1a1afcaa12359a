"""The reconciler runs by itself: Prefect's scheduler makes its runs, and the worker takes them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.faults.stage import eventually
from tests.fixtures.platform import RunningPlatform


def test_the_reconciler_is_scheduled_and_runs(platform_home: RunningPlatform) -> None:
    platform_home.up()
    prefect = str(platform_home.runtime["prefect_api_url"])

    def runs(state: str) -> list[dict[str, Any]]:
        wanted = {"deployments": {"name": {"any_": ["reconcile"]}}, "flow_runs": {"state": {"type": {"any_": [state]}}}}
        found: list[dict[str, Any]] = httpx.post(f"{prefect}/flow_runs/filter", json=wanted).json()
        return [run for run in found if run["auto_scheduled"]]

    assert eventually("a scheduled run", lambda: runs("SCHEDULED"))
    assert eventually("a completed run", lambda: runs("COMPLETED"))
