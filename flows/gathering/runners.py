"""Which runner a version's model is asked through: its weights where there are any, else the endpoint it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flows.evaluation.runners import RunnerSpec
from flows.evaluation.runners.protocol import RunnerKind
from flows.gathering.artifacts import measured_artifacts
from governance.endpoints import Endpoint, covering, endpoint_of
from governance.errors import InvalidInput
from governance.models import ArtifactType
from storage.composition import Platform

FORMATS: Mapping[str, RunnerKind] = {"onnx": "onnx", "skops": "skops"}
PROTOCOLS: Mapping[str, RunnerKind] = {"open_inference": "open_inference", "openai": "openai"}


def runner_for(
    platform: Platform, artifacts: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]
) -> RunnerSpec | str:
    """The runner, or in words why there is none.

    artifacts: of the evidence's subject, with the `format`, `safe` and `reason` that were measured; where nobody has
    measured, the content is looked into now. Raises StoreUnavailable. The spec's options hold what evaluations
    are bound to: `sha256` of the weights or `digest` of the endpoint. A spec of weights gets its path by `opened`.
    """
    weights = [a for a in artifacts if a["type"] == ArtifactType.WEIGHTS]
    if weights:
        return _of_weights(platform, weights)
    try:
        endpoint = endpoint_of(metadata)
    except InvalidInput as refusal:
        return refusal.message
    if endpoint is None:
        return "An evaluation needs exactly one weights artifact or an endpoint in the metadata; here is neither."
    return _of_endpoint(platform, endpoint)


@contextmanager
def opened(platform: Platform, spec: RunnerSpec) -> Iterator[RunnerSpec]:
    """The spec with the path of its weights, which may be a copy that goes with the block. Raises BlobMissing."""
    if "sha256" not in spec.options:
        yield spec
        return
    with platform.store.local_path(spec.options["sha256"]) as path:
        yield replace(spec, path=str(path))


def _of_weights(platform: Platform, weights: Sequence[Mapping[str, Any]]) -> RunnerSpec | str:
    if len(weights) != 1:
        return f"An evaluation needs exactly one weights artifact; the version has {len(weights)}."
    (found,) = weights if weights[0].get("format") else measured_artifacts(platform, weights, look_inside=True)
    if found["format"] not in FORMATS:
        return "Weights are evaluated in ONNX or skops; convert them, for example with skl2onnx."
    if not found["safe"]:
        return f"The weights are not run: {found['reason']}"
    return RunnerSpec(FORMATS[found["format"]], None, {"sha256": weights[0]["sha256"]})


def _of_endpoint(platform: Platform, endpoint: Endpoint) -> RunnerSpec | str:
    settings = platform.settings
    if covering(settings.allowed_endpoints, endpoint.location) is None:
        return (
            f"The endpoint {endpoint.url} is not among the addresses that the platform may ask "
            "(GATEHOUSE_MODEL_ENDPOINTS); its administrator can allow it."
        )
    options: dict[str, Any] = {
        "url": endpoint.url,
        "model": endpoint.model,
        "digest": endpoint.digest,
        # What is left of the time serves to end well, with the reason that the endpoint gave.
        "limits": {"total": max(1.0, 0.9 * settings.evaluation_seconds)},
    }
    if settings.model_endpoint_authorities:
        options["authorities"] = settings.model_endpoint_authorities
    return RunnerSpec(PROTOCOLS[endpoint.protocol], None, options)
