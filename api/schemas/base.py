"""What all shapes share."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class Body(BaseModel):
    """A request body: strict types, no unknown fields, camelCase names."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True)


class Read(BaseModel):
    """A part of an answer, for the description of the interface; PostgreSQL builds the JSON itself."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Metadata(Read):
    request_id: str
    correlation_id: str
    timestamp: str
    latency: float
    user_groups: list[str]
    effective_permissions: list[str]
    data_access_level: str | None
    cached: bool


class Pagination(Read):
    page: int | None
    page_size: int
    limit: int
    total_pages: int
    total_count: int
    total: int
    total_is_lower_bound: bool
    has_next: bool
    has_previous: bool
    next_token: str | None


class Success(Read, Generic[T]):
    success: bool = True
    data: T
    pagination: Pagination | None
    links: dict[str, str]
    metadata: Metadata


class ErrorDetail(Read):
    code: str
    message: str
    details: dict[str, Any]
    retryable: bool
    trace_id: str | None
    context: dict[str, Any]
    documentation: str


class Failure(Read):
    success: bool = False
    data: None = None
    error: ErrorDetail


_TEXTS = {
    400: "The request is not valid; `details` says what.",
    401: "No valid token.",
    403: "Known, but not allowed.",
    404: "There is nothing of that name that you may see.",
    409: "The present state does not allow it; `code` and `details` say why.",
    412: "`If-Match` names an older revision.",
    413: "The body is larger than the limit.",
    416: "The range lies outside of the content.",
    422: "The Idempotency-Key was used for another request, or a batch holds different changes; `code` says which.",
    428: "`If-Match` is required.",
    429: "More calls or attempts than allowed, or more than the token is good for; `code` says which.",
    431: "More or larger headers than allowed.",
    503: "A dependency does not answer; `retryable` is true.",
}


def answers(read: Any, *errors: int, status: int = 200, description: str = "Success") -> dict[int | str, Any]:
    """The `responses` of a route: the success in its envelope, and the refusals it can give."""
    return {status: {"model": Success[read], "description": description}, **refusals(400, 401, 503, *errors)}


def refusals(*errors: int) -> dict[int | str, Any]:
    return {code: {"model": Failure, "description": _TEXTS[code]} for code in sorted(set(errors))}
