"""The demo as a new user runs it, twice on the same data: every outcome is the expected one."""

from __future__ import annotations

import json

import pytest

from tests.fixtures.platform import RunningPlatform


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "runs", [("only",), pytest.param(("first", "second", "third"), marks=pytest.mark.prove)], ids=["once", "again"]
)
def test_the_demo_works_and_works_again(platform_home: RunningPlatform, runs: tuple[str, ...]) -> None:
    platform_home.up()
    for run in runs:
        done = platform_home.run("demo", "--json")
        assert done.returncode == 0, f"{run}: {done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{platform_home.logs()}"
        told = json.loads(done.stdout)
        assert told["steps"]
        assert [step for step in told["steps"] if not step["ok"]] == []
    assert platform_home.run("audit", "verify").returncode == 0
    assert platform_home.admin_token not in platform_home.said
