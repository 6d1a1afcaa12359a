"""Predictions of a model behind the Open Inference Protocol, version 2, over HTTP (KServe, Triton, MLServer, OpenVINO).

The model's metadata say which tensors it takes: one matrix of all features or one input a column. Of its outputs one
may be labels (INT*, BOOL, BYTES) and one scores (FP*), as with ONNX. Tensors travel as JSON; the binary extension is
not used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.job import RefusedError
from flows.evaluation.runners.calling import Caller, numbers
from flows.evaluation.runners.feeding import TensorInput, feeding
from flows.evaluation.runners.shapes import (
    ClassOutput,
    Columns,
    label_tensor,
    number_tensor,
    refuse_not_finite,
    score_tensor,
    slices,
)

CELLS = 100_000  # numbers in one call, about 2 MB of JSON
ROWS = 10_000
INPUTS: Mapping[str, type[np.generic]] = {
    "FP32": np.float32,
    "FP64": np.float64,
    "INT64": np.int64,
    "INT32": np.int32,
    "BOOL": np.bool_,
}
LABELS = frozenset({"INT64", "INT32", "INT16", "INT8", "UINT8", "BOOL", "BYTES"})
SCORES = frozenset({"FP64", "FP32", "FP16"})
WHOLE = LABELS - {"BYTES", "BOOL"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of an answer, checked: data has `shape`; numbers, or text where the datatype is BYTES."""

    datatype: str
    data: NDArray[Any]


class OpenInferenceModel:
    """Raises RefusedError "unavailable" for a server that is not ready, "model" for answers of another shape."""

    def __init__(self, caller: Caller, model: str) -> None:
        self._caller, self._model = caller, model
        self._path = f"/v2/models/{quote(model, safe='')}"
        if not caller.is_ready(f"{self._path}/ready"):
            raise RefusedError("unavailable", "The model is not ready on its server.")
        described = caller.get(self._path)
        self._inputs = [_input(item) for item in _tensors(described, "inputs")]
        self._outputs = {item["name"]: item["datatype"] for item in _tensors(described, "outputs")}

    def classify(self, features: Columns) -> ClassOutput:
        label = [name for name, kind in self._outputs.items() if kind in LABELS]
        score = [name for name, kind in self._outputs.items() if kind in SCORES]
        if len(label) > 1 or len(score) > 1 or not label + score:
            raise RefusedError("model", f"A classifier answers a label and scores; this one answers {self._answers()}.")
        labels: list[NDArray[Any]] = []
        scores: list[NDArray[np.float64]] = []
        for rows, outputs in self._run(features, label + score):
            if score:
                matrix = score_tensor(outputs[-1].data, rows)
                if scores and matrix.shape[1] != scores[0].shape[1]:
                    raise RefusedError("model", "The model's classes change from row to row.")
                scores.append(matrix)
            labels.append(label_tensor(outputs[0].data, rows) if label else scores[-1].argmax(axis=1))
        if not scores:
            return ClassOutput(np.concatenate(labels), None, None)
        # The protocol has no place for the classes: with labels they are inferred, without they are 0 to K-1.
        classes = None if label else tuple(range(scores[0].shape[1]))
        return ClassOutput(np.concatenate(labels), np.concatenate(scores), classes)

    def regress(self, features: Columns) -> NDArray[np.float64]:
        """Shape (n,)."""
        if len(self._outputs) != 1 or next(iter(self._outputs.values())) not in SCORES | WHOLE:
            raise RefusedError("model", f"A regressor answers one number; this one answers {self._answers()}.")
        parts = [number_tensor(output.data, rows) for rows, (output,) in self._run(features, list(self._outputs))]
        predicted = np.concatenate(parts)
        refuse_not_finite(predicted)
        return predicted

    def generate(self, prompts: Sequence[str]) -> list[str]:
        raise RefusedError("model", f"A model of tensors writes no text for {len(prompts)} prompts; use openai.")

    def _answers(self) -> str:
        return ", ".join(f"{name!r} of type {kind}" for name, kind in self._outputs.items()) or "nothing"

    def _run(self, features: Columns, outputs: list[str]) -> Iterator[tuple[int, list[Tensor]]]:
        """(number of rows, the named outputs) for one slice of the rows after the other."""
        feed, batch = feeding(self._inputs, list(features))
        kinds = {item.name: next(k for k, dtype in INPUTS.items() if dtype is item.dtype) for item in self._inputs}
        size = batch or min(ROWS, max(1, CELLS // len(features)))
        for rows, part in slices(features, size, fixed=batch is not None):
            tensors = [_sent(name, kinds[name], values) for name, values in feed(part).items()]
            question = {"inputs": tensors, "outputs": [{"name": name} for name in outputs]}
            answer = self._caller.post(f"{self._path}/infer", question)
            named = {item["name"]: item for item in _tensors(answer, "outputs", data=True)}
            if missing := [name for name in outputs if name not in named]:
                raise RefusedError("model", f"The endpoint's answer lacks the output {missing[0]!r}.")
            yield rows, [self._checked(named[name], size if batch else rows, rows) for name in outputs]

    def _checked(self, item: Mapping[str, Any], sent: int, rows: int) -> Tensor:
        name, kind, shape = item["name"], item["datatype"], item["shape"]
        if kind != self._outputs[name]:
            raise RefusedError("model", f"Output {name!r} is said to be {self._outputs[name]} and comes as {kind}.")
        if shape[:1] != [sent] or len(shape) > 2:
            raise RefusedError("model", f"The model answers shape {tuple(shape)} for {sent} rows.")
        values = _text(item["data"]) if kind == "BYTES" else numbers(item["data"])
        if values is None or (kind in WHOLE and values.dtype.kind not in "iu"):
            raise RefusedError("model", f"Output {name!r} holds something else than {kind}.")
        if values.size != math.prod(shape):
            raise RefusedError("model", f"Output {name!r} has {values.size} values in a shape of {math.prod(shape)}.")
        return Tensor(kind, values.reshape(shape)[:rows])


def _tensors(answer: Any, part: str, *, data: bool = False) -> list[dict[str, Any]]:
    """The tensors that an answer describes, each with name, datatype and shape. Raises RefusedError."""
    items = answer.get(part) if isinstance(answer, Mapping) else None
    if not isinstance(items, list) or not items or not all(_is_tensor(item, data=data) for item in items):
        raise RefusedError("model", f"The endpoint's answer has no {part} as the Open Inference Protocol has them.")
    if len({item["name"] for item in items}) < len(items):
        raise RefusedError("model", f"The endpoint's answer has two {part} of one name.")
    return items


def _is_tensor(item: Any, *, data: bool) -> bool:
    if not isinstance(item, dict) or not all(isinstance(item.get(key), str) for key in ("name", "datatype")):
        return False
    shape = item.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and -1 <= size < 2**40 for size in shape):
        return False
    return not data or (isinstance(item.get("data"), list) and all(size >= 0 for size in shape))


def _input(item: Mapping[str, Any]) -> TensorInput:
    if item["datatype"] not in INPUTS:
        raise RefusedError(
            "model", f"Input {item['name']!r} is {item['datatype']}; only {', '.join(INPUTS)} can be fed."
        )
    return TensorInput(item["name"], INPUTS[item["datatype"]], tuple(item["shape"]))


def _sent(name: str, kind: str, values: NDArray[Any]) -> dict[str, Any]:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise RefusedError("dataset", "The features have missing values, which JSON tensors cannot carry.")
    return {"name": name, "datatype": kind, "shape": list(values.shape), "data": values.ravel().tolist()}


def _text(data: Any) -> NDArray[Any] | None:
    flat = [item for row in data for item in (row if isinstance(row, list) else [row])]
    return np.array(flat, dtype=np.str_) if all(isinstance(item, str) and len(item) < 1_000 for item in flat) else None
