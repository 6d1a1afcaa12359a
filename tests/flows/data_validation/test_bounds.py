"""What foreign data and hostile arguments cannot do; and nothing is told to anybody outside."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.data_validation.child import OFFLINE
from flows.data_validation.process import GxProcess
from flows.evaluation.job import MIB, Limits
from flows.evaluation.sandbox import ROOT, Answer, Broken, clean_environment
from tests.flows.data_validation.batches import EXPECTATIONS, broken, good, parquet
from tests.flows.data_validation.conftest import Data

# Python's own matcher is used where the pattern needs what RE2 does not have; it takes 2^40 steps here.
BOMB = r"^(?=a)(a+)+$"


def test_a_pattern_that_never_ends_is_ended(data: Data) -> None:
    """By the limit of processor time of one job; the next job is answered."""
    dataset = data.dataset(parquet({"name": ["a" * 40 + "!"] * 3}))
    data.expect(dataset, [{"type": "expect_column_values_to_match_regex", "kwargs": {"column": "name", "regex": BOMB}}])
    with data.registry.unit() as uow:
        suite = uow.data_validations.suite(dataset.id)
    with data.registry.platform.store.local_path(dataset.sha256) as path, GxProcess(Limits(cpu_seconds=2)) as process:
        job: dict[str, Any] = {
            "op": "validate",
            "showValues": True,
            "expectations": list(suite.expectations),
            "source": {"kind": "parquet", "path": str(path)},
        }
        ended = process.ask(job)
        assert isinstance(ended, Broken)
        assert (ended.kind, ended.reason) == ("timeout", "It used more than 2 seconds of processor time.")
        assert process.pid is None
        assert isinstance(process.ask({"op": "holds"}), Answer)
        first = process.pid
        assert isinstance(process.ask({"op": "holds"}), Answer)
        assert process.pid == first, "kept between jobs"
    assert not psutil.pid_exists(first or 0)


def test_data_that_need_more_memory_than_is_allowed(data: Data) -> None:
    """A small file that unfolds into gigabytes."""
    dataset = data.dataset(parquet({"x": [0.0] * 3_000_000, "y": ["the same long text" * 40] * 3_000_000}))
    limits = Limits(memory=1200 * MIB, rows=10_000_000)
    with data.registry.platform.store.local_path(dataset.sha256) as path, GxProcess(limits) as process:
        asked = {
            "op": "profile",
            "showValues": True,
            "source": {"kind": "parquet", "path": str(path)},
        }
        assert process.ask(asked) == Broken("memory", "It needs more than the 1200 MiB of memory that are allowed.")


def test_too_many_rows(data: Data) -> None:
    dataset = data.dataset(parquet({"x": [1] * 2_000_001}))
    data.expect(dataset, [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "x"}}])
    found = data.validated(dataset)
    assert (found.status, found.reason) == ("error", "The data have more than the 2,000,000 rows that are allowed.")


def test_content_that_is_gone(data: Data) -> None:
    dataset = data.dataset(parquet(good()))
    data.expect(dataset, EXPECTATIONS)
    with data.registry.unit() as uow:
        suite = uow.data_validations.suite(dataset.id)
    found = data.validator.check(replace(dataset, sha256="0" * 64), suite)
    assert (found.status, found.reason) == ("error", "The content of the dataset is gone from storage.")


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_column_values_to_be_of_type", {"column": "age", "type_": "no such type"}),
        ("expect_column_mean_to_be_between", {"column": "country", "min_value": 1}),
        ("expect_column_values_to_be_between", {"column": "country", "min_value": 1}),
        ("expect_column_pair_values_to_be_equal", {"column_A": "age", "column_B": "id", "ignore_row_if": "exec"}),
    ],
)
def test_arguments_that_do_not_fit_never_pass(data: Data, kind: str, kwargs: dict[str, Any]) -> None:
    found = data.found(good(), {"type": kind, "kwargs": kwargs})
    assert found.status in ("error", "failed")
    assert found.reason or found.failures


def test_values_of_a_sensitive_dataset_stay_in_it(data: Data) -> None:
    wrong = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "email", "value_set": ["x"]}}
    distinct = {"type": "expect_column_distinct_values_to_equal_set", "kwargs": {"column": "email", "value_set": ["x"]}}
    open_ = data.found(broken(), wrong, distinct)
    assert [len(failure["examples"]) for failure in open_.failures] == [5, 5]
    assert "example.org" in str(open_)
    r = data.registry
    dataset = data.dataset(parquet(broken()))
    data.expect(dataset, [wrong, distinct])
    with r.unit() as uow:
        uow.access.set_of_dataset(dataset.id, replace(uow.access.of_dataset(dataset.id), sensitive=True))
        uow.commit()
    closed = data.validated(dataset)
    assert [failure["unexpected"] for failure in closed.failures] == [400, 400]
    assert "example.org" not in str(closed)
    drafted = data.validator.profile(dataset)
    assert "NL" not in str(drafted)


_WATCHED = """
import sys
sys.path.insert(0, sys.argv[1])
tried = []
talking = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")
sys.addaudithook(lambda event, args: tried.append((event, args)) if event in talking else None)
from flows.data_validation.checking import Checker
from flows.data_validation.child import answered
from flows.evaluation.job import Limits
from dataclasses import asdict
job = {"source": {"kind": "csv", "path": sys.argv[2]}, "limits": asdict(Limits()), "showValues": True, "expectations": [
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "x"}, "severity": "critical"}]}
checker = Checker()
answer = answered(lambda: checker.validate(job))
assert answer["value"]["failures"][0]["unexpected"] == 2, answer
answered(lambda: checker.profile(job))
sys.exit(f"talked: {tried}" if tried else 0)
"""


def test_the_library_talks_to_nobody(tmp_path: Path) -> None:
    """Not for its maker's statistics either: as it runs, but without the guard that would refuse it."""
    (tmp_path / "x.csv").write_text("x\n1\n1\n2\n")
    done = subprocess.run(
        [sys.executable, "-I", "-c", _WATCHED, str(ROOT), str(tmp_path / "x.csv")],
        env={**clean_environment(tmp_path), **OFFLINE},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_guard_refuses_a_connection() -> None:
    guarded = (
        "import sys; sys.path.insert(0, sys.argv[1]); from flows.data_validation.child import forbid_connections;"
        "import socket; forbid_connections(); socket.create_connection(('127.0.0.1', 9))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", guarded, str(ROOT)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "NoConnectionError" in done.stderr
