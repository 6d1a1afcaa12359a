"""Predictions of an ONNX model, in the shapes that skl2onnx and its relatives emit.

Inputs: one 2-D numeric tensor of all features, or one input per column, named like it. Outputs of a
classifier: a label tensor and probabilities, as a ZipMap (a list of {label: probability}) or a tensor of
shape (n, K); or a tensor of scores alone, whose largest entry then names the class 0 … K-1. Output of a
regressor: one number a row.

The model is handed over as bytes and its folder for external data is the empty working directory, so a model
cannot read weights from files beside it, which in a content-addressed store belong to others.
"""

from __future__ import annotations

import os
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.evaluation.confined import is_out_of_memory
from flows.evaluation.job import RefusedError
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

CELLS = 2_000_000  # numbers handed to the model at once
DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
LABEL_TYPES = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")
SCORE_TYPES = ("tensor(float)", "tensor(double)", "tensor(float16)")


class OnnxModel:
    """Raises RefusedError("model", …) for anything that cannot be loaded or does not answer as described
    above."""

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        self._content = path.read_bytes()
        ort.set_default_logger_severity(4)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.getcwd())
        self._session = _model_step(
            "The model does not load as ONNX",
            lambda: ort.InferenceSession(self._content, options, providers=["CPUExecutionProvider"]),
        )
        self._inputs = [_input(item) for item in self._session.get_inputs()]
        self._outputs = {output.name: output.type for output in self._session.get_outputs()}

    def classify(self, features: Columns) -> ClassOutput:
        label = [name for name, kind in self._outputs.items() if kind in LABEL_TYPES]
        score = [name for name, kind in self._outputs.items() if kind in SCORE_TYPES or kind.startswith("seq(map(")]
        if len(label) > 1 or len(score) > 1 or not label + score:
            raise RefusedError("model", f"A classifier answers a label and scores; this one answers {self._answers()}.")
        labels: list[NDArray[Any]] = []
        scores: list[NDArray[np.float64]] = []
        classes: tuple[int | str, ...] | None = None
        for rows, outputs in self._run(features, label + score):
            if score:
                found, matrix = _scores(outputs[-1], rows)
                if scores and (found != classes or matrix.shape[1] != scores[0].shape[1]):
                    raise RefusedError("model", "The model's classes change from row to row.")
                classes = found
                scores.append(matrix)
            labels.append(label_tensor(outputs[0], rows) if label else scores[-1].argmax(axis=1))
        if not scores:
            return ClassOutput(np.concatenate(labels), None, None)
        width = scores[0].shape[1]
        if classes is None:
            classes = _declared_classes(self._content, width) if label else tuple(range(width))
        return ClassOutput(np.concatenate(labels), np.concatenate(scores), classes)

    def regress(self, features: Columns) -> NDArray[np.float64]:
        """Shape (n,)."""
        if len(self._outputs) != 1 or next(iter(self._outputs.values())) not in DTYPES:
            raise RefusedError("model", f"A regressor answers one number; this one answers {self._answers()}.")
        parts = []
        for rows, (output,) in self._run(features, list(self._outputs)):
            parts.append(number_tensor(output, rows))
        predicted = np.concatenate(parts)
        refuse_not_finite(predicted)
        return predicted

    def generate(self, prompts: Sequence[str]) -> list[str]:
        raise RefusedError("model", f"An ONNX model of numbers writes no text for {len(prompts)} prompts.")

    def _answers(self) -> str:
        return ", ".join(f"{name!r} of type {kind}" for name, kind in self._outputs.items()) or "nothing"

    def _run(self, features: Columns, outputs: list[str]) -> Iterator[tuple[int, list[Any]]]:
        """(number of rows, the named outputs) for one slice of the rows after the other."""
        feed, batch = feeding(self._inputs, list(features))
        size = batch or max(1, CELLS // len(features))
        for rows, part in slices(features, size, fixed=batch is not None):
            run = partial(self._session.run, outputs, feed(part))
            answer = _model_step("The model fails on the data", run)
            yield rows, [a[:rows] if batch and hasattr(a, "__getitem__") else a for a in answer]


def _input(item: Any) -> TensorInput:
    if item.type not in DTYPES:
        raise RefusedError("model", f"Input {item.name!r} is {item.type}; only numeric inputs can be fed.")
    return TensorInput(item.name, DTYPES[item.type], tuple(item.shape))


def _model_step(what: str, step: Callable[[], Any]) -> Any:
    try:
        return step()
    except MemoryError:
        raise
    except Exception as error:  # onnxruntime's own exceptions share no base class but this
        if is_out_of_memory(str(error)):
            raise MemoryError from error
        raise RefusedError("model", f"{what}: {error}") from error


def _scores(output: Any, rows: int) -> tuple[tuple[int | str, ...] | None, NDArray[np.float64]]:
    if isinstance(output, list):
        classes, matrix = _zip_map(output)
    else:
        classes, matrix = None, output
    return classes, score_tensor(matrix, rows)


def _declared_classes(content: bytes, width: int) -> tuple[int | str, ...] | None:
    """The classes that a classifier node of ONNX-ML carries, when all such nodes agree on `width` of them."""
    import onnx  # costs 0.15 s, so only when the scores come without labels

    declared: set[tuple[int | str, ...]] = set()
    for node in onnx.load_model_from_string(content).graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels_"):
                declared.add(tuple(attribute.ints) or tuple(s.decode("utf-8", "replace") for s in attribute.strings))
    fitting = {classes for classes in declared if len(classes) == width or (width == 1 and len(classes) == 2)}
    return fitting.pop() if len(fitting) == 1 else None


def _zip_map(maps: list[Any]) -> tuple[tuple[int | str, ...], NDArray[np.float64]]:
    if not maps or not isinstance(maps[0], dict) or not maps[0]:
        raise RefusedError("model", "The model answers an empty list of probabilities.")
    classes = typing.cast(tuple[int | str, ...], tuple(sorted(maps[0])))
    if any(len(row) != len(classes) for row in maps):
        raise RefusedError("model", "The model's classes change from row to row.")
    try:
        return classes, np.array([[row[label] for label in classes] for row in maps], dtype=np.float64)
    except KeyError:
        raise RefusedError("model", "The model's classes change from row to row.") from None
