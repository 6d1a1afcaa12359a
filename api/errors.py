"""One table from what the domain refuses to what HTTP says."""

from __future__ import annotations

import logging
from http import HTTPStatus

import psycopg
import psycopg_pool
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.envelope import failure
from governance import artifact_store as store
from governance import errors as domain

log = logging.getLogger("gatehouse.api")

# The first row that matches decides, so special cases stand before general ones.
TABLE: tuple[tuple[type[Exception], int, str], ...] = (
    (domain.AuthenticationFailed, 401, "UNAUTHENTICATED"),
    (domain.CallsExhausted, 429, "CALLS_EXHAUSTED"),
    (domain.SelfApproval, 403, "SELF_APPROVAL"),
    (domain.ConflictOfInterest, 403, "CONFLICT_OF_INTEREST"),
    (domain.HistoryForbidden, 403, "PROV_005"),
    (domain.Forbidden, 403, "FORBIDDEN"),
    (domain.NotFound, 404, "NOT_FOUND"),  # becomes e.g. MODEL_NOT_FOUND
    (domain.NotConfigured, 404, "NOT_CONFIGURED"),
    (domain.Duplicate, 409, "DUPLICATE"),
    (domain.IllegalTransition, 409, "ILLEGAL_TRANSITION"),
    (domain.RequestOpen, 409, "REQUEST_OPEN"),
    (domain.RequestClosed, 409, "REQUEST_CLOSED"),
    (domain.VersionFrozen, 409, "VERSION_FROZEN"),
    (domain.PolicyRequired, 409, "POLICY_REQUIRED"),
    (domain.HardGate, 409, "HARD_GATE"),
    (domain.EvidenceNotReady, 409, "EVIDENCE_NOT_READY"),
    (domain.EvidenceBroken, 409, "EVIDENCE_BROKEN"),
    (domain.ApprovalInvalidated, 409, "APPROVAL_INVALIDATED"),
    (domain.ChainBroken, 409, "PROV_004"),
    (domain.NoDriftReference, 409, "NO_DRIFT_REFERENCE"),
    (domain.BreakGlassRefused, 409, "BREAK_GLASS_REFUSED"),
    (domain.Conflict, 409, "CONFLICT"),
    (domain.RevisionMismatch, 412, "REVISION_MISMATCH"),
    (domain.RevisionRequired, 428, "REVISION_REQUIRED"),
    (domain.IdempotencyMismatch, 422, "IDEMPOTENCY_MISMATCH"),
    (domain.UnsupportedFilter, 400, "FILTER_002"),
    (domain.FilterOutOfRange, 400, "FILTER_003"),
    (domain.TooManyFilters, 400, "FILTER_004"),
    (domain.ConflictingFilters, 400, "FILTER_005"),
    (domain.FilterSyntax, 400, "FILTER_001"),
    (domain.InvalidInput, 400, "INVALID_INPUT"),
    (domain.UnlikeChanges, 422, "DIFFERENT_CHANGES"),
    (domain.TooManyAttempts, 429, "TOO_MANY_ATTEMPTS"),
    (domain.RateLimited, 429, "RATE_LIMITED"),
    (domain.SignInBusy, 503, "SIGN_IN_BUSY"),
    (domain.DependencyUnavailable, 503, "DEPENDENCY_UNAVAILABLE"),
    (store.DigestMismatch, 400, "DIGEST_MISMATCH"),
    (store.SizeMismatch, 400, "SIZE_MISMATCH"),
    (store.InvalidDigest, 400, "INVALID_INPUT"),
    (store.BlobTooLarge, 413, "PAYLOAD_TOO_LARGE"),
    (store.BlobMissing, 404, "CONTENT_NOT_FOUND"),
    (store.RangeNotSatisfiable, 416, "RANGE_NOT_SATISFIABLE"),
    (store.StoreUnavailable, 503, "DEPENDENCY_UNAVAILABLE"),
)
CODES: tuple[str, ...] = tuple(dict.fromkeys(code for _, _, code in TABLE))


def _row(error: Exception) -> tuple[int, str] | None:
    row = next((row for row in TABLE if isinstance(error, row[0])), None)
    if row is None:
        return None
    if isinstance(error, domain.NotFound):
        return row[1], f"{error.kind.upper().replace(' ', '_')}_NOT_FOUND"
    return row[1], row[2]


def code_of(error: domain.GovernanceError) -> str:
    """The code that an answer about this refusal would have."""
    row = _row(error)
    return row[1] if row else "INTERNAL_ERROR"


def answer(request: Request, error: Exception) -> Response:
    """The response for a refusal of the domain or of the artifact store."""
    row = _row(error)
    if row is None:
        return unexpected(request, error)
    status, code = row
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "2"
        log.warning("503 on %s: %s", request.url.path, error)
    details = error.details if isinstance(error, domain.GovernanceError) else {}
    if wait := details.get("retryAfter"):
        headers["Retry-After"] = str(wait)
    if location := details.get("location"):
        headers["Location"] = str(location)
    message = error.message if isinstance(error, domain.GovernanceError) else str(error)
    return failure(request, status, code, message, details=details, retryable=status in (429, 503), headers=headers)


def unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours: logged whole, told briefly."""
    log.error("unexpected error on %s", request.url.path, exc_info=error)
    return failure(
        request, 500, "INTERNAL_ERROR", "Something went wrong on our side; the trace id finds it in the log."
    )


def database_gone(request: Request, error: Exception) -> Response:
    log.warning("database unavailable on %s: %s", request.url.path, type(error).__name__)
    return answer(
        request,
        domain.DependencyUnavailable("The database does not answer.", details={"dependency": "database"}),
    )


def unusable_value(request: Request, error: Exception) -> Response:
    """A value that PostgreSQL cannot hold, such as NUL in a text."""
    return answer(request, domain.InvalidInput("A value holds characters or numbers that cannot be stored."))


def invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (how it is registered)
    problems = [
        {"field": ".".join(str(part) for part in item["loc"]), "problem": item["msg"]} for item in error.errors()[:20]
    ]
    first = f"{problems[0]['field']}: {problems[0]['problem']}" if problems else "The request is not valid."
    return failure(request, 400, "INVALID_INPUT", first, details={"problems": problems})


def http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (how it is registered)
    code = HTTPStatus(error.status_code).phrase.upper().replace(" ", "_").replace("-", "_")
    return failure(request, error.status_code, code, str(error.detail), headers=error.headers)


def register(app: FastAPI) -> None:
    app.add_exception_handler(domain.GovernanceError, answer)
    app.add_exception_handler(store.ArtifactStoreError, answer)
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(psycopg.OperationalError, database_gone)
    app.add_exception_handler(psycopg_pool.PoolTimeout, database_gone)
    app.add_exception_handler(psycopg.DataError, unusable_value)
    app.add_exception_handler(Exception, unexpected)
