"""Nights over HTTP: how far one is, its runs, and what is told to whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest

from governance.access.roles import Role
from governance.access.rules import AccessRule
from governance.operations import groups
from storage.postgres_server import PostgresServer
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures import validation
from tests.fixtures.postgres import fresh_database
from tests.fixtures.registry import DEVELOPER
from tests.governance.operations.situations import model_with_version, query

ROOT = "/api/models/enterprise/validation"
DAY = "2026-02-01"


@dataclass
class Fleet:
    """A night over five versions of the lab and one that nobody but `elsewhere` may see."""

    api: ServedApi
    night: str
    runs: list[str]
    foreign: str


@pytest.fixture(scope="module")
def fleet(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("nights") / "home") as api,
    ):
        r = api.registry
        r.person("olga", DEVELOPER, "elsewhere")
        summary = {"models_processed": 5, "seconds": {"statistics": 1.5}}
        night = validation.night(r, date(2026, 2, 1), status="partial", models=6, batches=3, summary=summary)
        runs = []
        for status, severity in (
            ("passed", "none"), ("failed", "high"), ("error", "none"), ("insufficient_evidence", "none"), (None, None),
        ):  # fmt: skip
            model = model_with_version(r)
            version = str(query(r, "select id from model_versions where model_id = %s", model)[0][0])
            runs.append(validation.queued(r, version, night_id=night))
            if status is not None and severity is not None:
                validation.settle(r, runs[-1], status, severity=severity)
            else:  # as a night leaves behind what it did not reach
                query(
                    r,
                    """update validation_runs set status = 'error', completed_at = now(),
                           reason = 'The night ended before this version was reached.' where id = %s""",
                    runs[-1],
                )
        model = model_with_version(r)
        version = str(query(r, "select id from model_versions where model_id = %s", model)[0][0])
        foreign = validation.queued(r, version, night_id=night)
        validation.settle(r, foreign, "failed", severity="low")
        with r.unit() as uow:
            uow.access.set_of_model(model, AccessRule(("elsewhere",)), r.at)
            uow.commit()
        yield Fleet(api, night, runs, foreign)


@pytest.fixture
def nothing_tonight(fleet: Fleet) -> None:
    """A night that another test has begun lies long ago."""
    query(
        fleet.api.registry,
        """update validation_nights set night = (select min(night) from validation_nights) - 1
           where trigger = 'request' and night > %s""",
        date(2026, 2, 2),
    )


def test_whoever_monitors_the_platform_sees_the_whole_night(fleet: Fleet) -> None:
    found = data(fleet.api.admin.get(f"{ROOT}/nights/{DAY}"))
    assert (found["id"], found["night"], found["status"], found["scope"]) == (fleet.night, DAY, "partial", "platform")
    assert (found["models"], found["models_processed"], found["not_reached"]) == (6, 5, 1)
    assert found["results_summary"] == {
        "passed": 1, "failed": 2, "errors": 1, "insufficient_evidence": 1, "regressions_detected": 2,
    }  # fmt: skip
    assert found["batches"] == {"total": 3, "queued": 0, "running": 0, "done": 3, "given_up": 0}
    assert found["summary"]["seconds"] == {"statistics": 1.5}


def test_others_are_told_about_what_they_may_see(fleet: Fleet) -> None:
    """A data scientist of the lab: five of six models, and nothing that tells of the sixth."""
    r = fleet.api.registry
    scientist = fleet.api.sign_in(r.person("sofie", (Role.DATA_SCIENTIST,), "lab"))
    found = data(scientist.get(f"{ROOT}/nights/{fleet.night}"))
    assert (found["scope"], found["models"], found["models_processed"]) == ("visible", 5, 4)
    assert found["results_summary"]["regressions_detected"] == 1
    assert (found["batches"], found["summary"]) == (None, None)
    runs = scientist.get(f"{ROOT}/nights/{fleet.night}/runs")
    assert {run["id"] for run in data(runs)} == set(fleet.runs)
    assert runs.json()["pagination"]["total"] == 5
    assert fleet.foreign not in runs.text


def test_a_permission_of_a_group_is_not_one_for_the_platform(fleet: Fleet) -> None:
    r = fleet.api.registry
    groups.create_group(r.unit(), r.call(None), groups.NewGroup("watchers", permissions=["monitoring:*"]))
    watcher = fleet.api.sign_in(r.person("wanda", (), "watchers"))
    found = data(watcher.get(f"{ROOT}/nights/{fleet.night}"))
    assert (found["scope"], found["models"]) == ("visible", 0)
    assert data(watcher.get(f"{ROOT}/nights/{fleet.night}/runs")) == []


def test_acting_for_one_group_counts_what_that_group_may_see(fleet: Fleet) -> None:
    narrow = {"X-Group-Context": "lab"}
    found = data(fleet.api.dev.get(f"{ROOT}/nights/{fleet.night}", headers=narrow))
    assert (found["scope"], found["models"]) == ("visible", 5)
    assert data(fleet.api.dev.get(f"{ROOT}/nights/{fleet.night}"))["scope"] == "platform"


def test_a_missed_night_reached_nothing(fleet: Fleet) -> None:
    night = validation.night(fleet.api.registry, date(2025, 12, 24), status="missed", models=7, batches=0)
    found = data(fleet.api.admin.get(f"{ROOT}/nights/{night}"))
    assert (found["models"], found["models_processed"], found["not_reached"]) == (7, 0, 7)
    scientist = fleet.api.sign_in(fleet.api.registry.person("sven", (Role.DATA_SCIENTIST,), "lab"))
    found = data(scientist.get(f"{ROOT}/nights/{night}"))
    assert (found["scope"], found["models"], found["not_reached"]) == ("visible", 0, 0)


def test_runs_with_a_regression_come_first_on_every_page(fleet: Fleet) -> None:
    seen, path = [], f"{ROOT}/nights/{fleet.night}/runs?pageSize=2"
    while path:
        answer = fleet.api.admin.get(path)
        assert len(data(answer)) <= 2
        seen += [run["id"] for run in data(answer)]
        path = answer.json()["links"].get("next")
    lab = fleet.runs
    assert seen == [fleet.foreign, lab[1], lab[4], lab[3], lab[2], lab[0]]


@pytest.mark.parametrize(
    ("asked", "places"),
    [
        ({"status": "passed"}, [0]),
        ({"regression_detected": "true"}, [1]),
        ({"regression_detected": "false", "status": "error"}, [4, 2]),
        ({"status": "queued"}, []),
    ],
)
def test_runs_can_be_asked_for_by_how_they_ended(fleet: Fleet, asked: dict[str, str], places: list[int]) -> None:
    answer = fleet.api.admin.get(f"{ROOT}/nights/{fleet.night}/runs", params=asked)
    shown = [run["id"] for run in data(answer) if run["id"] != fleet.foreign]
    assert shown == [fleet.runs[place] for place in places]


def test_nights_are_listed_newest_first(fleet: Fleet) -> None:
    r = fleet.api.registry
    later = validation.night(r, date(2026, 2, 2), status="missed", batches=0)
    earlier = validation.night(r, date(2026, 1, 31))  # written down later, as a missed one may be
    shown = fleet.api.dev.get(f"{ROOT}/nights")
    mine = [night["id"] for night in data(shown) if night["id"] in (later, earlier, fleet.night)]
    assert mine == [later, fleet.night, earlier]
    missed = data(fleet.api.dev.get(f"{ROOT}/nights", params={"status": "missed"}))
    assert later in [night["id"] for night in missed]
    assert {night["status"] for night in missed} == {"missed"}
    refusal(fleet.api.dev.get(f"{ROOT}/nights", params={"status": "done"}), 400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "named", ["2026-02-30", "20260201", "2026-W05-7", "tonight", "01890000-0000-7000-8000-000000000000", "1999-01-01"]
)
def test_an_unknown_night_is_not_found(fleet: Fleet, named: str) -> None:
    for path in (named, f"{named}/runs", f"{named}/charts/overview.svg"):
        refusal(fleet.api.admin.get(f"{ROOT}/nights/{path}"), 404, "NIGHT_NOT_FOUND")


def test_starting_a_night_takes_a_permission_for_the_platform(fleet: Fleet) -> None:
    before = fleet.api.stored()
    refusal(fleet.api.grace.post(f"{ROOT}/nightly", params={"wait_seconds": 0}), 403, "FORBIDDEN")
    assert fleet.api.stored() == before


@pytest.mark.usefixtures("nothing_tonight")
def test_without_an_orchestrator_the_night_is_kept_and_named(fleet: Fleet) -> None:
    launcher = fleet.api.registry.launcher
    launcher.available = False
    try:
        answer = fleet.api.admin.post(f"{ROOT}/nightly", params={"wait_seconds": 0})
    finally:
        launcher.available = True
    error = refusal(answer, 503, "DEPENDENCY_UNAVAILABLE")
    kept = data(fleet.api.admin.get(answer.headers["location"]))
    assert (kept["id"], kept["status"]) == (error["details"]["nightId"], "running")
    again = data(fleet.api.admin.post(f"{ROOT}/nightly", params={"wait_seconds": 0}), 202)
    assert again["id"] == kept["id"]


@pytest.mark.usefixtures("nothing_tonight")
def test_starting_a_night_tells_no_more_than_looking_at_it(fleet: Fleet) -> None:
    """Starting takes another permission than counting over all models does."""
    r, asked = fleet.api.registry, {"wait_seconds": 0}
    night = data(fleet.api.admin.post(f"{ROOT}/nightly", params=asked), 202)["id"]
    added = 0
    for run in (*fleet.runs, fleet.foreign):
        version = str(query(r, "select version_id from validation_runs where id = %s", run)[0][0])
        validation.settle(r, validation.queued(r, version, night_id=night))
        added += 1
    query(r, "update validation_nights set models = models + %s where id = %s", added, night)
    whole = data(fleet.api.admin.post(f"{ROOT}/nightly", params=asked), 202)
    assert (whole["scope"], whole["models_processed"]) == ("platform", 6)
    assert whole["batches"] is not None
    for scopes, seen in ((["monitoring:create"], 0), (["monitoring:create", "model:read"], 5)):
        token, _ = r.token(r.dev, scopes=scopes)
        with fleet.api.with_token(token) as starter:
            found = data(starter.post(f"{ROOT}/nightly", params=asked), 202)
        assert (found["id"], found["scope"], found["batches"]) == (night, "visible", None)
        assert (found["models"], found["models_processed"], found["results_summary"]["passed"]) == (seen, seen, seen)
