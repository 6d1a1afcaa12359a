"""The deployed flow merges what the platform has measured."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml
from prefect.logging import disable_run_logger

from flows import compaction
from governance.monitoring.points import tallied
from governance.operations.inferences import Report, record
from storage.composition import now
from tests.fixtures.loops import run_async
from tests.fixtures.registry import RegistryUnderTest
from tests.governance.operations.situations import query

ROOT = Path(__file__).parents[2]


def test_the_flow_of_the_deployment(registry_under_test: RegistryUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    r = registry_under_test
    r.at = now()
    model = r.model()
    version = r.version(model, weights=None)
    for _ in range(4):
        record(r.unit(), [Report(r.call(r.dev), model, version, version, tallied([{"timing_ms": 1}], r.at))])
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    (entry,) = [one["entrypoint"] for one in deployments if one["name"] == "compact-metrics"]
    module, _, name = entry.rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    monkeypatch.setattr(compaction, "platform", lambda: r.platform)
    with disable_run_logger():
        assert run_async(flow.fn()) == {"spans": 1, "rows": 3}
    assert query(r, "select points from inference_sketches") == [(4,)]
