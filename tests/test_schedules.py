"""The reconciler runs by itself: Prefect's scheduler makes its runs, and the worker takes them."""

from __future__ import annotations

from typing import Any

import httpx

from storage.prefect_server import basic
from tests.faults.stage import eventually
from tests.fixtures.platform import RunningPlatform


def test_the_reconciler_is_scheduled_and_runs(platform_home: RunningPlatform) -> None:
    platform_home.up()
    prefect = str(platform_home.runtime["prefect_api_url"])
    auth = basic(platform_home.runtime["prefect_auth"])

    def runs(state: str) -> list[dict[str, Any]]:
        wanted = {"deployments": {"name": {"any_": ["reconcile"]}}, "flow_runs": {"state": {"type": {"any_": [state]}}}}
        found: list[dict[str, Any]] = httpx.post(f"{prefect}/flow_runs/filter", json=wanted, auth=auth).json()
        return [run for run in found if run["auto_scheduled"]]

    coming = eventually("a scheduled run", lambda: runs("SCHEDULED"))[0]
    httpx.post(  # its time is up to a minute away; the worker takes it as it takes any other
        f"{prefect}/flow_runs/{coming['id']}/set_state", json={"state": {"type": "SCHEDULED"}, "force": True}, auth=auth
    ).raise_for_status()
    assert eventually("the end of that run", lambda: coming["id"] in [run["id"] for run in runs("COMPLETED")])
