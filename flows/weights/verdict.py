"""The words of an inspection."""

from __future__ import annotations

from typing import Literal

Format = Literal[
    "onnx",
    "safetensors",
    "skops",
    "pickle",
    "joblib",
    "torch-zip",
    "numpy",
    "keras/hdf5",
    "compressed",
    "zip",
    "tar",
    "gguf",
    "tflite",
    "empty",
    "unknown",
]
USE_INSTEAD = "Convert the model to ONNX or safetensors, or save it with skops."


class UnsafeError(Exception):
    """Raised by the checks of one format with a reason for the model's owner; becomes a refusal."""

    def __init__(self, reason: str, kind: Format) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind: Format = kind
