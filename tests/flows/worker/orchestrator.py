"""What a user does at the Prefect dashboard, by its REST API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from storage.prefect_server import basic
from tests.fixtures.prefect_server import AUTH

SAMPLES = "tests.flows.worker.sample_flows"

FINAL = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, seconds: float = 120.0) -> T:
    """Wait until the condition is true and return what it gave. Fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"did not come true within {seconds} s; last value {value!r}"
        time.sleep(0.05)
    return value


class Orchestrator:
    """One Prefect server, spoken to directly."""

    def __init__(self, api_url: str) -> None:
        self._http = httpx.Client(base_url=api_url, auth=basic(AUTH), timeout=60.0)

    def close(self) -> None:
        self._http.close()

    def post(self, path: str, **body: Any) -> Any:
        answer = self._http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self._http.get(path)
        answer.raise_for_status()
        return answer.json()

    def deploy(self, entrypoint: str, pool: str) -> str:
        """A new deployment with that entry point, served by the pool; returns its id."""
        flow = self.post("/flows/", name=entrypoint.replace(":", ".").rpartition(".")[2])
        deployment = self.post(
            "/deployments/",
            name=uuid4().hex,
            flow_id=flow["id"],
            entrypoint=entrypoint,
            work_pool_name=pool,
            enforce_parameter_schema=False,
        )
        return str(deployment["id"])

    def start(self, deployment_id: str, **parameters: Any) -> str:
        """Create a run, due now; returns its id."""
        run = self.post(
            f"/deployments/{deployment_id}/create_flow_run",
            parameters=parameters,
            state={"type": "SCHEDULED"},
        )
        return str(run["id"])

    def run_sample(self, flow: str, pool: str, **parameters: Any) -> str:
        return self.start(self.deploy(f"{SAMPLES}.{flow}", pool), **parameters)

    def state(self, flow_run_id: str) -> dict[str, Any]:
        """Has `type`, `name`, `message`."""
        state: dict[str, Any] = self.get(f"/flow_runs/{flow_run_id}")["state"]
        return state

    def ended(self, flow_run_id: str) -> dict[str, Any]:
        """The final state, waited for."""

        def final_state() -> dict[str, Any] | None:
            state = self.state(flow_run_id)
            return state if state["type"] in FINAL else None

        state = eventually(final_state)
        assert state is not None
        return state

    def cancel(self, flow_run_id: str) -> None:
        """As the dashboard's Cancel does."""
        self.post(f"/flow_runs/{flow_run_id}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})

    def resume(self, flow_run_id: str) -> None:
        assert self.post(f"/flow_runs/{flow_run_id}/resume")["status"] == "ACCEPT"

    def log_messages(self, flow_run_id: str) -> list[str]:
        logs = self.post("/logs/filter", logs={"flow_run_id": {"any_": [flow_run_id]}}, sort="TIMESTAMP_ASC")
        return [log["message"] for log in logs]

    def worker_is_online(self, pool: str, name: str) -> bool:
        answer = self._http.post(f"/work_pools/{pool}/workers/filter", json={})
        workers = answer.json() if answer.is_success else []
        return any(worker["name"] == name and worker["status"] == "ONLINE" for worker in workers)
