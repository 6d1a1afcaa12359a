"""How long a transition takes, from the call that asks for it to the outcome in our database.

On a whole platform as `gatehouse up` starts it, through HTTP, one request after another. Blocks of runs on the warm
worker alternate with blocks on Prefect's own process worker, to whose pool the same deployments are moved meanwhile;
it polls every half second instead of every ten, the best it can do without loading the server.

No people are asked in these transitions: `submit` of content that was inspected before (as after changes of the
metadata), `submit` of new content (whose inspection runs in a confined process), and `deploy_staging`.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import psycopg

from storage.composition import Platform, now
from storage.platform_processes import commands
from storage.platform_processes.environment import ONE_THREAD_EACH, base
from storage.platform_processes.home import prefect_directory
from storage.postgres_server import running
from storage.prefect_server import basic, client_environment
from storage.settings import Settings
from tests.benchmarks.machine import load_average
from tests.benchmarks.results import Findings, Goal, spread
from tests.benchmarks.telling import Telling
from tests.faults.candidates import candidate
from tests.faults.stage import Stage, eventually
from tests.fixtures.platform import RunningPlatform, free_port
from tests.fixtures.postgres import temporary_home
from tests.fixtures.registry import RegistryUnderTest
from tests.fixtures.small_model import onnx_model

STOCK_POOL = "stock"
STOCK_POLL_SECONDS = 0.5
DEFAULT_POLL_SECONDS = 10.0  # PREFECT_WORKER_QUERY_SECONDS, as Prefect ships it
BREATH_SECONDS = 0.5
"""Between one request and the next, so that neither worker is still tidying up."""

MOMENTS = ("answered", "claimed", "running", "gathered", "judged", "settled", "ended")
"""Of one request: POST answered, run taken by the worker, flow engine at work, evidence gathered, last gate done,
outcome committed, run in its final state."""

Case = tuple[str, str]  # model id, version


@dataclass(frozen=True, slots=True)
class Plan:
    """Blocks of `warm` and `stock` runs, alternating `rounds` times."""

    rounds: int
    warm: int
    stock: int


@dataclass(frozen=True)
class Workplace:
    """A running platform, the two pools, and ways to look at what happens."""

    stage: Stage
    api: httpx.Client
    prefect: httpx.Client
    database: psycopg.Connection[Any]
    warm_pool: str

    def submission(self, content: bytes) -> Case:
        model_id = self.stage.registry.model()
        self.stage.registry.version(model_id, weights=content)
        return model_id, "1.0.0"

    def approved(self) -> Case:
        """Ready for `deploy_staging`."""
        made = candidate(self.stage, "deploy_staging")
        return made.model_id, made.version

    def move(self, transition: str, pool: str) -> None:
        name = transition.replace("_", "-")
        found = self.prefect.get(f"deployments/name/{name}/{name}").raise_for_status().json()
        self.prefect.patch(f"deployments/{found['id']}", json={"work_pool_name": pool}).raise_for_status()


def measure(telling: Telling, *, quick: bool) -> Findings:
    plan = Plan(rounds=1, warm=6, stock=2) if quick else Plan(rounds=3, warm=7, stock=2)
    with working(telling) as place:
        new_contents = map(_model_number, itertools.count())
        kinds: dict[str, tuple[str, Callable[[], Case]]] = {
            "submit": ("submit", partial(place.submission, onnx_model())),
            "submit, new content": ("submit", lambda: place.submission(next(new_contents))),
            "deploy_staging": ("deploy_staging", place.approved),
        }
        for pool in (place.warm_pool, STOCK_POOL):  # not counted: caches of the server, the model's first inspection
            place.move("submit", pool)
            _walk(place, "submit", *place.submission(onnx_model()))
        figures = {
            name: _compared(telling, place, name, transition, prepare, plan)
            for name, (transition, prepare) in kinds.items()
        }
    late = (DEFAULT_POLL_SECONDS - STOCK_POLL_SECONDS) / 2
    headline = figures["submit"]
    also = {f"{name}: p50 and p95, warm / stock": _in_words(found) for name, found in figures.items()}
    also["the stock worker with its default poll"] = f"{late:.2f} s later on average"
    return Findings(
        {"stockPollSeconds": STOCK_POLL_SECONDS, "defaultPollAddsSeconds": late, "transitions": figures},
        [
            Goal(
                "submit accepted to settled, p50", headline["warm"]["accepted to settled"]["p50"], "at most", 0.6, "s"
            ),
            Goal("times as fast as a stock process worker", headline["timesAsFast"], "at least", 8, ""),
        ],
        also,
    )


def _in_words(found: dict[str, Any]) -> str:
    sides = [found[side]["accepted to settled"] for side in ("warm", "stock")]
    return " / ".join(f"{side['p50']:.2f} {side['p95']:.2f} s" for side in sides)


def _compared(
    telling: Telling, place: Workplace, name: str, transition: str, prepare: Callable[[], Case], plan: Plan
) -> dict[str, Any]:
    """Alternate blocks of runs on both workers."""
    blocks = (("warm", place.warm_pool, plan.warm), ("stock", STOCK_POOL, plan.stock))
    telling.phase(f"{name}, preparing")
    cases = [prepare() for _ in range(plan.rounds * (plan.warm + plan.stock))]
    telling.phase(name, of=len(cases))
    walks: dict[str, list[dict[str, float]]] = {"warm": [], "stock": []}
    for _, (side, pool, count) in itertools.product(range(plan.rounds), blocks):
        place.move(transition, pool)
        for _ in range(count):
            walks[side].append(_walk(place, transition, *cases.pop()))
            telling.step()
    place.move(transition, place.warm_pool)
    found: dict[str, Any] = {side: _summary(of) for side, of in walks.items()}
    medians = [found[side]["accepted to settled"]["p50"] for side in ("stock", "warm")]
    return {**found, "timesAsFast": round(medians[0] / medians[1], 2), "loadAverage": load_average()}


def _summary(walks: list[dict[str, float]]) -> dict[str, Any]:
    """Seconds. `moments` are since the POST was sent, p50 each."""
    return {
        "accepted to settled": spread([walk["settled"] - walk["answered"] for walk in walks]),
        "sent to settled": spread([walk["settled"] for walk in walks]),
        "moments": {name: spread([walk[name] for walk in walks])["p50"] for name in MOMENTS},
    }


def _walk(place: Workplace, transition: str, model_id: str, version: str) -> dict[str, float]:
    """Seconds from sending the POST to each of MOMENTS."""
    sent = time.time()
    path = f"/api/v1/models/{model_id}/versions/{version}/transitions"
    answer = place.api.post(path, json={"transition": transition}).raise_for_status()
    answered = time.time()
    request = answer.json()["data"]
    while (status := _status(place, request["id"])) in ("open", "judging"):
        time.sleep(0.002)
    settled = time.time()
    if status != "applied":
        raise RuntimeError(f"{transition} ended {status}, which is no figure of its latency")
    run = place.prefect.get(f"flow_runs/{request['flowRunId']}").raise_for_status().json()["id"]
    states = eventually("the end of the run", lambda: _states(place, run))
    time.sleep(BREATH_SECONDS)
    moments = {"answered": answered, "settled": settled, **states, **_task_ends(place, run)}
    return {name: moment - sent for name, moment in moments.items()}


def _status(place: Workplace, request_id: str) -> str:
    row = place.database.execute("select status from transition_requests where id = %s", (request_id,)).fetchone()
    return str(row[0]) if row else "open"


def _states(place: Workplace, run: str) -> dict[str, float] | None:
    """When the run was claimed, began and ended; None before its end."""
    states = place.prefect.get("flow_run_states/", params={"flow_run_id": run}).raise_for_status().json()
    at = {state["type"]: _seconds(state["timestamp"]) for state in states}
    if "COMPLETED" not in at:
        return None
    return {"claimed": at["PENDING"], "running": at["RUNNING"], "ended": at["COMPLETED"]}


def _task_ends(place: Workplace, run: str) -> dict[str, float]:
    asked = {"flow_runs": {"id": {"any_": [run]}}}
    tasks = place.prefect.post("task_runs/filter", json=asked).raise_for_status().json()
    ends = [(task["task_key"], _seconds(task["end_time"])) for task in tasks if task["end_time"]]
    return {
        "gathered": max(end for key, end in ends if key.startswith("gather")),
        "judged": max(end for key, end in ends if key.startswith("gate-")),
    }


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _model_number(number: int) -> bytes:
    """The small model with other bytes."""
    import onnx

    model = onnx.load_from_string(onnx_model())
    model.doc_string = f"copy {number}"
    return bytes(model.SerializeToString())


# ------------------------------------------------------------------ the platform


@contextmanager
def working(telling: Telling) -> Iterator[Workplace]:
    with temporary_home() as home:
        platform = RunningPlatform(home)
        telling.phase("starting the platform")
        try:
            platform.up("--port", str(free_port()))
            settings = Settings.load({"GATEHOUSE_HOME": str(home)})
            with stock_worker(settings), _opened(settings, platform.admin_token) as place:
                yield place
        finally:
            platform.run("down")


@contextmanager
def _opened(settings: Settings, token: str) -> Iterator[Workplace]:
    server = running(settings.home)
    assert server is not None
    ours = Platform(settings)
    registry = RegistryUnderTest(ours, at=now())
    stage = Stage(settings.home, 0, server, registry, settings.home / "no-crash-is-planned")
    with (
        httpx.Client(base_url=settings.api_url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as api,
        httpx.Client(base_url=settings.prefect_api_url + "/", auth=basic(settings.prefect_auth), timeout=60) as prefect,
        psycopg.connect(settings.database_url, autocommit=True) as database,
    ):
        yield Workplace(stage, api, prefect, database, settings.work_pool)
    ours.close()


@contextmanager
def stock_worker(settings: Settings) -> Iterator[None]:
    """Prefect's process worker beside ours, on a pool of its own."""
    port = httpx.URL(settings.prefect_api_url).port or 0
    environment = {
        **base(os.environ, settings.home),
        **client_environment(home=prefect_directory(settings.home), port=port, auth=settings.prefect_auth),
        **ONE_THREAD_EACH,
        "PREFECT_WORKER_QUERY_SECONDS": str(STOCK_POLL_SECONDS),
    }
    command = commands.stock_worker(STOCK_POOL, name="stock", limit=4)
    with (settings.home / "stock-worker.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    asked = f"{settings.prefect_api_url}/work_pools/{STOCK_POOL}/workers/filter"
    try:
        eventually("the stock worker's start", lambda: _has_worker(asked, settings.prefect_auth))
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _has_worker(asked: str, auth: str) -> bool:
    answer = httpx.post(asked, json={}, auth=basic(auth))
    return answer.is_success and bool(answer.json())
