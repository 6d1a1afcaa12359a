"""How the model of a version is asked for its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.evaluation.runners.protocol import RunnerSpec
from flows.gathering.artifacts import measured_artifacts
from governance.models import ArtifactType
from storage.composition import Platform


def runner_for(
    platform: Platform, artifacts: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]
) -> RunnerSpec | str:
    """The runner, or in words for the model's owner why there is none.

    artifacts: with id, type, name and sha256, as in `evidence.subject`. metadata: of the version. A spec for a file has
    no path yet and the file's digest in options["sha256"]: who runs it takes the file out of the store. Raises
    StoreUnavailable.
    """
    weights = [one for one in artifacts if one["type"] == ArtifactType.WEIGHTS]
    if len(weights) != 1:
        return f"An evaluation needs exactly one weights artifact; the version has {len(weights)}."
    (found,) = measured_artifacts(platform, weights, look_inside=True)
    if found["format"] != "onnx":
        return "Weights are evaluated in ONNX; convert them, for example with skl2onnx."
    if not found["safe"]:
        return f"The weights are not run: {found['reason']}"
    return RunnerSpec("onnx", options={"sha256": weights[0]["sha256"]})
