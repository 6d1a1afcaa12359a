"""Bodies of any size into the artifact store, in constant memory, hashed while they flow."""

from __future__ import annotations

import base64
import binascii
import re

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from governance.artifact_store import ArtifactStore, BlobTooLarge, StoredBlob
from governance.errors import InvalidInput
from governance.models import checked_sha256

CHUNK = 1024 * 1024  # bytes handed to a thread at a time
_DIGEST_FIELD = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?=,|$)")


def announced_digest(request: Request) -> str | None:
    """The sha256 that the client announced: `Content-Digest` (RFC 9530) or `X-Content-SHA256` in hexadecimal."""
    plain = request.headers.get("x-content-sha256")
    announced = None if plain is None else checked_sha256("X-Content-SHA256", plain.lower())
    in_field = _digest_in_field(request.headers.get("content-digest"))
    if announced and in_field and announced != in_field:
        raise InvalidInput("X-Content-SHA256 and Content-Digest announce different contents.")
    return announced or in_field


def _digest_in_field(field: str | None) -> str | None:
    if field is None:
        return None
    found = _DIGEST_FIELD.search(field)
    if found is None:
        raise InvalidInput("Content-Digest holds sha-256=:<base64>: (RFC 9530).", details={"field": "Content-Digest"})
    try:
        return base64.b64decode(found.group(1), validate=True).hex()
    except binascii.Error:
        raise InvalidInput("Content-Digest is not base64.", details={"field": "Content-Digest"}) from None


def announced_size(request: Request, limit: int) -> int | None:
    """`Content-Length`. Raises BlobTooLarge before a byte is read when it is beyond the limit."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidInput("Content-Length is not a number.")
    if int(text) > limit:
        raise BlobTooLarge(limit)
    return int(text)


async def receive(request: Request, store: ArtifactStore, limit: int) -> StoredBlob:
    """Stream the body into the store. Whatever goes wrong, nothing of it stays.

    Raises BlobTooLarge, DigestMismatch, SizeMismatch (fewer bytes than announced), StoreUnavailable, InvalidInput.
    """
    digest, size = announced_digest(request), announced_size(request, limit)
    if size == 0:
        raise InvalidInput("The body is empty.")
    request.state.body_limit = None  # the upload has its own
    upload = await run_in_threadpool(store.open_upload, limit=limit)
    try:
        gathered = bytearray()
        async for piece in request.stream():
            gathered += piece
            if len(gathered) >= CHUNK:
                await run_in_threadpool(upload.write, bytes(gathered))
                gathered.clear()
        if gathered:
            await run_in_threadpool(upload.write, bytes(gathered))
        blob = await run_in_threadpool(upload.finish, digest, size)
    except ClientDisconnect:
        raise InvalidInput("The upload broke off.") from None
    finally:
        await run_in_threadpool(upload.abort)  # nothing to do after a finish
    if blob.size == 0:
        await run_in_threadpool(store.delete, blob.sha256)
        raise InvalidInput("The body is empty.")
    return blob
