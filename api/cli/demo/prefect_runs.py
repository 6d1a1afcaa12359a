"""The flow runs as somebody with the dashboard can touch them: look, and resume."""

from __future__ import annotations

from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class RunState:
    """`type` is Prefect's, e.g. PAUSED; `id` is another one after every change, also back to the same type."""

    type: str
    id: str


class PrefectRuns:
    """Prefect's own REST API, which knows nothing of approvals. Raises httpx.HTTPError."""

    def __init__(self, dashboard_url: str) -> None:
        base_url = f"{dashboard_url.rstrip('/')}/api"
        self._client = httpx.Client(base_url=base_url, timeout=30.0, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def state(self, flow_run_id: str) -> RunState:
        run = self._client.get(f"/flow_runs/{flow_run_id}").raise_for_status().json()
        return RunState(str(run["state_type"]), str(run["state_id"]))

    def resume(self, flow_run_id: str) -> str:
        """What Prefect says to it: ACCEPT, REJECT, WAIT or ABORT (a refusal is not an HTTP error there)."""
        answer = self._client.post(f"/flow_runs/{flow_run_id}/resume", json={}).raise_for_status().json()
        return str(answer["status"])
