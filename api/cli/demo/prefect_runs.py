"""The flow runs as somebody with the secret of the Prefect server can touch them, past the platform: look, resume."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from storage.prefect_server import basic


@dataclass(frozen=True)
class RunState:
    """`type` is Prefect's, e.g. PAUSED; `id` is another one after every change, also back to the same type."""

    type: str
    id: str


class PrefectRuns:
    """Prefect's own REST API, which knows nothing of approvals. Raises httpx.HTTPError."""

    def __init__(self, prefect_api_url: str, auth: str) -> None:
        self._client = httpx.Client(base_url=prefect_api_url, auth=basic(auth), timeout=30.0, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def state(self, flow_run_id: str) -> RunState:
        run = self._client.get(f"/flow_runs/{flow_run_id}").raise_for_status().json()
        return RunState(str(run["state_type"]), str(run["state_id"]))

    def resume(self, flow_run_id: str) -> str:
        """Fill in the form with "approve". What Prefect says: ACCEPT, REJECT, WAIT or ABORT (never an HTTP error)."""
        body = {"run_input": {"decision": "approve", "comment": "Nobody may do it this way."}}
        answer = self._client.post(f"/flow_runs/{flow_run_id}/resume", json=body).raise_for_status().json()
        return str(answer["status"])
