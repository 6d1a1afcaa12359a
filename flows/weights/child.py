"""The parsing part of an inspection, as it runs in the confined process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flows.weights.polyglot import begins_as_pickle, runs_as_pickle
from flows.weights.signatures import RUNS_CODE
from flows.weights.verdict import USE_INSTEAD, Format, UnsafeError


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """job: {"path", "format": of the first impression}. Returns {"format", "safe", "reason"}."""
    check, accepted = _check_for(job["format"])
    try:
        reason = check(Path(job["path"]))
    except UnsafeError as refusal:
        return {"format": refusal.kind, "safe": False, "reason": refusal.reason}
    return {"format": accepted, "safe": True, "reason": reason}


def _check_for(kind: str) -> tuple[Callable[[Path], str], Format]:
    """The parsers are heavy, so only the one that is needed is imported."""
    if kind == "onnx":
        from flows.weights.onnx_file import check_onnx

        return check_onnx, "onnx"
    if kind == "safetensors":
        from flows.weights.safetensors_file import check_safetensors

        return check_safetensors, "safetensors"
    if kind == "zip":
        from flows.weights.zip_archive import check_zip

        return check_zip, "skops"
    return _refuse_unknown, "unknown"


def _refuse_unknown(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64 * 1024)
        if begins_as_pickle(head) or runs_as_pickle(file):
            raise UnsafeError(f"This is a pickle of an old protocol. {RUNS_CODE} {USE_INSTEAD}", "pickle")
    raise UnsafeError(f"This is none of the accepted formats. {USE_INSTEAD}", "unknown")
