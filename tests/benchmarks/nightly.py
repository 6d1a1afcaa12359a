"""A night of many models with stored predictions, on a whole platform as `gatehouse up` starts it.

Each model has a version in production and, as its baseline, the version before; both have answered the same 5,000
examples in eight slices. The answers lie in the artifact store as they would (a model's own are a copy of one of
`ANSWERS` pairs of files, so that the disk stays small while every model's files are opened and read). The night goes
its ordinary way: opened over HTTP, cut into batches, taken by the worker, judged over the fleet, settled one by one.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from governance.validation.judging import judged
from storage.composition import Platform, new_id, now
from storage.settings import Settings
from tests.benchmarks.machine import load_average
from tests.benchmarks.results import Findings, Goal
from tests.benchmarks.telling import Telling
from tests.fixtures.platform import RunningPlatform, free_port
from tests.fixtures.postgres import temporary_home
from tests.fixtures.registry import METADATA, RegistryUnderTest

EXAMPLES, SLICES, ANSWERS = 5_000, 8, 20
CHURN = 0.06  # share of examples that two versions of one model answer differently
SEED = 20_261_120
THRESHOLDS = '{"accuracy": {"min": 0.5}}'
BINARY = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Answers:
    """Two outcome files of the same examples: of the version and of its baseline."""

    candidate: str
    baseline: str
    weights: str


def measure(telling: Telling, *, quick: bool) -> Findings:
    models = 1_000 if quick else 10_000
    with temporary_home() as home:
        platform = RunningPlatform(home)
        telling.phase("starting")
        platform.up("--port", str(free_port()), "--prefect-port", str(free_port()))
        try:
            parts = Platform(Settings.load({"GATEHOUSE_HOME": str(home)}))
            telling.phase(f"{models} models")
            _fleet(parts, home, models)
            telling.phase(f"the night of {models} models", of=models)
            return _night(telling, platform, parts, models)
        finally:
            platform.down()


def _night(telling: Telling, platform: RunningPlatform, parts: Platform, models: int) -> Findings:
    before = time.process_time(), time.monotonic()
    with httpx.Client(
        base_url=platform.api_url,
        headers={"Authorization": f"Bearer {platform.admin_token}"},
        timeout=120,
        trust_env=False,
    ) as api:
        answer = api.post("/api/models/enterprise/validation/nightly", params={"wait_seconds": 0}).raise_for_status()
        night = answer.json()["data"]
        opened_after = time.monotonic() - before[1]
        done = 0
        while True:
            with parts.new_unit() as uow:
                progress = uow.nights.progress(night["night_id"])
                status = uow.nights.get(night["night_id"])
            settled = sum(n for name, n in progress.items() if name not in ("queued", "running"))
            for _ in range(settled - done):
                telling.step()
            done = settled
            if status.completed_at is not None:
                break
            time.sleep(0.5)
    seconds = time.monotonic() - before[1]
    with parts.new_unit() as uow:
        runs = uow.runs.of_night(status.id)
    began = time.perf_counter()
    judged(runs)
    statistics = time.perf_counter() - began
    measuring = _seconds_of_measuring(parts, status.id)
    spent = status.summary["seconds"]
    overhead = seconds - measuring - statistics
    figures = {
        "models": models,
        "seconds": round(seconds, 1),
        "openedAfterSeconds": round(opened_after, 2),
        "measuringSeconds": spent["measuring"],
        "settlingSeconds": spent["settling"],
        "workSeconds": round(measuring, 1),
        "statisticsSeconds": round(statistics, 2),
        "overheadSeconds": round(overhead, 1),
        "summary": dict(status.summary),
        "loadAverage": load_average(),
    }
    scale = models / 10_000
    return Findings(
        figures,
        [
            Goal("statistics of a night of 10,000 models", statistics / scale, "at most", 5, "s"),
            Goal("orchestration of it, beside reading and comparing", overhead / scale, "at most", 100, "s"),
        ],
        {
            "the night from the call to its end": f"{seconds:.0f} s for {models} models",
            "model-nights per minute of the machine, stored predictions": f"{60 * models / seconds:.0f}",
        },
    )


def _seconds_of_measuring(parts: Platform, night_id: str) -> float:
    """What reading and comparing took, divided by the processors that did it side by side: the same comparison of a
    sample of the models, one after the other in this process.
    """
    from flows.validation.data import Examples
    from flows.validation.measuring import measure as measure_version

    with parts.new_unit() as uow:
        runs = uow.runs.of_night(night_id)
    sample = runs[:: max(1, len(runs) // 200)][:200]
    began = time.perf_counter()
    with Examples(parts) as examples:
        for run in sample:
            measure_version(parts, run, examples)
    each = (time.perf_counter() - began) / len(sample)
    return each * len(runs) / 2  # two processors


def _fleet(parts: Platform, home: Path, models: int) -> None:
    """Rows by plain COPY. Triggers that guard states are off for it: nobody went these ways."""
    registry = RegistryUnderTest(parts, at=now())
    answers = [_answers(parts, home, number) for number in range(ANSWERS)]
    dataset = new_id()
    at, author = now(), registry.dev.id
    first = registry.model()
    with psycopg.connect(parts.settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        (access,) = cursor.execute("select access_id from models where id = %s", (first,)).fetchone() or (None,)
        cursor.execute(
            'insert into datasets (id, name, "group", format, sha256, size, created_by, created_at, access_id) '
            "values (%s, 'fleet', 'lab', 'parquet', %s, 1, %s, %s, %s)",
            (dataset, "d" * 64, author, at, access),
        )
        rows = [(new_id(), new_id(), new_id(), new_id(), answers[number % ANSWERS]) for number in range(models)]
        _copy(
            cursor,
            'models (id, name, "group", description, owners, risk_tier, tags, created_by, created_at, updated_at, '
            "access_id)",
            [
                (model, f"fleet-{number}", "lab", "One of many.", ["o@example.org"], "Low", [], author, at, at, access)
                for number, (model, *_) in enumerate(rows)
            ],
        )
        metadata = json.dumps(METADATA)
        _copy(
            cursor,
            "model_versions (id, model_id, version, precedence, state, commit_sha, metadata, revision, created_by, "
            "created_at, updated_at)",
            [
                (version, model, name, name, state, "0" * 40, metadata, 1, author, at, at)
                for model, now_serving, before, _, _ in rows
                for version, name, state in ((before, "1.0.0", "deprecated"), (now_serving, "1.1.0", "production"))
            ],
        )
        _copy(
            cursor,
            "artifacts (id, version_id, type, name, media_type, uri, sha256, size, license, created_by, created_at)",
            [
                (
                    new_id(),
                    version,
                    "weights",
                    "model.onnx",
                    "application/octet-stream",
                    "x",
                    found.weights,
                    1,
                    None,
                    author,
                    at,
                )
                for _, version, _, _, found in rows
            ],
        )
        _copy(
            cursor,
            "evaluation_suites (id, model_id, name, dataset_id, task_type, target, metrics, thresholds, margin, "
            "digest, created_by, created_at)",
            [
                (
                    suite,
                    model,
                    "holdout",
                    dataset,
                    "binary_classification",
                    "y",
                    ["accuracy"],
                    '{"accuracy": {"min": 0.5}}',
                    0.02,
                    "x",
                    author,
                    at,
                )
                for model, _, _, suite, _ in rows
            ],
        )
        _copy(
            cursor,
            "baselines (id, model_id, suite_id, version_id, suite_digest, dataset_sha256, outcomes_sha256, score, "
            "pinned_at)",
            [
                (new_id(), model, suite, before, "x", "d" * 64, found.baseline, 0.9, at)
                for model, _, before, suite, found in rows
            ],
        )
        connection.commit()
    _executions(parts, [(version, suite, found) for _, version, _, suite, found in rows])
    with psycopg.connect(parts.settings.database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def _copy(cursor: Any, into: str, rows: list[tuple[Any, ...]]) -> None:
    with cursor.copy(f"copy {into} from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def _executions(parts: Platform, versions: list[tuple[str, str, Answers]]) -> None:
    """What the suites found about each version, as if they had run last week."""
    with parts.new_unit() as uow:
        digest = uow.evaluations.suite(versions[0][1]).digest
    results = json.dumps(
        {"taskMetrics": {"accuracy": 0.9}, "intervals": {}, "examples": EXAMPLES, "passed": True, "reason": None}
    )
    tests = json.dumps([{"id": "holdout.accuracy", "title": "accuracy", "outcome": "passed", "reason": ""}])
    with psycopg.connect(parts.settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("update baselines set suite_digest = %s", (digest,))
        _copy(
            cursor,
            "suite_executions (version_id, suite_digest, dataset_sha256, subject_digest, suite_id, outcomes_sha256, "
            "results, tests, executed_at)",
            [
                (version, digest, "d" * 64, found.weights, suite, found.candidate, results, tests, now())
                for version, suite, found in versions
            ],
        )
        connection.commit()


def _answers(parts: Platform, home: Path, number: int) -> Answers:
    random = np.random.default_rng(SEED + number)
    before = random.random(EXAMPLES) < 0.9
    after = np.where(random.random(EXAMPLES) < CHURN, random.random(EXAMPLES) < 0.9, before)
    group = random.integers(0, SLICES, EXAMPLES)
    return Answers(_stored(parts, home, after, group), _stored(parts, home, before, group), f"{number:064x}")


def _stored(parts: Platform, home: Path, correct: Any, group: Any) -> str:
    path = home / "answers.parquet"
    columns = {
        "example": pa.array(np.arange(EXAMPLES)),
        "target": pa.array(["1"] * EXAMPLES),
        "prediction": pa.array(np.where(correct, "1", "0").astype(object), pa.string()),
        "correct": pa.array(correct),
        "score": pa.nulls(EXAMPLES, pa.float64()),
        "slice.region": pa.array([f"r{value}" for value in group]),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")
    upload = parts.store.open_upload(limit=path.stat().st_size)
    upload.write(path.read_bytes())
    return upload.finish().sha256
