"""The hostile and the broken weights files of the tests, with what an inspection must say of them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import skops.io
from onnx import helper

from tests.flows.evaluation.samples import graph_model, tensor
from tests.flows.hostile_weights import (
    archive,
    cut,
    encrypted_archive,
    external_onnx,
    foreign_operator,
    good_onnx,
    good_safetensors,
    good_skops,
    joblib_dump,
    legacy_torch,
    lying_archive,
    object_array,
    object_arrays,
    one_tensor,
    onnx_with_archive_in_text,
    onnx_with_unknown_field,
    pickled,
    repeated_entry,
    safetensors_and_pickle,
    safetensors_of,
    skops_with,
    swollen_archive,
    tarred,
    torch,
)

# name → (content of the file, what the inspection must call it, a word of the reason)
HOSTILE: dict[str, tuple[Callable[[Path], bytes], set[str], str]] = {
    **{
        f"pickle protocol {p}": (lambda m, p=p: pickled(m, p), {"pickle"}, "runs any code")  # type: ignore[misc]
        for p in range(6)
    },
    "two pickles": (lambda m: pickle.dumps(1) + pickled(m), {"pickle"}, "runs any code"),
    "legacy torch": (legacy_torch, {"pickle"}, "runs any code"),
    "gzip": (lambda m: gzip.compress(pickled(m)), {"pickle"}, "inside gzip"),
    "bzip2": (lambda m: bz2.compress(pickled(m)), {"pickle", "compressed"}, "bzip2"),
    "xz": (lambda m: lzma.compress(pickled(m)), {"pickle"}, "inside xz"),
    "lzma": (lambda m: lzma.compress(pickled(m), lzma.FORMAT_ALONE), {"pickle"}, "inside lzma"),
    "zlib": (lambda m: zlib.compress(pickled(m)), {"pickle"}, "inside zlib"),
    "gzip of an old protocol": (lambda m: gzip.compress(pickled(m, 0)), {"compressed"}, "gzip"),
    "lz4": (lambda m: b"\x04\x22\x4d\x18\x64\x40\xa7" + pickled(m), {"compressed"}, "lz4"),
    "zstd": (lambda m: b"\x28\xb5\x2f\xfd\x24\x10" + pickled(m), {"compressed"}, "zstd"),
    "joblib": (joblib_dump, {"joblib"}, "joblib"),
    "joblib zlib": (lambda m: joblib_dump(m, compress=3), {"joblib"}, "joblib"),
    "joblib gzip": (lambda m: joblib_dump(m, compress=("gzip", 3)), {"joblib"}, "joblib"),
    "torch": (
        lambda m: archive({"archive/data.pkl": pickled(m), "archive/version": b"3"}),
        {"torch-zip"}, "PyTorch",
    ),
    "torchscript": (
        lambda m: archive({"m/constants.pkl": pickled(m), "m/code/x.py": b""}), {"torch-zip"}, "PyTorch",
    ),
    "pickle in an archive": (lambda m: archive({"model.PKL": pickled(m)}), {"pickle"}, "pickle"),
    "skops with a pickle": (lambda m: skops_with({"extra.pkl": pickled(m)}), {"pickle"}, "pickle"),
    "skops with a hidden pickle": (lambda m: skops_with({"notes": pickled(m)}), {"zip"}, "does not write"),
    "skops with an array of objects": (
        lambda m: skops_with({"1.npy": object_array(m)}), {"pickle"}, "Python objects",
    ),
    "skops with a sparse matrix of objects": (
        lambda m: skops_with({"1.npz": object_arrays(m)}), {"pickle"}, "Python objects",
    ),
    "skops of a function": (lambda m: skops.io.dumps({"f": os.system}), {"skops"}, "system"),
    "numpy objects": (object_array, {"numpy"}, "pickle"),
    "numpy archive of objects": (object_arrays, {"numpy"}, "pickles"),
    "tar": (lambda m: tarred(pickled(m)), {"tar"}, "tar"),
    "hdf5": (lambda m: b"\x89HDF\r\n\x1a\n" + bytes(64), {"keras/hdf5"}, "Keras"),
    "keras": (lambda m: archive({"config.json": b"{}", "model.weights.h5": b""}), {"keras/hdf5"}, "Keras"),
    "safetensors and pickle": (safetensors_and_pickle, {"pickle"}, "same time"),
    "safetensors and torch": (
        lambda m: safetensors_of(
            one_tensor(shape=[len(torch(m))], data_offsets=[0, len(torch(m))]), torch(m)
        ), {"zip"}, "same time",
    ),
    "safetensors and hdf5": (
        lambda m: good_safetensors()[:512].ljust(512) + b"\x89HDF\r\n\x1a\n", {"keras/hdf5"}, "HDF5",
    ),
    "onnx then torch": (lambda m: good_onnx() + torch(m), {"onnx"}, "parse"),
    "onnx with torch as unknown field": (lambda m: onnx_with_unknown_field(torch(m)), {"onnx"}, "no part"),
    "onnx with torch in a text": (lambda m: onnx_with_archive_in_text(torch(m)), {"zip"}, "same time"),
    "torch then onnx": (lambda m: torch(m) + good_onnx(), {"torch-zip", "zip"}, ""),
    "script": (lambda m: f"#!/bin/sh\ntouch '{m}'\n".encode(), {"unknown"}, "none of the accepted"),
}  # fmt: skip

BROKEN: dict[str, tuple[Callable[[], bytes], set[str], str]] = {
    "empty": (lambda: b"", {"empty"}, "empty"),
    "zeros": (lambda: bytes(1000), {"unknown"}, "none of"),
    "text": (lambda: b"hello", {"unknown"}, "none of"),
    "gguf": (lambda: b"GGUF\x03\x00\x00\x00" + bytes(64), {"gguf"}, "GGUF"),
    "tflite": (lambda: b"\x1c\x00\x00\x00TFL3" + bytes(64), {"tflite"}, "TensorFlow"),
    "bare array": (lambda: b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', }", {"numpy"}, "bare"),
    "cut onnx": (lambda: cut(good_onnx()), {"onnx"}, "cut off"),
    "onnx without nodes": (lambda: b"\x08\x08", {"onnx"}, "no graph"),
    "invalid onnx": (
        lambda: bytes(
            graph_model([helper.make_node("NoSuchThing", ["X"], ["Y"])], [tensor("X", 1)], [tensor("Y", 1)])
            .SerializeToString()
        ), {"onnx"}, "not valid",
    ),
    "onnx with external data": (lambda: external_onnx(nested=False), {"onnx"}, "another file"),
    "onnx with external data in a branch": (lambda: external_onnx(nested=True), {"onnx"}, "another file"),
    "onnx with a foreign operator": (
        lambda: foreign_operator("PyOp", "ai.onnx.contrib"), {"onnx"}, "library",
    ),
    "onnx with a compiled part": (
        lambda: foreign_operator("EPContext", "com.microsoft"), {"onnx"}, "compiled",
    ),
    "cut safetensors": (lambda: cut(good_safetensors()), {"safetensors"}, "cut off"),
    "safetensors with a tail": (lambda: good_safetensors() + b"x", {"safetensors"}, "carries more"),
    "safetensors header too long": (lambda: b"\xff\xff\x00\x00\x00\x00\x00\x00{}", {"safetensors"}, "claims"),
    "safetensors not json": (lambda: safetensors_of(b"{nonsense"), {"safetensors"}, "not JSON"),
    "safetensors nested": (lambda: safetensors_of(b'{"a":' + b"[" * 100_000), {"safetensors"}, ""),
    "safetensors hole": (
        lambda: safetensors_of(one_tensor(data_offsets=[1, 5]), bytes(5)), {"safetensors"}, "holes",
    ),
    "safetensors size": (lambda: safetensors_of(one_tensor(shape=[5]), bytes(4)), {"safetensors"}, "fill"),
    "safetensors dtype": (
        lambda: safetensors_of(one_tensor(dtype="OBJECT"), bytes(4)), {"safetensors"}, "dtype",
    ),
    "safetensors overlap": (
        lambda: safetensors_of(one_tensor() | {"v": one_tensor()["w"]}, bytes(4)), {"safetensors"}, "overlap",
    ),
    "safetensors repeated": (
        lambda: safetensors_of(
            b'{"w":%s,"w":%s}' % ((json.dumps(one_tensor()["w"]).encode(),) * 2), bytes(4)
        ),
        {"safetensors"}, "repeated",
    ),
    "cut skops": (lambda: cut(good_skops()), {"zip"}, "cut off"),
    "damaged skops": (lambda: good_skops().replace(b"sklearn", b"sklaern", 1), {"zip"}, "damaged"),
    "skops with a head": (lambda: b"PK\x03\x04" + bytes(60) + good_skops(), {"zip"}, "belong to none"),
    "skops with a tail": (lambda: good_skops() + b"tail", {"zip"}, "after its index"),
    "skops without schema": (lambda: archive({"1.bin": b""}), {"zip"}, "schema"),
    "skops of nonsense": (lambda: archive({"schema.json": b"[1, 2]"}), {"skops"}, "not valid"),
    "swollen": (swollen_archive, {"zip"}, "would grow"),
    "lying": (lying_archive, {"zip"}, ""),
    "many entries": (lambda: archive({f"{i}.bin": b"" for i in range(10_001)}), {"zip"}, "10001 entries"),
    "repeated entry": (repeated_entry, {"zip"}, "same name"),
    "encrypted": (encrypted_archive, {"zip"}, "encrypted"),
    "path in an archive": (lambda: archive({"schema.json": b"{}", "../1.bin": b""}), {"zip"}, "odd names"),
    "empty archive": (lambda: archive({}), {"zip"}, "0 entries"),
}  # fmt: skip
