"""What an evaluation asks of a model, whatever answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.runners.shapes import ClassOutput, Columns

RunnerKind = Literal["onnx", "skops", "open_inference", "openai"]


@dataclass(frozen=True, slots=True)
class RunnerSpec:
    """kind: how the model is asked. path: of its file ("onnx", "skops"). options: address, name and limits of an
    endpoint ("open_inference", "openai"); never a secret.
    """

    kind: RunnerKind
    path: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunnerSpec:
        return cls(value["kind"], value.get("path"), value.get("options") or {})

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "path": self.path, "options": dict(self.options)}


class Runner(Protocol):
    """Every method raises RefusedError("model", …) for a model that cannot answer like that."""

    def classify(self, features: Columns) -> ClassOutput:
        """Labels and, where the model gives them, scores of n rows (see `flows.evaluation.runners.shapes`)."""

    def regress(self, features: Columns) -> NDArray[np.float64]:
        """Shape (n,)."""

    def generate(self, prompts: Sequence[str]) -> list[str]:
        """One text a prompt."""
