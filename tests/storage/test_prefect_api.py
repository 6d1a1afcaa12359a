"""The launcher against answers as the orchestrator gives them, and against an orchestrator that gives none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest

from governance.errors import DependencyUnavailable
from governance.lifecycle import TransitionName
from storage.prefect_api import PrefectLauncher


class Orchestrator:
    """Speaks the four routes that the launcher uses; `broken` answers everything with this status."""

    def __init__(self) -> None:
        self.deployments = {"submit": str(uuid4())}
        self.runs: dict[str, dict[str, Any]] = {}
        self.broken: int | None = None

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if self.broken:
            return self.broken, {"detail": "broken"}
        match method, path.strip("/").split("/"):
            case "GET", ["api", "admin", "version"]:
                return 200, "3.8.8"
            case "GET", ["api", "deployments", "name", _, name]:
                found = self.deployments.get(name)
                return (200, {"id": found}) if found else (404, {})
            case "POST", ["api", "deployments", deployment, "create_flow_run"]:
                if deployment not in self.deployments.values():
                    return 404, {}
                for run in self.runs.values():
                    if run["idempotency_key"] == body["idempotency_key"]:
                        return 200, run
                run = {"id": str(uuid4()), "state_type": body["state"]["type"], **body}
                self.runs[run["id"]] = run
                return 201, run
            case "POST", ["api", "flow_runs", run_id, "resume"]:
                if run_id not in self.runs:
                    return 404, {}
                paused = self.runs[run_id]["state_type"] == "PAUSED"
                return 200, {"status": "ACCEPT" if paused else "REJECT"}
            case "GET", ["api", "flow_runs", run_id]:
                return (200, self.runs[run_id]) if run_id in self.runs else (404, {})
        return 404, {}


@pytest.fixture
def orchestrator() -> Orchestrator:
    return Orchestrator()


@pytest.fixture
def launcher(orchestrator: Orchestrator) -> Iterator[PrefectLauncher]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, value = orchestrator.answer(self.command, self.path, body)
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve  # noqa: N815 - named by http.server

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        launcher = PrefectLauncher(f"http://127.0.0.1:{server.server_port}/api")
        yield launcher
        launcher.close()
        server.shutdown()
        thread.join()


def launch(launcher: PrefectLauncher, request: str = "r1", attempt: int = 1) -> str:
    return launcher.launch(request, TransitionName.SUBMIT, attempt, "submit: model 1.0.0")


def test_one_run_for_a_request_and_attempt(launcher: PrefectLauncher, orchestrator: Orchestrator) -> None:
    run = launch(launcher)
    assert launch(launcher) == run
    assert launch(launcher, attempt=2) != run
    assert launch(launcher, request="r2") != run
    assert len(orchestrator.runs) == 3
    made = orchestrator.runs[run]
    assert (made["name"], made["parameters"]) == ("submit: model 1.0.0", {"request_id": "r1"})


def test_a_deployment_that_was_registered_anew(launcher: PrefectLauncher, orchestrator: Orchestrator) -> None:
    launch(launcher)
    orchestrator.deployments["submit"] = str(uuid4())
    assert launch(launcher, request="r2") in orchestrator.runs


def test_a_deployment_that_is_not_registered(launcher: PrefectLauncher, orchestrator: Orchestrator) -> None:
    with pytest.raises(DependencyUnavailable, match="retire"):
        launcher.launch("r1", TransitionName.RETIRE, 1, "retire")
    launch(launcher)
    orchestrator.deployments.clear()
    with pytest.raises(DependencyUnavailable, match="submit"):
        launch(launcher, request="r2")


def test_waking(launcher: PrefectLauncher, orchestrator: Orchestrator) -> None:
    run = launch(launcher)
    assert not launcher.wake(run), "the answer is 200 all the same"
    orchestrator.runs[run]["state_type"] = "PAUSED"
    assert launcher.wake(run)
    assert not launcher.wake(str(uuid4()))


def test_states(launcher: PrefectLauncher, orchestrator: Orchestrator) -> None:
    run = launch(launcher)
    assert launcher.state(run) == "SCHEDULED"
    orchestrator.runs[run]["state_type"] = None
    assert launcher.state(run) is None
    assert launcher.state(str(uuid4())) is None


@pytest.mark.parametrize("status", [401, 403, 422, 500, 502, 503])
def test_an_orchestrator_that_refuses(launcher: PrefectLauncher, orchestrator: Orchestrator, status: int) -> None:
    run = launch(launcher)
    assert launcher.healthy()
    orchestrator.broken = status
    for attempt in (lambda: launch(launcher, "r2"), lambda: launcher.wake(run), lambda: launcher.state(run)):
        with pytest.raises(DependencyUnavailable) as refusal:
            attempt()
        assert refusal.value.details == {"dependency": "prefect"}
    assert not launcher.healthy()


def test_an_orchestrator_that_is_not_there() -> None:
    launcher = PrefectLauncher("http://127.0.0.1:1/api")
    with pytest.raises(DependencyUnavailable):
        launch(launcher)
    with pytest.raises(DependencyUnavailable):
        launcher.state(str(uuid4()))
    assert not launcher.healthy()
    launcher.close()
