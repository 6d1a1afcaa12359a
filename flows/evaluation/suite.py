"""Evaluate one model on one dataset without ever failing for what they hold."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from flows.evaluation.job import FailureKind, Limits, SuiteFailure, SuiteJob, SuiteRun
from flows.evaluation.runners.protocol import RunnerSpec
from flows.evaluation.sandbox import Answer, open_foreign, plain, run_confined

OUTCOMES = "outcomes.parquet"
DEFAULT_LIMITS = Limits()


def run_suite(
    model: RunnerSpec,
    dataset: Path,
    job: SuiteJob,
    *,
    limits: Limits = DEFAULT_LIMITS,
    work_dir: Path,
    secret: str = "",
) -> SuiteRun | SuiteFailure:
    """Predict every example, compute the metrics, keep the outcomes in a new folder of `work_dir`.

    secret: of the endpoint that the model is asked through.

    Blocks for as long as the evaluation takes; use a thread in asynchronous code. A model or dataset that
    cannot be used gives a SuiteFailure, whatever it holds. Raises OSError when `work_dir` cannot be written.
    """
    files = [("dataset", dataset, limits.dataset_bytes)]
    if model.path is not None:
        files.insert(0, ("model", Path(model.path), limits.model_bytes))
    for kind, path, limit in files:
        if refused := _unusable(kind, path, limit):
            return refused
    if model.path is not None:
        model = replace(model, path=str(Path(model.path).resolve()))
    scratch = Path(tempfile.mkdtemp(prefix="suite-", dir=work_dir))  # only its owner can enter
    run: SuiteRun | SuiteFailure = SuiteFailure("The evaluation was interrupted.", "crash")
    try:
        order = {
            "runner": model.to_json(),
            "dataset": str(dataset.resolve()),
            "suite": asdict(job),
            "limits": asdict(limits),
        }
        answer = run_confined("flows.evaluation.child", order, limits=limits, scratch=scratch, secret=secret)
        run = (
            checked_run(answer, job, limits, scratch)
            if isinstance(answer, Answer)
            else SuiteFailure(answer.reason, answer.kind)
        )
    finally:
        _tidy(scratch, keep=isinstance(run, SuiteRun))
    return run


def _unusable(kind: str, path: Path, limit: int) -> SuiteFailure | None:
    which: FailureKind = "model" if kind == "model" else "dataset"
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        return SuiteFailure(f"The {kind} cannot be read: {plain(str(getattr(error, 'strerror', error)))}.", which)
    if not path.is_file():
        return SuiteFailure(f"The {kind} is not a file.", which)
    if size == 0:
        return SuiteFailure(f"The {kind} is an empty file.", which)
    if size > limit:
        return SuiteFailure(f"The {kind} has {size} bytes; at most {limit} are allowed.", which)
    return None


def checked_run(answer: Answer, job: SuiteJob, limits: Limits, scratch: Path) -> SuiteRun | SuiteFailure:
    """What the confined process left, if it is what an honest one leaves."""
    unusable = SuiteFailure("The evaluation left a result that cannot be used.", "crash")
    values, pairs, n = answer.value.get("metrics"), answer.value.get("intervals"), answer.value.get("n")
    if not isinstance(values, dict) or not isinstance(pairs, dict) or type(n) is not int:
        return unusable
    if set(values) != set(job.metrics) or not set(pairs) <= set(values) or not 1 <= n <= limits.rows:
        return unusable
    numbers = [*values.values(), *(bound for pair in pairs.values() for bound in _pair(pair))]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        return unusable
    path = scratch / OUTCOMES
    try:
        with open(open_foreign(path, limits.written), "rb") as file:
            if file.read(4) != b"PAR1":
                return unusable
    except OSError:
        return unusable
    return SuiteRun(
        metrics={name: float(values[name]) for name in job.metrics},
        n=n,
        outcomes_path=path,
        intervals={name: (float(pairs[name][0]), float(pairs[name][1])) for name in job.metrics if name in pairs},
        seconds=answer.seconds,
    )


def _pair(value: Any) -> list[Any]:
    return value if isinstance(value, list) and len(value) == 2 else [math.nan]


def _tidy(scratch: Path, *, keep: bool) -> None:
    if not keep:
        shutil.rmtree(scratch, ignore_errors=True)
        return
    for entry in scratch.iterdir():
        if entry.name != OUTCOMES:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
