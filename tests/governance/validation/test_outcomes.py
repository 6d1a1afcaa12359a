"""What follows from a verdict: findings that block, people told, a canary taken back; all of it or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from governance.errors import DependencyUnavailable
from governance.findings import REGRESSION
from governance.operations.findings import close_finding
from governance.operations.validation_outcomes import ACCOUNT, is_canary
from governance.operations.validation_runs import begin_run, record_measured
from governance.requests import RequestStatus
from governance.validation.runs import RunStatus
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import bring, carry_out, in_production, model_with_version, query, told
from tests.governance.validation.nights import alone, failed, get, measure, measured, night, settle, whole_night


@pytest.fixture
def r(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    return registry_under_test


def production_version(r: RegistryUnderTest, model: str) -> str:
    with r.unit() as uow:
        found = uow.versions.in_production(model)
    assert found is not None
    return found.id


def test_a_regression_is_a_finding_that_blocks_and_an_event(r: RegistryUnderTest) -> None:
    model = in_production(r, "1.0.0")
    r.later(days=30)
    assert whole_night(r, b=2_500, c=500) == (whole_night(r)[0], [])
    kind, severity, blocks, version, title = query(
        r, "select kind, severity, blocks, version_id::text, title from findings"
    )[0]
    assert (kind, severity, blocks) == ("regression", "high", ["approve_production", "promote_production"])
    assert version == production_version(r, model)
    assert title == "Version 1.0.0 is worse than its baseline (overall), severity high."
    events = query(
        r, "select data->>'regressionSeverity' from events where type = 'io.gatehouse.validation.regression'"
    )
    assert events == [("high",)]
    (entry,) = told(r, "validation:settled")
    assert entry.after["regressionDetected"] is True
    assert entry.after["findings"] == [query(r, "select id::text from findings")[0][0]]


def test_the_next_night_opens_no_second_finding_but_makes_it_more_severe(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    r.later(days=30)
    whole_night(r, b=700, c=300)
    assert query(r, "select severity, blocks from findings") == [("low", [])]
    r.later(days=1)
    whole_night(r, b=2_500, c=500)
    assert query(r, "select severity, cardinality(blocks) from findings") == [("high", 2)]
    r.later(days=1)
    whole_night(r, b=700, c=300)
    assert query(r, "select severity, status from findings") == [("high", "open")]


def test_after_it_was_closed_another_is_opened(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    r.later(days=30)
    whole_night(r, b=2_500, c=500)
    finding = query(r, "select id::text from findings")[0][0]
    close_finding(r.unit(), r.call(r.alan), finding, kind="fixed", resolution="The data pipeline was repaired.")
    r.later(days=1)
    whole_night(r, b=2_500, c=500)
    assert query(r, "select kind, status from findings order by id") == [
        (REGRESSION, "closed"), (REGRESSION, "open")
    ]  # fmt: skip


def test_a_failed_test_of_what_serves_is_a_finding(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    r.later(days=30)
    whole_night(r, tests=(failed(reason="accuracy is 0.8, below the threshold 0.9"),))
    assert query(r, "select kind, severity, title from findings") == [
        (
            "validation",
            "medium",
            "Version 1.0.0 failed validation: holdout.accuracy: accuracy is 0.8, below the threshold 0.9",
        )
    ]


def test_a_canary_is_taken_back_by_itself(r: RegistryUnderTest) -> None:
    model = in_production(r, "1.0.0", "1.1.0")
    r.later(hours=20)
    _, requests = whole_night(r, b=2_500, c=500)
    assert len(requests) == 1
    with r.unit() as uow:
        request = uow.requests.get(requests[0])
    assert (request.transition.value, request.status) == ("rollback", RequestStatus.OPEN)
    assert query(r, "select name, kind, active, roles from users where id = %s", request.requester_id) == [
        (ACCOUNT, "service", False, [])
    ]
    assert carry_out(r, request).status is RequestStatus.APPLIED
    with r.unit() as uow:
        restored = uow.versions.in_production(model)
        pin = uow.baselines.pinned(uow.evaluations.suites_of_model(model)[0].id)
    assert restored is not None
    assert restored.version == "1.0.0"
    assert pin is not None
    assert pin.version_id == restored.id


@pytest.mark.parametrize("hours", [73, 24 * 30])
def test_what_has_served_for_long_is_not(r: RegistryUnderTest, hours: float) -> None:
    in_production(r, "1.0.0", "1.1.0")
    r.later(hours=hours)
    assert whole_night(r, b=2_500, c=500)[1] == []


def test_nor_is_it_for_a_small_one(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0", "1.1.0")
    r.later(hours=20)
    assert whole_night(r, b=700, c=300)[1] == []


def test_nor_where_there_is_nothing_to_go_back_to(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    r.later(hours=20)
    assert whole_night(r, b=2_500, c=500)[1] == []


def test_nor_where_somebody_moves_the_version_already(r: RegistryUnderTest) -> None:
    model = in_production(r, "1.0.0", "1.1.0")
    r.later(hours=20)
    r.open(model, "1.1.0", "deprecate", by=r.grace, reason="It is replaced.")
    assert whole_night(r, b=2_500, c=500)[1] == []


def test_all_of_it_or_nothing(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0", "1.1.0")
    r.later(hours=20)
    night_id = night(r)
    with r.unit() as uow:
        (run,) = uow.runs.of_batch(night_id, 1)
    measure(r, run, b=2_500, c=500)
    before = query(r, "select count(*) from events")
    with r.platform.engine.begin() as connection:
        connection.exec_driver_sql("alter table audit_outbox rename to gone")
    with pytest.raises(DependencyUnavailable):
        settle(r, run)
    with r.platform.engine.begin() as connection:
        connection.exec_driver_sql("alter table gone rename to audit_outbox")
    assert get(r, run.id).status is RunStatus.MEASURED
    assert query(r, "select count(*) from findings") == [(0,)]
    assert query(r, "select count(*) from events") == before
    assert len(settle(r, run)) == 1
    assert settle(r, get(r, run.id)) == []


def test_a_run_alone_moves_no_detector_of_the_nights(r: RegistryUnderTest) -> None:
    model = in_production(r, "1.0.0")
    version = production_version(r, model)
    r.later(days=30)
    whole_night(r, b=30, c=20)
    first = query(r, "select judged->'suites' from validation_runs")[0][0]
    r.later(hours=1)
    assert alone(r, model, version, b=2_500, c=500).status is RunStatus.FAILED
    with r.unit() as uow:
        suite = uow.evaluations.suites_of_model(model)[0]
        last = uow.runs.last_of_suite(version, suite.id, r.at + timedelta(days=1))
    assert last is not None
    assert last[1] == first[suite.id]


def test_what_was_no_reason_to_block_becomes_one(r: RegistryUnderTest) -> None:
    bring(r, model_with_version(r), "1.0.0", "deploy_staging")
    error = {**failed(), "outcome": "error"}
    whole_night(r, tests=(error,))
    assert query(r, "select severity, cardinality(blocks) from findings") == [("low", 0)]
    r.later(days=1)
    whole_night(r, tests=(failed(),))
    assert query(r, "select severity, cardinality(blocks) from findings") == [("low", 2)]


def test_no_window_no_canary(r: RegistryUnderTest) -> None:
    model = in_production(r, "1.0.0", "1.1.0")
    query(r, "update deployments set traffic_percent = 20")
    with r.unit() as uow:
        version = uow.versions.in_production(model)
        assert version is not None
        assert is_canary(uow, r.call(None), version, timedelta(hours=1))
        assert not is_canary(uow, r.call(None), version, timedelta(0))


def test_totals_alone_take_nothing_back(r: RegistryUnderTest) -> None:
    """A newer sample may be harder for everybody."""
    in_production(r, "1.0.0", "1.1.0")
    r.later(hours=20)
    night_id = night(r)
    with r.unit() as uow:
        (run,) = uow.runs.of_batch(night_id, 1)
    begin_run(r.unit(), r.call(None), run.id)
    found = measured(r, run)
    totals = {"kind": "totals", "right": 8_000, "n": 10_000, "baseline_right": 9_000, "baseline_n": 10_000}
    told = {**found.suites[0], "measurement": {**found.suites[0]["measurement"], "evidence": "aggregate",
                                               "overall": totals}}  # fmt: skip
    record_measured(r.unit(), run.id, replace(found, suites=(told,)))
    assert settle(r, run) == []
    assert get(r, run.id).status is RunStatus.FAILED
    assert query(r, "select kind, severity from findings") == [("regression", "high")]


def test_nor_does_what_the_suite_tolerates(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0", "1.1.0")
    r.later(hours=20)
    assert whole_night(r, b=1_300, c=500)[1] == []  # 1.6 points, of which the suite tolerates two
    assert query(r, "select kind, severity from findings") == [("regression", "medium")]


@pytest.mark.parametrize(("severity", "expected"), [("none", []), ("moderate", ["low"]), ("severe", ["medium"])])
def test_drift_is_a_finding(r: RegistryUnderTest, severity: str, expected: list[str]) -> None:
    in_production(r, "1.0.0")
    r.later(days=30)
    night_id = night(r)
    with r.unit() as uow:
        (run,) = uow.runs.of_batch(night_id, 1)
    begin_run(r.unit(), r.call(None), run.id)
    drift = {"verdict": "drift", "severity": severity, "observations": 900, "summary": "", "features": ["age"]}
    record_measured(r.unit(), run.id, replace(measured(r, run), drift=drift))
    settle(r, run)
    assert [s for (s,) in query(r, "select severity from findings where kind = 'drift'")] == expected


def test_comparing_that_could_not_be_done_is_no_pass(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    night_id = night(r)
    with r.unit() as uow:
        (run,) = uow.runs.of_batch(night_id, 1)
    begin_run(r.unit(), r.call(None), run.id)
    found = measured(r, run)
    told = {**found.suites[0], "measurement": None, "not_compared": "The baseline's answers are gone from storage."}
    record_measured(r.unit(), run.id, replace(found, suites=(told,)))
    settle(r, run)
    assert get(r, run.id).status is RunStatus.INSUFFICIENT
