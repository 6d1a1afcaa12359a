"""Small models and datasets for the evaluation tests; trained once per process."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from onnx import TensorProto, helper
from pyarrow import csv
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flows.evaluation.job import MIB, Limits, SuiteJob
from flows.evaluation.runners import RunnerSpec

LIMITS = Limits(memory=2048 * MIB, cpu_seconds=60, wall_seconds=120.0)
LOADERS = {"cancer": load_breast_cancer, "iris": load_iris, "diabetes": load_diabetes}
Array = NDArray[Any]


@functools.cache
def split(name: str) -> tuple[Array, Array, Array, Array, tuple[str, ...]]:
    """(training x, test x, training y, test y, feature names) of a dataset that ships in scikit-learn."""
    data = LOADERS[name]()
    names = tuple(str(n) for n in data.feature_names)
    x = data.data.astype(np.float32)  # what an ONNX model is given
    return (*train_test_split(x, data.target, test_size=0.3, random_state=0), names)


@functools.cache
def trained(name: str) -> Any:
    x, _, y, _, _ = split(name)
    last = LinearRegression() if name == "diabetes" else LogisticRegression(max_iter=2000)
    return make_pipeline(StandardScaler(), last).fit(x, y)


def onnx_of(model: Any, width: int, **options: Any) -> bytes:
    converted = to_onnx(model, initial_types=[("X", FloatTensorType([None, width]))], **options)
    return bytes(converted.SerializeToString())


@functools.cache
def converted(name: str, zipmap: bool = True) -> bytes:
    options = {} if zipmap or name == "diabetes" else {"options": {"zipmap": False}}
    return onnx_of(trained(name), split(name)[0].shape[1], **options)


def columns_of(name: str) -> dict[str, Array]:
    """The test examples as columns, the last one being `target`."""
    _, x, _, y, names = split(name)
    return {n: x[:, i] for i, n in enumerate(names)} | {"target": y}


def job(task: str = "cancer", **changes: Any) -> SuiteJob:
    fields: dict[str, Any] = {"target": "target", "dataset_format": "parquet"}
    if task == "diabetes":
        fields |= {"task_type": "regression", "metrics": ("r2", "mean_absolute_error")}
    elif task == "iris":
        fields |= {"task_type": "multiclass_classification", "metrics": ("accuracy", "f1_macro")}
    else:
        fields |= {"task_type": "binary_classification", "metrics": ("accuracy",)}
    return SuiteJob(**(fields | changes))


def parquet(path: Path, columns: Mapping[str, Sequence[Any] | Array | pa.Array]) -> Path:
    pq.write_table(pa.table(dict(columns)), path)
    return path


def comma_separated(path: Path, columns: Mapping[str, Sequence[Any] | Array | pa.Array]) -> Path:
    csv.write_csv(pa.table(dict(columns)), path)
    return path


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def spec_of(folder: Path, model: bytes) -> RunnerSpec:
    """The ONNX model in a file of the folder."""
    return in_onnx(saved(folder / "model", model))


def in_onnx(path: Path) -> RunnerSpec:
    return RunnerSpec("onnx", str(path))


def graph_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(constants))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def tensor(name: str, *shape: int | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def endless_loop(width: int) -> bytes:
    """A valid regressor that multiplies for 2^62 rounds."""
    flag = [helper.make_tensor_value_info(n, TensorProto.BOOL, []) for n in ("go", "going")]
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["going"]), helper.make_node("Sin", ["a"], ["b"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), flag[0], tensor("a", None, 1)],
        [flag[1], tensor("b", None, 1)],
    )
    nodes = [
        helper.make_node("ReduceSum", ["X", "axis"], ["sum"], keepdims=1),
        helper.make_node("Loop", ["rounds", "true", "sum"], ["Y"], body=body),
    ]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("rounds", TensorProto.INT64, [], [2**62]),
        helper.make_tensor("true", TensorProto.BOOL, [], [True]),
    ]
    return bytes(graph_model(nodes, [tensor("X", None, width)], [tensor("Y", None, 1)], constants).SerializeToString())


def greedy(width: int) -> bytes:
    """A valid regressor of a few hundred bytes that asks for 400 GB."""
    nodes = [
        helper.make_node("ReduceSum", ["X", "axis"], ["sum"], keepdims=1),
        helper.make_node("Expand", ["sum", "shape"], ["wide"]),
        helper.make_node("ReduceSum", ["wide", "axis"], ["Y"], keepdims=1),
    ]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("shape", TensorProto.INT64, [2], [1, 10**9]),
    ]
    return bytes(graph_model(nodes, [tensor("X", None, width)], [tensor("Y", None, 1)], constants).SerializeToString())
