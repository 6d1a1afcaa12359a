"""`GET /metrics`: readable by Prometheus, bounded, and of nothing that the caller may not see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.metering import ELSEWHERE, RequestMeter
from governance.access.roles import Role
from governance.validation.runs import RunStatus
from storage.composition import new_id
from storage.postgres_server import PostgresServer
from storage.queries import platform_figures
from tests.api.served import ServedApi, data, refusal, served
from tests.fixtures import validation
from tests.fixtures.postgres import fresh_database
from tests.governance.operations.situations import parked, query

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def own_api(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedApi]:
    with (
        fresh_database(postgres_server, template=template_database) as url,
        served(url, tmp_path_factory.mktemp("metrics") / "home") as api,
    ):
        yield api


def scraped(client: httpx.Client) -> Series:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    """The sum of the series that have these labels and perhaps others."""
    return sum(number for (named, own), number in series.items() if named == name and set(labels.items()) <= own)


def report(api: ServedApi, version: str, count: int, *, failed: int = 0) -> None:
    points: list[dict[str, Any]] = [{"timing_ms": 500}] * (count - failed)
    points += [{"timing_ms": 500, "success": False, "error": "model_error"}] * failed
    data(api.dev.post(f"/api/models/enterprise/registry/{version}/inference", json=points))


def test_what_is_told(own_api: ServedApi) -> None:
    api, r = own_api, own_api.registry
    request = parked(r)
    query(
        r,
        """insert into findings (id, model_id, version_id, severity, title, status, created_at)
           values (%s, %s, %s, 'high', 'It drifted.', 'open', now())""",
        *(new_id(), request.model_id, request.version_id),
    )
    report(api, request.version_id, 10, failed=3)
    before = scraped(api.admin)
    assert value(before, "gatehouse_open_transition_requests") == 1
    assert value(before, "gatehouse_open_findings", severity="high") == 1
    assert value(before, "gatehouse_versions", state="staging") == 1
    waiting = int(query(r, "select count(*) from audit_outbox")[0][0])
    assert value(before, "gatehouse_audit_waiting_entries") == waiting > 0
    name = str(query(r, """select "group" || '/' || name from models""")[0][0])
    counted = {
        outcome: value(before, "gatehouse_model_inferences_total", model=name, version="1.0.0", outcome=outcome)
        for outcome in ("success", "failure")
    }
    assert counted == {"success": 7, "failure": 3}
    assert value(before, "gatehouse_model_inference_seconds_total", model=name) == 5.0

    assert api.dev.get("/api/v1/models").status_code == 200
    assert api.dev.get(f"/api/v1/models/{new_id()}").status_code == 404
    assert api.dev.get("/nowhere/" + new_id()).status_code == 404
    after = scraped(api.admin)
    for route, status in (("/api/v1/models", "200"), ("/api/v1/models/{model_id}", "404"), (ELSEWHERE, "404")):
        labels = {"method": "GET", "route": route}
        grown = [
            value(after, name, **labels, **more) - value(before, name, **labels, **more)
            for name, more in (
                ("gatehouse_http_requests_total", {"status": status}),
                ("gatehouse_http_request_duration_seconds_count", {}),
                ("gatehouse_http_request_duration_seconds_bucket", {"le": "+Inf"}),
            )
        ]
        assert grown == [1, 1, 1], route
    assert not [labels for _, labels in after if request.model_id in str(labels)], "no series is named by an id"


def test_models_are_bounded_and_the_rest_is_one(own_api: ServedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        platform_figures, "_BUSIEST", platform_figures._BUSIEST.replace(f"limit {platform_figures.BUSIEST}", "limit 2")
    )
    api, r = own_api, own_api.registry
    for count in (5, 40, 7, 30):
        report(api, r.version(r.model(), weights=None), count, failed=1)
    series = scraped(api.admin)
    models = {dict(labels)["model"] for name, labels in series if name == "gatehouse_model_inferences_total"}
    assert len(models) == 3
    assert value(series, "gatehouse_model_inferences_total") == 82
    assert value(series, "gatehouse_model_inferences_total", model="other", version="other") == 12
    assert value(series, "gatehouse_model_inferences_total", model="other", outcome="failure") == 2
    assert value(series, "gatehouse_model_inference_seconds_total", model="other") == 6.0


def test_nothing_is_told_of_what_may_not_be_seen(own_api: ServedApi) -> None:
    api, r = own_api, own_api.registry
    request = parked(r)
    report(api, request.version_id, 10)
    outsider = api.sign_in(r.person("olga", (Role.ML_ENGINEER,), "elsewhere"))
    series = scraped(outsider)
    for name in ("open_transition_requests", "versions", "model_inferences_total", "open_findings"):
        assert value(series, f"gatehouse_{name}") == 0, name
    assert value(scraped(api.grace), "gatehouse_model_inferences_total") == 10, "who decides sees across groups"


def test_the_newest_night_is_told(own_api: ServedApi) -> None:
    api, r = own_api, own_api.registry
    assert not [name for name, _ in scraped(api.admin) if name.startswith("gatehouse_night")], "there was none"
    older, began = datetime(2026, 2, 1, 2, tzinfo=UTC), datetime(2026, 2, 2, 2, 0, 7, tzinfo=UTC)
    version = r.version(r.model(), weights=None)
    before = validation.night(r, older.date(), started_at=older)
    validation.settle(r, validation.queued(r, version, night_id=before), "failed")
    night = validation.night(r, began.date(), started_at=began, models=4)
    for status in ("passed", "passed", "error", "insufficient_evidence"):
        validation.settle(r, validation.queued(r, r.version(r.model(), weights=None), night_id=night), status)
    series = scraped(api.admin)
    counted = {status: value(series, "gatehouse_night_runs", status=status) for status in RunStatus}
    assert {status.value: count for status, count in counted.items() if count} == {
        "passed": 2, "error": 1, "insufficient_evidence": 1,
    }  # fmt: skip
    assert value(series, "gatehouse_night_began_seconds") == began.timestamp()
    outsider = api.sign_in(r.person("olga", (Role.ML_ENGINEER,), "elsewhere"))
    seen = scraped(outsider)
    assert value(seen, "gatehouse_night_runs") == 0
    assert value(seen, "gatehouse_night_began_seconds") == began.timestamp(), "that there was one is no secret"

    missed = datetime(2026, 2, 3, 2, tzinfo=UTC)
    validation.night(r, missed.date(), status="missed", models=4, batches=0, started_at=missed)
    late = scraped(api.admin)
    assert value(late, "gatehouse_night_began_seconds") == began.timestamp(), "a missed night did not begin"
    assert value(late, "gatehouse_night_runs") == 0


def test_who_may_scrape(own_api: ServedApi) -> None:
    api, r = own_api, own_api.registry
    refusal(api.anonymous.get("/metrics"), 401, "UNAUTHENTICATED")
    scientist = api.sign_in(r.person("sam", (Role.DATA_SCIENTIST,), "lab"))
    refusal(scientist.get("/metrics"), 403, "FORBIDDEN")
    service = r.person("prometheus", (Role.CATALOG_ADMIN,), kind="service", owner="root")
    token, _ = r.token(service, scopes=["monitoring:read"])
    report(api, r.version(r.model(), weights=None), 3)
    with api.with_token(token) as scraper:
        assert value(scraped(scraper), "gatehouse_model_inferences_total") == 3
        refusal(scraper.get("/api/v1/models"), 403, "FORBIDDEN")
        refusal(scraper.post("/api/v1/groups", json={"name": "mine"}), 403, "FORBIDDEN")


def test_the_librarys_shared_registry_is_left_alone(own_api: ServedApi) -> None:
    scraped(own_api.admin)
    assert b"gatehouse_" not in prometheus_client.generate_latest()


def test_addresses_and_methods_make_no_series() -> None:
    meter = RequestMeter()
    for status in (200, 200, 0):
        meter.count("GET", "/x", status, 0.03)
    meter.count("GET", "/x", 200, 11.0)
    assert meter.calls == {("GET", "/x", "200"): 3, ("GET", "/x", "none"): 1}
    (durations,) = meter.durations.values()
    assert (sum(durations.counts), durations.counts[-1], durations.counts[3]) == (4, 1, 3)


def test_made_up_methods_and_addresses_share_series(own_api: ServedApi) -> None:
    for number, method in enumerate(("TRACE", "PROPFIND", "MKCOL", "SEARCH", "LOCK")):
        own_api.anonymous.request(method, f"/up/{number}")
    series = scraped(own_api.admin)
    assert value(series, "gatehouse_http_requests_total", method="other", route=ELSEWHERE) == 5
