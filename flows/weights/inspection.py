"""Inspect one weights file: a first look here, the parsing in a confined process."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from flows.evaluation.job import MIB, Limits
from flows.evaluation.sandbox import Broken, plain, run_confined
from flows.weights.signatures import first_impression
from flows.weights.verdict import Format

DEFAULT_LIMITS = Limits(memory=4096 * MIB, cpu_seconds=120, wall_seconds=300.0, written=16 * MIB)
ACCEPTED: frozenset[Format] = frozenset({"onnx", "safetensors", "skops"})


@dataclass(frozen=True, slots=True)
class WeightInspection:
    """`safe` is true for a valid file of an accepted format and nothing else; `reason` is a sentence either
    way."""

    format: Format
    safe: bool
    reason: str


def inspect_weights(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> WeightInspection:
    """Say what the file holds. Never raises for what is in it; takes 0.2 to 2 s; blocks.

    A file whose parser dies, takes too long or needs too much memory is refused. Checking ONNX and skops
    takes about four times the file's size in memory; of safetensors only the header is read.
    """
    try:
        if not path.is_file():
            return WeightInspection("unknown", False, "There is no such file.")
        with path.open("rb") as file:
            impression = first_impression(file, path.stat().st_size)
    except (OSError, ValueError) as error:
        why = plain(getattr(error, "strerror", None) or "not a valid path")
        return WeightInspection("unknown", False, f"The file cannot be read: {why}.")
    if impression.refusal is not None:
        return WeightInspection(impression.format, False, impression.refusal)
    return _closer_look(path, impression.format, limits)


def _closer_look(path: Path, kind: Format, limits: Limits) -> WeightInspection:
    scratch = Path(tempfile.mkdtemp(prefix="weights-"))
    try:
        job = {"path": str(path.resolve()), "format": kind}
        answer = run_confined("flows.weights.child", job, limits=limits, scratch=scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if isinstance(answer, Broken):
        return WeightInspection(kind, False, f"The file could not be inspected. {answer.reason}")
    return _checked(answer.value) or WeightInspection(kind, False, "The inspection left no usable result.")


def _checked(value: Any) -> WeightInspection | None:
    found, safe, reason = value.get("format"), value.get("safe"), value.get("reason")
    if found not in get_args(Format) or not isinstance(safe, bool) or not isinstance(reason, str):
        return None
    if safe and found not in ACCEPTED:
        return None
    return WeightInspection(found, safe, plain(reason))
