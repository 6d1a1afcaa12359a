"""Evaluate one model on one dataset without ever failing for what they hold."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from flows.evaluation.job import FailureKind, Limits, SuiteFailure, SuiteJob, SuiteRun
from flows.evaluation.left_behind import checked_run
from flows.evaluation.runners.protocol import RunnerSpec
from flows.evaluation.sandbox import Answer, plain, run_confined

OUTCOMES = "outcomes.parquet"
DEFAULT_LIMITS = Limits()


def run_suite(
    model: RunnerSpec,
    dataset: Path | None,
    job: SuiteJob,
    *,
    limits: Limits = DEFAULT_LIMITS,
    work_dir: Path,
    secret: str = "",
) -> SuiteRun | SuiteFailure:
    """Predict every example, compute the metrics, keep the outcomes in a new folder of `work_dir`.

    secret: of the endpoint that the model is asked through. dataset: None for a suite that brings its own rows.

    Blocks for as long as the evaluation takes; use a thread in asynchronous code. A model or dataset that
    cannot be used gives a SuiteFailure, whatever it holds. Raises OSError when `work_dir` cannot be written.
    """
    for kind, path, limit in (
        ("model", Path(model.path) if model.path is not None else None, limits.model_bytes),
        ("dataset", dataset, limits.dataset_bytes),
    ):
        if path is not None and (refused := _unusable(kind, path, limit)):
            return refused
    if model.path is not None:
        model = replace(model, path=str(Path(model.path).resolve()))
    scratch = Path(tempfile.mkdtemp(prefix="suite-", dir=work_dir))  # only its owner can enter
    run: SuiteRun | SuiteFailure = SuiteFailure("The evaluation was interrupted.", "crash")
    try:
        order = {
            "runner": model.to_json(),
            "dataset": str(dataset.resolve()) if dataset is not None else None,
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


def _tidy(scratch: Path, *, keep: bool) -> None:
    if not keep:
        shutil.rmtree(scratch, ignore_errors=True)
        return
    for entry in scratch.iterdir():
        if entry.name != OUTCOMES:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
