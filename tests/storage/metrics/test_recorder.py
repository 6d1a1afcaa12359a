"""Reports that wait for the same commit: together when it succeeds, each told when it does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from governance.errors import DependencyUnavailable, Forbidden
from governance.monitoring.points import tallied
from governance.operations.inferences import Report
from storage.composition import Platform
from storage.metrics.recorder import Recorder
from storage.settings import Settings
from tests.fixtures.loops import run_async
from tests.fixtures.registry import APPROVER, RegistryUnderTest
from tests.governance.operations.situations import query


def reports(r: RegistryUnderTest, count: int) -> list[Report]:
    model = r.model()
    version = r.version(model, weights=None)
    tallies = tallied([{"timing_ms": 2}], r.at)
    return [Report(r.call(r.dev), model, version, version, tallies) for _ in range(count)]


async def recorded(platform: Platform, given: list[Report]) -> list[BaseException | None]:
    recorder = Recorder(platform)
    answers = await asyncio.gather(*(recorder.record(one) for one in given), return_exceptions=True)
    await recorder.close()
    return answers


def test_what_waits_is_committed_together(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    given = reports(r, 50)
    assert run_async(recorded(r.platform, given)) == [None] * 50
    stored = query(r, "select points from inference_sketches where version_id = %s", given[0].version_id)
    assert sum(points for (points,) in stored) == 50
    assert len(stored) <= 3, "the first alone, and the others while it was being committed"


def test_a_refused_report_is_told_alone(shared_registry: RegistryUnderTest) -> None:
    r = shared_registry
    given = reports(r, 9)
    approver = r.person("ruth", APPROVER, "risk")
    given[4] = replace(given[4], call=r.call(approver))
    answers = run_async(recorded(r.platform, given))
    assert isinstance(answers[4], Forbidden)
    assert [answer for answer in answers if answer is not None] == [answers[4]]
    total = query(r, "select points from inference_totals where version_id = %s", given[0].version_id)
    assert total == [(8,)]


def test_without_a_database_everybody_is_told_to_come_again(shared_registry: RegistryUnderTest, tmp_path: Path) -> None:
    nowhere = Platform(Settings(home=tmp_path / "home", database_url="postgresql://gatehouse@127.0.0.1:1/none"))
    try:
        answers = run_async(recorded(nowhere, reports(shared_registry, 7)))
    finally:
        nowhere.close()
    assert [type(answer) for answer in answers] == [DependencyUnavailable] * 7
    assert len({id(answer) for answer in answers}) == 7, "an exception that several raise would grow with each"
