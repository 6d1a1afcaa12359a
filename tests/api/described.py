"""Holds answers against what the interface says about itself, more strictly than JSON Schema would."""

from __future__ import annotations

import copy
import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]


class Description:
    """An OpenAPI document; objects are closed, so that a field that nobody described is an error too."""

    def __init__(self, openapi: dict[str, Any]) -> None:
        self.openapi = openapi
        self._components = copy.deepcopy(openapi["components"])
        for schema in self._components["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)
        self._paths = [(re.compile(_pattern(path)), operations) for path, operations in openapi["paths"].items()]

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(method, path, operation)."""
        return [
            (method.upper(), path, operation)
            for path, operations in self.openapi["paths"].items()
            for method, operation in operations.items()
        ]

    def check(self, response: httpx.Response) -> None:
        """Raises AssertionError unless the answer is one that its operation declares. The body must have been read."""
        request = response.request
        if request.url.path.startswith(("/docs", "/openapi.json")):
            return  # the description itself
        operation = self._operation(request.method.replace("HEAD", "GET"), request.url.path)
        if operation is None:
            assert response.status_code in (404, 405, 429, 431), (request.url, response.status_code)
            return
        where = f"{request.method} {request.url.path} -> {response.status_code}: {response.text[:500]}"
        declared = operation["responses"].get(str(response.status_code))
        assert declared is not None, f"not declared: {where}"
        content = declared.get("content", {})
        media_type = response.headers.get("content-type", "").split(";")[0]
        if not response.content:
            return
        if not content:
            assert media_type != "application/json", f"an undescribed body: {where}"
            return
        assert media_type in content or "*/*" in content, f"another media type: {where}"
        if media_type == "application/json":
            schema = {"components": self._components, **content[media_type]["schema"]}
            errors = sorted(Draft202012Validator(schema).iter_errors(response.json()), key=str)
            assert not errors, f"{where}\n{errors[0].json_path}: {errors[0].message}"

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, operations in self._paths:
            if pattern.fullmatch(path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        return None


def _pattern(path: str) -> str:
    return re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
