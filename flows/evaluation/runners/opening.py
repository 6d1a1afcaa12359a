"""The runner that a spec names."""

from __future__ import annotations

from pathlib import Path

from flows.evaluation.job import RefusedError
from flows.evaluation.model import OnnxModel
from flows.evaluation.runners.protocol import Runner, RunnerSpec


def open_runner(spec: RunnerSpec) -> Runner:
    """Raises RefusedError("model", …) for a model that does not load."""
    if spec.kind == "onnx" and spec.path is not None:
        return OnnxModel(Path(spec.path))
    raise RefusedError("model", f"There is no runner {spec.kind!r} here.")
