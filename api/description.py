"""What the framework does not know when it describes the interface."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from api.credentials import NARROWING, SCHEMES
from api.schemas.base import refusals

_INVENTED = "HTTPValidationError"


class DescribedApi(FastAPI):
    """Without the 422 that FastAPI describes for every parameter, since what is not valid is a 400 here; with the
    413 of every body, the 403 of every call that takes a token, and the refusals of the limits before every route.
    """

    public: frozenset[tuple[str, str]] = frozenset()

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            described = super().openapi()
            for path, operations in described["paths"].items():
                for method, operation in operations.items():
                    responses, takes_body = operation["responses"], "requestBody" in operation
                    if _INVENTED in str(responses.get("422", "")):
                        del responses["422"]
                    always = {413, 429, 431} if takes_body else {429, 431}  # by limits that stand before every route
                    if (method.upper(), path) not in self.public:
                        operation["security"] = [{name: []} for name in SCHEMES]
                        always |= {403}
                        operation.setdefault("parameters", []).extend(NARROWING)
                    _add_refusals(responses, always)
            described["components"]["securitySchemes"] = SCHEMES
            for name in (_INVENTED, "ValidationError"):
                described["components"]["schemas"].pop(name, None)
        return super().openapi()


def _add_refusals(responses: dict[str, Any], statuses: set[int]) -> None:
    for status in sorted(statuses - {int(known) for known in responses}):
        refusal = refusals(status)[status]
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{refusal['model'].__name__}"}}}
        responses[str(status)] = {"description": refusal["description"], "content": content}
