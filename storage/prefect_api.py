"""The orchestrator by its REST API: launch, wake and look at flow runs. Prefect itself is not imported.

Resuming answers HTTP 200 with a `status` of REJECT when the run is not suspended, so the body decides, not the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx

from governance.errors import DependencyUnavailable
from governance.lifecycle import TRANSITIONS, TransitionName
from storage.prefect_server import basic

# What the form of a suspended run takes (`flows.transitions.decision_form`). It is in nobody's way: decisions are read
# from our tables alone. Should anything ever read it, this is the answer that lets nothing through.
WAKING = {"decision": "reject", "comment": "Woken by Gatehouse; the decisions of people are in its own records."}


class PrefectLauncher:
    """One run for one (request, attempt), by Prefect's idempotency key. Thread-safe."""

    def __init__(self, api_url: str, auth: str = "", *, timeout_seconds: float = 10.0) -> None:
        """`auth`: "name:password" of the server."""
        self._client = httpx.Client(
            base_url=api_url.rstrip("/") + "/", auth=basic(auth), timeout=timeout_seconds, trust_env=False
        )
        self._deployments: dict[str, str] = {}

    def launch(self, request_id: str, transition: TransitionName, attempt: int, title: str) -> str:
        return self.start(
            TRANSITIONS[transition].deployment,
            {"request_id": request_id},
            key=f"{request_id}:{attempt}",
            title=title,
            tags=(f"request:{request_id}",),
        )

    def start(
        self, deployment: str, parameters: Mapping[str, Any], *, key: str, title: str, tags: Sequence[str] = ()
    ) -> str:
        body = {
            "name": title,
            "parameters": dict(parameters),
            "idempotency_key": key,
            "state": {"type": "SCHEDULED"},
            "tags": list(tags),
        }
        answer = self._create_run(deployment, body)
        if answer.status_code == httpx.codes.NOT_FOUND and self._deployments.pop(deployment, ""):
            answer = self._create_run(deployment, body)  # registered anew since we looked
        _expect_success(answer)
        return str(UUID(answer.json()["id"]))

    def _create_run(self, deployment: str, body: dict[str, Any]) -> httpx.Response:
        return self._call("POST", f"deployments/{self._deployment_id(deployment)}/create_flow_run", json=body)

    def _deployment_id(self, name: str) -> str:
        if name not in self._deployments:
            answer = self._call("GET", f"deployments/name/{name}/{name}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise DependencyUnavailable(
                    f"The deployment {name!r} is not registered with the orchestrator yet.",
                    details={"dependency": "prefect"},
                )
            _expect_success(answer)
            self._deployments[name] = answer.json()["id"]
        return self._deployments[name]

    def wake(self, flow_run_id: str) -> bool:
        answer = self._call("POST", f"flow_runs/{flow_run_id}/resume", json={"run_input": WAKING})
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT):
            return False
        _expect_success(answer)
        return bool(answer.json().get("status") == "ACCEPT")

    def state(self, flow_run_id: str) -> str | None:
        answer = self._call("GET", f"flow_runs/{flow_run_id}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        _expect_success(answer)
        kind = answer.json().get("state_type")
        return str(kind) if kind else None

    def close(self) -> None:
        self._client.close()

    def healthy(self) -> bool:
        try:
            return self._client.get("admin/version", timeout=2.0).is_success  # unlike health, it asks for the secret
        except httpx.HTTPError:
            return False

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise DependencyUnavailable(
                "The orchestrator does not answer; the request is kept and started later.",
                details={"dependency": "prefect"},
            ) from error


def _expect_success(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise DependencyUnavailable(
            f"The orchestrator answered {answer.status_code}.", details={"dependency": "prefect"}
        )
