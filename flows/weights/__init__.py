"""What a weights file really is, judged by its content: safe to load, or refused with a reason.

Three formats are accepted because loading them runs no code of their author: ONNX, safetensors and skops
without foreign types. Everything else is refused, above all pickle in any of its disguises. File names,
extensions and media types are never looked at.
"""

from flows.weights.inspection import WeightInspection, inspect_weights

__all__ = ["WeightInspection", "inspect_weights"]
