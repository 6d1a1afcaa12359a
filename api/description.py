"""What the framework does not know when it describes the interface."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from api.schemas.base import refusals

_INVENTED = "HTTPValidationError"


class DescribedApi(FastAPI):
    """Without the 422 that FastAPI describes for every parameter, since what is not valid is a 400 here; with the
    413 of every body and the refusals of the limits that stand before every route.
    """

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            described = super().openapi()
            for operations in described["paths"].values():
                for operation in operations.values():
                    _correct(operation["responses"], takes_body="requestBody" in operation)
            for name in (_INVENTED, "ValidationError"):
                described["components"]["schemas"].pop(name, None)
        return super().openapi()


def _correct(responses: dict[str, Any], *, takes_body: bool) -> None:
    if _INVENTED in str(responses.get("422", "")):
        del responses["422"]
    for status in (413, 429, 431) if takes_body else (429, 431):  # by limits that stand before every route
        if str(status) in responses:
            continue
        refusal = refusals(status)[status]
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{refusal['model'].__name__}"}}}
        responses[str(status)] = {"description": refusal["description"], "content": content}
