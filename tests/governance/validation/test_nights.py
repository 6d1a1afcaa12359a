"""A night: every active version once, in batches, judged over all of them, with what follows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from governance.errors import Forbidden
from governance.operations.nights import (
    Batches,
    Watch,
    begin_batch,
    end_night,
    finish_batch,
    launch_night,
    open_night,
    reconcile_nights,
    tend_batches,
    watch_nights,
)
from governance.validation.judging import judged
from governance.validation.nights import MOST_ATTEMPTS, NightStatus
from governance.validation.runs import RunStatus
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import bring, events, in_production, model_with_version, query, told
from tests.governance.validation.nights import get, measure, night, settle, whole_night

Held = Callable[[str], bool]
SOON = timedelta(seconds=60)


def nobody(_: str) -> bool:
    return False


@pytest.fixture
def r(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    return registry_under_test


def tend(r: RegistryUnderTest, night_id: str, held: Held, watch: Watch) -> Batches:
    return tend_batches(r.unit, r.launcher, r.call(None), night_id, held, orphan_after=SOON, watch=watch)


def three_models(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    in_production(r, "1.0.0", "1.1.0")  # the first of them is deprecated by now
    bring(r, model_with_version(r), "1.0.0", "deploy_staging")
    model_with_version(r)  # a draft


def test_it_takes_what_serves_and_is_on_its_way(r: RegistryUnderTest) -> None:
    three_models(r)
    night_id = night(r, batch_size=2)
    rows = query(
        r,
        "select v.version, v.state, r.batch from validation_runs r join model_versions v on v.id = r.version_id "
        "order by r.batch, v.id",
    )
    assert sorted((version, state) for version, state, _ in rows) == [
        ("1.0.0", "production"),
        ("1.0.0", "staging"),
        ("1.1.0", "production"),
    ]
    assert [batch for *_, batch in rows] == [1, 1, 2]
    assert told(r, "night:opened")[0].after == {
        "night": "2026-03-02", "trigger": "schedule", "models": 3, "batches": 2
    }  # fmt: skip
    assert night(r) == night_id


def test_one_night_a_date_also_for_sixteen_at_once(r: RegistryUnderTest) -> None:
    three_models(r)

    def begin(_: int) -> tuple[str, bool]:
        return open_night(r.unit(), r.call(None), night=r.at.date(), trigger="schedule", batch_size=2, hours=6)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(begin, range(16)))
    assert len({night_id for night_id, _ in made}) == 1
    assert sum(new for _, new in made) == 1
    assert query(r, "select count(*) from validation_runs") == [(3,)]


def test_who_may_begin_it(r: RegistryUnderTest) -> None:
    with pytest.raises(Forbidden):
        open_night(r.unit(), r.call(r.grace), night=r.at.date(), trigger="request", batch_size=2, hours=6)
    _, new = open_night(r.unit(), r.call(r.dev), night=r.at.date(), trigger="request", batch_size=2, hours=6)
    assert new


def test_doing_it_again_changes_nothing(r: RegistryUnderTest) -> None:
    three_models(r)
    assert whole_night(r)[0] is NightStatus.COMPLETED
    runs, nights = "select * from validation_runs order by id", "select * from validation_nights"
    before = query(r, runs), query(r, nights)
    entries = len(events(r))
    assert whole_night(r) == (NightStatus.COMPLETED, [])
    with r.unit() as uow:
        assert not [run for run in uow.runs.of_night(night(r)) if run.status is RunStatus.MEASURED]
    assert (
        query(r, "select * from validation_runs order by id"),
        query(r, "select * from validation_nights"),
    ) == before
    assert len(events(r)) == entries


def test_its_results_cannot_be_changed_afterwards(r: RegistryUnderTest) -> None:
    three_models(r)
    whole_night(r)
    with psycopg.connect(r.settings.database_url) as connection:
        for statement in (
            "update validation_runs set regression_detected = true",
            "delete from validation_runs",
            "update validation_nights set summary = '{}'",
            "delete from validation_nights",
            "delete from baselines",
        ):
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(statement.encode())
            connection.rollback()


def test_it_is_summed_up(r: RegistryUnderTest) -> None:
    three_models(r)
    whole_night(r)
    (summary,) = query(r, "select summary from validation_nights")[0]
    assert summary == {
        "models_processed": 3,
        "passed": 3,
        "failed": 0,
        "errors": 0,
        "insufficient_evidence": 0,
        "regressions_detected": 0,
        "not_reached": 0,
    }
    assert query(r, "select type, model_id from events where type = 'io.gatehouse.night.ended'") == [
        ("io.gatehouse.night.ended", None)
    ]


def test_what_was_not_reached_makes_it_partial_and_a_finding(r: RegistryUnderTest) -> None:
    three_models(r)
    night_id = night(r, batch_size=2)
    first = begin_batch(r.unit(), r.call(None), night_id, 1)
    measure(r, first[0])
    settle(r, first[0])
    finish_batch(r.unit(), r.call(None), night_id, 1)  # one of the two is not measured: it stays open
    with r.unit() as uow:
        assert [batch.status for batch in uow.nights.batches(night_id)] == ["running", "queued"]
    assert end_night(r.unit(), r.call(None), night_id) is NightStatus.PARTIAL
    assert sorted(query(r, "select status, count(*) from validation_runs group by 1")) == [("error", 2), ("passed", 1)]
    assert query(r, "select kind, severity, model_id, title from findings") == [
        ("night", "medium", None, "The night of 2026-03-02 ended with 2 of 3 versions not validated.")
    ]
    assert begin_batch(r.unit(), r.call(None), night_id, 2) == ()  # a late worker finds nothing to do


def test_lost_batches_begin_again_until_they_are_given_up(r: RegistryUnderTest) -> None:
    three_models(r)
    night_id, watch = night(r, batch_size=2), Watch()
    tended = tend(r, night_id, nobody, watch)
    assert (tended.queued, tended.lost) == (2, 0)
    first = r.launcher.started[f"batch:{night_id}:1:1"]
    assert first[:2] == ("validate-batch", {"night_id": night_id, "number": 1})
    begin_batch(r.unit(), r.call(None), night_id, 1)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        run = r.launcher.started[f"batch:{night_id}:1:{attempt}"][2]
        r.launcher.states[run] = "RUNNING"
        assert tend(r, night_id, lambda name: name.endswith(":1"), watch).lost == 0
        begin_batch(r.unit(), r.call(None), night_id, 1)
        r.launcher.states[run] = "CRASHED"
        assert tend(r, night_id, nobody, watch).lost == 1
    with r.unit() as uow:
        assert [batch.status for batch in uow.nights.batches(night_id)] == ["given_up", "queued"]
    assert f"batch:{night_id}:1:{MOST_ATTEMPTS + 1}" not in r.launcher.started


def test_a_batch_that_gets_further_each_time_is_not_given_up(r: RegistryUnderTest) -> None:
    """Some versions take their worker down; the others of their batch are still validated."""
    for _ in range(4):
        in_production(r, "1.0.0")
    night_id, watch = night(r, batch_size=10), Watch()
    tend(r, night_id, nobody, watch)
    for attempt in range(1, 5):
        run = r.launcher.started[f"batch:{night_id}:1:{attempt}"][2]
        for left in begin_batch(r.unit(), r.call(None), night_id, 1)[:1]:
            measure(r, left)
        r.launcher.states[run] = "CRASHED"
        assert tend(r, night_id, nobody, watch).lost == 1
    begin_batch(r.unit(), r.call(None), night_id, 1)
    finish_batch(r.unit(), r.call(None), night_id, 1)
    assert tend(r, night_id, nobody, watch).over
    with r.unit() as uow:
        assert [batch.status for batch in uow.nights.batches(night_id)] == ["done"]


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_worker_may_die_between_taking_a_batch_and_beginning_it(r: RegistryUnderTest, state: str) -> None:
    three_models(r)
    night_id, watch = night(r, batch_size=10), Watch()
    tend(r, night_id, nobody, watch)
    r.launcher.states[r.launcher.started[f"batch:{night_id}:1:1"][2]] = state
    assert tend(r, night_id, nobody, watch).lost == 0
    r.later(seconds=59)
    assert tend(r, night_id, nobody, watch).lost == 0
    r.later(seconds=2)
    assert tend(r, night_id, nobody, watch).lost == 1
    assert f"batch:{night_id}:1:2" in r.launcher.started


def test_a_night_whose_run_was_lost_is_launched_again(r: RegistryUnderTest) -> None:
    three_models(r)
    night_id = night(r)
    launch_night(r.unit, r.launcher, r.call(None), night_id)
    run = r.launcher.started[f"night:{night_id}:1"][2]
    r.launcher.states[run] = "CRASHED"
    assert reconcile_nights(r.unit, r.launcher, r.call(None), nobody, orphan_after=SOON) == ()
    r.later(minutes=2)
    assert reconcile_nights(r.unit, r.launcher, r.call(None), lambda _: True, orphan_after=SOON) == ()
    assert reconcile_nights(r.unit, r.launcher, r.call(None), nobody, orphan_after=SOON) == (night_id,)
    assert f"night:{night_id}:2" in r.launcher.started


def test_a_night_that_did_not_begin_is_begun_late_and_older_ones_were_missed(r: RegistryUnderTest) -> None:
    three_models(r)
    r.later(days=2)
    due = [((r.at - timedelta(days=back)).date(), r.at - timedelta(days=back, hours=2)) for back in range(5)]
    started = watch_nights(r.unit, r.call(None), due, batch_size=2, hours=6)
    assert len(started) == 1
    # on the first of March nothing existed that could have been validated
    assert query(r, "select night::text, status, models from validation_nights order by 1") == [
        ("2026-03-03", "missed", 3), ("2026-03-04", "running", 3)
    ]  # fmt: skip
    assert query(r, "select severity, title from findings order by severity") == [
        (
            "low",
            "The night of 2026-03-04 was not begun by its schedule, due at 10:00 UTC; it was begun later.",
        ),
        ("medium", "The night of 2026-03-03 was missed: 3 active versions were not validated."),
    ]
    assert watch_nights(r.unit, r.call(None), due, batch_size=2, hours=6) == ()
    assert query(r, "select count(*) from findings") == [(2,)]


def test_a_schedule_is_given_a_little_time(r: RegistryUnderTest) -> None:
    three_models(r)
    r.later(days=1)
    assert watch_nights(r.unit, r.call(None), [(r.at.date(), r.at)], batch_size=2, hours=6) == ()
    assert query(r, "select count(*) from validation_nights") == [(0,)]


def test_one_models_regression_stays_one(r: RegistryUnderTest) -> None:
    three_models(r)
    night_id = night(r, batch_size=10)
    runs = begin_batch(r.unit(), r.call(None), night_id, 1)
    measure(r, runs[0], b=2_500, c=500)
    for run in runs[1:]:
        measure(r, run)
    settle(r, *runs)
    assert [get(r, run.id).status for run in runs] == [RunStatus.FAILED, RunStatus.PASSED, RunStatus.PASSED]
    assert query(r, "select version_id::text, kind from findings where kind = 'regression'") == [
        (runs[0].version_id, "regression")
    ]


def test_a_second_worker_does_not_undo_what_the_first_has_measured(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    night_id = night(r)
    (run,) = begin_batch(r.unit(), r.call(None), night_id, 1)
    measure(r, run)
    with r.unit() as uow:
        uow.runs.running(run.id, r.at)
        uow.commit()
    assert get(r, run.id).status is RunStatus.MEASURED


def test_what_cannot_be_judged_ends_as_an_error_and_harms_nobody_else(r: RegistryUnderTest) -> None:
    three_models(r)
    night_id = night(r, batch_size=10)
    runs = begin_batch(r.unit(), r.call(None), night_id, 1)
    for run in runs:
        measure(r, run)
    query(r, "update validation_runs set measured = jsonb_set(measured, '{suites,0,measurement}', '{}') where id = %s",
          runs[0].id)  # fmt: skip
    settle(r, *runs)
    assert [get(r, run.id).status for run in runs] == [RunStatus.ERROR, RunStatus.PASSED, RunStatus.PASSED]


def test_after_an_interruption_the_family_is_the_same(r: RegistryUnderTest) -> None:
    """Each verdict depends on all the others, also on those that were settled before the process died."""
    three_models(r)
    night_id = night(r, batch_size=10)
    runs = begin_batch(r.unit(), r.call(None), night_id, 1)
    for run, b in zip(runs, (160, 120, 120), strict=True):
        measure(r, run, b=b, c=120)
    with r.unit() as uow:
        whole = judged(uow.runs.of_night(night_id))
    settle(r, *runs[1:])
    with r.unit() as uow:
        again = judged(uow.runs.of_night(night_id))
    assert {run.id: again[run.id].judged["suites"] for run in runs} == {
        run.id: whole[run.id].judged["suites"] for run in runs
    }
    assert whole[runs[0].id].judged != judged([get(r, runs[0].id)])[runs[0].id].judged


def test_a_night_that_came_to_nothing_does_not_forget_what_was_known(r: RegistryUnderTest) -> None:
    in_production(r, "1.0.0")
    whole_night(r, b=60, c=20)
    r.later(days=1)
    lost = night(r)
    end_night(r.unit(), r.call(None), lost)
    r.later(days=1)
    (run,) = begin_batch(r.unit(), r.call(None), night(r), 1)
    with r.unit() as uow:
        suite = uow.evaluations.suites_of_model(run.model_id)[0]
        found = uow.runs.last_of_suite(run.version_id, suite.id, r.at)
    assert found is not None
    assert found[0]["outcomes_sha256"] == "e" * 64
    assert found[1]["detector"]["nights"] == 1
