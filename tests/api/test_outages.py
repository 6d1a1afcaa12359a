"""Dependencies that do not answer: 503, worth repeating, and nothing lost or done by half."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from governance.errors import DependencyUnavailable
from storage.composition import Platform, new_id, open_engine, sqlalchemy_url
from storage.local_target import LocalTarget
from storage.migrations import upgrade
from storage.postgres_server import PostgresServer, start, stop
from storage.settings import Settings
from storage.unit_of_work import SqlUnitOfWork
from tests.api.served import ServedApi, data, refusal, served
from tests.governance.operations.situations import model_with_version, query


def test_the_orchestrator_is_absent(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    path = f"/api/v1/models/{model}/versions/1.0.0/transitions"
    key = {"Idempotency-Key": new_id()}
    r.launcher.available = False
    try:
        answers = [api.dev.post(path, json={"transition": "submit"}, headers=key) for _ in range(3)]
        requests = query(r, "select id::text, status, flow_run_id from transition_requests where model_id = %s", model)
        assert len(requests) == 1
        request_id, status, run = requests[0]
        assert (status, run) == ("open", None)
        for answer in answers:
            error = refusal(answer, 503, "DEPENDENCY_UNAVAILABLE")
            assert error["details"]["requestId"] == request_id
            assert answer.headers["location"] == error["details"]["location"]
            assert answer.headers["retry-after"].isdigit()
        assert data(api.dev.get(answers[0].headers["location"]))["status"] == "open"
        refusal(api.dev.post(path, json={"transition": "submit"}), 409, "REQUEST_OPEN")
    finally:
        r.launcher.available = True
    launched = api.dev.post(path, json={"transition": "submit"}, headers=key)
    request = data(launched, 202)
    assert request["id"] == request_id
    assert request["flowRunId"] is not None
    assert [run[0] for run in r.launcher.launched].count(request_id) == 1


def test_the_orchestrator_is_absent_when_somebody_tries_again(api: ServedApi) -> None:
    r = api.registry
    model = model_with_version(r)
    answer = api.dev.post(f"/api/v1/models/{model}/versions/1.0.0/transitions", json={"transition": "submit"})
    r.launcher.available = False
    try:
        refusal(api.dev.post(f"{answer.headers['location']}/retry"), 503, "DEPENDENCY_UNAVAILABLE")
    finally:
        r.launcher.available = True


def test_reading_and_writing_go_on_without_the_orchestrator(api: ServedApi) -> None:
    api.registry.launcher.available = False
    try:
        model = api.model()
        assert data(api.dev.get(f"/api/v1/models/{model}"))["id"] == model
        assert api.anonymous.get("/health").status_code == 200
        assert data(api.anonymous.get("/ready"))["database"] is True
    finally:
        api.registry.launcher.available = True


@pytest.fixture
def home_of_database(postgres_home: Path) -> tuple[Path, PostgresServer]:
    server = start(postgres_home)
    engine = open_engine(server.url("postgres"), pool_size=1)
    upgrade(engine)
    engine.dispose()
    return postgres_home, server


def test_the_database_is_stopped_and_comes_back(home_of_database: tuple[Path, PostgresServer], tmp_path: Path) -> None:
    home, server = home_of_database
    with served(server.url("postgres"), tmp_path / "home") as api:
        draft = api.version(api.model())
        assert api.dev.get(draft).status_code == 200
        stop(home, mode="fast")
        # Longer than a pool waits for a connection is a 503 as well; so one call of each kind is enough.
        for answer in (
            api.dev.get(draft),
            api.anonymous.post("/api/v1/auth/login", json={"username": "dana", "password": "x"}),
        ):
            error = refusal(answer, 503, "DEPENDENCY_UNAVAILABLE")
            assert error["details"] == {"dependency": "database"}
            assert answer.headers["retry-after"]
            assert "postgres" not in answer.text.lower()
        assert api.anonymous.get("/health").status_code == 200
        ready = api.anonymous.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["data"]["database"] is False

        start(home)
        answers = (api.dev.get(draft) for _ in range(100))
        found = next(answer for answer in answers if answer.status_code == 200)
        assert found.json()["data"]["state"] == "draft"
        assert data(api.dev.post("/api/v1/models", json={"name": "after", "group": "lab", "riskTier": "Low"}), 201)


def test_more_callers_than_connections_are_told_to_come_again(database_url: str, tmp_path: Path) -> None:
    """A pool that has nothing left is an outage of ours for this caller, and no fault of the program."""
    engine = create_engine(sqlalchemy_url(database_url), pool_size=1, max_overflow=0, pool_timeout=0.01)
    unit = SqlUnitOfWork(engine, LocalTarget(), b"k" * 32, Platform(Settings(home=tmp_path)).seals)
    with engine.connect(), pytest.raises(DependencyUnavailable), unit:
        raise AssertionError("there was no connection left")
    engine.dispose()
