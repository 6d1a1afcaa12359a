"""The runner that a spec names."""

from __future__ import annotations

import sys
from pathlib import Path

from flows.evaluation.job import RefusedError
from flows.evaluation.runners.protocol import Runner, RunnerSpec

SECRET_LIMIT = 8_192  # bytes; less than a pipe holds, so that writing one never waits


def open_runner(spec: RunnerSpec) -> Runner:
    """Raises RefusedError("model", …) for a model that does not load, "unavailable" for an endpoint that is away.

    An endpoint's secret is read from standard input, once: it stands in no file, argument or variable.
    """
    if spec.kind == "onnx" and spec.path is not None:
        from flows.evaluation.runners.onnx import OnnxModel

        return OnnxModel(Path(spec.path))
    if spec.kind == "skops" and spec.path is not None:
        from flows.evaluation.runners.skops import SkopsModel

        return SkopsModel(Path(spec.path))
    if spec.kind in ("open_inference", "openai") and spec.path is None:
        return _remote(spec)
    raise RefusedError("model", f"There is no runner {spec.kind!r} here.")


def _remote(spec: RunnerSpec) -> Runner:
    from flows.evaluation.runners.calling import Caller, CallLimits

    secret = sys.stdin.buffer.read(SECRET_LIMIT).decode("ascii") or None
    options = spec.options
    caller = Caller(
        options["url"], CallLimits(**options.get("limits", {})), secret=secret, authorities=options.get("authorities")
    )
    if spec.kind == "open_inference":
        from flows.evaluation.runners.open_inference import OpenInferenceModel

        return OpenInferenceModel(caller, options["model"])
    from flows.evaluation.runners.openai import OpenAiModel

    more = {"max_tokens": options["max_tokens"]} if "max_tokens" in options else {}
    return OpenAiModel(caller, options["model"], **more)
