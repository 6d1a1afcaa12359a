"""A `prefect.yaml` with entry points in dots serves warm and stock workers alike."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.fixtures.prefect_server import PrefectServer
from tests.flows.worker.orchestrator import SAMPLES, Orchestrator
from tests.flows.worker.processes import REPOSITORY, WorkerProcess

FILE = """
name: samples
pull: []  # null would mean: go to the folder where `prefect deploy` was run
deployments:
  - name: sample
    entrypoint: {samples}.three_tasks
    work_pool: {{name: "{pool}"}}
"""


def _deploy(server: PrefectServer, folder: Path, pool: str) -> str:
    """Run `prefect deploy` in a folder of its own; returns its output."""
    (folder / "prefect.yaml").write_text(FILE.format(samples=SAMPLES, pool=pool))
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=folder,
        env={**server.environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_deployed_flows_run_on_the_warm_worker(
    worker: WorkerProcess, prefect_server: PrefectServer, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    _deploy(prefect_server, tmp_path, worker.pool)
    deployment = orchestrator.get("/deployments/name/three-tasks/sample")
    assert deployment["entrypoint"] == f"{SAMPLES}.three_tasks"
    assert deployment["pull_steps"] in ([], None)
    assert deployment["path"] is None
    run = orchestrator.start(deployment["id"], folder=str(tmp_path))
    assert orchestrator.ended(run)["type"] == "COMPLETED"


@pytest.fixture
def stock_pool(prefect_server: PrefectServer, orchestrator: Orchestrator, tmp_path: Path) -> Iterator[str]:
    """The name of a pool that Prefect's own process worker serves, away from the repository."""
    name = f"stock-{uuid4().hex}"
    orchestrator.post("/work_pools/", name=name, type="process")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", name],
        cwd=tmp_path,
        env={
            **prefect_server.environment,
            "PYTHONPATH": str(REPOSITORY),
            "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    yield name
    os.killpg(process.pid, 9)  # it has been seen to ignore SIGTERM for minutes
    process.wait()


@pytest.mark.prove
def test_deployed_flows_run_on_a_stock_worker(
    stock_pool: str, prefect_server: PrefectServer, orchestrator: Orchestrator, tmp_path: Path
) -> None:
    _deploy(prefect_server, tmp_path, stock_pool)
    deployment = orchestrator.get("/deployments/name/three-tasks/sample")
    run = orchestrator.start(deployment["id"], folder=str(tmp_path))
    state = orchestrator.ended(run)
    assert (state["type"], state["message"]) == ("COMPLETED", None)
