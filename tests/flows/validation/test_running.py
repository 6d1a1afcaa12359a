"""One model's trouble is its own: whatever a run holds or does, the others are measured and settled."""

from __future__ import annotations

from typing import Any

import pytest

from flows.validation import batch, running
from flows.validation.data import Examples
from flows.validation.settling import settle_all
from governance.errors import DependencyUnavailable
from governance.operations.nights import begin_batch, end_night
from governance.validation.nights import NightStatus
from governance.validation.runs import Measured, RunStatus, ValidationRun
from storage.composition import Platform
from tests.fixtures.loops import run_async
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import in_production, query
from tests.governance.validation.nights import failed, get, measure, night

RUN = "0f5e0b8e-0000-7000-8000-000000000001"  # of a flow


@pytest.fixture
def r(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    return registry_under_test


def begun(r: RegistryUnderTest, models: int) -> tuple[str, tuple[ValidationRun, ...]]:
    for _ in range(models):
        in_production(r, "1.0.0")
    night_id = night(r, batch_size=100)
    return night_id, begin_batch(r.unit(), r.call(None), night_id, 1)


def of_night(r: RegistryUnderTest, night_id: str) -> tuple[ValidationRun, ...]:
    with r.unit() as uow:
        return uow.runs.of_night(night_id)


def test_a_run_that_cannot_be_settled_ends_as_an_error_alone(r: RegistryUnderTest) -> None:
    night_id, runs = begun(r, 3)
    for run in runs:
        measure(r, run, tests=(failed(),))
    query(
        r,
        f"""create function no_finding() returns trigger language plpgsql as $$ begin
            if new.version_id = '{runs[1].version_id}' then raise exception 'not this one'; end if; return new;
            end $$""",
    )
    query(r, "create trigger no_finding before insert on findings for each row execute function no_finding()")
    assert settle_all(r.platform, of_night(r, night_id), "test") == 3
    ended = [get(r, run.id) for run in runs]
    assert [run.status for run in ended] == [RunStatus.FAILED, RunStatus.ERROR, RunStatus.FAILED]
    assert query(r, "select count(*) from findings") == [(2,)]
    assert settle_all(r.platform, of_night(r, night_id), "test") == 0
    assert end_night(r.unit(), r.call(None), night_id) is NightStatus.COMPLETED


def test_what_cannot_be_kept_is_an_error_of_the_run(r: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (run,) = begun(r, 1)
    monkeypatch.setattr(running, "measure", lambda *_: Measured(tests=({**failed(), "reason": "a NUL: \x00"},)))
    with Examples(r.platform) as examples:
        running.measure_one(r.platform, run, examples)
    stored = get(r, run.id)
    assert stored.status is RunStatus.MEASURED
    assert [test["outcome"] for test in stored.tests] == ["error"]


def test_a_defect_of_ours_is_an_error_of_the_run(r: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (run,) = begun(r, 1)

    def broken(*_: Any) -> Measured:
        raise RuntimeError("with a secret in its text")

    monkeypatch.setattr(running, "measure", broken)
    with Examples(r.platform) as examples:
        running.measure_one(r.platform, run, examples)
    (test,) = get(r, run.id).tests
    assert test["reason"] == "The validation itself failed: RuntimeError."


def test_storage_that_is_away_is_no_fault_of_the_version(r: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried until it is back, and counts for nothing."""
    night_id, (run,) = begun(r, 1)
    calls: list[str] = []
    pauses: list[float] = []

    def away_at_first(platform: Platform, run: ValidationRun, examples: Examples) -> None:
        calls.append(run.id)
        if len(calls) < 5:
            raise DependencyUnavailable("The store does not answer.")
        measure(r, run)

    async def no_time(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(batch, "measure_one", away_at_first)
    monkeypatch.setattr(batch, "runtime", type("R", (), {"flow_run": type("F", (), {"id": RUN})}))
    monkeypatch.setattr(batch, "get_run_logger", lambda: running._log)
    monkeypatch.setattr(batch, "sleep", no_time)  # of this module alone: other loops may run in this process
    with Examples(r.platform) as examples:
        assert run_async(batch._measure(r.platform, night_id, run, examples))
    assert pauses == [1, 2, 4, 8]
    stored = get(r, run.id)
    assert (stored.status, stored.attempt) == (RunStatus.MEASURED, 2)


def test_a_worker_stops_when_the_night_is_over(r: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    night_id, (run,) = begun(r, 1)
    end_night(r.unit(), r.call(None), night_id)
    monkeypatch.setattr(batch, "runtime", type("R", (), {"flow_run": type("F", (), {"id": RUN})}))
    with Examples(r.platform) as examples:
        assert not batch._attempt(r.platform, night_id, run, examples)
    assert get(r, run.id).status is RunStatus.ERROR


def test_a_version_that_ends_its_worker_is_given_up_at_the_third_time(
    r: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    night_id, (run,) = begun(r, 1)
    monkeypatch.setattr(batch, "runtime", type("R", (), {"flow_run": type("F", (), {"id": RUN})}))
    monkeypatch.setattr(batch, "measure_one", lambda *_: None)  # as far as anybody can tell afterwards
    with Examples(r.platform) as examples:
        for _ in range(2):
            batch._attempt(r.platform, night_id, run, examples)
            (run,) = begin_batch(r.unit(), r.call(None), night_id, 1)
        batch._attempt(r.platform, night_id, run, examples)
    (test,) = get(r, run.id).tests
    assert test["reason"] == "The worker was lost 2 times while it executed the suites."
    assert get(r, run.id).status is RunStatus.MEASURED
