"""Weights files that would run a harmless command when loaded, or are broken, doubled or swollen.

The command creates one marker file, so that a test can show that nothing ran.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import onnx
import safetensors.numpy
import skops.io
from onnx import TensorProto, helper

from tests.flows.evaluation.samples import converted, graph_model, split, tensor, trained

TORCH_MAGIC = 0x1950A86A20F9469CFC6C


class Payload:
    """Unpickling an instance touches the marker."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def pickled(marker: Path, protocol: int = 4) -> bytes:
    return pickle.dumps({"weights": [1.0, 2.0], "model": Payload(marker)}, protocol=protocol)


def good_onnx() -> bytes:
    return converted("cancer")


def large_onnx(size: int) -> bytes:
    """A valid model with `size` bytes of weights."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4, size // 16], bytes(size), raw=True)
    node = helper.make_node("MatMul", ["X", "w"], ["Y"])
    model = graph_model([node], [tensor("X", None, 4)], [tensor("Y", None, None)], [weights])
    return bytes(model.SerializeToString())


def good_safetensors() -> bytes:
    x = split("iris")[0]
    return bytes(safetensors.numpy.save({"w": x, "b": np.arange(3)}, metadata={"made_by": "a test"}))


def good_skops() -> bytes:
    return bytes(skops.io.dumps(trained("iris")))


def archive(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


def skops_with(entries: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(good_skops())) as file:
        return archive({name: file.read(name) for name in file.namelist()} | entries)


def joblib_dump(marker: Path, **options: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump({"w": np.arange(8.0), "model": Payload(marker)}, buffer, **options)
    return buffer.getvalue()


def object_array(marker: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def object_arrays(marker: Path) -> bytes:
    return archive({"w.npy": object_array(marker)})


def tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        entry = tarfile.TarInfo("storages")
        entry.size = len(content)
        file.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def legacy_torch(marker: Path) -> bytes:
    return b"".join(pickle.dumps(part, protocol=2) for part in (TORCH_MAGIC, 1001, {"little_endian": True})) + pickled(
        marker, 2
    )


def safetensors_of(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one_tensor(**changes: Any) -> dict[str, Any]:
    return {"w": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} | changes}


def safetensors_and_pickle(marker: Path) -> bytes:
    """A valid safetensors file that pickle.loads runs.

    The first byte of the header's length is the instruction "text of the following length", the metadata
    holds a chain of short strings, each jumping over the next 127 characters, and the last one ends in the
    tensor's data.
    """
    hop, start = 127, 45
    length = 0x58 + 256 * (start - 5)  # instruction X, then its length in the next four bytes
    end = 8 + length
    command = f"cos\nsystem\n(S\"touch '{marker}'\"\ntR.".encode()
    landing = start
    while landing < end:
        landing += 2 + hop
    data = b"." * (landing - end) + command
    prefix = b'{"__metadata__":{"x":"'
    suffix = b'"},"w":%s}' % json.dumps({"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}).encode()
    text = bytearray(b"a" * (length - len(prefix) - len(suffix)))
    for place in range(start, end, 2 + hop):
        at = place - 8 - len(prefix)
        if at + 2 <= len(text):
            text[at : at + 2] = b"U\x7f"
    return struct.pack("<Q", length) + prefix + bytes(text) + suffix + data


def external_onnx(*, nested: bool) -> bytes:
    """A model that reads 16 bytes of another file as its weights."""
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "../../somebody/else.bin"), ("offset", "0"), ("length", "16")):
        entry = outside.external_data.add()
        entry.key, entry.value = key, value
    if not nested:
        node = helper.make_node("Add", ["X", "w"], ["Y"])
        return bytes(graph_model([node], [tensor("X", None, 4)], [tensor("Y", None, 4)], [outside]).SerializeToString())
    constant = helper.make_node("Constant", [], ["b"], value=outside)
    branch = helper.make_graph([constant], "branch", [], [tensor("b", 4)])
    node = helper.make_node("If", ["c"], ["Y"], then_branch=branch, else_branch=branch)
    condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    return bytes(graph_model([node], [tensor("X", None, 4)], [tensor("Y", 4)], [condition]).SerializeToString())


def foreign_operator(op: str, domain: str) -> bytes:
    model = graph_model(
        [helper.make_node(op, ["X"], ["Y"], domain=domain)], [tensor("X", None, 4)], [tensor("Y", None, 4)]
    )
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return bytes(model.SerializeToString())


def onnx_with_unknown_field(content: bytes) -> bytes:
    """Field 200 of the message, length-delimited: parsers skip it."""
    key, size = (200 << 3) | 2, len(content)
    return good_onnx() + _varint(key) + _varint(size) + content


def onnx_with_archive_in_text(content: bytes) -> bytes:
    """A valid model whose last bytes, inside a text field, are a whole archive."""
    model = onnx.load_model_from_string(good_onnx())
    entry = model.metadata_props.add()
    entry.key, entry.value = "notes", "placeholder"
    raw: bytes = model.SerializeToString()
    head, _, _ = raw.rpartition(b"\x12\x0bplaceholder")
    outer = head[: head.rindex(b"\x72")]  # the key of the field metadata_props
    inner = b"\x0a\x05notes\x12" + _varint(len(content)) + content
    return outer + b"\x72" + _varint(len(inner)) + inner


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def swollen_archive() -> bytes:
    """About 300 kB that unfold to 300 MB."""
    return archive({"schema.json": b" " * (300 * 1024**2)}, zipfile.ZIP_DEFLATED)


def repeated_entry() -> bytes:
    buffer = io.BytesIO(good_skops())
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a") as file:
        warnings.simplefilter("ignore")
        file.writestr("schema.json", "{}")
    return buffer.getvalue()


def encrypted_archive() -> bytes:
    content = bytearray(archive({"schema.json": b"{}"}))
    content[6] |= 1  # the flag in the entry's own header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the index
    return bytes(content)


def lying_archive() -> bytes:
    """The index and the header claim 10 bytes; the compressed stream holds a million."""
    content = bytearray(archive({"schema.json": b" " * 1_000_000}, zipfile.ZIP_DEFLATED))
    for at in (22, content.index(b"PK\x01\x02") + 24):
        content[at : at + 4] = struct.pack("<I", 10)
    return bytes(content)


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def torch(marker: Path) -> bytes:
    return archive({"archive/data.pkl": pickled(marker)})
