"""The body of a report of many inferences: a JSON array, or one JSON object a line."""

from __future__ import annotations

from typing import Any

import orjson

from governance.errors import InvalidInput
from governance.monitoring.points import MOST_POINTS

NDJSON = ("application/x-ndjson", "application/ndjson")
REPORT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "Many inferences at once, in place of the query: at most 10,000 points and 1 MiB.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MOST_POINTS,
                    "items": {
                        "type": "object",
                        "required": ["timing_ms"],
                        "additionalProperties": False,
                        "properties": {
                            "timing_ms": {"type": "number", "minimum": 0, "maximum": 86_400_000},
                            "success": {"type": "boolean", "default": True},
                            "error": {"type": "string", "maxLength": 2_000},
                            "at": {"type": "string", "format": "date-time"},
                        },
                    },
                },
                "example": [
                    {"timing_ms": 1247.5},
                    {"timing_ms": 8901.2, "success": False, "error": "TimeoutError: no answer"},
                ],
            },
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


def points_in(body: bytes, content_type: str | None) -> list[Any]:
    """Raises InvalidInput for what is neither, and for more points than a report may have, before they are read."""
    kind = (content_type or "application/json").partition(";")[0].strip().lower()
    if kind in NDJSON:
        lines = [line for line in body.split(b"\n") if line.strip()]
        if len(lines) > MOST_POINTS:
            raise InvalidInput(f"A report has at most {MOST_POINTS:,} points.", details={"points": len(lines)})
        points = []
        for index, line in enumerate(lines):
            try:
                points.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise InvalidInput(f"Point {index} is not JSON: {error}.", details={"index": index}) from None
        return points
    if kind != "application/json":
        raise InvalidInput(
            "A report of many inferences is application/json (an array) or application/x-ndjson.",
            details={"field": "Content-Type"},
        )
    try:
        points = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not JSON: {error}.") from None
    if not isinstance(points, list):
        raise InvalidInput("The body is an array of points.")
    return points
