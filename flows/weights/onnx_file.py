"""An ONNX model that stands alone: valid, without data in other files and without operators from elsewhere.

Data in other files would be read from wherever the model says, and the digest of the model would not cover
it. Operators of unknown domains need a library that somebody must trust first; EPContext nodes load compiled
binaries.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]

from flows.evaluation.confined import is_out_of_memory
from flows.weights.polyglot import has_zip_index, runs_as_pickle
from flows.weights.verdict import UnsafeError

LARGEST = 2**31 - 1  # bytes, of any protobuf message
KNOWN_DOMAINS = frozenset(
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "ai.onnx.training",
        "com.microsoft",
    }
)


def check_onnx(path: Path) -> str:
    """What was found. Raises UnsafeError."""
    size = path.stat().st_size
    if size > LARGEST:
        raise _refused("one file of ONNX holds at most 2 GiB; use safetensors for larger weights")
    model = _parsed(path.read_bytes())
    _check_tensors(model)
    _check_operators(model)
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise _refused(f"it is not valid: {str(error)[:300]}") from error
    with path.open("rb") as file:
        if has_zip_index(file, size):
            raise UnsafeError("The file is ONNX and at the same time a ZIP archive.", "zip")
        if runs_as_pickle(file):
            raise UnsafeError("The file is ONNX and at the same time a pickle.", "pickle")
    return f"ONNX, IR version {model.ir_version}, {len(model.graph.node)} nodes; valid, with all data inside."


def _refused(why: str) -> UnsafeError:
    return UnsafeError(f"This looks like ONNX, but {why}.", "onnx")


def _parsed(content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        if is_out_of_memory(str(error)):
            raise MemoryError from error
        raise _refused("it does not parse: it is cut off or something else") from error
    if not model.HasField("graph") or not model.graph.node:
        raise _refused("it has no graph with nodes")
    if len(UnknownFieldSet(model)) or len(UnknownFieldSet(model.graph)):
        raise _refused("it carries data that is no part of ONNX")
    return model


def _check_tensors(model: onnx.ModelProto) -> None:
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data):
            raise _refused(f"tensor {tensor.name[:80]!r} keeps its data in another file; save it as one")


def _check_operators(model: onnx.ModelProto) -> None:
    defined = {(function.domain, function.name) for function in model.functions}
    for node in _nodes(model):
        if node.op_type == "EPContext":
            raise _refused("it has an EPContext node, which loads a compiled binary")
        if node.domain not in KNOWN_DOMAINS and (node.domain, node.op_type) not in defined:
            operator = f"{node.op_type[:80]!r} of {node.domain[:80]!r}"
            raise _refused(f"operator {operator} needs a library that is not part of it")


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    waiting = [model.graph]
    for training in model.training_info:
        waiting += [training.initialization, training.algorithm]
    waiting += [g for function in model.functions for node in function.node for g in _inner(node)]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += [inner for node in graph.node for inner in _inner(node)]


def _inner(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [g for attribute in node.attribute for g in ([attribute.g] if attribute.HasField("g") else [])] + [
        g for attribute in node.attribute for g in attribute.graphs
    ]


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in _graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    attributes = [a for node in _nodes(model) for a in node.attribute]
    attributes += [a for function in model.functions for a in function.attribute_proto]
    for attribute in attributes:
        yield attribute.t
        yield from attribute.tensors
        for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
            yield from (sparse.values, sparse.indices)
