"""What a night finds about real models: against which baseline, on which examples, and what it makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows.validation.data import Examples
from flows.validation.measuring import measure
from governance.operations import data_validation
from governance.operations.baselines import add_sample
from governance.operations.validation_runs import start_run
from governance.validation.runs import RunStatus
from storage.composition import now
from tests.fixtures.registry import RegistryUnderTest
from tests.fixtures.suites import dataset
from tests.flows.validation.serving import bring, csv, nightly, only, regional, served, staged, verdict, weights
from tests.governance.operations.situations import query
from tests.governance.validation.nights import get

RETRAINED = 5  # a seed


@pytest.fixture
def r(registry_under_test: RegistryUnderTest) -> RegistryUnderTest:
    registry_under_test.at = now()  # executions and reports are of today
    return registry_under_test


def test_what_serves_is_its_own_baseline_and_another_version_is_compared_with_it(r: RegistryUnderTest) -> None:
    model, _ = served(r, csv(11))
    staged(r, model, "2.0.0", weights("worse"))
    runs = nightly(r)
    assert runs["1.0.0"].status is RunStatus.PASSED
    assert only(runs["1.0.0"])["not_compared"] == "It is the baseline itself, on the same examples."
    assert runs["2.0.0"].status is RunStatus.FAILED
    found = verdict(runs["2.0.0"])
    assert (found["evidence"], found["n"], found["detected"]) == ("paired", 4_000, True)
    assert "overall" in found["causes"]
    assert 0 < found["lower"] < found["drop"] < found["upper"]
    assert only(runs["2.0.0"])["baseline"]["version"] == "1.0.0"
    assert query(r, "select kind from findings") == [("regression",)]


def test_a_retrained_one_is_not_flagged(r: RegistryUnderTest) -> None:
    model, _ = served(r, csv(11))
    staged(r, model, "2.0.0", weights("good", seed=RETRAINED))
    run = nightly(r)["2.0.0"]
    assert not verdict(run)["detected"]
    assert verdict(run)["conclusion"] == "insufficient_evidence"  # half a point takes more than 4,000 examples
    assert run.status is RunStatus.INSUFFICIENT


def test_one_that_is_worse_in_one_region_alone_is_found_there(r: RegistryUnderTest) -> None:
    model, _ = served(r, csv(11))
    staged(r, model, "2.0.0", weights("south"))
    found = verdict(nightly(r)["2.0.0"])
    assert "slice:where=south" in found["causes"]
    slices = {one["name"]: one["detected"] for one in found["slices"]}
    assert slices == {"where=north": False, "where=south": True}


def test_a_newer_sample_is_answered_by_both_and_by_totals_for_what_was_pinned(r: RegistryUnderTest) -> None:
    model, suite = served(r, csv(11))
    staged(r, model, "2.0.0", weights("worse"))
    sample = dataset(r, csv(12, 3_000))
    add_sample(r.unit(), r.call(r.dev), suite_id=suite.id, dataset_id=sample)
    runs = nightly(r)
    assert verdict(runs["2.0.0"])["evidence"] == "paired"
    assert verdict(runs["2.0.0"])["n"] == 3_000
    assert verdict(runs["1.0.0"])["evidence"] == "aggregate"
    assert only(runs["1.0.0"])["measurement"]["overall"]["baseline_n"] == 4_000
    assert query(r, "select count(*) from suite_executions where dataset_sha256 <> %s", suite.dataset_sha256) == [(2,)]
    r.later(days=1)
    again = nightly(r)
    assert only(again["2.0.0"])["reused"]
    assert not only(again["2.0.0"])["measurement"]["fresh"]
    assert verdict(again["2.0.0"])["detector"]["nights"] == verdict(runs["2.0.0"])["detector"]["nights"] == 1


def test_small_losses_that_add_up_are_held_against_the_best_of_before(r: RegistryUnderTest) -> None:
    model, _ = served(r, csv(11))
    r.version(model, "1.1.0", weights=weights("worse"))
    bring(r, model, "1.1.0", "promote_production")
    staged(r, model, "2.0.0", weights("worse", seed=3))
    found = verdict(nightly(r)["2.0.0"])
    assert "cumulative_loss" in found["causes"]
    assert "overall" not in found["causes"]


def test_only_the_tests_that_were_named(r: RegistryUnderTest) -> None:
    limits = {"accuracy": {"min": 0.5}, "recall": {"min": 0.5}}
    model, _ = served(r, csv(11), thresholds=limits, metrics=["accuracy", "recall"])
    with r.unit() as uow:
        version = uow.versions.in_production(model)
    assert version is not None
    wanted = ["holdout.recall", "no-such-test"]
    run_id = start_run(r.unit(), r.call(r.dev), model_id=model, version_id=version.id, case_ids=wanted)
    with Examples(r.platform) as examples:
        found = measure(r.platform, get(r, run_id), examples)
    assert {test["id"]: test["outcome"] for test in found.tests} == {
        "holdout.recall": "passed",
        "no-such-test": "error",
    }
    assert found.suites[0]["measurement"] is None


def test_content_that_is_gone_is_an_error_and_no_exception(r: RegistryUnderTest) -> None:
    model, _ = served(r, csv(11))
    version = query(r, "select id from model_versions where model_id = %s", model)[0][0]
    query(r, "update artifacts set sha256 = %s where version_id = %s", "f" * 64, version)
    run = nightly(r)["1.0.0"]
    assert run.status is RunStatus.ERROR
    assert run.tests[0]["reason"]


def test_a_version_promoted_before_its_suite_had_results_is_pinned_later(r: RegistryUnderTest) -> None:
    model, first = served(r, csv(11))
    second = regional(r, model, csv(13, 500), name="later")
    request = r.open(model, "1.0.0", "evaluate")
    from flows.gathering.evidence import gather_evidence
    from flows.gathering.suites import run_evaluation

    evidence = gather_evidence(r.platform, request)
    with r.unit() as uow:
        queued = uow.evaluations.of_request(request.id)
    r.settle(request, evidence, evaluations=[run_evaluation(r.platform, one, evidence) for one in queued])
    nightly(r)
    pins = query(r, "select suite_id::text, request_id is null from baselines order by pinned_at")
    assert pins == [(first.id, False), (second.id, True)]


def test_what_is_expected_of_the_examples_fails_the_run(r: RegistryUnderTest) -> None:
    _, suite = served(r, csv(11))
    expected = {"type": "expect_column_max_to_be_between", "kwargs": {"column": "x", "max_value": 0}}
    assert suite.dataset_id is not None
    data_validation.create_expectations(r.unit(), r.call(r.dev), suite.dataset_id, [expected])
    run = nightly(r)["1.0.0"]
    assert run.status is RunStatus.FAILED
    (test,) = [test for test in run.tests if test["id"].startswith("data.")]
    assert test["outcome"] == "failed"
    assert (test["title"], test["reason"]) == ("Data", "1 of 1 expectations do not hold")  # no name and no figure
    assert run.measured is not None
    assert run.measured["data"][0]["rows"] == 4_000
    assert "'x'" in run.measured["data"][0]["failures"][0]
    r.later(days=1)
    assert nightly(r)["1.0.0"].status is RunStatus.FAILED
    assert query(r, "select count(*) from data_validations") == [(1,)]  # the same content is not looked at twice


def test_life_in_use_is_part_of_it(r: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.validation import live

    model, _ = served(r, csv(11))
    version = query(r, "select id::text from model_versions where model_id = %s", model)[0][0]
    answers: dict[str, Any] = {"found": {version: (500, 20.0, 40.0)}}
    monkeypatch.setattr(live, "nightly_latency", lambda *_: answers["found"])
    run = nightly(r)["1.0.0"]
    assert run.measured is not None
    assert run.measured["latency"]["p95_ms"] == 40.0
    assert run.measured["drift"]["verdict"] == "insufficient_evidence"
    assert query(r, "select version_id::text from drift_references") == [(version,)]
    states = [run.judged["latency"]["state"]] if run.judged else []
    answers["found"] = {version: (5, 20.0, 40.0)}  # too few to say anything: what is known is kept
    r.at += timedelta(days=1)
    silent = nightly(r)["1.0.0"]
    assert silent.judged is not None
    assert silent.judged["latency"]["state"] == states[0]
    answers["found"] = {version: (500, 20.0, 44.0)}
    r.at += timedelta(days=1)
    third = nightly(r)["1.0.0"]
    assert third.judged is not None
    assert len(third.judged["latency"]["state"]["reference"]) == 2


def test_a_canary_is_held_against_what_it_displaced_on_newer_examples(r: RegistryUnderTest) -> None:
    model, suite = served(r, csv(11), margin=0.1)
    r.version(model, "1.1.0", weights=weights("south"))
    bring(r, model, "1.1.0", "promote_production")
    first = nightly(r)["1.1.0"]
    assert only(first)["not_compared"] == "It is the baseline itself, on the same examples."  # people have judged that
    add_sample(r.unit(), r.call(r.dev), suite_id=suite.id, dataset_id=dataset(r, csv(12, 3_000)))
    r.later(days=1)
    second = nightly(r)["1.1.0"]
    assert (verdict(second)["evidence"], verdict(second)["detected"]) == ("paired", True)
    assert only(second)["baseline"]["version"] == "1.0.0"
    assert query(r, "select status from transition_requests where transition = 'rollback'") == [("open",)]
    r.later(days=4)  # past being a canary: its own pin, by totals
    assert only(nightly(r)["1.1.0"])["baseline"]["version"] == "1.1.0"


def test_how_long_it_takes_is_measured_every_night(r: RegistryUnderTest) -> None:
    served(
        r,
        csv(11),
        kind="performance",
        definition={"performance": {"metrics": ["latency_p95_ms"], "calls": 40}},
        thresholds={"latency_p95_ms": {"max": 60_000}},
    )
    assert not only(nightly(r)["1.0.0"])["reused"]
    r.later(days=1)
    assert not only(nightly(r)["1.0.0"])["reused"]
